/*
 * wsctl tail on a pipe: all that goes by, once and in order, through real nginx; as JSON; and the ways in
 * which it ends. The terminal's side is in t/terminal/test_tail.py.
 */
#include <check.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "figures.h"
#include "program.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

#define CLOCK "[0-2][0-9]:[0-5][0-9]:[0-6][0-9] "
#define TIME  "\"time\":17[0-9]{11}"
#define USER  "(\"user\":(null|\"[^\"]*\"),)?"

static struct site *site;
static struct resp *control;

static void begin(const struct site_options *options)
{
    site = site_start(options);
    control = resp_open(site_control(site));
    ck_assert_ptr_nonnull(control);
}

static void end(void)
{
    resp_free(control);
    site_stop(site);
}

static struct wsclient *visit(const char *path)
{
    return wsclient_open(site_http(site), path);
}

#define START(p, ...) start(p, (const char *const[]){site_program("wsctl"), "tail", __VA_ARGS__, NULL})

static void start(struct program *p, const char *const *argv)
{
    char variable[256];
    snprintf(variable, sizeof variable, "WSPUSH_SOCKET=%s", site_control(site) + strlen("unix:"));
    program_start(p, variable, argv);
}

/* Names and patterns that operators watch, in all. */
static bool watched(void *arg)
{
    const long long *wanted = arg;
    long long patterns = resp_integer(control, "PUBSUB NUMPAT");
    struct resp_value *names = resp_call(control, "PUBSUB", "CHANNELS", NULL);
    long long all = (long long)names->count + patterns;
    resp_value_free(names);
    return all >= *wanted;
}

static void wait_watched(long long subscriptions)
{
    ck_assert(site_until(watched, &subscriptions, 10000));
}

static void match(const char *line, const char *expression)
{
    regex_t re;
    char whole[512];
    snprintf(whole, sizeof whole, "^%s$", expression);
    ck_assert_int_eq(regcomp(&re, whole, REG_EXTENDED | REG_NOSUB), 0);
    ck_assert_msg(regexec(&re, line, 0, NULL, 0) == 0, "'%s' is not as '%s'", line, whole);
    regfree(&re);
}

/* The lines of its stdout, which has no more. */
static void match_lines(struct program *p, const char *const *expressions)
{
    char *at = strdup(buf_str(&p->said));
    char *rest = at;
    for (; *expressions; expressions++) {
        char *line = strsep(&rest, "\n");
        ck_assert_msg(line && rest, "only: %s", buf_str(&p->said));
        match(line, *expressions);
    }
    ck_assert_str_eq(rest, "");
    free(at);
}

/* One of everything on a channel. */
static void some_of_all(const char *path, const char *channel)
{
    struct wsclient *c = visit(path);
    wsclient_send_text(c, "good\nmorning");
    wsclient_send_binary(c, "\0\xff\x10", 3);
    resp_value_free(resp_call(control, "WS.WAIT", channel, NULL));
    resp_value_free(resp_call(control, "WS.WAIT", channel, NULL));
    resp_value_free(resp_call(control, "PUBLISH", channel, "hello", NULL));
    wsclient_expect_text(c, "hello");
    wsclient_close(c);
    info_until(control, "connections", 0); /* the hub knows, too */
}

START_TEST(lines)
{
    struct program p;
    begin(NULL);
    START(&p, "test", "--count", "5");
    wait_watched(3);
    some_of_all("/other/", "other");
    some_of_all("/test/", "test");
    ck_assert_int_eq(program_finish(&p), 0);
    ck_assert_str_eq(buf_str(&p.complained), "");
    match_lines(&p, (const char *const[]){CLOCK "\\+  test c2",
                                          CLOCK "<- test c2( \\(.*\\))?: good\\\\x0amorning",
                                          CLOCK "<- test c2( \\(.*\\))?: \\(binary, 3 bytes\\) 00ff10",
                                          CLOCK "-> test: hello", CLOCK "-  test c2 1000", NULL});
    program_fini(&p);
    end();
}
END_TEST

START_TEST(json_lines)
{
    struct program p;
    begin(NULL);
    START(&p, "--json", "test", "--count", "6");
    wait_watched(3);
    some_of_all("/test/", "test");
    resp_send_argv(control, 4, (const char *const[]){"WS.SEND", "test", "\xff", "BINARY"},
                   (const size_t[]){7, 4, 2, 6});
    resp_expect_next(control, "[0, *");
    ck_assert_int_eq(program_finish(&p), 0);
    match_lines(
        &p,
        (const char *const[]){
            "\\{\"direction\":\"open\",\"channel\":\"test\",\"event\":\"open\",\"client\":\"c1\"," USER TIME
            "\\}",
            "\\{\"direction\":\"in\",\"channel\":\"test\",\"client\":\"c1\"," USER
            "\"type\":\"text\",\"data\":\"good\\\\nmorning\"," TIME "\\}",
            "\\{\"direction\":\"in\",\"channel\":\"test\",\"client\":\"c1\"," USER
            "\"type\":\"binary\",\"b64\":\"AP8Q\"," TIME "\\}",
            "\\{\"direction\":\"out\",\"channel\":\"test\",\"type\":\"text\",\"data\":\"hello\"," TIME "\\}",
            "\\{\"direction\":\"close\",\"channel\":\"test\",\"event\":\"close\",\"client\":\"c1\"," USER
            "\"code\":1000," TIME "\\}",
            "\\{\"direction\":\"out\",\"channel\":\"test\",\"type\":\"binary\",\"b64\":\"/wA=\"," TIME "\\}",
            NULL});
    program_fini(&p);
    end();
}
END_TEST

START_TEST(users)
{
    struct program p;
    begin(NULL);
    START(&p, "test", "--count", "5");
    wait_watched(3);
    struct wsclient *c = wsclient_connect(site_ws(site), "/test/", "X-Wspush-User: alice\r\n");
    ck_assert(wsclient_accepted(c));
    wsclient_send_text(c, "hi");
    wsclient_close(c);
    ck_assert_int_eq(program_finish(&p), 0);
    match_lines(&p,
                (const char *const[]){CLOCK "\\+  test c1 \\(alice\\)", CLOCK "\\*  test alice joined",
                                      CLOCK "<- test c1 \\(alice\\): hi", CLOCK "-  test c1 \\(alice\\) 1000",
                                      CLOCK "\\*  test alice left", NULL});
    program_fini(&p);
    end();
}
END_TEST

/* @events: says what happens to clients and to users; of a kind that is not known, its name is shown. */
START_TEST(users_as_json)
{
    struct program p;
    begin(NULL);
    START(&p, "--json", "@events:test", "--count", "4");
    wait_watched(1);
    struct wsclient *c = wsclient_connect(site_ws(site), "/test/", "X-Wspush-User: alice\r\n");
    ck_assert(wsclient_accepted(c));
    wsclient_close(c);
    ck_assert_int_eq(program_finish(&p), 0);
#define EVENT(name) "\\{\"direction\":\"" name "\",\"channel\":\"test\",\"event\":\"" name "\","
    match_lines(&p, (const char *const[]){
                        EVENT("open") "\"client\":\"c1\",\"user\":\"alice\"," TIME "\\}",
                        EVENT("join") "\"user\":\"alice\"," TIME "\\}",
                        EVENT("close") "\"client\":\"c1\",\"user\":\"alice\",\"code\":1000," TIME "\\}",
                        EVENT("leave") "\"user\":\"alice\"," TIME "\\}", NULL});
    program_fini(&p);
    end();
}
END_TEST

START_TEST(everything)
{
    struct program p;
    begin(NULL);
    START(&p, "--count", "10");
    wait_watched(3);
    some_of_all("/a/b/c/", "a/b/c");
    some_of_all("/d/", "d");
    ck_assert_int_eq(program_finish(&p), 0);
    ck_assert_ptr_nonnull(strstr(buf_str(&p.said), " -> a/b/c: hello\n"));
    ck_assert_ptr_nonnull(strstr(buf_str(&p.said), " -  d c2 1000\n"));
    program_fini(&p);
    end();
}
END_TEST

/* Names and globs that mean the same things: each is shown once, and in the channel's order. */
START_TEST(once_and_in_order)
{
    enum { MESSAGES = 2000 };
    struct program p;
    char word[32];
    struct buf expected = {0};
    begin(NULL);
    START(&p, "te*", "test", "**", "test", "[t]est", "@in:test", "--json", "--count", "2000");
    wait_watched(12);
    for (int i = 0; i < MESSAGES; i++) {
        snprintf(word, sizeof word, "PUBLISH test %d", i);
        resp_send_inline(control, word);
    }
    for (int i = 0; i < MESSAGES; i++)
        resp_expect_next(control, "0");
    ck_assert_int_eq(program_finish(&p), 0);
    char *at = strdup(buf_str(&p.said));
    char *rest = at;
    for (int i = 0; i < MESSAGES; i++) {
        buf_clear(&expected);
        buf_addf(&expected, "\"data\":\"%d\",", i);
        char *line = strsep(&rest, "\n");
        ck_assert_msg(strstr(line, buf_str(&expected)), "'%s' is not number %d", line, i);
    }
    ck_assert_str_eq(rest, "");
    free(at);
    buf_fini(&expected);
    program_fini(&p);
    end();
}
END_TEST

START_TEST(one_direction)
{
    struct program p;
    begin(NULL);
    START(&p, "@in:te*", "--count", "2");
    wait_watched(1);
    some_of_all("/test/", "test");
    ck_assert_int_eq(program_finish(&p), 0);
    ck_assert_ptr_null(strstr(buf_str(&p.said), "hello"));
    ck_assert_ptr_null(strstr(buf_str(&p.said), "+"));
    program_fini(&p);
    end();
}
END_TEST

/* It does not go on when nobody gets to see what it shows. */
START_TEST(nowhere_to_write)
{
    struct program p;
    char command[512];
    begin(NULL);
    snprintf(command, sizeof command, "exec %s tail test >/dev/full", site_program("wsctl"));
    start(&p, (const char *const[]){"/bin/sh", "-c", command, NULL});
    wait_watched(3);
    resp_expect(control, "PUBLISH test x", "0");
    ck_assert_int_eq(program_finish(&p), 7);
    ck_assert_str_eq(buf_str(&p.complained), "wsctl: can't write: No space left on device\n");
    program_fini(&p);
    end();
}
END_TEST

START_TEST(for_a_time)
{
    struct program p;
    begin(NULL);
    int64_t began = clock_mono_ms();
    START(&p, "test", "--for", "400ms");
    ck_assert_int_eq(program_finish(&p), 0);
    ck_assert_int_ge(clock_mono_ms() - began, 400);
    ck_assert_str_eq(buf_str(&p.said), "");
    ck_assert_str_eq(buf_str(&p.complained), "");
    program_fini(&p);
    end();
}
END_TEST

/* A worker that ends, in good order or not, is looked for, and watched again when it is back. */
START_TEST(the_worker_goes)
{
    struct program p;
    begin(NULL);
    START(&p, "test", "--count", "2");
    wait_watched(3);
    resp_expect(control, "PUBLISH test before", "0");
    program_expect(&p, "-> test: before\n");
    resp_free(control);
    if (_i)
        site_kill(site, SITE_WORKER);
    else
        site_end(site, SITE_WORKER);
    program_expect_complaint(&p, "The worker is gone; looking for it on ");
    site_begin(site, SITE_WORKER);
    control = resp_open(site_control(site));
    program_expect_complaint(&p, "The worker is back on ");
    resp_expect(control, "PUBLISH test after", "0");
    ck_assert_int_eq(program_finish(&p), 0);
    ck_assert_ptr_nonnull(strstr(buf_str(&p.said), "-> test: after\n"));
    program_fini(&p);
    end();
}
END_TEST

START_TEST(the_worker_stays_away)
{
    struct program p;
    begin(NULL);
    START(&p, "test", "--for", "1");
    wait_watched(3);
    resp_free(control);
    site_end(site, SITE_WORKER);
    ck_assert_int_eq(program_finish(&p), 3);
    ck_assert_ptr_nonnull(strstr(buf_str(&p.complained), "no worker on "));
    program_fini(&p);
    control = NULL;
    end();
}
END_TEST

static bool was_dropped(void *arg)
{
    (void)arg;
    struct resp_value *stats = resp_call(control, "INFO", "stats", NULL);
    bool dropped = strstr(stats->text, "watchers_dropped:1") != NULL;
    resp_value_free(stats);
    return dropped;
}

/* Whose output nobody reads is dropped by the worker: all that came before is shown, then it is said. */
START_TEST(too_slow)
{
    enum { SIZE = 100000 };
    struct program p;
    char *message = malloc(SIZE + 64);
    begin(NULL);
    START(&p, "--json", "test");
    wait_watched(3);
    for (int i = 0; i < 200 && !was_dropped(NULL); i++) {
        int head = snprintf(message, 64, "%d-", i);
        memset(message + head, 'x', SIZE);
        message[head + SIZE] = '\0';
        resp_value_free(resp_call(control, "PUBLISH", "test", message, NULL));
    }
    ck_assert(site_until(was_dropped, NULL, 10000));
    ck_assert_int_eq(program_finish(&p), 7);
    ck_assert_ptr_nonnull(strstr(buf_str(&p.complained), "the worker has ended this connection"));
    const char *at = buf_str(&p.said);
    int shown = 0;
    for (; *at; shown++, at = strchr(at, '\n') + 1)
        ck_assert_int_eq(atoi(strstr(at, "\"data\":\"") + strlen("\"data\":\"")), shown);
    ck_assert_int_ge(shown, 1);
    program_fini(&p);
    free(message);
    end();
}
END_TEST

/* Killed by another operator is the same: nothing is lost without a word. */
START_TEST(killed)
{
    struct program p;
    begin(NULL);
    START(&p, "test");
    wait_watched(3);
    struct resp_value *list = resp_call(control, "CLIENT", "LIST", NULL);
    const char *line = strstr(list->text, "cmd=subscribe");
    ck_assert_msg(line, "%s", list->text);
    while (line > list->text && line[-1] != '\n')
        line--;
    char command[64];
    snprintf(command, sizeof command, "CLIENT KILL ID %d", atoi(line + strlen("id=")));
    resp_value_free(list);
    resp_expect(control, command, "1");
    ck_assert_int_eq(program_finish(&p), 7);
    program_fini(&p);
    end();
}
END_TEST

START_TEST(wrong_words)
{
    static const struct {
        const char *a, *b;
        int status;
        const char *says;
    } rows[] = {{"te st", NULL, 2, "BADNAME"},      {"@client:c1", NULL, 2, "BADNAME"},
                {"te[st", NULL, 2, "BADNAME"},      {"--count", "0", 2, "--count '0' is not"},
                {"--count", "x", 2, "--count 'x'"}, {"--for", "soon", 2, "--for 'soon' is not a time"},
                {"test", "@in:@x", 2, "BADNAME"}};
    begin(NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct program p;
        START(&p, rows[i].a, rows[i].b);
        ck_assert_int_eq(program_finish(&p), rows[i].status);
        ck_assert_msg(strstr(buf_str(&p.complained), rows[i].says), "%zu: %s", i, buf_str(&p.complained));
        program_fini(&p);
    }
    end();
}
END_TEST

START_TEST(no_worker)
{
    struct program p;
    site = site_start(&(struct site_options){.no_nginx = true, .no_responder = true, .no_worker = true});
    START(&p, "test");
    ck_assert_int_eq(program_finish(&p), 3);
    ck_assert_ptr_nonnull(strstr(buf_str(&p.complained), "no worker on "));
    program_fini(&p);
    site_stop(site);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wsctl tail");
    TCase *tc = tcase_create("tail");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, lines);
    tcase_add_test(tc, json_lines);
    tcase_add_test(tc, users);
    tcase_add_test(tc, users_as_json);
    tcase_add_test(tc, everything);
    tcase_add_test(tc, once_and_in_order);
    tcase_add_test(tc, one_direction);
    tcase_add_test(tc, nowhere_to_write);
    tcase_add_test(tc, for_a_time);
    tcase_add_loop_test(tc, the_worker_goes, 0, 2);
    tcase_add_test(tc, the_worker_stays_away);
    tcase_add_test(tc, too_slow);
    tcase_add_test(tc, killed);
    tcase_add_test(tc, wrong_words);
    tcase_add_test(tc, no_worker);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
