/*
 * The request, rule by rule (RFC 9112, RFC 6455 section 4.2.1), and the answers to it, byte for byte.
 * Requests are read from a block of exactly their size, so that a sanitizer sees a read beyond it.
 */
#include "wire/http.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "../cost.h"
#include "../random.h"

#define UPGRADE_LINES "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY           "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455 section 1.3 */
#define KEY_LINE      "Sec-WebSocket-Key: " KEY "\r\n"
#define VERSION_LINE  "Sec-WebSocket-Version: 13\r\n"
#define HOST_LINE     "Host: a.example\r\n"
#define REST          UPGRADE_LINES KEY_LINE VERSION_LINE
#define GET           "GET /chat HTTP/1.1\r\n"

static int parse_len(const char *head, size_t len, struct http_request *out)
{
    static char *exact; /* what `out` points into, until the next call */
    free(exact);
    exact = malloc(len ? len : 1);
    memcpy(exact, head, len);
    return http_parse_request(exact, len, out);
}

static int parse(const char *head, struct http_request *out)
{
    return parse_len(head, strlen(head), out);
}

static void expect_len(const char *head, size_t len, int error)
{
    struct http_request r;
    int got = parse_len(head, len, &r);
    ck_assert_msg(got == -error, "%s\ngave %d (%s), not %d (%s)", head, -got, error_text(got), error,
                  error_text(error));
}

/* The first line and the headers that matter; the rest of a good request is added. */
static void expect(const char *line, const char *headers, int error)
{
    char head[2048];
    snprintf(head, sizeof head, "%s%s\r\n", line, headers);
    expect_len(head, strlen(head), error);
}

static void expect_text(struct http_text t, const char *text)
{
    ck_assert_msg(t.len == strlen(text) && memcmp(t.data, text, t.len) == 0, "'%.*s', not '%s'", (int)t.len,
                  t.data, text);
}

/* ---- a good request ---- */

START_TEST(the_sample_of_the_rfc)
{
    struct http_request r;
    struct buf b = {0};
    ck_assert_int_eq(
        parse("GET /chat?x=1 HTTP/1.1\r\nHost: server.example.com\r\n" REST
              "Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n"
              "X-Real-IP: 192.0.2.1\r\nX-Forwarded-Proto:https\r\nX-Wspush-Channel: \t test/room \t\r\n\r\n",
              &r),
        0);
    expect_text(r.target, "/chat?x=1");
    expect_text(r.host, "server.example.com");
    expect_text(r.origin, "http://example.com");
    expect_text(r.key, KEY);
    expect_text(r.version, "13");
    expect_text(r.real_ip, "192.0.2.1");
    expect_text(r.forwarded_proto, "https");
    expect_text(r.channel, "test/room");
    ck_assert(r.upgrade_websocket && r.connection_upgrade);
    http_add_switching(&b, &r);
    ck_assert_str_eq(buf_str(&b),
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    buf_fini(&b);
}
END_TEST

/* The client's order decides, over all its headers. */
START_TEST(the_subprotocol)
{
    static const struct {
        const char *headers, *chosen;
    } rows[] = {
        {"", NULL},
        {"Sec-WebSocket-Protocol: soap\r\n", NULL},
        {"Sec-WebSocket-Protocol: chat\r\n", "chat"},
        {"Sec-WebSocket-Protocol: wamp,  chat\r\n", "wamp"},
        {"Sec-WebSocket-Protocol: soap, ,chat,wamp\r\n", "chat"},
        {"Sec-WebSocket-Protocol: soap\r\nsec-websocket-protocol: wamp\r\nSec-WebSocket-Protocol: chat\r\n",
         "wamp"},
        {"Sec-WebSocket-Protocol: Chat, chatt, cha\r\n", NULL},
        {"Sec-WebSocket-Protocol:\r\n", NULL},
    };
    static const char *const known[] = {"chat", "wamp", NULL};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[600];
        struct http_request r;
        snprintf(text, sizeof text, GET HOST_LINE REST "%s\r\n", rows[i].headers);
        ck_assert_int_eq(parse(text, &r), 0);
        ck_assert_ptr_null(http_choose_protocol(&r, NULL).data);
        struct http_text chosen = http_choose_protocol(&r, known);
        if (rows[i].chosen)
            expect_text(chosen, rows[i].chosen);
        else
            ck_assert_ptr_null(chosen.data);
    }
    struct http_request r;
    struct buf many = {0};
    ck_assert_int_eq(parse(GET HOST_LINE REST "Sec-WebSocket-Protocol: a b\r\n\r\n", &r), -ERR_HTTP_SYNTAX);
    ck_assert_int_eq(parse(GET HOST_LINE REST "Sec-WebSocket-Protocol: \"a\"\r\n\r\n", &r), -ERR_HTTP_SYNTAX);
    buf_adds(&many, GET HOST_LINE REST);
    for (int i = 0; i <= HTTP_PROTOCOLS_MAX; i++)
        buf_adds(&many, "Sec-WebSocket-Protocol: a\r\n");
    buf_adds(&many, "\r\n");
    ck_assert_int_eq(parse(buf_str(&many), &r), -ERR_HTTP_SYNTAX);
    buf_fini(&many);
}
END_TEST

/* What was agreed on is said, each header once. */
START_TEST(the_answer_says_what_was_agreed)
{
    struct http_request r;
    struct buf b = {0};
    ck_assert_int_eq(parse(GET HOST_LINE REST
                           "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: foo, "
                           "permessage-deflate; server_max_window_bits=10\r\nSec-WebSocket-Extensions: "
                           "permessage-deflate\r\n\r\n",
                           &r),
                     0);
    r.protocol = http_choose_protocol(&r, (const char *const[]){"chat", NULL});
    http_add_switching(&b, &r);
    ck_assert_ptr_nonnull(
        strstr(buf_str(&b), "\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: "
                            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
                            "server_max_window_bits=10\r\n\r\n"));
    buf_fini(&b);
}
END_TEST

START_TEST(what_is_absent_is_null)
{
    struct http_request r;
    ck_assert_int_eq(parse(GET HOST_LINE REST "\r\n", &r), 0);
    ck_assert_ptr_null(r.origin.data);
    ck_assert_ptr_null(r.real_ip.data);
    ck_assert_ptr_null(r.forwarded_proto.data);
    ck_assert_ptr_null(r.channel.data);
    ck_assert_int_eq(parse(GET HOST_LINE REST "Origin:\r\nX-Wspush-Channel: \r\n\r\n", &r), 0);
    expect_text(r.origin, "");
    ck_assert_ptr_nonnull(r.origin.data);
    ck_assert_ptr_nonnull(r.channel.data);
}
END_TEST

/* ---- the request line ---- */

START_TEST(methods)
{
    static const char *const others[] = {"POST",    "HEAD",    "get",      "GETT", "GE",
                                         "CONNECT", "OPTIONS", "M-SEARCH", "PRI"};
    char line[100];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(line, sizeof line, "%s / HTTP/1.1\r\n", others[i]);
        expect(line, HOST_LINE REST, ERR_HTTP_METHOD);
    }
    expect("G\tT / HTTP/1.1\r\n", HOST_LINE REST, ERR_HTTP_SYNTAX);
    expect("G(T / HTTP/1.1\r\n", HOST_LINE REST, ERR_HTTP_SYNTAX);
    expect("G\xc3\xa9T / HTTP/1.1\r\n", HOST_LINE REST, ERR_HTTP_SYNTAX);
    expect(" GET / HTTP/1.1\r\n", HOST_LINE REST, ERR_HTTP_SYNTAX);
    expect("\r\nGET / HTTP/1.1\r\n", HOST_LINE REST, ERR_HTTP_SYNTAX);
}
END_TEST

START_TEST(versions_of_http)
{
    expect("GET / HTTP/1.0\r\n", HOST_LINE REST, ERR_HTTP_VERSION);
    expect("GET / HTTP/1.2\r\n", HOST_LINE REST, ERR_HTTP_VERSION);
    expect("GET / HTTP/2.0\r\n", HOST_LINE REST, ERR_HTTP_VERSION);
    static const char *const bad[] = {"GET /\r\n",
                                      "GET / HTTP/1\r\n",
                                      "GET / HTTP/11\r\n",
                                      "GET / HTTP/1.10\r\n",
                                      "GET / http/1.1\r\n",
                                      "GET / HTTPS/1.1\r\n",
                                      "GET /HTTP/1.1\r\n",
                                      "GET\r\n",
                                      "GET / HTTP/1.1 \r\n",
                                      "GET / 1.1\r\n",
                                      "\r\n",
                                      "GET / FTP/1.1\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect(bad[i], HOST_LINE REST, ERR_HTTP_SYNTAX);
}
END_TEST

START_TEST(targets)
{
    static const char *const good[] = {"/",   "/a/b?c=d&e", "/%zz", "/\xe6\x88\xbf",
                                       "//x", "/a:b@c",     "/?",   "/'\"<>"};
    static const char *const bad[] = {"*",
                                      "a",
                                      "?a",
                                      "a.example:443",
                                      "/a b",
                                      "/a\tb",
                                      "/a\x01",
                                      "/a#",
                                      "/\x7f",
                                      "",
                                      "http://",
                                      "ftp://a/",
                                      "/a  ",
                                      " /a",
                                      "http:/a",
                                      "http:///a",
                                      "https:///",
                                      "http://a.example",
                                      "http://a.example?b=/c",
                                      "http://u@a.example/",
                                      "http://a\\b/",
                                      "http://a b/"};
    char line[300];
    struct http_request r;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(line, sizeof line, "GET %s HTTP/1.1\r\n%s%s\r\n", good[i], HOST_LINE, REST);
        ck_assert_msg(parse(line, &r) == 0, "%s", good[i]);
        expect_text(r.target, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(line, sizeof line, "GET %s HTTP/1.1\r\n", bad[i]);
        expect(line, HOST_LINE REST, ERR_HTTP_SYNTAX);
    }
}
END_TEST

/* RFC 9112 section 3.2.2: a server has to take it, and its authority is the host. */
START_TEST(absolute_targets)
{
    struct http_request r;
    ck_assert_int_eq(parse("GET http://b.example:8080/x?y HTTP/1.1\r\n" HOST_LINE REST "\r\n", &r), 0);
    expect_text(r.target, "/x?y");
    expect_text(r.host, "b.example:8080");
    ck_assert_int_eq(parse("GET HTTPS://b.example/ HTTP/1.1\r\n" HOST_LINE REST "\r\n", &r), 0);
    expect_text(r.target, "/");
    expect_text(r.host, "b.example");
    expect("GET http://b.example/ HTTP/1.1\r\n", REST, ERR_HTTP_HOST);
}
END_TEST

/* ---- headers ---- */

START_TEST(hosts)
{
    static const char *const good[] = {"a",          "A.example:8080", "127.0.0.1",
                                       "[::1]:8080", "a_b.example",    "localhost:"};
    static const char *const bad[] = {"",     "a b",   "a/b",  "u@a", "a?b",     "a#b",
                                      "a\tb", "\"a\"", "a\\b", "<a>", "\xc3\xa9"};
    char headers[400];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(headers, sizeof headers, "hOST:%s\r\n%s", good[i], REST);
        expect(GET, headers, 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(headers, sizeof headers, "Host: %s\r\n%s", bad[i], REST);
        expect(GET, headers, ERR_HTTP_HOST);
    }
    expect(GET, REST, ERR_HTTP_HOST);
    expect(GET, HOST_LINE HOST_LINE REST, ERR_HTTP_HOST);
    expect(GET, HOST_LINE "host: b\r\n" REST, ERR_HTTP_HOST);
}
END_TEST

START_TEST(token_lists)
{
    static const char *const good[] = {
        "UPGRADE: WebSocket\r\nCONNECTION: keep-alive, UPGRADE\r\n",
        "upgrade:websocket\r\nconnection:upgrade\r\n",
        "Upgrade: h2c , \twebsocket\t,foo\r\nConnection: ,, upgrade ,\r\n",
        "Upgrade: foo\r\nConnection: keep-alive\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket\r\nUpgrade: foo\r\nConnection: Upgrade\r\nConnection: close\r\n",
    };
    static const char *const bad[] = {
        "",
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n",
        "Upgrade: websockets\r\nConnection: Upgrade\r\n",
        "Upgrade: web socket\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket/13\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket\r\nConnection: Upgraded\r\n",
        "Upgrade: websocket\r\nConnection: Up,grade\r\n",
        "Upgrade: websocket\r\nConnection: keep-alive; Upgrade\r\n",
        "Upgrade: \"websocket\"\r\nConnection: Upgrade\r\n",
        "Upgrade:\r\nConnection:\r\n",
        "X-Upgrade: websocket\r\nConnection: Upgrade\r\n",
    };
    char headers[400];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(headers, sizeof headers, HOST_LINE KEY_LINE VERSION_LINE "%s", good[i]);
        expect(GET, headers, 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(headers, sizeof headers, HOST_LINE KEY_LINE VERSION_LINE "%s", bad[i]);
        expect(GET, headers, ERR_NOT_AN_UPGRADE);
    }
}
END_TEST

/* What a request wants; -1: it is refused. */
static int wants(const char *headers)
{
    char head[600];
    struct http_request r;
    snprintf(head, sizeof head, GET HOST_LINE "%s\r\n", headers);
    return parse(head, &r) < 0 ? -1 : (int)r.wants;
}

START_TEST(event_streams)
{
    ck_assert_int_eq(wants("Accept: text/event-stream\r\n"), HTTP_EVENT_STREAM);
    ck_assert_int_eq(wants("Connection: keep-alive\r\naccept: a/b , Text/Event-Stream\r\n"),
                     HTTP_EVENT_STREAM);
    ck_assert_int_eq(wants("Accept: a/b\r\nAccept: text/event-stream\r\nUpgrade: h2c\r\n"),
                     HTTP_EVENT_STREAM);
    ck_assert_int_eq(wants("Accept: text/event-stream ;q=0.9, */*\r\n"), HTTP_EVENT_STREAM);
    ck_assert_int_eq(wants(REST "Accept: text/event-stream\r\n"), HTTP_WEBSOCKET);
    ck_assert_int_eq(wants(REST), HTTP_WEBSOCKET);
    expect(GET, HOST_LINE "Accept: text/event-streams\r\n", ERR_NOT_AN_UPGRADE);
    expect(GET, HOST_LINE "Accept: */*\r\n", ERR_NOT_AN_UPGRADE);
    expect(GET, HOST_LINE "Accept: ;text/event-stream, a;text/event-stream\r\n", ERR_NOT_AN_UPGRADE);
    expect(GET, HOST_LINE "Accept: text/event-stream\r\nUpgrade: websocket\r\n", ERR_NOT_AN_UPGRADE);
    expect("HEAD / HTTP/1.1\r\n", HOST_LINE "Accept: text/event-stream\r\n", ERR_HTTP_METHOD);
    expect(GET, "Accept: text/event-stream\r\n", ERR_HTTP_HOST);
    expect(GET, HOST_LINE "Accept: text/event-stream\r\nContent-Length: 1\r\n", ERR_HTTP_BODY);
}
END_TEST

/* It is carried as it came: who knows what a position is judges it. */
START_TEST(the_last_event_id)
{
    static const char *const values[] = {"1795412345678-17", "closed", "", "a b\xff", "-"};
    struct http_request r;
    char head[600];
    ck_assert_int_eq(parse(GET HOST_LINE REST "\r\n", &r), 0);
    ck_assert_ptr_null(r.last_event_id.data);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        snprintf(head, sizeof head, GET HOST_LINE "Accept: text/event-stream\r\nLast-Event-ID: %s\r\n\r\n",
                 values[i]);
        ck_assert_int_eq(parse(head, &r), 0);
        ck_assert_ptr_nonnull(r.last_event_id.data);
        expect_text(r.last_event_id, values[i]);
    }
}
END_TEST

START_TEST(parameters)
{
    static const struct {
        const char *target, *value;
    } rows[] = {
        {"/chat", NULL},
        {"/chat?", NULL},
        {"/chat?&&", NULL},
        {"/since=1", NULL},
        {"/chat?sinc=1&sincee=2&Since=3", NULL},
        {"/chat?a=since&x=?since=7", NULL},
        {"/chat?since", ""},
        {"/chat?since=", ""},
        {"/chat?since=17-4", "17-4"},
        {"/chat?a&&b=1&since=17-4&since=5", "17-4"},
        {"/chat?since=a=b%26&c", "a=b%26"},
        {"/chat??since=1&since=2", "2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_text value =
            http_query((struct http_text){rows[i].target, strlen(rows[i].target)}, "since");
        if (rows[i].value)
            expect_text(value, rows[i].value);
        ck_assert_msg(!rows[i].value == !value.data, "%s", rows[i].target);
    }
}
END_TEST

START_TEST(single_headers_come_once)
{
    static const struct {
        const char *line;
        int error;
    } rows[] = {{KEY_LINE, ERR_UPGRADE_KEY},
                {VERSION_LINE, ERR_UPGRADE_VERSION},
                {"Origin: http://a\r\n", ERR_HTTP_SYNTAX},
                {"X-Real-IP: 192.0.2.1\r\n", ERR_HTTP_SYNTAX},
                {"X-Forwarded-Proto: https\r\n", ERR_HTTP_SYNTAX},
                {"X-Wspush-Channel: test\r\n", ERR_HTTP_SYNTAX},
                {"Last-Event-ID: 1-1\r\n", ERR_HTTP_SYNTAX}};
    char headers[600];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(headers, sizeof headers, HOST_LINE "%s" UPGRADE_LINES "%s%s", rows[i].line, rows[i].line,
                 i < 2 ? KEY_LINE VERSION_LINE : "");
        expect(GET, headers, rows[i].error);
    }
    /* an empty one counts */
    expect(GET, HOST_LINE "Origin:\r\nOrigin: http://a\r\n" REST, ERR_HTTP_SYNTAX);
}
END_TEST

START_TEST(keys)
{
    static const char *const good[] = {KEY, "AAAAAAAAAAAAAAAAAAAAAA==", "/+/+/+/+/+/+/+/+/+/+/w=="};
    static const char *const bad[] = {"",
                                      "dGhlIHNhbXBsZSBub25jZQ=",
                                      "dGhlIHNhbXBsZSBub25jZQ",
                                      "dGhlIHNhbXBsZSBub25jZQ===",
                                      "dGhlIHNhbXBsZSBub25jZXM=",
                                      "AAAAAAAAAAAAAAAAAAAAAAAA",
                                      "AAAAAAAAAAAAAAAAAAAA",
                                      "dGhlIHNhbXBsZSBub25jZ===",
                                      "dGhlIHNhbXBsZSBub25j*Q==",
                                      "dGhlIHNhbXBs SBub25jZQ==",
                                      "dGhlIHNhbXBs\tSBub25jZQ==",
                                      "dGhl=HNhbXBsZSBub25jZQ==",
                                      "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
                                      "-_-_-_-_-_-_-_-_-_-_-w=="};
    char headers[1800];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(headers, sizeof headers, HOST_LINE UPGRADE_LINES VERSION_LINE "Sec-WebSocket-Key: %s\r\n",
                 good[i]);
        expect(GET, headers, 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(headers, sizeof headers, HOST_LINE UPGRADE_LINES VERSION_LINE "Sec-WebSocket-Key: %s\r\n",
                 bad[i]);
        expect(GET, headers, ERR_UPGRADE_KEY);
    }
    expect(GET, HOST_LINE UPGRADE_LINES VERSION_LINE, ERR_UPGRADE_KEY);
    char long_one[1500];
    memset(long_one, 'A', sizeof long_one);
    long_one[sizeof long_one - 1] = '\0';
    snprintf(headers, sizeof headers, HOST_LINE UPGRADE_LINES VERSION_LINE "Sec-WebSocket-Key: %s\r\n",
             long_one);
    expect(GET, headers, ERR_UPGRADE_KEY);
}
END_TEST

START_TEST(versions_of_websocket)
{
    static const char *const bad[] = {"",      "8",   "12",  "14",  "777", "013",
                                      "13, 8", "13;", "1 3", "+13", "13.0"};
    char headers[400];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(headers, sizeof headers, HOST_LINE UPGRADE_LINES KEY_LINE "Sec-WebSocket-Version: %s\r\n",
                 bad[i]);
        expect(GET, headers, ERR_UPGRADE_VERSION);
    }
    expect(GET, HOST_LINE UPGRADE_LINES KEY_LINE, ERR_UPGRADE_VERSION);
    /* what a peer may be told about first: which version, not the key */
    expect(GET, HOST_LINE UPGRADE_LINES "Sec-WebSocket-Version: 8\r\n", ERR_UPGRADE_VERSION);
}
END_TEST

START_TEST(bodies)
{
    expect(GET, HOST_LINE REST "Content-Length: 0\r\n", 0);
    expect(GET, HOST_LINE REST "Content-Length: 1\r\n", ERR_HTTP_BODY);
    expect(GET, HOST_LINE REST "content-LENGTH:5\r\n", ERR_HTTP_BODY);
    expect(GET, HOST_LINE REST "Content-Length: +0\r\n", ERR_HTTP_BODY);
    expect(GET, HOST_LINE REST "Content-Length: 0, 5\r\n", ERR_HTTP_BODY);
    expect(GET, HOST_LINE REST "Content-Length:\r\n", ERR_HTTP_BODY);
    expect(GET, HOST_LINE REST "Content-Length: 0\r\nContent-Length: 5\r\n", ERR_HTTP_BODY);
    expect(GET, HOST_LINE REST "Transfer-Encoding: chunked\r\n", ERR_HTTP_BODY);
    expect(GET, HOST_LINE REST "Transfer-Encoding: identity\r\n", ERR_HTTP_BODY);
    expect(GET, HOST_LINE REST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", ERR_HTTP_BODY);
}
END_TEST

START_TEST(malformed_header_lines)
{
    static const char *const bad[] = {
        "X: a\r\n folded\r\n", /* obs-fold */
        "X: a\r\n\tfolded\r\n", " X: a\r\n",  "X : a\r\n",   "X\t: a\r\n",    ": a\r\n",
        "no colon\r\n",         "X y: a\r\n", "X(y): a\r\n", "X\"y\": a\r\n", "\xc3\xa9: a\r\n",
        "X: a\nY: b\r\n", /* LF alone */
        "X: a\rY: b\r\n", /* CR alone */
        "X: a\n\r\n",           "X: a\r\r\n", "X\n: a\r\n",  "\nX: a\r\n",
    };
    char headers[600];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(headers, sizeof headers, HOST_LINE "%s" REST, bad[i]);
        expect(GET, headers, ERR_HTTP_SYNTAX);
        snprintf(headers, sizeof headers, HOST_LINE REST "%s", bad[i]);
        expect(GET, headers, ERR_HTTP_SYNTAX);
    }
    expect("GET / HTTP/1.1\n", HOST_LINE REST, ERR_HTTP_SYNTAX);
    expect("GET / HTTP/1.1\r", HOST_LINE REST, ERR_HTTP_SYNTAX);
    expect(GET, HOST_LINE REST "X: a \t b, \"c\" \x80\x85\xff\r\n", 0);
}
END_TEST

START_TEST(no_control_byte_in_any_value)
{
    static const char *const names[] = {
        "X-Any", "Origin", "Host", "Upgrade", "Sec-WebSocket-Key", "X-Wspush-Channel", "Cookie"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (unsigned c = 0; c <= 0x7f; c++) {
            char head[400];
            if ((c >= 0x20 && c != 0x7f) || c == '\t')
                continue;
            int len = snprintf(head, sizeof head, GET "%s: a?b\r\n" REST "\r\n", names[i]);
            *strchr(head, '?') = (char)c;
            expect_len(head, (size_t)len, ERR_HTTP_SYNTAX);
        }
    }
}
END_TEST

/* ---- the end of the head ---- */

START_TEST(the_empty_line_is_found_at_any_split)
{
    static const char text[] = GET HOST_LINE "\r\n\x81\x05more\r\n\r\n";
    const size_t end = (size_t)(strstr(text, "\r\n\r\n") - text) + 4;
    for (size_t first = 0; first < sizeof text; first++) {
        for (size_t step = 1; step < 8; step++) {
            size_t scanned = 0;
            size_t found = 0;
            size_t len = first;
            for (; len < sizeof text && !found; len += step)
                found = http_head_length(text, len, &scanned);
            if (!found)
                found = http_head_length(text, sizeof text - 1, &scanned);
            ck_assert_uint_eq(found, end);
        }
    }
    size_t scanned = 0;
    ck_assert_uint_eq(http_head_length("GET / HTTP/1.1\n\n\r\n\n\r\r\n", 22, &scanned), 0);
    scanned = 0;
    ck_assert_uint_eq(http_head_length("\r\n\r\n", 4, &scanned), 4);
    expect_len("\r\n\r\n", 4, ERR_HTTP_SYNTAX);
}
END_TEST

static const char good_head[] =
    "GET /chat?x HTTP/1.1\r\n" HOST_LINE "Origin: http://a.example\r\n" REST "X-Wspush-Channel: test\r\n\r\n";

START_TEST(every_truncation)
{
    struct http_request r;
    for (size_t len = 0; len < sizeof good_head - 1; len++) {
        size_t scanned = 0;
        ck_assert_uint_eq(http_head_length(good_head, len, &scanned), 0);
        ck_assert_int_le(parse_len(good_head, len, &r), 0);
    }
    ck_assert_int_eq(parse(good_head, &r), 0);
}
END_TEST

/* Whatever a flipped byte makes of a request, what is parsed lies within it. */
static void check_inside(struct http_text t, const char *head, size_t len)
{
    ck_assert(!t.data || (t.len <= len && memmem(head, len, t.data, t.len)));
}

START_TEST(one_flipped_byte_at_each_place)
{
    size_t len = sizeof good_head - 1;
    int passed = 0;
    for (size_t i = 0; i < len; i++) {
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            char head[sizeof good_head];
            struct http_request r;
            memcpy(head, good_head, sizeof head);
            head[i] = (char)(head[i] ^ bit);
            if (parse_len(head, len, &r) < 0)
                continue;
            passed++;
            const struct http_text *texts[] = {&r.target, &r.host, &r.origin, &r.key, &r.version, &r.channel};
            for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
                check_inside(*texts[k], head, len);
        }
    }
    ck_assert_int_gt(passed, 0);
}
END_TEST

START_TEST(random_bytes)
{
    struct http_request r;
    for (int i = 0; i < 20000; i++) {
        char head[200];
        size_t len = random_below(sizeof head);
        for (size_t k = 0; k < len; k++)
            head[k] = "GET /:\r\nHostx\0\xff, "[random_below(18)];
        ck_assert_int_lt(parse_len(head, len, &r), 0);
    }
}
END_TEST

/* ---- cost ---- */

/* A request with `fill` in it, `count` times, where that is allowed. */
static struct buf filled(const char *before, const char *fill, size_t count)
{
    struct buf b = {0};
    buf_adds(&b, GET HOST_LINE REST);
    buf_adds(&b, before);
    for (size_t i = 0; i < count; i++)
        buf_adds(&b, fill);
    buf_adds(&b, *before ? "\r\n\r\n" : "\r\n");
    return b;
}

static void parse_it(const void *input)
{
    const struct buf *b = input;
    struct http_request r;
    ck_assert_int_eq(http_parse_request(b->data, b->len, &r), 0);
}

static void find_end_byte_by_byte(const void *input)
{
    const struct buf *b = input;
    size_t scanned = 0;
    size_t found = 0;
    for (size_t len = 1; len <= b->len; len++)
        found = http_head_length(b->data, len, &scanned);
    ck_assert_uint_eq(found, b->len);
}

START_TEST(time_is_linear)
{
    static const struct {
        const char *before;
        const char *fill;
    } rows[] = {
        {"", "X-Padding: a\r\n"},  {"", "Upgrade: a, b\r\nConnection: c\r\n"}, {"Upgrade: ", "a, "},
        {"Connection: ", " ,\t "}, {"Sec-WebSocket-Extensions: a", "; "},      {"Cookie: ", "      "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf some = filled(rows[i].before, rows[i].fill, 2500);
        struct buf many = filled(rows[i].before, rows[i].fill, 20000);
        double ratio = cost_ratio(parse_it, &some, &many);
        ck_assert_msg(ratio < COST_LINEAR_MAX, "row %zu: %.1f times for 8 times the size", i, ratio);
        ratio = cost_ratio(find_end_byte_by_byte, &some, &many);
        ck_assert_msg(ratio < COST_LINEAR_MAX, "row %zu: %.1f times for 8 times the size", i, ratio);
        buf_fini(&some);
        buf_fini(&many);
    }
}
END_TEST

/* ---- answers ---- */

static void expect_answer(void (*add)(struct buf *, const struct http_request *, bool), const char *headers,
                          bool any_origin, const char *answer)
{
    struct http_request r;
    struct buf b = {0};
    char head[600];
    snprintf(head, sizeof head, GET HOST_LINE "Accept: text/event-stream\r\n%s\r\n", headers);
    ck_assert_int_eq(parse(head, &r), 0);
    add(&b, &r, any_origin);
    ck_assert_str_eq(buf_str(&b), answer);
    buf_fini(&b);
}

/* Whoever has an Origin and was let in may read what it gets. */
START_TEST(answers_to_event_streams)
{
#define STREAM                                                                                               \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"                      \
    "X-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\n"
#define NOTHING "HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\n"
#define SHARED                                                                                               \
    "Access-Control-Allow-Origin: https://b.example:81\r\nAccess-Control-Allow-Credentials: true\r\n"        \
    "Vary: Origin\r\n"
#define END "Connection: close\r\n\r\n"
    static const char origin[] = "Origin: https://b.example:81\r\n";
    expect_answer(http_add_event_stream, "", false, STREAM END);
    expect_answer(http_add_event_stream, "", true, STREAM END);
    expect_answer(http_add_event_stream, origin, false, STREAM SHARED END);
    expect_answer(http_add_event_stream, origin, true, STREAM "Access-Control-Allow-Origin: *\r\n" END);
    expect_answer(http_add_no_content, "", false, NOTHING END);
    expect_answer(http_add_no_content, origin, false, NOTHING SHARED END);
    expect_answer(http_add_no_content, origin, true, NOTHING "Access-Control-Allow-Origin: *\r\n" END);
}
END_TEST

START_TEST(error_answers)
{
#define TAIL(length, connection)                                                                             \
    "Content-Type: text/plain; charset=utf-8\r\nContent-Length: " length                                     \
    "\r\nX-Content-Type-Options: nosniff\r\nConnection: " connection "\r\n\r\n"
    static const struct {
        int error;
        const char *detail;
        const char *answer;
    } rows[] = {
        {ERR_HTTP_SYNTAX, NULL,
         "HTTP/1.1 400 Bad Request\r\n" TAIL("40", "close") "the request is not well-formed HTTP/1.1\n"},
        {ERR_HTTP_METHOD, NULL,
         "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\n" TAIL("27",
                                                                  "close") "only GET opens a WebSocket\n"},
        {ERR_HTTP_VERSION, NULL,
         "HTTP/1.1 505 HTTP Version Not Supported\r\n" TAIL("27", "close") "a WebSocket needs HTTP/1.1\n"},
        {ERR_HTTP_HOST, NULL,
         "HTTP/1.1 400 Bad Request\r\n" TAIL("34", "close") "exactly one Host header is needed\n"},
        {ERR_HTTP_BODY, NULL,
         "HTTP/1.1 400 Bad Request\r\n" TAIL("31", "close") "an upgrade request has no body\n"},
        {ERR_HTTP_HEAD_SIZE, NULL,
         "HTTP/1.1 431 Request Header Fields Too Large\r\n" TAIL("37",
                                                                 "close") "the head of the request is too "
                                                                          "large\n"},
        {ERR_HTTP_TIMEOUT, NULL,
         "HTTP/1.1 408 Request Timeout\r\n" TAIL("35", "close") "the request did not arrive in time\n"},
        {ERR_NOT_AN_UPGRADE, NULL,
         "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" TAIL(
             "79", "close, Upgrade") "this address takes WebSockets: send Connection: Upgrade and Upgrade: "
                                     "websocket\n"},
        {ERR_UPGRADE_VERSION, NULL,
         "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" TAIL(
             "35", "close, Upgrade") "Sec-WebSocket-Version has to be 13\n"},
        {ERR_UPGRADE_KEY, NULL,
         "HTTP/1.1 400 Bad Request\r\n" TAIL("57",
                                             "close") "Sec-WebSocket-Key has to be one base64 value of 16 "
                                                      "bytes\n"},
        {ERR_CHANNEL_NAME, "it is empty",
         "HTTP/1.1 400 Bad Request\r\n" TAIL("39", "close") "the path names no channel: it is empty\n"},
        {ERR_ORIGIN, NULL,
         "HTTP/1.1 403 Forbidden\r\n" TAIL(
             "64", "close") "this Origin may not connect; the option 'origins' lists who "
                            "may\n"},
        {ERR_UNLISTED, NULL, "HTTP/1.1 404 Not Found\r\n" TAIL("25", "close") "there is no such channel\n"},
        {ERR_FULL, NULL,
         "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n" TAIL(
             "27", "close") "no room for another client\n"},
        {ERR_DRAINING, NULL,
         "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n" TAIL("25",
                                                                       "close") "the server is going away\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b = {0};
        http_add_error(&b, -rows[i].error, rows[i].detail);
        ck_assert_str_eq(buf_str(&b), rows[i].answer);
        buf_fini(&b);
    }
}
END_TEST

/* Every row with a status: the length is right, and nothing but the body comes behind the head. */
START_TEST(every_error_is_a_whole_answer)
{
    for (int error = 1; error < ERR_COUNT; error++) {
        struct buf b = {0};
        int status;
        if (!error_http_status(error))
            continue;
        http_add_error(&b, error, "more\r\n\r\nof it");
        const char *text = buf_str(&b);
        const char *body = strstr(text, "\r\n\r\n") + 4;
        ck_assert_int_eq(sscanf(text, "HTTP/1.1 %d ", &status), 1);
        ck_assert_int_eq(status, error_http_status(error));
        ck_assert_ptr_null(strstr(text, "Error\r\n"));
        ck_assert_uint_eq(strtoul(strstr(text, "Content-Length: ") + 16, NULL, 10), strlen(body));
        ck_assert_ptr_nonnull(strstr(body, error_text(error)));
        buf_fini(&b);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http");
    TCase *tc = tcase_create("http");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_sample_of_the_rfc);
    tcase_add_test(tc, the_subprotocol);
    tcase_add_test(tc, the_answer_says_what_was_agreed);
    tcase_add_test(tc, what_is_absent_is_null);
    tcase_add_test(tc, methods);
    tcase_add_test(tc, versions_of_http);
    tcase_add_test(tc, targets);
    tcase_add_test(tc, absolute_targets);
    tcase_add_test(tc, hosts);
    tcase_add_test(tc, token_lists);
    tcase_add_test(tc, event_streams);
    tcase_add_test(tc, the_last_event_id);
    tcase_add_test(tc, parameters);
    tcase_add_test(tc, single_headers_come_once);
    tcase_add_test(tc, keys);
    tcase_add_test(tc, versions_of_websocket);
    tcase_add_test(tc, bodies);
    tcase_add_test(tc, malformed_header_lines);
    tcase_add_test(tc, no_control_byte_in_any_value);
    tcase_add_test(tc, the_empty_line_is_found_at_any_split);
    tcase_add_test(tc, every_truncation);
    tcase_add_test(tc, one_flipped_byte_at_each_place);
    tcase_add_test(tc, random_bytes);
    tcase_add_test(tc, time_is_linear);
    tcase_add_test(tc, answers_to_event_streams);
    tcase_add_test(tc, error_answers);
    tcase_add_test(tc, every_error_is_a_whole_answer);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
