/* The line that would let somebody in is one that the configuration takes, and lets nobody else in. */
#include "base/remedy.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/origin.h"

static struct config *read_config(const char *text)
{
    char path[] = "/tmp/wspush-remedy-XXXXXX";
    char why[512] = "";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    struct config *config = config_load(path, why, sizeof why);
    unlink(path);
    ck_assert_msg(config, "%s\nis: %s", text, why);
    return config;
}

static const struct channel_config *rules_of(const struct config *config, const char *channel)
{
    const struct channel_config *rules = config_for_channel(config, channel, strlen(channel));
    ck_assert_ptr_nonnull(rules);
    return rules;
}

static void expect_origin(const char *text, const char *channel, const char *origin, const char *expected)
{
    struct config *config = read_config(text);
    struct buf line = {0};
    remedy_add_origin(&line, config, rules_of(config, channel), origin);
    ck_assert_str_eq(buf_str(&line), expected);
    config_unref(config);
    if (*expected) {
        const char *option = strstr(expected, "origins");
        config = read_config(option);
        const char *const *origins = (const char *const *)rules_of(config, channel)->origins.items;
        ck_assert(origin_allowed(origin, "elsewhere", "https", origins));
        ck_assert(!origin_allowed("https://stranger.example", "elsewhere", "https", origins));
        config_unref(config);
    }
    buf_fini(&line);
}

START_TEST(an_origin)
{
    expect_origin("", "test", "https://a.example", "origins = {\"https://a.example\"}");
    expect_origin("", "test", "http://[::1]:8080", "origins = {\"http://[::1]:8080\"}");
    expect_origin("origins = {\"*.b.example\"}", "test", "https://a.example",
                  "origins = {\"*.b.example\", \"https://a.example\"}");
}
END_TEST

START_TEST(within_its_section)
{
    static const char text[] = "origins = \"https://top.example\"\nchannel \"chat/**\" { inbound = off }\n";
    expect_origin(text, "chat/room1", "https://a.example",
                  "in channel \"chat/**\": origins = {\"https://top.example\", \"https://a.example\"}");
    expect_origin(text, "other", "https://a.example",
                  "origins = {\"https://top.example\", \"https://a.example\"}");
}
END_TEST

/* What a peer says goes into a file that somebody copies it to. */
START_TEST(no_more_than_itself)
{
    static const char *const origins[] = {"null",
                                          "any",
                                          "*",
                                          "https://*.example",
                                          "*.example",
                                          "https://a\", \"any",
                                          "https://a.example/\"",
                                          "https://${HOME}",
                                          "",
                                          "a.example",
                                          "https://a'b"};
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++)
        expect_origin("", "test", origins[i], "");
}
END_TEST

static void expect_double(const char *name, uint64_t value, const char *expected)
{
    struct buf line = {0};
    remedy_add_double(&line, name, value);
    ck_assert_str_eq(buf_str(&line), expected);
    config_unref(read_config(buf_str(&line)));
    buf_fini(&line);
}

START_TEST(twice_as_much)
{
    expect_double("max_clients", 1000, "max_clients = 2000");
    expect_double("header_limit", 700 * 1024, "header_limit = 1048576");
    expect_double("header_limit", 1048576, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/remedy");
    TCase *tc = tcase_create("remedy");
    tcase_add_test(tc, an_origin);
    tcase_add_test(tc, within_its_section);
    tcase_add_test(tc, no_more_than_itself);
    tcase_add_test(tc, twice_as_much);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
