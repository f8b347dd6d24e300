/* Clients are asked to leave, some at a time. */
#include "base/error.h"
#include "push/shard.h"

/* At least so long between two steps of a drain; at least so many clients in one of a stop. */
enum { DRAIN_STEP_MS = 50, STOP_STEP_MIN = 50 };

static bool is_open(const struct conn *c)
{
    return c->state == CONN_OPEN && !c->io.reaping;
}

/* Whether it was asked. Whoever is let in once the time is over stays. */
static bool leave(const struct shard *s, struct conn *c)
{
    bool asked = is_open(c) && c->client <= s->drain_last;
    if (asked)
        conn_close_with(c, 1001, error_text(ERR_DRAINING));
    else if (!c->opened && atomic_load(&s->world->draining))
        conn_drop(c, 1001);
    return asked;
}

/* Asks the next clients, at most so many; false when there are no more. */
static bool ask_next(struct shard *s, uint32_t count)
{
    for (; count && (size_t)s->drain_fd < s->loop->slot_count; s->drain_fd++) {
        struct conn *c = conn_of(s->loop->slots[s->drain_fd]);
        count -= c && leave(s, c);
    }
    return (size_t)s->drain_fd < s->loop->slot_count;
}

void shard_drain_step(struct timer *t)
{
    struct shard *s = LIST_ENTRY(t, struct shard, drain_timer);
    int64_t time = s->drain_until - s->loop->now;
    uint32_t most = time > DRAIN_STEP_MS ? (uint32_t)(time / DRAIN_STEP_MS) : 1;
    uint32_t share = (s->drain_left + most - 1) / most;
    bool last = s->drain_left <= share;
    if (!ask_next(s, last ? UINT32_MAX : share) || last)
        return;
    uint32_t steps = (s->drain_left + share - 1) / share;
    s->drain_left -= share;
    timer_set(&s->loop->timers, t, s->loop->now + time / steps);
}

static void count_open(struct conn *c, void *arg)
{
    *(uint32_t *)arg += is_open(c);
}

/* A stop is not to be slower than its clients make it. */
static int64_t time_to_go(uint32_t clients, int64_t most)
{
    int64_t enough = (int64_t)(clients / STOP_STEP_MIN) * DRAIN_STEP_MS;
    return enough < most ? enough : most;
}

void shard_drain(struct shard *s, const struct mail *mail)
{
    uint32_t open = 0;
    shard_each_client(s, &(struct mail){.scope = SCOPE_ALL}, WALK_ALL, count_open, &open);
    s->drain_until =
        s->loop->now + (mail->kind == MAIL_GO_AWAY ? time_to_go(open, mail->value) : mail->value);
    s->drain_left = open;
    s->drain_fd = 0;
    s->drain_last = atomic_load(&s->world->last_client);
    timer_clear(&s->drain_timer);
    shard_drain_step(&s->drain_timer);
    shard_post(s, (struct mail){.kind = MAIL_CLOSED, .number = mail->number, .value = open});
}

void shard_end_drain(struct shard *s, const struct mail *mail)
{
    timer_clear(&s->drain_timer);
    shard_post(s, (struct mail){.kind = MAIL_CLOSED, .number = mail->number});
}
