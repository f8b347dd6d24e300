/*
 * What a shard tells the hub of the messages that somebody wants to know about. A receipt has a bit for each
 * client of which nothing is known yet, by its descriptor: a client's end settles what it has, so a
 * descriptor's next user has no bit. What becomes known in a turn is one letter a receipt.
 */
#include <stdlib.h>
#include <string.h>

#include "push/awaited.h"
#include "push/shard.h"

enum { BITS = 64 };

struct shard_receipt {
    uint64_t number;
    struct msg_id id;            /* of the message; gen 0: it has none */
    struct shared_name *channel; /* NULL: it was not sent to one */
    enum wish wish;
    struct list changed;     /* in the shard's, if the hub is to be told something */
    uint32_t pending;        /* clients of which nothing is known yet */
    uint32_t reached;        /* since the hub was last told */
    struct failures *failed; /* since then */
    UT_hash_handle hh;
    size_t words;
    uint64_t bits[];
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
    list_remove(&r->changed);
    shared_name_unref(r->channel);
    free(r->failed);
    free(r);
}

/* ---- the beginning ---- */

struct shard_receipt *shard_receipt_new(struct shard *s, const struct msg *m)
{
    size_t words = (s->loop->slot_count + BITS - 1) / BITS;
    struct shard_receipt *r = calloc(1, sizeof *r + words * sizeof r->bits[0]);
    if (!r)
        return NULL;
    r->number = m->receipt;
    r->id = m->id;
    r->wish = (enum wish)m->wish;
    r->channel = m->channel ? shared_name_ref(m->channel) : NULL;
    r->words = words;
    list_init(&r->changed);
    HASH_ADD(hh, s->receipts, number, sizeof r->number, r);
    return r;
}

void shard_receipt_expect(struct conn *c, void *receipt)
{
    struct shard_receipt *r = receipt;
    size_t fd = (size_t)c->io.fd;
    r->bits[fd / BITS] |= UINT64_C(1) << fd % BITS;
    r->pending++;
}

void shard_receipt_begin(struct shard *s, uint64_t number, struct shard_receipt *r)
{
    uint32_t clients = r ? r->pending : 0;
    shard_post(s, (struct mail){.kind = MAIL_RECEIPT_BEGUN, .number = number, .value = clients});
    if (!r) /* without memory nothing will be known */
        shard_post(s, (struct mail){.kind = MAIL_RECEIPT_ENDED, .number = number});
    else if (clients == 0)
        free_receipt(s, r);
}

/* ---- what becomes of it ---- */

static void add_failure(struct shard_receipt *r, struct failure failure)
{
    size_t count = r->failed ? r->failed->count : 0;
    if ((count & (count - 1)) == 0) { /* full: room doubles */
        size_t room = count ? count * 2 : 1;
        struct failures *failed = realloc(r->failed, sizeof *failed + room * sizeof failure);
        if (!failed)
            return;
        r->failed = failed;
    }
    r->failed->items[count] = failure;
    r->failed->count = count + 1;
}

/* Whether the client is one of which something is still to be known. It is not where the message comes to it
 * out of a history, later. */
static bool is_pending(const struct shard_receipt *r, const struct conn *c)
{
    size_t fd = (size_t)c->io.fd;
    return fd / BITS < r->words && r->bits[fd / BITS] >> fd % BITS & 1;
}

static void settle(struct shard *s, struct shard_receipt *r, const struct conn *c, enum outcome outcome)
{
    size_t fd = (size_t)c->io.fd;
    if (!is_pending(r, c))
        return;
    r->bits[fd / BITS] &= ~(UINT64_C(1) << fd % BITS);
    r->pending--;
    if (outcome == OUTCOME_REACHED)
        r->reached++;
    else
        add_failure(r, (struct failure){c->client, outcome});
    if (!list_linked(&r->changed))
        list_append(&s->changed_receipts, &r->changed);
}

static void tell(struct conn *c, uint64_t number, enum outcome outcome)
{
    struct shard_receipt *r = find_receipt(c->shard, number);
    if (r)
        settle(c->shard, r, c, outcome);
}

void shard_receipt_lost(struct conn *c, const struct msg *m)
{
    bool expired = m->expires && m->expires <= c->shard->loop->now;
    tell(c, m->receipt, c->too_slow ? OUTCOME_DROPPED : expired ? OUTCOME_EXPIRED : OUTCOME_CLOSED);
}

/* That its script has it is more than a raw client can tell; and nothing comes back from an event stream. */
static bool can_tell(const struct conn *c, const struct msg *m)
{
    return m->wish == WISH_ACKED ? c->transport == TRANSPORT_V1 : c->transport != TRANSPORT_SSE;
}

void shard_receipt_written(struct conn *c, const struct msg *m)
{
    const struct shard_receipt *r = find_receipt(c->shard, m->receipt);
    if (!r || !is_pending(r, c))
        return;
    if (m->wish == WISH_HANDED || !can_tell(c, m)) {
        tell(c, m->receipt, m->wish == WISH_HANDED ? OUTCOME_REACHED : OUTCOME_UNSUPPORTED);
    } else if (m->wish == WISH_PONGED) {
        awaited_add(&c->shard->awaited, c->io.fd, m->receipt);
        c->awaits = true;
    }
}

void shard_receipt_acked(struct conn *c, uint64_t number)
{
    struct shard_receipt *r = find_receipt(c->shard, number);
    if (r && r->wish == WISH_ACKED)
        settle(c->shard, r, c, OUTCOME_REACHED);
}

void shard_receipt_acked_id(struct conn *c, const char *channel, size_t channel_len, struct msg_id id)
{
    for (struct shard_receipt *r = c->shard->receipts; r; r = r->hh.next) {
        const struct shared_name *name = r->channel;
        if (r->wish != WISH_ACKED || r->id.gen != id.gen || r->id.seq != id.seq || !name ||
            name->len != channel_len || memcmp(name->text, channel, channel_len) != 0)
            continue;
        settle(c->shard, r, c, OUTCOME_REACHED);
        return;
    }
}

static void ponged(void *arg, uint64_t number)
{
    tell(arg, number, OUTCOME_REACHED);
}

void shard_receipt_ponged(struct conn *c, uint64_t number)
{
    c->awaits = awaited_answered(&c->shard->awaited, c->io.fd, number, ponged, c);
}

uint64_t shard_receipt_awaited(const struct conn *c)
{
    return c->awaits ? awaited_newest(c->shard->awaited, c->io.fd) : 0;
}

void shard_receipts_forget(struct conn *c)
{
    struct shard *s = c->shard;
    for (struct shard_receipt *r = s->receipts; r; r = r->hh.next)
        settle(s, r, c, OUTCOME_CLOSED);
    if (c->awaits)
        awaited_drop(&s->awaited, c->io.fd);
    c->awaits = false;
}

/* ---- what the hub is told ---- */

/* The failures are the letter's. */
static void report(struct shard *s, struct shard_receipt *r)
{
    if (r->reached || r->failed)
        shard_post(
            s, (struct mail){
                   .kind = MAIL_RECEIPT_REPORT, .number = r->number, .value = r->reached, .ptr = r->failed});
    r->reached = 0;
    r->failed = NULL;
}

void shard_receipts_report(struct shard *s)
{
    struct list *l;
    while ((l = list_take_first(&s->changed_receipts)) != NULL) {
        struct shard_receipt *r = LIST_ENTRY(l, struct shard_receipt, changed);
        report(s, r);
        if (r->pending == 0)
            free_receipt(s, r);
    }
}

/* ---- the end ---- */

static void is_late(struct shard *s, struct shard_receipt *r, size_t fd)
{
    struct conn *c = conn_of(s->loop->slots[fd]);
    if (!c)
        abort(); /* its end would have settled it */
    if (c->awaits)
        c->awaits = awaited_forget(&s->awaited, c->io.fd, r->number);
    settle(s, r, c, OUTCOME_TIMEOUT);
}

void shard_receipt_end(struct shard *s, uint64_t number)
{
    struct shard_receipt *r = find_receipt(s, number);
    if (r) {
        for (size_t i = 0; i < r->words; i++)
            while (r->bits[i])
                is_late(s, r, i * BITS + (size_t)__builtin_ctzll(r->bits[i]));
        report(s, r);
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
