/* Where the worker's memory is, by kind: what INFO tells of it. */
#ifndef WSPUSH_PUSH_MEMORY_KINDS_H
#define WSPUSH_PUSH_MEMORY_KINDS_H

#include <stddef.h>

#include "base/tally.h"

struct hub;

/* Bytes of the heap of one kind, malloc's headers too. The hub's thread; O(1), whatever the number of
 * clients. */
size_t memory_kind(const struct hub *h, enum tally kind);
/* Bytes of what each connection has: its records, its subscription, its share of the tables, divided by the
 * connections. 0 where there is none. */
size_t memory_per_client(const struct hub *h);

#endif
