/* base/arena: zeroed, aligned, apart from each other, freed at once (the sanitizers watch). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/arena.h"
#include "base/check.h"

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 0, 3, 16, 17, 1000, 1024, 1025, 5000, 100000, 7};
    struct arena a;
    arena_init(&a);
    uint8_t *piece[ARRAY_SIZE(sizes) * 40];
    for (size_t i = 0; i < ARRAY_SIZE(piece); i++) {
        size_t size = sizes[i % ARRAY_SIZE(sizes)];
        piece[i] = arena_alloc(&a, size);
        assert_int_equal((uintptr_t)piece[i] % _Alignof(max_align_t), 0);
        for (size_t b = 0; b < size; b++)
            assert_int_equal(piece[i][b], 0);
        memset(piece[i], (int)(i % 251) + 1, size);
    }
    for (size_t i = 0; i < ARRAY_SIZE(piece); i++) {
        for (size_t b = 0; b < sizes[i % ARRAY_SIZE(sizes)]; b++)
            assert_int_equal(piece[i][b], i % 251 + 1);
    }
    assert_true(a.used_bytes >= (size_t)40 * 108093);
    arena_fini(&a);
    assert_int_equal(a.used_bytes, 0);
    assert_null(a.block);
}

static void texts_are_copied_and_formatted(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    char source[] = "text";
    char *copy = arena_strdup(&a, source), *bytes = arena_dup(&a, "a\0b", 3);
    source[0] = '#';
    char *printed = arena_printf(&a, "%s-%0*d", "web", 300, 7);
    assert_string_equal(copy, "text");
    assert_memory_equal(bytes, "a\0b", 3);
    assert_int_equal(strlen(printed), 304);
    assert_memory_equal(printed, "web-000", 7);
    assert_non_null(arena_dup(&a, NULL, 0));
    arena_fini(&a);
}

static void an_unused_arena_holds_nothing(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    arena_fini(&a);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
        cmocka_unit_test(texts_are_copied_and_formatted),
        cmocka_unit_test(an_unused_arena_holds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
