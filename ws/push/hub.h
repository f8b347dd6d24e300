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
#include "push/client_table.h"
#include "push/engine.h"
#include "push/inbox.h"
#include "push/mail.h"
#include "push/places.h"
#include "push/receipt.h"
#include "push/presence.h"
#include "push/shard.h"
#include "push/users.h"

/* A channel that has subscribers, messages in its inbox, or waiters. */
struct channel {
    struct shared_name *name;
    const struct channel_config *config;
    uint32_t number; /* dense; given out again */
    uint32_t subscribers;
    uint32_t behind;  /* those of them that are to get what they missed first */
    uint32_t members; /* client records that point here, those of gone clients too */
    struct inbox inbox;
    struct presence *presence; /* who is on it, but for those whom nobody knows; NULL: nobody */
    UT_hash_handle hh;
    uint32_t per_shard[]; /* subscribers */
};

/* A registered client; kept after it is gone while messages of it are kept. */
struct client {
    uint64_t number;
    struct conn_ref conn;
    uint32_t gone : 1;
    uint32_t full : 1;       /* it is a struct full_client */
    uint32_t registered : 1; /* its shard was told so, and so was who looks on */
    uint32_t transport : 2;  /* enum transport */
    uint32_t own : 2;        /* enum seat: how it is on its own channel */
    uint32_t kept : 25;      /* its messages in inboxes or handed out */
    struct channel *channel; /* its own: the one that it came to */
    union {
        uint64_t question;     /* the last one that was asked before it got what is new there */
        struct cursor *cursor; /* while it is behind there */
    };
};

/* A channel that a client is on besides its own. */
struct other_channel {
    struct channel *channel;
    union { /* as for its own */
        uint64_t question;
        struct cursor *cursor;
    };
    uint32_t seat : 2;     /* enum seat; SEAT_NONE: the engine is asked */
    uint32_t present : 30; /* its place among its user's clients there */
    uint32_t subscription; /* its number: what the engine read for an earlier one is not for this one */
};

/* A client whose user is known, or that may be on several channels. */
struct full_client {
    struct client client;
    struct user *user; /* NULL: nobody knows, or it is gone */
    struct list of_user;
    struct list wandering; /* in the hub's wanderers, if it is on another channel than its own */
    struct other_channel *others;
    struct places *places; /* of them */
    uint32_t count;
    uint32_t cap;
    uint32_t own_subscription; /* 0: it is not on its own channel, and not about to be */
    uint32_t own_present;      /* its place among its user's clients on its own channel */
};

/* NULL where it is not one. */
static inline struct full_client *full_client(const struct client *c)
{
    return c->full ? LIST_ENTRY(c, struct full_client, client) : NULL;
}

/* Its user, or NULL. */
static inline struct user *client_user(const struct client *c)
{
    return c->full ? full_client(c)->user : NULL;
}

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

/* ---- between the hub's own files ---- */

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
/* Whom a target means, all together: which shards are to get a letter, and whom it is for. */
struct recipients {
    enum mail_scope scope;
    uint32_t channel; /* number */
    struct conn_ref conn;
    uint64_t count; /* clients */
    bool on[SHARDS_MAX];
    struct crowd *crowds[SHARDS_MAX]; /* where the scope is a crowd: until a letter takes it */
};
/* HUB_OK, perhaps with nobody, HUB_NO_TARGET or HUB_NO_MEMORY. */
enum hub_answer hub_resolve(struct hub *h, const struct target *target, struct recipients *out);
/* What no letter has taken is freed. */
void hub_drop_recipients(const struct hub *h, struct recipients *to);
/* The letter with its address. */
struct mail hub_addressed(struct recipients *to, uint32_t shard, struct mail mail);
struct channel *hub_need_channel(struct hub *h, const char *name, size_t len);
/* Frees it if nothing is left of it. */
void hub_release_channel(struct hub *h, struct channel *ch);
struct client *hub_find_client(struct hub *h, uint64_t number);
void hub_on_register(struct hub *h, const struct mail *mail);
void hub_on_gone(struct hub *h, const struct mail *mail);
void hub_drop_clients(struct hub *h);
/* It is on no channel any more, and nobody's recipient. */
void hub_part_with(struct hub *h, struct client *c);

/* hub_seat.c: who is on which channel */

/* How many channels the client is on or about to be, and each of them: its own first. */
uint32_t client_channel_count(const struct client *c);
struct channel *client_channel(const struct client *c, uint32_t i, enum seat *seat);
/* SEAT_NONE: it is not on that channel. */
enum seat client_seat(const struct client *c, const struct channel *ch);
/* Whether it got what was new on the channel when that question was asked. */
bool client_was_live_on(const struct client *c, const struct channel *ch, uint64_t question);
/* It is about to be on the channel, and has no seat yet. */
void hub_want_seat(struct hub *h, struct client *c, struct channel *ch);
/* The number of its subscription: one for each time that it came to a channel or asked for it. 0: it is not
 * on the channel and not about to be, or it can't come and go. */
uint32_t client_subscription(const struct client *c, const struct channel *ch);
/* The channel of that name, if it is that one which the client is subscribed to. NULL: that one is over. */
struct channel *client_subscribed(struct hub *h, const struct client *c, uint32_t subscription,
                                  const char *name, size_t len);
/* Where it keeps its cursor on a channel that it is behind on; NULL: it is not. */
struct cursor **client_cursor(struct client *c, const struct channel *ch);
/* It is at that place among its user's clients on the channel; and that place. */
void client_set_present(struct client *c, const struct channel *ch, uint32_t place);
uint32_t client_present(const struct client *c, const struct channel *ch);
/* Gives it a seat on a channel of its own; takes it away again, and releases the channel. */
void hub_take_seat(struct hub *h, struct client *c, struct channel *ch, enum seat seat);
void hub_leave_seat(struct hub *h, struct client *c, struct channel *ch);
/* It has caught up. */
void hub_go_live(struct hub *h, struct client *c, struct channel *ch);
/* All of them: it is gone. */
void hub_leave_all(struct hub *h, struct client *c);
/* The record of them. */
void hub_drop_others(struct client *c);

/* hub_subscribe.c: getting there */

/* Asks the engine where the client is to begin on the channel; then it gets its seat, and is told. */
void hub_begin(struct hub *h, struct client *c, struct channel *ch, const struct joining *j);
void hub_on_subscribe(struct hub *h, const struct mail *mail);
void hub_on_unsubscribe(struct hub *h, const struct mail *mail);
/* Messages are missing, and the client goes on from the head. */
void hub_tell_reset(struct hub *h, const struct client *c, struct channel *ch, const struct excerpt *e);
/* The engine has read for a client. */
void hub_go_on(struct hub *h, const struct reading *r, const struct excerpt *excerpt);
/* Sends a notice to one client. NULL is for want of memory: it is not told. */
void hub_tell(struct hub *h, const struct client *c, struct msg *take_notice);

/* hub_cursor.c: what a client missed */

/* It has its seat, and is to get what follows that position of the channel, then to go live. */
void hub_add_cursor(struct hub *h, struct client *c, struct channel *ch, struct msg_id position);
/* Before it gives up its seat. */
void hub_drop_cursor(struct hub *h, struct client *c, const struct channel *ch);
void hub_on_more(struct hub *h, const struct mail *mail);
/* What the engine has read for a cursor; `ch` NULL: for one that is gone. */
void hub_replay(struct hub *h, struct client *c, struct channel *ch, const struct excerpt *excerpt);
void hub_drop_cursors(struct hub *h, const struct client *c);

/* hub_presence.c: who is on a channel */

void hub_enter_presence(struct hub *h, struct client *c, struct channel *ch);
void hub_leave_presence(struct hub *h, const struct client *c, struct channel *ch);
/* The client is to get the list of all who are there, at the end of the turn. */
void hub_tell_presence(struct hub *h, const struct client *c, const struct channel *ch);
/* Nobody is told any more. */
void hub_drop_lists(struct hub *h);
/* Posts a message for delivery with a reference of its own. */
void hub_post_message(struct hub *h, uint32_t shard, struct mail mail, struct msg *m);
/* Tells upwards what passes by on a channel, if such things are watched. The caller fills in what is not of
 * the client and the channel. */
__attribute__((cold)) void hub_show(const struct hub *h, const struct client *c, const struct channel *ch,
                                    struct sight sight);
/* What the engine calls; arg is the hub. */
void hub_on_published(void *arg, const struct publication *p, enum publish_result result, struct msg_id id,
                      const char *fault);
void hub_on_read(void *arg, const struct reading *r, const struct excerpt *excerpt);
void hub_publish(struct hub *h, const struct publication *p);
void hub_release_client(struct hub *h, struct client *client);
/* A message of a client has come in, for that channel. */
void hub_inbound(struct hub *h, struct client *client, struct channel *ch, struct msg *take_m);
/* Waiters for a client that is gone and has nothing left are told. */
void hub_end_waits(struct hub *h, struct client *client);
void hub_post(struct hub *h, uint32_t shard, struct mail mail);
/* Whether such a client is or ever was. */
bool hub_client_was_given(const struct hub *h, uint64_t number);
/* Gives the message, which has a wish, a receipt that will answer the asker. */
void hub_new_receipt(struct hub *h, struct asker asker, struct msg *m, int64_t timeout, struct msg_id id,
                     const struct target *target, const struct recipients *to);
/* Answers and frees the receipt if nothing more is to be learnt. */
void hub_settle_receipt(struct hub *h, struct receipt *r);
void hub_on_receipt(struct hub *h, const struct mail *mail);
/* The client is about to be on a channel in another way; open receipts go on counting on it. */
void hub_note_moving(struct hub *h, const struct client *c);
/* The time of hub_drain() is over. */
void hub_drained(struct timer *drain_timer);
/* What a shard says to a question. */
void hub_on_answer(struct hub *h, const struct mail *mail);
void hub_drop_questions(struct hub *h);
void hub_drop_receipts(struct hub *h);
void hub_drop_inbox(struct hub *h, struct channel *ch);

#endif
