/*
 * The control socket: RESP for operators, on the hub's thread. control.c listens and relays what the hub
 * tells; session.c is one operator's connection; dispatch.c finds a command's row; cmd_*.c hold the commands,
 * a file a family.
 */
#ifndef WSPUSH_CONTROL_CONTROL_H
#define WSPUSH_CONTROL_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/changes.h"
#include "control/watch.h"
#include "loop/acceptor.h"
#include "loop/loop.h"
#include "push/hub.h"

struct session;

/* A command's name as it was last sent: whoever sends one often spells it alike. */
struct spelling {
    const struct command *command; /* NULL: none yet */
    size_t len;
    char name[16];
};

/* What the daemon does for its operators. */
struct control_host {
    void *arg;
    /* Reads the configuration anew; `dry` only looks. 0, with what it changes, the caller's to free; and when
     * every thread goes by it, control_reloaded() is called: not before this returns, and not if `dry`. Or
     * -1, with one line about what is wrong in `why`. */
    int (*reload)(void *arg, bool dry, struct changes *changes, char *why, size_t why_cap);
};

struct control {
    struct loop *loop;
    struct hub *hub;
    struct control_host host;
    struct list reloads; /* that have begun, for operators */
    struct acceptor acceptor;
    struct list sessions; /* in the order of their numbers */
    uint64_t session_count;
    uint64_t last_session;
    uint64_t sessions_total;
    uint64_t commands_total;
    uint64_t faults_total;
    struct spelling last_name;
    size_t bulk_max; /* the largest message limit that any channel has or had */
    int64_t started; /* monotonic milliseconds */
    struct watch watch;
};

/* Begins to accept. 0, or -1 with errno. `hub` gets its struct hub_up from control_up(). */
int control_init(struct control *c, struct loop *loop, struct hub *hub, const struct control_host *host,
                 int listen_fd);
/* The hub goes by another configuration. */
void control_configure(struct control *c);
/* All threads go by the configuration that was read last: whoever asked for it is answered. */
void control_reloaded(struct control *c);
/* Ends all sessions. */
void control_fini(struct control *c);
/* What the hub calls to answer. */
struct hub_up control_up(struct control *c);

#endif
