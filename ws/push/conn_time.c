/*
 * A connection's deadlines. One timer serves them all: it is set to the earliest, and when it fires the
 * connection looks at what is really due, so that what happens often (bytes that come in) moves no timer.
 */
#include "base/clock.h"
#include "base/error.h"
#include "push/conn.h"
#include "push/shard.h"
#include "wire/sse.h"

/* Not reading from a client lasts so long at most: nginx gives up on an upstream that neither reads nor
 * sends. */
enum { UNREAD_MAX_MS = 5000 };

/* With READ_COMPRESSED a time these are 64 KiB. */
enum { CATCH_UP_READS = 64 };

/* The longest idle_timeout. What is farther back counts as that far: a moment must not grow old. */
enum { SPOKEN_MAX_MS = 7 * 86400 * 1000 };

static int64_t earlier(int64_t a, int64_t b)
{
    return a && a < b ? a : b;
}

/* When it is so long after that moment; 0: never. */
static int64_t after(const struct conn *c, uint32_t since, int64_t ms)
{
    return since ? moment_ms(since, c->shard->loop->now) + ms : 0;
}

/* It may have said what is awaited: we don't look. */
static bool is_unheard(const struct conn *c)
{
    return c->unread_since || conn_is_quiet(c);
}

static int64_t open_deadline(const struct conn *c)
{
    const struct channel_config *config = c->config;
    int64_t when =
        c->pinged ? after(c, c->pinged, config->pong_timeout) : after(c, c->heard, config->ping_interval);
    if (c->unread_since) /* what would prove its life is not read */
        when = after(c, c->unread_since, UNREAD_MAX_MS);
    else if (conn_is_quiet(c))
        when = c->more->quiet_until;
    if (config->idle_timeout)
        when = earlier(after(c, c->spoken, config->idle_timeout), when);
    if (!is_unheard(c))
        when = earlier(after(c, c->partial_since, config->frame_timeout), when);
    return earlier(after(c, c->slow_since, config->slow_after), when);
}

static int64_t deadline(const struct conn *c)
{
    return c->state == CONN_OPEN ? open_deadline(c) : after(c, c->end_at, 0);
}

void conn_reckon(struct conn *c)
{
    int64_t when = deadline(c);
    if (!c->io.reaping && (!timer_is_set(&c->timer) || when < c->timer.when))
        timer_set(&c->shard->loop->timers, &c->timer, when);
}

void conn_stood_still(struct conn *c)
{
    c->heard = moment_of(c->shard->loop->now);
    if (c->pinged)
        c->pinged = c->heard;
    if (c->partial_since)
        c->partial_since = c->heard;
}

/* Nothing comes back from an event stream: the beat shows the page that the line is alive, and the kernel
 * notices one that is not. */
static void beat(struct conn *c)
{
    struct buf text = {0};
    sse_add_beat(&text);
    c->heard = moment_of(c->shard->loop->now);
    conn_push_control(c, buf_failed(&text) ? NULL : msg_new_raw(text.data, text.len));
    buf_fini(&text);
}

/* It asks for the pongs that are awaited, too: a client may have answered none but the newest ping (RFC 6455
 * section 5.5.3). */
static void ping(struct conn *c)
{
    if (c->transport == TRANSPORT_SSE) {
        beat(c);
        return;
    }
    c->pinged = moment_of(c->shard->loop->now);
    conn_push_control(c, msg_new_ping(c->shard->ws, shard_receipt_awaited(c)));
}

static void on_open_deadline(struct conn *c, int64_t now)
{
    const struct channel_config *config = c->config;
    if (c->slow_since && now >= after(c, c->slow_since, config->slow_after))
        conn_is_slow(c, config->out_slow / 2, SIZE_MAX);
    else if (c->unread_since && now >= after(c, c->unread_since, UNREAD_MAX_MS))
        conn_fail(c, -ERR_BUSY);
    else if (c->partial_since && !is_unheard(c) && now >= after(c, c->partial_since, config->frame_timeout))
        conn_fail(c, -ERR_FRAME_TIMEOUT);
    else if (config->idle_timeout && now >= after(c, c->spoken, config->idle_timeout))
        conn_close_with(c, 1000, error_text(ERR_IDLE));
    else if (c->unread_since)
        return;
    else if (conn_is_quiet(c))
        conn_hear_again(c);
    else if (c->pinged && now >= after(c, c->pinged, config->pong_timeout))
        conn_fail(c, -ERR_PONG_TIMEOUT);
    else if (!c->pinged && now >= after(c, c->heard, config->ping_interval))
        ping(c);
}

static bool is_read(const struct conn *c)
{
    return c->state != CONN_REGISTERING && !is_unheard(c) && !c->eof && !c->io.reaping;
}

/* Who was ready in time is not late because this thread stood still: what has come is read first. */
static void catch_up(struct conn *c)
{
    uint64_t before;
    int reads = 0;
    do {
        before = c->bytes_in;
        if (is_read(c))
            conn_read(c);
    } while (c->bytes_in != before && ++reads < CATCH_UP_READS && c->shard->loop->now >= deadline(c));
}

void conn_on_timer(struct timer *t)
{
    struct conn *c = LIST_ENTRY(t, struct conn, timer);
    int64_t now = c->shard->loop->now;
    if (now >= deadline(c))
        catch_up(c);
    if (now >= deadline(c) && !c->io.reaping) {
        if (c->state == CONN_OPEN)
            on_open_deadline(c, now);
        else if (c->state == CONN_HANDSHAKE)
            handshake_expired(c);
        else if (c->state == CONN_REGISTERING) /* it waits for us */
            c->end_at = moment_of(now + c->shard->config->handshake_timeout);
        else
            conn_drop(c, c->close_code);
    }
    if (c->spoken && after(c, c->spoken, SPOKEN_MAX_MS) < now)
        c->spoken = moment_of(now - SPOKEN_MAX_MS);
    conn_reckon(c);
}
