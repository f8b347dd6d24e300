#include "wire/sse.h"

#include <nettle/base64.h>
#include <string.h>

/* A line's fixed bytes, for reckoning how much room an event takes. */
enum { LINE_ROOM = 16 };

static const char *find(const char *from, const char *end, char c)
{
    const char *found = memchr(from, c, (size_t)(end - from));
    return found ? found : end;
}

static void add_line(struct buf *out, const char *field, const char *value, size_t len)
{
    buf_adds(out, field);
    buf_add(out, value, len);
    buf_addc(out, '\n');
}

/* The next CR and the next LF are kept while they are ahead, so that a text without one of them is searched
 * for it once. */
static void add_lines(struct buf *out, const char *text, size_t len)
{
    const char *end = text + len;
    const char *cr = find(text, end, '\r');
    const char *lf = find(text, end, '\n');
    for (;;) {
        const char *eol = cr < lf ? cr : lf;
        add_line(out, "data: ", text, (size_t)(eol - text));
        if (eol == end)
            break;
        text = eol + (eol == cr && lf == cr + 1 && lf < end ? 2 : 1);
        if (cr < text)
            cr = find(text, end, '\r');
        if (lf < text)
            lf = find(text, end, '\n');
    }
}

static void add_base64(struct buf *out, const void *data, size_t len)
{
    size_t encoded = BASE64_ENCODE_RAW_LENGTH(len);
    buf_adds(out, "data: ");
    uint8_t *to = buf_reserve(out, encoded + 1);
    if (to) {
        base64_encode_raw((char *)to, len, data);
        out->len += encoded;
    }
    buf_addc(out, '\n');
}

void sse_add_event(struct buf *out, const char *id, size_t id_len, const char *event, bool binary,
                   const void *data, size_t len)
{
    if (binary)
        event = "binary";
    buf_reserve(out, len + id_len + (size_t)3 * LINE_ROOM);
    if (id)
        add_line(out, "id: ", id, id_len);
    if (event)
        add_line(out, "event: ", event, strlen(event));
    if (binary)
        add_base64(out, data, len);
    else
        add_lines(out, len ? data : "", len);
    buf_addc(out, '\n');
}

void sse_add_retry(struct buf *out, unsigned ms)
{
    buf_adds(out, "retry: ");
    buf_addu(out, ms);
    buf_adds(out, "\n\n");
}

void sse_add_beat(struct buf *out)
{
    buf_adds(out, "event: beat\ndata:\n\n");
}

void sse_add_end(struct buf *out)
{
    buf_adds(out, "id: " SSE_CLOSED "\n\n");
}
