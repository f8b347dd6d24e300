/*
 * A waiting connection is peeked at, never read: libfcgi gets all of it. The kernel keeps what has arrived,
 * so it costs a descriptor here and no memory. epoll is edge-triggered for them: peeking leaves them
 * readable.
 */
#include "gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "record.h"

enum {
    WAITING_MAX = 256,
    ACCEPTS_A_TURN = 8,
    LAST_ACCEPTS = 512, /* the listening socket holds so many */
    EVENTS = 64,
    HEAD_TIMEOUT_MS = 5000,
    IO_TIMEOUT_S = 5,
    PAUSE_MS = 200
};

struct waiting {
    struct list link;
    int fd;
    int64_t until;
};

struct gate {
    int listen_fd; /* -1 after gate_close */
    int epoll_fd;
    const struct peer_rule *peers;
    struct queue *queue;
    struct list waiting; /* oldest first */
    size_t waiting_count;
    int64_t paused_until; /* no accepting before; 0: not paused */
    struct request_head head;
    uint8_t window[RECORD_WINDOW];
};

static void listen_for_peers(struct gate *g)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = g};
    epoll_ctl(g->epoll_fd, EPOLL_CTL_ADD, g->listen_fd, &e);
}

struct gate *gate_new(int listen_fd, int wake_fd, const struct peer_rule *peers, struct queue *queue)
{
    struct gate *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    *g = (struct gate){.listen_fd = listen_fd, .peers = peers, .queue = queue};
    list_init(&g->waiting);
    g->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    if (g->epoll_fd < 0 || epoll_ctl(g->epoll_fd, EPOLL_CTL_ADD, wake_fd, &e) < 0) {
        free(g);
        return NULL;
    }
    listen_for_peers(g);
    return g;
}

/* Takes the connection out of the gate; the descriptor stays open. */
static int let_go(struct gate *g, struct waiting *w)
{
    int fd = w->fd;
    list_remove(&w->link);
    g->waiting_count--;
    free(w);
    return fd;
}

static void send_away(struct gate *g, struct waiting *w, const char *why)
{
    if (why)
        log_peer("a FastCGI peer is sent away: %s", why);
    close(let_go(g, w));
}

void gate_free(struct gate *g)
{
    if (!g)
        return;
    while (!list_empty(&g->waiting))
        send_away(g, LIST_ENTRY(g->waiting.next, struct waiting, link), NULL);
    close(g->epoll_fd);
    free(g);
}

/* Looks at what has arrived. HEAD_BAD without a fault: the peer has left. */
static enum head_state peek(struct gate *g, int fd)
{
    ssize_t n = recv(fd, g->window, sizeof g->window, MSG_PEEK | MSG_DONTWAIT);
    g->head.fault = NULL;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return HEAD_MORE;
    if (n <= 0)
        return HEAD_BAD;
    request_head_look(&g->head, g->window, (size_t)n);
    return g->head.state;
}

/* Hands the connection that was peeked at to the threads. */
static void admit(struct gate *g, int take_fd)
{
    struct job *job = malloc(sizeof *job);
    if (!job) {
        log_peer("no memory for a request");
        close(take_fd);
        return;
    }
    bool quick = g->head.is_get && g->head.whole;
    *job = (struct job){.fd = take_fd, .slow = !quick, .whole = g->head.whole, .since = clock_mono_ms()};
    queue_push(g->queue, job);
}

/* More has arrived; `w` may be gone afterwards. */
static void look(struct gate *g, struct waiting *w)
{
    switch (peek(g, w->fd)) {
    case HEAD_MORE: return;
    case HEAD_BAD: send_away(g, w, g->head.fault); return;
    case HEAD_READY: epoll_ctl(g->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL); admit(g, let_go(g, w));
    }
}

static bool set_limits(int fd)
{
    struct timeval limit = {.tv_sec = IO_TIMEOUT_S};
    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0;
}

static void keep_waiting(struct gate *g, int take_fd)
{
    struct waiting *w = malloc(sizeof *w);
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = w};
    if (!w || epoll_ctl(g->epoll_fd, EPOLL_CTL_ADD, take_fd, &e) < 0) {
        log_peer("a FastCGI peer can't be served: %s", strerror(errno));
        close(take_fd);
        free(w);
        return;
    }
    *w = (struct waiting){.fd = take_fd, .until = clock_mono_ms() + HEAD_TIMEOUT_MS};
    list_append(&g->waiting, &w->link);
    if (++g->waiting_count > WAITING_MAX)
        send_away(g, LIST_ENTRY(g->waiting.next, struct waiting, link), "too many wait; it was the oldest");
}

/* nginx's request mostly comes with the connection. */
static void take_in(struct gate *g, int take_fd)
{
    enum head_state state = set_limits(take_fd) ? peek(g, take_fd) : HEAD_BAD;
    if (state == HEAD_READY) {
        admit(g, take_fd);
    } else if (state == HEAD_MORE) {
        keep_waiting(g, take_fd);
    } else {
        if (g->head.fault)
            log_peer("a FastCGI peer is sent away: %s", g->head.fault);
        close(take_fd);
    }
}

/* One connection; false when there is none to be had now. */
static bool accept_one(struct gate *g)
{
    char who[64];
    int fd = accept4(g->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0 && peer_allowed(g->peers, fd, who, sizeof who)) {
        take_in(g, fd);
    } else if (fd >= 0) {
        log_peer("%s may not speak FastCGI to us: not nginx's user; see socket_group and trusted_proxies",
                 who);
        close(fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        log_peer("can't accept for a moment: %s", strerror(errno));
        epoll_ctl(g->epoll_fd, EPOLL_CTL_DEL, g->listen_fd, NULL);
        g->paused_until = clock_mono_ms() + PAUSE_MS;
        return false;
    } else {
        return errno == EINTR || errno == ECONNABORTED || errno == EPROTO;
    }
    return true;
}

static void tick(struct gate *g)
{
    int64_t now = clock_mono_ms();
    while (!list_empty(&g->waiting)) {
        struct waiting *oldest = LIST_ENTRY(g->waiting.next, struct waiting, link);
        if (now < oldest->until)
            break;
        send_away(g, oldest, "no whole request head in time");
    }
    if (g->paused_until && now >= g->paused_until && g->listen_fd >= 0) {
        g->paused_until = 0;
        listen_for_peers(g);
    }
}

bool gate_turn(struct gate *g, int ms)
{
    struct epoll_event events[EVENTS];
    bool woken = false;
    int n = epoll_wait(g->epoll_fd, events, EVENTS, ms);
    bool knock = false;
    for (int i = 0; i < n; i++) {
        if (!events[i].data.ptr)
            woken = true;
        else if (events[i].data.ptr == g)
            knock = true;
        else
            look(g, events[i].data.ptr);
    }
    /* last: taking one in may send the oldest away, and an event may be its */
    for (int i = 0; knock && i < ACCEPTS_A_TURN && accept_one(g); i++)
        ;
    tick(g);
    return woken;
}

void gate_close(struct gate *g, bool last, int ms)
{
    if (g->listen_fd < 0)
        return;
    for (int i = 0; last && i < LAST_ACCEPTS && accept_one(g); i++)
        ;
    epoll_ctl(g->epoll_fd, EPOLL_CTL_DEL, g->listen_fd, NULL);
    g->listen_fd = -1;
    int64_t until = clock_mono_ms() + ms;
    for (struct list *l = g->waiting.next; l != &g->waiting; l = l->next) {
        struct waiting *w = LIST_ENTRY(l, struct waiting, link);
        if (w->until > until)
            w->until = until;
    }
}

bool gate_empty(const struct gate *g)
{
    return list_empty(&g->waiting);
}
