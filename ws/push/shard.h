/*
 * A shard: a thread's share of the clients, and their subscriptions. It talks to the hub by mail only; shard
 * 0 lives on the hub's own thread.
 */
#ifndef WSPUSH_PUSH_SHARD_H
#define WSPUSH_PUSH_SHARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"
#include "base/hash.h"
#include "loop/loop.h"
#include "push/batch.h"
#include "push/conn.h"
#include "push/mail.h"
#include "push/stats.h"

/* What all threads of the worker share. What some of them write is kept apart from what all read.
 * NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct world {
    /* seldom written */
    struct mailbox *hub_mail;
    atomic_size_t max_clients; /* of those that are let in */
    atomic_size_t out_total;   /* the option, as the hub last took it */
    struct addresses *addresses;
    struct refusals *refusals;
    atomic_bool draining;
    /* too much is queued somewhere: whoever publishes is not read for now */
    atomic_bool congested;
    /* written as clients come and go */
    _Alignas(CACHE_LINE) atomic_uint_fast64_t last_client; /* numbers never repeat */
    atomic_size_t clients;                                 /* connections, handshakes too */
    atomic_size_t seated;                                  /* those that were let in */
    /* written with each message */
    _Alignas(CACHE_LINE) atomic_size_t mail_bytes; /* payload of the messages in letters */
};

/* Letters that a thread has not taken yet, above which those who write them wait. */
enum { MAILBOX_MARK = 50000 };

/* Whether the hub has to catch up with what the shards tell it. */
static inline bool world_hub_is_behind(const struct world *world)
{
    return mailbox_waiting(world->hub_mail) > MAILBOX_MARK ||
           atomic_load_explicit(&world->mail_bytes, memory_order_relaxed) >
               atomic_load_explicit(&world->out_total, memory_order_relaxed);
}

/* The subscribers of one channel on this shard, by the channel's number. */
struct shard_channel {
    struct conn **subscribers;
    uint32_t count;
    uint32_t cap : 31;
    uint32_t mixed : 1; /* a client of it is, or was, on others too */
    struct shared_name *name;
    struct batch *batch; /* of this turn; NULL: nothing was published yet */
};

struct awaited;
struct shard_receipt;

struct shard {
    uint32_t index;
    struct world *world;
    struct config *config; /* one hold */
    struct loop *loop;
    struct websocket *ws;
    struct shard_channel *channels;
    uint32_t channel_count;
    struct list batches; /* of this turn, the oldest first */
    uint32_t batch_count;
    struct batch *spare_batch;
    struct batch *mixed;            /* the one batch for a channel whose clients are on others too, or NULL */
    struct shard_receipt *receipts; /* uthash */
    struct list changed_receipts;   /* of which the hub is to hear at the end of this turn */
    struct awaited *awaited;        /* pongs to messages */
    uint64_t walks;                 /* through crowds, so far */
    struct stats stats;
    atomic_size_t out_bytes; /* queued to its clients */
    /* drain */
    struct timer drain_timer;
    int64_t drain_until;
    uint32_t drain_left; /* clients that are still to be asked, or have gone by themselves */
    int drain_fd;        /* how far the descriptors were gone through */
    uint64_t drain_last; /* the last client that came before */
};

/* Holds `config` until shard_fini() or a letter with another. */
void shard_init(struct shard *s, uint32_t index, struct world *world, struct config *config,
                struct loop *loop);
/* Drops every client, at the end. */
void shard_close_all(struct shard *s);
/* After shard_close_all(). */
void shard_fini(struct shard *s);
/* Works on a letter to a shard. */
void shard_on_mail(struct shard *s, const struct mail *mail);

/* ---- for its connections ---- */

void shard_post(struct shard *s, struct mail mail);
/* It gets what is published from now on, or, if it is `behind`, from when it has caught up. */
void shard_subscribe(struct shard *s, struct conn *c, uint32_t channel, struct shared_name *name,
                     bool behind);
void shard_unsubscribe(struct shard *s, struct conn *c, uint32_t channel);
/* From all. */
void shard_unsubscribe_all(struct shard *s, struct conn *c);
/* Whether it is not to get yet what is new on the channel. */
bool shard_is_behind_on(const struct conn *c, uint32_t channel);
static inline bool shard_is_behind(const struct conn *c, uint32_t channel)
{
    return c->behind && shard_is_behind_on(c, channel);
}
void shard_count_out(struct shard *s, int64_t bytes);

/* ---- between the shard's own files ---- */

/* The hub counts it among its clients. One that ends is none of them any more, though it waits for its peer.
 */
bool shard_counts(const struct conn *c);
typedef void conn_visit(struct conn *c, void *arg);
/* Whom a walk is for. */
enum walk { WALK_ALL, WALK_LIVE /* not those on a channel who are to catch up first */ };
/* Calls `visit` for each registered client of the scope that a letter names. */
void shard_each_client(struct shard *s, const struct mail *mail, enum walk walk, conn_visit *visit,
                       void *arg);
void shard_deliver(struct shard *s, const struct mail *mail);
/* What comes to the clients of a scope is to follow what was gathered for them. */
void shard_settle(struct shard *s, const struct mail *mail);
bool shard_is_on(const struct conn *c, uint32_t channel);
/* It has caught up on a channel that it is on. */
void shard_go_live(struct conn *c, uint32_t channel);
void shard_drain(struct shard *s, const struct mail *mail);
void shard_end_drain(struct shard *s, const struct mail *mail);
/* Asks the next share of the clients to leave, so that they do not all come back at once. The shares are
 * even, and so is the time between them. */
void shard_drain_step(struct timer *t);

/* ---- shard_receipt.c: messages that somebody wants to know about ---- */

/* For a message that knows its receipt's number. NULL when there is no memory. */
struct shard_receipt *shard_receipt_new(struct shard *s, const struct msg *m);
/* The client is among the recipients; `receipt` is a struct shard_receipt. */
void shard_receipt_expect(struct conn *c, void *receipt);
/* They are all known. The hub hears this before what became of any. */
void shard_receipt_begin(struct shard *s, uint64_t number, struct shard_receipt *r);
/* It does not get to the client. */
void shard_receipt_lost(struct conn *c, const struct msg *m);
/* It was written to the client. */
void shard_receipt_written(struct conn *c, const struct msg *m);
/* The page's script has taken it: by the number that it carried, or by its id in a channel. */
void shard_receipt_acked(struct conn *c, uint64_t number);
void shard_receipt_acked_id(struct conn *c, const char *channel, size_t channel_len, struct msg_id id);
/* A pong came that carries this number. */
void shard_receipt_ponged(struct conn *c, uint64_t number);
/* The newest number whose pong is awaited, or 0: a ping that carries it asks for all of them. */
uint64_t shard_receipt_awaited(const struct conn *c);
/* The client ends: nothing more will be known. */
void shard_receipts_forget(struct conn *c);
/* Time is over: whoever is not so far is late. */
void shard_receipt_end(struct shard *s, uint64_t number);
/* At the end of a turn: what was gathered is sent to the hub. */
void shard_receipts_report(struct shard *s);
/* At the end of all. */
void shard_receipts_drop(struct shard *s);

#endif
