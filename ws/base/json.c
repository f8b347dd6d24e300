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

void json_string(struct buf *out, const void *text, size_t len)
{
    const uint8_t *p = text;
    const uint8_t *end = p + len;
    buf_addc(out, '"');
    while (p < end) {
        size_t n = utf8_char_len(p, (size_t)(end - p));
        if (n == 1)
            add_char(out, *p);
        else if (n > 1)
            buf_add(out, p, n);
        else
            buf_adds(out, "\xef\xbf\xbd");
        p += n ? n : 1;
    }
    buf_addc(out, '"');
}

void json_base64(struct buf *out, const void *bytes, size_t len)
{
    buf_addc(out, '"');
    uint8_t *to = buf_reserve(out, BASE64_ENCODE_RAW_LENGTH(len) + 1);
    if (to) {
        base64_encode_raw((char *)to, len, bytes);
        out->len += BASE64_ENCODE_RAW_LENGTH(len);
    }
    buf_addc(out, '"');
}
