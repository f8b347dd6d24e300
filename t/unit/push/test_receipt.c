/* Receipts: what the hub makes of the shards' reports, however they come, and of clients that go meanwhile.
 */
#include "fake_world.h"

static uint64_t receipt; /* the number of the one that was published last */

/* A shard takes the message from its mailbox and says how many queues took it. */
static void begin(int shard, const char *text, uint32_t queues)
{
    receipt = expect_delivery(shard, text).number;
    ck_assert_uint_ne(receipt, 0);
    say((struct mail){
        .kind = MAIL_RECEIPT_BEGUN, .conn = {.shard = (uint32_t)shard}, .number = receipt, .value = queues});
}

static void report(int shard, uint32_t reached, struct failures *failed)
{
    say((struct mail){.kind = MAIL_RECEIPT_REPORT,
                      .conn = {.shard = (uint32_t)shard},
                      .number = receipt,
                      .value = reached,
                      .ptr = failed});
}

static void hand(int shard, uint32_t count)
{
    report(shard, count, NULL);
}

static void miss(int shard, uint64_t client, enum outcome outcome)
{
    struct failures *failed = malloc(sizeof *failed + sizeof failed->items[0]);
    ck_assert_ptr_nonnull(failed);
    failed->count = 1;
    failed->items[0] = (struct failure){client, outcome};
    report(shard, 0, failed);
}

/* The shard was asked who is late, and has said so. */
static void end(int shard)
{
    ck_assert_uint_eq(next_letter(shard, MAIL_RECEIPT_END).number, receipt);
    say((struct mail){.kind = MAIL_RECEIPT_ENDED, .conn = {.shard = (uint32_t)shard}, .number = receipt});
}

static void publish_with_receipt(uint64_t slot_number, const char *text)
{
    publish(slot_number, "test", text, 1000);
    engine_answers(NULL);
}

/* c1 and c2 on the first shard, c3 on the second. */
static void join_three(void)
{
    join(0, "test");
    join(0, "test");
    join(1, "test");
}

START_TEST(all_are_handed)
{
    join_three();
    publish_with_receipt(1, "hello");
    expect_told("");
    begin(0, "hello", 2);
    hand(0, 1);
    begin(1, "hello", 1);
    hand(1, 1);
    expect_told("");
    hand(0, 1);
    expect_told("receipt 1: 3 of 3\n");
    hand(0, 1); /* whatever else comes is of no receipt any more */
    pass(5000);
    expect_no_letters();
}
END_TEST

START_TEST(some_fail)
{
    join_three();
    publish_with_receipt(1, "hello");
    begin(0, "hello", 2);
    begin(1, "hello", 1);
    miss(0, 2, OUTCOME_CLOSED);
    miss(1, 3, OUTCOME_DROPPED);
    expect_told("");
    hand(0, 1);
    expect_told("receipt 1: 1 of 3, c2 closed, c3 dropped\n");
}
END_TEST

START_TEST(some_are_late)
{
    join_three();
    publish_with_receipt(1, "hello");
    begin(0, "hello", 2);
    hand(0, 2);
    begin(1, "hello", 1);
    pass(999);
    expect_no_letters();
    pass(1);
    miss(1, 3, OUTCOME_TIMEOUT);
    expect_told("receipt 1: 2 of 3, c3 timeout\n");
    /* both shards were asked, and what they still say does no harm */
    end(0);
    end(1);
}
END_TEST

/* A shard says which are late, and only when every shard is done is it over, though a client may be missing.
 */
START_TEST(time_is_over_when_every_shard_has_ended)
{
    join_three();
    publish_with_receipt(1, "hello");
    begin(0, "hello", 2); /* of one of the two it will have no memory to tell */
    begin(1, "hello", 1);
    hand(1, 1);
    pass(1000);
    miss(0, 1, OUTCOME_TIMEOUT);
    end(1);
    expect_told("");
    end(0);
    expect_told("receipt 1: 1 of 3, c1 timeout\n");
}
END_TEST

START_TEST(only_shards_with_recipients_are_asked)
{
    join(1, "test");
    join(0, "other");
    publish_with_receipt(1, "hello");
    begin(1, "hello", 1);
    pass(1000);
    miss(1, 1, OUTCOME_TIMEOUT);
    expect_told("receipt 1: 0 of 1, c1 timeout\n");
    end(1);
    expect_no_letters();
}
END_TEST

/* ---- clients that go ---- */

START_TEST(gone_before_its_shard_began)
{
    join_three();
    publish_with_receipt(1, "hello");
    leave(0, 2);
    leave(1, 3);
    begin(0, "hello", 1);
    hand(0, 1);
    expect_told("receipt 1: 1 of 3, c2 closed, c3 closed\n");
    begin(1, "hello", 0);
}
END_TEST

START_TEST(all_gone_before_their_shards_began)
{
    join_three();
    publish_with_receipt(1, "hello");
    leave(0, 1);
    leave(0, 2);
    expect_told("");
    leave(1, 3);
    expect_told("receipt 1: 0 of 3, c1 closed, c2 closed, c3 closed\n");
    begin(0, "hello", 0);
    begin(1, "hello", 0);
}
END_TEST

/* Once its shard has begun, the shard tells; its departure must not count twice. */
START_TEST(gone_after_its_shard_began)
{
    join_three();
    publish_with_receipt(1, "hello");
    begin(0, "hello", 2);
    miss(0, 1, OUTCOME_CLOSED);
    leave(0, 1);
    begin(1, "hello", 1);
    hand(1, 1);
    expect_told("");
    hand(0, 1);
    expect_told("receipt 1: 2 of 3, c1 closed\n");
}
END_TEST

START_TEST(others_that_go_are_of_no_account)
{
    uint64_t other = join(0, "other");
    uint64_t one = join(0, "test");
    publish_with_receipt(1, "hello");
    leave(0, other);
    expect_told("");
    begin(0, "hello", 1);
    hand(0, 1);
    expect_told("receipt 1: 1 of 1\n");
    ck_assert_uint_eq(one, 2);
}
END_TEST

/* It came after the message was counted, and went before its shard began: it never was a recipient. */
START_TEST(who_came_later_is_no_recipient)
{
    join(0, "test");
    publish_with_receipt(1, "hello");
    uint64_t late = come(0, "test");
    leave(0, late);
    expect_told("");
    begin(0, "hello", 1);
    expect_registered(0, late, "test");
    hand(0, 1);
    expect_told("receipt 1: 1 of 1\n");
}
END_TEST

/* The number of a channel that is no more is another's soon. */
START_TEST(a_channels_number_comes_again)
{
    uint64_t one = join(0, "test");
    uint32_t number = hub_find_channel(&hub, "test", 4)->number;
    publish_with_receipt(1, "hello");
    begin(0, "hello", 1);
    leave(0, one);
    uint64_t other = come(0, "other");
    ck_assert_uint_eq(expect_registered(0, other, "other"), number);
    leave(0, other);
    expect_told("");
    miss(0, one, OUTCOME_CLOSED);
    expect_told("receipt 1: 0 of 1, c1 closed\n");
}
END_TEST

/* ---- several, and other targets ---- */

START_TEST(receipts_do_not_mix)
{
    join(0, "test");
    publish_with_receipt(1, "first");
    publish_with_receipt(2, "second");
    begin(0, "first", 1);
    uint64_t first = receipt;
    begin(0, "second", 1);
    ck_assert_uint_ne(first, receipt);
    hand(0, 1);
    expect_told("receipt 2: 1 of 1\n");
    receipt = first;
    miss(0, 1, OUTCOME_DROPPED);
    expect_told("receipt 1: 0 of 1, c1 dropped\n");
}
END_TEST

START_TEST(nobody_is_there)
{
    publish_with_receipt(1, "hello");
    expect_told("published 1: 0 got 7-1\n");
    pass(5000);
}
END_TEST

START_TEST(one_client)
{
    join_three();
    ck_assert_int_eq(send_to(to_client(3), "for c3", 1, 1000), HUB_OK);
    leave(0, 1);
    expect_told("");
    begin(1, "for c3", 1);
    hand(1, 1);
    expect_told("receipt 1: 1 of 1\n");
}
END_TEST

START_TEST(everybody)
{
    join_three();
    join(1, "other");
    ck_assert_int_eq(send_to(to_all, "for all", 1, 1000), HUB_OK);
    leave(1, 4);
    begin(0, "for all", 2);
    hand(0, 2);
    begin(1, "for all", 1);
    expect_told("");
    hand(1, 1);
    expect_told("receipt 1: 3 of 4, c4 closed\n");
}
END_TEST

/* Who goes before the shard begins is a recipient by the user's name, or by the channel's. */
START_TEST(one_user)
{
    join_as("alice", 0, "test");
    join_as("alice", 0, "other");
    join_as("bob", 0, "test");
    ck_assert_int_eq(send_to(to_user("alice"), "for alice", 1, 1000), HUB_OK);
    leave(0, 3);
    expect_told("");
    leave(0, 2);
    begin(0, "for alice", 1);
    hand(0, 1);
    expect_told("receipt 1: 1 of 2, c2 closed\n");
}
END_TEST

START_TEST(matching_channels)
{
    join(0, "room/1");
    join(1, "room/2");
    join(1, "hall");
    ck_assert_int_eq(send_to(to_match("room/*"), "for rooms", 1, 1000), HUB_OK);
    leave(1, 3);
    leave(1, 2);
    begin(0, "for rooms", 1);
    begin(1, "for rooms", 0);
    miss(0, 1, OUTCOME_UNSUPPORTED);
    expect_told("receipt 1: 0 of 2, c2 closed, c1 unsupported\n");
}
END_TEST

/* Who waited has gone: the shards are to forget it, and nobody is told. */
START_TEST(nobody_waits_any_more)
{
    join_three();
    publish_with_receipt(1, "hello");
    publish_with_receipt(2, "other");
    begin(0, "hello", 2);
    uint64_t first = receipt;
    begin(1, "hello", 1);
    hub_cancel_receipt(&hub, slot(1));
    begin(0, "other", 2);
    begin(1, "other", 1);
    uint64_t second = receipt;
    receipt = first;
    end(0);
    end(1);
    hand(0, 2);
    miss(1, 3, OUTCOME_CLOSED);
    expect_told("");
    receipt = second;
    hand(0, 2);
    hand(1, 1);
    expect_told("receipt 2: 3 of 3\n");
    pass(5000);
}
END_TEST

/* The worker ends meanwhile. */
START_TEST(open_ones_are_dropped_at_the_end)
{
    join_three();
    publish_with_receipt(1, "hello");
    begin(0, "hello", 2);
    begin(1, "hello", 1);
    miss(0, 1, OUTCOME_DROPPED);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("receipt");
    TCase *tc = tcase_create("receipt");
    tcase_add_checked_fixture(tc, make_world, end_world);
    tcase_add_test(tc, all_are_handed);
    tcase_add_test(tc, some_fail);
    tcase_add_test(tc, some_are_late);
    tcase_add_test(tc, time_is_over_when_every_shard_has_ended);
    tcase_add_test(tc, only_shards_with_recipients_are_asked);
    tcase_add_test(tc, gone_before_its_shard_began);
    tcase_add_test(tc, all_gone_before_their_shards_began);
    tcase_add_test(tc, gone_after_its_shard_began);
    tcase_add_test(tc, others_that_go_are_of_no_account);
    tcase_add_test(tc, who_came_later_is_no_recipient);
    tcase_add_test(tc, a_channels_number_comes_again);
    tcase_add_test(tc, receipts_do_not_mix);
    tcase_add_test(tc, nobody_is_there);
    tcase_add_test(tc, one_client);
    tcase_add_test(tc, everybody);
    tcase_add_test(tc, one_user);
    tcase_add_test(tc, matching_channels);
    tcase_add_test(tc, nobody_waits_any_more);
    tcase_add_test(tc, open_ones_are_dropped_at_the_end);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
