#include "controller/registry/schema.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "controller/registry/schema_table.h"

/* ---- shapes that several kinds share ---- */

static const struct field owner_reference[] = {
    F_STR("apiVersion"),          F_STR("kind"), F_STR("name"), F_STR("uid"), F_BOOL("controller"),
    F_BOOL("blockOwnerDeletion"), F_END};
const struct field schema_meta[] = {F_STR("name"),
                                    F_STR("generateName"),
                                    F_STR("namespace"),
                                    F_STR("selfLink"),
                                    F_STR("uid"),
                                    F_STR("resourceVersion"),
                                    F_INT64("generation"),
                                    F_TIME("creationTimestamp"),
                                    F_TIME("deletionTimestamp"),
                                    F_INT64("deletionGracePeriodSeconds"),
                                    F_STRMAP("labels"),
                                    F_STRMAP("annotations"),
                                    F_BY("ownerReferences", owner_reference, "uid"),
                                    F_SET("finalizers"),
                                    F_LIST("managedFields", FIELD_ANY),
                                    F_END};
static const struct field requirement[] = {F_STR("key"), F_STR("operator"), F_STRS("values"),
                                           F_END};
const struct field schema_selector[] = {F_STRMAP("matchLabels"),
                                        F_OBJS("matchExpressions", requirement), F_END};
const struct field schema_reference[] = {
    F_STR("kind"),       F_STR("namespace"),       F_STR("name"),      F_STR("uid"),
    F_STR("apiVersion"), F_STR("resourceVersion"), F_STR("fieldPath"), F_END};
const struct field schema_local_reference[] = {F_STR("name"), F_END};
/* Union of the condition types of all kinds. */
const struct field schema_condition[] = {F_STR("type"),
                                         F_STR("status"),
                                         F_TIME("lastProbeTime"),
                                         F_TIME("lastHeartbeatTime"),
                                         F_TIME("lastTransitionTime"),
                                         F_STR("reason"),
                                         F_STR("message"),
                                         F_INT64("observedGeneration"),
                                         F_END};

/* ---- Namespace, ConfigMap, Lease, ControllerRevision, Identity ---- */

static const struct field namespace_spec[] = {F_STRS("finalizers"), F_END};
static const struct field namespace_status[] = {
    F_STR("phase"), F_BY("conditions", schema_condition, "type"), F_END};
static const struct field lease_spec[] = {F_STR("holderIdentity"),   F_INT("leaseDurationSeconds"),
                                          F_TIME("acquireTime"),     F_TIME("renewTime"),
                                          F_INT("leaseTransitions"), F_STR("strategy"),
                                          F_STR("preferredHolder"),  F_END};

/* ---- Service and EndpointSlice ---- */

static const struct field service_port[] = {F_TEXT("name"),
                                            F_STR("protocol"),
                                            F_STR("appProtocol"),
                                            F_INT("port"),
                                            F_ONE("targetPort", FIELD_INT_OR_STRING),
                                            F_NUMBER("nodePort"),
                                            F_END};
static const struct field client_ip[] = {F_INT("timeoutSeconds"), F_END};
static const struct field affinity_config[] = {F_OBJ("clientIP", client_ip), F_END};
static const struct field service_spec[] = {F_BY("ports", service_port, "port"),
                                            F_STRMAP("selector"),
                                            F_STR("clusterIP"),
                                            F_STRS("clusterIPs"),
                                            F_STR("type"),
                                            F_STRS("externalIPs"),
                                            F_STR("sessionAffinity"),
                                            F_TEXT("loadBalancerIP"),
                                            F_STRS("loadBalancerSourceRanges"),
                                            F_TEXT("externalName"),
                                            F_STR("externalTrafficPolicy"),
                                            F_INT("healthCheckNodePort"),
                                            F_FLAG("publishNotReadyAddresses"),
                                            F_OBJ("sessionAffinityConfig", affinity_config),
                                            F_STRS("ipFamilies"),
                                            F_STR("ipFamilyPolicy"),
                                            F_BOOL("allocateLoadBalancerNodePorts"),
                                            F_STR("loadBalancerClass"),
                                            F_STR("internalTrafficPolicy"),
                                            F_STR("trafficDistribution"),
                                            F_END};
static const struct field port_status[] = {F_INT("port"), F_STR("protocol"), F_STR("error"), F_END};
static const struct field ingress[] = {F_STR("ip"), F_STR("hostname"), F_STR("ipMode"),
                                       F_OBJS("ports", port_status), F_END};
static const struct field load_balancer[] = {F_OBJS("ingress", ingress), F_END};
static const struct field service_status[] = {F_OBJ("loadBalancer", load_balancer),
                                              F_BY("conditions", schema_condition, "type"), F_END};

static const struct field endpoint_conditions[] = {F_BOOL("ready"), F_BOOL("serving"),
                                                   F_BOOL("terminating"), F_END};
static const struct field hint[] = {F_STR("name"), F_END};
static const struct field hints[] = {F_OBJS("forZones", hint), F_OBJS("forNodes", hint), F_END};
static const struct field endpoint[] = {F_STRS("addresses"),
                                        F_OBJ("conditions", endpoint_conditions),
                                        F_STR("hostname"),
                                        F_OBJ("targetRef", schema_reference),
                                        F_STRMAP("deprecatedTopology"),
                                        F_STR("nodeName"),
                                        F_STR("zone"),
                                        F_OBJ("hints", hints),
                                        F_END};
static const struct field endpoint_port[] = {F_STR("name"), F_STR("protocol"), F_INT("port"),
                                             F_STR("appProtocol"), F_END};

/* ---- storage ---- */

static const struct field claim_resources[] = {F_AMOUNTS("limits"), F_AMOUNTS("requests"), F_END};
static const struct field data_source[] = {F_STR("apiGroup"), F_STR("kind"), F_STR("name"),
                                           F_STR("namespace"), F_END};
const struct field schema_claim_spec[] = {F_STRS("accessModes"),
                                          F_OBJ("selector", schema_selector),
                                          F_OBJ("resources", claim_resources),
                                          F_STR("volumeName"),
                                          F_STR("storageClassName"),
                                          F_STR("volumeMode"),
                                          F_OBJ("dataSource", data_source),
                                          F_OBJ("dataSourceRef", data_source),
                                          F_STR("volumeAttributesClassName"),
                                          F_END};
static const struct field modify_status[] = {F_STR("targetVolumeAttributesClassName"),
                                             F_STR("status"), F_END};
static const struct field claim_status[] = {F_STR("phase"),
                                            F_STRS("accessModes"),
                                            F_AMOUNTS("capacity"),
                                            F_BY("conditions", schema_condition, "type"),
                                            F_AMOUNTS("allocatedResources"),
                                            F_STRMAP("allocatedResourceStatuses"),
                                            F_STR("currentVolumeAttributesClassName"),
                                            F_OBJ("modifyVolumeStatus", modify_status),
                                            F_END};
static const struct field volume_affinity[] = {F_OBJ("required", schema_node_selector), F_END};
static const struct field host_path[] = {F_STR("path"), F_STR("type"), F_END};
static const struct field local_path[] = {F_STR("path"), F_STR("fsType"), F_END};
static const struct field nfs[] = {F_STR("server"), F_STR("path"), F_BOOL("readOnly"), F_END};
static const struct field secret_reference[] = {F_STR("name"), F_STR("namespace"), F_END};
static const struct field csi_volume[] = {F_STR("driver"),
                                          F_STR("volumeHandle"),
                                          F_BOOL("readOnly"),
                                          F_STR("fsType"),
                                          F_STRMAP("volumeAttributes"),
                                          F_OBJ("controllerPublishSecretRef", secret_reference),
                                          F_OBJ("nodeStageSecretRef", secret_reference),
                                          F_OBJ("nodePublishSecretRef", secret_reference),
                                          F_OBJ("controllerExpandSecretRef", secret_reference),
                                          F_OBJ("nodeExpandSecretRef", secret_reference),
                                          F_END};
static const struct field volume_spec[] = {
    F_AMOUNTS("capacity"), F_OBJ("hostPath", host_path), F_OBJ("local", local_path),
    F_OBJ("nfs", nfs), F_OBJ("csi", csi_volume),
    /* Sources of other drivers are kept as they are (A22). */
    F_ONE("gcePersistentDisk", FIELD_ANY), F_ONE("awsElasticBlockStore", FIELD_ANY),
    F_ONE("glusterfs", FIELD_ANY), F_ONE("rbd", FIELD_ANY), F_ONE("iscsi", FIELD_ANY),
    F_ONE("cinder", FIELD_ANY), F_ONE("cephfs", FIELD_ANY), F_ONE("fc", FIELD_ANY),
    F_ONE("flocker", FIELD_ANY), F_ONE("flexVolume", FIELD_ANY), F_ONE("azureFile", FIELD_ANY),
    F_ONE("vsphereVolume", FIELD_ANY), F_ONE("quobyte", FIELD_ANY), F_ONE("azureDisk", FIELD_ANY),
    F_ONE("photonPersistentDisk", FIELD_ANY), F_ONE("portworxVolume", FIELD_ANY),
    F_ONE("scaleIO", FIELD_ANY), F_ONE("storageos", FIELD_ANY), F_STRS("accessModes"),
    F_OBJ("claimRef", schema_reference), F_STR("persistentVolumeReclaimPolicy"),
    F_STR("storageClassName"), F_STRS("mountOptions"), F_STR("volumeMode"),
    F_OBJ("nodeAffinity", volume_affinity), F_STR("volumeAttributesClassName"), F_END};
static const struct field volume_status[] = {F_STR("phase"), F_STR("message"), F_STR("reason"),
                                             F_TIME("lastPhaseTransitionTime"), F_END};
static const struct field topology_label[] = {F_STR("key"), F_STRS("values"), F_END};
static const struct field topology[] = {F_OBJS("matchLabelExpressions", topology_label), F_END};

/* ---- nodes ---- */

static const struct field taint[] = {F_STR("key"), F_STR("value"), F_STR("effect"),
                                     F_TIME("timeAdded"), F_END};
static const struct field node_spec[] = {F_STR("podCIDR"),        F_SET("podCIDRs"),
                                         F_STR("providerID"),     F_FLAG("unschedulable"),
                                         F_OBJS("taints", taint), F_ONE("configSource", FIELD_ANY),
                                         F_STR("externalID"),     F_END};
static const struct field node_address[] = {F_STR("type"), F_STR("address"), F_END};
static const struct field node_info[] = {
    F_STR("machineID"),      F_STR("systemUUID"),       F_STR("bootID"),
    F_STR("kernelVersion"),  F_STR("osImage"),          F_STR("containerRuntimeVersion"),
    F_STR("kubeletVersion"), F_STR("kubeProxyVersion"), F_STR("operatingSystem"),
    F_STR("architecture"),   F_ONE("swap", FIELD_ANY),  F_END};
static const struct field node_image[] = {F_STRS("names"), F_INT64("sizeBytes"), F_END};
static const struct field attached_volume[] = {F_STR("name"), F_STR("devicePath"), F_END};
static const struct field node_status[] = {F_AMOUNTS("capacity"),
                                           F_AMOUNTS("allocatable"),
                                           F_STR("phase"),
                                           F_BY("conditions", schema_condition, "type"),
                                           F_BY("addresses", node_address, "type"),
                                           F_ONE("daemonEndpoints", FIELD_ANY),
                                           F_OBJ("nodeInfo", node_info),
                                           F_OBJS("images", node_image),
                                           F_STRS("volumesInUse"),
                                           F_OBJS("volumesAttached", attached_volume),
                                           F_ONE("config", FIELD_ANY),
                                           F_LIST("runtimeHandlers", FIELD_ANY),
                                           F_ONE("features", FIELD_ANY),
                                           F_STRS("declaredFeatures"),
                                           F_END};

/* ---- workloads ---- */

static const struct field rolling_update[] = {F_INT("partition"),
                                              F_ONE("maxUnavailable", FIELD_INT_OR_STRING), F_END};
static const struct field update_strategy[] = {F_STR("type"),
                                               F_OBJ("rollingUpdate", rolling_update), F_END};
static const struct field retention[] = {F_STR("whenDeleted"), F_STR("whenScaled"), F_END};
static const struct field ordinals[] = {F_INT("start"), F_END};
static const struct field claim_template[] = {F_STR("apiVersion"),
                                              F_STR("kind"),
                                              F_OBJ("metadata", schema_meta),
                                              F_OBJ("spec", schema_claim_spec),
                                              F_OBJ("status", claim_status),
                                              F_END};
static const struct field set_spec[] = {F_INT("replicas"),
                                        F_OBJ("selector", schema_selector),
                                        F_OBJ("template", schema_pod_template),
                                        F_OBJS("volumeClaimTemplates", claim_template),
                                        F_STR("serviceName"),
                                        F_STR("podManagementPolicy"),
                                        F_OBJ("updateStrategy", update_strategy),
                                        F_INT("revisionHistoryLimit"),
                                        F_NUMBER("minReadySeconds"),
                                        F_OBJ("persistentVolumeClaimRetentionPolicy", retention),
                                        F_OBJ("ordinals", ordinals),
                                        F_END};
static const struct field set_status[] = {F_INT64("observedGeneration"),
                                          F_INT("replicas"),
                                          F_INT("readyReplicas"),
                                          F_INT("currentReplicas"),
                                          F_INT("updatedReplicas"),
                                          F_STR("currentRevision"),
                                          F_STR("updateRevision"),
                                          F_INT("collisionCount"),
                                          F_BY("conditions", schema_condition, "type"),
                                          F_INT("availableReplicas"),
                                          F_END};
static const struct field replicaset_spec[] = {F_INT("replicas"), F_NUMBER("minReadySeconds"),
                                               F_OBJ("selector", schema_selector),
                                               F_OBJ("template", schema_pod_template), F_END};
static const struct field replicaset_status[] = {F_INT("replicas"),
                                                 F_INT("fullyLabeledReplicas"),
                                                 F_INT("readyReplicas"),
                                                 F_INT("availableReplicas"),
                                                 F_INT("terminatingReplicas"),
                                                 F_INT64("observedGeneration"),
                                                 F_BY("conditions", schema_condition, "type"),
                                                 F_END};

/* ---- events ---- */

static const struct field event_source[] = {F_STR("component"), F_STR("host"), F_END};
static const struct field event_series[] = {F_INT("count"), F_TIME("lastObservedTime"), F_END};

/* ---- the kinds ---- */

#define HEAD F_STR("apiVersion"), F_STR("kind"), F_OBJ("metadata", schema_meta)

static const struct field namespace[] = {HEAD, F_OBJ("spec", namespace_spec),
                                         F_OBJ("status", namespace_status), F_END};
static const struct field node[] = {HEAD, F_OBJ("spec", node_spec), F_OBJ("status", node_status),
                                    F_END};
static const struct field pod[] = {HEAD, F_OBJ("spec", schema_pod_spec),
                                   F_OBJ("status", schema_pod_status), F_END};
static const struct field service[] = {HEAD, F_OBJ("spec", service_spec),
                                       F_OBJ("status", service_status), F_END};
static const struct field claim[] = {HEAD, F_OBJ("spec", schema_claim_spec),
                                     F_OBJ("status", claim_status), F_END};
static const struct field volume[] = {HEAD, F_OBJ("spec", volume_spec),
                                      F_OBJ("status", volume_status), F_END};
static const struct field configmap[] = {HEAD, F_STRMAP("data"), F_STRMAP("binaryData"),
                                         F_BOOL("immutable"), F_END};
/* v1 and events.k8s.io/v1 name some members differently; both spellings are known. */
static const struct field event[] = {HEAD,
                                     F_OBJ("involvedObject", schema_reference),
                                     F_OBJ("regarding", schema_reference),
                                     F_STR("reason"),
                                     F_STR("message"),
                                     F_STR("note"),
                                     F_OBJ("source", event_source),
                                     F_OBJ("deprecatedSource", event_source),
                                     F_TIME("firstTimestamp"),
                                     F_TIME("deprecatedFirstTimestamp"),
                                     F_TIME("lastTimestamp"),
                                     F_TIME("deprecatedLastTimestamp"),
                                     F_INT("count"),
                                     F_INT("deprecatedCount"),
                                     F_STR("type"),
                                     F_TIME("eventTime"),
                                     F_OBJ("series", event_series),
                                     F_STR("action"),
                                     F_OBJ("related", schema_reference),
                                     F_STR("reportingComponent"),
                                     F_STR("reportingController"),
                                     F_STR("reportingInstance"),
                                     F_END};
static const struct field statefulset[] = {HEAD, F_OBJ("spec", set_spec),
                                           F_OBJ("status", set_status), F_END};
static const struct field replicaset[] = {HEAD, F_OBJ("spec", replicaset_spec),
                                          F_OBJ("status", replicaset_status), F_END};
static const struct field revision[] = {HEAD, F_ONE("data", FIELD_ANY), F_INT64("revision"), F_END};
static const struct field slice[] = {HEAD, F_STR("addressType"), F_KEPT("endpoints", endpoint),
                                     F_KEPT("ports", endpoint_port), F_END};
static const struct field storageclass[] = {HEAD,
                                            F_STR("provisioner"),
                                            F_STRMAP("parameters"),
                                            F_STR("reclaimPolicy"),
                                            F_STRS("mountOptions"),
                                            F_BOOL("allowVolumeExpansion"),
                                            F_STR("volumeBindingMode"),
                                            F_OBJS("allowedTopologies", topology),
                                            F_END};
static const struct field lease[] = {HEAD, F_OBJ("spec", lease_spec), F_END};
static const struct field identity[] = {HEAD,
                                        F_INT64("epoch"),
                                        F_STR("podUID"),
                                        F_STR("nodeName"),
                                        F_STRS("claims"),
                                        F_LIST("incarnations", FIELD_ANY),
                                        F_LIST("fences", FIELD_ANY),
                                        F_STRS("fencedUIDs"),
                                        F_STRS("fencedNodes"),
                                        F_STRS("addresses"),
                                        F_END};

static const struct field *const by_kind[KIND_COUNT] = {
    [KIND_NAMESPACE] = namespace,
    [KIND_NODE] = node,
    [KIND_POD] = pod,
    [KIND_SERVICE] = service,
    [KIND_PVC] = claim,
    [KIND_PV] = volume,
    [KIND_CONFIGMAP] = configmap,
    [KIND_EVENT] = event,
    [KIND_STATEFULSET] = statefulset,
    [KIND_REPLICASET] = replicaset,
    [KIND_REVISION] = revision,
    [KIND_SLICE] = slice,
    [KIND_STORAGECLASS] = storageclass,
    [KIND_LEASE] = lease,
    [KIND_IDENTITY] = identity,
};

/* ---- bodies of subresources and actions, which are not stored ---- */

static const struct field preconditions[] = {F_STR("uid"), F_STR("resourceVersion"), F_END};
static const struct field delete_options[] = {F_STR("apiVersion"),
                                              F_STR("kind"),
                                              F_INT64("gracePeriodSeconds"),
                                              F_OBJ("preconditions", preconditions),
                                              F_BOOL("orphanDependents"),
                                              F_STR("propagationPolicy"),
                                              F_STRS("dryRun"),
                                              F_END};
static const struct field scale_spec[] = {F_INT("replicas"), F_END};
static const struct field scale_status[] = {F_INT("replicas"), F_STR("selector"), F_END};
static const struct field scale[] = {HEAD, F_OBJ("spec", scale_spec), F_OBJ("status", scale_status),
                                     F_END};
static const struct field binding[] = {HEAD, F_OBJ("target", schema_reference), F_END};
static const struct field eviction[] = {HEAD, F_OBJ("deleteOptions", delete_options), F_END};
static const struct field attributes[] = {
    F_STR("namespace"), F_STR("verb"),        F_STR("group"), F_STR("version"),
    F_STR("resource"),  F_STR("subresource"), F_STR("name"),  F_END};
static const struct field paths[] = {F_STR("path"), F_STR("verb"), F_END};
static const struct field access_spec[] = {F_OBJ("resourceAttributes", attributes),
                                           F_OBJ("nonResourceAttributes", paths), F_END};
static const struct field rules_spec[] = {F_STR("namespace"), F_END};
static const struct field access_review[] = {HEAD, F_OBJ("spec", access_spec), F_END};
static const struct field rules_review[] = {HEAD, F_OBJ("spec", rules_spec), F_END};
static const struct field self_review[] = {HEAD, F_END};

struct body_row {
    const char *kind, *version;
    const char *api_version; /* NULL: any */
    const struct field *shape;
};
static const struct body_row bodies[] = {
    /* Every group knows DeleteOptions; evictions of policy/v1beta1 are the same. */
    [SCHEMA_DELETE_OPTIONS] = {"DeleteOptions", "v1", NULL, delete_options},
    [SCHEMA_SCALE] = {"Scale", "v1", "autoscaling/v1", scale},
    [SCHEMA_BINDING] = {"Binding", "v1", "v1", binding},
    [SCHEMA_EVICTION] = {"Eviction", "v1", NULL, eviction},
    [SCHEMA_ACCESS_REVIEW] = {"SelfSubjectAccessReview", "v1", "authorization.k8s.io/v1",
                              access_review},
    [SCHEMA_RULES_REVIEW] = {"SelfSubjectRulesReview", "v1", "authorization.k8s.io/v1",
                             rules_review},
    [SCHEMA_SELF_REVIEW] = {"SelfSubjectReview", "v1", "authentication.k8s.io/v1", self_review},
};

const struct field *schema_fields(const struct kind *kind)
{
    return by_kind[kind->id];
}

const struct field *schema_field_find(const struct field *shape, const char *name)
{
    if (!shape)
        return NULL;
    for (; shape->name; shape++)
        if (*shape->name == *name && strcmp(shape->name, name) == 0)
            return shape;
    return NULL;
}

/* ---- walking ---- */

#define PATH_MAX_BYTES 512

struct walk {
    void (*found)(void *arg, const char *path);
    void *arg;
    struct err *e;
    const char *name, *version; /* of the kind */
    char path[PATH_MAX_BYTES];
};

/* Appends and returns the old length, to cut back to. Longer paths are cut: they are for people. */
static size_t walk_push(struct walk *w, const char *name)
{
    size_t len = strlen(w->path);
    size_t room = sizeof(w->path) - len;
    if (len > 0 && room > 1) {
        w->path[len] = '.';
        w->path[len + 1] = '\0';
    }
    size_t at = strlen(w->path);
    size_t n = strlen(name);
    if (n > sizeof(w->path) - at - 1)
        n = sizeof(w->path) - at - 1;
    memcpy(w->path + at, name, n);
    w->path[at + n] = '\0';
    return len;
}

static size_t walk_push_index(struct walk *w, size_t i)
{
    size_t len = strlen(w->path);
    (void)snprintf(w->path + len, sizeof(w->path) - len, "[%zu]", i);
    return len;
}

static void prune_object(struct walk *w, const struct field *shape, cJSON *obj);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static void prune_value(struct walk *w, const struct field *f, cJSON *value)
{
    if (f->form == FORM_MAP) {
        for (cJSON *it = value->child, *next; cJSON_IsObject(value) && it; it = next) {
            next = it->next;
            if (cJSON_IsNull(it))
                cJSON_Delete(cJSON_DetachItemViaPointer(value, it));
        }
        return;
    }
    if (f->type != FIELD_OBJECT)
        return;
    if (f->form == FORM_ONE) {
        prune_object(w, f->shape, value);
        return;
    }
    size_t i = 0;
    for (cJSON *it = cJSON_IsArray(value) ? value->child : NULL; it; it = it->next) {
        size_t len = walk_push_index(w, i++);
        prune_object(w, f->shape, it);
        w->path[len] = '\0';
    }
}

/* Lists and maps without anything in them and zeros, which upstream does not write: whoever sends
 * them changes nothing (A17). A list or map of the wrong type is for others to judge. */
static bool is_absent(const struct field *f, const cJSON *value)
{
    if (f->form != FORM_ONE)
        return (cJSON_IsArray(value) || cJSON_IsObject(value)) && !value->child && !f->keeps_empty;
    if (!f->omits_zero)
        return false;
    if (cJSON_IsString(value))
        return *value->valuestring == '\0';
    return cJSON_IsFalse(value) || (cJSON_IsNumber(value) && value->valuedouble == 0);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static void prune_object(struct walk *w, const struct field *shape, cJSON *obj)
{
    if (!cJSON_IsObject(obj))
        return;
    for (cJSON *it = obj->child, *next; it; it = next) {
        next = it->next;
        const struct field *f = schema_field_find(shape, it->string);
        if (f && !cJSON_IsNull(it)) {
            if (f->type == FIELD_OBJECT || f->form == FORM_MAP) {
                size_t len = walk_push(w, it->string);
                prune_value(w, f, it);
                w->path[len] = '\0';
            }
            if (!is_absent(f, it))
                continue;
        }
        if (!f && w->found) {
            size_t len = walk_push(w, it->string);
            w->found(w->arg, w->path);
            w->path[len] = '\0';
        }
        cJSON_Delete(cJSON_DetachItemViaPointer(obj, it));
    }
}

void schema_prune(const struct kind *kind, cJSON *tree, void (*found)(void *arg, const char *path),
                  void *arg)
{
    struct walk w = {.found = found, .arg = arg};
    prune_object(&w, by_kind[kind->id], tree);
}

void schema_prune_template(cJSON *template)
{
    struct walk w = {.found = NULL};
    for (const struct field *f = schema_pod_template; f->name; f++)
        prune_object(&w, f->shape, json_get(template, f->name));
}

void schema_prune_body(enum schema_body body, cJSON *tree,
                       void (*found)(void *arg, const char *path), void *arg)
{
    struct walk w = {.found = found, .arg = arg};
    prune_object(&w, bodies[body].shape, tree);
}

const char *schema_body_name(enum schema_body body)
{
    return bodies[body].kind;
}

/* ---- types ---- */

static const char *json_type(const cJSON *item)
{
    if (cJSON_IsString(item))
        return "string";
    if (cJSON_IsNumber(item))
        return "number";
    if (cJSON_IsBool(item))
        return "bool";
    if (cJSON_IsArray(item))
        return "array";
    return cJSON_IsObject(item) ? "object" : "null";
}

static const char *go_type(const struct field *f)
{
    switch (f->type) {
    case FIELD_STRING:
        return "string";
    case FIELD_INT32:
        return "int32";
    case FIELD_INT64:
        return "int64";
    case FIELD_BOOL:
        return "bool";
    case FIELD_INT_OR_STRING:
        return "intstr.IntOrString";
    case FIELD_QUANTITY:
        return "resource.Quantity";
    case FIELD_TIME:
        return "v1.Time";
    case FIELD_ANY:
        return "interface {}";
    case FIELD_OBJECT:
        return "object";
    }
    return "";
}

static int type_error(const struct walk *w, const struct field *f, enum field_form form,
                      const cJSON *item)
{
    static const char *const prefix[] = {
        [FORM_ONE] = "", [FORM_LIST] = "[]", [FORM_MAP] = "map[string]"};
    char got[48];
    if (cJSON_IsNumber(item))
        (void)snprintf(got, sizeof(got), "number %.15g", item->valuedouble);
    else
        (void)snprintf(got, sizeof(got), "%s", json_type(item));
    return err_set(
        w->e, ERR_MALFORMED,
        "%s in version \"%s\" cannot be handled as a %s: json: cannot unmarshal %s into Go "
        "struct field %s.%s of type %s%s",
        w->name, w->version, w->name, got, w->name, w->path, prefix[form], go_type(f));
}

static bool type_fits(const struct field *f, const cJSON *item)
{
    int64_t n;
    switch (f->type) {
    case FIELD_STRING:
        return cJSON_IsString(item);
    case FIELD_TIME:
        return cJSON_IsString(item) && clock_parse(item->valuestring, &n);
    case FIELD_INT32:
        return json_is_int(item, &n) && n >= INT32_MIN && n <= INT32_MAX;
    case FIELD_INT64:
        return json_is_int(item, &n);
    case FIELD_BOOL:
        return cJSON_IsBool(item);
    case FIELD_INT_OR_STRING:
        return cJSON_IsString(item) || (json_is_int(item, &n) && n >= INT32_MIN && n <= INT32_MAX);
    case FIELD_QUANTITY:
        return cJSON_IsString(item) || (cJSON_IsNumber(item) && isfinite(item->valuedouble));
    case FIELD_ANY:
        return true;
    case FIELD_OBJECT:
        return cJSON_IsObject(item);
    }
    return false;
}

static int check_object(struct walk *w, const struct field *shape, const cJSON *obj);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static int check_item(struct walk *w, const struct field *f, const cJSON *item)
{
    if (!type_fits(f, item))
        return type_error(w, f, FORM_ONE, item);
    return f->type == FIELD_OBJECT ? check_object(w, f->shape, item) : 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static int check_field(struct walk *w, const struct field *f, const cJSON *value)
{
    if (f->form == FORM_ONE)
        return check_item(w, f, value);
    if (f->form == FORM_LIST ? !cJSON_IsArray(value) : !cJSON_IsObject(value))
        return type_error(w, f, f->form, value);
    for (const cJSON *it = value->child; it; it = it->next) {
        if (f->form == FORM_MAP && cJSON_IsNull(it))
            continue; /* dropped by schema_prune */
        int rc = check_item(w, f, it);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static int check_object(struct walk *w, const struct field *shape, const cJSON *obj)
{
    for (const cJSON *it = obj->child; it; it = it->next) {
        const struct field *f = schema_field_find(shape, it->string);
        if (!f || cJSON_IsNull(it))
            continue;
        size_t len = walk_push(w, it->string);
        int rc = check_field(w, f, it);
        if (rc < 0)
            return rc;
        w->path[len] = '\0';
    }
    return 0;
}

static int check_root(struct walk *w, const struct field *shape, const cJSON *tree)
{
    if (!cJSON_IsObject(tree))
        return err_set(w->e, ERR_MALFORMED,
                       "%s in version \"%s\" cannot be handled as a %s: json: cannot unmarshal "
                       "%s into Go value of type %s",
                       w->name, w->version, w->name, json_type(tree), w->name);
    return check_object(w, shape, tree);
}

int schema_check_types(const struct kind *kind, const cJSON *tree, struct err *e)
{
    struct walk w = {.e = e, .name = kind->name, .version = kind->version};
    return check_root(&w, by_kind[kind->id], tree);
}

int schema_check_body(enum schema_body body, const cJSON *tree, struct err *e)
{
    const struct body_row *row = &bodies[body];
    struct walk w = {.e = e, .name = row->kind, .version = row->version};
    int rc = check_root(&w, row->shape, tree);
    if (rc < 0)
        return rc;
    const char *kind = json_str(tree, "kind", row->kind),
               *version = json_str(tree, "apiVersion", row->api_version ? row->api_version : "");
    if (strcmp(kind, row->kind) != 0)
        return err_set(e, ERR_MALFORMED, "%.100s cannot be handled as a %s: kind does not match",
                       kind, row->kind);
    if (row->api_version && strcmp(version, row->api_version) != 0)
        return err_set(e, ERR_MALFORMED,
                       "the API version in the data (%.100s) does not match the expected API "
                       "version (%s)",
                       version, row->api_version);
    return 0;
}
