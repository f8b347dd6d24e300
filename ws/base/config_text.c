#include "base/config_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 20, KEYS_MAX = 256, DEPTH_MAX = 4 };

struct key {
    const char *text;
    size_t len;
    int line;
};

/* The keys set in one section so far. */
struct scope {
    struct key keys[KEYS_MAX];
    size_t count;
    int line;     /* where it was opened */
    bool is_list; /* { } of a list, not of a section */
};

struct scan {
    const char *path;
    char *at;
    int line;
    char *why;
    size_t cap;
    struct key word; /* the word right before, a key if '=' follows; len 0: it was something else */
    bool after_equals;
    int depth;
    struct scope scopes[DEPTH_MAX];
};

int config_text_read(const char *path, struct buf *out, char *why, size_t why_cap)
{
    FILE *file = fopen(path, "re");
    uint8_t *to = buf_reserve(out, FILE_MAX + 1);
    if (!file || !to) {
        snprintf(why, why_cap, "cannot read %s: %s", path, strerror(errno));
        if (file)
            fclose(file);
        return -1;
    }
    out->len = fread(to, 1, FILE_MAX + 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed)
        snprintf(why, why_cap, "cannot read %s: %s", path, strerror(errno));
    else if (out->len > FILE_MAX)
        snprintf(why, why_cap, "%s is larger than 1 MiB: is that a configuration?", path);
    else if (out->len && memchr(out->data, '\0', out->len))
        snprintf(why, why_cap, "%s has a NUL byte in it: is that a configuration?", path);
    else
        return 0;
    return -1;
}

static int fault(struct scan *s, int line, const char *text)
{
    snprintf(s->why, s->cap, "%s:%d: %s", s->path, line, text);
    return -1;
}

/* Overwrites the next `n` bytes with spaces; lines stay lines. */
static void blank(struct scan *s, size_t n)
{
    for (; n > 0; n--, s->at++) {
        if (*s->at == '\n')
            s->line++;
        else
            *s->at = ' ';
    }
}

static int blank_block_comment(struct scan *s)
{
    const char *end = strstr(s->at + 2, "*/");
    if (!end)
        return fault(s, s->line, "this comment is not closed");
    blank(s, (size_t)(end + 2 - s->at));
    return 0;
}

/* Whether the escape at `p`, which begins with a backslash, is a NUL: \0, \00, \000, \x0, \x00. */
static bool is_nul_escape(const char *p)
{
    bool hex = p[1] == 'x';
    size_t max = hex ? 2 : 3;
    size_t digits = strspn(p + 1 + hex, hex ? "0123456789abcdefABCDEF" : "01234567");
    size_t zeros = strspn(p + 1 + hex, "0");
    return zeros > 0 && zeros >= (digits < max ? digits : max);
}

static int skip_string(struct scan *s)
{
    char quote = *s->at++;
    int begun = s->line;
    s->word.len = 0;
    for (; *s->at && *s->at != quote; s->at++) {
        if (quote == '"' && s->at[0] == '$' && s->at[1] == '{')
            return fault(s, s->line, "\"${\" is not expanded here; write the value itself");
        if (quote == '"' && *s->at == '\\' && is_nul_escape(s->at))
            return fault(s, s->line, "a NUL in a string");
        if (*s->at == '\\' && s->at[1])
            s->at++;
        if (*s->at == '\n')
            s->line++;
    }
    if (!*s->at)
        return fault(s, begun, "this string is not closed");
    s->at++;
    return 0;
}

static int skip_word(struct scan *s)
{
    size_t n = strcspn(s->at, " \t\r\n=+{}(),\"'#;");
    if (n == 0)
        n = 1;
    for (size_t i = 0; i < n; i++)
        if (s->at[i] == '$' && s->at[i + 1] == '{')
            return fault(s, s->line, "\"${\" is not expanded here; write the value itself");
    s->word = (struct key){s->at, n, s->line};
    s->at += n;
    s->after_equals = false;
    return 0;
}

static int on_equals(struct scan *s)
{
    struct scope *scope = &s->scopes[s->depth];
    if (s->word.len == 0)
        return fault(s, s->line, "before a '=' stands the name of an option, without quotes");
    if (memchr(s->word.text, '|', s->word.len))
        return fault(s, s->line, "no option has a '|' in its name");
    s->at++;
    s->after_equals = true;
    for (size_t i = 0; i < scope->count; i++) {
        if (scope->keys[i].len != s->word.len || memcmp(scope->keys[i].text, s->word.text, s->word.len) != 0)
            continue;
        char text[160];
        snprintf(text, sizeof text, "'%.*s' is set twice; the first is in line %d", (int)s->word.len,
                 s->word.text, scope->keys[i].line);
        return fault(s, s->line, text);
    }
    if (scope->count < KEYS_MAX)
        scope->keys[scope->count++] = s->word;
    s->word.len = 0;
    return 0;
}

static int on_open(struct scan *s)
{
    s->at++;
    if (s->depth + 1 >= DEPTH_MAX)
        return fault(s, s->line, "sections nested too deep");
    s->depth++;
    s->scopes[s->depth].count = 0;
    s->scopes[s->depth].line = s->line;
    s->scopes[s->depth].is_list = s->after_equals;
    s->after_equals = false;
    return 0;
}

static int on_close(struct scan *s)
{
    s->at++;
    if (s->depth == 0)
        return fault(s, s->line, "a '}' that closes nothing");
    s->depth--;
    return 0;
}

static int step(struct scan *s)
{
    switch (*s->at) {
    case '\n':
        s->line++;
        s->at++;
        return 0;
    case ' ':
    case '\t':
    case '\r':
    case ',': s->at++; return 0;
    case '+': return fault(s, s->line, "a '+' has to stand in quotes; for a list write all of it");
    case '#': blank(s, strcspn(s->at, "\n")); return 0;
    case '"':
    case '\'': s->after_equals = false; return skip_string(s);
    case '{': return on_open(s);
    case '}': return on_close(s);
    case '=': return on_equals(s);
    case '/':
        if (s->at[1] == '/')
            return blank(s, strcspn(s->at, "\n")), 0;
        return s->at[1] == '*' ? blank_block_comment(s) : skip_word(s);
    default: return skip_word(s);
    }
}

int config_text_check(const char *path, char *text, char *why, size_t why_cap)
{
    struct scan *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->path = path;
    s->at = text;
    s->line = 1;
    s->why = why;
    s->cap = why_cap;
    int r = 0;
    while (r == 0 && *s->at)
        r = step(s);
    if (r == 0 && s->depth > 0)
        r = fault(s, s->scopes[s->depth].line,
                  s->scopes[s->depth].is_list ? "this list is not closed with '}'"
                                              : "this section is not closed with '}'");
    free(s);
    return r;
}
