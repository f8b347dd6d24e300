/* WS.REFUSED: who was not let in, why, and what would let them in. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "control/dispatch.h"
#include "push/refusals.h"

#define USAGE "WS.REFUSED [COUNT n]"
enum { COUNT_DEFAULT = 20 };

static void add_field(struct buf *out, const char *name, const char *value)
{
    resp_add_text(out, name);
    resp_add_text(out, value);
}

static void add_row(struct buf *out, int proto, const struct refusal *r)
{
    resp_add_map(out, proto, 7);
    resp_add_text(out, "time");
    resp_add_int(out, r->time);
    add_field(out, "address", r->address);
    add_field(out, "channel", r->channel);
    add_field(out, "what", r->what);
    add_field(out, "why", r->why);
    add_field(out, "remedy", r->remedy);
    resp_add_text(out, "times");
    resp_add_int(out, (int64_t)r->times);
}

static void show(struct session *s, size_t max)
{
    struct refusal *rows = malloc(REFUSALS_KEPT * sizeof *rows);
    if (!rows) {
        resp_add_error(session_reply(s), "BUSY out of memory");
        return;
    }
    size_t count = refusals_latest(s->control->hub->world->refusals, rows, max);
    resp_add_array(session_reply(s), count);
    for (size_t i = 0; i < count; i++)
        add_row(session_reply(s), s->proto, &rows[i]);
    free(rows);
}

/* ADD what address channel why remedy: of programs that refuse for us, as the responder does. */
static void add(struct session *s, const struct resp_arg *args)
{
    static const char *const kinds[] = {"ws", "sse", "post", NULL};
    struct refusal r = {.time = clock_wall_ms()};
    size_t kind = 0;
    while (kinds[kind] && !arg_is(&args[0], kinds[kind]))
        kind++;
    if (!kinds[kind]) {
        resp_add_error(session_reply(s),
                       "ERR expected: WS.REFUSED ADD ws|sse|post address channel why remedy");
        return;
    }
    strcpy(r.what, kinds[kind]);
    refusal_set(r.address, args[1].data, args[1].len);
    refusal_set(r.channel, args[2].data, args[2].len);
    refusal_set(r.why, args[3].data, args[3].len);
    refusal_set_remedy(&r, args[4].data, args[4].len);
    refusals_add(s->control->hub->world->refusals, &r);
    resp_add_simple(session_reply(s), "OK");
}

static void run_refused(struct session *s, const struct resp_request *r)
{
    uint64_t count = COUNT_DEFAULT;
    bool counted = r->argc == 3 && arg_is(&r->argv[1], "count");
    if (r->argc == 7 && arg_is(&r->argv[1], "add"))
        add(s, &r->argv[2]);
    else if (r->argc != 1 && !counted)
        reply_usage(s, USAGE);
    else if (counted && units_number(r->argv[2].data, r->argv[2].len, &count) < 0)
        resp_add_error(session_reply(s), "ERR COUNT is a number; %d are kept", REFUSALS_KEPT);
    else if (may_list(s))
        show(s, count < REFUSALS_KEPT ? (size_t)count : REFUSALS_KEPT);
}

const struct command commands_refused[] = {
    {"ws.refused", 1, 7, USAGE, run_refused, 0},
    {0},
};
