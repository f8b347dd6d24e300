/* Who is on a channel: a user is there from the first client to the last, whatever the order. */
#include "push/presence.h"

#include <check.h>
#include <stdlib.h>

#include "../random.h"
#include "base/clock.h"
#include "base/tally.h"

enum { USERS = 20, STEPS = 20000 };

static struct user users[USERS];
static struct presence *all;

START_TEST(from_the_first_to_the_last)
{
    int64_t before = clock_wall_ms();
    ck_assert(presence_enter(&all, &users[0]));
    int64_t after = clock_wall_ms();
    ck_assert(all->user == &users[0] && all->since >= before && all->since <= after);
    int64_t since = all->since;
    ck_assert(!presence_enter(&all, &users[0]));
    ck_assert(presence_enter(&all, &users[1]));
    ck_assert_uint_eq(all->clients, 2);
    ck_assert(!presence_leave(&all, &users[0]));
    ck_assert(presence_leave(&all, &users[1]));
    ck_assert(all->since == since && HASH_COUNT(all) == 1);
    ck_assert(presence_leave(&all, &users[0]));
    ck_assert_ptr_null(all);
    ck_assert_uint_eq(tally_sum(TALLY_clients), 0);
    ck_assert(presence_enter(&all, &users[0])); /* anew */
    ck_assert(presence_leave(&all, &users[0]));
}
END_TEST

START_TEST(in_any_order)
{
    uint32_t clients[USERS] = {0};
    random_start(5);
    for (int i = 0; i < STEPS; i++) {
        size_t u = random_below(USERS);
        bool enters = random_below(2) || !clients[u];
        clients[u] += enters ? 1u : -1u;
        bool changes = clients[u] == (enters ? 1u : 0u);
        bool told = enters ? presence_enter(&all, &users[u]) : presence_leave(&all, &users[u]);
        ck_assert(told == changes);
    }
    unsigned there = 0;
    for (size_t u = 0; u < USERS; u++)
        there += clients[u] > 0;
    ck_assert_uint_eq(HASH_COUNT(all), there);
    for (const struct presence *p = all; p; p = p->hh.next)
        ck_assert_uint_eq(p->clients, clients[p->user - users]);
    presence_drop(&all);
    ck_assert_ptr_null(all);
    ck_assert_uint_eq(tally_sum(TALLY_clients), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("presence");
    TCase *tc = tcase_create("presence");
    tcase_add_test(tc, from_the_first_to_the_last);
    tcase_add_test(tc, in_any_order);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
