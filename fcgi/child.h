/* A child: one gate, `fcgi_threads` threads. Several children are there so that what brings one down costs
 * little. */
#ifndef WSPUSH_FCGI_CHILD_H
#define WSPUSH_FCGI_CHILD_H

#include "base/config.h"
#include "base/listen.h"

/* Serves until SIGTERM, which the caller has blocked, finishes what it began, and returns the exit status. */
int child_run(const struct config *config, const struct listen_socket *listener);

#endif
