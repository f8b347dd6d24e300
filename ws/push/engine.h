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

/* A message on its way into a channel. An engine that answers later keeps a copy, of the channel's bytes too,
 * and a reference to the message. */
struct publication {
    const char *channel;
    size_t channel_len;
    unsigned hash;   /* of the channel's name, as base/hash.h has it */
    struct msg *msg; /* NULL where nobody would get it: see keeps_messages */
    struct asker asker;
    int64_t receipt_timeout; /* milliseconds; 0: no receipt is wanted */
};

/* What an engine tells upwards. */
struct engine_up {
    void *arg;
    /* The publication is numbered and kept, and may be delivered; or it is not, for `fault`, an error reply
     * of the control socket. */
    void (*published)(void *arg, const struct publication *p, struct msg_id id, const char *fault);
};

struct engine;

struct engine_ops {
    const char *name;
    /* It does something with messages, or answers later, when others may be on the channel. Where not, a
     * message to a channel that nobody is on is numbered and never made. */
    bool keeps_messages;
    struct engine *(*open)(const struct engine_up *up);
    void (*close)(struct engine *e);
    void (*publish)(struct engine *e, const struct publication *p);
};

#endif
