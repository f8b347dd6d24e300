/*
 * What a client's frames mean: messages go the way of their channel's `inbound` rule, pings are answered, the
 * closing handshake is taken part in.
 */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/tally.h"
#include "push/conn.h"
#include "push/shard.h"

/* Pings may be answered one by one, or only the newest (RFC 6455 section 5.5.3); so many unwritten answers
 * are kept. */
enum { PONGS_MAX = 16 };

/* ---- messages ---- */

static void echo(struct conn *c, struct msg *m)
{
    conn_push(c, m);
    msg_unref(m);
}

void conn_send_to_hub(struct conn *c, struct msg *take_m)
{
    atomic_fetch_add_explicit(&c->shard->world->mail_bytes, take_m->len, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->shard->world->hub_mail->cargo, take_m->len, memory_order_relaxed);
    shard_post(c->shard, (struct mail){.kind = MAIL_INBOUND, .number = c->client, .ptr = take_m});
}

static int on_message(void *arg, enum websocket_opcode opcode, const uint8_t *payload, size_t len)
{
    struct conn *c = arg;
    if (c->state != CONN_OPEN)
        return c->io.reaping ? WEBSOCKET_STOP : 0;
    c->msgs_in++;
    c->spoken = moment_of(c->shard->loop->now);
    c->shard->loop->worked += len;
    stats_add(&c->shard->stats, STAT_messages_in, 1);
    stats_add(&c->shard->stats, STAT_bytes_in, len);
    if (c->transport == TRANSPORT_V1)
        return opcode == WEBSOCKET_TEXT ? conn_take_request(c, payload, len) : conn_take_request(c, NULL, 0);
    if (c->config->inbound == INBOUND_OFF)
        return -ERR_INBOUND_OFF;
    struct msg *m = msg_new(c->shard->ws, opcode, payload, len);
    if (!m)
        return -ERR_MEMORY;
    if (c->config->inbound == INBOUND_ECHO)
        echo(c, m);
    else
        conn_send_to_hub(c, m);
    return 0;
}

/* ---- control frames ---- */

static int on_ping(void *arg, const uint8_t *payload, size_t len)
{
    struct conn *c = arg;
    if (c->state != CONN_OPEN)
        return 0;
    struct msg *pong = msg_new(c->shard->ws, WEBSOCKET_PONG, payload, len);
    if (!pong)
        return -ERR_MEMORY;
    if (c->pongs < PONGS_MAX && !c->owed_pong) {
        c->pongs++;
        conn_push_control(c, pong);
    } else {
        msg_unref(c->owed_pong);
        c->owed_pong = pong;
    }
    return 0;
}

static int on_pong(void *arg, const uint8_t *payload, size_t len)
{
    struct conn *c = arg;
    if (c->awaits)
        shard_receipt_ponged(c, msg_pong_number(payload, len));
    if (c->pinged)
        c->ping_ms = (uint32_t)(c->shard->loop->now - moment_ms(c->pinged, c->shard->loop->now));
    return 0;
}

/* A close frame that says what the peer's said. */
static struct msg *close_echo(struct conn *c, unsigned code, const uint8_t *reason, size_t len)
{
    uint8_t payload[WEBSOCKET_CONTROL_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};
    if (code == 1005)
        return msg_new(c->shard->ws, WEBSOCKET_CLOSE, NULL, 0);
    if (len)
        memcpy(payload + 2, reason, len);
    return msg_new(c->shard->ws, WEBSOCKET_CLOSE, payload, len + 2);
}

/* A close frame is answered with its like (RFC 6455 section 5.5.1); after that nothing more is said or heard.
 */
static int on_close(void *arg, unsigned code, const uint8_t *reason, size_t len)
{
    struct conn *c = arg;
    c->close_received = true;
    if (c->state == CONN_OPEN) {
        struct msg *echoed = close_echo(c, code, reason, len);
        if (echoed)
            conn_close(c, code, echoed);
        msg_unref(echoed);
    }
    conn_end(c);
    return WEBSOCKET_STOP;
}

/* ---- the stream ---- */

/* When the unfinished message began, so that it can't stay unfinished for ever. */
static void watch_partial(struct conn *c)
{
    if (!c->partial) {
        c->partial_since = 0;
    } else if (!c->partial_since) {
        c->partial_since = moment_of(c->shard->loop->now);
        conn_reckon(c);
    }
}

void conn_take_frames(struct conn *c, uint8_t *bytes, size_t len)
{
    static const struct websocket_events events = {on_message, on_ping, on_pong, on_close};
    size_t before = websocket_partial_size(c->partial);
    uint64_t messages = c->msgs_in;
    uint64_t frames = websocket_frames_taken(c->shard->ws);
    struct websocket_rules rules = {.limit = c->config->message_limit, .deflate = c->deflate_bits};
    int r = websocket_feed(c->shard->ws, &c->partial, bytes, len, &rules, &events, c);
    tally_change(TALLY_unfinished, before, websocket_partial_size(c->partial));
    if (c->pinged) {
        c->pinged = 0;
        conn_reckon(c); /* the next ping may be due before the pong was */
    }
    if (r < 0 && r != WEBSOCKET_STOP) {
        stats_add(&c->shard->stats, r == -ERR_MEMORY ? STAT_no_memory : STAT_protocol_errors, 1);
        c->shard->loop->worked += c->deflate_bits ? c->config->message_limit : 0; /* it was expanded so far */
        conn_fail(c, r);
    }
    if (c->msgs_in != messages)
        c->partial_since = 0;
    watch_partial(c);
    conn_has_said(c, websocket_frames_taken(c->shard->ws) - frames, len);
}
