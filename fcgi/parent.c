/*
 * Signals are taken with sigtimedwait(), so nothing here runs in a handler. A child that ends is replaced at
 * once, but no slot starts more often than every RESTART_MS: a fault in the start does not become a storm,
 * and a peer that kills children does not earn a pause.
 */
#include "parent.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "child.h"

enum { RESTART_MS = 100, STOP_MS = 10000 };

struct slot {
    pid_t pid; /* 0: none */
    int64_t next_start;
};

struct parent {
    const struct config *config;
    struct listen_socket *listener;
    struct slot *slots;
    size_t count;
    sigset_t signals;
};

static void run_child(struct parent *p, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(0);
    free(p->slots);
    exit(child_run(p->config, p->listener));
}

/* 0, or -1 with errno. */
static int start_child(struct parent *p, struct slot *s)
{
    pid_t parent = getpid();
    s->next_start = clock_mono_ms() + RESTART_MS;
    pid_t pid = fork();
    if (pid == 0)
        run_child(p, parent);
    if (pid < 0) {
        log_error("can't start a child: %s", strerror(errno));
        return -1;
    }
    s->pid = pid;
    return 0;
}

static struct slot *find_slot(struct parent *p, pid_t pid)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->slots[i].pid == pid)
            return &p->slots[i];
    return NULL;
}

/* Takes note of the children that ended. */
static void reap(struct parent *p, bool expected)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct slot *s = find_slot(p, pid);
        if (s)
            s->pid = 0;
        if (expected || !s)
            continue;
        if (WIFSIGNALED(status))
            log_warn("child %d was ended by signal %d (%s); another takes its place", (int)pid,
                     WTERMSIG(status), strsignal(WTERMSIG(status)));
        else
            log_warn("child %d ended with status %d; another takes its place", (int)pid, WEXITSTATUS(status));
    }
}

/* Starts what is missing and due; returns the milliseconds until more is due, or -1. */
static int64_t fill_slots(struct parent *p)
{
    int64_t wait = -1;
    for (size_t i = 0; i < p->count; i++) {
        struct slot *s = &p->slots[i];
        int64_t left = s->next_start - clock_mono_ms();
        if (s->pid == 0 && left <= 0 && start_child(p, s) < 0)
            left = RESTART_MS;
        if (s->pid == 0 && (wait < 0 || left < wait))
            wait = left > 0 ? left : 1;
    }
    return wait;
}

/* The next signal, or 0 when `ms` are over (-1: never). */
static int next_signal(const struct parent *p, int64_t ms)
{
    struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    int signal = ms < 0 ? sigwaitinfo(&p->signals, NULL) : sigtimedwait(&p->signals, NULL, &limit);
    return signal > 0 ? signal : 0;
}

static size_t running(const struct parent *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += p->slots[i].pid != 0;
    return n;
}

static void tell_children(const struct parent *p, int signal)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->slots[i].pid)
            kill(p->slots[i].pid, signal);
}

/* Nobody new finds the socket; the children answer who came before. */
static void stop(struct parent *p)
{
    int64_t until = clock_mono_ms() + STOP_MS;
    listen_close(p->listener);
    tell_children(p, SIGTERM);
    while (running(p) && clock_mono_ms() < until) {
        next_signal(p, until - clock_mono_ms());
        reap(p, true);
    }
    if (running(p)) {
        log_warn("%zu children did not end in time and are killed", running(p));
        tell_children(p, SIGKILL);
    }
    free(p->slots);
}

static void block_signals(struct parent *p)
{
    sigemptyset(&p->signals);
    sigaddset(&p->signals, SIGTERM);
    sigaddset(&p->signals, SIGINT);
    sigaddset(&p->signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &p->signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int parent_run(const struct config *config, struct listen_socket *listener)
{
    struct parent p = {.config = config, .listener = listener, .count = config->fcgi_processes};
    p.slots = calloc(p.count, sizeof *p.slots);
    if (!p.slots)
        abort();
    block_signals(&p);
    int64_t wait = fill_slots(&p);
    if (running(&p) == 0) {
        listen_close(listener);
        free(p.slots);
        return 1;
    }
    log_info("ready: FastCGI on %s, processes %zu, threads %zu in each", config->fcgi_listen, p.count,
             (size_t)config->fcgi_threads);
    for (int signal = 0; signal != SIGTERM && signal != SIGINT;) {
        signal = next_signal(&p, wait);
        reap(&p, false);
        if (signal != SIGTERM && signal != SIGINT)
            wait = fill_slots(&p);
    }
    stop(&p);
    return 0;
}
