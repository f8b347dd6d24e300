#include "push/memory_kinds.h"

#include "push/hub.h"

/* Room for `count` entries of a table that doubles, as hub.c takes numbers. */
static size_t doubled(size_t count)
{
    size_t room = count ? 1 : 0;
    while (room && room < count)
        room *= 2;
    return room;
}

/* The hub's own; those of the shards and loops are in the tally. */
static size_t hub_tables(const struct hub *h)
{
    size_t numbers = doubled(h->number_count);
    size_t buckets = h->channels ? h->channels->hh.tbl->num_buckets : 0;
    size_t user_buckets = h->users ? h->users->hh.tbl->num_buckets : 0;
    return heap_size(h->clients.size * sizeof(struct client *)) +
           heap_size(numbers * sizeof *h->free_numbers) + heap_size(buckets * sizeof(UT_hash_bucket)) +
           heap_size(user_buckets * sizeof(UT_hash_bucket));
}

static struct engine_figures engine_figures(const struct hub *h)
{
    struct engine_figures figures;
    h->engine_ops->figures(h->engine, &figures);
    return figures;
}

size_t memory_kind(const struct hub *h, enum tally kind)
{
    size_t bytes = tally_sum(kind);
    switch (kind) {
    case TALLY_connections: return bytes + atomic_load(&h->world->clients) * heap_size(sizeof(struct conn));
    case TALLY_clients: return bytes + h->clients.count * heap_size(sizeof(struct client));
    case TALLY_channels:
        return bytes + HASH_COUNT(h->channels) *
                           heap_size(sizeof(struct channel) + h->shard_count * sizeof(uint32_t));
    case TALLY_sequences: return engine_figures(h).sequence_bytes;
    case TALLY_histories: return engine_figures(h).history_bytes;
    case TALLY_tables: return bytes + hub_tables(h);
    default: return bytes;
    }
}

size_t memory_per_client(const struct hub *h)
{
    size_t connections = atomic_load(&h->world->clients);
    size_t bytes = memory_kind(h, TALLY_connections) + memory_kind(h, TALLY_clients) +
                   memory_kind(h, TALLY_subscriptions) + memory_kind(h, TALLY_tables);
    return connections ? bytes / connections : 0;
}
