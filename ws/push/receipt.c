#include "push/receipt.h"

#include <stdlib.h>

#include "base/glob.h"
#include "push/hub.h"

struct receipt *receipt_new(uint32_t shard_count)
{
    struct receipt *r = calloc(1, sizeof *r + shard_count * sizeof r->shards[0]);
    if (!r)
        abort();
    r->shard_count = shard_count;
    return r;
}

void receipt_free(struct receipt *r)
{
    shared_name_unref(r->name);
    free(r->failures);
    free(r);
}

void receipt_fail(struct receipt *r, const struct failure *failures, size_t count)
{
    struct failure *all = realloc(r->failures, (r->failure_count + count) * sizeof *all);
    if (!all)
        return;
    memcpy(all + r->failure_count, failures, count * sizeof *failures);
    r->failures = all;
    r->failure_count += count;
}

static bool is_named(const struct client *c, const struct shared_name *name)
{
    const struct user *u = client_user(c);
    return u && u->name->len == name->len && memcmp(u->name->text, name->text, name->len) == 0;
}

static bool is_recipient(const struct receipt *r, const struct client *c)
{
    const struct shared_name *channel = c->channel->name;
    switch (r->kind) {
    case TARGET_CHANNEL: return r->channel == c->channel->number;
    case TARGET_CLIENT: return r->client == c->number;
    case TARGET_USER: return is_named(c, r->name);
    case TARGET_MATCH: return glob_match(r->name->text, r->name->len, channel->text, channel->len);
    case TARGET_ALL: return true;
    }
    return false;
}

void receipt_on_gone(struct receipt *r, uint32_t shard, const struct client *c)
{
    if (r->shards[shard].awaited && !r->shards[shard].begun && is_recipient(r, c))
        receipt_fail(r, &(struct failure){c->number, OUTCOME_CLOSED}, 1);
}

bool receipt_complete(const struct receipt *r)
{
    if (r->reached + r->failure_count >= r->recipients)
        return true;
    for (uint32_t i = 0; i < r->shard_count; i++)
        if (r->shards[i].awaited && !r->shards[i].ended)
            return false;
    return true;
}
