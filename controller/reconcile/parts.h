/* controller/reconcile/parts.h - small things that several controllers share: paths of namespaced
 * objects, conditions in trees. Private to controller/reconcile. Pure but for the wall clock that
 * stamps a condition. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "controller/store/object.h"
#include "controller/store/view.h"

/* "ns/name", the usual key of a namespaced object. */
#define PATH_SIZE (OBJECT_KEY_MAX + 1)
void path_format(char out[PATH_SIZE], const char *ns, const char *name);
/* The halves of a path: ns into the given room, the name borrowed from path. False when it is none.
 */
bool path_split(const char *path, char ns[PATH_SIZE], const char **name);

/* The condition of this type in status.conditions, or NULL. Borrowed. */
cJSON *condition_find(const cJSON *tree, const char *type);
/* Sets it; lastTransitionTime moves only with the status. reason and message may be NULL: left as
 * they are, or out of a new one. True when something changed. */
bool condition_set(cJSON *tree, const char *type, const char *status, const char *reason,
                   const char *message);
/* Microseconds of a time member ("lastTransitionTime"), 0 when absent or no time. */
int64_t time_member(const cJSON *obj, const char *name);
/* The node that has to confirm the end of fenced incarnation i. */
const char *fence_node(const struct identity_view *identity, size_t i);
