/*
 * Listening sockets by address text: "unix:PATH" or "HOST:PORT" ("[::1]:8001" too). Used by both daemons at
 * start.
 */
#ifndef WSPUSH_BASE_LISTEN_H
#define WSPUSH_BASE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct listen_options {
    mode_t mode;         /* of a Unix socket */
    const char *group;   /* name or number; NULL: leave */
    bool group_may_fail; /* the group is only our habit, not what somebody configured */
    int backlog;
};

/* A socket that listens. lock_fd keeps other processes of ours off a Unix path as long as it is open. */
struct listen_socket {
    int fd;
    int lock_fd; /* -1 for TCP */
    bool is_unix;
    bool inherited; /* from the service manager: mode, group and path are its business */
    char path[108]; /* of a Unix socket */
};

/* Takes the socket that the service manager has opened on this address, or else binds and listens;
 * non-blocking, close-on-exec. A stale Unix socket is replaced, a live one is refused; the mode is right
 * before the socket listens. Returns 0, or -1 with one line for people in `why`. */
int listen_open(struct listen_socket *out, const char *address, const struct listen_options *options,
                char *why, size_t why_cap);
/* Closes, and removes a Unix socket's path if we made it. */
void listen_close(struct listen_socket *l);
/* NULL, or why this is no address (syntax only). */
const char *listen_address_fault(const char *address);

#endif
