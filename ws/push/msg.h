/*
 * A message: one immutable block of payload with the header of its WebSocket frame right before it, encoded
 * once and shared by reference among all queues of all threads. Its other forms are messages of their own,
 * made by whoever needs them first: compressed, as an envelope of wspush.v1, as an event of a stream. Control
 * frames and HTTP answers are messages too, without an id.
 */
#ifndef WSPUSH_PUSH_MSG_H
#define WSPUSH_PUSH_MSG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "push/shared_name.h"
#include "wire/websocket.h"

/* What a client speaks. */
enum transport { TRANSPORT_RAW, TRANSPORT_V1, TRANSPORT_SSE };
enum { TRANSPORTS = 3 };

/* The id of a message: `gen-seq`. gen 0: none. */
struct msg_id {
    uint64_t gen;
    uint64_t seq;
};

/* What its sender wants to know of each recipient: that the bytes were handed over, that a pong came back, or
 * that the page's script took it. */
enum wish { WISH_NOTHING, WISH_HANDED, WISH_PONGED, WISH_ACKED };

/* What the worker itself has to say about a channel. Its payload is JSON; it goes to those who speak
 * wspush.v1 or read an event stream, and never to a raw client. */
enum notice {
    NOTICE_NONE,
    NOTICE_HELLO,
    NOTICE_SUB,
    NOTICE_UNSUB,
    NOTICE_RESET,
    NOTICE_PRESENCE,
    NOTICE_JOIN,
    NOTICE_LEAVE,
    NOTICE_ERROR,
    NOTICE_PONG,
    NOTICE_CLOSE
};

struct msg {
    atomic_uint refs;
    uint8_t opcode;                   /* enum websocket_opcode; 0 for raw bytes, and for a notice */
    uint8_t header_len;               /* of the frame header that ends where the payload begins */
    uint8_t ping_len;                 /* of the ping frame that begins where the payload ends */
    uint8_t wish;                     /* enum wish */
    _Atomic(struct msg *) compressed; /* NULL: not tried; itself: does not pay */
    _Atomic(struct msg *) envelope;   /* of wspush.v1; NULL: not needed yet */
    _Atomic(struct msg *) event;      /* of a stream; likewise */
    uint64_t receipt;                 /* whom its sender wants to hear of; 0: nobody */
    struct msg_id id;                 /* in its channel; gen 0: none */
    struct shared_name *channel;      /* NULL: it was not sent to one */
    int64_t time;                     /* when it was numbered, Unix milliseconds */
    int64_t expires;                  /* nobody is to get it from then on: monotonic milliseconds; 0: never */
    size_t len;
    atomic_size_t forms; /* bytes of its forms, where a history keeps it; see msg_set_kept() */
    uint8_t notice;      /* enum notice */
    bool deflated;       /* the frame is compressed */
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
/* The place of a message in its channel, given to it before anybody shares it. Takes a reference to the
 * name. */
void msg_set_place(struct msg *m, struct shared_name *channel, struct msg_id id, int64_t time);
/* What the worker has to say; `json` is its object. NULL when there is no memory. */
struct msg *msg_new_notice(enum notice notice, const char *json, size_t len);
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
/* The same message, or the notice, as wspush.v1 has it (wire/v1.h), and as an event of a stream (wire/sse.h):
 * made by whoever needs it first, shared from then on, and lives as long as `m`. NULL when there is no
 * memory. */
struct msg *msg_envelope(struct msg *m, struct websocket *ws);
struct msg *msg_event(struct msg *m);
/* The one that a transport has, not compressed. */
static inline struct msg *msg_form(struct msg *m, struct websocket *ws, enum transport transport)
{
    return transport == TRANSPORT_RAW ? m : transport == TRANSPORT_V1 ? msg_envelope(m, ws) : msg_event(m);
}
/* A history keeps the message from now on, or does so no more. Kept once at most, and before anybody shares
 * it. */
void msg_set_kept(struct msg *m, bool kept);
/* Bytes of all forms of messages that are kept. Any thread. */
size_t msg_kept_forms(void);
/* Bytes of the heap that the message itself takes, without its forms. */
size_t msg_weight(const struct msg *m);
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
/* Reads `gen-seq`, both in decimal digits without leading zeros; gen 0 is no generation. 0 or -1. */
int msg_id_parse(const char *text, size_t len, struct msg_id *out);

#endif
