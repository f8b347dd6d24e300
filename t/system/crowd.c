/*
 * See crowd.h. One epoll, one shared read buffer; a client keeps only what is left of a frame that has not
 * come whole.
 */
#include "crowd.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http.h"

enum { READ_SIZE = 256 * 1024, EVENTS = 256, OPENING_AT_A_TIME = 128, OPEN_MS = 30000 };

enum state { OPENING, OPEN, CLOSING, ENDED };

struct client {
    int fd;
    enum state state;
    unsigned code;     /* of the close frame that came */
    uint64_t messages; /* since the start */
    uint64_t digest;
    char *rest; /* of what was read: an unfinished head or frame */
    size_t rest_len;
};

struct crowd {
    int epoll_fd;
    struct client *clients;
    size_t count;
    size_t opening, ended;
    bool any_text;
    uint64_t total; /* messages since the start, of all */
    char *request;
    char *buffer; /* READ_SIZE, and room in front for a client's rest */
};

static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
static const char accepted[] = "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

static void *must(void *p)
{
    if (!p)
        ck_abort_msg("out of memory");
    return p;
}

size_t crowd_size(void)
{
    const char *text = getenv("WSPUSH_CLIENTS");
    int n = text ? atoi(text) : 0;
    return n > 0 ? (size_t)n : 1000;
}

static size_t index_of(const struct crowd *c, const struct client *one)
{
    return (size_t)(one - c->clients);
}

/* ---- connecting ---- */

union any_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_un un;
};

static socklen_t parse_address(const char *text, union any_address *out)
{
    char host[64];
    unsigned port;
    memset(out, 0, sizeof *out);
    if (strncmp(text, "unix:", 5) == 0) {
        out->un.sun_family = AF_UNIX;
        ck_assert(strlen(text + 5) < sizeof out->un.sun_path);
        strcpy(out->un.sun_path, text + 5);
        return sizeof out->un;
    }
    ck_assert_msg(sscanf(text, "%63[0-9.]:%u", host, &port) == 2, "not an address: %s", text);
    out->in.sin_family = AF_INET;
    out->in.sin_port = htons((uint16_t)port);
    ck_assert(inet_pton(AF_INET, host, &out->in.sin_addr) == 1);
    return sizeof out->in;
}

/* Connects (at loopback that is done at once) and sends the handshake. */
static void begin_one(struct crowd *c, struct client *one, const union any_address *to, socklen_t len)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
    one->fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (one->fd < 0 || connect(one->fd, &to->any, len) < 0)
        ck_abort_msg("client %zu cannot connect: %s", index_of(c, one), strerror(errno));
    ssize_t n = send(one->fd, c->request, strlen(c->request), MSG_NOSIGNAL);
    ck_assert(n == (ssize_t)strlen(c->request));
    ck_assert(fcntl(one->fd, F_SETFL, O_NONBLOCK) == 0);
    ck_assert(epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, one->fd, &event) == 0);
    c->opening++;
}

/* ---- sending ---- */

enum { FRAME_MAX = 125 + 6, FIN = 0x80 };

/* first: FIN and opcode. */
static size_t encode(unsigned first, const char *payload, size_t len, unsigned char out[FRAME_MAX])
{
    const unsigned char head[6] = {(unsigned char)first, (unsigned char)(0x80 | len), 1, 2, 3, 4};
    ck_assert_msg(len <= 125, "%zu bytes are too many to send here", len);
    memcpy(out, head, sizeof head);
    for (size_t i = 0; i < len; i++)
        out[6 + i] = (unsigned char)payload[i] ^ head[2 + (i & 3)];
    return len + 6;
}

/* To one that has gone nothing is sent, which is seen when it is read from. */
static void send_bytes(const struct crowd *c, const struct client *one, const void *bytes, size_t len)
{
    ssize_t n = send(one->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0 && n != (ssize_t)len)
        ck_abort_msg("client %zu cannot send", index_of(c, one));
}

static void send_frame(const struct crowd *c, const struct client *one, unsigned opcode, const char *payload,
                       size_t len)
{
    unsigned char bytes[FRAME_MAX];
    send_bytes(c, one, bytes, encode(FIN | opcode, payload, len, bytes));
}

void crowd_say(struct crowd *c, const char *text)
{
    for (size_t i = 0; i < c->count; i++)
        send_frame(c, &c->clients[i], 1, text, strlen(text));
}

void crowd_say_in_pieces(struct crowd *c, const char *text)
{
    unsigned char first[FRAME_MAX], second[FRAME_MAX];
    size_t half = strlen(text) / 2;
    size_t n = encode(1, text, half, first), m = encode(FIN, text + half, strlen(text) - half, second);
    const struct {
        const unsigned char *bytes;
        size_t len;
    } pieces[] = {{first, n}, {second, 3}, {second + 3, m - 3}};
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < c->count; i++)
            send_bytes(c, &c->clients[i], pieces[k].bytes, pieces[k].len);
}

/* ---- receiving ---- */

static void take_message(struct crowd *c, struct client *one, const char *payload, size_t len)
{
    uint64_t number = 0;
    size_t digits = 0;
    while (digits < len && payload[digits] >= '0' && payload[digits] <= '9')
        number = number * 10 + (uint64_t)(payload[digits++] - '0');
    bool whole = digits > 0 && (digits == len || payload[digits] == ' ');
    if (!c->any_text && (!whole || number != one->messages))
        ck_abort_msg("client %zu got \"%.*s\" instead of message %llu", index_of(c, one),
                     len < 40 ? (int)len : 40, payload, (unsigned long long)one->messages);
    for (size_t i = 0; c->any_text && i < len; i++)
        one->digest = (one->digest ^ (unsigned char)payload[i]) * 1099511628211u;
    one->digest = (one->digest ^ 256) * 1099511628211u;
    one->messages++;
    c->total++;
}

static void take_close(struct crowd *c, struct client *one, const char *payload, size_t len)
{
    const unsigned char *p = (const unsigned char *)payload;
    one->code = len >= 2 ? (unsigned)p[0] << 8 | p[1] : 1005;
    one->state = CLOSING;
    send_frame(c, one, 8, payload, len >= 2 ? 2 : 0);
}

/* Takes one frame; returns its bytes, 0 if it is not all there. */
static size_t take_frame(struct crowd *c, struct client *one, const char *bytes, size_t len)
{
    const unsigned char *p = (const unsigned char *)bytes;
    size_t size = 2;
    uint64_t payload;
    if (len < 2)
        return 0;
    payload = p[1] & 0x7f;
    if (payload >= 126) {
        size_t n = payload == 126 ? 2 : 8;
        if (len < size + n)
            return 0;
        payload = 0;
        for (size_t i = 0; i < n; i++)
            payload = payload << 8 | p[2 + i];
        size += n;
    }
    unsigned opcode = p[0] & 15;
    bool known = opcode == 1 || opcode == 2 || (opcode >= 8 && opcode <= 10 && payload <= 125);
    if ((p[0] & 0xf0) != 0x80 || (p[1] & 0x80) || !known)
        ck_abort_msg("client %zu got a frame that begins with %02x %02x", index_of(c, one), p[0], p[1]);
    if (len - size < payload)
        return 0;
    if (one->state == CLOSING)
        ck_abort_msg("client %zu got a frame behind a close frame", index_of(c, one));
    if (opcode <= 2)
        take_message(c, one, bytes + size, payload);
    else if (opcode == 8)
        take_close(c, one, bytes + size, payload);
    else if (opcode == 9)
        send_frame(c, one, 10, bytes + size, payload);
    return size + payload;
}

/* The answer to the handshake; returns its bytes, 0 if it is not all there. */
static size_t take_head(struct crowd *c, struct client *one, const char *bytes, size_t len)
{
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t size = (size_t)(end - bytes) + 4;
    if (strncmp(bytes, "HTTP/1.1 101 ", 13) != 0 || !memmem(bytes, size, accepted, sizeof accepted - 1))
        ck_abort_msg("client %zu is not let in: %.*s", index_of(c, one), (int)size, bytes);
    one->state = OPEN;
    c->opening--;
    return size;
}

static void keep_rest(struct client *one, const char *bytes, size_t len)
{
    if (len > 0) {
        char *copy = must(malloc(len));
        memcpy(copy, bytes, len);
        free(one->rest);
        one->rest = copy;
    } else {
        free(one->rest);
        one->rest = NULL;
    }
    one->rest_len = len;
}

static void end_one(struct crowd *c, struct client *one)
{
    if (one->state == OPENING)
        ck_abort_msg("client %zu is cut off before its 101", index_of(c, one));
    close(one->fd);
    one->fd = -1;
    one->state = ENDED;
    keep_rest(one, NULL, 0);
    c->ended++;
}

static void read_one(struct crowd *c, struct client *one)
{
    c->buffer = must(realloc(c->buffer, one->rest_len + READ_SIZE));
    ssize_t n = recv(one->fd, c->buffer + one->rest_len, READ_SIZE, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        end_one(c, one);
        return;
    }
    if (one->rest_len > 0)
        memcpy(c->buffer, one->rest, one->rest_len);
    const char *p = c->buffer;
    size_t left = one->rest_len + (size_t)n, taken;
    do {
        taken = one->state == OPENING ? take_head(c, one, p, left) : take_frame(c, one, p, left);
        p += taken;
        left -= taken;
    } while (taken > 0);
    keep_rest(one, p, left);
}

/* Waits once, and reads what there is. */
static void turn(struct crowd *c, long long until)
{
    struct epoll_event events[EVENTS];
    long long left = until - http_now();
    int n = epoll_wait(c->epoll_fd, events, EVENTS, left > 0 ? (int)left : 0);
    for (int i = 0; i < n; i++)
        read_one(c, events[i].data.ptr);
}

static void wait_for_all_open(struct crowd *c, size_t still_opening, long long deadline)
{
    while (c->opening > still_opening) {
        ck_assert_msg(http_now() < deadline, "%zu clients are not let in", c->opening);
        turn(c, deadline);
    }
}

struct crowd *crowd_open(const char *address, const char *path, size_t count)
{
    struct crowd *c = must(calloc(1, sizeof *c));
    union any_address to;
    socklen_t len = parse_address(address, &to);
    long long deadline = http_now() + OPEN_MS;
    c->clients = must(calloc(count, sizeof *c->clients));
    c->count = count;
    c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    ck_assert(c->epoll_fd >= 0);
    ck_assert(asprintf(&c->request,
                       "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n",
                       path, key) > 0);
    for (size_t i = 0; i < count; i++) {
        begin_one(c, &c->clients[i], &to, len);
        wait_for_all_open(c, OPENING_AT_A_TIME, deadline);
    }
    wait_for_all_open(c, 0, deadline);
    return c;
}

void crowd_free(struct crowd *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++) {
        if (c->clients[i].fd >= 0)
            close(c->clients[i].fd);
        free(c->clients[i].rest);
    }
    close(c->epoll_fd);
    free(c->clients);
    free(c->request);
    free(c->buffer);
    free(c);
}

void crowd_take_anything(struct crowd *c)
{
    c->any_text = true;
}

void crowd_start_over(struct crowd *c)
{
    for (size_t i = 0; i < c->count; i++)
        c->clients[i].messages = 0;
    c->total = 0;
}

uint64_t crowd_digest(const struct crowd *c, size_t i)
{
    return c->clients[i].digest;
}

/* ---- expecting ---- */

static void nobody_ends(const struct crowd *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->clients[i].state != OPEN)
            ck_abort_msg("client %zu was closed (code %u) after %llu messages", i, c->clients[i].code,
                         (unsigned long long)c->clients[i].messages);
}

static void read_until(struct crowd *c, uint64_t together, int timeout_ms)
{
    long long deadline = http_now() + timeout_ms;
    while (c->total < together && c->ended == 0 && http_now() < deadline)
        turn(c, deadline);
    nobody_ends(c);
}

void crowd_receive_some(struct crowd *c, uint64_t together, int timeout_ms)
{
    read_until(c, together, timeout_ms);
    ck_assert_msg(c->total >= together, "%llu of %llu messages", (unsigned long long)c->total,
                  (unsigned long long)together);
}

void crowd_receive(struct crowd *c, uint64_t each, int timeout_ms)
{
    read_until(c, each * c->count, timeout_ms);
    for (size_t i = 0; i < c->count; i++)
        if (c->clients[i].messages != each)
            ck_abort_msg("client %zu has %llu of %llu messages", i,
                         (unsigned long long)c->clients[i].messages, (unsigned long long)each);
}

void crowd_expect_silence(struct crowd *c, int ms)
{
    long long until = http_now() + ms;
    uint64_t before = c->total;
    do
        turn(c, until);
    while (http_now() < until);
    nobody_ends(c);
    ck_assert_msg(c->total == before, "%llu messages too many", (unsigned long long)(c->total - before));
}

void crowd_expect_close(struct crowd *c, unsigned code, int timeout_ms)
{
    long long deadline = http_now() + timeout_ms;
    while (c->ended < c->count) {
        ck_assert_msg(http_now() < deadline, "%zu of %zu clients are not closed", c->count - c->ended,
                      c->count);
        turn(c, deadline);
    }
    for (size_t i = 0; code && i < c->count; i++)
        ck_assert_msg(c->clients[i].code == code, "client %zu: close code %u instead of %u", i,
                      c->clients[i].code, code);
}
