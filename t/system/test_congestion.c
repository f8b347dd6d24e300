/*
 * Too much is queued to clients that do not read: publishers are held back, and nobody else notices. Browsers
 * that only answer pings are read on, operators that ask get answers, and nothing that was written is lost.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "resp.h"
#include "site.h"
#include "v1.h"
#include "wsclient.h"

enum { STUCK = 4 };

static struct site *site;
static struct resp *control;
static struct wsclient *stuck[STUCK];
static struct wsclient *quiet;

static struct resp *operator_new(void)
{
    struct resp *r = resp_open(site_control(site));
    ck_assert(r != NULL);
    return r;
}

static bool is_congested(void *arg)
{
    (void)arg;
    return info_get(control, "congested");
}

static bool is_free(void *arg)
{
    return !is_congested(arg);
}

/* Four clients that read nothing take more than out_total between them, and none of them is slow yet. */
static void begin(void)
{
    site = site_start(&(struct site_options){
        .threads = 2,
        .config = "out_total = 1m\nout_slow = 1m\nout_limit = 16m\n"
                  "close_timeout = 300ms\nsubscribe = any\n"
                  "channel \"loud\" { inbound = publish }\nchannel \"off\" { inbound = off }\n",
        .no_nginx = true,
        .no_responder = true});
    control = operator_new();
    for (int i = 0; i < STUCK; i++)
        stuck[i] = wsclient_open(site_ws(site), "/stuck");
    quiet = wsclient_open(site_ws(site), "/quiet");
    char *large = calloc(1, 900001);
    memset(large, 'x', 900000);
    ck_assert(resp_send(control, "PUBLISH", "stuck", large, NULL) == 0);
    resp_expect_next(control, "4");
    free(large);
    ck_assert_msg(site_until(is_congested, NULL, 3000), "too little is queued");
}

static void end(void)
{
    for (int i = 0; i < STUCK; i++)
        wsclient_free(stuck[i]);
    wsclient_free(quiet);
    resp_free(control);
    site_stop(site);
}

static void expect_pong(struct wsclient *c)
{
    struct wsclient_received got;
    ck_assert(wsclient_send_ping(c, "?", 1) == 0);
    ck_assert_int_eq(wsclient_recv(c, &got, 2000), WSCLIENT_GOT);
    ck_assert_int_eq(got.opcode, WSCLIENT_PONG);
}

START_TEST(who_does_not_publish_is_read)
{
    begin();
    struct wsclient *speaker = wsclient_open(site_ws(site), "/said");
    for (int i = 0; i < 5; i++) {
        expect_pong(quiet);
        ck_assert(wsclient_send_text(speaker, "for the inbox") == 0);
        expect_pong(speaker);
    }
    integer_until(control, "WS.COUNT said", 5);
    ck_assert(is_congested(NULL));
    wsclient_close(speaker);
    end();
}
END_TEST

/* The first of the stuck ones. */
static long long bytes_in(void)
{
    struct resp_value *v = resp_call(control, "WS.LIST", "@client:c1", NULL);
    long long n = -1;
    for (size_t i = 0; v->count == 1 && i + 1 < v->items[0]->count; i += 2)
        if (strcmp(v->items[0]->items[i]->text, "bytes_in") == 0)
            n = v->items[0]->items[i + 1]->integer;
    resp_value_free(v);
    return n;
}

static bool has_grown(void *arg)
{
    return bytes_in() > *(long long *)arg;
}

/* Much to read, and not slow yet: its pongs are proof of its life, and must be seen. */
START_TEST(who_lags_is_read)
{
    begin();
    for (int i = 0; i < 3; i++) {
        long long before = bytes_in();
        ck_assert(wsclient_send_ping(stuck[0], "?", 1) == 0);
        ck_assert_msg(site_until(has_grown, &before, 2000), "ping %d is not read", i + 1);
    }
    end();
}
END_TEST

/* Nobody publishes while it lasts; whoever made room again is one WS.CLOSE away. */
START_TEST(publishers_wait_and_others_do_not)
{
    begin();
    struct resp *publisher = operator_new();
    ck_assert(resp_send(publisher, "PUBLISH", "quiet", "held", NULL) == 0);
    wsclient_expect_silence(quiet, 300);
    ck_assert(resp_read(publisher, 0) == NULL);
    resp_expect(control, "PING", "PONG");
    resp_expect(control, "WS.CLOSE stuck", "4");
    ck_assert_msg(site_until(is_free, NULL, 5000), "the queues stay full");
    resp_expect_next(publisher, "1");
    wsclient_expect_text(quiet, "held");
    resp_free(publisher);
    end();
}
END_TEST

START_TEST(a_publishing_browser_waits)
{
    begin();
    struct wsclient *loud = wsclient_open(site_ws(site), "/loud");
    ck_assert(wsclient_send_text(loud, "first") == 0); /* it is read, and then no more */
    wsclient_expect_text(loud, "first");
    ck_assert(wsclient_send_text(loud, "second") == 0);
    wsclient_expect_silence(loud, 300);
    resp_expect(control, "WS.CLOSE stuck", "4");
    wsclient_expect_text(loud, "second");
    wsclient_close(loud);
    end();
}
END_TEST

/* By wspush.v1 it is the channel that is spoken to that counts, and nothing but messages. */
START_TEST(a_publishing_page_waits)
{
    begin();
    struct wsclient *loud = v1_visit(site_ws(site), "/loud", NULL);
    struct wsclient *off = v1_visit(site_ws(site), "/off", NULL);
    v1_say(off, "{\"sub\":[\"loud\"]}");
    v1_expect(off, "{\"sub\":*}");
    v1_say(off, "{\"ch\":\"loud\",\"data\":\"first\"}"); /* it is read, and then no more */
    v1_expect(off, "{\"ch\":\"loud\",*\"data\":\"first\"}");
    v1_expect(loud, "{\"ch\":\"loud\",*\"data\":\"first\"}");
    v1_say(off, "{\"ch\":\"loud\",\"data\":\"second\"}");
    for (int i = 0; i < 3; i++) {
        wsclient_expect_silence(off, 100);
        v1_say(loud, "{\"ping\":1}");
        v1_expect(loud, "{\"pong\":1}");
    }
    ck_assert(is_congested(NULL));
    resp_expect(control, "WS.CLOSE stuck", "4");
    v1_expect(off, "{\"ch\":\"loud\",*\"data\":\"second\"}");
    v1_expect(loud, "{\"ch\":\"loud\",*\"data\":\"second\"}");
    wsclient_close(loud);
    wsclient_close(off);
    end();
}
END_TEST

/* Written and gone: what cannot be slowed down is done. */
START_TEST(a_publisher_that_goes_loses_nothing)
{
    begin();
    struct resp *publisher = operator_new();
    for (int i = 0; i < 3; i++)
        ck_assert(resp_send(publisher, "PUBLISH", "quiet", i == 0 ? "a" : i == 1 ? "b" : "c", NULL) == 0);
    resp_free(publisher);
    wsclient_expect_text(quiet, "a");
    wsclient_expect_text(quiet, "b");
    wsclient_expect_text(quiet, "c");
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("congestion");
    TCase *tc = tcase_create("congestion");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, who_does_not_publish_is_read);
    tcase_add_test(tc, who_lags_is_read);
    tcase_add_test(tc, publishers_wait_and_others_do_not);
    tcase_add_test(tc, a_publishing_browser_waits);
    tcase_add_test(tc, a_publishing_page_waits);
    tcase_add_test(tc, a_publisher_that_goes_loses_nothing);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
