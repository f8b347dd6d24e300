#include "control/session.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/dispatch.h"
#include "control/unasked.h"
#include "control/watch.h"

/* Unread output above which no further request is run, and unfinished input above which none is awaited. */
enum { OUT_MARK = 1 << 20, IN_SLACK = 128 * 1024 };

static void on_event(struct loop *loop, struct io *io, uint32_t events);
static void flush(struct loop *loop, struct io *io);
static void reap(struct loop *loop, struct io *io);
static bool may_resume(struct loop *loop, struct io *io);

static const struct io_ops session_ops = {on_event, flush, reap, may_resume};

static struct session *session_of(struct io *io)
{
    return LIST_ENTRY(io, struct session, io);
}

/* ---- life ---- */

static void read_credentials(struct session *s)
{
    struct ucred peer = {.pid = 0, .uid = (uid_t)-1};
    socklen_t len = sizeof peer;
    getsockopt(s->io.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
    s->pid = peer.pid;
    s->uid = peer.uid;
}

void session_adopt(struct control *c, int fd)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s || loop_add(c->loop, &s->io, fd, EPOLLIN, &session_ops) < 0) {
        free(s);
        close(fd);
        return;
    }
    s->control = c;
    s->number = ++c->last_session;
    s->proto = 2;
    s->since = clock_mono_ms();
    s->last_command = "";
    list_init(&s->slots);
    list_init(&s->handed);
    list_init(&s->subscriptions);
    list_init(&s->monitoring);
    list_append(&c->sessions, &s->all);
    c->session_count++;
    read_credentials(s);
}

static void free_slot(struct session *s, struct slot *slot)
{
    if (slot->handed)
        hub_put_back(s->control->hub, slot->handed);
    if (s->waiting_for == slot->number)
        s->waiting_for = 0;
    list_remove(&slot->link);
    buf_fini(&slot->reply);
    free(slot);
}

/* What was handed out and not written goes back, the latest first, so that the order stays. */
static void put_all_back(struct session *s)
{
    while (!list_empty(&s->slots))
        free_slot(s, LIST_ENTRY(s->slots.prev, struct slot, link));
    while (!list_empty(&s->handed)) {
        struct handed *h = LIST_ENTRY(s->handed.prev, struct handed, link);
        list_remove(&h->link);
        hub_put_back(s->control->hub, h->msg);
        free(h);
    }
}

void session_free(struct session *s)
{
    struct control *c = s->control;
    struct asker waiting = {s->io.fd, s->io.gen, s->waiting_for};
    int fd = s->io.fd;
    loop_remove(c->loop, &s->io);
    if (s->waiting_for) {
        hub_cancel_wait(c->hub, waiting);
        hub_cancel_receipt(c->hub, waiting);
    }
    put_all_back(s);
    watch_forget(s);
    unasked_forget(s);
    session_reset_multi(s);
    resp_parser_fini(&s->parser);
    buf_fini(&s->in);
    buf_fini(&s->out);
    buf_fini(&s->pushes);
    list_remove(&s->all);
    c->session_count--;
    close(fd);
    free(s);
}

static void reap(struct loop *loop, struct io *io)
{
    (void)loop;
    session_free(session_of(io));
}

/* ---- replies ---- */

static struct slot *add_slot(struct session *s, uint64_t number, enum reply_form form)
{
    struct slot *slot = calloc(1, sizeof *slot);
    if (!slot)
        abort();
    slot->number = number;
    slot->form = form;
    list_append(&s->slots, &slot->link);
    return slot;
}

static struct slot *find_slot(const struct session *s, uint64_t number)
{
    for (struct list *l = s->slots.prev; l != &s->slots; l = l->prev)
        if (LIST_ENTRY(l, struct slot, link)->number == number)
            return LIST_ENTRY(l, struct slot, link);
    return NULL;
}

struct buf *session_reply(struct session *s)
{
    if (list_empty(&s->slots))
        return &s->out;
    struct slot *slot = add_slot(s, ++s->last_slot, FORM_PLAIN);
    slot->done = true;
    return &slot->reply;
}

struct asker session_asks(struct session *s, enum reply_form form)
{
    s->promised = (struct slot_promise){++s->last_slot, form};
    return (struct asker){s->io.fd, s->io.gen, s->last_slot};
}

struct slot *session_expects(struct session *s)
{
    uint64_t number = s->promised.number;
    s->promised.number = 0;
    return number ? add_slot(s, number, s->promised.form) : NULL;
}

bool session_answer(struct control *c, struct asker asker, struct reply *out)
{
    struct io *io = loop_find(c->loop, asker.fd, asker.gen);
    if (!io || io->ops != &session_ops)
        return false;
    struct session *s = session_of(io);
    if (asker.slot == s->promised.number) {
        s->promised.number = 0;
        *out = (struct reply){s, NULL, s->promised.form, session_reply(s)};
        return true;
    }
    struct slot *slot = find_slot(s, asker.slot);
    if (slot)
        *out = (struct reply){s, slot, slot->form, &slot->reply};
    return slot;
}

/* The end of the output so far is where this message's reply ends. */
static void note_handed(struct session *s, struct inbox_msg *take_m)
{
    struct handed *h = malloc(sizeof *h);
    if (!h)
        abort();
    *h = (struct handed){.msg = take_m, .written_at = s->written + (s->out.len - s->out_sent)};
    list_init(&h->link);
    list_append(&s->handed, &h->link);
}

void session_hand_over(const struct reply *reply, struct inbox_msg *take_m)
{
    struct session *s = reply->session;
    if (reply->slot)
        reply->slot->handed = take_m;
    else if (list_empty(&s->slots))
        note_handed(s, take_m);
    else
        LIST_ENTRY(s->slots.prev, struct slot, link)->handed = take_m;
}

/* Moves the replies that nothing holds up any more to the output. */
static void release_slots(struct session *s)
{
    while (!list_empty(&s->slots)) {
        struct slot *slot = LIST_ENTRY(s->slots.next, struct slot, link);
        if (!slot->done)
            return;
        struct inbox_msg *handed = slot->handed;
        buf_add(&s->out, slot->reply.data, slot->reply.len);
        s->out.failed |= slot->reply.failed;
        slot->handed = NULL;
        free_slot(s, slot);
        if (handed)
            note_handed(s, handed);
    }
}

void session_answered(const struct reply *reply)
{
    struct session *s = reply->session;
    if (!reply->slot) /* whoever runs the command sees to the output */
        return;
    reply->slot->done = true;
    release_slots(s);
    loop_want_flush(s->control->loop, &s->io);
}

static void wait_for(struct session *s, const struct slot *slot, bool briefly)
{
    if (!slot)
        return;
    s->waiting_for = slot->number;
    s->waits_briefly = briefly;
}

void session_wait_for(struct session *s, const struct slot *slot)
{
    wait_for(s, slot, false);
}

void session_wait_briefly(struct session *s, const struct slot *slot)
{
    wait_for(s, slot, true);
}

void session_wait_for_all(struct session *s)
{
    if (!list_empty(&s->slots))
        session_wait_briefly(s, LIST_ENTRY(s->slots.prev, struct slot, link));
}

void session_reset_multi(struct session *s)
{
    for (int i = 0; i < s->queued_count; i++)
        buf_fini(&s->queued[i]);
    free(s->queued);
    s->queued = NULL;
    s->queued_count = 0;
    s->in_multi = s->multi_faulty = false;
}

/* ---- in ---- */

static bool may_run(const struct session *s)
{
    return !s->waiting_for && !s->held && !s->closing && s->out.len - s->out_sent < OUT_MARK;
}

static void on_fault(struct session *s, const char *fault)
{
    s->control->faults_total++;
    s->closing = true;
    if (!fault) {
        log_peer("operator %llu (pid %d, uid %u) does not speak RESP: closed", (unsigned long long)s->number,
                 (int)s->pid, (unsigned)s->uid);
        return;
    }
    log_peer("operator %llu (pid %d, uid %u): %s: closed", (unsigned long long)s->number, (int)s->pid,
             (unsigned)s->uid, fault);
    resp_add_error(session_reply(s), "ERR Protocol error: %s", fault);
}

static void on_too_big(struct session *s)
{
    s->multi_faulty |= s->in_multi;
    resp_add_error(session_reply(s), "TOOBIG limit %zu", s->control->bulk_max);
}

static bool is_congested(const struct session *s)
{
    return atomic_load_explicit(&s->control->hub->world->congested, memory_order_relaxed);
}

/* In a turn that others have filled one request of it may be run. */
static bool is_tired(struct session *s)
{
    const struct loop *loop = s->control->loop;
    if (loop->worked < LOOP_WORK_A_TURN)
        return false;
    bool again = s->heard_in == loop->turns;
    s->heard_in = loop->turns;
    return again || loop->worked >= LOOP_WORK_AT_MOST;
}

/* Publishers slow down while too much is queued, and go on in the next turn where they have made much work in
 * this one. Who is gone can't be slowed down: its rest is run. */
static bool hold(struct session *s, const struct resp_request *request)
{
    s->held = !s->gone && (is_congested(s) || is_tired(s)) && dispatch_publishes(s, request);
    if (s->held)
        loop_pause(s->control->loop, &s->io);
    return s->held;
}

/* Runs what is whole among these bytes; returns how many are done with. */
static size_t run(struct session *s, const uint8_t *bytes, size_t len)
{
    size_t done = 0;
    while (done < len && may_run(s)) {
        struct resp_request request;
        const char *fault;
        size_t taken;
        enum resp_result r =
            resp_parse(&s->parser, bytes + done, len - done, s->control->bulk_max, &taken, &request, &fault);
        if (r == RESP_REQUEST && hold(s, &request))
            break;
        done += taken;
        if (r == RESP_REQUEST)
            dispatch(s, &request);
        else if (r == RESP_TOO_BIG)
            on_too_big(s);
        else if (r == RESP_FAULT || r == RESP_FOREIGN)
            on_fault(s, r == RESP_FAULT ? fault : NULL);
        else if (r == RESP_INCOMPLETE)
            break;
    }
    return done;
}

static void run_kept(struct session *s)
{
    if (s->in.len == 0 || !may_run(s))
        return;
    buf_consume(&s->in, run(s, s->in.data, s->in.len));
    if (s->in.len == 0)
        buf_fini(&s->in);
}

static void take_bytes(struct session *s, const uint8_t *bytes, size_t len)
{
    size_t done = s->in.len == 0 ? run(s, bytes, len) : 0;
    bool kept = s->in.len > 0;
    if (done < len)
        buf_add(&s->in, bytes + done, len - done);
    if (kept)
        run_kept(s);
    if (buf_failed(&s->in) || (may_run(s) && s->in.len > 2 * s->control->bulk_max + IN_SLACK))
        on_fault(s, "the request is too big");
}

static void read_some(struct session *s)
{
    struct loop *loop = s->control->loop;
    ssize_t n = read(s->io.fd, loop->scratch, LOOP_SCRATCH);
    if (n > 0)
        take_bytes(s, loop->scratch, (size_t)n);
    else if (n == 0)
        s->eof = true;
    else if (errno != EAGAIN && errno != EINTR)
        loop_want_reap(loop, &s->io);
}

static bool may_resume(struct loop *loop, struct io *io)
{
    struct session *s = session_of(io);
    if (s->held && is_congested(s) && !s->gone)
        return false;
    s->held = false;
    loop_want_flush(loop, io);
    return true;
}

static void on_event(struct loop *loop, struct io *io, uint32_t events)
{
    struct session *s = session_of(io);
    bool waits_outside = s->waiting_for && !s->waits_briefly;
    if (events & EPOLLERR || (events & EPOLLHUP && waits_outside)) {
        loop_want_reap(loop, io);
        return;
    }
    if (events & EPOLLHUP) {
        s->gone = true;
        s->held = false;
    }
    if (events & (EPOLLIN | EPOLLHUP) && !s->waiting_for)
        read_some(s);
    loop_want_flush(loop, io);
}

/* ---- out ---- */

static void confirm_written(struct session *s)
{
    while (!list_empty(&s->handed)) {
        struct handed *h = LIST_ENTRY(s->handed.next, struct handed, link);
        if (h->written_at > s->written)
            return;
        list_remove(&h->link);
        hub_confirm(s->control->hub, h->msg);
        free(h);
    }
}

void session_forget_out(struct session *s)
{
    s->out_sent = 0;
    buf_fini(&s->out);
    buf_fini(&s->pushes);
}

/* Memory that was written is given back though the rest waits: at most as much is copied as was written. */
static void forget_written(struct session *s)
{
    struct buf rest = {0};
    size_t unwritten = s->out.len - s->out_sent;
    if (s->out_sent < IN_SLACK || s->out_sent < unwritten)
        return;
    buf_add(&rest, s->out.data + s->out_sent, unwritten);
    if (buf_failed(&rest))
        return;
    buf_fini(&s->out);
    s->out = rest;
    s->out_sent = 0;
}

void session_write(struct session *s)
{
    while (s->out_sent < s->out.len) {
        ssize_t n = send(s->io.fd, s->out.data + s->out_sent, s->out.len - s->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            loop_want_reap(s->control->loop, &s->io);
        if (n < 0)
            break;
        s->out_sent += (size_t)n;
        s->written += (uint64_t)n;
        unasked_written(s, (size_t)n);
    }
    confirm_written(s);
    if (s->out_sent < s->out.len) {
        forget_written(s);
        return;
    }
    s->out_sent = 0;
    if (s->out.cap > IN_SLACK)
        buf_fini(&s->out);
    else
        buf_clear(&s->out);
}

/* Whether the operator has nothing more to get. */
static bool is_over(const struct session *s)
{
    bool silent = s->out.len == s->out_sent && list_empty(&s->slots);
    return silent && (s->closing || (s->eof && may_run(s)));
}

static void flush(struct loop *loop, struct io *io)
{
    struct session *s = session_of(io);
    unasked_release(s);
    if (buf_failed(&s->out)) {
        loop_want_reap(loop, io);
        return;
    }
    session_write(s);
    if (io->reaping)
        return;
    if (s->in.len && may_run(s)) {
        run_kept(s);
        if (s->out.len > s->out_sent)
            loop_want_flush(loop, io);
    }
    if (is_over(s)) {
        loop_want_reap(loop, io);
        return;
    }
    bool reads = may_run(s) && !s->eof;
    loop_want(loop, io, (reads ? EPOLLIN : 0) | (s->out.len > s->out_sent ? EPOLLOUT : 0));
}
