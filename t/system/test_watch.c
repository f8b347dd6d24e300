/*
 * Watching through the whole site: what is pushed, what clients say, how they come and go; in RESP2 and
 * RESP3, by name and by pattern, in the channel's order; PUBSUB and MONITOR; and watchers that do not read.
 */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

static struct resp *watcher(const char *command, const char *expected)
{
    struct resp *r = operator_new();
    resp_expect(r, command, expected);
    return r;
}

static void begin_with(int threads, const char *config)
{
    site = site_start(&(struct site_options){.threads = threads, .config = config, .no_responder = true});
    control = operator_new();
}

static void begin(void)
{
    begin_with(1, NULL);
}

static void end(void)
{
    resp_expect(control, "PING", "PONG");
    resp_free(control);
    site_stop(site);
}

static struct wsclient *visit(const char *path)
{
    return wsclient_open(site_http(site), path);
}

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The last of a message's words, of `count`, in RESP2 and RESP3. Freed by the next call. */
static const char *next_payload(struct resp *r, size_t count)
{
    static struct resp_value *v;
    resp_value_free(v);
    v = resp_read(r, RESP_WAIT);
    ck_assert_msg(v && (v->type == '*' || v->type == '>') && v->count == count, "%s",
                  v ? resp_text(v) : resp_fault(r));
    return v->items[count - 1]->text;
}

/* The next thing seen is one line of JSON that is `expected` up to the time, which is now. */
static void expect_line(struct resp *r, size_t count, const char *expected)
{
    const char *line = next_payload(r, count);
    const char *time_at = strstr(line, ",\"time\":");
    ck_assert_msg(time_at && (size_t)(time_at - line) == strlen(expected) &&
                      strncmp(line, expected, strlen(expected)) == 0,
                  "%s\nwas expected to be\n%s", line, expected);
    char *behind;
    long long at = strtoll(time_at + 8, &behind, 10);
    ck_assert_str_eq(behind, "}");
    ck_assert(at > now_ms() - 60000 && at <= now_ms());
}

static bool nobody_subscribes(void *arg)
{
    (void)arg;
    struct resp_value *v = resp_call(control, "PUBSUB", "CHANNELS", NULL);
    bool none = v->type == '*' && v->count == 0;
    resp_value_free(v);
    return none;
}

static bool only_one_watches(void *arg)
{
    (void)arg;
    struct resp_value *v = resp_call(control, "PUBSUB", "NUMSUB", "test", NULL);
    bool one = v->type == '*' && v->count == 2 && v->items[1]->integer == 1;
    resp_value_free(v);
    return one;
}

static bool somebody_has_a_long_reply(void *arg)
{
    (void)arg;
    struct resp_value *v = resp_call(control, "CLIENT", "LIST", NULL);
    bool there = false;
    for (const char *p = v->text; (p = strstr(p, " obl=")) != NULL; p++)
        there |= atoll(p + 5) > 5 * 1024 * 1024;
    resp_value_free(v);
    return there;
}

/* ---- SUBSCRIBE as Redis has it ---- */

START_TEST(subscriber_of_resp2)
{
    begin();
    struct resp *r = watcher("SUBSCRIBE test chat/a", "[\"subscribe\", \"test\", 1]");
    resp_expect_next(r, "[\"subscribe\", \"chat/a\", 2]");
    resp_expect(r, "subscribe test", "[\"subscribe\", \"test\", 2]");
    resp_expect(control, "PUBLISH test \"hello there\"", "0");
    resp_expect_next(r, "[\"message\", \"test\", \"hello there\"]");
    struct wsclient *page = visit("/test/");
    resp_expect(control, "PUBLISH test both", "1"); /* browsers alone are counted */
    resp_expect_next(r, "[\"message\", \"test\", \"both\"]");
    wsclient_expect_text(page, "both");
    resp_value_free(resp_call(control, "WS.SEND", "chat/a", "two", NULL));
    resp_expect_next(r, "[\"message\", \"chat/a\", \"two\"]");
    const char *const binary[] = {"WS.SEND", "test", "\0\r\n\xff", "BINARY"};
    const size_t lens[] = {7, 4, 4, 6};
    resp_send_argv(control, 4, binary, lens);
    resp_value_free(resp_read(control, RESP_WAIT));
    resp_expect_next(r, "[\"message\", \"test\", \"\\x00\\r\\n\xff\"]");
    resp_expect(control, "PUBLISH @all everybody", "1"); /* not by way of a channel */
    resp_expect(control, "PUBLISH other no", "0");
    resp_expect(r, "UNSUBSCRIBE test nothing", "[\"unsubscribe\", \"test\", 1]");
    resp_expect_next(r, "[\"unsubscribe\", \"nothing\", 1]");
    resp_expect(control, "PUBLISH test unheard", "1");
    resp_expect(r, "UNSUBSCRIBE", "[\"unsubscribe\", \"chat/a\", 0]");
    resp_expect(r, "UNSUBSCRIBE", "[\"unsubscribe\", null, 0]");
    resp_expect(r, "PUNSUBSCRIBE", "[\"punsubscribe\", null, 0]");
    resp_expect(r, "WS.COUNT test", "0");
    wsclient_free(page);
    resp_free(r);
    end();
}
END_TEST

START_TEST(what_a_subscriber_of_resp2_may_say)
{
    static const char *const others[] = {"PUBLISH test x", "WS.COUNT test", "ECHO x",  "MULTI",
                                         "HELLO 3",        "PUBSUB NUMPAT", "MONITOR", "INFO"};
    begin();
    struct resp *r = watcher("PSUBSCRIBE **", "[\"psubscribe\", \"**\", 1]");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        resp_expect(r, others[i], "-ERR Can't execute '*");
    resp_expect(r, "PING", "[\"pong\", \"\"]");
    resp_expect(r, "PING redis-py-health-check", "[\"pong\", \"redis-py-health-check\"]");
    resp_expect(control, "PUBLISH test x", "0");
    resp_expect_next(r, "[\"pmessage\", \"**\", \"test\", \"x\"]");
    resp_expect(r, "RESET", "RESET");
    resp_expect(r, "PING", "PONG");
    resp_expect(control, "PUBLISH test x", "0");
    resp_expect(r, "SUBSCRIBE test", "[\"subscribe\", \"test\", 1]");
    resp_expect(r, "QUIT", "OK");
    resp_expect_end(r);
    resp_free(r);
    end();
}
END_TEST

START_TEST(subscriber_of_resp3)
{
    begin();
    struct resp *r = watcher("HELLO 3", "{*");
    struct wsclient *page = visit("/test/");
    resp_expect(r, "SUBSCRIBE test", ">[\"subscribe\", \"test\", 1]");
    resp_expect(r, "PSUBSCRIBE t?st", ">[\"psubscribe\", \"t?st\", 2]");
    resp_expect(control, "PUBLISH test hello", "1");
    resp_expect_next(r, ">[\"message\", \"test\", \"hello\"]");
    resp_expect_next(r, ">[\"pmessage\", \"t?st\", \"test\", \"hello\"]");
    resp_expect(r, "PUNSUBSCRIBE t?st", ">[\"punsubscribe\", \"t?st\", 1]");
    resp_expect(r, "PING", "PONG"); /* everything goes on */
    resp_expect(r, "PUBLISH test own", ">[\"message\", \"test\", \"own\"]");
    resp_expect_next(r, "1");
    resp_send(r, "WS.WAIT", "test", NULL); /* and while it waits */
    resp_expect(control, "PUBLISH test meanwhile", "1");
    resp_expect_next(r, ">[\"message\", \"test\", \"meanwhile\"]");
    wsclient_send_text(page, "answer");
    resp_expect_next(r, "[\"c1\", \"test\", \"text\", \"answer\", *");
    resp_expect(r, "UNSUBSCRIBE", ">[\"unsubscribe\", \"test\", 0]");
    resp_expect(r, "UNSUBSCRIBE", ">[\"unsubscribe\", null, 0]");
    wsclient_free(page);
    resp_free(r);
    end();
}
END_TEST

/* Replies to EXEC are one: what comes unasked comes behind it. */
START_TEST(exec_is_not_torn)
{
    begin();
    struct resp *r = watcher("HELLO 3", "{*");
    resp_expect(r, "SUBSCRIBE test", ">[\"subscribe\", \"test\", 1]");
    resp_expect(r, "MULTI", "OK");
    resp_expect(r, "PUBLISH test a", "QUEUED");
    resp_expect(r, "SUBSCRIBE other", "QUEUED");
    resp_expect(r, "WS.LIST", "QUEUED");
    resp_expect(r, "PUBLISH test b", "QUEUED");
    resp_expect(r, "EXEC", "[0, -ERR nobody begins or ends to watch inside MULTI, [], 0]");
    resp_expect_next(r, ">[\"message\", \"test\", \"a\"]");
    resp_expect_next(r, ">[\"message\", \"test\", \"b\"]");
    resp_expect(r, "PING", "PONG");
    resp_free(r);
    end();
}
END_TEST

/* A subscription is confirmed behind the replies to what was asked before it. */
START_TEST(confirmed_in_order)
{
    begin();
    struct wsclient *page = visit("/test/");
    struct resp *r = operator_new();
    resp_send(r, "WS.LIST", "test", NULL);
    resp_send(r, "WS.SEND", "test", "x", "WAIT", "handed", NULL);
    resp_send(r, "SUBSCRIBE", "test", NULL);
    resp_expect_next(r, "[[\"client\", *");
    resp_expect_next(r, "[1, *");
    resp_expect_next(r, "[\"subscribe\", \"test\", 1]");
    resp_expect(control, "PUBLISH test y", "1");
    resp_expect_next(r, "[\"message\", \"test\", \"y\"]");
    wsclient_free(page);
    resp_free(r);
    end();
}
END_TEST

START_TEST(bad_names)
{
    begin();
    resp_expect(control, "SUBSCRIBE good bad#name", "-BADNAME 'bad#name': *");
    resp_expect(control, "SUBSCRIBE @all", "-BADNAME '@all': what can be watched is *");
    resp_expect(control, "SUBSCRIBE @client:c1", "-BADNAME *");
    resp_expect(control, "SUBSCRIBE @in:", "-BADNAME *");
    resp_expect(control, "SUBSCRIBE @in:@in:test", "-BADNAME *");
    resp_expect(control, "SUBSCRIBE @events:a//b", "-BADNAME *");
    resp_expect(control, "PSUBSCRIBE ** a[b", "-BADNAME 'a[b': *");
    resp_expect(control, "SUBSCRIBE", "-ERR wrong number of arguments*");
    resp_expect(control, "PUBSUB CHANNELS", "[]"); /* all or nothing */
    resp_expect(control, "PUBSUB NUMPAT", "0");
    end();
}
END_TEST

/* ---- patterns ---- */

START_TEST(patterns)
{
    begin_with(1, "channel \"pub/**\" { inbound = publish }\n");
    struct resp *one = watcher("PSUBSCRIBE chat/*", "[\"psubscribe\", \"chat/*\", 1]");
    struct resp *all = watcher("PSUBSCRIBE **", "[\"psubscribe\", \"**\", 1]");
    struct resp *odd = watcher("PSUBSCRIBE [@]in:** ?in:*", "[\"psubscribe\", \"[@]in:**\", 1]");
    resp_expect_next(odd, "[\"psubscribe\", \"?in:*\", 2]");
    struct resp *said = watcher("PSUBSCRIBE @in:** @in:pub/*", "[\"psubscribe\", \"@in:**\", 1]");
    resp_expect_next(said, "[\"psubscribe\", \"@in:pub/*\", 2]");
    struct wsclient *page = visit("/pub/a/");
    wsclient_send_text(page, "said");
    expect_line(said, 4, "{\"client\":\"c1\",\"type\":\"text\",\"data\":\"said\"");
    expect_line(said, 4, "{\"client\":\"c1\",\"type\":\"text\",\"data\":\"said\"");
    resp_expect_next(all, "[\"pmessage\", \"**\", \"pub/a\", \"said\"]");
    resp_expect(control, "PUBLISH chat/a/b deep", "0");
    resp_expect(control, "PUBLISH chat/a flat", "0");
    resp_expect_next(one, "[\"pmessage\", \"chat/*\", \"chat/a\", \"flat\"]");
    resp_expect_next(all, "[\"pmessage\", \"**\", \"chat/a/b\", \"deep\"]");
    resp_expect_next(all, "[\"pmessage\", \"**\", \"chat/a\", \"flat\"]");
    resp_expect(odd, "PING", "[\"pong\", \"\"]"); /* nothing came before */
    resp_expect(said, "PING", "[\"pong\", \"\"]");
    wsclient_free(page);
    resp_free(one);
    resp_free(all);
    resp_free(odd);
    resp_free(said);
    end();
}
END_TEST

START_TEST(both_kinds_of_special_names)
{
    begin();
    struct resp *r = watcher("PSUBSCRIBE @*:test", "[\"psubscribe\", \"@*:test\", 1]");
    struct wsclient *page = visit("/test/");
    expect_line(r, 4, "{\"event\":\"open\",\"client\":\"c1\"");
    wsclient_send_text(page, "x");
    expect_line(r, 4, "{\"client\":\"c1\",\"type\":\"text\",\"data\":\"x\"");
    wsclient_close(page);
    expect_line(r, 4, "{\"event\":\"close\",\"client\":\"c1\",\"code\":1000");
    resp_free(r);
    end();
}
END_TEST

/* ---- what clients say ---- */

START_TEST(in)
{
    begin();
    struct resp *r = watcher("SUBSCRIBE @in:test", "[\"subscribe\", \"@in:test\", 1]");
    struct wsclient *page = visit("/test/");
    struct wsclient *other = visit("/other/");
    wsclient_send_text(other, "elsewhere");
    wsclient_send_text(page, "say \"hi\"\n房间");
    expect_line(r, 3, "{\"client\":\"c1\",\"type\":\"text\",\"data\":\"say \\\"hi\\\"\\n房间\"");
    wsclient_send_binary(page, "\0\xff", 2);
    expect_line(r, 3, "{\"client\":\"c1\",\"type\":\"binary\",\"b64\":\"AP8=\"");
    wsclient_send_text(page, "");
    expect_line(r, 3, "{\"client\":\"c1\",\"type\":\"text\",\"data\":\"\"");
    resp_expect(control, "WS.COUNT test", "3"); /* who looks on takes nothing away */
    resp_expect(control, "PUBLISH test x", "1");
    resp_expect(r, "PING", "[\"pong\", \"\"]");
    wsclient_free(page);
    wsclient_free(other);
    resp_free(r);
    end();
}
END_TEST

/* A waiter gets the message, a watcher sees it. Echoed messages never come to the hub; `off` takes none. */
START_TEST(in_by_inbound)
{
    begin_with(1, "channel \"echo\" { inbound = echo }\nchannel \"off\" { inbound = off }\n");
    struct resp *r = watcher("PSUBSCRIBE @in:**", "[\"psubscribe\", \"@in:**\", 1]");
    struct resp *e = watcher("PSUBSCRIBE @events:off", "[\"psubscribe\", \"@events:off\", 1]");
    struct wsclient *echo = visit("/echo/");
    wsclient_send_text(echo, "back");
    wsclient_expect_text(echo, "back");
    struct wsclient *off = visit("/off/");
    wsclient_send_text(off, "no");
    wsclient_expect_close(off, 1008);
    expect_line(e, 4, "{\"event\":\"open\",\"client\":\"c2\"");
    expect_line(e, 4, "{\"event\":\"close\",\"client\":\"c2\",\"code\":1008");
    struct resp *waiter = operator_new();
    resp_send(waiter, "WS.WAIT", "test", NULL);
    struct wsclient *page = visit("/test/");
    wsclient_send_text(page, "taken");
    expect_line(r, 4, "{\"client\":\"c3\",\"type\":\"text\",\"data\":\"taken\"");
    resp_expect_next(waiter, "[\"c3\", \"test\", \"text\", \"taken\", *");
    wsclient_free(echo);
    wsclient_free(off);
    wsclient_free(page);
    resp_free(waiter);
    resp_free(e);
    resp_free(r);
    end();
}
END_TEST

/* ---- how clients come and go ---- */

START_TEST(events)
{
    begin();
    struct resp *r = watcher("SUBSCRIBE @events:test", "[\"subscribe\", \"@events:test\", 1]");
    struct wsclient *page = visit("/test/");
    expect_line(r, 3, "{\"event\":\"open\",\"client\":\"c1\"");
    wsclient_close(page);
    expect_line(r, 3, "{\"event\":\"close\",\"client\":\"c1\",\"code\":1000");
    page = visit("/test/");
    expect_line(r, 3, "{\"event\":\"open\",\"client\":\"c2\"");
    wsclient_free(page); /* without a word */
    expect_line(r, 3, "{\"event\":\"close\",\"client\":\"c2\",\"code\":1006");
    page = visit("/test/");
    expect_line(r, 3, "{\"event\":\"open\",\"client\":\"c3\"");
    wsclient_send_close(page, 0, "");
    expect_line(r, 3, "{\"event\":\"close\",\"client\":\"c3\",\"code\":1005");
    wsclient_free(page);
    page = visit("/test/");
    expect_line(r, 3, "{\"event\":\"open\",\"client\":\"c4\"");
    resp_expect(control, "WS.CLOSE test 4001 enough", "1");
    wsclient_expect_close(page, 4001);
    expect_line(r, 3, "{\"event\":\"close\",\"client\":\"c4\",\"code\":4001");
    wsclient_free(page);
    page = visit("/test/");
    struct wsclient *other = visit("/other/");
    expect_line(r, 3, "{\"event\":\"open\",\"client\":\"c5\"");
    wsclient_send_frame(page,
                        &(struct wsclient_frame){.fin = true, .opcode = WSCLIENT_TEXT, .unmasked = true});
    wsclient_expect_close(page, 1002);
    expect_line(r, 3, "{\"event\":\"close\",\"client\":\"c5\",\"code\":1002");
    resp_expect(r, "PING", "[\"pong\", \"\"]");
    wsclient_free(page);
    wsclient_free(other);
    resp_free(r);
    end();
}
END_TEST

/* ---- order ---- */

enum { EACH = 300, SENDERS = 3 };

/* What several publish at a time, operators and clients, is seen as a browser gets it. */
START_TEST(order)
{
    begin_with(_i, "channel \"test\" { inbound = publish }\n");
    struct resp *r = watcher("SUBSCRIBE test", "[\"subscribe\", \"test\", 1]");
    struct wsclient *page = visit("/test/");
    struct wsclient *senders[SENDERS];
    struct resp *operators[SENDERS];
    char text[64];
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = visit("/test/");
        operators[i] = operator_new();
    }
    for (int k = 0; k < EACH; k++) {
        for (int i = 0; i < SENDERS; i++) {
            snprintf(text, sizeof text, "client %d %d", i, k);
            ck_assert_int_eq(wsclient_send_text(senders[i], text), 0);
            snprintf(text, sizeof text, "operator %d %d", i, k);
            if (k % 2)
                resp_send(operators[i], "PUBLISH", "test", text, NULL);
            else
                resp_send(operators[i], "WS.SEND", "test", text, NULL);
        }
    }
    for (int k = 0; k < EACH * SENDERS * 2; k++) {
        struct wsclient_received got;
        ck_assert_int_eq(wsclient_recv_message(page, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
        ck_assert_str_eq(next_payload(r, 3), got.payload);
    }
    for (int i = 0; i < SENDERS; i++) {
        wsclient_free(senders[i]);
        resp_free(operators[i]);
    }
    wsclient_free(page);
    resp_free(r);
    end();
}
END_TEST

/* Words of one client, and its coming and going, in their order, on two threads too. */
START_TEST(order_of_what_is_said)
{
    begin_with(_i, NULL);
    struct resp *r = watcher("PSUBSCRIBE @*:test", "[\"psubscribe\", \"@*:test\", 1]");
    struct wsclient *page = visit("/test/");
    char text[128];
    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof text, "%d", i);
        wsclient_send_text(page, text);
    }
    wsclient_close(page);
    expect_line(r, 4, "{\"event\":\"open\",\"client\":\"c1\"");
    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof text, "{\"client\":\"c1\",\"type\":\"text\",\"data\":\"%d\"", i);
        expect_line(r, 4, text);
    }
    expect_line(r, 4, "{\"event\":\"close\",\"client\":\"c1\",\"code\":1000");
    resp_free(r);
    end();
}
END_TEST

/* ---- bounds ---- */

enum { LARGE = 100 * 1000, MANY = 100 };

/* Who does not read is dropped at 4 MiB; who does, and a browser, gets all, and no operator waits. */
START_TEST(who_does_not_read)
{
    begin();
    struct resp *deaf = watcher("SUBSCRIBE test", "[\"subscribe\", \"test\", 1]");
    struct resp *deaf3 = watcher("HELLO 3", "{*");
    resp_expect(deaf3, "PSUBSCRIBE t*", ">[\"psubscribe\", \"t*\", 1]");
    struct resp *monitor = watcher("MONITOR", "OK");
    struct resp *r = watcher("SUBSCRIBE test", "[\"subscribe\", \"test\", 1]");
    struct wsclient *page = visit("/test/");
    char *text = malloc(LARGE + 1);
    memset(text, 'x', LARGE);
    text[LARGE] = '\0';
    for (int i = 0; i < MANY; i++) {
        text[snprintf(text, 16, "%d", i)] = ' ';
        struct resp_value *v = resp_call(control, "PUBLISH", "test", text, NULL);
        ck_assert_int_eq(v->integer, 1);
        resp_value_free(v);
        struct wsclient_received got;
        ck_assert_int_eq(wsclient_recv_message(page, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
        ck_assert_str_eq(got.payload, text);
        ck_assert_str_eq(next_payload(r, 3), text);
    }
    site_wait_log(site, SITE_WORKER, "does not read what it watches: closed", 5000);
    struct resp_value *v = resp_call(control, "INFO", "stats", NULL);
    ck_assert(strstr(v->text, "watchers_dropped:2\r\n") != NULL);
    resp_value_free(v);
    resp_expect(control, "PUBSUB NUMSUB test", "[\"test\", 1]");
    resp_expect(control, "PUBSUB NUMPAT", "0");
    resp_expect_end(deaf);
    resp_expect_end(deaf3);
    resp_expect(monitor, "PING", "1*"); /* lines are short: it is there yet */
    free(text);
    wsclient_free(page);
    resp_free(monitor);
    resp_free(deaf);
    resp_free(deaf3);
    resp_free(r);
    end();
}
END_TEST

static long long memory_of(const char *field)
{
    struct resp_value *v = resp_call(control, "INFO", "memory", NULL);
    const char *at = strstr(v->text, field);
    ck_assert_msg(at != NULL, "%s", v->text);
    long long n = atoll(at + strlen(field));
    resp_value_free(v);
    return n;
}

/* None of them has so much that it would be dropped for itself. */
START_TEST(all_that_do_not_read)
{
    enum { DEAF = 100, MESSAGES = 38, BOUND = 64 << 20, BESIDE = 32 << 20 };
    begin();
    struct resp *deaf[DEAF];
    for (int i = 0; i < DEAF; i++)
        deaf[i] = watcher("SUBSCRIBE test", "[\"subscribe\", \"test\", 1]");
    struct resp *r = watcher("SUBSCRIBE test", "[\"subscribe\", \"test\", 1]");
    char *text = malloc(LARGE + 1);
    memset(text, 'x', LARGE);
    text[LARGE] = '\0';
    long long most = 0;
    for (int i = 0; i < MESSAGES; i++) {
        struct resp_value *v = resp_call(control, "PUBLISH", "test", text, NULL);
        ck_assert_int_eq(v->integer, 0);
        resp_value_free(v);
        ck_assert_str_eq(next_payload(r, 3), text);
        long long now = memory_of("watched_bytes:");
        ck_assert_int_le(now, BOUND);
        ck_assert_int_le(memory_of("used_memory:"), 2 * BOUND + BESIDE); /* buffers grow by doubling */
        most = now > most ? now : most;
    }
    ck_assert_int_gt(most, BOUND / 2);
    site_wait_log(site, SITE_WORKER, "does not read what it watches: closed", 5000);
    for (int i = 0; i < DEAF; i++)
        resp_free(deaf[i]);
    ck_assert(site_until(only_one_watches, NULL, 5000));
    ck_assert_int_eq(memory_of("watched_bytes:"), 0);
    free(text);
    resp_free(r);
    end();
}
END_TEST

/* A long reply that is being read does not make a slow watcher. */
START_TEST(who_reads_a_long_reply)
{
    begin_with(1, "message_limit = 16MiB\ninbox_bytes = 16MiB\ninbox_total = 64MiB\n");
    enum { LONG = 8 * 1024 * 1024 };
    struct resp *r = watcher("HELLO 3", "{*");
    char *text = malloc(LONG + 1);
    memset(text, 'x', LONG);
    text[LONG] = '\0';
    resp_expect(r, "SUBSCRIBE test", ">[\"subscribe\", \"test\", 1]");
    resp_send(r, "PING", text, NULL);
    ck_assert(site_until(somebody_has_a_long_reply, NULL, 5000));
    for (int i = 0; i < 10; i++)
        resp_expect(control, "PUBLISH test x", "0");
    struct resp_value *v = resp_read(r, 20000);
    ck_assert(v && v->len == LONG);
    resp_value_free(v);
    for (int i = 0; i < 10; i++)
        resp_expect_next(r, ">[\"message\", \"test\", \"x\"]");
    free(text);
    resp_free(r);
    end();
}
END_TEST

/* Subscribes to `count` names, NAME0 and so on; the last command's last reply is returned as text. */
static char *subscribe_to(struct resp *r, const char *verb, const char *name, int count)
{
    char *last = NULL;
    for (int i = 0; i < count; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s%d", name, i);
        resp_send(r, verb, text, NULL);
    }
    for (int i = 0; i < count; i++) {
        struct resp_value *v = resp_read(r, RESP_WAIT);
        free(last);
        last = resp_text(v);
        resp_value_free(v);
    }
    return last;
}

/* One command with as many names as it may have, as a library that comes back sends it. */
START_TEST(all_with_one_command)
{
    enum { NAMES = 1000 };
    static char names[NAMES + 1][8];
    static const char *argv[NAMES + 2] = {"SUBSCRIBE"};
    static size_t lens[NAMES + 2] = {9};
    for (int i = 0; i <= NAMES; i++) {
        lens[i + 1] = (size_t)snprintf(names[i], sizeof names[i], "n%d", i);
        argv[i + 1] = names[i];
    }
    begin();
    struct resp *r = operator_new();
    for (int again = 0; again < 2; again++) {
        resp_send_argv(r, NAMES + 1, argv, lens);
        for (int i = 0; i < NAMES - 1; i++)
            next_payload(r, 3);
        resp_expect_next(r, "[\"subscribe\", \"n999\", 1000]");
    }
    resp_expect(control, "PUBLISH n999 hello", "0");
    resp_expect_next(r, "[\"message\", \"n999\", \"hello\"]");
    resp_send_argv(r, NAMES + 2, argv, lens);
    resp_expect_next(r, "-ERR Protocol error: invalid multibulk length: at most 1001 arguments");
    resp_expect_end(r);
    resp_free(r);
    end();
}
END_TEST

START_TEST(so_many_subscriptions)
{
    enum { CONNECTIONS = 20 };
    begin();
    struct resp *r[CONNECTIONS + 1];
    for (int i = 0; i <= CONNECTIONS; i++)
        r[i] = operator_new();
    char *last = subscribe_to(r[0], "PSUBSCRIBE", "p*", 256);
    ck_assert_str_eq(last, "[\"psubscribe\", \"p*255\", 256]");
    free(last);
    resp_expect(r[0], "PSUBSCRIBE one-more", "-ERR at most 256 patterns of all connections");
    resp_expect(r[1], "PSUBSCRIBE p*1", "[\"psubscribe\", \"p*1\", 1]");
    resp_expect(r[1], "PUNSUBSCRIBE", "[\"punsubscribe\", \"p*1\", 0]");
    last = subscribe_to(r[0], "SUBSCRIBE", "n", 744);
    ck_assert_str_eq(last, "[\"subscribe\", \"n743\", 1000]");
    free(last);
    resp_expect(r[0], "SUBSCRIBE one-more", "-ERR at most 1000 subscriptions of a connection");
    resp_expect(r[0], "SUBSCRIBE n1", "[\"subscribe\", \"n1\", 1000]");
    for (int i = 1; i < CONNECTIONS; i++) {
        last = subscribe_to(r[i], "SUBSCRIBE", "n", 1000);
        ck_assert_str_eq(last, "[\"subscribe\", \"n999\", 1000]");
        free(last);
    }
    resp_expect(r[CONNECTIONS], "SUBSCRIBE n1", "-ERR at most 20000 subscriptions of all connections");
    resp_expect(control, "PUBSUB NUMPAT", "256");
    resp_expect(control, "PUBSUB NUMSUB n1 n999", "[\"n1\", 20, \"n999\", 19]");
    for (int i = 0; i <= CONNECTIONS; i++)
        resp_free(r[i]);
    ck_assert(site_until(nobody_subscribes, NULL, 5000));
    resp_expect(control, "PUBSUB NUMPAT", "0");
    resp_expect(control, "PUBSUB CHANNELS", "[]");
    end();
}
END_TEST

/* ---- PUBSUB and MONITOR ---- */

START_TEST(pubsub)
{
    begin();
    struct resp *r = watcher("SUBSCRIBE test", "[\"subscribe\", \"test\", 1]");
    struct resp *other = watcher("SUBSCRIBE test", "[\"subscribe\", \"test\", 1]");
    resp_expect(other, "SUBSCRIBE @in:test", "[\"subscribe\", \"@in:test\", 2]");
    resp_expect(other, "PSUBSCRIBE ** t*", "[\"psubscribe\", \"**\", 3]");
    resp_expect_next(other, "[\"psubscribe\", \"t*\", 4]");
    resp_expect(r, "PSUBSCRIBE t*", "[\"psubscribe\", \"t*\", 2]");
    struct wsclient *page = visit("/test/");
    resp_expect(control, "PUBSUB CHANNELS", "[\"test\", \"@in:test\"]");
    resp_expect(control, "PUBSUB channels **", "[\"test\"]");
    resp_expect(control, "PUBSUB CHANNELS @in:*", "[\"@in:test\"]");
    resp_expect(control, "PUBSUB NUMSUB test @in:test none", "[\"test\", 2, \"@in:test\", 1, \"none\", 0]");
    resp_expect(control, "PUBSUB NUMSUB", "[]");
    resp_expect(control, "PUBSUB CHANNELS [", "-BADNAME '[': *");
    resp_expect(control, "MULTI", "OK");
    for (int i = 0; i < 9; i++)
        resp_expect(control, "PUBSUB CHANNELS none", "QUEUED");
    resp_expect(control, "EXEC",
                "[[], [], [], [], [], [], [], [], -ERR MULTI takes at most 8 of WS.LIST, WS.HISTORY, "
                "WS.REFUSED, WS.RELOAD "
                "and PUBSUB CHANNELS]");
    resp_expect(control, "PUBSUB NUMPAT", "2");
    resp_expect(control, "PUBSUB SHARDCHANNELS", "-ERR usage: PUBSUB *");
    struct resp_value *v = resp_call(control, "INFO", "stats", NULL);
    ck_assert(strstr(v->text, "pubsub_channels:2\r\npubsub_patterns:2\r\n") != NULL);
    resp_value_free(v);
    v = resp_call(control, "CLIENT", "LIST", NULL);
    ck_assert(strstr(v->text, " sub=4 ") != NULL);
    resp_value_free(v);
    resp_free(other);
    resp_free(r);
    ck_assert(site_until(nobody_subscribes, NULL, 5000));
    resp_expect(control, "PUBSUB NUMPAT", "0");
    wsclient_free(page);
    end();
}
END_TEST

/* The next line of MONITOR, from behind the time. */
static void expect_seen(struct resp *r, const char *expected)
{
    struct resp_value *v = resp_read(r, RESP_WAIT);
    ck_assert_msg(v && v->type == '+', "%s", v ? resp_text(v) : resp_fault(r));
    long long at = atoll(v->text) * 1000;
    ck_assert(at > now_ms() - 60000 && at <= now_ms());
    const char *words = strstr(v->text, "] ");
    ck_assert(words && strstr(v->text, " [0 unix:id=") != NULL);
    ck_assert_str_eq(words + 2, expected);
    resp_value_free(v);
}

START_TEST(monitor)
{
    begin();
    struct resp *r = watcher("MONITOR", "OK");
    resp_expect(control, "publish test secret", "0");
    expect_seen(r, "\"publish\" \"test\" \"(6 bytes)\"");
    resp_value_free(resp_call(control, "WS.SEND", "test", "secret", "BINARY", NULL));
    expect_seen(r, "\"WS.SEND\" \"test\" \"(6 bytes)\" \"BINARY\"");
    resp_value_free(resp_call(control, "AUTH", "user", "password", NULL));
    expect_seen(r, "\"AUTH\" \"(4 bytes)\" \"(8 bytes)\"");
    resp_value_free(resp_call(control, "WS.COUNT", "a\r\n\"\\\xff", NULL));
    expect_seen(r, "\"WS.COUNT\" \"a\\x0d\\x0a\\\"\\\\\\xff\"");
    resp_expect(control, "MULTI", "OK");
    expect_seen(r, "\"MULTI\"");
    resp_expect(control, "PUBLISH test secret", "QUEUED");
    resp_expect(control, "EXEC", "[0]");
    expect_seen(r, "\"EXEC\"");
    expect_seen(r, "\"PUBLISH\" \"test\" \"(6 bytes)\"");
    char long_name[401];
    memset(long_name, 'n', 400);
    long_name[400] = '\0';
    resp_value_free(resp_call(control, "WS.COUNT", long_name, NULL));
    struct resp_value *v = resp_read(r, RESP_WAIT);
    ck_assert(v && v->len < 300 && strstr(v->text, "nnn...\"") != NULL);
    resp_value_free(v);
    resp_expect(r, "PUBLISH test x", "-ERR Can't execute 'publish'*");
    resp_send(r, "RESET", NULL);
    expect_seen(r, "\"RESET\"");
    resp_expect_next(r, "RESET");
    resp_expect(control, "PUBLISH test unseen", "0");
    resp_expect(r, "PUBLISH test x", "0");
    resp_free(r);
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
    Suite *suite = suite_create("watch");
    TCase *tc = tcase(suite, "subscribe");
    tcase_add_test(tc, subscriber_of_resp2);
    tcase_add_test(tc, what_a_subscriber_of_resp2_may_say);
    tcase_add_test(tc, subscriber_of_resp3);
    tcase_add_test(tc, exec_is_not_torn);
    tcase_add_test(tc, confirmed_in_order);
    tcase_add_test(tc, bad_names);
    tc = tcase(suite, "patterns");
    tcase_add_test(tc, patterns);
    tcase_add_test(tc, both_kinds_of_special_names);
    tc = tcase(suite, "clients");
    tcase_add_test(tc, in);
    tcase_add_test(tc, in_by_inbound);
    tcase_add_test(tc, events);
    tc = tcase(suite, "order");
    tcase_add_loop_test(tc, order, 1, 3);
    tcase_add_loop_test(tc, order_of_what_is_said, 1, 3);
    tc = tcase(suite, "bounds");
    tcase_add_test(tc, who_does_not_read);
    tcase_add_test(tc, all_that_do_not_read);
    tcase_add_test(tc, who_reads_a_long_reply);
    tcase_add_test(tc, all_with_one_command);
    tcase_add_test(tc, so_many_subscriptions);
    tc = tcase(suite, "others");
    tcase_add_test(tc, pubsub);
    tcase_add_test(tc, monitor);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
