/* zones/hash.h - 64-bit hashes with a fixed key, the same in every process: content digests of
 * zones are kept in the store (K-SERIAL). Texts go through SipHash-1-3, so that nobody can choose
 * names that collide. Pure functions, any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *bytes, size_t len);
/* The same under a key of the caller's. */
uint64_t hash_keyed(const uint64_t key[2], const void *bytes, size_t len);
/* Of a wire name, lower case: hash_join over its labels from the root up. */
uint64_t hash_name(const uint8_t *wire);

/* Spreads the bits of a number. */
static inline uint64_t hash_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    return x;
}

/* Two hashes to one; the order matters. hash_join(hash_bytes(label), hash_name(parent)) is the hash
 * of label.parent. */
static inline uint64_t hash_join(uint64_t first, uint64_t rest)
{
    return hash_mix(first + 0x9e3779b97f4a7c15u * (rest | 1) + (rest >> 1));
}
