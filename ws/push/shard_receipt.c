/* What a shard tells the hub of the messages that somebody wants to know about. */
#include <stdlib.h>

#include "push/shard.h"

/* What this shard knows of a message that somebody waits for. */
struct shard_receipt {
    uint64_t number;
    uint32_t pending; /* queues that hold it */
    uint32_t handed;  /* since the hub was last told */
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

void shard_receipt_begin(struct shard *s, uint64_t number, uint32_t queues)
{
    shard_post(s, (struct mail){.kind = MAIL_RECEIPT_BEGUN, .number = number, .value = queues});
    if (queues == 0)
        return;
    struct shard_receipt *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    r->number = number;
    r->pending = queues;
    HASH_ADD(hh, s->receipts, number, sizeof r->number, r);
}

void shard_receipt_left(struct shard *s, const struct msg *m, uint64_t client, enum outcome outcome)
{
    struct shard_receipt *r = find_receipt(s, m->receipt);
    if (!r)
        return;
    r->pending--;
    if (outcome == OUTCOME_HANDED)
        r->handed++;
    else
        shard_post(s,
                   (struct mail){
                       .kind = MAIL_RECEIPT_FAILED, .number = r->number, .client = client, .value = outcome});
}

static void report(struct shard *s, struct shard_receipt *r)
{
    if (r->handed)
        shard_post(s, (struct mail){.kind = MAIL_RECEIPT_HANDED, .number = r->number, .value = r->handed});
    r->handed = 0;
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

struct late {
    struct shard *shard;
    uint64_t receipt;
    uint64_t client;
};

static void report_late(void *arg, const struct msg *m)
{
    struct late *late = arg;
    if (m->receipt == late->receipt)
        shard_post(late->shard, (struct mail){.kind = MAIL_RECEIPT_FAILED,
                                              .number = late->receipt,
                                              .client = late->client,
                                              .value = OUTCOME_TIMEOUT});
}

void shard_receipt_end(struct shard *s, uint64_t number)
{
    struct shard_receipt *r = find_receipt(s, number);
    if (r) {
        report(s, r);
        for (size_t fd = 0; r->pending && fd < s->loop->slot_count; fd++) {
            const struct conn *c = conn_of(s->loop->slots[fd]);
            struct late late = {s, number, c ? c->client : 0};
            if (c)
                outq_each(&c->out, report_late, &late);
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
