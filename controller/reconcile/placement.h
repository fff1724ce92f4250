/* controller/reconcile/placement.h - may this pod be on that node: taints, selectors, affinity
 * terms; pure.
 *
 * Works on the trees as they are stored; absent or malformed parts mean "no restriction" for
 * tolerations and selectors and "matches nothing" for a term without requirements, as upstream.
 * Private to controller/reconcile. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "controller/store/object.h"

/* The first taint of effect NoSchedule or NoExecute that no toleration of the list covers, or NULL.
 */
const cJSON *placement_untolerated(const cJSON *tolerations, const cJSON *taints);
/* How long a pod with these tolerations may stay beside the NoExecute taints: -1 for ever, 0 not at
 * all (R44). */
int64_t placement_stay_us(const cJSON *tolerations, const cJSON *taints);
/* spec.nodeSelector: every pair is a label of the node. NULL matches. */
bool placement_selector_matches(const cJSON *selector, const struct label *labels, size_t count);
/* nodeSelectorTerms: one of them holds (matchExpressions on labels, matchFields on metadata.name).
 * NULL matches every node. */
bool placement_terms_match(const cJSON *terms, const char *node, const struct label *labels,
                           size_t count);
