/* controller/reconcile/runner.h - from changes to keys to controllers; private to
 * controller/reconcile.
 *
 * A controller is one row: which kinds it hears of, how a change becomes keys, and sync(key), which
 * gathers its view from the head, plans (pure) and applies the steps as units. The runner owns one
 * work queue per controller (a key is queued once, with backoff after errors, or due later), runs
 * them round-robin within the turn's budget as the store's settle hook, and queues the keys of
 * dropped changes again. Order of rows = order within a pass: what creates before what reads. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "controller/reconcile/reconcile.h"
#include "controller/reconcile/workqueue.h"

struct runner;

enum sync_result {
    SYNC_DONE,  /* nothing more to do for this key until something changes */
    SYNC_AGAIN, /* queue the key again in this turn (its own writes call for another look) */
    SYNC_RETRY  /* failed: queue it with backoff */
};

struct controller {
    const char *name; /* "statefulset": metrics, logs */
    /* Calls runner_queue for each key that the change concerns. before or after may be NULL, see
     * struct store_change. A change that was lost because a commit failed is given back to front:
     * from what was staged to what is there again. A row must therefore hear of the kinds it
     * writes. */
    void (*on_change)(struct runner *runner, void *state, const struct store_change *change);
    enum sync_result (*sync)(struct runner *runner, void *state, const char *key);
    /* State (NULL: the row is off and hears nothing); queues every key that exists (start of the
     * daemon). */
    void *(*start)(struct runner *runner);
    void (*stop)(void *state);
    void (*register_metrics)(void *state); /* may be NULL */
};

/* The rows, in order. */
extern const struct controller namespace_controller, node_controller, statefulset_controller,
    replicaset_controller, volume_controller, scheduler_controller, embedded_node_controller,
    endpoints_controller, garbage_controller;

struct store *runner_store(const struct runner *runner);
struct registry *runner_registry(const struct runner *runner);
struct loop *runner_loop(const struct runner *runner);
const struct reconcile_opts *runner_opts(const struct runner *runner);
/* State of another row (embedded nodes' knobs); borrowed. */
void *runner_state(const struct runner *runner, const struct controller *controller);

/* ---- used by reconcile.c ---- */

/* Registers stage, drop and settle hooks and starts the rows in order. Rows, opts and registry are
 * borrowed. */
struct runner *runner_new(const struct reconcile_opts *opts, struct loop *loop,
                          struct registry *reg, const struct controller *const *rows, size_t count);
void runner_free(struct runner *runner); /* stops the rows in reverse */
void runner_register_metrics(struct runner *runner);

/* ---- used by controllers ---- */

/* Queues a key of a controller now, or at a monotonic time. Earlier wins. */
void runner_queue(struct runner *runner, const struct controller *controller, const char *key);
void runner_queue_at(struct runner *runner, const struct controller *controller, const char *key,
                     int64_t due_us);

/* A verb context on a fresh unit with ROLE_CONTROLLER; stage it with runner_stage, which frees it
 * on error. */
void runner_verb(struct runner *runner, struct verb *out);
/* Stages verb->unit; 0 or negative (conflict: SYNC_AGAIN is the answer). The keys of `controller`
 * that must be looked at again when the commit fails are found by the drop hook. */
int runner_stage(struct runner *runner, struct verb *verb, struct err *e);
/* Gives up the unit of a verb that is not to be staged. */
void runner_drop(struct verb *verb);
/* What sync returns for the outcome of a verb or of runner_stage: conflicts are tried again in this
 * turn, other failures with backoff. */
enum sync_result runner_result(int rc);
