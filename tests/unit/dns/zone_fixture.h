/* tests/unit/dns/zone_fixture.h - a loaded zone with one of everything that an answer can be made
 * of; for tests, fuzzing and benchmarks. Names follow state S0 of the vectors, with sets large
 * enough to be cut. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "dns/answer.h"
#include "zones/zone_txn.h"

#ifndef FIXTURE_ZONE /* some tests are compiled once more with another (tests/CMakeLists.txt) */
#define FIXTURE_ZONE       "cluster.local"
#define FIXTURE_ZONE_UPPER "CLUSTER.local"
#endif
#define FIXTURE_BIG         200 /* addresses of big.prod */
#define FIXTURE_WIDE        40  /* endpoints of wide.prod, each a SRV target */
#define FIXTURE_HUGE        5000
#define FIXTURE_CHAIN       12 /* ExternalNames c0 -> c1 -> ... -> api */
#define FIXTURE_SHORT_CHAIN 8  /* s0 -> ... -> s8, which is a Service */

struct fixture {
    struct zones *zones;
    struct answer_opts opts;
    struct dns_context *ctx;
    struct dns_counters counters;
};

static inline struct naming_address fixture_v4(unsigned n)
{
    return (struct naming_address){4, {10, 244, (uint8_t)(n / 250), (uint8_t)(n % 250 + 1)}};
}

static inline struct naming_address fixture_v6(unsigned n)
{
    return (struct naming_address){
        16, {0xfd, 0, 2, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n}};
}

/* A headless Service with `count` ready endpoints from address number `first`; hosts: named
 * <name>-<i>. v6: dual stack. */
static inline void fixture_headless(struct zone_txn *txn, const char *name, unsigned first,
                                    unsigned count, bool hosts, bool v6, bool shared_host)
{
    struct naming_endpoint *endpoints = xcalloc(2 * (size_t)count, sizeof *endpoints);
    struct naming_address *addresses = xcalloc(2 * (size_t)count, sizeof *addresses);
    char(*names)[32] = xcalloc(count, sizeof *names);
    for (unsigned i = 0; i < 2 * count; i++) {
        unsigned n = i % count;
        addresses[i] = i < count ? fixture_v4(first + n) : fixture_v6(first + n);
        (void)snprintf(names[n], sizeof names[n], "%.20s-%u", name, n);
        endpoints[i] = (struct naming_endpoint){.addresses = &addresses[i],
                                                .address_count = 1,
                                                .hostname = shared_host ? "twin"
                                                            : hosts     ? names[n]
                                                                        : NULL,
                                                .ready = true};
    }
    const struct naming_port port = {.name = "pg", .protocol = "TCP", .port = 5432};
    const struct naming_slice slices[2] = {
        {4, &port, 1, endpoints, count},
        {16, &port, 1, endpoints + count, count},
    };
    const struct naming_service service = {.ns = "prod",
                                           .name = name,
                                           .type = NAMING_HEADLESS,
                                           .ports = &port,
                                           .port_count = 1,
                                           .slices = slices,
                                           .slice_count = v6 ? 2 : 1};
    zone_txn_put_service(txn, &service);
    free(endpoints);
    free(addresses);
    free(names);
}

static inline void fixture_external(struct zone_txn *txn, const char *name, const char *target)
{
    const struct naming_service service = {
        .ns = "prod", .name = name, .type = NAMING_EXTERNAL, .external_name = target};
    zone_txn_put_service(txn, &service);
}

static inline void fixture_cluster_ip(struct zone_txn *txn, const char *name,
                                      const struct naming_address *ips, size_t count)
{
    const struct naming_port ports[] = {{"http", "TCP", 80}, {"grpc", "TCP", 9090}};
    const struct naming_service service = {.ns = "prod",
                                           .name = name,
                                           .type = NAMING_CLUSTER_IP,
                                           .cluster_ips = ips,
                                           .cluster_ip_count = count,
                                           .ports = ports,
                                           .port_count = 2};
    zone_txn_put_service(txn, &service);
}

static inline void fixture_chain(struct zone_txn *txn, char letter, unsigned links,
                                 const char *last)
{
    for (unsigned i = 0; i < links; i++) {
        char name[16], target[64];
        (void)snprintf(name, sizeof name, "%c%u", letter, i);
        (void)snprintf(target, sizeof target, "%c%u.prod.svc." FIXTURE_ZONE, letter, i + 1);
        fixture_external(txn, name, i + 1 < links ? target : last);
    }
}

static inline void fixture_load(struct zone_txn *txn)
{
    const struct naming_address api = {4, {10, 96, 10, 20}};
    const struct naming_address dual[2] = {{4, {10, 96, 10, 30}},
                                           {16, {0xfd, 0, 0, 0x96, [15] = 0x30}}};
    zone_txn_put_namespace(txn, "default");
    zone_txn_put_namespace(txn, "prod");
    zone_txn_put_namespace(txn, "empty");
    fixture_cluster_ip(txn, "api", &api, 1);
    fixture_cluster_ip(txn, "dual", dual, 2);
    fixture_headless(txn, "db", 0, 5, true, false, false);
    fixture_headless(txn, "twins", 10, 2, false, false, true);
    fixture_headless(txn, "ring", 20, 2, true, true, false);
    fixture_headless(txn, "wide", 100, FIXTURE_WIDE, true, true, false);
    fixture_headless(txn, "big", 1000, FIXTURE_BIG, false, false, false);
    fixture_headless(txn, "huge", 5000, FIXTURE_HUGE, true, false, false);
    fixture_external(txn, "ext", "www.example.com");
    fixture_external(txn, "ext-in", "api.prod.svc." FIXTURE_ZONE);
    fixture_external(txn, "ext-dead", "gone.prod.svc." FIXTURE_ZONE);
    fixture_external(txn, "self", "self.prod.svc." FIXTURE_ZONE);
    fixture_external(txn, "loop-a", "loop-b.prod.svc." FIXTURE_ZONE);
    fixture_external(txn, "loop-b", "loop-a.prod.svc." FIXTURE_ZONE);
    fixture_chain(txn, 'c', FIXTURE_CHAIN, "api.prod.svc." FIXTURE_ZONE);
    fixture_chain(txn, 's', FIXTURE_SHORT_CHAIN, "api.prod.svc." FIXTURE_ZONE);
    zone_txn_loaded(txn, 1);
}

static const char *const fixture_reverse[] = {"10.244.0.0/16", "10.96.0.0/12"};
static const struct naming_address fixture_ns = {4, {10, 96, 0, 10}};

/* is_loaded false: before the first load (K-SYNC). */
static inline void fixture_init(struct fixture *f, bool is_loaded)
{
    const struct zones_opts opts = {.zone_name = FIXTURE_ZONE,
                                    .ns_addresses = &fixture_ns,
                                    .ns_address_count = 1,
                                    .reverse = fixture_reverse,
                                    .reverse_count = ARRAY_SIZE(fixture_reverse),
                                    .ttl_s = 5,
                                    .negative_ttl_s = 5};
    memset(f, 0, sizeof *f);
    CHECK(zones_new(&opts, 4, &f->zones, NULL) == 0);
    if (is_loaded) {
        struct zone_txn *txn = zone_txn_new(f->zones);
        fixture_load(txn);
        zone_txn_publish(txn, 7);
    }
    const char *any = "any";
    f->opts = (struct answer_opts){.udp_size = 1232, .rotate = true, .cookies = true};
    f->opts.secrets.count = 1;
    CHECK(access_list_init(&f->opts.query_acl, "access.query", &any, 1, NULL) == 0);
    f->ctx = xmalloc(sizeof *f->ctx);
    dns_context_init(f->ctx, &f->opts, &f->counters, 42);
    f->ctx->wall_s = 1800000000;
}

static inline void fixture_fini(struct fixture *f)
{
    access_list_fini(&f->opts.query_acl);
    free(f->ctx);
    zones_free(f->zones);
}

static const struct dns_peer fixture_udp = {
    .addr = {192, 0, 2, 1}, .addr_len = 4, .port = 5353, .proto = DNS_UDP};
static const struct dns_peer fixture_tcp = {
    .addr = {192, 0, 2, 1}, .addr_len = 4, .port = 5353, .proto = DNS_TCP, .keepalive_ds = 100};
