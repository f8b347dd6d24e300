/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Checked in any number
 * of pieces, so that the first bad byte is known as soon as it arrives (RFC 6455 section 8.1).
 */
#ifndef WSPUSH_BASE_UTF8_H
#define WSPUSH_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where in a character a piece has ended; zero at the start and whenever a character is whole. */
struct utf8 {
    uint8_t at;
};

/* Checks one more piece. Returns `len` if all of it is good so far, or the offset of the first bad byte. */
size_t utf8_feed(struct utf8 *state, const void *bytes, size_t len);
/* Whether the text may end here. */
static inline bool utf8_whole(const struct utf8 *state)
{
    return state->at == 0;
}
/* Whole texts: the offset of the first bad byte (`len` for a text that is cut within a character), or -1 if
 * good. */
ptrdiff_t utf8_check(const void *bytes, size_t len);
/* The length of the well-formed character at `bytes`, 1 to 4, or 0 if there is none. */
size_t utf8_char_len(const uint8_t *bytes, size_t len);
/* Whether the well-formed character of `len` bytes, 2 to 4, may drive what shows it: C1 controls (U+0080 to
 * U+009F), line separators, and what turns the direction of text (U+061C, U+200E, U+200F, U+2028 to U+202E,
 * U+2066 to U+2069). */
bool utf8_drives_display(const uint8_t *bytes, size_t len);

#endif
