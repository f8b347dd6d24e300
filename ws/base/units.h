/*
 * Numbers as people write them, in configuration and on the command line: `10`, `250ms`, `1.5s`, `5m`, `2h`,
 * `64k`, `1m`, `1MiB`. Decimal only; a leading zero means nothing; anything left over is an error.
 */
#ifndef WSPUSH_BASE_UNITS_H
#define WSPUSH_BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* Each returns 0 and sets *out, or returns -1 and leaves it. */

/* Digits only, at most UINT64_MAX; `len` bytes, no NUL needed. */
int units_number(const char *text, size_t len, uint64_t *out);
/* A duration in milliseconds. A bare number is seconds, or carries ms, s, m, h or d; fractions are allowed.
 * At most 10 years. */
int units_duration(const char *text, int64_t *out);
/* A size in bytes. Suffixes k, m, g, kb, mb, gb, kib, mib, gib, in any letter case, are powers of 1024. */
int units_size(const char *text, uint64_t *out);

#endif
