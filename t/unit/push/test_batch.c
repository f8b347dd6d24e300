/* What is published to a channel within a turn leaves together, and nobody can tell: order, newcomers,
 * closing, slow clients and receipts are as if each message had gone through the queues. */
#include "lone_shard.h"

#include "../random.h"
#include "base/clock.h"

static const struct mail to_channel = {.scope = SCOPE_CHANNEL, .channel = CHANNEL};
static const struct mail to_all = {.scope = SCOPE_ALL};

static struct mail to_client(const struct mail *asked)
{
    return (struct mail){.scope = SCOPE_CLIENT, .conn = asked->conn};
}

static void publish(struct mail mail, const char *text)
{
    deliver_text(mail, text, strlen(text), 0);
}

static uint64_t writes(void)
{
    return stats_get(&shard.stats, STAT_writes);
}

START_TEST(one_write_for_each)
{
    struct mail asked;
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = join(&asked);
    uint64_t before = writes();
    publish(to_channel, "a");
    publish(to_channel, "bc");
    publish(to_channel, "");
    turn();
    for (int i = 0; i < 3; i++) {
        expect_bytes(fds[i],
                     "\x81\x01"
                     "a\x81\x02"
                     "bc\x81\x00",
                     9);
        close(fds[i]);
    }
    ck_assert_uint_eq(writes(), before + 3);
    ck_assert_uint_eq(stats_get(&shard.stats, STAT_deliveries), 9);
    turn();
    for (int i = 0; i < 3; i++)
        hear(MAIL_GONE);
}
END_TEST

/* From one publisher to a channel, to one client and to all: each client sees them in order. */
START_TEST(other_messages_in_between)
{
    struct mail asked[2];
    int one = join(&asked[0]);
    int other = join(&asked[1]);
    publish(to_channel, "1");
    publish(to_client(&asked[0]), "2");
    publish(to_channel, "3");
    publish(to_all, "4");
    publish(to_channel, "5");
    turn();
    expect_bytes(one,
                 "\x81\x01"
                 "1"
                 "\x81\x01"
                 "2"
                 "\x81\x01"
                 "3"
                 "\x81\x01"
                 "4"
                 "\x81\x01"
                 "5",
                 15);
    expect_bytes(other,
                 "\x81\x01"
                 "1"
                 "\x81\x01"
                 "3"
                 "\x81\x01"
                 "4"
                 "\x81\x01"
                 "5",
                 12);
    close(one);
    close(other);
}
END_TEST

START_TEST(newcomers_get_what_follows)
{
    struct mail asked;
    int one = join(&asked);
    int other = join(&asked);
    int third = ask(&asked);
    joining_free(asked.ptr);
    publish(to_channel, "1");
    register_client(&asked);
    publish(to_channel, "2");
    turn();
    expect_bytes(one,
                 "\x81\x01"
                 "1"
                 "\x81\x01"
                 "2",
                 6);
    expect_bytes(other,
                 "\x81\x01"
                 "1"
                 "\x81\x01"
                 "2",
                 6);
    expect_bytes(third,
                 ANSWER "\x81\x01"
                        "2",
                 strlen(ANSWER) + 3);
    close(one);
    close(other);
    close(third);
}
END_TEST

/* A client that is to get what it missed first. */
static int join_behind(struct mail *asked)
{
    int fd = ask(asked);
    joining_free(asked->ptr);
    post((struct mail){.kind = MAIL_REGISTERED,
                       .conn = asked->conn,
                       .channel = CHANNEL,
                       .value = SEAT_BEHIND,
                       .ptr = shared_name_new("test", 4)});
    turn();
    expect_bytes(fd, ANSWER, strlen(ANSWER));
    return fd;
}

static void expect_and_close(int fd, const char *bytes, size_t len)
{
    expect_bytes(fd, bytes, len);
    close(fd);
}

/* What was published before a client had caught up is in what it missed. */
START_TEST(who_catches_up_gets_what_follows)
{
    struct mail asked[3];
    int live[2] = {join(&asked[0]), join(&asked[0])};
    int behind[3] = {join_behind(&asked[0]), join_behind(&asked[1]), join_behind(&asked[2])};
    publish(to_channel, "1");
    post((struct mail){.kind = MAIL_LIVE, .conn = asked[0].conn, .channel = CHANNEL});
    publish(to_channel, "2");
    struct mail close_one = to_client(&asked[2]);
    close_one.kind = MAIL_CLOSE;
    close_one.value = 1000;
    close_one.ptr = msg_new_close(ws, 1000, "");
    post(close_one);
    deliver_text(to_channel, "3", 1, 77); /* to three of them, by themselves */
    turn();
    ck_assert_uint_eq(hear(MAIL_CLOSED).value, 1);
    ck_assert_uint_eq(hear(MAIL_RECEIPT_BEGUN).value, 3);
    hear(MAIL_GONE);
    hear_reached(77, 3);
    for (int i = 0; i < 2; i++)
        expect_and_close(live[i], "\x81\x01\x31\x81\x01\x32\x81\x01\x33", 9);
    expect_and_close(behind[0], "\x81\x01\x32\x81\x01\x33", 6);
    expect_and_close(behind[1], "", 0);
    expect_and_close(behind[2], "\x88\x02\x03\xe8", 4);
}
END_TEST

START_TEST(off_the_channel_behind_it)
{
    struct mail asked;
    int stay[2] = {join(&asked), join(&asked)};
    int leaver = join(&asked);
    publish(to_channel, "1");
    post((struct mail){.kind = MAIL_UNSUBSCRIBED, .conn = asked.conn, .channel = CHANNEL});
    publish(to_channel, "2");
    turn();
    expect_and_close(leaver, "\x81\x01\x31", 3);
    for (int i = 0; i < 2; i++)
        expect_and_close(stay[i], "\x81\x01\x31\x81\x01\x32", 6);
}
END_TEST

/* What was published before a close comes before it, what is published after it doesn't come. */
START_TEST(closed_behind_it)
{
    struct mail asked[2];
    int one = join(&asked[0]);
    int other = join(&asked[1]);
    publish(to_channel, "1");
    post((struct mail){.kind = MAIL_CLOSE,
                       .scope = SCOPE_CLIENT,
                       .conn = asked[0].conn,
                       .value = 1000,
                       .ptr = msg_new_close(ws, 1000, "")});
    publish(to_channel, "2");
    turn();
    ck_assert_uint_eq(hear(MAIL_CLOSED).value, 1);
    expect_bytes(one,
                 "\x81\x01"
                 "1"
                 "\x88\x02\x03\xe8",
                 7);
    expect_bytes(other,
                 "\x81\x01"
                 "1"
                 "\x81\x01"
                 "2",
                 6);
    ck_assert_uint_eq(hear(MAIL_GONE).number, 1);
    close(one);
    close(other);
}
END_TEST

/* One who is gone is found out by the write; the others get theirs. */
START_TEST(gone)
{
    struct mail asked;
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = join(&asked);
    close(fds[1]);
    publish(to_channel, "1");
    publish(to_channel, "2");
    turn();
    ck_assert_uint_eq(hear(MAIL_GONE).number, 2);
    expect_bytes(fds[0],
                 "\x81\x01"
                 "1"
                 "\x81\x01"
                 "2",
                 6);
    expect_bytes(fds[2],
                 "\x81\x01"
                 "1"
                 "\x81\x01"
                 "2",
                 6);
    close(fds[0]);
    close(fds[2]);
}
END_TEST

START_TEST(receipts_in_between)
{
    struct mail asked;
    int one = join(&asked);
    int other = join(&asked);
    publish(to_channel, "1");
    deliver_text(to_channel, "2", 1, 77);
    publish(to_channel, "3");
    turn();
    ck_assert_uint_eq(hear(MAIL_RECEIPT_BEGUN).value, 2);
    ck_assert_uint_eq(hear(MAIL_RECEIPT_REPORT).value, 2);
    expect_bytes(one,
                 "\x81\x01"
                 "1"
                 "\x81\x01"
                 "2"
                 "\x81\x01"
                 "3",
                 9);
    expect_bytes(other,
                 "\x81\x01"
                 "1"
                 "\x81\x01"
                 "2"
                 "\x81\x01"
                 "3",
                 9);
    close(one);
    close(other);
}
END_TEST

/* A list is asked for behind what it tells of. */
START_TEST(lists_tell_of_it)
{
    struct mail asked;
    int one = join(&asked);
    int other = join(&asked);
    publish(to_channel, "1");
    post((struct mail){.kind = MAIL_LIST, .scope = SCOPE_CHANNEL, .channel = CHANNEL, .number = 9});
    turn();
    struct client_rows *rows = hear(MAIL_LISTED).ptr;
    ck_assert_uint_eq(rows->count, 2);
    for (size_t i = 0; i < rows->count; i++)
        ck_assert_uint_eq(rows->rows[i].queued, 3);
    client_rows_free(rows);
    close(one);
    close(other);
}
END_TEST

/* More channels than there are batches: the rest go by the queues. */
START_TEST(many_channels)
{
    enum { CHANNELS = 100 };
    static struct mail asked;
    static int fds[CHANNELS][2];
    world.max_clients = 2 * CHANNELS;
    for (uint32_t i = 0; i < CHANNELS; i++)
        for (int k = 0; k < 2; k++)
            fds[i][k] = join_on(&asked, i);
    uint64_t before = writes();
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < CHANNELS; i++)
            publish((struct mail){.scope = SCOPE_CHANNEL, .channel = i}, round ? "2" : "1");
    turn();
    ck_assert_uint_eq(writes(), before + 2 * CHANNELS); /* in batch or queue, the two leave together */
    for (uint32_t i = 0; i < CHANNELS; i++) {
        for (int k = 0; k < 2; k++) {
            expect_bytes(fds[i][k],
                         "\x81\x01"
                         "1"
                         "\x81\x01"
                         "2",
                         6);
            close(fds[i][k]);
        }
    }
    ck_assert_uint_eq(shard.batch_count, 0);
}
END_TEST

/* Compressed for whom that was agreed on and where it pays, as it is for everybody else. */
START_TEST(compressed_for_some)
{
    struct mail asked;
    int plain = join(&asked);
    int fd = open_socket();
    static const char request[] =
        "GET /test/ HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    say(fd, request, sizeof request - 1);
    turn();
    turn();
    asked = hear(MAIL_REGISTER);
    joining_free(asked.ptr);
    register_client(&asked);
    turn();
    char bytes[4096];
    ck_assert_int_gt(recv(fd, bytes, sizeof bytes, 0), 0);
    publish(to_channel, "short");
    deliver(2000, 0);
    publish(to_channel, "short again");
    turn();
    ck_assert_int_eq(recv(plain, bytes, sizeof bytes, 0), 7 + 2004 + 13);
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    ck_assert_int_lt(n, 200);
    ck_assert(memcmp(bytes, "\x81\x05short\xc1", 8) == 0 &&
              memcmp(bytes + n - 13, "\x81\x0bshort again", 13) == 0);
    ck_assert_uint_eq(stats_get(&shard.stats, STAT_deliveries_compressed), 1);
    close(plain);
    close(fd);
}
END_TEST

/* ---- slow clients ---- */

/* What a client has got: numbered messages of one length, then a close. */
struct got {
    unsigned count;
    bool without_gap;
    unsigned closes;
    unsigned code; /* of the first */
};

enum { NUMBERED = 1000 };

static void publish_numbered(unsigned number)
{
    char text[NUMBERED + 1];
    memset(text, 'x', NUMBERED);
    snprintf(text, 6, "%05u", number);
    text[5] = 'x';
    text[NUMBERED] = '\0';
    publish(to_channel, text);
}

static struct got read_numbered(int fd)
{
    static uint8_t bytes[1 << 20];
    struct got got = {.without_gap = true};
    size_t len = 0;
    for (int quiet = 0; quiet < 20; turn()) {
        ssize_t n = recv(fd, bytes + len, sizeof bytes - len, 0);
        quiet = n > 0 ? 0 : quiet + 1;
        len += n > 0 ? (size_t)n : 0;
    }
    for (const uint8_t *p = bytes; p < bytes + len;) {
        if (p[0] == 0x88) {
            got.code = got.closes++ ? got.code : (unsigned)p[2] << 8 | p[3];
            p += 2 + p[1];
        } else {
            ck_assert(p[0] == 0x81 && p[1] == 126 && got.closes == 0);
            got.without_gap &= strtoul((const char *)p + 4, NULL, 10) == got.count++;
            p += 4 + NUMBERED;
        }
    }
    return got;
}

static void read_away(int fd)
{
    static char bytes[1 << 20];
    while (recv(fd, bytes, sizeof bytes, 0) > 0)
        ;
}

/* Fills the queue of one who does not read, while `reader` does. Returns how many messages were published. */
static unsigned fill_queue(int reader, size_t bytes)
{
    unsigned n = 0;
    while (atomic_load(&shard.out_bytes) < bytes) {
        publish_numbered(n++);
        turn();
        read_away(reader);
    }
    return n;
}

static void close_client(const struct mail *asked)
{
    post((struct mail){.kind = MAIL_CLOSE,
                       .scope = SCOPE_CLIENT,
                       .conn = asked->conn,
                       .value = 1000,
                       .ptr = msg_new_close(ws, 1000, "")});
}

/* What a batch holds is too much for one who is told to go: it ends for being slow, once, and gets nothing
 * behind what it lost. */
START_TEST(too_much_to_catch_up_with)
{
    struct mail asked[2];
    config->channel.out_limit = config->channel.out_slow = 8192;
    int one = join(&asked[0]);
    int other = join(&asked[1]);
    unsigned n = fill_queue(other, 7000);
    for (int i = 0; i < 4; i++)
        publish_numbered(n++);
    close_client(&asked[0]);
    turn();
    hear(MAIL_CLOSED);
    struct got got = read_numbered(one);
    ck_assert(got.without_gap && got.count < n);
    ck_assert_uint_eq(got.closes, 1);
    ck_assert_uint_eq(got.code, 1013);
    ck_assert_uint_eq(hear(MAIL_GONE).value, 1013);
    close(one);
    close(other);
}
END_TEST

/* One message that is over the bound by itself, begun, and a close behind the next. */
START_TEST(closed_within_a_large_message)
{
    struct mail asked[2];
    config->channel.out_limit = config->channel.out_slow = 8192;
    int one = join(&asked[0]);
    int other = join(&asked[1]);
    deliver(200000, 0);
    turn();
    publish(to_channel, "bye");
    close_client(&asked[0]);
    turn();
    hear(MAIL_CLOSED);
    hear(MAIL_GONE); /* neither of them reads */
    hear(MAIL_GONE);
    close(one);
    close(other);
}
END_TEST

/* It becomes slow by time in a turn that brings more. */
START_TEST(slow_in_a_turn_with_a_batch)
{
    struct mail asked;
    config->channel.out_slow = 1024;
    config->channel.slow_after = 20;
    int one = join(&asked);
    int other = join(&asked);
    unsigned n = fill_queue(other, 5000);
    while (clock_mono_ms() <= loop.now + 20)
        usleep(1000);
    publish_numbered(n++);
    turn();
    struct got got = read_numbered(one);
    ck_assert(got.without_gap && got.count < n);
    ck_assert_uint_eq(got.closes, 1);
    ck_assert_uint_eq(got.code, 1013);
    ck_assert_uint_eq(hear(MAIL_GONE).value, 1013);
    close(one);
    close(other);
}
END_TEST

/* `slow = drop`: what a batch brings too much pushes out the oldest. */
START_TEST(dropped_for_a_batch)
{
    struct mail asked[2];
    config->channel.out_limit = config->channel.out_slow = 8192;
    config->channel.slow = SLOW_DROP;
    int one = join(&asked[0]);
    int other = join(&asked[1]);
    unsigned n = fill_queue(other, 7000);
    for (int i = 0; i < 4; i++)
        publish_numbered(n++);
    turn();
    uint64_t dropped = stats_get(&shard.stats, STAT_slow_dropped);
    ck_assert_uint_gt(dropped, 0);
    struct got got = read_numbered(one);
    ck_assert_uint_eq(got.count, n - dropped);
    ck_assert_uint_eq(got.closes, 0);
    close(one);
    close(other);
}
END_TEST

/* Letters that come after the last turn: nothing of them is left behind. */
START_TEST(ended_with_a_batch)
{
    struct mail asked;
    int one = join(&asked);
    int other = join(&asked);
    const void *letters;
    publish(to_channel, "left behind");
    ck_assert_uint_eq(mailbox_take(&loop.mail, &letters), 1);
    shard_on_mail(&shard, letters);
    ck_assert_uint_eq(shard.batch_count, 1);
    close(one);
    close(other);
}
END_TEST

/* ---- anything, in any order ---- */

enum { CLIENTS = 5, STEPS = 4000 };

static struct {
    struct mail asked;
    int fd;
    struct buf expected; /* frames */
    struct buf got;
} clients[CLIENTS];

static uint32_t channel_of(int client)
{
    return CHANNEL + (client == CLIENTS - 1);
}

static void expect_frame(int client, const char *text, size_t len)
{
    uint8_t header[WEBSOCKET_HEADER_MAX];
    buf_add(&clients[client].expected, header, websocket_header(ws, WEBSOCKET_TEXT, false, len, header));
    buf_add(&clients[client].expected, text, len);
}

static void publish_something(void)
{
    static char text[40000];
    size_t len = random_below(20) ? random_below(200) : random_below(sizeof text);
    memset(text, 'a' + (int)random_below(26), len);
    int client = (int)random_below(CLIENTS);
    unsigned kind = (unsigned)random_below(10);
    struct mail mail = kind == 0   ? to_all
                       : kind == 1 ? to_client(&clients[client].asked)
                                   : (struct mail){.scope = SCOPE_CHANNEL, .channel = channel_of(client)};
    for (int i = 0; i < CLIENTS; i++)
        if (kind == 0 || (kind == 1 ? i == client : channel_of(i) == channel_of(client)))
            expect_frame(i, text, len);
    deliver_text(mail, text, len, 0);
}

static void read_some(int client)
{
    static char bytes[65536];
    ssize_t n = recv(clients[client].fd, bytes, sizeof bytes, 0);
    if (n > 0)
        buf_add(&clients[client].got, bytes, (size_t)n);
}

/* Clients who read at their own pace: each gets every message once, in order. */
START_TEST(in_any_order)
{
    random_start(42);
    config->channel.out_limit = config->channel.out_slow = (size_t)1 << 30;
    config->channel.out_messages = 1000000;
    for (int i = 0; i < CLIENTS; i++)
        clients[i].fd = join_on(&clients[i].asked, channel_of(i));
    for (int step = 0; step < STEPS; step++) {
        for (size_t k = random_below(8); k > 0; k--)
            publish_something();
        turn();
        for (int i = 0; i < CLIENTS; i++)
            if (random_below((size_t)1 << 2 * i) == 0)
                read_some(i);
    }
    for (int i = 0; i < CLIENTS; i++) {
        for (int k = 0; k < 100000 && clients[i].got.len < clients[i].expected.len; k++) {
            read_some(i);
            turn();
        }
        ck_assert_uint_eq(clients[i].got.len, clients[i].expected.len);
        ck_assert_mem_eq(clients[i].got.data, clients[i].expected.data, clients[i].got.len);
        buf_fini(&clients[i].got);
        buf_fini(&clients[i].expected);
    }
    ck_assert_uint_eq(atomic_load(&shard.out_bytes), 0);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i].fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch");
    TCase *tc = tcase_create("batch");
    tcase_add_checked_fixture(tc, start, finish);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, one_write_for_each);
    tcase_add_test(tc, other_messages_in_between);
    tcase_add_test(tc, newcomers_get_what_follows);
    tcase_add_test(tc, who_catches_up_gets_what_follows);
    tcase_add_test(tc, off_the_channel_behind_it);
    tcase_add_test(tc, closed_behind_it);
    tcase_add_test(tc, gone);
    tcase_add_test(tc, receipts_in_between);
    tcase_add_test(tc, lists_tell_of_it);
    tcase_add_test(tc, many_channels);
    tcase_add_test(tc, compressed_for_some);
    tcase_add_test(tc, too_much_to_catch_up_with);
    tcase_add_test(tc, closed_within_a_large_message);
    tcase_add_test(tc, slow_in_a_turn_with_a_batch);
    tcase_add_test(tc, dropped_for_a_batch);
    tcase_add_test(tc, ended_with_a_batch);
    tcase_add_test(tc, in_any_order);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
