/* base/utf8.h - one question about text: is this well-formed UTF-8 (RFC 3629)? Pure, any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length (1 to 4) of the well-formed sequence at the start of `left` bytes, 0 when there is none:
 * overlong forms, surrogates, values above U+10FFFF and cut sequences are none. */
static inline size_t utf8_sequence(const uint8_t *at, size_t left)
{
    if (left == 0)
        return 0;
    uint8_t first = at[0];
    if (first < 0x80)
        return 1;
    size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || left < len)
        return 0;
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

static inline bool utf8_is_valid(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len;) {
        size_t step = utf8_sequence(at + i, len - i);
        if (!step)
            return false;
        i += step;
    }
    return true;
}

/* The largest length <= max at which valid text may be cut without leaving part of a character. */
static inline size_t utf8_cut(const char *text, size_t max)
{
    while (max && ((uint8_t)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}
