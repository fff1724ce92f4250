/* zones/apex.c - the zones we serve and the names that are always there; declared in zones_state.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "zones/reverse.h"
#include "zones/zones_state.h"

#define SOA_REFRESH      7200
#define SOA_RETRY        1800
#define SOA_EXPIRE       86400
#define NEGATIVE_TTL_MAX 300   /* K-NEGTTL */
#define VERSION_TTL      28800 /* K-VER */

static int prefixed(const char *label, const uint8_t *parent, uint8_t out[NAME_MAX_WIRE])
{
    struct name_builder b;
    name_begin(&b);
    name_add_text(&b, label);
    if (!name_end(&b, parent))
        return ERR_INVALID;
    memcpy(out, b.wire, b.len);
    return 0;
}

/* Keys of nodes are compared without escapes (zones/node.c), and nobody needs more than host names
 * and underscores. */
static bool has_plain_labels(const uint8_t *wire)
{
    for (; *wire != 0; wire += 1 + *wire) {
        for (uint8_t i = 1; i <= *wire; i++) {
            uint8_t c = wire[i];
            if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
                return false;
        }
    }
    return true;
}

static void add_zone(struct zones *zones, const uint8_t *name, bool reverse)
{
    for (size_t i = 0; i < zones->info_count; i++) {
        if (name_equal(zones->info[i].name, name))
            return;
    }
    zones->info = xrealloc(zones->info, (zones->info_count + 1) * sizeof *zones->info);
    struct zone_info *info = &zones->info[zones->info_count++];
    *info = (struct zone_info){.reverse = reverse, .parent = ZONE_NO_PARENT};
    info->name_len = name_wire_len(name, NAME_MAX_WIRE);
    memcpy(info->name, name, info->name_len);
    info->key_len = name_key(name, info->key);
}

static void add_reverse_zone(void *arg, const uint8_t *name)
{
    add_zone(arg, name, true);
}

static int compare_zones(const void *a, const void *b)
{
    const struct zone_info *x = a;
    const struct zone_info *y = b;
    size_t common = x->key_len < y->key_len ? x->key_len : y->key_len;
    int order = memcmp(x->key, y->key, common);
    return order != 0 ? order : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

static bool encloses(const struct zone_info *outer, const struct zone_info *inner)
{
    return outer->key_len <= inner->key_len && memcmp(outer->key, inner->key, outer->key_len) == 0;
}

static void sort_zones(struct zones *zones)
{
    qsort(zones->info, zones->info_count, sizeof *zones->info, compare_zones);
    for (size_t i = 0; i < zones->info_count; i++) {
        struct zone_info *info = &zones->info[i];
        if (!info->reverse)
            zones->cluster = (uint16_t)i;
        uint16_t outer = i > 0 ? (uint16_t)(i - 1) : ZONE_NO_PARENT;
        while (outer != ZONE_NO_PARENT && !encloses(&zones->info[outer], info))
            outer = zones->info[outer].parent;
        info->parent = outer;
    }
}

uint16_t zones_info_find(const struct zones *zones, const uint8_t *name)
{
    struct zone_info wanted;
    wanted.key_len = name_key(name, wanted.key);
    size_t low = 0;
    size_t high = zones->info_count;
    while (low < high) { /* the first zone after the name */
        size_t middle = low + (high - low) / 2;
        if (compare_zones(&zones->info[middle], &wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    /* whatever lies between an enclosing zone and the name in the order of keys is inside that zone
     * too */
    uint16_t at = low > 0 ? (uint16_t)(low - 1) : ZONE_NO_PARENT;
    while (at != ZONE_NO_PARENT && !encloses(&zones->info[at], &wanted))
        at = zones->info[at].parent;
    return at;
}

int apex_init(struct zones *zones, const struct zones_opts *opts, struct err *e)
{
    static const uint8_t arpa[] = "\4arpa";
    uint8_t dns[NAME_MAX_WIRE];
    uint8_t version[NAME_MAX_WIRE];
    struct err why = {0};
    if (name_parse(opts->zone_name, zones->zone, &why) < 0)
        return err_set(e, ERR_INVALID, "zone.name: %.500s", why.text);
    if (zones->zone[0] == 0 || !has_plain_labels(zones->zone) || name_is_under(zones->zone, arpa))
        return err_set(e, ERR_INVALID, "zone.name: \"%.300s\" cannot be a cluster zone",
                       opts->zone_name);
    if (prefixed("svc", zones->zone, zones->svc_root) < 0 ||
        prefixed("pod", zones->zone, zones->pod_root) < 0 ||
        prefixed("dns", zones->zone, dns) < 0 || prefixed("ns", dns, zones->ns_name) < 0 ||
        prefixed("hostmaster", zones->zone, zones->host_master) < 0 ||
        prefixed("dns-version", zones->zone, version) < 0)
        return err_set(e, ERR_INVALID, "zone.name: \"%.300s\" leaves no room for names below it",
                       opts->zone_name);
    if (opts->ns_address_count == 0)
        return err_set(e, ERR_INVALID, "zone.ns-address: at least one address is needed");
    add_zone(zones, zones->zone, false);
    for (size_t i = 0; i < opts->reverse_count; i++) {
        int rc = reverse_zones(opts->reverse[i], add_reverse_zone, zones, e);
        if (rc < 0)
            return rc;
        if (zones->info_count >= ZONE_NO_PARENT)
            return err_set(e, ERR_INVALID, "zone.reverse: more than %d zones", ZONE_NO_PARENT - 1);
    }
    sort_zones(zones);
    zones->opts = *opts;
    if (zones->opts.negative_ttl_s > NEGATIVE_TTL_MAX)
        zones->opts.negative_ttl_s = NEGATIVE_TTL_MAX;
    zones->naming = (struct naming_opts){
        .svc_root = zones->svc_root,
        .has_pod_names = opts->endpoint_names == ENDPOINT_NAMES_POD,
        .is_headless_only = opts->endpoint_records == ENDPOINT_RECORDS_HEADLESS,
        .ignore_empty_service = opts->ignore_empty_service};
    return 0;
}

static void put32(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* K-APEX. */
static struct rrset *make_soa(struct zones *zones, uint32_t serial, uint32_t ttl)
{
    uint8_t record[2 + 2 * NAME_MAX_WIRE + 20];
    size_t len = 2;
    size_t name_len = name_wire_len(zones->ns_name, NAME_MAX_WIRE);
    memcpy(record + len, zones->ns_name, name_len);
    len += name_len;
    name_len = name_wire_len(zones->host_master, NAME_MAX_WIRE);
    memcpy(record + len, zones->host_master, name_len);
    len += name_len;
    const uint32_t numbers[] = {serial, SOA_REFRESH, SOA_RETRY, SOA_EXPIRE,
                                zones->opts.negative_ttl_s};
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++, len += 4)
        put32(record + len, numbers[i]);
    record[0] = (uint8_t)((len - 2) >> 8);
    record[1] = (uint8_t)(len - 2);
    return rrset_pool_adopt(&zones->pool, rrset_new_raw(RR_SOA, ttl, 1, record, len));
}

/* Takes the references of the NS and PTR sets. */
static void put_apex(struct zone_txn *txn, uint16_t index, struct rrset *ns, struct rrset *ptr)
{
    struct zones *zones = txn->zones;
    const struct zone_info *info = &zones->info[index];
    struct rrset *sets[] = {ns, make_soa(zones, info->serial, zones->opts.ttl_s), ptr};
    struct rrset *negative = make_soa(zones, info->serial, zones->opts.negative_ttl_s);
    txn_put_node(txn,
                 node_new(info->name, info->name_len, index, sets, ARRAY_SIZE(sets), negative));
}

void apex_put_soa(struct zone_txn *txn, uint16_t index)
{
    const struct zone_node *node = txn_find(txn, txn->zones->info[index].name);
    CHECK(node);
    struct rrset *ns = node_set(node, RR_NS);
    struct rrset *ptr = node_set(node, RR_PTR);
    rrset_ref(ns);
    if (ptr)
        rrset_ref(ptr);
    put_apex(txn, index, ns, ptr);
}

static struct zone_node *put_ns_node(struct zone_txn *txn, const struct naming_address *addresses,
                                     size_t count)
{
    struct zones *zones = txn->zones;
    struct rrset *sets[2] = {NULL, NULL};
    for (int family = 0; family < 2; family++) {
        const struct naming_address *distinct[64];
        size_t n = 0;
        for (size_t i = 0; i < count && n < ARRAY_SIZE(distinct); i++) {
            bool is_known = false;
            for (size_t k = 0; k < n; k++)
                is_known = is_known || naming_address_equal(distinct[k], &addresses[i]);
            if (!is_known && (addresses[i].len == 16) == (family == 1))
                distinct[n++] = &addresses[i];
        }
        if (n == 0)
            continue;
        sets[family] = rrset_new_addresses(family == 0 ? RR_A : RR_AAAA, zones->opts.ttl_s, n);
        for (size_t i = 0; i < n; i++)
            rrset_put_address(sets[family], i, distinct[i]->bytes);
        rrset_pool_adopt(&zones->pool, sets[family]);
    }
    size_t len = name_wire_len(zones->ns_name, NAME_MAX_WIRE);
    return txn_put(txn, zones->ns_name, len, zones->cluster, sets, 2);
}

void zone_txn_put_ns(struct zone_txn *txn, const struct naming_address *addresses, size_t count)
{
    struct zones *zones = txn->zones;
    CHECK(count > 0);
    zones->ns_node = put_ns_node(txn, addresses, count);
    uintptr_t target = (uintptr_t)zones->ns_node;
    struct rrset *ns = rrset_new_ptr(RR_NS, zones->opts.ttl_s, &target, 1, 1);
    rrset_pool_adopt(&zones->pool, ns);
    for (size_t i = 0; i < zones->info_count; i++) { /* NS sets point to the node */
        const struct zone_node *node = txn_find(txn, zones->info[i].name);
        struct rrset *ptr = node ? node_set(node, RR_PTR) : NULL;
        if (ptr)
            rrset_ref(ptr);
        rrset_ref(ns);
        put_apex(txn, (uint16_t)i, ns, ptr);
    }
    rrset_unref(&zones->pool, ns);
}

void apex_put_all(struct zone_txn *txn, const struct zones_opts *opts)
{
    static const uint8_t schema[] = {0, 6, 5, '1', '.', '1', '.', '0'};
    struct zones *zones = txn->zones;
    zone_txn_put_ns(txn, opts->ns_addresses, opts->ns_address_count);
    uint8_t name[NAME_MAX_WIRE];
    CHECK(prefixed("dns-version", zones->zone, name) == 0);
    struct rrset *version = rrset_new_raw(RR_TXT, VERSION_TTL, 1, schema, sizeof schema);
    rrset_pool_adopt(&zones->pool, version);
    txn_put(txn, name, name_wire_len(name, NAME_MAX_WIRE), zones->cluster, &version, 1);
    txn_put(txn, zones->svc_root, name_wire_len(zones->svc_root, NAME_MAX_WIRE), zones->cluster,
            NULL, 0);
    txn_put(txn, zones->pod_root, name_wire_len(zones->pod_root, NAME_MAX_WIRE), zones->cluster,
            NULL, 0);
}

uint32_t serial_next(uint32_t now, uint64_t revision)
{
    uint32_t next = (uint32_t)revision;
    uint32_t ahead = next - now;
    return ahead != 0 && ahead < 0x80000000u ? next : now + 1;
}
