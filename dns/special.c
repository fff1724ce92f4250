#include "dns/special.h"

#include <stdbool.h>
#include <string.h>

#include "base/check.h"
#include "zones/name.h"

struct row {
    const char *zone; /* labels, lower case, the last label first */
    enum special_kind kind;
    uint8_t first, last; /* one more label, a number in this range; 0, 0: none */
};

static const struct row rows[] = {
    {"localhost", SPECIAL_LOCALHOST, 0, 0}, /* RFC 6761 section 6.3 */
    {"invalid", SPECIAL_MISSING, 0, 0},
    {"test", SPECIAL_MISSING, 0, 0},
    {"onion", SPECIAL_MISSING, 0, 0},           /* RFC 7686 */
    {"alt", SPECIAL_MISSING, 0, 0},             /* RFC 9476 */
    {"local", SPECIAL_MISSING, 0, 0},           /* RFC 6762 */
    {"arpa.home", SPECIAL_MISSING, 0, 0},       /* RFC 8375 */
    {"arpa.resolver", SPECIAL_EMPTY, 0, 0},     /* RFC 9462 */
    {"arpa.in-addr.10", SPECIAL_MISSING, 0, 0}, /* RFC 6303 section 4, from here on */
    {"arpa.in-addr.172", SPECIAL_MISSING, 16, 31},
    {"arpa.in-addr.192.168", SPECIAL_MISSING, 0, 0},
    {"arpa.in-addr.0", SPECIAL_MISSING, 0, 0},
    {"arpa.in-addr.127", SPECIAL_MISSING, 0, 0},
    {"arpa.in-addr.169.254", SPECIAL_MISSING, 0, 0},
    {"arpa.in-addr.192.0.2", SPECIAL_MISSING, 0, 0},
    {"arpa.in-addr.198.51.100", SPECIAL_MISSING, 0, 0},
    {"arpa.in-addr.203.0.113", SPECIAL_MISSING, 0, 0},
    {"arpa.in-addr.255.255.255.255", SPECIAL_MISSING, 0, 0},
    {"arpa.in-addr.100", SPECIAL_MISSING, 64, 127}, /* RFC 7793 */
    {"arpa.ip6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0", SPECIAL_MISSING, 0,
     0},
    {"arpa.ip6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1", SPECIAL_MISSING, 0,
     0},
    {"arpa.ip6.f.d", SPECIAL_MISSING, 0, 0},
    {"arpa.ip6.f.e.8", SPECIAL_MISSING, 0, 0},
    {"arpa.ip6.f.e.9", SPECIAL_MISSING, 0, 0},
    {"arpa.ip6.f.e.a", SPECIAL_MISSING, 0, 0},
    {"arpa.ip6.f.e.b", SPECIAL_MISSING, 0, 0},
    {"arpa.ip6.2.0.0.1.0.d.b.8", SPECIAL_MISSING, 0, 0},
};

/* A name from its end: offsets of its labels, the last one first. */
struct labels {
    uint8_t at[128];
    size_t count;
};

static void split(const uint8_t *name, struct labels *out)
{
    size_t total = name_labels(name), i = total;
    out->count = total;
    for (size_t at = 0; name[at] != 0; at += 1U + name[at])
        out->at[--i] = (uint8_t)at;
}

/* 0..255 without leading zeros, or -1. */
static int number_of(const uint8_t *label)
{
    int value = 0;
    if (label[0] < 1 || label[0] > 3 || (label[1] == '0' && label[0] > 1))
        return -1;
    for (uint8_t i = 1; i <= label[0]; i++) {
        if (label[i] < '0' || label[i] > '9')
            return -1;
        value = value * 10 + label[i] - '0';
    }
    return value;
}

/* How many labels of the name the row takes, or 0 when it is another one. */
static size_t match(const struct row *row, const uint8_t *name, const struct labels *labels)
{
    size_t used = 0;
    for (const char *text = row->zone; *text; used++) {
        size_t len = strcspn(text, ".");
        if (used == labels->count)
            return 0;
        const uint8_t *label = name + labels->at[used];
        if (label[0] != len || memcmp(label + 1, text, len) != 0)
            return 0;
        text += len + (text[len] == '.');
    }
    if (row->last == 0)
        return used;
    int number = used < labels->count ? number_of(name + labels->at[used]) : -1;
    return number >= row->first && number <= row->last ? used + 1 : 0;
}

struct special special_find(const uint8_t *name)
{
    uint8_t folded[NAME_MAX_WIRE];
    struct labels labels = {.count = 0};
    name_fold(folded, name, name_wire_len(name, NAME_MAX_WIRE));
    split(folded, &labels);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t used = match(&rows[i], folded, &labels);
        if (used > 0)
            return (struct special){rows[i].kind, labels.at[used - 1]};
    }
    return (struct special){SPECIAL_NONE, 0};
}
