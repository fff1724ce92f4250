/* cmd/ordctl_admin.c - what is ordinald's own: history, backup, dump-zone, check-config, version.
 */
#include "cmd/ordctl.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/json.h"
#include "conf/conf.h"

/* ---- history ---- */

static const char *const history_columns[] = {"EPOCH",  "UID",  "NODE",  "ADDRESSES",
                                              "CLAIMS", "FROM", "UNTIL", "ENDED"};
enum { HISTORY_COLUMNS = 8 };

static char *cell_or(const cJSON *parent, const char *name, const char *fallback)
{
    const char *text = json_str(parent, name, "");
    return xstrdup(*text ? text : fallback);
}

/* Texts of a list, or of one member of each of its objects, joined by commas. */
static char *list_cell(const cJSON *list, const char *member)
{
    struct buf_out out;
    buf_out_init(&out);
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, list)
    {
        const cJSON *text = member ? json_get(it, member) : it;
        if (cJSON_IsString(text))
            buf_printf(&out, "%s%s", out.len ? "," : "", text->valuestring);
    }
    if (!out.len)
        buf_puts(&out, "<none>");
    return buf_out_take(&out, NULL);
}

static bool has_text(const cJSON *list, const char *text)
{
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, list) if (cJSON_IsString(it) &&
                                     strcmp(it->valuestring, text) == 0) return true;
    return false;
}

/* One incarnation. Where it is becomes part of the history when it ends; until then the pod (NULL
 * when it is gone) knows. */
static void history_row(const cJSON *it, const cJSON *identity, const cJSON *pod, char **cells)
{
    int64_t epoch = 0;
    (void)json_int(it, "epoch", 0, INT64_MAX, &epoch);
    const char *uid = json_str(it, "uid", "");
    bool lives =
        !json_get(it, "until") && strcmp(json_str(json_get(pod, "metadata"), "uid", ""), uid) == 0;
    cells[0] = xasprintf("%lld", (long long)epoch);
    cells[1] = cell_or(it, "uid", "<none>");
    cells[2] = lives ? cell_or(json_get(pod, "spec"), "nodeName", "<none>")
                     : cell_or(it, "nodeName", "<none>");
    cells[3] = lives ? list_cell(json_at(pod, "status", "podIPs", NULL), "ip")
                     : list_cell(json_get(it, "addresses"), NULL);
    cells[4] = list_cell(json_get(it, "claims"), NULL);
    cells[5] = cell_or(it, "from", "<unknown>");
    cells[6] = cell_or(it, "until", lives ? "<present>" : "<unknown>");
    const char *why = json_str(it, "why", "");
    bool is_fenced = has_text(json_get(identity, "fencedUIDs"), uid);
    cells[7] = xasprintf("%s%s", *why ? why : "<none>", is_fenced ? " (fenced)" : "");
}

static bool has_uid(const cJSON *list, const char *uid)
{
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, list) if (strcmp(json_str(it, "uid", ""), uid) == 0) return true;
    return false;
}

/* Fences of pods that no incarnation tells of: it is forgotten, or there never was one. */
static void print_fences(struct ctl *ctl, const cJSON *identity)
{
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, json_get(identity, "fences"))
    {
        const char *uid = json_str(it, "uid", "");
        char *addresses = list_cell(json_get(it, "addresses"), NULL);
        if (!has_uid(json_get(identity, "incarnations"), uid))
            (void)fprintf(ctl->out, "fenced: %s on node %s since %s, addresses %s\n", uid,
                          json_str(it, "nodeName", "<unknown>"), json_str(it, "since", "<unknown>"),
                          addresses);
        free(addresses);
    }
}

static void print_history(struct ctl *ctl, const cJSON *identity, const cJSON *pod)
{
    const cJSON *list = json_get(identity, "incarnations"), *it = NULL;
    size_t rows = 1, row = 0;
    cJSON_ArrayForEach(it, list) rows++;
    char **cells = xcalloc(rows * HISTORY_COLUMNS, sizeof(*cells));
    for (size_t c = 0; c < HISTORY_COLUMNS; c++)
        cells[c] = xstrdup(history_columns[c]);
    cJSON_ArrayForEach(it, list) history_row(it, identity, pod, cells + ++row * HISTORY_COLUMNS);
    struct buf_out out;
    buf_out_init(&out);
    print_rows(&out, cells, HISTORY_COLUMNS, rows);
    (void)fwrite(out.data, 1, out.len, ctl->out);
    buf_out_fini(&out);
    for (size_t i = 0; i < rows * HISTORY_COLUMNS; i++)
        free(cells[i]);
    free(cells);
    print_fences(ctl, identity);
}

/* *out stays NULL when the object is absent and need not be there. */
static int get_named(struct ctl *ctl, const char *group, const char *resource, const char *name,
                     bool is_needed, cJSON **out)
{
    struct buf_out path;
    buf_out_init(&path);
    buf_printf(&path, "%s/namespaces/", group);
    path_put_escaped(&path, ctl->ns);
    buf_printf(&path, "/%s/", resource);
    path_put_escaped(&path, name);
    struct reply reply;
    struct err e = {0};
    int rc = client_request(ctl->client, "GET", path.data, ACCEPT_JSON, NULL, NULL, &reply, &e);
    buf_out_fini(&path);
    if (rc < 0)
        return ctl_error("%s", e.text);
    int status = 0;
    if (reply.status < 400)
        *out = TAKE(reply.tree);
    else if (is_needed || reply.status != 404)
        status = ctl_refused(&reply);
    reply_fini(&reply);
    return status;
}

static int run_history(struct ctl *ctl)
{
    if (ctl->args.word_count != 1)
        return ctl_error("which pod? Give history POD");
    const char *name = ctl->args.words[0];
    const char *slash = strchr(name, '/');
    name = slash ? slash + 1 : name;
    cJSON *identity = NULL;
    cJSON *pod = NULL;
    int status = get_named(ctl, "/apis/ordinald.dev/v1", "identities", name, true, &identity);
    if (!status)
        status = get_named(ctl, "/api/v1", "pods", name, false, &pod);
    if (!status)
        print_history(ctl, identity, pod);
    cJSON_Delete(identity);
    cJSON_Delete(pod);
    return status;
}

const struct command command_history = {
    "history", "POD",       "Every incarnation of an identity: where it was, and why it ended",
    NULL,      run_history, false};

/* ---- backup ---- */

/* The server writes; a relative path is meant from here. */
static int run_backup(struct ctl *ctl)
{
    if (ctl->args.word_count != 1)
        return ctl_error("where to? Give backup DIR");
    const char *word = ctl->args.words[0];
    char here[PATH_MAX];
    if (*word != '/' && !getcwd(here, sizeof(here)))
        return ctl_error("the current directory has no path");
    char *directory = *word == '/' ? xstrdup(word) : xasprintf("%s/%s", here, word);
    cJSON *body = cJSON_CreateObject();
    CHECK(body);
    json_set_str(body, "directory", directory);
    cJSON *reply = ctl_call(ctl, "POST", "/ordinald/v1/backup", ACCEPT_JSON, NULL, body);
    cJSON_Delete(body);
    if (reply)
        (void)fprintf(ctl->out, "backup written to %s\n", directory);
    int status = reply ? 0 : 1;
    cJSON_Delete(reply);
    free(directory);
    return status;
}

const struct command command_backup = {
    "backup", "DIR",      "Has the server write a consistent copy of its store into a directory",
    NULL,     run_backup, false};

/* ---- dump-zone ---- */

static int run_dump_zone(struct ctl *ctl)
{
    if (ctl->args.word_count > 1)
        return ctl_error("unexpected argument \"%s\"", ctl->args.words[1]);
    struct buf_out path;
    buf_out_init(&path);
    buf_puts(&path, "/ordinald/v1/zones");
    if (ctl->args.word_count) {
        buf_putc(&path, '/');
        path_put_escaped(&path, ctl->args.words[0]);
    }
    struct reply reply;
    struct err e = {0};
    int rc = client_request(ctl->client, "GET", path.data, "text/plain, application/json", NULL,
                            NULL, &reply, &e);
    buf_out_fini(&path);
    if (rc < 0)
        return ctl_error("%s", e.text);
    int status = 0;
    if (reply.status >= 400)
        status = ctl_refused(&reply);
    else
        (void)fwrite(reply.text, 1, reply.len, ctl->out);
    reply_fini(&reply);
    return status;
}

const struct command command_dump_zone = {
    "dump-zone", "[ZONE]",      "Prints a zone as master-file text; without ZONE the cluster zone",
    NULL,        run_dump_zone, false};

/* ---- check-config ---- */

static int run_check_config(struct ctl *ctl)
{
    if (ctl->args.word_count != 1)
        return ctl_error("which file? Give check-config FILE");
    struct options options;
    struct err e = {0};
    if (conf_load(ctl->args.words[0], NULL, 0, &options, &e) < 0)
        return ctl_error("%s", e.text);
    conf_fini(&options);
    (void)fputs("configuration ok\n", ctl->out);
    return 0;
}

const struct command command_check_config = {
    "check-config", "FILE",           "Checks a configuration file as the daemon would",
    NULL,           run_check_config, true};

/* ---- version ---- */

static int run_version(struct ctl *ctl)
{
    (void)fprintf(ctl->out, "ordctl %s\n", ORDINALD_VERSION);
    (void)fflush(ctl->out);
    if (args_bool(&ctl->args, "client", false))
        return 0;
    cJSON *version = ctl_call(ctl, "GET", "/version", ACCEPT_JSON, NULL, NULL);
    if (!version)
        return 1;
    (void)fprintf(ctl->out, "server %s\n", json_str(version, "gitVersion", "unknown"));
    cJSON_Delete(version);
    return 0;
}

static const struct flag version_flags[] = {
    {"client", 0, FLAG_SWITCH, NULL, "Only of this program; asks no server"}, {.name = NULL}};

const struct command command_version = {
    "version", "", "Version of this program and of the server", version_flags, run_version, false};
