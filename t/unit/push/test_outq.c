/* The output queue: what is pushed arrives whole and in order however little the socket takes, every
 * reference is given back once, and an empty queue owns nothing. */
#include "push/outq.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "../heap.h"
#include "../random.h"

static int ours;
static int theirs;
static struct outq q;

/* What `left` was told, in order. */
static struct {
    unsigned written;
    unsigned dropped;
    uint64_t last; /* the number of the last message that was written */
    bool in_order;
    bool hang_up; /* the peer is gone as soon as one is written */
} told;

static void left(void *arg, const struct msg *m, bool written)
{
    ck_assert_ptr_eq(arg, &told);
    if (!written) {
        told.dropped++;
        return;
    }
    told.written++;
    told.in_order &= m->receipt > told.last;
    told.last = m->receipt;
    if (told.hang_up && theirs >= 0) {
        close(theirs);
        theirs = -1;
    }
}

static void open_pair(void)
{
    int fds[2];
    int tiny = 1; /* the kernel makes its least of it */
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ours = fds[0];
    theirs = fds[1];
    setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof tiny);
    signal(SIGPIPE, SIG_IGN);
    memset(&told, 0, sizeof told);
    told.in_order = true;
    outq_init(&q);
}

static void close_pair(void)
{
    outq_fini(&q, NULL, NULL);
    close(ours);
    if (theirs >= 0)
        close(theirs);
}

/* A message whose number is in `receipt`; `sent` collects what should arrive. */
static void push(uint64_t number, size_t len, struct buf *sent)
{
    struct buf bytes = {0};
    for (size_t i = 0; i < len; i++)
        buf_addc(&bytes, (char)(number + i));
    struct msg *m = msg_new_raw(bytes.data, len);
    m->receipt = number;
    size_t before = q.bytes;
    ck_assert_int_eq(outq_push(&q, m), 0);
    ck_assert_uint_eq(q.bytes, before + len);
    ck_assert_uint_eq(atomic_load(&m->refs), 2);
    msg_unref(m);
    if (sent)
        buf_add(sent, bytes.data, len);
    buf_fini(&bytes);
}

static ssize_t write_out(void)
{
    unsigned calls = 0;
    size_t before = q.bytes;
    ssize_t n = outq_write(&q, ours, left, &told, &calls);
    if (n >= 0)
        ck_assert_uint_eq(q.bytes, before - (size_t)n);
    return n;
}

static void read_some(struct buf *got, size_t most)
{
    char bytes[4096];
    ssize_t n = recv(theirs, bytes, most < sizeof bytes ? most : sizeof bytes, 0);
    if (n > 0)
        buf_add(got, bytes, (size_t)n);
}

START_TEST(all_arrives_in_order)
{
    struct buf sent = {0};
    struct buf got = {0};
    uint64_t number = 0;
    unsigned partial = 0;
    while (number < 3000 || !outq_empty(&q)) {
        for (size_t n = random_below(8); n && number < 3000; n--)
            push(++number, random_below(10) ? random_below(300) : random_below(20000), &sent);
        ck_assert_int_ge(write_out(), 0);
        partial += q.offset > 0;
        read_some(&got, 1 + random_below(5000));
    }
    while (got.len < sent.len)
        read_some(&got, 4096);
    ck_assert_mem_eq(got.data, sent.data, sent.len);
    ck_assert_uint_eq(got.len, sent.len);
    ck_assert(told.in_order);
    ck_assert_uint_eq(told.written, 3000);
    ck_assert_uint_eq(told.dropped, 0);
    ck_assert_uint_gt(partial, 100);
    buf_fini(&sent);
    buf_fini(&got);
}
END_TEST

START_TEST(many_leave_in_one_call)
{
    unsigned calls = 0;
    int large = 1 << 20;
    setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
    for (uint64_t i = 1; i <= 600; i++)
        push(i, 3, NULL);
    ck_assert_int_eq(outq_write(&q, ours, left, &told, &calls), 1800);
    ck_assert_uint_le(calls, 3);
    ck_assert_uint_eq(told.written, 600);
    ck_assert_int_eq(outq_write(&q, ours, left, &told, &calls), 0);
    ck_assert_uint_le(calls, 3);
}
END_TEST

START_TEST(empty_messages_leave_too)
{
    push(1, 0, NULL);
    push(2, 0, NULL);
    ck_assert_int_eq(write_out(), 0);
    ck_assert_uint_eq(told.written, 2);
    push(3, 0, NULL);
    push(4, 5, NULL);
    push(5, 0, NULL);
    ck_assert_int_eq(write_out(), 5);
    ck_assert_uint_eq(told.written, 5);
    ck_assert(outq_empty(&q));
}
END_TEST

/* ---- memory ---- */

START_TEST(empty_it_owns_nothing)
{
    size_t before = heap_in_use();
    struct buf got = {0};
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 1; i <= 100; i++)
            push(i, 10, NULL);
        ck_assert_uint_gt(q.cap, OUTQ_INLINE);
        if (round == 0)
            while (!outq_empty(&q)) {
                ck_assert_int_ge(write_out(), 0);
                read_some(&got, 4096);
            }
        else if (round == 1)
            outq_fini(&q, NULL, NULL);
        else
            outq_drop_unstarted(&q, NULL, NULL);
        buf_fini(&got);
        size_t now = heap_in_use();
        ck_assert_msg(q.cap == OUTQ_INLINE && now <= before, "round %d: %zu bytes", round, now - before);
        ck_assert_uint_eq(q.bytes, 0);
    }
}
END_TEST

START_TEST(two_messages_need_no_ring)
{
    push(1, 5, NULL);
    push(2, 5, NULL);
    ck_assert_uint_eq(q.cap, OUTQ_INLINE);
    push(3, 5, NULL);
    ck_assert_uint_gt(q.cap, OUTQ_INLINE);
    ck_assert_int_eq(write_out(), 15);
    ck_assert(told.in_order && told.written == 3);
}
END_TEST

/* ---- dropping ---- */

static void fill_until_stuck(void)
{
    for (uint64_t i = 1; i <= 20; i++)
        push(i, 2000, NULL);
    ck_assert_int_gt(write_out(), 0);
    while (q.offset == 0) { /* stuck between two messages: take a little away */
        struct buf got = {0};
        read_some(&got, 1000);
        buf_fini(&got);
        write_out();
    }
    ck_assert(!outq_empty(&q));
}

START_TEST(a_started_one_is_kept)
{
    fill_until_stuck();
    unsigned written = told.written;
    outq_drop_unstarted(&q, left, &told);
    ck_assert_uint_eq(q.count, 1);
    ck_assert_uint_eq(q.bytes, 2000 - q.offset);
    ck_assert_uint_eq(told.dropped, 20 - written - 1);
    push(99, 7, NULL);
    struct buf got = {0};
    while (!outq_empty(&q)) {
        read_some(&got, 4096);
        ck_assert_int_ge(write_out(), 0);
    }
    ck_assert_uint_eq(told.written, written + 2);
    ck_assert(told.in_order && told.last == 99);
    buf_fini(&got);
}
END_TEST

/* Text, and a ping between; the number is in `receipt`. */
static void push_frame(struct websocket *ws, uint64_t number, enum websocket_opcode opcode)
{
    struct msg *m = msg_new(ws, opcode, "12345678", 8);
    m->receipt = number;
    ck_assert_int_eq(outq_push(&q, m), 0);
    msg_unref(m);
}

/* Frames of ten bytes, the fifth of them a ping. */
START_TEST(the_oldest_are_dropped)
{
    struct websocket *ws = websocket_new();
    uint32_t kept;
    for (uint64_t i = 1; i <= 20; i++)
        push_frame(ws, i, i == 5 ? WEBSOCKET_PING : WEBSOCKET_TEXT);
    q.offset = 3; /* of the first, three bytes are written */
    q.bytes -= 3;
    ck_assert_uint_eq(outq_drop_oldest(&q, 1000, 20, &kept, left, &told), 0);
    ck_assert_uint_eq(outq_drop_oldest(&q, 100, 20, &kept, left, &told), 10);
    ck_assert_uint_eq(q.bytes, 97);
    ck_assert_uint_eq(told.dropped, 10);
    ck_assert_uint_eq(outq_drop_oldest(&q, 1000, 7, &kept, left, &told), 3);
    ck_assert_uint_eq(q.count, 7);
    struct buf got = {0};
    told.in_order = true;
    ck_assert_int_eq(write_out(), 67);
    ck_assert(told.in_order);
    ck_assert_uint_eq(told.written, 7); /* 1, the ping, and the newest five */
    ck_assert_uint_eq(told.last, 20);
    push_frame(ws, 21, WEBSOCKET_TEXT);
    ck_assert_uint_eq(outq_drop_oldest(&q, 0, 0, &kept, left, &told), 1);
    ck_assert(outq_empty(&q) && q.cap == OUTQ_INLINE && q.bytes == 0);
    buf_fini(&got);
    websocket_free(ws);
}
END_TEST

/* Places are those of the queue as it was; at one place the order is that of the call. */
START_TEST(some_are_put_between)
{
    struct websocket *ws = websocket_new();
    struct insertion all[40];
    for (uint64_t i = 0; i < 20; i++)
        push_frame(ws, i * 3 + 3, WEBSOCKET_TEXT);
    q.offset = 3;
    q.bytes -= 3;
    for (uint32_t i = 0; i < 40; i++) { /* two before each, and none before the first, which was begun */
        struct msg *m = msg_new(ws, WEBSOCKET_TEXT, "abcdefgh", 8);
        m->receipt = (i / 2 + 1) * 3 + 1 + i % 2;
        all[i] = (struct insertion){i / 2 + 1, m};
    }
    ck_assert_int_eq(outq_insert(&q, all, 40), 0);
    ck_assert_int_eq(outq_insert(&q, NULL, 0), 0);
    for (uint32_t i = 0; i < 40; i++)
        msg_unref(all[i].m);
    ck_assert_uint_eq(q.count, 60);
    ck_assert_uint_eq(q.bytes, 597);
    ck_assert_int_eq(write_out(), 597);
    ck_assert(told.in_order);
    ck_assert_uint_eq(told.written, 60);
    websocket_free(ws);
}
END_TEST

START_TEST(nothing_started_nothing_kept)
{
    push(1, 10, NULL);
    push(2, 10, NULL);
    outq_drop_unstarted(&q, left, &told);
    ck_assert(outq_empty(&q));
    ck_assert_uint_eq(q.bytes, 0);
    ck_assert_uint_eq(told.dropped, 2);
    push(3, 10, NULL);
    ck_assert_int_eq(write_out(), 10);
    ck_assert_uint_eq(told.last, 3);
}
END_TEST

START_TEST(what_is_dropped_is_told)
{
    fill_until_stuck();
    outq_fini(&q, left, &told);
    ck_assert_uint_eq(told.written + told.dropped, 20);
    ck_assert_uint_gt(told.dropped, 0);
    ck_assert(outq_empty(&q));
}
END_TEST

/* ---- the peer ---- */

START_TEST(a_gone_peer)
{
    push(1, 10, NULL);
    close(theirs);
    theirs = -1;
    ck_assert_int_eq(write_out(), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_uint_eq(told.written, 0);
}
END_TEST

/* The bytes that were written count, though the peer is gone before the next call. */
START_TEST(a_peer_that_goes_between_two_calls)
{
    int large = 1 << 20;
    unsigned calls = 0;
    setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
    for (uint64_t i = 1; i <= 300; i++)
        push(i, 10, NULL);
    told.hang_up = true;
    ssize_t sum = outq_write(&q, ours, left, &told, &calls);
    ck_assert_uint_gt(told.written, 0);
    ck_assert_uint_gt(q.count, 0);
    ck_assert_int_eq(sum, (ssize_t)told.written * 10);
    ck_assert_uint_eq(q.bytes, 3000 - (size_t)sum);
    ck_assert_int_eq(outq_write(&q, ours, left, &told, &calls), -1);
}
END_TEST

START_TEST(no_memory)
{
    for (uint64_t i = 1; i <= OUTQ_INLINE; i++)
        push(i, 5, NULL);
    struct msg *m = msg_new_raw("x", 1);
    bool can = heap_refuse_above(0);
    int r = can ? outq_push(&q, m) : -1;
    heap_refuse_above(SIZE_MAX);
    ck_assert_int_eq(r, -1);
    ck_assert_uint_eq(atomic_load(&m->refs), 1);
    ck_assert_uint_eq(q.count, OUTQ_INLINE);
    ck_assert_uint_eq(q.bytes, OUTQ_INLINE * 5);
    msg_unref(m);
}
END_TEST

static void count_one(void *arg, const struct msg *m)
{
    uint64_t *sum = arg;
    *sum = *sum * 10 + m->receipt;
}

START_TEST(each_is_visited_in_order)
{
    uint64_t seen = 0;
    for (uint64_t i = 1; i <= 5; i++)
        push(i, 1, NULL);
    outq_each(&q, count_one, &seen);
    ck_assert_uint_eq(seen, 12345);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("outq");
    TCase *tc = tcase_create("outq");
    tcase_add_checked_fixture(tc, open_pair, close_pair);
    tcase_set_timeout(tc, 20);
    tcase_add_test(tc, all_arrives_in_order);
    tcase_add_test(tc, many_leave_in_one_call);
    tcase_add_test(tc, empty_messages_leave_too);
    tcase_add_test(tc, empty_it_owns_nothing);
    tcase_add_test(tc, two_messages_need_no_ring);
    tcase_add_test(tc, a_started_one_is_kept);
    tcase_add_test(tc, some_are_put_between);
    tcase_add_test(tc, nothing_started_nothing_kept);
    tcase_add_test(tc, what_is_dropped_is_told);
    tcase_add_test(tc, a_gone_peer);
    tcase_add_test(tc, a_peer_that_goes_between_two_calls);
    tcase_add_test(tc, the_oldest_are_dropped);
    tcase_add_test(tc, no_memory);
    tcase_add_test(tc, each_is_visited_in_order);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
