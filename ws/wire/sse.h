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

/* One event: `id:` where id is not NULL, `event:` where event is not NULL, and the data. Each line of a text,
 * ended by CR LF, CR or LF, becomes a line of its own, which a browser joins by LF. Binary data is base64,
 * and the event's name is then "binary", whatever `event` says. An event without data is one all the same: it
 * has one empty `data:` line. Neither id nor event has a line end or a NUL; text is UTF-8. */
void sse_add_event(struct buf *out, const char *id, size_t id_len, const char *event, bool binary,
                   const void *data, size_t len);
/* `retry:`, how long a browser waits before it comes back. Milliseconds. */
void sse_add_retry(struct buf *out, unsigned ms);
/* The event "beat", which script can see, with empty data. A `data:` line leaves an LF in the data buffer,
 * and only an empty buffer makes a browser drop the event; the LF goes when it is dispatched. */
void sse_add_beat(struct buf *out);
/* The end of a stream for good: the id SSE_CLOSED, which stays with the browser, and no event, for there is
 * no `data:` line. */
void sse_add_end(struct buf *out);

#endif
