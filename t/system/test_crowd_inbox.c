/*
 * A hundred waiters and a thousand clients that talk at once, through real nginx: every message is handed out
 * exactly once, and each waiter sees each sender's messages in their order.
 */
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd.h"
#include "figures.h"
#include "http.h"
#include "resp.h"
#include "site.h"

enum { WAITERS = 100, EACH = 100, KEPT = 20, TIME_MS = 60000 };

static struct site *site;
static struct resp *control;
static struct resp *waiters[WAITERS];
static size_t senders;

/* What has come, by sender. */
static unsigned char *seen;    /* of each message, whether */
static signed char *last_seen; /* by each waiter, the last of the sender's messages */
static size_t received;

static void ask(struct resp *waiter)
{
    ck_assert_int_eq(resp_send_inline(waiter, "WS.WAIT test"), 0);
}

static void begin(int threads)
{
    senders = crowd_size();
    site = site_start(
        &(struct site_options){.threads = threads,
                               .config = "inbox_messages = 1000000\ninbox_bytes = 256m\ninbox_total = 256m\n",
                               .no_responder = true});
    control = resp_open(site_control(site));
    for (size_t i = 0; i < WAITERS; i++) {
        waiters[i] = resp_open(site_control(site));
        ck_assert_ptr_nonnull(waiters[i]);
    }
    seen = calloc(senders, EACH);
    last_seen = malloc(senders * WAITERS);
    ck_assert(control && seen && last_seen);
    memset(last_seen, -1, senders * WAITERS);
    received = 0;
}

static void end(void)
{
    for (size_t i = 0; i < WAITERS; i++)
        resp_free(waiters[i]);
    free(seen);
    free(last_seen);
    resp_free(control);
    site_stop(site);
}

/* [client, channel, type, payload, time, lost]; the payload is the message's number. */
static void take(size_t waiter, struct resp_value *take_v)
{
    ck_assert_msg(take_v && take_v->type == '*' && take_v->count == 6, "waiter %zu: %s", waiter,
                  take_v ? "no message" : resp_fault(waiters[waiter]));
    size_t sender = strtoul(take_v->items[0]->text + 1, NULL, 10) - 1;
    int number = atoi(take_v->items[3]->text);
    ck_assert(sender < senders && number >= 0 && number < EACH);
    ck_assert_int_eq(take_v->items[5]->integer, 0);
    unsigned char *message = &seen[sender * EACH + (size_t)number];
    ck_assert_msg(!*message, "message %d of c%zu is handed out twice", number, sender + 1);
    *message = 1;
    signed char *last = &last_seen[waiter * senders + sender];
    ck_assert_msg(*last < number, "waiter %zu has message %d of c%zu after %d", waiter, number, sender + 1,
                  *last);
    *last = (signed char)number;
    received++;
    resp_value_free(take_v);
}

/* One look at all waiters; who got its message asks for the next. Returns how many got one. */
static int hand_out(int timeout_ms)
{
    struct pollfd p[WAITERS];
    for (size_t i = 0; i < WAITERS; i++)
        p[i] = (struct pollfd){.fd = resp_fd(waiters[i]), .events = POLLIN};
    int ready = poll(p, WAITERS, timeout_ms);
    for (size_t i = 0; i < WAITERS; i++) {
        if (!(p[i].revents & POLLIN))
            continue;
        take(i, resp_read(waiters[i], RESP_WAIT));
        ask(waiters[i]);
    }
    return ready;
}

static void say(struct crowd *crowd, int number)
{
    char text[16];
    snprintf(text, sizeof text, "%d", number);
    crowd_say(crowd, text);
}

/* The first are kept in the inbox before anybody waits; the others come while all do. */
START_TEST(each_once_and_in_order)
{
    begin(_i + 1);
    size_t all = senders * EACH;
    struct crowd *crowd = crowd_open(site_http(site), "/test/", senders);
    long long deadline = http_now() + TIME_MS;
    for (int number = 0; number < KEPT; number++)
        say(crowd, number);
    info_until(control, "messages_in", (long long)senders * KEPT);
    for (size_t i = 0; i < WAITERS; i++)
        ask(waiters[i]);
    for (int number = KEPT; number < EACH; number++) {
        say(crowd, number);
        hand_out(0);
    }
    while (received < all && http_now() < deadline)
        hand_out(100);
    ck_assert_msg(received == all, "%zu of %zu came", received, all);
    ck_assert_int_eq(hand_out(100), 0); /* no more than that */
    ck_assert_int_eq(info_get(control, "messages_in"), (long long)all);
    ck_assert_int_eq(info_get(control, "inbox_dropped"), 0);
    ck_assert_int_eq(info_get(control, "inbox_bytes"), 0);
    crowd_free(crowd);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crowd_inbox");
    TCase *tc = tcase_create("crowd_inbox");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, each_once_and_in_order, 0, 2);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
