/*
 * What an idle client costs the worker, with and without permessage-deflate agreed on, before and after it
 * said and heard something: bytes of the worker's own allocator (INFO's used_memory) between two crowds of
 * clients, so that what there is once does not count.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../system/figures.h"
#include "../system/resp.h"
#include "../system/site.h"
#include "../system/wsclient.h"

enum { FEW = 500, MANY = 2000 };

static struct wsclient *clients[FEW + MANY];

static void talk(struct wsclient *c)
{
    struct wsclient_received got;
    wsclient_send_text(c, "a word");
    wsclient_expect_text(c, "a word");
    static char large[5000];
    memset(large, 'x', sizeof large - 1);
    wsclient_send_text(c, large);
    ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
}

static void open_clients(const struct site *site, size_t from, size_t to, bool deflate, bool talks)
{
    for (size_t i = from; i < to; i++) {
        clients[i] = wsclient_connect(site_ws(site), "/idle",
                                      deflate ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : NULL);
        ck_assert(wsclient_accepted(clients[i]));
        if (talks)
            talk(clients[i]);
    }
}

static void measure(bool deflate, bool talks)
{
    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1); /* what is free counts as free */
    struct site *site = site_start(
        &(struct site_options){.config = "inbound = echo\n", .no_nginx = true, .no_responder = true});
    struct resp *control = resp_open(site_control(site));
    ck_assert(control != NULL);
    /* Once for the tables' sizes, which then stay; once to be counted. */
    for (int round = 0; round < 2; round++) {
        open_clients(site, 0, FEW, deflate, talks);
        long long before = info_get(control, "used_memory");
        open_clients(site, FEW, FEW + MANY, deflate, talks);
        long long more = info_get(control, "used_memory") - before;
        if (round)
            printf("idle client, %s%s: %lld bytes of heap\n", deflate ? "deflate" : "plain",
                   talks ? ", after talk" : "", more / MANY);
        for (size_t i = 0; i < FEW + MANY; i++)
            wsclient_free(clients[i]);
        info_until(control, "connections", 0);
    }
    resp_free(control);
    site_stop(site);
}

START_TEST(idle)
{
    measure(_i & 1, _i & 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("idle");
    TCase *tc = tcase_create("idle");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, idle, 0, 4);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_print(runner, CK_MINIMAL);
    srunner_free(runner);
    return failed != 0;
}
