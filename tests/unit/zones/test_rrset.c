/* Runs of records as they go into a message, and reverse names. */
#include "fixture.h"

#include "base/random.h"
#include "zones/reverse.h"

static const struct rrset *find_set(const struct fixture *f, const char *name_text, uint16_t type,
                                    const struct zone_node **node)
{
    uint8_t name[NAME_MAX_WIRE];
    struct zone_match match;
    assert_true(name_parse(name_text, name, NULL) > 0);
    zone_find(zones_current(f->zones), name, type, &match);
    assert_int_equal(match.kind, MATCH_EXACT);
    *node = match.node;
    return match.set;
}

static void load_seven(struct fixture *f)
{
    fixture_init(f, "cluster.local", NULL);
    zone_txn_put_namespace(fixture_begin(f), "n");
    put_service(f, "n/s headless | p/TCP/1 10.244.0.1@a 10.244.0.2@bb 10.244.0.3@ccc "
                   "10.244.0.4@dddd 10.244.0.5@e"
                   " 10.244.0.6@f fd00::1@a fd00::2@bb | q/TCP/2 10.244.0.7@g");
    fixture_commit(f);
}

static void runs_begin_anywhere_and_wrap_around(void **state)
{
    (void)state;
    struct fixture f;
    load_seven(&f);
    static const uint16_t types[] = {RR_A, RR_AAAA, RR_SRV};
    for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
        const struct zone_node *node;
        const struct rrset *set = find_set(&f, "s.n.svc.cluster.local", types[t], &node);
        char *first[16];
        size_t count = read_back(node, set, 0, first, ARRAY_SIZE(first));
        assert_int_equal(count, rrset_count(set));
        for (size_t start = 0; start < 2 * count; start++) {
            char *turned[16];
            assert_int_equal(read_back(node, set, start, turned, ARRAY_SIZE(turned)), count);
            for (size_t i = 0; i < count; i++) {
                assert_string_equal(turned[i], first[(start + i) % count]);
                free(turned[i]);
            }
        }
        for (size_t i = 0; i < count; i++)
            free(first[i]);
    }
    fixture_fini(&f);
}

static void only_whole_records_are_written_into_the_room(void **state)
{
    (void)state;
    struct fixture f;
    load_seven(&f);
    static const uint16_t types[] = {RR_A, RR_AAAA, RR_SRV};
    for (size_t t = 0; t < ARRAY_SIZE(types); t++) {
        const struct zone_node *node;
        const struct rrset *set = find_set(&f, "s.n.svc.cluster.local", types[t], &node);
        uint8_t whole[1024];
        size_t count;
        size_t total = rrset_write(set, node, 2, 0x123, whole, sizeof whole, &count);
        assert_int_equal(count, rrset_count(set));
        size_t ends[16] = {0};
        for (size_t i = 0, at = 0; i < count; i++) {
            assert_int_equal(whole[at], 0xc1); /* the owner's offset */
            assert_int_equal(whole[at + 1], 0x23);
            at += 12u + (size_t)(whole[at + 10] << 8 | whole[at + 11]);
            ends[i + 1] = at;
        }
        assert_int_equal(ends[count], total);
        for (size_t room = 0; room <= total; room++) {
            uint8_t *out = xmalloc(room + 1); /* exactly sized: a sanitizer sees the octet beyond */
            size_t written;
            size_t len = rrset_write(set, node, 2, 0x123, out, room, &written);
            size_t fits = 0;
            while (fits < count && ends[fits + 1] <= room)
                fits++;
            assert_int_equal(written, fits);
            assert_int_equal(len, ends[fits]);
            assert_memory_equal(out, whole, len);
            free(out);
        }
    }
    fixture_fini(&f);
}

static void rdata_needs_its_room(void **state)
{
    (void)state;
    struct fixture f;
    load_seven(&f);
    const struct zone_node *node;
    const struct rrset *set = find_set(&f, "s.n.svc.cluster.local", RR_SRV, &node);
    uint8_t out[300];
    size_t len = rrset_rdata(set, node, 0, out, sizeof out);
    assert_true(len > 6);
    assert_int_equal(rrset_rdata(set, node, 0, out, len), len);
    assert_int_equal(rrset_rdata(set, node, 0, out, len - 1), 0);
    set = find_set(&f, "dns-version.cluster.local", RR_TXT, &node);
    assert_int_equal(rrset_rdata(set, node, 0, out, 6), 6);
    assert_int_equal(rrset_rdata(set, node, 0, out, 5), 0);
    set = find_set(&f, "s.n.svc.cluster.local", RR_A, &node);
    assert_int_equal(rrset_rdata(set, node, 0, out, 3), 0);
    assert_null(rrset_target(set, 0, node));
    assert_null(rrset_cname(set));
    fixture_fini(&f);
}

static void equal_sets_are_one_object(void **state)
{
    (void)state;
    struct fixture f;
    load_seven(&f);
    put_service(&f, "n/t headless | p/TCP/1 10.244.0.1@x");
    put_pod(&f, "n", "x", "10.244.0.1");
    put_service(&f, "n/one headless | p/TCP/1 10.244.9.1@x");
    fixture_commit(&f);
    const struct zone_node *node;
    const struct rrset *a = find_set(&f, "x.t.n.svc.cluster.local", RR_A, &node);
    assert_ptr_equal(a, find_set(&f, "10-244-0-1.n.pod.cluster.local", RR_A, &node));
    assert_ptr_equal(find_set(&f, "x.t.n.svc.cluster.local", RR_SRV, &node),
                     find_set(&f, "f.s.n.svc.cluster.local", RR_SRV, &node));
    assert_ptr_equal(find_set(&f, "one.n.svc.cluster.local", RR_SRV, &node),
                     find_set(&f, "_p._tcp.one.n.svc.cluster.local", RR_SRV, &node));
    fixture_fini(&f);
}

struct collected {
    char text[128][NAME_TEXT_MAX];
    size_t count;
};

static void collect(void *arg, const uint8_t *zone)
{
    struct collected *c = arg;
    name_format(zone, c->text[c->count++]);
}

static void cidrs_stand_for_the_zones_that_cover_them(void **state)
{
    (void)state;
    static const struct {
        const char *cidr;
        size_t count;
        const char *first, *last;
    } cases[] = {
        {"10.96.0.0/12", 16, "96.10.in-addr.arpa.", "111.10.in-addr.arpa."},
        {"10.244.0.0/16", 1, "244.10.in-addr.arpa.", "244.10.in-addr.arpa."},
        {"10.244.3.7/16", 1, "244.10.in-addr.arpa.", "244.10.in-addr.arpa."},
        {"10.0.0.0/8", 1, "10.in-addr.arpa.", "10.in-addr.arpa."},
        {"0.0.0.0/0", 1, "in-addr.arpa.", "in-addr.arpa."},
        {"128.0.0.0/1", 128, "128.in-addr.arpa.", "255.in-addr.arpa."},
        {"10.1.2.128/25", 128, "128.2.1.10.in-addr.arpa.", "255.2.1.10.in-addr.arpa."},
        {"10.1.2.3/32", 1, "3.2.1.10.in-addr.arpa.", "3.2.1.10.in-addr.arpa."},
        {"fd00:96::/112", 1, "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa.",
         NULL},
        {"fd00::/15", 2, "0.0.d.f.ip6.arpa.", "1.0.d.f.ip6.arpa."},
        {"fd00::/9", 8, "0.d.f.ip6.arpa.", "7.d.f.ip6.arpa."},
        {"fc00::/7", 2, "c.f.ip6.arpa.", "d.f.ip6.arpa."},
        {"fd00::/4", 1, "f.ip6.arpa.", "f.ip6.arpa."},
        {"8000::/1", 8, "8.ip6.arpa.", "f.ip6.arpa."},
        {"::/0", 1, "ip6.arpa.", "ip6.arpa."},
        {"10.In-Addr.ARPA.", 1, "10.in-addr.arpa.", "10.in-addr.arpa."},
        {"d.f.ip6.arpa", 1, "d.f.ip6.arpa.", "d.f.ip6.arpa."},
    };
    struct collected *c = xcalloc(1, sizeof *c);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        c->count = 0;
        assert_int_equal(reverse_zones(cases[i].cidr, collect, c, NULL), 0);
        assert_int_equal(c->count, cases[i].count);
        assert_string_equal(c->text[0], cases[i].first);
        if (cases[i].last)
            assert_string_equal(c->text[c->count - 1], cases[i].last);
    }
    free(c);
}

static void every_address_of_a_range_lies_in_its_zones(void **state)
{
    (void)state;
    random_seed(3);
    for (int i = 0; i < 2000; i++) {
        struct naming_address base = {.len = i % 2 ? 4 : 16};
        random_bytes(base.bytes, base.len);
        unsigned bits = (unsigned)random_below(base.len * 8u + 1);
        struct naming_address inside = base;
        for (unsigned bit = bits; bit < base.len * 8u; bit++)
            inside.bytes[bit / 8] ^= (uint8_t)(random_below(2) << (7 - bit % 8));
        struct naming_address outside = inside;
        if (bits > 0)
            outside.bytes[(bits - 1) / 8] ^= (uint8_t)(0x80u >> (bits - 1) % 8);
        char cidr[80];
        char text[48];
        snprintf(cidr, sizeof cidr, "%s/%u", naming_address_format(&base, text), bits);
        struct collected *c = xcalloc(1, sizeof *c);
        assert_int_equal(reverse_zones(cidr, collect, c, NULL), 0);
        uint8_t name[NAME_MAX_WIRE];
        uint8_t other[NAME_MAX_WIRE];
        size_t in = 0;
        size_t out = 0;
        size_t len = reverse_name(&inside, name);
        assert_int_equal(len, name_wire_len(name, sizeof name));
        reverse_name(&outside, other);
        for (size_t k = 0; k < c->count; k++) {
            uint8_t zone[NAME_MAX_WIRE];
            assert_true(name_parse(c->text[k], zone, NULL) > 0);
            in += name_is_under(name, zone) ? 1 : 0;
            out += name_is_under(other, zone) ? 1 : 0;
        }
        assert_int_equal(in, 1);
        assert_int_equal(out, bits > 0 ? 0 : 1);
        free(c);
    }
    random_seed(0);
}

static void zones_inside_zones_are_kept_apart(void **state)
{
    (void)state;
    static const char *const reverse[] = {"10.in-addr.arpa", "10.244.0.0/16",
                                          "5.0.244.10.in-addr.arpa", "10.in-addr.arpa"};
    struct zones_opts opts = {
        .ttl_s = 5, .negative_ttl_s = 5, .reverse = reverse, .reverse_count = 4};
    struct fixture f;
    fixture_init(&f, "cluster.local", &opts);
    zone_txn_put_namespace(fixture_begin(&f), "n");
    put_service(&f, "n/s headless | 10.244.0.4@a 10.244.0.5@b 10.9.0.1@c");
    fixture_commit(&f);
    assert_int_equal(zones_serial_count(f.zones), 4);
    static const struct {
        const char *name, *zone;
        enum match_kind kind;
    } cases[] = {
        {"4.0.244.10.in-addr.arpa.", "244.10.in-addr.arpa.", MATCH_EXACT},
        {"5.0.244.10.in-addr.arpa.", "5.0.244.10.in-addr.arpa.", MATCH_EXACT},
        {"1.0.9.10.in-addr.arpa.", "10.in-addr.arpa.", MATCH_EXACT},
        {"2.0.9.10.in-addr.arpa.", "10.in-addr.arpa.", MATCH_NXDOMAIN},
        {"x.5.0.244.10.in-addr.arpa.", "5.0.244.10.in-addr.arpa.", MATCH_NXDOMAIN},
        {"0.244.10.in-addr.arpa.", "244.10.in-addr.arpa.", MATCH_NODATA},
        {"245.10.in-addr.arpa.", "10.in-addr.arpa.", MATCH_NXDOMAIN},
        {"24.10.in-addr.arpa.", "10.in-addr.arpa.", MATCH_NXDOMAIN},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t name[NAME_MAX_WIRE];
        struct zone_match match;
        assert_true(name_parse(cases[i].name, name, NULL) > 0);
        zone_find(zones_current(f.zones), name, RR_PTR, &match);
        assert_int_equal(match.kind, cases[i].kind);
        char text[NAME_TEXT_MAX];
        size_t len;
        assert_string_equal(name_format(zone_node_name(match.apex->node, &len), text),
                            cases[i].zone);
        assert_ptr_equal(zone_apex_find(zones_current(f.zones), name), match.apex);
    }
    struct buf_out out;
    buf_out_init(&out);
    const struct zone_version *version = zones_current(f.zones);
    for (size_t i = 0; i < version->apex_count; i++)
        zone_text_zone(version, &version->apexes[i], &out);
    size_t ptrs = 0;
    for (const char *at = out.data; (at = strstr(at, " IN PTR ")); at++)
        ptrs++;
    assert_int_equal(ptrs, 3);
    buf_out_fini(&out);
    fixture_fini(&f);
}

static void a_dump_is_read_by_ldns(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "cluster.local", NULL);
    load_s0(&f);
    const struct zone_version *version = zones_current(f.zones);
    for (size_t i = 0; i < version->apex_count; i++) {
        struct buf_out out;
        buf_out_init(&out);
        zone_text_zone(version, &version->apexes[i], &out);
        FILE *file = fmemopen(out.data, out.len, "r");
        ldns_zone *zone = NULL;
        assert_int_equal(ldns_zone_new_frm_fp(&zone, file, NULL, 0, LDNS_RR_CLASS_IN),
                         LDNS_STATUS_OK);
        assert_non_null(ldns_zone_soa(zone));
        size_t lines = 0;
        for (size_t k = 0; k < out.len; k++)
            lines += out.data[k] == '\n' ? 1 : 0;
        assert_int_equal(ldns_rr_list_rr_count(ldns_zone_rrs(zone)) + 1, lines);
        ldns_zone_deep_free(zone);
        fclose(file);
        buf_out_fini(&out);
    }
    fixture_fini(&f);
}

static void a_dump_in_pieces_is_the_same_text(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "cluster.local", NULL);
    load_s0(&f);
    const struct zone_version *version = zones_current(f.zones);
    for (size_t i = 0; i < version->apex_count; i++) {
        struct buf_out whole, pieces;
        struct zone_text text;
        size_t count = 1;
        buf_out_init(&whole);
        buf_out_init(&pieces);
        zone_text_zone(version, &version->apexes[i], &whole);
        zone_text_init(&text, version, &version->apexes[i]);
        while (zone_text_some(&text, pieces.len + 1, &pieces))
            count++;
        assert_true(i > 0 || count > 10); /* the cluster zone has many names */
        assert_int_equal(pieces.len, whole.len);
        assert_memory_equal(pieces.data, whole.data, whole.len);
        buf_out_fini(&whole);
        buf_out_fini(&pieces);
    }
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_begin_anywhere_and_wrap_around),
        cmocka_unit_test(only_whole_records_are_written_into_the_room),
        cmocka_unit_test(rdata_needs_its_room),
        cmocka_unit_test(equal_sets_are_one_object),
        cmocka_unit_test(cidrs_stand_for_the_zones_that_cover_them),
        cmocka_unit_test(every_address_of_a_range_lies_in_its_zones),
        cmocka_unit_test(zones_inside_zones_are_kept_apart),
        cmocka_unit_test(a_dump_is_read_by_ldns),
        cmocka_unit_test(a_dump_in_pieces_is_the_same_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
