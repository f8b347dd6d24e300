/*
 * A shard and its connections over socketpairs, with the test as hub and as browser. Test files include it as
 * it is: between start() and finish() there is one shard, and turn() runs its loop once.
 */
#ifndef WSPUSH_T_LONE_SHARD_H
#define WSPUSH_T_LONE_SHARD_H

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
static enum wish wish; /* of messages with a receipt */

static inline void on_mail(void *arg, const void *letter)
{
    shard_on_mail(arg, letter);
}

static inline void on_turn(void *arg)
{
    shard_receipts_report(arg);
    loop_stop(&loop);
}

/* One turn, which does not sleep. */
static inline void turn(void)
{
    uint64_t one = 1;
    ck_assert_int_eq(write(loop.mail.wake_fd, &one, sizeof one), sizeof one);
    atomic_store(&loop.stop, false);
    loop_run(&loop);
}

static inline void start(void)
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
    wish = WISH_HANDED;
}

/* ---- the hub's side ---- */

static inline void post(struct mail mail)
{
    mailbox_post(&loop.mail, &mail);
}

/* The next letter to the hub, which has to be of this kind; NOTHING: there is none. */
static inline struct mail hear(int kind)
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

/* The next letter is a report on a receipt: so many are so far, and one of them is not, for this reason. */
static inline void hear_report(uint64_t number, uint32_t reached, uint64_t client, enum outcome outcome)
{
    struct mail mail = hear(MAIL_RECEIPT_REPORT);
    struct failures *failed = mail.ptr;
    ck_assert_uint_eq(mail.number, number);
    ck_assert_uint_eq(mail.value, reached);
    if (client) {
        ck_assert(failed && failed->count == 1);
        ck_assert_uint_eq(failed->items[0].client, client);
        ck_assert_int_eq(failed->items[0].outcome, outcome);
    } else {
        ck_assert_ptr_null(failed);
    }
    free(failed);
}

static inline void hear_reached(uint64_t number, uint32_t count)
{
    hear_report(number, count, 0, OUTCOME_REACHED);
}

static inline void hear_failed(uint64_t number, uint64_t client, enum outcome outcome)
{
    hear_report(number, 0, client, outcome);
}

static inline void register_on(const struct mail *asked, uint32_t channel)
{
    post((struct mail){.kind = MAIL_REGISTERED,
                       .conn = asked->conn,
                       .channel = channel,
                       .value = SEAT_LIVE,
                       .ptr = shared_name_new("test", 4)});
}

static inline void register_client(const struct mail *asked)
{
    register_on(asked, CHANNEL);
}

static inline void deliver_text(struct mail mail, const char *text, size_t len, uint64_t receipt)
{
    struct msg *m = msg_new_wished(ws, WEBSOCKET_TEXT, receipt ? wish : WISH_NOTHING, text, len);
    msg_set_receipt(m, receipt);
    mail.kind = MAIL_DELIVER;
    mail.ptr = m;
    atomic_fetch_add(&world.mail_bytes, m->len + crowd_size(mail.crowd));
    post(mail);
}

static inline void deliver_as(struct mail mail, size_t len, uint64_t receipt)
{
    char *text = malloc(len);
    memset(text, 'x', len);
    deliver_text(mail, text, len, receipt);
    free(text);
}

static inline void deliver(size_t len, uint64_t receipt)
{
    deliver_as((struct mail){.scope = SCOPE_CHANNEL, .channel = CHANNEL}, len, receipt);
}

/* ---- the browser's side ---- */

static inline int open_socket(void)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    int small = 20000;
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    atomic_fetch_add(&world.clients, 1);
    post((struct mail){.kind = MAIL_ADOPT, .conn = {.fd = fds[1]}, .value = 1});
    return fds[0];
}

static inline void say(int fd, const char *bytes, size_t len)
{
    ck_assert_int_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* These bytes have come, and no more. */
static inline void expect_bytes(int fd, const char *bytes, size_t len)
{
    char got[4096] = {0};
    ssize_t n = recv(fd, got, sizeof got, 0);
    n = n < 0 ? 0 : n;
    ck_assert_msg((size_t)n == len && memcmp(got, bytes, len) == 0, "%zd bytes: %s", n, got);
}

/* Sends the request; the shard asks the hub. */
static inline int ask(struct mail *asked)
{
    int fd = open_socket();
    say(fd, REQUEST, strlen(REQUEST));
    turn(); /* adopts it */
    turn();
    *asked = hear(MAIL_REGISTER);
    return fd;
}

static inline int join_on(struct mail *asked, uint32_t channel)
{
    int fd = ask(asked);
    joining_free(asked->ptr);
    register_on(asked, channel);
    turn();
    expect_bytes(fd, ANSWER, strlen(ANSWER));
    return fd;
}

static inline int join(struct mail *asked)
{
    return join_on(asked, CHANNEL);
}

static inline void finish(void)
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

#endif
