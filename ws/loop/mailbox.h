/*
 * How threads talk: a mailbox a thread, letters of one fixed size. Any thread posts; the owner takes the
 * whole batch at once. Posting never blocks for longer than the lock and makes no system call; the owner has
 * to be woken only if it may be asleep, once for all letters of the poster's turn (loop_post()).
 */
#ifndef WSPUSH_LOOP_MAILBOX_H
#define WSPUSH_LOOP_MAILBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CACHE_LINE = 64 };

struct letters {
    uint8_t *data;
    size_t count;
    size_t cap;
};

/* What all threads write has cache lines of its own, so that the owner's other work does not wait for them.
 */
struct mailbox {
    _Alignas(CACHE_LINE) pthread_mutex_t lock;
    struct letters in;     /* under the lock */
    atomic_size_t waiting; /* in.count, for a look without the lock */
    atomic_size_t cargo;   /* bytes that letters lead to, as those who write and who read them count */
    atomic_bool asleep;    /* the owner is, or is about to be, in epoll_wait */
    _Alignas(CACHE_LINE) struct letters out; /* the owner's batch */
    size_t letter_size;
    int wake_fd; /* eventfd */
};

/* Returns 0, or -1 when there is no descriptor left. */
int mailbox_init(struct mailbox *m, size_t letter_size);
void mailbox_fini(struct mailbox *m);
/* Copies the letter in; true: the owner may be asleep, and the caller sees to mailbox_wake() soon. Aborts
 * when there is no memory: letters are small, and their number is bounded by whoever reads mailbox_waiting().
 */
bool mailbox_post(struct mailbox *m, const void *letter);
/* Any thread. */
void mailbox_wake(struct mailbox *m);
/* The letters that wait, not counting a batch being worked on. Any thread. */
static inline size_t mailbox_waiting(struct mailbox *m)
{
    return atomic_load_explicit(&m->waiting, memory_order_relaxed);
}

/* The owner's calls. Takes what waits: *letters points to `return value` letters, valid until the next take.
 */
size_t mailbox_take(struct mailbox *m, const void **letters);
/* Before sleeping: true when it may sleep; from then on whoever posts has to wake it. */
bool mailbox_may_sleep(struct mailbox *m);
/* After sleeping: empties wake_fd if it was written. */
void mailbox_awake(struct mailbox *m, bool wake_fd_readable);

#endif
