#include "force.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 300, ANSWER_MS = 10000 };

static void keep(struct force *f, int fd)
{
    if (f->count == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 64;
        f->fds = realloc(f->fds, f->cap * sizeof *f->fds);
        ck_assert(f->fds != NULL);
    }
    f->fds[f->count++] = fd;
}

int force_connect(struct force *f, const char *address)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_msg(fd >= 0, "no descriptor: %s", strerror(errno));
    snprintf(to.sun_path, sizeof to.sun_path, "%s", address + strlen("unix:"));
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        ck_abort_msg("cannot connect to %s: %s", address, strerror(errno));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    keep(f, fd);
    return fd;
}

size_t force_left(const struct force *f)
{
    return f->sent < FORCE_BUDGET ? FORCE_BUDGET - f->sent : 0;
}

bool force_send(struct force *f, int fd, const void *bytes, size_t len)
{
    const char *p = bytes;
    f->missed += fd < 0;
    size_t want = len < force_left(f) ? len : force_left(f);
    for (size_t done = 0; done < want;) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        ssize_t n = send(fd, p + done, want - done, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return false;
        if (n < 0 && poll(&ready, 1, PATIENCE_MS) != 1)
            return false;
        done += n > 0 ? (size_t)n : 0;
        f->sent += n > 0 ? (size_t)n : 0;
    }
    return want == len;
}

size_t force_request(char *out, size_t cap, const char *path, const char *headers)
{
    return (size_t)snprintf(
        out, cap,
        "GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
        path, headers ? headers : "");
}

/* Reads up to the end of the answer's head. */
static bool is_let_in(int fd)
{
    char head[1024];
    size_t n = 0;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (n < sizeof head - 1 && poll(&ready, 1, ANSWER_MS) == 1) {
        ssize_t got = recv(fd, head + n, 1, 0);
        if (got <= 0)
            return false;
        n += (size_t)got;
        head[n] = '\0';
        if (n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0)
            return strncmp(head, "HTTP/1.1 101 ", 13) == 0;
    }
    return false;
}

int force_enter(struct force *f, const char *path, const char *headers)
{
    char request[2048];
    size_t len = force_request(request, sizeof request, path, headers);
    int fd = force_connect(f, site_ws(f->site));
    return force_send(f, fd, request, len) && is_let_in(fd) ? fd : -1;
}

void force_leave(struct force *f)
{
    close(f->fds[--f->count]);
}

void force_disband(struct force *f)
{
    while (f->count)
        force_leave(f);
    free(f->fds);
    f->fds = NULL;
    f->cap = 0;
}

size_t force_header(unsigned char *out, unsigned first, unsigned long long len)
{
    size_t n = 0;
    int more = len < 126 ? 0 : len < 65536 ? 2 : 8;
    out[n++] = (unsigned char)first;
    out[n++] = (unsigned char)(0x80 | (more == 0 ? len : more == 2 ? 126 : 127));
    for (int i = more - 1; i >= 0; i--)
        out[n++] = (unsigned char)(len >> (8 * i));
    memset(out + n, 0, 4);
    return n + 4;
}
