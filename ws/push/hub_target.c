/* Whom a target means. */
#include <stdlib.h>

#include "base/glob.h"
#include "push/hub_internal.h"

/* What a look at a channel counts towards the work of a turn. */
enum { LOOK_WORK = 16 };

/* False when there is no memory. */
static bool add(struct recipients *out, uint32_t shard, struct crowd_member member)
{
    struct crowd *crowd = out->crowds[shard];
    uint32_t count = crowd ? crowd->count : 0;
    if ((count & (count - 1)) == 0) { /* full: room doubles */
        struct crowd *larger = realloc(crowd, sizeof *crowd + (count ? count * 2 : 1) * sizeof member);
        if (!larger)
            return false;
        out->crowds[shard] = crowd = larger;
        out->on[shard] = true;
    }
    crowd->members[count] = member;
    crowd->count = count + 1;
    return true;
}

static enum hub_answer resolve_user(const struct hub *h, const struct target *target, struct recipients *out)
{
    const struct user *u = users_find(h->users, target->name, target->name_len);
    out->scope = SCOPE_CROWD;
    for (const struct list *l = u ? u->clients.next : NULL; u && l != &u->clients; l = l->next) {
        const struct client *c = &LIST_ENTRY(l, struct full_client, of_user)->client;
        if (!c->registered)
            continue;
        if (!add(out, c->conn.shard, (struct crowd_member){.conn = c->conn}))
            return HUB_NO_MEMORY;
        out->count++;
    }
    return HUB_OK;
}

/* Adds a channel on each shard that has subscribers of it. */
static bool add_channel(const struct hub *h, const struct channel *ch, struct recipients *out)
{
    out->count += ch->subscribers - ch->behind;
    for (uint32_t i = 0; i < h->shard_count; i++)
        if (ch->per_shard[i] && !add(out, i, (struct crowd_member){.conn.fd = -1, .channel = ch->number}))
            return false;
    return true;
}

/* How often a client that is on several of the channels was counted too many. */
static uint32_t met_again(const struct hub *h, const struct client *c, const struct glob *glob)
{
    uint32_t met = 0;
    h->loop->worked += (size_t)client_channel_count(c) * LOOK_WORK;
    for (uint32_t i = 0; i < client_channel_count(c); i++) {
        enum seat seat;
        const struct channel *ch = client_channel(c, i, &seat);
        met += seat == SEAT_LIVE && glob_matches(glob, ch->name->text, ch->name->len);
    }
    return met ? met - 1 : 0;
}

static enum hub_answer resolve_match(const struct hub *h, const struct target *target, struct recipients *out)
{
    struct glob glob;
    out->scope = SCOPE_CROWD;
    glob_prepare(&glob, target->name, target->name_len);
    h->loop->worked += (size_t)HASH_COUNT(h->channels) * LOOK_WORK;
    for (const struct channel *ch = h->channels; ch; ch = ch->hh.next) {
        bool wanted = ch->subscribers && glob_matches(&glob, ch->name->text, ch->name->len);
        if (wanted && !add_channel(h, ch, out))
            return HUB_NO_MEMORY;
    }
    for (const struct list *l = h->wanderers.next; l != &h->wanderers; l = l->next)
        out->count -= met_again(h, &LIST_ENTRY(l, struct full_client, wandering)->client, &glob);
    return HUB_OK;
}

static enum hub_answer resolve_client(const struct hub *h, const struct target *target,
                                      struct recipients *out)
{
    if (!hub_client_was_given(h, target->client))
        return HUB_NO_TARGET;
    const struct client *c = client_table_find(&h->clients, target->client);
    out->scope = SCOPE_CLIENT;
    if (!c || c->gone || !c->registered)
        return HUB_OK;
    out->conn = c->conn;
    out->count = 1;
    out->on[c->conn.shard] = true;
    return HUB_OK;
}

static void resolve_channel(struct hub *h, const struct target *target, struct recipients *out)
{
    const struct channel *ch = hub_find_channel(h, target->name, target->name_len);
    out->scope = SCOPE_CHANNEL;
    if (!ch)
        return;
    out->channel = ch->number;
    out->count = ch->subscribers - ch->behind;
    for (uint32_t i = 0; i < h->shard_count; i++)
        out->on[i] = ch->per_shard[i] > 0;
}

static void resolve_all(const struct hub *h, struct recipients *out)
{
    out->scope = SCOPE_ALL;
    out->count = h->client_count;
    for (uint32_t i = 0; i < h->shard_count; i++)
        out->on[i] = h->clients_per_shard[i] > 0;
}

static enum hub_answer resolve(struct hub *h, const struct target *target, struct recipients *out)
{
    switch (target->kind) {
    case TARGET_CHANNEL: resolve_channel(h, target, out); break;
    case TARGET_CLIENT: return resolve_client(h, target, out);
    case TARGET_USER: return resolve_user(h, target, out);
    case TARGET_MATCH: return resolve_match(h, target, out);
    case TARGET_ALL: resolve_all(h, out); break;
    }
    return HUB_OK;
}

void hub_drop_recipients(const struct hub *h, struct recipients *to)
{
    for (uint32_t i = 0; i < h->shard_count; i++)
        free(to->crowds[i]);
}

enum hub_answer hub_resolve(struct hub *h, const struct target *target, struct recipients *out)
{
    *out = (struct recipients){0};
    enum hub_answer answer = resolve(h, target, out);
    if (answer != HUB_OK)
        hub_drop_recipients(h, out);
    return answer;
}

struct mail hub_addressed(struct recipients *to, uint32_t shard, struct mail mail)
{
    mail.scope = to->scope;
    mail.conn = to->conn;
    mail.channel = to->channel;
    mail.crowd = to->crowds[shard];
    to->crowds[shard] = NULL;
    return mail;
}
