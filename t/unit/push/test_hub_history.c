/* Keys, messages that expire and histories, as the hub hands them to an engine and back. */
#include "fake_world.h"

/* ---- an engine that knows all keys, and has two messages ---- */

static struct publication last_publication;
static char last_key[50];
static int64_t last_expires;
static struct reading last_reading;
static char last_channel[50];

static void publish_known(struct engine *e, const struct publication *p)
{
    last_publication = *p;
    snprintf(last_key, sizeof last_key, "%.*s", (int)p->key_len, p->key ? p->key : "");
    last_expires = p->msg ? p->msg->expires : 0;
    if (p->key_len)
        e->up.published(e->up.arg, p, PUBLISHED_BEFORE, (struct msg_id){7, 3}, NULL);
    else
        e->up.published(e->up.arg, p, PUBLISHED, (struct msg_id){7, ++e->seq}, NULL);
}

static void read_two(struct engine *e, const struct reading *r)
{
    struct msg *msgs[2];
    last_reading = *r;
    snprintf(last_channel, sizeof last_channel, "%.*s", (int)r->channel_len, r->channel);
    for (uint64_t i = 0; i < 2; i++) {
        msgs[i] = msg_new(hub.ws, WEBSOCKET_TEXT, "x", 1);
        msgs[i]->id = (struct msg_id){7, i + 1};
    }
    struct excerpt x = {.head = {7, 2}, .position = {7, 2}, .at_head = true, .msgs = msgs, .count = 2};
    e->up.read(e->up.arg, r, &x);
    msg_unref(msgs[0]);
    msg_unref(msgs[1]);
}

static const struct engine_ops knowing_engine = {.name = "knowing",
                                                 .open = late_open,
                                                 .close = late_close,
                                                 .publish = publish_known,
                                                 .read = read_two,
                                                 .set_total = late_set_total};

static void on_history(void *arg, const struct reading *r, const struct excerpt *x)
{
    (void)arg;
    buf_addf(&told, "history %" PRIu64 ": %zu\n", r->asker.slot, x->count);
}

static void begin(void)
{
    make_world();
    hub.engine_ops = &knowing_engine;
    hub.up.history = on_history;
}

static enum hub_answer send_with(struct target target, const char *key, int64_t ttl, enum wish wish)
{
    const struct sending sending = {.payload = "hello",
                                    .len = 5,
                                    .asker = slot(1),
                                    .wish = wish,
                                    .receipt_timeout = 1000,
                                    .key = key,
                                    .key_len = strlen(key),
                                    .ttl = ttl};
    return hub_send(&hub, &target, &sending);
}

START_TEST(a_known_key_goes_to_nobody)
{
    join(0, "test");
    ck_assert_int_eq(send_with(to_channel("test"), "k", 0, WISH_NOTHING), HUB_OK);
    ck_assert_str_eq(last_key, "k");
    expect_told("published 1: 0 got 7-3\n");
    ck_assert_int_eq(send_with(to_channel("test"), "k", 0, WISH_HANDED), HUB_OK);
    expect_told("published 1: 0 got 7-3\n"); /* a receipt has nobody to wait for */
    ck_assert_uint_eq(hub.published, 0);
    hub.watched = SIGHT_PUSHED;
    ck_assert_int_eq(send_with(to_channel("test"), "k", 0, WISH_NOTHING), HUB_OK);
    expect_told("published 1: 0 got 7-3\n"); /* and nobody sees it pass by: up.seen is not there */
    hub.watched = 0;
    ck_assert_int_eq(send_with(to_channel("other"), "", 0, WISH_NOTHING), HUB_OK);
    ck_assert_uint_eq(hub.published, 1);
    ck_assert_uint_eq(last_publication.key_len, 0);
    expect_told("published 1: 0 got 7-1\n");
}
END_TEST

START_TEST(a_message_knows_when_it_expires)
{
    uint64_t one = join(0, "test");
    ck_assert_int_eq(send_with(to_channel("test"), "", 500, WISH_NOTHING), HUB_OK);
    ck_assert_int_eq(last_expires, hub_loop.now + 500);
    ck_assert_int_eq(last_publication.ttl, 500);
    expect_delivery(0, "hello");
    ck_assert_int_eq(send_with(to_channel("test"), "", 0, WISH_NOTHING), HUB_OK);
    ck_assert_int_eq(last_expires, 0);
    expect_delivery(0, "hello");
    expect_told("published 1: 1 got 7-1\npublished 1: 1 got 7-2\n");
    ck_assert_int_eq(send_with(to_client(one), "", 500, WISH_NOTHING), HUB_OK);
    struct mail mail = next_letter(0, MAIL_DELIVER);
    struct msg *m = mail.ptr;
    ck_assert_int_eq(m->expires, hub_loop.now + 500);
    atomic_fetch_sub(&world.mail_bytes, m->len + crowd_size(mail.crowd));
    msg_unref(m);
    expect_told("published 1: 1 got 0-0\n");
}
END_TEST

START_TEST(where_a_history_is_kept_the_message_is_made)
{
    config->channel.history_size = 1;
    ck_assert_int_eq(send_with(to_channel("test"), "", 0, WISH_NOTHING), HUB_OK);
    ck_assert_ptr_nonnull(last_publication.msg);
    config->channel.history_size = 0;
    ck_assert_int_eq(send_with(to_channel("test"), "", 0, WISH_NOTHING), HUB_OK);
    ck_assert_ptr_null(last_publication.msg);
    expect_told("published 1: 0 got 7-1\npublished 1: 0 got 7-2\n");
}
END_TEST

START_TEST(operators_read)
{
    const struct target test = to_channel("test");
    struct history_wish wish = {.most = 5};
    hub_history(&hub, &test, &wish, slot(9));
    expect_told("history 9: 2\n");
    ck_assert_str_eq(last_channel, "test");
    ck_assert_ptr_eq(last_reading.config, &config->channel);
    ck_assert_int_eq(last_reading.from, FROM_ALL);
    ck_assert(last_reading.newest);
    ck_assert_uint_eq(last_reading.most, 5);
    ck_assert_uint_eq(last_reading.hash, (unsigned)hash_keyed("test", 4));
    wish.after = (struct msg_id){7, 1};
    hub_history(&hub, &test, &wish, slot(10));
    expect_told("history 10: 2\n");
    ck_assert_int_eq(last_reading.from, FROM_AFTER);
    ck_assert_uint_eq(last_reading.after.seq, 1);
    ck_assert(!last_reading.newest);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hub_history");
    TCase *tc = tcase_create("hub_history");
    tcase_add_checked_fixture(tc, begin, end_world);
    tcase_add_test(tc, a_known_key_goes_to_nobody);
    tcase_add_test(tc, a_message_knows_when_it_expires);
    tcase_add_test(tc, where_a_history_is_kept_the_message_is_made);
    tcase_add_test(tc, operators_read);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
