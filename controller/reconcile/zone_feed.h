/* controller/reconcile/zone_feed.h - from objects to names: the only caller of zone_txn; private to
 * controller/reconcile.
 *
 * An apply hook of the store, registered before all others: what one commit changed becomes one
 * zone version, published before watchers and writers hear of the commit (K-FRESH, K-ATOMIC,
 * K-REUSE). The cost of a commit is that of the Services, pods and namespaces it touched. Control
 * thread. Source of truth: the applied state. */
#pragma once

#include "base/loop.h"
#include "controller/store/store.h"
#include "zones/zone_txn.h"

struct zone_feed;
struct runner;

/* Gives the zones their remembered serials, loads them from the applied state and publishes the
 * first version (K-SYNC). Borrows all. */
struct zone_feed *zone_feed_new(struct loop *loop, struct store *store, struct zones *zones);
/* From here on negative answers are explained (feed_reasons.h): what the runner's rows know is
 * asked for; all that exists is gone through in turns to come. Before zone_feed_free the feed is
 * detached with NULL. */
void zone_feed_attach(struct zone_feed *feed, struct runner *runner);
void zone_feed_free(struct zone_feed *feed);
/* A version of its own with other addresses of ns.dns.Z (K-NS), at least one. */
void zone_feed_put_ns(struct zone_feed *feed, const struct naming_address *addresses, size_t count);
void zone_feed_register_metrics(struct zone_feed *feed);

struct zone_feed_stats {
    uint64_t publishes;
    /* Pods that became Ready and were published as endpoints: how many, and how many commits it
     * took them in all. One each means that the commit which made a pod Ready also made its name
     * answer (DESIGN section 5). */
    uint64_t ready_pods, ready_commits;
};
void zone_feed_stats(const struct zone_feed *feed, struct zone_feed_stats *out);
