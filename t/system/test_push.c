/*
 * Pushing to many: every client gets every message once and in order, through nginx too, with one thread and
 * with two; receipts; who is slow goes and nobody else notices; and the ends of the worker's life: killed,
 * asked to go, started twice, out of descriptors.
 */
#include <check.h>
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crowd.h"
#include "figures.h"
#include "http.h"
#include "resp.h"
#include "site.h"
#include "wsclient.h"

static struct site *site;
static struct resp *control;

static void begin_with(struct site_options options)
{
    options.no_responder = true;
    site = site_start(&options);
    control = resp_open(site_control(site));
    ck_assert(control != NULL);
}

/* The worker alone. */
static void begin(int threads, const char *config)
{
    begin_with((struct site_options){.threads = threads, .config = config, .no_nginx = true});
}

static void end(void)
{
    resp_free(control);
    site_stop(site);
}

static struct wsclient *visit(const char *path)
{
    return wsclient_open(site_ws(site), path);
}

/* ---- publishing from a thread of its own ---- */

/* Publishes numbers 0 .. count-1, each with a filling behind it, pipelined. Runs beside the test, so it fails
 * nothing; `fault` says what went wrong. */
struct publisher {
    pthread_t thread;
    const char *address, *channel, *name; /* name: in front of the numbers, or NULL */
    int count;
    size_t filling;
    long long recipients; /* that each reply has to say; -1: any number */
    bool weighs;          /* asks for the worker's memory after each batch: */
    long long most_memory;
    char fault[256];
};

enum { PIPELINED = 50 };

static int send_number(struct resp *r, const struct publisher *p, int number, char *text)
{
    int n = snprintf(text, 64, "%s%d ", p->name ? p->name : "", number);
    memset(text + n, 'x', p->filling);
    const char *const argv[] = {"PUBLISH", p->channel, text};
    const size_t lens[] = {7, strlen(p->channel), (size_t)n + p->filling};
    return resp_send_argv(r, 3, argv, lens);
}

static void publish_batch(struct publisher *p, struct resp *r, int from, int to, char *text)
{
    for (int i = from; i < to; i++)
        if (send_number(r, p, i, text) < 0)
            snprintf(p->fault, sizeof p->fault, "message %d cannot be sent", i);
    for (int i = from; i < to && !*p->fault; i++) {
        struct resp_value *v = resp_read(r, 30000);
        if (!v || v->type != ':' || (p->recipients >= 0 && v->integer != p->recipients))
            snprintf(p->fault, sizeof p->fault, "reply %d: %s", i, v ? v->text : resp_fault(r));
        resp_value_free(v);
    }
}

/* In turn with the publications: above out_total no operator is heard. */
static void weigh(struct publisher *p, struct resp *r)
{
    resp_send(r, "INFO", "memory", NULL);
    struct resp_value *v = resp_read(r, 30000);
    const char *found = v ? strstr(v->text, "used_memory:") : NULL;
    long long now = found ? atoll(found + strlen("used_memory:")) : 0;
    p->most_memory = now > p->most_memory ? now : p->most_memory;
    resp_value_free(v);
}

static void *publish(void *arg)
{
    struct publisher *p = arg;
    char *text = malloc(64 + p->filling);
    struct resp *r = resp_open(p->address);
    if (!r || !text)
        strcpy(p->fault, "no connection");
    for (int i = 0; i < p->count && !*p->fault; i += PIPELINED) {
        publish_batch(p, r, i, i + PIPELINED < p->count ? i + PIPELINED : p->count, text);
        if (p->weighs)
            weigh(p, r);
    }
    resp_free(r);
    free(text);
    return NULL;
}

static void publisher_start(struct publisher *p)
{
    p->address = site_control(site);
    ck_assert(pthread_create(&p->thread, NULL, publish, p) == 0);
}

static void publisher_join(struct publisher *p)
{
    pthread_join(p->thread, NULL);
    ck_assert_msg(!*p->fault, "%s", p->fault);
}

/* ---- fan-out ---- */

/* Everybody gets everything: 1,000 messages to each of 1,000 clients. */
START_TEST(everybody_gets_everything)
{
    begin_with((struct site_options){.threads = _i + 1});
    struct crowd *crowd = crowd_open(site_http(site), "/test/", crowd_size());
    struct publisher p = {
        .channel = "test", .count = 1000, .filling = 60, .recipients = (long long)crowd_size()};
    long long began = http_now();
    publisher_start(&p);
    crowd_receive(crowd, 1000, 100000);
    printf("1,000 messages to %zu clients through nginx, %d thread(s): %lld ms\n", crowd_size(), _i + 1,
           http_now() - began);
    publisher_join(&p);
    crowd_expect_silence(crowd, 50);
    ck_assert_int_eq(info_get(control, "deliveries"), 1000 * (long long)crowd_size());
    ck_assert_int_eq(info_get(control, "slow_closed"), 0);
    crowd_free(crowd);
    info_until(control, "connections", 0);
    end();
}
END_TEST

/* A few publishers at once: every client sees the same order, and of each publisher the right one. */
START_TEST(one_order_for_all)
{
    enum { PUBLISHERS = 3, EACH = 2000, CLIENTS = 50 };
    static const char *const names[PUBLISHERS] = {"a", "b", "c"};
    struct publisher p[PUBLISHERS];
    begin(_i + 1, NULL);
    struct crowd *crowd = crowd_open(site_ws(site), "/test/", CLIENTS);
    struct wsclient *reader = visit("/test/");
    crowd_take_anything(crowd);
    for (int i = 0; i < PUBLISHERS; i++) {
        p[i] =
            (struct publisher){.channel = "test", .name = names[i], .count = EACH, .recipients = CLIENTS + 1};
        publisher_start(&p[i]);
    }
    crowd_receive(crowd, PUBLISHERS * EACH, 20000);
    for (int i = 0; i < PUBLISHERS; i++)
        publisher_join(&p[i]);
    for (size_t i = 1; i < CLIENTS; i++)
        ck_assert_msg(crowd_digest(crowd, i) == crowd_digest(crowd, 0), "client %zu saw another order", i);
    int next[PUBLISHERS] = {0};
    for (int i = 0; i < PUBLISHERS * EACH; i++) {
        struct wsclient_received got;
        ck_assert_int_eq(wsclient_recv_message(reader, &got, WSCLIENT_WAIT), WSCLIENT_GOT);
        int who = got.payload[0] - 'a';
        ck_assert(who >= 0 && who < PUBLISHERS && atoi(got.payload + 1) == next[who]++);
    }
    wsclient_free(reader);
    crowd_free(crowd);
    end();
}
END_TEST

/* Above out_total publishers wait: they become slow, and nothing is lost. */
START_TEST(publishers_are_slowed)
{
    enum { CLIENTS = 20, MESSAGES = 1500, SIZE = 10000 };
    begin(_i + 1, "out_total = 1m\n");
    struct crowd *crowd = crowd_open(site_ws(site), "/test/", CLIENTS);
    struct publisher p = {
        .channel = "test", .count = MESSAGES, .filling = SIZE, .recipients = CLIENTS, .weighs = true};
    long long before = info_get(control, "used_memory");
    publisher_start(&p);
    crowd_receive(crowd, MESSAGES, 60000);
    publisher_join(&p);
    long long more = p.most_memory - before;
    ck_assert_msg(more < 8 << 20, "%lld bytes are queued", more);
    ck_assert_int_eq(info_get(control, "slow_closed"), 0);
    crowd_free(crowd);
    end();
}
END_TEST

/* @all is everybody once, whatever the channel and the thread; @client: is one. */
START_TEST(all_and_one)
{
    begin(2, NULL);
    struct crowd *test = crowd_open(site_ws(site), "/test/", 31),
                 *other = crowd_open(site_ws(site), "/other", 20);
    struct wsclient *one = visit("/third");
    resp_expect(control, "PUBLISH @all 0", "52");
    crowd_receive(test, 1, 5000);
    crowd_receive(other, 1, 5000);
    wsclient_expect_text(one, "0");
    resp_expect(control, "PUBLISH @client:c52 \"only you\"", "1");
    wsclient_expect_text(one, "only you");
    resp_expect(control, "WS.SEND @all 1 WAIT handed", "[52, null, [\"handed\", 52], []]");
    crowd_receive(test, 2, 5000);
    crowd_receive(other, 2, 5000);
    wsclient_expect_text(one, "1");
    resp_expect(control, "PUBLISH other 2", "20");
    crowd_receive(other, 3, 5000);
    resp_expect(control, "PUBLISH @client:c1 2", "1");
    crowd_expect_silence(other, 20);
    wsclient_expect_silence(one, 0);
    crowd_free(test);
    crowd_free(other);
    wsclient_free(one);
    end();
}
END_TEST

static long long rows(const char *target)
{
    struct resp_value *v = resp_call(control, "WS.LIST", target, NULL);
    char seen[256] = {0};
    ck_assert(v->type == '*');
    for (size_t i = 0; i < v->count; i++) {
        int n = atoi(v->items[i]->items[1]->text + 1);
        ck_assert_msg(n > 0 && n < 256 && !seen[n], "c%d comes twice", n);
        seen[n] = 1;
    }
    long long count = (long long)v->count;
    resp_value_free(v);
    return count;
}

START_TEST(list_and_close)
{
    begin(2, NULL);
    struct crowd *test = crowd_open(site_ws(site), "/test/", 50),
                 *other = crowd_open(site_ws(site), "/other", 10);
    struct wsclient *one = visit("/other");
    ck_assert_int_eq(rows("test"), 50);
    ck_assert_int_eq(rows("other"), 11);
    ck_assert_int_eq(rows("@all"), 61);
    ck_assert_int_eq(rows("@client:c7"), 1);
    resp_expect(control, "WS.CLOSE test 4001 \"go home\"", "50");
    crowd_expect_close(test, 4001, 5000);
    resp_expect(control, "WS.CLOSE @client:c61 4002", "1");
    wsclient_expect_close(one, 4002);
    wsclient_free(one);
    info_until(control, "connected_clients", 10);
    ck_assert_int_eq(rows("test"), 0);
    ck_assert_int_eq(rows("@all"), 10);
    crowd_expect_silence(other, 0);
    resp_expect(control, "WS.CLOSE @all", "10");
    crowd_expect_close(other, 1000, 5000);
    info_until(control, "connected_clients", 0);
    crowd_free(test);
    crowd_free(other);
    end();
}
END_TEST

/* ---- receipts ---- */

/* A receipt comes when the message is written, not at some later stir. */
START_TEST(receipts_come_at_once)
{
    enum { ROUNDS = 300 };
    char text[32];
    begin(_i + 1, NULL);
    struct wsclient *a = visit("/test/"), *b = visit("/test/");
    long long began = http_now();
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(text, sizeof text, "%d", i);
        struct resp_value *v = resp_call(control, "WS.SEND", "test", text, "WAIT", "handed", NULL);
        ck_assert(v->type == '*' && v->count == 4 && v->items[0]->integer == 2);
        char *outcomes = resp_text(v->items[2]);
        ck_assert_str_eq(outcomes, "[\"handed\", 2]");
        free(outcomes);
        resp_value_free(v);
        wsclient_expect_text(a, text);
        wsclient_expect_text(b, text);
    }
    long long took = http_now() - began;
    ck_assert_msg(took < 3000, "%d receipts take %lld ms", ROUNDS, took);
    wsclient_free(a);
    wsclient_free(b);
    end();
}
END_TEST

static bool has_read_all(void *arg)
{
    int unread = 0;
    return ioctl(resp_fd(arg), SIOCOUTQ, &unread) == 0 && unread == 0;
}

/* A message larger than the kernel takes from us at once. */
static char *large_text(void)
{
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE + 1);
    ck_assert(text != NULL);
    memset(text, 'x', SIZE);
    text[SIZE] = '\0';
    return text;
}

/* Who does not read is named when the time is over; the message is still his when he does. */
START_TEST(receipt_timeout)
{
    char *text = large_text();
    begin(2, NULL);
    struct wsclient *idle = visit("/test/");
    struct crowd *crowd = crowd_open(site_ws(site), "/test/", 3);
    crowd_take_anything(crowd);
    struct resp *waiting = resp_open(site_control(site));
    ck_assert(resp_send(waiting, "WS.SEND", "test", text, "WAIT", "handed", "TIMEOUT", "300", NULL) == 0);
    crowd_receive(crowd, 1, 5000);
    struct resp_value *v = resp_read(waiting, RESP_WAIT);
    char *reply = resp_text(v), *rest = strchr(reply + 4, ',');
    ck_assert_msg(strncmp(reply, "[4, \"", 5) == 0, "%s", reply);
    ck_assert_str_eq(rest, ", [\"handed\", 3, \"timeout\", 1], [[\"c1\", \"timeout\"]]]");
    free(reply);
    resp_value_free(v);
    wsclient_expect_text(idle, text);
    resp_expect(waiting, "WS.SEND @client:c1 again WAIT handed", "[1, null, [\"handed\", 1], []]");
    wsclient_expect_text(idle, "again");
    resp_free(waiting);
    wsclient_free(idle);
    crowd_free(crowd);
    free(text);
    end();
}
END_TEST

/* Who goes before he has read it is named at once. */
START_TEST(receipt_of_the_gone)
{
    char *text = large_text();
    begin(2, NULL);
    struct wsclient *idle = visit("/test/");
    struct resp *waiting = resp_open(site_control(site));
    ck_assert(resp_send(waiting, "WS.SEND", "@all", text, "WAIT", "handed", "TIMEOUT", "20000", NULL) == 0);
    ck_assert(site_until(has_read_all, waiting, 5000));
    info_until(control, "published", 1);
    wsclient_free(idle);
    resp_expect_next(waiting, "[1, null, [\"closed\", 1], [[\"c1\", \"closed\"]]]");
    resp_free(waiting);
    free(text);
    end();
}
END_TEST

/* The receipt of an operator who has gone is for nobody, also not for who has come since. */
START_TEST(receipt_for_the_gone)
{
    char *text = large_text();
    begin(2, NULL);
    struct wsclient *idle = visit("/test/");
    struct resp *gone = resp_open(site_control(site));
    ck_assert(resp_send(gone, "WS.SEND", "test", text, "WAIT", "handed", "TIMEOUT", "20000", NULL) == 0);
    ck_assert(site_until(has_read_all, gone, 5000));
    info_until(control, "published", 1);
    resp_free(gone);
    info_until(control, "operators", 1);
    struct resp *next = resp_open(site_control(site));
    resp_expect(next, "PING", "PONG");
    wsclient_expect_text(idle, text); /* now it is handed */
    resp_expect(control, "WS.SEND test again WAIT handed", "[1, \"*");
    wsclient_expect_text(idle, "again");
    resp_expect(next, "ECHO x", "\"x\"");
    resp_free(next);
    wsclient_close(idle);
    free(text);
    end();
}
END_TEST

/* Who is closed for being slow is named too. */
START_TEST(receipt_of_the_slow)
{
    char *text = large_text();
    begin(2, "out_limit = 600k\nclose_timeout = 300ms\n");
    struct wsclient *idle = visit("/test/");
    resp_expect(control, "PUBLISH test \"\"", "1");
    ck_assert(resp_send(control, "PUBLISH", "test", text, NULL) ==
              0); /* an empty queue takes one, any size */
    resp_expect_next(control, "1");
    struct resp *waiting = resp_open(site_control(site));
    ck_assert(resp_send(waiting, "WS.SEND", "@all", "small", "WAIT", "handed", NULL) == 0);
    resp_expect_next(waiting, "[1, null, [\"dropped\", 1], [[\"c1\", \"dropped\"]]]");
    ck_assert_int_eq(info_get(control, "slow_closed"), 1);
    resp_free(waiting);
    wsclient_free(idle);
    free(text);
    end();
}
END_TEST

/* Clients that come and go in the moment of a publication. */
struct churn {
    pthread_t thread;
    const char *address;
    atomic_bool stop;
    int rounds;
};

static void *come_and_go(void *arg)
{
    static const char request[] =
        "GET /test/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct churn *churn = arg;
    for (; !atomic_load(&churn->stop); churn->rounds++) {
        struct http_conn *c = http_open(churn->address);
        if (!c)
            break;
        http_write(c, request, sizeof request - 1);
        if (churn->rounds % 3)
            http_fill(c, churn->rounds % 5);
        http_close(c);
    }
    return NULL;
}

/* No receipt waits for somebody who is not there any more, and each adds up. */
START_TEST(receipts_while_clients_come_and_go)
{
    enum { CHURNS = 2, RECEIPTS = 1500, PATIENCE = 5000 };
    struct churn churns[CHURNS] = {0};
    begin(_i + 1, NULL);
    for (int i = 0; i < CHURNS; i++) {
        churns[i].address = site_ws(site);
        ck_assert(pthread_create(&churns[i].thread, NULL, come_and_go, &churns[i]) == 0);
    }
    long long worst = 0;
    char *text = NULL;
    for (int i = 0; i < RECEIPTS && worst < PATIENCE - 1000; i++) {
        long long began = http_now();
        free(text);
        struct resp_value *v = resp_call(control, "WS.SEND", i % 2 ? "test" : "@all", "x", "WAIT", "handed",
                                         "TIMEOUT", "5000", NULL);
        text = resp_text(v);
        long long counted = 0;
        for (size_t k = 1; v->count == 4 && k < v->items[2]->count; k += 2)
            counted += v->items[2]->items[k]->integer;
        ck_assert_msg(v->count != 4 || counted == v->items[0]->integer, "it does not add up: %s", text);
        resp_value_free(v);
        long long took = http_now() - began;
        worst = took > worst ? took : worst;
    }
    for (int i = 0; i < CHURNS; i++)
        atomic_store(&churns[i].stop, true);
    for (int i = 0; i < CHURNS; i++)
        pthread_join(churns[i].thread, NULL);
    ck_assert_msg(worst < PATIENCE - 1000, "a receipt took %lld ms: %s", worst, text);
    free(text);
    info_until(control, "connections", 0);
    end();
}
END_TEST

/* ---- who is slow ---- */

/* The rest of what a slow client was being told, and then why it was not told more. */
static void expect_slow_end(struct wsclient *c)
{
    struct wsclient_received got;
    enum wsclient_result r;
    int messages = 0;
    while ((r = wsclient_recv_message(c, &got, WSCLIENT_WAIT)) == WSCLIENT_GOT &&
           got.opcode != WSCLIENT_CLOSE)
        ck_assert_int_eq(atoi(got.payload), messages++);
    ck_assert_msg(r == WSCLIENT_GOT, "after %d messages: %s", messages, wsclient_result_name(r));
    ck_assert_uint_eq(got.code, 1013);
    ck_assert_ptr_nonnull(strstr(got.reason, "slow"));
    wsclient_free(c);
}

/* Over the hard bound: the one that does not read is closed, the others get everything. Behind nginx that
 * takes longer, since nginx and the kernel hold some megabytes for him. */
START_TEST(slow_over_the_hard_bound)
{
    enum { CLIENTS = 10, SIZE = 20000, AT_A_TIME = 20, MOST = 2000 };
    begin_with((struct site_options){.threads = 2, .config = "out_limit = 1m\n", .no_nginx = _i == 0});
    struct crowd *crowd = crowd_open(site_ws(site), "/test/", CLIENTS);
    struct wsclient *idle = wsclient_open(_i ? site_http(site) : site_ws(site), "/test/");
    char *text = malloc(SIZE + 32);
    int sent = 0;
    ck_assert(text != NULL);
    while (info_get(control, "slow_closed") == 0) {
        ck_assert_msg(sent < MOST, "nobody is slow");
        for (int i = 0; i < AT_A_TIME; i++, sent++) {
            int n = snprintf(text, 32, "%d ", sent);
            memset(text + n, 'x', SIZE);
            text[n + SIZE] = '\0';
            resp_value_free(resp_call(control, "PUBLISH", "test", text, NULL));
        }
        crowd_receive(crowd, (uint64_t)sent, 5000);
    }
    expect_slow_end(idle);
    info_until(control, "connected_clients", CLIENTS);
    resp_value_free(resp_call(control, "PUBLISH", "test", "still here", NULL));
    crowd_take_anything(crowd);
    crowd_receive(crowd, (uint64_t)sent + 1, 5000);
    ck_assert_int_eq(info_get(control, "slow_closed"), 1);
    crowd_free(crowd);
    free(text);
    end();
}
END_TEST

/* Over the soft bound for too long. Who catches up in time stays. */
START_TEST(slow_over_the_soft_bound)
{
    char *text = large_text();
    begin(2, "out_slow = 64k\nslow_after = 1200ms\n");
    struct wsclient *idle = visit("/test/"), *late = visit("/test/"), *brisk = visit("/test/");
    memcpy(text, "0 ", 2);
    ck_assert(resp_send(control, "PUBLISH", "test", text, NULL) == 0);
    resp_expect_next(control, "3");
    wsclient_expect_text(brisk, text);
    wsclient_expect_silence(brisk, 300);
    wsclient_expect_text(late, text); /* a part of the time is over */
    wsclient_expect_silence(late, 1500);
    ck_assert_int_eq(info_get(control, "slow_closed"), 1);
    resp_expect(control, "PUBLISH test 1", "2"); /* the slow one is still on its way out, and no recipient */
    wsclient_expect_text(brisk, "1");
    wsclient_expect_text(late, "1");
    expect_slow_end(idle);
    info_until(control, "connected_clients", 2);
    wsclient_close(brisk);
    wsclient_close(late);
    free(text);
    end();
}
END_TEST

/* By count, too: many small messages that nobody reads. */
START_TEST(slow_by_count)
{
    begin(1, "out_messages = 1000\n");
    struct wsclient *idle = visit("/test/");
    struct crowd *crowd = crowd_open(site_ws(site), "/test/", 3);
    int small = 4096, sent = 0;
    setsockopt(wsclient_fd(idle), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    struct publisher p = {.channel = "test", .count = 500, .filling = 1, .recipients = -1};
    while (info_get(control, "slow_closed") == 0) {
        ck_assert_msg(sent < 50000, "nobody is slow");
        crowd_start_over(crowd);
        publisher_start(&p);
        crowd_receive(crowd, 500, 5000);
        publisher_join(&p);
        sent += 500;
    }
    wsclient_free(idle);
    crowd_free(crowd);
    end();
}
END_TEST

/* ---- the worker's life ---- */

/* kill -9: nginx says 503 meanwhile; the sockets that stay behind are replaced, and all goes on. */
START_TEST(killed)
{
    begin_with((struct site_options){.threads = 2});
    struct crowd *crowd = crowd_open(site_http(site), "/test/", 50);
    resp_expect(control, "PUBLISH test 0", "50");
    crowd_receive(crowd, 1, 5000);
    site_kill(site, SITE_WORKER);
    crowd_expect_close(crowd, 0, 5000);
    crowd_free(crowd);
    ck_assert_int_eq(access(site_path(site, "ws.sock"), F_OK), 0);
    ck_assert_int_eq(access(site_path(site, "control.sock"), F_OK), 0);
    struct wsclient *c = wsclient_connect(site_http(site), "/test/", NULL);
    ck_assert_int_eq(wsclient_status(c), 503);
    ck_assert_ptr_nonnull(wsclient_header(c, "Retry-After"));
    wsclient_free(c);
    resp_free(control);
    ck_assert_ptr_null(resp_open(site_control(site)));
    site_begin(site, SITE_WORKER);
    control = resp_open(site_control(site));
    ck_assert(control != NULL);
    crowd = crowd_open(site_http(site), "/test/", 50);
    struct publisher p = {.channel = "test", .count = 100, .recipients = 50};
    publisher_start(&p);
    crowd_receive(crowd, 100, 5000);
    publisher_join(&p);
    crowd_free(crowd);
    end();
}
END_TEST

static int lines_of(const char *text)
{
    int n = 0;
    for (; (text = strchr(text, '\n')); text++)
        n++;
    return n;
}

/* A second worker on the same sockets goes away with one line, and the first does not notice. */
START_TEST(a_second_worker)
{
    begin(1, NULL);
    struct wsclient *c = visit("/test/");
    const char *const argv[] = {site_program("wspushd"), "--config", site_path(site, "wspush.conf"), NULL};
    for (int i = 0; i < 3; i++) {
        char *said;
        int status = site_run(argv, NULL, &said, 10000);
        ck_assert_msg(status == 1, "exit %d: %s", status, said);
        ck_assert_msg(lines_of(said) == 1 && strstr(said, "control.sock"), "not one clear line: %s", said);
        free(said);
    }
    resp_expect(control, "PUBLISH test \"as if nothing were\"", "1");
    wsclient_expect_text(c, "as if nothing were");
    struct wsclient *late = visit("/test/");
    wsclient_close(late);
    wsclient_close(c);
    struct resp *again = resp_open(site_control(site));
    ck_assert(again != NULL);
    resp_expect(again, "PING", "PONG");
    resp_free(again);
    end();
}
END_TEST

/* SIGTERM: everybody is told 1001, the sockets go, the status is 0. */
START_TEST(asked_to_go)
{
    begin(_i + 1, NULL);
    struct crowd *crowd = crowd_open(site_ws(site), "/test/", 300);
    resp_expect(control, "PUBLISH test 0", "300");
    site_signal(site, SITE_WORKER, SIGTERM);
    long long began = http_now();
    crowd_expect_close(crowd, 1001, 5000); /* and the message came before */
    int status = site_wait_end(site, SITE_WORKER, 5000);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned)status);
    ck_assert_int_lt(http_now() - began, 3000);
    ck_assert_int_ne(access(site_path(site, "ws.sock"), F_OK), 0);
    ck_assert_int_ne(access(site_path(site, "control.sock"), F_OK), 0);
    crowd_free(crowd);
    end();
}
END_TEST

/* Those who do not answer do not keep it; handshakes that are not done, operators that wait, neither. */
START_TEST(asked_to_go_by_the_deaf)
{
    begin(2, "close_timeout = 300ms\n");
    struct wsclient *deaf = visit("/test/");
    struct http_conn *half = http_open(site_ws(site));
    ck_assert(half && http_write(half, "GET /test/ HTTP/1.1\r\n", 21) == 0);
    struct resp *waiting = resp_open(site_control(site));
    ck_assert(resp_send(waiting, "WS.WAIT", "test", NULL) == 0);
    info_until(control, "connections", 2);
    site_signal(site, SITE_WORKER, SIGTERM);
    int status = site_wait_end(site, SITE_WORKER, 3000);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned)status);
    struct wsclient_received got;
    ck_assert_int_eq(wsclient_recv(deaf, &got, 1000), WSCLIENT_GOT);
    ck_assert_uint_eq(got.code, 1001);
    resp_expect_end(waiting);
    resp_free(waiting);
    http_close(half);
    wsclient_free(deaf);
    end();
}
END_TEST

/* A second signal means now. */
START_TEST(asked_twice)
{
    begin(2, "drain_time = 60s\n");
    struct crowd *crowd = crowd_open(site_ws(site), "/test/", 300);
    site_signal(site, SITE_WORKER, SIGTERM);
    site_wait_log(site, SITE_WORKER, "going away", 5000);
    site_signal(site, SITE_WORKER, SIGINT);
    int status = site_wait_end(site, SITE_WORKER, 5000);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned)status);
    crowd_expect_close(crowd, 0, 5000);
    crowd_free(crowd);
    end();
}
END_TEST

/* ---- no descriptor left ---- */

/* The number that the worker's next descriptor would get. It may have inherited some with high numbers. */
static rlim_t first_free_descriptor(pid_t pid)
{
    char path[64], ignored[8];
    rlim_t fd = 0;
    do
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, (int)fd++);
    while (readlink(path, ignored, sizeof ignored) >= 0);
    return fd - 1;
}

/* The worker serves on, says so, and takes clients again when there are descriptors. */
START_TEST(no_descriptor_left)
{
    begin(_i + 1, NULL);
    pid_t worker = site_pid(site, SITE_WORKER);
    struct crowd *in = crowd_open(site_ws(site), "/test/", 4);
    struct wsclient *last = visit("/test/");
    rlim_t most = first_free_descriptor(worker);
    ck_assert(prlimit(worker, RLIMIT_NOFILE, &(struct rlimit){most, most}, NULL) == 0);
    static const char request[] =
        "GET /test/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct http_conn *waiting = http_open(site_ws(site));
    ck_assert(waiting && http_write(waiting, request, sizeof request - 1) == 0);
    site_wait_log(site, SITE_WORKER, "cannot accept a client: Too many open files", 5000);
    for (int i = 0; i < 20; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        resp_value_free(resp_call(control, "PUBLISH", "test", text, NULL));
        crowd_receive(in, (uint64_t)i + 1, 5000);
        wsclient_expect_text(last, text);
    }
    ck_assert_int_eq(http_fill(waiting, 0), HTTP_TIMEOUT);
    wsclient_close(last);
    ck_assert_msg(http_until(waiting, "HTTP/1.1 101 ", 5000), "it is not let in");
    resp_expect(control, "PUBLISH test 20", "5");
    crowd_receive(in, 21, 5000);
    http_close(waiting);
    crowd_free(in);
    end();
}
END_TEST

/* ---- the whole ---- */

static TCase *tcase(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 170);
    suite_add_tcase(suite, tc);
    return tc;
}

int main(void)
{
    Suite *suite = suite_create("push");
    TCase *tc = tcase(suite, "to many");
    tcase_add_loop_test(tc, everybody_gets_everything, 0, 2);
    tcase_add_loop_test(tc, one_order_for_all, 0, 2);
    tcase_add_loop_test(tc, publishers_are_slowed, 0, 2);
    tcase_add_test(tc, all_and_one);
    tcase_add_test(tc, list_and_close);
    tc = tcase(suite, "receipts");
    tcase_add_loop_test(tc, receipts_come_at_once, 0, 2);
    tcase_add_test(tc, receipt_timeout);
    tcase_add_test(tc, receipt_of_the_gone);
    tcase_add_test(tc, receipt_for_the_gone);
    tcase_add_test(tc, receipt_of_the_slow);
    tcase_add_loop_test(tc, receipts_while_clients_come_and_go, 0, 2);
    tc = tcase(suite, "slow");
    tcase_add_loop_test(tc, slow_over_the_hard_bound, 0, 2);
    tcase_add_test(tc, slow_over_the_soft_bound);
    tcase_add_test(tc, slow_by_count);
    tc = tcase(suite, "life");
    tcase_add_test(tc, killed);
    tcase_add_test(tc, a_second_worker);
    tcase_add_loop_test(tc, asked_to_go, 0, 2);
    tcase_add_test(tc, asked_to_go_by_the_deaf);
    tcase_add_test(tc, asked_twice);
    tcase_add_loop_test(tc, no_descriptor_left, 0, 2);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
