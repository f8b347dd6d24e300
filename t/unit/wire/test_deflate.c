/* permessage-deflate: what is agreed on, and that messages survive it, whole, cut, bent and bombs. */
#include "wire/deflate.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/error.h"
#include "wire/deflate_offer.h"

enum { LIMIT = 1 << 20 };

static struct deflate *codec;

static void make_codec(void)
{
    codec = deflate_new();
}

static void free_codec(void)
{
    deflate_free(codec);
}

/* ---- the offer ---- */

/* How the offers are answered; "" if none is taken. */
static void expect_answer(const char *offers, const char *expected)
{
    struct deflate_terms terms = {0};
    struct buf answer = {0};
    deflate_take_offer(offers, strlen(offers), &terms);
    if (terms.bits)
        deflate_add_answer(&answer, &terms);
    ck_assert_msg(strcmp(buf_str(&answer), expected) == 0, "'%s' is answered '%s', not '%s'", offers,
                  buf_str(&answer), expected);
    buf_fini(&answer);
}

#define PLAIN "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

START_TEST(offers_that_are_taken)
{
    expect_answer("permessage-deflate", PLAIN);
    expect_answer("PerMessage-Deflate", PLAIN);
    expect_answer(" permessage-deflate ", PLAIN);
    expect_answer("permessage-deflate; client_max_window_bits", PLAIN);
    expect_answer("permessage-deflate;client_max_window_bits=8", PLAIN);
    expect_answer("permessage-deflate; client_max_window_bits=15", PLAIN);
    expect_answer("permessage-deflate; server_no_context_takeover ; client_no_context_takeover", PLAIN);
    expect_answer("permessage-deflate; server_max_window_bits=8", PLAIN "; server_max_window_bits=8");
    expect_answer("permessage-deflate; server_max_window_bits=\"15\"", PLAIN "; server_max_window_bits=15");
    expect_answer("permessage-deflate;\tserver_max_window_bits = 10", PLAIN "; server_max_window_bits=10");
    expect_answer("permessage-deflate; server_max_window_bits=9, permessage-deflate",
                  PLAIN "; server_max_window_bits=9");
    expect_answer("x-webkit-deflate-frame, permessage-deflate", PLAIN);
    expect_answer("foo; a=\"x, permessage-deflate; server_max_window_bits=9, \\\" y\", permessage-deflate",
                  PLAIN);
    expect_answer(",,permessage-deflate", PLAIN);
}
END_TEST

START_TEST(offers_that_are_passed_over)
{
    static const char *const bad[] = {
        "",
        "permessage-deflate2",
        "permessage-deflat",
        "permessage-deflate; unknown",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; server_max_window_bits=015",
        "permessage-deflate; server_max_window_bits=1 5",
        "permessage-deflate; server_max_window_bits=\"15",
        "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=\"\"",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate;",
        "permessage-deflate; ;",
        "permessage-deflate x",
        "\"permessage-deflate\"",
        "permessage-deflate=1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char both[300];
        expect_answer(bad[i], "");
        snprintf(both, sizeof both, "%s, permessage-deflate; server_max_window_bits=12", bad[i]);
        /* what has an open quote has no next offer */
        expect_answer(both, strstr(bad[i], "=\"15") ? "" : PLAIN "; server_max_window_bits=12");
    }
}
END_TEST

START_TEST(the_first_header_counts)
{
    struct deflate_terms terms = {0};
    deflate_take_offer("foo", 3, &terms);
    ck_assert_uint_eq(terms.bits, 0);
    static const char first[] = "permessage-deflate; server_max_window_bits=9";
    deflate_take_offer(first, sizeof first - 1, &terms);
    deflate_take_offer("permessage-deflate", 18, &terms);
    ck_assert_uint_eq(terms.bits, 9);
    ck_assert(terms.bits_asked);
}
END_TEST

/* Any bytes end, and within their length. */
START_TEST(no_bytes_bring_it_down)
{
    static const char letters[] = "permessage-deflate;=\", \t\\server_max_window_bits=1908";
    srand(7);
    for (int i = 0; i < 20000; i++) {
        size_t len = (size_t)rand() % 60;
        char *text = malloc(len ? len : 1);
        for (size_t k = 0; k < len; k++)
            text[k] = letters[(size_t)rand() % (sizeof letters - 1)];
        struct deflate_terms terms = {0};
        deflate_take_offer(text, len, &terms);
        ck_assert(terms.bits == 0 || (terms.bits >= 8 && terms.bits <= 15));
        free(text);
    }
}
END_TEST

/* ---- messages ---- */

static void expect_expanded(const void *bytes, size_t len, const void *plain, size_t plain_len)
{
    const uint8_t *out;
    size_t out_len;
    ck_assert_int_eq(deflate_expand(codec, bytes, len, LIMIT, &out, &out_len), 0);
    ck_assert_uint_eq(out_len, plain_len);
    if (plain_len)
        ck_assert_mem_eq(out, plain, plain_len);
}

static int expand(const void *bytes, size_t len, uint64_t limit)
{
    const uint8_t *out;
    size_t out_len;
    return deflate_expand(codec, bytes, len, limit, &out, &out_len);
}

/* RFC 7692 section 7.2.3. */
START_TEST(the_examples_of_the_rfc)
{
    expect_expanded("\xf2\x48\xcd\xc9\xc9\x07\x00", 7, "Hello", 5);
    expect_expanded("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11, "Hello", 5); /* without compression */
    expect_expanded("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8, "Hello", 5);              /* a final block */
    expect_expanded("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13, "Hello", 5); /* two blocks */
    expect_expanded("\x00", 1, "", 0);
    ck_assert_int_eq(expand("", 0, LIMIT), -ERR_DEFLATE); /* not even the empty message is so short */
}
END_TEST

static uint8_t *some_bytes(size_t len, int kind)
{
    uint8_t *bytes = malloc(len ? len : 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = kind == 0 ? (uint8_t)rand() : kind == 1 ? (uint8_t) "abcdefg "[rand() % 8] : 'x';
    return bytes;
}

START_TEST(there_and_back)
{
    srand(3);
    for (int level = 1; level <= 9; level += 4) {
        for (int i = 0; i < 300; i++) {
            size_t len = i == 0 ? LIMIT : (size_t)rand() % (i % 10 ? 3000 : 200000) + 1;
            uint8_t *bytes = some_bytes(len, i % 3);
            struct buf packed = {0};
            deflate_compress(codec, level, bytes, len, &packed);
            ck_assert(!buf_failed(&packed));
            expect_expanded(packed.data, packed.len, bytes, len);
            buf_fini(&packed);
            free(bytes);
        }
    }
}
END_TEST

/* A message of at most 2^N bytes is read with a window of N bits; zlib has none of 8 for raw streams. */
START_TEST(a_small_window_is_enough_for_a_small_message)
{
    srand(5);
    for (int bits = 9; bits <= 15; bits++) {
        size_t len = (size_t)1 << bits;
        uint8_t *bytes = some_bytes(len, 1);
        uint8_t *back = malloc(len);
        struct buf packed = {0};
        z_stream z = {0};
        memcpy(bytes + len / 2, bytes, len / 2); /* a match as far back as can be */
        deflate_compress(codec, 9, bytes, len, &packed);
        buf_add(&packed, "\0\0\xff\xff", 4);
        ck_assert_int_eq(inflateInit2(&z, -bits), Z_OK);
        z.next_in = packed.data;
        z.avail_in = (uInt)packed.len;
        z.next_out = back;
        z.avail_out = (uInt)len;
        ck_assert_int_eq(inflate(&z, Z_SYNC_FLUSH), Z_OK);
        ck_assert_uint_eq(z.avail_out, 0);
        ck_assert_mem_eq(back, bytes, len);
        inflateEnd(&z);
        buf_fini(&packed);
        free(back);
        free(bytes);
    }
}
END_TEST

START_TEST(a_bomb_is_refused_at_the_limit)
{
    size_t len = 100u << 20;
    uint8_t *zeros = calloc(1, len);
    struct buf packed = {0};
    deflate_compress(codec, 9, zeros, len, &packed);
    free(zeros);
    ck_assert_uint_lt(packed.len, 200000);
    ck_assert_int_eq(expand(packed.data, packed.len, LIMIT), -ERR_MESSAGE_SIZE);
    ck_assert_int_eq(expand(packed.data, packed.len, 1), -ERR_MESSAGE_SIZE);
    buf_fini(&packed);
    /* to the byte */
    uint8_t *bytes = some_bytes(5000, 1);
    deflate_compress(codec, 1, bytes, 5000, &packed);
    ck_assert_int_eq(expand(packed.data, packed.len, 4999), -ERR_MESSAGE_SIZE);
    ck_assert_int_eq(expand(packed.data, packed.len, 5000), 0);
    buf_fini(&packed);
    free(bytes);
}
END_TEST

/* Cut anywhere, or with another byte anywhere, it ends in an error or in other bytes; the next message is
 * unharmed. */
START_TEST(cut_and_bent)
{
    uint8_t *bytes = some_bytes(2000, 1);
    struct buf packed = {0};
    int refused = 0;
    deflate_compress(codec, 1, bytes, 2000, &packed);
    for (size_t cut = 1; cut + 1 < packed.len; cut++)
        ck_assert_int_eq(expand(packed.data, cut, LIMIT), -ERR_DEFLATE);
    for (size_t at = 0; at < packed.len; at++) {
        packed.data[at] ^= 0x10;
        int r = expand(packed.data, packed.len, LIMIT);
        ck_assert(r == 0 || r == -ERR_DEFLATE || r == -ERR_MESSAGE_SIZE);
        refused += r != 0;
        packed.data[at] ^= 0x10;
    }
    ck_assert_int_gt(refused, 0);
    ck_assert_int_eq(expand("\x07", 1, LIMIT), -ERR_DEFLATE); /* a reserved block type */
    expect_expanded(packed.data, packed.len, bytes, 2000);
    buf_fini(&packed);
    free(bytes);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("deflate");
    TCase *tc = tcase_create("deflate");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, make_codec, free_codec);
    tcase_add_test(tc, offers_that_are_taken);
    tcase_add_test(tc, offers_that_are_passed_over);
    tcase_add_test(tc, the_first_header_counts);
    tcase_add_test(tc, no_bytes_bring_it_down);
    tcase_add_test(tc, the_examples_of_the_rfc);
    tcase_add_test(tc, there_and_back);
    tcase_add_test(tc, a_small_window_is_enough_for_a_small_message);
    tcase_add_test(tc, a_bomb_is_refused_at_the_limit);
    tcase_add_test(tc, cut_and_bent);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
