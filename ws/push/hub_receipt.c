/* Receipts: what became of messages whose senders wait to know. */
#include <stdlib.h>

#include "push/hub_internal.h"

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

/* Shards that know of it tell who is late, and forget it. */
static void end(struct receipt *r)
{
    for (uint32_t i = 0; i < r->shard_count; i++)
        if (r->shards[i].awaited)
            hub_post(r->hub, i, (struct mail){.kind = MAIL_RECEIPT_END, .number = r->number});
}

static void on_expired(struct timer *t)
{
    end(LIST_ENTRY(t, struct receipt, timer));
}

void hub_new_receipt(struct hub *h, struct asker asker, struct msg *m, int64_t timeout, struct msg_id id,
                     const struct target *target, const struct recipients *to)
{
    struct receipt *r = receipt_new(h->shard_count);
    r->number = ++h->last_question;
    r->asker = asker;
    r->id = id;
    r->hub = h;
    r->wish = (enum wish)m->wish;
    r->kind = target->kind;
    r->channel = to->channel;
    r->client = target->client;
    if (target->kind == TARGET_USER || target->kind == TARGET_MATCH)
        r->name = shared_name_new(target->name, target->name_len);
    r->recipients = to->count;
    for (uint32_t i = 0; i < h->shard_count; i++)
        r->shards[i].awaited = to->on[i];
    msg_set_receipt(m, r->number);
    timer_init(&r->timer, on_expired);
    timer_set(&h->loop->timers, &r->timer, h->loop->now + timeout);
    HASH_ADD(hh, h->receipts, number, sizeof r->number, r);
}

static void take(struct receipt *r, const struct mail *mail)
{
    struct receipt_shard *shard = &r->shards[mail->conn.shard];
    const struct failures *failures = mail->ptr;
    switch (mail->kind) {
    case MAIL_RECEIPT_BEGUN:
        shard->begun = true;
        shard->pending = mail->value;
        break;
    case MAIL_RECEIPT_REPORT:
        shard->pending -= mail->value + (failures ? (uint32_t)failures->count : 0);
        r->reached += mail->value;
        if (failures)
            receipt_fail(r, failures->items, failures->count);
        break;
    default: shard->ended = true; break;
    }
}

void hub_on_receipt(struct hub *h, const struct mail *mail)
{
    struct receipt *r;
    HASH_FIND(hh, h->receipts, &mail->number, sizeof mail->number, r);
    if (r) {
        take(r, mail);
        hub_settle_receipt(h, r);
    }
    free(mail->ptr);
}

void hub_note_moving(struct hub *h, const struct client *c)
{
    for (struct receipt *r = h->receipts; r; r = r->hh.next)
        receipt_on_moving(r, c->conn.shard, c);
}

void hub_cancel_receipt(struct hub *h, struct asker asker)
{
    struct receipt *r;
    struct receipt *next;
    HASH_ITER(hh, h->receipts, r, next)
    {
        if (!same_asker(r->asker, asker))
            continue;
        end(r);
        free_receipt(h, r);
        return;
    }
}

void hub_drop_receipts(struct hub *h)
{
    struct receipt *r;
    struct receipt *next;
    HASH_ITER(hh, h->receipts, r, next)
    {
        free_receipt(h, r);
    }
}
