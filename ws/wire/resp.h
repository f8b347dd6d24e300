/*
 * RESP, the protocol of the control socket: requests in (RESP arrays of bulk strings, and inline lines for
 * people), replies out (RESP2, and RESP3 where a connection asked for it). Pure functions over bytes. The
 * forms are those of https://redis.io/docs/latest/develop/reference/protocol-spec/.
 */
#ifndef WSPUSH_WIRE_RESP_H
#define WSPUSH_WIRE_RESP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

/* ---- requests ---- */

enum {
    RESP_ARGS_MAX = 1001, /* a verb and a thousand names */
    RESP_INLINE_MAX = 64 * 1024,
    RESP_HEADER_MAX = 34, /* a `*n` or `$n` line with its CR LF */
};

struct resp_arg {
    const char *data;
    size_t len;
};

/* Arguments point into the caller's bytes, or, of inline requests, into the parser; valid until the next
 * call. It is 16 KB, of which a request touches its own arguments: it belongs on a stack, and into nothing
 * that is kept. */
struct resp_request {
    int argc;
    struct resp_arg argv[RESP_ARGS_MAX];
};

enum resp_result {
    RESP_NONE,       /* bytes were taken, nothing is to be done (`*0`, an empty line) */
    RESP_REQUEST,    /* a whole request */
    RESP_TOO_BIG,    /* a request with an argument over the limit was skipped */
    RESP_INCOMPLETE, /* nothing was taken: more bytes are needed */
    RESP_FAULT,      /* not RESP: answer and close */
    RESP_FOREIGN     /* another protocol (HTTP, TLS, FastCGI): close without an answer */
};

/* What a parser keeps between calls. All zero at the start. */
struct resp_parser {
    size_t scanned;      /* of an unfinished inline line */
    uint64_t skip_bytes; /* of an argument over the limit */
    uint64_t skip_args;  /* arguments to skip behind it */
    struct buf unquoted; /* the words of an inline request */
};

void resp_parser_fini(struct resp_parser *p);
/* Looks at `len` bytes; *taken says how many are done with. `bulk_max` bounds an argument. *fault is a text
 * for the error reply after RESP_FAULT. */
enum resp_result resp_parse(struct resp_parser *p, const uint8_t *bytes, size_t len, size_t bulk_max,
                            size_t *taken, struct resp_request *out, const char **fault);

/* ---- replies ---- */

void resp_add_simple(struct buf *out, const char *text);
/* `text` begins with the error's code word. What a peer said may stand in it: control bytes become '?'. */
void resp_add_error(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void resp_add_int(struct buf *out, int64_t n);
void resp_add_bulk(struct buf *out, const void *bytes, size_t len);
void resp_add_text(struct buf *out, const char *text);
void resp_add_null(struct buf *out, int proto);
void resp_add_array(struct buf *out, uint64_t count);
/* `pairs` fields with their values: a map in RESP3, a flat array in RESP2. */
void resp_add_map(struct buf *out, int proto, uint64_t pairs);
/* What comes unasked: a push in RESP3, an array in RESP2. */
void resp_add_push(struct buf *out, int proto, uint64_t count);

#endif
