/* tests/unit/registry/fixture.h - a registry over a memory store on a fake loop and a fake clock.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/random.h"
#include "controller/registry/patch.h"
#include "controller/registry/registry.h"

#define START_US 1790000000000000LL

struct fixture {
    struct loop *loop;
    struct store *store;
    struct registry *reg;
    enum role role; /* of the next verbs */
    const char *node;
    enum field_validation validation;
    char warnings[1024];
    struct err e;
    bool gone;
};

static inline void fixture_settle(struct fixture *f)
{
    while (loop_step(f->loop)) {
    }
}

static inline int fixture_setup(void **state)
{
    static const char *const services[] = {"10.96.0.0/12", "fd00:96::/112"}, *const pods[] = {
                                                                                 "10.244.0.0/16"};
    struct fixture *f = xcalloc(1, sizeof(*f));
    const struct store_opts store_opts = {
        .memory = true, .history_us = 600000000, .history_bytes = 1 << 24};
    const struct registry_opts opts = {.pod_range = pods,
                                       .pod_range_count = 1,
                                       .service_range = services,
                                       .service_range_count = 2,
                                       .default_class = "standard"};
    clock_fake(START_US, 1000000);
    random_seed(7);
    f->role = ROLE_ADMIN;
    f->loop = loop_new_fake();
    assert_int_equal(store_open(&store_opts, f->loop, &f->store, &f->e), 0);
    assert_int_equal(registry_new(f->store, &opts, &f->reg, &f->e), 0);
    assert_int_equal(registry_bootstrap(f->reg, &f->e), 0);
    fixture_settle(f);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    registry_free(f->reg);
    store_close(f->store);
    loop_free(f->loop);
    random_seed(0);
    clock_real();
    free(f);
    return 0;
}

static inline void fixture_warn(void *arg, const char *text)
{
    struct fixture *f = arg;
    size_t len = strlen(f->warnings);
    (void)snprintf(f->warnings + len, sizeof(f->warnings) - len, "%s;", text);
}

static inline struct verb fixture_verb(struct fixture *f)
{
    memset(&f->e, 0, sizeof(f->e));
    f->warnings[0] = '\0';
    return (struct verb){.reg = f->reg,
                         .unit = store_unit_new(f->store),
                         .role = f->role,
                         .node = f->node,
                         .validation = f->validation,
                         .warn = fixture_warn,
                         .warn_arg = f};
}

static inline int fixture_finish(struct fixture *f, struct verb *v, int rc)
{
    if (rc < 0) {
        store_unit_free(v->unit);
        return rc;
    }
    rc = store_unit_stage(v->unit, NULL, NULL, &f->e);
    fixture_settle(f);
    return rc;
}

static inline cJSON *parse(const char *text)
{
    struct err e = {0};
    cJSON *tree = json_parse(text, strlen(text), &e);
    if (!tree)
        fail_msg("%s: %s", text, e.text);
    return tree;
}

/* Verbs below return the verb's result; e is in f->e. */
static inline int create(struct fixture *f, enum kind_id kind, const char *ns, const char *json)
{
    struct verb v = fixture_verb(f);
    struct object *out = NULL;
    cJSON *body = parse(json);
    int rc = verb_create(&v, kind, ns, body, &out, &f->e);
    object_unref(out);
    cJSON_Delete(body);
    return fixture_finish(f, &v, rc);
}

struct patch_arg {
    const cJSON *patch;
    const struct kind *kind;
};

static inline int apply_merge(cJSON *tree, void *arg, struct err *e)
{
    struct patch_arg *p = arg;
    cJSON *copy = cJSON_Duplicate(tree, true);
    int rc = patch_merge(&copy, p->patch, e);
    if (rc == 0)
        rc = verb_change_replace(tree, copy, e);
    cJSON_Delete(copy);
    return rc;
}

static inline int update(struct fixture *f, enum kind_id kind, const char *ns, const char *name,
                         enum subresource sub, verb_change_fn *change, const char *json)
{
    struct verb v = fixture_verb(f);
    struct object *out = NULL;
    const struct verb_key key = {kind, ns, name};
    cJSON *body = parse(json);
    struct patch_arg arg = {body, kind_get(kind)};
    int rc = verb_update(&v, &key, sub, change,
                         change == verb_change_replace ? (void *)body : (void *)&arg, &out, &f->e);
    object_unref(out);
    rc = fixture_finish(f, &v, rc);
    cJSON_Delete(body);
    return rc;
}

static inline int merge(struct fixture *f, enum kind_id kind, const char *ns, const char *name,
                        const char *json)
{
    return update(f, kind, ns, name, SUB_NONE, apply_merge, json);
}

static inline int merge_status(struct fixture *f, enum kind_id kind, const char *ns,
                               const char *name, const char *json)
{
    return update(f, kind, ns, name, SUB_STATUS, apply_merge, json);
}

static inline int delete_with(struct fixture *f, enum kind_id kind, const char *ns,
                              const char *name, const struct delete_opts *opts)
{
    struct verb v = fixture_verb(f);
    struct object *out = NULL;
    const struct verb_key key = {kind, ns, name};
    f->gone = false;
    int rc = verb_delete(&v, &key, opts, &out, &f->gone, &f->e);
    object_unref(out);
    return fixture_finish(f, &v, rc);
}

static inline int delete_plain(struct fixture *f, enum kind_id kind, const char *ns,
                               const char *name)
{
    const struct delete_opts opts = {0};
    return delete_with(f, kind, ns, name, &opts);
}

/* Borrowed until the next write; NULL when absent. */
static inline const struct object *look(struct fixture *f, enum kind_id kind, const char *ns,
                                        const char *name)
{
    struct store_view view = store_applied(f->store);
    return view_find(&view, kind, ns, name);
}

/* Value at a dotted path of the stored object as JSON text; valid until the next call; "" when
 * absent. */
static inline const char *field(struct fixture *f, enum kind_id kind, const char *ns,
                                const char *name, const char *path)
{
    static char out[4096];
    char buf[256], *save = NULL;
    const struct object *obj = look(f, kind, ns, name);
    out[0] = '\0';
    if (!obj)
        return out;
    cJSON *tree = object_tree_versioned(obj);
    const cJSON *at = tree;
    (void)snprintf(buf, sizeof(buf), "%s", path);
    for (char *part = strtok_r(buf, ">", &save); part && at; part = strtok_r(NULL, ">", &save))
        at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, (int)strtol(part, NULL, 10))
                               : json_get(at, part);
    if (at) {
        char *text = json_print(at, NULL);
        (void)snprintf(out, sizeof(out), "%s", text);
        free(text);
    }
    cJSON_Delete(tree);
    return out;
}

static inline void check_field(const char *file, int line, struct fixture *f, enum kind_id kind,
                               const char *ns, const char *name, const char *path, const char *want)
{
    _assert_string_equal(field(f, kind, ns, name, path), want, file, line);
}
#define assert_field(...) check_field(__FILE__, __LINE__, __VA_ARGS__)
#define assert_ok(f, call)                                                                         \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, (f)->e.text);                                                \
    } while (0)
#define assert_fails(f, call, code, want)                                                          \
    do {                                                                                           \
        assert_int_equal((call), (code));                                                          \
        assert_string_equal((f)->e.text, (want));                                                  \
    } while (0)
