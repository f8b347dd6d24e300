/*
 * WebSocket frames (RFC 6455 section 5) as pure functions over bytes; the only user of wslay. One codec a
 * thread; a connection at rest holds nothing here. wslay's frame layer writes the headers. Reading is this
 * module's: each byte is unmasked once, where the kernel has put it, and each violation is met at its very
 * byte (a length at its last one) and gets its own code.
 */
#ifndef WSPUSH_WIRE_WEBSOCKET_H
#define WSPUSH_WIRE_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0x0,
    WEBSOCKET_TEXT = 0x1,
    WEBSOCKET_BINARY = 0x2,
    WEBSOCKET_CLOSE = 0x8,
    WEBSOCKET_PING = 0x9,
    WEBSOCKET_PONG = 0xa
};

enum {
    WEBSOCKET_HEADER_MAX = 10,  /* of a frame that we send: no mask */
    WEBSOCKET_CONTROL_MAX = 125 /* payload of a control frame */
};

/* The codec of a thread. */
struct websocket;
struct websocket *websocket_new(void);
void websocket_free(struct websocket *ws);

/* ---- out ---- */

/* Writes the header of an unfragmented, unmasked frame; returns its length. */
size_t websocket_header(struct websocket *ws, enum websocket_opcode opcode, bool compressed,
                        uint64_t payload_len, uint8_t out[WEBSOCKET_HEADER_MAX]);
/* Adds the payload of a compressed frame (RFC 7692), level 1 to 9. Fails by buf_failed(out). */
void websocket_compress(struct websocket *ws, int level, const void *payload, size_t len, struct buf *out);
/* Whether a close frame may carry this code (RFC 6455 section 7.4, IANA's registry up to 1014). */
bool websocket_close_code_ok(unsigned code);

/* ---- in ---- */

/* What a connection keeps of an unfinished frame or message; NULL at rest. */
struct websocket_partial;
void websocket_partial_free(struct websocket_partial *partial);
/* The bytes that this holds; 0 for NULL. */
size_t websocket_partial_size(const struct websocket_partial *partial);
/* How many whole frames this codec has taken, of all its connections. */
uint64_t websocket_frames_taken(const struct websocket *ws);

/* Called for whole messages and control frames. The payload is valid during the call only. Each returns 0, or
 * WEBSOCKET_STOP or -ERR_... to end websocket_feed at once. */
enum { WEBSOCKET_STOP = -1000 };
struct websocket_events {
    int (*on_message)(void *arg, enum websocket_opcode opcode, const uint8_t *payload, size_t len);
    int (*on_ping)(void *arg, const uint8_t *payload, size_t len);
    int (*on_pong)(void *arg, const uint8_t *payload, size_t len);
    /* code 1005 when the frame had none. */
    int (*on_close)(void *arg, unsigned code, const uint8_t *reason, size_t len);
};

/* What holds for a connection. */
struct websocket_rules {
    uint64_t limit; /* bytes of a message, expanded or not */
    bool deflate;   /* permessage-deflate was agreed on */
};

/* Takes the next bytes of a connection, in pieces of any size. They are unmasked where they are: what is
 * there afterwards is nobody's. *partial is made and freed here. Compressed messages are told expanded.
 * Returns 0 when all bytes were taken, -ERR_... for a violation (nothing more may be fed then), or what an
 * event returned. */
int websocket_feed(struct websocket *ws, struct websocket_partial **partial, uint8_t *bytes, size_t len,
                   const struct websocket_rules *rules, const struct websocket_events *events, void *arg);

#endif
