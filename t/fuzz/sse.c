/*
 * Server-sent events: the bytes as a message among others, through the reader that follows the standard: a
 * browser gets the message, its lines joined by LF, and nothing that stands in it becomes a field. Knobs:
 * whether it is binary; whether it is a notice without id; then the pieces that the reader is fed.
 */
#include "fuzz.h"

#include <nettle/base64.h>

#include "../unit/wire/event_reader.h"
#include "wire/sse.h"

/* What has to be seen next, and what was. */
struct listener {
    struct event_read expected[4];
    size_t count;
    size_t seen;
};

static bool same_bytes(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && (!a_len || memcmp(a, b, a_len) == 0);
}

static void listen_to(void *arg, const struct event_read *e)
{
    struct listener *l = arg;
    MUST(l->seen < l->count);
    const struct event_read *expected = &l->expected[l->seen++];
    MUST(strcmp(e->type, expected->type) == 0);
    MUST(same_bytes(e->id, e->id_len, expected->id, expected->id_len));
    MUST(same_bytes(e->data, e->len, expected->data, expected->len));
}

static void feed_pieces(struct event_reader *reader, const struct input *in, const struct buf *stream)
{
    size_t at = 0;
    for (size_t i = 0; at < stream->len; i++) {
        size_t n = input_piece(in, 2, i, stream->len - at);
        char *copy = exact_copy(stream->data + at, n);
        event_reader_feed(reader, copy, n);
        free(copy);
        at += n;
    }
}

/* What a page sees of the message: its lines, or base64, which reads back as the message. */
static void make_data(struct buf *out, const struct input *in, bool binary)
{
    if (!binary) {
        event_reader_join_lines(out, in->bytes, in->len);
        return;
    }
    size_t len = BASE64_ENCODE_RAW_LENGTH(in->len);
    uint8_t *to = buf_reserve(out, len + 1);
    base64_encode_raw((char *)to, in->len, in->bytes);
    out->len = len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_read(data, size);
    bool binary = input_knob(&in, 0) & 1;
    bool notice = input_knob(&in, 1) & 1;
    struct buf seen = {0};
    struct buf stream = {0};
    make_data(&seen, &in, binary);
    const char *type = binary ? "binary" : notice ? "join" : "message";
    size_t id_len = notice ? 3 : 4;
    struct listener listener = {.count = 4,
                                .expected = {{"first", "1-1", 3, "", 0},
                                             {type, notice ? "1-1" : "1-22", id_len, seen.data, seen.len},
                                             {"beat", notice ? "1-1" : "1-22", id_len, "", 0},
                                             {"message", "1-3", 3, "last", 4}}};
    struct event_reader reader = {.dispatch = listen_to, .arg = &listener};
    char *copy = exact_copy(in.bytes, in.len);
    sse_add_retry(&stream, 3000);
    sse_add_event(&stream, "1-1", 3, "first", false, NULL, 0);
    sse_add_event(&stream, notice ? NULL : "1-22", 4, notice ? "join" : NULL, binary, copy, in.len);
    sse_add_beat(&stream);
    sse_add_event(&stream, "1-3", 3, NULL, false, "last", 4);
    sse_add_end(&stream);
    feed_pieces(&reader, &in, &stream);
    MUST(listener.seen == listener.count);
    MUST(strcmp(event_reader_last_id(&reader), SSE_CLOSED) == 0);
    event_reader_fini(&reader);
    free(copy);
    buf_fini(&stream);
    buf_fini(&seen);
    return 0;
}
