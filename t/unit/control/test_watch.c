/* Topics by name and by pattern: what may be watched, who gets what, and that the hub is asked for exactly
 * the kinds that somebody wants. Sessions are real ones, on a loop that is never run. */
#include "control/watch.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/dispatch.h"

static struct loop loop;
static struct hub hub;
static struct control control;
static struct websocket *ws;
static int ends[2];

enum { ONE, TWO };

static struct session *session(int which)
{
    const struct list *l = control.sessions.next;
    return LIST_ENTRY(which == ONE ? l : l->next, struct session, all);
}

static void begin(void)
{
    ck_assert_int_eq(loop_init(&loop, sizeof(struct mail)), 0);
    hub = (struct hub){0};
    control = (struct control){.loop = &loop, .hub = &hub};
    list_init(&control.sessions);
    list_init(&control.watch.monitors);
    ws = websocket_new();
    for (int i = 0; i < 2; i++) {
        int pair[2];
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        session_adopt(&control, pair[0]);
        ends[i] = pair[1];
    }
}

static void end(void)
{
    while (!list_empty(&control.sessions))
        session_free(LIST_ENTRY(control.sessions.next, struct session, all));
    ck_assert_uint_eq(hub.watched, 0);
    ck_assert_uint_eq(control.watch.subscriptions, 0);
    ck_assert(!control.watch.names && !control.watch.patterns && list_empty(&control.watch.monitors));
    close(ends[ONE]);
    close(ends[TWO]);
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

START_TEST(the_hub_is_asked)
{
    begin();
    ck_assert_uint_eq(hub.watched, 0);
    add(ONE, "t");
    add(TWO, "t");
    add(TWO, "t");
    ck_assert_uint_eq(hub.watched, SIGHT_PUSHED);
    add_pattern(ONE, "@ev*:t");
    ck_assert_uint_eq(hub.watched, SIGHT_PUSHED | SIGHT_SAID | SIGHT_OPENED | SIGHT_CLOSED);
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
    ck_assert_uint_eq(hub.watched, SIGHT_SAID | SIGHT_OPENED | SIGHT_CLOSED);
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

START_TEST(room)
{
    begin();
    int most;
    ck_assert_ptr_null(watch_no_room(session(ONE), false, SUBSCRIPTIONS_MAX, &most));
    ck_assert_ptr_nonnull(watch_no_room(session(ONE), false, SUBSCRIPTIONS_MAX + 1, &most));
    ck_assert_int_eq(most, SUBSCRIPTIONS_MAX);
    ck_assert_ptr_null(watch_no_room(session(ONE), true, PATTERNS_MAX, &most));
    add_pattern(TWO, "p");
    ck_assert_ptr_nonnull(watch_no_room(session(ONE), true, PATTERNS_MAX, &most));
    ck_assert_int_eq(most, PATTERNS_MAX);
    control.watch.subscriptions += SUBSCRIPTIONS_IN_ALL - 1;
    ck_assert_ptr_nonnull(watch_no_room(session(ONE), false, 1, &most));
    ck_assert_int_eq(most, SUBSCRIPTIONS_IN_ALL);
    control.watch.subscriptions -= SUBSCRIPTIONS_IN_ALL - 1;
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
    tcase_add_test(tc, the_hub_is_asked);
    tcase_add_test(tc, between_replies);
    tcase_add_test(tc, behind_a_late_reply);
    tcase_add_test(tc, room);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
