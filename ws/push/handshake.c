/*
 * From an accepted descriptor to an open WebSocket or event stream: the request is read whole, judged by
 * every rule that holds for its channel, and shown to the hub; the answer leaves only when the hub has
 * registered the client, so that a push that the page's own onopen causes can't miss it.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/name.h"
#include "base/origin.h"
#include "base/tally.h"
#include "push/conn.h"
#include "push/shard.h"
#include "base/hash.h"
#include "wire/http.h"
#include "wire/sse.h"
#include "wire/v1.h"

enum { TEXT_MAX = 512 };

void handshake_free(struct handshake *h)
{
    if (!h)
        return;
    tally_change(TALLY_unfinished, sizeof *h, 0);
    tally_change(TALLY_unfinished, h->counted, 0);
    buf_fini(&h->bytes);
    msg_unref(h->answer);
    shared_name_unref(h->channel);
    free(h);
}

/* ---- who asks, and for what ---- */

static bool is_listed(const struct string_list *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], text) == 0)
            return true;
    return false;
}

/* Whether X-Real-IP and X-Wspush-* are believed: a Unix socket is reached by our own nginx alone. */
static bool is_trusted(const struct conn *c)
{
    char text[ADDRESS_TEXT_MAX];
    if (c->over_unix)
        return true;
    return inet_ntop(c->address.family, c->address.bytes, text, sizeof text) &&
           is_listed(&c->shard->config->trusted_proxies, text);
}

static const char *copy_text(const struct http_text *t, char out[TEXT_MAX])
{
    if (!t->data || t->len >= TEXT_MAX)
        return t->data ? "" : NULL;
    memcpy(out, t->data, t->len);
    out[t->len] = '\0';
    return out;
}

static void take_real_ip(struct conn *c, const struct http_request *r)
{
    char text[TEXT_MAX];
    struct address a;
    if (copy_text(&r->real_ip, text) && address_parse(&a, text))
        c->address = a;
}

/* The channel that nginx names, or else the path's. NULL, or why there is none. */
static const char *find_channel(const struct http_request *r, char out[CHANNEL_NAME_MAX + 1], size_t *len)
{
    if (!r->channel.data || r->channel.len == 0)
        return channel_name_from_path(r->target.data, r->target.len, out, len);
    const char *fault = channel_name_fault(r->channel.data, r->channel.len);
    if (fault)
        return fault;
    *len = r->channel.len;
    memcpy(out, r->channel.data, *len);
    return NULL;
}

static bool origin_ok(const struct http_request *r, const struct channel_config *config)
{
    char origin[TEXT_MAX];
    char host[TEXT_MAX];
    char scheme[TEXT_MAX];
    return origin_allowed(copy_text(&r->origin, origin), copy_text(&r->host, host),
                          copy_text(&r->forwarded_proto, scheme), (const char *const *)config->origins.items);
}

/* ---- verdicts ---- */

static bool address_has_room(struct conn *c)
{
    uint64_t limit = c->shard->config->clients_per_address;
    if (!limit || !c->address.family)
        return true;
    c->counted = addresses_enter(c->shard->world->addresses, &c->address, limit);
    return c->counted;
}

static bool take_seat(struct conn *c)
{
    struct world *world = c->shard->world;
    c->seated = atomic_fetch_add(&world->seated, 1) < atomic_load(&world->max_clients);
    if (!c->seated)
        atomic_fetch_sub(&world->seated, 1);
    return c->seated;
}

/* Every rule for who may come in; 0 or -ERR_..., with *detail where there is more to say. */
static int judge(struct conn *c, struct http_request *r, char channel[CHANNEL_NAME_MAX + 1],
                 size_t *channel_len, const char **detail)
{
    struct world *world = c->shard->world;
    if (!is_trusted(c))
        r->channel = r->user = r->forwarded_proto = (struct http_text){0};
    *detail = find_channel(r, channel, channel_len);
    if (*detail)
        return -ERR_CHANNEL_NAME;
    const struct channel_config *config = config_for_channel(c->shard->config, channel, *channel_len);
    if (!config)
        return -ERR_UNLISTED;
    c->config = config;
    *detail = r->user.len ? user_name_fault(r->user.data, r->user.len) : NULL;
    if (*detail)
        return -ERR_USER_NAME;
    if (!origin_ok(r, config))
        return -ERR_ORIGIN;
    if (atomic_load(&world->draining))
        return -ERR_DRAINING;
    if (!address_has_room(c))
        return -ERR_ADDRESS_FULL;
    return take_seat(c) ? 0 : -ERR_FULL;
}

/* ---- letting in ---- */

static bool offers_v1(const struct http_request *r)
{
    static const char *const v1[] = {V1_PROTOCOL, NULL};
    return http_choose_protocol(r, v1).data != NULL;
}

/* What the client and we speak: wspush.v1 is known always, other subprotocols where they are listed. */
static enum transport agree(struct conn *c, struct http_request *r)
{
    if (r->wants == HTTP_EVENT_STREAM)
        return TRANSPORT_SSE;
    r->protocol = http_choose_protocol(r, (const char *const *)c->config->subprotocols.items);
    if (r->protocol.data || !offers_v1(r))
        return TRANSPORT_RAW;
    r->protocol = (struct http_text){V1_PROTOCOL, sizeof V1_PROTOCOL - 1};
    return TRANSPORT_V1;
}

/* How long a browser waits before it comes back to a stream: not all that were cut off at once. */
static unsigned retry_ms(const struct conn *c)
{
    enum { LEAST = 1000, SPREAD = 3000 };
    return LEAST + (unsigned)hash_keyed(&c->client, sizeof c->client) % SPREAD;
}

static struct msg *make_answer(const struct conn *c, const struct http_request *r)
{
    struct buf text = {0};
    if (c->transport == TRANSPORT_SSE) {
        http_add_event_stream(&text, r, is_listed(&c->config->origins, "any"));
        sse_add_retry(&text, retry_ms(c));
    } else {
        http_add_switching(&text, r);
    }
    struct msg *answer = buf_failed(&text) ? NULL : msg_new_raw(text.data, text.len);
    buf_fini(&text);
    return answer;
}

/* Where a client that comes back was: what the browser says, or the URL. data NULL: nobody says. */
static struct http_text find_position(const struct conn *c, const struct http_request *r)
{
    if (c->transport == TRANSPORT_RAW)
        return (struct http_text){NULL, 0};
    if (c->transport == TRANSPORT_SSE && r->last_event_id.len)
        return r->last_event_id;
    return http_query(r->target, "since");
}

static bool take_up_v1(struct conn *c)
{
    if (c->transport != TRANSPORT_V1)
        return true;
    if (!conn_need_more(c))
        return false;
    c->more->own = shared_name_ref(c->handshake->channel);
    c->more->inbound = (uint8_t)c->config->inbound;
    return true;
}

/* 0; a position that is none: -ERR_POSITION. */
static int ask_hub(struct conn *c, struct http_request *r, const char *channel, size_t len)
{
    struct handshake *h = c->handshake;
    struct msg_id since = {0};
    if (c->config->deflate == DEFLATE_OFF || r->wants == HTTP_EVENT_STREAM)
        r->deflate.bits = 0;
    c->deflate_bits = r->deflate.bits & 15u;
    c->transport = agree(c, r) & 3u;
    struct http_text position = find_position(c, r);
    if (position.data && msg_id_parse(position.data, position.len, &since) < 0 &&
        c->transport == TRANSPORT_SSE)
        return -ERR_POSITION; /* a page sees it; where it would not, the hub says it to the script */
    c->client = atomic_fetch_add(&c->shard->world->last_client, 1) + 1;
    h->answer = make_answer(c, r);
    h->channel = shared_name_new(channel, len);
    struct joining *joining = calloc(1, sizeof *joining);
    if (!h->answer || !joining || !take_up_v1(c)) {
        free(joining);
        conn_drop(c, 1011);
        return 0;
    }
    *joining = (struct joining){.channel = shared_name_ref(h->channel),
                                .user = r->user.len ? shared_name_new(r->user.data, r->user.len) : NULL,
                                .transport = (enum transport)c->transport,
                                .has_since = position.data != NULL,
                                .since = since};
    c->state = CONN_REGISTERING;
    shard_post(
        c->shard,
        (struct mail){.kind = MAIL_REGISTER, .conn = conn_ref(c), .number = c->client, .ptr = joining});
    return 0;
}

/* A stream that was closed for good is not opened again (the HTML standard: 204 stops an EventSource). */
static bool stays_closed(const struct http_request *r)
{
    return r->wants == HTTP_EVENT_STREAM && r->last_event_id.len == strlen(SSE_CLOSED) &&
           memcmp(r->last_event_id.data, SSE_CLOSED, strlen(SSE_CLOSED)) == 0;
}

static void send_away(struct conn *c, const struct http_request *r)
{
    struct buf text = {0};
    http_add_no_content(&text, r, is_listed(&c->config->origins, "any"));
    conn_push_control(c, buf_failed(&text) ? NULL : msg_new_raw(text.data, text.len));
    buf_fini(&text);
    conn_end(c);
}

static void on_head(struct conn *c, size_t len)
{
    struct http_request r;
    char channel[CHANNEL_NAME_MAX + 1] = "";
    size_t channel_len = 0;
    const char *detail = NULL;
    int error = http_parse_request(c->handshake->bytes.data, len, &r);
    if (is_trusted(c))
        take_real_ip(c, &r);
    if (error == 0)
        error = judge(c, &r, channel, &channel_len, &detail);
    if (error == 0 && stays_closed(&r)) {
        send_away(c, &r);
        return;
    }
    if (error == 0)
        error = ask_hub(c, &r, channel, channel_len);
    if (error < 0)
        handshake_refuse(c, error, detail, &(struct refused){&r, channel, channel_len});
}

/* Of which nothing is known yet. */
static void refuse_head(struct conn *c, int error)
{
    struct http_request none = {0};
    handshake_refuse(c, error, NULL, &(struct refused){&none, "", 0});
}

void handshake_expired(struct conn *c)
{
    if (c->handshake->bytes.len)
        refuse_head(c, -ERR_HTTP_TIMEOUT);
    else
        conn_drop(c, 1006);
}

void handshake_read(struct conn *c, const uint8_t *bytes, size_t len)
{
    struct handshake *h = c->handshake;
    if (c->state != CONN_HANDSHAKE)
        return;
    buf_add(&h->bytes, bytes, len);
    tally_change(TALLY_unfinished, h->counted, h->bytes.cap);
    h->counted = h->bytes.cap;
    if (buf_failed(&h->bytes)) {
        conn_drop(c, 1011);
        return;
    }
    size_t limit = c->shard->config->header_limit;
    size_t head = http_head_length(h->bytes.data, h->bytes.len, &h->scanned);
    if (head > limit || (!head && h->bytes.len > limit)) {
        refuse_head(c, -ERR_HTTP_HEAD_SIZE);
    } else if (head) {
        on_head(c, head);
    }
}

void handshake_done(struct conn *c, uint32_t channel, struct shared_name *name, enum seat seat)
{
    struct handshake *h = c->handshake;
    if (c->state != CONN_REGISTERING)
        return;
    c->registered = true;
    if (seat != SEAT_NONE)
        shard_subscribe(c->shard, c, channel, name, seat == SEAT_BEHIND);
    c->partial = NULL;
    c->opened = true;
    c->state = CONN_OPEN;
    c->spoken = moment_of(c->shard->loop->now);
    conn_set_limits(c);
    stats_add(&c->shard->stats, STAT_clients_total, 1);
    msg_ref(h->answer);
    conn_push_control(c, h->answer);
    handshake_free(h);
    conn_reckon(c);
}

/* The request is looked at again: nothing that it says was kept. */
void handshake_denied(struct conn *c, int error)
{
    struct http_request r;
    char channel[CHANNEL_NAME_MAX + 1];
    struct handshake *h = c->handshake;
    if (c->state != CONN_REGISTERING)
        return;
    c->left = true; /* the hub does not know it */
    memcpy(channel, h->channel->text, h->channel->len);
    http_parse_request(h->bytes.data, h->bytes.len, &r);
    handshake_refuse(c, error, NULL, &(struct refused){&r, channel, h->channel->len});
}
