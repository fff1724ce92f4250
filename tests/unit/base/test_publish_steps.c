/* base/publish once more, one atomic step at a time: a reader that enters and leaves, a writer that
 * publishes and frees, and every order in which their steps can follow each other. The orders are
 * those of sequential consistency; ThreadSanitizer looks at the weaker ones in test_publish. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

/* ---- whose step is the next ---- */

enum actor { WRITER, READER };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static enum actor running;
static bool is_over[2];
static uint32_t schedule; /* bit i: who makes step i */

static void hand_over(enum actor next)
{
    enum actor me = running;
    running = next;
    pthread_cond_broadcast(&changed);
    while (running != me)
        pthread_cond_wait(&changed, &lock);
}

/* Before each step; only who is running comes here. */
static void step(void)
{
    enum actor next = schedule & 1 ? READER : WRITER;
    schedule >>= 1;
    if (next != running && !is_over[next])
        hand_over(next);
}

static void begin(enum actor me)
{
    pthread_mutex_lock(&lock);
    while (running != me)
        pthread_cond_wait(&changed, &lock);
}

static void end(enum actor me)
{
    is_over[me] = true;
    running = me == WRITER ? READER : WRITER;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* ---- publish.c with a step before each atomic load and store that is not relaxed ---- */

struct publish_pin;

static uint64_t load_number(const _Atomic uint64_t *from)
{
    return atomic_load(from);
}

static void store_number(_Atomic uint64_t *to, uint64_t value)
{
    atomic_store(to, value);
}

static struct publish_pin *load_version(_Atomic(struct publish_pin *) *from)
{
    return atomic_load(from);
}

static void store_version(_Atomic(struct publish_pin *) *to, struct publish_pin *value)
{
    atomic_store(to, value);
}

static void step_if(memory_order order)
{
    if (order != memory_order_relaxed)
        step();
}

#undef atomic_load
#undef atomic_store
#undef atomic_load_explicit
#undef atomic_store_explicit
#define atomic_load_explicit(p, order)                                                             \
    (step_if(order),                                                                               \
     _Generic((p), _Atomic(struct publish_pin *) *: load_version, default: load_number)(p))
#define atomic_store_explicit(p, value, order)                                                     \
    (step_if(order), _Generic((p), _Atomic(struct publish_pin *) *: store_version,                 \
                              default: store_number)(p, value))
#define atomic_load(p)         atomic_load_explicit(p, memory_order_seq_cst)
#define atomic_store(p, value) atomic_store_explicit(p, value, memory_order_seq_cst)

#include "base/publish.c" /* NOLINT(bugprone-suspicious-include) */

/* ---- the two ---- */

enum { VERSIONS = 3, STEPS = 14 };

static struct publish *published;
static bool was_freed[VERSIONS], roots[VERSIONS];
static bool is_wrong, pins;

static void on_free(void *root)
{
    was_freed[(bool *)root - roots] = true;
}

static void use(const void *root)
{
    step();
    is_wrong |= was_freed[(const bool *)root - roots];
}

static void *reader_main(void *arg)
{
    uint64_t version = 0;
    struct publish_pin *pin = NULL;
    begin(READER);
    const void *root = publish_enter(published, 0, &version);
    is_wrong |= load_number(&published->slots[0].announced) != version || root != &roots[version];
    use(root);
    if (pins)
        pin = publish_pin(published, 0);
    publish_leave(published, 0);
    if (pin) {
        use(root);
        publish_unpin(pin);
    }
    end(READER);
    return arg;
}

/* True when the reader never met what was freed, and everything is in the end. */
static bool is_safe(uint32_t order)
{
    pthread_t reader;
    running = WRITER;
    is_over[WRITER] = is_over[READER] = is_wrong = false;
    memset(was_freed, 0, sizeof was_freed);
    schedule = 0;
    published = publish_new(1, &roots[0]);
    schedule = order;
    CHECK(pthread_create(&reader, NULL, reader_main, NULL) == 0);
    begin(WRITER);
    for (size_t i = 0; i + 1 < VERSIONS; i++) {
        publish_retire(published, on_free, &roots[i]);
        publish_push(published, &roots[i + 1]);
        publish_reclaim(published, 0);
    }
    end(WRITER);
    CHECK(pthread_join(reader, NULL) == 0);
    is_over[READER] = true;
    bool is_all = publish_reclaim(published, 0) == 0 && was_freed[0] && was_freed[1];
    publish_free(published);
    return !is_wrong && is_all && !was_freed[VERSIONS - 1];
}

static void every_order_is_safe(unsigned reader_steps)
{
    unsigned orders = 0;
    for (uint32_t order = 0; order < 1U << STEPS; order++) {
        if ((unsigned)__builtin_popcount(order) != reader_steps)
            continue;
        if (!is_safe(order))
            fail_msg("order %#x", order);
        orders++;
    }
    assert_true(orders > 1000);
}

/* DESIGN section 1: nothing that a reader may reach is freed */
static void a_reader_that_enters_at_any_moment_is_safe(void **state)
{
    (void)state;
    pins = false;
    every_order_is_safe(6);
}

static void a_pin_that_is_made_at_any_moment_holds(void **state)
{
    (void)state;
    pins = true;
    every_order_is_safe(7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_that_enters_at_any_moment_is_safe),
        cmocka_unit_test(a_pin_that_is_made_at_any_moment_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
