#include "wire/http.h"

#include <nettle/base64.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"

/* ---- lexing ---- */

size_t http_head_length(const void *bytes, size_t len, size_t *scanned)
{
    const char *p = bytes;
    const char *end = p + len;
    const char *lf = p + *scanned;
    *scanned = len;
    for (; lf < end && (lf = memchr(lf, '\n', (size_t)(end - lf))) != NULL; lf++)
        if (lf - p >= 3 && memcmp(lf - 3, "\r\n\r", 3) == 0)
            return (size_t)(lf - p) + 1;
    return 0;
}

/* RFC 9110 section 5.6.2. */
static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
           (c != '\0' && strchr("!#$%&'*+.^_`|~", c) != NULL);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool text_is(const struct http_text *t, const char *word)
{
    return t->len == strlen(word) && strncasecmp(t->data, word, t->len) == 0;
}

static struct http_text trim(const char *data, size_t len)
{
    while (len && is_space(data[0])) {
        data++;
        len--;
    }
    while (len && is_space(data[len - 1]))
        len--;
    return (struct http_text){data, len};
}

/* Takes the next item off a list; false at its end. */
static bool next_item(struct http_text *list, char separator, struct http_text *item)
{
    if (!list->len)
        return false;
    const char *end = memchr(list->data, separator, list->len);
    size_t len = end ? (size_t)(end - list->data) : list->len;
    size_t skip = end ? len + 1 : len;
    *item = trim(list->data, len);
    list->data += skip;
    list->len -= skip;
    return true;
}

/* Whether the comma-separated list has the token, in any letter case. */
static bool list_has(struct http_text list, const char *token)
{
    struct http_text item;
    while (next_item(&list, ',', &item))
        if (text_is(&item, token))
            return true;
    return false;
}

/* Whether Accept has the media type, with any parameters (RFC 9110 section 12.5.1). */
static bool accepts(struct http_text list, const char *type)
{
    struct http_text item;
    struct http_text name;
    while (next_item(&list, ',', &item))
        if (next_item(&item, ';', &name) && text_is(&name, type))
            return true;
    return false;
}

/* Items of RFC 9110's lists may be empty. */
static bool is_token_list(struct http_text list)
{
    struct http_text item;
    while (next_item(&list, ',', &item))
        for (size_t i = 0; i < item.len; i++)
            if (!is_token_char(item.data[i]))
                return false;
    return true;
}

/* uri-host [ ":" port ], by its characters (RFC 3986 section 3.2): no user, path, space or quote. */
static bool host_ok(const struct http_text *host)
{
    static const char others[] = "0123456789-._~%!$&'()*+,;=:[]";
    for (size_t i = 0; i < host->len; i++) {
        char letter = (char)(host->data[i] | 0x20);
        if (!(letter >= 'a' && letter <= 'z') && !memchr(others, host->data[i], sizeof others - 1))
            return false;
    }
    return host->len > 0;
}

/* ---- the request line ---- */

/* A target in absolute form loses scheme and authority (RFC 9112 section 3.2.2); its authority replaces Host.
 */
static int take_target(struct http_request *r, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= 0x20 || text[i] == 0x7f || text[i] == '#')
            return -ERR_HTTP_SYNTAX;
    size_t scheme = len > 7 && strncasecmp(text, "http://", 7) == 0    ? 7
                    : len > 8 && strncasecmp(text, "https://", 8) == 0 ? 8
                                                                       : 0;
    const char *slash = scheme ? memchr(text + scheme, '/', len - scheme) : text;
    if (len == 0 || !slash || *slash != '/')
        return -ERR_HTTP_SYNTAX;
    if (scheme) {
        r->host = (struct http_text){text + scheme, (size_t)(slash - text) - scheme};
        if (!host_ok(&r->host))
            return -ERR_HTTP_SYNTAX;
    }
    r->target = (struct http_text){slash, len - (size_t)(slash - text)};
    return 0;
}

/* METHOD SP target SP HTTP/1.1 */
static int parse_request_line(struct http_request *r, const char *line, size_t len)
{
    const char *space = memchr(line, ' ', len);
    if (!space || space == line)
        return -ERR_HTTP_SYNTAX;
    for (const char *c = line; c < space; c++)
        if (!is_token_char(*c))
            return -ERR_HTTP_SYNTAX;
    const char *target = space + 1;
    const char *end = line + len;
    const char *version = memrchr(target, ' ', (size_t)(end - target));
    if (!version || end - version != 9 || memcmp(version + 1, "HTTP/", 5) != 0)
        return -ERR_HTTP_SYNTAX;
    if (memcmp(version + 6, "1.1", 3) != 0)
        return -ERR_HTTP_VERSION;
    if (space - line != 3 || memcmp(line, "GET", 3) != 0)
        return -ERR_HTTP_METHOD;
    return take_target(r, target, (size_t)(version - target));
}

/* ---- headers ---- */

/* What is remembered of the header lines beside the request itself. */
struct header_state {
    struct http_request *request;
    struct http_text host;
    bool has_body;
};

static int take_single(struct http_text *to, struct http_text value, int error)
{
    if (to->data)
        return -error;
    *to = value;
    return 0;
}

static int take_protocols(struct http_request *r, struct http_text value)
{
    if (r->protocol_count == HTTP_PROTOCOLS_MAX || !is_token_list(value))
        return -ERR_HTTP_SYNTAX;
    r->protocols[r->protocol_count++] = value;
    return 0;
}

static int take_header(struct header_state *s, const struct http_text *name, struct http_text value)
{
    struct http_request *r = s->request;
    if (text_is(name, "host"))
        return take_single(&s->host, value, ERR_HTTP_HOST);
    if (text_is(name, "origin"))
        return take_single(&r->origin, value, ERR_HTTP_SYNTAX);
    if (text_is(name, "sec-websocket-key"))
        return take_single(&r->key, value, ERR_UPGRADE_KEY);
    if (text_is(name, "sec-websocket-version"))
        return take_single(&r->version, value, ERR_UPGRADE_VERSION);
    if (text_is(name, "x-real-ip"))
        return take_single(&r->real_ip, value, ERR_HTTP_SYNTAX);
    if (text_is(name, "x-forwarded-proto"))
        return take_single(&r->forwarded_proto, value, ERR_HTTP_SYNTAX);
    if (text_is(name, "x-wspush-channel"))
        return take_single(&r->channel, value, ERR_HTTP_SYNTAX);
    if (text_is(name, "x-wspush-user"))
        return take_single(&r->user, value, ERR_HTTP_SYNTAX);
    if (text_is(name, "last-event-id"))
        return take_single(&r->last_event_id, value, ERR_HTTP_SYNTAX);
    if (text_is(name, "upgrade"))
        r->upgrade_websocket |= list_has(value, "websocket");
    else if (text_is(name, "connection"))
        r->connection_upgrade |= list_has(value, "upgrade");
    else if (text_is(name, "sec-websocket-protocol"))
        return take_protocols(r, value);
    else if (text_is(name, "sec-websocket-extensions"))
        deflate_take_offer(value.data, value.len, &r->deflate);
    else if (text_is(name, "accept"))
        r->accepts_event_stream |= accepts(value, "text/event-stream");
    else if (text_is(name, "transfer-encoding") || (text_is(name, "content-length") && !text_is(&value, "0")))
        s->has_body = true;
    return 0;
}

static int parse_header_line(struct header_state *s, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line)
        return -ERR_HTTP_SYNTAX;
    for (const char *c = line; c < colon; c++)
        if (!is_token_char(*c))
            return -ERR_HTTP_SYNTAX;
    for (const char *c = colon + 1; c < line + len; c++)
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
            return -ERR_HTTP_SYNTAX;
    struct http_text name = {line, (size_t)(colon - line)};
    return take_header(s, &name, trim(colon + 1, len - name.len - 1));
}

/* 24 characters of base64 that decode to 16 bytes. */
static bool key_ok(const struct http_text *key)
{
    struct base64_decode_ctx ctx;
    uint8_t decoded[BASE64_DECODE_LENGTH(24)];
    size_t len = sizeof decoded;
    if (!key->data || key->len != 24 || memchr(key->data, ' ', 24) || memchr(key->data, '\t', 24))
        return false;
    base64_decode_init(&ctx);
    return base64_decode_update(&ctx, &len, decoded, key->len, key->data) && base64_decode_final(&ctx) &&
           len == 16;
}

static int check_wants(struct http_request *r)
{
    r->wants = !r->upgrade_websocket && r->accepts_event_stream ? HTTP_EVENT_STREAM : HTTP_WEBSOCKET;
    if (r->wants == HTTP_EVENT_STREAM)
        return 0;
    if (!r->upgrade_websocket || !r->connection_upgrade)
        return -ERR_NOT_AN_UPGRADE;
    if (!r->version.data || !text_is(&r->version, "13"))
        return -ERR_UPGRADE_VERSION;
    return key_ok(&r->key) ? 0 : -ERR_UPGRADE_KEY;
}

static int parse_lines(struct header_state *s, const char *p, const char *end)
{
    for (bool first = true; p < end; first = false) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        if (!lf || lf == p || lf[-1] != '\r')
            return -ERR_HTTP_SYNTAX;
        size_t len = (size_t)(lf - 1 - p);
        int r = first ? parse_request_line(s->request, p, len) : len == 0 ? 0 : parse_header_line(s, p, len);
        if (r < 0)
            return r;
        p = lf + 1;
    }
    return 0;
}

int http_parse_request(const void *head, size_t len, struct http_request *out)
{
    struct header_state s = {.request = out};
    *out = (struct http_request){0};
    int r = parse_lines(&s, head, (const char *)head + len);
    if (r < 0)
        return r;
    if (!host_ok(&s.host))
        return -ERR_HTTP_HOST;
    if (!out->host.data)
        out->host = s.host;
    if (s.has_body)
        return -ERR_HTTP_BODY;
    return check_wants(out);
}

/* ---- what a request says, looked at later ---- */

/* Names of subprotocols are compared as they are (RFC 6455 section 11.5). */
static bool is_known(const struct http_text *name, const char *const *known)
{
    for (; known && *known; known++)
        if (strlen(*known) == name->len && memcmp(*known, name->data, name->len) == 0)
            return true;
    return false;
}

struct http_text http_choose_protocol(const struct http_request *request, const char *const *known)
{
    for (size_t i = 0; i < request->protocol_count; i++) {
        struct http_text list = request->protocols[i];
        struct http_text item;
        while (next_item(&list, ',', &item))
            if (item.len && is_known(&item, known))
                return item;
    }
    return (struct http_text){NULL, 0};
}

struct http_text http_query(struct http_text target, const char *name)
{
    const char *mark = memchr(target.data, '?', target.len);
    struct http_text list = {mark, mark ? (size_t)(target.data + target.len - mark) : 0};
    struct http_text item;
    next_item(&list, '?', &item);
    while (next_item(&list, '&', &item)) {
        const char *equals = memchr(item.data, '=', item.len);
        size_t len = equals ? (size_t)(equals - item.data) : item.len;
        size_t skip = equals ? len + 1 : len;
        if (len == strlen(name) && memcmp(item.data, name, len) == 0)
            return (struct http_text){item.data + skip, item.len - skip};
    }
    return (struct http_text){NULL, 0};
}
