/*
 * The connection of a handle: a Unix stream socket that never blocks, so that one deadline bounds a whole
 * call however the bytes dribble in, and reading goes on while we write: a pipeline can't lock both sides.
 */
#include "client/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

enum { READ_CHUNK = 64 * 1024, BETWEEN_LOOKS_MS = 1000 };

static enum wspush_result connect_failed(struct wspush *h, int error)
{
    link_close(h);
    if (error == EACCES || error == EPERM)
        return call_fail(h, WSPUSH_NOPERM, "may not open %s: %s", h->path, strerror(error));
    if (error == EAGAIN)
        return call_fail(h, WSPUSH_NOANSWER, "the worker on %s takes no connection", h->path);
    return call_fail(h, WSPUSH_NOWORKER, "no worker on %s: %s", h->path, strerror(error));
}

/* A full backlog makes connect() wait: no longer than SO_SNDTIMEO. */
static int connect_within(int fd, const struct sockaddr_un *address, int64_t ms)
{
    if (ms < 1)
        ms = 1;
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv) < 0)
        return -1;
    int rc;
    do
        rc = connect(fd, (const struct sockaddr *)address, sizeof *address);
    while (rc < 0 && errno == EINTR);
    if (rc < 0)
        return -1;
    return fcntl(fd, F_SETFL, O_NONBLOCK);
}

static enum wspush_result link_open(struct wspush *h, int64_t until)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(h->path) >= sizeof address.sun_path)
        return connect_failed(h, ENAMETOOLONG);
    memcpy(address.sun_path, h->path, strlen(h->path));
    if (!parse_start(h))
        return call_fail(h, WSPUSH_NOMEM, "no memory for a connection");
    h->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (h->fd < 0 || connect_within(h->fd, &address, until - clock_mono_ms()) < 0)
        return connect_failed(h, errno);
    h->write_failed = false;
    return WSPUSH_OK;
}

/* A connection at rest has nothing to read; end of file means that the worker went, bytes that we lost step.
 */
static bool still_good(const struct wspush *h)
{
    char byte;
    if (h->fd < 0 || h->write_failed || parse_has_rest(h))
        return false;
    return recv(h->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

enum wspush_result link_ready(struct wspush *h, int64_t until)
{
    if (still_good(h))
        return WSPUSH_OK;
    link_close(h);
    return link_open(h, until);
}

void link_close(struct wspush *h)
{
    if (h->fd >= 0)
        close(h->fd);
    h->fd = -1;
    parse_stop(h);
    subscriptions_end(h);
}

static bool all_written(const struct wspush *h)
{
    return h->write_failed || h->out_done == h->out.len;
}

/* A worker that ends a conversation may have said why: so a failed write is not the end, end of file is. */
static void write_some(struct wspush *h)
{
    while (!all_written(h)) {
        ssize_t n = send(h->fd, h->out.data + h->out_done, h->out.len - h->out_done, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            h->write_failed = true;
        if (n < 0)
            return;
        h->out_done += (size_t)n;
    }
}

static enum wspush_result read_some(struct wspush *h)
{
    char chunk[READ_CHUNK];
    ssize_t n = recv(h->fd, chunk, sizeof chunk, 0);
    if (n > 0)
        return parse_feed(h, chunk, (size_t)n);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return WSPUSH_OK;
    return call_fail(h, WSPUSH_NOWORKER, "the worker on %s closed the connection", h->path);
}

static enum wspush_result no_answer(struct wspush *h)
{
    return call_fail(h, WSPUSH_NOANSWER, "the worker on %s does not answer", h->path);
}

/* When to give up: a reply that has begun may not take longer than a call. */
static int64_t give_up(const struct wspush *h, int64_t until)
{
    int64_t reply_until = h->reply_began ? h->reply_began + h->deadline_ms : -1;
    if (until < 0)
        return reply_until;
    return reply_until >= 0 && reply_until < until ? reply_until : until;
}

/* Waits for the socket, no longer than `until` says, then writes and reads what goes at once. Past `until`
 * there is one more look: an answer that came while we were stopped is an answer. */
static enum wspush_result turn(struct wspush *h, int64_t until, bool wait)
{
    struct pollfd p = {.fd = h->fd, .events = POLLIN};
    if (!all_written(h))
        p.events |= POLLOUT;
    int64_t left = until < 0 ? -1 : until - clock_mono_ms();
    if (until >= 0 && left <= 0) {
        if (h->late)
            return no_answer(h);
        h->late = true;
        left = 0;
    }
    int n = poll(&p, 1, !wait ? 0 : left > 1000000 ? 1000000 : (int)left);
    if (n <= 0)
        return WSPUSH_OK;
    if (p.revents & (POLLOUT | POLLERR | POLLHUP))
        write_some(h);
    return p.revents & (POLLIN | POLLERR | POLLHUP) ? read_some(h) : WSPUSH_OK;
}

static enum wspush_result closing(struct wspush *h, enum wspush_result result)
{
    if (result != WSPUSH_OK && result != WSPUSH_PENDING)
        link_close(h);
    return result;
}

enum wspush_result link_flush(struct wspush *h, int64_t until)
{
    write_some(h);
    while (!all_written(h)) {
        enum wspush_result result = turn(h, until, true);
        if (result != WSPUSH_OK)
            return closing(h, result);
    }
    return WSPUSH_OK;
}

/* What the worker has written by now is read before we say that it is late. A reply that begins with it is
 * not: its time is counted from here. */
static enum wspush_result last_looks(struct wspush *h)
{
    bool had_begun = h->reply_began != 0;
    enum wspush_result result;
    size_t before;
    do {
        before = h->reply_bytes;
        result = read_some(h);
        if (result == WSPUSH_OK)
            result = parse_next(h);
    } while (result == WSPUSH_PENDING && h->reply_bytes > before);
    return result == WSPUSH_PENDING && (had_begun || !h->reply_began) ? no_answer(h) : result;
}

/* That a reply takes long because nobody reads it is not the worker's fault. */
static void forgive_pause(struct wspush *h, int64_t now)
{
    int64_t since = h->looked > h->reply_began ? h->looked : h->reply_began;
    if (h->reply_began && now - since > BETWEEN_LOOKS_MS)
        h->reply_began += now - since - BETWEEN_LOOKS_MS;
    h->looked = now;
}

enum wspush_result link_try(struct wspush *h, int64_t until)
{
    int64_t now = clock_mono_ms();
    forgive_pause(h, now);
    if (h->reply_began)
        until = h->reply_began + h->deadline_ms;
    enum wspush_result result = parse_next(h);
    if (result == WSPUSH_PENDING && until >= 0 && now >= until) {
        result = last_looks(h);
    } else if (result == WSPUSH_PENDING) {
        result = read_some(h);
        if (result == WSPUSH_OK)
            result = parse_next(h);
    }
    return closing(h, result);
}

enum wspush_result link_reply(struct wspush *h, int64_t until)
{
    write_some(h);
    enum wspush_result result;
    while ((result = parse_next(h)) == WSPUSH_PENDING) {
        result = turn(h, give_up(h, until), true);
        if (result != WSPUSH_OK)
            break;
    }
    return closing(h, result);
}

static void wait_readable(const struct wspush *h, int64_t until)
{
    struct pollfd p = {.fd = h->fd, .events = POLLIN};
    int64_t left = until < 0 ? -1 : until - clock_mono_ms();
    if (until >= 0 && left < 0)
        left = 0;
    poll(&p, 1, left > 1000000 ? 1000000 : (int)left);
}

enum wspush_result link_listen(struct wspush *h, int64_t until)
{
    enum wspush_result result;
    h->late = false;
    if (h->reply_began)
        h->reply_began = clock_mono_ms();
    for (bool looked = false; (result = parse_next(h)) == WSPUSH_PENDING; looked = true) {
        if (looked && until >= 0 && clock_mono_ms() >= until)
            return result;
        wait_readable(h, give_up(h, until));
        result = turn(h, give_up(h, -1), false);
        if (result != WSPUSH_OK)
            break;
    }
    return closing(h, result);
}
