/*
 * permessage-deflate. The first knob says what the bytes are: the value of a Sec-WebSocket-Extensions header,
 * the payload of a compressed message, or a payload to compress. The second is the limit of a message, or the
 * level; then the sizes of the fragments.
 */
#include "fuzz.h"

#include <regex.h>
#include <zlib.h>

#include "../unit/wire/frames.h"
#include "base/error.h"
#include "base/utf8.h"
#include "wire/deflate.h"
#include "wire/deflate_offer.h"

enum { KIND_KNOB = 0, LIMIT_KNOB = 1, PIECE_KNOB = 2, RSV1 = 0x40 };

/* One for all inputs, as a thread has one for all connections. */
static struct websocket *codec;
static struct deflate *streams;

/* ---- offers ---- */

static struct deflate_terms take_offer(const void *value, size_t len, struct deflate_terms terms)
{
    char *copy = exact_copy(value, len);
    deflate_take_offer(copy, len, &terms);
    free(copy);
    return terms;
}

static bool same_terms(struct deflate_terms a, struct deflate_terms b)
{
    return a.bits == b.bits && a.bits_asked == b.bits_asked;
}

static unsigned occurrences(const char *text, const char *word)
{
    unsigned n = 0;
    while ((text = strcasestr(text, word))) {
        text += strlen(word);
        n++;
    }
    return n;
}

/* Section 7.1 in another language, for one offer without quotes. */
static bool is_good_offer(const char *text)
{
    static const char good[] =
        "^[ \t]*permessage-deflate([ \t]*;[ \t]*(server_no_context_takeover|client_no_context_takeover"
        "|client_max_window_bits|(client|server)_max_window_bits[ \t]*=[ \t]*([89]|1[0-5])))*[ \t]*$";
    static const char *const once[] = {"server_no_context_takeover", "client_no_context_takeover",
                                       "client_max_window_bits", "server_max_window_bits"};
    static regex_t compiled;
    static bool is_compiled;
    if (!is_compiled)
        is_compiled = regcomp(&compiled, good, REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0;
    MUST(is_compiled);
    for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        if (occurrences(text, once[i]) > 1)
            return false;
    return regexec(&compiled, text, 0, NULL, 0) == 0;
}

static void check_one_offer(const struct input *in, struct deflate_terms terms)
{
    char *text = strndup((const char *)in->bytes, in->len);
    if (strlen(text) == in->len && !strpbrk(text, ",\""))
        MUST((terms.bits != 0) == is_good_offer(text));
    free(text);
}

/* Two headers mean what one does that has both values (RFC 6455 section 9.1). */
static void check_two_headers(const struct input *in, struct deflate_terms all)
{
    const uint8_t *comma = in->len ? memchr(in->bytes, ',', in->len) : NULL;
    if (!comma || memchr(in->bytes, '"', in->len))
        return;
    size_t first = (size_t)(comma - in->bytes);
    struct deflate_terms terms = take_offer(in->bytes, first, (struct deflate_terms){0});
    MUST(same_terms(take_offer(comma + 1, in->len - first - 1, terms), all));
}

/* The answer is an offer that is answered alike. */
static void check_answer(struct deflate_terms terms)
{
    struct buf answer = {0};
    deflate_add_answer(&answer, &terms);
    for (size_t i = 0; i < answer.len; i++)
        MUST(answer.data[i] >= ' ' && answer.data[i] < 0x7f);
    MUST(same_terms(take_offer(answer.data, answer.len, (struct deflate_terms){0}), terms));
    buf_fini(&answer);
}

static void check_offer(const struct input *in)
{
    static const struct deflate_terms earlier = {.bits = 9, .bits_asked = true};
    struct deflate_terms terms = take_offer(in->bytes, in->len, (struct deflate_terms){0});
    MUST(same_terms(take_offer(in->bytes, in->len, earlier), earlier));
    check_one_offer(in, terms);
    check_two_headers(in, terms);
    if (terms.bits == 0)
        return;
    MUST(terms.bits >= DEFLATE_BITS_MIN && terms.bits <= DEFLATE_BITS_MAX);
    MUST(terms.bits_asked || terms.bits == DEFLATE_BITS_MAX);
    check_answer(terms);
}

/* ---- messages of others ---- */

static uint64_t limit_of(const struct input *in)
{
    static const uint64_t limits[] = {40000, 125, 1, 1000, 16383, 16384, 65536, 200000};
    return limits[input_knob(in, LIMIT_KNOB) % 8];
}

/* The whole payload with its tail through zlib at once, into room for the limit and one byte more. Returns
 * like deflate_expand(). */
static int expand_whole(const uint8_t *payload, size_t len, uint64_t limit, int window_bits, struct buf *out)
{
    struct buf in = {0};
    z_stream z = {0};
    int result = Z_OK;
    buf_add(&in, payload, len);
    buf_add(&in, "\0\0\xff\xff", 4);
    MUST(inflateInit2(&z, -window_bits) == Z_OK);
    z.next_in = in.data;
    z.avail_in = (uInt)in.len;
    z.next_out = buf_reserve(out, (size_t)limit + 1);
    z.avail_out = (uInt)limit + 1;
    do {
        result = inflate(&z, Z_NO_FLUSH);
        if (result == Z_STREAM_END)
            result = inflateReset(&z);
    } while (result == Z_OK && z.avail_in && z.avail_out);
    out->len = (size_t)limit + 1 - z.avail_out;
    bool between_blocks = z.data_type & 128;
    inflateEnd(&z);
    buf_fini(&in);
    if (out->len > limit)
        return -ERR_MESSAGE_SIZE;
    return (result == Z_OK || result == Z_BUF_ERROR) && between_blocks ? 0 : -ERR_DEFLATE;
}

static void check_expand(const struct input *in, uint64_t limit, int expected, const struct buf *plain)
{
    const uint8_t *out;
    size_t out_len;
    uint8_t *copy = exact_copy(in->bytes, in->len);
    int result = deflate_expand(streams, copy, in->len, limit, &out, &out_len);
    free(copy);
    MUST(result == expected);
    MUST(result < 0 || (out_len == plain->len && (out_len == 0 || memcmp(out, plain->data, out_len) == 0)));
}

/* The compressed message in fragments as the knobs say. */
static void add_fragments(struct buf *to, const struct input *in, enum websocket_opcode opcode)
{
    unsigned first = opcode | RSV1;
    size_t at = 0;
    for (size_t i = 0, n; first != FIN; i++, at += n) {
        n = input_piece(in, PIECE_KNOB, i, in->len - at);
        unsigned fin = at + n == in->len ? FIN : 0;
        add_frame(to, first | fin, in->bytes + at, n);
        first = fin ? FIN : WEBSOCKET_CONTINUATION;
    }
}

/* Fed byte by byte, and then in one piece; the codec serves whoever comes next. */
static int feed(const struct buf *stream, uint64_t limit, size_t step, struct record *record)
{
    struct websocket_partial *partial = NULL;
    struct websocket_rules rules = {.limit = limit, .deflate = true};
    int result = 0;
    for (size_t at = 0; at < stream->len && result == 0; at += step) {
        uint8_t *copy = exact_copy(stream->data + at, step);
        result = websocket_feed(codec, &partial, copy, step, &rules, &record_events, record);
        free(copy);
    }
    websocket_partial_free(partial);
    return result;
}

static void check_record(const struct record *r, enum websocket_opcode opcode, const struct buf *plain)
{
    MUST(r->count == 1 && r->last == opcode && r->last_len == plain->len);
    MUST(plain->len == 0 || memcmp(r->events.data + 9, plain->data, plain->len) == 0);
}

static void check_message(const struct input *in, enum websocket_opcode opcode, uint64_t limit, int expected,
                          const struct buf *plain)
{
    struct buf stream = {0};
    add_fragments(&stream, in, opcode);
    if (in->len > limit + limit / 8 + 64) /* refused before it is expanded */
        expected = -ERR_MESSAGE_SIZE;
    else if (expected == 0 && opcode == WEBSOCKET_TEXT && utf8_check(plain->data, plain->len) >= 0)
        expected = -ERR_UTF8;
    for (int slowly = 0; slowly < 2; slowly++) {
        struct record record = {0};
        MUST(feed(&stream, limit, slowly ? 1 : stream.len, &record) == expected);
        if (expected == 0)
            check_record(&record, opcode, plain);
        else
            MUST(record.count == 0);
        buf_fini(&record.events);
    }
    buf_fini(&stream);
}

static void check_compressed(const struct input *in)
{
    struct buf plain = {0};
    uint64_t limit = limit_of(in);
    int expected = expand_whole(in->bytes, in->len, limit, DEFLATE_BITS_MAX, &plain);
    check_expand(in, limit, expected, &plain);
    check_message(in, WEBSOCKET_BINARY, limit, expected, &plain);
    check_message(in, WEBSOCKET_TEXT, limit, expected, &plain);
    buf_fini(&plain);
}

/* ---- messages of ours ---- */

/* The header that goes out is the one that comes in, but for the mask. */
static void check_header(const struct buf *stream, size_t payload_len)
{
    uint8_t header[WEBSOCKET_HEADER_MAX];
    size_t len = websocket_header(codec, WEBSOCKET_BINARY, true, payload_len, header);
    MUST(len + 4 + payload_len == stream->len);
    MUST(header[0] == stream->data[0] && header[1] == (stream->data[1] & ~MASKED));
    MUST(memcmp(header + 2, stream->data + 2, len - 2) == 0);
}

/* Every client gets it back whose window is as large as the message. */
static void check_windows(const struct buf *compressed, const struct buf *plain)
{
    for (int bits = DEFLATE_BITS_MIN; bits <= DEFLATE_BITS_MAX; bits++) {
        struct buf back = {0};
        if (plain->len > (size_t)1 << bits)
            continue;
        MUST(expand_whole(compressed->data, compressed->len, plain->len, bits, &back) == 0);
        MUST(same_bytes(&back, plain));
        buf_fini(&back);
    }
}

static void check_round_trip(const struct input *in)
{
    int level = 1 + (int)(input_knob(in, LIMIT_KNOB) % 9);
    struct buf plain = {0};
    struct buf compressed = {0};
    struct buf stream = {0};
    struct record record = {0};
    /* what an input of a few KiB can't hold */
    size_t times = 1 + input_knob(in, PIECE_KNOB);
    for (size_t i = 0; i < times; i++)
        buf_add(&plain, in->bytes, in->len);
    void *copy = exact_copy(plain.data, plain.len);
    websocket_compress(codec, level, copy, plain.len, &compressed);
    free(copy);
    MUST(!buf_failed(&compressed));
    add_frame(&stream, FIN | RSV1 | WEBSOCKET_BINARY, compressed.data, compressed.len);
    check_header(&stream, compressed.len);
    MUST(feed(&stream, plain.len, stream.len, &record) == 0);
    check_record(&record, WEBSOCKET_BINARY, &plain);
    check_windows(&compressed, &plain);
    buf_fini(&plain);
    buf_fini(&compressed);
    buf_fini(&stream);
    buf_fini(&record.events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_read(data, size);
    if (!codec)
        codec = websocket_new();
    if (!streams)
        streams = deflate_new();
    switch (input_knob(&in, KIND_KNOB) % 3) {
    case 0: check_offer(&in); break;
    case 1: check_compressed(&in); break;
    default: check_round_trip(&in); break;
    }
    return 0;
}
