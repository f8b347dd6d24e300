/*
 * Replies, read by hiredis and bounded by us. hiredis 0.14 takes any length that a reply announces, allocates
 * arrays as announced, does not look at the bytes behind a bulk, and looks again at the whole of a line that
 * does not end, for each piece of it. So two of its callbacks are wrapped, and what it holds unfinished is
 * looked at after each feed.
 */
#include "client/handle.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { LINE_LIMIT = 64 * 1024, BULK_HEADER_LIMIT = 32, ENTRIES_LIMIT = 4 * 1024 * 1024 };

static void *checked_string(const redisReadTask *task, char *text, size_t len)
{
    struct wspush *h = task->privdata;
    if (task->type == REDIS_REPLY_STRING && (text[len] != '\r' || text[len + 1] != '\n')) {
        h->fault = "a string that does not end where it says";
        return NULL;
    }
    return h->create_string(task, text, len);
}

static void *checked_array(const redisReadTask *task, int count)
{
    struct wspush *h = task->privdata;
    if ((size_t)count > ENTRIES_LIMIT - h->reply_entries) {
        h->fault = "an array that is too long";
        return NULL;
    }
    h->reply_entries += (size_t)count;
    return h->create_array(task, count);
}

bool parse_start(struct wspush *h)
{
    parse_stop(h);
    h->reader = redisReaderCreate();
    if (!h->reader)
        return false;
    h->functions = *h->reader->fn;
    h->create_string = h->functions.createString;
    h->create_array = h->functions.createArray;
    h->functions.createString = checked_string;
    h->functions.createArray = checked_array;
    h->reader->fn = &h->functions;
    h->reader->privdata = h;
    return true;
}

void parse_stop(struct wspush *h)
{
    if (h->reader)
        redisReaderFree(h->reader);
    h->reader = NULL;
    h->fault = NULL;
    h->reply_bytes = h->reply_entries = 0;
    h->reply_began = 0;
}

/* The fault of a bulk whose header is, or is not yet, at `p`. */
static const char *bulk_fault(const struct wspush *h, const char *p, size_t len)
{
    const char *end = memchr(p, '\n', len < BULK_HEADER_LIMIT ? len : BULK_HEADER_LIMIT);
    if (!end)
        return len < BULK_HEADER_LIMIT ? NULL : "a length that does not end";
    unsigned long long size = strtoull(p, NULL, 10);
    return *p != '-' && size > h->reply_limit ? "a string that is too long" : NULL;
}

/* What hiredis is in the middle of: it has taken the type byte, and stands behind it until the element is
 * whole. */
static const char *unfinished_fault(const struct wspush *h)
{
    const redisReader *r = h->reader;
    if (h->reply_bytes > h->reply_limit)
        return "too many bytes";
    if (r->ridx < 0 || r->rstack[r->ridx].type < 0)
        return NULL;
    const char *p = r->buf + r->pos;
    size_t len = r->len - r->pos;
    if (r->rstack[r->ridx].type == REDIS_REPLY_STRING)
        return bulk_fault(h, p, len);
    return len > LINE_LIMIT ? "a line that does not end" : NULL;
}

static enum wspush_result bad_reply(struct wspush *h, const char *fault)
{
    return call_fail(h, WSPUSH_BADREPLY, "the answer on %s is not a worker's: %s", h->path, fault);
}

enum wspush_result parse_feed(struct wspush *h, const char *bytes, size_t len)
{
    if (!h->reply_began)
        h->reply_began = clock_mono_ms();
    h->reply_bytes += len;
    if (redisReaderFeed(h->reader, bytes, len) != REDIS_OK)
        return call_fail(h, WSPUSH_NOMEM, "no memory for an answer");
    return WSPUSH_OK;
}

enum wspush_result parse_next(struct wspush *h)
{
    void *reply = NULL;
    if (redisReaderGetReply(h->reader, &reply) != REDIS_OK)
        return bad_reply(h, h->fault ? h->fault : h->reader->errstr);
    if (!reply) {
        const char *fault = unfinished_fault(h);
        return fault ? bad_reply(h, fault) : WSPUSH_PENDING;
    }
    size_t rest = h->reader->len - h->reader->pos;
    if (h->reply_bytes - rest > h->reply_limit) {
        freeReplyObject(reply);
        return bad_reply(h, "too many bytes");
    }
    if (h->reply)
        freeReplyObject(h->reply);
    h->reply = reply;
    h->reply_bytes = rest;
    h->reply_entries = 0;
    h->reply_began = h->reply_bytes ? clock_mono_ms() : 0;
    return WSPUSH_OK;
}

bool parse_has_rest(const struct wspush *h)
{
    return h->reader && h->reply_began != 0;
}
