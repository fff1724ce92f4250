/* forward.upstream and forward.zones: addresses, suffixes, listeners. */
#include "dns/forward_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

static void addresses_are_read_with_and_without_port(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"192.0.2.1", "192.0.2.1:53"},
        {"192.0.2.1:5353", "192.0.2.1:5353"},
        {"2001:db8::1", "[2001:db8::1]:53"},
        {"[2001:db8::1]", "[2001:db8::1]:53"},
        {"[2001:db8::1]:853", "[2001:db8::1]:853"},
        {"fe80::1%lo", "[fe80::1%lo]:53"}, /* */
        {"[fe80::1%lo]:5353", "[fe80::1%lo]:5353"},
    };
    static const char *const bad[] = {"",
                                      "x",
                                      "192.0.2.1:",
                                      "192.0.2.1:0",
                                      "1.2.3.4:65536",
                                      "1.2.3.4:5x",
                                      "[1.2.3.4]:53",
                                      "[::1",
                                      "[::1]53",
                                      "[]:53",
                                      "1.2.3",
                                      "::1:x",
                                      "1.2.3.4:-1",
                                      "1.2.3.4: 53",
                                      ":53",
                                      "::1%lo",
                                      "fe80::1%",
                                      "fe80::1%no-such-interface"};
    struct forward_address a;
    struct err e;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(forward_address_parse("forward.upstream", good[i][0], &a, &e), 0);
        assert_string_equal(a.text, good[i][1]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (forward_address_parse("forward.upstream", bad[i], &a, &e) != ERR_INVALID)
            fail_msg("\"%s\" passes", bad[i]);
        assert_non_null(strstr(e.text, "forward.upstream"));
    }
}

static const struct forward_zone *find(const struct forward_conf *conf, const char *text)
{
    uint8_t name[NAME_MAX_WIRE];
    assert_true(name_parse(text, name, NULL) > 0);
    return forward_zone_find(conf, name);
}

static void the_longest_suffix_decides(void **state)
{
    (void)state;
    static const char *const upstreams[] = {"192.0.2.1", "192.0.2.2"};
    static const char *const zones[] = {"corp.example=192.0.2.3",
                                        "EU.corp.example=192.0.2.2 192.0.2.4:54"};
    struct forward_conf conf;
    assert_int_equal(forward_conf_init(&conf, upstreams, 2, zones, 2, NULL, 0, NULL), 0);
    assert_int_equal(conf.upstream_count, 4); /* one is in two places */
    assert_int_equal(find(&conf, "example.com")->members, 0xa);
    assert_int_equal(find(&conf, "corp.example")->members, 0x1);
    assert_int_equal(find(&conf, "a.CORP.example")->members, 0x1);
    assert_int_equal(find(&conf, "xcorp.example")->members, 0xa);
    assert_int_equal(find(&conf, "a.b.eu.corp.example")->members, 0x6);
    forward_conf_fini(&conf);
    assert_int_equal(forward_conf_init(&conf, NULL, 0, zones, 1, NULL, 0, NULL), 0);
    assert_null(find(&conf, "example.com")); /* no upstream for the rest */
    forward_conf_fini(&conf);
}

static void bad_zones_are_named(void **state)
{
    (void)state;
    static const char *const bad[] = {"corp.example", "=192.0.2.1", "a..b=192.0.2.1",
                                      "a.b=", "a.b=ns.c"};
    struct forward_conf conf;
    struct err e;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(forward_conf_init(&conf, NULL, 0, &bad[i], 1, NULL, 0, &e), ERR_INVALID);
        assert_non_null(strstr(e.text, "forward.zones"));
    }
    static const char *const twice[] = {"a.b=192.0.2.1", "A.b.=192.0.2.2"};
    assert_int_equal(forward_conf_init(&conf, NULL, 0, twice, 2, NULL, 0, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "twice"));
    char texts[FORWARD_UPSTREAMS_MAX + 1][32];
    const char *many[FORWARD_UPSTREAMS_MAX + 1];
    for (unsigned i = 0; i <= FORWARD_UPSTREAMS_MAX; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "192.0.2.%u", i + 1);
        many[i] = texts[i];
    }
    assert_int_equal(
        forward_conf_init(&conf, many, FORWARD_UPSTREAMS_MAX + 1, NULL, 0, NULL, 0, &e),
        ERR_INVALID);
    assert_non_null(strstr(e.text, "more than 32"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_with_and_without_port),
        cmocka_unit_test(the_longest_suffix_decides),
        cmocka_unit_test(bad_zones_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
