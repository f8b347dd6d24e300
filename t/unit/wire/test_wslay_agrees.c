/* The same streams through our codec and through a plain wslay event context, an implementation of its own:
 * the same events, whole streams and damaged ones alike. */
#include "wire/websocket.h"

#include <check.h>
#include <wslay/wslay.h>

#include "base/error.h"
#include "frames.h"

enum { LIMIT = 30000 };

/* ---- wslay's side ---- */

struct other {
    wslay_event_context_ptr context;
    const uint8_t *in;
    size_t left;
    struct record record;
};

static ssize_t give(wslay_event_context_ptr context, uint8_t *to, size_t len, int flags, void *user)
{
    struct other *o = user;
    (void)flags;
    if (o->left == 0) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    len = len < o->left ? len : o->left;
    memcpy(to, o->in, len);
    o->in += len;
    o->left -= len;
    return (ssize_t)len;
}

static ssize_t swallow(wslay_event_context_ptr context, const uint8_t *bytes, size_t len, int flags,
                       void *user)
{
    (void)context;
    (void)bytes;
    (void)flags;
    (void)user;
    return (ssize_t)len;
}

static void take(wslay_event_context_ptr context, const struct wslay_event_on_msg_recv_arg *arg, void *user)
{
    struct other *o = user;
    (void)context;
    if (arg->opcode != WSLAY_CONNECTION_CLOSE)
        record_event(&o->record, arg->opcode, arg->msg, arg->msg_length);
}

static void run_other(struct other *o, const struct buf *stream)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = give, .send_callback = swallow, .on_msg_recv_callback = take};
    *o = (struct other){.in = stream->data, .left = stream->len};
    ck_assert_int_eq(wslay_event_context_server_init(&o->context, &callbacks, o), 0);
    wslay_event_config_set_max_recv_msg_length(o->context, LIMIT);
    while (o->left && wslay_event_want_read(o->context) && wslay_event_recv(o->context) == 0)
        wslay_event_send(o->context);
    wslay_event_context_free(o->context);
}

/* ---- ours ---- */

/* Closes are left out: wslay takes some that it should not, and refuses some that are registered by now. */
static int skip_close(void *arg, unsigned code, const uint8_t *reason, size_t len)
{
    (void)arg;
    (void)code;
    (void)reason;
    (void)len;
    return WEBSOCKET_STOP;
}

static int run_ours(struct record *r, const struct buf *stream)
{
    static const struct websocket_events events = {record_message, record_ping, record_pong, skip_close};
    struct websocket *ws = websocket_new();
    struct websocket_partial *partial = NULL;
    int result = 0;
    for (size_t at = 0, n; result == 0 && at < stream->len; at += n) {
        n = 1 + random_below(6000);
        n = n < stream->len - at ? n : stream->len - at;
        result = websocket_feed(ws, &partial, stream->data + at, n, &(struct websocket_rules){.limit = LIMIT},
                                &events, r);
    }
    websocket_partial_free(partial);
    websocket_free(ws);
    return result;
}

static int compare(const struct buf *stream, uint64_t seed)
{
    struct other o;
    struct record ours = {0};
    run_other(&o, stream);
    int result = run_ours(&ours, stream);
    ck_assert_msg(ours.count == o.record.count && same_bytes(&ours.events, &o.record.events),
                  "seed %llu: %u events, wslay %u (%s)", (unsigned long long)seed, ours.count, o.record.count,
                  error_text(result));
    buf_fini(&ours.events);
    buf_fini(&o.record.events);
    return result;
}

START_TEST(good_streams)
{
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct buf stream = {0};
        random_start(seed);
        add_random_stream(&stream, 1 + random_below(20), 6000);
        if (random_below(2))
            add_frame(&stream, FIN | WEBSOCKET_CLOSE, "\x03\xe8 bye", 6);
        int result = compare(&stream, seed);
        ck_assert(result == 0 || result == WEBSOCKET_STOP);
        buf_fini(&stream);
    }
}
END_TEST

START_TEST(damaged_streams)
{
    int refused = 0;
    for (uint64_t seed = 0; seed < 4000; seed++) {
        struct buf stream = {0};
        random_start(seed);
        add_random_stream(&stream, 1 + random_below(8), 300);
        for (size_t flips = 1 + random_below(3); flips; flips--)
            stream.data[random_below(stream.len)] ^= (uint8_t)(1 << random_below(8));
        refused += compare(&stream, seed) < 0;
        buf_fini(&stream);
    }
    ck_assert_int_gt(refused, 1000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wslay_agrees");
    TCase *tc = tcase_create("wslay_agrees");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, good_streams);
    tcase_add_test(tc, damaged_streams);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
