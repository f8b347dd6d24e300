/* The two clocks. Deadlines use the monotonic one, which a clock step does not move; people see the wall
 * clock. */
#ifndef WSPUSH_BASE_CLOCK_H
#define WSPUSH_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t clock_mono_ms(void);
/* Unix milliseconds. */
int64_t clock_wall_ms(void);

/* Milliseconds of either clock in 32 bits, for what is kept of each of very many: as long as they are within
 * 24 days of `now`, moment_ms() gives them back. Never 0, which says that there is none. */
static inline uint32_t moment_of(int64_t ms)
{
    return (uint32_t)ms ? (uint32_t)ms : UINT32_MAX; /* a millisecond ago */
}
static inline int64_t moment_ms(uint32_t moment, int64_t now)
{
    return now + (int32_t)(moment - (uint32_t)now);
}

#endif
