/* Receipts by pong, through nginx: what a browser answers by itself says who has the message. */
#include "crowd.h"
#include "figures.h"
#include "http.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STOPPED = 10 };

static struct site *site;
static struct resp *control;

static void begin(int threads, const char *config)
{
    site = site_start(&(struct site_options){.threads = threads, .config = config, .no_responder = true});
    control = resp_open(site_control(site));
}

static void end(void)
{
    resp_free(control);
    site_stop(site);
}

/* The crowd reads, and so answers pings, until the operator has the reply. */
static char *reply_while_reading(struct crowd *crowd, struct resp *operator_)
{
    long long deadline = http_now() + 20000;
    struct pollfd fd = {resp_fd(operator_), POLLIN, 0};
    while (poll(&fd, 1, 0) == 0) {
        ck_assert_msg(http_now() < deadline, "no reply");
        crowd_expect_silence(crowd, 5);
    }
    struct resp_value *v = resp_read(operator_, RESP_WAIT);
    char *text = resp_text(v);
    resp_value_free(v);
    return text;
}

static void send_and_wait(const char *text, const char *timeout)
{
    ck_assert_int_eq(resp_send(control, "WS.SEND", "test", text, "WAIT", "ponged", "TIMEOUT", timeout, NULL),
                     0);
}

/* Sends the number, and compares what comes back: so many ponged, and the rest of the reply. */
static void expect_receipt(struct crowd *crowd, uint64_t number, const char *timeout, size_t ponged,
                           const char *rest)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    send_and_wait(text, timeout);
    crowd_receive(crowd, number + 1, 20000);
    char *reply = reply_while_reading(crowd, control);
    char wanted[100];
    snprintf(wanted, sizeof wanted, ", [\"ponged\", %zu%s", ponged, rest);
    ck_assert_msg(strstr(reply, wanted) != NULL, "%.300s has no %s", reply, wanted);
    free(reply);
}

START_TEST(all_of_a_thousand)
{
    begin(2, NULL);
    struct crowd *crowd = crowd_open(site_http(site), "/test/", crowd_size());
    for (uint64_t i = 0; i < 3; i++)
        expect_receipt(crowd, i, "20000", crowd_size(), "], []]");
    crowd_free(crowd);
    end();
}
END_TEST

/* ---- clients that stand still ---- */

/* A browser in a process of its own, that reads until it is over. */
static pid_t start_browser(void)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid)
        return pid;
    struct wsclient_received got;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct wsclient *c = wsclient_connect(site_http(site), "/test/", NULL);
    while (wsclient_recv_message(c, &got, 60000) == WSCLIENT_GOT && got.opcode != WSCLIENT_CLOSE)
        ;
    _exit(0);
}

static void stop_browser(pid_t pid)
{
    int status;
    kill(pid, SIGSTOP);
    ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
    ck_assert(WIFSTOPPED(status));
}

static void end_browser(pid_t pid)
{
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* Each of c1 to c10 is named, and nobody else is. */
static void expect_the_ten(const char *failures)
{
    size_t named = 0;
    for (const char *p = failures; (p = strstr(p, "\"timeout\"]")) != NULL; p++)
        named++;
    ck_assert_uint_eq(named, STOPPED);
    for (int i = 1; i <= STOPPED; i++) {
        char one[40];
        snprintf(one, sizeof one, "[\"c%d\", \"timeout\"]", i);
        ck_assert_msg(strstr(failures, one) != NULL, "%s has no %s", failures, one);
    }
}

/* nginx has taken the message for them, so it was handed over; but they have not got it. */
START_TEST(the_ten_that_stand_still)
{
    pid_t browsers[STOPPED];
    begin(2, NULL);
    for (int i = 0; i < STOPPED; i++)
        browsers[i] = start_browser();
    info_until(control, "connected_clients", STOPPED); /* so these are c1 to c10 */
    for (int i = 0; i < STOPPED; i++)
        stop_browser(browsers[i]);
    size_t others = crowd_size() - STOPPED;
    struct crowd *crowd = crowd_open(site_http(site), "/test/", others);
    send_and_wait("0", "1500");
    crowd_receive(crowd, 1, 20000);
    char *reply = reply_while_reading(crowd, control);
    char wanted[100];
    snprintf(wanted, sizeof wanted, ", [\"ponged\", %zu, \"timeout\", 10], [[", others);
    ck_assert_msg(strstr(reply, wanted) != NULL, "%s", reply);
    expect_the_ten(strstr(reply, wanted) + strlen(wanted) - 2);
    free(reply);
    for (int i = 0; i < STOPPED; i++)
        kill(browsers[i], SIGCONT);
    expect_receipt(crowd, 1, "20000", crowd_size(), "], []]");
    for (int i = 0; i < STOPPED; i++)
        end_browser(browsers[i]);
    crowd_free(crowd);
    end();
}
END_TEST

/* ---- many at once ---- */

enum { OPERATORS = 1000 };

/* A thousand operators wait for a thousand receipts: one pong may answer many pings. */
START_TEST(a_thousand_receipts_at_once)
{
    static struct resp *operators[OPERATORS];
    struct wsclient_received got;
    begin(1, "max_operators = 1100\n");
    struct wsclient *c = wsclient_open(site_http(site), "/test/");
    size_t count = crowd_size() < OPERATORS ? crowd_size() : OPERATORS;
    for (size_t i = 0; i < count; i++) {
        operators[i] = resp_open(site_control(site));
        resp_send(operators[i], "WS.SEND", "@client:c1", "x", "WAIT", "ponged", "TIMEOUT", "20000", NULL);
    }
    char last[8];
    for (size_t pings = 0; pings < count;) { /* the last ping alone is answered */
        ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
        if (got.opcode == WSCLIENT_PING && got.len == 8) {
            memcpy(last, got.payload, got.len);
            pings++;
        }
    }
    struct wsclient_frame pong = {.fin = true, .opcode = WSCLIENT_PONG, .payload = last, .len = 8};
    ck_assert_int_eq(wsclient_send_frame(c, &pong), 0);
    for (size_t i = 0; i < count; i++) {
        resp_expect_next(operators[i], "[1, null, [\"ponged\", 1], []]");
        resp_free(operators[i]);
    }
    wsclient_free(c);
    end();
}
END_TEST

/* What was awaited for an operator is given up with it, whatever the time that it has named. */
START_TEST(ends_with_its_operator)
{
    begin(2, NULL);
    struct wsclient *c = wsclient_open(site_http(site), "/test/"); /* never answers */
    for (int i = 0; i < 20; i++) {
        struct resp *operator_ = resp_open(site_control(site));
        resp_send(operator_, "WS.SEND", "@client:c1", "x", "WAIT", "ponged", "TIMEOUT", "3600000", NULL);
        info_until(control, "published", i + 1);
        resp_free(operator_);
    }
    info_until(control, "operators", 1);
    info_until(control, "memory_queues", 0);
    resp_expect(control, "WS.SEND @client:c1 x WAIT ponged TIMEOUT 10",
                "[1, null, [\"timeout\", 1], [[\"c1\", \"timeout\"]]]");
    info_until(control, "memory_queues", 0);
    wsclient_free(c);
    end();
}
END_TEST

/* RFC 6455, section 5.5.3: of several pings a client may answer the newest alone. */
START_TEST(a_later_ping_asks_again)
{
    begin(1, "ping_interval = 200ms\npong_timeout = 20s\n");
    struct wsclient_received got;
    struct wsclient *c = wsclient_open(site_http(site), "/test/");
    ck_assert_int_eq(resp_send(control, "WS.SEND", "test", "x", "WAIT", "ponged", NULL), 0);
    wsclient_expect_text(c, "x");
    for (int pings = 0; pings < 2; pings++) {
        ck_assert_int_eq(wsclient_recv(c, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
        ck_assert(got.opcode == WSCLIENT_PING && got.len == 8);
    }
    struct wsclient_frame pong = {
        .fin = true, .opcode = WSCLIENT_PONG, .payload = got.payload, .len = got.len};
    wsclient_send_frame(c, &pong);
    struct resp_value *v = resp_read(control, RESP_WAIT);
    char *reply = resp_text(v);
    ck_assert_msg(strstr(reply, ", [\"ponged\", 1], []]") != NULL, "%s", reply);
    free(reply);
    resp_value_free(v);
    wsclient_free(c);
    end();
}
END_TEST

START_TEST(acked_and_closed)
{
    begin(1, NULL);
    struct wsclient *c = wsclient_open(site_http(site), "/test/");
    resp_expect(control, "WS.SEND @client:c1 one WAIT acked",
                "[1, null, [\"unsupported\", 1], [[\"c1\", \"unsupported\"]]]");
    ck_assert_int_eq(resp_send(control, "WS.SEND", "@client:c1", "two", "WAIT", "PONGED", NULL), 0);
    wsclient_expect_text(c, "one");
    wsclient_free(c); /* with the ping unread */
    resp_expect_next(control, "[1, null, [\"closed\", 1], [[\"c1\", \"closed\"]]]");
    info_until(control, "connected_clients", 0);
    resp_expect(control, "WS.SEND test nobody WAIT ponged", "[0, *");
    end();
}
END_TEST

/* A large message, compressed, in many fragments of TCP: the ping is right behind it all the same. */
START_TEST(large_and_compressed)
{
    enum { SIZE = 300000 };
    char *text = malloc(SIZE + 1);
    begin(1, NULL);
    struct wsclient *plain = wsclient_open(site_http(site), "/test/");
    struct wsclient *packed =
        wsclient_connect(site_http(site), "/test/", "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    ck_assert(wsclient_header(packed, "Sec-WebSocket-Extensions") != NULL);
    memset(text, 'x', SIZE);
    text[SIZE] = '\0';
    ck_assert_int_eq(resp_send(control, "WS.SEND", "test", text, "WAIT", "ponged", NULL), 0);
    wsclient_expect_text(plain, text);
    struct wsclient_received got;
    ck_assert_int_eq(wsclient_recv(packed, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
    ck_assert(got.opcode == WSCLIENT_TEXT && got.rsv == 4 && got.len < 2000);
    struct wsclient *both[] = {plain, packed};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(wsclient_recv(both[i], &got, WSCLIENT_WAIT), WSCLIENT_GOT);
        ck_assert(got.opcode == WSCLIENT_PING && got.len == 8);
        struct wsclient_frame pong = {
            .fin = true, .opcode = WSCLIENT_PONG, .payload = got.payload, .len = got.len};
        wsclient_send_frame(both[i], &pong);
    }
    struct resp_value *v = resp_read(control, RESP_WAIT);
    char *reply = resp_text(v);
    ck_assert_msg(strstr(reply, ", [\"ponged\", 2], []]") != NULL, "%s", reply);
    free(reply);
    resp_value_free(v);
    free(text);
    wsclient_free(plain);
    wsclient_free(packed);
    end();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("receipts");
    TCase *tc = tcase_create("receipts");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, all_of_a_thousand);
    tcase_add_test(tc, the_ten_that_stand_still);
    tcase_add_test(tc, a_thousand_receipts_at_once);
    tcase_add_test(tc, ends_with_its_operator);
    tcase_add_test(tc, a_later_ping_asks_again);
    tcase_add_test(tc, acked_and_closed);
    tcase_add_test(tc, large_and_compressed);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
