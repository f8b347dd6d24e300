/* wspush_is_websocket: what a CGI program is asked for. t/system/test_examples.c holds it against nginx. */
#include "client/wspush.h"

#include <check.h>
#include <stdio.h>

static bool asks(const char *method, const char *protocol, const char *connection, const char *upgrade)
{
    char texts[4][128];
    char other[] = "HTTP_UPGRADE_INSECURE_REQUESTS=1";
    char *variables[] = {other, texts[0], texts[1], texts[2], texts[3], NULL};
    snprintf(texts[0], sizeof texts[0], "REQUEST_METHOD=%s", method);
    snprintf(texts[1], sizeof texts[1], "SERVER_PROTOCOL=%s", protocol);
    snprintf(texts[2], sizeof texts[2], "HTTP_CONNECTION=%s", connection);
    snprintf(texts[3], sizeof texts[3], "HTTP_UPGRADE=%s", upgrade);
    return wspush_is_websocket(variables);
}

START_TEST(requests)
{
    static const struct {
        const char *method, *protocol, *connection, *upgrade;
        bool websocket;
    } rows[] = {
        {"GET", "HTTP/1.1", "Upgrade", "websocket", true},
        {"GET", "HTTP/1.1", "keep-alive, Upgrade", "websocket", true},
        {"GET", "HTTP/1.1", "UPGRADE\t,x", "h2c ,\tWebSocket , x", true},
        {"GET", "HTTP/1.1", ",,upgrade", "websocket,", true},
        {"POST", "HTTP/1.1", "Upgrade", "websocket", false},
        {"HEAD", "HTTP/1.1", "Upgrade", "websocket", false},
        {"GET", "HTTP/1.0", "Upgrade", "websocket", false},
        {"GET", "HTTP/2.0", "Upgrade", "websocket", false},
        {"GET", "HTTP/1.1", "keep-alive", "websocket", false},
        {"GET", "HTTP/1.1", "upgrades", "websocket", false},
        {"GET", "HTTP/1.1", "not upgrade", "websocket", false},
        {"GET", "HTTP/1.1", "Upgrade", "websocketx", false},
        {"GET", "HTTP/1.1", "Upgrade", "websocket/13", false},
        {"GET", "HTTP/1.1", "Upgrade", "h2c", false},
        {"GET", "HTTP/1.1", "Upgrade", "", false},
        {"GET", "HTTP/1.1", "", "websocket", false},
        {"GET", "HTTP/1.1", " \t ", " ", false},
        {"", "", "", "", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(asks(rows[i].method, rows[i].protocol, rows[i].connection, rows[i].upgrade) ==
                          rows[i].websocket,
                      "row %zu", i);
}
END_TEST

START_TEST(without_variables)
{
    char *none[] = {NULL};
    char bare[] = "REQUEST_METHOD";
    char longer[] = "HTTP_CONNECTIONS=upgrade";
    char *others[] = {bare, longer, NULL};
    ck_assert(!wspush_is_websocket(none));
    ck_assert(!wspush_is_websocket(others));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client request");
    TCase *tc = tcase_create("request");
    tcase_add_test(tc, requests);
    tcase_add_test(tc, without_variables);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
