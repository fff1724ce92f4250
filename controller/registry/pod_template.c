/* controller/registry/pod_template.c - PodSpec, as pods and templates have it: defaults (R71) and
 * validation. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "controller/registry/patch_tree.h"
#include "controller/registry/strategy.h"

static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};

/* ---- defaults ---- */

/* "Always" for a floating tag (none, or latest), else "IfNotPresent". */
static const char *pull_policy(const char *image)
{
    const char *at = strchr(image, '@');
    const char *slash = strrchr(image, '/');
    const char *colon = strrchr(slash ? slash : image, ':');
    if (at)
        return "IfNotPresent";
    return !colon || strcmp(colon, ":latest") == 0 ? "Always" : "IfNotPresent";
}

static void probe_defaults(cJSON *probe)
{
    if (!probe || !cJSON_IsObject(probe))
        return;
    default_int(probe, "timeoutSeconds", 1);
    default_int(probe, "periodSeconds", 10);
    default_int(probe, "successThreshold", 1);
    default_int(probe, "failureThreshold", 3);
    cJSON *http = json_get(probe, "httpGet"), *grpc = json_get(probe, "grpc");
    if (http) {
        default_str(http, "path", "/");
        default_str(http, "scheme", "HTTP");
    }
    if (grpc && !json_get(grpc, "service"))
        json_set_str(grpc, "service", "");
}

/* A limit without request is requested too. */
static void request_defaults(cJSON *container)
{
    const cJSON *limits = json_at(container, "resources", "limits", NULL);
    for (const cJSON *it = limits ? limits->child : NULL; it; it = it->next) {
        cJSON *requests = json_obj(json_obj(container, "resources"), "requests");
        if (!json_get(requests, it->string))
            json_set(requests, it->string, tree_dup(it));
    }
}

static void container_defaults(cJSON *container)
{
    cJSON *ports = json_get(container, "ports"), *env = json_get(container, "env");
    default_str(container, "terminationMessagePath", "/dev/termination-log");
    default_str(container, "terminationMessagePolicy", "File");
    default_str(container, "imagePullPolicy", pull_policy(json_str(container, "image", "")));
    if (!json_get(container, "resources"))
        (void)json_obj(container, "resources");
    for (cJSON *it = ports ? ports->child : NULL; it; it = it->next)
        if (cJSON_IsObject(it))
            default_str(it, "protocol", "TCP");
    for (cJSON *it = env ? env->child : NULL; it; it = it->next) {
        cJSON *ref = json_at(it, "valueFrom", "fieldRef", NULL);
        if (ref)
            default_str(ref, "apiVersion", "v1");
    }
    probe_defaults(json_get(container, "livenessProbe"));
    probe_defaults(json_get(container, "readinessProbe"));
    probe_defaults(json_get(container, "startupProbe"));
    request_defaults(container);
}

static void volume_source_defaults(cJSON *volume)
{
    static const char *const with_mode[] = {"secret", "configMap", "downwardAPI", "projected"};
    for (size_t i = 0; i < sizeof(with_mode) / sizeof(*with_mode); i++) {
        cJSON *source = json_get(volume, with_mode[i]);
        if (source)
            default_int(source, "defaultMode", 0644);
    }
    cJSON *host = json_get(volume, "hostPath"),
          *claim = json_at(volume, "ephemeral", "volumeClaimTemplate", NULL);
    if (host && !json_get(host, "type"))
        json_set_str(host, "type", "");
    if (claim)
        claim_spec_defaults(json_obj(claim, "spec"));
    if (volume->child && !volume->child->next && json_get(volume, "name"))
        (void)json_obj(volume, "emptyDir");
}

void pod_spec_defaults(cJSON *spec)
{
    static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        cJSON *list = json_get(spec, lists[i]);
        for (cJSON *it = list ? list->child : NULL; it; it = it->next)
            if (cJSON_IsObject(it))
                container_defaults(it);
    }
    cJSON *volumes = json_get(spec, "volumes");
    for (cJSON *it = volumes ? volumes->child : NULL; it; it = it->next)
        if (cJSON_IsObject(it))
            volume_source_defaults(it);
    default_str(spec, "restartPolicy", "Always");
    default_int(spec, "terminationGracePeriodSeconds", 30);
    default_str(spec, "dnsPolicy", "ClusterFirst");
    if (!json_get(spec, "securityContext"))
        (void)json_obj(spec, "securityContext");
    default_str(spec, "schedulerName", "default-scheduler");
    if (json_get(spec, "serviceAccountName") && !json_get(spec, "serviceAccount"))
        json_set_str(spec, "serviceAccount", json_str(spec, "serviceAccountName", ""));
}

/* ---- containers ---- */

static void check_container_port(struct issues *is, const struct path *path, const cJSON *port)
{
    const char *name = json_str(port, "name", "");
    const char *error = *name ? port_name_error(name) : NULL;
    if (error)
        issue_invalid(is, AT(path, "name"), name, error);
    if (!json_get(port, "containerPort"))
        issue_required(is, AT(path, "containerPort"), "");
    else
        check_port(is, AT(path, "containerPort"), json_get(port, "containerPort"));
    int64_t host_port = 0;
    (void)json_int(port, "hostPort", INT32_MIN, INT32_MAX, &host_port);
    if (host_port != 0)
        check_port(is, AT(path, "hostPort"), json_get(port, "hostPort"));
    check_enum(is, path, port, "protocol", protocols, true);
}

/* Is `name` the name of an element before `item`? */
static bool is_repeated(const cJSON *list, const cJSON *item, const char *member)
{
    const char *name = json_str(item, member, "");
    for (const cJSON *it = list->child; it != item; it = it->next)
        if (*name && strcmp(json_str(it, member, ""), name) == 0)
            return true;
    return false;
}

static void check_env(struct issues *is, const struct path *path, const cJSON *env)
{
    size_t i = 0;
    for (const cJSON *it = env ? env->child : NULL; it; it = it->next, i++) {
        const char *name = json_str(it, "name", "");
        if (*name == '\0')
            issue_required(is, AT(AT_INDEX(path, i), "name"), "");
        else if (strchr(name, '='))
            issue_invalid(is, AT(AT_INDEX(path, i), "name"), name,
                          "a valid environment variable name must consist only of printable ASCII "
                          "characters other "
                          "than '='");
        if (json_get(it, "valueFrom") && *json_str(it, "value", "") != '\0')
            issue_invalid(is, AT(AT_INDEX(path, i), "valueFrom"), "",
                          "may not be specified when `value` is not empty");
    }
}

static void check_resources(struct issues *is, const struct path *path, const cJSON *resources)
{
    static const char *const lists[] = {"limits", "requests"};
    for (size_t i = 0; i < 2; i++) {
        const cJSON *amounts = json_get(resources, lists[i]);
        for (const cJSON *it = amounts ? amounts->child : NULL; it; it = it->next) {
            const char *error = qualified_name_error(it->string);
            if (error)
                issue_invalid(is, AT(path, lists[i]), it->string, error);
            check_quantity(is, AT_KEY(AT(path, lists[i]), it->string), it, false);
        }
    }
}

/* What containers may mount: volumes of the spec, and claim templates of a set (NULL: none), which
 * become volumes (R13). */
struct mountable {
    const cJSON *volumes, *claims;
};

static bool is_mountable(const struct mountable *have, const char *name)
{
    for (const cJSON *v = have->volumes ? have->volumes->child : NULL; v; v = v->next)
        if (strcmp(json_str(v, "name", ""), name) == 0)
            return true;
    for (const cJSON *v = have->claims ? have->claims->child : NULL; v; v = v->next)
        if (strcmp(json_str(json_get(v, "metadata"), "name", ""), name) == 0)
            return true;
    return false;
}

static void check_mounts(struct issues *is, const struct path *path, const cJSON *container,
                         const struct mountable *have)
{
    const cJSON *mounts = json_get(container, "volumeMounts");
    size_t i = 0;
    for (const cJSON *it = mounts ? mounts->child : NULL; it; it = it->next, i++) {
        const struct path *at = AT_INDEX(AT(path, "volumeMounts"), i);
        const char *name = json_str(it, "name", ""), *mount_path = json_str(it, "mountPath", "");
        if (*name == '\0')
            issue_required(is, AT(at, "name"), "");
        else if (!is_mountable(have, name))
            issue_not_found(is, AT(at, "name"), name);
        if (*mount_path == '\0')
            issue_required(is, AT(at, "mountPath"), "");
        else if (is_repeated(mounts, it, "mountPath"))
            issue_invalid(is, AT(at, "mountPath"), mount_path, "must be unique");
    }
}

static void check_probe(struct issues *is, const struct path *path, const cJSON *probe)
{
    static const char *const numbers[] = {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                                          "successThreshold", "failureThreshold"};
    static const char *const handlers[] = {"exec", "httpGet", "tcpSocket", "grpc"};
    size_t count = 0;
    if (!probe)
        return;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        check_non_negative(is, AT(path, numbers[i]), json_get(probe, numbers[i]));
    for (size_t i = 0; i < sizeof(handlers) / sizeof(*handlers); i++) {
        if (!json_get(probe, handlers[i]))
            continue;
        if (++count > 1)
            issue_forbidden(is, AT(path, handlers[i]), "may not specify more than 1 handler type");
    }
    if (count == 0)
        issue_required(is, path, "must specify a handler type");
}

static void check_container(struct issues *is, const struct path *path, const cJSON *container,
                            const struct mountable *have)
{
    static const char *const pull_policies[] = {"Always", "IfNotPresent", "Never", NULL};
    static const char *const message_policies[] = {"FallbackToLogsOnError", "File", NULL};
    static const char *const probes[] = {"livenessProbe", "readinessProbe", "startupProbe"};
    const char *name = json_str(container, "name", ""), *image = json_str(container, "image", "");
    const char *error = *name ? dns_label_error(name) : NULL;
    if (*name == '\0')
        issue_required(is, AT(path, "name"), "");
    else if (error)
        issue_invalid(is, AT(path, "name"), name, error);
    if (*image == '\0')
        issue_required(is, AT(path, "image"), "");
    else if (image[0] == ' ' || image[strlen(image) - 1] == ' ')
        issue_invalid(is, AT(path, "image"), image, "must not have leading or trailing whitespace");
    check_enum(is, path, container, "imagePullPolicy", pull_policies, true);
    check_enum(is, path, container, "terminationMessagePolicy", message_policies, true);
    const cJSON *ports = json_get(container, "ports");
    size_t i = 0;
    for (const cJSON *it = ports ? ports->child : NULL; it; it = it->next, i++) {
        check_container_port(is, AT_INDEX(AT(path, "ports"), i), it);
        if (is_repeated(ports, it, "name"))
            issue_duplicate(is, AT(AT_INDEX(AT(path, "ports"), i), "name"),
                            json_str(it, "name", ""));
    }
    check_env(is, AT(path, "env"), json_get(container, "env"));
    check_resources(is, AT(path, "resources"), json_get(container, "resources"));
    check_mounts(is, path, container, have);
    for (size_t k = 0; k < 3; k++)
        check_probe(is, AT(path, probes[k]), json_get(container, probes[k]));
}

static void check_containers(struct issues *is, const struct path *path, const cJSON *spec,
                             const cJSON *claims)
{
    const struct mountable have = {json_get(spec, "volumes"), claims};
    static const char *const lists[] = {"containers", "initContainers"};
    for (size_t k = 0; k < 2; k++) {
        const cJSON *list = json_get(spec, lists[k]), *others = json_get(spec, lists[0]);
        size_t i = 0;
        if (k == 0 && (!list || !list->child))
            issue_required(is, AT(path, lists[k]), "");
        for (const cJSON *it = list ? list->child : NULL; it; it = it->next, i++) {
            const char *name = json_str(it, "name", "");
            bool repeated = is_repeated(list, it, "name");
            check_container(is, AT_INDEX(AT(path, lists[k]), i), it, &have);
            for (const cJSON *other = k && others ? others->child : NULL; other;
                 other = other->next)
                repeated = repeated || (*name && strcmp(json_str(other, "name", ""), name) == 0);
            if (repeated)
                issue_duplicate(is, AT(AT_INDEX(AT(path, lists[k]), i), "name"), name);
        }
    }
}

/* ---- the rest of the spec ---- */

static void check_volumes(struct issues *is, const struct path *path, const cJSON *volumes)
{
    size_t i = 0;
    for (const cJSON *it = volumes ? volumes->child : NULL; it; it = it->next, i++) {
        const struct path *at = AT_INDEX(path, i);
        const char *name = json_str(it, "name", "");
        const char *error = *name ? dns_label_error(name) : NULL;
        size_t sources = 0;
        for (const cJSON *member = it->child; member; member = member->next) {
            if (strcmp(member->string, "name") == 0)
                continue;
            if (++sources > 1)
                issue_forbidden(is, AT(at, member->string),
                                "may not specify more than 1 volume type");
        }
        if (*name == '\0')
            issue_required(is, AT(at, "name"), "");
        else if (error)
            issue_invalid(is, AT(at, "name"), name, error);
        else if (is_repeated(volumes, it, "name"))
            issue_duplicate(is, AT(at, "name"), name);
        const cJSON *claim = json_get(it, "persistentVolumeClaim");
        if (claim && *json_str(claim, "claimName", "") == '\0')
            issue_required(is, AT(AT(at, "persistentVolumeClaim"), "claimName"), "");
    }
}

void pod_tolerations_validate(struct issues *is, const struct path *path, const cJSON *list)
{
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    size_t i = 0;
    for (const cJSON *it = list ? list->child : NULL; it; it = it->next, i++) {
        const struct path *at = AT_INDEX(path, i);
        const char *key = json_str(it, "key", ""), *op = json_str(it, "operator", ""),
                   *effect = json_str(it, "effect", ""), *value = json_str(it, "value", "");
        const char *error = *key ? qualified_name_error(key) : NULL;
        bool is_equal = *op == '\0' || strcmp(op, "Equal") == 0;
        if (error)
            issue_invalid(is, AT(at, "key"), key, error);
        if (*key == '\0' && strcmp(op, "Exists") != 0)
            issue_invalid(is, AT(at, "operator"), op,
                          "operator must be Exists when `key` is empty, which means \"match all "
                          "values and all keys\"");
        if (json_get(it, "tolerationSeconds") && strcmp(effect, "NoExecute") != 0)
            issue_invalid(is, AT(at, "effect"), effect,
                          "effect must be 'NoExecute' when `tolerationSeconds` is set");
        error = is_equal ? label_value_error(value) : NULL;
        static const char *const ops[] = {"Equal", "Exists", NULL};
        if (error)
            issue_invalid(is, AT(at, "operator"), value, error);
        else if (!is_equal && strcmp(op, "Exists") == 0 && *value)
            issue_invalid(is, AT(at, "operator"), value,
                          "value must be empty when `operator` is 'Exists'");
        else if (!is_equal && strcmp(op, "Exists") != 0)
            issue_unsupported(is, AT(at, "operator"), op, ops);
        if (*effect && !text_is_one_of(effect, effects))
            issue_unsupported(is, AT(at, "effect"), effect, effects);
    }
}

static void check_host_names(struct issues *is, const struct path *path, const cJSON *spec)
{
    static const char *const names[] = {"hostname", "subdomain"};
    for (size_t i = 0; i < 2; i++) {
        const char *name = json_str(spec, names[i], "");
        const char *error = *name ? dns_label_error(name) : NULL;
        if (error)
            issue_invalid(is, AT(path, names[i]), name, error);
    }
}

/* schedulingGates and readinessGates: lists of qualified names. */
static void check_gates(struct issues *is, const struct path *path, const cJSON *gates,
                        const char *member)
{
    size_t i = 0;
    for (const cJSON *it = gates ? gates->child : NULL; it; it = it->next, i++) {
        const char *name = json_str(it, member, ""), *error = qualified_name_error(name);
        if (error)
            issue_invalid(is, AT(AT_INDEX(path, i), member), name, error);
    }
}

/* ---- bounds: parts with names are compared in pairs ---- */

#define PARTS_MAX 2000

static size_t length_of(const cJSON *list)
{
    return list ? (size_t)cJSON_GetArraySize(list) : 0;
}

static bool fits(struct issues *is, const struct path *path, size_t count)
{
    if (count > PARTS_MAX)
        issue_too_many(is, path, count, PARTS_MAX);
    return count <= PARTS_MAX;
}

/* Containers, volumes, claims, and what all containers together have of ports and mounts. */
static bool parts_fit(struct issues *is, const struct path *path, const cJSON *spec,
                      const cJSON *claims)
{
    static const char *const lists[] = {"containers", "initContainers"};
    size_t ports = 0, mounts = 0;
    for (size_t k = 0; k < 2; k++) {
        const cJSON *list = json_get(spec, lists[k]);
        if (!fits(is, AT(path, lists[k]), length_of(list)))
            return false;
        for (const cJSON *it = list ? list->child : NULL; it; it = it->next) {
            ports += length_of(json_get(it, "ports"));
            mounts += length_of(json_get(it, "volumeMounts"));
        }
    }
    return fits(is, AT(AT(path, "containers"), "ports"), ports) &&
           fits(is, AT(AT(path, "containers"), "volumeMounts"), mounts) &&
           fits(is, AT(path, "volumes"), length_of(json_get(spec, "volumes"))) &&
           fits(is, AT(AT(NULL, "spec"), "volumeClaimTemplates"), length_of(claims));
}

void pod_spec_validate(struct issues *is, const struct path *path, const cJSON *spec,
                       bool is_template, const cJSON *claims)
{
    static const char *const restart[] = {"Always", "Never", "OnFailure", NULL};
    static const char *const dns[] = {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None",
                                      NULL};
    if (!parts_fit(is, path, spec, claims))
        return;
    check_containers(is, path, spec, claims);
    check_volumes(is, AT(path, "volumes"), json_get(spec, "volumes"));
    check_enum(is, path, spec, "restartPolicy", restart, true);
    check_enum(is, path, spec, "dnsPolicy", dns, true);
    check_labels(is, AT(path, "nodeSelector"), json_get(spec, "nodeSelector"));
    affinity_validate(is, AT(path, "affinity"), json_get(spec, "affinity"));
    pod_tolerations_validate(is, AT(path, "tolerations"), json_get(spec, "tolerations"));
    check_gates(is, AT(path, "schedulingGates"), json_get(spec, "schedulingGates"), "name");
    check_gates(is, AT(path, "readinessGates"), json_get(spec, "readinessGates"), "conditionType");
    if (!is_template)
        check_host_names(is, path, spec);
    const char *node = json_str(spec, "nodeName", ""),
               *account = json_str(spec, "serviceAccountName", "");
    const char *error = *node ? dns_subdomain_error(node) : NULL;
    if (error)
        issue_invalid(is, AT(path, "nodeName"), node, error);
    error = *account ? dns_subdomain_error(account) : NULL;
    if (error)
        issue_invalid(is, AT(path, "serviceAccountName"), account, error);
    int64_t deadline = 1;
    (void)json_int(spec, "activeDeadlineSeconds", INT64_MIN, INT64_MAX, &deadline);
    if (deadline < 1)
        issue_invalid_int(is, AT(path, "activeDeadlineSeconds"), deadline,
                          "must be between 1 and 2147483647, inclusive");
}

void pod_template_validate(struct issues *is, const struct path *path, const cJSON *template,
                           const cJSON *claims)
{
    const struct path *meta = AT(path, "metadata");
    check_labels(is, AT(meta, "labels"), json_at(template, "metadata", "labels", NULL));
    check_annotations(is, AT(meta, "annotations"),
                      json_at(template, "metadata", "annotations", NULL));
    pod_spec_validate(is, AT(path, "spec"), json_get(template, "spec"), true, claims);
}
