/* What the hub tells whoever watches: each kind only while it is watched, in the channel's order, and at no
 * cost where nobody does. */
#include "fake_world.h"

static struct buf seen;

static void on_seen(void *arg, const struct sight *sight)
{
    static const char *const names[] = {[SIGHT_PUSHED] = "pushed",
                                        [SIGHT_SAID] = "said",
                                        [SIGHT_OPENED] = "opened",
                                        [SIGHT_CLOSED] = "closed"};
    (void)arg;
    buf_addf(&seen, "%s %.*s", names[sight->kind], (int)sight->channel_len, sight->channel);
    if (sight->client)
        buf_addf(&seen, " c%" PRIu64, sight->client);
    if (sight->msg)
        buf_addf(&seen, " '%.*s'", (int)sight->msg->len, sight->msg->payload);
    if (sight->code)
        buf_addf(&seen, " %u", sight->code);
    buf_addc(&seen, '\n');
}

static void expect_seen(const char *text)
{
    ck_assert_str_eq(buf_str(&seen), text);
    buf_clear(&seen);
}

/* An engine that keeps nothing and answers at once. */
static const struct msg *made;

static void prompt_publish(struct engine *e, const struct publication *p)
{
    made = p->msg;
    e->up.published(e->up.arg, p, PUBLISHED, (struct msg_id){7, ++e->seq}, NULL);
}

static const struct engine_ops prompt_engine = {.name = "prompt",
                                                .keeps_messages = false,
                                                .open = late_open,
                                                .close = late_close,
                                                .publish = prompt_publish};

static void begin(unsigned watched)
{
    make_world();
    hub.up.seen = on_seen;
    hub.watched = watched;
}

static void end(void)
{
    end_world();
    buf_fini(&seen);
}

START_TEST(only_what_is_watched)
{
    static const char *const all[] = {"opened t c1\n", "said t c1 'hi'\n", "pushed t 'x'\n",
                                      "closed t c1 4001\n"};
    static const unsigned kinds[] = {SIGHT_OPENED, SIGHT_SAID, SIGHT_PUSHED, SIGHT_CLOSED};
    char expected[200] = "";
    begin((unsigned)_i);
    hub.engine_ops = &prompt_engine;
    uint64_t c = join(0, "t");
    client_says(c, "hi");
    publish(1, "t", "x", 0);
    expect_delivery(0, "x");
    expect_told("published 1: 1 got 7-1\n");
    say((struct mail){.kind = MAIL_GONE, .conn = {.shard = 0}, .number = c, .value = 4001});
    for (int i = 0; i < 4; i++)
        strcat(expected, (unsigned)_i & kinds[i] ? all[i] : "");
    expect_seen(expected);
    end();
}
END_TEST

/* A message to nobody is made if it is watched, and goes to no shard. */
START_TEST(pushed_to_nobody)
{
    begin(0);
    hub.engine_ops = &prompt_engine;
    publish(1, "t", "unseen", 0);
    ck_assert_ptr_null(made);
    hub.watched = SIGHT_SAID;
    publish(2, "t", "unseen", 0);
    ck_assert_ptr_null(made);
    hub.watched = SIGHT_PUSHED;
    publish(3, "t", "seen", 0);
    expect_told("published 1: 0 got 7-1\npublished 2: 0 got 7-2\npublished 3: 0 got 7-3\n");
    expect_seen("pushed t 'seen'\n");
    expect_no_letters();
    end();
}
END_TEST

/* When it has its number, and not if it gets none. */
START_TEST(pushed_late)
{
    begin(SIGHT_PUSHED);
    publish(1, "t", "a", 0);
    publish(2, "u", "b", 0);
    publish(3, "t", "c", 0);
    expect_seen("");
    engine_answers(NULL);
    expect_seen("pushed t 'a'\n");
    engine_answers("STORE it is full");
    engine_answers(NULL);
    expect_seen("pushed t 'c'\n");
    expect_told("published 1: 0 got 7-1\npublished 2: STORE it is full\npublished 3: 0 got 7-2\n");
    end();
}
END_TEST

/* What goes past the channels is no channel's. */
START_TEST(other_targets)
{
    begin(SIGHT_PUSHED);
    uint64_t c = join(0, "t");
    ck_assert_int_eq(send_to(to_all, "x", 1, 0), HUB_OK);
    ck_assert_int_eq(send_to(to_client(c), "y", 2, 0), HUB_OK);
    expect_delivery(0, "x");
    expect_delivery(0, "y");
    expect_told("published 1: 1 got 0-0\npublished 2: 1 got 0-0\n");
    expect_seen("");
    end();
}
END_TEST

/* What a client says to a channel that publishes is said first. */
START_TEST(said_and_pushed)
{
    begin(SIGHT_PUSHED | SIGHT_SAID);
    uint64_t c = join(0, "t");
    struct channel_config config_that_publishes = *hub_find_channel(&hub, "t", 1)->config;
    config_that_publishes.inbound = INBOUND_PUBLISH;
    hub_find_channel(&hub, "t", 1)->config = &config_that_publishes;
    client_says(c, "hi");
    expect_seen("said t c1 'hi'\n");
    engine_answers(NULL);
    expect_seen("pushed t 'hi'\n");
    expect_delivery(0, "hi");
    buf_clear(&told); /* nobody asked */
    end();
}
END_TEST

/* A client that is gone has said its last. */
START_TEST(gone)
{
    begin(SIGHT_SAID | SIGHT_CLOSED);
    uint64_t c = join(1, "t");
    client_says(c, "last");
    leave(1, c);
    leave(1, c + 1); /* never came */
    expect_seen("said t c1 'last'\nclosed t c1\n");
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sight");
    TCase *tc = tcase_create("sight");
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, only_what_is_watched, 0, 16);
    tcase_add_test(tc, pushed_to_nobody);
    tcase_add_test(tc, pushed_late);
    tcase_add_test(tc, other_targets);
    tcase_add_test(tc, said_and_pushed);
    tcase_add_test(tc, gone);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
