/* What the parts of wsctl each share: each.c reads what it is told, each_loop.c takes messages and starts
 * commands, each_answer.c sends what they say, each_run.c is one of them. */
#ifndef WSPUSH_CTL_EACH_H
#define WSPUSH_CTL_EACH_H

#include "ctl/ctl.h"
#include "ctl/each_run.h"

enum { EACH_PARALLEL_MAX = 256 };

struct runs {
    struct run *first;
    struct run **end; /* where the next one is hung */
    size_t count;
};

struct each {
    struct ctl *ctl;
    const char *target;
    char **command;
    char *path;
    struct wspush *waiter;
    struct ctl_absence absence;
    struct runs held;    /* taken, not started */
    struct runs running; /* at most `parallel` */
    uint64_t parallel;
    uint64_t left; /* messages still to be taken */
    int64_t timeout_ms;
    int64_t stop_at; /* monotonic ms: commands still running are ended; 0: not asked to stop */
    int64_t retry_at;
    int64_t start_at; /* a command could not be started: not before this, and nothing is taken; 0: it could */
    int64_t say_at;   /* when the next one may be complained of */
    int signal_fd;
    int status; /* the exit status, when nothing is left to do */
    bool asking;
    bool close_on_empty;
};

/* ---- each_loop.c ---- */

/* Takes messages and runs commands until it is to end; e->status says how it went. */
void each_loop(struct each *e);

/* ---- each_answer.c ---- */

/* Puts what the command is to know of the message into our environment. */
void each_set_environment(struct ctl *ctl, const struct run *r);
/* Says how the command ended, if not well, and sends its answer, if it is to have one. */
void each_answer(struct ctl *ctl, const char *command, struct run *r);
/* Begins the closing handshake of the client. */
void each_close(struct ctl *ctl, const struct run *r);
/* A line on stderr about a client's command. */
void each_say(const struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
