/* The hub's records: channels, clients, and which is on which. */
#ifndef WSPUSH_PUSH_CLIENT_H
#define WSPUSH_PUSH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "base/hash.h"
#include "push/inbox.h"
#include "push/mail.h"
#include "push/places.h"
#include "push/presence.h"
#include "push/users.h"

struct cursor;
struct hub;

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

/* ---- hub_seat.c ---- */

/* How many channels the client is on or about to be, and each of them: its own first. */
uint32_t client_channel_count(const struct client *c);
struct channel *client_channel(const struct client *c, uint32_t i, enum seat *seat);
/* SEAT_NONE: it is not on that channel. */
enum seat client_seat(const struct client *c, const struct channel *ch);
/* Whether it got what was new on the channel when that question was asked. */
bool client_was_live_on(const struct client *c, const struct channel *ch, uint64_t question);
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

#endif
