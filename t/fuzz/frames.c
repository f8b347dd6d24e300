/*
 * The frame stream of a client, in pieces of any size: what plain wslay makes of it (agree.h), and the same
 * as in one piece. Knobs: the limit of a message; what comes before the input's bytes; then the pieces.
 */
#include "fuzz.h"

#include "../unit/wire/agree.h"

enum { BIG = 70000, LIMIT_KNOB = 0, PRELUDE_KNOB = 1, PIECE_KNOB = 2 };

/* wslay counts control frames too, so none is below the size of those. */
static uint64_t limit_of(const struct input *in)
{
    static const uint64_t limits[] = {1 << 20, 125, 126, 200, 1000, 65535, 65536, BIG + 10};
    return limits[input_knob(in, LIMIT_KNOB) % 8];
}

/* What an input of a few KiB can't hold: a big message, the beginning of one, as many empty fragments as may
 * be, a big message that is refused at its beginning. Made once. */
static const struct buf *prelude_of(const struct input *in)
{
    static const uint8_t big[BIG];
    static const uint8_t not_text[BIG] = {0xff};
    static struct buf preludes[5];
    if (preludes[1].len == 0) {
        add_frame(&preludes[1], FIN | WEBSOCKET_BINARY, big, sizeof big);
        add_frame(&preludes[2], WEBSOCKET_TEXT, big, sizeof big);
        add_frame(&preludes[3], WEBSOCKET_TEXT, "", 0);
        for (int i = 1; i < 1000; i++)
            add_frame(&preludes[3], WEBSOCKET_CONTINUATION, "", 0);
        add_frame(&preludes[4], FIN | WEBSOCKET_TEXT, not_text, sizeof not_text);
    }
    unsigned knob = input_knob(in, PRELUDE_KNOB);
    return &preludes[knob < 5 ? knob : 0];
}

static void read_exactly(struct ours *o, const void *bytes, size_t len)
{
    void *copy = exact_copy(bytes, len);
    ours_read(o, copy, len);
    free(copy);
}

static void read_in_pieces(struct ours *o, const struct input *in)
{
    size_t at = 0;
    for (size_t i = 0, n; at < in->len; i++, at += n) {
        n = input_piece(in, PIECE_KNOB, i, in->len - at);
        read_exactly(o, in->bytes + at, n);
    }
}

static void check_limit(const struct ours *o)
{
    const uint8_t *p = o->side.record.events.data;
    for (unsigned i = 0; i < o->side.record.count; i++) {
        uint64_t len = 0;
        bool control = *p++ & 8;
        for (int k = 0; k < 8; k++)
            len = len << 8 | *p++;
        MUST(len <= (control ? WEBSOCKET_CONTROL_MAX : o->rules.limit));
        p += len;
    }
}

/* The codec serves the next connection, whatever happened on this one. */
static void check_codec(struct websocket *codec)
{
    struct ours next = {.codec = codec, .rules = {.limit = 125}};
    struct buf good = {0};
    add_frame(&good, FIN | WEBSOCKET_TEXT, "good", 4);
    read_exactly(&next, good.data, good.len);
    MUST(!side_decided(&next.side) && !next.partial);
    MUST(next.side.record.count == 1 && next.side.record.last_len == 4);
    MUST(memcmp(next.side.record.events.data + 9, "good", 4) == 0);
    buf_fini(&good);
    ours_fini(&next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_read(data, size);
    struct websocket *codec = websocket_new();
    struct ours whole = {.codec = codec, .rules = {.limit = limit_of(&in)}};
    struct ours pieces = whole;
    struct theirs theirs;
    const struct buf *prelude = prelude_of(&in);

    theirs_init(&theirs, whole.rules.limit);
    theirs_read(&theirs, prelude->data, prelude->len);
    theirs_read(&theirs, in.bytes, in.len);
    read_exactly(&pieces, prelude->data, prelude->len);
    read_in_pieces(&pieces, &in);
    read_exactly(&whole, prelude->data, prelude->len);
    read_exactly(&whole, in.bytes, in.len);

    MUST(whole.side.fault == pieces.side.fault);
    MUST(same_records(&whole.side.record, &pieces.side.record));
    MUST(same_records(&whole.side.closing, &pieces.side.closing));
    sides_decide(&pieces, &theirs);
    MUST(sides_agree(&pieces.side, &theirs.side));
    check_limit(&pieces);
    check_codec(codec);

    ours_fini(&whole);
    ours_fini(&pieces);
    theirs_fini(&theirs);
    websocket_free(codec);
    return 0;
}
