/* The counters of one thread: written by it alone, read by any. stats.def has a row for each. */
#ifndef WSPUSH_PUSH_STATS_H
#define WSPUSH_PUSH_STATS_H

#include <stdatomic.h>
#include <stdint.h>

enum stat {
#define STAT(name, help) STAT_##name,
#include "push/stats.def"
#undef STAT
    STAT_COUNT
};

struct stats {
    _Atomic uint64_t values[STAT_COUNT];
};

static inline uint64_t stats_get(const struct stats *s, enum stat which)
{
    return atomic_load_explicit(&s->values[which], memory_order_relaxed);
}

static inline void stats_add(struct stats *s, enum stat which, uint64_t n)
{
    atomic_store_explicit(&s->values[which], stats_get(s, which) + n, memory_order_relaxed);
}

#endif
