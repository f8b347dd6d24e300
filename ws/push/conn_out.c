/*
 * What goes out to one client: its queue, the bounds of the queue, and the writing.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"
#include "push/batch.h"
#include "push/conn.h"
#include "push/shard.h"

/* So much of what was published has been written. */
static void count_sent(struct conn *c, uint32_t messages)
{
    c->msgs_out += messages;
    c->spoken = moment_of(c->shard->loop->now);
}

/* One or several writes took so many bytes. */
static void count_written(struct conn *c, unsigned calls, size_t bytes)
{
    c->bytes_out += bytes;
    stats_add(&c->shard->stats, STAT_writes, calls);
    stats_add(&c->shard->stats, STAT_bytes_out, bytes);
}

/* The peer is gone. */
static void drop_broken(struct conn *c)
{
    conn_drop(c, c->close_received ? c->close_code : 1006);
}

static void on_left(void *arg, const struct msg *m, bool written)
{
    struct conn *c = arg;
    if (m->opcode == WEBSOCKET_PONG)
        c->pongs--;
    if (m->receipt)
        (written ? shard_receipt_written : shard_receipt_lost)(c, m);
    if (written && (m->opcode == WEBSOCKET_TEXT || m->opcode == WEBSOCKET_BINARY))
        count_sent(c, 1);
}

static void write_queue(struct conn *c)
{
    unsigned calls = 0;
    ssize_t n = outq_write(&c->out, c->io.fd, on_left, c, &calls);
    count_written(c, calls, n > 0 ? (size_t)n : 0);
    if (n < 0) {
        drop_broken(c);
        return;
    }
    shard_count_out(c->shard, -n);
    if (c->out.bytes <= c->config->out_slow)
        c->slow_since = 0;
}

/* The pong for the newest ping, now that there is room again. */
static void push_owed_pong(struct conn *c)
{
    struct msg *pong = c->owed_pong;
    if (!pong || c->pongs)
        return;
    c->owed_pong = NULL;
    c->pongs++;
    conn_push_control(c, pong);
}

static void want_events(struct conn *c)
{
    uint32_t in = conn_is_quiet(c) || c->eof ? 0 : EPOLLIN;
    loop_want(c->shard->loop, &c->io, in | (outq_empty(&c->out) ? 0u : EPOLLOUT));
}

void conn_flush(struct loop *loop, struct io *io)
{
    struct conn *c = conn_of(io);
    (void)loop;
    write_queue(c);
    if (io->reaping)
        return;
    push_owed_pong(c);
    if (c->state > CONN_OPEN)
        conn_leave(c);
    if (c->eof && outq_empty(&c->out)) {
        conn_drop(c, c->close_code);
        return;
    }
    want_events(c);
    if (c->state == CONN_ENDED && outq_empty(&c->out) && !c->shut) {
        c->shut = true;
        shutdown(io->fd, SHUT_WR);
    }
}

void conn_queue(struct conn *c, struct msg *m)
{
    if (outq_push(&c->out, m) < 0) {
        conn_drop(c, 1011);
        return;
    }
    shard_count_out(c->shard, (int64_t)msg_frame_len(m));
    loop_want_flush(c->shard->loop, &c->io);
}

void conn_push_control(struct conn *c, struct msg *take_m)
{
    if (take_m)
        conn_queue(c, take_m);
    else
        conn_drop(c, 1011);
    msg_unref(take_m);
}

void conn_is_slow(struct conn *c, size_t bytes, size_t messages)
{
    size_t before = c->out.bytes;
    bool drop = c->config->slow == SLOW_DROP;
    c->too_slow = true; /* for what now leaves the queue */
    if (drop)
        stats_add(&c->shard->stats, STAT_slow_dropped,
                  outq_drop_oldest(&c->out, bytes, messages, on_left, c));
    else
        outq_drop_unstarted(&c->out, on_left, c);
    shard_count_out(c->shard, (int64_t)c->out.bytes - (int64_t)before);
    if (drop) {
        c->too_slow = false;
        c->slow_since = 0;
    } else {
        stats_add(&c->shard->stats, STAT_slow_closed, 1);
        conn_fail(c, -ERR_SLOW);
    }
}

static bool over_bounds(const struct conn *c, size_t more)
{
    return !outq_empty(&c->out) &&
           (c->out.bytes + more > c->config->out_limit || c->out.count >= c->config->out_messages);
}

/* The form in which this client gets it. A window of N bits is enough for a message of at most 2^N bytes. */
static struct msg *form_for(const struct conn *c, struct msg *m)
{
    bool data = m->opcode == WEBSOCKET_TEXT || m->opcode == WEBSOCKET_BINARY;
    if (!c->deflate_bits || !data || m->len < c->config->deflate_min ||
        (c->deflate_bits < DEFLATE_BITS_MAX && m->len > (size_t)1 << c->deflate_bits))
        return m;
    return msg_compressed(m, c->shard->ws, (int)c->config->deflate_level);
}

/* Whose queue stays this long is slow some time later. */
static void watch_slowness(struct conn *c)
{
    if (c->out.bytes <= c->config->out_slow || c->slow_since)
        return;
    c->slow_since = moment_of(c->shard->loop->now);
    conn_reckon(c);
}

void conn_push(struct conn *c, struct msg *m)
{
    if (c->state != CONN_OPEN || c->io.reaping) {
        if (m->receipt)
            shard_receipt_lost(c, m);
        return;
    }
    struct msg *form = form_for(c, m);
    size_t len = msg_frame_len(form);
    if (over_bounds(c, len))
        write_queue(c);
    if (!c->io.reaping && over_bounds(c, len)) /* a quarter at a time, so that a message costs O(1) */
        conn_is_slow(c, c->config->out_limit / 4 * 3, c->config->out_messages / 4 * 3);
    if (c->state != CONN_OPEN || c->io.reaping) {
        if (m->receipt)
            shard_receipt_lost(c, m);
        return;
    }
    conn_queue(c, form);
    stats_add(&c->shard->stats, STAT_deliveries, 1);
    stats_add(&c->shard->stats, STAT_deliveries_compressed, form != m);
    watch_slowness(c);
}

/* ---- batches ---- */

/* Whether the client gets its bytes as they are, and now. */
static bool takes_at_once(const struct conn *c, const struct batch *b)
{
    return c->state == CONN_OPEN && !c->io.reaping && outq_empty(&c->out) &&
           (!c->deflate_bits || b->longest < c->config->deflate_min) && b->len <= c->config->out_limit &&
           b->count <= c->config->out_messages;
}

/* What follows the first `done` bytes of a batch waits in the queue. Returns how many messages are out. */
static uint32_t queue_rest(struct conn *c, const struct batch *b, size_t done)
{
    uint32_t first = 0;
    for (; done >= msg_frame_len(b->msgs[first]); first++)
        done -= msg_frame_len(b->msgs[first]);
    for (uint32_t i = first; i < b->count && !c->io.reaping; i++)
        conn_queue(c, b->msgs[i]);
    if (!c->io.reaping) {
        outq_begin(&c->out, done);
        shard_count_out(c->shard, -(int64_t)done);
        watch_slowness(c);
    }
    return first;
}

void conn_push_batch(struct conn *c, const struct batch *b)
{
    if (!takes_at_once(c, b)) {
        for (uint32_t i = 0; i < b->count; i++)
            conn_push(c, b->msgs[i]);
        return;
    }
    ssize_t n = send(c->io.fd, b->bytes, b->len, MSG_NOSIGNAL);
    size_t sent = n > 0 ? (size_t)n : 0;
    count_written(c, 1, sent);
    stats_add(&c->shard->stats, STAT_deliveries, b->count);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        drop_broken(c);
        return;
    }
    uint32_t out = sent == b->len ? b->count : queue_rest(c, b, sent);
    if (out)
        count_sent(c, out);
}

void conn_drop_queue(struct conn *c)
{
    shard_count_out(c->shard, -(int64_t)c->out.bytes);
    outq_fini(&c->out, on_left, c);
    shard_receipts_forget(c);
}
