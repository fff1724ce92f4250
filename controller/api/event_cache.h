/* controller/api/event_cache.h - the texts of the latest events in the forms that cost JSON work,
 * shared by all watchers.
 *
 * A plain object's text is stored and only copied; a row of a Table (kubectl get -w) or an event of
 * events.k8s.io has to be made from a tree. Watchers of one kind are woken together and pull the
 * same events, so the first makes the text and the others copy it. Rows show ages: a text serves
 * within the second in which it was made. Control thread. */
#pragma once

#include "controller/api/api.h"

#define EVENT_CACHE_SLOTS    256
#define EVENT_CACHE_TEXT_MAX 65536 /* longer ones are not kept: 16 MiB at most */

struct event_cache;
struct event_cache *event_cache_new(void);
void event_cache_free(struct event_cache *cache); /* NULL is fine */

/* As render_alone without columns. */
void event_cache_render(struct event_cache *cache, const struct render *r, const struct object *obj,
                        uint64_t revision, struct buf_out *out);

/* How many texts were made, and how many copied instead. */
uint64_t event_cache_made(const struct event_cache *cache);
uint64_t event_cache_copied(const struct event_cache *cache);
