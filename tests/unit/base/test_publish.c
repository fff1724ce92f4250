/* base/publish: what may be freed when, first step by step, then with readers on other threads. */
#include "base/publish.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

/* Roots are plain letters; freeing one writes it down. */
static char freed[64];
static size_t freed_count;
static char root[26];

static void on_free(void *ptr)
{
    freed[freed_count++] = (char)('a' + ((char *)ptr - root));
    freed[freed_count] = '\0';
}

static int forget(void **state)
{
    (void)state;
    freed_count = 0;
    freed[0] = '\0';
    return 0;
}

/* Publishes the next letter, retiring the one before. */
static void push_next(struct publish *p)
{
    publish_retire(p, on_free, &root[publish_version(p)]);
    publish_push(p, &root[publish_version(p) + 1]);
}

static void versions_count_from_the_first_push(void **state)
{
    (void)state;
    struct publish *p = publish_new(1, NULL);
    uint64_t version = 9;
    assert_int_equal(publish_version(p), 0);
    assert_null(publish_current(p));
    assert_null(publish_enter(p, 0, &version));
    assert_int_equal(version, 0);
    publish_leave(p, 0);
    assert_int_equal(publish_push(p, &root[1]), 1);
    assert_int_equal(publish_push(p, &root[2]), 2);
    assert_ptr_equal(publish_current(p), &root[2]);
    assert_ptr_equal(publish_enter(p, 0, &version), &root[2]);
    assert_int_equal(version, 2);
    publish_leave(p, 0);
    assert_ptr_equal(publish_enter(p, 0, NULL), &root[2]);
    publish_leave(p, 0);
    publish_free(p);
    publish_free(NULL);
}

static void nothing_is_freed_before_the_push_that_hides_it(void **state)
{
    (void)state;
    struct publish *p = publish_new(1, &root[0]);
    publish_retire(p, on_free, &root[0]);
    publish_retire(p, on_free, &root[5]);
    assert_int_equal(publish_reclaim(p, 0), 2);
    assert_string_equal(freed, "");
    publish_push(p, &root[1]);
    assert_string_equal(freed, "");
    assert_int_equal(publish_reclaim(p, 0), 0);
    assert_string_equal(freed, "af");
    publish_free(p);
}

static void a_reader_keeps_its_version_and_all_later_ones(void **state)
{
    (void)state;
    struct publish *p = publish_new(3, &root[0]);
    push_next(p);
    assert_ptr_equal(publish_enter(p, 1, NULL), &root[1]);
    push_next(p);
    push_next(p);
    assert_int_equal(publish_reclaim(p, 0), 2);
    assert_string_equal(freed, "a"); /* b is read, c is younger than b */
    publish_enter(p, 2, NULL);
    publish_leave(p, 1);
    assert_int_equal(publish_reclaim(p, 0), 0);
    assert_string_equal(freed, "abc");
    publish_leave(p, 2);
    publish_free(p);
}

static void a_budget_frees_oldest_first_and_goes_on_later(void **state)
{
    (void)state;
    struct publish *p = publish_new(0, &root[0]);
    publish_retire(p, on_free, &root[7]);
    for (int i = 0; i < 3; i++)
        push_next(p);
    assert_int_equal(publish_reclaim(p, 1), 3);
    assert_string_equal(freed, "h");
    assert_int_equal(publish_reclaim(p, 2), 1);
    assert_string_equal(freed, "hab");
    assert_int_equal(publish_reclaim(p, 2), 0);
    assert_string_equal(freed, "habc");
    publish_free(p);
}

static void a_pin_costs_what_was_retired_since(void **state)
{
    (void)state;
    struct publish *p = publish_new(0, &root[0]);
    publish_retire_sized(p, on_free, &root[0], 1000000);
    publish_push(p, &root[1]);
    struct publish_pin *pin = publish_pin_current(p);
    assert_true(publish_pin_bytes(p, pin) < 200); /* whatever was before */
    for (uint64_t i = 1; i <= 10; i++) {
        uint64_t before = publish_pin_bytes(p, pin);
        publish_retire_sized(p, on_free, &root[i], 5000);
        assert_true(publish_pin_bytes(p, pin) >= before + 5000);
        publish_push(p, &root[i + 1]);
        assert_in_range(publish_pin_bytes(p, pin), i * 5000, i * 5000 + 2000);
    }
    publish_reclaim(p, 0);
    uint64_t held = publish_pin_bytes(p, pin);
    assert_true(held > 50000); /* all of it is still there */
    publish_push(p, &root[12]);
    assert_true(publish_pin_bytes(p, pin) > held); /* the version itself */
    assert_string_equal(freed, "a");
    publish_unpin(pin);
    publish_free(p);
}

static void a_pin_outlives_the_announcement(void **state)
{
    (void)state;
    struct publish *p = publish_new(1, &root[0]);
    publish_enter(p, 0, NULL);
    struct publish_pin *first = publish_pin(p, 0);
    struct publish_pin *second = publish_pin(p, 0);
    publish_leave(p, 0);
    push_next(p);
    struct publish_pin *later = publish_pin_current(p);
    push_next(p);
    assert_int_equal(publish_reclaim(p, 0), 2);
    assert_ptr_equal(publish_pin_root(first), &root[0]);
    assert_ptr_equal(publish_pin_root(later), &root[1]);
    publish_unpin(first);
    assert_int_equal(publish_reclaim(p, 0), 2);
    publish_unpin(second);
    assert_int_equal(publish_reclaim(p, 0), 1);
    assert_string_equal(freed, "a");
    publish_unpin(later);
    assert_int_equal(publish_reclaim(p, 0), 0);
    assert_string_equal(freed, "ab");
    publish_free(p);
}

static void a_pin_is_of_the_version_that_the_reader_has(void **state)
{
    (void)state;
    struct publish *p = publish_new(1, &root[0]);
    publish_enter(p, 0, NULL);
    push_next(p);
    struct publish_pin *pin = publish_pin(p, 0);
    publish_leave(p, 0);
    assert_ptr_equal(publish_pin_root(pin), &root[0]);
    assert_int_equal(publish_reclaim(p, 0), 1);
    publish_unpin(pin);
    assert_int_equal(publish_reclaim(p, 0), 0);
    assert_string_equal(freed, "a");
    publish_free(p);
}

static void freeing_the_publisher_frees_all_garbage_once(void **state)
{
    (void)state;
    struct publish *p = publish_new(1, &root[0]);
    push_next(p);
    push_next(p);
    publish_reclaim(p, 1);
    publish_retire(p, on_free, &root[9]);
    publish_free(p);
    assert_string_equal(freed, "abj");
}

/* K-FRESH: a reply to a write waits until this reaches the version of the write. */
static void the_oldest_version_in_use_is_the_current_one_when_nobody_reads(void **state)
{
    (void)state;
    struct publish *p = publish_new(3, &root[0]);
    assert_int_equal(publish_oldest_in_use(p), 0);
    publish_push(p, &root[1]);
    assert_int_equal(publish_oldest_in_use(p), 1);
    publish_enter(p, 0, NULL);
    publish_push(p, &root[2]);
    publish_enter(p, 2, NULL);
    publish_push(p, &root[3]);
    assert_int_equal(publish_oldest_in_use(p), 1);
    publish_leave(p, 0);
    assert_int_equal(publish_oldest_in_use(p), 2);
    publish_leave(p, 2);
    struct publish_pin *pin = publish_pin_current(p);
    publish_push(p, &root[4]);
    assert_int_equal(publish_oldest_in_use(p), 4); /* a pinned transfer is no answer to come */
    publish_unpin(pin);
    publish_free(p);
}

/* Garbage often owns the last reference to more garbage. */
static struct publish *chained;

static void on_free_more(void *ptr)
{
    on_free(ptr);
    publish_retire(chained, on_free, &root[25]);
}

static void freeing_may_retire_more(void **state)
{
    (void)state;
    chained = publish_new(0, &root[0]);
    publish_retire(chained, on_free_more, &root[0]);
    publish_push(chained, &root[1]);
    assert_int_equal(publish_reclaim(chained, 0), 1);
    assert_string_equal(freed, "a");
    publish_push(chained, &root[2]);
    assert_int_equal(publish_reclaim(chained, 0), 0);
    assert_string_equal(freed, "az");
    publish_free(chained);
}

/* ---- threads ---- */

#define READERS   4
#define VERSIONS  20000
#define PINS_KEPT 8

/* A version's object: the same number everywhere, smashed before it is freed. */
struct object {
    uint64_t number;
    uint64_t copies[7];
};

static struct object *object_new(uint64_t number)
{
    struct object *object = xmalloc(sizeof *object);
    object->number = number;
    for (size_t i = 0; i < ARRAY_SIZE(object->copies); i++)
        object->copies[i] = number;
    return object;
}

static void object_free(void *ptr)
{
    memset(ptr, 0xdd, sizeof(struct object));
    free(ptr);
}

static void object_check(const struct object *object, uint64_t number)
{
    CHECK(object->number == number);
    for (size_t i = 0; i < ARRAY_SIZE(object->copies); i++)
        CHECK(object->copies[i] == number);
}

struct reader {
    pthread_t thread;
    struct publish *p;
    unsigned slot;
    atomic_bool *done;
    uint64_t batches;
};

/* Announces, reads, sometimes pins and reads on after it left. Versions never go back. */
static void *reader_main(void *arg)
{
    struct reader *r = arg;
    struct publish_pin *pins[PINS_KEPT] = {0};
    uint64_t last = 0;
    do {
        uint64_t version;
        const struct object *object = publish_enter(r->p, r->slot, &version);
        CHECK(version >= last);
        last = version;
        object_check(object, version);
        struct publish_pin **pin = &pins[r->batches % PINS_KEPT];
        if (*pin) {
            const struct object *pinned = publish_pin_root(*pin);
            object_check(pinned, pinned->number);
            publish_unpin(*pin);
            *pin = NULL;
        }
        if (r->batches % 5 == 0)
            *pin = publish_pin(r->p, r->slot);
        object_check(object, version);
        publish_leave(r->p, r->slot);
        r->batches++;
    } while (!atomic_load(r->done));
    for (size_t i = 0; i < PINS_KEPT; i++)
        if (pins[i])
            publish_unpin(pins[i]);
    return NULL;
}

static void readers_on_other_threads_never_see_freed_memory(void **state)
{
    (void)state;
    struct object *current = object_new(0);
    struct publish *p = publish_new(READERS, current);
    atomic_bool done = false;
    struct reader readers[READERS];
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.p = p, .slot = i, .done = &done};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]), 0);
    }
    for (uint64_t number = 1; number <= VERSIONS; number++) {
        publish_retire(p, object_free, current);
        current = object_new(number);
        assert_int_equal(publish_push(p, current), number);
        assert_true(publish_oldest_in_use(p) <= number);
        publish_reclaim(p, number % 3 ? 4 : 0);
    }
    /* Every reader that is still in an older version leaves it without being asked. */
    while (publish_oldest_in_use(p) < VERSIONS)
        ;
    atomic_store(&done, true);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        assert_true(readers[i].batches > 0);
    }
    assert_int_equal(publish_reclaim(p, 0), 0);
    publish_free(p);
    free(current);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(versions_count_from_the_first_push, forget),
        cmocka_unit_test_setup(nothing_is_freed_before_the_push_that_hides_it, forget),
        cmocka_unit_test_setup(a_reader_keeps_its_version_and_all_later_ones, forget),
        cmocka_unit_test_setup(a_budget_frees_oldest_first_and_goes_on_later, forget),
        cmocka_unit_test_setup(a_pin_costs_what_was_retired_since, forget),
        cmocka_unit_test_setup(a_pin_outlives_the_announcement, forget),
        cmocka_unit_test_setup(freeing_the_publisher_frees_all_garbage_once, forget),
        cmocka_unit_test_setup(a_pin_is_of_the_version_that_the_reader_has, forget),
        cmocka_unit_test_setup(the_oldest_version_in_use_is_the_current_one_when_nobody_reads,
                               forget),
        cmocka_unit_test_setup(freeing_may_retire_more, forget),
        cmocka_unit_test(readers_on_other_threads_never_see_freed_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
