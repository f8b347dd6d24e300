#include "base/json.h"

#include <endian.h>
#include <nettle/base64.h>
#include <string.h>

#include "base/utf8.h"

/* What becomes of a byte: it stays, it is escaped, or it begins a character that may drive a display. */
enum { KEEP, ESCAPE, LOOK };

static const uint8_t in_text[256] = {[0 ... 0x1f] = ESCAPE, ['"'] = ESCAPE, ['\\'] = ESCAPE, [0x7f] = ESCAPE,
                                     [0xc2] = LOOK,         [0xd8] = LOOK,  [0xe2] = LOOK};
static const uint8_t in_json[256] = {[0x7f] = ESCAPE, [0xc2] = LOOK, [0xd8] = LOOK, [0xe2] = LOOK};

/* The longest that one character becomes. */
enum { ESCAPE_MAX = 6 };

static size_t put_unicode(uint8_t *to, unsigned c)
{
    static const char hex[] = "0123456789abcdef";
    to[0] = '\\';
    to[1] = 'u';
    for (int i = 0; i < 4; i++)
        to[2 + i] = (uint8_t)hex[c >> (12 - 4 * i) & 15];
    return 6;
}

static size_t put_short(uint8_t *to, uint8_t c)
{
    static const char short_form[128] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};
    if (!short_form[c])
        return put_unicode(to, c);
    to[0] = '\\';
    to[1] = (uint8_t)short_form[c];
    return 2;
}

/* A character of `n` bytes that does not stay; n 0: a byte that is none. */
static size_t put_escaped(uint8_t *to, const uint8_t *p, size_t n)
{
    if (n == 1)
        return put_short(to, *p);
    if (n == 2)
        return put_unicode(to, (p[0] & 0x1fU) << 6 | (p[1] & 0x3fU));
    if (n == 3)
        return put_unicode(to, (p[0] & 0x0fU) << 12 | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU));
    to[0] = 0xef; /* U+FFFD */
    to[1] = 0xbf;
    to[2] = 0xbd;
    return 3;
}

/* How many of eight bytes come before the first that may not stay in some text: a high bit marks what is
 * above ASCII, below a space, DEL, and a quote or a backslash, which leave zero. What is carried on from a
 * mark only marks later bytes. */
static size_t plain_of_eight(const uint8_t *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;
    memcpy(&word, p, sizeof word);
    word = le64toh(word);
    uint64_t marks = word | (word - ones * ' ') | (word + ones) | ((word ^ ones * '"') - ones) |
                     ((word ^ ones * '\\') - ones);
    marks &= ones * 0x80;
    return marks ? (size_t)__builtin_ctzll(marks) / 8 : 8;
}

/* How many bytes stay because all eights of them are plain, and of the next eight those before a mark. */
static size_t plain_run(const uint8_t *p, size_t len)
{
    size_t i = 0;
    size_t n = 8;
    for (; n == 8 && i + 8 <= len; i += n)
        n = plain_of_eight(p + i);
    return i;
}

/* The same for what is above ASCII in a text that is UTF-8, up to a character to look at. */
static size_t high_run(const uint8_t *p, size_t len, const uint8_t kinds[256])
{
    size_t i = 0;
    while (i < len && p[i] >= 0x80 && kinds[p[i]] == KEEP)
        i++;
    return i;
}

/* Whether the character here stays: its length, or 0. */
static size_t stays(const uint8_t *p, size_t len, const uint8_t kinds[256])
{
    if (*p < 0x80)
        return kinds[*p] == KEEP;
    size_t n = utf8_char_len(p, len);
    return n && utf8_drives_display(p, n) ? 0 : n;
}

/* How many of the first bytes stay as they are. `good`: all of the text is UTF-8. */
static size_t run_length(const uint8_t *p, size_t len, const uint8_t kinds[256], bool good)
{
    size_t i = 0;
    for (size_t n = 1; n && i < len; i += n) {
        n = p[i] < 0x80 ? plain_run(p + i, len - i) : good ? high_run(p + i, len - i, kinds) : 0;
        if (!n)
            n = stays(p + i, len - i, kinds);
    }
    return i;
}

static void add_chars(struct buf *out, const void *text, size_t len, const uint8_t kinds[256])
{
    const uint8_t *p = text;
    const uint8_t *end = p + len;
    bool good = utf8_check(text, len) < 0;
    buf_reserve(out, len + ESCAPE_MAX);
    while (p < end) {
        size_t run = run_length(p, (size_t)(end - p), kinds, good);
        uint8_t *to = buf_reserve(out, run + ESCAPE_MAX);
        if (!to)
            return;
        memcpy(to, p, run);
        out->len += run;
        p += run;
        if (p < end) {
            size_t n = *p < 0x80 ? 1 : utf8_char_len(p, (size_t)(end - p));
            out->len += put_escaped(to + run, p, n);
            p += n ? n : 1;
        }
    }
}

void json_add_string(struct buf *out, const void *text, size_t len)
{
    buf_addc(out, '"');
    add_chars(out, text, len, in_text);
    buf_addc(out, '"');
}

void json_add_copy(struct buf *out, const void *json, size_t len)
{
    add_chars(out, json, len, in_json);
}

void json_add_base64(struct buf *out, const void *bytes, size_t len)
{
    buf_addc(out, '"');
    uint8_t *to = buf_reserve(out, BASE64_ENCODE_RAW_LENGTH(len) + 1);
    if (to) {
        base64_encode_raw((char *)to, len, bytes);
        out->len += BASE64_ENCODE_RAW_LENGTH(len);
    }
    buf_addc(out, '"');
}
