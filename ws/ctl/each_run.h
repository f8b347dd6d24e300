/*
 * One message and the command that runs for it: the payload goes to its stdin, its stdout is kept, and it has
 * a time limit. The command leads a process group, which is what signals go to; it is reaped when all is
 * over, so that its number stays its own until then.
 */
#ifndef WSPUSH_CTL_EACH_RUN_H
#define WSPUSH_CTL_EACH_RUN_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/name.h"

enum { RUN_OUTPUT_MAX = 1024 * 1024 };

struct run {
    struct run *next; /* the list's, whose it is */
    char client[32];
    char channel[CHANNEL_NAME_MAX + 1];
    bool binary;
    bool exited;
    bool killed;
    bool orphan;        /* the client went with its worker */
    struct buf payload; /* what its stdin has not taken yet */
    struct buf output;
    pid_t pid; /* 0: not started */
    int in;    /* -1: closed */
    int out;
    int wait_status;     /* once it has exited */
    int64_t deadline;    /* monotonic ms: when it is told to end, and then killed, or heard no more */
    const char *failure; /* why it was told to end, or NULL */
};

/* Starts `path` with the environment of ours, and ends it after `timeout_ms`. 0, or an errno. */
int run_start(struct run *r, const char *path, char *const *argv, int64_t timeout_ms);
/* Fills in what to poll for, two entries. */
void run_polled(const struct run *r, struct pollfd p[2]);
/* Does what can be done, after poll() or a child's end. */
void run_turn(struct run *r, const struct pollfd p[2]);
/* Whether the command has ended and said all; what its children say is waited for a moment only. */
bool run_over(const struct run *r);
/* Tells it to end: SIGTERM, and SIGKILL two seconds later. `why` must live as long as the run. */
void run_end(struct run *r, const char *why);
/* Reaps it and frees, having killed what is left of one that did not come to its end. */
void run_free(struct run *take_r);

#endif
