/* zones/zones_state.h - what `struct zones` and an open transaction are made of. Private to zones/;
 * control thread.
 *
 *   names   node_cow_type   every name of every zone: what readers see
 *   books   book_cow_type   Namespaces, and for each Service the nodes it put (its membership)
 *   reasons reason_cow_type why names are not there: texts beside them
 *   pods    pod_table       (Namespace and Pod) to the nodes of its addresses
 *
 * Both tries have transactions of their own; everything else that a transaction changes is noted in
 * its journal, so that it can be taken back. Nodes replaced by a transaction are freed after
 * publish says that nobody sees them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cow.h"
#include "base/publish.h"
#include "zones/naming_plan.h"
#include "zones/node.h"
#include "zones/rrset_build.h"
#include "zones/zone.h"
#include "zones/zone_txn.h"

/* One zone we serve, from start to end at the same index of zones->zone and zone_version.apexes. */
struct zone_info {
    uint8_t name[NAME_MAX_WIRE];
    size_t name_len;
    uint8_t key[NAME_MAX_KEY];
    size_t key_len;
    uint16_t parent;
    bool reverse;
    uint32_t serial;
    uint64_t digest;   /* of the content last published */
    bool has_restored; /* zones_serial_restore was called */
    uint32_t restored_serial;
    uint64_t restored_digest;
};

enum book_kind { BOOK_NAMESPACE, BOOK_SERVICE };

/* What a Service put, kept to be compared with what it puts next. Hosts are node pointers with
 * marks in the low bits. */
#define HOST_EXPLICIT ((uintptr_t)1) /* by hostname: its PTR wins (K-REV) */
#define HOST_EPOCH    ((uintptr_t)2) /* has an _epoch name */
#define HOST_MIXED    ((uintptr_t)4) /* by hostname at some of its addresses only */
#define HOST_MARKS    ((uintptr_t)7)

struct book {
    uint8_t kind;
    uint8_t ns_len, name_len; /* a namespace has no name */
    bool has_epochs;
    bool is_cluster_ip; /* the addresses of the Service name have PTRs */
    uint32_t ignored_hostnames, too_long_names;
    uint32_t group_count, host_count;
    struct zone_node *service; /* the Service name, or NULL */
    /* group nodes, marked host nodes, epochs of the hosts (0: none or several) if has_epochs,
     * namespace, name */
    uint64_t item[];
};

/* A Pod's addresses: open addressing, one entry per address. The Pod is a keyed 64-bit hash of its
 * Namespace and name: the names themselves would double the cost, and under a random key two of
 * 10^6 Pods meet once in 10^7 starts. */
struct pod_entry {
    uint64_t pod;
    struct zone_node *node; /* NULL: empty */
};
struct pod_table {
    struct pod_entry *slot;
    size_t slots, used;
};

struct zones {
    struct zones_opts opts; /* strings and arrays not kept */
    struct naming_opts naming;
    uint8_t zone[NAME_MAX_WIRE], svc_root[NAME_MAX_WIRE], pod_root[NAME_MAX_WIRE],
        ns_name[NAME_MAX_WIRE], host_master[NAME_MAX_WIRE];
    struct zone_info *info;
    size_t info_count;
    uint16_t cluster;          /* index of the cluster zone */
    struct zone_node *ns_node; /* another after zone_txn_put_ns */

    struct cow *names, *books, *reasons;
    struct pod_table pods;
    uint64_t pod_key[2];
    struct rrset_pool pool;
    struct publish *publish;
    size_t pending; /* garbage entries with publish */
    struct naming_plan plan;
    int64_t loaded_us;
    size_t services, node_bytes, book_bytes, reason_bytes;
    uint64_t ignored_hostnames, too_long_names;
    struct zone_txn *open;
};

/* Tries and publish hand out const pointers to what this side owns. */
static inline void *own(const void *ptr)
{
    void *out;
    memcpy(&out, &ptr, sizeof out);
    return out;
}

struct vector {
    void **items;
    size_t count, cap;
};
void vector_push(struct vector *v, void *item);

struct pod_undo {
    bool is_added;
    struct pod_entry entry;
};

struct zone_txn {
    struct zones *zones;
    struct vector made, gone;             /* nodes */
    struct vector made_books, gone_books; /* books */
    struct vector made_reasons, gone_reasons;
    struct pod_undo *pod_undo;
    size_t pod_undo_count, pod_undo_cap;
    uint64_t *digest;             /* per zone, of the content as it would be */
    struct zone_node **apex_node; /* per zone, where this transaction put a new one */
    int64_t loaded_us;
    size_t services, node_bytes, book_bytes, reason_bytes; /* as they were, for taking back */
    uint64_t ignored_hostnames, too_long_names;
};

/* ---- names: zone_txn.c ---- */

struct zone_node *txn_find(const struct zone_txn *txn, const uint8_t *name);
/* Index of the innermost zone around a name, or ZONE_NO_PARENT. */
uint16_t zones_info_find(const struct zones *zones, const uint8_t *name);
/* Makes a node from sets (taking their references) and puts it; returns it. Names are wire form,
 * lower case. */
struct zone_node *txn_put(struct zone_txn *txn, const uint8_t *name, size_t name_len, uint16_t apex,
                          struct rrset *const *sets, size_t set_count);
void txn_put_node(struct zone_txn *txn, struct zone_node *node);
void txn_del(struct zone_txn *txn, const struct zone_node *node);

/* ---- reverse names: ptr.c ---- */

/* Replaces `was` by `now` (either may be NULL) among the targets of the address's reverse name, if
 * that is in a zone. */
void txn_change_ptr(struct zone_txn *txn, const struct naming_address *address,
                    const struct zone_node *was, const struct zone_node *now, enum ptr_rank rank);

/* ---- books: book.c ---- */

extern const struct cow_type book_cow_type;
/* A book without nodes and with room for that many groups and hosts. */
struct book *book_new(enum book_kind kind, const char *ns, const char *name, size_t groups,
                      size_t hosts, bool has_epochs);
size_t book_bytes(const struct book *book); /* allocated */
/* Namespace and name, ns_len and name_len octets. */
const uint8_t *book_texts(const struct book *book);
static inline struct zone_node **book_groups(struct book *book)
{
    return (struct zone_node **)(void *)book->item;
}
static inline uintptr_t *book_hosts(struct book *book)
{
    return (uintptr_t *)book->item + book->group_count;
}
/* NULL when no host has one. */
static inline uint64_t *book_epochs(struct book *book)
{
    return book->has_epochs ? book->item + book->group_count + book->host_count : NULL;
}
struct book *txn_find_book(const struct zone_txn *txn, enum book_kind kind, const char *ns,
                           const char *name);
void txn_put_book(struct zone_txn *txn, struct book *book);
void txn_del_book(struct zone_txn *txn, struct book *book);
/* The first Service of a namespace, or NULL. */
struct book *txn_first_service(const struct zone_txn *txn, const char *ns);

/* ---- texts: reason_txn.c ---- */

/* A Service has a leaf as long as it exists, so that negative answers know those that do not. */
void txn_know_service(struct zone_txn *txn, const char *ns, const char *service);
void txn_forget_service(struct zone_txn *txn, const struct book *book);

/* ---- Services: service_txn.c ---- */

void txn_del_service_book(struct zone_txn *txn, struct book *book);

/* ---- pods: pod_txn.c ---- */

/* Every pod record below <ns>.pod.Z. */
void txn_del_pods_of(struct zone_txn *txn, const uint8_t *ns_name);
void pod_table_undo(struct pod_table *table, const struct pod_undo *undo);

/* ---- apexes: apex.c ---- */

/* Wire names and zones from the options. On failure nothing is kept but zones->info, which the
 * caller frees. */
int apex_init(struct zones *zones, const struct zones_opts *opts, struct err *e);
/* The names that are always there. */
void apex_put_all(struct zone_txn *txn, const struct zones_opts *opts);
/* SOA sets of one zone for the version to be published, from info->serial. */
void apex_put_soa(struct zone_txn *txn, uint16_t index);
/* The next serial after `now`, at `revision` (RFC 1982; K-SERIAL). */
uint32_t serial_next(uint32_t now, uint64_t revision);
