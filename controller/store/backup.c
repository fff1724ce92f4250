/* controller/store/backup.c - a copy of the database while the store works on; declared in store.h.
 *
 * A thread of its own copies from a read transaction of its own (store_lmdb.c) and posts its end to
 * the loop. One at a time: a copy keeps pages from being used again, so several would let the
 * database grow for nothing. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controller/store/store_private.h"

struct store_backup {
    struct store *store;
    char *dir;
    store_backup_fn *done;
    void *arg;
    pthread_t thread;
    int rc; /* these two are the thread's until it has ended */
    struct err e;
};

/* The thread has been joined. */
static void finish(struct store_backup *b)
{
    b->store->backup = NULL;
    b->done(b->arg, b->rc, b->rc < 0 ? &b->e : NULL);
    free(b->dir);
    free(b);
}

static void on_copied(void *arg)
{
    struct store_backup *b = arg;
    CHECK(pthread_join(b->thread, NULL) == 0);
    finish(b);
}

static void *copy_main(void *arg)
{
    struct store_backup *b = arg;
    b->rc = b->store->backend->ops->backup(b->store->backend, b->dir, &b->e);
    loop_post(b->store->loop, on_copied, b);
    return NULL;
}

int store_backup(struct store *store, const char *dir, store_backup_fn *done, void *arg,
                 struct err *e)
{
    if (store->backup)
        return err_set(e, ERR_TOO_MANY, "another backup is being written; try again later");
    struct store_backup *b = xcalloc(1, sizeof(*b));
    b->store = store;
    b->dir = xstrdup(dir);
    b->done = done;
    b->arg = arg;
    int rc = pthread_create(&b->thread, NULL, copy_main, b);
    if (rc != 0) {
        free(b->dir);
        free(b);
        return err_set(e, ERR_UNAVAILABLE, "a backup needs a thread: %s", strerrordesc_np(rc));
    }
    store->backup = b;
    return 0;
}

void backup_wait(struct store *store)
{
    struct store_backup *b = store->backup;
    if (!b)
        return;
    CHECK(pthread_join(b->thread, NULL) == 0);
    loop_unpost(store->loop, b);
    finish(b);
}
