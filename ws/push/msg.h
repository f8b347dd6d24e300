/*
 * A message: one immutable block of payload with the header of its WebSocket frame right before it, encoded
 * once and shared by reference among all queues of all threads; and its compressed form, where a recipient
 * takes that. Control frames and HTTP answers are messages too, without an id.
 */
#ifndef WSPUSH_PUSH_MSG_H
#define WSPUSH_PUSH_MSG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/websocket.h"

/* The id of a message: `gen-seq`. gen 0: none. */
struct msg_id {
    uint64_t gen;
    uint64_t seq;
};

/* What its sender wants to know of each recipient: that the bytes were handed over, that a pong came back, or
 * that the page's script took it. */
enum wish { WISH_NOTHING, WISH_HANDED, WISH_PONGED, WISH_ACKED };

struct msg {
    atomic_uint refs;
    _Atomic(struct msg *) compressed; /* NULL: not tried; itself: does not pay */
    uint8_t opcode;                   /* enum websocket_opcode; 0 for raw bytes */
    uint8_t header_len;               /* of the frame header that ends where the payload begins */
    uint8_t ping_len;                 /* of the ping frame that begins where the payload ends */
    uint8_t wish;                     /* enum wish */
    uint64_t receipt;                 /* whom its sender wants to hear of; 0: nobody */
    size_t len;
    uint8_t room[WEBSOCKET_HEADER_MAX];
    uint8_t payload[];
};

/* What the ping behind a message carries, and so its pong: the receipt's number, big-endian. */
enum { MSG_PING_PAYLOAD = 8 };

/* Text or binary, or a control frame of at most 125 bytes. The bytes are copied. NULL when there is no
 * memory. One reference is the caller's. */
struct msg *msg_new(struct websocket *ws, enum websocket_opcode opcode, const void *payload, size_t len);
/* The same with room for a wish. */
struct msg *msg_new_wished(struct websocket *ws, enum websocket_opcode opcode, enum wish wish,
                           const void *payload, size_t len);
/* Gives a message with a wish the number of its receipt, before anybody shares it. For WISH_PONGED a ping
 * with that number goes out behind the message, in one piece with it (RFC 6455 section 5.5.2: any endpoint
 * answers it by itself). */
void msg_set_receipt(struct msg *m, uint64_t number);
/* A ping with that number; 0: an empty one. */
struct msg *msg_new_ping(struct websocket *ws, uint64_t number);
/* The number that a pong carries, or 0. */
uint64_t msg_pong_number(const uint8_t *payload, size_t len);
/* The same message as a compressed frame, or itself where that is not shorter. Made by whoever needs it
 * first, and shared from then on; lives as long as `m`. */
struct msg *msg_compressed(struct msg *m, struct websocket *ws, int level);
/* Bytes that go out as they are. */
struct msg *msg_new_raw(const void *bytes, size_t len);
/* A close frame; `reason` is cut to what fits. Code 0: an empty one. */
struct msg *msg_new_close(struct websocket *ws, unsigned code, const char *reason);

static inline void msg_ref(struct msg *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
}
/* Takes NULL too. */
void msg_unref(struct msg *m);

/* The bytes of the frame as it goes out, with its ping. */
static inline const uint8_t *msg_frame(const struct msg *m)
{
    return m->payload - m->header_len;
}

static inline size_t msg_frame_len(const struct msg *m)
{
    return m->header_len + m->len + m->ping_len;
}

enum { MSG_ID_TEXT_MAX = 42 };
/* Writes `gen-seq` without a NUL; returns its length. */
size_t msg_id_format(struct msg_id id, char out[MSG_ID_TEXT_MAX]);

#endif
