/*
 * Server-sent events, as the HTML standard has them (section 9.2.6, "Interpreting an event stream"). Pure
 * functions that add to a buffer.
 */
#ifndef WSPUSH_WIRE_SSE_H
#define WSPUSH_WIRE_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* The last id of a stream that was closed for good: who comes back with it gets 204. */
#define SSE_CLOSED "closed"

/* One event: `id:` where id is not NULL, `event:` where event is not NULL, and the data. Every kind of line
 * end in text (CR LF, CR, LF) becomes a line of its own, which a browser joins by LF. Binary data is base64,
 * and the event's name is then "binary", whatever `event` says. */
void sse_add_event(struct buf *out, const char *id, size_t id_len, const char *event, bool binary,
                   const void *data, size_t len);
/* `retry:`, how long a browser waits before it comes back. Milliseconds. */
void sse_add_retry(struct buf *out, unsigned ms);
/* An event without data but for an empty line, that script can see: "beat". */
void sse_add_beat(struct buf *out);
/* The end of a stream for good: an id that stays with the browser, and no event (its data is empty). */
void sse_add_end(struct buf *out);

#endif
