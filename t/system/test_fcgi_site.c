/* The responder in a whole site: what is posted reaches browsers, and both daemons read an address the same
 * way. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "site.h"
#include "wsclient.h"

static struct http_reply *post(const struct site *s, const char *path, const char *headers, const void *body,
                               size_t len)
{
    return http_request(site_http(s), "POST", path, headers, body, len);
}

static void expect_posted(const struct site *s, const char *path, const char *body, int recipients)
{
    char expected[40];
    struct http_reply *r = post(s, path, NULL, body, strlen(body));
    snprintf(expected, sizeof expected, "\"recipients\":%d,\"id\":\"", recipients);
    ck_assert_msg(r->status == 200 && strstr(r->body, expected), "POST %s: %d %s", path, r->status, r->body);
    http_reply_free(r);
}

static int post_status(const struct site *s, const char *path)
{
    struct http_reply *r = post(s, path, NULL, "x", 1);
    int status = r->status;
    http_reply_free(r);
    return status;
}

START_TEST(what_is_posted_reaches_browsers)
{
    struct site *s = site_start(NULL);
    struct wsclient *one = wsclient_open(site_http(s), "/test/");
    struct wsclient *two = wsclient_open(site_http(s), "/test/");
    struct wsclient *other = wsclient_open(site_http(s), "/test/%e6%88%bf%e9%97%b4");
    expect_posted(s, "/test/", "hello", 2);
    wsclient_expect_text(one, "hello");
    wsclient_expect_text(two, "hello");
    expect_posted(s, "/test/%E6%88%BF%E9%97%B4/", "房间", 1);
    wsclient_expect_text(other, "房间");
    expect_posted(s, "/nobody", "x", 0);
    expect_posted(s, "/test/", "", 2);
    wsclient_expect_text(one, "");
    struct http_reply *r = post(s, "/test/", "Content-Type: application/octet-stream\r\n", "\xff\0\x80", 3);
    ck_assert_int_eq(r->status, 200);
    http_reply_free(r);
    wsclient_expect_binary(one, "\xff\0\x80", 3);
    wsclient_close(one);
    wsclient_close(two);
    wsclient_close(other);
    site_stop(s);
}
END_TEST

START_TEST(ids_count_and_order_holds)
{
    struct site *s = site_start(&(struct site_options){.threads = 2});
    struct wsclient *c = wsclient_open(site_http(s), "/test/");
    unsigned long long first_gen = 0;
    for (unsigned i = 1; i <= 300; i++) {
        char text[20];
        unsigned long long gen, seq;
        snprintf(text, sizeof text, "message %u", i);
        struct http_reply *r = post(s, "/test/", NULL, text, strlen(text));
        const char *id = strstr(r->body, "\"id\":\"");
        ck_assert_msg(id && sscanf(id, "\"id\":\"%llu-%llu\"", &gen, &seq) == 2, "%s", r->body);
        http_reply_free(r);
        first_gen = first_gen ? first_gen : gen;
        ck_assert_uint_eq(gen, first_gen);
        ck_assert_uint_eq(seq, i);
    }
    for (unsigned i = 1; i <= 300; i++) {
        char text[20];
        snprintf(text, sizeof text, "message %u", i);
        wsclient_expect_text(c, text);
    }
    wsclient_close(c);
    site_stop(s);
}
END_TEST

START_TEST(the_largest_message_is_one_mebibyte)
{
    enum { LIMIT = 1 << 20 };
    static char body[LIMIT + 1];
    struct site *s = site_start(NULL);
    struct wsclient *c = wsclient_open(site_http(s), "/test/");
    memset(body, 'x', sizeof body);
    struct http_reply *r = post(s, "/test/", NULL, body, LIMIT + 1);
    ck_assert_int_eq(r->status, 413);
    http_reply_free(r);
    r = post(s, "/test/", NULL, body, LIMIT);
    ck_assert_int_eq(r->status, 200);
    http_reply_free(r);
    body[LIMIT] = '\0';
    wsclient_expect_text(c, body);
    wsclient_close(c);
    site_stop(s);
}
END_TEST

START_TEST(the_worker_may_die_and_come_back)
{
    struct site *s = site_start(NULL);
    pid_t responder = site_pid(s, SITE_RESPONDER);
    ck_assert_int_eq(post_status(s, "/test/"), 200);
    for (int i = 0; i < 5; i++) {
        site_kill(s, SITE_WORKER);
        for (int k = 0; k < 20; k++) {
            struct http_reply *r = post(s, "/test/", NULL, "x", 1);
            ck_assert_int_eq(r->status, 503);
            ck_assert_ptr_nonnull(http_header(r, "Retry-After"));
            http_reply_free(r);
        }
        ck_assert_int_eq(http_status(site_http(s), "GET", "/test/", NULL), 200);
        site_begin(s, SITE_WORKER);
        struct wsclient *c = wsclient_open(site_http(s), "/test/");
        for (int k = 0; k < 20; k++)
            expect_posted(s, "/test/", "back", 1);
        wsclient_expect_text(c, "back");
        wsclient_free(c);
    }
    ck_assert_int_eq(site_pid(s, SITE_RESPONDER), responder);
    site_stop(s);
}
END_TEST

START_TEST(both_daemons_read_an_address_the_same_way)
{
    static const char *const paths[] = {
        "/test/room",         "/test/room/",     "/te%73t/room",   "/test/r%6Fom?x=/../y",
        "/test//room",        "//test/room",     "/test/room//",   "/test/./room",
        "/test/../test/room", "/x/../test/room", "/test/%2e/room", "/test%2froom",
        "/test/%2E%2e/room",  "/%2574est/room",  "/test/room%0a",  "/test/room%20",
        "/test/%40room",      "/%40all",         "/@all",          "/test/%c3%28",
        "/test/%e6%88%bf",    "/test/%ed%a0%80", "/test/room%3fx", "/test/room%23x",
        "/test/room;x",       "/test/r+om",      "/test/%C3%A9",   "/test/%c2%85",
        "/test/...",          "/test/room%7f",
    };
    struct site *s = site_start(NULL);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct wsclient *c = wsclient_connect(site_http(s), paths[i], NULL);
        int posted = post_status(s, paths[i]);
        int upgraded = wsclient_status(c);
        ck_assert_msg((upgraded == 101 && posted == 200) || (upgraded == 400 && posted == 400),
                      "%s: WebSocket %d, POST %d", paths[i], upgraded, posted);
        if (upgraded == 101)
            wsclient_expect_text(c, "x");
        wsclient_free(c);
    }
    site_stop(s);
}
END_TEST

/* Both verdicts for a request with these headers. */
static void expect_verdict(const struct site *s, const char *path, const char *headers, bool allowed)
{
    struct wsclient *c = wsclient_connect(site_http(s), path, headers);
    struct http_reply *r = post(s, path, headers, "x", 1);
    ck_assert_msg(wsclient_status(c) == (allowed ? 101 : 403), "%s: %d", headers, wsclient_status(c));
    ck_assert_msg(r->status == (allowed ? 200 : 403), "%s: %d", headers, r->status);
    http_reply_free(r);
    wsclient_free(c);
}

START_TEST(both_daemons_ask_the_origin_the_same_way)
{
    struct site_options o = {.config = "origins = {\"https://friend.example\"}\n"
                                       "channel \"open/**\" { origins = \"any\" }\n"};
    struct site *s = site_start(&o);
    expect_verdict(s, "/test/", "Origin: http://localhost\r\n", true);
    expect_verdict(s, "/test/", "Origin: https://friend.example\r\n", true);
    expect_verdict(s, "/test/", "Origin: https://localhost\r\n", false);
    expect_verdict(s, "/test/", "Origin: http://localhost:81\r\n", false);
    expect_verdict(s, "/test/", "Origin: http://localhost.evil.example\r\n", false);
    expect_verdict(s, "/test/", "Origin: http://evil.example\r\n", false);
    expect_verdict(s, "/test/", "Origin: null\r\n", false);
    expect_verdict(s, "/open/x", "Origin: http://evil.example\r\n", true);
    expect_verdict(s, "/open/x", "Origin: null\r\n", true);
    site_stop(s);
}
END_TEST

START_TEST(unlisted_is_404_for_both)
{
    struct site_options o = {.config = "unlisted = refuse\nchannel \"shop/*\" { }\n"};
    struct site *s = site_start(&o);
    struct wsclient *c = wsclient_connect(site_http(s), "/test/", NULL);
    ck_assert_int_eq(wsclient_status(c), 404);
    ck_assert_int_eq(post_status(s, "/test/"), 404);
    ck_assert_int_eq(http_status(site_http(s), "GET", "/test/", NULL), 404);
    wsclient_free(c);
    wsclient_close(wsclient_open(site_http(s), "/shop/7"));
    ck_assert_int_eq(post_status(s, "/shop/7"), 200);
    site_stop(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fcgi_site");
    TCase *tc = tcase_create("site");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, what_is_posted_reaches_browsers);
    tcase_add_test(tc, ids_count_and_order_holds);
    tcase_add_test(tc, the_largest_message_is_one_mebibyte);
    tcase_add_test(tc, the_worker_may_die_and_come_back);
    tcase_add_test(tc, both_daemons_read_an_address_the_same_way);
    tcase_add_test(tc, both_daemons_ask_the_origin_the_same_way);
    tcase_add_test(tc, unlisted_is_404_for_both);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
