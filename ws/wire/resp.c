#include "wire/resp.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/units.h"

enum {
    SHORT_HEADER_MAX = 11, /* a mark, 8 digits, CR LF */
    HEADER_ADDED_MAX = 23  /* a mark, 20 digits, CR LF */
};

void resp_parser_fini(struct resp_parser *p)
{
    buf_fini(&p->unquoted);
}

/* ---- inline requests ---- */

/* A request line ends with its version, "HTTP/1.1" (RFC 9112 section 3). */
static bool ends_like_http(const char *line, size_t len)
{
    if (len && line[len - 1] == '\r')
        len--;
    const char *version = line + len - 8;
    return len > 9 && version[-1] == ' ' && memcmp(version, "HTTP/", 5) == 0 &&
           isdigit((unsigned char)version[5]) && version[6] == '.' && isdigit((unsigned char)version[7]);
}

/* A browser that was lured here, or a proxy that points at the wrong socket, sends HTTP. */
static bool looks_like_http(const char *line, size_t len, bool whole)
{
    return (len >= 4 && strncasecmp(line, "POST", 4) == 0) ||
           (len >= 5 && strncasecmp(line, "Host:", 5) == 0) || (whole && ends_like_http(line, len));
}

static int hex_value(char c)
{
    if (!isxdigit((unsigned char)c))
        return -1;
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* One escaped character of a "..." word; returns how many bytes of the line it took. */
static size_t add_escaped(struct buf *to, const char *p, const char *end)
{
    static const char from[] = "nrtba";
    static const char into[] = "\n\r\t\b\a";
    if (end - p >= 3 && p[0] == 'x' && hex_value(p[1]) >= 0 && hex_value(p[2]) >= 0) {
        buf_addc(to, (char)(hex_value(p[1]) * 16 + hex_value(p[2])));
        return 3;
    }
    const char *known = *p ? strchr(from, *p) : NULL;
    buf_addc(to, known ? into[known - from] : *p);
    return 1;
}

/* Copies a quoted part of a word, opening quote at *p, and moves behind its end. */
static bool add_quoted(struct buf *to, const char **p, const char *end)
{
    char quote = *(*p)++;
    while (*p < end && **p != quote) {
        bool escape = **p == '\\' && *p + 1 < end && (quote == '"' || (*p)[1] == '\'');
        if (escape)
            (*p)++;
        if (escape && quote == '"')
            *p += add_escaped(to, *p, end);
        else
            buf_addc(to, *(*p)++);
    }
    if (*p == end)
        return false;
    (*p)++;
    return *p == end || isspace((unsigned char)**p);
}

static bool add_word(struct buf *to, const char **p, const char *end)
{
    while (*p < end && !isspace((unsigned char)**p)) {
        if (**p != '"' && **p != '\'')
            buf_addc(to, *(*p)++);
        else if (!add_quoted(to, p, end))
            return false;
    }
    return true;
}

/* Words are collected first and pointed at last: the buffer moves while it grows. Apart from resp_parse(), as
 * people's lines are to cost the programs' requests nothing. */
__attribute__((cold, noinline)) static enum resp_result split_line(struct resp_parser *parser, const char *p,
                                                                   const char *end, struct resp_request *out,
                                                                   const char **fault)
{
    struct buf *to = &parser->unquoted;
    buf_clear(to);
    out->argc = 0;
    for (;;) {
        while (p < end && isspace((unsigned char)*p))
            p++;
        if (p == end)
            break;
        if (out->argc == RESP_ARGS_MAX) {
            *fault = "too many arguments";
            return RESP_FAULT;
        }
        if (!add_word(to, &p, end)) {
            *fault = "unbalanced quotes";
            return RESP_FAULT;
        }
        out->argv[out->argc++].len = to->len; /* its end for now */
    }
    if (buf_failed(to))
        return RESP_TOO_BIG;
    /* empty words alone need no memory, and so have none */
    const char *words = to->data ? (const char *)to->data : "";
    for (size_t i = 0, start = 0, word_end; i < (size_t)out->argc; i++, start = word_end) {
        word_end = out->argv[i].len;
        out->argv[i] = (struct resp_arg){words + start, word_end - start};
    }
    return out->argc ? RESP_REQUEST : RESP_NONE;
}

static enum resp_result parse_inline(struct resp_parser *parser, const uint8_t *bytes, size_t len,
                                     size_t *taken, struct resp_request *out, const char **fault)
{
    const char *line = (const char *)bytes;
    if (!isalpha(bytes[0]) && !isspace(bytes[0]) && bytes[0] != '"' && bytes[0] != '\'')
        return RESP_FOREIGN;
    const char *eol = memchr(line + parser->scanned, '\n', len - parser->scanned);
    size_t line_len = eol ? (size_t)(eol - line) : len;
    bool too_big = line_len > RESP_INLINE_MAX;
    if (looks_like_http(line, line_len, eol && !too_big))
        return RESP_FOREIGN;
    if (!eol && !too_big) {
        parser->scanned = len;
        return RESP_INCOMPLETE;
    }
    parser->scanned = 0;
    if (too_big) {
        *fault = "too big inline request";
        return RESP_FAULT;
    }
    *taken = (size_t)(eol - line) + 1;
    return split_line(parser, line, eol, out, fault);
}

/* ---- arrays of bulk strings ---- */

/* A header as nearly all are: of a few digits, and with bytes behind it, so that none has to be looked for.
 * Returns the bytes taken, or 0 for any other. */
static inline ssize_t read_short_header(const uint8_t *p, size_t len, char mark, uint64_t *out)
{
    if (len < SHORT_HEADER_MAX || p[0] != (uint8_t)mark)
        return 0;
    unsigned n = p[1] - (unsigned)'0';
    unsigned digit;
    size_t at = 2;
    if (n > 9)
        return 0;
    while ((digit = p[at] - (unsigned)'0') <= 9 && at < SHORT_HEADER_MAX - 2) {
        n = n * 10 + digit;
        at++;
    }
    if (memcmp(p + at, "\r\n", 2) != 0)
        return 0;
    *out = n;
    return (ssize_t)at + 2;
}

static ssize_t read_any_header(const uint8_t *p, size_t len, char mark, uint64_t *out)
{
    const size_t most = RESP_HEADER_MAX - 1; /* up to the CR */
    if (len == 0)
        return 0;
    if (p[0] != (uint8_t)mark)
        return -1;
    const uint8_t *cr = memchr(p, '\r', len < most ? len : most);
    if (!cr)
        return len < most ? 0 : -1;
    size_t at = (size_t)(cr - p);
    if (units_number((const char *)p + 1, at - 1, out) < 0) {
        if (mark != '*' || at != 3 || memcmp(p + 1, "-1", 2) != 0)
            return -1;
        *out = 0;
    }
    if (at + 1 == len)
        return 0;
    return p[at + 1] == '\n' ? (ssize_t)at + 2 : -1;
}

/* Reads `<mark>digits CR LF`. Returns the bytes taken, 0 for more needed, -1 for a fault. A negative number,
 * which requests have no use for, is read as such a fault too, but for the `*-1` that some clients send. */
static inline ssize_t read_header(const uint8_t *p, size_t len, char mark, uint64_t *out)
{
    ssize_t taken = read_short_header(p, len, mark, out);
    return taken ? taken : read_any_header(p, len, mark, out);
}

static enum resp_result start_skip(struct resp_parser *parser, uint64_t size, uint64_t args_behind,
                                   size_t *taken, size_t at, const char **fault)
{
    if (size > UINT32_MAX) {
        *fault = "invalid bulk length";
        return RESP_FAULT;
    }
    parser->skip_bytes = size + 2;
    parser->skip_args = args_behind;
    *taken = at;
    return RESP_NONE;
}

/* Goes on over an argument that is too big, and those behind it. */
static enum resp_result skip_on(struct resp_parser *parser, const uint8_t *bytes, size_t len, size_t *taken,
                                const char **fault)
{
    *taken = 0;
    for (;;) {
        uint64_t n = parser->skip_bytes < len - *taken ? parser->skip_bytes : len - *taken;
        *taken += (size_t)n;
        parser->skip_bytes -= n;
        if (parser->skip_bytes)
            return RESP_NONE;
        if (parser->skip_args == 0)
            return RESP_TOO_BIG;
        uint64_t size;
        ssize_t header = read_header(bytes + *taken, len - *taken, '$', &size);
        if (header == 0)
            return *taken ? RESP_NONE : RESP_INCOMPLETE;
        if (header < 0) {
            *fault = "expected '$' and a length";
            return RESP_FAULT;
        }
        if (start_skip(parser, size, parser->skip_args - 1, taken, *taken + (size_t)header, fault) !=
            RESP_NONE)
            return RESP_FAULT;
    }
}

static enum resp_result parse_array(struct resp_parser *parser, const uint8_t *bytes, size_t len,
                                    size_t bulk_max, size_t *taken, struct resp_request *out,
                                    const char **fault)
{
    uint64_t count;
    ssize_t n = read_header(bytes, len, '*', &count);
    if (n == 0)
        return RESP_INCOMPLETE;
    if (n < 0 || count > RESP_ARGS_MAX) {
        *fault = n < 0 ? "expected '*' and a count" : "invalid multibulk length: at most 1001 arguments";
        return RESP_FAULT;
    }
    size_t at = (size_t)n;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t size;
        n = read_header(bytes + at, len - at, '$', &size);
        if (n == 0)
            return RESP_INCOMPLETE;
        if (n < 0) {
            *fault = "expected '$' and a length";
            return RESP_FAULT;
        }
        at += (size_t)n;
        if (size > bulk_max)
            return start_skip(parser, size, count - i - 1, taken, at, fault);
        if (len - at < size + 2)
            return RESP_INCOMPLETE;
        if (memcmp(bytes + at + size, "\r\n", 2) != 0) {
            *fault = "a bulk string does not end with CR LF";
            return RESP_FAULT;
        }
        out->argv[i] = (struct resp_arg){(const char *)bytes + at, (size_t)size};
        at += (size_t)size + 2;
    }
    *taken = at;
    out->argc = (int)count;
    return count ? RESP_REQUEST : RESP_NONE;
}

enum resp_result resp_parse(struct resp_parser *p, const uint8_t *bytes, size_t len, size_t bulk_max,
                            size_t *taken, struct resp_request *out, const char **fault)
{
    *taken = 0;
    *fault = NULL;
    if (len == 0)
        return RESP_INCOMPLETE;
    if (p->skip_bytes || p->skip_args)
        return skip_on(p, bytes, len, taken, fault);
    if (bytes[0] == '*')
        return parse_array(p, bytes, len, bulk_max, taken, out, fault);
    return parse_inline(p, bytes, len, taken, out, fault);
}

/* ---- replies ---- */

static void add_header(struct buf *out, char mark, uint64_t n)
{
    char *line = (char *)buf_reserve(out, HEADER_ADDED_MAX);
    if (!line)
        return;
    line[0] = mark;
    size_t len = 1 + format_u64(line + 1, n);
    line[len++] = '\r';
    line[len++] = '\n';
    out->len += len;
}

void resp_add_simple(struct buf *out, const char *text)
{
    buf_addc(out, '+');
    buf_adds(out, text);
    buf_adds(out, "\r\n");
}

void resp_add_error(struct buf *out, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    buf_addc(out, '-');
    buf_adds(out, text);
    buf_adds(out, "\r\n");
}

void resp_add_int(struct buf *out, int64_t n)
{
    if (n < 0) {
        buf_adds(out, ":-");
        buf_addu(out, -(uint64_t)n);
        buf_adds(out, "\r\n");
    } else {
        add_header(out, ':', (uint64_t)n);
    }
}

void resp_add_bulk(struct buf *out, const void *bytes, size_t len)
{
    add_header(out, '$', len);
    buf_add(out, bytes, len);
    buf_add(out, "\r\n", 2);
}

void resp_add_text(struct buf *out, const char *text)
{
    resp_add_bulk(out, text, strlen(text));
}

void resp_add_null(struct buf *out, int proto)
{
    buf_adds(out, proto >= 3 ? "_\r\n" : "$-1\r\n");
}

void resp_add_array(struct buf *out, uint64_t count)
{
    add_header(out, '*', count);
}

void resp_add_map(struct buf *out, int proto, uint64_t pairs)
{
    if (proto >= 3)
        add_header(out, '%', pairs);
    else
        add_header(out, '*', pairs * 2);
}

void resp_add_push(struct buf *out, int proto, uint64_t count)
{
    add_header(out, proto >= 3 ? '>' : '*', count);
}
