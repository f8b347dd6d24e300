/*
 * Ordinary clients beside an attack, in a thread of their own: WITNESSES WebSockets on the channel "witness",
 * to which WITNESS_RATE messages a second are published. Each message says when it was due; what a client
 * does not get is lost.
 */
#ifndef WSPUSH_T_WITNESS_H
#define WSPUSH_T_WITNESS_H

#include "../system/site.h"

enum { WITNESSES = 20, WITNESS_RATE = 20 };

struct witness;

struct testimony {
    double p99_ms; /* from when a message was due to when it was read, of all clients */
    double worst_ms;
    long long lost;
    long long heard;
};

/* They come, and listen until the end. */
struct witness *witness_new(const struct site *s);
/* From now on counts. */
void witness_begin(struct witness *w);
/* Until now; waits a little for what is on its way. */
struct testimony witness_end(struct witness *w);
/* The test fails if one of them was turned out. */
void witness_free(struct witness *take_w);

#endif
