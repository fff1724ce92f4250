/* controller/reconcile/volumes.h - what the scheduler and explain ask the binder. Private to
 * controller/reconcile. Control thread. */
#pragma once

#include <cjson/cJSON.h>

#include "controller/reconcile/runner.h"

/* Where a claim that waits for its first consumer could get a volume (R79): nodeSelectorTerms of
 * the volumes that suit it, owned by the caller; an empty list is nowhere, NULL is everywhere. */
cJSON *volumes_node_terms(struct runner *runner, const struct object *claim);

/* Why a claim is not bound, in the words of the event about it; "" when nothing is wrong with it or
 * it has not been looked at. */
void volumes_explain(struct runner *runner, const struct store_view *view,
                     const struct object *claim, char *out, size_t size);
