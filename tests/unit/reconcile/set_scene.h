/* The StatefulSet controller end to end: a memory store, a fake clock and embedded nodes; every
 * write goes through the verbs of the registry. Each scenario is a list of lines, one verb or one
 * expectation each (see `commands`), and a function of the file that includes this. */
#pragma once

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

#define ORPHAN(name)                                                                               \
    "make {\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"" name                  \
    "\",\"labels\":{\"app\":\"kubia\",\"statefulset.kubernetes.io/pod-name\":\"" name              \
    "\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"

#define TEST(name) cmocka_unit_test(name)
