/* The mailbox: nothing lost, each sender's letters in order, and a wake-up whenever one is needed. */
#include "loop/mailbox.h"

#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "../heap.h"

struct letter {
    uint32_t sender;
    uint32_t number;
};

static struct mailbox box;

static void open_box(void)
{
    ck_assert_int_eq(mailbox_init(&box, sizeof(struct letter)), 0);
}

static void close_box(void)
{
    mailbox_fini(&box);
}

static void post(uint32_t sender, uint32_t number)
{
    struct letter l = {sender, number};
    if (mailbox_post(&box, &l))
        mailbox_wake(&box);
}

static size_t take(const struct letter **letters)
{
    const void *batch;
    size_t n = mailbox_take(&box, &batch);
    *letters = batch;
    return n;
}

static bool is_woken(int timeout)
{
    struct pollfd p = {.fd = box.wake_fd, .events = POLLIN};
    return poll(&p, 1, timeout) == 1;
}

/* ---- several threads ---- */

enum { SENDERS = 4, LETTERS = 50000 };

static void *send_all(void *arg)
{
    for (uint32_t i = 0; i < LETTERS; i++)
        post((uint32_t)(uintptr_t)arg, i);
    return NULL;
}

/* The owner sleeps whenever it may, as a loop does: a wake-up that is lost is a deadline that is missed. */
static void receive_all(void)
{
    uint32_t next[SENDERS] = {0};
    for (size_t got = 0; got < (size_t)SENDERS * LETTERS;) {
        const struct letter *letters;
        bool woken = mailbox_may_sleep(&box) && is_woken(5000);
        if (!woken && mailbox_waiting(&box) == 0)
            ck_abort_msg("slept on after %zu letters", got);
        mailbox_awake(&box, woken);
        size_t n = take(&letters);
        for (size_t i = 0; i < n; i++)
            if (letters[i].number != next[letters[i].sender]++)
                ck_abort_msg("sender %u: letter %u is out of order", letters[i].sender, letters[i].number);
        got += n;
    }
}

START_TEST(several_threads_post)
{
    pthread_t threads[SENDERS];
    const struct letter *letters;
    for (uintptr_t i = 0; i < SENDERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, send_all, (void *)i), 0);
    receive_all();
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(take(&letters), 0);
    ck_assert_uint_eq(mailbox_waiting(&box), 0);
}
END_TEST

/* ---- one thread ---- */

START_TEST(letters_to_itself_cost_no_wake_up)
{
    const struct letter *letters;
    for (uint32_t i = 0; i < 10; i++)
        post(0, i);
    ck_assert(!is_woken(0));
    ck_assert_uint_eq(mailbox_waiting(&box), 10);
    ck_assert(!mailbox_may_sleep(&box));
    post(0, 10);
    ck_assert(!is_woken(0));
    ck_assert_uint_eq(take(&letters), 11);
    ck_assert_uint_eq(mailbox_waiting(&box), 0);
    for (uint32_t i = 0; i < 11; i++)
        ck_assert_uint_eq(letters[i].number, i);
}
END_TEST

START_TEST(a_sleeper_is_woken_once)
{
    const struct letter *letters;
    uint64_t value;
    ck_assert(mailbox_may_sleep(&box));
    ck_assert(!is_woken(0));
    for (uint32_t i = 0; i < 5; i++)
        post(0, i);
    ck_assert(is_woken(0));
    ck_assert_int_eq(read(box.wake_fd, &value, sizeof value), sizeof value);
    ck_assert_uint_eq(value, 1);
    mailbox_awake(&box, false);
    ck_assert_uint_eq(take(&letters), 5);

    ck_assert(mailbox_may_sleep(&box));
    post(0, 5);
    mailbox_awake(&box, true);
    ck_assert(!is_woken(0));
    post(0, 6);
    ck_assert(!is_woken(0));
    ck_assert_uint_eq(take(&letters), 2);
    ck_assert(mailbox_may_sleep(&box));
}
END_TEST

/* Whoever posts may see to the wake-up later. */
START_TEST(woken_when_the_poster_is_done)
{
    struct letter l = {0, 0};
    const struct letter *letters;
    ck_assert(!mailbox_post(&box, &l));
    ck_assert_uint_eq(take(&letters), 1);
    ck_assert(mailbox_may_sleep(&box));
    for (int i = 0; i < 3; i++)
        ck_assert(mailbox_post(&box, &l));
    ck_assert(!is_woken(0));
    mailbox_wake(&box);
    ck_assert(is_woken(0));
    ck_assert(!mailbox_post(&box, &l));
    mailbox_awake(&box, true);
    mailbox_wake(&box);
    ck_assert(!is_woken(0));
}
END_TEST

/* What is posted while a batch is worked on waits for the next take, and leaves the batch alone. */
START_TEST(a_batch_stays_as_it_was)
{
    const struct letter *batch;
    const struct letter *next;
    for (uint32_t i = 0; i < 100; i++)
        post(1, i);
    ck_assert_uint_eq(take(&batch), 100);
    for (uint32_t i = 0; i < 1000; i++)
        post(2, i);
    ck_assert_uint_eq(mailbox_waiting(&box), 1000);
    for (uint32_t i = 0; i < 100; i++)
        ck_assert(batch[i].sender == 1 && batch[i].number == i);
    ck_assert_uint_eq(take(&next), 1000);
    ck_assert(next[0].sender == 2 && next[999].number == 999);
}
END_TEST

START_TEST(a_flood_gives_its_memory_back)
{
    const struct letter *letters;
    size_t before = heap_in_use();
    for (uint32_t i = 0; i < 1000000; i++)
        post(0, i);
    take(&letters);
    for (int i = 0; i < 4; i++) {
        post(0, 0);
        take(&letters);
    }
    ck_assert_uint_lt(heap_in_use(), before + 100000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mailbox");
    TCase *tc = tcase_create("mailbox");
    tcase_add_checked_fixture(tc, open_box, close_box);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, several_threads_post);
    tcase_add_test(tc, letters_to_itself_cost_no_wake_up);
    tcase_add_test(tc, a_sleeper_is_woken_once);
    tcase_add_test(tc, woken_when_the_poster_is_done);
    tcase_add_test(tc, a_batch_stays_as_it_was);
    tcase_add_test(tc, a_flood_gives_its_memory_back);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
