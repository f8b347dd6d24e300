#include "wire/deflate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/error.h"

/* Expanded messages go into memory that is kept up to KEPT bytes, and grows from FIRST. */
enum { FIRST = 16 * 1024, KEPT = 256 * 1024, RAW = -15, MEMORY_LEVEL = 8 };

/* The end of each compressed message, which does not travel (section 7.2.1). */
static const uint8_t tail[] = {0x00, 0x00, 0xff, 0xff};

struct deflate {
    z_stream out;
    z_stream in;
    int level; /* of `out`; 0: there is none yet */
    bool has_in;
    struct buf plain;
};

struct deflate *deflate_new(void)
{
    struct deflate *d = calloc(1, sizeof *d);
    if (!d)
        abort();
    return d;
}

void deflate_free(struct deflate *d)
{
    if (!d)
        return;
    if (d->level)
        deflateEnd(&d->out);
    if (d->has_in)
        inflateEnd(&d->in);
    buf_fini(&d->plain);
    free(d);
}

/* ---- out ---- */

/* The stream as new, at this level; false: no memory. */
static bool ready_to_compress(struct deflate *d, int level)
{
    if (!d->level && deflateInit2(&d->out, level, Z_DEFLATED, RAW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    bool changes = d->level && d->level != level;
    d->level = level;
    deflateReset(&d->out);
    if (changes)
        deflateParams(&d->out, level, Z_DEFAULT_STRATEGY);
    return true;
}

void deflate_compress(struct deflate *d, int level, const void *bytes, size_t len, struct buf *out)
{
    if (!ready_to_compress(d, level)) {
        out->failed = true;
        return;
    }
    size_t room = deflateBound(&d->out, len) + sizeof tail + 8;
    uint8_t *to = buf_reserve(out, room);
    if (!to)
        return;
    d->out.next_in = (uint8_t *)(uintptr_t)bytes;
    d->out.avail_in = (uInt)len;
    d->out.next_out = to;
    d->out.avail_out = (uInt)room;
    /* With so much room one call flushes it all, up to the tail. */
    if (deflate(&d->out, Z_SYNC_FLUSH) != Z_OK || d->out.avail_in || !d->out.avail_out)
        abort();
    out->len += room - d->out.avail_out - sizeof tail;
}

/* ---- in ---- */

static bool ready_to_expand(struct deflate *d)
{
    if (d->has_in)
        return inflateReset(&d->in) == Z_OK;
    d->has_in = inflateInit2(&d->in, RAW) == Z_OK;
    return d->has_in;
}

/* Room for more of the message, up to one byte beyond the limit. */
static bool make_room(struct buf *plain, uint64_t limit)
{
    size_t ceiling = (size_t)limit + 1;
    size_t more = plain->len ? plain->len : FIRST;
    if (plain->len + more > ceiling)
        more = ceiling - plain->len;
    return plain->cap > plain->len || buf_reserve(plain, more) != NULL;
}

/* Expands one piece of input; more than the limit is -ERR_MESSAGE_SIZE. */
static int expand_piece(struct deflate *d, const uint8_t *bytes, size_t len, uint64_t limit)
{
    struct buf *plain = &d->plain;
    d->in.next_in = (uint8_t *)(uintptr_t)bytes;
    d->in.avail_in = (uInt)len;
    for (;;) {
        if (!make_room(plain, limit))
            return -ERR_MEMORY;
        size_t room = plain->cap - plain->len;
        if (room > limit + 1 - plain->len)
            room = (size_t)limit + 1 - plain->len;
        d->in.next_out = plain->data + plain->len;
        d->in.avail_out = (uInt)room;
        int r = inflate(&d->in, Z_SYNC_FLUSH);
        plain->len += room - d->in.avail_out;
        if (plain->len > limit)
            return -ERR_MESSAGE_SIZE;
        if (r == Z_STREAM_END) /* a final block is not the message's end (section 7.2.3.5) */
            r = inflateReset(&d->in);
        if (r != Z_OK && r != Z_BUF_ERROR)
            return r == Z_MEM_ERROR ? -ERR_MEMORY : -ERR_DEFLATE;
        if (d->in.avail_in == 0 && d->in.avail_out)
            return 0;
    }
}

/* After the tail the stream is between two blocks, or the message was cut (zlib.h says so in data_type). */
static bool is_whole(const struct deflate *d)
{
    return d->in.data_type & 128;
}

int deflate_expand(struct deflate *d, const void *bytes, size_t len, uint64_t limit, const uint8_t **out,
                   size_t *out_len)
{
    if (d->plain.cap > KEPT)
        buf_fini(&d->plain);
    buf_clear(&d->plain);
    if (!ready_to_expand(d))
        return -ERR_MEMORY;
    int r = expand_piece(d, bytes, len, limit);
    if (r == 0)
        r = expand_piece(d, tail, sizeof tail, limit);
    if (r == 0 && !is_whole(d))
        r = -ERR_DEFLATE;
    if (r == -ERR_MEMORY)
        buf_fini(&d->plain);
    *out = d->plain.data;
    *out_len = d->plain.len;
    return r;
}
