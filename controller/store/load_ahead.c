#include "controller/store/load_ahead.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "controller/store/record.h"

/* Enough that neither side waits for the other at every hand-over, little enough to stay in the
 * cache between them. */
enum { BATCH_RECORDS = 256, BATCHES = 8 };

struct item {
    struct load_item record;
    uint64_t mod_revision; /* 0: it is damaged, the caller says how */
};

struct batch {
    struct item items[BATCH_RECORDS];
    size_t count;
};

struct ahead {
    MDB_cursor *cursor; /* the helper's */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct batch batches[BATCHES];
    /* under lock */
    size_t made, taken; /* batches; at most BATCHES apart */
    bool has_ended;     /* the helper makes no more */
    bool is_stopped;    /* the caller wants no more */
    int rc;             /* of the cursor, MDB_NOTFOUND at the end */
};

/* ---- helper ---- */

static int fill(struct ahead *a, struct batch *batch)
{
    int rc = 0;
    batch->count = 0;
    while (batch->count < BATCH_RECORDS) {
        struct item *item = &batch->items[batch->count];
        MDB_val *key = &item->record.key, *value = &item->record.value;
        if ((rc = mdb_cursor_get(a->cursor, key, value, MDB_NEXT)) != 0)
            break;
        (void)record_check(key->mv_data, key->mv_size, value->mv_data, value->mv_size,
                           &item->mod_revision);
        batch->count++;
    }
    return rc;
}

/* The next batch to fill, or NULL when no more is wanted. */
static struct batch *wait_for_room(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    while (!a->is_stopped && a->made - a->taken == BATCHES)
        pthread_cond_wait(&a->changed, &a->lock);
    struct batch *batch = a->is_stopped ? NULL : &a->batches[a->made % BATCHES];
    pthread_mutex_unlock(&a->lock);
    return batch;
}

static void *helper_main(void *arg)
{
    struct ahead *a = arg;
    struct batch *batch;
    int rc = 0;
    while (rc == 0 && (batch = wait_for_room(a))) {
        rc = fill(a, batch);
        pthread_mutex_lock(&a->lock);
        a->made++;
        pthread_cond_signal(&a->changed);
        pthread_mutex_unlock(&a->lock);
    }
    pthread_mutex_lock(&a->lock);
    a->has_ended = true;
    a->rc = rc;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

/* ---- caller ---- */

/* The next batch that is filled, or NULL when there are no more. */
static struct batch *wait_for_batch(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    while (!a->has_ended && a->made == a->taken)
        pthread_cond_wait(&a->changed, &a->lock);
    struct batch *batch = a->made == a->taken ? NULL : &a->batches[a->taken % BATCHES];
    pthread_mutex_unlock(&a->lock);
    return batch;
}

static void give_back(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    a->taken++;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

static void leave(struct load_rest *rest, const struct load_item *record)
{
    if (rest->count == rest->cap) {
        rest->cap = rest->cap ? 2 * rest->cap : BATCH_RECORDS;
        rest->items = xrealloc(rest->items, rest->cap * sizeof(*rest->items));
    }
    rest->items[rest->count++] = *record;
}

static int take(const struct load_item *record, const struct store_loader *to, struct err *e)
{
    struct object *obj;
    int rc = record_decode_checked(record->key.mv_data, record->key.mv_size, record->value.mv_data,
                                   record->value.mv_size, &obj, e);
    if (rc == 0)
        to->object(to->arg, obj);
    return rc;
}

static int take_batch(const struct batch *batch, const struct store_loader *to,
                      struct load_rest *rest, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < batch->count && rc == 0; i++) {
        const struct item *item = &batch->items[i];
        const MDB_val *key = &item->record.key, *value = &item->record.value;
        struct object *never;
        if (item->mod_revision == 0) {
            rc = record_decode(key->mv_data, key->mv_size, value->mv_data, value->mv_size, &never,
                               e);
            CHECK(rc < 0);
            break;
        }
        to->revision(to->arg, item->mod_revision);
        if (rest && !kind_feeds_names(record_kind(key->mv_data, key->mv_size)))
            leave(rest, &item->record);
        else
            rc = take(&item->record, to, e);
    }
    return rc;
}

static void stop_helper(struct ahead *a)
{
    pthread_mutex_lock(&a->lock);
    a->is_stopped = true;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

static int take_all(struct ahead *a, const struct store_loader *to, struct load_rest *rest,
                    struct err *e)
{
    struct batch *batch;
    int failed = 0;
    while (!failed && (batch = wait_for_batch(a))) {
        failed = take_batch(batch, to, rest, e);
        give_back(a);
    }
    if (failed)
        stop_helper(a);
    return failed;
}

int load_ahead(MDB_txn *txn, MDB_dbi table, const struct store_loader *to, struct load_rest *rest,
               int *lmdb_rc, struct err *e)
{
    struct ahead *a = xcalloc(1, sizeof(*a));
    pthread_t helper;
    int failed = 0;
    *lmdb_rc = mdb_cursor_open(txn, table, &a->cursor);
    if (*lmdb_rc) {
        free(a);
        return 0;
    }
    CHECK(pthread_mutex_init(&a->lock, NULL) == 0 && pthread_cond_init(&a->changed, NULL) == 0);
    if ((*lmdb_rc = pthread_create(&helper, NULL, helper_main, a)) == 0) {
        failed = take_all(a, to, rest, e);
        CHECK(pthread_join(helper, NULL) == 0);
        *lmdb_rc = a->rc == MDB_NOTFOUND ? 0 : a->rc;
    }
    mdb_cursor_close(a->cursor);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
    return failed;
}

int load_rest(struct load_rest *rest, const struct store_loader *to, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < rest->count && rc == 0; i++)
        rc = take(&rest->items[i], to, e);
    load_rest_fini(rest);
    return rc;
}

void load_rest_fini(struct load_rest *rest)
{
    free(rest->items);
    *rest = (struct load_rest){0};
}
