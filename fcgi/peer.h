/*
 * Who may speak FastCGI to us. Whoever may can claim any address, host or channel, so it is nginx and nobody
 * else.
 */
#ifndef WSPUSH_FCGI_PEER_H
#define WSPUSH_FCGI_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/config.h"
#include "base/listen.h"

enum { PEER_USERS_MAX = 4 };

struct peer_rule {
    bool is_unix;
    uid_t users[PEER_USERS_MAX];
    size_t user_count;
    gid_t group;                       /* of the Unix socket */
    const struct string_list *proxies; /* of a TCP listener, besides loopback */
};

/* Looks up the users that nginx has, for all rules made from now on: once, before the sandbox, in which
 * nobody reads /etc/passwd. */
void peer_find_users(void);
/* The rule for this listener, from what is true now. */
void peer_rule_make(struct peer_rule *rule, const struct listen_socket *listener,
                    const struct config *config);
/* Whether this connection is nginx's; otherwise `who` names the peer. */
bool peer_allowed(const struct peer_rule *rule, int fd, char *who, size_t who_cap);

#endif
