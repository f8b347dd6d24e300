#include "histogram.h"

enum { STEPS = 1 << HISTOGRAM_BITS };

/* Below STEPS each value has its own bucket; above, `shift` of its low bits are not told apart. */
static unsigned bucket_of(uint64_t value)
{
    if (value < STEPS)
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
    uint64_t bucket = ((uint64_t)shift << HISTOGRAM_BITS) + (value >> shift);
    return bucket < HISTOGRAM_BUCKETS ? (unsigned)bucket : HISTOGRAM_BUCKETS - 1;
}

/* The largest value of a bucket. */
static uint64_t top_of(unsigned bucket)
{
    if (bucket < STEPS)
        return bucket;
    unsigned shift = (bucket >> HISTOGRAM_BITS) - 1;
    uint64_t first = bucket - ((uint64_t)shift << HISTOGRAM_BITS);
    return ((first + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->count[bucket_of(value)]++;
    h->total++;
    if (value > h->max)
        h->max = value;
}

uint64_t histogram_at(const struct histogram *h, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)h->total + 0.5), seen = 0;
    if (wanted == 0)
        wanted = 1;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && h->total > 0; i++) {
        seen += h->count[i];
        if (seen >= wanted)
            return top_of(i) < h->max ? top_of(i) : h->max;
    }
    return h->max;
}
