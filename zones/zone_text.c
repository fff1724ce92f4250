#include "zones/zone_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "zones/naming.h"

const char *zone_text_type(uint16_t type, char out[16])
{
    static const struct {
        uint16_t type;
        const char *name;
    } names[] = {{RR_A, "A"},     {RR_NS, "NS"},   {RR_CNAME, "CNAME"}, {RR_SOA, "SOA"},
                 {RR_PTR, "PTR"}, {RR_TXT, "TXT"}, {RR_SRV, "SRV"},     {RR_AAAA, "AAAA"}};
    (void)snprintf(out, 16, "TYPE%u", type);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].type == type)
            (void)snprintf(out, 16, "%s", names[i].name);
    }
    return out;
}

static void put_name(struct buf_in *in, struct buf_out *out)
{
    char text[NAME_TEXT_MAX];
    size_t len = name_wire_len(in->at, buf_in_left(in));
    const uint8_t *wire = buf_bytes(in, len);
    if (len > 0 && wire)
        buf_puts(out, name_format(wire, text));
}

static void put_strings(struct buf_in *in, struct buf_out *out)
{
    for (const char *gap = ""; buf_in_left(in) > 0 && !in->failed; gap = " ") {
        size_t len = buf_u8(in);
        const uint8_t *bytes = buf_bytes(in, len);
        buf_puts(out, gap);
        buf_putc(out, '"');
        for (size_t i = 0; bytes && i < len; i++) {
            if (bytes[i] < ' ' || bytes[i] > '~')
                buf_printf(out, "\\%03u", bytes[i]);
            else
                buf_printf(out, bytes[i] == '"' || bytes[i] == '\\' ? "\\%c" : "%c", bytes[i]);
        }
        buf_putc(out, '"');
    }
}

static void put_address(struct buf_in *in, struct buf_out *out)
{
    char text[48];
    struct naming_address address = {.len = (uint8_t)buf_in_left(in)};
    memcpy(address.bytes, buf_bytes(in, address.len), address.len);
    buf_puts(out, naming_address_format(&address, text));
}

void zone_text_rdata(const struct rrset *set, const struct zone_node *owner, size_t i,
                     struct buf_out *out)
{
    uint8_t *rdata = xmalloc(UINT16_MAX);
    struct buf_in in;
    buf_in_init(&in, rdata, rrset_rdata(set, owner, i, rdata, UINT16_MAX));
    switch (rrset_type(set)) {
    case RR_A:
    case RR_AAAA:
        put_address(&in, out);
        break;
    case RR_SRV:
        for (int n = 0; n < 3; n++)
            buf_printf(out, "%u ", buf_u16(&in));
        put_name(&in, out);
        break;
    case RR_TXT:
        put_strings(&in, out);
        break;
    case RR_SOA:
        put_name(&in, out);
        buf_putc(out, ' ');
        put_name(&in, out);
        for (int n = 0; n < 5; n++)
            buf_printf(out, " %u", buf_u32(&in));
        break;
    default: /* NS, CNAME, PTR */
        put_name(&in, out);
        break;
    }
    free(rdata);
}

static void put_set(const struct zone_node *node, const struct rrset *set, struct buf_out *out)
{
    char owner[NAME_TEXT_MAX];
    char type[16];
    size_t len;
    name_format(zone_node_name(node, &len), owner);
    zone_text_type(rrset_type(set), type);
    for (size_t i = 0; i < rrset_count(set); i++) {
        buf_printf(out, "%s %u IN %s ", owner, rrset_ttl(set), type);
        zone_text_rdata(set, node, i, out);
        buf_putc(out, '\n');
    }
}

void zone_text_node(const struct zone_node *node, struct buf_out *out)
{
    for (size_t i = 0; i < zone_node_set_count(node); i++)
        put_set(node, zone_node_set_at(node, i), out);
}

void zone_text_init(struct zone_text *text, const struct zone_version *version,
                    const struct zone_apex *apex)
{
    zone_walk_init(&text->walk, version, apex);
    text->has_begun = false;
}

bool zone_text_some(struct zone_text *text, size_t bytes, struct buf_out *out)
{
    const struct zone_apex *apex = text->walk.apex;
    if (!text->has_begun)
        put_set(apex->node, apex->soa, out);
    text->has_begun = true;
    while (out->len < bytes) {
        const struct zone_node *node = zone_walk_next(&text->walk);
        if (!node)
            return false;
        for (size_t i = 0; i < zone_node_set_count(node); i++) {
            if (zone_node_set_at(node, i) != apex->soa)
                put_set(node, zone_node_set_at(node, i), out);
        }
    }
    return true;
}

void zone_text_zone(const struct zone_version *version, const struct zone_apex *apex,
                    struct buf_out *out)
{
    struct zone_text text;
    zone_text_init(&text, version, apex);
    while (zone_text_some(&text, SIZE_MAX, out)) {
    }
}
