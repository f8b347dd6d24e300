/*
 * What clients say, and who gets it: WS.WAIT, WS.READ, WS.COUNT and WS.HAS on channels and single clients.
 * Every message is handed out once at most; who is gone before it has its answer gives it back.
 */
#include <check.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "figures.h"
#include "http.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

static struct site *site;
static struct resp *control;

static struct resp *operator_new(void)
{
    struct resp *r = resp_open(site_control(site));
    ck_assert(r != NULL);
    return r;
}

static void begin(int threads, const char *config)
{
    site = site_start(
        &(struct site_options){.threads = threads, .config = config, .no_nginx = true, .no_responder = true});
    control = operator_new();
}

static void end(void)
{
    resp_free(control);
    site_stop(site);
}

static struct wsclient *visit(const char *path)
{
    return wsclient_open(site_ws(site), path);
}

static bool has_read_all(void *arg)
{
    int unread = 0;
    return ioctl(resp_fd(arg), SIOCOUTQ, &unread) == 0 && unread == 0;
}

/* Sends a command whose answer is to come later; returns when the worker has begun with it. */
static void begin_command(struct resp *r, const char *line)
{
    ck_assert(resp_send_inline(r, line) == 0);
    ck_assert(site_until(has_read_all, r, 5000));
    resp_expect(control, "PING", "PONG");
}

static void say(struct wsclient *c, const char *text)
{
    ck_assert(wsclient_send_text(c, text) == 0);
}

/* ---- reading ---- */

START_TEST(reading)
{
    static const char bytes[] = "\x00\xff";
    begin(_i + 1, NULL);
    struct wsclient *a = visit("/test/"), *b = visit("/test/room"), *other = visit("/other");
    (void)other;
    resp_expect(control, "WS.READ test", "null");
    resp_expect(control, "WS.COUNT test", "0");
    resp_expect(control, "WS.HAS test", "0");
    say(a, "one");
    say(a, "");
    ck_assert(wsclient_send_binary(a, bytes, 2) == 0);
    say(b, "elsewhere");
    integer_until(control, "WS.COUNT test", 3);
    integer_until(control, "WS.COUNT test/room", 1);
    resp_expect(control, "WS.COUNT other", "0");
    resp_expect(control, "WS.HAS test", "1");
    resp_expect(control, "WS.COUNT @client:c1", "3");
    resp_expect(control, "WS.HAS @client:c1", "1");
    resp_expect(control, "WS.COUNT @client:c3", "0");
    long long before = http_now();
    struct resp_value *v = resp_call(control, "WS.READ", "test", NULL);
    ck_assert(v->count == 6 && v->items[4]->type == ':' && v->items[4]->integer > 1600000000000);
    char *text = resp_text(v), *rest = strstr(text, "\"one\", ");
    ck_assert_msg(strncmp(text, "[\"c1\", \"test\", \"text\", \"one\", ", 28) == 0, "%s", text);
    ck_assert_msg(rest && strcmp(strrchr(text, ','), ", 0]") == 0, "%s", text);
    ck_assert(http_now() - before < 5000);
    free(text);
    resp_value_free(v);
    resp_expect(control, "WS.READ test", "[\"c1\", \"test\", \"text\", \"\", *");
    resp_expect(control, "WS.READ @client:c1", "[\"c1\", \"test\", \"binary\", \"\\x00\xff\", *");
    resp_expect(control, "WS.READ test", "null");
    resp_expect(control, "WS.HAS test", "0");
    resp_expect(control, "WS.READ test/room", "[\"c2\", \"test/room\", \"text\", \"elsewhere\", *");
    resp_expect(control, "HELLO 3", "{*");
    resp_expect(control, "WS.READ test", "null");
    wsclient_free(a);
    wsclient_free(b);
    wsclient_free(other);
    info_until(control, "channels", 0);
    ck_assert_int_eq(info_get(control, "inbox_bytes"), 0);
    end();
}
END_TEST

/* In the order in which they came; a client's own from among them. */
START_TEST(order)
{
    char text[16], expected[64];
    begin(_i + 1, NULL);
    struct wsclient *c[3];
    for (int i = 0; i < 3; i++)
        c[i] = visit("/test/");
    for (int i = 0; i < 90; i++) {
        snprintf(text, sizeof text, "m%d", i);
        say(c[i % 3], text);
        integer_until(control, "WS.COUNT test", i + 1);
    }
    resp_expect(control, "WS.COUNT @client:c2", "30");
    for (int i = 1; i < 90; i += 3) {
        snprintf(expected, sizeof expected, "[\"c2\", \"test\", \"text\", \"m%d\", *", i);
        resp_expect(control, "WS.READ @client:c2", expected);
    }
    resp_expect(control, "WS.READ @client:c2", "null");
    for (int i = 0; i < 90; i++) {
        snprintf(expected, sizeof expected, "[\"c%d\", \"test\", \"text\", \"m%d\", *", i % 3 + 1, i);
        if (i % 3 != 1)
            resp_expect(control, "WS.READ test", expected);
    }
    resp_expect(control, "WS.READ test", "null");
    for (int i = 0; i < 3; i++)
        wsclient_free(c[i]);
    end();
}
END_TEST

/* It survives its sender; then its sender is closed, and only then. */
START_TEST(after_the_sender)
{
    begin(_i + 1, NULL);
    struct wsclient *c = visit("/test/");
    say(c, "my");
    say(c, "last");
    say(c, "words");
    wsclient_close(c);
    info_until(control, "connected_clients", 0);
    resp_expect(control, "WS.COUNT test", "3");
    resp_expect(control, "WS.COUNT @client:c1", "3");
    resp_expect(control, "WS.WAIT @client:c1", "[\"c1\", \"test\", \"text\", \"my\", *");
    resp_expect(control, "WS.READ test", "[\"c1\", \"test\", \"text\", \"last\", *");
    resp_expect(control, "WS.READ @client:c1", "[\"c1\", \"test\", \"text\", \"words\", *");
    resp_expect(control, "WS.WAIT @client:c1", "[\"closed\"]");
    resp_expect(control, "WS.READ @client:c1", "[\"closed\"]");
    resp_expect(control, "WS.COUNT @client:c1", "0");
    resp_expect(control, "WS.READ test", "null");
    info_until(control, "channels", 0);
    end();
}
END_TEST

/* ---- waiting ---- */

START_TEST(first_come_first_served)
{
    enum { WAITERS = 5 };
    struct resp *waiters[WAITERS];
    char text[16], expected[64];
    begin(_i + 1, NULL);
    struct wsclient *c = visit("/test/");
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = operator_new();
        begin_command(waiters[i], "WS.WAIT test");
    }
    for (int i = 0; i < WAITERS; i++) {
        snprintf(text, sizeof text, "m%d", i);
        say(c, text);
    }
    for (int i = 0; i < WAITERS; i++) {
        snprintf(expected, sizeof expected, "[\"c1\", \"test\", \"text\", \"m%d\", *", i);
        resp_expect_next(waiters[i], expected);
        resp_free(waiters[i]);
    }
    resp_expect(control, "WS.COUNT test", "0");
    wsclient_free(c);
    end();
}
END_TEST

/* Who waits for one client takes that one's next, before those who wait for anybody. */
START_TEST(waiting_for_one)
{
    begin(_i + 1, NULL);
    struct wsclient *c1 = visit("/test/"), *c2 = visit("/test/");
    struct resp *any = operator_new(), *one = operator_new(), *late = operator_new();
    begin_command(any, "WS.WAIT test");
    begin_command(one, "WS.WAIT @client:c1");
    begin_command(late, "WS.WAIT @client:c1");
    say(c1, "first");
    resp_expect_next(one, "[\"c1\", \"test\", \"text\", \"first\", *");
    say(c2, "hello");
    resp_expect_next(any, "[\"c2\", \"test\", \"text\", \"hello\", *");
    say(c2, "nobody waits for this");
    integer_until(control, "WS.COUNT test", 1);
    say(c1, "second");
    resp_expect_next(late, "[\"c1\", \"test\", \"text\", \"second\", *");
    resp_expect(one, "WS.WAIT @client:c2", "[\"c2\", \"test\", \"text\", \"nobody waits for this\", *");
    resp_free(any);
    resp_free(one);
    resp_free(late);
    wsclient_free(c1);
    wsclient_free(c2);
    end();
}
END_TEST

START_TEST(wait_timeout)
{
    begin(_i + 1, NULL);
    struct resp *waiting = operator_new();
    long long began = http_now();
    resp_expect(waiting, "WS.WAIT test TIMEOUT 120", "[\"timeout\"]");
    long long took = http_now() - began;
    ck_assert_msg(took >= 115 && took < 1000, "%lld ms", took);
    resp_expect(waiting, "WS.WAIT test TIMEOUT 0", "[\"timeout\"]");
    info_until(control, "channels", 0);
    struct wsclient *c = visit("/test/");
    resp_expect(waiting, "WS.WAIT @client:c1 TIMEOUT 20", "[\"timeout\"]");
    say(c, "too late for those");
    integer_until(control, "WS.COUNT test", 1);
    resp_expect(waiting, "WS.WAIT test TIMEOUT 0", "[\"c1\", \"test\", \"text\", \"too late for those\", *");
    ck_assert(resp_send_inline(waiting, "WS.WAIT test TIMEOUT 5000") == 0);
    say(c, "in time");
    resp_expect_next(waiting, "[\"c1\", \"test\", \"text\", \"in time\", *");
    wsclient_free(c);
    resp_free(waiting);
    end();
}
END_TEST

/* Waits without end, as no timeout says. */
START_TEST(wait_for_odd_times)
{
    static const char *const bad[] = {
        "-1", "x", "1.5", "1e308", "9223372036854775808", "18446744073709551616", "\"\""};
    char command[64];
    begin(1, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(command, sizeof command, "WS.WAIT test TIMEOUT %s", bad[i]);
        resp_expect(control, command, "-ERR *");
    }
    resp_expect(control, "WS.WAIT test FOREVER 1", "-ERR usage: WS.WAIT *");
    resp_expect(control, "WS.WAIT test TIMEOUT", "-ERR usage: WS.WAIT *");
    struct resp *waiting = operator_new();
    begin_command(waiting, "WS.WAIT test TIMEOUT 315360000000"); /* ten years */
    struct wsclient *c = visit("/test/");
    say(c, "that was quick");
    resp_expect_next(waiting, "[\"c1\", \"test\", \"text\", \"that was quick\", *");
    resp_free(waiting);
    wsclient_free(c);
    end();
}
END_TEST

/* The end of a client ends the waits for it, and none of the channel's. */
START_TEST(closed)
{
    begin(_i + 1, NULL);
    struct wsclient *c = visit("/test/"), *killed = visit("/test/");
    struct resp *any = operator_new(), *one = operator_new(), *other = operator_new();
    begin_command(any, "WS.WAIT test");
    begin_command(one, "WS.WAIT @client:c1");
    begin_command(other, "WS.WAIT @client:c2");
    wsclient_close(c);
    resp_expect_next(one, "[\"closed\"]");
    wsclient_free(killed);
    resp_expect_next(other, "[\"closed\"]");
    struct pollfd p = {.fd = resp_fd(any), .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 30), 0);
    c = visit("/test/");
    say(c, "here I am");
    resp_expect_next(any, "[\"c3\", \"test\", \"text\", \"here I am\", *");
    resp_free(any);
    resp_free(one);
    resp_free(other);
    wsclient_free(c);
    end();
}
END_TEST

/* What was said right before the end comes before the news of it. */
START_TEST(words_and_end_together)
{
    begin(_i + 1, NULL);
    for (int round = 1; round <= 200; round++) {
        char command[64], expected[64];
        struct wsclient *c = visit("/test/");
        snprintf(command, sizeof command, "WS.WAIT @client:c%d", round);
        snprintf(expected, sizeof expected, "[\"c%d\", \"test\", \"text\", \"bye\", *", round);
        if (round % 2)
            ck_assert(resp_send_inline(control, command) == 0);
        say(c, "bye");
        wsclient_free(c);
        if (round % 2)
            resp_expect_next(control, expected);
        else
            resp_expect(control, command, expected);
        resp_expect(control, command, "[\"closed\"]");
    }
    info_until(control, "channels", 0);
    end();
}
END_TEST

/* ---- who is gone before the answer ---- */

/* An operator whose answers stay at the worker: he has asked for more than the kernel holds, and does not
 * read. */
static struct resp *stuck_operator(void)
{
    enum { SIZE = 900 * 1000 };
    struct resp *r = operator_new();
    char *text = malloc(SIZE + 1);
    ck_assert(text != NULL);
    memset(text, 'x', SIZE);
    text[SIZE] = '\0';
    ck_assert(resp_send(r, "ECHO", text, NULL) == 0);
    free(text);
    return r;
}

static void expect_messages(int from, int to)
{
    char expected[64];
    for (int i = from; i < to; i++) {
        snprintf(expected, sizeof expected, "[\"c1\", \"test\", \"text\", \"m%d\", *", i);
        resp_expect(control, "WS.READ test", expected);
    }
    resp_expect(control, "WS.READ test", "null");
}

static void say_numbers(struct wsclient *c, int from, int to)
{
    char text[16];
    for (int i = from; i < to; i++) {
        snprintf(text, sizeof text, "m%d", i);
        say(c, text);
    }
}

/* Messages that were read or waited for, and not delivered, are back at the head and in order. */
START_TEST(given_back)
{
    begin(_i + 1, NULL);
    struct wsclient *c = visit("/test/");
    for (int kill = 0; kill < 2; kill++) {
        struct resp *gone = stuck_operator();
        begin_command(gone, "WS.WAIT test");
        say_numbers(c, 0, 5);
        integer_until(control, "WS.COUNT test", 4);
        begin_command(gone, "WS.READ test");
        begin_command(gone, "WS.WAIT test");
        integer_until(control, "WS.COUNT test", 2);
        if (kill) {
            struct resp_value *v = resp_call(control, "CLIENT", "KILL", "ID", "3", NULL);
            ck_assert_int_eq(v->integer, 1);
            resp_value_free(v);
        } else {
            resp_free(gone);
        }
        integer_until(control, "WS.COUNT test", 5);
        expect_messages(0, 5);
        if (kill)
            resp_free(gone);
    }
    ck_assert_int_eq(info_get(control, "inbox_bytes"), 0);
    wsclient_free(c);
    end();
}
END_TEST

/* Within MULTI a message is known before the replies in front of it are. */
START_TEST(in_a_transaction)
{
    begin(2, NULL);
    struct wsclient *c = visit("/test/");
    say_numbers(c, 0, 3);
    integer_until(control, "WS.COUNT test", 3);
    resp_expect(control, "MULTI", "OK");
    resp_expect(control, "WS.READ test", "QUEUED");
    resp_expect(control, "WS.LIST @client:c1", "QUEUED");
    resp_expect(control, "WS.WAIT test", "QUEUED");
    struct resp_value *v = resp_call(control, "EXEC", NULL);
    ck_assert_uint_eq(v->count, 3);
    ck_assert_str_eq(v->items[0]->items[3]->text, "m0");
    ck_assert_str_eq(v->items[1]->items[0]->items[1]->text, "c1");
    ck_assert_str_eq(v->items[2]->items[3]->text, "m1");
    resp_value_free(v);
    expect_messages(2, 3);
    wsclient_close(c);
    end();
}
END_TEST

/* What is given back goes to who waits, before what comes later. */
START_TEST(given_back_to_a_waiter)
{
    begin(_i + 1, NULL);
    struct wsclient *c = visit("/test/");
    struct resp *gone = stuck_operator(), *waiting = operator_new(), *behind = operator_new();
    say_numbers(c, 0, 2);
    integer_until(control, "WS.COUNT test", 2);
    begin_command(gone, "WS.READ test");
    begin_command(gone, "WS.READ test");
    integer_until(control, "WS.COUNT test", 0);
    begin_command(waiting, "WS.WAIT test");
    begin_command(behind, "WS.WAIT test");
    resp_free(gone);
    struct resp_value *first = resp_read(waiting, RESP_WAIT), *second = resp_read(behind, RESP_WAIT);
    ck_assert(first && second && first->count == 6 && second->count == 6);
    ck_assert_str_ne(first->items[3]->text, second->items[3]->text);
    resp_value_free(first);
    resp_value_free(second);
    resp_free(waiting);
    resp_free(behind);
    wsclient_free(c);
    end();
}
END_TEST

/* Who goes while he waits leaves nothing behind: no message is kept for him. */
START_TEST(a_waiter_that_is_gone)
{
    begin(_i + 1, NULL);
    struct wsclient *c = visit("/test/");
    for (int i = 0; i < 50; i++) {
        struct resp *gone = operator_new();
        begin_command(gone, i % 2 ? "WS.WAIT test" : "WS.WAIT @client:c1");
        resp_free(gone);
    }
    info_until(control, "operators", 1);
    say_numbers(c, 0, 3);
    integer_until(control, "WS.COUNT test", 3);
    expect_messages(0, 3);
    wsclient_free(c);
    info_until(control, "channels", 0);
    end();
}
END_TEST

/* ---- room ---- */

static long long lost_of(struct resp_value *take_v, const char *text)
{
    ck_assert_msg(take_v->count == 6 && strcmp(take_v->items[3]->text, text) == 0, "%s instead of %s",
                  take_v->count == 6 ? take_v->items[3]->text : "nothing", text);
    long long lost = take_v->items[5]->integer;
    resp_value_free(take_v);
    return lost;
}

/* The oldest go, and the next one that is read knows how many. */
START_TEST(lost_by_count)
{
    begin(_i + 1, "inbox_messages = 3\n");
    struct wsclient *c = visit("/test/");
    say_numbers(c, 0, 8);
    info_until(control, "inbox_dropped", 5);
    resp_expect(control, "WS.COUNT test", "3");
    ck_assert_int_eq(lost_of(resp_call(control, "WS.READ", "test", NULL), "m5"), 5);
    ck_assert_int_eq(lost_of(resp_call(control, "WS.WAIT", "test", NULL), "m6"), 0);
    say_numbers(c, 8, 12);
    info_until(control, "inbox_dropped", 7);
    ck_assert_int_eq(lost_of(resp_call(control, "WS.READ", "@client:c1", NULL), "m9"), 2);
    ck_assert_int_eq(lost_of(resp_call(control, "WS.READ", "test", NULL), "m10"), 0);
    ck_assert_int_eq(lost_of(resp_call(control, "WS.READ", "test", NULL), "m11"), 0);
    resp_expect(control, "WS.READ test", "null");
    wsclient_free(c);
    end();
}
END_TEST

/* By bytes; one message is always taken, however large. */
START_TEST(lost_by_bytes)
{
    enum { SIZE = 5000 };
    char *large = malloc(SIZE + 1);
    ck_assert(large != NULL);
    memset(large, 'L', SIZE);
    large[SIZE] = '\0';
    begin(1, "inbox_bytes = 2000\ninbox_messages = 1000\n");
    struct wsclient *c = visit("/test/");
    say_numbers(c, 0, 100);
    say(c, "end");
    info_until(control, "messages_in", 101);
    long long kept = resp_integer(control, "WS.COUNT test");
    ck_assert_msg(kept > 2 && kept < 100, "%lld are kept", kept);
    ck_assert_int_eq(info_get(control, "inbox_dropped"), 101 - kept);
    ck_assert_int_le(info_get(control, "inbox_bytes"), 2000);
    say(c, large);
    integer_until(control, "WS.COUNT test", 1);
    ck_assert_int_eq(lost_of(resp_call(control, "WS.READ", "test", NULL), large), 101);
    wsclient_free(c);
    free(large);
    end();
}
END_TEST

/* All inboxes together are bounded, whoever fills them. */
START_TEST(lost_in_all)
{
    enum { CHANNELS = 30, EACH = 40, SIZE = 1000 };
    char path[32], text[SIZE + 1];
    memset(text, 'x', SIZE);
    text[SIZE] = '\0';
    begin(2, "inbox_total = 64k\n");
    for (int i = 0; i < CHANNELS; i++) {
        snprintf(path, sizeof path, "/room%d", i);
        struct wsclient *c = visit(path);
        for (int k = 0; k < EACH; k++)
            say(c, text);
        wsclient_close(c);
    }
    info_until(control, "messages_in", CHANNELS * EACH);
    info_until(control, "connected_clients", 0);
    ck_assert_int_le(info_get(control, "inbox_bytes"), 64 * 1024);
    long long kept = 0;
    for (int i = 0; i < CHANNELS; i++) {
        snprintf(text, sizeof text, "WS.COUNT room%d", i);
        kept += resp_integer(control, text);
    }
    ck_assert_msg(kept > 20 && kept + info_get(control, "inbox_dropped") == CHANNELS * EACH,
                  "%lld kept, %lld dropped", kept, info_get(control, "inbox_dropped"));
    end();
}
END_TEST

/* ---- many at once ---- */

enum { WAITERS = 20, SENDERS = 4, MESSAGES = 2000 };

/* How often each message came, and how many did. */
struct tally {
    unsigned char seen[MESSAGES];
    int count;
};

static void take(struct tally *t, struct resp_value *take_v)
{
    ck_assert_msg(take_v && take_v->type == '*' && take_v->count == 6, "not a message");
    ck_assert_int_eq(take_v->items[5]->integer, 0);
    int number = atoi(take_v->items[3]->text + 1);
    ck_assert(number >= 0 && number < MESSAGES);
    ck_assert_msg(t->seen[number] == 0, "m%d is handed out twice", number);
    t->seen[number] = 1;
    t->count++;
    resp_value_free(take_v);
}

/* Senders and waiters at once, all in this thread: a waiter that has its message asks for the next. */
static void hand_out(struct tally *t, struct wsclient **senders, struct resp **waiters, int kill_each)
{
    int sent = 0, kills = 0;
    long long deadline = http_now() + 20000;
    while ((sent < MESSAGES || t->count + kills < MESSAGES) && http_now() < deadline) {
        struct pollfd p[WAITERS];
        for (int i = 0; i < 20 && sent < MESSAGES; i++, sent++)
            say_numbers(senders[sent % SENDERS], sent, sent + 1);
        for (int i = 0; i < WAITERS; i++)
            p[i] = (struct pollfd){.fd = resp_fd(waiters[i]), .events = POLLIN};
        int n = poll(p, WAITERS, sent < MESSAGES ? 0 : 500);
        if (n == 0 && sent == MESSAGES)
            return;
        for (int i = 0; i < WAITERS; i++) {
            if (!(p[i].revents & POLLIN))
                continue;
            take(t, resp_read(waiters[i], RESP_WAIT));
            ck_assert(resp_send_inline(waiters[i], "WS.WAIT test") == 0);
            if (kill_each && t->count % kill_each == 0) {
                resp_free(waiters[i]);
                waiters[i] = operator_new();
                ck_assert(resp_send_inline(waiters[i], "WS.WAIT test") == 0);
                kills++;
            }
        }
    }
}

/* Each message is handed out exactly once; where waiters are killed in the midst, none twice, and no more are
 * missing than were on the wire to one of them. */
START_TEST(exactly_once)
{
    bool with_kills = _i >= 2;
    struct wsclient *senders[SENDERS];
    struct resp *waiters[WAITERS];
    struct tally t = {0};
    begin(_i % 2 + 1, "inbox_messages = 5000\ninbox_bytes = 10m\n");
    for (int i = 0; i < SENDERS; i++)
        senders[i] = visit("/test/");
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = operator_new();
        ck_assert(resp_send_inline(waiters[i], "WS.WAIT test") == 0);
    }
    hand_out(&t, senders, waiters, with_kills ? 37 : 0);
    info_until(control, "messages_in", MESSAGES);
    struct resp_value *v = NULL;
    while ((v = resp_call(control, "WS.READ", "test", NULL)) && v->type == '*')
        take(&t, v);
    resp_value_free(v);
    int most_missing = with_kills ? MESSAGES / 37 : 0;
    ck_assert_msg(MESSAGES - t.count <= most_missing, "%d of %d came", t.count, MESSAGES);
    for (int i = 0; i < WAITERS; i++)
        resp_free(waiters[i]);
    for (int i = 0; i < SENDERS; i++)
        wsclient_free(senders[i]);
    info_until(control, "operators", 1);
    info_until(control, "channels", 0);
    ck_assert_int_eq(info_get(control, "inbox_bytes"), 0);
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
    Suite *suite = suite_create("inbox");
    TCase *tc = tcase(suite, "reading");
    tcase_add_loop_test(tc, reading, 0, 2);
    tcase_add_loop_test(tc, order, 0, 2);
    tcase_add_loop_test(tc, after_the_sender, 0, 2);
    tc = tcase(suite, "waiting");
    tcase_add_loop_test(tc, first_come_first_served, 0, 2);
    tcase_add_loop_test(tc, waiting_for_one, 0, 2);
    tcase_add_loop_test(tc, wait_timeout, 0, 2);
    tcase_add_test(tc, wait_for_odd_times);
    tcase_add_loop_test(tc, closed, 0, 2);
    tcase_add_loop_test(tc, words_and_end_together, 0, 2);
    tc = tcase(suite, "giving back");
    tcase_add_loop_test(tc, given_back, 0, 2);
    tcase_add_test(tc, in_a_transaction);
    tcase_add_loop_test(tc, given_back_to_a_waiter, 0, 2);
    tcase_add_loop_test(tc, a_waiter_that_is_gone, 0, 2);
    tc = tcase(suite, "room");
    tcase_add_loop_test(tc, lost_by_count, 0, 2);
    tcase_add_test(tc, lost_by_bytes);
    tcase_add_test(tc, lost_in_all);
    tcase_add_loop_test(tc, exactly_once, 0, 4);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
