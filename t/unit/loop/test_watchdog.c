/* Two loops, of which one is stuck for a while. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "loop/watchdog.h"

enum { EVERY_MS = 20, WAIT_MS = 5000 };

static struct loop loops[2];
static atomic_int alive;

static void on_alive(void *arg)
{
    (void)arg;
    atomic_fetch_add(&alive, 1);
}

static void *run(void *arg)
{
    loop_run(arg);
    return NULL;
}

static void sleep_ms(int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

/* Whether it is called `more` times within WAIT_MS. */
static bool called(int more)
{
    int want = atomic_load(&alive) + more;
    for (int ms = 0; ms < WAIT_MS && atomic_load(&alive) < want; ms++)
        sleep_ms(1);
    return atomic_load(&alive) >= want;
}

START_TEST(a_stuck_thread)
{
    struct watchdog w;
    pthread_t threads[2];
    struct loop *const both[] = {&loops[0], &loops[1]};
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(loop_init(&loops[i], 8), 0);
    watchdog_start(&w, both, 2, EVERY_MS, on_alive, NULL);

    /* The second does not run: after two periods the first says nothing more. */
    ck_assert_int_eq(pthread_create(&threads[0], NULL, run, &loops[0]), 0);
    sleep_ms(5 * EVERY_MS);
    int before = atomic_load(&alive);
    sleep_ms(10 * EVERY_MS);
    ck_assert_int_eq(atomic_load(&alive), before);
    ck_assert_int_ge(before, 1);

    ck_assert_int_eq(pthread_create(&threads[1], NULL, run, &loops[1]), 0);
    ck_assert(called(5));
    for (int i = 0; i < 2; i++) {
        loop_stop(&loops[i]);
        pthread_join(threads[i], NULL);
        loop_fini(&loops[i]);
    }
    watchdog_fini(&w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("watchdog");
    TCase *tc = tcase_create("watchdog");
    tcase_set_timeout(tc, 20);
    tcase_add_test(tc, a_stuck_thread);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
