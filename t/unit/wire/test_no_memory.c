/*
 * No memory, at each place where some is taken: one connection, one message fails and says so, nothing is
 * lost, and the thread's codec serves the next one.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../heap.h"
#include "peer.h"
#include "wire/http.h"
#include "wire/resp.h"

enum { PLACES_MAX = 1000 };

/* A codec that has no memory of its own yet: the first use takes it. */
static void fresh_codec(void)
{
    free_codec();
    make_codec();
}

static void make_text(char *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (char)('a' + (i * i >> 3) % 26);
}

/* ---- in ---- */

enum { TEXT = 40000 };

static void add_compressed(struct buf *to, const char *text, size_t len)
{
    struct buf packed = {0};
    websocket_compress(ws, 6, text, len, &packed);
    add_frame(to, FIN | 0x40 | WEBSOCKET_TEXT, packed.data, packed.len);
    buf_fini(&packed);
}

/* Two fragments with a ping between them, then the same compressed. */
static void make_stream(struct buf *to)
{
    static char text[TEXT];
    make_text(text, TEXT);
    add_frame(to, WEBSOCKET_TEXT, text, TEXT / 2);
    add_frame(to, FIN | WEBSOCKET_PING, "p", 1);
    add_frame(to, FIN | WEBSOCKET_CONTINUATION, text + TEXT / 2, TEXT / 2);
    add_compressed(to, text, TEXT);
}

/* In pieces, so that frames are begun and kept. */
static int feed_pieces(struct peer *p, const struct buf *bytes)
{
    const struct websocket_rules rules = {.limit = LIMIT, .deflate = true};
    int r = 0;
    for (size_t at = 0; r == 0 && at < bytes->len; at += 3001) {
        size_t n = bytes->len - at < 3001 ? bytes->len - at : 3001;
        r = feed_by(p, bytes->data + at, n, &rules);
    }
    return r;
}

START_TEST(a_stream)
{
    struct buf stream = {0};
    long place = 1;
    make_stream(&stream);
    for (;; place++) {
        struct peer p = {0};
        fresh_codec();
        size_t before = heap_in_use();
        if (!heap_refuse_the(place))
            break;
        buf_reserve(&p.record.events, 0);
        int r = feed_pieces(&p, &stream);
        bool refused = heap_has_refused();
        heap_refuse_the(0);
        ck_assert_msg(r == 0 || r == -ERR_MEMORY, "place %ld: %d", place, r);
        ck_assert(r == 0 || refused);
        websocket_partial_free(p.partial);
        buf_fini(&p.record.events);

        struct peer next = {0};
        ck_assert_int_eq(feed_pieces(&next, &stream), 0);
        ck_assert_uint_eq(next.record.count, 3);
        ck_assert_ptr_null(next.partial);
        buf_fini(&next.record.events);
        fresh_codec();
        ck_assert_uint_eq(heap_in_use(), before);
        if (!refused)
            break;
        ck_assert_int_lt(place, PLACES_MAX);
    }
    ck_assert_int_ge(place, heap_refuse_the(0) ? 8 : 1);
    buf_fini(&stream);
}
END_TEST

/* ---- out ---- */

START_TEST(a_compressed_message)
{
    static char text[TEXT];
    make_text(text, TEXT);
    for (long place = 1;; place++) {
        struct buf out = {0};
        fresh_codec();
        if (!heap_refuse_the(place))
            break;
        websocket_compress(ws, 1, text, TEXT, &out);
        bool refused = heap_has_refused();
        heap_refuse_the(0);
        ck_assert(buf_failed(&out) == refused);
        buf_fini(&out);
        websocket_compress(ws, 1, text, TEXT, &out);
        ck_assert(!buf_failed(&out) && out.len > 0 && out.len < TEXT);
        buf_fini(&out);
        if (!refused)
            break;
        ck_assert_int_lt(place, PLACES_MAX);
    }
}
END_TEST

/* ---- requests and answers ---- */

START_TEST(a_request)
{
    static const char line[] = "PUBLISH \"a channel\" 'and its \\'message\\''\r\n";
    for (long place = 1;; place++) {
        struct resp_parser parser = {0};
        struct resp_request request;
        const char *fault = NULL;
        size_t taken;
        if (!heap_refuse_the(place))
            break;
        enum resp_result r =
            resp_parse(&parser, (const uint8_t *)line, sizeof line - 1, LIMIT, &taken, &request, &fault);
        bool refused = heap_has_refused();
        heap_refuse_the(0);
        ck_assert(r == RESP_REQUEST ? request.argc == 3 : refused && r == RESP_TOO_BIG);
        resp_parser_fini(&parser);
        if (!refused)
            break;
        ck_assert_int_lt(place, PLACES_MAX);
    }
}
END_TEST

START_TEST(an_answer)
{
    static const char head[] =
        "GET /test/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct http_request request;
    ck_assert_int_eq(http_parse_request(head, sizeof head - 1, &request), 0);
    for (long place = 1;; place++) {
        struct buf answer = {0};
        struct buf refusal = {0};
        if (!heap_refuse_the(place))
            break;
        http_add_switching(&answer, &request);
        http_add_error(&refusal, -ERR_ORIGIN, NULL);
        bool refused = heap_has_refused();
        heap_refuse_the(0);
        ck_assert((buf_failed(&answer) || buf_failed(&refusal)) == refused);
        buf_fini(&answer);
        buf_fini(&refusal);
        if (!refused)
            break;
        ck_assert_int_lt(place, PLACES_MAX);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire/no_memory");
    TCase *tc = tcase_create("no memory");
    tcase_add_checked_fixture(tc, make_codec, free_codec);
    tcase_add_test(tc, a_stream);
    tcase_add_test(tc, a_compressed_message);
    tcase_add_test(tc, a_request);
    tcase_add_test(tc, an_answer);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
