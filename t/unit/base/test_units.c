/* Numbers, durations and sizes as people write them. */
#include "base/units.h"

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

START_TEST(numbers)
{
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "0x1",
                                      "1e3",
                                      "x",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "184467440737095516150"};
    uint64_t n = 7;
    ck_assert_int_eq(units_number("0", 1, &n), 0);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(units_number("0042", 4, &n), 0);
    ck_assert_uint_eq(n, 42);
    ck_assert_int_eq(units_number("18446744073709551615", 20, &n), 0);
    ck_assert_uint_eq(n, UINT64_MAX);
    ck_assert_int_eq(units_number("123xyz", 3, &n), 0);
    ck_assert_uint_eq(n, 123);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(units_number(bad[i], strlen(bad[i]), &n) == -1 && n == 123, "%s", bad[i]);
    ck_assert_int_eq(units_number("1\0", 2, &n), -1);
}
END_TEST

START_TEST(durations)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"0", 0},       {"10", 10000},           {"010", 10000},
        {"0.5", 500},   {"250ms", 250},          {"1.5s", 1500},
        {"5m", 300000}, {"2h", 7200000},         {"1d", 86400000},
        {"2 s", 2000},  {"3H", 10800000},        {"4MS", 4},
        {"0.0004", 0},  {"0.0006", 1},           {"1.25m", 75000},
        {"1.999ms", 2}, {"3660d", 316224000000},
    };
    static const char *const bad[] = {
        "",    "-1",  "+1",    "s",     "1x",           "1e3",           "0x10",
        "1.",  ".5",  " 1",    "1 s ",  "1.5.",         "1s2",           "inf",
        "nan", "1,5", "1 m s", "3661d", "999999999999", "9999999999999", "1.0000000000",
        "1\ns"};
    int64_t ms = 7;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(units_duration(good[i].text, &ms) == 0 && ms == good[i].ms, "%s: %" PRId64,
                      good[i].text, ms);
    ms = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(units_duration(bad[i], &ms) == -1 && ms == 7, "%s: %" PRId64, bad[i], ms);
}
END_TEST

START_TEST(sizes)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"1", 1},
        {"010", 10},
        {"512b", 512},
        {"64k", 65536},
        {"64K", 65536},
        {"1kb", 1024},
        {"1KiB", 1024},
        {"1m", 1048576},
        {"2 MiB", 2097152},
        {"1MB", 1 << 20},
        {"1g", 1 << 30},
        {"3GiB", 3221225472},
        {"4gb", 4294967296},
        {"17179869183g", UINT64_C(17179869183) << 30},
        {"18446744073709551615", UINT64_MAX},
    };
    static const char *const bad[] = {
        "",     "-1", "+1",  "k",   "1x",    "1.5m",         "1e3",
        "0x10", " 1", "1k ", "1kk", "1 k b", "17179869184g", "18446744073709551616",
        "1t"};
    uint64_t bytes = 7;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(units_size(good[i].text, &bytes) == 0 && bytes == good[i].bytes, "%s: %" PRIu64,
                      good[i].text, bytes);
    bytes = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(units_size(bad[i], &bytes) == -1 && bytes == 7, "%s: %" PRIu64, bad[i], bytes);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("units");
    TCase *tc = tcase_create("units");
    tcase_add_test(tc, numbers);
    tcase_add_test(tc, durations);
    tcase_add_test(tc, sizes);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
