#include "controller/reconcile/pod_affinity.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

static void read_namespaces(struct affinity_term *term, const cJSON *json, const char *ns)
{
    const cJSON *list = json_get(json, "namespaces"),
                *selector = json_get(json, "namespaceSelector");
    const cJSON *item = NULL;
    term->namespaces = xcalloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(char *));
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item))
            term->namespaces[term->namespace_count++] = xstrdup(item->valuestring);
    }
    if (cJSON_IsObject(selector))
        term->has_of_namespaces =
            selector_from_json(selector, "namespaceSelector", &term->of_namespaces, NULL) == 0;
    if (term->namespace_count == 0 && !selector)
        term->namespaces[term->namespace_count++] = xstrdup(ns);
}

/* A selector that cannot be read means no pod; the write of the pod was refused then anyway. */
static void read_term(struct affinity_term *term, const cJSON *json, const char *ns)
{
    term->topology = xstrdup(json_str(json, "topologyKey", ""));
    if (selector_from_json(json_get(json, "labelSelector"), "labelSelector", &term->selector,
                           NULL) < 0)
        term->selector.matches_nothing = true;
    read_namespaces(term, json, ns);
}

struct affinity *affinity_new(const cJSON *pod, const char *side, const char *ns)
{
    const cJSON *list = json_at(pod, "spec", "affinity", side,
                                "requiredDuringSchedulingIgnoredDuringExecution", NULL);
    const cJSON *json = NULL;
    if (cJSON_GetArraySize(list) == 0)
        return NULL;
    struct affinity *out = xcalloc(1, sizeof *out);
    out->terms = xcalloc((size_t)cJSON_GetArraySize(list), sizeof *out->terms);
    cJSON_ArrayForEach(json, list) read_term(&out->terms[out->count++], json, ns);
    return out;
}

void affinity_free(struct affinity *affinity)
{
    for (size_t i = 0; affinity && i < affinity->count; i++) {
        struct affinity_term *term = &affinity->terms[i];
        for (size_t k = 0; k < term->namespace_count; k++)
            free(term->namespaces[k]);
        free(term->namespaces);
        free(term->topology);
        selector_fini(&term->selector);
        selector_fini(&term->of_namespaces);
    }
    if (affinity)
        free(affinity->terms);
    free(affinity);
}

static bool is_in_namespaces(const struct affinity_term *term, const struct store_view *view,
                             const char *ns)
{
    for (size_t i = 0; i < term->namespace_count; i++)
        if (strcmp(term->namespaces[i], ns) == 0)
            return true;
    const struct object *obj =
        term->has_of_namespaces ? view_find(view, KIND_NAMESPACE, "", ns) : NULL;
    return obj && selector_matches(&term->of_namespaces, obj->labels, obj->label_count);
}

bool affinity_term_means(const struct affinity_term *term, const struct store_view *view,
                         const char *ns, const struct label *labels, size_t count)
{
    return selector_matches(&term->selector, labels, count) && is_in_namespaces(term, view, ns);
}

bool affinity_means(const struct affinity *all, const struct store_view *view,
                    const struct object *pod)
{
    for (size_t i = 0; i < all->count; i++)
        if (!affinity_term_means(&all->terms[i], view, pod->ns, pod->labels, pod->label_count))
            return false;
    return true;
}
