/* controller/reconcile/feed_reasons.h - which texts of negative answers a change concerns, and what
 * they say now (zones/reason.h); part of the zone feed, private to controller/reconcile.
 *
 * Three kinds of texts, each of constant cost: one for a pod that has a name below a Service and is
 * not Ready, or not selected, made from the pod, its claims and its node; one for a whole
 * StatefulSet, from its range and from what its last plan waits for; that of a Service is the zone
 * feed's. Pods wait in a queue and are taken by budget, so that a flip of thousands costs no turn
 * more than that. Control thread. */
#pragma once

#include "controller/reconcile/runner.h"
#include "zones/zone_txn.h"

struct feed_reasons;

/* Everything that exists is queued. wake(arg) says that something is queued outside a commit. */
struct feed_reasons *feed_reasons_new(struct runner *runner, void (*wake)(void *arg), void *arg);
void feed_reasons_free(struct feed_reasons *reasons); /* NULL is fine */
/* Queues what one change of a commit concerns. */
void feed_reasons_touch(struct feed_reasons *reasons, const struct store_change *change);
bool feed_reasons_wait(const struct feed_reasons *reasons);
/* Puts what is queued, pods up to `budget`; true when some are left. */
bool feed_reasons_put(struct feed_reasons *reasons, struct zone_txn *txn,
                      const struct store_view *view, size_t budget);
