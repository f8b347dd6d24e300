#include "watch.h"

#include <sys/socket.h>

#include "base/log.h"

void watch_init(struct watch *w)
{
    pthread_mutex_init(&w->lock, NULL);
    w->fd = -1;
}

void watch_fini(struct watch *w)
{
    pthread_mutex_destroy(&w->lock);
}

void watch_begin(struct watch *w, int fd, int64_t until)
{
    pthread_mutex_lock(&w->lock);
    w->fd = fd;
    w->until = until;
    pthread_mutex_unlock(&w->lock);
}

void watch_end(struct watch *w)
{
    watch_begin(w, -1, 0);
}

void watch_hurry(struct watch *w, int64_t until)
{
    pthread_mutex_lock(&w->lock);
    if (w->until > until)
        w->until = until;
    pthread_mutex_unlock(&w->lock);
}

/* The owner may not close the descriptor before watch_end(), so under the lock it is the right one. */
void watch_tick(struct watch *w, int64_t now)
{
    pthread_mutex_lock(&w->lock);
    if (w->fd >= 0 && now >= w->until) {
        log_peer("a request took too long; its connection is cut");
        shutdown(w->fd, SHUT_RDWR);
        w->fd = -1;
    }
    pthread_mutex_unlock(&w->lock);
}
