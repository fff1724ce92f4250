/* controller/store/store.h - the truth: objects, revisions, units, the turn, watch.
 *
 * Control thread only. DESIGN section 1. Two states share one copy-on-write table: the *applied*
 * state (what a commit made durable: every read, watch and DNS answer) and the *head* (applied +
 * what was staged since: writers and planners only).
 *
 *   turn: ingest    handlers build units and stage them on the head
 *         settle    reconcilers run on the head until nothing is queued or the budget is spent
 * (settle hook) commit    one durable batch for everything staged; one commit in flight at a time
 *         apply     store_apply: revisions, table, indexes, watch ring: the only place where the
 * state in memory changes publish   apply hooks in order of registration (the zone feed first)
 *         notify    watchers are woken
 *         reply     each unit's done callback
 *
 * The turn runs as one loop_task at the end of the loop's pass, asked for by the first staged write
 * (and by store_kick). If the commit fails the head is dropped, done callbacks get the outcome and
 * drop hooks see every lost change, so that reconcilers queue their keys again. After an I/O error
 * of the commit itself the store is read-only until restart (store_is_read_only); a full disk or
 * map is ERR_NO_SPACE and later writes may succeed again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cow.h"
#include "base/err.h"
#include "base/loop.h"
#include "controller/store/object.h"
#include "controller/store/view.h"

struct store;

/* ---- open ---- */

struct store_opts {
    bool memory;          /* store.kind: memory */
    const char *path;     /* data directory; created (0700) when missing; flock'ed */
    int64_t history_us;   /* store.history */
    size_t history_bytes; /* store.history-bytes */
    size_t map_bytes;     /* LMDB map to start with, 0 = 16 GiB */
    bool names_first;     /* store_load_rest follows */
};
/* Opens, loads every object in one scan, builds the indexes. ERR_IO, ERR_UNAVAILABLE (locked by
 * another process), ERR_INVALID (newer or damaged schema): one clear sentence for the start-up line
 * (exit 2).
 *
 * With names_first only the objects that feed names (kind_feeds_names) and the index of Services'
 * slices need be there when it returns, so that queries are answered early; all records have been
 * examined. Until store_load_rest returned, the store may only be read, by its applied view. */
int store_open(const struct store_opts *opts, struct loop *loop, struct store **out, struct err *e);
/* All else, and all indexes. ERR_INVALID: a record that is sound says what this program cannot
 * read; the store may only be closed then. */
int store_load_rest(struct store *store, struct err *e);
/* Commits what is staged first (callbacks run). Units, pins and watches made from it may only be
 * freed after. */
void store_close(struct store *store);

/* ---- one state, as a value ---- */

/* Valid until the next turn's commit or staging, unless pinned. */
struct store_view {
    struct cow_root objects, index;
    uint64_t revision;
};
struct store_view store_applied(const struct store *store);
struct store_view store_head(const struct store *store);
/* Keeps the applied state of now for paged lists and long replies; has an age and a byte limit (the
 * pin may be broken: store_pin_view then returns false and the list answers 410). */
struct store_pin;
struct store_pin *store_pin_new(struct store *store);
bool store_pin_view(const struct store_pin *pin, struct store_view *out);
void store_pin_free(struct store_pin *pin);

/* Borrowed, NULL when absent. ns is "" for cluster-scoped kinds. */
const struct object *view_find(const struct store_view *view, enum kind_id kind, const char *ns,
                               const char *name);

/* Ordered walk over the objects of a kind, of one namespace (or all with ns NULL), optionally with
 * a name prefix. */
struct view_cursor {
    struct cow_cursor cow;
    size_t prefix_len;
    const struct object *object; /* NULL past the end */
};
void view_seek(struct view_cursor *cur, const struct store_view *view, enum kind_id kind,
               const char *ns, const char *name_prefix);
/* Continues after a key ("pods/default/x"), for paging. */
void view_seek_after(struct view_cursor *cur, const struct store_view *view, enum kind_id kind,
                     const char *ns, const char *key);
void view_next(struct view_cursor *cur);
size_t view_count(const struct store_view *view,
                  enum kind_id kind); /* walks; for gauges and tests */

/* Secondary indexes: objects of a kind that carry a term, ordered by key. Terms are built by the
 * helpers below. */
#define INDEX_TERM_MAX 448
struct index_cursor {
    struct cow_cursor cow;
    struct store_view view;
    size_t prefix_len;
    const struct object *object;
};
void index_seek(struct index_cursor *cur, const struct store_view *view, enum kind_id kind,
                const char *term);
/* Begins at the first object whose "namespace/name" is at least `from`, or greater with after. */
void index_seek_from(struct index_cursor *cur, const struct store_view *view, enum kind_id kind,
                     const char *term, const char *from, bool after);
void index_next(struct index_cursor *cur);
/* label:    objects in ns whose labels hold key=value (kinds of index_has_labels)
 * owner:    anything that has an owner reference to uid (all kinds: call per kind)
 * node:     pods bound to a node                      selector: Services in ns whose first selector
 * pair (by key order) is key=value claim:    pods in ns that mount a claim; volumes whose claimRef
 * is ns/name address:  Services holding a cluster IP, pods having an IP, identities reserving one
 * (normalised text) class:    claims with phase Pending, by class name ("" too)   service: slices
 * in ns of a Service */
bool index_has_labels(enum kind_id kind); /* every namespaced kind but events and leases */
void index_label(char out[INDEX_TERM_MAX], const char *ns, const char *key, const char *value);
void index_owner(char out[INDEX_TERM_MAX], const char *uid);
void index_node(char out[INDEX_TERM_MAX], const char *node);
void index_selector(char out[INDEX_TERM_MAX], const char *ns, const char *key, const char *value);
void index_claim(char out[INDEX_TERM_MAX], const char *ns, const char *claim);
void index_address(char out[INDEX_TERM_MAX], const char *address);
void index_pending(char out[INDEX_TERM_MAX], const char *class_name);
void index_service(char out[INDEX_TERM_MAX], const char *ns, const char *service);

/* ---- units: writes with preconditions and an outcome ---- */

enum store_outcome {
    STORE_COMMITTED, /* durable at a revision */
    STORE_CONFLICT,  /* a precondition did not hold when it was committed; nothing of the unit
                        happened; may be run again */
    STORE_FAILED,    /* nothing of the unit happened; e says why */
    STORE_UNKNOWN    /* the backend cannot tell (etcd timeout): read again before writing again */
};
typedef void store_done_fn(void *arg, enum store_outcome outcome, uint64_t revision,
                           const struct err *e);

struct store_unit;
struct store_unit *store_unit_new(struct store *store);
void store_unit_free(struct store_unit *unit); /* drops it unstaged; NULL is fine */
/* The unit's own writes over the head. Borrowed, valid until the unit is staged or freed. */
const struct object *store_unit_find(struct store_unit *unit, enum kind_id kind, const char *ns,
                                     const char *name);
/* State for lists and indexes: the head without the unit's own writes. */
struct store_view store_unit_view(const struct store_unit *unit);
/* Puts obj (a reference is taken over) in place of `expected`, the object store_unit_find returned
 * (NULL: create). */
void store_unit_put(struct store_unit *unit, struct object *obj, const struct object *expected);
void store_unit_delete(struct store_unit *unit, const struct object *expected);
bool store_unit_is_empty(const struct store_unit *unit);
/* All or nothing onto the head; takes the unit in every case. ERR_CONFLICT when an expected object
 * is no longer the head's, ERR_UNAVAILABLE when read-only. On 0, done(arg, ...) is called exactly
 * once in the reply phase (NULL: nobody asks). An empty unit is done in the reply phase of this
 * turn without a commit of its own. */
int store_unit_stage(struct store_unit *unit, store_done_fn *done, void *arg, struct err *e);

/* ---- the turn ---- */

/* One change of one key in a commit. before NULL: created; after NULL: deleted. A key deleted and
 * created anew in one turn is two changes. Borrowed for the call. */
struct store_change {
    const struct object *before, *after;
    uint64_t revision; /* 0 in stage and drop hooks */
};
struct store_batch {
    const struct store_change *changes;
    size_t count;
    uint64_t revision; /* of the last change */
};
/* Called for every change put on the head, as it is staged: reconcilers map it to keys. */
typedef void store_change_fn(void *arg, const struct store_change *change);
void store_on_stage(struct store *store, store_change_fn *fn, void *arg);
/* Called for every staged change that was lost because a commit failed. */
void store_on_drop(struct store *store, store_change_fn *fn, void *arg);
/* Called after store_apply with what one commit changed, in order of registration, before watchers
 * and replies. */
typedef void store_apply_fn(void *arg, const struct store_batch *batch);
void store_on_apply(struct store *store, store_apply_fn *fn, void *arg);
/* Runs the reconcilers on the head within a budget; returns true when work is left (the turn
 * commits, and another follows). */
typedef bool store_settle_fn(void *arg);
void store_set_settle(struct store *store, store_settle_fn *fn, void *arg);
/* Removes every hook that was registered with this arg, the settle hook included: for what stops
 * before the store closes. Not from inside a hook. */
void store_forget(struct store *store, const void *arg);
/* Asks for a turn although nothing is staged (a timer fired, a key was queued). */
void store_kick(struct store *store);

bool store_is_read_only(
    const struct store *store); /* after an I/O error of a commit: /readyz says so */
const char *store_read_only_reason(const struct store *store);
uint64_t store_commits(const struct store *store); /* durable commits so far */

/* Small named values beside the objects (zone serials); written with the next commit, at most 64
 * names. */
void store_meta_set(struct store *store, const char *name, const char *value);
const char *store_meta_get(const struct store *store,
                           const char *name); /* NULL: absent; borrowed until the next set */
/* Set by the store with every durable commit: the revision of the last one, in decimal. */
#define STORE_META_REVISION "revision"

/* Consistent copy of the data directory's database into dir (must not exist or be empty) while
 * running (ordctl backup): all that was committed before the call and perhaps some of what comes
 * during it, whole turns only. Made by a thread; done is called once, in a later turn of the loop,
 * or by store_close, which waits for the copy. rc is 0 (e NULL), ERR_EXISTS, ERR_NO_SPACE, ERR_IO,
 * ERR_INVALID or ERR_NOT_IMPLEMENTED. ERR_TOO_MANY, without done: one is under way. */
typedef void store_backup_fn(void *arg, int rc, const struct err *e);
int store_backup(struct store *store, const char *dir, store_backup_fn *done, void *arg,
                 struct err *e);

/* ---- watch ---- */

enum event_type { EVENT_ADDED, EVENT_MODIFIED, EVENT_DELETED };
struct store_event {
    enum event_type type;
    uint64_t revision;
    const struct object
        *object; /* DELETED: the last state; write it with object_write_at(revision) */
    const struct object *before; /* MODIFIED: the previous state (selector transitions, A35) */
};
/* A cursor on the ring. wake(arg) is called in the notify phase when there is something new; the
 * watcher then pulls with watch_next within its own budget. */
struct watch;
/* Events of one kind after `revision`. ERR_GONE when they are no longer kept, or from before the
 * start of the process: "too old resource version: N (M)". ERR_TIMEOUT (cause
 * ResourceVersionTooLarge) when revision is in the future. */
int watch_open(struct store *store, enum kind_id kind, uint64_t revision, loop_fn *wake, void *arg,
               struct watch **out, struct err *e);
/* Next event, borrowed until the next call, or NULL when caught up. *gone = true when this cursor
 * fell behind the ring (A39). */
const struct store_event *watch_next(struct watch *w, bool *gone);
/* The revision up to which this watch has seen everything (for bookmarks). */
uint64_t watch_revision(const struct watch *w);
void watch_close(struct watch *w);

/* ---- test and simulator doors of the in-memory store ---- */

/* The next commits of a memory store: complete late (in a later turn; the disk has it at once),
 * conflict, fail (refused, the next may succeed), fail late, find the disk full, or lose the answer
 * (STORE_UNKNOWN; the disk does not have it). */
enum store_mem_fault {
    STORE_MEM_NONE,
    STORE_MEM_LATE,
    STORE_MEM_CONFLICT,
    STORE_MEM_FAIL,
    STORE_MEM_NO_SPACE,
    STORE_MEM_LATE_FAIL,
    STORE_MEM_UNKNOWN
};
void store_mem_set_fault(struct store *store, enum store_mem_fault (*next)(void *arg), void *arg);
/* Crash: forgets head and everything not committed, and opens a new store on the same committed
 * objects (the disk), on the same loop and with the same faults. No callback of the old store runs
 * any more; units, pins and watches made from it may only be freed. Not from within a callback of
 * the store. */
struct store *store_mem_crash(struct store *store);
