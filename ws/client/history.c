/* WS.HISTORY: what a channel keeps. */
#include "client/handle.h"

#include <string.h>

/* id, "text" or "binary", payload, time */
enum { ID, TYPE, PAYLOAD, TIME, PARTS };

static bool are_messages(const redisReply *r)
{
    if (!reply_is(r, REDIS_REPLY_ARRAY))
        return false;
    for (size_t i = 0; i < r->elements; i++) {
        const redisReply *m = r->element[i];
        if (!reply_is(m, REDIS_REPLY_ARRAY) || m->elements < PARTS ||
            !reply_is(m->element[ID], REDIS_REPLY_STRING) ||
            !reply_is(m->element[TYPE], REDIS_REPLY_STRING) ||
            !reply_is(m->element[PAYLOAD], REDIS_REPLY_STRING) ||
            !reply_is(m->element[TIME], REDIS_REPLY_INTEGER))
            return false;
    }
    return true;
}

enum wspush_result wspush_history(struct wspush *h, const char *channel, const char *since, int64_t count,
                                  size_t *messages)
{
    char digits[24];
    struct arg args[6] = {arg_text("WS.HISTORY"), arg_text(channel)};
    size_t n = 2;
    if (since) {
        args[n++] = arg_text("SINCE");
        args[n++] = arg_text(since);
    }
    if (count > 0) {
        args[n++] = arg_text("COUNT");
        args[n++] = arg_number(digits, count);
    }
    enum wspush_result result = call(h, args, n, 0);
    if (result != WSPUSH_OK)
        return result;
    if (!are_messages(h->reply))
        return call_odd_reply(h, "WS.HISTORY");
    *messages = h->past = h->reply->elements;
    return WSPUSH_OK;
}

bool wspush_history_get(const struct wspush *h, size_t index, struct wspush_past *message)
{
    if (index >= h->past)
        return false;
    redisReply **parts = h->reply->element[index]->element;
    *message = (struct wspush_past){.id = parts[ID]->str,
                                    .binary = strcmp(parts[TYPE]->str, "binary") == 0,
                                    .payload = parts[PAYLOAD]->str,
                                    .len = parts[PAYLOAD]->len,
                                    .time = parts[TIME]->integer};
    return true;
}

enum wspush_result wspush_history_limits(struct wspush *h, const char *channel, struct wspush_limits *limits)
{
    static const char *const names[] = {"size", "bytes", "ttl"};
    int64_t *const values[] = {&limits->messages, &limits->bytes, &limits->ttl_ms};
    struct arg args[] = {arg_text("WS.HISTORY"), arg_text(channel), arg_text("LIMITS")};
    enum wspush_result result = call(h, args, 3, 0);
    if (result != WSPUSH_OK)
        return result;
    const redisReply *r = h->reply;
    bool good = reply_is(r, REDIS_REPLY_ARRAY) && r->elements >= 6;
    for (size_t i = 0; good && i < 3; i++) {
        good = reply_is(r->element[2 * i], REDIS_REPLY_STRING) &&
               strcmp(r->element[2 * i]->str, names[i]) == 0 &&
               reply_is(r->element[2 * i + 1], REDIS_REPLY_INTEGER);
        if (good)
            *values[i] = r->element[2 * i + 1]->integer;
    }
    return good ? WSPUSH_OK : call_odd_reply(h, "WS.HISTORY");
}
