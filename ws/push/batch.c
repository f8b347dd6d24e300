#include "push/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "push/shard.h"

/* With more channels than this in a turn the others go by the queues: memory is bounded. */
enum { BATCHES_MAX = 64 };

static struct batch *batch_of(const struct shard *s, uint32_t channel)
{
    return channel < s->channel_count ? s->channels[channel].batch : NULL;
}

/* ---- the end of a batch ---- */

static void push_each(struct conn *c, struct batch *b)
{
    for (uint32_t i = 0; i < b->count; i++)
        conn_push(c, b->msgs[i]);
}

static void put_away(struct shard *s, struct batch *b)
{
    for (uint32_t i = 0; i < b->count; i++)
        msg_unref(b->msgs[i]);
    free(b->runs[TRANSPORT_V1].bytes);
    free(b->runs[TRANSPORT_SSE].bytes);
    if (s->spare_batch)
        free(b);
    else
        s->spare_batch = b;
}

/* Clients who end meanwhile find no batch to catch up with. */
static void end(struct shard *s, struct batch *b, void (*give)(struct conn *c, struct batch *b))
{
    struct shard_channel *ch = &s->channels[b->channel];
    ch->batch = NULL;
    s->mixed = s->mixed == b ? NULL : s->mixed;
    list_remove(&b->link);
    s->batch_count--;
    for (uint32_t i = 0; i < ch->count; i++)
        if (!shard_is_behind(ch->subscribers[i], b->channel))
            give(ch->subscribers[i], b);
    put_away(s, b);
}

bool batch_make_run(struct batch *b, struct websocket *ws, enum transport transport)
{
    struct run *run = &b->runs[transport];
    struct buf bytes = {0};
    bool made = true;
    for (uint32_t i = 0; made && i < b->count; i++) {
        const struct msg *form = msg_form(b->msgs[i], ws, transport);
        made = form != NULL;
        if (!made)
            break;
        buf_add(&bytes, msg_frame(form), msg_frame_len(form));
        run->longest = form->len > run->longest ? form->len : run->longest;
    }
    if (!made || buf_failed(&bytes)) {
        buf_fini(&bytes);
        return false;
    }
    run->bytes = bytes.data;
    run->len = bytes.len;
    return true;
}

static struct batch *oldest(const struct shard *s)
{
    return list_empty(&s->batches) ? NULL : LIST_ENTRY(s->batches.next, struct batch, link);
}

void batch_settle(struct shard *s, uint32_t channel)
{
    struct batch *b = batch_of(s, channel);
    if (b)
        end(s, b, push_each);
}

void batch_settle_mixed(struct shard *s, uint32_t channel)
{
    const struct batch *b = s->mixed;
    if (b && b->channel != channel && channel < s->channel_count && s->channels[channel].mixed)
        batch_settle(s, b->channel);
}

void batch_settle_all(struct shard *s)
{
    for (struct batch *b; (b = oldest(s)) != NULL;)
        end(s, b, push_each);
}

static void catch_up_with(struct conn *c, uint32_t channel)
{
    struct batch *b = batch_of(c->shard, channel);
    if (b && !c->too_slow &&
        !shard_is_behind(c, channel)) /* who loses what waits gets nothing behind the gap */
        push_each(c, b);
}

void batch_catch_up(struct conn *c)
{
    const struct batch *mixed = c->shard->mixed;
    catch_up_with(c, c->channel);
    if (mixed && mixed->channel != c->channel && shard_is_on(c, mixed->channel))
        catch_up_with(c, mixed->channel);
}

void batch_flush_all(struct shard *s)
{
    for (struct batch *b; (b = oldest(s)) != NULL;)
        end(s, b, conn_push_batch);
}

/* ---- its beginning ---- */

static struct batch *begin(struct shard *s, uint32_t channel)
{
    if (s->batch_count == BATCHES_MAX)
        return NULL;
    struct batch *b = s->spare_batch ? s->spare_batch : malloc(sizeof *b);
    if (!b)
        return NULL;
    s->spare_batch = NULL;
    s->batch_count++;
    list_append(&s->batches, &b->link);
    b->channel = channel;
    b->count = 0;
    for (int i = 0; i < TRANSPORTS; i++)
        b->runs[i] = (struct run){0};
    b->runs[TRANSPORT_RAW].bytes = b->bytes;
    s->channels[channel].batch = b;
    if (s->channels[channel].mixed)
        s->mixed = b;
    return b;
}

/* Its batch, with room for a frame. */
static struct batch *room_for(struct shard *s, uint32_t channel, size_t frame_len)
{
    struct batch *b = batch_of(s, channel);
    if (b && (b->count == BATCH_MESSAGES || b->runs[TRANSPORT_RAW].len + frame_len > BATCH_BYTES)) {
        end(s, b, conn_push_batch);
        b = NULL;
    }
    return b ? b : begin(s, channel);
}

bool batch_add(struct shard *s, uint32_t channel, struct msg *m)
{
    size_t frame_len = msg_frame_len(m);
    bool pays = channel < s->channel_count && s->channels[channel].count > 1 && frame_len <= BATCH_BYTES;
    struct batch *b = pays ? room_for(s, channel, frame_len) : NULL;
    if (!b) {
        batch_settle(s, channel);
        return false;
    }
    struct run *raw = &b->runs[TRANSPORT_RAW];
    memcpy(raw->bytes + raw->len, msg_frame(m), frame_len);
    raw->len += frame_len;
    raw->longest = m->len > raw->longest ? m->len : raw->longest;
    msg_ref(m);
    b->msgs[b->count++] = m;
    return true;
}
