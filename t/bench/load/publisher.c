#include "publisher.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../must.h"
#include "../net.h"

enum { OUT_MAX = 256 * 1024, IN_MAX = 256 * 1024, LINE_KEPT = 32, ANSWER_MS = 20000 };

/* One connection, and what is on its way on it. */
struct line {
    int fd;
    char *out;
    size_t out_len;
    char text[LINE_KEPT]; /* the beginning of the answers' last, unfinished line */
    size_t text_len;
    size_t body_len, to_skip; /* of an HTTP answer; what is left of it */
};

struct publisher {
    enum publisher_kind kind;
    size_t size;
    char **heads; /* what stands before a payload, a channel each */
    size_t head_count, next_head;
    struct line *lines;
    size_t count, next; /* lines; the one that takes the next message */
    uint64_t answers;
};

static char *head_of(enum publisher_kind kind, const char *channel, size_t size)
{
    char *head = NULL;
    int n =
        kind == PUBLISHER_RESP
            ? asprintf(&head, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(channel), channel, size)
            : asprintf(&head, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", channel,
                       size);
    if (n < 0)
        die("out of memory");
    return head;
}

struct publisher *publisher_open(enum publisher_kind kind, const char *address, const char *channel,
                                 size_t size, size_t connections)
{
    struct publisher *p = must_alloc(1, sizeof *p);
    p->kind = kind;
    p->size = size;
    p->heads = must_alloc(1, sizeof *p->heads);
    p->heads[p->head_count++] = head_of(kind, channel, size);
    p->count = connections;
    p->lines = must_alloc(p->count, sizeof *p->lines);
    for (size_t i = 0; i < p->count; i++) {
        p->lines[i].fd = net_connect(address);
        p->lines[i].out = must_alloc(1, OUT_MAX);
    }
    return p;
}

static void free_heads(struct publisher *p)
{
    for (size_t i = 0; i < p->head_count; i++)
        free(p->heads[i]);
    free(p->heads);
}

void publisher_spread(struct publisher *p, const char *channel, size_t channels)
{
    free_heads(p);
    p->heads = must_alloc(channels, sizeof *p->heads);
    for (p->head_count = 0; p->head_count < channels; p->head_count++) {
        char name[256];
        snprintf(name, sizeof name, "%s/%zu", channel, p->head_count);
        p->heads[p->head_count] = head_of(p->kind, name, p->size);
    }
    p->next_head = 0;
}

void publisher_free(struct publisher *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++) {
        close(p->lines[i].fd);
        free(p->lines[i].out);
    }
    free(p->lines);
    free_heads(p);
    free(p);
}

/* ---- answers ---- */

/* RESP: each answer is a line, ":3". */
static void take_reply(struct publisher *p, struct line *line)
{
    if (line->text[0] != ':')
        die("the server answers \"%s\" to a message", line->text);
    p->answers++;
}

/* HTTP: a status line, headers, an empty line, and a body that is passed over. */
static void take_header(struct publisher *p, struct line *line)
{
    static const char length[] = "Content-Length: ";
    if (line->text_len <= 1) {
        line->to_skip = line->body_len;
        p->answers++;
    } else if (strncmp(line->text, length, sizeof length - 1) == 0) {
        line->body_len = strtoul(line->text + sizeof length - 1, NULL, 10);
    } else if (strncmp(line->text, "HTTP/", 5) == 0 && strncmp(line->text, "HTTP/1.1 20", 11) != 0) {
        die("the server answers \"%s\" to a message", line->text);
    }
}

static void take_answers(struct publisher *p, struct line *line, const char *bytes, size_t len)
{
    for (const char *end = bytes + len; bytes < end; bytes++) {
        if (line->to_skip > 0) {
            line->to_skip--;
        } else if (*bytes != '\n') {
            if (line->text_len < LINE_KEPT - 1)
                line->text[line->text_len++] = *bytes;
        } else {
            line->text[line->text_len] = '\0';
            (p->kind == PUBLISHER_HTTP ? take_header : take_reply)(p, line);
            line->text_len = 0;
        }
    }
}

static bool read_some(struct publisher *p, struct line *line)
{
    static char in[IN_MAX];
    ssize_t n = recv(line->fd, in, sizeof in, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        die("the server has closed the publisher's connection");
    if (n > 0)
        take_answers(p, line, in, (size_t)n);
    return n > 0;
}

void publisher_wait(struct publisher *p)
{
    struct pollfd polled[PUBLISHER_CONNECTIONS];
    for (size_t i = 0; i < p->count; i++)
        polled[i] = (struct pollfd){.fd = p->lines[i].fd, .events = POLLIN};
    if (poll(polled, p->count, ANSWER_MS) == 0)
        die("no answer to a message for %d s", ANSWER_MS / 1000);
    for (size_t i = 0; i < p->count; i++)
        read_some(p, &p->lines[i]);
}

uint64_t publisher_answers(const struct publisher *p)
{
    return p->answers;
}

/* ---- messages ---- */

/* Whoever has no room for commands until its answers are read gets them read. */
static void flush(struct publisher *p, struct line *line)
{
    for (size_t sent = 0; sent < line->out_len;) {
        ssize_t n = send(line->fd, line->out + sent, line->out_len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            die("the server does not take messages any more: %s", strerror(errno));
        if (n < 0 && !read_some(p, line) &&
            poll(&(struct pollfd){.fd = line->fd, .events = POLLIN | POLLOUT}, 1, ANSWER_MS) == 0)
            die("the server takes no message for %d s", ANSWER_MS / 1000);
        if (n > 0)
            sent += (size_t)n;
    }
    line->out_len = 0;
}

static void add_bytes(struct publisher *p, struct line *line, const char *bytes, size_t len)
{
    if (line->out_len + len > OUT_MAX)
        flush(p, line);
    memcpy(line->out + line->out_len, bytes, len);
    line->out_len += len;
}

void publisher_add(struct publisher *p, const char *payload)
{
    struct line *line = &p->lines[p->next];
    p->next = (p->next + 1) % p->count;
    const char *head = p->heads[p->next_head++ % p->head_count];
    add_bytes(p, line, head, strlen(head));
    add_bytes(p, line, payload, p->size);
    if (p->kind == PUBLISHER_RESP)
        add_bytes(p, line, "\r\n", 2);
}

void publisher_flush(struct publisher *p)
{
    for (size_t i = 0; i < p->count; i++) {
        flush(p, &p->lines[i]);
        read_some(p, &p->lines[i]);
    }
}
