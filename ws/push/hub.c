/* The hub itself, and its channels. Clients are in hub_clients.c, whom a target means in hub_target.c, a
 * message's way out in hub_send.c, inboxes in hub_inbox.c, questions to the shards in hub_ask.c. */
#include "push/hub_internal.h"

#include <stdlib.h>
#include <string.h>

#include "push/notice.h"

enum { MEASURE_AGAIN_MS = 10 };

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
    struct engine_up engine_up = {.arg = h,
                                  .timers = &loop->timers,
                                  .now = &loop->now,
                                  .published = hub_on_published,
                                  .read = hub_on_read};
    h->engine = engine->open(&engine_up);
    engine->set_total(h->engine, config->history_total);
    list_init(&h->waiters);
    list_init(&h->inbox_messages);
    list_init(&h->wanderers);
    timer_init(&h->measure_timer, on_measure);
    timer_init(&h->drain_timer, hub_drained);
    atomic_store(&world->out_total, config->out_total);
}

void hub_post(struct hub *h, uint32_t shard, struct mail mail)
{
    loop_post(h->loop, h->shard_mail[shard], &mail);
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
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, h->channels, ch->name->text, len, place->hash, ch);
    place->channel = ch;
    return ch;
}

static void free_channel(struct hub *h, struct channel *ch)
{
    if (h->recent.channel == ch)
        h->recent.channel = NULL;
    HASH_DEL(h->channels, ch);
    h->free_numbers[h->free_count++] = ch->number;
    shared_name_unref(ch->name);
    free(ch);
}

void hub_release_channel(struct hub *h, struct channel *ch)
{
    if (!ch->subscribers && !ch->members && !ch->inbox.count && list_empty(&ch->inbox.waiters))
        free_channel(h, ch);
}

/* ---- the rest ---- */

/* Where a message is for, and whether the client may send it there: it has to be on the channel. The message
 * gives the name up: it has its place yet to get. */
static struct channel *destination(struct hub *h, const struct client *c, struct msg *m)
{
    struct shared_name *name = m->channel;
    m->channel = NULL;
    if (!name)
        return c->channel;
    struct channel *ch = hub_find_channel(h, name->text, name->len);
    if (!ch || client_seat(c, ch) == SEAT_NONE) {
        hub_tell(h, c, notice_error("unknown", "it is not on this channel", name->text, name->len));
        ch = NULL;
    }
    shared_name_unref(name);
    return ch;
}

static void on_inbound(struct hub *h, const struct mail *mail)
{
    struct client *c = hub_find_client(h, mail->number);
    struct msg *m = mail->ptr;
    atomic_fetch_sub_explicit(&h->world->mail_bytes, m->len, memory_order_relaxed);
    atomic_fetch_sub_explicit(&h->world->hub_mail->cargo, m->len, memory_order_relaxed);
    struct channel *ch = c && !c->gone ? destination(h, c, m) : NULL;
    if (!ch) {
        msg_unref(m);
        return;
    }
    if (h->watched)
        hub_show(h, c, ch, (struct sight){.kind = SIGHT_SAID, .msg = m});
    if (ch->config->inbound == INBOUND_PUBLISH) {
        const struct shared_name *name = ch->name;
        struct publication p = {.channel = name->text,
                                .channel_len = name->len,
                                .hash = ch->hh.hashv,
                                .config = ch->config,
                                .msg = m,
                                .asker.fd = -1};
        hub_publish(h, &p);
        msg_unref(m);
        return;
    }
    hub_inbound(h, c, ch, m);
}

static void on_configured(struct hub *h)
{
    if (--h->unconfigured == 0)
        h->on_configured(h->configured_arg);
}

void hub_on_mail(struct hub *h, const struct mail *mail)
{
    switch (mail->kind) {
    case MAIL_REGISTER: hub_on_register(h, mail); break;
    case MAIL_GONE: hub_on_gone(h, mail); break;
    case MAIL_INBOUND: on_inbound(h, mail); break;
    case MAIL_SUBSCRIBE: hub_on_subscribe(h, mail); break;
    case MAIL_UNSUBSCRIBE: hub_on_unsubscribe(h, mail); break;
    case MAIL_MORE: hub_on_more(h, mail); break;
    case MAIL_CONFIGURED: on_configured(h); break;
    case MAIL_CLOSED:
    case MAIL_LISTED: hub_on_answer(h, mail); break;
    case MAIL_RECEIPT_BEGUN:
    case MAIL_RECEIPT_REPORT:
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
    h->engine_ops->set_total(h->engine, config->history_total);
    for (struct channel *ch = h->channels; ch; ch = ch->hh.next)
        ch->config = config_of(h, ch->name->text, ch->name->len);
    h->recent.name_len = 0;
    for (uint32_t i = 0; i < h->shard_count; i++)
        hub_post(h, i, (struct mail){.kind = MAIL_CONFIGURE, .ptr = config_ref(config)});
    config_unref(old);
}

void hub_fini(struct hub *h)
{
    struct channel *ch;
    struct channel *next_channel;
    hub_drop_questions(h);
    hub_drop_receipts(h);
    for (ch = h->channels; ch; ch = ch->hh.next)
        ch->members++; /* none goes with another's inbox */
    HASH_ITER(hh, h->channels, ch, next_channel)
    {
        hub_drop_inbox(h, ch);
    }
    hub_drop_lists(h);
    hub_drop_clients(h);
    while ((ch = h->channels) != NULL) {
        presence_drop(&ch->presence);
        free_channel(h, ch);
    }
    h->engine_ops->close(h->engine);
    websocket_free(h->ws);
    free(h->free_numbers);
    free(h->clients_per_shard);
    config_unref(h->config);
}
