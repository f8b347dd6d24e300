/* SUBSCRIBE, PSUBSCRIBE and their opposites, PUBSUB, MONITOR: operators who look on. */
#include "base/log.h"
#include "control/dispatch.h"
#include "control/watch.h"

/* A library that comes back asks with one command for all that it had. */
_Static_assert((int)RESP_ARGS_MAX > (int)SUBSCRIPTIONS_MAX, "a verb and all its names are one request");

/* ---- subscriptions ---- */

/* Inside MULTI every command has one reply; and between EXEC's nothing comes unasked. */
static bool refuse_in_exec(struct session *s)
{
    if (s->in_exec)
        resp_add_error(session_reply(s), "ERR nobody begins or ends to watch inside MULTI");
    return s->in_exec;
}

/* [what, name-or-null, subscriptions that are left] */
static void confirm(const struct session *s, struct buf *out, const char *what, const struct resp_arg *name)
{
    resp_add_push(out, s->proto, 3);
    resp_add_text(out, what);
    if (name)
        resp_add_bulk(out, name->data, name->len);
    else
        resp_add_null(out, s->proto);
    resp_add_int(out, s->subscription_count);
}

static void reply_bad_name(struct session *s, const struct resp_arg *name, const char *fault)
{
    char text[256];
    log_escape(text, sizeof text, name->data, name->len);
    resp_add_error(session_reply(s), "BADNAME '%s': %s", text, fault);
}

static bool may_be_watched(struct session *s, const struct resp_request *r, bool pattern)
{
    for (int i = 1; i < r->argc; i++) {
        const struct resp_arg *arg = &r->argv[i];
        const char *fault = (pattern ? watch_pattern_fault : watch_name_fault)(arg->data, arg->len);
        if (!fault)
            continue;
        reply_bad_name(s, arg, fault);
        return false;
    }
    return true;
}

static void add_all(struct session *s, const struct resp_request *r, bool pattern, struct buf *confirmed)
{
    for (int i = 1; i < r->argc; i++) {
        watch_add(s, pattern, r->argv[i].data, r->argv[i].len);
        confirm(s, confirmed, pattern ? "psubscribe" : "subscribe", &r->argv[i]);
    }
}

static void reply_with(struct session *s, const struct buf *text)
{
    struct buf *out = session_reply(s);
    buf_add(out, text->data, text->len);
    out->failed |= text->failed;
}

/* All of them can be watched, or none is. What there is already, or twice in the command, is nothing more. */
static void subscribe(struct session *s, const struct resp_request *r, bool pattern)
{
    uint32_t before = s->subscription_count;
    struct buf confirmed = {0};
    int most;
    if (refuse_in_exec(s) || !may_be_watched(s, r, pattern))
        return;
    add_all(s, r, pattern, &confirmed);
    const char *excess = watch_excess(s, &most);
    if (excess) {
        watch_take_back(s, before);
        resp_add_error(session_reply(s), "ERR at most %d %s", most, excess);
    } else {
        reply_with(s, &confirmed);
        session_wait_for_all(s);
    }
    buf_fini(&confirmed);
}

static void run_subscribe(struct session *s, const struct resp_request *r)
{
    subscribe(s, r, false);
}

static void run_psubscribe(struct session *s, const struct resp_request *r)
{
    subscribe(s, r, true);
}

static void unsubscribe_name(struct session *s, const char *name, size_t len)
{
    watch_remove(s, false, name, len);
    confirm(s, session_reply(s), "unsubscribe", &(struct resp_arg){name, len});
}

static void unsubscribe_pattern(struct session *s, const char *name, size_t len)
{
    watch_remove(s, true, name, len);
    confirm(s, session_reply(s), "punsubscribe", &(struct resp_arg){name, len});
}

/* Without names: all of them; one confirmation comes even where there is none. */
static void unsubscribe(struct session *s, const struct resp_request *r, bool pattern)
{
    void (*one)(struct session * s, const char *name, size_t len) =
        pattern ? unsubscribe_pattern : unsubscribe_name;
    uint32_t before = s->subscription_count;
    if (refuse_in_exec(s))
        return;
    for (int i = 1; i < r->argc; i++)
        one(s, r->argv[i].data, r->argv[i].len);
    if (r->argc == 1)
        watch_each_of(s, pattern, one);
    if (r->argc == 1 && s->subscription_count == before)
        confirm(s, session_reply(s), pattern ? "punsubscribe" : "unsubscribe", NULL);
    session_wait_for_all(s);
}

static void run_unsubscribe(struct session *s, const struct resp_request *r)
{
    unsubscribe(s, r, false);
}

static void run_punsubscribe(struct session *s, const struct resp_request *r)
{
    unsubscribe(s, r, true);
}

/* ---- PUBSUB: who watches what ---- */

struct listing {
    const struct resp_arg *pattern; /* NULL: all */
    uint64_t count;
    struct buf names;
};

static void add_name(void *arg, const char *name, size_t len)
{
    struct listing *l = arg;
    if (l->pattern && !watch_matches(l->pattern->data, l->pattern->len, name, len))
        return;
    l->count++;
    resp_add_bulk(&l->names, name, len);
}

static void pubsub_channels(struct session *s, const struct resp_arg *pattern)
{
    struct listing l = {.pattern = pattern};
    const char *fault = pattern ? watch_pattern_fault(pattern->data, pattern->len) : NULL;
    if (fault) {
        reply_bad_name(s, pattern, fault);
        return;
    }
    watch_each_name(&s->control->watch, add_name, &l);
    struct buf *out = session_reply(s);
    resp_add_array(out, l.count);
    buf_add(out, l.names.data, l.names.len);
    out->failed |= l.names.failed;
    buf_fini(&l.names);
}

static void pubsub_numsub(struct session *s, const struct resp_request *r)
{
    struct buf *out = session_reply(s);
    resp_add_array(out, ((uint64_t)r->argc - 2) * 2);
    for (int i = 2; i < r->argc; i++) {
        resp_add_bulk(out, r->argv[i].data, r->argv[i].len);
        resp_add_int(out, watch_count(&s->control->watch, r->argv[i].data, r->argv[i].len));
    }
}

static const char pubsub_usage[] = "PUBSUB CHANNELS [glob]|NUMSUB [name ...]|NUMPAT";

static void run_pubsub(struct session *s, const struct resp_request *r)
{
    if (arg_is(&r->argv[1], "channels") && r->argc <= 3) {
        if (may_list(s))
            pubsub_channels(s, r->argc == 3 ? &r->argv[2] : NULL);
    } else if (arg_is(&r->argv[1], "numsub")) {
        pubsub_numsub(s, r);
    } else if (arg_is(&r->argv[1], "numpat") && r->argc == 2) {
        resp_add_int(session_reply(s), watch_patterns(&s->control->watch));
    } else {
        reply_usage(s, pubsub_usage);
    }
}

/* ---- MONITOR ---- */

static void run_monitor(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (refuse_in_exec(s))
        return;
    resp_add_simple(session_reply(s), "OK");
    list_remove(&s->monitoring);
    list_append(&s->control->watch.monitors, &s->monitoring);
    s->watches = true;
    session_wait_for_all(s);
}

const struct command commands_watch[] = {
    {"subscribe", 2, RESP_ARGS_MAX, "SUBSCRIBE channel|@in:channel|@events:channel ...", run_subscribe,
     COMMAND_WATCHING},
    {"psubscribe", 2, RESP_ARGS_MAX, "PSUBSCRIBE glob ...", run_psubscribe, COMMAND_WATCHING},
    {"unsubscribe", 1, RESP_ARGS_MAX, "UNSUBSCRIBE [channel ...]", run_unsubscribe, COMMAND_WATCHING},
    {"punsubscribe", 1, RESP_ARGS_MAX, "PUNSUBSCRIBE [glob ...]", run_punsubscribe, COMMAND_WATCHING},
    {"pubsub", 2, RESP_ARGS_MAX, pubsub_usage, run_pubsub, 0},
    {"monitor", 1, 1, "MONITOR", run_monitor, 0},
    {0},
};
