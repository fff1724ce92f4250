#include "dns/cookie.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"

#define COOKIE_VERSION     1
#define COOKIE_MAX_AGE_S   3600
#define COOKIE_MAX_AHEAD_S 300
#define COOKIE_RENEW_S     1800
#define COOKIE_HASH_INPUT  (COOKIE_CLIENT_SIZE + 8 + 16)

static uint64_t rotl(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static uint64_t load64le(const uint8_t *p, size_t len)
{
    uint64_t v = 0;
    for (size_t i = 0; i < len; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

uint64_t siphash24(const uint8_t key[COOKIE_SECRET_SIZE], const uint8_t *bytes, size_t len)
{
    uint64_t k0 = load64le(key, 8), k1 = load64le(key + 8, 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                     k1 ^ 0x7465646279746573};
    size_t whole = len & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8)
        sip_word(v, load64le(bytes + i, 8));
    sip_word(v, load64le(bytes + whole, len - whole) | (uint64_t)len << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* server[0..7] holds version, reserved and time; the tag goes to tag[8]. */
static void cookie_tag(const uint8_t key[COOKIE_SECRET_SIZE], const uint8_t *client,
                       const uint8_t *server, const uint8_t *addr, size_t addr_len, uint8_t tag[8])
{
    uint8_t input[COOKIE_HASH_INPUT];
    memcpy(input, client, COOKIE_CLIENT_SIZE);
    memcpy(input + COOKIE_CLIENT_SIZE, server, 8);
    memcpy(input + COOKIE_CLIENT_SIZE + 8, addr, addr_len);
    uint64_t hash = siphash24(key, input, COOKIE_CLIENT_SIZE + 8 + addr_len);
    for (unsigned i = 0; i < 8; i++)
        tag[i] = (uint8_t)(hash >> (8 * i));
}

void cookie_make(const struct cookie_secrets *secrets, const uint8_t *client, const uint8_t *addr,
                 size_t addr_len, uint32_t now_s, uint8_t out[COOKIE_SERVER_SIZE])
{
    const uint8_t head[8] = {COOKIE_VERSION,
                             0,
                             0,
                             0,
                             (uint8_t)(now_s >> 24),
                             (uint8_t)(now_s >> 16),
                             (uint8_t)(now_s >> 8),
                             (uint8_t)now_s};
    memcpy(out, head, sizeof head);
    cookie_tag(secrets->key[0], client, out, addr, addr_len, out + 8);
}

enum cookie_state cookie_check(const struct cookie_secrets *secrets, const uint8_t *cookie,
                               size_t len, const uint8_t *addr, size_t addr_len, uint32_t now_s)
{
    if (len != COOKIE_CLIENT_SIZE + COOKIE_SERVER_SIZE)
        return COOKIE_BAD;
    const uint8_t *server = cookie + COOKIE_CLIENT_SIZE;
    if (server[0] != COOKIE_VERSION)
        return COOKIE_BAD;
    uint32_t made_s = (uint32_t)server[4] << 24 | (uint32_t)server[5] << 16 |
                      (uint32_t)server[6] << 8 | server[7];
    int32_t age_s = (int32_t)(now_s - made_s); /* RFC 1982 arithmetic (RFC 9018 section 4.3) */
    if (age_s > COOKIE_MAX_AGE_S || age_s < -COOKIE_MAX_AHEAD_S)
        return COOKIE_BAD;
    for (size_t k = 0; k < secrets->count; k++) {
        uint8_t tag[8], differ = 0;
        cookie_tag(secrets->key[k], cookie, server, addr, addr_len, tag);
        for (size_t i = 0; i < sizeof tag; i++) /* constant time */
            differ |= (uint8_t)(tag[i] ^ server[8 + i]);
        if (differ == 0)
            return age_s > COOKIE_RENEW_S ? COOKIE_RENEW : COOKIE_GOOD;
    }
    return COOKIE_BAD;
}

void cookie_secrets_random(struct cookie_secrets *secrets)
{
    random_bytes(secrets->key[0], COOKIE_SECRET_SIZE);
    secrets->count = 1;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool parse_key(const char *line, uint8_t out[COOKIE_SECRET_SIZE])
{
    for (size_t i = 0; i < COOKIE_SECRET_SIZE; i++) {
        int high = hex_digit(line[2 * i]);
        int low = high < 0 ? -1 : hex_digit(line[2 * i + 1]);
        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return line[strspn(line + 2 * (size_t)COOKIE_SECRET_SIZE, " \t\r\n") +
                2 * (size_t)COOKIE_SECRET_SIZE] == '\0';
}

int cookie_secrets_load(struct cookie_secrets *secrets, const char *path, struct err *e)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return err_set(e, ERR_IO, "dns.cookie-secret %s: %s", path, strerrordesc_np(errno));
    char line[256];
    int rc = 0;
    secrets->count = 0;
    for (unsigned number = 1; rc == 0 && fgets(line, sizeof line, file); number++) {
        const char *text = line + strspn(line, " \t\r\n");
        if (*text == '\0' || *text == '#')
            continue;
        if (secrets->count == 2 || !parse_key(text, secrets->key[secrets->count]))
            rc = err_set(e, ERR_INVALID,
                         "dns.cookie-secret %s line %u: expected one or two keys of 32 hexadecimal "
                         "digits, one a line",
                         path, number);
        else
            secrets->count++;
    }
    (void)fclose(file);
    if (rc == 0 && secrets->count == 0)
        rc = err_set(e, ERR_INVALID, "dns.cookie-secret %s: holds no key", path);
    return rc;
}
