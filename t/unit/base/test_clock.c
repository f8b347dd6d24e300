/* Moments: 32 bits of a clock, read beside another time of it. */
#include "base/clock.h"

#include <check.h>
#include <stdlib.h>

static const int64_t day = INT64_C(86400000);

static void expect_given_back(int64_t ms, int64_t now)
{
    int64_t off = moment_ms(moment_of(ms), now) - ms;
    ck_assert_uint_ne(moment_of(ms), 0);
    ck_assert_int_eq(off, (uint32_t)ms ? 0 : -1); /* what would be 0 is a millisecond early */
}

START_TEST(moments_are_given_back_near_the_present)
{
    /* around each place where 31 or 32 bits are full, and far behind them */
    static const int64_t places[] = {INT64_C(1) << 31, INT64_C(1) << 32, INT64_C(3) << 32,
                                     INT64_C(1795412345678)};
    static const int64_t distances[] = {-24, -7, -1, 0, 1, 7, 24};
    for (size_t p = 0; p < sizeof places / sizeof places[0]; p++)
        for (int64_t off = -2; off <= 2; off++)
            for (size_t d = 0; d < sizeof distances / sizeof distances[0]; d++)
                expect_given_back(places[p] + off, places[p] + off + distances[d] * day);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("clock");
    TCase *tc = tcase_create("moments");
    tcase_add_test(tc, moments_are_given_back_near_the_present);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
