/*
 * What comes to an operator unasked: what it watches. It stands between replies, never within one. An
 * operator that does not read it is dropped, for what waits is memory: of one, and of all together, of whom
 * the one goes that has the most unread. Reading replies is reading too: whoever reads a long one is not
 * dropped for what waits behind it.
 */
#ifndef WSPUSH_CONTROL_UNASKED_H
#define WSPUSH_CONTROL_UNASKED_H

#include <stddef.h>

#include "base/buf.h"

struct session;

/* Bytes. An operator may have the first and one message more; all of them have the second at most. */
enum { UNREAD_MAX = 4 << 20, UNREAD_IN_ALL = 64 << 20 };

/* Where to add something whole that is no reply. NULL if this operator gets nothing more: it ends, or it did
 * not read what came before, and is dropped. */
struct buf *unasked_begin(struct session *s);
/* It is all there, and has `len` bytes. */
void unasked_end(struct session *s, size_t len);
/* Moves to the output what had to wait for the end of a reply, if it is there. */
void unasked_release(struct session *s);
/* The peer took so many bytes of the output. */
void unasked_written(struct session *s, size_t len);
/* The session ends. */
void unasked_forget(struct session *s);

#endif
