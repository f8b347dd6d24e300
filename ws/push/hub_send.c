/* A message's way out: to a channel by way of the engine, to other targets past it. */
#include "push/hub_internal.h"

/* What a delivery counts towards the work of a turn, some 16 ns: gathered with others, and by itself. The
 * fewer turns, the more leaves in one write. */
enum { DELIVERY_WORK = 1, SINGLE_WORK = 6 };

void hub_post_message(struct hub *h, uint32_t shard, struct mail mail, struct msg *m)
{
    msg_ref(m);
    mail.kind = MAIL_DELIVER;
    mail.ptr = m;
    atomic_fetch_add_explicit(&h->world->mail_bytes, m->len + crowd_size(mail.crowd), memory_order_relaxed);
    hub_post(h, shard, mail);
}

/* Out of the way of those whom nobody watches. */
__attribute__((cold, noinline)) static void show_pushed(const struct hub *h, const struct publication *p)
{
    const struct sight sight = {
        .kind = SIGHT_PUSHED, .channel = p->channel, .channel_len = p->channel_len, .msg = p->msg};
    if (h->watched & SIGHT_PUSHED && p->msg)
        h->up.seen(h->up.arg, &sight);
}

uint64_t hub_message_limit(struct hub *h, const struct target *target)
{
    if (target->kind == TARGET_CHANNEL)
        return hub_place(h, target->name, target->name_len)->config->message_limit;
    const struct client *c = target->kind == TARGET_CLIENT ? hub_find_client(h, target->client) : NULL;
    return (c ? c->channel->config : &h->config->channel)->message_limit;
}

static struct msg *make_message(struct hub *h, const struct sending *sending)
{
    struct msg *m = msg_new_wished(h->ws, sending->binary ? WEBSOCKET_BINARY : WEBSOCKET_TEXT, sending->wish,
                                   sending->payload, sending->len);
    if (m && sending->ttl)
        m->expires = h->loop->now + sending->ttl;
    return m;
}

void hub_publish(struct hub *h, const struct publication *p)
{
    h->engine_ops->publish(h->engine, p);
}

/* Posts to each shard that has recipients. */
static void deliver(struct hub *h, const struct channel *ch, struct msg *m)
{
    for (uint32_t i = 0; i < h->shard_count; i++)
        if (ch->per_shard[i])
            hub_post_message(h, i, (struct mail){.scope = SCOPE_CHANNEL, .channel = ch->number}, m);
}

static void expect_receipt(struct hub *h, const struct publication *p, struct msg_id id)
{
    const struct target target = {TARGET_CHANNEL, p->channel, p->channel_len, 0};
    struct recipients to;
    hub_resolve(h, &target, &to);
    hub_new_receipt(h, p->asker, p->msg, p->receipt_timeout, id, &target, &to);
}

void hub_on_published(void *arg, const struct publication *p, enum publish_result result, struct msg_id id,
                      const char *fault)
{
    struct hub *h = arg;
    const struct channel *ch =
        p == h->publishing ? h->recent.channel : hub_find_channel(h, p->channel, p->channel_len);
    bool is_new = result == PUBLISHED;
    h->published += is_new;
    uint64_t recipients = ch && is_new ? ch->subscribers - ch->behind : 0;
    if (recipients) {
        if (p->receipt_timeout)
            expect_receipt(h, p, id);
        h->loop->worked += recipients * DELIVERY_WORK;
        deliver(h, ch, p->msg);
    }
    if (h->watched && is_new)
        show_pushed(h, p);
    if (!recipients || !p->receipt_timeout)
        h->up.published(h->up.arg, p->asker, recipients, id, fault);
}

static enum hub_answer send_to_channel(struct hub *h, const struct target *target,
                                       const struct sending *sending)
{
    const struct place *place = hub_place(h, target->name, target->name_len);
    if (sending->len > place->config->message_limit)
        return HUB_TOO_BIG;
    struct publication p = {.channel = target->name,
                            .channel_len = target->name_len,
                            .hash = place->hash,
                            .config = place->config,
                            .key = sending->key,
                            .key_len = sending->key_len,
                            .ttl = sending->ttl,
                            .asker = sending->asker,
                            .receipt_timeout = sending->wish ? sending->receipt_timeout : 0};
    if (h->engine_ops->keeps_messages || place->config->history_size ||
        (place->channel && place->channel->subscribers) || h->watched & SIGHT_PUSHED) {
        p.msg = make_message(h, sending);
        if (!p.msg)
            return HUB_NO_MEMORY;
    }
    h->publishing = &p;
    hub_publish(h, &p);
    h->publishing = NULL;
    msg_unref(p.msg);
    return HUB_OK;
}

/* To others than a channel. */
static void send_past_engine(struct hub *h, const struct target *target, const struct sending *sending,
                             struct recipients *to, struct msg *m)
{
    static const struct msg_id no_id = {0};
    if (sending->wish)
        hub_new_receipt(h, sending->asker, m, sending->receipt_timeout, no_id, target, to);
    h->loop->worked += to->count * SINGLE_WORK;
    for (uint32_t i = 0; i < h->shard_count; i++)
        if (to->on[i])
            hub_post_message(h, i, hub_addressed(to, i, (struct mail){0}), m);
    if (!sending->wish)
        h->up.published(h->up.arg, sending->asker, to->count, no_id, NULL);
}

enum hub_answer hub_send(struct hub *h, const struct target *target, const struct sending *sending)
{
    struct recipients to;
    if (target->kind == TARGET_CHANNEL)
        return send_to_channel(h, target, sending);
    enum hub_answer answer = hub_resolve(h, target, &to);
    if (answer != HUB_OK)
        return answer;
    struct msg *m = NULL;
    answer = sending->len > hub_message_limit(h, target) ? HUB_TOO_BIG : HUB_OK;
    if (answer == HUB_OK && to.count) {
        m = make_message(h, sending);
        answer = m ? HUB_OK : HUB_NO_MEMORY;
    }
    if (answer == HUB_OK) {
        h->published++;
        if (m)
            send_past_engine(h, target, sending, &to, m);
        else
            h->up.published(h->up.arg, sending->asker, 0, (struct msg_id){0}, NULL);
    }
    msg_unref(m);
    hub_drop_recipients(h, &to);
    return answer;
}
