/*
 * A scripted stand-in for the worker: a thread that takes connections one after another and, on each, does
 * what its script says. It records every command that it read. Test files include it as it is; nothing else
 * is linked.
 */
#ifndef WSPUSH_T_STANDIN_H
#define WSPUSH_T_STANDIN_H

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "client/wspush.h"

enum act {
    END,      /* of the script */
    READ,     /* a whole command is read and recorded */
    SAY,      /* `text` is written */
    SAY_BULK, /* a bulk of `count` bytes 'x' */
    FLOOD,    /* `count` bytes of 'x' without a newline, or as many as are taken */
    SLEEP,    /* `count` ms */
    HUSH,     /* nothing, until the peer ends the connection */
    HANG_UP,  /* the connection is closed; the next step waits for a new one */
};

struct step {
    enum act act;
    const char *text;
    size_t count;
};

/* Rows of a script. */
#define READS                                                                                                \
    {                                                                                                        \
        .act = READ                                                                                          \
    }
#define SAYS(words)                                                                                          \
    {                                                                                                        \
        .act = SAY, .text = (words)                                                                          \
    }
#define SAYS_BULK(size)                                                                                      \
    {                                                                                                        \
        .act = SAY_BULK, .count = (size)                                                                     \
    }
#define FLOODS(size)                                                                                         \
    {                                                                                                        \
        .act = FLOOD, .count = (size)                                                                        \
    }
#define SLEEPS(ms)                                                                                           \
    {                                                                                                        \
        .act = SLEEP, .count = (ms)                                                                          \
    }
#define HUSHES                                                                                               \
    {                                                                                                        \
        .act = HUSH                                                                                          \
    }
#define HANGS_UP                                                                                             \
    {                                                                                                        \
        .act = HANG_UP                                                                                       \
    }
#define DONE                                                                                                 \
    {                                                                                                        \
        .act = END                                                                                           \
    }

struct standin {
    char dir[64];
    char path[96];
    int listener;
    int fd;
    const struct step *script;
    struct buf in;       /* read, not yet a whole command */
    struct buf commands; /* as "[a|b|c]" each */
    atomic_int connections;
    pthread_t thread;
};

static inline bool standin_readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) == 1;
}

static inline bool standin_fill(struct standin *s)
{
    uint8_t *to = buf_reserve(&s->in, 65536);
    if (!standin_readable(s->fd, 10000))
        return false;
    ssize_t n = recv(s->fd, to, 65536, 0);
    if (n <= 0)
        return false;
    s->in.len += (size_t)n;
    return true;
}

/* The number on the line at *at, which begins with `sign`; -1: not all there yet. */
static inline long standin_number(struct standin *s, size_t *at, char sign)
{
    const uint8_t *p = s->in.data + *at;
    const uint8_t *end = *at < s->in.len ? memchr(p, '\n', s->in.len - *at) : NULL;
    if (!end)
        return -1;
    /* this thread may not use Check's assertions: the test's own thread does */
    if (*p != sign || end[-1] != '\r') {
        fprintf(stderr, "not a command: %s\n", buf_str(&s->in));
        abort();
    }
    *at += (size_t)(end - p) + 1;
    return strtol((const char *)p + 1, NULL, 10);
}

static inline bool standin_take_command(struct standin *s)
{
    struct buf text = {0};
    size_t at = 0;
    long args = standin_number(s, &at, '*');
    bool whole = args >= 0;
    for (long i = 0; whole && i < args; i++) {
        long len = standin_number(s, &at, '$');
        whole = len >= 0 && at + (size_t)len + 2 <= s->in.len;
        if (!whole)
            break;
        buf_addc(&text, i ? '|' : '[');
        buf_add(&text, s->in.data + at, (size_t)len);
        at += (size_t)len + 2;
    }
    if (whole) {
        buf_add(&s->commands, text.data, text.len);
        buf_addc(&s->commands, ']');
        buf_consume(&s->in, at);
    }
    buf_fini(&text);
    return whole;
}

static inline void standin_say(struct standin *s, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = send(s->fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        bytes += n;
        len -= (size_t)n;
    }
}

static inline void standin_flood(struct standin *s, size_t count)
{
    char *bytes = malloc(65536);
    memset(bytes, 'x', 65536);
    for (; count; count -= count < 65536 ? count : 65536)
        standin_say(s, bytes, count < 65536 ? count : 65536);
    free(bytes);
}

static inline void standin_say_bulk(struct standin *s, size_t count)
{
    char head[32];
    standin_say(s, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", count));
    standin_flood(s, count);
    standin_say(s, "\r\n", 2);
}

static inline void standin_accept(struct standin *s)
{
    if (s->fd >= 0 || !standin_readable(s->listener, 10000))
        return;
    s->fd = accept(s->listener, NULL, NULL);
    atomic_fetch_add(&s->connections, 1);
    buf_clear(&s->in);
}

static inline void standin_hang_up(struct standin *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static inline void standin_do(struct standin *s, const struct step *step)
{
    standin_accept(s);
    if (s->fd < 0)
        return;
    switch (step->act) {
    case READ:
        while (!standin_take_command(s) && standin_fill(s))
            ;
        break;
    case SAY: standin_say(s, step->text, strlen(step->text)); break;
    case SAY_BULK: standin_say_bulk(s, step->count); break;
    case FLOOD: standin_flood(s, step->count); break;
    case SLEEP: usleep((useconds_t)step->count * 1000); break;
    case HUSH:
        while (standin_fill(s))
            ;
        break;
    case HANG_UP: standin_hang_up(s); break;
    case END: break;
    }
}

static inline void *standin_run(void *arg)
{
    struct standin *s = arg;
    for (const struct step *step = s->script; step->act != END; step++)
        standin_do(s, step);
    return NULL;
}

static inline void standin_listen(struct standin *s)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(s->dir, "/tmp/wspush-client-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(s->dir));
    snprintf(s->path, sizeof s->path, "%s/control.sock", s->dir);
    strcpy(a.sun_path, s->path);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(s->listener, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(listen(s->listener, 8), 0);
}

/* `script` stays in place until standin_stop. */
static inline void standin_start(struct standin *s, const struct step *script)
{
    *s = (struct standin){.fd = -1, .script = script};
    standin_listen(s);
    ck_assert_int_eq(pthread_create(&s->thread, NULL, standin_run, s), 0);
}

/* Waits for the end of the script (end the client's connection before a HUSH), and checks the commands that
 * came, unless `commands` is NULL. */
static inline void standin_stop(struct standin *s, const char *commands)
{
    pthread_join(s->thread, NULL);
    standin_hang_up(s);
    close(s->listener);
    unlink(s->path);
    rmdir(s->dir);
    if (commands)
        ck_assert_str_eq(buf_str(&s->commands), commands);
    buf_fini(&s->in);
    buf_fini(&s->commands);
}

#endif
