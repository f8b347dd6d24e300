/*
 * Frames in and out (RFC 6455 sections 5, 7.4 and 8.1): messages of every size in every piece, text that is
 * checked as it comes, close frames. test_websocket_bounds.c has what is refused for its header or its size.
 */
#include "wire/websocket.h"

#include "peer.h"

/* ---- out, and back in ---- */

static const size_t sizes[] = {0,    1,    2,     3,     4,     124,   125,   126,    127,
                               128,  511,  512,   513,   4086,  4087,  4088,  4089,   4095,
                               4096, 4097, 65534, 65535, 65536, 65537, 65538, 1 << 20};

START_TEST(headers_out)
{
    static const struct {
        enum websocket_opcode opcode;
        uint64_t len;
        const char *bytes;
        size_t size;
    } rows[] = {
        {WEBSOCKET_TEXT, 0, "\x81\x00", 2},
        {WEBSOCKET_TEXT, 125, "\x81\x7d", 2},
        {WEBSOCKET_BINARY, 126, "\x82\x7e\x00\x7e", 4},
        {WEBSOCKET_BINARY, 65535, "\x82\x7e\xff\xff", 4},
        {WEBSOCKET_TEXT, 65536, "\x81\x7f\0\0\0\0\0\1\0\0", 10},
        {WEBSOCKET_TEXT, UINT64_C(0x123456789), "\x81\x7f\0\0\0\1\x23\x45\x67\x89", 10},
        {WEBSOCKET_CLOSE, 2, "\x88\x02", 2},
        {WEBSOCKET_PING, 125, "\x89\x7d", 2},
        {WEBSOCKET_PONG, 0, "\x8a\x00", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t out[WEBSOCKET_HEADER_MAX];
        ck_assert_uint_eq(websocket_header(ws, rows[i].opcode, false, rows[i].len, out), rows[i].size);
        ck_assert_mem_eq(out, rows[i].bytes, rows[i].size);
    }
    check_codec();
}
END_TEST

/* Our own header with a mask put in. */
static void add_our_frame(struct buf *to, enum websocket_opcode opcode, const uint8_t *payload, size_t len)
{
    uint8_t header[WEBSOCKET_HEADER_MAX];
    size_t n = websocket_header(ws, opcode, false, len, header);
    header[1] |= MASKED;
    buf_add(to, header, n);
    buf_add(to, "\x12\x34\xab\xcd", 4);
    add_payload(to, payload, len);
}

/* A text and a binary message of each size go in by `feed_all`, and come out as they were. */
static void round_trip(size_t most, int (*feed_all)(struct peer *p, const struct buf *stream))
{
    uint8_t *payload = malloc(LIMIT);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && sizes[i] <= most; i++) {
        struct buf stream = {0};
        struct peer p = {0};
        size_t len = sizes[i];
        fill_text(payload, len);
        add_our_frame(&stream, WEBSOCKET_TEXT, payload, len);
        add_our_frame(&stream, WEBSOCKET_BINARY, payload, len);
        ck_assert_int_eq(feed_all(&p, &stream), 0);
        const struct buf *events = &p.record.events;
        ck_assert_uint_eq(p.record.count, 2);
        ck_assert_uint_eq(events->len, 2 * (9 + len));
        ck_assert_uint_eq(events->data[0], WEBSOCKET_TEXT);
        ck_assert_uint_eq(events->data[9 + len], WEBSOCKET_BINARY);
        ck_assert(len == 0 || memcmp(events->data + 9, payload, len) == 0);
        ck_assert(len == 0 || memcmp(events->data + 18 + len, payload, len) == 0);
        ck_assert_ptr_null(p.partial);
        buf_fini(&stream);
        peer_fini(&p);
    }
    free(payload);
}

START_TEST(messages_of_every_size)
{
    round_trip(LIMIT, feed_whole);
}
END_TEST

START_TEST(messages_of_every_size_byte_by_byte)
{
    round_trip(65538, feed_slowly);
}
END_TEST

/* ---- pieces ---- */

START_TEST(any_pieces_give_the_same_events)
{
    for (int round = 0; round < 150; round++) {
        struct buf stream = {0};
        struct peer whole = {0};
        struct peer pieces = {0};
        random_start((uint64_t)round);
        add_random_stream(&stream, 1 + random_below(12), 20000);
        ck_assert_int_eq(feed(&whole, stream.data, stream.len), 0);
        ck_assert_ptr_null(whole.partial);
        size_t most = (size_t[]){1, 7, 100, 5000, 70000}[random_below(5)];
        int r = 0;
        for (size_t at = 0, n; r == 0 && at < stream.len; at += n) {
            n = 1 + random_below(most);
            n = n < stream.len - at ? n : stream.len - at;
            r = feed(&pieces, stream.data + at, n);
        }
        ck_assert_int_eq(r, 0);
        ck_assert_ptr_null(pieces.partial);
        ck_assert_msg(same_bytes(&whole.record.events, &pieces.record.events), "round %d", round);
        buf_fini(&stream);
        peer_fini(&whole);
        peer_fini(&pieces);
    }
}
END_TEST

/* Two fragments with a ping between them, cut at any two places: within headers, masks and characters. */
START_TEST(any_two_cuts)
{
    uint8_t text[200];
    struct buf stream = {0};
    struct peer whole = {0};
    fill_text(text, sizeof text);
    add_frame(&stream, WEBSOCKET_TEXT, text, 60);
    add_frame(&stream, FIN | WEBSOCKET_PING, text, 50);
    add_frame(&stream, FIN | WEBSOCKET_CONTINUATION, text + 60, 140);
    ck_assert_int_eq(feed_whole(&whole, &stream), 0);
    ck_assert_uint_eq(whole.record.count, 2);
    ck_assert_mem_eq(whole.record.events.data + 9, text, 50);
    ck_assert_mem_eq(whole.record.events.data + 68, text, sizeof text);
    for (size_t a = 0; a <= stream.len; a++) {
        for (size_t b = a; b <= stream.len; b++) {
            struct peer p = {0};
            int r = feed(&p, stream.data, a);
            r = r ? r : feed(&p, stream.data + a, b - a);
            r = r ? r : feed(&p, stream.data + b, stream.len - b);
            if (r || p.partial || !same_bytes(&p.record.events, &whole.record.events))
                ck_abort_msg("cut at %zu and %zu: %d", a, b, r);
            peer_fini(&p);
        }
    }
    peer_fini(&whole);
    buf_fini(&stream);
}
END_TEST

START_TEST(connections_share_a_codec)
{
    enum { PEERS = 5 };
    struct buf streams[PEERS] = {0};
    struct peer alone[PEERS] = {0};
    struct peer mixed[PEERS] = {0};
    size_t at[PEERS] = {0};
    for (int i = 0; i < PEERS; i++) {
        add_random_stream(&streams[i], 20, 9000);
        ck_assert_int_eq(feed_whole(&alone[i], &streams[i]), 0);
    }
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < PEERS; i++) {
            size_t n = random_below(3000);
            n = n < streams[i].len - at[i] ? n : streams[i].len - at[i];
            ck_assert_int_eq(feed(&mixed[i], streams[i].data + at[i], n), 0);
            at[i] += n;
            more |= at[i] < streams[i].len;
        }
    }
    for (int i = 0; i < PEERS; i++) {
        ck_assert(same_bytes(&alone[i].record.events, &mixed[i].record.events));
        peer_fini(&alone[i]);
        peer_fini(&mixed[i]);
        buf_fini(&streams[i]);
    }
}
END_TEST

START_TEST(controls_come_between_fragments)
{
    struct buf stream = {0};
    struct peer p = {0};
    add_frame(&stream, WEBSOCKET_TEXT, "h\xc3", 2);
    add_frame(&stream, FIN | WEBSOCKET_PING, "1", 1);
    add_frame(&stream, WEBSOCKET_CONTINUATION, "", 0);
    add_frame(&stream, FIN | WEBSOCKET_PONG, "", 0);
    add_frame(&stream, WEBSOCKET_CONTINUATION, "\xa9l", 2);
    add_frame(&stream, FIN | WEBSOCKET_PING, "\xff\xfe", 2); /* need not be text */
    add_frame(&stream, FIN | WEBSOCKET_CONTINUATION, "o", 1);
    add_frame(&stream, WEBSOCKET_BINARY, "", 0);
    add_frame(&stream, FIN | WEBSOCKET_CONTINUATION, "", 0);
    static const char expected[] = "\x09\0\0\0\0\0\0\0\1"
                                   "1"
                                   "\x0a\0\0\0\0\0\0\0\0"
                                   "\x09\0\0\0\0\0\0\0\2\xff\xfe"
                                   "\x01\0\0\0\0\0\0\0\5h\xc3\xa9lo"
                                   "\x02\0\0\0\0\0\0\0\0";
    ck_assert_int_eq(feed_whole(&p, &stream), 0);
    ck_assert_ptr_null(p.partial);
    ck_assert_uint_eq(p.record.events.len, sizeof expected - 1);
    ck_assert_mem_eq(p.record.events.data, expected, sizeof expected - 1);
    peer_fini(&p);
    ck_assert_int_eq(feed_slowly(&p, &stream), 0);
    ck_assert_uint_eq(p.record.events.len, sizeof expected - 1);
    ck_assert_mem_eq(p.record.events.data, expected, sizeof expected - 1);
    peer_fini(&p);
    buf_fini(&stream);
}
END_TEST

/* ---- text ---- */

static const struct {
    const char *bytes;
    size_t bad; /* its first bad byte, from 1; 0: it is cut within a character */
} bad_texts[] = {
    {"\x80", 1},
    {"\xc0\xaf", 1},
    {"\xff", 1},
    {"\xc3(", 2},
    {"\xe0\x9f\xbf", 2},
    {"\xed\xa0\x80", 2},
    {"\xe6\x88(", 3},
    {"\xf0\x8f\xbf\xbf", 2},
    {"\xf4\x90\x80\x80", 2},
    {"\xf0\x9f\x98(", 4},
    {"\xc3", 0},
    {"\xe6\x88", 0},
    {"\xf0\x9f\x98", 0},
};
static size_t header_size(size_t len)
{
    return len < 126 ? 6 : len < 65536 ? 8 : 14;
}

/* The text comes in one frame, or in two of which the first has `cut` bytes. `bad` 0: only its end is bad. */
static void expect_bad_text(const struct buf *text, size_t bad, size_t cut)
{
    struct buf stream = {0};
    size_t at = header_size(cut ? cut : text->len) + bad;
    if (cut) {
        add_frame(&stream, WEBSOCKET_TEXT, text->data, cut);
        add_frame(&stream, FIN | WEBSOCKET_CONTINUATION, text->data + cut, text->len - cut);
        at += bad > cut ? header_size(text->len - cut) : 0;
    } else {
        add_frame(&stream, FIN | WEBSOCKET_TEXT, text->data, text->len);
    }
    expect_error_at(&stream, ERR_UTF8, bad ? at : stream.len, 0);
    buf_fini(&stream);
}

START_TEST(bad_text_is_met_at_its_very_byte)
{
    static const size_t good[] = {0, 1, 3, 100, 125, 510, 511, 512, 513, 4080, 4085, 4087, 4088, 4089, 5000};
    for (size_t i = 0; i < sizeof bad_texts / sizeof *bad_texts; i++) {
        for (size_t g = 0; g < sizeof good / sizeof *good; g++) {
            struct buf text = {0};
            fill_text(buf_reserve(&text, good[g] + 1), good[g]);
            text.len = good[g];
            buf_adds(&text, bad_texts[i].bytes);
            if (bad_texts[i].bad)
                buf_adds(&text, "more");
            size_t bad = bad_texts[i].bad ? good[g] + bad_texts[i].bad : 0;
            expect_bad_text(&text, bad, 0);
            expect_bad_text(&text, bad, good[g] / 2);
            expect_bad_text(&text, bad, good[g] + 1);
            buf_fini(&text);
        }
    }
}
END_TEST

/* A ping between two halves of a character is none of the text's business; nor is the text of the message
 * before. */
START_TEST(text_state_is_the_messages_own)
{
    struct buf stream = {0};
    struct peer p = {0};
    for (int i = 0; i < 3; i++) {
        add_frame(&stream, WEBSOCKET_TEXT, "\xe6", 1);
        add_frame(&stream, FIN | WEBSOCKET_PING, "\x88", 1);
        add_frame(&stream, WEBSOCKET_CONTINUATION, "\x88", 1);
        add_frame(&stream, FIN | WEBSOCKET_CONTINUATION, "\xbf", 1);
        add_frame(&stream, FIN | WEBSOCKET_TEXT, "\xc3\xa9", 2);
        add_frame(&stream, FIN | WEBSOCKET_BINARY, "\xc3", 1);
        add_frame(&stream, WEBSOCKET_BINARY, "\xff", 1);
        add_frame(&stream, FIN | WEBSOCKET_CONTINUATION, "\xc3", 1);
    }
    ck_assert_int_eq(feed_whole(&p, &stream), 0);
    ck_assert_uint_eq(p.record.count, 15);
    peer_fini(&p);
    ck_assert_int_eq(feed_slowly(&p, &stream), 0);
    ck_assert_uint_eq(p.record.count, 15);
    peer_fini(&p);
    buf_fini(&stream);
}
END_TEST

/* ---- close frames ---- */

static int feed_close(struct peer *p, const void *payload, size_t len)
{
    struct buf stream = {0};
    add_frame(&stream, FIN | WEBSOCKET_CLOSE, payload, len);
    add_frame(&stream, FIN | WEBSOCKET_TEXT, "not heard", 9);
    int r = feed(p, stream.data, stream.len);
    buf_fini(&stream);
    return r;
}

START_TEST(close_codes)
{
    for (unsigned code = 0; code < 65536; code++) {
        uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
        struct peer p = {0};
        bool good =
            (code >= 3000 && code < 5000) || (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006));
        int r = feed_close(&p, payload, 2);
        if (websocket_close_code_ok(code) != good || r != (good ? WEBSOCKET_STOP : -ERR_CLOSE_CODE) ||
            p.record.count != good || (good && p.record.close_code != code))
            ck_abort_msg("%u: %d", code, r);
        peer_fini(&p);
    }
    check_codec();
}
END_TEST

START_TEST(close_reasons)
{
    struct peer p = {0};
    char longest[126] = "\x03\xe8";
    memset(longest + 2, 'x', 123);
    ck_assert_int_eq(feed_close(&p, "", 0), WEBSOCKET_STOP);
    ck_assert_uint_eq(p.record.close_code, 1005);
    peer_fini(&p);
    ck_assert_int_eq(feed_close(&p, longest, 125), WEBSOCKET_STOP);
    ck_assert_uint_eq(p.record.close_code, 1000);
    ck_assert_uint_eq(p.record.last_len, 123);
    ck_assert_mem_eq(p.record.events.data + 9, longest + 2, 123);
    peer_fini(&p);
    /* the reason's UTF-8, from its first byte to its last */
    ck_assert_int_eq(feed_close(&p, "\x03\xe8\xc3\xa9", 4), WEBSOCKET_STOP);
    peer_fini(&p);
    ck_assert_int_eq(feed_close(&p, "\x03\xe8\x80", 3), -ERR_UTF8);
    peer_fini(&p);
    ck_assert_int_eq(feed_close(&p, "\x03\xe8ok\xc3", 5), -ERR_UTF8);
    peer_fini(&p);
    longest[124] = '\xff';
    ck_assert_int_eq(feed_close(&p, longest, 125), -ERR_UTF8);
    peer_fini(&p);
    ck_assert_int_eq(feed_close(&p, "\x03", 1), -ERR_CLOSE_LENGTH);
    peer_fini(&p);
    check_codec();
}
END_TEST

/* ---- events that end the feed ---- */

START_TEST(an_event_ends_the_feed)
{
    static const int answers[] = {WEBSOCKET_STOP, -ERR_INBOUND_OFF};
    char big[10000] = {0};
    for (int i = 0; i < 6; i++) {
        struct buf stream = {0};
        struct peer p = {.record.answer = answers[i & 1]};
        if (i / 2 == 0)
            add_frame(&stream, FIN | WEBSOCKET_BINARY, big, sizeof big);
        else if (i / 2 == 1)
            add_frame(&stream, FIN | WEBSOCKET_PING, "1", 1);
        else
            add_frame(&stream, FIN | WEBSOCKET_TEXT, "1", 1);
        add_frame(&stream, FIN | WEBSOCKET_PONG, "2", 1);
        add_frame(&stream, FIN | WEBSOCKET_PING, "2", 1);
        ck_assert_int_eq(feed_whole(&p, &stream), answers[i & 1]);
        ck_assert_uint_eq(p.record.count, 1);
        buf_fini(&stream);
        peer_fini(&p);
        check_codec();
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("websocket");
    TCase *tc = tcase_create("websocket");
    tcase_add_checked_fixture(tc, make_codec, free_codec);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, headers_out);
    tcase_add_test(tc, messages_of_every_size);
    tcase_add_test(tc, messages_of_every_size_byte_by_byte);
    tcase_add_test(tc, any_pieces_give_the_same_events);
    tcase_add_test(tc, any_two_cuts);
    tcase_add_test(tc, connections_share_a_codec);
    tcase_add_test(tc, controls_come_between_fragments);
    tcase_add_test(tc, bad_text_is_met_at_its_very_byte);
    tcase_add_test(tc, text_state_is_the_messages_own);
    tcase_add_test(tc, close_codes);
    tcase_add_test(tc, close_reasons);
    tcase_add_test(tc, an_event_ends_the_feed);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
