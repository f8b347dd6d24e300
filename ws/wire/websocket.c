#include "wire/websocket.h"

#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/utf8.h"
#include "wire/deflate.h"

enum { EMPTY_FRAGMENTS_MAX = 1000, HEADER_IN_MAX = 14 };

struct websocket {
    wslay_frame_context_ptr frames; /* writes headers */
    struct deflate *deflate;
    uint64_t frames_taken;
    uint8_t *header_out; /* where the next header goes; NULL: payload is passing, which is only counted */
    size_t header_len;   /* of the last one */
};

/* A frame on its way in. */
struct frame {
    bool fin;
    bool compressed;
    uint8_t opcode;
    uint8_t mask[4];
    uint64_t len;   /* of its payload */
    uint64_t taken; /* so much of that has come */
};

struct websocket_partial {
    struct buf message; /* payload of the unfinished message, as far as it has come */
    struct frame frame; /* unfinished while not all of it is taken */
    unsigned empty_fragments;
    struct utf8 utf8; /* of the unfinished message, if that is text */
    uint8_t opcode;   /* of that message; 0: none */
    bool compressed;  /* so is that message */
    uint8_t header_len;
    uint8_t header[HEADER_IN_MAX];          /* what has come of a header */
    uint8_t control[WEBSOCKET_CONTROL_MAX]; /* what has come of a control frame's payload */
};

/* ---- the codec ---- */

static ssize_t take_header(const uint8_t *bytes, size_t len, int flags, void *user)
{
    struct websocket *ws = user;
    (void)flags;
    if (ws->header_out && len <= WEBSOCKET_HEADER_MAX) {
        memcpy(ws->header_out, bytes, len);
        ws->header_len = len;
    }
    ws->header_out = NULL;
    return (ssize_t)len;
}

struct websocket *websocket_new(void)
{
    static const struct wslay_frame_callbacks callbacks = {.send_callback = take_header};
    struct websocket *ws = calloc(1, sizeof *ws);
    if (!ws || wslay_frame_context_init(&ws->frames, &callbacks, ws) != 0)
        abort();
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
    ws->header_out = out;
    ws->header_len = 0;
    if (wslay_frame_send(ws->frames, &frame) < 0 || ws->header_len == 0)
        abort();
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
                      const struct frame *frame)
{
    bool goes_on = partial && frame->opcode == WEBSOCKET_CONTINUATION;
    uint64_t before = goes_on ? partial->message.len : 0;
    uint64_t limit = raw_limit(rules, goes_on ? partial->compressed : frame->compressed);
    if (is_control(frame->opcode))
        return 0;
    /* the limit may have become less than what is here already */
    return before > limit || frame->len > limit - before ? -ERR_MESSAGE_SIZE : 0;
}

/* Returns the header's size, 0 when more bytes are needed, or -ERR_... as soon as a byte condemns the frame.
 */
static int parse_header(const struct websocket_partial *partial, const uint8_t *p, size_t len,
                        const struct websocket_rules *rules, struct frame *out)
{
    int r;
    if (len < 1)
        return 0;
    *out = (struct frame){.fin = p[0] & 0x80, .compressed = p[0] & 0x40, .opcode = p[0] & 0x0f};
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
    if ((r = read_length(p, extended, &out->len)) < 0 || (r = check_size(partial, rules, out)) < 0)
        return r;
    size_t size = 2 + extended + sizeof out->mask;
    if (len < size)
        return 0;
    memcpy(out->mask, p + 2 + extended, sizeof out->mask);
    return (int)size;
}

/* ---- what is told ---- */

struct feed {
    struct websocket *ws;
    struct websocket_partial **partial;
    const struct websocket_rules *rules;
    const struct websocket_events *events;
    void *arg;
    uint8_t *bytes; /* what is not taken yet */
    size_t len;
};

static struct websocket_partial *need_partial(struct feed *f)
{
    if (!*f->partial)
        *f->partial = calloc(1, sizeof **f->partial);
    return *f->partial;
}

static int close_frame(struct feed *f, const uint8_t *p, size_t len)
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

static int control_frame(struct feed *f, uint8_t opcode, const uint8_t *p, size_t len)
{
    if (opcode == WEBSOCKET_PING)
        return f->events->on_ping(f->arg, p, len);
    if (opcode == WEBSOCKET_PONG)
        return f->events->on_pong(f->arg, p, len);
    return close_frame(f, p, len);
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

/* A message of one frame that has come in one piece. */
static int whole_message(struct feed *f, const struct frame *frame, const uint8_t *p, size_t len)
{
    enum websocket_opcode opcode = (enum websocket_opcode)frame->opcode;
    if (frame->compressed)
        return compressed_message(f, opcode, p, len);
    if (opcode == WEBSOCKET_TEXT && utf8_check(p, len) >= 0)
        return -ERR_UTF8;
    return f->events->on_message(f->arg, opcode, p, len);
}

/* Whether the message's bytes have to be UTF-8 as they come. */
static bool is_plain_text(const struct websocket_partial *m)
{
    return m->opcode == WEBSOCKET_TEXT && !m->compressed;
}

static int finish_message(struct feed *f, struct websocket_partial *m)
{
    if (is_plain_text(m) && !utf8_whole(&m->utf8))
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

/* ---- payload ---- */

static void mask_word(uint8_t *p, uint64_t mask)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    word ^= mask;
    memcpy(p, &word, sizeof word);
}

/* Unmasks bytes that begin at this offset in the payload (RFC 6455 section 5.3). The compiler makes wide
 * registers of the four words. */
static void unmask(uint8_t *p, size_t len, const uint8_t mask[4], uint64_t offset)
{
    enum { WORD = 8, BLOCK = 4 * WORD };
    uint8_t twice[8];
    uint32_t turned;
    size_t i = 0;
    memcpy(twice, mask, 4);
    memcpy(twice + 4, mask, 4);
    memcpy(&turned, twice + (offset & 3), sizeof turned);
    uint64_t word = (uint64_t)turned << 32 | turned;
    for (; i + BLOCK <= len; i += BLOCK)
        for (size_t k = 0; k < BLOCK; k += WORD)
            mask_word(p + i + k, word);
    for (; i + WORD <= len; i += WORD)
        mask_word(p + i, word);
    for (; i < len; i++)
        p[i] ^= mask[(offset + i) & 3];
}

/* A control frame that comes in pieces is kept beside the message that it interrupts. */
static int control_payload(struct feed *f, const struct frame *frame, const uint8_t *p, size_t len)
{
    if (len == frame->len)
        return control_frame(f, frame->opcode, p, len);
    struct websocket_partial *m = need_partial(f);
    if (!m)
        return -ERR_MEMORY;
    memcpy(m->control + frame->taken - len, p, len);
    return frame->taken < frame->len ? 0 : control_frame(f, frame->opcode, m->control, (size_t)frame->len);
}

/* Adds what has come of a frame to its message. */
static int collect(struct feed *f, const struct frame *frame, const uint8_t *p, size_t len)
{
    struct websocket_partial *m = need_partial(f);
    if (!m)
        return -ERR_MEMORY;
    if (frame->opcode != WEBSOCKET_CONTINUATION) {
        m->opcode = frame->opcode;
        m->compressed = frame->compressed;
    }
    if (!frame->fin && frame->len == 0 && ++m->empty_fragments > EMPTY_FRAGMENTS_MAX)
        return -ERR_EMPTY_FRAGMENTS;
    if (is_plain_text(m) && utf8_feed(&m->utf8, p, len) != len)
        return -ERR_UTF8;
    size_t left = (size_t)(frame->len - frame->taken);
    size_t ceiling = frame->fin ? m->message.len + len + left : (size_t)raw_limit(f->rules, m->compressed);
    buf_add_within(&m->message, p, len, ceiling);
    if (buf_failed(&m->message))
        return -ERR_MEMORY;
    return frame->fin && left == 0 ? finish_message(f, m) : 0;
}

static int data_payload(struct feed *f, const struct frame *frame, const uint8_t *p, size_t len)
{
    bool alone = frame->fin && frame->opcode != WEBSOCKET_CONTINUATION;
    return alone && len == frame->len ? whole_message(f, frame, p, len) : collect(f, frame, p, len);
}

/* Takes what has come of the frame's payload, and unmasks it where it is. */
static int take_payload(struct feed *f, struct frame *frame)
{
    uint64_t left = frame->len - frame->taken;
    size_t len = left < f->len ? (size_t)left : f->len;
    uint8_t *p = f->bytes;
    unmask(p, len, frame->mask, frame->taken);
    frame->taken += len;
    f->bytes += len;
    f->len -= len;
    f->ws->frames_taken += frame->taken == frame->len;
    return is_control(frame->opcode) ? control_payload(f, frame, p, len) : data_payload(f, frame, p, len);
}

/* ---- frames ---- */

/* Goes on with a header of which some bytes are here, or none. Returns what parse_header does. */
static int gather_header(struct feed *f, struct frame *out)
{
    struct websocket_partial *m = need_partial(f);
    int size = 0;
    if (!m)
        return -ERR_MEMORY;
    while (size == 0 && f->len) {
        m->header[m->header_len++] = *f->bytes++;
        f->len--;
        size = parse_header(m, m->header, m->header_len, f->rules, out);
    }
    if (size > 0)
        m->header_len = 0;
    return size;
}

static int read_header(struct feed *f, struct frame *out)
{
    const struct websocket_partial *m = *f->partial;
    int size = m && m->header_len ? 0 : parse_header(m, f->bytes, f->len, f->rules, out);
    if (size == 0)
        return gather_header(f, out);
    if (size > 0) {
        f->bytes += size;
        f->len -= (size_t)size;
    }
    return size;
}

static int begin_frame(struct feed *f)
{
    struct frame frame;
    int size = read_header(f, &frame);
    if (size <= 0)
        return size;
    if (frame.len <= f->len)
        return take_payload(f, &frame);
    struct websocket_partial *m = need_partial(f);
    if (!m)
        return -ERR_MEMORY;
    m->frame = frame;
    return 0;
}

static bool is_inside_frame(const struct websocket_partial *m)
{
    return m && m->frame.taken < m->frame.len;
}

static void free_if_at_rest(struct websocket_partial **partial)
{
    struct websocket_partial *m = *partial;
    if (m && m->opcode == 0 && m->header_len == 0 && !is_inside_frame(m)) {
        websocket_partial_free(m);
        *partial = NULL;
    }
}

int websocket_feed(struct websocket *ws, struct websocket_partial **partial, uint8_t *bytes, size_t len,
                   const struct websocket_rules *rules, const struct websocket_events *events, void *arg)
{
    struct feed f = {.ws = ws, .partial = partial, .rules = rules, .events = events, .arg = arg};
    int r = 0;
    f.bytes = bytes;
    f.len = len;
    while (r == 0 && f.len)
        r = is_inside_frame(*partial) ? take_payload(&f, &(*partial)->frame) : begin_frame(&f);
    free_if_at_rest(partial);
    return r;
}

uint64_t websocket_frames_taken(const struct websocket *ws)
{
    return ws->frames_taken;
}

size_t websocket_partial_size(const struct websocket_partial *partial)
{
    return partial ? sizeof *partial + partial->message.cap : 0;
}

void websocket_partial_free(struct websocket_partial *partial)
{
    if (!partial)
        return;
    buf_fini(&partial->message);
    free(partial);
}
