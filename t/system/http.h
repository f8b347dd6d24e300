/*
 * The tests' HTTP: connections with what was read of them (wsclient.h and resp.h stand on these, too), a tiny
 * client for requests of any bytes, and stand-ins that record what nginx sends to an upstream.
 *
 * Addresses are texts: "127.0.0.1:8080" or "unix:/tmp/x/ws.sock". Every wait has a deadline, in milliseconds.
 * Nothing here decides that a test has failed, but for want of memory.
 */
#ifndef WSPUSH_T_HTTP_H
#define WSPUSH_T_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Milliseconds of the monotonic clock. */
long long http_now(void);

/* ---- connections ---- */

/* What has been read and not yet consumed stands in in[0 .. len), with a NUL behind it. */
struct http_conn {
    int fd;
    char *in;
    size_t len;
    char *base; /* the block that in points into */
    size_t cap;
};

enum http_end {
    HTTP_MORE = 1,     /* bytes were added to in */
    HTTP_EOF = 0,      /* the peer has closed in good order */
    HTTP_TIMEOUT = -1, /* nothing came before the deadline */
    HTTP_RESET = -2    /* the connection broke */
};

/* Connects. NULL if nobody listens there (errno says why). */
struct http_conn *http_open(const char *address);
/* A connection of a descriptor that is connected already; takes it. */
struct http_conn *http_adopt(int take_fd);
/* Closes and frees. NULL is allowed. */
void http_close(struct http_conn *c);
/* Writes all of it; 0, or -1 if the peer is gone or takes nothing for 10 s. */
int http_write(struct http_conn *c, const void *data, size_t len);
/* Sends a byte over a Unix socket, and with it so many descriptors (SCM_RIGHTS), at most 250; 0 or -1. */
int http_send_descriptors(int fd, char byte, size_t count);
/* Waits for bytes, once, and reads what there is. */
enum http_end http_fill(struct http_conn *c, int timeout_ms);
/* Drops the first n bytes of in. */
void http_consume(struct http_conn *c, size_t n);
/* Reads until `text` stands somewhere in in: true. False: the deadline or the end came first. For streams:
 * in holds heads and chunk marks as they came. */
bool http_until(struct http_conn *c, const char *text, int timeout_ms);
/* Reads to the end: HTTP_EOF or HTTP_RESET; HTTP_TIMEOUT if there was none in time. */
enum http_end http_rest(struct http_conn *c, int timeout_ms);

/* ---- requests ---- */

struct http_reply {
    int status; /* 0: no reply, or not one of HTTP */
    char *head; /* status line and headers as they came, without the empty line; "" if there was none */
    char *body; /* chunks joined; a NUL stands behind it */
    size_t body_len;
    bool whole;         /* the body came to its end as announced */
    char scratch[4096]; /* of http_header */
};

/* The next reply on a connection, whatever was sent; consumes it. is_head: it has no body whatever its
 * Content-Length says. 101 and 204 and 304 have none either. Free it with http_reply_free. */
struct http_reply *http_next(struct http_conn *c, bool is_head, int timeout_ms);
/* Opens, sends these bytes, reads one reply, closes. */
struct http_reply *http_raw(const char *address, const void *bytes, size_t len, int timeout_ms);
/* The same with a request put together: "Host: localhost" unless headers has a Host of its own;
 * Content-Length if body is not NULL. headers: NULL, or whole lines, each ending in "\r\n". Waits 5 s. */
struct http_reply *http_request(const char *address, const char *method, const char *path,
                                const char *headers, const void *body, size_t body_len);
/* GET of a path. */
struct http_reply *http_get(const char *address, const char *path);
/* Only the status of a request without body. */
int http_status(const char *address, const char *method, const char *path, const char *headers);
/* A header's value, names compared without case; NULL if absent. Valid until the next call on this reply. */
const char *http_header(struct http_reply *r, const char *name);
void http_reply_free(struct http_reply *r);

/* ---- stand-ins ---- */

/* An upstream in a thread of the test: records each request, answers always the same. */
struct http_stub;

enum http_stub_kind {
    HTTP_STUB_HTTP, /* answers `answer`, a whole HTTP response; a request with "Upgrade: websocket" gets a
                       right 101 instead. That, and an answer with "text/event-stream" in it, stays open until
                       http_stub_free */
    HTTP_STUB_FCGI  /* answers `answer`, a CGI response ("Content-Type: text/plain\r\n\r\nhello") */
};

/* Listens on "unix:PATH" (replacing what is there) or "127.0.0.1:PORT", port 0 for any. `answer` is copied.
 * Aborts the test if it can't listen. */
struct http_stub *http_stub_new(enum http_stub_kind kind, const char *address, const char *answer);
void http_stub_free(struct http_stub *stub);
/* Where it listens, the port filled in. */
const char *http_stub_address(const struct http_stub *stub);
/* How many requests it has answered. */
int http_stub_count(struct http_stub *stub);
/* The last request: an HTTP head as it came, or FastCGI's parameters as lines "NAME=value\n" in their order;
 * "" if there was none. The text is the stub's, until the next call. */
const char *http_stub_seen(struct http_stub *stub);
/* The last request's body. A NUL stands behind it; the text is the stub's, until the next call. */
const char *http_stub_body(struct http_stub *stub, size_t *len);

#endif
