/* What becomes of a request that is refused: the answer, a line in the log, a record for `wsctl refused`. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/remedy.h"
#include "push/conn.h"
#include "push/refusals.h"
#include "push/shard.h"

enum { SHOWN_MAX = 200 };

static int shown(const struct http_text *t)
{
    return t->data ? (int)(t->len < SHOWN_MAX ? t->len : SHOWN_MAX) : 1;
}

static const char *text_or_dash(const struct http_text *t)
{
    return t->data ? t->data : "-";
}

static void log_it(int error, const char *detail, const char *address, const struct http_request *r)
{
    log_peer("refused %d: %s%s%s (client %s, target %.*s, origin %.*s)", error_http_status(error),
             error_text(error), detail ? ": " : "", detail ? detail : "", address, shown(&r->target),
             text_or_dash(&r->target), shown(&r->origin), text_or_dash(&r->origin));
}

static void add_remedy(struct buf *out, const struct conn *c, int error, const struct refused *what)
{
    const struct config *config = c->shard->config;
    struct buf text = {0};
    switch (-error) {
    case ERR_ORIGIN:
        buf_add(&text, what->request->origin.data, what->request->origin.len);
        remedy_add_origin(out, config, c->config, buf_str(&text));
        break;
    case ERR_UNLISTED:
        if (strcspn(what->channel, "\"\\'*?[]{}$") == what->channel_len)
            buf_addf(out, "channel \"%s\" { }", what->channel);
        break;
    case ERR_ADDRESS_FULL: remedy_add_double(out, "clients_per_address", config->clients_per_address); break;
    case ERR_FULL:
        if (config->max_clients == atomic_load(&c->shard->world->max_clients))
            remedy_add_double(out, "max_clients", config->max_clients);
        break;
    case ERR_HTTP_HEAD_SIZE: remedy_add_double(out, "header_limit", config->header_limit); break;
    default: break;
    }
    buf_fini(&text);
}

static void record(const struct conn *c, int error, const char *detail, const char *address,
                   const struct refused *what)
{
    const struct http_request *r = what->request;
    struct refusal refusal = {.time = clock_wall_ms()};
    struct buf why = {0};
    struct buf remedy = {0};
    if (error == -ERR_ORIGIN)
        buf_addf(&why, "the Origin %.*s is neither this host nor in 'origins'", shown(&r->origin),
                 text_or_dash(&r->origin));
    else
        buf_addf(&why, "%s%s%s", error_text(error), detail ? ": " : "", detail ? detail : "");
    add_remedy(&remedy, c, error, what);
    strcpy(refusal.what, r->wants == HTTP_EVENT_STREAM ? "sse" : "ws");
    strcpy(refusal.address, address);
    if (what->channel_len)
        refusal_set(refusal.channel, what->channel, what->channel_len);
    else if (r->target.data)
        refusal_set(refusal.channel, r->target.data, r->target.len);
    refusal_set(refusal.why, buf_str(&why), why.len);
    refusal_set_remedy(&refusal, buf_str(&remedy), remedy.len);
    buf_fini(&why);
    buf_fini(&remedy);
    refusals_add(c->shard->world->refusals, &refusal);
}

void handshake_refuse(struct conn *c, int error, const char *detail, const struct refused *what)
{
    char address[ADDRESS_TEXT_MAX];
    struct buf text = {0};
    address_text(&c->address, address);
    log_it(error, detail, address, what->request);
    record(c, error, detail, address, what);
    stats_add(&c->shard->stats, STAT_refused_total, 1);
    http_add_error(&text, error, detail);
    struct msg *answer = buf_failed(&text) ? NULL : msg_new_raw(text.data, text.len);
    buf_fini(&text);
    conn_push_control(c, answer);
    conn_end(c);
}
