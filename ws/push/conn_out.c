/*
 * What goes out to one client: its queue, the bounds of the queue, and the writing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "push/batch.h"
#include "push/conn.h"
#include "push/notice.h"
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

static bool is_data(const struct msg *m)
{
    return (m->opcode == WEBSOCKET_TEXT || m->opcode == WEBSOCKET_BINARY) && !m->notice;
}

static void on_left(void *arg, const struct msg *m, bool written)
{
    struct conn *c = arg;
    if (m->opcode == WEBSOCKET_PONG)
        c->pongs--;
    if (m->receipt)
        (written ? shard_receipt_written : shard_receipt_lost)(c, m);
    if (written && is_data(m))
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

static void drop_expired(struct conn *c)
{
    size_t before = c->out.bytes;
    bool mortal;
    outq_drop_expired(&c->out, c->shard->loop->now, &mortal, on_left, c);
    c->mortal = mortal;
    shard_count_out(c->shard, (int64_t)c->out.bytes - (int64_t)before);
}

/* It can't get any message any more. */
static bool is_over(const struct conn *c)
{
    return c->state != CONN_OPEN || c->io.reaping;
}

/* What it missed comes as it has room: half of what may be queued, and never so much that it would be slow.
 */
static void ask_for_more(struct conn *c)
{
    const struct channel_config *config = c->config;
    size_t half = (config->out_limit < config->out_slow ? config->out_limit : config->out_slow) / 2;
    if (!c->asks || c->asked || is_over(c) || c->out.bytes >= half)
        return;
    c->asked = true;
    size_t room = half - c->out.bytes;
    shard_post(c->shard, (struct mail){.kind = MAIL_MORE,
                                       .number = c->client,
                                       .value = room < UINT32_MAX ? (uint32_t)room : UINT32_MAX});
}

void conn_flush(struct loop *loop, struct io *io)
{
    struct conn *c = conn_of(io);
    (void)loop;
    if (c->mortal)
        drop_expired(c);
    write_queue(c);
    if (io->reaping)
        return;
    push_owed_pong(c);
    ask_for_more(c);
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

static bool over_bounds(const struct conn *c, size_t more)
{
    return !outq_empty(&c->out) &&
           (c->out.bytes + more > c->config->out_limit || c->out.count >= c->config->out_messages);
}

/* The same message compressed, where the client takes that. A window of N bits is enough for a message of at
 * most 2^N bytes. */
static struct msg *compressed_for(const struct conn *c, struct msg *m)
{
    if (!c->deflate_bits || m->len < c->config->deflate_min ||
        (c->deflate_bits < DEFLATE_BITS_MAX && m->len > (size_t)1 << c->deflate_bits))
        return m;
    return msg_compressed(m, c->shard->ws, (int)c->config->deflate_level);
}

/* The form in which this client gets it; NULL when there is no memory. What is no data and no notice has one
 * form. */
static struct msg *form_for(const struct conn *c, struct msg *m)
{
    if (!is_data(m) && !m->notice)
        return m;
    struct msg *form = msg_form(m, c->shard->ws, (enum transport)c->transport);
    return form ? compressed_for(c, form) : NULL;
}

/* Everything that waits goes, and the client with it. */
static void close_slow(struct conn *c)
{
    size_t before = c->out.bytes;
    c->too_slow = true; /* for what now leaves the queue */
    outq_drop_unstarted(&c->out, on_left, c);
    shard_count_out(c->shard, (int64_t)c->out.bytes - (int64_t)before);
    stats_add(&c->shard->stats, STAT_slow_closed, 1);
    conn_fail(c, -ERR_SLOW);
}

/* Of a channel whose messages a cut takes out of a queue. */
struct loss {
    struct shared_name *channel;
    struct msg_id id; /* the newest that is lost */
    uint32_t place;   /* in what is left of the queue */
    UT_hash_handle hh;
};

struct cut {
    struct conn *conn;
    uint32_t kept; /* what is left before the message that goes */
    bool failed;   /* no memory */
    struct loss *losses;
    struct loss *last; /* that was noted */
};

/* A channel that was gone in between has another name of the same letters. */
static struct loss *find_loss(const struct cut *cut, const struct shared_name *channel)
{
    struct loss *loss;
    if (cut->last && cut->last->channel == channel)
        return cut->last;
    HASH_FIND(hh, cut->losses, channel->text, channel->len, loss);
    return loss;
}

static struct loss *add_loss(struct cut *cut, struct shared_name *channel)
{
    struct loss *loss = malloc(sizeof *loss);
    if (!loss)
        return NULL;
    loss->channel = shared_name_ref(channel);
    HASH_ADD_KEYPTR(hh, cut->losses, channel->text, channel->len, loss);
    return loss;
}

/* The channel's loss, which is its last one so far. */
static void note_loss(struct cut *cut, const struct msg *m)
{
    struct loss *loss = find_loss(cut, m->channel);
    if (!loss)
        loss = add_loss(cut, m->channel);
    cut->failed |= !loss;
    if (!loss)
        return;
    loss->id = m->id;
    loss->place = cut->kept;
    cut->last = loss;
}

static void on_cut(void *arg, const struct msg *m, bool written)
{
    struct cut *cut = arg;
    on_left(cut->conn, m, written);
    if (cut->conn->transport != TRANSPORT_RAW && m->id.gen && m->channel)
        note_loss(cut, m);
}

static int by_place(const struct loss *a, const struct loss *b)
{
    return a->place < b->place ? -1 : a->place > b->place;
}

static bool tell_loss(struct cut *cut, const struct loss *loss, struct insertion *out)
{
    struct msg *m = notice_reset(loss->channel, "slow", loss->id);
    struct msg *form = m ? form_for(cut->conn, m) : NULL;
    *out = (struct insertion){loss->place, form};
    if (form)
        msg_ref(form);
    msg_unref(m);
    return form != NULL;
}

/* Where a channel's messages are missing it is said: behind what was said before of that channel, and before
 * what is left of it. False when there is no memory. */
static bool tell_losses(struct cut *cut)
{
    struct conn *c = cut->conn;
    uint32_t count = 0;
    struct insertion *all = malloc((HASH_COUNT(cut->losses) + 1) * sizeof *all);
    bool told = all && !cut->failed;
    HASH_SORT(cut->losses, by_place);
    for (const struct loss *loss = cut->losses; loss && told; loss = loss->hh.next)
        told = tell_loss(cut, loss, &all[count++]);
    size_t before = c->out.bytes;
    told = told && outq_insert(&c->out, all, count) == 0;
    shard_count_out(c->shard, (int64_t)(c->out.bytes - before));
    while (count-- > 0)
        msg_unref(all[count].m);
    free(all);
    return told;
}

static void forget_losses(struct cut *cut)
{
    struct loss *loss;
    struct loss *next;
    HASH_ITER(hh, cut->losses, loss, next)
    {
        HASH_DEL(cut->losses, loss);
        shared_name_unref(loss->channel);
        free(loss);
    }
}

static bool cut_queue(struct conn *c, size_t bytes, size_t messages)
{
    size_t before = c->out.bytes;
    struct cut cut = {.conn = c};
    c->too_slow = true; /* for what now leaves the queue */
    stats_add(&c->shard->stats, STAT_slow_dropped,
              outq_drop_oldest(&c->out, bytes, messages, &cut.kept, on_cut, &cut));
    c->too_slow = false;
    c->slow_since = 0;
    shard_count_out(c->shard, (int64_t)c->out.bytes - (int64_t)before);
    bool told = tell_losses(&cut);
    forget_losses(&cut);
    return told;
}

void conn_is_slow(struct conn *c, size_t bytes, size_t messages)
{
    if (c->config->slow == SLOW_CLOSE || !cut_queue(c, bytes, messages) || over_bounds(c, 0))
        close_slow(c);
}

/* Whose queue stays this long is slow some time later. */
static void watch_slowness(struct conn *c)
{
    if (c->out.bytes <= c->config->out_slow || c->slow_since)
        return;
    c->slow_since = moment_of(c->shard->loop->now);
    conn_reckon(c);
}

static void lose(struct conn *c, const struct msg *m)
{
    if (m->receipt)
        shard_receipt_lost(c, m);
}

static bool has_expired(const struct conn *c, const struct msg *m)
{
    return m->expires && m->expires <= c->shard->loop->now;
}

/* Makes room by the bounds. False: it does not get the message. */
static bool make_room(struct conn *c, size_t len)
{
    if (over_bounds(c, len))
        write_queue(c);
    if (!c->io.reaping && over_bounds(c, len)) /* a quarter at a time, so that a message costs O(1) */
        conn_is_slow(c, c->config->out_limit / 4 * 3, c->config->out_messages / 4 * 3);
    return !is_over(c);
}

static void queue_form(struct conn *c, const struct msg *m, struct msg *form)
{
    conn_queue(c, form);
    c->mortal |= m->expires != 0;
    if (!m->notice)
        stats_add(&c->shard->stats, STAT_deliveries, 1);
    if (form->deflated)
        stats_add(&c->shard->stats, STAT_deliveries_compressed, 1);
    watch_slowness(c);
}

void conn_push(struct conn *c, struct msg *m)
{
    if (is_over(c) || has_expired(c, m)) {
        lose(c, m);
        return;
    }
    if (m->notice && c->transport == TRANSPORT_RAW)
        return;
    struct msg *form = form_for(c, m);
    if (!form)
        conn_drop(c, 1011);
    else if (make_room(c, msg_frame_len(form)))
        queue_form(c, m, form);
    else
        lose(c, m);
}

/* Without memory it ends: what it misses it would never hear of. */
static void replay_one(struct conn *c, struct msg *m)
{
    struct msg *form = form_for(c, m);
    if (form)
        queue_form(c, m, form);
    else
        conn_drop(c, 1011);
}

void conn_replay(struct conn *c, const struct replay *replay)
{
    for (size_t i = 0; i < replay->count && !is_over(c); i++)
        if (!has_expired(c, replay->msgs[i]))
            replay_one(c, replay->msgs[i]);
}

/* ---- batches ---- */

/* Whether the client gets what was gathered as it is, and now. */
static bool takes_at_once(const struct conn *c, struct batch *b, const struct run *run)
{
    return !is_over(c) && outq_empty(&c->out) &&
           (run->len || batch_make_run(b, c->shard->ws, (enum transport)c->transport)) &&
           (!c->deflate_bits || run->longest < c->config->deflate_min) && run->len <= c->config->out_limit &&
           b->count <= c->config->out_messages;
}

/* What follows the first `done` bytes of a batch waits in the queue. Returns how many messages are out. */
static uint32_t queue_rest(struct conn *c, const struct batch *b, size_t done)
{
    enum transport transport = (enum transport)c->transport;
    struct msg *form = NULL; /* made already: of which else would those bytes be? */
    uint32_t first = 0;
    for (; done; first++) {
        form = msg_form(b->msgs[first], c->shard->ws, transport);
        if (done < msg_frame_len(form))
            break;
        done -= msg_frame_len(form);
    }
    for (uint32_t i = first; i < b->count && !c->io.reaping; i++) {
        conn_queue(c, msg_form(b->msgs[i], c->shard->ws, transport));
        c->mortal |= b->msgs[i]->expires != 0;
    }
    if (!c->io.reaping) {
        outq_begin(&c->out, done);
        shard_count_out(c->shard, -(int64_t)done);
        watch_slowness(c);
    }
    return first;
}

void conn_push_batch(struct conn *c, struct batch *b)
{
    const struct run *run = &b->runs[c->transport];
    if (!takes_at_once(c, b, run)) {
        for (uint32_t i = 0; i < b->count; i++)
            conn_push(c, b->msgs[i]);
        return;
    }
    ssize_t n = send(c->io.fd, run->bytes, run->len, MSG_NOSIGNAL);
    size_t sent = n > 0 ? (size_t)n : 0;
    count_written(c, 1, sent);
    stats_add(&c->shard->stats, STAT_deliveries, b->count);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        drop_broken(c);
        return;
    }
    uint32_t out = sent == run->len ? b->count : queue_rest(c, b, sent);
    if (out)
        count_sent(c, out);
}

void conn_drop_queue(struct conn *c)
{
    shard_count_out(c->shard, -(int64_t)c->out.bytes);
    outq_fini(&c->out, on_left, c);
    shard_receipts_forget(c);
}
