/* Questions that the shards answer: receipts, WS.LIST, WS.CLOSE, WS.DRAIN. */
#include <stdlib.h>

#include "base/log.h"
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

/* Fills in the letter's address and says which shards are to get it. */
static enum hub_answer address(struct hub *h, const struct target *target, struct mail *mail, bool *shards)
{
    if (target->kind == TARGET_CLIENT) {
        const struct client *c = hub_find_client(h, target->client);
        if (!hub_client_was_given(h, target->client))
            return HUB_NO_TARGET;
        if (!c || c->gone)
            return HUB_OK;
        mail->scope = SCOPE_CLIENT;
        mail->conn = c->conn;
        shards[c->conn.shard] = true;
        return HUB_OK;
    }
    const struct channel *ch =
        target->kind == TARGET_CHANNEL ? hub_find_channel(h, target->channel, target->channel_len) : NULL;
    if (target->kind == TARGET_CHANNEL && !ch)
        return HUB_OK;
    mail->scope = ch ? SCOPE_CHANNEL : SCOPE_ALL;
    mail->channel = ch ? ch->number : 0;
    for (uint32_t i = 0; i < h->shard_count; i++)
        shards[i] = (ch ? ch->per_shard : h->clients_per_shard)[i] > 0;
    return HUB_OK;
}

/* ---- WS.LIST, WS.CLOSE and WS.DRAIN: what all shards say, put together ---- */

struct question {
    uint64_t number;
    struct asker asker;
    enum mail_kind kind; /* of the letters that ask: MAIL_LIST, MAIL_CLOSE or MAIL_DRAIN */
    uint32_t awaited;    /* shards */
    uint64_t closed;
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

static void free_question(struct hub *h, struct question *q)
{
    for (uint32_t i = 0; i < q->count; i++)
        free_rows(q->rows[i]);
    HASH_DEL(h->questions, q);
    free(q);
}

static void answer_if_complete(struct hub *h, struct question *q)
{
    if (q->awaited)
        return;
    if (q->kind == MAIL_LIST)
        h->up.listed(h->up.arg, q->asker, q->rows, q->count);
    else
        h->up.closed(h->up.arg, q->asker, q->closed);
    free_question(h, q);
}

static struct question *new_question(struct hub *h, enum mail_kind kind, struct asker asker)
{
    struct question *q = calloc(1, sizeof *q);
    if (!q)
        abort();
    q->number = ++h->last_question;
    q->asker = asker;
    q->kind = kind;
    HASH_ADD(hh, h->questions, number, sizeof q->number, q);
    return q;
}

/* Sends the letter to all shards of the target; the frame, if there is one, with a reference for each. */
static enum hub_answer ask(struct hub *h, const struct target *target, struct mail mail, struct msg *frame,
                           struct asker asker)
{
    bool shards[SHARDS_MAX] = {false};
    enum hub_answer answer = address(h, target, &mail, shards);
    if (answer != HUB_OK)
        return answer;
    struct question *q = new_question(h, mail.kind, asker);
    mail.number = q->number;
    for (uint32_t i = 0; i < h->shard_count; i++) {
        if (!shards[i])
            continue;
        if (frame)
            msg_ref(frame);
        mail.ptr = frame;
        q->awaited++;
        hub_post(h, i, mail);
    }
    answer_if_complete(h, q);
    return HUB_OK;
}

enum hub_answer hub_list(struct hub *h, const struct target *target, struct asker asker)
{
    static const struct target everybody = {.kind = TARGET_ALL};
    return ask(h, target ? target : &everybody, (struct mail){.kind = MAIL_LIST}, NULL, asker);
}

enum hub_answer hub_close_clients(struct hub *h, const struct target *target, unsigned code,
                                  const char *reason, struct asker asker)
{
    struct msg *frame = msg_new_close(h->ws, code, reason);
    if (!frame)
        abort();
    enum hub_answer answer = ask(h, target, (struct mail){.kind = MAIL_CLOSE, .value = code}, frame, asker);
    msg_unref(frame);
    return answer;
}

void hub_drained(struct timer *drain_timer)
{
    struct hub *h = LIST_ENTRY(drain_timer, struct hub, drain_timer);
    atomic_store(&h->world->draining, false);
    log_info("drained: new clients are let in again");
}

/* Shards without clients get a letter too: somebody may be about to come in. */
void hub_drain(struct hub *h, int64_t ms, bool for_good, struct asker asker)
{
    struct question *q = new_question(h, MAIL_DRAIN, asker);
    atomic_store(&h->world->draining, true);
    h->going_away |= for_good;
    timer_clear(&h->drain_timer);
    if (!for_good)
        timer_set(&h->loop->timers, &h->drain_timer, h->loop->now + ms);
    for (uint32_t i = 0; i < h->shard_count; i++) {
        q->awaited++;
        hub_post(h, i, (struct mail){.kind = MAIL_DRAIN, .number = q->number, .value = (uint32_t)ms});
    }
}

void hub_on_answer(struct hub *h, const struct mail *mail)
{
    struct question *q;
    HASH_FIND(hh, h->questions, &mail->number, sizeof mail->number, q);
    if (!q) {
        free_rows(mail->ptr);
        return;
    }
    if (mail->ptr)
        q->rows[q->count++] = mail->ptr;
    q->closed += mail->value;
    q->awaited--;
    answer_if_complete(h, q);
}

void hub_drop_questions(struct hub *h)
{
    struct receipt *r;
    struct receipt *next_receipt;
    struct question *q;
    struct question *next_question;
    HASH_ITER(hh, h->receipts, r, next_receipt)
    {
        free_receipt(h, r);
    }
    HASH_ITER(hh, h->questions, q, next_question)
    {
        free_question(h, q);
    }
}
