/*
 * FastCGI records, looked at before libfcgi sees them: its parser can be brought down by malformed ones, and
 * a connection without a whole request head would hold one of its threads. Pure functions, any thread.
 */
#ifndef WSPUSH_FCGI_RECORD_H
#define WSPUSH_FCGI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first bytes of a connection that are looked at; a head (FCGI_BEGIN_REQUEST and all FCGI_PARAMS) has to
 * fit. */
enum { RECORD_WINDOW = 64 * 1024 };

enum head_state {
    HEAD_MORE,  /* the head is not all there */
    HEAD_READY, /* it is, and libfcgi may read it */
    HEAD_BAD    /* this is no request that we serve */
};

struct request_head {
    enum head_state state;
    const char *fault;             /* of HEAD_BAD, for people */
    bool whole;                    /* the body's end is within the bytes, too, and all its records are good */
    bool is_get;                   /* REQUEST_METHOD is GET or HEAD */
    uint8_t params[RECORD_WINDOW]; /* scratch */
};

/* Looks at the first `len` bytes of a connection, len <= RECORD_WINDOW, as often as more arrive. */
void request_head_look(struct request_head *head, const uint8_t *bytes, size_t len);

#endif
