/* controller/store/store_backend.h - what a store that keeps things must offer; private to the
 * store.
 *
 *   open    store_lmdb_open, store_mem_open: nothing is read yet
 *   load    everything kept, once; with names_first what does not feed names may be left out
 *   load_rest  what was left out, once
 *   commit  one batch, all or nothing; done is called once, at once or in a later turn. One commit
 * is in flight at a time finish  brings the commit in flight, if any, to its end before it returns
 *   backup  a copy of what is committed, made while commits go on; on any thread, returns when the
 * copy is on disk
 *   close   frees the backend; a commit in flight is forgotten
 *
 * Control thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/store/store.h"

struct store_meta {
    char *name, *value;
    bool is_dirty;  /* not yet part of a commit that succeeded */
    bool in_flight; /* part of the present commit */
};

/* One durable batch. Changes of kinds that are not durable are part of it for the revision's sake
 * only. The objects do not have their revisions yet: a change's revision is the object's
 * modification revision, and its creation revision unless `before` has one. */
struct store_commit {
    struct store_batch batch;
    uint64_t ceiling;              /* of revisions (store.c), 0: leave it as it is */
    const struct store_meta *meta; /* those in_flight are written */
    size_t meta_count;
};

/* e tells why unless committed. ERR_IO: the backend is broken, no later commit can succeed. */
typedef void store_commit_done_fn(void *arg, enum store_outcome outcome, const struct err *e);

struct store_loader {
    void (*object)(void *arg, struct object *obj);      /* takes the reference */
    void (*revision)(void *arg, uint64_t mod_revision); /* of each object, also of those left out */
    void (*meta)(void *arg, const char *name, const char *value);
    void (*ceiling)(void *arg, uint64_t ceiling);
    void *arg;
};

struct store_backend;
struct store_backend_ops {
    int (*load)(struct store_backend *backend, bool names_first, const struct store_loader *to,
                struct err *e);
    int (*load_rest)(struct store_backend *backend, const struct store_loader *to, struct err *e);
    void (*commit)(struct store_backend *backend, const struct store_commit *commit,
                   store_commit_done_fn *done, void *arg);
    void (*finish)(struct store_backend *backend);
    int (*backup)(struct store_backend *backend, const char *dir, struct err *e);
    void (*close)(struct store_backend *backend);
};
struct store_backend {
    const struct store_backend_ops *ops;
};

/* True when a commit of this batch has something to write. */
bool store_commit_is_durable(const struct store_commit *commit);
uint64_t store_change_created(const struct store_change *change);

int store_lmdb_open(const struct store_opts *opts, struct store_backend **out, struct err *e);
struct store_backend *store_mem_open(struct loop *loop);

/* ---- doors for tests ---- */

/* Memory: what the next commits do. */
void store_mem_backend_fault(struct store_backend *backend, enum store_mem_fault (*next)(void *arg),
                             void *arg);
/* Memory: a crash; the commit in flight is never completed. */
void store_mem_forget(struct store_backend *backend);
/* LMDB: the nth commit from now on (1: the next) ends with this error (an errno value or an MDB_
 * one) instead of being made. */
void store_lmdb_fail(struct store_backend *backend, unsigned nth, int error);
