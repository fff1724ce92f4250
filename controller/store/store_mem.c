/* controller/store/store_mem.c - nothing survives the process, but everything survives
 * store_mem_crash.
 *
 * The "disk" holds what was committed, as a real one would: at once when the commit is made,
 * whenever its completion arrives. After a crash objects are built anew from their text. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "controller/store/store_private.h"

/* A leaf of the disk. */
struct kept {
    const struct object *object;
    uint64_t create_revision, mod_revision;
};

struct store_mem {
    struct store_backend backend;
    struct cow *disk;
    uint64_t ceiling;
    struct store_meta *meta;
    size_t meta_count;
    enum store_mem_fault (*next_fault)(void *arg);
    void *fault_arg;

    /* The commit in flight: how it will end. */
    struct loop_timer timer;
    store_commit_done_fn *done;
    void *done_arg;
    bool fails;
};

static struct store_mem *mem_from(struct store_backend *backend)
{
    return (struct store_mem *)(void *)backend;
}

static size_t kept_key(const void *leaf, uint8_t *out)
{
    return table_object_type.key(((const struct kept *)leaf)->object, out);
}

static bool kept_equal(const void *leaf, const uint8_t *key, size_t len)
{
    return table_object_type.equal(((const struct kept *)leaf)->object, key, len);
}

static const struct cow_type kept_type = {.key = kept_key, .equal = kept_equal};

/* ---- the disk ---- */

static void kept_free(struct kept *kept)
{
    if (!kept)
        return;
    object_unref(kept->object);
    free(kept);
}

static void write_change(struct store_mem *m, const struct store_change *change)
{
    const struct object *named = change->after ? change->after : change->before;
    if (!named->kind->is_durable)
        return;
    if (!change->after) {
        kept_free(cow_del(m->disk, (const uint8_t *)named->key, named->key_len));
        return;
    }
    struct kept *kept = xmalloc(sizeof(*kept));
    *kept = (struct kept){.object = object_ref(change->after),
                          .create_revision = store_change_created(change),
                          .mod_revision = change->revision};
    kept_free(cow_set(m->disk, kept));
}

static void write_meta(struct store_mem *m, const struct store_meta *meta)
{
    size_t i = 0;
    while (i < m->meta_count && strcmp(m->meta[i].name, meta->name) != 0)
        i++;
    if (i == m->meta_count) {
        m->meta = xrealloc(m->meta, ++m->meta_count * sizeof(*m->meta));
        m->meta[i] = (struct store_meta){.name = xstrdup(meta->name)};
    }
    free(m->meta[i].value);
    m->meta[i].value = xstrdup(meta->value);
}

static void write_disk(struct store_mem *m, const struct store_commit *commit)
{
    struct cow_garbage garbage = {0};
    cow_begin(m->disk);
    for (size_t i = 0; i < commit->batch.count; i++)
        write_change(m, &commit->batch.changes[i]);
    cow_commit(m->disk, &garbage);
    cow_garbage_free(&garbage);
    if (commit->ceiling)
        m->ceiling = commit->ceiling;
    for (size_t i = 0; i < commit->meta_count; i++)
        if (commit->meta[i].in_flight)
            write_meta(m, &commit->meta[i]);
}

/* ---- operations ---- */

static int mem_load(struct store_backend *backend, bool names_first, const struct store_loader *to,
                    struct err *e)
{
    (void)names_first;
    struct store_mem *m = mem_from(backend);
    struct cow_cursor cur;
    for (cow_seek(&cur, &kept_type, cow_committed(m->disk), NULL, 0, false); cur.leaf;
         cow_next(&cur)) {
        const struct kept *kept = cur.leaf;
        const struct object *from = kept->object;
        struct object *obj;
        int rc = object_load(from->kind, from->text, from->text_len, kept->create_revision,
                             kept->mod_revision, &obj, e);
        if (rc < 0)
            return rc;
        to->revision(to->arg, kept->mod_revision);
        to->object(to->arg, obj);
    }
    for (size_t i = 0; i < m->meta_count; i++)
        to->meta(to->arg, m->meta[i].name, m->meta[i].value);
    to->ceiling(to->arg, m->ceiling);
    return 0;
}

static void complete(void *arg)
{
    struct store_mem *m = arg;
    store_commit_done_fn *done = TAKE(m->done);
    struct err e = {0};
    if (m->fails)
        (void)err_set(&e, ERR_UNAVAILABLE, "the commit was refused");
    done(m->done_arg, m->fails ? STORE_FAILED : STORE_COMMITTED, &e);
}

static void complete_later(struct store_mem *m, bool fails, store_commit_done_fn *done, void *arg)
{
    m->fails = fails;
    m->done = done;
    m->done_arg = arg;
    loop_timer_set(&m->timer, clock_mono_us());
}

static void mem_commit(struct store_backend *backend, const struct store_commit *commit,
                       store_commit_done_fn *done, void *arg)
{
    struct store_mem *m = mem_from(backend);
    struct err e = {0};
    CHECK(!m->done);
    switch (m->next_fault ? m->next_fault(m->fault_arg) : STORE_MEM_NONE) {
    case STORE_MEM_NONE:
        write_disk(m, commit);
        done(arg, STORE_COMMITTED, NULL);
        return;
    case STORE_MEM_LATE:
        write_disk(m, commit);
        complete_later(m, false, done, arg);
        return;
    case STORE_MEM_LATE_FAIL:
        complete_later(m, true, done, arg);
        return;
    case STORE_MEM_CONFLICT:
        (void)err_set(&e, ERR_CONFLICT, "the object was changed by another writer");
        done(arg, STORE_CONFLICT, &e);
        return;
    case STORE_MEM_FAIL:
        (void)err_set(&e, ERR_UNAVAILABLE, "the commit was refused");
        done(arg, STORE_FAILED, &e);
        return;
    case STORE_MEM_NO_SPACE:
        (void)err_set(&e, ERR_NO_SPACE, "no space left");
        done(arg, STORE_FAILED, &e);
        return;
    case STORE_MEM_UNKNOWN:
        (void)err_set(&e, ERR_TIMEOUT, "no answer to the commit");
        done(arg, STORE_UNKNOWN, &e);
        return;
    }
}

static void mem_finish(struct store_backend *backend)
{
    struct store_mem *m = mem_from(backend);
    if (!m->done)
        return;
    loop_timer_cancel(&m->timer);
    complete(m);
}

static int mem_load_rest(struct store_backend *backend, const struct store_loader *to,
                         struct err *e)
{
    (void)backend;
    (void)to;
    (void)e;
    return 0;
}

static int mem_backup(struct store_backend *backend, const char *dir, struct err *e)
{
    (void)backend;
    return err_set(e, ERR_NOT_IMPLEMENTED, "%s: a store in memory has no database to copy", dir);
}

static void mem_close(struct store_backend *backend)
{
    struct store_mem *m = mem_from(backend);
    struct leaves kept = {0};
    struct cow_cursor cur;
    loop_timer_fini(&m->timer);
    for (cow_seek(&cur, &kept_type, cow_committed(m->disk), NULL, 0, false); cur.leaf;
         cow_next(&cur))
        leaves_add(&kept, cur.leaf);
    cow_free(m->disk);
    for (size_t i = 0; i < kept.count; i++)
        kept_free(kept.items[i]);
    free(kept.items);
    for (size_t i = 0; i < m->meta_count; i++) {
        free(m->meta[i].name);
        free(m->meta[i].value);
    }
    free(m->meta);
    free(m);
}

static const struct store_backend_ops mem_ops = {.load = mem_load,
                                                 .load_rest = mem_load_rest,
                                                 .commit = mem_commit,
                                                 .finish = mem_finish,
                                                 .backup = mem_backup,
                                                 .close = mem_close};

struct store_backend *store_mem_open(struct loop *loop)
{
    struct store_mem *m = xcalloc(1, sizeof(*m));
    m->backend.ops = &mem_ops;
    m->disk = cow_new(&kept_type);
    loop_timer_init(&m->timer, loop, complete, m);
    return &m->backend;
}

void store_mem_backend_fault(struct store_backend *backend, enum store_mem_fault (*next)(void *arg),
                             void *arg)
{
    CHECK(backend->ops == &mem_ops);
    mem_from(backend)->next_fault = next;
    mem_from(backend)->fault_arg = arg;
}

/* The process that asked for the commit in flight is gone. */
void store_mem_forget(struct store_backend *backend)
{
    CHECK(backend->ops == &mem_ops);
    loop_timer_cancel(&mem_from(backend)->timer);
    mem_from(backend)->done = NULL;
}
