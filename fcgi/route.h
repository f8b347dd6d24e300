/* What a request gets: the page, a publication, or a refusal. */
#ifndef WSPUSH_FCGI_ROUTE_H
#define WSPUSH_FCGI_ROUTE_H

#include "request.h"
#include "client/wspush.h"

struct route {
    const struct config *config;
    struct wspush *worker; /* the calling thread's own */
    FCGX_Stream *in;
    bool late; /* waited too long for a thread: anything that takes time is refused */
};

/* Makes the reply. */
void route(const struct route *to, const struct request *r, struct reply *reply);
/* POST: in publish.c. */
void publish(const struct route *to, const struct request *r, struct reply *reply);

#endif
