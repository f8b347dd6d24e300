/*
 * The hub: who is on which channel, in what order messages go, what clients have said. It lives on one
 * thread, with the engine and the control socket, and talks to the shards by mail only: so a channel's order
 * needs no lock.
 */
#ifndef WSPUSH_PUSH_HUB_H
#define WSPUSH_PUSH_HUB_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/hash.h"
#include "base/name.h"
#include "loop/loop.h"
#include "push/client.h"
#include "push/client_table.h"
#include "push/engine.h"
#include "push/mail.h"
#include "push/receipt.h"
#include "push/shard.h"

/* What the hub knows about a channel's name: who is on it, and what holds there. */
struct place {
    unsigned hash;           /* as base/hash.h has it */
    struct channel *channel; /* NULL: nothing is on it */
    const struct channel_config *config;
    size_t name_len; /* 0: nothing is known */
    char name[CHANNEL_NAME_MAX];
};

/* A message that is not made yet, and whom to answer. */
struct sending {
    bool binary;
    const void *payload;
    size_t len;
    struct asker asker;
    enum wish wish;
    int64_t receipt_timeout; /* milliseconds, where there is a wish */
    const char *key;         /* idempotency, for a channel; see engine.h */
    size_t key_len;
    int64_t ttl; /* milliseconds, after which nobody is to get it; 0: none */
};

/* What an operator wants to read of a channel's history. */
struct history_wish {
    struct msg_id after; /* gen 0: the newest are wanted, else the first behind this position */
    uint32_t most;       /* messages */
};

/* What passes by, one bit each: so kinds of them are a number. */
enum sight_kind {
    SIGHT_PUSHED = 1,
    SIGHT_SAID = 2,
    SIGHT_OPENED = 4,
    SIGHT_CLOSED = 8,
    SIGHT_JOINED = 16, /* the first client of a user came */
    SIGHT_LEFT = 32    /* the last one went */
};

/* Valid during the call that tells of it. */
struct sight {
    enum sight_kind kind;
    const char *channel;
    size_t channel_len;
    const struct msg *msg;   /* what was pushed to the channel, or said by a client */
    uint64_t client;         /* 0 for what was pushed, and for users */
    const struct user *user; /* the client's, or NULL */
    unsigned code;           /* of what is closed; 1006: without a closing handshake */
};

struct question;

enum { SHARDS_MAX = 64 }; /* as the option `threads` has it */

/* What the hub tells upwards, to the control socket. Each asker is told once. */
struct hub_up {
    void *arg;
    /* A publication without a receipt is done; `fault` as in engine.h. */
    void (*published)(void *arg, struct asker asker, uint64_t recipients, struct msg_id id,
                      const char *fault);
    void (*receipt)(void *arg, const struct receipt *r);
    /* A waiting WS.WAIT ends: with a message, which is the callee's to confirm or put back, or without. */
    void (*message)(void *arg, struct asker asker, struct inbox_msg *m);
    void (*wait_over)(void *arg, struct asker asker, bool closed);
    void (*closed)(void *arg, struct asker asker, uint64_t count);
    /* The rows of all shards; freed afterwards. */
    void (*listed)(void *arg, struct asker asker, struct client_rows *const *rows, size_t count);
    /* What was read for r->asker, valid during the call. */
    void (*history)(void *arg, const struct reading *r, const struct excerpt *excerpt);
    /* Something that is in `watched` has happened; of a channel, in its order. */
    void (*seen)(void *arg, const struct sight *sight);
};

struct hub {
    struct config *config; /* one hold */
    uint32_t unconfigured; /* letters with a configuration that are on their way */
    void (*on_configured)(void *arg);
    void *configured_arg;
    struct world *world;
    struct loop *loop;
    struct mailbox **shard_mail;
    struct shard *const *shards; /* for their counters alone */
    struct list waiters;         /* of all channels */
    struct list inbox_messages;  /* of all channels, oldest first */
    struct timer measure_timer;
    struct timer drain_timer; /* when clients are let in again */
    uint32_t shard_count;
    struct websocket *ws;
    const struct engine_ops *engine_ops;
    struct engine *engine;
    struct hub_up up;
    bool going_away;                      /* draining for good */
    unsigned watched;                     /* kinds of sights that up.seen is told; the upper side sets it */
    struct channel *channels;             /* by name */
    struct place recent;                  /* the one that was found last: it is asked for again and again */
    const struct publication *publishing; /* to `recent`, by the call that runs; NULL: not so */
    struct list wanderers;                /* clients that are on other channels than their own */
    struct catching *catching;            /* clients that are to get what they missed, by number */
    struct buf untold;                    /* who is to be told at the end of the turn who is on a channel */
    uint32_t number_count;
    uint32_t *free_numbers;
    uint32_t free_count;
    struct client_table clients; /* the gone ones too */
    struct user *users;          /* by name */
    uint32_t client_count;       /* of those that are let in and not gone */
    uint32_t *clients_per_shard;
    struct receipt *receipts;
    struct question *questions;
    uint64_t last_question; /* receipts too */
    uint32_t last_subscription;
    uint64_t inbox_bytes;
    uint64_t inbox_dropped;
    uint64_t published;
};

/* Holds `config` until hub_fini() or hub_configure(). */
void hub_init(struct hub *h, struct world *world, struct config *config, struct loop *loop,
              struct mailbox **shard_mail, struct shard *const *shards, uint32_t shard_count,
              const struct engine_ops *engine, const struct hub_up *up);
void hub_fini(struct hub *h);
/* Works on a letter to the hub. */
void hub_on_mail(struct hub *h, const struct mail *mail);
/* Once a turn: whether too much is queued somewhere (world->congested), as everybody may read it. */
void hub_measure(struct hub *h);
/* At the end of a turn: who came in it is told who is there. */
void hub_tell_lists(struct hub *h);

/* What a question about a target can be answered with. */
enum hub_answer { HUB_OK, HUB_NONE, HUB_CLOSED, HUB_NO_TARGET, HUB_TOO_BIG, HUB_NO_MEMORY };

/* How many bytes a message to this target may have. */
uint64_t hub_message_limit(struct hub *h, const struct target *target);
/* Publishes to a channel, by way of the engine, or sends to another target, past it: no id. HUB_OK:
 * up.published or up.receipt answers, perhaps before this returns. HUB_NO_TARGET: such a client never was.
 * HUB_TOO_BIG: it is over hub_message_limit(). */
enum hub_answer hub_send(struct hub *h, const struct target *target, const struct sending *sending);
/* Asks clients to close; up.closed answers with how many closing handshakes began. `reason` is UTF-8 of at
 * most 123 bytes. */
enum hub_answer hub_close_clients(struct hub *h, const struct target *target, unsigned code,
                                  const char *reason, struct asker asker);
/* Asks all shards for rows; up.listed answers. `target` NULL: everybody. */
enum hub_answer hub_list(struct hub *h, const struct target *target, struct asker asker);
/* Goes by another configuration from now on; `done` is called when every shard does too, for all who are
 * connected. Of several that overlap only the last one's is called. */
void hub_configure(struct hub *h, struct config *config, void (*done)(void *arg), void *arg);
/* Asks every client to leave, spread over `ms`, and lets nobody in for so long, or `for_good`; up.closed
 * answers with how many were asked. The time counts from now on, whatever was begun before. */
void hub_drain(struct hub *h, int64_t ms, bool for_good, struct asker asker);
/* Lets clients in again before the time is over, and asks nobody else to leave; up.closed answers with 0. Not
 * after a drain for good. */
void hub_end_drain(struct hub *h, struct asker asker);

/* Reads what a channel keeps; up.history answers, perhaps before this returns. */
void hub_history(struct hub *h, const struct target *channel, const struct history_wish *wish,
                 struct asker asker);

/* Messages that clients sent; the target is a channel or a client. HUB_OK: *out is the caller's, to confirm
 * or to put back. */
enum hub_answer hub_read(struct hub *h, const struct target *target, struct inbox_msg **out);
/* The same, but HUB_NONE means that up.message or up.wait_over will answer. timeout in milliseconds, -1:
 * none. */
enum hub_answer hub_wait(struct hub *h, const struct target *target, int64_t timeout, struct asker asker,
                         struct inbox_msg **out);
enum hub_answer hub_count(struct hub *h, const struct target *target, uint64_t *count);
/* The asker is gone, who waits for a message, or for a receipt: nobody is told any more. */
void hub_cancel_wait(struct hub *h, struct asker asker);
void hub_cancel_receipt(struct hub *h, struct asker asker);
/* The message has reached whoever took it. */
void hub_confirm(struct hub *h, struct inbox_msg *take_m);
/* It has not: it goes back to the head of its channel's inbox. */
void hub_put_back(struct hub *h, struct inbox_msg *take_m);

/* ---- who is there ---- */

/* What is known about a channel's name, of at most CHANNEL_NAME_MAX bytes; until the next call, or until a
 * channel comes or goes. */
struct place *hub_find_place(struct hub *h, const char *name, size_t len);
/* Whether this is the name that was looked for last: then it is a channel's, and nothing has to be judged. */
static inline bool hub_knows(const struct hub *h, const char *name, size_t len)
{
    return len && h->recent.name_len == len && memcmp(h->recent.name, name, len) == 0;
}
static inline struct place *hub_place(struct hub *h, const char *name, size_t len)
{
    return hub_knows(h, name, len) ? &h->recent : hub_find_place(h, name, len);
}
static inline struct channel *hub_find_channel(struct hub *h, const char *name, size_t len)
{
    return hub_place(h, name, len)->channel;
}

#endif
