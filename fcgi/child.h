/* A child: one gate, `fcgi_threads` threads. Several children are there so that what brings one down costs
 * little. */
#ifndef WSPUSH_FCGI_CHILD_H
#define WSPUSH_FCGI_CHILD_H

#include "base/config.h"
#include "base/listen.h"
#include "pulse.h"

/* Serves until SIGTERM, which the caller has blocked, finishes what it began, and returns the exit status.
 * Who has connected to a socket that ends with us is answered, too. */
int child_run(const struct config *config, const struct listen_socket *listener, struct pulse *pulse);

#endif
