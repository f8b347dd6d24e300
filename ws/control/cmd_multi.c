/* MULTI, EXEC, DISCARD, as pipelines of Redis libraries use them: commands are queued and run one after
 * another without anything in between. Nothing is rolled back. */
#include <stdlib.h>

#include "control/dispatch.h"

static void run_multi(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (s->in_multi) {
        resp_add_error(session_reply(s), "ERR MULTI calls can not be nested");
        return;
    }
    s->queued = calloc(MULTI_MAX, sizeof *s->queued);
    if (!s->queued) {
        resp_add_error(session_reply(s), "BUSY out of memory");
        return;
    }
    s->in_multi = true;
    resp_add_simple(session_reply(s), "OK");
}

static void run_discard(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (!s->in_multi) {
        resp_add_error(session_reply(s), "ERR DISCARD without MULTI");
        return;
    }
    session_reset_multi(s);
    resp_add_simple(session_reply(s), "OK");
}

static void run_queued(struct session *s, const struct buf *b)
{
    struct resp_parser parser = {0};
    struct resp_request request;
    const char *fault;
    size_t taken;
    if (resp_parse(&parser, b->data, b->len, s->control->bulk_max, &taken, &request, &fault) !=
        RESP_REQUEST) {
        resp_add_error(session_reply(s), "BUSY out of memory");
        return;
    }
    const struct command *c = dispatch_find(s, &request);
    if (c)
        dispatch_run(s, c, &request);
}

static void run_exec(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (!s->in_multi) {
        resp_add_error(session_reply(s), "ERR EXEC without MULTI");
        return;
    }
    if (s->multi_faulty) {
        session_reset_multi(s);
        resp_add_error(session_reply(s), "EXECABORT Transaction discarded because of previous errors.");
        return;
    }
    s->in_multi = false;
    s->in_exec = true;
    s->lists = 0;
    resp_add_array(session_reply(s), (uint64_t)s->queued_count);
    for (int i = 0; i < s->queued_count; i++)
        run_queued(s, &s->queued[i]);
    s->in_exec = false;
    session_reset_multi(s);
    session_wait_for_all(s); /* of the last commands some may come late */
}

const struct command commands_multi[] = {
    {"multi", 1, 1, "MULTI", run_multi, COMMAND_AT_ONCE},
    {"exec", 1, 1, "EXEC", run_exec, COMMAND_AT_ONCE | COMMAND_PUBLISHES},
    {"discard", 1, 1, "DISCARD", run_discard, COMMAND_AT_ONCE},
    {0},
};
