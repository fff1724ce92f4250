/* cmd/ordctl_rollout.c - scale, rollout status and rollout restart, in kubectl's words. */
#include "cmd/ordctl.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"

/* The one object that words name. */
static int one_target(struct ctl *ctl, const char *const *words, size_t count, size_t *kind,
                      const char **name)
{
    struct targets targets;
    int status = targets_parse(ctl, words, count, &targets);
    if (!status && (targets.count != 1 || !targets.at[0].name))
        status = ctl_error("name one object, as KIND/NAME");
    if (!status) {
        *kind = targets.at[0].kind;
        *name = targets.at[0].name;
    }
    targets_fini(&targets);
    return status;
}

static cJSON *replicas_body(int64_t replicas)
{
    cJSON *body = cJSON_CreateObject();
    CHECK(body);
    json_set_int(json_obj(body, "spec"), "replicas", replicas);
    return body;
}

/* ---- scale ---- */

/* With --current-replicas: the Scale with its resourceVersion, so that nobody scales in between. */
static int scale_if(struct ctl *ctl, const char *path, int64_t current, int64_t replicas)
{
    cJSON *scale = ctl_call(ctl, "GET", path, ACCEPT_JSON, NULL, NULL);
    if (!scale)
        return 1;
    int64_t have = 0;
    (void)json_int(json_get(scale, "spec"), "replicas", 0, INT32_MAX, &have);
    int status = 0;
    if (have != current) {
        status = ctl_error("Expected replicas to be %lld, was %lld", (long long)current,
                           (long long)have);
    } else {
        json_set_int(json_obj(scale, "spec"), "replicas", replicas);
        cJSON *reply = ctl_call(ctl, "PUT", path, ACCEPT_JSON, NULL, scale);
        status = reply ? 0 : 1;
        cJSON_Delete(reply);
    }
    cJSON_Delete(scale);
    return status;
}

static int scale_one(struct ctl *ctl, const struct target *t, int64_t current, int64_t replicas)
{
    const struct resource_info *kind = &ctl->kinds[t->kind];
    if (!t->name)
        return ctl_error("resource(s) were provided, but no name was specified");
    struct buf_out path;
    buf_out_init(&path);
    kinds_path(kind, ctl->ns, t->name, "scale", &path);
    int status = 0;
    if (current >= 0) {
        status = scale_if(ctl, path.data, current, replicas);
    } else {
        cJSON *body = replicas_body(replicas);
        cJSON *reply = ctl_call(ctl, "PATCH", path.data, ACCEPT_JSON, PATCH_MERGE, body);
        status = reply ? 0 : 1;
        cJSON_Delete(reply);
        cJSON_Delete(body);
    }
    buf_out_fini(&path);
    if (!status) {
        char *title = kinds_title(kind);
        (void)fprintf(ctl->out, "%s/%s scaled\n", title, t->name);
        free(title);
    }
    return status;
}

static int run_scale(struct ctl *ctl)
{
    int64_t replicas = -1, current = -1;
    struct err e = {0};
    if (args_int(&ctl->args, "replicas", 0, INT32_MAX, &replicas, &e) < 0 ||
        args_int(&ctl->args, "current-replicas", -1, INT32_MAX, &current, &e) < 0)
        return ctl_error("%s", e.text);
    if (replicas < 0)
        return ctl_error("how many? Give --replicas N");
    struct targets targets;
    int status = targets_parse(ctl, ctl->args.words, ctl->args.word_count, &targets);
    for (size_t i = 0; i < targets.count && !status; i++)
        status = scale_one(ctl, &targets.at[i], current, replicas);
    targets_fini(&targets);
    return status;
}

/* ---- rollout status ---- */

struct progress {
    struct ctl *ctl;
    char *last; /* owned: the line printed last, so that it is not repeated */
    bool only_once;
};

static void say(struct progress *p, char *line)
{
    if (!p->last || strcmp(p->last, line) != 0) {
        (void)fputs(line, p->ctl->out);
        (void)fflush(p->ctl->out);
    }
    free(p->last);
    p->last = line;
}

static long long number(const cJSON *parent, const char *name, long long fallback)
{
    int64_t value = 0;
    return json_int(parent, name, INT64_MIN, INT64_MAX, &value) ? value : fallback;
}

/* True when the set is done; *line (owned) says how far it is. */
static bool set_progress(const cJSON *set, char **line)
{
    const cJSON *spec = json_get(set, "spec"), *status = json_get(set, "status");
    long long generation = number(json_get(set, "metadata"), "generation", 0);
    long long observed = number(status, "observedGeneration", 0);
    long long replicas = number(spec, "replicas", 1);
    long long updated = number(status, "updatedReplicas", 0);
    if (!observed || generation > observed) {
        *line = xstrdup("Waiting for statefulset spec update to be observed...\n");
        return false;
    }
    long long missing = replicas - number(status, "readyReplicas", 0);
    if (missing > 0) {
        *line = xasprintf("Waiting for %lld pods to be ready...\n", missing);
        return false;
    }
    long long partition =
        number(json_at(spec, "updateStrategy", "rollingUpdate", NULL), "partition", 0);
    if (partition > 0) {
        bool is_done = updated >= replicas - partition;
        *line = is_done ? xasprintf("partitioned roll out complete: %lld new pods have been "
                                    "updated...\n",
                                    updated)
                        : xasprintf("Waiting for partitioned roll out to finish: %lld out of %lld "
                                    "new pods have been updated...\n",
                                    updated, replicas - partition);
        return is_done;
    }
    const char *update = json_str(status, "updateRevision", "");
    const char *current = json_str(status, "currentRevision", "");
    if (strcmp(update, current) != 0) {
        *line = xasprintf("waiting for statefulset rolling update to complete %lld pods at "
                          "revision %s...\n",
                          updated, update);
        return false;
    }
    *line = xasprintf("statefulset rolling update complete %lld pods at revision %s...\n",
                      number(status, "currentReplicas", 0), current);
    return true;
}

static enum wait_step on_set(void *arg, const cJSON *set)
{
    struct progress *p = arg;
    if (!set) {
        (void)ctl_error("object has been deleted");
        return WAIT_FAILED;
    }
    const char *type =
        json_str(json_at(set, "spec", "updateStrategy", NULL), "type", "RollingUpdate");
    if (strcmp(type, "RollingUpdate") != 0) {
        (void)ctl_error("rollout status is only available for RollingUpdate strategy type");
        return WAIT_FAILED;
    }
    char *line = NULL;
    bool is_done = set_progress(set, &line);
    say(p, line);
    return is_done || p->only_once ? WAIT_DONE : WAIT_MORE;
}

static int rollout_status(struct ctl *ctl, size_t kind, const char *name)
{
    int64_t timeout_ms = 0;
    struct err e = {0};
    if (args_duration(&ctl->args, "timeout", &timeout_ms, &e) < 0)
        return ctl_error("%s", e.text);
    struct buf_out path;
    buf_out_init(&path);
    kinds_path(&ctl->kinds[kind], ctl->ns, name, NULL, &path);
    cJSON *set = ctl_call(ctl, "GET", path.data, ACCEPT_JSON, NULL, NULL);
    buf_out_fini(&path);
    if (!set)
        return 1;
    cJSON_Delete(set);
    struct progress p = {.ctl = ctl, .only_once = !args_bool(&ctl->args, "watch", true)};
    int status = wait_object(ctl, &ctl->kinds[kind], ctl->ns, name, timeout_ms, on_set, &p);
    free(p.last);
    return status;
}

/* ---- rollout restart ---- */

static int rollout_restart(struct ctl *ctl, size_t kind, const char *name)
{
    char now[CLOCK_TEXT_MAX];
    cJSON *body = cJSON_CreateObject();
    CHECK(body);
    cJSON *meta = json_obj(json_obj(json_obj(body, "spec"), "template"), "metadata");
    json_set_str(json_obj(meta, "annotations"), "kubectl.kubernetes.io/restartedAt",
                 clock_format(clock_now_us(), now));
    struct buf_out path;
    buf_out_init(&path);
    kinds_path(&ctl->kinds[kind], ctl->ns, name, NULL, &path);
    path_put_query(&path, "fieldManager", "kubectl-rollout");
    cJSON *reply = ctl_call(ctl, "PATCH", path.data, ACCEPT_JSON, PATCH_STRATEGIC, body);
    buf_out_fini(&path);
    cJSON_Delete(body);
    if (!reply)
        return 1;
    cJSON_Delete(reply);
    (void)fprintf(ctl->out, "statefulset.apps/%s restarted\n", name);
    return 0;
}

static int run_rollout(struct ctl *ctl)
{
    const char *const *words = ctl->args.words;
    const char *what = ctl->args.word_count ? words[0] : "";
    bool is_status = strcmp(what, "status") == 0;
    if (!is_status && strcmp(what, "restart") != 0)
        return ctl_error("what? Give rollout status KIND/NAME or rollout restart KIND/NAME");
    size_t kind = 0;
    const char *name = NULL;
    if (one_target(ctl, words + 1, ctl->args.word_count - 1, &kind, &name))
        return 1;
    if (strcmp(ctl->kinds[kind].kind, "StatefulSet") != 0)
        return ctl_error("no rollout %s for \"%s\": only statefulsets have one", what,
                         ctl->kinds[kind].name);
    return is_status ? rollout_status(ctl, kind, name) : rollout_restart(ctl, kind, name);
}

static const struct flag scale_flags[] = {
    {"replicas", 0, FLAG_TEXT, "N", "How many there shall be"},
    {"current-replicas", 0, FLAG_TEXT, "N", "Only when there are this many now"},
    {.name = NULL}};

static const struct flag rollout_flags[] = {
    {"timeout", 0, FLAG_TEXT, "TIME", "How long to wait: 90s, 5m; 0 for ever"},
    {"watch", 'w', FLAG_SWITCH, NULL, "Until it is done (the default)"},
    {.name = NULL}};

const struct command command_scale = {
    "scale", "KIND/NAME --replicas N", "Sets how many pods a set has", scale_flags, run_scale,
    false};
const struct command command_rollout = {"rollout",
                                        "status|restart KIND/NAME",
                                        "Follows the update of a StatefulSet, or starts one",
                                        rollout_flags,
                                        run_rollout,
                                        false};
