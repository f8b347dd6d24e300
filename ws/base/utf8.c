#include "base/utf8.h"

#include <string.h>

/*
 * An automaton without branches. A state is a number of bits; each byte has a word in which the next state
 * stands that many bits up, so a step is one shift, and looking up the words of several bytes does not wait
 * for the states between them. The table is RFC 3629 section 4, a row of it per range of bytes.
 */
enum {
    WHOLE = 0,
    BAD = 6, /* for good */
    TAIL1 = 12,
    TAIL2 = 18,
    TAIL3 = 24,
    AFTER_E0 = 30,
    AFTER_ED = 36,
    AFTER_F0 = 42,
    AFTER_F4 = 48
};
#define STATE_MASK 63u

#define NEXT(from, to) ((uint64_t)(to) << (from))
#define WORD(whole, tail1, tail2, tail3, e0, ed, f0, f4)                                                     \
    (NEXT(WHOLE, whole) | NEXT(BAD, BAD) | NEXT(TAIL1, tail1) | NEXT(TAIL2, tail2) | NEXT(TAIL3, tail3) |    \
     NEXT(AFTER_E0, e0) | NEXT(AFTER_ED, ed) | NEXT(AFTER_F0, f0) | NEXT(AFTER_F4, f4))
/* A byte that may stand only where a character begins. */
#define LEAD(to) WORD(to, BAD, BAD, BAD, BAD, BAD, BAD, BAD)
/* One that only goes on with it. */
#define TAIL(e0, ed, f0, f4) WORD(BAD, WHOLE, TAIL1, TAIL2, e0, ed, f0, f4)

static const uint64_t words[256] = {
    [0x00 ... 0x7f] = LEAD(WHOLE),
    [0x80 ... 0x8f] = TAIL(BAD, TAIL1, BAD, TAIL2),
    [0x90 ... 0x9f] = TAIL(BAD, TAIL1, TAIL2, BAD),
    [0xa0 ... 0xbf] = TAIL(TAIL1, BAD, TAIL2, BAD),
    [0xc0 ... 0xc1] = LEAD(BAD),
    [0xc2 ... 0xdf] = LEAD(TAIL1),
    [0xe0] = LEAD(AFTER_E0),
    [0xe1 ... 0xec] = LEAD(TAIL2),
    [0xed] = LEAD(AFTER_ED),
    [0xee ... 0xef] = LEAD(TAIL2),
    [0xf0] = LEAD(AFTER_F0),
    [0xf1 ... 0xf3] = LEAD(TAIL3),
    [0xf4] = LEAD(AFTER_F4),
    [0xf5 ... 0xff] = LEAD(BAD),
};

static uint64_t step(uint64_t state, uint8_t c)
{
    return words[c] >> (state & STATE_MASK);
}

static uint64_t four_steps(uint64_t state, const uint8_t *p)
{
    return step(step(step(step(state, p[0]), p[1]), p[2]), p[3]);
}

static bool is(uint64_t state, unsigned what)
{
    return (state & STATE_MASK) == what;
}

static uint64_t word_at(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* How many of the first bytes are ASCII, rounded down to eights. */
static size_t ascii_run(const uint8_t *p, size_t len)
{
    const uint64_t high = UINT64_C(0x8080808080808080);
    size_t i = 0;
    while (i + 32 <= len &&
           !((word_at(p + i) | word_at(p + i + 8) | word_at(p + i + 16) | word_at(p + i + 24)) & high))
        i += 32;
    while (i + 8 <= len && !(word_at(p + i) & high))
        i += 8;
    return i;
}

/* The first byte that is bad; `len` if none is. */
static size_t find_bad(uint64_t *state, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        *state = step(*state, p[i]);
        if (is(*state, BAD))
            return i;
    }
    return len;
}

size_t utf8_feed(struct utf8 *state, const void *bytes, size_t len)
{
    enum { BLOCK = 16 };
    const uint8_t *p = bytes;
    uint64_t now = state->at;
    size_t i = 0;
    for (;;) {
        if (is(now, WHOLE))
            i += ascii_run(p + i, len - i);
        if (i + BLOCK > len)
            break;
        uint64_t next = now;
        for (size_t k = 0; k < BLOCK; k += 4)
            next = four_steps(next, p + i + k);
        if (is(next, BAD))
            break;
        now = next;
        i += BLOCK;
    }
    i += find_bad(&now, p + i, len - i);
    state->at = (uint8_t)(now & STATE_MASK);
    return i;
}

ptrdiff_t utf8_check(const void *bytes, size_t len)
{
    struct utf8 state = {0};
    size_t good = utf8_feed(&state, bytes, len);
    return good == len && utf8_whole(&state) ? -1 : (ptrdiff_t)good;
}

size_t utf8_char_len(const uint8_t *bytes, size_t len)
{
    uint64_t state = WHOLE;
    for (size_t i = 0; i < len; i++) {
        state = step(state, bytes[i]);
        if (is(state, WHOLE))
            return i + 1;
        if (is(state, BAD))
            break;
    }
    return 0;
}

bool utf8_drives_display(const uint8_t *p, size_t len)
{
    if (len == 2)
        return (p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xd8 && p[1] == 0x9c);
    if (len != 3 || p[0] != 0xe2)
        return false;
    return (p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae))) ||
           (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}
