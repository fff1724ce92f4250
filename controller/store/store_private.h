/* controller/store/store_private.h - the state of a store, shared by store.c, unit.c and watch.c.
 */
#pragma once

#include "base/list.h"
#include "controller/store/changes.h"
#include "controller/store/store.h"
#include "controller/store/store_backend.h"
#include "controller/store/table.h"

#define STORE_MAGIC 0x73746f72U

/* A unit that waits for its turn's commit. */
struct waiter {
    store_done_fn *done;
    void *arg;
};

/* What is staged for one commit. */
struct turn {
    struct changes changes;
    struct table_txn table;
    struct waiter *waiters;
    size_t waiter_count, waiter_cap;
};

struct hook {
    store_change_fn *on_change;
    store_apply_fn *on_apply;
    void *arg;
};
struct hooks {
    struct hook *items;
    size_t count, cap;
};

/* Events of one kind, oldest first, in a circle. Event number `first` is items[first % cap]. */
struct ring {
    struct ring_event *items;
    size_t cap;
    uint64_t first, end; /* numbers of the oldest event and of the next one */
    uint64_t evicted;    /* revision of the newest event dropped */
    struct list watches;
    bool has_news;
};
struct history {
    struct ring rings[KIND_COUNT];
    size_t bytes, max_bytes;
    int64_t max_age_us;
    uint64_t start; /* revision of the store when it was opened */
};

struct store {
    uint32_t magic;
    struct loop *loop;
    struct store_opts opts;
    struct store_backend *backend;
    struct table *table;
    struct loop_task task;

    uint64_t revision;      /* applied */
    uint64_t last_revision; /* handed out: above `revision` while a commit is in flight or after one
                               failed */
    uint64_t ceiling;       /* durable: no revision above it was ever handed out */
    uint64_t commits;

    struct turn open;            /* staged now */
    struct turn flying;          /* being committed */
    struct store_change *sealed; /* what `flying` comes to */
    size_t sealed_count;
    bool in_flight, wants_turn, in_settle, in_callbacks;
    size_t gathered; /* writers that had come when the loop was asked for another pass */
    unsigned gather_passes;
    int64_t gather_until_us;
    int64_t commit_began_us, commit_us; /* the last durable one */

    struct store_backup *backup; /* under way, or NULL */
    bool is_partial;             /* store_load_rest is still to come */
    bool is_read_only;
    char reason[ERR_TEXT_MAX];

    struct hooks on_stage, on_drop, on_apply;
    store_settle_fn *settle;
    void *settle_arg;

    struct store_meta meta[64];
    size_t meta_count;

    struct list units, pins;
    int64_t pin_age_us;
    size_t pin_bytes;

    struct history history;
};

/* Asks for a turn. */
void store_want_turn(struct store *store);

/* ---- watch.c ---- */

void history_init(struct history *h, const struct store_opts *opts, uint64_t start);
/* Watches that are still open learn that the store is gone. */
void history_fini(struct history *h);
void history_add(struct history *h, const struct store_change *change, int64_t now_us);
/* Wakes the watches of kinds that have something new, each once. */
void history_notify(struct history *h);

/* ---- pin.c ---- */

/* Breaks pins that are too old or hold back too much. */
void pins_enforce(struct store *store);
/* Breaks all. */
void pins_break(struct store *store);

/* ---- unit.c ---- */

/* Units that are still open learn that the store is gone. */
void units_detach(struct store *store);

/* ---- doors for tests ---- */

void store_set_pin_limits(struct store *store, int64_t age_us, size_t bytes);
void store_fail_commit(struct store *store, unsigned nth, int error); /* store_lmdb_fail */

/* ---- backup.c ---- */

/* Returns when no copy is under way; its callback has run. */
void backup_wait(struct store *store);
