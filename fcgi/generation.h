/*
 * The children that serve one configuration. A generation comes up, serves, and is dismissed when the next
 * one is up, or at the end. The parent's; no threads.
 */
#ifndef WSPUSH_FCGI_GENERATION_H
#define WSPUSH_FCGI_GENERATION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/config.h"
#include "base/listen.h"

enum { GENERATION_LEAVE_MS = 9000 };

struct generation;

/* Without children yet. Takes its own hold on the config; its children ring bell_fd when their state changes.
 * NULL with errno. */
struct generation *generation_new(struct config *config, const struct listen_socket *listener, int bell_fd);
void generation_free(struct generation *g);
const struct config *generation_config(const struct generation *g);

/* Starts the children that are missing and due. Returns when more is due (monotonic ms), INT64_MAX: never. */
int64_t generation_fill(struct generation *g);
/* Takes note of a child's end; false if it is none of this generation. */
bool generation_reap(struct generation *g, pid_t pid, int status);
/* Kills those that make no turns, and those that don't leave in time. `ms` is how long this process has been
 * awake since the last look: who was stopped together with us is not to blame. Returns whether a child has
 * made a turn since. */
bool generation_look(struct generation *g, int64_t ms);
/* Each child has been up. */
bool generation_is_up(const struct generation *g);
/* It is not up, and too many of its children ended before they were. */
bool generation_is_hopeless(const struct generation *g);

/* Tells the children to finish what they began and end, at most GENERATION_LEAVE_MS from now. `others`: there
 * are children of another generation who take whom these don't. */
void generation_dismiss(struct generation *g, bool others);
/* Whether a child may still take connections. */
bool generation_accepts(const struct generation *g);
/* It was dismissed, and nobody has to be waited for. */
bool generation_is_gone(const struct generation *g);

#endif
