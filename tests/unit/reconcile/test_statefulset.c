/* The StatefulSet controller end to end: a memory store, a fake clock and embedded nodes; every
 * write goes through the verbs of the registry. Each scenario is a list of lines, one verb or one
 * expectation each (see `commands`). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/reconcile/embedded_node.h"
#include "controller/reconcile/set_pod.h"
#include "tests/scenario/world.h"

static const char base[] =
    "{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"kubia\"},"
    "\"spec\":{\"serviceName\":\"kubia\",\"replicas\":3,"
    "\"selector\":{\"matchLabels\":{\"app\":\"kubia\"}},\"template\":{\"metadata\":{\"labels\":{"
    "\"app\":\"kubia\"}},\"spec\":{\"containers\":[{\"name\":\"kubia\",\"image\":\"i1\"}]}},"
    "\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\",\"labels\":{\"app\":\"other\","
    "\"tier\":\"db\"}},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":"
    "{\"storage\":\"1Mi\"}}}}]}}";

#define KEPT_MAX 8

struct scene {
    struct world w;
    struct {
        char key[128], uid[UUID_TEXT_SIZE];
    } kept[KEPT_MAX];
    size_t kept_count;
    char got[1024];
};

static cJSON *parse(const char *text)
{
    struct err e = {0};
    cJSON *tree = json_parse(text, strlen(text), &e);
    if (!tree)
        fail_msg("%s: %s", text, e.text);
    return tree;
}

static void add(struct scene *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct scene *s, const char *format, ...)
{
    size_t len = strlen(s->got);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(s->got + len, sizeof s->got - len, format, args);
    va_end(args);
}

static void drop_trailing_space(struct scene *s)
{
    size_t len = strlen(s->got);
    if (len > 0 && s->got[len - 1] == ' ')
        s->got[len - 1] = '\0';
}

/* ---- verbs ---- */

/* "new NAME SPEC": the base with a merge patch over its spec. */
static void do_new(struct scene *s, char *arg)
{
    char *spec = strchr(arg, ' ');
    *spec++ = '\0';
    cJSON *tree = parse(base), *patch = parse(spec);
    struct err e = {0};
    json_set_str(json_get(tree, "metadata"), "name", arg);
    cJSON *merged = cJSON_Duplicate(json_get(tree, "spec"), true);
    assert_int_equal(patch_merge(&merged, patch, &e), 0);
    json_set(tree, "spec", merged);
    if (world_apply(&s->w, tree) < 0)
        fail_msg("new %s: %s", spec, s->w.e.text);
    cJSON_Delete(patch);
    cJSON_Delete(tree);
}

/* A JSON merge patch of an object: "edit RESOURCE NAME PATCH". */
static void do_edit(struct scene *s, char *arg)
{
    char resource[64], name[128];
    int used = 0;
    assert_int_equal(sscanf(arg, "%63s %127s %n", resource, name, &used), 2);
    cJSON *patch = parse(arg + used);
    const struct kind *kind = NULL;
    for (int i = 0; i < KIND_COUNT; i++)
        if (strcmp(kind_get((enum kind_id)i)->resource, resource) == 0)
            kind = kind_get((enum kind_id)i);
    assert_non_null(kind);
    const struct verb_key key = {kind->id, "default", name};
    if (world_update(&s->w, &key, json_get(patch, "status") ? SUB_STATUS : SUB_NONE,
                     json_get(patch, "status") ? world_set_status : world_merge,
                     json_get(patch, "status") ? json_get(patch, "status") : patch) < 0)
        fail_msg("edit %s: %s", arg, s->w.e.text);
    cJSON_Delete(patch);
}

static void do_set(struct scene *s, char *arg)
{
    char line[2048];
    (void)snprintf(line, sizeof line, "statefulsets kubia {\"spec\":%s}", arg);
    do_edit(s, line);
}

static void do_make(struct scene *s, char *arg)
{
    if (world_apply_text(&s->w, "%s", arg) < 0)
        fail_msg("make %s: %s", arg, s->w.e.text);
}

static void do_wait(struct scene *s, char *arg)
{
    world_advance(&s->w, strtoll(arg, NULL, 10) * SECOND);
}

static void hold_all(struct scene *s, bool hold)
{
    for (unsigned i = 1; i <= s->w.opts.embedded_nodes; i++) {
        char node[16];
        (void)snprintf(node, sizeof node, "node%u", i);
        reconcile_node_ignore_deletion(s->w.reconcile, node, hold);
    }
    world_settle(&s->w);
}

/* Containers do not stop any more: pods stay Terminating. */
static void do_hold(struct scene *s, char *arg)
{
    (void)arg;
    hold_all(s, true);
}

static void do_go(struct scene *s, char *arg)
{
    (void)arg;
    hold_all(s, false);
}

/* No word from the node any more. */
static void do_silence(struct scene *s, char *arg)
{
    reconcile_node_silence(s->w.reconcile, arg, true);
}

static void do_hear(struct scene *s, char *arg)
{
    reconcile_node_silence(s->w.reconcile, arg, false);
    world_settle(&s->w);
}

static void do_fail(struct scene *s, char *arg)
{
    reconcile_pod_fail_readiness(s->w.reconcile, "default", arg, true);
    world_settle(&s->w);
}

static void do_pass(struct scene *s, char *arg)
{
    reconcile_pod_fail_readiness(s->w.reconcile, "default", arg, false);
    world_settle(&s->w);
}

/* "finish PHASE POD" */
static void do_finish(struct scene *s, char *arg)
{
    char phase[32], pod[64], line[160];
    assert_int_equal(sscanf(arg, "%31s %63s", phase, pod), 2);
    (void)snprintf(line, sizeof line, "pods %s {\"status\":{\"phase\":\"%s\"}}", pod, phase);
    do_edit(s, line);
}

/* "delete RESOURCE NAME [GRACE]" */
static void do_delete(struct scene *s, char *arg)
{
    char resource[64], name[128], policy[16] = "";
    assert_true(sscanf(arg, "%63s %127s %15s", resource, name, policy) >= 2);
    for (int i = 0; i < KIND_COUNT; i++) {
        if (strcmp(kind_get((enum kind_id)i)->resource, resource) != 0)
            continue;
        const struct verb_key key = {(enum kind_id)i, "default", name};
        const struct delete_opts opts = {
            .has_grace = strcmp(policy, "force") == 0,
            .propagation = strcmp(policy, "orphan") == 0       ? PROPAGATE_ORPHAN
                           : strcmp(policy, "foreground") == 0 ? PROPAGATE_FOREGROUND
                                                               : PROPAGATE_BACKGROUND};
        if (world_delete_with(&s->w, &key, &opts) < 0)
            fail_msg("delete %s: %s", arg, s->w.e.text);
        return;
    }
    fail_msg("delete %s: no such resource", arg);
}

/* ---- expectations ---- */

/* Pods in order of their names: "?" not Ready, "~" terminating, "!" ended, "^" no controller. */
static void get_pods(struct scene *s, char *arg)
{
    (void)arg;
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_POD, "default", NULL); cur.object; view_next(&cur)) {
        const struct pod_view *p = pod_view(cur.object);
        add(s, "%s%s%s%s%s ", cur.object->name, p->ready ? "" : "?",
            cur.object->deleted_us ? "~" : "",
            p->phase == POD_FAILED || p->phase == POD_SUCCEEDED ? "!" : "",
            object_controller(cur.object) ? "" : "^");
    }
}

/* Claims with the kinds of their owners: "data-kubia-0 data-kubia-1(Pod)". */
static void get_claims(struct scene *s, char *arg)
{
    (void)arg;
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_PVC, "default", NULL); cur.object; view_next(&cur)) {
        add(s, "%s%s", cur.object->name, cur.object->deleted_us ? "~" : "");
        for (size_t i = 0; i < cur.object->owner_count; i++)
            add(s, "(%s)", cur.object->owners[i].kind);
        add(s, " ");
    }
}

static const struct object *find(const struct scene *s, enum kind_id kind, const char *name)
{
    return world_find(&s->w, kind, "default", name);
}

static const struct set_view *the_set(const struct scene *s)
{
    const struct object *set = find(s, KIND_STATEFULSET, "kubia");
    assert_non_null(set);
    return set_view(set);
}

/* "replicas ready available current updated" (R67) */
static void get_status(struct scene *s, char *arg)
{
    (void)arg;
    const struct set_view *v = the_set(s);
    add(s, "%d %d %d %d %d", v->st_replicas, v->st_ready, v->st_available, v->st_current,
        v->st_updated);
}

static int64_t revision_number(const struct scene *s, const char *name)
{
    const struct object *obj = find(s, KIND_REVISION, name);
    return obj ? revision_view(obj)->revision : 0;
}

/* Revision numbers of kubia's pods in order, then of status.currentRevision and updateRevision. */
static void get_revisions(struct scene *s, char *arg)
{
    (void)arg;
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_POD, "default", "kubia-"); cur.object; view_next(&cur)) {
        const char *label = object_label(cur.object, LABEL_REVISION);
        add(s, "%lld ", (long long)(label ? revision_number(s, label) : 0));
    }
    add(s, "current %lld update %lld", (long long)revision_number(s, the_set(s)->current_revision),
        (long long)revision_number(s, the_set(s)->update_revision));
}

static int by_number(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Numbers of the revisions that exist, ascending. */
static void get_history(struct scene *s, char *arg)
{
    (void)arg;
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    int64_t numbers[64];
    size_t count = 0;
    for (view_seek(&cur, &view, KIND_REVISION, "default", NULL); cur.object && count < 64;
         view_next(&cur))
        numbers[count++] = revision_view(cur.object)->revision;
    qsort(numbers, count, sizeof *numbers, by_number);
    for (size_t i = 0; i < count; i++)
        add(s, "%lld ", (long long)numbers[i]);
}

#define EVENTS_MAX 16

/* Events on StatefulSets with this reason, in order of their messages, "; " between. */
static void list_events(struct scene *s, const char *reason, bool with_counts)
{
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    char *texts[EVENTS_MAX];
    size_t count = 0;
    for (view_seek(&cur, &view, KIND_EVENT, "default", NULL); cur.object; view_next(&cur)) {
        cJSON *tree = object_tree(cur.object);
        if (strcmp(json_str(tree, "reason", ""), reason) == 0 &&
            strcmp(json_str(json_get(tree, "involvedObject"), "kind", ""), "StatefulSet") == 0) {
            int64_t times = 0;
            const char *message = json_str(tree, "message", "");
            (void)json_int(tree, "count", 0, 1000000, &times);
            assert_string_equal(json_str(json_get(tree, "source"), "component", ""),
                                "statefulset-controller");
            assert_true(count < EVENTS_MAX && times > 0);
            texts[count++] =
                with_counts ? xasprintf("%lld %s", (long long)times, message) : xstrdup(message);
        }
        cJSON_Delete(tree);
    }
    qsort(texts, count, sizeof *texts, world_by_text);
    for (size_t i = 0; i < count; i++) {
        add(s, "%s%s", i > 0 ? "; " : "", texts[i]);
        free(texts[i]);
    }
}

/* With how often, and without. */
static void get_events(struct scene *s, char *arg)
{
    list_events(s, arg, true);
}

static void get_said(struct scene *s, char *arg)
{
    list_events(s, arg, false);
}

/* "field RESOURCE NAME PATH": JSON text of a member, steps of the path divided by '>'. */
static void get_field(struct scene *s, char *arg)
{
    char resource[64], name[128], path[160], *save = NULL;
    assert_int_equal(sscanf(arg, "%63s %127s %159s", resource, name, path), 3);
    const struct object *obj = NULL;
    for (int i = 0; i < KIND_COUNT && !obj; i++)
        if (strcmp(kind_get((enum kind_id)i)->resource, resource) == 0)
            obj = find(s, (enum kind_id)i, name);
    if (!obj) {
        add(s, "absent");
        return;
    }
    cJSON *tree = object_tree(obj);
    const cJSON *at = tree;
    for (char *part = strtok_r(path, ">", &save); part && at; part = strtok_r(NULL, ">", &save))
        at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, (int)strtol(part, NULL, 10))
                               : json_get(at, part);
    char *text = at ? json_print(at, NULL) : xstrdup("-");
    add(s, "%s", text);
    free(text);
    cJSON_Delete(tree);
}

/* The revision with a number, or NULL. */
static const struct object *revision_numbered(const struct scene *s, int64_t number)
{
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_REVISION, "default", NULL); cur.object; view_next(&cur))
        if (revision_view(cur.object)->revision == number)
            return cur.object;
    return NULL;
}

/* "forget N": somebody deletes revision N. */
static void do_forget(struct scene *s, char *arg)
{
    const struct object *found = revision_numbered(s, strtoll(arg, NULL, 10));
    char line[160];
    assert_non_null(found);
    (void)snprintf(line, sizeof line, "controllerrevisions %s", found->name);
    do_delete(s, line);
}

/* "revision N PATH", as field. */
static void get_revision(struct scene *s, char *arg)
{
    char *path = strchr(arg, ' '), line[512];
    const struct object *found = revision_numbered(s, strtoll(arg, NULL, 10));
    assert_non_null(path);
    assert_non_null(found);
    (void)snprintf(line, sizeof line, "controllerrevisions %s%s", found->name, path);
    get_field(s, line);
}

/* "uid RESOURCE NAME": "first", "same" or "other" than when it was last asked for. */
static void get_uid(struct scene *s, char *arg)
{
    char resource[64], name[64];
    assert_int_equal(sscanf(arg, "%63s %63s", resource, name), 2);
    const struct object *obj = NULL;
    for (int i = 0; i < KIND_COUNT && !obj; i++)
        if (strcmp(kind_get((enum kind_id)i)->resource, resource) == 0)
            obj = find(s, (enum kind_id)i, name);
    if (!obj) {
        add(s, "absent");
        return;
    }
    size_t at = 0;
    while (at < s->kept_count && strcmp(s->kept[at].key, arg) != 0)
        at++;
    assert_true(at < KEPT_MAX);
    const char *word = at == s->kept_count                      ? "first"
                       : strcmp(s->kept[at].uid, obj->uid) == 0 ? "same"
                                                                : "other";
    s->kept_count += at == s->kept_count;
    (void)snprintf(s->kept[at].key, sizeof s->kept[at].key, "%s", arg);
    (void)snprintf(s->kept[at].uid, sizeof s->kept[at].uid, "%s", obj->uid);
    add(s, "%s", word);
}

static const struct {
    const char *word;
    void (*run)(struct scene *s, char *arg);
    bool is_question; /* "WORD ARG = WANT" */
} commands[] = {
    {"new", do_new, false},
    {"edit", do_edit, false},
    {"set", do_set, false},
    {"make", do_make, false},
    {"wait", do_wait, false},
    {"hold", do_hold, false},
    {"silence", do_silence, false},
    {"hear", do_hear, false},
    {"said", get_said, true},
    {"go", do_go, false},
    {"fail", do_fail, false},
    {"pass", do_pass, false},
    {"finish", do_finish, false},
    {"delete", do_delete, false},
    {"forget", do_forget, false},
    {"revision", get_revision, true},
    {"pods", get_pods, true},
    {"claims", get_claims, true},
    {"status", get_status, true},
    {"history", get_history, true},
    {"revisions", get_revisions, true},
    {"events", get_events, true},
    {"field", get_field, true},
    {"uid", get_uid, true},
};

/* "..." in what is wanted stands for any text. */
static bool is_as_wanted(const char *got, const char *want)
{
    const char *gap = strstr(want, "...");
    if (!gap)
        return strcmp(got, want) == 0;
    if (strncmp(got, want, (size_t)(gap - want)) != 0)
        return false;
    for (got += gap - want; *got; got++)
        if (is_as_wanted(got, gap + 3))
            return true;
    return gap[3] == '\0';
}

static void run_line(struct scene *s, const char *text)
{
    char *line = xstrdup(text), *arg = strchr(line, ' ');
    if (arg)
        *arg++ = '\0';
    else
        arg = line + strlen(line);
    size_t at = 0;
    while (at < ARRAY_SIZE(commands) && strcmp(commands[at].word, line) != 0)
        at++;
    if (at == ARRAY_SIZE(commands))
        fail_msg("no such command: %s", text);
    char *want = commands[at].is_question ? strstr(text, "= ") : NULL;
    if (commands[at].is_question) {
        char *cut = strstr(arg, "= ");
        assert_non_null(want);
        *(cut > arg ? cut - 1 : cut) = '\0';
    }
    s->got[0] = '\0';
    commands[at].run(s, arg);
    drop_trailing_space(s);
    if (want && !is_as_wanted(s->got, want + 2))
        fail_msg("\n  line: %s\n  got:  %s", text, s->got);
    free(line);
}

static void play(const char *const *lines, unsigned nodes)
{
    struct scene s = {.kept_count = 0};
    world_defaults(&s.w);
    s.w.opts.embedded_nodes = nodes;
    s.w.opts.scheduler = nodes > 0;
    s.w.registry_opts.default_class = "standard";
    world_start(&s.w);
    world_advance(&s.w, SECOND);
    for (size_t i = 0; lines[i]; i++)
        run_line(&s, lines[i]);
    world_stop(&s.w);
}

#define SCENARIO(name, nodes, ...)                                                                 \
    static void name(void **state)                                                                 \
    {                                                                                              \
        static const char *const lines[] = {__VA_ARGS__, NULL};                                    \
        (void)state;                                                                               \
        play(lines, nodes);                                                                        \
    }

#define ALL_READY "pods = kubia-0 kubia-1 kubia-2"

/* ---- creation (sections 1, 2 and 4) ---- */

SCENARIO(s4_s5_the_first_pod_has_its_identity_claim_and_revision, 0, "new kubia {}", "wait 1",
         "pods = kubia-0?", "claims = data-kubia-0", "history = 1",
         "revisions = 1 current 1 update 1",
         "field pods kubia-0 metadata>labels>statefulset.kubernetes.io/pod-name = \"kubia-0\"",
         "field pods kubia-0 metadata>labels>apps.kubernetes.io/pod-index = \"0\"",
         "field pods kubia-0 metadata>labels>app = \"kubia\"",
         "field pods kubia-0 spec>hostname = \"kubia-0\"",
         "field pods kubia-0 spec>subdomain = \"kubia\"",
         "field pods kubia-0 metadata>ownerReferences>0>apiVersion = \"apps/v1\"",
         "field pods kubia-0 metadata>ownerReferences>0>kind = \"StatefulSet\"",
         "field pods kubia-0 metadata>ownerReferences>0>name = \"kubia\"",
         "field pods kubia-0 metadata>ownerReferences>0>controller = true",
         "field pods kubia-0 metadata>ownerReferences>0>blockOwnerDeletion = true",
         "field pods kubia-0 metadata>ownerReferences>1 = -",
         "field pods kubia-0 spec>volumes>0 = "
         "{\"name\":\"data\",\"persistentVolumeClaim\":{\"claimName\":\"data-kubia-0\"}}",
         "field persistentvolumeclaims data-kubia-0 metadata>labels = "
         "{\"app\":\"kubia\",\"tier\":\"db\"}", /* R12: the selector wins */
         "status = 1 0 0 1 1",
         "events SuccessfulCreate = 1 Create Claim data-kubia-0 Pod kubia-0 in StatefulSet kubia "
         "success; 1 Create Pod kubia-0 in StatefulSet kubia successful")

SCENARIO(s6_s7_a_pod_waits_for_its_predecessors, 3, "fail kubia-0", "new kubia {}", "wait 60",
         "pods = kubia-0?", "status = 1 0 0 1 1", "pass kubia-0", "pods = kubia-0 kubia-1?",
         "wait 5", ALL_READY, "claims = data-kubia-0 data-kubia-1 data-kubia-2",
         "status = 3 3 3 3 3", "field statefulsets kubia status>observedGeneration = 1",
         "field statefulsets kubia status>conditions = -")

SCENARIO(s8_parallel_creates_all_at_once, 0,
         "new kubia {\"podManagementPolicy\":\"Parallel\",\"replicas\":5}",
         "pods = kubia-0? kubia-1? kubia-2? kubia-3? kubia-4?",
         "claims = data-kubia-0 data-kubia-1 data-kubia-2 data-kubia-3 data-kubia-4",
         "status = 5 0 0 5 5")

SCENARIO(r30_a_failure_ends_with_its_batch, 0,
         "make {\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"kubia-1\"},"
         "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
         "new kubia {\"podManagementPolicy\":\"Parallel\",\"replicas\":6}", "wait 1",
         "pods = kubia-0? kubia-1?^ kubia-2?", "delete pods kubia-1", "wait 1",
         "pods = kubia-0? kubia-1? kubia-2? kubia-3? kubia-4? kubia-5?")

SCENARIO(s9_ordinals_start_where_they_are_told, 3,
         "new kubia {\"ordinals\":{\"start\":5},\"replicas\":2}", "wait 5",
         "pods = kubia-5 kubia-6",
         "field pods kubia-6 metadata>labels>apps.kubernetes.io/pod-index = \"6\"")

/* ---- scaling (section 5) ---- */

SCENARIO(s10_scale_up_goes_one_by_one, 3, "new kubia {}", "wait 5", "fail kubia-3",
         "set {\"replicas\":5}", "wait 5", "pods = kubia-0 kubia-1 kubia-2 kubia-3?",
         "pass kubia-3", "wait 5", "pods = kubia-0 kubia-1 kubia-2 kubia-3 kubia-4",
         "status = 5 5 5 5 5")

SCENARIO(s11_s13_s38_scale_down_goes_one_by_one_and_claims_wait, 3, "new kubia {}", "wait 5",
         "uid persistentvolumeclaims data-kubia-1 = first",
         "uid persistentvolumeclaims data-kubia-2 = first", "uid pods kubia-1 = first", "hold",
         "set {\"replicas\":1}", "wait 5", "pods = kubia-0 kubia-1 kubia-2~", "go", "wait 5",
         "pods = kubia-0", "claims = data-kubia-0 data-kubia-1 data-kubia-2", "status = 1 1 1 1 1",
         "set {\"replicas\":3}", "wait 5", ALL_READY,
         "uid persistentvolumeclaims data-kubia-1 = same",
         "uid persistentvolumeclaims data-kubia-2 = same", "uid pods kubia-1 = other",
         "events SuccessfulDelete = 1 Delete Pod kubia-1 in StatefulSet kubia successful; 1 Delete "
         "Pod kubia-2 in StatefulSet kubia successful")

SCENARIO(s12_an_unready_pod_in_range_stops_scale_down, 3, "new kubia {}", "wait 5", "fail kubia-0",
         "set {\"replicas\":1}", "wait 60", "pods = kubia-0? kubia-1 kubia-2", "pass kubia-0",
         "wait 5", "pods = kubia-0")

SCENARIO(s14_the_first_unavailable_condemned_pod_goes, 3, "new kubia {}", "wait 5", "fail kubia-2",
         "set {\"replicas\":2}", "wait 5", "pods = kubia-0 kubia-1")

SCENARIO(s15_an_unhealthy_lower_pod_goes_after_a_healthy_higher_one, 3, "new kubia {}", "wait 5",
         "fail kubia-1", "hold", "set {\"replicas\":1}", "wait 5",
         "pods = kubia-0 kubia-1? kubia-2~", "go", "wait 5", "pods = kubia-0")

SCENARIO(s16_parallel_removes_all_at_once, 3,
         "new kubia {\"podManagementPolicy\":\"Parallel\",\"replicas\":5}", "wait 5",
         "fail kubia-0", "fail kubia-3", "hold", "set {\"replicas\":1}",
         "pods = kubia-0? kubia-1~ kubia-2~ kubia-3?~ kubia-4~", "go", "wait 1", "pods = kubia-0?")

SCENARIO(s17_a_terminating_pod_keeps_its_name, 3, "new kubia {}", "wait 5",
         "uid pods kubia-2 = first", "hold", "set {\"replicas\":1}", "set {\"replicas\":3}",
         "wait 60", "pods = kubia-0 kubia-1 kubia-2~", "uid pods kubia-2 = same", "go", "wait 5",
         ALL_READY, "uid pods kubia-2 = other")

SCENARIO(s18_r39_moving_start_creates_first_and_removes_then, 3, "new kubia {}", "wait 5",
         "fail kubia-4", "set {\"ordinals\":{\"start\":2}}", "wait 5",
         "pods = kubia-0 kubia-1 kubia-2 kubia-3 kubia-4?", "hold", "pass kubia-4", "wait 5",
         "pods = kubia-0 kubia-1~ kubia-2 kubia-3 kubia-4", "go", "wait 5",
         "pods = kubia-2 kubia-3 kubia-4", "status = 3 3 3 3 3")

SCENARIO(s19_r40_no_replicas_keep_their_revisions, 3, "new kubia {}", "wait 5",
         "set {\"replicas\":0}", "wait 5", "pods = ", "status = 0 0 0 0 0", "history = 1",
         "revisions = current 1 update 1")

SCENARIO(s81_two_unready_condemned_pods_wait_for_a_person, 3, "new kubia {}", "wait 5",
         "fail kubia-1", "fail kubia-2", "set {\"replicas\":1}", "wait 60",
         "pods = kubia-0 kubia-1? kubia-2?", "delete pods kubia-2", "wait 5", "pods = kubia-0")

/* ---- replacement (section 6) ---- */

SCENARIO(s20_a_deleted_pod_is_replaced_when_it_is_gone, 3, "new kubia {}", "wait 5",
         "uid pods kubia-1 = first", "uid persistentvolumeclaims data-kubia-1 = first", "hold",
         "delete pods kubia-1", "wait 60", "pods = kubia-0 kubia-1~ kubia-2",
         "uid pods kubia-1 = same", "go", "wait 5", ALL_READY, "uid pods kubia-1 = other",
         "uid persistentvolumeclaims data-kubia-1 = same")

SCENARIO(s21_of_two_lost_pods_the_lower_comes_first, 3, "new kubia {}", "wait 5", "hold",
         "delete pods kubia-0", "delete pods kubia-2", "fail kubia-0", "go", "wait 5",
         "pods = kubia-0? kubia-1", "pass kubia-0", "wait 5", ALL_READY)

SCENARIO(s22_r46_a_lower_hole_is_filled_although_a_higher_pod_is_unready, 3, "new kubia {}",
         "wait 5", "fail kubia-1", "delete pods kubia-0", "wait 5",
         "pods = kubia-0 kubia-1? kubia-2")

SCENARIO(s32_a_failed_pod_is_replaced, 3, "new kubia {}", "wait 5", "uid pods kubia-0 = first",
         "uid pods kubia-1 = first", "finish Failed kubia-1", "wait 5", ALL_READY,
         "uid pods kubia-0 = same", "uid pods kubia-1 = other",
         "events SuccessfulDelete = 1 Delete Pod kubia-1 in StatefulSet kubia successful")

SCENARIO(s33_a_pod_that_succeeded_is_replaced, 3,
         "new kubia {\"podManagementPolicy\":\"Parallel\"}", "wait 5", "uid pods kubia-1 = first",
         "finish Succeeded kubia-1", "wait 5", ALL_READY, "uid pods kubia-1 = other",
         "events SuccessfulDelete = 1 Delete Pod kubia-1 in StatefulSet kubia successful")

SCENARIO(s34_s30_a_failed_pod_is_deleted_once, 3, "new kubia {}", "wait 5",
         "edit pods kubia-1 {\"metadata\":{\"finalizers\":[\"example.com/wait\"]}}",
         "finish Failed kubia-1", "wait 60", "pods = kubia-0 kubia-1?~! kubia-2",
         "events SuccessfulDelete = 1 Delete Pod kubia-1 in StatefulSet kubia successful",
         "edit pods kubia-1 {\"metadata\":{\"finalizers\":null}}", "wait 5", ALL_READY)

SCENARIO(s35_a_pod_that_was_never_bound_goes_at_once, 0, "new kubia {}", "uid pods kubia-0 = first",
         "delete pods kubia-0", "wait 1", "pods = kubia-0?", "uid pods kubia-0 = other")

SCENARIO(r41_grace_zero_in_the_template_does_not_free_the_name, 3,
         "new kubia {\"template\":{\"spec\":{\"terminationGracePeriodSeconds\":0}}}", "wait 5",
         "uid pods kubia-1 = first", "hold", "delete pods kubia-1", "wait 5",
         "pods = kubia-0 kubia-1~ kubia-2", "uid pods kubia-1 = same", "go", "wait 5", ALL_READY,
         "uid pods kubia-1 = other")

SCENARIO(r44_a_fenced_pod_on_a_lost_node_is_marked_like_the_others, 1, "new kubia {\"replicas\":1}",
         "wait 5", "edit pods kubia-0 {\"metadata\":{\"finalizers\":[\"example.com/wait\"]}}",
         "hold", "silence node1", "delete pods kubia-0 force", "pods = kubia-0~", "wait 60",
         "pods = kubia-0?~", "hear node1", "go",
         "edit pods kubia-0 {\"metadata\":{\"finalizers\":null}}", "wait 5", "pods = kubia-0")

/* ---- adoption and release (section 8) ---- */

SCENARIO(s36_r61_a_relabelled_pod_is_released_and_keeps_the_name, 3, "new kubia {}", "wait 5",
         "uid pods kubia-1 = first",
         "edit pods kubia-1 {\"metadata\":{\"labels\":{\"app\":\"x\"}}}", "wait 60",
         "pods = kubia-0 kubia-1^ kubia-2", "uid pods kubia-1 = same",
         "events FailedCreate = ", "status = 2 2 2 2 2", "delete pods kubia-1", "wait 5", ALL_READY,
         "uid pods kubia-1 = other")

SCENARIO(s37_r9_a_lost_identity_label_is_restored, 3, "new kubia {}", "wait 5",
         "uid pods kubia-1 = first",
         "edit pods kubia-1 "
         "{\"metadata\":{\"labels\":{\"statefulset.kubernetes.io/"
         "pod-name\":null,\"apps.kubernetes.io/pod-index\":null}}}",
         "wait 1", "uid pods kubia-1 = same",
         "field pods kubia-1 metadata>labels>statefulset.kubernetes.io/pod-name = \"kubia-1\"",
         "field pods kubia-1 metadata>labels>apps.kubernetes.io/pod-index = \"1\"",
         "events SuccessfulUpdate = 1 Update Pod kubia-1 in StatefulSet kubia successful")

#define ORPHAN(name)                                                                               \
    "make {\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"" name                  \
    "\",\"labels\":{\"app\":\"kubia\",\"statefulset.kubernetes.io/pod-name\":\"" name              \
    "\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"

SCENARIO(s38_s39_orphans_of_our_name_are_adopted, 0, ORPHAN("kubia-1"), ORPHAN("other-1"),
         "uid pods kubia-1 = first",
         "new kubia {\"volumeClaimTemplates\":null,\"podManagementPolicy\":\"Parallel\"}", "wait 1",
         "pods = kubia-0? kubia-1? kubia-2? other-1?^", "uid pods kubia-1 = same",
         "field pods kubia-1 metadata>ownerReferences>0>controller = true", "status = 3 0 0 2 2")

SCENARIO(r2_names_that_are_no_ordinals_are_not_ours, 0, ORPHAN("kubia-01"), ORPHAN("kubia-1"),
         ORPHAN("kubia-99999999999"), ORPHAN("kubia-a-2"), ORPHAN("kubia-2-a"),
         "new kubia {\"volumeClaimTemplates\":null,\"podManagementPolicy\":\"Parallel\"}", "wait 1",
         "pods = kubia-0? kubia-01?^ kubia-1? kubia-2? kubia-2-a?^ kubia-99999999999?^ kubia-a-2?^",
         "set {\"replicas\":0}", "wait 1",
         "pods = kubia-01?^ kubia-2-a?^ kubia-99999999999?^ kubia-a-2?^")

SCENARIO(s80_sets_with_overlapping_selectors_keep_apart, 0,
         "new kubia {\"podManagementPolicy\":\"Parallel\",\"replicas\":2}",
         "new kubia-1 {\"podManagementPolicy\":\"Parallel\",\"replicas\":2}", "wait 1",
         "pods = kubia-0? kubia-1? kubia-1-0? kubia-1-1?",
         "field pods kubia-1 metadata>ownerReferences>0>name = \"kubia\"",
         "field pods kubia-1-0 metadata>ownerReferences>0>name = \"kubia-1\"",
         "delete statefulsets kubia-1", "wait 1", "pods = kubia-0? kubia-1?")

/* ---- claims (sections 2 and 3) ---- */

SCENARIO(s40_a_claim_made_by_hand_is_taken_as_it_is, 3,
         "make {\"apiVersion\":\"v1\",\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":"
         "\"data-kubia-0\"},\"spec\":{\"accessModes\":[\"ReadWriteMany\"],\"resources\":{"
         "\"requests\":{\"storage\":\"5Gi\"}}}}",
         "uid persistentvolumeclaims data-kubia-0 = first", "new kubia {}", "wait 5", ALL_READY,
         "uid persistentvolumeclaims data-kubia-0 = same",
         "field persistentvolumeclaims data-kubia-0 spec>resources>requests>storage = \"5Gi\"",
         "field persistentvolumeclaims data-kubia-0 metadata>labels = -")

SCENARIO(s46_r14_a_claim_that_is_being_deleted_holds_the_pod_back, 3, "new kubia {}", "wait 5",
         "uid persistentvolumeclaims data-kubia-2 = first",
         "delete persistentvolumeclaims data-kubia-2", "wait 5",
         "claims = data-kubia-0 data-kubia-1 data-kubia-2~", ALL_READY, "hold",
         "delete pods kubia-2", "wait 5", "claims = data-kubia-0 data-kubia-1 data-kubia-2~", "go",
         "wait 5", ALL_READY, "claims = data-kubia-0 data-kubia-1 data-kubia-2",
         "uid persistentvolumeclaims data-kubia-2 = other")

SCENARIO(r14_the_reason_is_told_and_the_pod_comes_when_the_claim_is_gone, 0,
         "make {\"apiVersion\":\"v1\",\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":"
         "\"data-kubia-0\",\"finalizers\":[\"example.com/wait\"]},\"spec\":{\"accessModes\":["
         "\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Mi\"}}}}",
         "delete persistentvolumeclaims data-kubia-0", "new kubia {}", "pods = ",
         "said FailedCreate = Create Pod kubia-0 in StatefulSet kubia failed error: pvc "
         "data-kubia-0 is being deleted",
         "wait 300",
         "edit persistentvolumeclaims data-kubia-0 {\"metadata\":{\"finalizers\":null}}",
         "pods = kubia-0?", "claims = data-kubia-0")

SCENARIO(r16_a_pending_pod_gets_its_claim_again, 0, "new kubia {}",
         "uid persistentvolumeclaims data-kubia-0 = first",
         "delete persistentvolumeclaims data-kubia-0",
         "edit persistentvolumeclaims data-kubia-0 {\"metadata\":{\"finalizers\":null}}", "wait 1",
         "uid persistentvolumeclaims data-kubia-0 = other", "pods = kubia-0?")

#define RETENTION(deleted, scaled)                                                                 \
    "{\"persistentVolumeClaimRetentionPolicy\":{\"whenDeleted\":\"" deleted                        \
    "\",\"whenScaled\":\"" scaled "\"}}"

SCENARIO(s49_claims_go_with_the_set_when_asked, 3, "new kubia " RETENTION("Delete", "Retain"),
         "wait 5",
         "claims = data-kubia-0(StatefulSet) data-kubia-1(StatefulSet) data-kubia-2(StatefulSet)",
         "field persistentvolumeclaims data-kubia-0 metadata>ownerReferences>0>controller = true",
         "hold", "delete statefulsets kubia", "wait 5", "pods = kubia-0~ kubia-1~ kubia-2~",
         "claims = data-kubia-0~(StatefulSet) data-kubia-1~(StatefulSet) "
         "data-kubia-2~(StatefulSet)",
         "go", "wait 5", "pods = ", "claims = ")

SCENARIO(s49_claims_stay_when_not_asked, 3, "new kubia {}", "wait 5", "delete statefulsets kubia",
         "wait 5", "pods = ", "history = ", "claims = data-kubia-0 data-kubia-1 data-kubia-2")

SCENARIO(s50_s51_s52_claims_follow_the_pods_that_are_scaled_away, 3,
         "new kubia " RETENTION("Retain", "Delete"), "wait 5",
         "claims = data-kubia-0 data-kubia-1 data-kubia-2",
         "uid persistentvolumeclaims data-kubia-1 = first",
         "uid persistentvolumeclaims data-kubia-2 = first", "finish Failed kubia-1", "wait 5",
         ALL_READY, "uid persistentvolumeclaims data-kubia-1 = same", "hold",
         "set {\"replicas\":2}", "wait 5", "claims = data-kubia-0 data-kubia-1 data-kubia-2(Pod)",
         "edit persistentvolumeclaims data-kubia-2 "
         "{\"metadata\":{\"finalizers\":[\"example.com/wait\"]}}",
         "go", "wait 5", "claims = data-kubia-0 data-kubia-1 data-kubia-2~(Pod)",
         "set {\"replicas\":3}", "wait 60", "pods = kubia-0 kubia-1", "events FailedCreate = ",
         "edit persistentvolumeclaims data-kubia-2 {\"metadata\":{\"finalizers\":null}}", "wait 5",
         ALL_READY, "claims = data-kubia-0 data-kubia-1 data-kubia-2",
         "uid persistentvolumeclaims data-kubia-2 = other",
         "uid persistentvolumeclaims data-kubia-1 = same")

SCENARIO(s53_r24_references_follow_the_policy, 3, "new kubia " RETENTION("Delete", "Delete"),
         "wait 5",
         "claims = data-kubia-0(StatefulSet) data-kubia-1(StatefulSet) data-kubia-2(StatefulSet)",
         "hold", "set {\"replicas\":2}",
         "claims = data-kubia-0(StatefulSet) data-kubia-1(StatefulSet) data-kubia-2(Pod)",
         "set " RETENTION("Retain", "Retain"), "wait 1",
         "claims = data-kubia-0 data-kubia-1 data-kubia-2", "go", "wait 5",
         "pods = kubia-0 kubia-1", "claims = data-kubia-0 data-kubia-1 data-kubia-2")

SCENARIO(r22_a_claim_of_another_controller_is_left_alone, 3,
         "make {\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"boss\"}}",
         "new kubia " RETENTION("Delete", "Retain"), "wait 5",
         "edit persistentvolumeclaims data-kubia-0 {\"metadata\":{\"ownerReferences\":[{"
         "\"apiVersion\":\"x.example/v1\",\"kind\":\"Boss\",\"name\":\"b\",\"uid\":\"1\","
         "\"controller\":true}]}}",
         "wait 5",
         "claims = data-kubia-0(Boss) data-kubia-1(StatefulSet) data-kubia-2(StatefulSet)")

/* ---- revisions and updates (section 7) ---- */

#define IMAGE(i)                                                                                   \
    "\"template\":{\"spec\":{\"containers\":[{\"name\":\"kubia\",\"image\":\"" i "\"}]}}"

SCENARIO(s54_an_update_goes_from_the_highest_down, 3, "new kubia {}", "wait 5", "fail kubia-2",
         "pass kubia-2", "wait 1", "hold", "set {" IMAGE("i2") "}", "wait 5",
         "pods = kubia-0 kubia-1 kubia-2~", "revisions = 1 1 1 current 1 update 2",
         "status = 3 3 3 2 0", "fail kubia-2", "go", "wait 5", "pods = kubia-0 kubia-1 kubia-2?",
         "revisions = 1 1 2 current 1 update 2", "status = 3 2 2 2 1", "pass kubia-2", "wait 5",
         ALL_READY, "revisions = 2 2 2 current 2 update 2", "status = 3 3 3 3 3", "history = 1 2",
         "field statefulsets kubia status>observedGeneration = 2")

SCENARIO(s55_r52_pods_below_the_partition_keep_their_revision, 3,
         "new kubia {\"updateStrategy\":{\"rollingUpdate\":{\"partition\":2}}}", "wait 5",
         "set {" IMAGE("i2") "}", "wait 5", "revisions = 1 1 2 current 1 update 2",
         "delete pods kubia-0", "wait 5", ALL_READY, "revisions = 1 1 2 current 1 update 2",
         "status = 3 3 3 2 1",
         "set {\"updateStrategy\":{\"rollingUpdate\":{\"partition\":5}}," IMAGE(
             "i3") "}", /* at N and above nothing is updated */
         "wait 5", "revisions = 1 1 2 current 1 update 3")

SCENARIO(s56_r55_a_broken_revision_blocks_until_a_person_deletes_the_pod, 3, "new kubia {}",
         "wait 5", "fail kubia-2", "wait 1", "pass kubia-2", "hold", "set {" IMAGE("bad") "}",
         "fail kubia-2", "go", "wait 60", "pods = kubia-0 kubia-1 kubia-2?",
         "revisions = 1 1 2 current 1 update 2", "set {" IMAGE("i1") "}", "wait 60",
         "pods = kubia-0 kubia-1 kubia-2?", "delete pods kubia-2", "pass kubia-2", "wait 5",
         ALL_READY, "revisions = 3 3 3 current 3 update 3", "history = 2 3")

SCENARIO(r55_the_cure_is_asked_for_by_an_annotation, 3, "new kubia {}",
         "edit statefulsets kubia "
         "{\"metadata\":{\"annotations\":{\"ordinald.dev/replace-stuck\":\"true\"}}}",
         "wait 5", "hold", "set {" IMAGE("bad") "}", "fail kubia-2", "go", "wait 60",
         "pods = kubia-0 kubia-1 kubia-2?", "uid pods kubia-2 = first", "set {" IMAGE("i1") "}",
         "wait 60", "uid pods kubia-2 = other", "revisions = 3 3 3 current 3 update 3",
         "pass kubia-2", "wait 5", "revisions = 3 3 3 current 3 update 3")

SCENARIO(s57_parallel_heals_by_itself, 3, "new kubia {\"podManagementPolicy\":\"Parallel\"}",
         "wait 5", "hold", "set {" IMAGE("bad") "}", "fail kubia-2", "go", "wait 60",
         "revisions = 1 1 2 current 1 update 2", "hold", "set {" IMAGE("i1") "}", "pass kubia-2",
         "go", "wait 5", ALL_READY, "revisions = 3 3 3 current 3 update 3")

SCENARIO(s58_r54_on_delete_waits_for_a_person, 3,
         "new kubia {\"updateStrategy\":{\"type\":\"OnDelete\"}}", "wait 5",
         "set {" IMAGE("i2") "}", "wait 60", "revisions = 1 1 1 current 1 update 2",
         "delete pods kubia-1", "wait 5", ALL_READY, "revisions = 1 2 1 current 1 update 2",
         "status = 3 3 3 2 1", "delete pods kubia-0", "delete pods kubia-2", "wait 5",
         "revisions = 2 2 2 current 1 update 2", "status = 3 3 3 0 3")

SCENARIO(s59_r50_a_rollback_raises_the_old_revision, 3, "new kubia {}", "wait 5",
         "set {" IMAGE("i2") "}", "wait 5", "history = 1 2", "set {" IMAGE("i1") "}", "wait 5",
         "history = 2 3", "revisions = 3 3 3 current 3 update 3",
         "set {\"minReadySeconds\":1}", /* R48: no template change, no revision */
         "wait 5", "history = 2 3")

SCENARIO(s68_r57_old_revisions_are_forgotten, 3,
         "new kubia {\"revisionHistoryLimit\":2,\"updateStrategy\":{\"type\":\"OnDelete\"}}",
         "wait 5", "set {" IMAGE("a") "}", "set {" IMAGE("b") "}", "set {" IMAGE("c") "}",
         "set {" IMAGE("d") "}", "set {" IMAGE("e") "}", "wait 1",
         "history = 1 4 5 6", /* 1 is current and worn, 6 is wanted */
         "set {\"revisionHistoryLimit\":0}", "wait 1", "history = 1 6",
         "set {\"revisionHistoryLimit\":-1," IMAGE("f") "}", "set {" IMAGE("g") "}", "wait 1",
         "history = 1 6 7 8")

SCENARIO(s82_r47_without_rolling_update_holes_are_filled_with_the_old_revision, 3,
         "new kubia {\"updateStrategy\":{\"type\":\"RollingUpdate\"}}", "wait 5", "hold",
         "set {" IMAGE("i2") "}", "fail kubia-2", "go", "wait 5",
         "revisions = 1 1 2 current 1 update 2", "hold", "fail kubia-0", "delete pods kubia-0",
         "go", "wait 5", "revisions = 1 1 2 current 1 update 2", "pass kubia-2", "pass kubia-0",
         "wait 5", "revisions = 2 2 2 current 2 update 2")

SCENARIO(s83_r47_with_partition_zero_holes_are_filled_with_the_new_revision, 3, "new kubia {}",
         "wait 5", "hold", "set {" IMAGE("i2") "}", "fail kubia-2", "go", "wait 5",
         "revisions = 1 1 2 current 1 update 2", "fail kubia-0", "delete pods kubia-0", "wait 5",
         "revisions = 2 1 2 current 1 update 2", "pass kubia-2", "pass kubia-0", "wait 5",
         "revisions = 2 2 2 current 2 update 2")

SCENARIO(s73_r34_scaling_wins_over_updating, 3, "new kubia {}", "wait 5", "hold",
         "set {\"replicas\":2," IMAGE("i2") "}", "wait 5", "pods = kubia-0 kubia-1 kubia-2~", "go",
         "wait 5", "pods = kubia-0 kubia-1", "revisions = 2 2 current 2 update 2")

SCENARIO(s74_new_ordinals_come_at_the_new_revision, 3, "new kubia {}", "wait 5", "fail kubia-4",
         "set {\"replicas\":5," IMAGE("i2") "}", "wait 5",
         "revisions = 1 1 1 2 2 current 1 update 2", "pass kubia-4", "wait 5",
         "revisions = 2 2 2 2 2 current 2 update 2", "status = 5 5 5 5 5")

SCENARIO(
    r48_a_revision_copies_the_annotations_of_its_set, 0,
    "make {\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":"
    "\"kubia\",\"annotations\":{\"example.com/why\":\"first\"}},\"spec\":{\"selector\":{"
    "\"matchLabels\":{\"app\":\"kubia\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":"
    "\"kubia\"}},\"spec\":{\"containers\":[{\"name\":\"kubia\",\"image\":\"i1\"}]}}}}",
    "revision 1 metadata>annotations = {\"example.com/why\":\"first\"}",
    "edit statefulsets kubia {\"metadata\":{\"annotations\":{\"example.com/why\":\"second\"}}}",
    "history = 1", /* no template change, no revision */
    "set {" IMAGE("i2") "}", "wait 1", "history = 1 2",
    "revision 1 metadata>annotations = {\"example.com/why\":\"first\"}",
    "revision 2 metadata>annotations = {\"example.com/why\":\"second\"}",
    "revision 2 metadata>labels>app = \"kubia\"",
    "revision 2 metadata>ownerReferences>0>kind = \"StatefulSet\"",
    "revision 2 metadata>ownerReferences>0>controller = true",
    "revision 2 data>spec>template>$patch = \"replace\"",
    "revision 2 data>spec>template>spec>containers>0>image = \"i2\"",
    "revision 2 data>spec>replicas = -")

SCENARIO(
    r50_a_revision_of_an_older_server_is_the_same_revision, 3,
    "make {\"apiVersion\":\"apps/v1\",\"kind\":\"ControllerRevision\",\"metadata\":{\"name\":"
    "\"kubia-old\",\"labels\":{\"app\":\"kubia\"}},\"revision\":7,\"data\":{\"spec\":{"
    "\"template\":{\"$patch\":\"replace\",\"metadata\":{\"labels\":{\"app\":\"kubia\"}},\"spec\":"
    "{\"containers\":[{\"name\":\"kubia\",\"image\":\"i1\",\"tty\":false}],\"tolerations\":[]}}}}}",
    "new kubia {}", "wait 5", "history = 7", "revisions = 7 7 7 current 7 update 7",
    "revision 7 metadata>name = \"kubia-old\"",
    "revision 7 metadata>ownerReferences>0>name = \"kubia\"", "set {" IMAGE("i2") "}", "wait 5",
    "history = 7 8", "revisions = 8 8 8 current 8 update 8")

SCENARIO(r51_a_current_revision_that_is_gone_is_the_update_revision, 3,
         "new kubia {\"updateStrategy\":{\"rollingUpdate\":{\"partition\":2}}}", "wait 5",
         "set {" IMAGE("i2") "}", "wait 5", "revisions = 1 1 2 current 1 update 2", "forget 1",
         "wait 1", "history = 2", "revisions = 0 0 2 current 2 update 2", "status = 3 3 3 1 1",
         "delete pods kubia-0", "wait 5", ALL_READY, "revisions = 2 0 2 current 2 update 2")

SCENARIO(
    r56_max_unavailable_is_a_number_or_a_percentage, 3,
    "new kubia {\"podManagementPolicy\":\"Parallel\",\"replicas\":5,\"updateStrategy\":{"
    "\"rollingUpdate\":{\"maxUnavailable\":\"50%\"}}}", /* rounded down: 2 */
    "wait 5", "hold", "set {" IMAGE("i2") "}", "wait 60",
    "pods = kubia-0 kubia-1 kubia-2 kubia-3~ kubia-4~",
    "set {\"updateStrategy\":{\"rollingUpdate\":{\"maxUnavailable\":3}}}", "wait 60",
    "pods = kubia-0 kubia-1 kubia-2~ kubia-3~ kubia-4~",
    "set {\"updateStrategy\":{\"rollingUpdate\":{\"maxUnavailable\":\"10%\"}}}", /* at least 1 */
    "fail kubia-4", "go", "wait 60", "pods = kubia-0 kubia-1 kubia-2 kubia-3 kubia-4?",
    "revisions = 1 1 2 2 2 current 1 update 2", "hold", "pass kubia-4", "wait 60",
    "pods = kubia-0 kubia-1~ kubia-2 kubia-3 kubia-4", "go", "wait 5",
    "revisions = 2 2 2 2 2 current 2 update 2")

/* ---- what fails is told, and tried again later (R70) ---- */

SCENARIO(
    r70_a_pod_that_cannot_be_updated_is_told, 0, ORPHAN("kubia-1"),
    "new kubia {\"podManagementPolicy\":\"Parallel\",\"replicas\":2}", "wait 1",
    "pods = kubia-0? kubia-1?", "field pods kubia-1 metadata>ownerReferences>0>name = \"kubia\"",
    "said FailedUpdate = Update Pod kubia-1 in StatefulSet kubia failed error: Pod \"kubia-1\" "
    "is invalid: spec: Forbidden: pod updates may not change fields other than ...")

SCENARIO(
    r70_a_claim_that_cannot_be_made_is_told, 0,
    "new kubia {\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\",\"labels\":{\"tier\":"
    "\"not valid\"}},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{"
    "\"storage\":\"1Mi\"}}}}]}",
    "pods = ", "claims = ",
    /* twice: its status, written the first time, calls for the set once more */
    "events FailedCreate = 2 Create Claim data-kubia-0 for Pod kubia-0 in StatefulSet kubia "
    "failed error: PersistentVolumeClaim \"data-kubia-0\" is invalid: ...; 2 Create Pod "
    "kubia-0 in StatefulSet kubia failed error: failed to create PVC data-kubia-0: ...")

/* ---- time ---- */

SCENARIO(s67_r32_min_ready_seconds_delay_the_next_pod, 3,
         "new kubia {\"minReadySeconds\":30,\"replicas\":2}", "wait 2", "pods = kubia-0",
         "status = 1 1 0 1 1", "wait 26", "pods = kubia-0", "wait 4", "pods = kubia-0 kubia-1",
         "status = 2 2 1 2 2", "wait 40", "status = 2 2 2 2 2")

SCENARIO(r31_ready_since_nobody_knows_when_is_not_yet_available, 0,
         "new kubia {\"minReadySeconds\":30,\"replicas\":2}",
         "edit pods kubia-0 {\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\","
         "\"status\":\"True\"}]}}",
         "wait 1", "status = 1 1 0 1 1", "pods = kubia-0")

/* ---- deletion of the set ---- */

SCENARIO(s69_background_deletion_takes_the_pods_along, 3, "new kubia {}", "wait 5", "hold",
         "delete statefulsets kubia", "uid statefulsets kubia = absent", "wait 1",
         "pods = kubia-0~ kubia-1~ kubia-2~", "go", "wait 1", "pods = ")

SCENARIO(s70_r65_orphans_are_adopted_by_the_next_set, 3, "new kubia {}", "wait 5",
         "uid pods kubia-1 = first", "delete statefulsets kubia orphan", "wait 5",
         "uid statefulsets kubia = absent", "pods = kubia-0^ kubia-1^ kubia-2^", "history = 1",
         "new kubia {}", "wait 5", ALL_READY, "uid pods kubia-1 = same", "history = 1",
         "revisions = 1 1 1 current 1 update 1", "status = 3 3 3 3 3")

SCENARIO(s71_r62_foreground_deletion_makes_nothing_new, 3, "new kubia {}", "wait 5", "hold",
         "delete statefulsets kubia foreground", "wait 5", "uid statefulsets kubia = first",
         "pods = kubia-0~ kubia-1~ kubia-2~", "delete pods kubia-1 force", "wait 5",
         "pods = kubia-0~ kubia-2~", "uid statefulsets kubia = same", "go", "wait 5",
         "pods = ", "uid statefulsets kubia = absent")

SCENARIO(
    s75_r7_a_name_too_long_for_pods_fails_again_and_again, 0,
    "make {\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":"
    "\"a23456789-123456789-123456789-123456789-123456789-123456789-123\"},\"spec\":{"
    "\"replicas\":1,\"selector\":{\"matchLabels\":{\"app\":\"a\"}},\"template\":{\"metadata\":{"
    "\"labels\":{\"app\":\"a\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"
    "}}",
    "wait 10", "pods = ")

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(s4_s5_the_first_pod_has_its_identity_claim_and_revision),
        TEST(s6_s7_a_pod_waits_for_its_predecessors),
        TEST(s8_parallel_creates_all_at_once),
        TEST(r30_a_failure_ends_with_its_batch),
        TEST(s9_ordinals_start_where_they_are_told),
        TEST(s10_scale_up_goes_one_by_one),
        TEST(s11_s13_s38_scale_down_goes_one_by_one_and_claims_wait),
        TEST(s12_an_unready_pod_in_range_stops_scale_down),
        TEST(s14_the_first_unavailable_condemned_pod_goes),
        TEST(s15_an_unhealthy_lower_pod_goes_after_a_healthy_higher_one),
        TEST(s16_parallel_removes_all_at_once),
        TEST(s17_a_terminating_pod_keeps_its_name),
        TEST(s18_r39_moving_start_creates_first_and_removes_then),
        TEST(s19_r40_no_replicas_keep_their_revisions),
        TEST(s81_two_unready_condemned_pods_wait_for_a_person),
        TEST(s20_a_deleted_pod_is_replaced_when_it_is_gone),
        TEST(s21_of_two_lost_pods_the_lower_comes_first),
        TEST(s22_r46_a_lower_hole_is_filled_although_a_higher_pod_is_unready),
        TEST(s32_a_failed_pod_is_replaced),
        TEST(s33_a_pod_that_succeeded_is_replaced),
        TEST(s34_s30_a_failed_pod_is_deleted_once),
        TEST(s35_a_pod_that_was_never_bound_goes_at_once),
        TEST(r41_grace_zero_in_the_template_does_not_free_the_name),
        TEST(r44_a_fenced_pod_on_a_lost_node_is_marked_like_the_others),
        TEST(s36_r61_a_relabelled_pod_is_released_and_keeps_the_name),
        TEST(s37_r9_a_lost_identity_label_is_restored),
        TEST(s38_s39_orphans_of_our_name_are_adopted),
        TEST(r2_names_that_are_no_ordinals_are_not_ours),
        TEST(s80_sets_with_overlapping_selectors_keep_apart),
        TEST(s40_a_claim_made_by_hand_is_taken_as_it_is),
        TEST(s46_r14_a_claim_that_is_being_deleted_holds_the_pod_back),
        TEST(r14_the_reason_is_told_and_the_pod_comes_when_the_claim_is_gone),
        TEST(r16_a_pending_pod_gets_its_claim_again),
        TEST(s49_claims_go_with_the_set_when_asked),
        TEST(s49_claims_stay_when_not_asked),
        TEST(s50_s51_s52_claims_follow_the_pods_that_are_scaled_away),
        TEST(s53_r24_references_follow_the_policy),
        TEST(r22_a_claim_of_another_controller_is_left_alone),
        TEST(s54_an_update_goes_from_the_highest_down),
        TEST(s55_r52_pods_below_the_partition_keep_their_revision),
        TEST(s56_r55_a_broken_revision_blocks_until_a_person_deletes_the_pod),
        TEST(r55_the_cure_is_asked_for_by_an_annotation),
        TEST(s57_parallel_heals_by_itself),
        TEST(s58_r54_on_delete_waits_for_a_person),
        TEST(s59_r50_a_rollback_raises_the_old_revision),
        TEST(s68_r57_old_revisions_are_forgotten),
        TEST(s82_r47_without_rolling_update_holes_are_filled_with_the_old_revision),
        TEST(s83_r47_with_partition_zero_holes_are_filled_with_the_new_revision),
        TEST(s73_r34_scaling_wins_over_updating),
        TEST(s74_new_ordinals_come_at_the_new_revision),
        TEST(r48_a_revision_copies_the_annotations_of_its_set),
        TEST(r50_a_revision_of_an_older_server_is_the_same_revision),
        TEST(r51_a_current_revision_that_is_gone_is_the_update_revision),
        TEST(r56_max_unavailable_is_a_number_or_a_percentage),
        TEST(r70_a_pod_that_cannot_be_updated_is_told),
        TEST(r70_a_claim_that_cannot_be_made_is_told),
        TEST(s67_r32_min_ready_seconds_delay_the_next_pod),
        TEST(r31_ready_since_nobody_knows_when_is_not_yet_available),
        TEST(s69_background_deletion_takes_the_pods_along),
        TEST(s70_r65_orphans_are_adopted_by_the_next_set),
        TEST(s71_r62_foreground_deletion_makes_nothing_new),
        TEST(s75_r7_a_name_too_long_for_pods_fails_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
