/* A database file that lmdb_check passes does not make LMDB crash, whether it is read or written,
 * and passes again afterwards. The input is what happens to a database that the target makes: bytes
 * to change, five for each: offset, as a number of four bytes modulo the size, and what to XOR. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lmdb.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/err.h"
#include "controller/store/lmdb_check.h"
#include "tests/fuzz/fuzz.h"

enum { KEYS = 40, VALUE_MAX = 9000, FILE_MAX = 1 << 20 };

static uint8_t whole[FILE_MAX], file[FILE_MAX];
static size_t whole_size;

/* LMDB opens a path: that of a file in memory. */
static MDB_env *open_memory(int fd, MDB_txn **txn, MDB_dbi *dbi, unsigned flags)
{
    MDB_env *env;
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    CHECK(mdb_env_create(&env) == 0 && mdb_env_set_maxdbs(env, 2) == 0 &&
          mdb_env_set_mapsize(env, (size_t)4 * FILE_MAX) == 0);
    if (mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0600) ||
        mdb_txn_begin(env, NULL, 0, txn)) {
        mdb_env_close(env);
        return NULL;
    }
    if (mdb_dbi_open(*txn, "obj", flags, dbi)) {
        mdb_txn_abort(*txn);
        mdb_env_close(env);
        return NULL;
    }
    return env;
}

static void put(MDB_txn *txn, MDB_dbi dbi, unsigned number, size_t size)
{
    static char value[VALUE_MAX];
    char name[64];
    memset(value, 'v', sizeof(value));
    (void)snprintf(name, sizeof(name), "configmaps/default/a-name-%u", number);
    MDB_val key = {.mv_size = strlen(name), .mv_data = name};
    MDB_val data = {.mv_size = size, .mv_data = value};
    (void)mdb_put(txn, dbi, &key, &data, 0);
}

static void del(MDB_txn *txn, MDB_dbi dbi, unsigned number)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "configmaps/default/a-name-%u", number);
    MDB_val key = {.mv_size = strlen(name), .mv_data = name};
    (void)mdb_del(txn, dbi, &key, NULL);
}

static size_t read_back(int fd, uint8_t *into)
{
    off_t size = lseek(fd, 0, SEEK_END);
    CHECK(size > 0 && size <= FILE_MAX && pread(fd, into, (size_t)size, 0) == size);
    return (size_t)size;
}

/* Both heads keep the flag of a path without directory, which the store never has. */
static void clear_flag(uint8_t *bytes)
{
    for (size_t page = 0; page < 2; page++) {
        uint16_t flags = 8;
        memcpy(bytes + page * (size_t)sysconf(_SC_PAGESIZE) + 44, &flags, sizeof(flags));
    }
}

/* Two levels, long values, and pages that are free again. */
static void make_whole(void)
{
    int fd = memfd_create("database", MFD_CLOEXEC);
    CHECK(fd >= 0);
    for (unsigned round = 0; round < 3; round++) {
        MDB_txn *txn;
        MDB_dbi dbi;
        MDB_env *env = open_memory(fd, &txn, &dbi, MDB_CREATE);
        CHECK(env);
        for (unsigned i = round; i < KEYS; i += round + 1)
            put(txn, dbi, i, i % 9 == 0 ? VALUE_MAX : 200 + 100 * round);
        for (unsigned i = round; round && i < KEYS; i += 7)
            del(txn, dbi, i);
        CHECK(mdb_txn_commit(txn) == 0);
        mdb_env_close(env);
    }
    whole_size = read_back(fd, whole);
    clear_flag(whole);
    CHECK(lmdb_check(whole, whole_size, NULL) == 0);
    (void)close(fd);
}

static void read_all(MDB_txn *txn, MDB_dbi dbi)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    unsigned sum = 0;
    CHECK(mdb_cursor_open(txn, dbi, &cursor) == 0);
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        for (size_t i = 0; i < value.mv_size; i += 64)
            sum += ((const uint8_t *)value.mv_data)[i];
        CHECK(mdb_get(txn, dbi, &key, &value) == 0); /* each is where it is looked for */
    }
    mdb_cursor_close(cursor);
    CHECK(sum > 0);
}

static void use(size_t size)
{
    int fd = memfd_create("database", MFD_CLOEXEC);
    CHECK(fd >= 0 && pwrite(fd, file, size, 0) == (ssize_t)size);
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_env *env = open_memory(fd, &txn, &dbi, 0);
    if (env) {
        read_all(txn, dbi);
        for (unsigned i = 0; i < KEYS; i += 3)
            put(txn, dbi, i, i % 2 ? VALUE_MAX : 50);
        for (unsigned i = 1; i < KEYS; i += 3)
            del(txn, dbi, i);
        int rc = mdb_txn_commit(txn);
        mdb_env_close(env);
        struct err e = {0};
        size = read_back(fd, file);
        clear_flag(file);
        CHECK(rc || lmdb_check(file, size, &e) == 0);
    }
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf_in in;
    struct err e = {0};
    if (!whole_size)
        make_whole();
    memcpy(file, whole, whole_size);
    buf_in_init(&in, data, size);
    while (buf_in_left(&in) >= 5) {
        uint32_t at = buf_u32(&in);
        file[at % whole_size] ^= buf_u8(&in);
    }
    if (lmdb_check(file, whole_size, &e) < 0)
        CHECK(e.code == ERR_INVALID && e.text[0]);
    else
        use(whole_size);
    return 0;
}
