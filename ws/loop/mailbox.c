#include "loop/mailbox.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/tally.h"

int mailbox_init(struct mailbox *m, size_t letter_size)
{
    *m = (struct mailbox){.letter_size = letter_size};
    m->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (m->wake_fd < 0)
        return -1;
    pthread_mutex_init(&m->lock, NULL);
    return 0;
}

void mailbox_fini(struct mailbox *m)
{
    pthread_mutex_destroy(&m->lock);
    close(m->wake_fd);
    tally_change(TALLY_letters, m->in.cap * m->letter_size, 0);
    tally_change(TALLY_letters, m->out.cap * m->letter_size, 0);
    free(m->in.data);
    free(m->out.data);
}

static void append(struct letters *l, const void *letter, size_t size)
{
    if (l->count == l->cap) {
        size_t before = l->cap * size;
        l->cap = l->cap ? l->cap * 2 : 64;
        l->data = realloc(l->data, l->cap * size);
        if (!l->data)
            abort();
        tally_change(TALLY_letters, before, l->cap * size);
    }
    memcpy(l->data + l->count++ * size, letter, size);
}

bool mailbox_post(struct mailbox *m, const void *letter)
{
    pthread_mutex_lock(&m->lock);
    append(&m->in, letter, m->letter_size);
    atomic_store_explicit(&m->waiting, m->in.count, memory_order_relaxed);
    pthread_mutex_unlock(&m->lock);
    return atomic_load(&m->asleep);
}

void mailbox_wake(struct mailbox *m)
{
    uint64_t one = 1;
    if (!atomic_exchange(&m->asleep, false))
        return;
    ssize_t ignored = write(m->wake_fd, &one, sizeof one);
    (void)ignored;
}

/* A batch that was much smaller than the room for it gives the memory back. */
static void empty(struct letters *l, size_t size)
{
    if (l->cap > 4096 && l->count < l->cap / 8) {
        tally_change(TALLY_letters, l->cap * size, 0);
        free(l->data);
        *l = (struct letters){0};
    }
    l->count = 0;
}

size_t mailbox_take(struct mailbox *m, const void **letters)
{
    empty(&m->out, m->letter_size);
    pthread_mutex_lock(&m->lock);
    struct letters batch = m->in;
    m->in = m->out;
    m->out = batch;
    atomic_store_explicit(&m->waiting, 0, memory_order_relaxed);
    pthread_mutex_unlock(&m->lock);
    *letters = batch.data;
    return batch.count;
}

bool mailbox_may_sleep(struct mailbox *m)
{
    atomic_store(&m->asleep, true);
    pthread_mutex_lock(&m->lock);
    bool none = m->in.count == 0;
    pthread_mutex_unlock(&m->lock);
    if (!none)
        atomic_store(&m->asleep, false);
    return none;
}

void mailbox_awake(struct mailbox *m, bool wake_fd_readable)
{
    uint64_t n;
    atomic_store(&m->asleep, false);
    if (wake_fd_readable) {
        ssize_t ignored = read(m->wake_fd, &n, sizeof n);
        (void)ignored;
    }
}
