/*
 * Raw connections of an attacker, by the thousand: each a descriptor, nothing read but the answer to a
 * handshake. What is sent is counted, and stops at a budget. Nothing here fails a test but for want of
 * descriptors or memory.
 */
#ifndef WSPUSH_T_FORCE_H
#define WSPUSH_T_FORCE_H

#include <stdbool.h>
#include <stddef.h>

#include "../system/site.h"

enum { FORCE_BUDGET = 8 << 20 };

struct force {
    const struct site *site;
    int *fds;
    size_t count;
    size_t cap;
    size_t sent;
    size_t missed; /* sent to nobody: its connection was refused */
};

/* Connects to "unix:PATH"; the descriptor is the force's. */
int force_connect(struct force *f, const char *address);
/* The same, and a whole opening handshake for `path`, with `headers` (NULL, or whole lines). -1: refused. */
int force_enter(struct force *f, const char *path, const char *headers);
/* Writes, as far as the budget goes and while the peer takes any. False: it was not all written. */
bool force_send(struct force *f, int fd, const void *bytes, size_t len);
/* What of the budget is left. */
size_t force_left(const struct force *f);
/* Closes the latest connection, without a word. */
void force_leave(struct force *f);
/* Closes all. */
void force_disband(struct force *f);

/* A masked frame's header, the mask all zeroes, so that payloads stay as they are; first: FIN, RSV and
 * opcode. Returns its size, at most 14. */
size_t force_header(unsigned char *out, unsigned first, unsigned long long len);
/* The head of an opening handshake. Returns its length. */
size_t force_request(char *out, size_t cap, const char *path, const char *headers);

#endif
