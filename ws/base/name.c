#include "base/name.h"

#include <stdbool.h>
#include <string.h>

#include "base/glob.h"
#include "base/units.h"
#include "base/utf8.h"

static const char *segment_fault(const char *segment, size_t len)
{
    if (len == 0)
        return "it has an empty segment";
    if ((len == 1 && segment[0] == '.') || (len == 2 && segment[0] == '.' && segment[1] == '.'))
        return "it has a '.' or '..' segment";
    return NULL;
}

static const char *segments_fault(const char *name, size_t len)
{
    size_t start = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && name[i] != '/')
            continue;
        const char *fault = segment_fault(name + start, i - start);
        if (fault)
            return fault;
        start = i + 1;
    }
    return NULL;
}

/* U+0080 to U+009F are control characters too. */
static bool is_control(const uint8_t *p, size_t len)
{
    return p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && len > 1 && p[1] < 0xa0);
}

static const char *bytes_fault(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (is_control(p + i, len - i))
            return "it has a control character";
        if (p[i] == ' ' || p[i] == '?' || p[i] == '#')
            return "it has a space, '?' or '#'";
    }
    return NULL;
}

/* What a byte may mean for a name. */
enum { PLAIN = 0, DIVIDES = 1, ODD = 2 };

static const uint8_t kinds[256] = {
    [0x00 ... 0x20] = ODD, ['#'] = ODD, ['.'] = DIVIDES,       ['/'] = DIVIDES,
    ['?'] = ODD,           ['@'] = ODD, [0x7f ... 0xff] = ODD,
};

/* Whether a look at each byte tells that nothing is wrong, as it does for nearly all names: ASCII, no '.' is
 * next to a '/', and neither begins or ends it. */
static bool is_plain(const uint8_t *p, size_t len)
{
    uint8_t before = DIVIDES;
    for (size_t i = 0; i < len; i++) {
        uint8_t kind = kinds[p[i]];
        if (kind & (ODD | before))
            return false;
        before = kind;
    }
    return before == PLAIN;
}

const char *channel_name_fault(const char *name, size_t len)
{
    if (len == 0)
        return "it is empty";
    if (len > CHANNEL_NAME_MAX)
        return "it is longer than 200 bytes";
    if (is_plain((const uint8_t *)name, len))
        return NULL;
    if (name[0] == '@')
        return "it begins with '@'";
    if (utf8_check(name, len) >= 0)
        return "it is not UTF-8";
    const char *fault = bytes_fault((const uint8_t *)name, len);
    return fault ? fault : segments_fault(name, len);
}

const char *user_name_fault(const char *name, size_t len)
{
    if (len == 0)
        return "it is empty";
    if (len > USER_NAME_MAX)
        return "it is longer than 128 bytes";
    if (utf8_check(name, len) >= 0)
        return "it is not UTF-8";
    for (size_t i = 0; i < len; i++)
        if (name[i] == ' ' || is_control((const uint8_t *)name + i, len - i))
            return "it has a space or a control character";
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* Decodes one character of the path at *at and moves on; -1 for a bad escape. */
static int decode_char(const char *path, size_t len, size_t *at)
{
    if (path[*at] != '%')
        return (unsigned char)path[(*at)++];
    if (len - *at < 3)
        return -1;
    int high = hex_digit(path[*at + 1]);
    int low = hex_digit(path[*at + 2]);
    *at += 3;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

const char *channel_name_from_path(const char *path, size_t len, char out[CHANNEL_NAME_MAX + 1],
                                   size_t *out_len)
{
    const char *query = memchr(path, '?', len);
    if (query)
        len = (size_t)(query - path);
    if (len == 0 || path[0] != '/')
        return "the path does not begin with '/'";
    path++;
    len--;
    if (len && path[len - 1] == '/')
        len--;
    size_t n = 0;
    for (size_t at = 0; at < len;) {
        bool escaped = path[at] == '%';
        int c = decode_char(path, len, &at);
        if (c < 0)
            return "it has a bad percent escape";
        if (escaped && c == '/')
            return "it has an encoded slash";
        if (n == CHANNEL_NAME_MAX)
            return "it is longer than 200 bytes";
        out[n++] = (char)c;
    }
    out[n] = '\0';
    *out_len = n;
    return channel_name_fault(out, n);
}

int client_name_parse(const char *text, size_t len, uint64_t *out)
{
    if (len < 2 || text[0] != 'c' || text[1] == '0')
        return -1;
    return units_number(text + 1, len - 1, out);
}

/* What stands behind the prefix, if it is there. */
static bool take_prefix(const char *text, size_t len, const char *prefix, struct target *out)
{
    size_t n = strlen(prefix);
    if (len < n || memcmp(text, prefix, n) != 0)
        return false;
    out->name = text + n;
    out->name_len = len - n;
    return true;
}

const char *target_parse(const char *text, size_t len, struct target *out)
{
    *out = (struct target){.kind = TARGET_CHANNEL, .name = text, .name_len = len};
    if (len == 0 || text[0] != '@')
        return channel_name_fault(text, len);
    if (take_prefix(text, len, "@client:", out)) {
        out->kind = TARGET_CLIENT;
        return client_name_parse(out->name, out->name_len, &out->client) == 0
                   ? NULL
                   : "a client is written @client:c42";
    }
    if (take_prefix(text, len, "@user:", out)) {
        out->kind = TARGET_USER;
        return user_name_fault(out->name, out->name_len);
    }
    if (take_prefix(text, len, "@match:", out)) {
        out->kind = TARGET_MATCH;
        return glob_fault(out->name, out->name_len);
    }
    out->kind = TARGET_ALL;
    return take_prefix(text, len, "@all", out) && out->name_len == 0
               ? NULL
               : "a target is a channel, @client:cN, @user:NAME, @match:PATTERN or @all";
}
