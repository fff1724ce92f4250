/* controller/store/store_lmdb.c - the embedded store: one LMDB environment in the data directory.
 *
 *   obj    resource/namespace/name -> record (record.h)
 *   meta   "format" -> 1; "ceiling" -> revisions (store.c); "value/<name>" -> named values of
 * store_meta_set
 *
 * A turn is one transaction and one fdatasync, on the control thread. The map is address space only
 * and grows when it is full. No read transaction stays open: pages that one shows could not be used
 * again. LMDB lets several processes in, so the data directory is locked. Returned values point
 * into the map and are copied before their transaction ends. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <lmdb.h>

#include "base/check.h"
#include "base/log.h"
#include "controller/store/record.h"
#include "controller/store/store_backend.h"
#include "controller/store/unconst.h"

#define FORMAT        "1"
#define MAP_DEFAULT   ((size_t)16 << 30)
#define MAP_GROWTHS   16 /* doublings per commit before it is refused */
#define VALUE_PREFIX  "value/"
#define META_KEY_MAX  256
#define DATABASE_FILE "data.mdb"
#define FULL_BELOW    ((uint64_t)1 << 20) /* bytes left on a disk that counts as full */

struct lmdb {
    struct store_backend backend;
    char *path;
    int dir_fd; /* holds the lock */
    MDB_env *env;
    MDB_dbi objects, meta;
    size_t map_bytes;
    uint8_t *room; /* for one record */
    size_t room_bytes;
    unsigned fail_in; /* commits until the injected error, 0: none */
    int fail_with;
};

static struct lmdb *lmdb_from(struct store_backend *backend)
{
    return (struct lmdb *)(void *)backend;
}

static const char *reason(int rc)
{
    return mdb_strerror(rc); /* errno values too */
}

/* ---- open ---- */

static int lock_directory(struct lmdb *db, struct err *e)
{
    if (mkdir(db->path, 0700) < 0 && errno != EEXIST)
        return err_set(e, ERR_IO, "cannot create the data directory %s: %s", db->path,
                       reason(errno));
    db->dir_fd = open(db->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (db->dir_fd < 0)
        return err_set(e, ERR_IO, "cannot open the data directory %s: %s", db->path, reason(errno));
    if (flock(db->dir_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return err_set(e, ERR_UNAVAILABLE, "the data directory %s is in use by another process",
                       db->path);
    return err_set(e, ERR_IO, "cannot lock the data directory %s: %s", db->path, reason(errno));
}

static int open_error(const struct lmdb *db, int rc, struct err *e)
{
    if (rc == MDB_INVALID || rc == MDB_VERSION_MISMATCH || rc == MDB_CORRUPTED ||
        rc == MDB_PAGE_NOTFOUND)
        return err_set(e, ERR_INVALID,
                       "%s/" DATABASE_FILE " is damaged or not a database of this program: %s",
                       db->path, reason(rc));
    return err_set(e, ERR_IO, "cannot open the database in %s: %s", db->path, reason(rc));
}

/* A database cut short would be read beyond its end, which kills the process. */
static int check_file_size(const struct lmdb *db, struct err *e)
{
    MDB_envinfo info;
    MDB_stat stat_env;
    struct stat st;
    mdb_filehandle_t fd;
    if (mdb_env_info(db->env, &info) || mdb_env_stat(db->env, &stat_env) ||
        mdb_env_get_fd(db->env, &fd))
        return err_set(e, ERR_IO, "cannot examine the database in %s", db->path);
    if (fstat(fd, &st) < 0)
        return err_set(e, ERR_IO, "cannot examine the database in %s: %s", db->path, reason(errno));
    if ((uint64_t)st.st_size / stat_env.ms_psize <= info.me_last_pgno)
        return err_set(e, ERR_INVALID, "%s/" DATABASE_FILE " is damaged: it was cut short",
                       db->path);
    return 0;
}

static int check_format(const struct lmdb *db, MDB_txn *txn, struct err *e)
{
    MDB_val key = {.mv_size = strlen("format"), .mv_data = unconst("format")}, value;
    int rc = mdb_get(txn, db->meta, &key, &value);
    if (rc == 0) {
        if (value.mv_size == strlen(FORMAT) && !memcmp(value.mv_data, FORMAT, value.mv_size))
            return 0;
        return err_set(
            e, ERR_INVALID,
            "the database in %s has format %.*s, this version of ordinald knows only " FORMAT,
            db->path, value.mv_size < 20 ? (int)value.mv_size : 20, (const char *)value.mv_data);
    }
    MDB_stat stat_objects;
    if (rc != MDB_NOTFOUND || (rc = mdb_stat(txn, db->objects, &stat_objects)) != 0)
        return open_error(db, rc, e);
    if (stat_objects.ms_entries > 0)
        return err_set(e, ERR_INVALID, "the database in %s has objects but no format", db->path);
    value = (MDB_val){.mv_size = strlen(FORMAT), .mv_data = unconst(FORMAT)};
    rc = mdb_put(txn, db->meta, &key, &value, 0);
    return rc ? open_error(db, rc, e) : 0;
}

static int open_tables(struct lmdb *db, struct err *e)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(db->env, NULL, 0, &txn);
    if (rc)
        return open_error(db, rc, e);
    if ((rc = mdb_dbi_open(txn, "obj", MDB_CREATE, &db->objects)) ||
        (rc = mdb_dbi_open(txn, "meta", MDB_CREATE, &db->meta)))
        rc = open_error(db, rc, e);
    else
        rc = check_format(db, txn, e);
    if (rc < 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    rc = mdb_txn_commit(txn);
    if (rc == ENOSPC || rc == EDQUOT)
        return err_set(e, ERR_NO_SPACE, "cannot open the database in %s: %s", db->path, reason(rc));
    return rc ? open_error(db, rc, e) : 0;
}

static int open_env(struct lmdb *db, struct err *e)
{
    int rc = mdb_env_create(&db->env);
    if (rc)
        return open_error(db, rc, e);
    if ((rc = mdb_env_set_maxdbs(db->env, 2)) ||
        (rc = mdb_env_set_mapsize(db->env, db->map_bytes)) ||
        (rc = mdb_env_open(db->env, db->path, MDB_NOTLS, 0600)))
        return open_error(db, rc, e);
    /* An existing database may be larger than the map asked for. */
    MDB_envinfo info;
    if (mdb_env_info(db->env, &info) == 0)
        db->map_bytes = info.me_mapsize;
    int dead;
    if ((rc = mdb_reader_check(db->env, &dead)))
        return open_error(db, rc, e);
    rc = check_file_size(db, e);
    return rc < 0 ? rc : open_tables(db, e);
}

static void lmdb_close(struct store_backend *backend)
{
    struct lmdb *db = lmdb_from(backend);
    if (db->env)
        mdb_env_close(db->env);
    if (db->dir_fd >= 0)
        (void)close(db->dir_fd);
    free(db->path);
    free(db->room);
    free(db);
}

/* ---- load ---- */

static int load_objects(const struct lmdb *db, MDB_txn *txn, const struct store_loader *to,
                        struct err *e)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(txn, db->objects, &cursor);
    if (rc)
        return open_error(db, rc, e);
    int failed = 0;
    while (!failed && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        struct object *obj;
        failed = record_decode(key.mv_data, key.mv_size, value.mv_data, value.mv_size, &obj, e);
        if (!failed)
            to->object(to->arg, obj);
    }
    mdb_cursor_close(cursor);
    if (failed)
        return failed;
    return rc == MDB_NOTFOUND ? 0 : open_error(db, rc, e);
}

static int load_meta_value(const struct store_loader *to, const char *key, const char *value)
{
    char *end;
    if (!strcmp(key, "format"))
        return 0;
    if (!strcmp(key, "ceiling")) {
        errno = 0;
        uint64_t ceiling = strtoull(value, &end, 10);
        if (errno || end == value || *end)
            return ERR_INVALID;
        to->ceiling(to->arg, ceiling);
        return 0;
    }
    if (strncmp(key, VALUE_PREFIX, strlen(VALUE_PREFIX)) != 0)
        return ERR_INVALID;
    to->meta(to->arg, key + strlen(VALUE_PREFIX), value);
    return 0;
}

static int load_meta(const struct lmdb *db, MDB_txn *txn, const struct store_loader *to,
                     struct err *e)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(txn, db->meta, &cursor);
    if (rc)
        return open_error(db, rc, e);
    int failed = 0;
    while (!failed && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        char *name = xstrndup(key.mv_data, key.mv_size),
             *text = xstrndup(value.mv_data, value.mv_size);
        failed = load_meta_value(to, name, text);
        if (failed)
            (void)err_set(e, failed, "the value %.200s of the database in %s is damaged", name,
                          db->path);
        free(name);
        free(text);
    }
    mdb_cursor_close(cursor);
    if (failed)
        return failed;
    return rc == MDB_NOTFOUND ? 0 : open_error(db, rc, e);
}

static int lmdb_load(struct store_backend *backend, const struct store_loader *to, struct err *e)
{
    struct lmdb *db = lmdb_from(backend);
    MDB_txn *txn;
    int rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn);
    if (rc)
        return open_error(db, rc, e);
    rc = load_objects(db, txn, to, e);
    if (rc == 0)
        rc = load_meta(db, txn, to, e);
    mdb_txn_abort(txn);
    return rc;
}

/* ---- commit ---- */

static int put_object(struct lmdb *db, MDB_txn *txn, const struct store_change *change)
{
    const struct object *obj = change->after ? change->after : change->before;
    MDB_val key = {.mv_size = obj->key_len, .mv_data = unconst(obj->key)};
    if (!obj->kind->is_durable)
        return 0;
    if (!change->after)
        return mdb_del(txn, db->objects, &key, NULL);
    size_t size = record_size(obj);
    if (size > db->room_bytes) {
        db->room_bytes = 2 * size;
        db->room = xrealloc(db->room, db->room_bytes);
    }
    record_encode(obj, store_change_created(change), change->revision, db->room);
    MDB_val value = {.mv_size = size, .mv_data = db->room};
    return mdb_put(txn, db->objects, &key, &value, 0);
}

static int put_text(const struct lmdb *db, MDB_txn *txn, const char *name, const char *text)
{
    MDB_val key = {.mv_size = strlen(name), .mv_data = unconst(name)};
    MDB_val value = {.mv_size = strlen(text), .mv_data = unconst(text)};
    return mdb_put(txn, db->meta, &key, &value, 0);
}

static int put_all(struct lmdb *db, MDB_txn *txn, const struct store_commit *commit)
{
    char text[META_KEY_MAX + sizeof(VALUE_PREFIX)];
    int rc = 0;
    for (size_t i = 0; i < commit->batch.count && rc == 0; i++)
        rc = put_object(db, txn, &commit->batch.changes[i]);
    if (rc == 0 && commit->ceiling) {
        (void)snprintf(text, sizeof(text), "%" PRIu64, commit->ceiling);
        rc = put_text(db, txn, "ceiling", text);
    }
    for (size_t i = 0; i < commit->meta_count && rc == 0; i++) {
        if (!commit->meta[i].in_flight)
            continue;
        (void)snprintf(text, sizeof(text), VALUE_PREFIX "%s", commit->meta[i].name);
        rc = put_text(db, txn, text, commit->meta[i].value);
    }
    return rc;
}

static int injected(struct lmdb *db)
{
    return db->fail_in > 0 && --db->fail_in == 0 ? db->fail_with : 0;
}

/* One transaction. *reached tells whether it came to the commit itself. */
static int try_commit(struct lmdb *db, const struct store_commit *commit, bool *reached)
{
    MDB_txn *txn;
    *reached = false;
    int rc = mdb_txn_begin(db->env, NULL, 0, &txn);
    if (rc)
        return rc;
    rc = put_all(db, txn, commit);
    if (rc == 0) {
        *reached = true;
        rc = injected(db);
        if (rc == 0)
            return mdb_txn_commit(txn);
    }
    mdb_txn_abort(txn);
    return rc;
}

static int grow_map(struct lmdb *db)
{
    if (db->map_bytes > SIZE_MAX / 4)
        return MDB_MAP_FULL;
    int rc = mdb_env_set_mapsize(db->env, 2 * db->map_bytes);
    if (rc)
        return MDB_MAP_FULL;
    db->map_bytes *= 2;
    log_info("store msg=\"the database's map was full and has grown\" bytes=%zu", db->map_bytes);
    return 0;
}

/* LMDB says EIO when only part of a write fits on the disk. That happens before the page that makes
 * a commit visible is written, so such a commit is refused as cleanly as after ENOSPC. */
static bool is_disk_full(const struct lmdb *db, int rc)
{
    struct statvfs fs;
    if (rc == ENOSPC || rc == EDQUOT || rc == MDB_MAP_FULL)
        return true;
    return rc == EIO && fstatvfs(db->dir_fd, &fs) == 0 &&
           (uint64_t)fs.f_bavail * fs.f_frsize < FULL_BELOW;
}

static void lmdb_commit(struct store_backend *backend, const struct store_commit *commit,
                        store_commit_done_fn *done, void *arg)
{
    struct lmdb *db = lmdb_from(backend);
    struct err e = {0};
    bool reached = false;
    if (!store_commit_is_durable(commit)) {
        done(arg, STORE_COMMITTED, NULL);
        return;
    }
    int rc = try_commit(db, commit, &reached);
    for (int i = 0; i < MAP_GROWTHS && rc == MDB_MAP_FULL && grow_map(db) == 0; i++)
        rc = try_commit(db, commit, &reached);
    if (rc == 0) {
        done(arg, STORE_COMMITTED, NULL);
    } else if (is_disk_full(db, rc)) {
        (void)err_set(&e, ERR_NO_SPACE, "the database in %s has no room: %s", db->path, reason(rc));
        done(arg, STORE_FAILED, &e);
    } else {
        /* What reached the disk is not known: after a failed fdatasync the kernel may forget that
         * it failed. */
        (void)err_set(&e, ERR_IO, "writing the database in %s failed: %s", db->path, reason(rc));
        done(arg, reached ? STORE_UNKNOWN : STORE_FAILED, &e);
    }
}

/* Commits block: none is ever in flight. */
static void lmdb_finish(struct store_backend *backend)
{
    (void)backend;
}

/* ---- backup ---- */

static int sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    (void)close(fd);
    return rc;
}

static int lmdb_backup(struct store_backend *backend, const char *dir, struct err *e)
{
    struct lmdb *db = lmdb_from(backend);
    char file[PATH_MAX];
    if ((size_t)snprintf(file, sizeof(file), "%s/" DATABASE_FILE, dir) >= sizeof(file))
        return err_set(e, ERR_INVALID, "%.200s: the path is too long", dir);
    if (mkdir(dir, 0700) < 0 && (errno != EEXIST || rmdir(dir) < 0 || mkdir(dir, 0700) < 0))
        return err_set(e, errno == ENOTEMPTY || errno == EEXIST ? ERR_EXISTS : ERR_IO,
                       "the backup directory %s must be new or empty: %s", dir, reason(errno));
    int rc = mdb_env_copy2(db->env, dir, MDB_CP_COMPACT);
    if (rc == 0 && (sync_path(file, O_RDONLY) < 0 || sync_path(dir, O_RDONLY | O_DIRECTORY) < 0))
        rc = errno;
    if (rc == 0)
        return 0;
    (void)unlink(file);
    return err_set(e, rc == ENOSPC || rc == EDQUOT ? ERR_NO_SPACE : ERR_IO,
                   "the copy into %s failed: %s", dir, reason(rc));
}

/* ---- the interface ---- */

static const struct store_backend_ops lmdb_ops = {.load = lmdb_load,
                                                  .commit = lmdb_commit,
                                                  .finish = lmdb_finish,
                                                  .backup = lmdb_backup,
                                                  .close = lmdb_close};

int store_lmdb_open(const struct store_opts *opts, struct store_backend **out, struct err *e)
{
    struct lmdb *db = xcalloc(1, sizeof(*db));
    db->backend.ops = &lmdb_ops;
    db->path = xstrdup(opts->path);
    db->dir_fd = -1;
    db->map_bytes = opts->map_bytes ? opts->map_bytes : MAP_DEFAULT;
    int rc = lock_directory(db, e);
    if (rc == 0)
        rc = open_env(db, e);
    if (rc < 0) {
        lmdb_close(&db->backend);
        return rc;
    }
    *out = &db->backend;
    return 0;
}

void store_lmdb_fail(struct store_backend *backend, unsigned nth, int error)
{
    CHECK(backend->ops == &lmdb_ops);
    lmdb_from(backend)->fail_in = nth;
    lmdb_from(backend)->fail_with = error;
}
