/* What differs between two configurations, as text that could stand in the file. */
#include "base/changes.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/option.h"

static struct config *load(const char *text)
{
    char path[] = "/tmp/wspush-changes-XXXXXX";
    char why[512];
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    struct config *c = config_load(path, why, sizeof why);
    unlink(path);
    ck_assert_msg(c != NULL, "%s: %s", text, why);
    return c;
}

/* Each change as a line: SECTION OPTION: WAS > IS, WHEN. */
static void expect(const char *started, const char *running, const char *fresh, const char *lines)
{
    struct config *configs[] = {load(started), load(running), load(fresh)};
    struct changes changes;
    struct buf text = {0};
    changes_find(&changes, configs[0], configs[1], configs[2]);
    for (size_t i = 0; i < changes.count; i++) {
        const struct change *c = &changes.items[i];
        buf_addf(&text, "%s%s%s: %s > %s, %s\n", c->section, *c->section ? " " : "", c->option,
                 c->was ? c->was : "none", c->is ? c->is : "none", change_applies_name(c->applies));
    }
    ck_assert_str_eq(buf_str(&text), lines);
    buf_fini(&text);
    changes_free(&changes);
    for (int i = 0; i < 3; i++)
        config_unref(configs[i]);
}

static void expect_two(const char *before, const char *after, const char *lines)
{
    expect(before, before, after, lines);
}

START_TEST(nothing)
{
    expect_two("", "", "");
    expect_two("out_total = 256m\nthreads = 1", "out_total = 268435456", "");
    expect_two("channel \"a\" { }", "channel \"a\" { inbound = inbox }", "");
}
END_TEST

START_TEST(values_as_they_are_written)
{
    expect_two("", "out_total = 1g\nmax_clients = 7\nunlisted = refuse\ndrain_time = 1500ms\n",
               "max_clients: 0 > 7, now\n"
               "out_total: 256m > 1g, now\n"
               "drain_time: 5s > 1500ms, now\n"
               "unlisted: serve > refuse, now\n");
    expect_two("idle_timeout = 2h\nout_slow = 1025", "origins = {\"https://a.example\", \"any\"}",
               "origins: {} > {\"https://a.example\", \"any\"}, now\n"
               "idle_timeout: 2h > 0, now\n"
               "out_slow: 1025 > 1m, now\n");
    expect_two("in_bytes = 3k", "in_bytes = 0", "in_bytes: 3k > 0, now\n");
}
END_TEST

START_TEST(quotes_are_escaped)
{
    expect_two("", "socket_group = \"a\\\"b\\\\c\"", "socket_group: \"\" > \"a\\\"b\\\\c\", restart\n");
}
END_TEST

/* Every value that is written is a value that is read. */
START_TEST(defaults_come_back)
{
    struct config *c = load("");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &option_rows[i];
        const void *base = o->scope == OPTION_PROCESS ? (void *)c : (void *)&c->channel;
        struct buf text = {0};
        buf_addf(&text, "%s = ", o->name);
        option_add_text(&text, o, base);
        struct config *again = load(buf_str(&text));
        ck_assert_msg(
            option_same(o, base, o->scope == OPTION_PROCESS ? (void *)again : (void *)&again->channel), "%s",
            buf_str(&text));
        config_unref(again);
        buf_fini(&text);
    }
    config_unref(c);
}
END_TEST

START_TEST(when_it_applies)
{
    expect_two("", "socket_mode = 0600\nthreads = 3\nlog_level = warn\npost = open\nfcgi_threads = 1",
               "socket_mode: 0660 > 0600, restart\n"
               "threads: 1 > 3, restart\n"
               "log_level: info > warn, now\n"
               "fcgi_threads: 4 > 1, responder\n"
               "post: off > open, responder\n");
    /* read before, but in force is what it was started with */
    expect("threads = 2", "threads = 3", "threads = 3", "threads: 2 > 3, restart\n");
    expect("threads = 2", "threads = 3", "threads = 2", "");
}
END_TEST

START_TEST(sections)
{
    expect_two("channel \"a\" { }", "channel \"a\" { inbound = echo slow = drop }",
               "a inbound: inbox > echo, now\na slow: close > drop, now\n");
    expect_two("", "channel \"a/*\" { out_limit = 8m }", "a/* channel: none > { out_limit = 8m }, now\n");
    expect_two("deflate = off\nchannel \"a\" { inbound = off deflate = off }", "deflate = off",
               "a channel: { inbound = off } > none, now\n");
    expect_two("channel \"a\" { } channel \"b\" { } channel \"c\" { }",
               "channel \"d\" { } channel \"c\" { } channel \"a\" { }",
               "b channel: { } > none, now\n"
               "d channel: none > { }, now\n"
               "channel: {\"a\", \"c\"} > {\"c\", \"a\"}, now\n");
}
END_TEST

/* What a section has from the top level is said once. */
START_TEST(inherited)
{
    expect_two("channel \"a\" { } channel \"b\" { inbound = off }",
               "inbound = echo\nchannel \"a\" { } channel \"b\" { inbound = off }",
               "inbound: inbox > echo, now\n");
    expect_two("channel \"a\" { inbound = off }", "inbound = echo\nchannel \"a\" { }",
               "inbound: inbox > echo, now\na inbound: off > echo, now\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("changes");
    TCase *tc = tcase_create("changes");
    tcase_add_test(tc, nothing);
    tcase_add_test(tc, values_as_they_are_written);
    tcase_add_test(tc, quotes_are_escaped);
    tcase_add_test(tc, defaults_come_back);
    tcase_add_test(tc, when_it_applies);
    tcase_add_test(tc, sections);
    tcase_add_test(tc, inherited);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
