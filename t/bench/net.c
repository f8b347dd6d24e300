#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "must.h"

enum { BACKLOG = 4096, STALLED_MS = 20000, PER_SOURCE = 4000 };

struct net_address net_parse(const char *text)
{
    struct net_address a = {.len = 0};
    char host[64];
    unsigned port;
    if (strncmp(text, "unix:", 5) == 0) {
        if (strlen(text + 5) >= sizeof a.to.un.sun_path)
            die("%s is too long for a socket", text);
        a.to.un.sun_family = AF_UNIX;
        strcpy(a.to.un.sun_path, text + 5);
        a.len = sizeof a.to.un;
        return a;
    }
    if (sscanf(text, "%63[0-9.]:%u", host, &port) != 2 || port > 65535 ||
        inet_pton(AF_INET, host, &a.to.in.sin_addr) != 1)
        die("not an address: %s", text);
    a.to.in.sin_family = AF_INET;
    a.to.in.sin_port = htons((uint16_t)port);
    a.len = sizeof a.to.in;
    return a;
}

int net_listen(const char *text)
{
    struct net_address a = net_parse(text);
    int fd = socket(a.to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int one = 1;
    if (fd < 0)
        die("socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (a.to.any.sa_family == AF_UNIX)
        unlink(a.to.un.sun_path);
    if (bind(fd, &a.to.any, a.len) < 0 || listen(fd, BACKLOG) < 0)
        die("cannot listen on %s: %s", text, strerror(errno));
    return fd;
}

int net_connect(const char *text)
{
    struct net_address a = net_parse(text);
    int fd = socket(a.to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, &a.to.any, a.len) < 0)
        die("cannot connect to %s: %s", text, strerror(errno));
    net_no_delay(fd);
    return fd;
}

/* The port is chosen when it connects. */
static void come_from(int fd, uint32_t address)
{
    const int one = 1;
    const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)&from, sizeof from) < 0)
        die("bind: %s", strerror(errno));
}

int net_begin_connect(const struct net_address *address, size_t nth)
{
    int fd = socket(address->to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket: %s", strerror(errno));
    if (address->to.any.sa_family == AF_INET)
        come_from(fd, INADDR_LOOPBACK + (uint32_t)(nth / PER_SOURCE));
    if (connect(fd, &address->to.any, address->len) < 0 && errno != EINPROGRESS) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    net_no_delay(fd);
    return fd;
}

void net_no_delay(int fd)
{
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

bool net_send_all(int fd, const void *bytes, size_t len)
{
    const char *p = bytes;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return false;
        if (n < 0 && poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, STALLED_MS) == 0)
            die("a peer has read nothing for %d s", STALLED_MS / 1000);
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
    return true;
}

void net_all_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}
