#include "loop/timer.h"

#include <limits.h>
#include <stddef.h>

enum { LEVEL_BITS = 6, SLOT_MASK = TIMER_SLOTS - 1 };

void timers_init(struct timers *w, int64_t now)
{
    w->now = now;
    for (int level = 0; level < TIMER_LEVELS; level++) {
        w->used[level] = 0;
        for (int slot = 0; slot < TIMER_SLOTS; slot++)
            list_init(&w->slots[level][slot]);
    }
}

void timer_init(struct timer *t, void (*fire)(struct timer *timer))
{
    list_init(&t->link);
    t->when = 0;
    t->fire = fire;
}

/* The level on which `left` milliseconds are less than one round. */
static int level_of(uint64_t left)
{
    int level = (63 - __builtin_clzll(left | 1)) / LEVEL_BITS;
    return level < TIMER_LEVELS ? level : TIMER_LEVELS - 1;
}

/* What lies beyond the top level's round waits in its farthest slot and is placed again from there. */
static void place(struct timers *w, struct timer *t)
{
    int64_t farthest = w->now + (INT64_C(1) << (LEVEL_BITS * TIMER_LEVELS)) - 1;
    int64_t at = t->when <= w->now ? w->now + 1 : t->when > farthest ? farthest : t->when;
    int level = level_of((uint64_t)(at - w->now));
    int slot = (int)(at >> (LEVEL_BITS * level)) & SLOT_MASK;
    list_append(&w->slots[level][slot], &t->link);
    w->used[level] |= UINT64_C(1) << slot;
}

void timer_set(struct timers *w, struct timer *t, int64_t when)
{
    list_remove(&t->link);
    t->when = when;
    place(w, t);
}

void timer_clear(struct timer *t)
{
    list_remove(&t->link);
}

static uint64_t rotate_right(uint64_t x, int n)
{
    n &= 63;
    return n ? x >> n | x << (64 - n) : x;
}

int timers_wait(const struct timers *w)
{
    int64_t best = -1;
    for (int level = 0; level < TIMER_LEVELS; level++) {
        if (!w->used[level])
            continue;
        int64_t position = w->now >> (LEVEL_BITS * level);
        /* bit 0 is now the slot after the current one */
        uint64_t ahead = rotate_right(w->used[level], (int)(position & SLOT_MASK) + 1);
        int64_t at = (position + 1 + __builtin_ctzll(ahead)) << (LEVEL_BITS * level);
        if (best < 0 || at - w->now < best)
            best = at - w->now;
    }
    return best > INT_MAX ? INT_MAX : (int)best;
}

/* Takes the timers out of all slots that the clock enters on its way to `now`. */
static void collect(struct timers *w, int level, int64_t now, struct list *out)
{
    int64_t from = w->now >> (LEVEL_BITS * level);
    int64_t steps = (now >> (LEVEL_BITS * level)) - from;
    if (steps > TIMER_SLOTS)
        steps = TIMER_SLOTS;
    for (int64_t i = 1; w->used[level] && i <= steps; i++) {
        int slot = (int)((from + i) & SLOT_MASK);
        if (w->used[level] & UINT64_C(1) << slot) {
            list_move_all(out, &w->slots[level][slot]);
            w->used[level] &= ~(UINT64_C(1) << slot);
        }
    }
}

void timers_run(struct timers *w, int64_t now)
{
    struct list due;
    struct list *l;
    list_init(&due);
    if (now <= w->now)
        return;
    for (int level = 0; level < TIMER_LEVELS; level++)
        collect(w, level, now, &due);
    w->now = now;
    while ((l = list_take_first(&due)) != NULL) {
        struct timer *t = LIST_ENTRY(l, struct timer, link);
        if (t->when <= now)
            t->fire(t);
        else
            place(w, t);
    }
}
