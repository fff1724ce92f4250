/* controller/registry/set.c - StatefulSets: defaults (R71), validation (R72), what may change
 * (R73), status (R69). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/registry/schema.h"
#include "controller/registry/strategy.h"
#include "controller/store/selector.h"

#define NAME_WARN_MAX 52 /* longer set names leave no room for the revision label (R7) */

/* ---- defaults ---- */

static void strategy_defaults(cJSON *spec)
{
    cJSON *update = json_obj(spec, "updateStrategy");
    if (*json_str(update, "type", "") == '\0') {
        json_set_str(update, "type", "RollingUpdate");
        (void)json_obj(update, "rollingUpdate"); /* R47: only when the type was empty */
    }
    cJSON *rolling = json_get(update, "rollingUpdate");
    if (rolling && strcmp(json_str(update, "type", ""), "RollingUpdate") == 0)
        default_int(rolling, "partition", 0);
}

static void template_defaults(cJSON *template)
{
    cJSON *pod = json_get(template, "spec");
    if (pod)
        pod_spec_defaults(pod);
}

void registry_template_defaults(cJSON *template)
{
    schema_prune_template(template);
    template_defaults(template);
}

void set_defaults(cJSON *obj)
{
    cJSON *spec = json_obj(obj, "spec");
    default_int(spec, "replicas", 1);
    default_str(spec, "podManagementPolicy", "OrderedReady");
    default_int(spec, "revisionHistoryLimit", 10);
    strategy_defaults(spec);
    cJSON *retention = json_obj(spec, "persistentVolumeClaimRetentionPolicy");
    default_str(retention, "whenDeleted", "Retain");
    default_str(retention, "whenScaled", "Retain");
    template_defaults(json_get(spec, "template"));
    /* Claim templates stay as the user wrote them: the claims made from them get their defaults,
     * and an unchanged manifest compares as unchanged (A17; the list is atomic in a strategic
     * patch). */
}

/* R7, R75: odd but legal. */
static void set_warn(const struct change *c, const cJSON *obj)
{
    const cJSON *spec = json_get(obj, "spec");
    const char *name = json_str(json_get(obj, "metadata"), "name", "");
    int64_t limit = 0, replicas = 1, start = 0;
    char last[24];
    (void)json_int(spec, "revisionHistoryLimit", INT32_MIN, INT32_MAX, &limit);
    (void)json_int(spec, "replicas", 0, INT32_MAX, &replicas);
    (void)json_int(json_get(spec, "ordinals"), "start", 0, INT32_MAX, &start);
    if (limit < 0)
        verb_warn(c->v,
                  "spec.revisionHistoryLimit: a negative value retains all historical revisions");
    int64_t highest = replicas > 0 ? start + replicas - 1 : start;
    int digits = snprintf(last, sizeof(last), "%lld", (long long)highest);
    if (c->old)
        return;
    if (strlen(name) > NAME_WARN_MAX)
        verb_warn(c->v,
                  "metadata.name: names longer than %d characters make the revision label of the "
                  "pods invalid",
                  NAME_WARN_MAX);
    else if (strlen(name) + 1 + (size_t)digits > 63)
        verb_warn(c->v, "metadata.name: the name of pod %s-%s is longer than 63 characters", name,
                  last);
}

int set_prepare(const struct change *c, cJSON *obj, struct err *e)
{
    (void)e;
    if (!c->old)
        status_reset(obj, "{\"replicas\":0,\"availableReplicas\":0}");
    set_warn(c, obj);
    return 0;
}

/* ---- validation ---- */

static int label_compare(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

static bool selects(const struct selector *selector, const cJSON *labels)
{
    size_t count = 0;
    for (const cJSON *it = labels ? labels->child : NULL; it; it = it->next)
        count++;
    struct label *list = xcalloc(count + 1, sizeof(*list));
    count = 0;
    for (const cJSON *it = labels ? labels->child : NULL; it; it = it->next)
        list[count++] = (struct label){it->string, cJSON_IsString(it) ? it->valuestring : ""};
    qsort(list, count, sizeof(*list), label_compare);
    bool matches = selector_matches(selector, list, count);
    free(list);
    return matches;
}

void template_selector_validate(struct issues *is, const cJSON *spec, const char *what)
{
    const struct path *path = AT(AT(NULL, "spec"), "selector");
    const cJSON *selector = json_get(spec, "selector");
    const cJSON *names = json_get(selector, "matchLabels"),
                *terms = json_get(selector, "matchExpressions");
    const cJSON *labels = json_at(spec, "template", "metadata", "labels", NULL);
    struct selector parsed = {0};
    size_t before = is->count;
    char detail[80];
    if (!selector) {
        issue_required(is, path, "");
        return;
    }
    if (!(names && names->child) && !(terms && terms->child)) {
        (void)snprintf(detail, sizeof(detail), "empty selector is invalid for %s", what);
        issue_invalid_json(is, path, selector, detail);
        return;
    }
    check_selector(is, path, selector);
    if (is->count == before && selector_from_json(selector, "spec.selector", &parsed, NULL) == 0 &&
        !selects(&parsed, labels))
        issue_invalid_json(is, AT(AT(AT(AT(NULL, "spec"), "template"), "metadata"), "labels"),
                           labels, "`selector` does not match template `labels`");
    selector_fini(&parsed);
}

static void check_update_strategy(struct issues *is, const cJSON *spec)
{
    const struct path *path = AT(AT(NULL, "spec"), "updateStrategy");
    const cJSON *update = json_get(spec, "updateStrategy"),
                *rolling = json_get(update, "rollingUpdate");
    const char *type = json_str(update, "type", "");
    if (strcmp(type, "OnDelete") == 0) {
        if (rolling)
            issue_invalid_json(is, AT(path, "rollingUpdate"), rolling,
                               "only allowed for updateStrategy 'RollingUpdate'");
        return;
    }
    if (strcmp(type, "RollingUpdate") != 0) {
        issue_invalid_json(is, path, update, "must be 'RollingUpdate' or 'OnDelete'");
        return;
    }
    check_non_negative(is, AT(AT(path, "rollingUpdate"), "partition"),
                       json_get(rolling, "partition"));
    const cJSON *most = json_get(rolling, "maxUnavailable");
    const struct path *at = AT(AT(path, "rollingUpdate"), "maxUnavailable");
    int64_t number = 1;
    if (cJSON_IsString(most)) {
        char *end;
        number = strtol(most->valuestring, &end, 10);
        if (end == most->valuestring || strcmp(end, "%") != 0 || number < 0)
            issue_invalid(is, at, most->valuestring,
                          "a valid percent string must be a numeric string followed by an ending "
                          "'%' (e.g. '1%',  or "
                          "'93%', regex used for validation is '[0-9]+%')");
        else if (number > 100)
            issue_invalid(is, at, most->valuestring, "must not be greater than 100%");
    } else if (most && json_is_int(most, &number) && number < 0) {
        issue_invalid_int(is, at, number, must_be_non_negative);
    }
    if (number == 0)
        issue_invalid_int(is, at, 0, "cannot be 0");
}

static void check_retention(struct issues *is, const cJSON *spec)
{
    static const char *const policies[] = {"Delete", "Retain", NULL};
    const struct path *path = AT(AT(NULL, "spec"), "persistentVolumeClaimRetentionPolicy");
    const cJSON *retention = json_get(spec, "persistentVolumeClaimRetentionPolicy");
    check_enum(is, path, retention, "whenDeleted", policies, true);
    check_enum(is, path, retention, "whenScaled", policies, true);
}

static void check_set_template(struct issues *is, const cJSON *spec)
{
    static const char *const always[] = {"Always", NULL};
    const struct path *path = AT(AT(NULL, "spec"), "template");
    const cJSON *pod = json_at(spec, "template", "spec", NULL);
    pod_template_validate(is, path, json_get(spec, "template"),
                          json_get(spec, "volumeClaimTemplates"));
    const char *restart = json_str(pod, "restartPolicy", "");
    if (strcmp(restart, "Always") != 0)
        issue_unsupported(is, AT(AT(path, "spec"), "restartPolicy"), restart, always);
    if (json_get(pod, "activeDeadlineSeconds"))
        issue_forbidden(is, AT(AT(path, "spec"), "activeDeadlineSeconds"),
                        "activeDeadlineSeconds in StatefulSet is not Supported");
}

/* Claim templates cannot change, so they are checked once. */
static void check_claim_templates(struct issues *is, const cJSON *spec)
{
    const struct path *path = AT(AT(NULL, "spec"), "volumeClaimTemplates");
    const cJSON *claims = json_get(spec, "volumeClaimTemplates");
    size_t i = 0;
    for (const cJSON *it = claims ? claims->child : NULL; it; it = it->next, i++) {
        const struct path *at = AT_INDEX(path, i);
        const char *name = json_str(json_get(it, "metadata"), "name", "");
        const char *error = *name ? dns_label_error(name) : NULL;
        if (*name == '\0')
            issue_required(is, AT(AT(at, "metadata"), "name"), "");
        else if (error)
            issue_invalid(is, AT(AT(at, "metadata"), "name"), name, error);
        claim_spec_validate(is, AT(at, "spec"), json_get(it, "spec"));
    }
}

/* R73. */
static void check_set_update(struct issues *is, const cJSON *spec, const cJSON *old)
{
    static const char *const mutable[] = {"replicas",
                                          "ordinals",
                                          "template",
                                          "updateStrategy",
                                          "revisionHistoryLimit",
                                          "persistentVolumeClaimRetentionPolicy",
                                          "minReadySeconds",
                                          NULL};
    bool changed = false;
    for (const cJSON *it = spec->child; it && !changed; it = it->next)
        changed = !text_is_one_of(it->string, mutable) && !json_same(it, json_get(old, it->string));
    for (const cJSON *it = old->child; it && !changed; it = it->next)
        changed = !text_is_one_of(it->string, mutable) && !json_get(spec, it->string);
    if (changed)
        issue_forbidden(
            is, AT(NULL, "spec"),
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
            "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
            "'minReadySeconds' are forbidden");
}

void set_validate(const struct change *c, struct issues *is, const cJSON *obj)
{
    const cJSON *spec = json_get(obj, "spec"), *old = json_get(c->old, "spec");
    const struct path *path = AT(NULL, "spec");
    const char *policy = json_str(spec, "podManagementPolicy", "");
    if (json_same(spec, old))
        return;
    if (strcmp(policy, "OrderedReady") != 0 && strcmp(policy, "Parallel") != 0)
        issue_invalid(is, AT(path, "podManagementPolicy"), policy,
                      "must be 'OrderedReady' or 'Parallel'");
    check_update_strategy(is, spec);
    check_retention(is, spec);
    check_non_negative(is, AT(path, "replicas"), json_get(spec, "replicas"));
    check_non_negative(is, AT(path, "minReadySeconds"), json_get(spec, "minReadySeconds"));
    check_non_negative(is, AT(AT(path, "ordinals"), "start"),
                       json_at(spec, "ordinals", "start", NULL));
    template_selector_validate(is, spec, "statefulset");
    if (!old || !json_same(json_get(spec, "template"), json_get(old, "template")))
        check_set_template(is, spec);
    if (old) {
        check_set_update(is, spec, old);
        return;
    }
    const char *service = json_str(spec, "serviceName", "");
    const char *error = *service ? dns_label_error(service) : NULL;
    if (error)
        issue_invalid(is, AT(path, "serviceName"), service, error);
    check_claim_templates(is, spec);
}

/* ---- status ---- */

static int64_t count_of(const cJSON *status, const char *name)
{
    int64_t n = 0;
    (void)json_int(status, name, INT64_MIN, INT64_MAX, &n);
    return n;
}

/* Counters that may not exceed status.replicas, and availableReplicas not readyReplicas. */
static void check_counters(struct issues *is, const cJSON *status, const char *const *names)
{
    const struct path *path = AT(NULL, "status");
    check_non_negative(is, AT(path, "replicas"), json_get(status, "replicas"));
    check_non_negative(is, AT(path, "observedGeneration"), json_get(status, "observedGeneration"));
    for (; *names; names++) {
        check_non_negative(is, AT(path, *names), json_get(status, *names));
        if (count_of(status, *names) > count_of(status, "replicas"))
            issue_invalid_int(is, AT(path, *names), count_of(status, *names),
                              "cannot be greater than status.replicas");
    }
    if (count_of(status, "availableReplicas") > count_of(status, "readyReplicas"))
        issue_invalid_int(is, AT(path, "availableReplicas"), count_of(status, "availableReplicas"),
                          "cannot be greater than status.readyReplicas");
}

void set_validate_status(const struct change *c, struct issues *is, const cJSON *obj)
{
    static const char *const counters[] = {"readyReplicas", "currentReplicas", "updatedReplicas",
                                           "availableReplicas", NULL};
    const cJSON *status = json_get(obj, "status"), *old = json_get(c->old, "status");
    check_counters(is, status, counters);
    check_non_negative(is, AT(AT(NULL, "status"), "collisionCount"),
                       json_get(status, "collisionCount"));
    if (count_of(status, "collisionCount") < count_of(old, "collisionCount"))
        issue_invalid_int(is, AT(AT(NULL, "status"), "collisionCount"),
                          count_of(status, "collisionCount"), "cannot be decremented");
}

/* ---- ReplicaSet: the same in small ---- */

void replicaset_defaults(cJSON *obj)
{
    cJSON *spec = json_obj(obj, "spec"), *pod = json_at(spec, "template", "spec", NULL);
    default_int(spec, "replicas", 1);
    if (pod)
        pod_spec_defaults(pod);
}

int replicaset_prepare(const struct change *c, cJSON *obj, struct err *e)
{
    (void)e;
    if (!c->old)
        status_reset(obj, "{\"replicas\":0}");
    return 0;
}

void replicaset_validate(const struct change *c, struct issues *is, const cJSON *obj)
{
    static const char *const always[] = {"Always", NULL};
    const cJSON *spec = json_get(obj, "spec"), *old = json_get(c->old, "spec");
    const struct path *path = AT(NULL, "spec"), *pod = AT(AT(path, "template"), "spec");
    if (json_same(spec, old))
        return;
    check_non_negative(is, AT(path, "replicas"), json_get(spec, "replicas"));
    check_non_negative(is, AT(path, "minReadySeconds"), json_get(spec, "minReadySeconds"));
    template_selector_validate(is, spec, "deployment");
    if (!json_get(spec, "template")) {
        issue_required(is, AT(path, "template"), "");
        return;
    }
    pod_template_validate(is, AT(path, "template"), json_get(spec, "template"), NULL);
    const char *restart = json_str(json_at(spec, "template", "spec", NULL), "restartPolicy", "");
    if (strcmp(restart, "Always") != 0)
        issue_unsupported(is, AT(pod, "restartPolicy"), restart, always);
    if (json_at(spec, "template", "spec", "activeDeadlineSeconds", NULL))
        issue_forbidden(is, AT(pod, "activeDeadlineSeconds"),
                        "activeDeadlineSeconds in ReplicaSet is not Supported");
    if (old)
        check_immutable(is, AT(path, "selector"), json_get(spec, "selector"),
                        json_get(old, "selector"));
}

void replicaset_validate_status(const struct change *c, struct issues *is, const cJSON *obj)
{
    static const char *const counters[] = {"fullyLabeledReplicas", "readyReplicas",
                                           "availableReplicas", NULL};
    (void)c;
    check_counters(is, json_get(obj, "status"), counters);
}
