/* A shard: when the 101 leaves, who gets what, and what the hub hears of a message that somebody wants to
 * know about. */
#include "lone_shard.h"

/* ---- coming in ---- */

START_TEST(the_101_waits_for_the_hub)
{
    struct mail asked;
    int fd = ask(&asked);
    struct joining *joining = asked.ptr;
    const struct shared_name *name = joining->channel;
    ck_assert(name->len == 4 && memcmp(name->text, "test", 4) == 0);
    ck_assert_uint_eq(asked.number, 1);
    turn();
    expect_bytes(fd, "", 0);
    /* what the page's onopen causes comes behind it, whatever the timing */
    register_client(&asked);
    deliver(1, 0);
    turn();
    expect_bytes(fd, ANSWER "\x81\x01x", strlen(ANSWER) + 3);
    joining_free(joining);
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
    joining_free(asked.ptr);
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
    joining_free(asked.ptr);
    close(fd);
    register_client(&asked);
    deliver(1, 77);
    turn();
    ck_assert_uint_eq(hear(MAIL_RECEIPT_BEGUN).value, 1);
    ck_assert_uint_eq(hear(MAIL_GONE).number, 1);
    hear_failed(77, 1, OUTCOME_CLOSED);
}
END_TEST

START_TEST(gone_before_it_was_registered)
{
    struct mail asked;
    int fd = ask(&asked);
    joining_free(asked.ptr);
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
    joining_free(asked[0].ptr);
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

static void event(const struct mail *asked, size_t worked)
{
    struct io *io = loop_find(&loop, asked->conn.fd, asked->conn.gen);
    loop.worked = worked;
    io->ops->on_event(&loop, io, EPOLLIN);
}

/* In a turn that others have filled; much, and an end, waits for the next one. */
START_TEST(who_says_little_need_not_wait)
{
    static const char frame[] = "\x81\x81\0\0\0\0a";
    static char much[1008] = "\x82\xfe\x03\xe8";
    struct mail asked;
    atomic_store(&world.out_total, 1000000);
    int fd = join(&asked);
    const struct conn *c = conn_find(&shard, asked.conn);
    say(fd, frame, sizeof frame - 1);
    event(&asked, LOOP_WORK_AT_MOST);
    ck_assert_uint_eq(c->msgs_in, 0);
    event(&asked, LOOP_WORK_A_TURN);
    ck_assert_uint_eq(c->msgs_in, 1);
    say(fd, much, sizeof much);
    event(&asked, LOOP_WORK_A_TURN);
    ck_assert_uint_eq(c->msgs_in, 1);
    turn();
    ck_assert_uint_eq(c->msgs_in, 2);
    msg_unref(hear(MAIL_INBOUND).ptr);
    msg_unref(hear(MAIL_INBOUND).ptr);
    atomic_store(&world.mail_bytes, 0); /* as the hub would have counted */
    close(fd);
    event(&asked, LOOP_WORK_A_TURN);
    ck_assert(!c->io.reaping);
    turn();
    hear(MAIL_GONE);
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
    hear_reached(77, 1);
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
    hear_failed(77, 1, OUTCOME_TIMEOUT);
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
    ck_assert_uint_eq(hear(MAIL_GONE).number, 1);
    hear_failed(77, 1, OUTCOME_CLOSED);
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
    ck_assert_uint_eq(hear(MAIL_GONE).value, 1013);
    hear_failed(2, 1, OUTCOME_DROPPED);
    hear_failed(3, 1, OUTCOME_DROPPED);
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
    hear_reached(1, 1);
    buf_fini(&got);
    close(fd);
    turn();
}
END_TEST

/* ---- pongs ---- */

#define PING(number) "\x89\x08\0\0\0\0\0\0\0" number
#define PONG(number) "\x8a\x88\0\0\0\0\0\0\0\0\0\0\0" number

enum { PING_LEN = 10, PONG_LEN = 14 };

/* A client has a message and the ping behind it. */
static int join_and_wish(struct mail *asked, const char *bytes, uint64_t receipt)
{
    int fd = join(asked);
    wish = WISH_PONGED;
    deliver(1, receipt);
    turn();
    ck_assert_uint_eq(hear(MAIL_RECEIPT_BEGUN).value, 1);
    expect_bytes(fd, bytes, 3 + PING_LEN);
    hear(NOTHING);
    return fd;
}

START_TEST(ponged)
{
    struct mail asked;
    int fd = join_and_wish(&asked, "\x81\x01x" PING("\x4d"), 77);
    say(fd, "\x8a\x80\0\0\0\0", 6); /* to nothing that was asked */
    say(fd, PONG("\x4e"), PONG_LEN);
    turn();
    hear(NOTHING);
    say(fd, PONG("\x4d"), PONG_LEN);
    turn();
    hear_reached(77, 1);
    ck_assert_ptr_null(shard.receipts);
    ck_assert_ptr_null(shard.awaited);
    close(fd);
    turn();
    ck_assert_uint_eq(hear(MAIL_GONE).number, 1);
}
END_TEST

START_TEST(one_pong_answers_all_pings_before_it)
{
    struct mail asked;
    int fd = join_and_wish(&asked, "\x81\x01x" PING("\x05"), 5);
    deliver(1, 6);
    turn();
    hear(MAIL_RECEIPT_BEGUN);
    expect_bytes(fd, "\x81\x01x" PING("\x06"), 3 + PING_LEN);
    say(fd, PONG("\x06"), PONG_LEN);
    turn();
    hear_reached(5, 1);
    hear_reached(6, 1);
    close(fd);
    turn();
    hear(MAIL_GONE);
}
END_TEST

START_TEST(never_ponged)
{
    struct mail asked;
    int fd = join_and_wish(&asked, "\x81\x01x" PING("\x05"), 5);
    post((struct mail){.kind = MAIL_RECEIPT_END, .number = 5});
    turn();
    hear_failed(5, 1, OUTCOME_TIMEOUT);
    hear(MAIL_RECEIPT_ENDED);
    ck_assert_ptr_null(shard.awaited);
    say(fd, PONG("\x05"), PONG_LEN); /* too late */
    turn();
    hear(NOTHING);
    close(fd);
    turn();
    hear(MAIL_GONE);
}
END_TEST

START_TEST(gone_without_a_pong)
{
    struct mail asked;
    int fd = join_and_wish(&asked, "\x81\x01x" PING("\x05"), 5);
    close(fd);
    turn();
    hear(MAIL_GONE);
    hear_failed(5, 1, OUTCOME_CLOSED);
    ck_assert_ptr_null(shard.awaited);
}
END_TEST

/* A browser without code of ours. */
START_TEST(acked_is_unsupported)
{
    struct mail asked;
    int fd = join(&asked);
    wish = WISH_ACKED;
    deliver(1, 5);
    turn();
    expect_bytes(fd, "\x81\x01x", 3);
    hear(MAIL_RECEIPT_BEGUN);
    hear_failed(5, 1, OUTCOME_UNSUPPORTED);
    close(fd);
}
END_TEST

/* ---- crowds ---- */

static struct mail to_crowd(uint32_t count, const struct crowd_member *members)
{
    struct crowd *crowd = malloc(sizeof *crowd + count * sizeof *members);
    ck_assert_ptr_nonnull(crowd);
    crowd->count = count;
    memcpy(crowd->members, members, count * sizeof *members);
    return (struct mail){.scope = SCOPE_CROWD, .crowd = crowd};
}

/* One client by name, and a whole other channel; behind what was gathered for them in the same turn. */
START_TEST(a_crowd_gets_it_in_order)
{
    struct mail asked[4];
    int fds[4];
    for (int i = 0; i < 4; i++)
        fds[i] = join_on(&asked[i], i < 2 ? CHANNEL : CHANNEL + 1);
    const struct crowd_member members[] = {{.conn = asked[1].conn},
                                           {.conn.fd = -1, .channel = CHANNEL + 1},
                                           {.conn = {.shard = 1, .fd = asked[0].conn.fd, .gen = 99}}};
    deliver(1, 0);
    deliver_as((struct mail){.scope = SCOPE_CHANNEL, .channel = CHANNEL + 1}, 1, 0);
    deliver_as(to_crowd(3, members), 2, 9);
    deliver(3, 0);
    turn();
    expect_bytes(fds[0], "\x81\x01x\x81\x03xxx", 8);
    expect_bytes(fds[1], "\x81\x01x\x81\x02xx\x81\x03xxx", 12);
    expect_bytes(fds[2], "\x81\x01x\x81\x02xx", 7);
    expect_bytes(fds[3], "\x81\x01x\x81\x02xx", 7);
    ck_assert_uint_eq(hear(MAIL_RECEIPT_BEGUN).value, 3);
    hear_reached(9, 3);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}
END_TEST

START_TEST(a_crowd_is_listed_and_closed)
{
    struct mail asked[2];
    int fds[2] = {join(&asked[0]), join(&asked[1])};
    const struct crowd_member one = {.conn = asked[1].conn};
    struct mail list = to_crowd(1, &one);
    list.kind = MAIL_LIST;
    post(list);
    struct mail closing = to_crowd(1, &one);
    closing.kind = MAIL_CLOSE;
    closing.value = 1000;
    closing.ptr = msg_new_close(ws, 1000, "");
    post(closing);
    turn();
    struct client_rows *rows = hear(MAIL_LISTED).ptr;
    ck_assert(rows->count == 1 && rows->rows[0].client == 2);
    client_rows_free(rows);
    ck_assert_uint_eq(hear(MAIL_CLOSED).value, 1);
    ck_assert_uint_eq(hear(MAIL_GONE).number, 2);
    expect_bytes(fds[0], "", 0);
    expect_bytes(fds[1], "\x88\x02\x03\xe8", 4);
    close(fds[0]);
    close(fds[1]);
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
    deliver(1, 77); /* it hears nothing more, whoever is meant */
    deliver_as((struct mail){.scope = SCOPE_ALL}, 1, 78);
    deliver_as((struct mail){.scope = SCOPE_CLIENT, .conn = asked.conn}, 1, 79);
    turn();
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(hear(MAIL_RECEIPT_BEGUN).value, 0);
    say(fd, "\x88\x82\x00\x00\x00\x00\x03\xe8", 8);
    turn();
    char byte;
    ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
    close(fd);
    turn();
}
END_TEST

/* ---- draining ---- */

#define LEAVE "\x88\x1a\x03\xe9the server is going away"

static void post_drain_as(enum mail_kind kind, unsigned ms)
{
    atomic_store(&world.draining, kind != MAIL_DRAIN_END);
    post((struct mail){.kind = kind, .number = 5, .value = ms});
}

static void post_drain(unsigned ms)
{
    post_drain_as(MAIL_DRAIN, ms);
}

static bool was_asked_to_leave(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK) == 1;
}

static int asked_to_leave(const int *fds, int count)
{
    int asked = 0;
    for (int i = 0; i < count; i++)
        asked += was_asked_to_leave(fds[i]);
    return asked;
}

static void join_many(int *fds, int count)
{
    struct mail asked;
    for (int i = 0; i < count; i++)
        fds[i] = join(&asked);
}

static void see_many_off(const int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        ck_assert_uint_eq(hear(MAIL_GONE).value, 1001);
        expect_bytes(fds[i], LEAVE, strlen(LEAVE));
        close(fds[i]);
    }
    turn();
}

/* When the next step is due, or -1. It comes when the test says so: see step(). */
static int64_t next_step(void)
{
    bool due = timer_is_set(&shard.drain_timer);
    timer_clear(&shard.drain_timer);
    return due ? shard.drain_timer.when : -1;
}

static int64_t step(int64_t when)
{
    loop.now = when;
    shard.drain_timer.fire(&shard.drain_timer);
    when = next_step();
    turn();
    return when;
}

START_TEST(drained_and_drained_again)
{
    struct mail asked;
    for (int i = 0; i < 2; i++) {
        int fd = join(&asked);
        post_drain(0);
        turn();
        struct mail told = hear(MAIL_CLOSED);
        ck_assert(told.number == 5 && told.value == 1);
        ck_assert_uint_eq(hear(MAIL_GONE).value, 1001);
        expect_bytes(fd, LEAVE, strlen(LEAVE));
        atomic_store(&world.draining, false);
        post_drain(0); /* it was asked already */
        turn();
        ck_assert_uint_eq(hear(MAIL_CLOSED).value, 0);
        expect_bytes(fd, "", 0);
        close(fd);
        turn();
        atomic_store(&world.draining, false);
    }
}
END_TEST

/* So many clients, of whom each step asks as many as the others, after the same time. */
static const struct {
    int clients;
    unsigned ms;
    int share;
    int64_t apart;
} spreads[] = {{20, 60000, 1, 3000}, {20, 1000, 1, 50}, {20, 500, 2, 50}, {30, 1000, 2, 66}, {20, 70, 20, 0}};

START_TEST(asked_evenly)
{
    int fds[30], between = dup(0); /* what is no client counts for nothing */
    int clients = spreads[_i].clients, share = spreads[_i].share;
    join_many(fds, clients / 2);
    close(between);
    join_many(fds + clients / 2, clients - clients / 2);
    post_drain(spreads[_i].ms);
    turn();
    ck_assert_int_eq((int)hear(MAIL_CLOSED).value, clients);
    int64_t next = next_step(), before = shard.drain_until - spreads[_i].ms;
    for (int asked = share; asked < clients; asked += share) {
        ck_assert_int_eq(asked_to_leave(fds, clients), asked);
        ck_assert_int_le(llabs(next - before - spreads[_i].apart), 3);
        before = next;
        next = step(before);
    }
    ck_assert_int_eq(asked_to_leave(fds, clients), clients);
    ck_assert_int_eq(next, -1);
    see_many_off(fds, clients);
}
END_TEST

/* SIGTERM does not wait for the time where there are few. */
START_TEST(a_stop_takes_no_longer_than_needed)
{
    int fds[49];
    join_many(fds, 49);
    post_drain_as(MAIL_GO_AWAY, 60000);
    turn();
    ck_assert_uint_eq(hear(MAIL_CLOSED).value, 49);
    ck_assert_int_eq(asked_to_leave(fds, 49), 49);
    see_many_off(fds, 49);
}
END_TEST

START_TEST(a_stop_of_many_is_spread)
{
    int fds[100];
    join_many(fds, 100);
    post_drain_as(MAIL_GO_AWAY, 60000);
    turn();
    ck_assert_uint_eq(hear(MAIL_CLOSED).value, 100);
    int64_t next = next_step();
    ck_assert_int_eq(asked_to_leave(fds, 100), 50);
    ck_assert_int_eq(step(next), -1);
    ck_assert_int_eq(asked_to_leave(fds, 100), 100);
    for (int i = 0; i < 100; i++) {
        ck_assert_uint_eq(hear(MAIL_GONE).value, 1001);
        close(fds[i]);
    }
    turn();
}
END_TEST

START_TEST(ended_before_its_time)
{
    int fds[3];
    join_many(fds, 3);
    post_drain(60000);
    turn();
    ck_assert_uint_eq(hear(MAIL_CLOSED).value, 3);
    post_drain_as(MAIL_DRAIN_END, 0);
    turn();
    ck_assert_uint_eq(hear(MAIL_GONE).value, 1001);
    struct mail told = hear(MAIL_CLOSED);
    ck_assert(told.number == 5 && told.value == 0);
    ck_assert(!timer_is_set(&shard.drain_timer));
    ck_assert_int_eq(asked_to_leave(fds, 3), 1);
    post_drain(60000); /* those who were not asked are there for the next one */
    turn();
    ck_assert_uint_eq(hear(MAIL_CLOSED).value, 2);
    ck_assert_uint_eq(hear(MAIL_GONE).value, 1001);
    step(next_step());
    ck_assert_uint_eq(hear(MAIL_GONE).value, 1001);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    turn();
}
END_TEST

/* Who comes when the time is over stays, though the last are asked a moment later. */
START_TEST(who_comes_afterwards_stays)
{
    struct mail asked;
    int old[2];
    join_many(old, 2);
    post_drain(60000);
    turn();
    ck_assert_uint_eq(hear(MAIL_CLOSED).value, 2);
    expect_bytes(old[1], "", 0);
    atomic_store(&world.draining, false);
    ck_assert_uint_eq(hear(MAIL_GONE).number, 1);
    int newcomer = join(&asked);
    step(next_step());
    ck_assert_uint_eq(hear(MAIL_GONE).number, 2);
    expect_bytes(old[1], LEAVE, strlen(LEAVE));
    deliver(1, 0);
    turn();
    expect_bytes(newcomer, "\x81\x01x", 3);
    close(old[0]);
    close(old[1]);
    close(newcomer);
    turn();
    ck_assert_uint_eq(hear(MAIL_GONE).number, 3);
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
    tcase_add_test(tc, who_says_little_need_not_wait);
    tcase_add_test(tc, handed);
    tcase_add_test(tc, late);
    tcase_add_test(tc, gone_with_it_in_the_queue);
    tcase_add_test(tc, too_slow);
    tcase_add_test(tc, ponged);
    tcase_add_test(tc, one_pong_answers_all_pings_before_it);
    tcase_add_test(tc, never_ponged);
    tcase_add_test(tc, gone_without_a_pong);
    tcase_add_test(tc, acked_is_unsupported);
    tcase_add_test(tc, a_crowd_gets_it_in_order);
    tcase_add_test(tc, a_crowd_is_listed_and_closed);
    tcase_add_test(tc, a_close_is_begun_once);
    tcase_add_test(tc, drained_and_drained_again);
    tcase_add_loop_test(tc, asked_evenly, 0, sizeof spreads / sizeof spreads[0]);
    tcase_add_test(tc, a_stop_takes_no_longer_than_needed);
    tcase_add_test(tc, a_stop_of_many_is_spread);
    tcase_add_test(tc, ended_before_its_time);
    tcase_add_test(tc, who_comes_afterwards_stays);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
