#include "zones/hash.h"

#include <string.h>

#include "zones/name.h"

#define HASH_ROOT 0x6f7264696e616c64u

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32) + s->v3;
    s->v2 += s->v1;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

uint64_t hash_keyed(const uint64_t key[2], const void *bytes, size_t len)
{
    struct sip s = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                    key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
    const uint8_t *at = bytes;
    size_t left = len;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        s.v3 ^= word;
        sip_round(&s);
        s.v0 ^= word;
    }
    uint64_t last = (uint64_t)len << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)at[i] << (8 * i);
    s.v3 ^= last;
    sip_round(&s);
    s.v0 ^= last;
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t hash_bytes(const void *bytes, size_t len)
{
    static const uint64_t key[2] = {0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u};
    return hash_keyed(key, bytes, len);
}

uint64_t hash_name(const uint8_t *wire)
{
    uint8_t start[NAME_MAX_WIRE / 2 + 1];
    size_t labels = 0;
    for (size_t at = 0; wire[at] != 0; at += 1u + wire[at])
        start[labels++] = (uint8_t)at;
    uint64_t hash = HASH_ROOT;
    while (labels > 0) {
        const uint8_t *label = wire + start[--labels];
        hash = hash_join(hash_bytes(label + 1, label[0]), hash);
    }
    return hash;
}
