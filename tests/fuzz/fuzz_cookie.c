/* Server cookies and the file of their secrets. A cookie is taken exactly when its version
 * is 1, its tag is the hash of what stands before it and of the address under one of the keys, and
 * its time is neither too old nor too far ahead.
 *
 * Input: one octet of choices (1: IPv6, 2: two keys, 4: the tag is made right, 8: under the second
 * key), four of clock, sixteen of address, forty of which the first 8 to 40 are the cookie; then
 * the text of a secrets file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "dns/cookie.h"
#include "dns/wire.h"
#include "tests/fuzz/fuzz.h"

#define COOKIE_SIZE (COOKIE_CLIENT_SIZE + COOKIE_SERVER_SIZE)
#define COOKIE_ROOM 40 /* the longest COOKIE option */
#define HEAD_SIZE   (1 + 4 + 16 + COOKIE_ROOM)

static const struct cookie_secrets keys = {
    .key = {{"current key 0123"}, {"another key 4567"}}, /* NOLINT: no final zero */
    .count = 2};

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void make_tag(const uint8_t *key, const uint8_t *cookie, const uint8_t *addr,
                     size_t addr_len, uint8_t tag[8])
{
    uint8_t input[32];
    memcpy(input, cookie, 16);
    memcpy(input + 16, addr, addr_len);
    uint64_t hash = siphash24(key, input, 16 + addr_len);
    for (unsigned i = 0; i < 8; i++)
        tag[i] = (uint8_t)(hash >> (8 * i));
}

static enum cookie_state expected(const struct cookie_secrets *secrets, const uint8_t *cookie,
                                  size_t len, const uint8_t *addr, size_t addr_len, uint32_t now_s)
{
    if (len != COOKIE_SIZE || cookie[8] != 1)
        return COOKIE_BAD;
    uint32_t age_s = now_s - get32(cookie + 12); /* mod 2^32: -300 .. 3600 */
    if (age_s > 3600 && age_s < UINT32_MAX - 299)
        return COOKIE_BAD;
    for (size_t k = 0; k < secrets->count; k++) {
        uint8_t tag[8];
        make_tag(secrets->key[k], cookie, addr, addr_len, tag);
        if (memcmp(tag, cookie + 16, sizeof tag) == 0)
            return age_s > 1800 && age_s <= 3600 ? COOKIE_RENEW : COOKIE_GOOD;
    }
    return COOKIE_BAD;
}

static void check_cookie(uint8_t choice, uint32_t now_s, const uint8_t *addr, uint8_t *cookie,
                         size_t len)
{
    struct cookie_secrets secrets = keys;
    secrets.count = choice & 2 ? 2 : 1;
    size_t addr_len = choice & 1 ? 16 : 4;
    if ((choice & 4) && len == COOKIE_SIZE)
        make_tag(keys.key[choice & 8 ? 1 : 0], cookie, addr, addr_len, cookie + 16);
    CHECK(cookie_check(&secrets, cookie, len, addr, addr_len, now_s) ==
          expected(&secrets, cookie, len, addr, addr_len, now_s));

    uint8_t fresh[COOKIE_SIZE]; /* what is given out is taken back, by this client alone */
    memcpy(fresh, cookie, COOKIE_CLIENT_SIZE);
    cookie_make(&secrets, fresh, addr, addr_len, now_s, fresh + COOKIE_CLIENT_SIZE);
    CHECK(cookie_check(&secrets, fresh, sizeof fresh, addr, addr_len, now_s) == COOKIE_GOOD);
    CHECK(get32(fresh + 8) == 0x01000000 && get32(fresh + 12) == now_s);
    uint8_t other[16];
    memcpy(other, addr, sizeof other);
    other[now_s % addr_len] ^= 1;
    CHECK(cookie_check(&secrets, fresh, sizeof fresh, other, addr_len, now_s) == COOKIE_BAD);
    fresh[now_s % 8] ^= 0x80;
    CHECK(cookie_check(&secrets, fresh, sizeof fresh, addr, addr_len, now_s) == COOKIE_BAD);
}

/* What is accepted holds its keys in hexadecimal, in their order. */
static void check_secrets(const uint8_t *text, size_t len)
{
    char path[40];
    int fd = memfd_create("secrets", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, text, len) == (ssize_t)len);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct cookie_secrets secrets;
    struct err e = {0};
    int rc = cookie_secrets_load(&secrets, path, &e);
    (void)close(fd);
    if (rc < 0) {
        CHECK(rc == ERR_INVALID && e.text[0]);
        return;
    }
    CHECK(secrets.count == 1 || secrets.count == 2);
    char *lower = xcalloc(1, len + 1);
    for (size_t i = 0; i < len; i++)
        lower[i] = (char)(text[i] >= 'A' && text[i] <= 'F' ? text[i] + 32 : text[i] ? text[i] : 1);
    const char *at = lower;
    for (size_t k = 0; k < secrets.count; k++) {
        char hex[2 * COOKIE_SECRET_SIZE + 1];
        for (size_t i = 0; i < COOKIE_SECRET_SIZE; i++)
            (void)snprintf(hex + 2 * i, 3, "%02x", secrets.key[k][i]);
        at = strstr(at, hex);
        CHECK(at);
        at += sizeof hex - 1;
    }
    free(lower);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD_SIZE)
        return 0;
    size_t len = data[0] & 16 ? 8 + data[5] % 33U : COOKIE_SIZE;
    uint8_t *cookie = xmemdup(data + HEAD_SIZE - COOKIE_ROOM, len); /* exact: for the sanitizer */
    uint32_t now_s = get32(data + 1);
    if (data[0] & 32) /* a time near the cookie's own */
        now_s = get32(cookie + (len < 16 ? 0 : 12)) + now_s % 8192 - 2048;
    check_cookie(data[0], now_s, data + 5, cookie, len);
    free(cookie);
    check_secrets(data + HEAD_SIZE, size - HEAD_SIZE);
    return 0;
}
