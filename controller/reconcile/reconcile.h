/* controller/reconcile/reconcile.h - how we change the truth: every controller behind one door.
 *
 * Each controller is a pure planner (view in, steps out: no clock, no store, no log) plus an
 * applier that gathers the view from the head and carries the steps out through registry verbs, in
 * units staged on the head. The runner maps staged changes to keys, keeps one work queue with
 * backoff and timers, and is the store's settle hook, so that a chain such as pod Ready ->
 * EndpointSlice -> names is one commit. Control thread; runs under the fake loop without sockets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "controller/registry/registry.h"
#include "zones/zone_txn.h"

struct reconcile_opts {
    unsigned embedded_nodes;   /* nodes.embedded */
    int64_t embedded_start_us; /* nodes.embedded-start */
    bool scheduler;            /* nodes.scheduler */
    const char *const *pod_range;
    size_t pod_range_count;
    unsigned pod_prefix4, pod_prefix6; /* nodes.pod-prefix */
    int64_t node_grace_us, gc_period_us, gc_quarantine_us;
    const char *volume_dir; /* directories of dynamic volumes live below it; "" = keep none on disk
                               (simulator) */
    unsigned turn_budget;   /* keys per turn, 0 = 2048 */
    bool checks_members;    /* tests: what is kept of sets' pods is compared with a full look */
};
struct reconcile;
/* Loads the zones (NULL: none, for tests of the control plane alone) from the applied state and
 * publishes the first complete version before it returns (K-SYNC, "a restart never denies a living
 * pod"): from then on queries can be answered. Feeds them every later commit. opts are copied. */
struct reconcile *reconcile_load(const struct reconcile_opts *opts, struct loop *loop,
                                 struct registry *reg, struct zones *zones);
/* Starts the controllers, once. */
void reconcile_run(struct reconcile *r);
void reconcile_stop(struct reconcile *r);
/* Other addresses of ns.dns.Z from now on (K-NS), at least one. */
void reconcile_put_ns(struct reconcile *r, const struct naming_address *addresses, size_t count);

/* Why a name, pod, claim or set is not there (controller/reconcile/explain.h has the forms of
 * subject), from the applied state: appends a JSON object {"subject", "namespace", "found",
 * "causes": [{"depth", "text"}], "hints": [text]}. ERR_INVALID names what is wrong with the
 * subject. */
int reconcile_explain(struct reconcile *r, const char *ns, const char *subject, struct buf_out *out,
                      struct err *e);

/* ---- knobs of embedded nodes, for tests, scenarios and the simulator (R90) ---- */

void reconcile_node_silence(struct reconcile *r, const char *node,
                            bool silent); /* no heartbeat, no status, no deletion */
void reconcile_node_ignore_deletion(struct reconcile *r, const char *node, bool ignore);
void reconcile_pod_fail_readiness(struct reconcile *r, const char *ns, const char *pod, bool fail);
int reconcile_pod_change_address(struct reconcile *r, const char *ns,
                                 const char *pod); /* in place, same uid */
void reconcile_register_metrics(struct reconcile *r);
