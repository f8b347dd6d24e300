/*
 * One poll loop for wsctl each: `waiter` asks for the next message, one at a time and
 * only while a command could be started for it, so that what can't be worked on stays in the inbox, where
 * another may take it. Of one client one command runs at a time: what it says meanwhile is held, a bounded
 * number of messages. Children's ends and our own come as signals, by a descriptor.
 *
 * The waiter's connection is the witness that the worker is still the one that the messages came from: the
 * next one's c42 is somebody else, and gets no answer that was meant for another.
 */
#include "ctl/each.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    LOOK_MS = 1000,
    RETRY_MS = 300,
    SAY_AGAIN_MS = 60000,
    TURN_MS = 50, /* while a command is near its time limit */
    STOP_MS = 10000,
    HELD_MAX = 64,
};

static void add(struct runs *runs, struct run *r)
{
    r->next = NULL;
    *runs->end = r;
    runs->end = &r->next;
    runs->count++;
}

/* Takes out the one that `at` points to. */
static struct run *take_out(struct runs *runs, struct run **at)
{
    struct run *r = *at;
    *at = r->next;
    if (!r->next)
        runs->end = at;
    runs->count--;
    return r;
}

static void put_back(struct runs *runs, struct run **at, struct run *r)
{
    r->next = *at;
    *at = r;
    if (!r->next)
        runs->end = &r->next;
    runs->count++;
}

/* ---- taking messages ---- */

static void stop_taking(struct each *e)
{
    e->left = 0;
}

/* Their clients went with the worker. */
static void orphan(struct runs *runs)
{
    for (struct run *r = runs->first; r; r = r->next)
        r->orphan = true;
}

static void worker_gone(struct each *e)
{
    orphan(&e->running);
    orphan(&e->held);
    wspush_disconnect(e->waiter);
    e->asking = false;
}

/* When nothing is asked, nothing comes but the end of the connection. */
static void look_at_witness(struct each *e, short events)
{
    if (!e->asking && events)
        worker_gone(e);
}

static void wait_failed(struct each *e, enum wspush_result result)
{
    e->asking = false;
    if (result == WSPUSH_NOWORKER && ctl_may_return(e->ctl, &e->absence, e->target, -1)) {
        e->retry_at = clock_mono_ms() + RETRY_MS;
        worker_gone(e);
        return;
    }
    stop_taking(e);
    e->status = result == WSPUSH_CLOSED ? CTL_CLOSED : ctl_fail(e->ctl, e->waiter, result);
    if (result != WSPUSH_CLOSED)
        worker_gone(e);
    else if (!e->ctl->quiet)
        fprintf(stderr, "%s is closed\n", e->target);
}

static bool may_take(const struct each *e)
{
    return e->left && !e->start_at && e->running.count < e->parallel && e->held.count < HELD_MAX;
}

static void ask(struct each *e)
{
    if (e->asking || !may_take(e) || (e->absence.away && clock_mono_ms() < e->retry_at))
        return;
    enum wspush_result result = wspush_wait_begin(e->waiter, e->target, -1);
    if (result != WSPUSH_OK) {
        wait_failed(e, result);
        return;
    }
    ctl_met(e->ctl, &e->absence);
    e->asking = true;
}

static void hold(struct each *e, const struct wspush_message *m)
{
    struct run *r = calloc(1, sizeof *r);
    if (r)
        buf_add(&r->payload, m->payload, m->len);
    if (!r || buf_failed(&r->payload)) {
        fprintf(stderr, "wsctl: no memory for a message of %s\n", m->client);
        run_free(r);
        return;
    }
    snprintf(r->client, sizeof r->client, "%s", m->client);
    snprintf(r->channel, sizeof r->channel, "%s", m->channel);
    r->binary = m->binary;
    r->in = r->out = -1;
    if (m->lost && !e->ctl->quiet)
        each_say(r, "%lld before this one were dropped, the inbox of %s was full", (long long)m->lost,
                 e->target);
    add(&e->held, r);
}

static void take(struct each *e)
{
    struct wspush_message m;
    if (!e->asking)
        return;
    enum wspush_result result = wspush_wait_take(e->waiter, &m);
    if (result == WSPUSH_PENDING)
        return;
    e->asking = false;
    if (result != WSPUSH_OK) {
        wait_failed(e, result);
        return;
    }
    e->left -= e->left != UINT64_MAX;
    hold(e, &m);
}

/* ---- commands ---- */

static bool is_running(const struct each *e, const char *client)
{
    for (const struct run *r = e->running.first; r; r = r->next)
        if (strcmp(r->client, client) == 0)
            return true;
    return false;
}

/* For want of processes or files, or while the program is replaced: it is tried again. */
static void say_not_started(struct each *e, const struct run *r, int error)
{
    int64_t now = clock_mono_ms();
    e->start_at = now + RETRY_MS;
    if (now < e->say_at)
        return;
    e->say_at = now + SAY_AGAIN_MS;
    each_say(r, "can't run %s: %s; it is tried again, and no more is taken meanwhile", e->command[0],
             strerror(error));
}

/* Takes the run, which it puts among the running ones if that is what it does. False: it can't be started
 * now, and stays the caller's. */
static bool start(struct each *e, struct run *take_r)
{
    bool closes = take_r->payload.len == 0 && e->close_on_empty;
    if (closes && !take_r->orphan)
        each_close(e->ctl, take_r);
    if (closes) {
        run_free(take_r);
        return true;
    }
    each_set_environment(e->ctl, take_r);
    int error = run_start(take_r, e->path, e->command, e->timeout_ms);
    if (error == 0)
        add(&e->running, take_r);
    else
        say_not_started(e, take_r, error);
    return error == 0;
}

static void start_held(struct each *e)
{
    struct run **at = &e->held.first;
    if (clock_mono_ms() < e->start_at)
        return;
    e->start_at = 0;
    while (*at && !e->start_at && e->running.count < e->parallel) {
        if (is_running(e, (*at)->client)) {
            at = &(*at)->next;
            continue;
        }
        struct run *r = take_out(&e->held, at);
        if (!start(e, r))
            put_back(&e->held, at, r);
    }
}

static void end_all(struct each *e)
{
    for (struct run *r = e->running.first; r; r = r->next)
        run_end(r, "was still running when wsctl was to end");
    if (e->held.count)
        fprintf(stderr, "wsctl: %zu message%s taken, no command ran for %s\n", e->held.count,
                e->held.count == 1 ? " was" : "s were", e->held.count == 1 ? "it" : "them");
    while (e->held.first)
        run_free(take_out(&e->held, &e->held.first));
}

/* Asked to stop: once kindly, twice at once. */
static void stop(struct each *e)
{
    bool again = e->stop_at != 0;
    e->stop_at = clock_mono_ms() + (again ? 0 : STOP_MS);
    stop_taking(e);
    /* what has come meanwhile was taken; what comes now stays in the inbox */
    take(e);
    if (!e->asking)
        return;
    wspush_disconnect(e->waiter);
    e->asking = false;
    if (wspush_ping(e->waiter) != WSPUSH_OK)
        worker_gone(e);
}

/* ---- the loop ---- */

static void take_signals(struct each *e)
{
    struct signalfd_siginfo s;
    while (read(e->signal_fd, &s, sizeof s) == sizeof s)
        if (s.ssi_signo != SIGCHLD)
            stop(e);
}

static int64_t soonest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int poll_ms(const struct each *e)
{
    int64_t now = clock_mono_ms();
    int64_t at = now + LOOK_MS;
    for (const struct run *r = e->running.first; r; r = r->next)
        at = soonest(at, r->killed ? now + TURN_MS : r->deadline);
    if (e->absence.away && may_take(e))
        at = soonest(at, e->retry_at);
    if (e->start_at)
        at = soonest(at, e->start_at);
    if (e->stop_at && (e->running.count || e->held.count))
        at = soonest(at, e->stop_at > now ? e->stop_at : now + TURN_MS);
    return at > now ? (int)(at - now) : 0;
}

static void turn(struct each *e)
{
    struct pollfd p[2 + 2 * EACH_PARALLEL_MAX] = {
        {.fd = e->signal_fd, .events = POLLIN},
        {.fd = wspush_fd(e->waiter), .events = POLLIN},
    };
    nfds_t count = 2;
    for (const struct run *r = e->running.first; r; r = r->next, count += 2)
        run_polled(r, p + count);
    if (poll(p, count, poll_ms(e)) < 0)
        memset(p, 0, sizeof p);
    look_at_witness(e, p[1].revents);
    take(e);
    count = 2;
    for (struct run **at = &e->running.first; *at; count += 2) {
        run_turn(*at, p + count);
        if (!run_over(*at)) {
            at = &(*at)->next;
            continue;
        }
        struct run *r = take_out(&e->running, at);
        each_answer(e->ctl, e->command[0], r);
        run_free(r);
    }
    take_signals(e);
}

void each_loop(struct each *e)
{
    do {
        start_held(e);
        ask(e);
        if (!e->left && !e->running.count && !e->held.count)
            return;
        turn(e);
        if (e->stop_at && clock_mono_ms() >= e->stop_at)
            end_all(e);
    } while (true);
}
