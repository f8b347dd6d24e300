#include "push/outq.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/tally.h"

enum { IOV_COUNT = 256, RUN_MAX = 32 * 1024, SMALL_FRAME = 1024 };

void outq_init(struct outq *q)
{
    *q = (struct outq){.cap = OUTQ_INLINE};
}

static bool has_ring(const struct outq *q)
{
    return q->cap > OUTQ_INLINE;
}

static struct msg **slots(const struct outq *q)
{
    return has_ring(q) ? q->ring : (struct msg **)(uintptr_t)q->few;
}

/* caps are powers of two */
static struct msg **slot(const struct outq *q, uint32_t i)
{
    return &slots(q)[(q->head + i) & (q->cap - 1)];
}

/* To so many messages at least. */
static int grow(struct outq *q, uint32_t count)
{
    uint32_t cap = 16;
    while (cap < count)
        cap *= 2;
    struct msg **ring = malloc(cap * sizeof(struct msg *));
    if (!ring)
        return -1;
    for (uint32_t i = 0; i < q->count; i++)
        ring[i] = *slot(q, i);
    tally_change(TALLY_queues, has_ring(q) ? q->cap * sizeof(struct msg *) : 0, cap * sizeof(struct msg *));
    if (has_ring(q))
        free(q->ring);
    q->ring = ring;
    q->cap = cap;
    q->head = 0;
    return 0;
}

int outq_push(struct outq *q, struct msg *m)
{
    if (q->count == q->cap && grow(q, q->count + 1) < 0)
        return -1;
    msg_ref(m);
    *slot(q, q->count++) = m;
    q->bytes += msg_frame_len(m);
    return 0;
}

void outq_begin(struct outq *q, size_t bytes)
{
    q->offset = (uint32_t)bytes;
    q->bytes -= bytes;
}

static void release_ring(struct outq *q)
{
    if (has_ring(q)) {
        tally_change(TALLY_queues, q->cap * sizeof(struct msg *), 0);
        free(q->ring);
    }
    q->cap = OUTQ_INLINE;
    q->head = 0;
}

static void pop(struct outq *q, outq_left left, void *arg, bool written)
{
    struct msg *m = *slot(q, 0);
    q->head = (q->head + 1) & (q->cap - 1);
    q->count--;
    q->offset = 0;
    if (left)
        left(arg, m, written);
    msg_unref(m);
}

void outq_fini(struct outq *q, outq_left left, void *arg)
{
    while (q->count)
        pop(q, left, arg, false);
    release_ring(q);
    q->bytes = 0;
}

void outq_drop_unstarted(struct outq *q, outq_left left, void *arg)
{
    uint32_t kept = q->offset ? 1 : 0;
    while (q->count > kept) {
        struct msg *m = *slot(q, --q->count);
        q->bytes -= msg_frame_len(m);
        if (left)
            left(arg, m, false);
        msg_unref(m);
    }
    if (q->count == 0)
        release_ring(q);
}

int outq_insert(struct outq *q, const struct insertion *all, uint32_t count)
{
    uint32_t from = q->count;
    uint32_t to = q->count + count;
    if (q->cap < to && grow(q, to) < 0)
        return -1;
    for (uint32_t i = count; i-- > 0;) { /* from behind, so that each moves once */
        while (from > all[i].place)
            *slot(q, --to) = *slot(q, --from);
        msg_ref(all[i].m);
        q->bytes += msg_frame_len(all[i].m);
        *slot(q, --to) = all[i].m;
    }
    q->count += count;
    return 0;
}

/* A reset may go with what follows it: a newer one then says so. */
static bool may_go(const struct msg *m)
{
    if (m->notice)
        return m->notice == NOTICE_RESET;
    return m->opcode == WEBSOCKET_TEXT || m->opcode == WEBSOCKET_BINARY;
}

size_t outq_drop_oldest(struct outq *q, size_t bytes, size_t messages, uint32_t *kept, outq_left left,
                        void *arg)
{
    *kept = 0;
    uint32_t count = q->count;
    size_t dropped = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct msg *m = *slot(q, i);
        bool begun = i == 0 && q->offset;
        if (begun || !may_go(m) || (q->bytes <= bytes && count - dropped <= messages)) {
            *slot(q, (*kept)++) = m;
            continue;
        }
        q->bytes -= msg_frame_len(m);
        dropped++;
        if (left)
            left(arg, m, false);
        msg_unref(m);
    }
    q->count = *kept;
    if (*kept == 0)
        release_ring(q);
    return dropped;
}

size_t outq_drop_expired(struct outq *q, int64_t now, bool *mortal, outq_left left, void *arg)
{
    uint32_t kept = 0;
    uint32_t count = q->count;
    *mortal = false;
    for (uint32_t i = 0; i < count; i++) {
        struct msg *m = *slot(q, i);
        bool begun = i == 0 && q->offset;
        if (begun || !m->expires || m->expires > now) {
            *mortal |= m->expires && !begun;
            *slot(q, kept++) = m;
            continue;
        }
        q->bytes -= msg_frame_len(m);
        if (left)
            left(arg, m, false);
        msg_unref(m);
    }
    q->count = kept;
    if (kept == 0)
        release_ring(q);
    return count - kept;
}

static int fill_iov(const struct outq *q, struct iovec iov[IOV_COUNT], size_t *total)
{
    uint32_t n = q->count < IOV_COUNT ? q->count : IOV_COUNT;
    struct msg **ring = slots(q);
    *total = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct msg *m = ring[(q->head + i) & (q->cap - 1)];
        size_t skip = i == 0 ? q->offset : 0;
        iov[i] = (struct iovec){(void *)(uintptr_t)(msg_frame(m) + skip), msg_frame_len(m) - skip};
        *total += iov[i].iov_len;
    }
    return (int)n;
}

/* Small frames are copied together: the kernel takes one run of bytes for less than it takes many. With
 * frames of a kilobyte that is even, above it the copy costs more (docs/why/batches.md). */
static ssize_t write_frames(int fd, const struct iovec *iov, int n, size_t total)
{
    uint8_t run[RUN_MAX];
    size_t len = 0;
    if (n == 1)
        return send(fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL);
    if (total > RUN_MAX || total > (size_t)n * SMALL_FRAME)
        return writev(fd, iov, n);
    for (int i = 0; i < n; i++) {
        memcpy(run + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    return send(fd, run, len, MSG_NOSIGNAL);
}

static void written(struct outq *q, size_t n, outq_left left, void *arg)
{
    q->bytes -= n;
    while (q->count) {
        size_t rest = msg_frame_len(*slot(q, 0)) - q->offset;
        if (n < rest) {
            q->offset += (uint32_t)n;
            return;
        }
        n -= rest;
        pop(q, left, arg, true);
    }
    release_ring(q);
}

ssize_t outq_write(struct outq *q, int fd, outq_left left, void *arg, unsigned *calls)
{
    ssize_t sum = 0;
    while (q->count) {
        struct iovec iov[IOV_COUNT];
        size_t total;
        int n_iov = fill_iov(q, iov, &total);
        ssize_t n = write_frames(fd, iov, n_iov, total);
        ++*calls;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) /* what was written before the end is told first; the next call meets the end again */
            return sum || errno == EAGAIN || errno == EWOULDBLOCK ? sum : -1;
        sum += n;
        written(q, (size_t)n, left, arg);
        if ((size_t)n < total)
            break;
    }
    return sum;
}

void outq_each(const struct outq *q, void (*visit)(void *arg, const struct msg *m), void *arg)
{
    for (uint32_t i = 0; i < q->count; i++)
        visit(arg, *slot(q, i));
}
