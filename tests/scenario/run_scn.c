/* Runs one scenario: objects, time and queries together, on a fake clock and without sockets.
 *
 *   run_scn FILE [ZONE]      ZONE stands for cluster.local in every line
 *
 *   scenario: TITLE                        the first line
 *   option KEY VALUE                       before other lines; as in the configuration
 *   load FILE                              JSON lines of manifests, beside the scenario
 *   apply {MANIFEST}                       create, or merge
 *   apply NS/KIND/NAME WORD=VALUE...       the same in short (tests/scenario/manifest.h)
 *   set NS/KIND/NAME PATH=VALUE...         the main resource; status: the same through /status
 *   ready NS/Pod/NAME [ip=A[,A6]]          as its node reports; unready: Ready=False
 *   delete NS/KIND/NAME [grace=N] [propagation=Foreground|Orphan]
 *                                          by a client; confirm NS/Pod/NAME node=N: by its node
 *   query NAME TYPE -> RESULT              see world_query
 *   expect NS/KIND/NAME PATH=VALUE...      or: absent, present, terminating, living; VALUE * is
 *                                          any, - is none
 *   count NS/KIND N                        objects in a namespace ("-": everywhere)
 *   remember NS/KIND/NAME                  expect may then ask for "same" or "other": its uid
 *   said|unsaid NS/KIND/NAME REASON        an Event about it
 *   explain NS/SUBJECT -> CAUSE | CAUSE    what ordctl explain says, without hints; * is any text
 *   why NAME TYPE -> TEXT                  the text of the negative answer (R-070)
 *   serial ZONE remember|same|greater
 *   advance DURATION, settle, crash
 *   silence|wake|hold|unhold NODE          knobs of embedded nodes; hold ignores deletions
 *   fail|heal|readdress NS/Pod/NAME
 *   refuse LINE                            LINE must fail; the state stays
 *
 * ${NS/KIND/NAME} in a line is the uid of the object. A line is over when its write was answered;
 * what follows sees it at once. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scenario/manifest.h"
#include "tests/scenario/world.h"

#define ZONE "cluster.local"

struct run {
    struct world w;
    const char *path, *zone;
    int line;
    bool is_started;
    struct {
        char zone[NAME_TEXT_MAX];
        uint32_t serial;
    } serials[16];
    size_t serial_count;
    struct {
        char key[OBJECT_KEY_MAX + 1], uid[UUID_TEXT_SIZE];
    } uids[16];
    size_t uid_count;
};

static _Noreturn void stop(const struct run *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static _Noreturn void stop(const struct run *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fflush(stdout);
    (void)fprintf(stderr, "%s:%d: ", r->path, r->line);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(1); /* NOLINT(concurrency-mt-unsafe): one thread */
}

static char *next_word(char **rest)
{
    *rest += strspn(*rest, " \t");
    if (!**rest)
        return NULL;
    char *word = *rest;
    *rest += strcspn(*rest, " \t");
    if (**rest)
        *(*rest)++ = '\0';
    return word;
}

static char *need_word(const struct run *r, char **rest, const char *what)
{
    char *word = next_word(rest);
    if (!word)
        stop(r, "%s is missing", what);
    return word;
}

static const struct kind *need_key(const struct run *r, char **rest, const char **ns,
                                   const char **name)
{
    char *word = need_word(r, rest, "NS/KIND/NAME");
    const struct kind *kind = manifest_key(word, ns, name);
    if (!kind)
        stop(r, "no such kind: %s", word);
    return kind;
}

static void start(struct run *r)
{
    if (!r->is_started)
        world_start(&r->w);
    r->is_started = true;
}

/* ---- options ---- */

static int64_t duration_us(const struct run *r, const char *text)
{
    static const struct {
        const char *unit;
        int64_t us;
    } units[] = {{"us", 1},          {"ms", 1000},         {"s", SECOND},
                 {"m", 60 * SECOND}, {"h", 3600 * SECOND}, {"", SECOND}};
    char *end = NULL;
    long long value = strtoll(text, &end, 10);
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (strcmp(units[i].unit, end) == 0)
            return value * units[i].us;
    stop(r, "no duration: %s", text);
}

static bool is_on(const char *value)
{
    return strcmp(value, "true") == 0;
}

static bool set_zone_option(struct zones_opts *o, const char *key, const char *value)
{
    if (strcmp(key, "zone.endpoint-names") == 0)
        o->endpoint_names = strcmp(value, "pod") == 0 ? ENDPOINT_NAMES_POD : ENDPOINT_NAMES_IP;
    else if (strcmp(key, "zone.endpoint-records") == 0)
        o->endpoint_records =
            strcmp(value, "headless") == 0 ? ENDPOINT_RECORDS_HEADLESS : ENDPOINT_RECORDS_ALL;
    else if (strcmp(key, "zone.pods") == 0)
        o->pods = strcmp(value, "insecure") == 0   ? PODS_INSECURE
                  : strcmp(value, "disabled") == 0 ? PODS_DISABLED
                                                   : PODS_VERIFIED;
    else if (strcmp(key, "zone.ptr") == 0)
        o->ptr = strcmp(value, "all") == 0 ? PTR_ALL : PTR_PREFER_HOSTNAME;
    else if (strcmp(key, "zone.ignore-empty-service") == 0)
        o->ignore_empty_service = is_on(value);
    else
        return false;
    return true;
}

static void run_option(struct run *r, char *rest)
{
    char *key = need_word(r, &rest, "KEY"), *value = need_word(r, &rest, "VALUE");
    struct reconcile_opts *o = &r->w.opts;
    if (r->is_started)
        stop(r, "options come first");
    if (set_zone_option(&r->w.zones_opts, key, value))
        return;
    if (strcmp(key, "nodes.embedded") == 0)
        o->embedded_nodes = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(key, "nodes.embedded-start") == 0)
        o->embedded_start_us = duration_us(r, value);
    else if (strcmp(key, "nodes.scheduler") == 0)
        o->scheduler = is_on(value);
    else if (strcmp(key, "nodes.families") == 0)
        o->pod_range_count = strtoul(value, NULL, 10);
    else if (strcmp(key, "volumes.class") == 0)
        r->w.registry_opts.default_class = xstrdup(value); /* for the life of the process */
    else
        stop(r, "no such option: %s", key);
}

/* ---- writes ---- */

static int apply_text(struct run *r, const char *text)
{
    cJSON *tree = json_parse(text, strlen(text), &r->w.e);
    int rc = tree ? world_apply(&r->w, tree) : ERR_MALFORMED;
    cJSON_Delete(tree);
    return rc;
}

static int run_apply(struct run *r, char *rest)
{
    rest += strspn(rest, " \t");
    if (*rest == '{')
        return apply_text(r, rest);
    const char *ns, *name;
    const struct kind *kind = need_key(r, &rest, &ns, &name);
    cJSON *tree = manifest_new(kind, ns, name);
    for (char *word; (word = next_word(&rest));)
        if (!manifest_set(tree, kind, word))
            stop(r, "neither WORD=VALUE nor PATH=VALUE: %s", word);
    int rc = world_apply(&r->w, tree);
    cJSON_Delete(tree);
    return rc;
}

static char *in_zone(const struct run *r, const char *text)
{
    struct buf_out out;
    buf_out_init(&out);
    for (const char *at; (at = strcasestr(text, ZONE)); text = at + strlen(ZONE)) {
        buf_put(&out, text, (size_t)(at - text));
        buf_puts(&out, r->zone);
    }
    buf_puts(&out, text);
    return buf_out_take(&out, NULL);
}

static char *read_line(FILE *file)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len = getline(&line, &size, file);
    if (len < 0) {
        free(line);
        return NULL;
    }
    line[strcspn(line, "\r\n")] = '\0';
    return line;
}

static int run_load(struct run *r, char *rest)
{
    const char *slash = strrchr(r->path, '/');
    char *path = xasprintf("%.*s/%s", slash ? (int)(slash - r->path) : 1, slash ? r->path : ".",
                           need_word(r, &rest, "FILE"));
    FILE *file = fopen(path, "re");
    if (!file)
        stop(r, "cannot open %s", path);
    for (char *line; (line = read_line(file)); free(line)) {
        char *text = in_zone(r, line);
        if (apply_text(r, text) < 0)
            stop(r, "%s: %s", r->w.e.text, text);
        free(text);
    }
    (void)fclose(file);
    free(path);
    return 0;
}

static int change_paths(cJSON *tree, void *arg, struct err *e)
{
    char *copy = xstrdup(arg), *rest = copy;
    int rc = 0;
    for (char *word; (word = next_word(&rest));) {
        char *value = strchr(word, '=');
        if (!value) {
            rc = err_set(e, ERR_MALFORMED, "no PATH=VALUE: %s", word);
            break;
        }
        *value++ = '\0';
        if (strcmp(value, "-") != 0) {
            (void)manifest_set_path(tree, word, value);
            continue;
        }
        char *dot = strrchr(word, '.');
        if (dot)
            *dot++ = '\0';
        cJSON *parent = dot ? manifest_at(tree, word) : tree;
        if (dot && cJSON_IsArray(parent))
            cJSON_DeleteItemFromArray(parent, (int)strtol(dot, NULL, 10));
        else if (parent)
            json_del(parent, dot ? dot : word);
    }
    free(copy);
    return rc;
}

static int run_set(struct run *r, char *rest)
{
    const char *ns, *name;
    const struct kind *kind = need_key(r, &rest, &ns, &name);
    const struct verb_key key = {kind->id, ns, name};
    return world_update(&r->w, &key, SUB_NONE, change_paths, rest);
}

static int run_status(struct run *r, char *rest)
{
    const char *ns, *name;
    const struct kind *kind = need_key(r, &rest, &ns, &name);
    const struct verb_key key = {kind->id, ns, name};
    return world_update(&r->w, &key, SUB_STATUS, change_paths, rest);
}

static int report(struct run *r, char *rest, bool is_ready)
{
    const char *ns, *name;
    (void)need_key(r, &rest, &ns, &name);
    struct world_ready ready = {.is_ready = is_ready};
    char *word = next_word(&rest);
    if (word && strncmp(word, "ip=", 3) == 0) {
        ready.ip = word + 3;
        char *comma = strchr(word, ',');
        if (comma) {
            *comma = '\0';
            ready.ip6 = comma + 1;
        }
    }
    const struct verb_key key = {KIND_POD, ns, name};
    return world_update(&r->w, &key, SUB_STATUS, world_change_ready, &ready);
}

static int run_ready(struct run *r, char *rest)
{
    return report(r, rest, true);
}
static int run_unready(struct run *r, char *rest)
{
    return report(r, rest, false);
}

static int run_delete(struct run *r, char *rest)
{
    const char *ns, *name;
    const struct kind *kind = need_key(r, &rest, &ns, &name);
    const struct verb_key key = {kind->id, ns, name};
    struct delete_opts opts = {0};
    for (const char *word; (word = next_word(&rest));) {
        opts.has_grace |= strncmp(word, "grace=", 6) == 0;
        if (opts.has_grace)
            opts.grace_s = strtoll(word + 6, NULL, 10);
        else if (strcmp(word, "propagation=Foreground") == 0)
            opts.propagation = PROPAGATE_FOREGROUND;
        else if (strcmp(word, "propagation=Orphan") == 0)
            opts.propagation = PROPAGATE_ORPHAN;
        else
            stop(r, "no such option: %s", word);
    }
    return world_delete_with(&r->w, &key, &opts);
}

static int run_confirm(struct run *r, char *rest)
{
    const char *ns, *name;
    const struct kind *kind = need_key(r, &rest, &ns, &name);
    const char *word = need_word(r, &rest, "node=N");
    return world_delete_as(&r->w, ROLE_NODE, word + strlen("node="), kind->id, ns, name, 0);
}

/* ---- reads ---- */

static int run_query(struct run *r, char *rest)
{
    char *name = need_word(r, &rest, "NAME"), *type = need_word(r, &rest, "TYPE");
    const char *arrow = need_word(r, &rest, "->");
    if (strcmp(arrow, "->") != 0)
        stop(r, "-> is missing");
    rest += strspn(rest, " \t");
    char *got = world_query(&r->w, name, type);
    if (strcmp(got, rest) != 0)
        stop(r, "%s %s: expected %s, got %s", name, type, rest, got);
    free(got);
    return 0;
}

/* The causes of an explanation, joined by " | ". Owned; NULL when it is refused. */
static char *explained(struct run *r, const char *ns, const char *subject)
{
    struct buf_out text, out;
    buf_out_init(&text);
    buf_out_init(&out);
    if (reconcile_explain(r->w.reconcile, ns, subject, &text, &r->w.e) < 0)
        return NULL;
    cJSON *tree = json_parse(text.data, text.len, &r->w.e);
    if (!tree)
        stop(r, "%s: %s", r->w.e.text, text.data);
    const cJSON *cause = NULL;
    cJSON_ArrayForEach(cause, json_get(tree, "causes"))
        buf_printf(&out, "%s%s", out.len ? " | " : "", json_str(cause, "text", ""));
    cJSON_Delete(tree);
    buf_out_fini(&text);
    return buf_out_take(&out, NULL);
}

static int run_explain(struct run *r, char *rest)
{
    char *ns = need_word(r, &rest, "NS/SUBJECT"), *subject = strchr(ns, '/');
    if (!subject || strcmp(need_word(r, &rest, "->"), "->") != 0)
        stop(r, "no NS/SUBJECT -> CAUSE");
    *subject++ = '\0';
    rest += strspn(rest, " \t");
    char *got = explained(r, ns, subject);
    if (!got)
        return ERR_INVALID;
    if (fnmatch(rest, got, 0) != 0)
        stop(r, "%s: expected\n%s\ngot\n%s", subject, rest, got);
    free(got);
    return 0;
}

static int run_why(struct run *r, char *rest)
{
    char *name = need_word(r, &rest, "NAME"), *type = need_word(r, &rest, "TYPE");
    if (strcmp(need_word(r, &rest, "->"), "->") != 0)
        stop(r, "-> is missing");
    rest += strspn(rest, " \t");
    char *got = world_why(&r->w, name, type);
    if (fnmatch(rest, got, FNM_NOESCAPE) != 0)
        stop(r, "%s: expected\n%s\ngot\n%s", name, rest, got);
    free(got);
    return 0;
}

static void expect_path(const struct run *r, cJSON *tree, const struct object *obj, char *word)
{
    char *want = strchr(word, '=');
    if (!want)
        stop(r, "no PATH=VALUE: %s", word);
    *want++ = '\0';
    char *shown = xstrdup(word);
    cJSON *item = manifest_at(tree, word);
    if (strcmp(want, "*") == 0 ? !item : strcmp(want, "-") == 0 && item)
        stop(r, "%s: %s is %s there", obj->key, shown, item ? "still" : "not");
    if (strcmp(want, "*") != 0 && strcmp(want, "-") != 0) {
        struct err e = {0};
        cJSON *value = json_parse(want, strlen(want), &e);
        bool is_equal = item && ((value && json_equal(item, value)) ||
                                 (cJSON_IsString(item) && strcmp(item->valuestring, want) == 0));
        cJSON_Delete(value);
        char *got = item ? json_print(item, NULL) : xstrdup("nothing");
        if (!is_equal)
            stop(r, "%s: %s is %s, not %s", obj->key, shown, got, want);
        free(got);
    }
    free(shown);
}

static int run_remember(struct run *r, char *rest)
{
    const char *ns, *name;
    const struct kind *kind = need_key(r, &rest, &ns, &name);
    const struct object *obj = world_find(&r->w, kind->id, ns, name);
    if (!obj || r->uid_count == ARRAY_SIZE(r->uids))
        stop(r, "%s cannot be remembered", name);
    (void)snprintf(r->uids[r->uid_count].key, sizeof r->uids[0].key, "%s", obj->key);
    (void)snprintf(r->uids[r->uid_count++].uid, UUID_TEXT_SIZE, "%s", obj->uid);
    return 0;
}

/* The last uid remembered of the object. */
static const char *remembered(const struct run *r, const struct object *obj)
{
    for (size_t i = r->uid_count; i-- > 0;)
        if (strcmp(r->uids[i].key, obj->key) == 0)
            return r->uids[i].uid;
    stop(r, "%s was not remembered", obj->key);
}

static size_t events_about(const struct run *r, const struct kind *kind, const char *ns,
                           const char *name, const char *reason)
{
    struct store_view view = store_applied(r->w.store);
    struct view_cursor cur;
    size_t n = 0;
    for (view_seek(&cur, &view, KIND_EVENT, NULL, NULL); cur.object; view_next(&cur)) {
        cJSON *tree = object_tree(cur.object);
        const cJSON *about = json_get(tree, "involvedObject");
        n += strcmp(json_str(tree, "reason", ""), reason) == 0 &&
             strcmp(json_str(about, "kind", ""), kind->name) == 0 &&
             strcmp(json_str(about, "name", ""), name) == 0 &&
             (!kind->namespaced || strcmp(json_str(about, "namespace", ""), ns) == 0);
        cJSON_Delete(tree);
    }
    return n;
}

static int run_said(struct run *r, char *rest)
{
    const char *ns, *name;
    const struct kind *kind = need_key(r, &rest, &ns, &name);
    const char *reason = need_word(r, &rest, "REASON");
    if (events_about(r, kind, ns, name, reason) == 0)
        stop(r, "no event %s about %s", reason, name);
    return 0;
}

static int run_unsaid(struct run *r, char *rest)
{
    const char *ns, *name;
    const struct kind *kind = need_key(r, &rest, &ns, &name);
    const char *reason = need_word(r, &rest, "REASON");
    if (events_about(r, kind, ns, name, reason) > 0)
        stop(r, "an event %s about %s", reason, name);
    return 0;
}

static int run_expect(struct run *r, char *rest)
{
    const char *ns, *name;
    const struct kind *kind = need_key(r, &rest, &ns, &name);
    const struct object *obj = world_find(&r->w, kind->id, ns, name);
    cJSON *tree = obj ? object_tree(obj) : NULL;
    for (char *word; (word = next_word(&rest));) {
        bool must_be = strcmp(word, "absent") != 0;
        if ((obj != NULL) != must_be)
            stop(r, "%s is %s", name, obj ? "there" : "not there");
        if (!must_be || strcmp(word, "present") == 0)
            continue;
        if (strcmp(word, "same") == 0 || strcmp(word, "other") == 0) {
            if ((strcmp(remembered(r, obj), obj->uid) == 0) != (*word == 's'))
                stop(r, "%s is not the %s", obj->key, word);
        } else if (strcmp(word, "terminating") == 0 || strcmp(word, "living") == 0) {
            if ((obj->deleted_us != 0) != (*word == 't'))
                stop(r, "%s is not %s", obj->key, word);
        } else {
            expect_path(r, tree, obj, word);
        }
    }
    cJSON_Delete(tree);
    return 0;
}

static int run_count(struct run *r, char *rest)
{
    char *ns = need_word(r, &rest, "NS/KIND"), *kind_name = strchr(ns, '/');
    unsigned long want = strtoul(need_word(r, &rest, "N"), NULL, 10), got = 0;
    if (!kind_name)
        stop(r, "no NS/KIND: %s", ns);
    *kind_name++ = '\0';
    struct store_view view = store_applied(r->w.store);
    for (enum kind_id i = 0; i < KIND_COUNT; i++) {
        if (strcmp(kind_get(i)->name, kind_name) != 0)
            continue;
        struct view_cursor cur;
        for (view_seek(&cur, &view, i, strcmp(ns, "-") == 0 ? NULL : ns, NULL); cur.object;
             view_next(&cur))
            got++;
    }
    if (got != want)
        stop(r, "%lu of %s/%s, not %lu", got, ns, kind_name, want);
    return 0;
}

static int run_serial(struct run *r, char *rest)
{
    const char *zone = need_word(r, &rest, "ZONE"),
               *what = need_word(r, &rest, "remember|same|greater");
    uint32_t serial = 0;
    size_t i = 0;
    char name[NAME_TEXT_MAX];
    for (; i < zones_serial_count(r->w.zones); i++) {
        zones_serial_get(r->w.zones, i, name, &serial);
        if (strncmp(name, zone, strlen(zone)) == 0)
            break;
    }
    if (i == zones_serial_count(r->w.zones))
        stop(r, "no zone %s", zone);
    for (i = 0; i < r->serial_count && strcmp(r->serials[i].zone, zone) != 0; i++)
        continue;
    uint32_t before = i < r->serial_count ? r->serials[i].serial : 0;
    if (strcmp(what, "same") == 0 && serial != before)
        stop(r, "serial of %s went from %u to %u", zone, before, serial);
    if (strcmp(what, "greater") == 0 && (int32_t)(serial - before) <= 0)
        stop(r, "serial of %s stayed at %u", zone, serial);
    if (i == r->serial_count)
        CHECK(r->serial_count++ < ARRAY_SIZE(r->serials));
    (void)snprintf(r->serials[i].zone, sizeof r->serials[i].zone, "%s", zone);
    r->serials[i].serial = serial;
    return 0;
}

/* ---- time and knobs ---- */

static int run_advance(struct run *r, char *rest)
{
    world_advance(&r->w, duration_us(r, need_word(r, &rest, "DURATION")));
    return 0;
}

static int run_settle(struct run *r, char *rest)
{
    (void)rest;
    world_settle(&r->w);
    return 0;
}

static int run_crash(struct run *r, char *rest)
{
    (void)rest;
    world_crash(&r->w);
    return 0;
}

static int run_silence(struct run *r, char *rest)
{
    reconcile_node_silence(r->w.reconcile, need_word(r, &rest, "NODE"), true);
    return 0;
}
static int run_wake(struct run *r, char *rest)
{
    reconcile_node_silence(r->w.reconcile, need_word(r, &rest, "NODE"), false);
    world_settle(&r->w);
    return 0;
}
static int run_hold(struct run *r, char *rest)
{
    reconcile_node_ignore_deletion(r->w.reconcile, need_word(r, &rest, "NODE"), true);
    return 0;
}
static int run_unhold(struct run *r, char *rest)
{
    reconcile_node_ignore_deletion(r->w.reconcile, need_word(r, &rest, "NODE"), false);
    world_settle(&r->w);
    return 0;
}

static int probe(struct run *r, char *rest, bool fail)
{
    const char *ns, *name;
    (void)need_key(r, &rest, &ns, &name);
    reconcile_pod_fail_readiness(r->w.reconcile, ns, name, fail);
    world_settle(&r->w);
    return 0;
}
static int run_fail(struct run *r, char *rest)
{
    return probe(r, rest, true);
}
static int run_heal(struct run *r, char *rest)
{
    return probe(r, rest, false);
}

static int run_readdress(struct run *r, char *rest)
{
    const char *ns, *name;
    (void)need_key(r, &rest, &ns, &name);
    int rc = reconcile_pod_change_address(r->w.reconcile, ns, name);
    world_settle(&r->w);
    return rc;
}

static int run_line(struct run *r, char *line);

static int run_refuse(struct run *r, char *rest)
{
    if (run_line(r, rest) >= 0)
        stop(r, "was not refused");
    return 0;
}

/* The line with the uid of an object in place of each ${NS/KIND/NAME}. Takes `line`. */
static char *with_uids(const struct run *r, char *line)
{
    char *from, *end;
    while ((from = strstr(line, "${")) && (end = strchr(from, '}'))) {
        const char *ns, *name;
        *from = *end = '\0';
        const struct kind *kind = manifest_key(from + 2, &ns, &name);
        const struct object *obj = kind ? world_find(&r->w, kind->id, ns, name) : NULL;
        if (!obj)
            stop(r, "${...} names nothing");
        char *next = xasprintf("%s%s%s", line, obj->uid, end + 1);
        free(line);
        line = next;
    }
    return line;
}

static int run_line(struct run *r, char *line)
{
    static const struct {
        const char *word;
        int (*run)(struct run *r, char *rest);
    } commands[] = {
        {"apply", run_apply},     {"load", run_load},
        {"set", run_set},         {"status", run_status},
        {"ready", run_ready},     {"unready", run_unready},
        {"delete", run_delete},   {"confirm", run_confirm},
        {"query", run_query},     {"expect", run_expect},
        {"count", run_count},     {"serial", run_serial},
        {"advance", run_advance}, {"settle", run_settle},
        {"crash", run_crash},     {"silence", run_silence},
        {"wake", run_wake},       {"hold", run_hold},
        {"unhold", run_unhold},   {"fail", run_fail},
        {"heal", run_heal},       {"readdress", run_readdress},
        {"refuse", run_refuse},   {"remember", run_remember},
        {"said", run_said},       {"unsaid", run_unsaid},
        {"explain", run_explain}, {"why", run_why},
    };
    char *word = next_word(&line);
    if (!word || *word == '#')
        return 0;
    if (strcmp(word, "scenario:") == 0)
        return 0;
    if (strcmp(word, "option") == 0) {
        run_option(r, line);
        return 0;
    }
    start(r);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].word, word) == 0)
            return commands[i].run(r, line);
    stop(r, "no such command: %s", word);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)fprintf(stderr, "usage: %s FILE [ZONE]\n", argv[0]);
        return 2;
    }
    static struct run r;
    world_defaults(&r.w);
    r.path = argv[1];
    r.zone = argc > 2 ? argv[2] : ZONE;
    r.w.zones_opts.zone_name = r.zone;
    FILE *file = fopen(r.path, "re");
    if (!file)
        stop(&r, "cannot be opened");
    for (char *line; (line = read_line(file)); free(line)) {
        r.line++;
        char *text = with_uids(&r, in_zone(&r, line));
        if (run_line(&r, text) < 0)
            stop(&r, "%s: %s", line, r.w.e.text);
        free(text);
    }
    (void)fclose(file);
    start(&r);
    world_stop(&r.w);
    (void)printf("%s: ok\n", r.path);
    return 0;
}
