/* The parent: starts the children, replaces one that ends, and ends them all. It touches no request. */
#ifndef WSPUSH_FCGI_PARENT_H
#define WSPUSH_FCGI_PARENT_H

#include "base/config.h"
#include "base/listen.h"

/* Serves until SIGTERM or SIGINT; closes the listener; returns the exit status. */
int parent_run(const struct config *config, struct listen_socket *listener);

#endif
