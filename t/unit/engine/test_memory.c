/* The engine within the process: how it numbers, what it keeps and for whom, and what it forgets. */
#include "engine/memory.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "engine/keys.h"
#include "engine/sequences.h"

static struct engine *engine;
static struct timers timers;
static int64_t now;
static struct websocket *ws;
static struct channel_config config;
static struct msg_id last_id;
static enum publish_result last_result;
static struct msg *last_msg; /* a reference, where there was one */
static int answers;

/* What was read last, as text. */
static char told[2000];
static struct msg_id last_position;

static void on_published(void *arg, const struct publication *p, enum publish_result result, struct msg_id id,
                         const char *fault)
{
    ck_assert_ptr_eq(arg, &last_id);
    ck_assert_int_eq(p->asker.fd, 7);
    ck_assert_ptr_null(fault);
    last_result = result;
    last_id = id;
    answers++;
}

/* "1 2 5, at 5 of 9, more"; and the fault in place of the messages. */
static void on_read(void *arg, const struct reading *r, const struct excerpt *x)
{
    static const char *const results[] = {"", "gone", "other generation", "ahead"};
    size_t n = (size_t)snprintf(told, sizeof told, "%s", results[x->result]);
    ck_assert_ptr_eq(arg, &last_id);
    ck_assert_int_eq(r->asker.fd, 8);
    ck_assert_uint_eq(x->head.gen, last_id.gen);
    for (size_t i = 0; i < x->count; i++)
        n += (size_t)snprintf(told + n, sizeof told - n, "%s%d", i ? " " : "", (int)x->msgs[i]->id.seq);
    snprintf(told + n, sizeof told - n, ", at %d of %d%s", (int)x->position.seq, (int)x->head.seq,
             x->at_head ? "" : ", more");
    last_position = x->position;
    answers++;
}

static unsigned hash_of(const char *channel)
{
    return (unsigned)hash_keyed(channel, strlen(channel));
}

/* The number that the next message of a channel gets. */
static uint64_t publish_as(struct publication p)
{
    int before = answers;
    p.channel_len = strlen(p.channel);
    p.asker.fd = 7;
    p.config = &config;
    engine_memory.publish(engine, &p);
    ck_assert_int_eq(answers, before + 1); /* at once */
    return last_id.seq;
}

/* Without a message: nobody would get one. */
static uint64_t publish(const char *channel)
{
    return publish_as((struct publication){.channel = channel, .hash = hash_of(channel)});
}

static uint64_t publish_with(const char *channel, const char *text, int64_t ttl, const char *key)
{
    msg_unref(last_msg);
    last_msg = msg_new(ws, WEBSOCKET_TEXT, text, strlen(text));
    last_msg->expires = ttl ? now + ttl : 0;
    return publish_as((struct publication){.channel = channel,
                                           .hash = hash_of(channel),
                                           .msg = last_msg,
                                           .key = key,
                                           .key_len = key ? strlen(key) : 0,
                                           .ttl = ttl});
}

static uint64_t say(const char *channel)
{
    return publish_with(channel, "hello", 0, NULL);
}

static void say_times(const char *channel, int times)
{
    for (int i = 0; i < times; i++)
        say(channel);
}

/* What a reader without bounds gets, or one with those of `r`. */
static const char *read_as(const char *channel, struct reading r)
{
    int before = answers;
    r.channel = channel;
    r.channel_len = strlen(channel);
    r.hash = hash_of(channel);
    r.config = &config;
    r.most = r.most ? r.most : UINT32_MAX;
    r.bytes = r.bytes ? r.bytes : UINT64_MAX;
    r.swells = 1;
    r.asker.fd = 8;
    engine_memory.read(engine, &r);
    ck_assert_int_eq(answers, before + 1);
    return told;
}

static const char *read_from(const char *channel, enum reading_from from)
{
    return read_as(channel, (struct reading){.from = from});
}

static const char *read_after(const char *channel, uint64_t seq)
{
    return read_as(channel, (struct reading){.from = FROM_AFTER, .after = {last_id.gen, seq}});
}

static struct engine_figures figures(void)
{
    struct engine_figures f;
    engine_memory.figures(engine, &f);
    return f;
}

static void pass(int64_t ms)
{
    now += ms;
    timers_run(&timers, now);
}

static void make_engine(void)
{
    struct engine_up up = {
        .arg = &last_id, .timers = &timers, .now = &now, .published = on_published, .read = on_read};
    now = 1000;
    timers_init(&timers, now);
    ws = websocket_new();
    config = (struct channel_config){.history_size = 100, .history_bytes = 1 << 20};
    engine = engine_memory.open(&up);
    answers = 0;
    publish("x");
}

static void end_engine(void)
{
    engine_memory.close(engine);
    msg_unref(last_msg);
    last_msg = NULL;
    websocket_free(ws);
}

/* ---- numbers ---- */

START_TEST(each_channel_counts_for_itself)
{
    ck_assert_uint_eq(publish("a"), 1);
    uint64_t gen = last_id.gen;
    ck_assert_uint_eq(publish("a"), 2);
    ck_assert_uint_eq(publish("b"), 1);
    ck_assert_uint_eq(publish("ab"), 1);
    ck_assert_uint_eq(publish("a"), 3);
    ck_assert_uint_eq(publish("b"), 2);
    ck_assert_uint_gt(gen, 0);
    ck_assert_uint_eq(last_id.gen, gen);
    ck_assert_uint_eq(figures().channels, 4);
}
END_TEST

static uint64_t publish_hashed(const char *channel, unsigned hash)
{
    return publish_as((struct publication){.channel = channel, .hash = hash});
}

START_TEST(names_of_one_hash_are_not_one_channel)
{
    ck_assert_uint_eq(publish_hashed("a", 5), 1);
    ck_assert_uint_eq(publish_hashed("b", 5), 1);
    ck_assert_uint_eq(publish_hashed("c", 5), 1);
    ck_assert_uint_eq(publish_hashed("a", 5), 2);
    ck_assert_uint_eq(publish_hashed("b", 5), 2);
}
END_TEST

/* Of more channels than are kept the one that was published to longest ago is forgotten: it goes on above
 * every number that was forgotten, and whoever is kept goes on where it was. */
START_TEST(no_number_comes_twice)
{
    char name[20];
    publish("old");
    ck_assert_uint_eq(publish("old"), 2);
    publish("kept");
    for (int i = 0; i < SEQUENCES_KEPT - 3; i++) {
        snprintf(name, sizeof name, "n%d", i);
        ck_assert_uint_eq(publish(name), 1);
    }
    ck_assert_uint_eq(publish("kept"), 2);  /* all are */
    ck_assert_uint_eq(publish("new"), 2);   /* "x" is not any more */
    ck_assert_uint_eq(publish("newer"), 3); /* nor "old" */
    ck_assert_uint_eq(publish("old"), 3);
    ck_assert_uint_eq(publish("kept"), 3);
    ck_assert_uint_eq(publish("n1"), 2);
    ck_assert_uint_eq(publish("n0"), 3); /* went with "old"'s return */
    ck_assert_uint_eq(figures().channels, SEQUENCES_KEPT);
}
END_TEST

START_TEST(a_message_knows_its_place)
{
    int64_t before = clock_wall_ms();
    now++; /* a new turn: its time is looked at once */
    say("test");
    ck_assert_uint_eq(last_msg->id.gen, last_id.gen);
    ck_assert_uint_eq(last_msg->id.seq, 1);
    ck_assert_uint_eq(last_msg->channel->len, 4);
    ck_assert_mem_eq(last_msg->channel->text, "test", 4);
    ck_assert_int_ge(last_msg->time, before);
    ck_assert_int_le(last_msg->time, clock_wall_ms());
    config.history_size = 0;
    say("test");
    ck_assert_uint_eq(last_msg->id.seq, 2);
}
END_TEST

/* ---- reading ---- */

START_TEST(reading)
{
    ck_assert_str_eq(read_from("none", FROM_NOW), ", at 0 of 0");
    ck_assert_str_eq(read_from("none", FROM_ALL), ", at 0 of 0");
    ck_assert_str_eq(read_from("none", FROM_LAST), ", at 0 of 0");
    ck_assert_str_eq(read_after("none", 0), ", at 0 of 0");
    ck_assert_str_eq(read_after("none", 1), "ahead, at 0 of 0");
    say_times("test", 5);
    ck_assert_str_eq(read_from("test", FROM_NOW), ", at 5 of 5");
    ck_assert_str_eq(read_from("test", FROM_LAST), "5, at 5 of 5");
    ck_assert_str_eq(read_from("test", FROM_ALL), "1 2 3 4 5, at 5 of 5");
    ck_assert_str_eq(read_after("test", 0), "1 2 3 4 5, at 5 of 5");
    ck_assert_str_eq(read_after("test", 3), "4 5, at 5 of 5");
    ck_assert_str_eq(read_after("test", 5), ", at 5 of 5");
    ck_assert_str_eq(read_after("test", 6), "ahead, at 5 of 5");
    ck_assert_uint_eq(last_position.gen, last_id.gen);
    struct reading other = {.from = FROM_AFTER, .after = {last_id.gen - 1, 3}};
    ck_assert_str_eq(read_as("test", other), "other generation, at 5 of 5");
}
END_TEST

START_TEST(reading_in_parts)
{
    say_times("test", 9);
    struct reading r = {.from = FROM_AFTER, .after = last_id, .most = 3};
    r.after.seq = 2;
    ck_assert_str_eq(read_as("test", r), "3 4 5, at 5 of 9, more");
    r.after = last_position;
    ck_assert_str_eq(read_as("test", r), "6 7 8, at 8 of 9, more");
    r.after = last_position;
    ck_assert_str_eq(read_as("test", r), "9, at 9 of 9");
    ck_assert_str_eq(read_as("test", (struct reading){.from = FROM_ALL, .most = 9}),
                     "1 2 3 4 5 6 7 8 9, at 9 of 9");
    ck_assert_str_eq(read_as("test", (struct reading){.from = FROM_ALL, .most = 4, .newest = true}),
                     "6 7 8 9, at 9 of 9");
    r = (struct reading){.from = FROM_AFTER, .after = {last_id.gen, 7}, .most = 4, .newest = true};
    ck_assert_str_eq(read_as("test", r), "8 9, at 9 of 9");
}
END_TEST

/* At least one, whatever it takes. */
START_TEST(reading_so_many_bytes)
{
    say_times("test", 3);
    struct reading r = {.channel_len = 4, .swells = 1, .from = FROM_ALL, .bytes = 1};
    uint64_t cost = reading_cost(&r, last_msg);
    ck_assert_str_eq(read_as("test", r), "1, at 1 of 3, more");
    r.bytes = 2 * cost;
    ck_assert_str_eq(read_as("test", r), "1 2, at 2 of 3, more");
    r.bytes = 3 * cost - 1;
    ck_assert_str_eq(read_as("test", r), "1 2, at 2 of 3, more");
    r.newest = true;
    ck_assert_str_eq(read_as("test", r), "2 3, at 3 of 3");
    r.bytes = 3 * cost;
    ck_assert_str_eq(read_as("test", r), "1 2 3, at 3 of 3");
}
END_TEST

START_TEST(what_is_gone)
{
    config.history_size = 3;
    say_times("test", 5);
    ck_assert_str_eq(read_from("test", FROM_ALL), "3 4 5, at 5 of 5");
    ck_assert_str_eq(read_after("test", 2), "3 4 5, at 5 of 5");
    ck_assert_str_eq(read_after("test", 1), "gone, at 5 of 5");
    ck_assert_uint_eq(figures().messages, 3);
    ck_assert_uint_eq(figures().trimmed, 2);
    config.history_size = 1; /* the options were read anew */
    ck_assert_str_eq(read_after("test", 2), "gone, at 5 of 5");
    ck_assert_str_eq(read_after("test", 4), "5, at 5 of 5");
    config.history_size = 0;
    ck_assert_str_eq(read_after("test", 4), "gone, at 5 of 5");
    ck_assert_str_eq(read_after("test", 5), ", at 5 of 5");
    ck_assert_str_eq(read_from("test", FROM_ALL), ", at 5 of 5");
    ck_assert_uint_eq(figures().messages, 0);
}
END_TEST

START_TEST(where_nothing_is_kept)
{
    config.history_size = 0;
    say_times("test", 2);
    ck_assert_str_eq(read_after("test", 2), ", at 2 of 2");
    ck_assert_str_eq(read_after("test", 1), "gone, at 2 of 2");
    config.history_size = 10;
    say("test");
    ck_assert_str_eq(read_after("test", 2), "3, at 3 of 3");
    ck_assert_str_eq(read_after("test", 1), "gone, at 3 of 3");
    config.history_size = 0; /* and what was kept ends there */
    say("test");
    ck_assert_str_eq(read_after("test", 3), "gone, at 4 of 4");
    config.history_size = 10;
    say("test");
    ck_assert_str_eq(read_from("test", FROM_ALL), "5, at 5 of 5");
}
END_TEST

START_TEST(old_age_needs_no_reader)
{
    config.history_ttl = 1000;
    say("test");
    pass(500);
    say("test");
    pass(500);
    ck_assert_uint_eq(figures().messages, 1);
    ck_assert_str_eq(read_after("test", 0), "gone, at 2 of 2");
    ck_assert_str_eq(read_after("test", 1), "2, at 2 of 2");
    pass(500);
    ck_assert_uint_eq(figures().messages, 0);
    ck_assert_str_eq(read_after("test", 1), "gone, at 2 of 2");
    ck_assert_str_eq(read_after("test", 2), ", at 2 of 2");
    ck_assert_uint_eq(say("test"), 3);
    ck_assert_str_eq(read_after("test", 2), "3, at 3 of 3");
    ck_assert_uint_eq(figures().trimmed, 0);
}
END_TEST

START_TEST(a_message_of_its_own_age_is_not_gone)
{
    say("test");
    publish_with("test", "soon over", 100, NULL);
    say("test");
    publish_with("test", "soon over", 100, NULL);
    ck_assert_str_eq(read_after("test", 0), "1 2 3 4, at 4 of 4");
    pass(100);
    ck_assert_str_eq(read_after("test", 0), "1 3, at 3 of 4");
    ck_assert_str_eq(read_after("test", 1), "3, at 3 of 4");
    ck_assert_str_eq(read_after("test", 3), ", at 3 of 4");
    ck_assert_str_eq(read_from("test", FROM_LAST), "3, at 3 of 4");
    ck_assert_uint_eq(figures().messages, 2);
    publish_with("brief", "soon over", 100, NULL);
    pass(100);
    ck_assert_str_eq(read_after("brief", 0), ", at 0 of 1"); /* nothing to read, and nothing missed */
    ck_assert_uint_eq(say("brief"), 2);
    ck_assert_str_eq(read_after("brief", 0), "2, at 2 of 2");
}
END_TEST

/* ---- keys ---- */

static void expect_before(const char *channel, const char *key, uint64_t number)
{
    ck_assert_uint_eq(publish_with(channel, "again", 0, key), number);
    ck_assert_int_eq(last_result, PUBLISHED_BEFORE);
    ck_assert_uint_eq(last_msg->id.gen, 0);
}

static void expect_new(const char *channel, const char *key, uint64_t number)
{
    ck_assert_uint_eq(publish_with(channel, "first", 0, key), number);
    ck_assert_int_eq(last_result, PUBLISHED);
}

START_TEST(a_key_is_published_once)
{
    expect_new("test", "k", 1);
    expect_before("test", "k", 1);
    expect_new("test", "kk", 2);
    expect_new("other", "k", 1);
    expect_before("test", "kk", 2);
    expect_before("test", "k", 1);
    ck_assert_uint_eq(say("test"), 3);
    ck_assert_str_eq(read_from("test", FROM_ALL), "1 2 3, at 3 of 3");
    config.history_size = 0;
    expect_new("plain", "k", 1);
    expect_before("plain", "k", 1);
}
END_TEST

START_TEST(a_key_lives_five_minutes)
{
    expect_new("test", "k", 1);
    pass(KEY_LIFE_MS / 2);
    expect_new("test", "later", 2);
    expect_before("test", "k", 1); /* which does not make it younger */
    pass(KEY_LIFE_MS / 2 - 1);
    expect_before("test", "k", 1);
    uint64_t bytes = figures().bytes;
    pass(1);
    ck_assert_uint_lt(figures().bytes, bytes); /* nobody has to ask */
    expect_new("test", "k", 3);
    expect_before("test", "later", 2);
    pass(KEY_LIFE_MS);
    expect_new("test", "later", 4);
}
END_TEST

/* A turn may be long: a key is over when its time is, whether its timer has run or not. */
START_TEST(a_key_is_over_before_its_timer)
{
    expect_new("test", "k", 1);
    now += KEY_LIFE_MS;
    expect_new("test", "k", 2);
    expect_before("test", "k", 2);
    timers_run(&timers, now);
    expect_before("test", "k", 2);
    pass(KEY_LIFE_MS);
    expect_new("test", "k", 3);
}
END_TEST

START_TEST(so_many_keys_a_channel)
{
    char key[20];
    config.history_size = 0;
    expect_new("other", "0", 1);
    for (int i = 0; i < KEYS_PER_CHANNEL; i++) {
        snprintf(key, sizeof key, "%d", i);
        expect_new("test", key, (uint64_t)i + 1);
    }
    expect_before("test", "0", 1);
    expect_new("test", "one more", KEYS_PER_CHANNEL + 1);
    expect_new("test", "0", KEYS_PER_CHANNEL + 2);
    expect_before("test", "2", 3);
    expect_before("other", "0", 1);
}
END_TEST

/* ---- bounds of all together ---- */

START_TEST(above_the_total_the_oldest_message_of_all_goes)
{
    say_times("a", 3);
    say_times("b", 3);
    engine_memory.set_total(engine, figures().bytes);
    say("b");
    ck_assert_str_eq(read_from("a", FROM_ALL), "2 3, at 3 of 3");
    ck_assert_str_eq(read_after("a", 0), "gone, at 3 of 3");
    engine_memory.set_total(engine, figures().bytes - 1);
    ck_assert_str_eq(read_from("a", FROM_ALL), "3, at 3 of 3");
    say_times("b", 4);
    ck_assert_str_eq(read_from("a", FROM_ALL), ", at 3 of 3");
    ck_assert_uint_gt(figures().trimmed, 0);
    engine_memory.set_total(engine, 0);
    ck_assert_uint_eq(figures().messages, 0);
    say("b"); /* is numbered at least */
    ck_assert_uint_eq(last_id.seq, 9);
    ck_assert_str_eq(read_after("b", 9), ", at 9 of 9");
    ck_assert_str_eq(read_after("b", 8), "gone, at 9 of 9");
}
END_TEST

/* One byte less than there are. */
static void press(void)
{
    engine_memory.set_total(engine, figures().bytes - 1);
}

START_TEST(then_numbers_are_forgotten_and_then_keys)
{
    expect_new("keyed", "k", 1);
    say_times("a", 2);
    config.history_size = 0;
    publish("b");
    while (figures().messages)
        press();
    ck_assert_uint_eq(figures().channels, 4);
    press(); /* "x" */
    ck_assert_uint_eq(figures().channels, 3);
    press(); /* "a" */
    press(); /* "b" */
    ck_assert_uint_eq(figures().channels, 1);
    expect_before("keyed", "k", 1);
    press();
    expect_new("keyed", "k", 2);
}
END_TEST

/* The table of many names is large, and gone with the last of them: then there is room again. */
START_TEST(a_lower_total_leaves_room)
{
    char name[20];
    for (int i = 0; i < SEQUENCES_KEPT; i++) {
        snprintf(name, sizeof name, "n%d", i);
        publish(name);
    }
    engine_memory.set_total(engine, 64 * 1024);
    ck_assert_uint_le(figures().bytes, 64 * 1024);
    uint64_t number = say("test");
    ck_assert_uint_gt(number, 1);
    ck_assert_uint_eq(figures().messages, 1);
}
END_TEST

START_TEST(channels_that_keep_something_are_not_forgotten)
{
    char name[20];
    say_times("kept", 3);
    config.history_size = 0;
    expect_new("keyed", "k", 1);
    for (int i = 0; i < SEQUENCES_KEPT + 10; i++) {
        snprintf(name, sizeof name, "n%d", i);
        publish(name);
    }
    ck_assert_uint_eq(figures().channels, SEQUENCES_KEPT + 2);
    config.history_size = 100;
    ck_assert_str_eq(read_after("kept", 1), "2 3, at 3 of 3");
    expect_before("keyed", "k", 1);
}
END_TEST

/* A channel whose history is over and that is forgotten goes on above the floor. */
START_TEST(a_forgotten_channel_is_gone_below_the_floor)
{
    char name[20];
    config.history_ttl = 1000;
    say_times("test", 5);
    pass(1000);
    for (int i = 0; i < SEQUENCES_KEPT; i++) {
        snprintf(name, sizeof name, "n%d", i);
        publish(name);
    }
    ck_assert_str_eq(read_after("test", 5), ", at 5 of 5");
    ck_assert_str_eq(read_after("test", 4), "gone, at 5 of 5");
    ck_assert_str_eq(read_after("test", 6), "ahead, at 5 of 5");
    ck_assert_uint_eq(say("test"), 6);
    ck_assert_str_eq(read_after("test", 5), "6, at 6 of 6");
    ck_assert_str_eq(read_after("test", 4), "gone, at 6 of 6");
}
END_TEST

START_TEST(forms_count_too)
{
    static char long_text[2000];
    memset(long_text, 'm', sizeof long_text - 1);
    publish_with("test", long_text, 0, NULL);
    uint64_t bytes = figures().bytes;
    const struct msg *form = msg_compressed(last_msg, ws, 6);
    ck_assert_ptr_ne(form, last_msg);
    ck_assert_uint_eq(figures().bytes, bytes + msg_weight(form));
    config.history_size = 0;
    ck_assert_str_eq(read_from("test", FROM_ALL), ", at 1 of 1");
    ck_assert_uint_eq(msg_kept_forms(), 0); /* somebody has the message still, but not for us */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("memory");
    TCase *tc = tcase_create("memory");
    tcase_add_checked_fixture(tc, make_engine, end_engine);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, each_channel_counts_for_itself);
    tcase_add_test(tc, names_of_one_hash_are_not_one_channel);
    tcase_add_test(tc, no_number_comes_twice);
    tcase_add_test(tc, a_message_knows_its_place);
    tcase_add_test(tc, reading);
    tcase_add_test(tc, reading_in_parts);
    tcase_add_test(tc, reading_so_many_bytes);
    tcase_add_test(tc, what_is_gone);
    tcase_add_test(tc, where_nothing_is_kept);
    tcase_add_test(tc, old_age_needs_no_reader);
    tcase_add_test(tc, a_message_of_its_own_age_is_not_gone);
    tcase_add_test(tc, a_key_is_published_once);
    tcase_add_test(tc, a_key_lives_five_minutes);
    tcase_add_test(tc, a_key_is_over_before_its_timer);
    tcase_add_test(tc, so_many_keys_a_channel);
    tcase_add_test(tc, above_the_total_the_oldest_message_of_all_goes);
    tcase_add_test(tc, then_numbers_are_forgotten_and_then_keys);
    tcase_add_test(tc, a_lower_total_leaves_room);
    tcase_add_test(tc, channels_that_keep_something_are_not_forgotten);
    tcase_add_test(tc, a_forgotten_channel_is_gone_below_the_floor);
    tcase_add_test(tc, forms_count_too);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
