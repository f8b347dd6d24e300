#include "push/shard.h"

#include <stdlib.h>

#include "base/tally.h"

static void flush_batches(void *arg)
{
    batch_flush_all(arg);
}

void shard_init(struct shard *s, uint32_t index, struct world *world, struct config *config,
                struct loop *loop)
{
    *s = (struct shard){
        .index = index, .world = world, .config = config_ref(config), .loop = loop, .ws = websocket_new()};
    timer_init(&s->drain_timer, shard_drain_step);
    list_init(&s->batches);
    list_init(&s->changed_receipts);
    s->spare_batch = malloc(sizeof *s->spare_batch); /* from the start: a worker at rest is as it began */
    loop->before_flush = flush_batches;
    loop->before_flush_arg = s;
}

void shard_post(struct shard *s, struct mail mail)
{
    mail.conn.shard = s->index;
    loop_post(s->loop, s->world->hub_mail, &mail);
}

void shard_count_out(struct shard *s, int64_t bytes)
{
    size_t now = atomic_load_explicit(&s->out_bytes, memory_order_relaxed);
    atomic_store_explicit(&s->out_bytes, now + (size_t)bytes, memory_order_relaxed);
}

/* ---- other letters ---- */

static void registered(struct shard *s, const struct mail *mail)
{
    struct conn *c = conn_find(s, mail->conn);
    if (c && c->io.reaping) { /* the hub counts on it: receipts are to hear of its end */
        c->registered = true;
        if (mail->value != SEAT_NONE)
            shard_subscribe(s, c, mail->channel, mail->ptr, mail->value == SEAT_BEHIND);
    } else if (c) {
        handshake_done(c, mail->channel, mail->ptr, (enum seat)mail->value);
    }
    shared_name_unref(mail->ptr);
}

static void refused(struct shard *s, const struct mail *mail)
{
    struct conn *c = conn_find(s, mail->conn);
    if (c)
        handshake_denied(c, (int)mail->value);
}

/* One that ends hears of nothing more, but the hub counts it until it knows. */
static struct conn *find_registered(struct shard *s, struct conn_ref ref)
{
    struct conn *c = conn_find(s, ref);
    return shard_counts(c) ? c : NULL;
}

static void subscribed(struct shard *s, const struct mail *mail)
{
    struct conn *c = find_registered(s, mail->conn);
    if (c)
        shard_subscribe(s, c, mail->channel, mail->ptr, mail->value == SEAT_BEHIND);
    shared_name_unref(mail->ptr);
}

static void unsubscribed(struct shard *s, const struct mail *mail)
{
    struct conn *c = find_registered(s, mail->conn);
    if (!c || !shard_is_on(c, mail->channel))
        return;
    batch_settle(s, mail->channel);
    shard_unsubscribe(s, c, mail->channel);
}

/* ---- catching up ---- */

static void catch_up(struct shard *s, const struct mail *mail)
{
    struct conn *c = find_registered(s, mail->conn);
    if (!c)
        return;
    c->asks = true;
    loop_want_flush(s->loop, &c->io);
}

static void replay(struct shard *s, const struct mail *mail)
{
    struct conn *c = find_registered(s, mail->conn);
    struct replay *messages = mail->ptr;
    atomic_fetch_sub_explicit(&s->world->mail_bytes, messages->bytes, memory_order_relaxed);
    if (c) {
        c->asked = false;
        c->asks = mail->value;
        conn_replay(c, messages);
        loop_want_flush(s->loop, &c->io);
    }
    replay_free(messages);
}

static void live(struct shard *s, const struct mail *mail)
{
    struct conn *c = find_registered(s, mail->conn);
    if (!c || !shard_is_on(c, mail->channel))
        return;
    batch_settle(s, mail->channel); /* what is in it came before */
    shard_go_live(c, mail->channel);
}

struct closing {
    struct msg *frame;
    unsigned code;
    uint32_t begun;
};

static void close_one(struct conn *c, void *arg)
{
    struct closing *closing = arg;
    closing->begun += c->state == CONN_OPEN && !c->io.reaping;
    conn_close(c, closing->code, closing->frame);
}

static void close_clients(struct shard *s, const struct mail *mail)
{
    struct closing closing = {mail->ptr, mail->value, 0};
    shard_each_client(s, mail, WALK_ALL, close_one, &closing);
    msg_unref(mail->ptr);
    free(mail->crowd);
    shard_post(s, (struct mail){.kind = MAIL_CLOSED, .number = mail->number, .value = closing.begun});
}

static void count_one(struct conn *c, void *arg)
{
    (void)c;
    ++*(uint32_t *)arg;
}

static void add_row(struct conn *c, void *arg)
{
    struct client_rows *rows = arg;
    conn_fill_row(c, &rows->rows[rows->count++]);
}

static void list_clients(struct shard *s, const struct mail *mail)
{
    uint32_t count = 0;
    shard_settle(s, mail); /* a row tells what is queued */
    shard_each_client(s, mail, WALK_ALL, count_one, &count);
    struct client_rows *rows = malloc(sizeof *rows + count * sizeof rows->rows[0]);
    if (rows) {
        rows->count = 0;
        shard_each_client(s, mail, WALK_ALL, add_row, rows);
    }
    free(mail->crowd);
    shard_post(s, (struct mail){.kind = MAIL_LISTED, .number = mail->number, .ptr = rows});
}

/* ---- another configuration ---- */

static const struct channel_config *config_of(const struct shard *s, const struct shared_name *name)
{
    const struct channel_config *config = name ? config_for_channel(s->config, name->text, name->len) : NULL;
    return config ? config : &s->config->channel;
}

static void set_config(struct conn *c, const struct channel_config *config)
{
    c->config = config;
    if (c->state == CONN_OPEN)
        conn_set_limits(c);
    conn_reckon(c);
}

/* Whoever is connected goes by the new rules from now on; nobody is turned out by them. */
static void configure(struct shard *s, struct config *take_config)
{
    struct config *old = s->config;
    s->config = take_config;
    for (uint32_t i = 0; i < s->channel_count; i++) {
        const struct shard_channel *ch = &s->channels[i];
        const struct channel_config *config = ch->count ? config_of(s, ch->name) : NULL;
        for (uint32_t k = 0; k < ch->count; k++)
            if (ch->subscribers[k]->channel == i)
                set_config(ch->subscribers[k], config);
    }
    for (size_t fd = 0; fd < s->loop->slot_count; fd++) {
        struct conn *c = conn_of(s->loop->slots[fd]);
        if (c && c->channel == NO_CHANNEL)
            set_config(
                c, config_of(s, c->state == CONN_REGISTERING ? c->handshake->channel : conn_channel_name(c)));
    }
    config_unref(old);
    shard_post(s, (struct mail){.kind = MAIL_CONFIGURED});
}

void shard_on_mail(struct shard *s, const struct mail *mail)
{
    switch (mail->kind) {
    case MAIL_ADOPT: conn_adopt(s, mail->conn.fd, mail->value); break;
    case MAIL_REGISTERED: registered(s, mail); break;
    case MAIL_REFUSED: refused(s, mail); break;
    case MAIL_SUBSCRIBED: subscribed(s, mail); break;
    case MAIL_UNSUBSCRIBED: unsubscribed(s, mail); break;
    case MAIL_CATCH_UP: catch_up(s, mail); break;
    case MAIL_REPLAY: replay(s, mail); break;
    case MAIL_LIVE: live(s, mail); break;
    case MAIL_DELIVER: shard_deliver(s, mail); break;
    case MAIL_CLOSE: close_clients(s, mail); break;
    case MAIL_LIST: list_clients(s, mail); break;
    case MAIL_RECEIPT_END: shard_receipt_end(s, mail->number); break;
    case MAIL_CONFIGURE: configure(s, mail->ptr); break;
    case MAIL_DRAIN:
    case MAIL_GO_AWAY: shard_drain(s, mail); break;
    case MAIL_DRAIN_END: shard_end_drain(s, mail); break;
    default: abort();
    }
}

void shard_close_all(struct shard *s)
{
    batch_settle_all(s); /* of letters that came after the last turn */
    for (size_t fd = 0; fd < s->loop->slot_count; fd++) {
        struct io *io = s->loop->slots[fd];
        if (conn_of(io))
            io->ops->reap(s->loop, io);
    }
}

void shard_fini(struct shard *s)
{
    shard_receipts_drop(s);
    free(s->spare_batch);
    tally_change(TALLY_tables, s->channel_count * sizeof *s->channels, 0);
    free(s->channels);
    websocket_free(s->ws);
    config_unref(s->config);
}
