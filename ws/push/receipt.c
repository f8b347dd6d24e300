#include "push/receipt.h"

#include <stdlib.h>

#include "base/glob.h"
#include "push/hub.h"

struct receipt *receipt_new(uint32_t shard_count)
{
    struct receipt *r = calloc(1, sizeof *r + shard_count * sizeof r->shards[0]);
    if (!r)
        abort();
    r->shard_count = shard_count;
    return r;
}

void receipt_free(struct receipt *r)
{
    shared_name_unref(r->name);
    free(r->failures);
    free(r);
}

void receipt_fail(struct receipt *r, const struct failure *failures, size_t count)
{
    struct failure *all = realloc(r->failures, (r->failure_count + count) * sizeof *all);
    if (!all)
        return;
    memcpy(all + r->failure_count, failures, count * sizeof *failures);
    r->failures = all;
    r->failure_count += count;
}

static bool is_named(const struct client *c, const struct shared_name *name)
{
    const struct user *u = client_user(c);
    return u && u->name->len == name->len && memcmp(u->name->text, name->text, name->len) == 0;
}

static bool is_wanted(const struct receipt *r, const struct channel *ch)
{
    return r->kind == TARGET_CHANNEL ? r->channel == ch->number
                                     : glob_match(r->name->text, r->name->len, ch->name->text, ch->name->len);
}

static bool is_on_wanted(const struct receipt *r, const struct client *c)
{
    for (uint32_t i = 0; i < client_channel_count(c); i++) {
        enum seat seat;
        const struct channel *ch = client_channel(c, i, &seat);
        if (is_wanted(r, ch) && client_was_live_on(c, ch, r->number))
            return true;
    }
    return false;
}

static bool is_recipient(const struct receipt *r, const struct client *c)
{
    bool was_there = r->number > c->question;
    switch (r->kind) {
    case TARGET_CHANNEL:
    case TARGET_MATCH: return is_on_wanted(r, c);
    case TARGET_CLIENT: return was_there && r->client == c->number;
    case TARGET_USER: return was_there && is_named(c, r->name);
    case TARGET_ALL: return was_there;
    }
    return false;
}

void receipt_on_gone(struct receipt *r, uint32_t shard, const struct client *c)
{
    if (r->shards[shard].awaited && !r->shards[shard].begun && is_recipient(r, c))
        receipt_fail(r, &(struct failure){c->number, OUTCOME_CLOSED}, 1);
}

/* Less than was counted on, perhaps: who left the channel, or came behind the message, and then went. */
static bool has_said_all(const struct receipt_shard *shard)
{
    return shard->ended || (shard->begun && shard->pending == 0);
}

bool receipt_complete(const struct receipt *r)
{
    if (r->reached + r->failure_count >= r->recipients)
        return true;
    for (uint32_t i = 0; i < r->shard_count; i++)
        if (r->shards[i].awaited && !has_said_all(&r->shards[i]))
            return false;
    return true;
}
