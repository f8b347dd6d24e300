/* Histories: every bound, holes, and a naive model beside them. */
#include "push/history.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 5, OPERATIONS = 100000, MODEL_MAX = 64 };

static const struct history_bounds any = {1000, 1 << 20, 0};

static struct timers timers;
static int64_t now;
static struct histories all;
static struct websocket *ws;
static struct history *emptied; /* the last that was told of */

static void on_emptied(void *arg, struct history *h)
{
    ck_assert_ptr_eq(arg, &all);
    ck_assert_uint_eq(h->messages, 0);
    emptied = h;
}

static void make_all(void)
{
    ws = websocket_new();
    now = 1000;
    timers_init(&timers, now);
    histories_init(&all, &timers, &now);
    all.emptied = on_emptied;
    all.arg = &all;
    emptied = NULL;
}

static void end_all(void)
{
    ck_assert_uint_eq(all.bytes, 0);
    ck_assert_uint_eq(all.messages, 0);
    websocket_free(ws);
}

static void pass(int64_t ms)
{
    now += ms;
    timers_run(&timers, now);
}

/* Adds a message of `len` bytes; `ttl` 0: it does not expire by itself. Returns what it weighs. */
static size_t add(struct history *h, uint64_t number, size_t len, int64_t ttl,
                  const struct history_bounds *bounds)
{
    static const char payload[1000];
    struct msg *m = msg_new(ws, WEBSOCKET_TEXT, payload, len);
    size_t weight = msg_weight(m);
    m->id = (struct msg_id){7, number};
    m->expires = ttl ? now + ttl : 0;
    history_add(h, m, bounds);
    msg_unref(m);
    return weight;
}

/* What it keeps, as text: "3 4 6, lost 2". */
static void expect(const struct history *h, const char *text)
{
    char kept[400] = "";
    size_t n = 0;
    for (uint64_t i = h->first; h->span && i <= history_last(h); i++)
        if (history_at(h, i)) {
            ck_assert_uint_eq(history_at(h, i)->id.seq, i);
            n += (size_t)snprintf(kept + n, sizeof kept - n, "%s%llu", n ? " " : "", (unsigned long long)i);
        }
    snprintf(kept + n, sizeof kept - n, ", lost %llu", (unsigned long long)h->lost);
    ck_assert_str_eq(kept, text);
}

START_TEST(the_newest_are_kept)
{
    struct history *h = history_new(&all, NULL, 10);
    expect(h, ", lost 10");
    struct history_bounds bounds = {3, 1 << 20, 0};
    for (uint64_t i = 11; i <= 13; i++)
        add(h, i, 5, 0, &bounds);
    expect(h, "11 12 13, lost 10");
    add(h, 14, 5, 0, &bounds);
    expect(h, "12 13 14, lost 11");
    ck_assert_uint_eq(all.trimmed, 1);
    ck_assert_ptr_null(history_at(h, 11));
    ck_assert_ptr_null(history_at(h, 15));
    ck_assert_ptr_null(history_at(h, 0));
    bounds.size = 1;
    history_bound(h, &bounds);
    expect(h, "14, lost 13");
    bounds.size = 0;
    history_bound(h, &bounds);
    expect(h, ", lost 14");
    ck_assert_uint_eq(h->span, 0);
    ck_assert_ptr_null(emptied); /* it is the caller who sees that */
    bounds.size = 2;
    add(h, 15, 5, 0, &bounds);
    expect(h, "15, lost 14");
    history_free(h);
}
END_TEST

START_TEST(bytes_are_bounded_but_for_the_newest)
{
    struct history *h = history_new(&all, NULL, 0);
    size_t weight = add(h, 1, 100, 0, &any);
    struct history_bounds bounds = {1000, 3 * weight, 0};
    add(h, 2, 100, 0, &bounds);
    add(h, 3, 100, 0, &bounds);
    expect(h, "1 2 3, lost 0");
    ck_assert_uint_eq(h->bytes, 3 * weight);
    add(h, 4, 100, 0, &bounds);
    expect(h, "2 3 4, lost 1");
    add(h, 5, 1000, 0, &bounds);
    expect(h, "5, lost 4");
    ck_assert_uint_gt(h->bytes, bounds.bytes);
    add(h, 6, 1, 0, &bounds);
    expect(h, "6, lost 5");
    history_free(h);
}
END_TEST

/* Nobody has to look for it. */
START_TEST(old_age)
{
    struct history *h = history_new(&all, NULL, 0);
    struct history_bounds bounds = {1000, 1 << 20, 500};
    add(h, 1, 5, 0, &bounds);
    pass(200);
    add(h, 2, 5, 0, &bounds);
    pass(299);
    expect(h, "1 2, lost 0");
    pass(1);
    expect(h, "2, lost 1");
    ck_assert_uint_eq(all.trimmed, 0);
    ck_assert_ptr_null(emptied);
    pass(200);
    ck_assert_ptr_eq(emptied, h);
    expect(h, ", lost 2");
    history_free(h);
    ck_assert_int_eq(timers_wait(&timers), -1);
}
END_TEST

START_TEST(another_age_holds_at_once)
{
    struct history *h = history_new(&all, NULL, 0);
    struct history_bounds bounds = {1000, 1 << 20, 0};
    add(h, 1, 5, 0, &bounds);
    ck_assert_int_eq(timers_wait(&timers), -1);
    pass(500);
    add(h, 2, 5, 0, &bounds);
    bounds.ttl = 600;
    history_bound(h, &bounds);
    expect(h, "1 2, lost 0");
    bounds.ttl = 400;
    history_bound(h, &bounds);
    expect(h, "2, lost 1");
    bounds.ttl = 1000;
    history_bound(h, &bounds);
    pass(400);
    expect(h, "2, lost 1"); /* the timer only looked */
    pass(600);
    ck_assert_ptr_eq(emptied, h);
    history_free(h);
}
END_TEST

START_TEST(what_expires_leaves_a_hole_and_is_not_lost)
{
    struct history *h = history_new(&all, NULL, 0);
    size_t weight = add(h, 1, 5, 0, &any);
    uint64_t one = all.bytes;
    add(h, 2, 5, 100, &any);
    add(h, 3, 5, 50, &any);
    add(h, 4, 5, 0, &any);
    pass(50);
    expect(h, "1 2 4, lost 0");
    pass(50);
    expect(h, "1 4, lost 0");
    ck_assert_uint_eq(h->messages, 2);
    ck_assert_uint_eq(h->span, 4);
    ck_assert_uint_eq(all.bytes, one + weight);
    struct history_bounds bounds = {3, 1 << 20, 0};
    history_bound(h, &bounds);
    expect(h, "4, lost 1"); /* the holes behind it go with it */
    ck_assert_uint_eq(h->span, 1);
    history_free(h);
}
END_TEST

START_TEST(all_may_expire)
{
    struct history *h = history_new(&all, NULL, 0);
    add(h, 1, 5, 10, &any);
    add(h, 2, 5, 20, &any);
    pass(10);
    ck_assert_ptr_null(emptied);
    expect(h, "2, lost 0");
    now += 10;
    expect(h, ", lost 0"); /* its time is over, its timer has not run yet */
    ck_assert_uint_eq(h->messages, 1);
    timers_run(&timers, now);
    ck_assert_ptr_eq(emptied, h);
    add(h, 3, 5, 30, &any);
    expect(h, "3, lost 0");
    history_free(h); /* and with it its timer */
    pass(30);
}
END_TEST

START_TEST(the_oldest_of_all_goes_first)
{
    struct history *a = history_new(&all, NULL, 0);
    struct history *b = history_new(&all, NULL, 0);
    add(a, 1, 5, 0, &any);
    add(b, 1, 5, 0, &any);
    add(b, 2, 5, 10, &any);
    add(a, 2, 5, 0, &any);
    add(b, 3, 5, 0, &any);
    pass(10);
    ck_assert(histories_lose_oldest(&all));
    expect(a, "2, lost 1");
    ck_assert(histories_lose_oldest(&all));
    expect(b, "3, lost 1");
    ck_assert_ptr_null(emptied);
    ck_assert(histories_lose_oldest(&all));
    ck_assert_ptr_eq(emptied, a);
    ck_assert(histories_lose_oldest(&all));
    ck_assert_ptr_eq(emptied, b);
    ck_assert(!histories_lose_oldest(&all));
    ck_assert_uint_eq(all.trimmed, 4);
    history_free(a);
    history_free(b);
    history_free(NULL);
}
END_TEST

/* What it takes follows what is in it, both ways. */
START_TEST(it_grows_and_shrinks)
{
    enum { COUNT = 1000, EACH_MAX = sizeof(struct history_entry) + 16 };
    struct history *h = history_new(&all, NULL, 0);
    size_t weight = add(h, 1, 5, 0, &any);
    uint64_t one = all.bytes;
    for (uint64_t i = 2; i <= COUNT; i++)
        add(h, i, 5, 0, &any);
    uint64_t grown = all.bytes - one - (COUNT - 1) * weight;
    ck_assert_uint_le(grown, COUNT * EACH_MAX);
    while (h->messages > 1)
        histories_lose_oldest(&all);
    expect(h, "1000, lost 999");
    ck_assert_uint_eq(all.bytes, one);
    history_free(h);
}
END_TEST

/* ---- a naive model ---- */

struct model_msg {
    uint64_t number;
    uint64_t age; /* among all */
    size_t weight;
    int64_t at;
    int64_t expires;
};

struct model {
    struct model_msg msgs[MODEL_MAX];
    size_t count;
    uint64_t last;
    uint64_t lost;
};

static struct model models[CHANNELS];
static struct history *histories[CHANNELS];
static struct history_bounds bounds_of[CHANNELS];

static void model_remove(struct model *m, size_t i, bool lost)
{
    if (lost && m->msgs[i].number > m->lost)
        m->lost = m->msgs[i].number;
    m->count--;
    memmove(&m->msgs[i], &m->msgs[i + 1], (m->count - i) * sizeof m->msgs[0]);
}

static size_t model_bytes(const struct model *m)
{
    size_t bytes = 0;
    for (size_t i = 0; i < m->count; i++)
        bytes += m->msgs[i].weight;
    return bytes;
}

static void model_pass_time(struct model *m, const struct history_bounds *b)
{
    for (size_t i = m->count; i-- > 0;)
        if (m->msgs[i].expires && m->msgs[i].expires <= now)
            model_remove(m, i, false);
    while (m->count && b->ttl && m->msgs[0].at + b->ttl <= now)
        model_remove(m, 0, true);
}

static void model_bound(struct model *m, const struct history_bounds *b)
{
    model_pass_time(m, b);
    while (m->count && m->last - m->msgs[0].number + 1 > b->size)
        model_remove(m, 0, true);
    while (m->count > 1 && model_bytes(m) > b->bytes)
        model_remove(m, 0, true);
}

static void model_lose_oldest(void)
{
    struct model *oldest = NULL;
    for (int i = 0; i < CHANNELS; i++)
        if (models[i].count && (!oldest || models[i].msgs[0].age < oldest->msgs[0].age))
            oldest = &models[i];
    ck_assert_int_eq(histories_lose_oldest(&all), oldest != NULL);
    if (oldest)
        model_remove(oldest, 0, true);
}

static unsigned random_below(unsigned n)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state % n);
}

/* No assertion: each would write a line somewhere. */
static bool is_alike(int i)
{
    const struct model *m = &models[i];
    const struct history *h = histories[i];
    size_t found = 0;
    bool alike = h->messages == m->count && h->lost == m->lost && h->bytes == model_bytes(m) &&
                 (h->span == 0) == (m->count == 0);
    for (uint64_t n = h->first; alike && h->span && n <= history_last(h); n++)
        if (history_at(h, n))
            alike = found < m->count && n == m->msgs[found++].number;
    return alike && found == m->count;
}

static void publish(int i)
{
    static uint64_t age;
    struct model *m = &models[i];
    int64_t ttl = random_below(3) ? 0 : 1 + random_below(60);
    size_t len = random_below(300);
    m->last++;
    size_t weight = add(histories[i], m->last, len, ttl, &bounds_of[i]);
    m->msgs[m->count++] = (struct model_msg){m->last, ++age, weight, now, ttl ? now + ttl : 0};
    model_bound(m, &bounds_of[i]);
}

static void change_bounds(int i)
{
    bounds_of[i] = (struct history_bounds){random_below(40), 1024 + random_below(8000),
                                           random_below(4) ? 20 + random_below(200) : 0};
    history_bound(histories[i], &bounds_of[i]);
    model_bound(&models[i], &bounds_of[i]);
}

START_TEST(as_a_naive_model_has_it)
{
    for (int i = 0; i < CHANNELS; i++) {
        histories[i] = history_new(&all, NULL, 0);
        change_bounds(i);
    }
    for (int k = 0; k < OPERATIONS; k++) {
        unsigned what = random_below(100);
        if (what < 80) {
            publish((int)random_below(CHANNELS));
        } else if (what < 82) {
            change_bounds((int)random_below(CHANNELS));
        } else if (what < 85) {
            model_lose_oldest();
        } else {
            pass(1 + random_below(5));
            for (int i = 0; i < CHANNELS; i++)
                model_pass_time(&models[i], &bounds_of[i]);
        }
        for (int i = 0; i < CHANNELS; i++)
            if (!is_alike(i))
                ck_abort_msg("operation %d: histories[%d] is not as the model", k, i);
    }
    for (int i = 0; i < CHANNELS; i++)
        history_free(histories[i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("history");
    TCase *tc = tcase_create("history");
    tcase_add_checked_fixture(tc, make_all, end_all);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_newest_are_kept);
    tcase_add_test(tc, bytes_are_bounded_but_for_the_newest);
    tcase_add_test(tc, old_age);
    tcase_add_test(tc, another_age_holds_at_once);
    tcase_add_test(tc, what_expires_leaves_a_hole_and_is_not_lost);
    tcase_add_test(tc, all_may_expire);
    tcase_add_test(tc, the_oldest_of_all_goes_first);
    tcase_add_test(tc, it_grows_and_shrinks);
    tcase_add_test(tc, as_a_naive_model_has_it);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
