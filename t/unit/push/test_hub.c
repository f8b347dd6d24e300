/* The hub among shards and an engine that are made up: who is on which channel, in what order messages go,
 * what becomes of them. */
#include "fake_world.h"

#include "push/hub_internal.h"
#include "push/memory_kinds.h"

/* ---- registration ---- */

START_TEST(a_client_is_registered_before_it_is_told)
{
    uint64_t number = come(1, "test");
    ck_assert_uint_eq(hub.client_count, 1);
    publish(1, "test", "caused by onopen", 0);
    engine_answers(NULL);
    /* the order of the letters is the order at the client: the 101 leaves before the message */
    expect_registered(1, number, "test");
    expect_delivery(1, "caused by onopen");
    expect_told("published 1: 1 got 7-1\n");
}
END_TEST

START_TEST(channels_have_numbers)
{
    uint64_t a = come(0, "a");
    uint64_t b = come(1, "b");
    uint64_t c = come(1, "a");
    uint32_t number_a = expect_registered(0, a, "a");
    uint32_t number_b = expect_registered(1, b, "b");
    ck_assert_uint_ne(number_a, number_b);
    ck_assert_uint_eq(expect_registered(1, c, "a"), number_a);
    leave(0, a);
    leave(1, c);
    ck_assert_uint_eq(hub.client_count, 1);
    ck_assert_ptr_null(hub_find_channel(&hub, "a", 1));
    /* an empty channel's number is given out again */
    uint64_t d = come(0, "d");
    ck_assert_uint_eq(expect_registered(0, d, "d"), number_a);
}
END_TEST

START_TEST(many_channels_come_and_go)
{
    char name[20];
    for (int round = 0; round < 3; round++) {
        uint64_t first = atomic_load(&world.last_client) + 1;
        for (int i = 0; i < 1000; i++) {
            snprintf(name, sizeof name, "room/%d", i);
            join((uint32_t)i % SHARDS, name);
        }
        for (int i = 0; i < 1000; i++)
            leave((uint32_t)i % SHARDS, first + (uint64_t)i);
        ck_assert_uint_eq(hub.client_count, 0);
        ck_assert_uint_eq(hub.number_count, 1000);
        ck_assert_ptr_null(hub.channels);
        ck_assert_uint_eq(hub.clients.count, 0);
    }
}
END_TEST

START_TEST(who_was_never_there_cannot_go)
{
    join(0, "test");
    leave(0, 99);
    ck_assert_uint_eq(hub.client_count, 1);
}
END_TEST

/* ---- publishing ---- */

START_TEST(nothing_is_delivered_before_the_engine_answers)
{
    join(0, "a");
    join(1, "a");
    join(1, "b");
    publish(1, "a", "first", 0);
    publish(2, "b", "second", 0);
    publish(3, "a", "third", 0);
    expect_no_letters();
    expect_told("");
    engine_answers(NULL);
    expect_delivery(0, "first");
    expect_delivery(1, "first");
    expect_told("published 1: 2 got 7-1\n");
    expect_no_letters();
    engine_answers(NULL);
    engine_answers(NULL);
    expect_told("published 2: 1 got 7-2\npublished 3: 2 got 7-3\n");
    expect_delivery(0, "third");
    expect_delivery(1, "second");
    expect_delivery(1, "third");
}
END_TEST

/* Recipients are those who are there when the engine has answered. */
START_TEST(clients_come_and_go_while_the_engine_works)
{
    uint64_t early = join(0, "test");
    publish(1, "test", "hello", 0);
    uint64_t late = join(1, "test");
    leave(0, early);
    engine_answers(NULL);
    expect_delivery(1, "hello");
    expect_told("published 1: 1 got 7-1\n");
    publish(2, "test", "nobody", 0);
    leave(1, late);
    engine_answers(NULL);
    expect_told("published 2: 0 got 7-2\n");
}
END_TEST

START_TEST(only_shards_with_subscribers_get_a_letter)
{
    join(0, "a");
    join(1, "b");
    publish(1, "b", "hello", 0);
    engine_answers(NULL);
    struct mail mail = expect_delivery(1, "hello");
    ck_assert_int_eq(mail.scope, SCOPE_CHANNEL);
    ck_assert_uint_eq(mail.channel, hub_find_channel(&hub, "b", 1)->number);
    publish(2, "nobody/here", "hello", 0);
    engine_answers(NULL);
    expect_told("published 1: 1 got 7-1\npublished 2: 0 got 7-2\n");
}
END_TEST

START_TEST(what_the_engine_refuses_goes_nowhere)
{
    join(0, "test");
    publish(1, "test", "lost", 0);
    publish(2, "test", "lost too", 1000);
    publish(3, "test", "kept", 0);
    engine_answers("STORE disk full");
    engine_answers("STORE disk full");
    engine_answers(NULL);
    expect_told("published 1: STORE disk full\npublished 2: STORE disk full\n"
                "published 3: 1 got 7-1\n");
    expect_delivery(0, "kept");
}
END_TEST

/* ---- an engine that answers at once ---- */

static int unmade; /* publications that came to it without a message */

static void answer_at_once(struct engine *e, const struct publication *p)
{
    unmade += !p->msg;
    e->up.published(e->up.arg, p, PUBLISHED, (struct msg_id){7, ++e->seq}, NULL);
}

static const struct engine_ops prompt_engine = {.name = "prompt",
                                                .keeps_messages = false,
                                                .open = late_open,
                                                .close = late_close,
                                                .publish = answer_at_once};

START_TEST(a_message_to_nobody_is_numbered_and_not_made)
{
    hub.engine_ops = &prompt_engine;
    unmade = 0;
    publish(1, "test", "nobody", 0);
    publish(2, "test", "nobody", 1000);
    ck_assert_int_eq(unmade, 2);
    expect_told("published 1: 0 got 7-1\npublished 2: 0 got 7-2\n");
    uint64_t one = join(1, "test");
    publish(3, "test", "hello", 0);
    ck_assert_int_eq(unmade, 2);
    expect_delivery(1, "hello");
    expect_told("published 3: 1 got 7-3\n");
    leave(1, one);
    publish(4, "test", "nobody", 0);
    ck_assert_int_eq(unmade, 3);
    expect_told("published 4: 0 got 7-4\n");
    ck_assert_uint_eq(hub.published, 4);
}
END_TEST

START_TEST(messages_of_clients_are_published_where_that_is_the_rule)
{
    config->channel.inbound = INBOUND_PUBLISH;
    uint64_t one = join(0, "test");
    uint64_t other = join(1, "test");
    client_says(one, "from one");
    client_says(other, "from the other");
    expect_no_letters();
    leave(0, one);
    client_says(one, "from nobody");
    engine_answers(NULL);
    engine_answers(NULL);
    expect_delivery(1, "from one");
    expect_delivery(1, "from the other");
    expect_told("published 0: 1 got 7-1\npublished 0: 1 got 7-2\n"); /* to no asker: fd -1 */
}
END_TEST

/* ---- past the engine ---- */

START_TEST(to_one_client)
{
    uint64_t one = join(0, "test");
    uint64_t other = join(1, "test");
    ck_assert_int_eq(send_to(to_client(other), "for you", 1, 0), HUB_OK);
    struct mail mail = expect_delivery(1, "for you");
    ck_assert_int_eq(mail.scope, SCOPE_CLIENT);
    ck_assert(mail.conn.shard == 1 && mail.conn.fd == (int)other && mail.conn.gen == 1);
    leave(0, one);
    ck_assert_int_eq(send_to(to_client(one), "too late", 2, 0), HUB_OK);
    ck_assert_int_eq(send_to(to_client(one), "too late", 3, 1000), HUB_OK);
    ck_assert_int_eq(send_to(to_client(99), "never", 4, 0), HUB_NO_TARGET);
    ck_assert_int_eq(send_to(to_client(0), "never", 5, 0), HUB_NO_TARGET);
    expect_told("published 1: 1 got 0-0\npublished 2: 0 got 0-0\npublished 3: 0 got 0-0\n");
}
END_TEST

START_TEST(to_everybody)
{
    struct target all = {.kind = TARGET_ALL};
    ck_assert_int_eq(send_to(all, "nobody", 1, 0), HUB_OK);
    join(1, "a");
    join(1, "b");
    ck_assert_int_eq(send_to(all, "all", 2, 0), HUB_OK);
    ck_assert_int_eq(expect_delivery(1, "all").scope, SCOPE_ALL);
    join(0, "c");
    ck_assert_int_eq(send_to(all, "more", 3, 0), HUB_OK);
    expect_delivery(0, "more");
    expect_delivery(1, "more");
    expect_told("published 1: 0 got 0-0\npublished 2: 2 got 0-0\npublished 3: 3 got 0-0\n");
}
END_TEST

START_TEST(to_a_user)
{
    join(0, "a");
    uint64_t one = join_as("alice", 0, "a");
    join_as("alice", 1, "b");
    join_as("bob", 1, "b");
    join_as("alice", 1, "c");
    ck_assert_int_eq(send_to(to_user("alice"), "hi", 1, 0), HUB_OK);
    ck_assert_int_eq(expect_delivery(0, "hi").scope, SCOPE_CROWD);
    ck_assert_str_eq(last_crowd, " c2");
    expect_delivery(1, "hi");
    ck_assert_str_eq(last_crowd, " c3 c5");
    leave(0, one);
    ck_assert_int_eq(send_to(to_user("alice"), "hi", 2, 0), HUB_OK);
    expect_delivery(1, "hi");
    ck_assert_int_eq(send_to(to_user("alic"), "hi", 3, 0), HUB_OK);
    expect_told("published 1: 3 got 0-0\npublished 2: 2 got 0-0\npublished 3: 0 got 0-0\n");
}
END_TEST

/* A user is forgotten with the last client, though messages of that one are kept. */
START_TEST(users_go_with_their_clients)
{
    uint64_t one = join_as("alice", 0, "a");
    client_says(one, "kept");
    leave(0, one);
    ck_assert_ptr_null(hub.users);
    ck_assert_ptr_nonnull(hub_find_client(&hub, one));
    ck_assert_int_eq(send_to(to_user("alice"), "late", 1, 0), HUB_OK);
    uint64_t other = join_as("alice", 1, "a");
    ck_assert_int_eq(send_to(to_user("alice"), "hi", 2, 0), HUB_OK);
    expect_delivery(1, "hi");
    expect_told("published 1: 0 got 0-0\npublished 2: 1 got 0-0\n");
    leave(1, other);
    struct inbox_msg *m;
    const struct target a = to_channel("a");
    ck_assert_int_eq(hub_read(&hub, &a, &m), HUB_OK);
    hub_confirm(&hub, m);
    ck_assert_uint_eq(memory_kind(&hub, TALLY_clients), 0); /* what a name costs is given back */
}
END_TEST

START_TEST(to_matching_channels)
{
    join(0, "room/1");
    join(1, "room/1");
    join(1, "room/2");
    join(1, "other");
    join(1, "room/2/deep");
    ck_assert_int_eq(send_to(to_match("room/*"), "hi", 1, 0), HUB_OK);
    expect_delivery(0, "hi");
    ck_assert_str_eq(last_crowd, " #0");
    expect_delivery(1, "hi");
    ck_assert_str_eq(last_crowd, " #0 #1");
    ck_assert_int_eq(send_to(to_match("nothing*"), "hi", 2, 0), HUB_OK);
    expect_told("published 1: 3 got 0-0\npublished 2: 0 got 0-0\n");
}
END_TEST

START_TEST(too_big_for_a_crowd)
{
    config->channel.message_limit = 3;
    join_as("alice", 0, "a");
    ck_assert_int_eq(send_to(to_user("alice"), "long", 1, 0), HUB_TOO_BIG);
    ck_assert_int_eq(send_to(to_match("**"), "long", 1, 1000), HUB_TOO_BIG);
}
END_TEST

/* ---- WS.CLOSE, WS.LIST, drain, too much ---- */

static void answer_close(int shard, uint32_t begun)
{
    struct mail asked = next_letter(shard, MAIL_CLOSE);
    struct msg *frame = asked.ptr;
    ck_assert_uint_eq(asked.value, 4001);
    ck_assert_uint_eq(frame->len, 5);
    ck_assert_mem_eq(msg_frame(frame),
                     "\x88\x05\x0f\xa1"
                     "bye",
                     7);
    msg_unref(frame);
    say((struct mail){
        .kind = MAIL_CLOSED, .conn = {.shard = (uint32_t)shard}, .number = asked.number, .value = begun});
}

static enum hub_answer close_clients(uint64_t slot_number, struct target target)
{
    return hub_close_clients(&hub, &target, 4001, "bye", slot(slot_number));
}

START_TEST(closes)
{
    leave(0, join(0, "a"));
    join(0, "a");
    uint64_t other = join(1, "b");
    ck_assert_int_eq(close_clients(1, (struct target){.kind = TARGET_ALL}), HUB_OK);
    ck_assert_int_eq(close_clients(2, to_channel("b")), HUB_OK);
    ck_assert_int_eq(close_clients(3, to_client(other)), HUB_OK);
    ck_assert_int_eq(close_clients(4, to_channel("nobody/here")), HUB_OK);
    ck_assert_int_eq(close_clients(5, to_client(1)), HUB_OK);
    ck_assert_int_eq(close_clients(6, to_client(99)), HUB_NO_TARGET);
    expect_told("closed 4: 0\nclosed 5: 0\n");
    answer_close(1, 1);
    answer_close(1, 0);
    expect_told("closed 2: 0\n"); /* it was closing already */
    answer_close(1, 0);
    answer_close(0, 1);
    expect_told("closed 3: 0\nclosed 1: 2\n");
}
END_TEST

static void answer_list(int shard, uint64_t client)
{
    struct mail asked = next_letter(shard, MAIL_LIST);
    struct client_rows *rows = client ? calloc(1, sizeof *rows + sizeof rows->rows[0]) : NULL;
    if (rows) {
        rows->count = 1;
        rows->rows[0] = (struct client_row){.client = client};
    }
    say((struct mail){
        .kind = MAIL_LISTED, .conn = {.shard = (uint32_t)shard}, .number = asked.number, .ptr = rows});
}

START_TEST(lists)
{
    struct target nobody = to_channel("nobody/here");
    struct target b = to_channel("b");
    struct target gone = to_client(1);
    struct target never = to_client(99);
    leave(0, join(0, "a"));
    uint64_t one = join(0, "a");
    uint64_t other = join(1, "b");
    ck_assert_int_eq(hub_list(&hub, NULL, slot(1)), HUB_OK);
    ck_assert_int_eq(hub_list(&hub, &b, slot(2)), HUB_OK);
    ck_assert_int_eq(hub_list(&hub, &nobody, slot(3)), HUB_OK);
    ck_assert_int_eq(hub_list(&hub, &gone, slot(4)), HUB_OK);
    ck_assert_int_eq(hub_list(&hub, &never, slot(5)), HUB_NO_TARGET);
    expect_told("listed 3:\nlisted 4:\n");
    answer_list(1, other);
    answer_list(1, other);
    expect_told("listed 2: c3\n");
    answer_list(0, one);
    expect_told("listed 1: c3 c2\n");
    /* one that has no memory for its rows, and one that nobody asked for */
    ck_assert_int_eq(hub_list(&hub, NULL, slot(6)), HUB_OK);
    answer_list(0, 0);
    answer_list(1, other);
    expect_told("listed 6: c3\n");
    say((struct mail){.kind = MAIL_LISTED, .number = 999});
    ck_assert_int_eq(hub_list(&hub, NULL, slot(7)), HUB_OK); /* and one that is never answered */
    next_letter(0, MAIL_LIST);
    answer_list(1, other);
}
END_TEST

/* Both shards ask so many to leave. */
static void answer_drain(enum mail_kind kind, unsigned ms, unsigned at_first, unsigned at_second)
{
    const unsigned counts[] = {at_first, at_second};
    for (uint32_t i = 0; i < 2; i++) {
        struct mail asked = next_letter((int)i, kind);
        ck_assert_uint_eq(asked.value, ms);
        say((struct mail){.kind = MAIL_CLOSED, .conn.shard = i, .number = asked.number, .value = counts[i]});
    }
}

START_TEST(draining)
{
    hub_drain(&hub, 5000, false, slot(1));
    ck_assert(atomic_load(&world.draining));
    answer_drain(MAIL_DRAIN, 5000, 2, 3);
    expect_told("closed 1: 5\n");
    pass(4000);
    hub_drain(&hub, 3000, false, slot(2)); /* the time counts from now */
    answer_drain(MAIL_DRAIN, 3000, 0, 1);
    expect_told("closed 2: 1\n");
    pass(2900);
    ck_assert(atomic_load(&world.draining));
    pass(200);
    ck_assert(!atomic_load(&world.draining));
}
END_TEST

START_TEST(draining_no_more)
{
    hub_drain(&hub, 5000, false, slot(1));
    answer_drain(MAIL_DRAIN, 5000, 2, 3);
    expect_told("closed 1: 5\n");
    hub_end_drain(&hub, slot(2));
    ck_assert(!atomic_load(&world.draining));
    ck_assert(!timer_is_set(&hub.drain_timer));
    answer_drain(MAIL_DRAIN_END, 0, 0, 0);
    expect_told("closed 2: 0\n");
    hub_end_drain(&hub, slot(3)); /* there is none */
    answer_drain(MAIL_DRAIN_END, 0, 0, 0);
    expect_told("closed 3: 0\n");
}
END_TEST

START_TEST(draining_for_good)
{
    hub_drain(&hub, 1000, false, slot(1));
    answer_drain(MAIL_DRAIN, 1000, 0, 0);
    expect_told("closed 1: 0\n");
    hub_drain(&hub, 1000, true, slot(2));
    answer_drain(MAIL_GO_AWAY, 1000, 0, 0);
    expect_told("closed 2: 0\n");
    pass(10000);
    ck_assert(atomic_load(&world.draining) && hub.going_away);
}
END_TEST

static void count_call(void *arg)
{
    ++*(int *)arg;
}

static void take_configuration(int shard, const struct config *expected)
{
    struct mail mail = next_letter(shard, MAIL_CONFIGURE);
    ck_assert_ptr_eq(mail.ptr, expected);
    config_unref(mail.ptr);
    say((struct mail){.kind = MAIL_CONFIGURED, .conn = {.shard = (uint32_t)shard}});
}

static uint64_t limit_of(const char *channel)
{
    struct target target = to_channel(channel);
    return hub_message_limit(&hub, &target);
}

/* It holds when the last shard says so; of two that overlap the second counts. */
START_TEST(another_configuration)
{
    char why[200];
    int first = 0;
    int second = 0;
    uint64_t one = join(0, "test");
    struct config *between = config_load(NULL, why, sizeof why);
    struct config *last = config_load(NULL, why, sizeof why);
    last->channel.inbound = INBOUND_PUBLISH;
    last->out_total = 5;
    last->channel.message_limit = 7;
    hub_configure(&hub, between, count_call, &first);
    take_configuration(0, between);
    ck_assert_uint_gt(limit_of("nobody/here"), 7); /* it has been asked for */
    hub_configure(&hub, last, count_call, &second);
    ck_assert_uint_eq(limit_of("nobody/here"), 7);
    ck_assert_uint_eq(limit_of("test"), 7);
    take_configuration(0, last);
    take_configuration(1, between);
    ck_assert_int_eq(second, 0);
    take_configuration(1, last);
    ck_assert_int_eq(first, 0);
    ck_assert_int_eq(second, 1);
    ck_assert_uint_eq(atomic_load(&world.out_total), 5);
    client_says(one, "hi"); /* the channel was there before */
    engine_answers(NULL);
    expect_delivery(0, "hi");
    expect_told("published 0: 1 got 7-1\n");
    config_unref(between); /* nobody else holds it: the sanitizer would see it leak */
    config_unref(last);
}
END_TEST

/* Publishers wait while too much is queued, wherever it is, and go on by themselves. */
START_TEST(too_much_is_queued)
{
    config->out_total = 1000;
    hub_measure(&hub);
    ck_assert(!atomic_load(&world.congested));
    atomic_store(&shard_counters[1].out_bytes, 1001);
    hub_measure(&hub);
    ck_assert(atomic_load(&world.congested));
    atomic_store(&shard_counters[1].out_bytes, 500);
    pass(100); /* nobody has to ask again */
    ck_assert(!atomic_load(&world.congested));
    join(0, "test");
    char text[502] = {0};
    memset(text, 'x', 501);
    publish(1, "test", text, 0);
    engine_answers(NULL);
    hub_measure(&hub); /* what is on its way counts too */
    ck_assert(atomic_load(&world.congested));
    expect_delivery(0, text);
    pass(100);
    ck_assert(!atomic_load(&world.congested));
    expect_told("published 1: 1 got 7-1\n");
}
END_TEST

START_TEST(too_many_letters_wait)
{
    struct mail mail = {.kind = MAIL_LIST};
    for (int i = 0; i < 60000; i++)
        mailbox_post(&boxes[0], &mail);
    hub_measure(&hub);
    ck_assert(atomic_load(&world.congested));
    const void *batch;
    mailbox_take(&boxes[0], &batch);
    pass(100);
    ck_assert(!atomic_load(&world.congested));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hub");
    TCase *tc = tcase_create("hub");
    tcase_add_checked_fixture(tc, make_world, end_world);
    tcase_add_test(tc, a_client_is_registered_before_it_is_told);
    tcase_add_test(tc, channels_have_numbers);
    tcase_add_test(tc, many_channels_come_and_go);
    tcase_add_test(tc, who_was_never_there_cannot_go);
    tcase_add_test(tc, nothing_is_delivered_before_the_engine_answers);
    tcase_add_test(tc, clients_come_and_go_while_the_engine_works);
    tcase_add_test(tc, only_shards_with_subscribers_get_a_letter);
    tcase_add_test(tc, what_the_engine_refuses_goes_nowhere);
    tcase_add_test(tc, a_message_to_nobody_is_numbered_and_not_made);
    tcase_add_test(tc, messages_of_clients_are_published_where_that_is_the_rule);
    tcase_add_test(tc, to_one_client);
    tcase_add_test(tc, to_everybody);
    tcase_add_test(tc, to_a_user);
    tcase_add_test(tc, users_go_with_their_clients);
    tcase_add_test(tc, to_matching_channels);
    tcase_add_test(tc, too_big_for_a_crowd);
    tcase_add_test(tc, closes);
    tcase_add_test(tc, lists);
    tcase_add_test(tc, draining);
    tcase_add_test(tc, draining_no_more);
    tcase_add_test(tc, draining_for_good);
    tcase_add_test(tc, another_configuration);
    tcase_add_test(tc, too_much_is_queued);
    tcase_add_test(tc, too_many_letters_wait);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
