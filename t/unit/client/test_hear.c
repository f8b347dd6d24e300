/* WS.WAIT, READ, COUNT, HAS, LIST, CLOSE, INFO and PING through libwspush: message, nothing, timeout, closed
 * and error are results of their own. */
#include "client/wspush.h"

#include "standin.h"

#define MESSAGE "*6\r\n$2\r\nc4\r\n$4\r\ntest\r\n$4\r\ntext\r\n$5\r\na\r\nb\n\r\n:1795412345678\r\n:2\r\n"

static struct standin server;
static struct wspush *h;

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

static void check_message(const struct wspush_message *m)
{
    ck_assert_str_eq(m->client, "c4");
    ck_assert_str_eq(m->channel, "test");
    ck_assert(!m->binary);
    ck_assert_uint_eq(m->len, 5);
    ck_assert_mem_eq(m->payload, "a\r\nb\n", 6);
    ck_assert_int_eq(m->time, 1795412345678);
    ck_assert_int_eq(m->lost, 2);
}

START_TEST(wait_message)
{
    static const struct step script[] = {
        READS, SAYS(MESSAGE), READS, SAYS("*1\r\n$7\r\ntimeout\r\n"), READS, SAYS("*1\r\n$6\r\nclosed\r\n"),
        DONE};
    struct wspush_message m;
    begin(script);
    ck_assert_int_eq(wspush_wait(h, "test", -1, &m), WSPUSH_OK);
    check_message(&m);
    ck_assert_int_eq(wspush_wait(h, "test", 250, &m), WSPUSH_TIMEOUT);
    ck_assert_int_eq(wspush_wait(h, "@client:c4", 0, &m), WSPUSH_CLOSED);
    end("[WS.WAIT|test][WS.WAIT|test|TIMEOUT|250][WS.WAIT|@client:c4|TIMEOUT|0]");
}
END_TEST

/* Silence ends an iteration only where a time was asked for. */
START_TEST(next_messages)
{
    static const struct step script[] = {
        READS, SAYS(MESSAGE), READS, SAYS("*1\r\n$7\r\ntimeout\r\n"), READS, SAYS("*1\r\n$6\r\nclosed\r\n"),
        DONE};
    struct wspush_message m;
    begin(script);
    ck_assert_int_eq(wspush_next(h, "test", &m), WSPUSH_OK);
    check_message(&m);
    wspush_set_idle(h, 70);
    ck_assert_int_eq(wspush_next(h, "test", &m), WSPUSH_TIMEOUT);
    wspush_set_idle(h, 0);
    ck_assert_int_eq(wspush_next(h, "@client:c4", &m), WSPUSH_CLOSED);
    end("[WS.WAIT|test][WS.WAIT|test|TIMEOUT|70][WS.WAIT|@client:c4]");
}
END_TEST

START_TEST(read_message)
{
    static const struct step script[] = {READS, SAYS(MESSAGE),
                                         READS, SAYS("*-1\r\n"),
                                         READS, SAYS("$-1\r\n"),
                                         READS, SAYS("*1\r\n$6\r\nclosed\r\n"),
                                         READS, SAYS("-NOTARGET c9 never was\r\n"),
                                         READS, SAYS("-TIMEOUT the store\r\n"),
                                         DONE};
    struct wspush_message m;
    begin(script);
    ck_assert_int_eq(wspush_read(h, "test", &m), WSPUSH_OK);
    check_message(&m);
    ck_assert_int_eq(wspush_read(h, "test", &m), WSPUSH_EMPTY);
    ck_assert_int_eq(wspush_read(h, "test", &m), WSPUSH_EMPTY);
    ck_assert_int_eq(wspush_read(h, "@client:c4", &m), WSPUSH_CLOSED);
    ck_assert_int_eq(wspush_read(h, "@client:c9", &m), WSPUSH_NOTARGET);
    ck_assert_str_eq(wspush_error(h), "NOTARGET c9 never was");
    ck_assert_int_eq(wspush_next(h, "test", &m), WSPUSH_ERROR);
    end(NULL);
}
END_TEST

START_TEST(binary_message)
{
    static const struct step script[] = {
        READS, SAYS("*6\r\n$2\r\nc4\r\n$1\r\nx\r\n$6\r\nbinary\r\n$0\r\n\r\n:1\r\n:0\r\n"), DONE};
    struct wspush_message m;
    begin(script);
    ck_assert_int_eq(wspush_read(h, "x", &m), WSPUSH_OK);
    ck_assert(m.binary);
    ck_assert_uint_eq(m.len, 0);
    end("[WS.READ|x]");
}
END_TEST

/* A message as large as the default limit, many times what one read takes. */
START_TEST(large_message)
{
    static const struct step script[] = {READS, SAYS("*6\r\n$2\r\nc4\r\n$1\r\nx\r\n$4\r\ntext\r\n"),
                                         SAYS_BULK(1 << 20), SAYS(":1\r\n:0\r\n"), DONE};
    struct wspush_message m;
    begin(script);
    ck_assert_int_eq(wspush_read(h, "x", &m), WSPUSH_OK);
    ck_assert_uint_eq(m.len, 1 << 20);
    end("[WS.READ|x]");
}
END_TEST

START_TEST(not_a_message)
{
    static const char *const replies[] = {
        "+OK\r\n",
        ":1\r\n",
        "*0\r\n",
        "*1\r\n$5\r\nother\r\n",
        "*2\r\n$7\r\ntimeout\r\n:1\r\n",
        "*6\r\n$2\r\nc4\r\n$1\r\nx\r\n$5\r\nother\r\n$0\r\n\r\n:1\r\n:0\r\n",
        "*6\r\n$2\r\nc4\r\n$1\r\nx\r\n$4\r\ntext\r\n:5\r\n:1\r\n:0\r\n"};
    struct step script[] = {READS, SAYS(replies[_i]), READS, SAYS(replies[_i]), DONE};
    struct wspush_message m;
    begin(script);
    ck_assert_int_eq(wspush_read(h, "x", &m), WSPUSH_BADREPLY);
    ck_assert_int_eq(wspush_wait(h, "x", -1, &m), WSPUSH_BADREPLY);
    end("[WS.READ|x][WS.WAIT|x]");
}
END_TEST

/* Null answers a read, never a wait; "timeout" a wait, never a read. */
START_TEST(answers_of_the_other)
{
    static const struct step script[] = {READS, SAYS("*-1\r\n"), READS, SAYS("*1\r\n$7\r\ntimeout\r\n"),
                                         DONE};
    struct wspush_message m;
    begin(script);
    ck_assert_int_eq(wspush_wait(h, "x", -1, &m), WSPUSH_BADREPLY);
    ck_assert_int_eq(wspush_read(h, "x", &m), WSPUSH_BADREPLY);
    end(NULL);
}
END_TEST

START_TEST(wait_in_a_poll_loop)
{
    static const struct step script[] = {READS,
                                         SLEEPS(50),
                                         SAYS("*6\r\n$2\r\nc4\r\n$4\r\ntest\r\n$4\r\nte"),
                                         SLEEPS(50),
                                         SAYS("xt\r\n$5\r\na\r\nb\n\r\n:1795412345678\r\n:2\r\n"),
                                         READS,
                                         SAYS("+PONG\r\n"),
                                         DONE};
    struct wspush_message m;
    enum wspush_result result;
    int turns = 0;
    begin(script);
    ck_assert_int_eq(wspush_wait_begin(h, "test", -1), WSPUSH_OK);
    ck_assert_int_eq(wspush_wait_take(h, &m), WSPUSH_PENDING);
    ck_assert_int_eq(wspush_ping(h), WSPUSH_ERROR);
    ck_assert_int_eq(wspush_send(h, "t", "x", 1, NULL, NULL), WSPUSH_ERROR);
    while ((result = wspush_wait_take(h, &m)) == WSPUSH_PENDING) {
        ck_assert(standin_readable(wspush_fd(h), 5000));
        turns++;
    }
    ck_assert_int_eq(result, WSPUSH_OK);
    ck_assert_int_ge(turns, 2);
    check_message(&m);
    ck_assert_int_eq(wspush_wait_take(h, &m), WSPUSH_ERROR);
    ck_assert_int_eq(wspush_ping(h), WSPUSH_OK);
    end("[WS.WAIT|test][PING]");
}
END_TEST

/* Who does other things in the middle of a message has it all the same: the pause was not the worker's. */
START_TEST(a_pause_of_ours_loses_nothing)
{
    static const struct step script[] = {READS,
                                         SAYS("*6\r\n$2\r\nc4\r\n$1\r\nx\r\n$4\r\ntext\r\n"),
                                         SAYS_BULK(1000000),
                                         SAYS(":1\r\n:0\r\n"),
                                         HUSHES,
                                         DONE};
    struct wspush_message m;
    enum wspush_result result;
    begin(script);
    wspush_set_deadline(h, 1500);
    ck_assert_int_eq(wspush_wait_begin(h, "x", 100), WSPUSH_OK);
    ck_assert(standin_readable(wspush_fd(h), 5000));
    if (_i == 0)
        ck_assert_int_eq(wspush_wait_take(h, &m), WSPUSH_PENDING);
    usleep(2500000);
    while ((result = wspush_wait_take(h, &m)) == WSPUSH_PENDING)
        ck_assert(standin_readable(wspush_fd(h), 5000));
    ck_assert_msg(result == WSPUSH_OK, "%s (%s)", wspush_result_name(result), wspush_error(h));
    ck_assert_uint_eq(m.len, 1000000);
    end("[WS.WAIT|x|TIMEOUT|100]");
}
END_TEST

/* But a worker that says half a message and no more is given up, however seldom we look. */
START_TEST(half_a_message_in_a_poll_loop)
{
    static const struct step script[] = {READS, SAYS("*6\r\n$2\r\nc4\r\n"), HUSHES, DONE};
    struct wspush_message m;
    enum wspush_result result;
    int looks = 0;
    begin(script);
    wspush_set_deadline(h, 1500);
    ck_assert_int_eq(wspush_wait_begin(h, "x", -1), WSPUSH_OK);
    while ((result = wspush_wait_take(h, &m)) == WSPUSH_PENDING && looks++ < 5)
        usleep(_i ? 1200000 : 400000);
    ck_assert_int_eq(result, WSPUSH_NOANSWER);
    end(NULL);
}
END_TEST

START_TEST(times_that_are_too_long)
{
    static const struct step script[] = {READS, SAYS(MESSAGE), READS, SAYS("*0\r\n"), DONE};
    struct wspush_message m;
    size_t count = 9;
    begin(script);
    wspush_set_deadline(h, INT64_MAX);
    ck_assert_int_eq(wspush_wait(h, "x", INT64_MAX, &m), WSPUSH_OK);
    check_message(&m);
    ck_assert_int_eq(wspush_refused(h, -1, &count), WSPUSH_OK);
    end("[WS.WAIT|x|TIMEOUT|315360000000][WS.REFUSED|COUNT|0]");
}
END_TEST

START_TEST(disconnect_gives_a_wait_up)
{
    static const struct step script[] = {READS, HUSHES, HANGS_UP, READS, SAYS("+PONG\r\n"), DONE};
    begin(script);
    ck_assert_int_eq(wspush_wait_begin(h, "test", -1), WSPUSH_OK);
    wspush_disconnect(h);
    ck_assert_int_eq(wspush_fd(h), -1);
    ck_assert_int_eq(wspush_ping(h), WSPUSH_OK);
    end("[WS.WAIT|test][PING]");
}
END_TEST

START_TEST(numbers)
{
    static const struct step script[] = {READS, SAYS(":17\r\n"), READS, SAYS(":1\r\n"), READS, SAYS(":0\r\n"),
                                         READS, SAYS(":3\r\n"),  READS, SAYS(":2\r\n"), READS, SAYS(":2\r\n"),
                                         READS, SAYS("+OK\r\n"), DONE};
    int64_t n = 0;
    bool has = false;
    begin(script);
    ck_assert_int_eq(wspush_count_messages(h, "t", &n), WSPUSH_OK);
    ck_assert_int_eq(n, 17);
    ck_assert_int_eq(wspush_has_messages(h, "t", &has), WSPUSH_OK);
    ck_assert(has);
    ck_assert_int_eq(wspush_has_messages(h, "t", &has), WSPUSH_OK);
    ck_assert(!has);
    ck_assert_int_eq(wspush_close(h, "t", 0, NULL, &n), WSPUSH_OK);
    ck_assert_int_eq(n, 3);
    ck_assert_int_eq(wspush_close(h, "t", 4001, "go away", &n), WSPUSH_OK);
    ck_assert_int_eq(wspush_close(h, "t", 0, "bye", NULL), WSPUSH_OK);
    ck_assert_int_eq(wspush_count_messages(h, "t", &n), WSPUSH_BADREPLY);
    end("[WS.COUNT|t][WS.HAS|t][WS.HAS|t][WS.CLOSE|t][WS.CLOSE|t|4001|go "
        "away][WS.CLOSE|t|1000|bye][WS.COUNT|t]");
}
END_TEST

START_TEST(rows)
{
    static const struct step script[] = {
        READS,
        SAYS("*2\r\n*6\r\n$6\r\nclient\r\n$2\r\nc1\r\n$8\r\nchannels\r\n*"
             "2\r\n$1\r\na\r\n$1\r\nb\r\n$5\r\nsince\r\n:7\r\n"
             "*4\r\n$6\r\nclient\r\n$2\r\nc2\r\n$4\r\nuser\r\n$-1\r\n"),
        READS,
        SAYS("*0\r\n"),
        READS,
        SAYS("*1\r\n*4\r\n$4\r\nuser\r\n$3\r\nbob\r\n$7\r\nclients\r\n*1\r\n$2\r\nc9\r\n"),
        DONE};
    size_t count = 99;
    const char *name = NULL;
    struct wspush_value v;
    struct wspush_value item;
    begin(script);
    ck_assert_int_eq(wspush_list(h, "t", &count), WSPUSH_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert(wspush_row_get(h, 0, "channels", &v));
    ck_assert_int_eq(v.kind, WSPUSH_LIST);
    ck_assert_uint_eq(v.items, 2);
    ck_assert(wspush_item(&v, 1, &item));
    ck_assert_str_eq(item.text, "b");
    ck_assert(!wspush_item(&v, 2, &item));
    ck_assert(wspush_row_get(h, 0, "since", &v));
    ck_assert_int_eq(v.kind, WSPUSH_NUMBER);
    ck_assert_int_eq(v.number, 7);
    ck_assert(wspush_row_field(h, 1, 1, &name, &v));
    ck_assert_str_eq(name, "user");
    ck_assert_int_eq(v.kind, WSPUSH_NONE);
    ck_assert(!wspush_row_field(h, 1, 2, &name, &v));
    ck_assert(!wspush_row_get(h, 1, "since", &v));
    ck_assert(!wspush_row_field(h, 2, 0, &name, &v));
    ck_assert_int_eq(wspush_list(h, NULL, &count), WSPUSH_OK);
    ck_assert_uint_eq(count, 0);
    ck_assert(!wspush_row_field(h, 0, 0, &name, &v));
    ck_assert_int_eq(wspush_presence(h, "t", &count), WSPUSH_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert(wspush_row_get(h, 0, "clients", &v) && wspush_item(&v, 0, &item));
    ck_assert_str_eq(item.text, "c9");
    end("[WS.LIST|t][WS.LIST][WS.PRESENCE|t]");
}
END_TEST

START_TEST(not_rows)
{
    static const char *const replies[] = {"*1\r\n:1\r\n", "*1\r\n*1\r\n$1\r\na\r\n",
                                          "*1\r\n*2\r\n:1\r\n:2\r\n", "+OK\r\n"};
    struct step script[] = {READS, SAYS(replies[_i]), DONE};
    size_t count = 0;
    begin(script);
    ck_assert_int_eq(wspush_list(h, NULL, &count), WSPUSH_BADREPLY);
    end("[WS.LIST]");
}
END_TEST

START_TEST(info_and_ping)
{
    static const struct step script[] = {READS, SAYS("$9\r\na:1\r\nb:2\r\n\r\n"),
                                         READS, SAYS("$0\r\n\r\n"),
                                         READS, SAYS("+PONG\r\n"),
                                         READS, SAYS("+OK\r\n"),
                                         DONE};
    const char *text = NULL;
    size_t len = 0;
    begin(script);
    ck_assert_int_eq(wspush_info(h, NULL, &text, &len), WSPUSH_BADREPLY);
    wspush_free(h);
    standin_stop(&server, NULL);
    static const struct step right[] = {
        READS, SAYS("$8\r\na:1\r\nb:2\r\n"), READS, SAYS("+PONG\r\n"), READS, SAYS("+OK\r\n"), DONE};
    begin(right);
    ck_assert_int_eq(wspush_info(h, "clients", &text, &len), WSPUSH_OK);
    ck_assert_uint_eq(len, 8);
    ck_assert_str_eq(text, "a:1\r\nb:2");
    ck_assert_int_eq(wspush_ping(h), WSPUSH_OK);
    ck_assert_int_eq(wspush_ping(h), WSPUSH_BADREPLY);
    end("[INFO|clients][PING][PING]");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client hear");
    TCase *tc = tcase_create("hear");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, wait_message);
    tcase_add_test(tc, next_messages);
    tcase_add_test(tc, read_message);
    tcase_add_test(tc, binary_message);
    tcase_add_test(tc, large_message);
    tcase_add_loop_test(tc, not_a_message, 0, 7);
    tcase_add_test(tc, answers_of_the_other);
    tcase_add_test(tc, wait_in_a_poll_loop);
    tcase_add_loop_test(tc, a_pause_of_ours_loses_nothing, 0, 2);
    tcase_add_loop_test(tc, half_a_message_in_a_poll_loop, 0, 2);
    tcase_add_test(tc, times_that_are_too_long);
    tcase_add_test(tc, disconnect_gives_a_wait_up);
    tcase_add_test(tc, numbers);
    tcase_add_test(tc, rows);
    tcase_add_loop_test(tc, not_rows, 0, 4);
    tcase_add_test(tc, info_and_ping);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
