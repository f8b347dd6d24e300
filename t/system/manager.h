/*
 * What a service manager does for one daemon, for tests: opens its sockets, starts it with them
 * (sd_listen_fds(3)), hears what it has to say (sd_notify(3)), and watches it. The sockets outlive the
 * daemon. Whatever goes wrong fails the test.
 */
#ifndef WSPUSH_T_MANAGER_H
#define WSPUSH_T_MANAGER_H

#include <stdbool.h>
#include <sys/types.h>

#include "site.h"

struct manager;

struct manager_options {
    const char *program;        /* "wspushd"; it gets the site's configuration */
    const char *const *sockets; /* to listen on, "/PATH" or "127.0.0.1:PORT"; NULL ends the list */
    int watchdog_ms;            /* 0: it is not watched */
};

enum { MANAGER_WAIT = 10000 };

/* Opens the sockets in a site that has no such daemon running. */
struct manager *manager_new(const struct site *s, const struct manager_options *options);
/* Starts the daemon. */
void manager_begin(struct manager *m);
/* Waits for a note with this line, and passes over those before it. Text of the whole note, valid until the
 * next call. */
const char *manager_hear(struct manager *m, const char *line);
/* Whether a note with this line comes within the time. */
bool manager_hears(struct manager *m, const char *line, int timeout_ms);
void manager_signal(const struct manager *m, int signal);
pid_t manager_pid(const struct manager *m);
/* Waits for the daemon's end; its wait status. */
int manager_wait(struct manager *m);
/* SIGTERM, and it ends with 0. */
void manager_end(struct manager *m);
/* What it has logged; malloc'd. */
char *manager_log(const struct manager *m);
/* Closes the sockets; the daemon has ended. */
void manager_free(struct manager *take_m);

#endif
