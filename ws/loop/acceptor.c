#include "loop/acceptor.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"

enum { ACCEPTS_A_TURN = 256, DEAF_MS = 200 };

static void on_event(struct loop *loop, struct io *io, uint32_t events);
static bool may_resume(struct loop *loop, struct io *io);

static const struct io_ops acceptor_ops = {.on_event = on_event, .may_resume = may_resume};

int acceptor_start(struct acceptor *a, struct loop *loop, int listen_fd)
{
    a->deaf_until = 0;
    return loop_add(loop, &a->io, listen_fd, EPOLLIN, &acceptor_ops);
}

void acceptor_stop(struct acceptor *a, struct loop *loop)
{
    loop_remove(loop, &a->io);
}

static bool may_resume(struct loop *loop, struct io *io)
{
    const struct acceptor *a = LIST_ENTRY(io, struct acceptor, io);
    return loop->now >= a->deaf_until;
}

static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

static void on_event(struct loop *loop, struct io *io, uint32_t events)
{
    struct acceptor *a = LIST_ENTRY(io, struct acceptor, io);
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            a->on_accept(a->arg, fd);
        } else if (is_shortage(errno)) {
            log_peer("cannot accept %s: %s; trying again in %d ms", a->what, strerror(errno), DEAF_MS);
            a->deaf_until = loop->now + DEAF_MS;
            loop->accepts_put_off++;
            loop_pause(loop, io);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}
