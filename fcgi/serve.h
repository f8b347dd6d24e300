/*
 * One connection, from its first byte to its end: libfcgi reads the request, the route makes a reply, libfcgi
 * writes it. A hand is a thread and what it owns.
 */
#ifndef WSPUSH_FCGI_SERVE_H
#define WSPUSH_FCGI_SERVE_H

#include <fcgiapp.h>
#include <pthread.h>

#include "base/config.h"
#include "client/wspush.h"
#include "queue.h"
#include "watch.h"

struct hand {
    pthread_t thread;
    const struct config *config;
    struct queue *queue;
    struct wspush *worker;
    FCGX_Request fcgi;
    struct watch watch;
};

/* FCGX_Init() comes before. 0, or -1 for want of memory. */
int hand_init(struct hand *h, const struct config *config, struct queue *queue);
void hand_fini(struct hand *h);
/* Does jobs until the queue is closed and empty; a thread's body. */
void *hand_run(void *hand);

#endif
