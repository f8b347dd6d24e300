/* A shard whose clients are on many channels, behind on some and live on others: who gets what, in what
 * order, to the byte; what they missed, what expires and what is lost. */
#include "lone_shard.h"

#include "../heap.h"
#include "../random.h"

#define V1 "Sec-WebSocket-Protocol: wspush.v1\r\n"

/* ---- clients ---- */

struct client {
    enum transport transport;
    int fd;
    struct conn_ref ref;
    uint64_t number;
    struct buf expected; /* since its answer */
    struct buf got;
};

static void read_all(struct client *c)
{
    static char bytes[65536];
    for (ssize_t n; (n = recv(c->fd, bytes, sizeof bytes, 0)) > 0;)
        buf_add(&c->got, bytes, (size_t)n);
}

/* It has got what was expected since the last look, and no more. */
static void expect_all_of_it(struct client *c)
{
    read_all(c);
    bool same = c->got.len == c->expected.len &&
                (!c->got.len || memcmp(c->got.data, c->expected.data, c->got.len) == 0);
    ck_assert_msg(same, "c%d got '%.300s', not '%.300s'", (int)c->number, c->got.len ? buf_str(&c->got) : "",
                  c->expected.len ? buf_str(&c->expected) : "");
    buf_clear(&c->got);
    buf_clear(&c->expected);
}

static void request(int fd, enum transport transport, const char *channel)
{
    char text[500];
    int n =
        transport == TRANSPORT_SSE
            ? snprintf(text, sizeof text,
                       "GET /%s/ HTTP/1.1\r\nHost: a.example\r\nAccept: text/event-stream\r\n\r\n", channel)
            : snprintf(text, sizeof text,
                       "GET /%s/ HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
                       channel, transport == TRANSPORT_V1 ? V1 : "");
    say(fd, text, (size_t)n);
}

static struct client come(enum transport transport, const char *name, uint32_t channel, enum seat seat)
{
    struct client c = {.transport = transport, .fd = open_socket()};
    request(c.fd, transport, name);
    turn();
    turn();
    struct mail asked = hear(MAIL_REGISTER);
    ck_assert_int_eq(((struct joining *)asked.ptr)->transport, transport);
    joining_free(asked.ptr);
    c.ref = asked.conn;
    c.number = asked.number;
    post((struct mail){.kind = MAIL_REGISTERED,
                       .conn = asked.conn,
                       .channel = channel,
                       .value = seat,
                       .ptr = shared_name_new(name, strlen(name))});
    turn();
    read_all(&c);
    ck_assert_uint_gt(c.got.len, 12);
    buf_clear(&c.got);
    return c;
}

static struct client come_to_test(enum transport transport)
{
    return come(transport, "test", CHANNEL, SEAT_LIVE);
}

static void go(struct client *c)
{
    close(c->fd);
    buf_fini(&c->got);
    buf_fini(&c->expected);
}

static const struct conn *conn_of_client(const struct client *c)
{
    return conn_find(&shard, c->ref);
}

/* ---- letters ---- */

static void subscribe(const struct client *c, const char *name, uint32_t channel, enum seat seat)
{
    post((struct mail){.kind = MAIL_SUBSCRIBED,
                       .conn = c->ref,
                       .channel = channel,
                       .value = seat,
                       .ptr = shared_name_new(name, strlen(name))});
}

static void post_about(enum mail_kind kind, const struct client *c, uint32_t channel)
{
    post((struct mail){.kind = kind, .conn = c->ref, .channel = channel});
}

/* One name for all messages of a channel, as an engine has it. */
static struct shared_name *name_for(const char *channel)
{
    static struct shared_name *names[10];
    int i = 0;
    while (names[i] &&
           (names[i]->len != strlen(channel) || memcmp(names[i]->text, channel, names[i]->len) != 0))
        ck_assert_int_lt(++i, 10);
    if (!names[i])
        names[i] = shared_name_new(channel, strlen(channel));
    return names[i];
}

static struct msg *numbered(const char *channel, uint64_t seq, const char *text)
{
    struct msg *m = msg_new(ws, WEBSOCKET_TEXT, text, strlen(text));
    msg_set_place(m, name_for(channel), (struct msg_id){7, seq}, 0);
    return m;
}

static void post_message(struct mail mail, struct msg *take_m)
{
    mail.kind = MAIL_DELIVER;
    mail.ptr = take_m;
    atomic_fetch_add(&world.mail_bytes, take_m->len + crowd_size(mail.crowd));
    post(mail);
}

static void publish(uint32_t channel, struct msg *take_m)
{
    post_message((struct mail){.scope = SCOPE_CHANNEL, .channel = channel}, take_m);
}

static void post_replay(const struct client *c, struct msg **take_msgs, size_t count, bool more)
{
    struct replay *part = malloc(sizeof *part + count * sizeof(struct msg *));
    part->count = count;
    part->bytes = 0;
    for (size_t i = 0; i < count; i++) {
        part->msgs[i] = take_msgs[i];
        part->bytes += take_msgs[i]->len;
    }
    atomic_fetch_add(&world.mail_bytes, part->bytes);
    post((struct mail){.kind = MAIL_REPLAY, .conn = c->ref, .value = more, .ptr = part});
}

/* The client is to get this message, as it would by itself. */
static void expect_form(struct client *c, struct msg *m)
{
    struct msg *form = msg_form(m, ws, c->transport);
    buf_add(&c->expected, msg_frame(form), msg_frame_len(form));
}

static void expect_text(struct client *c, const char *channel, uint64_t seq, const char *text)
{
    struct msg *m = numbered(channel, seq, text);
    expect_form(c, m);
    msg_unref(m);
}

/* ---- behind and live ---- */

START_TEST(behind_and_live)
{
    struct client one = come(TRANSPORT_V1, "test", CHANNEL, SEAT_BEHIND);
    struct client two = come(TRANSPORT_RAW, "test", CHANNEL, SEAT_LIVE);
    struct client three = come(TRANSPORT_SSE, "test", CHANNEL, SEAT_LIVE);
    publish(CHANNEL, numbered("test", 1, "1"));
    post_about(MAIL_LIVE, &one, CHANNEL); /* what was gathered before is not for it */
    publish(CHANNEL, numbered("test", 2, "2"));
    turn();
    for (uint64_t i = 1; i <= 2; i++) {
        expect_text(&two, "test", i, i == 1 ? "1" : "2");
        expect_text(&three, "test", i, i == 1 ? "1" : "2");
    }
    expect_text(&one, "test", 2, "2");
    ck_assert(!conn_of_client(&one)->behind);
    expect_all_of_it(&one);
    expect_all_of_it(&two);
    expect_all_of_it(&three);
    go(&one);
    go(&two);
    go(&three);
}
END_TEST

/* Who comes and who goes is told to those behind too, but not to a raw client. */
START_TEST(notices_to_those_behind)
{
    struct client one = come(TRANSPORT_V1, "test", CHANNEL, SEAT_BEHIND);
    struct client two = come(TRANSPORT_RAW, "test", CHANNEL, SEAT_LIVE);
    struct msg *m = msg_new_notice(NOTICE_JOIN, "{}", 2);
    expect_form(&one, m);
    publish(CHANNEL, m);
    turn();
    expect_all_of_it(&one);
    expect_all_of_it(&two);
    go(&one);
    go(&two);
}
END_TEST

START_TEST(behind_on_one_live_on_another)
{
    struct client one = come(TRANSPORT_V1, "test", CHANNEL, SEAT_LIVE);
    subscribe(&one, "news", 7, SEAT_BEHIND);
    subscribe(&one, "else", 8, SEAT_BEHIND);
    publish(7, numbered("news", 1, "a"));
    publish(CHANNEL, numbered("test", 1, "b"));
    post_about(MAIL_UNSUBSCRIBED, &one, CHANNEL);
    post_about(MAIL_UNSUBSCRIBED, &one, CHANNEL); /* it is off already */
    publish(CHANNEL, numbered("test", 2, "c"));
    turn();
    expect_text(&one, "test", 1, "b");
    expect_all_of_it(&one);
    post_about(MAIL_LIVE, &one, 7);
    publish(7, numbered("news", 2, "d"));
    publish(8, numbered("else", 1, "e"));
    turn();
    expect_text(&one, "news", 2, "d");
    expect_all_of_it(&one);
    ck_assert(conn_of_client(&one)->behind);
    post_about(MAIL_UNSUBSCRIBED, &one, 8);
    turn();
    ck_assert(!conn_of_client(&one)->behind);
    ck_assert_ptr_null(shard.channels[8].subscribers);
    go(&one);
}
END_TEST

/* Closed, and the hub knows: it is in no walk any more, or its end would be told twice. */
START_TEST(closed_and_still_there)
{
    struct client one = come_to_test(TRANSPORT_RAW);
    struct client two = come_to_test(TRANSPORT_RAW);
    post((struct mail){.kind = MAIL_CLOSE,
                       .scope = SCOPE_CLIENT,
                       .conn = one.ref,
                       .value = 1000,
                       .ptr = msg_new_close(ws, 1000, "")});
    turn();
    ck_assert_uint_eq(hear(MAIL_CLOSED).value, 1);
    ck_assert_uint_eq(hear(MAIL_GONE).number, one.number);
    deliver_text((struct mail){.scope = SCOPE_ALL}, "x", 1, 5);
    deliver_text((struct mail){.scope = SCOPE_CLIENT, .conn = one.ref}, "x", 1, 6);
    post((struct mail){.kind = MAIL_LIST, .scope = SCOPE_ALL});
    turn();
    ck_assert_uint_eq(hear(MAIL_RECEIPT_BEGUN).value, 1);
    ck_assert_uint_eq(hear(MAIL_RECEIPT_BEGUN).value, 0);
    struct client_rows *rows = hear(MAIL_LISTED).ptr;
    ck_assert_uint_eq(rows->count, 1);
    client_rows_free(rows);
    hear_reached(5, 1);
    go(&one);
    go(&two);
}
END_TEST

/* ---- what it missed ---- */

static uint32_t half(void)
{
    return (uint32_t)(config->channel.out_slow / 2);
}

START_TEST(it_asks_when_it_has_room)
{
    struct client one = come(TRANSPORT_V1, "test", CHANNEL, SEAT_BEHIND);
    post_about(MAIL_CATCH_UP, &one, 0);
    post_about(MAIL_CATCH_UP, &one, 0);
    turn();
    struct mail mail = hear(MAIL_MORE); /* once */
    ck_assert_uint_eq(mail.number, one.number);
    ck_assert_uint_eq(mail.value, half());
    hear(NOTHING);
    struct msg *msgs[2] = {numbered("test", 1, "a"), numbered("test", 2, "b")};
    post_replay(&one, msgs, 2, true);
    turn();
    ck_assert_uint_eq(hear(MAIL_MORE).value, half());
    expect_text(&one, "test", 1, "a");
    expect_text(&one, "test", 2, "b");
    expect_all_of_it(&one);
    post_replay(&one, NULL, 0, false);
    turn();
    hear(NOTHING);
    go(&one);
}
END_TEST

/* What is in the queue already counts, and a full one waits until it is read. */
START_TEST(it_asks_for_no_more_than_it_has_room_for)
{
    static char text[30001];
    memset(text, 'x', 30000);
    config->channel.out_limit = 100000;
    config->channel.out_slow = 200000;
    struct client one = come(TRANSPORT_V1, "test", CHANNEL, SEAT_BEHIND);
    post_about(MAIL_CATCH_UP, &one, 0);
    turn();
    ck_assert_uint_eq(hear(MAIL_MORE).value, 50000);
    struct msg *msgs[2] = {numbered("test", 1, text), numbered("test", 2, text)};
    expect_form(&one, msgs[0]);
    expect_form(&one, msgs[1]);
    post_replay(&one, msgs, 2, true);
    turn();
    size_t queued = conn_of_client(&one)->out.bytes;
    ck_assert_uint_gt(queued, 1000);
    ck_assert_uint_lt(queued, 50000);
    ck_assert_uint_eq(hear(MAIL_MORE).value, 50000 - queued);
    struct msg *more[2] = {numbered("test", 3, text), numbered("test", 4, text)};
    expect_form(&one, more[0]);
    expect_form(&one, more[1]);
    post_replay(&one, more, 2, true);
    turn();
    hear(NOTHING);
    for (int i = 0; i < 100 && conn_of_client(&one)->out.bytes; i++) {
        read_all(&one);
        turn();
    }
    hear(MAIL_MORE);
    expect_all_of_it(&one);
    go(&one);
}
END_TEST

/* The bounds of the queue are for what others publish, not for what it asked for. */
START_TEST(a_replay_is_not_slow)
{
    config->channel.out_limit = 4096;
    config->channel.out_messages = 16;
    struct client one = come(TRANSPORT_V1, "test", CHANNEL, SEAT_BEHIND);
    struct msg *msgs[500];
    for (uint64_t i = 0; i < 500; i++) {
        msgs[i] = numbered("test", i + 1, "0123456789");
        msgs[i]->expires = i == 250 ? loop.now : i == 251 ? loop.now + 100000 : 0;
        if (i != 250)
            expect_form(&one, msgs[i]);
    }
    post_replay(&one, msgs, 500, false);
    turn();
    for (int i = 0; i < 100 && conn_of_client(&one)->out.bytes; i++) {
        read_all(&one);
        turn();
    }
    expect_all_of_it(&one);
    ck_assert_uint_eq(stats_get(&shard.stats, STAT_slow_closed), 0);
    go(&one);
}
END_TEST

/* Nothing of it is to be missing in silence: the client comes back and names where it was. */
START_TEST(a_replay_without_memory)
{
    static char text[100001];
    memset(text, 'x', 100000);
    struct client one = come(TRANSPORT_V1, "test", CHANNEL, SEAT_BEHIND);
    struct msg *msgs[3] = {numbered("test", 1, "a"), numbered("test", 2, text), numbered("test", 3, "c")};
    post_replay(&one, msgs, 3, false);
    bool can = heap_refuse_above(90000);
    turn();
    heap_refuse_above(SIZE_MAX);
    struct mail mail = hear(can ? MAIL_GONE : NOTHING);
    ck_assert(!can || mail.value == 1011);
    go(&one);
}
END_TEST

START_TEST(a_replay_for_who_is_gone)
{
    struct client one = come(TRANSPORT_V1, "test", CHANNEL, SEAT_BEHIND);
    go(&one);
    turn();
    ck_assert_uint_eq(hear(MAIL_GONE).number, one.number);
    struct msg *msgs[1] = {numbered("test", 1, "a")};
    post_replay(&one, msgs, 1, true);
    post_about(MAIL_CATCH_UP, &one, 0);
    post_about(MAIL_LIVE, &one, CHANNEL);
    post_about(MAIL_UNSUBSCRIBED, &one, CHANNEL);
    subscribe(&one, "news", 7, SEAT_LIVE);
    turn();
    hear(NOTHING);
}
END_TEST

/* ---- expiry and loss ---- */

/* Fills the client's socket, and its queue to so many messages. Returns the number of the last one. */
static uint64_t pile_up(struct client *c, size_t messages)
{
    static char text[2001];
    uint64_t seq = 0;
    memset(text, 'p', 2000);
    while (conn_of_client(c)->out.count < messages) {
        publish(CHANNEL, numbered("test", ++seq, text));
        turn();
    }
    return seq;
}

/* Reads to the end of what is queued. */
static void drain(struct client *c)
{
    read_all(c);
    for (int i = 0; i < 1000 && conn_of_client(c)->out.bytes; i++) {
        turn();
        read_all(c);
    }
}

static int count_of(const struct buf *got, const char *text)
{
    int count = 0;
    for (const uint8_t *at = got->data;
         (at = memmem(at, (size_t)(got->data + got->len - at), text, strlen(text))); at++)
        count++;
    return count;
}

START_TEST(what_expired_leaves_the_queue)
{
    struct client one = come_to_test(TRANSPORT_V1);
    uint64_t seq = pile_up(&one, 3);
    uint32_t before = conn_of_client(&one)->out.count;
    for (int i = 0; i < 4; i++) {
        struct msg *m = numbered("test", ++seq, i % 2 ? "mortal" : "immortal");
        m->expires = i % 2 ? loop.now + 300 : 0; /* not before all are queued */
        publish(CHANNEL, m);
    }
    turn();
    ck_assert_uint_eq(conn_of_client(&one)->out.count, before + 4);
    size_t bytes = conn_of_client(&one)->out.bytes;
    for (int64_t end = loop.now + 301; loop.now < end;)
        turn();
    publish(CHANNEL, numbered("test", ++seq, "last"));
    turn();
    ck_assert_uint_eq(conn_of_client(&one)->out.count, before + 3);
    ck_assert_uint_lt(conn_of_client(&one)->out.bytes, bytes);
    drain(&one);
    ck_assert_int_eq(count_of(&one.got, "\"mortal\""), 0);
    ck_assert_int_eq(count_of(&one.got, "\"immortal\""), 2);
    ck_assert_int_eq(count_of(&one.got, "\"last\""), 1);
    go(&one);
}
END_TEST

/* What comes next in a stream of v1's or SSE's: a message's number, or a reset's. 0: there is nothing. */
static uint64_t next_number(const struct client *c, size_t *at, bool *is_reset)
{
    const char *id = c->transport == TRANSPORT_SSE ? "id: 7-" : "\"id\":\"7-";
    const uint8_t *found = memmem(c->got.data + *at, c->got.len - *at, id, strlen(id));
    if (!found)
        return 0;
    const char *digits = (const char *)found + strlen(id);
    const char *line = digits + strspn(digits, "0123456789");
    if (c->transport == TRANSPORT_SSE)
        *is_reset = strncmp(line, "\nevent: reset\n", 14) == 0;
    else
        *is_reset = memmem(c->got.data + *at, (size_t)(found - c->got.data) - *at, "{\"reset\":", 9) != NULL;
    *at = (size_t)((const uint8_t *)line - c->got.data);
    return strtoull(digits, NULL, 10);
}

/* Each number follows the one before it, but for those of resets, which are what is missing. */
static void expect_gaps_told(struct client *c, uint64_t last)
{
    uint64_t number = 0;
    int resets = 0;
    size_t at = 0;
    buf_str(&c->got);
    while (number < last) {
        bool is_reset = false;
        uint64_t next = next_number(c, &at, &is_reset);
        if (is_reset)
            ck_assert_uint_gt(next, number);
        else
            ck_assert_uint_eq(next, number + 1);
        number = next;
        resets += is_reset;
    }
    ck_assert_uint_eq(number, last);
    ck_assert_int_ge(resets, 1); /* a later one stands for those before */
}

/* `slow = drop`, cut again and again while nobody reads. */
START_TEST(gaps_are_told_where_they_are)
{
    config->channel.slow = SLOW_DROP;
    config->channel.out_messages = 40;
    for (enum transport t = TRANSPORT_V1; t <= TRANSPORT_SSE; t++) {
        struct client one = come_to_test(t);
        uint64_t seq = pile_up(&one, 20);
        for (int i = 0; i < 100; i++)
            publish(CHANNEL, numbered("test", ++seq, "x"));
        turn();
        ck_assert_uint_gt(stats_get(&shard.stats, STAT_slow_dropped), 50);
        drain(&one);
        expect_gaps_told(&one, seq);
        go(&one);
        turn();
        hear(MAIL_GONE);
    }
}
END_TEST

START_TEST(a_raw_client_is_told_of_no_gap)
{
    config->channel.slow = SLOW_DROP;
    config->channel.out_messages = 40;
    struct client one = come_to_test(TRANSPORT_RAW);
    uint64_t seq = pile_up(&one, 20);
    for (int i = 0; i < 100; i++)
        publish(CHANNEL, numbered("test", ++seq, "x"));
    turn();
    uint64_t dropped = stats_get(&shard.stats, STAT_slow_dropped);
    ck_assert_uint_gt(dropped, 50);
    drain(&one);
    ck_assert_int_eq(count_of(&one.got, "slow"), 0);
    ck_assert_int_le(count_of(&one.got, "x"), 40);
    go(&one);
}
END_TEST

/* ---- batches ---- */

/* What a text may have in it that a form spells in another way, and what it may not. */
static struct msg *random_message(uint64_t seq)
{
    static const char alphabet[] = "abc\n\r\"\\\t\x01 <";
    static char text[20000];
    size_t len = random_below(10) ? random_below(100) : random_below(sizeof text);
    for (size_t i = 0; i < len; i++)
        text[i] = alphabet[random_below(sizeof alphabet - 1)];
    bool binary = random_below(5) == 0;
    struct msg *m = msg_new(ws, binary ? WEBSOCKET_BINARY : WEBSOCKET_TEXT, text, len);
    msg_set_place(m, name_for("test"), (struct msg_id){7, seq}, 0);
    return m;
}

static void read_a_bit(struct client *c)
{
    static char bytes[65536];
    ssize_t n = recv(c->fd, bytes, 1 + random_below(sizeof bytes), 0);
    if (n > 0)
        buf_add(&c->got, bytes, (size_t)n);
}

/* One of two on a channel comes to another in the middle of a turn: from then on it gets both in order. */
START_TEST(two_channels_in_one_turn)
{
    struct client one = come_to_test(TRANSPORT_V1);
    struct client two = come_to_test(TRANSPORT_V1);
    struct client three = come(TRANSPORT_V1, "news", 7, SEAT_LIVE);
    publish(CHANNEL, numbered("test", 1, "a"));
    subscribe(&one, "news", 7, SEAT_LIVE);
    publish(7, numbered("news", 1, "b"));
    publish(CHANNEL, numbered("test", 2, "c"));
    publish(7, numbered("news", 2, "d"));
    turn();
    expect_text(&one, "test", 1, "a");
    expect_text(&two, "test", 1, "a");
    expect_text(&one, "news", 1, "b");
    expect_text(&three, "news", 1, "b");
    expect_text(&one, "test", 2, "c");
    expect_text(&two, "test", 2, "c");
    expect_text(&one, "news", 2, "d");
    expect_text(&three, "news", 2, "d");
    expect_all_of_it(&one);
    expect_all_of_it(&two);
    expect_all_of_it(&three);
    go(&one);
    go(&two);
    go(&three);
}
END_TEST

/* Each transport, from those who read at once to those who are always behind: written in parts, by batches
 * and by queues, the bytes are those of single messages. */
START_TEST(byte_for_byte)
{
    enum { COUNT = 6 };
    struct client all[COUNT];
    uint64_t seq = 0;
    random_start(3);
    config->channel.ping_interval = 3600000;
    config->channel.out_limit = config->channel.out_slow = (size_t)1 << 30;
    config->channel.out_messages = 1000000;
    for (int i = 0; i < COUNT; i++)
        all[i] = come_to_test((enum transport)(i % 3));
    for (int step = 0; step < 1500; step++) {
        for (size_t k = random_below(8); k > 0; k--) {
            struct msg *m = random_message(++seq);
            for (int i = 0; i < COUNT; i++)
                expect_form(&all[i], m);
            publish(CHANNEL, m);
        }
        turn();
        for (int i = 0; i < COUNT; i++)
            if (i < 3 || random_below(4) == 0)
                read_a_bit(&all[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        drain(&all[i]);
        expect_all_of_it(&all[i]);
    }
    ck_assert_uint_eq(atomic_load(&shard.out_bytes), 0);
    for (int i = 0; i < COUNT; i++)
        go(&all[i]);
}
END_TEST

/* ---- anything, in any order ---- */

#ifdef __SANITIZE_THREAD__
enum { OPERATIONS = 20000 }; /* there is one thread, and it is slow */
#else
enum { OPERATIONS = 100000 };
#endif
enum { CLIENTS = 200, CHANNELS = 50, A_TURN = 100 };

static struct client clients[CLIENTS];
static enum seat seats[CLIENTS][CHANNELS];
static uint64_t messages;

static const char *name_of(uint32_t channel)
{
    static char name[20];
    snprintf(name, sizeof name, "ch%u", channel);
    return name;
}

/* The last fifth of the clients is on its own channel and stays there. */
static bool is_v1(size_t client)
{
    return client < CLIENTS / 5 * 4;
}

static void come_in(size_t client)
{
    uint32_t channel = (uint32_t)random_below(CHANNELS);
    enum transport t = is_v1(client) ? TRANSPORT_V1 : client % 2 ? TRANSPORT_RAW : TRANSPORT_SSE;
    enum seat seat = random_below(3) ? SEAT_LIVE : SEAT_BEHIND;
    clients[client] = come(t, name_of(channel), channel, seat);
    seats[client][channel] = seat;
}

static void change_seat(size_t client, uint32_t channel)
{
    enum seat *seat = &seats[client][channel];
    if (!is_v1(client))
        return;
    if (*seat == SEAT_NONE) {
        *seat = random_below(3) ? SEAT_LIVE : SEAT_BEHIND;
        subscribe(&clients[client], name_of(channel), channel, *seat);
    } else {
        *seat = SEAT_NONE;
        post_about(MAIL_UNSUBSCRIBED, &clients[client], channel);
    }
}

static void go_live(size_t client, uint32_t channel)
{
    if (seats[client][channel] == SEAT_BEHIND)
        seats[client][channel] = SEAT_LIVE;
    post_about(MAIL_LIVE, &clients[client], channel); /* harmless where it is not on it */
}

static struct msg *next_message(void)
{
    char text[20];
    int len = snprintf(text, sizeof text, "%llu", (unsigned long long)++messages);
    return msg_new(ws, WEBSOCKET_TEXT, text, (size_t)len);
}

static void to_one_channel(uint32_t channel)
{
    struct msg *m = next_message();
    for (size_t i = 0; i < CLIENTS; i++)
        if (seats[i][channel] == SEAT_LIVE)
            expect_form(&clients[i], m);
    publish(channel, m);
}

static void to_one_client(size_t client)
{
    struct msg *m = next_message();
    expect_form(&clients[client], m);
    post_message((struct mail){.scope = SCOPE_CLIENT, .conn = clients[client].ref}, m);
}

static void to_everybody(void)
{
    struct msg *m = next_message();
    for (size_t i = 0; i < CLIENTS; i++)
        expect_form(&clients[i], m);
    post_message((struct mail){.scope = SCOPE_ALL}, m);
}

/* Three neighbouring channels: who is on several of them gets it once. */
static void to_some_channels(uint32_t first)
{
    struct msg *m = next_message();
    struct crowd *crowd = malloc(sizeof *crowd + 3 * sizeof crowd->members[0]);
    crowd->count = 3;
    for (uint32_t i = 0; i < 3; i++)
        crowd->members[i] = (struct crowd_member){.conn.fd = -1, .channel = (first + i) % CHANNELS};
    for (size_t i = 0; i < CLIENTS; i++)
        if (seats[i][first] == SEAT_LIVE || seats[i][(first + 1) % CHANNELS] == SEAT_LIVE ||
            seats[i][(first + 2) % CHANNELS] == SEAT_LIVE)
            expect_form(&clients[i], m);
    post_message((struct mail){.scope = SCOPE_CROWD, .crowd = crowd}, m);
}

static void operate(void)
{
    size_t client = random_below(CLIENTS);
    uint32_t channel = (uint32_t)random_below(CHANNELS);
    unsigned what = (unsigned)random_below(100);
    if (what < 60)
        change_seat(client, channel);
    else if (what < 70)
        go_live(client, channel);
    else if (what < 96)
        to_one_channel(channel);
    else if (what < 98)
        to_some_channels(channel);
    else if (what < 99)
        to_one_client(client);
    else if (random_below(10) == 0)
        to_everybody();
}

/* Where a client's record says it is, it is; and nobody else. */
static void check_channel(uint32_t channel)
{
    const struct shard_channel *ch = &shard.channels[channel];
    uint32_t count = 0;
    bool right = true; /* an assertion is a system call */
    for (size_t i = 0; i < CLIENTS; i++)
        count += seats[i][channel] != SEAT_NONE;
    ck_assert_uint_eq(ch->count, count);
    for (uint32_t k = 0; k < ch->count; k++) {
        const struct conn *c = ch->subscribers[k];
        bool found = c->channel == channel && c->channel_index == k;
        for (uint32_t i = 0; c->more && i < c->more->count; i++)
            found |= c->more->subscriptions[i].channel == channel && c->more->subscriptions[i].index == k;
        right &= found;
    }
    ck_assert(right);
}

static void check_client(size_t client)
{
    const struct conn *c = conn_of_client(&clients[client]);
    bool behind = false;
    bool right = true;
    for (uint32_t k = 0; k < CHANNELS; k++) {
        behind |= seats[client][k] == SEAT_BEHIND;
        right &= shard_is_behind(c, k) == (seats[client][k] == SEAT_BEHIND);
    }
    ck_assert(right && c->behind == behind);
    if (clients[client].expected.len || random_below(10) == 0)
        expect_all_of_it(&clients[client]);
}

static void replace(size_t client)
{
    go(&clients[client]);
    memset(seats[client], 0, sizeof seats[client]);
    turn();
    ck_assert_uint_eq(hear(MAIL_GONE).number, clients[client].number);
    come_in(client);
}

START_TEST(in_any_order)
{
    random_start(11);
    config->channel.ping_interval = 3600000;
    atomic_store(&world.max_clients, 1000);
    for (size_t i = 0; i < CLIENTS; i++)
        come_in(i);
    for (int i = 1; i <= OPERATIONS; i++) {
        operate();
        if (i % A_TURN)
            continue;
        turn();
        for (size_t k = 0; k < CLIENTS; k++)
            check_client(k);
        for (uint32_t k = 0; k < CHANNELS; k++)
            check_channel(k);
        replace(random_below(CLIENTS));
    }
    for (size_t i = 0; i < CLIENTS; i++)
        go(&clients[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shard_many");
    TCase *tc = tcase_create("shard_many");
    tcase_add_checked_fixture(tc, start, finish);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, behind_and_live);
    tcase_add_test(tc, notices_to_those_behind);
    tcase_add_test(tc, behind_on_one_live_on_another);
    tcase_add_test(tc, closed_and_still_there);
    tcase_add_test(tc, it_asks_when_it_has_room);
    tcase_add_test(tc, it_asks_for_no_more_than_it_has_room_for);
    tcase_add_test(tc, a_replay_is_not_slow);
    tcase_add_test(tc, a_replay_without_memory);
    tcase_add_test(tc, a_replay_for_who_is_gone);
    tcase_add_test(tc, what_expired_leaves_the_queue);
    tcase_add_test(tc, gaps_are_told_where_they_are);
    tcase_add_test(tc, a_raw_client_is_told_of_no_gap);
    tcase_add_test(tc, two_channels_in_one_turn);
    tcase_add_test(tc, byte_for_byte);
    tcase_add_test(tc, in_any_order);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
