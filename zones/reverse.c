#include "zones/reverse.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static const uint8_t v4_root[] = "\7in-addr\4arpa";
static const uint8_t v6_root[] = "\3ip6\4arpa";

static const uint8_t *root_of(const struct naming_address *address)
{
    return address->len == 4 ? v4_root : v6_root;
}

/* The name of the first `steps` octets or nibbles of an address. */
static size_t name_of(const struct naming_address *address, size_t steps,
                      uint8_t out[NAME_MAX_WIRE])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t *at = out;
    while (steps > 0) {
        steps--;
        if (address->len == 16) {
            uint8_t byte = address->bytes[steps / 2];
            *at++ = 1;
            *at++ = (uint8_t)hex[steps % 2 ? byte & 15 : byte >> 4];
            continue;
        }
        uint8_t byte = address->bytes[steps];
        uint8_t digits = byte >= 100 ? 3 : byte >= 10 ? 2 : 1;
        *at++ = digits;
        if (digits == 3)
            *at++ = (uint8_t)('0' + byte / 100);
        if (digits >= 2)
            *at++ = (uint8_t)('0' + byte / 10 % 10);
        *at++ = (uint8_t)('0' + byte % 10);
    }
    size_t root_len = address->len == 4 ? sizeof v4_root : sizeof v6_root;
    memcpy(at, root_of(address), root_len);
    return (size_t)(at - out) + root_len;
}

size_t reverse_name(const struct naming_address *address, uint8_t out[NAME_MAX_WIRE])
{
    return name_of(address, address->len == 4 ? 4 : 32, out);
}

static void cidr_zones(struct naming_address address, unsigned bits, reverse_zone_fn *fn, void *arg)
{
    unsigned step = address.len == 4 ? 8 : 4;
    unsigned steps = (bits + step - 1) / step;
    unsigned spare = steps * step - bits; /* bits of the last step that are not fixed */
    for (unsigned bit = bits; bit < address.len * 8u; bit++)
        address.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    /* the lowest bit of the last step, within its byte */
    unsigned unit = address.len == 16 && steps % 2 == 1 ? 0x10 : 1;
    for (unsigned i = 0; i < 1u << spare; i++) {
        uint8_t wire[NAME_MAX_WIRE];
        struct naming_address part = address;
        if (spare > 0)
            part.bytes[(steps * step - 1) / 8] |= (uint8_t)(i * unit);
        name_of(&part, steps, wire);
        fn(arg, wire);
    }
}

static bool is_octet_label(const uint8_t *label)
{
    unsigned value = 0;
    for (uint8_t i = 1; i <= label[0]; i++) {
        if (label[i] < '0' || label[i] > '9')
            return false;
        value = value * 10 + (unsigned)(label[i] - '0');
    }
    return label[0] <= 3 && value <= 255 && (label[0] == 1 || label[1] != '0');
}

static bool is_nibble_label(const uint8_t *label)
{
    return label[0] == 1 &&
           ((label[1] >= '0' && label[1] <= '9') || (label[1] >= 'a' && label[1] <= 'f'));
}

/* Labels that addresses have, above in-addr.arpa or ip6.arpa. */
static bool is_reverse_zone(const uint8_t *wire)
{
    bool is_v4 = name_is_under(wire, v4_root);
    if (!is_v4 && !name_is_under(wire, v6_root))
        return false;
    unsigned labels = name_labels(wire) - 2;
    if (labels > (is_v4 ? 4u : 32u))
        return false;
    for (; labels > 0; labels--, wire += 1 + *wire) {
        if (!(is_v4 ? is_octet_label(wire) : is_nibble_label(wire)))
            return false;
    }
    return true;
}

int reverse_zones(const char *text, reverse_zone_fn *fn, void *arg, struct err *e)
{
    const char *slash = strchr(text, '/');
    if (slash) {
        char address_text[64] = {0};
        struct naming_address address;
        size_t len = (size_t)(slash - text);
        if (len < sizeof address_text)
            memcpy(address_text, text, len);
        char *end = NULL;
        bool has_digits = slash[1] >= '0' && slash[1] <= '9' && (slash[1] > '0' || !slash[2]);
        unsigned long bits = strtoul(slash + 1, &end, 10);
        if (!naming_address_parse(address_text, &address) || !has_digits || *end != 0 ||
            bits > address.len * 8ul)
            return err_set(e, ERR_INVALID,
                           "zone.reverse: \"%s\" is not a CIDR such as 10.244.0.0/16", text);
        cidr_zones(address, (unsigned)bits, fn, arg);
        return 0;
    }
    uint8_t wire[NAME_MAX_WIRE];
    if (name_parse(text, wire, NULL) < 0 || !is_reverse_zone(wire))
        return err_set(
            e, ERR_INVALID,
            "zone.reverse: \"%s\" is neither a CIDR nor a zone below in-addr.arpa or ip6.arpa",
            text);
    fn(arg, wire);
    return 0;
}
