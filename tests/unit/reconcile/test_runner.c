/* One turn of the rows: bounded in time as well as in keys, and nothing is left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/clock.h"
#include "controller/reconcile/runner.h"

enum { KEYS = 200 };

static int64_t key_us; /* what one key takes */
static size_t ran, first_row_ran;

static void on_change(struct runner *runner, void *state, const struct store_change *change)
{
    (void)runner;
    (void)state;
    (void)change;
}

static enum sync_result slow_sync(struct runner *runner, void *state, const char *key)
{
    (void)runner;
    (void)key;
    ran++;
    *(size_t *)state += 1;
    clock_fake_advance(key_us);
    return SYNC_DONE;
}

static void queue_all(struct runner *runner, const struct controller *row)
{
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key%d", i);
        runner_queue(runner, row, key);
    }
}

static const struct controller first_row, second_row;

static void *start_first(struct runner *runner)
{
    queue_all(runner, &first_row);
    return &first_row_ran;
}

static void *start_second(struct runner *runner)
{
    static size_t others;
    queue_all(runner, &second_row);
    return &others;
}

static void stop(void *state)
{
    (void)state;
}

static const struct controller first_row = {
    .name = "first", .on_change = on_change, .sync = slow_sync, .start = start_first, .stop = stop};
static const struct controller second_row = {.name = "second",
                                             .on_change = on_change,
                                             .sync = slow_sync,
                                             .start = start_second,
                                             .stop = stop};

/* The most keys that ran in one step of the loop, until all have. */
static size_t most_in_a_turn(int64_t us)
{
    static const struct controller *const rows[] = {&first_row, &second_row};
    const struct store_opts opts = {.memory = true, .history_us = 1000000, .history_bytes = 65536};
    const struct reconcile_opts reconcile = {0};
    struct loop *loop = loop_new_fake();
    struct store *store;
    struct registry *reg;
    size_t most = 0;
    key_us = us;
    ran = first_row_ran = 0;
    assert_int_equal(store_open(&opts, loop, &store, NULL), 0);
    assert_int_equal(registry_new(store, &(struct registry_opts){0}, &reg, NULL), 0);
    struct runner *runner = runner_new(&reconcile, loop, reg, rows, ARRAY_SIZE(rows));
    for (int i = 0; i < 10000 && ran < 2 * KEYS; i++) {
        size_t before = ran;
        (void)loop_step(loop);
        most = ran - before > most ? ran - before : most;
    }
    assert_int_equal(ran, 2 * KEYS);
    assert_int_equal(first_row_ran, KEYS);
    runner_free(runner);
    registry_free(reg);
    store_close(store);
    loop_free(loop);
    return most;
}

static void slow_keys_end_the_turn_and_are_all_run(void **state)
{
    (void)state;
    clock_fake(1767225600000000, 1000000);
    assert_int_equal(most_in_a_turn(0), 2 * KEYS);
    assert_int_equal(most_in_a_turn(1000), 50);    /* 50 ms of them */
    assert_int_equal(most_in_a_turn(60000000), 1); /* one always runs */
    clock_real();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(slow_keys_end_the_turn_and_are_all_run)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
