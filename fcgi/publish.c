/*
 * POST: the body becomes a message of the path's channel.
 *
 * A browser can be made to POST by any page that somebody has open, so what a browser says about where a
 * request comes from is asked first (Origin, RFC 6454; Sec-Fetch-Site, W3C Fetch Metadata). Backends say
 * neither, and pass.
 */
#include "route.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/log.h"
#include "base/origin.h"
#include "base/remedy.h"
#include "base/utf8.h"

static bool is_word(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}

/* From another site only an origin passes that is listed by name; from another host of this site the own
 * origin's rule holds, but without an Origin there is nothing to go by. A word that is not in the standard
 * counts as another site. */
static bool origin_ok(const struct request *r)
{
    const char *const *listed = (const char *const *)r->rules->origins.items;
    bool known = !r->fetch_site || is_word(r->fetch_site, "same-origin") || is_word(r->fetch_site, "none");
    bool same_site = known || is_word(r->fetch_site, "same-site");
    if (!known && !r->origin)
        return false;
    return origin_allowed(r->origin, same_site ? r->host : NULL, r->scheme, listed);
}

/* Shows in `wsctl refused`; where the worker is away the log has it alone. */
static void note_origin(const struct route *to, const struct request *r)
{
    struct buf why = {0};
    struct buf remedy = {0};
    buf_addf(&why, "the Origin %s is neither this host nor in 'origins'", r->origin ? r->origin : "(none)");
    if (r->origin)
        remedy_add_origin(&remedy, to->config, r->rules, r->origin);
    if (!to->late)
        wspush_note_refusal(to->worker, &(struct wspush_refusal){.what = "post",
                                                                 .address = r->remote,
                                                                 .channel = r->channel,
                                                                 .why = buf_str(&why),
                                                                 .remedy = buf_str(&remedy)});
    buf_fini(&why);
    buf_fini(&remedy);
}

static bool may_publish(const struct route *to, const struct request *r, struct reply *reply)
{
    if (to->config->post == POST_OFF) {
        reply_error(reply, 403, "POSTOFF",
                    "publishing by POST is off; publish on the control socket: `wsctl send`, or PUBLISH of "
                    "any Redis client");
        return false;
    }
    if (!origin_ok(r)) {
        log_peer("POST to '%s' by %s refused: Origin '%s', Sec-Fetch-Site '%s'; the option 'origins' lists "
                 "who may",
                 r->channel, r->remote, r->origin ? r->origin : "", r->fetch_site ? r->fetch_site : "");
        reply_error(reply, 403, "ORIGIN", "a page of another origin may not publish here");
        note_origin(to, r);
        return false;
    }
    return true;
}

/* "application/octet-stream", with or without parameters. */
static bool is_binary(const char *content_type)
{
    static const char octets[] = "application/octet-stream";
    size_t n = sizeof octets - 1;
    return content_type && strncasecmp(content_type, octets, n) == 0 && strchr(" \t;", content_type[n]);
}

static const struct failure {
    enum wspush_result result;
    int status;
    const char *text;
} failures[] = {
    {WSPUSH_NOWORKER, 503, "the worker is away"},
    {WSPUSH_NOANSWER, 503, "the worker does not answer"},
    {WSPUSH_BADREPLY, 503, "the worker's answer makes no sense"},
    {WSPUSH_TIMEOUT, 503, "the worker's store does not answer"},
    {WSPUSH_BUSY, 503, "the worker is busy"},
    {WSPUSH_NOMEM, 503, "no memory for this message"},
    {WSPUSH_NOPERM, 403, "the worker does not let us publish here"},
    {WSPUSH_TOOBIG, 413, "the message is over the worker's limit"},
    {WSPUSH_BADNAME, 400, "the worker takes this for no channel's name"},
    {WSPUSH_BADUTF8, 400, "the message is not UTF-8"},
    {WSPUSH_ERROR, 503, "the worker could not publish"},
};

static const struct failure *find_failure(enum wspush_result result)
{
    size_t count = sizeof failures / sizeof *failures;
    for (size_t i = 0; i < count; i++)
        if (failures[i].result == result)
            return &failures[i];
    return &failures[count - 1];
}

static void come_back(struct reply *reply)
{
    reply_header(reply, "Retry-After", "1");
}

/* The details, a path among them, are for the log. */
static void failed(const struct route *to, const struct request *r, enum wspush_result result,
                   const struct wspush_sent *sent, struct reply *reply)
{
    const struct failure *f = find_failure(result);
    int status = f->status;
    log_peer("POST to '%s' by %s failed: %s", r->channel, r->remote, wspush_error(to->worker));
    /* a socket that we may not open is no fault of the one who posts */
    if (result == WSPUSH_NOPERM && wspush_fd(to->worker) < 0)
        status = 503;
    if (status == 503)
        come_back(reply);
    reply_error(reply, status, wspush_result_name(result), "%s%s", f->text,
                sent->published == WSPUSH_PUBLISH_UNKNOWN ? "; the message may have been published" : "");
}

static void published(const struct request *r, const struct wspush_sent *sent, struct reply *reply)
{
    buf_adds(&reply->body, "{\"channel\":");
    json_add_string(&reply->body, r->channel, r->channel_len);
    buf_addf(&reply->body, ",\"recipients\":%lld,\"id\":", (long long)sent->recipients);
    json_add_string(&reply->body, sent->id, strlen(sent->id));
    buf_adds(&reply->body, "}\n");
}

/* A connection that broke before anything was written may be tried once more: the worker has just been
 * restarted. */
static void send_message(const struct route *to, const struct request *r, const struct buf *body, bool binary,
                         struct reply *reply)
{
    struct wspush_send_options options = {.binary = binary};
    struct wspush_sent sent;
    enum wspush_result result = wspush_send(to->worker, r->channel, body->data, body->len, &options, &sent);
    if (result == WSPUSH_NOWORKER && sent.published == WSPUSH_NOT_PUBLISHED)
        result = wspush_send(to->worker, r->channel, body->data, body->len, &options, &sent);
    if (result == WSPUSH_OK)
        published(r, &sent, reply);
    else
        failed(to, r, result, &sent, reply);
}

void publish(const struct route *to, const struct request *r, struct reply *reply)
{
    struct buf body = {0};
    if (!may_publish(to, r, reply))
        return;
    if (to->late) {
        come_back(reply);
        reply_error(reply, 503, "BUSY", "too many requests are waiting for the worker");
        return;
    }
    if (request_body(r, to->in, r->rules->message_limit, &body, reply)) {
        bool binary = is_binary(r->content_type);
        ptrdiff_t bad = binary ? -1 : utf8_check(body.data, body.len);
        if (bad >= 0)
            reply_error(reply, 400, "BADUTF8",
                        "a text has to be UTF-8 and is not at byte %td; bytes go as application/octet-stream",
                        bad);
        else
            send_message(to, r, &body, binary, reply);
    }
    buf_fini(&body);
}
