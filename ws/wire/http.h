/*
 * The request that opens a WebSocket or an event stream, and its answers (RFC 9112, RFC 6455 section 4.2, the
 * HTML standard, section 9.2): strict, no allocation, no socket. What is parsed points into the caller's
 * bytes.
 */
#ifndef WSPUSH_WIRE_HTTP_H
#define WSPUSH_WIRE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/deflate_offer.h"

struct http_text {
    const char *data; /* NULL: the header was not there */
    size_t len;
};

enum { HTTP_PROTOCOLS_MAX = 8 };

/* What a request opens. One that asks for both opens a WebSocket. */
enum http_wants { HTTP_WEBSOCKET, HTTP_EVENT_STREAM };

struct http_request {
    enum http_wants wants;
    struct http_text target; /* as it was sent: path and query */
    struct http_text host;
    struct http_text origin;
    struct http_text key;
    struct http_text version;
    struct http_text last_event_id; /* whatever the client sends: the caller judges it */
    /* From a trusted proxy; whether they are believed is the caller's to know. */
    struct http_text real_ip;
    struct http_text forwarded_proto;
    struct http_text channel;
    struct http_text user;
    struct http_text protocols[HTTP_PROTOCOLS_MAX]; /* Sec-WebSocket-Protocol, a header each */
    size_t protocol_count;
    struct http_text protocol; /* the one that is agreed to; set by the caller */
    struct deflate_terms deflate;
    bool upgrade_websocket; /* Upgrade lists "websocket" */
    bool connection_upgrade;
    bool accepts_event_stream; /* a browser's EventSource */
};

/* Looks for the empty line. *scanned says how far earlier calls on the same growing bytes have looked; start
 * with 0. Returns the length of the head with that line, or 0 when more bytes are needed. */
size_t http_head_length(const void *bytes, size_t len, size_t *scanned);

/* Parses a head of exactly `len` bytes. Every rule is checked: one line ending (CR LF), no folding, no
 * control bytes, single headers single, Host there, no body, then what makes it an upgrade to WebSocket
 * version 13, or a request for an event stream: `Upgrade` without websocket, and `Accept` with
 * text/event-stream. Returns 0, or -ERR_... of errors.def. */
int http_parse_request(const void *head, size_t len, struct http_request *out);

/* The value of the target's first parameter of that name, as it was sent; data NULL: it has none. */
struct http_text http_query(struct http_text target, const char *name);

/* The first subprotocol that the client offers and `known` lists (NULL-terminated, or NULL): the request's
 * bytes; data NULL: none (RFC 6455 section 4.2.2, /subprotocol/). */
struct http_text http_choose_protocol(const struct http_request *request, const char *const *known);

/* Adds the 101 answer to a parsed request (RFC 6455 section 4.2.2), with the protocol and deflate that it
 * says. */
void http_add_switching(struct buf *out, const struct http_request *request);
/* Adds the head of an event stream, which ends with the connection. Where the request has an Origin, the
 * caller has let it in, and the page there may read the stream (the Fetch standard, "CORS protocol"): with
 * its cookies, or, where any origin may (`any_origin`), without. */
void http_add_event_stream(struct buf *out, const struct http_request *request, bool any_origin);
/* Adds the whole answer that makes a browser's EventSource stop for good: 204. The same holds of Origin. */
void http_add_no_content(struct buf *out, const struct http_request *request, bool any_origin);
/* Adds the whole answer for -ERR_...: status, the headers that belong to it, the error's text, and `detail`
 * behind it where that is not NULL. The connection closes after it. */
void http_add_error(struct buf *out, int error, const char *detail);

#endif
