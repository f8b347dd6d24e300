/* WS.PRESENCE: who is on a channel. */
#include "control/answers.h"
#include "control/dispatch.h"

static void add_clients(struct buf *out, const struct present *p)
{
    resp_add_array(out, p->count);
    for (uint32_t i = 0; i < p->count; i++)
        answer_client_name(out, present_client(p, i)->number);
}

static void add_user(struct buf *out, int proto, const struct present *p)
{
    resp_add_map(out, proto, 3);
    resp_add_text(out, "user");
    resp_add_bulk(out, p->user->name->text, p->user->name->len);
    resp_add_text(out, "clients");
    add_clients(out, p);
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
    const struct presence *all = ch ? ch->presence : NULL;
    resp_add_array(out, presence_count(all));
    for (const struct present *p = all ? all->users : NULL; p; p = p->hh.next)
        add_user(out, s->proto, p);
}

const struct command commands_presence[] = {
    {"ws.presence", 2, 2, "WS.PRESENCE channel", run_presence, 0},
    {0},
};
