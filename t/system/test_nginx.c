/*
 * conf/nginx in real nginx: which requests go to the worker, which to the responder and which stay the
 * site's; what passes to each; what a client sees when one is away; and where the rules of a site hold. Half
 * of it runs in copies of Debian's /etc/nginx, with what ordinary sites have there. Where it matters what
 * exactly nginx forwards, recording stand-ins take the daemons' place; the last case has the daemons
 * themselves.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

#define PLAIN_OK  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n"
#define TICK      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: tick\n\n"
#define SAYS_PAGE "Content-Type: text/plain\r\n\r\npage"

/* nginx before two stand-ins. */
struct front {
    struct site *site;
    struct http_stub *worker, *responder;
};

static struct front front_start(struct site_options options, const char *worker_says,
                                const char *responder_says)
{
    struct front f;
    options.no_worker = options.no_responder = true;
    f.site = site_start(&options);
    f.worker = http_stub_new(HTTP_STUB_HTTP, site_ws(f.site), worker_says);
    f.responder = http_stub_new(HTTP_STUB_FCGI, site_fcgi(f.site), responder_says);
    return f;
}

static struct front front_usual(void)
{
    return front_start((struct site_options){0}, PLAIN_OK "work", SAYS_PAGE);
}

static void front_stop(struct front *f)
{
    http_stub_free(f->worker);
    http_stub_free(f->responder);
    site_stop(f->site);
}

/* The status that a WebSocket handshake gets. */
static int upgrade(const struct site *s, const char *path, const char *headers)
{
    struct wsclient *c = wsclient_connect(site_http(s), path, headers);
    int status = wsclient_status(c);
    wsclient_free(c);
    return status;
}

static int get(const struct site *s, const char *path, const char *headers)
{
    return http_status(site_http(s), "GET", path, headers);
}

/* Whether the body of a GET is this text. */
static bool serves(const struct site *s, const char *path, const char *headers, const char *text)
{
    struct http_reply *r = http_request(site_http(s), "GET", path, headers, NULL, 0);
    bool same = strcmp(r->body, text) == 0;
    if (!same)
        fprintf(stderr, "%s: status %d, body \"%.300s\"\n", path, r->status, r->body);
    http_reply_free(r);
    return same;
}

/* The value behind "\nNAME=" in what the responder's stand-in saw, NULL if absent; one buffer. */
static const char *param(struct http_stub *responder, const char *name)
{
    static char value[4096];
    char line[128];
    snprintf(line, sizeof line, "\n%s=", name);
    const char *p = strstr(http_stub_seen(responder), line);
    if (!p)
        return NULL;
    p += strlen(line);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(p, "\n"), p);
    return value;
}

static int occurrences(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
        n++;
    return n;
}

/* ---- which requests are push ---- */

/* A request that is not quite, or just, a WebSocket handshake. */
struct variant {
    const char *method, *protocol, *upgrade, *connection, *accept;
    bool is_push;
};

static const struct variant variants[] = {
    {"GET", "1.1", "websocket", "Upgrade", "", true},
    {"GET", "1.1", "WebSocket", "upgrade", "", true},
    {"GET", "1.1", "websocket", "keep-alive, Upgrade", "", true}, /* Firefox */
    {"GET", "1.1", "foo, websocket", "UPGRADE,close", "", true},
    {"GET", "1.1", "foo,websocket ,bar", "Upgrade", "", true},
    {"GET", "1.1", "websocketx", "Upgrade", "", false},
    {"GET", "1.1", "xwebsocket", "Upgrade", "", false},
    {"GET", "1.1", "websocket/13", "Upgrade", "", false},
    {"GET", "1.1", "h2c", "Upgrade", "", false},
    {"GET", "1.1", "", "Upgrade", "", false},
    {"GET", "1.1", "websocket", "keep-alive", "", false},
    {"GET", "1.1", "websocket", "upgraded", "", false},
    {"GET", "1.1", "", "upgrade|websocket", "", false},
    {"GET", "1.0", "websocket", "Upgrade", "", false},
    {"POST", "1.1", "websocket", "Upgrade", "", false},
    {"HEAD", "1.1", "websocket", "Upgrade", "", false},
    {"PUT", "1.1", "websocket", "Upgrade", "", false},
    {"GET", "1.1", "", "", "text/event-stream", true},
    {"GET", "1.0", "", "", "text/event-stream", true},
    {"GET", "1.1", "", "", "TEXT/Event-Stream;q=1", true},
    {"GET", "1.1", "", "", "text/html, text/event-stream", true},
    {"GET", "1.1", "", "", "text/event-streams", false},
    {"GET", "1.1", "", "", "text/html,*/*", false},
    {"POST", "1.1", "", "", "text/event-stream", false},
};

/* The text of a variant's request; one buffer. */
static const char *variant_request(const struct variant *v)
{
    static char text[512];
    int n =
        snprintf(text, sizeof text,
                 "%s /test/ HTTP/%s\r\nHost: localhost\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n",
                 v->method, v->protocol);
    const char *const names[] = {"Upgrade", "Connection", "Accept"}, *const values[] = {v->upgrade,
                                                                                        v->connection,
                                                                                        v->accept};
    for (int i = 0; i < 3; i++)
        if (*values[i])
            n += snprintf(text + n, sizeof text - (size_t)n, "%s: %s\r\n", names[i], values[i]);
    snprintf(text + n, sizeof text - (size_t)n, "%s\r\n",
             strcmp(v->method, "GET") ? "Content-Length: 0\r\n" : "");
    return text;
}

START_TEST(push_goes_to_the_worker)
{
    struct front f = front_usual();
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        const char *request = variant_request(&variants[i]);
        int before = http_stub_count(f.worker);
        struct http_conn *c = http_open(site_http(f.site));
        http_write(c, request, strlen(request));
        struct http_reply *r = http_next(c, strcmp(variants[i].method, "HEAD") == 0, 5000);
        ck_assert_msg(r->status == (*variants[i].upgrade && variants[i].is_push ? 101 : 200),
                      "status %d for\n%s", r->status, request);
        ck_assert_msg((http_stub_count(f.worker) > before) == variants[i].is_push, "the wrong side got\n%s",
                      request);
        http_reply_free(r);
        http_close(c);
    }
    front_stop(&f);
}
END_TEST

START_TEST(event_stream_is_not_buffered)
{
    struct front f = front_start((struct site_options){0}, TICK, SAYS_PAGE);
    static const char request[] = "GET /test/ HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
                                  "Accept-Encoding: gzip\r\nLast-Event-ID: 17-4\r\n\r\n";
    struct http_conn *c = http_open(site_http(f.site));
    http_write(c, request, strlen(request));
    ck_assert_msg(http_until(c, "data: tick\n\n", 5000),
                  "the tick does not come while the stream is open: %s", c->in);
    ck_assert(strstr(http_stub_seen(f.worker), "\r\nLast-Event-ID: 17-4\r\n"));
    ck_assert(!strstr(http_stub_seen(f.worker), "\r\nUpgrade:"));
    http_close(c);
    front_stop(&f);
}
END_TEST

/* ---- what passes ---- */

#define SPOOFED                                                                                              \
    "X-Wspush-Channel: spoofed\r\nX-Wspush-User: spoofed\r\nX-Wspush-Allow: spoofed\r\nX-Wspush-Gate: "      \
    "spoofed\r\n"                                                                                            \
    "X_Wspush_Channel: spoofed\r\nX-Real-IP: spoofed\r\nX-Forwarded-Proto: spoofed\r\nX-Forwarded-For: "     \
    "spoofed\r\n"                                                                                            \
    "X-Request-Id: spoofed\r\nSec-WebSocket-Accept: spoofed\r\nProxy: spoofed\r\n"

/* The names of a head's headers, each with a space before and behind. */
static char *header_names(const char *head)
{
    char *names = calloc(1, strlen(head) + 3);
    strcpy(names, " ");
    for (const char *line = strstr(head, "\r\n") + 2; *line; line = strstr(line, "\r\n") + 2) {
        strncat(names, line, strcspn(line, ":"));
        strcat(names, " ");
    }
    return names;
}

START_TEST(worker_gets_an_allow_list)
{
    struct front f = front_usual();
    struct wsclient *c = wsclient_connect(
        site_http(f.site), "/test/?token=1",
        SPOOFED
        "Host: localhost:8080\r\nConnection: keep-alive, Upgrade, X-Real-IP\r\nOrigin: "
        "http://localhost:8080\r\n"
        "Sec-WebSocket-Protocol: wspush.v1\r\nSec-WebSocket-Extensions: permessage-deflate\r\nCookie: a=b\r\n"
        "Authorization: Basic YTpi\r\nLast-Event-ID: 1-2\r\nAccept: */*\r\nTE: trailers\r\nExpect: x\r\n");
    ck_assert(wsclient_accepted(c));
    const char *seen = http_stub_seen(f.worker);
    char *names = header_names(seen);
    ck_assert_str_eq(
        names,
        " Host Upgrade Connection Sec-WebSocket-Key Sec-WebSocket-Version Sec-WebSocket-Protocol "
        "Sec-WebSocket-Extensions Origin Accept Last-Event-ID X-Real-IP X-Forwarded-Proto X-Request-Id ");
    ck_assert(!strstr(seen, "spoofed"));
    ck_assert(strncmp(seen, "GET /test/?token=1 HTTP/1.1\r\n", 29) == 0);
    ck_assert(strstr(seen, "\r\nHost: localhost:8080\r\n"));
    ck_assert(strstr(seen, "\r\nConnection: upgrade\r\n"));
    ck_assert(strstr(seen, "\r\nX-Real-IP: 127.0.0.1\r\n"));
    ck_assert(strstr(seen, "\r\nX-Forwarded-Proto: http\r\n"));
    free(names);
    wsclient_free(c);
    front_stop(&f);
}
END_TEST

START_TEST(responder_gets_an_allow_list)
{
    struct front f = front_usual();
    struct http_reply *r =
        http_request(site_http(f.site), "POST", "/test/?q=1",
                     SPOOFED "Host: localhost:8080\r\nOrigin: http://localhost:8080\r\nCookie: a=b\r\n"
                             "Sec-Fetch-Site: same-origin\r\nContent-Type: text/plain\r\n",
                     "hello", 5);
    ck_assert_int_eq(r->status, 200);
    const char *seen = http_stub_seen(f.responder);
    ck_assert_msg(!strstr(seen, "spoofed"), "%s", seen);
    ck_assert_str_eq(param(f.responder, "HTTP_HOST"), "localhost:8080");
    ck_assert_str_eq(param(f.responder, "HTTP_ORIGIN"), "http://localhost:8080");
    ck_assert_str_eq(param(f.responder, "HTTP_SEC_FETCH_SITE"), "same-origin");
    ck_assert_str_eq(param(f.responder, "HTTP_COOKIE"), "a=b");
    ck_assert_str_eq(param(f.responder, "REQUEST_URI"), "/test/?q=1");
    ck_assert_str_eq(param(f.responder, "CONTENT_LENGTH"), "5");
    ck_assert_str_eq(param(f.responder, "CONTENT_TYPE"), "text/plain");
    ck_assert_str_eq(param(f.responder, "REMOTE_ADDR"), "127.0.0.1");
    ck_assert_ptr_null(param(f.responder, "HTTP_X_WSPUSH_CHANNEL"));
    ck_assert_ptr_null(param(f.responder, "HTTP_AUTHORIZATION"));
    seen = http_stub_seen(f.responder);
    for (const char *p = seen; *p; p = strchr(p, '\n') + 1) { /* each name once */
        char name[64];
        snprintf(name, sizeof name, "\n%.*s", (int)(strcspn(p, "=") + 1), p);
        ck_assert_msg(occurrences(seen, name) == (p == seen ? 0 : 1), "%s in\n%s", name, seen);
    }
    http_reply_free(r);
    front_stop(&f);
}
END_TEST

/* A body of a size, as a request with a length or in chunks; the status, and what the responder's stand-in
 * saw. */
static int post_body(const struct front *f, size_t size, bool chunked, size_t *arrived)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    fprintf(out, "POST /test/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    fprintf(out, chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: %zu\r\n\r\n", size);
    for (size_t left = size; left > 0;) {
        size_t n = chunked && left > 7000 ? 7000 : left;
        if (chunked)
            fprintf(out, "%zx\r\n", n);
        for (size_t i = 0; i < n; i++)
            fputc("0123456789"[i % 10], out);
        fputs(chunked ? "\r\n" : "", out);
        left -= n;
    }
    fputs(chunked ? "0\r\n\r\n" : "", out);
    fclose(out);
    struct http_reply *r = http_raw(site_http(f->site), text, len, 5000);
    int status = r->status;
    http_stub_body(f->responder, arrived);
    http_reply_free(r);
    free(text);
    return status;
}

START_TEST(bodies_arrive_whole)
{
    struct front f = front_usual();
    static const size_t sizes[] = {0, 1, 65535, 65536, 900000, 1100000};
    char expected[32];
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i / 2], arrived;
        ck_assert_int_eq(post_body(&f, size, i % 2, &arrived), 200);
        ck_assert_uint_eq(arrived, size);
        snprintf(expected, sizeof expected, "%zu", size);
        ck_assert_str_eq(param(f.responder, "CONTENT_LENGTH"), expected);
    }
    int before = http_stub_count(f.responder);
    size_t ignored;
    ck_assert_int_eq(post_body(&f, 3000000, false, &ignored), 413);
    ck_assert_int_eq(post_body(&f, 3000000, true, &ignored), 413);
    ck_assert_int_eq(http_stub_count(f.responder), before);
    front_stop(&f);
}
END_TEST

/* The path goes on raw, to both alike, however it is spelt: so the two can derive one channel, or refuse
 * both. */
START_TEST(paths_pass_raw)
{
    static const char *const paths[] = {
        "/test/",
        "/test",
        "/te%73t/",
        "/%74est/",
        "//test//room",
        "/x/../test/room",
        "/test/./room",
        "/test/%2e/a",
        "/test/a%2fb",
        "/test/a%0ab",
        "/test/a%0d%0aX-E:%20",
        "/test/a%20b",
        "/test/%E6%88%BF",
        "/test/a;b=c",
        "/test/a?b=/../c",
        "/test/%",
        "/test/?",
        "/test/%00",
    };
    struct front f = front_usual();
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char line[128];
        int page = get(f.site, paths[i], NULL), push = upgrade(f.site, paths[i], NULL);
        snprintf(line, sizeof line, "GET %s HTTP/1.1\r\n", paths[i]);
        if (page == 400) { /* nginx itself refuses it: everywhere */
            ck_assert_int_eq(push, 400);
            continue;
        }
        ck_assert_int_eq(page, 200);
        ck_assert_int_eq(push, 101);
        ck_assert_str_eq(param(f.responder, "REQUEST_URI"), paths[i]);
        ck_assert_msg(strncmp(http_stub_seen(f.worker), line, strlen(line)) == 0, "%s",
                      http_stub_seen(f.worker));
        ck_assert(!strstr(http_stub_seen(f.worker), "\nX-E"));
    }
    front_stop(&f);
}
END_TEST

START_TEST(nginx_names_the_channel)
{
    struct front f = front_start((struct site_options){.server = "location ~ ^/room/(?<room>[^/]+)$ {\n"
                                                                 "  set $wspush_channel \"room:$room\";\n"
                                                                 "  include snippets/wspush-page.conf;\n}\n"
                                                                 "location ^~ /late/ {\n"
                                                                 "  include snippets/wspush-page.conf;\n"
                                                                 "  set $wspush_channel late;\n}\n"},
                                 PLAIN_OK "work", SAYS_PAGE);
    static const char *const rows[][2] = {
        {"/room/7", "room:7"},
        {"/room/%E6%88%BF", "room:\xe6\x88\xbf"},
        {"/room/x%0d%0aX-Evil:%201",
         "@"}, /* what a capture holds is decoded: a header of the client's making */
        {"/room/x%0aX-Evil:1", "@"},
        {"/room/x%20y", "@"},
        {"/room/x%7f", "@"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[128];
        snprintf(line, sizeof line, "\r\nX-Wspush-Channel: %s\r\n", rows[i][1]);
        ck_assert_int_eq(upgrade(f.site, rows[i][0], "X-Wspush-Channel: spoofed\r\n"), 101);
        ck_assert_msg(strstr(http_stub_seen(f.worker), line), "%s", http_stub_seen(f.worker));
        ck_assert_ptr_null(strcasestr(http_stub_seen(f.worker), "\nX-Evil"));
        ck_assert_int_eq(get(f.site, rows[i][0], "X-Wspush-Channel: spoofed\r\n"), 200);
        ck_assert_str_eq(param(f.responder, "HTTP_X_WSPUSH_CHANNEL"), rows[i][1]);
        ck_assert_ptr_null(strcasestr(http_stub_seen(f.responder), "\nX-Evil"));
    }
    /* a set below the include comes too late for a push */
    ck_assert_int_eq(upgrade(f.site, "/late/", NULL), 101);
    ck_assert_ptr_null(strstr(http_stub_seen(f.worker), "X-Wspush-Channel"));
    front_stop(&f);
}
END_TEST

START_TEST(log_leaves_the_query_out)
{
    struct front f = front_usual();
    ck_assert_int_eq(upgrade(f.site, "/test/?token=secret", NULL), 101);
    ck_assert_int_eq(get(f.site, "/other/%22?token=secret", NULL), 200);
    site_end(f.site, SITE_NGINX);
    char *log = site_read_file(site_path(f.site, "access.log"), NULL);
    ck_assert_msg(strstr(log, "\"GET /test/ HTTP/1.1\" 101"), "%s", log);
    ck_assert_msg(strstr(log, "\"GET /other/%22 HTTP/1.1\" 200"), "%s", log);
    ck_assert(!strstr(log, "secret"));
    free(log);
    front_stop(&f);
}
END_TEST

START_TEST(host_is_the_one_that_was_served)
{
    struct front f = front_usual();
    static const char tail[] = " HTTP/1.1\r\nHost: evil.example:99\r\nConnection: close, Upgrade\r\n";
    char request[512];
    int n = snprintf(request, sizeof request, "GET http://localhost/test/%s\r\n", tail);
    struct http_reply *r = http_raw(site_http(f.site), request, (size_t)n, 5000);
    ck_assert_int_eq(r->status, 200);
    ck_assert_str_eq(param(f.responder, "HTTP_HOST"), "localhost:99");
    http_reply_free(r);
    snprintf(request, sizeof request, "GET http://localhost/test/%sUpgrade: websocket\r\n\r\n", tail);
    struct wsclient *c = wsclient_connect_raw(site_http(f.site), request, strlen(request));
    ck_assert_int_eq(wsclient_status(c), 101);
    ck_assert(strstr(http_stub_seen(f.worker), "\r\nHost: localhost:99\r\n"));
    wsclient_free(c);
    front_stop(&f);
}
END_TEST

/* What a site has set for its other locations does not change ours. */
START_TEST(defaults_of_a_site_do_not_leak)
{
    static const char http[] =
        "proxy_set_header X-Leak proxy;\nproxy_buffering on;\nproxy_intercept_errors on;\n"
        "proxy_ignore_client_abort on;\nproxy_cache_path temp/cache keys_zone=all:1m;\n"
        "proxy_cache all;\nproxy_cache_valid any 1h;\nfastcgi_param LEAK fastcgi;\n"
        "fastcgi_keep_conn on;\nfastcgi_intercept_errors on;\nfastcgi_request_buffering off;\n"
        "error_page 403 404 426 = @nowhere;\n";
    struct front f =
        front_start((struct site_options){.http = http, .server = "location @nowhere { return 204; }\n"},
                    "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone", "Status: 403\r\n\r\nwhy");
    for (int i = 1; i <= 2; i++) {
        struct http_reply *r =
            http_request(site_http(f.site), "GET", "/test/", "Accept: text/event-stream\r\n", NULL, 0);
        ck_assert_int_eq(r->status, 404);
        ck_assert_str_eq(r->body, "none");
        ck_assert_int_eq(http_stub_count(f.worker), i);
        http_reply_free(r);
    }
    ck_assert(!strstr(http_stub_seen(f.worker), "X-Leak"));
    size_t ignored;
    ck_assert_int_eq(post_body(&f, 20000, true, &ignored), 403);
    ck_assert_str_eq(param(f.responder, "CONTENT_LENGTH"), "20000");
    ck_assert_str_eq(param(f.responder, "FCGI_FLAGS"), "0");
    ck_assert_ptr_null(param(f.responder, "LEAK"));
    ck_assert(strncmp(http_stub_seen(f.responder), "FCGI_ROLE=1\n", 12) == 0);
    front_stop(&f);
}
END_TEST

/* ---- the page and its files ---- */

#define TO_PAGE                                                                                              \
    "X-Accel-Redirect: /_wspush_page/test.html\r\nSet-Cookie: s=1\r\nCache-Control: no-store\r\n\r\n"

static void expect_header(struct http_reply *r, const char *name, const char *value)
{
    const char *got = http_header(r, name);
    ck_assert_msg(got && strstr(got, value), "%s: %s, expected %s in\n%s", name, got ? got : "(none)", value,
                  r->head);
}

START_TEST(page_comes_from_disk)
{
    struct front f = front_start((struct site_options){0}, PLAIN_OK "work", TO_PAGE);
    size_t size;
    char *page = site_read_file("static/test.html", &size);
    static const char *const methods[] = {"GET", "HEAD", "POST"};
    for (int i = 0; i < 3; i++) {
        struct http_reply *r =
            http_request(site_http(f.site), methods[i], "/test/", NULL, i == 2 ? "x" : NULL, i == 2);
        ck_assert_int_eq(r->status, 200);
        ck_assert_str_eq(r->body, i == 1 ? "" : page);
        expect_header(r, "Content-Type", "text/html; charset=utf-8");
        expect_header(r, "Content-Security-Policy", "default-src 'self'");
        expect_header(r, "X-Content-Type-Options", "nosniff");
        expect_header(r, "Set-Cookie", "s=1");
        expect_header(r, "Cache-Control", "no-store");
        http_reply_free(r);
    }
    struct http_reply *part =
        http_request(site_http(f.site), "GET", "/test/", "Range: bytes=2-8\r\n", NULL, 0);
    ck_assert_int_eq(part->status, 206);
    ck_assert(part->body_len == 7 && memcmp(part->body, page + 2, 7) == 0);
    http_reply_free(part);

    struct http_reply *whole = http_get(site_http(f.site), "/test/");
    char again[256];
    snprintf(again, sizeof again, "If-None-Match: %s\r\n", http_header(whole, "ETag"));
    ck_assert_int_eq(get(f.site, "/test/", again), 304);
    http_reply_free(whole);

    struct http_reply *zipped =
        http_request(site_http(f.site), "GET", "/test/", "Accept-Encoding: gzip\r\n", NULL, 0);
    expect_header(zipped, "Content-Encoding", "gzip");
    http_reply_free(zipped);
    free(page);
    front_stop(&f);
}
END_TEST

START_TEST(inner_locations_are_not_outside)
{
    struct front f = front_usual();
    ck_assert_int_eq(get(f.site, "/_wspush_page/test.html", NULL), 404);
    ck_assert_int_eq(get(f.site, "/_wspush_page/", NULL), 404);
    ck_assert_int_eq(get(f.site, "/x/../_wspush_page/test.html", NULL), 404);
    ck_assert_int_eq(get(f.site, "/%5fwspush_page/test.html", NULL), 404);
    ck_assert_int_eq(get(f.site, "/_wspush_worker", NULL), 404);
    ck_assert_int_eq(upgrade(f.site, "/_wspush_worker", NULL), 404);
    ck_assert_int_eq(http_stub_count(f.worker), 0);
    ck_assert_int_eq(get(f.site, "/wspush/static/../../nginx.pid", NULL),
                     200); /* a channel's page, not the file */
    ck_assert_int_eq(get(f.site, "/wspush/static/..%2f..%2fetc/nginx.conf", NULL), 200);
    ck_assert(serves(f.site, "/wspush/static/..%2f..%2fetc/nginx.conf", NULL, "page"));
    front_stop(&f);
}
END_TEST

START_TEST(static_files_are_public)
{
    struct front f = front_usual();
    char *script = site_read_file("static/test.js", NULL);
    struct http_reply *r = http_get(site_http(f.site), "/wspush/static/test.js");
    ck_assert_int_eq(r->status, 200);
    ck_assert_str_eq(r->body, script);
    expect_header(r, "Content-Type", "javascript");
    expect_header(r, "X-Content-Type-Options", "nosniff");
    http_reply_free(r);
    ck_assert_int_eq(get(f.site, "/wspush/static/test.css", NULL), 200);
    ck_assert_int_eq(get(f.site, "/wspush/static/none.js", NULL), 404);
    ck_assert_int_eq(get(f.site, "/wspush/static/", NULL), 403);
    free(script);
    front_stop(&f);
}
END_TEST

/* ---- make run's own server ---- */

START_TEST(foreign_hosts_get_nothing)
{
    struct front f = front_usual();
    char own[64];
    snprintf(own, sizeof own, "Host: 127.0.0.1:%d\r\n", site_port(f.site));
    ck_assert_int_eq(get(f.site, "/test/", own), 200);
    ck_assert_int_eq(get(f.site, "/test/", "Host: LOCALHOST:8080\r\n"), 200);
    static const char *const foreign[] = {
        "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::1]", "0.0.0.0",
        "127.0.0.2",    "localhost@evil.example"};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        char host[64];
        snprintf(host, sizeof host, "Host: %s\r\n", foreign[i]);
        int status = get(f.site, "/test/", host);
        ck_assert_msg(status == 0 || status == 400, "%s: %d", foreign[i], status);
        status = upgrade(f.site, "/test/", host);
        ck_assert_msg(status == 0 || status == 400, "%s: %d", foreign[i], status);
    }
    static const char old[] = "GET /test/ HTTP/1.0\r\n\r\n";
    struct http_reply *r = http_raw(site_http(f.site), old, strlen(old), 5000);
    ck_assert_int_eq(r->status, 0);
    http_reply_free(r);
    ck_assert_int_eq(http_stub_count(f.worker), 0);
    ck_assert_int_eq(http_stub_count(f.responder), 2);
    front_stop(&f);
}
END_TEST

START_TEST(root_leads_to_the_page)
{
    struct front f = front_usual();
    struct http_reply *r = http_get(site_http(f.site), "/");
    ck_assert_int_eq(r->status, 302);
    ck_assert_str_eq(http_header(r, "Location"), "/test/");
    http_reply_free(r);
    ck_assert_int_eq(upgrade(f.site, "/test", NULL), 101);
    ck_assert_int_eq(get(f.site, "/favicon.ico", NULL), 204);
    front_stop(&f);
}
END_TEST

/* ---- a daemon away ---- */

static void expect_down(struct site *s, const char *method, const char *headers, const char *who)
{
    struct http_reply *r = http_request(site_http(s), method, "/test/", headers, NULL, 0);
    ck_assert_msg(r->status == 503, "%s %s: %d", method, who, r->status);
    ck_assert_ptr_nonnull(http_header(r, "Retry-After"));
    if (strcmp(method, "HEAD") != 0)
        ck_assert_ptr_nonnull(strstr(r->body, who));
    http_reply_free(r);
}

START_TEST(away_is_503)
{
    /* a site's own error page must not stand in for it */
    struct site *s = site_start(&(struct site_options){
        .no_worker = true, .no_responder = true, .server = "error_page 500 502 503 504 /50x.html;\n"});
    for (int round = 0; round < 2; round++) {
        struct wsclient *c = wsclient_connect(site_http(s), "/test/", NULL);
        ck_assert_int_eq(wsclient_status(c), 503);
        ck_assert_str_eq(wsclient_header(c, "Retry-After"), "2");
        wsclient_free(c);
        expect_down(s, "GET", "Accept: text/event-stream\r\n", "wspushd");
        expect_down(s, "GET", NULL, "wspush-fcgi");
        expect_down(s, "HEAD", NULL, "wspush-fcgi");
        expect_down(s, "POST", "Content-Length: 0\r\n", "wspush-fcgi");
        /* the second time, a file is there and nobody listens: what kill -9 leaves behind */
        site_write_file(s, "ws.sock", "");
        site_write_file(s, "fcgi.sock", "");
    }
    struct http_stub *worker = http_stub_new(HTTP_STUB_HTTP, site_ws(s), PLAIN_OK "work");
    ck_assert_int_eq(upgrade(s, "/test/", NULL), 101); /* the first request after the restart works */
    http_stub_free(worker);
    site_stop(s);
}
END_TEST

/* ---- what ends a connection ---- */

/* nginx with a text of its configuration replaced by a shorter time. */
static struct site *hasty_site(struct site_options options, const char *file, const char *from,
                               const char *to)
{
    options.no_nginx = true;
    struct site *s = site_start(&options);
    char *text = site_read_file(site_path(s, file), NULL), *hit = strstr(text, from), *changed;
    ck_assert_msg(hit, "no %s in %s", from, file);
    ck_assert(asprintf(&changed, "%.*s%s%s", (int)(hit - text), text, to, hit + strlen(from)) > 0);
    site_write_file(s, file, changed);
    free(changed);
    free(text);
    site_begin(s, SITE_NGINX);
    return s;
}

START_TEST(silence_is_cut_at_the_read_timeout)
{
    struct site *s =
        hasty_site((struct site_options){.no_worker = true, .no_responder = true},
                   "etc/snippets/wspush-worker.conf", "proxy_read_timeout 75s", "proxy_read_timeout 300ms");
    struct http_stub *worker = http_stub_new(HTTP_STUB_HTTP, site_ws(s), PLAIN_OK "work");
    long long began = http_now(); /* nginx's clock begins later */
    struct wsclient *c = wsclient_open(site_http(s), "/test/");
    wsclient_expect_end(c);
    ck_assert_int_ge(http_now() - began, 250);
    wsclient_free(c);
    http_stub_free(worker);
    site_stop(s);
}
END_TEST

/* An upstream that neither reads nor sends is given up. */
START_TEST(unread_upstream_is_cut_at_the_send_timeout)
{
    struct site *s =
        hasty_site((struct site_options){.no_worker = true, .no_responder = true},
                   "etc/snippets/wspush-worker.conf", "proxy_send_timeout 15s", "proxy_send_timeout 300ms");
    struct http_stub *worker = http_stub_new(HTTP_STUB_HTTP, site_ws(s), PLAIN_OK "work");
    struct wsclient *c = wsclient_open(site_http(s), "/test/");
    static char block[65536];
    for (int i = 0; i < 64 && wsclient_send_binary(c, block, sizeof block) == 0; i++)
        continue; /* more than nginx and the upstream's socket hold */
    wsclient_expect_end(c);
    wsclient_free(c);
    http_stub_free(worker);
    site_stop(s);
}
END_TEST

START_TEST(reload_ends_old_workers)
{
    struct site *s =
        hasty_site((struct site_options){.no_worker = true, .no_responder = true}, "etc/nginx.conf",
                   "worker_shutdown_timeout 5s", "worker_shutdown_timeout 300ms");
    struct http_stub *worker = http_stub_new(HTTP_STUB_HTTP, site_ws(s), PLAIN_OK "work");
    struct wsclient *c = wsclient_open(site_http(s), "/test/");
    site_signal(s, SITE_NGINX, SIGHUP);
    wsclient_expect_end(c);
    ck_assert_int_eq(upgrade(s, "/test/", NULL), 101);
    wsclient_free(c);
    http_stub_free(worker);
    site_stop(s);
}
END_TEST

/* ---- where a site's rules hold ---- */

START_TEST(access_rules)
{
    static const char server[] =
        "location ^~ /trap/deny/ { deny all; include snippets/wspush-page.conf; }\n"
        "location ^~ /trap/basic/ { auth_basic x; auth_basic_user_file users; include "
        "snippets/wspush-page.conf; }\n"
        "location ^~ /no-post/ { limit_except GET { deny all; } include snippets/wspush-page.conf; }\n"
        "location ^~ /right/ {\n"
        "  if ($wspush_push) { rewrite ^ /_right_worker last; }\n"
        "  deny all;\n  return 200 page;\n}\n"
        "location = /_right_worker { internal; deny all; include snippets/wspush-worker.conf; }\n";
    static const char http[] =
        "server {\n  listen 127.0.0.1:@PORT@;\n  server_name denied.example;\n  deny all;\n"
        "  include snippets/wspush-server.conf;\n"
        "  location / { include snippets/wspush-page.conf; }\n}\n"
        "server {\n  listen 127.0.0.1:@PORT@;\n  server_name gated.example;\n"
        "  auth_request /gate;\n"
        "  location = /gate { internal; auth_request off; \n"
        "    if ($gate) { return 403; }\n    return 204;\n  }\n"
        "  include snippets/wspush-server.conf;\n"
        "  location / { include snippets/wspush-page.conf; }\n}\n"
        "map $http_x_key $gate { default 1; open 0; }\n"
        "server {\n  listen 127.0.0.1:@PORT@;\n  server_name forgot.example;\n  root @DIR@;\n"
        "  auth_request /gate-that-is-not-there;\n  location / { try_files $uri /wspush.conf; }\n"
        "  include snippets/wspush-server.conf;\n"
        "  location ^~ /test/ { include snippets/wspush-page.conf; }\n}\n";
    struct front f =
        front_start((struct site_options){.server = server, .http = http}, PLAIN_OK "work", SAYS_PAGE);
    /* the trap: in the location itself they hold for pages only, the way to the worker is taken before */
    ck_assert_int_eq(get(f.site, "/trap/deny/", NULL), 403);
    ck_assert_int_eq(upgrade(f.site, "/trap/deny/", NULL), 101);
    ck_assert_int_eq(get(f.site, "/trap/basic/", NULL), 401);
    ck_assert_int_eq(upgrade(f.site, "/trap/basic/", NULL), 101);
    /* at server level, or in a worker's location of one's own, they hold for both */
    ck_assert_int_eq(get(f.site, "/test/", "Host: denied.example\r\n"), 403);
    ck_assert_int_eq(upgrade(f.site, "/test/", "Host: denied.example\r\n"), 403);
    ck_assert_int_eq(upgrade(f.site, "/right/", NULL), 403);
    ck_assert_int_eq(get(f.site, "/right/", "Accept: text/event-stream\r\n"), 403);
    ck_assert_int_eq(get(f.site, "/test/", "Host: gated.example\r\n"), 403);
    ck_assert_int_eq(upgrade(f.site, "/test/", "Host: gated.example\r\n"), 403);
    ck_assert_int_eq(upgrade(f.site, "/test/", "Host: gated.example\r\nX-Key: open\r\n"), 101);
    /* the trap: a gate that is missing, where some page answers for it, lets everybody in */
    ck_assert_int_eq(upgrade(f.site, "/test/", "Host: forgot.example\r\n"), 101);
    /* limit_except is enough for POST, which never goes to the worker */
    ck_assert_int_eq(http_status(site_http(f.site), "POST", "/no-post/", "Content-Length: 0\r\n"), 403);
    ck_assert_int_eq(http_status(site_http(f.site), "HEAD", "/no-post/", NULL), 200);
    ck_assert_int_eq(upgrade(f.site, "/no-post/", NULL), 101);
    front_stop(&f);
}
END_TEST

START_TEST(limits_are_429)
{
    static const char server[] =
        "limit_conn_status 429;\nlimit_req_status 429;\n"
        "location ^~ /two/ {\n"
        "  if ($wspush_push) { rewrite ^ /_two last; }\n  return 200 page;\n}\n"
        "location = /_two { internal; limit_conn all_two 2; include snippets/wspush-worker.conf; }\n"
        "location ^~ /rare/ {\n"
        "  if ($wspush_push) { rewrite ^ /_rare last; }\n  return 200 page;\n}\n"
        "location = /_rare { internal; limit_req zone=rare burst=1 nodelay; include "
        "snippets/wspush-worker.conf; }\n";
    static const char http[] = "limit_conn_zone $server_name zone=all_two:1m;\n"
                               "limit_req_zone $server_name zone=rare:1m rate=1r/m;\n";
    struct front f =
        front_start((struct site_options){.server = server, .http = http}, PLAIN_OK "work", SAYS_PAGE);
    struct wsclient *one = wsclient_open(site_http(f.site), "/two/a"),
                    *two = wsclient_open(site_http(f.site), "/two/b");
    ck_assert_int_eq(upgrade(f.site, "/two/c", NULL), 429);
    ck_assert_int_eq(get(f.site, "/two/", NULL), 200);
    ck_assert_int_eq(upgrade(f.site, "/test/", NULL), 101);
    wsclient_free(one);
    wsclient_free(two);
    ck_assert_int_eq(upgrade(f.site, "/rare/", NULL), 101);
    ck_assert_int_eq(upgrade(f.site, "/rare/", NULL), 101);
    ck_assert_int_eq(upgrade(f.site, "/rare/", NULL), 429);
    ck_assert_int_eq(get(f.site, "/rare/", NULL), 200);
    front_stop(&f);
}
END_TEST

/* ---- in copies of Debian's /etc/nginx ---- */

static void expect_valid(const struct site *s)
{
    const char *const argv[] = {
        "/usr/sbin/nginx", "-p", site_path(s, ""), "-e", "stderr", "-c", "etc/nginx.conf", "-t", NULL};
    char *output;
    int status = site_run(argv, NULL, &output, 5000);
    ck_assert_msg(status == 0 && !strstr(output, "[warn]"), "nginx -t: %d\n%s", status, output);
    free(output);
}

#define STOCK_HEAD                                                                                           \
    "server {\n  listen 127.0.0.1:@PORT@ default_server;\n  server_name localhost;\n  root @DIR@/www;\n"     \
    "  index index.html index.nginx-debian.html;\n  include snippets/wspush-server.conf;\n"

/* A site with what most have: PHP by a regex, static files by a regex, try_files, an application. */
static const char stock_site[] = STOCK_HEAD
    "  error_page 404 /lost.html;\n"
    "  location / { try_files $uri $uri/ =404; }\n"
    "  location ~ \\.php$ { include snippets/fastcgi-php.conf; fastcgi_pass unix:php.sock; }\n"
    "  location ~* \\.(js|css|html)$ { expires 7d; add_header X-Static yes; }\n"
    "  location ^~ /test/ { include snippets/wspush-page.conf; }\n"
    "  location ^~ /files/ { include snippets/wspush-here.conf; try_files $uri $uri/index.html =404; }\n"
    "  location ^~ /app/ { include snippets/wspush-here.conf; proxy_pass http://unix:app.sock:/; }\n"
    "  location ^~ /php/ {\n    include snippets/wspush-here.conf;\n    include fastcgi.conf;\n"
    "    fastcgi_param SCRIPT_FILENAME $document_root/index.php;\n    fastcgi_pass unix:php.sock;\n  }\n"
    "  location /plain/ { include snippets/wspush-here.conf; }\n"
    "  location ^~ /double/ { include snippets/wspush-page.conf; include fastcgi_params; }\n"
    "}\n";

START_TEST(beside_an_ordinary_site)
{
    struct front f = front_start((struct site_options){.stock = stock_site}, PLAIN_OK "work", SAYS_PAGE);
    struct site *s = f.site;
    struct http_stub *app, *php;
    expect_valid(s);
    site_write_file(s, "www/index.html", "index");
    site_write_file(s, "www/page.html", "static");
    site_write_file(s, "www/index.php", "source of php");
    site_write_file(s, "www/files/index.html", "files");
    site_write_file(s, "www/lost.html", "lost");
    site_write_file(s, "www/plain/a.html", "plain");
    char address[128];
    snprintf(address, sizeof address, "unix:%s", site_path(s, "app.sock"));
    app = http_stub_new(HTTP_STUB_HTTP, address, PLAIN_OK "appl");
    snprintf(address, sizeof address, "unix:%s", site_path(s, "php.sock"));
    php = http_stub_new(HTTP_STUB_FCGI, address, "Content-Type: text/plain\r\n\r\nphp");

    /* the site is what it was */
    ck_assert(serves(s, "/", NULL, "index"));
    ck_assert(serves(s, "/page.html", NULL, "static"));
    ck_assert(serves(s, "/index.php", NULL, "php"));
    ck_assert(serves(s, "/none", NULL, "lost"));
    ck_assert_int_eq(upgrade(s, "/page.html", NULL), 200); /* no push location: an ordinary GET */
    ck_assert_int_eq(http_stub_count(f.worker), 0);

    /* each kind of location serves its own pages, and pushes */
    static const char *const rows[][2] = {{"/files/", "files"},
                                          {"/app/x", "appl"},
                                          {"/php/x", "php"},
                                          {"/test/", "page"},
                                          {"/test/x.html", "page"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int before = http_stub_count(f.worker);
        ck_assert(serves(s, rows[i][0], NULL, rows[i][1]));
        ck_assert_int_eq(http_stub_count(f.worker), before);
        ck_assert_int_eq(upgrade(s, rows[i][0], NULL), 101);
        ck_assert_int_eq(get(s, rows[i][0], "Accept: text/event-stream\r\n"), 200);
        ck_assert_int_eq(http_stub_count(f.worker), before + 2);
    }
    ck_assert_int_eq(
        http_status(site_http(s), "POST", "/app/x", "Upgrade: websocket\r\nContent-Length: 0\r\n"), 200);
    ck_assert(strncmp(http_stub_seen(app), "POST /x ", 8) == 0);

    /* a regex location wins over a plain prefix: /plain/a.html is lost to push, /plain/a is not, ^~ never */
    ck_assert_int_eq(upgrade(s, "/plain/a", NULL), 101);
    ck_assert_int_eq(upgrade(s, "/plain/a.html", NULL), 200);
    ck_assert_int_eq(upgrade(s, "/test/a.html", NULL), 101);
    ck_assert_int_eq(get(s, "/wspush/static/test.js", NULL), 200);
    /* without a location = /test the slash is added by a redirect */
    ck_assert_int_eq(upgrade(s, "/test", NULL), 301);
    /* fastcgi_param does not override: both are sent, Debian's without the port */
    ck_assert_int_eq(get(s, "/double/", "Host: localhost:8080\r\n"), 200);
    ck_assert_int_eq(occurrences(http_stub_seen(f.responder), "\nHTTP_HOST=localhost:8080\n"), 1);
    ck_assert_int_eq(occurrences(http_stub_seen(f.responder), "\nHTTP_HOST=localhost\n"), 1);
    http_stub_free(app);
    http_stub_free(php);
    front_stop(&f);
}
END_TEST

START_TEST(two_servers_two_channels)
{
    static const char sites[] = STOCK_HEAD
        "  location ^~ /test/ { include snippets/wspush-page.conf; }\n}\n"
        "server {\n  listen 127.0.0.1:@PORT@;\n  server_name b.example;\n  include "
        "snippets/wspush-server.conf;\n"
        "  location ^~ /test/ { set $wspush_channel b/test; include snippets/wspush-page.conf; }\n}\n"
        "server {\n  listen 127.0.0.1:@PORT@;\n  server_name c.example;\n  set $wspush_channel c;\n"
        "  include snippets/wspush-server.conf;\n"
        "  location ^~ /test/ { include snippets/wspush-page.conf; }\n}\n";
    struct front f = front_start((struct site_options){.stock = sites}, PLAIN_OK "work", SAYS_PAGE);
    expect_valid(f.site);
    static const char *const rows[][2] = {{"localhost", NULL}, {"b.example", "b/test"}, {"c.example", "c"}};
    for (int i = 0; i < 3; i++) {
        char host[64], line[64];
        snprintf(host, sizeof host, "Host: %s\r\n", rows[i][0]);
        snprintf(line, sizeof line, "\r\nX-Wspush-Channel: %s\r\n", rows[i][1] ? rows[i][1] : "");
        ck_assert_int_eq(upgrade(f.site, "/test/", host), 101);
        ck_assert_int_eq(strstr(http_stub_seen(f.worker), line) != NULL, rows[i][1] != NULL);
        ck_assert_int_eq(get(f.site, "/test/", host), 200);
        ck_assert_pstr_eq(param(f.responder, "HTTP_X_WSPUSH_CHANNEL"), rows[i][1]);
    }
    front_stop(&f);
}
END_TEST

/* take_text with `from`, which it must have, replaced everywhere. */
static char *swap(char *take_text, const char *from, const char *to)
{
    char *text, *p = take_text;
    size_t len;
    ck_assert_msg(strstr(p, from), "the example has no \"%s\" any more", from);
    FILE *f = open_memstream(&text, &len);
    for (char *hit; (hit = strstr(p, from)); p = hit + strlen(from))
        fprintf(f, "%.*s%s", (int)(hit - p), p, to);
    fputs(p, f);
    fclose(f);
    free(take_text);
    return text;
}

START_TEST(example_site_works)
{
    struct http_stub *app = http_stub_new(HTTP_STUB_HTTP, "127.0.0.1:0", PLAIN_OK "appl");
    char *text = site_read_file("conf/nginx/example-site.conf", NULL);
    text = swap(text, "    listen 80 backlog=4096;\n", "    listen 127.0.0.1:@PORT@ backlog=4096;\n");
    text = swap(text, "    listen [::]:80 backlog=4096;\n", "");
    text = swap(text, "127.0.0.1:3000", http_stub_address(app));
    text = swap(text, "/var/www/example.com", "@DIR@/www");
    text = swap(text, "/var/log/nginx/", "");
    text = swap(text, "/run/php/php-fpm.sock", "php.sock");
    struct front f = front_start((struct site_options){.stock = text}, PLAIN_OK "work", SAYS_PAGE);
    free(text);
    expect_valid(f.site);
    site_write_file(f.site, "www/live.html", "live");
#define EXAMPLE "Host: example.com\r\n"
    ck_assert(serves(f.site, "/test/", EXAMPLE, "page"));
    ck_assert_int_eq(upgrade(f.site, "/test/", EXAMPLE), 101);
    ck_assert_int_eq(upgrade(f.site, "/test", EXAMPLE), 101);
    ck_assert(serves(f.site, "/chat/room1", EXAMPLE, "appl"));
    ck_assert(strstr(http_stub_seen(app), "GET /chat/room1 "));
    ck_assert_int_eq(upgrade(f.site, "/chat/room1", EXAMPLE), 101);
    ck_assert(serves(f.site, "/shop/a1/live", EXAMPLE, "live"));
    ck_assert_int_eq(upgrade(f.site, "/shop/a1/live", EXAMPLE), 101);
    ck_assert(strstr(http_stub_seen(f.worker), "\r\nX-Wspush-Channel: shop:a1\r\n"));
    ck_assert_int_eq(get(f.site, "/wspush/static/test.css", EXAMPLE), 200);
    http_stub_free(app);
    front_stop(&f);
}
END_TEST

/* ---- with the daemons themselves ---- */

/* A path by two routes: the raw one to the worker, a parameter to the responder. */
START_TEST(one_path_one_channel)
{
    static const char *const paths[] = {
        "/test/",          "/test",           "/te%73t/",
        "/%74est/",        "//test//room",    "//test/",
        "/test//",         "/test/room",      "/test/room/",
        "/x/../test/room", "/test/./room",    "/test/%2e/a",
        "/test/%2e%2e/",   "/test/a%2fb",     "/test/a%0ab",
        "/test/a%20b",     "/test/%e6%88%bf", "/test/\xe6\x88\xbf",
        "/test/%ff",       "/test/a?b=/../",  "/test/%23",
        "/test/%3f",       "/%40all",         "/test/a;b",
    };
    struct site *s = site_start(NULL);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct wsclient *c = wsclient_connect(site_http(s), paths[i], NULL);
        struct http_reply *r = http_request(site_http(s), "POST", paths[i], NULL, paths[i], strlen(paths[i]));
        int status = wsclient_status(c);
        ck_assert_msg(status == 101 ? r->status == 200 : r->status == status, "%s: WebSocket %d, POST %d",
                      paths[i], status, r->status);
        if (status == 101) {
            wsclient_expect_text(c, paths[i]);
            wsclient_close(c);
        } else {
            wsclient_free(c);
        }
        http_reply_free(r);
    }
    site_stop(s);
}
END_TEST

/* A proxied WebSocket takes two connections of an nginx process. */
START_TEST(stock_nginx_carries_some_370)
{
    enum { TRIES = 420 };
    struct site *s = hasty_site(
        (struct site_options){.stock = STOCK_HEAD "  location / { include snippets/wspush-page.conf; }\n}\n"},
        "etc/nginx.conf", "worker_processes auto", "worker_processes 1");
    struct wsclient *all[TRIES];
    int open = 0;
    for (int i = 0; i < TRIES; i++) {
        all[i] = wsclient_connect(site_http(s), "/test/", NULL);
        open += wsclient_accepted(all[i]);
    }
    ck_assert_msg(open > 350 && open < 384, "%d WebSockets", open);
    site_wait_log(s, SITE_NGINX, "worker_connections are not enough", 1000);
    for (int i = 0; i < TRIES; i++)
        wsclient_free(all[i]);
    site_stop(s);
}
END_TEST

START_TEST(whole_path)
{
    struct site *s = site_start(NULL);
    struct wsclient *c = wsclient_open(site_http(s), "/test/");
    struct resp *control = resp_open(site_control(s));
    resp_expect(control, "PUBLISH test hello", "1");
    wsclient_expect_text(c, "hello");
    char *page = site_read_file("static/test.html", NULL);
    ck_assert(serves(s, "/test/", NULL, page));
    struct http_reply *r = http_request(site_http(s), "POST", "/test/", NULL, "by POST", 7);
    ck_assert_msg(r->status == 200, "%d %s", r->status, r->body);
    wsclient_expect_text(c, "by POST");
    http_reply_free(r);
    free(page);
    wsclient_close(c);
    resp_free(control);
    site_stop(s);
}
END_TEST

START_TEST(pings_keep_a_quiet_connection)
{
    struct site *s =
        hasty_site((struct site_options){.config = "ping_interval = 200ms\npong_timeout = 200ms\n"},
                   "etc/snippets/wspush-worker.conf", "proxy_read_timeout 75s", "proxy_read_timeout 600ms");
    struct wsclient *c = wsclient_open(site_http(s), "/test/");
    struct resp *control = resp_open(site_control(s));
    wsclient_expect_silence(c, 1500);
    resp_expect(control, "PUBLISH test still-there", "1");
    wsclient_expect_text(c, "still-there");
    wsclient_close(c);
    resp_free(control);
    site_stop(s);
}
END_TEST

/* What follows a refused handshake in the same packet is a request to nginx, not something tunnelled to the
 * worker. */
START_TEST(refused_upgrade_is_no_tunnel)
{
    struct site *s = site_start(NULL);
    static const char two[] =
        "GET /test/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 777\r\n\r\n"
        "GET /wspush/static/test.js HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct http_conn *c = http_open(site_http(s));
    http_write(c, two, strlen(two));
    struct http_reply *first = http_next(c, false, 5000);
    ck_assert_int_eq(first->status, 426);
    ck_assert_str_eq(http_header(first, "Sec-WebSocket-Version"), "13");
    struct http_reply *second = http_next(c, false, 5000);
    ck_assert_int_eq(second->status, 200);
    expect_header(second, "Server", "nginx");
    http_reply_free(first);
    http_reply_free(second);
    http_close(c);
    site_stop(s);
}
END_TEST

START_TEST(worker_killed_and_back)
{
    struct site *s = site_start(NULL);
    struct wsclient *c = wsclient_open(site_http(s), "/test/");
    site_kill(s, SITE_WORKER);
    wsclient_expect_end(c);
    wsclient_free(c);
    ck_assert_int_eq(upgrade(s, "/test/", NULL), 503);
    ck_assert_int_eq(http_status(site_http(s), "POST", "/test/", "Content-Length: 0\r\n"), 503);
    ck_assert_int_eq(get(s, "/test/", NULL), 200); /* the page needs no worker */
    site_begin(s, SITE_WORKER);
    c = wsclient_open(site_http(s), "/test/");
    struct http_reply *r = http_request(site_http(s), "POST", "/test/", NULL, "again", 5);
    ck_assert_msg(r->status == 200, "%d %s", r->status, r->body);
    wsclient_expect_text(c, "again");
    http_reply_free(r);
    wsclient_close(c);
    site_stop(s);
}
END_TEST

static void add_case(Suite *suite, const char *name, const TTest *const *tests, int n)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 30);
    for (int i = 0; i < n; i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
}

int main(void)
{
    const TTest *const stand_ins[] = {push_goes_to_the_worker,
                                      event_stream_is_not_buffered,
                                      worker_gets_an_allow_list,
                                      responder_gets_an_allow_list,
                                      bodies_arrive_whole,
                                      paths_pass_raw,
                                      nginx_names_the_channel,
                                      log_leaves_the_query_out,
                                      host_is_the_one_that_was_served,
                                      defaults_of_a_site_do_not_leak,
                                      page_comes_from_disk,
                                      inner_locations_are_not_outside,
                                      static_files_are_public,
                                      foreign_hosts_get_nothing,
                                      root_leads_to_the_page,
                                      away_is_503,
                                      access_rules,
                                      limits_are_429};
    const TTest *const endings[] = {silence_is_cut_at_the_read_timeout,
                                    unread_upstream_is_cut_at_the_send_timeout, reload_ends_old_workers};
    const TTest *const stock[] = {beside_an_ordinary_site, two_servers_two_channels, example_site_works};
    const TTest *const daemons[] = {whole_path,
                                    one_path_one_channel,
                                    stock_nginx_carries_some_370,
                                    pings_keep_a_quiet_connection,
                                    refused_upgrade_is_no_tunnel,
                                    worker_killed_and_back};
    Suite *suite = suite_create("nginx");
    add_case(suite, "stand-ins", stand_ins, sizeof stand_ins / sizeof stand_ins[0]);
    add_case(suite, "endings", endings, sizeof endings / sizeof endings[0]);
    add_case(suite, "Debian's /etc/nginx", stock, sizeof stock / sizeof stock[0]);
    add_case(suite, "daemons", daemons, sizeof daemons / sizeof daemons[0]);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
