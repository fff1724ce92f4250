#include "store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <lmdb.h>

#include "base/random.h"
#include "controller/store/record.h"
#include "controller/store/unconst.h"

static int value_of(const struct object *obj)
{
    const char *at = strstr(obj->text, "\"v\":\"");
    assert_non_null(at);
    return (int)strtol(at + 5, NULL, 10);
}

static void write_map(struct fixture *f, const char *name, int value, struct outcome *o)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "%d", value);
    stage_map(f->store, name, name, text, o);
    run_turns(f);
}

/* ---- kill -9 ---- */

enum { KILL_ROUNDS = 30, KILL_KEYS = 20 };

struct ack {
    int key, value;
    uint64_t revision;
};

struct writer {
    int fd, key, value;
};

static void acknowledge(void *arg, enum store_outcome outcome, uint64_t revision,
                        const struct err *e)
{
    struct writer *w = arg;
    struct ack ack = {.key = w->key, .value = w->value, .revision = revision};
    (void)e;
    if (outcome != STORE_COMMITTED || write(w->fd, &ack, sizeof(ack)) != sizeof(ack))
        _exit(3);
}

/* Writes until it is killed. Every value is larger than all before. */
static _Noreturn void write_for_ever(struct fixture *f, int fd, int value)
{
    static struct writer writers[3];
    if (store_open(&f->opts, f->loop, &f->store, NULL) < 0)
        _exit(4);
    for (;;) {
        for (int i = 0; i < 3; i++) {
            char name[16];
            value++;
            writers[i] =
                (struct writer){.fd = fd, .key = (value * 7 + i) % KILL_KEYS, .value = value};
            (void)snprintf(name, sizeof(name), "k%d", writers[i].key);
            char *text = xasprintf("%d %0*d", value, value % 3000, 0);
            struct store_unit *unit = store_unit_new(f->store);
            store_unit_put(unit, make_map(name, name, text),
                           store_unit_find(unit, KIND_CONFIGMAP, "default", name));
            if (store_unit_stage(unit, acknowledge, &writers[i], NULL) < 0)
                _exit(5);
            free(text);
        }
        (void)loop_step(f->loop);
    }
}

static void no_acknowledged_write_is_lost_by_sigkill(void **state)
{
    struct fixture *f = *state;
    struct ack last[KILL_KEYS] = {0};
    int newest = 0;
    store_close(f->store);
    f->store = NULL;
    for (int round = 0; round < KILL_ROUNDS; round++) {
        int fds[2], status;
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            (void)close(fds[0]);
            write_for_ever(f, fds[1], newest);
        }
        (void)close(fds[1]);
        struct ack ack;
        size_t acks = 0, until = 1 + (size_t)random_below(60);
        while (read(fds[0], &ack, sizeof(ack)) == sizeof(ack)) {
            if (++acks == until)
                assert_int_equal(kill(pid, SIGKILL), 0); /* while it writes on */
            last[ack.key] = ack;
            newest = ack.value > newest ? ack.value : newest;
        }
        (void)close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && acks >= until);

        fixture_open(f);
        uint64_t revision = store_applied(f->store).revision;
        for (int key = 0; key < KILL_KEYS; key++) {
            char name[16];
            (void)snprintf(name, sizeof(name), "k%d", key);
            const struct object *obj = applied_find(f->store, KIND_CONFIGMAP, name);
            if (last[key].value == 0)
                continue;
            assert_non_null(obj);
            assert_true(value_of(obj) >= last[key].value);
            assert_true(obj->mod_revision <= revision && revision > last[key].revision);
            newest = value_of(obj) > newest ? value_of(obj) : newest;
        }
        store_close(f->store);
        f->store = NULL;
    }
    fixture_open(f);
}

static void revisions_of_events_are_never_handed_out_again(void **state)
{
    struct fixture *f = *state;
    int fds[2], status;
    uint64_t revision;
    store_close(f->store);
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) { /* leaves without closing the store */
        fixture_open(f);
        for (int i = 0; i < 5000; i++) {
            char name[16];
            (void)snprintf(name, sizeof(name), "e%d", i);
            stage_object(f->store, make_object(KIND_EVENT, name, name, "", ""), NULL);
        }
        run_turns(f);
        revision = store_applied(f->store).revision;
        _exit(write(fds[1], &revision, sizeof(revision)) == sizeof(revision) ? 0 : 1);
    }
    assert_int_equal(read(fds[0], &revision, sizeof(revision)), sizeof(revision));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    fixture_open(f);
    assert_true(store_applied(f->store).revision > revision);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* ---- refusals at start ---- */

static void expect_refusal(struct fixture *f, enum err_code code, const char *says)
{
    struct store *store = NULL;
    struct err e = {0};
    assert_int_equal(store_open(&f->opts, f->loop, &store, &e), code);
    if (!strstr(e.text, says))
        fail_msg("%s", e.text);
    assert_null(store);
}

static void a_second_process_is_refused(void **state)
{
    struct fixture *f = *state;
    expect_refusal(f, ERR_UNAVAILABLE, "is in use by another process");
    write_map(f, "a", 1, NULL);
    assert_non_null(applied_find(f->store, KIND_CONFIGMAP, "a"));
}

static void a_directory_that_cannot_be_made_is_refused(void **state)
{
    struct fixture *f = *state;
    struct fixture other = *f;
    other.opts.path = "/nonexistent/below";
    expect_refusal(&other, ERR_IO, "cannot create the data directory /nonexistent/below");
}

/* Changes the database behind the store's back. */
static void poke(struct fixture *f, const char *table, const char *key,
                 void (*change)(MDB_val *value))
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val k = {.mv_size = strlen(key), .mv_data = unconst(key)}, v;
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 2), 0);
    assert_int_equal(mdb_env_open(env, f->dir, MDB_NOTLS, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, table, 0, &dbi), 0);
    assert_int_equal(mdb_get(txn, dbi, &k, &v), 0);
    MDB_val copy = {.mv_size = v.mv_size, .mv_data = xmemdup(v.mv_data, v.mv_size)};
    void *owned = copy.mv_data;
    change(&copy);
    assert_int_equal(mdb_put(txn, dbi, &k, &copy, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    free(owned);
}

static void to_format_3(MDB_val *value)
{
    value->mv_size = 1;
    memcpy(value->mv_data, "3", 1);
}

static void flip_a_bit(MDB_val *value)
{
    uint8_t *bytes = value->mv_data;
    bytes[value->mv_size - 3] ^= 1;
}

static void cut_short(MDB_val *value)
{
    value->mv_size = 20;
}

static void a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    poke(f, "meta", "format", to_format_3);
    expect_refusal(f, ERR_INVALID, "data.mdb has format 3, this version of ordinald knows only 2");
    fixture_remove_tree(f->dir);
    fixture_open(f);
}

static void a_damaged_record_is_refused_by_name(void **state)
{
    static void (*const changes[])(MDB_val *) = {flip_a_bit, cut_short};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        write_map(f, "a", 1, NULL);
        write_map(f, "b", 1, NULL);
        store_close(f->store);
        poke(f, "obj", "configmaps/default/b", changes[i]);
        expect_refusal(f, ERR_INVALID, "the record of configmaps/default/b is damaged");
        fixture_remove_tree(f->dir);
        fixture_open(f);
    }
}

/* ---- what feeds names comes first ---- */

static bool is_owned(struct store *store, enum kind_id kind)
{
    struct store_view view = store_applied(store);
    struct index_cursor cur;
    char term[INDEX_TERM_MAX];
    index_owner(term, "owner");
    index_seek(&cur, &view, kind, term);
    return cur.object != NULL;
}

static void names_are_loaded_before_all_else(void **state)
{
    static const enum kind_id kinds[] = {KIND_CONFIGMAP, KIND_POD, KIND_SERVICE, KIND_SLICE};
    const char *owned = ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"X\","
                        "\"name\":\"x\",\"uid\":\"owner\"}]";
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        stage_object(f->store, make_object(kinds[i], "a", "u", owned, ""), NULL);
    run_turns(f);
    uint64_t newest = applied_find(f->store, KIND_CONFIGMAP, "a")->mod_revision;
    store_close(f->store);
    f->opts.names_first = true;
    fixture_open(f);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        bool is_name = kinds[i] != KIND_CONFIGMAP;
        assert_int_equal(applied_find(f->store, kinds[i], "a") != NULL, is_name);
        assert_int_equal(is_owned(f->store, kinds[i]), kinds[i] == KIND_SLICE);
    }
    assert_true(store_applied(f->store).revision > newest); /* of those left out, too */
    assert_int_equal(store_load_rest(f->store, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        assert_non_null(applied_find(f->store, kinds[i], "a"));
        assert_true(is_owned(f->store, kinds[i]));
    }
    write_map(f, "b", 1, NULL); /* and it can be written */
    store_close(f->store);
    fixture_open(f); /* closed between the halves it loses nothing */
    store_close(f->store);
    f->opts.names_first = false;
    fixture_open(f);
    assert_int_equal(value_of(applied_find(f->store, KIND_CONFIGMAP, "b")), 1);
}

static void a_damaged_record_is_refused_in_the_first_half(void **state)
{
    struct fixture *f = *state;
    write_map(f, "b", 1, NULL);
    store_close(f->store);
    poke(f, "obj", "configmaps/default/b", flip_a_bit);
    f->opts.names_first = true;
    expect_refusal(f, ERR_INVALID, "the record of configmaps/default/b is damaged");
    fixture_remove_tree(f->dir);
    f->opts.names_first = false;
    fixture_open(f);
}

static void a_damaged_file_is_refused(void **state)
{
    struct fixture *f = *state;
    char file[96];
    (void)snprintf(file, sizeof(file), "%s/data.mdb", f->dir);
    for (int i = 0; i < 200; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "k%d", i);
        stage_map(f->store, name, name, "1", NULL);
    }
    run_turns(f);
    store_close(f->store);
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(truncate(file, st.st_size / 2), 0);
    expect_refusal(f, ERR_INVALID, "was cut short");

    int fd = open(file, O_WRONLY | O_TRUNC);
    static const char junk[8192] = "this is no database";
    assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
    (void)close(fd);
    expect_refusal(f, ERR_INVALID, "not a database of this program");
    fixture_remove_tree(f->dir);
    fixture_open(f);
}

/* ---- commits that fail ---- */

static void an_io_error_makes_the_store_read_only_until_restart(void **state)
{
    struct fixture *f = *state;
    struct outcome o = {0};
    struct err e = {0};
    write_map(f, "a", 1, NULL);
    store_fail_commit(f->store, 2, EIO);
    write_map(f, "a", 2, NULL);
    write_map(f, "a", 3, &o);
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.outcome, STORE_UNKNOWN);
    assert_int_equal(o.e.code, ERR_IO);
    assert_true(store_is_read_only(f->store));
    assert_non_null(strstr(store_read_only_reason(f->store), "data.mdb failed: Input/output"));
    assert_int_equal(value_of(applied_find(f->store, KIND_CONFIGMAP, "a")), 2); /* reads go on */

    struct store_unit *unit = store_unit_new(f->store);
    store_unit_put(unit, make_map("b", "b", "1"), NULL);
    assert_int_equal(store_unit_stage(unit, note_outcome, &o, &e), ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "read-only until restart"));
    assert_int_equal(o.calls, 1);

    store_close(f->store);
    fixture_open(f);
    assert_false(store_is_read_only(f->store));
    assert_int_equal(value_of(applied_find(f->store, KIND_CONFIGMAP, "a")), 2);
    write_map(f, "a", 4, &o);
    assert_int_equal(o.outcome, STORE_COMMITTED);
}

static void a_full_disk_is_a_clean_refusal(void **state)
{
    static const int errors[] = {ENOSPC, EDQUOT};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        struct outcome o = {0};
        write_map(f, "a", 1, NULL);
        store_fail_commit(f->store, 1, errors[i]);
        store_meta_set(f->store, "serial", "5");
        write_map(f, "a", 2, &o);
        assert_int_equal(o.outcome, STORE_FAILED);
        assert_int_equal(o.e.code, ERR_NO_SPACE);
        assert_false(store_is_read_only(f->store));
        assert_int_equal(value_of(head_find(f->store, KIND_CONFIGMAP, "a")), 1);
        write_map(f, "a", 3, &o); /* later writes may succeed again */
        assert_int_equal(o.outcome, STORE_COMMITTED);
        fixture_reopen(f);
        assert_int_equal(value_of(applied_find(f->store, KIND_CONFIGMAP, "a")), 3);
        assert_string_equal(store_meta_get(f->store, "serial"),
                            "5"); /* it went with the next commit */
    }
}

static void a_full_map_grows(void **state)
{
    struct fixture *f = *state;
    struct outcome o = {0};
    store_close(f->store);
    fixture_remove_tree(f->dir);
    f->opts.map_bytes = 128 << 10;
    fixture_open(f);
    char *large = xasprintf("1 %0100000d", 0);
    for (int i = 0; i < 20; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "k%d", i);
        stage_map(f->store, name, name, large, &o);
        run_turns(f);
    }
    free(large);
    assert_int_equal(o.calls, 20);
    assert_int_equal(o.outcome, STORE_COMMITTED);
    fixture_reopen(f); /* with a map smaller than the file */
    struct store_view view = store_applied(f->store);
    assert_int_equal(view_count(&view, KIND_CONFIGMAP), 20);
    write_map(f, "a", 1, &o);
    assert_int_equal(o.outcome, STORE_COMMITTED);
}

static void write_filler(const char *path, size_t bytes)
{
    static char block[4096];
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    memset(block, 'x', sizeof(block));
    for (size_t done = 0; done < bytes; done += sizeof(block))
        assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
    (void)close(fd);
}

static void a_disk_that_is_really_full_loses_nothing(void **state)
{
    struct fixture *f = *state;
    char filler[96];
    struct outcome o = {0};
    int written = 0;
    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        skip();
    store_close(f->store);
    if (mount("tmpfs", f->dir, "tmpfs", 0, "size=3m") < 0) {
        fixture_open(f);
        skip();
    }
    (void)snprintf(filler, sizeof(filler), "%s/filler", f->dir);
    write_filler(filler, 1 << 20);
    fixture_open(f);
    char *large = xasprintf("%065000d", 1);
    while (o.outcome == STORE_COMMITTED && written < 1000) {
        char name[16];
        (void)snprintf(name, sizeof(name), "k%d", written++);
        stage_map(f->store, name, name, large, &o);
        run_turns(f);
    }
    assert_int_equal(o.outcome, STORE_FAILED);
    assert_int_equal(o.e.code, ERR_NO_SPACE);
    assert_false(store_is_read_only(f->store));
    struct store_view view = store_applied(f->store);
    assert_int_equal(view_count(&view, KIND_CONFIGMAP), written - 1);

    assert_int_equal(unlink(filler), 0); /* room again */
    stage_map(f->store, "again", "again", large, &o);
    run_turns(f);
    assert_int_equal(o.outcome, STORE_COMMITTED);
    free(large);
    fixture_reopen(f);
    view = store_applied(f->store);
    assert_int_equal(view_count(&view, KIND_CONFIGMAP), written);
    store_close(f->store);
    assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
    fixture_open(f);
}

/* ---- backup ---- */

struct copying {
    int calls, rc;
};

static void on_backup(void *arg, int rc, const struct err *e)
{
    struct copying *c = arg;
    assert_true((rc < 0) == (e != NULL));
    c->calls++;
    c->rc = rc;
}

/* How it ended. */
static int wait_for_backup(struct fixture *f, const struct copying *c)
{
    time_t deadline = time(NULL) + 60;
    while (c->calls == 0 && time(NULL) < deadline) {
        (void)loop_step(f->loop);
        (void)sched_yield();
    }
    assert_int_equal(c->calls, 1);
    return c->rc;
}

static int backup(struct fixture *f, const char *dir)
{
    struct copying c = {0};
    assert_int_equal(store_backup(f->store, dir, on_backup, &c, NULL), 0);
    return wait_for_backup(f, &c);
}

static void a_backup_is_the_state_of_its_moment(void **state)
{
    struct fixture *f = *state;
    struct fixture copy = *f;
    char dir[128];
    (void)snprintf(dir, sizeof(dir), "%s/backup", f->dir);
    write_map(f, "a", 1, NULL);
    assert_int_equal(backup(f, dir), 0);
    write_map(f, "a", 2, NULL);
    assert_int_equal(backup(f, dir), ERR_EXISTS);

    copy.opts.path = dir;
    fixture_open(&copy);
    assert_int_equal(value_of(applied_find(copy.store, KIND_CONFIGMAP, "a")), 1);
    store_close(copy.store);
    assert_int_equal(value_of(applied_find(f->store, KIND_CONFIGMAP, "a")), 2);

    assert_int_equal(backup(f, "/nonexistent/below"), ERR_IO);
    fixture_remove_tree(dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(backup(f, dir), 0); /* an empty directory will do */
}

static void writes_go_on_while_a_backup_is_made(void **state)
{
    struct fixture *f = *state;
    struct fixture copy = *f;
    struct copying c = {0};
    char dir[128], *large = xmalloc(200001);
    memset(large, 'x', 200000);
    large[200000] = '\0';
    (void)snprintf(dir, sizeof(dir), "%s/backup", f->dir);
    store_close(f->store);
    f->opts.map_bytes = 1 << 20; /* it has to grow meanwhile */
    fixture_open(f);
    write_map(f, "a", 1, NULL);
    assert_int_equal(store_backup(f->store, dir, on_backup, &c, NULL), 0);
    assert_int_equal(store_backup(f->store, "/nonexistent/other", on_backup, &c, NULL),
                     ERR_TOO_MANY);
    for (int i = 0; i < 20; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "k%d", i);
        stage_map(f->store, name, name, large, NULL);
        run_turns(f);
        assert_non_null(applied_find(f->store, KIND_CONFIGMAP, name));
    }
    free(large);
    assert_int_equal(wait_for_backup(f, &c), 0);
    copy.opts.path = dir;
    fixture_open(&copy);
    assert_int_equal(value_of(applied_find(copy.store, KIND_CONFIGMAP, "a")), 1);
    store_close(copy.store);
}

static void a_store_that_closes_waits_for_its_backup(void **state)
{
    struct fixture *f = *state;
    struct fixture copy = *f;
    struct copying c = {0};
    char dir[128];
    (void)snprintf(dir, sizeof(dir), "%s/backup", f->dir);
    write_map(f, "a", 1, NULL);
    assert_int_equal(store_backup(f->store, dir, on_backup, &c, NULL), 0);
    store_close(f->store);
    assert_int_equal(c.calls, 1);
    assert_int_equal(c.rc, 0);
    (void)loop_step(f->loop); /* what was posted is forgotten */
    assert_int_equal(c.calls, 1);
    copy.opts.path = dir;
    fixture_open(&copy);
    assert_non_null(applied_find(copy.store, KIND_CONFIGMAP, "a"));
    store_close(copy.store);
    fixture_open(f);
}

/* ---- records ---- */

static void records_give_back_what_was_written(void **state)
{
    (void)state;
    AUTO_OBJECT obj = make_map("a", "u1", "1");
    struct buf_out record;
    struct object *again = NULL;
    struct err e = {0};
    buf_out_init(&record);
    record_encode(obj, 3, UINT64_C(0x123456789abc), &record);
    size_t size;
    uint8_t *bytes = (uint8_t *)buf_out_take(&record, &size);
    assert_int_equal(record_decode(obj->key, obj->key_len, bytes, size, &again, &e), 0);
    assert_string_equal(again->text, obj->text);
    assert_int_equal(again->create_revision, 3);
    assert_int_equal(again->mod_revision, UINT64_C(0x123456789abc));
    object_unref(again);
    again = NULL;
    assert_int_equal(record_decode("configmaps/default/b", 20, bytes, size, &again, &e),
                     ERR_INVALID);
    assert_int_equal(record_decode("nothings/default/a", 18, bytes, size, &again, &e), ERR_INVALID);
    for (size_t i = 0; i < size; i++) { /* every single bit counts */
        bytes[i] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(record_decode(obj->key, obj->key_len, bytes, size, &again, &e),
                         ERR_INVALID);
        bytes[i] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t len = 0; len < size; len++) {
        uint8_t *exact = xmemdup(bytes, len ? len : 1);
        assert_int_equal(record_decode(obj->key, obj->key_len, exact, len, &again, &e),
                         ERR_INVALID);
        free(exact);
    }
    assert_null(again);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_LMDB(no_acknowledged_write_is_lost_by_sigkill),
        ON_LMDB(revisions_of_events_are_never_handed_out_again),
        ON_LMDB(a_second_process_is_refused),
        ON_LMDB(a_directory_that_cannot_be_made_is_refused),
        ON_LMDB(a_newer_schema_is_refused),
        ON_LMDB(a_damaged_record_is_refused_by_name),
        ON_LMDB(names_are_loaded_before_all_else),
        ON_LMDB(a_damaged_record_is_refused_in_the_first_half),
        ON_LMDB(a_damaged_file_is_refused),
        ON_LMDB(an_io_error_makes_the_store_read_only_until_restart),
        ON_LMDB(a_full_disk_is_a_clean_refusal),
        ON_LMDB(a_full_map_grows),
        ON_LMDB(a_disk_that_is_really_full_loses_nothing),
        ON_LMDB(a_backup_is_the_state_of_its_moment),
        ON_LMDB(writes_go_on_while_a_backup_is_made),
        ON_LMDB(a_store_that_closes_waits_for_its_backup),
        cmocka_unit_test(records_give_back_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
