/* base/loop.h - the control thread: an event base, a mailbox, timers, and the end of a turn.
 *
 * Two forms behind one interface. loop_new() runs on libevent. loop_new_fake() has no event base
 * and no sockets: the test or simulator calls loop_step(), and timers follow the fake clock
 * (base/clock). DESIGN section 1: a turn is what happens between two waits; the end-of-turn task
 * runs after every handler of that pass (one event of the same libevent priority, activated by the
 * first loop_end_of_turn(); a lower priority starves).
 *
 * All functions but loop_post and loop_stop belong to the loop's thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct event_base;
struct loop;

typedef void loop_fn(void *arg);

struct loop *loop_new(void);
struct loop *loop_new_fake(void);
/* Runs no more callbacks: posted ones that never ran are dropped, timers and tasks are unset. */
void loop_free(struct loop *loop);

/* NULL for a fake loop. Borrowed. */
struct event_base *loop_base(struct loop *loop);

/* Runs until loop_stop, which lets the present turn come to its end; may be run again afterwards.
 */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop); /* any thread */

/* How long the loop did not look at its sockets: CPU time of this thread per pass, which leaves out
 * waiting for work, for the disk (a commit) and for a processor. over[i]: passes that took more
 * than loop_pass_steps_us[i]. */
#define LOOP_PASS_STEP_COUNT 5
extern const int64_t loop_pass_steps_us[LOOP_PASS_STEP_COUNT];
struct loop_stats {
    uint64_t passes, over[LOOP_PASS_STEP_COUNT];
    int64_t busy_us, longest_us;
};
void loop_stats(const struct loop *loop, struct loop_stats *out);

/* Fake loop only: runs posted callbacks, due timers and end-of-turn tasks once, as one turn. True
 * when any ran. */
bool loop_step(struct loop *loop);
/* Fake loop only: monotonic time of the earliest timer, or -1. */
int64_t loop_next_timer_us(const struct loop *loop);

/* Runs fn(arg) on the loop's thread in a later turn, in order of posting. Any thread. */
void loop_post(struct loop *loop, loop_fn *fn, void *arg);

/* Forgets what was posted with this arg and has not run. Loop's thread; nobody posts it any more.
 */
void loop_unpost(struct loop *loop, const void *arg);

/* A task of the end of the turn. Caller's storage, lives as long as the loop or until
 * loop_task_fini. */
struct loop_task {
    struct list link;
    struct loop *loop;
    loop_fn *fn;
    void *arg;
};
void loop_task_init(struct loop_task *task, struct loop *loop, loop_fn *fn, void *arg);
void loop_task_fini(struct loop_task *task);
/* Runs the task once at the end of the present turn; asking again before it ran changes nothing. A
 * task may ask for itself again: it then runs at the end of the next turn (budgets: work left over
 * continues in the next turn). */
void loop_end_of_turn(struct loop_task *task);

/* A timer on the monotonic clock. Caller's storage. */
struct loop_timer {
    struct loop *loop;
    loop_fn *fn;
    void *arg;
    int64_t due_us; /* -1: not set */
    size_t slot;    /* place in the loop's heap */
    uint64_t seq;   /* timers due at the same time fire in the order of setting */
};
void loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_fn *fn, void *arg);
void loop_timer_fini(struct loop_timer *timer);
/* Fires once at mono time due_us (clock_mono_us), or in the next turn when that is past; setting
 * again moves it. */
void loop_timer_set(struct loop_timer *timer, int64_t due_us);
void loop_timer_cancel(struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);
