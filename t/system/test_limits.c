/* What a client may do, each bound an option: how much it says, how long it is silent, how many come from an
 * address; and what becomes of who is slow where messages may be dropped. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "figures.h"
#include "http.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

static struct site *site;
static struct resp *control;

static void begin(int threads, const char *config)
{
    site = site_start(&(struct site_options){
        .config = config, .threads = threads, .no_nginx = true, .no_responder = true, .tcp = true});
    control = resp_open(site_control(site));
    ck_assert_ptr_nonnull(control);
}

static void end(void)
{
    resp_free(control);
    site_stop(site);
}

/* ---- how much ---- */

/* A second's worth at once; then as fast as the limit, without a message lost; the pings go on. */
START_TEST(frames_a_second)
{
    enum { RATE = 100, COUNT = 250, IN_ADVANCE = 80 }; /* the last piece is owed when it has been read */
    char text[20];
    begin(1, "inbound = echo\nin_frames = 100\nping_interval = 100ms\npong_timeout = 300ms\n");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    long long began = http_now();
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "%d", i);
        ck_assert_int_eq(wsclient_send_text(c, text), 0);
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "%d", i);
        wsclient_expect_text(c, text);
    }
    ck_assert_int_ge(http_now() - began, (COUNT - RATE - IN_ADVANCE) * 1000 / RATE);
    ck_assert_int_gt(info_get(control, "throttled"), 0);
    wsclient_close(c);
    end();
}
END_TEST

/* A message of three seconds' worth arrives whole, bit by bit. */
START_TEST(bytes_a_second)
{
    char *text = malloc(60001);
    memset(text, 'x', 60000);
    text[60000] = '\0';
    begin(1, "inbound = echo\nin_bytes = 20k\n");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    long long began = http_now();
    ck_assert_int_eq(wsclient_send_text(c, text), 0);
    wsclient_expect_text(c, text);
    ck_assert_int_ge(http_now() - began, 900); /* the last piece is owed when it is all here */
    wsclient_close(c);
    free(text);
    end();
}
END_TEST

/* What would take more than five seconds ends it; others don't notice. */
START_TEST(a_flood)
{
    begin(1, "inbound = echo\nchannel \"test\" { in_frames = 10 }\n");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    struct wsclient *other = wsclient_open(site_ws(site), "/other/");
    unsigned char bytes[20];
    struct wsclient_frame ping = {.fin = true, .opcode = WSCLIENT_PONG};
    size_t len = wsclient_encode(&ping, bytes, sizeof bytes);
    for (int i = 0; i < 1000; i++)
        if (wsclient_send_raw(c, bytes, len) < 0)
            break;
    const char *reason = wsclient_expect_close(c, 1008);
    ck_assert_ptr_nonnull(strstr(reason, "too fast"));
    wsclient_free(c);
    wsclient_send_text(other, "hello");
    wsclient_expect_text(other, "hello");
    wsclient_close(other);
    end();
}
END_TEST

/* Who goes on for so long is not only slowed down. */
START_TEST(a_flood_in_small_pieces)
{
    static unsigned char bytes[4096];
    begin(1, "inbound = echo\nin_bytes = 20k\n");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    size_t len = wsclient_encode(&(struct wsclient_frame){.fin = true, .opcode = WSCLIENT_PONG}, bytes, 20);
    for (size_t i = len; i + len <= sizeof bytes; i += len)
        memcpy(bytes + i, bytes, len);
    long long began = http_now();
    while (wsclient_send_raw(c, bytes, sizeof bytes / len * len) == 0 && http_now() - began < 12000)
        continue;
    wsclient_expect_close(c, 1008);
    ck_assert_int_lt(http_now() - began, 12000);
    wsclient_free(c);
    end();
}
END_TEST

/* While a client is read slowly, its message is not late. */
START_TEST(a_message_that_is_read_slowly)
{
    char text[6001] = {0};
    memset(text, 'x', sizeof text - 1);
    begin(1, "inbound = echo\nin_bytes = 2k\nframe_timeout = 1s\n");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    long long began = http_now();
    ck_assert_int_eq(wsclient_send_text(c, text), 0);
    wsclient_expect_text(c, text);
    ck_assert_int_ge(http_now() - began, 900);
    wsclient_close(c);
    end();
}
END_TEST

/* ---- how long ---- */

START_TEST(idle)
{
    begin(1, "idle_timeout = 600ms\nping_interval = 100ms\n");
    struct wsclient *silent = wsclient_open(site_ws(site), "/silent/");
    struct wsclient *talks = wsclient_open(site_ws(site), "/talks/");
    struct wsclient *hears = wsclient_open(site_ws(site), "/hears/");
    long long began = http_now();
    while (http_now() - began < 1500) {
        wsclient_send_text(talks, "I");
        wsclient_expect_silence(talks, 100);
        resp_expect(control, "PUBLISH hears you", "1");
        wsclient_expect_text(hears, "you");
    }
    const char *reason = wsclient_expect_close(silent, 1000); /* pings are no talk */
    ck_assert_ptr_nonnull(strstr(reason, "idle_timeout"));
    wsclient_free(silent);
    wsclient_close(talks);
    wsclient_close(hears);
    end();
}
END_TEST

/* ---- how many ---- */

static struct wsclient *come(const char *address)
{
    char header[80];
    snprintf(header, sizeof header, "X-Real-IP: %s\r\n", address);
    return wsclient_connect(site_ws(site), "/test/", header);
}

START_TEST(clients_of_an_address)
{
    begin(_i + 1, "clients_per_address = 2\n");
    struct wsclient *first = come("192.0.2.1");
    struct wsclient *second = come("192.0.2.1");
    struct wsclient *third = come("::ffff:192.0.2.1"); /* the same in IPv6 */
    struct wsclient *other = come("192.0.2.2");
    struct wsclient *unknown[4];
    for (int i = 0; i < 4; i++) /* without an address there is nothing to count by */
        unknown[i] = wsclient_open(site_ws(site), "/test/");
    ck_assert(wsclient_accepted(first) && wsclient_accepted(second) && wsclient_accepted(other));
    ck_assert_int_eq(wsclient_status(third), 429);
    ck_assert_ptr_nonnull(wsclient_header(third, "Retry-After"));
    ck_assert_ptr_nonnull(strstr(wsclient_body(third), "clients_per_address"));
    wsclient_free(third);
    wsclient_close(first);
    info_until(control, "connections", 6);
    third = come("192.0.2.1");
    ck_assert(wsclient_accepted(third));
    wsclient_free(third);
    wsclient_free(second);
    wsclient_free(other);
    for (int i = 0; i < 4; i++)
        wsclient_free(unknown[i]);
    end();
}
END_TEST

/* ---- who is slow, and stays ---- */

/* Takes numbers until this one; they rise, and those that are missing were dropped. Returns how many came. */
static int read_until(struct wsclient *c, int last)
{
    int came = 0;
    for (int before = -1; before < last; came++) {
        struct wsclient_received got;
        ck_assert_int_eq(wsclient_recv_message(c, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
        ck_assert_uint_eq(got.opcode, WSCLIENT_TEXT);
        ck_assert_int_gt(atoi(got.payload), before);
        before = atoi(got.payload);
    }
    return came;
}

static void publish(int number, size_t size)
{
    char *text = malloc(size + 32);
    int n = snprintf(text, 32, "%d ", number);
    memset(text + n, 'x', size);
    text[(size_t)n + size] = '\0';
    resp_value_free(resp_call(control, "PUBLISH", "test", text, NULL));
    free(text);
}

/* Over the hard bound the oldest go, and are counted. */
START_TEST(the_oldest_are_dropped)
{
    enum { COUNT = 600, SIZE = 10000 };
    begin(_i + 1, "slow = drop\nout_limit = 1m\n");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    for (int i = 0; i < COUNT; i++)
        publish(i, SIZE);
    long long dropped = info_get(control, "slow_dropped");
    ck_assert_int_gt(dropped, COUNT / 2);
    int came = read_until(c, COUNT - 1);
    ck_assert_int_eq(came + info_get(control, "slow_dropped"), COUNT);
    ck_assert_int_eq(info_get(control, "slow_closed"), 0);
    wsclient_send_ping(c, "still", 5);
    struct wsclient_received got;
    ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
    ck_assert_uint_eq(got.opcode, WSCLIENT_PONG);
    wsclient_close(c);
    end();
}
END_TEST

/* Over the soft bound for too long likewise; a receipt says who did not get it. */
START_TEST(the_oldest_are_dropped_in_time)
{
    begin(_i + 1, "slow = drop\nout_slow = 64k\nslow_after = 300ms\n");
    struct wsclient *c = wsclient_open(site_ws(site), "/test/");
    int small = 4096;
    setsockopt(wsclient_fd(c), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (int i = 0; i < 100; i++)
        publish(i, 10000);
    resp_expect(control, "WS.SEND @all late WAIT handed TIMEOUT 200", "*");
    while (info_get(control, "slow_dropped") == 0)
        ;
    int came = read_until(c, 99);
    ck_assert_int_eq(came + info_get(control, "slow_dropped"), 100);
    wsclient_expect_text(c, "late");
    wsclient_close(c);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("limits");
    TCase *tc = tcase_create("limits");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, frames_a_second);
    tcase_add_test(tc, bytes_a_second);
    tcase_add_test(tc, a_flood);
    tcase_add_test(tc, a_flood_in_small_pieces);
    tcase_add_test(tc, a_message_that_is_read_slowly);
    tcase_add_test(tc, idle);
    tcase_add_loop_test(tc, clients_of_an_address, 0, 2);
    tcase_add_loop_test(tc, the_oldest_are_dropped, 0, 2);
    tcase_add_loop_test(tc, the_oldest_are_dropped_in_time, 0, 2);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
