/*
 * From an accepted descriptor to an open WebSocket: the request is read whole, judged by every rule that
 * holds for its channel, and shown to the hub; the 101 leaves only when the hub has registered the client, so
 * that a push that the page's own onopen causes can't miss it.
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
#include "wire/http.h"

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

static void ask_hub(struct conn *c, struct http_request *r, const char *channel, size_t len)
{
    struct handshake *h = c->handshake;
    struct buf text = {0};
    if (c->config->deflate == DEFLATE_OFF)
        r->deflate.bits = 0;
    c->deflate_bits = r->deflate.bits;
    r->protocol = http_choose_protocol(r, (const char *const *)c->config->subprotocols.items);
    http_add_switching(&text, r);
    h->answer = buf_failed(&text) ? NULL : msg_new_raw(text.data, text.len);
    buf_fini(&text);
    if (!h->answer) {
        conn_drop(c, 1011);
        return;
    }
    h->channel = shared_name_new(channel, len);
    c->client = atomic_fetch_add(&c->shard->world->last_client, 1) + 1;
    c->state = CONN_REGISTERING;
    shard_post(c->shard,
               (struct mail){.kind = MAIL_REGISTER,
                             .conn = conn_ref(c),
                             .number = c->client,
                             .user = r->user.len ? shared_name_new(r->user.data, r->user.len) : NULL,
                             .ptr = shared_name_ref(h->channel)});
}

static void on_head(struct conn *c, size_t len)
{
    struct http_request r;
    char channel[CHANNEL_NAME_MAX + 1] = "";
    size_t channel_len = 0;
    const char *detail = NULL;
    int error = http_parse_request(c->handshake->bytes.data, len, &r);
    if (error == 0 && r.wants == HTTP_EVENT_STREAM)
        error = -ERR_EVENT_STREAM;
    if (is_trusted(c))
        take_real_ip(c, &r);
    if (error == 0)
        error = judge(c, &r, channel, &channel_len, &detail);
    if (error < 0)
        handshake_refuse(c, error, detail, &(struct refused){&r, channel, channel_len});
    else
        ask_hub(c, &r, channel, channel_len);
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

void handshake_done(struct conn *c, uint32_t channel, struct shared_name *name)
{
    struct handshake *h = c->handshake;
    if (c->state != CONN_REGISTERING)
        return;
    shard_subscribe(c->shard, c, channel, name);
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
