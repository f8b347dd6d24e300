#include "base/utf8.h"

#include <string.h>

/* Sets what must follow the lead byte `c`; false if `c` can't lead (RFC 3629 section 4). */
static bool lead(struct utf8 *state, uint8_t c)
{
    uint8_t need = 0;
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    if (c >= 0xc2 && c <= 0xdf) {
        need = 1;
    } else if (c >= 0xe0 && c <= 0xef) {
        need = 2;
        if (c == 0xe0)
            low = 0xa0;
        if (c == 0xed)
            high = 0x9f;
    } else if (c >= 0xf0 && c <= 0xf4) {
        need = 3;
        if (c == 0xf0)
            low = 0x90;
        if (c == 0xf4)
            high = 0x8f;
    } else {
        return c < 0x80;
    }
    *state = (struct utf8){need, low, high};
    return true;
}

/* How many of the first bytes are ASCII, rounded down to eights. */
static size_t ascii_run(const uint8_t *p, size_t len)
{
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, p + i, 8);
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    return i;
}

size_t utf8_feed(struct utf8 *state, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++) {
        if (state->need == 0) {
            i += ascii_run(p + i, len - i);
            if (i == len)
                break;
            if (!lead(state, p[i]))
                return i;
        } else {
            if (p[i] < state->low || p[i] > state->high)
                return i;
            *state = (struct utf8){(uint8_t)(state->need - 1), 0x80, 0xbf};
        }
    }
    return len;
}

ptrdiff_t utf8_check(const void *bytes, size_t len)
{
    struct utf8 state = {0};
    size_t good = utf8_feed(&state, bytes, len);
    return good == len && utf8_whole(&state) ? -1 : (ptrdiff_t)good;
}

size_t utf8_char_len(const uint8_t *bytes, size_t len)
{
    struct utf8 state = {0};
    if (len == 0 || !lead(&state, bytes[0]))
        return 0;
    size_t n = 1u + state.need;
    return n <= len && utf8_feed(&state, bytes + 1, n - 1) == n - 1 ? n : 0;
}
