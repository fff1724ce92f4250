/* controller/api/review.c - kubectl auth can-i, can-i --list and whoami: what the caller may do, by
 * the functions that decide it (access.h). */
#include <stdlib.h>
#include <string.h>

#include "controller/api/api.h"
#include "controller/api/body.h"
#include "controller/registry/shape.h"

/* ---- can-i ---- */

/* ordinald.dev/identities are written by the server alone; endpoints mirror slices. */
static bool is_for_the_server(const struct access_ask *ask, const char *version)
{
    const struct resource *res = resource_find(
        ask->group, *version && strcmp(version, "*") != 0 ? version : "v1", ask->resource);
    static const char *const writes[] = {"create", "delete", "deletecollection", "patch", "update"};
    if (!res || *ask->sub)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(writes); i++)
        if (strcmp(ask->verb, writes[i]) == 0)
            return !resource_has_verb(res, writes[i]);
    return false;
}

/* Of the pod by that name; of pods in general and of one that is not there, those on the caller's
 * own node are meant. */
static const char *bound_node(const struct api_request *r, const struct access_ask *ask)
{
    if (*ask->group || strcmp(ask->resource, "pods") != 0)
        return NULL;
    struct store_view view = store_applied(r->api->store);
    const struct object *pod = ask->name ? view_find(&view, KIND_POD, ask->ns, ask->name) : NULL;
    return pod ? pod_view(pod)->node : r->who.node;
}

static void answer_access(const struct api_request *r, cJSON *review)
{
    const char *why = NULL;
    const cJSON *attributes = json_at(review, "spec", "resourceAttributes", NULL);
    const cJSON *path = json_at(review, "spec", "nonResourceAttributes", NULL);
    const char *name = json_str(attributes, "name", "");
    struct access_ask ask = {.verb = json_str(attributes, "verb", ""),
                             .group = json_str(attributes, "group", ""),
                             .resource = json_str(attributes, "resource", ""),
                             .sub = json_str(attributes, "subresource", ""),
                             .ns = json_str(attributes, "namespace", ""),
                             .name = *name ? name : NULL};
    bool allowed;
    if (attributes) {
        ask.bound_node = bound_node(r, &ask);
        allowed = access_allows(&r->who, &ask);
        if (allowed && is_for_the_server(&ask, json_str(attributes, "version", ""))) {
            allowed = false;
            why = "the server alone writes these objects";
        }
    } else {
        allowed =
            access_allows_path(r->who.role, json_str(path, "verb", ""), json_str(path, "path", ""));
    }
    cJSON *status = json_obj(review, "status");
    json_set_bool(status, "allowed", allowed);
    if (why) {
        json_set_bool(status, "denied", true);
        json_set_str(status, "reason", why);
    }
}

/* ---- can-i --list ---- */

static cJSON *texts(const char *const *items, size_t count)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(items[i]));
    return list;
}

static cJSON *one_text(const char *text)
{
    return texts(&text, 1);
}

static void add_rule(cJSON *rules, const struct access_ask *ask, const char *const *verbs,
                     size_t count)
{
    if (!count)
        return;
    cJSON *rule = cJSON_CreateObject();
    char *resource = xasprintf("%s%s%s", ask->resource, *ask->sub ? "/" : "", ask->sub);
    json_set(rule, "verbs", texts(verbs, count));
    json_set(rule, "apiGroups", one_text(ask->group));
    json_set(rule, "resources", one_text(resource));
    if (ask->name)
        json_set(rule, "resourceNames", one_text(ask->name));
    cJSON_AddItemToArray(rules, rule);
    free(resource);
}

/* The verbs of one resource in two rules: what goes for any name, and what goes for the caller's
 * own besides. */
static void add_resource(const struct api_request *r, cJSON *rules, struct access_ask ask,
                         const char *served)
{
    static const char *const all[] = {"create", "delete", "deletecollection", "get",
                                      "list",   "patch",  "update",           "watch"};
    const char *any[ARRAY_SIZE(all)], *own[ARRAY_SIZE(all)];
    size_t any_count = 0, own_count = 0;
    ask.bound_node = bound_node(r, &ask);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        if (!verbs_have(served, all[i]))
            continue;
        ask.verb = all[i];
        ask.name = NULL;
        bool goes = access_allows(&r->who, &ask);
        ask.name = r->who.node;
        if (goes)
            any[any_count++] = all[i];
        else if (ask.name && access_allows(&r->who, &ask))
            own[own_count++] = all[i];
    }
    ask.name = NULL;
    add_rule(rules, &ask, any, any_count);
    ask.name = r->who.node;
    add_rule(rules, &ask, own, own_count);
}

static void add_resources(const struct api_request *r, cJSON *rules, const char *ns)
{
    for (size_t i = 0; i < resource_count(); i++) {
        const struct resource *res = resource_get(i);
        struct access_ask ask = {
            .group = res->group, .resource = res->name, .sub = "", .ns = res->namespaced ? ns : ""};
        add_resource(r, rules, ask, resource_verbs(res));
        for (const struct subresource_row *row = resource_subresources(res); row->name; row++) {
            ask.sub = row->name;
            add_resource(r, rules, ask, row->verbs);
        }
    }
}

static void answer_rules(const struct api_request *r, cJSON *review)
{
    static const char *const star = "*", *const get = "get";
    cJSON *status = json_obj(review, "status"), *rules = json_arr(status, "resourceRules");
    const struct access_ask everything = {
        .verb = "*", .group = "*", .resource = "*", .sub = "", .ns = ""};
    cJSON *paths = cJSON_CreateObject();
    if (access_allows(&r->who, &everything)) {
        add_rule(rules, &everything, &star, 1);
        json_set(paths, "verbs", one_text(star));
        json_set(paths, "nonResourceURLs", one_text(star));
    } else {
        size_t count = 0;
        const char *const *public = access_public_paths();
        while (public[count])
            count++;
        add_resources(r, rules, json_str(json_get(review, "spec"), "namespace", ""));
        json_set(paths, "verbs", one_text(get));
        json_set(paths, "nonResourceURLs", texts(public, count));
    }
    cJSON_AddItemToArray(json_arr(status, "nonResourceRules"), paths);
    json_set_bool(status, "incomplete", false);
}

/* ---- whoami ---- */

static void answer_self(const struct http_peer *peer, cJSON *review)
{
    cJSON *user = json_obj(json_obj(review, "status"), "userInfo");
    struct buf_out name;
    buf_out_init(&name);
    caller_name(peer, &name);
    json_set_str(user, "username", name.data ? name.data : "");
    buf_out_fini(&name);
    const char *group;
    for (size_t i = 0; (group = caller_group(peer, i)); i++)
        cJSON_AddItemToArray(json_arr(user, "groups"), cJSON_CreateString(group));
}

void review_create(struct api_request *r)
{
    const struct resource *res = r->route.resource;
    struct err e = {0};
    enum body_form form;
    cJSON *review = NULL;
    struct body_twice twice = {.arena = &r->x->arena};
    int rc = body_read(&r->x->request, false, &twice, &form, &review, &e);
    const struct verb v = {.validation = r->q.validation,
                           .twice = twice.path,
                           .twice_count = twice.count,
                           .warn = api_warn,
                           .warn_arg = r};
    if (rc == 0 && !review)
        rc = err_set(&e, ERR_MALFORMED, "the request has no body");
    if (rc == 0)
        rc = shape_check_body(&v,
                              res->form == RESOURCE_ACCESS_REVIEW  ? SCHEMA_ACCESS_REVIEW
                              : res->form == RESOURCE_RULES_REVIEW ? SCHEMA_RULES_REVIEW
                                                                   : SCHEMA_SELF_REVIEW,
                              review, &e);
    if (rc < 0) {
        cJSON_Delete(review);
        api_reply_err(r, &e);
        return;
    }
    json_set_str(review, "kind", res->kind_name);
    json_set_str(review, "apiVersion", res->api_version);
    json_set(review, "status", cJSON_CreateObject());
    if (res->form == RESOURCE_ACCESS_REVIEW)
        answer_access(r, review);
    else if (res->form == RESOURCE_RULES_REVIEW)
        answer_rules(r, review);
    else
        answer_self(&r->x->request.peer, review);
    struct buf_out body;
    size_t len;
    char *text = json_print(review, &len);
    buf_out_init(&body);
    buf_put(&body, text, len);
    free(text);
    cJSON_Delete(review);
    api_reply(r, 201, "application/json", &body);
}
