/*
 * What operators ask of the worker itself, through real nginx: WS.DRAIN (`wsctl drain`) and WS.RELOAD
 * (`wsctl reload`).
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "crowd.h"
#include "figures.h"
#include "http.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

static struct site *site;
static struct resp *control;
static char *first_config;

static void begin(int threads, const char *config)
{
    site = site_start(&(struct site_options){.threads = threads, .config = config, .no_responder = true});
    control = resp_open(site_control(site));
    ck_assert_ptr_nonnull(control);
    first_config = site_read_file(site_path(site, "wspush.conf"), NULL);
}

static void end(void)
{
    free(first_config);
    resp_free(control);
    site_stop(site);
}

static struct wsclient *visit(void)
{
    return wsclient_open(site_http(site), "/test/");
}

static void expect_refused(void)
{
    struct wsclient *c = wsclient_connect(site_http(site), "/test/", NULL);
    ck_assert_int_eq(wsclient_status(c), 503);
    ck_assert_ptr_nonnull(strstr(wsclient_body(c), "the server is going away"));
    wsclient_free(c);
}

static void expect_asked_to_leave(struct wsclient *c)
{
    ck_assert_str_eq(wsclient_expect_close(c, 1001), "the server is going away");
    wsclient_free(c);
}

/* wsctl with these words; the test fails on another status or output. A '*' at its end stands for any rest.
 */
static void wsctl(const char *words, int status, const char *expected)
{
    char copy[256];
    const char *argv[16] = {site_program("wsctl"), "--socket", site_control(site) + strlen("unix:")};
    int argc = 3;
    char *said = NULL;
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok(copy, " "); word && argc < 15; word = strtok(NULL, " "))
        argv[argc++] = word;
    ck_assert_int_eq(site_run(argv, NULL, &said, 10000), status);
    size_t len = strlen(expected);
    bool open = len && expected[len - 1] == '*';
    bool same = open ? strncmp(said, expected, len - 1) == 0 : strcmp(said, expected) == 0;
    ck_assert_msg(same, "wsctl %s: %s", words, said);
    free(said);
}

/* ---- WS.DRAIN ---- */

START_TEST(everybody_leaves_and_may_come_back)
{
    struct wsclient *clients[3];
    begin(_i + 1, "");
    for (int i = 0; i < 3; i++)
        clients[i] = visit();
    long long began = http_now();
    resp_expect(control, "WS.DRAIN FOR 1500", "3");
    ck_assert_int_eq(info_get(control, "draining"), 1);
    for (int i = 0; i < 3; i++)
        expect_asked_to_leave(clients[i]);
    expect_refused();
    info_until(control, "draining", 0);
    ck_assert_int_ge(http_now() - began, 1490);
    struct wsclient *back = visit();
    resp_expect(control, "PUBLISH test hello", "1");
    wsclient_expect_text(back, "hello");
    wsclient_close(back);
    end();
}
END_TEST

START_TEST(another_drain_replaces_the_time)
{
    begin(_i + 1, "drain_time = 300ms\n");
    struct wsclient *c = visit();
    resp_expect(control, "WS.DRAIN FOR 3600000", "1");
    expect_asked_to_leave(c);
    info_until(control, "connected_clients", 0);
    resp_expect(control, "ws.drain", "0"); /* drain_time */
    expect_refused();
    info_until(control, "draining", 0);
    c = visit();
    resp_expect(control, "WS.DRAIN FOR 3600000", "1");
    expect_asked_to_leave(c);
    resp_expect(control, "WS.DRAIN FOR 0", "0");
    info_until(control, "draining", 0);
    wsclient_close(visit());
    end();
}
END_TEST

/* They are asked little by little, each once, and by the end of the time all are. How many are gone is held
 * against what the clock says before and after the look. */
START_TEST(spread_over_the_time)
{
    enum { CLIENTS = 100, TIME = 3000, SLACK = 15 };
    long long before, after, began = http_now();
    begin(_i + 1, "");
    struct crowd *crowd = crowd_open(site_http(site), "/test/", CLIENTS);
    began = http_now();
    resp_expect(control, "WS.DRAIN FOR 3000", "100");
    long long answered = http_now();
    do {
        before = http_now() - answered;
        long long gone = CLIENTS - info_get(control, "connected_clients");
        after = http_now() - began;
        ck_assert_int_le(gone, CLIENTS * after / TIME + SLACK);
        ck_assert_int_ge(gone, CLIENTS * before / TIME - SLACK);
    } while (before < TIME / 2);
    crowd_expect_close(crowd, 1001, 5000);
    crowd_free(crowd);
    info_until(control, "draining", 0);
    end();
}
END_TEST

/* FOR 0: whoever was not asked yet stays. */
START_TEST(ended)
{
    begin(_i + 1, "");
    struct crowd *crowd = crowd_open(site_http(site), "/test/", 20);
    resp_expect(control, "WS.DRAIN FOR 3600000", "20");
    resp_expect(control, "WS.DRAIN FOR 0", "0");
    ck_assert_int_eq(info_get(control, "draining"), 0);
    long long left = info_get(control, "connected_clients");
    ck_assert_msg(left == 20 - (_i + 1), "%lld are left", left); /* each thread has asked one */
    struct wsclient *back = visit();
    ck_assert_int_eq(resp_integer(control, "PUBLISH test hello"), left + 1);
    wsclient_expect_text(back, "hello");
    wsclient_close(back);
    resp_expect(control, "WS.DRAIN FOR 0", "0"); /* there is none */
    crowd_free(crowd);
    end();
}
END_TEST

START_TEST(without_any_time)
{
    begin(_i + 1, "drain_time = 0\n");
    struct crowd *crowd = crowd_open(site_http(site), "/test/", 20);
    resp_expect(control, "WS.DRAIN", "20");
    crowd_expect_close(crowd, 1001, 5000);
    info_until(control, "draining", 0);
    crowd_free(crowd);
    end();
}
END_TEST

/* drain_time is how long it may take, not how long it has to. */
START_TEST(few_do_not_make_a_stop_slow)
{
    begin(_i + 1, "drain_time = 60s\n");
    struct crowd *crowd = crowd_open(site_http(site), "/test/", 100);
    site_signal(site, SITE_WORKER, SIGTERM);
    crowd_expect_close(crowd, 1001, 10000);
    crowd_free(crowd);
    int status = site_wait_end(site, SITE_WORKER, 10000);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned)status);
    end();
}
END_TEST

START_TEST(sigterm_meanwhile)
{
    begin(_i + 1, "close_timeout = 500ms\n");
    struct wsclient *deaf = visit();
    resp_expect(control, "WS.DRAIN FOR 3600000", "1");
    site_signal(site, SITE_WORKER, SIGTERM);
    site_wait_log(site, SITE_WORKER, "going away", 5000);
    resp_expect(control, "WS.DRAIN FOR 0", "-ERR the worker is going away already");
    resp_expect(control, "WS.RELOAD", "-ERR too late, this is going away");
    int status = site_wait_end(site, SITE_WORKER, 5000);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned)status);
    wsclient_free(deaf);
    end();
}
END_TEST

START_TEST(wrong_drains)
{
    begin(1, "");
    resp_expect(control, "WS.DRAIN 5", "-ERR usage: WS.DRAIN [FOR ms]");
    resp_expect(control, "WS.DRAIN FOR", "-ERR usage: WS.DRAIN [FOR ms]");
    resp_expect(control, "WS.DRAIN FOR -1", "-ERR '-1': expected a whole number of milliseconds*");
    resp_expect(control, "WS.DRAIN FOR 86400001", "-ERR FOR is at most a day, 86400000 ms");
    ck_assert_int_eq(info_get(control, "draining"), 0);
    resp_expect(control, "MULTI", "OK");
    resp_expect(control, "WS.DRAIN FOR 0", "QUEUED");
    resp_expect(control, "PING", "QUEUED");
    resp_expect(control, "EXEC", "[0, PONG]");
    end();
}
END_TEST

START_TEST(wsctl_drain)
{
    begin(1, "");
    struct wsclient *c = visit();
    wsctl("drain --for 1h", 0, "1 client is asked to leave; for 3600 s no new one is let in\n");
    expect_asked_to_leave(c);
    wsctl("drain --for 0", 0, "whoever is still there stays, and new clients are let in\n");
    ck_assert_int_eq(info_get(control, "draining"), 0);
    wsctl("--json drain --for 0", 0, "{\"asked\":0}\n");
    wsctl("drain --for soon", 2, "wsctl drain: --for 'soon' is not a time*");
    wsctl("drain --for 25h", 7, "wsctl: ERR FOR is at most a day, 86400000 ms\n");
    end();
}
END_TEST

/* ---- WS.RELOAD ---- */

/* The first configuration with these lines behind it. */
static void write_config(const char *lines)
{
    char text[4096];
    snprintf(text, sizeof text, "%s\n%s", first_config, lines);
    site_write_file(site, "wspush.conf", text);
}

#define LIMIT_CHANGE                                                                                         \
    "[[\"option\", \"message_limit\", \"channel\", \"\", \"old\", \"1m\", \"new\", \"10\", \"applies\", "    \
    "\"now\"]]"

/* When the reply is there, all threads go by it. */
START_TEST(who_is_connected_goes_by_it)
{
    begin(_i + 1, "");
    struct crowd *crowd = crowd_open(site_http(site), "/test/", 20);
    resp_expect(control, "WS.RELOAD", "[]");
    write_config("message_limit = 10\n");
    resp_expect(control, "WS.RELOAD", LIMIT_CHANGE);
    crowd_say(crowd, "eleven byte");
    crowd_expect_close(crowd, 1009, 5000);
    crowd_free(crowd);
    resp_expect(control, "PUBLISH test 12345678901", "-TOOBIG limit 10");
    resp_expect(control, "WS.RELOAD", "[]");
    resp_expect(control, "HELLO 3", "{*");
    write_config("socket_mode = 0600\nchannel \"a/*\" { slow = drop }\nchannel \"b\" { }\n");
    static const char maps[] =
        "[{\"option\": \"socket_mode\", \"channel\": \"\", \"old\": \"0660\", \"new\": \"0600\", "
        "\"applies\": \"restart\"}, {\"option\": \"message_limit\", \"channel\": \"\", "
        "\"old\": \"10\", \"new\": \"1m\", \"applies\": \"now\"}, {\"option\": \"channel\", "
        "\"channel\": \"a/*\", \"old\": null, \"new\": \"{ slow = drop }\", \"applies\": "
        "\"now\"}, {\"option\": \"channel\", \"channel\": \"b\", \"old\": null, \"new\": \"{ "
        "}\", \"applies\": \"now\"}]";
    resp_expect(control, "WS.RELOAD DRYRUN", maps);
    resp_expect(control, "WS.RELOAD", maps);
    end();
}
END_TEST

START_TEST(a_dry_run_changes_nothing)
{
    begin(1, "");
    write_config("message_limit = 10\n");
    resp_expect(control, "WS.RELOAD dryrun", LIMIT_CHANGE);
    resp_expect(control, "WS.RELOAD dryrun", LIMIT_CHANGE);
    resp_expect(control, "PUBLISH test 12345678901", "0");
    resp_expect(control, "WS.RELOAD wetrun", "-ERR usage: WS.RELOAD [DRYRUN]");
    write_config("message_limit = ten\n");
    resp_expect(control, "WS.RELOAD dryrun", "-ERR /tmp/*");
    char *log = site_log(site, SITE_WORKER);
    ck_assert_ptr_null(strstr(log, "RELOAD"));
    free(log);
    end();
}
END_TEST

START_TEST(a_bad_file_changes_nothing)
{
    char expected[300];
    begin(_i + 1, "");
    int lines = 1;
    for (const char *p = first_config; *p; p++)
        lines += *p == '\n';
    write_config("message_limit = 10\nin_frames = many\n");
    snprintf(expected, sizeof expected,
             "-ERR %s:%d: in_frames = \"many\": expected a whole number, from 0 to 1000000",
             site_path(site, "wspush.conf"), lines + 2);
    resp_expect(control, "WS.RELOAD", expected);
    resp_expect(control, "PUBLISH test 12345678901", "0");
    site_wait_log(site, SITE_WORKER, "the configuration stays as it was", 5000);
    end();
}
END_TEST

/* Those who ask at the same time, and SIGHUP between them: each is answered, in the order of its own. */
START_TEST(several_at_once)
{
    enum { OPERATORS = 8 };
    struct resp *operators[OPERATORS];
    begin(_i + 1, "");
    for (int i = 0; i < OPERATORS; i++) {
        operators[i] = resp_open(site_control(site));
        ck_assert_ptr_nonnull(operators[i]);
    }
    write_config("message_limit = 10\n");
    for (int i = 0; i < OPERATORS; i++) {
        static const char pipeline[] =
            "WS.RELOAD\r\nPING\r\nWS.RELOAD\r\nMULTI\r\nWS.RELOAD\r\nPING\r\nEXEC\r\n";
        ck_assert_int_eq(resp_send_raw(operators[i], pipeline, sizeof pipeline - 1), 0);
        site_signal(site, SITE_WORKER, SIGHUP);
    }
    resp_free(operators[0]); /* who is gone is no matter */
    for (int i = 1; i < OPERATORS; i++) {
        resp_expect_next(operators[i], "[*");
        resp_expect_next(operators[i], "PONG");
        resp_expect_next(operators[i], "[]");
        resp_expect_next(operators[i], "OK");
        resp_expect_next(operators[i], "QUEUED");
        resp_expect_next(operators[i], "QUEUED");
        resp_expect_next(operators[i], "[[], PONG]");
        resp_free(operators[i]);
    }
    resp_expect(control, "PUBLISH test 12345678901", "-TOOBIG limit 10");
    end();
}
END_TEST

START_TEST(wsctl_reload)
{
    begin(1, "");
    wsctl("reload", 0, "nothing changes\n");
    write_config(
        "socket_mode = 0600\nslow = drop\nfcgi_threads = 2\nchannel \"chat/**\" { inbound = echo }\n");
    static const char changes[] = "socket_mode = 0600 (was 0660), from the next start\n"
                                  "fcgi_threads = 2 (was 4), for wspush-fcgi\n"
                                  "slow = drop (was close)\n"
                                  "new: channel \"chat/**\" { inbound = echo }\n";
    wsctl("reload --dry-run", 0, changes);
    wsctl("reload", 0, changes);
    write_config("slow = drop\nchannel \"x\" { }\nchannel \"chat/**\" { }\n");
    wsctl("reload", 0,
          "fcgi_threads = 4 (was 2), for wspush-fcgi\n"
          "new: channel \"x\" { }\n"
          "channel \"chat/**\": inbound = inbox (was echo)\n");
    write_config("slow = drop\nchannel \"chat/**\" { }\nchannel \"x\" { }\n");
    wsctl("reload", 0, "order of the channel sections: {\"chat/**\", \"x\"}\n");
    write_config("slow = drop\nchannel \"x\" { }\n");
    wsctl("--json reload", 0,
          "{\"option\":\"channel\",\"channel\":\"chat/**\",\"old\":\"{ "
          "}\",\"new\":null,\"applies\":\"now\"}\n");
    write_config("slow = drip\n");
    wsctl("reload", 7, "wsctl: ERR /tmp/*");
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker");
    TCase *tc = tcase_create("drain");
    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, everybody_leaves_and_may_come_back, 0, 2);
    tcase_add_loop_test(tc, another_drain_replaces_the_time, 0, 2);
    tcase_add_loop_test(tc, spread_over_the_time, 0, 2);
    tcase_add_loop_test(tc, ended, 0, 2);
    tcase_add_loop_test(tc, without_any_time, 0, 2);
    tcase_add_loop_test(tc, few_do_not_make_a_stop_slow, 0, 2);
    tcase_add_loop_test(tc, sigterm_meanwhile, 0, 2);
    tcase_add_test(tc, wrong_drains);
    tcase_add_test(tc, wsctl_drain);
    suite_add_tcase(suite, tc);
    tc = tcase_create("reload");
    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, who_is_connected_goes_by_it, 0, 2);
    tcase_add_test(tc, a_dry_run_changes_nothing);
    tcase_add_loop_test(tc, a_bad_file_changes_nothing, 0, 2);
    tcase_add_loop_test(tc, several_at_once, 0, 2);
    tcase_add_test(tc, wsctl_reload);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
