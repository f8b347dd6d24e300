/*
 * How much a client may say: two token buckets, of frames and of bytes, that hold a second's worth each.
 * Pure; times are milliseconds of the loop's clock.
 */
#ifndef WSPUSH_PUSH_RATE_H
#define WSPUSH_PUSH_RATE_H

#include <stdint.h>

/* What is left, in thousandths; below 0: it is owed. */
struct rate {
    int64_t at; /* reckoned so far */
    int64_t frames;
    int64_t bytes;
};

struct rate_limits {
    uint64_t frames; /* a second; 0: no limit */
    uint64_t bytes;
};

/* The buckets are full. */
void rate_init(struct rate *r, const struct rate_limits *limits, int64_t now);
/* Takes this much out. Returns how many milliseconds it is until nothing is owed; 0: nothing is. */
int64_t rate_take(struct rate *r, const struct rate_limits *limits, uint64_t frames, uint64_t bytes,
                  int64_t now);

#endif
