/*
 * wspush.v1 and event streams for tests, on top of wsclient.h and http.h: what a page would see, message by
 * message, compared with a pattern. Nothing is passed over but pings of the WebSocket's own. Times are
 * milliseconds.
 *
 * A pattern is the text itself; each '*' in it stands for any bytes, none too.
 */
#ifndef WSPUSH_T_V1_H
#define WSPUSH_T_V1_H

#include <stdbool.h>
#include <stddef.h>

#include "wsclient.h"

enum { ID_MAX = 64 };

/* Whether the text is as the pattern says. */
bool v1_like(const char *text, const char *pattern);
/* The value of the first member `name` of the JSON text whose value is a string without escapes; "" if none.
 * Valid for the next eight calls. */
const char *v1_member(const char *text, const char *name);

/* ---- wspush.v1: all of these fail the test with what came instead ---- */

/* Opens a WebSocket that speaks wspush.v1. headers: NULL, or whole lines. */
struct wsclient *v1_open(const char *address, const char *path, const char *headers);
/* The same, and takes `hello` and the `sub` of its own channel. */
struct wsclient *v1_visit(const char *address, const char *path, const char *headers);
void v1_say(struct wsclient *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The next message is a text like this one; it is valid until the next receive. */
const char *v1_expect(struct wsclient *c, const char *pattern);
/* The next message as it comes. */
const char *v1_next(struct wsclient *c);
/* The answer to a ping is the next message: nothing else came before it. */
void v1_expect_nothing(struct wsclient *c);

/* ---- event streams ---- */

struct stream;

struct stream_event {
    const char *event; /* "message" where the stream does not say */
    const char *data;  /* lines joined by LF; "" */
    const char *id;    /* of this block; NULL: none */
    const char *retry; /* NULL: none */
    bool has_data;     /* a browser dispatches it */
};

/* Sends a GET for an event stream and reads the head of the answer, whatever it is. headers: NULL, or whole
 * lines. Never NULL. */
struct stream *stream_connect(const char *address, const char *path, const char *headers);
/* The same, and the test fails if it is not an event stream; the `retry:` block and `hello` are taken. */
struct stream *stream_open(const char *address, const char *path, const char *headers);
int stream_status(const struct stream *s);
const char *stream_head(const struct stream *s);
int stream_fd(const struct stream *s);
/* The id that a browser would come back with; "" before the first. */
const char *stream_position(const struct stream *s);
/* The next block. False: none came in time, or the stream has ended (stream_ended). */
bool stream_next(struct stream *s, struct stream_event *out, int timeout_ms);
bool stream_ended(const struct stream *s);
/* The next block with data has this event, and data like this pattern. */
void stream_expect(struct stream *s, const char *event, const char *pattern);
/* Its `hello` had an id like this; "": none. */
void stream_began_at(const struct stream *s, const char *pattern);
/* The stream ends, and nothing comes before but, where it is closed for good, `close` and then `id: closed`.
 * Returns whether it is. */
bool stream_expect_end(struct stream *s);
/* Closes and frees. NULL is allowed. */
void stream_free(struct stream *s);

#endif
