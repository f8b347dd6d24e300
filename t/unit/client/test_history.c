/* WS.HISTORY through libwspush. */
#include "client/wspush.h"

#include "standin.h"

static struct standin server;
static struct wspush *h;

static void begin(const struct step *script)
{
    standin_start(&server, script);
    h = wspush_open(server.path);
    wspush_set_deadline(h, 25000);
}

static void end(const char *commands)
{
    wspush_free(h);
    standin_stop(&server, commands);
}

START_TEST(messages)
{
    static const char two[] = "*2\r\n*4\r\n$3\r\n1-4\r\n$4\r\ntext\r\n$5\r\nhello\r\n:1795412345678\r\n"
                              "*4\r\n$3\r\n1-5\r\n$6\r\nbinary\r\n$2\r\n\r\n\r\n:1795412345679\r\n";
    static const struct step script[] = {READS, SAYS(two),      READS, SAYS("*0\r\n"), READS, SAYS(two),
                                         READS, SAYS("*0\r\n"), DONE};
    struct wspush_past m;
    size_t count = 7;
    begin(script);
    ck_assert_int_eq(wspush_history(h, "test", NULL, 0, &count), WSPUSH_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert(wspush_history_get(h, 0, &m));
    ck_assert_str_eq(m.id, "1-4");
    ck_assert(!m.binary);
    ck_assert_uint_eq(m.len, 5);
    ck_assert_str_eq(m.payload, "hello");
    ck_assert_int_eq(m.time, 1795412345678);
    ck_assert(wspush_history_get(h, 1, &m));
    ck_assert(m.binary);
    ck_assert_mem_eq(m.payload, "\r\n", 3);
    ck_assert(!wspush_history_get(h, 2, &m));
    ck_assert_int_eq(wspush_history(h, "test", "1-5", 0, &count), WSPUSH_OK);
    ck_assert_uint_eq(count, 0);
    ck_assert(!wspush_history_get(h, 0, &m));
    ck_assert_int_eq(wspush_history(h, "test", "1-3", 2, &count), WSPUSH_OK);
    ck_assert_int_eq(wspush_history(h, "test", NULL, 9, &count), WSPUSH_OK);
    end("[WS.HISTORY|test][WS.HISTORY|test|SINCE|1-5][WS.HISTORY|test|SINCE|1-3|COUNT|2]"
        "[WS.HISTORY|test|COUNT|9]");
}
END_TEST

START_TEST(a_position_that_is_gone)
{
    static const struct step script[] = {READS, SAYS("-NOPOS messages behind 1-3 are gone\r\n"), DONE};
    size_t count = 0;
    begin(script);
    ck_assert_int_eq(wspush_history(h, "test", "1-3", 0, &count), WSPUSH_NOPOS);
    ck_assert_str_eq(wspush_result_name(WSPUSH_NOPOS), "NOPOS");
    ck_assert_str_eq(wspush_error(h), "NOPOS messages behind 1-3 are gone");
    end("[WS.HISTORY|test|SINCE|1-3]");
}
END_TEST

START_TEST(limits)
{
    static const struct step script[] = {
        READS, SAYS("*6\r\n$4\r\nsize\r\n:10\r\n$5\r\nbytes\r\n:1048576\r\n$3\r\nttl\r\n:300000\r\n"), DONE};
    struct wspush_limits l;
    begin(script);
    ck_assert_int_eq(wspush_history_limits(h, "test", &l), WSPUSH_OK);
    ck_assert_int_eq(l.messages, 10);
    ck_assert_int_eq(l.bytes, 1048576);
    ck_assert_int_eq(l.ttl_ms, 300000);
    end("[WS.HISTORY|test|LIMITS]");
}
END_TEST

START_TEST(other_shapes)
{
    static const char *const replies[] = {
        ":1\r\n",
        "$-1\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n*3\r\n$1\r\na\r\n$4\r\ntext\r\n$1\r\nx\r\n",
        "*1\r\n*4\r\n$1\r\na\r\n$4\r\ntext\r\n$1\r\nx\r\n$1\r\n1\r\n",
        "*1\r\n*4\r\n:1\r\n$4\r\ntext\r\n$1\r\nx\r\n:1\r\n",
        "*4\r\n$4\r\nsize\r\n:10\r\n$5\r\nbytes\r\n:1\r\n",
        "*6\r\n$4\r\nsize\r\n:1\r\n$5\r\nbytes\r\n:1\r\n$3\r\nttl\r\n$1\r\n1\r\n"};
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        const struct step script[] = {READS, SAYS(replies[i]), READS, SAYS(replies[i]), DONE};
        struct wspush_limits l;
        size_t count;
        begin(script);
        ck_assert_int_eq(wspush_history(h, "t", NULL, 0, &count), WSPUSH_BADREPLY);
        ck_assert_int_eq(wspush_history_limits(h, "t", &l), WSPUSH_BADREPLY);
        end("[WS.HISTORY|t][WS.HISTORY|t|LIMITS]");
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("history");
    TCase *tc = tcase_create("history");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, messages);
    tcase_add_test(tc, a_position_that_is_gone);
    tcase_add_test(tc, limits);
    tcase_add_test(tc, other_shapes);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
