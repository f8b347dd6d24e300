/* Log lines: nothing that a peer says can forge one, and peers can't flood the log. The clock is ours here.
 */
#include "base/log.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "../random.h"

static int64_t now = 5000;

int64_t clock_mono_ms(void)
{
    return now;
}

int64_t clock_wall_ms(void)
{
    return INT64_C(1795412345678);
}

/* What was written to stderr between the two calls. */
static FILE *caught;
static int saved;
static char output[1 << 16];

static void catch_stderr(void)
{
    caught = tmpfile();
    ck_assert_ptr_nonnull(caught);
    saved = dup(STDERR_FILENO);
    dup2(fileno(caught), STDERR_FILENO);
}

static const char *caught_text(void)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(caught);
    size_t n = fread(output, 1, sizeof output - 1, caught);
    output[n] = '\0';
    fclose(caught);
    return output;
}

static size_t lines_in(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

START_TEST(a_line)
{
    log_init("wspushd", LOG_LEVEL_INFO);
    catch_stderr();
    log_warn("disk is %d %% full", 97);
    ck_assert_str_eq(caught_text(), "2026-11-23T05:39:05.678Z warn wspushd: disk is 97 % full\n");
}
END_TEST

START_TEST(levels)
{
    static const struct {
        enum log_level level;
        size_t lines;
    } rows[] = {{LOG_LEVEL_ERROR, 1}, {LOG_LEVEL_WARN, 2}, {LOG_LEVEL_INFO, 3}, {LOG_LEVEL_DEBUG, 4}};
    for (size_t i = 0; i < 4; i++) {
        log_set_level(rows[i].level);
        catch_stderr();
        log_error("a");
        log_warn("b");
        log_info("c");
        log_debug("d");
        ck_assert_uint_eq(lines_in(caught_text()), rows[i].lines);
    }
    log_set_level(LOG_LEVEL_INFO);
}
END_TEST

START_TEST(one_call_is_one_printable_line)
{
    catch_stderr();
    log_info("peer said %s", "a\r\n2026-01-01T00:00:00.000Z info wspushd: forged\x1b[2J\x7f\\\xff\xc2\x9b");
    const char *text = caught_text();
    ck_assert_uint_eq(lines_in(text), 1);
    ck_assert_ptr_nonnull(strstr(text, "said a\\x0d\\x0a2026-"));
    ck_assert_ptr_nonnull(strstr(text, "forged\\x1b[2J\\x7f\\\\\\xff\\xc2\\x9b\n"));
}
END_TEST

START_TEST(long_lines_are_cut)
{
    static char text[10000];
    memset(text, 'x', sizeof text - 1);
    catch_stderr();
    log_info("%s", text);
    memset(text, '\x01', sizeof text - 1);
    log_info("%s", text);
    const char *out = caught_text();
    ck_assert_uint_eq(lines_in(out), 2);
    ck_assert_uint_lt(strlen(out), 2 * 2200);
    ck_assert_ptr_nonnull(strstr(out, "xx...\n"));
    ck_assert_ptr_nonnull(strstr(out, "\\x01...\n"));
}
END_TEST

static const char *escape(const char *bytes, size_t len, size_t cap)
{
    static char out[64];
    memset(out, '#', sizeof out);
    ck_assert_ptr_eq(log_escape(out, cap, bytes, len), out);
    ck_assert_ptr_nonnull(memchr(out, '\0', cap));
    ck_assert_int_eq(out[cap], '#');
    return out;
}

START_TEST(escapes)
{
    ck_assert_str_eq(escape("", 0, 4), "");
    ck_assert_str_eq(escape("plain \"text\"", 12, 60), "plain \"text\"");
    ck_assert_str_eq(escape("\0\t\x1f \x7f\\", 6, 60), "\\x00\\x09\\x1f \\x7f\\\\");
    ck_assert_str_eq(escape("caf\xc3\xa9 \xe6\x88\xbf \xf0\x9f\x98\x80", 14, 60),
                     "caf\xc3\xa9 \xe6\x88\xbf \xf0\x9f\x98\x80");
    ck_assert_str_eq(escape("\xc3(\xed\xa0\x80", 5, 60), "\\xc3(\\xed\\xa0\\x80");
    ck_assert_str_eq(escape("\xc2\x80\xc2\x9f\xc2\xa0", 6, 60), "\\xc2\\x80\\xc2\\x9f\xc2\xa0");
    /* what turns the direction of text, or ends a line elsewhere */
    ck_assert_str_eq(escape("\xe2\x80\xae"
                            "a"
                            "\xe2\x80\xa8",
                            7, 60),
                     "\\xe2\\x80\\xaea\\xe2\\x80\\xa8");
    ck_assert_str_eq(escape("\xd8\x9c\xe2\x81\xa6", 5, 60), "\\xd8\\x9c\\xe2\\x81\\xa6");
    ck_assert_str_eq(escape("\xe2\x80\x9c", 3, 60), "\xe2\x80\x9c");
    ck_assert_str_eq(escape("abcdef", 6, 4), "...");
    ck_assert_str_eq(escape("abcdef", 6, 6), "ab...");
    ck_assert_str_eq(escape("\x01\x01", 2, 9), "\\x01...");
}
END_TEST

START_TEST(any_bytes_give_printable_utf8_that_fits)
{
    for (int i = 0; i < 5000; i++) {
        char bytes[32];
        size_t len = random_below(sizeof bytes);
        for (size_t k = 0; k < len; k++)
            bytes[k] = (char)(random_below(2) ? 0x80 | random_below(128) : random_below(128));
        const char *out = escape(bytes, len, 4 + random_below(56));
        bool printable = utf8_check(out, strlen(out)) == -1;
        for (const unsigned char *c = (const unsigned char *)out; *c; c++)
            printable &= *c >= 0x20 && *c != 0x7f;
        ck_assert_msg(printable, "'%s'", out);
    }
}
END_TEST

START_TEST(peers_get_twenty_lines_a_second)
{
    now = 7000;
    catch_stderr();
    for (int i = 0; i < 50; i++)
        log_peer("refused %d", i);
    const char *text = caught_text();
    ck_assert_uint_eq(lines_in(text), 20);
    ck_assert_ptr_nonnull(strstr(text, "refused 19\n"));
    ck_assert_ptr_null(strstr(text, "refused 20\n"));

    now = 7999;
    catch_stderr();
    log_peer("still too many");
    log_warn("ours are never left out");
    text = caught_text();
    ck_assert_uint_eq(lines_in(text), 1);

    now = 8000;
    catch_stderr();
    log_peer("a new second");
    text = caught_text();
    ck_assert_uint_eq(lines_in(text), 2);
    ck_assert_ptr_nonnull(strstr(text, "31 more lines about peers were left out\n"));
    ck_assert_ptr_nonnull(strstr(text, "a new second\n"));

    now = 9000;
    catch_stderr();
    log_peer("nothing was left out");
    ck_assert_uint_eq(lines_in(caught_text()), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log");
    TCase *tc = tcase_create("log");
    tcase_add_test(tc, a_line);
    tcase_add_test(tc, levels);
    tcase_add_test(tc, one_call_is_one_printable_line);
    tcase_add_test(tc, long_lines_are_cut);
    tcase_add_test(tc, escapes);
    tcase_add_test(tc, any_bytes_give_printable_utf8_that_fits);
    tcase_add_test(tc, peers_get_twenty_lines_a_second);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
