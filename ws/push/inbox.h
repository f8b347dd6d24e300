/*
 * What clients of a channel have said and nobody has taken yet, and who waits for it. Lives at the hub. An
 * inbox is bounded in messages and bytes, the oldest go; all inboxes together are bounded too.
 */
#ifndef WSPUSH_PUSH_INBOX_H
#define WSPUSH_PUSH_INBOX_H

#include <stdint.h>

#include "base/list.h"
#include "loop/timer.h"
#include "push/engine.h"
#include "push/msg.h"
#include "push/shared_name.h"

/* One message. While somebody is handed it, it is in no list and still counted. */
struct inbox_msg {
    struct list link; /* of the channel's messages */
    struct list all;  /* of all messages that are kept */
    struct shared_name *channel;
    uint64_t client;
    int64_t time;  /* Unix milliseconds */
    uint64_t lost; /* dropped before it */
    struct msg *msg;
};

/* A blocked WS.WAIT. */
struct channel;
struct hub;
struct waiter {
    struct list link; /* of the channel's waiters */
    struct list all;  /* of all waiters */
    struct timer timer;
    struct asker asker;
    uint64_t client; /* 0: any client of the channel */
    struct channel *channel;
    struct hub *hub;
};

struct inbox {
    struct list messages; /* oldest first */
    struct list waiters;  /* first come first */
    uint64_t count;
    uint64_t bytes;
    uint64_t lost; /* dropped behind the last message that is kept */
};

void inbox_init(struct inbox *b);
static inline size_t inbox_cost(const struct inbox_msg *m)
{
    return sizeof *m + sizeof *m->msg + m->msg->len;
}
/* The first message of this client (0: of any), or NULL. */
struct inbox_msg *inbox_first(const struct inbox *b, uint64_t client);
/* How many messages of this client (0: of any) wait. */
uint64_t inbox_count(const struct inbox *b, uint64_t client);
/* Who is to have the next message of this client: a waiter for just this client before those for the channel.
 */
struct waiter *inbox_waiter_for(const struct inbox *b, uint64_t client);
void inbox_append(struct inbox *b, struct inbox_msg *m);
void inbox_prepend(struct inbox *b, struct inbox_msg *m);
void inbox_take(struct inbox *b, struct inbox_msg *m);
/* Takes out the oldest, which is to be dropped; the one behind it knows. NULL if there is none. */
struct inbox_msg *inbox_lose_oldest(struct inbox *b);

#endif
