/*
 * What a frame's header condemns is refused at its very byte, what a peer claims moves no memory, and what it
 * makes us keep is bounded (RFC 6455 section 5).
 */
#include "wire/websocket.h"

#include "../cost.h"
#include "../heap.h"
#include "peer.h"

/* ---- headers that condemn their frame ---- */

/* What has to become of a header outside of a message, and after how many bytes. */
static int verdict(unsigned first, uint64_t len, size_t *at)
{
    unsigned opcode = first & 0x0f;
    bool control = opcode >= 8;
    *at = 1;
    if (first & 0x70)
        return ERR_FRAME_RSV;
    if ((opcode > 2 && opcode < 8) || opcode > 10)
        return ERR_FRAME_OPCODE;
    if (control && !(first & FIN))
        return ERR_CONTROL_FRAGMENT;
    if (opcode == 0)
        return ERR_CONTINUATION;
    *at = 2;
    if (control && len > 125)
        return ERR_CONTROL_LENGTH;
    if (opcode == WEBSOCKET_CLOSE && len == 1)
        return ERR_CLOSE_LENGTH;
    *at = len > 65535 ? 10 : 4;
    if (len >> 63)
        return ERR_FRAME_LENGTH;
    return len > LIMIT ? ERR_MESSAGE_SIZE : 0;
}

/* The header comes whole or byte by byte; nothing of what it claims is allocated. */
static void claim(unsigned first, uint64_t len, bool slowly)
{
    struct buf header = {0};
    struct peer p = {0};
    size_t at;
    size_t fed;
    int expected = verdict(first, len, &at);
    if (first == (FIN | WEBSOCKET_CLOSE) && len == 0) /* is a whole frame */
        return;
    add_header(&header, first, len);
    heap_forget_most();
    size_t before = heap_in_use();
    int r = slowly ? feed_bytes(&p, &header, &fed) : feed(&p, header.data, header.len);
    size_t most = heap_most() - before;
    ck_assert_msg(r == -expected, "%02x, %llu: %s, not %s", first, (unsigned long long)len, error_text(r),
                  error_text(expected));
    ck_assert_msg(most <= 500, "%02x, %llu: %zu bytes", first, (unsigned long long)len, most);
    if (expected) {
        ck_assert_uint_eq(p.record.count, 0);
        ck_assert_msg(slowly ? fed == at : most == 0, "%02x, %llu: %zu bytes, at %zu", first,
                      (unsigned long long)len, most, fed);
    }
    buf_fini(&header);
    peer_fini(&p);
}

START_TEST(every_opcode_with_every_claim)
{
    static const uint64_t lengths[] = {0,
                                       1,
                                       125,
                                       126,
                                       127,
                                       65535,
                                       65536,
                                       LIMIT,
                                       LIMIT + 1,
                                       UINT64_C(1) << 31,
                                       UINT32_MAX,
                                       INT64_MAX,
                                       UINT64_C(1) << 63,
                                       UINT64_MAX};
    for (unsigned first = 0; first < 256; first++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
            for (int slowly = 0; slowly < 2; slowly++)
                claim(first, lengths[i], slowly);
    check_codec();
    ck_assert_int_eq(error_close_code(ERR_FRAME_RSV), 1002);
    ck_assert_int_eq(error_close_code(ERR_FRAME_OPCODE), 1002);
    ck_assert_int_eq(error_close_code(ERR_FRAME_LENGTH), 1002);
    ck_assert_int_eq(error_close_code(ERR_CONTROL_LENGTH), 1002);
    ck_assert_int_eq(error_close_code(ERR_MESSAGE_SIZE), 1009);
}
END_TEST

START_TEST(unmasked_frames)
{
    static const unsigned opcodes[] = {WEBSOCKET_TEXT, WEBSOCKET_BINARY, WEBSOCKET_CLOSE, WEBSOCKET_PING,
                                       WEBSOCKET_PONG};
    for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++) {
        for (unsigned len7 = 0; len7 < 128; len7++) {
            uint8_t bytes[16] = {(uint8_t)(FIN | opcodes[i]), (uint8_t)len7};
            struct buf stream = {.data = bytes, .len = sizeof bytes};
            expect_error_at(&stream, ERR_FRAME_UNMASKED, 2, 0);
        }
    }
}
END_TEST

START_TEST(lengths_in_a_longer_form_than_needed)
{
    static const uint64_t for16[] = {0, 1, 124, 125};
    static const uint64_t for64[] = {0, 1, 125, 126, 65534, 65535};
    for (size_t i = 0; i < sizeof for16 / sizeof *for16; i++) {
        struct buf stream = {0};
        add_header_as(&stream, FIN | WEBSOCKET_BINARY, for16[i], 16);
        expect_error_at(&stream, ERR_FRAME_LENGTH, 4, 0);
        buf_fini(&stream);
    }
    for (size_t i = 0; i < sizeof for64 / sizeof *for64; i++) {
        struct buf stream = {0};
        add_header_as(&stream, FIN | WEBSOCKET_BINARY, for64[i], 64);
        expect_error_at(&stream, ERR_FRAME_LENGTH, 10, 0);
        buf_fini(&stream);
    }
}
END_TEST

START_TEST(new_messages_inside_a_fragmented_one)
{
    for (unsigned opcode = WEBSOCKET_TEXT; opcode <= WEBSOCKET_BINARY; opcode++) {
        struct buf stream = {0};
        add_frame(&stream, WEBSOCKET_TEXT, "abc", 3);
        add_frame(&stream, FIN | WEBSOCKET_PING, "", 0);
        size_t at = stream.len + 1;
        add_frame(&stream, FIN | opcode, "abc", 3);
        expect_error_at(&stream, ERR_INTERLEAVED, at, 1);
        buf_fini(&stream);
    }
    struct buf stream = {0};
    add_frame(&stream, FIN | WEBSOCKET_TEXT, "abc", 3);
    size_t at = stream.len + 1;
    add_frame(&stream, FIN | WEBSOCKET_CONTINUATION, "abc", 3);
    expect_error_at(&stream, ERR_CONTINUATION, at, 1);
    buf_fini(&stream);
}
END_TEST

/* The fragments count together, and are condemned before they are sent. */
START_TEST(the_limit_holds_across_fragments)
{
    char half[LIMIT / 2] = {0};
    struct buf stream = {0};
    struct peer p = {0};
    add_frame(&stream, WEBSOCKET_BINARY, half, sizeof half);
    add_frame(&stream, WEBSOCKET_CONTINUATION, half, sizeof half);
    size_t before = stream.len;
    add_frame(&stream, FIN | WEBSOCKET_CONTINUATION, "", 0);
    ck_assert_int_eq(feed_whole(&p, &stream), 0);
    ck_assert_uint_eq(p.record.last_len, LIMIT);
    peer_fini(&p);
    stream.len = before;
    add_header(&stream, FIN | WEBSOCKET_CONTINUATION, 1);
    ck_assert_int_eq(feed(&p, stream.data, before + 1), 0);
    ck_assert_int_eq(feed(&p, stream.data + before + 1, 1), -ERR_MESSAGE_SIZE);
    ck_assert_uint_eq(p.record.count, 0);
    peer_fini(&p);
    buf_fini(&stream);
    check_codec();
}
END_TEST

/* A limit that comes down in the middle holds from the next frame on. */
START_TEST(the_limit_comes_down)
{
    char part[5000] = {0};
    struct buf stream = {0};
    add_frame(&stream, WEBSOCKET_BINARY, part, sizeof part);
    for (size_t next = 1; next <= sizeof part; next += sizeof part - 1) {
        struct peer p = {0};
        struct buf rest = {0};
        const struct websocket_rules lower = {.limit = 1000};
        ck_assert_int_eq(feed(&p, stream.data, stream.len), 0);
        add_frame(&rest, FIN | WEBSOCKET_CONTINUATION, part, next);
        ck_assert_int_eq(feed_by(&p, rest.data, rest.len, &lower), -ERR_MESSAGE_SIZE);
        ck_assert_uint_eq(p.record.count, 0);
        peer_fini(&p);
        buf_fini(&rest);
    }
    buf_fini(&stream);
    check_codec();
}
END_TEST

/* ---- bounds ---- */

START_TEST(empty_fragments_are_bounded)
{
    struct buf stream = {0};
    struct peer p = {0};
    uint64_t fed = 0;
    size_t most = 0;
    int r;
    add_frame(&stream, WEBSOCKET_TEXT, "", 0);
    r = feed_whole(&p, &stream);
    buf_clear(&stream);
    add_frame(&stream, WEBSOCKET_CONTINUATION, "", 0);
    size_t before = heap_in_use();
    for (; r == 0 && fed < 1000000; fed++) {
        r = feed_whole(&p, &stream);
        most = heap_in_use() > most ? heap_in_use() : most;
    }
    ck_assert_int_eq(r, -ERR_EMPTY_FRAGMENTS);
    ck_assert_int_eq(error_close_code(r), 1008);
    ck_assert_uint_eq(fed, 1000);
    ck_assert_uint_le(most, before);
    ck_assert_uint_eq(p.record.count, 0);
    peer_fini(&p);
    buf_fini(&stream);
    check_codec();
}
END_TEST

/* They are counted anew in each message, and the last frame may be empty too. */
START_TEST(some_empty_fragments_are_fine)
{
    struct buf stream = {0};
    struct peer p = {0};
    for (int message = 0; message < 3; message++) {
        add_frame(&stream, WEBSOCKET_BINARY, "x", 1);
        for (int i = 0; i < 1000; i++)
            add_frame(&stream, WEBSOCKET_CONTINUATION, "", 0);
        add_frame(&stream, FIN | WEBSOCKET_CONTINUATION, "", 0);
    }
    ck_assert_int_eq(feed_whole(&p, &stream), 0);
    ck_assert_uint_eq(p.record.count, 3);
    ck_assert_ptr_null(p.partial);
    peer_fini(&p);
    buf_fini(&stream);
}
END_TEST

START_TEST(a_message_of_tiny_fragments)
{
    struct buf first = {0};
    struct buf next = {0};
    struct peer p = {0};
    add_frame(&first, WEBSOCKET_TEXT, "x", 1);
    add_frame(&next, WEBSOCKET_CONTINUATION, "x", 1);
    heap_forget_most();
    size_t before = heap_in_use();
    int r = feed_whole(&p, &first);
    size_t most = 0;
    for (int i = 1; r == 0 && i < LIMIT; i++) {
        r = feed(&p, next.data, 3); /* and sometimes in two pieces */
        r = r ? r : feed(&p, next.data + 3, next.len - 3);
        if (i % 1000 == 0)
            most = heap_in_use() - before > most ? heap_in_use() - before : most;
    }
    ck_assert_int_eq(r, 0);
    ck_assert_uint_le(most, LIMIT + LIMIT / 10);
    ck_assert_int_eq(feed_whole(&p, &next), -ERR_MESSAGE_SIZE);
    peer_fini(&p);
    buf_fini(&first);
    buf_fini(&next);
    check_codec();
}
END_TEST

/* What a stuck connection holds is what it has sent, not what it has announced. */
START_TEST(a_stuck_frame_holds_little)
{
    struct buf stream = {0};
    struct peer p = {0};
    add_header(&stream, FIN | WEBSOCKET_BINARY, LIMIT);
    add_payload(&stream, "abc", 3);
    heap_forget_most();
    size_t before = heap_in_use();
    int r = feed_whole(&p, &stream);
    size_t most = heap_most() - before;
    ck_assert_int_eq(r, 0);
    ck_assert_uint_le(most, 300);
    ck_assert_ptr_nonnull(p.partial);
    peer_fini(&p);
    ck_assert_uint_le(heap_in_use(), before);
    buf_fini(&stream);
}
END_TEST

START_TEST(nothing_is_held_at_rest)
{
    struct buf stream = {0};
    struct peer p = {0};
    size_t resting = 0;
    add_random_stream(&stream, 50, 10000);
    size_t before = heap_in_use();
    for (size_t at = 0; at < stream.len; at++) {
        unsigned count = p.record.count;
        ck_assert_int_eq(feed(&p, stream.data + at, 1), 0);
        if (p.record.count == count || p.record.last >= WEBSOCKET_CLOSE)
            continue;
        resting++;
        buf_fini(&p.record.events);
        ck_assert_ptr_null(p.partial);
        ck_assert_uint_le(heap_in_use(), before);
    }
    ck_assert_uint_eq(resting, 50);
    peer_fini(&p);
    buf_fini(&stream);
}
END_TEST

static void feed_it_slowly(const void *input)
{
    struct peer p = {0};
    ck_assert_int_eq(feed_slowly(&p, input), 0);
    peer_fini(&p);
}

START_TEST(time_is_linear)
{
    static const uint8_t zeros[160000];
    struct buf small = {0};
    struct buf large = {0};
    add_frame(&small, FIN | WEBSOCKET_TEXT, zeros, sizeof zeros / 8);
    add_frame(&large, FIN | WEBSOCKET_TEXT, zeros, sizeof zeros);
    ck_assert_double_lt(cost_ratio(feed_it_slowly, &small, &large), COST_LINEAR_MAX);
    buf_fini(&small);
    buf_fini(&large);
}
END_TEST

/* Where there is no memory for what one peer sends, that peer ends. */
START_TEST(no_memory)
{
    static const size_t pieces[] = {400000, 60000, 1000};
    struct buf stream = {0};
    uint8_t *payload = calloc(1, 500000);
    add_frame(&stream, FIN | WEBSOCKET_BINARY, payload, 500000);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct peer p = {0};
        int r = 0;
        if (!heap_refuse_above(100000))
            break;
        for (size_t at = 0, n; r == 0 && at < stream.len; at += n) {
            n = pieces[i] < stream.len - at ? pieces[i] : stream.len - at;
            r = feed(&p, stream.data + at, n);
        }
        heap_refuse_above(SIZE_MAX);
        ck_assert_int_eq(r, -ERR_MEMORY);
        ck_assert_uint_eq(p.record.count, 0);
        peer_fini(&p);
        check_codec();
    }
    free(payload);
    buf_fini(&stream);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("websocket_bounds");
    TCase *tc = tcase_create("websocket_bounds");
    tcase_add_checked_fixture(tc, make_codec, free_codec);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, every_opcode_with_every_claim);
    tcase_add_test(tc, unmasked_frames);
    tcase_add_test(tc, lengths_in_a_longer_form_than_needed);
    tcase_add_test(tc, new_messages_inside_a_fragmented_one);
    tcase_add_test(tc, the_limit_holds_across_fragments);
    tcase_add_test(tc, the_limit_comes_down);
    tcase_add_test(tc, empty_fragments_are_bounded);
    tcase_add_test(tc, some_empty_fragments_are_fine);
    tcase_add_test(tc, a_message_of_tiny_fragments);
    tcase_add_test(tc, a_stuck_frame_holds_little);
    tcase_add_test(tc, nothing_is_held_at_rest);
    tcase_add_test(tc, no_memory);
    tcase_add_test(tc, time_is_linear);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
