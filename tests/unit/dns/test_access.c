/* Networks that may ask, and listen addresses. */
#include "dns/access.h"

#include "packet.h"

#include "base/check.h"
#include "dns/listen.h"
#include "zones/naming.h"

static bool allows(const char *network, const char *addr)
{
    struct access_list list;
    struct naming_address a;
    assert_int_equal(access_list_init(&list, "access.query", &network, 1, NULL), 0);
    assert_true(naming_address_parse(addr, &a));
    bool allowed = access_list_allows(&list, a.bytes, a.len);
    access_list_fini(&list);
    return allowed;
}

static void prefixes_match_to_the_bit(void **state)
{
    (void)state;
    assert_true(allows("10.96.0.0/12", "10.111.255.255"));
    assert_false(allows("10.96.0.0/12", "10.112.0.0"));
    assert_false(allows("10.96.0.0/12", "10.95.255.255"));
    assert_true(allows("0.0.0.0/0", "192.0.2.1"));
    assert_false(allows("0.0.0.0/0", "2001:db8::1"));
    assert_true(allows("::/0", "2001:db8::1"));
    assert_true(allows("192.0.2.1", "192.0.2.1"));
    assert_false(allows("192.0.2.1", "192.0.2.2"));
    assert_true(allows("fd00::/9", "fd7f::1"));
    assert_false(allows("fd00::/9", "fd80::1"));
    assert_true(allows("any", "192.0.2.1"));
}

static void an_empty_list_allows_nobody(void **state)
{
    (void)state;
    struct access_list list;
    const uint8_t addr[4] = {127, 0, 0, 1};
    assert_int_equal(access_list_init(&list, "access.query", NULL, 0, NULL), 0);
    assert_false(access_list_allows(&list, addr, 4));
    access_list_fini(&list);
}

static void nonsense_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const texts[] = {"",           "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/",
                                        "10.0.0/8",   "fd00::/129",  "everybody",   "10.0.0.0/8x",
                                        "10.0.0.1/8", "10.0.0.0/08", "0.0.0.0/00"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct access_list list;
        struct err e;
        assert_int_equal(access_list_init(&list, "access.query", &texts[i], 1, &e), ERR_INVALID);
        assert_non_null(strstr(e.text, "access.query"));
    }
}

static void listen_addresses_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *text, *canonical;
        bool is_wildcard;
    } cases[] = {
        {"127.0.0.1:53", "127.0.0.1:53", false},
        {"[::1]:5300", "[::1]:5300", false},
        {"0.0.0.0:0", "0.0.0.0:0", true},
        {"[::]:53", "[::]:53", true},
        {"[fe80::1%lo]:53", "[fe80::1%lo]:53", false},
        {"127.0.0.1", NULL, false},
        {"127.0.0.1:", NULL, false},
        {"::1:53", NULL, false},
        {"[::1:53", NULL, false},
        {"localhost:53", NULL, false},
        {"127.0.0.1:65536", NULL, false},
        {"127.0.0.1:5x", NULL, false},
        {"", NULL, false},
        {"[]:53", NULL, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct listen_address a;
        char text[LISTEN_TEXT_MAX];
        int rc = listen_parse(cases[i].text, &a, NULL);
        if ((rc == 0) != (cases[i].canonical != NULL))
            fail_msg("%s", cases[i].text);
        if (rc != 0)
            continue;
        listen_format(&a, text);
        assert_string_equal(text, cases[i].canonical);
        assert_int_equal(a.is_wildcard, cases[i].is_wildcard);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_match_to_the_bit),
        cmocka_unit_test(an_empty_list_allows_nobody),
        cmocka_unit_test(nonsense_is_refused_by_name),
        cmocka_unit_test(listen_addresses_are_read_and_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
