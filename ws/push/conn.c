#include "push/conn.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/tally.h"
#include "push/notice.h"
#include "push/shard.h"
#include "wire/deflate_offer.h"
#include "wire/sse.h"

/* A client is read in small pieces where a byte may become a thousand (RFC 7692), and not at all any more in
 * a turn that has made so much of what others sent: it comes first in a later one. A message of 64 KiB and
 * its header are one read. */
enum { READ_A_TURN = 64 * 1024 + 16, READ_COMPRESSED = 1024 };

/* Bytes that make little work. */
enum { LITTLE = 512 };

/* What it is to take a client that goes off one of its channels, at the hub too: as much as so many bytes
 * passed on. */
enum { LEAVING_WORK = 48 };

/* Bytes of messages on their way to the hub above which nobody is read who may add to them. */
enum { CARGO_MARK = 2 * 1024 * 1024 };

static void on_event(struct loop *loop, struct io *io, uint32_t events);
static void reap(struct loop *loop, struct io *io);
static bool may_resume(struct loop *loop, struct io *io);

static const struct io_ops conn_ops = {on_event, conn_flush, reap, may_resume};

struct conn *conn_of(struct io *io)
{
    return io && io->ops == &conn_ops ? LIST_ENTRY(io, struct conn, io) : NULL;
}

struct conn *conn_find(const struct shard *shard, struct conn_ref ref)
{
    return conn_of(loop_find(shard->loop, ref.fd, ref.gen));
}

struct conn_ref conn_ref(const struct conn *c)
{
    return (struct conn_ref){c->shard->index, c->io.fd, c->io.gen};
}

/* ---- the beginning ---- */

static void set_up_tcp(struct conn *c)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    int yes = 1;
    if (c->over_unix)
        return;
    setsockopt(c->io.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (getpeername(c->io.fd, (struct sockaddr *)&peer, &len) == 0)
        address_from(&c->address, (const struct sockaddr *)&peer);
}

void conn_adopt(struct shard *shard, int fd, bool over_unix)
{
    struct conn *c = calloc(1, sizeof *c);
    struct handshake *h = calloc(1, sizeof *h);
    if (!c || !h || loop_add(shard->loop, &c->io, fd, EPOLLIN, &conn_ops) < 0) {
        free(c);
        free(h);
        close(fd);
        atomic_fetch_sub(&shard->world->clients, 1);
        return;
    }
    tally_change(TALLY_unfinished, 0, sizeof *h);
    c->shard = shard;
    c->handshake = h;
    c->over_unix = over_unix;
    c->config = &shard->config->channel;
    c->channel = NO_CHANNEL;
    c->ping_ms = UINT32_MAX;
    c->heard = moment_of(shard->loop->now);
    c->since = clock_wall_ms();
    c->end_at = moment_of(shard->loop->now + shard->config->handshake_timeout);
    c->close_code = 1006;
    outq_init(&c->out);
    timer_init(&c->timer, conn_on_timer);
    set_up_tcp(c);
    conn_reckon(c);
}

/* ---- in ---- */

static void take_bytes(struct conn *c, uint8_t *bytes, size_t len)
{
    c->bytes_in += len;
    if (c->opened && c->transport == TRANSPORT_SSE)
        return; /* its request is all that it has to say */
    c->heard = moment_of(c->shard->loop->now);
    if (c->state <= CONN_REGISTERING)
        handshake_read(c, bytes, len);
    else if (c->state != CONN_ENDED)
        conn_take_frames(c, bytes, len);
}

/* An event stream has no other end than this. */
static unsigned code_of_eof(const struct conn *c, bool parted)
{
    bool stream = c->opened && c->transport == TRANSPORT_SSE;
    return parted ? c->close_code : stream ? 1001 : 1006;
}

/* The peer says no more. Whoever has shaken hands, or was told why it ends, may still read. */
static void on_eof(struct conn *c)
{
    bool parted = c->close_received || c->state == CONN_ENDED;
    if (!parted || c->eof || outq_empty(&c->out)) {
        conn_drop(c, code_of_eof(c, parted));
        return;
    }
    c->eof = true;
    loop_want_flush(c->shard->loop, &c->io);
}

/* The rules by which it speaks, 1 << INBOUND_... A client of wspush.v1 may speak to any channel. */
static unsigned rules_of(const struct conn *c)
{
    return c->transport == TRANSPORT_V1 && c->more ? c->more->heard : 1u << c->config->inbound;
}

/* What it said was taken. */
static void forget_rules(struct conn *c)
{
    if (c->more)
        c->more->heard = 0;
}

/* Whether the hub has yet to take what was said for inboxes. It soon will: for so long nobody is read whose
 * words go there, not even pongs. */
static bool hub_is_laden(const struct conn *c)
{
    return rules_of(c) & 1u << INBOUND_INBOX &&
           atomic_load_explicit(&c->shard->world->hub_mail->cargo, memory_order_relaxed) > CARGO_MARK;
}

/* Whether what the client says would pile up: echoed, in its own queue; published, in those of others; for
 * the inbox, on its way to the hub. */
static bool would_pile_up(const struct conn *c)
{
    struct world *world = c->shard->world;
    unsigned rules = rules_of(c);
    if (rules & 1u << INBOUND_ECHO && c->out.bytes > c->config->out_slow / 2)
        return true;
    if (rules & 1u << INBOUND_PUBLISH && atomic_load_explicit(&world->congested, memory_order_relaxed))
        return true;
    return rules & 1u << INBOUND_INBOX && (world_hub_is_behind(world) || hub_is_laden(c));
}

static bool may_resume(struct loop *loop, struct io *io)
{
    struct conn *c = conn_of(io);
    (void)loop;
    if (c->state == CONN_OPEN && would_pile_up(c))
        return false;
    c->unread_since = 0;
    forget_rules(c);
    conn_stood_still(c);
    return true;
}

static void hold_back(struct conn *c)
{
    struct loop *loop = c->shard->loop;
    if (!c->unread_since)
        c->unread_since = moment_of(loop->now);
    loop_pause(loop, &c->io);
    conn_reckon(c);
}

/* Only who sends messages is held back; pongs and the like are always read. */
static void pause_if_needed(struct conn *c, bool has_spoken)
{
    if (c->state == CONN_OPEN && has_spoken && would_pile_up(c))
        hold_back(c);
    else if (!c->unread_since)
        forget_rules(c);
}

/* How much of what has come belongs to the request. The rest stays where it is until the client is let in. */
static size_t of_request(const struct conn *c, const uint8_t *bytes, size_t len)
{
    struct buf *request = &c->handshake->bytes;
    size_t before = request->len;
    size_t scanned = c->handshake->scanned;
    buf_add(request, bytes, len);
    if (buf_failed(request))
        return len;
    size_t head = http_head_length(request->data, request->len, &scanned);
    request->len = before;
    return head ? head - before : len;
}

static ssize_t receive(struct conn *c, uint8_t *to)
{
    if (c->state != CONN_HANDSHAKE) {
        size_t most = conn_may_read(c, c->deflate_bits ? READ_COMPRESSED : READ_A_TURN);
        ssize_t got = recv(c->io.fd, to, most, 0);
        if (got < (ssize_t)most)
            conn_read_up(c);
        return got;
    }
    ssize_t n = recv(c->io.fd, to, READ_A_TURN, MSG_PEEK);
    return n > 0 ? recv(c->io.fd, to, of_request(c, to, (size_t)n), 0) : n;
}

void conn_read(struct conn *c)
{
    struct loop *loop = c->shard->loop;
    uint64_t messages = c->msgs_in;
    ssize_t n = receive(c, loop->scratch);
    if (n == 0) {
        on_eof(c);
    } else if (n > 0) {
        take_bytes(c, loop->scratch, (size_t)n);
    } else if (errno != EAGAIN && errno != EINTR) {
        conn_drop(c, 1006);
    }
    pause_if_needed(c, c->msgs_in != messages);
}

/* Whether a few bytes wait to be read, and not the end. */
static bool says_little(const struct loop *loop, int fd)
{
    ssize_t n = recv(fd, loop->scratch, LITTLE + 1, MSG_PEEK);
    return n > 0 && n <= LITTLE;
}

/* In a turn that is full, who says little need not wait behind those who say much. */
static bool is_heard(const struct loop *loop, int fd)
{
    return loop->worked < LOOP_WORK_A_TURN || (loop->worked < LOOP_WORK_AT_MOST && says_little(loop, fd));
}

static void on_event(struct loop *loop, struct io *io, uint32_t events)
{
    struct conn *c = conn_of(io);
    if (events & EPOLLOUT)
        loop_want_flush(loop, io);
    if (c->state == CONN_REGISTERING) {
        if (events & (EPOLLERR | EPOLLHUP))
            conn_drop(c, 1006);
    } else if (events & (EPOLLIN | EPOLLERR | EPOLLHUP) && is_heard(loop, io->fd)) {
        if (c->state == CONN_OPEN && hub_is_laden(c))
            hold_back(c);
        else
            conn_read(c); /* an end comes behind the last bytes, those of a paused connection too */
    }
}

/* ---- the end ---- */

void conn_leave(struct conn *c)
{
    if (!c->client || c->left)
        return;
    c->left = true;
    shard_unsubscribe_all(c->shard, c);
    shard_post(c->shard, (struct mail){.kind = MAIL_GONE, .number = c->client, .value = c->close_code});
}

/* Whether who was closed with it is not to come back (docs/CLIENT.md). */
static bool is_final(unsigned code)
{
    return code == 1000 || code == 1002 || code == 1003 || (code >= 1007 && code <= 1010) ||
           (code >= 3500 && code <= 3999) || code >= 4500;
}

/* The close frame's reason. */
static void copy_reason(const struct msg *close_frame, char out[WEBSOCKET_CONTROL_MAX + 1])
{
    size_t len = close_frame->len > 2 ? close_frame->len - 2 : 0;
    memcpy(out, close_frame->payload + close_frame->len - len, len);
    out[len] = '\0';
}

/* What a stream says when it is closed for good: why, for scripts, and what the browser is to come back with.
 */
static void say_closed(struct conn *c, unsigned code, const struct msg *close_frame)
{
    char reason[WEBSOCKET_CONTROL_MAX + 1];
    struct buf text = {0};
    copy_reason(close_frame, reason);
    struct msg *why = notice_close(code, reason);
    if (why)
        conn_push(c, why);
    msg_unref(why);
    sse_add_end(&text);
    conn_push_control(c, buf_failed(&text) ? NULL : msg_new_raw(text.data, text.len));
    buf_fini(&text);
}

/* An event stream ends where the connection does. */
static void end_stream(struct conn *c, unsigned code, const struct msg *close_frame)
{
    c->close_code = (uint16_t)code;
    c->close_received = true; /* there is no handshake to wait for */
    if (is_final(code))
        say_closed(c, code, close_frame);
    conn_end(c);
}

void conn_close(struct conn *c, unsigned code, struct msg *close_frame)
{
    if (c->state != CONN_OPEN || c->io.reaping)
        return;
    batch_catch_up(c);
    if (c->state != CONN_OPEN || c->io.reaping) /* that was too much for it */
        return;
    if (c->transport == TRANSPORT_SSE) {
        end_stream(c, code, close_frame);
        return;
    }
    c->state = CONN_CLOSING;
    c->close_code = (uint16_t)code;
    c->end_at = moment_of(c->shard->loop->now + c->config->close_timeout);
    conn_queue(c, close_frame);
    conn_reckon(c);
}

void conn_close_with(struct conn *c, unsigned code, const char *reason)
{
    struct msg *m = msg_new_close(c->shard->ws, code, reason);
    if (m)
        conn_close(c, code, m);
    else
        conn_drop(c, 1011);
    msg_unref(m);
}

const struct shared_name *conn_channel_name(const struct conn *c)
{
    if (c->more && c->more->own)
        return c->more->own;
    return c->channel == NO_CHANNEL ? NULL : c->shard->channels[c->channel].name;
}

/* Networks that went away are nothing to look at; the rest may be. */
static void log_end(const struct conn *c, int error)
{
    char address[ADDRESS_TEXT_MAX];
    const struct shared_name *name = conn_channel_name(c);
    (error == -ERR_PONG_TIMEOUT ? log_debug : log_peer)(
        "closed c%" PRIu64 " with %d: %s (address %s, channel %.*s)", c->client, error_close_code(error),
        error_text(error), address_text(&c->address, address), name ? (int)name->len : 1,
        name ? name->text : "-");
}

void conn_fail(struct conn *c, int error)
{
    if (c->state == CONN_OPEN && !c->io.reaping)
        log_end(c, error);
    conn_close_with(c, (unsigned)error_close_code(error), error_text(error));
    conn_end(c);
}

void conn_end(struct conn *c)
{
    if (c->state == CONN_ENDED || c->io.reaping)
        return;
    c->state = CONN_ENDED;
    c->end_at = moment_of(c->shard->loop->now + c->config->close_timeout);
    loop_want_flush(c->shard->loop, &c->io);
    conn_reckon(c);
}

void conn_drop(struct conn *c, unsigned code)
{
    if (c->more && !c->io.reaping)
        c->shard->loop->worked += c->more->count * (size_t)LEAVING_WORK;
    c->close_code = (uint16_t)code;
    loop_want_reap(c->shard->loop, &c->io);
}

static void reap(struct loop *loop, struct io *io)
{
    struct conn *c = conn_of(io);
    struct shard *shard = c->shard;
    conn_drop_queue(c);
    conn_leave(c);
    if (c->opened) {
        stats_add(&shard->stats, STAT_closed_total, 1);
        stats_add(&shard->stats, STAT_closed_abnormally, c->close_code == 1006);
        tally_change(TALLY_unfinished, websocket_partial_size(c->partial), 0);
        websocket_partial_free(c->partial);
    } else {
        handshake_free(c->handshake);
    }
    msg_unref(c->owed_pong);
    conn_drop_more(c);
    if (c->counted)
        addresses_leave(shard->world->addresses, &c->address);
    if (c->seated)
        atomic_fetch_sub(&shard->world->seated, 1);
    timer_clear(&c->timer);
    loop_remove(loop, io);
    close(io->fd);
    atomic_fetch_sub(&shard->world->clients, 1);
    free(c);
}

/* ---- WS.LIST ---- */

/* The names of the channels that it is on, its own first. */
static void fill_channels(const struct conn *c, struct client_row *row)
{
    uint32_t own = c->channel != NO_CHANNEL;
    uint32_t others = c->more ? c->more->count : 0;
    row->channels = malloc((own + others + 1) * sizeof(struct shared_name *));
    if (!row->channels)
        return;
    if (own)
        row->channels[row->channel_count++] = shared_name_ref(c->shard->channels[c->channel].name);
    for (uint32_t i = 0; i < others; i++) {
        const struct shard_channel *ch = &c->shard->channels[c->more->subscriptions[i].channel];
        row->channels[row->channel_count++] = shared_name_ref(ch->name);
    }
}

void conn_fill_row(const struct conn *c, struct client_row *row)
{
    *row = (struct client_row){.client = c->client,
                               .transport = (enum transport)c->transport,
                               .since = c->since,
                               .msgs_out = c->msgs_out,
                               .msgs_in = c->msgs_in,
                               .bytes_out = c->bytes_out,
                               .bytes_in = c->bytes_in,
                               .queued = c->out.bytes,
                               .ping = c->ping_ms};
    address_text(&c->address, row->address);
    fill_channels(c, row);
}
