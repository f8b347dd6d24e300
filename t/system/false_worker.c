/*
 * One thread and poll(). A command is an array of bulks (RESP2); anything else ends the connection. `lock`
 * guards what the test's thread sees, too.
 */
#include "false_worker.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECTIONS = 128, ARGUMENTS = 8 };

struct argument {
    char *bytes;
    size_t len;
};

struct conn {
    int fd;
    char *in;
    size_t len, cap;
};

struct false_worker {
    pthread_t thread;
    pthread_mutex_t lock;
    int listen_fd, stop_fd[2];
    struct conn conns[CONNECTIONS];
    size_t conn_count;
    char *answer;
    int count;
    struct argument last[ARGUMENTS];
    struct argument shown;
};

static void *must(void *p)
{
    if (!p)
        ck_abort_msg("out of memory");
    return p;
}

/* Reads "*3\r\n" or "$5\r\n"; false if it is not all there. A line of another form is `broken`. */
static bool take_number(const char **at, const char *end, char sign, size_t *out, bool *broken)
{
    const char *line_end = memchr(*at, '\n', (size_t)(end - *at));
    if (!line_end)
        return false;
    *broken = **at != sign || sscanf(*at + 1, "%zu\r\n", out) != 1;
    *at = line_end + 1;
    return !*broken;
}

/* Takes one command off the front: its length, 0 if it is not all there. */
static size_t take_command(const struct conn *c, struct argument *args, size_t *count, bool *broken)
{
    const char *at = c->in;
    const char *end = at + c->len;
    if (!take_number(&at, end, '*', count, broken) || *count > ARGUMENTS)
        return 0;
    for (size_t i = 0; i < *count; i++) {
        if (!take_number(&at, end, '$', &args[i].len, broken) || (size_t)(end - at) < args[i].len + 2)
            return 0;
        args[i].bytes = (char *)(c->in + (at - c->in));
        at += args[i].len + 2;
    }
    return (size_t)(at - c->in);
}

static void keep(struct false_worker *w, const struct argument *args, size_t count)
{
    for (size_t i = 0; i < ARGUMENTS; i++) {
        free(w->last[i].bytes);
        w->last[i] = (struct argument){0};
        if (i >= count)
            continue;
        w->last[i].len = args[i].len;
        w->last[i].bytes = must(calloc(1, args[i].len + 1));
        memcpy(w->last[i].bytes, args[i].bytes, args[i].len);
    }
    w->count++;
}

/* Answers what has come; false when the connection is to be closed. */
static bool answer(struct false_worker *w, struct conn *c)
{
    struct argument args[ARGUMENTS];
    size_t count, n;
    bool broken = false;
    while ((n = take_command(c, args, &count, &broken)) > 0) {
        pthread_mutex_lock(&w->lock);
        keep(w, args, count);
        if (w->answer)
            send(c->fd, w->answer, strlen(w->answer), MSG_NOSIGNAL);
        pthread_mutex_unlock(&w->lock);
        memmove(c->in, c->in + n, c->len - n);
        c->len -= n;
    }
    return !broken;
}

static bool serve(struct false_worker *w, struct conn *c)
{
    if (c->cap - c->len < 65536)
        c->in = must(realloc(c->in, c->cap = c->cap * 2 + 65536));
    ssize_t n = recv(c->fd, c->in + c->len, c->cap - c->len, 0);
    if (n <= 0)
        return false;
    c->len += (size_t)n;
    return answer(w, c);
}

static void drop(struct false_worker *w, size_t i)
{
    close(w->conns[i].fd);
    free(w->conns[i].in);
    w->conns[i] = w->conns[--w->conn_count];
}

static void *run(void *arg)
{
    struct false_worker *w = arg;
    for (;;) {
        struct pollfd p[CONNECTIONS + 2] = {{.fd = w->stop_fd[0], .events = POLLIN},
                                            {.fd = w->listen_fd, .events = POLLIN}};
        size_t count = w->conn_count;
        for (size_t i = 0; i < count; i++)
            p[i + 2] = (struct pollfd){.fd = w->conns[i].fd, .events = POLLIN};
        poll(p, count + 2, -1);
        if (p[0].revents)
            return NULL;
        for (size_t i = count; i-- > 0;)
            if (p[i + 2].revents && !serve(w, &w->conns[i]))
                drop(w, i);
        if (p[1].revents && w->conn_count < CONNECTIONS) {
            int fd = accept4(w->listen_fd, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0)
                w->conns[w->conn_count++] = (struct conn){.fd = fd};
        }
    }
}

struct false_worker *false_worker_new(const char *address)
{
    struct false_worker *w = must(calloc(1, sizeof *w));
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s", address + strlen("unix:"));
    unlink(at.sun_path);
    w->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert(bind(w->listen_fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(w->listen_fd, 64) == 0);
    ck_assert(pipe2(w->stop_fd, O_CLOEXEC) == 0);
    pthread_mutex_init(&w->lock, NULL);
    false_worker_answer(w, "*2\r\n:2\r\n$15\r\n1795412345678-1\r\n");
    ck_assert(pthread_create(&w->thread, NULL, run, w) == 0);
    return w;
}

void false_worker_free(struct false_worker *w)
{
    if (!w)
        return;
    close(w->stop_fd[1]);
    pthread_join(w->thread, NULL);
    while (w->conn_count)
        drop(w, 0);
    keep(w, NULL, 0);
    close(w->listen_fd);
    close(w->stop_fd[0]);
    pthread_mutex_destroy(&w->lock);
    free(w->answer);
    free(w->shown.bytes);
    free(w);
}

void false_worker_answer(struct false_worker *w, const char *reply)
{
    pthread_mutex_lock(&w->lock);
    free(w->answer);
    w->answer = reply ? must(strdup(reply)) : NULL;
    pthread_mutex_unlock(&w->lock);
}

int false_worker_count(struct false_worker *w)
{
    pthread_mutex_lock(&w->lock);
    int count = w->count;
    pthread_mutex_unlock(&w->lock);
    return count;
}

const char *false_worker_argument(struct false_worker *w, int index, size_t *len)
{
    pthread_mutex_lock(&w->lock);
    const struct argument *a = &w->last[index];
    free(w->shown.bytes);
    w->shown.len = a->len;
    w->shown.bytes = must(calloc(1, a->len + 1));
    if (a->len)
        memcpy(w->shown.bytes, a->bytes, a->len);
    pthread_mutex_unlock(&w->lock);
    if (len)
        *len = w->shown.len;
    return w->shown.bytes;
}
