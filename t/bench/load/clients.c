#include "clients.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../must.h"
#include "../net.h"

enum { READ_SIZE = 256 * 1024, EVENTS = 512, REQUEST_MAX = 1024, OPEN_S = 60, AGAIN_NS = 1000000 };

/* AWAY: not connected, or not any more. */
enum state { AWAY, CONNECTING, OPENING, OPEN };

struct client {
    int fd;
    enum state state;
    uint32_t rest_len;
    char *rest; /* of what was read: an unfinished head or frame */
};

struct clients {
    int epoll_fd;
    struct net_address server;
    struct client *all;
    size_t count, open, on_the_way;
    uint64_t refused, pinged;
    clients_message *on_message;
    void *arg;
    const char *path;
    size_t channels, first; /* 0: all use the path itself */
    char *buffer;           /* READ_SIZE, and room for a client's rest */
    size_t buffer_size;
};

static const char accepted[] = "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

struct clients *clients_new(const char *address, const char *path, size_t count, clients_message *on_message,
                            void *arg)
{
    struct clients *c = must_alloc(1, sizeof *c);
    c->server = net_parse(address);
    c->count = count;
    c->all = must_alloc(count, sizeof *c->all);
    c->on_message = on_message;
    c->arg = arg;
    c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    c->path = path;
    if (c->epoll_fd < 0)
        die("cannot begin: %s", strerror(errno));
    return c;
}

void clients_spread(struct clients *c, size_t channels, size_t first)
{
    c->channels = channels;
    c->first = first;
}

/* The connection ends; what was on its way is lost, on purpose. */
static void leave(struct client *one)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(one->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(one->fd);
    free(one->rest);
    *one = (struct client){.fd = -1, .state = AWAY};
}

void clients_free(struct clients *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        if (c->all[i].state != AWAY)
            leave(&c->all[i]);
    close(c->epoll_fd);
    free(c->all);
    free(c->buffer);
    free(c);
}

uint64_t clients_refused(const struct clients *c)
{
    return c->refused;
}

uint64_t clients_pinged(const struct clients *c)
{
    return c->pinged;
}

static size_t index_of(const struct clients *c, const struct client *one)
{
    return (size_t)(one - c->all);
}

/* ---- frames ---- */

void clients_send(struct clients *c, size_t i, const void *frame, size_t len)
{
    if (!net_send_all(c->all[i].fd, frame, len))
        die("client %zu cannot send: %s", i, strerror(errno));
}

static void answer_ping(struct clients *c, struct client *one, const char *payload, size_t len)
{
    char pong[6 + 125] = {(char)0x8a, (char)(0x80 | len)}; /* masked with zeros */
    memcpy(pong + 6, payload, len);
    clients_send(c, index_of(c, one), pong, 6 + len);
    c->pinged++;
}

/* The head of a server's frame: its length, 0 if it is not all there; *payload is how much follows. */
static size_t frame_head(const unsigned char *p, size_t len, uint64_t *payload)
{
    size_t more = len < 2 ? 0 : p[1] == 126 ? 2 : p[1] == 127 ? 8 : 0;
    if (len < 2 + more)
        return 0;
    *payload = more ? 0 : p[1];
    for (size_t i = 0; i < more; i++)
        *payload = *payload << 8 | p[2 + i];
    return 2 + more;
}

/* Takes one frame; returns its bytes, 0 if it is not all there. */
static size_t take_frame(struct clients *c, struct client *one, const char *bytes, size_t len, uint64_t now)
{
    const unsigned char *p = (const unsigned char *)bytes;
    uint64_t payload;
    size_t head = frame_head(p, len, &payload);
    if (head == 0 || len - head < payload)
        return 0;
    if (p[0] == 0x81 && c->on_message)
        c->on_message(c->arg, index_of(c, one), bytes + head, payload, now);
    else if (p[0] == 0x89 && payload <= 125)
        answer_ping(c, one, bytes + head, payload);
    else
        die("client %zu got a frame that begins with %02x %02x", index_of(c, one), p[0], p[1]);
    return head + payload;
}

/* ---- opening ---- */

static void refuse(struct clients *c, struct client *one)
{
    if (one->state != AWAY) {
        c->on_the_way--;
        leave(one);
    }
    c->refused++;
}

static int write_request(const struct clients *c, const struct client *one, char *out, size_t size)
{
    char channel[24] = "";
    if (c->channels)
        snprintf(channel, sizeof channel, "/%zu", c->first + index_of(c, one) % c->channels);
    return snprintf(out, size,
                    "GET %s%s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                    c->path, channel);
}

static void say_hello(struct clients *c, struct client *one)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
    char request[REQUEST_MAX];
    int len = write_request(c, one, request, sizeof request);
    if (len >= (int)sizeof request)
        die("the path is too long");
    if (send(one->fd, request, (size_t)len, MSG_NOSIGNAL) != len) {
        refuse(c, one);
        return;
    }
    epoll_ctl(c->epoll_fd, EPOLL_CTL_MOD, one->fd, &event);
    one->state = OPENING;
}

/* False: the server has no room for another one at the moment. */
static bool begin(struct clients *c, struct client *one)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = one};
    one->fd = net_begin_connect(&c->server, index_of(c, one));
    if (one->fd < 0) {
        if (errno != EAGAIN && errno != ECONNREFUSED)
            die("client %zu cannot connect: %s", index_of(c, one), strerror(errno));
        refuse(c, one);
        return false;
    }
    if (epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, one->fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
    one->state = CONNECTING;
    c->on_the_way++;
    return true;
}

/* The answer to the handshake; returns its bytes, 0 if it is not all there or no 101. */
static size_t take_head(struct clients *c, struct client *one, const char *bytes, size_t len)
{
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t size = (size_t)(end - bytes) + 4;
    if (strncmp(bytes, "HTTP/1.1 5", 10) == 0) {
        refuse(c, one);
        return 0;
    }
    if (strncmp(bytes, "HTTP/1.1 101 ", 13) != 0 || !memmem(bytes, size, accepted, sizeof accepted - 1))
        die("client %zu is not let in: %.*s", index_of(c, one), (int)size, bytes);
    one->state = OPEN;
    c->on_the_way--;
    c->open++;
    return size;
}

void clients_open(struct clients *c, size_t total, size_t at_a_time)
{
    uint64_t deadline = now_ns() + OPEN_S * 1000000000ull, refused = 0;
    size_t next = 0;
    while (c->open < total) {
        bool room = true;
        if (c->refused != refused)
            next = 0; /* those who were refused are before us */
        refused = c->refused;
        for (; room && next < total && c->on_the_way < at_a_time; next += room)
            if (c->all[next].state == AWAY)
                room = begin(c, &c->all[next]);
        uint64_t now = now_ns();
        if (now > deadline)
            die("%zu of %zu clients have no 101 after %d s", total - c->open, total, OPEN_S);
        clients_turn(c, room && next < total && c->on_the_way < at_a_time ? now : now + AGAIN_NS);
    }
}

/* ---- receiving ---- */

static void keep_rest(struct client *one, const char *bytes, size_t len)
{
    char *copy = NULL;
    if (len > 0) {
        copy = must_alloc(1, len);
        memcpy(copy, bytes, len);
    }
    free(one->rest);
    one->rest = copy;
    one->rest_len = (uint32_t)len;
}

static void make_room(struct clients *c, size_t rest)
{
    if (c->buffer_size >= rest + READ_SIZE)
        return;
    free(c->buffer);
    c->buffer_size = rest + READ_SIZE;
    c->buffer = must_alloc(1, c->buffer_size);
}

static void take_bytes(struct clients *c, struct client *one, const char *bytes, size_t len)
{
    uint64_t now = now_ns();
    size_t taken;
    do {
        taken = one->state == OPENING ? take_head(c, one, bytes, len) : take_frame(c, one, bytes, len, now);
        bytes += taken;
        len -= taken;
    } while (taken > 0);
    if (one->state != AWAY && (one->rest_len > 0 || len > 0))
        keep_rest(one, bytes, len);
}

static void read_one(struct clients *c, struct client *one)
{
    make_room(c, one->rest_len);
    ssize_t n = recv(one->fd, c->buffer + one->rest_len, READ_SIZE, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 && one->state == OPEN)
        die("client %zu was cut off: %s", index_of(c, one), n ? strerror(errno) : "end of stream");
    if (n <= 0) {
        refuse(c, one);
        return;
    }
    if (one->rest_len > 0)
        memcpy(c->buffer, one->rest, one->rest_len);
    take_bytes(c, one, c->buffer, one->rest_len + (size_t)n);
}

void clients_turn(struct clients *c, uint64_t until_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t now = now_ns(), left = until_ns > now ? until_ns - now : 0;
    const struct timespec wait = {.tv_sec = (time_t)(left / 1000000000u),
                                  .tv_nsec = (long)(left % 1000000000u)};
    int n = epoll_pwait2(c->epoll_fd, events, EVENTS, &wait, NULL);
    for (int i = 0; i < n; i++) {
        struct client *one = events[i].data.ptr;
        if (one->state == CONNECTING)
            say_hello(c, one);
        else
            read_one(c, one);
    }
}
