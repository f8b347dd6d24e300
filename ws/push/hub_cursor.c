/*
 * Clients that are to get what they missed. Each has a cursor for each such channel: it asks for the next
 * part when its queue has room (MAIL_MORE), the engine reads, and the part that ends at the head makes it
 * live in the same step. So there is no gap and no message twice, and no replay is larger than a queue.
 */
#include <stdlib.h>

#include "base/tally.h"
#include "push/hub_internal.h"

enum { PART_MESSAGES = 1000 };

struct cursor {
    struct list link;
    struct channel *channel;
    struct msg_id position; /* the client has what is up to there, or it is on its way */
};

struct catching {
    uint64_t client;
    struct list cursors; /* the next one first */
    UT_hash_handle hh;
};

static struct catching *find(const struct hub *h, const struct client *c)
{
    struct catching *catching;
    HASH_FIND(hh, h->catching, &c->number, sizeof c->number, catching);
    return catching;
}

static struct catching *need(struct hub *h, const struct client *c)
{
    struct catching *catching = find(h, c);
    if (catching)
        return catching;
    catching = calloc(1, sizeof *catching);
    if (!catching)
        abort();
    catching->client = c->number;
    list_init(&catching->cursors);
    tally_change(TALLY_subscriptions, 0, sizeof *catching);
    HASH_ADD(hh, h->catching, client, sizeof catching->client, catching);
    return catching;
}

static void free_if_done(struct hub *h, struct catching *catching)
{
    if (!list_empty(&catching->cursors))
        return;
    HASH_DEL(h->catching, catching);
    tally_change(TALLY_subscriptions, sizeof *catching, 0);
    free(catching);
}

static struct cursor *cursor_on(struct client *c, const struct channel *ch)
{
    struct cursor **cursor = client_cursor(c, ch);
    return cursor ? *cursor : NULL;
}

static void free_cursor(struct cursor *cursor)
{
    list_remove(&cursor->link);
    tally_change(TALLY_subscriptions, sizeof *cursor, 0);
    free(cursor);
}

void hub_add_cursor(struct hub *h, struct client *c, struct channel *ch, struct msg_id position)
{
    struct cursor *cursor = malloc(sizeof *cursor);
    if (!cursor)
        abort();
    *cursor = (struct cursor){.channel = ch, .position = position};
    list_init(&cursor->link);
    tally_change(TALLY_subscriptions, 0, sizeof *cursor);
    list_append(&need(h, c)->cursors, &cursor->link);
    *client_cursor(c, ch) = cursor;
    hub_post(h, c->conn.shard, (struct mail){.kind = MAIL_CATCH_UP, .conn = c->conn});
}

void hub_drop_cursor(struct hub *h, struct client *c, const struct channel *ch)
{
    struct cursor *cursor = cursor_on(c, ch);
    if (!cursor)
        return;
    free_cursor(cursor);
    free_if_done(h, find(h, c));
}

void hub_drop_cursors(struct hub *h, const struct client *c)
{
    struct catching *catching = h->catching ? find(h, c) : NULL;
    if (!catching)
        return;
    while (!list_empty(&catching->cursors))
        free_cursor(LIST_ENTRY(catching->cursors.next, struct cursor, link));
    free_if_done(h, catching);
}

/* ---- parts ---- */

/* How many bytes a byte of payload may become: JSON has six for a control byte, a stream seven for a line
 * end. */
static uint32_t swelling(const struct client *c)
{
    return c->transport == TRANSPORT_RAW ? 1 : 7;
}

static void post_part(struct hub *h, const struct client *c, struct msg *const *msgs, size_t count, bool more)
{
    struct replay *part = malloc(sizeof *part + count * sizeof(struct msg *));
    if (!part)
        abort();
    part->count = count;
    part->bytes = 0;
    for (size_t i = 0; i < count; i++) {
        msg_ref(msgs[i]);
        part->msgs[i] = msgs[i];
        part->bytes += msgs[i]->len;
    }
    atomic_fetch_add_explicit(&h->world->mail_bytes, part->bytes, memory_order_relaxed);
    h->loop->worked += part->bytes + count * 64;
    hub_post(h, c->conn.shard,
             (struct mail){.kind = MAIL_REPLAY, .conn = c->conn, .value = more, .ptr = part});
}

/* Whether the client has more to get than what this cursor is good for. */
static bool has_others(const struct catching *catching)
{
    return catching->cursors.next != catching->cursors.prev;
}

void hub_replay(struct hub *h, struct client *c, struct channel *ch, const struct excerpt *e)
{
    struct catching *catching = find(h, c);
    struct cursor *cursor = ch ? cursor_on(c, ch) : NULL;
    if (!cursor) { /* it left the channel meanwhile, and is to hear that it may ask again */
        post_part(h, c, NULL, 0, catching != NULL);
        return;
    }
    bool lost = e->result != READ_OK;
    bool done = lost || e->at_head;
    post_part(h, c, e->msgs, lost ? 0 : e->count, !done || has_others(catching));
    if (!done) {
        cursor->position = e->position;
        list_remove(&cursor->link); /* they take turns */
        list_append(&catching->cursors, &cursor->link);
        return;
    }
    free_cursor(cursor);
    free_if_done(h, catching);
    if (lost)
        hub_tell_reset(h, c, ch, e);
    hub_go_live(h, c, ch);
}

void hub_on_more(struct hub *h, const struct mail *mail)
{
    struct client *c = hub_find_client(h, mail->number);
    struct catching *catching = c && !c->gone && h->catching ? find(h, c) : NULL;
    if (!catching) {
        if (c && !c->gone)
            post_part(h, c, NULL, 0, false);
        return;
    }
    const struct cursor *cursor = LIST_ENTRY(catching->cursors.next, struct cursor, link);
    const struct channel *ch = cursor->channel;
    const struct reading r = {.channel = ch->name->text,
                              .channel_len = ch->name->len,
                              .hash = ch->hh.hashv,
                              .config = ch->config,
                              .from = FROM_AFTER,
                              .after = cursor->position,
                              .most = PART_MESSAGES,
                              .bytes = mail->value,
                              .swells = swelling(c),
                              .asker.fd = -1,
                              .client = c->number,
                              .subscription = client_subscription(c, ch)};
    h->engine_ops->read(h->engine, &r);
}
