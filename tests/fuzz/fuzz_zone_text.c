/* Master-file text (RFC 1035 section 5.1): whatever a record of a dump holds, ldns reads the same
 * record back from its line. That is what Knot and NSD load, and what ordctl dump-zone prints.
 *
 * Input: one octet that picks the type, four of TTL, the owner in wire form, then RDATA. */
#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "tests/fuzz/fuzz.h"
#include "zones/name.h"
#include "zones/rrset_build.h"
#include "zones/zone_text.h"

static const uint16_t types[] = {RR_A, RR_AAAA, RR_TXT, RR_SOA, RR_CNAME};

/* The length of a name in RDATA; 0 where there is none, and for those below a first label "@": ldns
 * 1.8.3 reads them as the origin even where the @ is escaped, against RFC 1035 section 5.1. No name
 * of ours begins so. */
static size_t cut_name(const uint8_t *data, size_t len)
{
    size_t name = name_wire_len(data, len);
    return name > 2 && data[0] == 1 && data[1] == '@' ? 0 : name;
}

/* RDATA of the type, as long as the data allows: what an index can hold. Returns its length. */
static size_t cut_rdata(uint16_t type, const uint8_t *data, size_t len)
{
    size_t at = 0, name;
    switch (type) {
    case RR_A:
        return len < 4 ? 0 : 4;
    case RR_AAAA:
        return len < 16 ? 0 : 16;
    case RR_TXT:
        while (at < len && at + 1 + data[at] <= len)
            at += 1U + data[at];
        return at;
    case RR_SOA:
        for (int i = 0; i < 2; i++) {
            if ((name = cut_name(data + at, len - at)) == 0)
                return 0;
            at += name;
        }
        return len - at < 20 ? 0 : at + 20;
    default:
        return cut_name(data, len);
    }
}

static struct rrset *make_set(uint16_t type, uint32_t ttl, const uint8_t *rdata, size_t len)
{
    if (type == RR_A || type == RR_AAAA) {
        struct rrset *set = rrset_new_addresses(type, ttl, 1);
        rrset_put_address(set, 0, rdata);
        return set;
    }
    uint8_t *record = xmalloc(len + 2);
    record[0] = (uint8_t)(len >> 8);
    record[1] = (uint8_t)len;
    memcpy(record + 2, rdata, len);
    struct rrset *set = rrset_new_raw(type, ttl, 1, record, len + 2);
    free(record);
    return set;
}

static void check_line(const char *line, const uint8_t *owner, const struct rrset *set,
                       const uint8_t *rdata, size_t len)
{
    ldns_rr *rr = NULL;
    ldns_buffer *wire = ldns_buffer_new(LDNS_MAX_PACKETLEN);
    CHECK(ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL) == LDNS_STATUS_OK);
    CHECK(ldns_rr_get_type(rr) == rrset_type(set) && ldns_rr_ttl(rr) == rrset_ttl(set));
    CHECK(name_equal(ldns_rdf_data(ldns_rr_owner(rr)), owner));
    CHECK(ldns_rr_rdata2buffer_wire(wire, rr) == LDNS_STATUS_OK);
    CHECK(ldns_buffer_position(wire) == len);
    CHECK(memcmp(ldns_buffer_begin(wire), rdata, len) == 0);
    ldns_buffer_free(wire);
    ldns_rr_free(rr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 6)
        return 0;
    uint16_t type = types[data[0] % ARRAY_SIZE(types)];
    uint32_t ttl =
        (uint32_t)data[1] << 24 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 8 | data[4];
    ttl &= 0x7fffffff; /* RFC 2181 section 8 */
    const uint8_t *owner = data + 5;
    size_t owner_len = name_wire_len(owner, size - 5);
    char text[NAME_TEXT_MAX], word[16];
    if (owner_len == 0 || strlen(name_format(owner, text)) >= LDNS_MAX_DOMAINLEN)
        return 0; /* ldns has no room for the text of a longer owner */
    const uint8_t *rdata = owner + owner_len;
    size_t len = cut_rdata(type, rdata, size - 5 - owner_len);
    if (len == 0 || len > 8192)
        return 0;
    struct rrset_pool pool;
    rrset_pool_init(&pool);
    struct rrset *set = rrset_pool_adopt(&pool, make_set(type, ttl, rdata, len));
    struct buf_out line;
    buf_out_init(&line);
    buf_printf(&line, "%s %u IN %s ", text, ttl, zone_text_type(type, word));
    zone_text_rdata(set, NULL, 0, &line);
    CHECK(strlen(line.data) == line.len && !strchr(line.data, '\n'));
    check_line(line.data, owner, set, rdata, len);
    buf_out_fini(&line);
    rrset_unref(&pool, set);
    rrset_pool_fini(&pool);
    return 0;
}
