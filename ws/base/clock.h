/* The two clocks. Deadlines use the monotonic one, which a clock step does not move; people see the wall
 * clock. */
#ifndef WSPUSH_BASE_CLOCK_H
#define WSPUSH_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t clock_mono_ms(void);
/* Unix milliseconds. */
int64_t clock_wall_ms(void);

#endif
