/* The hub's clients by number, beside an array that says what has to be in the table. */
#include "push/client_table.h"

#include <check.h>
#include <stdlib.h>

#include "../random.h"
#include "push/hub.h"

enum { NUMBERS = 20000 };

static struct client clients[NUMBERS]; /* number 0: not in the table */
static struct client_table table;

static void enter(uint64_t number)
{
    clients[number].number = number;
    client_table_add(&table, &clients[number]);
}

static void leave(uint64_t number)
{
    client_table_remove(&table, &clients[number]);
    clients[number].number = 0;
}

static void count(struct client *c, void *arg)
{
    ck_assert_ptr_eq(c, &clients[c->number]);
    ++*(uint32_t *)arg;
}

static void expect_the_same(void)
{
    uint32_t there = 0;
    uint32_t visited = 0;
    for (uint64_t i = 1; i < NUMBERS; i++) {
        bool in = clients[i].number == i;
        there += in;
        ck_assert_ptr_eq(client_table_find(&table, i), in ? &clients[i] : NULL);
    }
    client_table_each(&table, count, &visited);
    ck_assert_uint_eq(visited, there);
    ck_assert_uint_eq(table.count, there);
}

START_TEST(empty_one_knows_nobody)
{
    ck_assert_ptr_null(client_table_find(&table, 1));
    client_table_fini(&table);
}
END_TEST

START_TEST(numbers_come_and_go)
{
    for (uint64_t i = 1; i < NUMBERS; i++)
        enter(i);
    expect_the_same();
    for (int round = 0; round < 200000; round++) {
        uint64_t i = 1 + random_below(NUMBERS - 1);
        if (clients[i].number)
            leave(i);
        else
            enter(i);
        if (round % 50000 == 0)
            expect_the_same();
    }
    expect_the_same();
    client_table_fini(&table);
}
END_TEST

START_TEST(it_is_never_nearly_full_and_shrinks_when_they_have_left)
{
    for (uint64_t i = 1; i < NUMBERS; i++) {
        enter(i);
        ck_assert_uint_le(table.count, table.size / 4 * 3);
    }
    ck_assert_uint_le(table.size, 4 * NUMBERS);
    for (uint64_t i = 1; i < NUMBERS; i++) {
        leave(i);
        ck_assert_ptr_null(client_table_find(&table, i));
    }
    ck_assert_uint_le(table.size, 64);
    client_table_fini(&table);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("client_table");
    TCase *c = tcase_create("table");
    tcase_add_test(c, empty_one_knows_nobody);
    tcase_add_test(c, numbers_come_and_go);
    tcase_add_test(c, it_is_never_nearly_full_and_shrinks_when_they_have_left);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(suite());
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
