/*
 * libfcgi gets a connection that we accepted, as a duplicate: it closes descriptors on its own when a request
 * goes wrong, and ours has to stay what it is as long as the watch may shut it down. `keepConnection` keeps
 * it from closing the one that we just gave it.
 *
 * A peer that is still writing its body when we close would see a reset instead of the reply: what is left of
 * a refused body is read and dropped, for LINGER_MS at most.
 */
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "route.h"

enum {
    REQUEST_MS = 30000,
    WORKER_MS = 3000,
    LINGER_MS = 1000,
    REPLY_LIMIT = 64 * 1024,
    DROP_CHUNK = 64 * 1024
};

int hand_init(struct hand *h, const struct config *config, struct queue *queue)
{
    *h = (struct hand){.config = config, .queue = queue};
    watch_init(&h->watch);
    FCGX_InitRequest(&h->fcgi, -1, 0);
    h->worker = wspush_open(config->control + strlen("unix:"));
    if (!h->worker)
        return -1;
    wspush_set_deadline(h->worker, WORKER_MS);
    wspush_set_reply_limit(h->worker, REPLY_LIMIT);
    return 0;
}

void hand_fini(struct hand *h)
{
    wspush_free(h->worker);
    watch_fini(&h->watch);
}

/* Lets libfcgi read the request's head; false if it could not, and has closed its descriptor. */
static bool read_head(struct hand *h, int fd)
{
    h->fcgi.ipcFd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (h->fcgi.ipcFd < 0) {
        log_peer("a request can't be served: %s", strerror(errno));
        return false;
    }
    h->fcgi.keepConnection = 1;
    return FCGX_Accept_r(&h->fcgi) == 0;
}

/* Sends what is left of the reply and frees the request. After an error libfcgi would wait for the peer. */
static void finish(struct hand *h, int fd)
{
    if (FCGX_GetError(h->fcgi.in) != 0)
        shutdown(fd, SHUT_RD);
    h->fcgi.keepConnection = 1;
    FCGX_Finish_r(&h->fcgi);
    if (h->fcgi.ipcFd >= 0)
        close(h->fcgi.ipcFd);
    h->fcgi.ipcFd = -1;
}

/* Reads and drops what has arrived, and with `wait` what is still to come. */
static void drop_rest(int fd, bool wait)
{
    char chunk[DROP_CHUNK];
    int64_t until = clock_mono_ms() + (wait ? LINGER_MS : 0);
    shutdown(fd, SHUT_WR);
    for (;;) {
        ssize_t n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
        int64_t left = until - clock_mono_ms();
        if (n == 0 || (n < 0 && errno != EAGAIN) || left < 0)
            return;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (n < 0 && (left == 0 || poll(&p, 1, (int)left) <= 0))
            return;
    }
}

/* Answers the request; returns whether its body was read to the end. */
static bool answer(struct hand *h, const struct job *job)
{
    struct request request;
    struct reply reply;
    struct route to = {.config = h->config, .worker = h->worker, .in = h->fcgi.in, .late = job->late};
    reply_init(&reply);
    if (request_read(&request, h->fcgi.envp, h->config, &reply))
        route(&to, &request, &reply);
    reply_write(&reply, h->fcgi.out, request.is_head);
    reply_fini(&reply);
    return h->fcgi.in->isClosed;
}

static void serve(struct hand *h, const struct job *job)
{
    watch_begin(&h->watch, job->fd, clock_mono_ms() + REQUEST_MS);
    if (read_head(h, job->fd)) {
        bool read_all = answer(h, job);
        finish(h, job->fd);
        drop_rest(job->fd, !read_all && !job->whole);
    }
    watch_end(&h->watch);
    close(job->fd);
}

void *hand_run(void *hand)
{
    struct hand *h = hand;
    struct job *job;
    while ((job = queue_take(h->queue))) {
        serve(h, job);
        queue_done(h->queue, job);
        free(job);
    }
    return NULL;
}
