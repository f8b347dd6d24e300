/*
 * mode = require is about who comes to see: browsers get 426, and come by WebSocket or EventSource.
 * Publishing is what a site's backend does, so POST stays what `post` says.
 */
#include "route.h"

#include <string.h>

static bool is_method(const struct request *r, const char *method)
{
    return strcmp(r->method, method) == 0;
}

/* nginx answers itself from the internal location, with ranges, ETags and gzip. Of our headers it keeps
 * Cache-Control; what else the page needs (Content-Security-Policy, nosniff) its location adds. */
static void page(const struct route *to, struct reply *reply)
{
    reply_header(reply, "X-Accel-Redirect", to->config->page);
    reply_header(reply, "Cache-Control", "no-cache");
}

/* HTTP/2 has no Upgrade, and takes a reply with one for a broken stream (RFC 9113 section 8.2.2). */
static void upgrade_required(const struct request *r, struct reply *reply)
{
    if (r->protocol && strncmp(r->protocol, "HTTP/1.", 7) == 0) {
        reply_header(reply, "Upgrade", "websocket");
        reply_header(reply, "Connection", "Upgrade");
    }
    reply_error(reply, 426, "UPGRADE",
                "this channel has no page: open it with new WebSocket(...) or new EventSource(...) in one");
}

/* An EventSource that comes here was not led to the worker; with the page for an answer nobody would see why.
 */
static bool wants_event_stream(const struct request *r)
{
    return r->accept && strcasestr(r->accept, "text/event-stream");
}

static void not_the_worker(struct reply *reply)
{
    reply_error(reply, 406, "STREAM",
                "event streams are the worker's: this location of nginx needs snippets/wspush-here.conf");
}

static void wrong_method(const struct route *to, struct reply *reply)
{
    const char *allowed = to->config->post == POST_OPEN ? "GET, HEAD, POST" : "GET, HEAD";
    reply_header(reply, "Allow", allowed);
    reply_error(reply, 405, "METHOD", "here it is %s", allowed);
}

void route(const struct route *to, const struct request *r, struct reply *reply)
{
    if (is_method(r, "POST"))
        publish(to, r, reply);
    else if (!is_method(r, "GET") && !r->is_head)
        wrong_method(to, reply);
    else if (!r->is_head && wants_event_stream(r))
        not_the_worker(reply);
    else if (r->rules->mode == MODE_REQUIRE)
        upgrade_required(r, reply);
    else
        page(to, reply);
}
