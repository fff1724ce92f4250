/* controller/reconcile/explain_gather.h - from objects to the plain views of explain_plan.h;
 * private to controller/reconcile.
 *
 * Reads one state of the store, and what the StatefulSet controller and the binder said last. What
 * it hands out lives as long as the gather. Control thread. */
#pragma once

#include "base/arena.h"
#include "controller/reconcile/explain_plan.h"
#include "controller/reconcile/runner.h"

struct explain_gather {
    struct arena arena;
    struct runner *runner;
    struct store_view view;
};
void explain_gather_init(struct explain_gather *g, struct runner *runner,
                         const struct store_view *view);
void explain_gather_fini(struct explain_gather *g);
/* "a, b" */
const char *gather_joined(struct explain_gather *g, const char *const *texts, size_t count);

/* Never NULL; exists is false for what is not there. */
const struct explain_claim *gather_claim_view(struct explain_gather *g, const char *ns,
                                              const char *name);
/* With the set whose ordinal its name is, and the pod that this set waits for. */
const struct explain_pod *gather_pod_view(struct explain_gather *g, const char *ns,
                                          const char *name);
const struct explain_set *gather_set_view(struct explain_gather *g, const char *ns,
                                          const char *name);

/* ---- explain_names.c ---- */

const struct explain_namespace *gather_namespace_view(struct explain_gather *g, const char *name);
const struct explain_service *gather_service_view(struct explain_gather *g, const char *ns,
                                                  const char *name);
/* `host` directly below a Service. */
const struct explain_host *gather_host_view(struct explain_gather *g, const char *ns,
                                            const char *service, const char *host);
const struct explain_port *gather_port_view(struct explain_gather *g, const char *ns,
                                            const char *service, const char *port,
                                            const char *protocol);
/* address: normalised text. */
const struct explain_address *gather_address_view(struct explain_gather *g, const char *address);
