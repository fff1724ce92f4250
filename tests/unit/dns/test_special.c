/* The table of names that stay here. */
#include "dns/special.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "zones/name.h"

static const struct {
    const char *name;
    enum special_kind kind;
    const char *zone;
} rows[] = {
    {"localhost", SPECIAL_LOCALHOST, "localhost"},
    {"a.b.LOCALHOST", SPECIAL_LOCALHOST, "localhost"},
    {"invalid", SPECIAL_MISSING, "invalid"},
    {"x.test", SPECIAL_MISSING, "test"},
    {"abc.onion", SPECIAL_MISSING, "onion"},
    {"x.alt", SPECIAL_MISSING, "alt"},
    {"printer.local", SPECIAL_MISSING, "local"},
    {"x.home.arpa", SPECIAL_MISSING, "home.arpa"},
    {"_dns.resolver.arpa", SPECIAL_EMPTY, "resolver.arpa"},
    {"1.0.0.10.in-addr.arpa", SPECIAL_MISSING, "10.in-addr.arpa"},
    {"15.172.in-addr.arpa", SPECIAL_NONE, ""},
    {"16.172.in-addr.arpa", SPECIAL_MISSING, "16.172.in-addr.arpa"},
    {"9.31.172.in-addr.arpa", SPECIAL_MISSING, "31.172.in-addr.arpa"},
    {"32.172.in-addr.arpa", SPECIAL_NONE, ""},
    {"172.in-addr.arpa", SPECIAL_NONE, ""},
    {"016.172.in-addr.arpa", SPECIAL_NONE, ""},
    {"168.192.in-addr.arpa", SPECIAL_MISSING, "168.192.in-addr.arpa"},
    {"192.in-addr.arpa", SPECIAL_NONE, ""},
    {"1.0.0.127.in-addr.arpa", SPECIAL_MISSING, "127.in-addr.arpa"},
    {"254.169.in-addr.arpa", SPECIAL_MISSING, "254.169.in-addr.arpa"},
    {"2.0.192.in-addr.arpa", SPECIAL_MISSING, "2.0.192.in-addr.arpa"},
    {"100.51.198.in-addr.arpa", SPECIAL_MISSING, "100.51.198.in-addr.arpa"},
    {"113.0.203.in-addr.arpa", SPECIAL_MISSING, "113.0.203.in-addr.arpa"},
    {"255.255.255.255.in-addr.arpa", SPECIAL_MISSING, "255.255.255.255.in-addr.arpa"},
    {"63.100.in-addr.arpa", SPECIAL_NONE, ""},
    {"64.100.in-addr.arpa", SPECIAL_MISSING, "64.100.in-addr.arpa"},
    {"127.100.in-addr.arpa", SPECIAL_MISSING, "127.100.in-addr.arpa"},
    {"128.100.in-addr.arpa", SPECIAL_NONE, ""},
    {"0.0.d.f.ip6.arpa", SPECIAL_MISSING, "d.f.ip6.arpa"},
    {"8.e.f.ip6.arpa", SPECIAL_MISSING, "8.e.f.ip6.arpa"},
    {"b.e.f.ip6.arpa", SPECIAL_MISSING, "b.e.f.ip6.arpa"},
    {"c.e.f.ip6.arpa", SPECIAL_NONE, ""},
    {"8.b.d.0.1.0.0.2.ip6.arpa", SPECIAL_MISSING, "8.b.d.0.1.0.0.2.ip6.arpa"},
    {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", SPECIAL_MISSING,
     "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa"},
    {"2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", SPECIAL_NONE, ""},
    {"xlocalhost", SPECIAL_NONE, ""},
    {"localhost.example", SPECIAL_NONE, ""},
    {"xhome.arpa", SPECIAL_NONE, ""},
    {"arpa", SPECIAL_NONE, ""},
    {"example.com", SPECIAL_NONE, ""},
    {".", SPECIAL_NONE, ""},
};

static void names_are_special_up_to_their_borders(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint8_t name[NAME_MAX_WIRE], zone[NAME_MAX_WIRE];
        assert_true(name_parse(rows[i].name, name, NULL) > 0);
        struct special s = special_find(name);
        if (s.kind != rows[i].kind)
            fail_msg("%s: kind %d", rows[i].name, (int)s.kind);
        if (s.kind == SPECIAL_NONE)
            continue;
        assert_true(name_parse(rows[i].zone, zone, NULL) > 0);
        assert_true(name_equal(name + s.zone_at, zone));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_are_special_up_to_their_borders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
