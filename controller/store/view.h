/* controller/store/view.h - the small typed part of an object that planners, indexes and the zone
 * feed read.
 *
 * Extracted once when an object is built (object_new), leniently: a field that is absent or of the
 * wrong type has its default (the registry has validated before). All pointers are borrowed from
 * the object. Absent strings are "" unless said otherwise. Times are microseconds since 1970, 0 =
 * absent. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/store/object.h"
#include "controller/store/selector.h"

enum pod_phase { POD_PENDING, POD_RUNNING, POD_SUCCEEDED, POD_FAILED, POD_UNKNOWN };
/* Succeeded or Failed, which no pod leaves (R87). */
bool pod_phase_is_final(enum pod_phase phase);

struct port_view {
    const char *name, *protocol; /* protocol "TCP" when absent */
    uint16_t port;
    const char *target;       /* Service: targetPort as text ("8080" or a name), "" when absent */
    const char *app_protocol; /* Services and slices; "" when absent */
    uint16_t node_port;       /* Services, 0 when absent */
};

struct claim_mount {
    const char *volume, *claim; /* spec.volumes[].name, persistentVolumeClaim.claimName */
};

struct pod_view {
    enum pod_phase phase;
    bool has_phase;           /* status.phase is set */
    bool ready;               /* condition Ready=True */
    int64_t ready_since_us;   /* its lastTransitionTime */
    bool scheduled;           /* condition PodScheduled=True */
    bool initialized_by_node; /* status.startTime is set: the node has seen it */
    bool host_network;
    bool is_gated;         /* schedulingGates not empty */
    bool keeps_apart;      /* has required podAntiAffinity */
    bool is_held_unready;  /* the condition of a readiness gate is there and not True (R89) */
    const char *node;      /* spec.nodeName */
    const char *scheduler; /* spec.schedulerName */
    const char *hostname, *subdomain;
    const char *const *ips; /* status.podIPs, else podIP */
    size_t ip_count;
    const char *host_ip;
    const struct port_view *ports; /* of all containers */
    size_t port_count;
    const struct claim_mount *claims;
    size_t claim_count;
    int64_t grace_s;                 /* spec.terminationGracePeriodSeconds, 30 when absent */
    uint64_t epoch;                  /* annotation ordinald.dev/epoch */
    int64_t cpu_milli, memory_bytes; /* requests: what it takes of its node */
};

struct service_view {
    const char *type;               /* "ClusterIP" when absent */
    const char *const *cluster_ips; /* spec.clusterIPs, else clusterIP; "None" is kept */
    size_t cluster_ip_count;
    bool headless;
    const char *external_name;
    const struct label *selector; /* sorted by key */
    size_t selector_count;
    const struct port_view *ports;
    size_t port_count;
    const char *const *ip_families; /* "IPv4", "IPv6" */
    size_t ip_family_count;
    bool
        publish_not_ready; /* the field, or the tolerate-unready-endpoints annotation (K-READY 3) */
    bool publish_identity; /* annotation ordinald.dev/publish-identity: always */
};

struct endpoint_view {
    const char *const *addresses;
    size_t address_count;
    const char *hostname;      /* "" = none */
    bool ready;                /* absent counts as true */
    bool serving, terminating; /* absent: as ready, false */
    const char *target_kind, *target_ns, *target_name, *target_uid;
    const char *node, *zone;
};

struct slice_view {
    const char *service;      /* label kubernetes.io/service-name */
    const char *managed_by;   /* label endpointslice.kubernetes.io/managed-by */
    const char *address_type; /* "IPv4", "IPv6", "FQDN" */
    const struct port_view *ports;
    size_t port_count;
    const struct endpoint_view *endpoints;
    size_t endpoint_count;
};

struct set_view { /* StatefulSet */
    int32_t replicas, start, min_ready_s, partition, history_limit;
    bool parallel;
    bool on_delete;
    bool has_rolling;            /* updateStrategy.rollingUpdate is present (R47) */
    const char *max_unavailable; /* "" absent */
    bool when_deleted_delete, when_scaled_delete;
    const char *service_name;
    struct selector selector;           /* spec.selector */
    const char *const *claim_templates; /* names */
    size_t claim_template_count;
    int64_t observed_generation;
    int32_t st_replicas, st_ready, st_available, st_current, st_updated, st_collisions;
    const char *current_revision, *update_revision;
    bool replace_stuck; /* annotation ordinald.dev/replace-stuck: "true" */
};

struct replicaset_view {
    int32_t replicas, min_ready_s;
    struct selector selector;
    int64_t observed_generation;
    int32_t st_replicas, st_ready, st_available, st_labeled;
    bool st_failing; /* condition ReplicaFailure is there */
};

enum { ACCESS_RWO = 1, ACCESS_ROX = 2, ACCESS_RWX = 4, ACCESS_RWOP = 8 };

struct claim_view {
    const char *phase; /* "Pending" when absent */
    const char *volume_name;
    bool has_class; /* storageClassName present, even "" */
    const char *class_name;
    unsigned access_modes; /* ACCESS_* bits of spec */
    int64_t request_bytes;
    int64_t capacity_bytes;       /* status */
    const char *volume_mode;      /* "Filesystem" when absent */
    const char *attributes_class; /* volumeAttributesClassName */
    const char *selected_node;    /* annotation volume.kubernetes.io/selected-node */
    bool bind_completed;          /* annotation pv.kubernetes.io/bind-completed */
    struct selector selector;     /* spec.selector; matches everything when absent */
};

struct volume_view {
    const char *phase;
    const char *class_name;
    unsigned access_modes;
    int64_t capacity_bytes;
    const char *volume_mode;
    const char *attributes_class;                  /* volumeAttributesClassName */
    const char *reclaim_policy;                    /* "Retain" when absent */
    const char *claim_ns, *claim_name, *claim_uid; /* claimRef, "" = none */
    bool bound_by_controller;
    const char *provisioned_by;
    bool has_affinity; /* spec.nodeAffinity is present: read it from the tree */
    const char *path;  /* spec.hostPath.path or spec.local.path */
};

struct class_view {
    const char *provisioner, *reclaim_policy; /* "Delete" when absent */
    bool wait_for_consumer, is_default, allow_expansion;
};

struct node_view {
    bool unschedulable;
    bool has_ready;               /* condition Ready is present */
    const char *ready_status;     /* "True", "False", "Unknown" */
    bool has_noexec, has_nosched; /* taints of that effect */
    bool out_of_service;          /* taint node.kubernetes.io/out-of-service */
    const char *internal_ip;
    const char *const *pod_cidrs;
    size_t pod_cidr_count;
};

struct namespace_view {
    bool terminating;
};

struct revision_view {
    int64_t revision;
    const char *data; /* canonical text of .data */
};

/* An Identity's own fields stand beside its metadata:
 * {"epoch":3,"podUID":"...","nodeName":"...","addresses":["..."], "fencedUIDs":["..."],
 * "fencedNodes":["..."], ...}. */
struct identity_view {
    uint64_t epoch;
    const char *pod_uid, *node;   /* present or last incarnation */
    const char *const *addresses; /* held back from the pool while an old holder may live */
    size_t address_count;
    const char *const *fenced_uids;
    const char *const *fenced_nodes; /* the node of each fenced uid; NULL when unknown */
    size_t fenced_count;
};

struct lease_view {
    const char *holder;
    int64_t renew_us;
};

const struct pod_view *
pod_view(const struct object *obj); /* CHECKs the kind; the same for all below */
const struct service_view *service_view(const struct object *obj);
const struct slice_view *slice_view(const struct object *obj);
const struct set_view *set_view(const struct object *obj);
const struct replicaset_view *replicaset_view(const struct object *obj);
const struct claim_view *claim_view(const struct object *obj);
const struct volume_view *volume_view(const struct object *obj);
const struct class_view *class_view(const struct object *obj);
const struct node_view *node_view(const struct object *obj);
const struct namespace_view *namespace_view(const struct object *obj);
const struct revision_view *revision_view(const struct object *obj);
const struct identity_view *identity_view(const struct object *obj);
const struct lease_view *lease_view(const struct object *obj);

/* Kubernetes quantity ("1Mi", "1.5Gi", "100m", "1e3") in whole units, rounded away from zero; false
 * when it is none or overflows. */
bool quantity_parse(const char *text, int64_t *out);
/* The same in thousandths ("100m" is 100, "2" is 2000). */
bool quantity_parse_milli(const char *text, int64_t *out);
/* Member of an object that maps resources to quantities, as text or number: 0 when it is absent or
 * none, at most QUANTITY_MOST. */
#define QUANTITY_MOST (INT64_C(1) << 50)
int64_t quantity_in(const cJSON *resources, const char *name, bool in_milli);
