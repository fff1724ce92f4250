/* Random units, faults, crashes, pins and watches against a model that is nothing but arrays of
 * texts. */
#include "store_fixture.h"

#include "base/random.h"

enum { KEYS = 24, STEPS = 6000 };

/* One key of the model: the object's text, "" when absent. */
struct cell {
    char uid[UUID_TEXT_SIZE];
    char *text;
    uint64_t create_revision, mod_revision;
};
struct model {
    struct cell cells[KEYS];
};

static const enum kind_id kinds[] = {KIND_POD, KIND_SERVICE, KIND_PVC, KIND_EVENT};

struct world {
    struct fixture *f;
    struct model head, applied, flying, seen; /* seen: what the watches told */
    struct watch *watches[ARRAY_SIZE(kinds)];
    struct store_pin *pin;
    struct model pinned;
    uint64_t last_revision;
    enum store_mem_fault fault; /* of the last commit */
    int open_units, outcomes, crashes, lost_commits, conflicts;
    bool dropped;
};

static void cell_set(struct cell *cell, const struct object *obj)
{
    free(cell->text);
    *cell = (struct cell){0};
    if (!obj)
        return;
    memcpy(cell->uid, obj->uid, sizeof(cell->uid));
    cell->text = xstrdup(obj->text);
    cell->create_revision = obj->create_revision;
    cell->mod_revision = obj->mod_revision;
}

static void model_copy(struct model *to, const struct model *from)
{
    for (size_t i = 0; i < KEYS; i++) {
        char *text = from->cells[i].text ? xstrdup(from->cells[i].text) : NULL;
        free(to->cells[i].text);
        to->cells[i] = from->cells[i];
        to->cells[i].text = text;
    }
}

static void model_free(struct model *m)
{
    for (size_t i = 0; i < KEYS; i++)
        free(m->cells[i].text);
}

static enum kind_id kind_of(size_t key)
{
    return kinds[key % ARRAY_SIZE(kinds)];
}

static void name_of(size_t key, char out[16])
{
    (void)snprintf(out, 16, "k%zu", key);
}

static size_t key_of(const struct object *obj)
{
    return (size_t)strtoul(obj->name + 1, NULL, 10);
}

static struct object *random_object(size_t key, const char *uid)
{
    static const char *const apps[] = {"red", "green", "blue"};
    char name[16], meta[256], body[512];
    name_of(key, name);
    (void)snprintf(
        meta, sizeof(meta),
        ",\"labels\":{\"app\":\"%s\",\"tier\":\"%s\"},\"ownerReferences\":[{\"uid\":\"o%d\"}]",
        apps[random_below(3)], apps[random_below(3)], (int)random_below(3));
    (void)snprintf(
        body, sizeof(body),
        ",\"spec\":{\"nodeName\":\"n%d\",\"clusterIP\":\"10.0.0.%d\",\"selector\":{\"app\":\"%s\"},"
        "\"storageClassName\":\"c%d\"},\"status\":{\"podIP\":\"10.0.0.%d\"}",
        (int)random_below(3), (int)random_below(3), apps[random_below(3)], (int)random_below(2),
        (int)random_below(3));
    if (kind_of(key) == KIND_PVC) /* its selector is an object of another form */
        (void)snprintf(body, sizeof(body),
                       ",\"spec\":{\"storageClassName\":\"c%d\"},\"status\":{\"phase\":\"%s\"}",
                       (int)random_below(2), random_below(2) ? "Pending" : "Bound");
    return make_object(kind_of(key), name, uid, meta, body);
}

/* ---- hooks ---- */

static void on_apply(void *arg, const struct store_batch *batch)
{
    struct world *w = arg;
    for (size_t i = 0; i < batch->count; i++) {
        const struct store_change *c = &batch->changes[i];
        struct cell *cell = &w->applied.cells[key_of(c->after ? c->after : c->before)];
        assert_true(c->revision > w->last_revision);
        w->last_revision = c->revision;
        if (c->before) {
            assert_string_equal(cell->text, c->before->text);
            assert_int_equal(cell->mod_revision, c->before->mod_revision);
        } else {
            assert_null(cell->text);
        }
        if (c->before && c->after)
            assert_string_equal(c->before->uid, c->after->uid);
        if (c->after) {
            assert_int_equal(c->after->mod_revision, c->revision);
            assert_int_equal(c->after->create_revision,
                             c->before ? c->before->create_revision : c->revision);
        }
        cell_set(cell, c->after);
    }
}

static void on_drop(void *arg, const struct store_change *c)
{
    (void)c;
    ((struct world *)arg)->dropped = true;
}

static void on_done(void *arg, enum store_outcome outcome, uint64_t revision, const struct err *e)
{
    struct world *w = arg;
    (void)revision;
    w->outcomes++;
    assert_true((outcome == STORE_COMMITTED) == (e == NULL));
}

static enum store_mem_fault choose_fault(void *arg)
{
    static const enum store_mem_fault faults[] = {STORE_MEM_CONFLICT, STORE_MEM_FAIL,
                                                  STORE_MEM_NO_SPACE, STORE_MEM_LATE_FAIL,
                                                  STORE_MEM_UNKNOWN};
    struct world *w = arg;
    uint64_t dice = random_below(10);
    w->fault = dice < 5   ? STORE_MEM_NONE
               : dice < 8 ? STORE_MEM_LATE
                          : faults[random_below(ARRAY_SIZE(faults))];
    return w->fault;
}

/* ---- steps ---- */

static void open_watches(struct world *w)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        watch_close(w->watches[i]);
        assert_int_equal(watch_open(w->f->store, kinds[i], store_applied(w->f->store).revision,
                                    NULL, NULL, &w->watches[i], NULL),
                         0);
    }
    model_copy(&w->seen, &w->applied);
}

static void listen(struct world *w)
{
    store_on_apply(w->f->store, on_apply, w);
    store_on_drop(w->f->store, on_drop, w);
    open_watches(w);
}

static void step_unit(struct world *w)
{
    struct store_unit *unit = store_unit_new(w->f->store);
    struct model next = {0};
    char name[16], uid[UUID_TEXT_SIZE];
    model_copy(&next, &w->head);
    for (uint64_t n = random_below(4); n > 0; n--) {
        size_t key = (size_t)random_below(KEYS);
        struct cell *cell = &next.cells[key];
        name_of(key, name);
        const struct object *present = store_unit_find(unit, kind_of(key), "default", name);
        assert_true((present != NULL) == (cell->text != NULL));
        if (present && random_below(3) == 0) {
            store_unit_delete(unit, present);
            cell_set(cell, NULL);
            continue;
        }
        random_uuid(uid);
        struct object *obj = random_object(key, present ? present->uid : uid);
        cell_set(cell, obj);
        store_unit_put(unit, obj, present);
    }
    if (random_below(8) == 0) { /* somebody else is quicker on a key of this unit, or not */
        size_t key = (size_t)random_below(KEYS);
        name_of(key, name);
        const struct object *present = store_unit_find(unit, kind_of(key), "default", name);
        const struct object *on_head = head_find(w->f->store, kind_of(key), name);
        if (present != on_head) {
            struct object *obj = random_object(key, "other");
            struct store_unit *other = store_unit_new(w->f->store);
            cell_set(&w->head.cells[key], obj);
            store_unit_put(other, obj, on_head);
            assert_int_equal(store_unit_stage(other, on_done, w, NULL), 0);
            assert_int_equal(store_unit_stage(unit, on_done, w, NULL), ERR_CONFLICT);
            w->open_units++;
            w->conflicts++;
            model_free(&next);
            return;
        }
    }
    assert_int_equal(store_unit_stage(unit, on_done, w, NULL), 0);
    w->open_units++;
    model_free(&w->head);
    w->head = next;
}

static void step_loop(struct world *w)
{
    bool was_flying = w->f->store->in_flight;
    w->dropped = false;
    if (!was_flying)
        model_copy(&w->flying, &w->head);
    struct model before = {0};
    model_copy(&before, &w->head);
    (void)loop_step(w->f->loop);
    if (w->dropped) {
        w->lost_commits++;
        model_copy(&w->head, &w->applied);
    } else if (was_flying && w->f->store->in_flight) {
        model_copy(&w->flying, &before); /* the late one ended, the next is late as well */
    }
    model_free(&before);
}

static void step_crash(struct world *w)
{
    bool on_disk = w->f->store->in_flight && w->fault == STORE_MEM_LATE;
    struct model expected = {0};
    model_copy(&expected, on_disk ? &w->flying : &w->applied);
    store_pin_free(TAKE(w->pin));
    w->f->store = store_mem_crash(w->f->store);
    struct store_view view = store_applied(w->f->store);
    assert_true(view.revision >=
                w->last_revision); /* equal when nothing was handed out since the last start */
    w->last_revision = view.revision;
    for (size_t i = 0; i < KEYS; i++) {
        char name[16];
        name_of(i, name);
        const struct object *obj = applied_find(w->f->store, kind_of(i), name);
        if (kind_of(i) == KIND_EVENT || !expected.cells[i].text)
            assert_null(obj);
        else
            assert_string_equal(obj->text, expected.cells[i].text);
        cell_set(&w->applied.cells[i], obj);
    }
    model_copy(&w->head, &w->applied);
    model_free(&expected);
    w->open_units = w->outcomes = 0;
    w->crashes++;
    listen(w);
}

/* ---- checks ---- */

static void check_state(const struct store_view *view, const struct model *m, bool with_revisions)
{
    size_t found = 0;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct view_cursor cur;
        const char *last = "";
        for (view_seek(&cur, view, kinds[i], NULL, NULL); cur.object; view_next(&cur), found++) {
            const struct cell *cell = &m->cells[key_of(cur.object)];
            assert_non_null(cell->text);
            assert_string_equal(cur.object->text, cell->text);
            assert_true(strcmp(last, cur.object->key) < 0);
            last = cur.object->key;
            if (with_revisions) {
                assert_int_equal(cur.object->mod_revision, cell->mod_revision);
                assert_int_equal(cur.object->create_revision, cell->create_revision);
            }
        }
    }
    for (size_t i = 0; i < KEYS; i++)
        found -= m->cells[i].text != NULL;
    assert_int_equal(found, 0);
}

typedef bool carries_fn(const struct object *obj, const char *value);

static bool has_app(const struct object *obj, const char *value)
{
    return obj->kind->id != KIND_EVENT && !strcmp(object_label(obj, "app"), value);
}

static bool has_owner(const struct object *obj, const char *value)
{
    return !strcmp(obj->owners[0].uid, value);
}

static bool has_node(const struct object *obj, const char *value)
{
    return obj->kind->id == KIND_POD && !strcmp(pod_view(obj)->node, value);
}

static bool has_address(const struct object *obj, const char *value)
{
    if (obj->kind->id == KIND_POD)
        return !strcmp(pod_view(obj)->ips[0], value);
    return obj->kind->id == KIND_SERVICE && !strcmp(service_view(obj)->cluster_ips[0], value);
}

static bool has_selector(const struct object *obj, const char *value)
{
    return obj->kind->id == KIND_SERVICE && !strcmp(service_view(obj)->selector[0].value, value);
}

static bool has_pending(const struct object *obj, const char *value)
{
    return obj->kind->id == KIND_PVC && !strcmp(claim_view(obj)->phase, "Pending") &&
           !strcmp(claim_view(obj)->class_name, value);
}

static void check_term(const struct store_view *view, const char *term, carries_fn *carries,
                       const char *value)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct view_cursor all;
        struct index_cursor cur;
        index_seek(&cur, view, kinds[i], term);
        for (view_seek(&all, view, kinds[i], NULL, NULL); all.object; view_next(&all)) {
            if (!carries(all.object, value))
                continue;
            assert_ptr_equal(cur.object, all.object);
            index_next(&cur);
        }
        assert_null(cur.object);
    }
}

static void check_indexes(const struct store_view *view)
{
    static const char *const apps[] = {"red", "green", "blue"};
    char term[INDEX_TERM_MAX], value[16];
    int n = (int)random_below(3);
    index_label(term, "default", "app", apps[n]);
    check_term(view, term, has_app, apps[n]);
    index_selector(term, "default", "app", apps[n]);
    check_term(view, term, has_selector, apps[n]);
    (void)snprintf(value, sizeof(value), "o%d", n);
    index_owner(term, value);
    check_term(view, term, has_owner, value);
    (void)snprintf(value, sizeof(value), "n%d", n);
    index_node(term, value);
    check_term(view, term, has_node, value);
    (void)snprintf(value, sizeof(value), "10.0.0.%d", n);
    index_address(term, value);
    check_term(view, term, has_address, value);
    (void)snprintf(value, sizeof(value), "c%d", n);
    index_pending(term, value);
    check_term(view, term, has_pending, value);
}

static void check_watches(struct world *w)
{
    bool gone;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const struct store_event *ev;
        while ((ev = watch_next(w->watches[i], &gone))) {
            struct cell *cell = &w->seen.cells[key_of(ev->object)];
            assert_true((ev->type == EVENT_ADDED) == (cell->text == NULL));
            if (ev->type == EVENT_MODIFIED)
                assert_string_equal(ev->before->text, cell->text);
            if (ev->type == EVENT_DELETED)
                assert_string_equal(ev->object->text, cell->text);
            cell_set(cell, ev->type == EVENT_DELETED ? NULL : ev->object);
        }
        assert_false(gone);
    }
    for (size_t i = 0; i < KEYS; i++)
        assert_int_equal(w->seen.cells[i].mod_revision, w->applied.cells[i].mod_revision);
}

static void check_world(struct world *w)
{
    struct store_view applied = store_applied(w->f->store), head = store_head(w->f->store), pinned;
    check_state(&applied, &w->applied, true);
    check_state(&head, &w->head, false);
    check_indexes(&applied);
    check_indexes(&head);
    if (w->pin && store_pin_view(w->pin, &pinned)) {
        check_state(&pinned, &w->pinned, true);
        check_indexes(&pinned);
    }
    if (random_below(4) == 0)
        check_watches(w);
}

static void random_histories_match_the_model(void **state)
{
    struct fixture *f = *state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        static struct world w; /* outlives a failed assertion: hooks point to it */
        w = (struct world){.f = f};
        random_seed(seed);
        print_message("seed %llu\n", (unsigned long long)seed);
        store_mem_set_fault(f->store, choose_fault, &w);
        struct store_view view = store_applied(f->store);
        w.last_revision = view.revision;
        for (size_t i = 0; i < KEYS; i++) { /* what the seed before left */
            char name[16];
            name_of(i, name);
            cell_set(&w.applied.cells[i], applied_find(f->store, kind_of(i), name));
        }
        model_copy(&w.head, &w.applied);
        listen(&w);
        for (int step = 0; step < STEPS; step++) {
            uint64_t dice = random_below(100);
            if (dice < 55)
                step_unit(&w);
            else if (dice < 95)
                step_loop(&w);
            else if (dice < 96)
                step_crash(&w);
            else if (w.pin)
                store_pin_free(TAKE(w.pin));
            else {
                w.pin = store_pin_new(f->store);
                model_copy(&w.pinned, &w.applied);
            }
            check_world(&w);
        }
        store_mem_set_fault(f->store, NULL, NULL);
        run_turns(f);
        assert_int_equal(w.outcomes, w.open_units); /* every unit was answered once */
        assert_true(w.crashes > 10 && w.lost_commits > 10 && w.conflicts > 10);
        store_pin_free(w.pin);
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
            watch_close(w.watches[i]);
        model_free(&w.head);
        model_free(&w.applied);
        model_free(&w.flying);
        model_free(&w.seen);
        model_free(&w.pinned);
        f->store = store_mem_crash(f->store); /* hooks of this world are forgotten */
    }
    random_seed(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {ON_MEMORY(random_histories_match_the_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
