#include "control/dispatch.h"

#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/name.h"
#include "base/units.h"
#include "control/monitor.h"

enum { FAMILIES = 11, SHOWN_MAX = 64 };

static const struct command *const families[FAMILIES] = {
    commands_send,    commands_inbox,  commands_history,    commands_clients,
    commands_refused, commands_worker, commands_connection, commands_info,
    commands_multi,   commands_watch,  commands_presence};

bool arg_is(const struct resp_arg *arg, const char *word)
{
    return arg->len == strlen(word) && strncasecmp(arg->data, word, arg->len) == 0;
}

bool may_list(struct session *s)
{
    if (!s->in_exec || ++s->lists <= LISTS_IN_MULTI)
        return true;
    resp_add_error(
        session_reply(s),
        "ERR MULTI takes at most %d of WS.LIST, WS.HISTORY, WS.REFUSED, WS.RELOAD and PUBSUB CHANNELS",
        LISTS_IN_MULTI);
    return false;
}

static const char *shown(char out[SHOWN_MAX * 4], const struct resp_arg *arg)
{
    return log_escape(out, SHOWN_MAX * 4, arg->data, arg->len < SHOWN_MAX ? arg->len : SHOWN_MAX);
}

void dispatch_each(void (*visit)(void *arg, const struct command *command), void *arg)
{
    for (size_t i = 0; i < FAMILIES; i++)
        for (const struct command *c = families[i]; c->name; c++)
            visit(arg, c);
}

static const struct command *search_row(const struct resp_arg *name)
{
    for (size_t i = 0; i < FAMILIES; i++)
        for (const struct command *c = families[i]; c->name; c++)
            if (arg_is(name, c->name))
                return c;
    return NULL;
}

static const struct command *find_row(const struct session *s, const struct resp_arg *name)
{
    struct spelling *last = &s->control->last_name;
    if (last->command && name->len == last->len && memcmp(name->data, last->name, name->len) == 0)
        return last->command;
    const struct command *c = search_row(name);
    if (c && name->len <= sizeof last->name) {
        *last = (struct spelling){c, name->len, {0}};
        memcpy(last->name, name->data, name->len);
    }
    return c;
}

void reply_usage(struct session *s, const char *usage)
{
    resp_add_error(session_reply(s), "ERR usage: %s", usage);
}

const struct command *dispatch_find(struct session *s, const struct resp_request *r)
{
    char text[SHOWN_MAX * 4];
    const struct command *c = find_row(s, &r->argv[0]);
    if (!c) {
        resp_add_error(session_reply(s),
                       "ERR unknown command '%s'; PUBLISH and WS.SEND send, COMMAND lists all",
                       shown(text, &r->argv[0]));
        return NULL;
    }
    if (r->argc < c->min_args || r->argc > c->max_args) {
        resp_add_error(session_reply(s), "ERR wrong number of arguments for '%s'; usage: %s", c->name,
                       c->usage);
        return NULL;
    }
    return c;
}

void dispatch_run(struct session *s, const struct command *command, const struct resp_request *r)
{
    s->control->commands_total++;
    s->last_command = command->name;
    if (!list_empty(&s->control->watch.monitors))
        monitor_show(s, command, r);
    command->run(s, r);
}

bool dispatch_publishes(const struct session *s, const struct resp_request *r)
{
    const struct command *c = find_row(s, &r->argv[0]);
    return c && c->flags & COMMAND_PUBLISHES && (!s->in_multi || c->flags & COMMAND_AT_ONCE);
}

/* Kept as it came, so that EXEC parses it as if it came now. */
static void queue(struct session *s, const struct resp_request *r)
{
    struct buf *b = &s->queued[s->queued_count++];
    buf_init(b);
    resp_add_array(b, (uint64_t)r->argc);
    for (int i = 0; i < r->argc; i++)
        resp_add_bulk(b, r->argv[i].data, r->argv[i].len);
    resp_add_simple(session_reply(s), "QUEUED");
}

static size_t queued_bytes(const struct session *s)
{
    size_t n = 0;
    for (int i = 0; i < s->queued_count; i++)
        n += s->queued[i].len;
    return n;
}

static void queue_or_refuse(struct session *s, const struct resp_request *r)
{
    if (s->queued_count == MULTI_MAX || queued_bytes(s) > 2 * s->control->bulk_max) {
        s->multi_faulty = true;
        resp_add_error(session_reply(s), "ERR MULTI takes at most %d commands and %zu bytes", MULTI_MAX,
                       2 * s->control->bulk_max);
        return;
    }
    queue(s, r);
}

/* In RESP2 a reply can't be told from what comes unasked; among the lines of MONITOR never. */
static bool is_out_of_place(const struct session *s, const struct command *c)
{
    return s->watches && !(c->flags & COMMAND_WATCHING) && (s->proto < 3 || list_linked(&s->monitoring));
}

static void refuse_out_of_place(struct session *s, const struct command *c)
{
    resp_add_error(
        session_reply(s),
        "ERR Can't execute '%s': only (P)SUBSCRIBE / (P)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
        "in this context",
        c->name);
}

void dispatch(struct session *s, const struct resp_request *r)
{
    const struct command *c = dispatch_find(s, r);
    if (!c)
        s->multi_faulty |= s->in_multi;
    else if (is_out_of_place(s, c))
        refuse_out_of_place(s, c);
    else if (s->in_multi && !(c->flags & COMMAND_AT_ONCE))
        queue_or_refuse(s, r);
    else
        dispatch_run(s, c, r);
}

/* ---- arguments ---- */

bool arg_target(struct session *s, const struct resp_arg *arg, struct target *out)
{
    char text[SHOWN_MAX * 4];
    if (hub_knows(s->control->hub, arg->data, arg->len)) {
        *out = (struct target){.kind = TARGET_CHANNEL, .name = arg->data, .name_len = arg->len};
        return true;
    }
    const char *fault = target_parse(arg->data, arg->len, out);
    if (fault)
        resp_add_error(session_reply(s), "BADNAME '%s': %s", shown(text, arg), fault);
    return !fault;
}

bool arg_ms(struct session *s, const struct resp_arg *arg, int64_t *out)
{
    char text[SHOWN_MAX * 4];
    uint64_t n;
    if (units_number(arg->data, arg->len, &n) == 0 && n <= UINT64_C(10) * 366 * 86400000) {
        *out = (int64_t)n;
        return true;
    }
    resp_add_error(session_reply(s), "ERR '%s': expected a whole number of milliseconds, at most ten years",
                   shown(text, arg));
    return false;
}

void reply_no_target(struct session *s, const struct resp_arg *arg)
{
    char text[SHOWN_MAX * 4];
    resp_add_error(session_reply(s), "NOTARGET '%s': no such client ever was", shown(text, arg));
}
