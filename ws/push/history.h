/*
 * What a channel keeps: its newest messages, in a ring of consecutive numbers, so that the one behind a
 * position is found at once. A message that expires by itself leaves a hole; one that goes for want of room,
 * or for its age, goes from the old end, and `lost` says up to where. All histories together know which
 * message is the oldest of all.
 *
 * Nobody has to look for a history to become smaller: a timer ends what is too old, one a history, and one a
 * message with a life of its own.
 */
#ifndef WSPUSH_PUSH_HISTORY_H
#define WSPUSH_PUSH_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "loop/timer.h"
#include "push/msg.h"

struct history;

/* All of them. */
struct histories {
    struct timers *timers;
    const int64_t *now; /* monotonic milliseconds */
    struct list oldest; /* messages, in the order in which they came */
    uint64_t messages;
    uint64_t bytes;   /* of the heap: messages without their forms, and what keeps them */
    uint64_t trimmed; /* messages that went for want of room, ever */
    /* A timer, or histories_lose_oldest(), took the last message. The history may be freed. */
    void (*emptied)(void *arg, struct history *h);
    void *arg;
};

/* What a channel may keep. */
struct history_bounds {
    uint64_t size;  /* of the newest messages so many, those that have expired among them */
    uint64_t bytes; /* as msg_weight() counts; the newest message stays, however large */
    int64_t ttl;    /* milliseconds; 0: any age */
};

struct history_entry {
    struct list age; /* among the messages of all histories */
    struct history *history;
    struct msg *msg; /* NULL: a hole */
    int64_t at;      /* monotonic milliseconds */
};

/* So many entries stay where they are, however many come: a large history grows in no longer time than a
 * small one. */
enum { HISTORY_BLOCK = 4 };
struct history_block {
    struct history_entry entries[HISTORY_BLOCK];
};

/* Begins with a message, where it is not empty. */
struct history {
    struct histories *all;
    void *owner;
    struct history_block **blocks; /* a ring; those that have entries are there */
    size_t room;                   /* of that ring, a power of two */
    size_t start;                  /* entries that came before the first, in all the ring's rounds */
    size_t span;                   /* entries, holes too */
    uint64_t first;                /* the number of the first entry */
    uint64_t lost;     /* the last number that is not kept for another reason than its own expiry */
    uint64_t messages; /* without the holes */
    uint64_t bytes;    /* of the messages */
    struct history_bounds bounds;
    struct timer old_age;
    struct list mortals; /* messages that expire by themselves, oldest first */
};

/* `emptied` and `arg` are the caller's to set. */
void histories_init(struct histories *all, struct timers *timers, const int64_t *now);
/* The oldest message of all goes. False where there is none. */
bool histories_lose_oldest(struct histories *all);

/* An empty one; aborts when there is no memory. `lost`: messages up to this number are not kept. */
struct history *history_new(struct histories *all, void *owner, uint64_t lost);
/* With all that is in it. Takes NULL too. */
void history_free(struct history *h);
/* Keeps a message that nobody shares yet, and whose number follows that of the one before, and then whatever
 * the bounds leave. Afterwards it may be empty. */
void history_add(struct history *h, struct msg *m, const struct history_bounds *bounds);
/* The bounds are others now, or time has passed. Afterwards it may be empty. */
void history_bound(struct history *h, const struct history_bounds *bounds);

/* The number of its newest message. */
static inline uint64_t history_last(const struct history *h)
{
    return h->first + h->span - 1;
}
/* The message with this number, or NULL where it is not kept or has expired. */
struct msg *history_at(const struct history *h, uint64_t number);

#endif
