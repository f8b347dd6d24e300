/* WS.LIST, WS.CLOSE and WS.DRAIN: what all shards say, put together. */
#include <stdlib.h>

#include "base/log.h"
#include "push/hub_internal.h"

struct question {
    uint64_t number;
    struct asker asker;
    enum mail_kind kind; /* of the letters that ask: MAIL_LIST, MAIL_CLOSE, MAIL_DRAIN ... */
    uint32_t awaited;    /* shards */
    uint64_t closed;
    uint32_t count;
    UT_hash_handle hh;
    struct client_rows *rows[SHARDS_MAX];
};

static void free_question(struct hub *h, struct question *q)
{
    for (uint32_t i = 0; i < q->count; i++)
        client_rows_free(q->rows[i]);
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
    struct recipients to;
    enum hub_answer answer = hub_resolve(h, target, &to);
    if (answer != HUB_OK)
        return answer;
    struct question *q = new_question(h, mail.kind, asker);
    mail.number = q->number;
    for (uint32_t i = 0; i < h->shard_count; i++) {
        if (!to.on[i])
            continue;
        if (frame)
            msg_ref(frame);
        mail.ptr = frame;
        q->awaited++;
        hub_post(h, i, hub_addressed(&to, i, mail));
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

/* What shards don't know. A client that they have listed is not gone here yet: that letter comes later. */
static void fill_in_users(struct hub *h, struct client_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        const struct client *c = hub_find_client(h, rows->rows[i].client);
        const struct user *u = c ? client_user(c) : NULL;
        rows->rows[i].user = u ? shared_name_ref(u->name) : NULL;
    }
}

void hub_drained(struct timer *drain_timer)
{
    struct hub *h = LIST_ENTRY(drain_timer, struct hub, drain_timer);
    atomic_store(&h->world->draining, false);
    log_info("drained: new clients are let in again");
}

/* Shards without clients get the letter too: somebody may be about to come in. */
static void ask_every_shard(struct hub *h, struct mail mail, struct asker asker)
{
    struct question *q = new_question(h, mail.kind, asker);
    mail.number = q->number;
    q->awaited = h->shard_count;
    for (uint32_t i = 0; i < h->shard_count; i++)
        hub_post(h, i, mail);
}

void hub_drain(struct hub *h, int64_t ms, bool for_good, struct asker asker)
{
    atomic_store(&h->world->draining, true);
    h->going_away |= for_good;
    timer_clear(&h->drain_timer);
    if (!for_good)
        timer_set(&h->loop->timers, &h->drain_timer, h->loop->now + ms);
    enum mail_kind kind = for_good ? MAIL_GO_AWAY : MAIL_DRAIN;
    ask_every_shard(h, (struct mail){.kind = kind, .value = (uint32_t)ms}, asker);
}

void hub_end_drain(struct hub *h, struct asker asker)
{
    if (timer_is_set(&h->drain_timer))
        hub_drained(&h->drain_timer);
    timer_clear(&h->drain_timer);
    ask_every_shard(h, (struct mail){.kind = MAIL_DRAIN_END}, asker);
}

void hub_on_answer(struct hub *h, const struct mail *mail)
{
    struct question *q;
    HASH_FIND(hh, h->questions, &mail->number, sizeof mail->number, q);
    if (!q) {
        client_rows_free(mail->ptr);
        return;
    }
    if (mail->ptr) {
        fill_in_users(h, mail->ptr);
        q->rows[q->count++] = mail->ptr;
    }
    q->closed += mail->value;
    q->awaited--;
    answer_if_complete(h, q);
}

void hub_drop_questions(struct hub *h)
{
    struct question *q;
    struct question *next_question;
    HASH_ITER(hh, h->questions, q, next_question)
    {
        free_question(h, q);
    }
}
