#include "controller/api/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"

/* ---- ages: two units while the larger is small (upstream duration.HumanDuration) ---- */

static const char *two_units(char out[24], int64_t a, char a_unit, int64_t b, char b_unit)
{
    if (b)
        (void)snprintf(out, 24, "%" PRId64 "%c%" PRId64 "%c", a, a_unit, b, b_unit);
    else
        (void)snprintf(out, 24, "%" PRId64 "%c", a, a_unit);
    return out;
}

const char *table_age(int64_t us, char out[24])
{
    int64_t s = us / 1000000, m = s / 60, h = s / 3600, d = h / 24;
    if (us < -1999999)
        return memcpy(out, "<invalid>", sizeof "<invalid>");
    if (s <= 0)
        return two_units(out, 0, 's', 0, 's');
    if (s < 120)
        return two_units(out, s, 's', 0, 's');
    if (m < 10)
        return two_units(out, m, 'm', s % 60, 's');
    if (m < 180)
        return two_units(out, m, 'm', 0, 's');
    if (h < 8)
        return two_units(out, h, 'h', m % 60, 'm');
    if (h < 48)
        return two_units(out, h, 'h', 0, 'm');
    if (d < 8)
        return two_units(out, d, 'd', h % 24, 'h');
    if (d < 730)
        return two_units(out, d, 'd', 0, 'h');
    if (d < 2920)
        return two_units(out, d / 365, 'y', d % 365, 'd');
    return two_units(out, d / 365, 'y', 0, 'd');
}

/* ---- cells ---- */

struct row {
    struct buf_out *out;
    const cJSON *object;
    int64_t now_us;
};

static void comma(struct row *r)
{
    if (r->out->data[r->out->len - 1] != '[')
        buf_putc(r->out, ',');
}

static void cell(struct row *r, const char *text)
{
    comma(r);
    buf_put_json(r->out, text ? text : "");
}

static void cell_int(struct row *r, int64_t value)
{
    comma(r);
    buf_printf(r->out, "%" PRId64, value);
}

/* Takes the text of a builder. */
static void cell_take(struct row *r, struct buf_out *text, const char *when_empty)
{
    cell(r, text->len ? text->data : when_empty);
    buf_out_fini(text);
}

static int64_t int_of(const cJSON *obj, const char *name, int64_t fallback)
{
    int64_t value;
    return json_int(obj, name, INT64_MIN / 2, INT64_MAX / 2, &value) ? value : fallback;
}

static void age_text(const struct row *r, const char *timestamp, char out[24])
{
    int64_t at;
    if (!timestamp || !clock_parse(timestamp, &at))
        (void)snprintf(out, 24, "<unknown>");
    else
        table_age(r->now_us - at, out);
}

static void cell_age(struct row *r)
{
    char text[24];
    age_text(r, json_str(json_get(r->object, "metadata"), "creationTimestamp", NULL), text);
    cell(r, text);
}

static void cell_name(struct row *r)
{
    cell(r, json_str(json_get(r->object, "metadata"), "name", ""));
}

static void append(struct buf_out *out, const char *separator, const char *text)
{
    if (out->len)
        buf_puts(out, separator);
    buf_puts(out, text);
}

/* Member `name` of every element of an array, joined by commas. */
static void cell_joined(struct row *r, const cJSON *array, const char *name, const char *when_empty)
{
    struct buf_out text;
    buf_out_init(&text);
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        const char *value = name ? json_str(item, name, "") : cJSON_GetStringValue(item);
        append(&text, ",", value ? value : "");
    }
    cell_take(r, &text, when_empty);
}

/* {a: b} as "a=b,c=d". */
static void cell_map(struct row *r, const cJSON *map)
{
    struct buf_out text;
    buf_out_init(&text);
    const cJSON *item;
    cJSON_ArrayForEach(item, map)
    {
        append(&text, ",", item->string);
        buf_printf(&text, "=%s", cJSON_IsString(item) ? item->valuestring : "");
    }
    cell_take(r, &text, "<none>");
}

static void append_values(struct buf_out *out, const char *op, const cJSON *values)
{
    const cJSON *value;
    size_t n = 0;
    buf_puts(out, op);
    cJSON_ArrayForEach(value, values)
    {
        buf_printf(out, "%s%s", n++ ? "," : "(", cJSON_IsString(value) ? value->valuestring : "");
    }
    buf_puts(out, n ? ")" : "()");
}

/* A LabelSelector as text, as kubectl formats it. */
static void cell_selector(struct row *r, const cJSON *selector)
{
    struct buf_out text;
    buf_out_init(&text);
    const cJSON *item;
    cJSON_ArrayForEach(item, json_get(selector, "matchLabels"))
    {
        append(&text, ",", item->string);
        buf_printf(&text, "=%s", cJSON_IsString(item) ? item->valuestring : "");
    }
    cJSON_ArrayForEach(item, json_get(selector, "matchExpressions"))
    {
        const char *op = json_str(item, "operator", "");
        append(&text, ",", strcmp(op, "DoesNotExist") == 0 ? "!" : "");
        buf_puts(&text, json_str(item, "key", ""));
        if (strcmp(op, "In") == 0)
            append_values(&text, " in ", json_get(item, "values"));
        else if (strcmp(op, "NotIn") == 0)
            append_values(&text, " notin ", json_get(item, "values"));
    }
    cell_take(r, &text, "<none>");
}

static void cells_containers(struct row *r, const cJSON *template)
{
    const cJSON *containers = json_at(template, "spec", "containers", NULL);
    cell_joined(r, containers, "name", "<none>");
    cell_joined(r, containers, "image", "<none>");
}

/* ---- Pod ---- */

struct restarts {
    int64_t count;
    const char *last; /* latest finishedAt of a previous run */
};

struct pod_cells {
    char reason[96];
    struct restarts restarts;
    int64_t ready, total;
};

static void count_restarts(struct restarts *r, const cJSON *status)
{
    r->count += int_of(status, "restartCount", 0);
    const char *at = json_str(json_at(status, "lastState", "terminated", NULL), "finishedAt", NULL);
    if (at && (!r->last || strcmp(at, r->last) > 0))
        r->last = at;
}

static void set_terminated(struct pod_cells *p, const cJSON *terminated, const char *prefix)
{
    const char *reason = json_str(terminated, "reason", "");
    int64_t signal = int_of(terminated, "signal", 0);
    if (*reason)
        (void)snprintf(p->reason, sizeof p->reason, "%s%s", prefix, reason);
    else if (signal)
        (void)snprintf(p->reason, sizeof p->reason, "%sSignal:%" PRId64, prefix, signal);
    else
        (void)snprintf(p->reason, sizeof p->reason, "%sExitCode:%" PRId64, prefix,
                       int_of(terminated, "exitCode", 0));
}

static const cJSON *find_named(const cJSON *array, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        if (strcmp(json_str(item, "name", ""), name) == 0)
            return item;
    }
    return NULL;
}

static bool has_condition(const cJSON *object, const char *type, const char *status)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json_at(object, "status", "conditions", NULL))
    {
        if (strcmp(json_str(item, "type", ""), type) == 0)
            return strcmp(json_str(item, "status", ""), status) == 0;
    }
    return false;
}

static bool is_sidecar(const cJSON *container)
{
    return strcmp(json_str(container, "restartPolicy", ""), "Always") == 0;
}

/* Does the i-th init container hold the pod up? The reason then says which and how. */
static bool holds_up(struct pod_cells *p, const cJSON *status, const cJSON *container, int i,
                     int total)
{
    const cJSON *terminated = json_at(status, "state", "terminated", NULL);
    const char *waiting = json_str(json_at(status, "state", "waiting", NULL), "reason", "");
    if (terminated && int_of(terminated, "exitCode", 0) == 0)
        return false;
    if (is_sidecar(container) && json_bool(status, "started", false)) {
        p->ready += json_bool(status, "ready", false);
        return false;
    }
    if (terminated)
        set_terminated(p, terminated, "Init:");
    else if (*waiting && strcmp(waiting, "PodInitializing") != 0)
        (void)snprintf(p->reason, sizeof p->reason, "Init:%s", waiting);
    else
        (void)snprintf(p->reason, sizeof p->reason, "Init:%d/%d", i, total);
    return true;
}

/* True while the pod initializes. Restarts of init containers count as long as that lasts, those of
 * sidecars always. */
static bool init_containers(struct pod_cells *p, const cJSON *pod)
{
    const cJSON *inits = json_at(pod, "spec", "initContainers", NULL), *it;
    struct restarts all = {0}, sidecars = {0};
    bool initializing = false;
    int i = 0, total = cJSON_GetArraySize(inits);
    cJSON_ArrayForEach(it, inits) p->total += is_sidecar(it);
    cJSON_ArrayForEach(it, json_at(pod, "status", "initContainerStatuses", NULL))
    {
        const cJSON *container = find_named(inits, json_str(it, "name", ""));
        count_restarts(&all, it);
        if (is_sidecar(container))
            count_restarts(&sidecars, it);
        if ((initializing = holds_up(p, it, container, i++, total)))
            break;
    }
    initializing = initializing && !has_condition(pod, "Initialized", "True");
    p->restarts = initializing ? all : sidecars;
    return initializing;
}

static void main_containers(struct pod_cells *p, const cJSON *pod)
{
    bool running = false;
    const cJSON *statuses = json_at(pod, "status", "containerStatuses", NULL);
    for (int i = cJSON_GetArraySize(statuses) - 1; i >= 0; i--) {
        const cJSON *status = cJSON_GetArrayItem(statuses, i);
        count_restarts(&p->restarts, status);
        const char *waiting = json_str(json_at(status, "state", "waiting", NULL), "reason", "");
        const cJSON *terminated = json_at(status, "state", "terminated", NULL);
        if (*waiting) {
            (void)snprintf(p->reason, sizeof p->reason, "%s", waiting);
        } else if (terminated) {
            set_terminated(p, terminated, "");
        } else if (json_bool(status, "ready", false) && json_at(status, "state", "running", NULL)) {
            running = true;
            p->ready++;
        }
    }
    if (strcmp(p->reason, "Completed") == 0 && running)
        (void)snprintf(p->reason, sizeof p->reason, "%s",
                       has_condition(pod, "Ready", "True") ? "Running" : "NotReady");
}

static void pod_status(struct pod_cells *p, const cJSON *pod)
{
    const cJSON *status = json_get(pod, "status");
    const char *reason = json_str(status, "reason", "");
    p->total = cJSON_GetArraySize(json_at(pod, "spec", "containers", NULL));
    (void)snprintf(p->reason, sizeof p->reason, "%s", json_str(status, "phase", ""));
    if (*reason)
        (void)snprintf(p->reason, sizeof p->reason, "%s", reason);
    const cJSON *gates = json_at(pod, "spec", "schedulingGates", NULL);
    if (cJSON_GetArraySize(gates) > 0 && !json_str(json_get(pod, "spec"), "nodeName", NULL))
        (void)snprintf(p->reason, sizeof p->reason, "SchedulingGated");
    if (!init_containers(p, pod))
        main_containers(p, pod);
    if (!json_str(json_get(pod, "metadata"), "deletionTimestamp", NULL))
        return;
    const char *phase = json_str(status, "phase", "");
    if (strcmp(reason, "NodeLost") == 0)
        (void)snprintf(p->reason, sizeof p->reason, "Unknown");
    else if (strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0)
        (void)snprintf(p->reason, sizeof p->reason, "Terminating");
}

static void cell_gates(struct row *r, const cJSON *pod)
{
    const cJSON *gates = json_at(pod, "spec", "readinessGates", NULL), *gate;
    int total = cJSON_GetArraySize(gates), ready = 0;
    char text[32];
    cJSON_ArrayForEach(gate, gates) ready +=
        has_condition(pod, json_str(gate, "conditionType", ""), "True");
    (void)snprintf(text, sizeof text, "%d/%d", ready, total);
    cell(r, total ? text : "<none>");
}

static const char *or_none(const char *text)
{
    return text && *text ? text : "<none>";
}

static void pod_cells(struct row *r)
{
    struct pod_cells p = {.ready = 0};
    const cJSON *status = json_get(r->object, "status");
    char text[64], age[24];
    pod_status(&p, r->object);
    cell_name(r);
    (void)snprintf(text, sizeof text, "%" PRId64 "/%" PRId64, p.ready, p.total);
    cell(r, text);
    cell(r, p.reason);
    if (p.restarts.count && p.restarts.last) {
        age_text(r, p.restarts.last, age);
        (void)snprintf(text, sizeof text, "%" PRId64 " (%s ago)", p.restarts.count, age);
    } else {
        (void)snprintf(text, sizeof text, "%" PRId64, p.restarts.count);
    }
    cell(r, text);
    cell_age(r);
    const char *ip = json_str(cJSON_GetArrayItem(json_get(status, "podIPs"), 0), "ip", NULL);
    cell(r, or_none(ip ? ip : json_str(status, "podIP", NULL)));
    cell(r, or_none(json_str(json_get(r->object, "spec"), "nodeName", NULL)));
    cell(r, or_none(json_str(status, "nominatedNodeName", NULL)));
    cell_gates(r, r->object);
}

/* ---- workloads ---- */

static void set_cells(struct row *r)
{
    const cJSON *spec = json_get(r->object, "spec"), *status = json_get(r->object, "status");
    char text[64];
    cell_name(r);
    (void)snprintf(text, sizeof text, "%" PRId64 "/%" PRId64, int_of(status, "readyReplicas", 0),
                   int_of(spec, "replicas", 1));
    cell(r, text);
    cell_age(r);
    cells_containers(r, json_get(spec, "template"));
}

static void replicaset_cells(struct row *r)
{
    const cJSON *spec = json_get(r->object, "spec"), *status = json_get(r->object, "status");
    cell_name(r);
    cell_int(r, int_of(spec, "replicas", 1));
    cell_int(r, int_of(status, "replicas", 0));
    cell_int(r, int_of(status, "readyReplicas", 0));
    cell_age(r);
    cells_containers(r, json_get(spec, "template"));
    cell_selector(r, json_get(spec, "selector"));
}

static void scale_cells(struct row *r)
{
    cell_name(r);
    cell_int(r, int_of(json_get(r->object, "spec"), "replicas", 0));
    cell_int(r, int_of(json_get(r->object, "status"), "replicas", 0));
    cell_age(r);
}

static void revision_cells(struct row *r)
{
    char text[320] = "<none>";
    const cJSON *owner;
    cJSON_ArrayForEach(owner, json_at(r->object, "metadata", "ownerReferences", NULL))
    {
        if (!json_bool(owner, "controller", false))
            continue;
        const char *api_version = json_str(owner, "apiVersion", ""),
                   *kind = json_str(owner, "kind", "");
        const char *slash = strchr(api_version, '/');
        char lower[64];
        size_t n = 0;
        for (; kind[n] && n + 1 < sizeof lower; n++)
            lower[n] = (char)(kind[n] >= 'A' && kind[n] <= 'Z' ? kind[n] - 'A' + 'a' : kind[n]);
        lower[n] = '\0';
        (void)snprintf(text, sizeof text, "%s%s%.*s/%s", lower, slash ? "." : "",
                       slash ? (int)(slash - api_version) : 0, api_version,
                       json_str(owner, "name", ""));
    }
    cell_name(r);
    cell(r, text);
    cell_int(r, int_of(r->object, "revision", 0));
    cell_age(r);
}

/* ---- Service and endpoints ---- */

static void cell_external(struct row *r, const cJSON *spec, const char *type)
{
    struct buf_out text;
    buf_out_init(&text);
    const cJSON *item;
    if (strcmp(type, "ExternalName") == 0) {
        cell(r, or_none(json_str(spec, "externalName", "")));
        return;
    }
    if (strcmp(type, "LoadBalancer") == 0) {
        cJSON_ArrayForEach(item, json_at(r->object, "status", "loadBalancer", "ingress", NULL))
            append(&text, ",", json_str(item, "ip", json_str(item, "hostname", "")));
    }
    cJSON_ArrayForEach(item, json_get(spec, "externalIPs"))
        append(&text, ",", cJSON_IsString(item) ? item->valuestring : "");
    cell_take(r, &text, strcmp(type, "LoadBalancer") == 0 ? "<pending>" : "<none>");
}

static void service_cells(struct row *r)
{
    const cJSON *spec = json_get(r->object, "spec"), *port;
    const char *type = json_str(spec, "type", "ClusterIP");
    struct buf_out ports;
    buf_out_init(&ports);
    cell_name(r);
    cell(r, type);
    cell(r, or_none(json_str(spec, "clusterIP", "")));
    cell_external(r, spec, type);
    cJSON_ArrayForEach(port, json_get(spec, "ports"))
    {
        char text[64];
        int64_t node = int_of(port, "nodePort", 0);
        if (node)
            (void)snprintf(text, sizeof text, "%" PRId64 ":%" PRId64 "/%s", int_of(port, "port", 0),
                           node, json_str(port, "protocol", "TCP"));
        else
            (void)snprintf(text, sizeof text, "%" PRId64 "/%s", int_of(port, "port", 0),
                           json_str(port, "protocol", "TCP"));
        append(&ports, ",", text);
    }
    cell_take(r, &ports, "<none>");
    cell_age(r);
    cell_map(r, json_get(spec, "selector"));
}

/* At most `max` texts, then "+ n more...". */
static void append_limited(struct buf_out *out, size_t *count, size_t max, const char *text)
{
    if ((*count)++ < max)
        append(out, ",", text);
}

static void take_limited(struct row *r, struct buf_out *text, size_t count, size_t max,
                         const char *when_empty)
{
    if (count > max)
        buf_printf(text, " + %zu more...", count - max);
    cell_take(r, text, when_empty);
}

static void slice_cells(struct row *r)
{
    struct buf_out ports, addresses;
    size_t port_count = 0, address_count = 0;
    const cJSON *item, *address;
    buf_out_init(&ports);
    buf_out_init(&addresses);
    cell_name(r);
    cell(r, json_str(r->object, "addressType", ""));
    cJSON_ArrayForEach(item, json_get(r->object, "ports"))
    {
        char text[32];
        int64_t port;
        bool known = json_int(item, "port", 0, 65535, &port);
        (void)snprintf(text, sizeof text, "%" PRId64, known ? port : 0);
        append_limited(&ports, &port_count, 3, known ? text : "*");
    }
    take_limited(r, &ports, port_count, 3, "<unset>");
    cJSON_ArrayForEach(item, json_get(r->object, "endpoints"))
    {
        cJSON_ArrayForEach(address, json_get(item, "addresses")) append_limited(
            &addresses, &address_count, 3, cJSON_IsString(address) ? address->valuestring : "");
    }
    take_limited(r, &addresses, address_count, 3, "<unset>");
    cell_age(r);
}

static void endpoints_cells(struct row *r)
{
    struct buf_out text;
    size_t count = 0;
    const cJSON *subset, *address, *port;
    buf_out_init(&text);
    cJSON_ArrayForEach(subset, json_get(r->object, "subsets"))
    {
        const cJSON *ports = json_get(subset, "ports");
        cJSON_ArrayForEach(address, json_get(subset, "addresses"))
        {
            const char *ip = json_str(address, "ip", "");
            if (cJSON_GetArraySize(ports) == 0)
                append_limited(&text, &count, 3, ip);
            cJSON_ArrayForEach(port, ports)
            {
                char pair[96];
                (void)snprintf(pair, sizeof pair, strchr(ip, ':') ? "[%s]:%" PRId64 : "%s:%" PRId64,
                               ip, int_of(port, "port", 0));
                append_limited(&text, &count, 3, pair);
            }
        }
    }
    cell_name(r);
    take_limited(r, &text, count, 3, "<none>");
    cell_age(r);
}

/* ---- storage ---- */

static void cell_modes(struct row *r, const cJSON *modes)
{
    static const struct {
        const char *mode, *text;
    } known[] = {{"ReadWriteOnce", "RWO"},
                 {"ReadOnlyMany", "ROX"},
                 {"ReadWriteMany", "RWX"},
                 {"ReadWriteOncePod", "RWOP"}};
    struct buf_out text;
    buf_out_init(&text);
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        const cJSON *item;
        cJSON_ArrayForEach(item, modes)
        {
            if (cJSON_IsString(item) && strcmp(item->valuestring, known[i].mode) == 0) {
                append(&text, ",", known[i].text);
                break;
            }
        }
    }
    cell_take(r, &text, "");
}

static const char *phase_or_terminating(const cJSON *object)
{
    if (json_str(json_get(object, "metadata"), "deletionTimestamp", NULL))
        return "Terminating";
    return json_str(json_get(object, "status"), "phase", "");
}

static const char *class_of(const cJSON *object, const char *when_none)
{
    const char *old = json_str(json_at(object, "metadata", "annotations", NULL),
                               "volume.beta.kubernetes.io/storage-class", NULL);
    return old ? old : json_str(json_get(object, "spec"), "storageClassName", when_none);
}

static void claim_cells(struct row *r)
{
    const cJSON *spec = json_get(r->object, "spec"), *status = json_get(r->object, "status");
    const char *volume = json_str(spec, "volumeName", "");
    cell_name(r);
    cell(r, phase_or_terminating(r->object));
    cell(r, volume);
    cell(r, *volume ? json_str(json_get(status, "capacity"), "storage", "0") : "");
    cell_modes(r, *volume ? json_get(status, "accessModes") : NULL);
    cell(r, class_of(r->object, ""));
    cell(r, json_str(spec, "volumeAttributesClassName", "<unset>"));
    cell_age(r);
    cell(r, json_str(spec, "volumeMode", "<unset>"));
}

static void volume_cells(struct row *r)
{
    const cJSON *spec = json_get(r->object, "spec"), *ref = json_get(spec, "claimRef");
    char claim[512] = "";
    if (ref)
        (void)snprintf(claim, sizeof claim, "%s/%s", json_str(ref, "namespace", ""),
                       json_str(ref, "name", ""));
    cell_name(r);
    cell(r, json_str(json_get(spec, "capacity"), "storage", "0"));
    cell_modes(r, json_get(spec, "accessModes"));
    cell(r, json_str(spec, "persistentVolumeReclaimPolicy", ""));
    cell(r, phase_or_terminating(r->object));
    cell(r, claim);
    cell(r, class_of(r->object, ""));
    cell(r, json_str(spec, "volumeAttributesClassName", "<unset>"));
    cell(r, json_str(json_get(r->object, "status"), "reason", ""));
    cell_age(r);
    cell(r, json_str(spec, "volumeMode", "<unset>"));
}

static void class_cells(struct row *r)
{
    char name[320];
    const cJSON *notes = json_at(r->object, "metadata", "annotations", NULL);
    bool is_default =
        strcmp(json_str(notes, "storageclass.kubernetes.io/is-default-class", ""), "true") == 0 ||
        strcmp(json_str(notes, "storageclass.beta.kubernetes.io/is-default-class", ""), "true") ==
            0;
    (void)snprintf(name, sizeof name, "%s%s", json_str(json_get(r->object, "metadata"), "name", ""),
                   is_default ? " (default)" : "");
    cell(r, name);
    cell(r, json_str(r->object, "provisioner", ""));
    cell(r, json_str(r->object, "reclaimPolicy", "Delete"));
    cell(r, json_str(r->object, "volumeBindingMode", "Immediate"));
    comma(r);
    buf_puts(r->out, json_bool(r->object, "allowVolumeExpansion", false) ? "true" : "false");
    cell_age(r);
}

/* ---- cluster ---- */

static const char *node_address(const cJSON *node, const char *type)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json_at(node, "status", "addresses", NULL))
    {
        if (strcmp(json_str(item, "type", ""), type) == 0)
            return json_str(item, "address", "<none>");
    }
    return "<none>";
}

static void cell_roles(struct row *r)
{
    static const char prefix[] = "node-role.kubernetes.io/";
    struct buf_out text;
    buf_out_init(&text);
    const cJSON *label;
    cJSON_ArrayForEach(label, json_at(r->object, "metadata", "labels", NULL))
    {
        if (strncmp(label->string, prefix, sizeof prefix - 1) == 0 &&
            label->string[sizeof prefix - 1])
            append(&text, ",", label->string + sizeof prefix - 1);
        else if (strcmp(label->string, "kubernetes.io/role") == 0 && cJSON_IsString(label) &&
                 *label->valuestring)
            append(&text, ",", label->valuestring);
    }
    cell_take(r, &text, "<none>");
}

static void node_cells(struct row *r)
{
    const cJSON *info = json_at(r->object, "status", "nodeInfo", NULL), *item;
    struct buf_out text;
    buf_out_init(&text);
    cell_name(r);
    cJSON_ArrayForEach(item, json_at(r->object, "status", "conditions", NULL))
    {
        if (strcmp(json_str(item, "type", ""), "Ready") == 0)
            append(&text, ",",
                   strcmp(json_str(item, "status", ""), "True") == 0 ? "Ready" : "NotReady");
    }
    if (!text.len)
        buf_puts(&text, "Unknown");
    if (json_bool(json_get(r->object, "spec"), "unschedulable", false))
        append(&text, ",", "SchedulingDisabled");
    cell_take(r, &text, "");
    cell_roles(r);
    cell_age(r);
    cell(r, json_str(info, "kubeletVersion", ""));
    cell(r, node_address(r->object, "InternalIP"));
    cell(r, node_address(r->object, "ExternalIP"));
    cell(r, json_str(info, "osImage", "<unknown>"));
    cell(r, json_str(info, "kernelVersion", "<unknown>"));
    cell(r, json_str(info, "containerRuntimeVersion", "<unknown>"));
}

static void namespace_cells(struct row *r)
{
    cell_name(r);
    cell(r, json_str(json_get(r->object, "status"), "phase", ""));
    cell_age(r);
}

static void lease_cells(struct row *r)
{
    cell_name(r);
    cell(r, json_str(json_get(r->object, "spec"), "holderIdentity", ""));
    cell_age(r);
}

static void config_cells(struct row *r)
{
    cell_name(r);
    cell_int(r, cJSON_GetArraySize(json_get(r->object, "data")) +
                    cJSON_GetArraySize(json_get(r->object, "binaryData")));
    cell_age(r);
}

static void identity_cells(struct row *r)
{
    cell_name(r);
    cell_int(r, int_of(r->object, "epoch", 0));
    cell(r, or_none(json_str(r->object, "nodeName", NULL)));
    cell_joined(r, json_get(r->object, "addresses"), NULL, "<none>");
    cell_age(r);
}

/* Both dresses of an Event. */
static void event_cells(struct row *r)
{
    const cJSON *e = r->object;
    const cJSON *about = json_get(e, "involvedObject");
    about = about ? about : json_get(e, "regarding");
    const cJSON *source = json_get(e, "source");
    source = source ? source : json_get(e, "deprecatedSource");
    const char *created = json_str(json_get(e, "metadata"), "creationTimestamp", NULL);
    const char *when = json_str(e, "eventTime", created);
    const char *first =
        json_str(e, "firstTimestamp", json_str(e, "deprecatedFirstTimestamp", when));
    const char *last = json_str(e, "lastTimestamp", json_str(e, "deprecatedLastTimestamp", first));
    const char *series = json_str(json_get(e, "series"), "lastObservedTime", NULL);
    int64_t count = int_of(e, "count", int_of(e, "deprecatedCount", 1));
    char text[600], kind[64];
    size_t n = 0;
    for (const char *k = json_str(about, "kind", ""); k[n] && n + 1 < sizeof kind; n++)
        kind[n] = (char)(k[n] >= 'A' && k[n] <= 'Z' ? k[n] - 'A' + 'a' : k[n]);
    kind[n] = '\0';

    age_text(r, series ? series : last, text);
    cell(r, text);
    cell(r, json_str(e, "type", ""));
    cell(r, json_str(e, "reason", ""));
    (void)snprintf(text, sizeof text, "%s/%s", kind, json_str(about, "name", ""));
    cell(r, text);
    cell(r, json_str(about, "fieldPath", ""));
    const char *component =
        json_str(source, "component",
                 json_str(e, "reportingComponent", json_str(e, "reportingController", "")));
    const char *host = json_str(source, "host", json_str(e, "reportingInstance", ""));
    (void)snprintf(text, sizeof text, "%s%s%s", component, *host ? ", " : "", host);
    cell(r, text);
    cell(r, json_str(e, "message", json_str(e, "note", "")));
    age_text(r, first, text);
    cell(r, text);
    cell_int(r, int_of(json_get(e, "series"), "count", count > 0 ? count : 1));
    cell_name(r);
}

static void plain_cells(struct row *r)
{
    cell_name(r);
    cell_age(r);
}

/* ---- columns: "Name", "Replicas:i" for integers, "IP+" for wide only, ":b" for booleans ---- */

struct table_row {
    const char *kind_name;
    const char *columns;
    void (*cells)(struct row *r);
};

static const struct table_row tables[] = {
    {"Pod", "Name|Ready|Status|Restarts|Age|IP+|Node+|Nominated Node+|Readiness Gates+", pod_cells},
    {"StatefulSet", "Name|Ready|Age|Containers+|Images+", set_cells},
    {"ReplicaSet", "Name|Desired:i|Current:i|Ready:i|Age|Containers+|Images+|Selector+",
     replicaset_cells},
    {"Service", "Name|Type|Cluster-IP|External-IP|Port(s)|Age|Selector+", service_cells},
    {"PersistentVolumeClaim",
     "Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|VolumeMode+",
     claim_cells},
    {"PersistentVolume",
     "Name|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|"
     "Reason|Age|VolumeMode+",
     volume_cells},
    {"StorageClass", "Name|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion:b|Age",
     class_cells},
    {"Node",
     "Name|Status|Roles|Age|Version|Internal-IP+|External-IP+|OS-Image+|Kernel-Version+|"
     "Container-Runtime+",
     node_cells},
    {"Namespace", "Name|Status|Age", namespace_cells},
    {"EndpointSlice", "Name|AddressType|Ports|Endpoints|Age", slice_cells},
    {"Endpoints", "Name|Endpoints|Age", endpoints_cells},
    {"ControllerRevision", "Name|Controller|Revision:i|Age", revision_cells},
    {"Lease", "Name|Holder|Age", lease_cells},
    {"Event", "Last Seen|Type|Reason|Object|Subobject+|Source+|Message|First Seen+|Count:i+|Name+",
     event_cells},
    {"ConfigMap", "Name|Data:i|Age", config_cells},
    {"Identity", "Name|Epoch:i|Node|Held Addresses|Age", identity_cells},
    {"Scale", "Name|Desired:i|Available:i|Age", scale_cells},
};

static const struct table_row *table_of(const struct resource *res, const char *sub)
{
    static const struct table_row plain = {"", "Name|Age", plain_cells};
    const char *name = sub && strcmp(sub, "scale") == 0 ? "Scale" : res->kind_name;
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
        if (strcmp(tables[i].kind_name, name) == 0)
            return &tables[i];
    return &plain;
}

void table_write_columns(struct buf_out *out, const struct resource *res, const char *sub)
{
    buf_putc(out, '[');
    for (const char *at = table_of(res, sub)->columns; *at;) {
        size_t len = strcspn(at, "|"), name = strcspn(at, ":+|");
        const char *type = "string";
        if (memmem(at, len, ":i", 2))
            type = "integer";
        else if (memmem(at, len, ":b", 2))
            type = "boolean";
        bool is_name = name == 4 && strncmp(at, "Name", 4) == 0;
        buf_printf(out,
                   "%s{\"name\":\"%.*s\",\"type\":\"%s\",\"format\":\"%s\",\"description\":\"\","
                   "\"priority\":%d}",
                   out->data[out->len - 1] == '[' ? "" : ",", (int)name, at, type,
                   is_name ? "name" : "", at[len - 1] == '+');
        at += len;
        at += *at == '|';
    }
    buf_putc(out, ']');
}

void table_write_cells(struct buf_out *out, const struct resource *res, const char *sub,
                       const cJSON *object, int64_t now_us)
{
    struct row r = {.out = out, .object = object, .now_us = now_us};
    buf_putc(out, '[');
    table_of(res, sub)->cells(&r);
    buf_putc(out, ']');
}
