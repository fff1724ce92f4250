/* base/json_blocks.c - the memory of cJSON trees.
 *
 * A write through the API builds and deletes several trees of hundreds of nodes and short strings,
 * all at once: more than malloc's own per-thread cache holds, so that half of the CPU time of a
 * write went into splitting and merging free blocks. Here up to KEPT_MAX blocks of each small size
 * wait for the next tree, per thread. Every block comes from malloc and says its own size, so
 * whoever frees it may. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* A sanitizer finds uses after free only when blocks are freed. */
#if defined(__SANITIZE_ADDRESS__)
#define FINDS_USE_AFTER_FREE true
#elif defined(__has_feature)
#define FINDS_USE_AFTER_FREE __has_feature(address_sanitizer)
#else
#define FINDS_USE_AFTER_FREE false
#endif

#define SIZE_CLASSES 8    /* usable bytes 24, 40, ... 136, as malloc on 64-bit systems rounds */
#define KEPT_MAX     8192 /* blocks per size: about 5 MB in all */

static size_t class_bytes(size_t class)
{
    return 24 + 16 * class;
}

struct kept {
    void *first; /* each block holds the next in its first bytes */
    size_t count;
};

static _Thread_local struct kept kept[SIZE_CLASSES];

static void *block_alloc(size_t size)
{
    size_t class = size <= class_bytes(0) ? 0 : (size - class_bytes(0) + 15) / 16;
    if (class >= SIZE_CLASSES)
        return malloc(size);
    struct kept *k = &kept[class];
    void *block = k->first;
    if (!block)
        return malloc(class_bytes(class));
    memcpy(&k->first, block, sizeof(k->first));
    k->count--;
    return block;
}

static void block_free(void *block)
{
    if (!block)
        return;
    size_t usable = malloc_usable_size(block);
    size_t class = (usable - class_bytes(0)) / 16;
    if (usable < class_bytes(0) || class >= SIZE_CLASSES || usable != class_bytes(class) ||
        kept[class].count == KEPT_MAX) {
        free(block);
        return;
    }
    struct kept *k = &kept[class];
    memcpy(block, &k->first, sizeof(k->first));
    k->first = block;
    k->count++;
}

void json_keep_blocks(void)
{
    cJSON_Hooks hooks = {.malloc_fn = block_alloc, .free_fn = block_free};
    if (!FINDS_USE_AFTER_FREE)
        cJSON_InitHooks(&hooks);
}
