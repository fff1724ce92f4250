/* cmd/ordctl_wait.c - follows one object: list by name, then watch from there (api.md A33, A34).
 *
 * A watch that ends is taken up again by another list, so nothing is missed and an expired revision
 * needs no care of its own. */
#include "cmd/ordctl.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"

struct follow {
    enum wait_step (*step)(void *arg, const cJSON *object);
    void *arg;
    enum wait_step last;
};

static bool on_line(void *arg, const char *line, size_t len)
{
    struct follow *f = arg;
    cJSON *event = json_parse(line, len, NULL);
    const char *type = json_str(event, "type", "ERROR");
    bool goes_on = strcmp(type, "ERROR") != 0;
    if (goes_on && strcmp(type, "BOOKMARK") != 0) {
        bool is_gone = strcmp(type, "DELETED") == 0;
        f->last = f->step(f->arg, is_gone ? NULL : json_get(event, "object"));
        goes_on = f->last == WAIT_MORE;
    }
    cJSON_Delete(event);
    return goes_on;
}

static void put_list_path(struct buf_out *path, const struct resource_info *kind, const char *ns,
                          const char *name)
{
    kinds_path(kind, ns, NULL, NULL, path);
    char *selector = xasprintf("metadata.name=%s", name);
    path_put_query(path, "fieldSelector", selector);
    free(selector);
}

/* The object as it is; the revision of the list in *version (owned). */
static int look(struct ctl *ctl, const struct resource_info *kind, const char *ns, const char *name,
                struct follow *f, char **version)
{
    struct buf_out path;
    buf_out_init(&path);
    put_list_path(&path, kind, ns, name);
    cJSON *list = ctl_call(ctl, "GET", path.data, ACCEPT_JSON, NULL, NULL);
    buf_out_fini(&path);
    if (!list)
        return 1;
    const cJSON *items = json_get(list, "items");
    f->last = f->step(f->arg, items ? items->child : NULL);
    *version = xstrdup(json_str(json_get(list, "metadata"), "resourceVersion", ""));
    cJSON_Delete(list);
    return 0;
}

static int watch(struct ctl *ctl, const struct resource_info *kind, const char *ns,
                 const char *name, const char *version, struct follow *f, int64_t left_ms)
{
    struct buf_out path;
    buf_out_init(&path);
    put_list_path(&path, kind, ns, name);
    path_put_query(&path, "resourceVersion", version);
    path_put_query(&path, "watch", "true");
    struct reply reply;
    struct err e = {0};
    int rc = client_stream(ctl->client, path.data, ACCEPT_JSON, on_line, f, left_ms, &reply, &e);
    buf_out_fini(&path);
    int status = 0;
    if (rc < 0 && rc != ERR_TIMEOUT)
        status = ctl_error("%s", e.text);
    else if (rc == 0 && reply.status >= 400 && reply.status != 410)
        status = ctl_refused(&reply);
    reply_fini(&reply);
    return status;
}

int wait_object(struct ctl *ctl, const struct resource_info *kind, const char *ns, const char *name,
                int64_t timeout_ms, enum wait_step (*step)(void *arg, const cJSON *object),
                void *arg)
{
    struct follow f = {.step = step, .arg = arg, .last = WAIT_MORE};
    int64_t end_us = clock_mono_us() + timeout_ms * 1000;
    for (;;) {
        char *version = NULL;
        if (look(ctl, kind, ns, name, &f, &version))
            return 1;
        int64_t left_ms = timeout_ms ? (end_us - clock_mono_us()) / 1000 : 0;
        int status = 0;
        if (f.last == WAIT_MORE && (!timeout_ms || left_ms > 0))
            status = watch(ctl, kind, ns, name, version, &f, left_ms);
        free(version);
        if (status || f.last == WAIT_FAILED)
            return 1;
        if (f.last == WAIT_DONE)
            return 0;
        if (timeout_ms && clock_mono_us() >= end_us)
            return ctl_error("timed out waiting for the condition");
    }
}
