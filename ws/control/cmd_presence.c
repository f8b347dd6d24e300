/* WS.PRESENCE: who is on a channel. */
#include <stdlib.h>

#include "control/answers.h"
#include "control/dispatch.h"

static void add_clients(struct buf *out, const struct channel *ch, const struct presence *p)
{
    uint64_t *clients = malloc(p->clients * sizeof *clients);
    size_t count = clients ? hub_present(ch, p->user, clients, p->clients) : 0;
    resp_add_array(out, count);
    for (size_t i = 0; i < count; i++)
        answer_client_name(out, clients[i]);
    free(clients);
}

static void add_user(struct buf *out, int proto, const struct channel *ch, const struct presence *p)
{
    resp_add_map(out, proto, 3);
    resp_add_text(out, "user");
    resp_add_bulk(out, p->user->name->text, p->user->name->len);
    resp_add_text(out, "clients");
    add_clients(out, ch, p);
    resp_add_text(out, "since");
    resp_add_int(out, p->since);
}

static void run_presence(struct session *s, const struct resp_request *r)
{
    struct target target;
    if (!may_list(s) || !arg_target(s, &r->argv[1], &target))
        return;
    if (target.kind != TARGET_CHANNEL) {
        resp_add_error(session_reply(s), "ERR presence is a channel's: WS.PRESENCE channel");
        return;
    }
    const struct channel *ch = hub_find_channel(s->control->hub, target.name, target.name_len);
    struct buf *out = session_reply(s);
    resp_add_array(out, ch ? HASH_COUNT(ch->presence) : 0);
    for (const struct presence *p = ch ? ch->presence : NULL; p; p = p->hh.next)
        add_user(out, s->proto, ch, p);
}

const struct command commands_presence[] = {
    {"ws.presence", 2, 2, "WS.PRESENCE channel", run_presence, 0},
    {0},
};
