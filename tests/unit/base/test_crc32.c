/* CRC-32 against its published check value and against a division bit by bit, for every length
 * around the steps of both ways and every alignment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/crc32.h"
#include "base/random.h"

enum { LENGTHS = 700, ALIGNMENTS = 16 };

static uint32_t by_division(const uint8_t *p, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (; len > 0; p++, len--) {
        crc ^= *p;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320U : crc >> 1;
    }
    return ~crc;
}

static void known_texts_have_their_published_sums(void **state)
{
    (void)state;
    uint8_t ones[32];
    memset(ones, 0xff, sizeof ones);
    assert_int_equal(crc32_of("", 0), 0);
    assert_int_equal(crc32_of("123456789", 9), 0xcbf43926);
    assert_int_equal(crc32_of("The quick brown fox jumps over the lazy dog", 43), 0x414fa339);
    assert_int_equal(crc32_of(ones, sizeof ones), 0xff6cab0b);
}

static void both_ways_are_the_division(void **state)
{
    (void)state;
    static uint8_t bytes[LENGTHS + ALIGNMENTS];
    random_seed(32);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)random_below(256);
    random_seed(0);
    for (size_t len = 0; len < LENGTHS; len++) {
        const uint8_t *at = bytes + len % ALIGNMENTS;
        uint32_t expected = by_division(at, len);
        assert_int_equal(crc32_by_table(at, len), expected);
        assert_int_equal(crc32_by_folding(at, len), expected);
        assert_int_equal(crc32_of(at, len), expected);
    }
}

static void every_bit_counts(void **state)
{
    (void)state;
    uint8_t bytes[200] = {0};
    uint32_t before = crc32_of(bytes, sizeof bytes);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_not_equal(crc32_of(bytes, sizeof bytes), before);
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_have_their_published_sums),
        cmocka_unit_test(both_ways_are_the_division),
        cmocka_unit_test(every_bit_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
