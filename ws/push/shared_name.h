/* A channel's name as hub and shards share it: immutable, counted. */
#ifndef WSPUSH_PUSH_SHARED_NAME_H
#define WSPUSH_PUSH_SHARED_NAME_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/tally.h"

struct shared_name {
    atomic_uint refs;
    size_t len;
    char text[];
};

/* One reference is the caller's. Aborts when there is no memory: names are short. */
static inline struct shared_name *shared_name_new(const char *text, size_t len)
{
    struct shared_name *n = malloc(sizeof *n + len);
    if (!n)
        abort();
    atomic_init(&n->refs, 1);
    n->len = len;
    tally_change(TALLY_channels, 0, sizeof *n + len);
    memcpy(n->text, text, len);
    return n;
}

static inline struct shared_name *shared_name_ref(struct shared_name *n)
{
    atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
    return n;
}

static inline void shared_name_unref(struct shared_name *n)
{
    if (n && atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) == 1) {
        tally_change(TALLY_channels, sizeof *n + n->len, 0);
        free(n);
    }
}

#endif
