/* The origin rule: who may come in from a page, and which entries a list may have. */
#include "base/origin.h"

#include <check.h>
#include <stdlib.h>

struct verdict {
    bool allowed;
    const char *origin;
    const char *host;
    const char *scheme;
};

static void expect_all(const struct verdict *v, size_t count, const char *const *origins)
{
    for (size_t i = 0; i < count; i++, v++)
        ck_assert_msg(origin_allowed(v->origin, v->host, v->scheme, origins) == v->allowed,
                      "%s at %s (%s) is %sallowed", v->origin ? v->origin : "(none)",
                      v->host ? v->host : "(none)", v->scheme ? v->scheme : "?", v->allowed ? "not " : "");
}

#define EXPECT_ALL(verdicts, origins) expect_all(verdicts, sizeof(verdicts) / sizeof *(verdicts), origins)

START_TEST(the_own_host_passes_and_no_other)
{
    static const struct verdict verdicts[] = {
        {true, NULL, "site.example", "https"},
        {true, NULL, NULL, NULL},
        {true, "https://site.example", "site.example", "https"},
        {true, "https://SITE.Example", "site.EXAMPLE", "https"},
        {true, "HTTPS://site.example", "site.example", "https"},
        {true, "https://site.example", "site.example", NULL},
        {true, "http://site.example", "site.example", NULL},
        {true, "http://localhost:8080", "localhost:8080", "http"},
        {false, "http://site.example", "site.example", "https"},
        {false, "https://site.example", "site.example", "http"},
        {false, "ftp://site.example", "site.example", "http"},
        {false, "null", "site.example", "https"},
        {false, "null", "null", "https"},
        {false, "", "site.example", "https"},
        {false, "", "", "https"},
        {false, "site.example", "site.example", "https"},
        {false, "//site.example", "site.example", "https"},
        {false, "://site.example", "site.example", NULL},
        {false, "https:site.example", "site.example", "https"},
        {false, "https://", "site.example", "https"},
        {false, "https://", "", "https"},
        {false, "https://site.example", NULL, "https"},
        {false, "https://site.example", "", "https"},
        {false, "https://site.example.evil", "site.example", "https"},
        {false, "https://evilsite.example", "site.example", "https"},
        {false, "https://site.exampl", "site.example", "https"},
        {false, "https://sub.site.example", "site.example", "https"},
        {false, "https://site.example@evil.example", "site.example", "https"},
        {false, "https://evil.example@site.example", "site.example", "https"},
        {false, "https://user:pw@site.example", "site.example", "https"},
        {false, "https://site.example:@evil.example", "site.example", "https"},
        {false, "https://site.example/", "site.example", "https"},
        {false, "https://evil.example/site.example", "site.example", "https"},
        {false, "https://evil.example?site.example", "site.example", "https"},
        {false, "https://evil.example#site.example", "site.example", "https"},
        {false, "https://evil.example\\site.example", "site.example", "https"},
        {false, "https://site.example https://evil.example", "site.example", "https"},
        {false, "https://evil.example https://site.example", "site.example", "https"},
        {false, " https://site.example", "site.example", "https"},
        {false, "https://site.example ", "site.example", "https"},
        {false, "https://site.example\n", "site.example", "https"},
        {false, "https://*", "site.example", "https"},
        {false, "https://*", "*", "https"},
        {false, "https://*.example", "*.example", "https"},
        {false, "https://site%2eexample", "site.example", "https"},
        {false, "https://s\xc3\xafte.example", "site.example", "https"},
    };
    EXPECT_ALL(verdicts, NULL);
}
END_TEST

START_TEST(ports_are_compared)
{
    static const struct verdict verdicts[] = {
        {true, "https://site.example:443", "site.example", "https"},
        {true, "https://site.example", "site.example:443", "https"},
        {true, "http://site.example:80", "site.example", "http"},
        {true, "http://site.example", "site.example:80", "http"},
        {true, "http://site.example:8080", "site.example:8080", "http"},
        {true, "http://site.example:080", "site.example", "http"},
        {false, "http://site.example:8080", "site.example", "http"},
        {false, "http://site.example", "site.example:8080", "http"},
        {false, "http://site.example:8080", "site.example:8081", "http"},
        {false, "https://site.example:80", "site.example", "https"},
        {false, "http://site.example:443", "site.example", "http"},
        {false, "https://site.example", "site.example:80", NULL},
        {false, "http://site.example:", "site.example", "http"},
        {false, "http://site.example:0", "site.example", "http"},
        {false, "http://site.example:65616", "site.example", "http"}, /* 65536 + 80 */
        {false, "http://site.example:4294967376", "site.example", "http"},
        {false, "http://site.example:18446744073709551696", "site.example", "http"},
        {false, "http://site.example:+80", "site.example", "http"},
        {false, "http://site.example:-1", "site.example", "http"},
        {false, "http://site.example:80:80", "site.example", "http"},
        {false, "http://site.example:8x", "site.example:8", "http"},
        {false, "http://site.example", "site.example:", "http"},
        {false, "http://site.example", "site.example:x", "http"},
    };
    EXPECT_ALL(verdicts, NULL);
}
END_TEST

START_TEST(addresses_and_trailing_dots)
{
    static const struct verdict verdicts[] = {
        {true, "http://[::1]:8080", "[::1]:8080", "http"},
        {true, "http://[::1]", "[::1]:80", "http"},
        {true, "http://[2001:DB8::1]", "[2001:db8::1]", "http"},
        {true, "http://127.0.0.1:8080", "127.0.0.1:8080", "http"},
        {true, "https://site.example.", "site.example.", "https"},
        {true, "https://site.example.", "site.example", "https"},
        {true, "https://site.example", "site.example.", "https"},
        {true, "https://site.example.:443", "site.example", "https"},
        {false, "https://site.example..", "site.example", "https"},
        {false, "https://.", ".", "https"},
        {false, "http://[::1]", "[::2]", "http"},
        {false, "http://[::1]:8081", "[::1]:8080", "http"},
        {false, "http://[::1", "[::1", "http"},
        {false, "http://[::1]x", "[::1]", "http"},
        {false, "http://[::1]evil:80", "[::1]", "http"},
        {false, "http://[::1]@evil", "[::1]", "http"},
        {false, "http://::1", "[::1]", "http"},
        {false, "http://[]", "[]", "http"},
    };
    EXPECT_ALL(verdicts, NULL);
}
END_TEST

START_TEST(a_list_lets_in_what_it_names)
{
    static const char *const origins[] = {"https://a.example", "*.b.example",       "https://*.c.example",
                                          "d.example:8443",    "http://[::1]:3000", NULL};
    static const struct verdict verdicts[] = {
        {true, "https://a.example", "site.example", "https"},
        {true, "https://a.example:443", "site.example", "https"},
        {true, "https://A.EXAMPLE.", "site.example", "https"},
        {true, "https://a.example", NULL, NULL},
        {true, "https://site.example", "site.example", "https"},
        {true, "https://x.b.example", "site.example", "https"},
        {true, "http://x.y.b.example", "site.example", "https"},
        {true, "https://x.c.example", "site.example", "https"},
        {true, "https://d.example:8443", "site.example", "https"},
        {true, "http://d.example:8443", "site.example", "https"},
        {true, "http://[::1]:3000", "site.example", "https"},
        {false, "http://a.example", "site.example", "https"},
        {false, "https://a.example:8443", "site.example", "https"},
        {false, "https://a.example.evil", "site.example", "https"},
        {false, "https://b.example", "site.example", "https"},
        {false, "https://.b.example", "site.example", "https"},
        {false, "https://evilb.example", "site.example", "https"},
        {false, "https://x.b.example:8443", "site.example", "https"},
        {false, "https://x.b.example.evil", "site.example", "https"},
        {false, "http://x.c.example", "site.example", "https"},
        {false, "https://c.example", "site.example", "https"},
        {false, "https://d.example", "site.example", "https"},
        {false, "http://[::1]", "site.example", "https"},
        {false, "https://evil.example", "site.example", "https"},
        {false, "null", "site.example", "https"},
        {false, "any", "site.example", "https"},
        {false, "https://*.b.example", "site.example", "https"},
    };
    EXPECT_ALL(verdicts, origins);
}
END_TEST

START_TEST(any_lets_everybody_in)
{
    static const char *const origins[] = {"https://a.example", "any", NULL};
    static const struct verdict verdicts[] = {
        {true, "null", "site.example", "https"},
        {true, "https://evil.example", "site.example", "https"},
        {true, "file://", "site.example", "https"},
        {true, "", NULL, NULL},
    };
    static const char *const nobody[] = {NULL};
    EXPECT_ALL(verdicts, origins);
    ck_assert(!origin_allowed("https://evil.example", "site.example", "https", nobody));
}
END_TEST

START_TEST(entries_of_a_list)
{
    static const char *const good[] = {"any",
                                       "https://a.example",
                                       "http://a.example:8080",
                                       "a.example",
                                       "*.b.example",
                                       "https://*.b.example",
                                       "*.b.example:8443",
                                       "localhost",
                                       "http://[::1]:3000",
                                       "127.0.0.1:80",
                                       "https://a.example."};
    static const char *const bad[] = {"",
                                      "*",
                                      "*.",
                                      "https://*",
                                      "a.*.example",
                                      "*a.example",
                                      "*.*.example",
                                      "**.example",
                                      "null",
                                      "https://",
                                      "://a.example",
                                      "https://a.example/",
                                      "https://a.example/path",
                                      "https://user@a.example",
                                      "https://a.example:0",
                                      "https://a.example:65536",
                                      "https://a.example:",
                                      "https://a.example:port",
                                      "a example",
                                      " https://a.example",
                                      "https://a.example ",
                                      "https://a..example",
                                      "htt ps://a.example",
                                      "https://[::1",
                                      "https:/a.example"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(!origin_entry_fault(good[i]), "%s: %s", good[i], origin_entry_fault(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(origin_entry_fault(bad[i]) != NULL, "'%s' passes", bad[i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("origin");
    TCase *tc = tcase_create("origin");
    tcase_add_test(tc, the_own_host_passes_and_no_other);
    tcase_add_test(tc, ports_are_compared);
    tcase_add_test(tc, addresses_and_trailing_dots);
    tcase_add_test(tc, a_list_lets_in_what_it_names);
    tcase_add_test(tc, any_lets_everybody_in);
    tcase_add_test(tc, entries_of_a_list);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
