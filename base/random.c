#include "base/random.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

#include "base/check.h"

static bool seeded;
static uint64_t state[4];

/* xoshiro256** 1.0 (Blackman and Vigna), public domain algorithm. */
static uint64_t rotl(uint64_t x, unsigned k)
{
    return (x << k) | (x >> (64 - k));
}

static uint64_t seeded_u64(void)
{
    uint64_t result = rotl(state[1] * 5, 7) * 9;
    uint64_t t = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= t;
    state[3] = rotl(state[3], 45);
    return result;
}

void random_seed(uint64_t seed)
{
    seeded = seed != 0;
    for (size_t i = 0; i < ARRAY_SIZE(state);
         i++) { /* splitmix64 spreads the seed over the state */
        seed += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        state[i] = z ^ (z >> 31);
    }
}

void random_bytes(void *out, size_t len)
{
    uint8_t *at = out;
    while (len && seeded) {
        uint64_t word = seeded_u64();
        size_t part = len < sizeof(word) ? len : sizeof(word);
        memcpy(at, &word, part);
        at += part;
        len -= part;
    }
    while (len) {
        ssize_t got = getrandom(at, len, 0);
        CHECK(got > 0 || errno == EINTR);
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
}

uint64_t random_u64(void)
{
    uint64_t word;
    random_bytes(&word, sizeof(word));
    return word;
}

uint64_t random_below(uint64_t bound)
{
    CHECK(bound > 0);
    uint64_t uneven = (UINT64_MAX % bound + 1) % bound; /* 2^64 mod bound */
    uint64_t word;
    do {
        word = random_u64();
    } while (word < uneven);
    return word % bound;
}

void random_uuid(char out[UUID_TEXT_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t b[16];
    random_bytes(b, sizeof(b));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80); /* variant 10x */
    for (size_t i = 0; i < sizeof(b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = hex[b[i] >> 4];
        *out++ = hex[b[i] & 15];
    }
    *out = '\0';
}

void random_suffix(char *out, size_t n)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    for (size_t i = 0; i < n; i++)
        out[i] = letters[random_below(sizeof(letters) - 1)];
    out[n] = '\0';
}
