/* WS.DRAIN and WS.RELOAD: the worker itself. */
#include <stdlib.h>

#include "control/dispatch.h"

/* ---- WS.DRAIN ---- */

enum { DRAIN_MAX_MS = 24 * 3600 * 1000 };

static const char drain_usage[] = "WS.DRAIN [FOR ms]";

static bool drain_time(struct session *s, const struct resp_request *r, int64_t *ms)
{
    *ms = s->control->hub->config->drain_time;
    if (r->argc == 1)
        return true;
    if (r->argc != 3 || !arg_is(&r->argv[1], "for")) {
        reply_usage(s, drain_usage);
        return false;
    }
    if (!arg_ms(s, &r->argv[2], ms))
        return false;
    if (*ms > DRAIN_MAX_MS)
        resp_add_error(session_reply(s), "ERR FOR is at most a day, %d ms", DRAIN_MAX_MS);
    return *ms <= DRAIN_MAX_MS;
}

static void run_drain(struct session *s, const struct resp_request *r)
{
    struct hub *hub = s->control->hub;
    int64_t ms;
    if (!drain_time(s, r, &ms))
        return;
    if (hub->going_away) {
        resp_add_error(session_reply(s), "ERR the worker is going away already");
        return;
    }
    struct asker asker = session_asks(s, FORM_PLAIN);
    bool for_0 = r->argc > 1 && ms == 0;
    if (for_0)
        hub_end_drain(hub, asker);
    else
        hub_drain(hub, ms, false, asker);
    const struct slot *slot = session_expects(s);
    if (!s->in_exec)
        session_wait_briefly(s, slot);
}

/* ---- WS.RELOAD ---- */

/* What an operator is told when all threads go by the configuration. */
struct reload {
    struct list link;
    struct asker asker;
    struct changes changes;
};

static void add_value(struct buf *out, int proto, const char *name, const char *value)
{
    resp_add_text(out, name);
    if (value)
        resp_add_text(out, value);
    else
        resp_add_null(out, proto);
}

static void add_changes(struct buf *out, int proto, const struct changes *changes)
{
    resp_add_array(out, changes->count);
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *c = &changes->items[i];
        resp_add_map(out, proto, 5);
        add_value(out, proto, "option", c->option);
        add_value(out, proto, "channel", c->section);
        add_value(out, proto, "old", c->was);
        add_value(out, proto, "new", c->is);
        add_value(out, proto, "applies", change_applies_name(c->applies));
    }
}

void control_reloaded(struct control *c)
{
    while (!list_empty(&c->reloads)) {
        struct reload *reload = LIST_ENTRY(c->reloads.next, struct reload, link);
        struct reply reply;
        if (session_answer(c, reload->asker, &reply)) {
            add_changes(reply.to, reply.session->proto, &reload->changes);
            session_answered(&reply);
        }
        list_remove(&reload->link);
        changes_free(&reload->changes);
        free(reload);
    }
}

static void look(struct session *s)
{
    const struct control_host *host = &s->control->host;
    struct changes changes;
    char why[512];
    if (host->reload(host->arg, true, &changes, why, sizeof why) < 0) {
        resp_add_error(session_reply(s), "ERR %s", why);
        return;
    }
    add_changes(session_reply(s), s->proto, &changes);
    changes_free(&changes);
}

static void reload(struct session *s)
{
    const struct control_host *host = &s->control->host;
    char why[512];
    struct reload *reload = calloc(1, sizeof *reload);
    if (!reload)
        abort();
    if (host->reload(host->arg, false, &reload->changes, why, sizeof why) < 0) {
        resp_add_error(session_reply(s), "ERR %s", why);
        free(reload);
        return;
    }
    reload->asker = session_asks(s, FORM_PLAIN);
    list_init(&reload->link);
    list_append(&s->control->reloads, &reload->link);
    const struct slot *slot = session_expects(s);
    if (!s->in_exec)
        session_wait_briefly(s, slot);
}

static const char reload_usage[] = "WS.RELOAD [DRYRUN]";

static void run_reload(struct session *s, const struct resp_request *r)
{
    bool dry = r->argc == 2;
    if (dry && !arg_is(&r->argv[1], "dryrun"))
        reply_usage(s, reload_usage);
    else if (may_list(s))
        (dry ? look : reload)(s);
}

const struct command commands_worker[] = {
    {"ws.drain", 1, 3, drain_usage, run_drain, 0},
    {"ws.reload", 1, 2, reload_usage, run_reload, 0},
    {0},
};
