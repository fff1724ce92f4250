/* cmd/ordctl_nodes.c - nodes: what they are, cordon, and the silence of simulated ones. */
#include "cmd/ordctl.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

#define SIMULATE "ordinald.dev/simulate"

static cJSON *silence_patch(bool is_silent)
{
    cJSON *body = cJSON_CreateObject();
    CHECK(body);
    json_set(json_obj(json_obj(body, "metadata"), "annotations"), SIMULATE,
             is_silent ? cJSON_CreateString("silent") : cJSON_CreateNull());
    return body;
}

static cJSON *cordon_patch(bool is_cordoned)
{
    cJSON *body = cJSON_CreateObject();
    CHECK(body);
    json_set(json_obj(body, "spec"), "unschedulable",
             is_cordoned ? cJSON_CreateBool(true) : cJSON_CreateNull());
    return body;
}

static const struct verb_row {
    const char *word;
    cJSON *(*patch)(bool on);
    bool on;
    const char *done, *already;
} verbs[] = {{"silence", silence_patch, true, "silenced", "already silent"},
             {"wake", silence_patch, false, "woken", "already awake"},
             {"cordon", cordon_patch, true, "cordoned", "already cordoned"},
             {"uncordon", cordon_patch, false, "uncordoned", "already uncordoned"}};

static bool is_so(const struct verb_row *verb, const cJSON *node)
{
    if (verb->patch == cordon_patch)
        return json_bool(json_get(node, "spec"), "unschedulable", false) == verb->on;
    const char *how = json_str(json_at(node, "metadata", "annotations", NULL), SIMULATE, "");
    return (strcmp(how, "silent") == 0) == verb->on;
}

static int change_node(struct ctl *ctl, const struct verb_row *verb, const char *name)
{
    struct buf_out path;
    buf_out_init(&path);
    buf_puts(&path, "/api/v1/nodes/");
    path_put_escaped(&path, name);
    cJSON *node = ctl_call(ctl, "GET", path.data, ACCEPT_JSON, NULL, NULL);
    const char *word = NULL;
    if (node && is_so(verb, node)) {
        word = verb->already;
    } else if (node) {
        cJSON *body = verb->patch(verb->on);
        cJSON *reply = ctl_call(ctl, "PATCH", path.data, ACCEPT_JSON, PATCH_MERGE, body);
        word = reply ? verb->done : NULL;
        cJSON_Delete(reply);
        cJSON_Delete(body);
    }
    cJSON_Delete(node);
    buf_out_fini(&path);
    if (word)
        (void)fprintf(ctl->out, "node/%s %s\n", name, word);
    return word ? 0 : 1;
}

static int list_nodes(struct ctl *ctl)
{
    cJSON *list = ctl_call(ctl, "GET", "/api/v1/nodes", ACCEPT_TABLE, NULL, NULL);
    if (!list)
        return 1;
    struct table_print table = {.opts = {.wide = true}};
    struct buf_out out;
    buf_out_init(&out);
    table_print(&table, list, &out);
    if (out.len)
        (void)fwrite(out.data, 1, out.len, ctl->out);
    else
        (void)fputs("No resources found\n", stderr);
    buf_out_fini(&out);
    table_print_fini(&table);
    cJSON_Delete(list);
    return 0;
}

static int run_nodes(struct ctl *ctl)
{
    const struct args *args = &ctl->args;
    const char *word = args->word_count ? args->words[0] : "list";
    if (strcmp(word, "list") == 0)
        return args->word_count > 1 ? ctl_error("unexpected argument \"%s\"", args->words[1])
                                    : list_nodes(ctl);
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (strcmp(word, verbs[i].word) != 0)
            continue;
        if (args->word_count < 2)
            return ctl_error("which node? Give nodes %s NODE", word);
        int status = 0;
        for (size_t n = 1; n < args->word_count; n++)
            status |= change_node(ctl, &verbs[i], args->words[n]);
        return status;
    }
    return ctl_error("unknown command \"nodes %s\": list, silence, wake, cordon or uncordon", word);
}

const struct command command_nodes = {
    "nodes",
    "[list] | silence|wake|cordon|uncordon NODE...",
    "Shows nodes, closes them for new pods, makes simulated ones fall silent",
    NULL,
    run_nodes,
    false};
