/*
 * The made-up world of fake_world.h with an engine that keeps what is published, and that answers at once or,
 * when `late` is set, one question at a time as the test says so. What a shard gets is text here, a line a
 * letter.
 */
#ifndef WSPUSH_T_SEAT_WORLD_H
#define WSPUSH_T_SEAT_WORLD_H

#include "fake_world.h"
#include "push/hub_internal.h"

#include "base/error.h"

enum { GENERATION = 7, KEPT_CHANNELS = 16, KEPT_MAX = 4000, WORKS_MAX = 4000 };

/* ---- the engine ---- */

struct kept {
    struct shared_name *name;
    struct msg *msgs[KEPT_MAX]; /* by number - 1; NULL: not any more */
    uint64_t trimmed;           /* numbers up to this one are gone */
    uint64_t head;
};

/* What it was asked: one of two. */
struct work {
    bool is_reading;
    char name[CHANNEL_NAME_MAX];
    struct publication p;
    struct reading r;
};

static bool late;
static struct kept kept[KEPT_CHANNELS];
static struct work works[WORKS_MAX];
static size_t works_done;
static size_t works_count;

static inline struct kept *kept_of(const char *name, size_t len)
{
    struct kept *k = kept;
    for (; k->name; k++)
        if (k->name->len == len && memcmp(k->name->text, name, len) == 0)
            return k;
    ck_assert(k < kept + KEPT_CHANNELS - 1); /* behind the last is none */
    k->name = shared_name_new(name, len);
    return k;
}

static inline void number_and_keep(const struct publication *p)
{
    struct kept *k = kept_of(p->channel, p->channel_len);
    ck_assert_uint_lt(k->head, KEPT_MAX);
    struct msg_id id = {GENERATION, k->head + 1};
    msg_set_place(p->msg, k->name, id, 0);
    msg_ref(p->msg);
    k->msgs[k->head++] = p->msg;
    hub.engine->up.published(hub.engine->up.arg, p, PUBLISHED, id, NULL);
}

/* The number behind which the reader begins. */
static inline uint64_t beginning_of(const struct kept *k, const struct reading *r,
                                    enum reading_result *result)
{
    *result = READ_OK;
    switch (r->from) {
    case FROM_NOW: return k->head;
    case FROM_LAST: return k->head > k->trimmed ? k->head - 1 : k->head;
    case FROM_ALL: return k->trimmed;
    case FROM_AFTER: break;
    }
    if (r->after.gen != GENERATION)
        *result = READ_OTHER_GENERATION;
    else if (r->after.seq > k->head)
        *result = READ_AHEAD;
    else if (r->after.seq < k->trimmed)
        *result = READ_GONE;
    return r->after.seq;
}

static inline void read_kept(const struct reading *r)
{
    struct kept *k = kept_of(r->channel, r->channel_len);
    struct excerpt x = {.head = {GENERATION, k->head}};
    uint64_t at = beginning_of(k, r, &x.result);
    uint64_t bytes = 0;
    if (x.result == READ_OK)
        x.msgs = k->msgs + at;
    while (x.result == READ_OK && x.count < r->most && at < k->head) {
        bytes += reading_cost(r, k->msgs[at]);
        if (x.count && bytes > r->bytes)
            break;
        x.count++;
        at++;
    }
    x.position = (struct msg_id){GENERATION, at};
    x.at_head = x.result == READ_OK && at == k->head;
    hub.engine->up.read(hub.engine->up.arg, r, &x);
}

/* The oldest of what it was asked is answered. */
static inline void engine_works(void)
{
    ck_assert_uint_lt(works_done, works_count);
    struct work *w = &works[works_done++];
    if (works_done == works_count)
        works_done = works_count = 0;
    struct work now = *w;
    now.p.channel = now.r.channel = now.name;
    if (now.is_reading)
        read_kept(&now.r);
    else
        number_and_keep(&now.p);
    msg_unref(now.p.msg);
}

static inline void ask_engine(const struct publication *p, const struct reading *r)
{
    ck_assert_uint_lt(works_count, WORKS_MAX);
    struct work *w = &works[works_count++];
    *w = (struct work){.is_reading = r != NULL};
    if (p)
        w->p = *p;
    if (r)
        w->r = *r;
    memcpy(w->name, p ? p->channel : r->channel, p ? p->channel_len : r->channel_len);
    if (p)
        msg_ref(p->msg);
    if (!late)
        engine_works();
}

static inline void keep(struct engine *e, const struct publication *p)
{
    (void)e;
    ask_engine(p, NULL);
}

static inline void read_for(struct engine *e, const struct reading *r)
{
    (void)e;
    ask_engine(NULL, r);
}

/* Messages up to this number are kept no more. */
static inline void trim(const char *channel, uint64_t number)
{
    struct kept *k = kept_of(channel, strlen(channel));
    for (; k->trimmed < number; k->trimmed++) {
        msg_unref(k->msgs[k->trimmed]);
        k->msgs[k->trimmed] = NULL;
    }
}

static inline void close_kept(struct engine *e)
{
    for (; works_done < works_count; works_done++)
        msg_unref(works[works_done].p.msg);
    for (struct kept *k = kept; k < kept + KEPT_CHANNELS; k++) {
        for (size_t i = 0; i < KEPT_MAX; i++)
            msg_unref(k->msgs[i]);
        shared_name_unref(k->name);
        *k = (struct kept){0};
    }
    works_done = works_count = 0;
    late_close(e);
}

static const struct engine_ops keeping_engine = {.name = "keeping",
                                                 .keeps_messages = true,
                                                 .open = late_open,
                                                 .close = close_kept,
                                                 .publish = keep,
                                                 .read = read_for,
                                                 .set_total = late_set_total};

static inline void make_seat_world(void)
{
    make_world();
    hub.engine_ops = &keeping_engine;
    late = false;
}

/* Nothing is left of anything. */
static inline void end_seat_world(void)
{
    end_world();
    ck_assert_uint_eq(tally_sum(TALLY_subscriptions), 0);
    ck_assert_uint_eq(tally_sum(TALLY_clients), 0);
    ck_assert_uint_eq(tally_sum(TALLY_channels), 0);
}

/* So many messages, "1", "2" and so on, that nobody is told of. */
static inline void publish_some(const char *channel, int count)
{
    char text[20];
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%" PRIu64, kept_of(channel, strlen(channel))->head + 1);
        publish(1, channel, text, 0);
    }
    buf_clear(&told);
}

/* ---- clients ---- */

struct newcomer {
    enum transport transport;
    uint32_t shard;
    const char *channel;
    const char *user;  /* NULL: nobody knows */
    const char *since; /* NULL: it names none */
};

static inline struct joining *joining_of(struct newcomer n)
{
    struct joining *j = calloc(1, sizeof *j);
    j->channel = shared_name_new(n.channel, strlen(n.channel));
    j->user = n.user ? shared_name_new(n.user, strlen(n.user)) : NULL;
    j->transport = n.transport;
    j->has_since = n.since != NULL;
    if (n.since && msg_id_parse(n.since, strlen(n.since), &j->since) < 0)
        j->since = (struct msg_id){0};
    return j;
}

static inline uint64_t enter(struct newcomer n)
{
    uint64_t number = atomic_fetch_add(&world.last_client, 1) + 1;
    say((struct mail){
        .kind = MAIL_REGISTER, .conn = {n.shard, (int)number, 1}, .number = number, .ptr = joining_of(n)});
    return number;
}

static inline void sub(uint64_t client, const char *channel, const char *since)
{
    const struct newcomer n = {.transport = TRANSPORT_V1, .channel = channel, .since = since};
    say((struct mail){.kind = MAIL_SUBSCRIBE, .number = client, .ptr = joining_of(n)});
}

static inline void unsub(uint64_t client, const char *channel)
{
    say((struct mail){
        .kind = MAIL_UNSUBSCRIBE, .number = client, .ptr = shared_name_new(channel, strlen(channel))});
}

static inline void more(uint64_t client, uint32_t bytes)
{
    say((struct mail){.kind = MAIL_MORE, .number = client, .value = bytes});
}

/* ---- letters as text ---- */

static inline void add_seat(struct buf *out, const char *what, const struct mail *m)
{
    static const char *const seats[] = {"no seat", "live", "behind"};
    struct shared_name *name = m->ptr;
    buf_addf(out, "%s c%d %.*s #%u %s\n", what, m->conn.fd, (int)name->len, name->text, m->channel,
             seats[m->value]);
    shared_name_unref(name);
}

static inline void add_address(struct buf *out, const struct mail *m)
{
    static const struct crowd nobody;
    const struct crowd *crowd = m->scope == SCOPE_CROWD ? m->crowd : &nobody;
    if (m->scope == SCOPE_CHANNEL)
        buf_addf(out, "to #%u", m->channel);
    else
        buf_adds(out, m->scope == SCOPE_ALL ? "to all" : "to");
    if (m->scope == SCOPE_CLIENT)
        buf_addf(out, " c%d", m->conn.fd);
    for (uint32_t i = 0; i < crowd->count; i++)
        if (crowd->members[i].conn.fd < 0)
            buf_addf(out, " #%u", crowd->members[i].channel);
        else
            buf_addf(out, " c%d", crowd->members[i].conn.fd);
}

static inline void add_delivery(struct buf *out, const struct mail *mail)
{
    struct msg *m = mail->ptr;
    const struct msg *form = m->notice ? msg_envelope(m, hub.ws) : m;
    add_address(out, mail);
    buf_addf(out, ": %.*s", (int)form->len, form->payload);
    if (m->notice == NOTICE_HELLO && m->id.gen)
        buf_addf(out, " @%" PRIu64, m->id.seq);
    buf_addc(out, '\n');
    atomic_fetch_sub(&world.mail_bytes, m->len + crowd_size(mail->crowd));
    free(mail->crowd);
    msg_unref(m);
}

static inline void add_replay(struct buf *out, const struct mail *mail)
{
    struct replay *part = mail->ptr;
    buf_addf(out, "replay c%d:", mail->conn.fd);
    for (size_t i = 0; i < part->count; i++)
        buf_addf(out, " %.*s", (int)part->msgs[i]->len, part->msgs[i]->payload);
    buf_adds(out, mail->value ? " and more\n" : "\n");
    atomic_fetch_sub(&world.mail_bytes, part->bytes);
    replay_free(part);
}

static inline void add_letter(struct buf *out, const struct mail *m)
{
    switch (m->kind) {
    case MAIL_REGISTERED: add_seat(out, "registered", m); break;
    case MAIL_SUBSCRIBED: add_seat(out, "subscribed", m); break;
    case MAIL_UNSUBSCRIBED: buf_addf(out, "unsubscribed c%d #%u\n", m->conn.fd, m->channel); break;
    case MAIL_REFUSED:
        buf_addf(out, "refused c%d %s\n", m->conn.fd, m->value == ERR_POSITION ? "position" : "?");
        break;
    case MAIL_CATCH_UP: buf_addf(out, "catch up c%d\n", m->conn.fd); break;
    case MAIL_REPLAY: add_replay(out, m); break;
    case MAIL_LIVE: buf_addf(out, "live c%d #%u\n", m->conn.fd, m->channel); break;
    case MAIL_DELIVER: add_delivery(out, m); break;
    default: buf_addf(out, "letter %d\n", (int)m->kind);
    }
}

/* The turn is over: these letters came to the shard, and no others. */
static inline void expect_letters(int shard, const char *text)
{
    struct buf got = {0};
    hub_tell_lists(&hub);
    for (;;) {
        struct mail m = next_letter(shard, (enum mail_kind) - 1);
        if ((int)m.kind == -1)
            break;
        add_letter(&got, &m);
    }
    ck_assert_str_eq(got.len ? buf_str(&got) : "", text);
    buf_fini(&got);
}

/* The turn is over: whatever came is not looked at. */
static inline void skip_letters(void)
{
    struct buf got = {0};
    hub_tell_lists(&hub);
    for (int i = 0; i < SHARDS; i++)
        for (struct mail m; m = next_letter(i, (enum mail_kind) - 1), (int)m.kind != -1;)
            add_letter(&got, &m);
    buf_fini(&got);
}

#endif
