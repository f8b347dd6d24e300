/*
 * Coming back to what a channel remembers: long histories through small queues, whatever the client speaks,
 * while publishing goes on; readers that stop; histories that go on without them; and what a channel gives to
 * who names no position. The worker alone, with one thread and with two.
 */
#include <check.h>
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

enum { KINDS = 3, OUT_LIMIT = 64 * 1024, KIB = 1024 };
enum kind { RAW, V1, SSE };

/* Channels below all/ give all they have to who names no position. */
#define SMALL                                                                                                \
    "out_limit = 64k\nhistory_size = 20000\nhistory_bytes = 64m\nhistory_total = 128m\nsubscribe = any\n"    \
    "channel \"all/*\" { first = all subscribe = any }\nchannel \"last/*\" { first = last subscribe = any "  \
    "}\n"

static struct site *site;
static struct resp *control;

/* Of a loop test: 0, 2, 4 are the three kinds with one thread, 1, 3, 5 with two. */
static void begin(int i, const char *config)
{
    site = site_start(&(struct site_options){
        .threads = i % 2 + 1, .config = config, .no_nginx = true, .no_responder = true});
    control = resp_open(site_control(site));
    ck_assert(control != NULL);
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

/* ---- publishing: numbers, each with a filling, so that a message has 1 KiB ---- */

static void send_number(const char *channel, int number)
{
    char text[KIB + 1];
    memset(text, 'x', KIB);
    text[KIB] = '\0';
    snprintf(text, 7, "%05d ", number);
    text[6] = 'x';
    ck_assert(resp_send(control, "PUBLISH", channel, text, NULL) == 0);
}

/* The numbers from .. to-1. */
static void publish(const char *channel, int from, int to)
{
    for (int i = from; i < to; i += 50) {
        int stop = i + 50 < to ? i + 50 : to;
        for (int k = i; k < stop; k++)
            send_number(channel, k);
        for (int k = i; k < stop; k++) {
            struct resp_value *v = resp_read(control, 20000);
            ck_assert_msg(v && v->type == ':', "%s", v ? v->text : resp_fault(control));
            resp_value_free(v);
        }
    }
}

/* The id of a first message, which the channel gets and forgets nobody by. */
static char *first_id(const char *channel)
{
    struct resp_value *v = resp_call(control, "WS.SEND", channel, "00000 ", NULL);
    ck_assert(v->count == 2);
    char *id = strdup(v->items[1]->text);
    resp_value_free(v);
    return id;
}

static long long seq_of(const char *id)
{
    ck_assert_msg(strchr(id, '-') != NULL, "no id: %s", id);
    return atoll(strchr(id, '-') + 1);
}

/* ---- readers of the three kinds ---- */

struct reader {
    enum kind kind;
    struct wsclient *ws;
    struct stream *stream;
};

/* Without a position, or behind `since`. Raw clients have none: they come to a channel with first = all. */
static struct reader reader_open(enum kind kind, const char *channel, const char *since)
{
    struct reader r = {.kind = kind};
    const char *path =
        since && kind != RAW ? text_of("/%s?since=%s", channel, since) : text_of("/%s", channel);
    if (kind == SSE)
        r.stream = stream_open(site_ws(site), path, NULL);
    else if (kind == V1)
        r.ws = v1_open(site_ws(site), path, NULL);
    else
        r.ws = wsclient_open(site_ws(site), path);
    return r;
}

static void reader_free(struct reader *r)
{
    wsclient_free(r->ws);
    stream_free(r->stream);
}

struct got {
    enum { NUMBER, RESET } what;
    int number;
    char why[16];
    char id[ID_MAX]; /* "" for raw clients */
    char channel[64];
};

static bool next_of_raw(struct reader *r, struct got *out, int timeout_ms)
{
    struct wsclient_received got;
    enum wsclient_result result = wsclient_recv_message(r->ws, &got, timeout_ms);
    if (result == WSCLIENT_TIMEOUT)
        return false;
    ck_assert_msg(result == WSCLIENT_GOT && got.opcode == WSCLIENT_TEXT, "%s, code %u",
                  wsclient_result_name(result), got.code);
    out->number = atoi(got.payload);
    return true;
}

static bool next_of_v1(struct reader *r, struct got *out, int timeout_ms)
{
    struct wsclient_received got;
    do {
        enum wsclient_result result = wsclient_recv_message(r->ws, &got, timeout_ms);
        if (result == WSCLIENT_TIMEOUT)
            return false;
        ck_assert_msg(result == WSCLIENT_GOT && got.opcode == WSCLIENT_TEXT, "%s, code %u %s",
                      wsclient_result_name(result), got.code, got.code ? got.reason : "");
        ck_assert_msg(strncmp(got.payload, "{\"error\"", 8) != 0, "%s", got.payload);
    } while (strncmp(got.payload, "{\"hello\"", 8) == 0 || strncmp(got.payload, "{\"sub\"", 6) == 0);
    bool reset = strncmp(got.payload, "{\"reset\"", 8) == 0;
    out->what = reset ? RESET : NUMBER;
    snprintf(out->why, sizeof out->why, "%.15s", v1_member(got.payload, "why"));
    snprintf(out->id, sizeof out->id, "%.60s", v1_member(got.payload, "id"));
    snprintf(out->channel, sizeof out->channel, "%.60s", v1_member(got.payload, "ch"));
    out->number = reset ? 0 : atoi(v1_member(got.payload, "data"));
    return true;
}

static bool next_of_sse(struct reader *r, struct got *out, int timeout_ms)
{
    struct stream_event e;
    do {
        if (!stream_next(r->stream, &e, timeout_ms)) {
            ck_assert_msg(!stream_ended(r->stream), "the stream has ended");
            return false;
        }
    } while (!e.has_data);
    out->what = strcmp(e.event, "reset") == 0 ? RESET : NUMBER;
    snprintf(out->why, sizeof out->why, "%.15s", v1_member(e.data, "why"));
    snprintf(out->id, sizeof out->id, "%.60s", e.id ? e.id : "");
    out->number = out->what == RESET ? 0 : atoi(e.data);
    return true;
}

/* False: nothing comes. */
static bool reader_next(struct reader *r, struct got *out, int timeout_ms)
{
    *out = (struct got){.what = NUMBER};
    switch (r->kind) {
    case RAW: return next_of_raw(r, out, timeout_ms);
    case V1: return next_of_v1(r, out, timeout_ms);
    case SSE: return next_of_sse(r, out, timeout_ms);
    }
    return false;
}

static void expect_number(struct reader *r, int number)
{
    struct got got;
    ck_assert_msg(reader_next(r, &got, 20000), "%d does not come", number);
    ck_assert_msg(got.what == NUMBER, "a reset (%s) comes, not %d", got.why, number);
    ck_assert_msg(got.number == number, "%d comes, not %d", got.number, number);
}

static void expect_numbers(struct reader *r, int from, int to)
{
    for (int i = from; i < to; i++)
        expect_number(r, i);
}

/* The most that is queued to any client. */
static long long most_queued(void)
{
    struct resp_value *v = resp_call(control, "WS.LIST", "@all", NULL);
    char *text = resp_text(v);
    long long most = 0;
    for (const char *p = text; (p = strstr(p, "\"queued\", ")) != NULL; p++) {
        long long queued = atoll(p + strlen("\"queued\", "));
        most = queued > most ? queued : most;
    }
    free(text);
    resp_value_free(v);
    return most;
}

static bool something_waits(void *arg)
{
    (void)arg;
    return most_queued() > 0;
}

/* A reader who does not read is given so much and no more. */
static void wait_until_stuck(void)
{
    ck_assert_msg(site_until(something_waits, NULL, 10000), "nothing waits");
    for (int i = 0; i < 20; i++) {
        long long queued = most_queued();
        ck_assert_msg(queued <= OUT_LIMIT, "%lld bytes are queued", queued);
    }
}

/* ---- long histories ---- */

/* 10,000 messages of 1 KiB through a queue of 64 KiB. The reader stands still first; then a message is
 * published for each hundred that it reads. */
START_TEST(ten_thousand)
{
    enum { MESSAGES = 10000 };
    enum kind kind = (enum kind)(_i / 2);
    begin(_i, SMALL);
    char *id = first_id("all/1");
    publish("all/1", 1, MESSAGES);
    struct reader r = reader_open(kind, "all/1", id);
    wait_until_stuck();
    if (kind == RAW)
        expect_number(&r, 0);
    int published = MESSAGES;
    for (int i = 1; i < published; i++) {
        expect_number(&r, i);
        if (i % 100 || i >= MESSAGES)
            continue;
        publish("all/1", published, published + 1);
        published++;
        long long queued = most_queued();
        ck_assert_msg(queued <= OUT_LIMIT, "%lld bytes are queued after %d", queued, i);
    }
    ck_assert_int_gt(published, MESSAGES + 90);
    resp_expect(control, "PUBLISH all/1 99999", "1");
    expect_number(&r, 99999);
    reader_free(&r);
    free(id);
    end();
}
END_TEST

/* All three, and several of each, at once. */
START_TEST(many_at_once)
{
    enum { MESSAGES = 1000, READERS = 9 };
    struct reader readers[READERS];
    begin(_i, SMALL);
    char *id = first_id("all/1");
    publish("all/1", 1, MESSAGES);
    for (int i = 0; i < READERS; i++)
        readers[i] = reader_open((enum kind)(i % KINDS), "all/1", id);
    for (int i = 0; i < READERS; i++)
        if (readers[i].kind == RAW)
            expect_number(&readers[i], 0);
    for (int k = 1; k < MESSAGES; k += 111) {
        publish("all/1", MESSAGES + k / 111, MESSAGES + k / 111 + 1);
        for (int i = 0; i < READERS; i++)
            expect_numbers(&readers[i], k, k + 111);
        ck_assert_int_le(most_queued(), OUT_LIMIT);
    }
    for (int i = 0; i < READERS; i++) {
        expect_numbers(&readers[i], MESSAGES, MESSAGES + 9);
        reader_free(&readers[i]);
    }
    free(id);
    end();
}
END_TEST

/* One connection of wspush.v1 comes back to several channels: each whole and in order, and they take turns.
 */
START_TEST(several_channels)
{
    enum { CHANNELS = 6, MESSAGES = 500 };
    int next[CHANNELS];
    char since[CHANNELS * 80] = "";
    begin(_i, SMALL);
    char *own = first_id("x/0");
    for (int i = 1; i < CHANNELS; i++) {
        char *id = first_id(text_of("x/%d", i));
        strcat(since, text_of("%s\"x/%d\":\"%s\"", i > 1 ? "," : "", i, id));
        free(id);
    }
    for (int i = 0; i < CHANNELS; i++) {
        publish(text_of("x/%d", i), 1, MESSAGES);
        next[i] = 1;
    }
    struct reader r = reader_open(V1, "x/0", own);
    v1_say(r.ws, "{\"sub\":[\"x/1\",\"x/2\",\"x/3\",\"x/4\",\"x/5\"],\"since\":{%s}}", since);
    wait_until_stuck();
    int all = CHANNELS * (MESSAGES - 1 + 20), turns = 0, last = -1;
    for (int i = 0; i < all; i++) {
        struct got got;
        if (i % 120 == 0 && i < 120 * 20)
            for (int k = 0; k < CHANNELS; k++)
                publish(text_of("x/%d", k), MESSAGES + i / 120, MESSAGES + i / 120 + 1);
        ck_assert_msg(reader_next(&r, &got, 10000) && got.what == NUMBER, "after %d: %s", i, got.why);
        int channel = got.channel[2] - '0';
        ck_assert_msg(got.number == next[channel], "%s: %d, not %d", got.channel, got.number, next[channel]);
        next[channel]++;
        turns += channel != last;
        last = channel;
        if (i % 50 == 0)
            ck_assert_int_le(most_queued(), OUT_LIMIT);
    }
    ck_assert_int_gt(turns, 100);
    v1_expect_nothing(r.ws);
    reader_free(&r);
    free(own);
    end();
}
END_TEST

/* ---- what goes meanwhile ---- */

/* The reader stops, and the history goes on without it: what it has is without a gap, then it is told. */
START_TEST(trimmed_under_a_reader)
{
    enum { MESSAGES = 2000 };
    enum kind kind = (enum kind)(_i / 2);
    struct got got;
    begin(_i, "out_limit = 64k\nhistory_size = 2001\nhistory_bytes = 64m\nfirst = all\n");
    char *id = first_id("test");
    publish("test", 1, MESSAGES);
    struct reader r = reader_open(kind, "test", id);
    wait_until_stuck();
    publish("test", MESSAGES, 3 * MESSAGES);
    int next = kind == RAW ? 0 : 1;
    while (reader_next(&r, &got, 1000) && got.what == NUMBER)
        ck_assert_int_eq(got.number, next++);
    ck_assert_msg(next > 20 && next < MESSAGES, "it has %d", next);
    if (kind != RAW) {
        ck_assert_msg(got.what == RESET && strcmp(got.why, "gone") == 0, "%d %s", got.number, got.why);
        ck_assert_int_eq(seq_of(got.id), seq_of(id) + 3 * MESSAGES - 1);
    }
    publish("test", 77777, 77780);
    expect_numbers(&r, 77777, 77780);
    reader_free(&r);
    free(id);
    end();
}
END_TEST

/* The site's configuration from now on: the file as it was, and a line. */
static void reload_with(const char *file, const char *line)
{
    char text[8192];
    snprintf(text, sizeof text, "%s%s", file, line);
    site_write_file(site, "wspush.conf", text);
    resp_expect(control, "WS.RELOAD", "[*");
}

/* Sections that hold for the channel come and go while a reader catches up: it loses nothing by them, until
 * one says that nothing is kept. */
START_TEST(reloaded_under_a_reader)
{
    enum { MESSAGES = 3000 };
    static const char *const lines[] = {
        "channel \"test\" { history_size = 5000 history_bytes = 64m presence = on }\n", ""};
    enum kind kind = (enum kind)(_i / 2);
    begin(_i, "out_limit = 64k\nhistory_size = 20000\nhistory_bytes = 64m\nfirst = all\n");
    char *file = site_read_file(site_path(site, "wspush.conf"), NULL);
    char *id = first_id("test");
    publish("test", 1, MESSAGES);
    struct reader r = reader_open(kind, "test", id);
    wait_until_stuck();
    int next = kind == RAW ? 0 : 1;
    for (int i = 0; i < 20; i++) {
        reload_with(file, lines[i % 2]);
        expect_numbers(&r, next, next + 50);
        next += 50;
    }
    reload_with(file, "channel \"test\" { history_size = 0 }\n");
    struct got got;
    while (reader_next(&r, &got, 1000) && got.what == NUMBER)
        ck_assert_int_eq(got.number, next++);
    ck_assert_msg(next < MESSAGES, "it has all, though nothing was kept any more");
    if (kind != RAW)
        ck_assert_msg(got.what == RESET && strcmp(got.why, "gone") == 0, "%d %s", got.number, got.why);
    publish("test", 77777, 77780);
    expect_numbers(&r, 77777, 77780);
    reader_free(&r);
    free(file);
    free(id);
    end();
}
END_TEST

/* A message that was not to live longer leaves no gap that anybody has to know about. */
START_TEST(expired_meanwhile)
{
    enum kind kind = (enum kind)(_i / 2);
    begin(_i, "history_size = 100\nfirst = all\n");
    char *id = first_id("test");
    resp_expect(control, "PUBLISH test 1", "0");
    resp_expect(control, "WS.SEND test 2 TTL 100", "[0, \"*");
    resp_expect(control, "PUBLISH test 3", "0");
    long long gone = http_now() + 150;
    while (http_now() < gone)
        resp_expect(control, "PING", "PONG");
    struct reader r = reader_open(kind, "test", id);
    if (kind == RAW)
        expect_number(&r, 0);
    expect_number(&r, 1);
    expect_number(&r, 3);
    resp_expect(control, "PUBLISH test 4", "1");
    expect_number(&r, 4);
    reader_free(&r);
    free(id);
    end();
}
END_TEST

/* Whoever goes, is closed or leaves the channel in the middle leaves nothing behind; nor does the end. */
START_TEST(ends_in_the_middle)
{
    enum { READERS = 9 };
    struct reader readers[READERS];
    begin(_i, SMALL);
    char *id = first_id("all/1");
    publish("all/1", 1, 3000);
    for (int i = 0; i < READERS; i++)
        readers[i] = reader_open((enum kind)(i % KINDS), "all/1", id);
    wait_until_stuck();
    for (int i = 0; i < KINDS; i++)
        reader_free(&readers[i]);
    info_until(control, "connected_clients", READERS - KINDS);
    v1_say(readers[4].ws, "{\"unsub\":[\"all/1\"]}");
    v1_say(readers[4].ws, "{\"sub\":[\"all/1\"],\"since\":{\"all/1\":\"%s\"}}", id);
    while (strncmp(v1_next(readers[4].ws), "{\"unsub\"", 8) != 0)
        ;
    v1_expect(readers[4].ws, "{\"sub\":{\"ch\":\"all/1\",*}}");
    expect_numbers(&readers[4], 1, 3000); /* from the beginning */
    resp_expect(control, "WS.CLOSE @client:c6", "1");
    resp_expect(control, "PUBLISH all/1 3000", "1"); /* those that catch up get it later */
    expect_number(&readers[4], 3000);
    expect_numbers(&readers[7], 1, 3001);
    for (int i = KINDS; i < READERS; i++)
        if (i % 2)
            reader_free(&readers[i]);
    end();
    for (int i = KINDS; i < READERS; i++)
        if (i % 2 == 0)
            reader_free(&readers[i]);
    free(id);
}
END_TEST

/* ---- without a position ---- */

START_TEST(first_says)
{
    enum kind kind = (enum kind)(_i / 2);
    begin(_i, SMALL);
    struct reader empty = reader_open(kind, "all/1", NULL);
    static const char *const channels[] = {"new/1", "last/1", "all/1"};
    for (int i = 0; i < 3; i++) {
        publish(channels[i], 1, 6);
        struct reader r = reader_open(kind, channels[i], NULL);
        if (i == 1)
            expect_number(&r, 5);
        else if (i == 2)
            expect_numbers(&r, 1, 6);
        info_until(control, "connected_clients", 2);
        publish(channels[i], 6, 7);
        expect_number(&r, 6);
        reader_free(&r);
        info_until(control, "connected_clients", 1);
    }
    expect_numbers(&empty, 1, 7);
    reader_free(&empty);
    struct reader v1 = reader_open(V1, "new/2", NULL);
    v1_say(v1.ws, "{\"sub\":[\"new/1\",\"last/1\",\"all/1\"]}");
    expect_number(&v1, 6);
    expect_numbers(&v1, 1, 7);
    v1_expect_nothing(v1.ws);
    reader_free(&v1);
    end();
}
END_TEST

/* ---- slow = drop ---- */

/* Where messages were dropped a reset stands before the gap, and its id is the place from which it goes on.
 */
START_TEST(dropped_is_told)
{
    enum { MESSAGES = 2000 };
    enum kind kind = _i / 2 ? SSE : V1;
    struct got got;
    begin(_i, "slow = drop\nout_limit = 64k\nsubscribe = any\n");
    struct reader r = reader_open(kind, "test", NULL);
    if (kind == V1)
        v1_say(r.ws, "{\"sub\":[\"more\"]}");
    info_until(control, "channels", kind == V1 ? 2 : 1);
    for (int i = 1; i < MESSAGES; i += 50) {
        publish("test", i, i + 50);
        publish("more", i, i + 50);
    }
    ck_assert_int_le(most_queued(), OUT_LIMIT + 1024);
    publish("test", MESSAGES + 1, MESSAGES + 2); /* all before may be lost */
    publish("more", MESSAGES + 1, MESSAGES + 2);
    long long seq[2] = {0};
    int number[2] = {0}, resets[2] = {0}, gaps[2] = {0};
    while (number[0] <= MESSAGES || (kind == V1 && number[1] <= MESSAGES)) {
        ck_assert_msg(reader_next(&r, &got, 5000), "it ends with %d and %d", number[0], number[1]);
        int which = strcmp(got.channel, "more") == 0;
        if (got.what == RESET) {
            ck_assert_str_eq(got.why, "slow");
            resets[which]++;
        } else {
            bool gap = got.number != number[which] + 1;
            ck_assert_msg(!seq[which] || seq_of(got.id) == seq[which] + 1, "%d: %s behind %lld", which,
                          got.id, seq[which]);
            gaps[which] += gap;
            number[which] = got.number;
        }
        seq[which] = seq_of(got.id);
    }
    ck_assert_int_ge(resets[0], 1);
    ck_assert_int_le(resets[0], 3); /* one for all that is missing, not one each time */
    ck_assert_int_ge(gaps[0], 1);
    ck_assert_int_ge(resets[1], kind == V1);
    ck_assert_int_gt(info_get(control, "slow_dropped"), 1000);
    publish("test", 77777, 77778);
    expect_number(&r, 77777);
    reader_free(&r);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resume");
    TCase *tc = tcase_create("resume");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, ten_thousand, 0, 2 * KINDS);
    tcase_add_loop_test(tc, many_at_once, 0, 2);
    tcase_add_loop_test(tc, several_channels, 0, 2);
    tcase_add_loop_test(tc, trimmed_under_a_reader, 0, 2 * KINDS);
    tcase_add_loop_test(tc, reloaded_under_a_reader, 0, 2 * KINDS);
    tcase_add_loop_test(tc, expired_meanwhile, 0, 2 * KINDS);
    tcase_add_loop_test(tc, ends_in_the_middle, 0, 2);
    tcase_add_loop_test(tc, first_says, 0, 2 * KINDS);
    tcase_add_loop_test(tc, dropped_is_told, 0, 4);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
