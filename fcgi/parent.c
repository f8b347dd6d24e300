/*
 * One loop on one thread: signals come as a descriptor, so nothing here runs in a handler, and the children
 * ring a bell when they are up and when they have closed their gates.
 *
 * SIGHUP brings up a generation of children with the configuration as it is then; when all of them accept,
 * the one before is dismissed and finishes what it began. Both share the listening socket, so nobody is ever
 * refused. No more than GENERATIONS_MAX exist: a SIGHUP that comes too early is kept until there is room, and
 * several of them are one.
 */
#include "parent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/service.h"
#include "generation.h"
#include "settings.h"

enum { GENERATIONS_MAX = 3, LOOK_MS = 1000 };

struct parent {
    struct config *started; /* the configuration that the socket was opened by */
    const char *named;
    struct listen_socket *listener;
    int signal_fd;
    int bell_fd;

    struct generation *all[GENERATIONS_MAX]; /* oldest first */
    size_t count;
    struct generation *serving; /* NULL before the first is up */
    struct generation *coming;  /* NULL: none is on its way */

    bool reload;       /* SIGHUP has come */
    bool ready_is_due; /* the manager waits for it */
    bool fresh;        /* `serving` has not been announced yet */
    bool was_ready;
    bool stopping;
    int status;

    int64_t look_every, last_look;
    int64_t watchdog_every, watchdog_next; /* 0: nobody watches us */
    bool turned;                           /* a child has made a turn since the watchdog was told */
};

/* ---- generations ---- */

static void bring_up(struct parent *p, struct config *config)
{
    p->coming = generation_new(config, p->listener, p->bell_fd);
    if (p->coming)
        p->all[p->count++] = p->coming;
    else
        log_error("can't start children: %s", strerror(errno));
}

static void stop(struct parent *p)
{
    if (p->stopping)
        return;
    p->stopping = true;
    log_info("going away");
    service_notify_stopping(GENERATION_LEAVE_MS);
    listen_close(p->listener); /* first: nobody new finds it */
    for (size_t i = 0; i < p->count; i++)
        generation_dismiss(p->all[i], false);
    p->coming = NULL;
}

static void bury(struct parent *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (generation_is_gone(p->all[i]))
            generation_free(p->all[i]);
        else
            p->all[kept++] = p->all[i];
    }
    p->count = kept;
}

static void take_over(struct parent *p)
{
    struct generation *before = p->serving;
    p->serving = p->coming;
    p->coming = NULL;
    p->fresh = true;
    log_set_level((enum log_level)generation_config(p->serving)->log_level);
    if (before)
        generation_dismiss(before, true);
}

static void give_up(struct parent *p)
{
    generation_dismiss(p->coming, p->serving != NULL);
    p->coming = NULL;
    if (p->serving) {
        log_error("SIGHUP: the new children can't start; the configuration stays as it was");
    } else {
        log_error("the children can't start");
        p->status = 1;
        stop(p);
    }
}

/* A file that is not good changes nothing. */
static void reload(struct parent *p)
{
    const char *const at_start[] = {"fcgi_listen", p->listener->inherited ? NULL : "socket_mode",
                                    "socket_group", NULL};
    char why[1024];
    const char *path = settings_path(p->named);
    p->reload = false;
    struct config *config = config_load(path, why, sizeof why);
    if (!config) {
        log_error("SIGHUP: %s; the configuration stays as it was", why);
        return;
    }
    config_log_held_back(p->started, config, path ? path : "the defaults", at_start);
    bring_up(p, config);
    config_unref(config);
}

/* ---- what the manager and the log hear ---- */

/* Whether everyone who connects now is served by `serving`. */
static bool is_settled(const struct parent *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->all[i] != p->serving && generation_accepts(p->all[i]))
            return false;
    return p->serving && !p->coming && !p->reload;
}

static void announce(struct parent *p)
{
    const struct config *config = generation_config(p->serving);
    const char *path = settings_path(p->named);
    char state[128];
    if (!p->was_ready)
        log_info("ready: FastCGI on %s, processes %zu, threads %zu in each", p->started->fcgi_listen,
                 (size_t)config->fcgi_processes, (size_t)config->fcgi_threads);
    else if (p->fresh)
        log_info("SIGHUP: from now on %s holds", path ? path : "what the defaults say");
    snprintf(state, sizeof state, "READY=1\nSTATUS=%zu processes, %zu threads in each",
             (size_t)config->fcgi_processes, (size_t)config->fcgi_threads);
    service_notify(state);
    p->was_ready = true;
    p->ready_is_due = p->fresh = false;
}

/* ---- the loop ---- */

static void take_signals(struct parent *p)
{
    struct signalfd_siginfo info;
    while (read(p->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
            stop(p);
        } else if (info.ssi_signo == SIGHUP && p->stopping) {
            log_info("SIGHUP: too late, this is going away");
        } else if (info.ssi_signo == SIGHUP) {
            p->reload = p->ready_is_due = true;
            service_notify_reloading();
        }
    }
}

static void reap(struct parent *p)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < p->count && !generation_reap(p->all[i], pid, status); i++)
            ;
}

static void look(struct parent *p)
{
    int64_t now = clock_mono_ms();
    if (now - p->last_look < p->look_every)
        return;
    p->last_look = now;
    for (size_t i = 0; i < p->count; i++)
        if (generation_look(p->all[i], p->look_every))
            p->turned = true;
    if (p->watchdog_every && p->turned && now >= p->watchdog_next) {
        service_notify("WATCHDOG=1");
        p->turned = false;
        p->watchdog_next = now + p->watchdog_every;
    }
}

static void go_on(struct parent *p)
{
    bury(p);
    if (p->stopping)
        return;
    if (p->coming && generation_is_up(p->coming))
        take_over(p);
    else if (p->coming && generation_is_hopeless(p->coming))
        give_up(p);
    if (p->reload && p->serving && !p->coming && p->count < GENERATIONS_MAX)
        reload(p);
    if (p->ready_is_due && is_settled(p))
        announce(p);
}

/* Until a signal, the bell, or the time for something. */
static void wait_for_more(const struct parent *p, int64_t due)
{
    struct pollfd fds[] = {{.fd = p->signal_fd, .events = POLLIN}, {.fd = p->bell_fd, .events = POLLIN}};
    int64_t next_look = p->last_look + p->look_every;
    int64_t ms = (due < next_look ? due : next_look) - clock_mono_ms();
    eventfd_t rings;
    poll(fds, 2, ms > 0 ? (int)ms : 0);
    eventfd_read(p->bell_fd, &rings);
}

static int64_t fill(struct parent *p)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < p->count; i++) {
        int64_t more = generation_fill(p->all[i]);
        if (more < due)
            due = more;
    }
    return due;
}

static sigset_t our_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    return signals;
}

void parent_hold_signals(void)
{
    sigset_t signals = our_signals();
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int start(struct parent *p)
{
    sigset_t signals = our_signals();
    p->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    p->bell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    p->watchdog_every = service_watchdog_ms();
    p->look_every =
        p->watchdog_every && p->watchdog_every < 2 * LOOK_MS ? (p->watchdog_every + 1) / 2 : LOOK_MS;
    p->last_look = clock_mono_ms();
    return p->signal_fd < 0 || p->bell_fd < 0 ? -1 : 0;
}

/* The listener is open, and the children connect to the worker's socket only. What is left to do with files
 * is to read the configuration anew, and to remove the socket. */
static void confine(const struct listen_socket *listener, const char *named)
{
    struct sandbox sandbox;
    sandbox_init(&sandbox);
    sandbox_allow_program(&sandbox, SANDBOX_READ);
    sandbox_allow_beside(&sandbox, named ? named : SETTINGS_FILE, SANDBOX_READ);
    if (listener->is_unix && !listener->inherited)
        sandbox_allow_beside(&sandbox, listener->path, SANDBOX_REMOVE);
    log_info("%s", sandbox_enter(&sandbox));
}

int parent_run(struct config *config, const char *named, struct listen_socket *listener)
{
    struct parent p = {.started = config, .named = named, .listener = listener, .ready_is_due = true};
    if (start(&p) == 0) {
        confine(listener, named);
        bring_up(&p, config);
    } else {
        log_error("can't watch signals: %s", strerror(errno));
    }
    if (p.count == 0) {
        listen_close(listener);
        return 1;
    }
    while (p.count) {
        wait_for_more(&p, fill(&p));
        take_signals(&p);
        reap(&p);
        look(&p);
        go_on(&p);
    }
    close(p.signal_fd);
    close(p.bell_fd);
    log_info("done");
    return p.status;
}
