/* The growing run of bytes: content, memory, and what happens when there is none. */
#include "base/buf.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../heap.h"
#include "../random.h"

START_TEST(content)
{
    struct buf b = {0};
    ck_assert_str_eq(buf_str(&b), "");
    buf_adds(&b, "abc");
    buf_addc(&b, '-');
    buf_addu(&b, 0);
    buf_addu(&b, UINT64_MAX);
    buf_addf(&b, "<%s %d>", "x", -7);
    buf_add(&b, NULL, 0);
    buf_adds(&b, "");
    ck_assert_str_eq(buf_str(&b), "abc-018446744073709551615<x -7>");
    ck_assert_uint_eq(b.len, strlen(buf_str(&b)));
    buf_consume(&b, 4);
    ck_assert_str_eq(buf_str(&b), "018446744073709551615<x -7>");
    buf_consume(&b, 0);
    buf_consume(&b, b.len);
    ck_assert_str_eq(buf_str(&b), "");
    buf_add(&b, "a\0b", 3);
    ck_assert_uint_eq(b.len, 3);
    ck_assert_mem_eq(b.data, "a\0b", 3);
    buf_fini(&b);
}
END_TEST

START_TEST(numbers)
{
    char digits[20];
    ck_assert_uint_eq(format_u64(digits, 0), 1);
    ck_assert_mem_eq(digits, "0", 1);
    ck_assert_uint_eq(format_u64(digits, 1005), 4);
    ck_assert_mem_eq(digits, "1005", 4);
    ck_assert_uint_eq(format_u64(digits, UINT64_MAX), 20);
    ck_assert_mem_eq(digits, "18446744073709551615", 20);
}
END_TEST

START_TEST(a_long_format_fits)
{
    struct buf b = {0};
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 3; i++)
        buf_addf(&b, "[%s]", text);
    ck_assert_uint_eq(b.len, 3 * (sizeof text + 1));
    ck_assert_uint_eq(b.data[sizeof text], ']');
    ck_assert_uint_eq(b.data[sizeof text + 1], '[');
    buf_fini(&b);
}
END_TEST

START_TEST(random_changes_agree_with_an_array)
{
    static uint8_t model[20000];
    size_t len = 0;
    struct buf b = {0};
    for (int i = 0; i < 20000; i++) {
        uint8_t bytes[40];
        size_t n = random_below(sizeof bytes);
        memset(bytes, i, sizeof bytes);
        if (random_below(3) && len + n <= sizeof model) {
            buf_add(&b, bytes, n);
            memcpy(model + len, bytes, n);
            len += n;
        } else {
            n = random_below(len + 1);
            buf_consume(&b, n);
            len -= n;
            memmove(model, model + n, len);
        }
        ck_assert_uint_eq(b.len, len);
        ck_assert(len == 0 || memcmp(b.data, model, len) == 0);
    }
    buf_fini(&b);
}
END_TEST

START_TEST(an_empty_one_holds_no_memory)
{
    size_t before = heap_in_use();
    struct buf b;
    buf_init(&b);
    buf_add(&b, "", 0);
    buf_adds(&b, "");
    bool none = heap_in_use() == before;
    buf_addc(&b, 'x');
    bool some = heap_in_use() > before;
    buf_fini(&b);
    bool none_again = heap_in_use() == before;
    ck_assert(none && some && none_again);
    buf_addc(&b, 'y');
    ck_assert_str_eq(buf_str(&b), "y");
    buf_fini(&b);
}
END_TEST

START_TEST(memory_stays_within_the_ceiling)
{
    char piece[100] = {0};
    for (size_t ceiling = 1; ceiling < 2000; ceiling += 7) {
        struct buf b = {0};
        while (b.len < ceiling) {
            size_t left = ceiling - b.len;
            size_t n = 1 + random_below(left < sizeof piece ? left : sizeof piece);
            buf_add_within(&b, piece, n, ceiling);
            ck_assert(b.cap <= ceiling && b.cap >= b.len);
        }
        ck_assert_uint_eq(b.len, ceiling);
        ck_assert(!buf_failed(&b));
        buf_fini(&b);
    }
}
END_TEST

/* One that is less than what is there takes nothing away. */
START_TEST(a_ceiling_that_came_down)
{
    struct buf b = {0};
    for (int i = 0; i < 1000; i++)
        buf_add_within(&b, "0123456789", 10, 10000);
    ck_assert_uint_eq(b.cap, b.len); /* the next one needs room */
    buf_add_within(&b, "0123456789", 10, 500);
    ck_assert(!buf_failed(&b) && b.cap >= b.len);
    ck_assert_uint_eq(b.len, 10010);
    for (size_t i = 0; i < b.len; i++)
        ck_assert_int_eq(b.data[i], '0' + (int)(i % 10));
    buf_fini(&b);
}
END_TEST

/* By a share of what is there, so that many small additions stay cheap and little is unused. */
START_TEST(growth_is_by_a_share)
{
    struct buf b = {0};
    struct buf within = {0};
    unsigned grown = 0;
    unsigned grown_within = 0;
    for (size_t i = 0; i < 100000; i++) {
        size_t cap = b.cap;
        size_t cap_within = within.cap;
        buf_addc(&b, 'x');
        buf_add_within(&within, "x", 1, 1000000);
        grown += b.cap != cap;
        grown_within += within.cap != cap_within;
        if (b.cap > b.len * 2 + 200 || within.cap > within.len * 2 + 200)
            ck_abort_msg("%zu bytes of %zu, %zu", i + 1, b.cap, within.cap);
    }
    ck_assert_uint_lt(grown, 100);
    ck_assert_uint_lt(grown_within, 100);
    buf_fini(&b);
    buf_fini(&within);
}
END_TEST

START_TEST(failed_stays_failed_until_cleared)
{
    struct buf b = {0};
    buf_adds(&b, "kept");
    ck_assert_ptr_null(buf_reserve(&b, SIZE_MAX / 2));
    ck_assert(buf_failed(&b));
    buf_adds(&b, "more");
    buf_addf(&b, "%d", 1);
    buf_add_within(&b, "x", 1, 100);
    ck_assert_uint_eq(b.len, 4);
    ck_assert_str_eq(buf_str(&b), "");
    buf_clear(&b);
    ck_assert(!buf_failed(&b));
    ck_assert_str_eq(buf_str(&b), "");
    buf_adds(&b, "again");
    ck_assert_str_eq(buf_str(&b), "again");
    buf_fini(&b);
}
END_TEST

START_TEST(no_memory)
{
    struct buf b = {0};
    char large[2000] = {0};
    if (!heap_refuse_above(1000))
        return;
    buf_adds(&b, "kept");
    buf_add(&b, large, sizeof large);
    bool failed = buf_failed(&b);
    buf_clear(&b);
    buf_add_within(&b, large, sizeof large, sizeof large);
    failed &= buf_failed(&b);
    buf_clear(&b);
    buf_adds(&b, "small is fine");
    heap_refuse_above(SIZE_MAX);
    ck_assert(failed);
    ck_assert_str_eq(buf_str(&b), "small is fine");
    buf_fini(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("buf");
    TCase *tc = tcase_create("buf");
    tcase_add_test(tc, content);
    tcase_add_test(tc, numbers);
    tcase_add_test(tc, a_long_format_fits);
    tcase_add_test(tc, random_changes_agree_with_an_array);
    tcase_add_test(tc, an_empty_one_holds_no_memory);
    tcase_add_test(tc, memory_stays_within_the_ceiling);
    tcase_add_test(tc, a_ceiling_that_came_down);
    tcase_add_test(tc, growth_is_by_a_share);
    tcase_add_test(tc, failed_stays_failed_until_cleared);
    tcase_add_test(tc, no_memory);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
