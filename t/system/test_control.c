/*
 * The control socket against the real worker: the reply of every command, in RESP2, RESP3 and inline;
 * requests cut anywhere and by the thousand; names, texts and sizes that are refused; what is not RESP at
 * all; and operators that do not read.
 */
#include <check.h>
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "figures.h"
#include "http.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct site *site;
static struct resp *control;

static struct resp *operator_new(void)
{
    struct resp *r = resp_open(site_control(site));
    ck_assert(r != NULL);
    return r;
}

static void begin(const char *config)
{
    site = site_start(&(struct site_options){.config = config, .no_nginx = true, .no_responder = true});
    control = operator_new();
}

static void end(void)
{
    resp_expect(control, "PING", "PONG"); /* the first operator has never noticed a thing */
    resp_free(control);
    site_stop(site);
}

static struct wsclient *visit(const char *path)
{
    return wsclient_open(site_ws(site), path);
}

static int send_text(struct resp *r, const char *text)
{
    return resp_send_raw(r, text, strlen(text));
}

static bool has_read_all(void *arg)
{
    int unread = 0;
    return ioctl(resp_fd(arg), SIOCOUTQ, &unread) == 0 && unread == 0;
}

/* Waits until the worker has read all that this operator has sent. */
static void until_read(struct resp *r)
{
    ck_assert_msg(site_until(has_read_all, r, 5000), "the worker does not read");
}

/* ---- the commands of a connection ---- */

struct exchange {
    const char *command, *reply;
};

static void expect_all(struct resp *r, const struct exchange *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        resp_expect(r, rows[i].command, rows[i].reply);
}

static const struct exchange of_a_connection[] = {
    {"PING", "PONG"},
    {"ping", "PONG"},
    {"PiNg \"hello there\"", "\"hello there\""},
    {"PING \"\"", "\"\""},
    {"ECHO x", "\"x\""},
    {"ECHO \"\"", "\"\""},
    {"SELECT 0", "OK"},
    {"SELECT 1", "-ERR *"},
    {"SELECT x", "-ERR *"},
    {"AUTH secret", "-ERR *"},
    {"AUTH user secret", "-ERR *"},
    {"CLIENT GETNAME", "\"\""},
    {"CLIENT SETNAME me", "OK"},
    {"CLIENT GETNAME", "\"me\""},
    {"CLIENT SETNAME \"two words\"", "-ERR *"},
    {"CLIENT SETNAME 12345678901234567890123456789012345678901234567890123456789012345", "-ERR *"},
    {"CLIENT GETNAME", "\"me\""},
    {"client setinfo LIB-NAME tests", "OK"},
    {"CLIENT SETINFO LIB-VER 1.0", "OK"},
    {"CLIENT SETINFO LIB-NAME", "-ERR *"},
    {"CLIENT ID", "1"},
    {"CLIENT", "-ERR *"},
    {"CLIENT NONSENSE", "-ERR usage: CLIENT *"},
    {"CLIENT KILL 1", "-ERR usage: CLIENT KILL ID n*"},
    {"CLIENT KILL ID x", "-ERR usage: CLIENT KILL ID n*"},
    {"CLIENT KILL ID 99", "0"},
    {"COMMAND DOCS", "[]"},
    {"COMMAND DOCS PING", "[]"},
    {"HELLO 4", "-NOPROTO *"},
    {"HELLO 1", "-NOPROTO *"},
    {"HELLO x", "-NOPROTO *"},
    {"HELLO 3 AUTH u p", "-ERR *"},
    {"HELLO 3 SETNAME", "-ERR *"},
    {"HELLO 3 SETNAME \"two words\"", "-ERR *"},
    {"HELLO 3 SETNAME \"two words\"", "-ERR *"},
    {"HELLO 3 NONSENSE", "-ERR *"},
    {"HELLO", "[\"server\", \"wspush\", \"version\", \"" WSPUSH_VERSION "\", \"proto\", 2, \"id\", 1, "
              "\"mode\", \"standalone\", \"role\", \"master\", \"modules\", []]"},
    {"HELLO 3 SETNAME three",
     "{\"server\": \"wspush\", \"version\": \"" WSPUSH_VERSION "\", \"proto\": 3, \"id\": 1, "
     "\"mode\": \"standalone\", \"role\": \"master\", \"modules\": []}"},
    {"COMMAND DOCS", "{}"},
    {"CLIENT GETNAME", "\"three\""},
    {"hello 2", "[\"server\"*"},
    {"HELLO 3", "{\"server\"*"},
    {"RESET", "RESET"},
    {"CLIENT GETNAME", "\"\""},
    {"HELLO", "[\"server\"*"},
};

START_TEST(commands_of_a_connection)
{
    begin(NULL);
    expect_all(control, of_a_connection, COUNT(of_a_connection));
    struct resp *other = operator_new();
    resp_expect(other, "CLIENT ID", "2");
    resp_expect(other, "HELLO", "[\"server\", \"wspush\"*");
    resp_expect(other, "QUIT", "OK");
    resp_expect_end(other);
    resp_free(other);
    end();
}
END_TEST

/* Whether CLIENT LIST has this text. */
static bool listed(const char *text)
{
    struct resp_value *v = resp_call(control, "CLIENT", "LIST", NULL);
    bool found = strstr(v->text, text) != NULL;
    resp_value_free(v);
    return found;
}

START_TEST(other_connections)
{
    begin(NULL);
    struct resp *a = operator_new(), *b = operator_new();
    resp_expect(a, "CLIENT SETNAME first", "OK");
    resp_expect(b, "CLIENT SETNAME second", "OK");
    resp_expect(b, "CLIENT INFO", "\"id=3 name=second *");
    ck_assert(listed("id=2 name=first ") && listed("id=3 name=second "));
    resp_expect(control, "CLIENT KILL ID 2", "1");
    resp_expect_end(a);
    ck_assert(!listed("name=first") && listed("name=second"));
    resp_expect(b, "CLIENT KILL ID 3", "1"); /* itself: the reply still comes */
    resp_expect_end(b);
    resp_free(a);
    resp_free(b);
    info_until(control, "operators", 1);
    end();
}
END_TEST

/* ---- sending ---- */

START_TEST(publish)
{
    begin(NULL);
    resp_expect(control, "PUBLISH nobody hi", "0");
    struct wsclient *a = visit("/test/"), *b = visit("/test/"), *other = visit("/other");
    resp_expect(control, "PUBLISH test \"for two\"", "2");
    resp_expect(control, "publish @all all", "3");
    resp_expect(control, "PUBLISH @client:c2 one", "1");
    resp_expect(control, "PUBLISH test \"\"", "2");
    wsclient_expect_text(a, "for two");
    wsclient_expect_text(a, "all");
    wsclient_expect_text(a, "");
    wsclient_expect_text(b, "for two");
    wsclient_expect_text(b, "all");
    wsclient_expect_text(b, "one");
    wsclient_expect_text(b, "");
    wsclient_expect_text(other, "all");
    wsclient_close(b);
    info_until(control, "connected_clients", 2);
    resp_expect(control, "PUBLISH @client:c2 one", "0"); /* gone is no error */
    resp_expect(control, "PUBLISH @client:c4 one", "-NOTARGET *");
    wsclient_close(a);
    wsclient_close(other);
    info_until(control, "connected_clients", 0);
    resp_expect(control, "PUBLISH @all all", "0");
    end();
}
END_TEST

/* Reads "gen-seq" out of a reply [n, "gen-seq"...]. */
static void read_id(const char *command_target, long long recipients, long long *gen, long long *seq)
{
    struct resp_value *v = resp_call(control, "WS.SEND", command_target, "x", NULL);
    ck_assert(v->type == '*' && v->count == 2 && v->items[0]->integer == recipients);
    ck_assert_msg(sscanf(v->items[1]->text, "%lld-%lld", gen, seq) == 2, "an id: %s", v->items[1]->text);
    resp_value_free(v);
}

START_TEST(ws_send)
{
    long long gen, seq, again, next;
    begin(NULL);
    read_id("test", 0, &gen, &seq);
    struct wsclient *c = visit("/test/");
    read_id("test", 1, &again, &next);
    wsclient_expect_text(c, "x");
    ck_assert(again == gen && next == seq + 1);
    ck_assert_msg(gen > 1600000000000, "a generation is a point in time");
    static const struct exchange rows[] = {
        {"WS.SEND @all x", "[1, null]"},
        {"WS.SEND @client:c1 x", "[1, null]"},
        {"ws.send test x wait handed", "[1, \"*"},
        {"WS.SEND @all x WAIT handed TIMEOUT 1000", "[1, null, [\"handed\", 1], []]"},
        {"WS.SEND @client:c1 x TIMEOUT 1000 WAIT HANDED", "[1, null, [\"handed\", 1], []]"},
        {"WS.SEND nobody x WAIT handed", "[0, \"*"},
        {"WS.SEND @client:c9 x", "-NOTARGET *"},
        {"WS.SEND @client:c9 x WAIT handed", "-NOTARGET *"},
        {"WS.SEND test x NONSENSE", "-ERR usage: WS.SEND *"},
        {"WS.SEND test x WAIT", "-ERR usage: WS.SEND *"},
        {"WS.SEND test x WAIT nonsense", "-ERR usage: WS.SEND *"},
        {"WS.SEND test x TIMEOUT", "-ERR usage: WS.SEND *"},
        {"WS.SEND test x TIMEOUT x", "-ERR *"},
        {"WS.SEND test x TIMEOUT -1", "-ERR *"},
        {"WS.SEND test x TIMEOUT 9223372036854775808", "-ERR *"},
        {"WS.SEND test x TIMEOUT 1e308", "-ERR *"},
        {"WS.SEND test x TIMEOUT 1.5", "-ERR *"},
        {"WS.SEND test x TIMEOUT \"\"", "-ERR *"},
    };
    expect_all(control, rows, COUNT(rows));
    for (int i = 0; i < 5; i++)
        wsclient_expect_text(c, "x");
    resp_expect(control, "HELLO 3", "{*");
    resp_expect(control, "WS.SEND @all x WAIT handed", "[1, null, {\"handed\": 1}, []]");
    resp_expect(control, "WS.SEND @all x", "[1, null]");
    wsclient_free(c);
    end();
}
END_TEST

static const unsigned char any_bytes[] = {0, 1, '\r', '\n', 0xff, '"', '\\', 0x80, 0};

START_TEST(binary)
{
    const char *argv[] = {"WS.SEND", "test", (const char *)any_bytes, "BINARY"};
    size_t lens[] = {7, 4, sizeof any_bytes, 6};
    begin(NULL);
    struct wsclient *c = visit("/test/");
    ck_assert(resp_send_argv(control, 4, argv, lens) == 0);
    resp_expect_next(control, "[1, \"*");
    wsclient_expect_binary(c, any_bytes, sizeof any_bytes);
    resp_expect(control, "WS.SEND test text binary", "[1, \"*");
    wsclient_expect_binary(c, "text", 4);
    const char *echo[] = {"ECHO", "\0\r\n"};
    ck_assert(resp_send_argv(control, 2, echo, (size_t[]){4, 3}) == 0);
    resp_expect_next(control, "\"\\x00\\r\\n\"");
    wsclient_free(c);
    end();
}
END_TEST

/* Text must be text, and the reply says where it stops being that. */
START_TEST(not_utf8)
{
    static const struct {
        const char *text;
        int at;
    } rows[] = {
        {"\xff", 0},
        {"abc\x80", 3},
        {"ab\xc0\xaf", 2},
        {"\xe6\x88\xbf\xed\xa0\x80", 4},
        {"abc\xe6", 4}, /* it ends too early: what is wrong is the end */
        {"ab\xe6\x88", 4},
        {"a\xf0\x9f\x98", 4},
        {"\xf4\x90\x80\x80", 1},
        {"\xe6\x88"
         "a",
         2},
    };
    char expected[64];
    begin(NULL);
    struct wsclient *c = visit("/test/");
    for (size_t i = 0; i < COUNT(rows); i++) {
        snprintf(expected, sizeof expected, "-BADUTF8 at byte %d;*", rows[i].at);
        ck_assert(resp_send(control, "PUBLISH", "test", rows[i].text, NULL) == 0);
        resp_expect_next(control, expected);
        ck_assert(resp_send(control, "WS.SEND", "test", rows[i].text, NULL) == 0);
        resp_expect_next(control, expected);
        ck_assert(resp_send(control, "WS.SEND", "test", rows[i].text, "BINARY", NULL) == 0);
        resp_expect_next(control, "[1, \"*");
        wsclient_expect_binary(c, rows[i].text, strlen(rows[i].text));
    }
    wsclient_free(c);
    end();
}
END_TEST

/* Sends ECHO or PUBLISH with a payload of n bytes. */
static void send_large(struct resp *r, const char *verb, const char *target, size_t n)
{
    char *payload = malloc(n + 1);
    ck_assert(payload != NULL);
    memset(payload, 'x', n);
    const char *argv[] = {verb, target, payload};
    size_t lens[] = {strlen(verb), strlen(target), n};
    ck_assert(resp_send_argv(r, 3, argv, lens) == 0);
    free(payload);
}

START_TEST(too_big)
{
    begin("message_limit = 1000\nchannel \"small\" { message_limit = 10 }\nchannel \"large\" { message_limit "
          "= 2000 }\n");
    static const struct {
        const char *target;
        size_t size;
        const char *reply;
    } rows[] = {
        {"test", 1000, "0"},
        {"test", 1001, "-TOOBIG limit 1000"},
        {"small", 10, "0"},
        {"small", 11, "-TOOBIG limit 10"},
        {"large", 2000, "0"},
        {"large", 2001, "-TOOBIG limit 2000"},
        {"test", 2000, "-TOOBIG limit 1000"},
        {"test", 100000, "-TOOBIG limit 2000"}, /* more than anybody takes: passed over as it comes */
        {"test", 5000000, "-TOOBIG limit 2000"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        send_large(control, "PUBLISH", rows[i].target, rows[i].size);
        resp_expect_next(control, rows[i].reply);
        resp_expect(control, "ECHO usable", "\"usable\"");
    }
    /* in the midst of a pipeline, and as an argument before the last */
    ck_assert(resp_send(control, "ECHO", "before", NULL) == 0);
    send_large(control, "PUBLISH", "test", 300000);
    send_large(control, "PUBLISH", "test", 1);
    char *name = calloc(1, 300001);
    ck_assert(name != NULL);
    memset(name, 'n', 300000);
    ck_assert(resp_send(control, "PUBLISH", name, "payload", NULL) == 0);
    ck_assert(resp_send(control, name, NULL) == 0);
    ck_assert(resp_send(control, "ECHO", "behind", NULL) == 0);
    free(name);
    resp_expect_next(control, "\"before\"");
    resp_expect_next(control, "-TOOBIG limit 2000");
    resp_expect_next(control, "0");
    resp_expect_next(control, "-TOOBIG limit 2000");
    resp_expect_next(control, "-TOOBIG limit 2000");
    resp_expect_next(control, "\"behind\"");
    end();
}
END_TEST

/* ---- names ---- */

#define TEN     "0123456789"
#define FIFTY   TEN TEN TEN TEN TEN
#define NAME200 FIFTY FIFTY FIFTY FIFTY

static const char *const bad_names[] = {
    "",
    "/",
    "a//b",
    "/a",
    "a/",
    ".",
    "..",
    "a/./b",
    "a/..",
    "../a",
    "a b",
    " ",
    "a?b",
    "a#b",
    "a\001b",
    "a\tb",
    "a\r\n-ERR b",
    "a\x7f",
    "\xff",
    "\xc0\x80",
    "a\xed\xa0\x80",
    "a\xe6\x88",
    "a\xc2\x85"
    "b",
    NAME200 "x",
    "@",
    "@al",
    "@all2",
    "@ALL",
    "@client",
    "@client:",
    "@client:c",
    "@client:c0",
    "@client:c01",
    "@client:1",
    "@client:c-1",
    "@client:c1x",
    "@client:C1",
    "@client:c18446744073709551616",
    "@in:test",
    "@events:test",
};

static const char *const verbs_of_targets[][2] = {{"PUBLISH", "x"},   {"WS.SEND", "x"},   {"WS.WAIT", NULL},
                                                  {"WS.READ", NULL},  {"WS.COUNT", NULL}, {"WS.HAS", NULL},
                                                  {"WS.CLOSE", NULL}, {"WS.LIST", NULL}};

START_TEST(bad_names_are_refused)
{
    begin(NULL);
    for (size_t i = 0; i < COUNT(bad_names); i++) {
        for (size_t k = 0; k < COUNT(verbs_of_targets); k++) {
            ck_assert(
                resp_send(control, verbs_of_targets[k][0], bad_names[i], verbs_of_targets[k][1], NULL) == 0);
            struct resp_value *v = resp_read(control, RESP_WAIT);
            if (!v || v->type != '-' || strncmp(v->text, "BADNAME ", 8) != 0)
                ck_abort_msg("%s '%s': %s", verbs_of_targets[k][0], bad_names[i],
                             v ? v->text : resp_fault(control));
            resp_value_free(v);
        }
    }
    const char *argv[] = {"PUBLISH", "a\0b", "x"};
    size_t lens[] = {7, 3, 1};
    ck_assert(resp_send_argv(control, 3, argv, lens) == 0);
    resp_expect_next(control, "-BADNAME *");
    ck_assert_int_eq(info_get(control, "channels"), 0);
    end();
}
END_TEST

START_TEST(good_names)
{
    static const char *const names[] = {"test",  "a",       "test/room/1", "\xe6\x88\xbf\xe9\x97\xb4",
                                        NAME200, "...",     "a@all",       "a%2fb",
                                        "-",     "shop:42", "\"quoted\"",  "{a}[b]*c",
                                        "$-1"};
    begin(NULL);
    for (size_t i = 0; i < COUNT(names); i++) {
        ck_assert(resp_send(control, "PUBLISH", names[i], "x", NULL) == 0);
        resp_expect_next(control, "0");
    }
    end();
}
END_TEST

/* Targets that do not exist: a client that never was is an error, a channel without anybody is not. */
START_TEST(nobody_there)
{
    static const struct exchange rows[] = {
        {"PUBLISH @client:c1 x", "-NOTARGET *"},
        {"WS.WAIT @client:c1", "-NOTARGET *"},
        {"WS.READ @client:c1", "-NOTARGET *"},
        {"WS.COUNT @client:c1", "-NOTARGET *"},
        {"WS.HAS @client:c1", "-NOTARGET *"},
        {"WS.CLOSE @client:c1", "-NOTARGET *"},
        {"WS.LIST @client:c1", "-NOTARGET *"},
        {"WS.LIST @client:c18446744073709551615", "-NOTARGET *"},
        {"WS.READ nobody", "null"},
        {"WS.COUNT nobody", "0"},
        {"WS.HAS nobody", "0"},
        {"WS.CLOSE nobody", "0"},
        {"WS.CLOSE @all", "0"},
        {"WS.LIST nobody", "[]"},
        {"WS.LIST @all", "[]"},
        {"WS.LIST", "[]"},
        {"WS.WAIT nobody TIMEOUT 0", "[\"timeout\"]"},
        {"WS.WAIT nobody TIMEOUT 10", "[\"timeout\"]"},
        {"WS.READ @all", "-ERR *"},
        {"WS.WAIT @all", "-ERR *"},
        {"WS.COUNT @all", "-ERR *"},
    };
    begin(NULL);
    expect_all(control, rows, COUNT(rows));
    info_until(control, "channels", 0);
    struct wsclient *c = visit("/test/");
    wsclient_close(c);
    info_until(control, "connected_clients", 0);
    static const struct exchange gone[] = {
        {"WS.WAIT @client:c1", "[\"closed\"]"}, {"WS.READ @client:c1", "[\"closed\"]"},
        {"WS.COUNT @client:c1", "0"},           {"WS.HAS @client:c1", "0"},
        {"WS.CLOSE @client:c1", "0"},           {"WS.LIST @client:c1", "[]"},
    };
    expect_all(control, gone, COUNT(gone));
    end();
}
END_TEST

/* ---- WS.LIST and WS.CLOSE ---- */

START_TEST(ws_list)
{
    begin(NULL);
    struct wsclient *c = visit("/test/");
    resp_expect(control, "PUBLISH test hello", "1");
    wsclient_expect_text(c, "hello");
    ck_assert(wsclient_send_text(c, "hi") == 0);
    resp_expect(control, "WS.WAIT test", "[\"c1\", \"test\", \"text\", \"hi\", *");
    struct resp_value *v = resp_call(control, "WS.LIST", "@client:c1", NULL);
    ck_assert(v->type == '*' && v->count == 1 && v->items[0]->count == 24);
    struct resp_value **row = v->items[0]->items;
    static const char *const names[] = {"client",   "user",    "channels",  "transport", "address", "since",
                                        "msgs_out", "msgs_in", "bytes_out", "bytes_in",  "queued",  "ping"};
    for (size_t i = 0; i < COUNT(names); i++)
        ck_assert_str_eq(row[2 * i]->text, names[i]);
    ck_assert_str_eq(row[1]->text, "c1");
    ck_assert_str_eq(row[3]->text, "");
    ck_assert(row[5]->count == 1 && strcmp(row[5]->items[0]->text, "test") == 0);
    ck_assert_str_eq(row[7]->text, "raw");
    ck_assert(row[11]->integer > 1600000000000);
    ck_assert_int_eq(row[13]->integer, 1);
    ck_assert_int_eq(row[15]->integer, 1);
    ck_assert_int_ge(row[17]->integer, 7 + 129); /* the frame and the 101 */
    ck_assert_int_ge(row[19]->integer, 8);
    ck_assert_int_eq(row[21]->integer, 0);
    ck_assert_int_eq(row[23]->type, '_');
    resp_value_free(v);
    resp_expect(control, "HELLO 3", "{*");
    resp_expect(control, "WS.LIST",
                "[{\"client\": \"c1\", \"user\": \"\", \"channels\": [\"test\"], \"transport\": *");
    resp_expect(control, "WS.LIST other", "[]");
    wsclient_free(c);
    end();
}
END_TEST

START_TEST(ws_close)
{
    static const char *const wrong[] = {"0",    "999",  "1004", "1005", "1006", "1007",
                                        "1015", "2999", "5000", "x",    "-1",   "\"\""};
    char command[64];
    begin(NULL);
    struct wsclient *c = visit("/test/");
    for (size_t i = 0; i < COUNT(wrong); i++) {
        snprintf(command, sizeof command, "WS.CLOSE test %s", wrong[i]);
        resp_expect(control, command, "-ERR a close code is *");
    }
    resp_expect(control, "WS.CLOSE test 1000 " FIFTY FIFTY "012345678901234567890123", "-ERR a reason is *");
    ck_assert(resp_send(control, "WS.CLOSE", "test", "1000", "\xff", NULL) == 0);
    resp_expect_next(control, "-ERR a reason is *");
    resp_expect(control, "PUBLISH test still", "1");
    wsclient_expect_text(c, "still");
    resp_expect(control, "WS.CLOSE @client:c1 4999 " FIFTY FIFTY "01234567890123456789012", "1");
    ck_assert_str_eq(wsclient_expect_close(c, 4999), FIFTY FIFTY "01234567890123456789012");
    wsclient_free(c);
    c = visit("/test/");
    resp_expect(control, "WS.CLOSE test", "1");
    ck_assert_str_eq(wsclient_expect_close(c, 1000), "");
    wsclient_free(c);
    end();
}
END_TEST

/* ---- tables: arity and COMMAND ---- */

/* Sends a verb with `count` arguments behind it. */
static void send_words(struct resp *r, const char *verb, long long count)
{
    const char *argv[64] = {verb};
    size_t lens[64] = {strlen(verb)};
    for (long long i = 1; i <= count; i++) {
        argv[i] = "x";
        lens[i] = 1;
    }
    ck_assert(resp_send_argv(r, (int)count + 1, argv, lens) == 0);
}

static void expect_arity_error(const char *verb, long long count)
{
    char expected[128];
    snprintf(expected, sizeof expected, "-ERR wrong number of arguments for '%s'; usage: *", verb);
    send_words(control, verb, count);
    resp_expect_next(control, expected);
}

START_TEST(arity)
{
    static const char *const expected[] = {
        "hello",   "ping",     "echo",    "quit",     "reset",   "select",    "auth",    "command",
        "client",  "info",     "publish", "multi",    "exec",    "discard",   "ws.send", "ws.wait",
        "ws.read", "ws.count", "ws.has",  "ws.close", "ws.list", "ws.history"};
    begin(NULL);
    struct resp_value *all = resp_call(control, "COMMAND", NULL);
    ck_assert_int_eq(resp_integer(control, "COMMAND COUNT"), (long long)all->count);
    for (size_t i = 0; i < COUNT(expected); i++) {
        size_t k = 0;
        while (k < all->count && strcmp(all->items[k]->items[0]->text, expected[i]) != 0)
            k++;
        ck_assert_msg(k < all->count, "COMMAND does not list %s", expected[i]);
    }
    for (size_t i = 0; i < all->count; i++) {
        const struct resp_value *row = all->items[i];
        long long n = row->items[1]->integer;
        ck_assert(row->count == 6 && row->items[1]->type == ':');
        if (n > 0)
            expect_arity_error(row->items[0]->text, n);
        if (llabs(n) > 1)
            expect_arity_error(row->items[0]->text, llabs(n) - 2);
    }
    expect_arity_error("ws.send", 12);
    expect_arity_error("ws.history", 6);
    expect_arity_error("ws.close", 4);
    expect_arity_error("ws.list", 2);
    resp_value_free(all);
    end();
}
END_TEST

/* Errors that show an argument show it so that no reply can be forged. */
START_TEST(unknown_commands)
{
    static const char *const verbs[] = {"EVAL",     "GET",      "SET",  "SUBSCRIB",
                                        "PUBLISHX", "PUBLIS",   "ws.",  "",
                                        "\r\n+OK",  "\xff\x01", "-ERR", "a\r\n-ERR forged\r\n+OK",
                                        "FLUSHALL"};
    begin(NULL);
    for (size_t i = 0; i < COUNT(verbs); i++) {
        ck_assert(resp_send(control, verbs[i], "return 1", "0", NULL) == 0);
        struct resp_value *v = resp_read(control, RESP_WAIT);
        if (!v || v->type != '-' || strncmp(v->text, "ERR unknown command '", 21) != 0)
            ck_abort_msg("'%s': %s", verbs[i], v ? v->text : resp_fault(control));
        ck_assert_ptr_nonnull(strstr(v->text, "PUBLISH"));
        ck_assert_uint_lt(v->len, 400);
        resp_value_free(v);
        resp_expect(control, "ECHO next", "\"next\"");
    }
    ck_assert(resp_send(control, "SELECT", "1\r\n+OK", NULL) == 0);
    resp_expect_next(control, "-ERR *");
    ck_assert(resp_send(control, "CLIENT", "SETNAME", "1\r\n+OK", NULL) == 0);
    resp_expect_next(control, "-ERR *");
    ck_assert(resp_send(control, "WS.SEND", "a", "b", "TIMEOUT", "1\r\n+OK", NULL) == 0);
    resp_expect_next(control, "-ERR *");
    ck_assert(resp_send(control, "PUBLISH", "@client:\r\n+OK", "b", NULL) == 0);
    resp_expect_next(control, "-BADNAME *");
    resp_expect(control, "ECHO next", "\"next\"");
    end();
}
END_TEST

/* ---- INFO ---- */

START_TEST(info_fields)
{
    static const char *const fields[] = {
        "redis_version:7.0.0",
        "wspush_version:" WSPUSH_VERSION,
        "process_id:",
        "uptime_in_seconds:",
        "threads:2",
        "engine:memory",
        "loading:0",
        "connected_clients:",
        "connections:",
        "max_clients:",
        "channels:",
        "operators:",
        "max_operators:1000",
        "used_memory:",
        "queued_bytes:0",
        "queued_bytes_limit:",
        "inbox_bytes:",
        "congested:0",
        "total_connections_received:",
        "total_commands_processed:",
        "protocol_faults:",
        "accepts_put_off:",
        "clients_total:",
        "refused_total:",
        "closed_total:",
        "messages_in:",
        "bytes_in:",
        "published:",
        "deliveries:",
        "bytes_out:",
        "writes:",
        "slow_closed:",
        "protocol_errors:",
        "closed_abnormally:",
        "no_memory:",
        "inbox_dropped:",
        "used_cpu_sys:",
        "used_cpu_user:",
    };
    begin("threads = 2\n");
    struct resp_value *v = resp_call(control, "info", NULL);
    for (size_t i = 0; i < COUNT(fields); i++) {
        char line[64];
        snprintf(line, sizeof line, "\r\n%s", fields[i]);
        ck_assert_msg(v->type == '$' && strstr(v->text, line), "INFO has no %s", fields[i]);
    }
    ck_assert_msg(strncmp(v->text, "# Server\r\n", 10) == 0, "%.20s", v->text);
    resp_value_free(v);
    resp_expect(control, "INFO clients", "\"# Clients\\r\\nconnected_clients:0\\r\\n*");
    resp_expect(control, "INFO MEMORY", "\"# Memory\\r\\nused_memory:*");
    resp_expect(control, "INFO nonsense", "\"\"");
    ck_assert_int_eq(info_get(control, "process_id"), site_pid(site, SITE_WORKER));
    end();
}
END_TEST

START_TEST(info_figures)
{
    begin(NULL);
    struct wsclient *a = visit("/test/"), *b = visit("/test/"), *other = visit("/other");
    info_until(control, "connected_clients", 3);
    ck_assert_int_eq(info_get(control, "channels"), 2);
    resp_expect(control, "PUBLISH test 12345", "2");
    wsclient_expect_text(a, "12345");
    wsclient_expect_text(b, "12345");
    ck_assert(wsclient_send_text(other, "1234567") == 0);
    resp_expect(control, "WS.WAIT other", "[\"c3\", \"other\", \"text\", \"1234567\", *");
    ck_assert_int_eq(info_get(control, "published"), 1);
    ck_assert_int_eq(info_get(control, "deliveries"), 2);
    ck_assert_int_eq(info_get(control, "messages_in"), 1);
    ck_assert_int_eq(info_get(control, "bytes_in"), 7);
    ck_assert_int_eq(info_get(control, "inbox_bytes"), 0);
    ck_assert_int_eq(info_get(control, "clients_total"), 3);
    struct wsclient *refused = wsclient_connect(site_ws(site), "/a//b", NULL);
    ck_assert_int_eq(wsclient_status(refused), 400);
    wsclient_free(refused);
    wsclient_close(b);
    info_until(control, "connected_clients", 2);
    ck_assert_int_eq(info_get(control, "refused_total"), 1);
    ck_assert_int_eq(info_get(control, "closed_total"), 1);
    ck_assert_int_eq(info_get(control, "operators"), 1);
    wsclient_free(a);
    wsclient_free(other);
    info_until(control, "connections", 0);
    ck_assert_int_eq(info_get(control, "channels"), 0);
    end();
}
END_TEST

/* ---- MULTI ---- */

START_TEST(multi)
{
    begin(NULL);
    struct wsclient *c = visit("/test/");
    static const struct exchange rows[] = {
        {"EXEC", "-ERR EXEC without MULTI"},
        {"DISCARD", "-ERR DISCARD without MULTI"},
        {"MULTI", "OK"},
        {"MULTI", "-ERR MULTI calls can not be nested"},
        {"PUBLISH test one", "QUEUED"},
        {"ECHO x", "QUEUED"},
        {"PUBLISH test \"and two\"", "QUEUED"},
        {"PUBLISH \"bad name\" x", "QUEUED"},
        {"WS.COUNT test", "QUEUED"},
        {"WS.READ test", "QUEUED"},
        {"WS.LIST nobody", "QUEUED"},
        {"WS.WAIT test", "QUEUED"},
        {"WS.SEND test x WAIT handed", "QUEUED"},
        {"PING", "QUEUED"},
        {"EXEC", "[1, \"x\", 1, -BADNAME *"},
    };
    expect_all(control, rows, COUNT(rows));
    wsclient_expect_text(c, "one");
    wsclient_expect_text(c, "and two");
    static const struct exchange waits[] = {
        {"MULTI", "OK"},
        {"WS.WAIT test", "QUEUED"},
        {"WS.SEND test x WAIT handed", "QUEUED"},
        {"EXEC", "[[\"timeout\"], -ERR nothing waits inside MULTI*"},
        {"MULTI", "OK"},
        {"EXEC", "[]"},
        {"MULTI", "OK"},
        {"PUBLISH test never", "QUEUED"},
        {"DISCARD", "OK"},
        {"MULTI", "OK"},
        {"PUBLISH test never", "QUEUED"},
        {"NONSENSE", "-ERR unknown command *"},
        {"EXEC", "-EXECABORT *"},
        {"MULTI", "OK"},
        {"PUBLISH test", "-ERR wrong number *"},
        {"PUBLISH test never", "QUEUED"},
        {"EXEC", "-EXECABORT *"},
        {"MULTI", "OK"},
        {"PUBLISH test never", "QUEUED"},
        {"RESET", "RESET"},
        {"EXEC", "-ERR EXEC without MULTI"},
        {"PUBLISH test last", "1"},
    };
    expect_all(control, waits, COUNT(waits));
    wsclient_expect_text(c, "last");
    wsclient_free(c);
    end();
}
END_TEST

/* Every client's row in the middle of a transaction: what comes late comes in its place. */
START_TEST(multi_with_late_replies)
{
    begin("threads = 2\n");
    struct wsclient *c = visit("/test/");
    static const struct exchange rows[] = {
        {"MULTI", "OK"},      {"PING", "QUEUED"},    {"WS.LIST test", "QUEUED"},
        {"ECHO x", "QUEUED"}, {"WS.LIST", "QUEUED"}, {"PUBLISH test y", "QUEUED"}};
    expect_all(control, rows, COUNT(rows));
    struct resp_value *v = resp_call(control, "EXEC", NULL);
    char *text = resp_text(v);
    ck_assert_msg(v->type == '*' && v->count == 5 && strncmp(text, "[PONG, [[\"client\", \"c1\"", 23) == 0,
                  "%s", text);
    ck_assert_str_eq(v->items[2]->text, "x");
    ck_assert_int_eq(v->items[4]->integer, 1);
    free(text);
    resp_value_free(v);
    resp_expect(control, "ECHO next", "\"next\"");
    wsclient_free(c);
    end();
}
END_TEST

/* Lists are large: a transaction has a few of them, and the next waits for this one's answers. */
START_TEST(multi_with_too_many_lists)
{
    begin("threads = 2\n");
    struct wsclient *c = visit("/test/");
    ck_assert(resp_send(control, "MULTI", NULL) == 0);
    for (int i = 0; i < 9; i++)
        ck_assert(resp_send(control, "WS.LIST", NULL) == 0);
    ck_assert(resp_send(control, "EXEC", NULL) == 0);
    ck_assert(resp_send(control, "ECHO", "next", NULL) == 0);
    resp_expect_next(control, "OK");
    for (int i = 0; i < 9; i++)
        resp_expect_next(control, "QUEUED");
    struct resp_value *v = resp_read(control, 3000);
    ck_assert(v && v->count == 9 && v->items[7]->type == '*' && v->items[8]->type == '-');
    resp_value_free(v);
    resp_expect_next(control, "\"next\"");
    wsclient_free(c);
    end();
}
END_TEST

/* What was too big could not be queued. */
START_TEST(multi_with_too_big_a_message)
{
    begin(NULL);
    resp_expect(control, "MULTI", "OK");
    send_large(control, "PUBLISH", "test", (1 << 20) + 1);
    resp_expect_next(control, "-TOOBIG limit 1048576");
    resp_expect(control, "PUBLISH test x", "QUEUED");
    resp_expect(control, "EXEC", "-EXECABORT *");
    ck_assert_int_eq(info_get(control, "published"), 0);
    end();
}
END_TEST

/* With WAIT there are four parts, though nobody is there. */
START_TEST(wait_for_nobody)
{
    begin(NULL);
    struct resp_value *v = resp_call(control, "WS.SEND", "test", "x", "WAIT", "handed", NULL);
    ck_assert_int_eq(v->count, 4);
    ck_assert_int_eq(v->items[0]->integer, 0);
    ck_assert(v->items[2]->type == '*' && v->items[2]->count == 0);
    ck_assert(v->items[3]->type == '*' && v->items[3]->count == 0);
    resp_value_free(v);
    end();
}
END_TEST

START_TEST(multi_is_bounded)
{
    begin(NULL);
    resp_expect(control, "MULTI", "OK");
    for (int i = 0; i < 128; i++)
        resp_expect(control, "PUBLISH test x", "QUEUED");
    resp_expect(control, "PUBLISH test x", "-ERR MULTI takes at most 128 *");
    resp_expect(control, "EXEC", "-EXECABORT *");
    resp_expect(control, "MULTI", "OK");
    for (int i = 0; i < 3; i++) {
        send_large(control, "PUBLISH", "test", 1000000);
        resp_expect_next(control, "QUEUED");
    }
    send_large(control, "PUBLISH", "test", 1000000);
    resp_expect_next(control, "-ERR MULTI takes at most *");
    resp_expect(control, "EXEC", "-EXECABORT *");
    ck_assert_int_eq(info_get(control, "published"), 0);
    ck_assert(resp_send(control, "MULTI", NULL) == 0);
    for (int i = 0; i < 128; i++)
        ck_assert(resp_send(control, "PUBLISH", "test", "x", NULL) == 0);
    struct resp_value *v = resp_call(control, "EXEC", NULL); /* MULTI's own OK */
    resp_value_free(v);
    for (int i = 0; i < 128; i++)
        resp_expect_next(control, "QUEUED");
    v = resp_read(control, RESP_WAIT);
    ck_assert(v && v->type == '*' && v->count == 128);
    resp_value_free(v);
    ck_assert_int_eq(info_get(control, "published"), 128);
    end();
}
END_TEST

/* ---- how requests come ---- */

/* Requests of every kind in a row, and their replies. */
#define PIPELINE                                                                                             \
    "PING\r\n"                                                                                               \
    "*1\r\n$4\r\nPING\r\n"                                                                                   \
    "*3\r\n$7\r\npublish\r\n$4\r\ntest\r\n$9\r\n12\r\n*1\r\n9\r\n"                                           \
    "ECHO \"in \\\"line\\\"\\r\\n\\x41\" \n"                                                                 \
    "\r\n*0\r\n*-1\r\n\n"                                                                                    \
    "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n"                                                                         \
    "ECHO 'it\\'s'\r\n"                                                                                      \
    "  echo\t spaced  \r\n"                                                                                  \
    "*3\r\n$7\r\nPUBLISH\r\n$3\r\na b\r\n$1\r\nx\r\n"

static void expect_pipeline(struct resp *r)
{
    static const char *const replies[] = {"PONG", "PONG",     "0",          "\"in \\\"line\\\"\\r\\nA\"",
                                          "\"\"", "\"it's\"", "\"spaced\"", "-BADNAME *"};
    for (size_t i = 0; i < COUNT(replies); i++)
        resp_expect_next(r, replies[i]);
}

START_TEST(split_at_any_byte)
{
    static const char pipeline[] = PIPELINE;
    size_t len = sizeof pipeline - 1;
    begin(NULL);
    for (size_t cut = 1; cut < len; cut++) {
        struct resp *r = operator_new();
        ck_assert(resp_send_raw(r, pipeline, cut) == 0);
        until_read(r);
        ck_assert(resp_send_raw(r, pipeline + cut, len - cut) == 0);
        expect_pipeline(r);
        resp_expect(r, "QUIT", "OK");
        resp_free(r);
    }
    struct resp *r = operator_new();
    for (size_t i = 0; i < len; i++) {
        ck_assert(resp_send_raw(r, pipeline + i, 1) == 0);
        until_read(r);
    }
    expect_pipeline(r);
    resp_free(r);
    end();
}
END_TEST

/* 10,000 at once: each runs, in order, and replies come in the order of requests. */
START_TEST(pipeline_of_thousands)
{
    enum { MANY = 10000 };
    char *text, number[16];
    size_t len;
    begin(NULL);
    struct wsclient *c = visit("/test/");
    FILE *f = open_memstream(&text, &len);
    ck_assert(f != NULL);
    for (int i = 0; i < MANY; i++) {
        int n = snprintf(number, sizeof number, "%d", i);
        fprintf(f, "*3\r\n$7\r\nPUBLISH\r\n$4\r\ntest\r\n$%d\r\n%s\r\nECHO %s\r\n", n, number, number);
    }
    fclose(f);
    ck_assert(resp_send_raw(control, text, len) == 0);
    free(text);
    for (int i = 0; i < MANY; i++) {
        snprintf(number, sizeof number, "\"%d\"", i);
        resp_expect_next(control, "1");
        resp_expect_next(control, number);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(number, sizeof number, "%d", i);
        wsclient_expect_text(c, number);
    }
    wsclient_close(c);
    end();
}
END_TEST

/* A waiting verb holds up its own connection, and what comes behind it comes behind it. */
START_TEST(order_of_replies)
{
    begin("threads = 2\n");
    struct wsclient *c = visit("/test/");
    struct resp *waiting = operator_new();
    ck_assert(send_text(waiting, "PING\r\nWS.WAIT test\r\nWS.LIST nobody\r\nECHO behind\r\n") == 0);
    resp_expect_next(waiting, "PONG");
    resp_expect(control, "ECHO \"others go on\"", "\"others go on\"");
    struct pollfd p = {.fd = resp_fd(waiting), .events = POLLIN};
    ck_assert_msg(poll(&p, 1, 50) == 0, "something came before the wait was over");
    ck_assert(wsclient_send_text(c, "now") == 0);
    resp_expect_next(waiting, "[\"c1\", \"test\", \"text\", \"now\", *");
    resp_expect_next(waiting, "[]");
    resp_expect_next(waiting, "\"behind\"");
    ck_assert(send_text(waiting, "WS.LIST\r\nPUBLISH test x\r\nWS.LIST test\r\nPING\r\n") == 0);
    resp_expect_next(waiting, "[[\"client\", \"c1\"*");
    resp_expect_next(waiting, "1");
    resp_expect_next(waiting, "[[\"client\", \"c1\"*");
    resp_expect_next(waiting, "PONG");
    resp_free(waiting);
    wsclient_free(c);
    end();
}
END_TEST

/* Requests are run even if their sender has ended its side; it gets the replies. */
START_TEST(half_closed)
{
    begin(NULL);
    struct resp *r = operator_new();
    ck_assert(send_text(r, PIPELINE "WS.WAIT nobody TIMEOUT 50\r\nPING\r\n") == 0);
    shutdown(resp_fd(r), SHUT_WR);
    expect_pipeline(r);
    resp_expect_next(r, "[\"timeout\"]");
    resp_expect_next(r, "PONG");
    resp_expect_end(r);
    resp_free(r);
    info_until(control, "operators", 1);
    end();
}
END_TEST

/* ---- what is not a request ---- */

struct bomb {
    const char *bytes;
    size_t len;
    const char *reply; /* NULL: closed without a word */
};

#define BOMB(text, reply)                                                                                    \
    {                                                                                                        \
        text, sizeof(text) - 1, reply                                                                        \
    }

static const struct bomb bombs[] = {
    BOMB("*2147483647\r\n", "-ERR Protocol error*"),
    BOMB("*1048576\r\n", "-ERR Protocol error*"),
    BOMB("*1002\r\n", "-ERR Protocol error*"),
    BOMB("*-2\r\n", "-ERR Protocol error*"),
    BOMB("*99999999999999999999\r\n", "-ERR Protocol error*"),
    BOMB("*1x\r\n", "-ERR Protocol error*"),
    BOMB("*\r\n", "-ERR Protocol error*"),
    BOMB("* 1\r\n", "-ERR Protocol error*"),
    BOMB("*+1\r\n", "-ERR Protocol error*"),
    BOMB("*1\n$4\nPING\n12345678901234567890123456789012345", "-ERR Protocol error*"),
    BOMB("*1234567890123456789012345678901234567890", "-ERR Protocol error*"),
    BOMB("*1\r\n$9999999999\r\n", "-ERR Protocol error*"),
    BOMB("*1\r\n$18446744073709551616\r\n", "-ERR Protocol error*"),
    BOMB("*1\r\n$-1\r\n", "-ERR Protocol error*"),
    BOMB("*1\r\n$\r\n", "-ERR Protocol error*"),
    BOMB("*1\r\n:4\r\n", "-ERR Protocol error*"),
    BOMB("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n$4\r\nPING\r\n", "-ERR Protocol error*"),
    BOMB("*1\r\n$4\r\nPINGx\n", "-ERR Protocol error*"),
    BOMB("*1\r\n$4\r\nPING\r\r", "-ERR Protocol error*"),
    BOMB("PUBLISH test \"unbalanced\r\n", "-ERR Protocol error*"),
    BOMB("PUBLISH test \"a\"b\r\n", "-ERR Protocol error*"),
    BOMB("$4\r\nPING\r\n", NULL),
    BOMB("+PING\r\n", NULL),
    BOMB("%1\r\n$4\r\nPING\r\n", NULL),
    BOMB("POST / HTTP/1.1\r\nHost: localhost\r\n\r\nPUBLISH test forged\r\n", NULL),
    BOMB("POST /PUBLISH\r\nPUBLISH test forged\r\n", NULL),
    BOMB("post x\r\nPUBLISH test forged\r\n", NULL),
    BOMB("GET / HTTP/1.1\r\nPUBLISH test forged\r\n", NULL),
    BOMB("PUBLISH /test HTTP/1.1\r\nPUBLISH test forged\r\n", NULL),
    BOMB("Host: localhost\r\nPUBLISH test forged\r\n", NULL),
    BOMB("HOST: localhost\r\nPUBLISH test forged\r\n", NULL),
    BOMB("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03PUBLISH test forged\r\n", NULL),
    BOMB("\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\r\nPUBLISH test forged\r\n", NULL),
    BOMB("\x00\r\nPUBLISH test forged\r\n", NULL),
    BOMB("\xff\r\nPUBLISH test forged\r\n", NULL),
    BOMB("{\"PUBLISH\": \"test\"}\r\nPUBLISH test forged\r\n", NULL),
};

static void detonate(const struct bomb *b, size_t cut)
{
    struct resp *r = operator_new();
    ck_assert(resp_send_raw(r, b->bytes, cut) == 0);
    if (cut < b->len) {
        until_read(r);
        resp_send_raw(r, b->bytes + cut, b->len - cut); /* may be closed already */
    }
    if (b->reply)
        resp_expect_next(r, b->reply);
    struct resp_value *v = resp_read(r, RESP_WAIT);
    ck_assert_msg(!v && strcmp(resp_fault(r), "timeout") != 0, "\"%.30s\": %s", b->bytes,
                  v ? v->text : "it stays open");
    resp_value_free(v);
    resp_free(r);
}

START_TEST(what_is_not_a_request)
{
    begin(NULL);
    struct wsclient *c = visit("/test/");
    for (size_t i = 0; i < COUNT(bombs); i++) {
        detonate(&bombs[i], bombs[i].len);
        for (size_t cut = 1; cut < bombs[i].len && cut < 16; cut++)
            detonate(&bombs[i], cut);
    }
    ck_assert_int_eq(info_get(control, "published"), 0);
    resp_expect(control, "PUBLISH test \"the only one\"", "1");
    wsclient_expect_text(c, "the only one");
    wsclient_free(c);
    end();
}
END_TEST

START_TEST(it_is_logged)
{
    begin(NULL);
    detonate(&(struct bomb)BOMB("*1002\r\n", "-ERR Protocol error*"), 7);
    detonate(&(struct bomb)BOMB("GET / HTTP/1.1\r\n", NULL), 16);
    site_wait_log(site, SITE_WORKER, "operator 2 (pid ", 1000);
    site_wait_log(site, SITE_WORKER, "): invalid multibulk length: at most 1001 arguments: closed", 1000);
    site_wait_log(site, SITE_WORKER, "operator 3 (pid ", 1000);
    site_wait_log(site, SITE_WORKER, ") does not speak RESP: closed", 1000);
    ck_assert_int_eq(info_get(control, "protocol_faults"), 2);
    end();
}
END_TEST

/* Lines and bulks that never end are not kept. */
START_TEST(endless)
{
    char *block = malloc(1 << 20);
    ck_assert(block != NULL);
    memset(block, 'x', 1 << 20);
    begin(NULL);
    long long before = info_get(control, "used_memory");
    struct resp *r = operator_new();
    ck_assert(resp_send_raw(r, block, 64 * 1024) == 0); /* an inline line may be that long */
    until_read(r);
    resp_send_raw(r, block, 64 * 1024);
    resp_expect_next(r, "-ERR Protocol error: too big inline request");
    resp_expect_end(r);
    resp_free(r);
    r = operator_new();
    ck_assert(send_text(r, "*3\r\n$7\r\nPUBLISH\r\n$4\r\ntest\r\n$4294967295\r\n") == 0);
    for (int i = 0; i < 64; i++)
        ck_assert(resp_send_raw(r, block, 1 << 20) == 0);
    until_read(r);
    ck_assert_msg(info_get(control, "used_memory") - before < 1 << 20, "an endless bulk is kept");
    resp_free(r);
    /* arguments within the limit, but more of them than any command needs */
    r = operator_new();
    ck_assert(send_text(r, "*64\r\n") == 0);
    bool went = true;
    for (int i = 0; i < 64 && went; i++)
        went = send_text(r, "$1048576\r\n") == 0 && resp_send_raw(r, block, 1 << 20) == 0 &&
               send_text(r, "\r\n") == 0;
    resp_expect_next(r, "-ERR Protocol error: the request is too big");
    resp_free(r);
    info_until(control, "operators", 1);
    ck_assert_msg(info_get(control, "used_memory") - before < 1 << 20, "%lld bytes are left",
                  info_get(control, "used_memory") - before);
    free(block);
    end();
}
END_TEST

/* ---- operators that do not read ---- */

/* So many requests of one kind, to be written in any pieces. */
struct stuffing {
    char *bytes;
    size_t len, sent;
};

static struct stuffing stuffing_new(const char *request, size_t count)
{
    size_t n = strlen(request);
    struct stuffing s = {.bytes = malloc(count * n), .len = count * n};
    ck_assert(s.bytes != NULL);
    for (size_t i = 0; i < count; i++)
        memcpy(s.bytes + i * n, request, n);
    return s;
}

static void send_some(struct resp *r, struct stuffing *s)
{
    ssize_t n = send(resp_fd(r), s->bytes + s->sent, s->len - s->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    ck_assert_msg(n > 0 || errno == EAGAIN, "%s", strerror(errno));
    s->sent += n > 0 ? (size_t)n : 0;
}

/* Writes for as long as the worker takes it, and reads nothing. */
static void stuff(struct resp *r, struct stuffing *s)
{
    struct pollfd p = {.fd = resp_fd(r), .events = POLLOUT};
    while (s->sent < s->len && poll(&p, 1, 200) == 1)
        send_some(r, s);
}

/* Writes the rest and reads what is due for all of it: each reply is `reply`, and none is missing. */
static void drain(struct resp *r, struct stuffing *s, const char *reply, size_t total)
{
    static char block[65536];
    size_t got = 0, size = strlen(reply);
    while (got < total * size) {
        short events = (short)(POLLIN | (s->sent < s->len ? POLLOUT : 0));
        struct pollfd p = {.fd = resp_fd(r), .events = events};
        ck_assert_msg(poll(&p, 1, 5000) == 1, "the worker stops at %zu of %zu", got / size, total);
        if (p.revents & POLLOUT)
            send_some(r, s);
        if (!(p.revents & POLLIN))
            continue;
        ssize_t n = read(resp_fd(r), block, sizeof block);
        ck_assert_msg(n > 0, "the worker ended the connection");
        for (ssize_t i = 0; i < n; i++, got++)
            if (block[i] != reply[got % size])
                ck_abort_msg("reply %zu is another", got / size);
    }
    ck_assert_uint_eq(got, total * size);
}

/* A million requests of somebody who reads nothing: what the worker holds of them is bounded, pushes do not
 * wait for him, and when he does read, everything is there. */
static void sleepy_operator(const char *request, const char *reply, size_t total)
{
    begin(NULL);
    struct wsclient *c = visit("/witness");
    struct resp *sleepy = operator_new();
    long long before = info_get(control, "used_memory");
    struct stuffing all = stuffing_new(request, total);
    stuff(sleepy, &all);
    ck_assert_msg(all.sent < all.len, "all of it was taken");
    long long more = info_get(control, "used_memory") - before;
    ck_assert_msg(more < 4 << 20, "%lld bytes are kept", more);
    for (int i = 0; i < 100; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        ck_assert(resp_send(control, "PUBLISH", "witness", text, NULL) == 0);
        wsclient_expect_text(c, text);
        resp_expect_next(control, "1");
    }
    drain(sleepy, &all, reply, total);
    free(all.bytes);
    resp_free(sleepy);
    wsclient_close(c);
    end();
}

START_TEST(who_does_not_read)
{
    sleepy_operator("PING\r\n", "+PONG\r\n", 1000000);
}
END_TEST

START_TEST(who_does_not_read_publishes)
{
    sleepy_operator("*3\r\n$7\r\nPUBLISH\r\n$4\r\nnone\r\n$1\r\nx\r\n", ":0\r\n", 1000000);
}
END_TEST

/* Large answers to small questions. */
START_TEST(who_does_not_read_lists)
{
    enum { CLIENTS = 200 };
    struct wsclient *clients[CLIENTS];
    begin("threads = 2\n");
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = visit("/test/");
    struct resp *sleepy = operator_new();
    long long before = info_get(control, "used_memory");
    struct stuffing all = stuffing_new("WS.LIST\r\n", 100000);
    stuff(sleepy, &all);
    free(all.bytes);
    long long more = info_get(control, "used_memory") - before;
    ck_assert_msg(more < 8 << 20, "%lld bytes are kept", more);
    resp_expect(control, "PUBLISH test x", "200");
    for (int i = 0; i < CLIENTS; i++) {
        wsclient_expect_text(clients[i], "x");
        wsclient_free(clients[i]);
    }
    resp_free(sleepy);
    info_until(control, "operators", 1);
    info_until(control, "connections", 0);
    more = info_get(control, "used_memory") - before;
    ck_assert_msg(more < 1 << 20, "%lld bytes are left", more);
    end();
}
END_TEST

/* Another user's program holds every place: it gets no more, and root, or the worker's own user, still looks
 * in. */
static struct resp *stranger_new(void)
{
    ck_assert_int_eq(seteuid(65534), 0);
    struct resp *r = operator_new();
    ck_assert_int_eq(seteuid(0), 0);
    return r;
}

START_TEST(max_operators)
{
    enum { MOST = 3, KEPT = 8 };
    struct resp *in[MOST + KEPT];
    struct resp *(*comes)(void) = geteuid() == 0 ? stranger_new : operator_new;
    begin("max_operators = 3\nsocket_mode = 0666\n");
    ck_assert_int_eq(chmod(site_dir(site), 0755), 0);
    for (int i = 1; i < MOST + (geteuid() ? KEPT : 0); i++) {
        in[i] = comes();
        resp_expect(in[i], "PING", "PONG");
    }
    for (int i = 0; i < 3; i++) {
        in[0] = comes();
        resp_expect_next(in[0], "-ERR too many operators*");
        resp_expect_end(in[0]);
        resp_free(in[0]);
    }
    for (int i = MOST; i < MOST + KEPT; i++) {
        if (geteuid() == 0)
            in[i] = operator_new();
        resp_expect(in[i], "PING", "PONG");
    }
    in[0] = operator_new();
    resp_expect_next(in[0], "-ERR too many operators*");
    for (int i = 0; i < MOST + KEPT; i++)
        resp_free(in[i]);
    info_until(control, "operators", 1);
    in[0] = comes();
    resp_expect(in[0], "PING", "PONG");
    resp_free(in[0]);
    end();
}
END_TEST

/* Protocol errors by the thousand starve nobody, and leave nothing. */
START_TEST(many_errors)
{
    begin(NULL);
    struct wsclient *c = visit("/witness");
    int descriptors = site_descriptors(site, SITE_WORKER);
    long long before = info_get(control, "used_memory");
    for (int i = 0; i < 3000; i++) {
        struct resp *r = operator_new();
        ck_assert(send_text(r, i % 2 ? "*2147483647\r\n" : "POST / HTTP/1.1\r\n") == 0);
        resp_free(r);
        if (i % 100 == 0) {
            resp_expect(control, "PUBLISH witness x", "1");
            wsclient_expect_text(c, "x");
        }
    }
    info_until(control, "operators", 1);
    site_wait_descriptors(site, SITE_WORKER, descriptors);
    ck_assert_int_lt(info_get(control, "used_memory") - before, 64 * 1024);
    wsclient_close(c);
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
    Suite *suite = suite_create("control");
    TCase *tc = tcase(suite, "replies");
    tcase_add_test(tc, commands_of_a_connection);
    tcase_add_test(tc, other_connections);
    tcase_add_test(tc, publish);
    tcase_add_test(tc, ws_send);
    tcase_add_test(tc, binary);
    tcase_add_test(tc, not_utf8);
    tcase_add_test(tc, too_big);
    tcase_add_test(tc, bad_names_are_refused);
    tcase_add_test(tc, good_names);
    tcase_add_test(tc, nobody_there);
    tcase_add_test(tc, ws_list);
    tcase_add_test(tc, ws_close);
    tcase_add_test(tc, arity);
    tcase_add_test(tc, unknown_commands);
    tcase_add_test(tc, info_fields);
    tcase_add_test(tc, info_figures);
    tc = tcase(suite, "multi");
    tcase_add_test(tc, multi);
    tcase_add_test(tc, multi_with_late_replies);
    tcase_add_test(tc, multi_with_too_many_lists);
    tcase_add_test(tc, multi_with_too_big_a_message);
    tcase_add_test(tc, wait_for_nobody);
    tcase_add_test(tc, multi_is_bounded);
    tc = tcase(suite, "requests");
    tcase_add_test(tc, split_at_any_byte);
    tcase_add_test(tc, pipeline_of_thousands);
    tcase_add_test(tc, order_of_replies);
    tcase_add_test(tc, half_closed);
    tcase_add_test(tc, what_is_not_a_request);
    tcase_add_test(tc, it_is_logged);
    tcase_add_test(tc, endless);
    tc = tcase(suite, "bounds");
    tcase_add_test(tc, who_does_not_read);
    tcase_add_test(tc, who_does_not_read_publishes);
    tcase_add_test(tc, who_does_not_read_lists);
    tcase_add_test(tc, max_operators);
    tcase_add_test(tc, many_errors);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
