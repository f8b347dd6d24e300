/* How much a client may say, and how many come from one address. */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "push/addresses.h"
#include "push/rate.h"
#include "../heap.h"

START_TEST(a_second_at_once_then_the_rate)
{
    const struct rate_limits limits = {.frames = 10};
    struct rate r;
    rate_init(&r, &limits, 1000);
    ck_assert_int_eq(rate_take(&r, &limits, 10, 1 << 30, 1000), 0); /* bytes are not limited */
    ck_assert_int_eq(rate_take(&r, &limits, 1, 0, 1000), 100);
    ck_assert_int_eq(rate_take(&r, &limits, 0, 0, 1099), 1);
    ck_assert_int_eq(rate_take(&r, &limits, 0, 0, 1100), 0);
    ck_assert_int_eq(rate_take(&r, &limits, 5, 0, 1100), 500);
    ck_assert_int_eq(rate_take(&r, &limits, 0, 0, 100000), 0); /* never more than a second's worth */
    ck_assert_int_eq(rate_take(&r, &limits, 11, 0, 100000), 100);
}
END_TEST

START_TEST(the_longer_of_the_two_counts)
{
    const struct rate_limits limits = {.frames = 10, .bytes = 1000};
    struct rate r;
    rate_init(&r, &limits, 0);
    ck_assert_int_eq(rate_take(&r, &limits, 1, 3000, 0), 2000);
    ck_assert_int_eq(rate_take(&r, &limits, 39, 0, 0), 3000);
}
END_TEST

START_TEST(the_largest_limits_overflow_nothing)
{
    const struct rate_limits limits = {.frames = 1000000, .bytes = 1u << 30};
    struct rate r;
    rate_init(&r, &limits, 0);
    for (int64_t now = 0; now < (int64_t)1 << 60; now = now * 3 + 1)
        ck_assert_int_eq(rate_take(&r, &limits, 1, 1, now), 0);
}
END_TEST

/* Over a long time as many as the limit allows, however they come. */
START_TEST(in_the_long_run)
{
    const struct rate_limits limits = {.frames = 50, .bytes = 5000};
    struct rate r;
    int64_t now = 0;
    uint64_t frames = 0;
    srand(1);
    rate_init(&r, &limits, now);
    while (now < 1000000) {
        uint64_t n = (uint64_t)rand() % 20 + 1;
        int64_t wait = rate_take(&r, &limits, n, n * 10, now);
        frames += n;
        now += wait;
        ck_assert_int_eq(rate_take(&r, &limits, 0, 0, now), 0);
    }
    ck_assert_uint_ge(frames, 49900);
    ck_assert_uint_le(frames, 50100);
}
END_TEST

/* What was not limited is not owed when it becomes so. */
START_TEST(a_limit_that_comes_later)
{
    const struct rate_limits frames = {.frames = 10};
    const struct rate_limits both = {.frames = 10, .bytes = 1000};
    struct rate r;
    rate_init(&r, &frames, 0);
    for (int64_t now = 0; now < 100000; now += 100)
        ck_assert_int_eq(rate_take(&r, &frames, 1, 1 << 20, now), 0);
    ck_assert_int_eq(rate_take(&r, &both, 1, 100, 100100), 0);
}
END_TEST

static struct address address_of(const char *text)
{
    struct address a;
    ck_assert(address_parse(&a, text));
    return a;
}

START_TEST(mapped_addresses)
{
    char text[ADDRESS_TEXT_MAX];
    struct address a = address_of("::ffff:192.0.2.1");
    struct address b = address_of("192.0.2.1");
    ck_assert_int_eq(memcmp(&a, &b, sizeof a), 0);
    ck_assert_str_eq(address_text(&a, text), "192.0.2.1");
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6};
    ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:192.0.2.1", &mapped.sin6_addr), 1);
    ck_assert(address_from(&a, (struct sockaddr *)&mapped));
    ck_assert_int_eq(memcmp(&a, &b, sizeof a), 0);
    a = address_of("2001:db8::1");
    ck_assert_str_eq(address_text(&a, text), "2001:db8::1");
    ck_assert(!address_parse(&a, "192.0.2.1:80") && !address_parse(&a, ""));
    ck_assert_str_eq(address_text(&a, text), "unix");
}
END_TEST

static bool enter(struct addresses *a, const char *text)
{
    struct address address = address_of(text);
    return addresses_enter(a, &address, 2);
}

static void leave(struct addresses *a, const char *text)
{
    struct address address = address_of(text);
    addresses_leave(a, &address);
}

START_TEST(two_from_an_address)
{
    size_t before = heap_in_use();
    struct addresses *a = addresses_new();
    ck_assert(enter(a, "192.0.2.1") && enter(a, "192.0.2.1"));
    ck_assert(!enter(a, "192.0.2.1"));
    ck_assert(enter(a, "192.0.2.2"));
    leave(a, "192.0.2.1");
    ck_assert(enter(a, "192.0.2.1") && !enter(a, "192.0.2.1"));
    leave(a, "192.0.2.1");
    leave(a, "192.0.2.1");
    leave(a, "192.0.2.2");
    leave(a, "192.0.2.2"); /* nobody is there: nothing happens */
    addresses_free(a);
    ck_assert_uint_le(heap_in_use(), before);
}
END_TEST

START_TEST(an_ipv6_network_is_one)
{
    struct addresses *a = addresses_new();
    ck_assert(enter(a, "2001:db8:0:1::1") && enter(a, "2001:db8:0:1:ffff::2"));
    ck_assert(!enter(a, "2001:db8:0:1:1:2:3:4"));
    ck_assert(enter(a, "2001:db8:0:2::1"));
    addresses_free(a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("limits");
    TCase *tc = tcase_create("limits");
    tcase_add_test(tc, a_second_at_once_then_the_rate);
    tcase_add_test(tc, the_longer_of_the_two_counts);
    tcase_add_test(tc, the_largest_limits_overflow_nothing);
    tcase_add_test(tc, in_the_long_run);
    tcase_add_test(tc, a_limit_that_comes_later);
    tcase_add_test(tc, mapped_addresses);
    tcase_add_test(tc, two_from_an_address);
    tcase_add_test(tc, an_ipv6_network_is_one);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
