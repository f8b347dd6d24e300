/*
 * wspush.v1, as docs/CLIENT.md specifies it: channels come and go on one connection, positions, requests and
 * their errors, acknowledgements, and what the control socket tells of such clients. The worker alone, with
 * one thread and with two.
 */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "figures.h"
#include "http.h"
#include "resp.h"
#include "site.h"
#include "v1.h"
#include "wsclient.h"

#define ALICE "X-Wspush-User: alice\r\n"

static struct site *site;
static struct resp *control;

static void begin(int threads, const char *config)
{
    site = site_start(
        &(struct site_options){.threads = threads, .config = config, .no_nginx = true, .no_responder = true});
    control = resp_open(site_control(site));
    ck_assert(control != NULL);
}

static void end(void)
{
    resp_free(control);
    site_stop(site);
}

/* A client of wspush.v1 that has its `hello` and the `sub` of its own channel. */
static struct wsclient *visit(const char *path)
{
    return v1_visit(site_ws(site), path, NULL);
}

/* It says this, and this comes. */
static void ask(struct wsclient *c, const char *request, const char *pattern)
{
    v1_say(c, "%s", request);
    v1_expect(c, pattern);
}

static void expect_error(struct wsclient *c, const char *request, const char *code)
{
    char pattern[128];
    snprintf(pattern, sizeof pattern, "{\"error\":{\"code\":\"%s\",\"text\":\"*\"*}}", code);
    ask(c, request, pattern);
}

/* Publishes; the id that the message got, valid for the next eight calls. */
static const char *publish(const char *channel, const char *text)
{
    static char ids[8][ID_MAX];
    static unsigned next;
    char *id = ids[next++ % 8];
    struct resp_value *v = resp_call(control, "WS.SEND", channel, text, NULL);
    ck_assert(v->count == 2 && v->items[1]->len < ID_MAX);
    strcpy(id, v->items[1]->text);
    resp_value_free(v);
    return id;
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

static void expect_message(struct wsclient *c, const char *channel, const char *id, const char *data)
{
    v1_expect(c, text_of("{\"ch\":\"%s\",\"id\":\"%s\",\"data\":\"%s\"}", channel, id, data));
}

/* The id that is so many behind this one, or before it. */
static const char *id_at(const char *id, long long distance)
{
    const char *dash = strchr(id, '-');
    return text_of("%.*s-%lld", (int)(dash - id), id, atoll(dash + 1) + distance);
}

/* ---- coming in ---- */

START_TEST(hello_comes_first)
{
    begin(_i + 1, NULL);
    publish("chat/room1", "before");
    struct wsclient *c = v1_open(site_ws(site), "/chat/room1", ALICE);
    struct wsclient *d = v1_open(site_ws(site), "/chat/room1", NULL);
    v1_expect(c, "{\"hello\":{\"client\":\"c1\",\"user\":\"alice\",\"channels\":[\"chat/room1\"]}}");
    const char *head =
        strdup(v1_member(v1_expect(c, "{\"sub\":{\"ch\":\"chat/room1\",\"id\":\"*-*\"}}"), "id"));
    v1_expect(d, "{\"hello\":{\"client\":\"c2\",\"user\":null,\"channels\":[\"chat/room1\"]}}");
    v1_expect(d, text_of("{\"sub\":{\"ch\":\"chat/room1\",\"id\":\"%s\",\"from\":\"%s\"}}", head, head));
    const char *id = publish("chat/room1", "hi \\\"\n");
    ck_assert_str_eq(id, id_at(head, 1));
    expect_message(c, "chat/room1", id, "hi \\\\\\\"\\n");
    expect_message(d, "chat/room1", id, "hi \\\\\\\"\\n");
    free((void *)head);
    wsclient_close(c);
    wsclient_close(d);
    end();
}
END_TEST

/* Listed subprotocols come before ours; without ours it is a raw client. */
START_TEST(protocol_is_chosen)
{
    begin(1, "subprotocols = {\"mine\"}\n");
    struct wsclient *c =
        wsclient_connect(site_ws(site), "/test", "Sec-WebSocket-Protocol: mine, wspush.v1\r\n");
    ck_assert(wsclient_accepted(c));
    ck_assert_str_eq(wsclient_header(c, "Sec-WebSocket-Protocol"), "mine");
    struct wsclient *d =
        wsclient_connect(site_ws(site), "/test", "Sec-WebSocket-Protocol: other, wspush.v1\r\n");
    ck_assert_str_eq(wsclient_header(d, "Sec-WebSocket-Protocol"), "wspush.v1");
    publish("test", "raw");
    wsclient_expect_text(c, "raw");
    wsclient_close(c);
    wsclient_free(d);
    end();
}
END_TEST

/* ---- channels ---- */

START_TEST(several_channels)
{
    begin(_i + 1, "subscribe = any\n");
    struct wsclient *c = visit("/test");
    v1_say(c, "{\"sub\":[\"news\",\"a/b\",\"\u623f\u95f4\"]}");
    v1_expect(c, "{\"sub\":{\"ch\":\"news\",\"id\":\"*\"}}");
    v1_expect(c, "{\"sub\":{\"ch\":\"a/b\",\"id\":\"*\"}}");
    v1_expect(c, "{\"sub\":{\"ch\":\"\u623f\u95f4\",\"id\":\"*\"}}");
    expect_message(c, "news", publish("news", "1"), "1");
    expect_message(c, "test", publish("test", "2"), "2");
    expect_message(c, "\u623f\u95f4", publish("\u623f\u95f4", "3"), "3");
    resp_expect(control, "WS.LIST", "[[\"client\", \"c1\", \"user\", \"\", \"channels\", [\"test\", *");
    struct resp_value *v = resp_call(control, "WS.LIST", "a/b", NULL);
    char *text = resp_text(v);
    ck_assert_msg(v->count == 1 && strstr(text, "\"a/b\"") && strstr(text, "\"news\"") &&
                      strstr(text, "\"transport\", \"v1\""),
                  "%s", text);
    free(text);
    resp_value_free(v);
    v1_say(c, "{\"unsub\":[\"news\",\"test\"]}");
    v1_expect(c, "{\"unsub\":{\"ch\":\"news\"}}");
    v1_expect(c, "{\"unsub\":{\"ch\":\"test\"}}");
    resp_expect(control, "PUBLISH news gone", "0");
    resp_expect(control, "PUBLISH test gone", "0");
    expect_message(c, "a/b", publish("a/b", "4"), "4");
    v1_expect_nothing(c);
    wsclient_close(c);
    info_until(control, "channels", 0);
    end();
}
END_TEST

/* The own channel is left, and taken again; meanwhile the client is what it was. */
START_TEST(own_channel_left_and_back)
{
    begin(_i + 1, "history_size = 10\n");
    struct wsclient *c = visit("/test");
    expect_message(c, "test", publish("test", "1"), "1");
    ask(c, "{\"unsub\":[\"test\"]}", "{\"unsub\":{\"ch\":\"test\"}}");
    expect_error(c, "{\"unsub\":[\"test\"]}", "unknown");
    expect_error(c, "{\"data\":\"to my own\"}", "unknown");
    const char *last = publish("test", "2");
    resp_expect(control, "WS.LIST @all", "[[\"client\", \"c1\", \"user\", \"\", \"channels\", [], *");
    resp_expect(control, "PUBLISH @client:c1 direct", "1");
    v1_expect(c, "{\"data\":\"direct\"}");
    v1_say(c, "{\"sub\":[\"test\"],\"since\":{\"test\":\"%s\"}}", id_at(last, -1));
    v1_expect(c, text_of("{\"sub\":{\"ch\":\"test\",\"id\":\"%s\",\"from\":\"%s\"}}", last, id_at(last, -1)));
    expect_message(c, "test", last, "2");
    expect_message(c, "test", publish("test", "3"), "3");
    ask(c, "{\"unsub\":[\"test\"]}", "{\"unsub\":{\"ch\":\"test\"}}");
    ask(c, "{\"sub\":[\"test\"]}", "{\"sub\":{\"ch\":\"test\",\"id\":\"*\"}}");
    expect_message(c, "test", publish("test", "4"), "4");
    v1_expect_nothing(c);
    wsclient_close(c);
    end();
}
END_TEST

START_TEST(who_may_take_a_channel)
{
    begin(_i + 1, "unlisted = refuse\nchannel \"test\" { }\nchannel \"open/**\" { subscribe = any }\n"
                  "channel \"mine\" { subscribe = own }\n");
    struct wsclient *c = visit("/test");
    expect_error(c, "{\"sub\":[\"mine\"]}", "forbidden");
    expect_error(c, "{\"sub\":[\"unlisted\"]}", "forbidden");
    expect_error(c, "{\"ch\":\"mine\",\"data\":\"x\"}", "forbidden");
    ask(c, "{\"sub\":[\"open/a\"]}", "{\"sub\":{\"ch\":\"open/a\",\"id\":\"*\"}}");
    expect_error(c, "{\"ch\":\"open/b\",\"data\":\"not on it\"}", "unknown");
    v1_say(c, "{\"ch\":\"open/a\",\"data\":\"on it\"}");
    resp_expect(control, "WS.WAIT open/a TIMEOUT 5000", "[\"c1\", \"open/a\", \"text\", \"on it\", *");
    wsclient_close(c);
    end();
}
END_TEST

START_TEST(already_there)
{
    begin(_i + 1, "history_size = 10\nsubscribe = any\n");
    const char *id = publish("test", "1");
    struct wsclient *c = visit("/test");
    ask(c, "{\"sub\":[\"test\"]}", text_of("{\"sub\":{\"ch\":\"test\",\"id\":\"%s\"}}", id));
    expect_error(c, text_of("{\"sub\":[\"test\"],\"since\":{\"test\":\"%s\"}}", id), "position");
    resp_expect(control, "PUBLISH test once", "1");
    v1_expect(c, "{\"ch\":\"test\",\"id\":\"*\",\"data\":\"once\"}");
    v1_expect_nothing(c);
    ask(c, "{\"unsub\":[\"test\"]}", "{\"unsub\":{\"ch\":\"test\"}}");
    resp_expect(control, "PUBLISH test none", "0");
    wsclient_close(c);
    end();
}
END_TEST

START_TEST(channels_per_client)
{
    begin(_i + 1, "subscribe = any\nchannels_per_client = 3\n");
    struct wsclient *c = visit("/test");
    v1_say(c, "{\"sub\":[\"a\",\"b\",\"c\",\"d\"]}");
    v1_expect(c, "{\"sub\":{\"ch\":\"a\",*}}");
    v1_expect(c, "{\"sub\":{\"ch\":\"b\",*}}");
    v1_expect(c, "{\"error\":{\"code\":\"limit\",*\"ch\":\"c\"}}");
    v1_expect(c, "{\"error\":{\"code\":\"limit\",*\"ch\":\"d\"}}");
    ask(c, "{\"sub\":[\"a\"]}", "{\"sub\":{\"ch\":\"a\",*}}"); /* no more than before */
    ask(c, "{\"unsub\":[\"test\"]}", "{\"unsub\":*}");
    ask(c, "{\"sub\":[\"c\"]}", "{\"sub\":{\"ch\":\"c\",*}}");
    expect_error(c, "{\"sub\":[\"test\"]}", "limit");
    ask(c, "{\"unsub\":[\"a\"]}", "{\"unsub\":*}");
    ask(c, "{\"sub\":[\"test\"]}", "{\"sub\":{\"ch\":\"test\",*}}");
    resp_expect(control, "PUBLISH a x", "0");
    resp_expect(control, "PUBLISH d x", "0");
    wsclient_close(c);
    info_until(control, "channels", 0);
    end();
}
END_TEST

/* ---- positions ---- */

START_TEST(exactly_what_was_missed)
{
    const char *ids[10];
    char all[10][ID_MAX];
    begin(_i + 1, "history_size = 100\nsubscribe = any\n");
    for (int i = 0; i < 10; i++)
        ids[i] = strcpy(all[i], publish("test", text_of("%d", i)));
    for (int from = 0; from < 10; from++) {
        bool by_url = from % 2;
        struct wsclient *c =
            by_url ? v1_open(site_ws(site), text_of("/test?since=%s", ids[from]), NULL) : visit("/other");
        if (by_url)
            v1_expect(c, "{\"hello\":*}");
        else
            v1_say(c, "{\"sub\":[\"test\"],\"since\":{\"test\":\"%s\"}}", ids[from]);
        v1_expect(c, text_of("{\"sub\":{\"ch\":\"test\",\"id\":\"%s\",\"from\":\"%s\"}}", ids[9], ids[from]));
        for (int i = from + 1; i < 10; i++)
            expect_message(c, "test", ids[i], text_of("%d", i));
        v1_expect_nothing(c);
        wsclient_close(c);
    }
    end();
}
END_TEST

/* It has got a part of what it missed, and the rest waits for it to read: it counts among nobody. */
START_TEST(left_while_catching_up)
{
    static char filling[1000], first[ID_MAX];
    begin(_i + 1, "history_size = 1000\nhistory_bytes = 4m\nsubscribe = any\nout_limit = 8k\n");
    memset(filling, 'x', sizeof filling - 1);
    strcpy(first, publish("test", filling));
    for (int i = 0; i < 700; i++)
        publish("test", filling);
    struct wsclient *d = visit("/test"), *c = visit("/other"), *e = visit("/gone");
    v1_say(c, "{\"sub\":[\"test\"],\"since\":{\"test\":\"%s\"}}", first);
    v1_say(e, "{\"sub\":[\"test\"],\"since\":{\"test\":\"%s\"}}", first);
    v1_expect(e, "{\"sub\":*}");
    wsclient_free(e);
    v1_say(c, "{\"unsub\":[\"test\"]}");
    info_until(control, "connected_clients", 2);
    resp_expect(control, "PUBLISH test x", "1");
    while (!v1_like(v1_next(c), "{\"unsub\":*}"))
        continue;
    resp_send(control, "WS.SEND", "@match:test", "y", "WAIT", "handed", NULL);
    resp_expect_next(control, "[1, null, [\"handed\", 1], []]");
    v1_expect_nothing(c);
    v1_say(c, "{\"sub\":[\"test\"],\"since\":{\"test\":\"%s\"}}", id_at(first, 700));
    v1_expect(c, "{\"sub\":*}"); /* and comes back where it says */
    expect_message(c, "test", id_at(first, 701), "x");
    v1_expect_nothing(c);
    wsclient_free(d);
    wsclient_close(c);
    end();
}
END_TEST

/* Where a client is in a channel, as it was told. */
struct told {
    const char *channel;
    const char *why;
    bool on;
    long long seq;
    int resets;
};

static long long seq_of(const char *text)
{
    return atoll(strchr(v1_member(text, "id"), '-') + 1);
}

/* Without a reset a message is the next one; a reset goes on from a later position. */
static void check_told(struct told *t, const char *text)
{
    long long seq = seq_of(text);
    if (strncmp(text, "{\"sub\"", 6) == 0) {
        ck_assert(!t->on);
        t->on = true;
    } else if (strncmp(text, "{\"reset\"", 8) == 0) {
        ck_assert_msg(t->on && seq > t->seq && strcmp(v1_member(text, "why"), t->why) == 0, "%s", text);
        t->resets++;
    } else {
        ck_assert_msg(t->on && seq == t->seq + 1, "%s to %lld: %.80s", t->channel, t->seq, text);
    }
    t->seq = seq;
}

static void publish_large(const char *channel, int count)
{
    static char text[12000];
    memset(text, 'x', sizeof text - 1);
    while (count--)
        publish(channel, text);
}

/* What it has yet to get leaves the history before it reads on. */
START_TEST(overtaken_while_catching_up)
{
    static char filling[1000];
    begin(_i + 1, "history_size = 600\nhistory_bytes = 4m\nsubscribe = any\nout_limit = 8k\n");
    memset(filling, 'x', sizeof filling - 1);
    struct told told = {.channel = "test", .why = "gone", .on = true, .seq = 1};
    char *first = strdup(publish("test", filling));
    for (int i = 0; i < 599; i++)
        publish("test", filling);
    struct wsclient *c = visit("/other");
    v1_say(c, "{\"sub\":[\"test\"],\"since\":{\"test\":\"%s\"}}", first);
    v1_expect(c, "{\"sub\":*}");
    for (int i = 0; i < 700; i++)
        publish("test", filling);
    while (!told.resets)
        check_told(&told, v1_next(c));
    ck_assert(told.seq == 1300);
    expect_message(c, "test", publish("test", "new"), "new");
    v1_expect_nothing(c);
    free(first);
    wsclient_close(c);
    end();
}
END_TEST

/* Several cuts of a queue in which other things stand, too. */
START_TEST(dropped_where_it_is_said)
{
    begin(_i + 1, "slow = drop\nout_limit = 100k\nsubscribe = any\n");
    struct wsclient *c = v1_open(site_ws(site), "/test", NULL);
    struct told told[] = {{.channel = "test", .why = "slow"}, {.channel = "news", .why = "slow"}};
    v1_expect(c, "{\"hello\":*}");
    publish_large("test", 60);
    v1_say(c, "{\"sub\":[\"news\"]}");
    info_until(control, "channels", 2);
    for (int i = 0; i < 30; i++) {
        publish_large("test", 1);
        publish_large("news", 1);
    }
    resp_expect(control, "PUBLISH @client:c1 end", "1");
    for (const char *text = v1_next(c); !v1_like(text, "{\"data\":\"end\"}"); text = v1_next(c))
        check_told(&told[strcmp(v1_member(text, "ch"), "news") == 0], text);
    ck_assert(told[0].seq == 90 && told[1].seq == 30);
    ck_assert(told[0].resets >= 1 && told[1].resets >= 1);
    wsclient_close(c);
    end();
}
END_TEST

static void expect_reset(const char *since, const char *why)
{
    struct wsclient *c = v1_open(site_ws(site), text_of("/test?since=%s", since), NULL);
    v1_expect(c, "{\"hello\":*}");
    char *head = strdup(v1_member(v1_expect(c, "{\"sub\":{\"ch\":\"test\",*}}"), "id"));
    v1_expect(c, text_of("{\"reset\":{\"ch\":\"test\",\"why\":\"%s\",\"id\":\"%s\"}}", why, head));
    expect_message(c, "test", publish("test", "goes on"), "goes on");
    v1_expect_nothing(c);
    wsclient_close(c);
    free(head);
}

START_TEST(positions_that_are_gone)
{
    begin(_i + 1, "history_size = 3\n");
    char *first = strdup(publish("test", "0"));
    for (int i = 1; i < 6; i++)
        publish("test", text_of("%d", i));
    expect_reset(first, "gone");
    expect_reset(id_at(first, -1), "gone");
    expect_reset("1000-1", "generation");
    expect_reset("9995412345678-1", "generation");
    free(first);
    end();
}
END_TEST

/* The client stays, but not on that channel. */
static void expect_denied(struct wsclient *c)
{
    v1_expect(c, "{\"hello\":{\"client\":\"*\",\"user\":null,\"channels\":[]}}");
    v1_expect(c, "{\"error\":{\"code\":\"position\",\"text\":\"*\",\"ch\":\"test\"}}");
    resp_expect(control, "PUBLISH test x", "0");
    ask(c, "{\"sub\":[\"test\"]}", "{\"sub\":{\"ch\":\"test\",*}}");
    resp_expect(control, "PUBLISH test y", "1");
    v1_expect(c, "{\"ch\":\"test\",\"id\":\"*\",\"data\":\"y\"}");
    wsclient_close(c);
    info_until(control, "connected_clients", 0);
}

START_TEST(positions_that_are_none)
{
    static const char *const malformed[] = {"x", "1795412345678", "-1", "17-", "1795412345678-17x", "0-0"};
    begin(_i + 1, "history_size = 3\nsubscribe = any\n");
    char *last = strdup(publish("test", "0"));
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        expect_denied(v1_open(site_ws(site), text_of("/test?since=%s", malformed[i]), NULL));
    expect_denied(v1_open(site_ws(site), text_of("/test?since=%s", id_at(last, 1000)), NULL));
    struct wsclient *c = visit("/own");
    expect_error(c, "{\"sub\":[\"test\"],\"since\":{\"test\":\"x\"}}", "position");
    expect_error(c, text_of("{\"sub\":[\"test\"],\"since\":{\"test\":\"%s\"}}", id_at(last, 1000)),
                 "position");
    resp_expect(control, "PUBLISH test x", "0");
    ask(c, "{\"sub\":[\"test\"]}", "{\"sub\":{\"ch\":\"test\",*}}");
    wsclient_close(c);
    free(last);
    info_until(control, "channels", 0);
    end();
}
END_TEST

/* ---- what it says ---- */

START_TEST(said_to_the_inbox)
{
    begin(_i + 1, "subscribe = any\n");
    struct wsclient *c = visit("/test");
    ask(c, "{\"sub\":[\"news\"]}", "{\"sub\":*}");
    v1_say(c, "{\"data\":\"one \\u00e9\\u0000\"}");
    v1_say(c, "{\"ch\":\"news\",\"data\":\"two\"}");
    v1_say(c, "{\"ch\":\"test\",\"b64\":\"AAH/\"}");
    v1_say(c, "{\"b64\":\"\"}");
    v1_expect_nothing(c);
    resp_expect(control, "WS.COUNT @client:c1", "4");
    resp_expect(control, "WS.COUNT test", "3");
    resp_expect(control, "WS.COUNT news", "1");
    resp_expect(control, "WS.READ @client:c1", "[\"c1\", \"test\", \"text\", \"one \u00e9\\x00\", *");
    resp_expect(control, "WS.READ news", "[\"c1\", \"news\", \"text\", \"two\", *");
    resp_expect(control, "WS.WAIT @client:c1", "[\"c1\", \"test\", \"binary\", \"\\x00\\x01\xff\", *");
    resp_expect(control, "WS.WAIT @client:c1", "[\"c1\", \"test\", \"binary\", \"\", *");
    resp_send(control, "WS.WAIT", "@client:c1", "TIMEOUT", "5000", NULL);
    v1_say(c, "{\"ch\":\"news\",\"data\":\"awaited\"}");
    resp_expect_next(control, "[\"c1\", \"news\", \"text\", \"awaited\", *");
    wsclient_close(c);
    end();
}
END_TEST

/* Its words outlive it, on whatever channel they were said; closed is the answer when they are out. */
START_TEST(words_of_the_gone)
{
    begin(_i + 1, "subscribe = any\n");
    struct wsclient *c = visit("/test");
    ask(c, "{\"sub\":[\"news\"]}", "{\"sub\":*}");
    v1_say(c, "{\"ch\":\"news\",\"data\":\"on news\"}");
    v1_say(c, "{\"data\":\"on its own\"}");
    ask(c, "{\"unsub\":[\"news\"]}", "{\"unsub\":*}");
    resp_expect(control, "WS.COUNT @client:c1", "2");
    wsclient_close(c);
    info_until(control, "connected_clients", 0);
    resp_expect(control, "WS.COUNT @client:c1", "2");
    resp_expect(control, "WS.READ @client:c1", "[\"c1\", \"news\", \"text\", \"on news\", *");
    resp_expect(control, "WS.READ @client:c1", "[\"c1\", \"test\", \"text\", \"on its own\", *");
    resp_expect(control, "WS.WAIT @client:c1", "[\"closed\"]");
    info_until(control, "channels", 0);
    c = visit("/test"); /* nor is there anything left of its own channel, if it spoke on another alone */
    ask(c, "{\"sub\":[\"news\"]}", "{\"sub\":*}");
    v1_say(c, "{\"ch\":\"news\",\"data\":\"on news\"}");
    v1_expect_nothing(c);
    wsclient_close(c);
    info_until(control, "connected_clients", 0);
    resp_expect(control, "WS.READ news", "[\"c2\", \"news\", \"text\", \"on news\", *");
    info_until(control, "channels", 0);
    end();
}
END_TEST

START_TEST(said_by_each_rule)
{
    begin(_i + 1, "subscribe = any\nchannel \"echo\" { inbound = echo }\nchannel \"off\" { inbound = off }\n"
                  "channel \"loud\" { inbound = publish }\n");
    struct wsclient *c = visit("/echo"), *raw = wsclient_open(site_ws(site), "/loud"), *d = visit("/loud");
    v1_say(c, "{\"sub\":[\"off\",\"loud\"]}");
    v1_expect(c, "{\"sub\":{\"ch\":\"off\",*}}");
    v1_expect(c, "{\"sub\":{\"ch\":\"loud\",*}}");
    ask(c, "{\"data\":\"back\"}", "{\"ch\":\"echo\",\"data\":\"back\"}");
    ask(c, "{\"b64\":\"AAEC\"}", "{\"ch\":\"echo\",\"b64\":\"AAEC\"}");
    expect_error(c, "{\"ch\":\"off\",\"data\":\"x\"}", "inbound");
    v1_say(c, "{\"ch\":\"loud\",\"data\":\"to all\"}");
    const char *id = v1_member(v1_expect(c, "{\"ch\":\"loud\",\"id\":\"*-*\",\"data\":\"to all\"}"), "id");
    expect_message(d, "loud", id, "to all");
    wsclient_expect_text(raw, "to all");
    v1_say(d, "{\"b64\":\"AP8=\"}");
    v1_expect(c, "{\"ch\":\"loud\",\"id\":\"*-*\",\"b64\":\"AP8=\"}");
    v1_expect(d, "{\"ch\":\"loud\",\"id\":\"*-*\",\"b64\":\"AP8=\"}");
    wsclient_expect_binary(raw, "\0\xff", 2);
    resp_expect(control, "PUBLISH @client:c1 hi", "1");
    v1_expect(c, "{\"data\":\"hi\"}");
    resp_expect(control, "WS.SEND @client:c1 hi BINARY", "[1, null]");
    v1_expect(c, "{\"b64\":\"aGk=\"}");
    wsclient_close(c);
    wsclient_close(d);
    wsclient_close(raw);
    end();
}
END_TEST

/* A message that is compressed, for a client that asked for it. */
static void inflate_text(const struct wsclient_received *frame, char *out, size_t cap)
{
    z_stream z = {.avail_in = (uInt)frame->len, .next_in = (void *)frame->payload};
    z.avail_out = (uInt)cap - 1;
    z.next_out = (void *)out;
    ck_assert_int_eq(inflateInit2(&z, -15), Z_OK);
    inflate(&z, Z_SYNC_FLUSH);
    out[z.total_out] = '\0';
    inflateEnd(&z);
}

START_TEST(compressed)
{
    char text[4096];
    static char filling[1000], out[4096];
    begin(_i + 1, "deflate_min = 100\n");
    struct wsclient *c = v1_open(site_ws(site), "/test", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    struct wsclient *plain = visit("/test");
    v1_expect(c, "{\"hello\":*}"); /* too short to pay */
    v1_expect(c, "{\"sub\":*}");
    memset(filling, 'x', sizeof filling - 1);
    snprintf(text, sizeof text, "%s", publish("test", filling));
    struct wsclient_received got;
    ck_assert(wsclient_recv(c, &got, WSCLIENT_WAIT) == WSCLIENT_GOT);
    ck_assert(got.rsv == 4 && got.len < 200);
    inflate_text(&got, out, sizeof out);
    ck_assert_msg(v1_like(out, text_of("{\"ch\":\"test\",\"id\":\"%s\",\"data\":\"xxx*", text)), "%s", out);
    v1_expect(plain, text_of("{\"ch\":\"test\",\"id\":\"%s\",\"data\":\"xxx*", text));
    ask(c, "{\"ping\":1}", "{\"pong\":1}");
    wsclient_free(c);
    wsclient_close(plain);
    end();
}
END_TEST

/* ---- requests ---- */

static void send_frame(struct wsclient *c, unsigned opcode, bool fin, const char *text)
{
    struct wsclient_frame f = {.fin = fin, .opcode = opcode, .payload = text, .len = strlen(text)};
    ck_assert(wsclient_send_frame(c, &f) == 0);
}

START_TEST(pings_and_pieces)
{
    begin(_i + 1, NULL);
    struct wsclient *c = visit("/test");
    ask(c, "{\"ping\":7}", "{\"pong\":7}");
    ask(c, "{\"ping\":-9007199254740993}", "{\"pong\":-9007199254740993}");
    ask(c, " {\"ping\" : 0, \"what\": [\"we\", {\"do not\": null}, 1.5e3] }\n", "{\"pong\":0}");
    send_frame(c, WSCLIENT_TEXT, false, "{\"pi");
    send_frame(c, WSCLIENT_CONTINUATION, false, "");
    send_frame(c, WSCLIENT_PING, true, "x");
    send_frame(c, WSCLIENT_CONTINUATION, true, "ng\":8}");
    v1_expect(c, "{\"pong\":8}");
    wsclient_close(c);
    end();
}
END_TEST

START_TEST(errors_of_each_code)
{
    static const char *const rows[][2] = {
        {"json", "nonsense"},
        {"json", "[1]"},
        {"json", "{\"ping\":1,\"ping\":2}"},
        {"json", "{\"ping\":1} "
                 "x"},
        {"request", "{}"},
        {"request", "{\"ping\":1.5}"},
        {"request", "{\"sub\":\"news\"}"},
        {"request", "{\"sub\":[\"a\",\"a\"]}"},
        {"request", "{\"sub\":[\"a\"],\"since\":{\"b\":\"1-1\"}}"},
        {"request", "{\"sub\":[\"a\"],\"unsub\":[\"b\"]}"},
        {"request", "{\"b64\":\"!\"}"},
        {"request", "{\"data\":7}"},
        {"request", "{\"ack\":0}"},
        {"channel", "{\"sub\":[\"\"]}"},
        {"channel", "{\"sub\":[\"@all\"]}"},
        {"channel", "{\"sub\":[\"a b\"]}"},
        {"channel", "{\"sub\":[\"a//b\"]}"},
        {"channel", "{\"sub\":[\"a/../b\"]}"},
        {"channel", "{\"unsub\":[\"\\u0001\"]}"},
        {"channel", "{\"ch\":\"?\",\"data\":\"x\"}"},
        {"forbidden", "{\"sub\":[\"news\"]}"},
        {"unknown", "{\"unsub\":[\"news\"]}"},
        {"position", "{\"ack\":{\"ch\":\"test\",\"id\":\"x\"}}"},
    };
    begin(1, NULL);
    struct wsclient *c = visit("/test");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        expect_error(c, rows[i][1], rows[i][0]);
        v1_expect_nothing(c); /* and begins the count of faults anew */
    }
    v1_say(c, "{\"sub\":[\"%0201d\"]}", 1);
    v1_expect(c, "{\"error\":{\"code\":\"channel\",*}}");
    wsclient_send_binary(c, "{\"ping\":1}", 10);
    v1_expect(c, "{\"error\":{\"code\":\"json\",*}}");
    v1_expect_nothing(c);
    wsclient_close(c);
    end();
}
END_TEST

START_TEST(eight_faults_are_the_end)
{
    begin(_i + 1, NULL);
    struct wsclient *c = visit("/test");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 7; i++)
            expect_error(c, i % 2 ? "{\"hm\":1}" : "{", i % 2 ? "request" : "json");
        ask(c, "{\"ping\":1}", "{\"pong\":1}");
    }
    for (int i = 0; i < 7; i++)
        expect_error(c, "{", "json");
    wsclient_send_binary(c, "x", 1);
    v1_expect(c, "{\"error\":{\"code\":\"json\",*}}");
    wsclient_expect_close(c, 1008);
    wsclient_free(c);
    struct wsclient *d = visit("/test"); /* errors of the other kinds are no faults */
    for (int i = 0; i < 20; i++)
        expect_error(d, "{\"unsub\":[\"news\"]}", "unknown");
    wsclient_close(d);
    end();
}
END_TEST

/* Who was over it is not heard for as long as that was worth; who is over it for good goes. */
START_TEST(requests_a_second)
{
    begin(_i + 1, "channel \"slow\" { requests = 10 }\nchannel \"free\" { requests = 0 }\n");
    struct wsclient *c = visit("/slow");
    long long began = http_now();
    for (int i = 0; i < 20; i++)
        v1_say(c, "{\"ping\":%d}", i);
    for (int i = 0; i < 20; i++)
        v1_expect(c, text_of("{\"pong\":%d}", i));
    ask(c, "{\"ping\":20}", "{\"pong\":20}");
    ck_assert_int_ge(http_now() - began, 700);
    for (int i = 0; i < 500; i++)
        if (wsclient_send_text(c, "{\"ping\":1}") < 0)
            break;
    struct wsclient_received got;
    enum wsclient_result r;
    while ((r = wsclient_recv_message(c, &got, 10000)) == WSCLIENT_GOT && got.opcode == WSCLIENT_TEXT)
        ;
    ck_assert_msg(r == WSCLIENT_GOT && got.code == 1008, "%s %u", wsclient_result_name(r), got.code);
    wsclient_free(c);
    c = visit("/free");
    for (int i = 0; i < 1000; i++)
        v1_say(c, "{\"ping\":%d}", i);
    for (int i = 0; i < 1000; i++)
        v1_expect(c, text_of("{\"pong\":%d}", i));
    wsclient_close(c);
    end();
}
END_TEST

/* ---- receipts ---- */

START_TEST(acknowledged)
{
    begin(_i + 1, "subscribe = any\n");
    struct wsclient *by_number = visit("/test"), *by_id = visit("/test"), *never = visit("/test");
    resp_send(control, "WS.SEND", "test", "x", "WAIT", "acked", "TIMEOUT", "500", NULL);
    const char *text = v1_expect(by_number, "{\"ch\":\"test\",\"id\":\"*\",\"ack\":*,\"data\":\"x\"}");
    v1_say(by_number, "{\"ack\":%d}", atoi(strstr(text, "\"ack\":") + 6));
    const char *id = v1_member(v1_next(by_id), "id");
    v1_say(by_id, "{\"ack\":{\"ch\":\"test\",\"id\":\"%s\"}}", id);
    v1_next(never);
    v1_say(never, "{\"ack\":999999}"); /* nothing that was asked for */
    v1_say(never, "{\"ack\":{\"ch\":\"other\",\"id\":\"%s\"}}", id);
    resp_expect_next(control,
                     text_of("[3, \"%s\", [\"acked\", 2, \"timeout\", 1], [[\"c3\", \"timeout\"]]]", id));
    resp_send(control, "WS.SEND", "@client:c1", "x", "WAIT", "acked", "TIMEOUT", "5000", NULL);
    text = v1_expect(by_number, "{\"ack\":*,\"data\":\"x\"}");
    v1_say(by_number, "{\"ack\":%d}", atoi(strstr(text, "\"ack\":") + 6));
    resp_expect_next(control, "[1, null, [\"acked\", 1], []]");
    resp_send(control, "WS.SEND", "@client:c3", "x", "WAIT", "acked", "TIMEOUT", "5000", NULL);
    v1_next(never);
    wsclient_free(never);
    resp_expect_next(control, "[1, null, [\"closed\", 1], [[\"c3\", \"closed\"]]]");
    wsclient_close(by_number);
    wsclient_close(by_id);
    end();
}
END_TEST

START_TEST(what_cannot_be_acknowledged)
{
    begin(_i + 1, NULL);
    struct wsclient *raw = wsclient_open(site_ws(site), "/test");
    struct stream *stream = stream_open(site_ws(site), "/test", NULL);
    stream_began_at(stream, "*-*");
    resp_expect(control, "WS.SEND test x WAIT acked TIMEOUT 3000", "[2, \"*");
    wsclient_expect_text(raw, "x");
    resp_expect(control, "WS.SEND @client:c1 x WAIT acked TIMEOUT 3000",
                "[1, null, [\"unsupported\", 1], [[\"c1\", \"unsupported\"]]]");
    resp_expect(control, "WS.SEND @client:c2 x WAIT acked TIMEOUT 3000",
                "[1, null, [\"unsupported\", 1], [[\"c2\", \"unsupported\"]]]");
    resp_expect(control, "WS.SEND @client:c2 x WAIT ponged TIMEOUT 3000",
                "[1, null, [\"unsupported\", 1], [[\"c2\", \"unsupported\"]]]");
    resp_expect(control, "WS.SEND @client:c2 x WAIT handed TIMEOUT 3000", "[1, null, [\"handed\", 1], []]");
    stream_free(stream);
    wsclient_free(raw);
    end();
}
END_TEST

START_TEST(ponged)
{
    begin(_i + 1, NULL);
    struct wsclient *c = visit("/test");
    resp_send(control, "WS.SEND", "test", "x", "WAIT", "ponged", NULL);
    v1_expect(c, "{\"ch\":\"test\",\"id\":\"*\",\"data\":\"x\"}"); /* nothing for the page to do */
    v1_expect_nothing(c);                                          /* the client has answered the ping */
    resp_expect_next(control, "[1, \"*");
    resp_send(control, "WS.SEND", "@client:c1", "x", "WAIT", "ponged", NULL);
    v1_expect(c, "{\"data\":\"x\"}");
    v1_expect_nothing(c);
    resp_expect_next(control, "[1, null, [\"ponged\", 1], []]");
    wsclient_close(c);
    end();
}
END_TEST

/* ---- targets ---- */

/* Each connection once, and as many as the reply says. */
START_TEST(each_connection_once)
{
    begin(_i + 1, "subscribe = any\n");
    struct wsclient *c = v1_visit(site_ws(site), "/a/1", ALICE);
    struct wsclient *d = v1_visit(site_ws(site), "/a/2", ALICE);
    struct wsclient *raw = wsclient_open(site_ws(site), "/a/3");
    struct stream *stream = stream_open(site_ws(site), "/b/1", NULL);
    ask(c, "{\"sub\":[\"a/2\",\"a/3\",\"b/1\"]}", "{\"sub\":{\"ch\":\"a/2\",*}}");
    v1_expect(c, "{\"sub\":{\"ch\":\"a/3\",*}}");
    v1_expect(c, "{\"sub\":{\"ch\":\"b/1\",*}}");
    ask(d, "{\"sub\":[\"a/1\"]}", "{\"sub\":*}");
    resp_expect(control, "PUBLISH @match:a/* m", "3");
    resp_expect(control, "PUBLISH @match:** mm", "4");
    resp_expect(control, "PUBLISH @user:alice u", "2");
    resp_expect(control, "PUBLISH @all all", "4");
    resp_expect(control, "PUBLISH @match:z/* z", "0");
    resp_expect(control, "PUBLISH @match:b/* b", "2");
    static const char *const to_c[] = {"m", "mm", "u", "all", "b"}, *const to_d[] = {"m", "mm", "u", "all"};
    for (size_t i = 0; i < 5; i++)
        v1_expect(c, text_of("{\"data\":\"%s\"}", to_c[i]));
    for (size_t i = 0; i < 4; i++)
        v1_expect(d, text_of("{\"data\":\"%s\"}", to_d[i]));
    wsclient_expect_text(raw, "m");
    wsclient_expect_text(raw, "mm");
    wsclient_expect_text(raw, "all");
    stream_expect(stream, "message", "mm");
    stream_expect(stream, "message", "all");
    stream_expect(stream, "message", "b");
    v1_expect_nothing(c);
    v1_expect_nothing(d);
    resp_send(control, "WS.SEND", "@match:a/*", "x", "WAIT", "handed", NULL);
    resp_expect_next(control, "[3, null, [\"handed\", 3], []]");
    struct resp_value *v = resp_call(control, "WS.LIST", "@match:**", NULL);
    ck_assert_uint_eq(v->count, 4);
    resp_value_free(v);
    wsclient_free(c);
    wsclient_free(d);
    wsclient_free(raw);
    stream_free(stream);
    end();
}
END_TEST

/* What a connection of the control socket does runs in order, across targets too. */
START_TEST(order_across_channels)
{
    enum { MESSAGES = 600 };
    begin(_i + 1, "subscribe = any\n");
    struct wsclient *c = visit("/a"), *d = visit("/a"); /* several subscribers: messages are gathered */
    ask(c, "{\"sub\":[\"b\"]}", "{\"sub\":*}");
    ask(d, "{\"sub\":[\"b\"]}", "{\"sub\":*}");
    for (int i = 0; i < MESSAGES; i++)
        resp_send(control, "PUBLISH",
                  i % 7 == 3   ? "@all"
                  : i % 5 == 2 ? "@match:a"
                  : i % 2      ? "a"
                               : "b",
                  text_of("%d", i), NULL);
    for (int i = 0; i < MESSAGES; i++)
        resp_expect_next(control, "2");
    for (int i = 0; i < MESSAGES; i++) {
        v1_expect(c, text_of("{*\"data\":\"%d\"}", i));
        v1_expect(d, text_of("{*\"data\":\"%d\"}", i));
    }
    wsclient_close(c);
    wsclient_close(d);
    end();
}
END_TEST

START_TEST(closed_by_another_channel)
{
    begin(_i + 1, "subscribe = any\n");
    struct wsclient *c = visit("/test"), *d = visit("/test");
    ask(c, "{\"sub\":[\"news\"]}", "{\"sub\":*}");
    resp_expect(control, "WS.CLOSE news 4000 bye", "1");
    ck_assert_str_eq(wsclient_expect_close(c, 4000), "bye");
    ask(d, "{\"ping\":1}", "{\"pong\":1}");
    resp_expect(control, "WS.CLOSE @match:** 4001", "1");
    wsclient_expect_close(d, 4001);
    wsclient_free(c);
    wsclient_free(d);
    info_until(control, "channels", 0);
    end();
}
END_TEST

/* ---- another configuration ---- */

START_TEST(reload)
{
    begin(_i + 1, "subscribe = any\nchannel \"echo\" { inbound = echo }\n");
    struct wsclient *c = visit("/test"), *gone = visit("/test");
    ask(c, "{\"sub\":[\"news\",\"echo\"]}", "{\"sub\":{\"ch\":\"news\",*}}");
    v1_expect(c, "{\"sub\":{\"ch\":\"echo\",*}}");
    ask(gone, "{\"sub\":[\"news\"]}", "{\"sub\":*}");
    ask(gone, "{\"unsub\":[\"test\"]}", "{\"unsub\":*}"); /* it is on no channel of its own */
    char *path = strdup(site_path(site, "wspush.conf"));
    char *text = site_read_file(path, NULL);
    const char *rest = strstr(text, "subscribe = any");
    ck_assert(rest != NULL);
    char *changed = NULL;
    ck_assert(
        asprintf(&changed,
                 "%.*ssubscribe = own\nchannel \"echo\" { inbound = off }\nchannel \"news\" { inbound = "
                 "publish subscribe = any }\nchannel \"test\" { inbound = echo }\n",
                 (int)(rest - text), text) > 0);
    site_write_file(site, "wspush.conf", changed);
    struct resp_value *v = resp_call(control, "WS.RELOAD", NULL);
    char *reply = resp_text(v);
    ck_assert_msg(v->type == '*', "%s", reply);
    expect_message(c, "echo", publish("echo", "still there"), "still there");
    ask(c, "{\"data\":\"x\"}", "{\"ch\":\"test\",\"data\":\"x\"}");
    expect_error(c, "{\"sub\":[\"more\"]}", "forbidden");
    v1_say(c, "{\"ch\":\"news\",\"data\":\"loud\"}");
    v1_expect(c, "{\"ch\":\"news\",\"id\":\"*\",\"data\":\"loud\"}");
    v1_expect(gone, "{\"ch\":\"news\",\"id\":\"*\",\"data\":\"loud\"}");
    ask(gone, "{\"sub\":[\"test\"]}", "{\"sub\":{\"ch\":\"test\",*}}");
    ask(gone, "{\"data\":\"mine\"}", "{\"ch\":\"test\",\"data\":\"mine\"}");
    free(reply);
    resp_value_free(v);
    free(changed);
    free(text);
    free(path);
    wsclient_close(c);
    wsclient_close(gone);
    end();
}
END_TEST

/* Channels come and go all the time, by many: nothing stays behind. */
START_TEST(coming_and_going)
{
    enum { CLIENTS = 20, ROUNDS = 30 };
    struct wsclient *c[CLIENTS];
    begin(_i + 1, "subscribe = any\nrequests = 0\n");
    for (int i = 0; i < CLIENTS; i++)
        c[i] = visit(text_of("/own/%d", i % 5));
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            v1_say(c[i], "{\"sub\":[\"x/%d\",\"x/%d\",\"x/%d\"]}", (i + round) % 7, 10 + (i + round) % 3,
                   20 + i);
            if (i % 3)
                v1_say(c[i], "{\"unsub\":[\"x/%d\"]}", (i + round) % 7);
        }
        resp_integer(control, text_of("PUBLISH @match:x/* %d", round));
        for (int i = 0; i < CLIENTS; i++) {
            v1_say(c[i], "{\"unsub\":[\"x/%d\",\"x/%d\",\"x/%d\"]}", (i + round) % 7, 10 + (i + round) % 3,
                   20 + i);
            v1_say(c[i], "{\"ping\":%d}", round);
            while (strcmp(v1_next(c[i]), text_of("{\"pong\":%d}", round)) != 0)
                ;
        }
    }
    for (int i = 0; i < CLIENTS; i++) { /* an answer by the hub comes behind all that went there */
        v1_say(c[i], "{\"unsub\":[\"end\"]}");
        while (!v1_like(v1_next(c[i]), "{\"error\":{*\"ch\":\"end\"}}"))
            ;
    }
    ck_assert_int_eq(info_get(control, "channels"), 5);
    for (int i = 0; i < CLIENTS; i++)
        wsclient_close(c[i]);
    info_until(control, "channels", 0);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("v1");
    TCase *tc = tcase_create("v1");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, hello_comes_first, 0, 2);
    tcase_add_test(tc, protocol_is_chosen);
    tcase_add_loop_test(tc, several_channels, 0, 2);
    tcase_add_loop_test(tc, own_channel_left_and_back, 0, 2);
    tcase_add_loop_test(tc, who_may_take_a_channel, 0, 2);
    tcase_add_loop_test(tc, already_there, 0, 2);
    tcase_add_loop_test(tc, channels_per_client, 0, 2);
    tcase_add_loop_test(tc, exactly_what_was_missed, 0, 2);
    tcase_add_loop_test(tc, left_while_catching_up, 0, 2);
    tcase_add_loop_test(tc, overtaken_while_catching_up, 0, 2);
    tcase_add_loop_test(tc, dropped_where_it_is_said, 0, 2);
    tcase_add_loop_test(tc, positions_that_are_gone, 0, 2);
    tcase_add_loop_test(tc, positions_that_are_none, 0, 2);
    tcase_add_loop_test(tc, said_to_the_inbox, 0, 2);
    tcase_add_loop_test(tc, words_of_the_gone, 0, 2);
    tcase_add_loop_test(tc, said_by_each_rule, 0, 2);
    tcase_add_loop_test(tc, compressed, 0, 2);
    tcase_add_loop_test(tc, pings_and_pieces, 0, 2);
    tcase_add_test(tc, errors_of_each_code);
    tcase_add_loop_test(tc, eight_faults_are_the_end, 0, 2);
    tcase_add_loop_test(tc, requests_a_second, 0, 2);
    tcase_add_loop_test(tc, acknowledged, 0, 2);
    tcase_add_loop_test(tc, what_cannot_be_acknowledged, 0, 2);
    tcase_add_loop_test(tc, ponged, 0, 2);
    tcase_add_loop_test(tc, each_connection_once, 0, 2);
    tcase_add_loop_test(tc, order_across_channels, 0, 2);
    tcase_add_loop_test(tc, closed_by_another_channel, 0, 2);
    tcase_add_loop_test(tc, reload, 0, 2);
    tcase_add_loop_test(tc, coming_and_going, 0, 2);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
