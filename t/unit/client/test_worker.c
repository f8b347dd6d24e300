/* WS.DRAIN and WS.RELOAD through libwspush. */
#include "client/wspush.h"

#include "standin.h"

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

START_TEST(drain)
{
    static const struct step script[] = {READS,          SAYS(":41\r\n"), READS,
                                         SAYS(":0\r\n"), READS,           SAYS("-ERR too long\r\n"),
                                         READS,          SAYS("+OK\r\n"), DONE};
    int64_t asked = 0;
    begin(script);
    ck_assert_int_eq(wspush_drain(h, 2500, &asked), WSPUSH_OK);
    ck_assert_int_eq(asked, 41);
    ck_assert_int_eq(wspush_drain(h, 0, NULL), WSPUSH_OK);
    ck_assert_int_eq(wspush_drain(h, -1, &asked), WSPUSH_ERROR);
    ck_assert_str_eq(wspush_error(h), "ERR too long");
    ck_assert_int_eq(wspush_drain(h, -1, &asked), WSPUSH_BADREPLY);
    end("[WS.DRAIN|FOR|2500][WS.DRAIN|FOR|0][WS.DRAIN][WS.DRAIN]");
}
END_TEST

START_TEST(reload)
{
    static const struct step script[] = {
        READS, SAYS("*1\r\n*4\r\n$6\r\noption\r\n$4\r\nslow\r\n$3\r\nold\r\n$-1\r\n"),
        READS, SAYS("*0\r\n"),
        READS, SAYS("-ERR w.conf:3: expected\r\n"),
        READS, SAYS(":1\r\n"),
        DONE};
    size_t rows = 0;
    struct wspush_value v;
    begin(script);
    ck_assert_int_eq(wspush_reload(h, true, &rows), WSPUSH_OK);
    ck_assert_uint_eq(rows, 1);
    ck_assert(wspush_row_get(h, 0, "option", &v));
    ck_assert_str_eq(v.text, "slow");
    ck_assert(wspush_row_get(h, 0, "old", &v) && v.kind == WSPUSH_NONE);
    ck_assert_int_eq(wspush_reload(h, false, &rows), WSPUSH_OK);
    ck_assert_uint_eq(rows, 0);
    ck_assert_int_eq(wspush_reload(h, false, &rows), WSPUSH_ERROR);
    ck_assert_str_eq(wspush_error(h), "ERR w.conf:3: expected");
    ck_assert_int_eq(wspush_reload(h, false, &rows), WSPUSH_BADREPLY);
    end("[WS.RELOAD|DRYRUN][WS.RELOAD][WS.RELOAD][WS.RELOAD]");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client worker");
    TCase *tc = tcase_create("worker");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, drain);
    tcase_add_test(tc, reload);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
