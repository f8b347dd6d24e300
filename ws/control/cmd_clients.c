/* WS.LIST and WS.CLOSE: the connected browsers. */
#include <string.h>

#include "base/units.h"
#include "base/utf8.h"
#include "control/answers.h"
#include "control/dispatch.h"

enum { REASON_MAX = 123 }; /* RFC 6455 section 5.5: 125 bytes with the code */

/* The hub was asked about the target. One answer at a time: a list may be large, and those of a pipeline that
 * nobody reads must not pile up. */
static void await(struct session *s, enum hub_answer asked, const struct resp_arg *target)
{
    if (asked == HUB_NO_TARGET) {
        reply_no_target(s, target);
        return;
    }
    if (asked == HUB_NO_MEMORY) {
        resp_add_error(session_reply(s), "BUSY out of memory");
        return;
    }
    const struct slot *slot = session_expects(s);
    if (!s->in_exec)
        session_wait_briefly(s, slot);
}

static void run_list(struct session *s, const struct resp_request *r)
{
    struct target target;
    if (!may_list(s) || (r->argc == 2 && !arg_target(s, &r->argv[1], &target)))
        return;
    struct asker asker = session_asks(s, FORM_PLAIN);
    await(s, hub_list(s->control->hub, r->argc == 2 ? &target : NULL, asker), &r->argv[1]);
}

/* What an operator may say; the others are for the protocol itself to say. */
static bool code_ok(uint64_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1008 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static bool reason_ok(struct session *s, const struct resp_arg *arg, char out[REASON_MAX + 1])
{
    if (arg->len > REASON_MAX || utf8_check(arg->data, arg->len) >= 0 || memchr(arg->data, '\0', arg->len)) {
        resp_add_error(session_reply(s), "ERR a reason is UTF-8 text of at most %d bytes", REASON_MAX);
        return false;
    }
    memcpy(out, arg->data, arg->len);
    out[arg->len] = '\0';
    return true;
}

static void run_close(struct session *s, const struct resp_request *r)
{
    struct target target;
    uint64_t code = 1000;
    char reason[REASON_MAX + 1] = "";
    if (!arg_target(s, &r->argv[1], &target))
        return;
    if (r->argc > 2 && (units_number(r->argv[2].data, r->argv[2].len, &code) < 0 || !code_ok(code))) {
        resp_add_error(session_reply(s), "ERR a close code is 1000-1003, 1008-1014 or 3000-4999");
        return;
    }
    if (r->argc > 3 && !reason_ok(s, &r->argv[3], reason))
        return;
    struct asker asker = session_asks(s, FORM_PLAIN);
    await(s, hub_close_clients(s->control->hub, &target, (unsigned)code, reason, asker), &r->argv[1]);
}

const struct command commands_clients[] = {
    {"ws.list", 1, 2, "WS.LIST [target]", run_list, 0},
    {"ws.close", 2, 4, "WS.CLOSE target [code [reason]]", run_close, 0},
    {0},
};
