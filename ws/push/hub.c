/* Channels, clients, and a message's way out. Inboxes are in hub_inbox.c, questions to the shards in
 * hub_ask.c. */
#include "push/hub.h"

#include <stdlib.h>
#include <string.h>

enum { MEASURE_AGAIN_MS = 10 };

static void on_published(void *arg, const struct publication *p, struct msg_id id, const char *fault);

/* A quiet hub has to notice that the shards have caught up. */
static void on_measure(struct timer *t)
{
    hub_measure(LIST_ENTRY(t, struct hub, measure_timer));
}

void hub_init(struct hub *h, struct world *world, struct config *config, struct loop *loop,
              struct mailbox **shard_mail, struct shard *const *shards, uint32_t shard_count,
              const struct engine_ops *engine, const struct hub_up *up)
{
    *h = (struct hub){.config = config_ref(config),
                      .world = world,
                      .loop = loop,
                      .shard_mail = shard_mail,
                      .shards = shards,
                      .shard_count = shard_count,
                      .ws = websocket_new(),
                      .engine_ops = engine,
                      .up = *up};
    h->clients_per_shard = calloc(shard_count, sizeof *h->clients_per_shard);
    if (!h->clients_per_shard)
        abort();
    struct engine_up engine_up = {h, on_published};
    h->engine = engine->open(&engine_up);
    list_init(&h->waiters);
    list_init(&h->inbox_messages);
    timer_init(&h->measure_timer, on_measure);
    timer_init(&h->drain_timer, hub_drained);
    atomic_store(&world->out_total, config->out_total);
}

void hub_post(struct hub *h, uint32_t shard, struct mail mail)
{
    loop_post(h->loop, h->shard_mail[shard], &mail);
}

/* Posts a message for delivery with a reference of its own. */
static void post_message(struct hub *h, uint32_t shard, struct mail mail, struct msg *m)
{
    msg_ref(m);
    mail.kind = MAIL_DELIVER;
    mail.ptr = m;
    atomic_fetch_add_explicit(&h->world->mail_bytes, m->len, memory_order_relaxed);
    hub_post(h, shard, mail);
}

/* ---- who watches ---- */

/* Out of the way of those whom nobody watches. */
#define SELDOM __attribute__((cold, noinline))

SELDOM static void show(const struct hub *h, struct sight sight, const struct shared_name *channel)
{
    sight.channel = channel->text;
    sight.channel_len = channel->len;
    if (h->watched & sight.kind)
        h->up.seen(h->up.arg, &sight);
}

SELDOM static void show_pushed(const struct hub *h, const struct publication *p)
{
    const struct sight sight = {
        .kind = SIGHT_PUSHED, .channel = p->channel, .channel_len = p->channel_len, .msg = p->msg};
    if (h->watched & SIGHT_PUSHED && p->msg)
        h->up.seen(h->up.arg, &sight);
}

/* ---- channels ---- */

/* Channels that no section names get the top level's settings, even where clients of them are refused. */
static const struct channel_config *config_of(const struct hub *h, const char *name, size_t len)
{
    const struct channel_config *config = config_for_channel(h->config, name, len);
    return config ? config : &h->config->channel;
}

struct place *hub_find_place(struct hub *h, const char *name, size_t len)
{
    struct place *place = &h->recent;
    h->publishing = NULL;
    HASH_VALUE(name, len, place->hash);
    HASH_FIND_BYHASHVALUE(hh, h->channels, name, len, place->hash, place->channel);
    place->config = place->channel ? place->channel->config : config_of(h, name, len);
    place->name_len = len;
    memcpy(place->name, name, len);
    return place;
}

static void *grown(void *p, size_t size)
{
    p = realloc(p, size);
    if (!p)
        abort();
    return p;
}

static uint32_t take_number(struct hub *h)
{
    if (h->free_count)
        return h->free_numbers[--h->free_count];
    if ((h->number_count & (h->number_count - 1)) == 0) {
        size_t cap = h->number_count ? h->number_count * 2u : 1;
        h->by_number = grown(h->by_number, cap * sizeof(struct channel *));
        h->free_numbers = grown(h->free_numbers, cap * sizeof *h->free_numbers);
    }
    return h->number_count++;
}

struct channel *hub_need_channel(struct hub *h, const char *name, size_t len)
{
    struct place *place = hub_place(h, name, len);
    if (place->channel)
        return place->channel;
    struct channel *ch = calloc(1, sizeof *ch + h->shard_count * sizeof ch->per_shard[0]);
    if (!ch)
        abort();
    ch->name = shared_name_new(name, len);
    ch->config = place->config;
    ch->number = take_number(h);
    inbox_init(&ch->inbox);
    h->by_number[ch->number] = ch;
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, h->channels, ch->name->text, len, place->hash, ch);
    place->channel = ch;
    return ch;
}

void hub_release_channel(struct hub *h, struct channel *ch)
{
    if (ch->subscribers || ch->members || ch->inbox.count || !list_empty(&ch->inbox.waiters))
        return;
    if (h->recent.channel == ch)
        h->recent.channel = NULL;
    HASH_DEL(h->channels, ch);
    h->by_number[ch->number] = NULL;
    h->free_numbers[h->free_count++] = ch->number;
    shared_name_unref(ch->name);
    free(ch);
}

/* ---- clients ---- */

struct client *hub_find_client(struct hub *h, uint64_t number)
{
    return client_table_find(&h->clients, number);
}

static void on_register(struct hub *h, const struct mail *mail)
{
    struct shared_name *name = mail->ptr;
    struct client *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->number = mail->number;
    c->conn = mail->conn;
    c->question = h->last_question;
    c->channel = hub_need_channel(h, name->text, name->len);
    c->channel->subscribers++;
    c->channel->members++;
    c->channel->per_shard[mail->conn.shard]++;
    h->client_count++;
    h->clients_per_shard[mail->conn.shard]++;
    client_table_add(&h->clients, c);
    hub_post(h, mail->conn.shard,
             (struct mail){.kind = MAIL_REGISTERED,
                           .conn = mail->conn,
                           .channel = c->channel->number,
                           .ptr = shared_name_ref(c->channel->name)});
    shared_name_unref(name);
    if (h->watched)
        show(h, (struct sight){.kind = SIGHT_OPENED, .client = c->number}, c->channel->name);
}

void hub_release_client(struct hub *h, struct client *c)
{
    if (!c->gone || c->kept)
        return;
    c->channel->members--;
    client_table_remove(&h->clients, c);
    free(c);
}

static void on_gone(struct hub *h, const struct mail *mail)
{
    struct client *c = hub_find_client(h, mail->number);
    if (!c)
        return;
    struct channel *ch = c->channel;
    struct receipt *r;
    struct receipt *next;
    HASH_ITER(hh, h->receipts, r, next)
    {
        if (r->number <= c->question)
            continue;
        receipt_on_gone(r, mail->conn.shard, c->number, ch->number);
        hub_settle_receipt(h, r);
    }
    if (h->watched)
        show(h, (struct sight){.kind = SIGHT_CLOSED, .client = c->number, .code = mail->value}, ch->name);
    c->gone = true;
    ch->subscribers--;
    ch->per_shard[mail->conn.shard]--;
    h->client_count--;
    h->clients_per_shard[mail->conn.shard]--;
    hub_end_waits(h, c);
    hub_release_client(h, c);
    hub_release_channel(h, ch);
}

/* ---- a message's way out ---- */

uint64_t hub_message_limit(struct hub *h, const struct target *target)
{
    if (target->kind == TARGET_CHANNEL)
        return hub_place(h, target->channel, target->channel_len)->config->message_limit;
    const struct client *c = target->kind == TARGET_CLIENT ? hub_find_client(h, target->client) : NULL;
    return (c ? c->channel->config : &h->config->channel)->message_limit;
}

static struct msg *make_message(struct hub *h, const struct sending *sending)
{
    return msg_new(h->ws, sending->binary ? WEBSOCKET_BINARY : WEBSOCKET_TEXT, sending->payload,
                   sending->len);
}

static void publish(struct hub *h, const struct publication *p)
{
    h->published++;
    h->engine_ops->publish(h->engine, p);
}

/* Posts to each shard that has recipients. */
static void deliver(struct hub *h, const struct channel *ch, struct msg *m)
{
    for (uint32_t i = 0; i < h->shard_count; i++)
        if (ch->per_shard[i])
            post_message(h, i, (struct mail){.scope = SCOPE_CHANNEL, .channel = ch->number}, m);
}

static void on_published(void *arg, const struct publication *p, struct msg_id id, const char *fault)
{
    struct hub *h = arg;
    const struct channel *ch =
        p == h->publishing ? h->recent.channel : hub_find_channel(h, p->channel, p->channel_len);
    uint64_t recipients = ch ? ch->subscribers : 0;
    if (!fault && recipients) {
        if (p->receipt_timeout) {
            struct receipt *r = hub_new_receipt(h, p->asker, p->msg, p->receipt_timeout);
            r->id = id;
            r->scope = SCOPE_CHANNEL;
            r->channel = ch->number;
            r->recipients = recipients;
            for (uint32_t i = 0; i < h->shard_count; i++)
                r->shards[i].awaited = ch->per_shard[i] > 0;
        }
        deliver(h, ch, p->msg);
    }
    if (h->watched && !fault)
        show_pushed(h, p);
    if (fault || !recipients || !p->receipt_timeout)
        h->up.published(h->up.arg, p->asker, recipients, id, fault);
}

static void send_to_client(struct hub *h, const struct client *c, struct msg *m)
{
    post_message(h, c->conn.shard, (struct mail){.scope = SCOPE_CLIENT, .conn = c->conn}, m);
}

static void send_to_all(struct hub *h, struct msg *m)
{
    for (uint32_t i = 0; i < h->shard_count; i++) {
        if (h->clients_per_shard[i])
            post_message(h, i, (struct mail){.scope = SCOPE_ALL}, m);
    }
}

static void expect_receipt(struct hub *h, const struct client *c, struct msg *m,
                           const struct sending *sending)
{
    struct receipt *r = hub_new_receipt(h, sending->asker, m, sending->receipt_timeout);
    r->scope = c ? SCOPE_CLIENT : SCOPE_ALL;
    r->client = c ? c->number : 0;
    r->recipients = c ? 1 : h->client_count;
    for (uint32_t i = 0; i < h->shard_count; i++)
        r->shards[i].awaited = c ? c->conn.shard == i : h->clients_per_shard[i] > 0;
}

static enum hub_answer send_to_channel(struct hub *h, const struct target *target,
                                       const struct sending *sending)
{
    const struct place *place = hub_place(h, target->channel, target->channel_len);
    if (sending->len > place->config->message_limit)
        return HUB_TOO_BIG;
    struct publication p = {.channel = target->channel,
                            .channel_len = target->channel_len,
                            .hash = place->hash,
                            .asker = sending->asker,
                            .receipt_timeout = sending->receipt_timeout};
    if (h->engine_ops->keeps_messages || (place->channel && place->channel->subscribers) ||
        h->watched & SIGHT_PUSHED) {
        p.msg = make_message(h, sending);
        if (!p.msg)
            return HUB_NO_MEMORY;
    }
    h->publishing = &p;
    publish(h, &p);
    h->publishing = NULL;
    msg_unref(p.msg);
    return HUB_OK;
}

enum hub_answer hub_send(struct hub *h, const struct target *target, const struct sending *sending)
{
    if (target->kind == TARGET_CHANNEL)
        return send_to_channel(h, target, sending);
    const struct client *c = NULL;
    if (target->kind == TARGET_CLIENT) {
        if (!hub_client_was_given(h, target->client))
            return HUB_NO_TARGET;
        c = hub_find_client(h, target->client);
    }
    if (sending->len > (c ? c->channel->config : &h->config->channel)->message_limit)
        return HUB_TOO_BIG;
    bool one = c && !c->gone;
    uint64_t recipients = target->kind == TARGET_ALL ? h->client_count : one;
    struct msg *m = recipients ? make_message(h, sending) : NULL;
    if (recipients && !m)
        return HUB_NO_MEMORY;
    h->published++;
    if (recipients && sending->receipt_timeout)
        expect_receipt(h, one ? c : NULL, m, sending);
    if (one)
        send_to_client(h, c, m);
    else if (recipients)
        send_to_all(h, m);
    msg_unref(m);
    if (!recipients || !sending->receipt_timeout)
        h->up.published(h->up.arg, sending->asker, recipients, (struct msg_id){0}, NULL);
    return HUB_OK;
}

bool hub_client_was_given(const struct hub *h, uint64_t number)
{
    return number >= 1 && number <= atomic_load(&h->world->last_client);
}

/* ---- the rest ---- */

static void on_inbound(struct hub *h, const struct mail *mail)
{
    struct client *c = hub_find_client(h, mail->number);
    struct msg *m = mail->ptr;
    atomic_fetch_sub_explicit(&h->world->mail_bytes, m->len, memory_order_relaxed);
    atomic_fetch_sub_explicit(&h->world->hub_mail->cargo, m->len, memory_order_relaxed);
    if (!c || c->gone) {
        msg_unref(m);
        return;
    }
    if (h->watched)
        show(h, (struct sight){.kind = SIGHT_SAID, .client = c->number, .msg = m}, c->channel->name);
    if (c->channel->config->inbound == INBOUND_PUBLISH) {
        const struct shared_name *name = c->channel->name;
        struct publication p = {.channel = name->text,
                                .channel_len = name->len,
                                .hash = c->channel->hh.hashv,
                                .msg = m,
                                .asker.fd = -1};
        publish(h, &p);
        msg_unref(m);
        return;
    }
    hub_inbound(h, c, m);
}

static void on_configured(struct hub *h)
{
    if (--h->unconfigured == 0)
        h->on_configured(h->configured_arg);
}

void hub_on_mail(struct hub *h, const struct mail *mail)
{
    switch (mail->kind) {
    case MAIL_REGISTER: on_register(h, mail); break;
    case MAIL_GONE: on_gone(h, mail); break;
    case MAIL_INBOUND: on_inbound(h, mail); break;
    case MAIL_CONFIGURED: on_configured(h); break;
    case MAIL_CLOSED:
    case MAIL_LISTED: hub_on_answer(h, mail); break;
    case MAIL_RECEIPT_BEGUN:
    case MAIL_RECEIPT_HANDED:
    case MAIL_RECEIPT_FAILED:
    case MAIL_RECEIPT_ENDED: hub_on_receipt(h, mail); break;
    default: abort();
    }
}

void hub_measure(struct hub *h)
{
    size_t bytes = atomic_load_explicit(&h->world->mail_bytes, memory_order_relaxed);
    bool full = mailbox_waiting(h->world->hub_mail) > MAILBOX_MARK;
    for (uint32_t i = 0; i < h->shard_count; i++) {
        bytes += atomic_load_explicit(&h->shards[i]->out_bytes, memory_order_relaxed);
        full |= mailbox_waiting(h->shard_mail[i]) > MAILBOX_MARK;
    }
    full |= bytes > h->config->out_total;
    if (atomic_load_explicit(&h->world->congested, memory_order_relaxed) != full)
        atomic_store_explicit(&h->world->congested, full, memory_order_relaxed); /* all threads look at it */
    if (full)
        timer_set(&h->loop->timers, &h->measure_timer, h->loop->now + MEASURE_AGAIN_MS);
}

void hub_configure(struct hub *h, struct config *config, void (*done)(void *arg), void *arg)
{
    struct config *old = h->config;
    h->config = config_ref(config);
    h->on_configured = done;
    h->configured_arg = arg;
    h->unconfigured += h->shard_count;
    atomic_store(&h->world->out_total, config->out_total);
    for (struct channel *ch = h->channels; ch; ch = ch->hh.next)
        ch->config = config_of(h, ch->name->text, ch->name->len);
    h->recent.name_len = 0;
    for (uint32_t i = 0; i < h->shard_count; i++)
        hub_post(h, i, (struct mail){.kind = MAIL_CONFIGURE, .ptr = config_ref(config)});
    config_unref(old);
}

static void free_client(struct client *c, void *arg)
{
    (void)arg;
    free(c);
}

void hub_fini(struct hub *h)
{
    struct channel *ch;
    struct channel *next_channel;
    hub_drop_questions(h);
    HASH_ITER(hh, h->channels, ch, next_channel)
    {
        hub_drop_inbox(h, ch);
    }
    client_table_each(&h->clients, free_client, NULL);
    client_table_fini(&h->clients);
    HASH_ITER(hh, h->channels, ch, next_channel)
    {
        ch->subscribers = ch->members = 0;
        hub_release_channel(h, ch);
    }
    h->engine_ops->close(h->engine);
    websocket_free(h->ws);
    free(h->by_number);
    free(h->free_numbers);
    free(h->clients_per_shard);
    config_unref(h->config);
}
