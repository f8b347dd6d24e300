/* WS.HISTORY: what a channel keeps, and how much it may. */
#include "base/units.h"
#include "control/answers.h"
#include "control/dispatch.h"

#define USAGE "WS.HISTORY channel [SINCE id] [COUNT n] | channel LIMITS"

static bool take_position(struct session *s, const struct resp_arg *arg, struct msg_id *out)
{
    bool good = msg_id_parse(arg->data, arg->len, out) == 0;
    if (!good)
        resp_add_error(session_reply(s), "ERR SINCE is followed by an id, such as 1795412345678-17");
    return good;
}

static bool take_count(struct session *s, const struct resp_arg *arg, uint32_t *out)
{
    uint64_t n;
    bool good = units_number(arg->data, arg->len, &n) == 0 && n > 0;
    if (good)
        *out = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
    else
        resp_add_error(session_reply(s), "ERR COUNT is a number of messages, 1 at least");
    return good;
}

static bool parse_wish(struct session *s, const struct resp_request *r, struct history_wish *out)
{
    *out = (struct history_wish){.most = UINT32_MAX};
    for (int i = 2; i < r->argc; i += 2) {
        bool has_value = i + 1 < r->argc;
        if (has_value && arg_is(&r->argv[i], "since")) {
            if (!take_position(s, &r->argv[i + 1], &out->after))
                return false;
        } else if (has_value && arg_is(&r->argv[i], "count")) {
            if (!take_count(s, &r->argv[i + 1], &out->most))
                return false;
        } else {
            reply_usage(s, USAGE);
            return false;
        }
    }
    return true;
}

static void show_limits(struct session *s, const struct target *channel)
{
    struct buf *out = session_reply(s);
    const struct channel_config *config =
        hub_place(s->control->hub, channel->name, channel->name_len)->config;
    resp_add_map(out, s->proto, 3);
    resp_add_text(out, "size");
    resp_add_int(out, (int64_t)config->history_size);
    resp_add_text(out, "bytes");
    resp_add_int(out, (int64_t)config->history_bytes);
    resp_add_text(out, "ttl");
    resp_add_int(out, config->history_ttl);
}

/* One answer at a time, as of WS.LIST: it may be as large as all that is kept. */
static void show_messages(struct session *s, const struct target *channel, const struct history_wish *wish)
{
    hub_history(s->control->hub, channel, wish, session_asks(s, FORM_PLAIN));
    const struct slot *slot = session_expects(s);
    if (!s->in_exec)
        session_wait_briefly(s, slot);
}

static void run_history(struct session *s, const struct resp_request *r)
{
    struct target channel;
    struct history_wish wish;
    if (!arg_target(s, &r->argv[1], &channel))
        return;
    if (channel.kind != TARGET_CHANNEL)
        resp_add_error(session_reply(s), "ERR a history belongs to a channel, such as test");
    else if (r->argc == 3 && arg_is(&r->argv[2], "limits"))
        show_limits(s, &channel);
    else if (parse_wish(s, r, &wish) && may_list(s))
        show_messages(s, &channel, &wish);
}

const struct command commands_history[] = {
    {"ws.history", 2, 6, USAGE, run_history, 0},
    {0},
};
