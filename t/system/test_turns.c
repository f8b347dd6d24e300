/* A turn is bounded by the work that its commands make, not by their bytes alone: while one operator's
 * pipeline runs, others are served. */
#include "crowd.h"
#include "figures.h"
#include "resp.h"
#include "site.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMANDS = 3000 };

/* The pipeline is one read. Its first commands are seen to be done while its last ones are not. */
static void expect_others_served(struct site *site, struct resp *control, const char *target)
{
    static char pipeline[COMMANDS * 64];
    struct resp *busy = resp_open(site_control(site));
    long long before = info_get(control, "published");
    long long done = 0;
    size_t len = 0;
    for (int i = 0; i < COMMANDS; i++)
        len += (size_t)sprintf(pipeline + len, "PUBLISH %s x\r\n", target);
    ck_assert_int_eq(resp_send_raw(busy, pipeline, len), 0);
    while (done == 0)
        done = info_get(control, "published") - before;
    ck_assert_msg(done < COMMANDS, "%s: all %lld were done before anybody else was heard", target, done);
    for (int i = 0; i < COMMANDS; i++)
        resp_value_free(resp_read(busy, 10000));
    ck_assert_int_eq(info_get(control, "published") - before, COMMANDS);
    resp_free(busy);
}

START_TEST(others_are_served_meanwhile)
{
    struct site *site =
        site_start(&(struct site_options){.threads = _i + 1, .no_nginx = true, .no_responder = true});
    struct resp *control = resp_open(site_control(site));
    struct crowd *crowd = crowd_open(site_ws(site), "/room/1/", crowd_size());
    crowd_take_anything(crowd);
    /* the messages stay in the queues: nobody reads */
    expect_others_served(site, control, "@all");
    expect_others_served(site, control, "@match:room/*");
    crowd_free(crowd);
    resp_free(control);
    site_stop(site);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("turns");
    TCase *tc = tcase_create("turns");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, others_are_served_meanwhile, 0, 2);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
