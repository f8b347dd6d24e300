/* JSON out: whatever bytes come in, what goes out is one valid JSON string. */
#include "base/json.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "../random.h"

static void expect_string(const char *bytes, size_t len, const char *json)
{
    struct buf b = {0};
    json_add_string(&b, bytes, len);
    ck_assert_str_eq(buf_str(&b), json);
    buf_fini(&b);
}

START_TEST(strings)
{
    expect_string("", 0, "\"\"");
    expect_string("plain /text", 11, "\"plain /text\"");
    expect_string("say \"hi\" \\ o", 12, "\"say \\\"hi\\\" \\\\ o\"");
    expect_string("\b\t\n\f\r", 5, "\"\\b\\t\\n\\f\\r\"");
    expect_string("\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\"");
    expect_string("caf\xc3\xa9 \xf0\x9f\x98\x80", 10, "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"");
}
END_TEST

/* A browser's text goes to an operator's terminal: there U+009B begins a control sequence. */
START_TEST(what_drives_a_display_is_escaped)
{
    expect_string("\xc2\x80\xc2\x85\xc2\x9b\xc2\x9f\xc2\xa0", 10, "\"\\u0080\\u0085\\u009b\\u009f\xc2\xa0\"");
    expect_string("\xd8\x9b\xd8\x9c", 4, "\"\xd8\x9b\\u061c\"");
    expect_string("\xe2\x80\x8d\xe2\x80\x8e\xe2\x80\xa8\xe2\x80\xae\xe2\x80\xaf", 15,
                  "\"\xe2\x80\x8d\\u200e\\u2028\\u202e\xe2\x80\xaf\"");
    expect_string("\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa", 9, "\"\\u2066\\u2069\xe2\x81\xaa\"");
}
END_TEST

START_TEST(a_copy_is_as_it_was_but_for_that)
{
    static const char json[] = "{\"a\":\"\\n\\\\ \xc2\x9b caf\xc3\xa9 \xe2\x80\xae \x7f\",\"b\":[1, null]}\n";
    struct buf b = {0};
    json_add_copy(&b, json, sizeof json - 1);
    ck_assert_str_eq(buf_str(&b),
                     "{\"a\":\"\\n\\\\ \\u009b caf\xc3\xa9 \\u202e \\u007f\",\"b\":[1, null]}\n");
    buf_fini(&b);
}
END_TEST

START_TEST(bad_bytes_become_the_replacement_character)
{
    expect_string("a\xff"
                  "b",
                  3,
                  "\"a\xef\xbf\xbd"
                  "b\"");
    expect_string("\xc3", 1, "\"\xef\xbf\xbd\"");
    expect_string("\xc3\"", 2, "\"\xef\xbf\xbd\\\"\"");
    expect_string("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    expect_string("\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}
END_TEST

/* RFC 8259 section 7, read back: the decoded bytes, or false. Only the escapes that json_add_string writes.
 */
static bool read_back(struct buf *json, struct buf *out)
{
    const char *p = buf_str(json);
    const char *end = p + json->len - 1;
    if (json->len < 2 || *p++ != '"' || *end != '"')
        return false;
    while (p < end) {
        unsigned c = (unsigned char)*p++;
        if (c < 0x20 || c == '"')
            return false;
        if (c == '\\') {
            static const char from[] = "btnfr\"\\";
            static const char into[] = "\b\t\n\f\r\"\\";
            const char *known = p < end ? strchr(from, *p) : NULL;
            if (known) {
                c = (unsigned char)into[known - from];
                p++;
            } else if (end - p < 5 || sscanf(p, "u%4x", &c) != 1) {
                return false;
            } else {
                p += 5;
            }
            if (c > 0x7ff)
                buf_addc(out, (char)(0xe0 | c >> 12));
            if (c > 0x7f) {
                buf_addc(out, (char)(c > 0x7ff ? 0x80 | (c >> 6 & 0x3f) : 0xc0 | c >> 6));
                c = 0x80 | (c & 0x3f);
            }
        }
        buf_addc(out, (char)c);
    }
    return true;
}

START_TEST(any_text_reads_back_as_it_was)
{
    for (int i = 0; i < 20000; i++) {
        uint8_t bytes[60];
        size_t len = random_below(sizeof bytes);
        for (size_t k = 0; k < len; k++)
            bytes[k] = (uint8_t)(random_below(3) ? random_below(128) : random_bits());
        struct buf json = {0};
        struct buf back = {0};
        json_add_string(&json, bytes, len);
        ck_assert_int_eq(utf8_check(json.data, json.len), -1);
        ck_assert(read_back(&json, &back));
        if (utf8_check(bytes, len) < 0)
            ck_assert(back.len == len && (len == 0 || memcmp(back.data, bytes, len) == 0));
        buf_fini(&json);
        buf_fini(&back);
    }
}
END_TEST

static void add_utf8(struct buf *b, unsigned c)
{
    if (c < 0x80) {
        buf_addc(b, (char)c);
        return;
    }
    if (c >= 0x800)
        buf_addc(b, (char)(0xe0 | c >> 12));
    buf_addc(b, (char)(c >= 0x800 ? 0x80 | (c >> 6 & 0x3f) : 0xc0 | c >> 6));
    buf_addc(b, (char)(0x80 | (c & 0x3f)));
}

static void add_escaped(struct buf *b, unsigned c)
{
    const char *known = c ? strchr("\bb\tt\nn\ff\rr\"\"\\\\", (int)c) : NULL;
    if (known && c < 'a')
        buf_addf(b, "\\%c", known[1]);
    else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
             (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
        buf_addf(b, "\\u%04x", c);
    else
        add_utf8(b, c);
}

/* Each character, behind and before as many others as it may share eight bytes with. */
START_TEST(a_character_is_the_same_at_any_place)
{
    static const char *const others[] = {"x", "\xc3\xa9", "\xe6\x88\xbf"};
    for (unsigned i = 0; i < 0x2100 * 17 * 3; i++) {
        unsigned c = i / 17 / 3;
        struct buf text = {0};
        struct buf json = {0};
        struct buf expected = {0};
        for (unsigned k = 0; k < i % 17; k++)
            buf_adds(&text, others[i / 17 % 3]);
        buf_addc(&expected, '"');
        buf_add(&expected, text.data, text.len);
        add_utf8(&text, c);
        add_escaped(&expected, c);
        buf_adds(&text, "yyyyyyyyy");
        buf_adds(&expected, "yyyyyyyyy\"");
        json_add_string(&json, text.data, text.len);
        ck_assert_msg(json.len == expected.len && memcmp(json.data, expected.data, json.len) == 0,
                      "U+%04X: %s", c, buf_str(&json));
        buf_fini(&text);
        buf_fini(&json);
        buf_fini(&expected);
    }
}
END_TEST

START_TEST(base64)
{
    /* RFC 4648 section 10 */
    static const char *const rows[][2] = {{"", "\"\""},
                                          {"f", "\"Zg==\""},
                                          {"fo", "\"Zm8=\""},
                                          {"foo", "\"Zm9v\""},
                                          {"foob", "\"Zm9vYg==\""},
                                          {"fooba", "\"Zm9vYmE=\""},
                                          {"foobar", "\"Zm9vYmFy\""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b = {0};
        json_add_base64(&b, rows[i][0], strlen(rows[i][0]));
        ck_assert_str_eq(buf_str(&b), rows[i][1]);
        buf_fini(&b);
    }
    struct buf b = {0};
    json_add_base64(&b, "\xff\xfe\x00", 3);
    ck_assert_str_eq(buf_str(&b), "\"//4A\"");
    buf_fini(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("json");
    TCase *tc = tcase_create("json");
    tcase_add_test(tc, strings);
    tcase_add_test(tc, what_drives_a_display_is_escaped);
    tcase_add_test(tc, a_copy_is_as_it_was_but_for_that);
    tcase_add_test(tc, bad_bytes_become_the_replacement_character);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_character_is_the_same_at_any_place);
    tcase_add_test(tc, any_text_reads_back_as_it_was);
    tcase_add_test(tc, base64);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
