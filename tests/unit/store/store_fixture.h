/* tests/unit/store/store_fixture.h - a store on a fake loop, and short ways to make and write
 * objects. */
#pragma once

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "controller/store/store.h"
#include "controller/store/store_private.h"

struct fixture {
    bool memory;
    struct loop *loop;
    struct store *store;
    struct store_opts opts;
    char dir[64];
};

static inline int fixture_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void fixture_remove_tree(const char *dir)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
    (void)nftw(dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void fixture_open(struct fixture *f)
{
    struct err e = {0};
    if (store_open(&f->opts, f->loop, &f->store, &e) < 0)
        fail_msg("%s", e.text);
}

static inline void fixture_init(struct fixture *f, bool memory)
{
    *f = (struct fixture){.memory = memory};
    clock_fake(INT64_C(1767323045) * 1000000, 1000000);
    f->loop = loop_new_fake();
    f->opts = (struct store_opts){.memory = memory,
                                  .path = f->dir,
                                  .history_us = 600 * INT64_C(1000000),
                                  .history_bytes = 64 << 20,
                                  .map_bytes = 64 << 20};
    if (!memory) {
        (void)snprintf(f->dir, sizeof(f->dir), "%s/store-test-XXXXXX",
                       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        assert_non_null(mkdtemp(f->dir));
    }
    fixture_open(f);
}

static inline void fixture_fini(struct fixture *f)
{
    store_close(f->store);
    loop_free(f->loop);
    if (!f->memory)
        fixture_remove_tree(f->dir);
    clock_real();
}

static inline int setup_memory(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    fixture_init(f, true);
    *state = f;
    return 0;
}

static inline int setup_lmdb(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    fixture_init(f, false);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    fixture_fini(*state);
    free(*state);
    return 0;
}

#define ON_MEMORY(fn) cmocka_unit_test_setup_teardown(fn, setup_memory, teardown)
#define ON_LMDB(fn)                                                                                \
    {                                                                                              \
#fn " (lmdb)", fn, setup_lmdb, teardown, NULL                                              \
    }
#define ON_BOTH(fn) ON_MEMORY(fn), ON_LMDB(fn)

/* Closes and opens again; on memory a crash, which keeps what was committed. */
static inline void fixture_reopen(struct fixture *f)
{
    if (f->memory) {
        f->store = store_mem_crash(f->store);
        return;
    }
    store_close(f->store);
    fixture_open(f);
}

/* body: further members of the object, starting with a comma. */
static inline struct object *make_object(enum kind_id id, const char *name, const char *uid,
                                         const char *meta, const char *body)
{
    const struct kind *kind = kind_get(id);
    char *text = xasprintf("{\"metadata\":{\"name\":\"%s\",\"uid\":\"%s\"%s%s}%s}", name, uid,
                           kind->namespaced ? ",\"namespace\":\"default\"" : "", meta, body);
    cJSON *tree = json_parse(text, strlen(text), NULL);
    struct object *obj = NULL;
    struct err e = {0};
    if (!tree || object_new(kind, tree, &obj, &e) < 0)
        fail_msg("%s: %s", text, e.text);
    cJSON_Delete(tree);
    free(text);
    return obj;
}

/* A ConfigMap with one value. */
static inline struct object *make_map(const char *name, const char *uid, const char *value)
{
    char *body = xasprintf(",\"data\":{\"v\":\"%s\"}", value);
    struct object *obj = make_object(KIND_CONFIGMAP, name, uid, "", body);
    free(body);
    return obj;
}

/* How units ended. */
struct outcome {
    int calls;
    enum store_outcome outcome;
    uint64_t revision;
    struct err e;
};
static inline void note_outcome(void *arg, enum store_outcome outcome, uint64_t revision,
                                const struct err *e)
{
    struct outcome *o = arg;
    o->calls++;
    o->outcome = outcome;
    o->revision = revision;
    if (e)
        o->e = *e;
}

static inline const struct object *head_find(struct store *store, enum kind_id kind,
                                             const char *name)
{
    struct store_view view = store_head(store);
    return view_find(&view, kind, kind_get(kind)->namespaced ? "default" : "", name);
}

static inline const struct object *applied_find(struct store *store, enum kind_id kind,
                                                const char *name)
{
    struct store_view view = store_applied(store);
    return view_find(&view, kind, kind_get(kind)->namespaced ? "default" : "", name);
}

/* Stages one object over whatever the head has. */
static inline void stage_object(struct store *store, struct object *obj, struct outcome *o)
{
    struct store_unit *unit = store_unit_new(store);
    struct err e = {0};
    store_unit_put(unit, obj, store_unit_find(unit, obj->kind->id, obj->ns, obj->name));
    if (store_unit_stage(unit, o ? note_outcome : NULL, o, &e) < 0)
        fail_msg("%s", e.text);
}

static inline void stage_map(struct store *store, const char *name, const char *uid,
                             const char *value, struct outcome *o)
{
    stage_object(store, make_map(name, uid, value), o);
}

static inline void stage_delete(struct store *store, enum kind_id kind, const char *name,
                                struct outcome *o)
{
    struct store_unit *unit = store_unit_new(store);
    struct err e = {0};
    store_unit_delete(
        unit, store_unit_find(unit, kind, kind_get(kind)->namespaced ? "default" : "", name));
    if (store_unit_stage(unit, o ? note_outcome : NULL, o, &e) < 0)
        fail_msg("%s", e.text);
}

/* Turns until nothing is left to do. */
static inline void run_turns(struct fixture *f)
{
    for (int i = 0; i < 100; i++)
        if (!loop_step(f->loop))
            return;
    fail_msg("the loop does not come to rest");
}
