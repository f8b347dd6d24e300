#include "push/receipt.h"

#include <stdlib.h>

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
    free(r->failures);
    free(r);
}

void receipt_fail(struct receipt *r, uint64_t client, enum outcome outcome)
{
    struct receipt_failure *failures = realloc(r->failures, (r->failure_count + 1) * sizeof *failures);
    if (!failures)
        abort();
    r->failures = failures;
    failures[r->failure_count++] = (struct receipt_failure){client, outcome};
}

static bool is_recipient(const struct receipt *r, uint64_t client, uint32_t channel)
{
    return r->scope == SCOPE_ALL || (r->scope == SCOPE_CHANNEL ? r->channel == channel : r->client == client);
}

void receipt_on_gone(struct receipt *r, uint32_t shard, uint64_t client, uint32_t channel)
{
    if (r->shards[shard].awaited && !r->shards[shard].begun && is_recipient(r, client, channel))
        receipt_fail(r, client, OUTCOME_CLOSED);
}

bool receipt_complete(const struct receipt *r)
{
    if (r->handed + r->failure_count >= r->recipients)
        return true;
    for (uint32_t i = 0; i < r->shard_count; i++)
        if (r->shards[i].awaited && !r->shards[i].ended)
            return false;
    return true;
}
