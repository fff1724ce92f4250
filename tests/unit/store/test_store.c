#include "store_fixture.h"

/* ---- what hooks saw, as one line of text ---- */

struct trail {
    char text[4096];
};

static void note(struct trail *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct trail *t, const char *format, ...)
{
    va_list args;
    size_t used = strlen(t->text);
    va_start(args, format);
    (void)vsnprintf(t->text + used, sizeof(t->text) - used, format, args);
    va_end(args);
}

static const char *text_of(const struct object *obj)
{
    static char value[4][64];
    static int next;
    const char *at = obj ? strstr(obj->text, "\"v\":\"") : NULL;
    char *out = value[next++ % 4];
    out[0] = obj ? '?' : '-';
    out[1] = '\0';
    if (at)
        (void)snprintf(out, 64, "%.*s", (int)strcspn(at + 5, "\""), at + 5);
    return out;
}

static void on_stage(void *arg, const struct store_change *c)
{
    const struct object *named = c->after ? c->after : c->before;
    assert_int_equal(c->revision, 0);
    note(arg, "stage %s %s>%s;", named->name, text_of(c->before), text_of(c->after));
}

static void on_drop(void *arg, const struct store_change *c)
{
    const struct object *named = c->after ? c->after : c->before;
    note(arg, "drop %s %s>%s;", named->name, text_of(c->before), text_of(c->after));
}

static void on_apply(void *arg, const struct store_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct store_change *c = &batch->changes[i];
        const struct object *named = c->after ? c->after : c->before;
        if (c->after)
            assert_int_equal(c->after->mod_revision, c->revision);
        note(arg, "apply %s %s>%s;", named->name, text_of(c->before), text_of(c->after));
        assert_true(i == 0 || c->revision > batch->changes[i - 1].revision);
    }
    assert_int_equal(batch->revision, batch->changes[batch->count - 1].revision);
}

static void on_done(void *arg, enum store_outcome outcome, uint64_t revision, const struct err *e)
{
    static const char *const words[] = {"committed", "conflict", "failed", "unknown"};
    (void)revision;
    (void)e;
    note(arg, "done %s;", words[outcome]);
}

static void on_wake(void *arg)
{
    note(arg, "wake;");
}

static void listen(struct fixture *f, struct trail *t)
{
    *t = (struct trail){0};
    store_on_stage(f->store, on_stage, t);
    store_on_drop(f->store, on_drop, t);
    store_on_apply(f->store, on_apply, t);
}

/* ---- units ---- */

static void what_is_staged_is_on_the_head_and_applied_after_the_turn(void **state)
{
    struct fixture *f = *state;
    struct outcome o = {0};
    uint64_t before = store_applied(f->store).revision;
    stage_map(f->store, "a", "u1", "1", &o);
    assert_non_null(head_find(f->store, KIND_CONFIGMAP, "a"));
    assert_null(applied_find(f->store, KIND_CONFIGMAP, "a"));
    assert_int_equal(o.calls, 0);
    run_turns(f);
    const struct object *obj = applied_find(f->store, KIND_CONFIGMAP, "a");
    assert_non_null(obj);
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.outcome, STORE_COMMITTED);
    assert_int_equal(obj->mod_revision, before + 1);
    assert_int_equal(obj->create_revision, before + 1);
    assert_int_equal(o.revision, before + 1);
    assert_int_equal(store_applied(f->store).revision, before + 1);

    stage_map(f->store, "a", "u1", "2", NULL);
    run_turns(f);
    obj = applied_find(f->store, KIND_CONFIGMAP, "a");
    assert_int_equal(obj->create_revision, before + 1);
    assert_int_equal(obj->mod_revision, before + 2);
    stage_delete(f->store, KIND_CONFIGMAP, "a", &o);
    assert_null(head_find(f->store, KIND_CONFIGMAP, "a"));
    run_turns(f);
    assert_null(applied_find(f->store, KIND_CONFIGMAP, "a"));
    assert_int_equal(store_applied(f->store).revision, before + 3);
}

static void all_units_of_a_turn_share_one_commit(void **state)
{
    struct fixture *f = *state;
    struct outcome o = {0};
    uint64_t commits = store_commits(f->store);
    char name[16];
    for (int i = 0; i < 50; i++) {
        (void)snprintf(name, sizeof(name), "m%d", i);
        stage_map(f->store, name, name, "1", &o);
    }
    run_turns(f);
    assert_int_equal(o.calls, 50);
    assert_int_equal(store_commits(f->store), commits + 1);
    struct store_view view = store_applied(f->store);
    assert_int_equal(view_count(&view, KIND_CONFIGMAP), 50);
}

static void an_object_written_twice_in_a_turn_changes_once(void **state)
{
    struct fixture *f = *state;
    struct trail t;
    stage_map(f->store, "a", "u1", "0", NULL);
    run_turns(f);
    uint64_t before = store_applied(f->store).revision;
    listen(f, &t);
    stage_map(f->store, "a", "u1", "1", NULL);
    stage_map(f->store, "b", "u2", "1", NULL);
    stage_map(f->store, "a", "u1", "2", NULL);
    run_turns(f);
    assert_string_equal(t.text, "stage a 0>1;stage b ->1;stage a 1>2;apply a 0>2;apply b ->1;");
    assert_int_equal(store_applied(f->store).revision, before + 2);
}

static void what_changes_nothing_bumps_nothing(void **state) /* A17 */
{
    struct fixture *f = *state;
    struct trail t;
    struct outcome o = {0};
    stage_map(f->store, "a", "u1", "1", NULL);
    run_turns(f);
    uint64_t before = store_applied(f->store).revision, commits = store_commits(f->store);
    const struct object *present = applied_find(f->store, KIND_CONFIGMAP, "a");
    uint64_t mod = present->mod_revision;
    listen(f, &t);

    stage_map(f->store, "a", "u1", "1", &o); /* equal text */
    run_turns(f);
    assert_ptr_equal(applied_find(f->store, KIND_CONFIGMAP, "a"), present);
    struct store_unit *empty = store_unit_new(f->store);
    assert_true(store_unit_is_empty(empty));
    assert_int_equal(store_unit_stage(empty, note_outcome, &o, NULL), 0);
    run_turns(f);
    stage_map(f->store, "a", "u1", "2", &o); /* there and back within one turn */
    stage_map(f->store, "a", "u1", "1", &o);
    run_turns(f);
    stage_map(f->store, "b", "u2", "1", &o); /* created and deleted in one turn */
    stage_delete(f->store, KIND_CONFIGMAP, "b", &o);
    run_turns(f);
    assert_int_equal(o.calls, 6);
    assert_int_equal(o.outcome, STORE_COMMITTED);
    assert_null(strstr(t.text, "apply"));
    assert_int_equal(applied_find(f->store, KIND_CONFIGMAP, "a")->mod_revision, mod);
    assert_int_equal(store_applied(f->store).revision, before);
    assert_int_equal(store_commits(f->store), commits);
}

static void a_key_made_anew_in_one_turn_is_two_changes(void **state)
{
    struct fixture *f = *state;
    struct trail t;
    struct watch *w;
    bool gone;
    stage_map(f->store, "a", "u1", "1", NULL);
    run_turns(f);
    uint64_t before = store_applied(f->store).revision;
    assert_int_equal(watch_open(f->store, KIND_CONFIGMAP, before, NULL, NULL, &w, NULL), 0);
    listen(f, &t);
    stage_delete(f->store, KIND_CONFIGMAP, "a", NULL);
    stage_map(f->store, "a", "u2", "2", NULL);
    stage_map(f->store, "a", "u2", "3", NULL);
    run_turns(f);
    assert_string_equal(t.text, "stage a 1>-;stage a ->2;stage a 2>3;apply a 1>-;apply a ->3;");
    const struct object *obj = applied_find(f->store, KIND_CONFIGMAP, "a");
    assert_int_equal(obj->create_revision, before + 2);
    assert_int_equal(obj->mod_revision, before + 2);
    const struct store_event *ev = watch_next(w, &gone);
    assert_int_equal(ev->type, EVENT_DELETED);
    assert_int_equal(ev->revision, before + 1);
    assert_string_equal(ev->object->uid, "u1");
    ev = watch_next(w, &gone);
    assert_int_equal(ev->type, EVENT_ADDED);
    assert_int_equal(ev->revision, before + 2);
    assert_null(watch_next(w, &gone));
    assert_false(gone);
    watch_close(w);
    fixture_reopen(f);
    assert_string_equal(applied_find(f->store, KIND_CONFIGMAP, "a")->uid, "u2");
}

static void one_unit_may_replace_an_object_by_another(void **state)
{
    struct fixture *f = *state;
    struct trail t;
    stage_map(f->store, "a", "u1", "1", NULL);
    run_turns(f);
    listen(f, &t);
    struct store_unit *unit = store_unit_new(f->store);
    store_unit_delete(unit, store_unit_find(unit, KIND_CONFIGMAP, "default", "a"));
    assert_null(store_unit_find(unit, KIND_CONFIGMAP, "default", "a"));
    store_unit_put(unit, make_map("a", "u2", "2"), NULL);
    assert_string_equal(store_unit_find(unit, KIND_CONFIGMAP, "default", "a")->uid, "u2");
    assert_int_equal(store_unit_stage(unit, NULL, NULL, NULL), 0);
    run_turns(f);
    assert_string_equal(t.text, "stage a 1>-;stage a ->2;apply a 1>-;apply a ->2;");
}

static void a_unit_is_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    struct outcome o = {0};
    struct err e = {0};
    stage_map(f->store, "a", "u1", "1", NULL);
    run_turns(f);
    struct store_unit *unit = store_unit_new(f->store);
    store_unit_put(unit, make_map("b", "u2", "1"),
                   store_unit_find(unit, KIND_CONFIGMAP, "default", "b"));
    store_unit_put(unit, make_map("a", "u1", "2"),
                   store_unit_find(unit, KIND_CONFIGMAP, "default", "a"));
    stage_map(f->store, "a", "u1", "3", NULL); /* somebody else is quicker */
    assert_int_equal(store_unit_stage(unit, note_outcome, &o, &e), ERR_CONFLICT);
    assert_int_equal(e.code, ERR_CONFLICT);
    run_turns(f);
    assert_int_equal(o.calls, 0);
    assert_null(applied_find(f->store, KIND_CONFIGMAP, "b"));
    assert_string_equal(text_of(applied_find(f->store, KIND_CONFIGMAP, "a")), "3");
}

static void preconditions_are_exact(void **state) /* A18 */
{
    struct fixture *f = *state;
    struct err e = {0};
    stage_map(f->store, "a", "u1", "1", NULL);
    run_turns(f);
    struct store_unit *create = store_unit_new(f->store), *noop = store_unit_new(f->store),
                      *drop = store_unit_new(f->store);
    store_unit_put(create, make_map("a", "u2", "2"), NULL); /* it exists */
    assert_int_equal(store_unit_stage(create, NULL, NULL, &e), ERR_CONFLICT);
    const struct object *old = store_unit_find(noop, KIND_CONFIGMAP, "default", "a");
    store_unit_put(noop, make_map("a", "u1", "1"), old);
    store_unit_delete(drop, old);
    stage_map(f->store, "a", "u1", "2", NULL);
    stage_map(f->store, "a", "u1", "1", NULL); /* the same text, but not the same object */
    assert_int_equal(store_unit_stage(noop, NULL, NULL, &e), ERR_CONFLICT);
    assert_int_equal(store_unit_stage(drop, NULL, NULL, &e), ERR_CONFLICT);
    run_turns(f);
    assert_non_null(applied_find(f->store, KIND_CONFIGMAP, "a"));
}

static void a_unit_reads_its_own_writes(void **state)
{
    struct fixture *f = *state;
    struct store_unit *unit = store_unit_new(f->store);
    store_unit_put(unit, make_map("a", "u1", "1"), NULL);
    const struct object *own = store_unit_find(unit, KIND_CONFIGMAP, "default", "a");
    assert_string_equal(text_of(own), "1");
    store_unit_put(unit, make_map("a", "u1", "2"), own);
    assert_string_equal(text_of(store_unit_find(unit, KIND_CONFIGMAP, "default", "a")), "2");
    assert_null(head_find(f->store, KIND_CONFIGMAP, "a"));
    store_unit_delete(unit, store_unit_find(unit, KIND_CONFIGMAP, "default", "a"));
    assert_true(store_unit_is_empty(unit));
    store_unit_free(unit);
    run_turns(f);
    assert_null(applied_find(f->store, KIND_CONFIGMAP, "a"));
}

/* ---- the turn ---- */

static void hooks_watchers_and_replies_come_in_order(void **state)
{
    struct fixture *f = *state;
    struct trail t;
    struct watch *w;
    bool gone;
    listen(f, &t);
    assert_int_equal(watch_open(f->store, KIND_CONFIGMAP, store_applied(f->store).revision, on_wake,
                                &t, &w, NULL),
                     0);
    struct store_unit *unit = store_unit_new(f->store);
    store_unit_put(unit, make_map("a", "u1", "1"), NULL);
    store_unit_put(unit, make_map("b", "u2", "2"), NULL);
    assert_int_equal(store_unit_stage(unit, on_done, &t, NULL), 0);
    run_turns(f);
    assert_string_equal(t.text,
                        "stage a ->1;stage b ->2;apply a ->1;apply b ->2;wake;done committed;");
    assert_non_null(watch_next(w, &gone));
    watch_close(w);
}

struct restage {
    struct fixture *f;
    int left;
    uint64_t commits[4];
    int calls;
};

static void stage_again(struct restage *r)
{
    char name[16];
    r->commits[r->calls++] = store_commits(r->f->store);
    if (r->left-- <= 0)
        return;
    (void)snprintf(name, sizeof(name), "again%d", r->left);
    stage_map(r->f->store, name, name, "1", NULL);
}

static void restage_on_apply(void *arg, const struct store_batch *batch)
{
    (void)batch;
    stage_again(arg);
}

static void restage_on_done(void *arg, enum store_outcome outcome, uint64_t revision,
                            const struct err *e)
{
    (void)outcome;
    (void)revision;
    (void)e;
    stage_again(arg);
}

static void what_hooks_stage_belongs_to_the_next_turn(void **state)
{
    struct fixture *f = *state;
    struct restage r = {.f = f, .left = 2};
    store_on_apply(f->store, restage_on_apply, &r);
    stage_map(f->store, "a", "u1", "1", NULL);
    assert_true(loop_step(f->loop));
    assert_non_null(applied_find(f->store, KIND_CONFIGMAP, "a"));
    assert_null(applied_find(f->store, KIND_CONFIGMAP, "again1"));
    run_turns(f);
    assert_non_null(applied_find(f->store, KIND_CONFIGMAP, "again0"));
    assert_int_equal(r.calls, 3);
    assert_int_equal(r.commits[2], r.commits[0] + 2);
}

static void what_replies_stage_belongs_to_the_next_turn(void **state)
{
    struct fixture *f = *state;
    struct restage r = {.f = f, .left = 1};
    struct store_unit *unit = store_unit_new(f->store);
    store_unit_put(unit, make_map("a", "u1", "1"), NULL);
    assert_int_equal(store_unit_stage(unit, restage_on_done, &r, NULL), 0);
    run_turns(f);
    assert_int_equal(r.calls, 1);
    assert_non_null(applied_find(f->store, KIND_CONFIGMAP, "again0"));
}

struct settler {
    struct fixture *f;
    int rounds, calls;
};

static bool settle(void *arg)
{
    struct settler *s = arg;
    char name[16];
    s->calls++;
    if (s->rounds == 0)
        return false;
    (void)snprintf(name, sizeof(name), "s%d", s->rounds);
    stage_map(s->f->store, name, name, "1", NULL);
    return --s->rounds > 0;
}

static void settling_joins_the_commit_and_goes_on_in_the_next_turn(void **state)
{
    struct fixture *f = *state;
    struct settler s = {.f = f, .rounds = 3};
    store_set_settle(f->store, settle, &s);
    uint64_t commits = store_commits(f->store);
    stage_map(f->store, "a", "u1", "1", NULL);
    assert_true(loop_step(f->loop));
    assert_int_equal(s.calls, 1);
    assert_int_equal(store_commits(f->store),
                     commits + 1); /* one commit for the write and what followed from it */
    assert_non_null(applied_find(f->store, KIND_CONFIGMAP, "s3"));
    run_turns(f);
    assert_int_equal(s.rounds, 0);
    assert_int_equal(store_commits(f->store), commits + 3);

    s.calls = 0;
    store_kick(f->store); /* a turn although nothing is staged */
    run_turns(f);
    assert_int_equal(s.calls, 1);
    assert_int_equal(store_commits(f->store), commits + 3);
}

/* ---- late, lost and refused commits ---- */

struct faults {
    const enum store_mem_fault *list;
    size_t at, count;
};

static enum store_mem_fault next_fault(void *arg)
{
    struct faults *faults = arg;
    return faults->at < faults->count ? faults->list[faults->at++] : STORE_MEM_NONE;
}

static void what_is_staged_during_a_commit_waits_for_the_next(void **state)
{
    static const enum store_mem_fault late[] = {STORE_MEM_LATE};
    struct fixture *f = *state;
    struct faults faults = {.list = late, .count = 1};
    struct outcome a = {0}, b = {0}, none = {0};
    struct trail t;
    store_mem_set_fault(f->store, next_fault, &faults);
    listen(f, &t);
    stage_map(f->store, "a", "u1", "1", &a);
    assert_true(loop_step(f->loop));
    assert_int_equal(a.calls, 0);
    assert_null(applied_find(f->store, KIND_CONFIGMAP, "a"));
    stage_map(f->store, "a", "u1", "2", &b); /* on top of what is in flight */
    assert_int_equal(store_unit_stage(store_unit_new(f->store), note_outcome, &none, NULL), 0);
    run_turns(f);
    assert_int_equal(a.calls, 1);
    assert_string_equal(t.text, "stage a ->1;stage a 1>2;apply a ->1;apply a 1>2;");
    assert_int_equal(a.outcome, STORE_COMMITTED);
    assert_int_equal(b.calls, 1);
    assert_int_equal(b.outcome, STORE_COMMITTED);
    assert_true(b.revision > a.revision);
    assert_int_equal(none.calls, 1);
    store_mem_set_fault(f->store, NULL, NULL);
}

static void a_commit_that_fails_drops_the_head(void **state)
{
    static const struct {
        enum store_mem_fault fault;
        enum store_outcome outcome;
        enum err_code code;
    } rows[] = {{STORE_MEM_CONFLICT, STORE_CONFLICT, ERR_CONFLICT},
                {STORE_MEM_FAIL, STORE_FAILED, ERR_UNAVAILABLE},
                {STORE_MEM_NO_SPACE, STORE_FAILED, ERR_NO_SPACE},
                {STORE_MEM_UNKNOWN, STORE_UNKNOWN, ERR_TIMEOUT}};
    struct fixture *f = *state;
    struct trail t;
    stage_map(f->store, "a", "u1", "0", NULL);
    stage_map(f->store, "c", "u3", "0", NULL);
    run_turns(f);
    listen(f, &t);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct faults faults = {.list = &rows[i].fault, .count = 1};
        struct outcome o = {0};
        uint64_t before = store_applied(f->store).revision;
        store_mem_set_fault(f->store, next_fault, &faults);
        t.text[0] = '\0';
        stage_map(f->store, "a", "u1", "1", &o);
        stage_map(f->store, "b", "u2", "1", &o);
        stage_delete(f->store, KIND_CONFIGMAP, "c", &o);
        t.text[0] = '\0';
        run_turns(f);
        assert_string_equal(t.text, "drop a 0>1;drop b ->1;drop c 0>-;");
        assert_int_equal(o.calls, 3);
        assert_int_equal(o.outcome, rows[i].outcome);
        assert_int_equal(o.e.code, rows[i].code);
        assert_string_equal(text_of(head_find(f->store, KIND_CONFIGMAP, "a")), "0");
        assert_null(head_find(f->store, KIND_CONFIGMAP, "b"));
        assert_non_null(head_find(f->store, KIND_CONFIGMAP, "c"));
        assert_int_equal(store_applied(f->store).revision, before);
        assert_false(store_is_read_only(f->store));
        store_mem_set_fault(f->store, NULL, NULL);
    }
    stage_map(f->store, "a", "u1", "2", NULL);
    run_turns(f);
    assert_string_equal(text_of(applied_find(f->store, KIND_CONFIGMAP, "a")), "2");
}

static void what_was_staged_on_a_lost_commit_is_lost_too(void **state)
{
    static const enum store_mem_fault late[] = {STORE_MEM_LATE_FAIL};
    struct fixture *f = *state;
    struct faults faults = {.list = late, .count = 1};
    struct outcome a = {0}, b = {0};
    struct trail t;
    listen(f, &t);
    store_mem_set_fault(f->store, next_fault, &faults);
    stage_map(f->store, "a", "u1", "1", &a);
    assert_true(loop_step(f->loop));
    stage_map(f->store, "a", "u1", "2", &b);
    run_turns(f);
    assert_int_equal(a.calls, 1);
    assert_int_equal(a.outcome, STORE_FAILED);
    assert_int_equal(b.calls, 1);
    assert_int_equal(b.outcome, STORE_CONFLICT); /* it may be run again */
    assert_null(head_find(f->store, KIND_CONFIGMAP, "a"));
    assert_string_equal(t.text, "stage a ->1;stage a 1>2;drop a ->1;drop a 1>2;");
    store_mem_set_fault(f->store, NULL, NULL);
}

static void a_crash_keeps_what_was_committed_and_nothing_else(void **state)
{
    static const enum store_mem_fault late[] = {STORE_MEM_NONE, STORE_MEM_LATE};
    struct fixture *f = *state;
    struct faults faults = {.list = late, .count = 2};
    struct outcome o = {0};
    store_mem_set_fault(f->store, next_fault, &faults);
    stage_map(f->store, "a", "u1", "1", NULL);
    run_turns(f);
    uint64_t revision = store_applied(f->store).revision;
    stage_map(f->store, "b", "u2", "1", &o); /* on disk, but nobody was told */
    assert_true(loop_step(f->loop));
    stage_map(f->store, "c", "u3", "1", &o);
    struct store_unit *unit = store_unit_new(f->store);
    store_unit_put(unit, make_map("d", "u4", "1"), NULL);
    struct store_pin *pin = store_pin_new(f->store);
    struct watch *w;
    assert_int_equal(watch_open(f->store, KIND_CONFIGMAP, revision, NULL, NULL, &w, NULL), 0);

    f->store = store_mem_crash(f->store);
    assert_int_equal(o.calls, 0);
    assert_non_null(applied_find(f->store, KIND_CONFIGMAP, "a"));
    assert_non_null(applied_find(f->store, KIND_CONFIGMAP, "b"));
    assert_null(applied_find(f->store, KIND_CONFIGMAP, "c"));
    assert_true(store_applied(f->store).revision > revision);
    assert_true(applied_find(f->store, KIND_CONFIGMAP, "b")->mod_revision > revision);
    struct store_view view;
    bool gone;
    struct err e;
    assert_int_equal(store_unit_stage(unit, note_outcome, &o, &e), ERR_UNAVAILABLE);
    assert_false(store_pin_view(pin, &view));
    store_pin_free(pin);
    assert_null(watch_next(w, &gone));
    assert_true(gone);
    watch_close(w);
    run_turns(f);
    assert_int_equal(o.calls, 0);
    store_mem_set_fault(f->store, NULL, NULL);
}

/* ---- over restarts ---- */

static void revisions_grow_over_restarts(void **state)
{
    struct fixture *f = *state;
    uint64_t last = 0;
    for (int round = 0; round < 4; round++) {
        assert_true(store_applied(f->store).revision > last);
        for (int i = 0; i < 3; i++) { /* events leave no trace on disk, but their revisions count */
            char name[16];
            (void)snprintf(name, sizeof(name), "e%d", i);
            stage_object(f->store, make_object(KIND_EVENT, name, name, "", ""), NULL);
            run_turns(f);
        }
        last = applied_find(f->store, KIND_EVENT, "e2")->mod_revision;
        assert_int_equal(last, store_applied(f->store).revision);
        fixture_reopen(f);
        assert_null(applied_find(f->store, KIND_EVENT, "e2"));
    }
}

static void events_cost_no_durable_commit(void **state)
{
    struct fixture *f = *state;
    stage_map(f->store, "a", "u1", "1", NULL);
    run_turns(f);
    uint64_t commits = store_commits(f->store);
    stage_object(f->store, make_object(KIND_EVENT, "e", "e", "", ""), NULL);
    run_turns(f);
    assert_int_equal(store_commits(f->store), commits);
    assert_non_null(applied_find(f->store, KIND_EVENT, "e"));
}

static void objects_and_values_come_back(void **state)
{
    struct fixture *f = *state;
    stage_map(f->store, "a", "u1", "1", NULL);
    run_turns(f);
    stage_map(f->store, "a", "u1", "2", NULL);
    stage_map(f->store, "b", "u2", "1", NULL);
    stage_map(f->store, "c", "u3", "1", NULL);
    store_meta_set(f->store, "serial", "7");
    store_meta_set(f->store, "other", "x");
    assert_string_equal(store_meta_get(f->store, "serial"), "7");
    run_turns(f);
    stage_delete(f->store, KIND_CONFIGMAP, "c", NULL);
    store_meta_set(f->store, "serial", "8");
    run_turns(f);
    uint64_t create = applied_find(f->store, KIND_CONFIGMAP, "a")->create_revision;
    uint64_t mod = applied_find(f->store, KIND_CONFIGMAP, "a")->mod_revision;
    for (int i = 0; i < 2; i++) {
        fixture_reopen(f);
        const struct object *a = applied_find(f->store, KIND_CONFIGMAP, "a");
        assert_string_equal(text_of(a), "2");
        assert_int_equal(a->create_revision, create);
        assert_int_equal(a->mod_revision, mod);
        assert_null(applied_find(f->store, KIND_CONFIGMAP, "c"));
        assert_string_equal(store_meta_get(f->store, "serial"), "8");
        assert_string_equal(store_meta_get(f->store, "other"), "x");
        assert_null(store_meta_get(f->store, "none"));
    }
}

static void closing_commits_what_is_staged(void **state)
{
    struct fixture *f = *state;
    struct outcome o = {0};
    stage_map(f->store, "a", "u1", "1", &o);
    store_meta_set(f->store, "serial", "9");
    store_close(f->store);
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.outcome, STORE_COMMITTED);
    fixture_open(f);
    assert_non_null(applied_find(f->store, KIND_CONFIGMAP, "a"));
    assert_string_equal(store_meta_get(f->store, "serial"), "9");
}

/* ---- walks and pins ---- */

static void walks_go_in_order_within_their_bounds(void **state)
{
    static const char *const names[] = {"b", "a-1", "a", "a.b", "ab", "c"};
    struct fixture *f = *state;
    struct trail t = {0};
    struct view_cursor cur;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        stage_map(f->store, names[i], names[i], "1", NULL);
    stage_object(f->store, make_object(KIND_NODE, "a", "n", "", ""), NULL);
    run_turns(f);
    struct store_view view = store_applied(f->store);
    for (view_seek(&cur, &view, KIND_CONFIGMAP, "default", NULL); cur.object; view_next(&cur))
        note(&t, "%s ", cur.object->name);
    assert_string_equal(t.text, "a a-1 a.b ab b c ");
    t.text[0] = '\0';
    for (view_seek(&cur, &view, KIND_CONFIGMAP, "default", "a"); cur.object; view_next(&cur))
        note(&t, "%s ", cur.object->name);
    assert_string_equal(t.text, "a a-1 a.b ab ");
    t.text[0] = '\0';
    for (view_seek_after(&cur, &view, KIND_CONFIGMAP, NULL, "configmaps/default/a.b"); cur.object;
         view_next(&cur))
        note(&t, "%s ", cur.object->name);
    assert_string_equal(t.text, "ab b c ");
    t.text[0] = '\0';
    for (view_seek_after(&cur, &view, KIND_CONFIGMAP, NULL, "configmaps/default/aa"); cur.object;
         view_next(&cur))
        note(&t, "%s ", cur.object->name);
    assert_string_equal(t.text, "ab b c ");
    view_seek(&cur, &view, KIND_CONFIGMAP, "defaul", NULL);
    assert_null(cur.object);
    view_seek(&cur, &view, KIND_CONFIGMAP, NULL, NULL);
    assert_string_equal(cur.object->name, "a");
    view_seek_after(&cur, &view, KIND_CONFIGMAP, NULL, "a"); /* a key from elsewhere */
    assert_string_equal(cur.object->name, "a");
    view_seek_after(&cur, &view, KIND_CONFIGMAP, "default", "pods/default/x");
    assert_null(cur.object);
    assert_int_equal(view_count(&view, KIND_NODE), 1);
    assert_int_equal(view_count(&view, KIND_POD), 0);
}

static void pins_keep_their_version_until_a_limit(void **state)
{
    struct fixture *f = *state;
    struct store_view view;
    char value[16];
    stage_map(f->store, "a", "u1", "0", NULL);
    run_turns(f);
    struct store_pin *pin = store_pin_new(f->store);
    for (int i = 1; i < 20; i++) {
        (void)snprintf(value, sizeof(value), "%d", i);
        stage_map(f->store, "a", "u1", value, NULL);
        run_turns(f);
    }
    stage_delete(f->store, KIND_CONFIGMAP, "a", NULL);
    run_turns(f);
    assert_true(store_pin_view(pin, &view));
    assert_string_equal(text_of(view_find(&view, KIND_CONFIGMAP, "default", "a")), "0");
    assert_true(table_held_bytes(f->store->table) > 0);

    store_set_pin_limits(f->store, 60 * INT64_C(1000000), 1); /* bytes */
    stage_map(f->store, "b", "u2", "0", NULL);
    run_turns(f);
    assert_false(store_pin_view(pin, &view));
    assert_int_equal(table_held_bytes(f->store->table), 0);
    store_pin_free(pin);

    store_set_pin_limits(f->store, 60 * INT64_C(1000000), 1 << 20); /* age */
    pin = store_pin_new(f->store);
    assert_true(store_pin_view(pin, &view));
    clock_fake_advance(61 * INT64_C(1000000));
    assert_false(store_pin_view(pin, &view));
    stage_map(f->store, "b", "u2", "1", NULL);
    run_turns(f);
    assert_int_equal(table_held_bytes(f->store->table), 0);
    store_pin_free(pin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(what_is_staged_is_on_the_head_and_applied_after_the_turn),
        ON_BOTH(all_units_of_a_turn_share_one_commit),
        ON_BOTH(an_object_written_twice_in_a_turn_changes_once),
        ON_BOTH(what_changes_nothing_bumps_nothing),
        ON_BOTH(a_key_made_anew_in_one_turn_is_two_changes),
        ON_BOTH(one_unit_may_replace_an_object_by_another),
        ON_BOTH(a_unit_is_all_or_nothing),
        ON_BOTH(preconditions_are_exact),
        ON_BOTH(a_unit_reads_its_own_writes),
        ON_BOTH(hooks_watchers_and_replies_come_in_order),
        ON_BOTH(what_hooks_stage_belongs_to_the_next_turn),
        ON_BOTH(what_replies_stage_belongs_to_the_next_turn),
        ON_BOTH(settling_joins_the_commit_and_goes_on_in_the_next_turn),
        ON_MEMORY(what_is_staged_during_a_commit_waits_for_the_next),
        ON_MEMORY(a_commit_that_fails_drops_the_head),
        ON_MEMORY(what_was_staged_on_a_lost_commit_is_lost_too),
        ON_MEMORY(a_crash_keeps_what_was_committed_and_nothing_else),
        ON_BOTH(revisions_grow_over_restarts),
        ON_BOTH(events_cost_no_durable_commit),
        ON_BOTH(objects_and_values_come_back),
        ON_LMDB(closing_commits_what_is_staged),
        ON_BOTH(walks_go_in_order_within_their_bounds),
        ON_BOTH(pins_keep_their_version_until_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
