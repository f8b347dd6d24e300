/* UTF-8 against a plain reading of RFC 3629, whole and in pieces. */
#include "base/utf8.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../random.h"

/* What the RFC says, by decoding: the length of the character at `p`, 0 if there is none. */
static size_t reference_char(const uint8_t *p, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > len)
        return 0;
    uint32_t c = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : n;
}

static bool reference_good(const uint8_t *p, size_t len)
{
    while (len) {
        size_t n = reference_char(p, len);
        if (n == 0)
            return false;
        p += n;
        len -= n;
    }
    return true;
}

static size_t encode(uint32_t c, uint8_t out[4])
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)(0xff << (8 - n) | c);
    return n;
}

START_TEST(every_code_point)
{
    for (uint32_t c = 0; c <= 0x1fffff; c++) {
        uint8_t bytes[4];
        size_t n = encode(c, bytes);
        bool good = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
        if ((utf8_check(bytes, n) == -1) != good || utf8_char_len(bytes, n) != (good ? n : 0))
            ck_abort_msg("U+%04X", c);
    }
}
END_TEST

START_TEST(every_two_bytes_and_many_four)
{
    for (uint32_t i = 0; i < 65536; i++) {
        uint8_t p[] = {(uint8_t)(i >> 8), (uint8_t)i};
        if ((utf8_check(p, 2) == -1) != reference_good(p, 2))
            ck_abort_msg("%02x %02x", p[0], p[1]);
    }
    for (int i = 0; i < 500000; i++) {
        uint64_t r = random_bits();
        uint8_t p[4] = {(uint8_t)(0xe0 | (r >> 24 & 0x1f)), (uint8_t)(r >> 16),
                        (uint8_t)(0x80 | (r >> 8 & 0x3f)), (uint8_t)r};
        if ((utf8_check(p, 4) == -1) != reference_good(p, 4))
            ck_abort_msg("%02x %02x %02x %02x", p[0], p[1], p[2], p[3]);
    }
}
END_TEST

START_TEST(the_first_bad_byte_is_named)
{
    static const struct {
        const char *text;
        ptrdiff_t at;
    } rows[] = {
        {"", -1},
        {"plain", -1},
        {"caf\xc3\xa9", -1},
        {"\x80", 0},
        {"a\xff", 1},
        {"abcdefgh\xfe", 8},
        {"abcdefghi\xc0\x80", 9},
        {"\xc3", 1},             /* cut */
        {"ab\xe2\x82", 4},       /* cut */
        {"\xc3(", 1},            /* no continuation */
        {"\xe0\x9f\x80", 1},     /* overlong */
        {"\xed\xa0\x80", 1},     /* surrogate */
        {"\xf0\x8f\x80\x80", 1}, /* overlong */
        {"\xf4\x90\x80\x80", 1}, /* above U+10FFFF */
        {"\xf5\x80\x80\x80", 0},
        {"\xe2\x82\xac\xe2\x82", 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(utf8_check(rows[i].text, strlen(rows[i].text)) == rows[i].at, "row %zu: %td", i,
                      utf8_check(rows[i].text, strlen(rows[i].text)));
    ck_assert_int_eq(utf8_check("a\0b", 3), -1);
}
END_TEST

static size_t random_text(uint8_t *out, size_t len)
{
    size_t n = 0;
    while (n + 4 <= len) {
        uint32_t most = (uint32_t[]){0x7f, 0x7f, 0x7ff, 0xd7ff, 0x10ffff}[random_below(5)];
        uint32_t c = (uint32_t)random_below(most);
        n += encode(c >= 0xd800 && c < 0xe000 ? 'x' : c, out + n);
    }
    return n;
}

/* In pieces of any size the same byte is found as in one. */
START_TEST(pieces_tell_what_the_whole_tells)
{
    for (int round = 0; round < 20000; round++) {
        uint8_t text[64];
        size_t len = random_text(text, sizeof text);
        if (random_below(2))
            text[random_below(len)] = (uint8_t)random_bits();
        struct utf8 whole = {0};
        struct utf8 pieces = {0};
        size_t expected = utf8_feed(&whole, text, len);
        size_t at = 0;
        for (size_t n, good; at < len; at += n) {
            n = 1 + random_below(len - at);
            good = utf8_feed(&pieces, text + at, n);
            if (good != n) {
                at += good;
                break;
            }
        }
        ck_assert_uint_eq(at, expected);
        if (expected == len)
            ck_assert(utf8_whole(&whole) == utf8_whole(&pieces) &&
                      utf8_whole(&whole) == reference_good(text, len));
    }
}
END_TEST

/* However many bytes of ASCII are before and behind it, one bad byte is found where it is. */
START_TEST(a_bad_byte_among_ascii)
{
    enum { LEN = 150 };
    uint8_t text[LEN];
    for (size_t len = 1; len <= LEN; len++) {
        for (size_t at = 0; at < len; at++) {
            memset(text, 'a', sizeof text);
            ck_assert_int_eq(utf8_check(text, len), -1);
            text[at] = 0xff;
            ck_assert_int_eq(utf8_check(text, len), (ptrdiff_t)at);
            ck_assert_int_eq(utf8_check(text, at), -1);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("utf8");
    TCase *tc = tcase_create("utf8");
    tcase_add_test(tc, every_code_point);
    tcase_add_test(tc, every_two_bytes_and_many_four);
    tcase_add_test(tc, the_first_bad_byte_is_named);
    tcase_add_test(tc, pieces_tell_what_the_whole_tells);
    tcase_add_test(tc, a_bad_byte_among_ascii);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
