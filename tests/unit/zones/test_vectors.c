/* The static vectors V1 to V107 of kubernetes-dns.md against state S0 (appendix A), for two zone
 * names. What happens along a CNAME is the answer's affair (dns/answer): here its vectors end at
 * the CNAME. */
#include "fixture.h"

static const struct {
    const char *label, *name;
    uint16_t type;
    enum match_kind kind;
    const char *records;
} vectors[] = {
    {"V1", "cluster.local.", RR_SOA, MATCH_EXACT,
     "ns.dns.cluster.local. hostmaster.cluster.local. * 7200 1800 86400 5"},
    {"V2", "cluster.local.", RR_NS, MATCH_EXACT, "ns.dns.cluster.local."},
    {"V3", "ns.dns.cluster.local.", RR_A, MATCH_EXACT, "192.0.2.53"},
    {"V4", "dns.cluster.local.", RR_A, MATCH_NODATA, ""},
    {"V5", "cluster.local.", RR_A, MATCH_NODATA, ""},
    {"V6", "cluster.local.", RR_TXT, MATCH_NODATA, ""},
    {"V7", "dns-version.cluster.local.", RR_TXT, MATCH_EXACT, "\"1.1.0\""},
    {"V8", "dns-version.cluster.local.", RR_A, MATCH_NODATA, ""},
    {"V9", "foo.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V10", "svc.cluster.local.", RR_A, MATCH_NODATA, ""},
    {"V11", "svc.cluster.local.", RR_SOA, MATCH_NODATA, ""},
    {"V12", "pod.cluster.local.", RR_A, MATCH_NODATA, ""},
    {"V13", "empty.svc.cluster.local.", RR_A, MATCH_NODATA, ""},
    {"V14", "empty.pod.cluster.local.", RR_A, MATCH_NODATA, ""},
    {"V15", "absent.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V16", "api.absent.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V17", "absent.svc.cluster.local.", RR_SOA, MATCH_NXDOMAIN, ""},
    {"V18", "prod.svc.cluster.local.", RR_NS, MATCH_NODATA, ""},
    {"V19", "kubernetes.default.svc.cluster.local.", RR_A, MATCH_EXACT, "10.96.0.1"},
    {"V20", "kubernetes.default.svc.cluster.local.", RR_AAAA, MATCH_NODATA, ""},
    {"V21", "_https._tcp.kubernetes.default.svc.cluster.local.", RR_SRV, MATCH_EXACT,
     "* * 443 kubernetes.default.svc.cluster.local."},
    {"V22", "api.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.96.10.20"},
    {"V23", "API.Prod.svc.CLUSTER.local.", RR_A, MATCH_EXACT, "10.96.10.20"},
    {"V24", "api.prod.svc.cluster.local.", RR_SRV, MATCH_EXACT,
     "* * 80 api.prod.svc.cluster.local.|* * 9090 api.prod.svc.cluster.local."},
    {"V25", "_http._tcp.api.prod.svc.cluster.local.", RR_SRV, MATCH_EXACT,
     "* * 80 api.prod.svc.cluster.local."},
    {"V26", "_Http._TCP.api.prod.svc.cluster.local.", RR_SRV, MATCH_EXACT,
     "* * 80 api.prod.svc.cluster.local."},
    {"V27", "_http._udp.api.prod.svc.cluster.local.", RR_SRV, MATCH_NXDOMAIN, ""},
    {"V28", "_nope._tcp.api.prod.svc.cluster.local.", RR_SRV, MATCH_NXDOMAIN, ""},
    {"V29", "_tcp.api.prod.svc.cluster.local.", RR_SRV, MATCH_NODATA, ""},
    {"V30", "http.tcp.api.prod.svc.cluster.local.", RR_SRV, MATCH_NXDOMAIN, ""},
    {"V31", "_http._tcp.api.prod.svc.cluster.local.", RR_A, MATCH_NODATA, ""},
    {"V32", "api.prod.svc.cluster.local.", 15, MATCH_NODATA, ""},
    {"V33", "api.prod.svc.cluster.local.", 65, MATCH_NODATA, ""},
    {"V34", "api.prod.svc.cluster.local.", RR_TXT, MATCH_NODATA, ""},
    {"V35", "api.prod.svc.cluster.local.", RR_PTR, MATCH_NODATA, ""},
    {"V36", "api.prod.svc.cluster.local.", RR_SOA, MATCH_NODATA, ""},
    {"V37", "raw.prod.svc.cluster.local.", RR_SRV, MATCH_EXACT,
     "* * 5432 raw.prod.svc.cluster.local."},
    {"V38", "_tcp.raw.prod.svc.cluster.local.", RR_SRV, MATCH_NXDOMAIN, ""},
    {"V39", "kube-dns.kube-system.svc.cluster.local.", RR_SRV, MATCH_EXACT,
     "* * 53 kube-dns.kube-system.svc.cluster.local.|* * 9153 "
     "kube-dns.kube-system.svc.cluster.local."},
    {"V40", "dual.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.96.10.30"},
    {"V41", "dual.prod.svc.cluster.local.", RR_AAAA, MATCH_EXACT, "fd00:96::30"},
    {"V42", "_web._tcp.dual.prod.svc.cluster.local.", RR_SRV, MATCH_EXACT,
     "* * 8080 dual.prod.svc.cluster.local."},
    {"V43", "six.prod.svc.cluster.local.", RR_A, MATCH_NODATA, ""},
    {"V44", "six.prod.svc.cluster.local.", RR_AAAA, MATCH_EXACT, "fd00:96::66"},
    {"V45", "idle.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.96.10.50"},
    {"V46", "10-244-1-10.api.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.244.1.10"},
    {"V47", "*.prod.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V48", "db.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.244.2.10|10.244.2.11"},
    {"V49", "db.prod.svc.cluster.local.", RR_AAAA, MATCH_NODATA, ""},
    {"V50", "db-0.db.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.244.2.10"},
    {"V51", "db-0.db.prod.svc.cluster.local.", RR_AAAA, MATCH_NODATA, ""},
    {"V52", "db-2.db.prod.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V53", "db-7.db.prod.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V54", "DB-1.Db.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.244.2.11"},
    {"V55", "10-244-2-10.db.prod.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V56", "db.prod.svc.cluster.local.", RR_SRV, MATCH_EXACT,
     "* * 15432 db-0.db.prod.svc.cluster.local.|* * 15432 db-1.db.prod.svc.cluster.local."},
    {"V57", "_pg._tcp.db.prod.svc.cluster.local.", RR_SRV, MATCH_EXACT,
     "* * 15432 db-0.db.prod.svc.cluster.local.|* * 15432 db-1.db.prod.svc.cluster.local."},
    {"V58", "db-0.db.prod.svc.cluster.local.", RR_SRV, MATCH_EXACT,
     "* * 15432 db-0.db.prod.svc.cluster.local."},
    {"V59", "_pg._tcp.db-0.db.prod.svc.cluster.local.", RR_SRV, MATCH_NXDOMAIN, ""},
    {"V60", "db-peers.prod.svc.cluster.local.", RR_A, MATCH_EXACT,
     "10.244.2.10|10.244.2.11|10.244.2.12"},
    {"V61", "10-244-2-12.db-peers.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.244.2.12"},
    {"V62", "db-0.db-peers.prod.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V63", "ring.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.244.3.10|10.244.3.11"},
    {"V64", "ring.prod.svc.cluster.local.", RR_AAAA, MATCH_EXACT, "fd00:244:3::10|fd00:244:3::11"},
    {"V65", "ring-0.ring.prod.svc.cluster.local.", RR_AAAA, MATCH_EXACT, "fd00:244:3::10"},
    {"V66", "_gossip._tcp.ring.prod.svc.cluster.local.", RR_SRV, MATCH_EXACT,
     "* * 7946 ring-0.ring.prod.svc.cluster.local.|* * 7946 ring-1.ring.prod.svc.cluster.local."},
    {"V67", "_gossip-udp._udp.ring.prod.svc.cluster.local.", RR_SRV, MATCH_EXACT,
     "* * 7946 ring-0.ring.prod.svc.cluster.local.|* * 7946 ring-1.ring.prod.svc.cluster.local."},
    {"V68", "bare.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.244.4.10"},
    {"V69", "bare.prod.svc.cluster.local.", RR_SRV, MATCH_NODATA, ""},
    {"V70", "10-244-4-10.bare.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.244.4.10"},
    {"V71", "none.prod.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V72", "_http._tcp.none.prod.svc.cluster.local.", RR_SRV, MATCH_NXDOMAIN, ""},
    {"V73", "manual.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.244.5.10|10.244.5.11"},
    {"V74", "manual.prod.svc.cluster.local.", RR_AAAA, MATCH_EXACT, "fd00:5:1:1:1:1::"},
    {"V75", "m-a.manual.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.244.5.10"},
    {"V76", "m-gone.manual.prod.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V77", "fd00-5-1-1-1-1--0.manual.prod.svc.cluster.local.", RR_AAAA, MATCH_EXACT,
     "fd00:5:1:1:1:1::"},
    {"V78", "_amqp._tcp.manual.prod.svc.cluster.local.", RR_SRV, MATCH_EXACT,
     "* * 5672 m-a.manual.prod.svc.cluster.local.|* * 5672 "
     "10-244-5-11.manual.prod.svc.cluster.local.|* * 5672 "
     "fd00-5-1-1-1-1--0.manual.prod.svc.cluster.local."},
    {"V79", "twin.twins.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.244.6.1|10.244.6.2"},
    {"V80", "_http._tcp.twins.prod.svc.cluster.local.", RR_SRV, MATCH_EXACT,
     "* * 80 twin.twins.prod.svc.cluster.local."},
    {"V81", "stray.deleted.prod.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V82", "ext.prod.svc.cluster.local.", RR_CNAME, MATCH_EXACT, "www.example.com."},
    {"V83", "ext.prod.svc.cluster.local.", RR_A, MATCH_CNAME, "www.example.com."},
    {"V84", "ext.prod.svc.cluster.local.", RR_SRV, MATCH_CNAME, "www.example.com."},
    {"V85", "x.ext.prod.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V86", "_http._tcp.ext.prod.svc.cluster.local.", RR_SRV, MATCH_NXDOMAIN, ""},
    {"V87", "ext-in.prod.svc.cluster.local.", RR_A, MATCH_CNAME, "api.prod.svc.cluster.local."},
    {"V88", "ext-in.prod.svc.cluster.local.", RR_AAAA, MATCH_CNAME, "api.prod.svc.cluster.local."},
    {"V89", "ext-dead.prod.svc.cluster.local.", RR_A, MATCH_CNAME, "gone.prod.svc.cluster.local."},
    {"V90", "ext-ip.prod.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V91", "20.10.96.10.in-addr.arpa.", RR_PTR, MATCH_EXACT, "api.prod.svc.cluster.local."},
    {"V92", "0.3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa.", RR_PTR,
     MATCH_EXACT, "dual.prod.svc.cluster.local."},
    {"V93", "10.2.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT, "db-0.db.prod.svc.cluster.local."},
    {"V94", "12.2.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT,
     "10-244-2-12.db-peers.prod.svc.cluster.local."},
    {"V95", "10.1.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT,
     "10-244-1-10.api.prod.svc.cluster.local."},
    {"V96", "99.9.244.10.in-addr.arpa.", RR_PTR, MATCH_NXDOMAIN, ""},
    {"V97", "1.7.244.10.in-addr.arpa.", RR_PTR, MATCH_NXDOMAIN, ""},
    {"V98", "10.2.244.10.in-addr.arpa.", RR_A, MATCH_NODATA, ""},
    {"V99", "2.244.10.in-addr.arpa.", RR_PTR, MATCH_NODATA, ""},
    {"V100", "10-244-1-10.prod.pod.cluster.local.", RR_A, MATCH_EXACT, "10.244.1.10"},
    {"V101", "fd00-244-3--10.prod.pod.cluster.local.", RR_AAAA, MATCH_EXACT, "fd00:244:3::10"},
    {"V102", "10-244-1-10.empty.pod.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V103", "10-244-1-99.prod.pod.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V104", "x.10-244-1-10.prod.pod.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V105", "a.b.c.d.api.prod.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V106", "api.prod.svc.cluster.local.prod.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, ""},
    {"V107", "www.example.com.", RR_A, MATCH_OUTSIDE, ""},
};

static void check_vectors(const char *zone)
{
    struct fixture f;
    fixture_init(&f, zone, NULL);
    load_s0(&f);
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
        expect(&f, vectors[i].label, vectors[i].name, vectors[i].type, vectors[i].kind,
               vectors[i].records);
    fixture_fini(&f);
}

static void every_static_vector_holds(void **state)
{
    (void)state;
    check_vectors("cluster.local");
}

static void every_static_vector_holds_under_another_zone_name(void **state)
{
    (void)state;
    check_vectors("k8s.test");
    check_vectors("a");
}

static void unknown_types_are_nodata_at_existing_names(void **state)
{
    (void)state;
    /* V33, R-022 */
    static const uint16_t types[] = {64, 65, 257, 35, 29, 666, 65535, 43, 46, 48, 99};
    struct fixture f;
    fixture_init(&f, "cluster.local", NULL);
    load_s0(&f);
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        expect(&f, "V33", "api.prod.svc.cluster.local.", types[i], MATCH_NODATA, "");
        expect(&f, "V33", "nope.prod.svc.cluster.local.", types[i], MATCH_NXDOMAIN, "");
        expect(&f, "K-DS", "cluster.local.", types[i], MATCH_NODATA, "");
    }
    fixture_fini(&f);
}

static void any_gives_hinfo_the_cname_nodata_or_nxdomain(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "cluster.local", NULL);
    load_s0(&f);
    expect(&f, "K-ANY", "api.prod.svc.cluster.local.", RR_ANY, MATCH_ANY, "");
    expect(&f, "K-ANY", "ext.prod.svc.cluster.local.", RR_ANY, MATCH_EXACT, "www.example.com.");
    expect(&f, "K-ANY", "prod.svc.cluster.local.", RR_ANY, MATCH_NODATA, "");
    expect(&f, "K-ANY", "dns.cluster.local.", RR_ANY, MATCH_NODATA, "");
    expect(&f, "K-ANY", "nope.prod.svc.cluster.local.", RR_ANY, MATCH_NXDOMAIN, "");
    fixture_fini(&f);
}

static void names_that_only_resemble_ours_are_outside_or_missing(void **state)
{
    (void)state;
    static const struct {
        const char *label, *name;
        enum match_kind kind;
    } cases[] = {
        {"R-019", "xcluster.local.", MATCH_OUTSIDE},
        {"R-019", "x\\007cluster.local.", MATCH_OUTSIDE},
        {"R-019", "local.", MATCH_OUTSIDE},
        {"R-019", ".", MATCH_OUTSIDE},
        {"R-019", "arpa.", MATCH_OUTSIDE},
        {"R-019", "in-addr.arpa.", MATCH_OUTSIDE},
        {"R-019", "10.in-addr.arpa.", MATCH_OUTSIDE},
        {"R-019", "9.8.7.6.in-addr.arpa.", MATCH_OUTSIDE},
        {"R-018", "db\\0130.prod.svc.cluster.local.", MATCH_NXDOMAIN},
        {"R-018", "api\\000.prod.svc.cluster.local.", MATCH_NXDOMAIN},
        {"R-018", "\\001api.prod.svc.cluster.local.", MATCH_NXDOMAIN},
        {"P21", "api\\.prod.svc.cluster.local.", MATCH_NXDOMAIN},
        {"K-NOWILD", "any.prod.svc.cluster.local.", MATCH_NXDOMAIN},
        {"K-NOWILD", "*.svc.cluster.local.", MATCH_NXDOMAIN},
        {"K-EXACT", "x.svc.cluster.local.", MATCH_NXDOMAIN},
        {"K-EXACT", "x.kubernetes.default.svc.cluster.local.", MATCH_NXDOMAIN},
        {"K-EXACT", "_._tcp.api.prod.svc.cluster.local.", MATCH_NXDOMAIN},
        {"K-EXACT", "x.ns.dns.cluster.local.", MATCH_NXDOMAIN},
        {"K-EXACT", "x.10.2.244.10.in-addr.arpa.", MATCH_NXDOMAIN},
        {"C18", "fd00-244-3--10.prod.pod.cluster.local.", MATCH_NODATA},
    };
    struct fixture f;
    fixture_init(&f, "cluster.local", NULL);
    load_s0(&f);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        expect(&f, cases[i].label, cases[i].name, RR_A, cases[i].kind, "");
    fixture_fini(&f);
}

static void additional_addresses_are_those_of_the_targets(void **state)
{
    (void)state;
    /* V21, V24, V42, V66, V80: the target of each record leads to its addresses in the same version
     */
    static const struct {
        const char *label, *name;
        size_t targets, v4, v6;
    } cases[] = {
        {"V2", "cluster.local.", 1, 1, 1},
        {"V21", "_https._tcp.kubernetes.default.svc.cluster.local.", 1, 1, 0},
        {"V24", "api.prod.svc.cluster.local.", 1, 1, 0},
        {"V42", "_web._tcp.dual.prod.svc.cluster.local.", 1, 1, 1},
        {"V66", "_gossip._tcp.ring.prod.svc.cluster.local.", 2, 2, 2},
        {"V80", "_http._tcp.twins.prod.svc.cluster.local.", 1, 2, 0},
        {"V58", "db-0.db.prod.svc.cluster.local.", 1, 1, 0},
    };
    struct fixture f;
    fixture_init(&f, "cluster.local", NULL);
    load_s0(&f);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t name[NAME_MAX_WIRE];
        struct zone_match match;
        assert_true(name_parse(cases[i].name, name, NULL) > 0);
        zone_find(zones_current(f.zones), name, i == 0 ? RR_NS : RR_SRV, &match);
        assert_int_equal(match.kind, MATCH_EXACT);
        const struct zone_node *seen[8];
        size_t targets = 0;
        size_t count[2] = {0, 0};
        for (size_t k = 0; k < rrset_count(match.set); k++) {
            const struct zone_node *target = rrset_target(match.set, k, match.node);
            bool is_known = false;
            for (size_t n = 0; n < targets; n++)
                is_known = is_known || seen[n] == target;
            if (is_known)
                continue;
            seen[targets++] = target;
            const struct rrset *sets[2] = {zone_node_set(target, RR_A),
                                           zone_node_set(target, RR_AAAA)};
            for (int family = 0; family < 2; family++)
                count[family] += sets[family] ? rrset_count(sets[family]) : 0;
        }
        assert_int_equal(targets, cases[i].targets);
        assert_int_equal(count[0], cases[i].v4);
        assert_int_equal(count[1], cases[i].v6);
    }
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_static_vector_holds),
        cmocka_unit_test(every_static_vector_holds_under_another_zone_name),
        cmocka_unit_test(unknown_types_are_nodata_at_existing_names),
        cmocka_unit_test(any_gives_hinfo_the_cname_nodata_or_nxdomain),
        cmocka_unit_test(names_that_only_resemble_ours_are_outside_or_missing),
        cmocka_unit_test(additional_addresses_are_those_of_the_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
