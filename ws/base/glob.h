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

/* A part of a pattern. */
struct glob_token {
    int kind;
    const char *text;
    size_t len;
};

/* A pattern that is held against many texts: it begins and ends with bytes that stand for themselves, and has
 * tokens between them. */
struct glob {
    const char *prefix;
    size_t prefix_len;
    const char *suffix;
    size_t suffix_len;
    int count; /* of the tokens; -1: a fault */
    struct glob_token tokens[GLOB_MAX];
};

/* The pattern's bytes are pointed to, and have to stay. */
void glob_prepare(struct glob *g, const char *pattern, size_t len);
bool glob_matches(const struct glob *g, const char *text, size_t len);

#endif
