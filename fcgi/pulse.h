/*
 * What a child and the parent tell each other in shared memory: the child counts its turns and says whether
 * it accepts, and rings when that changes; the parent says whether others go on when it sends the child away.
 */
#ifndef WSPUSH_FCGI_PULSE_H
#define WSPUSH_FCGI_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum pulse_gate { PULSE_GATE_NOT_YET, PULSE_GATE_OPEN, PULSE_GATE_CLOSED };

/* One child's. */
struct pulse {
    atomic_ullong turns;
    atomic_int gate;
    atomic_bool others; /* accept from the same socket after this child */
    int bell_fd;
};

/* For `count` children, who ring `bell_fd`, an eventfd. NULL with errno. */
struct pulse *pulse_map(size_t count, int bell_fd);
void pulse_unmap(struct pulse *pulses, size_t count);
/* Before another child gets it. */
void pulse_reset(struct pulse *p);

/* The child's. */
void pulse_beat(struct pulse *p);
void pulse_set_gate(struct pulse *p, enum pulse_gate gate);

#endif
