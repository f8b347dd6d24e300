#include "base/json.h"

#include <nettle/base64.h>

#include "base/utf8.h"

static void add_char(struct buf *out, uint8_t c)
{
    static const char short_form[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};
    if (c < sizeof short_form && short_form[c]) {
        buf_addc(out, '\\');
        buf_addc(out, short_form[c]);
    } else if (c < 0x20 || c == 0x7f) {
        buf_addf(out, "\\u%04x", c);
    } else {
        buf_addc(out, (char)c);
    }
}

static void add_long_char(struct buf *out, const uint8_t *p, size_t n)
{
    if (!utf8_drives_display(p, n))
        buf_add(out, p, n);
    else if (n == 2)
        buf_addf(out, "\\u%04x", (p[0] & 0x1fU) << 6 | (p[1] & 0x3fU));
    else
        buf_addf(out, "\\u%04x", (p[0] & 0x0fU) << 12 | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU));
}

/* Adds the characters of a text; those of one byte by `add_short`. */
static void add_chars(struct buf *out, const void *text, size_t len, void (*add_short)(struct buf *, uint8_t))
{
    const uint8_t *p = text;
    const uint8_t *end = p + len;
    while (p < end) {
        size_t n = utf8_char_len(p, (size_t)(end - p));
        if (n == 1)
            add_short(out, *p);
        else if (n > 1)
            add_long_char(out, p, n);
        else
            buf_adds(out, "\xef\xbf\xbd");
        p += n ? n : 1;
    }
}

void json_add_string(struct buf *out, const void *text, size_t len)
{
    buf_addc(out, '"');
    add_chars(out, text, len, add_char);
    buf_addc(out, '"');
}

static void copy_char(struct buf *out, uint8_t c)
{
    if (c == 0x7f)
        add_char(out, c);
    else
        buf_addc(out, (char)c);
}

void json_add_copy(struct buf *out, const void *json, size_t len)
{
    add_chars(out, json, len, copy_char);
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
