/*
 * What the fuzz targets share. An input's first line, if it has at most KNOBS_MAX letters, turns the target's
 * knobs, a letter each: '@' is 0, 'A' is 1, 'Z' is 26, '_' is 31. What follows is what the target reads. Each
 * target is one function that libFuzzer calls, and says in its head what its knobs are.
 */
#ifndef WSPUSH_T_FUZZ_H
#define WSPUSH_T_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KNOBS_MAX = 12 };

/* What has to hold, whatever the input. */
#define MUST(what)                                                                                           \
    do {                                                                                                     \
        if (!(what)) {                                                                                       \
            fprintf(stderr, "%s:%d: this does not hold: %s\n", __FILE__, __LINE__, #what);                   \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

struct input {
    const uint8_t *knobs;
    size_t knob_count;
    const uint8_t *bytes;
    size_t len;
};

static inline struct input input_read(const uint8_t *data, size_t size)
{
    const uint8_t *eol = size ? memchr(data, '\n', size <= KNOBS_MAX ? size : KNOBS_MAX + 1) : NULL;
    size_t knobs = eol ? (size_t)(eol - data) : 0;
    size_t skip = eol ? knobs + 1 : 0;
    return (struct input){data, knobs, data + skip, size - skip};
}

/* 0 to 31; 0 where the input does not say. */
static inline unsigned input_knob(const struct input *in, size_t index)
{
    return index < in->knob_count ? in->knobs[index] & 31 : 0;
}

/* How many of the `left` bytes come in the n-th piece. The knobs from `first` on say it, in turn: 0 is all of
 * them, and what is over 24 counts in 64. */
static inline size_t input_piece(const struct input *in, size_t first, size_t n, size_t left)
{
    size_t knob = in->knob_count > first ? input_knob(in, first + n % (in->knob_count - first)) : 0;
    size_t size = knob > 24 ? (knob - 24) * 64 : knob;
    return size && size < left ? size : left;
}

/* A copy with nothing behind it, so that AddressSanitizer sees who reads on. */
static inline void *exact_copy(const void *bytes, size_t len)
{
    void *copy = malloc(len);
    if (len)
        memcpy(copy, bytes, len);
    return copy;
}

#endif
