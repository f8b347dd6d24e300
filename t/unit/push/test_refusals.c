/* The latest refusals: in what order, how many, and that one who knocks again and again takes one place. */
#include "push/refusals.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct refusals *refusals;
static struct refusal latest[REFUSALS_KEPT + 1];

static void begin(void)
{
    refusals = refusals_new();
}

static void end(void)
{
    refusals_free(refusals);
}

static void add(const char *address, const char *channel, int64_t time)
{
    struct refusal r = {.time = time, .what = "ws", .why = "why"};
    refusal_set(r.address, address, strlen(address));
    refusal_set(r.channel, channel, strlen(channel));
    refusals_add(refusals, &r);
}

static void expect(size_t i, const char *address, const char *channel, uint64_t times, int64_t time)
{
    ck_assert_str_eq(latest[i].address, address);
    ck_assert_str_eq(latest[i].channel, channel);
    ck_assert_uint_eq(latest[i].times, times);
    ck_assert_int_eq(latest[i].time, time);
}

START_TEST(latest_first)
{
    ck_assert_uint_eq(refusals_latest(refusals, latest, REFUSALS_KEPT), 0);
    add("a", "x", 1);
    add("b", "x", 2);
    ck_assert_uint_eq(refusals_latest(refusals, latest, REFUSALS_KEPT), 2);
    expect(0, "b", "x", 1, 2);
    expect(1, "a", "x", 1, 1);
    ck_assert_uint_eq(refusals_latest(refusals, latest, 1), 1);
    expect(0, "b", "x", 1, 2);
}
END_TEST

START_TEST(alike_counts)
{
    add("a", "x", 1);
    add("b", "x", 2);
    add("a", "y", 3);
    add("a", "x", 4);
    ck_assert_uint_eq(refusals_latest(refusals, latest, REFUSALS_KEPT), 3);
    expect(0, "a", "x", 2, 4);
    expect(1, "a", "y", 1, 3);
    expect(2, "b", "x", 1, 2);
}
END_TEST

START_TEST(the_oldest_go)
{
    char channel[32];
    for (int i = 0; i < 3 * REFUSALS_KEPT; i++) {
        snprintf(channel, sizeof channel, "c%d", i);
        add("a", channel, i);
        add("b", "knocks", i);
    }
    ck_assert_uint_eq(refusals_latest(refusals, latest, REFUSALS_KEPT + 1), REFUSALS_KEPT);
    expect(0, "b", "knocks", 3 * REFUSALS_KEPT, 3 * REFUSALS_KEPT - 1);
    for (int i = 1; i < REFUSALS_KEPT; i++) {
        snprintf(channel, sizeof channel, "c%d", 3 * REFUSALS_KEPT - i);
        expect((size_t)i, "a", channel, 1, 3 * REFUSALS_KEPT - i);
    }
}
END_TEST

START_TEST(any_bytes)
{
    char bytes[CHANNEL_NAME_MAX + 100];
    memset(bytes, 0xff, sizeof bytes);
    bytes[0] = '\n';
    add("a", "x", 1);
    struct refusal r = {0};
    refusal_set(r.channel, bytes, sizeof bytes);
    ck_assert_int_eq(strncmp(r.channel, "\\x0a\\xff", 8), 0);
    ck_assert_uint_lt(strlen(r.channel), sizeof r.channel);
}
END_TEST

static void *knock(void *arg)
{
    for (int i = 0; i < 10000; i++)
        add(arg, i % 2 ? "x" : "y", i);
    return NULL;
}

START_TEST(by_threads)
{
    pthread_t threads[2];
    char names[2][2] = {"a", "b"};
    uint64_t times = 0;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, knock, names[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(refusals_latest(refusals, latest, REFUSALS_KEPT), 4);
    for (int i = 0; i < 4; i++)
        times += latest[i].times;
    ck_assert_uint_eq(times, 20000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("push/refusals");
    TCase *tc = tcase_create("refusals");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, latest_first);
    tcase_add_test(tc, alike_counts);
    tcase_add_test(tc, the_oldest_go);
    tcase_add_test(tc, any_bytes);
    tcase_add_test(tc, by_threads);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
