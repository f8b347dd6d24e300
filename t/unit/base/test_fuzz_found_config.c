/* What `make fuzz TARGET=config` has found. */
#include "base/config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/wspush-found-XXXXXX";

static void make_file(void)
{
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void remove_file(void)
{
    unlink(path);
}

static void expect_fault(const char *text, const char *fault)
{
    char why[256];
    char expected[256];
    FILE *f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    ck_assert_msg(!config_load(path, why, sizeof why), "this passes: %s", text);
    snprintf(expected, sizeof expected, "%s:%s", path, fault);
    ck_assert_str_eq(why, expected);
}

START_TEST(an_empty_name_has_its_line)
{
    static const char fault[] = "2: expected the name of an option";
    expect_fault("max_clients = 0\n\"\"\n)\n", fault);
    expect_fault("channel \"a\" {\n'' }\n", fault);
    expect_fault("channel \"a\" { }\n\"\"", fault);
}
END_TEST

START_TEST(no_name_reaches_into_a_section)
{
    expect_fault("channel \"a\" { }\nchannel|mode = require\n", "2: no option has a '|' in its name");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fuzz_found_config");
    TCase *tc = tcase_create("fuzz_found_config");
    tcase_add_unchecked_fixture(tc, make_file, remove_file);
    tcase_add_test(tc, an_empty_name_has_its_line);
    tcase_add_test(tc, no_name_reaches_into_a_section);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
