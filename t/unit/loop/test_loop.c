/*
 * The turn: its order, descriptors whose numbers come again, pausing, and the end of things. The clock is
 * ours here: a millisecond at each look.
 */
#include "loop/loop.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static int64_t now;

int64_t clock_mono_ms(void)
{
    return ++now;
}

int64_t clock_wall_ms(void)
{
    return 0;
}

static struct loop loop;
static char story[400]; /* what happened, a letter each */
static unsigned turns;
static unsigned last_turn; /* stops there */

static void tell(char what)
{
    size_t n = strlen(story);
    if (n + 1 < sizeof story)
        story[n] = what;
}

/* ---- what is in the loop ---- */

/* The reading end of a pipe. `on_read` is what it does. */
struct reader {
    struct io io;
    char name;
    int writer;
    void (*on_read)(struct reader *r, uint32_t events);
    int refuse_resume; /* so many times */
};

static void on_event(struct loop *l, struct io *io, uint32_t events)
{
    struct reader *r = LIST_ENTRY(io, struct reader, io);
    ck_assert_ptr_eq(l, &loop);
    tell(r->name);
    if (r->on_read)
        r->on_read(r, events);
}

static void on_flush(struct loop *l, struct io *io)
{
    (void)l;
    (void)io;
    tell('f');
}

static void on_reap(struct loop *l, struct io *io)
{
    struct reader *r = LIST_ENTRY(io, struct reader, io);
    tell('r');
    loop_remove(l, io);
    close(io->fd);
    close(r->writer);
    free(r);
}

static bool may_resume(struct loop *l, struct io *io)
{
    struct reader *r = LIST_ENTRY(io, struct reader, io);
    (void)l;
    tell(r->refuse_resume ? 'n' : 'y');
    return r->refuse_resume-- == 0;
}

static const struct io_ops ops = {on_event, on_flush, on_reap, may_resume};

/* `readable`: there is something to be read, and it stays. */
static struct reader *add_reader(char name, bool readable, void (*on_read)(struct reader *r, uint32_t events))
{
    struct reader *r = calloc(1, sizeof *r);
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    r->name = name;
    r->writer = ends[1];
    r->on_read = on_read;
    ck_assert_int_eq(loop_add(&loop, &r->io, ends[0], EPOLLIN, &ops), 0);
    if (readable)
        ck_assert_int_eq(write(r->writer, "x", 1), 1);
    return r;
}

static void on_mail(void *arg, const void *letter)
{
    (void)arg;
    tell('m');
    int more = *(const int *)letter - 1;
    if (more > 0)
        mailbox_post(&loop.mail, &more);
}

static void on_turn(void *arg)
{
    (void)arg;
    tell('|');
    if (++turns == last_turn)
        loop_stop(&loop);
}

static void post(int letters)
{
    if (mailbox_post(&loop.mail, &letters))
        mailbox_wake(&loop.mail);
}

static void run_turns(unsigned n)
{
    turns = 0;
    last_turn = n;
    atomic_store(&loop.stop, false);
    loop_run(&loop);
}

static void open_loop(void)
{
    memset(story, 0, sizeof story);
    ck_assert_int_eq(loop_init(&loop, sizeof(int)), 0);
    loop.on_mail = on_mail;
    loop.on_turn = on_turn;
}

static void close_loop(void)
{
    for (size_t fd = 0; fd < loop.slot_count; fd++)
        if (loop.slots[fd])
            on_reap(&loop, loop.slots[fd]);
    loop_fini(&loop);
}

/* ---- the turn ---- */

static struct timer timer;

static void on_timer(struct timer *t)
{
    (void)t;
    tell('t');
}

static void ask_for_everything(struct reader *r, uint32_t events)
{
    (void)events;
    loop_want_reap(&loop, &r->io);
    loop_want_reap(&loop, &r->io);
    timer_set(&loop.timers, &timer, loop.now);
    post(1);
}

static void ask_for_flush(struct reader *r, uint32_t events)
{
    (void)events;
    loop_want_flush(&loop, &r->io);
    loop_want_flush(&loop, &r->io);
    loop_want(&loop, &r->io, 0);
}

static void before_flush(void *arg)
{
    ck_assert_ptr_eq(arg, story);
    tell('b');
}

START_TEST(a_turn_has_its_order)
{
    loop.before_flush = before_flush;
    loop.before_flush_arg = story;
    timer_init(&timer, on_timer);
    add_reader('e', true, ask_for_everything);
    add_reader('e', true, ask_for_flush);
    run_turns(1);
    ck_assert_str_eq(story, "eemtbfr|");
}
END_TEST

/* Mail that mail causes is worked on in the same turn, up to a bound; what is left keeps the loop awake. */
START_TEST(mail_begets_mail)
{
    post(20);
    run_turns(3);
    ck_assert_str_eq(story, "mmmmmmmm|mmmmmmmm|mmmm|");
}
END_TEST

static struct mailbox other; /* of a thread that sleeps */

/* Tells W if it has been woken, w if not. */
static void look_at_other(void *arg)
{
    struct pollfd p = {.fd = other.wake_fd, .events = POLLIN};
    (void)arg;
    tell(poll(&p, 1, 0) == 1 ? 'W' : 'w');
}

static void write_to_other(struct reader *r, uint32_t events)
{
    (void)r;
    (void)events;
    loop_post(&loop, &other, &(int){1});
    loop_post(&loop, &other, &(int){2});
    look_at_other(NULL);
}

static void reap_and_write(struct loop *l, struct io *io)
{
    loop_post(l, &other, &(int){3});
    on_reap(l, io);
    look_at_other(NULL);
}

/* Letters to another thread wake it before the flush, those of the reap at the end. */
START_TEST(others_are_woken)
{
    static const struct io_ops writes_last = {on_event, NULL, reap_and_write, may_resume};
    ck_assert_int_eq(mailbox_init(&other, sizeof(int)), 0);
    loop.before_flush = look_at_other;
    ck_assert(mailbox_may_sleep(&other));
    struct reader *r = add_reader('e', true, write_to_other);
    run_turns(1);
    ck_assert_str_eq(story, "ewW|");
    mailbox_awake(&other, true);
    ck_assert(mailbox_waiting(&other) == 2 && !mailbox_may_sleep(&other));
    const void *letters;
    ck_assert_uint_eq(mailbox_take(&other, &letters), 2);
    ck_assert(mailbox_may_sleep(&other));
    r->io.ops = &writes_last;
    r->on_read = NULL;
    loop_want_reap(&loop, &r->io);
    run_turns(1);
    look_at_other(NULL);
    ck_assert_str_eq(story, "ewW|wrw|W");
    mailbox_fini(&other);
}
END_TEST

static void flush_twice(struct loop *l, struct io *io)
{
    static bool again;
    tell('f');
    again = !again;
    if (again)
        loop_want_flush(l, io);
}

/* What a flush asks for is done in the next turn, and no later. */
START_TEST(a_flush_that_wants_another)
{
    static const struct io_ops flushing = {on_event, flush_twice, on_reap, may_resume};
    struct reader *r = add_reader('e', false, NULL);
    r->io.ops = &flushing;
    loop_want_flush(&loop, &r->io);
    run_turns(2);
    ck_assert_str_eq(story, "f|f|");
}
END_TEST

/* ---- the end of things ---- */

static void end_all(struct reader *r, uint32_t events)
{
    (void)r;
    (void)events;
    for (size_t fd = 0; fd < loop.slot_count; fd++)
        if (loop.slots[fd])
            loop_want_reap(&loop, loop.slots[fd]);
}

/* Whoever is to be reaped hears nothing more, is not flushed, and is reaped once, at the end of the turn. */
START_TEST(who_is_reaped_hears_no_more)
{
    for (int i = 0; i < 3; i++) {
        struct reader *r = add_reader('e', true, end_all);
        loop_want_flush(&loop, &r->io);
    }
    run_turns(1);
    ck_assert_str_eq(story, "errr|");
}
END_TEST

static void reap_self(struct loop *l, struct io *io)
{
    tell('f');
    loop_want_reap(l, io);
    loop_want_flush(l, io);
}

START_TEST(a_flush_that_ends_it)
{
    static const struct io_ops ending = {on_event, reap_self, on_reap, may_resume};
    struct reader *r = add_reader('e', false, NULL);
    r->io.ops = &ending;
    loop_want_flush(&loop, &r->io);
    run_turns(1);
    ck_assert_str_eq(story, "fr|");
}
END_TEST

/* ---- numbers that come again ---- */

static struct reader *newcomer;

/* Ends the other reader and puts a new one in its place, all before the other's event is told. */
static void replace_the_other(struct reader *r, uint32_t events)
{
    (void)events;
    for (size_t fd = 0; fd < loop.slot_count; fd++) {
        struct io *io = loop.slots[fd];
        if (!io || io == &r->io)
            continue;
        int number = io->fd;
        uint32_t gen = io->gen;
        on_reap(&loop, io);
        newcomer = add_reader('N', false, NULL);
        ck_assert_int_eq(newcomer->io.fd, number);
        ck_assert_uint_ne(newcomer->io.gen, gen);
        ck_assert_ptr_null(loop_find(&loop, number, gen));
        ck_assert_ptr_eq(loop_find(&loop, number, newcomer->io.gen), &newcomer->io);
        loop_want(&loop, &r->io, 0);
        return;
    }
}

START_TEST(an_event_of_the_one_before_is_not_told)
{
    add_reader('e', true, replace_the_other);
    add_reader('e', true, replace_the_other);
    post(1);
    run_turns(1);
    ck_assert_str_eq(story, "erm|");
    ck_assert_ptr_nonnull(newcomer);
    ck_assert_int_eq(write(newcomer->writer, "x", 1), 1);
    run_turns(1);
    ck_assert_str_eq(story, "erm|N|");
}
END_TEST

START_TEST(generations)
{
    uint32_t gens[100];
    int fd = -1;
    for (int i = 0; i < 100; i++) {
        struct reader *r = add_reader('e', false, NULL);
        fd = i ? fd : r->io.fd;
        ck_assert_int_eq(r->io.fd, fd);
        gens[i] = r->io.gen;
        for (int k = 0; k < i; k++)
            ck_assert_ptr_null(loop_find(&loop, fd, gens[k]));
        on_reap(&loop, &r->io);
        ck_assert_ptr_null(loop_find(&loop, fd, gens[i]));
    }
    ck_assert_ptr_null(loop_find(&loop, -1, 1));
    ck_assert_ptr_null(loop_find(&loop, 1 << 30, 1));
    ck_assert_ptr_null(loop_find(&loop, 0, 0));
}
END_TEST

/* A descriptor that epoll does not take (a plain file) leaves nothing behind. */
START_TEST(what_epoll_refuses)
{
    struct io io;
    FILE *f = tmpfile();
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(loop_add(&loop, &io, fileno(f), EPOLLIN, &ops), -1);
    ck_assert_ptr_null(loop.slots[fileno(f)]);
    fclose(f);
}
END_TEST

/* ---- pausing ---- */

static void pause_it(struct reader *r, uint32_t events)
{
    (void)events;
    r->refuse_resume = 2;
    loop_pause(&loop, &r->io);
    loop_pause(&loop, &r->io);
}

START_TEST(paused_until_it_may)
{
    add_reader('e', true, pause_it);
    run_turns(5);
    ck_assert_str_eq(story, "e|n|n|ye|n|n");
}
END_TEST

/* Only reading pauses; what is wanted meanwhile is taken note of. */
START_TEST(a_paused_one_may_write)
{
    struct reader *r = calloc(1, sizeof *r);
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    *r = (struct reader){.name = 'w', .writer = ends[0], .refuse_resume = 2};
    ck_assert_int_eq(loop_add(&loop, &r->io, ends[1], EPOLLIN, &ops), 0);
    loop_pause(&loop, &r->io);
    loop_want(&loop, &r->io, EPOLLIN | EPOLLOUT);
    run_turns(3);
    ck_assert_str_eq(story, "w|nw|nw|y");
}
END_TEST

static void pause_and_end(struct reader *r, uint32_t events)
{
    (void)events;
    r->refuse_resume = 100;
    loop_pause(&loop, &r->io);
    loop_want_reap(&loop, &r->io);
    loop_pause(&loop, &r->io);
}

START_TEST(a_paused_one_is_reaped)
{
    add_reader('e', true, pause_and_end);
    run_turns(1);
    ck_assert_str_eq(story, "er|");
    ck_assert(list_empty(&loop.paused));
}
END_TEST

/* ---- other threads ---- */

static void *post_from_afar(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++)
        post(1);
    return NULL;
}

static void *stop_from_afar(void *arg)
{
    (void)arg;
    loop_stop(&loop);
    return NULL;
}

static unsigned letters;

static void count_mail(void *arg, const void *letter)
{
    (void)arg;
    (void)letter;
    if (++letters == 2000)
        loop_stop(&loop);
}

/* Without timers and descriptors the loop sleeps for ever, unless it is woken. */
START_TEST(other_threads_wake_it)
{
    pthread_t threads[2];
    letters = 0;
    loop.on_mail = count_mail;
    loop.on_turn = NULL;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, post_from_afar, NULL);
    loop_run(&loop);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(letters, 2000);

    atomic_store(&loop.stop, false);
    pthread_create(&threads[0], NULL, stop_from_afar, NULL);
    loop_run(&loop);
    pthread_join(threads[0], NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("loop");
    TCase *tc = tcase_create("loop");
    tcase_add_checked_fixture(tc, open_loop, close_loop);
    tcase_set_timeout(tc, 20);
    tcase_add_test(tc, a_turn_has_its_order);
    tcase_add_test(tc, mail_begets_mail);
    tcase_add_test(tc, others_are_woken);
    tcase_add_test(tc, a_flush_that_wants_another);
    tcase_add_test(tc, who_is_reaped_hears_no_more);
    tcase_add_test(tc, a_flush_that_ends_it);
    tcase_add_test(tc, an_event_of_the_one_before_is_not_told);
    tcase_add_test(tc, generations);
    tcase_add_test(tc, what_epoll_refuses);
    tcase_add_test(tc, paused_until_it_may);
    tcase_add_test(tc, a_paused_one_may_write);
    tcase_add_test(tc, a_paused_one_is_reaped);
    tcase_add_test(tc, other_threads_wake_it);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
