/* base/random.h - chance through one door: the kernel's CSPRNG, or a seeded generator in tests and
 * the simulator. Any thread for the kernel's; a seeded one is the control thread's alone. What
 * needs no secrecy uses a generator of its own (dns/answer). */
#pragma once

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *out, size_t len);
uint64_t random_u64(void);
/* Uniform in [0, bound); bound > 0. */
uint64_t random_below(uint64_t bound);
/* From here on deterministic (xoshiro256**); 0 returns to the kernel's generator. */
void random_seed(uint64_t seed);

#define UUID_TEXT_SIZE 37
/* UUID version 4 in text form (RFC 9562). */
void random_uuid(char out[UUID_TEXT_SIZE]);
/* n characters of "bcdfghjklmnpqrstvwxz2456789" and a NUL (api.md A20). */
void random_suffix(char *out, size_t n);
