/* Server cookies against the published vectors of RFC 9018, appendix A. */
#include "dns/cookie.h"

#include "packet.h"

#include <stdio.h>
#include <unistd.h>

#include "base/check.h"

static void bytes_of(const char *hex, uint8_t *out, size_t len)
{
    struct packet p = {.len = 0};
    packet_hex(&p, hex);
    assert_int_equal(p.len, len);
    memcpy(out, p.bytes, len);
}

static void siphash_agrees_with_its_authors(void **state)
{
    (void)state;
    uint8_t key[16], input[15];
    for (uint8_t i = 0; i < 16; i++)
        key[i] = i;
    for (uint8_t i = 0; i < 15; i++)
        input[i] = i;
    assert_true(siphash24(key, input, 15) == 0xa129ca6149be45e5);
    assert_true(siphash24(key, input, 0) == 0x726fdb47dd0e0e31);
}

static const struct vector {
    const char *secret, *addr;
    size_t addr_len;
    uint32_t now_s;
    const char *cookie; /* client and server part */
} vectors[] = {
    {"e5e973e5a6b2a43f48e7dc849e37bfcf", "c6336464", 4, 1559731985,
     "2464c4abcf10c957010000005cf79f111f8130c3eee29480"},
    {"e5e973e5a6b2a43f48e7dc849e37bfcf", "c6336464", 4, 1559734385,
     "2464c4abcf10c957010000005cf7a871d4a564a1442aca77"},
    {"e5e973e5a6b2a43f48e7dc849e37bfcf", "cb0071cb", 4, 1559734700,
     "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e"},
    {"445536bcd2513298075a5d379663c962", "20010db80220000159ded0f4876982b8", 16, 1559741961,
     "22681ab97d52c298010000005cf7c609a6bb79d16625507a"},
};

static void cookies_are_those_of_other_servers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        const struct vector *v = &vectors[i];
        struct cookie_secrets secrets = {.count = 1};
        uint8_t addr[16], cookie[24], made[COOKIE_SERVER_SIZE];
        bytes_of(v->secret, secrets.key[0], 16);
        bytes_of(v->addr, addr, v->addr_len);
        bytes_of(v->cookie, cookie, 24);
        cookie_make(&secrets, cookie, addr, v->addr_len, v->now_s, made);
        assert_memory_equal(made, cookie + 8, sizeof made);
    }
}

static void cookies_age(void **state)
{
    (void)state;
    struct cookie_secrets secrets = {.count = 1};
    uint8_t addr[4] = {198, 51, 100, 100}, cookie[24];
    bytes_of(vectors[0].secret, secrets.key[0], 16);
    bytes_of(vectors[0].cookie, cookie, 24);
    const uint32_t made_s = vectors[0].now_s;
    static const struct {
        int32_t age_s;
        enum cookie_state state;
    } cases[] = {{0, COOKIE_GOOD},     {1800, COOKIE_GOOD}, {1801, COOKIE_RENEW},
                 {3600, COOKIE_RENEW}, {3601, COOKIE_BAD},  {-300, COOKIE_GOOD},
                 {-301, COOKIE_BAD}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(
            cookie_check(&secrets, cookie, 24, addr, 4, made_s + (uint32_t)cases[i].age_s),
            cases[i].state);
    for (size_t i = 0; i < 24; i++) { /* every octet is covered */
        cookie[i] ^= 1;
        assert_int_equal(cookie_check(&secrets, cookie, 24, addr, 4, made_s), COOKIE_BAD);
        cookie[i] ^= 1;
    }
    addr[3]++;
    assert_int_equal(cookie_check(&secrets, cookie, 24, addr, 4, made_s), COOKIE_BAD);
    addr[3]--;
    assert_int_equal(cookie_check(&secrets, cookie, 23, addr, 4, made_s), COOKIE_BAD);
}

static void other_versions_prove_nothing(void **state)
{
    (void)state; /* RFC 9018 section 4.1: made as ours are, but for the version */
    struct cookie_secrets secrets = {.count = 1};
    const uint8_t addr[4] = {198, 51, 100, 100};
    uint8_t cookie[24];
    bytes_of(vectors[0].secret, secrets.key[0], 16);
    bytes_of(vectors[0].cookie, cookie, 24);
    for (unsigned version = 0; version < 256; version++) {
        uint8_t input[20];
        cookie[8] = (uint8_t)version;
        memcpy(input, cookie, 16);
        memcpy(input + 16, addr, 4);
        uint64_t tag = siphash24(secrets.key[0], input, sizeof input);
        for (unsigned i = 0; i < 8; i++)
            cookie[16 + i] = (uint8_t)(tag >> (8 * i));
        assert_int_equal(cookie_check(&secrets, cookie, 24, addr, 4, vectors[0].now_s),
                         version == 1 ? COOKIE_GOOD : COOKIE_BAD);
    }
}

static void ages_are_counted_across_the_end_of_time(void **state)
{
    (void)state; /* RFC 9018 section 4.3: 32 bits, RFC 1982 arithmetic */
    const struct cookie_secrets secrets = {.count = 1};
    const uint8_t addr[16] = {0xfd};
    uint8_t cookie[24] = {1, 2, 3};
    cookie_make(&secrets, cookie, addr, 16, UINT32_MAX - 10, cookie + 8);
    assert_int_equal(cookie_check(&secrets, cookie, 24, addr, 16, 1000), COOKIE_GOOD);
    assert_int_equal(cookie_check(&secrets, cookie, 24, addr, 16, 2000), COOKIE_RENEW);
    assert_int_equal(cookie_check(&secrets, cookie, 24, addr, 16, 4000), COOKIE_BAD);
    cookie_make(&secrets, cookie, addr, 16, 200, cookie + 8);
    assert_int_equal(cookie_check(&secrets, cookie, 24, addr, 16, UINT32_MAX), COOKIE_GOOD);
    assert_int_equal(cookie_check(&secrets, cookie, 24, addr, 16, UINT32_MAX - 300), COOKIE_BAD);
}

static void the_next_key_is_accepted_already(void **state)
{
    (void)state; /* rollover: made with what is now the second key */
    struct cookie_secrets secrets = {.count = 2};
    uint8_t addr[4] = {198, 51, 100, 100}, cookie[24];
    memset(secrets.key[0], 7, 16);
    bytes_of(vectors[0].secret, secrets.key[1], 16);
    bytes_of(vectors[0].cookie, cookie, 24);
    assert_int_equal(cookie_check(&secrets, cookie, 24, addr, 4, vectors[0].now_s), COOKIE_GOOD);
}

static int load(const char *text, struct cookie_secrets *secrets, struct err *e)
{
    char path[] = "/tmp/cookie-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    int rc = cookie_secrets_load(secrets, path, e);
    unlink(path);
    return rc;
}

static void secrets_come_from_a_file(void **state)
{
    (void)state;
    struct cookie_secrets secrets;
    struct err e;
    assert_int_equal(load("# current\ne5e973e5a6b2a43f48e7dc849e37bfcf\n\n"
                          "445536BCD2513298075A5D379663C962 \n",
                          &secrets, &e),
                     0);
    assert_int_equal(secrets.count, 2);
    assert_int_equal(secrets.key[1][0], 0x44);
    assert_int_equal(load("", &secrets, &e), ERR_INVALID);
    assert_int_equal(load("e5e973\n", &secrets, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "line 1"));
    assert_int_equal(load("e5e973e5a6b2a43f48e7dc849e37bfcf00\n", &secrets, &e), ERR_INVALID);
    assert_int_equal(cookie_secrets_load(&secrets, "/nonexistent/cookie", &e), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_agrees_with_its_authors),
        cmocka_unit_test(cookies_are_those_of_other_servers),
        cmocka_unit_test(cookies_age),
        cmocka_unit_test(other_versions_prove_nothing),
        cmocka_unit_test(ages_are_counted_across_the_end_of_time),
        cmocka_unit_test(the_next_key_is_accepted_already),
        cmocka_unit_test(secrets_come_from_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
