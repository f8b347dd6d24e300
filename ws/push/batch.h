/*
 * What was published to one channel in a turn. It is gathered as the bytes that go out, for each transport
 * that somebody speaks, and leaves before the flush in one send for each subscriber who has nothing else
 * waiting: no reference is taken for it and no queue touched. Everybody else, and whoever cannot take all of
 * it, gets the messages in the queue.
 *
 * Order is that of a queue: before anything else is queued behind what a batch holds, its messages go to the
 * queues, by batch_settle() for a whole channel, by batch_catch_up() for one client.
 */
#ifndef WSPUSH_PUSH_BATCH_H
#define WSPUSH_PUSH_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "push/mail.h"
#include "push/msg.h"

struct conn;
struct shard;

enum { BATCH_MESSAGES = 256, BATCH_BYTES = 32 * 1024 };

/* All messages of a batch as one transport has them. */
struct run {
    uint8_t *bytes;
    size_t len;     /* 0: nobody needed it yet */
    size_t longest; /* of a message, before its frame's header: bytes */
};

struct batch {
    struct list link; /* in the shard's `batches` */
    uint32_t channel; /* number */
    uint32_t count;
    struct run runs[TRANSPORTS];
    struct msg *msgs[BATCH_MESSAGES];
    uint8_t bytes[BATCH_BYTES]; /* of the run for raw clients, which is made as messages come */
};

/* Makes the run that a transport needs. False when there is no memory. */
bool batch_make_run(struct batch *b, struct websocket *ws, enum transport transport);

/* Takes a message for the channel's subscribers on this shard, with a reference. False: it is too large, they
 * are fewer than two, there are too many batches, or there is no memory; the channel then has no batch, and
 * the caller sends the message to each. Full batches leave at once. */
bool batch_add(struct shard *s, uint32_t channel, struct msg *m);
/* What the channel's batch holds goes to the queues of its subscribers. */
void batch_settle(struct shard *s, uint32_t channel);
void batch_settle_all(struct shard *s);
/* Something is about to come to a channel. Where clients of it are on others too, what was gathered for such
 * a one goes first: they get all in the order in which it was published. */
void batch_settle_mixed(struct shard *s, uint32_t channel);
/* What the batch of its channel holds goes to its queue now, which may end it; the client is about to become
 * nobody's recipient. */
void batch_catch_up(struct conn *c);
/* All leave. At the end of each turn, before the flush. */
void batch_flush_all(struct shard *s);

#endif
