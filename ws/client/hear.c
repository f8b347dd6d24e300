/* What browsers sent: WS.WAIT, WS.READ, WS.COUNT, WS.HAS. Message, nothing, timeout, closed and error stay
 * apart. */
#include "client/handle.h"

#include <string.h>

#include "base/clock.h"

enum { MESSAGE_FIELDS = 6 };

static bool is_word(const redisReply *r, const char *word)
{
    return reply_is(r, REDIS_REPLY_STRING) && strcmp(r->str, word) == 0;
}

static bool is_message(const redisReply *r)
{
    static const int types[MESSAGE_FIELDS] = {REDIS_REPLY_STRING, REDIS_REPLY_STRING,  REDIS_REPLY_STRING,
                                              REDIS_REPLY_STRING, REDIS_REPLY_INTEGER, REDIS_REPLY_INTEGER};
    if (r->elements < MESSAGE_FIELDS)
        return false;
    for (size_t i = 0; i < MESSAGE_FIELDS; i++)
        if (!reply_is(r->element[i], types[i]))
            return false;
    return is_word(r->element[2], "text") || is_word(r->element[2], "binary");
}

static enum wspush_result read_message(struct wspush *h, struct wspush_message *m, const char *verb)
{
    const redisReply *r = h->reply;
    enum wspush_result result = call_judge(h);
    if (result == WSPUSH_TIMEOUT)
        return WSPUSH_ERROR; /* an error of the worker's, not silence */
    if (result != WSPUSH_OK)
        return result;
    if (reply_is(r, REDIS_REPLY_NIL))
        return WSPUSH_EMPTY;
    if (reply_is(r, REDIS_REPLY_ARRAY) && r->elements == 1 && is_word(r->element[0], "timeout"))
        return WSPUSH_TIMEOUT;
    if (reply_is(r, REDIS_REPLY_ARRAY) && r->elements == 1 && is_word(r->element[0], "closed"))
        return WSPUSH_CLOSED;
    if (!reply_is(r, REDIS_REPLY_ARRAY) || !is_message(r))
        return call_odd_reply(h, verb);
    *m = (struct wspush_message){
        .client = r->element[0]->str,
        .channel = r->element[1]->str,
        .binary = is_word(r->element[2], "binary"),
        .payload = r->element[3]->str,
        .len = r->element[3]->len,
        .time = r->element[4]->integer,
        .lost = r->element[5]->integer,
    };
    return WSPUSH_OK;
}

enum wspush_result wspush_wait_begin(struct wspush *h, const char *target, int64_t timeout_ms)
{
    char digits[24];
    struct arg args[4] = {arg_text("WS.WAIT"), arg_text(target)};
    size_t n = 2;
    timeout_ms = call_clamp(timeout_ms);
    if (timeout_ms >= 0) {
        args[n++] = arg_text("TIMEOUT");
        args[n++] = arg_number(digits, timeout_ms);
    }
    int64_t until = call_until(h, 0);
    enum wspush_result result = call_begin(h, args, n, until);
    if (result == WSPUSH_OK)
        result = link_flush(h, until);
    h->waiting = result == WSPUSH_OK;
    h->wait_until = timeout_ms < 0 ? -1 : call_until(h, timeout_ms);
    return result;
}

static enum wspush_result end_wait(struct wspush *h, enum wspush_result result, struct wspush_message *m)
{
    if (result == WSPUSH_PENDING)
        return result;
    h->waiting = false;
    if (result == WSPUSH_OK)
        result = read_message(h, m, "WS.WAIT");
    return result == WSPUSH_EMPTY ? call_odd_reply(h, "WS.WAIT") : result;
}

enum wspush_result wspush_wait_take(struct wspush *h, struct wspush_message *message)
{
    if (!h->waiting)
        return call_fail(h, WSPUSH_ERROR, "no wait is under way on this handle");
    return end_wait(h, link_try(h, h->wait_until), message);
}

enum wspush_result wspush_wait(struct wspush *h, const char *target, int64_t timeout_ms,
                               struct wspush_message *message)
{
    enum wspush_result result = wspush_wait_begin(h, target, timeout_ms);
    return result == WSPUSH_OK ? end_wait(h, link_reply(h, h->wait_until), message) : result;
}

enum wspush_result wspush_next(struct wspush *h, const char *target, struct wspush_message *message)
{
    return wspush_wait(h, target, h->idle_ms ? h->idle_ms : -1, message);
}

enum wspush_result wspush_read(struct wspush *h, const char *target, struct wspush_message *message)
{
    struct arg args[] = {arg_text("WS.READ"), arg_text(target)};
    enum wspush_result result = call(h, args, 2, 0);
    if (result != WSPUSH_OK)
        return result;
    result = read_message(h, message, "WS.READ");
    return result == WSPUSH_TIMEOUT ? call_odd_reply(h, "WS.READ") : result;
}

static enum wspush_result ask_number(struct wspush *h, const char *verb, const char *target, int64_t *number)
{
    struct arg args[] = {arg_text(verb), arg_text(target)};
    enum wspush_result result = call(h, args, 2, 0);
    if (result != WSPUSH_OK)
        return result;
    if (!reply_is(h->reply, REDIS_REPLY_INTEGER))
        return call_odd_reply(h, verb);
    *number = h->reply->integer;
    return WSPUSH_OK;
}

enum wspush_result wspush_count_messages(struct wspush *h, const char *target, int64_t *count)
{
    return ask_number(h, "WS.COUNT", target, count);
}

enum wspush_result wspush_has_messages(struct wspush *h, const char *target, bool *has)
{
    int64_t number = 0;
    enum wspush_result result = ask_number(h, "WS.HAS", target, &number);
    *has = number != 0;
    return result;
}
