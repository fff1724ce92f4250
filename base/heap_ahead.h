/* base/heap_ahead.h - pages for what is about to be allocated, fetched by a thread of its own.
 *
 * A start fills the heap with hundreds of megabytes at once. Each page of it costs the thread that
 * touches it first a fault; fetched in long runs by another thread they cost less, and not the
 * thread that everybody waits for. What is fetched and not used goes back to the system at the end.
 * It changes nothing else: without memory, or on a kernel that does not know MADV_POPULATE_WRITE
 * (before Linux 5.14), pages come as they always did. */
#pragma once

#include <stddef.h>

struct heap_ahead;

/* The caller is about to allocate about `bytes` in blocks below HEAP_AHEAD_BLOCK. Only one at a
 * time, on the main thread: malloc knows one heap that grows at its end. Never NULL. */
struct heap_ahead *heap_ahead_start(size_t bytes);
/* Waits until the thread has ended, soon; NULL is fine. */
void heap_ahead_end(struct heap_ahead *ahead);

/* Larger blocks are mapped each by itself, from the first start on. */
#define HEAP_AHEAD_BLOCK ((size_t)1 << 20)
