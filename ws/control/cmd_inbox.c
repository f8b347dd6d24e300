/* WS.WAIT, WS.READ, WS.COUNT, WS.HAS: what clients have said. */
#include "control/answers.h"
#include "control/dispatch.h"

/* An inbox belongs to a channel; a client's messages are those of it that it sent. */
static bool inbox_target(struct session *s, const struct resp_arg *arg, struct target *out)
{
    if (!arg_target(s, arg, out))
        return false;
    bool has_inbox = out->kind == TARGET_CHANNEL || out->kind == TARGET_CLIENT;
    if (!has_inbox)
        resp_add_error(session_reply(s),
                       "ERR an inbox belongs to a channel, or to one client of it: test or @client:c42");
    return has_inbox;
}

/* The reply where it is known at once; *m is the message for HUB_OK. */
static void reply_read(struct session *s, enum hub_answer answer, struct inbox_msg *m,
                       const struct resp_arg *target)
{
    if (answer == HUB_NO_TARGET) {
        reply_no_target(s, target);
    } else if (answer == HUB_CLOSED) {
        answer_word(session_reply(s), "closed");
    } else {
        struct reply reply = {.session = s, .to = session_reply(s)};
        answer_message(reply.to, m);
        session_hand_over(&reply, m);
    }
}

static void run_read(struct session *s, const struct resp_request *r)
{
    struct target target;
    struct inbox_msg *m = NULL;
    if (!inbox_target(s, &r->argv[1], &target))
        return;
    enum hub_answer answer = hub_read(s->control->hub, &target, &m);
    if (answer == HUB_NONE)
        resp_add_null(session_reply(s), s->proto);
    else
        reply_read(s, answer, m, &r->argv[1]);
}

/* Inside MULTI nothing waits. */
static void wait_in_exec(struct session *s, const struct target *target, const struct resp_arg *arg)
{
    struct inbox_msg *m = NULL;
    enum hub_answer answer = hub_read(s->control->hub, target, &m);
    if (answer == HUB_NONE)
        answer_word(session_reply(s), "timeout");
    else
        reply_read(s, answer, m, arg);
}

static void run_wait(struct session *s, const struct resp_request *r)
{
    struct target target;
    struct inbox_msg *m = NULL;
    int64_t timeout = -1;
    if (r->argc != 2 && (r->argc != 4 || !arg_is(&r->argv[2], "timeout"))) {
        reply_usage(s, "WS.WAIT target [TIMEOUT ms]");
        return;
    }
    if (!inbox_target(s, &r->argv[1], &target) || (r->argc == 4 && !arg_ms(s, &r->argv[3], &timeout)))
        return;
    if (s->in_exec) {
        wait_in_exec(s, &target, &r->argv[1]);
        return;
    }
    enum hub_answer answer = hub_wait(s->control->hub, &target, timeout, session_asks(s, FORM_PLAIN), &m);
    if (answer == HUB_NONE)
        session_wait_for(s, session_expects(s));
    else
        reply_read(s, answer, m, &r->argv[1]);
}

static bool count(struct session *s, const struct resp_request *r, uint64_t *n)
{
    struct target target;
    if (!inbox_target(s, &r->argv[1], &target))
        return false;
    enum hub_answer answer = hub_count(s->control->hub, &target, n);
    if (answer == HUB_NO_TARGET)
        reply_no_target(s, &r->argv[1]);
    return answer != HUB_NO_TARGET;
}

static void run_count(struct session *s, const struct resp_request *r)
{
    uint64_t n;
    if (count(s, r, &n))
        resp_add_int(session_reply(s), (int64_t)n);
}

static void run_has(struct session *s, const struct resp_request *r)
{
    uint64_t n;
    if (count(s, r, &n))
        resp_add_int(session_reply(s), n > 0);
}

const struct command commands_inbox[] = {
    {"ws.wait", 2, 4, "WS.WAIT target [TIMEOUT ms]", run_wait, 0},
    {"ws.read", 2, 2, "WS.READ target", run_read, 0},
    {"ws.count", 2, 2, "WS.COUNT target", run_count, 0},
    {"ws.has", 2, 2, "WS.HAS target", run_has, 0},
    {0},
};
