/*
 * The negotiation of permessage-deflate (RFC 7692 section 5 and 7.1): which of a client's offers is taken,
 * and how it is answered. Without context takeover in either direction, whatever was offered
 * (sections 7.1.1.1 and 7.1.1.2 let a server add both): so one compressed frame serves every recipient, and
 * nothing is kept for a connection.
 */
#ifndef WSPUSH_WIRE_DEFLATE_OFFER_H
#define WSPUSH_WIRE_DEFLATE_OFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { DEFLATE_BITS_MIN = 8, DEFLATE_BITS_MAX = 15 };

/* What was agreed on. */
struct deflate_terms {
    uint8_t bits;    /* log2 of the window that the client has for what it receives; 0: no compression */
    bool bits_asked; /* it asked for that, so it is told */
};

/* Looks through one Sec-WebSocket-Extensions header for the first offer that can be taken as it is; offers
 * with unknown, double or malformed parameters are passed over (RFC 7692 section 5.1). `out` is left alone if
 * there is none, or if an earlier header had one. */
void deflate_take_offer(const char *value, size_t len, struct deflate_terms *out);
/* Adds the value of the answer's header. */
void deflate_add_answer(struct buf *out, const struct deflate_terms *terms);

#endif
