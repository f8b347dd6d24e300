/* Users: who nginx says a client is, and what operators can do with it. */
#include "http.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct site *site;
static struct resp *control;

/* Under /as/ a client is who its query says: for a test that is good enough. */
static const char server[] =
    "location ^~ /as/ {\n  set $wspush_user $arg_user;\n  include snippets/wspush-page.conf;\n}\n"
    "location ^~ /odd/ {\n  set $wspush_user \"two words\";\n  include snippets/wspush-page.conf;\n}\n"
    /* as a site with a login of its own does it */
    "location ^~ /login/ {\n  if ($wspush_push) { rewrite ^ /_login_worker last; }\n  return 404;\n}\n"
    "location = /_login_worker {\n  internal;\n  auth_request /_who;\n"
    "  auth_request_set $wspush_user $upstream_http_x_user;\n  include snippets/wspush-worker.conf;\n}\n"
    "location = /_who {\n  internal;\n  proxy_pass http://127.0.0.1:@PORT@/_whoami;\n"
    "  proxy_set_header Host $host;\n}\n"
    "location = /_whoami {\n  add_header X-User $cookie_session;\n  return 200;\n}\n";

static void begin_as(const struct site_options *options)
{
    site = site_start(options);
    control = resp_open(site_control(site));
}

static void begin(int threads)
{
    begin_as(&(struct site_options){.threads = threads, .tcp = true, .server = server});
}

static void end(void)
{
    resp_free(control);
    site_stop(site);
}

static struct wsclient *visit(const char *path)
{
    return wsclient_open(site_http(site), path);
}

/* The user of the client, as WS.LIST tells it. */
static void expect_user(const char *client, const char *user)
{
    char target[40];
    snprintf(target, sizeof target, "@client:%s", client);
    struct resp_value *v = resp_call(control, "WS.LIST", target, NULL);
    char *text = resp_text(v);
    char wanted[200];
    snprintf(wanted, sizeof wanted, "\"user\", \"%s\"", user);
    ck_assert_msg(strstr(text, wanted) != NULL, "%s, not %s", text, wanted);
    free(text);
    resp_value_free(v);
}

/* On several channels, of both threads; others get nothing. */
START_TEST(all_clients_of_a_user)
{
    begin(2);
    struct wsclient *alice[4];
    for (int i = 0; i < 4; i++)
        alice[i] = visit(i % 2 ? "/as/one/?user=alice" : "/as/two/?user=alice");
    struct wsclient *bob = visit("/as/one/?user=bob");
    struct wsclient *nobody = visit("/as/one/");
    resp_expect(control, "PUBLISH @user:alice hello", "4");
    resp_expect(control, "WS.SEND @user:alice again", "[4, null]");
    resp_expect(control, "WS.SEND @user:alice third WAIT ponged TIMEOUT 20",
                "[4, null, [\"timeout\", 4], [[*");
    resp_expect(control, "PUBLISH @user:carol hello", "0");
    resp_expect(control, "WS.CLOSE @user:bob 4001 bye", "1");
    for (int i = 0; i < 4; i++) {
        wsclient_expect_text(alice[i], "hello");
        wsclient_expect_text(alice[i], "again");
        wsclient_expect_text(alice[i], "third");
        wsclient_free(alice[i]);
    }
    ck_assert_str_eq(wsclient_expect_close(bob, 4001), "bye");
    wsclient_expect_silence(nobody, 50);
    wsclient_free(bob);
    wsclient_free(nobody);
    end();
}
END_TEST

START_TEST(who_it_is)
{
    begin(1);
    struct wsclient *a = visit("/as/one/?user=%E6%9D%8E");
    struct wsclient *b = visit("/as/one/");
    struct wsclient *c = wsclient_connect(site_http(site), "/login/x/", "Cookie: session=dora\r\n");
    ck_assert_int_eq(wsclient_status(c), 101);
    expect_user("c1", "%E6%9D%8E"); /* an argument is not decoded */
    expect_user("c2", "");
    expect_user("c3", "dora");
    resp_expect(control, "PUBLISH @user:dora hi", "1");
    wsclient_expect_text(c, "hi");
    wsclient_free(a);
    wsclient_free(b);
    wsclient_free(c);
    end();
}
END_TEST

/* What a client says about itself is nothing; behind nginx, and on a TCP listener without trusted_proxies. */
START_TEST(nobody_names_himself)
{
    begin(1);
    struct wsclient *a = wsclient_connect(site_http(site), "/test/", "X-Wspush-User: root\r\n");
    struct wsclient *b = wsclient_connect(site_http(site), "/as/one/?user=eve", "X-Wspush-User: root\r\n");
    struct wsclient *c = wsclient_connect(site_tcp(site), "/test/", "X-Wspush-User: root\r\n");
    struct wsclient *d = wsclient_connect(site_ws(site), "/test/", "X-Wspush-User: root\r\n");
    ck_assert_int_eq(wsclient_status(d), 101);
    expect_user("c1", "");
    expect_user("c2", "eve");
    expect_user("c3", "");
    expect_user("c4", "root"); /* the Unix socket is nginx's */
    resp_expect(control, "PUBLISH @user:root hi", "1");
    wsclient_free(a);
    wsclient_free(b);
    wsclient_free(c);
    wsclient_free(d);
    end();
}
END_TEST

/* ---- nginx's own passwords ---- */

#define SECRET "Authorization: Basic YWxpY2U6c2VjcmV0\r\n" /* alice:secret */
#define WRONG  "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n" /* alice:wrong */
#define ROOT   "Authorization: Basic cm9vdDp4\r\n"         /* root:x */

static void expect_only_with_password(const char *path)
{
    static const char *const strangers[] = {NULL, WRONG, ROOT, WRONG "X-Wspush-User: alice\r\n"};
    site_write_file(site, "passwd", "alice:{PLAIN}secret\n");
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        struct wsclient *c = wsclient_connect(site_http(site), path, strangers[i]);
        ck_assert_int_eq(wsclient_status(c), 401);
        wsclient_free(c);
    }
    resp_expect(control, "WS.LIST", "[]");
    struct wsclient *alice = wsclient_connect(site_http(site), path, SECRET);
    ck_assert_int_eq(wsclient_status(alice), 101);
    expect_user("c1", "alice");
    wsclient_close(alice);
}

/* The guide's example, with a password file of this test's own. */
START_TEST(desk_of_the_guide)
{
    static const char theirs[] = "/etc/nginx/desk.passwd", ours[] = "@DIR@/passwd";
    char example[2048] = "";
    char *guide = site_read_file("docs/GUIDE.md", NULL);
    ck_assert_ptr_nonnull(guide);
    char *from = strstr(guide, "location ^~ /desk/ {");
    ck_assert_ptr_nonnull(from);
    *strstr(from, "```") = '\0';
    for (char *file; (file = strstr(from, theirs)); from = file + strlen(theirs)) {
        *file = '\0';
        strcat(strcat(example, from), ours);
    }
    strcat(example, from);
    free(guide);
    begin_as(&(struct site_options){.server = example});
    expect_only_with_password("/desk/x");
    end();
}
END_TEST

START_TEST(a_whole_server_with_passwords)
{
    begin_as(&(struct site_options){.server = "auth_basic \"all\";\nauth_basic_user_file @DIR@/passwd;\n"
                                              "set $wspush_user $remote_user;\n"});
    expect_only_with_password("/test/");
    end();
}
END_TEST

/* The channels' limits are the channels' own. */
START_TEST(how_long_a_message_for_a_user_is)
{
    static const char limits[] = "message_limit = 8\n"
                                 "channel \"as/one\" { message_limit = 4 }\n"
                                 "channel \"as/two\" { message_limit = 16 }\n";
    begin_as(&(struct site_options){.server = server, .config = limits});
    struct wsclient *one = visit("/as/one/?user=alice");
    struct wsclient *two = visit("/as/two/?user=alice");
    resp_expect(control, "PUBLISH as/one 12345", "-TOOBIG limit 4");
    resp_expect(control, "PUBLISH @client:c1 12345", "-TOOBIG limit 4");
    resp_expect(control, "PUBLISH as/two 123456789", "1");
    resp_expect(control, "PUBLISH @user:alice 123456789", "-TOOBIG limit 8");
    resp_expect(control, "PUBLISH @match:as/two 123456789", "-TOOBIG limit 8");
    resp_expect(control, "PUBLISH @all 12345678", "2");
    wsclient_expect_text(one, "12345678");
    wsclient_expect_text(two, "123456789");
    wsclient_close(one);
    wsclient_free(two);
    end();
}
END_TEST

static void expect_refused(const char *address, const char *path, const char *headers, const char *why)
{
    struct wsclient *c = wsclient_connect(address, path, headers);
    ck_assert_int_eq(wsclient_status(c), 400);
    ck_assert_msg(strstr(wsclient_body(c), why) != NULL, "%s", wsclient_body(c));
    wsclient_free(c);
}

/* Never let in as nobody: that would be another's place. */
START_TEST(what_is_no_name)
{
    char headers[300] = "X-Wspush-User: ";
    begin(1);
    expect_refused(site_http(site), "/odd/", NULL, "a space or a control character");
    expect_refused(site_ws(site), "/test/", "X-Wspush-User: a\r\nX-Wspush-User: b\r\n", "well-formed");
    expect_refused(site_ws(site), "/test/", "X-Wspush-User: \xff\r\n", "not UTF-8");
    expect_refused(site_ws(site), "/test/", "X-Wspush-User: a\tb\r\n", "a space or a control character");
    memset(headers + 15, 'a', 129);
    strcpy(headers + 15 + 129, "\r\n");
    expect_refused(site_ws(site), "/test/", headers, "longer than 128 bytes");
    resp_expect(control, "WS.LIST", "[]");
    end();
}
END_TEST

START_TEST(matching_channels)
{
    begin(2);
    struct wsclient *rooms[] = {visit("/room/1/"), visit("/room/2/"), visit("/room/2/")};
    struct wsclient *deep = visit("/room/2/deep/");
    resp_expect(control, "PUBLISH @match:room/* hello", "3");
    resp_expect(control, "PUBLISH @match:**/deep only", "1");
    resp_expect(control, "PUBLISH @match:hall/* nobody", "0");
    resp_expect(control, "WS.SEND @match:room/[1-9] rooms WAIT handed", "[3, null, [\"handed\", 3], []]");
    resp_expect(control, "WS.CLOSE @match:room/2", "2");
    for (int i = 0; i < 3; i++) {
        wsclient_expect_text(rooms[i], "hello");
        wsclient_expect_text(rooms[i], "rooms");
    }
    wsclient_expect_text(deep, "only");
    wsclient_expect_close(rooms[1], 1000);
    wsclient_expect_close(rooms[2], 1000);
    wsclient_close(rooms[0]);
    wsclient_close(deep);
    wsclient_free(rooms[1]);
    wsclient_free(rooms[2]);
    end();
}
END_TEST

static void expect_error(const char *line, const char *error)
{
    ck_assert_int_eq(resp_send_inline(control, line), 0);
    struct resp_value *v = resp_read(control, RESP_WAIT);
    char *text = resp_text(v);
    ck_assert_msg(strstr(text, error) != NULL, "%s: %s", line, text);
    free(text);
    resp_value_free(v);
}

START_TEST(what_is_no_target)
{
    begin(1);
    expect_error("PUBLISH @user: x", "BADNAME '@user:': it is empty");
    expect_error("PUBLISH \"@user:a b\" x", "it has a space or a control character");
    expect_error("PUBLISH @match: x", "BADNAME '@match:': it is empty");
    expect_error("PUBLISH @match:[a x", "a '[' is not closed");
    expect_error("PUBLISH @users:a x", "@client:cN, @user:NAME, @match:PATTERN or @all");
    expect_error("WS.WAIT @user:alice", "ERR an inbox belongs to a channel, or to one client of it");
    expect_error("WS.READ @match:**", "ERR an inbox belongs to a channel, or to one client of it");
    end();
}
END_TEST

/* Operators who watch see who it was. */
START_TEST(watched)
{
    begin(1);
    struct resp *watcher = resp_open(site_control(site));
    resp_expect(watcher, "SUBSCRIBE @in:as/one", "[\"subscribe\", \"@in:as/one\", 1]");
    resp_expect(watcher, "SUBSCRIBE @events:as/one", "[\"subscribe\", \"@events:as/one\", 2]");
    struct wsclient *c = visit("/as/one/?user=alice");
    wsclient_send_text(c, "hi");
    static const char *const seen[] = {
        "\\\"event\\\":\\\"open\\\",\\\"client\\\":\\\"c1\\\",\\\"user\\\":\\\"alice\\\"",
        "\\\"event\\\":\\\"join\\\",\\\"user\\\":\\\"alice\\\"",
        "\\\"client\\\":\\\"c1\\\",\\\"user\\\":\\\"alice\\\",\\\"type\\\":\\\"text\\\"",
        "\\\"event\\\":\\\"close\\\",\\\"client\\\":\\\"c1\\\",\\\"user\\\":\\\"alice\\\"",
        "\\\"event\\\":\\\"leave\\\",\\\"user\\\":\\\"alice\\\""};
    for (int i = 0; i < 5; i++) {
        struct resp_value *v = resp_read(watcher, RESP_WAIT);
        char *text = resp_text(v);
        ck_assert_msg(strstr(text, seen[i]) != NULL, "%s has no %s", text, seen[i]);
        free(text);
        resp_value_free(v);
        if (i == 2)
            wsclient_close(c);
    }
    resp_free(watcher);
    end();
}
END_TEST

static bool is_empty(void *arg)
{
    struct resp_value *v = resp_call(control, "WS.PRESENCE", (const char *)arg, NULL);
    bool empty = v->type == '*' && v->count == 0;
    resp_value_free(v);
    return empty;
}

/* Whoever came first, and stays though another tab of hers goes. */
START_TEST(presence_tells_users)
{
    begin(2);
    resp_expect(control, "WS.PRESENCE as/room", "[]");
    resp_expect(control, "WS.PRESENCE @all", "-ERR presence is a channel's*");
    resp_expect(control, "WS.PRESENCE a//b", "-BADNAME*");
    resp_expect(control, "WS.PRESENCE", "-ERR*");
    struct wsclient *nameless = visit("/as/room");
    struct wsclient *tabs[] = {visit("/as/room?user=alice"), visit("/as/room?user=alice")};
    resp_expect(control, "WS.PRESENCE as/room", "[[\"user\", \"alice\", \"clients\", [\"c2\", \"c3\"], *");
    struct wsclient *other = visit("/as/other?user=alice");
    resp_expect(control, "WS.PRESENCE as/other", "[[\"user\", \"alice\", \"clients\", [\"c4\"], *");
    resp_expect(control, "HELLO 3", "{*");
    wsclient_close(tabs[0]);
    wsclient_close(tabs[1]);
    char room[] = "as/room";
    ck_assert(site_until(is_empty, room, 5000));
    resp_expect(control, "WS.PRESENCE as/other",
                "[{\"user\": \"alice\", \"clients\": [\"c4\"], \"since\": 17*");
    wsclient_close(nameless);
    wsclient_close(other);
    end();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("users");
    TCase *tc = tcase_create("users");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, all_clients_of_a_user);
    tcase_add_test(tc, who_it_is);
    tcase_add_test(tc, nobody_names_himself);
    tcase_add_test(tc, desk_of_the_guide);
    tcase_add_test(tc, a_whole_server_with_passwords);
    tcase_add_test(tc, how_long_a_message_for_a_user_is);
    tcase_add_test(tc, what_is_no_name);
    tcase_add_test(tc, matching_channels);
    tcase_add_test(tc, what_is_no_target);
    tcase_add_test(tc, watched);
    tcase_add_test(tc, presence_tells_users);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
