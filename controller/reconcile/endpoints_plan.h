/* controller/reconcile/endpoints_plan.h - which EndpointSlices a Service must have; pure: no store,
 * no clock, no log.
 *
 * statefulset.md R91-R98. The view holds the Service, its members (pods that match the selector)
 * and the slices that the controller made for it before; the plan lists the slices to write, and
 * nothing when everything is as it should be. Packing touches few slices: endpoints change in
 * place, then room in slices that are written anyway is filled, then the fullest slice with room
 * for all the rest or the emptiest ones, then slices that would be deleted are used again, then new
 * ones are made (R97). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "controller/store/view.h"

#define ENDPOINTS_PER_SLICE 100

/* A pod that the selector matches. All pointers are borrowed for the life of the plan. */
struct endpoint_pod {
    const char *name, *uid;
    const char *node, *zone; /* "" = none */
    bool node_missing;       /* bound to a Node that does not exist (R92) */
    const char *hostname, *subdomain;
    const char *const *ips;
    size_t ip_count;
    const struct port_view *ports; /* of its containers */
    size_t port_count;
    bool is_finished; /* Succeeded or Failed */
    bool is_ready, is_terminating;
    unsigned held; /* in a view of a part: bit i: a slice of families[i] holds it */
};

/* A slice that this controller made and that is not being deleted. */
struct endpoint_slice {
    const struct slice_view *view;
    bool is_stale; /* its labels or its owner are not what they should be (R98) */
};

struct endpoints_view {
    const char *ns, *name; /* of the Service */
    const struct port_view *ports;
    size_t port_count;
    const char *const *families; /* "IPv4", "IPv6": spec.ipFamilies (R91) */
    size_t family_count;
    bool publish_not_ready;
    const struct endpoint_pod *pods;
    size_t pod_count;
    const struct endpoint_slice *slices;
    size_t slice_count;
    size_t per_slice; /* 0 = ENDPOINTS_PER_SLICE */
    bool is_part;     /* only some slices and the pods they hold: a pod is planned for the families
                         that hold it, its slice of another family may not be here */
};

/* One endpoint as it must be (R93-R95). */
struct plan_endpoint {
    const struct endpoint_pod *pod;
    const char *const *addresses;
    size_t address_count;
    const char *hostname; /* "" = none */
    bool ready, serving, terminating;
};

enum slice_action { SLICE_CREATE, SLICE_UPDATE, SLICE_DELETE };

struct slice_step {
    enum slice_action action;
    size_t slice;                  /* SLICE_UPDATE, SLICE_DELETE: index into view->slices */
    const char *family;            /* "IPv4" or "IPv6" */
    const struct port_view *ports; /* name, protocol, port */
    size_t port_count;
    const struct plan_endpoint *const *endpoints;
    size_t endpoint_count;
};

struct endpoints_plan {
    struct slice_step *steps;
    size_t count;
};

/* Everything in *out lives in arena. */
void endpoints_plan(const struct endpoints_view *view, struct arena *arena,
                    struct endpoints_plan *out);
