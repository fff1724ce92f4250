/* controller/reconcile/volumes.h - what the scheduler asks the binder. Private to
 * controller/reconcile. Control thread. */
#pragma once

#include <cjson/cJSON.h>

#include "controller/reconcile/runner.h"

/* Where a claim that waits for its first consumer could get a volume (R79): nodeSelectorTerms of
 * the volumes that suit it, owned by the caller; an empty list is nowhere, NULL is everywhere. */
cJSON *volumes_node_terms(struct runner *runner, const struct object *claim);
