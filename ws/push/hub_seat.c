/* Who is on which channel, as the hub knows it. A client has a seat on its own channel; those of wspush.v1
 * may have others. */
#include <stdlib.h>

#include "base/tally.h"
#include "push/hub_internal.h"

uint32_t client_channel_count(const struct client *c)
{
    return 1 + (c->full ? full_client(c)->count : 0);
}

struct channel *client_channel(const struct client *c, uint32_t i, enum seat *seat)
{
    if (i == 0) {
        *seat = (enum seat)c->own;
        return c->channel;
    }
    const struct other_channel *other = &full_client(c)->others[i - 1];
    *seat = (enum seat)other->seat;
    return other->channel;
}

static uint32_t number_at(const void *others, uint32_t place)
{
    return ((const struct other_channel *)others)[place].channel->number;
}

static struct other_channel *find_other(const struct client *c, const struct channel *ch)
{
    const struct full_client *full = full_client(c);
    uint32_t at =
        full ? places_find(full->places, number_at, full->others, full->count, ch->number) : NO_PLACE;
    return at == NO_PLACE ? NULL : &full->others[at];
}

enum seat client_seat(const struct client *c, const struct channel *ch)
{
    if (c->channel == ch)
        return (enum seat)c->own;
    const struct other_channel *other = find_other(c, ch);
    return other ? (enum seat)other->seat : SEAT_NONE;
}

bool client_was_live_on(const struct client *c, const struct channel *ch, uint64_t question)
{
    if (c->channel == ch)
        return c->own == SEAT_LIVE && question > c->question;
    const struct other_channel *other = find_other(c, ch);
    return other && other->seat == SEAT_LIVE && question > other->question;
}

static void set_seat(const struct hub *h, struct client *c, struct channel *ch, enum seat seat)
{
    uint64_t question = seat == SEAT_BEHIND ? 0 : h->last_question; /* it has no cursor yet */
    if (c->channel == ch) {
        c->own = seat & 3u;
        c->question = question;
        return;
    }
    struct other_channel *other = find_other(c, ch);
    other->seat = seat & 3u;
    other->question = question;
}

uint32_t client_subscription(const struct client *c, const struct channel *ch)
{
    if (c->channel == ch)
        return c->full ? full_client(c)->own_subscription : 0;
    const struct other_channel *other = find_other(c, ch);
    return other ? other->subscription : 0;
}

struct channel *client_subscribed(struct hub *h, const struct client *c, uint32_t subscription,
                                  const char *name, size_t len)
{
    const struct full_client *full = full_client(c);
    if (subscription == (full ? full->own_subscription : 0))
        return c->channel;
    struct channel *ch = full ? hub_find_channel(h, name, len) : NULL;
    const struct other_channel *other = ch ? find_other(c, ch) : NULL;
    return other && other->subscription == subscription ? ch : NULL;
}

struct cursor **client_cursor(struct client *c, const struct channel *ch)
{
    if (c->channel == ch)
        return c->own == SEAT_BEHIND ? &c->cursor : NULL;
    struct other_channel *other = find_other(c, ch);
    return other && other->seat == SEAT_BEHIND ? &other->cursor : NULL;
}

void client_set_present(struct client *c, const struct channel *ch, uint32_t place)
{
    if (c->channel == ch)
        full_client(c)->own_present = place;
    else
        find_other(c, ch)->present = place & 0x3fffffffu;
}

uint32_t client_present(const struct client *c, const struct channel *ch)
{
    return c->channel == ch ? full_client(c)->own_present : find_other(c, ch)->present;
}

static void add_other(struct hub *h, struct client *c, struct channel *ch, uint32_t subscription)
{
    struct full_client *full = full_client(c);
    if (full->count == full->cap) {
        uint32_t cap = full->cap ? full->cap * 2 : 2;
        struct other_channel *others = realloc(full->others, cap * sizeof *others);
        if (!others)
            abort();
        tally_change(TALLY_subscriptions, full->cap * sizeof *others, cap * sizeof *others);
        full->others = others;
        full->cap = cap;
    }
    if (full->count == 0)
        list_append(&h->wanderers, &full->wandering);
    full->others[full->count++] =
        (struct other_channel){.channel = ch, .seat = SEAT_NONE, .subscription = subscription};
    places_add(&full->places, number_at, full->others, full->count);
    ch->members++;
}

void hub_want_seat(struct hub *h, struct client *c, struct channel *ch)
{
    if (!c->full)
        return;
    if (++h->last_subscription == 0) /* 0 is none */
        h->last_subscription = 1;
    if (c->channel == ch)
        full_client(c)->own_subscription = h->last_subscription;
    else
        add_other(h, c, ch, h->last_subscription);
}

void hub_take_seat(struct hub *h, struct client *c, struct channel *ch, enum seat seat)
{
    hub_note_moving(h, c);
    set_seat(h, c, ch, seat);
    ch->subscribers++;
    ch->behind += seat == SEAT_BEHIND;
    ch->per_shard[c->conn.shard]++;
}

void hub_go_live(struct hub *h, struct client *c, struct channel *ch)
{
    hub_note_moving(h, c);
    set_seat(h, c, ch, SEAT_LIVE);
    ch->behind--;
    hub_post(h, c->conn.shard, (struct mail){.kind = MAIL_LIVE, .conn = c->conn, .channel = ch->number});
}

static void give_up_seat(struct hub *h, struct client *c, struct channel *ch)
{
    enum seat seat = client_seat(c, ch);
    if (seat == SEAT_NONE)
        return;
    hub_drop_cursor(h, c, ch);
    set_seat(h, c, ch, SEAT_NONE);
    ch->subscribers--;
    ch->behind -= seat == SEAT_BEHIND;
    ch->per_shard[c->conn.shard]--;
    hub_leave_presence(h, c, ch);
}

static void remove_other(struct client *c, struct channel *ch)
{
    struct full_client *full = full_client(c);
    struct other_channel *other = find_other(c, ch);
    places_remove(full->places, number_at, full->others, full->count, (uint32_t)(other - full->others));
    *other = full->others[--full->count];
    ch->members--;
    if (full->count == 0)
        list_remove(&full->wandering);
}

void hub_leave_seat(struct hub *h, struct client *c, struct channel *ch)
{
    give_up_seat(h, c, ch);
    if (c->channel != ch)
        remove_other(c, ch);
    else if (c->full)
        full_client(c)->own_subscription = 0;
    hub_release_channel(h, ch);
}

void hub_leave_all(struct hub *h, struct client *c)
{
    struct full_client *full = full_client(c);
    while (full && full->count)
        hub_leave_seat(h, c, full->others[full->count - 1].channel);
    give_up_seat(h, c, c->channel);
    hub_drop_others(c);
}

void hub_drop_others(struct client *c)
{
    struct full_client *full = full_client(c);
    if (!full)
        return;
    tally_change(TALLY_subscriptions, full->cap * sizeof *full->others, 0);
    free(full->others);
    places_free(full->places);
    full->others = NULL;
    full->places = NULL;
    full->cap = 0;
}
