/*
 * Whether all threads still make turns: each stamps the time by a timer of its own loop, and the first one's
 * calls `alive` as long as no stamp is old. It is not called while a thread is stuck, so that a service
 * manager which waits for it restarts the program.
 */
#ifndef WSPUSH_LOOP_WATCHDOG_H
#define WSPUSH_LOOP_WATCHDOG_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"

struct watchdog;

/* One thread's part. */
struct pulse {
    struct timer timer;
    struct watchdog *watchdog;
    struct loop *loop;
    atomic_int_fast64_t at; /* clock_mono_ms() of its last stamp */
};

struct watchdog {
    struct pulse *pulses;
    size_t count;
    int64_t every;
    void (*alive)(void *arg);
    void *arg;
};

/* Before the threads start; `loops` in their order. `every` in milliseconds: how often `alive(arg)` is
 * called, on the first loop's thread, the first time at once. */
void watchdog_start(struct watchdog *w, struct loop *const *loops, size_t count, int64_t every,
                    void (*alive)(void *arg), void *arg);
/* When no thread runs any more. */
void watchdog_fini(struct watchdog *w);

#endif
