/* Where channels are in a client's list, beside a plain search; and that a long list costs what a short one
 * does. */
#include "push/places.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>

#include "../random.h"
#include "base/tally.h"

enum { CHANNELS = 3000, LIST_MAX = 1000, STEPS = 60000 };

static uint32_t list[LIST_MAX];
static uint32_t count;
static bool listed[CHANNELS];
static struct places *places;
static size_t looks; /* at the list */

static uint32_t number_at(const void *all, uint32_t place)
{
    looks++;
    return ((const uint32_t *)all)[place];
}

static uint32_t find(uint32_t channel)
{
    return places_find(places, number_at, list, count, channel);
}

static void add(uint32_t channel)
{
    list[count++] = channel;
    listed[channel] = true;
    places_add(&places, number_at, list, count);
}

static void take_out(uint32_t place)
{
    places_remove(places, number_at, list, count, place);
    listed[list[place]] = false;
    list[place] = list[--count];
}

static void clear(void)
{
    places_free(places);
    places = NULL;
    count = 0;
    ck_assert_uint_eq(tally_sum(TALLY_subscriptions), 0);
}

static bool is_right(void)
{
    uint32_t found = 0;
    for (uint32_t channel = 0; channel < CHANNELS; channel++) {
        uint32_t place = find(channel);
        if ((place != NO_PLACE) != listed[channel] || (listed[channel] && list[place] != channel))
            return false;
        found += listed[channel];
    }
    return found == count;
}

/* Lists that grow long, become short, and grow again. */
START_TEST(in_any_order)
{
    random_start(3);
    bool grows = true;
    for (int i = 0; i < STEPS; i++) {
        uint32_t channel = (uint32_t)random_below(CHANNELS);
        grows = count == 0 || (grows && count < LIST_MAX);
        if (count && (count == LIST_MAX || random_below(10) < (grows ? 2 : 8)))
            take_out((uint32_t)random_below(count));
        else if (!listed[channel])
            add(channel);
        if (i % 500 == 0)
            ck_assert(is_right());
    }
    ck_assert(is_right());
    while (count)
        take_out((uint32_t)random_below(count));
    ck_assert(is_right());
    clear();
}
END_TEST

START_TEST(a_short_list_owns_nothing)
{
    for (uint32_t i = 0; i < 16; i++)
        add(i);
    ck_assert_ptr_null(places);
    ck_assert_uint_eq(find(7), 7);
    ck_assert_uint_eq(find(16), NO_PLACE);
    clear();
}
END_TEST

/* Dense numbers, and those that a hub with many channels gives out. */
START_TEST(a_long_list_is_not_searched)
{
    const uint32_t steps[] = {1, 2, 3, 64, 1000, 4096, 65536};
    for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
        for (uint32_t i = 0; i < LIST_MAX; i++) {
            list[count++] = i * steps[s];
            places_add(&places, number_at, list, count);
        }
        looks = 0;
        for (uint32_t i = 0; i < LIST_MAX; i++)
            ck_assert_uint_eq(find(i * steps[s]), i);
        for (uint32_t i = 0; i < LIST_MAX; i++)
            ck_assert_uint_eq(find(i * steps[s] + 77777777), NO_PLACE);
        while (count) {
            uint32_t place = (count - 1) / 3;
            places_remove(places, number_at, list, count, place);
            list[place] = list[count - 1];
            count--;
        }
        ck_assert_uint_lt(looks, 30 * LIST_MAX);
        clear();
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("places");
    TCase *tc = tcase_create("places");
    tcase_add_test(tc, in_any_order);
    tcase_add_test(tc, a_short_list_owns_nothing);
    tcase_add_test(tc, a_long_list_is_not_searched);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
