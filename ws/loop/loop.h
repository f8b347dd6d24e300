/*
 * A thread's event loop over epoll, and the turn, written once: wait (not at all when mail is there) ->
 * events -> mail -> timers -> flush -> reap. Handlers only queue; what was queued leaves in `flush`, what was
 * closed is freed in `reap`. Nothing outside this thread touches a loop but its mailbox. Some time
 * after something was reaped, memory that is free goes back to the system.
 */
#ifndef WSPUSH_LOOP_LOOP_H
#define WSPUSH_LOOP_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/list.h"
#include "loop/mailbox.h"
#include "loop/tidy.h"
#include "loop/timer.h"

struct loop;
struct io;

/* What one kind of descriptor does in a turn. NULL: nothing. */
struct io_ops {
    void (*on_event)(struct loop *loop, struct io *io, uint32_t events);
    /* after loop_want_flush() */
    void (*flush)(struct loop *loop, struct io *io);
    /* after loop_want_reap(): leaves the loop and frees itself */
    void (*reap)(struct loop *loop, struct io *io);
    /* after loop_pause(): whether reading may go on; asked at the end of turns */
    bool (*may_resume)(struct loop *loop, struct io *io);
};

/* A descriptor in a loop, inside the struct that owns it. */
struct io {
    const struct io_ops *ops;
    struct list turn;   /* in the flush or the reap list */
    struct list paused; /* in the paused list */
    int fd;
    uint32_t gen;    /* tells this user of the descriptor's number from earlier ones */
    uint32_t events; /* that epoll is asked for */
    bool reaping;
};

/* Who can wait comes in a later turn when so much was `worked` in this one. */
enum { LOOP_WORK_A_TURN = 1024 * 1024 };
/* Whoever has little to do need not wait, until so much was. */
enum { LOOP_WORK_AT_MOST = 2 * LOOP_WORK_A_TURN };

/* Threads that get letters. */
enum { LOOPS_MAX = 64 };

struct loop {
    struct mailbox mail;
    int epoll_fd;
    uint32_t last_gen; /* as many have been taken up */
    struct io **slots; /* by descriptor */
    size_t slot_count;
    struct mailbox *to_wake[LOOPS_MAX]; /* who got letters in this turn and may be asleep */
    unsigned to_wake_count;
    unsigned turns;
    struct timers timers;
    int64_t now;   /* clock_mono_ms() of this turn */
    size_t worked; /* bytes that handlers have made of what they read in this turn, by their count */
    uint64_t accepts_put_off; /* times that there was no descriptor left for who came */
    struct tidy tidy;
    struct timer tidy_timer; /* set when something was reaped */
    struct list flush;
    struct list reap;
    struct list paused;
    atomic_bool stop;
    /* Works on one letter. */
    void (*on_mail)(void *arg, const void *letter);
    /* Before the flush of a turn: what was gathered in it goes where it belongs. May be NULL. */
    void (*before_flush)(void *arg);
    void *before_flush_arg;
    /* At the end of a turn: what was gathered in it, of what was written and of who went too, is sent on. May
     * be NULL. */
    void (*on_turn)(void *arg);
    void *arg;
    uint8_t *scratch; /* LOOP_SCRATCH bytes for any handler to read into, during its call */
};

enum { LOOP_SCRATCH = 256 * 1024 };

/* 0, or -1 with errno. */
int loop_init(struct loop *loop, size_t letter_size);
void loop_fini(struct loop *loop);
/* Turns until loop_stop(). */
void loop_run(struct loop *loop);
/* Any thread, and signal handlers' threads: the loop ends after the turn it is in. */
void loop_stop(struct loop *loop);

/* Posts a letter from this loop's thread. Who is asleep is woken before the flush of this turn, or at its
 * end.
 */
void loop_post(struct loop *loop, struct mailbox *to, const void *letter);

/* Takes up a descriptor; 0, or -1 with errno. */
int loop_add(struct loop *loop, struct io *io, int fd, uint32_t events, const struct io_ops *ops);
/* Takes it out (before close). */
void loop_remove(struct loop *loop, struct io *io);
/* Changes what epoll is asked for; EPOLLIN of a paused io comes back when it resumes. */
void loop_want(struct loop *loop, struct io *io, uint32_t events);
/* The user of descriptor `fd`, if it is still that of generation `gen`; else NULL. */
struct io *loop_find(const struct loop *loop, int fd, uint32_t gen);

void loop_want_flush(struct loop *loop, struct io *io);
void loop_want_reap(struct loop *loop, struct io *io);
/* Stops reading until ops->may_resume says so. */
void loop_pause(struct loop *loop, struct io *io);

#endif
