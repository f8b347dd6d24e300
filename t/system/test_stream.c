/*
 * Event streams (SSE), as docs/CLIENT.md and the HTML standard have them: through nginx over HTTP/1.1 and
 * HTTP/2, where a browser comes back to, what a line end becomes, how a stream ends, and who may have one.
 */
#include <check.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "figures.h"
#include "http.h"
#include "program.h"
#include "resp.h"
#include "site.h"
#include "v1.h"

static struct site *site;
static struct resp *control;

static void begin_with(struct site_options options)
{
    options.no_responder = true;
    site = site_start(&options);
    control = resp_open(site_control(site));
    ck_assert(control != NULL);
}

/* The worker alone. */
static void begin(int threads, const char *config)
{
    begin_with((struct site_options){.threads = threads, .config = config, .no_nginx = true});
}

static void end(void)
{
    resp_free(control);
    site_stop(site);
}

static const char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *text_of(const char *format, ...)
{
    static char texts[8][512];
    static unsigned next;
    char *text = texts[next++ % 8];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof texts[0], format, args);
    va_end(args);
    return text;
}

/* Publishes; the id that the message got, valid for the next eight calls. */
static const char *publish(const char *channel, const char *text)
{
    struct resp_value *v = resp_call(control, "WS.SEND", channel, text, NULL);
    ck_assert(v->count == 2);
    const char *id = text_of("%s", v->items[1]->text);
    resp_value_free(v);
    return id;
}

/* The id that is so many behind this one, or before it. */
static const char *id_at(const char *id, long long distance)
{
    const char *dash = strchr(id, '-');
    return text_of("%.*s-%lld", (int)(dash - id), id, atoll(dash + 1) + distance);
}

static struct stream *visit(const char *path, const char *headers)
{
    return stream_open(site_ws(site), path, headers);
}

/* The reply has this text in it. */
static void expect_reply(const char *command, const char *argument, const char *has)
{
    struct resp_value *v = resp_call(control, command, argument, NULL);
    char *text = resp_text(v);
    ck_assert_msg(strstr(text, has) != NULL, "%s %s: no %s in %s", command, argument, has, text);
    free(text);
    resp_value_free(v);
}

static int status_of(const char *path, const char *headers)
{
    struct stream *s = stream_connect(site_ws(site), path, headers);
    int status = stream_status(s);
    stream_free(s);
    return status;
}

/* ---- through nginx ---- */

START_TEST(arrives_at_once)
{
    begin_with((struct site_options){.threads = _i + 1});
    char before[ID_MAX];
    strcpy(before, publish("chat/room", "before"));
    struct stream *s = stream_open(site_http(site), "/chat/room", NULL);
    stream_expect_id(s, before);
    for (int i = 0; i < 5; i++) { /* each comes before the next is sent */
        const char *id = publish("chat/room", text_of("%d", i));
        stream_expect(s, "message", text_of("%d", i));
        ck_assert_str_eq(stream_position(s), id);
    }
    ck_assert(strcasestr(stream_head(s), "\r\nCache-Control: no-store\r\n"));
    expect_reply("WS.LIST", "chat/room", "\"transport\", \"sse\"");
    stream_free(s);
    info_until(control, "connected_clients", 0);
    end();
}
END_TEST

START_TEST(over_http2)
{
    begin_with((struct site_options){
        .http = "server {\n  listen unix:@DIR@/h2.sock http2;\n  server_name localhost;\n"
                "  include snippets/wspush-server.conf;\n"
                "  location / { include snippets/wspush-page.conf; }\n}\n",
        .config = "history_size = 10\nping_interval = 300ms\n"});
    const char *first = publish("chat/room", "first");
    publish("chat/room", "second");
    const char *header = text_of("Last-Event-ID: %s", first);
    const char *socket = text_of("%s", site_path(site, "h2.sock"));
    const char *const argv[] = {"/usr/bin/curl",
                                "-sSNi",
                                "--http2-prior-knowledge",
                                "--unix-socket",
                                socket,
                                "-H",
                                "Accept: text/event-stream",
                                "-H",
                                header,
                                "http://localhost/chat/room",
                                NULL};
    struct program curl;
    program_start(&curl, NULL, argv);
    program_expect(&curl, "HTTP/2 200");
    program_expect(&curl, "data: second\n\n");
    const char *id = publish("chat/room", "third");
    program_expect(&curl, text_of("id: %s\ndata: third\n\n", id));
    program_expect(&curl, "event: beat\ndata:\n\n");
    resp_expect(control, "WS.CLOSE chat/room", "1");
    ck_assert_int_eq(program_finish(&curl), 0);
    const char *said = buf_str(&curl.said);
    ck_assert_msg(strcmp(said + strlen(said) - 12, "id: closed\n\n") == 0, "%s", said);
    ck_assert(strstr(said, "data: first") == NULL);
    program_fini(&curl);
    end();
}
END_TEST

/* `mode` is about pages: a stream is none. */
START_TEST(where_pages_are_not_served)
{
    begin_with((struct site_options){.config = "channel \"only\" { mode = require }\n"});
    struct stream *s = stream_open(site_http(site), "/only", NULL);
    publish("only", "x");
    stream_expect(s, "message", "x");
    stream_free(s);
    end();
}
END_TEST

/* ---- what an event looks like ---- */

START_TEST(every_kind_of_line_end)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"one", "one"},
        {"a\nb", "a\nb"},
        {"a\rb", "a\nb"},
        {"a\r\nb", "a\nb"},
        {"a\n\rb", "a\n\nb"},
        {"a\r\n\r\nb\r\r\n\n", "a\n\nb\n\n\n"},
        {"\n", "\n"},
        {"\r", "\n"},
        {"\r\n", "\n"},
        {" leading\n : colon\n", " leading\n : colon\n"},
        {"data: x\nid: 7\n\nevent: y", "data: x\nid: 7\n\nevent: y"},
        {"\u2028\xc2\x85 stay", "\u2028\xc2\x85 stay"},
    };
    begin(_i + 1, "history_size = 100\n");
    struct stream *s = visit("/test", NULL);
    char first[ID_MAX];
    strcpy(first, publish("test", "first"));
    stream_expect(s, "message", "first");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        publish("test", rows[i][0]);
        stream_expect(s, "message", rows[i][1]);
    }
    struct stream *again = visit("/test", text_of("Last-Event-ID: %s\r\n", first));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        stream_expect(again, "message", rows[i][1]);
    ck_assert_str_eq(stream_position(s), stream_position(again));
    stream_free(s);
    stream_free(again);
    end();
}
END_TEST

START_TEST(binary)
{
    struct stream_event e;
    begin(_i + 1, NULL);
    struct stream *s = visit("/test", NULL);
    stream_expect_id(s, "*-*");
    const char *const argv[] = {"WS.SEND", "test", "\0\n\r\xff", "BINARY"};
    const size_t lens[] = {7, 4, 4, 6};
    resp_send_argv(control, 4, argv, lens);
    resp_expect_next(control, "[1, *");
    ck_assert(stream_next(s, &e, WSCLIENT_WAIT));
    ck_assert(e.id && strcmp(e.event, "binary") == 0);
    ck_assert_str_eq(e.data, "AAoN/w==");
    resp_expect(control, "WS.SEND @client:c1 abc BINARY", "[1, null]");
    ck_assert(stream_next(s, &e, WSCLIENT_WAIT));
    ck_assert(!e.id && strcmp(e.event, "binary") == 0 && strcmp(e.data, "YWJj") == 0);
    resp_expect(control, "PUBLISH @all hi", "1");
    ck_assert(stream_next(s, &e, WSCLIENT_WAIT));
    ck_assert(!e.id && strcmp(e.event, "message") == 0 && strcmp(e.data, "hi") == 0);
    stream_free(s);
    end();
}
END_TEST

/* They come whether anything else does or not. */
START_TEST(beats)
{
    begin(_i + 1, "ping_interval = 150ms\npong_timeout = 100ms\n");
    struct stream *s = visit("/test", NULL);
    long long began = http_now();
    for (int i = 0; i < 5; i++)
        stream_expect(s, "beat", "");
    ck_assert_int_ge(http_now() - began, 450);
    publish("test", "still here");
    stream_expect(s, "message", "still here");
    ck_assert(*stream_position(s)); /* beats have no id, and take none away */
    stream_free(s);
    end();
}
END_TEST

START_TEST(retry_differs)
{
    enum { STREAMS = 20 };
    int different = 0, before = 0;
    begin(1, NULL);
    for (int i = 0; i < STREAMS; i++) {
        struct stream_event e;
        struct stream *s = stream_connect(site_ws(site), "/test", NULL);
        ck_assert(stream_next(s, &e, WSCLIENT_WAIT) && e.retry && !e.id && !e.has_data);
        int retry = atoi(e.retry);
        ck_assert_int_ge(retry, 1000);
        ck_assert_int_le(retry, 5000);
        different += retry != before;
        before = retry;
        stream_free(s);
    }
    ck_assert_int_gt(different, STREAMS / 2);
    end();
}
END_TEST

/* ---- positions ---- */

START_TEST(comes_back)
{
    char first[ID_MAX], second[ID_MAX];
    begin(_i + 1, "history_size = 10\n");
    strcpy(first, publish("test", "1"));
    strcpy(second, publish("test", "2"));
    const char *third = text_of("%s", publish("test", "3"));
    struct stream *by_header = visit("/test", text_of("Last-Event-ID: %s\r\n", first));
    stream_expect_id(by_header, first); /* should it be cut off now */
    struct stream *by_url = visit(text_of("/test?a=b&since=%s", first), NULL);
    struct stream *by_both =
        visit(text_of("/test?since=%s", first), text_of("Last-Event-ID: %s\r\n", second));
    struct stream *empty = visit(text_of("/test?since=%s", first), "Last-Event-ID:\r\n");
    struct stream *head = visit("/test", text_of("Last-Event-ID: %s\r\n", third));
    stream_expect(by_header, "message", "2");
    ck_assert_str_eq(stream_position(by_header), second);
    stream_expect(by_header, "message", "3");
    stream_expect(by_url, "message", "2");
    stream_expect(by_url, "message", "3");
    stream_expect(by_both, "message", "3");
    stream_expect(empty, "message", "2");
    stream_expect(empty, "message", "3");
    resp_expect(control, "PUBLISH test 4", "5");
    stream_expect(by_header, "message", "4");
    stream_expect(by_url, "message", "4");
    stream_expect(by_both, "message", "4");
    stream_expect(empty, "message", "4");
    stream_expect(head, "message", "4");
    stream_free(by_header);
    stream_free(by_url);
    stream_free(by_both);
    stream_free(empty);
    stream_free(head);
    end();
}
END_TEST

static void expect_reset(const char *since, const char *why)
{
    struct stream *s = visit("/test", text_of("Last-Event-ID: %s\r\n", since));
    stream_expect(s, "reset", text_of("{\"ch\":\"test\",\"why\":\"%s\",\"id\":\"*\"}", why));
    const char *at = text_of("%s", stream_position(s));
    const char *next = publish("test", "goes on");
    stream_expect(s, "message", "goes on");
    ck_assert_str_eq(next, id_at(at, 1));
    stream_free(s);
}

START_TEST(positions_that_are_gone)
{
    char first[ID_MAX];
    begin(_i + 1, "history_size = 2\n");
    strcpy(first, publish("test", "1"));
    for (int i = 2; i < 6; i++)
        publish("test", "more");
    expect_reset(first, "gone");
    expect_reset("1000-1", "generation");
    end();
}
END_TEST

START_TEST(positions_that_are_none)
{
    static const char *const none[] = {"x", "17", "-", "1795412345678-1x", "0-0", "Closed"};
    begin(_i + 1, "history_size = 10\n");
    char ahead[ID_MAX];
    strcpy(ahead, id_at(publish("test", "1"), 1000));
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        ck_assert_int_eq(status_of("/test", text_of("Last-Event-ID: %s\r\n", none[i])), 400);
        ck_assert_int_eq(status_of(text_of("/test?since=%s", none[i]), NULL), 400);
    }
    ck_assert_int_eq(status_of("/test", text_of("Last-Event-ID: %s\r\n", ahead)), 400);
    ck_assert_int_eq(status_of(text_of("/test?since=%s", ahead), NULL), 400);
    ck_assert_int_eq(status_of("/never-published", text_of("Last-Event-ID: %s\r\n", ahead)), 400);
    resp_expect(control, "PUBLISH test nobody", "0");
    info_until(control, "connections", 0);
    info_until(control, "channels", 0);
    struct resp_value *v = resp_call(control, "WS.REFUSED", "COUNT", "1", NULL);
    char *text = resp_text(v);
    ck_assert_msg(strstr(text, "\"what\", \"sse\"") && strstr(text, "Last-Event-ID"), "%s", text);
    free(text);
    resp_value_free(v);
    end();
}
END_TEST

/* ---- how it ends ---- */

START_TEST(closed_for_good)
{
    begin_with((struct site_options){.threads = _i + 1});
    struct stream *s = stream_open(site_http(site), "/test", NULL), *other = visit("/test", NULL);
    publish("test", "last");
    resp_expect(control, "WS.CLOSE test", "2");
    stream_expect(s, "message", "last");
    stream_expect(other, "message", "last");
    ck_assert(stream_expect_end(s));
    ck_assert(stream_expect_end(other));
    ck_assert_str_eq(stream_position(s), "closed");
    for (int i = 0; i < 2; i++) {
        const char *address = i ? site_http(site) : site_ws(site);
        struct stream *again = stream_connect(address, "/test", "Last-Event-ID: closed\r\n");
        ck_assert_msg(stream_status(again) == 204, "%s", stream_head(again));
        stream_free(again);
    }
    stream_free(s);
    stream_free(other);
    resp_expect(control, "PUBLISH test nobody", "0");
    info_until(control, "connections", 0);
    ck_assert_int_eq(status_of("/test", NULL), 200); /* who does not say so may come */
    end();
}
END_TEST

START_TEST(asked_to_come_back)
{
    begin(_i + 1, "drain_time = 100ms\n");
    struct stream *s = visit("/test", NULL), *t = visit("/test", NULL);
    publish("test", "x");
    resp_expect(control, "WS.DRAIN", "2");
    stream_expect(s, "message", "x");
    ck_assert(!stream_expect_end(s));
    stream_expect(t, "message", "x");
    ck_assert(!stream_expect_end(t));
    ck_assert(strcmp(stream_position(s), "closed") != 0);
    stream_free(s);
    stream_free(t);
    end();
    begin(_i + 1, NULL);
    s = visit("/test", NULL);
    site_signal(site, SITE_WORKER, SIGTERM);
    ck_assert(!stream_expect_end(s));
    stream_free(s);
    ck_assert_int_eq(site_wait_end(site, SITE_WORKER, 10000), 0);
    end();
}
END_TEST

START_TEST(idle)
{
    begin(_i + 1, "idle_timeout = 300ms\n");
    struct stream *s = visit("/test", NULL);
    long long began = http_now();
    publish("test", "x");
    stream_expect(s, "message", "x");
    ck_assert(stream_expect_end(s));
    ck_assert_int_ge(http_now() - began, 290);
    stream_free(s);
    end();
}
END_TEST

/* What waits for it is dropped, and it may come back to it. */
START_TEST(slow_is_ended)
{
    enum { MESSAGES = 2000 };
    char text[1100];
    begin(_i + 1, "out_limit = 64k\nhistory_size = 5000\nhistory_bytes = 16m\n");
    struct stream *s = visit("/test", NULL);
    stream_expect_id(s, "*-*");
    for (int i = 0; i < MESSAGES; i++) {
        snprintf(text, sizeof text, "%d %1018d", i, 0);
        resp_send(control, "PUBLISH", "test", text, NULL);
    }
    for (int i = 0; i < MESSAGES; i++)
        resp_value_free(resp_read(control, RESP_WAIT));
    ck_assert_int_eq(info_get(control, "slow_closed"), 1);
    struct stream_event e;
    int next = 0;
    while (stream_next(s, &e, WSCLIENT_WAIT)) {
        ck_assert_msg(e.has_data && atoi(e.data) == next, "%.40s, not %d", e.data, next);
        next++;
    }
    ck_assert(stream_ended(s) && next > 10 && next < MESSAGES);
    struct stream *again = visit("/test", text_of("Last-Event-ID: %s\r\n", stream_position(s)));
    for (; next < MESSAGES; next++)
        stream_expect(again, "message", text_of("%d *", next));
    stream_free(s);
    stream_free(again);
    end();
}
END_TEST

/* ---- who may ---- */

START_TEST(origins)
{
    begin(1,
          "channel \"any\" { origins = {\"any\"} }\nchannel \"two\" { origins = {\"https://a.example\"} }\n");
    struct stream *s = visit("/test", NULL);
    ck_assert(!strcasestr(stream_head(s), "Access-Control"));
    stream_free(s);
    s = visit("/test", "Origin: http://localhost\r\n");
    ck_assert(strcasestr(stream_head(s), "\r\nAccess-Control-Allow-Origin: http://localhost\r\n"));
    ck_assert(strcasestr(stream_head(s), "\r\nAccess-Control-Allow-Credentials: true\r\n"));
    ck_assert(strcasestr(stream_head(s), "\r\nVary: Origin\r\n"));
    stream_free(s);
    ck_assert_int_eq(status_of("/test", "Origin: https://a.example\r\n"), 403);
    ck_assert_int_eq(status_of("/test", "Origin: null\r\n"), 403);
    s = visit("/two", "Origin: https://a.example\r\n");
    ck_assert(strcasestr(stream_head(s), "\r\nAccess-Control-Allow-Origin: https://a.example\r\n"));
    stream_free(s);
    s = visit("/any", "Origin: https://whoever.example\r\n");
    ck_assert(strcasestr(stream_head(s), "\r\nAccess-Control-Allow-Origin: *\r\n"));
    ck_assert(!strcasestr(stream_head(s), "Access-Control-Allow-Credentials"));
    stream_free(s);
    s = stream_connect(site_ws(site), "/two", "Last-Event-ID: closed\r\nOrigin: https://a.example\r\n");
    ck_assert_int_eq(stream_status(s), 204); /* the script is to see that, too */
    ck_assert(strcasestr(stream_head(s), "\r\nAccess-Control-Allow-Origin: https://a.example\r\n"));
    stream_free(s);
    end();
}
END_TEST

START_TEST(refused)
{
    begin(_i + 1, "unlisted = refuse\nclients_per_address = 2\nchannel \"test\" { }\n");
    ck_assert_int_eq(status_of("/other", NULL), 404);
    ck_assert_int_eq(status_of("/test/../x", NULL), 400);
    ck_assert_int_eq(http_status(site_ws(site), "POST", "/test", "Accept: text/event-stream\r\n"), 405);
    ck_assert_int_eq(http_status(site_ws(site), "HEAD", "/test", "Accept: text/event-stream\r\n"), 405);
    ck_assert_int_eq(http_status(site_ws(site), "GET", "/test", "Accept: text/html\r\n"), 426);
    struct stream *a = visit("/test", "X-Real-IP: 192.0.2.1\r\n");
    struct stream *b = visit("/test", "X-Real-IP: 192.0.2.1\r\n");
    struct stream *c = stream_connect(site_ws(site), "/test", "X-Real-IP: 192.0.2.1\r\n");
    ck_assert_int_eq(stream_status(c), 429);
    ck_assert(strcasestr(stream_head(c), "\r\nRetry-After:"));
    stream_free(a);
    stream_free(c);
    info_until(control, "connections", 1);
    ck_assert_int_eq(status_of("/test", "X-Real-IP: 192.0.2.1\r\n"), 200);
    stream_free(b);
    end();
}
END_TEST

START_TEST(pages_of_nginx)
{
    begin_with((struct site_options){.threads = 1});
    int head = http_status(site_http(site), "HEAD", "/test/", "Accept: text/event-stream\r\n");
    ck_assert_msg(head != 0 && head != 101, "%d", head);
    ck_assert_int_eq(info_get(control, "connected_clients"), 0);
    struct stream *s = stream_open(site_http(site), "/test/", "Content-Length: 0\r\n");
    publish("test", "x");
    stream_expect(s, "message", "x");
    stream_free(s);
    end();
}
END_TEST

/* Its request is all that it has to say: nothing of the rest is kept, nor is it heard. */
START_TEST(talks_on)
{
    static char noise[64 * 1024];
    begin(_i + 1, "ping_interval = 200ms\npong_timeout = 200ms\nin_bytes = 1k\n");
    memset(noise, 'x', sizeof noise);
    struct stream *s = visit("/test", NULL);
    long long before = site_memory(site, SITE_WORKER);
    for (int i = 0; i < 64; i++)
        ck_assert(send(stream_fd(s), noise, sizeof noise, MSG_NOSIGNAL) == (ssize_t)sizeof noise);
    for (int i = 0; i < 3; i++)
        stream_expect(s, "beat", "");
    publish("test", "x");
    struct stream_event e;
    do
        ck_assert(stream_next(s, &e, WSCLIENT_WAIT));
    while (strcmp(e.event, "message") != 0 || !e.has_data);
    ck_assert_str_eq(e.data, "x");
    ck_assert_int_eq(info_get(control, "inbox_bytes"), 0);
    ck_assert_int_lt(site_memory(site, SITE_WORKER) - before, 2 << 20);
    resp_expect(control, "WS.COUNT test", "0");
    stream_free(s);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stream");
    TCase *tc = tcase_create("stream");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, arrives_at_once, 0, 2);
    tcase_add_test(tc, over_http2);
    tcase_add_test(tc, where_pages_are_not_served);
    tcase_add_loop_test(tc, every_kind_of_line_end, 0, 2);
    tcase_add_loop_test(tc, binary, 0, 2);
    tcase_add_loop_test(tc, beats, 0, 2);
    tcase_add_test(tc, retry_differs);
    tcase_add_loop_test(tc, comes_back, 0, 2);
    tcase_add_loop_test(tc, positions_that_are_gone, 0, 2);
    tcase_add_loop_test(tc, positions_that_are_none, 0, 2);
    tcase_add_loop_test(tc, closed_for_good, 0, 2);
    tcase_add_loop_test(tc, asked_to_come_back, 0, 2);
    tcase_add_loop_test(tc, idle, 0, 2);
    tcase_add_loop_test(tc, slow_is_ended, 0, 2);
    tcase_add_test(tc, origins);
    tcase_add_loop_test(tc, refused, 0, 2);
    tcase_add_test(tc, pages_of_nginx);
    tcase_add_loop_test(tc, talks_on, 0, 2);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
