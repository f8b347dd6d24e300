/*
 * Numbers are in sequences.c, what channels keep is in history.c, keys are in keys.c, and what is read in
 * reading.c; here they come together, under one bound. Above it the oldest message of all goes; where none is
 * kept, the number that was unused longest; then the oldest key.
 */
#include "engine/memory.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/tally.h"
#include "engine/keys.h"
#include "engine/reading.h"
#include "engine/sequences.h"

struct engine {
    struct engine_up up;
    uint64_t gen;
    uint64_t total; /* bytes of the heap that all of it may take */
    struct sequences sequences;
    struct histories histories;
    struct keys keys;
    int64_t wall;    /* Unix milliseconds, at: */
    int64_t wall_at; /* up.now */
};

/* ---- what is kept ends ---- */

static void drop_history(struct sequence *s)
{
    if (!s->history)
        return;
    s->lost = s->history->lost;
    history_free(s->history);
    s->history = NULL;
}

static void on_history_emptied(void *arg, struct history *h)
{
    struct engine *e = arg;
    struct sequence *s = h->owner;
    drop_history(s);
    sequences_settle(&e->sequences, s);
}

static void on_keys_emptied(void *arg, struct channel_keys *of)
{
    struct engine *e = arg;
    sequences_settle(&e->sequences, LIST_ENTRY(of, struct sequence, keys));
}

static uint64_t history_bytes(const struct engine *e)
{
    return e->histories.bytes + keys_bytes(&e->keys) + msg_kept_forms();
}

static uint64_t all_bytes(const struct engine *e)
{
    return history_bytes(e) + e->sequences.name_bytes + sequences_bytes(&e->sequences);
}

static void enforce_total(struct engine *e)
{
    while (all_bytes(e) > e->total)
        if (!histories_lose_oldest(&e->histories) && !sequences_lose_oldest(&e->sequences) &&
            !keys_lose_oldest(&e->keys))
            return;
}

/* ---- publishing ---- */

static struct history_bounds bounds_of(const struct channel_config *config)
{
    return (struct history_bounds){config->history_size, config->history_bytes, config->history_ttl};
}

static struct sequence *begin(struct engine *e, const struct publication *p)
{
    struct sequence *s = sequences_begin(&e->sequences, p->channel, p->channel_len, p->hash);
    sequences_use(&e->sequences, s);
    enforce_total(e);
    return s;
}

static void keep_message(struct engine *e, struct sequence *s, const struct publication *p)
{
    struct history_bounds bounds = bounds_of(p->config);
    if (!s->history)
        s->history = history_new(&e->histories, s, s->lost);
    history_add(s->history, p->msg, &bounds);
}

/* A message that is not kept ends what was kept before it: nobody can read past it. */
static void keep_nothing(struct sequence *s)
{
    drop_history(s);
    s->lost = s->last;
}

/* The wall's clock, looked at once a turn: messages of one turn have one time. */
static int64_t wall_ms(struct engine *e)
{
    if (e->wall_at != *e->up.now) {
        e->wall_at = *e->up.now;
        e->wall = clock_wall_ms();
    }
    return e->wall;
}

static void keep(struct engine *e, struct sequence *s, const struct publication *p)
{
    bool keeps = p->msg && p->config->history_size;
    if (p->msg)
        msg_set_place(p->msg, s->name, (struct msg_id){e->gen, s->last}, wall_ms(e));
    if (keeps)
        keep_message(e, s, p);
    else
        keep_nothing(s);
    if (p->key_len)
        keys_add(&e->keys, &s->keys, p->key, p->key_len, s->last);
    sequences_settle(&e->sequences, s);
    if (keeps || p->key_len)
        enforce_total(e);
}

/* Whether the key was used before: then that is the answer. */
static bool was_published(const struct engine *e, const struct sequence *s, const struct publication *p)
{
    uint64_t before = s ? keys_find(&e->keys, &s->keys, p->key, p->key_len) : 0;
    if (before)
        e->up.published(e->up.arg, p, PUBLISHED_BEFORE, (struct msg_id){e->gen, before}, NULL);
    return before;
}

static void memory_publish(struct engine *e, const struct publication *p)
{
    struct sequence *s = sequences_find(&e->sequences, p->channel, p->channel_len, p->hash);
    if (p->key_len && was_published(e, s, p))
        return;
    if (!s)
        s = begin(e, p);
    sequences_use(&e->sequences, s);
    s->last++;
    if (p->msg || p->key_len || s->history)
        keep(e, s, p);
    else
        s->lost = s->last;
    e->up.published(e->up.arg, p, PUBLISHED, (struct msg_id){e->gen, s->last}, NULL);
}

/* ---- reading ---- */

/* Bounds may be others than those of the last publication. */
static void bound(struct engine *e, struct sequence *s, const struct channel_config *config)
{
    struct history_bounds bounds = bounds_of(config);
    if (!s->history)
        return;
    history_bound(s->history, &bounds);
    if (s->history->span == 0)
        on_history_emptied(e, s->history);
}

static void memory_read(struct engine *e, const struct reading *r)
{
    struct sequence *s = sequences_find(&e->sequences, r->channel, r->channel_len, r->hash);
    struct reading_of of = {.head = {e->gen, e->sequences.floor}, .lost = e->sequences.floor};
    if (s) {
        bound(e, s, r->config);
        of = (struct reading_of){{e->gen, s->last}, sequence_lost(s), s->history};
    }
    struct excerpt x = reading_take(r, &of);
    e->up.read(e->up.arg, r, &x);
    reading_done(&x);
}

/* ---- the rest ---- */

static void memory_set_total(struct engine *e, uint64_t bytes)
{
    e->total = bytes;
    e->sequences.recent = NULL; /* it may go too: nobody uses it now */
    enforce_total(e);
}

static void memory_figures(const struct engine *e, struct engine_figures *out)
{
    *out = (struct engine_figures){.messages = e->histories.messages,
                                   .bytes = all_bytes(e),
                                   .history_bytes = history_bytes(e),
                                   .sequence_bytes = sequences_bytes(&e->sequences),
                                   .channels = HASH_COUNT(e->sequences.by_name),
                                   .trimmed = e->histories.trimmed};
}

static struct engine *memory_open(const struct engine_up *up)
{
    struct engine *e = calloc(1, sizeof *e);
    if (!e)
        abort();
    e->up = *up;
    e->gen = (uint64_t)clock_wall_ms();
    e->total = UINT64_MAX;
    e->wall = clock_wall_ms();
    e->wall_at = *up->now;
    sequences_init(&e->sequences);
    histories_init(&e->histories, up->timers, up->now);
    keys_init(&e->keys, up->timers, up->now);
    e->histories.emptied = on_history_emptied;
    e->keys.emptied = on_keys_emptied;
    e->histories.arg = e->keys.arg = e;
    return e;
}

static void memory_close(struct engine *e)
{
    struct sequence *s;
    struct sequence *next;
    keys_fini(&e->keys);
    HASH_ITER(hh, e->sequences.by_name, s, next)
    {
        drop_history(s);
        sequences_settle(&e->sequences, s);
        sequences_forget(&e->sequences, s);
    }
    free(e);
}

const struct engine_ops engine_memory = {.name = "memory",
                                         .open = memory_open,
                                         .close = memory_close,
                                         .publish = memory_publish,
                                         .read = memory_read,
                                         .set_total = memory_set_total,
                                         .figures = memory_figures};
