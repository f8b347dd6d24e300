#include "base/glob.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

enum token_kind { TOKEN_CHAR, TOKEN_ANY, TOKEN_CLASS, TOKEN_STAR, TOKEN_STARSTAR };

/* A part of the pattern: one character's bytes, a class's content, or a wildcard. */
struct token {
    enum token_kind kind;
    const char *text;
    size_t len;
};

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
static size_t next_token(const char *p, size_t len, struct token *out)
{
    size_t n;
    switch (*p) {
    case '*':
        n = len > 1 && p[1] == '*' ? 2 : 1;
        *out = (struct token){n == 2 ? TOKEN_STARSTAR : TOKEN_STAR, p, n};
        return n;
    case '?': *out = (struct token){TOKEN_ANY, p, 1}; return 1;
    case '[':
        n = class_len(p, len);
        if (n)
            *out = (struct token){TOKEN_CLASS, p + 1, n - 2};
        return n;
    case '\\':
        if (len < 2)
            return 0;
        n = char_len(p + 1, len - 1);
        *out = (struct token){TOKEN_CHAR, p + 1, n};
        return n + 1;
    default:
        n = char_len(p, len);
        *out = (struct token){TOKEN_CHAR, p, n};
        return n;
    }
}

/* Returns the number of tokens, or -1 for a fault. */
static int tokenize(const char *pattern, size_t len, struct token tokens[GLOB_MAX])
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

static bool class_has(const struct token *class, uint32_t c)
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
static bool token_takes(const struct token *t, const char *text, size_t len)
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

static bool is_run(const struct token *t)
{
    return t->kind == TOKEN_STAR || t->kind == TOKEN_STARSTAR;
}

/* How many bytes at the beginning of the pattern stand for themselves. */
static size_t literal_len(const char *pattern, size_t len)
{
    size_t n = 0;
    while (n < len && !strchr("*?[\\", pattern[n]))
        n++;
    return n;
}

/* All places in the pattern where the match may stand are followed at once, so nothing is tried twice. */
static bool match(const char *pattern, size_t pattern_len, const char *text, size_t text_len)
{
    struct token tokens[GLOB_MAX];
    bool at[GLOB_MAX + 1] = {true};
    int count = tokenize(pattern, pattern_len, tokens);
    if (count < 0)
        return false;
    for (int i = 0; i < count && at[i] && is_run(&tokens[i]); i++)
        at[i + 1] = true;
    for (size_t done = 0; done < text_len;) {
        size_t n = char_len(text + done, text_len - done);
        bool next[GLOB_MAX + 1] = {false};
        for (int i = 0; i < count; i++) {
            if (at[i] && token_takes(&tokens[i], text + done, n))
                next[is_run(&tokens[i]) ? i : i + 1] = true;
            if (next[i] && is_run(&tokens[i]))
                next[i + 1] = true;
        }
        memcpy(at, next, sizeof at);
        done += n;
    }
    return at[count];
}

/* Most texts that do not match differ at the beginning already. */
bool glob_match(const char *pattern, size_t pattern_len, const char *text, size_t text_len)
{
    size_t n = literal_len(pattern, pattern_len);
    return pattern_len <= GLOB_MAX && n <= text_len && memcmp(pattern, text, n) == 0 &&
           match(pattern + n, pattern_len - n, text + n, text_len - n);
}

const char *glob_fault(const char *pattern, size_t len)
{
    struct token tokens[GLOB_MAX];
    if (len == 0)
        return "it is empty";
    if (len > GLOB_MAX)
        return "it is longer than 200 bytes";
    return tokenize(pattern, len, tokens) < 0 ? "a '[' is not closed or it ends with '\\'" : NULL;
}
