/* The rules of kubernetes-dns.md sections 1 to 3 one by one, where the vectors of section 11 do not
 * reach. */
#include "fixture.h"

struct look {
    const char *name;
    uint16_t type;
    enum match_kind kind;
    const char *records;
};

/* One namespace "n", these Services, then the lookups. */
static void check(const char *rule, const struct zones_opts *opts, const char *const *services,
                  const struct look *looks, size_t count)
{
    struct fixture f;
    fixture_init(&f, "cluster.local", opts);
    zone_txn_put_namespace(fixture_begin(&f), "n");
    for (size_t i = 0; services[i]; i++)
        put_service(&f, services[i]);
    fixture_commit(&f);
    for (size_t i = 0; i < count; i++)
        expect(&f, rule, looks[i].name, looks[i].type, looks[i].kind, looks[i].records);
    fixture_fini(&f);
}

#define CHECK_LOOKS(rule, services, looks) check(rule, NULL, services, looks, ARRAY_SIZE(looks))
#define Z                                  ".n.svc.cluster.local."

static void k_host_a_hostname_that_is_no_label_gives_the_dashed_name(void **state)
{
    (void)state;
    char line[300];
    char longest[64];
    memset(longest, 'h', 63);
    longest[63] = 0;
    snprintf(
        line, sizeof line,
        "n/s headless | 10.244.0.1@%sh 10.244.0.2@%s 10.244.0.3@a.b 10.244.0.4@-a 10.244.0.5@a-"
        " 10.244.0.6@_tcp 10.244.0.7@UPPER",
        longest, longest);
    const char *const services[] = {line, NULL};
    char name[120];
    snprintf(name, sizeof name, "%s.s" Z, longest);
    const struct look looks[] = {
        {"10-244-0-1.s" Z, RR_A, MATCH_EXACT, "10.244.0.1"},
        {name, RR_A, MATCH_EXACT, "10.244.0.2"},
        {"10-244-0-3.s" Z, RR_A, MATCH_EXACT, "10.244.0.3"},
        {"10-244-0-4.s" Z, RR_A, MATCH_EXACT, "10.244.0.4"},
        {"10-244-0-5.s" Z, RR_A, MATCH_EXACT, "10.244.0.5"},
        {"10-244-0-6.s" Z, RR_A, MATCH_EXACT, "10.244.0.6"},
        {"upper.s" Z, RR_A, MATCH_EXACT, "10.244.0.7"},
        {"b.s" Z, RR_A, MATCH_NXDOMAIN, ""},
        {"_tcp.s" Z, RR_A, MATCH_NXDOMAIN, ""},
        {"7.0.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT, "upper.s" Z},
        {"s" Z, RR_SRV, MATCH_NODATA, ""},
    };
    CHECK_LOOKS("K-HOST", services, looks);
}

static void k_names_ignored_hostnames_are_counted_while_they_are_there(void **state)
{
    (void)state;
    struct fixture f;
    struct zones_stats stats;
    fixture_init(&f, "cluster.local", NULL);
    zone_txn_put_namespace(fixture_begin(&f), "n");
    put_service(&f, "n/s headless | 10.244.0.1@Bad_ 10.244.0.2@fine !10.244.0.3@a.b");
    put_service(&f, "n/s headless | 10.244.0.1@Bad_ 10.244.0.2@fine !10.244.0.3@a.b");
    fixture_commit(&f);
    zones_stats(f.zones, &stats);
    assert_int_equal(stats.ignored_hostnames, 2);
    assert_int_equal(stats.services, 1);
    zone_txn_del_service(fixture_begin(&f), "n", "s");
    fixture_commit(&f);
    zones_stats(f.zones, &stats);
    assert_int_equal(stats.ignored_hostnames, 0);
    assert_int_equal(stats.services, 0);
    fixture_fini(&f);
}

static void k_names_too_long_names_leave_the_rest_of_the_set_alone(void **state)
{
    (void)state;
    /* a zone of 189 octets, and "svc", namespace and Service on top of it: 200 octets. Hosts have
     * room for 55 more, ports with _tcp for 48; a hostname of 48 has no room for _epoch before it
     */
    char zone[190];
    memset(zone, 'z', sizeof zone);
    zone[62] = zone[125] = '.';
    zone[187] = 0;
    struct fixture f;
    fixture_init(&f, zone, NULL);
    zone_txn_put_namespace(fixture_begin(&f), "n");
    char base[300];
    snprintf(base, sizeof base, "ssss.n.svc.%s.", zone);
    uint8_t wire[NAME_MAX_WIRE];
    assert_int_equal(name_parse(base, wire, NULL), 189 + 4 + 2 + 5);
    char host[55];
    char line[400];
    memset(host, 'h', sizeof host);
    host[54] = 0; /* 200 + 55 = 255 */
    snprintf(line, sizeof line,
             "n/ssss headless | %.48s/TCP/80 %.49s/TCP/81 10.244.0.1@%s 10.244.0.2@%sx "
             "10.244.0.3@%.47s#7 10.244.0.4@%.48s#8",
             host, host, host, host, host, host);
    put_service(&f, line);
    fixture_commit(&f);
    struct zones_stats stats;
    zones_stats(f.zones, &stats);
    assert_int_equal(stats.too_long_names, 3); /* a host, a port, an epoch */
    expect(&f, "K-NAMES", base, RR_A, MATCH_EXACT, "10.244.0.1|10.244.0.2|10.244.0.3|10.244.0.4");
    char name[400];
    snprintf(name, sizeof name, "%s.%s", host, base);
    expect(&f, "K-NAMES", name, RR_A, MATCH_EXACT, "10.244.0.1");
    expect(&f, "K-NAMES", "1.0.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT, name);
    expect(&f, "K-NAMES", "2.0.244.10.in-addr.arpa.", RR_PTR, MATCH_NXDOMAIN, "");
    char want[2000];
    snprintf(want, sizeof want, "* * 80 %s|* * 80 %.47s.%s|* * 80 %.48s.%s", name, host, base, host,
             base);
    char owner[400];
    snprintf(owner, sizeof owner, "_%.48s._tcp.%s", host, base);
    expect(&f, "K-NAMES", owner, RR_SRV, MATCH_EXACT, want);
    snprintf(name, sizeof name, "_epoch.%.47s.%s", host, base);
    expect(&f, "K-NAMES", name, RR_TXT, MATCH_EXACT, "\"epoch=7\"");
    zone_txn_del_service(fixture_begin(&f), "n", "ssss");
    fixture_commit(&f);
    zones_stats(f.zones, &stats);
    assert_int_equal(stats.too_long_names, 0);
    fixture_fini(&f);
}

static void k_names_labels_no_api_object_can_have_are_ignored(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "cluster.local", NULL);
    zone_txn_put_namespace(fixture_begin(&f), "n");
    zone_txn_put_namespace(f.txn, "bad.ns");
    zone_txn_put_namespace(f.txn, "");
    fixture_commit(&f);
    struct naming_service service = {.ns = "n", .name = "a.b", .type = NAMING_CLUSTER_IP};
    zone_txn_put_service(fixture_begin(&f), &service);
    service.name = "";
    zone_txn_put_service(f.txn, &service);
    zone_txn_del_service(f.txn, "n", "");
    zone_txn_del_namespace(f.txn, "bad.ns");
    assert_false(zone_txn_has_changes(f.txn));
    fixture_fini(&f);
}

static void k_ready_slices_are_merged_and_duplicates_collapse(void **state)
{
    (void)state;
    static const char *const services[] = {
        "n/s headless | a/TCP/1 10.244.0.1@h 10.244.0.1@h | a/TCP/2 b/UDP/1 10.244.0.1@h "
        "::ffff:10.244.0.2@h | 10.244.0.3@p",
        NULL};
    const struct look looks[] = {
        {"s" Z, RR_A, MATCH_EXACT, "10.244.0.1|10.244.0.2|10.244.0.3"},
        {"h.s" Z, RR_A, MATCH_EXACT, "10.244.0.1|10.244.0.2"},
        {"p.s" Z, RR_SRV, MATCH_NODATA, ""},
        {"_a._tcp.s" Z, RR_SRV, MATCH_EXACT, "* * 1 h.s" Z "|* * 2 h.s" Z},
        {"_b._udp.s" Z, RR_SRV, MATCH_EXACT, "* * 1 h.s" Z},
        {"s" Z, RR_SRV, MATCH_EXACT, "* * 1 h.s" Z "|* * 2 h.s" Z},
        {"h.s" Z, RR_SRV, MATCH_EXACT, "* * 1 h.s" Z "|* * 2 h.s" Z},
    };
    CHECK_LOOKS("K-READY", services, looks);
}

static void k_ident_identities_stay_while_sets_hold_the_ready(void **state)
{
    (void)state;
    static const char *const services[] = {
        "n/s headless identity | p/TCP/1 10.244.0.1@a !10.244.0.2@b !10.244.0.3",
        "n/none headless identity | p/TCP/1 !10.244.0.5@a",
        "n/cip 10.96.0.9 identity | p/TCP/1 !10.244.0.6@a",
        "n/mixed headless identity | p/TCP/1 10.244.0.7@a | q/TCP/2 !10.244.0.8@a", NULL};
    const struct look looks[] = {
        {"s" Z, RR_A, MATCH_EXACT, "10.244.0.1"},
        {"s" Z, RR_SRV, MATCH_EXACT, "* * 1 a.s" Z},
        {"_p._tcp.s" Z, RR_SRV, MATCH_EXACT, "* * 1 a.s" Z},
        {"b.s" Z, RR_A, MATCH_EXACT, "10.244.0.2"},
        {"b.s" Z, RR_SRV, MATCH_EXACT, "* * 1 b.s" Z},
        {"2.0.244.10.in-addr.arpa.", RR_PTR, MATCH_EXACT, "b.s" Z},
        {"10-244-0-3.s" Z, RR_A, MATCH_NXDOMAIN, ""},
        {"none" Z, RR_A, MATCH_NODATA, ""},
        {"none" Z, RR_SRV, MATCH_NODATA, ""},
        {"a.none" Z, RR_A, MATCH_EXACT, "10.244.0.5"},
        {"_p._tcp.none" Z, RR_SRV, MATCH_NXDOMAIN, ""},
        {"a.cip" Z, RR_A, MATCH_EXACT, "10.244.0.6"},
        {"mixed" Z, RR_A, MATCH_EXACT, "10.244.0.7"},
        {"a.mixed" Z, RR_A, MATCH_EXACT, "10.244.0.7|10.244.0.8"},
        {"a.mixed" Z, RR_SRV, MATCH_EXACT, "* * 1 a.mixed" Z "|* * 2 a.mixed" Z},
        {"mixed" Z, RR_SRV, MATCH_EXACT, "* * 1 a.mixed" Z},
        {"_q._tcp.mixed" Z, RR_SRV, MATCH_NXDOMAIN, ""},
    };
    CHECK_LOOKS("K-IDENT", services, looks);
}

static void k_epoch_stands_beside_names_by_hostname(void **state)
{
    (void)state;
    static const char *const services[] = {
        "n/s headless | 10.244.0.1@a~a#7 10.244.0.2~b#8 10.244.0.3@c 10.244.0.4@d#1 10.244.0.5@d#2 "
        "10.244.0.6@d#1",
        NULL};
    const struct look looks[] = {
        {"_epoch.a.s" Z, RR_TXT, MATCH_EXACT, "\"epoch=7\""},
        {"_epoch.a.s" Z, RR_A, MATCH_NODATA, ""},
        {"_epoch.10-244-0-2.s" Z, RR_TXT, MATCH_NXDOMAIN, ""},
        {"_epoch.c.s" Z, RR_TXT, MATCH_NXDOMAIN, ""},
        {"_epoch.d.s" Z, RR_TXT, MATCH_EXACT, "\"epoch=1\"|\"epoch=2\""},
    };
    CHECK_LOOKS("K-EPOCH", services, looks);
    struct fixture f;
    fixture_init(&f, "cluster.local", NULL);
    zone_txn_put_namespace(fixture_begin(&f), "n");
    static const struct {
        const char *line;
        enum match_kind kind;
        const char *text;
    } steps[] = {
        {"n/s headless | 10.244.0.1@a#7", MATCH_EXACT, "\"epoch=7\""},
        {"n/s headless | 10.244.0.1@a#8", MATCH_EXACT, "\"epoch=8\""},
        {"n/s headless | 10.244.0.1@a#8 10.244.0.2@a#9", MATCH_EXACT, "\"epoch=8\"|\"epoch=9\""},
        {"n/s headless | 10.244.0.1@a#8", MATCH_EXACT, "\"epoch=8\""},
        {"n/s headless | 10.244.0.1@a", MATCH_NXDOMAIN, ""},
        {"n/s headless | 10.244.0.1@a#18446744073709551615", MATCH_EXACT,
         "\"epoch=18446744073709551615\""},
        {"n/s headless | !10.244.0.1@a#9", MATCH_NXDOMAIN, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        put_service(&f, steps[i].line);
        fixture_commit(&f);
        expect(&f, "K-EPOCH", "_epoch.a.s" Z, RR_TXT, steps[i].kind, steps[i].text);
    }
    fixture_fini(&f);
}

static void k_bare_and_k_cipsrv_follow_the_ports(void **state)
{
    (void)state;
    static const char *const services[] = {
        "n/c 10.96.0.9 x/TCP/53 x/UDP/53 y/TCP/53 /TCP/7 | z/TCP/99 10.244.0.1",
        "n/h headless | x/TCP/53 x/UDP/53 /TCP/7 10.244.0.1",
        "n/noip x/TCP/1", /* its ClusterIP is still to come */
        "n/7digit 10.96.0.10", NULL};
    const struct look looks[] = {
        {"c" Z, RR_SRV, MATCH_EXACT, "* * 7 c" Z "|* * 53 c" Z},
        {"_x._tcp.c" Z, RR_SRV, MATCH_EXACT, "* * 53 c" Z},
        {"_x._udp.c" Z, RR_SRV, MATCH_EXACT, "* * 53 c" Z},
        {"_z._tcp.c" Z, RR_SRV, MATCH_NXDOMAIN, ""},
        {"10-244-0-1.c" Z, RR_SRV, MATCH_EXACT, "* * 99 10-244-0-1.c" Z},
        {"_._tcp.c" Z, RR_SRV, MATCH_NXDOMAIN, ""},
        {"h" Z, RR_SRV, MATCH_EXACT, "* * 7 10-244-0-1.h" Z "|* * 53 10-244-0-1.h" Z},
        {"_x._udp.h" Z, RR_SRV, MATCH_EXACT, "* * 53 10-244-0-1.h" Z},
        {"noip" Z, RR_SRV, MATCH_NXDOMAIN, ""},
        {"_x._tcp.noip" Z, RR_SRV, MATCH_NXDOMAIN, ""},
        {"7digit" Z, RR_A, MATCH_EXACT, "10.96.0.10"},
    };
    CHECK_LOOKS("K-BARE", services, looks);
}

static void k_ext_only_names_become_targets(void **state)
{
    (void)state;
    static const char *const services[] = {"n/a external=Example.COM.",
                                           "n/b external=fd00::1",
                                           "n/c external=192.0.2.7.",
                                           "n/d external=bad..name",
                                           "n/e external=under_score.example",
                                           "n/f external=x http/TCP/80 | 10.244.0.1@h",
                                           NULL};
    const struct look looks[] = {
        {"a" Z, RR_A, MATCH_CNAME, "example.com."},
        {"b" Z, RR_CNAME, MATCH_NXDOMAIN, ""},
        {"c" Z, RR_CNAME, MATCH_NXDOMAIN, ""},
        {"d" Z, RR_CNAME, MATCH_NXDOMAIN, ""},
        {"e" Z, RR_CNAME, MATCH_EXACT, "under_score.example."},
        {"f" Z, RR_CNAME, MATCH_EXACT, "x."},
        {"h.f" Z, RR_A, MATCH_NXDOMAIN, ""},
        {"_http._tcp.f" Z, RR_SRV, MATCH_NXDOMAIN, ""},
        {"1.0.244.10.in-addr.arpa.", RR_PTR, MATCH_NXDOMAIN, ""},
    };
    CHECK_LOOKS("K-EXT", services, looks);
}

static void c9_endpoints_of_cluster_ips_can_be_left_out(void **state)
{
    (void)state;
    struct zones_opts opts = {.ttl_s = 5,
                              .negative_ttl_s = 5,
                              .endpoint_records = ENDPOINT_RECORDS_HEADLESS,
                              .reverse = fixture_reverse,
                              .reverse_count = ARRAY_SIZE(fixture_reverse)};
    static const char *const services[] = {"n/c 10.96.0.9 | 10.244.0.1@a",
                                           "n/h headless | 10.244.0.2@a", NULL};
    const struct look looks[] = {
        {"a.c" Z, RR_A, MATCH_NXDOMAIN, ""},
        {"1.0.244.10.in-addr.arpa.", RR_PTR, MATCH_NXDOMAIN, ""},
        {"a.h" Z, RR_A, MATCH_EXACT, "10.244.0.2"},
    };
    check("C9", &opts, services, looks, ARRAY_SIZE(looks));
}

static void options_that_cannot_be_served_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {".",           "", "a..b", "in-addr.arpa", "sp ace.local",
                                        "x\\001.local"};
    struct naming_address ns = address_of("192.0.2.53");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct zones_opts opts = {
            .zone_name = names[i], .ns_addresses = &ns, .ns_address_count = 1};
        struct zones *zones = NULL;
        struct err e = {0};
        assert_int_equal(zones_new(&opts, 1, &zones, &e), ERR_INVALID);
        assert_non_null(strstr(e.text, "zone.name"));
    }
    static const char *const reverse[] = {
        "10.244.0.0/33",    "10.244.0.0/", "x",          "10.244.0.0",
        "256.in-addr.arpa", "fd00::/129",  "g.ip6.arpa", "01.in-addr.arpa",
        "10.0.0.0/8x",      "/8",          "10.0.0.0/08"};
    for (size_t i = 0; i < ARRAY_SIZE(reverse); i++) {
        struct zones_opts opts = {.zone_name = "cluster.local",
                                  .ns_addresses = &ns,
                                  .ns_address_count = 1,
                                  .reverse = &reverse[i],
                                  .reverse_count = 1};
        struct zones *zones = NULL;
        struct err e = {0};
        assert_int_equal(zones_new(&opts, 1, &zones, &e), ERR_INVALID);
        assert_non_null(strstr(e.text, "zone.reverse"));
    }
    struct zones_opts opts = {.zone_name = "cluster.local"};
    struct zones *zones = NULL;
    assert_int_equal(zones_new(&opts, 1, &zones, NULL), ERR_INVALID);
}

static void k_negttl_is_capped_and_both_soas_carry_it(void **state)
{
    (void)state;
    struct zones_opts opts = {.ttl_s = 30, .negative_ttl_s = 4000};
    struct fixture f;
    fixture_init(&f, "cluster.local", &opts);
    const struct zone_apex *apex = &zones_current(f.zones)->apexes[0];
    assert_int_equal(rrset_ttl(apex->soa), 30);
    assert_int_equal(rrset_ttl(apex->negative_soa), 300);
    char *soa[1];
    read_back(apex->node, apex->negative_soa, 0, soa, 1);
    assert_non_null(strstr(soa[0], " 7200 1800 86400 300"));
    free(soa[0]);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(k_host_a_hostname_that_is_no_label_gives_the_dashed_name),
        cmocka_unit_test(k_names_ignored_hostnames_are_counted_while_they_are_there),
        cmocka_unit_test(k_names_too_long_names_leave_the_rest_of_the_set_alone),
        cmocka_unit_test(k_names_labels_no_api_object_can_have_are_ignored),
        cmocka_unit_test(k_ready_slices_are_merged_and_duplicates_collapse),
        cmocka_unit_test(k_ident_identities_stay_while_sets_hold_the_ready),
        cmocka_unit_test(k_epoch_stands_beside_names_by_hostname),
        cmocka_unit_test(k_bare_and_k_cipsrv_follow_the_ports),
        cmocka_unit_test(k_ext_only_names_become_targets),
        cmocka_unit_test(c9_endpoints_of_cluster_ips_can_be_left_out),
        cmocka_unit_test(options_that_cannot_be_served_are_refused),
        cmocka_unit_test(k_negttl_is_capped_and_both_soas_carry_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
