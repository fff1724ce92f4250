#include "controller/store/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "controller/store/pack.h"
#include "controller/store/view_build.h"

/* ---- helpers: a field or its default ---- */

static size_t list_size(const cJSON *list)
{
    return cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0;
}

static const char *text_of(struct pack *p, const cJSON *obj, const char *name)
{
    return pack_str(p, json_str(obj, name, ""));
}

static int32_t int32_of(const cJSON *obj, const char *name, int32_t absent)
{
    int64_t value;
    return json_int(obj, name, INT32_MIN, INT32_MAX, &value) ? (int32_t)value : absent;
}

static int64_t int64_of(const cJSON *obj, const char *name, int64_t absent)
{
    int64_t value;
    return json_int(obj, name, INT64_MIN, INT64_MAX, &value) ? value : absent;
}

static uint16_t port_of(const cJSON *obj, const char *name)
{
    int64_t value;
    return json_int(obj, name, 0, UINT16_MAX, &value) ? (uint16_t)value : 0;
}

static int64_t time_of(const cJSON *obj, const char *name)
{
    int64_t us;
    const char *text = json_str(obj, name, NULL);
    return text && clock_parse(text, &us) ? us : 0;
}

/* An integer or a string, as text: targetPort, maxUnavailable. */
static const char *int_or_text_of(struct pack *p, const cJSON *obj, const char *name)
{
    int64_t value;
    if (!json_is_int(json_get(obj, name), &value))
        return text_of(p, obj, name);
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    return pack_str(p, text);
}

static int64_t quantity_of(const cJSON *obj, const char *name)
{
    int64_t value;
    const char *text = json_str(obj, name, NULL);
    if (text)
        return quantity_parse(text, &value) ? value : 0;
    return int64_of(obj, name, 0);
}

static bool text_is(const cJSON *obj, const char *name, const char *value)
{
    const char *text = json_str(obj, name, NULL);
    return text && !strcmp(text, value);
}

static const cJSON *annotation(const cJSON *tree, const char *key)
{
    return json_get(json_at(tree, "metadata", "annotations", NULL), key);
}

static bool annotation_is(const cJSON *tree, const char *key, const char *value)
{
    const cJSON *item = annotation(tree, key);
    return cJSON_IsString(item) && !strcmp(item->valuestring, value);
}

static const char *annotation_of(struct pack *p, const cJSON *tree, const char *key)
{
    const cJSON *item = annotation(tree, key);
    return cJSON_IsString(item) ? pack_str(p, item->valuestring) : "";
}

/* The strings of a list; with `field`, that member of each object of it. Empty ones are left out.
 */
static const char *const *strings_of(struct pack *p, const cJSON *list, const char *field,
                                     size_t *count)
{
    size_t n = list_size(list);
    *count = 0;
    if (n == 0)
        return NULL;
    const char **out = pack_alloc(p, n * sizeof(*out));
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        const char *text = field                  ? json_str(item, field, "")
                           : cJSON_IsString(item) ? item->valuestring
                                                  : "";
        if (*text)
            out[(*count)++] = pack_str(p, text);
    }
    return out;
}

/* One string as a list, when it is not empty. */
static const char *const *single_of(struct pack *p, const char *text, size_t *count)
{
    *count = 0;
    if (!text || !*text)
        return NULL;
    const char **out = pack_alloc(p, sizeof(*out));
    out[(*count)++] = pack_str(p, text);
    return out;
}

/* The status.conditions entry of a type, or NULL. */
static const cJSON *condition(const cJSON *tree, const char *type)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json_at(tree, "status", "conditions", NULL))
    {
        if (text_is(item, "type", type))
            return item;
    }
    return NULL;
}

/* absent_matches: what a missing LabelSelector means. One that cannot be read matches nothing. */
static void read_selector(const cJSON *json, bool absent_matches, struct selector *out)
{
    *out = (struct selector){0};
    if (!json || cJSON_IsNull(json))
        out->matches_nothing = !absent_matches;
    else if (selector_from_json(json, "spec.selector", out, NULL) < 0)
        *out = (struct selector){.matches_nothing = true};
}

/* ---- Pod ---- */

static enum pod_phase phase_of(const char *text)
{
    static const char *const words[] = {[POD_PENDING] = "Pending",
                                        [POD_RUNNING] = "Running",
                                        [POD_SUCCEEDED] = "Succeeded",
                                        [POD_FAILED] = "Failed",
                                        [POD_UNKNOWN] = "Unknown"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (!strcmp(text, words[i]))
            return (enum pod_phase)i;
    return *text ? POD_UNKNOWN : POD_PENDING;
}

bool pod_phase_is_final(enum pod_phase phase)
{
    return phase == POD_SUCCEEDED || phase == POD_FAILED;
}

/* Containers, then the init containers that keep running (sidecars). */
static bool container_stays(const cJSON *container, bool is_init)
{
    return !is_init || text_is(container, "restartPolicy", "Always");
}

static size_t add_container_ports(struct pack *p, const cJSON *containers, bool is_init,
                                  struct port_view *out)
{
    size_t n = 0;
    const cJSON *container, *port;
    cJSON_ArrayForEach(container, containers)
    {
        if (!container_stays(container, is_init))
            continue;
        cJSON_ArrayForEach(port, json_get(container, "ports"))
        {
            if (out)
                out[n] =
                    (struct port_view){.name = text_of(p, port, "name"),
                                       .protocol = pack_str(p, json_str(port, "protocol", "TCP")),
                                       .port = port_of(port, "containerPort"),
                                       .target = pack_str(p, ""),
                                       .app_protocol = pack_str(p, "")};
            n++;
        }
    }
    return n;
}

static void pod_ports(struct pack *p, const cJSON *spec, struct pod_view *v)
{
    const cJSON *containers = json_get(spec, "containers"),
                *init = json_get(spec, "initContainers");
    v->port_count =
        add_container_ports(p, containers, false, NULL) + add_container_ports(p, init, true, NULL);
    if (v->port_count == 0)
        return;
    struct port_view *ports = pack_alloc(p, v->port_count * sizeof(*ports));
    size_t n = add_container_ports(p, containers, false, ports);
    add_container_ports(p, init, true, ports + n);
    v->ports = ports;
}

static void pod_claims(struct pack *p, const cJSON *spec, struct pod_view *v)
{
    const cJSON *volumes = json_get(spec, "volumes"), *volume;
    size_t n = list_size(volumes);
    if (n == 0)
        return;
    struct claim_mount *claims = pack_alloc(p, n * sizeof(*claims));
    cJSON_ArrayForEach(volume, volumes)
    {
        const cJSON *source = json_get(volume, "persistentVolumeClaim");
        const char *claim = json_str(source, "claimName", "");
        if (*claim)
            claims[v->claim_count++] = (struct claim_mount){.volume = text_of(p, volume, "name"),
                                                            .claim = pack_str(p, claim)};
    }
    v->claims = claims;
}

static uint64_t epoch_of(const cJSON *tree)
{
    const cJSON *item = annotation(tree, "ordinald.dev/epoch");
    const char *text = cJSON_IsString(item) ? item->valuestring : "";
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 19 || text[digits] != '\0')
        return 0;
    return strtoull(text, NULL, 10);
}

static bool is_held_unready(const cJSON *tree)
{
    const cJSON *gate;
    cJSON_ArrayForEach(gate, json_at(tree, "spec", "readinessGates", NULL))
    {
        const cJSON *of = condition(tree, json_str(gate, "conditionType", ""));
        if (of && !text_is(of, "status", "True"))
            return true;
    }
    return false;
}

int64_t quantity_in(const cJSON *resources, const char *name, bool in_milli)
{
    const cJSON *item = json_get(resources, name);
    char number[32];
    int64_t value = 0;
    const char *text = cJSON_IsString(item) ? item->valuestring : number;
    if (cJSON_IsNumber(item))
        (void)snprintf(number, sizeof number, "%.17g", item->valuedouble);
    else if (!cJSON_IsString(item))
        return 0;
    if (!(in_milli ? quantity_parse_milli(text, &value) : quantity_parse(text, &value)) ||
        value < 0)
        return 0;
    return value < QUANTITY_MOST ? value : QUANTITY_MOST;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Containers run together, with the sidecars; init containers run one by one, before them. */
static int64_t request_of(const cJSON *spec, const char *name, bool in_milli)
{
    const cJSON *container;
    int64_t together = 0, sidecars = 0, peak = 0;
    cJSON_ArrayForEach(container, json_get(spec, "initContainers"))
    {
        int64_t one =
            quantity_in(json_at(container, "resources", "requests", NULL), name, in_milli);
        peak = larger(peak, sidecars + one);
        if (container_stays(container, true))
            sidecars += one;
    }
    cJSON_ArrayForEach(container, json_get(spec, "containers")) together +=
        quantity_in(json_at(container, "resources", "requests", NULL), name, in_milli);
    int64_t all =
        larger(together + sidecars, peak) + quantity_in(json_get(spec, "overhead"), name, in_milli);
    return all < QUANTITY_MOST ? all : QUANTITY_MOST;
}

static const void *build_pod(struct pack *p, const cJSON *tree)
{
    struct pod_view *v = pack_alloc(p, sizeof(*v));
    const cJSON *spec = json_get(tree, "spec"), *status = json_get(tree, "status");
    const char *phase = json_str(status, "phase", "");
    const cJSON *ready = condition(tree, "Ready");
    v->phase = phase_of(phase);
    v->has_phase = *phase != '\0';
    v->ready = text_is(ready, "status", "True");
    v->ready_since_us = time_of(ready, "lastTransitionTime");
    v->scheduled = text_is(condition(tree, "PodScheduled"), "status", "True");
    v->initialized_by_node = *json_str(status, "startTime", "") != '\0';
    v->host_network = json_bool(spec, "hostNetwork", false);
    v->is_gated = list_size(json_get(spec, "schedulingGates")) > 0;
    v->keeps_apart = list_size(json_at(spec, "affinity", "podAntiAffinity",
                                       "requiredDuringSchedulingIgnoredDuringExecution", NULL)) > 0;
    v->is_held_unready = is_held_unready(tree);
    v->node = text_of(p, spec, "nodeName");
    v->scheduler = text_of(p, spec, "schedulerName");
    v->hostname = text_of(p, spec, "hostname");
    v->subdomain = text_of(p, spec, "subdomain");
    v->ips = strings_of(p, json_get(status, "podIPs"), "ip", &v->ip_count);
    if (v->ip_count == 0)
        v->ips = single_of(p, json_str(status, "podIP", ""), &v->ip_count);
    v->host_ip = text_of(p, status, "hostIP");
    pod_ports(p, spec, v);
    pod_claims(p, spec, v);
    v->grace_s = int64_of(spec, "terminationGracePeriodSeconds", 30);
    v->epoch = epoch_of(tree);
    v->cpu_milli = request_of(spec, "cpu", true);
    v->memory_bytes = request_of(spec, "memory", false);
    return v;
}

/* ---- Service, EndpointSlice ---- */

static int by_label_key(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

static void service_selector(struct pack *p, const cJSON *map, struct service_view *v)
{
    size_t n = cJSON_IsObject(map) ? (size_t)cJSON_GetArraySize(map) : 0;
    if (n == 0)
        return;
    struct label *pairs = pack_alloc(p, n * sizeof(*pairs));
    const cJSON *item;
    cJSON_ArrayForEach(item, map)
    {
        if (cJSON_IsString(item))
            pairs[v->selector_count++] = (struct label){.key = pack_str(p, item->string),
                                                        .value = pack_str(p, item->valuestring)};
    }
    qsort(pairs, v->selector_count, sizeof(*pairs), by_label_key);
    v->selector = pairs;
}

static const struct port_view *ports_of(struct pack *p, const cJSON *list, size_t *count)
{
    size_t n = list_size(list);
    *count = 0;
    if (n == 0)
        return NULL;
    struct port_view *ports = pack_alloc(p, n * sizeof(*ports));
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        ports[(*count)++] =
            (struct port_view){.name = text_of(p, item, "name"),
                               .protocol = pack_str(p, json_str(item, "protocol", "TCP")),
                               .port = port_of(item, "port"),
                               .target = int_or_text_of(p, item, "targetPort"),
                               .app_protocol = text_of(p, item, "appProtocol"),
                               .node_port = port_of(item, "nodePort")};
    }
    return ports;
}

static const void *build_service(struct pack *p, const cJSON *tree)
{
    struct service_view *v = pack_alloc(p, sizeof(*v));
    const cJSON *spec = json_get(tree, "spec");
    v->type = pack_str(p, json_str(spec, "type", "ClusterIP"));
    v->cluster_ips = strings_of(p, json_get(spec, "clusterIPs"), NULL, &v->cluster_ip_count);
    if (v->cluster_ip_count == 0)
        v->cluster_ips = single_of(p, json_str(spec, "clusterIP", ""), &v->cluster_ip_count);
    v->headless = v->cluster_ip_count > 0 && !strcmp(v->cluster_ips[0], "None");
    v->external_name = text_of(p, spec, "externalName");
    service_selector(p, json_get(spec, "selector"), v);
    v->ports = ports_of(p, json_get(spec, "ports"), &v->port_count);
    v->ip_families = strings_of(p, json_get(spec, "ipFamilies"), NULL, &v->ip_family_count);
    v->publish_not_ready =
        json_bool(spec, "publishNotReadyAddresses", false) ||
        annotation_is(tree, "service.alpha.kubernetes.io/tolerate-unready-endpoints", "true");
    v->publish_identity = annotation_is(tree, "ordinald.dev/publish-identity", "always");
    return v;
}

static struct endpoint_view endpoint_of(struct pack *p, const cJSON *json)
{
    const cJSON *conditions = json_get(json, "conditions"), *target = json_get(json, "targetRef");
    struct endpoint_view v = {0};
    v.addresses = strings_of(p, json_get(json, "addresses"), NULL, &v.address_count);
    v.hostname = text_of(p, json, "hostname");
    v.ready = json_bool(conditions, "ready", true);
    v.serving = json_bool(conditions, "serving", v.ready);
    v.terminating = json_bool(conditions, "terminating", false);
    v.target_kind = text_of(p, target, "kind");
    v.target_ns = text_of(p, target, "namespace");
    v.target_name = text_of(p, target, "name");
    v.target_uid = text_of(p, target, "uid");
    v.node = text_of(p, json, "nodeName");
    v.zone = text_of(p, json, "zone");
    return v;
}

static const void *build_slice(struct pack *p, const cJSON *tree, const struct object *obj)
{
    struct slice_view *v = pack_alloc(p, sizeof(*v));
    const cJSON *list = json_get(tree, "endpoints"), *item;
    v->service = pack_str(p, object_label(obj, "kubernetes.io/service-name"));
    v->managed_by = pack_str(p, object_label(obj, "endpointslice.kubernetes.io/managed-by"));
    v->address_type = text_of(p, tree, "addressType");
    v->ports = ports_of(p, json_get(tree, "ports"), &v->port_count);
    size_t n = list_size(list);
    if (n == 0)
        return v;
    struct endpoint_view *endpoints = pack_alloc(p, n * sizeof(*endpoints));
    cJSON_ArrayForEach(item, list)
    {
        endpoints[v->endpoint_count++] = endpoint_of(p, item);
    }
    v->endpoints = endpoints;
    return v;
}

/* ---- StatefulSet, ReplicaSet, ControllerRevision ---- */

static void set_status(struct pack *p, const cJSON *status, struct set_view *v)
{
    v->observed_generation = int64_of(status, "observedGeneration", 0);
    v->st_replicas = int32_of(status, "replicas", 0);
    v->st_ready = int32_of(status, "readyReplicas", 0);
    v->st_available = int32_of(status, "availableReplicas", 0);
    v->st_current = int32_of(status, "currentReplicas", 0);
    v->st_updated = int32_of(status, "updatedReplicas", 0);
    v->st_collisions = int32_of(status, "collisionCount", 0);
    v->current_revision = text_of(p, status, "currentRevision");
    v->update_revision = text_of(p, status, "updateRevision");
}

static void set_claim_templates(struct pack *p, const cJSON *list, struct set_view *v)
{
    size_t n = list_size(list);
    if (n == 0)
        return;
    const char **names = pack_alloc(p, n * sizeof(*names));
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        names[v->claim_template_count++] = text_of(p, json_get(item, "metadata"), "name");
    }
    v->claim_templates = names;
}

static const void *build_set(struct pack *p, const cJSON *tree)
{
    struct set_view *v = pack_alloc(p, sizeof(*v));
    const cJSON *spec = json_get(tree, "spec"), *strategy = json_get(spec, "updateStrategy");
    const cJSON *rolling = json_get(strategy, "rollingUpdate");
    const cJSON *retention = json_get(spec, "persistentVolumeClaimRetentionPolicy");
    v->replicas = int32_of(spec, "replicas", 1);
    v->start = int32_of(json_get(spec, "ordinals"), "start", 0);
    v->min_ready_s = int32_of(spec, "minReadySeconds", 0);
    v->partition = int32_of(rolling, "partition", 0);
    v->history_limit = int32_of(spec, "revisionHistoryLimit", 10);
    v->parallel = text_is(spec, "podManagementPolicy", "Parallel");
    v->on_delete = text_is(strategy, "type", "OnDelete");
    v->has_rolling = cJSON_IsObject(rolling);
    v->max_unavailable = int_or_text_of(p, rolling, "maxUnavailable");
    v->when_deleted_delete = text_is(retention, "whenDeleted", "Delete");
    v->when_scaled_delete = text_is(retention, "whenScaled", "Delete");
    v->service_name = text_of(p, spec, "serviceName");
    read_selector(json_get(spec, "selector"), false, &v->selector);
    set_claim_templates(p, json_get(spec, "volumeClaimTemplates"), v);
    set_status(p, json_get(tree, "status"), v);
    v->replace_stuck = annotation_is(tree, "ordinald.dev/replace-stuck", "true");
    return v;
}

static const void *build_replicaset(struct pack *p, const cJSON *tree)
{
    struct replicaset_view *v = pack_alloc(p, sizeof(*v));
    const cJSON *spec = json_get(tree, "spec"), *status = json_get(tree, "status");
    v->replicas = int32_of(spec, "replicas", 1);
    v->min_ready_s = int32_of(spec, "minReadySeconds", 0);
    read_selector(json_get(spec, "selector"), false, &v->selector);
    v->observed_generation = int64_of(status, "observedGeneration", 0);
    v->st_replicas = int32_of(status, "replicas", 0);
    v->st_ready = int32_of(status, "readyReplicas", 0);
    v->st_available = int32_of(status, "availableReplicas", 0);
    v->st_labeled = int32_of(status, "fullyLabeledReplicas", 0);
    v->st_failing = condition(tree, "ReplicaFailure") != NULL;
    return v;
}

static int by_member_name(const void *a, const void *b)
{
    return strcmp((*(cJSON *const *)a)->string, (*(cJSON *const *)b)->string);
}

/* Orders the members of every object in the tree by name, so that equal values have equal texts. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static void sort_members(cJSON *item)
{
    size_t n = (size_t)cJSON_GetArraySize(item);
    if (n == 0)
        return;
    cJSON **members = xcalloc(n, sizeof(cJSON *));
    size_t i = 0;
    for (cJSON *m = item->child; m; m = m->next) {
        sort_members(m);
        members[i++] = m;
    }
    if (cJSON_IsObject(item))
        qsort(members, n, sizeof(cJSON *), by_member_name);
    for (i = 0; i < n; i++) {
        members[i]->next = i + 1 < n ? members[i + 1] : NULL;
        members[i]->prev = members[i > 0 ? i - 1 : n - 1];
    }
    item->child = members[0];
    free(members);
}

static const void *build_revision(struct pack *p, const cJSON *tree)
{
    struct revision_view *v = pack_alloc(p, sizeof(*v));
    const cJSON *data = json_get(tree, "data");
    v->revision = int64_of(tree, "revision", 0);
    v->data = pack_str(p, "");
    if (!data)
        return v;
    cJSON *copy = cJSON_Duplicate(data, true);
    CHECK(copy);
    sort_members(copy);
    size_t len;
    char *text = json_print(copy, &len);
    v->data = pack_bytes(p, text, len);
    free(text);
    cJSON_Delete(copy);
    return v;
}

/* ---- volumes ---- */

static unsigned access_modes_of(const cJSON *list)
{
    static const struct {
        const char *word;
        unsigned bit;
    } modes[] = {{"ReadWriteOnce", ACCESS_RWO},
                 {"ReadOnlyMany", ACCESS_ROX},
                 {"ReadWriteMany", ACCESS_RWX},
                 {"ReadWriteOncePod", ACCESS_RWOP}};
    unsigned bits = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
            if (cJSON_IsString(item) && !strcmp(item->valuestring, modes[i].word))
                bits |= modes[i].bit;
    }
    return bits;
}

static const void *build_claim(struct pack *p, const cJSON *tree)
{
    struct claim_view *v = pack_alloc(p, sizeof(*v));
    const cJSON *spec = json_get(tree, "spec"), *status = json_get(tree, "status");
    v->phase = pack_str(p, json_str(status, "phase", "Pending"));
    v->volume_name = text_of(p, spec, "volumeName");
    v->has_class = cJSON_IsString(json_get(spec, "storageClassName"));
    v->class_name = text_of(p, spec, "storageClassName");
    v->access_modes = access_modes_of(json_get(spec, "accessModes"));
    v->request_bytes = quantity_of(json_at(spec, "resources", "requests", NULL), "storage");
    v->capacity_bytes = quantity_of(json_get(status, "capacity"), "storage");
    v->volume_mode = pack_str(p, json_str(spec, "volumeMode", "Filesystem"));
    v->attributes_class = text_of(p, spec, "volumeAttributesClassName");
    v->selected_node = annotation_of(p, tree, "volume.kubernetes.io/selected-node");
    v->bind_completed = annotation(tree, "pv.kubernetes.io/bind-completed") != NULL;
    read_selector(json_get(spec, "selector"), true, &v->selector);
    return v;
}

static const void *build_volume(struct pack *p, const cJSON *tree)
{
    struct volume_view *v = pack_alloc(p, sizeof(*v));
    const cJSON *spec = json_get(tree, "spec"), *claim = json_get(spec, "claimRef");
    const char *path = json_str(json_get(spec, "hostPath"), "path", NULL);
    v->phase = text_of(p, json_get(tree, "status"), "phase");
    v->class_name = text_of(p, spec, "storageClassName");
    v->access_modes = access_modes_of(json_get(spec, "accessModes"));
    v->capacity_bytes = quantity_of(json_get(spec, "capacity"), "storage");
    v->volume_mode = pack_str(p, json_str(spec, "volumeMode", "Filesystem"));
    v->attributes_class = text_of(p, spec, "volumeAttributesClassName");
    v->reclaim_policy = pack_str(p, json_str(spec, "persistentVolumeReclaimPolicy", "Retain"));
    v->claim_ns = text_of(p, claim, "namespace");
    v->claim_name = text_of(p, claim, "name");
    v->claim_uid = text_of(p, claim, "uid");
    v->bound_by_controller = annotation(tree, "pv.kubernetes.io/bound-by-controller") != NULL;
    v->provisioned_by = annotation_of(p, tree, "pv.kubernetes.io/provisioned-by");
    v->has_affinity = cJSON_IsObject(json_get(spec, "nodeAffinity"));
    v->path = path ? pack_str(p, path) : text_of(p, json_get(spec, "local"), "path");
    return v;
}

static const void *build_class(struct pack *p, const cJSON *tree)
{
    struct class_view *v = pack_alloc(p, sizeof(*v));
    v->provisioner = text_of(p, tree, "provisioner");
    v->reclaim_policy = pack_str(p, json_str(tree, "reclaimPolicy", "Delete"));
    v->wait_for_consumer = text_is(tree, "volumeBindingMode", "WaitForFirstConsumer");
    v->is_default = annotation_is(tree, "storageclass.kubernetes.io/is-default-class", "true");
    v->allow_expansion = json_bool(tree, "allowVolumeExpansion", false);
    return v;
}

/* ---- Node, Namespace, Identity, Lease ---- */

static const void *build_node(struct pack *p, const cJSON *tree)
{
    struct node_view *v = pack_alloc(p, sizeof(*v));
    const cJSON *spec = json_get(tree, "spec"), *item, *ready = condition(tree, "Ready");
    v->unschedulable = json_bool(spec, "unschedulable", false);
    v->has_ready = ready != NULL;
    v->ready_status = text_of(p, ready, "status");
    cJSON_ArrayForEach(item, json_get(spec, "taints"))
    {
        v->has_noexec = v->has_noexec || text_is(item, "effect", "NoExecute");
        v->has_nosched = v->has_nosched || text_is(item, "effect", "NoSchedule");
        v->out_of_service =
            v->out_of_service || text_is(item, "key", "node.kubernetes.io/out-of-service");
    }
    v->internal_ip = pack_str(p, "");
    cJSON_ArrayForEach(item, json_at(tree, "status", "addresses", NULL))
    {
        if (!*v->internal_ip && text_is(item, "type", "InternalIP"))
            v->internal_ip = text_of(p, item, "address");
    }
    v->pod_cidrs = strings_of(p, json_get(spec, "podCIDRs"), NULL, &v->pod_cidr_count);
    if (v->pod_cidr_count == 0)
        v->pod_cidrs = single_of(p, json_str(spec, "podCIDR", ""), &v->pod_cidr_count);
    return v;
}

static const void *build_namespace(struct pack *p, const cJSON *tree, const struct object *obj)
{
    struct namespace_view *v = pack_alloc(p, sizeof(*v));
    v->terminating =
        obj->deleted_us != 0 || text_is(json_get(tree, "status"), "phase", "Terminating");
    return v;
}

static const void *build_identity(struct pack *p, const cJSON *tree)
{
    struct identity_view *v = pack_alloc(p, sizeof(*v));
    int64_t epoch = int64_of(tree, "epoch", 0);
    v->epoch = epoch > 0 ? (uint64_t)epoch : 0;
    v->pod_uid = text_of(p, tree, "podUID");
    v->node = text_of(p, tree, "nodeName");
    v->addresses = strings_of(p, json_get(tree, "addresses"), NULL, &v->address_count);
    size_t node_count;
    v->fenced_uids = strings_of(p, json_get(tree, "fencedUIDs"), NULL, &v->fenced_count);
    v->fenced_nodes = strings_of(p, json_get(tree, "fencedNodes"), NULL, &node_count);
    if (node_count != v->fenced_count)
        v->fenced_nodes = NULL;
    return v;
}

static const void *build_lease(struct pack *p, const cJSON *tree)
{
    struct lease_view *v = pack_alloc(p, sizeof(*v));
    const cJSON *spec = json_get(tree, "spec");
    v->holder = text_of(p, spec, "holderIdentity");
    v->renew_us = time_of(spec, "renewTime");
    return v;
}

/* ---- by kind ---- */

const void *view_build(struct pack *p, const cJSON *tree, const struct object *obj)
{
    switch (obj->kind->id) {
    case KIND_NAMESPACE:
        return build_namespace(p, tree, obj);
    case KIND_NODE:
        return build_node(p, tree);
    case KIND_POD:
        return build_pod(p, tree);
    case KIND_SERVICE:
        return build_service(p, tree);
    case KIND_PVC:
        return build_claim(p, tree);
    case KIND_PV:
        return build_volume(p, tree);
    case KIND_STATEFULSET:
        return build_set(p, tree);
    case KIND_REPLICASET:
        return build_replicaset(p, tree);
    case KIND_REVISION:
        return build_revision(p, tree);
    case KIND_SLICE:
        return build_slice(p, tree, obj);
    case KIND_STORAGECLASS:
        return build_class(p, tree);
    case KIND_LEASE:
        return build_lease(p, tree);
    case KIND_IDENTITY:
        return build_identity(p, tree);
    case KIND_CONFIGMAP:
    case KIND_EVENT:
    case KIND_COUNT:
        return NULL;
    }
    return NULL;
}

/* The selector a view owns, or NULL. */
static const struct selector *view_selector(const struct object *obj)
{
    switch (obj->kind->id) {
    case KIND_PVC:
        return &((const struct claim_view *)obj->view)->selector;
    case KIND_STATEFULSET:
        return &((const struct set_view *)obj->view)->selector;
    case KIND_REPLICASET:
        return &((const struct replicaset_view *)obj->view)->selector;
    case KIND_NAMESPACE:
    case KIND_NODE:
    case KIND_POD:
    case KIND_SERVICE:
    case KIND_PV:
    case KIND_CONFIGMAP:
    case KIND_EVENT:
    case KIND_REVISION:
    case KIND_SLICE:
    case KIND_STORAGECLASS:
    case KIND_LEASE:
    case KIND_IDENTITY:
    case KIND_COUNT:
        return NULL;
    }
    return NULL;
}

void view_fini(const struct object *obj)
{
    const struct selector *s = obj->view ? view_selector(obj) : NULL;
    if (s) {
        struct selector copy = *s;
        selector_fini(&copy);
    }
}

size_t view_bytes(const struct object *obj)
{
    const struct selector *s = obj->view ? view_selector(obj) : NULL;
    return s ? selector_bytes(s) : 0;
}

static const void *view_of(const struct object *obj, enum kind_id kind)
{
    CHECK(obj && obj->kind->id == kind && obj->view);
    return obj->view;
}

const struct pod_view *pod_view(const struct object *obj)
{
    return view_of(obj, KIND_POD);
}
const struct service_view *service_view(const struct object *obj)
{
    return view_of(obj, KIND_SERVICE);
}
const struct slice_view *slice_view(const struct object *obj)
{
    return view_of(obj, KIND_SLICE);
}
const struct set_view *set_view(const struct object *obj)
{
    return view_of(obj, KIND_STATEFULSET);
}
const struct replicaset_view *replicaset_view(const struct object *obj)
{
    return view_of(obj, KIND_REPLICASET);
}
const struct claim_view *claim_view(const struct object *obj)
{
    return view_of(obj, KIND_PVC);
}
const struct volume_view *volume_view(const struct object *obj)
{
    return view_of(obj, KIND_PV);
}
const struct class_view *class_view(const struct object *obj)
{
    return view_of(obj, KIND_STORAGECLASS);
}
const struct node_view *node_view(const struct object *obj)
{
    return view_of(obj, KIND_NODE);
}
const struct namespace_view *namespace_view(const struct object *obj)
{
    return view_of(obj, KIND_NAMESPACE);
}
const struct revision_view *revision_view(const struct object *obj)
{
    return view_of(obj, KIND_REVISION);
}
const struct identity_view *identity_view(const struct object *obj)
{
    return view_of(obj, KIND_IDENTITY);
}
const struct lease_view *lease_view(const struct object *obj)
{
    return view_of(obj, KIND_LEASE);
}
