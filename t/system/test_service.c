/*
 * The worker under a service manager: sockets that were opened for it, what it says to the manager, the
 * watchdog; and SIGHUP, which reads the configuration anew under live connections.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http.h"
#include "manager.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

enum { RELOADS = 40 };

static struct site *site;
static struct manager *manager;

/* A directory with a configuration, and nothing that runs. */
static void begin_bare(const char *config)
{
    site = site_start(
        &(struct site_options){.config = config, .no_nginx = true, .no_responder = true, .no_worker = true});
}

static void begin_managed(const char *config, int watchdog_ms)
{
    begin_bare(config);
    const char *sockets[] = {site_path(site, "ws.sock"), site_path(site, "control.sock"), NULL};
    manager = manager_new(site, &(struct manager_options){"wspushd", sockets, watchdog_ms});
    manager_begin(manager);
    manager_hear(manager, "READY=1");
}

static void end_managed(void)
{
    manager_end(manager);
    manager_free(manager);
    site_stop(site);
}

static void push(const char *text)
{
    struct resp *control = resp_open(site_control(site));
    ck_assert_ptr_nonnull(control);
    char command[100];
    snprintf(command, sizeof command, "PUBLISH test %s", text);
    resp_expect(control, command, "1");
    resp_free(control);
}

static ino_t inode(const char *name)
{
    struct stat st;
    ck_assert_int_eq(stat(site_path(site, name), &st), 0);
    return st.st_ino;
}

/* ---- the manager ---- */

START_TEST(sockets_outlive_the_worker)
{
    begin_managed("drain_time = 100ms\n", 0);
    ino_t ws = inode("ws.sock");
    ino_t control = inode("control.sock");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    push("one");
    wsclient_expect_text(c, "one");

    manager_signal(manager, SIGTERM);
    manager_hear(manager, "STOPPING=1");
    wsclient_expect_close(c, 1001);
    wsclient_free(c);
    ck_assert_int_eq(manager_wait(manager), 0);
    ck_assert_uint_eq(inode("ws.sock"), ws);
    ck_assert_uint_eq(inode("control.sock"), control);

    /* Who comes while nobody is there waits, and is served by the next. */
    struct http_conn *early = http_open(site_ws(site));
    ck_assert_ptr_nonnull(early);
    static const char request[] =
        "GET /test/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    ck_assert_int_eq(http_write(early, request, sizeof request - 1), 0);
    manager_begin(manager);
    manager_hear(manager, "READY=1");
    struct http_reply *reply = http_next(early, false, 5000);
    ck_assert_ptr_nonnull(reply);
    ck_assert_int_eq(reply->status, 101);
    http_reply_free(reply);
    http_close(early);
    end_managed();
}
END_TEST

/* Nobody would ever answer on it. */
START_TEST(a_socket_that_the_configuration_does_not_name)
{
    begin_bare("");
    const char *sockets[] = {site_path(site, "ws.sock"), site_path(site, "other.sock"), NULL};
    manager = manager_new(site, &(struct manager_options){"wspushd", sockets, 0});
    manager_begin(manager);
    int status = manager_wait(manager);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 2);
    char *log = manager_log(manager);
    ck_assert_msg(strstr(log, "other.sock") && strstr(log, "wspushd.socket"), "%s", log);
    ck_assert_msg(strstr(log, "/ws.sock was opened by the service manager, which goes by SocketMode="), "%s",
                  log);
    free(log);
    manager_free(manager);
    site_stop(site);
}
END_TEST

START_TEST(a_tcp_socket)
{
    site = site_start(
        &(struct site_options){.tcp = true, .no_nginx = true, .no_responder = true, .no_worker = true});
    const char *sockets[] = {site_path(site, "ws.sock"), site_tcp(site), NULL};
    manager = manager_new(site, &(struct manager_options){"wspushd", sockets, 0});
    manager_begin(manager);
    manager_hear(manager, "READY=1");
    struct wsclient *c = wsclient_open(site_tcp(site), "/test/");
    push("one");
    wsclient_expect_text(c, "one");
    wsclient_free(c);
    end_managed();
}
END_TEST

/* Only some of the sockets are the manager's: the others are made as always. */
START_TEST(one_socket_of_two)
{
    begin_bare("");
    const char *sockets[] = {site_path(site, "ws.sock"), NULL};
    manager = manager_new(site, &(struct manager_options){"wspushd", sockets, 0});
    manager_begin(manager);
    manager_hear(manager, "READY=1");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    push("one");
    wsclient_expect_text(c, "one");
    wsclient_free(c);
    manager_end(manager);
    ck_assert_int_eq(access(site_path(site, "ws.sock"), F_OK), 0);
    ck_assert_int_ne(access(site_path(site, "control.sock"), F_OK), 0);
    manager_free(manager);
    site_stop(site);
}
END_TEST

START_TEST(watched)
{
    begin_managed(_i ? "threads = 2\n" : "", 400);
    for (int i = 0; i < 3; i++)
        manager_hear(manager, "WATCHDOG=1");
    manager_signal(manager, SIGSTOP);
    while (manager_hears(manager, "WATCHDOG=1", 200))
        ; /* said before */
    ck_assert(!manager_hears(manager, "WATCHDOG=1", 1000));
    manager_signal(manager, SIGCONT);
    manager_hear(manager, "WATCHDOG=1");
    end_managed();
}
END_TEST

START_TEST(says_how_many_are_connected)
{
    begin_managed("", 200);
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    manager_hear(manager, "STATUS=1 connections");
    wsclient_free(c);
    manager_hear(manager, "STATUS=0 connections");
    end_managed();
}
END_TEST

START_TEST(says_that_it_reloads)
{
    begin_managed("", 0);
    manager_signal(manager, SIGHUP);
    manager_hear(manager, "RELOADING=1");
    manager_hear(manager, "READY=1");
    site_write_file(site, "wspush.conf", "nonsense = 1\n");
    manager_signal(manager, SIGHUP);
    manager_hear(manager, "RELOADING=1");
    manager_hear(manager, "READY=1");
    end_managed();
}
END_TEST

/* ---- SIGHUP ---- */

static char *first_config;

static void begin(int threads, const char *config)
{
    site = site_start(
        &(struct site_options){.config = config, .threads = threads, .no_nginx = true, .no_responder = true});
    first_config = site_read_file(site_path(site, "wspush.conf"), NULL);
}

static void end(void)
{
    free(first_config);
    site_stop(site);
}

static size_t reloads(void)
{
    size_t n = 0;
    char *log = site_log(site, SITE_WORKER);
    for (const char *p = log; (p = strstr(p, "SIGHUP: ")); p++)
        n++;
    free(log);
    return n;
}

static bool has_reloaded(void *before)
{
    return reloads() > *(size_t *)before;
}

/* The first configuration with these lines behind it has been read when this returns. */
static void reload_with(const char *lines)
{
    char text[4096];
    size_t before = reloads();
    snprintf(text, sizeof text, "%s\n%s", first_config, lines);
    site_write_file(site, "wspush.conf", text);
    site_signal(site, SITE_WORKER, SIGHUP);
    ck_assert(site_until(has_reloaded, &before, 5000));
}

START_TEST(live_connections_go_by_the_new_rules)
{
    begin(_i + 1, "");
    struct wsclient *c = wsclient_open(site_ws(site), "/room/");
    struct resp *control = resp_open(site_control(site));
    wsclient_send_text(c, "kept");
    resp_expect(control, "WS.WAIT room TIMEOUT 5000", "*");
    reload_with("channel \"room\" { inbound = echo message_limit = 10 }\n");
    wsclient_send_text(c, "echoed");
    wsclient_expect_text(c, "echoed");
    wsclient_send_text(c, "more than ten bytes");
    wsclient_expect_close(c, 1009);
    wsclient_free(c);
    resp_expect(control, "PUBLISH room 12345678901", "-TOOBIG*");
    resp_free(control);
    end();
}
END_TEST

START_TEST(timers_too)
{
    begin(_i + 1, "ping_interval = 1h\n");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    reload_with("channel \"test\" { ping_interval = 100ms }\n");
    struct wsclient_received frame;
    ck_assert_int_eq(wsclient_recv(c, &frame, 5000), WSCLIENT_GOT);
    ck_assert_uint_eq(frame.opcode, WSCLIENT_PING);
    wsclient_free(c);
    end();
}
END_TEST

/* A handshake that had begun is judged by the new rules too. */
START_TEST(nobody_is_turned_out)
{
    begin(_i + 1, "");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    struct http_conn *half = http_open(site_ws(site));
    ck_assert_int_eq(http_write(half, "GET /test/ HTTP/1.1\r\n", 21), 0);
    reload_with("unlisted = refuse\nchannel \"other\" { }\n");
    push("still-here");
    wsclient_expect_text(c, "still-here");
    struct wsclient *late = wsclient_connect(site_ws(site), "/test/", NULL);
    ck_assert_int_eq(wsclient_status(late), 404);
    wsclient_free(late);
    static const char rest[] =
        "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    ck_assert_int_eq(http_write(half, rest, sizeof rest - 1), 0);
    struct http_reply *reply = http_next(half, false, 5000);
    ck_assert_ptr_nonnull(reply);
    ck_assert_int_eq(reply->status, 404);
    http_reply_free(reply);
    http_close(half);
    late = wsclient_open(site_ws(site), "/other/");
    wsclient_free(late);
    wsclient_free(c);
    end();
}
END_TEST

START_TEST(a_bad_file_changes_nothing)
{
    begin(1, "channel \"test\" { inbound = echo }\n");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    reload_with("channel \"test/*\" { inbound = sideways }\n");
    char *log = site_log(site, SITE_WORKER);
    ck_assert_msg(strstr(log, "wspush.conf:") && strstr(log, "inbox|echo|publish|off") &&
                      strstr(log, "stays as it was"),
                  "%s", log);
    free(log);
    wsclient_send_text(c, "as before");
    wsclient_expect_text(c, "as before");
    wsclient_close(c);
    end();
}
END_TEST

START_TEST(what_holds_from_the_next_start)
{
    begin(1, "");
    reload_with("socket_mode = 0600\nmax_clients = 2\n");
    char *log = site_log(site, SITE_WORKER);
    ck_assert_msg(strstr(log, "socket_mode has changed in ") && strstr(log, "holds from the next start"),
                  "%s", log);
    ck_assert_msg(!strstr(log, "max_clients has changed"), "%s", log);
    free(log);
    struct wsclient *a = wsclient_open(site_ws(site), "/test/");
    struct wsclient *b = wsclient_open(site_ws(site), "/test/");
    struct wsclient *third = wsclient_connect(site_ws(site), "/test/", NULL);
    ck_assert_int_eq(wsclient_status(third), 503);
    wsclient_free(third);
    wsclient_free(b);
    wsclient_free(a);
    end();
}
END_TEST

/* Many times, with clients that come, talk and go, and a message that has to arrive after each. */
START_TEST(again_and_again_under_traffic)
{
    static const char *const lines[] = {"channel \"test\" { inbound = publish ping_interval = 100ms }\n",
                                        "channel \"t*\" { out_slow = 64k }\nchannel \"x\" { }\n", ""};
    begin(_i + 1, "");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    for (int i = 0; i < RELOADS; i++) {
        char text[32];
        struct wsclient *passing = wsclient_connect(site_ws(site), "/test/x", NULL);
        reload_with(lines[i % 3]);
        snprintf(text, sizeof text, "m%d", i);
        push(text);
        wsclient_expect_text(c, text);
        wsclient_free(passing);
    }
    wsclient_close(c);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("service");
    TCase *tc = tcase_create("service");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, sockets_outlive_the_worker);
    tcase_add_test(tc, a_socket_that_the_configuration_does_not_name);
    tcase_add_test(tc, a_tcp_socket);
    tcase_add_test(tc, one_socket_of_two);
    tcase_add_loop_test(tc, watched, 0, 2);
    tcase_add_test(tc, says_how_many_are_connected);
    tcase_add_test(tc, says_that_it_reloads);
    tcase_add_loop_test(tc, live_connections_go_by_the_new_rules, 0, 2);
    tcase_add_loop_test(tc, timers_too, 0, 2);
    tcase_add_loop_test(tc, nobody_is_turned_out, 0, 2);
    tcase_add_test(tc, a_bad_file_changes_nothing);
    tcase_add_test(tc, what_holds_from_the_next_start);
    tcase_add_loop_test(tc, again_and_again_under_traffic, 0, 2);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
