/*
 * A child that ends is replaced at once, but no slot starts more often than every RESTART_MS: a fault in the
 * start does not become a storm, and a peer that kills children does not earn a pause.
 *
 * A child that hangs is killed and replaced. Its silence is counted in the time that the parent was awake, so
 * that a machine which was suspended, or a container which was paused, comes back with all its children.
 */
#include "generation.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "child.h"
#include "pulse.h"

/* A turn of a child's gate takes 4 s at worst. Coming up asks for users, which a directory service may
 * answer late. */
enum { RESTART_MS = 100, SILENCE_MS = 10000, COMING_UP_MS = 60000, FAILURES_MAX = 10 };

struct slot {
    pid_t pid; /* 0: none */
    int64_t next_start;
    bool was_up; /* a child of it was */
    unsigned long long turns;
    int64_t silent_ms;
};

struct generation {
    struct config *config;
    const struct listen_socket *listener;
    struct slot *slots;
    struct pulse *pulses; /* the slots' */
    size_t count;
    unsigned failures; /* children that ended before they were up */
    bool dismissed;
    int64_t leaving_ms;
};

struct generation *generation_new(struct config *config, const struct listen_socket *listener, int bell_fd)
{
    struct generation *g = calloc(1, sizeof *g);
    size_t count = config->fcgi_processes;
    struct slot *slots = calloc(count, sizeof *slots);
    struct pulse *pulses = pulse_map(count, bell_fd);
    if (!g || !slots || !pulses) {
        if (pulses)
            pulse_unmap(pulses, count);
        free(slots);
        free(g);
        errno = ENOMEM;
        return NULL;
    }
    *g = (struct generation){
        .config = config_ref(config), .listener = listener, .slots = slots, .pulses = pulses, .count = count};
    return g;
}

void generation_free(struct generation *g)
{
    if (!g)
        return;
    pulse_unmap(g->pulses, g->count);
    config_unref(g->config);
    free(g->slots);
    free(g);
}

const struct config *generation_config(const struct generation *g)
{
    return g->config;
}

/* ---- start and end of children ---- */

static void run_child(const struct generation *g, struct pulse *pulse, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(0);
    log_set_level((enum log_level)g->config->log_level);
    exit(child_run(g->config, g->listener, pulse));
}

static void start_child(struct generation *g, size_t i)
{
    pid_t parent = getpid();
    struct slot *s = &g->slots[i];
    s->next_start = clock_mono_ms() + RESTART_MS;
    s->turns = 0;
    s->silent_ms = 0;
    pulse_reset(&g->pulses[i]);
    pid_t pid = fork();
    if (pid == 0)
        run_child(g, &g->pulses[i], parent);
    if (pid < 0) {
        log_error("can't start a child: %s", strerror(errno));
        g->failures++;
        return;
    }
    s->pid = pid;
}

int64_t generation_fill(struct generation *g)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; !g->dismissed && i < g->count; i++) {
        struct slot *s = &g->slots[i];
        if (s->pid == 0 && s->next_start <= clock_mono_ms())
            start_child(g, i);
        if (s->pid == 0 && s->next_start < due)
            due = s->next_start;
    }
    return due;
}

static void say_how_it_ended(pid_t pid, int status)
{
    if (WIFSIGNALED(status))
        log_warn("child %d was ended by signal %d (%s); another takes its place", (int)pid, WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        log_warn("child %d ended with status %d; another takes its place", (int)pid, WEXITSTATUS(status));
}

static bool gate_is(const struct generation *g, size_t i, enum pulse_gate gate)
{
    return atomic_load(&g->pulses[i].gate) == (int)gate;
}

bool generation_reap(struct generation *g, pid_t pid, int status)
{
    for (size_t i = 0; i < g->count; i++) {
        if (g->slots[i].pid != pid)
            continue;
        g->slots[i].pid = 0;
        g->slots[i].was_up |= !gate_is(g, i, PULSE_GATE_NOT_YET);
        g->failures += gate_is(g, i, PULSE_GATE_NOT_YET);
        if (!g->dismissed)
            say_how_it_ended(pid, status);
        return true;
    }
    return false;
}

bool generation_is_up(const struct generation *g)
{
    for (size_t i = 0; i < g->count; i++)
        if (!g->slots[i].was_up && gate_is(g, i, PULSE_GATE_NOT_YET))
            return false;
    return true;
}

bool generation_is_hopeless(const struct generation *g)
{
    return g->failures >= FAILURES_MAX && !generation_is_up(g);
}

/* ---- who hangs ---- */

static size_t tell_children(const struct generation *g, int signal)
{
    size_t told = 0;
    for (size_t i = 0; i < g->count; i++)
        if (g->slots[i].pid)
            told += kill(g->slots[i].pid, signal) == 0;
    return told;
}

/* Whether the child has made a turn. */
static bool look_at_child(struct generation *g, size_t i, int64_t ms)
{
    struct slot *s = &g->slots[i];
    unsigned long long turns = atomic_load(&g->pulses[i].turns);
    bool up = !gate_is(g, i, PULSE_GATE_NOT_YET);
    if (turns != s->turns) {
        s->turns = turns;
        s->silent_ms = 0;
        return true;
    }
    s->silent_ms += ms;
    if (s->silent_ms < (up ? SILENCE_MS : COMING_UP_MS))
        return false;
    log_warn("child %d %s for %d s and is killed", (int)s->pid, up ? "makes no turns" : "does not come up",
             (int)(s->silent_ms / 1000));
    s->silent_ms = 0;
    kill(s->pid, SIGKILL);
    return false;
}

static void hurry(struct generation *g, int64_t ms)
{
    bool before = g->leaving_ms < GENERATION_LEAVE_MS;
    g->leaving_ms += ms;
    if (!before || g->leaving_ms < GENERATION_LEAVE_MS)
        return;
    size_t left = tell_children(g, SIGKILL);
    log_warn("%zu %s not end in time and %s killed", left, left == 1 ? "child does" : "children do",
             left == 1 ? "is" : "are");
}

bool generation_look(struct generation *g, int64_t ms)
{
    bool turned = false;
    if (g->dismissed)
        hurry(g, ms);
    for (size_t i = 0; !g->dismissed && i < g->count; i++)
        if (g->slots[i].pid && look_at_child(g, i, ms))
            turned = true;
    return turned;
}

/* ---- the end ---- */

void generation_dismiss(struct generation *g, bool others)
{
    for (size_t i = 0; i < g->count; i++)
        atomic_store(&g->pulses[i].others, others);
    if (!g->dismissed)
        tell_children(g, SIGTERM);
    g->dismissed = true;
}

bool generation_accepts(const struct generation *g)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->slots[i].pid && !gate_is(g, i, PULSE_GATE_CLOSED))
            return true;
    return false;
}

bool generation_is_gone(const struct generation *g)
{
    bool runs = false;
    for (size_t i = 0; i < g->count; i++)
        runs |= g->slots[i].pid != 0;
    return g->dismissed && (!runs || g->leaving_ms >= GENERATION_LEAVE_MS);
}
