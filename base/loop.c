#include "base/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

#define LOOP_MAGIC 0x6c6f6f70
#define SECOND_US  INT64_C(1000000)
#define LONGEST_US                                                                                 \
    (86400 * SECOND_US) /* longest wait asked of libevent; longer timers are armed again */
#define NOT_RUNNING INT64_MIN

struct post {
    loop_fn *fn;
    void *arg;
};

struct posts {
    struct post *items;
    size_t count, cap;
};

struct loop {
    uint32_t magic;

    /* Any thread. */
    pthread_mutex_t lock;
    struct posts inbox; /* under lock */
    atomic_bool stopped;
    int wake_fd; /* -1 in a fake loop */

    /* The loop's thread. */
    struct posts reading; /* the inbox being worked off; its memory goes back to the inbox */
    struct list tasks;    /* for the end of this turn */
    struct list later;    /* asked for by tasks, for the end of the next turn */
    bool in_tasks;
    struct loop_timer **heap; /* by due_us, then seq */
    size_t timers, timers_cap;
    uint64_t last_seq;
    int64_t firing_us; /* clock of the pass over due timers, or NOT_RUNNING */
    struct loop_stats stats;

    /* NULL in a fake loop. */
    struct event_base *base;
    struct event *wake_event;  /* the inbox or a stop */
    struct event *timer_event; /* armed for the earliest timer */
    struct event *tasks_event; /* activated: the end of this turn */
    struct event *later_event; /* zero timeout: the poll between two turns */
};

static struct loop *loop_from(void *arg)
{
    struct loop *loop = arg;
    CHECK(loop && loop->magic == LOOP_MAGIC);
    return loop;
}

/* ---- mailbox ---- */

static void wake(const struct loop *loop)
{
    if (loop->wake_fd < 0)
        return;
    uint64_t one = 1;
    ssize_t written;
    do
        written = write(loop->wake_fd, &one, sizeof one);
    while (written < 0 && errno == EINTR);
    CHECK(written == sizeof one || errno == EAGAIN); /* full: it will wake anyway */
}

void loop_post(struct loop *loop, loop_fn *fn, void *arg)
{
    pthread_mutex_lock(&loop->lock);
    struct posts *inbox = &loop->inbox;
    if (inbox->count == inbox->cap) {
        inbox->cap = inbox->cap ? inbox->cap * 2 : 16;
        inbox->items = xrealloc(inbox->items, inbox->cap * sizeof *inbox->items);
    }
    inbox->items[inbox->count++] = (struct post){.fn = fn, .arg = arg};
    if (inbox->count == 1)
        wake(loop); /* under the lock: the loop cannot be gone before a post it may run has returned
                     */
    pthread_mutex_unlock(&loop->lock);
}

void loop_unpost(struct loop *loop, const void *arg)
{
    pthread_mutex_lock(&loop->lock);
    struct posts *inbox = &loop->inbox;
    size_t kept = 0;
    for (size_t i = 0; i < inbox->count; i++)
        if (inbox->items[i].arg != arg)
            inbox->items[kept++] = inbox->items[i];
    inbox->count = kept;
    pthread_mutex_unlock(&loop->lock);
}

void loop_stop(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    atomic_store(&loop->stopped, true);
    wake(loop);
    pthread_mutex_unlock(&loop->lock);
}

/* Runs what was posted before; what these post waits for the next turn. */
static bool run_posts(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct posts batch = loop->inbox;
    loop->inbox = loop->reading;
    loop->reading = batch;
    pthread_mutex_unlock(&loop->lock);

    for (size_t i = 0; i < batch.count; i++)
        batch.items[i].fn(batch.items[i].arg);
    loop->reading.count = 0;
    return batch.count > 0;
}

/* ---- end of turn ---- */

void loop_task_init(struct loop_task *task, struct loop *loop, loop_fn *fn, void *arg)
{
    *task = (struct loop_task){.loop = loop, .fn = fn, .arg = arg};
    list_init(&task->link);
}

void loop_task_fini(struct loop_task *task)
{
    list_remove(&task->link);
}

void loop_end_of_turn(struct loop_task *task)
{
    struct loop *loop = task->loop;
    if (list_is_linked(&task->link))
        return;
    struct list *due = loop->in_tasks ? &loop->later : &loop->tasks;
    bool first = list_is_empty(due);
    list_push_back(due, &task->link);
    if (!first || !loop->base)
        return;
    if (loop->in_tasks) {
        /* Activated now it would run in this very pass of libevent, before any socket is looked at.
         */
        struct timeval at_once = {0, 0};
        CHECK(event_add(loop->later_event, &at_once) == 0);
    } else {
        event_active(loop->tasks_event, 0, 0);
    }
}

/* What was asked for in the last turn comes before what this turn asks for. */
static void later_is_now(struct loop *loop)
{
    while (!list_is_empty(&loop->later)) {
        struct list *node = loop->later.prev;
        list_remove(node);
        list_push_front(&loop->tasks, node);
    }
}

static bool run_tasks(struct loop *loop)
{
    bool any = false;
    loop->in_tasks = true;
    while (!list_is_empty(&loop->tasks)) { /* ends: what tasks ask for goes to `later` */
        struct loop_task *task = LIST_ENTRY(loop->tasks.next, struct loop_task, link);
        list_remove(&task->link);
        task->fn(task->arg);
        any = true;
    }
    loop->in_tasks = false;
    return any;
}

/* ---- timers ---- */

static bool timer_before(const struct loop_timer *a, const struct loop_timer *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->seq < b->seq;
}

static void heap_put(struct loop *loop, struct loop_timer *timer, size_t slot)
{
    loop->heap[slot] = timer;
    timer->slot = slot;
}

/* Finds the place of a timer around the free slot. */
static void heap_settle(struct loop *loop, struct loop_timer *timer, size_t slot)
{
    while (slot > 0 && timer_before(timer, loop->heap[(slot - 1) / 2])) {
        heap_put(loop, loop->heap[(slot - 1) / 2], slot);
        slot = (slot - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * slot + 1;
        if (child + 1 < loop->timers && timer_before(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (child >= loop->timers || !timer_before(loop->heap[child], timer))
            break;
        heap_put(loop, loop->heap[child], slot);
        slot = child;
    }
    heap_put(loop, timer, slot);
}

static void heap_remove(struct loop *loop, struct loop_timer *timer)
{
    struct loop_timer *last = loop->heap[--loop->timers];
    if (last != timer)
        heap_settle(loop, last, timer->slot);
    timer->due_us = -1;
}

/* Has libevent wake us for the earliest timer. */
static void timers_arm(struct loop *loop)
{
    if (!loop->base || loop->firing_us != NOT_RUNNING)
        return;
    if (loop->timers == 0) {
        event_del(loop->timer_event);
        return;
    }
    int64_t wait_us = loop->heap[0]->due_us - clock_mono_us();
    if (wait_us < 0)
        wait_us = 0;
    if (wait_us > LONGEST_US)
        wait_us = LONGEST_US;
    struct timeval wait = {.tv_sec = wait_us / SECOND_US, .tv_usec = wait_us % SECOND_US};
    CHECK(event_add(loop->timer_event, &wait) == 0);
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_fn *fn, void *arg)
{
    *timer = (struct loop_timer){.loop = loop, .fn = fn, .arg = arg, .due_us = -1};
}

void loop_timer_fini(struct loop_timer *timer)
{
    loop_timer_cancel(timer);
}

void loop_timer_set(struct loop_timer *timer, int64_t due_us)
{
    struct loop *loop = timer->loop;
    const struct loop_timer *first = loop->timers ? loop->heap[0] : NULL;
    size_t slot = timer->slot;
    if (timer->due_us < 0) {
        slot = loop->timers++;
        if (loop->timers > loop->timers_cap) {
            loop->timers_cap = loop->timers_cap ? loop->timers_cap * 2 : 16;
            loop->heap = xrealloc(loop->heap, loop->timers_cap * sizeof(struct loop_timer *));
        }
    }
    /* A past time asked for by a firing timer queues behind those that are due now. */
    int64_t earliest = loop->firing_us > 0 ? loop->firing_us : 0;
    timer->due_us = due_us > earliest ? due_us : earliest;
    timer->seq = ++loop->last_seq;
    heap_settle(loop, timer, slot);
    if (loop->heap[0] == timer || first == timer)
        timers_arm(loop);
}

void loop_timer_cancel(struct loop_timer *timer)
{
    if (timer->due_us < 0)
        return;
    bool first = timer->slot == 0;
    heap_remove(timer->loop, timer);
    if (first)
        timers_arm(timer->loop);
}

bool loop_timer_is_set(const struct loop_timer *timer)
{
    return timer->due_us >= 0;
}

/* Fires the timers that are due, but none that was set by one of them. */
static bool run_timers(struct loop *loop)
{
    bool any = false;
    uint64_t last = loop->last_seq;
    loop->firing_us = clock_mono_us();
    while (loop->timers > 0) {
        struct loop_timer *timer = loop->heap[0];
        if (timer->due_us > loop->firing_us || timer->seq > last)
            break;
        heap_remove(loop, timer);
        timer->fn(timer->arg);
        any = true;
    }
    loop->firing_us = NOT_RUNNING;
    timers_arm(loop);
    return any;
}

int64_t loop_next_timer_us(const struct loop *loop)
{
    CHECK(!loop->base);
    return loop->timers ? loop->heap[0]->due_us : -1;
}

/* ---- libevent ---- */

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct loop *loop = loop_from(arg);
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
    run_posts(loop);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    run_timers(loop_from(arg));
}

static void on_tasks(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    run_tasks(loop_from(arg));
}

/* The next turn has begun: its handlers are queued before the event activated here. */
static void on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct loop *loop = loop_from(arg);
    later_is_now(loop);
    event_active(loop->tasks_event, 0, 0);
}

/* ---- life ---- */

struct loop *loop_new_fake(void)
{
    struct loop *loop = xcalloc(1, sizeof *loop);
    loop->magic = LOOP_MAGIC;
    CHECK(pthread_mutex_init(&loop->lock, NULL) == 0);
    atomic_init(&loop->stopped, false);
    loop->wake_fd = -1;
    list_init(&loop->tasks);
    list_init(&loop->later);
    loop->firing_us = NOT_RUNNING;
    return loop;
}

struct loop *loop_new(void)
{
    struct loop *loop = loop_new_fake();
    struct event_config *config = event_config_new();
    /* Changes of interest within one turn become one system call (a reply is write, then read). */
    CHECK(config && event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0 &&
          event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK(loop->base && loop->wake_fd >= 0);
    loop->wake_event = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    loop->timer_event = evtimer_new(loop->base, on_timer, loop);
    loop->tasks_event = event_new(loop->base, -1, 0, on_tasks, loop);
    loop->later_event = evtimer_new(loop->base, on_later, loop);
    CHECK(loop->wake_event && loop->timer_event && loop->tasks_event && loop->later_event);
    CHECK(event_add(loop->wake_event, NULL) == 0);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    while (loop->timers > 0)
        loop->heap[--loop->timers]->due_us = -1;
    later_is_now(loop);
    LIST_FOREACH(node, &loop->tasks)
    {
        list_remove(node);
    }
    if (loop->base) {
        event_free(loop->wake_event);
        event_free(loop->timer_event);
        event_free(loop->tasks_event);
        event_free(loop->later_event);
        event_base_free(loop->base);
        close(loop->wake_fd);
    }
    pthread_mutex_destroy(&loop->lock);
    free(loop->inbox.items);
    free(loop->reading.items);
    free(loop->heap);
    loop->magic = 0;
    free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

const int64_t loop_pass_steps_us[LOOP_PASS_STEP_COUNT] = {1000, 5000, 20000, 100000, 500000};

static int64_t thread_cpu_us(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
    return t.tv_sec * SECOND_US + t.tv_nsec / 1000;
}

static void note_pass(struct loop_stats *stats, int64_t spent_us)
{
    stats->passes++;
    stats->busy_us += spent_us;
    if (spent_us > stats->longest_us)
        stats->longest_us = spent_us;
    for (size_t i = 0; i < LOOP_PASS_STEP_COUNT && spent_us > loop_pass_steps_us[i]; i++)
        stats->over[i]++;
}

void loop_run(struct loop *loop)
{
    CHECK(loop->base);
    int64_t before_us = thread_cpu_us();
    while (!atomic_load(&loop->stopped)) {
        CHECK(event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) >= 0);
        int64_t after_us = thread_cpu_us();
        note_pass(&loop->stats, after_us - before_us);
        before_us = after_us;
    }
    atomic_store(&loop->stopped, false);
}

void loop_stats(const struct loop *loop, struct loop_stats *out)
{
    *out = loop->stats;
}

bool loop_step(struct loop *loop)
{
    CHECK(!loop->base);
    later_is_now(loop);
    bool any = run_posts(loop);
    any = run_timers(loop) || any;
    return run_tasks(loop) || any;
}
