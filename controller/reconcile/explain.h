/* controller/reconcile/explain.h - the question "why is it not there?": from a subject to
 * sentences; private to controller/reconcile.
 *
 * Subjects: "kubia-2.kubia.default.svc.cluster.local" and every other name in our zones, SRV, PTR
 * and _epoch names too; "kubia-2.kubia" (as a pod of the namespace would write it); "pod/kubia-2",
 * "pvc/data-kubia-2", "statefulset/kubia", "service/kubia" with kubectl's words for kinds; a bare
 * word is a pod, a set, a claim or a Service, whatever it fits first. Control thread. */
#pragma once

#include "controller/reconcile/explain_gather.h"
#include "zones/zone.h"

/* Answers from the view; version tells what DNS says now, NULL: nothing. ERR_INVALID: no such kind,
 * or no name at all. */
int explain_subject(struct explain_gather *g, const struct zone_version *version, const char *ns,
                    const char *subject, struct explain *out, struct err *e);
/* {"subject", "namespace", "found", "causes": [{"depth", "text"}], "hints": [text]}. Owned. */
cJSON *explain_tree(const struct explain *view, const char *ns, const char *subject);
