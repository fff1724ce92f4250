/* cmd/ordctl_files.c - manifests from files, directories and stdin: YAML or JSON, several
 * documents, lists. Everything is read and looked at before anything is sent. */
#include "cmd/ordctl.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/json.h"

#define LIST_DEPTH_MAX 8
#define NO_SERVER      2 /* status of a check: there is no point in going on */

/* ---- texts ---- */

static int read_stream(FILE *in, struct source *source)
{
    struct buf_out text;
    buf_out_init(&text);
    char block[16384];
    size_t got = 0;
    while ((got = fread(block, 1, sizeof(block), in)) > 0 && text.len <= YAML_TEXT_MAX)
        buf_put(&text, block, got);
    bool failed = ferror(in);
    source->text = buf_out_take(&text, NULL);
    return failed ? ctl_error("%s cannot be read: %s", source->name, strerrordesc_np(errno)) : 0;
}

static struct source *add_source(struct manifests *m, const char *name)
{
    m->sources = xrealloc(m->sources, (m->source_count + 1) * sizeof(*m->sources));
    struct source *source = &m->sources[m->source_count++];
    *source = (struct source){.name = xstrdup(name)};
    return source;
}

static int read_file(struct manifests *m, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    for (size_t i = 0; is_stdin && i < m->source_count; i++)
        if (strcmp(m->sources[i].name, "stdin") == 0)
            return ctl_error("standard input can be read only once");
    FILE *in = is_stdin ? stdin : fopen(path, "re");
    if (!in)
        return ctl_error("%s cannot be read: %s", path, strerrordesc_np(errno));
    int status = read_stream(in, add_source(m, is_stdin ? "stdin" : path));
    if (!is_stdin)
        (void)fclose(in);
    return status;
}

static int is_manifest(const struct dirent *entry)
{
    static const char *const endings[] = {".yaml", ".yml", ".json"};
    size_t len = strlen(entry->d_name);
    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        size_t end = strlen(endings[i]);
        if (len > end && entry->d_name[0] != '.' &&
            strcmp(entry->d_name + len - end, endings[i]) == 0)
            return 1;
    }
    return 0;
}

/* The manifests of a directory, by name; not those of directories below it. */
static int read_directory(struct manifests *m, const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_manifest, alphasort);
    if (count < 0)
        return ctl_error("%s cannot be read: %s", path, strerrordesc_np(errno));
    int status = count ? 0 : ctl_error("%s holds no .yaml, .yml or .json file", path);
    for (int i = 0; i < count; i++) {
        char *file = xasprintf("%s/%s", path, entries[i]->d_name);
        struct stat st;
        if (!status && stat(file, &st) == 0 && !S_ISDIR(st.st_mode))
            status = read_file(m, file);
        free(file);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static int read_sources(struct ctl *ctl, struct manifests *m)
{
    const char *path = NULL;
    for (size_t i = 0; (path = args_nth(&ctl->args, "filename", i)); i++) {
        struct stat st;
        bool is_directory = strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
        if (is_directory ? read_directory(m, path) : read_file(m, path))
            return 1;
    }
    return m->source_count ? 0 : ctl_error("which? Give -f FILE, -f DIRECTORY or -f -");
}

int source_parse(struct source *source, struct err *e)
{
    return yaml_parse(source->text, strlen(source->text), &source->yaml, e);
}

/* "line 3, column 7: why" becomes "FILE:3: why" (and where in the line). */
static void syntax_error(const struct source *source, const char *text)
{
    unsigned line = 0, column = 0;
    int len = 0;
    if (sscanf(text, "line %u, column %u: %n", &line, &column, &len) == 2 && len) /* NOLINT */
        (void)fprintf(stderr, "error: %s:%u: %s (column %u)\n", source->name, line, text + len,
                      column);
    else
        (void)fprintf(stderr, "error: %s: %s\n", source->name, text);
}

/* ---- objects ---- */

static int complain(const struct manifest *m, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int complain(const struct manifest *m, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fprintf(stderr, "error: %s:%d: ", m->file, line);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    return 1;
}

static int line_of(const struct manifest *m, const char *field)
{
    char *path = xasprintf("%s%s", m->path, field);
    int line = yaml_line_at(m->doc, path);
    free(path);
    if (line)
        return line;
    line = yaml_line(m->doc, m->object);
    return line ? line : m->doc->line;
}

/* Text that must be there; NULL after complaining. */
static const char *need_text(const struct manifest *m, const cJSON *parent, const char *name,
                             const char *path)
{
    const cJSON *item = json_get(parent, name);
    if (cJSON_IsString(item) && *item->valuestring)
        return item->valuestring;
    if (item && !cJSON_IsString(item) && !cJSON_IsNull(item))
        (void)complain(m, line_of(m, path), "%s: Invalid value: must be text", path);
    else
        (void)complain(m, line_of(m, path), "%s: Required value", path);
    return NULL;
}

static int check_namespace(const struct ctl *ctl, struct manifest *m, const cJSON *meta)
{
    if (!ctl->kinds[m->kind].namespaced) {
        m->ns = xstrdup("");
        return 0;
    }
    const cJSON *item = json_get(meta, "namespace");
    if (item && !cJSON_IsString(item) && !cJSON_IsNull(item))
        return complain(m, line_of(m, "metadata.namespace"),
                        "metadata.namespace: Invalid value: must be text");
    const char *ns = json_str(meta, "namespace", "");
    if (*ns && ctl->ns_given && strcmp(ns, ctl->ns) != 0)
        return complain(m, line_of(m, "metadata.namespace"),
                        "metadata.namespace: \"%s\" is not the namespace of --namespace, \"%s\"",
                        ns, ctl->ns);
    m->ns = xstrdup(*ns ? ns : ctl->ns);
    return 0;
}

/* What can be said about one object without sending it: 0, 1 or NO_SERVER. */
static int check_object(struct ctl *ctl, struct manifest *m, bool needs_name)
{
    const char *version = need_text(m, m->object, "apiVersion", "apiVersion");
    const char *kind = need_text(m, m->object, "kind", "kind");
    if (!version || !kind)
        return 1;
    int found = kinds_by_kind(ctl, version, kind);
    if (found == -1)
        return complain(m, line_of(m, "kind"), "kind: no matches for kind \"%s\" in version \"%s\"",
                        kind, version);
    if (found < 0)
        return NO_SERVER;
    m->kind = (size_t)found;
    const cJSON *meta = json_get(m->object, "metadata");
    if (meta && !cJSON_IsObject(meta))
        return complain(m, line_of(m, "metadata"), "metadata: Invalid value: must be a mapping");
    bool has_generated = *json_str(meta, "generateName", "") && !json_get(meta, "name");
    if ((needs_name || !has_generated) && !need_text(m, meta, "name", "metadata.name"))
        return 1;
    m->name = json_str(meta, "name", NULL);
    return check_namespace(ctl, m, meta);
}

/* Adds the object, or each item of a List. */
/* NOLINTNEXTLINE(misc-no-recursion): LIST_DEPTH_MAX */
static int add_object(struct ctl *ctl, struct manifests *all, struct manifest m, bool needs_name,
                      int depth)
{
    if (!cJSON_IsObject(m.object))
        return complain(&m, line_of(&m, ""), "an object must be a mapping");
    const cJSON *items = json_get(m.object, "items");
    const char *kind = json_str(m.object, "kind", "");
    size_t len = strlen(kind);
    if (len < 4 || strcmp(kind + len - 4, "List") != 0 || !cJSON_IsArray(items)) {
        m.path = xstrdup(m.path);
        all->at = xrealloc(all->at, (all->count + 1) * sizeof(*all->at));
        all->at[all->count++] = m;
        return check_object(ctl, &all->at[all->count - 1], needs_name);
    }
    if (depth == LIST_DEPTH_MAX)
        return complain(&m, line_of(&m, ""), "lists are nested too deeply");
    int status = 0, i = 0;
    cJSON *it = NULL;
    cJSON_ArrayForEach(it, items)
    {
        struct manifest item = m;
        item.object = it;
        char *path = xasprintf("%sitems[%d].", m.path, i++);
        item.path = path;
        if (!(status & NO_SERVER))
            status |= add_object(ctl, all, item, needs_name, depth + 1);
        free(path);
    }
    return status;
}

int manifests_read(struct ctl *ctl, bool needs_name, struct manifests *out)
{
    *out = (struct manifests){0};
    if (read_sources(ctl, out))
        return 1;
    int status = 0;
    for (size_t i = 0; i < out->source_count; i++) {
        struct err e = {0};
        if (source_parse(&out->sources[i], &e) < 0) {
            syntax_error(&out->sources[i], e.text);
            status = 1;
        }
    }
    for (size_t i = 0; i < out->source_count; i++) {
        const struct source *source = &out->sources[i];
        for (size_t d = 0; d < source->yaml.count; d++) {
            const struct yaml_doc *doc = &source->yaml.docs[d];
            char none[] = "";
            struct manifest m = {
                .object = doc->root, .doc = doc, .file = source->name, .path = none};
            if (!cJSON_IsNull(doc->root) && !(status & NO_SERVER))
                status |= add_object(ctl, out, m, needs_name, 0);
        }
    }
    if (!status && !out->count)
        status = ctl_error("no objects in what was given with -f");
    return status ? 1 : 0;
}

void manifests_fini(struct manifests *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free(m->at[i].path);
        free(m->at[i].ns);
    }
    free(m->at);
    for (size_t i = 0; i < m->source_count; i++) {
        yaml_file_fini(&m->sources[i].yaml);
        free(m->sources[i].name);
        free(m->sources[i].text);
    }
    free(m->sources);
    *m = (struct manifests){0};
}

/* ---- what the server refuses, with lines ---- */

/* A cause with a field: "kubia.yaml:12: spec.ports[0].port: Invalid value: ...". */
static bool put_causes(const struct manifest *m, const cJSON *status, struct buf_out *out)
{
    const cJSON *causes = json_at(status, "details", "causes", NULL), *it = NULL;
    bool any = false;
    cJSON_ArrayForEach(it, causes)
    {
        const char *field = json_str(it, "field", ""), *text = json_str(it, "message", "");
        if (!*field && !*text)
            continue;
        buf_printf(out, "%s:%d: %s%s%s\n", m->file, line_of(m, field), field, *field ? ": " : "",
                   text);
        any = true;
    }
    return any;
}

/* `strict decoding error: unknown field "spec.x", duplicate field "spec.y"`: one line each. */
static bool put_fields(const struct manifest *m, const char *message, struct buf_out *out)
{
    static const char *const words[] = {"unknown field \"", "duplicate field \""};
    bool any = false;
    for (size_t w = 0; w < ARRAY_SIZE(words); w++) {
        const char *at = message;
        while ((at = strstr(at, words[w]))) {
            const char *field = at + strlen(words[w]);
            size_t len = strcspn(field, "\"");
            char *path = xstrndup(field, len);
            buf_printf(out, "%s:%d: %.*s%s\"\n", m->file, line_of(m, path), (int)strlen(words[w]),
                       at, path);
            free(path);
            at = field + len;
            any = true;
        }
    }
    return any;
}

/* The line of the field a decoding error names ("... Go struct field Service.spec.ports.port of
 * type int32"), else that of the object. */
static int line_of_message(const struct manifest *m, const char *message)
{
    static const char word[] = "Go struct field ";
    const char *at = strstr(message, word);
    const char *dot = at ? strchr(at + sizeof(word) - 1, '.') : NULL;
    if (!dot)
        return line_of(m, "");
    char *path = xstrndup(dot + 1, strcspn(dot + 1, " "));
    int line = line_of(m, path);
    free(path);
    return line;
}

void manifest_explain(const struct manifest *m, const cJSON *status, struct buf_out *out)
{
    const char *message = json_str(status, "message", "the server gave no reason");
    if (put_causes(m, status, out) || put_fields(m, message, out))
        return;
    buf_printf(out, "%s:%d: %s\n", m->file, line_of_message(m, message), message);
}

/* How much of the message says what the lines with places say again. */
static size_t message_head(const char *message)
{
    static const char *const ends[] = {": [", ": unknown field \"", ": duplicate field \"",
                                       " is invalid: "};
    size_t len = strlen(message);
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        const char *at = strstr(message, ends[i]);
        size_t keep = strcmp(ends[i], " is invalid: ") == 0 ? strlen(" is invalid") : 0;
        if (at && (size_t)(at - message) + keep < len)
            len = (size_t)(at - message) + keep;
    }
    return len;
}

void manifest_refused(const struct manifest *m, const struct reply *reply)
{
    struct buf_out lines;
    buf_out_init(&lines);
    const char *message = reply_message(reply);
    (void)fflush(stdout);
    (void)fprintf(stderr, "Error from server (%s): ", reply_reason(reply));
    if (put_causes(m, reply->tree, &lines) || put_fields(m, message, &lines))
        (void)fprintf(stderr, "%.*s\n%s", (int)message_head(message), message, lines.data);
    else
        (void)fprintf(stderr, "%s:%d: %s\n", m->file, line_of_message(m, message), message);
    buf_out_fini(&lines);
}
