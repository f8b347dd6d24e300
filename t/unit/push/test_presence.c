/* Who is on a channel: a user is there from the first client to the last, whatever the order. */
#include "push/presence.h"

#include <check.h>
#include <stdlib.h>

#include "../random.h"
#include "base/clock.h"
#include "base/tally.h"
#include "push/hub.h"

enum { USERS = 20, CLIENTS = 400, STEPS = 20000 };

static struct user users[USERS];
static struct client clients[CLIENTS];
static uint32_t places[CLIENTS]; /* among its user's */
static bool there[CLIENTS];
static struct presence *all;

/* A client's user never changes. */
static struct user *user_of(size_t client)
{
    return &users[client % USERS];
}

static bool enter(size_t client)
{
    there[client] = true;
    return presence_enter(&all, user_of(client), &clients[client], &places[client]);
}

static bool leave(size_t client)
{
    struct client *moved;
    there[client] = false;
    bool last = presence_leave(&all, user_of(client), places[client], &moved);
    if (moved)
        places[moved - clients] = places[client];
    return last;
}

START_TEST(from_the_first_to_the_last)
{
    int64_t before = clock_wall_ms();
    ck_assert(enter(0));
    int64_t after = clock_wall_ms();
    const struct present *p = all->users;
    ck_assert(p->user == &users[0] && p->since >= before && p->since <= after);
    int64_t since = p->since;
    ck_assert(!enter(USERS));
    ck_assert(enter(1));
    ck_assert_uint_eq(p->count, 2);
    ck_assert(!leave(0));
    ck_assert(leave(1));
    ck_assert(p->since == since && presence_count(all) == 1);
    ck_assert_ptr_eq(present_client(p, 0), &clients[USERS]);
    ck_assert(leave(USERS));
    ck_assert_ptr_null(all);
    ck_assert_uint_eq(presence_count(all), 0);
    ck_assert_uint_eq(tally_sum(TALLY_clients), 0);
    ck_assert(enter(0)); /* anew */
    ck_assert(leave(0));
}
END_TEST

/* Where a client is said to be it is, and so all are there. */
static void check(void)
{
    uint32_t count = 0;
    for (size_t i = 0; i < CLIENTS; i++)
        count += there[i];
    for (const struct present *p = all ? all->users : NULL; p; p = p->hh.next)
        for (uint32_t k = 0; k < p->count; k++) {
            size_t i = (size_t)(present_client(p, k) - clients);
            ck_assert(there[i] && places[i] == k && user_of(i) == p->user);
            count--;
        }
    ck_assert_uint_eq(count, 0);
}

START_TEST(in_any_order)
{
    uint32_t count[USERS] = {0};
    random_start(5);
    for (int i = 0; i < STEPS; i++) {
        size_t c = random_below(CLIENTS);
        uint32_t *of_user = &count[c % USERS];
        bool enters = !there[c];
        if (!enters && i / 2000 % 2 && random_below(4)) /* in turns they become more and fewer */
            continue;
        *of_user += enters ? 1u : -1u;
        ck_assert((enters ? enter(c) : leave(c)) == (*of_user == (enters ? 1u : 0u)));
        if (i % 100 == 0)
            check();
    }
    unsigned present = 0;
    for (size_t u = 0; u < USERS; u++)
        present += count[u] > 0;
    ck_assert_uint_eq(presence_count(all), present);
    check();
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
