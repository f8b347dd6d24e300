/*
 * One request, read from the parameters that nginx sends (RFC 3875 section 4.1). The texts belong to libfcgi
 * and live as long as its request.
 */
#ifndef WSPUSH_FCGI_REQUEST_H
#define WSPUSH_FCGI_REQUEST_H

#include <fcgiapp.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/name.h"
#include "reply.h"

/* NULL: absent or empty. */
struct request {
    const char *method;
    bool is_head;
    char channel[CHANNEL_NAME_MAX + 1];
    size_t channel_len;
    const struct channel_config *rules; /* the channel's */
    const char *protocol;               /* HTTP/1.1 and the like */
    const char *host, *scheme, *origin, *fetch_site, *accept;
    const char *content_type, *content_length;
    const char *remote; /* for the log; never NULL */
};

/* False: the reply is made. */
bool request_read(struct request *r, char **params, const struct config *config, struct reply *reply);
/* Reads the whole body, CONTENT_LENGTH bytes and not one more or less, at most `limit`. False: the reply is
 * made. */
bool request_body(const struct request *r, FCGX_Stream *in, uint64_t limit, struct buf *out,
                  struct reply *reply);

#endif
