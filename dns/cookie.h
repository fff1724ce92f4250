/* dns/cookie.h - DNS cookies: the interoperable server cookie of RFC 9018 and its check.
 * Pure, any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define COOKIE_SECRET_SIZE 16
#define COOKIE_SERVER_SIZE 16
#define COOKIE_CLIENT_SIZE 8

/* Secrets that are accepted; cookies are made with the first one. Two for a rollover. */
struct cookie_secrets {
    uint8_t key[2][COOKIE_SECRET_SIZE];
    size_t count;
};

/* Reads a file of one or two lines of 32 hexadecimal digits: the current key, then the next one.
 * '#' begins a comment. ERR_IO when it cannot be read, ERR_INVALID with the line otherwise. */
int cookie_secrets_load(struct cookie_secrets *secrets, const char *path, struct err *e);
/* One random key; control thread. */
void cookie_secrets_random(struct cookie_secrets *secrets);

/* SipHash-2-4 of len octets under a 16-octet key; the result's little-endian octets are the tag. */
uint64_t siphash24(const uint8_t key[COOKIE_SECRET_SIZE], const uint8_t *bytes, size_t len);

/* The server cookie for a client cookie (8 octets) from an address (4 or 16 octets) at now_s (Unix
 * time mod 2^32). */
void cookie_make(const struct cookie_secrets *secrets, const uint8_t *client, const uint8_t *addr,
                 size_t addr_len, uint32_t now_s, uint8_t out[COOKIE_SERVER_SIZE]);

enum cookie_state {
    COOKIE_BAD,   /* wrong, too old (1 h) or from the future (5 min) */
    COOKIE_RENEW, /* right, but older than half an hour: give a fresh one */
    COOKIE_GOOD,  /* right: give it back as it is */
};
/* cookie: the whole option, client part first. */
enum cookie_state cookie_check(const struct cookie_secrets *secrets, const uint8_t *cookie,
                               size_t len, const uint8_t *addr, size_t addr_len, uint32_t now_s);
