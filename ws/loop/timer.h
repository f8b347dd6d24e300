/*
 * A thread's timers: a hierarchical wheel of five levels of 64 slots, one millisecond fine. Setting, moving
 * and removing cost O(1), whatever their number. Times are those of clock_mono_ms().
 */
#ifndef WSPUSH_LOOP_TIMER_H
#define WSPUSH_LOOP_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

enum { TIMER_LEVELS = 5, TIMER_SLOTS = 64 };

/* Inside the struct that waits. */
struct timer {
    struct list link;
    int64_t when;
    void (*fire)(struct timer *timer);
};

struct timers {
    int64_t now;
    uint64_t used[TIMER_LEVELS]; /* a bit a slot that may hold timers */
    struct list slots[TIMER_LEVELS][TIMER_SLOTS];
};

void timers_init(struct timers *w, int64_t now);
void timer_init(struct timer *t, void (*fire)(struct timer *timer));
/* Fires once, not before `when`; in the past means at the next run. Moves a timer that is already set. */
void timer_set(struct timers *w, struct timer *t, int64_t when);
void timer_clear(struct timer *t);
static inline bool timer_is_set(const struct timer *t)
{
    return list_linked(&t->link);
}

/* Milliseconds until timers_run() has to be called again, at least 1, or -1 when no timer is set. It may have
 * to be called earlier than the next timer fires. */
int timers_wait(const struct timers *w);
/* Moves the clock on and fires what is due. A firing timer is unset, and may set any timer, itself too. */
void timers_run(struct timers *w, int64_t now);

#endif
