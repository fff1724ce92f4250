/* controller/reconcile/workqueue.h - keys, once each, with backoff and due times. Control thread,
 * fake clock capable. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct workqueue;
struct workqueue *workqueue_new(void);
void workqueue_free(struct workqueue *q);
/* Ready now (mono 0) or at due_us; a key already queued keeps the earlier time. */
void workqueue_add(struct workqueue *q, const char *key, int64_t due_us);
/* A failure: queues with exponential backoff, 5 ms doubled up to 16 min, jittered via base/random.
 * A key that was added since it was taken, by what the failed sync wrote, stays ready, 16 times in
 * a row at most. */
void workqueue_retry(struct workqueue *q, const char *key, int64_t now_us);
/* A success: the key's backoff starts anew next time. */
void workqueue_forget(struct workqueue *q, const char *key);
/* Takes the next key that is due at now_us, in order of queueing; owned by the caller; NULL when
 * none is. */
char *workqueue_take(struct workqueue *q, int64_t now_us);
int64_t workqueue_next_due(const struct workqueue *q); /* -1: empty */
size_t workqueue_length(const struct workqueue *q);
