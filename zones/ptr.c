/* zones/ptr.c - who gives an address its reverse name; declared in zones_state.h.
 *
 * The PTR set of a reverse name keeps the contribution of every Service, best rank first:
 * ClusterIPs, then explicit hostnames, then addresses. How many are shown is the policy (K-REV);
 * the rest waits for the better ones to leave. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "zones/reverse.h"
#include "zones/zones_state.h"

static size_t count_shown(const struct zones *zones, const uintptr_t *targets, size_t total)
{
    enum ptr_rank best = (enum ptr_rank)(targets[0] & PTR_RANK_MASK);
    if (best == PTR_ADDRESS || (best == PTR_HOSTNAME && zones->opts.ptr == PTR_ALL))
        return total;
    size_t n = 0;
    while (n < total && (targets[n] & PTR_RANK_MASK) == (uintptr_t)best)
        n++;
    return n;
}

/* Copies the contributions without `was` and with `now` in the place of its rank; returns how many
 * there are. */
static size_t merge(const uintptr_t *old, size_t total, const struct zone_node *was, uintptr_t now,
                    uintptr_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < total; i++) {
        if ((old[i] & ~PTR_RANK_MASK) == (uintptr_t)was)
            continue;
        if (now && (old[i] & PTR_RANK_MASK) > (now & PTR_RANK_MASK)) {
            out[n++] = now;
            now = 0;
        }
        out[n++] = old[i];
    }
    if (now)
        out[n++] = now;
    return n;
}

/* Puts the reverse name with these contributions and whatever else it owns (an apex may be a full
 * address). */
static void put_targets(struct zone_txn *txn, const struct zone_node *node, const uint8_t *name,
                        size_t name_len, uint16_t apex, const uintptr_t *targets, size_t total)
{
    struct zones *zones = txn->zones;
    struct rrset *ptr = NULL;
    if (total > 0) {
        ptr = rrset_new_ptr(RR_PTR, zones->opts.ttl_s, targets, total,
                            count_shown(zones, targets, total));
        ptr = rrset_pool_adopt(&zones->pool, ptr);
    }
    if (!node || !node_set(node, RR_SOA)) {
        if (ptr)
            txn_put(txn, name, name_len, apex, &ptr, 1);
        else if (node)
            txn_del(txn, node);
        return;
    }
    struct rrset *sets[] = {node_set(node, RR_NS), node_set(node, RR_SOA), ptr};
    struct rrset *hidden = node->set[node->set_count];
    rrset_ref(sets[0]);
    rrset_ref(sets[1]);
    rrset_ref(hidden);
    txn_put_node(txn, node_new(name, name_len, apex, sets, ARRAY_SIZE(sets), hidden));
}

void txn_change_ptr(struct zone_txn *txn, const struct naming_address *address,
                    const struct zone_node *was, const struct zone_node *now, enum ptr_rank rank)
{
    uint8_t name[NAME_MAX_WIRE];
    size_t name_len = reverse_name(address, name);
    uint16_t apex = zones_info_find(txn->zones, name);
    if (apex == ZONE_NO_PARENT || !txn->zones->info[apex].reverse)
        return;
    const struct zone_node *node = txn_find(txn, name);
    const struct rrset *set = node ? node_set(node, RR_PTR) : NULL;
    size_t total = 0;
    const uintptr_t *old = set ? rrset_ptr_all(set, &total) : NULL;
    uintptr_t few[16];
    uintptr_t *targets =
        total + 1 <= ARRAY_SIZE(few) ? few : xmalloc((total + 1) * sizeof *targets);
    size_t n = merge(old, total, was, now ? (uintptr_t)now | (uintptr_t)rank : 0, targets);
    if (n != total || (n > 0 && memcmp(old, targets, n * sizeof *targets) != 0))
        put_targets(txn, node, name, name_len, apex, targets, n);
    if (targets != few)
        free(targets);
}
