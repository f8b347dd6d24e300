#include "base/glob.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

enum token_kind { TOKEN_CHAR, TOKEN_ANY, TOKEN_CLASS, TOKEN_STAR, TOKEN_STARSTAR };

static size_t char_len(const char *text, size_t len)
{
    size_t n = utf8_char_len((const uint8_t *)text, len);
    return n ? n : 1;
}

/* The length of the class at `p` with its brackets, or 0 if it is not closed. A ']' right after '[' is a
 * member. */
static size_t class_len(const char *p, size_t len)
{
    size_t i = 1;
    if (i < len && p[i] == '!')
        i++;
    if (i < len && p[i] == ']')
        i++;
    while (i < len && p[i] != ']')
        i++;
    return i < len ? i + 1 : 0;
}

/* Cuts one token off the front; returns the bytes it took, or 0 for a fault. */
static size_t next_token(const char *p, size_t len, struct glob_token *out)
{
    size_t n;
    switch (*p) {
    case '*':
        n = len > 1 && p[1] == '*' ? 2 : 1;
        *out = (struct glob_token){n == 2 ? TOKEN_STARSTAR : TOKEN_STAR, p, n};
        return n;
    case '?': *out = (struct glob_token){TOKEN_ANY, p, 1}; return 1;
    case '[':
        n = class_len(p, len);
        if (n)
            *out = (struct glob_token){TOKEN_CLASS, p + 1, n - 2};
        return n;
    case '\\':
        if (len < 2)
            return 0;
        n = char_len(p + 1, len - 1);
        *out = (struct glob_token){TOKEN_CHAR, p + 1, n};
        return n + 1;
    default:
        n = char_len(p, len);
        *out = (struct glob_token){TOKEN_CHAR, p, n};
        return n;
    }
}

/* Returns the number of tokens, or -1 for a fault. */
static int tokenize(const char *pattern, size_t len, struct glob_token tokens[GLOB_MAX])
{
    int count = 0;
    if (len > GLOB_MAX)
        return -1;
    for (size_t at = 0; at < len;) {
        size_t n = next_token(pattern + at, len - at, &tokens[count]);
        if (n == 0)
            return -1;
        at += n;
        count++;
    }
    return count;
}

/* Compares characters as numbers of big-endian bytes: the order of UTF-8 is the order of code points. */
static uint32_t char_value(const char *text, size_t len)
{
    uint32_t value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | (unsigned char)text[i];
    return value;
}

static bool class_has(const struct glob_token *class, uint32_t c)
{
    const char *p = class->text;
    const char *end = p + class->len;
    bool negated = *p == '!';
    p += negated;
    while (p < end) {
        size_t n = char_len(p, (size_t)(end - p));
        uint32_t low = char_value(p, n);
        uint32_t high = low;
        p += n;
        if (end - p >= 2 && *p == '-') {
            n = char_len(p + 1, (size_t)(end - p - 1));
            high = char_value(p + 1, n);
            p += 1 + n;
        }
        if (c >= low && c <= high)
            return !negated;
    }
    return negated;
}

/* Whether the token takes the character; for a wildcard, whether it may run over it. */
static bool token_takes(const struct glob_token *t, const char *text, size_t len)
{
    switch (t->kind) {
    case TOKEN_CHAR: return t->len == len && memcmp(t->text, text, len) == 0;
    case TOKEN_CLASS: return *text != '/' && class_has(t, char_value(text, len));
    case TOKEN_ANY:
    case TOKEN_STAR: return *text != '/';
    case TOKEN_STARSTAR: return true;
    }
    return false;
}

static bool is_run(const struct glob_token *t)
{
    return t->kind == TOKEN_STAR || t->kind == TOKEN_STARSTAR;
}

/* ---- matching ---- */

static bool is_special(char c)
{
    return c == '*' || c == '?' || c == '[' || c == ']' || c == '\\';
}

void glob_prepare(struct glob *g, const char *pattern, size_t len)
{
    size_t first = 0;
    size_t last = len;
    g->count = -1;
    if (len > GLOB_MAX)
        return;
    while (first < len && !is_special(pattern[first]))
        first++;
    while (last > first && !is_special(pattern[last - 1]))
        last--;
    if (last > first && pattern[last - 1] == '\\') /* what follows it belongs to it */
        last = len;
    g->prefix = pattern;
    g->prefix_len = first;
    g->suffix = pattern + last;
    g->suffix_len = len - last;
    g->count = tokenize(pattern + first, last - first, g->tokens);
}

/* All places in the pattern where the match may stand are followed at once, so nothing is tried twice. */
static bool match(const struct glob *g, const char *text, size_t text_len)
{
    const struct glob_token *tokens = g->tokens;
    int count = g->count;
    bool at[GLOB_MAX + 1] = {true};
    for (int i = 0; i < count && at[i] && is_run(&tokens[i]); i++)
        at[i + 1] = true;
    for (size_t done = 0; done < text_len;) {
        size_t n = char_len(text + done, text_len - done);
        bool next[GLOB_MAX + 1];
        memset(next, false, (size_t)count + 1);
        for (int i = 0; i < count; i++) {
            if (at[i] && token_takes(&tokens[i], text + done, n))
                next[is_run(&tokens[i]) ? i : i + 1] = true;
            if (next[i] && is_run(&tokens[i]))
                next[i + 1] = true;
        }
        memcpy(at, next, (size_t)count + 1);
        done += n;
    }
    return at[count];
}

/* Most texts that do not match differ at the beginning or at the end already. */
bool glob_matches(const struct glob *g, const char *text, size_t len)
{
    if (g->count < 0 || len < g->prefix_len + g->suffix_len)
        return false;
    size_t middle = len - g->prefix_len - g->suffix_len;
    return memcmp(g->prefix, text, g->prefix_len) == 0 &&
           memcmp(g->suffix, text + g->prefix_len + middle, g->suffix_len) == 0 &&
           match(g, text + g->prefix_len, middle);
}

bool glob_match(const char *pattern, size_t pattern_len, const char *text, size_t text_len)
{
    struct glob g;
    glob_prepare(&g, pattern, pattern_len);
    return glob_matches(&g, text, text_len);
}

const char *glob_fault(const char *pattern, size_t len)
{
    struct glob_token tokens[GLOB_MAX];
    if (len == 0)
        return "it is empty";
    if (len > GLOB_MAX)
        return "it is longer than 200 bytes";
    return tokenize(pattern, len, tokens) < 0 ? "a '[' is not closed or it ends with '\\'" : NULL;
}
