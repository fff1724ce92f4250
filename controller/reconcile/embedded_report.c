#include "controller/reconcile/embedded_report.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "controller/reconcile/parts.h"

static cJSON *ip_list(const char *const *ips, size_t count)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        cJSON *entry = cJSON_CreateObject();
        json_set_str(entry, "ip", ips[i]);
        cJSON_AddItemToArray(list, entry);
    }
    return list;
}

static cJSON *container_status(const cJSON *container, bool is_running, bool is_ready)
{
    char now[CLOCK_TEXT_MAX];
    cJSON *out = cJSON_CreateObject();
    json_set_str(out, "name", json_str(container, "name", ""));
    json_set_str(out, "image", json_str(container, "image", ""));
    json_set_str(out, "imageID", "");
    json_set_int(out, "restartCount", 0);
    json_set_bool(out, "ready", is_ready);
    json_set_bool(out, "started", is_running);
    cJSON *state = json_obj(out, "state");
    if (is_running)
        json_set_str(json_obj(state, "running"), "startedAt", clock_format(clock_now_us(), now));
    else
        json_set_str(json_obj(state, "waiting"), "reason", "ContainerCreating");
    return out;
}

static cJSON *init_status(const cJSON *container)
{
    char now[CLOCK_TEXT_MAX];
    cJSON *out = container_status(container, false, true);
    cJSON *ended = cJSON_CreateObject();
    json_set_int(ended, "exitCode", 0);
    json_set_str(ended, "reason", "Completed");
    json_set_str(ended, "startedAt", clock_format(clock_now_us(), now));
    json_set_str(ended, "finishedAt", now);
    cJSON *state = cJSON_CreateObject();
    json_set(state, "terminated", ended);
    json_set(out, "state", state);
    return out;
}

static void set_containers(cJSON *tree, bool is_started, bool is_ready)
{
    cJSON *status = json_obj(tree, "status"), *list = cJSON_CreateArray();
    const cJSON *container = NULL;
    cJSON_ArrayForEach(container, json_at(tree, "spec", "containers", NULL))
    {
        cJSON_AddItemToArray(list, container_status(container, is_started, is_ready));
    }
    json_set(status, "containerStatuses", list);
    const cJSON *inits = json_at(tree, "spec", "initContainers", NULL);
    if (!inits)
        return;
    list = cJSON_CreateArray();
    cJSON_ArrayForEach(container, inits)
    {
        cJSON_AddItemToArray(list, init_status(container));
    }
    json_set(status, "initContainerStatuses", list);
}

static void set_condition(cJSON *tree, const char *type, bool is_true, const char *reason,
                          const char *message)
{
    (void)condition_set(tree, type, is_true ? "True" : "False", reason, message);
    if (is_true) {
        json_del(condition_find(tree, type), "reason");
        json_del(condition_find(tree, type), "message");
    }
}

/* Opens the gates that nobody has spoken about; the first that is closed, or NULL. */
static const char *closed_gate(cJSON *tree)
{
    const char *closed = NULL;
    const cJSON *gate = NULL;
    cJSON_ArrayForEach(gate, json_at(tree, "spec", "readinessGates", NULL))
    {
        const char *type = json_str(gate, "conditionType", "");
        const cJSON *of = condition_find(tree, type);
        if (!of && *type)
            (void)condition_set(tree, type, "True", NULL, NULL);
        else if (of && strcmp(json_str(of, "status", ""), "True") != 0 && !closed)
            closed = type;
    }
    return closed;
}

static void set_ready(cJSON *tree, bool is_ready, const char *reason, const char *message)
{
    const char *gate = is_ready ? closed_gate(tree) : NULL;
    char told[512];
    set_condition(tree, "ContainersReady", is_ready, reason, message);
    if (gate) {
        (void)snprintf(told, sizeof told,
                       "the status of pod readiness gate \"%.316s\" is not \"True\"", gate);
        set_condition(tree, "Ready", false, REASON_GATE, told);
    } else {
        set_condition(tree, "Ready", is_ready, reason, message);
    }
}

int report_pod(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const struct pod_report *r = arg;
    cJSON *status = json_obj(tree, "status");
    char now[CLOCK_TEXT_MAX];
    if (!json_get(status, "startTime"))
        json_set_str(status, "startTime", clock_format(clock_now_us(), now));
    if (*r->host_ip) {
        json_set_str(status, "hostIP", r->host_ip);
        json_set(status, "hostIPs", ip_list(&r->host_ip, 1));
    }
    if (r->ip_count > 0) {
        json_set_str(status, "podIP", r->ips[0]);
        json_set(status, "podIPs", ip_list(r->ips, r->ip_count));
    }
    json_set_str(status, "phase", r->is_started ? "Running" : "Pending");
    (void)condition_set(tree, "PodReadyToStartContainers", "True", NULL, NULL);
    (void)condition_set(tree, "Initialized", "True", NULL, NULL);
    set_containers(tree, r->is_started, r->is_ready);
    if (r->is_ready)
        set_ready(tree, true, NULL, NULL);
    else if (r->is_started)
        set_ready(tree, false, REASON_PROBE, "the readiness probe fails");
    else
        set_ready(tree, false, "ContainersNotReady", "containers are being created");
    return 0;
}

int report_readiness(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    bool is_ready = *(const bool *)arg;
    cJSON *container = NULL;
    cJSON_ArrayForEach(container, json_at(tree, "status", "containerStatuses", NULL))
    {
        json_set_bool(container, "ready", is_ready);
    }
    if (is_ready)
        set_ready(tree, true, NULL, NULL);
    else
        set_ready(tree, false, REASON_PROBE, "the readiness probe fails");
    return 0;
}

static void set_resources(cJSON *status, const char *name)
{
    cJSON *resources = cJSON_CreateObject();
    json_set_str(resources, "cpu", "1k");
    json_set_str(resources, "memory", "1Ti");
    json_set_str(resources, "ephemeral-storage", "1Ti");
    json_set_str(resources, "pods", "1M");
    json_set(status, name, resources);
}

static void add_address(cJSON *addresses, const char *type, const char *address)
{
    cJSON *entry = cJSON_CreateObject();
    json_set_str(entry, "type", type);
    json_set_str(entry, "address", address);
    cJSON_AddItemToArray(addresses, entry);
}

int report_node(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const char *ip = arg;
    cJSON *status = json_obj(tree, "status"), *addresses = cJSON_CreateArray();
    if (*ip)
        add_address(addresses, "InternalIP", ip);
    add_address(addresses, "Hostname", json_str(json_get(tree, "metadata"), "name", ""));
    json_set(status, "addresses", addresses);
    set_resources(status, "capacity");
    set_resources(status, "allocatable");
    // Clients whose models know which fields are required (the Python client) want all of them.
    static const char *const ids[] = {"machineID", "systemUUID", "bootID"};
    cJSON *info = json_obj(status, "nodeInfo"), *metadata = json_get(tree, "metadata");
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
        json_set_str(info, ids[i], json_str(metadata, "uid", ""));
    json_set_str(info, "kernelVersion", "embedded");
    json_set_str(info, "architecture", "embedded");
    json_set_str(info, "kubeProxyVersion", "");
    json_set_str(info, "kubeletVersion", "embedded");
    json_set_str(info, "operatingSystem", "linux");
    json_set_str(info, "osImage", "embedded in ordinald");
    json_set_str(info, "containerRuntimeVersion", "embedded://");
    static const char *const pressures[] = {"MemoryPressure", "DiskPressure", "PIDPressure"};
    for (size_t i = 0; i < ARRAY_SIZE(pressures); i++)
        (void)condition_set(tree, pressures[i], "False", "EmbeddedNode",
                            "embedded nodes have no limits");
    (void)condition_set(tree, "Ready", "True", "EmbeddedNode", "the embedded node runs its pods");
    char now[CLOCK_TEXT_MAX];
    json_set_str(condition_find(tree, "Ready"), "lastHeartbeatTime",
                 clock_format(clock_now_us(), now));
    return 0;
}
