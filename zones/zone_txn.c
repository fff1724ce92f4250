#include "zones/zone_txn.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "zones/reason_leaf.h"
#include "zones/zones_state.h"

#define BATCH_NODES 256 /* freed together, so that freeing can be budgeted */

void vector_push(struct vector *v, void *item)
{
    if (v->count == v->cap) {
        v->cap = v->cap * 2 + 16;
        v->items = xrealloc(v->items, v->cap * sizeof *v->items);
    }
    v->items[v->count++] = item;
}

/* ---- names ---- */

struct zone_node *txn_find(const struct zone_txn *txn, const uint8_t *name)
{
    uint8_t key[NAME_MAX_KEY];
    size_t len = name_key(name, key);
    return own(cow_find(&node_cow_type, cow_head(txn->zones->names), key, len));
}

static void count_node(struct zone_txn *txn, const struct zone_node *node, bool is_added)
{
    uint64_t digest = node_digest(node);
    txn->digest[node->apex] += is_added ? digest : -digest;
    txn->zones->node_bytes += is_added ? node_bytes(node) : -node_bytes(node);
}

static void node_gone(struct zone_txn *txn, struct zone_node *node)
{
    count_node(txn, node, false);
    vector_push(&txn->gone, node);
}

void txn_put_node(struct zone_txn *txn, struct zone_node *node)
{
    vector_push(&txn->made, node);
    if (node->hidden_count > 0)
        txn->apex_node[node->apex] = node;
    count_node(txn, node, true);
    struct zone_node *old = cow_set(txn->zones->names, node);
    if (old)
        node_gone(txn, old);
}

struct zone_node *txn_put(struct zone_txn *txn, const uint8_t *name, size_t name_len, uint16_t apex,
                          struct rrset *const *sets, size_t set_count)
{
    struct zone_node *node = node_new(name, name_len, apex, sets, set_count, NULL);
    txn_put_node(txn, node);
    return node;
}

void txn_del(struct zone_txn *txn, const struct zone_node *node)
{
    uint8_t key[NAME_MAX_KEY];
    size_t len = name_key(node_name(node), key);
    struct zone_node *old = cow_del(txn->zones->names, key, len);
    CHECK(old == node);
    node_gone(txn, old);
}

/* ---- namespaces ---- */

static bool namespace_name(const char *ns, const uint8_t *root, struct name_builder *out)
{
    name_begin(out);
    name_add_text(out, ns);
    return naming_is_label(ns, strnlen(ns, NAME_MAX_LABEL + 1)) && name_end(out, root);
}

void zone_txn_put_namespace(struct zone_txn *txn, const char *ns)
{
    struct zones *zones = txn->zones;
    struct name_builder name;
    if (!namespace_name(ns, zones->svc_root, &name) || txn_find_book(txn, BOOK_NAMESPACE, ns, NULL))
        return;
    txn_put_book(txn, book_new(BOOK_NAMESPACE, ns, NULL, 0, 0, false));
    txn_put(txn, name.wire, name.len, zones->cluster, NULL, 0);
    if (zones->opts.pods == PODS_DISABLED)
        return;
    CHECK(namespace_name(ns, zones->pod_root, &name));
    txn_put(txn, name.wire, name.len, zones->cluster, NULL, 0)->is_pod_namespace = 1;
}

void zone_txn_del_namespace(struct zone_txn *txn, const char *ns)
{
    struct zones *zones = txn->zones;
    struct name_builder name;
    struct book *book = txn_find_book(txn, BOOK_NAMESPACE, ns, NULL);
    if (!book)
        return;
    struct book *service;
    while ((service = txn_first_service(txn, ns)))
        txn_del_service_book(txn, service);
    CHECK(namespace_name(ns, zones->svc_root, &name));
    txn_del(txn, txn_find(txn, name.wire));
    txn_del_book(txn, book);
    if (zones->opts.pods == PODS_DISABLED)
        return;
    CHECK(namespace_name(ns, zones->pod_root, &name));
    txn_del_pods_of(txn, name.wire);
    txn_del(txn, txn_find(txn, name.wire));
}

/* ---- begin, abort, publish ---- */

struct zone_txn *zone_txn_new(struct zones *zones)
{
    CHECK(!zones->open);
    struct zone_txn *txn = xcalloc(1, sizeof *txn);
    txn->zones = zones;
    txn->digest = xmalloc(zones->info_count * sizeof *txn->digest);
    for (size_t i = 0; i < zones->info_count; i++)
        txn->digest[i] = zones->info[i].digest;
    txn->apex_node = xcalloc(zones->info_count, sizeof(void *));
    txn->services = zones->services;
    txn->node_bytes = zones->node_bytes;
    txn->book_bytes = zones->book_bytes;
    txn->reason_bytes = zones->reason_bytes;
    txn->ignored_hostnames = zones->ignored_hostnames;
    txn->too_long_names = zones->too_long_names;
    cow_begin(zones->names);
    cow_begin(zones->books);
    cow_begin(zones->reasons);
    zones->open = txn;
    return txn;
}

static void txn_drop(struct zone_txn *txn)
{
    txn->zones->open = NULL;
    free(txn->made.items);
    free(txn->gone.items);
    free(txn->made_books.items);
    free(txn->gone_books.items);
    free(txn->made_reasons.items);
    free(txn->gone_reasons.items);
    free(txn->pod_undo);
    free(txn->digest);
    free(txn->apex_node);
    free(txn);
}

void zone_txn_free(struct zone_txn *txn)
{
    if (!txn)
        return;
    struct zones *zones = txn->zones;
    cow_abort(zones->names);
    cow_abort(zones->books);
    cow_abort(zones->reasons);
    while (txn->pod_undo_count > 0)
        pod_table_undo(&zones->pods, &txn->pod_undo[--txn->pod_undo_count]);
    for (size_t i = 0; i < txn->made.count; i++)
        node_free(txn->made.items[i], &zones->pool);
    for (size_t i = 0; i < txn->made_books.count; i++)
        free(txn->made_books.items[i]);
    for (size_t i = 0; i < txn->made_reasons.count; i++)
        free(txn->made_reasons.items[i]);
    zones->services = txn->services;
    zones->node_bytes = txn->node_bytes;
    zones->book_bytes = txn->book_bytes;
    zones->reason_bytes = txn->reason_bytes;
    zones->ignored_hostnames = txn->ignored_hostnames;
    zones->too_long_names = txn->too_long_names;
    txn_drop(txn);
}

void zone_txn_loaded(struct zone_txn *txn, int64_t now_us)
{
    if (txn->zones->loaded_us == 0)
        txn->loaded_us = now_us != 0 ? now_us : 1;
}

bool zone_txn_has_changes(const struct zone_txn *txn)
{
    bool differs = txn->loaded_us != 0;
    for (size_t i = 0; i < txn->zones->info_count && !differs; i++)
        differs = txn->digest[i] != txn->zones->info[i].digest;
    return differs;
}

/* Sets the serials of the version to come and writes the SOAs of the zones that have a new one
 * (K-SERIAL). */
static void set_serials(struct zone_txn *txn, uint64_t revision)
{
    struct zones *zones = txn->zones;
    bool is_first_load = txn->loaded_us != 0;
    bool is_initial = publish_version(zones->publish) == 0;
    for (size_t i = 0; i < zones->info_count; i++) {
        struct zone_info *info = &zones->info[i];
        bool is_restored = is_first_load && info->has_restored;
        uint32_t serial = info->serial;
        if (is_restored)
            serial = info->restored_digest == txn->digest[i]
                         ? info->restored_serial
                         : serial_next(info->restored_serial, revision);
        else if (is_first_load || (is_initial && zones->loaded_us == 0))
            serial = (uint32_t)revision;
        else if (info->digest != txn->digest[i])
            serial = zones->loaded_us != 0 ? serial_next(serial, revision) : (uint32_t)revision;
        info->digest = txn->digest[i];
        if (serial == info->serial && !is_initial)
            continue;
        info->serial = serial;
        apex_put_soa(txn, (uint16_t)i);
    }
}

static struct zone_version *make_version(const struct zone_txn *txn, uint64_t revision)
{
    const struct zones *zones = txn->zones;
    const struct zone_version *old = publish_current(zones->publish);
    struct zone_version *version =
        xmalloc(sizeof *version + zones->info_count * sizeof(struct zone_apex));
    struct zone_apex *apexes = (struct zone_apex *)(version + 1);
    for (size_t i = 0; i < zones->info_count; i++) {
        const struct zone_info *info = &zones->info[i];
        const struct zone_node *node = txn->apex_node[i] ? txn->apex_node[i] : old->apexes[i].node;
        apexes[i] = (struct zone_apex){.node = node,
                                       .soa = node_set(node, RR_SOA),
                                       .negative_soa = node->set[node->set_count],
                                       .ns = node_set(node, RR_NS),
                                       .ns_node = zones->ns_node,
                                       .serial = info->serial,
                                       .key_len = (uint16_t)info->key_len,
                                       .parent = info->parent,
                                       .reverse = info->reverse};
    }
    *version = (struct zone_version){.names = cow_committed(zones->names),
                                     .reasons = cow_committed(zones->reasons),
                                     .apexes = apexes,
                                     .apex_count = zones->info_count,
                                     .pods = zones->opts.pods,
                                     .reverse_fallthrough = zones->opts.reverse_fallthrough,
                                     .cluster_node = apexes[zones->cluster].node,
                                     .revision = revision,
                                     .loaded_us = zones->loaded_us,
                                     .positive_ttl = zones->opts.ttl_s};
    return version;
}

/* Nodes that leave together. */
struct node_batch {
    struct zones *zones;
    size_t count;
    struct zone_node *node[];
};

static void free_batch(void *ptr)
{
    struct node_batch *batch = ptr;
    for (size_t i = 0; i < batch->count; i++)
        node_free(batch->node[i], &batch->zones->pool);
    free(batch);
}

static void free_garbage(void *ptr)
{
    cow_garbage_free(ptr);
    free(ptr);
}

static size_t garbage_bytes(const struct cow_garbage *garbage)
{
    return sizeof *garbage + garbage->bytes + garbage->cap * sizeof *garbage->nodes;
}

static void retire(struct zones *zones, publish_free_fn *fn, void *ptr, size_t bytes)
{
    publish_retire_sized(zones->publish, fn, ptr, bytes);
    zones->pending++;
}

/* A node with the sets that nobody shares. */
static size_t leaving_bytes(const struct zone_node *node)
{
    size_t bytes = node_bytes(node);
    for (size_t i = 0; i < (size_t)node->set_count + node->hidden_count; i++) {
        if (node->set[i]->refs == 1)
            bytes += rrset_bytes(node->set[i]);
    }
    return bytes;
}

static void retire_nodes(struct zone_txn *txn)
{
    for (size_t at = 0; at < txn->gone.count; at += BATCH_NODES) {
        size_t left = txn->gone.count - at;
        size_t count = left < BATCH_NODES ? left : BATCH_NODES;
        struct node_batch *batch = xmalloc(sizeof *batch + count * sizeof(void *));
        batch->zones = txn->zones;
        batch->count = count;
        memcpy(batch->node, txn->gone.items + at, count * sizeof(void *));
        size_t bytes = sizeof *batch + count * sizeof(void *);
        for (size_t i = 0; i < count; i++)
            bytes += leaving_bytes(batch->node[i]);
        retire(txn->zones, free_batch, batch, bytes);
    }
}

/* Readers of older versions may still see them. */
static void retire_reasons(struct zone_txn *txn)
{
    struct cow_garbage *garbage = xcalloc(1, sizeof *garbage);
    cow_commit(txn->zones->reasons, garbage);
    if (garbage->count > 0)
        retire(txn->zones, free_garbage, garbage, garbage_bytes(garbage));
    else
        free_garbage(garbage);
    for (size_t i = 0; i < txn->gone_reasons.count; i++)
        retire(txn->zones, free, txn->gone_reasons.items[i],
               reason_size(txn->gone_reasons.items[i]));
}

void zone_txn_publish(struct zone_txn *txn, uint64_t revision)
{
    struct zones *zones = txn->zones;
    set_serials(txn, revision);
    if (txn->loaded_us != 0)
        zones->loaded_us = txn->loaded_us;
    struct cow_garbage *garbage = xcalloc(1, sizeof *garbage);
    struct cow_garbage book_garbage = {0};
    cow_commit(zones->names, garbage);
    cow_commit(zones->books, &book_garbage);
    cow_garbage_free(&book_garbage);
    for (size_t i = 0; i < txn->gone_books.count; i++)
        free(txn->gone_books.items[i]);
    retire_reasons(txn);
    struct zone_version *version = make_version(txn, revision);
    struct zone_version *old = own(publish_current(zones->publish));
    retire_nodes(txn);
    retire(zones, free_garbage, garbage, garbage_bytes(garbage));
    if (old)
        retire(zones, free, old, sizeof *old + old->apex_count * sizeof(struct zone_apex));
    publish_push(zones->publish, version);
    txn_drop(txn);
}
