/* A listening socket in a loop. When no descriptor is left it stops accepting for a moment, says so, and goes
 * on. */
#ifndef WSPUSH_LOOP_ACCEPTOR_H
#define WSPUSH_LOOP_ACCEPTOR_H

#include "loop/loop.h"

struct acceptor {
    struct io io;
    const char *what; /* "a client", for the log */
    int64_t deaf_until;
    /* The descriptor is the callee's; non-blocking, close-on-exec. */
    void (*on_accept)(void *arg, int fd);
    void *arg;
};

/* `what`, and the fields behind it, are the caller's to set before. 0, or -1 with errno. */
int acceptor_start(struct acceptor *a, struct loop *loop, int listen_fd);
/* Takes no more; the listening socket stays open. */
void acceptor_stop(struct acceptor *a, struct loop *loop);

#endif
