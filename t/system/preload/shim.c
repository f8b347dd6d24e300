/*
 * For tests, by LD_PRELOAD into one of our daemons: a wall clock that a test can step, and a look at each
 * Unix socket's mode in the moment in which it begins to listen.
 *
 * WSPUSH_SHIM_CLOCK names a file of eight bytes, which is mapped: seconds (int64) to add to the wall clock.
 * WSPUSH_SHIM_LISTEN, if it is set, has a line on stderr for each: "shim: listen 660 /path".
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t *step;

__attribute__((constructor)) static void open_clock(void)
{
    const char *path = getenv("WSPUSH_SHIM_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *p = mmap(NULL, sizeof *step, PROT_READ, MAP_SHARED, fd, 0);
    step = p == MAP_FAILED ? NULL : p;
    close(fd);
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    int r = (int)syscall(SYS_clock_gettime, id, t);
    if (r == 0 && step && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        t->tv_sec += atomic_load(step);
    return r;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    int r = clock_gettime(CLOCK_REALTIME, &now);
    *t = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return r;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

int listen(int fd, int backlog)
{
    struct sockaddr_un name = {0};
    socklen_t len = sizeof name;
    struct stat st;
    if (getenv("WSPUSH_SHIM_LISTEN") && getsockname(fd, (struct sockaddr *)&name, &len) == 0 &&
        name.sun_family == AF_UNIX && stat(name.sun_path, &st) == 0)
        fprintf(stderr, "shim: listen %o %s\n", (unsigned)st.st_mode & 07777, name.sun_path);
    return (int)syscall(SYS_listen, fd, backlog);
}
