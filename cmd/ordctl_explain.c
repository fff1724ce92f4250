/* cmd/ordctl_explain.c - why a name, pod, claim or set is not there, as the server explains it. */
#include "cmd/ordctl.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

/* Causes indented below what they cause, then what a person can do. */
static void print_explained(struct ctl *ctl, const cJSON *reply)
{
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, json_get(reply, "causes"))
    {
        int64_t depth = 0;
        (void)json_int(it, "depth", 0, 32, &depth);
        (void)fprintf(ctl->out, "%*s%s\n", (int)depth * 2, "", json_str(it, "text", ""));
    }
    const cJSON *hints = json_get(reply, "hints");
    if (cJSON_GetArraySize(hints) > 0)
        (void)fputs("What to do:\n", ctl->out);
    cJSON_ArrayForEach(it, hints)
    {
        if (cJSON_IsString(it))
            (void)fprintf(ctl->out, "  - %s\n", it->valuestring);
    }
}

static int run_explain(struct ctl *ctl)
{
    const char *output = args_text(&ctl->args, "output", "");
    if (*output && strcmp(output, "json") != 0)
        return ctl_error("unable to match a printer suitable for the output format \"%s\": json",
                         output);
    if (ctl->args.word_count < 1 || ctl->args.word_count > 2)
        return ctl_error("what is not there? Give explain NAME, or KIND/NAME");
    bool has_kind = ctl->args.word_count == 2;
    char *subject = xasprintf("%s%s%s", ctl->args.words[0], has_kind ? "/" : "",
                              has_kind ? ctl->args.words[1] : "");
    struct buf_out path;
    buf_out_init(&path);
    buf_puts(&path, "/ordinald/v1/explain");
    path_put_query(&path, "name", subject);
    path_put_query(&path, "namespace", ctl->ns);
    cJSON *reply = ctl_call(ctl, "GET", path.data, ACCEPT_JSON, NULL, NULL);
    buf_out_fini(&path);
    free(subject);
    if (!reply)
        return 1;
    if (*output) {
        struct buf_out out;
        buf_out_init(&out);
        print_json(&out, reply);
        (void)fwrite(out.data, 1, out.len, ctl->out);
        buf_out_fini(&out);
    } else {
        print_explained(ctl, reply);
    }
    cJSON_Delete(reply);
    return 0;
}

static const struct flag explain_flags[] = {
    {"output", 'o', FLAG_TEXT, "json", "The chain of causes as JSON"}, {.name = NULL}};

const struct command command_explain = {
    "explain",
    "NAME | pod/NAME | pvc/NAME | statefulset/NAME | service/NAME | namespace/NAME",
    "Says why a name, a pod, a claim or a set is not there, and what to do",
    explain_flags,
    run_explain,
    false};
