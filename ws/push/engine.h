/*
 * Where messages are numbered and kept. An engine runs on the hub's thread. It may answer at once or later,
 * but always in the order of the calls of one channel; it never sees a shard, only what was given to it at
 * start.
 */
#ifndef WSPUSH_PUSH_ENGINE_H
#define WSPUSH_PUSH_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "push/msg.h"

/* Who on the control socket asked, and for which of its answers. fd -1: nobody waits for the answer. */
struct asker {
    int fd;
    uint32_t gen;
    uint64_t slot;
};

static inline bool same_asker(struct asker a, struct asker b)
{
    return a.fd == b.fd && a.gen == b.gen && a.slot == b.slot;
}

/* A message on its way into a channel. An engine that answers later keeps a copy, of the texts too, and a
 * reference to the message. */
struct publication {
    const char *channel;
    size_t channel_len;
    unsigned hash;                       /* of the channel's name, as base/hash.h has it */
    const struct channel_config *config; /* what the channel keeps; valid during the call */
    struct msg *msg;                     /* NULL where nobody would get it, now or later */
    const char *key; /* idempotency: of two publications with one key the second is none */
    size_t key_len;  /* 0: no key */
    int64_t ttl;     /* milliseconds; 0: as the channel's history has it */
    struct asker asker;
    int64_t receipt_timeout; /* milliseconds; 0: no receipt is wanted */
};

enum publish_result {
    PUBLISHED,
    PUBLISHED_BEFORE, /* with this key: the id is that of the first, and nobody gets anything now */
    PUBLISH_FAULT
};

/* Where a reader begins in a channel. */
enum reading_from {
    FROM_NOW,  /* nothing is read, the head is told */
    FROM_LAST, /* the newest that is kept */
    FROM_ALL,  /* the oldest that is kept */
    FROM_AFTER /* what follows the position `after` */
};

/* A wish to read what a channel keeps. An engine that answers later keeps a copy, of the name too. */
struct reading {
    const char *channel;
    size_t channel_len;
    unsigned hash;
    const struct channel_config *config; /* valid during the call */
    enum reading_from from;
    struct msg_id after;
    bool newest;        /* of what is too much the newest are given, else the oldest */
    uint32_t most;      /* messages; 0: where the reader is to begin, and whether anything follows, is all */
    uint64_t bytes;     /* at most, but for the first message; what one counts, see reading_cost() */
    uint32_t swells;    /* bytes that a byte of payload may become on its way */
    struct asker asker; /* for an operator; fd -1: for the client */
    uint64_t client;
    uint32_t subscription;
};

/* What a message of a history counts towards `bytes`. */
static inline uint64_t reading_cost(const struct reading *r, const struct msg *m)
{
    enum { AROUND = 128 }; /* ids, names of members, frame headers */
    return m->len * r->swells + r->channel_len * r->swells + AROUND;
}

enum reading_result {
    READ_OK,
    READ_GONE,             /* messages behind that position are not kept any more, or never were */
    READ_OTHER_GENERATION, /* the position is of another one */
    READ_AHEAD             /* nothing has that position yet */
};

/* What was read: the oldest first. For the duration of the call. */
struct excerpt {
    enum reading_result result;
    struct msg_id head;     /* the channel's last id */
    struct msg_id position; /* of the last message in `msgs`, or where the reader began */
    bool at_head;           /* nothing follows */
    struct msg *const *msgs;
    size_t count;
};

struct timers;

/* What an engine tells upwards. */
struct engine_up {
    void *arg;
    struct timers *timers; /* of the hub's thread */
    const int64_t *now;    /* of the turn that runs, monotonic milliseconds */
    /* The publication is numbered and kept, and may be delivered; or it is not, for `fault`, an error reply
     * of the control socket. Its message, if there is one, knows its place. */
    void (*published)(void *arg, const struct publication *p, enum publish_result result, struct msg_id id,
                      const char *fault);
    void (*read)(void *arg, const struct reading *r, const struct excerpt *excerpt);
};

/* What an engine holds, for INFO. Bytes of the heap. */
struct engine_figures {
    uint64_t messages;       /* in histories */
    uint64_t bytes;          /* all that counts towards history_total */
    uint64_t history_bytes;  /* of these: messages, their forms, keys, and what keeps them */
    uint64_t sequence_bytes; /* of these: numbers of channels, without the names */
    uint64_t channels;       /* whose numbers are known */
    uint64_t trimmed;        /* messages that left a history for want of room, ever */
};

struct engine;

struct engine_ops {
    const char *name;
    /* It does something with messages, or answers later, when others may be on the channel. Where not, a
     * message that nobody is there to get, and that no history keeps, is numbered and never made. */
    bool keeps_messages;
    struct engine *(*open)(const struct engine_up *up);
    void (*close)(struct engine *e);
    void (*publish)(struct engine *e, const struct publication *p);
    void (*read)(struct engine *e, const struct reading *r);
    /* Bytes that all histories together may take. */
    void (*set_total)(struct engine *e, uint64_t bytes);
    void (*figures)(const struct engine *e, struct engine_figures *out);
};

#endif
