/* zones/pod_txn.c - pod records (K-PODS, `verified`); declared in zone_txn.h.
 *
 * Several pods can have one address (host network): the dashed name is there while any of them is,
 * so its node counts them. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "zones/hash.h"
#include "zones/zones_state.h"

#define TABLE_MIN 64

/* Any number of slots, not only powers of two, so that growing by a quarter keeps the table well
 * filled. */
static size_t home_of(const struct pod_table *table, uint64_t pod)
{
    return (size_t)((pod >> 32) * table->slots >> 32);
}

static size_t next_slot(const struct pod_table *table, size_t at)
{
    return at + 1 == table->slots ? 0 : at + 1;
}

static size_t distance(const struct pod_table *table, size_t from, size_t to)
{
    return to >= from ? to - from : to + table->slots - from;
}

static void table_insert(struct pod_table *table, struct pod_entry entry)
{
    size_t at = home_of(table, entry.pod);
    while (table->slot[at].node)
        at = next_slot(table, at);
    table->slot[at] = entry;
}

static void table_resize(struct pod_table *table, size_t slots)
{
    struct pod_table old = *table;
    CHECK(slots <= UINT32_MAX);
    table->slot = xcalloc(slots, sizeof *table->slot);
    table->slots = slots;
    for (size_t i = 0; i < old.slots; i++) {
        if (old.slot[i].node)
            table_insert(table, old.slot[i]);
    }
    free(old.slot);
}

static void table_add(struct pod_table *table, struct pod_entry entry)
{
    if ((table->used + 1) * 8 > table->slots * 7)
        table_resize(table, table->slots + table->slots / 5 + TABLE_MIN);
    table_insert(table, entry);
    table->used++;
}

static void table_remove(struct pod_table *table, struct pod_entry entry)
{
    size_t gap = home_of(table, entry.pod);
    while (table->slot[gap].pod != entry.pod || table->slot[gap].node != entry.node) {
        CHECK(table->slot[gap].node);
        gap = next_slot(table, gap);
    }
    for (size_t i = next_slot(table, gap); table->slot[i].node; i = next_slot(table, i)) {
        size_t home = home_of(table, table->slot[i].pod);
        if (distance(table, home, i) >= distance(table, gap, i)) {
            table->slot[gap] = table->slot[i];
            gap = i;
        }
    }
    table->slot[gap] = (struct pod_entry){0};
    table->used--;
    if (table->slots > 4 * (size_t)TABLE_MIN && table->used * 4 < table->slots)
        table_resize(table, table->slots / 2);
}

static void undo_push(struct zone_txn *txn, bool is_added, struct pod_entry entry)
{
    if (txn->pod_undo_count == txn->pod_undo_cap) {
        txn->pod_undo_cap = txn->pod_undo_cap * 2 + 16;
        txn->pod_undo = xrealloc(txn->pod_undo, txn->pod_undo_cap * sizeof *txn->pod_undo);
    }
    txn->pod_undo[txn->pod_undo_count++] = (struct pod_undo){is_added, entry};
}

void pod_table_undo(struct pod_table *table, const struct pod_undo *undo)
{
    if (undo->is_added) {
        table_remove(table, undo->entry);
        undo->entry.node->holders--;
    } else {
        table_add(table, undo->entry);
        undo->entry.node->holders++;
    }
}

/* One more, or one less, pod has the name. */
static void add_entry(struct zone_txn *txn, struct pod_entry entry)
{
    table_add(&txn->zones->pods, entry);
    entry.node->holders++;
    undo_push(txn, true, entry);
}

static void del_entry(struct zone_txn *txn, struct pod_entry entry)
{
    table_remove(&txn->zones->pods, entry);
    undo_push(txn, false, entry);
    if (--entry.node->holders == 0)
        txn_del(txn, entry.node);
}

static uint64_t pod_hash(const struct zones *zones, const char *ns, const char *pod)
{
    uint64_t hash = hash_keyed(zones->pod_key, ns, strlen(ns));
    return hash_join(hash_keyed(zones->pod_key, pod, strlen(pod)), hash);
}

static bool shows_address(const struct zone_node *node, const struct naming_address *address)
{
    const struct rrset *set = node->set[0];
    return set->type == (address->len == 4 ? RR_A : RR_AAAA) &&
           memcmp(rrset_address(set, 0), address->bytes, address->len) == 0;
}

/* The entries of one pod, copied: the table moves while they are removed. */
static size_t find_entries(const struct pod_table *table, uint64_t pod, struct pod_entry *out,
                           size_t room)
{
    size_t n = 0;
    if (!table->slot)
        return 0;
    for (size_t at = home_of(table, pod); table->slot[at].node; at = next_slot(table, at)) {
        if (table->slot[at].pod != pod)
            continue;
        if (n < room)
            out[n] = table->slot[at];
        n++;
    }
    return n;
}

static void add_address(struct zone_txn *txn, const char *ns, uint64_t pod,
                        const struct naming_address *address)
{
    struct zones *zones = txn->zones;
    char label[64];
    struct name_builder name;
    naming_dashed(address, label);
    name_begin(&name);
    name_add_text(&name, label);
    name_add_text(&name, ns);
    if (!name_end(&name, zones->pod_root))
        return;
    struct zone_node *node = txn_find(txn, name.wire);
    if (!node) {
        struct rrset *set =
            rrset_new_addresses(address->len == 4 ? RR_A : RR_AAAA, zones->opts.ttl_s, 1);
        rrset_put_address(set, 0, address->bytes);
        set = rrset_pool_intern(&zones->pool, set);
        node = txn_put(txn, name.wire, name.len, zones->cluster, &set, 1);
    }
    add_entry(txn, (struct pod_entry){pod, node});
}

static bool has_address(const struct naming_address *addresses, size_t count,
                        const struct zone_node *node)
{
    for (size_t i = 0; i < count; i++) {
        if (shows_address(node, &addresses[i]))
            return true;
    }
    return false;
}

static bool has_entry(const struct pod_entry *entries, size_t count,
                      const struct naming_address *address)
{
    for (size_t i = 0; i < count; i++) {
        if (shows_address(entries[i].node, address))
            return true;
    }
    return false;
}

static bool is_repeated(const struct naming_address *addresses, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (naming_address_equal(&addresses[k], &addresses[i]))
            return true;
    }
    return false;
}

void zone_txn_put_pod(struct zone_txn *txn, const char *ns, const char *pod,
                      const struct naming_address *addresses, size_t count)
{
    struct zones *zones = txn->zones;
    if (zones->opts.pods != PODS_VERIFIED ||
        (count > 0 && !txn_find_book(txn, BOOK_NAMESPACE, ns, NULL)))
        return;
    uint64_t hash = pod_hash(zones, ns, pod);
    struct pod_entry few[8];
    struct pod_entry *entries = few;
    size_t before = find_entries(&zones->pods, hash, few, ARRAY_SIZE(few));
    if (before > ARRAY_SIZE(few)) {
        entries = xmalloc(before * sizeof *entries);
        find_entries(&zones->pods, hash, entries, before);
    }
    for (size_t i = 0; i < count; i++) {
        if (!has_entry(entries, before, &addresses[i]) && !is_repeated(addresses, i))
            add_address(txn, ns, hash, &addresses[i]);
    }
    for (size_t i = 0; i < before; i++) {
        if (!has_address(addresses, count, entries[i].node))
            del_entry(txn, entries[i]);
    }
    if (entries != few)
        free(entries);
}

void zone_txn_del_pod(struct zone_txn *txn, const char *ns, const char *pod)
{
    zone_txn_put_pod(txn, ns, pod, NULL, 0);
}

/* True when some pod of the namespace still has a record. */
static bool has_pods(const struct zone_txn *txn, const uint8_t *ns_name)
{
    uint8_t key[NAME_MAX_KEY];
    struct cow_near near;
    cow_near(&node_cow_type, cow_head(txn->zones->names), key, name_key(ns_name, key), &near);
    return near.is_prefix;
}

void txn_del_pods_of(struct zone_txn *txn, const uint8_t *ns_name)
{
    struct pod_table *table = &txn->zones->pods;
    if (!has_pods(txn, ns_name))
        return;
    /* pods leave before their namespace does, so this walk over all is for sources that do not keep
     * that order */
    struct pod_entry *doomed = xmalloc(table->used * sizeof *doomed);
    size_t n = 0;
    for (size_t i = 0; i < table->slots; i++) {
        if (table->slot[i].node && name_is_under(node_name(table->slot[i].node), ns_name))
            doomed[n++] = table->slot[i];
    }
    for (size_t i = 0; i < n; i++)
        del_entry(txn, doomed[i]);
    free(doomed);
}
