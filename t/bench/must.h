/*
 * What every program of the bench stands on: time, memory, and an end with a word why. A bench that goes on
 * after a fault measures something else, so here nothing is forgiven.
 */
#ifndef WSPUSH_T_BENCH_MUST_H
#define WSPUSH_T_BENCH_MUST_H

#include <stddef.h>
#include <stdint.h>

/* One line on stderr, and exit 1. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Nanoseconds of the monotonic clock. */
uint64_t now_ns(void);
/* calloc that does not fail. */
void *must_alloc(size_t count, size_t size);

#endif
