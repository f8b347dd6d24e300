/* Topics by name and by pattern: what may be watched, who gets what, and that the hub is asked for exactly
 * the kinds that somebody wants. Sessions are real ones, on a loop that is never run. */
#include "control/watch.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/dispatch.h"
#include "control/unasked.h"

static struct loop loop;
static struct hub hub;
static struct control control;
static struct websocket *ws;
enum { ONE, TWO, SESSIONS_MAX = 20 };
static int ends[SESSIONS_MAX];
static int sessions;

static struct session *session(int which)
{
    const struct list *l = control.sessions.next;
    while (which--)
        l = l->next;
    return LIST_ENTRY(l, struct session, all);
}

static void begin_with(int count)
{
    sessions = count;
    ck_assert_int_eq(loop_init(&loop, sizeof(struct mail)), 0);
    hub = (struct hub){0};
    control = (struct control){.loop = &loop, .hub = &hub};
    list_init(&control.sessions);
    list_init(&control.watch.monitors);
    ws = websocket_new();
    for (int i = 0; i < sessions; i++) {
        int pair[2];
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        session_adopt(&control, pair[0]);
        ends[i] = pair[1];
    }
}

static void begin(void)
{
    begin_with(2);
}

static void end(void)
{
    while (!list_empty(&control.sessions))
        session_free(LIST_ENTRY(control.sessions.next, struct session, all));
    ck_assert_uint_eq(hub.watched, 0);
    ck_assert_uint_eq(control.watch.subscriptions, 0);
    ck_assert_uint_eq(control.watch.unread, 0);
    ck_assert(!control.watch.names && !control.watch.patterns && list_empty(&control.watch.monitors));
    for (int i = 0; i < sessions; i++)
        close(ends[i]);
    websocket_free(ws);
    loop_fini(&loop);
}

static void add(int which, const char *name)
{
    watch_add(session(which), false, name, strlen(name));
}

static void add_pattern(int which, const char *pattern)
{
    watch_add(session(which), true, pattern, strlen(pattern));
}

static void pushed(const char *channel, const char *text)
{
    struct msg *m = msg_new(ws, WEBSOCKET_TEXT, text, strlen(text));
    watch_see(
        &control,
        &(struct sight){.kind = SIGHT_PUSHED, .channel = channel, .channel_len = strlen(channel), .msg = m});
    msg_unref(m);
}

/* What the session would write, which is then forgotten. */
static void expect_out(int which, const char *text)
{
    struct buf *out = &session(which)->out;
    ck_assert_str_eq(buf_str(out), text);
    buf_clear(out);
}

static bool may_watch(const char *name)
{
    return !watch_name_fault(name, strlen(name));
}

static bool matches(const char *pattern, const char *name)
{
    return watch_matches(pattern, strlen(pattern), name, strlen(name));
}

START_TEST(names)
{
    ck_assert(may_watch("test") && may_watch("a/b") && may_watch("@in:test") && may_watch("@events:a/b"));
    ck_assert(!may_watch("") && !may_watch("@in:") && !may_watch("@in") && !may_watch("@events:a b"));
    ck_assert(!may_watch("@all") && !may_watch("@client:c1") && !may_watch("@in:@in:x") &&
              !may_watch("@IN:x"));
    ck_assert(!watch_pattern_fault("@in:**", 6) && watch_pattern_fault("[", 1));
    char name[300] = "@events:";
    memset(name + 8, 'x', 200);
    ck_assert(may_watch(name));
    name[208] = 'x';
    ck_assert(!may_watch(name));
}
END_TEST

START_TEST(what_matches)
{
    ck_assert(matches("**", "a/b") && matches("*", "a") && !matches("*", "a/b"));
    ck_assert(!matches("**", "@in:a") && !matches("?in:a", "@in:a") && !matches("[@]in:a", "@in:a"));
    ck_assert(!matches("\\@in:a", "@in:a") && !matches("", "@in:a") && !matches("@**", "a"));
    ck_assert(matches("@**", "@in:a/b") && matches("@in:**", "@in:a/b") && !matches("@in:*", "@in:a/b"));
    ck_assert(matches("@*:a", "@in:a") && matches("@*:a", "@events:a") && !matches("@in:**", "@events:a"));
}
END_TEST

START_TEST(who_gets_what)
{
    begin();
    session(TWO)->proto = 3;
    add(ONE, "t");
    add(TWO, "t");
    add(TWO, "@in:t");
    add_pattern(TWO, "t*");
    add_pattern(ONE, "u*");
    pushed("t", "hi");
    expect_out(ONE, "*3\r\n$7\r\nmessage\r\n$1\r\nt\r\n$2\r\nhi\r\n");
    expect_out(TWO, ">3\r\n$7\r\nmessage\r\n$1\r\nt\r\n$2\r\nhi\r\n"
                    ">4\r\n$8\r\npmessage\r\n$2\r\nt*\r\n$1\r\nt\r\n$2\r\nhi\r\n");
    watch_remove(session(TWO), false, "t", 1);
    watch_remove(session(TWO), true, "t", 1); /* a name is no pattern */
    pushed("tt", "");
    expect_out(ONE, "");
    expect_out(TWO, ">4\r\n$8\r\npmessage\r\n$2\r\nt*\r\n$2\r\ntt\r\n$0\r\n\r\n");
    watch_forget(session(TWO));
    pushed("t", "x");
    expect_out(ONE, "*3\r\n$7\r\nmessage\r\n$1\r\nt\r\n$1\r\nx\r\n");
    expect_out(TWO, "");
    end();
}
END_TEST

/* An event is one line of JSON; the last of it, the time, is not looked at. */
static void expect_event(int which, const char *line)
{
    struct buf *out = &session(which)->out;
    const char *payload = strchr(buf_str(out), '{');
    ck_assert_msg(payload && strncmp(payload, line, strlen(line)) == 0, "%s", buf_str(out));
    ck_assert_str_eq(strrchr(payload, '}'), "}\r\n");
    buf_clear(out);
}

START_TEST(users_and_clients)
{
    begin();
    struct user user = {.name = shared_name_new("a\"b", 3)};
    struct sight sight = {.channel = "t", .channel_len = 1, .user = &user};
    add(ONE, "@events:t");
    add(TWO, "@in:t");
    sight.kind = SIGHT_JOINED;
    watch_see(&control, &sight);
    expect_event(ONE, "{\"event\":\"join\",\"user\":\"a\\\"b\",\"time\":");
    sight.kind = SIGHT_LEFT;
    watch_see(&control, &sight);
    expect_event(ONE, "{\"event\":\"leave\",\"user\":\"a\\\"b\",\"time\":");
    sight.kind = SIGHT_CLOSED;
    sight.client = 42;
    sight.code = 1001;
    watch_see(&control, &sight);
    expect_event(ONE, "{\"event\":\"close\",\"client\":\"c42\",\"user\":\"a\\\"b\",\"code\":1001,\"time\":");
    sight = (struct sight){.kind = SIGHT_OPENED, .channel = "t", .channel_len = 1, .client = 43};
    watch_see(&control, &sight);
    expect_event(ONE, "{\"event\":\"open\",\"client\":\"c43\",\"time\":");
    expect_out(TWO, "");
    shared_name_unref(user.name);
    end();
}
END_TEST

START_TEST(the_hub_is_asked)
{
    begin();
    ck_assert_uint_eq(hub.watched, 0);
    add(ONE, "t");
    add(TWO, "t");
    add(TWO, "t");
    ck_assert_uint_eq(hub.watched, SIGHT_PUSHED);
    add_pattern(ONE, "@ev*:t");
    ck_assert_uint_eq(hub.watched,
                      SIGHT_PUSHED | SIGHT_SAID | SIGHT_OPENED | SIGHT_CLOSED | SIGHT_JOINED | SIGHT_LEFT);
    watch_remove(session(ONE), true, "@ev*:t", 6);
    ck_assert_uint_eq(hub.watched, SIGHT_PUSHED);
    watch_forget(session(ONE));
    ck_assert_uint_eq(hub.watched, SIGHT_PUSHED);
    ck_assert_uint_eq(watch_count(&control.watch, "t", 1), 1);
    add(ONE, "@in:t");
    watch_remove(session(TWO), false, "t", 1);
    ck_assert_uint_eq(hub.watched, SIGHT_SAID);
    ck_assert_uint_eq(session(TWO)->subscription_count, 0);
    ck_assert(!session(TWO)->watches && session(ONE)->watches);
    add(ONE, "@events:t");
    ck_assert_uint_eq(hub.watched, SIGHT_SAID | SIGHT_OPENED | SIGHT_CLOSED | SIGHT_JOINED | SIGHT_LEFT);
    end(); /* sessions that go take theirs along */
}
END_TEST

/* While parts of one reply come, what comes unasked is kept behind it. */
static void expect_written(int which, const char *text)
{
    char got[500];
    session(which)->io.ops->flush(&loop, &session(which)->io);
    ssize_t n = read(ends[which], got, sizeof got - 1);
    ck_assert_int_gt(n, 0);
    got[n] = '\0';
    ck_assert_str_eq(got, text);
}

START_TEST(between_replies)
{
    begin();
    add(ONE, "t");
    session(ONE)->in_exec = true;
    pushed("t", "a");
    expect_out(ONE, "");
    session(ONE)->in_exec = false;
    pushed("t", "b"); /* and keeps its order */
    expect_out(ONE, "");
    expect_written(ONE, "*3\r\n$7\r\nmessage\r\n$1\r\nt\r\n$1\r\na\r\n"
                        "*3\r\n$7\r\nmessage\r\n$1\r\nt\r\n$1\r\nb\r\n");
    end();
}
END_TEST

/* The confirmation waits for a reply that is late, and what comes unasked for the confirmation. */
START_TEST(behind_a_late_reply)
{
    static const struct resp_request subscribe = {2, {{"SUBSCRIBE", 9}, {"t", 1}}};
    struct reply reply;
    begin();
    struct asker asker = session_asks(session(ONE), FORM_COUNT);
    ck_assert_ptr_nonnull(session_expects(session(ONE)));
    dispatch(session(ONE), &subscribe);
    pushed("t", "a");
    expect_out(ONE, "");
    ck_assert(session_answer(&control, asker, &reply));
    resp_add_int(reply.to, 1);
    session_answered(&reply);
    expect_written(ONE, ":1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nt\r\n:1\r\n"
                        "*3\r\n$7\r\nmessage\r\n$1\r\nt\r\n$1\r\na\r\n");
    end();
}
END_TEST

/* ---- bounds ---- */

/* Words with a space between them. */
static void ask(int which, char *text)
{
    struct resp_request request = {0};
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        request.argv[request.argc++] = (struct resp_arg){word, strlen(word)};
    dispatch(session(which), &request);
}

static void ask_for(int which, const char *text, const char *reply)
{
    char words[200];
    snprintf(words, sizeof words, "%s", text);
    ask(which, words);
    expect_out(which, reply);
}

static void add_many(int which, bool pattern, int count)
{
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        watch_add(session(which), pattern, name, strlen(name));
    }
}

/* What is there already adds nothing, and what comes twice comes once. */
START_TEST(patterns_of_all)
{
    static const char full[] = "-ERR at most 256 patterns of all connections\r\n";
    begin();
    add_many(TWO, true, PATTERNS_MAX);
    ask_for(ONE, "PSUBSCRIBE n1", "*3\r\n$10\r\npsubscribe\r\n$2\r\nn1\r\n:1\r\n");
    ask_for(ONE, "PSUBSCRIBE more", full);
    ask_for(ONE, "PSUBSCRIBE n2 more", full);
    ck_assert_uint_eq(session(ONE)->subscription_count, 1);
    ck_assert_uint_eq(watch_patterns(&control.watch), PATTERNS_MAX);
    watch_remove(session(TWO), true, "n0", 2);
    ask_for(ONE, "PSUBSCRIBE more more",
            "*3\r\n$10\r\npsubscribe\r\n$4\r\nmore\r\n:2\r\n*3\r\n$10\r\npsubscribe\r\n$4\r\nmore\r\n:2\r\n");
    end();
}
END_TEST

START_TEST(subscriptions_of_one)
{
    static const char full[] = "-ERR at most 1000 subscriptions of a connection\r\n";
    begin();
    add_many(ONE, false, SUBSCRIPTIONS_MAX - 1);
    ask_for(ONE, "SUBSCRIBE a b", full);
    ask_for(ONE, "SUBSCRIBE n1 a a",
            "*3\r\n$9\r\nsubscribe\r\n$2\r\nn1\r\n:999\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1000\r\n"
            "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1000\r\n");
    ask_for(ONE, "SUBSCRIBE n1", "*3\r\n$9\r\nsubscribe\r\n$2\r\nn1\r\n:1000\r\n");
    ask_for(ONE, "SUBSCRIBE b", full);
    ask_for(ONE, "PSUBSCRIBE b", full);
    ck_assert_uint_eq(session(ONE)->subscription_count, SUBSCRIPTIONS_MAX);
    ck_assert_uint_eq(watch_names(&control.watch), SUBSCRIPTIONS_MAX);
    end();
}
END_TEST

START_TEST(subscriptions_of_all)
{
    begin();
    add(ONE, "n1");
    control.watch.subscriptions += SUBSCRIPTIONS_IN_ALL - 1; /* of others */
    ask_for(ONE, "SUBSCRIBE a", "-ERR at most 20000 subscriptions of all connections\r\n");
    ask_for(ONE, "SUBSCRIBE n1", "*3\r\n$9\r\nsubscribe\r\n$2\r\nn1\r\n:1\r\n");
    control.watch.subscriptions -= SUBSCRIPTIONS_IN_ALL - 1;
    end();
}
END_TEST

/* ---- who reads, and who does not ---- */

enum { MIB = 1 << 20 };

static void pushed_bytes(const char *channel, size_t len)
{
    char *text = malloc(len + 1);
    memset(text, 'x', len);
    text[len] = '\0';
    pushed(channel, text);
    free(text);
}

static void flush(int which)
{
    session(which)->io.ops->flush(&loop, &session(which)->io);
}

/* Reads until so many bytes have come that the session has `left` yet to write. */
static void read_until(int which, size_t left)
{
    char got[4096];
    const struct session *s = session(which);
    for (flush(which); s->out.len - s->out_sent > left; flush(which))
        ck_assert_int_gt(read(ends[which], got, sizeof got), 0);
}

/* Whoever always has a little unread is not dropped for what it has read long ago. */
START_TEST(lags_a_little)
{
    enum { SMALL = 4096, LAG = 50000, EACH = 100000 };
    int room = SMALL;
    begin();
    add(ONE, "t");
    setsockopt(session(ONE)->io.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    for (int i = 0; i < 60; i++) {
        pushed_bytes("t", EACH);
        read_until(ONE, LAG);
        ck_assert_uint_gt(session(ONE)->unread, 0);
        ck_assert_uint_le(session(ONE)->unread, LAG);
    }
    char *text = calloc(1, 5 * MIB);
    resp_add_bulk(session_reply(session(ONE)), text, 5 * MIB);
    free(text);
    pushed_bytes("t", 1);
    ck_assert_uint_eq(control.watch.dropped, 0);
    read_until(ONE, 0);
    ck_assert_uint_eq(session(ONE)->unread, 0);
    end();
}
END_TEST

/* Short ones count with all that stands around them. */
START_TEST(short_messages)
{
    begin();
    add(ONE, "t");
    for (int i = 0; i < 2000; i++)
        pushed("t", "");
    ck_assert_uint_eq(session(ONE)->unread, session(ONE)->out.len);
    ck_assert_uint_eq(control.watch.unread, session(ONE)->out.len);
    watch_forget(session(ONE));
    end();
}
END_TEST

START_TEST(does_not_read)
{
    begin();
    add(ONE, "t");
    for (int i = 0; i < 6; i++)
        pushed_bytes("t", MIB);
    ck_assert_uint_eq(control.watch.dropped, 1);
    ck_assert(session(ONE)->io.reaping);
    ck_assert_uint_eq(control.watch.unread, 0);
    ck_assert_uint_eq(session(ONE)->out.cap, 0);
    end();
}
END_TEST

/* Nobody goes for what it would have read if it had been written. */
START_TEST(not_written_yet)
{
    enum { OTHERS = UNREAD_IN_ALL - 50000 };
    begin();
    add(ONE, "t");
    control.watch.unread += OTHERS;
    pushed_bytes("t", 100000);
    ck_assert(!session(ONE)->io.reaping);
    ck_assert_uint_eq(session(ONE)->unread, 0);
    control.watch.unread -= OTHERS;
    end();
}
END_TEST

/* Over the bound of all, the one goes that has the most unread; who reads stays. */
START_TEST(all_together)
{
    begin_with(SESSIONS_MAX);
    add(ONE, "u");
    for (int i = TWO; i < SESSIONS_MAX; i++)
        add(i, "t");
    pushed_bytes("u", 5 * MIB);
    for (int round = 0; control.watch.dropped == 0 && round < 5; round++) {
        for (int i = 0; i < SESSIONS_MAX; i++)
            flush(i);
        read_until(TWO, 0);
        ck_assert_uint_gt(control.watch.unread, (uint64_t)round * 14 * MIB);
        pushed_bytes("t", MIB);
    }
    ck_assert(session(ONE)->io.reaping);
    ck_assert_uint_ge(control.watch.dropped, 1);
    for (int i = 0; i < 100; i++) {
        pushed_bytes("t", MIB);
        ck_assert_uint_le(control.watch.unread, UNREAD_IN_ALL);
        read_until(TWO, 0);
    }
    ck_assert(!session(TWO)->io.reaping);
    ck_assert_uint_eq(control.watch.dropped, SESSIONS_MAX - 1);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("watch");
    TCase *tc = tcase_create("watch");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, names);
    tcase_add_test(tc, what_matches);
    tcase_add_test(tc, who_gets_what);
    tcase_add_test(tc, users_and_clients);
    tcase_add_test(tc, the_hub_is_asked);
    tcase_add_test(tc, between_replies);
    tcase_add_test(tc, behind_a_late_reply);
    tcase_add_test(tc, patterns_of_all);
    tcase_add_test(tc, subscriptions_of_one);
    tcase_add_test(tc, subscriptions_of_all);
    tcase_add_test(tc, lags_a_little);
    tcase_add_test(tc, short_messages);
    tcase_add_test(tc, does_not_read);
    tcase_add_test(tc, not_written_yet);
    tcase_add_test(tc, all_together);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
