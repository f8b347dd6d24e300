/*
 * The connections whose request has arrived, from the gate to the threads of a child. There are two kinds:
 * quick ones need nobody, slow ones wait for the worker or for the rest of their body. Slow ones never hold
 * all threads: one is left for the quick (but where there is only one). A slow one that no thread was free
 * for within QUEUE_PATIENCE_MS is "late", and any thread takes it, to refuse it.
 */
#ifndef WSPUSH_FCGI_QUEUE_H
#define WSPUSH_FCGI_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

enum { QUEUE_QUICK_MAX = 64, QUEUE_SLOW_MAX = 64, QUEUE_PATIENCE_MS = 2000 };

struct job {
    struct list link;
    int fd;
    bool slow;
    bool whole; /* the request's last byte has arrived */
    bool late;
    int64_t since;
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t work; /* threads wait for it */
    pthread_cond_t room; /* the gate does */
    struct list quick;   /* and late ones */
    struct list slow;
    size_t quick_count, slow_count;
    size_t slow_running, slow_max;
    size_t running;
    bool closed;
};

void queue_init(struct queue *q, size_t threads);
void queue_fini(struct queue *q);
/* Takes the job, which is the caller's malloc. Waits, 50 ms at most, when the quick ones pile up. */
void queue_push(struct queue *q, struct job *take_job);
/* The next job, to be freed by the caller after queue_done(); NULL when the queue is closed and empty. */
struct job *queue_take(struct queue *q);
void queue_done(struct queue *q, const struct job *job);
/* Makes late what has waited too long. Call a few times a second. */
void queue_tick(struct queue *q, int64_t now);
/* Whether a job waits or is being done. */
bool queue_busy(struct queue *q);
/* What is in it is still done; then queue_take() returns NULL. */
void queue_close(struct queue *q);

#endif
