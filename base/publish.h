/* base/publish.h - one published pointer, readers without locks, memory freed exactly when nobody
 * can see it.
 *
 * The writer (control thread) publishes immutable versions. Each reader thread owns a slot (its own
 * cache line) in which it announces the version it works on for the length of a batch (store, then
 * load the root; publish.c says why that is enough). Garbage hangs on the version it was retired
 * from; publish_reclaim, on the control thread, runs it when no version up to that one is current,
 * announced or pinned. A pin keeps one version for minutes (a transfer, a paged list).
 *
 *   version:   1 ------ 2 ------ 3 ------ 4 (current)
 *   garbage:   a,b      c        -        (retired by the next publish)
 *   freed when no slot and no pin is <= its version, oldest first */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct publish;

typedef void publish_free_fn(void *ptr);

/* Up to `slots` reader threads, numbered from 0. initial may be NULL (nothing published yet). */
struct publish *publish_new(unsigned slots, const void *initial);
/* No reader may be active and no pin held; frees all garbage. The current root stays the caller's.
 */
void publish_free(struct publish *p);

/* ---- writer, control thread ---- */

/* Everything handed over between two publish_push calls becomes invisible with the second: fn(ptr)
 * runs when the version that was current before it (and all older ones) is out of use. */
void publish_retire(struct publish *p, publish_free_fn *fn, void *ptr);
/* The same, and says how many bytes ptr holds (publish_pin_bytes). */
void publish_retire_sized(struct publish *p, publish_free_fn *fn, void *ptr, size_t bytes);
/* One pointer store; returns the number of the new version (1, 2, ...). The old root itself is not
 * freed: retire it. */
uint64_t publish_push(struct publish *p, const void *root);
uint64_t publish_version(const struct publish *p);
const void *publish_current(const struct publish *p);
/* Frees what can be freed now, oldest first, at most `budget` entries (0: no limit). Returns how
 * many entries were retired and have not run yet, for whatever reason. fn may retire more, not
 * reclaim. */
size_t publish_reclaim(struct publish *p, size_t budget);
/* The oldest version that any slot announces, the current one when none does: a write published as
 * version v is answered by every reader once this is >= v (K-FRESH, ?waitForDNS=true). Pins do not
 * count. */
uint64_t publish_oldest_in_use(const struct publish *p);

/* ---- readers ---- */

/* Announces and returns the current root (NULL when none); version may be NULL. Valid until
 * publish_leave; not nested. */
const void *publish_enter(struct publish *p, unsigned slot, uint64_t *version);
void publish_leave(struct publish *p, unsigned slot);

/* Keeps the version that `slot` announces beyond publish_leave; any number of pins per version.
 * Reader's thread. */
struct publish_pin;
struct publish_pin *publish_pin(struct publish *p, unsigned slot);
/* The same for the control thread, which needs no slot: pins the current version. */
struct publish_pin *publish_pin_current(struct publish *p);
const void *publish_pin_root(const struct publish_pin *pin);
void publish_unpin(struct publish_pin *pin); /* any thread */
/* What a pin costs: bytes retired since its version was current, all of which it may hold back,
 * with what publish itself needs for them. Any thread; the writer's newest numbers arrive when they
 * arrive. */
uint64_t publish_pin_bytes(const struct publish *p, const struct publish_pin *pin);
