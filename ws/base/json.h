/*
 * JSON out (RFC 8259): strings and base64 for what is not text. Objects are small and fixed, so callers write
 * their braces themselves. Flat objects in: flat.h.
 */
#ifndef WSPUSH_BASE_JSON_H
#define WSPUSH_BASE_JSON_H

#include "base/buf.h"

/* Adds `text` as a quoted string. Control bytes, quotes, backslashes and what drives a display (utf8.h) are
 * escaped, so a terminal may show it; bytes that are not UTF-8 become U+FFFD, so it is always valid JSON. */
void json_add_string(struct buf *out, const void *text, size_t len);
/* Adds JSON that somebody else wrote, as it is but for what in its strings drives a display. */
void json_add_copy(struct buf *out, const void *json, size_t len);
/* Adds `bytes` as a quoted string of base64 (RFC 4648 section 4). */
void json_add_base64(struct buf *out, const void *bytes, size_t len);

#endif
