#include "controller/reconcile/workqueue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "controller/reconcile/keymap.h"

static void expect_take(struct workqueue *q, int64_t now_us, const char *want)
{
    char *key = workqueue_take(q, now_us);
    if (want) {
        assert_non_null(key);
        assert_string_equal(key, want);
    } else {
        assert_null(key);
    }
    free(key);
}

static void a_key_is_queued_once_and_in_order(void **state)
{
    (void)state;
    struct workqueue *q = workqueue_new();
    workqueue_add(q, "b", 0);
    workqueue_add(q, "a", 0);
    workqueue_add(q, "b", 0);
    assert_int_equal(workqueue_length(q), 2);
    assert_int_equal(workqueue_next_due(q), 0);
    expect_take(q, 1, "b");
    workqueue_add(q, "b", 0);
    expect_take(q, 1, "a");
    expect_take(q, 1, "b");
    expect_take(q, 1, NULL);
    assert_int_equal(workqueue_next_due(q), -1);
    workqueue_free(q);
}

static void a_later_key_waits_and_the_earlier_time_wins(void **state)
{
    (void)state;
    struct workqueue *q = workqueue_new();
    workqueue_add(q, "a", 300);
    workqueue_add(q, "b", 200);
    workqueue_add(q, "c", 200);
    workqueue_add(q, "b", 900); /* later: ignored */
    workqueue_add(q, "a", 100); /* earlier: wins */
    assert_int_equal(workqueue_length(q), 3);
    assert_int_equal(workqueue_next_due(q), 100);
    expect_take(q, 99, NULL);
    expect_take(q, 100, "a");
    assert_int_equal(workqueue_next_due(q), 200);
    workqueue_add(q, "c", 0); /* now, before b that was due later */
    expect_take(q, 250, "c");
    expect_take(q, 250, "b");
    expect_take(q, 1000, NULL);
    workqueue_free(q);
}

static void failures_back_off_from_5_ms_to_16_minutes(void **state)
{
    (void)state;
    random_seed(7);
    struct workqueue *q = workqueue_new();
    int64_t now = 1000000, want = 5000;
    for (int i = 0; i < 30; i++) {
        workqueue_retry(q, "k", now);
        int64_t wait = workqueue_next_due(q) - now;
        assert_true(wait >= want * 3 / 4 - 1 && wait <= want);
        expect_take(q, now + want, "k");
        want = want * 2 > 960000000 ? 960000000 : want * 2;
    }
    workqueue_forget(q, "k");
    workqueue_retry(q, "k", now);
    assert_true(workqueue_next_due(q) - now <= 5000);
    workqueue_forget(q, "k"); /* queued: only the failures are forgotten */
    assert_int_equal(workqueue_length(q), 1);
    workqueue_add(q, "k", 0); /* a change does not wait for the backoff */
    expect_take(q, now, "k");
    workqueue_free(q);
}

/* A sync that fails after writing something hears of its own write and goes on, as what it wrote
 * may be all that was missing; one that writes each time has to wait for its backoff. */
static void what_a_failed_sync_called_for_is_tried_a_few_times(void **state)
{
    (void)state;
    struct workqueue *q = workqueue_new();
    for (int round = 0; round < 3; round++) {
        workqueue_add(q, "k", 0);
        for (int i = 0; i < 17; i++) {
            expect_take(q, 1000, "k");
            workqueue_add(q, "k", 0);
            workqueue_retry(q, "k", 1000);
        }
        expect_take(q, 1000, NULL);
        assert_int_equal(workqueue_length(q), 1);
        workqueue_add(q, "k", 0); /* somebody else's change: once, as it writes still */
        expect_take(q, 1000, "k");
        workqueue_add(q, "k", 0);
        workqueue_retry(q, "k", 1000);
        expect_take(q, 1000, NULL);
        expect_take(q, 1000 + 5000 * 2, "k"); /* the wait is over: it may again */
        workqueue_add(q, "k", 0);
        workqueue_retry(q, "k", 1000);
        expect_take(q, 1000, "k");
        workqueue_forget(q, "k"); /* at last */
        assert_int_equal(workqueue_length(q), 0);
    }
    workqueue_free(q);
}

/* One that fails without a write in between has not written each time. */
static void a_failed_sync_that_wrote_nothing_waits(void **state)
{
    (void)state;
    struct workqueue *q = workqueue_new();
    workqueue_add(q, "k", 0);
    for (int i = 0; i < 100; i++) {
        expect_take(q, 1000, "k");
        workqueue_add(q, "k", 0); /* what it wrote */
        workqueue_retry(q, "k", 1000);
        expect_take(q, 1000, "k");
        workqueue_retry(q, "k", 1000);
        expect_take(q, 1000, NULL);
        workqueue_add(q, "k", 0); /* somebody's change */
    }
    workqueue_free(q);
}

/* The moment at which something becomes due is no retry: a sync that fails after its own writes
 * have called for it does not lose it to a longer backoff. */
static void a_failed_sync_keeps_its_timer(void **state)
{
    (void)state;
    struct workqueue *q = workqueue_new();
    workqueue_add(q, "k", 0);
    for (int i = 0; i < 20; i++) { /* the backoff is long by now */
        expect_take(q, INT64_C(1) << 40, "k");
        workqueue_retry(q, "k", 1000);
    }
    workqueue_add(q, "k", 0);
    for (int i = 0; i < 17; i++) {
        expect_take(q, 1000, "k");
        workqueue_add(q, "k", 0);
        workqueue_add(q, "k", 4000);
        workqueue_retry(q, "k", 1000);
    }
    expect_take(q, 3999, NULL);
    expect_take(q, 4000, "k");
    workqueue_retry(q, "k", 4000);
    expect_take(q, 8000, NULL);
    workqueue_free(q);
}

/* Against a plain array, over many seeded steps. */
static void it_agrees_with_a_list_of_due_times(void **state)
{
    (void)state;
    random_seed(11);
    struct workqueue *q = workqueue_new();
    int64_t due[50];
    for (size_t i = 0; i < 50; i++)
        due[i] = -1;
    int64_t now = 1;
    for (int step = 0; step < 20000; step++) {
        size_t i = (size_t)random_below(50);
        char key[16];
        (void)snprintf(key, sizeof key, "k%zu", i);
        if (random_below(3) > 0) {
            int64_t at = random_below(4) ? now + 1 + (int64_t)random_below(100) : 0;
            workqueue_add(q, key, at);
            if (due[i] < 0 || at < due[i])
                due[i] = at;
        } else {
            now += (int64_t)random_below(20);
            char *got = workqueue_take(q, now);
            size_t ready = 0;
            for (size_t k = 0; k < 50; k++)
                ready += due[k] >= 0 && due[k] <= now;
            assert_int_equal(got != NULL, ready > 0);
            if (got) {
                size_t k = (size_t)strtoul(got + 1, NULL, 10);
                assert_true(due[k] >= 0 && due[k] <= now);
                due[k] = -1;
            }
            free(got);
        }
        size_t queued = 0;
        for (size_t k = 0; k < 50; k++)
            queued += due[k] >= 0;
        assert_int_equal(workqueue_length(q), queued);
    }
    workqueue_free(q);
}

static void a_keymap_keeps_what_was_not_taken(void **state)
{
    (void)state;
    random_seed(3);
    struct keymap map = {0};
    static int value[1000];
    bool in[1000] = {false};
    for (int step = 0; step < 30000; step++) {
        size_t i = (size_t)random_below(1000);
        char key[16];
        (void)snprintf(key, sizeof key, "%zu", i);
        if (random_below(2)) {
            *keymap_put(&map, key) = &value[i];
            in[i] = true;
        } else {
            assert_ptr_equal(keymap_take(&map, key), in[i] ? &value[i] : NULL);
            in[i] = false;
        }
    }
    size_t count = 0;
    for (size_t i = 0; i < 1000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%zu", i);
        assert_ptr_equal(keymap_find(&map, key), in[i] ? &value[i] : NULL);
        count += in[i];
    }
    assert_int_equal(map.count, count);
    const char **sorted = keymap_sorted(&map);
    for (size_t i = 1; i < count; i++)
        assert_true(strcmp(sorted[i - 1], sorted[i]) < 0);
    free(sorted);
    keymap_fini(&map);
    assert_null(keymap_find(&map, "1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_queued_once_and_in_order),
        cmocka_unit_test(a_later_key_waits_and_the_earlier_time_wins),
        cmocka_unit_test(failures_back_off_from_5_ms_to_16_minutes),
        cmocka_unit_test(what_a_failed_sync_called_for_is_tried_a_few_times),
        cmocka_unit_test(a_failed_sync_that_wrote_nothing_waits),
        cmocka_unit_test(a_failed_sync_keeps_its_timer),
        cmocka_unit_test(it_agrees_with_a_list_of_due_times),
        cmocka_unit_test(a_keymap_keeps_what_was_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
