/* Names: which are channels, what a path means, whom a target is. */
#include "base/name.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect_path_len(const char *path, size_t len, const char *name)
{
    char out[CHANNEL_NAME_MAX + 1];
    size_t out_len = 0;
    const char *fault = channel_name_from_path(path, len, out, &out_len);
    if (!name) {
        ck_assert_msg(fault != NULL, "%s became '%.*s'", path, (int)out_len, out);
        return;
    }
    ck_assert_msg(!fault, "%s: %s", path, fault);
    ck_assert_str_eq(out, name);
    ck_assert_uint_eq(out_len, strlen(name));
}

/* `name` NULL: the path is refused. */
static void expect_path(const char *path, const char *name)
{
    expect_path_len(path, strlen(path), name);
}

static void expect_fault(const char *path, const char *text)
{
    char out[CHANNEL_NAME_MAX + 1];
    size_t len;
    const char *fault = channel_name_from_path(path, strlen(path), out, &len);
    ck_assert_msg(fault && strstr(fault, text), "%s: %s, not '%s'", path, fault ? fault : "fine", text);
}

START_TEST(one_channel_has_many_spellings)
{
    static const char *const same[] = {
        "/test/room",           "/test/room/",          "/test/room?",    "/test/room/?a=b/../c",
        "/te%73t/room",         "/%74%65%73%74/room",   "/test/r%6fom/",  "/test/%72oom?x",
        "/%74est/%72%6F%6F%6D", "/%74est/%72%6f%6f%6d", "/test/room?%zz", "/test/room/?%00",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        expect_path(same[i], "test/room");
}
END_TEST

START_TEST(spellings_that_others_normalise_are_refused)
{
    static const char *const refused[] = {
        "//test/room",     "/test//room",        "/test/room//",
        "/./test/room",    "/test/./room",       "/test/room/.",
        "/x/../test/room", "/test/room/..",      "/test%2froom",
        "/test%2Froom",    "/test/%2e/room",     "/x/%2E%2e/test/room",
        "/test/room%2f",   "/%2ftest/room",      "/test/.%2e/room",
        "/test/%2e./room", "test/room",          "",
        "?/test/room",     "http://h/test/room", "/test\\room\x01",
        "/test/room%0a",   "/test/room%",        "/test/room%4",
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        expect_path(refused[i], NULL);
}
END_TEST

START_TEST(percent_is_decoded_once)
{
    expect_path("/%2574est", "%74est");
    expect_path("/%252f", "%2f");
    expect_path("/a%25", "a%");
    expect_path("/a+b", "a+b");
}
END_TEST

START_TEST(paths_of_other_scripts)
{
    expect_path("/test/房间", "test/房间");
    expect_path("/test/%e6%88%bf%E9%97%B4/", "test/房间");
    expect_path("/%F0%9F%98%80", "😀");
    expect_path("/\xc2\xa0", "\xc2\xa0"); /* the first after the controls */
    expect_path("/...", "...");
    expect_path("/..a", "..a");
    expect_path("/a@b", "a@b");
    expect_path("/room:7,x;y=z&'()*!$~", "room:7,x;y=z&'()*!$~");
    expect_path("/a\\b\"<>|^`{}", "a\\b\"<>|^`{}");
}
END_TEST

START_TEST(a_fault_says_what_it_is)
{
    expect_fault("/", "empty");
    expect_fault("/?x", "empty");
    expect_fault("//", "empty");
    expect_fault("/a//b", "empty segment");
    expect_fault("/a/../b", "segment");
    expect_fault("/a%2Fb", "encoded slash");
    expect_fault("/%GG", "percent");
    expect_fault("/%", "percent");
    expect_fault("/%4", "percent");
    expect_fault("/%-1", "percent");
    expect_fault("/% 1", "percent");
    expect_fault("/%40all", "'@'");
    expect_fault("/@in:test", "'@'");
    expect_fault("/a%20b", "space");
    expect_fault("/a%3Fb", "'?'");
    expect_fault("/a%23b", "'#'");
    expect_fault("/a#b", "'#'");
    expect_fault("test", "begin with '/'");
}
END_TEST

START_TEST(no_control_byte_passes)
{
    char path[8];
    for (int c = 0; c < 0x100; c++) {
        bool control = c < 0x20 || c == 0x7f;
        sprintf(path, "/a%%%02x", c);
        if (control)
            expect_fault(path, "control");
        else if (c >= 0x80)
            expect_fault(path, "UTF-8");
    }
    for (int c = 0x80; c < 0xa0; c++) {
        char name[3] = {'\xc2', (char)c};
        ck_assert_ptr_nonnull(strstr(channel_name_fault(name, 2), "control"));
    }
    expect_path_len("/a\0b", 4, NULL);
    ck_assert_ptr_nonnull(channel_name_fault("a\0b", 3));
}
END_TEST

START_TEST(names_are_utf8)
{
    static const char *const bad[] = {
        "/%80",       "/%c0%af",       "/%c1%bf",    "/%c3",          "/%c3%28",       "/%e2%82",
        "/%e0%80%af", "/%ed%a0%80",    "/%ed%bf%bf", "/%f0%80%80%af", "/%f4%90%80%80", "/%f5%80%80%80",
        "/%ff",       "/%fe%fe%ff%ff", "/a%e6%88",   "/%e6%88/%bf",   "/\xe6\x88",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_path(bad[i], NULL);
}
END_TEST

START_TEST(the_longest_has_200_bytes)
{
    char path[1000] = "/";
    memset(path + 1, 'x', 200);
    char name[201] = "";
    memset(name, 'x', 200);
    expect_path(path, name);
    strcat(path, "/");
    expect_path(path, name);
    path[201] = 'x';
    expect_fault(path, "200 bytes");
    ck_assert_ptr_null(channel_name_fault(name, 200));
    ck_assert_ptr_nonnull(channel_name_fault(path + 1, 201));

    path[1] = '\0';
    for (int i = 0; i < 200; i++)
        strcat(path, "%78");
    expect_path(path, name);
    strcat(path, "%78");
    expect_fault(path, "200 bytes");

    path[1] = '\0';
    for (int i = 0; i < 66; i++)
        strcat(path, "房");
    strcat(path, "xy");
    expect_path(path, path + 1);
    strcat(path, "z");
    expect_fault(path, "200 bytes");
}
END_TEST

START_TEST(a_long_path_is_refused_soon)
{
    size_t len = 16 << 20;
    char *path = malloc(len);
    ck_assert_ptr_nonnull(path);
    memset(path, 'x', len);
    path[0] = '/';
    expect_path_len(path, len, NULL);
    free(path);
}
END_TEST

static const char *bad_target(const char *text)
{
    struct target t;
    return target_parse(text, strlen(text), &t);
}

START_TEST(targets)
{
    struct target t;
    ck_assert_ptr_null(target_parse("test/room", 9, &t));
    ck_assert_int_eq(t.kind, TARGET_CHANNEL);
    ck_assert_uint_eq(t.name_len, 9);
    ck_assert(memcmp(t.name, "test/room", 9) == 0);
    ck_assert_ptr_null(target_parse("@all", 4, &t));
    ck_assert_int_eq(t.kind, TARGET_ALL);
    ck_assert_ptr_null(target_parse("@client:c42", 11, &t));
    ck_assert_int_eq(t.kind, TARGET_CLIENT);
    ck_assert_uint_eq(t.client, 42);
    ck_assert_ptr_null(target_parse("@client:c18446744073709551615", 29, &t));
    ck_assert_uint_eq(t.client, UINT64_MAX);
    ck_assert_ptr_null(target_parse("all", 3, &t));
    ck_assert_int_eq(t.kind, TARGET_CHANNEL);
}
END_TEST

START_TEST(what_is_no_target)
{
    static const char *const bad[] = {
        "",
        "@",
        "@al",
        "@alll",
        "@ALL",
        "@client:",
        "@client:42",
        "@client:c",
        "@client:c0",
        "@client:c042",
        "@client:c-1",
        "@client:c4x",
        "@client: c4",
        "@client:C42",
        "@client:c 42",
        "@in:test",
        "/test",
        "test/",
        "a b",
        "@client:c18446744073709551616",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(bad_target(bad[i]) != NULL, "'%s' passes", bad[i]);
    struct target t;
    ck_assert_ptr_nonnull(target_parse("@all\0", 5, &t));
    ck_assert_ptr_nonnull(target_parse("@client:c4\0", 11, &t));
}
END_TEST

/* Said another way: segment by segment, with the one character beyond ASCII that the words below are made of.
 */
static bool is_name(const char *text)
{
    if (text[0] == '\0' || text[0] == '@')
        return false;
    for (;;) {
        size_t len = strcspn(text, "/");
        if (len == 0 || (len == 1 && text[0] == '.') || (len == 2 && memcmp(text, "..", 2) == 0))
            return false;
        for (size_t i = 0; i < len; i++) {
            if (strchr(" ?#\x1f\x7f\xa9", text[i]))
                return false;
            if (text[i] == '\xc3' && text[++i] != '\xa9')
                return false;
        }
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
}

START_TEST(every_short_word_is_judged_as_the_rules_say)
{
    static const char letters[] = "a./@ ?#\x1f\x7f\xc3\xa9";
    enum { LETTERS = sizeof letters - 1, WORDS = LETTERS * LETTERS * LETTERS * LETTERS * LETTERS };
    int names = 0;
    for (int i = 0; i < WORDS; i++) {
        char word[6] = "";
        size_t len = 0;
        for (int rest = i; rest; rest /= LETTERS)
            word[len++] = letters[rest % LETTERS];
        bool good = !channel_name_fault(word, len);
        ck_assert_msg(good == is_name(word), "'%s' is %s name", word, good ? "a" : "no");
        names += good;
    }
    ck_assert_int_gt(names, 100);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("name");
    TCase *tc = tcase_create("name");
    tcase_add_test(tc, one_channel_has_many_spellings);
    tcase_add_test(tc, spellings_that_others_normalise_are_refused);
    tcase_add_test(tc, percent_is_decoded_once);
    tcase_add_test(tc, paths_of_other_scripts);
    tcase_add_test(tc, a_fault_says_what_it_is);
    tcase_add_test(tc, no_control_byte_passes);
    tcase_add_test(tc, names_are_utf8);
    tcase_add_test(tc, every_short_word_is_judged_as_the_rules_say);
    tcase_add_test(tc, the_longest_has_200_bytes);
    tcase_add_test(tc, a_long_path_is_refused_soon);
    tcase_add_test(tc, targets);
    tcase_add_test(tc, what_is_no_target);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
