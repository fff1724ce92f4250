/* cmd/ordctl_delete.c - delete, and waiting until what was deleted is gone (api.md A31).
 *
 * Gone means that the uid is gone: an object of the same name with another uid is a successor. */
#include "cmd/ordctl.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

#define FORCE_WARNING                                                                              \
    "Warning: Immediate deletion does not wait for confirmation that the running resource has "    \
    "been terminated. The resource may continue to run on the cluster indefinitely.\n"

struct deletion {
    struct ctl *ctl;
    cJSON *options; /* owned: DeleteOptions */
    bool waits, is_forced, ignores_absent;
    int64_t timeout_ms;
};

struct doomed {
    size_t kind;
    char *ns, *name, *uid; /* owned; uid NULL when the server did not tell it */
};

static int options_init(struct deletion *d)
{
    const struct args *args = &d->ctl->args;
    struct err e = {0};
    static const char *const policies[][2] = {
        {"background", "Background"}, {"foreground", "Foreground"}, {"orphan", "Orphan"}};
    int64_t grace = -1;
    if (args_int(args, "grace-period", -1, INT32_MAX, &grace, &e) < 0 ||
        args_duration(args, "timeout", &d->timeout_ms, &e) < 0)
        return ctl_error("%s", e.text);
    d->is_forced = args_bool(args, "force", false);
    if (args_bool(args, "now", false)) {
        if (grace >= 0)
            return ctl_error("--now and --grace-period cannot be specified together");
        grace = 1;
    }
    if (d->is_forced && grace > 0)
        return ctl_error("--force and --grace-period greater than 0 cannot be specified together");
    if (d->is_forced)
        grace = 0;
    else if (grace == 0)
        grace = 1; /* without --force nobody loses data by a zero */
    d->waits = args_bool(args, "wait", true);
    d->ignores_absent = args_bool(args, "ignore-not-found", false);
    const char *cascade = args_text(args, "cascade", "background"), *policy = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++)
        if (strcmp(cascade, policies[i][0]) == 0)
            policy = policies[i][1];
    if (!policy)
        return ctl_error("invalid --cascade value \"%s\": background, foreground or orphan",
                         cascade);
    d->options = cJSON_CreateObject();
    CHECK(d->options);
    json_set_str(d->options, "apiVersion", "v1");
    json_set_str(d->options, "kind", "DeleteOptions");
    json_set_str(d->options, "propagationPolicy", policy);
    if (grace >= 0)
        json_set_int(d->options, "gracePeriodSeconds", grace);
    return 0;
}

static const char *uid_of(const cJSON *reply)
{
    const char *uid = json_str(json_get(reply, "metadata"), "uid", NULL);
    return uid ? uid : json_str(json_get(reply, "details"), "uid", NULL);
}

/* Sends the DELETE; 0 and a uid to wait for (or none), or 1. */
static int send_delete(const struct deletion *d, struct doomed *one)
{
    const struct resource_info *kind = &d->ctl->kinds[one->kind];
    struct buf_out path;
    buf_out_init(&path);
    kinds_path(kind, one->ns, one->name, NULL, &path);
    struct reply reply;
    struct err e = {0};
    int rc = client_request(d->ctl->client, "DELETE", path.data, ACCEPT_JSON, NULL, d->options,
                            &reply, &e);
    buf_out_fini(&path);
    if (rc < 0)
        return ctl_error("%s", e.text);
    int status = 0;
    if (reply.status == 404 && d->ignores_absent) {
        status = 0;
    } else if (reply.status >= 400) {
        status = ctl_refused(&reply);
    } else {
        const char *uid = uid_of(reply.tree);
        one->uid = uid ? xstrdup(uid) : NULL;
        char *title = kinds_title(kind);
        (void)fprintf(d->ctl->out, "%s \"%s\" %s\n", title, one->name,
                      d->is_forced ? "force deleted" : "deleted");
        (void)fflush(d->ctl->out);
        free(title);
    }
    reply_fini(&reply);
    return status;
}

static enum wait_step is_gone(void *arg, const cJSON *object)
{
    const struct doomed *one = arg;
    const char *uid = json_str(json_get(object, "metadata"), "uid", "");
    return !object || strcmp(uid, one->uid) != 0 ? WAIT_DONE : WAIT_MORE;
}

/* All DELETEs first, then the waiting, as kubectl does. */
static int delete_all(const struct deletion *d, struct doomed *list, size_t count)
{
    int status = 0;
    if (d->is_forced && count)
        (void)fputs(FORCE_WARNING, stderr);
    for (size_t i = 0; i < count; i++)
        status |= send_delete(d, &list[i]);
    for (size_t i = 0; i < count && d->waits; i++)
        if (list[i].uid)
            status |= wait_object(d->ctl, &d->ctl->kinds[list[i].kind], list[i].ns, list[i].name,
                                  d->timeout_ms, is_gone, &list[i]);
    return status;
}

/* ---- which ---- */

struct doomed_list {
    struct doomed *at; /* owned */
    size_t count;
};

static void add_doomed(struct doomed_list *list, size_t kind, const char *ns, const char *name)
{
    list->at = xrealloc(list->at, (list->count + 1) * sizeof(*list->at));
    list->at[list->count++] = (struct doomed){kind, xstrdup(ns), xstrdup(name), NULL};
}

static void doomed_list_fini(struct doomed_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->at[i].ns);
        free(list->at[i].name);
        free(list->at[i].uid);
    }
    free(list->at);
}

static int find_by_selector(struct ctl *ctl, size_t kind, struct doomed_list *list)
{
    struct buf_out path;
    buf_out_init(&path);
    kinds_path(&ctl->kinds[kind], ctl_all_namespaces(ctl) ? "" : ctl->ns, NULL, NULL, &path);
    path_put_query(&path, "labelSelector", ctl_selector(ctl));
    path_put_query(&path, "fieldSelector", args_text(&ctl->args, "field-selector", ""));
    cJSON *found = ctl_call(ctl, "GET", path.data, ACCEPT_JSON, NULL, NULL);
    buf_out_fini(&path);
    if (!found)
        return 1;
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, json_get(found, "items"))
    {
        const cJSON *meta = json_get(it, "metadata");
        add_doomed(list, kind, json_str(meta, "namespace", ""), json_str(meta, "name", ""));
    }
    cJSON_Delete(found);
    return 0;
}

static int find_by_words(struct ctl *ctl, struct doomed_list *list)
{
    struct targets targets;
    bool selects = *ctl_selector(ctl) || args_has(&ctl->args, "field-selector") ||
                   args_bool(&ctl->args, "all", false);
    int status = targets_parse(ctl, ctl->args.words, ctl->args.word_count, &targets);
    for (size_t i = 0; i < targets.count && !status; i++) {
        const struct target *t = &targets.at[i];
        if (t->name && selects)
            status = ctl_error("names cannot be given together with a selector or --all");
        else if (t->name)
            add_doomed(list, t->kind, ctl->kinds[t->kind].namespaced ? ctl->ns : "", t->name);
        else if (selects)
            status = find_by_selector(ctl, t->kind, list);
        else
            status = ctl_error("resource(s) were provided, but no name was specified");
    }
    targets_fini(&targets);
    return status;
}

static int find_by_files(struct ctl *ctl, struct doomed_list *list)
{
    if (ctl->args.word_count)
        return ctl_error("words cannot be given together with -f");
    struct manifests all;
    int status = manifests_read(ctl, true, &all);
    for (size_t i = 0; i < all.count && !status; i++)
        add_doomed(list, all.at[i].kind, all.at[i].ns, all.at[i].name);
    manifests_fini(&all);
    return status;
}

static int run_delete(struct ctl *ctl)
{
    struct deletion d = {.ctl = ctl};
    if (options_init(&d))
        return 1;
    struct doomed_list list = {0};
    int status =
        args_has(&ctl->args, "filename") ? find_by_files(ctl, &list) : find_by_words(ctl, &list);
    if (!status && !list.count)
        (void)fputs("No resources found\n", ctl->out);
    if (!status)
        status = delete_all(&d, list.at, list.count);
    doomed_list_fini(&list);
    cJSON_Delete(d.options);
    return status;
}

static const struct flag flags[] = {
    {"filename", 'f', FLAG_TEXT, "FILE", "What a file names: a file, a directory, or -"},
    {"selector", 'l', FLAG_TEXT, "LABELS", "What has these labels"},
    {"field-selector", 0, FLAG_TEXT, "FIELDS", "What has these fields"},
    {"all", 0, FLAG_SWITCH, NULL, "All objects of the kind in the namespace"},
    {"all-namespaces", 'A', FLAG_SWITCH, NULL, "With a selector: of every namespace"},
    {"grace-period", 0, FLAG_TEXT, "SECONDS", "Time to end; 0 only with --force"},
    {"force", 0, FLAG_SWITCH, NULL, "Forgets the object at once, whether or not its node agrees"},
    {"now", 0, FLAG_SWITCH, NULL, "Same as --grace-period=1"},
    {"wait", 0, FLAG_SWITCH, NULL, "Until the object is gone (the default)"},
    {"timeout", 0, FLAG_TEXT, "TIME", "How long to wait: 30s; 0 for ever"},
    {"cascade", 0, FLAG_TEXT, "HOW", "background, foreground, or orphan"},
    {"ignore-not-found", 0, FLAG_SWITCH, NULL, "What is absent is no error"},
    {.name = NULL}};

const struct command command_delete = {
    "delete",          "KIND NAME... | KIND/NAME... | KIND -l LABELS | -f FILE",
    "Deletes objects", flags,
    run_delete,        false};
