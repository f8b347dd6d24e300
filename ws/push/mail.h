/*
 * The letters between the hub and the shards. A letter names a connection by shard, descriptor and
 * generation, never by pointer; what `ptr` points to belongs to the letter, and so to whoever takes it.
 */
#ifndef WSPUSH_PUSH_MAIL_H
#define WSPUSH_PUSH_MAIL_H

#include <stdint.h>

#include <stdbool.h>
#include <stdlib.h>

#include "push/addresses.h"
#include "push/msg.h"
#include "push/shared_name.h"

/* A client's connection. */
struct conn_ref {
    uint32_t shard;
    int fd;
    uint32_t gen;
};

enum mail_kind {
    /* to a shard */
    MAIL_ADOPT,      /* conn.fd was accepted; value: it came over a Unix socket */
    MAIL_REGISTERED, /* conn is let in; ptr: struct shared_name, its channel; value: enum seat */
    MAIL_REFUSED,    /* conn is not; value: the error */
    MAIL_SUBSCRIBED, /* conn is on `channel`, another than its own; ptr: struct shared_name; value: enum seat
                      */
    MAIL_UNSUBSCRIBED, /* conn is off `channel` */
    MAIL_CATCH_UP,     /* conn is to ask for what it missed, when it has room: MAIL_MORE */
    MAIL_REPLAY,       /* conn; ptr: struct replay, what it missed; value: it is to ask again */
    MAIL_LIVE,         /* conn gets what is new on `channel` from here on */
    MAIL_DELIVER,      /* ptr: struct msg, to `scope` */
    MAIL_CLOSE,        /* ptr: struct msg, a close frame, to `scope`; value: the code; number: the question */
    MAIL_LIST,         /* rows of `scope`; number: the question */
    MAIL_RECEIPT_END,  /* number: the receipt; whoever has not got it yet is late */
    MAIL_CONFIGURE,    /* ptr: struct config, held */
    MAIL_DRAIN,        /* all are asked to leave, spread over value milliseconds; number: the question */
    MAIL_GO_AWAY,      /* the same for SIGTERM: in less time where there are few */
    MAIL_DRAIN_END,    /* nobody else is asked to leave; number: the question */
    /* to the hub */
    MAIL_REGISTER,       /* ptr: struct joining; number: the client */
    MAIL_SUBSCRIBE,      /* ptr: struct joining; number: the client */
    MAIL_UNSUBSCRIBE,    /* ptr: struct shared_name; number: the client */
    MAIL_MORE,           /* number: the client has room for `value` bytes of what it missed */
    MAIL_GONE,           /* number: the client; value: the close code */
    MAIL_INBOUND,        /* number: the client; ptr: struct msg; its channel: where to, or NULL: its own */
    MAIL_CLOSED,         /* number: the question; value: closing handshakes begun, or to be begun */
    MAIL_LISTED,         /* number: the question; ptr: struct client_rows */
    MAIL_CONFIGURED,     /* a shard goes by the newest configuration */
    MAIL_RECEIPT_BEGUN,  /* number: the receipt; value: queues that took the message */
    MAIL_RECEIPT_REPORT, /* number: the receipt; value: how many more are so far; ptr: struct failures */
    MAIL_RECEIPT_ENDED   /* number: the receipt; this shard will say no more */
};

/* How a client is on a channel. */
enum seat {
    SEAT_NONE,  /* not at all */
    SEAT_LIVE,  /* it gets what is new */
    SEAT_BEHIND /* it is to get what it missed first */
};

/* A client that wants to be on a channel. */
struct joining {
    struct shared_name *channel;
    struct shared_name *user; /* NULL: nobody knows; at registration */
    enum transport transport;
    bool has_since;
    struct msg_id since; /* the position that it names; gen 0: what it names is none */
};

/* With a copy of the name, and a hold on the user's; NULL when there is no memory. */
static inline struct joining *joining_new(enum transport transport, const char *channel, size_t len,
                                          struct shared_name *take_user)
{
    struct joining *j = calloc(1, sizeof *j);
    if (!j) {
        shared_name_unref(take_user);
        return NULL;
    }
    j->channel = shared_name_new(channel, len);
    j->user = take_user;
    j->transport = transport;
    return j;
}

static inline void joining_free(struct joining *j)
{
    if (!j)
        return;
    shared_name_unref(j->channel);
    shared_name_unref(j->user);
    free(j);
}

/* Messages of a history, a reference each. */
struct replay {
    size_t count;
    size_t bytes; /* of payload */
    struct msg *msgs[];
};

static inline void replay_free(struct replay *r)
{
    for (size_t i = 0; r && i < r->count; i++)
        msg_unref(r->msgs[i]);
    free(r);
}

/* Whom a letter is for: all on `channel`, conn, `crowd`, or all. */
enum mail_scope { SCOPE_CHANNEL, SCOPE_CLIENT, SCOPE_CROWD, SCOPE_ALL };

/* One client, or, where conn.fd is -1, all on a channel. */
struct crowd_member {
    struct conn_ref conn;
    uint32_t channel;
};

/* Whom a letter to one shard is for. Nobody is in it twice. */
struct crowd {
    uint32_t count;
    struct crowd_member members[];
};

static inline size_t crowd_size(const struct crowd *crowd)
{
    return crowd ? sizeof *crowd + crowd->count * sizeof crowd->members[0] : 0;
}

/* What became of a message on its way to one client. REACHED is as far as its sender wanted to know. */
enum outcome {
    OUTCOME_REACHED,
    OUTCOME_TIMEOUT,
    OUTCOME_DROPPED,
    OUTCOME_EXPIRED, /* its sender's TTL was over before it could be written */
    OUTCOME_CLOSED,
    OUTCOME_UNSUPPORTED /* this client can't tell */
};

struct failure {
    uint64_t client;
    enum outcome outcome;
};

/* NULL: none. */
struct failures {
    size_t count;
    struct failure items[];
};

struct mail {
    enum mail_kind kind;
    enum mail_scope scope;
    struct conn_ref conn; /* conn.shard: the sender, in letters to the hub */
    uint32_t channel;
    uint32_t value;
    uint64_t number;
    union {
        struct shared_name *user;
        struct crowd *crowd; /* the letter's own */
    };
    void *ptr;
};

/* One client as WS.LIST shows it. Bytes are payload and framing as they crossed the socket. */
struct client_row {
    uint64_t client;
    enum transport transport;
    struct shared_name **channels; /* its own first; the row's */
    uint32_t channel_count;
    struct shared_name *user; /* the hub's to fill in; NULL: none */
    int64_t since;            /* Unix milliseconds */
    uint64_t msgs_out;
    uint64_t msgs_in;
    uint64_t bytes_out;
    uint64_t bytes_in;
    uint64_t queued; /* bytes */
    uint32_t ping;   /* milliseconds; UINT32_MAX: not known yet */
    char address[ADDRESS_TEXT_MAX];
};

struct client_rows {
    size_t count;
    struct client_row rows[];
};

static inline void client_rows_free(struct client_rows *rows)
{
    for (size_t i = 0; rows && i < rows->count; i++) {
        for (uint32_t k = 0; k < rows->rows[i].channel_count; k++)
            shared_name_unref(rows->rows[i].channels[k]);
        free(rows->rows[i].channels);
        shared_name_unref(rows->rows[i].user);
    }
    free(rows);
}

#endif
