/* cmd/ordctl_apply.c - apply, create and replace: manifests to the server.
 *
 * apply works as kubectl's client-side apply does, with the same annotation and the same manager,
 * so that both can be used on the same objects. First every manifest goes through a dry run, so
 * that nothing is half applied because one of them is wrong. */
#include "cmd/ordctl.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/store/kind.h"

#define ATTEMPTS 5 /* when another writer was faster */

enum mode { MODE_APPLY, MODE_CREATE, MODE_REPLACE };
static const char *const managers[] = {
    [MODE_APPLY] = "kubectl-client-side-apply",
    [MODE_CREATE] = "kubectl-create",
    [MODE_REPLACE] = "kubectl-replace",
};

struct sending {
    struct ctl *ctl;
    enum mode mode;
    bool dry_run;
    const struct manifests *all;
};

/* A path with the parameters of a write. */
static char *write_path(const struct sending *s, const struct manifest *m, bool is_collection)
{
    struct buf_out path;
    buf_out_init(&path);
    kinds_path(&s->ctl->kinds[m->kind], m->ns, is_collection ? NULL : m->name, NULL, &path);
    path_put_query(&path, "fieldManager", managers[s->mode]);
    path_put_query(&path, "fieldValidation", "Strict");
    if (s->dry_run)
        path_put_query(&path, "dryRun", "All");
    return buf_out_take(&path, NULL);
}

/* 0 and a reply of any status, or 1 after printing. */
static int send_to(const struct sending *s, const char *method, char *path, const char *content,
                   const cJSON *body, struct reply *reply)
{
    struct err e = {0};
    int rc = client_request(s->ctl->client, method, path, ACCEPT_JSON, content, body, reply, &e);
    free(path);
    return rc < 0 ? ctl_error("%s", e.text) : 0;
}

static int get_live(const struct sending *s, const struct manifest *m, struct reply *reply)
{
    struct buf_out path;
    buf_out_init(&path);
    kinds_path(&s->ctl->kinds[m->kind], m->ns, m->name, NULL, &path);
    return send_to(s, "GET", buf_out_take(&path, NULL), NULL, NULL, reply);
}

static void report(const struct sending *s, const struct manifest *m, const cJSON *object,
                   const char *what)
{
    char *title = kinds_title(&s->ctl->kinds[m->kind]);
    const char *name = m->name ? m->name : json_str(json_get(object, "metadata"), "name", "");
    (void)fprintf(s->ctl->out, "%s/%s %s%s\n", title, name, what,
                  args_has(&s->ctl->args, "dry-run") ? " (server dry run)" : "");
    free(title);
}

/* ---- apply ---- */

static const char *last_applied_text(const cJSON *live)
{
    return json_str(json_at(live, "metadata", "annotations", NULL), LAST_APPLIED, NULL);
}

static const char *version_of(const cJSON *object)
{
    return json_str(json_get(object, "metadata"), "resourceVersion", "");
}

static cJSON *patch_for(const struct sending *s, const struct manifest *m, const cJSON *live,
                        const char **content)
{
    const char *text = last_applied_text(live);
    cJSON *original = text ? json_parse(text, strlen(text), NULL) : NULL;
    cJSON *modified = merge_modified(m->object, m->ns);
    const struct kind *kind =
        kind_by_name(json_str(m->object, "apiVersion", ""), json_str(m->object, "kind", ""));
    *content = kind ? PATCH_STRATEGIC : PATCH_MERGE;
    cJSON *patch = merge_patch(original, modified, live, kind ? schema_fields(kind) : NULL);
    if (!text && !s->dry_run)
        (void)fprintf(stderr,
                      "Warning: %s:%d: %s was not created by apply: the annotation %s is added\n",
                      m->file, m->doc->line, m->name, LAST_APPLIED);
    cJSON_Delete(original);
    cJSON_Delete(modified);
    return patch;
}

/* What became of one manifest, as the word that is printed; NULL: see the reply. */
static int apply_once(const struct sending *s, const struct manifest *m, struct reply *reply,
                      const char **word)
{
    *word = NULL;
    if (get_live(s, m, reply))
        return 1;
    if (reply->status == 404) {
        reply_fini(reply);
        cJSON *object = merge_modified(m->object, m->ns);
        int status = send_to(s, "POST", write_path(s, m, true), NULL, object, reply);
        cJSON_Delete(object);
        if (!status && reply->status < 400)
            *word = "created";
        return status;
    }
    if (reply->status >= 400)
        return 0;
    const char *content = NULL;
    cJSON *patch = patch_for(s, m, reply->tree, &content);
    int status = 0;
    if (!patch->child) {
        *word = "unchanged";
    } else {
        char *before = xstrdup(version_of(reply->tree));
        reply_fini(reply);
        status = send_to(s, "PATCH", write_path(s, m, false), content, patch, reply);
        if (!status && reply->status < 400)
            *word = !s->dry_run && strcmp(before, version_of(reply->tree)) == 0 ? "unchanged"
                                                                                : "configured";
        free(before);
    }
    cJSON_Delete(patch);
    return status;
}

/* Created or changed by somebody else between our read and our write: look again. */
static bool may_retry(const struct reply *reply)
{
    return reply->status == 409;
}

static int apply_one(const struct sending *s, const struct manifest *m, struct reply *reply,
                     const char **word)
{
    for (int attempt = 1;; attempt++) {
        int status = apply_once(s, m, reply, word);
        if (status || *word || attempt == ATTEMPTS || !may_retry(reply))
            return status;
        reply_fini(reply);
    }
}

/* ---- create, replace ---- */

static cJSON *body_for(const struct manifest *m)
{
    cJSON *object = cJSON_Duplicate(m->object, true);
    CHECK(object);
    if (*m->ns)
        json_set_str(json_obj(object, "metadata"), "namespace", m->ns);
    return object;
}

static int create_one(const struct sending *s, const struct manifest *m, struct reply *reply,
                      const char **word)
{
    cJSON *object = body_for(m);
    int status = send_to(s, "POST", write_path(s, m, true), NULL, object, reply);
    cJSON_Delete(object);
    *word = !status && reply->status < 400 ? "created" : NULL;
    return status;
}

static int replace_one(const struct sending *s, const struct manifest *m, struct reply *reply,
                       const char **word)
{
    cJSON *object = body_for(m);
    int status = send_to(s, "PUT", write_path(s, m, false), NULL, object, reply);
    cJSON_Delete(object);
    *word = !status && reply->status < 400 ? "replaced" : NULL;
    return status;
}

/* ---- all of them ---- */

static int send_one(const struct sending *s, const struct manifest *m, struct reply *reply,
                    const char **word)
{
    *reply = (struct reply){0};
    switch (s->mode) {
    case MODE_APPLY:
        return apply_one(s, m, reply, word);
    case MODE_CREATE:
        return create_one(s, m, reply, word);
    case MODE_REPLACE:
        return replace_one(s, m, reply, word);
    }
    return 1;
}

/* A dry run cannot see the Namespace that an earlier manifest is about to create. */
static bool waits_for_namespace(const struct sending *s, size_t index, const struct reply *reply)
{
    const struct manifest *m = &s->all->at[index];
    char *absent = xasprintf("namespaces \"%s\" not found", m->ns);
    bool is_absent = reply->status == 404 && strcmp(reply_message(reply), absent) == 0;
    free(absent);
    if (!is_absent)
        return false;
    for (size_t i = 0; i < index; i++) {
        const struct manifest *other = &s->all->at[i];
        if (strcmp(s->ctl->kinds[other->kind].name, "namespaces") == 0 && other->name &&
            strcmp(other->name, m->ns) == 0)
            return true;
    }
    return false;
}

static int send_all(const struct sending *s, bool is_final)
{
    int status = 0;
    for (size_t i = 0; i < s->all->count; i++) {
        const struct manifest *m = &s->all->at[i];
        struct reply reply;
        const char *word = NULL;
        if (send_one(s, m, &reply, &word)) {
            reply_fini(&reply);
            return 1; /* the server is gone: nothing more to try */
        }
        if (word && is_final) {
            report(s, m, reply.tree, word);
        } else if (!word && (is_final || !waits_for_namespace(s, i, &reply))) {
            manifest_refused(m, &reply);
            status = 1;
        }
        reply_fini(&reply);
    }
    return status;
}

static int dry_run_of(const struct ctl *ctl, bool *out)
{
    const char *text = args_text(&ctl->args, "dry-run", "none");
    *out = strcmp(text, "server") == 0;
    if (*out || strcmp(text, "none") == 0)
        return 0;
    return ctl_error("invalid --dry-run value \"%s\": must be \"server\" or \"none\"", text);
}

static int run(struct ctl *ctl, enum mode mode)
{
    bool only_dry = false;
    if (dry_run_of(ctl, &only_dry))
        return 1;
    if (ctl->args.word_count)
        return ctl_error("unexpected argument \"%s\": give files with -f", ctl->args.words[0]);
    struct manifests all;
    int status = manifests_read(ctl, mode != MODE_CREATE, &all);
    if (!status) {
        struct sending s = {.ctl = ctl, .mode = mode, .dry_run = true, .all = &all};
        status = send_all(&s, only_dry);
        s.dry_run = false;
        if (!status && !only_dry)
            status = send_all(&s, true);
    }
    manifests_fini(&all);
    return status;
}

static int run_apply(struct ctl *ctl)
{
    return run(ctl, MODE_APPLY);
}

static int run_create(struct ctl *ctl)
{
    return run(ctl, MODE_CREATE);
}

static int run_replace(struct ctl *ctl)
{
    return run(ctl, MODE_REPLACE);
}

static const struct flag flags[] = {
    {"filename", 'f', FLAG_TEXT, "FILE",
     "A file, a directory of them, or - for standard input; repeatable"},
    {"dry-run", 0, FLAG_OPTIONAL, "server", "Everything but the change itself"},
    {.name = NULL}};

const struct command command_apply = {
    "apply", "-f FILE", "Creates objects, or changes them to what a file says",
    flags,   run_apply, false};
const struct command command_create = {
    "create", "-f FILE", "Creates objects that must not exist yet", flags, run_create, false};
const struct command command_replace = {
    "replace", "-f FILE",   "Puts objects in the place of those that exist",
    flags,     run_replace, false};
