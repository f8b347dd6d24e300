/*
 * The compression of permessage-deflate (RFC 7692 section 7.2), a message at a time: no context is taken
 * over, so one struct serves all connections of a thread. Its memory is taken at the first use.
 */
#ifndef WSPUSH_WIRE_DEFLATE_H
#define WSPUSH_WIRE_DEFLATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct deflate;

struct deflate *deflate_new(void);
void deflate_free(struct deflate *d);

/* Adds the payload of a compressed message (section 7.2.1) to `out`; level 1 to 9. Made with the largest
 * window; for a message of at most 2^N bytes a window of N bits is enough to read it. Fails by
 * buf_failed(out). */
void deflate_compress(struct deflate *d, int level, const void *bytes, size_t len, struct buf *out);
/* Reads the payload of a compressed message (section 7.2.2). The bytes belong to `d` and are valid until the
 * next call. 0, -ERR_MESSAGE_SIZE as soon as they are more than `limit`, -ERR_DEFLATE, or -ERR_MEMORY. */
int deflate_expand(struct deflate *d, const void *bytes, size_t len, uint64_t limit, const uint8_t **out,
                   size_t *out_len);

#endif
