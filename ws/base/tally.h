/*
 * Bytes of the heap by what they are for. Whoever allocates something of which there is one a client or a
 * channel says so here, and says so again when it is freed, by any thread. What can be had as a count times a
 * size is not counted here.
 */
#ifndef WSPUSH_BASE_TALLY_H
#define WSPUSH_BASE_TALLY_H

#include <stdatomic.h>
#include <stddef.h>

enum tally {
#define TALLY(name, help) TALLY_##name,
#include "base/tally.def"
#undef TALLY
    TALLY_COUNT
};

/* One thread's share: it may fall below zero and wrap around, the sum does not. */
struct tally_share {
    _Alignas(64) atomic_size_t bytes[TALLY_COUNT];
};

extern _Thread_local struct tally_share *tally_own;
/* Gives this thread its share. */
struct tally_share *tally_join(void);

/* What an allocation of so many bytes takes from the heap: glibc's header of 8 bytes, in steps of 16, 32 at
 * least. 0 for none. */
static inline size_t heap_size(size_t bytes)
{
    size_t chunk = (bytes + 8 + 15) & ~(size_t)15;
    return bytes == 0 ? 0 : chunk < 32 ? 32 : chunk;
}

/* An allocation has become another size; 0: there was none, or there is none any more. */
static inline void tally_change(enum tally kind, size_t from, size_t to)
{
    if (from == to)
        return;
    struct tally_share *own = tally_own ? tally_own : tally_join();
    atomic_fetch_add_explicit(&own->bytes[kind], heap_size(to) - heap_size(from), memory_order_relaxed);
}

/* The bytes of all threads, headers too. Any thread. */
size_t tally_sum(enum tally kind);

#endif
