/* Random streams, whole and damaged ones: what agree.h says has to be the same is the same. */
#include "agree.h"

#include <check.h>

enum { LIMIT = 30000 };

static struct websocket *codec;

static void make_codec(void)
{
    codec = websocket_new();
}

static void free_codec(void)
{
    websocket_free(codec);
}

static void read_in_pieces(struct ours *o, const struct buf *stream)
{
    for (size_t at = 0, n; at < stream->len; at += n) {
        n = 1 + random_below(6000);
        n = n < stream->len - at ? n : stream->len - at;
        ours_read(o, stream->data + at, n);
    }
}

/* Returns the error that the stream was refused with, or 0. */
static int compare(const struct buf *stream, uint64_t seed)
{
    struct theirs theirs;
    struct ours ours = {.codec = codec, .rules = {.limit = LIMIT}};
    theirs_init(&theirs, LIMIT);
    theirs_read(&theirs, stream->data, stream->len);
    read_in_pieces(&ours, stream);
    sides_decide(&ours, &theirs);
    int fault = ours.side.fault;
    ck_assert_msg(sides_agree(&ours.side, &theirs.side), "seed %llu: %u events and '%s', wslay %u and %u",
                  (unsigned long long)seed, ours.side.record.count, error_text(fault),
                  theirs.side.record.count, theirs.side.refused);
    ours_fini(&ours);
    theirs_fini(&theirs);
    return fault;
}

START_TEST(good_streams)
{
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct buf stream = {0};
        random_start(seed);
        add_random_stream(&stream, 1 + random_below(20), 6000);
        if (random_below(2))
            add_frame(&stream, FIN | WEBSOCKET_CLOSE, "\x03\xe8 bye", 6);
        ck_assert_int_eq(compare(&stream, seed), 0);
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
        refused += compare(&stream, seed) != 0;
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
    tcase_add_unchecked_fixture(tc, make_codec, free_codec);
    tcase_add_test(tc, good_streams);
    tcase_add_test(tc, damaged_streams);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
