/* The engine within the process: how it numbers, and what it forgets. */
#include "engine/memory.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

static struct engine *engine;
static struct msg_id last_id;
static int answers;

static void on_published(void *arg, const struct publication *p, enum publish_result result, struct msg_id id,
                         const char *fault)
{
    ck_assert_ptr_eq(arg, &last_id);
    ck_assert_int_eq(p->asker.fd, 7);
    ck_assert_int_eq(result, PUBLISHED);
    ck_assert_ptr_null(fault);
    last_id = id;
    answers++;
}

static uint64_t publish_hashed(const char *channel, unsigned hash)
{
    struct publication p = {.channel = channel, .channel_len = strlen(channel), .hash = hash, .asker.fd = 7};
    int before = answers;
    engine_memory.publish(engine, &p);
    ck_assert_int_eq(answers, before + 1); /* at once */
    return last_id.seq;
}

/* The number that the next message of a channel gets. */
static uint64_t publish(const char *channel)
{
    return publish_hashed(channel, (unsigned)hash_keyed(channel, strlen(channel)));
}

static void make_engine(void)
{
    struct engine_up up = {.arg = &last_id, .published = on_published};
    engine = engine_memory.open(&up);
    answers = 0;
}

static void end_engine(void)
{
    engine_memory.close(engine);
}

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
}
END_TEST

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
    enum { KEPT = 10000 };
    char name[20];
    publish("old");
    ck_assert_uint_eq(publish("old"), 2);
    publish("kept");
    for (int i = 0; i < KEPT - 2; i++) {
        snprintf(name, sizeof name, "n%d", i);
        ck_assert_uint_eq(publish(name), 1);
    }
    ck_assert_uint_eq(publish("kept"), 2); /* all are */
    ck_assert_uint_eq(publish("new"), 3);  /* "old" is not any more */
    ck_assert_uint_eq(publish("old"), 3);
    ck_assert_uint_eq(publish("kept"), 3);
    ck_assert_uint_eq(publish("n1"), 2);
    ck_assert_uint_eq(publish("n0"), 3); /* went with "old"'s return */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("memory");
    TCase *tc = tcase_create("memory");
    tcase_add_checked_fixture(tc, make_engine, end_engine);
    tcase_add_test(tc, each_channel_counts_for_itself);
    tcase_add_test(tc, names_of_one_hash_are_not_one_channel);
    tcase_add_test(tc, no_number_comes_twice);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
