/*
 * An answer in the making: status, headers and body, as CGI has them (RFC 3875 section 6). Header values are
 * our own texts or checked configuration, never a request's bytes; those stand in JSON strings only.
 */
#ifndef WSPUSH_FCGI_REPLY_H
#define WSPUSH_FCGI_REPLY_H

#include <fcgiapp.h>
#include <stdbool.h>

#include "base/buf.h"

struct reply {
    int status;
    struct buf headers;
    struct buf body; /* JSON, or empty */
};

void reply_init(struct reply *r);
void reply_fini(struct reply *r);
void reply_header(struct reply *r, const char *name, const char *value);
/* Makes it an error: {"error":{"code":..,"text":..}} */
void reply_error(struct reply *r, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Writes it; without the body for HEAD. What failed shows in the stream. */
void reply_write(struct reply *r, FCGX_Stream *out, bool is_head);

#endif
