/* Connections that share a thread's codec, for tests of it. */
#ifndef WSPUSH_T_PEER_H
#define WSPUSH_T_PEER_H

#include <check.h>

#include "base/error.h"
#include "frames.h"

enum { LIMIT = 1 << 20, PIECE_MAX = 4 << 20 };

static struct websocket *ws;

static inline void make_codec(void)
{
    ws = websocket_new();
}

static inline void free_codec(void)
{
    websocket_free(ws);
}

/* A connection, and what it told. */
struct peer {
    struct websocket_partial *partial;
    struct record record;
};

/* The codec gets a copy, for it unmasks in place. Behind that nothing is left of the array, so that
 * AddressSanitizer sees who goes on; and no heap is used, which is what some tests look at. */
static inline int feed_by(struct peer *p, const void *bytes, size_t len, const struct websocket_rules *rules)
{
    static uint8_t room[PIECE_MAX];
    if (len > sizeof room)
        abort();
    uint8_t *copy = room + sizeof room - len;
    memcpy(copy, bytes, len);
    return websocket_feed(ws, &p->partial, copy, len, rules, &record_events, &p->record);
}

static inline int feed(struct peer *p, const void *bytes, size_t len)
{
    return feed_by(p, bytes, len, &(struct websocket_rules){.limit = LIMIT});
}

/* Feeds byte by byte; *at says how many bytes went in before the result that is returned. */
static inline int feed_bytes(struct peer *p, const struct buf *bytes, size_t *at)
{
    int r = 0;
    for (*at = 0; r == 0 && *at < bytes->len; ++*at)
        r = feed(p, bytes->data + *at, 1);
    return r;
}

static inline void peer_fini(struct peer *p)
{
    websocket_partial_free(p->partial);
    buf_fini(&p->record.events);
    *p = (struct peer){0};
}

/* The codec serves others after whatever happened. */
static inline void check_codec(void)
{
    struct peer other = {0};
    struct buf b = {0};
    add_frame(&b, FIN | WEBSOCKET_TEXT, "good", 4);
    int r = feed(&other, b.data, b.len);
    bool good = r == 0 && other.record.last_len == 4 && !other.partial &&
                memcmp(other.record.events.data + 9, "good", 4) == 0;
    buf_fini(&b);
    peer_fini(&other);
    ck_assert_msg(good, "the codec is spoilt: %d", r);
}

/* The stream is refused with this error: whole, and byte by byte when exactly `at` bytes are in. */
static inline void expect_error_at(const struct buf *stream, int error, size_t at, unsigned events)
{
    struct peer whole = {0};
    struct peer slow = {0};
    size_t fed;
    int r = feed(&whole, stream->data, stream->len);
    ck_assert_msg(r == -error, "whole: %s, not %s", error_text(r), error_text(error));
    r = feed_bytes(&slow, stream, &fed);
    ck_assert_msg(r == -error && fed == at, "%s at byte %zu, not %s at byte %zu", error_text(r), fed,
                  error_text(error), at);
    ck_assert_uint_eq(whole.record.count, events);
    ck_assert_uint_eq(slow.record.count, events);
    ck_assert(same_bytes(&whole.record.events, &slow.record.events));
    peer_fini(&whole);
    peer_fini(&slow);
    check_codec();
}

static inline int feed_whole(struct peer *p, const struct buf *stream)
{
    return feed(p, stream->data, stream->len);
}

static inline int feed_slowly(struct peer *p, const struct buf *stream)
{
    size_t at;
    return feed_bytes(p, stream, &at);
}

#endif
