/*
 * The letters between the hub and the shards. A letter names a connection by shard, descriptor and
 * generation, never by pointer; what `ptr` points to belongs to the letter, and so to whoever takes it.
 */
#ifndef WSPUSH_PUSH_MAIL_H
#define WSPUSH_PUSH_MAIL_H

#include <stdint.h>

#include "push/addresses.h"
#include "push/shared_name.h"

/* A client's connection. */
struct conn_ref {
    uint32_t shard;
    int fd;
    uint32_t gen;
};

enum mail_kind {
    /* to a shard */
    MAIL_ADOPT,       /* conn.fd was accepted; value: it came over a Unix socket */
    MAIL_REGISTERED,  /* conn is on `channel`; ptr: struct shared_name */
    MAIL_DELIVER,     /* ptr: struct msg, to `scope` */
    MAIL_CLOSE,       /* ptr: struct msg, a close frame, to `scope`; value: the code; number: the question */
    MAIL_LIST,        /* rows of `scope`; number: the question */
    MAIL_RECEIPT_END, /* number: the receipt; whoever has not got it yet is late */
    MAIL_CONFIGURE,   /* ptr: struct config, held */
    MAIL_DRAIN,       /* all are asked to leave, spread over value milliseconds; number: the question */
    MAIL_GO_AWAY,     /* the same for SIGTERM: in less time where there are few */
    MAIL_DRAIN_END,   /* nobody else is asked to leave; number: the question */
    /* to the hub */
    MAIL_REGISTER,       /* ptr: struct shared_name; number: the client; user: NULL or held */
    MAIL_GONE,           /* number: the client; value: the close code */
    MAIL_INBOUND,        /* number: the client; ptr: struct msg */
    MAIL_CLOSED,         /* number: the question; value: closing handshakes begun, or to be begun */
    MAIL_LISTED,         /* number: the question; ptr: struct client_rows */
    MAIL_CONFIGURED,     /* a shard goes by the newest configuration */
    MAIL_RECEIPT_BEGUN,  /* number: the receipt; value: queues that took the message */
    MAIL_RECEIPT_REPORT, /* number: the receipt; value: how many more are so far; ptr: struct failures */
    MAIL_RECEIPT_ENDED   /* number: the receipt; this shard will say no more */
};

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
    struct shared_name *channel;
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

#endif
