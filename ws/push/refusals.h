/*
 * The latest refusals, over all threads, for `wsctl refused`: who was refused, why, and what would let them
 * in. Locked: a refusal is rare, and a flood of them costs each its own thread a short copy.
 */
#ifndef WSPUSH_PUSH_REFUSALS_H
#define WSPUSH_PUSH_REFUSALS_H

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/name.h"
#include "push/addresses.h"

enum { REFUSALS_KEPT = 100, REFUSAL_TEXT_MAX = 400 };

/* Texts are UTF-8 without control bytes; refusal_set() makes them so. */
struct refusal {
    int64_t time;   /* the last one's, Unix milliseconds */
    uint64_t times; /* that it happened */
    char what[8];   /* "ws", "sse" or "post" */
    char address[ADDRESS_TEXT_MAX];
    char channel[CHANNEL_NAME_MAX + 1]; /* or the path, where it names none */
    char why[REFUSAL_TEXT_MAX];
    char remedy[REFUSAL_TEXT_MAX]; /* a line for wspush.conf, or "" */
};

struct refusals;

struct refusals *refusals_new(void);
void refusals_free(struct refusals *r);
/* Fills in a text, escaped, and cut where it is too long. */
#define refusal_set(field, bytes, len) log_escape(field, sizeof(field), bytes, len)
/* A line that would be cut or escaped is none. */
void refusal_set_remedy(struct refusal *r, const char *line, size_t len);
/* Keeps a copy, as the latest. One that differs in time alone from one that is kept is counted with it. */
void refusals_add(struct refusals *r, const struct refusal *refusal);
/* Copies the latest `max` ones, latest first; returns how many there are. */
size_t refusals_latest(struct refusals *r, struct refusal *out, size_t max);

#endif
