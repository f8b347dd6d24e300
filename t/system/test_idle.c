/*
 * What an idle client costs the worker: its struct, its subscription and its share of the tables, whatever it
 * said and heard before. Counted by the worker's own allocator (INFO's used_memory), between two crowds, so
 * that what there is once does not count.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd.h"
#include "figures.h"
#include "http.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

/* BUDGET: bytes a client. NOISE: bytes that may differ in all, by buffers of a reply or two; a client kept in
 * half costs more. */
enum { FEW = 200, BUDGET = 512, NOISE = 16 * 1024 };

static struct site *site;
static struct resp *control;

/* All come at once, and all go at once, while the worker stands still: so what it keeps for letters between
 * its threads has reached the size that it will ever need here, and does not look like a cost of clients. */
static void rush(size_t count)
{
    static const char request[] =
        "GET /rush HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct http_conn **conns = calloc(count, sizeof(struct http_conn *));
    ck_assert(conns != NULL);
    site_signal(site, SITE_WORKER, SIGSTOP);
    for (size_t i = 0; i < count; i++) {
        conns[i] = http_open(site_ws(site));
        ck_assert(conns[i] && http_write(conns[i], request, sizeof request - 1) == 0);
    }
    site_signal(site, SITE_WORKER, SIGCONT);
    info_until(control, "connected_clients", (long long)count);
    site_signal(site, SITE_WORKER, SIGSTOP);
    for (size_t i = 0; i < count; i++)
        http_close(conns[i]);
    site_signal(site, SITE_WORKER, SIGCONT);
    info_until(control, "connections", 0);
    free(conns);
}

static void begin(int threads)
{
    static const char config[] = "channel \"echo\" { inbound = echo }\n";
    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1); /* what is free counts as free */
    site = site_start(
        &(struct site_options){.threads = threads, .config = config, .no_nginx = true, .no_responder = true});
    unsetenv("GLIBC_TUNABLES");
    control = resp_open(site_control(site));
    ck_assert(control != NULL);
    for (int i = 0; i < 3; i++)
        rush(crowd_size() + FEW);
}

static void end(void)
{
    resp_free(control);
    site_stop(site);
}

/* Every client of the crowd, and of the channel, says and hears something: small and large, one by one and
 * many in one turn of the worker, whole and in pieces. */
static void talk(struct crowd *crowd, size_t on_channel)
{
    enum { AT_ONCE = 19 };
    static char large[5000];
    char burst[AT_ONCE * 32] = "", expected[32];
    memset(large, 'x', sizeof large - 1);
    snprintf(expected, sizeof expected, "%zu", on_channel);
    crowd_take_anything(crowd);
    crowd_say(crowd, "a word");
    crowd_receive(crowd, 1, 10000);
    ck_assert(resp_send(control, "PUBLISH", "echo", large, NULL) == 0);
    resp_expect_next(control, expected);
    for (int i = 0; i < AT_ONCE; i++)
        strcat(burst, "PUBLISH echo more\r\n");
    ck_assert(resp_send_raw(control, burst, strlen(burst)) == 0);
    for (int i = 0; i < AT_ONCE; i++)
        resp_expect_next(control, expected);
    crowd_receive(crowd, AT_ONCE + 2, 10000);
    crowd_say_in_pieces(crowd, "in pieces");
    crowd_receive(crowd, AT_ONCE + 3, 10000);
}

/* Bytes that one more client costs when it is idle. */
static long long cost(int threads, bool after_talk)
{
    begin(threads);
    struct crowd *few = crowd_open(site_ws(site), "/echo", FEW);
    if (after_talk)
        talk(few, FEW);
    long long before = info_get(control, "used_memory");
    struct crowd *many = crowd_open(site_ws(site), "/echo", crowd_size());
    if (after_talk) {
        crowd_start_over(few);
        talk(many, FEW + crowd_size());
        crowd_receive(few, 20, 10000);
    }
    long long more = info_get(control, "used_memory") - before;
    crowd_free(few);
    crowd_free(many);
    end();
    return more;
}

START_TEST(an_idle_client)
{
    long long clients = (long long)crowd_size();
    long long quiet = cost(_i + 1, false), after_talk = cost(_i + 1, true);
    printf("an idle client, %d thread(s): %lld bytes, %lld after talk\n", _i + 1, quiet / clients,
           after_talk / clients);
    ck_assert_msg(after_talk <= clients * BUDGET + NOISE, "%lld bytes a client", after_talk / clients);
    ck_assert_msg(after_talk <= quiet + NOISE, "%lld bytes more than one that never spoke",
                  (after_talk - quiet) / clients);
}
END_TEST

/* When they are gone, so is what they cost: crowd after crowd leaves what the first one left. */
START_TEST(nothing_stays)
{
    long long after_first = 0;
    begin(_i + 1);
    for (int round = 0; round < 4; round++) {
        struct crowd *crowd = crowd_open(site_ws(site), "/echo", crowd_size());
        talk(crowd, crowd_size());
        crowd_free(crowd);
        info_until(control, "connections", 0);
        if (round == 0)
            after_first = info_get(control, "used_memory");
    }
    long long more = info_get(control, "used_memory") - after_first;
    ck_assert_msg(more < 4 * NOISE, "%lld bytes stay", more); /* a mailbox may double once more */
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("idle");
    TCase *tc = tcase_create("memory");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, an_idle_client, 0, 2);
    tcase_add_loop_test(tc, nothing_stays, 0, 2);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
