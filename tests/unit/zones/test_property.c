/* Random Services, pods and namespaces come, change and go; after every transaction the names must
 * be those that a slow and direct reading of kubernetes-dns.md gives for what is there now,
 * whatever was there before. Checked too: content digests equal those of a state built afresh, an
 * aborted transaction leaves no trace, an old version that somebody keeps stays as it was, and
 * every target is the node of its own version. */
#include "fixture.h"

#include <strings.h>

#include "base/random.h"
#include "zones/reverse.h"

enum { NAMESPACES = 2, SERVICES = 6, PODS = 8, SLICES = 3, ENDPOINTS = 4, PORTS = 3 };

struct model_service {
    bool is_there;
    struct naming_service service;
    struct naming_slice slices[SLICES];
    struct naming_endpoint endpoints[SLICES][ENDPOINTS];
    struct naming_address addresses[SLICES][ENDPOINTS][2], cluster_ips[2];
    struct naming_port ports[PORTS], slice_ports[SLICES][PORTS];
};

struct model_pod {
    size_t count;
    struct naming_address addresses[2];
};

struct model {
    bool has_namespace[NAMESPACES];
    struct model_service services[NAMESPACES][SERVICES];
    struct model_pod pods[NAMESPACES][PODS];
};

static const char *const ns_names[NAMESPACES] = {"a", "b"};
static const char *const service_names[SERVICES] = {"s0", "s1", "s2", "s3", "s4", "7s"};
static const char *const pod_names[PODS] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"};

/* ---- chance ---- */

static bool chance(unsigned percent)
{
    return random_below(100) < percent;
}

static struct naming_address random_address(void)
{
    struct naming_address a = {.len = 4, .bytes = {10, 244, 0, (uint8_t)(1 + random_below(9))}};
    if (chance(25))
        a = (struct naming_address){.len = 16, .bytes = {0xfd, [15] = (uint8_t)random_below(4)}};
    if (chance(5))
        a = (struct naming_address){
            .len = 4, .bytes = {192, 0, 2, (uint8_t)random_below(3)}}; /* in no reverse zone */
    return a;
}

static struct naming_port random_port(void)
{
    static const char *const names[] = {"http", "x", "", "HTTP", NULL, "bad_name"};
    static const char *const protocols[] = {"TCP", "TCP", "UDP"};
    return (struct naming_port){names[random_below(chance(90) ? 3 : 6)], protocols[random_below(3)],
                                (uint16_t)(80 + random_below(3))};
}

static struct naming_endpoint random_endpoint(struct naming_address *addresses)
{
    static const char *const hosts[] = {"h0", "h1", "p0", "10-244-0-3", "H1", "bad_host", ""};
    static const char *const pods[] = {"p0", "p1", "pod.with.dots"};
    struct naming_endpoint e = {
        .addresses = addresses, .address_count = 1 + random_below(2), .ready = chance(70)};
    for (size_t i = 0; i < e.address_count; i++)
        addresses[i] = random_address();
    if (chance(60))
        e.hostname = hosts[random_below(chance(90) ? 4 : 7)];
    if (chance(40))
        e.target_pod = pods[random_below(3)];
    if (chance(30))
        e.epoch = 1 + random_below(3);
    return e;
}

static void random_service(struct model_service *m, size_t ns, size_t name)
{
    *m = (struct model_service){.is_there = true};
    struct naming_service *s = &m->service;
    s->ns = ns_names[ns];
    s->name = service_names[name];
    s->type = chance(55) ? NAMING_HEADLESS : chance(80) ? NAMING_CLUSTER_IP : NAMING_EXTERNAL;
    static const char *const externals[] = {
        "example.com", "192.0.2.1", "fd00::1", "s1.a.svc.cluster.local.", "", NULL};
    s->external_name = s->type == NAMING_EXTERNAL ? externals[random_below(6)] : NULL;
    s->cluster_ips = m->cluster_ips;
    if (s->type == NAMING_CLUSTER_IP)
        s->cluster_ip_count = random_below(3);
    for (size_t i = 0; i < s->cluster_ip_count; i++)
        m->cluster_ips[i] = random_address();
    s->ports = m->ports;
    s->port_count = random_below(PORTS + 1);
    for (size_t i = 0; i < s->port_count; i++)
        m->ports[i] = random_port();
    s->publish_not_ready = chance(20);
    s->publish_identity = chance(25);
    s->slices = m->slices;
    s->slice_count = random_below(SLICES + 1);
    for (size_t i = 0; i < s->slice_count; i++) {
        struct naming_slice *slice = &m->slices[i];
        slice->ports = m->slice_ports[i];
        slice->port_count = random_below(PORTS + 1);
        for (size_t k = 0; k < slice->port_count; k++)
            m->slice_ports[i][k] = random_port();
        slice->endpoints = m->endpoints[i];
        slice->endpoint_count = random_below(ENDPOINTS + 1);
        for (size_t k = 0; k < slice->endpoint_count; k++)
            m->endpoints[i][k] = random_endpoint(m->addresses[i][k]);
    }
}

/* A model copied elsewhere: its inner pointers follow. */
static void copy_service(struct model_service *to, const struct model_service *from)
{
    *to = *from;
    to->service.cluster_ips = to->cluster_ips;
    to->service.ports = to->ports;
    to->service.slices = to->slices;
    for (size_t i = 0; i < SLICES; i++) {
        to->slices[i].ports = to->slice_ports[i];
        to->slices[i].endpoints = to->endpoints[i];
        for (size_t k = 0; k < ENDPOINTS; k++)
            to->endpoints[i][k].addresses = to->addresses[i][k];
    }
}

static void copy_model(struct model *to, const struct model *from)
{
    *to = *from;
    for (size_t n = 0; n < NAMESPACES; n++) {
        for (size_t s = 0; s < SERVICES; s++)
            copy_service(&to->services[n][s], &from->services[n][s]);
    }
}

/* A small change, so that most of a Service stays as it was. */
static void nudge_service(struct model_service *m)
{
    if (m->service.slice_count == 0)
        return;
    size_t i = random_below(m->service.slice_count);
    struct naming_slice *slice = &m->slices[i];
    if (chance(15) && slice->port_count > 0)
        m->slice_ports[i][random_below(slice->port_count)] = random_port();
    if (slice->endpoint_count == 0)
        return;
    size_t k = random_below(slice->endpoint_count);
    if (chance(50))
        m->endpoints[i][k].ready = !m->endpoints[i][k].ready;
    else if (chance(50))
        m->endpoints[i][k] = random_endpoint(m->addresses[i][k]);
    else
        slice->endpoint_count--;
}

/* ---- the slow reading ---- */

struct lines {
    char **line;
    size_t count, cap;
};

__attribute__((format(printf, 2, 3))) static void add_line(struct lines *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct buf_out out;
    buf_out_init(&out);
    buf_vprintf(&out, format, args);
    va_end(args);
    for (size_t i = 0; i < l->count; i++) {
        if (strcmp(l->line[i], out.data) == 0) {
            buf_out_fini(&out);
            return;
        }
    }
    if (l->count == l->cap) {
        l->cap = l->cap * 2 + 64;
        l->line = xrealloc(l->line, l->cap * sizeof *l->line);
    }
    l->line[l->count++] = buf_out_take(&out, NULL);
}

static void free_lines(struct lines *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->line[i]);
    free(l->line);
    *l = (struct lines){0};
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct contribution {
    struct naming_address address;
    int rank;
    char target[256];
};

struct reference {
    const struct fixture *f;
    struct lines lines;
    struct contribution *ptr;
    size_t ptr_count, ptr_cap;
};

static void add_address_line(struct reference *r, const char *owner, const struct naming_address *a)
{
    char text[48];
    add_line(&r->lines, "%s %s %s", owner, a->len == 4 ? "A" : "AAAA",
             naming_address_format(a, text));
}

static void add_ptr(struct reference *r, const struct naming_address *a, int rank,
                    const char *target)
{
    if (r->ptr_count == r->ptr_cap) {
        r->ptr_cap = r->ptr_cap * 2 + 64;
        r->ptr = xrealloc(r->ptr, r->ptr_cap * sizeof *r->ptr);
    }
    struct contribution *c = &r->ptr[r->ptr_count++];
    *c = (struct contribution){.address = *a, .rank = rank};
    snprintf(c->target, sizeof c->target, "%s", target);
}

static bool is_good_label(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    return len > 0 && len <= 63 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == len &&
           text[0] != '-' && text[len - 1] != '-';
}

static void lower(char *text)
{
    for (; *text; text++)
        *text = (char)(*text >= 'A' && *text <= 'Z' ? *text + 32 : *text);
}

static void add_srv(struct reference *r, const char *owner, uint16_t port, const char *target)
{
    add_line(&r->lines, "%s SRV %u %s", owner, port, target);
}

static void add_port_srv(struct reference *r, const struct naming_port *port, const char *base,
                         const char *target)
{
    add_srv(r, base, port->port, target);
    if (!is_good_label(port->name))
        return;
    char owner[300];
    snprintf(owner, sizeof owner, "_%s._%s.%s", port->name, port->protocol, base);
    lower(owner);
    add_srv(r, owner, port->port, target);
}

static void refer_endpoint(struct reference *r, const struct naming_service *s,
                           const struct naming_slice *slice, const struct naming_endpoint *e,
                           const char *base)
{
    bool is_explicit = is_good_label(e->hostname);
    bool is_published = e->ready || s->publish_not_ready;
    bool is_named = is_published || (s->publish_identity && is_explicit);
    for (size_t i = 0; i < e->address_count; i++) {
        const struct naming_address *a = &e->addresses[i];
        char host[64 + 300];
        char dashed[64];
        naming_dashed(a, dashed);
        bool by_pod =
            r->f->opts.endpoint_names == ENDPOINT_NAMES_POD && is_good_label(e->target_pod);
        snprintf(host, sizeof host, "%s.%s",
                 is_explicit ? e->hostname
                 : by_pod    ? e->target_pod
                             : dashed,
                 base);
        lower(host);
        if (is_published && s->type == NAMING_HEADLESS)
            add_address_line(r, base, a);
        if (!is_named || (s->type == NAMING_CLUSTER_IP &&
                          r->f->opts.endpoint_records == ENDPOINT_RECORDS_HEADLESS))
            continue;
        add_address_line(r, host, a);
        add_ptr(r, a, is_explicit ? 1 : 2, host);
        if (is_explicit && e->epoch != 0)
            add_line(&r->lines, "_epoch.%s TXT \"epoch=%llu\"", host, (unsigned long long)e->epoch);
        for (size_t k = 0; k < slice->port_count; k++) {
            add_srv(r, host, slice->ports[k].port, host);
            if (is_published && s->type == NAMING_HEADLESS)
                add_port_srv(r, &slice->ports[k], base, host);
        }
    }
}

static void refer_service(struct reference *r, const struct naming_service *s)
{
    char base[256];
    snprintf(base, sizeof base, "%s.%s.svc.%s.", s->name, s->ns, r->f->zone);
    if (s->type == NAMING_EXTERNAL) {
        struct naming_address literal;
        size_t len = s->external_name ? strlen(s->external_name) : 0;
        if (len > 0 && !naming_address_parse(s->external_name, &literal))
            add_line(&r->lines, "%s CNAME %s%s", base, s->external_name,
                     s->external_name[len - 1] == '.' ? "" : ".");
        return;
    }
    bool has_published = false;
    for (size_t i = 0; i < s->slice_count; i++) {
        for (size_t k = 0; k < s->slices[i].endpoint_count; k++) {
            has_published =
                has_published || s->slices[i].endpoints[k].ready || s->publish_not_ready;
            refer_endpoint(r, s, &s->slices[i], &s->slices[i].endpoints[k], base);
        }
    }
    if (s->type != NAMING_CLUSTER_IP || s->cluster_ip_count == 0 ||
        (r->f->opts.ignore_empty_service && !has_published))
        return;
    for (size_t i = 0; i < s->cluster_ip_count; i++) {
        add_address_line(r, base, &s->cluster_ips[i]);
        add_ptr(r, &s->cluster_ips[i], 0, base);
    }
    for (size_t i = 0; i < s->port_count; i++)
        add_port_srv(r, &s->ports[i], base, base);
}

static bool is_in_reverse_zone(const struct reference *r, const uint8_t *name)
{
    for (size_t i = 0; i < r->f->opts.reverse_count; i++) {
        uint8_t zone[NAME_MAX_WIRE];
        if (name_parse(r->f->opts.reverse[i], zone, NULL) > 0 && name_is_under(name, zone))
            return true;
    }
    return false;
}

static int best_rank(const struct reference *r, const struct naming_address *a)
{
    int best = 2;
    for (size_t i = 0; i < r->ptr_count; i++) {
        if (naming_address_equal(&r->ptr[i].address, a) && r->ptr[i].rank < best)
            best = r->ptr[i].rank;
    }
    return best;
}

static int rank_of_target(const struct reference *r, const struct contribution *c)
{
    int best = c->rank;
    for (size_t i = 0; i < r->ptr_count; i++) {
        /* a name is explicit at an address where some endpoint has it as hostname (K-REV) */
        if (strcmp(r->ptr[i].target, c->target) == 0 &&
            naming_address_equal(&r->ptr[i].address, &c->address) && r->ptr[i].rank < best)
            best = r->ptr[i].rank;
    }
    return best;
}

static void refer_ptrs(struct reference *r)
{
    for (size_t i = 0; i < r->ptr_count; i++)
        r->ptr[i].rank = rank_of_target(r, &r->ptr[i]);
    for (size_t i = 0; i < r->ptr_count; i++) {
        const struct contribution *c = &r->ptr[i];
        uint8_t name[NAME_MAX_WIRE];
        char text[NAME_TEXT_MAX];
        reverse_name(&c->address, name);
        int best = best_rank(r, &c->address);
        bool is_shown = c->rank == best || (r->f->opts.ptr == PTR_ALL && best > 0);
        if (is_shown && is_in_reverse_zone(r, name))
            add_line(&r->lines, "%s PTR %s", name_format(name, text), c->target);
    }
}

static void refer_namespaces(struct reference *r, const struct model *m)
{
    add_line(&r->lines, "svc.%s. -", r->f->zone);
    add_line(&r->lines, "pod.%s. -", r->f->zone);
    for (size_t n = 0; n < NAMESPACES; n++) {
        if (!m->has_namespace[n])
            continue;
        add_line(&r->lines, "%s.svc.%s. -", ns_names[n], r->f->zone);
        for (size_t s = 0; s < SERVICES; s++) {
            if (m->services[n][s].is_there)
                refer_service(r, &m->services[n][s].service);
        }
        if (r->f->opts.pods == PODS_DISABLED)
            continue;
        add_line(&r->lines, "%s.pod.%s. -", ns_names[n], r->f->zone);
        for (size_t p = 0; r->f->opts.pods == PODS_VERIFIED && p < PODS; p++) {
            for (size_t i = 0; i < m->pods[n][p].count; i++) {
                char label[64];
                char owner[400];
                naming_dashed(&m->pods[n][p].addresses[i], label);
                snprintf(owner, sizeof owner, "%s.%s.pod.%s.", label, ns_names[n], r->f->zone);
                add_address_line(r, owner, &m->pods[n][p].addresses[i]);
            }
        }
    }
}

static struct lines slow_lines(const struct fixture *f, const struct model *m)
{
    struct reference r = {.f = f};
    refer_namespaces(&r, m);
    refer_ptrs(&r);
    free(r.ptr);
    qsort(r.lines.line, r.lines.count, sizeof *r.lines.line, compare_lines);
    return r.lines;
}

/* ---- what is published ---- */

static void check_targets(const struct zone_version *v, const struct zone_node *node,
                          const struct rrset *set)
{
    for (size_t i = 0; i < rrset_count(set); i++) {
        const struct zone_node *target = rrset_target(set, i, node);
        if (!target)
            continue;
        struct zone_match match;
        size_t len;
        zone_find(v, zone_node_name(target, &len), RR_A, &match);
        assert_ptr_equal(match.node, target);
    }
}

static void add_node_lines(struct lines *l, const struct zone_version *v,
                           const struct zone_node *node)
{
    char owner[NAME_TEXT_MAX];
    size_t len;
    name_format(zone_node_name(node, &len), owner);
    if (zone_node_set_count(node) == 0)
        add_line(l, "%s -", owner);
    for (size_t k = 0; k < zone_node_set_count(node); k++) {
        const struct rrset *set = zone_node_set_at(node, k);
        check_targets(v, node, set);
        if (zone_node_set(node, RR_SOA) && rrset_type(set) != RR_PTR)
            continue; /* an apex; it may be the reverse name of an address too */
        for (size_t i = 0; i < rrset_count(set); i++) {
            char type[16];
            struct buf_out rdata;
            buf_out_init(&rdata);
            zone_text_rdata(set, node, i, &rdata);
            const char *text = rdata.data;
            for (int skip = rrset_type(set) == RR_SRV ? 2 : 0; skip > 0; skip--)
                text = strchr(text, ' ') + 1; /* priority and weight are free (K-SRV) */
            size_t before = l->count;
            add_line(l, "%s %s %s", owner, zone_text_type(rrset_type(set), type), text);
            assert_int_equal(l->count, before + 1); /* no duplicates */
            buf_out_fini(&rdata);
        }
    }
}

static bool is_fixed(const struct fixture *f, const struct zone_node *node)
{
    char owner[NAME_TEXT_MAX];
    char own[2][300];
    size_t len;
    name_format(zone_node_name(node, &len), owner);
    snprintf(own[0], sizeof own[0], "ns.dns.%s.", f->zone);
    snprintf(own[1], sizeof own[1], "dns-version.%s.", f->zone);
    return strcmp(owner, own[0]) == 0 || strcmp(owner, own[1]) == 0;
}

static struct lines published_lines(const struct fixture *f, const struct zone_version *v)
{
    struct lines l = {0};
    for (size_t i = 0; i < v->apex_count; i++) {
        struct zone_walk walk;
        const struct zone_node *node;
        zone_walk_init(&walk, v, &v->apexes[i]);
        while ((node = zone_walk_next(&walk))) {
            if (!is_fixed(f, node))
                add_node_lines(&l, v, node);
        }
    }
    qsort(l.line, l.count, sizeof *l.line, compare_lines);
    return l;
}

static void compare_all(const struct lines *have, const struct lines *want, const char *what,
                        uint64_t seed, int step)
{
    for (size_t i = 0; i < have->count || i < want->count; i++) {
        const char *h = i < have->count ? have->line[i] : "(nothing)";
        const char *w = i < want->count ? want->line[i] : "(nothing)";
        if (strcmp(h, w) != 0)
            fail_msg("%s, seed %llu step %d: published \"%s\", wanted \"%s\"", what,
                     (unsigned long long)seed, step, h, w);
    }
}

/* ---- steps ---- */

static void put_model_pod(struct zone_txn *txn, const struct model *m, size_t n, size_t p)
{
    if (m->pods[n][p].count > 0)
        zone_txn_put_pod(txn, ns_names[n], pod_names[p], m->pods[n][p].addresses,
                         m->pods[n][p].count);
    else
        zone_txn_del_pod(txn, ns_names[n], pod_names[p]);
}

static void put_everything_of(struct zone_txn *txn, const struct model *m, size_t n)
{
    for (size_t s = 0; s < SERVICES; s++) {
        if (m->services[n][s].is_there)
            zone_txn_put_service(txn, &m->services[n][s].service);
    }
    for (size_t p = 0; p < PODS; p++)
        put_model_pod(txn, m, n, p);
}

static void change_namespace(struct zone_txn *txn, struct model *m, size_t n)
{
    m->has_namespace[n] = !m->has_namespace[n];
    if (m->has_namespace[n]) {
        zone_txn_put_namespace(txn, ns_names[n]);
        put_everything_of(txn, m, n);
    } else {
        zone_txn_del_namespace(txn, ns_names[n]);
    }
}

static void change_something(struct zone_txn *txn, struct model *m)
{
    size_t n = random_below(NAMESPACES);
    size_t s = random_below(SERVICES);
    size_t p = random_below(PODS);
    struct model_service *service = &m->services[n][s];
    switch (random_below(8)) {
    case 0:
        if (chance(20))
            change_namespace(txn, m, n);
        break;
    case 1:
        service->is_there = false;
        zone_txn_del_service(txn, ns_names[n], service_names[s]);
        break;
    case 2:
    case 3:
        random_service(service, n, s);
        zone_txn_put_service(txn, &service->service);
        break;
    case 4:
        m->pods[n][p].count = random_below(3);
        for (size_t i = 0; i < m->pods[n][p].count; i++)
            m->pods[n][p].addresses[i] = random_address();
        put_model_pod(txn, m, n, p);
        break;
    default:
        if (service->is_there) {
            nudge_service(service);
            zone_txn_put_service(txn, &service->service);
        }
        break;
    }
}

static void compare_with_fresh(const struct fixture *f, const struct model *m)
{
    struct fixture fresh;
    fixture_init(&fresh, f->zone, &f->opts);
    struct zone_txn *txn = fixture_begin(&fresh);
    for (size_t n = 0; n < NAMESPACES; n++) {
        if (m->has_namespace[n]) {
            zone_txn_put_namespace(txn, ns_names[n]);
            put_everything_of(txn, m, n);
        }
    }
    fixture_commit(&fresh);
    struct zones_stats have;
    struct zones_stats want;
    zones_stats(f->zones, &have);
    zones_stats(fresh.zones, &want);
    assert_int_equal(have.names, want.names);
    assert_int_equal(have.services, want.services);
    assert_int_equal(have.ignored_hostnames, want.ignored_hostnames);
    assert_int_equal(have.too_long_names, want.too_long_names);
    for (size_t i = 0; i < zones_serial_count(f->zones); i++)
        assert_true(zones_serial_digest(f->zones, i) == zones_serial_digest(fresh.zones, i));
    fixture_fini(&fresh);
}

/* An old version that a reader pinned, with its content at that time. */
struct kept {
    struct publish_pin *pin;
    struct lines lines;
};

static void keep_version(const struct fixture *f, struct kept *kept, uint64_t seed, int step)
{
    if (kept->pin) {
        struct lines now = published_lines(f, publish_pin_root(kept->pin));
        compare_all(&now, &kept->lines, "an old version", seed, step);
        free_lines(&now);
        free_lines(&kept->lines);
        publish_unpin(kept->pin);
    }
    kept->pin = publish_pin_current(zones_publish(f->zones));
    kept->lines = published_lines(f, publish_pin_root(kept->pin));
}

static void run(uint64_t seed, int steps)
{
    static const char *const reverse[] = {"244.10.in-addr.arpa", "0.0.d.f.ip6.arpa",
                                          "4.0.244.10.in-addr.arpa"};
    random_seed(seed);
    struct zones_opts opts = {
        .ttl_s = 5,
        .negative_ttl_s = 5,
        .reverse = reverse,
        .reverse_count = ARRAY_SIZE(reverse),
        .pods = (enum pods_mode)(seed % 5 == 0 ? random_below(3) : PODS_VERIFIED),
        .endpoint_names = chance(30) ? ENDPOINT_NAMES_POD : ENDPOINT_NAMES_IP,
        .endpoint_records = chance(20) ? ENDPOINT_RECORDS_HEADLESS : ENDPOINT_RECORDS_ALL,
        .ptr = chance(30) ? PTR_ALL : PTR_PREFER_HOSTNAME,
        .ignore_empty_service = chance(30)};
    struct fixture f;
    fixture_init(&f, seed % 2 ? "cluster.local" : "k8s.test", &opts);
    struct model *model = xcalloc(1, sizeof *model);
    struct model *before = xcalloc(1, sizeof *before);
    struct kept kept = {0};
    for (int step = 0; step < steps; step++) {
        copy_model(before, model);
        struct zone_txn *txn = fixture_begin(&f);
        for (size_t i = step == 0 ? 0 : 1 + random_below(4); i > 0; i--)
            change_something(txn, model);
        for (size_t n = 0; step == 0 && n < NAMESPACES; n++)
            change_namespace(txn, model, n);
        if (step > 0 && chance(20)) {
            zone_txn_free(TAKE(f.txn));
            copy_model(model, before);
        } else {
            struct lines old = published_lines(&f, zones_current(f.zones));
            bool has_changes = zone_txn_has_changes(txn);
            uint32_t serial = serial_of(&f, "cluster.local.");
            fixture_commit(&f);
            struct lines now = published_lines(&f, zones_current(f.zones));
            bool differs = old.count != now.count;
            for (size_t i = 0; !differs && i < now.count; i++)
                differs = strcmp(old.line[i], now.line[i]) != 0;
            assert_int_equal(has_changes, differs || step == 0);
            if (serial_of(&f, "cluster.local.") != serial)
                assert_true(has_changes);
            free_lines(&old);
            free_lines(&now);
        }
        struct lines want = slow_lines(&f, model);
        struct lines have = published_lines(&f, zones_current(f.zones));
        compare_all(&have, &want, "now", seed, step);
        free_lines(&want);
        free_lines(&have);
        if (step % 16 == 0 || step == steps - 1) {
            compare_with_fresh(&f, model);
            keep_version(&f, &kept, seed, step);
        }
    }
    free_lines(&kept.lines);
    publish_unpin(kept.pin);
    free(model);
    free(before);
    fixture_fini(&f);
    random_seed(0);
}

static void names_are_those_of_a_slow_reading_of_the_rules(void **state)
{
    (void)state;
    const char *first = getenv("ZONES_SEED");
    uint64_t from = first ? strtoull(first, NULL, 10) : 1;
    for (uint64_t seed = from; seed < from + (first ? 1 : 40); seed++)
        run(seed, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_a_slow_reading_of_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
