#include "zones/zone.h"

#include <string.h>

#include "base/check.h"
#include "zones/naming.h"
#include "zones/node.h"

#define PREFETCHED_TARGETS 8

/* The innermost zone around a name of which `leaf` is a nearest neighbour: a leaf that shares
 * `common` octets of the key lies in that zone or in one inside it, and a zone encloses the name
 * when its whole key is among those octets. */
static const struct zone_apex *enclosing_apex(const struct zone_version *version,
                                              const struct zone_node *leaf, size_t common)
{
    if (!leaf)
        return NULL;
    const struct zone_apex *apex = &version->apexes[leaf->apex];
    while (apex->key_len > common) {
        if (apex->parent == ZONE_NO_PARENT)
            return NULL;
        apex = &version->apexes[apex->parent];
    }
    return apex;
}

const struct zone_apex *zone_apex_find(const struct zone_version *version, const uint8_t *name)
{
    uint8_t key[NAME_MAX_KEY];
    size_t len = name_key(name, key);
    struct cow_near near;
    cow_near(&node_cow_type, version->names, key, len, &near);
    return enclosing_apex(version, near.leaf, near.common);
}

static void match_node(const struct zone_node *node, uint16_t type, struct zone_match *out)
{
    out->node = node;
    out->kind = MATCH_NODATA;
    for (size_t i = 0; i < node->set_count; i++) {
        const struct rrset *set = node->set[i];
        bool is_cname = set->type == RR_CNAME;
        if (set->type == type || is_cname) {
            out->set = set;
            out->kind = set->type == type || type == RR_ANY ? MATCH_EXACT : MATCH_CNAME;
            return;
        }
    }
    if (type == RR_ANY && node->set_count > 0)
        out->kind = MATCH_ANY;
}

/* Pods `insecure`: any well-formed dashed address directly below an existing <ns>.pod.Z (K-PODS).
 */
static bool match_synthetic(const struct zone_version *version, const struct name_lookup *name,
                            uint16_t type, struct zone_match *out)
{
    size_t label = name->wire[0];
    struct naming_address address;
    if (version->pods != PODS_INSECURE || label == 0 ||
        !naming_undash(name->wire + 1, label, &address))
        return false;
    /* a label of hexadecimal digits and hyphens needs no escapes in the key */
    const struct zone_node *parent =
        cow_find(&node_cow_type, version->names, name->key, name->key_len - label - 1);
    if (!parent || !parent->is_pod_namespace)
        return false;
    out->kind = MATCH_NODATA;
    if (type == RR_ANY) {
        out->kind = MATCH_ANY;
    } else if (type == (address.len == 4 ? RR_A : RR_AAAA)) {
        out->kind = MATCH_SYNTH;
        out->synth_len = address.len;
        memcpy(out->synth, address.bytes, address.len);
    }
    return true;
}

/* A reverse zone whose unknown names are forwarded answers for full addresses known here alone
 * (K-REV). */
static bool falls_through(const struct zone_version *version, const struct zone_apex *apex,
                          const struct zone_node *node)
{
    return apex->reverse && version->reverse_fallthrough && (!node || !node_set(node, RR_PTR));
}

/* A name that is no node; `closest` is what the search led to. */
static __attribute__((noinline)) void find_missing(const struct zone_version *version,
                                                   const struct name_lookup *wanted,
                                                   const struct zone_node *closest, uint16_t type,
                                                   struct zone_match *out)
{
    size_t common = closest ? node_common(closest, wanted->wire, wanted->wire_len) : 0;
    out->apex = enclosing_apex(version, closest, common);
    if (!out->apex || falls_through(version, out->apex, NULL)) {
        out->apex = NULL;
        out->kind = MATCH_OUTSIDE;
    } else if (common == wanted->key_len) { /* the way led to names below this one */
        out->kind = MATCH_NODATA;           /* an empty non-terminal (K-ENT) */
    } else if (!match_synthetic(version, wanted, type, out)) {
        out->kind = MATCH_NXDOMAIN;
    }
}

/* A hit is told by comparing names as they stand. */
static inline void find(const struct zone_version *version, const struct name_lookup *wanted,
                        const struct zone_node *closest, uint16_t type, struct zone_match *out)
{
    out->node = NULL;
    out->set = NULL;
    out->synth_len = 0;
    if (!closest || closest->name_len != wanted->wire_len ||
        memcmp(node_name(closest), wanted->wire, wanted->wire_len) != 0) {
        find_missing(version, wanted, closest, type, out);
        return;
    }
    out->apex = &version->apexes[closest->apex];
    if (!falls_through(version, out->apex, closest)) {
        match_node(closest, type, out);
    } else {
        out->apex = NULL;
        out->kind = MATCH_OUTSIDE;
    }
}

void zone_find_name(const struct zone_version *version, const struct name_lookup *name,
                    uint16_t type, struct zone_match *out)
{
    bool below;
    const struct zone_node *closest = cow_closest(version->names, name->key, name->key_len, &below);
    find(version, name, closest, type, out);
}

void zone_find(const struct zone_version *version, const uint8_t *name, uint16_t type,
               struct zone_match *out)
{
    struct name_lookup wanted;
    CHECK(name_lookup_read(&wanted, name, NAME_MAX_WIRE) > 0);
    zone_find_name(version, &wanted, type, out);
}

void zone_find_searched(const struct zone_version *version, const struct zone_search *search,
                        uint16_t type, struct zone_match *out)
{
    find(version, &search->name, search->leaf, type, out);
}

/* SRV brings names and addresses of its targets: two more waits each, which overlap this way. */
static void prefetch_targets(const struct rrset *set)
{
    for (size_t i = 0; i < rrset_count(set) && i < PREFETCHED_TARGETS; i++) {
        const struct zone_node *target = rrset_target(set, i, NULL);
        __builtin_prefetch(target);
        __builtin_prefetch((const char *)target + 64);
    }
}

void zone_search_all(const struct zone_version *version, struct zone_search *searches, size_t count)
{
    struct cow_search keys[ZONE_SEARCHES];
    for (size_t i = 0; i < count; i++)
        keys[i] = (struct cow_search){.key = searches[i].name.key, .len = searches[i].name.key_len};
    cow_closest_all(version->names, keys, count);
    for (size_t i = 0; i < count; i++) {
        searches[i].leaf = keys[i].leaf;
        __builtin_prefetch((const char *)keys[i].leaf + 64); /* its name; the start is on the way */
    }
    for (size_t i = 0; i < count; i++) {
        const struct zone_node *node = searches[i].leaf;
        if (node && node->set_count > 0)
            __builtin_prefetch(node->set[0]);
    }
    for (size_t i = 0; i < count; i++) {
        const struct zone_node *node = searches[i].leaf;
        if (node && node->set_count > 0 && node->set[0]->type == RR_SRV)
            prefetch_targets(node->set[0]);
    }
}

void zone_walk_init(struct zone_walk *walk, const struct zone_version *version,
                    const struct zone_apex *apex)
{
    walk->version = version;
    walk->apex = apex;
    walk->apex_key_len = name_key(node_name(apex->node), walk->apex_key);
    cow_seek(&walk->cursor, &node_cow_type, version->names, walk->apex_key, walk->apex_key_len,
             false);
}

const struct zone_node *zone_walk_next(struct zone_walk *walk)
{
    struct cow_cursor *cur = &walk->cursor;
    for (;;) {
        const struct zone_node *node = cur->leaf;
        if (!node || cur->key_len < walk->apex_key_len ||
            memcmp(cur->key, walk->apex_key, walk->apex_key_len) != 0)
            return NULL;
        cow_next(cur);
        if (&walk->version->apexes[node->apex] ==
            walk->apex) /* else it belongs to a zone inside this one */
            return node;
    }
}
