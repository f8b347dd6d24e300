/*
 * What the worker itself says to clients of wspush.v1 and to event streams, as docs/CLIENT.md has it. Each is
 * a message that is shared among all it goes to. NULL when there is no memory; one reference is the caller's.
 */
#ifndef WSPUSH_PUSH_NOTICE_H
#define WSPUSH_PUSH_NOTICE_H

#include "push/msg.h"

/* `user` NULL: nobody knows. `channel` NULL: the client is on none. `from`: where it goes on, for a stream;
 * gen 0: a reset says that. */
struct msg *notice_hello(uint64_t client, const struct shared_name *user, const struct shared_name *channel,
                         struct msg_id from);
/* The client is on the channel; what follows `from` comes first. */
struct msg *notice_sub(const struct shared_name *channel, struct msg_id head, struct msg_id from);
struct msg *notice_unsub(const struct shared_name *channel);
/* Messages are missing before what follows `id`. */
struct msg *notice_reset(struct shared_name *channel, const char *why, struct msg_id id);
/* A user has joined or left. */
struct msg *notice_user(enum notice what, const struct shared_name *channel, const struct shared_name *user);
/* `channel` NULL: it is about none. */
struct msg *notice_error(const char *code, const char *text, const char *channel, size_t channel_len);
struct msg *notice_pong(int64_t number);
/* A stream ends for good. `reason` is UTF-8. */
struct msg *notice_close(unsigned code, const char *reason);

#endif
