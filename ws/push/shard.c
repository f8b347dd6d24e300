#include "push/shard.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/tally.h"

/* At least so long between two steps of a drain; at least so many clients in one of a stop. */
enum { DRAIN_STEP_MS = 50, STOP_STEP_MIN = 50 };

static void drain_step(struct timer *t);

static void flush_batches(void *arg)
{
    batch_flush_all(arg);
}

void shard_init(struct shard *s, uint32_t index, struct world *world, struct config *config,
                struct loop *loop)
{
    *s = (struct shard){
        .index = index, .world = world, .config = config_ref(config), .loop = loop, .ws = websocket_new()};
    timer_init(&s->drain_timer, drain_step);
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

/* ---- subscriptions ---- */

static struct shard_channel *make_channel(struct shard *s, uint32_t number)
{
    if (number >= s->channel_count) {
        uint32_t count = s->channel_count ? s->channel_count : 64;
        while (count <= number)
            count *= 2;
        struct shard_channel *channels = realloc(s->channels, count * sizeof *channels);
        if (!channels)
            abort();
        for (uint32_t i = s->channel_count; i < count; i++)
            channels[i] = (struct shard_channel){0};
        tally_change(TALLY_tables, s->channel_count * sizeof *channels, count * sizeof *channels);
        s->channels = channels;
        s->channel_count = count;
    }
    return &s->channels[number];
}

/* ---- which of a client's channels it is ---- */

static uint32_t number_at(const void *subscriptions, uint32_t place)
{
    return ((const struct conn_channel *)subscriptions)[place].channel;
}

static struct conn_channel *find_other(const struct conn *c, uint32_t channel)
{
    const struct conn_more *more = c->more;
    uint32_t at =
        more ? places_find(more->places, number_at, more->subscriptions, more->count, channel) : NO_PLACE;
    return at == NO_PLACE ? NULL : &more->subscriptions[at];
}

static void set_index(struct conn *c, uint32_t channel, uint32_t index)
{
    if (c->channel == channel)
        c->channel_index = index;
    else
        find_other(c, channel)->index = index;
}

bool shard_is_behind_on(const struct conn *c, uint32_t channel)
{
    if (c->channel == channel)
        return c->own_behind;
    const struct conn_channel *sub = find_other(c, channel);
    return sub && sub->behind;
}

static bool is_own(const struct conn *c, const struct shared_name *name)
{
    const struct shared_name *own = c->more ? c->more->own : NULL;
    return !own || (own->len == name->len && memcmp(own->text, name->text, own->len) == 0);
}

static void add_other(struct conn *c, uint32_t channel, uint32_t index, bool behind)
{
    struct conn_more *more = c->more;
    if (more->count == more->cap) {
        uint32_t cap = more->cap ? more->cap * 2 : 2;
        struct conn_channel *all = realloc(more->subscriptions, cap * sizeof *all);
        if (!all)
            abort();
        tally_change(TALLY_subscriptions, more->cap * sizeof *all, cap * sizeof *all);
        more->subscriptions = all;
        more->cap = cap;
    }
    more->subscriptions[more->count++] = (struct conn_channel){channel, index, behind};
    more->behind += behind;
    places_add(&more->places, number_at, more->subscriptions, more->count);
}

static void note_behind(struct conn *c)
{
    c->behind = (c->channel != NO_CHANNEL && c->own_behind) || (c->more && c->more->behind);
}

/* Of a client that is on several channels. */
static void mix(struct shard *s, const struct conn *c, struct shard_channel *ch)
{
    ch->mixed = true;
    if (c->channel == NO_CHANNEL)
        return;
    batch_settle(s, c->channel); /* it was gathered as if nobody was on others */
    s->channels[c->channel].mixed = true;
}

void shard_subscribe(struct shard *s, struct conn *c, uint32_t channel, struct shared_name *name, bool behind)
{
    struct shard_channel *ch = make_channel(s, channel);
    batch_settle(s, channel); /* it gets what is published from now on */
    if (ch->count == ch->cap) {
        uint32_t cap = ch->cap ? ch->cap * 2 : 1;
        struct conn **subscribers = realloc(ch->subscribers, cap * sizeof(struct conn *));
        if (!subscribers)
            abort();
        tally_change(TALLY_subscriptions, ch->cap * sizeof(struct conn *), cap * sizeof(struct conn *));
        ch->subscribers = subscribers;
        ch->cap = cap;
    }
    if (!ch->name)
        ch->name = shared_name_ref(name);
    if (is_own(c, name)) {
        c->channel = channel;
        c->channel_index = ch->count;
        c->own_behind = behind;
    } else {
        add_other(c, channel, ch->count, behind);
    }
    c->behind |= behind;
    ch->subscribers[ch->count++] = c;
    if (c->more && c->more->count)
        mix(s, c, ch);
}

/* Takes it out of the client's own record; returns where it was among the subscribers. */
static uint32_t forget_subscription(struct conn *c, uint32_t channel)
{
    if (c->channel == channel) {
        c->channel = NO_CHANNEL;
        return c->channel_index;
    }
    struct conn_more *more = c->more;
    struct conn_channel *sub = find_other(c, channel);
    uint32_t index = sub->index;
    more->behind -= sub->behind;
    places_remove(more->places, number_at, more->subscriptions, more->count,
                  (uint32_t)(sub - more->subscriptions));
    *sub = more->subscriptions[--more->count];
    return index;
}

bool shard_is_on(const struct conn *c, uint32_t channel)
{
    return c->channel == channel || find_other(c, channel);
}

void shard_unsubscribe(struct shard *s, struct conn *c, uint32_t channel)
{
    struct shard_channel *ch = &s->channels[channel];
    struct conn *last = ch->subscribers[--ch->count];
    uint32_t index = forget_subscription(c, channel);
    note_behind(c);
    if (last != c) {
        ch->subscribers[index] = last;
        set_index(last, channel, index);
    }
    if (ch->count == 0) {
        if (ch->batch) /* all have left or were settled before anybody leaves */
            abort();
        tally_change(TALLY_subscriptions, ch->cap * sizeof(struct conn *), 0);
        free(ch->subscribers);
        shared_name_unref(ch->name);
        *ch = (struct shard_channel){0};
    }
}

void shard_unsubscribe_all(struct shard *s, struct conn *c)
{
    while (c->more && c->more->count)
        shard_unsubscribe(s, c, c->more->subscriptions[c->more->count - 1].channel);
    if (c->channel != NO_CHANNEL)
        shard_unsubscribe(s, c, c->channel);
}

typedef void conn_visit(struct conn *c, void *arg);

/* Whom a walk is for. */
enum walk { WALK_ALL, WALK_LIVE /* not those on a channel who are to catch up first */ };

/* The hub counts it among its clients. One that ends is none of them any more, though it waits for its peer.
 */
static bool is_counted(const struct conn *c)
{
    return c && c->registered && !c->left;
}

static void visit_client(struct shard *s, struct conn_ref ref, conn_visit *visit, void *arg)
{
    struct conn *c = conn_find(s, ref);
    if (is_counted(c))
        visit(c, arg);
}

static void each_on(struct shard *s, uint32_t channel, enum walk walk, conn_visit *visit, void *arg)
{
    const struct shard_channel *ch = channel < s->channel_count ? &s->channels[channel] : NULL;
    for (uint32_t i = 0; ch && i < ch->count; i++)
        if (walk == WALK_ALL || !shard_is_behind(ch->subscribers[i], channel))
            visit(ch->subscribers[i], arg);
}

/* A walk through several channels meets whoever is on more than one of them once. */
struct once {
    uint64_t walk;
    conn_visit *visit;
    void *arg;
};

static void visit_once(struct conn *c, void *arg)
{
    const struct once *once = arg;
    if (c->more && c->more->visited == once->walk)
        return;
    if (c->more)
        c->more->visited = once->walk;
    once->visit(c, once->arg);
}

static void each_of_crowd(struct shard *s, const struct crowd *crowd, enum walk walk, conn_visit *visit,
                          void *arg)
{
    struct once once = {++s->walks, visit, arg};
    for (uint32_t i = 0; i < crowd->count; i++) {
        const struct crowd_member *m = &crowd->members[i];
        if (m->conn.fd < 0)
            each_on(s, m->channel, walk, visit_once, &once);
        else
            visit_client(s, m->conn, visit, arg);
    }
}

/* Calls `visit` for each registered client of the scope that a letter names. */
static void each_client(struct shard *s, const struct mail *mail, enum walk walk, conn_visit *visit,
                        void *arg)
{
    if (mail->scope == SCOPE_CLIENT) {
        visit_client(s, mail->conn, visit, arg);
    } else if (mail->scope == SCOPE_CHANNEL) {
        each_on(s, mail->channel, walk, visit, arg);
    } else if (mail->scope == SCOPE_CROWD) {
        each_of_crowd(s, mail->crowd, walk, visit, arg);
    } else {
        for (size_t fd = 0; fd < s->loop->slot_count; fd++) {
            struct conn *c = conn_of(s->loop->slots[fd]);
            if (is_counted(c))
                visit(c, arg);
        }
    }
}

/* ---- delivery ---- */

static void push_to(struct conn *c, void *arg)
{
    conn_push(c, arg);
}

static void count_one(struct conn *c, void *arg)
{
    (void)c;
    ++*(uint32_t *)arg;
}

static void settle_for_client(struct shard *s, struct conn_ref ref)
{
    const struct conn *c = s->batch_count ? conn_find(s, ref) : NULL;
    if (!c)
        return;
    if (c->channel != NO_CHANNEL)
        batch_settle(s, c->channel);
    if (s->mixed && find_other(c, s->mixed->channel))
        batch_settle(s, s->mixed->channel);
}

/* What comes to the clients of a scope is to follow what was gathered for them. */
static void settle_batches(struct shard *s, const struct mail *mail)
{
    switch (mail->scope) {
    case SCOPE_CHANNEL: batch_settle(s, mail->channel); break;
    case SCOPE_CLIENT: settle_for_client(s, mail->conn); break;
    case SCOPE_ALL: batch_settle_all(s); break;
    case SCOPE_CROWD:
        for (uint32_t i = 0; s->batch_count && i < mail->crowd->count; i++) {
            const struct crowd_member *m = &mail->crowd->members[i];
            if (m->conn.fd < 0) {
                batch_settle_mixed(s, m->channel);
                batch_settle(s, m->channel);
            } else {
                settle_for_client(s, m->conn);
            }
        }
    }
}

static void begin_receipt(struct shard *s, const struct mail *mail)
{
    const struct msg *m = mail->ptr;
    struct shard_receipt *r = shard_receipt_new(s, m);
    if (r)
        each_client(s, mail, WALK_LIVE, shard_receipt_expect, r);
    shard_receipt_begin(s, m->receipt, r);
}

static void deliver(struct shard *s, const struct mail *mail)
{
    struct msg *m = mail->ptr;
    atomic_fetch_sub_explicit(&s->world->mail_bytes, m->len + crowd_size(mail->crowd), memory_order_relaxed);
    bool plain = mail->scope == SCOPE_CHANNEL && !m->receipt && !m->notice;
    if (mail->scope == SCOPE_CHANNEL)
        batch_settle_mixed(s, mail->channel);
    enum walk walk = m->notice ? WALK_ALL : WALK_LIVE; /* who comes and goes concerns those behind too */
    bool gathered = plain && batch_add(s, mail->channel, m);
    if (!gathered) {
        settle_batches(s, mail);
        if (m->receipt)
            begin_receipt(s, mail);
        each_client(s, mail, walk, push_to, m);
    }
    msg_unref(m);
    free(mail->crowd);
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
    return is_counted(c) ? c : NULL;
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

static void catch_up_on(struct conn *c, uint32_t channel)
{
    struct conn_channel *sub = find_other(c, channel);
    c->more->behind -= sub->behind;
    sub->behind = false;
}

static void live(struct shard *s, const struct mail *mail)
{
    struct conn *c = find_registered(s, mail->conn);
    if (!c || !shard_is_on(c, mail->channel))
        return;
    batch_settle(s, mail->channel); /* what is in it came before */
    if (c->channel == mail->channel)
        c->own_behind = false;
    else
        catch_up_on(c, mail->channel);
    note_behind(c);
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
    each_client(s, mail, WALK_ALL, close_one, &closing);
    msg_unref(mail->ptr);
    free(mail->crowd);
    shard_post(s, (struct mail){.kind = MAIL_CLOSED, .number = mail->number, .value = closing.begun});
}

static void add_row(struct conn *c, void *arg)
{
    struct client_rows *rows = arg;
    conn_fill_row(c, &rows->rows[rows->count++]);
}

static void list_clients(struct shard *s, const struct mail *mail)
{
    uint32_t count = 0;
    settle_batches(s, mail); /* a row tells what is queued */
    each_client(s, mail, WALK_ALL, count_one, &count);
    struct client_rows *rows = malloc(sizeof *rows + count * sizeof rows->rows[0]);
    if (rows) {
        rows->count = 0;
        each_client(s, mail, WALK_ALL, add_row, rows);
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

/* ---- drain ---- */

static bool is_open(const struct conn *c)
{
    return c->state == CONN_OPEN && !c->io.reaping;
}

/* Whether it was asked. Whoever is let in once the time is over stays. */
static bool leave(const struct shard *s, struct conn *c)
{
    bool asked = is_open(c) && c->client <= s->drain_last;
    if (asked)
        conn_close_with(c, 1001, error_text(ERR_DRAINING));
    else if (!c->opened && atomic_load(&s->world->draining))
        conn_drop(c, 1001);
    return asked;
}

/* Asks the next clients, at most so many; false when there are no more. */
static bool ask_next(struct shard *s, uint32_t count)
{
    for (; count && (size_t)s->drain_fd < s->loop->slot_count; s->drain_fd++) {
        struct conn *c = conn_of(s->loop->slots[s->drain_fd]);
        count -= c && leave(s, c);
    }
    return (size_t)s->drain_fd < s->loop->slot_count;
}

/* Asks the next share of the clients to leave, so that they do not all come back at once. The shares are
 * even, and so is the time between them. */
static void drain_step(struct timer *t)
{
    struct shard *s = LIST_ENTRY(t, struct shard, drain_timer);
    int64_t time = s->drain_until - s->loop->now;
    uint32_t most = time > DRAIN_STEP_MS ? (uint32_t)(time / DRAIN_STEP_MS) : 1;
    uint32_t share = (s->drain_left + most - 1) / most;
    bool last = s->drain_left <= share;
    if (!ask_next(s, last ? UINT32_MAX : share) || last)
        return;
    uint32_t steps = (s->drain_left + share - 1) / share;
    s->drain_left -= share;
    timer_set(&s->loop->timers, t, s->loop->now + time / steps);
}

static void count_open(struct conn *c, void *arg)
{
    *(uint32_t *)arg += is_open(c);
}

/* A stop is not to be slower than its clients make it. */
static int64_t time_to_go(uint32_t clients, int64_t most)
{
    int64_t enough = (int64_t)(clients / STOP_STEP_MIN) * DRAIN_STEP_MS;
    return enough < most ? enough : most;
}

static void drain(struct shard *s, const struct mail *mail)
{
    uint32_t open = 0;
    each_client(s, &(struct mail){.scope = SCOPE_ALL}, WALK_ALL, count_open, &open);
    s->drain_until =
        s->loop->now + (mail->kind == MAIL_GO_AWAY ? time_to_go(open, mail->value) : mail->value);
    s->drain_left = open;
    s->drain_fd = 0;
    s->drain_last = atomic_load(&s->world->last_client);
    timer_clear(&s->drain_timer);
    drain_step(&s->drain_timer);
    shard_post(s, (struct mail){.kind = MAIL_CLOSED, .number = mail->number, .value = open});
}

static void drain_end(struct shard *s, const struct mail *mail)
{
    timer_clear(&s->drain_timer);
    shard_post(s, (struct mail){.kind = MAIL_CLOSED, .number = mail->number});
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
    case MAIL_DELIVER: deliver(s, mail); break;
    case MAIL_CLOSE: close_clients(s, mail); break;
    case MAIL_LIST: list_clients(s, mail); break;
    case MAIL_RECEIPT_END: shard_receipt_end(s, mail->number); break;
    case MAIL_CONFIGURE: configure(s, mail->ptr); break;
    case MAIL_DRAIN:
    case MAIL_GO_AWAY: drain(s, mail); break;
    case MAIL_DRAIN_END: drain_end(s, mail); break;
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
