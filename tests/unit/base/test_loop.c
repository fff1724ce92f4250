/* base/loop: both forms keep the same promises about order, turns and fairness. */
#include "base/loop.h"

#include <event2/event.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/clock.h"

/* What ran, one letter each. */
struct trace {
    char text[256];
    size_t len;
};

static void trace_put(struct trace *trace, char letter)
{
    CHECK(trace->len + 1 < sizeof trace->text);
    trace->text[trace->len++] = letter;
    trace->text[trace->len] = '\0';
}

struct world {
    struct loop *loop;
    struct trace trace;
    struct loop_task task[3];
    struct loop_timer timer[3];
};

#define WRITES(name, letter)                                                                       \
    static void name(void *arg)                                                                    \
    {                                                                                              \
        trace_put(&((struct world *)arg)->trace, letter);                                          \
    }
WRITES(write_a, 'a')
WRITES(write_b, 'b')
WRITES(write_c, 'c')
WRITES(write_1, '1')
WRITES(write_2, '2')
WRITES(write_3, '3')

static void stop(void *arg)
{
    loop_stop(((struct world *)arg)->loop);
}

static void world_init(struct world *w, struct loop *loop)
{
    static loop_fn *const on_timer[] = {write_1, write_2, write_3};
    *w = (struct world){.loop = loop};
    for (size_t i = 0; i < ARRAY_SIZE(w->timer); i++)
        loop_timer_init(&w->timer[i], loop, on_timer[i], w);
    loop_task_init(&w->task[0], loop, write_a, w);
    loop_task_init(&w->task[1], loop, write_b, w);
    loop_task_init(&w->task[2], loop, write_c, w);
}

static int setup_fake(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    clock_fake(0, 1000);
    world_init(w, loop_new_fake());
    *state = w;
    return 0;
}

static int setup_real(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    world_init(w, loop_new());
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    loop_free(w->loop);
    for (size_t i = 0; i < ARRAY_SIZE(w->timer); i++)
        loop_timer_fini(&w->timer[i]); /* also after the loop is gone */
    for (size_t i = 0; i < ARRAY_SIZE(w->task); i++)
        loop_task_fini(&w->task[i]);
    clock_real();
    free(w);
    return 0;
}

/* ---- fake ---- */

static void a_turn_is_posts_then_timers_then_tasks(void **state)
{
    struct world *w = *state;
    assert_null(loop_base(w->loop));
    assert_false(loop_step(w->loop));
    loop_end_of_turn(&w->task[1]);
    loop_end_of_turn(&w->task[0]);
    loop_end_of_turn(&w->task[1]); /* asked twice, runs once */
    loop_timer_set(&w->timer[0], 1000);
    loop_post(w->loop, write_c, w);
    assert_true(loop_step(w->loop));
    assert_string_equal(w->trace.text, "c1ba");
    assert_false(loop_step(w->loop));
}

static void timers_fire_in_order_and_once(void **state)
{
    struct world *w = *state;
    assert_int_equal(loop_next_timer_us(w->loop), -1);
    loop_timer_set(&w->timer[0], 3000);
    loop_timer_set(&w->timer[1], 2000);
    loop_timer_set(&w->timer[2], 3000);
    assert_int_equal(loop_next_timer_us(w->loop), 2000);
    clock_fake_advance(999);
    assert_false(loop_step(w->loop));
    clock_fake_advance(1);
    assert_true(loop_step(w->loop));
    assert_string_equal(w->trace.text, "2");
    assert_false(loop_timer_is_set(&w->timer[1]));
    assert_int_equal(loop_next_timer_us(w->loop), 3000);
    loop_timer_set(&w->timer[0], 3000); /* set again: now behind the other of the same time */
    clock_fake_advance(5000);
    assert_true(loop_step(w->loop));
    assert_string_equal(w->trace.text, "231");
    assert_int_equal(loop_next_timer_us(w->loop), -1);
}

static void a_timer_moves_and_is_cancelled(void **state)
{
    struct world *w = *state;
    loop_timer_set(&w->timer[0], 5000);
    loop_timer_set(&w->timer[1], 4000);
    loop_timer_set(&w->timer[0], 2000);
    assert_int_equal(loop_next_timer_us(w->loop), 2000);
    loop_timer_cancel(&w->timer[0]);
    loop_timer_cancel(&w->timer[0]);
    assert_int_equal(loop_next_timer_us(w->loop), 4000);
    loop_timer_set(&w->timer[1], 9000);
    clock_fake_advance(7000);
    assert_false(loop_step(w->loop));
    clock_fake_advance(1000);
    assert_true(loop_step(w->loop));
    assert_string_equal(w->trace.text, "2");
}

#define MANY 500

struct many {
    struct loop_timer timer[MANY];
    int64_t wanted[MANY]; /* -1: cancelled */
    size_t fired;
    int64_t last_us;
};
static struct many many;

static void many_fired(void *arg)
{
    struct loop_timer *timer = arg;
    size_t i = (size_t)(timer - many.timer);
    assert_true(many.wanted[i] >= many.last_us && many.wanted[i] <= clock_mono_us());
    many.last_us = many.wanted[i];
    many.wanted[i] = -1;
    many.fired++;
}

static void many_timers_keep_their_order(void **state)
{
    struct world *w = *state;
    uint32_t chance = 1;
    many.fired = 0;
    many.last_us = 0;
    for (size_t i = 0; i < MANY; i++)
        loop_timer_init(&many.timer[i], w->loop, many_fired, &many.timer[i]);
    size_t set = 0;
    for (int i = 0; i < 4 * MANY; i++) { /* set, move and cancel */
        chance = chance * 1664525 + 1013904223;
        size_t at = (chance >> 8) % MANY;
        if ((chance >> 28) % 4 == 0) {
            loop_timer_cancel(&many.timer[at]);
            many.wanted[at] = -1;
        } else {
            many.wanted[at] = 2000 + (chance >> 12) % 4096;
            loop_timer_set(&many.timer[at], many.wanted[at]);
        }
    }
    for (size_t i = 0; i < MANY; i++) {
        set += loop_timer_is_set(&many.timer[i]);
        if (loop_timer_is_set(&many.timer[i]))
            assert_int_equal(many.timer[i].due_us, many.wanted[i]);
    }
    assert_true(set > MANY / 2);
    for (int64_t due = loop_next_timer_us(w->loop); due >= 0; due = loop_next_timer_us(w->loop)) {
        clock_fake_advance(due + 100 - clock_mono_us());
        assert_true(loop_step(w->loop));
    }
    assert_int_equal(many.fired, set);
}

static void set_first_timer_to_the_past(void *arg)
{
    struct world *w = arg;
    trace_put(&w->trace, 'x');
    loop_timer_set(&w->timer[0], 0);
}

static void a_timer_that_sets_itself_to_the_past_waits_for_the_next_turn(void **state)
{
    struct world *w = *state;
    loop_timer_init(&w->timer[0], w->loop, set_first_timer_to_the_past, w);
    loop_timer_set(&w->timer[0], 500);
    loop_timer_set(&w->timer[1], 800);
    loop_timer_set(&w->timer[2], 1000);
    assert_true(loop_step(w->loop));
    assert_string_equal(w->trace.text, "x23");
    assert_true(loop_step(w->loop));
    assert_string_equal(w->trace.text, "x23x");
}

static void cancel_second_timer(void *arg)
{
    struct world *w = arg;
    loop_timer_cancel(&w->timer[1]);
    loop_task_fini(&w->task[1]);
}

static void what_is_cancelled_by_a_callback_does_not_run(void **state)
{
    struct world *w = *state;
    loop_timer_init(&w->timer[0], w->loop, cancel_second_timer, w);
    loop_timer_set(&w->timer[0], 900);
    loop_timer_set(&w->timer[1], 950);
    loop_timer_set(&w->timer[2], 960);
    loop_end_of_turn(&w->task[1]);
    loop_end_of_turn(&w->task[2]);
    assert_true(loop_step(w->loop));
    assert_string_equal(w->trace.text, "3c");
}

static void post_again(void *arg)
{
    struct world *w = arg;
    trace_put(&w->trace, 'p');
    loop_post(w->loop, write_a, w);
}

static void what_a_post_posts_runs_in_the_next_turn(void **state)
{
    struct world *w = *state;
    loop_post(w->loop, post_again, w);
    loop_post(w->loop, write_b, w);
    assert_true(loop_step(w->loop));
    assert_string_equal(w->trace.text, "pb");
    assert_true(loop_step(w->loop));
    assert_string_equal(w->trace.text, "pba");
    assert_false(loop_step(w->loop));
}

static void ask_for_itself_and_c(void *arg)
{
    struct world *w = arg;
    trace_put(&w->trace, 't');
    loop_end_of_turn(&w->task[0]);
    loop_end_of_turn(&w->task[2]);
}

static void what_a_task_asks_for_runs_at_the_end_of_the_next_turn(void **state)
{
    struct world *w = *state;
    loop_task_init(&w->task[0], w->loop, ask_for_itself_and_c, w);
    loop_end_of_turn(&w->task[0]);
    loop_end_of_turn(&w->task[1]);
    assert_true(loop_step(w->loop));
    assert_string_equal(w->trace.text, "tb");
    loop_end_of_turn(&w->task[1]); /* between turns: behind those that wait already */
    assert_true(loop_step(w->loop));
    assert_string_equal(w->trace.text, "tbtcb");
}

static void posts_that_never_ran_are_dropped(void **state)
{
    struct world *w = *state;
    loop_post(w->loop, write_a, w);
    loop_timer_set(&w->timer[0], 0);
    loop_end_of_turn(&w->task[0]);
    loop_free(w->loop);
    assert_false(loop_timer_is_set(&w->timer[0]));
    assert_false(list_is_linked(&w->task[0].link));
    assert_string_equal(w->trace.text, "");
    w->loop = loop_new_fake();
}

/* ---- libevent ---- */

static void a_stop_before_the_run_returns_at_once(void **state)
{
    struct world *w = *state;
    assert_non_null(loop_base(w->loop));
    loop_stop(w->loop);
    loop_run(w->loop);
    loop_post(w->loop, write_a, w); /* it can be run again */
    loop_post(w->loop, stop, w);
    loop_run(w->loop);
    assert_string_equal(w->trace.text, "a");
}

static void end_of_turn_then_stop(void *arg)
{
    struct world *w = arg;
    trace_put(&w->trace, 'p');
    loop_end_of_turn(&w->task[0]);
    loop_stop(w->loop);
}

static void the_turn_comes_to_its_end_after_a_stop(void **state)
{
    struct world *w = *state;
    loop_post(w->loop, end_of_turn_then_stop, w);
    loop_run(w->loop);
    assert_string_equal(w->trace.text, "pa");
}

struct ear {
    struct world *w;
    struct event *event;
    char letter;
};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct ear *ear = arg;
    trace_put(&ear->w->trace, ear->letter);
    loop_end_of_turn(&ear->w->task[0]);
    event_del(ear->event);
}

/* DESIGN section 1: the task asked for by the first handler runs after all handlers of the pass. */
static void the_end_of_turn_comes_after_every_handler_of_the_pass(void **state)
{
    struct world *w = *state;
    int pair[4][2];
    struct ear ear[4];
    for (size_t i = 0; i < ARRAY_SIZE(ear); i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair[i]), 0);
        ear[i] = (struct ear){.w = w, .letter = 'r'};
        ear[i].event =
            event_new(loop_base(w->loop), pair[i][0], EV_READ | EV_PERSIST, on_readable, &ear[i]);
        event_add(ear[i].event, NULL);
        assert_int_equal(write(pair[i][1], "x", 1), 1);
    }
    loop_timer_set(&w->timer[0], clock_mono_us());
    loop_task_init(&w->task[0], w->loop, end_of_turn_then_stop, w);
    loop_run(w->loop);
    /* All four sockets are readable in one poll, so 'p' (the task) is last; it asks for itself, and
     * has to wait. */
    assert_int_equal(w->trace.text[w->trace.len - 1], 'p');
    assert_int_equal(strspn(w->trace.text, "r1"), w->trace.len - 1);
    assert_true(w->trace.len >= 5);
    for (size_t i = 0; i < ARRAY_SIZE(ear); i++) {
        event_free(ear[i].event);
        close(pair[i][0]);
        close(pair[i][1]);
    }
}

struct hog {
    struct world *w;
    struct loop_task task;
    struct loop_timer timer;
    int pair[2];
    struct event *event;
    unsigned turns, turns_at_timer, turns_at_socket, turns_at_post;
};

static void hog_stop_when_all_had_their_turn(struct hog *hog)
{
    if (hog->turns_at_timer && hog->turns_at_socket && hog->turns_at_post)
        loop_stop(hog->w->loop);
}

static void hog_turn(void *arg)
{
    struct hog *hog = arg;
    if (++hog->turns == 3)
        assert_int_equal(write(hog->pair[1], "x", 1), 1);
    loop_end_of_turn(&hog->task);
}

static void hog_timer(void *arg)
{
    struct hog *hog = arg;
    hog->turns_at_timer = hog->turns;
    hog_stop_when_all_had_their_turn(hog);
}

static void hog_post(void *arg)
{
    struct hog *hog = arg;
    hog->turns_at_post = hog->turns;
    hog_stop_when_all_had_their_turn(hog);
}

static void hog_socket(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct hog *hog = arg;
    char byte;
    assert_int_equal(read(fd, &byte, 1), 1);
    hog->turns_at_socket = hog->turns;
    loop_post(hog->w->loop, hog_post, hog);
    hog_stop_when_all_had_their_turn(hog);
}

/* A budget's remainder goes on in every turn; sockets, timers and posts get theirs in between. */
static void a_task_that_always_asks_again_starves_nobody(void **state)
{
    struct hog hog = {.w = *state};
    struct loop *loop = hog.w->loop;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, hog.pair), 0);
    hog.event = event_new(loop_base(loop), hog.pair[0], EV_READ | EV_PERSIST, hog_socket, &hog);
    event_add(hog.event, NULL);
    loop_task_init(&hog.task, loop, hog_turn, &hog);
    loop_timer_init(&hog.timer, loop, hog_timer, &hog);
    loop_end_of_turn(&hog.task);
    loop_timer_set(&hog.timer, clock_mono_us() + 2000);
    loop_run(loop);
    assert_int_equal(hog.turns_at_socket, 3);
    assert_in_range(hog.turns_at_post, 3, 5);
    assert_true(hog.turns_at_timer > 0);
    assert_true(loop_timer_is_set(&hog.timer) == false);
    loop_task_fini(&hog.task);
    event_free(hog.event);
    close(hog.pair[0]);
    close(hog.pair[1]);
}

struct precise {
    struct loop *loop;
    struct loop_timer timer;
    int64_t due_us;
    bool early;
};

static void precise_fired(void *arg)
{
    struct precise *t = arg;
    t->early = clock_mono_us() < t->due_us;
    loop_stop(t->loop);
}

static void a_timer_never_fires_early(void **state)
{
    const struct world *w = *state;
    for (int wait_us = 0; wait_us <= 3000; wait_us += 700) {
        struct precise t = {.loop = w->loop, .due_us = clock_mono_us() + wait_us};
        loop_timer_init(&t.timer, t.loop, precise_fired, &t);
        loop_timer_set(&t.timer, t.due_us);
        loop_run(t.loop);
        assert_false(t.early);
        assert_false(loop_timer_is_set(&t.timer));
    }
}

static void a_distant_timer_and_a_cancelled_one_disturb_nobody(void **state)
{
    struct world *w = *state;
    loop_timer_set(&w->timer[0], INT64_MAX);
    loop_timer_set(&w->timer[1], clock_mono_us());
    loop_timer_cancel(&w->timer[1]);
    loop_timer_init(&w->timer[2], w->loop, stop, w);
    loop_timer_set(&w->timer[2], clock_mono_us() + 1000);
    loop_run(w->loop);
    assert_string_equal(w->trace.text, "");
    assert_true(loop_timer_is_set(&w->timer[0]));
}

#define SENDERS 4
#define LETTERS 2000

struct sender {
    pthread_t thread;
    struct loop *loop;
    unsigned next; /* loop's thread */
    unsigned *arrived;
    struct letter {
        struct sender *from;
        unsigned number;
    } letter[LETTERS];
};

static void letter_read(void *arg)
{
    const struct letter *letter = arg;
    struct sender *from = letter->from;
    CHECK(from->next++ == letter->number);
    if (++*from->arrived == SENDERS * LETTERS)
        loop_stop(from->loop);
}

static void *sender_main(void *arg)
{
    struct sender *sender = arg;
    for (unsigned i = 0; i < LETTERS; i++) {
        sender->letter[i] = (struct letter){.from = sender, .number = i};
        loop_post(sender->loop, letter_read, &sender->letter[i]);
    }
    return NULL;
}

static void posts_from_threads_arrive_in_order_and_all(void **state)
{
    const struct world *w = *state;
    unsigned arrived = 0;
    struct sender *senders = xcalloc(SENDERS, sizeof *senders);
    for (size_t i = 0; i < SENDERS; i++) {
        senders[i].loop = w->loop;
        senders[i].arrived = &arrived;
        assert_int_equal(pthread_create(&senders[i].thread, NULL, sender_main, &senders[i]), 0);
    }
    loop_run(w->loop);
    for (size_t i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
        assert_int_equal(senders[i].next, LETTERS);
    }
    assert_int_equal(arrived, SENDERS * LETTERS);
    free(senders);
}

static void *stop_main(void *arg)
{
    loop_stop(arg);
    return NULL;
}

static void another_thread_can_stop_the_loop(void **state)
{
    const struct world *w = *state;
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, stop_main, w->loop), 0);
        loop_run(w->loop);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
}

#define FAKE(test) cmocka_unit_test_setup_teardown(test, setup_fake, teardown)
#define REAL(test) cmocka_unit_test_setup_teardown(test, setup_real, teardown)

static void spin_and_stop(void *arg)
{
    struct timespec t, start;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    do
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    while ((t.tv_sec - start.tv_sec) * 1000000000 + t.tv_nsec - start.tv_nsec < 6000000);
    loop_stop(arg);
}

static void a_pass_that_takes_long_is_counted(void **state)
{
    struct world *w = *state;
    struct loop_stats before, after;
    loop_stats(w->loop, &before);
    loop_post(w->loop, spin_and_stop, w->loop);
    loop_run(w->loop);
    loop_stats(w->loop, &after);
    assert_true(after.passes > before.passes);
    assert_true(after.longest_us >= 6000 && after.busy_us >= before.busy_us + 6000);
    assert_int_equal(loop_pass_steps_us[1], 5000);
    assert_true(after.over[0] > before.over[0] && after.over[1] > before.over[1]);
    assert_true(after.over[1] <= after.over[0] && after.over[0] <= after.passes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKE(a_turn_is_posts_then_timers_then_tasks),
        FAKE(timers_fire_in_order_and_once),
        FAKE(a_timer_moves_and_is_cancelled),
        FAKE(many_timers_keep_their_order),
        FAKE(a_timer_that_sets_itself_to_the_past_waits_for_the_next_turn),
        FAKE(what_is_cancelled_by_a_callback_does_not_run),
        FAKE(what_a_post_posts_runs_in_the_next_turn),
        FAKE(what_a_task_asks_for_runs_at_the_end_of_the_next_turn),
        FAKE(posts_that_never_ran_are_dropped),
        REAL(a_stop_before_the_run_returns_at_once),
        REAL(the_turn_comes_to_its_end_after_a_stop),
        REAL(a_pass_that_takes_long_is_counted),
        REAL(the_end_of_turn_comes_after_every_handler_of_the_pass),
        REAL(a_task_that_always_asks_again_starves_nobody),
        REAL(a_timer_never_fires_early),
        REAL(a_distant_timer_and_a_cancelled_one_disturb_nobody),
        REAL(posts_from_threads_arrive_in_order_and_all),
        REAL(another_thread_can_stop_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
