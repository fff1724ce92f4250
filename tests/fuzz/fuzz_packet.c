/* Any packet, over a loaded zone, by UDP and by TCP: silence, or a response that parses to its last
 * octet.
 *
 * Input: one octet of options (1: TCP, 2: IPv6 client, 4: not loaded, 8: stale, 16: NSID, 32:
 * CHAOS, 64: may transfer), then the packet. */
#include <ldns/ldns.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "dns/transfer.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/dns/zone_fixture.h"

static struct fixture fixture, unloaded;

static unsigned get(const uint8_t *p)
{
    return (unsigned)(p[0] << 8 | p[1]);
}

/* Behind the name at `at`; pointers must go strictly backward. */
static size_t skip_name(const uint8_t *m, size_t len, size_t at)
{
    size_t behind = 0, floor = at, octets = 0;
    for (;;) {
        CHECK(at < len);
        if (m[at] >= 0xc0) {
            CHECK(at + 1 < len);
            size_t target = get(m + at) & 0x3fff;
            CHECK(target >= 12 && target < floor);
            if (behind == 0)
                behind = at + 2;
            at = floor = target;
            continue;
        }
        CHECK(m[at] < 64);
        octets += 1U + m[at];
        CHECK(octets <= NAME_MAX_WIRE);
        if (m[at] == 0)
            return behind ? behind : at + 1;
        at += 1U + m[at];
    }
}

static void check_options(const uint8_t *options, size_t len)
{
    bool seen[16] = {false};
    while (len > 0) {
        CHECK(len >= 4 && get(options + 2) <= len - 4);
        unsigned code = get(options);
        CHECK(code < 16 && !seen[code]); /* none that was not written here, none twice */
        seen[code] = true;
        size_t size = 4 + get(options + 2);
        options += size;
        len -= size;
    }
}

static void check_response(const uint8_t *m, size_t len, const uint8_t *query, size_t query_len)
{
    CHECK(len >= 12 && memcmp(m, query, 2) == 0 && (m[2] & 0x80));
    CHECK(((m[2] ^ query[2]) & 0x78) == 0 && (m[3] & 0xf0) == 0);
    size_t at = 12;
    CHECK(get(m + 4) <= 1);
    if (get(m + 4) == 1) {
        at = skip_name(m, len, at) + 4;
        CHECK(at <= len && at <= query_len && memcmp(m + 12, query + 12, at - 12) == 0);
    }
    unsigned opts = 0;
    for (unsigned i = get(m + 6) + get(m + 8) + get(m + 10); i > 0; i--) {
        at = skip_name(m, len, at);
        CHECK(at + 10 <= len);
        size_t rdlen = get(m + at + 8);
        CHECK(at + 10 + rdlen <= len);
        if (get(m + at) == RR_OPT) {
            CHECK(++opts == 1);
            check_options(m + at + 10, rdlen);
        }
        at += 10 + rdlen;
    }
    CHECK(at == len);
    ldns_pkt *pkt = NULL;
    CHECK(ldns_wire2pkt(&pkt, m, len) == LDNS_STATUS_OK);
    ldns_pkt_free(pkt);
}

static struct transfer transfer;
static bool has_transfer;

static struct transfer *on_transfer(void *arg)
{
    (void)arg;
    has_transfer = true;
    return &transfer;
}

/* The messages behind the first one, some of them. */
static void check_transfer(const uint8_t *query)
{
    uint8_t *out = xmalloc(DNS_TCP_MAX);
    for (int i = 0; i < 3 && !transfer_is_over(&transfer); i++) {
        size_t len = transfer_next(&transfer, out);
        CHECK(len > 0 && len <= TRANSFER_MESSAGE && get(out + 4) == 0);
        check_response(out, len, query, 0);
    }
    free(out);
}

static void init(void)
{
    const char *any = "any";
    if (fixture.zones)
        return;
    fixture_init(&fixture, true);
    CHECK(access_list_init(&fixture.opts.transfer_acl, "access.transfer", &any, 1, NULL) == 0);
    fixture.ctx->transfer_new = on_transfer;
    fixture_init(&unloaded, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    init();
    if (size < 1)
        return 0;
    uint8_t choice = data[0];
    struct dns_peer peer = choice & 1 ? fixture_tcp : fixture_udp;
    peer.addr_len = choice & 2 ? 16 : 4;
    fixture.ctx->stale_us = choice & 8 ? 1000000 : 0;
    fixture.opts.nsid_len = choice & 16 ? DNS_NSID_MAX : 0;
    fixture.opts.chaos_len = choice & 32 ? DNS_CHAOS_MAX : 0;
    fixture.opts.transfer_acl.any = choice & 64;
    has_transfer = false;
    const struct zone_version *version = zones_current(choice & 4 ? unloaded.zones : fixture.zones);

    size_t room = choice & 1 ? DNS_TCP_MAX : fixture.opts.udp_size;
    uint8_t *query = xmemdup(data, size); /* exact sizes: the sanitizer sees every octet too many */
    uint8_t *out = xmalloc(room);
    size_t len = dns_respond(fixture.ctx, version, &peer, query + 1, size - 1, out, room);
    CHECK(len <= room);
    if (len > 0) {
        check_response(out, len, data + 1, size - 1);
        unsigned rcode = out[3] & 15;
        if (!(choice & 1) && rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN)
            CHECK(len <= size - 1 + 11 + 6); /* */
        CHECK(!has_transfer || (rcode == RCODE_NOERROR && (choice & 65) == 65));
        if (has_transfer)
            check_transfer(data + 1);
    } else {
        CHECK(size - 1 < 12 || (data[3] & 0x80));
    }
    free(query);
    free(out);
    return 0;
}
