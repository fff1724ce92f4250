/* dns_respond over a loaded zone, without sockets: time per answer of each kind.
 *
 *     bench_answer [stub|hit|nxdomain|why|nodata|srv|random [answers]]
 *
 * With a kind, that one alone, for `valgrind --tool=callgrind --toggle-collect=dns_respond`
 * (budget: 1,500 instructions per hit). random: hits among 100,000 endpoints as a batch of packets
 * has them, looked for together; the difference of two runs of different length under `valgrind
 * --tool=cachegrind --cache-sim=yes` tells misses per answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "tests/unit/dns/zone_fixture.h"

#define ANSWERS 2000000UL
#define PODS    10000
#define MANY    100000
#define BATCH   ZONE_SEARCHES

static const struct kind {
    const char *word, *name;
    uint16_t type;
    bool has_edns;
} kinds[] = {
    {"stub", "db-3.db.prod.svc.cluster.local", RR_A, false},
    {"hit", "db-3.db.prod.svc.cluster.local", RR_A, true},
    {"nxdomain", "db-7.db.prod.svc.cluster.local", RR_A, true},
    {"why", "db-7.db.prod.svc.cluster.local", RR_A, true}, /* told why: access.explain */
    {"nodata", "db-3.db.prod.svc.cluster.local", RR_AAAA, true},
    {"srv", "_pg._tcp.db.prod.svc.cluster.local", RR_SRV, true}, /* 5 targets, 5 addresses */
};

static size_t make_query(const struct kind *kind, uint8_t *out)
{
    static const uint8_t header[12] = {0x12, 0x34, 1, 0, 0, 1};
    memcpy(out, header, sizeof header);
    size_t len = sizeof header;
    len += (size_t)name_parse(kind->name, out + len, NULL);
    const uint8_t tail[4] = {0, (uint8_t)kind->type, 0, 1};
    memcpy(out + len, tail, sizeof tail);
    len += sizeof tail;
    if (kind->has_edns) {
        static const uint8_t opt[11] = {0, 0, RR_OPT, 4, 0xd0};
        memcpy(out + len, opt, sizeof opt);
        out[11] = 1;
        len += sizeof opt;
    }
    return len;
}

/* Called by a pointer that nothing is known of, so that it stays one function, by its name. */
static size_t (*volatile const respond)(struct dns_context *ctx, const struct zone_version *version,
                                        const struct dns_peer *peer, const uint8_t *packet,
                                        size_t len, uint8_t *out, size_t room) = dns_respond;

static void run(struct fixture *f, const struct kind *kind, unsigned long answers)
{
    uint8_t query[512], out[DNS_UDP_MAX];
    size_t len = make_query(kind, query), octets = 0;
    const struct zone_version *version = zones_current(f->zones);
    f->opts.explain_acl.any = strcmp(kind->word, "why") == 0;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (unsigned long i = 0; i < answers; i++)
        octets += respond(f->ctx, version, &fixture_udp, query, len, out, sizeof out);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    printf("%-9s %6.0f ns per answer, %4zu octets\n", kind->word, ns / (double)answers,
           octets / (answers ? answers : 1));
}

static void run_random(struct fixture *f, unsigned long answers)
{
    static struct zone_search search[BATCH];
    static uint8_t query[BATCH][512], out[BATCH][DNS_UDP_MAX];
    const struct zone_version *version = zones_current(f->zones);
    uint64_t chance = 1;
    char name[64];
    double ns = 0;
    for (unsigned long i = 0; i < answers; i += BATCH) {
        size_t len[BATCH];
        for (unsigned k = 0; k < BATCH; k++) {
            chance = chance * 6364136223846793005U + 1442695040888963407U;
            unsigned set = (unsigned)(chance >> 33) % (MANY / 20),
                     n = (unsigned)(chance >> 20) % 20;
            (void)snprintf(name, sizeof name, "set%u-%u.set%u.prod.svc.cluster.local", set, n, set);
            len[k] = make_query(&(const struct kind){"random", name, RR_A, true}, query[k]);
        }
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        for (unsigned k = 0; k < BATCH; k++)
            CHECK(dns_look_ahead(query[k], len[k], &search[k]));
        zone_search_all(version, search, BATCH);
        for (unsigned k = 0; k < BATCH; k++) {
            f->ctx->ahead = &search[k];
            CHECK(respond(f->ctx, version, &fixture_udp, query[k], len[k], out[k], sizeof out[k]) >
                  len[k]);
        }
        clock_gettime(CLOCK_MONOTONIC, &to);
        ns += (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    }
    f->ctx->ahead = NULL;
    printf("%-9s %6.0f ns per answer\n", "random", ns / (double)answers);
}

int main(int argc, char **argv)
{
    struct fixture f;
    fixture_init(&f, true);
    struct zone_txn *txn = zone_txn_new(f.zones); /* a cluster around them */
    bool is_random = argc > 1 && strcmp(argv[1], "random") == 0;
    for (unsigned i = 0; i < (is_random ? MANY : PODS) / 20; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "set%u", i);
        fixture_headless(txn, name, 20000 + 20 * i, 20, true, false, false);
    }
    zone_txn_publish(txn, 8);
    unsigned long answers = argc > 2 ? strtoul(argv[2], NULL, 10) : ANSWERS;
    if (is_random)
        run_random(&f, answers ? answers : 1);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (argc < 2 || strcmp(argv[1], kinds[i].word) == 0)
            run(&f, &kinds[i], answers ? answers : 1);
    }
    fixture_fini(&f);
    return 0;
}
