/* controller/store/kind.h - the table of kinds: path, scope, names, rules (api.md section 3 and
 * A8).
 *
 * One row per resource that is stored. What the API adds (aliases such as events.k8s.io, virtual
 * resources such as endpoints or selfsubjectaccessreviews) lives in controller/api/discovery.
 * Constant data, any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum kind_id {
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_SERVICE,
    KIND_PVC,
    KIND_PV,
    KIND_CONFIGMAP,
    KIND_EVENT,
    KIND_STATEFULSET,
    KIND_REPLICASET,
    KIND_REVISION, /* ControllerRevision */
    KIND_SLICE,    /* EndpointSlice */
    KIND_STORAGECLASS,
    KIND_LEASE,
    KIND_IDENTITY,
    KIND_COUNT
};

struct kind {
    enum kind_id id;
    const char *group;       /* "" for the core group */
    const char *version;     /* "v1" */
    const char *api_version; /* "v1", "apps/v1" */
    const char
        *resource; /* plural, lower case; unique over all groups: first part of the store key */
    const char *singular;
    const char *name;        /* "StatefulSet" */
    const char *list_name;   /* "StatefulSetList" */
    const char *short_names; /* comma separated, "" for none */
    bool in_all;             /* category "all" */
    bool namespaced;
    bool has_status;     /* subresource status */
    bool has_scale;      /* subresource scale */
    bool has_generation; /* A16 */
    bool is_durable;     /* false: kept in memory only (events) */
    bool is_read_only;   /* written by the server itself only (identities) */
};

const struct kind *kind_get(enum kind_id id);
/* The DNS names are made of objects of these kinds alone: a start reads them first. */
bool kind_feeds_names(const struct kind *kind);
/* NULL when there is none. */
const struct kind *kind_by_resource(const char *group, const char *resource);
const struct kind *kind_by_name(const char *api_version, const char *name);
