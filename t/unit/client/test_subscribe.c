/* Subscriptions through libwspush: events in their order, none lost to the answers between them, and TIMEOUT,
 * a worker that is gone and one that is none kept apart. */
#include "client/wspush.h"

#include "base/clock.h"
#include "standin.h"

#define ANSWER(n)     "*3\r\n$9\r\nsubscribe\r\n$4\r\ntest\r\n:" #n "\r\n"
#define IN_ANSWER(n)  "*3\r\n$10\r\npsubscribe\r\n$6\r\n@in:**\r\n:" #n "\r\n"
#define EVENT(letter) "*3\r\n$7\r\nmessage\r\n$4\r\ntest\r\n$3\r\n" letter "\r\n\r\n"
#define IN_EVENT      "*4\r\n$8\r\npmessage\r\n$6\r\n@in:**\r\n$8\r\n@in:test\r\n$0\r\n\r\n"

static struct standin server;
static struct wspush *h;
static struct wspush_event event;

static void begin(const struct step *script)
{
    standin_start(&server, script);
    h = wspush_open(server.path);
}

static void end(const char *commands)
{
    wspush_free(h);
    standin_stop(&server, commands);
}

static void expect(const char *payload)
{
    ck_assert_int_eq(wspush_event(h, 5000, &event), WSPUSH_OK);
    ck_assert_ptr_null(event.pattern);
    ck_assert_str_eq(event.name, "test");
    ck_assert_uint_eq(event.len, 3);
    ck_assert_mem_eq(event.payload, payload, 4);
}

START_TEST(names_and_patterns)
{
    static const struct step script[] = {
        READS, SAYS(ANSWER(1)), READS, SAYS(IN_ANSWER(2)), SAYS(EVENT("a") IN_EVENT), DONE};
    begin(script);
    ck_assert_int_eq(wspush_subscribe(h, "test"), WSPUSH_OK);
    ck_assert_int_eq(wspush_psubscribe(h, "@in:**"), WSPUSH_OK);
    expect("a\r\n");
    ck_assert_int_eq(wspush_event(h, 5000, &event), WSPUSH_OK);
    ck_assert_str_eq(event.pattern, "@in:**");
    ck_assert_str_eq(event.name, "@in:test");
    ck_assert_uint_eq(event.len, 0);
    ck_assert_str_eq(event.payload, "");
    end("[subscribe|test][psubscribe|@in:**]");
}
END_TEST

/* What comes before the second answer is handed out, and in its order. */
START_TEST(events_between_answers)
{
    static const struct step script[] = {READS, SAYS(ANSWER(1) EVENT("a")), READS,
                                         SAYS(EVENT("b") EVENT("c") IN_ANSWER(2) EVENT("d")), DONE};
    begin(script);
    ck_assert_int_eq(wspush_subscribe(h, "test"), WSPUSH_OK);
    ck_assert_int_eq(wspush_psubscribe(h, "@in:**"), WSPUSH_OK);
    expect("a\r\n");
    expect("b\r\n");
    expect("c\r\n");
    expect("d\r\n");
    end(NULL);
}
END_TEST

START_TEST(kept_events_are_freed)
{
    static const struct step script[] = {READS, SAYS(ANSWER(1)), READS, SAYS(EVENT("b") IN_ANSWER(2)), DONE};
    begin(script);
    ck_assert_int_eq(wspush_subscribe(h, "test"), WSPUSH_OK);
    ck_assert_int_eq(wspush_psubscribe(h, "@in:**"), WSPUSH_OK);
    end(NULL);
}
END_TEST

/* A false worker can't fill our memory by never answering. */
START_TEST(kept_events_are_bounded)
{
    static const struct step script[] = {
        READS, SAYS(ANSWER(1)), READS, SAYS(EVENT("a") EVENT("b") EVENT("c") EVENT("d")), HUSHES, DONE};
    begin(script);
    wspush_set_reply_limit(h, 500);
    ck_assert_int_eq(wspush_subscribe(h, "test"), WSPUSH_OK);
    ck_assert_int_eq(wspush_psubscribe(h, "@in:**"), WSPUSH_BADREPLY);
    ck_assert_int_eq(wspush_fd(h), -1);
    ck_assert_int_eq(wspush_event(h, 0, &event), WSPUSH_ERROR);
    end(NULL);
}
END_TEST

START_TEST(a_refused_name_leaves_the_others)
{
    static const struct step script[] = {READS, SAYS("-BADNAME '@x': no name\r\n"),
                                         READS, SAYS(ANSWER(1)),
                                         READS, SAYS(EVENT("a") "-ERR at most 1 of them\r\n"),
                                         DONE};
    begin(script);
    ck_assert_int_eq(wspush_subscribe(h, "@x"), WSPUSH_BADNAME);
    ck_assert_str_eq(wspush_error(h), "BADNAME '@x': no name");
    ck_assert_int_eq(wspush_event(h, 0, &event), WSPUSH_ERROR);
    ck_assert_int_eq(wspush_subscribe(h, "test"), WSPUSH_OK);
    ck_assert_int_eq(wspush_psubscribe(h, "@in:**"), WSPUSH_ERROR);
    ck_assert_str_eq(wspush_error(h), "ERR at most 1 of them");
    expect("a\r\n");
    end(NULL);
}
END_TEST

START_TEST(silence_is_a_timeout)
{
    static const struct step script[] = {READS, SAYS(ANSWER(1)), HUSHES, DONE};
    begin(script);
    ck_assert_int_eq(wspush_subscribe(h, "test"), WSPUSH_OK);
    int64_t began = clock_mono_ms();
    ck_assert_int_eq(wspush_event(h, 120, &event), WSPUSH_TIMEOUT);
    ck_assert_int_ge(clock_mono_ms() - began, 120);
    ck_assert_str_eq(wspush_error(h), "");
    ck_assert_int_eq(wspush_event(h, 0, &event), WSPUSH_TIMEOUT);
    end(NULL);
}
END_TEST

START_TEST(in_a_poll_loop)
{
    static const struct step script[] = {READS,      SAYS(ANSWER(1) EVENT("a") "*3\r\n$7\r\nmess"),
                                         SLEEPS(60), SAYS("age\r\n$4\r\ntest\r\n$3\r\nb\r\n\r\n" EVENT("c")),
                                         HUSHES,     DONE};
    struct buf seen = {0};
    begin(script);
    ck_assert_int_eq(wspush_subscribe(h, "test"), WSPUSH_OK);
    while (seen.len < 3) {
        enum wspush_result result = wspush_event(h, 0, &event);
        if (result == WSPUSH_TIMEOUT) {
            ck_assert(standin_readable(wspush_fd(h), 5000));
            continue;
        }
        ck_assert_int_eq(result, WSPUSH_OK);
        buf_add(&seen, event.payload, 1);
    }
    ck_assert_str_eq(buf_str(&seen), "abc");
    buf_fini(&seen);
    end(NULL);
}
END_TEST

/* All that came before the end is handed out; then it is said, and nothing pretends that it goes on. */
START_TEST(the_worker_goes)
{
    static const struct step script[] = {
        READS, SAYS(ANSWER(1) EVENT("a") EVENT("b")), HANGS_UP, READS, SAYS(ANSWER(1) EVENT("c")), DONE};
    begin(script);
    ck_assert_int_eq(wspush_subscribe(h, "test"), WSPUSH_OK);
    expect("a\r\n");
    expect("b\r\n");
    ck_assert_int_eq(wspush_event(h, 5000, &event), WSPUSH_NOWORKER);
    ck_assert_int_eq(wspush_event(h, 5000, &event), WSPUSH_ERROR);
    ck_assert_int_eq(wspush_subscribe(h, "test"), WSPUSH_OK);
    expect("c\r\n");
    end("[subscribe|test][subscribe|test]");
    ck_assert_int_eq(server.connections, 2);
}
END_TEST

START_TEST(the_worker_goes_before_an_answer)
{
    static const struct step script[] = {READS, SAYS(ANSWER(1) EVENT("a")), READS, HANGS_UP, DONE};
    begin(script);
    ck_assert_int_eq(wspush_subscribe(h, "test"), WSPUSH_OK);
    ck_assert_int_eq(wspush_psubscribe(h, "@in:**"), WSPUSH_NOWORKER);
    ck_assert_int_eq(wspush_event(h, 0, &event), WSPUSH_ERROR);
    end(NULL);
}
END_TEST

/* An event that has begun may take as long as a call, and no longer. */
START_TEST(an_event_that_does_not_end)
{
    static const struct step script[] = {READS, SAYS(ANSWER(1) "*3\r\n$7\r\nmessage\r\n"), HUSHES, DONE};
    begin(script);
    wspush_set_deadline(h, 200);
    ck_assert_int_eq(wspush_subscribe(h, "test"), WSPUSH_OK);
    ck_assert_int_eq(wspush_event(h, -1, &event), WSPUSH_NOANSWER);
    ck_assert_int_eq(wspush_event(h, -1, &event), WSPUSH_ERROR);
    end(NULL);
}
END_TEST

/* Who was away for longer than a call may take finds everything. */
START_TEST(a_caller_that_was_away)
{
    static const struct step script[] = {READS,
                                         SAYS(ANSWER(1) EVENT("a") "*3\r\n$7\r\nmessage\r\n$4\r\ntest\r\n"),
                                         SAYS_BULK(300000), HUSHES, DONE};
    begin(script);
    wspush_set_deadline(h, 50);
    ck_assert_int_eq(wspush_subscribe(h, "test"), WSPUSH_OK);
    expect("a\r\n");
    usleep(150000);
    ck_assert_int_eq(wspush_event(h, 5000, &event), WSPUSH_OK);
    ck_assert_uint_eq(event.len, 300000);
    end(NULL);
}
END_TEST

START_TEST(not_an_event)
{
    static const char *const replies[] = {
        "+OK\r\n",
        ":1\r\n",
        "-ERR no\r\n",
        "*3\r\n$7\r\nmessage\r\n$4\r\ntest\r\n:1\r\n",
        "*2\r\n$7\r\nmessage\r\n$4\r\ntest\r\n",
        "*3\r\n$8\r\npmessage\r\n$4\r\ntest\r\n$0\r\n\r\n",
        "*4\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n",
        "*5\r\n$8\r\npmessage\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n",
        ANSWER(2)};
    struct step script[] = {READS, SAYS(ANSWER(1)), SAYS(replies[_i]), HUSHES, DONE};
    begin(script);
    ck_assert_int_eq(wspush_subscribe(h, "test"), WSPUSH_OK);
    ck_assert_int_eq(wspush_event(h, 5000, &event), WSPUSH_BADREPLY);
    ck_assert_int_eq(wspush_fd(h), -1);
    end(NULL);
}
END_TEST

START_TEST(not_an_answer)
{
    static const char *const replies[] = {"+OK\r\n", IN_ANSWER(1), ANSWER(0),
                                          "*3\r\n$9\r\nsubscribe\r\n$5\r\nother\r\n:1\r\n"};
    struct step script[] = {READS, SAYS(replies[_i]), HUSHES, DONE};
    begin(script);
    ck_assert_int_eq(wspush_subscribe(h, "test"), WSPUSH_BADREPLY);
    ck_assert_int_eq(wspush_event(h, 0, &event), WSPUSH_ERROR);
    end(NULL);
}
END_TEST

START_TEST(calls_need_another_handle)
{
    static const struct step script[] = {READS, SAYS(ANSWER(1) EVENT("a")), HUSHES, HANGS_UP,
                                         READS, SAYS("+PONG\r\n"),          DONE};
    struct wspush_message m;
    struct wspush_sent sent;
    begin(script);
    ck_assert_int_eq(wspush_subscribe(h, "test"), WSPUSH_OK);
    ck_assert_int_eq(wspush_ping(h), WSPUSH_ERROR);
    ck_assert_int_eq(wspush_wait(h, "test", 0, &m), WSPUSH_ERROR);
    ck_assert_int_eq(wspush_send(h, "test", "x", 1, NULL, &sent), WSPUSH_ERROR);
    ck_assert_int_eq(sent.published, WSPUSH_NOT_PUBLISHED);
    ck_assert_int_eq(wspush_send_queue(h, "test", "x", 1, NULL), WSPUSH_ERROR);
    expect("a\r\n");
    wspush_disconnect(h);
    ck_assert_int_eq(wspush_event(h, 0, &event), WSPUSH_ERROR);
    ck_assert_int_eq(wspush_ping(h), WSPUSH_OK);
    end("[subscribe|test][PING]");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client subscribe");
    TCase *tc = tcase_create("subscribe");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, names_and_patterns);
    tcase_add_test(tc, events_between_answers);
    tcase_add_test(tc, kept_events_are_freed);
    tcase_add_test(tc, kept_events_are_bounded);
    tcase_add_test(tc, a_refused_name_leaves_the_others);
    tcase_add_test(tc, silence_is_a_timeout);
    tcase_add_test(tc, in_a_poll_loop);
    tcase_add_test(tc, the_worker_goes);
    tcase_add_test(tc, the_worker_goes_before_an_answer);
    tcase_add_test(tc, an_event_that_does_not_end);
    tcase_add_test(tc, a_caller_that_was_away);
    tcase_add_loop_test(tc, not_an_event, 0, 9);
    tcase_add_loop_test(tc, not_an_answer, 0, 4);
    tcase_add_test(tc, calls_need_another_handle);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
