/*
 * JSON in, as far as a worker's own lines need it (docs/CONTROL.md, Watching): one flat object (RFC 8259)
 * whose values are strings, whole numbers, true, false and null. A pure function.
 */
#ifndef WSPUSH_BASE_FLAT_H
#define WSPUSH_BASE_FLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum flat_kind { FLAT_TEXT, FLAT_NUMBER, FLAT_TRUE, FLAT_FALSE, FLAT_NULL };

/* A member. The texts have a NUL behind them, and their escapes are undone; both are gone after the call that
 * gets them. */
struct flat_member {
    const char *name;
    enum flat_kind kind;
    const char *text; /* FLAT_TEXT: of `len` bytes of UTF-8, NULs among them perhaps */
    size_t len;
    int64_t number;
};

/* Calls `member` for each member in its order. False if the bytes are no such object or no UTF-8; members
 * before the fault have been told of then. Also false for want of memory. */
bool flat_read(const char *bytes, size_t len, void (*member)(void *arg, const struct flat_member *member),
               void *arg);

#endif
