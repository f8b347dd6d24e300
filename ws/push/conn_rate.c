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
    const struct channel_config *config = c->config;
    bool v1 = c->transport == TRANSPORT_V1 && !config->in_frames;
    return (struct rate_limits){v1 ? config->requests : config->in_frames, config->in_bytes};
}

struct conn_more *conn_need_more(struct conn *c)
{
    if (!c->more) {
        c->more = calloc(1, sizeof *c->more);
        if (c->more)
            tally_change(TALLY_connections, 0, sizeof *c->more);
        else
            conn_drop(c, 1011);
    }
    return c->more;
}

void conn_drop_more(struct conn *c)
{
    struct conn_more *more = c->more;
    if (!more)
        return;
    shared_name_unref(more->own);
    tally_change(TALLY_subscriptions, more->cap * sizeof *more->subscriptions, 0);
    free(more->subscriptions);
    places_free(more->places);
    tally_change(TALLY_connections, sizeof *more, 0);
    free(more);
    c->more = NULL;
}

void conn_set_limits(struct conn *c)
{
    struct rate_limits limits = limits_of(c);
    if (!limits.frames && !limits.bytes) {
        if (conn_is_quiet(c))
            conn_hear_again(c);
        if (c->more && c->transport != TRANSPORT_V1)
            conn_drop_more(c);
        else if (c->more)
            c->more->limited = false;
    } else if ((!c->more || !c->more->limited) && conn_need_more(c)) {
        c->more->limited = true;
        rate_init(&c->more->rate, &limits, c->shard->loop->now);
    }
}

/* Small pieces, so that a large message is paid for bit by bit; of tiny frames there are many in a piece. */
size_t conn_may_read(const struct conn *c, size_t most)
{
    if (!c->more || !c->more->limited)
        return most;
    struct rate_limits limits = limits_of(c);
    uint64_t second = limits.bytes ? limits.bytes : most;
    if (limits.frames && limits.frames * 6 < second)
        second = PIECE_MIN;
    return second < PIECE_MIN ? PIECE_MIN : second < most ? (size_t)second : most;
}

void conn_has_said(struct conn *c, uint64_t frames, size_t bytes)
{
    if (!c->more || !c->more->limited || c->state != CONN_OPEN || c->io.reaping)
        return;
    struct rate_limits limits = limits_of(c);
    int64_t now = c->shard->loop->now;
    int64_t owed = rate_take(&c->more->rate, &limits, frames, bytes, now);
    if (!owed)
        return;
    if (!c->more->behind_since)
        c->more->behind_since = now;
    if (now + owed - c->more->behind_since > BEHIND_MAX_MS) {
        conn_fail(c, -ERR_RATE);
    } else {
        c->more->quiet_until = now + owed;
        stats_add(&c->shard->stats, STAT_throttled, 1);
        loop_want(c->shard->loop, &c->io, c->io.events & ~(uint32_t)EPOLLIN);
        conn_reckon(c);
    }
}

void conn_read_up(struct conn *c)
{
    if (c->more)
        c->more->behind_since = 0;
}

void conn_hear_again(struct conn *c)
{
    c->more->quiet_until = 0;
    conn_stood_still(c);
    loop_want(c->shard->loop, &c->io, c->io.events | EPOLLIN);
}
