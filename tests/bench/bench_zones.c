/* What zones cost: bytes per endpoint, nanoseconds per lookup, microseconds per update. Not a test.
 *
 *   bench_zones [services of 20 endpoints; default 5000, that is 100,000 pods] */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/random.h"
#include "zones/zone_txn.h"

enum { PER_SERVICE = 20, LARGE = 5000, PER_SLICE = 100 };

static double now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* A Service with its input, as the feed would fill it. */
struct input {
    struct naming_service service;
    struct naming_slice *slices;
    struct naming_endpoint *endpoints;
    struct naming_address *addresses;
    struct naming_port port;
    char name[32];
    char (*host)[32];
};

static void input_init(struct input *in, const char *name, size_t endpoints, unsigned first_address,
                       bool has_hostnames)
{
    size_t slices = (endpoints + PER_SLICE - 1) / PER_SLICE;
    *in = (struct input){.slices = xcalloc(slices, sizeof *in->slices),
                         .endpoints = xcalloc(endpoints, sizeof *in->endpoints),
                         .addresses = xcalloc(endpoints, sizeof *in->addresses),
                         .host = xcalloc(endpoints, sizeof *in->host),
                         .port = {"http", "TCP", 8080}};
    snprintf(in->name, sizeof in->name, "%s", name);
    for (size_t i = 0; i < endpoints; i++) {
        unsigned address = 0x0af40000u + first_address + (unsigned)i;
        in->addresses[i] =
            (struct naming_address){.len = 4,
                                    .bytes = {(uint8_t)(address >> 24), (uint8_t)(address >> 16),
                                              (uint8_t)(address >> 8), (uint8_t)address}};
        snprintf(in->host[i], sizeof in->host[i], "%s-%zu", name, i);
        in->endpoints[i] = (struct naming_endpoint){.addresses = &in->addresses[i],
                                                    .address_count = 1,
                                                    .hostname = has_hostnames ? in->host[i] : NULL,
                                                    .ready = true};
    }
    for (size_t s = 0; s < slices; s++) {
        size_t at = s * PER_SLICE;
        in->slices[s] = (struct naming_slice){
            .family_len = 4,
            .ports = &in->port,
            .port_count = 1,
            .endpoints = in->endpoints + at,
            .endpoint_count = endpoints - at < PER_SLICE ? endpoints - at : PER_SLICE};
    }
    in->service = (struct naming_service){.ns = "default",
                                          .name = in->name,
                                          .type = NAMING_HEADLESS,
                                          .slices = in->slices,
                                          .slice_count = slices};
}

static void input_fini(struct input *in)
{
    free(in->slices);
    free(in->endpoints);
    free(in->addresses);
    free(in->host);
}

static struct zones *make_zones(enum pods_mode pods)
{
    static const char *const reverse[] = {"10.244.0.0/14"};
    struct naming_address ns = {.len = 4, .bytes = {192, 0, 2, 53}};
    struct zones_opts opts = {.zone_name = "cluster.local",
                              .ns_addresses = &ns,
                              .ns_address_count = 1,
                              .reverse = reverse,
                              .reverse_count = 1,
                              .ttl_s = 5,
                              .negative_ttl_s = 5,
                              .pods = pods};
    struct zones *zones;
    CHECK(zones_new(&opts, 1, &zones, NULL) == 0);
    return zones;
}

static void reclaim(struct zones *zones)
{
    while (zones_reclaim(zones)) {
    }
}

static uint64_t revision;

static void commit(struct zones *zones, struct zone_txn *txn)
{
    zone_txn_publish(txn, ++revision);
    reclaim(zones);
}

static void load(struct zones *zones, size_t services)
{
    size_t before = heap_bytes();
    double start = now_us();
    struct zone_txn *txn = zone_txn_new(zones);
    zone_txn_put_namespace(txn, "default");
    double input_us = 0;
    for (size_t s = 0; s < services; s++) {
        struct input in;
        char name[32];
        double at = now_us();
        snprintf(name, sizeof name, "web%zu", s);
        input_init(&in, name, PER_SERVICE, (unsigned)(s * PER_SERVICE), true);
        input_us += now_us() - at;
        zone_txn_put_service(txn, &in.service);
        at = now_us();
        input_fini(&in);
        input_us += now_us() - at;
    }
    zone_txn_loaded(txn, 1);
    commit(zones, txn);
    double us = now_us() - start - input_us;
    struct zones_stats stats;
    zones_stats(zones, &stats);
    size_t endpoints = services * PER_SERVICE;
    printf("load: %zu endpoints in Services of %d: %.0f ms, %.2f us each; heap %.0f bytes per "
           "endpoint, counted %.0f\n",
           endpoints, PER_SERVICE, us / 1e3, us / (double)endpoints,
           (double)(heap_bytes() - before) / (double)endpoints,
           (double)stats.bytes / (double)endpoints);
}

static void load_pods(struct zones *zones, size_t count)
{
    size_t before = heap_bytes();
    double start = now_us();
    struct zone_txn *txn = zone_txn_new(zones);
    for (size_t i = 0; i < count; i++) {
        unsigned address = 0x0af40000u + (unsigned)i;
        struct naming_address a = {.len = 4,
                                   .bytes = {(uint8_t)(address >> 24), (uint8_t)(address >> 16),
                                             (uint8_t)(address >> 8), (uint8_t)address}};
        char pod[32];
        snprintf(pod, sizeof pod, "web%zu-%zu", i / PER_SERVICE, i % PER_SERVICE);
        zone_txn_put_pod(txn, "default", pod, &a, 1);
    }
    commit(zones, txn);
    printf("pods: %zu in %.0f ms; heap +%.0f bytes each\n", count, (now_us() - start) / 1e3,
           (double)(heap_bytes() - before) / (double)count);
}

/* What negative answers say: what each StatefulSet expects, and why one pod in twenty is missing.
 */
static void load_reasons(struct zones *zones, size_t services)
{
    size_t before = heap_bytes();
    double start = now_us();
    struct zone_txn *txn = zone_txn_new(zones);
    for (size_t s = 0; s < services; s++) {
        char name[32], pod[32];
        snprintf(name, sizeof name, "web%zu", s);
        snprintf(pod, sizeof pod, "web%zu-%d", s, PER_SERVICE);
        zone_txn_put_expected(txn, "default", name,
                              &(struct zone_expected){.set = name,
                                                      .replicas = PER_SERVICE + 1,
                                                      .waits_ordinal = PER_SERVICE,
                                                      .waits = "",
                                                      .hole = "is not there yet"});
        zone_txn_put_reason(txn, "default", name, pod,
                            "is not Ready: containers with unready status");
    }
    commit(zones, txn);
    printf("reasons: a set and a missing pod in each Service, %.2f us each; heap +%.1f bytes per "
           "endpoint\n",
           (now_us() - start) / (double)services,
           (double)(heap_bytes() - before) / (double)(services * PER_SERVICE));
}

static void lookups(struct zones *zones, size_t services, const char *what, const char *format,
                    bool is_random)
{
    enum { NAMES = 65536, ROUNDS = 16 };
    uint8_t(*names)[64] = xcalloc(NAMES, sizeof *names);
    for (size_t i = 0; i < NAMES; i++) {
        char text[128];
        uint8_t wire[NAME_MAX_WIRE];
        size_t s = is_random ? random_below(services) : 1;
        size_t host = is_random ? random_below(PER_SERVICE) : 1;
        snprintf(text, sizeof text, "web%zu-%zu.web%zu.%s", s, host, s, format);
        int len = name_parse(text, wire, NULL);
        CHECK(len > 0 && len <= 64);
        memcpy(names[i], wire, (size_t)len);
    }
    size_t kinds[8] = {0};
    double start = now_us();
    for (size_t r = 0; r < ROUNDS; r++) {
        for (size_t i = 0; i < NAMES; i++) {
            struct zone_match match;
            zone_find(zones_current(zones), names[i], RR_A, &match);
            kinds[match.kind]++;
        }
    }
    double ns = (now_us() - start) * 1e3 / (ROUNDS * NAMES);
    printf("find %s: %.0f ns (exact %zu, nxdomain %zu, outside %zu)\n", what, ns,
           kinds[MATCH_EXACT], kinds[MATCH_NXDOMAIN], kinds[MATCH_OUTSIDE]);
    free(names);
}

/* says_why: as the feed does, with a text for the pod that goes. */
static void flips(struct zones *zones, const char *what, struct input *in, size_t endpoints,
                  bool says_why)
{
    enum { ROUNDS = 200 };
    double worst = 0;
    double total = 0;
    for (int r = 0; r < ROUNDS; r++) {
        struct naming_endpoint *e = &in->endpoints[random_below(endpoints)];
        e->ready = !e->ready;
        double start = now_us();
        struct zone_txn *txn = zone_txn_new(zones);
        zone_txn_put_service(txn, &in->service);
        if (says_why)
            zone_txn_put_reason(txn, "default", in->name, e->hostname,
                                e->ready ? NULL : "is not Ready: containers with unready status");
        commit(zones, txn);
        double us = now_us() - start;
        total += us;
        worst = us > worst ? us : worst;
    }
    printf("flip in %s: %.1f us mean, %.1f us worst of %d (publish and reclaim included)\n", what,
           total / ROUNDS, worst, ROUNDS);
}

int main(int argc, char **argv)
{
    size_t services = argc > 1 ? strtoul(argv[1], NULL, 10) : 5000;
    struct zones *zones = make_zones(PODS_VERIFIED);
    load(zones, services);
    lookups(zones, services, "hit, random", "default.svc.cluster.local", true);
    lookups(zones, services, "hit, one name", "default.svc.cluster.local", false);
    lookups(zones, services, "miss, search list", "default.svc.cluster.local.svc.cluster.local",
            true);
    lookups(zones, services, "outside", "example.com", true);
    struct input small;
    input_init(&small, "web1", PER_SERVICE, PER_SERVICE, true);
    flips(zones, "a Service of 20", &small, PER_SERVICE, false);
    flips(zones, "a Service of 20, with reasons", &small, PER_SERVICE, true);
    input_fini(&small);
    for (int has_hostnames = 1; has_hostnames >= 0; has_hostnames--) {
        struct input large;
        input_init(&large, has_hostnames ? "named" : "dashed", LARGE, 0x20000, has_hostnames);
        struct zone_txn *txn = zone_txn_new(zones);
        double start = now_us();
        zone_txn_put_service(txn, &large.service);
        printf("put a Service of %d: %.0f us\n", LARGE, now_us() - start);
        commit(zones, txn);
        flips(zones,
              has_hostnames ? "a Service of 5,000 with hostnames" : "a Service of 5,000 by address",
              &large, LARGE, false);
        if (has_hostnames)
            flips(zones, "the same, with reasons", &large, LARGE, true);
        input_fini(&large);
    }
    load_reasons(zones, services);
    load_pods(zones, services * PER_SERVICE);
    zones_free(zones);
    return 0;
}
