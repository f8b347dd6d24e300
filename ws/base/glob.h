/*
 * The one pattern matcher: `*` any run within a segment, `**` any run across '/', `?` one character but '/',
 * `[a-z]` and `[!a-z]` one character of a class, `\x` the character x itself. Time is bounded by pattern
 * length times text length, whatever the pattern.
 */
#ifndef WSPUSH_BASE_GLOB_H
#define WSPUSH_BASE_GLOB_H

#include <stdbool.h>
#include <stddef.h>

enum { GLOB_MAX = 200 };

/* NULL if `pattern` is well formed (at most GLOB_MAX bytes, classes closed), else a short reason. */
const char *glob_fault(const char *pattern, size_t len);
/* Whether the whole text matches. A pattern with a fault matches nothing. */
bool glob_match(const char *pattern, size_t pattern_len, const char *text, size_t text_len);

#endif
