/* zones/zone_txn.h - build, check and publish the next version of all zones.
 *
 * Control thread only. `struct zones` owns the trie, the interned sets, the membership of every
 * Service (what it published last, to be compared with what it publishes now) and the contributions
 * to every reverse name; readers get versions through zones_publish(). A transaction is a private
 * copy-on-write view: everything that can fail has failed by zone_txn_check, and zone_txn_publish
 * is one pointer store. One transaction at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/publish.h"
#include "zones/naming.h"
#include "zones/zone.h"

struct zones;
struct zone_txn;

enum endpoint_names { ENDPOINT_NAMES_IP, ENDPOINT_NAMES_POD };
enum endpoint_records { ENDPOINT_RECORDS_ALL, ENDPOINT_RECORDS_HEADLESS };
enum ptr_policy { PTR_PREFER_HOSTNAME, PTR_ALL };

/* The `zone.*` options of DESIGN section 2 that shape names. Strings are copied. */
struct zones_opts {
    const char *zone_name;                     /* "cluster.local" */
    const struct naming_address *ns_addresses; /* of ns.dns.Z; at least one (K-NS) */
    size_t ns_address_count;
    const char *const
        *reverse; /* CIDRs or zone names (K-REV); split on octet/nibble boundaries here */
    size_t reverse_count;
    bool reverse_fallthrough;
    uint32_t ttl_s, negative_ttl_s;
    enum pods_mode pods;
    enum endpoint_names endpoint_names;
    enum endpoint_records endpoint_records;
    enum ptr_policy ptr;
    bool ignore_empty_service;
};

/* An empty, not yet loaded state (version 1, loaded_us 0: SERVFAIL). slots: DNS workers.
 * ERR_INVALID names the option. */
int zones_new(const struct zones_opts *opts, unsigned slots, struct zones **out, struct err *e);
void zones_free(struct zones *zones); /* no reader left */
/* Where workers enter and leave; the roots are const struct zone_version *. Borrowed. */
struct publish *zones_publish(struct zones *zones);
const struct zone_version *zones_current(const struct zones *zones);
/* Frees retired memory within a budget; true when more is left (call again next turn). */
bool zones_reclaim(struct zones *zones);
/* Entries of retired memory not freed yet: budget, or a reader or a pin that may still see them. */
size_t zones_garbage(const struct zones *zones);

struct zone_txn *zone_txn_new(struct zones *zones);
void zone_txn_free(struct zone_txn *txn); /* aborts */

/* Other addresses of ns.dns.Z (K-NS), at least one. Such a transaction is published, not aborted.
 */
void zone_txn_put_ns(struct zone_txn *txn, const struct naming_address *addresses, size_t count);

/* Namespaces: <ns>.svc.Z and <ns>.pod.Z (K-NSNODE). Services and pods of a namespace that is not
 * there give no names (K-NSX) and are not remembered: who puts a namespace puts its Services and
 * pods again after it, in the same transaction. Deleting a namespace deletes everything of its
 * Services and pods, reverse names included. Putting one that is there changes nothing. */
void zone_txn_put_namespace(struct zone_txn *txn, const char *ns);
void zone_txn_del_namespace(struct zone_txn *txn, const char *ns);
/* The Service as it is now, with all its slices; replaces what it published before, forward and
 * reverse, in this transaction. Only names that differ are written: the cost is that of reading the
 * input once. */
void zone_txn_put_service(struct zone_txn *txn, const struct naming_service *service);
void zone_txn_del_service(struct zone_txn *txn, const char *ns, const char *name);
/* Pod records (K-PODS, verified mode). key is the pod's name; addresses as in status.podIPs of a
 * pod that is not finished. */
void zone_txn_put_pod(struct zone_txn *txn, const char *ns, const char *pod,
                      const struct naming_address *addresses, size_t count);
void zone_txn_del_pod(struct zone_txn *txn, const char *ns, const char *pod);

/* Texts of negative answers (zones/reason.h), at most REASON_TEXT_MAX octets of UTF-8 each; a
 * longer one is cut. They change no content: a transaction with nothing else moves no serial.
 *
 * label: a host below the Service, NULL for the Service's own name. text NULL or "": none. One for
 * a Service that is not there is ignored; one below it waits for it. */
void zone_txn_put_reason(struct zone_txn *txn, const char *ns, const char *service,
                         const char *label, const char *text);
/* What a StatefulSet expects below its Service: ordinals start to start + replicas - 1. `waits` is
 * said of ordinals above waits_ordinal that have no name and no text ("waits for kubia-0 to be
 * Ready", behind the host's own name), `hole` of waits_ordinal itself or, with no `waits`, of every
 * ordinal; "" is nothing. The label "*<set>" with an empty text takes it back. */
struct zone_expected {
    const char *set;
    int32_t start, replicas, waits_ordinal;
    const char *waits, *hole;
};
void zone_txn_put_expected(struct zone_txn *txn, const char *ns, const char *service,
                           const struct zone_expected *expected);

/* The first complete load has happened: answers begin (K-SYNC). */
void zone_txn_loaded(struct zone_txn *txn, int64_t now_us);

/* True when some zone's visible content differs from the published version, or the first load is
 * complete; only then does a serial move (K-SERIAL, D18). A transaction without visible changes is
 * to be published all the same, never freed: it may have changed what waits behind the visible (a
 * second pod with one address, a hidden PTR), and the version's revision. */
bool zone_txn_has_changes(const struct zone_txn *txn);
/* Publishes; takes txn. revision: store revision of the commit. Zones whose content changed get
 * serial = revision mod 2^32 (or the next number after the present one when that would not be an
 * increase), others keep theirs. Cannot fail. */
void zone_txn_publish(struct zone_txn *txn, uint64_t revision);

/* Serials to be remembered in the store and given back at start, so that a restart shows the same
 * (K-SERIAL, R-043). */
size_t zones_serial_count(const struct zones *zones);
void zones_serial_get(const struct zones *zones, size_t i, char name[NAME_TEXT_MAX],
                      uint32_t *serial);
/* Before the first publish. Unknown zone names are ignored. After the first load the serial stays
 * the remembered one if the content digest (order-independent, 64 bit, in the same record) is
 * equal, else it becomes the revision. */
void zones_serial_restore(struct zones *zones, const char *name, uint32_t serial, uint64_t digest);
uint64_t zones_serial_digest(const struct zones *zones, size_t i);

struct zones_stats {
    size_t names, services,
        bytes; /* bytes: allocated for the current version and its books, garbage not included */
    uint64_t ignored_hostnames, too_long_names; /* at present (K-NAMES) */
};
void zones_stats(const struct zones *zones, struct zones_stats *out);
