/*
 * The last number of each channel that was published to, and what the channel keeps. Of those that keep
 * nothing, so many are known as were used lately. One that is forgotten raises the floor above which new ones
 * start, so no number comes twice in a generation, and names that are used once cost no memory for ever.
 */
#ifndef WSPUSH_ENGINE_SEQUENCES_H
#define WSPUSH_ENGINE_SEQUENCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/hash.h"
#include "base/list.h"
#include "engine/keys.h"
#include "push/history.h"
#include "push/shared_name.h"

enum { SEQUENCES_KEPT = 100000 };

struct sequence {
    struct list idle; /* among those that keep nothing */
    struct shared_name *name;
    uint64_t last; /* number; before the first one, the floor */
    uint64_t lost; /* messages up to this number are not kept; where there is a history, it knows better */
    struct history *history; /* NULL: there is none; it is never empty */
    struct channel_keys keys;
    UT_hash_handle hh;
};

struct sequences {
    struct sequence *by_name;
    struct sequence *recent; /* the one that was published to last, or NULL */
    struct list idle;        /* that keep nothing, the longest unused first */
    size_t idle_count;
    uint64_t floor;
    uint64_t name_bytes; /* of the heap */
};

void sequences_init(struct sequences *all);
/* Use sequences_find(). */
struct sequence *sequences_search(const struct sequences *all, const char *name, size_t len, unsigned hash);
/* The channel's, or NULL. `hash` is that of its name, as base/hash.h has it. */
static inline struct sequence *sequences_find(const struct sequences *all, const char *name, size_t len,
                                              unsigned hash)
{
    struct sequence *s = all->recent;
    bool again = s && s->name->len == len && memcmp(s->name->text, name, len) == 0;
    return again ? s : sequences_search(all, name, len, hash); /* who publishes often publishes again */
}
/* A new one, whose place nobody has; the longest unused one is forgotten for it. Aborts when there is no
 * memory. */
struct sequence *sequences_begin(struct sequences *all, const char *name, size_t len, unsigned hash);
/* It is published to. */
static inline void sequences_use(struct sequences *all, struct sequence *s)
{
    all->recent = s;
    if (all->idle.prev != &s->idle && list_linked(&s->idle)) {
        list_remove(&s->idle);
        list_append(&all->idle, &s->idle);
    }
}
/* It may have begun to keep something, or have ended it. */
void sequences_settle(struct sequences *all, struct sequence *s);
/* Forgets the longest unused one that keeps nothing, and is not the one that was published to last. False
 * where there is none. */
bool sequences_lose_oldest(struct sequences *all);
/* Forgets one that keeps nothing. */
void sequences_forget(struct sequences *all, struct sequence *s);
/* Bytes of the heap, without the names. */
uint64_t sequences_bytes(const struct sequences *all);

/* Messages up to this number are not kept. */
static inline uint64_t sequence_lost(const struct sequence *s)
{
    return s->history ? s->history->lost : s->lost;
}

#endif
