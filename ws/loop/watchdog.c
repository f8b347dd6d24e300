#include "loop/watchdog.h"

#include <stdbool.h>
#include <stdlib.h>

/* A stamp is made every `every`; one that is older than two of them was missed. */
static bool all_alive(const struct watchdog *w, int64_t now)
{
    for (size_t i = 0; i < w->count; i++)
        if (atomic_load(&w->pulses[i].at) < now - 2 * w->every)
            return false;
    return true;
}

static void on_pulse(struct timer *t)
{
    struct pulse *p = LIST_ENTRY(t, struct pulse, timer);
    struct watchdog *w = p->watchdog;
    int64_t now = p->loop->now;
    atomic_store(&p->at, now);
    if (p == w->pulses && all_alive(w, now))
        w->alive(w->arg);
    timer_set(&p->loop->timers, t, now + w->every);
}

void watchdog_start(struct watchdog *w, struct loop *const *loops, size_t count, int64_t every,
                    void (*alive)(void *arg), void *arg)
{
    *w = (struct watchdog){.count = count, .every = every, .alive = alive, .arg = arg};
    w->pulses = calloc(count, sizeof *w->pulses);
    if (!w->pulses)
        abort();
    for (size_t i = 0; i < count; i++) {
        struct pulse *p = &w->pulses[i];
        p->watchdog = w;
        p->loop = loops[i];
        atomic_store(&p->at, loops[i]->now);
        timer_init(&p->timer, on_pulse);
        timer_set(&p->loop->timers, &p->timer, p->loop->now);
    }
}

void watchdog_fini(struct watchdog *w)
{
    free(w->pulses);
    *w = (struct watchdog){0};
}
