/*
 * Subscriptions: SUBSCRIBE, PSUBSCRIBE, and what comes by them. Events come unasked, so some may stand before
 * the answer to one more subscription: those are kept, within the bound of a reply.
 */
#include "client/handle.h"

#include <string.h>

#include "base/clock.h"

struct kept {
    redisReply *event;
};

static bool is_word(const redisReply *r, const char *word)
{
    return reply_is(r, REDIS_REPLY_STRING) && strcmp(r->str, word) == 0;
}

static bool is_event(const redisReply *r)
{
    if (!reply_is(r, REDIS_REPLY_ARRAY) || r->elements < 3 || r->elements > 4)
        return false;
    for (size_t i = 0; i < r->elements; i++)
        if (!reply_is(r->element[i], REDIS_REPLY_STRING))
            return false;
    return is_word(r->element[0], r->elements == 3 ? "message" : "pmessage");
}

static bool is_answer(const redisReply *r, const char *word, const char *name)
{
    return reply_is(r, REDIS_REPLY_ARRAY) && r->elements == 3 && is_word(r->element[0], word) &&
           is_word(r->element[1], name) && reply_is(r->element[2], REDIS_REPLY_INTEGER) &&
           r->element[2]->integer > 0;
}

/* What an event costs, about. */
static size_t cost_of(const redisReply *event)
{
    size_t bytes = sizeof *event;
    for (size_t i = 0; i < event->elements; i++)
        bytes += sizeof *event + event->element[i]->len;
    return bytes;
}

static redisReply *take_kept(struct wspush *h)
{
    struct kept first;
    memcpy(&first, h->kept.data, sizeof first);
    buf_consume(&h->kept, sizeof first);
    h->kept_bytes -= cost_of(first.event);
    return first.event;
}

void subscriptions_end(struct wspush *h)
{
    h->watched = 0;
    while (h->kept.len)
        freeReplyObject(take_kept(h));
    buf_fini(&h->kept);
}

/* Keeps the event in h->reply for wspush_event. */
static enum wspush_result keep(struct wspush *h)
{
    size_t cost = cost_of(h->reply);
    if (cost > h->reply_limit - h->kept_bytes)
        return call_fail(h, WSPUSH_BADREPLY, "too much came on %s before an answer", h->path);
    buf_add(&h->kept, &(struct kept){h->reply}, sizeof(struct kept));
    if (buf_failed(&h->kept))
        return call_fail(h, WSPUSH_NOMEM, "no memory for an event");
    h->kept_bytes += cost;
    h->reply = NULL;
    return WSPUSH_OK;
}

/* Reads on to the answer to a subscription. */
static enum wspush_result confirm(struct wspush *h, const char *word, const char *name, int64_t until)
{
    enum wspush_result result;
    while ((result = link_reply(h, until)) == WSPUSH_OK && is_event(h->reply))
        if ((result = keep(h)) != WSPUSH_OK)
            break;
    if (result == WSPUSH_OK && reply_is(h->reply, REDIS_REPLY_ERROR))
        return call_judge(h);
    if (result == WSPUSH_OK && !is_answer(h->reply, word, name))
        result = call_odd_reply(h, word);
    if (result == WSPUSH_OK)
        h->watched = h->reply->element[2]->integer;
    else
        link_close(h);
    return result;
}

/* The connection of a handle that watches already has events to read, and stays. */
static enum wspush_result begin(struct wspush *h, const struct arg *args, int64_t until)
{
    if (!h->watched)
        return call_begin(h, args, 2, until);
    call_reset(h);
    call_add(h, args, 2);
    if (h->reply_began)
        h->reply_began = clock_mono_ms();
    return buf_failed(&h->out) ? call_fail(h, WSPUSH_NOMEM, "no memory for a command") : WSPUSH_OK;
}

static enum wspush_result subscribe(struct wspush *h, const char *word, const char *name)
{
    struct arg args[] = {arg_text(word), arg_text(name)};
    int64_t until = call_until(h, 0);
    enum wspush_result result = begin(h, args, until);
    return result == WSPUSH_OK ? confirm(h, word, name, until) : result;
}

enum wspush_result wspush_subscribe(struct wspush *h, const char *name)
{
    return subscribe(h, "subscribe", name);
}

enum wspush_result wspush_psubscribe(struct wspush *h, const char *pattern)
{
    return subscribe(h, "psubscribe", pattern);
}

static enum wspush_result next_reply(struct wspush *h, int64_t until)
{
    if (h->kept.len) {
        h->reply = take_kept(h);
        return WSPUSH_OK;
    }
    enum wspush_result result = link_listen(h, until);
    return result == WSPUSH_PENDING ? WSPUSH_TIMEOUT : result;
}

enum wspush_result wspush_event(struct wspush *h, int64_t timeout_ms, struct wspush_event *event)
{
    int64_t until = timeout_ms < 0 ? -1 : clock_mono_ms() + call_clamp(timeout_ms);
    if (!h->watched)
        return call_fail(h, WSPUSH_ERROR, "this handle has no subscription");
    call_reset(h);
    enum wspush_result result = next_reply(h, until);
    if (result != WSPUSH_OK)
        return result;
    if (!is_event(h->reply)) {
        link_close(h);
        return call_odd_reply(h, "a subscription");
    }
    redisReply **parts = h->reply->element;
    bool pattern = h->reply->elements == 4;
    *event = (struct wspush_event){
        .pattern = pattern ? parts[1]->str : NULL,
        .name = parts[1 + pattern]->str,
        .payload = parts[2 + pattern]->str,
        .len = parts[2 + pattern]->len,
    };
    return WSPUSH_OK;
}
