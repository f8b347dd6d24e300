#include "v1.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "http.h"

#define V1 "Sec-WebSocket-Protocol: wspush.v1\r\n"

bool v1_like(const char *text, const char *pattern)
{
    const char *star = NULL; /* the last one, and where what follows it was tried */
    const char *tried = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            tried = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++tried;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

const char *v1_member(const char *text, const char *name)
{
    static char values[8][256];
    static unsigned next;
    char *value = values[next++ % 8];
    char key[64];
    snprintf(key, sizeof key, "\"%s\":\"", name);
    const char *found = strstr(text, key);
    value[0] = '\0';
    if (found) {
        found += strlen(key);
        snprintf(value, sizeof values[0], "%.*s", (int)strcspn(found, "\""), found);
    }
    return value;
}

/* ---- wspush.v1 ---- */

struct wsclient *v1_open(const char *address, const char *path, const char *headers)
{
    char all[1024];
    snprintf(all, sizeof all, V1 "%s", headers ? headers : "");
    struct wsclient *c = wsclient_connect(address, path, all);
    ck_assert_msg(wsclient_accepted(c), "%s is answered with %s", path, wsclient_head(c));
    const char *protocol = wsclient_header(c, "Sec-WebSocket-Protocol");
    ck_assert_msg(protocol && strcmp(protocol, "wspush.v1") == 0, "the protocol is %s",
                  protocol ? protocol : "none");
    return c;
}

struct wsclient *v1_visit(const char *address, const char *path, const char *headers)
{
    struct wsclient *c = v1_open(address, path, headers);
    v1_expect(c, "{\"hello\":{*}}");
    v1_expect(c, "{\"sub\":{*}}");
    return c;
}

void v1_say(struct wsclient *c, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, format);
    ck_assert_int_ge(vasprintf(&text, format, args), 0);
    va_end(args);
    ck_assert_msg(wsclient_send_text(c, text) == 0, "%s can't be sent", text);
    free(text);
}

const char *v1_next(struct wsclient *c)
{
    struct wsclient_received got;
    enum wsclient_result r = wsclient_recv_message(c, &got, WSCLIENT_WAIT);
    ck_assert_msg(r == WSCLIENT_GOT, "no message, but %s", wsclient_result_name(r));
    ck_assert_msg(got.opcode == WSCLIENT_TEXT, "opcode %u came, code %u %s", got.opcode, got.code,
                  got.opcode == WSCLIENT_CLOSE ? got.reason : "");
    return got.payload;
}

const char *v1_expect(struct wsclient *c, const char *pattern)
{
    struct wsclient_received got;
    enum wsclient_result r = wsclient_recv_message(c, &got, WSCLIENT_WAIT);
    ck_assert_msg(r == WSCLIENT_GOT, "not %.300s, but %s", pattern, wsclient_result_name(r));
    ck_assert_msg(got.opcode == WSCLIENT_TEXT, "not %.300s, but opcode %u, code %u %s", pattern, got.opcode,
                  got.code, got.opcode == WSCLIENT_CLOSE ? got.reason : "");
    ck_assert_msg(v1_like(got.payload, pattern), "not %.300s, but %.300s", pattern, got.payload);
    return got.payload;
}

void v1_expect_nothing(struct wsclient *c)
{
    static int number = 1000000;
    char pong[64];
    v1_say(c, "{\"ping\":%d}", ++number);
    snprintf(pong, sizeof pong, "{\"pong\":%d}", number);
    v1_expect(c, pong);
}

/* ---- event streams ---- */

struct stream {
    struct http_conn *conn;
    struct buf text;  /* of the body, without chunk marks, not taken yet */
    struct buf block; /* the strings of the last event */
    char *head;
    char position[256];
    char began[256]; /* the id of its hello */
    char id[256], event[64], retry[32];
    size_t chunk; /* bytes that this chunk still has */
    int status;
    bool chunked, over;
};

static const char *body_of(const char *head)
{
    const char *end = strstr(head, "\r\n\r\n");
    return end ? end + 4 : NULL;
}

static void read_head(struct stream *s)
{
    if (!http_until(s->conn, "\r\n\r\n", WSCLIENT_WAIT))
        return;
    size_t len = (size_t)(body_of(s->conn->in) - s->conn->in);
    s->head = strndup(s->conn->in, len);
    sscanf(s->head, "HTTP/1.%*c %d", &s->status);
    s->chunked = strcasestr(s->head, "\r\nTransfer-Encoding: chunked\r\n") != NULL;
    http_consume(s->conn, len);
}

struct stream *stream_connect(const char *address, const char *path, const char *headers)
{
    struct stream *s = calloc(1, sizeof *s);
    char request[2048];
    s->conn = http_open(address);
    ck_assert_msg(s->conn != NULL, "nobody listens at %s", address);
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n%sAccept: text/event-stream\r\n%s\r\n",
                     path, headers && strcasestr(headers, "Host:") ? "" : "Host: localhost\r\n",
                     headers ? headers : "");
    http_write(s->conn, request, (size_t)n);
    read_head(s);
    return s;
}

struct stream *stream_open(const char *address, const char *path, const char *headers)
{
    struct stream_event e;
    struct stream *s = stream_connect(address, path, headers);
    ck_assert_msg(s->status == 200 && strcasestr(s->head, "\r\nContent-Type: text/event-stream\r\n"),
                  "no event stream, but %s", s->head ? s->head : "nothing");
    ck_assert_msg(stream_next(s, &e, WSCLIENT_WAIT) && e.retry && !e.has_data, "no retry");
    ck_assert_msg(stream_next(s, &e, WSCLIENT_WAIT) && strcmp(e.event, "hello") == 0 &&
                      v1_like(e.data, "{\"client\":\"c*\",\"user\":*,\"channels\":[\"*\"]}"),
                  "no hello, but %s", e.data);
    snprintf(s->began, sizeof s->began, "%s", e.id ? e.id : "");
    return s;
}

int stream_status(const struct stream *s)
{
    return s->status;
}

const char *stream_head(const struct stream *s)
{
    return s->head ? s->head : "";
}

int stream_fd(const struct stream *s)
{
    return s->conn->fd;
}

const char *stream_position(const struct stream *s)
{
    return s->position;
}

bool stream_ended(const struct stream *s)
{
    return s->over;
}

/* A chunk's mark, with the line end of the chunk before it. False: it is not whole. */
static bool take_mark(struct stream *s)
{
    const char *in = s->conn->in;
    const char *mark = strncmp(in, "\r\n", 2) == 0 ? in + 2 : in;
    const char *end = s->conn->len ? strstr(mark, "\r\n") : NULL;
    if (!end)
        return false;
    s->chunk = strtoul(mark, NULL, 16);
    s->over = s->chunk == 0;
    http_consume(s->conn, (size_t)(end + 2 - in));
    return true;
}

/* What was read becomes text. */
static void take_text(struct stream *s)
{
    while (s->conn->len && !s->over) {
        if (s->chunked && !s->chunk && !take_mark(s))
            return;
        size_t n = s->chunked && s->chunk < s->conn->len ? s->chunk : s->conn->len;
        buf_add(&s->text, s->conn->in, n);
        s->chunk -= s->chunked ? n : 0;
        http_consume(s->conn, n);
    }
}

static void take_line(struct stream *s, struct stream_event *out, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    size_t name = colon ? (size_t)(colon - line) : len;
    const char *value = colon ? colon + 1 + (colon + 1 < line + len && colon[1] == ' ') : line + len;
    size_t value_len = (size_t)(line + len - value);
    if (name == 4 && memcmp(line, "data", 4) == 0) {
        if (out->has_data)
            buf_addc(&s->block, '\n');
        buf_add(&s->block, value, value_len);
        out->has_data = true;
    } else if (name == 5 && memcmp(line, "event", 5) == 0) {
        snprintf(s->event, sizeof s->event, "%.*s", (int)value_len, value);
    } else if (name == 2 && memcmp(line, "id", 2) == 0) {
        snprintf(s->id, sizeof s->id, "%.*s", (int)value_len, value);
        snprintf(s->position, sizeof s->position, "%s", s->id);
        out->id = s->id;
    } else if (name == 5 && memcmp(line, "retry", 5) == 0) {
        snprintf(s->retry, sizeof s->retry, "%.*s", (int)value_len, value);
        out->retry = s->retry;
    } else {
        ck_abort_msg("a line that is none of an event stream: %.*s", (int)len, line);
    }
}

/* The length of the first block with its empty line; 0: it is not whole. We say LF only. */
static size_t block_length(const struct stream *s)
{
    const char *end = s->text.len ? memmem(s->text.data, s->text.len, "\n\n", 2) : NULL;
    return end ? (size_t)(end + 2 - (const char *)s->text.data) : 0;
}

static void take_block(struct stream *s, struct stream_event *out, size_t len)
{
    const char *p = (const char *)s->text.data;
    const char *end = p + len - 1;
    *out = (struct stream_event){.event = s->event};
    strcpy(s->event, "message");
    s->block.len = 0;
    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p) + 1);
        take_line(s, out, p, (size_t)(eol - p));
        p = eol + 1;
    }
    buf_addc(&s->block, '\0');
    out->data = (const char *)s->block.data;
    buf_consume(&s->text, len);
}

bool stream_next(struct stream *s, struct stream_event *out, int timeout_ms)
{
    long long deadline = http_now() + timeout_ms;
    for (;;) {
        take_text(s);
        size_t len = block_length(s);
        if (len) {
            take_block(s, out, len);
            return true;
        }
        long long left = deadline - http_now();
        if (s->over || left <= 0)
            return false;
        enum http_end end = http_fill(s->conn, (int)left);
        if (end == HTTP_EOF || end == HTTP_RESET)
            s->over = true;
    }
}

void stream_expect(struct stream *s, const char *event, const char *pattern)
{
    struct stream_event e;
    do {
        ck_assert_msg(stream_next(s, &e, WSCLIENT_WAIT), "not %s %.300s, but %s", event, pattern,
                      s->over ? "the end" : "nothing");
    } while (!e.has_data);
    ck_assert_msg(strcmp(e.event, event) == 0 && v1_like(e.data, pattern), "not %s %.300s, but %s %.300s",
                  event, pattern, e.event, e.data);
}

void stream_began_at(const struct stream *s, const char *pattern)
{
    ck_assert_msg(v1_like(s->began, pattern), "it began at '%s', not at '%s'", s->began, pattern);
}

bool stream_expect_end(struct stream *s)
{
    struct stream_event e;
    bool told = false;
    bool closed = false;
    while (stream_next(s, &e, WSCLIENT_WAIT)) {
        ck_assert_msg(!e.has_data || strcmp(e.event, "close") == 0, "before the end comes %s %.300s", e.event,
                      e.data);
        told |= e.has_data;
        closed = e.id && strcmp(e.id, "closed") == 0;
    }
    ck_assert(told == closed);
    ck_assert_msg(s->over, "the stream does not end");
    return closed;
}

void stream_free(struct stream *s)
{
    if (!s)
        return;
    http_close(s->conn);
    buf_fini(&s->text);
    buf_fini(&s->block);
    free(s->head);
    free(s);
}
