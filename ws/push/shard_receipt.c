/* What a shard tells the hub of the messages that somebody wants to know about. */
#include <stdlib.h>

#include "push/awaited.h"
#include "push/shard.h"

/* What this shard knows of a message that somebody waits for. */
struct shard_receipt {
    uint64_t number;
    uint32_t pending; /* clients of which nothing is known yet */
    uint32_t reached; /* since the hub was last told */
    UT_hash_handle hh;
};

static struct shard_receipt *find_receipt(struct shard *s, uint64_t number)
{
    struct shard_receipt *r;
    HASH_FIND(hh, s->receipts, &number, sizeof number, r);
    return r;
}

static void free_receipt(struct shard *s, struct shard_receipt *r)
{
    HASH_DEL(s->receipts, r);
    free(r);
}

void shard_receipt_begin(struct shard *s, uint64_t number, uint32_t clients)
{
    shard_post(s, (struct mail){.kind = MAIL_RECEIPT_BEGUN, .number = number, .value = clients});
    if (clients == 0)
        return;
    struct shard_receipt *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    r->number = number;
    r->pending = clients;
    HASH_ADD(hh, s->receipts, number, sizeof r->number, r);
}

/* ---- what becomes of it ---- */

static void settle(struct shard *s, struct shard_receipt *r, uint64_t client, enum outcome outcome)
{
    r->pending--;
    if (outcome == OUTCOME_REACHED)
        r->reached++;
    else
        shard_post(s,
                   (struct mail){
                       .kind = MAIL_RECEIPT_FAILED, .number = r->number, .client = client, .value = outcome});
}

void shard_receipt_tell(struct shard *s, uint64_t number, uint64_t client, enum outcome outcome)
{
    struct shard_receipt *r = find_receipt(s, number);
    if (r)
        settle(s, r, client, outcome);
}

/* That their script has it is more than browsers without code of ours can tell. */
void shard_receipt_written(struct conn *c, const struct msg *m)
{
    struct shard_receipt *r = find_receipt(c->shard, m->receipt);
    if (!r)
        return;
    if (m->wish == WISH_PONGED) {
        awaited_add(&c->shard->awaited, c->io.fd, m->receipt);
        c->awaits = true;
    } else {
        settle(c->shard, r, c->client, m->wish == WISH_HANDED ? OUTCOME_REACHED : OUTCOME_UNSUPPORTED);
    }
}

static void ponged(void *arg, uint64_t number)
{
    const struct conn *c = arg;
    shard_receipt_tell(c->shard, number, c->client, OUTCOME_REACHED);
}

void shard_receipt_ponged(struct conn *c, uint64_t number)
{
    c->awaits = awaited_answered(&c->shard->awaited, c->io.fd, number, ponged, c);
}

static void never_ponged(void *arg, uint64_t number)
{
    const struct conn *c = arg;
    shard_receipt_tell(c->shard, number, c->client, OUTCOME_CLOSED);
}

void shard_receipt_no_pongs(struct conn *c)
{
    if (c->awaits)
        awaited_drop(&c->shard->awaited, c->io.fd, never_ponged, c);
    c->awaits = false;
}

/* ---- what the hub is told ---- */

static void report(struct shard *s, struct shard_receipt *r)
{
    if (r->reached)
        shard_post(s, (struct mail){.kind = MAIL_RECEIPT_REACHED, .number = r->number, .value = r->reached});
    r->reached = 0;
}

void shard_receipts_report(struct shard *s)
{
    struct shard_receipt *r;
    struct shard_receipt *next;
    HASH_ITER(hh, s->receipts, r, next)
    {
        report(s, r);
        if (r->pending == 0)
            free_receipt(s, r);
    }
}

/* ---- the end of time ---- */

struct late {
    uint64_t receipt;
    bool waits; /* in the queue */
};

static void look(void *arg, const struct msg *m)
{
    struct late *late = arg;
    late->waits |= m->receipt == late->receipt;
}

static bool is_late(struct conn *c, uint64_t number)
{
    struct late late = {number, false};
    if (c->awaits)
        c->awaits = awaited_forget(&c->shard->awaited, c->io.fd, number, &late.waits);
    outq_each(&c->out, look, &late);
    return late.waits;
}

void shard_receipt_end(struct shard *s, uint64_t number)
{
    struct shard_receipt *r = find_receipt(s, number);
    if (r) {
        report(s, r);
        for (size_t fd = 0; r->pending && fd < s->loop->slot_count; fd++) {
            struct conn *c = conn_of(s->loop->slots[fd]);
            if (c && is_late(c, number))
                settle(s, r, c->client, OUTCOME_TIMEOUT);
        }
        free_receipt(s, r);
    }
    shard_post(s, (struct mail){.kind = MAIL_RECEIPT_ENDED, .number = number});
}

void shard_receipts_drop(struct shard *s)
{
    struct shard_receipt *r;
    struct shard_receipt *next;
    HASH_ITER(hh, s->receipts, r, next)
    {
        free_receipt(s, r);
    }
}
