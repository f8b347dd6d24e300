/*
 * Who is on a channel, as operators are told, and clients where the channel says so. A client that comes gets
 * the list at the end of the turn, so that all who come in one turn get the same message. What the list says
 * holds from its place on: notices before it are in it, those behind it are not (docs/why/presence.md).
 */
#include <stdlib.h>

#include "base/json.h"
#include "push/hub_internal.h"
#include "push/notice.h"

/* Clients of a user that the list names. */
enum { NAMED_CLIENTS = 10 };

/* Who is to get the list of a channel. */
struct untold {
    struct shared_name *channel;
    uint64_t client;
    uint32_t subscription; /* for an earlier one it is not */
};

/* ---- the list ---- */

static void add_row(struct buf *json, const struct present *p)
{
    buf_adds(json, "{\"user\":");
    json_add_string(json, p->user->name->text, p->user->name->len);
    buf_adds(json, ",\"clients\":[");
    for (uint32_t i = 0; i < p->count && i < NAMED_CLIENTS; i++) {
        buf_adds(json, i ? ",\"c" : "\"c");
        buf_addu(json, present_client(p, i)->number);
        buf_addc(json, '"');
    }
    buf_adds(json, "],\"since\":");
    buf_addu(json, (uint64_t)p->since);
    buf_addc(json, '}');
}

static void add_rows(struct buf *json, const struct presence *all)
{
    buf_addc(json, '[');
    for (const struct present *p = all ? all->users : NULL; p; p = p->hh.next) {
        if (p != all->users)
            buf_addc(json, ',');
        add_row(json, p);
    }
    buf_addc(json, ']');
}

static struct msg *make_list(const struct channel *ch)
{
    struct buf json = {0};
    buf_adds(&json, "{\"ch\":");
    json_add_string(&json, ch->name->text, ch->name->len);
    buf_adds(&json, ",\"users\":");
    if (ch->presence && ch->presence->crowded)
        buf_addf(&json, "null,\"count\":%u", presence_count(ch->presence));
    else
        add_rows(&json, ch->presence);
    buf_addc(&json, '}');
    struct msg *m = buf_failed(&json) ? NULL : msg_new_notice(NOTICE_PRESENCE, buf_str(&json), json.len);
    buf_fini(&json);
    return m;
}

/* Made anew if it has changed. NULL when there is no memory. One reference is the caller's. */
static struct msg *list_of(const struct channel *ch)
{
    struct presence *all = ch->presence;
    if (!all)
        return make_list(ch);
    if (!all->list)
        all->list = make_list(ch);
    if (all->list)
        msg_ref(all->list);
    return all->list;
}

static void forget_list(struct presence *all)
{
    if (!all)
        return;
    msg_unref(all->list);
    all->list = NULL;
}

void hub_tell_presence(struct hub *h, const struct client *c, const struct channel *ch)
{
    if (ch->config->presence == PRESENCE_OFF || c->transport == TRANSPORT_RAW)
        return;
    buf_add(&h->untold, &(struct untold){shared_name_ref(ch->name), c->number, client_subscription(c, ch)},
            sizeof(struct untold));
    if (buf_failed(&h->untold))
        abort();
}

static void tell_one(struct hub *h, const struct untold *u)
{
    const struct client *c = hub_find_client(h, u->client);
    const struct channel *ch =
        c && !c->gone ? client_subscribed(h, c, u->subscription, u->channel->text, u->channel->len) : NULL;
    if (ch && client_seat(c, ch) != SEAT_NONE)
        hub_tell(h, c, list_of(ch));
}

void hub_tell_lists(struct hub *h)
{
    const struct untold *all = (void *)h->untold.data;
    size_t count = h->untold.len / sizeof *all;
    for (size_t i = 0; i < count; i++) {
        tell_one(h, &all[i]);
        shared_name_unref(all[i].channel);
    }
    if (count)
        buf_fini(&h->untold);
}

void hub_drop_lists(struct hub *h)
{
    const struct untold *all = (void *)h->untold.data;
    for (size_t i = 0; i < h->untold.len / sizeof *all; i++)
        shared_name_unref(all[i].channel);
    buf_fini(&h->untold);
}

/* ---- who joins and who leaves ---- */

static void tell_channel(struct hub *h, const struct channel *ch, struct msg *take_m)
{
    for (uint32_t i = 0; take_m && i < h->shard_count; i++)
        if (ch->per_shard[i])
            hub_post_message(h, i, (struct mail){.scope = SCOPE_CHANNEL, .channel = ch->number}, take_m);
    h->loop->worked += ch->subscribers;
    msg_unref(take_m);
}

/* Whether they are too many now. Once they are, some have to leave first: each time that this changes
 * everybody is told, and so it is to change seldom. */
static bool is_crowded(const struct channel *ch, bool was)
{
    uint64_t most = ch->config->presence_users;
    uint64_t users = presence_count(ch->presence);
    return users > (was ? most - most / 4 : most);
}

static void show(const struct hub *h, const struct channel *ch, const struct user *user, enum notice what)
{
    enum sight_kind kind = what == NOTICE_JOIN ? SIGHT_JOINED : SIGHT_LEFT;
    const struct sight sight = {
        .kind = kind, .channel = ch->name->text, .channel_len = ch->name->len, .user = user};
    if (h->watched & kind)
        h->up.seen(h->up.arg, &sight);
}

/* Who looks on is told always, the channel's clients where `presence` is on. `user` NULL: only a client of
 * one has come or gone. */
static void tell_change(struct hub *h, const struct channel *ch, bool was_crowded, const struct user *user,
                        enum notice what)
{
    bool crowded = is_crowded(ch, was_crowded);
    if (ch->presence)
        ch->presence->crowded = crowded;
    forget_list(ch->presence);
    if (user && h->watched)
        show(h, ch, user, what);
    if (ch->config->presence == PRESENCE_OFF || !ch->subscribers)
        return;
    if (crowded != was_crowded)
        tell_channel(h, ch, list_of(ch));
    else if (user && !crowded)
        tell_channel(h, ch, notice_user(what, ch->name, user->name));
}

static bool was_crowded(const struct channel *ch)
{
    return ch->presence && ch->presence->crowded;
}

void hub_enter_presence(struct hub *h, struct client *c, struct channel *ch)
{
    struct user *user = client_user(c);
    bool was = was_crowded(ch);
    uint32_t place;
    if (!user)
        return;
    bool joins = presence_enter(&ch->presence, user, c, &place);
    client_set_present(c, ch, place);
    tell_change(h, ch, was, joins ? user : NULL, NOTICE_JOIN);
}

void hub_leave_presence(struct hub *h, const struct client *c, struct channel *ch)
{
    struct user *user = client_user(c);
    bool was = was_crowded(ch);
    uint32_t place = user ? client_present(c, ch) : 0;
    struct client *moved;
    if (!user)
        return;
    bool leaves = presence_leave(&ch->presence, user, place, &moved);
    if (moved)
        client_set_present(moved, ch, place);
    tell_change(h, ch, was, leaves ? user : NULL, NOTICE_LEAVE);
}
