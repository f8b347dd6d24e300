/* Pongs that are awaited, beside arrays that say what has to be told. */
#include "push/awaited.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../random.h"
#include "base/tally.h"

enum { CLIENTS = 20, NUMBERS = 400 };

static struct awaited *table;
static bool there[CLIENTS][NUMBERS + 1]; /* what is awaited */
static uint64_t told[NUMBERS];
static uint32_t told_count;

static void tell(void *arg, uint64_t number)
{
    ck_assert_ptr_eq(arg, &table);
    told[told_count++] = number;
}

static bool any(int fd)
{
    for (uint64_t n = 1; n <= NUMBERS; n++)
        if (there[fd][n])
            return true;
    return false;
}

/* Those up to `last` were told, in order, and are awaited no more. */
static void expect_told(int fd, uint64_t last)
{
    uint32_t i = 0;
    for (uint64_t n = 1; n <= last; n++)
        if (there[fd][n]) {
            ck_assert_uint_lt(i, told_count);
            ck_assert_uint_eq(told[i++], n);
            there[fd][n] = false;
        }
    ck_assert_uint_eq(i, told_count);
    told_count = 0;
}

static void answer(int fd, uint64_t number)
{
    bool asked = there[fd][number];
    bool more = awaited_answered(&table, fd, number, tell, &table);
    expect_told(fd, asked ? number : 0);
    ck_assert_int_eq(more, any(fd));
}

static void forget(int fd, uint64_t number)
{
    there[fd][number] = false;
    ck_assert_int_eq(awaited_forget(&table, fd, number), any(fd));
}

static void drop(int fd)
{
    memset(there[fd], 0, sizeof there[fd]);
    awaited_drop(&table, fd);
}

static uint64_t newest(int fd)
{
    uint64_t n = NUMBERS;
    while (n && !there[fd][n])
        n--;
    return n;
}

START_TEST(a_pong_answers_the_pings_before_it)
{
    for (uint64_t n = 1; n <= 3; n++) {
        awaited_add(&table, 7, n * 10);
        there[7][n * 10] = true;
    }
    answer(7, 15);
    answer(8, 10);
    answer(7, 20);
    answer(7, 20);
    answer(7, 30);
    ck_assert_ptr_null(table);
}
END_TEST

START_TEST(whatever_comes)
{
    uint64_t next[CLIENTS] = {0};
    for (int round = 0; round < 100000; round++) {
        int fd = (int)random_below(CLIENTS);
        uint64_t number = 1 + random_below(NUMBERS);
        unsigned what = random_below(100);
        if (what < 70 && next[fd] < NUMBERS) {
            next[fd] += 1 + random_below((unsigned)(NUMBERS - next[fd]) > 3 ? 3 : 1);
            awaited_add(&table, fd, next[fd]);
            there[fd][next[fd]] = true;
        } else if (what < 85) {
            answer(fd, number);
        } else if (what < 97) {
            forget(fd, number);
        } else {
            drop(fd);
            next[fd] = 0;
        }
        ck_assert_uint_eq(awaited_newest(table, fd), newest(fd));
    }
    for (int fd = 0; fd < CLIENTS; fd++)
        drop(fd);
    ck_assert_ptr_null(table);
    ck_assert_uint_eq(tally_sum(TALLY_queues), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("awaited");
    TCase *tc = tcase_create("awaited");
    tcase_add_test(tc, a_pong_answers_the_pings_before_it);
    tcase_add_test(tc, whatever_comes);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
