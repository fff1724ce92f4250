/* cmd/ordctl_get.c - get and events: tables the server makes, JSON, YAML, names; once or as a
 * stream of changes. */
#include "cmd/ordctl.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"

#define PAGE "500"

enum output { OUTPUT_TABLE, OUTPUT_WIDE, OUTPUT_JSON, OUTPUT_YAML, OUTPUT_NAME };

struct view {
    struct ctl *ctl;
    enum output output;
    const char *labels, *fields;
    bool all_namespaces;
    struct targets targets;
    cJSON *items; /* owned: objects gathered for -o json and -o yaml */
    bool any;     /* something was printed */
};

static bool is_table(const struct view *v)
{
    return v->output == OUTPUT_TABLE || v->output == OUTPUT_WIDE;
}

static int output_of(const struct ctl *ctl, enum output *out)
{
    static const struct {
        const char *word;
        enum output output;
    } words[] = {{"", OUTPUT_TABLE},
                 {"wide", OUTPUT_WIDE},
                 {"json", OUTPUT_JSON},
                 {"yaml", OUTPUT_YAML},
                 {"name", OUTPUT_NAME}};
    const char *text = args_text(&ctl->args, "output", "");
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(words[i].word, text) == 0) {
            *out = words[i].output;
            return 0;
        }
    }
    return ctl_error("unknown output format \"%s\": wide, json, yaml or name", text);
}

static const struct resource_info *info_of(const struct view *v, size_t kind)
{
    return &v->ctl->kinds[kind];
}

/* Events are shown in the order of time: their names say nothing. */
static bool is_sorted(const struct view *v, size_t kind)
{
    return strcmp(info_of(v, kind)->name, "events") == 0;
}

static const char *ns_of(const struct view *v)
{
    return v->all_namespaces ? "" : v->ctl->ns;
}

/* The path of a list; token is that of the next page or "". */
static char *list_path(const struct view *v, size_t kind, const char *token)
{
    struct buf_out path;
    buf_out_init(&path);
    kinds_path(info_of(v, kind), ns_of(v), NULL, NULL, &path);
    path_put_query(&path, "labelSelector", v->labels);
    path_put_query(&path, "fieldSelector", v->fields);
    path_put_query(&path, "limit", PAGE);
    path_put_query(&path, "continue", token);
    if (is_sorted(v, kind) && is_table(v))
        path_put_query(&path, "includeObject", "Object");
    return buf_out_take(&path, NULL);
}

/* ---- printing what came ---- */

static void put_name(const struct view *v, size_t kind, const cJSON *object)
{
    char *title = kinds_title(info_of(v, kind));
    (void)fprintf(v->ctl->out, "%s/%s\n", title,
                  json_str(json_get(object, "metadata"), "name", ""));
    free(title);
}

/* Items of a list need not say what they are (api.md section 11). */
static void complete(const struct view *v, size_t kind, cJSON *object)
{
    const struct resource_info *info = info_of(v, kind);
    if (!json_get(object, "kind"))
        json_set_str(object, "kind", info->kind);
    if (!json_get(object, "apiVersion")) {
        char *version = xasprintf("%s%s%s", info->group, *info->group ? "/" : "", info->version);
        json_set_str(object, "apiVersion", version);
        free(version);
    }
}

static void put_tree(const struct view *v, const cJSON *tree)
{
    struct buf_out out;
    buf_out_init(&out);
    if (v->output == OUTPUT_YAML)
        print_yaml(&out, tree);
    else
        print_json(&out, tree);
    (void)fwrite(out.data, 1, out.len, v->ctl->out);
    buf_out_fini(&out);
}

static void put_table(struct view *v, struct table_print *table, const cJSON *tree)
{
    struct buf_out out;
    buf_out_init(&out);
    table_print(table, tree, &out);
    if (out.len) {
        (void)fwrite(out.data, 1, out.len, v->ctl->out);
        v->any = true;
    }
    buf_out_fini(&out);
}

/* One object in any form but a table; gathers those of -o json and -o yaml. */
static void take_object(struct view *v, size_t kind, cJSON *object)
{
    v->any = true;
    if (v->output == OUTPUT_NAME) {
        put_name(v, kind, object);
        cJSON_Delete(object);
        return;
    }
    complete(v, kind, object);
    CHECK(cJSON_AddItemToArray(v->items, object));
}

/* ---- events in the order of time ---- */

/* A row of a Table holds the event, an item of a list is it. */
static const cJSON *event_of(const cJSON *row)
{
    const cJSON *object = json_get(row, "object");
    return object ? object : row;
}

static int64_t event_time(const cJSON *event)
{
    static const char *const names[] = {"lastTimestamp", "eventTime", "firstTimestamp"};
    int64_t us = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *text = json_str(event, names[i], NULL);
        if (text && clock_parse(text, &us))
            return us;
    }
    const char *text = json_str(json_get(event, "metadata"), "creationTimestamp", "");
    return clock_parse(text, &us) ? us : 0;
}

struct timed {
    cJSON *row;
    int64_t us;
    uint64_t revision; /* orders what happened within one second */
};

static int compare_timed(const void *a, const void *b)
{
    const struct timed *x = a, *y = b;
    if (x->us != y->us)
        return x->us < y->us ? -1 : 1;
    return x->revision < y->revision ? -1 : x->revision > y->revision;
}

static void sort_by_time(cJSON *list)
{
    size_t count = (size_t)cJSON_GetArraySize(list);
    struct timed *rows = xcalloc(count + 1, sizeof(*rows));
    for (size_t i = 0; i < count; i++) {
        cJSON *row = cJSON_DetachItemViaPointer(list, list->child);
        const cJSON *event = event_of(row);
        const char *revision = json_str(json_get(event, "metadata"), "resourceVersion", "0");
        rows[i] = (struct timed){row, event_time(event), strtoull(revision, NULL, 10)};
    }
    qsort(rows, count, sizeof(*rows), compare_timed);
    for (size_t i = 0; i < count; i++)
        CHECK(cJSON_AddItemToArray(list, rows[i].row));
    free(rows);
}

/* ---- reading ---- */

static void move_all(cJSON *from, cJSON *to)
{
    while (from && from->child) {
        cJSON *item = cJSON_DetachItemViaPointer(from, from->child);
        CHECK(cJSON_AddItemToArray(to, item));
    }
}

/* All pages of one kind in one tree; version (may be NULL) gets the revision of the first. */
static cJSON *read_pages(struct view *v, size_t kind)
{
    cJSON *whole = NULL;
    char *token = xstrdup("");
    const char *list_name = is_table(v) ? "rows" : "items";
    do {
        char *path = list_path(v, kind, token);
        cJSON *page =
            ctl_call(v->ctl, "GET", path, is_table(v) ? ACCEPT_TABLE : ACCEPT_JSON, NULL, NULL);
        free(path);
        free(token);
        if (!page) {
            cJSON_Delete(whole);
            return NULL;
        }
        token = xstrdup(json_str(json_get(page, "metadata"), "continue", ""));
        if (whole) {
            move_all(json_get(page, list_name), json_arr(whole, list_name));
            cJSON_Delete(page);
        } else {
            whole = page;
        }
    } while (*token);
    free(token);
    if (is_sorted(v, kind))
        sort_by_time(json_arr(whole, list_name));
    return whole;
}

static void show(struct view *v, size_t kind, struct table_print *table, cJSON *tree, bool is_list)
{
    if (is_table(v)) {
        put_table(v, table, tree);
        return;
    }
    if (!is_list) {
        take_object(v, kind, cJSON_Duplicate(tree, true));
        return;
    }
    cJSON *items = json_arr(tree, "items");
    while (items->child)
        take_object(v, kind, cJSON_DetachItemViaPointer(items, items->child));
}

static cJSON *read_one(struct view *v, const struct target *t)
{
    struct buf_out path;
    buf_out_init(&path);
    kinds_path(info_of(v, t->kind), v->ctl->ns, t->name, NULL, &path);
    cJSON *tree =
        ctl_call(v->ctl, "GET", path.data, is_table(v) ? ACCEPT_TABLE : ACCEPT_JSON, NULL, NULL);
    buf_out_fini(&path);
    return tree;
}

/* The targets of one kind, from *at on; *at moves behind them. */
static int show_kind(struct view *v, size_t *at)
{
    size_t kind = v->targets.at[*at].kind;
    char *prefix = NULL;
    if (v->targets.is_mixed) {
        char *title = kinds_title(info_of(v, kind));
        prefix = xasprintf("%s/", title);
        free(title);
    }
    struct table_print table = {
        .opts = {.wide = v->output == OUTPUT_WIDE,
                 .no_headers = args_bool(&v->ctl->args, "no-headers", false),
                 .with_namespace = v->all_namespaces && info_of(v, kind)->namespaced,
                 .prefix = prefix}};
    bool had_any = v->any;
    int status = 0;
    cJSON *rows = NULL; /* the tables of several names, as one */
    for (; *at < v->targets.count && v->targets.at[*at].kind == kind; (*at)++) {
        const struct target *t = &v->targets.at[*at];
        cJSON *tree = t->name ? read_one(v, t) : read_pages(v, kind);
        if (!tree) {
            status = 1;
        } else if (is_table(v) && rows) {
            move_all(json_get(tree, "rows"), json_arr(rows, "rows"));
        } else if (is_table(v)) {
            rows = TAKE(tree);
        } else {
            show(v, kind, &table, tree, !t->name);
        }
        cJSON_Delete(tree);
    }
    if (rows) {
        if (had_any && json_arr(rows, "rows")->child)
            (void)fputc('\n', v->ctl->out);
        put_table(v, &table, rows);
    }
    cJSON_Delete(rows);
    table_print_fini(&table);
    free(prefix);
    return status;
}

static void finish_trees(struct view *v)
{
    bool is_one = v->targets.count == 1 && v->targets.at[0].name;
    if (is_one) {
        if (v->items->child)
            put_tree(v, v->items->child);
        return;
    }
    cJSON *list = cJSON_CreateObject();
    CHECK(list);
    json_set_str(list, "apiVersion", "v1");
    json_set(list, "items", TAKE(v->items));
    json_set_str(list, "kind", "List");
    json_set_str(json_obj(list, "metadata"), "resourceVersion", "");
    put_tree(v, list);
    cJSON_Delete(list);
}

static int get_once(struct view *v)
{
    int status = 0;
    v->items = cJSON_CreateArray();
    CHECK(v->items);
    for (size_t at = 0; at < v->targets.count;)
        status |= show_kind(v, &at);
    if (v->output == OUTPUT_JSON || v->output == OUTPUT_YAML)
        finish_trees(v);
    else if (!v->any && !status && is_table(v))
        (void)fprintf(stderr,
                      v->all_namespaces || !info_of(v, v->targets.at[0].kind)->namespaced
                          ? "No resources found\n"
                          : "No resources found in %s namespace.\n",
                      v->ctl->ns);
    cJSON_Delete(v->items);
    return status;
}

/* ---- changes as they come ---- */

struct watching {
    struct view *v;
    size_t kind;
    struct table_print table;
    char *version; /* owned: the last revision seen */
    bool is_expired;
};

static void remember_version(struct watching *w, const cJSON *object)
{
    const char *version = json_str(json_get(object, "metadata"), "resourceVersion", "");
    if (!*version) {
        const cJSON *rows = json_get(object, "rows");
        version = json_str(json_at(rows ? rows->child : NULL, "object", "metadata", NULL),
                           "resourceVersion", "");
    }
    if (*version) {
        free(w->version);
        w->version = xstrdup(version);
    }
}

static void show_change(struct watching *w, const cJSON *object)
{
    struct view *v = w->v;
    if (is_table(v)) {
        put_table(v, &w->table, object);
    } else if (v->output == OUTPUT_NAME) {
        put_name(v, w->kind, object);
    } else {
        cJSON *copy = cJSON_Duplicate(object, true);
        complete(v, w->kind, copy);
        if (v->output == OUTPUT_YAML && v->any)
            (void)fputs("---\n", v->ctl->out);
        put_tree(v, copy);
        cJSON_Delete(copy);
    }
    v->any = true;
    (void)fflush(v->ctl->out);
}

static bool on_event(void *arg, const char *line, size_t len)
{
    struct watching *w = arg;
    cJSON *event = json_parse(line, len, NULL);
    const char *type = json_str(event, "type", "ERROR");
    const cJSON *object = json_get(event, "object");
    bool is_error = strcmp(type, "ERROR") == 0;
    if (is_error) {
        w->is_expired = true;
    } else {
        remember_version(w, object);
        if (strcmp(type, "BOOKMARK") != 0)
            show_change(w, object);
    }
    cJSON_Delete(event);
    return !is_error && !ferror(w->v->ctl->out);
}

/* The state from which the watch goes on, printed unless only changes are wanted. */
static int watch_start(struct watching *w, bool is_shown)
{
    struct view *v = w->v;
    cJSON *tree = read_pages(v, w->kind);
    if (!tree)
        return 1;
    remember_version(w, tree);
    if (is_shown && is_table(v)) {
        put_table(v, &w->table, tree);
    } else if (is_shown) {
        cJSON *it = NULL;
        cJSON_ArrayForEach(it, json_get(tree, "items")) show_change(w, it);
    }
    (void)fflush(v->ctl->out);
    cJSON_Delete(tree);
    return 0;
}

static int watch_on(struct watching *w)
{
    struct view *v = w->v;
    struct buf_out path;
    buf_out_init(&path);
    kinds_path(info_of(v, w->kind), ns_of(v), NULL, NULL, &path);
    path_put_query(&path, "labelSelector", v->labels);
    path_put_query(&path, "fieldSelector", v->fields);
    path_put_query(&path, "resourceVersion", w->version);
    path_put_query(&path, "watch", "true");
    struct reply reply;
    struct err e = {0};
    w->is_expired = false;
    int rc = client_stream(v->ctl->client, path.data, is_table(v) ? ACCEPT_TABLE : ACCEPT_JSON,
                           on_event, w, 0, &reply, &e);
    buf_out_fini(&path);
    int status = 0;
    if (rc < 0)
        status = ctl_error("%s", e.text);
    else if (reply.status == 410)
        w->is_expired = true;
    else if (reply.status >= 400)
        status = ctl_refused(&reply);
    reply_fini(&reply);
    return status;
}

/* Until the server is gone or nobody reads any more. */
static int get_watch(struct view *v)
{
    if (v->targets.is_mixed || v->targets.count != 1)
        return ctl_error("-w follows one kind, or one object");
    const struct target *t = &v->targets.at[0];
    char *by_name = t->name ? xasprintf("metadata.name=%s", t->name) : NULL;
    if (by_name) {
        cJSON *tree = read_one(v, t);
        if (!tree) {
            free(by_name);
            return 1;
        }
        cJSON_Delete(tree);
        v->fields = by_name;
    }
    struct watching w = {
        .v = v,
        .kind = t->kind,
        .table = {.opts = {.wide = v->output == OUTPUT_WIDE,
                           .no_headers = args_bool(&v->ctl->args, "no-headers", false),
                           .with_namespace = v->all_namespaces && info_of(v, t->kind)->namespaced}},
    };
    int status = watch_start(&w, !args_bool(&v->ctl->args, "watch-only", false));
    while (!status && !ferror(v->ctl->out)) {
        status = watch_on(&w);
        if (!status && w.is_expired)
            status = watch_start(&w, true);
    }
    free(w.version);
    table_print_fini(&w.table);
    free(by_name);
    return status;
}

static int run_view(struct view *v)
{
    bool watches =
        args_bool(&v->ctl->args, "watch", false) || args_bool(&v->ctl->args, "watch-only", false);
    for (size_t i = 0; i < v->targets.count; i++) {
        if (!v->targets.at[i].name)
            continue;
        if (v->all_namespaces)
            return ctl_error("a resource cannot be retrieved by name across all namespaces");
        if (*v->labels || *v->fields)
            return ctl_error("selectors cannot be used together with names");
    }
    return watches ? get_watch(v) : get_once(v);
}

static int run_get(struct ctl *ctl)
{
    struct view v = {.ctl = ctl,
                     .labels = ctl_selector(ctl),
                     .fields = args_text(&ctl->args, "field-selector", ""),
                     .all_namespaces = ctl_all_namespaces(ctl)};
    if (output_of(ctl, &v.output))
        return 1;
    int status = targets_parse(ctl, ctl->args.words, ctl->args.word_count, &v.targets);
    if (!status)
        status = run_view(&v);
    targets_fini(&v.targets);
    return status;
}

static int run_events(struct ctl *ctl)
{
    struct view v = {.ctl = ctl,
                     .labels = ctl_selector(ctl),
                     .fields = args_text(&ctl->args, "field-selector", ""),
                     .all_namespaces = ctl_all_namespaces(ctl)};
    if (output_of(ctl, &v.output))
        return 1;
    if (ctl->args.word_count)
        return ctl_error("unexpected argument \"%s\"", ctl->args.words[0]);
    static const char *const words[] = {"events"};
    int status = targets_parse(ctl, words, 1, &v.targets);
    if (!status)
        status = run_view(&v);
    targets_fini(&v.targets);
    return status;
}

static const struct flag flags[] = {
    {"all-namespaces", 'A', FLAG_SWITCH, NULL, "Of every namespace"},
    {"selector", 'l', FLAG_TEXT, "LABELS", "Only objects with these labels: app=web,tier!=old"},
    {"field-selector", 0, FLAG_TEXT, "FIELDS", "Only objects with these fields: spec.nodeName=a"},
    {"output", 'o', FLAG_TEXT, "FORM", "wide, json, yaml or name"},
    {"watch", 'w', FLAG_SWITCH, NULL, "Goes on with every change"},
    {"watch-only", 0, FLAG_SWITCH, NULL, "Changes alone, without what is there already"},
    {"no-headers", 0, FLAG_SWITCH, NULL, "Without the first line of a table"},
    {.name = NULL}};

const struct command command_get = {
    "get", "KIND[,KIND...] [NAME...] | KIND/NAME...", "Shows objects", flags, run_get, false};
const struct command command_events = {"events", "",         "Shows events in the order of time",
                                       flags,    run_events, false};
