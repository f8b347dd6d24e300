/*
 * How several frames leave in one system call: as they are, by writev, or copied together and sent. CPU time
 * a call, the best of several rounds, for each size and number of frames, to a Unix socket with room for
 * them. ws/push/outq.c chooses by what this says.
 *
 * Usage: gather [ROUNDS]
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "must.h"

enum { FRAMES_MAX = 256, FRAME_MAX = 8192, ALL_MAX = 150000, CALLS = 300, ROUNDS = 9 };

static char frames[FRAMES_MAX][FRAME_MAX];
static char together[ALL_MAX];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static ssize_t by_writev(int fd, size_t size, size_t count)
{
    struct iovec iov[FRAMES_MAX];
    for (size_t i = 0; i < count; i++)
        iov[i] = (struct iovec){frames[i], size};
    return writev(fd, iov, (int)count);
}

static ssize_t by_send(int fd, size_t size, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memcpy(together + i * size, frames[i], size);
    return send(fd, together, count * size, MSG_NOSIGNAL);
}

static void read_away(int fd, size_t len)
{
    static char bytes[1 << 20];
    while (len > 0) {
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n <= 0)
            die("the reading end has ended");
        len -= (size_t)n;
    }
}

/* Seconds of CPU a call. */
static double measure(ssize_t (*way)(int fd, size_t size, size_t count), size_t size, size_t count)
{
    int fds[2];
    int room = 1 << 20;
    double sum = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 ||
        setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room) < 0)
        die("no socket");
    for (int i = 0; i < CALLS; i++) {
        double began = now();
        ssize_t n = way(fds[0], size, count);
        sum += now() - began;
        if (n != (ssize_t)(size * count))
            die("not all was taken");
        read_away(fds[1], size * count);
    }
    close(fds[0]);
    close(fds[1]);
    return sum / CALLS;
}

static void compare(size_t size, size_t count, int rounds)
{
    double vector = 1;
    double copied = 1;
    for (int i = 0; i < rounds; i++) {
        double v = measure(by_writev, size, count);
        double c = measure(by_send, size, count);
        vector = v < vector ? v : vector;
        copied = c < copied ? c : copied;
    }
    printf("| %zu of %zu B | %.0f | %.0f |\n", count, size, vector * 1e9, copied * 1e9);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {132, 1028, 4100};
    static const size_t counts[] = {2, 4, 16, 64, 256};
    int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
    if (rounds < 1)
        die("usage: gather [ROUNDS]");
    printf("| frames | writev, ns | copied together, ns |\n|---|---|---|\n");
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
            if (sizes[s] * counts[c] <= ALL_MAX)
                compare(sizes[s], counts[c], rounds);
    return 0;
}
