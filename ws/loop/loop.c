#include "loop/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/tally.h"
#include "loop/tidy.h"

enum { EVENTS_A_TURN = 512, MAIL_ROUNDS = 8, PAUSED_POLL_MS = 10, TIDY_MS = 2000 };

/* In epoll data the mailbox's descriptor has no slot. */
static const uint64_t MAIL_DATA = UINT64_MAX;

static void tidy_up(struct timer *t)
{
    tidy_memory(&LIST_ENTRY(t, struct loop, tidy_timer)->tidy);
}

int loop_init(struct loop *loop, size_t letter_size)
{
    *loop = (struct loop){.epoll_fd = -1, .now = clock_mono_ms()};
    list_init(&loop->flush);
    list_init(&loop->reap);
    list_init(&loop->paused);
    timers_init(&loop->timers, loop->now);
    timer_init(&loop->tidy_timer, tidy_up);
    tidy_init(&loop->tidy);
    loop->scratch = malloc(LOOP_SCRATCH);
    if (!loop->scratch || mailbox_init(&loop->mail, letter_size) < 0) {
        free(loop->scratch);
        tidy_fini(&loop->tidy);
        return -1;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = MAIL_DATA};
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd >= 0 && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->mail.wake_fd, &event) == 0)
        return 0;
    int saved = errno;
    loop_fini(loop);
    errno = saved;
    return -1;
}

void loop_fini(struct loop *loop)
{
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    mailbox_fini(&loop->mail);
    tidy_fini(&loop->tidy);
    free(loop->scratch);
    tally_change(TALLY_tables, loop->slot_count * sizeof(struct io *), 0);
    free(loop->slots);
}

/* ---- descriptors ---- */

static int make_slot(struct loop *loop, int fd)
{
    size_t need = (size_t)fd + 1;
    if (need <= loop->slot_count)
        return 0;
    size_t count = loop->slot_count ? loop->slot_count : 64;
    while (count < need)
        count *= 2;
    struct io **slots = realloc(loop->slots, count * sizeof(struct io *));
    if (!slots)
        return -1;
    memset(slots + loop->slot_count, 0, (count - loop->slot_count) * sizeof(struct io *));
    tally_change(TALLY_tables, loop->slot_count * sizeof(struct io *), count * sizeof(struct io *));
    loop->slots = slots;
    loop->slot_count = count;
    return 0;
}

static uint64_t epoll_data(const struct io *io)
{
    return (uint64_t)io->gen << 32 | (uint32_t)io->fd;
}

int loop_add(struct loop *loop, struct io *io, int fd, uint32_t events, const struct io_ops *ops)
{
    if (make_slot(loop, fd) < 0)
        return -1;
    *io = (struct io){.ops = ops, .fd = fd, .gen = ++loop->last_gen, .events = events};
    list_init(&io->turn);
    list_init(&io->paused);
    struct epoll_event event = {.events = events, .data.u64 = epoll_data(io)};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return -1;
    loop->slots[fd] = io;
    return 0;
}

void loop_remove(struct loop *loop, struct io *io)
{
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
    loop->slots[io->fd] = NULL;
    list_remove(&io->turn);
    list_remove(&io->paused);
}

static void arm(struct loop *loop, struct io *io)
{
    uint32_t events = list_linked(&io->paused) ? io->events & ~(uint32_t)EPOLLIN : io->events;
    struct epoll_event event = {.events = events, .data.u64 = epoll_data(io)};
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &event);
}

void loop_want(struct loop *loop, struct io *io, uint32_t events)
{
    if (io->events == events)
        return;
    io->events = events;
    arm(loop, io);
}

struct io *loop_find(const struct loop *loop, int fd, uint32_t gen)
{
    struct io *io = fd < 0 || (size_t)fd >= loop->slot_count ? NULL : loop->slots[fd];
    return io && io->gen == gen ? io : NULL;
}

void loop_want_flush(struct loop *loop, struct io *io)
{
    if (!list_linked(&io->turn))
        list_append(&loop->flush, &io->turn);
}

void loop_want_reap(struct loop *loop, struct io *io)
{
    if (io->reaping)
        return;
    io->reaping = true;
    list_remove(&io->turn);
    list_append(&loop->reap, &io->turn);
}

void loop_pause(struct loop *loop, struct io *io)
{
    if (list_linked(&io->paused) || io->reaping)
        return;
    list_append(&loop->paused, &io->paused);
    arm(loop, io);
}

/* ---- letters to others ---- */

void loop_post(struct loop *loop, struct mailbox *to, const void *letter)
{
    if (!mailbox_post(to, letter))
        return;
    for (unsigned i = 0; i < loop->to_wake_count; i++)
        if (loop->to_wake[i] == to)
            return;
    if (loop->to_wake_count == LOOPS_MAX)
        abort();
    loop->to_wake[loop->to_wake_count++] = to;
}

static void wake_others(struct loop *loop)
{
    while (loop->to_wake_count)
        mailbox_wake(loop->to_wake[--loop->to_wake_count]);
}

/* ---- the turn ---- */

static int wait_time(struct loop *loop)
{
    if (!mailbox_may_sleep(&loop->mail) || !list_empty(&loop->flush) || !list_empty(&loop->reap))
        return 0;
    int ms = timers_wait(&loop->timers);
    if (!list_empty(&loop->paused) && (ms < 0 || ms > PAUSED_POLL_MS))
        ms = PAUSED_POLL_MS;
    return ms;
}

static void dispatch(struct loop *loop, const struct epoll_event *event)
{
    struct io *io = loop_find(loop, (int)(uint32_t)event->data.u64, (uint32_t)(event->data.u64 >> 32));
    if (io && !io->reaping)
        io->ops->on_event(loop, io, event->events);
}

static void wait_and_dispatch(struct loop *loop)
{
    struct epoll_event events[EVENTS_A_TURN];
    bool mail = false;
    int n = epoll_wait(loop->epoll_fd, events, EVENTS_A_TURN, wait_time(loop));
    for (int i = 0; i < n; i++)
        mail |= events[i].data.u64 == MAIL_DATA;
    mailbox_awake(&loop->mail, mail);
    loop->now = clock_mono_ms();
    loop->worked = 0;
    loop->turns++;
    for (int i = 0; i < n;
         i++) { /* another comes first in each turn, so that whoever is put off comes, too */
        const struct epoll_event *event = &events[(loop->turns + (unsigned)i) % (unsigned)n];
        if (event->data.u64 != MAIL_DATA)
            dispatch(loop, event);
    }
}

/* Mail begets mail: hub and shard on one thread answer each other within the turn. */
static void work_mail(struct loop *loop)
{
    const uint8_t *letters;
    for (int round = 0; round < MAIL_ROUNDS; round++) {
        const void *batch;
        size_t count = mailbox_take(&loop->mail, &batch);
        letters = batch;
        if (count == 0)
            return;
        for (size_t i = 0; i < count; i++)
            loop->on_mail(loop->arg, letters + i * loop->mail.letter_size);
    }
}

static void flush_all(struct loop *loop)
{
    struct list work;
    struct list *l;
    list_init(&work);
    list_move_all(&work, &loop->flush);
    while ((l = list_take_first(&work)) != NULL) {
        struct io *io = LIST_ENTRY(l, struct io, turn);
        io->ops->flush(loop, io);
    }
}

static void reap_all(struct loop *loop)
{
    struct list *l;
    if (!list_empty(&loop->reap) && !timer_is_set(&loop->tidy_timer))
        timer_set(&loop->timers, &loop->tidy_timer, loop->now + TIDY_MS);
    while ((l = list_take_first(&loop->reap)) != NULL) {
        struct io *io = LIST_ENTRY(l, struct io, turn);
        io->ops->reap(loop, io);
    }
}

static void resume_paused(struct loop *loop)
{
    struct list work;
    struct list *l;
    list_init(&work);
    list_move_all(&work, &loop->paused);
    while ((l = list_take_first(&work)) != NULL) {
        struct io *io = LIST_ENTRY(l, struct io, paused);
        if (!io->ops->may_resume(loop, io))
            list_append(&loop->paused, &io->paused);
        else
            arm(loop, io);
    }
}

void loop_run(struct loop *loop)
{
    while (!atomic_load(&loop->stop)) {
        wait_and_dispatch(loop);
        work_mail(loop);
        timers_run(&loop->timers, loop->now);
        wake_others(loop); /* they work while we flush */
        if (loop->before_flush)
            loop->before_flush(loop->before_flush_arg);
        flush_all(loop);
        reap_all(loop);
        if (loop->on_turn)
            loop->on_turn(loop->arg);
        resume_paused(loop);
        wake_others(loop);
    }
}

void loop_stop(struct loop *loop)
{
    uint64_t one = 1;
    atomic_store(&loop->stop, true);
    ssize_t ignored = write(loop->mail.wake_fd, &one, sizeof one);
    (void)ignored;
}
