/*
 * Handles, and the shape that every call has: forget the last results, have a connection, write one command,
 * read one reply by the deadline, judge it.
 */
#include "client/handle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { DEADLINE_MS = 4000, REPLY_LIMIT = 64 * 1024 * 1024, KEEP_OUT = 256 * 1024 };

static const int64_t time_max_ms = INT64_C(10) * 365 * 24 * 3600 * 1000; /* the worker's bound */

struct wspush *wspush_open(const char *path)
{
    struct wspush *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->path = strdup(path ? path : WSPUSH_DEFAULT_SOCKET);
    h->deadline_ms = DEADLINE_MS;
    h->reply_limit = REPLY_LIMIT;
    h->fd = -1;
    if (!h->path) {
        free(h);
        return NULL;
    }
    return h;
}

void wspush_free(struct wspush *h)
{
    if (!h)
        return;
    link_close(h);
    if (h->reply)
        freeReplyObject(h->reply);
    buf_fini(&h->out);
    buf_fini(&h->queue);
    buf_fini(&h->receipts);
    buf_fini(&h->kept);
    free(h->path);
    free(h);
}

void wspush_disconnect(struct wspush *h)
{
    call_reset(h);
    link_close(h);
    h->waiting = false;
}

void wspush_set_deadline(struct wspush *h, int64_t ms)
{
    h->deadline_ms = ms > 0 ? call_clamp(ms) : DEADLINE_MS;
}

void wspush_set_idle(struct wspush *h, int64_t ms)
{
    h->idle_ms = ms > 0 ? ms : 0;
}

void wspush_set_reply_limit(struct wspush *h, size_t bytes)
{
    h->reply_limit = bytes;
}

const char *wspush_error(const struct wspush *h)
{
    return h->error;
}

const char *wspush_path(const struct wspush *h)
{
    return h->path;
}

int wspush_fd(const struct wspush *h)
{
    return h->fd;
}

const char *wspush_result_name(enum wspush_result result)
{
    static const char *const names[] = {
        [WSPUSH_OK] = "OK",
        [WSPUSH_EMPTY] = "EMPTY",
        [WSPUSH_PENDING] = "PENDING",
        [WSPUSH_TIMEOUT] = "TIMEOUT",
        [WSPUSH_CLOSED] = "CLOSED",
        [WSPUSH_NOWORKER] = "NOWORKER",
        [WSPUSH_NOANSWER] = "NOANSWER",
        [WSPUSH_BADREPLY] = "BADREPLY",
        [WSPUSH_NOPERM] = "NOPERM",
        [WSPUSH_NOTARGET] = "NOTARGET",
        [WSPUSH_BADNAME] = "BADNAME",
        [WSPUSH_BADUTF8] = "BADUTF8",
        [WSPUSH_TOOBIG] = "TOOBIG",
        [WSPUSH_BUSY] = "BUSY",
        [WSPUSH_NOMEM] = "NOMEM",
        [WSPUSH_ERROR] = "ERROR",
        [WSPUSH_NOPOS] = "NOPOS",
    };
    return (size_t)result < sizeof names / sizeof *names ? names[result] : "ERROR";
}

void call_reset(struct wspush *h)
{
    h->error[0] = '\0';
    if (h->reply)
        freeReplyObject(h->reply);
    h->reply = NULL;
    h->out_done = 0;
    h->late = false;
    h->rows = h->past = 0;
    buf_clear(&h->queue);
    buf_clear(&h->receipts);
    if (h->out.cap > KEEP_OUT)
        buf_fini(&h->out);
    buf_clear(&h->out);
}

enum wspush_result call_fail(struct wspush *h, enum wspush_result result, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(h->error, sizeof h->error, format, args);
    va_end(args);
    return result;
}

struct arg arg_text(const char *text)
{
    return (struct arg){text, strlen(text)};
}

struct arg arg_number(char *digits, int64_t number)
{
    return (struct arg){digits, format_u64(digits, (uint64_t)number)};
}

void call_add(struct wspush *h, const struct arg *args, size_t count)
{
    buf_addc(&h->out, '*');
    buf_addu(&h->out, count);
    buf_adds(&h->out, "\r\n");
    for (size_t i = 0; i < count; i++) {
        buf_addc(&h->out, '$');
        buf_addu(&h->out, args[i].len);
        buf_adds(&h->out, "\r\n");
        buf_add(&h->out, args[i].bytes, args[i].len);
        buf_adds(&h->out, "\r\n");
    }
}

int64_t call_clamp(int64_t ms)
{
    return ms < time_max_ms ? ms : time_max_ms;
}

int64_t call_until(const struct wspush *h, int64_t wait_ms)
{
    return clock_mono_ms() + h->deadline_ms + wait_ms;
}

enum wspush_result call_may_begin(struct wspush *h)
{
    if (h->waiting)
        return call_fail(h, WSPUSH_ERROR, "a wait is under way on this handle");
    if (h->watched)
        return call_fail(h, WSPUSH_ERROR, "this handle has subscriptions; for calls open another one");
    return WSPUSH_OK;
}

enum wspush_result call_begin(struct wspush *h, const struct arg *args, size_t count, int64_t until)
{
    enum wspush_result result = call_may_begin(h);
    if (result != WSPUSH_OK)
        return result;
    call_reset(h);
    call_add(h, args, count);
    if (buf_failed(&h->out))
        return call_fail(h, WSPUSH_NOMEM, "no memory for a command");
    return link_ready(h, until);
}

enum wspush_result call(struct wspush *h, const struct arg *args, size_t count, int64_t wait_ms)
{
    int64_t until = call_until(h, wait_ms);
    enum wspush_result result = call_begin(h, args, count, until);
    if (result == WSPUSH_OK)
        result = link_reply(h, until);
    return result == WSPUSH_OK ? call_judge(h) : result;
}

enum wspush_result call_judge(struct wspush *h)
{
    static const struct {
        const char *word;
        enum wspush_result result;
    } words[] = {{"NOPERM", WSPUSH_NOPERM},   {"NOAUTH", WSPUSH_NOPERM},   {"NOTARGET", WSPUSH_NOTARGET},
                 {"BADNAME", WSPUSH_BADNAME}, {"BADUTF8", WSPUSH_BADUTF8}, {"TOOBIG", WSPUSH_TOOBIG},
                 {"TIMEOUT", WSPUSH_TIMEOUT}, {"BUSY", WSPUSH_BUSY},       {"NOPOS", WSPUSH_NOPOS}};
    if (!reply_is(h->reply, REDIS_REPLY_ERROR))
        return WSPUSH_OK;
    size_t len = strcspn(h->reply->str, " ");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].word) == len && memcmp(h->reply->str, words[i].word, len) == 0)
            return call_fail(h, words[i].result, "%s", h->reply->str);
    return call_fail(h, WSPUSH_ERROR, "%s", h->reply->str);
}

enum wspush_result call_odd_reply(struct wspush *h, const char *verb)
{
    return call_fail(h, WSPUSH_BADREPLY, "the answer on %s to %s is not a worker's", h->path, verb);
}
