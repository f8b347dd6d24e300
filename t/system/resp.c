/*
 * See resp.h. A reply is parsed only when it has come whole: after each read the parser starts again at its
 * first byte, which is simple, and fast enough for tests.
 */
#include "resp.h"

#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"

enum { ARGS_MAX = 64, DEPTH_MAX = 16 };

struct resp {
    struct http_conn *conn;
    const char *fault;
};

static void *must(void *p)
{
    if (!p)
        ck_abort_msg("out of memory");
    return p;
}

struct resp *resp_open(const char *address)
{
    struct http_conn *conn = http_open(address);
    if (!conn)
        return NULL;
    struct resp *r = must(calloc(1, sizeof *r));
    r->conn = conn;
    r->fault = "";
    return r;
}

void resp_free(struct resp *r)
{
    if (!r)
        return;
    http_close(r->conn);
    free(r);
}

int resp_fd(const struct resp *r)
{
    return r->conn->fd;
}

/* ---- sending ---- */

int resp_send_raw(struct resp *r, const void *bytes, size_t len)
{
    return http_write(r->conn, bytes, len);
}

int resp_send_argv(struct resp *r, int argc, const char *const *argv, const size_t *lens)
{
    char *text;
    size_t len;
    FILE *f = must(open_memstream(&text, &len));
    fprintf(f, "*%d\r\n", argc);
    for (int i = 0; i < argc; i++) {
        fprintf(f, "$%zu\r\n", lens[i]);
        fwrite(argv[i], 1, lens[i], f);
        fputs("\r\n", f);
    }
    fclose(f);
    int result = resp_send_raw(r, text, len);
    free(text);
    return result;
}

static int send_list(struct resp *r, va_list list)
{
    const char *argv[ARGS_MAX];
    size_t lens[ARGS_MAX];
    int argc = 0;
    while ((argv[argc] = va_arg(list, const char *))) {
        lens[argc] = strlen(argv[argc]);
        ck_assert(++argc < ARGS_MAX);
    }
    return resp_send_argv(r, argc, argv, lens);
}

int resp_send(struct resp *r, ...)
{
    va_list list;
    va_start(list, r);
    int result = send_list(r, list);
    va_end(list);
    return result;
}

int resp_send_inline(struct resp *r, const char *line)
{
    char *text;
    int n = asprintf(&text, "%s\r\n", line);
    ck_assert(n >= 0);
    int result = resp_send_raw(r, text, (size_t)n);
    free(text);
    return result;
}

/* ---- parsing ---- */

/* Where the parser stands. fault stays NULL while all is well; "short" means that more bytes are needed. */
struct input {
    const char *p, *end;
    const char *fault;
};

static const char too_short[] = "short";

static void *spoil(struct input *in, const char *fault)
{
    if (!in->fault)
        in->fault = fault;
    return NULL;
}

/* The line up to CR LF, which is passed over; neither may stand inside. NULL with a fault. */
static const char *take_line(struct input *in, size_t *len)
{
    const char *start = in->p, *cr = memchr(start, '\r', (size_t)(in->end - start));
    const char *lf = memchr(start, '\n', (size_t)(in->end - start));
    if (lf && (!cr || lf < cr))
        return spoil(in, "LF without CR");
    if (!cr || cr + 1 == in->end)
        return spoil(in, too_short);
    if (cr[1] != '\n')
        return spoil(in, "CR without LF");
    *len = (size_t)(cr - start);
    in->p = cr + 2;
    return start;
}

/* A canonical decimal: no plus, no leading zero, no -0. */
static bool to_integer(const char *text, size_t len, long long *out)
{
    char copy[24], again[24];
    if (len == 0 || len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    errno = 0;
    *out = strtoll(copy, NULL, 10);
    snprintf(again, sizeof again, "%lld", *out);
    return errno == 0 && strcmp(copy, again) == 0;
}

static struct resp_value *value_new(char type, const char *text, size_t len)
{
    struct resp_value *v = must(calloc(1, sizeof *v));
    v->type = type;
    v->text = must(malloc(len + 1));
    memcpy(v->text, text, len);
    v->text[len] = '\0';
    v->len = len;
    return v;
}

static struct resp_value *parse(struct input *in, int depth);

static struct resp_value *parse_bulk(struct input *in, char type, long long size)
{
    if (size < 0)
        return spoil(in, "a negative length");
    if (in->end - in->p < size + 2)
        return spoil(in, too_short);
    if (memcmp(in->p + size, "\r\n", 2) != 0)
        return spoil(in, "a bulk without CR LF behind it");
    const char *text = in->p;
    in->p += size + 2;
    return value_new(type, text, (size_t)size);
}

static struct resp_value *parse_items(struct input *in, char type, long long count, int depth)
{
    if (count < 0 || count > 100000000)
        return spoil(in, "a length out of bounds");
    if (depth == DEPTH_MAX)
        return spoil(in, "nested too deep");
    struct resp_value *v = value_new(type, "", 0);
    size_t want = (size_t)count * (type == '%' ? 2 : 1);
    while (v->count < want) {
        struct resp_value *item = parse(in, depth + 1);
        if (!item) {
            resp_value_free(v);
            return NULL;
        }
        if ((v->count & (v->count - 1)) == 0)
            v->items = must(realloc(v->items, (v->count ? 2 * v->count : 1) * sizeof *v->items));
        v->items[v->count++] = item;
    }
    return v;
}

/* The kinds that are one line. */
static struct resp_value *parse_line(struct input *in, char type, const char *line, size_t len)
{
    struct resp_value *v = value_new(type, line, len);
    bool good = true;
    if (type == ':')
        good = to_integer(line, len, &v->integer);
    else if (type == '#')
        good = len == 1 && ((v->integer = line[0] == 't') || line[0] == 'f');
    else if (type == '_')
        good = len == 0;
    else if (type == '-')
        good = len > 0 && isupper((unsigned char)line[0]);
    if (good)
        return v;
    resp_value_free(v);
    return spoil(in, "a malformed line");
}

static struct resp_value *parse(struct input *in, int depth)
{
    size_t len = 0;
    if (in->p == in->end)
        return spoil(in, too_short);
    char type = *in->p++;
    if (!strchr("+-:$*_#,(!=%~>", type) || type == '\0')
        return spoil(in, "an unknown type byte");
    const char *line = take_line(in, &len);
    if (!line)
        return NULL;
    if (strchr("+-:_#,(", type))
        return parse_line(in, type, line, len);
    long long n;
    if (!to_integer(line, len, &n))
        return spoil(in, "a malformed length");
    if (n == -1 && (type == '$' || type == '*'))
        return value_new('_', "", 0);
    return strchr("$!=", type) ? parse_bulk(in, type, n) : parse_items(in, type, n, depth);
}

struct resp_value *resp_read(struct resp *r, int timeout_ms)
{
    long long deadline = http_now() + timeout_ms;
    for (;;) {
        struct input in = {.p = r->conn->in, .end = r->conn->in + r->conn->len};
        struct resp_value *v = parse(&in, 0);
        if (v) {
            http_consume(r->conn, (size_t)(in.p - r->conn->in));
            r->fault = "";
            return v;
        }
        if (in.fault != too_short) {
            r->fault = in.fault;
            return NULL;
        }
        long long left = deadline - http_now();
        enum http_end end = http_fill(r->conn, left > 0 ? (int)left : 0);
        if (end != HTTP_MORE) {
            r->fault = end == HTTP_EOF ? "eof" : end == HTTP_RESET ? "reset" : "timeout";
            return NULL;
        }
    }
}

const char *resp_fault(const struct resp *r)
{
    return r->fault;
}

size_t resp_pending(const struct resp *r)
{
    return r->conn->len;
}

void resp_value_free(struct resp_value *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->count; i++)
        resp_value_free(v->items[i]);
    free(v->items);
    free(v->text);
    free(v);
}

/* ---- as text ---- */

static void render_quoted(FILE *f, const char *text, size_t len)
{
    fputc('"', f);
    for (size_t i = 0; i < len; i++) {
        unsigned char b = (unsigned char)text[i];
        if (b == '\r' || b == '\n' || b == '\t')
            fprintf(f, "\\%c", b == '\r' ? 'r' : b == '\n' ? 'n' : 't');
        else if (b == '"' || b == '\\')
            fprintf(f, "\\%c", b);
        else if (b < 0x20 || b == 0x7f)
            fprintf(f, "\\x%02x", b);
        else
            fputc(b, f);
    }
    fputc('"', f);
}

static void render(FILE *f, const struct resp_value *v)
{
    switch (v->type) {
    case '_': fputs("null", f); return;
    case '#': fputs(v->integer ? "true" : "false", f); return;
    case '$': render_quoted(f, v->text, v->len); return;
    case '-':
    case '!': fprintf(f, "-%s", v->text); return;
    case '=': fputs(v->text, f); return;
    case '*': fputc('[', f); break;
    case '~': fputs("~[", f); break;
    case '>': fputs(">[", f); break;
    case '%': fputc('{', f); break;
    default: fputs(v->text, f); return;
    }
    for (size_t i = 0; i < v->count; i++) {
        if (i > 0)
            fputs(v->type == '%' && i % 2 ? ": " : ", ", f);
        render(f, v->items[i]);
    }
    fputc(v->type == '%' ? '}' : ']', f);
}

char *resp_text(const struct resp_value *v)
{
    char *text;
    size_t len;
    FILE *f = must(open_memstream(&text, &len));
    if (v)
        render(f, v);
    else
        fputs("no reply", f);
    fclose(f);
    return text;
}

/* ---- for tests ---- */

static struct resp_value *must_read(struct resp *r, const char *what)
{
    struct resp_value *v = resp_read(r, RESP_WAIT);
    if (!v)
        ck_abort_msg("no reply to %s: %s", what, r->fault);
    return v;
}

struct resp_value *resp_call(struct resp *r, ...)
{
    va_list list;
    va_start(list, r);
    const char *name = va_arg(list, const char *);
    va_end(list);
    va_start(list, r);
    int sent = send_list(r, list);
    va_end(list);
    ck_assert_msg(sent == 0, "can't send %s", name);
    return must_read(r, name);
}

/* Splits at spaces, quotes holding together; words point into line, which is changed. */
static int split(char *line, const char *argv[ARGS_MAX], size_t lens[ARGS_MAX])
{
    int argc = 0;
    for (char *p = line + strspn(line, " "); *p; p += strspn(p, " ")) {
        bool quoted = *p == '"';
        char *end = quoted ? strchr(p + 1, '"') : p + strcspn(p, " ");
        ck_assert_msg(end && argc < ARGS_MAX, "can't split the command: %s", line);
        argv[argc] = p + quoted;
        lens[argc++] = (size_t)(end - p) - quoted;
        p = *end ? end + 1 : end;
    }
    return argc;
}

static void send_line(struct resp *r, const char *command)
{
    const char *argv[ARGS_MAX];
    size_t lens[ARGS_MAX];
    char *copy = must(strdup(command));
    int argc = split(copy, argv, lens);
    ck_assert_msg(resp_send_argv(r, argc, argv, lens) == 0, "can't send %s", command);
    free(copy);
}

static void compare(const char *what, const struct resp_value *v, const char *expected)
{
    char *text = resp_text(v);
    size_t n = strlen(expected);
    bool open_end = n > 0 && expected[n - 1] == '*';
    if (open_end ? strncmp(text, expected, n - 1) != 0 : strcmp(text, expected) != 0)
        ck_abort_msg("%s: expected %s, got %s", what, expected, text);
    free(text);
}

void resp_expect(struct resp *r, const char *command, const char *expected)
{
    send_line(r, command);
    struct resp_value *v = must_read(r, command);
    compare(command, v, expected);
    resp_value_free(v);
}

void resp_expect_next(struct resp *r, const char *expected)
{
    struct resp_value *v = must_read(r, expected);
    compare("the next reply", v, expected);
    resp_value_free(v);
}

long long resp_integer(struct resp *r, const char *command)
{
    send_line(r, command);
    struct resp_value *v = must_read(r, command);
    char *text = resp_text(v);
    ck_assert_msg(v->type == ':', "%s: expected an integer, got %s", command, text);
    long long n = v->integer;
    free(text);
    resp_value_free(v);
    return n;
}

void resp_expect_end(struct resp *r)
{
    enum http_end end = http_rest(r->conn, RESP_WAIT);
    ck_assert_msg(end != HTTP_TIMEOUT, "the control connection stays open");
}
