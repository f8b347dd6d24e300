/*
 * On a Unix socket a peer passes that is root, our own user, www-data or nginx (the users that the packaged
 * nginx runs its workers as), or a member of the socket's group. With the default mode 0660 that is what the
 * kernel asks of connect() already; the rule keeps its meaning where somebody opened the mode wider for a
 * container's sake, and there `socket_group` with nginx's numeric group is what lets it in. 65534 is what a
 * user of another namespace looks like, and anybody could: it passes by no rule but the group's.
 *
 * On TCP there are no users: loopback and `trusted_proxies` pass.
 */
#include "peer.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GROUPS_MAX = 256, OVERFLOW_ID = 65534 };

static struct {
    uid_t users[PEER_USERS_MAX - 2];
    size_t count;
} nginx;

void peer_find_users(void)
{
    static const char *const names[PEER_USERS_MAX - 2] = {"www-data", "nginx"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct passwd *entry = getpwnam(names[i]);
        if (entry)
            nginx.users[nginx.count++] = entry->pw_uid;
    }
}

void peer_rule_make(struct peer_rule *rule, const struct listen_socket *listener, const struct config *config)
{
    struct stat st;
    *rule = (struct peer_rule){
        .is_unix = listener->is_unix, .group = getegid(), .proxies = &config->trusted_proxies};
    rule->users[rule->user_count++] = 0;
    rule->users[rule->user_count++] = geteuid();
    for (size_t i = 0; i < nginx.count; i++)
        rule->users[rule->user_count++] = nginx.users[i];
    if (listener->is_unix && stat(listener->path, &st) == 0)
        rule->group = st.st_gid;
}

static bool in_group(const struct peer_rule *rule, int fd, gid_t primary)
{
    gid_t groups[GROUPS_MAX];
    socklen_t len = sizeof groups;
    if (primary == rule->group)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
        return false;
    for (size_t i = 0; i < len / sizeof *groups; i++)
        if (groups[i] == rule->group)
            return true;
    return false;
}

static bool unix_allowed(const struct peer_rule *rule, int fd, char *who, size_t who_cap)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
        snprintf(who, who_cap, "somebody unknown");
        return false;
    }
    snprintf(who, who_cap, "uid %u (pid %d)", (unsigned)peer.uid, (int)peer.pid);
    for (size_t i = 0; i < rule->user_count; i++)
        if (peer.uid == rule->users[i] && peer.uid != OVERFLOW_ID)
            return true;
    return in_group(rule, fd, peer.gid);
}

static bool is_loopback(const struct sockaddr_storage *from)
{
    const struct sockaddr_in *v4 = (const void *)from;
    const struct sockaddr_in6 *v6 = (const void *)from;
    if (from->ss_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    return from->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool tcp_allowed(const struct peer_rule *rule, int fd, char *who, size_t who_cap)
{
    struct sockaddr_storage from = {0};
    socklen_t len = sizeof from;
    char text[INET6_ADDRSTRLEN] = "";
    if (getpeername(fd, (struct sockaddr *)&from, &len) == 0)
        inet_ntop(from.ss_family,
                  from.ss_family == AF_INET
                      ? (const void *)&((const struct sockaddr_in *)(const void *)&from)->sin_addr
                      : &((const struct sockaddr_in6 *)(const void *)&from)->sin6_addr,
                  text, sizeof text);
    snprintf(who, who_cap, "%s", *text ? text : "somebody unknown");
    if (is_loopback(&from))
        return true;
    for (size_t i = 0; i < rule->proxies->count; i++)
        if (*text && strcmp(rule->proxies->items[i], text) == 0)
            return true;
    return false;
}

bool peer_allowed(const struct peer_rule *rule, int fd, char *who, size_t who_cap)
{
    return rule->is_unix ? unix_allowed(rule, fd, who, who_cap) : tcp_allowed(rule, fd, who, who_cap);
}
