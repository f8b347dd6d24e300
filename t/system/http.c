/*
 * See http.h. The first part moves bytes with deadlines, the second reads replies, the third is the recording
 * upstream: one thread, one request at a time, because a test asks one thing at a time. Connections that were
 * upgraded, and event streams, stay open in its list.
 */
#include "http.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

long long http_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void *must(void *p)
{
    if (!p)
        ck_abort_msg("out of memory");
    return p;
}

/* ---- connections ---- */

union any_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_un un;
};

/* Fills in an address of http.h's form; returns its length. */
static socklen_t parse_address(const char *text, union any_address *out)
{
    memset(out, 0, sizeof *out);
    if (strncmp(text, "unix:", 5) == 0) {
        out->un.sun_family = AF_UNIX;
        ck_assert_msg(strlen(text + 5) < sizeof out->un.sun_path, "too long for a socket: %s", text);
        strcpy(out->un.sun_path, text + 5);
        return sizeof out->un;
    }
    char host[64];
    unsigned port;
    ck_assert_msg(sscanf(text, "%63[0-9.]:%u", host, &port) == 2, "not an address: %s", text);
    out->in.sin_family = AF_INET;
    out->in.sin_port = htons((uint16_t)port);
    ck_assert_msg(inet_pton(AF_INET, host, &out->in.sin_addr) == 1, "not an address: %s", text);
    return sizeof out->in;
}

struct http_conn *http_adopt(int take_fd)
{
    struct http_conn *c = must(calloc(1, sizeof *c));
    c->fd = take_fd;
    c->cap = 4096;
    c->in = c->base = must(calloc(1, c->cap));
    return c;
}

struct http_conn *http_open(const char *address)
{
    union any_address to;
    socklen_t len = parse_address(address, &to);
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, &to.any, len) < 0) {
        int why = errno;
        close(fd);
        errno = why;
        return NULL;
    }
    return fd < 0 ? NULL : http_adopt(fd);
}

void http_close(struct http_conn *c)
{
    if (!c)
        return;
    close(c->fd);
    free(c->base);
    free(c);
}

static bool wait_for(int fd, short what, long long deadline)
{
    for (;;) {
        long long left = deadline - http_now();
        struct pollfd p = {.fd = fd, .events = what};
        int n = poll(&p, 1, left > 0 ? (int)left : 0);
        if (n > 0)
            return true;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

int http_write(struct http_conn *c, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        } else if (n < 0 && errno != EINTR && errno != EAGAIN) {
            return -1;
        } else if (!wait_for(c->fd, POLLOUT, http_now() + 10000)) {
            return -1;
        }
    }
    return 0;
}

int http_send_descriptors(int fd, char byte, size_t count)
{
    enum { MOST = 250 };
    union {
        char bytes[CMSG_SPACE(MOST * sizeof(int))];
        struct cmsghdr align;
    } rights = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &rights,
                       .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; i++)
        memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof fd);
    return sendmsg(fd, &m, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

/* Moves what is unconsumed to the front, and makes at least half of the block free. */
static void make_room(struct http_conn *c)
{
    memmove(c->base, c->in, c->len + 1);
    if (c->len > c->cap / 2)
        c->base = must(realloc(c->base, c->cap *= 4));
    c->in = c->base;
}

enum http_end http_fill(struct http_conn *c, int timeout_ms)
{
    if (!wait_for(c->fd, POLLIN, http_now() + timeout_ms))
        return HTTP_TIMEOUT;
    make_room(c);
    ssize_t n = recv(c->fd, c->in + c->len, c->cap - c->len - 1, MSG_DONTWAIT);
    if (n <= 0)
        return n == 0 ? HTTP_EOF : errno == EAGAIN || errno == EINTR ? HTTP_TIMEOUT : HTTP_RESET;
    c->len += (size_t)n;
    c->in[c->len] = '\0';
    return HTTP_MORE;
}

void http_consume(struct http_conn *c, size_t n)
{
    c->in += n;
    c->len -= n;
}

/* How many bytes stand before `text`, which is there. */
static size_t offset_of(const struct http_conn *c, const char *text)
{
    return (size_t)((char *)must(memmem(c->in, c->len, text, strlen(text))) - c->in);
}

bool http_until(struct http_conn *c, const char *text, int timeout_ms)
{
    long long deadline = http_now() + timeout_ms;
    while (!memmem(c->in, c->len, text, strlen(text))) {
        long long left = deadline - http_now();
        if (left <= 0 || http_fill(c, (int)left) != HTTP_MORE)
            return false;
    }
    return true;
}

enum http_end http_rest(struct http_conn *c, int timeout_ms)
{
    long long deadline = http_now() + timeout_ms;
    for (;;) {
        long long left = deadline - http_now();
        enum http_end end = http_fill(c, left > 0 ? (int)left : 0);
        if (end != HTTP_MORE)
            return end;
    }
}

/* ---- replies ---- */

/* Finds a header in a head of CR LF lines; writes the trimmed value, cut at cap. */
static bool find_header(const char *head, const char *name, char *out, size_t cap)
{
    size_t n = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, n) != 0 || line[n] != ':')
            continue;
        const char *value = line + n + 1;
        value += strspn(value, " \t");
        size_t len = strcspn(value, "\r\n");
        while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
            len--;
        snprintf(out, cap, "%.*s", (int)len, value);
        return true;
    }
    return false;
}

const char *http_header(struct http_reply *r, const char *name)
{
    return find_header(r->head, name, r->scratch, sizeof r->scratch) ? r->scratch : NULL;
}

/* Makes sure that n bytes stand in in; false if they don't come. */
static bool need(struct http_conn *c, size_t n, long long deadline)
{
    while (c->len < n) {
        long long left = deadline - http_now();
        if (left <= 0 || http_fill(c, (int)left) != HTTP_MORE)
            return false;
    }
    return true;
}

static void take_body(struct http_reply *r, struct http_conn *c, size_t n)
{
    r->body = must(realloc(r->body, r->body_len + n + 1));
    memcpy(r->body + r->body_len, c->in, n);
    r->body_len += n;
    r->body[r->body_len] = '\0';
    http_consume(c, n);
}

static bool read_chunks(struct http_reply *r, struct http_conn *c, long long deadline)
{
    for (;;) {
        long long left = deadline - http_now();
        if (left <= 0 || !http_until(c, "\r\n", (int)left))
            return false;
        char *end;
        size_t size = strtoul(c->in, &end, 16);
        if (end == c->in)
            return false;
        http_consume(c, offset_of(c, "\r\n") + 2);
        if (!need(c, size + 2, deadline))
            return false;
        take_body(r, c, size);
        http_consume(c, 2);
        if (size == 0)
            return true;
    }
}

static bool has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

static void read_body(struct http_reply *r, struct http_conn *c, long long deadline)
{
    char value[64];
    if (find_header(r->head, "Transfer-Encoding", value, sizeof value)) {
        r->whole = read_chunks(r, c, deadline);
    } else if (find_header(r->head, "Content-Length", value, sizeof value)) {
        size_t announced = strtoul(value, NULL, 10);
        r->whole = need(c, announced, deadline);
        take_body(r, c, r->whole ? announced : c->len);
    } else {
        long long left = deadline - http_now();
        r->whole = http_rest(c, left > 0 ? (int)left : 0) == HTTP_EOF;
        take_body(r, c, c->len);
    }
}

struct http_reply *http_next(struct http_conn *c, bool is_head, int timeout_ms)
{
    long long deadline = http_now() + timeout_ms;
    struct http_reply *r = must(calloc(1, sizeof *r));
    r->body = must(calloc(1, 1));
    if (!http_until(c, "\r\n\r\n", timeout_ms)) {
        r->head = must(calloc(1, 1));
        return r;
    }
    size_t n = offset_of(c, "\r\n\r\n");
    r->head = must(strndup(c->in, n + 2));
    if (sscanf(r->head, "HTTP/1.%*[01] %3d", &r->status) != 1)
        return r;
    http_consume(c, n + 4);
    if (is_head || has_no_body(r->status))
        r->whole = true;
    else
        read_body(r, c, deadline);
    return r;
}

static struct http_reply *one_reply(const char *address, const void *bytes, size_t len, bool is_head,
                                    int timeout_ms)
{
    struct http_conn *c = http_open(address);
    if (!c) {
        struct http_reply *none = must(calloc(1, sizeof *none));
        none->head = must(calloc(1, 1));
        none->body = must(calloc(1, 1));
        return none;
    }
    http_write(c, bytes, len); /* a peer that refuses early may still have answered */
    struct http_reply *r = http_next(c, is_head, timeout_ms);
    http_close(c);
    return r;
}

struct http_reply *http_raw(const char *address, const void *bytes, size_t len, int timeout_ms)
{
    return one_reply(address, bytes, len, false, timeout_ms);
}

struct http_reply *http_request(const char *address, const char *method, const char *path,
                                const char *headers, const void *body, size_t body_len)
{
    char length[64] = "", *head, ignored[8];
    char *lines = must(malloc(strlen(headers ? headers : "") + 3));
    sprintf(lines, "\r\n%s", headers ? headers : "");
    if (body)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", body_len);
    int n = asprintf(&head, "%s %s HTTP/1.1\r\n%s%sConnection: close\r\n%s\r\n", method, path,
                     find_header(lines, "Host", ignored, sizeof ignored) ? "" : "Host: localhost\r\n", length,
                     headers ? headers : "");
    ck_assert(n > 0);
    char *all = must(malloc((size_t)n + body_len + 1));
    memcpy(all, head, (size_t)n);
    if (body)
        memcpy(all + n, body, body_len);
    struct http_reply *r =
        one_reply(address, all, (size_t)n + (body ? body_len : 0), strcmp(method, "HEAD") == 0, 5000);
    free(all);
    free(head);
    free(lines);
    return r;
}

struct http_reply *http_get(const char *address, const char *path)
{
    return http_request(address, "GET", path, NULL, NULL, 0);
}

int http_status(const char *address, const char *method, const char *path, const char *headers)
{
    struct http_reply *r = http_request(address, method, path, headers, NULL, 0);
    int status = r->status;
    http_reply_free(r);
    return status;
}

void http_reply_free(struct http_reply *r)
{
    if (!r)
        return;
    free(r->head);
    free(r->body);
    free(r);
}

/* ---- the recording upstream ---- */

enum { HELD_MAX = 64 };

struct http_stub {
    enum http_stub_kind kind;
    char address[128], answer[4096];
    int listener, stop[2];
    pthread_t thread;
    struct http_conn *held[HELD_MAX]; /* the thread's */
    int n_held;

    pthread_mutex_t lock; /* of what follows, the thread writes it */
    int count;
    char *seen, *body;
    size_t body_len;
    char *out_seen, *out_body; /* the copies that were handed out */
};

/* One request while it is read. */
struct recorded {
    char *head, *body;
    size_t head_len, body_len;
};

static void append(char **text, size_t *len, const void *data, size_t n)
{
    *text = must(realloc(*text, *len + n + 1));
    memcpy(*text + *len, data, n);
    *len += n;
    (*text)[*len] = '\0';
}

static void record(struct http_stub *s, struct recorded *take)
{
    pthread_mutex_lock(&s->lock);
    free(s->seen);
    free(s->body);
    s->seen = take->head ? take->head : must(calloc(1, 1));
    s->body = take->body ? take->body : must(calloc(1, 1));
    s->body_len = take->body_len;
    s->count++;
    pthread_mutex_unlock(&s->lock);
}

/* RFC 6455 section 4.2.2, item 5.4. */
static void accept_of(const char *key, char out[BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE) + 1])
{
    struct sha1_ctx sha;
    uint8_t digest[SHA1_DIGEST_SIZE];
    sha1_init(&sha);
    sha1_update(&sha, strlen(key), (const uint8_t *)key);
    sha1_update(&sha, 36, (const uint8_t *)"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    sha1_digest(&sha, sizeof digest, digest);
    base64_encode_raw(out, sizeof digest, digest);
    out[BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE)] = '\0';
}

/* Keeps a connection open until http_stub_free. */
static void hold(struct http_stub *s, struct http_conn *take_c)
{
    if (s->n_held == HELD_MAX)
        http_close(s->held[--s->n_held]);
    s->held[s->n_held++] = take_c;
}

static void upgrade(struct http_conn *c, const char *head)
{
    char key[64] = "", accept[BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE) + 1], text[256];
    find_header(head, "Sec-WebSocket-Key", key, sizeof key);
    accept_of(key, accept);
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
    http_write(c, text, (size_t)n);
}

static void serve_http(struct http_stub *s, struct http_conn *take_c)
{
    long long deadline = http_now() + 5000;
    struct recorded got = {0};
    char value[64];
    if (!http_until(take_c, "\r\n\r\n", 5000)) {
        http_close(take_c);
        return;
    }
    size_t n = offset_of(take_c, "\r\n\r\n") + 2;
    append(&got.head, &got.head_len, take_c->in, n);
    http_consume(take_c, n + 2);
    if (find_header(got.head, "Content-Length", value, sizeof value) &&
        need(take_c, strtoul(value, NULL, 10), deadline))
        append(&got.body, &got.body_len, take_c->in, strtoul(value, NULL, 10));
    bool upgrades =
        find_header(got.head, "Upgrade", value, sizeof value) && strcasecmp(value, "websocket") == 0;
    char *head = must(strdup(got.head));
    record(s, &got);
    if (upgrades)
        upgrade(take_c, head);
    else
        http_write(take_c, s->answer, strlen(s->answer));
    if (upgrades || strstr(s->answer, "text/event-stream"))
        hold(s, take_c);
    else
        http_close(take_c);
    free(head);
}

/* FastCGI's records (its specification, sections 3 and 8). */
enum { FCGI_BEGIN = 1, FCGI_END = 3, FCGI_PARAMS = 4, FCGI_STDIN = 5, FCGI_STDOUT = 6, FCGI_HEADER = 8 };

static size_t fcgi_length(const unsigned char **p)
{
    size_t n = *(*p)++;
    if (n & 0x80) {
        n = (n & 0x7f) << 24 | (size_t)(*p)[0] << 16 | (size_t)(*p)[1] << 8 | (*p)[2];
        *p += 3;
    }
    return n;
}

static void fcgi_params_to_lines(const char *params, size_t len, struct recorded *got)
{
    const unsigned char *p = (const unsigned char *)params, *end = p + len;
    while (p < end) {
        size_t name = fcgi_length(&p), value = fcgi_length(&p);
        append(&got->head, &got->head_len, p, name);
        append(&got->head, &got->head_len, "=", 1);
        append(&got->head, &got->head_len, p + name, value);
        append(&got->head, &got->head_len, "\n", 1);
        p += name + value;
    }
}

static void fcgi_record(struct http_conn *c, int type, const void *data, size_t len)
{
    unsigned char head[FCGI_HEADER] = {1, (unsigned char)type,       0,
                                       1, (unsigned char)(len >> 8), (unsigned char)len};
    http_write(c, head, sizeof head);
    http_write(c, data, len);
}

/* Reads records until both streams of the request have ended. */
static bool read_fcgi(struct http_conn *c, struct recorded *got)
{
    long long deadline = http_now() + 5000;
    char *params = NULL, line[64];
    size_t params_len = 0;
    for (;;) {
        if (!need(c, FCGI_HEADER, deadline))
            break;
        const unsigned char *h = (const unsigned char *)c->in;
        size_t len = (size_t)h[4] << 8 | h[5], padding = h[6];
        int type = h[1];
        if (!need(c, FCGI_HEADER + len + padding, deadline))
            break;
        const unsigned char *content = (const unsigned char *)c->in + FCGI_HEADER;
        if (type == FCGI_BEGIN && len >= 3)
            append(&got->head, &got->head_len, line,
                   (size_t)snprintf(line, sizeof line, "FCGI_ROLE=%d\nFCGI_FLAGS=%d\n",
                                    content[0] << 8 | content[1], content[2]));
        if (type == FCGI_PARAMS)
            append(&params, &params_len, content, len);
        if (type == FCGI_STDIN)
            append(&got->body, &got->body_len, content, len);
        http_consume(c, FCGI_HEADER + len + padding);
        if (type == FCGI_STDIN && len == 0) {
            fcgi_params_to_lines(params, params_len, got);
            free(params);
            return true;
        }
    }
    free(params);
    return false;
}

static void serve_fcgi(struct http_stub *s, struct http_conn *take_c)
{
    struct recorded got = {0};
    if (read_fcgi(take_c, &got)) {
        record(s, &got);
        fcgi_record(take_c, FCGI_STDOUT, s->answer, strlen(s->answer));
        fcgi_record(take_c, FCGI_STDOUT, "", 0);
        fcgi_record(take_c, FCGI_END, "\0\0\0\0\0\0\0\0", 8);
    } else {
        free(got.head);
        free(got.body);
    }
    http_close(take_c);
}

static void *serve(void *arg)
{
    struct http_stub *s = arg;
    for (;;) {
        struct pollfd p[2] = {{.fd = s->listener, .events = POLLIN}, {.fd = s->stop[0], .events = POLLIN}};
        if (poll(p, 2, -1) < 0 && errno == EINTR)
            continue;
        if (p[1].revents)
            return NULL;
        int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            (s->kind == HTTP_STUB_FCGI ? serve_fcgi : serve_http)(s, http_adopt(fd));
    }
}

static int stub_listen(struct http_stub *s, const char *address)
{
    union any_address at;
    socklen_t len = parse_address(address, &at);
    int one = 1, fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (at.any.sa_family == AF_UNIX)
        unlink(at.un.sun_path);
    if (fd < 0 || bind(fd, &at.any, len) < 0 || listen(fd, 64) < 0)
        ck_abort_msg("stand-in can't listen on %s: %s", address, strerror(errno));
    getsockname(fd, &at.any, &len);
    if (at.any.sa_family == AF_INET)
        snprintf(s->address, sizeof s->address, "127.0.0.1:%u", ntohs(at.in.sin_port));
    else
        snprintf(s->address, sizeof s->address, "%s", address);
    return fd;
}

struct http_stub *http_stub_new(enum http_stub_kind kind, const char *address, const char *answer)
{
    struct http_stub *s = must(calloc(1, sizeof *s));
    s->kind = kind;
    ck_assert(strlen(answer) < sizeof s->answer);
    strcpy(s->answer, answer);
    s->listener = stub_listen(s, address);
    s->seen = must(calloc(1, 1));
    s->body = must(calloc(1, 1));
    pthread_mutex_init(&s->lock, NULL);
    ck_assert(pipe2(s->stop, O_CLOEXEC) == 0);
    ck_assert(pthread_create(&s->thread, NULL, serve, s) == 0);
    return s;
}

void http_stub_free(struct http_stub *s)
{
    if (!s)
        return;
    ck_assert(write(s->stop[1], "", 1) == 1);
    pthread_join(s->thread, NULL);
    for (int i = 0; i < s->n_held; i++)
        http_close(s->held[i]);
    close(s->stop[0]);
    close(s->stop[1]);
    close(s->listener);
    if (strncmp(s->address, "unix:", 5) == 0)
        unlink(s->address + 5);
    pthread_mutex_destroy(&s->lock);
    free(s->seen);
    free(s->body);
    free(s->out_seen);
    free(s->out_body);
    free(s);
}

const char *http_stub_address(const struct http_stub *s)
{
    return s->address;
}

int http_stub_count(struct http_stub *s)
{
    pthread_mutex_lock(&s->lock);
    int n = s->count;
    pthread_mutex_unlock(&s->lock);
    return n;
}

const char *http_stub_seen(struct http_stub *s)
{
    pthread_mutex_lock(&s->lock);
    free(s->out_seen);
    s->out_seen = must(strdup(s->seen));
    pthread_mutex_unlock(&s->lock);
    return s->out_seen;
}

const char *http_stub_body(struct http_stub *s, size_t *len)
{
    pthread_mutex_lock(&s->lock);
    free(s->out_body);
    s->out_body = must(malloc(s->body_len + 1));
    memcpy(s->out_body, s->body, s->body_len);
    s->out_body[s->body_len] = '\0';
    *len = s->body_len;
    pthread_mutex_unlock(&s->lock);
    return s->out_body;
}
