/* State for the tests of zones/: Services written as one line of text, lookups checked through
 * ldns, an independent parser.
 *
 *   "prod/db headless pg/TCP/5432 | pg/TCP/15432 10.244.2.10@db-0 !10.244.2.12@db-2"
 *
 * <ns>/<name> then any of: headless, external=<name>, a ClusterIP, a port name/PROTOCOL/number,
 * not-ready (publishes such endpoints), identity (K-IDENT). Every | begins a slice: ports and
 * endpoints, an endpoint being
 * [!]address[,address][@hostname][~pod][#epoch], ! for not ready. A zone other than cluster.local
 * takes its place in every name. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/check.h"
#include "zones/naming.h"
#include "zones/zone.h"
#include "zones/zone_text.h"
#include "zones/zone_txn.h"

#define FIXTURE_ZONE "cluster.local"
#define UNUSED       __attribute__((unused))

struct fixture {
    struct zones *zones;
    struct zone_txn *txn; /* open between fixture_begin and fixture_commit */
    const char *zone;     /* "cluster.local" or the second name */
    uint64_t revision;
    struct zones_opts opts;
};

/* Texts in tests say cluster.local; this puts the fixture's zone there. */
UNUSED static char *in_zone(const struct fixture *f, const char *text)
{
    struct buf_out out;
    buf_out_init(&out);
    const char *at;
    while ((at = strcasestr(text, FIXTURE_ZONE))) {
        buf_put(&out, text, (size_t)(at - text));
        buf_puts(&out, f->zone);
        text = at + strlen(FIXTURE_ZONE);
    }
    buf_puts(&out, text);
    return buf_out_take(&out, NULL);
}

static struct naming_address address_of(const char *text)
{
    struct naming_address a;
    if (!naming_address_parse(text, &a))
        fail_msg("not an address: %s", text);
    return a;
}

static const char *const fixture_reverse[] = {"96.10.in-addr.arpa", "244.10.in-addr.arpa",
                                              "0.0.d.f.ip6.arpa"};

UNUSED static void fixture_init(struct fixture *f, const char *zone, const struct zones_opts *opts)
{
    static struct naming_address ns[2];
    ns[0] = address_of("192.0.2.53");
    ns[1] = address_of("2001:db8::53");
    *f = (struct fixture){.zone = zone, .revision = 100};
    f->opts = opts ? *opts
                   : (struct zones_opts){.ttl_s = 5,
                                         .negative_ttl_s = 5,
                                         .pods = PODS_VERIFIED,
                                         .reverse = fixture_reverse,
                                         .reverse_count = ARRAY_SIZE(fixture_reverse)};
    f->opts.zone_name = zone;
    f->opts.ns_addresses = ns;
    f->opts.ns_address_count = 2;
    struct err e = {0};
    if (zones_new(&f->opts, 2, &f->zones, &e) < 0)
        fail_msg("%s", e.text);
}

UNUSED static void fixture_fini(struct fixture *f)
{
    zone_txn_free(f->txn);
    while (zones_reclaim(f->zones)) {
    }
    zones_free(f->zones);
}

UNUSED static struct zone_txn *fixture_begin(struct fixture *f)
{
    if (!f->txn)
        f->txn = zone_txn_new(f->zones);
    return f->txn;
}

UNUSED static void fixture_commit(struct fixture *f)
{
    fixture_begin(f);
    if (zones_current(f->zones)->loaded_us == 0)
        zone_txn_loaded(f->txn, 1);
    zone_txn_publish(TAKE(f->txn), ++f->revision);
    zones_reclaim(f->zones);
}

/* ---- Services from text ---- */

static bool fixture_port(struct arena *a, const char *word, struct naming_port *out)
{
    const char *first = strchr(word, '/');
    const char *second = first ? strchr(first + 1, '/') : NULL;
    if (!second)
        return false;
    char *name = arena_strdup(a, word);
    name[first - word] = 0;
    char *protocol = arena_strdup(a, first + 1);
    protocol[second - first - 1] = 0;
    *out = (struct naming_port){name, protocol, (uint16_t)atoi(second + 1)};
    return true;
}

static struct naming_endpoint fixture_endpoint(struct arena *a, const char *word)
{
    struct naming_endpoint endpoint = {.ready = *word != '!'};
    char *text = arena_strdup(a, word + !endpoint.ready);
    char *mark;
    if ((mark = strchr(text, '#'))) {
        endpoint.epoch = strtoull(mark + 1, NULL, 10);
        *mark = 0;
    }
    if ((mark = strchr(text, '~'))) {
        endpoint.target_pod = mark + 1;
        *mark = 0;
    }
    if ((mark = strchr(text, '@'))) {
        endpoint.hostname = mark + 1;
        *mark = 0;
    }
    struct naming_address *addresses = arena_alloc(a, 8 * sizeof *addresses);
    char *rest = text;
    char *part;
    while ((part = strsep(&rest, ",")))
        addresses[endpoint.address_count++] = address_of(part);
    endpoint.addresses = addresses;
    return endpoint;
}

static void fixture_word(struct arena *a, struct naming_service *service, const char *word)
{
    struct naming_port port;
    struct naming_port *ports = (struct naming_port *)(uintptr_t)service->ports;
    if (strcmp(word, "headless") == 0) {
        service->type = NAMING_HEADLESS;
    } else if (strncmp(word, "external=", 9) == 0) {
        service->type = NAMING_EXTERNAL;
        service->external_name = arena_strdup(a, word + 9);
    } else if (strcmp(word, "not-ready") == 0) {
        service->publish_not_ready = true;
    } else if (strcmp(word, "identity") == 0) {
        service->publish_identity = true;
    } else if (fixture_port(a, word, &port)) {
        ports[service->port_count++] = port;
    } else {
        ((struct naming_address *)(uintptr_t)service->cluster_ips)[service->cluster_ip_count++] =
            address_of(word);
    }
}

static void fixture_slice_word(struct arena *a, struct naming_slice *slice, const char *word)
{
    struct naming_port port;
    if (fixture_port(a, word, &port))
        ((struct naming_port *)(uintptr_t)slice->ports)[slice->port_count++] = port;
    else
        ((struct naming_endpoint *)(uintptr_t)slice->endpoints)[slice->endpoint_count++] =
            fixture_endpoint(a, word);
}

UNUSED static struct naming_service *fixture_service(struct arena *a, const char *line)
{
    enum { MOST = 64 };
    struct naming_service *service = arena_alloc(a, sizeof *service);
    struct naming_slice *slices = arena_alloc(a, MOST * sizeof *slices);
    char *text = arena_strdup(a, line);
    char *word = strsep(&text, " ");
    char *name = strchr(word, '/');
    *name = 0;
    service->ns = word;
    service->name = name + 1;
    service->ports = arena_alloc(a, MOST * sizeof(struct naming_port));
    service->cluster_ips = arena_alloc(a, MOST * sizeof(struct naming_address));
    service->slices = slices;
    while ((word = strsep(&text, " "))) {
        if (strcmp(word, "|") == 0) {
            struct naming_slice *slice = &slices[service->slice_count++];
            slice->ports = arena_alloc(a, MOST * sizeof(struct naming_port));
            slice->endpoints = arena_alloc(a, MOST * sizeof(struct naming_endpoint));
        } else if (service->slice_count > 0) {
            fixture_slice_word(a, &slices[service->slice_count - 1], word);
        } else if (*word) {
            fixture_word(a, service, word);
        }
    }
    return service;
}

UNUSED static void put_service(struct fixture *f, const char *line)
{
    struct arena a;
    arena_init(&a);
    char *text = in_zone(f, line);
    zone_txn_put_service(fixture_begin(f), fixture_service(&a, text));
    free(text);
    arena_fini(&a);
}

UNUSED static void put_pod(struct fixture *f, const char *ns, const char *pod,
                           const char *addresses)
{
    struct naming_address list[8];
    size_t n = 0;
    char *text = xstrdup(addresses);
    char *rest = text;
    char *part;
    while ((part = strsep(&rest, ","))) {
        if (*part)
            list[n++] = address_of(part);
    }
    zone_txn_put_pod(fixture_begin(f), ns, pod, list, n);
    free(text);
}

/* ---- lookups ---- */

/* Writes the set into a message and has ldns read it back: RDATA as text, one string per record, in
 * the order written. */
static size_t read_back(const struct zone_node *node, const struct rrset *set, size_t start,
                        char *out[], size_t room)
{
    uint8_t *wire = xmalloc(65535);
    size_t name_len;
    const uint8_t *name = zone_node_name(node, &name_len);
    memset(wire, 0, 12);
    wire[5] = 1;
    memcpy(wire + 12, name, name_len);
    size_t len = 12 + name_len;
    memcpy(wire + len, (const uint8_t[]){0, 1, 0, 1}, 4);
    len += 4;
    size_t written;
    len += rrset_write(set, node, start, 12, wire + len, 65535 - len, &written);
    wire[6] = (uint8_t)(written >> 8);
    wire[7] = (uint8_t)written;
    ldns_pkt *pkt = NULL;
    assert_int_equal(ldns_wire2pkt(&pkt, wire, len), LDNS_STATUS_OK);
    ldns_rr_list *answer = ldns_pkt_answer(pkt);
    assert_int_equal(ldns_rr_list_rr_count(answer), written);
    char owner[NAME_TEXT_MAX];
    name_format(name, owner);
    for (size_t i = 0; i < written && i < room; i++) {
        const ldns_rr *rr = ldns_rr_list_rr(answer, i);
        char *rr_owner = ldns_rdf2str(ldns_rr_owner(rr));
        assert_string_equal(rr_owner, owner);
        free(rr_owner);
        assert_int_equal(ldns_rr_ttl(rr), rrset_ttl(set));
        assert_int_equal(ldns_rr_get_type(rr), rrset_type(set));
        assert_int_equal(ldns_rr_get_class(rr), LDNS_RR_CLASS_IN);
        struct buf_out text;
        buf_out_init(&text);
        for (size_t k = 0; k < ldns_rr_rd_count(rr); k++) {
            char *field = ldns_rdf2str(ldns_rr_rdf(rr, k));
            buf_printf(&text, "%s%s", k > 0 ? " " : "", field);
            free(field);
        }
        out[i] = buf_out_take(&text, NULL);
    }
    ldns_pkt_free(pkt);
    free(wire);
    return written;
}

/* Compares words; * matches any. */
static bool is_like(const char *pattern, const char *text)
{
    while (*pattern && *text) {
        size_t p = strcspn(pattern, " ");
        size_t t = strcspn(text, " ");
        bool any = p == 1 && *pattern == '*';
        if (!any && (p != t || strncmp(pattern, text, p) != 0))
            return false;
        pattern += p + (pattern[p] == ' ');
        text += t + (text[t] == ' ');
    }
    return *pattern == *text;
}

static const char *kind_name(enum match_kind kind)
{
    static const char *const names[] = {"EXACT",    "CNAME", "ANY",    "NODATA",
                                        "NXDOMAIN", "SYNTH", "OUTSIDE"};
    return names[kind];
}

/* A name looked for beside others has the outcome that it has alone. */
static void expect_same_searched(const struct zone_version *version, const uint8_t *name,
                                 uint16_t type, const struct zone_match *alone)
{
    static const char *const beside[] = {".", "cluster.local", "1.0.244.10.in-addr.arpa"};
    struct zone_search searches[4];
    for (size_t i = 0; i < 3; i++) {
        uint8_t wire[NAME_MAX_WIRE];
        assert_true(name_parse(beside[i], wire, NULL) > 0);
        assert_true(name_lookup_read(&searches[i].name, wire, sizeof wire) > 0);
    }
    assert_true(name_lookup_read(&searches[3].name, name, NAME_MAX_WIRE) > 0);
    zone_search_all(version, searches, 4);
    struct zone_match match;
    zone_find_searched(version, &searches[3], type, &match);
    assert_int_equal(match.kind, alone->kind);
    assert_ptr_equal(match.node, alone->node);
    assert_ptr_equal(match.set, alone->set);
    assert_ptr_equal(match.apex, alone->apex);
    assert_int_equal(match.synth_len, alone->synth_len);
    assert_memory_equal(match.synth, alone->synth, alone->synth_len);
}

/* Looks a name up in the published version and compares kind and records; want: records joined by
 * |, * for any word. */
UNUSED static void expect(const struct fixture *f, const char *label, const char *name_text,
                          uint16_t type, enum match_kind kind, const char *want)
{
    uint8_t name[NAME_MAX_WIRE];
    char *text = in_zone(f, name_text);
    if (name_parse(text, name, NULL) < 0)
        fail_msg("%s: bad name %s", label, text);
    struct zone_match match;
    zone_find(zones_current(f->zones), name, type, &match);
    expect_same_searched(zones_current(f->zones), name, type, &match);
    if (match.kind != kind)
        fail_msg("%s: %s type %u is %s, not %s", label, text, type, kind_name(match.kind),
                 kind_name(kind));
    assert_int_equal(match.apex == NULL, kind == MATCH_OUTSIDE);
    free(text);
    if (match.apex) {
        size_t len;
        assert_true(name_is_under(name, zone_node_name(match.apex->node, &len)));
    }
    if (kind != MATCH_EXACT && kind != MATCH_CNAME)
        return;
    char *have[64];
    size_t n = read_back(match.node, match.set, 0, have, ARRAY_SIZE(have));
    char *all = in_zone(f, want);
    char *rest = all;
    char *one;
    size_t wanted = 0;
    while ((one = strsep(&rest, "|"))) {
        size_t found = 0;
        for (size_t i = 0; i < n; i++)
            found += is_like(one, have[i]) ? 1 : 0;
        if (found != 1)
            fail_msg("%s: %s: record \"%s\" found %zu times (first is \"%s\")", label, name_text,
                     one, found, have[0]);
        wanted++;
    }
    if (n != wanted)
        fail_msg("%s: %s has %zu records, not %zu", label, name_text, n, wanted);
    for (size_t i = 0; i < n; i++)
        free(have[i]);
    free(all);
}

UNUSED static uint32_t serial_of(const struct fixture *f, const char *zone)
{
    char *text = in_zone(f, zone);
    uint32_t serial = 0;
    bool is_found = false;
    for (size_t i = 0; i < zones_serial_count(f->zones); i++) {
        char name[NAME_TEXT_MAX];
        uint32_t value;
        zones_serial_get(f->zones, i, name, &value);
        if (strcmp(name, text) == 0) {
            serial = value;
            is_found = true;
        }
    }
    assert_true(is_found);
    free(text);
    return serial;
}

/* ---- state S0 of kubernetes-dns.md, appendix A ---- */

UNUSED static const char *const s0_services[] = {
    "default/kubernetes 10.96.0.1 https/TCP/443",
    "kube-system/kube-dns 10.96.0.10 dns/UDP/53 dns-tcp/TCP/53 metrics/TCP/9153",
    "prod/api 10.96.10.20 http/TCP/80 grpc/TCP/9090 | http/TCP/8080 grpc/TCP/9090 10.244.1.10 "
    "10.244.1.11",
    "prod/dual 10.96.10.30 fd00:96::30 web/TCP/8080",
    "prod/six fd00:96::66 web/TCP/80",
    "prod/raw 10.96.10.40 /TCP/5432",
    "prod/idle 10.96.10.50 http/TCP/80",
    "prod/db headless pg/TCP/5432 | pg/TCP/15432 10.244.2.10@db-0 10.244.2.11@db-1 "
    "!10.244.2.12@db-2",
    "prod/db-peers headless not-ready pg/TCP/5432 | pg/TCP/5432 10.244.2.10~db-0 10.244.2.11~db-1 "
    "10.244.2.12~db-2",
    "prod/ring headless gossip/TCP/7946 gossip-udp/UDP/7946"
    " | gossip/TCP/7946 gossip-udp/UDP/7946 10.244.3.10@ring-0 10.244.3.11@ring-1"
    " | gossip/TCP/7946 gossip-udp/UDP/7946 fd00:244:3::10@ring-0 fd00:244:3::11@ring-1",
    "prod/bare headless | 10.244.4.10",
    "prod/none headless http/TCP/80",
    "prod/manual headless amqp/TCP/5672 | amqp/TCP/5672 10.244.5.10@m-a 10.244.5.11 "
    "!10.244.5.12@m-gone"
    " | amqp/TCP/5672 10.244.5.10@m-a | amqp/TCP/5672 fd00:5:1:1:1:1::",
    "prod/twins headless http/TCP/80 | http/TCP/80 10.244.6.1@twin 10.244.6.2@twin",
    "prod/ext external=www.example.com",
    "prod/ext-in external=api.prod.svc.cluster.local",
    "prod/ext-dead external=gone.prod.svc.cluster.local",
    "prod/ext-ip external=192.0.2.7",
};

UNUSED static void load_s0(struct fixture *f)
{
    static const char *const namespaces[] = {"default", "kube-system", "prod", "empty"};
    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
        zone_txn_put_namespace(fixture_begin(f), namespaces[i]);
    for (size_t i = 0; i < ARRAY_SIZE(s0_services); i++)
        put_service(f, s0_services[i]);
    put_pod(f, "prod", "api-x", "10.244.1.10");
    put_pod(f, "prod", "ring-0", "10.244.3.10,fd00:244:3::10");
    fixture_commit(f); /* job-x has finished: the feed does not put it */
}
