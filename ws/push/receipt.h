/*
 * What became of one message that somebody waits for, put together at the hub from what the shards report. A
 * shard says first how many queues took the message (begun), then what became of it in each. A client that
 * the hub counted and that was gone before its shard began is reported by its departure.
 */
#ifndef WSPUSH_PUSH_RECEIPT_H
#define WSPUSH_PUSH_RECEIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/name.h"
#include "loop/timer.h"
#include "push/engine.h"
#include "push/mail.h"

/* How far one shard is. */
struct receipt_shard {
    bool awaited;
    bool begun;
    bool ended;
    uint32_t pending; /* of those that it said it would tell of */
};

struct receipt {
    uint64_t number;
    struct asker asker;
    struct msg_id id;
    struct timer timer;
    struct hub *hub;
    enum wish wish;
    /* whom it went to */
    enum target_kind kind;
    uint32_t channel;
    uint64_t client;
    struct shared_name *name; /* of a user, or a pattern */
    uint64_t recipients;
    uint64_t reached; /* got as far as was wished for */
    struct failure *failures;
    size_t failure_count;
    UT_hash_handle hh;
    uint32_t shard_count;
    struct receipt_shard shards[];
};

struct client;

struct receipt *receipt_new(uint32_t shard_count);
void receipt_free(struct receipt *r);
/* Without memory for them the receipt tells of fewer. */
void receipt_fail(struct receipt *r, const struct failure *failures, size_t count);
/* A client is gone: its failure, if its shard had not begun and it is among the recipients. */
void receipt_on_gone(struct receipt *r, uint32_t shard, const struct client *c);
/* Whether every outcome is known, or nobody is left who could tell one. */
bool receipt_complete(const struct receipt *r);

#endif
