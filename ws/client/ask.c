/* Questions about clients and the worker, and closing: WS.LIST, WS.PRESENCE, WS.REFUSED, WS.CLOSE, INFO,
 * PING. */
#include "client/handle.h"

#include <string.h>

enum wspush_result wspush_close(struct wspush *h, const char *target, int code, const char *reason,
                                int64_t *closing)
{
    char digits[24];
    struct arg args[4] = {arg_text("WS.CLOSE"), arg_text(target)};
    size_t n = 2;
    if (code || reason)
        args[n++] = arg_number(digits, code ? code : 1000);
    if (reason)
        args[n++] = arg_text(reason);
    enum wspush_result result = call(h, args, n, 0);
    if (result != WSPUSH_OK)
        return result;
    if (!reply_is(h->reply, REDIS_REPLY_INTEGER))
        return call_odd_reply(h, "WS.CLOSE");
    if (closing)
        *closing = h->reply->integer;
    return WSPUSH_OK;
}

static bool are_rows(const redisReply *r)
{
    if (!reply_is(r, REDIS_REPLY_ARRAY))
        return false;
    for (size_t i = 0; i < r->elements; i++) {
        const redisReply *row = r->element[i];
        if (!reply_is(row, REDIS_REPLY_ARRAY) || row->elements % 2)
            return false;
        for (size_t f = 0; f < row->elements; f += 2)
            if (!reply_is(row->element[f], REDIS_REPLY_STRING))
                return false;
    }
    return true;
}

enum wspush_result call_for_rows(struct wspush *h, const char *verb, const struct arg *args, size_t count,
                                 size_t *rows)
{
    enum wspush_result result = call(h, args, count, 0);
    if (result != WSPUSH_OK)
        return result;
    if (!are_rows(h->reply))
        return call_odd_reply(h, verb);
    *rows = h->rows = h->reply->elements;
    return WSPUSH_OK;
}

enum wspush_result wspush_list(struct wspush *h, const char *target, size_t *rows)
{
    struct arg args[] = {arg_text("WS.LIST"), arg_text(target ? target : "")};
    return call_for_rows(h, "WS.LIST", args, target ? 2 : 1, rows);
}

enum wspush_result wspush_presence(struct wspush *h, const char *channel, size_t *rows)
{
    struct arg args[] = {arg_text("WS.PRESENCE"), arg_text(channel)};
    return call_for_rows(h, "WS.PRESENCE", args, 2, rows);
}

enum wspush_result wspush_refused(struct wspush *h, int64_t count, size_t *rows)
{
    char digits[24];
    struct arg args[] = {arg_text("WS.REFUSED"), arg_text("COUNT"),
                         arg_number(digits, count > 0 ? count : 0)};
    return call_for_rows(h, "WS.REFUSED", args, 3, rows);
}

enum wspush_result wspush_note_refusal(struct wspush *h, const struct wspush_refusal *r)
{
    struct arg args[] = {arg_text("WS.REFUSED"), arg_text("ADD"),  arg_text(r->what),  arg_text(r->address),
                         arg_text(r->channel),   arg_text(r->why), arg_text(r->remedy)};
    enum wspush_result result = call(h, args, sizeof args / sizeof *args, 0);
    if (result == WSPUSH_OK && !reply_is(h->reply, REDIS_REPLY_STATUS))
        return call_odd_reply(h, "WS.REFUSED");
    return result;
}

static void read_value(const redisReply *r, struct wspush_value *value)
{
    *value = (struct wspush_value){.kind = WSPUSH_NONE};
    if (r->type == REDIS_REPLY_INTEGER) {
        value->kind = WSPUSH_NUMBER;
        value->number = r->integer;
    } else if (r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS) {
        value->kind = WSPUSH_TEXT;
        value->text = r->str;
        value->len = r->len;
    } else if (r->type == REDIS_REPLY_ARRAY) {
        value->kind = WSPUSH_LIST;
        value->list = r;
        value->items = r->elements;
    }
}

bool wspush_row_field(const struct wspush *h, size_t row, size_t index, const char **name,
                      struct wspush_value *value)
{
    if (row >= h->rows || index >= h->reply->element[row]->elements / 2)
        return false;
    redisReply **fields = h->reply->element[row]->element;
    *name = fields[2 * index]->str;
    read_value(fields[2 * index + 1], value);
    return true;
}

bool wspush_row_get(const struct wspush *h, size_t row, const char *name, struct wspush_value *value)
{
    const char *field;
    for (size_t i = 0; wspush_row_field(h, row, i, &field, value); i++)
        if (strcmp(field, name) == 0)
            return true;
    *value = (struct wspush_value){.kind = WSPUSH_NONE};
    return false;
}

bool wspush_item(const struct wspush_value *list, size_t index, struct wspush_value *item)
{
    const redisReply *r = list->list;
    if (list->kind != WSPUSH_LIST || index >= r->elements)
        return false;
    read_value(r->element[index], item);
    return true;
}

enum wspush_result wspush_info(struct wspush *h, const char *section, const char **text, size_t *len)
{
    struct arg args[] = {arg_text("INFO"), arg_text(section ? section : "")};
    enum wspush_result result = call(h, args, section ? 2 : 1, 0);
    if (result != WSPUSH_OK)
        return result;
    if (!reply_is(h->reply, REDIS_REPLY_STRING))
        return call_odd_reply(h, "INFO");
    *text = h->reply->str;
    *len = h->reply->len;
    return WSPUSH_OK;
}

enum wspush_result wspush_ping(struct wspush *h)
{
    struct arg args[] = {arg_text("PING")};
    enum wspush_result result = call(h, args, 1, 0);
    if (result != WSPUSH_OK)
        return result;
    if (!reply_is(h->reply, REDIS_REPLY_STATUS) || strcmp(h->reply->str, "PONG") != 0)
        return call_odd_reply(h, "PING");
    return WSPUSH_OK;
}
