#include "store_fixture.h"

static void write_map(struct fixture *f, const char *name, int value)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "%d", value);
    stage_map(f->store, name, name, text, NULL);
    run_turns(f);
}

static uint64_t now_at(const struct fixture *f)
{
    return store_applied(f->store).revision;
}

static struct watch *open_at(struct fixture *f, enum kind_id kind, uint64_t revision, loop_fn *wake,
                             void *arg)
{
    struct watch *w = NULL;
    struct err e = {0};
    if (watch_open(f->store, kind, revision, wake, arg, &w, &e) < 0)
        fail_msg("%s", e.text);
    return w;
}

static void a_watch_tells_every_change_after_its_revision(void **state) /* A34 */
{
    struct fixture *f = *state;
    bool gone;
    uint64_t start = now_at(f);
    write_map(f, "a", 1);
    uint64_t middle = now_at(f);
    write_map(f, "a", 2);
    stage_object(f->store, make_object(KIND_NODE, "n", "n", "", ""), NULL);
    run_turns(f);
    stage_delete(f->store, KIND_CONFIGMAP, "a", NULL);
    run_turns(f);

    struct watch *all = open_at(f, KIND_CONFIGMAP, start, NULL, NULL);
    const struct store_event *ev = watch_next(all, &gone);
    assert_int_equal(ev->type, EVENT_ADDED);
    assert_int_equal(ev->revision, start + 1);
    assert_null(ev->before);
    assert_int_equal(watch_revision(all), start + 1);
    ev = watch_next(all, &gone);
    assert_int_equal(ev->type, EVENT_MODIFIED);
    assert_int_equal(ev->object->mod_revision, ev->revision);
    assert_int_equal(ev->before->mod_revision,
                     start + 1); /* A35: the previous state, for selectors */
    assert_int_equal(watch_revision(all),
                     start + 3); /* the node's change in between was seen, too */
    ev = watch_next(all, &gone);
    assert_int_equal(ev->type, EVENT_DELETED);
    assert_int_equal(ev->revision, start + 4); /* A17: the deletion's own */
    assert_int_equal(ev->object->mod_revision, start + 2);
    assert_null(watch_next(all, &gone));
    assert_false(gone);
    assert_int_equal(watch_revision(all), now_at(f));
    watch_close(all);

    struct watch *later = open_at(f, KIND_CONFIGMAP, middle, NULL, NULL);
    assert_int_equal(watch_next(later, &gone)->type, EVENT_MODIFIED);
    watch_close(later);
}

static void revisions_that_are_not_kept_are_refused(void **state)
{
    struct fixture *f = *state;
    struct watch *w = NULL;
    struct err e = {0};
    uint64_t start = now_at(f);
    assert_int_equal(watch_open(f->store, KIND_POD, start - 1, NULL, NULL, &w, &e), ERR_GONE);
    assert_non_null(strstr(e.text, "too old resource version: "));
    assert_int_equal(watch_open(f->store, KIND_POD, start + 1, NULL, NULL, &w, &e), ERR_TIMEOUT);
    assert_int_equal(e.causes, 1);
    assert_int_equal(e.cause[0].kind, CAUSE_RESOURCE_VERSION_TOO_LARGE);
    assert_null(w);

    write_map(f, "a", 1);
    uint64_t before = now_at(f);
    fixture_reopen(f);
    memset(&e, 0, sizeof(e));
    assert_int_equal(watch_open(f->store, KIND_CONFIGMAP, before, NULL, NULL, &w, &e),
                     ERR_GONE); /* A34: after a restart */
}

static void history_is_bounded_by_bytes(void **state)
{
    struct fixture *f = *state;
    struct watch *w = NULL;
    struct err e = {0};
    bool gone;
    f->store->history.max_bytes = 10000;
    uint64_t start = now_at(f);
    struct watch *slow = open_at(f, KIND_CONFIGMAP, start, NULL, NULL),
                 *quiet = open_at(f, KIND_POD, start, NULL, NULL);
    const struct store_event *ev = NULL;
    for (int i = 0; i < 100; i++) {
        write_map(f, "a", i);
        assert_true(f->store->history.bytes <= 10000);
        if (i == 0)
            ev = watch_next(slow, &gone);
    }
    assert_int_equal(ev->revision,
                     start + 1); /* borrowed until the next call, whatever the ring does */
    assert_string_equal(ev->object->name, "a");
    assert_null(watch_next(slow, &gone)); /* A39 */
    assert_true(gone);
    watch_close(slow);
    assert_null(watch_next(quiet, &gone));
    assert_false(gone); /* nothing of its kind was lost */
    watch_close(quiet);

    assert_int_equal(watch_open(f->store, KIND_CONFIGMAP, start, NULL, NULL, &w, &e), ERR_GONE);
    uint64_t kept = f->store->history.rings[KIND_CONFIGMAP].evicted;
    w = open_at(f, KIND_CONFIGMAP, kept, NULL, NULL);
    uint64_t expected = kept;
    while ((ev = watch_next(w, &gone)))
        assert_int_equal(ev->revision, ++expected); /* no gap, no duplicate */
    assert_int_equal(expected, now_at(f));
    watch_close(w);
}

static void history_is_bounded_by_age(void **state)
{
    struct fixture *f = *state;
    struct watch *w = NULL;
    struct err e = {0};
    uint64_t start = now_at(f);
    write_map(f, "a", 1);
    clock_fake_advance(599 * INT64_C(1000000));
    uint64_t middle = now_at(f);
    write_map(f, "a", 2);
    watch_close(open_at(f, KIND_CONFIGMAP, start, NULL, NULL));
    clock_fake_advance(2 * INT64_C(1000000));
    assert_int_equal(watch_open(f->store, KIND_CONFIGMAP, start, NULL, NULL, &w, &e), ERR_GONE);
    watch_close(open_at(f, KIND_CONFIGMAP, middle, NULL, NULL));
}

static void count_wake(void *arg)
{
    (*(int *)arg)++;
}

static void a_watcher_is_woken_once_per_turn_and_only_for_its_kind(void **state)
{
    struct fixture *f = *state;
    int wakes = 0, others = 0;
    struct watch *w = open_at(f, KIND_CONFIGMAP, now_at(f), count_wake, &wakes);
    struct watch *other = open_at(f, KIND_POD, now_at(f), count_wake, &others);
    stage_map(f->store, "a", "a", "1", NULL);
    stage_map(f->store, "b", "b", "1", NULL);
    run_turns(f);
    assert_int_equal(wakes, 1);
    write_map(f, "a", 2);
    assert_int_equal(wakes, 2);
    write_map(f, "a", 2); /* A17: no change, no event */
    assert_int_equal(wakes, 2);
    assert_int_equal(others, 0);
    watch_close(w);
    watch_close(other);
}

struct pair {
    struct fixture *f;
    struct watch *watches[3];
    int wakes;
};

static void close_the_others(void *arg)
{
    struct pair *p = arg;
    p->wakes++;
    for (size_t i = 0; i < ARRAY_SIZE(p->watches); i++) {
        watch_close(p->watches[i]);
        p->watches[i] = NULL;
    }
    p->watches[0] = open_at(p->f, KIND_CONFIGMAP, now_at(p->f), count_wake, &p->wakes);
}

static void a_watcher_may_close_others_and_open_new_ones_when_woken(void **state)
{
    struct fixture *f = *state;
    struct pair p = {.f = f};
    for (size_t i = 0; i < ARRAY_SIZE(p.watches); i++)
        p.watches[i] = open_at(f, KIND_CONFIGMAP, now_at(f), close_the_others, &p);
    write_map(f, "a", 1);
    assert_int_equal(p.wakes, 1);
    write_map(f, "a", 2);
    assert_int_equal(p.wakes, 2);
    watch_close(p.watches[0]);
}

static void a_thousand_watchers_see_the_same(void **state)
{
    struct fixture *f = *state;
    static struct watch *watches[1000];
    int wakes = 0;
    bool gone;
    for (size_t i = 0; i < ARRAY_SIZE(watches); i++)
        watches[i] = open_at(f, KIND_CONFIGMAP, now_at(f), count_wake, &wakes);
    for (int i = 0; i < 10; i++)
        write_map(f, "a", i);
    assert_int_equal(wakes, 10 * ARRAY_SIZE(watches));
    for (size_t i = 0; i < ARRAY_SIZE(watches); i++) {
        int events = 0;
        while (watch_next(watches[i], &gone))
            events++;
        assert_int_equal(events, 10);
        watch_close(watches[i]);
    }
}

static void watches_outlive_the_store(void **state)
{
    struct fixture *f = *state;
    bool gone = false;
    struct watch *w = open_at(f, KIND_CONFIGMAP, now_at(f), NULL, NULL);
    write_map(f, "a", 1);
    const struct store_event *ev = watch_next(w, &gone);
    fixture_reopen(f);
    assert_string_equal(ev->object->name, "a");
    assert_null(watch_next(w, &gone));
    assert_true(gone);
    watch_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MEMORY(a_watch_tells_every_change_after_its_revision),
        ON_BOTH(revisions_that_are_not_kept_are_refused),
        ON_MEMORY(history_is_bounded_by_bytes),
        ON_MEMORY(history_is_bounded_by_age),
        ON_MEMORY(a_watcher_is_woken_once_per_turn_and_only_for_its_kind),
        ON_MEMORY(a_watcher_may_close_others_and_open_new_ones_when_woken),
        ON_MEMORY(a_thousand_watchers_see_the_same),
        ON_BOTH(watches_outlive_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
