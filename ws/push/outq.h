/*
 * What waits to be written to one connection: references to messages, in order. Empty, it holds no memory of
 * its own.
 */
#ifndef WSPUSH_PUSH_OUTQ_H
#define WSPUSH_PUSH_OUTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "push/msg.h"

enum { OUTQ_INLINE = 2 };

struct outq {
    union {
        struct msg **ring;
        struct msg *few[OUTQ_INLINE]; /* used while cap is no more */
    };
    uint32_t cap;
    uint32_t head;
    uint32_t count;
    uint32_t offset; /* bytes of the first frame that are written; frames are below 4 GiB */
    size_t bytes;    /* that wait */
};

void outq_init(struct outq *q);
/* Called for each message that leaves the queue: written whole, or not (the queue is dropped). */
typedef void (*outq_left)(void *arg, const struct msg *m, bool written);
/* Drops what waits. `left` may be NULL. */
void outq_fini(struct outq *q, outq_left left, void *arg);

/* Drops what waits but for a message that is written in part. */
void outq_drop_unstarted(struct outq *q, outq_left left, void *arg);

/* Drops text and binary messages that were not begun, and resets among them, the oldest first, until no more
 * than so many bytes and messages wait. Returns how many. While `left` is told of one, *kept is the place
 * where it would be in what is left: for outq_insert(). */
size_t outq_drop_oldest(struct outq *q, size_t bytes, size_t messages, uint32_t *kept, outq_left left,
                        void *arg);

/* Drops messages that were not begun and that expire by now. Returns how many. *mortal says whether any that
 * may expire is left. */
size_t outq_drop_expired(struct outq *q, int64_t now, bool *mortal, outq_left left, void *arg);

/* A message that is to come before the one at this place, which was not begun. */
struct insertion {
    uint32_t place; /* in the queue as it was */
    struct msg *m;
};

/* Adds messages, in the order of their places, and takes references to them. 0, or -1 when there is no
 * memory: then none. */
int outq_insert(struct outq *q, const struct insertion *all, uint32_t count);
/* Adds a message at the end and takes a reference to it. 0, or -1 when there is no memory. */
int outq_push(struct outq *q, struct msg *m);
/* So many bytes of the first message, less than all, are out already. */
void outq_begin(struct outq *q, size_t bytes);
static inline bool outq_empty(const struct outq *q)
{
    return q->count == 0;
}

/* Writes as much as the descriptor takes, many messages in one system call. Returns the bytes written, or -1
 * with errno for a broken connection. *calls is raised by the system calls made. */
ssize_t outq_write(struct outq *q, int fd, outq_left left, void *arg, unsigned *calls);
/* Calls `visit` for each message that waits. */
void outq_each(const struct outq *q, void (*visit)(void *arg, const struct msg *m), void *arg);

#endif
