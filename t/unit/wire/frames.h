/* Frames of a client, and a record of what a codec made of them. */
#ifndef WSPUSH_T_FRAMES_H
#define WSPUSH_T_FRAMES_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "wire/websocket.h"
#include "../random.h"

/* ---- what clients send ---- */

enum { FIN = 0x80, MASKED = 0x80 };

static inline void add_big_endian(struct buf *to, uint64_t value, size_t bytes)
{
    while (bytes--)
        buf_addc(to, (char)(value >> (8 * bytes)));
}

/* A frame's header with its length in `form` bits: 7, 16 or 64. Four bytes of mask follow. */
static inline void add_header_as(struct buf *to, unsigned first, uint64_t len, int form)
{
    buf_addc(to, (char)first);
    buf_addc(to, (char)(MASKED | (form == 7 ? len : form == 16 ? 126 : 127)));
    add_big_endian(to, len, form == 7 ? 0 : form == 16 ? 2 : 8);
    buf_add(to, "\x12\x34\xab\xcd", 4);
}

static inline void add_header(struct buf *to, unsigned first, uint64_t len)
{
    add_header_as(to, first, len, len < 126 ? 7 : len < 65536 ? 16 : 64);
}

static inline void add_payload(struct buf *to, const void *payload, size_t len)
{
    static const uint8_t mask[] = {0x12, 0x34, 0xab, 0xcd};
    for (size_t i = 0; i < len; i++)
        buf_addc(to, (char)(((const uint8_t *)payload)[i] ^ mask[i & 3]));
}

static inline void add_frame(struct buf *to, unsigned first, const void *payload, size_t len)
{
    add_header(to, first, len);
    add_payload(to, payload, len);
}

/* ---- what is made of it ---- */

/* Every event's kind, length and bytes, one behind the other. */
struct record {
    struct buf events;
    unsigned count;
    unsigned close_code;
    int answer;      /* what the events return */
    uint8_t last;    /* opcode */
    size_t last_len; /* of its payload */
};

static inline int record_event(struct record *r, uint8_t opcode, const uint8_t *payload, size_t len)
{
    buf_addc(&r->events, (char)opcode);
    add_big_endian(&r->events, len, 8);
    buf_add(&r->events, payload, len);
    r->count++;
    r->last = opcode;
    r->last_len = len;
    return r->answer;
}

static inline int record_message(void *arg, enum websocket_opcode opcode, const uint8_t *payload, size_t len)
{
    return record_event(arg, (uint8_t)opcode, payload, len);
}

static inline int record_ping(void *arg, const uint8_t *payload, size_t len)
{
    return record_event(arg, WEBSOCKET_PING, payload, len);
}

static inline int record_pong(void *arg, const uint8_t *payload, size_t len)
{
    return record_event(arg, WEBSOCKET_PONG, payload, len);
}

static inline int record_close(void *arg, unsigned code, const uint8_t *reason, size_t len)
{
    struct record *r = arg;
    r->close_code = code;
    record_event(r, WEBSOCKET_CLOSE, reason, len);
    return WEBSOCKET_STOP;
}

static const struct websocket_events record_events = {record_message, record_ping, record_pong, record_close};

static inline bool same_bytes(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* ---- random streams ---- */

/* UTF-8 of `len` bytes, with characters of every length. */
static inline void fill_text(uint8_t *out, size_t len)
{
    static const char *const chars[] = {"a", "Z", "\xc3\xa9", "\xe6\x88\xbf", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < len;) {
        const char *c = chars[random_below(5)];
        size_t n = strlen(c) <= len - i ? strlen(c) : 1;
        memcpy(out + i, n == 1 ? "a" : c, n);
        i += n;
    }
}

static inline void add_random_control(struct buf *to)
{
    uint8_t payload[WEBSOCKET_CONTROL_MAX];
    size_t len = random_below(sizeof payload + 1);
    fill_text(payload, len);
    add_frame(to, FIN | (random_below(2) ? WEBSOCKET_PING : WEBSOCKET_PONG), payload, len);
}

/* One message in one or several frames, with control frames between them. */
static inline void add_random_message(struct buf *to, size_t max)
{
    size_t len = random_below(4) ? random_below(200) : random_below(max + 1);
    uint8_t *payload = malloc(len + 1);
    bool text = random_below(2);
    fill_text(payload, len);
    unsigned opcode = text ? WEBSOCKET_TEXT : WEBSOCKET_BINARY;
    size_t at = 0;
    while (random_below(3) == 0) {
        size_t n = random_below(len - at + 1);
        add_frame(to, opcode, payload + at, n);
        at += n;
        opcode = WEBSOCKET_CONTINUATION;
        if (random_below(3) == 0)
            add_random_control(to);
    }
    add_frame(to, FIN | opcode, payload + at, len - at);
    free(payload);
}

static inline void add_random_stream(struct buf *to, size_t messages, size_t max)
{
    for (size_t i = 0; i < messages; i++) {
        add_random_message(to, max);
        if (random_below(4) == 0)
            add_random_control(to);
    }
}

#endif
