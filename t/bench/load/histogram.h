/*
 * Latencies in buckets whose width grows with them: each power of two is cut into 64, so what is read back is
 * within 1.6 % of what was put in, from 1 ns to 18 minutes, in 17 KiB.
 */
#ifndef WSPUSH_T_BENCH_HISTOGRAM_H
#define WSPUSH_T_BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BITS = 6, HISTOGRAM_BUCKETS = (40 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS };

/* All zero is empty. */
struct histogram {
    uint64_t total, max;
    uint64_t count[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value);
/* The value that `share` (0 to 1) of all are at or below; 0 if there are none. */
uint64_t histogram_at(const struct histogram *h, double share);

#endif
