/* A message comes to the clients that it is for. */
#include <stdlib.h>

#include "push/shard.h"

static void push_to(struct conn *c, void *arg)
{
    conn_push(c, arg);
}

static void settle_for_client(struct shard *s, struct conn_ref ref)
{
    const struct conn *c = s->batch_count ? conn_find(s, ref) : NULL;
    if (!c)
        return;
    if (c->channel != NO_CHANNEL)
        batch_settle(s, c->channel);
    if (s->mixed && shard_is_on(c, s->mixed->channel))
        batch_settle(s, s->mixed->channel);
}

void shard_settle(struct shard *s, const struct mail *mail)
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
        shard_each_client(s, mail, WALK_LIVE, shard_receipt_expect, r);
    shard_receipt_begin(s, m->receipt, r);
}

void shard_deliver(struct shard *s, const struct mail *mail)
{
    struct msg *m = mail->ptr;
    atomic_fetch_sub_explicit(&s->world->mail_bytes, m->len + crowd_size(mail->crowd), memory_order_relaxed);
    bool plain = mail->scope == SCOPE_CHANNEL && !m->receipt && !m->notice;
    if (mail->scope == SCOPE_CHANNEL)
        batch_settle_mixed(s, mail->channel);
    enum walk walk = m->notice ? WALK_ALL : WALK_LIVE; /* who comes and goes concerns those behind too */
    bool gathered = plain && batch_add(s, mail->channel, m);
    if (!gathered) {
        shard_settle(s, mail);
        if (m->receipt)
            begin_receipt(s, mail);
        shard_each_client(s, mail, walk, push_to, m);
    }
    msg_unref(m);
    free(mail->crowd);
}
