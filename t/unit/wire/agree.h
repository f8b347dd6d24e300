/*
 * A client's stream through our codec and through a plain wslay event context, an implementation of its own:
 * the same events and the same verdict, but for the rules of sides_agree(), which stand here and nowhere
 * else. wslay tells of some faults later than we do, and of a close frame's text earlier; so whichever side
 * is undecided at the stream's end gets zeros to read on.
 *
 * wslay passes over the first two bytes of each run of a close frame's payload. It reads in runs of 4096
 * bytes, so a longer stream should have no close frame with a reason that is not UTF-8.
 */
#ifndef WSPUSH_T_AGREE_H
#define WSPUSH_T_AGREE_H

#include <wslay/wslay.h>

#include "base/error.h"
#include "frames.h"

/* What one of them made of the stream. */
struct side {
    struct record record;  /* messages, pings and pongs */
    struct record closing; /* the client's close frame: its code and reason */
    int fault;             /* ours: the violation, an error */
    unsigned refused;      /* the close code for the violation; 0: there was none */
};

static inline void side_fini(struct side *s)
{
    buf_fini(&s->record.events);
    buf_fini(&s->closing.events);
}

static inline bool side_decided(const struct side *s)
{
    return s->refused || s->closing.count;
}

static inline void side_close(struct side *s, unsigned code, const uint8_t *reason, size_t len)
{
    record_event(&s->closing, WEBSOCKET_CLOSE, reason, len);
    s->closing.close_code = code;
}

/* ---- ours ---- */

struct ours {
    struct side side;
    struct websocket *codec;
    struct websocket_partial *partial;
    struct websocket_rules rules;
};

static inline int ours_message(void *arg, enum websocket_opcode opcode, const uint8_t *payload, size_t len)
{
    return record_message(&((struct ours *)arg)->side.record, opcode, payload, len);
}

static inline int ours_ping(void *arg, const uint8_t *payload, size_t len)
{
    return record_ping(&((struct ours *)arg)->side.record, payload, len);
}

static inline int ours_pong(void *arg, const uint8_t *payload, size_t len)
{
    return record_pong(&((struct ours *)arg)->side.record, payload, len);
}

static inline int ours_close(void *arg, unsigned code, const uint8_t *reason, size_t len)
{
    side_close(&((struct ours *)arg)->side, code, reason, len);
    return WEBSOCKET_STOP;
}

/* The bytes are spoilt. */
static inline void ours_read(struct ours *o, uint8_t *bytes, size_t len)
{
    static const struct websocket_events events = {ours_message, ours_ping, ours_pong, ours_close};
    if (side_decided(&o->side))
        return;
    int result = websocket_feed(o->codec, &o->partial, bytes, len, &o->rules, &events, o);
    if (result < 0 && result != WEBSOCKET_STOP) {
        o->side.fault = -result;
        o->side.refused = (unsigned)error_close_code(result);
    }
}

static inline void ours_fini(struct ours *o)
{
    websocket_partial_free(o->partial);
    side_fini(&o->side);
}

/* ---- wslay's ---- */

struct theirs {
    struct side side;
    wslay_event_context_ptr context;
    const uint8_t *in;
    size_t left;
};

static inline ssize_t theirs_give(wslay_event_context_ptr context, uint8_t *to, size_t len, int flags,
                                  void *user)
{
    struct theirs *t = user;
    (void)flags;
    if (t->left == 0) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    len = len < t->left ? len : t->left;
    memcpy(to, t->in, len);
    t->in += len;
    t->left -= len;
    return (ssize_t)len;
}

static inline ssize_t theirs_swallow(wslay_event_context_ptr context, const uint8_t *bytes, size_t len,
                                     int flags, void *user)
{
    (void)context;
    (void)bytes;
    (void)flags;
    (void)user;
    return (ssize_t)len;
}

static inline void theirs_take(wslay_event_context_ptr context, const struct wslay_event_on_msg_recv_arg *arg,
                               void *user)
{
    struct theirs *t = user;
    (void)context;
    if (arg->opcode != WSLAY_CONNECTION_CLOSE)
        record_event(&t->side.record, arg->opcode, arg->msg, arg->msg_length);
    else if (arg->msg_length < 2)
        side_close(&t->side, 1005, NULL, 0);
    else
        side_close(&t->side, arg->status_code, arg->msg + 2, arg->msg_length - 2);
}

static inline void theirs_init(struct theirs *t, uint64_t limit)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = theirs_give, .send_callback = theirs_swallow, .on_msg_recv_callback = theirs_take};
    *t = (struct theirs){0};
    if (wslay_event_context_server_init(&t->context, &callbacks, t) != 0)
        abort();
    wslay_event_config_set_max_recv_msg_length(t->context, limit);
}

static inline void theirs_read(struct theirs *t, const void *bytes, size_t len)
{
    t->in = bytes;
    t->left = len;
    while (t->left && wslay_event_want_read(t->context) && wslay_event_recv(t->context) == 0)
        wslay_event_send(t->context);
    wslay_event_send(t->context);
    if (t->side.closing.count || !wslay_event_get_close_sent(t->context))
        return;
    /* what its frame layer refuses gets a close frame without a code */
    unsigned code = wslay_event_get_status_code_sent(t->context);
    t->side.refused = code == WSLAY_CODE_NO_STATUS_RCVD ? 1002 : code;
}

static inline void theirs_fini(struct theirs *t)
{
    wslay_event_context_free(t->context);
    side_fini(&t->side);
}

/* ---- do they agree? ---- */

static inline void sides_decide(struct ours *o, struct theirs *t)
{
    uint8_t zeros[WEBSOCKET_CONTROL_MAX] = {0};
    if (side_decided(&o->side) && !side_decided(&t->side))
        theirs_read(t, zeros, sizeof zeros);
    else if (side_decided(&t->side))
        ours_read(o, zeros, sizeof zeros);
}

static inline bool same_records(const struct record *a, const struct record *b)
{
    return a->count == b->count && a->close_code == b->close_code && same_bytes(&a->events, &b->events);
}

static inline bool begins_with(const struct buf *all, const struct buf *start)
{
    return start->len <= all->len && (start->len == 0 || memcmp(all->data, start->data, start->len) == 0);
}

static inline bool sides_agree(const struct side *ours, const struct side *theirs)
{
    /* wslay has no such limit */
    if (ours->fault == ERR_EMPTY_FRAGMENTS)
        return begins_with(&theirs->record.events, &ours->record.events);
    if (!same_records(&ours->record, &theirs->record))
        return false;
    /* RFC 6455 section 5.5.1: a code has two bytes; wslay takes one byte for none */
    if (ours->fault == ERR_CLOSE_LENGTH)
        return theirs->closing.close_code == 1005;
    /* where code and reason are bad we tell of the code */
    if (ours->fault == ERR_CLOSE_CODE)
        return theirs->refused == 1002 || theirs->refused == 1007;
    /* registered since wslay was written */
    if (ours->closing.close_code >= 1012 && ours->closing.close_code <= 1014)
        return theirs->refused == 1002;
    return ours->refused == theirs->refused && same_records(&ours->closing, &theirs->closing);
}

#endif
