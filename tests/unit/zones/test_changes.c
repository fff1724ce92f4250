/* The changes of state D1 to D29 of kubernetes-dns.md, as far as they concern names, reverse names
 * and serials; each begins from S0 and is played under two zone names. */
#include "fixture.h"

#define DB    "db.prod.svc.cluster.local."
#define PEERS "db-peers.prod.svc.cluster.local."

static void start(struct fixture *f, void **state)
{
    fixture_init(f, *state, NULL);
    load_s0(f);
}

/* D17: the change moves the serial of the forward zone. */
static void commit_change(struct fixture *f)
{
    uint32_t before = serial_of(f, "cluster.local.");
    assert_true(zone_txn_has_changes(fixture_begin(f)));
    fixture_commit(f);
    assert_true(serial_of(f, "cluster.local.") - before - 1 < 0x7fffffff);
}

static void d1_an_endpoint_that_becomes_ready_appears_everywhere(void **state)
{
    struct fixture f;
    start(&f, state);
    uint32_t other = serial_of(&f, "96.10.in-addr.arpa.");
    expect(&f, "D1", "12.2.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT, "10-244-2-12." PEERS);
    put_service(&f, "prod/db headless pg/TCP/5432 | pg/TCP/15432 10.244.2.10@db-0 10.244.2.11@db-1 "
                    "10.244.2.12@db-2");
    commit_change(&f);
    expect(&f, "D1", "db-2." DB, RR_A, MATCH_EXACT, "10.244.2.12");
    expect(&f, "D1", DB, RR_A, MATCH_EXACT, "10.244.2.10|10.244.2.11|10.244.2.12");
    expect(&f, "D1", "_pg._tcp." DB, RR_SRV, MATCH_EXACT,
           "* * 15432 db-0." DB "|* * 15432 db-1." DB "|* * 15432 db-2." DB);
    expect(&f, "D1", "12.2.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT, "db-2." DB);
    assert_int_equal(serial_of(&f, "96.10.in-addr.arpa."), other); /* D17 */
    fixture_fini(&f);
}

static void d2_an_address_that_changes_moves_its_names(void **state)
{
    struct fixture f;
    start(&f, state);
    put_service(&f, "prod/db headless pg/TCP/5432 | pg/TCP/15432 10.244.2.77@db-0 10.244.2.11@db-1 "
                    "!10.244.2.12@db-2");
    commit_change(&f);
    expect(&f, "D2", "db-0." DB, RR_A, MATCH_EXACT, "10.244.2.77");
    expect(&f, "D2", DB, RR_A, MATCH_EXACT, "10.244.2.77|10.244.2.11");
    expect(&f, "D2", "10.2.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT, "10-244-2-10." PEERS);
    expect(&f, "D2", "77.2.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT, "db-0." DB);
    fixture_fini(&f);
}

static void d3_an_address_given_to_another_pod_leaves_the_first(void **state)
{
    struct fixture f;
    start(&f, state);
    put_service(&f,
                "prod/db headless pg/TCP/5432 | pg/TCP/15432 10.244.2.10@db-1 !10.244.2.12@db-2");
    commit_change(&f);
    expect(&f, "D3", "db-0." DB, RR_A, MATCH_NXDOMAIN, "");
    expect(&f, "D3", "db-1." DB, RR_A, MATCH_EXACT, "10.244.2.10");
    expect(&f, "D3", DB, RR_A, MATCH_EXACT, "10.244.2.10");
    expect(&f, "D3", "10.2.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT, "db-1." DB);
    expect(&f, "D3", "11.2.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT, "10-244-2-11." PEERS);
    fixture_fini(&f);
}

static void d4_a_service_without_ready_endpoints_vanishes_and_returns(void **state)
{
    struct fixture f;
    start(&f, state);
    put_service(&f, "prod/db headless pg/TCP/5432 | pg/TCP/15432 !10.244.2.10@db-0 "
                    "!10.244.2.11@db-1 !10.244.2.12@db-2");
    commit_change(&f);
    static const char *const gone[] = {DB, "db-0." DB, "_pg._tcp." DB, "_tcp." DB};
    for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
        expect(&f, "D4", gone[i], RR_A, MATCH_NXDOMAIN, "");
    put_service(&f, "prod/db headless pg/TCP/5432 | pg/TCP/15432 10.244.2.10@db-0");
    commit_change(&f);
    expect(&f, "D4", DB, RR_A, MATCH_EXACT, "10.244.2.10");
    expect(&f, "D4", "_tcp." DB, RR_A, MATCH_NODATA, "");
    fixture_fini(&f);
}

static void d5_a_deleted_service_takes_every_name_with_it(void **state)
{
    struct fixture f;
    start(&f, state);
    zone_txn_del_service(fixture_begin(&f), "prod", "db");
    commit_change(&f);
    static const char *const gone[] = {DB, "db-0." DB, "db-1." DB, "_pg._tcp." DB, "_tcp." DB};
    for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
        expect(&f, "D5", gone[i], RR_SRV, MATCH_NXDOMAIN, "");
    expect(&f, "D5", "10.2.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT, "10-244-2-10." PEERS);
    zone_txn_del_service(fixture_begin(&f), "prod", "db"); /* again: nothing */
    assert_false(zone_txn_has_changes(f.txn));
    fixture_fini(&f);
}

static void d6_a_service_without_slices_is_nxdomain(void **state)
{
    struct fixture f;
    start(&f, state);
    put_service(&f, "prod/db headless pg/TCP/5432");
    commit_change(&f);
    expect(&f, "D6", DB, RR_A, MATCH_NXDOMAIN, "");
    fixture_fini(&f);
}

static void d7_publishing_not_ready_addresses_shows_them(void **state)
{
    struct fixture f;
    start(&f, state);
    put_service(
        &f,
        "prod/db headless not-ready pg/TCP/5432 | pg/TCP/15432 10.244.2.10@db-0 10.244.2.11@db-1"
        " !10.244.2.12@db-2");
    commit_change(&f);
    expect(&f, "D7", "db-2." DB, RR_A, MATCH_EXACT, "10.244.2.12");
    expect(&f, "D7", DB, RR_A, MATCH_EXACT, "10.244.2.10|10.244.2.11|10.244.2.12");
    fixture_fini(&f);
}

static void d8_scaling_down_removes_one_identity(void **state)
{
    struct fixture f;
    start(&f, state);
    put_service(&f, "prod/db headless pg/TCP/5432 | pg/TCP/15432 10.244.2.10@db-0");
    commit_change(&f);
    expect(&f, "D8", "db-1." DB, RR_A, MATCH_NXDOMAIN, "");
    expect(&f, "D8", DB, RR_A, MATCH_EXACT, "10.244.2.10");
    expect(&f, "D8", "_pg._tcp." DB, RR_SRV, MATCH_EXACT, "* * 15432 db-0." DB);
    fixture_fini(&f);
}

static void d9_d10_an_external_service_changes_its_nature(void **state)
{
    struct fixture f;
    start(&f, state);
    put_service(&f, "prod/ext external=bar.example.com");
    commit_change(&f);
    expect(&f, "D9", "ext.prod.svc.cluster.local.", RR_CNAME, MATCH_EXACT, "bar.example.com.");
    put_service(&f, "prod/ext 10.96.10.60 http/TCP/80");
    commit_change(&f);
    expect(&f, "D10", "ext.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.96.10.60");
    expect(&f, "D10", "_http._tcp.ext.prod.svc.cluster.local.", RR_SRV, MATCH_EXACT,
           "* * 80 ext.prod.svc.cluster.local.");
    expect(&f, "D10", "ext.prod.svc.cluster.local.", RR_CNAME, MATCH_NODATA, "");
    expect(&f, "D10", "60.10.96.10.in-addr.arpa.", RR_PTR, MATCH_EXACT,
           "ext.prod.svc.cluster.local.");
    put_service(&f, "prod/ext external=bar.example.com");
    commit_change(&f);
    expect(&f, "D10", "_http._tcp.ext.prod.svc.cluster.local.", RR_SRV, MATCH_NXDOMAIN, "");
    expect(&f, "D10", "60.10.96.10.in-addr.arpa.", RR_PTR, MATCH_NXDOMAIN, "");
    fixture_fini(&f);
}

static void d11_a_service_comes_back_headless(void **state)
{
    struct fixture f;
    start(&f, state);
    zone_txn_del_service(fixture_begin(&f), "prod", "api");
    put_service(
        &f, "prod/api headless http/TCP/80 | http/TCP/8080 grpc/TCP/9090 10.244.1.10 10.244.1.11");
    commit_change(&f);
    expect(&f, "D11", "api.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.244.1.10|10.244.1.11");
    expect(&f, "D11", "_http._tcp.api.prod.svc.cluster.local.", RR_SRV, MATCH_EXACT,
           "* * 8080 10-244-1-10.api.prod.svc.cluster.local.|* * 8080 "
           "10-244-1-11.api.prod.svc.cluster.local.");
    expect(&f, "D11", "20.10.96.10.in-addr.arpa.", RR_PTR, MATCH_NXDOMAIN, "");
    expect(&f, "D11", "10.1.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT,
           "10-244-1-10.api.prod.svc.cluster.local.");
    fixture_fini(&f);
}

static void k_ns_other_addresses(void **state)
{
    struct fixture f;
    start(&f, state);
    uint32_t other = serial_of(&f, "96.10.in-addr.arpa.");
    const struct naming_address both[] = {address_of("192.0.2.54"), address_of("2001:db8::54")};
    zone_txn_put_ns(fixture_begin(&f), both, 2);
    commit_change(&f);
    expect(&f, "K-NS", "ns.dns.cluster.local.", RR_A, MATCH_EXACT, "192.0.2.54");
    expect(&f, "K-NS", "ns.dns.cluster.local.", RR_AAAA, MATCH_EXACT, "2001:db8::54");
    static const char *const apexes[] = {"cluster.local.", "96.10.in-addr.arpa."};
    for (size_t i = 0; i < ARRAY_SIZE(apexes); i++)
        expect(&f, "K-NS", apexes[i], RR_NS, MATCH_EXACT, "ns.dns.cluster.local.");
    assert_int_equal(serial_of(&f, "96.10.in-addr.arpa."), other); /* nothing of it has changed */
    zone_txn_put_ns(fixture_begin(&f), both + 1, 1);
    commit_change(&f);
    expect(&f, "K-NS", "ns.dns.cluster.local.", RR_A, MATCH_NODATA, "");
    expect(&f, "K-NS", "ns.dns.cluster.local.", RR_AAAA, MATCH_EXACT, "2001:db8::54");
    const struct zone_version *version = zones_current(f.zones);
    for (size_t i = 0; i < version->apex_count; i++) {
        assert_non_null(zone_node_set(version->apexes[i].ns_node, RR_AAAA)); /* glue */
        assert_null(zone_node_set(version->apexes[i].ns_node, RR_A));
    }
    expect(&f, "K-NS", "db-0." DB, RR_A, MATCH_EXACT, "10.244.2.10");
    fixture_fini(&f);
}

static void d12_d13_namespaces_come_and_go(void **state)
{
    struct fixture f;
    start(&f, state);
    put_service(&f, "absent/s 10.96.1.1");
    assert_false(zone_txn_has_changes(f.txn)); /* K-NSX */
    zone_txn_put_namespace(fixture_begin(&f), "absent");
    commit_change(&f);
    expect(&f, "D12", "absent.svc.cluster.local.", RR_A, MATCH_NODATA, "");
    expect(&f, "D12", "s.absent.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, "");
    zone_txn_del_namespace(fixture_begin(&f), "empty");
    commit_change(&f);
    expect(&f, "D13", "empty.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, "");
    expect(&f, "D13", "empty.pod.cluster.local.", RR_A, MATCH_NXDOMAIN, "");
    zone_txn_del_namespace(fixture_begin(&f), "prod"); /* with all that is in it */
    commit_change(&f);
    static const char *const gone[] = {"prod.svc.cluster.local.",
                                       "api.prod.svc.cluster.local.",
                                       "db-0." DB,
                                       "prod.pod.cluster.local.",
                                       "20.10.96.10.in-addr.arpa.",
                                       "10.2.244.10.in-addr.arpa.",
                                       "10-244-1-10.prod.pod.cluster.local.",
                                       "_pg._tcp." DB};
    for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
        expect(&f, "D13", gone[i], RR_A, MATCH_NXDOMAIN, "");
    struct zones_stats stats;
    zones_stats(f.zones, &stats);
    assert_int_equal(stats.services, 2);
    zone_txn_put_namespace(fixture_begin(&f), "prod"); /* nothing is remembered */
    commit_change(&f);
    expect(&f, "D13", "api.prod.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, "");
    expect(&f, "D13", "10-244-1-10.prod.pod.cluster.local.", RR_A, MATCH_NXDOMAIN, "");
    fixture_fini(&f);
}

static void d14_an_endpoint_moves_between_slices_unseen(void **state)
{
    static const char *const writes[] = {
        "prod/manual headless amqp/TCP/5672 | amqp/TCP/5672 10.244.5.11 | amqp/TCP/5672 "
        "10.244.5.10@m-a",
        "prod/manual headless amqp/TCP/5672 | amqp/TCP/5672 10.244.5.10@m-a 10.244.5.11 | "
        "amqp/TCP/5672 10.244.5.10@m-a",
        "prod/manual headless amqp/TCP/5672 | amqp/TCP/5672 10.244.5.10@m-a 10.244.5.11",
    };
    struct fixture f;
    start(&f, state);
    for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
        put_service(&f, writes[i]);
        fixture_commit(&f);
        expect(&f, "D14", "m-a.manual.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.244.5.10");
        expect(&f, "D14", "manual.prod.svc.cluster.local.", RR_A, MATCH_EXACT,
               "10.244.5.10|10.244.5.11");
    }
    fixture_fini(&f);
}

static void d15_d16_port_names_change(void **state)
{
    struct fixture f;
    start(&f, state);
    put_service(
        &f,
        "prod/db headless postgres/TCP/5432 | postgres/TCP/15432 10.244.2.10@db-0 10.244.2.11@db-1"
        " !10.244.2.12@db-2");
    commit_change(&f);
    expect(&f, "D15", "_pg._tcp." DB, RR_SRV, MATCH_NXDOMAIN, "");
    expect(&f, "D15", "_postgres._tcp." DB, RR_SRV, MATCH_EXACT,
           "* * 15432 db-0." DB "|* * 15432 db-1." DB);
    put_service(&f, "prod/dual 10.96.10.30 fd00:96::30 q/UDP/5353");
    commit_change(&f);
    expect(&f, "D16", "_tcp.dual.prod.svc.cluster.local.", RR_SRV, MATCH_NXDOMAIN, "");
    expect(&f, "D16", "_udp.dual.prod.svc.cluster.local.", RR_SRV, MATCH_NODATA, "");
    expect(&f, "D16", "_q._udp.dual.prod.svc.cluster.local.", RR_SRV, MATCH_EXACT,
           "* * 5353 dual.prod.svc.cluster.local.");
    fixture_fini(&f);
}

static void d18_what_changes_nothing_visible_moves_no_serial(void **state)
{
    struct fixture f;
    start(&f, state);
    for (size_t i = 0; i < ARRAY_SIZE(s0_services); i++)
        put_service(&f, s0_services[i]);
    put_pod(&f, "prod", "api-x", "10.244.1.10");
    zone_txn_put_namespace(f.txn, "prod");
    /* other order, other slices, the same records */
    put_service(&f, "prod/db headless pg/TCP/5432 | pg/TCP/15432 10.244.2.11@db-1 | pg/TCP/15432 "
                    "10.244.2.10@DB-0"
                    " 10.244.2.10@db-0 !10.244.2.12@db-2");
    /* there and back */
    zone_txn_del_service(f.txn, "prod", "ring");
    put_service(&f, s0_services[9]);
    assert_false(zone_txn_has_changes(f.txn));
    uint32_t before[3] = {serial_of(&f, "cluster.local."), serial_of(&f, "244.10.in-addr.arpa."),
                          serial_of(&f, "0.0.d.f.ip6.arpa.")};
    fixture_commit(&f);
    assert_int_equal(serial_of(&f, "cluster.local."), before[0]);
    assert_int_equal(serial_of(&f, "244.10.in-addr.arpa."), before[1]);
    assert_int_equal(serial_of(&f, "0.0.d.f.ip6.arpa."), before[2]);
    assert_int_equal(zones_current(f.zones)->revision, f.revision); /* K-FRESH all the same */
    expect(&f, "D18", "_gossip._tcp.ring.prod.svc.cluster.local.", RR_SRV, MATCH_EXACT,
           "* * 7946 ring-0.ring.prod.svc.cluster.local.|* * 7946 "
           "ring-1.ring.prod.svc.cluster.local.");
    fixture_fini(&f);
}

static void d19_no_two_states_share_a_serial(void **state)
{
    struct fixture f;
    start(&f, state);
    uint32_t last = serial_of(&f, "cluster.local.");
    for (int i = 0; i < 1000; i++) {
        put_service(&f, i % 2 ? "prod/idle 10.96.10.50 http/TCP/80"
                              : "prod/idle 10.96.10.51 http/TCP/80");
        f.revision -= i % 3 == 0; /* a source whose revision stands still */
        commit_change(&f);
        assert_int_not_equal(serial_of(&f, "cluster.local."), last);
        last = serial_of(&f, "cluster.local.");
        struct zone_match match;
        uint8_t name[NAME_MAX_WIRE];
        assert_true(name_parse(f.zone, name, NULL) > 0);
        zone_find(zones_current(f.zones), name, RR_SOA, &match);
        assert_int_equal(match.apex->serial, last);
        char *soa[1];
        read_back(match.node, match.set, 0, soa, 1);
        char serial[16];
        snprintf(serial, sizeof serial, " %u ", last);
        assert_non_null(strstr(soa[0], serial));
        free(soa[0]);
    }
    fixture_fini(&f);
}

static void d22_pod_records_last_as_long_as_a_pod_has_the_address(void **state)
{
    struct fixture f;
    start(&f, state);
    const char *name = "10-244-1-10.prod.pod.cluster.local.";
    put_pod(&f, "prod", "other",
            "10.244.1.10,10.244.1.10"); /* host network: the same address twice */
    fixture_commit(&f);
    zone_txn_del_pod(fixture_begin(&f), "prod", "api-x");
    fixture_commit(&f);
    expect(&f, "D22", name, RR_A, MATCH_EXACT, "10.244.1.10");
    expect(&f, "D22", name, RR_AAAA, MATCH_NODATA, "");
    put_pod(&f, "prod", "other", "10.244.1.12");
    commit_change(&f);
    expect(&f, "D22", name, RR_A, MATCH_NXDOMAIN, "");
    expect(&f, "D22", "10-244-1-12.prod.pod.cluster.local.", RR_A, MATCH_EXACT, "10.244.1.12");
    put_pod(&f, "prod", "other", "");
    zone_txn_del_pod(f.txn, "prod", "other");
    commit_change(&f);
    expect(&f, "D22", "10-244-1-12.prod.pod.cluster.local.", RR_A, MATCH_NXDOMAIN, "");
    put_pod(&f, "absent", "p", "10.244.1.13");
    assert_false(zone_txn_has_changes(f.txn));
    fixture_fini(&f);
}

/* S0 under one changed option. */
static void start_with(struct fixture *f, void **state, void (*change)(struct zones_opts *))
{
    struct zones_opts opts = {.ttl_s = 5,
                              .negative_ttl_s = 5,
                              .pods = PODS_VERIFIED,
                              .reverse = fixture_reverse,
                              .reverse_count = ARRAY_SIZE(fixture_reverse)};
    change(&opts);
    fixture_init(f, *state, &opts);
    load_s0(f);
}

static void with_pod_names(struct zones_opts *opts)
{
    opts->endpoint_names = ENDPOINT_NAMES_POD;
}

static void d23_endpoints_take_the_names_of_their_pods(void **state)
{
    struct fixture f;
    start_with(&f, state, with_pod_names);
    expect(&f, "D23", "db-0." PEERS, RR_A, MATCH_EXACT, "10.244.2.10");
    expect(&f, "D23", "10-244-2-10." PEERS, RR_A, MATCH_NXDOMAIN, "");
    char line[400];
    char name[65];
    memset(name, 'x', 64);
    name[64] = 0;
    snprintf(line, sizeof line, "prod/db-peers headless | 10.244.2.10~%s 10.244.2.11~with.dots",
             name);
    put_service(&f, line);
    commit_change(&f);
    expect(&f, "D23", "10-244-2-10." PEERS, RR_A, MATCH_EXACT, "10.244.2.10");
    expect(&f, "D23", "10-244-2-11." PEERS, RR_A, MATCH_EXACT, "10.244.2.11");
    name[63] = 0;
    snprintf(line, sizeof line, "prod/db-peers headless | 10.244.2.10~%s", name);
    put_service(&f, line);
    commit_change(&f);
    expect(&f, "D23", "10-244-2-10." PEERS, RR_A, MATCH_NXDOMAIN, "");
    fixture_fini(&f);
}

static void ignoring_empty(struct zones_opts *opts)
{
    opts->ignore_empty_service = true;
}

static void d24_empty_services_are_ignored_when_asked(void **state)
{
    struct fixture f;
    start_with(&f, state, ignoring_empty);
    expect(&f, "D24", "idle.prod.svc.cluster.local.", RR_A, MATCH_NXDOMAIN, "");
    expect(&f, "D24", "_http._tcp.idle.prod.svc.cluster.local.", RR_SRV, MATCH_NXDOMAIN, "");
    expect(&f, "D24", "50.10.96.10.in-addr.arpa.", RR_PTR, MATCH_NXDOMAIN, "");
    expect(&f, "D24", "api.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.96.10.20");
    expect(&f, "D24", "ext.prod.svc.cluster.local.", RR_CNAME, MATCH_EXACT, "www.example.com.");
    put_service(&f, "prod/idle 10.96.10.50 http/TCP/80 | 10.244.1.40");
    commit_change(&f);
    expect(&f, "D24", "idle.prod.svc.cluster.local.", RR_A, MATCH_EXACT, "10.96.10.50");
    fixture_fini(&f);
}

static void with_insecure_pods(struct zones_opts *opts)
{
    opts->pods = PODS_INSECURE;
}

static void d25_insecure_pod_names_are_made_up(void **state)
{
    static const struct {
        const char *name;
        uint16_t type;
        enum match_kind kind;
    } cases[] = {
        {"1-2-3-4.prod.pod.cluster.local.", RR_A, MATCH_SYNTH},
        {"1-2-3-4.prod.pod.cluster.local.", RR_AAAA, MATCH_NODATA},
        {"1-2-3-4.prod.pod.cluster.local.", RR_TXT, MATCH_NODATA},
        {"1-2-3-4.prod.pod.cluster.local.", RR_ANY, MATCH_ANY},
        {"1-2-3-4.Prod.POD.cluster.local.", RR_A, MATCH_SYNTH},
        {"1-2-3-4.absent.pod.cluster.local.", RR_A, MATCH_NXDOMAIN},
        {"blah.prod.pod.cluster.local.", RR_A, MATCH_NXDOMAIN},
        {"blah.prod.pod.cluster.local.", RR_AAAA, MATCH_NXDOMAIN},
        {"blah.prod.pod.cluster.local.", RR_HINFO, MATCH_NXDOMAIN},
        {"2001-db8--1.prod.pod.cluster.local.", RR_AAAA, MATCH_SYNTH},
        {"2001-DB8-0-0-0-0-0-1.prod.pod.cluster.local.", RR_AAAA, MATCH_SYNTH},
        {"2001-db8--1.prod.pod.cluster.local.", RR_A, MATCH_NODATA},
        {"x.1-2-3-4.prod.pod.cluster.local.", RR_A, MATCH_NXDOMAIN},
        {"1-2-3-4.prod.svc.cluster.local.", RR_A, MATCH_NXDOMAIN},
        {"1-2-3-4.pod.cluster.local.", RR_A, MATCH_NXDOMAIN},
        {"1-2-3-4.cluster.local.", RR_A, MATCH_NXDOMAIN},
        {"1-2-3-4.example.com.", RR_A, MATCH_OUTSIDE},
        {"prod.pod.cluster.local.", RR_A, MATCH_NODATA},
    };
    struct fixture f;
    start_with(&f, state, with_insecure_pods);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        expect(&f, "D25", cases[i].name, cases[i].type, cases[i].kind, "");
    uint8_t name[NAME_MAX_WIRE];
    char *text = in_zone(&f, "1-2-3-4.prod.pod.cluster.local");
    struct zone_match match;
    assert_true(name_parse(text, name, NULL) > 0);
    free(text);
    zone_find(zones_current(f.zones), name, RR_A, &match);
    assert_int_equal(match.synth_len, 4);
    assert_memory_equal(match.synth, ((uint8_t[]){1, 2, 3, 4}), 4);
    fixture_fini(&f);
}

static void without_pods(struct zones_opts *opts)
{
    opts->pods = PODS_DISABLED;
}

static void d26_disabled_pods_have_no_names(void **state)
{
    struct fixture f;
    start_with(&f, state, without_pods);
    expect(&f, "D26", "10-244-1-10.prod.pod.cluster.local.", RR_A, MATCH_NXDOMAIN, "");
    expect(&f, "D26", "prod.pod.cluster.local.", RR_A, MATCH_NXDOMAIN, "");
    expect(&f, "D26", "pod.cluster.local.", RR_A, MATCH_NODATA, "");
    zone_txn_del_namespace(fixture_begin(&f), "prod");
    commit_change(&f);
    fixture_fini(&f);
}

static void with_all_ptrs(struct zones_opts *opts)
{
    opts->ptr = PTR_ALL;
}

static void d27_policy_all_shows_every_endpoint(void **state)
{
    struct fixture f;
    start_with(&f, state, with_all_ptrs);
    expect(&f, "D27", "10.2.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT,
           "db-0." DB "|10-244-2-10." PEERS);
    put_service(&f, "prod/odd 10.244.2.10"); /* a ClusterIP hides endpoints under every policy */
    commit_change(&f);
    expect(&f, "K-REV", "10.2.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT,
           "odd.prod.svc.cluster.local.");
    fixture_fini(&f);
}

static void d28_equal_hostnames_of_two_services_both_show(void **state)
{
    struct fixture f;
    start(&f, state);
    put_service(&f, "prod/one headless | 10.244.8.8@n");
    put_service(&f, "prod/two headless | 10.244.8.8@n");
    put_service(&f, "prod/three headless | 10.244.8.8");
    commit_change(&f);
    expect(&f, "D28", "8.8.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT,
           "n.one.prod.svc.cluster.local.|n.two.prod.svc.cluster.local.");
    zone_txn_del_service(fixture_begin(&f), "prod", "one");
    zone_txn_del_service(fixture_begin(&f), "prod", "two");
    commit_change(&f);
    expect(&f, "D28", "8.8.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT,
           "10-244-8-8.three.prod.svc.cluster.local.");
    fixture_fini(&f);
}

static void falling_through(struct zones_opts *opts)
{
    opts->reverse_fallthrough = true;
}

static void k_rev_unknown_reverse_names_fall_through_when_asked(void **state)
{
    struct fixture f;
    start_with(&f, state, falling_through);
    expect(&f, "K-REV", "10.2.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT, "db-0." DB);
    expect(&f, "K-REV", "10.2.244.10.in-addr.arpa.", RR_A, MATCH_NODATA, "");
    expect(&f, "K-REV", "99.9.244.10.in-addr.arpa.", RR_PTR, MATCH_OUTSIDE, "");
    expect(&f, "K-REV", "2.244.10.in-addr.arpa.", RR_PTR, MATCH_OUTSIDE, "");
    expect(&f, "K-REV", "244.10.in-addr.arpa.", RR_SOA, MATCH_OUTSIDE, "");
    expect(&f, "K-REV", "nope.cluster.local.", RR_A, MATCH_NXDOMAIN, "");
    fixture_fini(&f);
}

static void d29_before_the_first_load_the_version_says_so(void **state)
{
    struct fixture f;
    fixture_init(&f, *state, NULL);
    assert_int_equal(zones_current(f.zones)->loaded_us, 0);
    expect(&f, "D29", "cluster.local.", RR_NS, MATCH_EXACT, "ns.dns.cluster.local.");
    struct zone_txn *txn = fixture_begin(&f);
    assert_false(zone_txn_has_changes(txn));
    zone_txn_loaded(txn, 77);
    assert_true(zone_txn_has_changes(txn));
    zone_txn_publish(TAKE(f.txn), 9);
    assert_int_equal(zones_current(f.zones)->loaded_us, 77);
    assert_int_equal(serial_of(&f, "cluster.local."), 9);
    zone_txn_loaded(fixture_begin(&f), 99);
    assert_false(zone_txn_has_changes(f.txn));
    fixture_fini(&f);
}

static void k_serial_survives_a_restart_when_the_content_is_the_same(void **state)
{
    struct fixture f;
    start(&f, state);
    put_service(&f, "prod/idle 10.96.10.51 http/TCP/80");
    fixture_commit(&f); /* moves the forward zone and 96.10.in-addr.arpa */
    struct fixture again;
    fixture_init(&again, *state, NULL);
    zones_serial_restore(again.zones, "no.such.zone.", 1, 2);
    for (size_t i = 0; i < zones_serial_count(f.zones); i++) {
        char name[NAME_TEXT_MAX];
        uint32_t serial;
        zones_serial_get(f.zones, i, name, &serial);
        uint64_t is_stale =
            strstr(name, "ip6") ? 1 : 0; /* as if its content had changed while we were away */
        zones_serial_restore(again.zones, name, serial, zones_serial_digest(f.zones, i) + is_stale);
    }
    again.revision = 500;
    again.txn = NULL;
    put_service(&again, "prod/api 10.96.10.20"); /* before its namespace: nothing */
    load_s0(&again);
    assert_int_equal(serial_of(&again, "0.0.d.f.ip6.arpa."), 501);
    assert_int_equal(serial_of(&again, "244.10.in-addr.arpa."),
                     serial_of(&f, "244.10.in-addr.arpa."));
    assert_int_equal(serial_of(&again, "cluster.local."), 501); /* S0 is not what f has */
    fixture_fini(&again);
    fixture_fini(&f);
}

static void k_serial_never_goes_back(void **state)
{
    struct fixture f;
    fixture_init(&f, *state, NULL);
    char *zone = in_zone(&f, "cluster.local.");
    zones_serial_restore(f.zones, zone, 1000, 1);
    free(zone);
    f.revision = 999;
    fixture_commit(&f); /* at revision 1000, with other content than at serial 1000 */
    assert_int_equal(serial_of(&f, "cluster.local."), 1001);
    fixture_fini(&f);
}

static void an_aborted_transaction_leaves_no_trace(void **state)
{
    struct fixture f;
    start(&f, state);
    struct zones_stats before;
    zones_stats(f.zones, &before);
    put_service(&f, "prod/db headless pg/TCP/5432 | pg/TCP/15432 10.244.2.99@db-9");
    put_service(&f, "prod/new 10.96.3.3 a/TCP/1 | 10.244.3.3@Bad_");
    put_pod(&f, "prod", "api-x", "10.244.1.77");
    put_pod(&f, "prod", "more", "10.244.1.10");
    zone_txn_del_namespace(f.txn, "empty");
    zone_txn_del_service(f.txn, "prod", "ring");
    zone_txn_free(TAKE(f.txn));
    struct zones_stats after;
    zones_stats(f.zones, &after);
    assert_memory_equal(&before, &after, sizeof before);
    fixture_begin(&f);
    assert_false(zone_txn_has_changes(f.txn));
    for (size_t i = 0; i < ARRAY_SIZE(s0_services); i++)
        put_service(&f, s0_services[i]);
    assert_false(zone_txn_has_changes(f.txn));
    zone_txn_del_pod(f.txn, "prod", "api-x");
    fixture_commit(&f);
    expect(&f, "abort", "10-244-1-10.prod.pod.cluster.local.", RR_A, MATCH_NXDOMAIN, "");
    expect(&f, "abort", "empty.svc.cluster.local.", RR_A, MATCH_NODATA, "");
    fixture_fini(&f);
}

int main(void)
{
#define BOTH(test)                                                                                 \
    {#test, test, NULL, NULL, first},                                                              \
    {                                                                                              \
#test "_k8s_test", test, NULL, NULL, second                                                \
    }
    static char first[] = "cluster.local";
    static char second[] = "k8s.test";
    const struct CMUnitTest tests[] = {
        BOTH(d1_an_endpoint_that_becomes_ready_appears_everywhere),
        BOTH(d2_an_address_that_changes_moves_its_names),
        BOTH(d3_an_address_given_to_another_pod_leaves_the_first),
        BOTH(d4_a_service_without_ready_endpoints_vanishes_and_returns),
        BOTH(d5_a_deleted_service_takes_every_name_with_it),
        BOTH(d6_a_service_without_slices_is_nxdomain),
        BOTH(d7_publishing_not_ready_addresses_shows_them),
        BOTH(d8_scaling_down_removes_one_identity),
        BOTH(d9_d10_an_external_service_changes_its_nature),
        BOTH(d11_a_service_comes_back_headless),
        BOTH(k_ns_other_addresses),
        BOTH(d12_d13_namespaces_come_and_go),
        BOTH(d14_an_endpoint_moves_between_slices_unseen),
        BOTH(d15_d16_port_names_change),
        BOTH(d18_what_changes_nothing_visible_moves_no_serial),
        BOTH(d19_no_two_states_share_a_serial),
        BOTH(d22_pod_records_last_as_long_as_a_pod_has_the_address),
        BOTH(d23_endpoints_take_the_names_of_their_pods),
        BOTH(d24_empty_services_are_ignored_when_asked),
        BOTH(d25_insecure_pod_names_are_made_up),
        BOTH(d26_disabled_pods_have_no_names),
        BOTH(d27_policy_all_shows_every_endpoint),
        BOTH(d28_equal_hostnames_of_two_services_both_show),
        BOTH(k_rev_unknown_reverse_names_fall_through_when_asked),
        BOTH(d29_before_the_first_load_the_version_says_so),
        BOTH(k_serial_survives_a_restart_when_the_content_is_the_same),
        BOTH(k_serial_never_goes_back),
        BOTH(an_aborted_transaction_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
