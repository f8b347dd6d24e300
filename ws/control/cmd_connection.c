/* What Redis clients say about their own connection: HELLO PING ECHO QUIT RESET SELECT AUTH COMMAND CLIENT.
 */
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "control/dispatch.h"
#include "control/watch.h"

static void reply_ok(struct session *s)
{
    resp_add_simple(session_reply(s), "OK");
}

/* ---- names ---- */

static bool set_text(struct session *s, const struct resp_arg *arg, char out[SESSION_NAME_MAX + 1])
{
    for (size_t i = 0; i < arg->len; i++) {
        if (arg->data[i] <= ' ' || arg->data[i] > '~' || arg->len > SESSION_NAME_MAX) {
            resp_add_error(session_reply(s), "ERR a name has at most %d characters, without spaces",
                           SESSION_NAME_MAX);
            return false;
        }
    }
    memcpy(out, arg->data, arg->len);
    out[arg->len] = '\0';
    return true;
}

/* ---- HELLO ---- */

static void reply_hello(struct session *s)
{
    struct buf *out = session_reply(s);
    resp_add_map(out, s->proto, 7);
    resp_add_text(out, "server");
    resp_add_text(out, "wspush");
    resp_add_text(out, "version");
    resp_add_text(out, WSPUSH_VERSION);
    resp_add_text(out, "proto");
    resp_add_int(out, s->proto);
    resp_add_text(out, "id");
    resp_add_int(out, (int64_t)s->number);
    resp_add_text(out, "mode");
    resp_add_text(out, "standalone");
    resp_add_text(out, "role");
    resp_add_text(out, "master");
    resp_add_text(out, "modules");
    resp_add_array(out, 0);
}

static void reply_no_auth(struct session *s)
{
    resp_add_error(session_reply(s), "ERR there is no password: who may open the control socket may use it");
}

static void run_hello(struct session *s, const struct resp_request *r)
{
    int proto = s->proto;
    char name[SESSION_NAME_MAX + 1];
    strcpy(name, s->name);
    if (r->argc > 1) {
        if (!arg_is(&r->argv[1], "2") && !arg_is(&r->argv[1], "3")) {
            resp_add_error(session_reply(s), "NOPROTO unsupported protocol version; 2 and 3 are spoken here");
            return;
        }
        proto = r->argv[1].data[0] - '0';
    }
    for (int i = 2; i < r->argc; i++) {
        if (arg_is(&r->argv[i], "setname") && i + 1 < r->argc) {
            if (!set_text(s, &r->argv[++i], name))
                return;
        } else if (arg_is(&r->argv[i], "auth") && i + 2 < r->argc) {
            reply_no_auth(s);
            return;
        } else {
            reply_usage(s, "HELLO [2|3] [SETNAME name]");
            return;
        }
    }
    s->proto = proto;
    strcpy(s->name, name);
    reply_hello(s);
}

/* ---- small ones ---- */

static void run_ping(struct session *s, const struct resp_request *r)
{
    struct buf *out = session_reply(s);
    if (s->subscription_count && s->proto < 3) { /* as everything that a subscriber gets: an array */
        resp_add_array(out, 2);
        resp_add_text(out, "pong");
        resp_add_bulk(out, r->argc == 2 ? r->argv[1].data : "", r->argc == 2 ? r->argv[1].len : 0);
    } else if (r->argc == 2) {
        resp_add_bulk(out, r->argv[1].data, r->argv[1].len);
    } else {
        resp_add_simple(out, "PONG");
    }
}

static void run_echo(struct session *s, const struct resp_request *r)
{
    resp_add_bulk(session_reply(s), r->argv[1].data, r->argv[1].len);
}

static void run_quit(struct session *s, const struct resp_request *r)
{
    (void)r;
    reply_ok(s);
    s->closing = true;
}

static void run_reset(struct session *s, const struct resp_request *r)
{
    (void)r;
    session_reset_multi(s);
    watch_forget(s);
    s->proto = 2;
    s->name[0] = '\0';
    resp_add_simple(session_reply(s), "RESET");
}

static void run_select(struct session *s, const struct resp_request *r)
{
    if (arg_is(&r->argv[1], "0"))
        reply_ok(s);
    else
        resp_add_error(session_reply(s), "ERR there is only database 0");
}

static void run_auth(struct session *s, const struct resp_request *r)
{
    (void)r;
    reply_no_auth(s);
}

/* ---- COMMAND ---- */

static void count_row(void *arg, const struct command *c)
{
    (void)c;
    ++*(uint64_t *)arg;
}

/* [name, arity, flags, first key, last key, step]; arity as Redis counts it, negative for "at least". */
static void add_row(void *arg, const struct command *c)
{
    struct buf *out = arg;
    resp_add_array(out, 6);
    resp_add_text(out, c->name);
    resp_add_int(out, c->min_args == c->max_args ? c->min_args : -c->min_args);
    resp_add_array(out, 0);
    for (int i = 0; i < 3; i++)
        resp_add_int(out, 0);
}

static void run_command(struct session *s, const struct resp_request *r)
{
    uint64_t count = 0;
    dispatch_each(count_row, &count);
    if (r->argc > 1 && arg_is(&r->argv[1], "count")) {
        resp_add_int(session_reply(s), (int64_t)count);
    } else if (r->argc > 1) {
        resp_add_map(session_reply(s), s->proto, 0); /* DOCS and the like: help is in `wsctl help` */
    } else {
        struct buf *out = session_reply(s);
        resp_add_array(out, count);
        dispatch_each(add_row, out);
    }
}

/* ---- CLIENT: the control connections ---- */

static void add_session(struct buf *out, const struct session *s)
{
    buf_addf(out,
             "id=%llu name=%s lib-name=%s age=%lld pid=%d uid=%u resp=%d sub=%u multi=%d qbuf=%zu obl=%zu "
             "cmd=%s\n",
             (unsigned long long)s->number, s->name, s->library,
             (long long)(clock_mono_ms() - s->since) / 1000, (int)s->pid, (unsigned)s->uid, s->proto,
             (unsigned)s->subscription_count, s->in_multi ? s->queued_count : -1, s->in.len,
             s->out.len - s->out_sent, s->last_command);
}

static void client_list(struct session *s)
{
    struct buf text = {0};
    const struct list *all = &s->control->sessions;
    for (struct list *l = all->next; l != all; l = l->next)
        add_session(&text, LIST_ENTRY(l, struct session, all));
    resp_add_bulk(session_reply(s), text.data, text.len);
    buf_fini(&text);
}

static void client_info(struct session *s)
{
    struct buf text = {0};
    add_session(&text, s);
    resp_add_bulk(session_reply(s), text.data, text.len);
    buf_fini(&text);
}

/* CLIENT KILL ID n */
static void client_kill(struct session *s, const struct resp_request *r)
{
    uint64_t number;
    if (r->argc != 4 || !arg_is(&r->argv[2], "id") ||
        units_number(r->argv[3].data, r->argv[3].len, &number) < 0) {
        reply_usage(s, "CLIENT KILL ID n (control connections; WS.CLOSE closes browsers)");
        return;
    }
    int killed = 0;
    const struct list *all = &s->control->sessions;
    for (struct list *l = all->next; l != all; l = l->next) {
        struct session *other = LIST_ENTRY(l, struct session, all);
        if (other->number != number)
            continue;
        killed = 1;
        if (other == s)
            s->closing = true;
        else
            loop_want_reap(s->control->loop, &other->io);
    }
    resp_add_int(session_reply(s), killed);
}

static void client_set_info(struct session *s, const struct resp_request *r)
{
    char ignored[SESSION_NAME_MAX + 1];
    if (r->argc != 4)
        reply_usage(s, "CLIENT SETINFO LIB-NAME|LIB-VER value");
    else if (set_text(s, &r->argv[3], arg_is(&r->argv[2], "lib-name") ? s->library : ignored))
        reply_ok(s);
}

static void run_client(struct session *s, const struct resp_request *r)
{
    const struct resp_arg *what = &r->argv[1];
    if (arg_is(what, "setinfo")) {
        client_set_info(s, r);
    } else if (arg_is(what, "setname") && r->argc == 3) {
        if (set_text(s, &r->argv[2], s->name))
            reply_ok(s);
    } else if (arg_is(what, "getname")) {
        resp_add_text(session_reply(s), s->name);
    } else if (arg_is(what, "id")) {
        resp_add_int(session_reply(s), (int64_t)s->number);
    } else if (arg_is(what, "list")) {
        client_list(s);
    } else if (arg_is(what, "info")) {
        client_info(s);
    } else if (arg_is(what, "kill")) {
        client_kill(s, r);
    } else {
        reply_usage(s, "CLIENT ID|INFO|LIST|GETNAME|SETNAME name|SETINFO attribute value|KILL ID n");
    }
}

const struct command commands_connection[] = {
    {"hello", 1, 7, "HELLO [2|3] [SETNAME name]", run_hello, COMMAND_AT_ONCE | COMMAND_SECRET},
    {"ping", 1, 2, "PING [message]", run_ping, COMMAND_WATCHING},
    {"echo", 2, 2, "ECHO message", run_echo, 0},
    {"quit", 1, 1, "QUIT", run_quit, COMMAND_AT_ONCE | COMMAND_WATCHING},
    {"reset", 1, 1, "RESET", run_reset, COMMAND_AT_ONCE | COMMAND_WATCHING},
    {"select", 2, 2, "SELECT 0", run_select, 0},
    {"auth", 2, 3, "AUTH [user] password", run_auth, COMMAND_AT_ONCE | COMMAND_SECRET},
    {"command", 1, RESP_ARGS_MAX, "COMMAND [COUNT|DOCS]", run_command, 0},
    {"client", 2, 4, "CLIENT ID|INFO|LIST|GETNAME|SETNAME|SETINFO|KILL", run_client, 0},
    {0},
};
