/* Names as bytes, K-NAMES, and the order of keys against a slow reference. */
#include "zones/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/random.h"

static size_t parse(const char *text, uint8_t out[NAME_MAX_WIRE])
{
    int len = name_parse(text, out, NULL);
    assert_true(len > 0);
    return (size_t)len;
}

static void wire_length_obeys_the_limits_of_R017(void **state)
{
    (void)state;
    static const struct {
        const char *wire;
        size_t room, want;
    } cases[] = {
        {"\0", 1, 1},          {"", 0, 0}, {"\1a\0", 3, 3}, {"\1a\0trailing", 11, 3},
        {"\1a", 2, 0},         /* no root */
        {"\5abc\0", 5, 0},     /* runs past the end */
        {"\300\014", 2, 0},    /* a pointer */
        {"\1a\300\014", 4, 0}, /* a pointer later on */
        {"\100abc\0", 5, 0},   /* type 01 */
        {"\200abc\0", 5, 0},   /* type 10 */
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(name_wire_len((const uint8_t *)cases[i].wire, cases[i].room),
                         cases[i].want);
    uint8_t wire[400] = {0};
    for (size_t len = 1; len <= 80; len++) { /* one label */
        memset(wire, 'x', sizeof wire);
        wire[0] = (uint8_t)len;
        wire[len + 1] = 0;
        assert_int_equal(name_wire_len(wire, sizeof wire), len <= 63 ? len + 2 : 0);
    }
    for (size_t last = 1; last <= 63;
         last++) { /* three labels of 63 and one more: 255 octets with a last one of 61 */
        size_t at = 0;
        for (int i = 0; i < 3; i++, at += 64)
            wire[at] = 63;
        wire[at] = (uint8_t)last;
        memset(wire + at + 1, 'x', last);
        wire[at + 1 + last] = 0;
        assert_int_equal(name_wire_len(wire, sizeof wire), last <= 61 ? 194 + last : 0);
    }
}

static void folding_touches_only_A_to_Z(void **state)
{
    (void)state;
    uint8_t all[256 + 7];
    for (size_t shift = 0; shift < 8; shift++) {
        uint8_t out[sizeof all];
        for (size_t i = 0; i < sizeof all; i++)
            all[i] = (uint8_t)(i + shift);
        name_fold(out, all, sizeof all);
        for (size_t i = 0; i < sizeof all; i++) {
            uint8_t want = all[i] >= 'A' && all[i] <= 'Z' ? (uint8_t)(all[i] + 32) : all[i];
            assert_int_equal(out[i], want);
        }
        name_fold(all, all, sizeof all); /* in place */
        assert_memory_equal(all, out, sizeof all);
    }
}

static void names_with_CR_or_NUL_are_not_the_names_they_resemble(void **state)
{
    (void)state;
    /* "web\x0d0" is not "web-0", "\x10" is not "0" */
    assert_false(name_equal((const uint8_t *)"\5web\r0\0", (const uint8_t *)"\5web-0\0"));
    assert_false(name_equal((const uint8_t *)"\1\x10\0", (const uint8_t *)"\1"
                                                                          "0\0"));
    assert_false(name_equal((const uint8_t *)"\2a\0\0", (const uint8_t *)"\1a\0"));
    assert_false(name_equal((const uint8_t *)"\1@\0", (const uint8_t *)"\1`\0"));
    assert_false(name_equal((const uint8_t *)"\1[\0", (const uint8_t *)"\1{\0"));
    assert_true(name_equal((const uint8_t *)"\3WeB\0", (const uint8_t *)"\3wEb\0"));
    uint8_t a[NAME_MAX_KEY];
    uint8_t b[NAME_MAX_KEY];
    size_t len = name_key((const uint8_t *)"\5web\r0\0", a);
    assert_int_equal(len, name_key((const uint8_t *)"\5web-0\0", b));
    assert_memory_not_equal(a, b, len);
}

static void zone_matches_stop_at_label_boundaries(void **state)
{
    (void)state;
    /* */
    uint8_t zone[NAME_MAX_WIRE];
    uint8_t name[NAME_MAX_WIRE];
    parse("cluster.local", zone);
    static const struct {
        const char *name;
        bool is_under;
    } cases[] = {
        {"cluster.local.", true},
        {"a.CLUSTER.local.", true},
        {"xcluster.local.", false},
        {"local.", false},
        {".", false},
        {"x\\007cluster.local.", false},
        {"a.b.c.cluster.Local", true},
        {"x\\.cluster.local.", false},
        {"cluster.local.example.", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        parse(cases[i].name, name);
        assert_int_equal(name_is_under(name, zone), cases[i].is_under);
        uint8_t key[NAME_MAX_KEY];
        uint8_t zone_key[NAME_MAX_KEY];
        size_t len = name_key(name, key);
        size_t zone_len = name_key(zone, zone_key);
        bool is_prefix = len >= zone_len && memcmp(key, zone_key, zone_len) == 0;
        assert_int_equal(is_prefix, cases[i].is_under);
    }
}

static void text_and_wire_convert_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *text, *canonical;
    } good[] = {
        {".", "."},
        {"a", "a."},
        {"WWW.Example.com.", "www.example.com."},
        {"a\\.b.c", "a\\.b.c."},
        {"\\065\\\\.x", "a\\\\.x."},
        {"sp\\032ace\\000.x", "sp\\032ace\\000.x."},
        {"*.x", "*.x."},
        {"\\255.x", "\\255.x."},
        {"semi\\;colon.x", "semi\\;colon.x."},
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        uint8_t wire[NAME_MAX_WIRE];
        char text[NAME_TEXT_MAX];
        size_t len = parse(good[i].text, wire);
        assert_int_equal(name_wire_len(wire, sizeof wire), len);
        assert_string_equal(name_format(wire, text), good[i].canonical);
    }
    static const char *const bad[] = {"", "..", ".a", "a..b", "a\\", "\\256.x", "\\1x", "\\12"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        uint8_t wire[NAME_MAX_WIRE];
        struct err e = {0};
        assert_int_equal(name_parse(bad[i], wire, &e), ERR_INVALID);
        assert_true(e.text[0] != 0);
    }
}

static void text_longer_than_a_name_is_refused(void **state)
{
    (void)state;
    /* 63.63.63.61 is 255 octets on the wire with the root */
    for (size_t last = 59; last <= 64; last++) {
        for (int dot = 0; dot <= 1; dot++) {
            char text[400];
            memset(text, 'a', sizeof text);
            text[63] = text[127] = text[191] = '.';
            text[192 + last] = dot ? '.' : 0;
            text[192 + last + 1] = 0;
            uint8_t wire[NAME_MAX_WIRE];
            int rc = name_parse(text, wire, NULL);
            assert_int_equal(rc, last <= 61 ? (int)(194 + last) : ERR_INVALID);
        }
    }
    char many[2 * 200 + 1];
    for (size_t i = 0; i < 200; i++)
        memcpy(many + 2 * i, "a.", 3);
    uint8_t wire[NAME_MAX_WIRE];
    assert_int_equal(name_parse(many, wire, NULL), ERR_INVALID);
    assert_int_equal(name_parse(many + 2 * 73, wire, NULL), 255); /* 127 labels */
    assert_int_equal(name_labels(wire), 127);
    assert_int_equal(name_parse(many + 2 * 73 + 1, wire, NULL),
                     ERR_INVALID); /* begins with a dot */
}

static void builder_refuses_empty_and_long_parts(void **state)
{
    (void)state;
    uint8_t parent[NAME_MAX_WIRE];
    struct name_builder b;
    parse("svc.Cluster.Local", parent);
    name_begin(&b);
    assert_true(name_add_text(&b, "Web-0"));
    assert_true(name_end(&b, parent));
    char text[NAME_TEXT_MAX];
    assert_string_equal(name_format(b.wire, text), "web-0.svc.cluster.local.");
    assert_int_equal(b.len, name_wire_len(b.wire, sizeof b.wire));
    name_begin(&b);
    assert_false(name_add_text(&b, ""));
    assert_false(name_add_text(&b, "a"));
    assert_false(name_end(&b, parent));
    char label[65];
    memset(label, 'a', 64);
    label[64] = 0;
    name_begin(&b);
    assert_false(name_add_text(&b, label));
    label[63] = 0;
    name_begin(&b); /* 64 x 3 + 19 = 211; with a fourth label up to 44 octets more */
    for (int i = 0; i < 3; i++)
        assert_true(name_add_text(&b, label));
    struct name_builder longer = b;
    label[43] = 0;
    assert_true(name_add_text(&b, label));
    assert_true(name_end(&b, parent));
    assert_int_equal(b.len, 255);
    label[43] = 'a';
    label[44] = 0;
    assert_true(name_add_text(&longer, label));
    assert_false(name_end(&longer, parent));
}

/* Canonical order (RFC 4034 section 6.1) the slow way: labels from the root down as octet strings.
 */
static int compare_slowly(const uint8_t *a, const uint8_t *b)
{
    const uint8_t *la[128];
    const uint8_t *lb[128];
    size_t na = 0;
    size_t nb = 0;
    for (; *a != 0; a += 1 + *a)
        la[na++] = a;
    for (; *b != 0; b += 1 + *b)
        lb[nb++] = b;
    while (na > 0 && nb > 0) {
        const uint8_t *x = la[--na];
        const uint8_t *y = lb[--nb];
        for (size_t i = 1; i <= x[0] && i <= y[0]; i++) {
            int cx = x[i] >= 'A' && x[i] <= 'Z' ? x[i] + 32 : x[i];
            int cy = y[i] >= 'A' && y[i] <= 'Z' ? y[i] + 32 : y[i];
            if (cx != cy)
                return cx - cy;
        }
        if (x[0] != y[0])
            return x[0] - y[0];
    }
    return (na > 0) - (nb > 0);
}

static void random_name(uint8_t *out)
{
    static const uint8_t octets[] = {0, 1, 2, 'a', 'A', 'b', '-', 0xff};
    size_t labels = random_below(5);
    for (size_t i = 0; i < labels; i++) {
        size_t len = 1 + random_below(3);
        *out++ = (uint8_t)len;
        for (size_t k = 0; k < len; k++)
            *out++ = octets[random_below(sizeof octets)];
    }
    *out = 0;
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void keys_order_as_names_do_and_prefixes_are_ancestors(void **state)
{
    (void)state;
    random_seed(7);
    for (int i = 0; i < 200000; i++) {
        uint8_t a[NAME_MAX_WIRE];
        uint8_t b[NAME_MAX_WIRE];
        uint8_t ka[NAME_MAX_KEY];
        uint8_t kb[NAME_MAX_KEY];
        random_name(a);
        random_name(b);
        size_t la = name_key(a, ka);
        size_t lb = name_key(b, kb);
        size_t common = la < lb ? la : lb;
        int order = memcmp(ka, kb, common);
        if (order == 0)
            order = (la > lb) - (la < lb);
        assert_int_equal(sign(order), sign(compare_slowly(a, b)));
        assert_int_equal(order == 0, name_equal(a, b));
        bool is_prefix = la <= lb && memcmp(ka, kb, la) == 0;
        assert_int_equal(is_prefix, name_is_under(b, a));
    }
    random_seed(0);
}

static void the_longest_key_fits(void **state)
{
    (void)state;
    uint8_t wire[NAME_MAX_WIRE] = {0};
    for (size_t at = 0, i = 0; i < 4; i++) {
        uint8_t len = i < 3 ? 63 : 61;
        wire[at] = len;
        memset(wire + at + 1, i % 2 ? 0 : 1, len);
        at += 1u + len;
    }
    uint8_t key[NAME_MAX_KEY];
    assert_int_equal(name_key(wire, key), 250 * 2 + 4);
    assert_int_equal(name_key((const uint8_t *)"\0", key), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wire_length_obeys_the_limits_of_R017),
        cmocka_unit_test(folding_touches_only_A_to_Z),
        cmocka_unit_test(names_with_CR_or_NUL_are_not_the_names_they_resemble),
        cmocka_unit_test(zone_matches_stop_at_label_boundaries),
        cmocka_unit_test(text_and_wire_convert_both_ways),
        cmocka_unit_test(text_longer_than_a_name_is_refused),
        cmocka_unit_test(builder_refuses_empty_and_long_parts),
        cmocka_unit_test(keys_order_as_names_do_and_prefixes_are_ancestors),
        cmocka_unit_test(the_longest_key_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
