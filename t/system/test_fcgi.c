/*
 * What the responder answers, through the real nginx and, where nginx would not send such a thing, on its
 * socket. The worker is a stand-in, so that its answers can be chosen; the real one's tests are in
 * test_fcgi_site.c.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "false_worker.h"
#include "http.h"
#include "records.h"
#include "site.h"

static struct site *site;
static struct false_worker *worker;

/* A site whose configuration has these lines, with the stand-in as its worker. */
static void begin(const char *config, const char *server)
{
    struct site_options options = {.config = config, .server = server, .no_worker = true};
    site = site_start(&options);
    worker = false_worker_new(site_control(site));
}

static void end(void)
{
    false_worker_free(worker);
    site_stop(site);
}

static void expect_reply(struct http_reply *take_reply, int status, const char *in_body)
{
    if (take_reply->status != status || (in_body && !strstr(take_reply->body, in_body)))
        ck_abort_msg("expected %d and '%s', got:\n%s\n%s", status, in_body ? in_body : "", take_reply->head,
                     take_reply->body);
    http_reply_free(take_reply);
}

/* An error of ours: JSON with this code. */
static void expect_error(struct http_reply *take_reply, int status, const char *code)
{
    char start[64];
    snprintf(start, sizeof start, "{\"error\":{\"code\":\"%s\",\"text\":\"", code);
    const char *type = http_header(take_reply, "Content-Type");
    ck_assert_msg(type && strcmp(type, "application/json") == 0, "%d with type %s: %s", take_reply->status,
                  type ? type : "(none)", take_reply->body);
    ck_assert_int_eq(strncmp(take_reply->body, start, strlen(start)) == 0 ? 0 : 1, 0);
    expect_reply(take_reply, status, "\"}}");
}

static struct http_reply *post(const char *path, const char *headers, const char *body)
{
    return http_request(site_http(site), "POST", path, headers, body, strlen(body));
}

/* A GET straight to the responder. */
static struct http_reply *ask(const char *uri, const char *lines)
{
    return records_ask(site_fcgi(site), "GET", uri, lines, NULL, 0);
}

static struct http_reply *ask_post(const char *lines, const char *body)
{
    return records_ask(site_fcgi(site), "POST", "/test/", lines, body, strlen(body));
}

/* ---- the page ---- */

START_TEST(get_and_head_answer_the_page)
{
    begin("", NULL);
    char *file = site_read_file("static/test.html", NULL);
    struct http_reply *get = http_get(site_http(site), "/test/?x=1");
    ck_assert_int_eq(get->status, 200);
    ck_assert_str_eq(get->body, file);
    ck_assert_int_eq(strncmp(http_header(get, "Content-Type"), "text/html", 9), 0);
    ck_assert_str_eq(http_header(get, "Cache-Control"), "no-cache");
    ck_assert_ptr_nonnull(http_header(get, "Content-Security-Policy"));
    ck_assert_str_eq(http_header(get, "X-Content-Type-Options"), "nosniff");
    ck_assert_ptr_null(http_header(get, "X-Accel-Redirect"));

    char condition[200];
    snprintf(condition, sizeof condition, "If-None-Match: %s\r\n", http_header(get, "ETag"));
    ck_assert_int_eq(http_status(site_http(site), "GET", "/test/", condition), 304);
    expect_reply(http_request(site_http(site), "GET", "/test/", "Range: bytes=0-8\r\n", NULL, 0), 206, "<!");

    struct http_reply *head = http_request(site_http(site), "HEAD", "/test/", NULL, NULL, 0);
    ck_assert_int_eq(head->status, 200);
    ck_assert_int_eq(head->body_len, 0);
    ck_assert_str_eq(http_header(head, "Content-Length"), http_header(get, "Content-Length"));
    http_reply_free(head);
    http_reply_free(get);
    free(file);
    ck_assert_int_eq(http_status(site_http(site), "GET", "/_wspush_page/test.html", NULL), 404);
    end();
}
END_TEST

START_TEST(the_page_is_what_the_configuration_says)
{
    begin("page = \"/own/page.html\"\n", "location ^~ /own/ { internal; return 200 \"my own page\"; }");
    expect_reply(http_get(site_http(site), "/test/"), 200, "my own page");
    end();
}
END_TEST

/* ---- refusals ---- */

START_TEST(other_methods_are_405)
{
    static const char *const methods[] = {"PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "LOCK", "get"};
    begin("", NULL);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char lines[64];
        snprintf(lines, sizeof lines, "REQUEST_METHOD=%s\n", methods[i]);
        struct http_reply *r = ask("/test/", lines);
        ck_assert_str_eq(http_header(r, "Allow"), "GET, HEAD, POST");
        expect_error(r, 405, "METHOD");
    }
    struct http_reply *r = http_request(site_http(site), "PUT", "/test/", NULL, "x", 1);
    ck_assert_str_eq(http_header(r, "Allow"), "GET, HEAD, POST");
    expect_error(r, 405, "METHOD");
    /* nginx's own */
    ck_assert_int_eq(http_status(site_http(site), "TRACE", "/test/", NULL), 405);
    ck_assert_int_eq(false_worker_count(worker), 0);
    end();
}
END_TEST

START_TEST(bad_names_are_400)
{
    static const char *const uris[] = {
        "/",       "/?x",         "//",      "/a//b",     "//a",    "/a//",       "/./a",
        "/a/.",    "/../a",       "/a/..",   "/%2e%2e/a", "/a%2fb", "/a%2Fb",     "/a%00b",
        "/a%0ab",  "/a%0d%0ab",   "/a%7fb",  "/a%20b",    "/a%3fb", "/a%23b",     "/%40all",
        "/@all",   "/@client:c1", "/%",      "/a%2",      "/a%zz",  "/%c3%28",    "/%ff",
        "/%c0%af", "/%ed%a0%80",  "/%c2%85", "test",      "*",      "http://h/a",
    };
    begin("", NULL);
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
        expect_error(ask(uris[i], NULL), 400, "BADNAME");
        expect_error(records_ask(site_fcgi(site), "POST", uris[i], NULL, "x", 1), 400, "BADNAME");
    }
    /* and those that nginx lets through */
    expect_error(http_get(site_http(site), "/test/a%0ab"), 400, "BADNAME");
    expect_error(http_get(site_http(site), "/test//b"), 400, "BADNAME");
    expect_error(post("/test/../b", NULL, "x"), 400, "BADNAME");
    expect_error(post("/a%0ab", NULL, "x"), 400, "BADNAME");
    ck_assert_int_eq(false_worker_count(worker), 0);
    end();
}
END_TEST

START_TEST(a_name_of_200_bytes_is_the_longest)
{
    char uri[256] = "/";
    begin("", NULL);
    memset(uri + 1, 'x', 200);
    expect_reply(records_ask(site_fcgi(site), "POST", uri, NULL, "m", 1), 200, "xxx");
    uri[201] = 'x';
    expect_error(records_ask(site_fcgi(site), "POST", uri, NULL, "m", 1), 400, "BADNAME");
    end();
}
END_TEST

START_TEST(head_of_an_error_has_no_body)
{
    begin("", NULL);
    struct http_reply *r = ask("/a//b", "REQUEST_METHOD=HEAD\n");
    ck_assert_int_eq(r->status, 400);
    ck_assert_int_eq(r->body_len, 0);
    ck_assert(r->whole);
    http_reply_free(r);
    end();
}
END_TEST

START_TEST(a_request_says_what_it_is)
{
    begin("", NULL);
    expect_error(ask("/test/", "REQUEST_URI\n"), 400, "BADREQUEST");
    expect_error(ask("/test/", "REQUEST_URI=\n"), 400, "BADREQUEST");
    expect_error(ask("/test/", "REQUEST_METHOD\n"), 400, "BADREQUEST");
    end();
}
END_TEST

START_TEST(require_is_426_and_still_publishes)
{
    begin("channel \"only/**\" { mode = require }\n", NULL);
    struct http_reply *r = http_get(site_http(site), "/only/ws");
    ck_assert_str_eq(http_header(r, "Upgrade"), "websocket");
    expect_error(r, 426, "UPGRADE");
    r = ask("/only/ws", NULL);
    ck_assert_str_eq(http_header(r, "Upgrade"), "websocket");
    ck_assert_str_eq(http_header(r, "Connection"), "Upgrade");
    http_reply_free(r);
    /* HTTP/2 knows no Upgrade */
    r = ask("/only/ws", "SERVER_PROTOCOL=HTTP/2.0\n");
    ck_assert_ptr_null(http_header(r, "Upgrade"));
    ck_assert_ptr_null(http_header(r, "Connection"));
    expect_error(r, 426, "UPGRADE");
    ck_assert_int_eq(http_status(site_http(site), "HEAD", "/only/ws", NULL), 426);
    ck_assert_int_eq(http_status(site_http(site), "GET", "/other/", NULL), 200);
    expect_reply(post("/only/ws", NULL, "x"), 200, "\"recipients\":2");
    end();
}
END_TEST

/* nginx leads them to the worker; where it does not, the answer says so. */
START_TEST(an_event_stream_is_not_for_the_responder)
{
    begin("channel \"only/**\" { mode = require }\n", NULL);
    expect_error(ask("/test/", "HTTP_ACCEPT=text/html, Text/Event-Stream;q=0.9\n"), 406, "STREAM");
    expect_error(ask("/only/ws", "HTTP_ACCEPT=text/event-stream\n"), 406, "STREAM");
    struct http_reply *r = ask("/test/", "HTTP_ACCEPT=text/html,*/*\n");
    ck_assert_int_eq(r->status, 200);
    http_reply_free(r);
    end();
}
END_TEST

START_TEST(unlisted_channels_can_be_404)
{
    begin("unlisted = refuse\nchannel \"shop/*\" { }\n", NULL);
    ck_assert_int_eq(http_status(site_http(site), "GET", "/shop/1", NULL), 200);
    expect_error(http_get(site_http(site), "/test/"), 404, "NOCHANNEL");
    expect_error(http_get(site_http(site), "/shop/1/2"), 404, "NOCHANNEL");
    expect_error(post("/test/", NULL, "x"), 404, "NOCHANNEL");
    ck_assert_int_eq(false_worker_count(worker), 0);
    end();
}
END_TEST

START_TEST(post_is_off_by_default)
{
    begin("post = off\n", NULL);
    expect_error(post("/test/", NULL, "x"), 403, "POSTOFF");
    expect_reply(post("/test/", NULL, "x"), 403, "wsctl send");
    struct http_reply *r = ask("/test/", "REQUEST_METHOD=PUT\n");
    ck_assert_str_eq(http_header(r, "Allow"), "GET, HEAD");
    expect_error(r, 405, "METHOD");
    ck_assert_int_eq(false_worker_count(worker), 0);
    end();
}
END_TEST

/* ---- publishing ---- */

static void expect_sent(const char *target, const char *payload, size_t len, bool binary)
{
    size_t got;
    const char *bytes;
    ck_assert_str_eq(false_worker_argument(worker, 0, NULL), "WS.SEND");
    ck_assert_str_eq(false_worker_argument(worker, 1, NULL), target);
    bytes = false_worker_argument(worker, 2, &got);
    ck_assert_uint_eq(got, len);
    ck_assert(memcmp(bytes, payload, len) == 0);
    ck_assert_str_eq(false_worker_argument(worker, 3, NULL), binary ? "BINARY" : "");
}

START_TEST(a_body_becomes_a_message)
{
    begin("", NULL);
    expect_reply(post("/test/", NULL, "hello"), 200,
                 "{\"channel\":\"test\",\"recipients\":2,\"id\":\"1795412345678-1\"}\n");
    expect_sent("test", "hello", 5, false);
    expect_reply(post("/test/", NULL, ""), 200, "\"recipients\":2");
    expect_sent("test", "", 0, false);
    expect_reply(post("/test/%e6%88%bf%e9%97%b4", NULL, "房"), 200, "\"channel\":\"test/房间\"");
    expect_sent("test/房间", "房", 3, false);
    expect_reply(post("/a%22%5c%3cb%3e", NULL, "x"), 200, "\"channel\":\"a\\\"\\\\<b>\"");
    expect_reply(post("/test/", "Content-Type: text/plain; charset=utf-8\r\n", "x"), 200, "test");
    expect_sent("test", "x", 1, false);
    ck_assert_int_eq(false_worker_count(worker), 5);
    end();
}
END_TEST

START_TEST(a_message_to_nobody_is_no_error)
{
    begin("", NULL);
    false_worker_answer(worker, "*2\r\n:0\r\n$3\r\n9-1\r\n");
    expect_reply(post("/test/", NULL, "hello"), 200,
                 "{\"channel\":\"test\",\"recipients\":0,\"id\":\"9-1\"}\n");
    end();
}
END_TEST

START_TEST(octets_are_binary)
{
    static const char bytes[] = "\xff\x00\xfe";
    begin("", NULL);
    struct http_reply *r = http_request(site_http(site), "POST", "/test/",
                                        "Content-Type: application/octet-stream\r\n", bytes, 3);
    expect_reply(r, 200, "\"recipients\":2");
    expect_sent("test", bytes, 3, true);
    expect_reply(post("/test/", "Content-Type: Application/Octet-Stream; x=y\r\n", "b"), 200, "test");
    expect_sent("test", "b", 1, true);
    expect_reply(post("/test/", "Content-Type: application/octet-streams\r\n", "t"), 200, "test");
    expect_sent("test", "t", 1, false);
    end();
}
END_TEST

START_TEST(text_has_to_be_utf8)
{
    begin("", NULL);
    expect_reply(post("/test/", NULL, "abc\xff"), 400, "not at byte 3");
    expect_error(post("/test/", NULL, "\xe6\x88"), 400, "BADUTF8");
    expect_error(post("/test/", NULL, "\xc0\xaf"), 400, "BADUTF8");
    ck_assert_int_eq(false_worker_count(worker), 0);
    end();
}
END_TEST

START_TEST(a_chunked_body_arrives_whole)
{
    static const char request[] =
        "POST /test/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    begin("", NULL);
    expect_reply(http_raw(site_http(site), request, sizeof request - 1, 5000), 200, "\"recipients\":2");
    expect_sent("test", "hello world", 11, false);
    end();
}
END_TEST

/* A body of which every byte is part of a FastCGI record. */
static char *body_of_records(size_t len)
{
    struct records r = {0};
    while (r.len < len) {
        records_record(&r, RECORD_STDIN, 1, "", 0, false);
        records_request(&r, "POST", "/evil/", NULL, "evil", 4);
        records_record(&r, RECORD_GET_VALUES, 0,
                       "\x0e\x00"
                       "FCGI_MAX_CONNS",
                       16, false);
        records_record(&r, RECORD_ABORT, 1, "", 0, false);
    }
    return r.data;
}

START_TEST(large_bodies_arrive_whole)
{
    static const size_t sizes[] = {8191, 8192, 65535, 65536, 65537, 99000, 1048576};
    begin("", NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *body = body_of_records(sizes[i]);
        const char *octets = "Content-Type: application/octet-stream\r\n";
        expect_reply(http_request(site_http(site), "POST", "/test/", octets, body, sizes[i]), 200, "test");
        expect_sent("test", body, sizes[i], true);
        const char *lines = "CONTENT_TYPE=application/octet-stream\n";
        expect_reply(records_ask(site_fcgi(site), "POST", "/test/", lines, body, sizes[i]), 200, "test");
        expect_sent("test", body, sizes[i], true);
        ck_assert_int_eq(false_worker_count(worker), 2 * ((int)i + 1));
        free(body);
    }
    end();
}
END_TEST

START_TEST(the_limit_is_the_channels)
{
    static char big[1600000];
    begin("message_limit = 100\nchannel \"small\" { message_limit = 10 }\n", NULL);
    memset(big, 'x', sizeof big);
    expect_reply(post("/small", NULL, "0123456789"), 200, "small");
    expect_error(post("/small", NULL, "0123456789a"), 413, "TOOBIG");
    expect_reply(post("/small", NULL, "0123456789a"), 413, "at most 10 bytes");
    expect_reply(post("/test/", NULL, "0123456789a"), 200, "test");
    /* refused before it is read, and still the reply reaches the client, who is writing */
    for (int i = 0; i < 20; i++)
        expect_error(http_request(site_http(site), "POST", "/small", NULL, big, sizeof big), 413, "TOOBIG");
    ck_assert_int_eq(false_worker_count(worker), 2);
    end();
}
END_TEST

START_TEST(a_length_over_the_limit_is_refused_unread)
{
    begin("message_limit = 100\n", NULL);
    struct records r = {0};
    records_begin(&r, 1, 0);
    records_params(&r, "REQUEST_METHOD=POST\nREQUEST_URI=/test/\nCONTENT_LENGTH=101\n");
    long long begun = http_now();
    expect_error(records_exchange(site_fcgi(site), &r), 413, "TOOBIG");
    ck_assert_int_lt(http_now() - begun, 2000);
    records_free(&r);
    end();
}
END_TEST

START_TEST(the_length_has_to_be_right)
{
    static const char *const lengths[] = {"",    "-1",  "+5",   "5x",  " 5",
                                          "5 ",  "0x5", "5,5",  "1e1", "18446744073709551616",
                                          "--5", "٥",   "5\r5", "5.0"};
    begin("", NULL);
    expect_error(ask_post("CONTENT_LENGTH\n", "hello"), 400, "BADLENGTH");
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char lines[100];
        snprintf(lines, sizeof lines, "CONTENT_LENGTH=%s\n", lengths[i]);
        expect_error(ask_post(lines, "hello"), 400, "BADLENGTH");
    }
    expect_error(ask_post("CONTENT_LENGTH=18446744073709551615\n", "hello"), 413, "TOOBIG");
    expect_error(ask_post("CONTENT_LENGTH=6\n", "hello"), 400, "BADBODY");
    expect_error(ask_post("CONTENT_LENGTH=4\n", "hello"), 400, "BADBODY");
    expect_error(ask_post("CONTENT_LENGTH=0\n", "hello"), 400, "BADBODY");
    expect_reply(ask_post("CONTENT_LENGTH=005\n", "hello"), 200, "test");
    ck_assert_int_eq(false_worker_count(worker), 1);
    end();
}
END_TEST

/* ---- who may publish ---- */

START_TEST(pages_of_other_origins_may_not_publish)
{
    static const struct {
        int status;
        const char *lines;
    } cases[] = {
        {200, ""},
        {200, "HTTP_ORIGIN=\n"},
        {200, "HTTP_ORIGIN=http://localhost\n"},
        {200, "HTTP_ORIGIN=http://localhost:80\n"},
        {200, "HTTP_ORIGIN=HTTP://LocalHost\n"},
        {200, "HTTP_ORIGIN=http://localhost\nHTTP_SEC_FETCH_SITE=same-origin\n"},
        {200, "HTTP_SEC_FETCH_SITE=same-origin\n"},
        {200, "HTTP_SEC_FETCH_SITE=none\n"},
        {200, "HTTP_ORIGIN=https://friend.example\n"},
        {200, "HTTP_ORIGIN=https://friend.example\nHTTP_SEC_FETCH_SITE=cross-site\n"},
        {200, "HTTP_ORIGIN=https://friend.example\nHTTP_SEC_FETCH_SITE=same-site\n"},
        {403, "HTTP_ORIGIN=null\n"},
        {403, "HTTP_ORIGIN=https://localhost\n"},
        {403, "HTTP_ORIGIN=http://localhost:81\n"},
        {403, "HTTP_ORIGIN=http://localhost.evil.example\n"},
        {403, "HTTP_ORIGIN=http://evil.example\n"},
        {403, "HTTP_ORIGIN=http://localhost@evil.example\n"},
        {403, "HTTP_ORIGIN=http://evil.example/localhost\n"},
        {403, "HTTP_ORIGIN=localhost\n"},
        {403, "HTTP_ORIGIN=http://friend.example\n"},
        {403, "HTTP_SEC_FETCH_SITE=cross-site\n"},
        {403, "HTTP_SEC_FETCH_SITE=same-site\n"},
        {403, "HTTP_SEC_FETCH_SITE=new-word\n"},
        {403, "HTTP_ORIGIN=http://localhost\nHTTP_SEC_FETCH_SITE=cross-site\n"},
        {403, "HTTP_ORIGIN=http://sub.localhost\nHTTP_SEC_FETCH_SITE=same-site\n"},
    };
    begin("origins = {\"https://friend.example\"}\n", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_reply *r = ask_post(cases[i].lines, "x");
        ck_assert_msg(r->status == cases[i].status, "%d for %s", r->status, cases[i].lines);
        ck_assert_str_eq(false_worker_argument(worker, 0, NULL), r->status == 200 ? "WS.SEND" : "WS.REFUSED");
        ck_assert_int_eq(false_worker_count(worker), (int)i + 1);
        http_reply_free(r);
    }
    expect_error(post("/test/", "Origin: http://evil.example\r\n", "x"), 403, "ORIGIN");
    expect_error(post("/test/", "Sec-Fetch-Site: cross-site\r\n", "x"), 403, "ORIGIN");
    ck_assert_str_eq(false_worker_argument(worker, 0, NULL), "WS.REFUSED");
    site_wait_log(site, SITE_RESPONDER, "Origin 'http://evil.example'", 2000);
    end();
}
END_TEST

START_TEST(the_own_origin_keeps_its_port)
{
    char header[80];
    begin("", NULL);
    snprintf(header, sizeof header, "Host: 127.0.0.1:%d\r\nOrigin: http://127.0.0.1:%d\r\n", site_port(site),
             site_port(site));
    expect_reply(post("/test/", header, "x"), 200, "test");
    snprintf(header, sizeof header, "Host: 127.0.0.1:%d\r\nOrigin: http://127.0.0.1\r\n", site_port(site));
    expect_error(post("/test/", header, "x"), 403, "ORIGIN");
    end();
}
END_TEST

START_TEST(log_lines_of_peers_are_printable)
{
    begin("", NULL);
    expect_error(ask_post("HTTP_ORIGIN=http://x\x1b[31m\r2026 forged\x7f\n", "x"), 403, "ORIGIN");
    site_wait_log(site, SITE_RESPONDER, "\\x1b[31m\\x0d2026 forged\\x7f", 2000);
    end();
}
END_TEST

/* ---- the channel that nginx names ---- */

START_TEST(nginx_may_name_the_channel)
{
    begin("", "location ^~ /room/ { set $wspush_channel \"shop:7\"; include snippets/wspush-page.conf; }");
    expect_reply(post("/room/x", NULL, "m"), 200, "\"channel\":\"shop:7\"");
    expect_reply(post("/test/", "X-Wspush-Channel: evil\r\nX_Wspush_Channel: evil\r\n", "m"), 200,
                 "\"test\"");
    expect_reply(ask_post("HTTP_X_WSPUSH_CHANNEL=named\n", "m"), 200, "\"channel\":\"named\"");
    expect_reply(ask_post("HTTP_X_WSPUSH_CHANNEL=\n", "m"), 200, "\"channel\":\"test\"");
    expect_reply(ask("/", "HTTP_X_WSPUSH_CHANNEL=named\n"), 200, NULL);
    expect_error(ask_post("HTTP_X_WSPUSH_CHANNEL=@all\n", "m"), 400, "BADNAME");
    expect_error(ask_post("HTTP_X_WSPUSH_CHANNEL=a b\n", "m"), 400, "BADNAME");
    expect_error(ask_post("HTTP_X_WSPUSH_CHANNEL=/a\n", "m"), 400, "BADNAME");
    end();
}
END_TEST

START_TEST(nothing_of_a_request_becomes_a_header)
{
    begin("", NULL);
    struct http_reply *r = ask("/te%22st/?x%0d%0aSet-Cookie:1",
                               "HTTP_HOST=a\r\nSet-Cookie: 1\r\n\r\nHTTP_ORIGIN=b\nQUERY_STRING=z\r\n");
    ck_assert_str_eq(r->head, "CGI\r\nStatus: 200 OK\r\nX-Accel-Redirect: /_wspush_page/test.html\r\n"
                              "Cache-Control: no-cache\r\n");
    ck_assert_int_eq(r->body_len, 0);
    http_reply_free(r);
    end();
}
END_TEST

/* ---- what the worker says ---- */

START_TEST(the_workers_refusals_have_a_status)
{
    static const struct {
        const char *reply;
        int status;
        const char *code;
    } cases[] = {
        {"-TOOBIG limit 5\r\n", 413, "TOOBIG"},
        {"-BADNAME it is none\r\n", 400, "BADNAME"},
        {"-BADUTF8 at byte 0\r\n", 400, "BADUTF8"},
        {"-BUSY later\r\n", 503, "BUSY"},
        {"-TIMEOUT the store\r\n", 503, "TIMEOUT"},
        {"-NOPERM not you\r\n", 403, "NOPERM"},
        {"-NOAUTH first\r\n", 403, "NOPERM"},
        {"-ENGINEDOWN redis\r\n", 503, "ERROR"},
        {"-ERR what\r\n", 503, "ERROR"},
        {":5\r\n", 503, "BADREPLY"},
        {"HTTP/1.1 400 Bad Request\r\n\r\n", 503, "BADREPLY"},
    };
    begin("", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        false_worker_answer(worker, cases[i].reply);
        struct http_reply *r = post("/test/", NULL, "x");
        const char *retry = http_header(r, "Retry-After");
        ck_assert_msg((retry != NULL) == (r->status == 503), "Retry-After with %d", r->status);
        expect_error(r, cases[i].status, cases[i].code);
    }
    end();
}
END_TEST

START_TEST(a_worker_away_is_503_until_it_is_back)
{
    begin("", NULL);
    expect_reply(post("/test/", NULL, "x"), 200, "test");
    for (int i = 0; i < 3; i++) {
        false_worker_free(worker);
        worker = NULL;
        for (int k = 0; k < 20; k++) {
            struct http_reply *r = post("/test/", NULL, "x");
            ck_assert_str_eq(http_header(r, "Retry-After"), "1");
            ck_assert_ptr_null(strstr(r->body, "control.sock"));
            expect_error(r, 503, "NOWORKER");
        }
        worker = false_worker_new(site_control(site));
        for (int k = 1; k <= 20; k++) {
            expect_reply(post("/test/", NULL, "x"), 200, "test");
            ck_assert_int_eq(false_worker_count(worker), k);
        }
    }
    end();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fcgi");
    TCase *tc = tcase_create("answers");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, get_and_head_answer_the_page);
    tcase_add_test(tc, the_page_is_what_the_configuration_says);
    tcase_add_test(tc, other_methods_are_405);
    tcase_add_test(tc, bad_names_are_400);
    tcase_add_test(tc, a_name_of_200_bytes_is_the_longest);
    tcase_add_test(tc, head_of_an_error_has_no_body);
    tcase_add_test(tc, a_request_says_what_it_is);
    tcase_add_test(tc, require_is_426_and_still_publishes);
    tcase_add_test(tc, an_event_stream_is_not_for_the_responder);
    tcase_add_test(tc, unlisted_channels_can_be_404);
    tcase_add_test(tc, post_is_off_by_default);
    tcase_add_test(tc, a_body_becomes_a_message);
    tcase_add_test(tc, a_message_to_nobody_is_no_error);
    tcase_add_test(tc, octets_are_binary);
    tcase_add_test(tc, text_has_to_be_utf8);
    tcase_add_test(tc, a_chunked_body_arrives_whole);
    tcase_add_test(tc, large_bodies_arrive_whole);
    tcase_add_test(tc, the_limit_is_the_channels);
    tcase_add_test(tc, a_length_over_the_limit_is_refused_unread);
    tcase_add_test(tc, the_length_has_to_be_right);
    tcase_add_test(tc, pages_of_other_origins_may_not_publish);
    tcase_add_test(tc, the_own_origin_keeps_its_port);
    tcase_add_test(tc, log_lines_of_peers_are_printable);
    tcase_add_test(tc, nginx_may_name_the_channel);
    tcase_add_test(tc, nothing_of_a_request_becomes_a_header);
    tcase_add_test(tc, the_workers_refusals_have_a_status);
    tcase_add_test(tc, a_worker_away_is_503_until_it_is_back);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
