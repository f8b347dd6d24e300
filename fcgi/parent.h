/* The parent: brings up the children, one generation after the other, minds them, and ends them all. It
 * touches no request. */
#ifndef WSPUSH_FCGI_PARENT_H
#define WSPUSH_FCGI_PARENT_H

#include "base/config.h"
#include "base/listen.h"

/* Before anybody can reach us: from here on signals wait for parent_run(). */
void parent_hold_signals(void);
/* Serves until SIGTERM or SIGINT; closes the listener; returns the exit status. `named` is the file that was
 * asked for, or NULL: SIGHUP reads it anew. */
int parent_run(struct config *config, const char *named, struct listen_socket *listener);

#endif
