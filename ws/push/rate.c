#include "push/rate.h"

/* Long enough to fill any bucket that is not given up, short enough for no product to overflow. */
enum { FILL_MAX_MS = 60 * 1000 };

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A limit of n a second gives n thousandths a millisecond. Without a limit nothing is kept, nor owed when
 * there is one. */
static int64_t filled(int64_t left, uint64_t limit, int64_t ms)
{
    return limit ? min64(left + (int64_t)limit * ms, (int64_t)limit * 1000) : 0;
}

static int64_t time_owed(int64_t left, uint64_t limit)
{
    return limit && left < 0 ? (-left + (int64_t)limit - 1) / (int64_t)limit : 0;
}

void rate_init(struct rate *r, const struct rate_limits *limits, int64_t now)
{
    *r = (struct rate){now, (int64_t)limits->frames * 1000, (int64_t)limits->bytes * 1000};
}

int64_t rate_take(struct rate *r, const struct rate_limits *limits, uint64_t frames, uint64_t bytes,
                  int64_t now)
{
    int64_t ms = min64(now - r->at, FILL_MAX_MS);
    r->at = now;
    r->frames = filled(r->frames, limits->frames, ms) - (limits->frames ? (int64_t)frames * 1000 : 0);
    r->bytes = filled(r->bytes, limits->bytes, ms) - (limits->bytes ? (int64_t)bytes * 1000 : 0);
    int64_t a = time_owed(r->frames, limits->frames);
    int64_t b = time_owed(r->bytes, limits->bytes);
    return a > b ? a : b;
}
