/* The pattern matcher: what each sign takes, what is malformed, and that no pattern is slow. */
#include "base/glob.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../random.h"

static bool matches(const char *pattern, const char *text)
{
    return glob_match(pattern, strlen(pattern), text, strlen(text));
}

struct row {
    bool yes;
    const char *pattern;
    const char *text;
};

static void expect_all(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(matches(rows[i].pattern, rows[i].text) == rows[i].yes, "'%s' %s '%s'", rows[i].pattern,
                      rows[i].yes ? "does not take" : "takes", rows[i].text);
}

START_TEST(stars_and_segments)
{
    static const struct row rows[] = {
        {true, "test", "test"},
        {false, "test", "tes"},
        {false, "test", "test1"},
        {true, "*", "test"},
        {true, "*", ""},
        {false, "*", "a/b"},
        {true, "**", "a/b/c"},
        {true, "**", ""},
        {true, "***", "a/b"},
        {true, "*/*", "a/b"},
        {false, "*/*", "a/b/c"},
        {true, "a/**", "a/b/c"},
        {true, "a/**", "a/"},
        {false, "a/**", "a"},
        {true, "**/c", "a/b/c"},
        {true, "a**c", "a/b/c"},
        {false, "a*c", "a/c"},
        {true, "a*c*e", "abcde"},
        {true, "*a*a*a", "aaabaa"},
        {false, "*a*b", "aaac"},
        {true, "chat/*/in", "chat/7/in"},
        {false, "", "a"},
        {true, "*test", "testtest"},
        {false, "test*", "tes"},
        {true, "a*/b**c", "ax/b/c"},
        {true, "a/*", "a/"},
        {false, "a/*", "a/b/"},
    };
    expect_all(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(single_characters)
{
    static const struct row rows[] = {
        {true, "t?st", "test"}, {false, "t?st", "t/st"},  {false, "?", ""},      {false, "?", "ab"},
        {true, "?", "房"},      {true, "t??t", "t房间t"}, {true, "房*", "房间"}, {false, "?", "房间"},
        {true, "\\*", "*"},     {false, "\\*", "a"},      {true, "\\\\", "\\"},  {true, "\\房", "房"},
        {true, "\\[a]", "[a]"}, {true, "a]", "a]"},       {true, "-", "-"},      {true, "\\/", "/"},
    };
    expect_all(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(classes)
{
    static const struct row rows[] = {
        {true, "[abc]", "b"},   {false, "[abc]", "d"},   {true, "[a-c]x", "bx"},   {false, "[a-c]", "d"},
        {true, "[!a-c]", "d"},  {false, "[!a-c]", "a"},  {false, "[!a]", "/"},     {false, "[/]", "/"},
        {false, "[--0]", "/"},  {true, "[]]", "]"},      {true, "[]a]", "a"},      {true, "[!]]", "a"},
        {false, "[!]]", "]"},   {true, "[a-]", "-"},     {true, "[-a]", "-"},      {true, "[a-cx-z]", "y"},
        {false, "[c-a]", "b"},  {true, "[房-间]", "房"}, {true, "[一-龥]", "房"},  {false, "[一-龥]", "a"},
        {true, "[*]", "*"},     {false, "[*]", "a"},     {true, "[?]", "?"},       {true, "[\\]", "\\"},
        {true, "[a!]", "!"},    {false, "[ab]", "ab"},   {true, "[ab][cd]", "bd"}, {true, "[é]", "é"},
        {false, "[é]", "\xc3"},
    };
    expect_all(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(malformed_patterns_match_nothing)
{
    static const char *const bad[] = {"[", "[a", "a[", "[]", "[!]", "[!", "x\\", "\\", "*[a-"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(glob_fault(bad[i], strlen(bad[i])) != NULL, "%s", bad[i]);
        ck_assert_msg(!matches(bad[i], bad[i]), "%s", bad[i]);
        ck_assert_msg(!matches(bad[i], ""), "%s", bad[i]);
    }
    ck_assert_ptr_nonnull(glob_fault("", 0));
    char longest[GLOB_MAX + 1];
    memset(longest, 'a', sizeof longest);
    ck_assert_ptr_null(glob_fault(longest, GLOB_MAX));
    ck_assert(glob_match(longest, GLOB_MAX, longest, GLOB_MAX));
    ck_assert_ptr_nonnull(glob_fault(longest, GLOB_MAX + 1));
    ck_assert(!glob_match(longest, GLOB_MAX + 1, longest, GLOB_MAX + 1));
}
END_TEST

/* The obvious matcher, which tries everything. */
static bool naive(const char *p, const char *t)
{
    if (*p == '\0')
        return *t == '\0';
    if (p[0] == '*' && p[1] == '*')
        return naive(p + 2, t) || (*t && naive(p, t + 1));
    if (*p == '*')
        return naive(p + 1, t) || (*t && *t != '/' && naive(p, t + 1));
    return *t && (*p == '?' ? *t != '/' : *p == *t) && naive(p + 1, t + 1);
}

START_TEST(random_patterns_agree_with_a_naive_matcher)
{
    for (int i = 0; i < 100000; i++) {
        char pattern[9];
        char text[9];
        size_t n = random_below(sizeof pattern);
        size_t m = random_below(sizeof text);
        for (size_t k = 0; k < n; k++)
            pattern[k] = "ab/?**"[random_below(6)];
        for (size_t k = 0; k < m; k++)
            text[k] = "aab/"[random_below(4)];
        pattern[n] = text[m] = '\0';
        ck_assert_msg(matches(pattern, text) == naive(pattern, text), "'%s' '%s'", pattern, text);
    }
}
END_TEST

START_TEST(no_pattern_is_slow)
{
    char pattern[GLOB_MAX];
    char text[200];
    struct timespec a;
    struct timespec b;
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = "*a"[i & 1];
    pattern[sizeof pattern - 1] = 'b';
    memset(text, 'a', sizeof text);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    for (int i = 0; i < 100; i++)
        ck_assert(!glob_match(pattern, sizeof pattern, text, sizeof text));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    double ms = ((double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6) / 100;
    ck_assert_double_lt(ms, 10); /* 1 ms, and room for sanitizers; backtracking would take ages */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("glob");
    TCase *tc = tcase_create("glob");
    tcase_add_test(tc, stars_and_segments);
    tcase_add_test(tc, single_characters);
    tcase_add_test(tc, classes);
    tcase_add_test(tc, malformed_patterns_match_nothing);
    tcase_add_test(tc, random_patterns_agree_with_a_naive_matcher);
    tcase_add_test(tc, no_pattern_is_slow);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
