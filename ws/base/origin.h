/*
 * Who may use a channel from a browser: the guard against cross-site WebSocket hijacking. Shared by the
 * worker and the responder. An origin is scheme://host[:port] (RFC 6454 section 7).
 */
#ifndef WSPUSH_BASE_ORIGIN_H
#define WSPUSH_BASE_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a request with this Origin header may pass. `origin` NULL (no header: not a browser) passes.
 * Otherwise it has to be the same host and port as `host`, the Host header (ports that are the default of
 * `scheme`, "http" or "https", or of the origin's own scheme, may be left out; `scheme` NULL means not known,
 * and then the two schemes are not compared), or match an entry of the NULL-terminated list `origins`:
 * "https://a.example",
 * "*.a.example" (any scheme), the latter after a scheme too, or "any". "null" passes by "any" alone. */
bool origin_allowed(const char *origin, const char *host, const char *scheme, const char *const *origins);
/* NULL, or why this entry can't be in an `origins` list. */
const char *origin_entry_fault(const char *entry);

#endif
