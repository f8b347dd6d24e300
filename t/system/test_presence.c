/*
 * Presence: who is on a channel, as operators and clients are told, and that nobody is who is not there:
 * after nginx was killed, when peers fall silent, and in a storm of comings and goings.
 */
#include <check.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "http.h"
#include "resp.h"
#include "site.h"
#include "v1.h"
#include "wsclient.h"

static struct site *site;
static struct resp *control;

static void begin_with(struct site_options options)
{
    options.no_responder = true;
    site = site_start(&options);
    control = resp_open(site_control(site));
    ck_assert(control != NULL);
}

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

/* ---- clients ---- */

enum kind { RAW, V1, SSE, KINDS };

struct tab {
    struct wsclient *ws;
    struct stream *stream;
};

/* A user's page: straight to the worker, which believes nginx's header. */
static struct tab tab_open(enum kind kind, const char *path, const char *user)
{
    struct tab tab = {0};
    const char *header = user ? text_of("X-Wspush-User: %s\r\n", user) : NULL;
    if (kind == RAW) {
        tab.ws = wsclient_connect(site_ws(site), path, header);
        ck_assert(wsclient_accepted(tab.ws));
    } else if (kind == V1) {
        tab.ws = v1_visit(site_ws(site), path, header);
    } else {
        tab.stream = stream_open(site_ws(site), path, header);
    }
    return tab;
}

static void tab_free(struct tab *tab)
{
    wsclient_free(tab->ws);
    stream_free(tab->stream);
    *tab = (struct tab){0};
}

/* ---- who is there ---- */

/* "alice:c1+c2 bob:c3 ", in the order of the reply. */
static char *presence_of(const char *channel)
{
    static char text[64 * 1024];
    struct resp_value *v = resp_call(control, "WS.PRESENCE", channel, NULL);
    size_t len = 0;
    ck_assert(v->type == '*');
    text[0] = '\0';
    for (size_t i = 0; i < v->count; i++) {
        const struct resp_value *row = v->items[i];
        ck_assert(row->count == 6 && row->items[5]->integer > 1600000000000);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s:", row->items[1]->text);
        for (size_t k = 0; k < row->items[3]->count; k++)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", k ? "+" : "",
                                    row->items[3]->items[k]->text);
        len += (size_t)snprintf(text + len, sizeof text - len, " ");
    }
    resp_value_free(v);
    return text;
}

struct wanted {
    const char *channel, *presence;
};

static bool is_there(void *arg)
{
    const struct wanted *w = arg;
    return strcmp(presence_of(w->channel), w->presence) == 0;
}

static void presence_until(const char *channel, const char *presence)
{
    struct wanted w = {channel, presence};
    ck_assert_msg(site_until(is_there, &w, 10000), "%s: %s, not %s", channel, presence_of(channel), presence);
}

START_TEST(who_is_there)
{
    begin(_i + 1, NULL);
    resp_expect(control, "WS.PRESENCE test", "[]");
    struct tab nobody = tab_open(V1, "/test", NULL);
    struct tab a = tab_open(RAW, "/test", "alice");
    struct tab b = tab_open(V1, "/test", "alice");
    struct tab c = tab_open(SSE, "/test", "alice");
    struct tab d = tab_open(SSE, "/test", "bob\xc3\xb6");
    struct tab e = tab_open(RAW, "/test/room", "carol");
    presence_until("test", "alice:c2+c3+c4 bob\xc3\xb6:c5 ");
    presence_until("test/room", "carol:c6 ");
    resp_expect(control, "HELLO 3", "{*");
    resp_expect(control, "WS.PRESENCE test/room",
                "[{\"user\": \"carol\", \"clients\": [\"c6\"], \"since\": *");
    resp_expect(control, "HELLO 2", "[*");
    resp_expect(control, "WS.PRESENCE @all", "-ERR *");
    tab_free(&b);
    presence_until("test", "alice:c2+c4 bob\xc3\xb6:c5 ");
    tab_free(&a);
    tab_free(&c);
    tab_free(&d);
    tab_free(&e);
    presence_until("test", "");
    presence_until("test/room", "");
    tab_free(&nobody);
    info_until(control, "channels", 0);
    end();
}
END_TEST

/* Other channels than its own, too. */
START_TEST(taken_channels)
{
    begin(_i + 1, "subscribe = any\nhistory_size = 5\n");
    struct tab a = tab_open(V1, "/test", "alice"), b = tab_open(V1, "/news", "alice");
    v1_say(a.ws, "{\"sub\":[\"news\",\"more\"]}");
    v1_expect(a.ws, "{\"sub\":{\"ch\":\"news\",*}}");
    v1_expect(a.ws, "{\"sub\":{\"ch\":\"more\",*}}");
    presence_until("news", "alice:c2+c1 "); /* as they came */
    presence_until("more", "alice:c1 ");
    v1_say(a.ws, "{\"unsub\":[\"news\",\"test\"]}");
    v1_expect(a.ws, "{\"unsub\":{\"ch\":\"news\"}}");
    v1_expect(a.ws, "{\"unsub\":{\"ch\":\"test\"}}");
    presence_until("news", "alice:c2 ");
    presence_until("test", "");
    presence_until("more", "alice:c1 ");
    v1_say(a.ws, "{\"sub\":[\"other\"],\"since\":{\"other\":\"x\"}}");
    v1_expect(a.ws, "{\"error\":{\"code\":\"position\",*}}");
    presence_until("other", ""); /* it was not let on */
    tab_free(&a);
    presence_until("more", "");
    tab_free(&b);
    info_until(control, "channels", 0);
    end();
}
END_TEST

/* ---- what is told ---- */

static void expect_event(struct resp *watcher, const char *event, const char *rest)
{
    struct resp_value *v = resp_read(watcher, RESP_WAIT);
    char *text = resp_text(v);
    ck_assert_msg(v && v->type == '*' && v->count == 3 &&
                      v1_like(v->items[2]->text, text_of("{\"event\":\"%s\",*%s*}", event, rest)),
                  "not %s %s, but %s", event, rest, text);
    free(text);
    resp_value_free(v);
}

START_TEST(told_to_operators)
{
    begin(_i + 1, NULL); /* presence = off: operators may know */
    struct resp *watcher = resp_open(site_control(site));
    resp_expect(watcher, "SUBSCRIBE @events:test", "[\"subscribe\", *");
    struct tab nobody = tab_open(RAW, "/test", NULL);
    expect_event(watcher, "open", "\"client\":\"c1\"");
    struct tab tabs[KINDS];
    for (int i = 0; i < KINDS; i++) {
        tabs[i] = tab_open((enum kind)i, "/test", "alice");
        expect_event(watcher, "open", text_of("\"client\":\"c%d\",\"user\":\"alice\"", i + 2));
        if (i == 0)
            expect_event(watcher, "join", "\"user\":\"alice\"");
    }
    for (int i = 0; i < KINDS; i++) {
        tab_free(&tabs[i]);
        expect_event(watcher, "close", text_of("\"client\":\"c%d\",\"user\":\"alice\"", i + 2));
    }
    expect_event(watcher, "leave", "\"user\":\"alice\"");
    tab_free(&nobody);
    expect_event(watcher, "close", "\"client\":\"c1\"");
    resp_free(watcher);
    end();
}
END_TEST

/* Who comes gets the list, with itself in it, and not its own join. */
START_TEST(clients_are_told)
{
    begin(_i + 1, "channel \"test\" { presence = on }\n");
    struct tab raw = tab_open(RAW, "/test", NULL);
    struct wsclient *v1 = v1_visit(site_ws(site), "/test", NULL);
    v1_expect(v1, "{\"presence\":{\"ch\":\"test\",\"users\":[]}}");
    struct stream *sse = stream_open(site_ws(site), "/test", "X-Wspush-User: zoe\r\n");
    stream_expect(sse, "presence",
                  "{\"ch\":\"test\",\"users\":[{\"user\":\"zoe\",\"clients\":[\"c3\"],\"since\":*}]}");
    v1_expect(v1, "{\"join\":{\"ch\":\"test\",\"user\":\"zoe\"}}");
    struct wsclient *alice = v1_visit(site_ws(site), "/test", "X-Wspush-User: alice\r\n");
    v1_expect(alice, "{\"presence\":{\"ch\":\"test\",\"users\":[{\"user\":\"zoe\",\"clients\":[\"c3\"],"
                     "\"since\":*},{\"user\":\"alice\",\"clients\":[\"c4\"],\"since\":*}]}}");
    struct tab second = tab_open(RAW, "/test", "alice"), third = tab_open(SSE, "/test", "alice");
    stream_expect(third.stream, "presence", "*\"alice\",\"clients\":[\"c4\",\"c5\",\"c6\"]*");
    resp_expect(control, "PUBLISH test now", "6");
    v1_expect(v1, "{\"join\":{\"ch\":\"test\",\"user\":\"alice\"}}"); /* once for three tabs */
    v1_expect(v1, "{\"ch\":\"test\",*\"now\"}");
    stream_expect(sse, "join", "{\"ch\":\"test\",\"user\":\"alice\"}");
    stream_expect(sse, "message", "now");
    v1_expect(alice, "{\"ch\":\"test\",*\"now\"}");
    wsclient_free(alice);
    tab_free(&second);
    info_until(control, "connected_clients", 4);
    resp_expect(control, "PUBLISH test still", "4");
    v1_expect(v1, "{\"ch\":\"test\",*\"still\"}");
    tab_free(&third);
    v1_expect(v1, "{\"leave\":{\"ch\":\"test\",\"user\":\"alice\"}}");
    stream_expect(sse, "message", "still");
    stream_expect(sse, "leave", "{\"ch\":\"test\",\"user\":\"alice\"}");
    wsclient_expect_text(raw.ws, "now");
    wsclient_expect_text(raw.ws, "still");
    stream_free(sse);
    v1_expect(v1, "{\"leave\":{\"ch\":\"test\",\"user\":\"zoe\"}}");
    v1_expect_nothing(v1);
    wsclient_free(v1);
    tab_free(&raw);
    end();
}
END_TEST

/* With more users than that clients are told how many; operators know all. */
START_TEST(more_than_clients_are_told_of)
{
    enum { TABS = 6 };
    struct tab tabs[TABS];
    begin(_i + 1, "presence = on\npresence_users = 4\n");
    struct wsclient *viewer = v1_visit(site_ws(site), "/test", NULL);
    v1_expect(viewer, "{\"presence\":{\"ch\":\"test\",\"users\":[]}}");
    for (int i = 0; i < 4; i++) {
        tabs[i] = tab_open(RAW, "/test", text_of("u%d", i));
        v1_expect(viewer, text_of("{\"join\":{\"ch\":\"test\",\"user\":\"u%d\"}}", i));
    }
    tabs[4] = tab_open(SSE, "/test", "u4");
    v1_expect(viewer, "{\"presence\":{\"ch\":\"test\",\"users\":null,\"count\":5}}");
    stream_expect(tabs[4].stream, "presence", "{\"ch\":\"test\",\"users\":null,\"count\":5}");
    tabs[5] = tab_open(V1, "/test", "u5");
    v1_expect(tabs[5].ws, "{\"presence\":{\"ch\":\"test\",\"users\":null,\"count\":6}}");
    presence_until("test", "u0:c2 u1:c3 u2:c4 u3:c5 u4:c6 u5:c7 ");
    for (int i = 0; i < 2; i++) {
        tab_free(&tabs[i]);
        info_until(control, "connected_clients", TABS - i);
    }
    v1_expect_nothing(viewer);
    tab_free(&tabs[2]);
    v1_expect(viewer, "{\"presence\":{\"ch\":\"test\",\"users\":[{\"user\":\"u3\",*\"u4\",*\"u5\",*}]}}");
    stream_expect(tabs[4].stream, "presence", "*\"u3\",*\"u4\",*\"u5\",*");
    tab_free(&tabs[3]);
    v1_expect(viewer, "{\"leave\":{\"ch\":\"test\",\"user\":\"u3\"}}");
    tab_free(&tabs[4]);
    tab_free(&tabs[5]);
    wsclient_free(viewer);
    end();
}
END_TEST

START_TEST(off_is_silence)
{
    begin(_i + 1, NULL);
    struct tab a = tab_open(V1, "/test", "alice");
    struct tab b = tab_open(V1, "/test", "bob");
    v1_expect_nothing(b.ws);
    tab_free(&b);
    presence_until("test", "alice:c1 ");
    v1_expect_nothing(a.ws);
    tab_free(&a);
    end();
}
END_TEST

/* ---- no ghosts ---- */

static size_t count_present(const char *channel)
{
    size_t count = 0;
    for (const char *p = presence_of(channel); *p; p++)
        count += *p == ' ';
    return count;
}

#define BY_NAME                                                                                              \
    "location ~ ^/of/(?<who>[^/]+)/(?<room>.+)$ {\n  set $wspush_user $who;\n  set $wspush_channel $room;\n" \
    "  include snippets/wspush-page.conf;\n}\n"

static struct tab come_by_nginx(int i)
{
    struct tab tab = {0};
    const char *path = text_of("/of/u%d/test", i);
    if (i % KINDS == SSE)
        tab.stream = stream_open(site_http(site), path, NULL);
    else if (i % KINDS == V1)
        tab.ws = v1_visit(site_http(site), path, NULL);
    else
        tab.ws = wsclient_open(site_http(site), path);
    return tab;
}

static bool has_worker(void *arg)
{
    pid_t *old = arg, now[8];
    size_t count = site_children(site_pid(site, SITE_NGINX), now, 8);
    for (size_t i = 0; i < count; i++)
        if (now[i] == *old)
            return false;
    return count > 0;
}

/* With it go all connections; the worker sees them end, and they come back. */
START_TEST(nginx_worker_killed)
{
    enum { TABS = 30 };
    struct tab tabs[TABS];
    begin_with((struct site_options){.threads = _i + 1, .server = BY_NAME});
    for (int round = 0; round < 3; round++) {
        pid_t old;
        for (int i = 0; i < TABS; i++)
            tabs[i] = come_by_nginx(i);
        ck_assert_uint_eq(count_present("test"), TABS);
        ck_assert_uint_eq(site_children(site_pid(site, SITE_NGINX), &old, 1), 1);
        kill(old, SIGKILL);
        presence_until("test", "");
        for (int i = 0; i < TABS; i++)
            tab_free(&tabs[i]);
        ck_assert(site_until(has_worker, &old, 10000));
    }
    info_until(control, "connections", 0);
    end();
}
END_TEST

/* Peers that don't answer any more, though their connections stand. */
START_TEST(silent_peers)
{
    enum { TABS = 10 };
    struct tab tabs[TABS];
    begin(_i + 1, "ping_interval = 200ms\npong_timeout = 300ms\nclose_timeout = 300ms\n");
    for (int i = 0; i < TABS; i++)
        tabs[i] = tab_open(i % 2 ? RAW : V1, "/test", text_of("u%d", i));
    struct tab alive = tab_open(V1, "/test", "alive");
    ck_assert_uint_eq(count_present("test"), TABS + 1);
    long long began = http_now();
    while (count_present("test") > 1) {
        ck_assert_int_lt(http_now() - began, 10000);
        v1_expect_nothing(alive.ws);
    }
    presence_until("test", text_of("alive:c%d ", TABS + 1));
    for (int i = 0; i < TABS; i++)
        tab_free(&tabs[i]);
    tab_free(&alive);
    end();
}
END_TEST

/* ---- a storm ---- */

enum { USERS = 12, TABS = 40, RECONNECTS = 500 };

/* What somebody who is told knows: who is there. */
struct view {
    bool here[USERS + 1];
};

static int user_in(const char *text)
{
    const char *user = v1_member(text, "user");
    ck_assert_msg(user[0] == 'u', "no user in %s", text);
    return atoi(user + 1);
}

static void see(struct view *view, const char *text)
{
    bool join = strstr(text, "\"join\"") != NULL;
    ck_assert_msg(join || strstr(text, "\"leave\""), "%s", text);
    int user = user_in(text);
    ck_assert_msg(view->here[user] != join, "u%d is told of twice: %s", user, text);
    view->here[user] = join;
}

/* Of what was told up to now the last is the answer to a ping. */
static void catch_up(struct wsclient *c, struct view *view)
{
    const char *text;
    v1_say(c, "{\"unsub\":[\"nothing\"]}"); /* the hub answers, behind what it has told */
    while (strncmp(text = v1_next(c), "{\"error\"", 8) != 0)
        see(view, text);
}

static void catch_up_operator(struct resp *watcher, struct view *view)
{
    resp_send(watcher, "PING", "now", NULL);
    for (;;) {
        struct resp_value *v = resp_read(watcher, RESP_WAIT);
        ck_assert(v && v->type == '*');
        bool pong = v->count == 2;
        const char *text = pong ? "" : v->items[2]->text;
        if (strstr(text, "\"join\"") || strstr(text, "\"leave\""))
            see(view, text);
        resp_value_free(v);
        if (pong)
            return;
    }
}

static void expect_view(const struct view *view, const int *tabs, const char *whose)
{
    for (int i = 0; i < USERS; i++)
        ck_assert_msg(view->here[i] == (tabs[i] > 0), "%s: u%d is %s", whose, i,
                      view->here[i] ? "there" : "not there");
}

/* 500 reconnects of users with several tabs of all kinds: what WS.PRESENCE says, and what clients and
 * operators make of what they were told, is who is really there. */
START_TEST(storm)
{
    struct tab tabs[TABS] = {0};
    int user_of[TABS], count[USERS] = {0};
    struct view by_client = {0}, by_operator = {0};
    unsigned seed = 7;
    begin(_i + 1, "presence = on\nrequests = 0\n");
    struct resp *watcher = resp_open(site_control(site));
    resp_expect(watcher, "SUBSCRIBE @events:test", "[\"subscribe\", *");
    struct wsclient *viewer = v1_visit(site_ws(site), "/test", NULL);
    v1_expect(viewer, "{\"presence\":{\"ch\":\"test\",\"users\":[]}}");
    for (int i = 0; i < RECONNECTS; i++) {
        int at = rand_r(&seed) % TABS;
        if (tabs[at].ws || tabs[at].stream) {
            count[user_of[at]]--;
            tab_free(&tabs[at]);
            if (i % 3)
                continue; /* it stays away for a while */
        }
        user_of[at] = rand_r(&seed) % USERS;
        count[user_of[at]]++;
        tabs[at] = tab_open((enum kind)(rand_r(&seed) % KINDS), "/test", text_of("u%d", user_of[at]));
        if (i % 50 == 0)
            catch_up(viewer, &by_client);
    }
    int open = 1;
    size_t users = 0;
    for (int i = 0; i < USERS; i++) {
        open += count[i];
        users += count[i] > 0;
    }
    info_until(control, "connected_clients", open);
    ck_assert_uint_eq(count_present("test"), users);
    for (int i = 0; i < USERS; i++) {
        const char *presence = text_of("u%d:", i);
        const char *row = strstr(presence_of("test"), presence);
        int clients = row ? 1 : 0;
        for (const char *p = row; p && *p != ' '; p++)
            clients += *p == '+';
        ck_assert_msg(clients == count[i], "u%d has %d tabs, not %d", i, clients, count[i]);
    }
    catch_up(viewer, &by_client);
    catch_up_operator(watcher, &by_operator);
    expect_view(&by_client, count, "the client's view");
    expect_view(&by_operator, count, "the operator's view");
    for (int i = 0; i < TABS; i++)
        tab_free(&tabs[i]);
    presence_until("test", "");
    wsclient_close(viewer);
    resp_free(watcher);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("presence");
    TCase *tc = tcase_create("presence");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, who_is_there, 0, 2);
    tcase_add_loop_test(tc, taken_channels, 0, 2);
    tcase_add_loop_test(tc, told_to_operators, 0, 2);
    tcase_add_loop_test(tc, clients_are_told, 0, 2);
    tcase_add_loop_test(tc, more_than_clients_are_told_of, 0, 2);
    tcase_add_loop_test(tc, off_is_silence, 0, 2);
    tcase_add_loop_test(tc, nginx_worker_killed, 0, 2);
    tcase_add_loop_test(tc, silent_peers, 0, 2);
    tcase_add_loop_test(tc, storm, 0, 2);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
