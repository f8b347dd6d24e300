/* Who is on a channel, as operators are told, and clients where the channel says so. */
#include <stdlib.h>

#include "base/json.h"
#include "push/hub_internal.h"
#include "push/notice.h"

/* Who looks on is told always, the channel's clients where `presence` is on. */
static void tell_all(struct hub *h, const struct channel *ch, const struct user *user, enum notice what)
{
    if (h->watched) {
        enum sight_kind kind = what == NOTICE_JOIN ? SIGHT_JOINED : SIGHT_LEFT;
        const struct sight sight = {
            .kind = kind, .channel = ch->name->text, .channel_len = ch->name->len, .user = user};
        if (h->watched & kind)
            h->up.seen(h->up.arg, &sight);
    }
    if (ch->config->presence == PRESENCE_OFF || !ch->subscribers)
        return;
    struct msg *m = notice_user(what, ch->name, user->name);
    for (uint32_t i = 0; m && i < h->shard_count; i++)
        if (ch->per_shard[i])
            hub_post_message(h, i, (struct mail){.scope = SCOPE_CHANNEL, .channel = ch->number}, m);
    h->loop->worked += ch->subscribers;
    msg_unref(m);
}

void hub_enter_presence(struct hub *h, const struct client *c, struct channel *ch)
{
    struct user *user = client_user(c);
    if (user && presence_enter(&ch->presence, user))
        tell_all(h, ch, user, NOTICE_JOIN);
}

void hub_leave_presence(struct hub *h, const struct client *c, struct channel *ch)
{
    struct user *user = client_user(c);
    if (user && presence_leave(&ch->presence, user))
        tell_all(h, ch, user, NOTICE_LEAVE);
}

size_t hub_present(const struct channel *ch, const struct user *user, uint64_t *clients, size_t most)
{
    size_t count = 0;
    for (const struct list *l = user->clients.next; l != &user->clients; l = l->next) {
        const struct client *c = &LIST_ENTRY(l, struct full_client, of_user)->client;
        if (client_seat(c, ch) != SEAT_NONE && count < most)
            clients[count++] = c->number;
    }
    return count;
}

static void add_row(struct buf *json, const struct channel *ch, const struct presence *p)
{
    uint64_t *clients = malloc(p->clients * sizeof *clients);
    size_t count = clients ? hub_present(ch, p->user, clients, p->clients) : 0;
    buf_adds(json, "{\"user\":");
    json_add_string(json, p->user->name->text, p->user->name->len);
    buf_adds(json, ",\"clients\":[");
    for (size_t i = 0; i < count; i++) {
        buf_adds(json, i ? ",\"c" : "\"c");
        buf_addu(json, clients[i]);
        buf_addc(json, '"');
    }
    buf_adds(json, "],\"since\":");
    buf_addu(json, (uint64_t)p->since);
    buf_addc(json, '}');
    free(clients);
}

void hub_tell_presence(struct hub *h, const struct client *c, const struct channel *ch)
{
    struct buf json = {0};
    if (ch->config->presence == PRESENCE_OFF || c->transport == TRANSPORT_RAW)
        return;
    buf_adds(&json, "{\"ch\":");
    json_add_string(&json, ch->name->text, ch->name->len);
    buf_adds(&json, ",\"users\":[");
    for (const struct presence *p = ch->presence; p; p = p->hh.next) {
        if (p != ch->presence)
            buf_addc(&json, ',');
        add_row(&json, ch, p);
    }
    buf_adds(&json, "]}");
    h->loop->worked += json.len;
    if (!buf_failed(&json))
        hub_tell(h, c, msg_new_notice(NOTICE_PRESENCE, buf_str(&json), json.len));
    buf_fini(&json);
}
