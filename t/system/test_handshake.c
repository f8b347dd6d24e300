/*
 * The opening handshake (RFC 6455 section 4.2.1): who is let in, who is refused and how, and that whoever is
 * let in misses nothing. Where it matters, the same is asked straight and through nginx.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "figures.h"
#include "http.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

#define KEY  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define ASKS "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
#define HEAD "GET /test/ HTTP/1.1\r\nHost: localhost\r\n"
#define GOOD HEAD ASKS KEY "\r\n"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct site *site;
static struct resp *control;

static void begin_with(struct site_options options)
{
    options.no_responder = true;
    site = site_start(&options);
    control = resp_open(site_control(site));
    ck_assert(control != NULL);
}

/* The worker alone, its configuration with these lines. */
static void begin(const char *config)
{
    begin_with((struct site_options){.config = config, .no_nginx = true, .tcp = true});
}

/* nginx, too. */
static void begin_front(const char *config)
{
    begin_with((struct site_options){.config = config});
}

static void end(void)
{
    resp_free(control);
    site_stop(site);
}

/* ---- asking ---- */

/* The status that these bytes get from the worker. */
static int answer_to_bytes(const void *bytes, size_t len)
{
    struct http_reply *r = http_raw(site_ws(site), bytes, len, 5000);
    int status = r->status;
    http_reply_free(r);
    return status;
}

static int answer_to(const char *text)
{
    return answer_to_bytes(text, strlen(text));
}

static void expect_status(const char *request, int status)
{
    int got = answer_to(request);
    if (got != status)
        ck_abort_msg("expected %d, got %d for: %.300s", status, got, request);
}

/* The status that a handshake gets: right but for its path and these header lines. */
static int upgrade(const char *address, const char *path, const char *headers)
{
    struct wsclient *c = wsclient_connect(address, path, headers);
    int status = wsclient_status(c);
    if (status == 101 && !wsclient_accepted(c))
        ck_abort_msg("a wrong 101: %s", wsclient_head(c));
    wsclient_free(c);
    return status;
}

static void expect_upgrade(const char *address, const char *path, const char *headers, int status)
{
    int got = upgrade(address, path, headers);
    if (got != status)
        ck_abort_msg("expected %d, got %d for %s with %s", status, got, path, headers ? headers : "nothing");
}

static void expect(const char *headers, int status)
{
    expect_upgrade(site_ws(site), "/test/", headers, status);
}

static void publish(const char *channel, const char *text, long long recipients)
{
    struct resp_value *v = resp_call(control, "PUBLISH", channel, text, NULL);
    if (v->type != ':' || v->integer != recipients)
        ck_abort_msg("PUBLISH %s: %s instead of %lld", channel, v->text, recipients);
    resp_value_free(v);
}

/* ---- not HTTP at all, or almost ---- */

static const char *const malformed[] = {
    "hello\r\n\r\n",
    "GET\r\n\r\n",
    "GET /test/\r\n\r\n",
    "GET  /test/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /te st/ HTTP/1.1\r\nHost: a\r\n\r\n",
    " GET /test/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET\t/test/\tHTTP/1.1\r\nHost: a\r\n\r\n",
    "G\"T /test/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /test/ HTTP/1.1 \r\nHost: a\r\n\r\n",
    "GET /test/ http/1.1\r\nHost: a\r\n\r\n",
    "GET /test/ HTTP/11\r\nHost: a\r\n\r\n",
    "GET test HTTP/1.1\r\nHost: a\r\n" ASKS KEY "\r\n",
    "GET * HTTP/1.1\r\nHost: a\r\n" ASKS KEY "\r\n",
    "GET /test/#x HTTP/1.1\r\nHost: a\r\n" ASKS KEY "\r\n",
    "GET ftp://a/test/ HTTP/1.1\r\nHost: a\r\n" ASKS KEY "\r\n",
    HEAD ASKS KEY "No-Colon\r\n\r\n",
    HEAD ASKS KEY ": no name\r\n\r\n",
    HEAD ASKS KEY "Space : before colon\r\n\r\n",
    HEAD ASKS KEY "Folded: a\r\n b\r\n\r\n",
    HEAD ASKS KEY "N\xc3\xa4me: a\r\n\r\n",
    HEAD ASKS KEY "Origin: http://localhost\r\nOrigin: http://localhost\r\n\r\n",
    "\xff\xfe\x01 \xff \xff\r\n\r\n",
    "\x16\x03\x01\x02\x01\xfc\x03\x03\r\n\r\n",
};

START_TEST(malformed_requests)
{
    begin(NULL);
    for (size_t i = 0; i < COUNT(malformed); i++)
        expect_status(malformed[i], 400);
    expect_status(GOOD, 101);
    end();
}
END_TEST

/* In a value no byte below a space but the tab, and no DEL; else two parsers see two different headers. */
START_TEST(control_bytes_in_a_value)
{
    static const char before[] = HEAD ASKS KEY "X-Any: a";
    static const char after[] = "b\r\n\r\n";
    char text[512];
    begin(NULL);
    for (int byte = 0; byte <= 255; byte++) {
        size_t n = sizeof before - 1;
        memcpy(text, before, n);
        text[n++] = (char)byte;
        memcpy(text + n, after, sizeof after - 1);
        int status = answer_to_bytes(text, n + sizeof after - 1);
        int wanted = (byte < 0x20 && byte != '\t') || byte == 0x7f ? 400 : 101;
        ck_assert_msg(status == wanted, "byte 0x%02x: %d", (unsigned)byte, status);
    }
    end();
}
END_TEST

/* Random bytes, with an end of a head now and then so that they are judged. */
START_TEST(garbage)
{
    char bytes[400];
    begin("handshake_timeout = 300ms\n");
    struct wsclient *witness = wsclient_open(site_ws(site), "/test/");
    srand(7);
    for (int round = 0; round < 300; round++) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (char)rand();
        memcpy(bytes + sizeof bytes - 4, "\r\n\r\n", 4);
        int status = answer_to_bytes(bytes, sizeof bytes);
        ck_assert_msg(status == 400, "round %d: %d", round, status);
    }
    publish("test", "still here", 1);
    wsclient_expect_text(witness, "still here");
    wsclient_free(witness);
    end();
}
END_TEST

/* A place is taken by who is let in, not by who has yet to ask. */
START_TEST(the_last_place)
{
    static const char request[] = GOOD;
    begin("max_clients = 1\n");
    struct http_conn *half = http_open(site_ws(site));
    ck_assert(half && http_write(half, request, 20) == 0);
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    ck_assert(http_write(half, request + 20, sizeof request - 1 - 20) == 0);
    ck_assert(http_until(half, "HTTP/1.1 503 ", 5000));
    http_close(half);
    wsclient_close(c);
    info_until(control, "connections", 0);
    wsclient_close(wsclient_open(site_ws(site), "/test/"));
    end();
}
END_TEST

/* Cut off at each byte, with and without the rest of the world noticing: nothing is left of any. */
START_TEST(cut_at_every_byte)
{
    static const char request[] = GOOD;
    begin(NULL);
    struct wsclient *witness = wsclient_open(site_ws(site), "/test/");
    int descriptors = site_descriptors(site, SITE_WORKER);
    for (size_t n = 0; n < sizeof request; n++) {
        struct http_conn *c = http_open(n % 2 ? site_ws(site) : site_tcp(site));
        ck_assert(c != NULL && http_write(c, request, n) == 0);
        http_close(c);
    }
    info_until(control, "connections", 1);
    site_wait_descriptors(site, SITE_WORKER, descriptors);
    publish("test", "still here", 1);
    wsclient_expect_text(witness, "still here");
    wsclient_free(witness);
    end();
}
END_TEST

START_TEST(byte_by_byte)
{
    static const char request[] = GOOD;
    begin(NULL);
    struct http_conn *c = http_open(site_ws(site));
    ck_assert(c != NULL);
    for (size_t i = 0; i + 1 < sizeof request; i++)
        ck_assert(http_write(c, request + i, 1) == 0);
    struct http_reply *r = http_next(c, false, 5000);
    ck_assert_int_eq(r->status, 101);
    ck_assert_str_eq(http_header(r, "Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    http_reply_free(r);
    http_close(c);
    end();
}
END_TEST

/* ---- how large ---- */

/* GOOD with a header line more, so that the head is `size` bytes. */
static char *padded(size_t size)
{
    static const char before[] = HEAD ASKS KEY "X-Padding: ";
    char *text = malloc(size + 1);
    ck_assert(text != NULL && size > sizeof before + 4);
    memset(text, 'x', size);
    memcpy(text, before, sizeof before - 1);
    strcpy(text + size - 4, "\r\n\r\n");
    return text;
}

START_TEST(head_size)
{
    begin(NULL); /* 16 KiB */
    static const struct {
        size_t size;
        int status;
    } rows[] = {{16 * 1024, 101}, {16 * 1024 + 1, 431}, {1024 * 1024, 431}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *text = padded(rows[i].size);
        int status = answer_to(text);
        ck_assert_msg(status == rows[i].status, "%zu bytes: %d", rows[i].size, status);
        free(text);
    }
    char *lines = calloc(1, 2 << 20);
    ck_assert(lines != NULL);
    strcpy(lines, HEAD ASKS KEY);
    for (size_t n = strlen(lines), i = 0; i < 20000; i++, n += 10)
        strcpy(lines + n, "X: aaaaa\r\n");
    strcat(lines, "\r\n");
    ck_assert_int_eq(answer_to(lines), 431);
    free(lines);
    end();
}
END_TEST

/* A whole MiB without an end is refused before it is there, and held no longer than that. */
START_TEST(head_without_end)
{
    begin(NULL);
    long long before = info_get(control, "used_memory");
    char *text = padded(1 << 20);
    memset(text + (1 << 20) - 4, 'x', 4);
    struct http_conn *c = http_open(site_ws(site));
    ck_assert(c != NULL);
    http_write(c, text, 1 << 20);
    struct http_reply *r = http_next(c, false, 5000);
    ck_assert_int_eq(r->status, 431);
    http_reply_free(r);
    ck_assert_msg(info_get(control, "used_memory") - before < 128 * 1024, "it is kept");
    ck_assert_int_ne(http_rest(c, 5000), HTTP_TIMEOUT);
    http_close(c);
    free(text);
    end();
}
END_TEST

/* The sanitizers look at all that memmem might read, which makes a square of it. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { LARGE = 64 << 10 };
#else
enum { LARGE = 1 << 20 };
#endif

/* Where large heads are allowed, the work for one grows with its size and not with its square. */
START_TEST(large_heads_are_linear)
{
    static const char *const fillers[] = {"Connection: a, a, a, a, a, a, a, a\r\n", "X: y\r\n",
                                          "Sec-WebSocket-Extensions: ;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;\r\n"};
    begin("header_limit = 1m\n");
    for (size_t k = 0; k < COUNT(fillers); k++) {
        size_t len = strlen(fillers[k]);
        char *text = malloc(LARGE);
        ck_assert(text != NULL);
        strcpy(text, HEAD ASKS KEY);
        size_t n = strlen(text);
        for (; n + len + 3 < LARGE; n += len)
            memcpy(text + n, fillers[k], len);
        strcpy(text + n, "\r\n");
        long long began = http_now();
        expect_status(text, 101);
        long long took = http_now() - began;
        ck_assert_msg(took < 1500, "a large head of \"%.8s...\" takes %lld ms", fillers[k], took);
        free(text);
    }
    end();
}
END_TEST

/* ---- the rules of RFC 6455 section 4.2.1 ---- */

START_TEST(versions)
{
    static const char *const wrong[] = {"12", "8", "777", "013", "+13", "13, 8", "13x", "-13"};
    char headers[128];
    begin(NULL);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        snprintf(headers, sizeof headers, "Sec-WebSocket-Version: %s\r\n", wrong[i]);
        struct wsclient *c = wsclient_connect(site_ws(site), "/test/", headers);
        ck_assert_msg(wsclient_status(c) == 426, "version %s: %d", wrong[i], wsclient_status(c));
        ck_assert_str_eq(wsclient_header(c, "Sec-WebSocket-Version"), "13");
        ck_assert_str_eq(wsclient_header(c, "Upgrade"), "websocket");
        ck_assert_ptr_nonnull(strstr(wsclient_body(c), "Sec-WebSocket-Version"));
        wsclient_free(c);
    }
    expect("Sec-WebSocket-Version:\r\n", 426);
    expect_status(HEAD ASKS KEY "Sec-WebSocket-Version: 13\r\n\r\n", 426);
    expect("Sec-WebSocket-Version:   13\t\r\n", 101);
    end();
}
END_TEST

START_TEST(keys)
{
    static const char *const bad[] = {
        "short",
        "dGhlIHNhbXBsZSBub25jZ",     /* cut */
        "dGhlIHNhbXBsZSBub25jZQ=",   /* 23 characters */
        "dGhlIHNhbXBsZSBub25jZQ===", /* 25 */
        "dGhlIHNhbXBsZSBub25j",      /* 15 bytes */
        "dGhlIHNhbXBsZSBub25jZWE=",  /* 17 bytes */
        "dGhlIHNhbXBsZSBub25jZSE-",  /* not the alphabet */
        "dGhl IHNhbXBsZSBub25jZQ=",  /* a space */
        "AAAAAAAAAAAAAAAAAAAAAAAA",  /* 18 bytes */
        "========================",  /* nothing */
    };
    char headers[128];
    begin(NULL);
    expect("Sec-WebSocket-Key:\r\n", 400);
    for (size_t i = 0; i < COUNT(bad); i++) {
        snprintf(headers, sizeof headers, "Sec-WebSocket-Key: %s\r\n", bad[i]);
        expect(headers, 400);
    }
    expect_status(HEAD ASKS KEY KEY "\r\n", 400);
    expect(KEY, 101);
    end();
}
END_TEST

START_TEST(tokens_in_any_case)
{
    static const char *const good[] = {
        "Upgrade: WebSocket\r\n",
        "Upgrade: WEBSOCKET\r\n",
        "Upgrade: foo, websocket\r\n",
        "Upgrade: ,,websocket ,bar/1\r\n",
        "UPGRADE: websocket\r\n",
        "Connection: upgrade\r\n",
        "Connection: keep-alive, Upgrade\r\n",
        "Connection:UPGRADE,close\r\n",
        "Connection: keep-alive\r\nConnection: upgrade\r\n",
        "sEC-wEBsOCKET-vERSION: 13\r\nhOST: localhost\r\n",
    };
    static const char *const foreign[] = {
        "Upgrade: websocketx\r\n",  "Upgrade: xwebsocket\r\n", "Upgrade: websocket/13\r\n",
        "Upgrade: h2c\r\n",         "Upgrade: web socket\r\n", "Upgrade:\r\n",
        "Connection: upgraded\r\n", "Connection: close\r\n",   "Connection: up grade\r\n",
        "Connection:\r\n",
    };
    begin(NULL);
    for (size_t i = 0; i < COUNT(good); i++)
        expect(good[i], 101);
    for (size_t i = 0; i < COUNT(foreign); i++)
        expect(foreign[i], 426);
    expect_status(HEAD "\r\n", 426);
    end();
}
END_TEST

START_TEST(hosts)
{
    begin(NULL);
    expect_status("GET /test/ HTTP/1.1\r\n" ASKS KEY "\r\n", 400);
    expect_status("GET /test/ HTTP/1.1\r\nHost:\r\n" ASKS KEY "\r\n", 400);
    expect_status(HEAD "Host: localhost\r\n" ASKS KEY "\r\n", 400);
    expect_status(HEAD "hOST: other\r\n" ASKS KEY "\r\n", 400);
    expect_status("GET http://localhost/test/ HTTP/1.1\r\nHost: localhost\r\n" ASKS KEY "\r\n", 101);
    expect_status("GET http://localhost/test/ HTTP/1.1\r\n" ASKS KEY "\r\n", 400);
    end();
}
END_TEST

START_TEST(bodies)
{
    begin(NULL);
    expect("Content-Length: 5\r\n", 400);
    expect("Content-Length: 00\r\n", 400);
    expect("Content-Length: -1\r\n", 400);
    expect("Transfer-Encoding: chunked\r\n", 400);
    expect("Transfer-Encoding: identity\r\n", 400);
    expect("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", 400);
    expect("Content-Length: 0\r\n", 101);
    end();
}
END_TEST

START_TEST(methods_and_protocols)
{
    static const char *const methods[] = {"POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "get", "GETX", "PRI"};
    static const char *const protocols[] = {"HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.2", "HTTP/9.9"};
    char text[512];
    begin(NULL);
    for (size_t i = 0; i < COUNT(methods); i++) {
        snprintf(text, sizeof text, "%s /test/ HTTP/1.1\r\nHost: localhost\r\n" ASKS KEY "\r\n", methods[i]);
        struct http_reply *r = http_raw(site_ws(site), text, strlen(text), 5000);
        ck_assert_msg(r->status == 405, "%s: %d", methods[i], r->status);
        ck_assert_str_eq(http_header(r, "Allow"), "GET");
        http_reply_free(r);
    }
    for (size_t i = 0; i < COUNT(protocols); i++) {
        snprintf(text, sizeof text, "GET /test/ %s\r\nHost: localhost\r\n" ASKS KEY "\r\n", protocols[i]);
        expect_status(text, 505);
    }
    end();
}
END_TEST

/* An answer to a refused request is whole, says why, and is the last: nothing that follows is read as a
 * request of its own. */
START_TEST(a_refusal_is_the_end)
{
    static const char two[] =
        HEAD "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 777\r\n" KEY "\r\n" GOOD;
    begin(NULL);
    struct http_conn *c = http_open(site_ws(site));
    ck_assert(c != NULL && http_write(c, two, sizeof two - 1) == 0);
    struct http_reply *r = http_next(c, false, 5000);
    ck_assert_int_eq(r->status, 426);
    ck_assert(r->whole);
    ck_assert_ptr_nonnull(strstr(http_header(r, "Connection"), "close"));
    http_reply_free(r);
    ck_assert_int_eq(http_rest(c, 5000), HTTP_EOF);
    ck_assert_uint_eq(c->len, 0);
    http_close(c);
    ck_assert_int_eq(info_get(control, "refused_total"), 1);
    ck_assert_int_eq(info_get(control, "clients_total"), 0);
    site_wait_log(site, SITE_WORKER, "refused 426: Sec-WebSocket-Version has to be 13", 1000);
    end();
}
END_TEST

/* The same through nginx: what comes behind a handshake that was refused is for nginx to answer, never for
 * the worker. */
START_TEST(a_refusal_opens_no_tunnel)
{
    static const char two[] =
        HEAD "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 777\r\n" KEY
             "\r\nGET /wspush/static/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n";
    begin_front(NULL);
    struct http_conn *c = http_open(site_http(site));
    ck_assert(c != NULL && http_write(c, two, sizeof two - 1) == 0);
    struct http_reply *r = http_next(c, false, 5000);
    ck_assert_int_eq(r->status, 426);
    http_reply_free(r);
    r = http_next(c, false, 5000);
    ck_assert_msg(r->status == 0 || strstr(r->head, "nginx"), "not nginx's own answer: %s", r->head);
    http_reply_free(r);
    http_close(c);
    ck_assert_int_eq(info_get(control, "refused_total"), 1);
    end();
}
END_TEST

/* What is agreed on: nothing that was not asked for, and what the configuration has. */
START_TEST(what_is_agreed_on)
{
    static const char both[] = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
                               "Sec-WebSocket-Protocol: chat, superchat\r\n";
    begin("subprotocols = {\"superchat\"}\nchannel \"plain\" { deflate = off subprotocols = {} }\n");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    ck_assert_ptr_null(wsclient_header(c, "Sec-WebSocket-Extensions"));
    ck_assert_ptr_null(wsclient_header(c, "Sec-WebSocket-Protocol"));
    wsclient_free(c);
    c = wsclient_connect(site_ws(site), "/test/", both);
    ck_assert(wsclient_accepted(c));
    ck_assert_str_eq(wsclient_header(c, "Sec-WebSocket-Extensions"),
                     "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    ck_assert_str_eq(wsclient_header(c, "Sec-WebSocket-Protocol"), "superchat");
    wsclient_free(c);
    c = wsclient_connect(site_ws(site), "/plain/", both);
    ck_assert(wsclient_accepted(c));
    ck_assert_ptr_null(wsclient_header(c, "Sec-WebSocket-Extensions"));
    ck_assert_ptr_null(wsclient_header(c, "Sec-WebSocket-Protocol"));
    wsclient_free(c);
    end();
}
END_TEST

/* ---- channel names ---- */

#define TEN     "0123456789"
#define FIFTY   TEN TEN TEN TEN TEN
#define NAME200 FIFTY FIFTY FIFTY FIFTY

static const char *const bad_paths[] = {
    "/a//b",       "/test//",   "/a/./b", "/a/.",      "/a/../b", "/a/%2e/b",      "/a/.%2e/b",
    "/a%2fb",      "/a%2Fb",    "/a%0ab", "/a%0d%0ab", "/a%00b",  "/a%09b",        "/a%1fb",
    "/a%7fb",      "/a%20b",    "/a%3fb", "/a%23b",    "/@all",   "/%40all",       "/@",
    "/@client:c1", "/@in:test", "/a%ffb", "/a\xff",    "/%c0%af", "/%ed%a0%80",    "/%f4%90%80%80",
    "/%c3",        "/a%c2%85b", "/a%",    "/a%4",      "/a%zzb",  "/" NAME200 "x", "/" NAME200 "%61",
    "/a/\xc3/b",
};

/* nginx answers these by itself (a redirect to the page, or 400). */
static const char *const bad_paths_straight[] = {
    "/", "//", "///", "//test/", "/?", "/.", "/./test/", "/..", "/../test/", "/a/..", "/a/%2e%2e", "/%2f"};

START_TEST(bad_channel_paths)
{
    begin_front(NULL);
    for (size_t i = 0; i < COUNT(bad_paths); i++) {
        expect_upgrade(site_ws(site), bad_paths[i], NULL, 400);
        expect_upgrade(site_http(site), bad_paths[i], NULL, 400);
    }
    for (size_t i = 0; i < COUNT(bad_paths_straight); i++) {
        expect_upgrade(site_ws(site), bad_paths_straight[i], NULL, 400);
        ck_assert_int_ne(upgrade(site_http(site), bad_paths_straight[i], NULL), 101);
    }
    ck_assert_int_eq(info_get(control, "channels"), 0);
    end();
}
END_TEST

/* Spellings of a path, and the channel that each means, whichever way it comes. */
static const struct {
    const char *path, *channel;
} spellings[] = {
    {"/test/", "test"},
    {"/test", "test"},
    {"/test/?a=b", "test"},
    {"/test?/x/../y//z", "test"},
    {"/te%73t/", "test"},
    {"/%74%65%73%74", "test"},
    {"/test/room", "test/room"},
    {"/Test", "Test"},
    {"/test/%E6%88%BF%E9%97%B4", "test/\xe6\x88\xbf\xe9\x97\xb4"},
    {"/test/\xe6\x88\xbf\xe9\x97\xb4", "test/\xe6\x88\xbf\xe9\x97\xb4"},
    {"/%f0%9f%98%80", "\xf0\x9f\x98\x80"},
    {"/a%25b", "a%b"},
    {"/a+b&c=d;e:f@g", "a+b&c=d;e:f@g"},
    {"/...", "..."},
    {"/.a/b.", ".a/b."},
    {"/" NAME200, NAME200},
};

START_TEST(spellings_of_a_channel)
{
    begin_front(NULL);
    for (size_t i = 0; i < COUNT(spellings); i++) {
        struct wsclient *straight = wsclient_open(site_ws(site), spellings[i].path);
        struct wsclient *through = wsclient_open(site_http(site), spellings[i].path);
        publish(spellings[i].channel, spellings[i].path, 2);
        wsclient_expect_text(straight, spellings[i].path);
        wsclient_expect_text(through, spellings[i].path);
        wsclient_close(straight);
        wsclient_close(through);
        info_until(control, "connected_clients", 0);
    }
    end();
}
END_TEST

static const char *const bad_names[] = {"/",
                                        "a//b",
                                        "/a",
                                        "a/",
                                        "a/./b",
                                        "..",
                                        "a b",
                                        "a?b",
                                        "a#b",
                                        "@all",
                                        "@",
                                        "a\xff",
                                        "\xc0\x80",
                                        "a\xc2\x85"
                                        "b",
                                        NAME200 "x"};

/* On the Unix socket only our own nginx speaks: it may name the channel. */
START_TEST(nginx_names_the_channel)
{
    char headers[512];
    begin(NULL);
    struct wsclient *c = wsclient_connect(site_ws(site), "/test/", "X-Wspush-Channel: shop:42/\xc3\xa4\r\n");
    ck_assert(wsclient_accepted(c));
    publish("test", "not this one", 0);
    publish("shop:42/\xc3\xa4", "this one", 1);
    wsclient_expect_text(c, "this one");
    wsclient_free(c);
    for (size_t i = 0; i < COUNT(bad_names); i++) {
        snprintf(headers, sizeof headers, "X-Wspush-Channel: %s\r\n", bad_names[i]);
        expect(headers, 400);
    }
    expect("X-Wspush-Channel: a\r\nX-Wspush-Channel: b\r\n", 400);
    c = wsclient_connect(site_ws(site), "/test/", "X-Wspush-Channel:\r\n");
    ck_assert(wsclient_accepted(c)); /* empty: nobody named one */
    publish("test", "by path", 1);
    wsclient_expect_text(c, "by path");
    wsclient_free(c);
    end();
}
END_TEST

/* On a port anybody speaks: who says X-Wspush-Channel there is not believed, unless the address is trusted.
 */
static void name_the_channel_over_tcp(const char *config, const char *channel, const char *other)
{
    begin(config);
    struct wsclient *c = wsclient_connect(site_tcp(site), "/test/", "X-Wspush-Channel: secret\r\n");
    ck_assert(wsclient_accepted(c));
    publish(other, "not this one", 0);
    publish(channel, "this one", 1);
    wsclient_expect_text(c, "this one");
    wsclient_free(c);
}

START_TEST(strangers_do_not)
{
    name_the_channel_over_tcp(NULL, "test", "secret");
    expect_upgrade(site_tcp(site), "/test/", "X-Wspush-Channel: @all\r\n", 101); /* not even read */
    end();
    name_the_channel_over_tcp("trusted_proxies = {\"10.0.0.1\"}\n", "test", "secret");
    end();
    name_the_channel_over_tcp("trusted_proxies = {\"10.0.0.1\", \"127.0.0.1\"}\n", "secret", "test");
    end();
}
END_TEST

/* X-Real-IP likewise. */
START_TEST(real_addresses)
{
    begin_front(NULL);
    struct wsclient *c = wsclient_open(site_http(site), "/test/");
    resp_expect(control, "WS.LIST test",
                "[[\"client\", \"c1\", \"user\", \"\", \"channels\", [\"test\"], \"transport\", \"raw\", "
                "\"address\", "
                "\"127.0.0.1\", \"since\"*");
    wsclient_free(c);
    end();
    begin(NULL);
    c = wsclient_connect(site_tcp(site), "/test/", "X-Real-IP: 1.2.3.4\r\n");
    ck_assert(wsclient_accepted(c));
    resp_expect(control, "WS.LIST test",
                "[[\"client\", \"c1\", \"user\", \"\", \"channels\", [\"test\"], \"transport\", \"raw\", "
                "\"address\", "
                "\"127.0.0.1\"*");
    wsclient_free(c);
    expect("X-Real-IP: nonsense\r\n", 101);
    expect("X-Real-IP: 2001:db8::1\r\n", 101);
    end();
}
END_TEST

/* ---- bytes behind the request ---- */

static size_t add_frame(unsigned char *to, unsigned opcode, const char *payload)
{
    struct wsclient_frame f = {.fin = true, .opcode = opcode, .payload = payload, .len = strlen(payload)};
    return wsclient_encode(&f, to, f.len + 14);
}

/* A request with frames in the same packet, but for the last bytes; those come when the first is answered. */
static struct wsclient *open_with_frames(const char *address, size_t cut)
{
    unsigned char bytes[1024];
    static const char request[] = "GET /echo/ HTTP/1.1\r\nHost: localhost\r\n" ASKS KEY "\r\n";
    size_t n = sizeof request - 1;
    memcpy(bytes, request, n);
    n += add_frame(bytes + n, WSCLIENT_TEXT, "one");
    n += add_frame(bytes + n, WSCLIENT_TEXT, "two");
    struct wsclient *c = wsclient_connect_raw(address, bytes, n - cut);
    ck_assert(wsclient_accepted(c));
    wsclient_expect_text(c, "one");
    ck_assert(wsclient_send_raw(c, bytes + n - cut, cut) == 0);
    wsclient_expect_text(c, "two");
    return c;
}

START_TEST(frames_behind_the_request)
{
    begin_front("channel \"echo\" { inbound = echo }\n");
    for (size_t cut = 0; cut < 9; cut++) {
        wsclient_close(open_with_frames(site_ws(site), cut));
        wsclient_close(open_with_frames(site_http(site), cut));
    }
    end();
}
END_TEST

START_TEST(a_close_behind_the_request)
{
    unsigned char bytes[512] = GOOD;
    size_t n = strlen(GOOD);
    begin(NULL);
    n += add_frame(bytes + n, WSCLIENT_CLOSE, "\x0f\xa1");
    struct wsclient *c = wsclient_connect_raw(site_ws(site), bytes, n);
    ck_assert(wsclient_accepted(c));
    struct wsclient_received got;
    ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
    ck_assert_uint_eq(got.opcode, WSCLIENT_CLOSE);
    ck_assert_uint_eq(got.code, 4001);
    ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_EOF);
    wsclient_free(c);
    info_until(control, "connections", 0);
    end();
}
END_TEST

/* ---- in time ---- */

/* What comes byte by byte, not at all, or half, is over when the time is. */
START_TEST(handshake_timeout)
{
    static const char request[] = GOOD;
    begin("handshake_timeout = 300ms\n");
    struct wsclient *witness = wsclient_open(site_ws(site), "/test/");
    struct http_conn *silent = http_open(site_tcp(site)), *half = http_open(site_ws(site));
    struct http_conn *slow = http_open(site_ws(site));
    ck_assert(silent && half && slow);
    ck_assert(http_write(half, request, 100) == 0);
    enum http_end end_of_slow = HTTP_TIMEOUT;
    long long began = http_now();
    for (size_t i = 0; i < 100 && end_of_slow == HTTP_TIMEOUT; i++) {
        http_write(slow, request + i, 1);
        end_of_slow = http_fill(slow, 20);
    }
    long long took = http_now() - began;
    ck_assert_msg(end_of_slow == HTTP_MORE, "no answer to a byte now and then");
    ck_assert_msg(took >= 250 && took < 1500, "it took %lld ms", took);
    ck_assert(http_until(slow, "HTTP/1.1 408 ", 1000));
    ck_assert(http_until(half, "HTTP/1.1 408 ", 1000));
    ck_assert_int_eq(http_rest(silent, 1000), HTTP_EOF);
    ck_assert_uint_eq(silent->len, 0);
    http_close(silent);
    http_close(half);
    http_close(slow);
    info_until(control, "connections", 1);
    publish("test", "still here", 1);
    wsclient_expect_text(witness, "still here");
    wsclient_free(witness);
    end();
}
END_TEST

/* ---- who may ---- */

static const struct {
    const char *headers;
    int status;
} origins[] = {
    {NULL, 101},
    {"Origin: http://localhost\r\n", 101},
    {"Origin: HTTP://LocalHost\r\n", 101},
    {"Origin: http://localhost:80\r\n", 101},
    {"Origin: http://localhost.\r\n", 101},
    {"Host: localhost:8080\r\nOrigin: http://localhost:8080\r\n", 101},
    {"Host: localhost:80\r\nOrigin: http://localhost\r\n", 101},
    {"Host: [::1]:8080\r\nOrigin: http://[::1]:8080\r\n", 101},
    {"Origin: http://evil.example\r\n", 403},
    {"Origin: null\r\n", 403},
    {"Origin:\r\n", 403},
    {"Origin: http://\r\n", 403},
    {"Origin: localhost\r\n", 403},
    {"Origin: http://localhost.evil.example\r\n", 403},
    {"Origin: http://evil.example/localhost\r\n", 403},
    {"Origin: http://localhost@evil.example\r\n", 403},
    {"Origin: http://localhost:8080\r\n", 403},
    {"Host: localhost:8080\r\nOrigin: http://localhost\r\n", 403},
    {"Origin: http://localhost http://evil.example\r\n", 403},
    {"X-Forwarded-Proto: https\r\nOrigin: http://localhost\r\n", 403},
    {"X-Forwarded-Proto: https\r\nOrigin: https://localhost\r\n", 101},
};

START_TEST(origin)
{
    begin(NULL);
    for (size_t i = 0; i < COUNT(origins); i++)
        expect(origins[i].headers, origins[i].status);
    site_wait_log(site, SITE_WORKER, "refused 403: this Origin may not connect", 1000);
    site_wait_log(site, SITE_WORKER, "origin http://evil.example)", 1000);
    end();
}
END_TEST

START_TEST(origin_through_nginx)
{
    char headers[128];
    begin_front(NULL);
    snprintf(headers, sizeof headers, "Host: %s\r\nOrigin: http://%s\r\n", site_http(site), site_http(site));
    expect_upgrade(site_http(site), "/test/", headers, 101);
    expect_upgrade(site_http(site), "/test/", "Origin: http://localhost\r\n", 101);
    expect_upgrade(site_http(site), "/test/", "Origin: http://evil.example\r\n", 403);
    expect_upgrade(site_http(site), "/test/", "Origin: null\r\n", 403);
    expect_upgrade(site_http(site), "/test/", "Origin: https://localhost\r\n", 403);
    end();
}
END_TEST

START_TEST(origins_that_are_listed)
{
    begin("origins = {\"https://a.example\", \"*.b.example\"}\n"
          "channel \"open\" { origins = {\"any\"} }\n"
          "channel \"own\" { origins = {\"http://c.example:81\"} }\n");
    static const struct {
        const char *path, *origin;
        int status;
    } rows[] = {
        {"/test/", "https://a.example", 101},
        {"/test/", "https://a.example:443", 101},
        {"/test/", "http://a.example", 403},
        {"/test/", "https://x.a.example", 403},
        {"/test/", "http://x.b.example", 101},
        {"/test/", "https://x.y.b.example", 101},
        {"/test/", "http://b.example", 403},
        {"/test/", "http://xb.example", 403},
        {"/test/", "http://localhost", 101},
        {"/open", "http://evil.example", 101},
        {"/open", "null", 101},
        {"/own", "http://c.example:81", 101},
        {"/own", "http://c.example", 403},
        {"/own", "https://a.example", 403},
    };
    char headers[128];
    for (size_t i = 0; i < COUNT(rows); i++) {
        snprintf(headers, sizeof headers, "Origin: %s\r\n", rows[i].origin);
        expect_upgrade(site_ws(site), rows[i].path, headers, rows[i].status);
    }
    end();
}
END_TEST

START_TEST(unlisted_channels)
{
    begin_front("unlisted = refuse\nchannel \"test\" { }\nchannel \"rooms/*\" { }\n");
    static const struct {
        const char *path;
        int status;
    } rows[] = {{"/test/", 101}, {"/tset/", 404},     {"/rooms/1", 101}, {"/rooms/", 404},
                {"/", 400},      {"/rooms/1/2", 404}, {"/te%73t", 101},  {"/Test", 404}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        expect_upgrade(site_ws(site), rows[i].path, NULL, rows[i].status);
        if (strcmp(rows[i].path, "/") != 0)
            expect_upgrade(site_http(site), rows[i].path, NULL, rows[i].status);
    }
    expect("X-Wspush-Channel: other\r\n", 404);
    end();
}
END_TEST

START_TEST(max_clients)
{
    struct wsclient *in[3];
    begin_front("max_clients = 3\n");
    for (int i = 0; i < 3; i++)
        in[i] = wsclient_open(site_http(site), "/test/");
    for (int i = 0; i < 2; i++) {
        struct wsclient *c = wsclient_connect(i ? site_http(site) : site_ws(site), "/test/", NULL);
        ck_assert_int_eq(wsclient_status(c), 503);
        ck_assert_ptr_nonnull(wsclient_header(c, "Retry-After"));
        wsclient_free(c);
    }
    wsclient_close(in[1]);
    info_until(control, "connections", 2);
    in[1] = wsclient_open(site_http(site), "/test/");
    publish("test", "for three", 3);
    for (int i = 0; i < 3; i++) {
        wsclient_expect_text(in[i], "for three");
        wsclient_free(in[i]);
    }
    end();
}
END_TEST

/* ---- nothing is missed ---- */

/* What a page's own onopen causes reaches that page: the command leaves the moment that the 101 is seen, by a
 * connection that is open already, which is faster than any page. */
static void publish_at_onopen(const char *address, int rounds)
{
    char text[32];
    for (int i = 0; i < rounds; i++) {
        snprintf(text, sizeof text, "for round %d", i);
        struct wsclient *c = wsclient_connect_raw(address, GOOD, sizeof GOOD - 1);
        ck_assert(resp_send(control, "PUBLISH", "test", text, NULL) == 0);
        if (!wsclient_accepted(c))
            ck_abort_msg("round %d: status %d", i, wsclient_status(c));
        wsclient_expect_text(c, text);
        struct resp_value *v = resp_read(control, RESP_WAIT);
        ck_assert(v && v->type == ':' && v->integer >= 1);
        resp_value_free(v);
        wsclient_free(c);
    }
}

START_TEST(onopen_misses_nothing)
{
    begin_with((struct site_options){.threads = _i + 1, .tcp = true});
    publish_at_onopen(site_ws(site), 1000);
    publish_at_onopen(site_tcp(site), 300);
    publish_at_onopen(site_http(site), 300);
    end();
}
END_TEST

/* ---- the whole ---- */

static TCase *tcase(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    return tc;
}

int main(void)
{
    Suite *suite = suite_create("handshake");
    TCase *tc = tcase(suite, "syntax");
    tcase_add_test(tc, malformed_requests);
    tcase_add_test(tc, control_bytes_in_a_value);
    tcase_add_test(tc, garbage);
    tcase_add_test(tc, the_last_place);
    tcase_add_test(tc, cut_at_every_byte);
    tcase_add_test(tc, byte_by_byte);
    tcase_add_test(tc, head_size);
    tcase_add_test(tc, head_without_end);
    tcase_add_test(tc, large_heads_are_linear);
    tc = tcase(suite, "rules");
    tcase_add_test(tc, versions);
    tcase_add_test(tc, keys);
    tcase_add_test(tc, tokens_in_any_case);
    tcase_add_test(tc, hosts);
    tcase_add_test(tc, bodies);
    tcase_add_test(tc, methods_and_protocols);
    tcase_add_test(tc, a_refusal_is_the_end);
    tcase_add_test(tc, a_refusal_opens_no_tunnel);
    tcase_add_test(tc, what_is_agreed_on);
    tc = tcase(suite, "names");
    tcase_add_test(tc, bad_channel_paths);
    tcase_add_test(tc, spellings_of_a_channel);
    tcase_add_test(tc, nginx_names_the_channel);
    tcase_add_test(tc, strangers_do_not);
    tcase_add_test(tc, real_addresses);
    tc = tcase(suite, "bytes and time");
    tcase_add_test(tc, frames_behind_the_request);
    tcase_add_test(tc, a_close_behind_the_request);
    tcase_add_test(tc, handshake_timeout);
    tc = tcase(suite, "who may");
    tcase_add_test(tc, origin);
    tcase_add_test(tc, origin_through_nginx);
    tcase_add_test(tc, origins_that_are_listed);
    tcase_add_test(tc, unlisted_channels);
    tcase_add_test(tc, max_clients);
    tcase_add_loop_test(tc, onopen_misses_nothing, 0, 2);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
