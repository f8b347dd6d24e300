/*
 * INFO's kinds of memory: they account for what clients cost by the worker's own allocator (used_memory, with
 * malloc's caches off, so that free counts as free), and are gone with them.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "http.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

enum { CLIENTS = 1000 };

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
static const bool sanitized = true; /* their allocators do not tell */
#else
static const bool sanitized = false;
#endif

/* What INFO says of memory. Kinds that grow and stay: tables, and the room for letters. */
static const char *const kinds[] = {
    "memory_connections", "memory_clients", "memory_subscriptions", "memory_channels", "memory_queues",
    "memory_unfinished",  "memory_inboxes", "memory_tables",        "memory_letters",  "memory_sequences"};
enum { GONE_AT_ONCE = 7, KINDS = sizeof kinds / sizeof *kinds };

static struct site *site;
static struct resp *control;

static void begin(int threads, const char *config)
{
    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
    site = site_start(
        &(struct site_options){.threads = threads, .config = config, .no_nginx = true, .no_responder = true});
    unsetenv("GLIBC_TUNABLES");
    control = resp_open(site_control(site));
    ck_assert(control != NULL);
}

static void end(void)
{
    resp_free(control);
    site_stop(site);
}

static long long all_kinds(void)
{
    long long sum = 0;
    for (size_t i = 0; i < KINDS; i++)
        sum += info_get(control, kinds[i]);
    return sum;
}

START_TEST(clients_and_channels)
{
    static struct wsclient *clients[CLIENTS];
    begin(_i + 1, NULL);
    long long used = info_get(control, "used_memory"), known = all_kinds();
    for (int i = 0; i < CLIENTS; i++) {
        char path[32];
        snprintf(path, sizeof path, "/channel-%d", i);
        clients[i] = wsclient_open(site_ws(site), path);
    }
    used = info_get(control, "used_memory") - used;
    known = all_kinds() - known;
    ck_assert_msg(sanitized || (known >= used * 9 / 10 && known <= used * 11 / 10), "%lld of %lld bytes",
                  known, used);
    ck_assert_int_ge(info_get(control, "memory_connections"), 200 * CLIENTS);
    ck_assert_int_ge(info_get(control, "memory_clients"), 40 * CLIENTS);
    ck_assert_int_ge(info_get(control, "memory_subscriptions"), 8 * CLIENTS);
    ck_assert_int_ge(info_get(control, "memory_channels"), 100 * CLIENTS);
    long long each = info_get(control, "memory_per_client");
    ck_assert_msg(each > 250 && each < 700, "%lld bytes a client", each);
    for (int i = 0; i < CLIENTS; i++)
        wsclient_free(clients[i]);
    info_until(control, "connections", 0);
    for (size_t i = 0; i < GONE_AT_ONCE; i++)
        info_until(control, kinds[i], 0);
    ck_assert_int_le(info_get(control, "memory_tables"), 128 * 1024);
    ck_assert_int_eq(info_get(control, "memory_per_client"), 0);
    end();
}
END_TEST

struct expectation {
    const char *kind;
    long long at_least;
};

static bool is_there(void *arg)
{
    const struct expectation *e = arg;
    return info_get(control, e->kind) >= e->at_least;
}

static void expect_some(const char *kind, long long at_least)
{
    struct expectation e = {kind, at_least};
    ck_assert_msg(site_until(is_there, &e, 3000), "%s is %lld", kind, info_get(control, kind));
}

START_TEST(what_came_in_part)
{
    static const char half[] = "GET /test/ HTTP/1.1\r\nHost: localhost\r\n";
    static const char payload[1000];
    const struct wsclient_frame lie = {
        .fin = true, .opcode = 2, .lie = true, .claimed = 2000, .payload = payload, .len = sizeof payload};
    begin(_i + 1, NULL);
    struct http_conn *request = http_open(site_ws(site));
    ck_assert(request && http_write(request, half, sizeof half - 1) == 0);
    expect_some("memory_unfinished", (long long)sizeof half - 1 + 64);
    http_close(request);
    info_until(control, "memory_unfinished", 0);
    struct wsclient *first = wsclient_open(site_ws(site), "/test/"),
                    *second = wsclient_open(site_ws(site), "/test/");
    wsclient_send_frame(first, &lie);
    expect_some("memory_unfinished", 1000);
    wsclient_send_raw(first, payload, sizeof payload); /* now it is whole */
    info_until(control, "memory_unfinished", 0);
    wsclient_send_frame(second, &lie);
    expect_some("memory_unfinished", 1000);
    wsclient_free(second); /* it never will be */
    info_until(control, "memory_unfinished", 0);
    wsclient_free(first);
    end();
}
END_TEST

START_TEST(inboxes)
{
    begin(_i + 1, NULL);
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    for (int i = 0; i < 20; i++)
        wsclient_send_text(c, "to whom it may concern");
    integer_until(control, "WS.COUNT test", 20);
    expect_some("memory_inboxes", 20 * 100);
    for (int i = 0; i < 20; i++)
        resp_value_free(resp_call(control, "WS.READ", "test", NULL));
    info_until(control, "memory_inboxes", 0);
    wsclient_free(c);
    end();
}
END_TEST

/* A client that does not read: what waits for it is in a queue. */
START_TEST(queues)
{
    enum { MESSAGES = 200, SIZE = 10000 };
    static char large[SIZE + 1];
    memset(large, 'x', SIZE);
    begin(_i + 1, "out_limit = 16m\nout_slow = 16m\n");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    for (int i = 0; i < MESSAGES; i++)
        resp_value_free(resp_call(control, "PUBLISH", "test", large, NULL));
    expect_some("memory_queues", 64 * 8);
    for (int i = 0; i < MESSAGES; i++)
        wsclient_expect_text(c, large);
    info_until(control, "memory_queues", 0);
    wsclient_free(c);
    end();
}
END_TEST

static void publish_to_names(int from, int count)
{
    enum { AT_ONCE = 500 };
    char name[32];
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "channel-%d", from + i);
        ck_assert(resp_send(control, "PUBLISH", name, "x", NULL) == 0);
        if (i % AT_ONCE == AT_ONCE - 1)
            for (int k = 0; k < AT_ONCE; k++)
                resp_expect_next(control, "0");
    }
}

/* Names that are published to are numbered, and only so many of them are remembered. */
START_TEST(sequences)
{
    enum { KEPT = 100000, MORE = 10000 };
    begin(1, NULL);
    publish_to_names(0, KEPT);
    expect_some("memory_sequences", KEPT * 80);
    ck_assert_int_eq(info_get(control, "history_channels"), KEPT);
    publish_to_names(KEPT, MORE);
    ck_assert_int_eq(info_get(control, "history_channels"), KEPT);
    ck_assert_int_le(info_get(control, "memory_sequences"), KEPT * 176);
    end();
}
END_TEST

/* They count towards the total, too. */
START_TEST(sequences_within_the_total)
{
    enum { TOTAL = 1 << 20, NAMES = 10000, EACH = 256 };
    begin(1, "history_total = 1m\n");
    publish_to_names(0, NAMES);
    ck_assert_int_le(info_get(control, "history_bytes"), TOTAL);
    ck_assert_int_ge(info_get(control, "history_channels"), TOTAL / EACH);
    ck_assert_int_lt(info_get(control, "history_channels"), NAMES);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tc = tcase_create("kinds");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, clients_and_channels, 0, 2);
    tcase_add_loop_test(tc, what_came_in_part, 0, 2);
    tcase_add_loop_test(tc, inboxes, 0, 2);
    tcase_add_loop_test(tc, queues, 0, 2);
    tcase_add_test(tc, sequences);
    tcase_add_test(tc, sequences_within_the_total);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
