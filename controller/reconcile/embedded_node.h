/* controller/reconcile/embedded_node.h - simulated nodes inside the daemon; their knobs (R90).
 * Private to controller/reconcile. */
#pragma once

#include <stdbool.h>

struct embedded;

void embedded_silence(struct embedded *em, const char *node, bool silent);
void embedded_ignore_deletion(struct embedded *em, const char *node, bool ignore);
void embedded_fail_readiness(struct embedded *em, const char *ns, const char *pod, bool fail);
/* 0, ERR_NOT_FOUND (no such pod on an embedded node), or why the write failed. */
int embedded_change_address(struct embedded *em, const char *ns, const char *pod);
