/*
 * What an operator can do to browsers, command by command, through real nginx and with all three programs:
 * the rows of docs/CONTROL.md, and what dwebsocket's names have become. Here is what comes in a page's life;
 * elsewhere are: watching (test_watch), drain and reload (test_worker), fan-out (test_push), many waiters
 * (test_crowd_inbox), the responder's side of `mode` and `unlisted` (test_fcgi), locations of any site
 * (test_nginx).
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "http.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

static struct site *site;
static struct resp *control;

static void begin(int threads, const char *config)
{
    site = site_start(&(struct site_options){.threads = threads, .config = config});
    control = resp_open(site_control(site));
    ck_assert_ptr_nonnull(control);
}

static void end(void)
{
    resp_free(control);
    site_stop(site);
}

/* The first is c1, the second c2 and so on. */
static struct wsclient *visit(const char *path)
{
    return wsclient_open(site_http(site), path);
}

static void say(struct wsclient *c, const char *text)
{
    ck_assert_int_eq(wsclient_send_text(c, text), 0);
}

/* wsctl, its words separated by '|'; the test fails on another status or output. */
static void wsctl(const char *words, int status, const char *expected)
{
    char copy[256];
    const char *argv[16] = {site_program("wsctl"), "--socket", site_control(site) + strlen("unix:")};
    int argc = 3;
    char *said = NULL;
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok(copy, "|"); word && argc < 15; word = strtok(NULL, "|"))
        argv[argc++] = word;
    int ended = site_run(argv, NULL, &said, 10000);
    ck_assert_msg(ended == status && strcmp(said, expected) == 0, "wsctl %s: status %d, %s", words, ended,
                  said);
    free(said);
}

/* ---- sending ---- */

START_TEST(publish_to_each_kind_of_target)
{
    begin(_i + 1, "");
    struct wsclient *a = visit("/test/"), *b = visit("/test/"), *other = visit("/other/");
    resp_expect(control, "PUBLISH test one", "2");
    resp_expect(control, "PUBLISH @client:c2 two", "1");
    resp_expect(control, "PUBLISH @all three", "3");
    resp_expect(control, "PUBLISH @client:c9 x", "-NOTARGET*");
    resp_expect(control, "PUBLISH nobody/here x", "0");
    wsclient_expect_text(a, "one");
    wsclient_expect_text(a, "three");
    wsclient_expect_text(b, "one");
    wsclient_expect_text(b, "two");
    wsclient_expect_text(b, "three");
    wsclient_expect_text(other, "three");
    wsclient_close(a);
    info_until(control, "connected_clients", 2);
    resp_expect(control, "PUBLISH @client:c1 late", "0");
    wsclient_close(b);
    wsclient_close(other);
    end();
}
END_TEST

START_TEST(send_text_and_bytes)
{
    static const char text[] = "\xe6\x88\xbf\xe9\x97\xb4 caf\xc3\xa9 \xf0\x9f\x99\x82";
    begin(_i + 1, "");
    struct wsclient *c = visit("/test/");
    struct resp_value *v = resp_call(control, "WS.SEND", "test", text, NULL);
    ck_assert(v && v->count == 2 && v->items[0]->integer == 1 && v->items[1]->type == '$');
    resp_value_free(v);
    resp_expect(control, "WS.SEND @client:c1 hi", "[1, null]");
    const char *bytes[] = {"WS.SEND", "@all", "\0\xff\r\n", "BINARY"};
    const size_t lens[] = {7, 4, 4, 6};
    ck_assert_int_eq(resp_send_argv(control, 4, bytes, lens), 0);
    resp_expect_next(control, "[1, null]");
    resp_expect(control, "WS.SEND @client:c1 last WAIT handed", "[1, null, [\"handed\", 1], []]");
    wsclient_expect_text(c, text);
    wsclient_expect_text(c, "hi");
    wsclient_expect_binary(c, bytes[2], 4);
    wsclient_expect_text(c, "last");
    wsclient_close(c);
    end();
}
END_TEST

/* ---- what clients say ---- */

/* Message, timeout and closed are three different answers; the end of a client is no message. */
START_TEST(wait_read_count_has)
{
    begin(_i + 1, "");
    struct wsclient *a = visit("/test/"), *b = visit("/test/");
    resp_expect(control, "WS.HAS test", "0");
    resp_expect(control, "WS.READ test", "null");
    resp_expect(control, "WS.WAIT test TIMEOUT 20", "[\"timeout\"]");
    say(a, "caf\xc3\xa9");
    integer_until(control, "WS.COUNT test", 1);
    say(b, "");
    integer_until(control, "WS.COUNT test", 2);
    resp_expect(control, "WS.COUNT @client:c2", "1");
    resp_expect(control, "WS.HAS test", "1");
    resp_expect(control, "WS.WAIT @client:c2", "[\"c2\", \"test\", \"text\", \"\", *");
    resp_expect(control, "WS.READ test", "[\"c1\", \"test\", \"text\", \"caf\xc3\xa9\", *");
    ck_assert_int_eq(wsclient_send_binary(a, "\0\1", 2), 0);
    resp_expect(control, "WS.WAIT test TIMEOUT 5000", "[\"c1\", \"test\", \"binary\", \"\\x00\\x01\", *");
    say(a, "last words");
    wsclient_close(a);
    info_until(control, "connected_clients", 1);
    resp_expect(control, "WS.COUNT @client:c1", "1");
    resp_expect(control, "WS.WAIT @client:c1", "[\"c1\", \"test\", \"text\", \"last words\", *");
    resp_expect(control, "WS.WAIT @client:c1", "[\"closed\"]");
    resp_expect(control, "WS.READ @client:c1", "[\"closed\"]");
    resp_expect(control, "WS.HAS @client:c1", "0");
    resp_expect(control, "WS.HAS test", "0");
    wsclient_close(b);
    end();
}
END_TEST

/* ---- clients ---- */

START_TEST(list_and_close)
{
    begin(_i + 1, "");
    struct wsclient *a = visit("/test/"), *b = visit("/chat/room1");
    say(a, "hi");
    integer_until(control, "WS.COUNT test", 1);
    resp_expect(control, "HELLO 3", "{*");
    resp_expect(
        control, "WS.LIST chat/room1",
        "[{\"client\": \"c2\", \"user\": \"\", \"channels\": [\"chat/room1\"], \"transport\": \"raw\", "
        "\"address\": \"127.0.0.1\", \"since\": 1*");
    struct resp_value *v = resp_call(control, "WS.LIST", NULL);
    ck_assert(v && v->count == 2);
    resp_value_free(v);
    resp_expect(control, "WS.LIST @client:c1", "[{\"client\": \"c1\", *");
    resp_expect(control, "WS.LIST nobody/here", "[]");
    resp_expect(control, "WS.CLOSE @client:c2", "1");
    ck_assert_str_eq(wsclient_expect_close(b, 1000), "");
    resp_expect(control, "WS.CLOSE test 4001 \"see you\"", "1");
    ck_assert_str_eq(wsclient_expect_close(a, 4001), "see you");
    info_until(control, "connected_clients", 0);
    resp_expect(control, "WS.CLOSE @all", "0");
    resp_expect(control, "WS.CLOSE @client:c1", "0");
    resp_expect(control, "PUBLISH @client:c1 x", "0"); /* no error, and nothing happens */
    wsclient_free(a);
    wsclient_free(b);
    end();
}
END_TEST

START_TEST(refused)
{
    begin(1, "");
    struct wsclient *c = wsclient_connect(site_http(site), "/test/", "Origin: https://evil.example\r\n");
    ck_assert_int_eq(wsclient_status(c), 403);
    wsclient_free(c);
    resp_expect(control, "HELLO 3", "{*");
    resp_expect(control, "WS.REFUSED COUNT 1", "[{\"time\": 1*");
    char *said = NULL;
    const char *const argv[] = {
        site_program("wsctl"), "--socket", site_control(site) + strlen("unix:"), "--json", "refused", NULL};
    ck_assert_int_eq(site_run(argv, NULL, &said, 10000), 0);
    ck_assert_ptr_nonnull(strstr(said, "\"address\":\"127.0.0.1\",\"channel\":\"test\",\"what\":\"ws\""));
    ck_assert_ptr_nonnull(strstr(said, "\"remedy\":\"origins = {\\\"https://evil.example\\\"}\""));
    free(said);
    end();
}
END_TEST

/* ---- dwebsocket's names ---- */

static void expect_upgrade_required(const char *path)
{
    struct http_reply *r = http_request(site_http(site), "GET", path, NULL, NULL, 0);
    ck_assert_int_eq(r->status, 426);
    ck_assert_str_eq(http_header(r, "Upgrade"), "websocket");
    http_reply_free(r);
}

/* The same channel by an EventSource: a client as good as a WebSocket. */
static void expect_stream(const char *path, const char *command, const char *event)
{
    char request[256];
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n", path);
    struct http_conn *c = http_open(site_http(site));
    ck_assert_int_eq(http_write(c, request, strlen(request)), 0);
    ck_assert_msg(http_until(c, "retry: ", 5000), "%s", c->in);
    ck_assert_msg(strncmp(c->in, "HTTP/1.1 200 ", 13) == 0, "%s", c->in);
    resp_expect(control, command, "1");
    ck_assert_msg(http_until(c, event, 5000), "%s", c->in);
    http_close(c);
}

/* @accept_websocket: one URL is a page and a WebSocket. @require_websocket: no page. */
START_TEST(accept_and_require)
{
    begin(1, "channel \"only/**\" { mode = require inbound = echo }\n");
    ck_assert_int_eq(http_status(site_http(site), "GET", "/test/", NULL), 200);
    struct wsclient *c = visit("/test/");
    resp_expect(control, "PUBLISH test hello", "1");
    wsclient_expect_text(c, "hello");
    wsclient_close(c);
    expect_upgrade_required("/only/ws");
    c = visit("/only/ws");
    say(c, "back");
    wsclient_expect_text(c, "back");
    wsclient_close(c);
    expect_stream("/only/sse", "PUBLISH only/sse hello", "\ndata: hello\n\n");
    end();
}
END_TEST

/* WEBSOCKET_ACCEPT_ALL, and without it. */
START_TEST(serve_and_refuse)
{
    begin(1, "");
    struct wsclient *c = visit("/any/where");
    resp_expect(control, "PUBLISH any/where hello", "1");
    wsclient_expect_text(c, "hello");
    wsclient_close(c);
    end();
    begin(1, "unlisted = refuse\nchannel \"shop/*\" { }\n");
    c = wsclient_connect(site_http(site), "/any/where", NULL);
    ck_assert_int_eq(wsclient_status(c), 404);
    wsclient_free(c);
    resp_expect(control, "PUBLISH any/where hello", "0");
    c = visit("/shop/1");
    resp_expect(control, "PUBLISH shop/1 hello", "1");
    wsclient_expect_text(c, "hello");
    wsclient_close(c);
    end();
}
END_TEST

/* wait() read() count_messages() has_messages() send() close() */
START_TEST(wsctl_has_the_names)
{
    begin(_i + 1, "");
    struct wsclient *c = visit("/test/");
    wsctl("has|test", 1, "no\n");
    wsctl("-q|wait|--timeout|20ms|test", 4, "");
    say(c, "1");
    integer_until(control, "WS.COUNT test", 1);
    say(c, "2");
    integer_until(control, "WS.COUNT test", 2);
    wsctl("has|test", 0, "yes\n");
    wsctl("count|test", 0, "2\n");
    wsctl("wait|test", 0, "1\n");
    wsctl("read|--client|c1", 0, "2\n");
    wsctl("-q|send|--wait|test|caf\xc3\xa9", 0, "");
    wsclient_expect_text(c, "caf\xc3\xa9");
    wsctl("close|--client|c1|4000|bye", 0, "closing 1 client\n");
    ck_assert_str_eq(wsclient_expect_close(c, 4000), "bye");
    info_until(control, "connected_clients", 0);
    wsctl("-q|wait|--client|c1", 5, "");
    wsctl("-q|send|test|nobody", 0, "");
    wsclient_free(c);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rows");
    TCase *tc = tcase_create("rows");
    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, publish_to_each_kind_of_target, 0, 2);
    tcase_add_loop_test(tc, send_text_and_bytes, 0, 2);
    tcase_add_loop_test(tc, wait_read_count_has, 0, 2);
    tcase_add_loop_test(tc, list_and_close, 0, 2);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, accept_and_require);
    tcase_add_test(tc, serve_and_refuse);
    tcase_add_loop_test(tc, wsctl_has_the_names, 0, 2);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
