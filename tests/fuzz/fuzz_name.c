/* Names: wire form and text against ldns, and order, case and ancestry against a slow reading of
 * RFC 1034, 4034 and 4343.
 *
 * Input: octets up to the first wire name's end, then those of a second one; the whole is also read
 * as master-file text. */
#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/fuzz/fuzz.h"
#include "zones/name.h"

/* ---- the slow reading ---- */

static size_t slow_wire_len(const uint8_t *wire, size_t room)
{
    for (size_t at = 0; at < room && at < NAME_MAX_WIRE; at += 1U + wire[at]) {
        if (wire[at] == 0)
            return at + 1;
        if (wire[at] > NAME_MAX_LABEL)
            return 0;
    }
    return 0;
}

static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

struct labels {
    const uint8_t *at[NAME_MAX_WIRE];
    size_t count;
};

static struct labels split(const uint8_t *wire)
{
    struct labels l = {.count = 0};
    for (; *wire; wire += 1 + *wire)
        l.at[l.count++] = wire;
    return l;
}

static int compare_labels(const uint8_t *a, const uint8_t *b)
{
    for (size_t i = 1; i <= a[0] && i <= b[0]; i++) {
        if (lower(a[i]) != lower(b[i]))
            return lower(a[i]) - lower(b[i]);
    }
    return a[0] - b[0];
}

/* Labels that two names share, counted from the root; *order: as in RFC 4034 section 6.1. */
static size_t shared(const struct labels *a, const struct labels *b, int *order)
{
    size_t n = 0;
    for (; n < a->count && n < b->count; n++) {
        *order = compare_labels(a->at[a->count - n - 1], b->at[b->count - n - 1]);
        if (*order)
            return n;
    }
    *order = (a->count > b->count) - (a->count < b->count);
    return n;
}

/* ---- checks ---- */

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void check_pair(const uint8_t *a, const uint8_t *b)
{
    struct labels la = split(a), lb = split(b);
    int order;
    size_t common = shared(&la, &lb, &order);
    CHECK(name_equal(a, b) == (order == 0) && name_equal(b, a) == (order == 0));
    CHECK(name_is_under(a, b) == (common == lb.count));
    CHECK(name_is_under(b, a) == (common == la.count));
    CHECK(name_labels(a) == la.count);

    uint8_t key_a[NAME_MAX_KEY], key_b[NAME_MAX_KEY];
    size_t len_a = name_key(a, key_a), len_b = name_key(b, key_b);
    size_t less = len_a < len_b ? len_a : len_b;
    int rc = memcmp(key_a, key_b, less);
    CHECK(sign(rc ? rc : (len_a > len_b) - (len_a < len_b)) == sign(order));
    CHECK((rc == 0 && len_b <= len_a) == (common == lb.count)); /* a prefix is an ancestor */
}

static void check_text_of(const uint8_t *wire, size_t len)
{
    char text[NAME_TEXT_MAX];
    uint8_t again[NAME_MAX_WIRE], folded[NAME_MAX_WIRE];
    name_format(wire, text);
    CHECK(strlen(text) < NAME_TEXT_MAX);
    name_fold(folded, wire, len);
    for (size_t i = 0; i < len; i++)
        CHECK(folded[i] == lower(wire[i]));
    CHECK(name_parse(text, again, NULL) == (int)len && memcmp(again, folded, len) == 0);

    ldns_rdf *other = ldns_dname_new_frm_str(text);
    CHECK(other && ldns_rdf_size(other) == len);
    CHECK(memcmp(ldns_rdf_data(other), wire, len) == 0);
    ldns_rdf_deep_free(other);
}

/* ldns takes what is taken here. (Not the other way round: it lets a name grow to 256 octets.) */
static void check_parse(const char *text)
{
    uint8_t wire[NAME_MAX_WIRE];
    struct err e = {0};
    int len = name_parse(text, wire, &e);
    if (len < 0) {
        CHECK(len == ERR_INVALID && e.text[0]);
        return;
    }
    CHECK(slow_wire_len(wire, sizeof wire) == (size_t)len);
    ldns_rdf *other = ldns_dname_new_frm_str(text);
    CHECK(other && ldns_rdf_size(other) == (size_t)len);
    CHECK(name_equal(ldns_rdf_data(other), wire));
    ldns_rdf_deep_free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = xcalloc(1, size + 1);
    memcpy(text, data, size);
    check_parse(text);
    free(text);

    uint8_t *first = xmemdup(data, size); /* exact: the sanitizer sees an octet too many */
    size_t len = name_wire_len(first, size);
    CHECK(len == slow_wire_len(first, size));
    if (len > 0) {
        uint8_t *second = xmemdup(first + len, size - len);
        size_t second_len = name_wire_len(second, size - len);
        CHECK(second_len == slow_wire_len(second, size - len));
        check_text_of(first, len);
        if (second_len > 0)
            check_pair(first, second);
        check_pair(first, first);
        free(second);
    }
    free(first);
    return 0;
}
