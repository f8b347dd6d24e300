/* Questions that the shards answer: receipts, WS.LIST, WS.CLOSE. */
#include <stdlib.h>

#include "push/hub.h"

/* ---- receipts ---- */

static void free_receipt(struct hub *h, struct receipt *r)
{
    HASH_DEL(h->receipts, r);
    timer_clear(&r->timer);
    receipt_free(r);
}

void hub_settle_receipt(struct hub *h, struct receipt *r)
{
    if (!receipt_complete(r))
        return;
    h->up.receipt(h->up.arg, r);
    free_receipt(h, r);
}

static void on_expired(struct timer *t)
{
    struct receipt *r = LIST_ENTRY(t, struct receipt, timer);
    r->expired = true;
    for (uint32_t i = 0; i < r->shard_count; i++)
        if (r->shards[i].awaited)
            hub_post(r->hub, i, (struct mail){.kind = MAIL_RECEIPT_END, .number = r->number});
}

struct receipt *hub_new_receipt(struct hub *h, struct asker asker, struct msg *m, int64_t timeout)
{
    struct receipt *r = receipt_new(h->shard_count);
    r->number = m->receipt = ++h->last_question;
    r->asker = asker;
    r->hub = h;
    timer_init(&r->timer, on_expired);
    timer_set(&h->loop->timers, &r->timer, h->loop->now + timeout);
    HASH_ADD(hh, h->receipts, number, sizeof r->number, r);
    return r;
}

void hub_on_receipt(struct hub *h, const struct mail *mail)
{
    struct receipt *r;
    HASH_FIND(hh, h->receipts, &mail->number, sizeof mail->number, r);
    if (!r)
        return;
    struct receipt_shard *shard = &r->shards[mail->conn.shard];
    if (mail->kind == MAIL_RECEIPT_BEGUN)
        shard->begun = true;
    else if (mail->kind == MAIL_RECEIPT_HANDED)
        r->handed += mail->value;
    else if (mail->kind == MAIL_RECEIPT_FAILED)
        receipt_fail(r, mail->client, (enum outcome)mail->value);
    else
        shard->ended = true;
    hub_settle_receipt(h, r);
}

/* ---- whom a target means ---- */

/* Fills in the letter's address and says which shards are to get it, and how many clients that makes. */
static enum hub_answer address(struct hub *h, const struct target *target, struct mail *mail, bool *shards,
                               uint64_t *count)
{
    *count = 0;
    if (target->kind == TARGET_CLIENT) {
        const struct client *c = hub_find_client(h, target->client);
        if (!hub_client_was_given(h, target->client))
            return HUB_NO_TARGET;
        if (!c || c->gone)
            return HUB_OK;
        mail->scope = SCOPE_CLIENT;
        mail->conn = c->conn;
        shards[c->conn.shard] = true;
        *count = 1;
        return HUB_OK;
    }
    const struct channel *ch =
        target->kind == TARGET_CHANNEL ? hub_find_channel(h, target->channel, target->channel_len) : NULL;
    if (target->kind == TARGET_CHANNEL && !ch)
        return HUB_OK;
    mail->scope = ch ? SCOPE_CHANNEL : SCOPE_ALL;
    mail->channel = ch ? ch->number : 0;
    *count = ch ? ch->subscribers : h->client_count;
    for (uint32_t i = 0; i < h->shard_count; i++)
        shards[i] = (ch ? ch->per_shard : h->clients_per_shard)[i] > 0;
    return HUB_OK;
}

enum hub_answer hub_close_clients(struct hub *h, const struct target *target, unsigned code,
                                  const char *reason, uint64_t *count)
{
    bool shards[SHARDS_MAX] = {false};
    struct mail mail = {.kind = MAIL_CLOSE, .value = code};
    enum hub_answer answer = address(h, target, &mail, shards, count);
    struct msg *frame = *count ? msg_new_close(h->ws, code, reason) : NULL;
    for (uint32_t i = 0; frame && i < h->shard_count; i++) {
        if (!shards[i])
            continue;
        msg_ref(frame);
        mail.ptr = frame;
        hub_post(h, i, mail);
    }
    msg_unref(frame);
    return answer;
}

/* ---- WS.LIST ---- */

struct listing {
    uint64_t number;
    struct asker asker;
    uint32_t awaited;
    uint32_t count;
    UT_hash_handle hh;
    struct client_rows *rows[SHARDS_MAX];
};

static void free_rows(struct client_rows *rows)
{
    for (size_t i = 0; rows && i < rows->count; i++)
        shared_name_unref(rows->rows[i].channel);
    free(rows);
}

static void finish_listing(struct hub *h, struct listing *l)
{
    h->up.listed(h->up.arg, l->asker, l->rows, l->count);
    for (uint32_t i = 0; i < l->count; i++)
        free_rows(l->rows[i]);
    HASH_DEL(h->listings, l);
    free(l);
}

enum hub_answer hub_list(struct hub *h, const struct target *target, struct asker asker)
{
    static const struct target everybody = {.kind = TARGET_ALL};
    bool shards[SHARDS_MAX] = {false};
    uint64_t clients;
    struct mail mail = {.kind = MAIL_LIST, .number = h->last_question + 1};
    enum hub_answer answer = address(h, target ? target : &everybody, &mail, shards, &clients);
    if (answer != HUB_OK)
        return answer;
    struct listing *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    l->number = ++h->last_question;
    l->asker = asker;
    HASH_ADD(hh, h->listings, number, sizeof l->number, l);
    for (uint32_t i = 0; i < h->shard_count; i++) {
        if (!shards[i])
            continue;
        l->awaited++;
        hub_post(h, i, mail);
    }
    if (l->awaited == 0)
        finish_listing(h, l);
    return HUB_OK;
}

void hub_on_listed(struct hub *h, const struct mail *mail)
{
    struct listing *l;
    HASH_FIND(hh, h->listings, &mail->number, sizeof mail->number, l);
    if (!l) {
        free_rows(mail->ptr);
        return;
    }
    if (mail->ptr)
        l->rows[l->count++] = mail->ptr;
    if (--l->awaited == 0)
        finish_listing(h, l);
}

void hub_drop_questions(struct hub *h)
{
    struct receipt *r;
    struct receipt *next_receipt;
    struct listing *l;
    struct listing *next_listing;
    HASH_ITER(hh, h->receipts, r, next_receipt)
    {
        free_receipt(h, r);
    }
    HASH_ITER(hh, h->listings, l, next_listing)
    {
        for (uint32_t i = 0; i < l->count; i++)
            free_rows(l->rows[i]);
        HASH_DEL(h->listings, l);
        free(l);
    }
}
