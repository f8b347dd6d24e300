/*
 * The service manager, if there is one (systemd or its like): sockets that it has opened for us, and what it
 * wants to hear (sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3)). Without one nothing here does
 * anything. Main thread only.
 */
#ifndef WSPUSH_BASE_SERVICE_H
#define WSPUSH_BASE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* The listening socket that was opened for us on this address: non-blocking, close-on-exec, the caller's from
 * now on. -1: there is none. Mode, group and the removal of a path are the manager's. */
int service_take_socket(const struct sockaddr *address);
/* Whether a socket was opened for us that nobody took: nobody would ever answer there. Its address as text
 * goes to `out`. */
bool service_socket_left(char *out, size_t cap);
/* One of sd_notify(3)'s lines, such as "READY=1". */
void service_notify(const char *state);
/* SIGHUP was taken: the manager waits for the next READY=1. */
void service_notify_reloading(void);
/* The end has begun and takes so many milliseconds at most. */
void service_notify_stopping(int64_t ms);
/* How often, in milliseconds, the manager wants to see WATCHDOG=1: half of its limit. 0: it doesn't watch. */
int64_t service_watchdog_ms(void);

#endif
