/*
 * docs/examples, built as their readers build them, behind real nginx: the chat bot answers a page, and a web
 * request pushes. wspush_is_websocket() is held against nginx's own $wspush_ws.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "http.h"
#include "program.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

static struct site *site;
static struct program program;

static void start(const char *name, const char *a, const char *b)
{
    char variable[256];
    snprintf(variable, sizeof variable, "WSPUSH_SOCKET=%s", site_control(site) + strlen("unix:"));
    program_start(&program, variable, (const char *const[]){site_program(name), a, b, NULL});
}

static void end(int status)
{
    ck_assert_int_eq(program_end(&program), status);
    ck_assert_str_eq(buf_str(&program.complained), "");
    program_fini(&program);
    site_stop(site);
}

/* ---- chatbot ---- */

START_TEST(chatbot)
{
    site = site_start(NULL);
    start("examples/chatbot", "test", NULL);
    struct wsclient *a = wsclient_open(site_http(site), "/test/");
    struct wsclient *b = wsclient_open(site_http(site), "/test/");
    wsclient_send_text(b, "hello");
    wsclient_expect_text(b, "hello, c2");
    wsclient_send_text(a, "what?");
    wsclient_expect_text(a, "I know: hello, bye");
    wsclient_send_text(a, "bye");
    ck_assert_str_eq(wsclient_expect_close(a, 1000), "bye");
    wsclient_free(a);
    wsclient_send_text(b, "hello");
    wsclient_expect_text(b, "hello, c2");
    wsclient_close(b);
    end(128 + SIGTERM);
}
END_TEST

static bool waits(void *arg)
{
    (void)arg;
    struct resp *r = resp_open(site_control(site));
    struct resp_value *list = r ? resp_call(r, "CLIENT", "LIST", NULL) : NULL;
    bool found = list && strstr(list->text, "cmd=ws.wait");
    resp_value_free(list);
    resp_free(r);
    return found;
}

/* It stays through a restart of the worker. */
START_TEST(chatbot_stays)
{
    site = site_start(NULL);
    start("examples/chatbot", "test", NULL);
    ck_assert(site_until(waits, NULL, 10000));
    site_end(site, SITE_WORKER);
    site_begin(site, SITE_WORKER);
    ck_assert(site_until(waits, NULL, 10000));
    struct wsclient *c = wsclient_open(site_http(site), "/test/");
    wsclient_send_text(c, "hello");
    wsclient_expect_text(c, "hello, c1");
    wsclient_close(c);
    end(128 + SIGTERM);
}
END_TEST

/* ---- push-from-fastcgi ---- */

static bool listens(void *arg)
{
    struct stat st;
    return stat(arg, &st) == 0;
}

static void begin_fastcgi(void)
{
    static char path[128];
    site = site_start(&(struct site_options){.config = "message_limit = 60000\n",
                                             .server = "location = /notify {\n"
                                                       "    include /etc/nginx/fastcgi_params;\n"
                                                       "    fastcgi_pass unix:@DIR@/notify.sock;\n"
                                                       "    add_header X-Wspush-Ws $wspush_ws always;\n"
                                                       "}\n"});
    snprintf(path, sizeof path, "%s", site_path(site, "notify.sock"));
    start("examples/push-from-fastcgi", path, "news");
    ck_assert(site_until(listens, path, 10000));
}

static void expect_answer(const char *method, const void *body, size_t len, int status, const char *text)
{
    struct http_reply *r = http_request(site_http(site), method, "/notify", NULL, body, len);
    ck_assert_msg(r->status == status && strstr(r->body, text), "%s: %d %s", method, r->status, r->body);
    http_reply_free(r);
}

START_TEST(push_from_fastcgi)
{
    begin_fastcgi();
    struct wsclient *a = wsclient_open(site_http(site), "/news/");
    expect_answer("POST", "first", 5, 200, "sent to 1\n");
    struct wsclient *b = wsclient_open(site_http(site), "/news/");
    expect_answer("POST", "\xe7\x95\x8c", 3, 200, "sent to 2\n");
    wsclient_expect_text(a, "first");
    wsclient_expect_text(a, "\xe7\x95\x8c");
    wsclient_expect_text(b, "\xe7\x95\x8c");
    expect_answer("POST", "\xff", 1, 400, "not UTF-8 at byte 0");
    expect_answer("GET", NULL, 0, 405, "POST a message");
    char *large = calloc(1, 65537);
    memset(large, 'x', 65537);
    expect_answer("POST", large, 65537, 413, "65536 bytes at most");
    expect_answer("POST", large, 60001, 413, "TOOBIG");
    expect_answer("POST", large, 60000, 200, "sent to 2\n");
    free(large);
    wsclient_free(a);
    wsclient_free(b);
    end(0);
}
END_TEST

START_TEST(push_from_fastcgi_without_a_worker)
{
    begin_fastcgi();
    site_end(site, SITE_WORKER);
    expect_answer("POST", "lost", 4, 503, "not sent");
    site_begin(site, SITE_WORKER);
    expect_answer("POST", "found", 5, 200, "sent to 0\n");
    end(0);
}
END_TEST

/* What nginx takes for a WebSocket, the program does, and nothing else. */
START_TEST(websockets_as_nginx_has_them)
{
    static const struct {
        const char *method, *version, *headers;
        bool websocket;
    } rows[] = {
        {"GET", "1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", true},
        {"GET", "1.1", "Connection: keep-alive, upgrade\r\nUpgrade: WebSocket\r\n", true},
        {"GET", "1.1", "Connection: a,\tupgrade ,b\r\nUpgrade: h2c , websocket,x\r\n", true},
        {"GET", "1.1", "Connection: ,upgrade,\r\nUpgrade: ,websocket\r\n", true},
        {"GET", "1.1", "Connection: Upgrade\r\n", false},
        {"GET", "1.1", "Upgrade: websocket\r\nConnection: close\r\n", false},
        {"GET", "1.1", "Connection: upgrades\r\nUpgrade: websocket\r\n", false},
        {"GET", "1.1", "Connection: Upgrade\r\nUpgrade: websocketx\r\n", false},
        {"GET", "1.1", "Connection: Upgrade\r\nUpgrade: websocket x\r\n", false},
        {"GET", "1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\n", false},
        {"GET", "1.0", "Connection: Upgrade\r\nUpgrade: websocket\r\n", false},
        {"POST", "1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n", false},
        {"PUT", "1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n", false},
        {"GET", "1.1", "", false},
    };
    begin_fastcgi();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char request[512];
        int len = snprintf(request, sizeof request, "%s /notify HTTP/%s\r\nHost: localhost\r\n%s\r\n",
                           rows[i].method, rows[i].version, rows[i].headers);
        struct http_reply *r = http_raw(site_http(site), request, (size_t)len, 5000);
        const char *nginx = http_header(r, "X-Wspush-Ws");
        bool ours = strstr(r->body, "no WebSocket is served here") != NULL;
        ck_assert_msg(nginx && r->status, "row %zu: %d %s", i, r->status, r->head);
        ck_assert_msg(atoi(nginx) == rows[i].websocket, "row %zu: nginx says %s", i, nginx);
        ck_assert_msg(ours == rows[i].websocket, "row %zu: the program says %d", i, ours);
        http_reply_free(r);
    }
    end(0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("examples");
    TCase *tc = tcase_create("examples");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, chatbot);
    tcase_add_test(tc, chatbot_stays);
    tcase_add_test(tc, push_from_fastcgi);
    tcase_add_test(tc, push_from_fastcgi_without_a_worker);
    tcase_add_test(tc, websockets_as_nginx_has_them);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
