/* controller/store/store_lmdb.c - the embedded store: one LMDB environment in the data directory.
 *
 *   obj    resource/namespace/name -> record (record.h)
 *   meta   "format" -> 2, as text
 *          "ceiling" -> revisions (store.c), "value/<name>" -> named values of store_meta_set: the
 *          text, a NUL, and the CRC-32 of key, NUL and text in network byte order
 *
 * Nothing in the file is trusted: its structure is checked before LMDB maps it (lmdb_check.h), and
 * each record and value has its checksum. A new database is made under another name and then
 * renamed, so that a file that is empty or short was damaged and is never taken for a new one.
 *
 * A turn is one transaction and one fdatasync, on the control thread. The map is address space only
 * and grows when it is full. No read transaction stays open but that of a backup, which copies on
 * its own thread: pages that one shows cannot be used again, and the map cannot grow under it. LMDB
 * lets several processes in, so the data directory is locked. Returned values point into the map
 * and are copied before their transaction ends. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <lmdb.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/crc32.h"
#include "base/heap_ahead.h"
#include "base/log.h"
#include "controller/store/lmdb_check.h"
#include "controller/store/load_ahead.h"
#include "controller/store/record.h"
#include "controller/store/store_backend.h"
#include "controller/store/unconst.h"

#define FORMAT        "2"
#define MAP_DEFAULT   ((size_t)16 << 30)
#define MAP_GROWTHS   16 /* doublings per commit before it is refused */
#define VALUE_PREFIX  "value/"
#define META_KEY_MAX  256
#define META_TRAILER  5
#define DATABASE_FILE "data.mdb"
#define LOCK_FILE     "lock.mdb"
#define NEW_DIRECTORY "new"
#define FULL_BELOW    ((uint64_t)1 << 20) /* bytes left on a disk that counts as full */

struct lmdb {
    struct store_backend backend;
    char *path;
    int dir_fd; /* holds the lock */
    MDB_env *env;
    MDB_dbi objects, meta;
    size_t map_bytes;
    MDB_txn *loading; /* as long as `rest` holds records */
    struct load_rest rest;
    struct heap_ahead *ahead; /* the same */
    pthread_mutex_t map_lock; /* the map stays where it is: held by a backup, and to grow it */
    struct buf_out record;    /* room for one */
    unsigned fail_in;         /* commits until the injected error, 0: none */
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
    return err_set(e, ERR_IO, "cannot open %s/" DATABASE_FILE ": %s", db->path, reason(rc));
}

static int check_mapped(const struct lmdb *db, int fd, size_t size, struct err *e)
{
    struct err why = {0};
    void *file = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (file == MAP_FAILED)
        return open_error(db, errno, e);
    int rc = lmdb_check(file, size, &why);
    (void)munmap(file, size);
    if (rc < 0)
        return err_set(e, ERR_INVALID,
                       "%s/" DATABASE_FILE " is damaged or not a database of this program: %s",
                       db->path, why.text);
    return 0;
}

/* LMDB would crash on a file that is not as it left it. */
static int check_file(const struct lmdb *db, struct err *e)
{
    struct stat st;
    int rc = 0, fd = openat(db->dir_fd, DATABASE_FILE, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return open_error(db, errno, e);
    if (fstat(fd, &st) < 0)
        rc = open_error(db, errno, e);
    else if (!S_ISREG(st.st_mode))
        rc = err_set(e, ERR_INVALID, "%s/" DATABASE_FILE " is not a regular file", db->path);
    else if (st.st_size == 0)
        rc = err_set(e, ERR_INVALID, "%s/" DATABASE_FILE " is damaged: it is empty", db->path);
    else
        rc = check_mapped(db, fd, (size_t)st.st_size, e);
    (void)close(fd);
    return rc;
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
            "%s/" DATABASE_FILE " has format %.*s, this version of ordinald knows only " FORMAT,
            db->path, value.mv_size < 20 ? (int)value.mv_size : 20, (const char *)value.mv_data);
    }
    return rc == MDB_NOTFOUND
               ? err_set(e, ERR_INVALID, "%s/" DATABASE_FILE " does not say its format", db->path)
               : open_error(db, rc, e);
}

static int open_tables(struct lmdb *db, struct err *e)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn);
    if (rc)
        return open_error(db, rc, e);
    if ((rc = mdb_dbi_open(txn, "obj", 0, &db->objects)) ||
        (rc = mdb_dbi_open(txn, "meta", 0, &db->meta)))
        rc = rc == MDB_NOTFOUND ? open_error(db, MDB_INVALID, e) : open_error(db, rc, e);
    else
        rc = check_format(db, txn, e);
    if (rc < 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    rc = mdb_txn_commit(txn); /* keeps the tables open */
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
    return open_tables(db, e);
}

/* ---- a new database ---- */

/* The two tables and the format, on disk when it returns. */
static int fill_new(MDB_env *env, const char *path)
{
    MDB_txn *txn;
    MDB_dbi objects, meta;
    MDB_val key = {.mv_size = strlen("format"), .mv_data = unconst("format")};
    MDB_val value = {.mv_size = strlen(FORMAT), .mv_data = unconst(FORMAT)};
    int rc;
    if ((rc = mdb_env_set_maxdbs(env, 2)) ||
        (rc = mdb_env_open(env, path, MDB_NOTLS | MDB_NOLOCK, 0600)) ||
        (rc = mdb_txn_begin(env, NULL, 0, &txn)))
        return rc;
    if ((rc = mdb_dbi_open(txn, "obj", MDB_CREATE, &objects)) ||
        (rc = mdb_dbi_open(txn, "meta", MDB_CREATE, &meta)) ||
        (rc = mdb_put(txn, meta, &key, &value, 0))) {
        mdb_txn_abort(txn);
        return rc;
    }
    rc = mdb_txn_commit(txn);
    return rc ? rc : mdb_env_sync(env, 1);
}

static void remove_new(const struct lmdb *db)
{
    (void)unlinkat(db->dir_fd, NEW_DIRECTORY "/" DATABASE_FILE, 0);
    (void)unlinkat(db->dir_fd, NEW_DIRECTORY "/" LOCK_FILE, 0);
    (void)unlinkat(db->dir_fd, NEW_DIRECTORY, AT_REMOVEDIR);
}

static int make_new(const struct lmdb *db)
{
    MDB_env *env = NULL;
    char *path = xasprintf("%s/" NEW_DIRECTORY, db->path);
    remove_new(db); /* a start that was killed may have left it */
    int rc = mkdirat(db->dir_fd, NEW_DIRECTORY, 0700) < 0 ? errno : mdb_env_create(&env);
    if (rc == 0) {
        rc = fill_new(env, path);
        mdb_env_close(env);
    }
    if (rc == 0 &&
        (renameat(db->dir_fd, NEW_DIRECTORY "/" DATABASE_FILE, db->dir_fd, DATABASE_FILE) < 0 ||
         fsync(db->dir_fd) < 0))
        rc = errno;
    remove_new(db);
    free(path);
    return rc;
}

static int create_database(const struct lmdb *db, struct err *e)
{
    if (faccessat(db->dir_fd, DATABASE_FILE, F_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) == 0 ||
        errno != ENOENT)
        return 0; /* what is there is for others to judge */
    int rc = make_new(db);
    if (rc == 0)
        return 0;
    return err_set(e, rc == ENOSPC || rc == EDQUOT ? ERR_NO_SPACE : ERR_IO,
                   "cannot create %s/" DATABASE_FILE ": %s", db->path, reason(rc));
}

static void end_loading(struct lmdb *db)
{
    heap_ahead_end(db->ahead);
    db->ahead = NULL;
    load_rest_fini(&db->rest);
    mdb_txn_abort(db->loading);
    db->loading = NULL;
}

static void lmdb_close(struct store_backend *backend)
{
    struct lmdb *db = lmdb_from(backend);
    end_loading(db);
    if (db->env)
        mdb_env_close(db->env);
    if (db->dir_fd >= 0)
        (void)close(db->dir_fd);
    free(db->path);
    buf_out_fini(&db->record);
    pthread_mutex_destroy(&db->map_lock);
    free(db);
}

/* ---- load ---- */

static int damaged_record(const struct lmdb *db, int rc, const struct err *why, struct err *e)
{
    return err_set(e, rc, "%s/" DATABASE_FILE ": %s", db->path, why->text);
}

static int load_objects(struct lmdb *db, bool names_first, const struct store_loader *to,
                        struct err *e)
{
    struct err why = {0};
    int rc, failed =
                load_ahead(db->loading, db->objects, to, names_first ? &db->rest : NULL, &rc, &why);
    if (failed)
        return damaged_record(db, failed, &why, e);
    return rc ? open_error(db, rc, e) : 0;
}

/* What follows a value's text: a NUL and the checksum of key, NUL and text. */
static void meta_trailer(const char *name, const char *text, size_t len, uint8_t out[META_TRAILER])
{
    struct buf_out all;
    buf_out_init(&all);
    buf_put(&all, name, strlen(name) + 1);
    buf_put(&all, text, len);
    uint32_t crc = crc32_of(all.data, all.len);
    buf_out_fini(&all);
    out[0] = 0;
    for (size_t i = 0; i < 4; i++)
        out[1 + i] = (uint8_t)(crc >> (24 - 8 * i));
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

/* The text of a value, owned, or NULL when it is not as it was written. */
static char *meta_decode(const char *name, const MDB_val *value)
{
    if (!strcmp(name, "format"))
        return xstrndup(value->mv_data, value->mv_size);
    if (value->mv_size < META_TRAILER)
        return NULL;
    size_t len = value->mv_size - META_TRAILER;
    char *text = xmemdup(value->mv_data, len + 1);
    uint8_t trailer[META_TRAILER];
    meta_trailer(name, text, len, trailer);
    if (strlen(name) && memchr(text, 0, len) == NULL &&
        !memcmp((const char *)value->mv_data + len, trailer, META_TRAILER))
        return text;
    free(text);
    return NULL;
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
        char *name = xstrndup(key.mv_data, key.mv_size), *text = meta_decode(name, &value);
        failed = text ? load_meta_value(to, name, text) : ERR_INVALID;
        if (failed)
            (void)err_set(e, failed, "%s/" DATABASE_FILE ": the value %.200s is damaged", db->path,
                          name);
        free(name);
        free(text);
    }
    mdb_cursor_close(cursor);
    if (failed)
        return failed;
    return rc == MDB_NOTFOUND ? 0 : open_error(db, rc, e);
}

/* Objects, their index entries and names take about as much as the pages they are read from, of
 * which names need most; more than this is never used. */
static void make_room(struct lmdb *db, unsigned eighths)
{
    MDB_stat stat;
    heap_ahead_end(db->ahead);
    db->ahead = NULL;
    if (mdb_stat(db->loading, db->objects, &stat) == 0)
        db->ahead = heap_ahead_start((stat.ms_leaf_pages + stat.ms_overflow_pages) * stat.ms_psize /
                                     8 * eighths);
}

static int lmdb_load(struct store_backend *backend, bool names_first, const struct store_loader *to,
                     struct err *e)
{
    struct lmdb *db = lmdb_from(backend);
    int rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &db->loading);
    if (rc)
        return open_error(db, rc, e);
    make_room(db, names_first ? 5 : 7);
    rc = load_objects(db, names_first, to, e);
    if (rc == 0)
        rc = load_meta(db, db->loading, to, e);
    if (rc < 0 || !names_first)
        end_loading(db);
    return rc;
}

static int lmdb_load_rest(struct store_backend *backend, const struct store_loader *to,
                          struct err *e)
{
    struct lmdb *db = lmdb_from(backend);
    struct err why = {0};
    make_room(db, 1);
    int rc = load_rest(&db->rest, to, &why);
    end_loading(db);
    return rc < 0 ? damaged_record(db, rc, &why, e) : 0;
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
    record_encode(obj, store_change_created(change), change->revision, &db->record);
    MDB_val value = {.mv_size = db->record.len, .mv_data = db->record.data};
    return mdb_put(txn, db->objects, &key, &value, 0);
}

static int put_text(const struct lmdb *db, MDB_txn *txn, const char *name, const char *text)
{
    MDB_val key = {.mv_size = strlen(name), .mv_data = unconst(name)};
    MDB_val value = {.mv_size = strlen(text) + META_TRAILER, .mv_data = NULL};
    uint8_t trailer[META_TRAILER];
    meta_trailer(name, text, strlen(text), trailer);
    int rc = mdb_put(txn, db->meta, &key, &value, MDB_RESERVE);
    if (rc == 0) {
        memcpy(value.mv_data, text, strlen(text));
        memcpy((char *)value.mv_data + strlen(text), trailer, META_TRAILER);
    }
    return rc;
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
    pthread_mutex_lock(&db->map_lock); /* commits wait for a backup only here */
    int rc = mdb_env_set_mapsize(db->env, 2 * db->map_bytes);
    pthread_mutex_unlock(&db->map_lock);
    if (rc)
        return MDB_MAP_FULL;
    db->map_bytes *= 2;
    log_info("store msg=\"the database's map was full and has grown\" bytes=%zu", db->map_bytes);
    return 0;
}

/* After an error of the write that makes a commit visible LMDB refuses all further work: nobody
 * knows what the disk has. */
static bool is_broken(const struct lmdb *db)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn);
    if (rc == 0)
        mdb_txn_abort(txn);
    return rc == MDB_PANIC;
}

/* LMDB says EIO when only part of a write fits on the disk. That happens before the page that makes
 * a commit visible is written, so such a commit is refused as cleanly as after ENOSPC. */
static bool is_disk_full(const struct lmdb *db, int rc)
{
    struct statvfs fs;
    if (rc == ENOSPC || rc == EDQUOT || rc == MDB_MAP_FULL)
        return !is_broken(db);
    return rc == EIO && fstatvfs(db->dir_fd, &fs) == 0 &&
           (uint64_t)fs.f_bavail * fs.f_frsize < FULL_BELOW && !is_broken(db);
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
        (void)err_set(&e, ERR_NO_SPACE, "%s/" DATABASE_FILE " has no room: %s", db->path,
                      reason(rc));
        done(arg, STORE_FAILED, &e);
    } else {
        /* What reached the disk is not known: after a failed fdatasync the kernel may forget that
         * it failed. */
        (void)err_set(&e, ERR_IO, "writing %s/" DATABASE_FILE " failed: %s", db->path, reason(rc));
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
    pthread_mutex_lock(&db->map_lock);
    int rc = mdb_env_copy2(db->env, dir, MDB_CP_COMPACT);
    pthread_mutex_unlock(&db->map_lock);
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
                                                  .load_rest = lmdb_load_rest,
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
    buf_out_init(&db->record);
    CHECK(pthread_mutex_init(&db->map_lock, NULL) == 0);
    db->map_bytes = opts->map_bytes ? opts->map_bytes : MAP_DEFAULT;
    int rc = lock_directory(db, e);
    if (rc == 0)
        rc = create_database(db, e);
    if (rc == 0)
        rc = check_file(db, e);
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
