#include "controller/reconcile/placement.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static bool is_text(const cJSON *obj, const char *name, const char *want)
{
    return strcmp(json_str(obj, name, ""), want) == 0;
}

static bool tolerates(const cJSON *toleration, const cJSON *taint)
{
    const char *effect = json_str(toleration, "effect", "");
    if (*effect && !is_text(taint, "effect", effect))
        return false;
    const char *key = json_str(toleration, "key", "");
    if (*key && !is_text(taint, "key", key))
        return false;
    if (is_text(toleration, "operator", "Exists"))
        return true;
    return *key && is_text(toleration, "value", json_str(taint, "value", ""));
}

static const cJSON *toleration_of(const cJSON *tolerations, const cJSON *taint)
{
    const cJSON *toleration = NULL;
    cJSON_ArrayForEach(toleration, tolerations)
    {
        if (tolerates(toleration, taint))
            return toleration;
    }
    return NULL;
}

const cJSON *placement_untolerated(const cJSON *tolerations, const cJSON *taints)
{
    const cJSON *taint = NULL;
    cJSON_ArrayForEach(taint, taints)
    {
        bool keeps_away =
            is_text(taint, "effect", "NoSchedule") || is_text(taint, "effect", "NoExecute");
        if (keeps_away && !toleration_of(tolerations, taint))
            return taint;
    }
    return NULL;
}

int64_t placement_stay_us(const cJSON *tolerations, const cJSON *taints)
{
    int64_t stay_us = -1;
    const cJSON *taint = NULL;
    cJSON_ArrayForEach(taint, taints)
    {
        if (!is_text(taint, "effect", "NoExecute"))
            continue;
        if (!toleration_of(tolerations, taint))
            return 0;
        const cJSON *toleration = NULL;
        cJSON_ArrayForEach(toleration, tolerations)
        {
            int64_t seconds = 0;
            if (!tolerates(toleration, taint) ||
                !json_int(toleration, "tolerationSeconds", INT64_MIN / 1000000, INT64_MAX / 1000000,
                          &seconds))
                continue;
            int64_t us = seconds > 0 ? seconds * 1000000 : 0;
            if (stay_us < 0 || us < stay_us)
                stay_us = us;
        }
    }
    return stay_us;
}

static const char *label_value(const struct label *labels, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(labels[i].key, key) == 0)
            return labels[i].value;
    return NULL;
}

bool placement_selector_matches(const cJSON *selector, const struct label *labels, size_t count)
{
    const cJSON *pair = NULL;
    cJSON_ArrayForEach(pair, selector)
    {
        const char *value = pair->string ? label_value(labels, count, pair->string) : NULL;
        if (!value || !cJSON_IsString(pair) || strcmp(value, pair->valuestring) != 0)
            return false;
    }
    return true;
}

static bool is_among(const cJSON *values, const char *value)
{
    const cJSON *v = NULL;
    cJSON_ArrayForEach(v, values)
    {
        if (cJSON_IsString(v) && strcmp(v->valuestring, value) == 0)
            return true;
    }
    return false;
}

/* Gt and Lt compare whole numbers. */
static bool compares(const cJSON *values, const char *value, int sign)
{
    const cJSON *limit = cJSON_IsArray(values) ? values->child : NULL;
    if (!limit || !cJSON_IsString(limit))
        return false;
    char *end = NULL, *limit_end = NULL;
    long long have = strtoll(value, &end, 10), want = strtoll(limit->valuestring, &limit_end, 10);
    if (!*value || *end || limit_end == limit->valuestring || *limit_end)
        return false;
    return sign > 0 ? have > want : have < want;
}

static bool requirement_holds(const cJSON *requirement, const char *value)
{
    const char *op = json_str(requirement, "operator", "");
    const cJSON *values = json_get(requirement, "values");
    if (strcmp(op, "In") == 0)
        return value && is_among(values, value);
    if (strcmp(op, "NotIn") == 0)
        return !value || !is_among(values, value);
    if (strcmp(op, "Exists") == 0)
        return value != NULL;
    if (strcmp(op, "DoesNotExist") == 0)
        return value == NULL;
    if (strcmp(op, "Gt") == 0)
        return value && compares(values, value, 1);
    return strcmp(op, "Lt") == 0 && value && compares(values, value, -1);
}

static bool term_matches(const cJSON *term, const char *node, const struct label *labels,
                         size_t count)
{
    const cJSON *expressions = json_get(term, "matchExpressions"),
                *fields = json_get(term, "matchFields");
    const cJSON *r = NULL;
    bool has_any = false;
    cJSON_ArrayForEach(r, expressions)
    {
        has_any = true;
        if (!requirement_holds(r, label_value(labels, count, json_str(r, "key", ""))))
            return false;
    }
    cJSON_ArrayForEach(r, fields)
    {
        has_any = true;
        if (!is_text(r, "key", "metadata.name") || !requirement_holds(r, node))
            return false;
    }
    return has_any;
}

bool placement_terms_match(const cJSON *terms, const char *node, const struct label *labels,
                           size_t count)
{
    if (!terms)
        return true;
    const cJSON *term = NULL;
    cJSON_ArrayForEach(term, terms)
    {
        if (term_matches(term, node, labels, count))
            return true;
    }
    return false;
}
