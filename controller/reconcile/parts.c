#include "controller/reconcile/parts.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"

void path_format(char out[PATH_SIZE], const char *ns, const char *name)
{
    (void)snprintf(out, PATH_SIZE, "%s/%s", ns, name);
}

bool path_split(const char *path, char ns[PATH_SIZE], const char **name)
{
    const char *slash = strchr(path, '/');
    if (!slash || (size_t)(slash - path) >= PATH_SIZE)
        return false;
    memcpy(ns, path, (size_t)(slash - path));
    ns[slash - path] = '\0';
    *name = slash + 1;
    return true;
}

cJSON *condition_find(const cJSON *tree, const char *type)
{
    cJSON *condition = NULL;
    cJSON_ArrayForEach(condition, json_at(tree, "status", "conditions", NULL))
    {
        if (strcmp(json_str(condition, "type", ""), type) == 0)
            return condition;
    }
    return NULL;
}

static bool set_text(cJSON *obj, const char *name, const char *value)
{
    if (!value || strcmp(json_str(obj, name, ""), value) == 0)
        return false;
    json_set_str(obj, name, value);
    return true;
}

bool condition_set(cJSON *tree, const char *type, const char *status, const char *reason,
                   const char *message)
{
    cJSON *condition = condition_find(tree, type);
    if (!condition) {
        condition = cJSON_CreateObject();
        json_set_str(condition, "type", type);
        cJSON_AddItemToArray(json_arr(json_obj(tree, "status"), "conditions"), condition);
    }
    bool is_changed = false;
    if (set_text(condition, "status", status)) {
        char now[CLOCK_TEXT_MAX];
        json_set_str(condition, "lastTransitionTime", clock_format(clock_now_us(), now));
        is_changed = true;
    }
    is_changed |= set_text(condition, "reason", reason);
    is_changed |= set_text(condition, "message", message);
    return is_changed;
}

int64_t time_member(const cJSON *obj, const char *name)
{
    int64_t us = 0;
    const char *text = json_str(obj, name, NULL);
    return text && clock_parse(text, &us) ? us : 0;
}

const char *fence_node(const struct identity_view *identity, size_t i)
{
    const char *node = identity->fenced_nodes ? identity->fenced_nodes[i] : NULL;
    return node && *node ? node : identity->node;
}
