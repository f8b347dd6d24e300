/* How clients get on channels and off them, by the hub's letters; with an engine that answers when it likes.
 */
#include "seat_world.h"

#define HELLO(N)            "to c" N ": {\"hello\":{\"client\":\"c" N "\",\"user\":null,\"channels\":[\"test\"]}}\n"
#define SUB(N, CHANNEL, ID) "to c" N ": {\"sub\":{\"ch\":\"" CHANNEL "\",\"id\":\"" ID "\"}}"
#define SUB_FROM(N, CHANNEL, ID, FROM)                                                                       \
    "to c" N ": {\"sub\":{\"ch\":\"" CHANNEL "\",\"id\":\"" ID "\",\"from\":\"" FROM "\"}}"
/* A stream is told where it is by its hello. */
#define STREAM(N, ID)                                                                                        \
    "to c" N ": {\"hello\":{\"client\":\"c" N "\",\"user\":null,\"channels\":[\"test\"]}}" ID "\n"
#define UNSUB(N, CHANNEL) "to c" N ": {\"unsub\":{\"ch\":\"" CHANNEL "\"}}\n"
#define RESET(N, CHANNEL, WHY, ID)                                                                           \
    "to c" N ": {\"reset\":{\"ch\":\"" CHANNEL "\",\"why\":\"" WHY "\",\"id\":\"" ID "\"}}\n"
#define ERROR(N, CODE, TEXT, CHANNEL)                                                                        \
    "to c" N ": {\"error\":{\"code\":\"" CODE "\",\"text\":\"" TEXT "\",\"ch\":\"" CHANNEL "\"}}\n"
#define UNKNOWN(N, CHANNEL) ERROR(N, "unknown", "it is not on this channel", CHANNEL)
#define AHEAD(N, CHANNEL)   ERROR(N, "position", "that position is ahead of the channel", CHANNEL)

static uint64_t v1(uint32_t shard, const char *channel)
{
    return enter((struct newcomer){.transport = TRANSPORT_V1, .shard = shard, .channel = channel});
}

static uint64_t v1_on(uint32_t shard, const char *channel)
{
    uint64_t client = v1(shard, channel);
    skip_letters();
    return client;
}

static const struct channel *channel_named(const char *name)
{
    return hub_find_channel(&hub, name, strlen(name));
}

/* ---- coming in ---- */

START_TEST(each_transport_is_told_in_its_way)
{
    publish_some("test", 2);
    v1(0, "test");
    expect_letters(0, "registered c1 test #0 live\n" HELLO("1") SUB_FROM("1", "test", "7-2", "7-2") "\n");
    enter((struct newcomer){.transport = TRANSPORT_SSE, .channel = "test"});
    expect_letters(0, "registered c2 test #0 live\n" STREAM("2", " @2"));
    late = true; /* who needs no engine does not wait for it */
    enter((struct newcomer){.transport = TRANSPORT_RAW, .channel = "test"});
    expect_letters(0, "registered c3 test #0 live\n");
}
END_TEST

START_TEST(who_it_is)
{
    enter((struct newcomer){.transport = TRANSPORT_V1, .channel = "test", .user = "al\"ice"});
    expect_letters(
        0, "registered c1 test #0 live\n"
           "to c1: {\"hello\":{\"client\":\"c1\",\"user\":\"al\\\"ice\",\"channels\":[\"test\"]}}\n" SUB_FROM(
               "1", "test", "7-0", "7-0") "\n");
}
END_TEST

START_TEST(the_beginning_is_the_channels)
{
    publish_some("test", 3);
    config->channel.first = FIRST_LAST;
    enter((struct newcomer){.transport = TRANSPORT_RAW, .channel = "test"});
    expect_letters(0, "registered c1 test #0 behind\ncatch up c1\n");
    config->channel.first = FIRST_ALL;
    v1(0, "test");
    expect_letters(0, "registered c2 test #0 behind\n" HELLO("2")
                          SUB_FROM("2", "test", "7-3", "7-0") "\ncatch up c2\n");
    ck_assert_uint_eq(channel_named("test")->behind, 2);
    /* one that is named goes before it */
    enter((struct newcomer){.transport = TRANSPORT_SSE, .channel = "test", .since = "7-2"});
    expect_letters(0, "registered c3 test #0 behind\n" STREAM("3", " @2") "catch up c3\n");
    enter((struct newcomer){.transport = TRANSPORT_SSE, .channel = "test", .since = "7-3"});
    expect_letters(0, "registered c4 test #0 live\n" STREAM("4", " @3"));
    ck_assert_uint_eq(channel_named("test")->behind, 3);
}
END_TEST

/* It goes on from the head; and a stream does not go on from there before it was told what is missing. */
START_TEST(what_is_gone_is_told)
{
    publish_some("test", 5);
    trim("test", 3);
    enter((struct newcomer){.transport = TRANSPORT_SSE, .channel = "test", .since = "7-2"});
    expect_letters(0, "registered c1 test #0 live\n" STREAM("1", "") RESET("1", "test", "gone", "7-5"));
    enter((struct newcomer){.transport = TRANSPORT_V1, .channel = "test", .since = "6-2"});
    expect_letters(0, "registered c2 test #0 live\n" HELLO("2")
                          SUB("2", "test", "7-5") "\n" RESET("2", "test", "generation", "7-5"));
    enter((struct newcomer){.transport = TRANSPORT_SSE, .channel = "test", .since = "7-3"});
    expect_letters(0, "registered c3 test #0 behind\n" STREAM("3", " @3") "catch up c3\n");
}
END_TEST

/* A stream's answer says so, a script is told and may go on without the channel. */
START_TEST(positions_that_are_none)
{
    publish_some("test", 5);
    enter((struct newcomer){.transport = TRANSPORT_SSE, .channel = "test", .since = "7-6"});
    expect_letters(0, "refused c1 position\n");
    enter((struct newcomer){.transport = TRANSPORT_SSE, .channel = "test", .since = "x"});
    expect_letters(0, "refused c2 position\n");
    ck_assert_uint_eq(hub.client_count, 0);
    ck_assert_uint_eq(hub.clients_per_shard[0], 0);
    ck_assert_ptr_null(hub.channels);
    leave(0, 1); /* nobody knows it */
    uint64_t client = enter((struct newcomer){.transport = TRANSPORT_V1, .channel = "test", .since = "7-6"});
    expect_letters(
        0, "registered c3 test #0 no seat\n"
           "to c3: {\"hello\":{\"client\":\"c3\",\"user\":null,\"channels\":[]}}\n" AHEAD("3", "test"));
    publish_some("test", 1); /* not to it */
    expect_no_letters();
    sub(client, "test", "7-7");
    expect_letters(0, AHEAD("3", "test"));
    sub(client, "test", "seven");
    expect_letters(0, ERROR("3", "position", "that is no message's id", "test"));
    unsub(client, "test");
    expect_letters(0, UNKNOWN("3", "test"));
    sub(client, "test", "7-6");
    expect_letters(0, "subscribed c3 test #0 live\n" SUB_FROM("3", "test", "7-6", "7-6") "\n");
    leave(0, client);
    ck_assert_uint_eq(hub.client_count, 0);
    ck_assert_ptr_null(hub.channels);
}
END_TEST

/* ---- other channels ---- */

START_TEST(on_and_off)
{
    publish_some("news", 4);
    uint64_t client = v1_on(1, "test");
    sub(client, "news", NULL);
    expect_letters(1, "subscribed c1 news #1 live\n" SUB_FROM("1", "news", "7-4", "7-4") "\n");
    sub(client, "news", NULL);
    expect_letters(1, SUB("1", "news", "7-4") "\n");
    sub(client, "news", "7-1");
    expect_letters(1, ERROR("1", "position", "it is on this channel already: unsub first", "news"));
    publish_some("news", 1);
    expect_letters(1, "to #1: 5\n");
    unsub(client, "news");
    expect_letters(1, "unsubscribed c1 #1\n" UNSUB("1", "news"));
    ck_assert_ptr_null(channel_named("news"));
    unsub(client, "news");
    expect_letters(1, UNKNOWN("1", "news"));
    publish_some("news", 1);
    sub(client, "news", "7-4");
    expect_letters(1, "subscribed c1 news #1 behind\n" SUB_FROM("1", "news", "7-6", "7-4") "\ncatch up c1\n");
    sub(client, "other", "7-1");
    expect_letters(1, AHEAD("1", "other"));
    ck_assert_ptr_null(channel_named("other"));
}
END_TEST

START_TEST(off_its_own_and_back)
{
    uint64_t client = v1_on(0, "test");
    sub(client, "news", NULL);
    skip_letters();
    unsub(client, "test");
    expect_letters(0, "unsubscribed c1 #0\n" UNSUB("1", "test"));
    publish_some("test", 2);
    expect_no_letters();
    ck_assert_uint_eq(channel_named("test")->subscribers, 0);
    sub(client, "test", "7-1");
    expect_letters(0, "subscribed c1 test #0 behind\n" SUB_FROM("1", "test", "7-2", "7-1") "\ncatch up c1\n");
    leave(0, client);
    ck_assert_ptr_null(hub.channels);
    ck_assert_ptr_null(hub.catching);
}
END_TEST

/* Of eight channels in any order the records stay right. */
START_TEST(many_and_off_in_another_order)
{
    static const char *const order[] = {"d", "a", "h", "e", "b", "g", "c", "f"};
    uint64_t client = v1_on(0, "test");
    char name[2] = "a";
    for (; name[0] <= 'h'; name[0]++)
        sub(client, name, NULL);
    ck_assert_uint_eq(client_channel_count(hub_find_client(&hub, client)), 9);
    skip_letters();
    for (int i = 0; i < 8; i++) {
        unsub(client, order[i]);
        for (int k = 0; k < 8; k++)
            ck_assert_int_eq(channel_named(order[k]) != NULL, k > i);
    }
    ck_assert(list_empty(&hub.wanderers));
    skip_letters();
}
END_TEST

START_TEST(no_more_than_so_many)
{
    config->channel.channels_per_client = 2;
    uint64_t client = v1_on(0, "test");
    sub(client, "a", NULL);
    skip_letters();
    sub(client, "b", NULL);
    expect_letters(0, ERROR("1", "limit", "too many channels (the option channels_per_client)", "b"));
    ck_assert_ptr_null(channel_named("b"));
    sub(client, "a", NULL); /* is none more */
    expect_letters(0, SUB("1", "a", "7-0") "\n");
    unsub(client, "test");
    sub(client, "b", NULL);
    sub(client, "test", NULL);
    expect_letters(
        0, "unsubscribed c1 #0\n" UNSUB("1", "test") "subscribed c1 b #2 live\n" SUB_FROM(
               "1", "b", "7-0",
               "7-0") "\n" ERROR("1", "limit", "too many channels (the option channels_per_client)", "test"));
}
END_TEST

/* Those that are asked for count. */
START_TEST(no_more_than_so_many_at_once)
{
    config->channel.channels_per_client = 2;
    uint64_t client = v1_on(0, "test");
    late = true;
    sub(client, "a", NULL);
    sub(client, "a", NULL);
    sub(client, "b", NULL);
    expect_letters(0, ERROR("1", "limit", "too many channels (the option channels_per_client)", "b"));
    engine_works();
    expect_letters(0, "subscribed c1 a #1 live\n" SUB_FROM("1", "a", "7-0", "7-0") "\n");
    engine_works();
    expect_letters(0, SUB("1", "a", "7-0") "\n");
    unsub(client, "a");
    ck_assert_ptr_null(channel_named("a"));
    ck_assert_uint_eq(client_channel_count(hub_find_client(&hub, client)), 1);
    skip_letters();
}
END_TEST

START_TEST(messages_to_other_channels)
{
    uint64_t client = v1_on(0, "test");
    sub(client, "news", NULL);
    v1_on(1, "else"); /* is there, but for somebody else */
    skip_letters();
    config->channel.inbound = INBOUND_PUBLISH;
    for (int i = 0; i < 3; i++) {
        struct msg *m = msg_new(hub.ws, WEBSOCKET_TEXT, "hi", 2);
        m->channel = i == 0 ? NULL : i == 1 ? shared_name_new("news", 4) : shared_name_new("else", 4);
        atomic_fetch_add(&world.mail_bytes, m->len);
        say((struct mail){.kind = MAIL_INBOUND, .number = client, .ptr = m});
    }
    expect_letters(0, "to #0: hi\nto #1: hi\n" UNKNOWN("1", "else"));
    buf_clear(&told);
}
END_TEST

/* ---- an engine that takes its time ---- */

START_TEST(gone_while_the_engine_works)
{
    late = true;
    uint64_t one = v1(0, "test");
    expect_no_letters();
    leave(0, one);
    ck_assert_ptr_null(hub.channels);
    uint64_t two = v1(0, "other"); /* has the channel's number now */
    engine_works();
    expect_no_letters();
    engine_works();
    expect_letters(0,
                   "registered c2 other #0 live\n"
                   "to c2: {\"hello\":{\"client\":\"c2\",\"user\":null,\"channels\":[\"other\"]}}\n" SUB_FROM(
                       "2", "other", "7-0", "7-0") "\n");
    sub(two, "news", NULL);
    leave(0, two);
    engine_works();
    ck_assert_ptr_null(hub.channels);
    ck_assert_uint_eq(hub.client_count, 0);
}
END_TEST

/* What it said is kept, and so is its record; it has no seat any more. */
START_TEST(gone_with_its_words_kept)
{
    uint64_t client = v1_on(0, "test");
    client_says(client, "kept");
    unsub(client, "test");
    late = true;
    sub(client, "test", NULL);
    leave(0, client);
    skip_letters();
    engine_works();
    expect_no_letters();
    ck_assert_uint_eq(channel_named("test")->subscribers, 0);
}
END_TEST

START_TEST(published_while_the_engine_works)
{
    late = true;
    v1(0, "test");
    publish(1, "test", "a", 0);
    engine_works();
    expect_letters(0, "registered c1 test #0 live\n" HELLO("1") SUB_FROM("1", "test", "7-0", "7-0") "\n");
    engine_works();
    expect_letters(0, "to #0: a\n");
    expect_told("published 1: 1 got 7-1\n");
    publish(1, "test", "b", 0);
    enter((struct newcomer){.transport = TRANSPORT_SSE, .shard = 1, .channel = "test"});
    engine_works();
    expect_told("published 1: 1 got 7-2\n");
    engine_works();
    expect_letters(0, "to #0: b\n");
    expect_letters(1, "registered c2 test #0 live\n" STREAM("2", " @2"));
}
END_TEST

/* It leaves before it is there: it gets nothing. */
START_TEST(off_while_the_engine_works)
{
    uint64_t client = v1_on(0, "test");
    late = true;
    sub(client, "news", NULL);
    unsub(client, "news");
    expect_letters(0, UNSUB("1", "news"));
    ck_assert_ptr_null(channel_named("news"));
    engine_works();
    expect_no_letters();
    /* of its own channel too */
    unsub(client, "test");
    sub(client, "test", NULL);
    unsub(client, "test");
    expect_letters(0, "unsubscribed c1 #0\n" UNSUB("1", "test") UNSUB("1", "test"));
    engine_works();
    expect_no_letters();
    ck_assert_uint_eq(channel_named("test")->subscribers, 0);
}
END_TEST

/* What was read before is not what it asked for then. */
START_TEST(off_and_back_while_the_engine_works)
{
    publish_some("news", 5);
    uint64_t client = v1_on(0, "test");
    sub(client, "news", NULL);
    skip_letters();
    late = true;
    sub(client, "news", NULL);
    unsub(client, "news");
    sub(client, "news", "7-3");
    skip_letters();
    engine_works();
    expect_no_letters();
    engine_works();
    expect_letters(0, "subscribed c1 news #1 behind\n" SUB_FROM("1", "news", "7-5", "7-3") "\ncatch up c1\n");
}
END_TEST

START_TEST(a_number_goes_to_another_channel)
{
    publish_some("news", 5);
    uint64_t client = v1_on(0, "test");
    sub(client, "news", NULL);
    skip_letters();
    late = true;
    sub(client, "news", NULL);
    unsub(client, "news");
    sub(client, "else", NULL);
    skip_letters();
    engine_works(); /* about the first one */
    expect_no_letters();
    engine_works();
    expect_letters(0, "subscribed c1 else #1 live\n" SUB_FROM("1", "else", "7-0", "7-0") "\n");
}
END_TEST

/* Twice asked, with a position the second time, and both before the first answer. */
START_TEST(asked_twice_while_the_engine_works)
{
    publish_some("news", 5);
    uint64_t client = v1_on(0, "test");
    late = true;
    sub(client, "news", "7-9");
    sub(client, "news", "7-3");
    expect_letters(0, ERROR("1", "position", "it is on this channel already: unsub first", "news"));
    sub(client, "news", NULL);
    engine_works();
    expect_letters(0, AHEAD("1", "news"));
    ck_assert_ptr_null(channel_named("news"));
    engine_works();
    expect_no_letters();
}
END_TEST

/* Who is not let in yet is nobody's recipient: the shard would not give it to them. */
START_TEST(nobodys_recipient_before_it_is_there)
{
    late = true;
    uint64_t client = enter((struct newcomer){.transport = TRANSPORT_V1, .channel = "test", .user = "alice"});
    ck_assert_int_eq(send_to(to_all, "x", 1, 100), HUB_OK);
    ck_assert_int_eq(send_to(to_user("alice"), "x", 2, 100), HUB_OK);
    ck_assert_int_eq(send_to(to_client(client), "x", 3, 100), HUB_OK);
    expect_no_letters();
    expect_told("published 1: 0 got 0-0\npublished 2: 0 got 0-0\npublished 3: 0 got 0-0\n");
    engine_works();
    skip_letters();
    ck_assert_int_eq(send_to(to_all, "x", 1, 0), HUB_OK);
    ck_assert_int_eq(send_to(to_user("alice"), "x", 2, 0), HUB_OK);
    ck_assert_int_eq(send_to(to_client(client), "x", 3, 0), HUB_OK);
    expect_letters(0, "to all: x\nto c1: x\nto c1: x\n");
    expect_told("published 1: 1 got 0-0\npublished 2: 1 got 0-0\npublished 3: 1 got 0-0\n");
}
END_TEST

/* ---- several channels in one question ---- */

static void expect_match(const char *pattern, int count, const char *letters)
{
    char text[50];
    ck_assert_int_eq(send_to(to_match(pattern), "x", 1, 0), HUB_OK);
    snprintf(text, sizeof text, "published 1: %d got 0-0\n", count);
    expect_letters(0, letters);
    expect_told(text);
}

START_TEST(wanderers_count_once)
{
    uint64_t one = v1_on(0, "a1");
    uint64_t two = v1_on(0, "b");
    sub(one, "a2", NULL);
    sub(one, "a3", NULL);
    sub(two, "a3", NULL);
    skip_letters();
    expect_match("a*", 2, "to #0 #2 #3: x\n");
    expect_match("a[12]", 1, "to #0 #2: x\n");
    expect_match("*", 2, "to #0 #1 #2 #3: x\n");
    publish_some("a4", 1);
    sub(two, "a4", "7-0"); /* it is behind there, and so it counts by a3 alone */
    skip_letters();
    expect_match("a*", 2, "to #0 #2 #3 #4: x\n");
    expect_match("a4", 0, "");
    unsub(two, "a3");
    skip_letters();
    expect_match("a*", 1, "to #0 #2 #3 #4: x\n");
    unsub(two, "a4");
    ck_assert(hub.wanderers.next == hub.wanderers.prev);
    leave(0, one);
    skip_letters();
    ck_assert(list_empty(&hub.wanderers));
    expect_match("*", 1, "to #1: x\n");
}
END_TEST

/* ---- receipts ---- */

static void shard_says(enum mail_kind kind, uint64_t receipt, uint32_t value)
{
    say((struct mail){.kind = kind, .conn.shard = 0, .number = receipt, .value = value});
}

/* Who came to the channel behind the message, or caught up behind it, is not waited for. */
START_TEST(who_came_later_is_no_recipient)
{
    publish_some("news", 1);
    uint64_t one = v1_on(0, "test");
    uint64_t two = v1_on(0, "test");
    uint64_t three = v1_on(0, "test");
    sub(one, "news", NULL);
    sub(three, "news", "7-0");
    skip_letters();
    publish(5, "news", "x", 100);
    struct mail letter = expect_delivery(0, "x");
    sub(two, "news", NULL);
    more(three, 10000);
    skip_letters();
    ck_assert_int_eq(client_seat(hub_find_client(&hub, three), channel_named("news")), SEAT_LIVE);
    leave(0, two);
    leave(0, three);
    shard_says(MAIL_RECEIPT_BEGUN, letter.number, 1);
    expect_told("");
    shard_says(MAIL_RECEIPT_REPORT, letter.number, 1);
    expect_told("receipt 5: 1 of 1\n");
}
END_TEST

/* The same on a client's own channel. */
START_TEST(who_came_to_its_own_later_is_no_recipient)
{
    publish_some("news", 1);
    v1_on(0, "news");
    uint64_t two = enter((struct newcomer){.transport = TRANSPORT_V1, .channel = "news", .since = "7-0"});
    skip_letters();
    publish(5, "news", "x", 100);
    struct mail letter = expect_delivery(0, "x");
    uint64_t three = v1_on(0, "news");
    more(two, 10000);
    skip_letters();
    ck_assert_int_eq(client_seat(hub_find_client(&hub, two), channel_named("news")), SEAT_LIVE);
    leave(0, two);
    leave(0, three);
    shard_says(MAIL_RECEIPT_BEGUN, letter.number, 1);
    shard_says(MAIL_RECEIPT_REPORT, letter.number, 1);
    expect_told("receipt 5: 1 of 1\n");
}
END_TEST

/* Gone before its shard began: it is among the recipients by each of its channels. */
START_TEST(gone_before_its_shard_began)
{
    uint64_t one = v1_on(0, "test");
    sub(one, "news", NULL);
    sub(one, "news2", NULL);
    skip_letters();
    publish(5, "news", "x", 100);
    publish(6, "test", "x", 100);
    ck_assert_int_eq(send_to(to_match("news*"), "x", 7, 100), HUB_OK);
    skip_letters();
    leave(0, one);
    expect_told("receipt 5: 0 of 1, c1 closed\nreceipt 6: 0 of 1, c1 closed\nreceipt 7: 0 of 1, c1 closed\n");
}
END_TEST

/* It has left the channel, and then the worker, before its shard had the message: nobody got it, and nobody
 * will. */
START_TEST(off_and_gone_before_its_shard_began)
{
    uint64_t one = v1_on(0, "test");
    sub(one, "news", NULL);
    skip_letters();
    publish(5, "news", "x", 100);
    struct mail letter = expect_delivery(0, "x");
    unsub(one, "news");
    leave(0, one);
    skip_letters();
    expect_told("receipt 5: 0 of 1, c1 closed\n");
    shard_says(MAIL_RECEIPT_BEGUN, letter.number, 0); /* nobody waits for it */
    expect_told("");
}
END_TEST

START_TEST(off_its_own_and_gone_before_its_shard_began)
{
    uint64_t one = v1_on(0, "test");
    ck_assert_int_eq(send_to(to_client(one), "x", 5, 100), HUB_OK);
    ck_assert_int_eq(send_to(to_all, "x", 6, 100), HUB_OK);
    skip_letters();
    unsub(one, "test");
    leave(0, one);
    skip_letters();
    expect_told("receipt 5: 0 of 1, c1 closed\nreceipt 6: 0 of 1, c1 closed\n");
}
END_TEST

/* ---- presence ---- */

#define JOIN(CHANNEL, USER)  "{\"join\":{\"ch\":\"" CHANNEL "\",\"user\":\"" USER "\"}}\n"
#define LEAVE(CHANNEL, USER) "{\"leave\":{\"ch\":\"" CHANNEL "\",\"user\":\"" USER "\"}}\n"

static uint64_t alice(enum transport transport)
{
    return enter((struct newcomer){.transport = transport, .channel = "test", .user = "alice"});
}

static int64_t since_of(const char *channel)
{
    return channel_named(channel)->presence->users->since;
}

START_TEST(a_user_joins_and_leaves_once)
{
    config->channel.presence = PRESENCE_ON;
    v1_on(1, "test"); /* looks on */
    uint64_t one = alice(TRANSPORT_RAW);
    uint64_t two = alice(TRANSPORT_SSE);
    uint64_t three = alice(TRANSPORT_V1);
    expect_letters(1, "to #0: " JOIN("test", "alice"));
    skip_letters();
    sub(three, "news", NULL);
    leave(0, two);
    unsub(three, "test");
    unsub(three, "test");
    sub(three, "test", NULL);
    unsub(three, "test");
    expect_letters(1, "");
    leave(0, one);
    expect_letters(1, "to #0: " LEAVE("test", "alice"));
    ck_assert_ptr_null(channel_named("test")->presence);
    ck_assert_uint_eq(channel_named("news")->presence->users->count, 1);
    leave(0, three);
    expect_letters(1, "");
    skip_letters();
}
END_TEST

START_TEST(who_comes_is_told_who_is_there)
{
    char text[500];
    config->channel.presence = PRESENCE_ON;
    alice(TRANSPORT_RAW);
    expect_letters(0, "registered c1 test #0 live\n"); /* it has no use for a list */
    alice(TRANSPORT_SSE);
    snprintf(text, sizeof text,
             "registered c2 test #0 live\n"
             "to c2: {\"hello\":{\"client\":\"c2\",\"user\":\"alice\",\"channels\":[\"test\"]}} @0\n"
             "to c2: "
             "{\"presence\":{\"ch\":\"test\",\"users\":[{\"user\":"
             "\"alice\",\"clients\":[\"c1\",\"c2\"],"
             "\"since\":%" PRId64 "}]}}\n",
             since_of("test"));
    /* its own client is in the list: it is on the channel when it gets it */
    expect_letters(0, text);
    enter((struct newcomer){.transport = TRANSPORT_RAW, .channel = "else", .user = "alice"});
    skip_letters(); /* on another channel: in no list of this one */
    v1(1, "test");  /* nobody knows who: it is in no list, and gets it */
    snprintf(text, sizeof text,
             "registered c4 test #0 live\n" HELLO("4") SUB_FROM(
                 "4", "test", "7-0", "7-0") "\n"
                                            "to c4: "
                                            "{\"presence\":{\"ch\":\"test\",\"users\":[{\"user\":\"alice\","
                                            "\"clients\":[\"c1\",\"c2\"],"
                                            "\"since\":%" PRId64 "}]}}\n",
             since_of("test"));
    expect_letters(1, text);
    alice(TRANSPORT_RAW);
    leave(0, 1);
    leave(0, 2);
    skip_letters();
    enter((struct newcomer){.transport = TRANSPORT_SSE, .shard = 1, .channel = "test"});
    snprintf(
        text, sizeof text,
        "registered c6 test #0 live\n" STREAM(
            "6", " @0") "to c6: "
                        "{\"presence\":{\"ch\":\"test\",\"users\":[{\"user\":\"alice\",\"clients\":[\"c5\"],"
                        "\"since\":%" PRId64 "}]}}\n",
        since_of("test"));
    expect_letters(1, text);
}
END_TEST

static void on_seen(void *arg, const struct sight *s)
{
    (void)arg;
    buf_addf(&told, "%d %.*s %.*s\n", (int)s->kind, (int)s->channel_len, s->channel,
             s->user ? (int)s->user->name->len : 1, s->user ? s->user->name->text : "-");
}

/* The letters of one shard with a list, or NULL: the message, without a reference. */
static struct msg *next_list(int shard)
{
    for (;;) {
        struct mail m = next_letter(shard, (enum mail_kind) - 1);
        struct buf got = {0};
        if ((int)m.kind == -1)
            return NULL;
        struct msg *msg = m.ptr;
        bool is_list = m.kind == MAIL_DELIVER && msg->notice == NOTICE_PRESENCE;
        if (is_list)
            msg_ref(msg);
        add_letter(&got, &m);
        buf_fini(&got);
        if (is_list) {
            msg_unref(msg);
            return msg;
        }
    }
}

static bool has(const struct msg *m, const char *text)
{
    return memmem(m->payload, m->len, text, strlen(text)) != NULL;
}

/* One message for all who come in a turn, and for those who come later, until something has changed. */
START_TEST(a_list_is_made_once)
{
    config->channel.presence = PRESENCE_ON;
    alice(TRANSPORT_RAW);
    skip_letters();
    for (int i = 0; i < 3; i++)
        enter((struct newcomer){.transport = TRANSPORT_SSE,
                                .channel = "test",
                                .user = i == 2 ? NULL
                                        : i    ? "bob"
                                               : "carol"});
    hub_tell_lists(&hub);
    struct msg *list = next_list(0);
    ck_assert_ptr_nonnull(list);
    ck_assert(has(list, "bob")); /* the first one gets the last, too */
    ck_assert_ptr_eq(next_list(0), list);
    ck_assert_ptr_eq(next_list(0), list);
    ck_assert_ptr_null(next_list(0));
    v1(0, "test");
    hub_tell_lists(&hub);
    ck_assert_ptr_eq(next_list(0), list);
    alice(TRANSPORT_RAW); /* a client more is in it */
    v1(0, "test");
    hub_tell_lists(&hub);
    ck_assert(has(next_list(0), "\"c6\""));
    skip_letters();
}
END_TEST

/* Who comes between its seat and its list is told of twice; the list stands behind what is in it. */
START_TEST(what_is_told_before_the_list_is_in_it)
{
    char text[500];
    config->channel.presence = PRESENCE_ON;
    v1_on(1, "test");
    skip_letters();
    v1(1, "test");
    alice(TRANSPORT_RAW);
    snprintf(text, sizeof text,
             "registered c2 test #0 live\n" HELLO("2") SUB_FROM("2", "test", "7-0", "7-0") "\nto #0: " JOIN(
                 "test", "alice") "to c2: "
                                  "{\"presence\":{\"ch\":\"test\",\"users\":[{\"user\":\"alice\","
                                  "\"clients\":[\"c3\"],\"since\":%" PRId64 "}]}}\n",
             since_of("test"));
    expect_letters(1, text);
    skip_letters();
}
END_TEST

/* Who is not there any more when the turn is over. */
START_TEST(gone_before_it_is_told)
{
    config->channel.presence = PRESENCE_ON;
    leave(1, v1(1, "test"));
    uint64_t other = v1(1, "test");
    hub_tell_lists(&hub);
    ck_assert_ptr_nonnull(next_list(1));
    ck_assert_ptr_null(next_list(1));
    sub(other, "news", NULL);
    unsub(other, "news"); /* with it the channel goes */
    hub_tell_lists(&hub);
    ck_assert_ptr_null(next_list(1));
    sub(other, "news", NULL);
    unsub(other, "news");
    sub(other, "news", NULL);
    hub_tell_lists(&hub);
    ck_assert_ptr_nonnull(next_list(1));
    ck_assert_ptr_null(next_list(1));
    sub(other, "more", NULL);
    ck_assert_ptr_null(next_list(1)); /* and nobody is told at the end */
}
END_TEST

START_TEST(so_many_of_a_users_clients_are_named)
{
    config->channel.presence = PRESENCE_ON;
    for (int i = 0; i < 12; i++)
        alice(TRANSPORT_RAW);
    v1(0, "test");
    hub_tell_lists(&hub);
    const struct msg *list = next_list(0);
    ck_assert(has(list, ",\"c10\"],"));
    ck_assert_uint_eq(channel_named("test")->presence->users->count, 12);
}
END_TEST

static uint64_t user_comes(int user)
{
    char name[20];
    snprintf(name, sizeof name, "u%d", user);
    return enter((struct newcomer){.transport = TRANSPORT_RAW, .channel = "test", .user = name});
}

#define CROWDED(COUNT) "{\"presence\":{\"ch\":\"test\",\"users\":null,\"count\":" #COUNT "}}\n"

/* Above `presence_users` clients are told how many, until there are enough fewer; who looks on is told all.
 */
START_TEST(too_many_users)
{
    uint64_t users[7];
    config->channel.presence = PRESENCE_ON;
    config->channel.presence_users = 4;
    hub.up.seen = on_seen;
    hub.watched = SIGHT_JOINED | SIGHT_LEFT;
    v1_on(1, "test");
    skip_letters();
    for (int i = 0; i < 4; i++)
        users[i] = user_comes(i);
    expect_letters(1, "to #0: " JOIN("test", "u0") "to #0: " JOIN("test", "u1") "to #0: " JOIN(
                          "test", "u2") "to #0: " JOIN("test", "u3"));
    users[4] = user_comes(4);
    expect_letters(1, "to #0: " CROWDED(5));
    users[5] = user_comes(5);
    expect_letters(1, "");
    v1(1, "test");
    expect_letters(1, "registered c8 test #0 live\n" HELLO("8")
                          SUB_FROM("8", "test", "7-0", "7-0") "\nto c8: " CROWDED(6));
    leave(0, users[0]);
    leave(0, users[1]);
    expect_letters(1, ""); /* not at 4 either */
    buf_clear(&told);
    leave(0, users[2]);
    expect_told("32 test u2\n");
    hub_tell_lists(&hub);
    const struct msg *list = next_list(1);
    ck_assert(has(list, "u3"));
    ck_assert(!has(list, "u2"));
    ck_assert_ptr_null(next_list(1));
    users[6] = user_comes(6);
    expect_letters(1, "to #0: " JOIN("test", "u6"));
    leave(0, users[3]);
    expect_letters(1, "to #0: " LEAVE("test", "u3"));
    skip_letters();
    buf_clear(&told);
}
END_TEST

/* While the engine works it is not there yet, and whoever goes then was never there. */
START_TEST(nobody_is_there_before_the_engine_has_answered)
{
    config->channel.presence = PRESENCE_ON;
    v1_on(1, "test");
    late = true;
    uint64_t one = alice(TRANSPORT_V1);
    expect_letters(1, "");
    leave(0, one);
    engine_works();
    expect_letters(1, "");
    alice(TRANSPORT_V1);
    engine_works();
    expect_letters(1, "to #0: " JOIN("test", "alice"));
    skip_letters();
}
END_TEST

/* A position that is none: it was not there. */
START_TEST(nobody_is_there_who_is_refused)
{
    config->channel.presence = PRESENCE_ON;
    v1_on(1, "test");
    enter((struct newcomer){.transport = TRANSPORT_SSE, .channel = "test", .user = "alice", .since = "7-5"});
    enter((struct newcomer){.transport = TRANSPORT_V1, .channel = "test", .user = "alice", .since = "7-5"});
    expect_letters(1, "");
    ck_assert_ptr_null(channel_named("test")->presence);
    skip_letters();
}
END_TEST

/* They are told by channel, whatever the option `presence` says. */
START_TEST(who_looks_on_is_told)
{
    hub.up.seen = on_seen;
    hub.watched = SIGHT_JOINED | SIGHT_LEFT | SIGHT_OPENED | SIGHT_CLOSED;
    uint64_t one = alice(TRANSPORT_V1);
    expect_told("4 test alice\n16 test alice\n");
    sub(one, "news", NULL);
    expect_told("16 news alice\n");
    alice(TRANSPORT_RAW);
    expect_told("4 test alice\n");
    leave(0, one);
    expect_told("8 test alice\n32 news alice\n");
    leave(0, 2);
    expect_told("8 test alice\n32 test alice\n");
    /* whom nobody let in has not opened and not closed */
    enter((struct newcomer){.transport = TRANSPORT_SSE, .channel = "test", .since = "7-5"});
    hub.watched = SIGHT_LEFT;
    alice(TRANSPORT_RAW);
    late = true;
    leave(0, v1(0, "test"));
    expect_told("");
    skip_letters();
}
END_TEST

/* ---- the end ---- */

/* The sanitizer and end_world() see what is left. */
START_TEST(the_end_with_everything_open)
{
    config->channel.presence = PRESENCE_ON;
    publish_some("news", 3);
    uint64_t one = alice(TRANSPORT_V1);
    uint64_t two = v1_on(1, "test");
    sub(one, "news", "7-1");
    sub(two, "news", "7-0");
    sub(two, "else", NULL);
    client_says(one, "kept");
    publish(5, "else", "x", 1000);
    more(two, 1);
    late = true;
    alice(TRANSPORT_SSE);
    sub(one, "else", NULL);
    more(one, 1);
    publish(6, "else", "y", 1000);
    leave(1, two); /* with a message of alice kept, and what was read for it on its way */
    skip_letters();
    buf_clear(&told);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("seat");
    TCase *tc = tcase_create("seat");
    tcase_add_checked_fixture(tc, make_seat_world, end_seat_world);
    tcase_add_test(tc, each_transport_is_told_in_its_way);
    tcase_add_test(tc, who_it_is);
    tcase_add_test(tc, the_beginning_is_the_channels);
    tcase_add_test(tc, what_is_gone_is_told);
    tcase_add_test(tc, positions_that_are_none);
    tcase_add_test(tc, on_and_off);
    tcase_add_test(tc, off_its_own_and_back);
    tcase_add_test(tc, many_and_off_in_another_order);
    tcase_add_test(tc, no_more_than_so_many);
    tcase_add_test(tc, no_more_than_so_many_at_once);
    tcase_add_test(tc, messages_to_other_channels);
    tcase_add_test(tc, gone_while_the_engine_works);
    tcase_add_test(tc, gone_with_its_words_kept);
    tcase_add_test(tc, published_while_the_engine_works);
    tcase_add_test(tc, off_while_the_engine_works);
    tcase_add_test(tc, off_and_back_while_the_engine_works);
    tcase_add_test(tc, a_number_goes_to_another_channel);
    tcase_add_test(tc, asked_twice_while_the_engine_works);
    tcase_add_test(tc, nobodys_recipient_before_it_is_there);
    tcase_add_test(tc, wanderers_count_once);
    tcase_add_test(tc, who_came_later_is_no_recipient);
    tcase_add_test(tc, who_came_to_its_own_later_is_no_recipient);
    tcase_add_test(tc, gone_before_its_shard_began);
    tcase_add_test(tc, off_and_gone_before_its_shard_began);
    tcase_add_test(tc, off_its_own_and_gone_before_its_shard_began);
    tcase_add_test(tc, a_user_joins_and_leaves_once);
    tcase_add_test(tc, who_comes_is_told_who_is_there);
    tcase_add_test(tc, a_list_is_made_once);
    tcase_add_test(tc, what_is_told_before_the_list_is_in_it);
    tcase_add_test(tc, gone_before_it_is_told);
    tcase_add_test(tc, so_many_of_a_users_clients_are_named);
    tcase_add_test(tc, too_many_users);
    tcase_add_test(tc, nobody_is_there_before_the_engine_has_answered);
    tcase_add_test(tc, nobody_is_there_who_is_refused);
    tcase_add_test(tc, who_looks_on_is_told);
    tcase_add_test(tc, the_end_with_everything_open);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
