/* Which channels a client is on, and who is on a channel, at its shard. */
#include <stdlib.h>
#include <string.h>

#include "base/tally.h"
#include "push/shard.h"

static struct shard_channel *make_channel(struct shard *s, uint32_t number)
{
    if (number >= s->channel_count) {
        uint32_t count = s->channel_count ? s->channel_count : 64;
        while (count <= number)
            count *= 2;
        struct shard_channel *channels = realloc(s->channels, count * sizeof *channels);
        if (!channels)
            abort();
        for (uint32_t i = s->channel_count; i < count; i++)
            channels[i] = (struct shard_channel){0};
        tally_change(TALLY_tables, s->channel_count * sizeof *channels, count * sizeof *channels);
        s->channels = channels;
        s->channel_count = count;
    }
    return &s->channels[number];
}

static uint32_t number_at(const void *subscriptions, uint32_t place)
{
    return ((const struct conn_channel *)subscriptions)[place].channel;
}

static struct conn_channel *find_other(const struct conn *c, uint32_t channel)
{
    const struct conn_more *more = c->more;
    uint32_t at =
        more ? places_find(more->places, number_at, more->subscriptions, more->count, channel) : NO_PLACE;
    return at == NO_PLACE ? NULL : &more->subscriptions[at];
}

static void set_index(struct conn *c, uint32_t channel, uint32_t index)
{
    if (c->channel == channel)
        c->channel_index = index;
    else
        find_other(c, channel)->index = index;
}

bool shard_is_behind_on(const struct conn *c, uint32_t channel)
{
    if (c->channel == channel)
        return c->own_behind;
    const struct conn_channel *sub = find_other(c, channel);
    return sub && sub->behind;
}

static bool is_own(const struct conn *c, const struct shared_name *name)
{
    const struct shared_name *own = c->more ? c->more->own : NULL;
    return !own || (own->len == name->len && memcmp(own->text, name->text, own->len) == 0);
}

static void add_other(struct conn *c, uint32_t channel, uint32_t index, bool behind)
{
    struct conn_more *more = c->more;
    if (more->count == more->cap) {
        uint32_t cap = more->cap ? more->cap * 2 : 2;
        struct conn_channel *all = realloc(more->subscriptions, cap * sizeof *all);
        if (!all)
            abort();
        tally_change(TALLY_subscriptions, more->cap * sizeof *all, cap * sizeof *all);
        more->subscriptions = all;
        more->cap = cap;
    }
    more->subscriptions[more->count++] = (struct conn_channel){channel, index, behind};
    more->behind += behind;
    places_add(&more->places, number_at, more->subscriptions, more->count);
}

static void note_behind(struct conn *c)
{
    c->behind = (c->channel != NO_CHANNEL && c->own_behind) || (c->more && c->more->behind);
}

/* Of a client that is on several channels. */
static void mix(struct shard *s, const struct conn *c, struct shard_channel *ch)
{
    ch->mixed = true;
    if (c->channel == NO_CHANNEL)
        return;
    batch_settle(s, c->channel); /* it was gathered as if nobody was on others */
    s->channels[c->channel].mixed = true;
}

void shard_subscribe(struct shard *s, struct conn *c, uint32_t channel, struct shared_name *name, bool behind)
{
    struct shard_channel *ch = make_channel(s, channel);
    batch_settle(s, channel); /* it gets what is published from now on */
    if (ch->count == ch->cap) {
        uint32_t cap = ch->cap ? ch->cap * 2 : 1;
        struct conn **subscribers = realloc(ch->subscribers, cap * sizeof(struct conn *));
        if (!subscribers)
            abort();
        tally_change(TALLY_subscriptions, ch->cap * sizeof(struct conn *), cap * sizeof(struct conn *));
        ch->subscribers = subscribers;
        ch->cap = cap;
    }
    if (!ch->name)
        ch->name = shared_name_ref(name);
    if (is_own(c, name)) {
        c->channel = channel;
        c->channel_index = ch->count;
        c->own_behind = behind;
    } else {
        add_other(c, channel, ch->count, behind);
    }
    c->behind |= behind;
    ch->subscribers[ch->count++] = c;
    if (c->more && c->more->count)
        mix(s, c, ch);
}

/* Takes it out of the client's own record; returns where it was among the subscribers. */
static uint32_t forget_subscription(struct conn *c, uint32_t channel)
{
    if (c->channel == channel) {
        c->channel = NO_CHANNEL;
        return c->channel_index;
    }
    struct conn_more *more = c->more;
    struct conn_channel *sub = find_other(c, channel);
    uint32_t index = sub->index;
    more->behind -= sub->behind;
    places_remove(more->places, number_at, more->subscriptions, more->count,
                  (uint32_t)(sub - more->subscriptions));
    *sub = more->subscriptions[--more->count];
    return index;
}

bool shard_is_on(const struct conn *c, uint32_t channel)
{
    return c->channel == channel || find_other(c, channel);
}

void shard_go_live(struct conn *c, uint32_t channel)
{
    struct conn_channel *sub = c->channel == channel ? NULL : find_other(c, channel);
    if (sub) {
        c->more->behind -= sub->behind;
        sub->behind = false;
    } else {
        c->own_behind = false;
    }
    note_behind(c);
}

void shard_unsubscribe(struct shard *s, struct conn *c, uint32_t channel)
{
    struct shard_channel *ch = &s->channels[channel];
    if (ch->count == 0) /* who leaves is on it */
        abort();
    struct conn *last = ch->subscribers[--ch->count];
    uint32_t index = forget_subscription(c, channel);
    note_behind(c);
    if (last != c) {
        ch->subscribers[index] = last;
        set_index(last, channel, index);
    }
    if (ch->count == 0) {
        if (ch->batch) /* all have left or were settled before anybody leaves */
            abort();
        tally_change(TALLY_subscriptions, ch->cap * sizeof(struct conn *), 0);
        free(ch->subscribers);
        shared_name_unref(ch->name);
        *ch = (struct shard_channel){0};
    }
}

void shard_unsubscribe_all(struct shard *s, struct conn *c)
{
    while (c->more && c->more->count)
        shard_unsubscribe(s, c, c->more->subscriptions[c->more->count - 1].channel);
    if (c->channel != NO_CHANNEL)
        shard_unsubscribe(s, c, c->channel);
}
