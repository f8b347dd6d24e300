/* What clients say and who gets it: bounds and what was lost, the order of waiters, a message that is put
 * back, and the end of a client that has said something. */
#include "fake_world.h"

static struct target test;

static void begin(void)
{
    make_world();
    test = to_channel("test");
}

/* ---- reading ---- */

/* The next message of the target is this one, with so many lost before it. It is confirmed. */
static void expect_read(struct target target, const char *text, uint64_t lost)
{
    struct inbox_msg *m = NULL;
    ck_assert_int_eq(hub_read(&hub, &target, &m), HUB_OK);
    ck_assert_msg(m->msg->len == strlen(text) && memcmp(m->msg->payload, text, m->msg->len) == 0,
                  "'%.*s', not '%s'", (int)m->msg->len, m->msg->payload, text);
    ck_assert_uint_eq(m->lost, lost);
    hub_confirm(&hub, m);
}

static void expect_answer(struct target target, enum hub_answer answer)
{
    struct inbox_msg *m;
    ck_assert_int_eq(hub_read(&hub, &target, &m), answer);
}

static void expect_count(struct target target, uint64_t count)
{
    uint64_t n = 999;
    ck_assert_int_eq(hub_count(&hub, &target, &n), HUB_OK);
    ck_assert_uint_eq(n, count);
}

START_TEST(messages_are_read_in_order)
{
    uint64_t one = join(0, "test");
    uint64_t other = join(1, "test");
    expect_answer(test, HUB_NONE);
    expect_answer(to_channel("nobody/here"), HUB_NONE);
    client_says(one, "1");
    client_says(other, "2");
    client_says(one, "3");
    client_says(one, "");
    expect_count(test, 4);
    expect_count(to_client(one), 3);
    expect_count(to_client(other), 1);
    expect_count(to_channel("nobody/here"), 0);
    expect_read(to_client(other), "2", 0);
    expect_answer(to_client(other), HUB_NONE);
    expect_read(test, "1", 0);
    expect_read(to_client(one), "3", 0);
    expect_read(test, "", 0);
    expect_answer(test, HUB_NONE);
    ck_assert_uint_eq(hub.inbox_bytes, 0);
}
END_TEST

START_TEST(what_is_read_says_who_and_when)
{
    struct inbox_msg *m;
    uint64_t one = join(0, "test");
    client_says(one, "hello");
    ck_assert_int_eq(hub_read(&hub, &test, &m), HUB_OK);
    ck_assert_uint_eq(m->client, one);
    ck_assert_int_gt(m->time, INT64_C(1600000000000));
    ck_assert(m->channel->len == 4 && memcmp(m->channel->text, "test", 4) == 0);
    ck_assert_int_eq(m->msg->opcode, WEBSOCKET_TEXT);
    expect_count(test, 0); /* it is handed out */
    ck_assert_uint_gt(hub.inbox_bytes, 0);
    hub_confirm(&hub, m);
    ck_assert_uint_eq(hub.inbox_bytes, 0);
}
END_TEST

/* ---- bounds ---- */

START_TEST(so_many_messages)
{
    config->channel.inbox_messages = 3;
    uint64_t one = join(0, "test");
    char text[] = "0";
    for (int i = 0; i < 8; i++, text[0]++)
        client_says(one, text);
    expect_count(test, 3);
    ck_assert_uint_eq(hub.inbox_dropped, 5);
    expect_read(test, "5", 5);
    expect_read(test, "6", 0);
    client_says(one, "8");
    client_says(one, "9");
    client_says(one, "a");
    expect_read(test, "8", 1);
    expect_read(test, "9", 0);
    expect_read(test, "a", 0);
}
END_TEST

START_TEST(so_many_bytes)
{
    uint64_t one = join(0, "test");
    client_says(one, "how much is one?");
    config->channel.inbox_bytes = hub.inbox_bytes * 3;
    expect_read(test, "how much is one?", 0);
    client_says(one, "sixteen bytes 01");
    client_says(one, "sixteen bytes 02");
    client_says(one, "sixteen bytes 03");
    expect_count(test, 3);
    client_says(one, "sixteen bytes 04");
    expect_count(test, 3);
    expect_read(test, "sixteen bytes 02", 1);
    char large[2000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    client_says(one, large); /* an empty inbox takes any one message, and this one empties it */
    expect_count(test, 1);
    expect_read(test, large, 2);
}
END_TEST

/* All inboxes together: the oldest goes, whosever it is, so that nobody keeps the room from the others. */
START_TEST(so_many_bytes_of_all_inboxes)
{
    config->inbox_total = 65536;
    char *large = malloc(60001);
    memset(large, 'x', 60000);
    large[60000] = '\0';
    config->channel.inbox_bytes = 1 << 20;
    uint64_t one = join(0, "full");
    uint64_t other = join(0, "test");
    client_says(one, large);
    large[10000] = '\0';
    client_says(other, large);
    client_says(other, large);
    ck_assert_uint_le(hub.inbox_bytes, 65536);
    expect_count(to_channel("full"), 0);
    expect_count(test, 2);
    client_says(one, "small");
    expect_read(to_channel("full"), "small", 1);
    expect_read(test, large, 0);
    expect_read(test, large, 0);
    ck_assert_uint_eq(hub.inbox_dropped, 1);
    free(large);
}
END_TEST

/* An inbox that nobody is on any more gives its room, too. */
START_TEST(the_oldest_of_those_who_left)
{
    config->inbox_total = 65536;
    config->channel.inbox_bytes = 1 << 20;
    char *large = malloc(20001);
    memset(large, 'x', 20000);
    large[20000] = '\0';
    uint64_t gone = join(0, "left");
    for (int i = 0; i < 3; i++)
        client_says(gone, large);
    leave(0, gone);
    uint64_t other = join(0, "test");
    for (int i = 0; i < 3; i++)
        client_says(other, large);
    expect_count(to_channel("left"), 0);
    expect_count(test, 3);
    ck_assert_ptr_null(hub_find_channel(&hub, "left", 4));
    free(large);
}
END_TEST

START_TEST(no_room_even_for_one)
{
    uint64_t one = join(0, "test");
    config->inbox_total = 100;
    client_says(one, "no room even for this");
    expect_count(test, 0);
    ck_assert_uint_eq(hub.inbox_bytes, 0);
    config->inbox_total = 65536;
    client_says(one, "but for this");
    expect_read(test, "but for this", 1);
}
END_TEST

/* What is handed out counts and can't be dropped; put back it is the oldest of all. */
START_TEST(put_back_where_all_is_full)
{
    struct inbox_msg *m;
    char large[30001];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    config->inbox_total = 65536;
    uint64_t one = join(0, "test");
    uint64_t other = join(0, "other");
    client_says(one, large);
    client_says(other, large);
    ck_assert_int_eq(hub_read(&hub, &test, &m), HUB_OK);
    client_says(other, large);
    expect_count(to_channel("other"), 1);
    hub_put_back(&hub, m);
    expect_count(test, 1);
    client_says(other, large);
    expect_count(test, 0);
    expect_read(to_channel("other"), large, 1);
    expect_read(to_channel("other"), large, 0);
    ck_assert_uint_eq(hub.inbox_bytes, 0);
    client_says(one, "at last");
    expect_read(test, "at last", 1);
}
END_TEST

/* ---- waiting ---- */

static void wait_for(uint64_t slot_number, struct target target, int64_t timeout)
{
    struct inbox_msg *m;
    ck_assert_int_eq(hub_wait(&hub, &target, timeout, slot(slot_number), &m), HUB_NONE);
}

static void expect_message(const char *text)
{
    expect_told(text);
    hub_confirm(&hub, handed);
}

START_TEST(first_come_first_served)
{
    uint64_t one = join(0, "test");
    wait_for(1, test, -1);
    wait_for(2, test, -1);
    client_says(one, "first");
    expect_message("message 1: c1 first\n");
    client_says(one, "second");
    expect_message("message 2: c1 second\n");
    client_says(one, "third");
    expect_told("");
    struct inbox_msg *m;
    ck_assert_int_eq(hub_wait(&hub, &test, -1, slot(3), &m), HUB_OK);
    hub_confirm(&hub, m);
}
END_TEST

/* Whoever waits for one client takes that client's next, though others wait longer for any. */
START_TEST(who_waits_for_one_client_goes_first)
{
    uint64_t one = join(0, "test");
    uint64_t other = join(0, "test");
    wait_for(1, test, -1);
    wait_for(2, to_client(other), -1);
    client_says(other, "from the other");
    expect_message("message 2: c2 from the other\n");
    wait_for(3, to_client(other), -1);
    client_says(one, "from one");
    expect_message("message 1: c1 from one\n");
    client_says(one, "nobody waits for this");
    expect_told("");
    expect_count(test, 1);
    client_says(other, "again");
    expect_message("message 3: c2 again\n");
}
END_TEST

START_TEST(waits_end)
{
    wait_for(1, test, 500);
    wait_for(2, test, -1);
    wait_for(3, test, 100);
    pass(99);
    expect_told("");
    pass(1);
    expect_told("wait 3 over: timeout\n");
    pass(400);
    expect_told("wait 1 over: timeout\n");
    uint64_t one = join(0, "test");
    client_says(one, "at last");
    expect_message("message 2: c1 at last\n");
    wait_for(4, test, 0);
    pass(1);
    expect_told("wait 4 over: timeout\n");
}
END_TEST

START_TEST(cancelled_waits_take_nothing)
{
    wait_for(1, test, 100);
    wait_for(2, test, -1);
    hub_cancel_wait(&hub, slot(1));
    hub_cancel_wait(&hub, slot(99));
    pass(1000);
    uint64_t one = join(0, "test");
    client_says(one, "for the second");
    expect_message("message 2: c1 for the second\n");
    wait_for(3, to_channel("empty"), -1);
    ck_assert_ptr_nonnull(hub_find_channel(&hub, "empty", 5));
    hub_cancel_wait(&hub, slot(3));
    ck_assert_ptr_null(hub_find_channel(&hub, "empty", 5));
}
END_TEST

/* ---- putting back ---- */

START_TEST(back_to_the_head)
{
    struct inbox_msg *first;
    struct inbox_msg *second;
    uint64_t one = join(0, "test");
    client_says(one, "first");
    client_says(one, "second");
    client_says(one, "third");
    ck_assert_int_eq(hub_read(&hub, &test, &first), HUB_OK);
    ck_assert_int_eq(hub_read(&hub, &test, &second), HUB_OK);
    hub_put_back(&hub, second);
    hub_put_back(&hub, first);
    expect_count(test, 3);
    expect_read(test, "first", 0);
    expect_read(test, "second", 0);
    expect_read(test, "third", 0);
}
END_TEST

START_TEST(back_to_whoever_waits)
{
    struct inbox_msg *m;
    uint64_t one = join(0, "test");
    client_says(one, "hello");
    ck_assert_int_eq(hub_read(&hub, &test, &m), HUB_OK);
    wait_for(1, test, -1);
    wait_for(2, to_client(one), -1);
    hub_put_back(&hub, m);
    expect_told("message 2: c1 hello\n");
    hub_put_back(&hub, handed);
    expect_message("message 1: c1 hello\n");
    expect_answer(test, HUB_NONE);
}
END_TEST

/* It is the oldest: where there is no room it is the one that goes, and what was lost before it is not
 * forgotten. */
START_TEST(back_to_a_full_inbox)
{
    struct inbox_msg *m;
    config->channel.inbox_messages = 2;
    uint64_t one = join(0, "test");
    client_says(one, "1");
    client_says(one, "2");
    client_says(one, "3");
    ck_assert_int_eq(hub_read(&hub, &test, &m), HUB_OK);
    ck_assert_uint_eq(m->lost, 1);
    client_says(one, "4");
    hub_put_back(&hub, m);
    expect_read(test, "3", 2);
    expect_read(test, "4", 0);
}
END_TEST

START_TEST(back_to_a_channel_that_nobody_is_on)
{
    struct inbox_msg *m;
    uint64_t one = join(0, "test");
    client_says(one, "hello");
    ck_assert_int_eq(hub_read(&hub, &test, &m), HUB_OK);
    leave(0, one);
    hub_put_back(&hub, m);
    expect_read(to_client(one), "hello", 0);
    ck_assert_ptr_null(hub_find_channel(&hub, "test", 4));
}
END_TEST

/* ---- clients that go ---- */

START_TEST(messages_survive_their_sender)
{
    uint64_t one = join(0, "test");
    client_says(one, "1");
    client_says(one, "2");
    leave(0, one);
    ck_assert_uint_eq(hub.client_count, 0);
    expect_count(test, 2);
    expect_read(to_client(one), "1", 0);
    expect_read(test, "2", 0);
    ck_assert_ptr_null(hub.channels);
    ck_assert_uint_eq(hub.clients.count, 0);
    expect_answer(to_client(one), HUB_CLOSED);
    expect_count(to_client(one), 0);
    expect_answer(test, HUB_NONE);
}
END_TEST

/* "closed" is told when its messages have run out, not before. */
START_TEST(closed_comes_last)
{
    struct inbox_msg *m;
    struct inbox_msg *none;
    struct target target;
    uint64_t count;
    uint64_t one = join(0, "test");
    target = to_client(one);
    client_says(one, "last words");
    leave(0, one);
    ck_assert_int_eq(hub_wait(&hub, &target, -1, slot(1), &m), HUB_OK);
    ck_assert_int_eq(hub_wait(&hub, &target, -1, slot(2), &none), HUB_CLOSED);
    hub_confirm(&hub, m);
    ck_assert_int_eq(hub_wait(&hub, &target, -1, slot(3), &m), HUB_CLOSED);
    target = to_client(99);
    ck_assert_int_eq(hub_wait(&hub, &target, -1, slot(4), &m), HUB_NO_TARGET);
    ck_assert_int_eq(hub_read(&hub, &target, &m), HUB_NO_TARGET);
    ck_assert_int_eq(hub_count(&hub, &target, &count), HUB_NO_TARGET);
}
END_TEST

START_TEST(who_waits_for_it_is_told)
{
    uint64_t one = join(0, "test");
    uint64_t other = join(0, "test");
    wait_for(1, to_client(one), -1);
    wait_for(2, test, -1);
    wait_for(3, to_client(other), -1);
    wait_for(4, to_client(one), 1000);
    leave(0, one);
    expect_told("wait 1 over: closed\nwait 4 over: closed\n");
    pass(5000);
    client_says(other, "still here");
    expect_message("message 3: c2 still here\n");
    leave(0, other);
    expect_told(""); /* a channel is never closed */
}
END_TEST

/* Letters that come too late, or of nobody. */
START_TEST(the_gone_say_nothing)
{
    uint64_t one = join(0, "test");
    client_says(one, "kept");
    leave(0, one);
    client_says(one, "late");
    client_says(99, "of nobody");
    expect_count(test, 1);
    expect_read(test, "kept", 0);
}
END_TEST

/* The worker ends while messages are kept and operators wait. */
START_TEST(the_end)
{
    uint64_t one = join(0, "test");
    client_says(one, "unread");
    uint64_t other = join(0, "other");
    client_says(other, "unread");
    leave(0, other);
    wait_for(1, to_channel("third"), -1);
    wait_for(2, to_channel("third"), 1000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("inbox");
    TCase *tc = tcase_create("inbox");
    tcase_add_checked_fixture(tc, begin, end_world);
    tcase_add_test(tc, messages_are_read_in_order);
    tcase_add_test(tc, what_is_read_says_who_and_when);
    tcase_add_test(tc, so_many_messages);
    tcase_add_test(tc, so_many_bytes);
    tcase_add_test(tc, so_many_bytes_of_all_inboxes);
    tcase_add_test(tc, the_oldest_of_those_who_left);
    tcase_add_test(tc, no_room_even_for_one);
    tcase_add_test(tc, put_back_where_all_is_full);
    tcase_add_test(tc, first_come_first_served);
    tcase_add_test(tc, who_waits_for_one_client_goes_first);
    tcase_add_test(tc, waits_end);
    tcase_add_test(tc, cancelled_waits_take_nothing);
    tcase_add_test(tc, back_to_the_head);
    tcase_add_test(tc, back_to_whoever_waits);
    tcase_add_test(tc, back_to_a_full_inbox);
    tcase_add_test(tc, back_to_a_channel_that_nobody_is_on);
    tcase_add_test(tc, messages_survive_their_sender);
    tcase_add_test(tc, closed_comes_last);
    tcase_add_test(tc, who_waits_for_it_is_told);
    tcase_add_test(tc, the_gone_say_nothing);
    tcase_add_test(tc, the_end);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
