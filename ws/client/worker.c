/* What the worker itself is asked to do: WS.DRAIN, WS.RELOAD. */
#include "client/handle.h"

enum wspush_result wspush_drain(struct wspush *h, int64_t ms, int64_t *asked)
{
    char digits[24];
    struct arg args[] = {arg_text("WS.DRAIN"), arg_text("FOR"), arg_number(digits, ms < 0 ? 0 : ms)};
    enum wspush_result result = call(h, args, ms < 0 ? 1 : 3, 0);
    if (result != WSPUSH_OK)
        return result;
    if (!reply_is(h->reply, REDIS_REPLY_INTEGER))
        return call_odd_reply(h, "WS.DRAIN");
    if (asked)
        *asked = h->reply->integer;
    return WSPUSH_OK;
}

enum wspush_result wspush_reload(struct wspush *h, bool dry_run, size_t *rows)
{
    struct arg args[] = {arg_text("WS.RELOAD"), arg_text("DRYRUN")};
    return call_for_rows(h, "WS.RELOAD", args, dry_run ? 2 : 1, rows);
}
