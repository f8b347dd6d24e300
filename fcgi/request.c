#include "request.h"

#include <limits.h>
#include <string.h>

#include "base/units.h"

enum { READ_CHUNK = 64 * 1024 };

static const char *param(char **params, const char *name)
{
    const char *value = FCGX_GetParam(name, params);
    return value && *value ? value : NULL;
}

/* The channel that nginx names, or the one of the path. X-Wspush-Channel is nginx's alone: its configuration
 * sets the parameter always, be it to nothing, so that a client's header of that name never stands here. */
static const char *read_channel(struct request *r, char **params)
{
    const char *given = param(params, "HTTP_X_WSPUSH_CHANNEL");
    const char *uri = param(params, "REQUEST_URI");
    if (!given)
        return uri ? channel_name_from_path(uri, strlen(uri), r->channel, &r->channel_len)
                   : "there is no REQUEST_URI";
    const char *fault = channel_name_fault(given, strlen(given));
    if (fault)
        return fault;
    r->channel_len = strlen(given);
    memcpy(r->channel, given, r->channel_len + 1);
    return NULL;
}

bool request_read(struct request *r, char **params, const struct config *config, struct reply *reply)
{
    *r = (struct request){
        .method = param(params, "REQUEST_METHOD"),
        .protocol = param(params, "SERVER_PROTOCOL"),
        .host = param(params, "HTTP_HOST"),
        .scheme = param(params, "REQUEST_SCHEME"),
        .origin = param(params, "HTTP_ORIGIN"),
        .fetch_site = param(params, "HTTP_SEC_FETCH_SITE"),
        .accept = param(params, "HTTP_ACCEPT"),
        .content_type = param(params, "CONTENT_TYPE"),
        .content_length = param(params, "CONTENT_LENGTH"),
        .remote = param(params, "REMOTE_ADDR"),
    };
    if (!r->remote)
        r->remote = "somebody";
    r->is_head = r->method && strcmp(r->method, "HEAD") == 0;
    if (!r->method || !param(params, "REQUEST_URI")) {
        reply_error(reply, 400, "BADREQUEST", "nginx has to send REQUEST_METHOD and REQUEST_URI");
        return false;
    }
    const char *fault = read_channel(r, params);
    if (fault) {
        reply_error(reply, 400, "BADNAME", "this address names no channel: %s", fault);
        return false;
    }
    r->rules = config_for_channel(config, r->channel, r->channel_len);
    if (!r->rules)
        reply_error(reply, 404, "NOCHANNEL", "there is no such channel");
    return r->rules != NULL;
}

/* Makes the reply for a length that is none, or too much. */
static bool body_length(const struct request *r, uint64_t limit, uint64_t *out, struct reply *reply)
{
    const char *text = r->content_length;
    if (!text || units_number(text, strlen(text), out) < 0) {
        reply_error(reply, 400, "BADLENGTH", "a Content-Length of decimal digits is needed");
        return false;
    }
    if (*out <= limit && *out <= INT_MAX)
        return true;
    reply_error(reply, 413, "TOOBIG", "a message of this channel has at most %llu bytes",
                (unsigned long long)limit);
    return false;
}

bool request_body(const struct request *r, FCGX_Stream *in, uint64_t limit, struct buf *out,
                  struct reply *reply)
{
    uint64_t length = 0;
    if (!body_length(r, limit, &length, reply))
        return false;
    while (out->len < length) {
        size_t want = length - out->len < READ_CHUNK ? (size_t)(length - out->len) : READ_CHUNK;
        uint8_t *to = buf_reserve(out, want);
        int n = to ? FCGX_GetStr((char *)to, (int)want, in) : 0;
        if (n <= 0)
            break;
        out->len += (size_t)n;
    }
    if (buf_failed(out))
        reply_error(reply, 503, "NOMEM", "no memory for a message of this size");
    else if (out->len < length || FCGX_GetError(in) != 0)
        reply_error(reply, 400, "BADBODY", "the body ended before its Content-Length");
    else if (FCGX_GetChar(in) != EOF || FCGX_GetError(in) != 0)
        reply_error(reply, 400, "BADBODY", "the body does not end at its Content-Length");
    else
        return true;
    return false;
}
