/* controller/reconcile/pod_affinity.h - required affinity and anti-affinity between pods: which
 * pods a term means. Private to controller/reconcile; control thread.
 *
 * A term names pods by labels and namespaces, and a label of nodes (topologyKey, mostly
 * kubernetes.io/hostname): the pod wants to be, or must not be, where such a pod is. Terms that are
 * only preferred, matchLabelKeys and mismatchLabelKeys are not looked at. */
#pragma once

#include <cjson/cJSON.h>

#include "controller/store/store.h"

struct affinity_term {
    char *topology;
    struct selector selector;
    char **namespaces; /* the pod's own when neither these nor a selector of namespaces are given */
    size_t namespace_count;
    struct selector of_namespaces;
    bool has_of_namespaces;
};
struct affinity {
    struct affinity_term *terms;
    size_t count;
};

/* The required terms of one side ("podAffinity", "podAntiAffinity") of a pod's tree; NULL when
 * there is none. Owned by the caller, who borrows nothing. */
struct affinity *affinity_new(const cJSON *pod, const char *side, const char *ns);
void affinity_free(struct affinity *affinity);
/* The term means a pod with these labels in this namespace. view: for the labels of namespaces. */
bool affinity_term_means(const struct affinity_term *term, const struct store_view *view,
                         const char *ns, const struct label *labels, size_t count);
bool affinity_means(const struct affinity *all, const struct store_view *view,
                    const struct object *pod); /* every term does */
