#include "controller/store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controller/store/store_private.h"
#include "controller/store/unconst.h"

/* Revisions grow strictly, over restarts too, although changes of events take revisions without a
 * trace on disk. So the disk holds a ceiling that is at least as high as any revision handed out,
 * moved ahead in steps of CEILING_STEP with the commit that needs it; a store that opens goes on
 * above the ceiling. A clean close lowers it to the last revision. */
enum { CEILING_STEP = 4096 };

/* Limits of pins: a list that is read slower than this gets 410 and starts again. */
#define PIN_AGE_US (INT64_C(300) * 1000000)
#define PIN_BYTES  ((size_t)256 << 20)

/* A store that closes commits what its callbacks stage, but not for ever. */
enum { CLOSING_TURNS = 16 };

/* Passes of the loop before a commit must start. */
enum { GATHER_PASSES = 4 };

static void run_turn(void *arg);

static struct store *store_from(void *arg)
{
    struct store *store = arg;
    CHECK(store && store->magic == STORE_MAGIC);
    return store;
}

/* ---- open ---- */

struct loading {
    struct store *store;
    struct table_txn txn;
    uint64_t newest, ceiling;
};

/* The index of slices is all that names need. */
static void load_object(void *arg, struct object *obj)
{
    struct loading *l = arg;
    if (l->store->is_partial && obj->kind->id != KIND_SLICE)
        table_put_bare(l->store->table, &l->txn, obj);
    else
        table_put(l->store->table, &l->txn, obj);
}

static void load_revision(void *arg, uint64_t mod_revision)
{
    struct loading *l = arg;
    if (mod_revision > l->newest)
        l->newest = mod_revision;
}

static void load_meta(void *arg, const char *name, const char *value)
{
    struct store *store = ((struct loading *)arg)->store;
    store_meta_set(store, name, value);
    store->meta[store->meta_count - 1].is_dirty = false;
}

static void load_ceiling(void *arg, uint64_t ceiling)
{
    ((struct loading *)arg)->ceiling = ceiling;
}

static void load_end(struct loading *l, bool is_good)
{
    struct table *table = l->store->table;
    struct table_txn *txn = &l->txn;
    if (is_good)
        table_commit(table, txn);
    else
        table_abort(table, &txn, 1);
    table_reclaim(table);
}

static int load(struct store *store, struct err *e)
{
    struct loading l = {.store = store};
    const struct store_loader loader = {.object = load_object,
                                        .revision = load_revision,
                                        .meta = load_meta,
                                        .ceiling = load_ceiling,
                                        .arg = &l};
    store->is_partial = store->opts.names_first;
    int rc = store->backend->ops->load(store->backend, store->is_partial, &loader, e);
    load_end(&l, rc == 0);
    if (rc < 0)
        return rc;
    /* Above everything an earlier process handed out, so that its revisions are known to be old. */
    store->revision = store->last_revision = (l.newest > l.ceiling ? l.newest : l.ceiling) + 1;
    store->ceiling = l.ceiling;
    history_init(&store->history, &store->opts, store->revision);
    return 0;
}

/* Of the objects that were loaded without. */
static void add_entries(struct loading *l)
{
    struct cow_cursor cur;
    struct cow_root objects = table_objects(l->store->table, false);
    for (cow_seek(&cur, &table_object_type, objects, NULL, 0, false); cur.leaf; cow_next(&cur)) {
        const struct object *obj = cur.leaf;
        if (obj->kind->id != KIND_SLICE)
            table_add_entries(l->store->table, &l->txn, obj);
    }
}

int store_load_rest(struct store *store, struct err *e)
{
    struct loading l = {.store = store};
    const struct store_loader loader = {
        .object = load_object, .revision = load_revision, .arg = &l};
    CHECK(store->is_partial);
    store->is_partial = false;
    add_entries(&l);
    int rc = store->backend->ops->load_rest(store->backend, &loader, e);
    load_end(&l, rc == 0);
    return rc;
}

static void destroy(struct store *store);

/* Takes the backend. */
static int open_on(const struct store_opts *opts, struct store_backend *backend, struct loop *loop,
                   struct store **out, struct err *e)
{
    struct store *store = xcalloc(1, sizeof(*store));
    store->magic = STORE_MAGIC;
    store->loop = loop;
    store->opts = *opts;
    store->opts.path = NULL;
    store->backend = backend;
    store->table = table_new();
    store->pin_age_us = PIN_AGE_US;
    store->pin_bytes = PIN_BYTES;
    list_init(&store->units);
    list_init(&store->pins);
    loop_task_init(&store->task, loop, run_turn, store);
    history_init(&store->history, opts, 0);
    int rc = load(store, e);
    if (rc < 0) {
        destroy(store);
        return rc;
    }
    *out = store;
    return 0;
}

int store_open(const struct store_opts *opts, struct loop *loop, struct store **out, struct err *e)
{
    struct store_backend *backend;
    if (opts->memory)
        return open_on(opts, store_mem_open(loop), loop, out, e);
    int rc = store_lmdb_open(opts, &backend, e);
    return rc < 0 ? rc : open_on(opts, backend, loop, out, e);
}

/* ---- state ---- */

struct store_view store_applied(const struct store *store)
{
    return (struct store_view){.objects = table_objects(store->table, false),
                               .index = table_index(store->table, false),
                               .revision = store->revision};
}

struct store_view store_head(const struct store *store)
{
    return (struct store_view){.objects = table_objects(store->table, true),
                               .index = table_index(store->table, true),
                               .revision = store->revision};
}

bool store_is_read_only(const struct store *store)
{
    return store->is_read_only;
}

const char *store_read_only_reason(const struct store *store)
{
    return store->reason;
}

uint64_t store_commits(const struct store *store)
{
    return store->commits;
}

void store_meta_set(struct store *store, const char *name, const char *value)
{
    struct store_meta *meta = NULL;
    for (size_t i = 0; i < store->meta_count; i++)
        if (!strcmp(store->meta[i].name, name))
            meta = &store->meta[i];
    if (meta && !strcmp(meta->value, value))
        return;
    if (!meta) {
        CHECK(store->meta_count < ARRAY_SIZE(store->meta));
        meta = &store->meta[store->meta_count++];
        meta->name = xstrdup(name);
    }
    free(meta->value);
    meta->value = xstrdup(value);
    meta->is_dirty = true;
}

const char *store_meta_get(const struct store *store, const char *name)
{
    for (size_t i = 0; i < store->meta_count; i++)
        if (!strcmp(store->meta[i].name, name))
            return store->meta[i].value;
    return NULL;
}

/* ---- hooks ---- */

static void add_hook(struct hooks *hooks, struct hook hook)
{
    if (hooks->count == hooks->cap) {
        hooks->cap = hooks->cap ? 2 * hooks->cap : 8;
        hooks->items = xrealloc(hooks->items, hooks->cap * sizeof(*hooks->items));
    }
    hooks->items[hooks->count++] = hook;
}

void store_on_stage(struct store *store, store_change_fn *fn, void *arg)
{
    add_hook(&store->on_stage, (struct hook){.on_change = fn, .arg = arg});
}

void store_on_drop(struct store *store, store_change_fn *fn, void *arg)
{
    add_hook(&store->on_drop, (struct hook){.on_change = fn, .arg = arg});
}

void store_on_apply(struct store *store, store_apply_fn *fn, void *arg)
{
    add_hook(&store->on_apply, (struct hook){.on_apply = fn, .arg = arg});
}

void store_set_settle(struct store *store, store_settle_fn *fn, void *arg)
{
    store->settle = fn;
    store->settle_arg = arg;
}

static void forget_hooks(struct hooks *hooks, const void *arg)
{
    size_t kept = 0;
    for (size_t i = 0; i < hooks->count; i++)
        if (hooks->items[i].arg != arg)
            hooks->items[kept++] = hooks->items[i];
    hooks->count = kept;
}

void store_forget(struct store *store, const void *arg)
{
    forget_hooks(&store->on_stage, arg);
    forget_hooks(&store->on_drop, arg);
    forget_hooks(&store->on_apply, arg);
    if (store->settle_arg == arg)
        store_set_settle(store, NULL, NULL);
}

/* ---- a turn's changes ---- */

uint64_t store_change_created(const struct store_change *change)
{
    return change->before ? change->before->create_revision : change->revision;
}

bool store_commit_is_durable(const struct store_commit *commit)
{
    bool durable = commit->ceiling != 0;
    for (size_t i = 0; i < commit->batch.count && !durable; i++) {
        const struct store_change *c = &commit->batch.changes[i];
        durable = (c->after ? c->after : c->before)->kind->is_durable;
    }
    for (size_t i = 0; i < commit->meta_count && !durable && commit->batch.count == 0; i++)
        durable = commit->meta[i].in_flight;
    return durable;
}

static bool is_another(const struct change *c)
{
    return c->base && c->now && strcmp(c->base->uid, c->now->uid) != 0;
}

/* What `flying` comes to: one change per key, two where an object was replaced by one with another
 * uid, none where all is as it was. */
static void seal(struct store *store)
{
    const struct changes *changes = &store->flying.changes;
    store->sealed = xcalloc(2 * changes->count + 1, sizeof(*store->sealed));
    store->sealed_count = 0;
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *c = &changes->items[i];
        if (change_is_none(c->base, c->now))
            continue;
        struct store_change *out = &store->sealed[store->sealed_count++];
        *out = (struct store_change){
            .before = c->base, .after = c->now, .revision = ++store->last_revision};
        if (is_another(c)) {
            out->after = NULL;
            store->sealed[store->sealed_count++] =
                (struct store_change){.after = c->now, .revision = ++store->last_revision};
        }
    }
}

static struct store_batch sealed_batch(const struct store *store)
{
    return (struct store_batch){.changes = store->sealed,
                                .count = store->sealed_count,
                                .revision = store->sealed_count
                                                ? store->sealed[store->sealed_count - 1].revision
                                                : store->revision};
}

static struct turn turn_take(struct turn *turn)
{
    struct turn taken = *turn;
    *turn = (struct turn){0};
    return taken;
}

static void turn_fini(struct turn *turn)
{
    changes_fini(&turn->changes);
    free(turn->waiters);
    *turn = (struct turn){0};
}

static void reply(const struct turn *turn, enum store_outcome outcome, uint64_t revision,
                  const struct err *e)
{
    for (size_t i = 0; i < turn->waiter_count; i++)
        if (turn->waiters[i].done)
            turn->waiters[i].done(turn->waiters[i].arg, outcome, revision, e);
}

/* ---- apply ---- */

/* Objects that other threads and readers never saw: their revisions may still be filled in. */
static void set_revisions(const struct object *obj, uint64_t create_revision, uint64_t mod_revision)
{
    struct object *o = unconst(obj);
    CHECK(o->mod_revision == 0);
    o->create_revision = create_revision;
    o->mod_revision = mod_revision;
}

/* The one place where the applied state changes. */
static void store_apply(struct store *store, const struct store_batch *batch)
{
    int64_t now_us = clock_mono_us();
    for (size_t i = 0; i < batch->count; i++)
        if (batch->changes[i].after)
            set_revisions(batch->changes[i].after, store_change_created(&batch->changes[i]),
                          batch->changes[i].revision);
    const struct changes *changes = &store->flying.changes;
    for (size_t i = 0; i < changes->count; i++) {
        const struct change *c = &changes->items[i];
        if (c->base && c->now && c->base != c->now && change_is_none(c->base, c->now))
            set_revisions(c->now, c->base->create_revision,
                          c->base->mod_revision); /* changed and changed back */
    }
    table_commit(store->table, &store->flying.table);
    store->revision = batch->revision;
    for (size_t i = 0; i < batch->count; i++)
        history_add(&store->history, &batch->changes[i], now_us);
}

static void mark_meta(struct store *store, bool committed)
{
    for (size_t i = 0; i < store->meta_count; i++) {
        struct store_meta *meta = &store->meta[i];
        if (meta->in_flight && !committed)
            meta->is_dirty = true;
        meta->in_flight = false;
    }
}

static void call_apply_hooks(struct store *store, const struct store_batch *batch)
{
    if (batch->count == 0)
        return;
    for (size_t i = 0; i < store->on_apply.count; i++)
        store->on_apply.items[i].on_apply(store->on_apply.items[i].arg, batch);
}

static void finish_committed(struct store *store)
{
    struct store_batch batch = sealed_batch(store);
    store_apply(store, &batch);
    mark_meta(store, true);
    call_apply_hooks(store, &batch);
    history_notify(&store->history);
    reply(&store->flying, STORE_COMMITTED, batch.revision, NULL);
    turn_fini(&store->flying);
}

/* ---- failure ---- */

static void call_drop_hooks(struct store *store, const struct store_change *change)
{
    for (size_t i = 0; i < store->on_drop.count; i++)
        store->on_drop.items[i].on_change(store->on_drop.items[i].arg, change);
}

static void report_lost(struct store *store, const struct turn *turn)
{
    for (size_t i = 0; i < turn->changes.count; i++) {
        const struct change *c = &turn->changes.items[i];
        if (is_another(c)) {
            call_drop_hooks(store, &(struct store_change){.before = c->base});
            call_drop_hooks(store, &(struct store_change){.after = c->now});
        } else if (!c->base && !c->now) { /* created and deleted: whoever did that must look again
                                             all the same */
            call_drop_hooks(store, &(struct store_change){.after = c->named});
        } else {
            call_drop_hooks(store, &(struct store_change){.before = c->base, .after = c->now});
        }
    }
}

static void become_read_only(struct store *store, const struct err *e)
{
    if (store->is_read_only)
        return;
    store->is_read_only = true;
    memcpy(store->reason, e->text, sizeof(store->reason));
    log_error("store msg=\"read-only until restart\" error=\"%s\"", e->text);
}

/* The head is dropped: what was in flight, and what was staged on top of it meanwhile. */
static void finish_lost(struct store *store, enum store_outcome outcome, const struct err *e)
{
    struct turn lost = turn_take(&store->flying), above = turn_take(&store->open);
    struct table_txn *txns[] = {&lost.table, &above.table};
    table_abort(store->table, txns, ARRAY_SIZE(txns));
    mark_meta(store, false);
    if (e->code == ERR_IO)
        become_read_only(store, e);
    report_lost(store, &lost);
    report_lost(store, &above);
    reply(&lost, outcome, 0, e);

    struct err why = {0};
    (void)err_set(&why, store->is_read_only ? ERR_UNAVAILABLE : ERR_CONFLICT,
                  "the state it was built on was not committed: %.900s", e->text);
    reply(&above, store->is_read_only ? STORE_FAILED : STORE_CONFLICT, 0, &why);
    turn_fini(&lost);
    turn_fini(&above);
}

/* ---- the turn ---- */

void store_want_turn(struct store *store)
{
    if (store->in_flight)
        store->wants_turn = true; /* asked for when the commit has ended */
    else if (!store->in_settle)
        loop_end_of_turn(&store->task); /* within settle the commit follows anyway */
}

void store_kick(struct store *store)
{
    if (store->in_settle)
        store->wants_turn = true;
    else
        store_want_turn(store);
}

/* Passes a turn asked for meanwhile on to the loop. */
static void take_wish(struct store *store)
{
    if (store->in_flight || !store->wants_turn)
        return;
    store->wants_turn = false;
    loop_end_of_turn(&store->task);
}

static void commit_done(void *arg, enum store_outcome outcome, const struct err *e)
{
    struct store *store = store_from(arg);
    CHECK(store->in_flight);
    store->in_callbacks = true;
    if (outcome == STORE_COMMITTED)
        finish_committed(store);
    else
        finish_lost(store, outcome, e);
    store->in_callbacks = false;
    free(store->sealed);
    store->sealed = NULL;
    store->sealed_count = 0;
    store->in_flight = false;
    table_reclaim(store->table);
    pins_enforce(store);
    take_wish(store);
}

/* Counts before its callbacks see the number. */
static void commit_done_durable(void *arg, enum store_outcome outcome, const struct err *e)
{
    struct store *store = store_from(arg);
    store->commit_us = clock_mono_us() - store->commit_began_us;
    if (outcome == STORE_COMMITTED)
        store->commits++;
    commit_done(store, outcome, e);
}

static void commit_done_ceiling(void *arg, enum store_outcome outcome, const struct err *e)
{
    struct store *store = store_from(arg);
    if (outcome == STORE_COMMITTED)
        store->ceiling = store->last_revision + CEILING_STEP;
    commit_done_durable(store, outcome, e);
}

/* Goes with every durable commit: which one was the last can be asked after a crash, too. */
static void note_revision(struct store *store)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, store->last_revision);
    store_meta_set(store, STORE_META_REVISION, text);
}

static void start_commit(struct store *store)
{
    if (store->in_flight || (store->open.waiter_count == 0 && store->open.changes.count == 0))
        return;
    store->flying = turn_take(&store->open);
    store->in_flight = true;
    seal(store);
    if (store->sealed_count == 0) {
        commit_done(store, STORE_COMMITTED, NULL);
        return;
    }
    note_revision(store);
    struct store_commit commit = {
        .batch = sealed_batch(store), .meta = store->meta, .meta_count = store->meta_count};
    store_commit_done_fn *done = commit_done;
    if (store->last_revision > store->ceiling) {
        commit.ceiling = store->last_revision + CEILING_STEP;
        done = commit_done_ceiling;
    } else if (store_commit_is_durable(&commit)) {
        done = commit_done_durable;
    }
    for (size_t i = 0; i < store->meta_count && done != commit_done; i++) {
        store->meta[i].in_flight = store->meta[i].is_dirty;
        store->meta[i].is_dirty = false;
    }
    store->commit_began_us = clock_mono_us();
    store->backend->ops->commit(store->backend, &commit, done, store);
}

/* A commit costs one writer as much as it costs many. While a pass over the sockets brought further
 * writers, another one, which waits for nothing, comes before the commit: clients that were
 * answered by the last commit join those that came while it ran. That must not take longer than it
 * saves: half of what the last commit took. A fake loop has no sockets. */
static bool gathers(struct store *store)
{
    if (!loop_base(store->loop) || store->open.waiter_count <= store->gathered ||
        store->gather_passes == GATHER_PASSES)
        return false;
    int64_t now_us = clock_mono_us();
    if (store->gather_passes == 0)
        store->gather_until_us = now_us + store->commit_us / 2;
    else if (now_us > store->gather_until_us)
        return false;
    store->gathered = store->open.waiter_count;
    store->gather_passes++;
    return true;
}

static void run_turn(void *arg)
{
    struct store *store = store_from(arg);
    if (store->in_flight) {
        store->wants_turn = true;
        return;
    }
    if (gathers(store)) {
        loop_end_of_turn(&store->task);
        return;
    }
    store->gathered = 0;
    store->gather_passes = 0;
    bool has_more = false;
    if (store->settle) {
        store->in_settle = true;
        has_more = store->settle(store->settle_arg);
        store->in_settle = false;
    }
    store->wants_turn = store->wants_turn || has_more;
    start_commit(store);
    take_wish(store);
}

/* ---- close and crash ---- */

static void destroy(struct store *store)
{
    struct table_txn *txns[] = {&store->flying.table, &store->open.table};
    units_detach(store);
    pins_break(store);
    loop_task_fini(&store->task);
    table_abort(store->table, txns, ARRAY_SIZE(txns));
    turn_fini(&store->flying);
    turn_fini(&store->open);
    free(store->sealed);
    history_fini(&store->history);
    table_free(store->table);
    if (store->backend)
        store->backend->ops->close(store->backend);
    for (size_t i = 0; i < store->meta_count; i++) {
        free(store->meta[i].name);
        free(store->meta[i].value);
    }
    free(store->on_stage.items);
    free(store->on_drop.items);
    free(store->on_apply.items);
    store->magic = 0;
    free(store);
}

static void ignore_outcome(void *arg, enum store_outcome outcome, const struct err *e)
{
    (void)arg;
    if (outcome != STORE_COMMITTED)
        log_warn("store msg=\"the last revision was not written\" error=\"%s\"", e->text);
}

/* Writes named values that no commit took along, and the exact last revision in place of the
 * ceiling. */
static void write_last(struct store *store)
{
    struct store_commit commit = {.batch = {.revision = store->revision},
                                  .ceiling = store->last_revision,
                                  .meta = store->meta,
                                  .meta_count = store->meta_count};
    for (size_t i = 0; i < store->meta_count; i++)
        store->meta[i].in_flight = store->meta[i].is_dirty;
    store->backend->ops->commit(store->backend, &commit, ignore_outcome, store);
    store->backend->ops->finish(store->backend);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    CHECK(!store->in_callbacks && !store->in_settle);
    backup_wait(store);
    for (int i = 0; i < CLOSING_TURNS && (store->in_flight || store->open.waiter_count > 0); i++) {
        store->backend->ops->finish(store->backend);
        start_commit(store);
    }
    store->backend->ops->finish(store->backend);
    if (!store->is_read_only)
        write_last(store);
    destroy(store);
}

struct store *store_mem_crash(struct store *store)
{
    CHECK(!store->in_callbacks && !store->in_settle);
    struct store_backend *backend = TAKE(store->backend);
    struct store_opts opts = store->opts;
    struct loop *loop = store->loop;
    struct store *again;
    struct err e;
    store_mem_forget(backend);
    destroy(store);
    int rc = open_on(&opts, backend, loop, &again, &e);
    CHECK(rc == 0);
    return again;
}

void store_mem_set_fault(struct store *store, enum store_mem_fault (*next)(void *arg), void *arg)
{
    store_mem_backend_fault(store->backend, next, arg);
}

void store_set_pin_limits(struct store *store, int64_t age_us, size_t bytes)
{
    store->pin_age_us = age_us;
    store->pin_bytes = bytes;
}

void store_fail_commit(struct store *store, unsigned nth, int error)
{
    store_lmdb_fail(store->backend, nth, error);
}
