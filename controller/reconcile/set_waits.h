/* controller/reconcile/set_waits.h - what each StatefulSet waits for, as its last plan said;
 * private to controller/reconcile.
 *
 * The StatefulSet controller notes it at the end of every sync; explain and the zone feed read it.
 * Nothing is kept of a set that waits for nothing. It is lost with the process: every set is
 * planned again at start. Control thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "controller/reconcile/statefulset_plan.h"

struct set_waits;

struct set_waits *set_waits_new(void);
void set_waits_free(struct set_waits *waits); /* NULL is fine */

struct set_wait_note {
    enum set_wait wait;
    int32_t ordinal;
    char *error; /* owned: why the last step failed, "" none */
};
/* key is "ns/set"; error is copied, "" when no step failed. */
void set_waits_put(struct set_waits *waits, const char *key, enum set_wait wait, int32_t ordinal,
                   const char *error);
/* NULL: it waits for nothing. Borrowed until the next put. */
const struct set_wait_note *set_waits_find(const struct set_waits *waits, const char *ns,
                                           const char *set);
/* Called with the key of each set whose note changed. One listener; fn NULL: none. */
void set_waits_listen(struct set_waits *waits, void (*fn)(void *arg, const char *key), void *arg);

/* Those of the StatefulSet controller; NULL while it does not run. */
struct runner;
struct set_waits *statefulset_waits(const struct runner *runner);
