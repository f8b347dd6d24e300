/*
 * FastCGI for tests: requests put together record by record, right or wrong, and the responses to them. What
 * nginx would not send is what this is for.
 */
#ifndef WSPUSH_T_RECORDS_H
#define WSPUSH_T_RECORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "http.h"

enum record_type {
    RECORD_BEGIN = 1,
    RECORD_ABORT = 2,
    RECORD_END = 3,
    RECORD_PARAMS = 4,
    RECORD_STDIN = 5,
    RECORD_STDOUT = 6,
    RECORD_GET_VALUES = 9
};

/* Bytes to send, in the making. { 0 } is an empty one. */
struct records {
    char *data;
    size_t len, cap;
};

void records_free(struct records *r);
void records_add(struct records *r, const void *bytes, size_t len);
/* One record, at most 65,535 bytes, padded to eights when `pad`. */
void records_record(struct records *r, int type, int id, const void *content, size_t len, bool pad);
/* FCGI_BEGIN_REQUEST; role 1 is the responder's, flag 1 asks to keep the connection. */
void records_begin(struct records *r, int role, int flags);
/* FCGI_PARAMS from lines "NAME=value\n", and the empty record. */
void records_params(struct records *r, const char *lines);
/* FCGI_STDIN in records of at most 65,535 bytes, and the empty one. */
void records_body(struct records *r, const void *body, size_t len);

/* A whole request of id 1. `lines`: more parameters, or another value for one of ours (REQUEST_SCHEME,
 * HTTP_HOST, REMOTE_ADDR; CONTENT_LENGTH if body is not NULL); a line "NAME" without '=' takes it away. */
void records_request(struct records *r, const char *method, const char *uri, const char *lines,
                     const void *body, size_t body_len);

/* Reads the response on a connection; status 0 if there was none, whole if it ended with FCGI_END_REQUEST in
 * good order. Free it with http_reply_free. */
struct http_reply *records_reply(struct http_conn *c, int timeout_ms);
/* Connects, sends, reads one response within 10 s. */
struct http_reply *records_exchange(const char *address, const struct records *r);
/* The same for a whole request. */
struct http_reply *records_ask(const char *address, const char *method, const char *uri, const char *lines,
                               const void *body, size_t body_len);

#endif
