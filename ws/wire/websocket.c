#include "wire/websocket.h"

#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/utf8.h"
#include "wire/deflate.h"

enum { EMPTY_FRAGMENTS_MAX = 1000 };

struct websocket {
    wslay_frame_context_ptr frames;
    struct deflate *deflate;
    uint64_t frames_taken;
    /* what wslay reads from: the rest of one whole frame */
    const uint8_t *in;
    size_t in_len;
    /* what it wrote: a header; payloads are only counted */
    uint8_t header[14];
    size_t header_len;
};

struct websocket_partial {
    struct buf raw;     /* header and masked payload of an unfinished frame */
    struct buf message; /* payload of the fragments before it */
    struct utf8 utf8;   /* of the unfinished text message */
    size_t checked;     /* payload bytes of `raw` that the UTF-8 check has seen */
    unsigned empty_fragments;
    uint8_t opcode;  /* of the unfinished message; 0: none */
    bool compressed; /* so is that message */
};

/* A frame's header, as far as this module looks at it. */
struct header {
    bool fin;
    bool compressed;
    uint8_t opcode;
    uint64_t payload_len;
    size_t size;
    const uint8_t *mask;
};

/* ---- the codec ---- */

static ssize_t give_bytes(uint8_t *to, size_t len, int flags, void *user)
{
    struct websocket *ws = user;
    (void)flags;
    if (ws->in_len == 0)
        return -1;
    if (len > ws->in_len)
        len = ws->in_len;
    memcpy(to, ws->in, len);
    ws->in += len;
    ws->in_len -= len;
    return (ssize_t)len;
}

static ssize_t take_header(const uint8_t *bytes, size_t len, int flags, void *user)
{
    struct websocket *ws = user;
    (void)flags;
    if (ws->header_len == 0 && len <= sizeof ws->header) {
        memcpy(ws->header, bytes, len);
        ws->header_len = len;
    }
    return (ssize_t)len;
}

static void start_frames(struct websocket *ws)
{
    static const struct wslay_frame_callbacks callbacks = {.send_callback = take_header,
                                                           .recv_callback = give_bytes};
    if (wslay_frame_context_init(&ws->frames, &callbacks, ws) != 0)
        abort();
}

struct websocket *websocket_new(void)
{
    struct websocket *ws = calloc(1, sizeof *ws);
    if (!ws)
        abort();
    start_frames(ws);
    ws->deflate = deflate_new();
    return ws;
}

void websocket_free(struct websocket *ws)
{
    if (!ws)
        return;
    wslay_frame_context_free(ws->frames);
    deflate_free(ws->deflate);
    free(ws);
}

size_t websocket_header(struct websocket *ws, enum websocket_opcode opcode, bool compressed,
                        uint64_t payload_len, uint8_t out[WEBSOCKET_HEADER_MAX])
{
    static const uint8_t stand_in; /* the payload itself never passes through here */
    struct wslay_frame_iocb frame = {.fin = 1,
                                     .rsv = compressed ? WSLAY_RSV1_BIT : WSLAY_RSV_NONE,
                                     .opcode = (uint8_t)opcode,
                                     .payload_length = payload_len,
                                     .data = &stand_in,
                                     .data_length = (size_t)payload_len};
    ws->header_len = 0;
    if (wslay_frame_send(ws->frames, &frame) < 0 || ws->header_len > WEBSOCKET_HEADER_MAX)
        abort();
    memcpy(out, ws->header, ws->header_len);
    return ws->header_len;
}

void websocket_compress(struct websocket *ws, int level, const void *payload, size_t len, struct buf *out)
{
    deflate_compress(ws->deflate, level, payload, len, out);
}

bool websocket_close_code_ok(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/* ---- a frame's header ---- */

static bool is_control(uint8_t opcode)
{
    return opcode & 0x8;
}

/* RSV1 says that a message is compressed, on its first frame and nowhere else (RFC 7692 section 6). */
static int check_reserved_bits(uint8_t byte, bool deflate)
{
    uint8_t opcode = byte & 0x0f;
    bool may_be_compressed = deflate && (opcode == WEBSOCKET_TEXT || opcode == WEBSOCKET_BINARY);
    return byte & (may_be_compressed ? 0x30 : 0x70) ? -ERR_FRAME_RSV : 0;
}

static int check_first_byte(uint8_t byte, bool in_message)
{
    uint8_t opcode = byte & 0x0f;
    if (opcode > WEBSOCKET_PONG || (opcode > WEBSOCKET_BINARY && opcode < WEBSOCKET_CLOSE))
        return -ERR_FRAME_OPCODE;
    if (is_control(opcode))
        return byte & 0x80 ? 0 : -ERR_CONTROL_FRAGMENT;
    if (opcode == WEBSOCKET_CONTINUATION)
        return in_message ? 0 : -ERR_CONTINUATION;
    return in_message ? -ERR_INTERLEAVED : 0;
}

static int check_second_byte(uint8_t opcode, uint8_t byte)
{
    uint8_t len7 = byte & 0x7f;
    if (!(byte & 0x80))
        return -ERR_FRAME_UNMASKED;
    if (is_control(opcode) && len7 > WEBSOCKET_CONTROL_MAX)
        return -ERR_CONTROL_LENGTH;
    return opcode == WEBSOCKET_CLOSE && len7 == 1 ? -ERR_CLOSE_LENGTH : 0;
}

static uint64_t big_endian(const uint8_t *p, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | p[i];
    return value;
}

/* Reads the payload length; 0, or -ERR_FRAME_LENGTH if it could be shorter or has its top bit set. */
static int read_length(const uint8_t *p, size_t extended, uint64_t *out)
{
    *out = extended ? big_endian(p + 2, extended) : (p[1] & 0x7f);
    if ((extended == 2 && *out < 126) || (extended == 8 && (*out < 65536 || *out >> 63)))
        return -ERR_FRAME_LENGTH;
    return 0;
}

/* What does not compress may even grow a little: so much of a compressed message is taken in. */
static uint64_t raw_limit(const struct websocket_rules *rules, bool compressed)
{
    return compressed ? rules->limit + rules->limit / 8 + 64 : rules->limit;
}

static int check_size(const struct websocket_partial *partial, const struct websocket_rules *rules,
                      const struct header *h)
{
    bool goes_on = partial && h->opcode == WEBSOCKET_CONTINUATION;
    uint64_t before = goes_on ? partial->message.len : 0;
    uint64_t limit = raw_limit(rules, goes_on ? partial->compressed : h->compressed);
    if (is_control(h->opcode))
        return 0;
    /* the limit may have become less than what is here already */
    return before > limit || h->payload_len > limit - before ? -ERR_MESSAGE_SIZE : 0;
}

/* Returns 1 with the header, 0 when more bytes are needed, or -ERR_... as soon as a byte condemns the frame.
 */
static int peek_header(const struct websocket_partial *partial, const uint8_t *p, size_t len,
                       const struct websocket_rules *rules, struct header *out)
{
    int r;
    if (len < 1)
        return 0;
    *out = (struct header){.fin = p[0] & 0x80, .compressed = p[0] & 0x40, .opcode = p[0] & 0x0f};
    if ((r = check_reserved_bits(p[0], rules->deflate)) < 0 ||
        (r = check_first_byte(p[0], partial && partial->opcode)) < 0)
        return r;
    if (len < 2)
        return 0;
    if ((r = check_second_byte(out->opcode, p[1])) < 0)
        return r;
    uint8_t len7 = p[1] & 0x7f;
    size_t extended = len7 == 126 ? 2 : len7 == 127 ? 8 : 0;
    if (len < 2 + extended)
        return 0;
    if ((r = read_length(p, extended, &out->payload_len)) < 0 || (r = check_size(partial, rules, out)) < 0)
        return r;
    out->size = 2 + extended + 4;
    out->mask = p + 2 + extended;
    return len >= out->size;
}

/* ---- whole frames ---- */

struct feed {
    struct websocket *ws;
    struct websocket_partial **partial;
    const struct websocket_rules *rules;
    const struct websocket_events *events;
    void *arg;
};

static struct websocket_partial *need_partial(struct feed *f)
{
    if (!*f->partial)
        *f->partial = calloc(1, sizeof **f->partial);
    return *f->partial;
}

/* wslay and our own look at the header agree on every frame that comes this far; if they ever did not, the
 * frame is refused and wslay begins anew. */
static int frames_disagree(struct websocket *ws)
{
    wslay_frame_context_free(ws->frames);
    start_frames(ws);
    return -ERR_FRAME_OPCODE;
}

/* The next run of unmasked payload of the frame in ws->in. */
static int next_payload(struct websocket *ws, const uint8_t **data, size_t *len)
{
    struct wslay_frame_iocb frame = {0};
    ssize_t n = wslay_frame_recv(ws->frames, &frame);
    if (n < 0)
        return frames_disagree(ws);
    *data = frame.data;
    *len = frame.data_length;
    return 0;
}

static int on_close_frame(struct feed *f, const uint8_t *p, size_t len)
{
    if (len == 0)
        return f->events->on_close(f->arg, 1005, p, 0);
    unsigned code = (unsigned)big_endian(p, 2);
    if (!websocket_close_code_ok(code))
        return -ERR_CLOSE_CODE;
    if (utf8_check(p + 2, len - 2) >= 0)
        return -ERR_UTF8;
    return f->events->on_close(f->arg, code, p + 2, len - 2);
}

static int control_frame(struct feed *f, const struct header *h)
{
    const uint8_t *p;
    size_t len;
    int r = next_payload(f->ws, &p, &len);
    if (r < 0)
        return r;
    if (h->opcode == WEBSOCKET_PING)
        return f->events->on_ping(f->arg, p, len);
    if (h->opcode == WEBSOCKET_PONG)
        return f->events->on_pong(f->arg, p, len);
    return on_close_frame(f, p, len);
}

/* Expands a compressed message and tells it. */
static int compressed_message(struct feed *f, enum websocket_opcode opcode, const uint8_t *p, size_t len)
{
    int r = deflate_expand(f->ws->deflate, p, len, f->rules->limit, &p, &len);
    if (r < 0)
        return r;
    if (opcode == WEBSOCKET_TEXT && utf8_check(p, len) >= 0)
        return -ERR_UTF8;
    return f->events->on_message(f->arg, opcode, p, len);
}

/* A message of one frame whose payload wslay hands out in one run needs no memory of ours. */
static int whole_message(struct feed *f, const struct header *h, const uint8_t *p, size_t len)
{
    enum websocket_opcode opcode = (enum websocket_opcode)h->opcode;
    if (h->compressed)
        return compressed_message(f, opcode, p, len);
    if (opcode == WEBSOCKET_TEXT && utf8_check(p, len) >= 0)
        return -ERR_UTF8;
    return f->events->on_message(f->arg, opcode, p, len);
}

/* Whether its bytes have to be UTF-8 as they come. */
static bool is_plain_text(uint8_t opcode, bool compressed)
{
    return opcode == WEBSOCKET_TEXT && !compressed;
}

/* Adds a run of payload to the message; the first `seen` bytes of the frame passed the UTF-8 check already.
 */
static int add_run(struct websocket_partial *m, const uint8_t *p, size_t len, size_t *seen, size_t ceiling)
{
    size_t skip = *seen < len ? *seen : len;
    *seen -= skip;
    if (is_plain_text(m->opcode, m->compressed) && utf8_feed(&m->utf8, p + skip, len - skip) != len - skip)
        return -ERR_UTF8;
    buf_add_within(&m->message, p, len, ceiling);
    return buf_failed(&m->message) ? -ERR_MEMORY : 0;
}

static int finish_message(struct feed *f, struct websocket_partial *m)
{
    if (is_plain_text(m->opcode, m->compressed) && !utf8_whole(&m->utf8))
        return -ERR_UTF8;
    struct buf message = m->message;
    enum websocket_opcode opcode = (enum websocket_opcode)m->opcode;
    bool compressed = m->compressed;
    buf_init(&m->message);
    m->opcode = 0;
    m->compressed = false;
    m->utf8 = (struct utf8){0};
    m->empty_fragments = 0;
    int r = compressed ? compressed_message(f, opcode, message.data, message.len)
                       : f->events->on_message(f->arg, opcode, message.data, message.len);
    buf_fini(&message);
    return r;
}

static int collect_frame(struct feed *f, const struct header *h, const uint8_t *p, size_t len)
{
    struct websocket_partial *m = need_partial(f);
    if (!m)
        return -ERR_MEMORY;
    if (h->opcode != WEBSOCKET_CONTINUATION) {
        m->opcode = h->opcode;
        m->compressed = h->compressed;
    }
    if (!h->fin && h->payload_len == 0 && ++m->empty_fragments > EMPTY_FRAGMENTS_MAX)
        return -ERR_EMPTY_FRAGMENTS;
    size_t seen = m->checked;
    size_t ceiling =
        h->fin ? m->message.len + (size_t)h->payload_len : (size_t)raw_limit(f->rules, m->compressed);
    uint64_t left = h->payload_len;
    int r;
    m->checked = 0;
    while ((r = add_run(m, p, len, &seen, ceiling)) == 0 && (left -= len) > 0)
        if ((r = next_payload(f->ws, &p, &len)) < 0)
            break;
    if (r < 0)
        return r;
    return h->fin ? finish_message(f, m) : 0;
}

static int data_frame(struct feed *f, const struct header *h)
{
    const uint8_t *p;
    size_t len;
    int r = next_payload(f->ws, &p, &len);
    if (r < 0)
        return r;
    const struct websocket_partial *m = *f->partial;
    if (h->fin && h->opcode != WEBSOCKET_CONTINUATION && len == h->payload_len && !(m && m->checked))
        return whole_message(f, h, p, len);
    return collect_frame(f, h, p, len);
}

/* Takes one whole frame. A violation or a stop may leave the frame half read, and wslay's context with it. */
static int take_frame(struct feed *f, const struct header *h, const uint8_t *frame)
{
    f->ws->frames_taken++;
    f->ws->in = frame;
    f->ws->in_len = h->size + (size_t)h->payload_len;
    int r = is_control(h->opcode) ? control_frame(f, h) : data_frame(f, h);
    if (r != 0 && f->ws->in_len) {
        wslay_frame_context_free(f->ws->frames);
        start_frames(f->ws);
    }
    return r;
}

/* ---- unfinished frames ---- */

/* Unmasks `len` bytes that begin at this offset in the payload (RFC 6455 section 5.3), eight at a time. */
static void unmask(uint8_t *to, const uint8_t *from, size_t len, const uint8_t mask[4], size_t offset)
{
    uint8_t turned[8];
    uint64_t wide;
    uint64_t word;
    size_t i = 0;
    for (size_t k = 0; k < sizeof turned; k++)
        turned[k] = mask[(offset + k) & 3];
    memcpy(&wide, turned, sizeof wide);
    for (; i + sizeof word <= len; i += sizeof word) {
        memcpy(&word, from + i, sizeof word);
        word ^= wide;
        memcpy(to + i, &word, sizeof word);
    }
    for (; i < len; i++)
        to[i] = from[i] ^ turned[i & 7];
}

/* Checks the text of an unfinished frame as far as it is there. */
static int check_text_so_far(struct websocket_partial *m, const struct header *h)
{
    bool goes_on = h->opcode == WEBSOCKET_CONTINUATION;
    if (!is_plain_text(goes_on ? m->opcode : h->opcode, goes_on ? m->compressed : h->compressed))
        return 0;
    const uint8_t *payload = m->raw.data + h->size;
    size_t have = m->raw.len - h->size;
    uint8_t plain[512];
    while (m->checked < have) {
        size_t n = have - m->checked < sizeof plain ? have - m->checked : sizeof plain;
        unmask(plain, payload + m->checked, n, h->mask, m->checked);
        if (utf8_feed(&m->utf8, plain, n) != n)
            return -ERR_UTF8;
        m->checked += n;
    }
    return 0;
}

/* Adds bytes to the unfinished frame, not beyond its end. Returns how many were taken, or -ERR_... */
static ssize_t fill_raw(struct feed *f, const uint8_t *bytes, size_t len)
{
    struct websocket_partial *m = need_partial(f);
    size_t taken = 0;
    struct header h;
    int known;
    if (!m)
        return -ERR_MEMORY;
    while ((known = peek_header(m, m->raw.data, m->raw.len, f->rules, &h)) == 0 && taken < len)
        buf_add(&m->raw, bytes + taken++, 1);
    if (known < 0)
        return known;
    if (known) {
        size_t total = h.size + (size_t)h.payload_len;
        size_t n = total - m->raw.len < len - taken ? total - m->raw.len : len - taken;
        buf_add_within(&m->raw, bytes + taken, n, total);
        taken += n;
    }
    return buf_failed(&m->raw) ? -ERR_MEMORY : (ssize_t)taken;
}

/* Goes on with the frame that earlier bytes began. */
static ssize_t continue_frame(struct feed *f, const uint8_t *bytes, size_t len)
{
    ssize_t taken = fill_raw(f, bytes, len);
    if (taken < 0)
        return taken;
    struct websocket_partial *m = *f->partial;
    struct header h;
    int r = peek_header(m, m->raw.data, m->raw.len, f->rules, &h);
    if (r <= 0)
        return r < 0 ? r : taken;
    if (m->raw.len < h.size + h.payload_len) {
        r = check_text_so_far(m, &h);
    } else {
        struct buf raw = m->raw;
        buf_init(&m->raw);
        r = take_frame(f, &h, raw.data);
        buf_fini(&raw);
    }
    return r != 0 ? r : taken;
}

static void free_if_at_rest(struct websocket_partial **partial)
{
    struct websocket_partial *m = *partial;
    if (m && m->raw.len == 0 && m->opcode == 0) {
        websocket_partial_free(m);
        *partial = NULL;
    }
}

int websocket_feed(struct websocket *ws, struct websocket_partial **partial, const uint8_t *bytes, size_t len,
                   const struct websocket_rules *rules, const struct websocket_events *events, void *arg)
{
    struct feed f = {ws, partial, rules, events, arg};
    int r = 0;
    while (len && r == 0) {
        struct header h;
        bool begun = *partial && (*partial)->raw.len;
        int known = begun ? 0 : peek_header(*partial, bytes, len, rules, &h);
        ssize_t taken;
        if (known < 0) {
            r = known;
        } else if (known && h.size + h.payload_len <= len) {
            taken = (ssize_t)(h.size + h.payload_len);
            r = take_frame(&f, &h, bytes);
            bytes += taken;
            len -= (size_t)taken;
        } else if ((taken = continue_frame(&f, bytes, len)) < 0) {
            r = (int)taken;
        } else {
            bytes += taken;
            len -= (size_t)taken;
        }
    }
    free_if_at_rest(partial);
    return r;
}

uint64_t websocket_frames_taken(const struct websocket *ws)
{
    return ws->frames_taken;
}

size_t websocket_partial_size(const struct websocket_partial *partial)
{
    return partial ? sizeof *partial + partial->raw.cap + partial->message.cap : 0;
}

void websocket_partial_free(struct websocket_partial *partial)
{
    if (!partial)
        return;
    buf_fini(&partial->raw);
    buf_fini(&partial->message);
    free(partial);
}
