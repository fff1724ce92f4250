#include "base/heap_ahead.h"

#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"

/* Fetched at once: the heap cannot grow meanwhile. */
#define STEP ((size_t)1 << 20)
/* What the end of the heap may keep unused, and grows by. */
#define SPARE (4 * STEP)
/* malloc takes no more for one block of the heap, and we ask for no more than 1 GiB. */
#define BLOCK_MOST ((size_t)32 << 20)
#define BYTES_MOST ((size_t)1 << 30)

struct heap_ahead {
    char *at, *end; /* whole pages, the thread's */
    pthread_t thread;
    bool has_thread;
    atomic_bool is_stopped;
};

static void *fetch(void *arg)
{
    struct heap_ahead *a = arg;
    while (a->at < a->end && !atomic_load_explicit(&a->is_stopped, memory_order_relaxed)) {
        size_t left = (size_t)(a->end - a->at), step = left < STEP ? left : STEP;
        if (madvise(a->at, step, MADV_POPULATE_WRITE) < 0)
            break;
        a->at += step;
    }
    return NULL;
}

static void set_malloc(size_t block, size_t pad, size_t trim)
{
    /* NOLINTBEGIN(concurrency-mt-unsafe): glibc takes its lock */
    (void)mallopt(M_MMAP_THRESHOLD, (int)block);
    (void)mallopt(M_TOP_PAD, (int)pad);
    (void)mallopt(M_TRIM_THRESHOLD, (int)trim);
    /* NOLINTEND(concurrency-mt-unsafe) */
}

/* Makes the free end of the heap so long: a block is taken there and given back, and the heap grows
 * by the pad, too. Another malloc than glibc's (AddressSanitizer's) has no such end: nothing then.
 */
static void stretch(struct heap_ahead *a, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    set_malloc(BLOCK_MOST, bytes, INT_MAX);
    void *block = malloc(BLOCK_MOST - STEP);
    uintptr_t from = (uintptr_t)block;
    free(block);
    uintptr_t to = (uintptr_t)sbrk(0) & ~(page - 1);
    from = (from + page - 1) & ~(page - 1);
    set_malloc(HEAP_AHEAD_BLOCK, SPARE, INT_MAX);
    if (block && from < to && to - from <= bytes + 2 * BLOCK_MOST) {
        size_t len = to - from < bytes ? to - from : bytes;
        a->at = (char *)from; /* NOLINT(performance-no-int-to-ptr): free now, and of no object */
        a->end = a->at + len;
    }
}

struct heap_ahead *heap_ahead_start(size_t bytes)
{
    struct heap_ahead *a = xcalloc(1, sizeof *a);
    stretch(a, bytes < BYTES_MOST ? bytes : BYTES_MOST);
    a->has_thread = a->at < a->end && pthread_create(&a->thread, NULL, fetch, a) == 0;
    return a;
}

void heap_ahead_end(struct heap_ahead *a)
{
    if (!a)
        return;
    atomic_store_explicit(&a->is_stopped, true, memory_order_relaxed);
    if (a->has_thread)
        CHECK(pthread_join(a->thread, NULL) == 0);
    free(a);
    set_malloc(HEAP_AHEAD_BLOCK, SPARE, 2 * SPARE);
    (void)malloc_trim(SPARE);
}
