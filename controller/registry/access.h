/* controller/registry/access.h - who may do what: one pure function over plain texts.
 *
 * Asked twice for every write: by the API before a request is looked at (with the applied state's
 * node of a pod), and by the registry on the head, where names from bodies and the node of a pod
 * are known for certain. Access reviews (kubectl auth can-i) ask the same function. Any thread.
 *
 *   admin   everything
 *   reader  get, list, watch of everything
 *   node    reads what an agent needs; writes its own Node, its own Lease in kube-node-lease, the
 *           status of pods bound to it, their final deletion, and events of its own; what of these
 *           objects is not its to say: node_role.c
 *   nobody  asks what it may (reviews), reads discovery; so may all others */
#pragma once

#include <stdbool.h>

#include "controller/registry/registry.h"

struct access_who {
    enum role role;
    const char *node; /* ROLE_NODE: its name */
};

/* Texts as in a request's path; absent ones are "" unless said otherwise. */
struct access_ask {
    const char *verb; /* "get", "deletecollection", ... */
    const char *group, *resource, *sub;
    const char *ns;
    const char *name;       /* NULL: a collection, or not known yet (the body of a POST has it) */
    const char *bound_node; /* spec.nodeName of the pod that is asked for; NULL: none or unknown */
};
bool access_allows(const struct access_who *who, const struct access_ask *ask);

/* The same for paths that are no resource: discovery, health, /ordinald/v1/... */
bool access_allows_path(enum role role, const char *verb, const char *path);
/* The discovery paths that everybody may read; those that end in a star are prefixes. NULL at the
 * end. */
const char *const *access_public_paths(void);
