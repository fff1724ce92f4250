/* zones/zones.c - life, memory and serials of the whole state; declared in zones/zone_txn.h. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/random.h"
#include "zones/reason_leaf.h"
#include "zones/sizes.h"
#include "zones/zones_state.h"

#define RECLAIM_BUDGET 16 /* entries: batches of nodes, branches of one version, versions */

int zones_new(const struct zones_opts *opts, unsigned slots, struct zones **out, struct err *e)
{
    struct zones *zones = xcalloc(1, sizeof *zones);
    int rc = apex_init(zones, opts, e);
    if (rc < 0) {
        free(zones->info);
        free(zones);
        return rc;
    }
    random_bytes(zones->pod_key, sizeof zones->pod_key);
    zones->names = cow_new(&node_cow_type);
    zones->books = cow_new(&book_cow_type);
    zones->reasons = cow_new(&reason_cow_type);
    zones->publish = publish_new(slots, NULL);
    rrset_pool_init(&zones->pool);
    naming_plan_init(&zones->plan);
    struct zone_txn *txn = zone_txn_new(zones);
    apex_put_all(txn, opts);
    zone_txn_publish(txn, 0);
    /* what the options pointed to is the caller's again */
    zones->opts.zone_name = NULL;
    zones->opts.ns_addresses = NULL;
    zones->opts.reverse = NULL;
    *out = zones;
    return 0;
}

/* All leaves of a tree, in an array of the caller's. */
static void **take_leaves(struct cow *tree, const struct cow_type *type, size_t *count)
{
    struct cow_root root = cow_committed(tree);
    void **leaves = xmalloc((root.leaves + 1) * sizeof *leaves);
    struct cow_cursor cur;
    size_t n = 0;
    for (cow_seek(&cur, type, root, NULL, 0, false); cur.leaf; cow_next(&cur))
        leaves[n++] = own(cur.leaf);
    *count = n;
    return leaves;
}

void zones_free(struct zones *zones)
{
    if (!zones)
        return;
    CHECK(!zones->open);
    void *version = own(publish_current(zones->publish));
    publish_free(zones->publish);
    size_t count;
    void **leaves = take_leaves(zones->names, &node_cow_type, &count);
    cow_free(zones->names);
    for (size_t i = 0; i < count; i++)
        node_free(leaves[i], &zones->pool);
    free(leaves);
    leaves = take_leaves(zones->books, &book_cow_type, &count);
    cow_free(zones->books);
    for (size_t i = 0; i < count; i++)
        free(leaves[i]);
    free(leaves);
    leaves = take_leaves(zones->reasons, &reason_cow_type, &count);
    cow_free(zones->reasons);
    for (size_t i = 0; i < count; i++)
        free(leaves[i]);
    free(leaves);
    rrset_pool_fini(&zones->pool);
    naming_plan_fini(&zones->plan);
    free(zones->pods.slot);
    free(version);
    free(zones->info);
    free(zones);
}

struct publish *zones_publish(struct zones *zones)
{
    return zones->publish;
}

const struct zone_version *zones_current(const struct zones *zones)
{
    return publish_current(zones->publish);
}

bool zones_reclaim(struct zones *zones)
{
    size_t left = publish_reclaim(zones->publish, RECLAIM_BUDGET);
    size_t freed = zones->pending - left;
    zones->pending = left;
    return left > 0 && freed >= RECLAIM_BUDGET; /* fewer: the rest waits for readers */
}

size_t zones_garbage(const struct zones *zones)
{
    return zones->pending;
}

size_t zones_serial_count(const struct zones *zones)
{
    return zones->info_count;
}

void zones_serial_get(const struct zones *zones, size_t i, char name[NAME_TEXT_MAX],
                      uint32_t *serial)
{
    name_format(zones->info[i].name, name);
    *serial = zones->info[i].serial;
}

uint64_t zones_serial_digest(const struct zones *zones, size_t i)
{
    return zones->info[i].digest;
}

void zones_serial_restore(struct zones *zones, const char *name, uint32_t serial, uint64_t digest)
{
    uint8_t wire[NAME_MAX_WIRE];
    if (name_parse(name, wire, NULL) < 0)
        return;
    for (size_t i = 0; i < zones->info_count; i++) {
        struct zone_info *info = &zones->info[i];
        if (!name_equal(info->name, wire))
            continue;
        info->has_restored = true;
        info->restored_serial = serial;
        info->restored_digest = digest;
    }
}

void zones_stats(const struct zones *zones, struct zones_stats *out)
{
    size_t tables = (zones->pool.mask + 1) * sizeof(struct rrset *);
    tables += zones->pods.slots * sizeof(struct pod_entry);
    *out =
        (struct zones_stats){.names = cow_committed(zones->names).leaves,
                             .services = zones->services,
                             .bytes = zones->node_bytes + zones->pool.bytes + zones->book_bytes +
                                      tables + cow_bytes(zones->names) + cow_bytes(zones->books) +
                                      zones->reason_bytes + cow_bytes(zones->reasons),
                             .ignored_hostnames = zones->ignored_hostnames,
                             .too_long_names = zones->too_long_names};
}
