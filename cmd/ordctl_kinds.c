/* cmd/ordctl_kinds.c - the kinds the server serves, from its discovery documents (api.md A7, A8).
 *
 * The core group is read first; the others only when a name is not found there. */
#include "cmd/ordctl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/json.h"

static void info_fini(struct resource_info *info)
{
    free(info->group);
    free(info->version);
    free(info->name);
    free(info->singular);
    free(info->kind);
    free(info->short_names);
}

void kinds_fini(struct ctl *ctl)
{
    for (size_t i = 0; i < ctl->kind_count; i++)
        info_fini(&ctl->kinds[i]);
    free(ctl->kinds);
    ctl->kinds = NULL;
    ctl->kind_count = 0;
}

static char *join(const cJSON *list)
{
    struct buf_out out;
    buf_out_init(&out);
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, list) if (cJSON_IsString(it))
        buf_printf(&out, "%s%s", out.len ? "," : "", it->valuestring);
    return buf_out_take(&out, NULL);
}

/* True when word is one of a comma separated list. */
static bool list_has(const char *list, const char *word)
{
    size_t len = strlen(word);
    while (*list) {
        size_t part = strcspn(list, ",");
        if (part == len && strncasecmp(list, word, len) == 0)
            return true;
        list += part + (list[part] == ',');
    }
    return false;
}

static void add_resources(struct ctl *ctl, const char *group, const char *version,
                          const cJSON *list)
{
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, json_get(list, "resources"))
    {
        const char *name = json_str(it, "name", NULL), *kind = json_str(it, "kind", NULL);
        if (!name || !kind || strchr(name, '/'))
            continue;
        char *categories = join(json_get(it, "categories"));
        ctl->kinds = xrealloc(ctl->kinds, (ctl->kind_count + 1) * sizeof(*ctl->kinds));
        ctl->kinds[ctl->kind_count++] =
            (struct resource_info){.group = xstrdup(group),
                                   .version = xstrdup(version),
                                   .name = xstrdup(name),
                                   .singular = xstrdup(json_str(it, "singularName", "")),
                                   .kind = xstrdup(kind),
                                   .short_names = join(json_get(it, "shortNames")),
                                   .namespaced = json_bool(it, "namespaced", false),
                                   .in_all = list_has(categories, "all")};
        free(categories);
    }
}

static int load_core(struct ctl *ctl)
{
    if (ctl->has_core)
        return 0;
    cJSON *list = ctl_call(ctl, "GET", "/api/v1", ACCEPT_JSON, NULL, NULL);
    if (!list)
        return 1;
    add_resources(ctl, "", "v1", list);
    cJSON_Delete(list);
    ctl->has_core = true;
    return 0;
}

static int load_group(struct ctl *ctl, const char *group_version)
{
    const char *slash = strchr(group_version, '/');
    if (!slash)
        return 0;
    struct buf_out path;
    buf_out_init(&path);
    buf_printf(&path, "/apis/%s", group_version);
    cJSON *list = ctl_call(ctl, "GET", path.data, ACCEPT_JSON, NULL, NULL);
    buf_out_fini(&path);
    if (!list)
        return 1;
    char *group = xstrndup(group_version, (size_t)(slash - group_version));
    add_resources(ctl, group, slash + 1, list);
    free(group);
    cJSON_Delete(list);
    return 0;
}

static int load_all(struct ctl *ctl)
{
    if (ctl->has_all)
        return 0;
    if (load_core(ctl))
        return 1;
    cJSON *groups = ctl_call(ctl, "GET", "/apis", ACCEPT_JSON, NULL, NULL);
    if (!groups)
        return 1;
    int status = 0;
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, json_get(groups, "groups"))
    {
        const char *gv = json_str(json_get(it, "preferredVersion"), "groupVersion", NULL);
        if (gv && !status)
            status = load_group(ctl, gv);
    }
    cJSON_Delete(groups);
    ctl->has_all = status == 0;
    return status;
}

static bool is_called(const struct resource_info *info, const char *word)
{
    return strcasecmp(info->name, word) == 0 || strcasecmp(info->singular, word) == 0 ||
           strcasecmp(info->kind, word) == 0 || list_has(info->short_names, word);
}

/* "sts" or "statefulsets.apps" or "statefulsets.v1.apps" among what is loaded. */
static bool find_loaded(const struct ctl *ctl, const char *word, size_t *index)
{
    const char *dot = strchr(word, '.');
    char *name = dot ? xstrndup(word, (size_t)(dot - word)) : xstrdup(word);
    bool found = false;
    for (size_t i = 0; i < ctl->kind_count && !found; i++) {
        const struct resource_info *info = &ctl->kinds[i];
        size_t version = strlen(info->version);
        bool fits = is_called(info, name);
        if (fits && dot)
            fits = strcmp(dot + 1, info->group) == 0 ||
                   (strncmp(dot + 1, info->version, version) == 0 && dot[1 + version] == '.' &&
                    strcmp(dot + 2 + version, info->group) == 0);
        if (fits)
            *index = i;
        found = fits;
    }
    free(name);
    return found;
}

int kinds_find(struct ctl *ctl, const char *word, size_t *index)
{
    if (load_core(ctl))
        return 1;
    if (find_loaded(ctl, word, index))
        return 0;
    if (load_all(ctl))
        return 1;
    if (find_loaded(ctl, word, index))
        return 0;
    return ctl_error("the server doesn't have a resource type \"%s\"", word);
}

int kinds_by_kind(struct ctl *ctl, const char *api_version, const char *kind)
{
    if (strcmp(api_version, "v1") == 0 ? load_core(ctl) : load_all(ctl))
        return -2;
    const char *slash = strchr(api_version, '/');
    size_t group_len = slash ? (size_t)(slash - api_version) : 0;
    for (size_t i = 0; i < ctl->kind_count; i++) {
        const struct resource_info *info = &ctl->kinds[i];
        if (strcmp(info->kind, kind) == 0 && strlen(info->group) == group_len &&
            strncmp(info->group, api_version, group_len) == 0 &&
            strcmp(info->version, slash ? slash + 1 : api_version) == 0)
            return (int)i;
    }
    return -1;
}

int kinds_all(struct ctl *ctl, size_t **out, size_t *count)
{
    *out = NULL;
    *count = 0;
    if (load_all(ctl))
        return 1;
    *out = xcalloc(ctl->kind_count + 1, sizeof(**out));
    for (size_t i = 0; i < ctl->kind_count; i++)
        if (ctl->kinds[i].in_all)
            (*out)[(*count)++] = i;
    return 0;
}

char *kinds_title(const struct resource_info *kind)
{
    const char *name = *kind->singular ? kind->singular : kind->name;
    return xasprintf("%s%s%s", name, *kind->group ? "." : "", kind->group);
}

void kinds_path(const struct resource_info *kind, const char *ns, const char *name, const char *sub,
                struct buf_out *out)
{
    if (*kind->group)
        buf_printf(out, "/apis/%s/%s", kind->group, kind->version);
    else
        buf_printf(out, "/api/%s", kind->version);
    if (kind->namespaced && *ns) {
        buf_puts(out, "/namespaces/");
        path_put_escaped(out, ns);
    }
    buf_printf(out, "/%s", kind->name);
    if (name) {
        buf_putc(out, '/');
        path_put_escaped(out, name);
    }
    if (sub)
        buf_printf(out, "/%s", sub);
}

/* ---- what the words of a command mean ---- */

static void target_add(struct targets *out, size_t kind, const char *name)
{
    for (size_t i = 0; i < out->count; i++)
        out->is_mixed = out->is_mixed || out->at[i].kind != kind;
    out->at = xrealloc(out->at, (out->count + 1) * sizeof(*out->at));
    out->at[out->count++] = (struct target){kind, name};
}

/* "pod/a": all words must have this form when the first has. */
static int add_pair(struct ctl *ctl, const char *word, struct targets *out)
{
    const char *slash = strchr(word, '/');
    if (!slash || slash == word || !slash[1] || strchr(slash + 1, '/'))
        return ctl_error("\"%s\" is not of the form KIND/NAME", word);
    char *kind_word = xstrndup(word, (size_t)(slash - word));
    size_t kind = 0;
    int status = kinds_find(ctl, kind_word, &kind);
    free(kind_word);
    if (status == 0)
        target_add(out, kind, slash + 1);
    return status;
}

/* "pods", "pods,svc", "all": with each name, or with none. */
static int add_kinds(struct ctl *ctl, const char *word, const char *const *names, size_t count,
                     struct targets *out)
{
    if (strcmp(word, "all") == 0) {
        size_t *all = NULL, n = 0;
        if (count)
            return ctl_error("names cannot be given with \"all\"");
        int status = kinds_all(ctl, &all, &n);
        for (size_t i = 0; i < n; i++)
            target_add(out, all[i], NULL);
        free(all);
        return status;
    }
    size_t kind = 0;
    if (kinds_find(ctl, word, &kind))
        return 1;
    for (size_t i = 0; i < count; i++) {
        if (strchr(names[i], '/'))
            return ctl_error("there is no need to specify a resource type as a separate argument "
                             "when passing KIND/NAME (found \"%s\")",
                             names[i]);
        target_add(out, kind, names[i]);
    }
    if (!count)
        target_add(out, kind, NULL);
    return 0;
}

int targets_parse(struct ctl *ctl, const char *const *words, size_t count, struct targets *out)
{
    *out = (struct targets){0};
    int status = 0;
    if (!count)
        return ctl_error("which? Give KIND, KIND NAME or KIND/NAME");
    if (strchr(words[0], '/')) {
        for (size_t i = 0; i < count && !status; i++)
            status = add_pair(ctl, words[i], out);
        return status;
    }
    char *kinds = xstrdup(words[0]), *save = NULL;
    bool any = false;
    for (char *word = strtok_r(kinds, ",", &save); word && !status;
         word = strtok_r(NULL, ",", &save)) {
        status = add_kinds(ctl, word, words + 1, count - 1, out);
        any = true;
    }
    free(kinds);
    return any ? status : ctl_error("which? Give KIND, KIND NAME or KIND/NAME");
}

void targets_fini(struct targets *targets)
{
    free(targets->at);
    *targets = (struct targets){0};
}
