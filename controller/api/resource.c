#include "controller/api/resource.h"

#include <string.h>

#include "base/check.h"

static const struct api_group groups[] = {
    {"", "v1"},
    {"apps", "v1"},
    {"authentication.k8s.io", "v1"},
    {"authorization.k8s.io", "v1"},
    {"coordination.k8s.io", "v1"},
    {"discovery.k8s.io", "v1"},
    {"events.k8s.io", "v1"},
    {"ordinald.dev", "v1"},
    {"storage.k8s.io", "v1"},
};

static const struct resource added[] = {
    {"events.k8s.io", "v1", "events.k8s.io/v1", "events", "event", "Event", "ev", true, false,
     RESOURCE_EVENTS_V1, NULL},
    {"", "v1", "v1", "endpoints", "endpoints", "Endpoints", "ep", true, false, RESOURCE_ENDPOINTS,
     NULL},
    {"", "v1", "v1", "bindings", "binding", "Binding", "", true, false, RESOURCE_BINDING, NULL},
    {"authorization.k8s.io", "v1", "authorization.k8s.io/v1", "selfsubjectaccessreviews",
     "selfsubjectaccessreview", "SelfSubjectAccessReview", "", false, false, RESOURCE_ACCESS_REVIEW,
     NULL},
    {"authorization.k8s.io", "v1", "authorization.k8s.io/v1", "selfsubjectrulesreviews",
     "selfsubjectrulesreview", "SelfSubjectRulesReview", "", false, false, RESOURCE_RULES_REVIEW,
     NULL},
    {"authentication.k8s.io", "v1", "authentication.k8s.io/v1", "selfsubjectreviews",
     "selfsubjectreview", "SelfSubjectReview", "", false, false, RESOURCE_SELF_REVIEW, NULL},
};

static struct resource table[KIND_COUNT + ARRAY_SIZE(added)];
static size_t table_count;

static const struct resource *rows(void)
{
    if (table_count)
        return table;
    for (int id = 0; id < KIND_COUNT; id++) {
        const struct kind *k = kind_get((enum kind_id)id);
        table[table_count++] = (struct resource){.group = k->group,
                                                 .version = k->version,
                                                 .api_version = k->api_version,
                                                 .name = k->resource,
                                                 .singular = k->singular,
                                                 .kind_name = k->name,
                                                 .short_names = k->short_names,
                                                 .namespaced = k->namespaced,
                                                 .in_all = k->in_all,
                                                 .form = RESOURCE_STORED,
                                                 .kind = k};
    }
    for (size_t i = 0; i < ARRAY_SIZE(added); i++) {
        struct resource *r = &table[table_count++];
        *r = added[i];
        if (r->form == RESOURCE_EVENTS_V1)
            r->kind = kind_get(KIND_EVENT);
        else if (r->form == RESOURCE_ENDPOINTS)
            r->kind = kind_get(KIND_SLICE);
        else if (r->form == RESOURCE_BINDING)
            r->kind = kind_get(KIND_POD);
    }
    return table;
}

size_t resource_count(void)
{
    (void)rows();
    return table_count;
}

const struct resource *resource_get(size_t i)
{
    CHECK(i < resource_count());
    return &table[i];
}

const struct resource *resource_find(const char *group, const char *version, const char *name)
{
    const struct resource *r = rows();
    for (size_t i = 0; i < table_count; i++)
        if (strcmp(r[i].name, name) == 0 && strcmp(r[i].group, group) == 0 &&
            strcmp(r[i].version, version) == 0)
            return &r[i];
    return NULL;
}

size_t api_group_count(void)
{
    return ARRAY_SIZE(groups);
}

const struct api_group *api_group_get(size_t i)
{
    CHECK(i < ARRAY_SIZE(groups));
    return &groups[i];
}

const char *resource_verbs(const struct resource *res)
{
    switch (res->form) {
    case RESOURCE_STORED:
        if (res->kind->is_read_only)
            return "get,list,watch";
        return "create,delete,deletecollection,get,list,patch,update,watch";
    case RESOURCE_EVENTS_V1:
        return "create,delete,deletecollection,get,list,patch,update,watch";
    case RESOURCE_ENDPOINTS:
        return "get,list,watch";
    case RESOURCE_BINDING:
    case RESOURCE_ACCESS_REVIEW:
    case RESOURCE_RULES_REVIEW:
    case RESOURCE_SELF_REVIEW:
        return "create";
    }
    return "";
}

bool verbs_have(const char *list, const char *verb)
{
    size_t len = strlen(verb);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, verb, len) == 0 && (at[len] == ',' || !at[len]))
            return true;
    }
    return false;
}

bool resource_has_verb(const struct resource *res, const char *verb)
{
    return verbs_have(resource_verbs(res), verb);
}

#define READ_WRITE "get,patch,update"

const struct subresource_row *resource_subresources(const struct resource *res)
{
    static const struct subresource_row none[] = {{0}};
    static const struct subresource_row status[] = {{"status", NULL, NULL, NULL, READ_WRITE}, {0}};
    static const struct subresource_row sets[] = {
        {"scale", "autoscaling", "v1", "Scale", READ_WRITE},
        {"status", NULL, NULL, NULL, READ_WRITE},
        {0}};
    static const struct subresource_row namespaces[] = {
        {"finalize", NULL, NULL, NULL, "update"}, {"status", NULL, NULL, NULL, READ_WRITE}, {0}};
    static const struct subresource_row pods[] = {
        {"binding", "", "v1", "Binding", "create"},
        {"eviction", "policy", "v1", "Eviction", "create"},
        {"status", NULL, NULL, NULL, READ_WRITE},
        {0}};
    if (res->form != RESOURCE_STORED)
        return none;
    if (res->kind->id == KIND_POD)
        return pods;
    if (res->kind->id == KIND_NAMESPACE)
        return namespaces;
    if (res->kind->has_scale)
        return sets;
    return res->kind->has_status ? status : none;
}

const struct subresource_row *resource_subresource(const struct resource *res, const char *name)
{
    for (const struct subresource_row *row = resource_subresources(res); row->name; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

bool resource_sub_has_verb(const struct resource *res, const char *sub, const char *verb)
{
    const struct subresource_row *row = resource_subresource(res, sub);
    return row && verbs_have(row->verbs, verb);
}
