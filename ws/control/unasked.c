#include "control/unasked.h"

#include "base/log.h"
#include "control/session.h"

static void count(struct session *s, size_t more, size_t less)
{
    s->unread += more - less;
    s->control->watch.unread += more - less;
}

void unasked_forget(struct session *s)
{
    count(s, 0, s->unread);
}

/* Each byte written stands for one that came unasked, though it may be of a reply: replies are few while much
 * is unread, so that this keeps the memory bounded, and nobody who reads is taken for somebody who does not.
 */
void unasked_written(struct session *s, size_t len)
{
    count(s, 0, len < s->unread ? len : s->unread);
}

/* The memory goes at once: others may need it before the turn's end. */
static void drop(struct session *s)
{
    if (!s->io.reaping) {
        log_peer("operator %llu (pid %d, uid %u) does not read what it watches: closed",
                 (unsigned long long)s->number, (int)s->pid, (unsigned)s->uid);
        s->control->watch.dropped++;
        loop_want_reap(s->control->loop, &s->io);
    }
    unasked_forget(s);
    session_forget_out(s);
}

static struct session *most_unread(const struct control *c)
{
    struct session *most = LIST_ENTRY(c->sessions.next, struct session, all);
    for (struct list *l = c->sessions.next; l != &c->sessions; l = l->next) {
        struct session *s = LIST_ENTRY(l, struct session, all);
        if (s->unread > most->unread)
            most = s;
    }
    return most;
}

/* Whoever reads could not show it yet in this turn. */
static bool takes_some(struct session *s)
{
    size_t before = s->unread;
    if (!s->io.reaping)
        session_write(s);
    return s->unread < before;
}

static void keep_in_bounds(const struct control *c)
{
    while (c->watch.unread > UNREAD_IN_ALL) {
        struct session *s = most_unread(c);
        if (!takes_some(s))
            drop(s);
    }
}

/* Replies to EXEC are parts of one; and who subscribes is told so first. */
static bool is_between_replies(const struct session *s)
{
    return !s->in_exec && !(s->waiting_for && s->waits_briefly);
}

void unasked_release(struct session *s)
{
    if (s->pushes.len == 0 || !is_between_replies(s))
        return;
    buf_add(&s->out, s->pushes.data, s->pushes.len);
    s->out.failed |= s->pushes.failed;
    buf_fini(&s->pushes);
}

struct buf *unasked_begin(struct session *s)
{
    if (s->unread > UNREAD_MAX && !s->io.reaping)
        session_write(s);
    if (s->unread > UNREAD_MAX && !s->io.reaping)
        drop(s);
    if (s->io.reaping || s->closing)
        return NULL;
    loop_want_flush(s->control->loop, &s->io);
    return s->pushes.len == 0 && is_between_replies(s) ? &s->out : &s->pushes;
}

void unasked_end(struct session *s, size_t len)
{
    count(s, len, 0);
    keep_in_bounds(s->control);
}
