#include "records.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 8, LONGEST = 65535, ID = 1 };

static void *must(void *p)
{
    if (!p)
        ck_abort_msg("out of memory");
    return p;
}

/* ---- requests ---- */

void records_free(struct records *r)
{
    free(r->data);
    *r = (struct records){0};
}

void records_add(struct records *r, const void *bytes, size_t len)
{
    if (r->len + len + 1 > r->cap) {
        r->cap = (r->len + len + 1) * 2;
        r->data = must(realloc(r->data, r->cap));
    }
    if (len)
        memcpy(r->data + r->len, bytes, len);
    r->len += len;
    r->data[r->len] = '\0';
}

void records_record(struct records *r, int type, int id, const void *content, size_t len, bool pad)
{
    unsigned padding = pad ? (unsigned)(-len & 7) : 0;
    unsigned char head[HEADER] = {1,
                                  (unsigned char)type,
                                  (unsigned char)(id >> 8),
                                  (unsigned char)id,
                                  (unsigned char)(len >> 8),
                                  (unsigned char)len,
                                  (unsigned char)padding,
                                  0};
    ck_assert(len <= LONGEST);
    records_add(r, head, sizeof head);
    records_add(r, content, len);
    records_add(r, "\0\0\0\0\0\0\0", padding);
}

void records_begin(struct records *r, int role, int flags)
{
    char body[8] = {(char)(role >> 8), (char)role, (char)flags};
    records_record(r, RECORD_BEGIN, ID, body, sizeof body, false);
}

static void add_length(struct records *r, size_t len)
{
    unsigned char four[4] = {(unsigned char)(len >> 24 | 0x80), (unsigned char)(len >> 16),
                             (unsigned char)(len >> 8), (unsigned char)len};
    records_add(r, len < 128 ? four + 3 : four, len < 128 ? 1 : 4);
}

static void add_stream(struct records *r, int type, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t n = len - at < LONGEST ? len - at : LONGEST;
        records_record(r, type, ID, bytes + at, n, true);
        at += n;
    }
    records_record(r, type, ID, "", 0, false);
}

void records_params(struct records *r, const char *lines)
{
    struct records pairs = {0};
    for (const char *end; *lines; lines = end + 1) {
        end = lines + strcspn(lines, "\n");
        const char *equals = memchr(lines, '=', (size_t)(end - lines));
        if (equals) {
            add_length(&pairs, (size_t)(equals - lines));
            add_length(&pairs, (size_t)(end - equals - 1));
            records_add(&pairs, lines, (size_t)(equals - lines));
            records_add(&pairs, equals + 1, (size_t)(end - equals - 1));
        }
        if (!*end)
            break;
    }
    add_stream(r, RECORD_PARAMS, pairs.data, pairs.len);
    records_free(&pairs);
}

void records_body(struct records *r, const void *body, size_t len)
{
    add_stream(r, RECORD_STDIN, body, len);
}

/* Whether a line of the text is about this parameter. */
static bool mentions(const char *lines, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = lines; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
        if (strncmp(p, name, n) == 0 && strchr("=\n", p[n]))
            return true;
    return false;
}

static void default_param(FILE *f, const char *lines, const char *name, const char *value)
{
    if (!mentions(lines, name))
        fprintf(f, "%s=%s\n", name, value);
}

void records_request(struct records *r, const char *method, const char *uri, const char *lines,
                     const void *body, size_t body_len)
{
    char *text;
    char length[24];
    size_t len;
    FILE *f = must(open_memstream(&text, &len));
    lines = lines ? lines : "";
    snprintf(length, sizeof length, "%zu", body_len);
    default_param(f, lines, "REQUEST_METHOD", method);
    default_param(f, lines, "REQUEST_URI", uri);
    default_param(f, lines, "SERVER_PROTOCOL", "HTTP/1.1");
    default_param(f, lines, "REQUEST_SCHEME", "http");
    default_param(f, lines, "HTTP_HOST", "localhost");
    default_param(f, lines, "REMOTE_ADDR", "192.0.2.7");
    if (body)
        default_param(f, lines, "CONTENT_LENGTH", length);
    fputs(lines, f);
    fclose(f);
    records_begin(r, 1, 0);
    records_params(r, text);
    records_body(r, body, body_len);
    free(text);
}

/* ---- responses ---- */

/* Takes one record off the connection; its type, or 0 if none came. Content of FCGI_STDOUT is added to `out`.
 */
static int take_record(struct http_conn *c, struct records *out, long long deadline)
{
    const unsigned char *p;
    size_t need = HEADER;
    for (;;) {
        p = (const unsigned char *)c->in;
        if (c->len >= HEADER)
            need = HEADER + ((size_t)p[4] << 8 | p[5]) + p[6];
        if (c->len >= need)
            break;
        long long left = deadline - http_now();
        if (left <= 0 || http_fill(c, (int)left) != HTTP_MORE)
            return 0;
    }
    int type = p[0] == 1 && ((unsigned)p[2] << 8 | p[3]) == ID ? p[1] : -1;
    if (type == RECORD_STDOUT)
        records_add(out, c->in + HEADER, (size_t)p[4] << 8 | p[5]);
    http_consume(c, need);
    return type;
}

static void split(struct http_reply *reply, const struct records *out)
{
    const char *end = out->data ? strstr(out->data, "\r\n\r\n") : NULL;
    size_t head = end ? (size_t)(end - out->data) + 2 : 0;
    /* the first line is for the parser of HTTP replies, which looks behind it */
    FILE *f = must(open_memstream(&reply->head, &(size_t){0}));
    fprintf(f, "CGI\r\n%.*s", (int)head, out->data ? out->data : "");
    fclose(f);
    reply->body_len = end ? out->len - head - 2 : 0;
    reply->body = must(calloc(1, reply->body_len + 1));
    if (reply->body_len)
        memcpy(reply->body, out->data + head + 2, reply->body_len);
    if (end && sscanf(out->data, "Status: %d", &reply->status) != 1)
        reply->status = 200;
}

struct http_reply *records_reply(struct http_conn *c, int timeout_ms)
{
    long long deadline = http_now() + timeout_ms;
    struct http_reply *reply = must(calloc(1, sizeof *reply));
    struct records out = {0};
    int type;
    while ((type = take_record(c, &out, deadline)) == RECORD_STDOUT)
        continue;
    split(reply, &out);
    reply->whole = type == RECORD_END && reply->status;
    records_free(&out);
    return reply;
}

struct http_reply *records_exchange(const char *address, const struct records *r)
{
    struct http_conn *c = http_open(address);
    if (!c)
        ck_abort_msg("%s: %s", address, strerror(errno));
    http_write(c, r->data, r->len);
    struct http_reply *reply = records_reply(c, 10000);
    http_close(c);
    return reply;
}

struct http_reply *records_ask(const char *address, const char *method, const char *uri, const char *lines,
                               const void *body, size_t body_len)
{
    struct records r = {0};
    records_request(&r, method, uri, lines, body, body_len);
    struct http_reply *reply = records_exchange(address, &r);
    records_free(&r);
    return reply;
}
