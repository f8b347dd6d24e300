/* What clients missed: parts of it as they have room, then what is new, without a gap and nothing twice. */
#include "seat_world.h"

#include "../random.h"

static uint64_t v1_on_news(const char *since)
{
    uint64_t client = enter((struct newcomer){.transport = TRANSPORT_V1, .channel = "test"});
    sub(client, "news", since);
    skip_letters();
    return client;
}

static const struct channel *news(void)
{
    return hub_find_channel(&hub, "news", 4);
}

/* What so many of such messages take of the room that a client of wspush.v1 has. */
static uint32_t room_for(uint32_t count, uint32_t bytes)
{
    return count * (bytes * 7 + 4 * 7 + 128);
}

START_TEST(parts_and_then_live)
{
    publish_some("news", 9);
    uint64_t client = v1_on_news("7-2");
    ck_assert_uint_eq(news()->behind, 1);
    more(client, room_for(3, 1));
    expect_letters(0, "replay c1: 3 4 5 and more\n");
    more(client, room_for(3, 1) - 1);
    expect_letters(0, "replay c1: 6 7 and more\n");
    more(client, 0); /* one at least */
    expect_letters(0, "replay c1: 8 and more\n");
    more(client, room_for(3, 1));
    expect_letters(0, "replay c1: 9\nlive c1 #1\n");
    ck_assert_uint_eq(news()->behind, 0);
    ck_assert_ptr_null(hub.catching);
    publish(1, "news", "10", 0);
    expect_told("published 1: 1 got 7-10\n");
    expect_letters(0, "to #1: 10\n");
}
END_TEST

/* A raw client's messages do not grow on their way. */
START_TEST(room_is_counted_as_the_transport_needs_it)
{
    char text[101] = "";
    memset(text, 'x', 100);
    for (int i = 0; i < 10; i++)
        publish(1, "test", text, 0);
    buf_clear(&told);
    config->channel.first = FIRST_ALL;
    uint64_t raw = enter((struct newcomer){.transport = TRANSPORT_RAW, .channel = "test"});
    skip_letters();
    more(raw, 4 * (100 + 4 + 128));
    struct mail m = next_letter(0, MAIL_REPLAY);
    ck_assert_uint_eq(((struct replay *)m.ptr)->count, 4);
    ck_assert_uint_eq(((struct replay *)m.ptr)->bytes, 400);
    ck_assert_uint_eq(atomic_load(&world.mail_bytes), 400);
    struct buf text_of_it = {0};
    add_letter(&text_of_it, &m);
    buf_fini(&text_of_it);
    uint64_t stream = enter((struct newcomer){.transport = TRANSPORT_SSE, .channel = "test"});
    skip_letters();
    more(stream, 4 * (100 + 4 + 128));
    m = next_letter(0, MAIL_REPLAY);
    ck_assert_uint_eq(((struct replay *)m.ptr)->count, 1);
    add_letter(&text_of_it, &m);
    buf_fini(&text_of_it);
}
END_TEST

/* What is published meanwhile is not sent to it, and not counted: it comes with the last part. */
START_TEST(published_between_parts)
{
    publish_some("news", 3);
    uint64_t client = v1_on_news("7-0");
    v1_on_news(NULL); /* it gets all at once */
    more(client, room_for(2, 1));
    expect_letters(0, "replay c1: 1 2 and more\n");
    publish(1, "news", "4", 0);
    expect_told("published 1: 1 got 7-4\n");
    expect_letters(0, "to #1: 4\n"); /* the shard knows who is behind */
    more(client, room_for(9, 1));
    expect_letters(0, "replay c1: 3 4\nlive c1 #1\n");
    publish(1, "news", "5", 0);
    expect_told("published 1: 2 got 7-5\n");
    expect_letters(0, "to #1: 5\n");
}
END_TEST

/* What the engine had to number before it read comes with what it read, and nothing else does. */
START_TEST(published_while_a_part_is_read)
{
    publish_some("news", 2);
    uint64_t client = v1_on_news("7-0");
    late = true;
    publish(1, "news", "3", 0);
    more(client, 10000);
    publish(2, "news", "4", 0);
    engine_works();
    expect_told("published 1: 0 got 7-3\n");
    expect_no_letters();
    engine_works();
    expect_letters(0, "replay c1: 1 2 3\nlive c1 #1\n");
    engine_works();
    expect_told("published 2: 1 got 7-4\n");
    expect_letters(0, "to #1: 4\n");
}
END_TEST

START_TEST(they_take_turns)
{
    publish_some("news", 4);
    publish_some("else", 3);
    publish_some("test", 2);
    uint64_t client = enter((struct newcomer){.transport = TRANSPORT_V1, .channel = "test", .since = "7-1"});
    sub(client, "news", "7-0");
    sub(client, "else", "7-0");
    skip_letters();
    more(client, room_for(2, 1));
    expect_letters(0, "replay c1: 2 and more\nlive c1 #0\n");
    more(client, room_for(2, 1));
    expect_letters(0, "replay c1: 1 2 and more\n");
    more(client, room_for(2, 1));
    expect_letters(0, "replay c1: 1 2 and more\n");
    more(client, room_for(2, 1));
    expect_letters(0, "replay c1: 3 4 and more\nlive c1 #1\n");
    more(client, room_for(2, 1));
    expect_letters(0, "replay c1: 3\nlive c1 #2\n");
    ck_assert_ptr_null(hub.catching);
}
END_TEST

START_TEST(trimmed_under_it)
{
    publish_some("news", 9);
    uint64_t client = v1_on_news("7-0");
    more(client, room_for(2, 1));
    trim("news", 3);
    more(client, 10000);
    expect_letters(0, "replay c1: 1 2 and more\nreplay c1:\n"
                      "to c1: {\"reset\":{\"ch\":\"news\",\"why\":\"gone\",\"id\":\"7-9\"}}\nlive c1 #1\n");
    publish(1, "news", "10", 0);
    expect_told("published 1: 1 got 7-10\n");
    expect_letters(0, "to #1: 10\n");
    ck_assert_ptr_null(hub.catching);
}
END_TEST

/* Up to where it is: nothing is missing. */
START_TEST(trimmed_behind_it)
{
    publish_some("news", 4);
    uint64_t client = v1_on_news("7-0");
    more(client, room_for(2, 1));
    trim("news", 2);
    more(client, 10000);
    expect_letters(0, "replay c1: 1 2 and more\nreplay c1: 3 4\nlive c1 #1\n");
}
END_TEST

/* A raw client is told of no gap: it has no word for it. */
START_TEST(trimmed_under_a_raw_client)
{
    publish_some("test", 4);
    config->channel.first = FIRST_ALL;
    uint64_t raw = enter((struct newcomer){.transport = TRANSPORT_RAW, .channel = "test"});
    trim("test", 2);
    more(raw, 10000);
    expect_letters(0, "registered c1 test #0 behind\ncatch up c1\nreplay c1:\nlive c1 #0\n");
}
END_TEST

START_TEST(off_while_it_catches_up)
{
    publish_some("news", 4);
    uint64_t client = v1_on_news("7-0");
    more(client, room_for(1, 1));
    skip_letters();
    unsub(client, "news");
    expect_letters(0, "unsubscribed c1 #1\nto c1: {\"unsub\":{\"ch\":\"news\"}}\n");
    ck_assert_ptr_null(news());
    ck_assert_ptr_null(hub.catching);
    more(client, 10000); /* was on its way */
    expect_letters(0, "replay c1:\n");
}
END_TEST

/* Its shard waits for the answer before it asks again. */
START_TEST(off_while_a_part_is_read)
{
    publish_some("news", 4);
    publish_some("else", 2);
    uint64_t client = v1_on_news("7-0");
    late = true;
    more(client, 10000);
    unsub(client, "news");
    skip_letters();
    engine_works();
    expect_letters(0, "replay c1:\n");
    late = false;
    sub(client, "news", "7-0");
    sub(client, "else", "7-0");
    skip_letters();
    late = true;
    more(client, 10000);
    unsub(client, "news");
    skip_letters();
    engine_works();
    expect_letters(0, "replay c1: and more\n");
    more(client, 10000);
    engine_works();
    expect_letters(0, "replay c1: 1 2\nlive c1 #2\n");
}
END_TEST

/* A part that was read for the subscription before it is not for this one. */
START_TEST(off_and_back_while_a_part_is_read)
{
    publish_some("news", 6);
    uint64_t client = v1_on_news("7-0");
    late = true;
    more(client, 10000);
    unsub(client, "news");
    sub(client, "news", "7-2");
    skip_letters();
    engine_works();
    expect_letters(0, "replay c1:\n");
    engine_works();
    expect_letters(0, "subscribed c1 news #1 behind\nto c1: {\"sub\":{\"ch\":\"news\",\"id\":\"7-6\"}} @2\n"
                      "catch up c1\n");
    more(client, 10000);
    engine_works();
    expect_letters(0, "replay c1: 3 4 5 6\nlive c1 #1\n");
}
END_TEST

START_TEST(gone_while_a_part_is_read)
{
    publish_some("news", 4);
    uint64_t client = v1_on_news("7-0");
    late = true;
    more(client, 10000);
    leave(0, client);
    engine_works();
    expect_no_letters();
    ck_assert_ptr_null(hub.channels);
    ck_assert_ptr_null(hub.catching);
    more(client, 10000);
    more(99, 10000);
    expect_no_letters();
}
END_TEST

/* Who has nothing to catch up with is answered all the same. */
START_TEST(more_of_nothing)
{
    uint64_t client = v1_on_news(NULL);
    more(client, 10000);
    expect_letters(0, "replay c1:\n");
}
END_TEST

/* ---- anything, in any order ---- */

enum { CLIENTS = 6, CHANNELS = 4, STEPS = 60000 };

/* A client as its shard knows it, and what it has seen. */
static struct model {
    uint64_t number;
    bool there;
    bool asks;
    bool asked;
    struct model_seat {
        enum seat seat;
        bool told;     /* it has heard where it begins */
        uint64_t last; /* the number of the last message */
        uint64_t since;
        bool named; /* it named `since` */
        bool wanted;
    } on[CHANNELS];
} models[CLIENTS];

static uint64_t seen_live;
static uint64_t seen_behind;
static uint64_t seen_resets;
static const char *const names[CHANNELS] = {"c0", "c1", "c2", "c3"};
static int number_of_channel[10000]; /* by the hub's number, as the letters said */

static struct model *model_of(int fd)
{
    for (int i = 0; i < CLIENTS; i++)
        if (models[i].there && (int)models[i].number == fd)
            return &models[i];
    return NULL;
}

static int index_of(const struct shared_name *name)
{
    ck_assert(name->len == 2 && name->text[0] == 'c');
    return name->text[1] - '0';
}

static void see(struct model_seat *on, const struct msg *m)
{
    ck_assert(on->told);
    ck_assert_uint_eq(m->id.seq, on->last + 1);
    on->last = m->id.seq;
}

static void take_seat(const struct mail *m)
{
    struct shared_name *name = m->ptr;
    struct model *c = model_of(m->conn.fd);
    number_of_channel[m->channel] = index_of(name);
    if (c && m->value != SEAT_NONE) {
        ck_assert_int_eq(c->on[index_of(name)].seat, SEAT_NONE);
        c->on[index_of(name)].seat = (enum seat)m->value;
        c->on[index_of(name)].told = false;
    }
    shared_name_unref(name);
}

/* The channel's number in {"ch":"cN"... */
static struct model_seat *named_in(struct model *c, const struct msg *m)
{
    ck_assert(m->len > 10 && memcmp(m->payload, "{\"ch\":\"c", 8) == 0);
    return &c->on[m->payload[8] - '0'];
}

static uint64_t id_in(const struct msg *m)
{
    char text[500] = "";
    memcpy(text, m->payload, m->len);
    return strtoull(strstr(text, "\"id\":\"7-") + 8, NULL, 10);
}

static void take_notice(struct model *c, const struct msg *m)
{
    if (!c || m->notice == NOTICE_HELLO || m->notice == NOTICE_UNSUB || m->notice == NOTICE_ERROR)
        return;
    struct model_seat *on = named_in(c, m);
    if (m->notice == NOTICE_RESET) {
        on->last = id_in(m);
        seen_resets++;
    } else if (m->notice == NOTICE_SUB && !on->told) {
        on->told = true;
        on->last = on->named ? on->since : id_in(m);
    }
}

static void take_message(const struct mail *mail, const struct msg *m)
{
    for (int i = 0; i < CLIENTS; i++) {
        struct model_seat *on = &models[i].on[number_of_channel[mail->channel]];
        if (!models[i].there || on->seat != SEAT_LIVE)
            continue;
        see(on, m);
        seen_live++;
    }
}

static void take_replay(const struct mail *mail)
{
    const struct replay *part = mail->ptr;
    struct model *c = model_of(mail->conn.fd);
    if (!c)
        return;
    ck_assert(c->asked);
    c->asked = false;
    c->asks = mail->value;
    for (size_t i = 0; i < part->count; i++) {
        struct model_seat *on = &c->on[index_of(part->msgs[i]->channel)];
        ck_assert_int_eq(on->seat, SEAT_BEHIND);
        see(on, part->msgs[i]);
        seen_behind++;
    }
}

static void take_letter(struct mail *m)
{
    static struct buf freed;
    struct model *c = m->kind == MAIL_DELIVER && m->scope == SCOPE_CHANNEL ? NULL : model_of(m->conn.fd);
    switch (m->kind) {
    case MAIL_REGISTERED:
    case MAIL_SUBSCRIBED: take_seat(m); return;
    case MAIL_UNSUBSCRIBED:
        if (c)
            c->on[number_of_channel[m->channel]].seat = SEAT_NONE;
        break;
    case MAIL_LIVE:
        if (c)
            c->on[number_of_channel[m->channel]].seat = SEAT_LIVE;
        break;
    case MAIL_CATCH_UP:
        if (c)
            c->asks = true;
        break;
    case MAIL_REPLAY: take_replay(m); break;
    case MAIL_DELIVER:
        if (m->scope == SCOPE_CHANNEL)
            take_message(m, m->ptr);
        else
            take_notice(c, m->ptr);
        break;
    default: ck_abort();
    }
    if (m->ptr)
        add_letter(&freed, m);
    buf_fini(&freed);
}

/* Each client's letters in their order; clients do not know of one another. */
static void take_letters(void)
{
    for (struct mail m; m = next_letter(0, (enum mail_kind) - 1), (int)m.kind != -1;)
        take_letter(&m);
}

static void ask_to_be_on(struct model *c, int channel)
{
    struct model_seat *on = &c->on[channel];
    uint64_t head = kept_of(names[channel], 2)->head;
    char since[50];
    on->named = random_below(2);
    on->since = head - random_below(head < 8 ? head + 1 : 8);
    on->wanted = true;
    snprintf(since, sizeof since, "7-%" PRIu64, on->since);
    sub(c->number, names[channel], on->named ? since : NULL);
}

static void ask_to_be_off(struct model *c, int channel)
{
    c->on[channel].wanted = false;
    unsub(c->number, names[channel]);
}

static void come_or_go(struct model *c)
{
    bool was_there = c->there;
    if (was_there)
        leave(0, c->number);
    *c = (struct model){.there = !was_there};
    if (was_there)
        return;
    c->number = atomic_load(&world.last_client) + 1; /* letters come before enter() returns */
    c->on[0].wanted = true;
    enter((struct newcomer){.transport = TRANSPORT_V1, .channel = names[0]});
}

static void ask_for_more(struct model *c)
{
    if (!c->there || !c->asks || c->asked)
        return;
    c->asked = true;
    more(c->number, room_for((uint32_t)random_below(5), 3));
}

static void step(void)
{
    struct model *c = &models[random_below(CLIENTS)];
    int channel = (int)random_below(CHANNELS);
    unsigned what = (unsigned)random_below(100);
    struct kept *k = kept_of(names[channel], 2);
    if (what < 10 && k->head < KEPT_MAX)
        publish_some(names[channel], 1);
    else if (what < 12 && k->head > 3)
        trim(names[channel], k->head - random_below(4));
    else if (what < 13)
        come_or_go(c);
    else if (what < 25 && c->there && !c->on[channel].wanted)
        ask_to_be_on(c, channel);
    else if (what < 30 && c->there && c->on[channel].wanted)
        ask_to_be_off(c, channel);
    else if (what < 50)
        ask_for_more(c);
    else if (what < 75 && works_count > works_done)
        engine_works();
    else if (what < 90)
        take_letters();
}

static bool is_settled(void)
{
    bool settled = works_count == works_done;
    for (int i = 0; i < CLIENTS; i++)
        for (int k = 0; k < CHANNELS && models[i].there; k++)
            settled &= models[i].on[k].seat == (models[i].on[k].wanted ? SEAT_LIVE : SEAT_NONE);
    return settled;
}

static void settle(void)
{
    for (int k = 0; k < 10000 && !is_settled(); k++) {
        if (works_count > works_done)
            engine_works();
        take_letters();
        for (int i = 0; i < CLIENTS; i++)
            ask_for_more(&models[i]);
    }
    ck_assert(is_settled());
    take_letters();
    for (int i = 0; i < CLIENTS; i++)
        for (int k = 0; k < CHANNELS && models[i].there; k++)
            if (models[i].on[k].wanted)
                ck_assert_uint_eq(models[i].on[k].last, kept_of(names[k], 2)->head);
}

/* However clients come, go, subscribe and read, an engine is late and a history is cut: each message comes
 * once, in order, from where the client began, and nobody is left behind. */
START_TEST(in_any_order)
{
    random_start(7);
    late = true;
    config->channel.channels_per_client = 100;
    for (int i = 0; i < STEPS; i++) {
        step();
        if (i % 1000 == 0)
            settle();
    }
    settle();
    ck_assert(seen_live > 1000 && seen_behind > 1000 && seen_resets > 10);
    buf_clear(&told);
    for (int i = 0; i < CLIENTS; i++)
        if (models[i].there)
            leave(0, models[i].number);
    skip_letters();
    ck_assert_ptr_null(hub.channels);
    ck_assert_ptr_null(hub.catching);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cursor");
    TCase *tc = tcase_create("cursor");
    tcase_add_checked_fixture(tc, make_seat_world, end_seat_world);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, parts_and_then_live);
    tcase_add_test(tc, room_is_counted_as_the_transport_needs_it);
    tcase_add_test(tc, published_between_parts);
    tcase_add_test(tc, published_while_a_part_is_read);
    tcase_add_test(tc, they_take_turns);
    tcase_add_test(tc, trimmed_under_it);
    tcase_add_test(tc, trimmed_behind_it);
    tcase_add_test(tc, trimmed_under_a_raw_client);
    tcase_add_test(tc, off_while_it_catches_up);
    tcase_add_test(tc, off_while_a_part_is_read);
    tcase_add_test(tc, off_and_back_while_a_part_is_read);
    tcase_add_test(tc, gone_while_a_part_is_read);
    tcase_add_test(tc, more_of_nothing);
    tcase_add_test(tc, in_any_order);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
