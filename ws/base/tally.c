#include "base/tally.h"

/* More threads than this share. */
enum { SHARES = 64 };

static struct tally_share shares[SHARES];
static atomic_uint joined;

_Thread_local struct tally_share *tally_own;

struct tally_share *tally_join(void)
{
    tally_own = &shares[atomic_fetch_add_explicit(&joined, 1, memory_order_relaxed) % SHARES];
    return tally_own;
}

size_t tally_sum(enum tally kind)
{
    size_t sum = 0;
    for (size_t i = 0; i < SHARES; i++)
        sum += atomic_load_explicit(&shares[i].bytes[kind], memory_order_relaxed);
    return sum;
}
