/*
 * A hub with everything around it made up: two shards that are nothing but mailboxes, an engine that answers
 * when the test says so, and an upper side that writes down what it is told.
 */
#ifndef WSPUSH_T_FAKE_WORLD_H
#define WSPUSH_T_FAKE_WORLD_H

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "push/hub.h"

enum { SHARDS = 2 };

static struct config *config;
static struct world world;
static struct loop hub_loop; /* is never run: its mailbox and timers are used by hand */
static struct mailbox boxes[SHARDS];
static struct mailbox *shard_boxes[SHARDS] = {&boxes[0], &boxes[1]};
static struct shard shard_counters[SHARDS];
static struct shard *shard_list[SHARDS] = {&shard_counters[0], &shard_counters[1]};
static struct hub hub;

/* ---- the engine that answers late ---- */

enum { PENDING_MAX = 1000 };

struct engine {
    struct engine_up up;
    struct publication pending[PENDING_MAX];
    size_t first;
    size_t count;
    uint64_t seq;
};

static inline struct engine *late_open(const struct engine_up *up)
{
    struct engine *e = calloc(1, sizeof *e);
    ck_assert_ptr_nonnull(e);
    e->up = *up;
    return e;
}

static inline void late_publish(struct engine *e, const struct publication *p)
{
    ck_assert_uint_lt(e->count, PENDING_MAX);
    struct publication *copy = &e->pending[e->count++];
    *copy = *p;
    copy->channel = memcpy(malloc(p->channel_len + 1), p->channel, p->channel_len);
    msg_ref(p->msg);
}

/* The oldest publication is numbered, or has failed. */
static inline void engine_answers(const char *fault)
{
    struct engine *e = hub.engine;
    ck_assert_uint_lt(e->first, e->count);
    struct publication p = e->pending[e->first++];
    struct msg_id id = {fault ? 0 : 7, fault ? 0 : ++e->seq};
    e->up.published(e->up.arg, &p, fault ? PUBLISH_FAULT : PUBLISHED, id, fault);
    free((char *)(uintptr_t)p.channel);
    msg_unref(p.msg);
}

static inline void late_close(struct engine *e)
{
    for (; e->first < e->count; e->first++) {
        free((char *)(uintptr_t)e->pending[e->first].channel);
        msg_unref(e->pending[e->first].msg);
    }
    free(e);
}

static inline void late_set_total(struct engine *e, uint64_t bytes)
{
    (void)e;
    (void)bytes;
}

static const struct engine_ops late_engine = {.name = "late",
                                              .keeps_messages = true,
                                              .open = late_open,
                                              .close = late_close,
                                              .publish = late_publish,
                                              .set_total = late_set_total};

/* ---- what the hub tells upwards ---- */

static struct buf told;
static struct inbox_msg *handed; /* the last that up.message gave */

static inline void on_published(void *arg, struct asker asker, uint64_t recipients, struct msg_id id,
                                const char *fault)
{
    (void)arg;
    if (fault)
        buf_addf(&told, "published %" PRIu64 ": %s\n", asker.slot, fault);
    else
        buf_addf(&told, "published %" PRIu64 ": %" PRIu64 " got %" PRIu64 "-%" PRIu64 "\n", asker.slot,
                 recipients, id.gen, id.seq);
}

static inline void on_receipt(void *arg, const struct receipt *r)
{
    static const char *const names[] = {"reached", "timeout", "dropped", "expired", "closed", "unsupported"};
    (void)arg;
    buf_addf(&told, "receipt %" PRIu64 ": %" PRIu64 " of %" PRIu64, r->asker.slot, r->reached, r->recipients);
    for (size_t i = 0; i < r->failure_count; i++)
        buf_addf(&told, ", c%" PRIu64 " %s", r->failures[i].client, names[r->failures[i].outcome]);
    buf_addc(&told, '\n');
}

static inline void on_message(void *arg, struct asker asker, struct inbox_msg *m)
{
    (void)arg;
    buf_addf(&told, "message %" PRIu64 ": c%" PRIu64 " %.*s", asker.slot, m->client, (int)m->msg->len,
             m->msg->payload);
    if (m->lost)
        buf_addf(&told, ", %" PRIu64 " lost", m->lost);
    buf_addc(&told, '\n');
    handed = m;
}

static inline void on_wait_over(void *arg, struct asker asker, bool closed)
{
    (void)arg;
    buf_addf(&told, "wait %" PRIu64 " over: %s\n", asker.slot, closed ? "closed" : "timeout");
}

static inline void on_closed(void *arg, struct asker asker, uint64_t count)
{
    (void)arg;
    buf_addf(&told, "closed %" PRIu64 ": %" PRIu64 "\n", asker.slot, count);
}

static inline void on_listed(void *arg, struct asker asker, struct client_rows *const *rows, size_t count)
{
    (void)arg;
    buf_addf(&told, "listed %" PRIu64 ":", asker.slot);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < rows[i]->count; k++)
            buf_addf(&told, " c%" PRIu64, rows[i]->rows[k].client);
    buf_addc(&told, '\n');
}

/* What was told since the last look. */
static inline void expect_told(const char *text)
{
    ck_assert_str_eq(buf_str(&told), text);
    buf_clear(&told);
}

static inline struct asker slot(uint64_t number)
{
    return (struct asker){.fd = 50, .gen = 1, .slot = number};
}

/* ---- what the shards get ---- */

/* The next letter to a shard, which has to be there. */
static inline struct mail next_letter(int shard, enum mail_kind kind)
{
    static struct mail letters[SHARDS][10000];
    static size_t read[SHARDS];
    static size_t count[SHARDS];
    if (read[shard] == count[shard]) {
        const void *batch;
        count[shard] = mailbox_take(&boxes[shard], &batch);
        read[shard] = 0;
        ck_assert_uint_le(count[shard], 10000);
        if (count[shard])
            memcpy(letters[shard], batch, count[shard] * sizeof(struct mail));
    }
    if (read[shard] == count[shard])
        return (struct mail){.kind = (enum mail_kind) - 1};
    struct mail m = letters[shard][read[shard]++];
    if (kind != (enum mail_kind) - 1)
        ck_assert_int_eq(m.kind, kind);
    return m;
}

static inline void expect_no_letters(void)
{
    for (int i = 0; i < SHARDS; i++)
        ck_assert_int_eq((int)next_letter(i, (enum mail_kind) - 1).kind, -1);
}

/* Whom the last delivery to a crowd was for: " c3" a client, " #0" a channel's number. */
static char last_crowd[200];

static inline void note_member(const struct crowd_member *m)
{
    size_t n = strlen(last_crowd);
    if (m->conn.fd < 0)
        snprintf(last_crowd + n, sizeof last_crowd - n, " #%u", m->channel);
    else
        snprintf(last_crowd + n, sizeof last_crowd - n, " c%d", m->conn.fd);
}

/* The shard gets a message to deliver: this text. Returns the letter; the message is not its own any more. */
static inline struct mail expect_delivery(int shard, const char *text)
{
    struct mail mail = next_letter(shard, MAIL_DELIVER);
    ck_assert_int_eq(mail.kind, MAIL_DELIVER);
    struct msg *m = mail.ptr;
    ck_assert_msg(m->len == strlen(text) && memcmp(m->payload, text, m->len) == 0, "'%.*s', not '%s'",
                  (int)m->len, m->payload, text);
    mail.number = m->receipt;
    atomic_fetch_sub(&world.mail_bytes, m->len + crowd_size(mail.crowd));
    msg_unref(m);
    mail.ptr = NULL;
    last_crowd[0] = '\0';
    for (uint32_t i = 0; mail.crowd && i < mail.crowd->count; i++)
        note_member(&mail.crowd->members[i]);
    free(mail.crowd);
    mail.crowd = NULL;
    return mail;
}

/* ---- what the shards say ---- */

static inline void say(struct mail mail)
{
    hub_on_mail(&hub, &mail);
}

/* A client, as a shard would register it. Its descriptor is its number. `user`: NULL or a name. */
static inline uint64_t come_as(const char *user, uint32_t shard, const char *channel)
{
    uint64_t number = atomic_fetch_add(&world.last_client, 1) + 1;
    struct joining *joining = calloc(1, sizeof *joining);
    joining->channel = shared_name_new(channel, strlen(channel));
    joining->user = user ? shared_name_new(user, strlen(user)) : NULL;
    say((struct mail){
        .kind = MAIL_REGISTER, .conn = {shard, (int)number, 1}, .number = number, .ptr = joining});
    return number;
}

static inline uint64_t come(uint32_t shard, const char *channel)
{
    return come_as(NULL, shard, channel);
}

static inline uint32_t expect_registered(uint32_t shard, uint64_t number, const char *channel)
{
    struct mail mail = next_letter((int)shard, MAIL_REGISTERED);
    struct shared_name *name = mail.ptr;
    ck_assert_int_eq(mail.kind, MAIL_REGISTERED);
    ck_assert(mail.conn.shard == shard && mail.conn.fd == (int)number && mail.conn.gen == 1);
    ck_assert(name->len == strlen(channel) && memcmp(name->text, channel, name->len) == 0);
    shared_name_unref(name);
    return mail.channel;
}

static inline uint64_t join(uint32_t shard, const char *channel)
{
    uint64_t number = come(shard, channel);
    expect_registered(shard, number, channel);
    return number;
}

static inline uint64_t join_as(const char *user, uint32_t shard, const char *channel)
{
    uint64_t number = come_as(user, shard, channel);
    expect_registered(shard, number, channel);
    return number;
}

static inline void leave(uint32_t shard, uint64_t number)
{
    say((struct mail){.kind = MAIL_GONE, .conn = {.shard = shard}, .number = number});
}

static inline void client_says(uint64_t number, const char *text)
{
    struct msg *m = msg_new(hub.ws, WEBSOCKET_TEXT, text, strlen(text));
    atomic_fetch_add(&world.mail_bytes, m->len);
    say((struct mail){.kind = MAIL_INBOUND, .number = number, .ptr = m});
}

/* ---- what operators ask ---- */

static inline struct target to_channel(const char *name)
{
    return (struct target){.kind = TARGET_CHANNEL, .name = name, .name_len = strlen(name)};
}

static inline struct target to_client(uint64_t number)
{
    return (struct target){.kind = TARGET_CLIENT, .client = number};
}

static inline struct target to_user(const char *name)
{
    return (struct target){.kind = TARGET_USER, .name = name, .name_len = strlen(name)};
}

static inline struct target to_match(const char *pattern)
{
    return (struct target){.kind = TARGET_MATCH, .name = pattern, .name_len = strlen(pattern)};
}

static const struct target to_all = {.kind = TARGET_ALL};

static inline enum hub_answer send_to(struct target target, const char *text, uint64_t slot_number,
                                      int64_t receipt_timeout)
{
    struct sending sending = {.payload = text,
                              .len = strlen(text),
                              .asker = slot(slot_number),
                              .wish = receipt_timeout ? WISH_HANDED : WISH_NOTHING,
                              .receipt_timeout = receipt_timeout};
    return hub_send(&hub, &target, &sending);
}

static inline void publish(uint64_t slot_number, const char *channel, const char *text,
                           int64_t receipt_timeout)
{
    ck_assert_int_eq(send_to(to_channel(channel), text, slot_number, receipt_timeout), HUB_OK);
}

/* The hub's clock goes on. */
static inline void pass(int64_t ms)
{
    hub_loop.now += ms;
    timers_run(&hub_loop.timers, hub_loop.now);
}

/* ---- begin and end ---- */

static inline void make_world(void)
{
    static const struct hub_up up = {.published = on_published,
                                     .receipt = on_receipt,
                                     .message = on_message,
                                     .wait_over = on_wait_over,
                                     .closed = on_closed,
                                     .listed = on_listed};
    char why[200];
    config = config_load(NULL, why, sizeof why);
    ck_assert_ptr_nonnull(config);
    ck_assert_int_eq(loop_init(&hub_loop, sizeof(struct mail)), 0);
    memset(&world, 0, sizeof world);
    world.hub_mail = &hub_loop.mail;
    world.max_clients = 100;
    for (int i = 0; i < SHARDS; i++) {
        shard_counters[i] = (struct shard){0};
        ck_assert_int_eq(mailbox_init(&boxes[i], sizeof(struct mail)), 0);
    }
    hub_init(&hub, &world, config, &hub_loop, shard_boxes, shard_list, SHARDS, &late_engine, &up);
    handed = NULL;
}

static inline void end_world(void)
{
    expect_told("");
    expect_no_letters();
    hub_fini(&hub);
    for (int i = 0; i < SHARDS; i++)
        mailbox_fini(&boxes[i]);
    loop_fini(&hub_loop);
    config_unref(config);
    buf_fini(&told);
    /* every message is accounted for */
    ck_assert_uint_eq(atomic_load(&world.mail_bytes), 0);
}

#endif
