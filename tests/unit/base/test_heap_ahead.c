/* base/heap_ahead: what is allocated meanwhile holds what was written, and at the end the heap
 * keeps no more than a little. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/heap_ahead.h"

enum { BLOCKS = 4000, BLOCK_BYTES = 4000 };

static void blocks_keep_what_was_written(void **state)
{
    (void)state;
    static uint8_t *block[BLOCKS];
    struct heap_ahead *ahead = heap_ahead_start((size_t)BLOCKS * BLOCK_BYTES);
    for (size_t i = 0; i < BLOCKS; i++)
        block[i] = memset(xmalloc(BLOCK_BYTES), (int)(i % 251), BLOCK_BYTES);
    heap_ahead_end(ahead);
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t at = 0; at < BLOCK_BYTES; at++)
            assert_int_equal(block[i][at], i % 251);
        free(block[i]);
    }
}

static void what_was_not_used_is_given_back(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        heap_ahead_end(heap_ahead_start((size_t)256 << 20));
        assert_in_range(mallinfo2().keepcost, 0, 8 * HEAP_AHEAD_BLOCK);
    }
}

static void any_size_will_do(void **state)
{
    (void)state;
    static const size_t bytes[] = {0, 1, 4096, SIZE_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(bytes); i++) {
        struct heap_ahead *ahead = heap_ahead_start(bytes[i]);
        assert_non_null(ahead);
        heap_ahead_end(ahead);
    }
    heap_ahead_end(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_keep_what_was_written),
        cmocka_unit_test(what_was_not_used_is_given_back),
        cmocka_unit_test(any_size_will_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
