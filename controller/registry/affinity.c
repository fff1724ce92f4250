/* controller/registry/affinity.c - validation of spec.affinity: what the scheduler reads must be
 * readable (R88). Preferences are not looked at, since nobody follows them. */
#include <string.h>

#include "base/json.h"
#include "controller/registry/strategy.h"

#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"

/* Parts of one required list: the scheduler looks at each for every pod or node there is, and the
 * control thread waits for it. */
#define PARTS_MOST 1000

/* Values and objects in a tree, itself included; no further than the limit. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static size_t count_parts(const cJSON *tree)
{
    size_t count = 1;
    for (const cJSON *it = tree ? tree->child : NULL; it && count <= PARTS_MOST; it = it->next)
        count += count_parts(it);
    return count;
}

static bool is_too_large(struct issues *is, const struct path *path, const cJSON *list)
{
    size_t count = count_parts(list);
    if (count > PARTS_MOST)
        issue_too_many(is, path, count, PARTS_MOST);
    return count > PARTS_MOST;
}

static bool is_op(const char *op, const char *a, const char *b)
{
    return strcmp(op, a) == 0 || strcmp(op, b) == 0;
}

static void check_requirement(struct issues *is, const struct path *path, const cJSON *requirement)
{
    const char *op = json_str(requirement, "operator", "");
    const cJSON *values = json_get(requirement, "values");
    int count = cJSON_GetArraySize(values);
    if (is_op(op, "In", "NotIn")) {
        if (count == 0)
            issue_required(is, AT(path, "values"),
                           "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (is_op(op, "Exists", "DoesNotExist")) {
        if (count > 0)
            issue_forbidden(is, AT(path, "values"),
                            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else if (is_op(op, "Gt", "Lt")) {
        if (count != 1)
            issue_required(is, AT(path, "values"),
                           "must be specified single value when `operator` is 'Lt' or 'Gt'");
    } else {
        issue_invalid(is, AT(path, "operator"), op, "not a valid selector operator");
    }
}

static void check_expressions(struct issues *is, const struct path *path, const cJSON *list)
{
    const cJSON *it = NULL;
    size_t i = 0;
    cJSON_ArrayForEach(it, list)
    {
        const struct path *at = AT_INDEX(path, i);
        const char *key = json_str(it, "key", ""), *error = qualified_name_error(key);
        check_requirement(is, at, it);
        if (error)
            issue_invalid(is, AT(at, "key"), key, error);
        i++;
    }
}

static void check_fields(struct issues *is, const struct path *path, const cJSON *list)
{
    const cJSON *it = NULL;
    size_t i = 0;
    cJSON_ArrayForEach(it, list)
    {
        const struct path *at = AT_INDEX(path, i);
        const char *key = json_str(it, "key", ""), *op = json_str(it, "operator", "");
        if (!is_op(op, "In", "NotIn"))
            issue_invalid(is, AT(at, "operator"), op, "not a valid selector operator");
        else if (cJSON_GetArraySize(json_get(it, "values")) != 1)
            issue_required(is, AT(at, "values"),
                           "must be only one value when `operator` is 'In' or 'NotIn' for node "
                           "field selector");
        if (strcmp(key, "metadata.name") != 0)
            issue_invalid(is, AT(at, "key"), key, "not a valid field selector key");
        i++;
    }
}

static void check_node_affinity(struct issues *is, const struct path *path, const cJSON *affinity)
{
    const cJSON *required = json_get(affinity, REQUIRED), *it = NULL;
    const struct path *terms = AT(AT(path, REQUIRED), "nodeSelectorTerms");
    size_t i = 0;
    if (!cJSON_IsObject(required) || is_too_large(is, AT(path, REQUIRED), required))
        return;
    if (cJSON_GetArraySize(json_get(required, "nodeSelectorTerms")) == 0)
        issue_required(is, terms, "must have at least one node selector term");
    cJSON_ArrayForEach(it, json_get(required, "nodeSelectorTerms"))
    {
        const struct path *at = AT_INDEX(terms, i);
        check_expressions(is, AT(at, "matchExpressions"), json_get(it, "matchExpressions"));
        check_fields(is, AT(at, "matchFields"), json_get(it, "matchFields"));
        i++;
    }
}

static void check_pod_affinity(struct issues *is, const struct path *path, const cJSON *affinity)
{
    const cJSON *it = NULL;
    size_t i = 0;
    if (is_too_large(is, AT(path, REQUIRED), json_get(affinity, REQUIRED)))
        return;
    cJSON_ArrayForEach(it, json_get(affinity, REQUIRED))
    {
        const struct path *at = AT_INDEX(AT(path, REQUIRED), i);
        const char *key = json_str(it, "topologyKey", "");
        const char *error = *key ? qualified_name_error(key) : NULL;
        if (json_get(it, "labelSelector"))
            check_selector(is, AT(at, "labelSelector"), json_get(it, "labelSelector"));
        if (json_get(it, "namespaceSelector"))
            check_selector(is, AT(at, "namespaceSelector"), json_get(it, "namespaceSelector"));
        if (*key == '\0')
            issue_required(is, AT(at, "topologyKey"), "can not be empty");
        else if (error)
            issue_invalid(is, AT(at, "topologyKey"), key, error);
        i++;
    }
}

void affinity_validate(struct issues *is, const struct path *path, const cJSON *affinity)
{
    check_node_affinity(is, AT(path, "nodeAffinity"), json_get(affinity, "nodeAffinity"));
    check_pod_affinity(is, AT(path, "podAffinity"), json_get(affinity, "podAffinity"));
    check_pod_affinity(is, AT(path, "podAntiAffinity"), json_get(affinity, "podAntiAffinity"));
}
