/* controller/api/review.c - access reviews: who reached the socket may do everything but write what
 * only the server writes. */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "controller/api/api.h"
#include "controller/api/body.h"
#include "controller/registry/shape.h"

/* ordinald.dev/identities are written by the server alone; endpoints mirror slices. */
static bool is_allowed(const cJSON *attributes, const char **why)
{
    const char *verb = json_str(attributes, "verb", ""),
               *version = json_str(attributes, "version", "");
    const struct resource *res = resource_find(
        json_str(attributes, "group", ""), *version && strcmp(version, "*") != 0 ? version : "v1",
        json_str(attributes, "resource", ""));
    if (!res || strcmp(verb, "*") == 0 || *json_str(attributes, "subresource", ""))
        return true;
    static const char *const verbs[] = {"create", "delete", "deletecollection", "patch", "update"};
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (strcmp(verb, verbs[i]) == 0 && !resource_has_verb(res, verb)) {
            *why = "the server alone writes these objects";
            return false;
        }
    }
    return true;
}

static void answer_access(cJSON *review)
{
    const char *why = NULL;
    const cJSON *attributes = json_at(review, "spec", "resourceAttributes", NULL);
    bool allowed = !attributes || is_allowed(attributes, &why);
    cJSON *status = json_obj(review, "status");
    json_set_bool(status, "allowed", allowed);
    if (!allowed) {
        json_set_bool(status, "denied", true);
        json_set_str(status, "reason", why);
    }
}

static cJSON *star(void)
{
    cJSON *list = cJSON_CreateArray();
    cJSON_AddItemToArray(list, cJSON_CreateString("*"));
    return list;
}

static void answer_rules(cJSON *review)
{
    cJSON *status = json_obj(review, "status");
    cJSON *rule = cJSON_CreateObject();
    json_set(rule, "verbs", star());
    json_set(rule, "apiGroups", star());
    json_set(rule, "resources", star());
    cJSON_AddItemToArray(json_arr(status, "resourceRules"), rule);
    rule = cJSON_CreateObject();
    json_set(rule, "verbs", star());
    json_set(rule, "nonResourceURLs", star());
    cJSON_AddItemToArray(json_arr(status, "nonResourceRules"), rule);
    json_set_bool(status, "incomplete", false);
}

static void answer_self(cJSON *review, const struct http_peer *peer)
{
    char text[4096], name[64];
    struct passwd pw, *found = NULL;
    cJSON *user = json_obj(json_obj(review, "status"), "userInfo");
    if (peer->uid == UINT32_MAX)
        (void)snprintf(name, sizeof name, "system:certificate");
    else if (getpwuid_r(peer->uid, &pw, text, sizeof text, &found) == 0 && found)
        (void)snprintf(name, sizeof name, "%s", pw.pw_name);
    else
        (void)snprintf(name, sizeof name, "uid:%u", peer->uid);
    json_set_str(user, "username", name);
    cJSON_AddItemToArray(json_arr(user, "groups"), cJSON_CreateString("system:masters"));
    cJSON_AddItemToArray(json_arr(user, "groups"), cJSON_CreateString("system:authenticated"));
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
        answer_access(review);
    else if (res->form == RESOURCE_RULES_REVIEW)
        answer_rules(review);
    else
        answer_self(review, &r->x->request.peer);
    struct buf_out body;
    size_t len;
    char *text = json_print(review, &len);
    buf_out_init(&body);
    buf_put(&body, text, len);
    free(text);
    cJSON_Delete(review);
    api_reply(r, 201, "application/json", &body);
}
