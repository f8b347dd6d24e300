#include "base/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/service.h"
#include "base/units.h"

static const char *unix_path(const char *address)
{
    return strncmp(address, "unix:", 5) == 0 ? address + 5 : NULL;
}

/* Splits HOST:PORT at the last colon. */
static bool split_port(const char *address, char *host, size_t cap, const char **port)
{
    const char *colon = strrchr(address, ':');
    uint64_t number;
    if (!colon || units_number(colon + 1, strlen(colon + 1), &number) < 0 || number > 65535)
        return false;
    size_t len = (size_t)(colon - address);
    if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
        address++;
        len -= 2;
    } else if (memchr(address, ':', len)) {
        return false;
    }
    if (len == 0 || len >= cap)
        return false;
    memcpy(host, address, len);
    host[len] = '\0';
    *port = colon + 1;
    return true;
}

const char *listen_address_fault(const char *address)
{
    char host[256];
    const char *port;
    const char *path = unix_path(address);
    if (path && strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return "a socket's path has at most 107 bytes";
    if (path ? *path != '\0' : split_port(address, host, sizeof host, &port))
        return NULL;
    return "expected \"unix:PATH\" or \"HOST:PORT\"";
}

/* Whether somebody accepts connections there. */
static bool is_live(const struct sockaddr_un *name)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool live =
        connect(fd, (const struct sockaddr *)name, sizeof *name) == 0 || errno == EAGAIN || errno == EACCES;
    close(fd);
    return live;
}

/* Takes the path: the lock first, then whatever a dead process left there. */
static int claim_path(struct listen_socket *l, const struct sockaddr_un *name, char *why, size_t cap)
{
    char lock[sizeof l->path + 8];
    struct stat st;
    snprintf(lock, sizeof lock, "%s.lock", l->path);
    l->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (l->lock_fd < 0) {
        snprintf(why, cap, "cannot create %s: %s", lock, strerror(errno));
        return -1;
    }
    if (flock(l->lock_fd, LOCK_EX | LOCK_NB) < 0 || is_live(name)) {
        snprintf(why, cap, "%s is in use: a process serves it already; stop that one first", l->path);
        return -1;
    }
    if (lstat(l->path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode)) {
            snprintf(why, cap, "%s exists and is not a socket; remove it or choose another path", l->path);
            return -1;
        }
        unlink(l->path);
    }
    return 0;
}

/* A name or a number. */
static bool find_group(const char *text, gid_t *out)
{
    uint64_t number;
    const struct group *entry = getgrnam(text);
    bool known = entry || units_number(text, strlen(text), &number) == 0;
    if (known)
        *out = entry ? entry->gr_gid : (gid_t)number;
    return known;
}

static int set_group(const struct listen_socket *l, const struct listen_options *o, char *why, size_t cap)
{
    if (!o->group || !*o->group)
        return 0;
    gid_t gid;
    bool known = find_group(o->group, &gid);
    if (known && chown(l->path, (uid_t)-1, gid) == 0)
        return 0;
    if (o->group_may_fail)
        return 0;
    snprintf(why, cap, "cannot give %s to group '%s': %s", l->path, o->group,
             !known           ? "no such group"
             : errno == EPERM ? "the user that runs this has to be a member of it"
                              : strerror(errno));
    return -1;
}

/* Mode and group of a socket that the service manager has opened are its own. */
static void warn_if_other(const struct listen_socket *l, const struct listen_options *o)
{
    struct stat st;
    gid_t gid;
    if (stat(l->path, &st) < 0)
        return;
    bool other_mode = (st.st_mode & 07777) != o->mode;
    bool other_group =
        !o->group_may_fail && o->group && *o->group && (!find_group(o->group, &gid) || gid != st.st_gid);
    if (other_mode || other_group)
        log_warn("%s was opened by the service manager, which goes by SocketMode= and SocketGroup= of its "
                 ".socket unit "
                 "and not by socket_mode, socket_group or control_group: systemctl edit that unit",
                 l->path);
}

static int open_unix(struct listen_socket *l, const char *path, const struct listen_options *o, char *why,
                     size_t cap)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof name.sun_path) {
        snprintf(why, cap, "%s is too long for a socket: at most 107 bytes; choose a shorter directory",
                 path);
        return -1;
    }
    strcpy(name.sun_path, path);
    strcpy(l->path, path);
    l->is_unix = true;
    l->fd = service_take_socket((struct sockaddr *)&name);
    l->inherited = l->fd >= 0;
    if (l->inherited) {
        warn_if_other(l, o);
        return 0;
    }
    if (claim_path(l, &name, why, cap) < 0)
        return -1;
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0 || fchmod(l->fd, 0600) < 0 || bind(l->fd, (struct sockaddr *)&name, sizeof name) < 0) {
        snprintf(why, cap, "cannot bind %s: %s", path, strerror(errno));
        return -1;
    }
    if (set_group(l, o, why, cap) < 0)
        return -1;
    if (chmod(path, o->mode) < 0 || listen(l->fd, o->backlog) < 0) {
        snprintf(why, cap, "cannot listen on %s: %s", path, strerror(errno));
        return -1;
    }
    return 0;
}

static int open_tcp(struct listen_socket *l, const char *address, const struct listen_options *o, char *why,
                    size_t cap)
{
    char host[256];
    const char *port;
    if (!split_port(address, host, sizeof host, &port)) {
        snprintf(why, cap, "'%s' is no address: %s", address, listen_address_fault(address));
        return -1;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found;
    int error = getaddrinfo(host, port, &hints, &found);
    if (error) {
        snprintf(why, cap, "cannot find the address %s: %s", address, gai_strerror(error));
        return -1;
    }
    l->fd = service_take_socket(found->ai_addr);
    l->inherited = l->fd >= 0;
    if (l->inherited) {
        freeaddrinfo(found);
        return 0;
    }
    int yes = 1;
    l->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = l->fd >= 0 && setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
              bind(l->fd, found->ai_addr, found->ai_addrlen) == 0 && listen(l->fd, o->backlog) == 0;
    int saved = errno;
    freeaddrinfo(found);
    if (ok)
        return 0;
    snprintf(why, cap, "cannot listen on %s: %s", address, strerror(saved));
    return -1;
}

int listen_open(struct listen_socket *out, const char *address, const struct listen_options *options,
                char *why, size_t why_cap)
{
    const char *path = unix_path(address);
    *out = (struct listen_socket){.fd = -1, .lock_fd = -1};
    int r =
        path ? open_unix(out, path, options, why, why_cap) : open_tcp(out, address, options, why, why_cap);
    if (r == 0)
        return 0;
    if (out->fd >= 0)
        close(out->fd);
    if (out->lock_fd >= 0)
        close(out->lock_fd);
    out->fd = out->lock_fd = -1;
    return -1;
}

void listen_close(struct listen_socket *l)
{
    if (l->fd < 0)
        return;
    close(l->fd);
    if (l->is_unix && !l->inherited)
        unlink(l->path);
    if (l->lock_fd >= 0)
        close(l->lock_fd);
    l->fd = l->lock_fd = -1;
}
