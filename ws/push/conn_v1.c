/*
 * What a client of wspush.v1 asks for (docs/CLIENT.md). What can be judged by the client's own configuration
 * is judged here; who is on which channel, and where it is in it, the hub knows.
 */
#include <string.h>

#include "base/error.h"
#include "base/name.h"
#include "push/conn.h"
#include "push/notice.h"
#include "push/shard.h"
#include "wire/v1.h"

/* Requests in a row that are none. */
enum { FAULTS_MAX = 8 };

/* What counts as another request: so many channels in one, and so many bytes, which jansson takes some time
 * for. A byte of it is as much work as so many that are passed on, and so is a channel, at the hub too. */
enum { CHANNELS_A_REQUEST = 10, BYTES_A_REQUEST = 16 * 1024, BYTE_WORK = 16, CHANNEL_WORK = 160 };

static void say(struct conn *c, struct msg *take_notice)
{
    if (take_notice)
        conn_push(c, take_notice);
    else
        conn_drop(c, 1011);
    msg_unref(take_notice);
}

void conn_say_error(struct conn *c, const char *code, const char *text, const char *channel,
                    size_t channel_len)
{
    say(c, notice_error(code, text, channel, channel_len));
}

/* ---- channels ---- */

/* The settings of a channel that this client may be on, or NULL: its own, and those that anybody may take. */
static const struct channel_config *may_take(const struct conn *c, const struct v1_text *name)
{
    const struct shared_name *own = conn_channel_name(c);
    const struct channel_config *config = config_for_channel(c->shard->config, name->data, name->len);
    if (own && own->len == name->len && memcmp(own->text, name->data, name->len) == 0)
        return config;
    return config && config->subscribe == SUBSCRIBE_ANY ? config : NULL;
}

static bool name_ok(struct conn *c, const struct v1_text *name)
{
    const char *fault = channel_name_fault(name->data, name->len);
    if (fault)
        conn_say_error(c, "channel", fault, name->data, name->len);
    return !fault;
}

static void subscribe(struct conn *c, const struct v1_channel *asked)
{
    const struct v1_text *name = &asked->name;
    struct msg_id since = {0};
    if (!name_ok(c, name))
        return;
    if (!may_take(c, name)) {
        conn_say_error(c, "forbidden", "this client may not be on that channel", name->data, name->len);
        return;
    }
    if (asked->since.data && msg_id_parse(asked->since.data, asked->since.len, &since) < 0)
        since = (struct msg_id){0};
    struct joining *joining = joining_new(TRANSPORT_V1, name->data, name->len, NULL);
    if (!joining) {
        conn_drop(c, 1011);
        return;
    }
    joining->has_since = asked->since.data != NULL;
    joining->since = since;
    shard_post(c->shard, (struct mail){.kind = MAIL_SUBSCRIBE, .number = c->client, .ptr = joining});
}

static void unsubscribe(struct conn *c, const struct v1_channel *asked)
{
    if (name_ok(c, &asked->name))
        shard_post(c->shard, (struct mail){.kind = MAIL_UNSUBSCRIBE,
                                           .number = c->client,
                                           .ptr = shared_name_new(asked->name.data, asked->name.len)});
}

static void each_channel(struct conn *c, const struct v1_request *r,
                         void (*act)(struct conn *c, const struct v1_channel *asked))
{
    for (size_t i = 0; i < r->channel_count && c->state == CONN_OPEN && !c->io.reaping; i++)
        act(c, &r->channels[i]);
}

/* ---- messages ---- */

/* Back to whoever said it. */
static void echo(struct conn *c, struct msg *take_m)
{
    conn_push(c, take_m);
    msg_unref(take_m);
}

static int take_data(struct conn *c, const struct v1_request *r)
{
    const struct shared_name *own = conn_channel_name(c);
    struct v1_text name = r->channel.data ? r->channel : (struct v1_text){own->text, own->len};
    if (!name_ok(c, &name))
        return 0;
    const struct channel_config *config = may_take(c, &name);
    if (!config) {
        conn_say_error(c, "forbidden", "this client may not be on that channel", name.data, name.len);
        return 0;
    }
    if (config->inbound == INBOUND_OFF) {
        conn_say_error(c, "inbound", error_text(ERR_INBOUND_OFF), name.data, name.len);
        return 0;
    }
    struct msg *m =
        msg_new(c->shard->ws, r->binary ? WEBSOCKET_BINARY : WEBSOCKET_TEXT, r->payload.data, r->payload.len);
    if (!m)
        return -ERR_MEMORY;
    m->channel = shared_name_new(name.data, name.len);
    c->more->heard |= (uint8_t)(1u << config->inbound);
    if (config->inbound == INBOUND_ECHO)
        echo(c, m);
    else
        conn_send_to_hub(c, m);
    return 0;
}

static void take_ack(struct conn *c, const struct v1_request *r)
{
    struct msg_id id;
    if (r->ack)
        shard_receipt_acked(c, r->ack);
    else if (msg_id_parse(r->id.data, r->id.len, &id) < 0)
        conn_say_error(c, "position", "that is no message's id", r->channel.data, r->channel.len);
    else
        shard_receipt_acked_id(c, r->channel.data, r->channel.len, id);
}

/* ---- requests ---- */

static int act_on(struct conn *c, const struct v1_request *r)
{
    c->more->faults = 0;
    switch (r->kind) {
    case V1_SUB: each_channel(c, r, subscribe); break;
    case V1_UNSUB: each_channel(c, r, unsubscribe); break;
    case V1_DATA: return take_data(c, r);
    case V1_ACK: take_ack(c, r); break;
    case V1_PING: say(c, notice_pong(r->ping)); break;
    }
    return 0;
}

static int refuse(struct conn *c, const char *code, const char *why)
{
    conn_say_error(c, code, why, NULL, 0);
    return ++c->more->faults >= FAULTS_MAX ? -ERR_REQUESTS : 0;
}

int conn_take_request(struct conn *c, const uint8_t *text, size_t len)
{
    struct v1_request r;
    const char *why = NULL;
    if (!text)
        return refuse(c, "json", "wspush.v1 is text frames; send bytes as b64");
    int result = 0;
    c->shard->loop->worked += len * BYTE_WORK;
    switch (v1_parse(text, len, &r, &why)) {
    case V1_OK: result = act_on(c, &r); break;
    case V1_NOT_JSON: result = refuse(c, "json", why); break;
    case V1_NO_REQUEST: result = refuse(c, "request", why); break;
    case V1_NO_MEMORY: result = -ERR_MEMORY; break;
    }
    c->shard->loop->worked += r.channel_count * CHANNEL_WORK;
    if (result == 0)
        conn_has_said(c, r.channel_count / CHANNELS_A_REQUEST + len / BYTES_A_REQUEST, 0);
    v1_request_fini(&r);
    return result;
}
