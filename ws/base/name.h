/*
 * Names: channels, users, client names, targets. The one place where a URL path becomes a channel, shared by
 * the worker and the responder, so that the two can never disagree about who talks to whom.
 */
#ifndef WSPUSH_BASE_NAME_H
#define WSPUSH_BASE_NAME_H

#include <stddef.h>
#include <stdint.h>

enum { CHANNEL_NAME_MAX = 200, USER_NAME_MAX = 128 };

/* NULL if `name` is a channel's name, else a short reason: 1 to 200 bytes of UTF-8 without control bytes,
 * space, '?' or
 * '#', not beginning with '@', without an empty, "." or ".." segment. */
const char *channel_name_fault(const char *name, size_t len);

/* The channel of a raw request path (RFC 9112 section 3.2.1: what follows '?' is not looked at):
 * percent-decoded once, outer slashes removed. Writes at most CHANNEL_NAME_MAX bytes and a NUL to `out` and
 * sets *out_len; returns NULL, or the reason why the path names no channel. An encoded slash or NUL is
 * refused. */
const char *channel_name_from_path(const char *path, size_t len, char out[CHANNEL_NAME_MAX + 1],
                                   size_t *out_len);

/* NULL if `name` is a user's name, else a short reason: 1 to 128 bytes of UTF-8 without control characters
 * and space. */
const char *user_name_fault(const char *name, size_t len);

enum target_kind { TARGET_CHANNEL, TARGET_CLIENT, TARGET_USER, TARGET_MATCH, TARGET_ALL };

/* Whom a message or a question is for. */
struct target {
    enum target_kind kind;
    const char *name; /* a channel, a user, or a pattern of channels; points into the parsed text */
    size_t name_len;
    uint64_t client;
};

/* Reads `test`, `@client:c42`, `@user:alice`, `@match:room-*` or `@all`. NULL, or the reason why it is no
 * target. */
const char *target_parse(const char *text, size_t len, struct target *out);
/* Reads `c42`; 0 or -1. */
int client_name_parse(const char *text, size_t len, uint64_t *out);

#endif
