/*
 * A client that may say only so much (in_frames, in_bytes): it is read in small pieces, and not at all while
 * it owes time.
 */
#include <stdlib.h>

#include "base/error.h"
#include "base/tally.h"
#include "push/conn.h"
#include "push/shard.h"

/* A client that is read more slowly than it sends may be behind for so long at most: then it is over its
 * limit for good, and nginx gives up on an upstream that neither reads nor sends. */
enum { BEHIND_MAX_MS = 5000, PIECE_MIN = 512 };

static struct rate_limits limits_of(const struct conn *c)
{
    return (struct rate_limits){c->config->in_frames, c->config->in_bytes};
}

void conn_set_limits(struct conn *c)
{
    struct rate_limits limits = limits_of(c);
    if (!limits.frames && !limits.bytes) {
        if (conn_is_quiet(c))
            conn_hear_again(c);
        tally_change(TALLY_connections, c->throttle ? sizeof *c->throttle : 0, 0);
        free(c->throttle);
        c->throttle = NULL;
    } else if (!c->throttle) {
        c->throttle = calloc(1, sizeof *c->throttle);
        if (!c->throttle) {
            conn_drop(c, 1011);
        } else {
            tally_change(TALLY_connections, 0, sizeof *c->throttle);
            rate_init(&c->throttle->rate, &limits, c->shard->loop->now);
        }
    }
}

/* Small pieces, so that a large message is paid for bit by bit; of tiny frames there are many in a piece. */
size_t conn_may_read(const struct conn *c, size_t most)
{
    if (!c->throttle)
        return most;
    uint64_t second = c->config->in_bytes ? c->config->in_bytes : most;
    if (c->config->in_frames && c->config->in_frames * 6 < second)
        second = PIECE_MIN;
    return second < PIECE_MIN ? PIECE_MIN : second < most ? (size_t)second : most;
}

void conn_has_said(struct conn *c, uint64_t frames, size_t bytes)
{
    if (!c->throttle || c->state != CONN_OPEN || c->io.reaping)
        return;
    struct rate_limits limits = limits_of(c);
    int64_t now = c->shard->loop->now;
    int64_t owed = rate_take(&c->throttle->rate, &limits, frames, bytes, now);
    if (!owed)
        return;
    if (!c->throttle->behind_since)
        c->throttle->behind_since = now;
    if (now + owed - c->throttle->behind_since > BEHIND_MAX_MS) {
        conn_fail(c, -ERR_RATE);
    } else {
        c->throttle->quiet_until = now + owed;
        stats_add(&c->shard->stats, STAT_throttled, 1);
        loop_want(c->shard->loop, &c->io, c->io.events & ~(uint32_t)EPOLLIN);
        conn_reckon(c);
    }
}

void conn_read_up(struct conn *c)
{
    if (c->throttle)
        c->throttle->behind_since = 0;
}

void conn_hear_again(struct conn *c)
{
    c->throttle->quiet_until = 0;
    conn_stood_still(c);
    loop_want(c->shard->loop, &c->io, c->io.events | EPOLLIN);
}
