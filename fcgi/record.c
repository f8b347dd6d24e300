/*
 * One request is FCGI_BEGIN_REQUEST, FCGI_PARAMS records up to an empty one, FCGI_STDIN records up to an
 * empty one, all of one id (FastCGI specification, sections 3.3, 5.1 to 5.3). nginx sends nothing else;
 * management records, aborts and a second request on the connection are refused, and so are parameters that a
 * C string can't hold.
 */
#include "record.h"

#include <string.h>

enum { HEADER = 8, VERSION = 1, BEGIN_REQUEST = 1, PARAMS = 4, STDIN = 5, RESPONDER = 1 };

struct record {
    uint8_t type;
    unsigned id;
    const uint8_t *content;
    size_t content_len;
    size_t total; /* with header and padding */
};

/* What is still to come, in this order. */
enum phase { IN_BEGIN, IN_PARAMS, IN_BODY, AT_END };

struct look {
    struct request_head *head;
    enum phase phase;
    unsigned id;
    size_t params_len;
};

static bool bad(struct look *l, const char *fault)
{
    l->head->state = HEAD_BAD;
    l->head->fault = fault;
    return false;
}

static uint8_t wanted_type(enum phase phase)
{
    static const uint8_t types[] = {BEGIN_REQUEST, PARAMS, STDIN};
    return types[phase];
}

/* Reads a header as far as it is there: what can't become good is bad at once. */
static bool header_ok(struct look *l, const uint8_t *p, size_t len)
{
    if (len >= 1 && p[0] != VERSION)
        return bad(l, "it is not FastCGI version 1");
    if (len >= 2 && p[1] != wanted_type(l->phase))
        return bad(l, "a record of a type that is not expected here");
    if (len < 4)
        return true;
    unsigned id = (unsigned)p[2] << 8 | p[3];
    return id == 0 || (l->phase != IN_BEGIN && id != l->id) ? bad(l, "a record of another request") : true;
}

/* Cuts off one whole record; false if it is not all there. */
static bool next_record(const uint8_t *p, size_t len, struct record *out)
{
    if (len < HEADER)
        return false;
    out->type = p[1];
    out->id = (unsigned)p[2] << 8 | p[3];
    out->content = p + HEADER;
    out->content_len = (size_t)p[4] << 8 | p[5];
    out->total = HEADER + out->content_len + p[6];
    return out->total <= len;
}

/* One byte, or four with the highest bit set (section 3.4). */
static bool take_length(const uint8_t **at, const uint8_t *end, size_t *out)
{
    const uint8_t *p = *at;
    size_t bytes = p < end && *p >= 0x80 ? 4 : 1;
    if ((size_t)(end - p) < bytes)
        return false;
    *out = bytes == 1 ? *p : (size_t)(p[0] & 0x7f) << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    *at = p + bytes;
    return true;
}

static bool is_text(const uint8_t *p, size_t len, const char *text)
{
    return len == strlen(text) && memcmp(p, text, len) == 0;
}

static bool params_ok(struct look *l)
{
    const uint8_t *p = l->head->params;
    const uint8_t *end = p + l->params_len;
    while (p < end) {
        size_t name;
        size_t value;
        if (!take_length(&p, end, &name) || !take_length(&p, end, &value) || name > (size_t)(end - p) ||
            value > (size_t)(end - p) - name)
            return bad(l, "parameters that are longer than their records");
        if (name == 0 || memchr(p, '=', name) || memchr(p, '\0', name + value))
            return bad(l, "a parameter without a name, or with a NUL byte");
        if (is_text(p, name, "REQUEST_METHOD"))
            l->head->is_get = is_text(p + name, value, "GET") || is_text(p + name, value, "HEAD");
        p += name + value;
    }
    return true;
}

static bool on_begin(struct look *l, const struct record *r)
{
    if (r->content_len != 8)
        return bad(l, "an FCGI_BEGIN_REQUEST of a wrong size");
    if (r->content[0] != 0 || r->content[1] != RESPONDER)
        return bad(l, "another role than responder");
    l->id = r->id;
    l->phase = IN_PARAMS;
    return true;
}

/* libfcgi forgets to skip the padding of a record that ends a phase, and would read it as the next record. */
static bool padding_ok(struct look *l, const struct record *r)
{
    bool ends_phase = l->phase == IN_BEGIN || (l->phase == IN_PARAMS && r->content_len == 0);
    if (ends_phase && r->total > HEADER + r->content_len)
        return bad(l, "padding where libfcgi does not skip it");
    return true;
}

static bool on_record(struct look *l, const struct record *r)
{
    if (!padding_ok(l, r))
        return false;
    if (l->phase == IN_BEGIN)
        return on_begin(l, r);
    if (r->content_len == 0) {
        l->phase++;
        return l->phase == IN_BODY ? params_ok(l) : true;
    }
    if (l->phase == IN_PARAMS) {
        memcpy(l->head->params + l->params_len, r->content, r->content_len);
        l->params_len += r->content_len;
    }
    return true;
}

void request_head_look(struct request_head *head, const uint8_t *bytes, size_t len)
{
    struct look l = {.head = head};
    struct record record;
    size_t at = 0;
    head->state = HEAD_MORE;
    head->fault = NULL;
    head->whole = head->is_get = false;
    while (l.phase != AT_END) {
        if (!header_ok(&l, bytes + at, len - at))
            return;
        if (!next_record(bytes + at, len - at, &record))
            break;
        if (!on_record(&l, &record))
            return;
        at += record.total;
    }
    if (l.phase == AT_END && at < len)
        bad(&l, "bytes behind the request");
    else if (l.phase >= IN_BODY)
        head->state = HEAD_READY;
    else if (len == RECORD_WINDOW)
        bad(&l, "parameters of more than 64 KiB");
    head->whole = l.phase == AT_END;
}
