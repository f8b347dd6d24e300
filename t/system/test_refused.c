/*
 * Who was not let in, and what would let them in: WS.REFUSED and `wsctl refused`, of WebSockets and of POSTs;
 * each remedy is written into wspush.conf and does what it says.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "http.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

#define EVIL "Origin: https://evil.example\r\n"

static struct site *site;
static struct resp *control;

static void begin_with(struct site_options options)
{
    site = site_start(&options);
    control = resp_open(site_control(site));
    ck_assert_ptr_nonnull(control);
}

static void begin(const char *config)
{
    begin_with((struct site_options){.config = config, .no_nginx = true, .no_responder = true});
}

static void end(void)
{
    resp_free(control);
    site_stop(site);
}

static void expect_refusal(int status, const char *path, const char *headers)
{
    struct wsclient *c = wsclient_connect(site_ws(site), path, headers);
    ck_assert_int_eq(wsclient_status(c), status);
    wsclient_free(c);
}

/* The field of the row, of the RESP2 answer. */
static const char *field(const struct resp_value *rows, size_t row, const char *name)
{
    ck_assert_uint_lt(row, rows->count);
    const struct resp_value *fields = rows->items[row];
    for (size_t i = 0; i + 1 < fields->count; i += 2)
        if (strcmp(fields->items[i]->text, name) == 0)
            return fields->items[i + 1]->text;
    ck_abort_msg("no field %s", name);
}

static void expect_field(size_t row, const char *name, const char *expected)
{
    struct resp_value *rows = resp_call(control, "WS.REFUSED", NULL);
    const char *is = field(rows, row, name);
    ck_assert_msg(strcmp(is, expected) == 0, "%s is '%s', not '%s'", name, is, expected);
    resp_value_free(rows);
}

/* Puts the line into wspush.conf, in place of one that sets the same option, and makes it hold. */
static void take_line(const char *line)
{
    char *text = site_read_file(site_path(site, "wspush.conf"), NULL);
    struct buf fresh = {0};
    size_t name = strcspn(line, " ");
    char *rest = NULL;
    for (char *old = strtok_r(text, "\n", &rest); old; old = strtok_r(NULL, "\n", &rest))
        if (strncmp(old, line, name + 1) != 0)
            buf_addf(&fresh, "%s\n", old);
    buf_addf(&fresh, "%s\n", line);
    site_write_file(site, "wspush.conf", buf_str(&fresh));
    buf_fini(&fresh);
    free(text);
    site_signal(site, SITE_WORKER, SIGHUP);
    site_wait_log(site, SITE_WORKER, "SIGHUP: from now on", 5000);
}

static void take_remedy(void)
{
    struct resp_value *rows = resp_call(control, "WS.REFUSED", NULL);
    take_line(field(rows, 0, "remedy"));
    resp_value_free(rows);
}

static void expect_let_in(const char *path, const char *headers)
{
    struct wsclient *c = wsclient_connect(site_ws(site), path, headers);
    ck_assert_msg(wsclient_accepted(c), "%s", wsclient_head(c));
    wsclient_close(c);
}

START_TEST(an_origin)
{
    begin(NULL);
    resp_expect(control, "WS.REFUSED", "[]");
    expect_refusal(403, "/test/room", EVIL "X-Real-IP: 203.0.113.9\r\n");
    expect_field(0, "what", "ws");
    expect_field(0, "address", "203.0.113.9");
    expect_field(0, "channel", "test/room");
    expect_field(0, "why", "the Origin https://evil.example is neither this host nor in 'origins'");
    expect_field(0, "remedy", "origins = {\"https://evil.example\"}");
    take_remedy();
    expect_let_in("/test/room", EVIL);
    expect_refusal(403, "/test/room", "Origin: https://other.example\r\n");
    expect_field(0, "remedy", "origins = {\"https://evil.example\", \"https://other.example\"}");
    end();
}
END_TEST

START_TEST(an_unlisted_channel)
{
    begin("unlisted = refuse\n");
    expect_refusal(404, "/chat/room1", NULL);
    expect_field(0, "address", "unix");
    expect_field(0, "remedy", "channel \"chat/room1\" { }");
    take_remedy();
    expect_let_in("/chat/room1", NULL);
    expect_refusal(404, "/chat/*", NULL);
    expect_field(0, "remedy", "");
    end();
}
END_TEST

START_TEST(no_room)
{
    begin("clients_per_address = 1\nmax_clients = 2\n");
    struct wsclient *one = wsclient_connect(site_ws(site), "/test/", "X-Real-IP: 203.0.113.9\r\n");
    ck_assert(wsclient_accepted(one));
    expect_refusal(429, "/test/", "X-Real-IP: 203.0.113.9\r\n");
    expect_field(0, "remedy", "clients_per_address = 2");
    struct wsclient *two = wsclient_open(site_ws(site), "/test/");
    expect_refusal(503, "/test/", NULL);
    expect_field(0, "why", "no room for another client");
    expect_field(0, "remedy", "max_clients = 4");
    take_remedy();
    expect_let_in("/test/", NULL);
    wsclient_close(one);
    wsclient_close(two);
    end();
}
END_TEST

/* Whatever was asked for, the answer is text without control bytes. */
START_TEST(no_request_of_ours)
{
    static const char bad[] = "GET /test/ HTTP/1.1\r\nHost: a\x1b[31m\r\n\r\n";
    static const char plain[] = "GET /\xff\xe4/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
    begin("header_limit = 1k\n");
    http_reply_free(http_raw(site_ws(site), bad, sizeof bad - 1, 5000));
    expect_field(0, "why", "the request is not well-formed HTTP/1.1");
    http_reply_free(http_raw(site_ws(site), plain, sizeof plain - 1, 5000));
    expect_field(0, "remedy", "");
    char *large = malloc(2001);
    memset(large, 'x', 2000);
    large[2000] = '\0';
    http_reply_free(http_raw(site_ws(site), large, 2000, 5000));
    expect_field(0, "remedy", "header_limit = 2048");
    take_remedy();
    free(large);
    end();
}
END_TEST

START_TEST(how_many)
{
    char path[32];
    begin("unlisted = refuse\n");
    for (int i = 0; i < 120; i++) {
        snprintf(path, sizeof path, "/c%d", i);
        expect_refusal(404, path, NULL);
        expect_refusal(404, "/again", NULL);
    }
    struct resp_value *rows = resp_call(control, "WS.REFUSED", "COUNT", "1000", NULL);
    ck_assert_uint_eq(rows->count, 100);
    ck_assert_str_eq(field(rows, 0, "channel"), "again");
    ck_assert_str_eq(field(rows, 0, "times"), "120");
    ck_assert_str_eq(field(rows, 1, "channel"), "c119");
    ck_assert_str_eq(field(rows, 99, "channel"), "c21");
    resp_value_free(rows);
    rows = resp_call(control, "WS.REFUSED", NULL);
    ck_assert_uint_eq(rows->count, 20);
    resp_value_free(rows);
    resp_expect(control, "WS.REFUSED COUNT 0", "[]");
    resp_expect(control, "WS.REFUSED COUNT -1", "-ERR COUNT*");
    resp_expect(control, "WS.REFUSED COUNT", "-ERR usage: WS.REFUSED [COUNT n]");
    resp_expect(control, "WS.REFUSED ALL", "-ERR*");
    resp_expect(control, "MULTI", "OK");
    for (int i = 0; i < 9; i++)
        resp_expect(control, i % 2 ? "WS.LIST" : "WS.REFUSED COUNT 0", "QUEUED");
    resp_expect(control, "EXEC", "[[], [], [], [], [], [], [], [], -ERR MULTI takes at most 8*");
    end();
}
END_TEST

START_TEST(noted_by_others)
{
    begin(NULL);
    resp_expect(control, "WS.REFUSED ADD POST 203.0.113.7 a/b \"a reason\" \"\"", "OK");
    expect_field(0, "what", "post");
    expect_field(0, "why", "a reason");
    resp_expect(control, "WS.REFUSED ADD ftp 203.0.113.7 a/b why remedy", "-ERR expected:*");
    resp_expect(control, "WS.REFUSED ADD post 203.0.113.7 a/b why", "-ERR*");
    resp_expect(control, "HELLO 3", "{*");
    resp_expect(control, "WS.REFUSED", "[{\"time\": *");
    end();
}
END_TEST

/* A page of another site that posts, through nginx and the responder. */
START_TEST(a_post)
{
    begin_with((struct site_options){.config = "post = open\n"});
    struct http_reply *r = http_request(site_http(site), "POST", "/test/", EVIL, "hi", 2);
    ck_assert_int_eq(r->status, 403);
    http_reply_free(r);
    expect_field(0, "what", "post");
    expect_field(0, "address", "127.0.0.1");
    expect_field(0, "channel", "test");
    expect_field(0, "remedy", "origins = {\"https://evil.example\"}");
    end();
}
END_TEST

static char *wsctl(int status, const char *const *args)
{
    const char *argv[16] = {site_program("wsctl"), "--socket", site_path(site, "control.sock")};
    char *output;
    size_t n = 3;
    while (*args)
        argv[n++] = *args++;
    ck_assert_int_eq(site_run(argv, NULL, &output, 10000), status);
    return output;
}

START_TEST(by_wsctl)
{
    begin(NULL);
    char *text = wsctl(0, (const char *const[]){"refused", NULL});
    ck_assert_str_eq(text, "wsctl: nobody was refused since the worker's start\n");
    free(text);
    expect_refusal(403, "/chat/room1", "Origin: null\r\nX-Real-IP: 203.0.113.9\r\n");
    expect_refusal(403, "/chat/room1", EVIL);
    expect_refusal(403, "/chat/room1", EVIL);
    text = wsctl(0, (const char *const[]){"refused", NULL});
    ck_assert_ptr_nonnull(strstr(text,
                                 "s ago  unix  chat/room1  ws  2 times\n"
                                 "    the Origin https://evil.example is neither this host nor in 'origins'\n"
                                 "    to allow it: origins = {\"https://evil.example\"}\n"));
    ck_assert_ptr_nonnull(strstr(text, "s ago  203.0.113.9  chat/room1  ws\n"
                                       "    the Origin null is neither this host nor in 'origins'\n"));
    free(text);
    text = wsctl(0, (const char *const[]){"refused", "--json", "-n", "1", NULL});
    ck_assert_int_eq(strncmp(text, "{\"time\":", 8), 0);
    ck_assert_ptr_nonnull(strstr(text, ",\"times\":2}\n"));
    ck_assert_ptr_null(strstr(text, "203.0.113.9"));
    free(text);
    free(wsctl(2, (const char *const[]){"refused", "-n", "many", NULL}));
    free(wsctl(2, (const char *const[]){"refused", "test", NULL}));
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("refused");
    TCase *tc = tcase_create("refused");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, an_origin);
    tcase_add_test(tc, an_unlisted_channel);
    tcase_add_test(tc, no_room);
    tcase_add_test(tc, no_request_of_ours);
    tcase_add_test(tc, how_many);
    tcase_add_test(tc, noted_by_others);
    tcase_add_test(tc, a_post);
    tcase_add_test(tc, by_wsctl);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
