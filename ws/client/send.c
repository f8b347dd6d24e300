/*
 * WS.SEND, one or many. What matters after a failure is whether the message may have gone out: a command that
 * was not wholly written can't have been carried out, one that was can.
 */
#include "client/handle.h"

#include <string.h>

#include "base/utf8.h"

enum { WAIT_DEFAULT_MS = 5000, ARGS_MAX = 12 };

/* One queued message: where its command ends in h->out. */
struct queued {
    size_t end;
    int64_t wait_ms;
};

static int64_t wait_ms_of(const struct wspush_send_options *o)
{
    if (o->wait_for == WSPUSH_WAIT_NONE)
        return 0;
    return o->timeout_ms > 0 ? call_clamp(o->timeout_ms) : WAIT_DEFAULT_MS;
}

static void add_command(struct wspush *h, const char *target, struct arg payload,
                        const struct wspush_send_options *o)
{
    static const char *const words[] = {"", "handed", "ponged", "acked"};
    char digits[24];
    char ttl[24];
    struct arg args[ARGS_MAX] = {arg_text("WS.SEND"), arg_text(target), payload};
    size_t n = 3;
    if (o->binary)
        args[n++] = arg_text("BINARY");
    if (o->wait_for != WSPUSH_WAIT_NONE) {
        args[n++] = arg_text("WAIT");
        args[n++] = arg_text(words[o->wait_for]);
    }
    if (o->wait_for != WSPUSH_WAIT_NONE && o->timeout_ms > 0) {
        args[n++] = arg_text("TIMEOUT");
        args[n++] = arg_number(digits, call_clamp(o->timeout_ms));
    }
    if (o->ttl_ms > 0) {
        args[n++] = arg_text("TTL");
        args[n++] = arg_number(ttl, call_clamp(o->ttl_ms));
    }
    if (o->key) {
        args[n++] = arg_text("KEY");
        args[n++] = arg_text(o->key);
    }
    call_add(h, args, n);
}

enum wspush_result wspush_send_queue(struct wspush *h, const char *target, const void *payload, size_t len,
                                     const struct wspush_send_options *options)
{
    static const struct wspush_send_options none = {0};
    const struct wspush_send_options *o = options ? options : &none;
    enum wspush_result result = call_may_begin(h);
    if (result != WSPUSH_OK)
        return result;
    if (h->queue.len == 0)
        call_reset(h);
    ptrdiff_t bad = o->binary ? -1 : utf8_check(payload, len);
    if (bad >= 0)
        return call_fail(h, WSPUSH_BADUTF8, "the text is not UTF-8 at byte %td", bad);
    add_command(h, target, (struct arg){payload, len}, o);
    struct queued queued = {.end = h->out.len, .wait_ms = wait_ms_of(o)};
    buf_add(&h->queue, &queued, sizeof queued);
    if (buf_failed(&h->out) || buf_failed(&h->queue)) {
        call_reset(h);
        return call_fail(h, WSPUSH_NOMEM, "no memory for a message");
    }
    return WSPUSH_OK;
}

static const redisReply *element(const redisReply *r, size_t i, int type)
{
    return reply_is(r, REDIS_REPLY_ARRAY) && i < r->elements && reply_is(r->element[i], type) ? r->element[i]
                                                                                              : NULL;
}

static void read_outcomes(const redisReply *list, struct wspush_outcome *to)
{
    for (size_t i = 0; i + 1 < list->elements; i += 2, to++) {
        const redisReply *name = element(list, i, REDIS_REPLY_STRING);
        const redisReply *count = element(list, i + 1, REDIS_REPLY_INTEGER);
        *to = (struct wspush_outcome){name ? name->str : "?", count ? count->integer : 0};
    }
}

static void read_failures(const redisReply *list, struct wspush_failure *to)
{
    for (size_t i = 0; i < list->elements; i++, to++) {
        const redisReply *client = element(list->element[i], 0, REDIS_REPLY_STRING);
        const redisReply *outcome = element(list->element[i], 1, REDIS_REPLY_STRING);
        *to = (struct wspush_failure){client ? client->str : "?", outcome ? outcome->str : "?"};
    }
}

/* Published it is, whatever the receipt looks like; but without one nobody knows who has it. */
static enum wspush_result no_receipt(struct wspush *h)
{
    link_close(h);
    return call_fail(h, WSPUSH_BADREPLY, "the worker on %s sent the message and gave no receipt", h->path);
}

static enum wspush_result read_receipt(struct wspush *h, struct wspush_sent *sent)
{
    const redisReply *outcomes = element(h->reply, 2, REDIS_REPLY_ARRAY);
    const redisReply *failures = element(h->reply, 3, REDIS_REPLY_ARRAY);
    if (!outcomes || !failures)
        return no_receipt(h);
    size_t outcome_count = outcomes->elements / 2;
    size_t outcome_bytes = outcome_count * sizeof(struct wspush_outcome);
    buf_clear(&h->receipts);
    uint8_t *to =
        buf_reserve(&h->receipts, outcome_bytes + failures->elements * sizeof(struct wspush_failure) + 1);
    if (!to)
        return call_fail(h, WSPUSH_NOMEM, "no memory for a receipt");
    read_outcomes(outcomes, (void *)to);
    read_failures(failures, (void *)(to + outcome_bytes));
    sent->outcomes = (void *)to;
    sent->outcome_count = outcome_count;
    sent->failures = (void *)(to + outcome_bytes);
    sent->failure_count = failures->elements;
    return WSPUSH_OK;
}

/* Whether the worker may have carried out what it answers with an error: a store or a broker may have, late.
 */
static bool error_leaves_open(const redisReply *error)
{
    return strncmp(error->str, "TIMEOUT", 7) == 0 || strncmp(error->str, "ENGINEDOWN", 10) == 0 ||
           strncmp(error->str, "STORE", 5) == 0;
}

static enum wspush_result read_sent(struct wspush *h, bool receipt, struct wspush_sent *sent)
{
    h->error[0] = '\0';
    enum wspush_result result = call_judge(h);
    sent->published = WSPUSH_PUBLISH_UNKNOWN;
    if (reply_is(h->reply, REDIS_REPLY_ERROR)) {
        if (!error_leaves_open(h->reply))
            sent->published = WSPUSH_NOT_PUBLISHED;
        return result;
    }
    const redisReply *recipients = element(h->reply, 0, REDIS_REPLY_INTEGER);
    const redisReply *id = element(h->reply, 1, REDIS_REPLY_STRING);
    if (!recipients || (id && id->len > WSPUSH_ID_MAX)) {
        link_close(h);
        return call_odd_reply(h, "WS.SEND");
    }
    sent->published = WSPUSH_PUBLISHED;
    sent->recipients = recipients->integer;
    if (id)
        memcpy(sent->id, id->str, id->len + 1);
    return receipt ? read_receipt(h, sent) : WSPUSH_OK;
}

/* The conversation is over: all from number `from` on share its result. */
static void fail_rest(const struct wspush *h, size_t from, size_t count, enum wspush_result result,
                      wspush_sent_fn *each, void *arg)
{
    const struct queued *queue = (const void *)h->queue.data;
    for (size_t i = from; each && i < count; i++) {
        struct wspush_sent sent = {0};
        if (h->out_done >= queue[i].end)
            sent.published = WSPUSH_PUBLISH_UNKNOWN;
        each(arg, i, result, &sent);
    }
}

enum wspush_result wspush_send_flush(struct wspush *h, wspush_sent_fn *each, void *arg)
{
    const struct queued *queue = (const void *)h->queue.data;
    size_t count = h->queue.len / sizeof *queue;
    int64_t wait_ms = 0;
    h->error[0] = '\0';
    for (size_t i = 0; i < count; i++)
        wait_ms += queue[i].wait_ms;
    int64_t until = call_until(h, wait_ms);
    size_t answered = 0;
    enum wspush_result ended = count ? link_ready(h, until) : WSPUSH_OK;
    while (ended == WSPUSH_OK && answered < count) {
        ended = link_reply(h, until);
        if (ended != WSPUSH_OK)
            break;
        struct wspush_sent sent = {0};
        enum wspush_result result = read_sent(h, queue[answered].wait_ms > 0, &sent);
        if (result == WSPUSH_BADREPLY)
            ended = result;
        if (each)
            each(arg, answered, result, &sent);
        answered++;
    }
    if (ended != WSPUSH_OK)
        fail_rest(h, answered, count, ended, each, arg);
    buf_clear(&h->queue);
    return ended;
}

struct single {
    enum wspush_result result;
    struct wspush_sent *sent;
};

static void keep_single(void *arg, size_t number, enum wspush_result result, const struct wspush_sent *sent)
{
    (void)number;
    struct single *single = arg;
    single->result = result;
    if (single->sent)
        *single->sent = *sent;
}

enum wspush_result wspush_send(struct wspush *h, const char *target, const void *payload, size_t len,
                               const struct wspush_send_options *options, struct wspush_sent *sent)
{
    struct single single = {.result = WSPUSH_ERROR, .sent = sent};
    if (sent)
        *sent = (struct wspush_sent){0};
    enum wspush_result result = call_may_begin(h);
    if (result == WSPUSH_OK) {
        call_reset(h);
        result = wspush_send_queue(h, target, payload, len, options);
    }
    if (result != WSPUSH_OK)
        return result;
    wspush_send_flush(h, keep_single, &single);
    return single.result;
}
