/*
 * The last seq of each channel, for as many channels as were published to lately. A channel that is forgotten
 * raises the floor above which new ones start, so no seq comes twice in a generation, and names that are used
 * once cost no memory for ever.
 */
#include "engine/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/tally.h"

enum { CHANNELS_KEPT = 10000 };

struct sequence {
    struct list recent; /* least recent first */
    uint64_t last;
    UT_hash_handle hh;
    size_t len;
    char name[];
};

struct engine {
    struct engine_up up;
    uint64_t gen;
    uint64_t floor;
    struct sequence *sequences;
    struct list recent;
};

static struct engine *memory_open(const struct engine_up *up)
{
    struct engine *e = calloc(1, sizeof *e);
    if (!e)
        abort();
    e->up = *up;
    e->gen = (uint64_t)clock_wall_ms();
    list_init(&e->recent);
    return e;
}

static void forget(struct engine *e, struct sequence *s)
{
    if (s->last > e->floor)
        e->floor = s->last;
    HASH_DEL(e->sequences, s);
    list_remove(&s->recent);
    tally_change(TALLY_sequences, sizeof *s + s->len, 0);
    free(s);
}

static void memory_close(struct engine *e)
{
    struct sequence *s;
    struct sequence *next;
    HASH_ITER(hh, e->sequences, s, next)
    {
        forget(e, s);
    }
    free(e);
}

static struct sequence *begin(struct engine *e, const struct publication *p)
{
    if (HASH_COUNT(e->sequences) >= CHANNELS_KEPT)
        forget(e, LIST_ENTRY(e->recent.next, struct sequence, recent));
    struct sequence *s = malloc(sizeof *s + p->channel_len);
    if (!s)
        abort();
    tally_change(TALLY_sequences, 0, sizeof *s + p->channel_len);
    s->last = e->floor;
    s->len = p->channel_len;
    memcpy(s->name, p->channel, p->channel_len);
    list_init(&s->recent);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, e->sequences, s->name, s->len, p->hash, s);
    return s;
}

static struct sequence *find(struct engine *e, const struct publication *p)
{
    struct sequence *s = list_empty(&e->recent) ? NULL : LIST_ENTRY(e->recent.prev, struct sequence, recent);
    if (s && s->len == p->channel_len && memcmp(s->name, p->channel, s->len) == 0)
        return s; /* who publishes often publishes again */
    HASH_FIND_BYHASHVALUE(hh, e->sequences, p->channel, p->channel_len, p->hash, s);
    return s ? s : begin(e, p);
}

static void make_most_recent(struct engine *e, struct sequence *s)
{
    if (e->recent.prev == &s->recent)
        return;
    list_remove(&s->recent);
    list_append(&e->recent, &s->recent);
}

static void memory_publish(struct engine *e, const struct publication *p)
{
    struct sequence *s = find(e, p);
    make_most_recent(e, s);
    e->up.published(e->up.arg, p, PUBLISHED, (struct msg_id){e->gen, ++s->last}, NULL);
}

const struct engine_ops engine_memory = {
    .name = "memory", .open = memory_open, .close = memory_close, .publish = memory_publish};
