#include "controller/reconcile/runner.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define TURN_BUDGET 2048
/* And no key begins later in a turn than this: sockets wait for its end, and some keys cost much (a
 * namespace that goes deletes many objects at a time). */
#define TURN_US INT64_C(50000)
/* Keys of one row before the next row has its turn. A set or a Service looks at all of its pods
 * each time it has its turn between them, so few long turns are cheaper than many short ones; and
 * one pass over all rows must fit into the budget of a turn of the store. */
#define ROW_BUDGET 256

struct row {
    const struct controller *controller;
    struct workqueue *queue;
    void *state;
    uint64_t syncs, retries, dropped;
};

struct runner {
    const struct reconcile_opts *opts;
    struct loop *loop;
    struct registry *reg;
    struct row *rows;
    size_t count;
    size_t next; /* row that begins the next turn, when the last one ran out of budget */
    struct loop_timer timer;
    uint64_t turns, exhausted;
    bool is_settling;
    struct metric_family families[5];
};

struct store *runner_store(const struct runner *runner)
{
    return registry_store(runner->reg);
}

struct registry *runner_registry(const struct runner *runner)
{
    return runner->reg;
}

struct loop *runner_loop(const struct runner *runner)
{
    return runner->loop;
}

const struct reconcile_opts *runner_opts(const struct runner *runner)
{
    return runner->opts;
}

static struct row *row_of(const struct runner *runner, const struct controller *controller)
{
    for (size_t i = 0; i < runner->count; i++)
        if (runner->rows[i].controller == controller)
            return &runner->rows[i];
    return NULL;
}

void *runner_state(const struct runner *runner, const struct controller *controller)
{
    const struct row *row = row_of(runner, controller);
    return row ? row->state : NULL;
}

/* The timer stands at the earliest key that waits; a key that is due now needs a turn. */
static void arm(struct runner *runner, int64_t due_us)
{
    if (due_us <= 0) {
        if (!runner->is_settling)
            store_kick(runner_store(runner));
    } else if (!loop_timer_is_set(&runner->timer) || due_us < runner->timer.due_us) {
        loop_timer_set(&runner->timer, due_us);
    }
}

void runner_queue_at(struct runner *runner, const struct controller *controller, const char *key,
                     int64_t due_us)
{
    struct row *row = row_of(runner, controller);
    if (!row)
        return;
    workqueue_add(row->queue, key, due_us);
    arm(runner, due_us);
}

void runner_queue(struct runner *runner, const struct controller *controller, const char *key)
{
    runner_queue_at(runner, controller, key, 0);
}

void runner_verb(struct runner *runner, struct verb *out)
{
    *out = (struct verb){.reg = runner->reg,
                         .unit = store_unit_new(runner_store(runner)),
                         .role = ROLE_CONTROLLER,
                         .validation = VALIDATE_IGNORE};
}

int runner_stage(struct runner *runner, struct verb *verb, struct err *e)
{
    CHECK(runner && verb->unit);
    if (store_unit_is_empty(verb->unit)) {
        runner_drop(verb);
        return 0;
    }
    return store_unit_stage(TAKE(verb->unit), NULL, NULL, e);
}

void runner_drop(struct verb *verb)
{
    store_unit_free(TAKE(verb->unit));
}

enum sync_result runner_result(int rc)
{
    if (rc >= 0)
        return SYNC_DONE;
    return rc == ERR_CONFLICT ? SYNC_AGAIN : SYNC_RETRY;
}

static void on_stage(void *arg, const struct store_change *change)
{
    struct runner *runner = arg;
    for (size_t i = 0; i < runner->count; i++)
        if (runner->rows[i].state)
            runner->rows[i].controller->on_change(runner, runner->rows[i].state, change);
}

static void on_drop(void *arg, const struct store_change *change)
{
    struct runner *runner = arg;
    const struct store_change undone = {.before = change->after, .after = change->before};
    for (size_t i = 0; i < runner->count; i++)
        if (runner->rows[i].state) {
            runner->rows[i].dropped++;
            runner->rows[i].controller->on_change(runner, runner->rows[i].state, &undone);
        }
}

static void sync_key(struct runner *runner, struct row *row, const char *key, int64_t now_us)
{
    row->syncs++;
    switch (row->controller->sync(runner, row->state, key)) {
    case SYNC_DONE:
        workqueue_forget(row->queue, key);
        break;
    case SYNC_AGAIN:
        workqueue_forget(row->queue, key);
        workqueue_add(row->queue, key, 0);
        break;
    case SYNC_RETRY:
        row->retries++;
        workqueue_retry(row->queue, key, now_us);
        break;
    }
}

static bool is_late(int64_t now_us)
{
    return clock_mono_us() - now_us >= TURN_US;
}

/* Up to `most` keys of one row, as long as there is time; returns how many ran. */
static unsigned run_row(struct runner *runner, struct row *row, unsigned most, int64_t now_us)
{
    unsigned ran = 0;
    for (; ran < most && !is_late(now_us); ran++) {
        char *key = workqueue_take(row->queue, now_us);
        if (!key)
            break;
        sync_key(runner, row, key, now_us);
        free(key);
    }
    return ran;
}

/* Sets the timer to the earliest key of any row; true when one is due already. */
static bool is_work_left(struct runner *runner, int64_t now_us)
{
    int64_t due_us = -1;
    for (size_t i = 0; i < runner->count; i++) {
        int64_t row_due_us = workqueue_next_due(runner->rows[i].queue);
        if (row_due_us >= 0 && (due_us < 0 || row_due_us < due_us))
            due_us = row_due_us;
    }
    if (due_us < 0)
        loop_timer_cancel(&runner->timer);
    else if (due_us > now_us)
        loop_timer_set(&runner->timer, due_us);
    return due_us >= 0 && due_us <= now_us;
}

/* The store's settle hook: passes over the rows, in their order, until none has a key that is due
 * or the budget or the time is spent. */
static bool settle(void *arg)
{
    struct runner *runner = arg;
    unsigned left = runner->opts->turn_budget ? runner->opts->turn_budget : TURN_BUDGET;
    int64_t now_us = clock_mono_us();
    runner->turns++;
    runner->is_settling = true;
    size_t idle = 0; /* rows in a row that had nothing to do */
    while (left > 0 && idle < runner->count && !is_late(now_us)) {
        struct row *row = &runner->rows[runner->next];
        unsigned ran = run_row(runner, row, left < ROW_BUDGET ? left : ROW_BUDGET, now_us);
        left -= ran;
        idle = ran > 0 ? 0 : idle + 1;
        runner->next = (runner->next + 1) % runner->count;
    }
    runner->is_settling = false;
    bool is_left = is_work_left(runner, now_us);
    if (is_left)
        runner->exhausted++;
    else
        runner->next = 0;
    return is_left;
}

static void on_timer(void *arg)
{
    struct runner *runner = arg;
    store_kick(runner_store(runner));
}

struct runner *runner_new(const struct reconcile_opts *opts, struct loop *loop,
                          struct registry *reg, const struct controller *const *rows, size_t count)
{
    CHECK(count > 0);
    struct runner *runner = xcalloc(1, sizeof *runner);
    runner->opts = opts;
    runner->loop = loop;
    runner->reg = reg;
    runner->rows = xcalloc(count, sizeof *runner->rows);
    runner->count = count;
    loop_timer_init(&runner->timer, loop, on_timer, runner);
    for (size_t i = 0; i < count; i++) {
        runner->rows[i].controller = rows[i];
        runner->rows[i].queue = workqueue_new();
    }
    struct store *store = registry_store(reg);
    store_on_stage(store, on_stage, runner);
    store_on_drop(store, on_drop, runner);
    store_set_settle(store, settle, runner);
    for (size_t i = 0; i < count; i++)
        runner->rows[i].state = rows[i]->start(runner);
    return runner;
}

void runner_free(struct runner *runner)
{
    if (!runner)
        return;
    store_forget(runner_store(runner), runner);
    for (size_t i = runner->count; i-- > 0;)
        if (runner->rows[i].state)
            runner->rows[i].controller->stop(runner->rows[i].state);
    for (size_t i = 0; i < runner->count; i++)
        workqueue_free(runner->rows[i].queue);
    loop_timer_fini(&runner->timer);
    free(runner->rows);
    free(runner);
}

/* ---- metrics ---- */

static double row_length(const struct row *row)
{
    return (double)workqueue_length(row->queue);
}
static double row_syncs(const struct row *row)
{
    return (double)row->syncs;
}
static double row_retries(const struct row *row)
{
    return (double)row->retries;
}

static void collect_rows(struct buf_out *out, const struct metric_family *family, void *arg,
                         double (*value)(const struct row *row))
{
    const struct runner *runner = arg;
    for (size_t i = 0; i < runner->count; i++) {
        char labels[80];
        (void)snprintf(labels, sizeof labels, "controller=\"%s\"",
                       runner->rows[i].controller->name);
        metrics_sample(out, family->name, labels, value(&runner->rows[i]));
    }
}
static void collect_length(struct buf_out *out, const struct metric_family *family, void *arg)
{
    collect_rows(out, family, arg, row_length);
}
static void collect_syncs(struct buf_out *out, const struct metric_family *family, void *arg)
{
    collect_rows(out, family, arg, row_syncs);
}
static void collect_retries(struct buf_out *out, const struct metric_family *family, void *arg)
{
    collect_rows(out, family, arg, row_retries);
}
static void collect_turns(struct buf_out *out, const struct metric_family *family, void *arg)
{
    metrics_sample(out, family->name, NULL, (double)((const struct runner *)arg)->turns);
}
static void collect_exhausted(struct buf_out *out, const struct metric_family *family, void *arg)
{
    metrics_sample(out, family->name, NULL, (double)((const struct runner *)arg)->exhausted);
}

void runner_register_metrics(struct runner *runner)
{
    const struct metric_family families[] = {
        {"ordinald_reconcile_queue_length", METRIC_GAUGE, "Keys that wait, per controller.",
         collect_length, runner},
        {"ordinald_reconcile_syncs_total", METRIC_COUNTER, "Keys looked at, per controller.",
         collect_syncs, runner},
        {"ordinald_reconcile_retries_total", METRIC_COUNTER,
         "Syncs that failed and wait, per controller.", collect_retries, runner},
        {"ordinald_reconcile_turns_total", METRIC_COUNTER, "Turns in which reconcilers settled.",
         collect_turns, runner},
        {"ordinald_reconcile_budget_spent_total", METRIC_COUNTER,
         "Turns that ended with work left for the next one.", collect_exhausted, runner},
    };
    _Static_assert(ARRAY_SIZE(families) == ARRAY_SIZE(((struct runner *)0)->families), "one each");
    memcpy(runner->families, families, sizeof families);
    for (size_t i = 0; i < ARRAY_SIZE(families); i++)
        metrics_register(&runner->families[i]);
    for (size_t i = 0; i < runner->count; i++)
        if (runner->rows[i].state && runner->rows[i].controller->register_metrics)
            runner->rows[i].controller->register_metrics(runner->rows[i].state);
}
