/*
 * What channels keep, with the real worker: every bound, positions that are gone, messages that expire, keys,
 * options that change, the bound over all channels, and wsctl history.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "figures.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

#define KEEPING "channel \"h/**\" { history_size = 3 }\n"

static struct site *site;
static struct resp *control;
static char *first_config;

static void begin(int threads, const char *config)
{
    site = site_start(
        &(struct site_options){.threads = threads, .config = config, .no_nginx = true, .no_responder = true});
    control = resp_open(site_control(site));
    ck_assert_ptr_nonnull(control);
    first_config = site_read_file(site_path(site, "wspush.conf"), NULL);
}

static void end(void)
{
    free(first_config);
    resp_free(control);
    site_stop(site);
}

/* The file as it was, with this in place of KEEPING. */
static void reload_with(const char *lines)
{
    char text[4096];
    const char *mark = strstr(first_config, KEEPING);
    ck_assert_ptr_nonnull(mark);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(mark - first_config), first_config, lines,
             mark + strlen(KEEPING));
    site_write_file(site, "wspush.conf", text);
    resp_expect(control, "WS.RELOAD", "[*");
}

/* Sends; returns the id. Valid until the next call. */
static const char *send(const char *channel, const char *payload)
{
    static char id[64];
    struct resp_value *reply = resp_call(control, "WS.SEND", channel, payload, NULL);
    ck_assert_uint_eq(reply->count, 2);
    snprintf(id, sizeof id, "%s", reply->items[1]->text);
    resp_value_free(reply);
    return id;
}

/* The id of this number in the worker's generation. */
static const char *id_of(const char *any_id, int number)
{
    static char ids[4][64];
    static int next;
    char *id = ids[next++ % 4];
    snprintf(id, sizeof ids[0], "%.*s-%d", (int)strcspn(any_id, "-"), any_id, number);
    return id;
}

static int number_of(const char *id)
{
    return atoi(strchr(id, '-') + 1);
}

/* The text with ID replaced by this one. */
static void fill(char *out, size_t cap, const char *text, const char *id)
{
    const char *mark = strstr(text, "ID");
    if (mark)
        snprintf(out, cap, "%.*s%s%s", (int)(mark - text), text, id, mark + 2);
    else
        snprintf(out, cap, "%s", text);
}

/* What WS.HISTORY answers: "1 one, 2 two", binary in brackets; or the error's first word. */
static void expect_history(const char *expected, const char *words, const char *id)
{
    char filled[160];
    char command[200];
    char said[1000] = "";
    size_t n = 0;
    fill(filled, sizeof filled, words, id);
    snprintf(command, sizeof command, "WS.HISTORY %s", filled);
    ck_assert_int_eq(resp_send_inline(control, command), 0);
    struct resp_value *reply = resp_read(control, RESP_WAIT);
    ck_assert_ptr_nonnull(reply);
    if (reply->type == '-')
        snprintf(said, sizeof said, "%.*s", (int)strcspn(reply->text, " "), reply->text);
    for (size_t i = 0; i < reply->count; i++) {
        struct resp_value *const *part = reply->items[i]->items;
        bool binary = strcmp(part[1]->text, "binary") == 0;
        ck_assert_uint_eq(reply->items[i]->count, 4);
        ck_assert(binary || strcmp(part[1]->text, "text") == 0);
        ck_assert_int_eq(part[3]->type, ':');
        ck_assert_int_lt(llabs(part[3]->integer - clock_wall_ms()), 60000);
        n += (size_t)snprintf(said + n, sizeof said - n, "%s%d %s%s%s", n ? ", " : "",
                              number_of(part[0]->text), binary ? "<" : "", part[2]->text, binary ? ">" : "");
    }
    ck_assert_msg(strcmp(said, expected) == 0, "%s: '%s', expected '%s'", command, said, expected);
    resp_value_free(reply);
}

#define EXPECT_HISTORY(expected, words) expect_history(expected, words, "")

/* ---- reading ---- */

START_TEST(the_newest_are_kept)
{
    begin(_i + 1, KEEPING);
    EXPECT_HISTORY("", "h/a");
    send("h/a", "one");
    send("h/a", "two");
    resp_expect(control, "WS.SEND h/a three BINARY", "[0, *");
    EXPECT_HISTORY("1 one, 2 two, 3 <three>", "h/a");
    send("h/b", "other");
    char *id = strdup(send("h/a", "four"));
    EXPECT_HISTORY("2 two, 3 <three>, 4 four", "h/a");
    EXPECT_HISTORY("3 <three>, 4 four", "h/a COUNT 2");
    EXPECT_HISTORY("2 two, 3 <three>, 4 four", "h/a count 99999999999");
    expect_history("2 two, 3 <three>, 4 four", "h/a SINCE ID", id_of(id, 1));
    expect_history("2 two", "h/a since ID COUNT 1", id_of(id, 1));
    expect_history("3 <three>, 4 four", "h/a COUNT 2 SINCE ID", id_of(id, 2));
    expect_history("", "h/a SINCE ID", id);
    expect_history("NOPOS", "h/a SINCE ID", id_of(id, 0));
    EXPECT_HISTORY("NOPOS", "h/a SINCE 1795412345678-2");
    expect_history("ERR", "h/a SINCE ID", id_of(id, 5));
    EXPECT_HISTORY("ERR", "h/a SINCE 17");
    EXPECT_HISTORY("ERR", "h/a SINCE");
    EXPECT_HISTORY("ERR", "h/a COUNT 0");
    EXPECT_HISTORY("ERR", "h/a COUNT many");
    EXPECT_HISTORY("ERR", "h/a LIMIT 3");
    EXPECT_HISTORY("ERR", "@all");
    EXPECT_HISTORY("BADNAME", "h//a");
    free(id);
    end();
}
END_TEST

/* The errors say which it is. */
START_TEST(why_a_position_is_none)
{
    char command[100];
    begin(1, KEEPING);
    const char *id = send("off", "x");
    send("off", "y");
    snprintf(command, sizeof command, "WS.HISTORY off SINCE %s", id_of(id, 1));
    resp_expect(control, command, "-NOPOS messages behind *");
    resp_expect(control, "WS.HISTORY off SINCE 1-1", "-NOPOS 1-1 is of another generation*");
    snprintf(command, sizeof command, "WS.HISTORY off SINCE %s", id_of(id, 3));
    char expected[100];
    snprintf(expected, sizeof expected, "-ERR %s is ahead of the channel*", id_of(id, 3));
    resp_expect(control, command, expected);
    snprintf(command, sizeof command, "WS.HISTORY off SINCE %s", id_of(id, 2));
    resp_expect(control, command, "[]"); /* it is at the head: nothing is missed */
    snprintf(command, sizeof command, "WS.HISTORY h/none SINCE %s", id_of(id, 0));
    resp_expect(control, command, "[]"); /* so is the head of a channel without any message */
    resp_expect(control, "WS.HISTORY h/none LIMITS", "[\"size\", 3, \"bytes\", 1048576, \"ttl\", 300000]");
    resp_expect(control, "WS.HISTORY off limits", "[\"size\", 0, \"bytes\", 1048576, \"ttl\", 300000]");
    resp_expect(control, "HELLO 3", "{*");
    resp_expect(control, "WS.HISTORY off LIMITS", "{\"size\": 0, \"bytes\": 1048576, \"ttl\": 300000}");
    end();
}
END_TEST

START_TEST(within_multi)
{
    begin(1, KEEPING);
    send("h/a", "one");
    resp_expect(control, "MULTI", "OK");
    for (int i = 0; i < 9; i++)
        resp_expect(control, "WS.HISTORY h/a COUNT 1", "QUEUED");
    struct resp_value *replies = resp_call(control, "EXEC", NULL);
    ck_assert_uint_eq(replies->count, 9);
    ck_assert_uint_eq(replies->items[7]->count, 1);
    ck_assert_int_eq(replies->items[8]->type, '-');
    resp_value_free(replies);
    end();
}
END_TEST

/* A large answer leaves whole, and a pipeline of them one after the other. */
START_TEST(large_answers)
{
    enum { MESSAGES = 2000, SIZE = 2000, TIMES = 20 };
    static char payload[SIZE + 1];
    memset(payload, 'x', SIZE);
    begin(1, "history_size = 10000\nhistory_bytes = 64m\n");
    for (int i = 0; i < MESSAGES; i++)
        ck_assert_int_eq(resp_send(control, "PUBLISH", "big", payload, NULL), 0);
    for (int i = 0; i < MESSAGES; i++)
        resp_expect_next(control, "0");
    long long before = site_memory(site, SITE_WORKER);
    for (int i = 0; i < TIMES; i++)
        ck_assert_int_eq(resp_send(control, "WS.HISTORY", "big", NULL), 0);
    for (int i = 0; i < TIMES; i++) {
        struct resp_value *reply = resp_read(control, RESP_WAIT);
        ck_assert_ptr_nonnull(reply);
        ck_assert_uint_eq(reply->count, MESSAGES);
        ck_assert_uint_eq(reply->items[MESSAGES - 1]->items[2]->len, SIZE);
        ck_assert_int_eq(number_of(reply->items[MESSAGES - 1]->items[0]->text), MESSAGES);
        resp_value_free(reply);
        ck_assert(sanitized || site_memory(site, SITE_WORKER) < before + 4LL * MESSAGES * SIZE);
    }
    end();
}
END_TEST

START_TEST(bytes_are_bounded)
{
    static char large[2001];
    memset(large, 'x', 2000);
    begin(1, "history_size = 100\nhistory_bytes = 1024\n");
    for (int i = 0; i < 20; i++)
        send("test", "0123456789");
    struct resp_value *reply = resp_call(control, "WS.HISTORY", "test", NULL);
    ck_assert_uint_ge(reply->count, 4);
    ck_assert_uint_le(reply->count, 10);
    resp_value_free(reply);
    send("test", large); /* the newest stays, however large */
    reply = resp_call(control, "WS.HISTORY", "test", NULL);
    ck_assert_uint_eq(reply->count, 1);
    ck_assert_uint_eq(reply->items[0]->items[2]->len, 2000);
    resp_value_free(reply);
    end();
}
END_TEST

START_TEST(what_clients_publish_is_kept_too)
{
    begin(_i + 1, "history_size = 10\ninbound = publish\n");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    wsclient_send_text(c, "said");
    wsclient_expect_text(c, "said");
    EXPECT_HISTORY("1 said", "test");
    wsclient_free(c);
    end();
}
END_TEST

/* ---- ages ---- */

/* Nobody asks for it, and it goes. */
START_TEST(old_messages_free_themselves)
{
    begin(1, "history_size = 10\nhistory_ttl = 300ms\n");
    send("a", "x");
    const char *id = send("b", "x");
    ck_assert_int_eq(info_get(control, "history_messages"), 2);
    info_until(control, "history_messages", 0);
    EXPECT_HISTORY("", "a");
    expect_history("NOPOS", "a SINCE ID", id_of(id, 0));
    expect_history("", "a SINCE ID", id_of(id, 1));
    ck_assert_int_eq(number_of(send("a", "y")), 2);
    expect_history("2 y", "a SINCE ID", id_of(id, 1));
    end();
}
END_TEST

START_TEST(a_message_may_expire_by_itself)
{
    begin(1, "history_size = 10\nhistory_ttl = 0\n");
    char *id = strdup(send("a", "one"));
    resp_expect(control, "WS.SEND a two TTL 200", "[0, *");
    resp_expect(control, "WS.SEND a three TTL 60000", "[0, *");
    EXPECT_HISTORY("1 one, 2 two, 3 three", "a");
    info_until(control, "history_messages", 2);
    EXPECT_HISTORY("1 one, 3 three", "a");
    expect_history("3 three", "a SINCE ID", id); /* nothing that one could still get is missed */
    resp_expect(control, "WS.SEND a x TTL 0", "-ERR TTL is 1 ms at least*");
    resp_expect(control, "WS.SEND a x TTL soon", "-ERR *");
    resp_expect(control, "WS.SEND a x TTL", "-ERR usage: *");
    resp_expect(control, "WS.SEND @all x TTL 100", "[0, null]");
    free(id);
    end();
}
END_TEST

/* ---- keys ---- */

static void expect_same(const char *command, const char *id)
{
    char expected[100];
    snprintf(expected, sizeof expected, "[0, \"%s\"*", id);
    resp_expect(control, command, expected);
}

START_TEST(a_key_is_sent_once)
{
    begin(_i + 1, KEEPING);
    struct wsclient *c = wsclient_open(site_ws(site), "/h/a/");
    struct resp_value *first = resp_call(control, "WS.SEND", "h/a", "first", "KEY", "k 1", NULL);
    ck_assert_int_eq(first->items[0]->integer, 1);
    expect_same("WS.SEND h/a again KEY \"k 1\"", first->items[1]->text);
    expect_same("WS.SEND h/a again WAIT handed KEY \"k 1\"", first->items[1]->text);
    resp_expect(control, "WS.SEND h/a second key k", "[1, *");
    resp_expect(control, "WS.SEND off first KEY \"k 1\"", "[0, *"); /* it counts within a channel */
    const char *id = id_of(first->items[1]->text, 1);
    expect_same("WS.SEND off again KEY \"k 1\"", id);
    EXPECT_HISTORY("1 first, 2 second", "h/a");
    ck_assert_int_eq(info_get(control, "published"), 3);
    wsclient_expect_text(c, "first");
    wsclient_expect_text(c, "second");
    resp_expect(control, "WS.SEND @all x KEY k", "-ERR KEY is for a channel*");
    resp_expect(control, "WS.SEND h/a x KEY", "-ERR usage: *");
    resp_expect(control, "WS.SEND h/a x KEY \"\"", "-ERR a KEY has 1 to 200 bytes*");
    char key[202];
    memset(key, 'k', 201);
    key[201] = '\0';
    resp_send(control, "WS.SEND", "h/a", "x", "KEY", key, NULL);
    resp_expect_next(control, "-ERR a KEY has 1 to 200 bytes, this one 201");
    resp_send(control, "WS.SEND", "h/a", "x", "KEY", key + 1, NULL);
    resp_expect_next(control, "[1, *");
    resp_value_free(first);
    wsclient_free(c);
    end();
}
END_TEST

/* ---- options that change ---- */

START_TEST(options_change)
{
    begin(_i + 1, KEEPING);
    char *id = strdup(send("h/a", "one"));
    send("h/a", "two");
    send("h/b", "one");
    reload_with("channel \"h/**\" { history_size = 1 }\n");
    EXPECT_HISTORY("2 two", "h/a");
    expect_history("NOPOS", "h/a SINCE ID", id_of(id, 0));
    reload_with("");
    EXPECT_HISTORY("", "h/a");
    expect_history("", "h/a SINCE ID", id_of(id, 2));
    reload_with(KEEPING);
    EXPECT_HISTORY("1 one", "h/b"); /* nobody has looked at it meanwhile */
    send("h/a", "three");
    EXPECT_HISTORY("3 three", "h/a");
    expect_history("NOPOS", "h/a SINCE ID", id_of(id, 1));
    expect_history("3 three", "h/a SINCE ID", id_of(id, 2));
    free(id);
    end();
}
END_TEST

/* ---- all together ---- */

/* `count` messages of `size` bytes, one after the other to so many channels; pipelined. */
static void publish_many(int count, int channels, size_t size)
{
    enum { AT_ONCE = 1000 };
    static char batch[AT_ONCE * 400];
    static char payload[300];
    memset(payload, 'x', sizeof payload);
    ck_assert_uint_lt(size, sizeof payload);
    for (int i = 0; i < count; i += AT_ONCE) {
        size_t n = 0;
        for (int k = i; k < i + AT_ONCE; k++)
            n += (size_t)sprintf(batch + n, "*3\r\n$7\r\nPUBLISH\r\n$7\r\nch-%04d\r\n$%zu\r\n%.*s\r\n",
                                 k % channels, size, (int)size, payload);
        ck_assert_int_eq(resp_send_raw(control, batch, n), 0);
        for (int k = 0; k < AT_ONCE; k++) {
            struct resp_value *reply = resp_read(control, RESP_WAIT);
            ck_assert(reply && reply->type == ':');
            resp_value_free(reply);
        }
    }
}

/* A million messages through a thousand channels: what INFO says is under the bound, and so is what the
 * worker takes of the machine, but for what malloc needs around it. */
START_TEST(a_million_messages_through_a_thousand_channels)
{
    const int messages = sanitized ? 100000 : 1000000;
    const long long total = 16 << 20;
    begin(1, "history_size = 10000\nhistory_bytes = 64m\nhistory_total = 16m\nhistory_ttl = 0\n");
    long long before = site_memory(site, SITE_WORKER);
    publish_many(messages, 1000, 100);
    long long bytes = info_get(control, "history_bytes");
    long long kept = info_get(control, "history_messages");
    long long grown = site_memory(site, SITE_WORKER) - before;
    ck_assert_int_eq(info_get(control, "history_bytes_limit"), total);
    ck_assert_int_le(bytes, total);
    ck_assert_int_ge(bytes, total - total / 10);
    ck_assert_int_eq(info_get(control, "history_trimmed"), messages - kept);
    ck_assert_int_eq(info_get(control, "history_channels"), 1000);
    ck_assert_int_ge(info_get(control, "memory_histories"), total - total / 5);
    ck_assert_msg(sanitized || grown < total + total / 4, "the worker has grown by %lld bytes", grown);
    /* all lose alike, as all got alike */
    struct resp_value *reply = resp_call(control, "WS.HISTORY", "ch-0017", NULL);
    ck_assert_int_le(llabs((long long)reply->count - kept / 1000), 2);
    ck_assert_int_eq(number_of(reply->items[reply->count - 1]->items[0]->text), messages / 1000);
    resp_value_free(reply);
    end();
}
END_TEST

/* What one channel keeps goes to the others, where it is the oldest; and a lower bound holds at once. */
START_TEST(the_oldest_of_all_goes)
{
    begin(1, "history_size = 10000\nhistory_total = 1m\n" KEEPING);
    send("old", "first");
    publish_many(10000, 10, 100);
    EXPECT_HISTORY("", "old");
    ck_assert_int_le(info_get(control, "history_bytes"), 1 << 20);
    long long kept = info_get(control, "history_messages");
    free(first_config);
    first_config = strdup("");
    char *config = site_read_file(site_path(site, "wspush.conf"), NULL);
    char *mark = strstr(config, "history_total = 1m");
    ck_assert_ptr_nonnull(mark);
    memcpy(mark, "history_total=128k", 18);
    site_write_file(site, "wspush.conf", config);
    free(config);
    resp_expect(control, "WS.RELOAD", "[[\"option\", \"history_total\"*");
    ck_assert_int_le(info_get(control, "history_bytes"), 128 * 1024);
    ck_assert_int_lt(info_get(control, "history_messages"), kept / 4);
    end();
}
END_TEST

/* ---- wsctl ---- */

/* Words separated by '|', with the id for ID. The output is to be this, where '*' at the end is anything. */
static void wsctl(const char *words, const char *id, int status, const char *expected)
{
    char copy[256];
    const char *argv[16] = {site_program("wsctl"), "--socket", site_control(site) + strlen("unix:")};
    int argc = 3;
    char *said = NULL;
    char *rest;
    fill(copy, sizeof copy, words, id);
    for (char *word = strtok_r(copy, "|", &rest); word && argc < 15; word = strtok_r(NULL, "|", &rest))
        argv[argc++] = word;
    size_t len = strlen(expected);
    bool begins = len && expected[len - 1] == '*';
    int ended = site_run(argv, NULL, &said, 10000);
    ck_assert_msg(ended == status &&
                      (begins ? strncmp(said, expected, len - 1) : strcmp(said, expected)) == 0,
                  "wsctl %s: status %d, %s", words, ended, said);
    free(said);
}

START_TEST(wsctl_history)
{
    char expected[300];
    begin(1, KEEPING);
    char *id = strdup(send("h/a", "one"));
    resp_expect(control, "WS.SEND h/a \"t w o\" BINARY", "[0, *");
    send("h/a", "thr\x1b"
                "ee");
    wsctl("history|-q|h/a", id, 0,
          "one\nt w o\nthr\x1b"
          "ee\n");
    wsctl("history|-qn1|h/a", id, 0,
          "thr\x1b"
          "ee\n");
    wsctl("history|-q|--since|ID|h/a", id, 0,
          "t w o\nthr\x1b"
          "ee\n");
    wsctl("history|-q|--since|ID|--count|1|h/a", id, 0, "t w o\n");
    snprintf(expected, sizeof expected, "%s  20*", id);
    wsctl("history|h/a", id, 0, expected);
    snprintf(expected, sizeof expected, "{\"id\":\"%s\",\"type\":\"text\",\"data\":\"one\",\"time\":17*", id);
    wsctl("history|--json|h/a", id, 0, expected);
    snprintf(expected, sizeof expected, "{\"id\":\"%s\",\"type\":\"binary\",\"b64\":\"dCB3IG8=\",\"time\":*",
             id_of(id, 2));
    wsctl("history|--json|--since|ID|h/a", id, 0, expected);
    wsctl("history|--since|ID|h/a", id_of(id, 3), 1, "wsctl: 'h/a' has got nothing since then\n");
    wsctl("history|--since|1-1|h/a", id, 1, "wsctl: NOPOS 1-1 is of another generation*");
    wsctl("history|--since|ID|h/a", id_of(id, 9), 7, "wsctl: ERR*");
    wsctl("history|--since|17|h/a", id, 2, "wsctl history: --since '17' is no id*");
    wsctl("history|--count|0|h/a", id, 2, "wsctl history: --count '0'*");
    wsctl("history", id, 2, "wsctl history: a channel is missing*");
    wsctl("history|@all", id, 2, "wsctl history: a history belongs to a channel*");
    wsctl("history|h//a", id, 2, "wsctl: BADNAME*");
    wsctl("history|h/a|h/b", id, 2, "wsctl history: 'h/b' is one argument too many*");
    wsctl("history|none", id, 1, "wsctl: 'none' keeps no messages: the option history_size is 0 there*");
    wsctl("history|-q|none", id, 1, "");
    wsctl("history|h/b", id, 1, "wsctl: 'h/b' keeps up to 3 messages, and there is none now\n");
    free(id);
    end();
}
END_TEST

START_TEST(wsctl_send_with_key_and_ttl)
{
    char expected[300];
    begin(1, "history_size = 10\n");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    wsctl("send|test|one|--key|k", "", 0, "reached 1 client, id *");
    struct resp_value *reply = resp_call(control, "WS.HISTORY", "test", NULL);
    snprintf(expected, sizeof expected,
             "reached 0 clients, id %s\nnot sent: a message with this key was, less than five minutes ago\n",
             reply->items[0]->items[0]->text);
    resp_value_free(reply);
    wsctl("send|test|again|--key|k", "", 0, expected);
    wsctl("send|test|again|-k|k|--strict|-q", "", 1, "");
    wsctl("send|test|two|--ttl|100ms", "", 0, "reached 1 client, id *");
    info_until(control, "history_messages", 1);
    wsctl("send|test|x|--ttl|0", "", 2, "wsctl send: --ttl 0*");
    wsctl("send|test|x|--key=", "", 2, "wsctl send: --key takes 1 to 200 bytes*");
    wsctl("send|test|x|--key|k|--count|2", "", 2, "wsctl send: --key is for one message*");
    wsctl("send|--all|x|--key|k", "", 2, "wsctl send: --key is for a channel*");
    wsclient_expect_text(c, "one");
    wsclient_expect_text(c, "two");
    wsclient_free(c);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("history");
    TCase *tc = tcase_create("history");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, the_newest_are_kept, 0, 2);
    tcase_add_test(tc, why_a_position_is_none);
    tcase_add_test(tc, within_multi);
    tcase_add_test(tc, large_answers);
    tcase_add_test(tc, bytes_are_bounded);
    tcase_add_loop_test(tc, what_clients_publish_is_kept_too, 0, 2);
    tcase_add_test(tc, old_messages_free_themselves);
    tcase_add_test(tc, a_message_may_expire_by_itself);
    tcase_add_loop_test(tc, a_key_is_sent_once, 0, 2);
    tcase_add_loop_test(tc, options_change, 0, 2);
    tcase_add_test(tc, a_million_messages_through_a_thousand_channels);
    tcase_add_test(tc, the_oldest_of_all_goes);
    tcase_add_test(tc, wsctl_history);
    tcase_add_test(tc, wsctl_send_with_key_and_ttl);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
