/*
 * A growing run of bytes. One owner, no sharing. Growth that fails makes the buffer "failed": later additions
 * do nothing, and whoever sends or stores the bytes asks buf_failed() once, at the end.
 */
#ifndef WSPUSH_BASE_BUF_H
#define WSPUSH_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    bool failed;
};

/* An empty buffer holds no memory; { 0 } is one too. */
void buf_init(struct buf *b);
/* Frees the bytes and leaves an empty buffer. */
void buf_fini(struct buf *b);
/* Empties the buffer and keeps its memory. */
void buf_clear(struct buf *b);

/* Room for `more` bytes behind the content, or NULL when there is no memory (the buffer is then failed). The
 * caller writes there and adds to `len`. */
uint8_t *buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *bytes, size_t len);
/* Like buf_add, but the memory never grows past `ceiling` bytes; len + the content has to fit into it. For
 * content whose final size is known, or bounded. */
void buf_add_within(struct buf *b, const void *bytes, size_t len, size_t ceiling);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *text);
void buf_addu(struct buf *b, uint64_t number);
void buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first `n` bytes, n <= len. */
void buf_consume(struct buf *b, size_t n);
/* The content as a C string (a NUL is kept behind it), valid until the next change; "" when failed. */
const char *buf_str(struct buf *b);

static inline bool buf_failed(const struct buf *b)
{
    return b->failed;
}

/* Decimal digits of `number` into `out` (at least 20 bytes, no NUL); returns how many. */
size_t format_u64(char *out, uint64_t number);

#endif
