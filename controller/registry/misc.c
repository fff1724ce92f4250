/* controller/registry/misc.c - kinds with few rules: Namespace, Node, ConfigMap, Lease,
 * ControllerRevision, Event. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/registry/strategy.h"

void status_reset(cJSON *obj, const char *json)
{
    cJSON *status = cJSON_Parse(json);
    CHECK(status);
    json_set(obj, "status", status);
}

/* ---- Namespace ---- */

void namespace_defaults(cJSON *obj)
{
    cJSON *meta = json_obj(obj, "metadata");
    const char *name = json_str(meta, "name", "");
    if (*name)
        json_set_str(json_obj(meta, "labels"), "kubernetes.io/metadata.name", name);
}

int namespace_prepare(const struct change *c, cJSON *obj, struct err *e)
{
    (void)e;
    if (!c->old) {
        cJSON *finalizers = cJSON_CreateArray();
        CHECK(finalizers);
        (void)cJSON_AddItemToArray(finalizers, cJSON_CreateString(FINALIZER_NAMESPACE));
        json_set(json_obj(obj, "spec"), "finalizers", finalizers);
        status_reset(obj, "{\"phase\":\"Active\"}");
    } else if (c->sub != SUB_FINALIZE) {
        json_copy_member(obj, c->old, "spec"); /* only its finalize subresource writes it */
    }
    return 0;
}

/* ---- Node ---- */

void node_defaults(cJSON *obj)
{
    cJSON *spec = json_obj(obj, "spec"), *cidrs = json_get(spec, "podCIDRs");
    const char *cidr = json_str(spec, "podCIDR", "");
    const char *first =
        cidrs && cidrs->child && cJSON_IsString(cidrs->child) ? cidrs->child->valuestring : "";
    if (*cidr == '\0' && *first)
        json_set_str(spec, "podCIDR", first);
    else if (*cidr && *first == '\0')
        (void)cJSON_AddItemToArray(json_arr(spec, "podCIDRs"), cJSON_CreateString(cidr));
}

#define TAINTS_MAX 2000 /* pairs of taints are compared */

static void check_taints(struct issues *is, const cJSON *taints)
{
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    const struct path *path = AT(AT(NULL, "spec"), "taints");
    size_t i = 0, count = taints ? (size_t)cJSON_GetArraySize(taints) : 0;
    if (count > TAINTS_MAX) {
        issue_too_many(is, path, count, TAINTS_MAX);
        return;
    }
    for (const cJSON *it = taints ? taints->child : NULL; it; it = it->next, i++) {
        const struct path *at = AT_INDEX(path, i);
        const char *key = json_str(it, "key", ""), *value = json_str(it, "value", "");
        const char *error = qualified_name_error(key);
        if (error)
            issue_invalid(is, AT(at, "key"), key, error);
        error = label_value_error(value);
        if (error)
            issue_invalid(is, AT(at, "value"), value, error);
        check_enum(is, at, it, "effect", effects, true);
        for (const cJSON *other = taints->child; other != it; other = other->next)
            if (strcmp(json_str(other, "key", ""), key) == 0 &&
                json_same(json_get(other, "effect"), json_get(it, "effect"))) {
                issue_duplicate(is, at, key);
                break;
            }
    }
}

void node_validate(const struct change *c, struct issues *is, const cJSON *obj)
{
    const struct path *path = AT(NULL, "spec");
    const cJSON *spec = json_get(obj, "spec"), *old = json_get(c->old, "spec");
    const cJSON *cidrs = json_get(spec, "podCIDRs");
    struct cidr parsed;
    size_t i = 0;
    check_taints(is, json_get(spec, "taints"));
    for (const cJSON *it = cidrs ? cidrs->child : NULL; it; it = it->next, i++)
        if (!cJSON_IsString(it) || cidr_parse(it->valuestring, &parsed) < 0)
            issue_invalid(is, AT_INDEX(AT(path, "podCIDRs"), i),
                          cJSON_IsString(it) ? it->valuestring : "",
                          "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    if (old && json_get(old, "podCIDRs") && !json_same(cidrs, json_get(old, "podCIDRs")))
        issue_forbidden(is, AT(path, "podCIDRs"),
                        "node updates may not change podCIDR except from \"\" to valid");
}

/* ---- ConfigMap ---- */

#define CONFIGMAP_MAX_BYTES (1u << 20)

static const char *config_key_error(const char *key)
{
    size_t len = strlen(key);
    if (len > NAME_MAX_BYTES)
        return "must be no more than 253 characters";
    if (strcmp(key, ".") == 0)
        return "must not be '.'";
    if (strcmp(key, "..") == 0)
        return "must not be '..'";
    if (strncmp(key, "..", 2) == 0)
        return "must not start with '..'";
    if (len == 0 ||
        strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != len)
        return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
               "'key.name',  or "
               "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
    return NULL;
}

/* Standard base64 with its padding: clients decode it. */
static bool is_base64(const char *text)
{
    size_t len = strlen(text);
    size_t body = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    size_t padding = strspn(text + body, "=");
    return body + padding == len && padding <= 2 && len % 4 == 0;
}

static const char *const config_maps[] = {"data", "binaryData"};

/* What an immutable ConfigMap keeps. */
static void check_sealed(struct issues *is, const cJSON *obj, const cJSON *old)
{
    static const char text[] = "field is immutable when `immutable` is set";
    if (!json_bool(obj, "immutable", false))
        issue_forbidden(is, AT(NULL, "immutable"), text);
    for (size_t k = 0; k < ARRAY_SIZE(config_maps); k++)
        if (!json_same(json_get(obj, config_maps[k]), json_get(old, config_maps[k])))
            issue_forbidden(is, AT(NULL, config_maps[k]), text);
}

void configmap_validate(const struct change *c, struct issues *is, const cJSON *obj)
{
    size_t bytes = 0;
    for (size_t k = 0; k < ARRAY_SIZE(config_maps); k++) {
        const cJSON *map = json_get(obj, config_maps[k]);
        for (const cJSON *it = map ? map->child : NULL; it; it = it->next) {
            const char *error = config_key_error(it->string);
            bytes += cJSON_IsString(it) ? strlen(it->valuestring) : 0;
            if (error)
                issue_invalid(is, AT_KEY(AT(NULL, config_maps[k]), it->string), it->string, error);
            if (k == 0 && json_get(json_get(obj, "binaryData"), it->string))
                issue_invalid(is, AT_KEY(AT(NULL, config_maps[k]), it->string), it->string,
                              "duplicate of key present in binaryData");
            if (k == 1 && cJSON_IsString(it) && !is_base64(it->valuestring))
                issue_invalid(is, AT_KEY(AT(NULL, config_maps[k]), it->string), it->valuestring,
                              "must be base64");
        }
    }
    if (bytes > CONFIGMAP_MAX_BYTES)
        issue_too_long(is, AT(NULL, "data"), CONFIGMAP_MAX_BYTES);
    if (c->old && json_bool(c->old, "immutable", false))
        check_sealed(is, obj, c->old);
}

/* ---- Lease ---- */

void lease_validate(const struct change *c, struct issues *is, const cJSON *obj)
{
    const struct path *path = AT(NULL, "spec");
    const cJSON *spec = json_get(obj, "spec");
    int64_t duration = 1;
    (void)c;
    (void)json_int(spec, "leaseDurationSeconds", INT32_MIN, INT32_MAX, &duration);
    if (duration <= 0)
        issue_invalid_int(is, AT(path, "leaseDurationSeconds"), duration, "must be greater than 0");
    check_non_negative(is, AT(path, "leaseTransitions"), json_get(spec, "leaseTransitions"));
}

/* ---- ControllerRevision ---- */

void revision_validate(const struct change *c, struct issues *is, const cJSON *obj)
{
    const cJSON *data = json_get(obj, "data");
    if (!data)
        issue_required(is, AT(NULL, "data"), "data is mandatory");
    check_non_negative(is, AT(NULL, "revision"), json_get(obj, "revision"));
    if (c->old)
        check_immutable(is, AT(NULL, "data"), data, json_get(c->old, "data"));
}

/* ---- Event ---- */

void event_validate(const struct change *c, struct issues *is, const cJSON *obj)
{
    const cJSON *about = json_get(obj, "involvedObject");
    const char *ns = json_str(json_get(obj, "metadata"), "namespace", ""),
               *about_ns = json_str(about, "namespace", "");
    bool fits = *about_ns ? strcmp(about_ns, ns) == 0
                          : strcmp(ns, "default") == 0 || strcmp(ns, "kube-system") == 0;
    (void)c;
    if (!fits)
        issue_invalid(is, AT(AT(NULL, "involvedObject"), "namespace"), about_ns,
                      "does not match event.namespace");
}
