/* The timer wheel against a plain list of deadlines: nothing fires early, nothing later than the clock's next
 * step. */
#include "loop/timer.h"

#include <check.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

#include "../random.h"

enum { TIMERS = 200 };

/* A timer and what a naive list would know of it. */
struct model {
    struct timer timer;
    int64_t when; /* -1: not set */
};

static struct timers wheel;
static struct model models[TIMERS];
static int64_t now; /* of the run that is going on */
static bool running;
static unsigned fired;
static void (*on_fire)(struct model *m);

static void fire(struct timer *t)
{
    struct model *m = LIST_ENTRY(t, struct model, timer);
    fired++;
    if (!running || m->when < 0 || m->when > now || timer_is_set(t))
        ck_abort_msg("fired at %" PRId64 " for %" PRId64, now, m->when);
    m->when = -1;
    if (on_fire)
        on_fire(m);
}

static void set(struct model *m, int64_t when)
{
    m->when = when;
    timer_set(&wheel, &m->timer, when);
}

static void clear(struct model *m)
{
    m->when = -1;
    timer_clear(&m->timer);
}

static int64_t earliest(void)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < TIMERS; i++)
        if (models[i].when >= 0 && models[i].when < least)
            least = models[i].when;
    return least;
}

/* After a run nothing that is due may be left. */
static void run_to(int64_t to)
{
    now = to;
    running = true;
    timers_run(&wheel, to);
    running = false;
}

static void expect_none_due(void)
{
    if (earliest() <= now)
        ck_abort_msg("at %" PRId64 " one for %" PRId64 " is late", now, earliest());
}

static void start(int64_t at)
{
    now = at;
    fired = 0;
    on_fire = NULL;
    timers_init(&wheel, at);
    for (int i = 0; i < TIMERS; i++) {
        timer_init(&models[i].timer, fire);
        models[i].when = -1;
    }
}

/* What wait says is never beyond the earliest deadline, nor beyond where the wheel has to be turned. */
static int64_t expect_wait(void)
{
    int wait = timers_wait(&wheel);
    int64_t first = earliest();
    if (first != INT64_MAX) {
        int64_t left = first > now ? first - now : 1;
        if (wait < 1 || wait > left)
            ck_abort_msg("at %" PRId64 " waits %d ms for %" PRId64, now, wait, first);
    }
    return wait;
}

/* Distances around every border of the wheel's levels, and between. */
static int64_t random_distance(void)
{
    int64_t border = INT64_C(1) << random_below(36);
    switch (random_below(4)) {
    case 0: return border + (int64_t)random_below(5) - 2;
    case 1: return (int64_t)random_below((size_t)border);
    case 2: return (int64_t)random_below(100);
    default: return (int64_t)random_below(5000);
    }
}

START_TEST(random_work_agrees_with_a_list)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        random_start(seed);
        start((int64_t)random_below((size_t)1 << (1 + random_below(45))));
        for (int step = 0; step < 4000; step++) {
            struct model *m = &models[random_below(TIMERS)];
            size_t what = random_below(10);
            int64_t distance = random_distance();
            if (what < 5)
                set(m, now + distance > 0 ? now + distance : 0);
            else if (what < 6)
                clear(m);
            else if (what < 8)
                run_to(now + distance);
            else
                run_to(now + labs(expect_wait())); /* -1, nothing set: one step */
            if (timer_is_set(&m->timer) != (m->when >= 0))
                ck_abort_msg("seed %" PRIu64 ": is_set is wrong", seed);
            if (what >= 6)
                expect_none_due();
        }
    }
    ck_assert_uint_gt(fired, 500);
}
END_TEST

/* A loop that sleeps exactly as it is told meets every deadline to the millisecond. */
START_TEST(sleeping_as_told_is_on_time)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        random_start(seed);
        start((int64_t)random_below(1 << 20));
        for (int i = 0; i < TIMERS; i++)
            set(&models[i], now + random_distance());
        unsigned turns = 0;
        for (; earliest() != INT64_MAX; turns++) {
            run_to(now + expect_wait());
            expect_none_due();
        }
        ck_assert_uint_eq(fired, TIMERS);
        ck_assert_uint_lt(turns, TIMERS * 60);
        ck_assert_int_eq(timers_wait(&wheel), -1);
        fired = 0;
    }
}
END_TEST

START_TEST(each_distance_fires_on_its_millisecond)
{
    static const int64_t starts[] = {0, 1, 63, 64, 4095, 4096, 262143, 16777215, (INT64_C(1) << 40) - 1};
    for (size_t s = 0; s < sizeof starts / sizeof *starts; s++) {
        for (int64_t distance = 1; distance < 300000; distance += 1 + distance / 50) {
            start(starts[s]);
            set(&models[0], now + distance);
            run_to(starts[s] + distance - 1);
            ck_assert_uint_eq(fired, 0);
            ck_assert_int_eq(timers_wait(&wheel), 1);
            run_to(starts[s] + distance);
            ck_assert_uint_eq(fired, 1);
        }
    }
}
END_TEST

START_TEST(far_deadlines_and_huge_jumps)
{
    static const int64_t year = INT64_C(366) * 86400000;
    start(1000);
    set(&models[0], INT64_MAX);
    set(&models[1], now + 10 * year);
    set(&models[2], now + (INT64_C(1) << 30) - 1);
    set(&models[3], now + (INT64_C(1) << 30));
    set(&models[4], now + INT_MAX);
    int64_t wait = expect_wait();
    ck_assert_int_ge(wait, 1);
    run_to(1000 + (INT64_C(1) << 30) - 1);
    ck_assert_uint_eq(fired, 1);
    run_to(1000 + 10 * year - 1);
    ck_assert_uint_eq(fired, 3);
    run_to(1000 + 10 * year);
    ck_assert_uint_eq(fired, 4);
    run_to(INT64_MAX - (INT64_C(1) << 31));
    ck_assert_uint_eq(fired, 4);
    ck_assert(timer_is_set(&models[0].timer));
    clear(&models[0]);
}
END_TEST

START_TEST(the_past_means_the_next_run)
{
    start(5000);
    set(&models[0], 0);
    set(&models[1], 5000);
    ck_assert_int_eq(timers_wait(&wheel), 1);
    run_to(5000); /* the clock has not moved */
    run_to(4000); /* and does not go back */
    ck_assert_uint_eq(fired, 0);
    run_to(5001);
    ck_assert_uint_eq(fired, 2);
}
END_TEST

START_TEST(nothing_set_means_no_hurry)
{
    start(7);
    ck_assert_int_eq(timers_wait(&wheel), -1);
    set(&models[0], 100);
    clear(&models[0]);
    clear(&models[0]);
    run_to(1000);
    ck_assert_uint_eq(fired, 0);
    ck_assert_int_eq(timers_wait(&wheel), -1);
}
END_TEST

/* ---- what a firing timer may do ---- */

static void set_itself_again(struct model *m)
{
    set(m, now); /* in the past: not in this run */
}

START_TEST(it_sets_itself)
{
    start(0);
    on_fire = set_itself_again;
    set(&models[0], 10);
    run_to(10);
    ck_assert_uint_eq(fired, 1);
    run_to(11);
    run_to(500000);
    ck_assert_uint_eq(fired, 3);
    ck_assert(timer_is_set(&models[0].timer));
}
END_TEST

/* Whoever fires first stops the others that are due in the same run. */
static void clear_the_others(struct model *m)
{
    for (int i = 0; i < 10; i++)
        if (&models[i] != m)
            clear(&models[i]);
}

static void move_the_others(struct model *m)
{
    for (int i = 0; i < 10; i++)
        if (&models[i] != m && models[i].when >= 0)
            set(&models[i], now + 50);
    on_fire = NULL;
}

START_TEST(it_clears_and_moves_others_that_are_due)
{
    start(0);
    on_fire = clear_the_others;
    for (int i = 0; i < 10; i++)
        set(&models[i], 100 + i % 2);
    run_to(200);
    ck_assert_uint_eq(fired, 1);
    start(0);
    on_fire = move_the_others;
    for (int i = 0; i < 10; i++)
        set(&models[i], 100 + i % 2);
    run_to(200);
    ck_assert_uint_eq(fired, 1);
    run_to(249);
    ck_assert_uint_eq(fired, 1);
    run_to(250);
    ck_assert_uint_eq(fired, 10);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("timer");
    TCase *tc = tcase_create("timer");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, random_work_agrees_with_a_list);
    tcase_add_test(tc, sleeping_as_told_is_on_time);
    tcase_add_test(tc, each_distance_fires_on_its_millisecond);
    tcase_add_test(tc, far_deadlines_and_huge_jumps);
    tcase_add_test(tc, the_past_means_the_next_run);
    tcase_add_test(tc, nothing_set_means_no_hurry);
    tcase_add_test(tc, it_sets_itself);
    tcase_add_test(tc, it_clears_and_moves_others_that_are_due);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
