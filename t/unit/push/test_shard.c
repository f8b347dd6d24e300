/*
 * A shard and its connections over socketpairs, with the test as hub and as browser: when the 101 leaves, who
 * gets what, and what the hub hears of a message that somebody wants to know about.
 */
#include "push/shard.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"

#define REQUEST                                                                                              \
    "GET /test/ HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define ANSWER                                                                                               \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                      \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

enum { CHANNEL = 5, NOTHING = -1 };

static struct config *config;
static struct world world;
static struct loop loop;
static struct mailbox hub_box;
static struct shard shard;
static struct websocket *ws;

static void on_mail(void *arg, const void *letter)
{
    shard_on_mail(arg, letter);
}

static void on_turn(void *arg)
{
    shard_on_turn(arg);
    loop_stop(&loop);
}

/* One turn, which does not sleep. */
static void turn(void)
{
    uint64_t one = 1;
    ck_assert_int_eq(write(loop.mail.wake_fd, &one, sizeof one), sizeof one);
    atomic_store(&loop.stop, false);
    loop_run(&loop);
}

static void start(void)
{
    char why[200];
    config = config_load(NULL, why, sizeof why);
    ck_assert_ptr_nonnull(config);
    memset(&world, 0, sizeof world);
    world.hub_mail = &hub_box;
    world.max_clients = 100;
    ck_assert_int_eq(mailbox_init(&hub_box, sizeof(struct mail)), 0);
    ck_assert_int_eq(loop_init(&loop, sizeof(struct mail)), 0);
    loop.on_mail = on_mail;
    loop.on_turn = on_turn;
    loop.arg = &shard;
    shard_init(&shard, 1, &world, config, &loop);
    ws = websocket_new();
}

/* ---- the hub's side ---- */

static void post(struct mail mail)
{
    mailbox_post(&loop.mail, &mail);
}

/* The next letter to the hub, which has to be of this kind; NOTHING: there is none. */
static struct mail hear(int kind)
{
    static struct mail letters[100];
    static size_t read_count;
    static size_t count;
    if (read_count == count) {
        const void *batch;
        count = mailbox_take(&hub_box, &batch);
        read_count = 0;
        ck_assert_uint_le(count, 100);
        if (count)
            memcpy(letters, batch, count * sizeof(struct mail));
    }
    struct mail mail = {.kind = (enum mail_kind)NOTHING};
    if (read_count < count)
        mail = letters[read_count++];
    ck_assert_int_eq((int)mail.kind, kind);
    if (kind != NOTHING)
        ck_assert_uint_eq(mail.conn.shard, 1);
    return mail;
}

static void register_client(const struct mail *asked)
{
    post((struct mail){
        .kind = MAIL_REGISTERED, .conn = asked->conn, .channel = CHANNEL, .ptr = shared_name_new("test", 4)});
}

static void deliver_as(struct mail mail, size_t len, uint64_t receipt)
{
    char *text = malloc(len);
    memset(text, 'x', len);
    struct msg *m = msg_new(ws, WEBSOCKET_TEXT, text, len);
    m->receipt = receipt;
    mail.kind = MAIL_DELIVER;
    mail.ptr = m;
    atomic_fetch_add(&world.mail_bytes, m->len);
    post(mail);
    free(text);
}

static void deliver(size_t len, uint64_t receipt)
{
    deliver_as((struct mail){.scope = SCOPE_CHANNEL, .channel = CHANNEL}, len, receipt);
}

/* ---- the browser's side ---- */

static int open_socket(void)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    int small = 20000;
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    atomic_fetch_add(&world.clients, 1);
    post((struct mail){.kind = MAIL_ADOPT, .conn = {.fd = fds[1]}, .value = 1});
    return fds[0];
}

static void say(int fd, const char *bytes, size_t len)
{
    ck_assert_int_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* These bytes have come, and no more. */
static void expect_bytes(int fd, const char *bytes, size_t len)
{
    char got[4096] = {0};
    ssize_t n = recv(fd, got, sizeof got, 0);
    n = n < 0 ? 0 : n;
    ck_assert_msg((size_t)n == len && memcmp(got, bytes, len) == 0, "%zd bytes: %s", n, got);
}

/* Sends the request; the shard asks the hub. */
static int ask(struct mail *asked)
{
    int fd = open_socket();
    say(fd, REQUEST, strlen(REQUEST));
    turn(); /* adopts it */
    turn();
    *asked = hear(MAIL_REGISTER);
    return fd;
}

static int join(struct mail *asked)
{
    int fd = ask(asked);
    shared_name_unref(asked->ptr);
    register_client(asked);
    turn();
    expect_bytes(fd, ANSWER, strlen(ANSWER));
    return fd;
}

static void finish(void)
{
    hear(NOTHING);
    shard_close_all(&shard);
    shard_fini(&shard);
    websocket_free(ws);
    loop_fini(&loop);
    mailbox_fini(&hub_box);
    config_unref(config);
    ck_assert_uint_eq(atomic_load(&world.clients), 0);
    ck_assert_uint_eq(atomic_load(&world.mail_bytes), 0);
    ck_assert_uint_eq(atomic_load(&shard.out_bytes), 0);
}

/* ---- coming in ---- */

START_TEST(the_101_waits_for_the_hub)
{
    struct mail asked;
    int fd = ask(&asked);
    const struct shared_name *name = asked.ptr;
    ck_assert(name->len == 4 && memcmp(name->text, "test", 4) == 0);
    ck_assert_uint_eq(asked.number, 1);
    turn();
    expect_bytes(fd, "", 0);
    /* what the page's onopen causes comes behind it, whatever the timing */
    register_client(&asked);
    deliver(1, 0);
    turn();
    expect_bytes(fd, ANSWER "\x81\x01x", strlen(ANSWER) + 3);
    shared_name_unref(asked.ptr);
    close(fd);
}
END_TEST

START_TEST(bytes_behind_the_request_are_kept)
{
    struct mail asked;
    int fd = open_socket();
    say(fd, REQUEST "\x81\x82\x01\x02\x03\x04h", strlen(REQUEST) + 7);
    turn();
    turn();
    asked = hear(MAIL_REGISTER);
    shared_name_unref(asked.ptr);
    say(fd, "k\x89\x80\x00\x00\x00\x00", 7);
    turn();
    register_client(&asked);
    turn();
    turn();
    struct mail inbound = hear(MAIL_INBOUND);
    struct msg *m = inbound.ptr;
    ck_assert(inbound.number == 1 && m->len == 2 && memcmp(m->payload, "ii", 2) == 0);
    atomic_fetch_sub(&world.mail_bytes, m->len);
    msg_unref(m);
    turn();
    expect_bytes(fd, ANSWER "\x8a\x00", strlen(ANSWER) + 2);
    close(fd);
}
END_TEST

/* The hub counts on whoever it has registered: it hears of the end, for the receipt too. */
START_TEST(gone_while_the_hub_registers)
{
    struct mail asked;
    int fd = ask(&asked);
    shared_name_unref(asked.ptr);
    close(fd);
    register_client(&asked);
    deliver(1, 77);
    turn();
    ck_assert_uint_eq(hear(MAIL_RECEIPT_BEGUN).value, 1);
    struct mail failed = hear(MAIL_RECEIPT_FAILED);
    ck_assert(failed.number == 77 && failed.client == 1 && failed.value == OUTCOME_CLOSED);
    ck_assert_uint_eq(hear(MAIL_GONE).number, 1);
}
END_TEST

START_TEST(gone_before_it_was_registered)
{
    struct mail asked;
    int fd = ask(&asked);
    shared_name_unref(asked.ptr);
    close(fd);
    turn();
    ck_assert_uint_eq(hear(MAIL_GONE).number, 1);
    register_client(&asked); /* too late: it says so to nobody */
    deliver(1, 77);
    turn();
    ck_assert_uint_eq(hear(MAIL_RECEIPT_BEGUN).value, 0);
}
END_TEST

/* ---- delivery ---- */

/* Those that are still there get it. */
static void expect_all(const int fds[4], const char *bytes, size_t len)
{
    turn();
    for (int i = 0; i < 4; i++)
        if (fds[i] >= 0)
            expect_bytes(fds[i], bytes, len);
}

START_TEST(everybody_gets_it_but_who_left)
{
    struct mail asked;
    int fds[4];
    for (int i = 0; i < 4; i++)
        fds[i] = join(&asked);
    static const int leave[] = {1, 3, 0, 2};
    for (int i = 0; i < 4; i++) {
        deliver(3, 0);
        expect_all(fds, "\x81\x03xxx", 5);
        close(fds[leave[i]]);
        fds[leave[i]] = -1;
        turn();
        ck_assert_uint_eq(hear(MAIL_GONE).number, (uint64_t)leave[i] + 1);
    }
    deliver(3, 0);
    turn();
    ck_assert_ptr_null(shard.channels[CHANNEL].subscribers);
}
END_TEST

START_TEST(letters_name_whom_they_mean)
{
    struct mail asked[2];
    int one = join(&asked[0]);
    int other = join(&asked[1]);
    struct conn_ref stale = asked[0].conn;
    stale.gen++;
    deliver_as((struct mail){.scope = SCOPE_CLIENT, .conn = asked[1].conn}, 1, 0);
    deliver_as((struct mail){.scope = SCOPE_CLIENT, .conn = stale}, 1, 0);
    deliver_as((struct mail){.scope = SCOPE_CHANNEL, .channel = CHANNEL + 1}, 1, 0);
    deliver_as((struct mail){.scope = SCOPE_CHANNEL, .channel = 100000}, 1, 0);
    turn();
    expect_bytes(one, "", 0);
    expect_bytes(other, "\x81\x01x", 3);
    int third = ask(&asked[0]); /* not registered yet: no recipient of anything */
    shared_name_unref(asked[0].ptr);
    deliver_as((struct mail){.scope = SCOPE_ALL}, 2, 0);
    turn();
    expect_bytes(one, "\x81\x02xx", 4);
    expect_bytes(other, "\x81\x02xx", 4);
    expect_bytes(third, "", 0);
    close(one);
    close(other);
    close(third);
}
END_TEST

START_TEST(handed)
{
    struct mail asked;
    int fd = join(&asked);
    deliver(10, 77);
    turn();
    struct mail begun = hear(MAIL_RECEIPT_BEGUN);
    ck_assert(begun.number == 77 && begun.value == 1);
    struct mail done = hear(MAIL_RECEIPT_HANDED);
    ck_assert(done.number == 77 && done.value == 1);
    ck_assert_ptr_null(shard.receipts);
    close(fd);
}
END_TEST

START_TEST(late)
{
    struct mail asked;
    int fd = join(&asked);
    deliver(200000, 77);
    turn();
    hear(MAIL_RECEIPT_BEGUN);
    turn();
    hear(NOTHING);
    ck_assert_uint_gt(atomic_load(&shard.out_bytes), 0);
    post((struct mail){.kind = MAIL_RECEIPT_END, .number = 77});
    turn();
    struct mail failed = hear(MAIL_RECEIPT_FAILED);
    ck_assert(failed.number == 77 && failed.client == 1 && failed.value == OUTCOME_TIMEOUT);
    ck_assert_uint_eq(hear(MAIL_RECEIPT_ENDED).number, 77);
    close(fd); /* what becomes of it now is not told again */
    turn();
    ck_assert_uint_eq(hear(MAIL_GONE).number, 1);
}
END_TEST

START_TEST(gone_with_it_in_the_queue)
{
    struct mail asked;
    int fd = join(&asked);
    deliver(200000, 77);
    turn();
    hear(MAIL_RECEIPT_BEGUN);
    close(fd);
    turn();
    turn();
    struct mail failed = hear(MAIL_RECEIPT_FAILED);
    ck_assert(failed.number == 77 && failed.client == 1 && failed.value == OUTCOME_CLOSED);
    ck_assert_uint_eq(hear(MAIL_GONE).number, 1);
}
END_TEST

/* Over its bound a client loses what was not begun, and is told why. */
START_TEST(too_slow)
{
    struct mail asked;
    config->channel.out_limit = 300000;
    int fd = join(&asked);
    for (uint64_t i = 1; i <= 3; i++)
        deliver(120000, i);
    turn();
    for (uint64_t i = 1; i <= 3; i++)
        ck_assert_uint_eq(hear(MAIL_RECEIPT_BEGUN).number, i);
    struct mail failed = hear(MAIL_RECEIPT_FAILED);
    ck_assert(failed.number == 2 && failed.value == OUTCOME_DROPPED);
    failed = hear(MAIL_RECEIPT_FAILED);
    ck_assert(failed.number == 3 && failed.value == OUTCOME_DROPPED);
    struct buf got = {0};
    for (int i = 0; i < 1000 && shard.out_bytes; i++) {
        char bytes[65536];
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        buf_add(&got, bytes, n > 0 ? (size_t)n : 0);
        turn();
    }
    char rest[65536];
    for (ssize_t n; (n = recv(fd, rest, sizeof rest, 0)) > 0;)
        buf_add(&got, rest, (size_t)n);
    /* the first whole, then the close frame, then the end */
    ck_assert_uint_gt(got.len, 120010 + 4);
    ck_assert_mem_eq(got.data + 120010, "\x88", 1);
    ck_assert_mem_eq(got.data + 120012, "\x03\xf5", 2);
    ck_assert_uint_eq(hear(MAIL_GONE).value, 1013);
    ck_assert_uint_eq(hear(MAIL_RECEIPT_HANDED).number, 1);
    buf_fini(&got);
    close(fd);
    turn();
}
END_TEST

/* ---- closing ---- */

START_TEST(a_close_is_begun_once)
{
    struct mail asked;
    int fd = join(&asked);
    for (int i = 0; i < 2; i++)
        post((struct mail){.kind = MAIL_CLOSE,
                           .scope = SCOPE_CHANNEL,
                           .channel = CHANNEL,
                           .value = 1000,
                           .number = 9,
                           .ptr = msg_new_close(ws, 1000, "bye")});
    turn();
    struct mail closed = hear(MAIL_CLOSED);
    ck_assert(closed.number == 9 && closed.value == 1);
    ck_assert_uint_eq(hear(MAIL_CLOSED).value, 0);
    struct mail gone = hear(MAIL_GONE); /* at once: it is nobody's recipient any more */
    ck_assert(gone.number == 1 && gone.value == 1000);
    expect_bytes(fd,
                 "\x88\x05\x03\xe8"
                 "bye",
                 7);
    deliver(1, 77); /* it hears nothing more */
    turn();
    ck_assert_uint_eq(hear(MAIL_RECEIPT_BEGUN).value, 0);
    say(fd, "\x88\x82\x00\x00\x00\x00\x03\xe8", 8);
    turn();
    char byte;
    ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
    close(fd);
    turn();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("shard");
    TCase *tc = tcase_create("shard");
    tcase_add_checked_fixture(tc, start, finish);
    tcase_add_test(tc, the_101_waits_for_the_hub);
    tcase_add_test(tc, bytes_behind_the_request_are_kept);
    tcase_add_test(tc, gone_while_the_hub_registers);
    tcase_add_test(tc, gone_before_it_was_registered);
    tcase_add_test(tc, everybody_gets_it_but_who_left);
    tcase_add_test(tc, letters_name_whom_they_mean);
    tcase_add_test(tc, handed);
    tcase_add_test(tc, late);
    tcase_add_test(tc, gone_with_it_in_the_queue);
    tcase_add_test(tc, too_slow);
    tcase_add_test(tc, a_close_is_begun_once);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
