/*
 * The request: its end is found in any pieces, what is parsed keeps the promises of http.h, and nothing of it
 * breaks out of the answer's lines. Then the channel and the origin that the worker reads from
 * it. Knobs: the pieces.
 */
#include "fuzz.h"

#include "base/error.h"
#include "base/name.h"
#include "base/origin.h"
#include "base/utf8.h"
#include "wire/http.h"

/* ---- the end of the head ---- */

static size_t head_in_pieces(const struct input *in)
{
    size_t scanned = 0;
    size_t len = 0;
    for (size_t i = 0; len < in->len; i++) {
        len += input_piece(in, 0, i, in->len - len);
        char *copy = exact_copy(in->bytes, len);
        size_t head = http_head_length(copy, len, &scanned);
        free(copy);
        if (head)
            return head;
    }
    return 0;
}

static void check_head_length(const struct input *in)
{
    const char *end = in->len ? memmem(in->bytes, in->len, "\r\n\r\n", 4) : NULL;
    size_t expected = end ? (size_t)(end - (const char *)in->bytes) + 4 : 0;
    MUST(head_in_pieces(in) == expected);
}

/* A head that has its end, so that it comes to be parsed. */
static char *finished_head(const struct input *in, size_t *len)
{
    static const char end[] = "\r\n\r\n";
    char *text = malloc(in->len + 4);
    if (in->len)
        memcpy(text, in->bytes, in->len);
    memcpy(text + in->len, end, 4);
    size_t scanned = 0;
    *len = http_head_length(text, in->len + 4, &scanned);
    char *head = exact_copy(text, *len);
    free(text);
    return head;
}

/* ---- what is parsed ---- */

static void check_text(const struct http_text *t, const char *head, size_t len)
{
    MUST(!t->data || (t->data >= head && t->len <= len && t->data + t->len <= head + len));
    for (size_t i = 0; i < t->len; i++)
        MUST(t->data[i] != '\r' && t->data[i] != '\n' && t->data[i] != '\0');
}

static void check_request(const struct http_request *r, const char *head, size_t len)
{
    const struct http_text texts[] = {r->target,  r->host,         r->origin,          r->key,
                                      r->version, r->real_ip,      r->forwarded_proto, r->channel,
                                      r->user,    r->last_event_id};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_text(&texts[i], head, len);
    MUST(r->protocol_count <= HTTP_PROTOCOLS_MAX);
    for (size_t i = 0; i < r->protocol_count; i++)
        check_text(&r->protocols[i], head, len);
    MUST(r->deflate.bits == 0 ||
         (r->deflate.bits >= DEFLATE_BITS_MIN && r->deflate.bits <= DEFLATE_BITS_MAX));
}

static void check_accepted(const struct http_request *r)
{
    MUST(r->target.len && r->target.data[0] == '/');
    MUST(!memchr(r->target.data, ' ', r->target.len) && !memchr(r->target.data, '#', r->target.len));
    MUST(r->host.len && !memchr(r->host.data, '/', r->host.len) && !memchr(r->host.data, '@', r->host.len));
    if (r->wants == HTTP_WEBSOCKET)
        MUST(r->key.len == 24 && r->version.len == 2 && r->upgrade_websocket && r->connection_upgrade);
    else
        MUST(r->wants == HTTP_EVENT_STREAM && r->accepts_event_stream && !r->upgrade_websocket);
}

/* A parameter stands in the query behind `?` or `&`, and ends at the next `&`. */
static void check_query(const struct http_text *target)
{
    struct http_text value = http_query(*target, "since");
    if (!value.data)
        return;
    const char *end = target->data + target->len;
    const char *stop = value.data + value.len;
    const char *mark = memchr(target->data, '?', target->len);
    MUST(mark && value.data - mark >= 6 && stop <= end);
    MUST(stop == end || *stop == '&');
    MUST(!memchr(value.data, '&', value.len));
    const char *name = value.data - 5 - (value.data[-1] == '=');
    MUST(memcmp(name, "since", 5) == 0 && (name - 1 == mark || name[-1] == '&'));
}

/* ---- answers ---- */

/* Returns the length of the head, whose lines all end in CR LF; *lines counts them without the empty one. */
static size_t check_lines(const struct buf *answer, unsigned *lines)
{
    const char *p = (const char *)answer->data;
    const char *end = p + answer->len;
    for (*lines = 0;; ++*lines) {
        const char *eol = memmem(p, (size_t)(end - p), "\r\n", 2);
        MUST(eol);
        MUST(!memchr(p, '\n', (size_t)(eol - p)) && !memchr(p, '\r', (size_t)(eol - p)) &&
             !memchr(p, '\0', (size_t)(eol - p)));
        if (eol == p)
            return (size_t)(eol + 2 - (const char *)answer->data);
        p = eol + 2;
    }
}

static void check_switching(struct http_request *r)
{
    static const char *const known[] = {"chat", "v1.example", "wspush.v1", NULL};
    struct buf answer = {0};
    unsigned lines;
    MUST(!http_choose_protocol(r, NULL).data);
    r->protocol = http_choose_protocol(r, known);
    bool is_ours = false;
    for (size_t i = 0; known[i]; i++)
        is_ours |=
            r->protocol.len == strlen(known[i]) && memcmp(r->protocol.data, known[i], r->protocol.len) == 0;
    MUST(!r->protocol.data || is_ours);
    http_add_switching(&answer, r);
    MUST(check_lines(&answer, &lines) == answer.len);
    MUST(lines == 4U + !!r->protocol.data + !!r->deflate.bits);
    buf_fini(&answer);
}

static void check_stream(const struct http_request *r, bool any_origin)
{
    struct buf answer = {0};
    struct buf nothing = {0};
    unsigned lines;
    unsigned shared = !r->origin.data ? 0 : any_origin ? 1 : 3;
    http_add_event_stream(&answer, r, any_origin);
    MUST(check_lines(&answer, &lines) == answer.len && lines == 6 + shared);
    http_add_no_content(&nothing, r, any_origin);
    MUST(check_lines(&nothing, &lines) == nothing.len && lines == 3 + shared);
    buf_fini(&answer);
    buf_fini(&nothing);
}

static void check_error(int error, const char *detail)
{
    struct buf answer = {0};
    unsigned lines;
    MUST(error_http_status(error) >= 400);
    http_add_error(&answer, error, detail);
    size_t head = check_lines(&answer, &lines);
    const char *length = strstr(buf_str(&answer), "\r\nContent-Length: ");
    MUST(length && strtoul(length + strlen("\r\nContent-Length: "), NULL, 10) == answer.len - head);
    buf_fini(&answer);
}

/* ---- what the worker reads from it ---- */

static const char *check_channel(const struct http_text *target)
{
    char name[CHANNEL_NAME_MAX + 1];
    size_t len = 0;
    const char *fault = channel_name_from_path(target->data, target->len, name, &len);
    if (fault)
        return fault;
    MUST(len <= CHANNEL_NAME_MAX && name[len] == '\0');
    MUST(!channel_name_fault(name, len));
    return NULL;
}

static void check_user(const struct http_text *user)
{
    if (user->data && !user_name_fault(user->data, user->len))
        MUST(user->len <= USER_NAME_MAX && utf8_check(user->data, user->len) < 0 &&
             !memchr(user->data, ' ', user->len));
}

static char *text_copy(const struct http_text *t)
{
    return t->data ? strndup(t->data, t->len) : NULL;
}

static void check_origin(const struct http_request *r)
{
    static const char *const some[] = {"https://a.example", "*.b.example", "https://*.c.example:8443", NULL};
    static const char *const any[] = {"any", NULL};
    char *origin = text_copy(&r->origin);
    char *host = text_copy(&r->host);
    char *scheme = text_copy(&r->forwarded_proto);
    bool listed = origin_allowed(origin, host, scheme, some);
    MUST(listed || origin);
    MUST(!origin_allowed(origin, host, scheme, NULL) || listed);
    MUST(origin_allowed(origin, host, scheme, any));
    free(origin);
    free(host);
    free(scheme);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_read(data, size);
    struct http_request request;
    size_t len;
    check_head_length(&in);
    char *head = finished_head(&in, &len);
    int error = http_parse_request(head, len, &request);
    const char *detail = NULL;
    check_request(&request, head, len);
    check_origin(&request);
    check_user(&request.user);
    if (request.target.data) {
        detail = check_channel(&request.target);
        check_query(&request.target);
    }
    if (error == 0) {
        check_accepted(&request);
        check_stream(&request, len % 2);
    }
    if (error == 0 && request.wants == HTTP_WEBSOCKET)
        check_switching(&request);
    if (error < 0 || detail)
        check_error(error < 0 ? error : -ERR_CHANNEL_NAME, detail);
    int other = (int)(len % ERR_COUNT); /* one that the worker finds later */
    if (error_http_status(other) >= 400)
        check_error(-other, "detail");
    free(head);
    return 0;
}
