/* controller/reconcile/embedded_report.h - what an embedded node writes into status: of itself and
 * of its pods; no store.
 *
 * The functions change trees, as verb_change_fn does, and stamp them with the wall clock. Private
 * to controller/reconcile. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "base/err.h"

struct pod_report {
    const char *host_ip;
    const char *const *ips; /* one per family, the first is podIP */
    size_t ip_count;
    bool is_started; /* containers run; else the sandbox is up and they are being created */
    bool is_ready;
};
/* Reason of Ready=False by embedded_fail_readiness, so that the node knows its own word again. */
#define REASON_PROBE "ReadinessProbeFailed"
/* Reason of Ready=False while a readiness gate is closed (R89). */
#define REASON_GATE "ReadinessGatesNotReady"
/* Reason of Ready=False by the node controller (controller/reconcile/node.c). */
#define REASON_NODE "NodeNotReady"

int report_pod(cJSON *tree, void *arg, struct err *e);
/* arg is a bool: the containers are ready. So is the pod, unless a readiness gate is closed; gates
 * that nobody has spoken about open with the first readiness (R90). */
int report_readiness(cJSON *tree, void *arg, struct err *e);
/* arg is the internal address of the node (text, "" = none). */
int report_node(cJSON *tree, void *arg, struct err *e);
