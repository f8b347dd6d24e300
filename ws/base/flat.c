#include "base/flat.h"

#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

enum { DIGITS_MAX = 18 }; /* of a number that surely fits */

struct reader {
    const char *at;
    const char *end;
    struct buf name;
    struct buf text;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_blanks(struct reader *r)
{
    while (r->at < r->end && is_blank(*r->at))
        r->at++;
}

/* Whether the next character, blanks aside, is this one; takes it. */
static bool take(struct reader *r, char c)
{
    skip_blanks(r);
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool take_word(struct reader *r, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0)
        return false;
    r->at += n;
    return true;
}

/* ---- strings ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits behind \u, or -1. */
static int32_t take_hex(struct reader *r)
{
    int32_t code = 0;
    if (r->end - r->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int value = hex_value(*r->at++);
        if (value < 0)
            return -1;
        code = code * 16 + value;
    }
    return code;
}

static void add_utf8(struct buf *out, int32_t c)
{
    if (c < 0x80) {
        buf_addc(out, (char)c);
        return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t first[] = {0, 0xc0, 0xe0, 0xf0};
    buf_addc(out, (char)(first[more] | c >> 6 * more));
    while (more--)
        buf_addc(out, (char)(0x80 | (c >> 6 * more & 0x3f)));
}

static bool is_high(int32_t c)
{
    return c >= 0xd800 && c < 0xdc00;
}

static bool is_low(int32_t c)
{
    return c >= 0xdc00 && c < 0xe000;
}

/* What stands behind \u; half a pair alone becomes U+FFFD. */
static bool take_unicode(struct reader *r, struct buf *out)
{
    int32_t code = take_hex(r);
    if (code < 0)
        return false;
    if (is_high(code)) {
        struct reader ahead = *r;
        int32_t low = take_word(&ahead, "\\u") ? take_hex(&ahead) : -1;
        if (is_low(low)) {
            r->at = ahead.at;
            code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
        }
    }
    add_utf8(out, is_high(code) || is_low(code) ? 0xfffd : code);
    return true;
}

static bool take_escape(struct reader *r, struct buf *out)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    if (r->at == r->end)
        return false;
    char c = *r->at++;
    if (c == 'u')
        return take_unicode(r, out);
    const char *letter = memchr(letters, c, sizeof letters - 1);
    if (letter)
        buf_addc(out, meanings[letter - letters]);
    return letter;
}

/* A string's text, from behind its first quote to behind its last. */
static bool take_string(struct reader *r, struct buf *out)
{
    buf_clear(out);
    while (r->at < r->end && (unsigned char)*r->at >= 0x20) {
        char c = *r->at++;
        if (c == '"')
            return true;
        if (c != '\\')
            buf_addc(out, c);
        else if (!take_escape(r, out))
            return false;
    }
    return false;
}

/* ---- values ---- */

static bool take_number(struct reader *r, int64_t *number)
{
    bool negative = take_word(r, "-");
    const char *first = r->at;
    *number = 0;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9' && r->at - first < DIGITS_MAX; r->at++)
        *number = *number * 10 + (*r->at - '0');
    size_t digits = (size_t)(r->at - first);
    if (negative)
        *number = -*number;
    return digits && (digits == 1 || *first != '0');
}

static bool take_value(struct reader *r, struct flat_member *m)
{
    static const struct {
        const char *word;
        enum flat_kind kind;
    } words[] = {{"true", FLAT_TRUE}, {"false", FLAT_FALSE}, {"null", FLAT_NULL}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (take_word(r, words[i].word)) {
            m->kind = words[i].kind;
            return true;
        }
    if (!take(r, '"')) {
        m->kind = FLAT_NUMBER;
        return take_number(r, &m->number);
    }
    m->kind = FLAT_TEXT;
    if (!take_string(r, &r->text))
        return false;
    m->text = buf_str(&r->text);
    m->len = r->text.len;
    return true;
}

static bool take_member(struct reader *r, struct flat_member *m)
{
    *m = (struct flat_member){0};
    if (!take(r, '"') || !take_string(r, &r->name) || !take(r, ':'))
        return false;
    skip_blanks(r);
    if (!take_value(r, m))
        return false;
    m->name = buf_str(&r->name);
    return !buf_failed(&r->name) && !buf_failed(&r->text);
}

static bool take_members(struct reader *r, void (*member)(void *arg, const struct flat_member *member),
                         void *arg)
{
    struct flat_member m;
    if (take(r, '}'))
        return true;
    do {
        if (!take_member(r, &m))
            return false;
        member(arg, &m);
    } while (take(r, ','));
    return take(r, '}');
}

bool flat_read(const char *bytes, size_t len, void (*member)(void *arg, const struct flat_member *member),
               void *arg)
{
    struct reader r = {.at = bytes, .end = bytes + len};
    bool good = utf8_check(bytes, len) < 0 && take(&r, '{') && take_members(&r, member, arg);
    skip_blanks(&r);
    good = good && r.at == r.end;
    buf_fini(&r.name);
    buf_fini(&r.text);
    return good;
}
