/*
 * A worker of one thread in this process, with the same loop, shard, hub, engine and control socket as
 * wspushd, but nothing that the machine decides: operators and browsers are the other ends of socketpairs,
 * time stands still, and hashes have a fixed key. So each turn costs the same instructions whenever it is
 * run.
 */
#ifndef WSPUSH_T_GUARD_WORKER_H
#define WSPUSH_T_GUARD_WORKER_H

#include <stddef.h>

#include "base/config.h"

/* Starts it with the defaults. The configuration may be changed until the first turn. */
struct config *worker_start(void);
/* A connected operator; returns the operator's end. */
int worker_operator(void);
/* A browser's connection as the acceptor hands it over; returns the browser's end. Taken up in the next turn.
 */
int worker_connection(void);

/* One turn of the loop. Something has to be there for it: it would wait. */
void worker_turn(void);
/* The same, and it is counted what it costs: callgrind looks for this function's name. */
void measured_turn(void);
/* To be called before the first measured turn. */
void measure_from_here(void);

/* The other ends write and read a whole, or the program ends with what went wrong. */
void other_end_says(int fd, const void *bytes, size_t len);
/* Reads exactly this many bytes; valid until the next call. */
const char *other_end_hears(int fd, size_t len);
/* Reads what has come, at least this many bytes. */
void other_end_hears_some(int fd, size_t least);

/* Ends the program. */
void fail(const char *what) __attribute__((noreturn));

#endif
