#include "base/service.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <time.h>

enum { SOCKETS_MAX = 32 };

union name {
    struct sockaddr any;
    struct sockaddr_un local;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* The descriptors that nobody has taken yet. */
static struct {
    bool asked;
    int count;
    int fds[SOCKETS_MAX];
} given;

static void ask_manager(void)
{
    if (given.asked)
        return;
    given.asked = true;
    int count = sd_listen_fds(true);
    for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count && given.count < SOCKETS_MAX; fd++)
        given.fds[given.count++] = fd;
}

static void name_of(int fd, union name *out)
{
    socklen_t len = sizeof *out - 1; /* a path may come without its NUL */
    memset(out, 0, sizeof *out);     /* AF_UNSPEC */
    if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, true) > 0)
        getsockname(fd, &out->any, &len);
}

/* The same text, or two names of one file: /var/run is /run. */
static bool same_file(const char *a, const char *b)
{
    struct stat x;
    struct stat y;
    return strcmp(a, b) == 0 ||
           (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

static bool same(const union name *a, const struct sockaddr *address)
{
    const union name *b = (const void *)address;
    if (a->any.sa_family != address->sa_family)
        return false;
    switch (a->any.sa_family) {
    case AF_UNIX: return same_file(a->local.sun_path, b->local.sun_path);
    case AF_INET: return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    case AF_INET6:
        return a->v6.sin6_port == b->v6.sin6_port &&
               memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr) == 0;
    default: return false;
    }
}

int service_take_socket(const struct sockaddr *address)
{
    ask_manager();
    for (int i = 0; i < given.count; i++) {
        union name name;
        int fd = given.fds[i];
        name_of(fd, &name);
        if (!same(&name, address))
            continue;
        given.fds[i] = given.fds[--given.count];
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        return fd;
    }
    return -1;
}

bool service_socket_left(char *out, size_t cap)
{
    union name name;
    char ip[INET6_ADDRSTRLEN];
    ask_manager();
    if (given.count == 0)
        return false;
    name_of(given.fds[0], &name);
    switch (name.any.sa_family) {
    case AF_UNIX: snprintf(out, cap, "unix:%s", name.local.sun_path); break;
    case AF_INET:
        inet_ntop(AF_INET, &name.v4.sin_addr, ip, sizeof ip);
        snprintf(out, cap, "%s:%u", ip, ntohs(name.v4.sin_port));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &name.v6.sin6_addr, ip, sizeof ip);
        snprintf(out, cap, "[%s]:%u", ip, ntohs(name.v6.sin6_port));
        break;
    default: snprintf(out, cap, "descriptor %d, which is no listening stream socket", given.fds[0]);
    }
    return true;
}

void service_notify(const char *state)
{
    sd_notify(false, state);
}

/* MONOTONIC_USEC is for Type=notify-reload, which came with systemd 253; older ones pass over it. */
void service_notify_reloading(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
               (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void service_notify_stopping(int64_t ms)
{
    sd_notifyf(false, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRId64, (ms + 1000) * 1000);
}

int64_t service_watchdog_ms(void)
{
    uint64_t limit_us;
    if (sd_watchdog_enabled(false, &limit_us) <= 0)
        return 0;
    int64_t half = (int64_t)(limit_us / 2000);
    return half > 0 ? half : 1;
}
