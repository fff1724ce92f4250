#include "base/crc32.h"

#include <pthread.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define POLYNOMIAL 0xedb88320U
#define SLICES     8

static uint32_t table[SLICES][256];
static pthread_once_t is_table_made = PTHREAD_ONCE_INIT;

static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
        table[0][i] = crc;
    }
    for (size_t slice = 1; slice < SLICES; slice++)
        for (uint32_t i = 0; i < 256; i++)
            table[slice][i] = table[slice - 1][i] >> 8 ^ table[0][table[slice - 1][i] & 0xff];
}

/* crc: the register, before the last complement. */
static uint32_t go_on(uint32_t crc, const uint8_t *p, size_t len)
{
    (void)pthread_once(&is_table_made, make_table);
    for (; len >= SLICES; p += SLICES, len -= SLICES) {
        uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                              (uint32_t)p[3] << 24);
        crc = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^ table[5][low >> 16 & 0xff] ^
              table[4][low >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^
              table[0][p[7]];
    }
    for (; len > 0; p++, len--)
        crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xff];
    return crc;
}

uint32_t crc32_by_table(const void *bytes, size_t len)
{
    return ~go_on(UINT32_MAX, bytes, len);
}

#if defined(__x86_64__)

#define FOLD_TARGET __attribute__((target("pclmul,sse4.1")))
#define LANE        sizeof(__m128i)
#define FOLD_MIN    (4 * LANE)

bool crc32_can_fold(void)
{
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}

FOLD_TARGET static __m128i lane_at(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* x, moved on by the distance for which the constants stand, over the bytes that lie there. */
FOLD_TARGET static __m128i fold(__m128i x, __m128i constants, __m128i bytes)
{
    __m128i low = _mm_clmulepi64_si128(x, constants, 0x00);
    __m128i high = _mm_clmulepi64_si128(x, constants, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), bytes);
}

/* From 128 bits to 32: to 96, to 64, then Barrett's division by the polynomial. */
FOLD_TARGET static uint32_t reduce(__m128i x, __m128i by_16)
{
    const __m128i by_8 = _mm_set_epi64x(0, 0x163cd6124);             /* x^64 */
    const __m128i divide = _mm_set_epi64x(0x1f7011641, 0x1db710641); /* quotient, polynomial */
    const __m128i low_32 = _mm_setr_epi32(-1, 0, -1, 0);
    x = _mm_xor_si128(_mm_clmulepi64_si128(x, by_16, 0x10), _mm_srli_si128(x, 8));
    x = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(x, low_32), by_8, 0x00),
                      _mm_srli_si128(x, 4));
    __m128i q = _mm_clmulepi64_si128(_mm_and_si128(x, low_32), divide, 0x10);
    q = _mm_clmulepi64_si128(_mm_and_si128(q, low_32), divide, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(x, q), 1);
}

/* The constants are x^n modulo the polynomial, bits reversed: Gopal and others, Fast CRC
 * Computation for Generic Polynomials Using PCLMULQDQ, 2009. */
FOLD_TARGET static uint32_t fold_all(const uint8_t *p, size_t len)
{
    const __m128i by_64 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4); /* x^480, x^544 */
    const __m128i by_16 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0); /* x^96, x^160 */
    __m128i x[4];
    for (size_t i = 0; i < 4; i++)
        x[i] = lane_at(p + i * LANE);
    x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128(-1));
    for (p += FOLD_MIN, len -= FOLD_MIN; len >= FOLD_MIN; p += FOLD_MIN, len -= FOLD_MIN)
        for (size_t i = 0; i < 4; i++)
            x[i] = fold(x[i], by_64, lane_at(p + i * LANE));
    for (size_t i = 1; i < 4; i++)
        x[0] = fold(x[0], by_16, x[i]);
    for (; len >= LANE; p += LANE, len -= LANE)
        x[0] = fold(x[0], by_16, lane_at(p));
    return go_on(reduce(x[0], by_16), p, len);
}

uint32_t crc32_by_folding(const void *bytes, size_t len)
{
    return len >= FOLD_MIN && crc32_can_fold() ? ~fold_all(bytes, len) : crc32_by_table(bytes, len);
}

#else

bool crc32_can_fold(void)
{
    return false;
}

uint32_t crc32_by_folding(const void *bytes, size_t len)
{
    return crc32_by_table(bytes, len);
}

#endif

uint32_t crc32_of(const void *bytes, size_t len)
{
    return crc32_by_folding(bytes, len);
}
