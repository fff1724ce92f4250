/* controller/registry/node_role.c - what a node may say of itself and in events, as the
 * NodeRestriction admission of Kubernetes has it: nothing that steers pods of others to it, or that
 * lets go of the names of its pods without an administrator (R43). */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"
#include "controller/registry/registry_internal.h"

/* ---- labels ---- */

/* "a.b" is under "b", and so is "b" itself. */
static bool is_under(const char *prefix, size_t len, const char *domain)
{
    size_t want = strlen(domain);
    return len >= want && memcmp(prefix + len - want, domain, want) == 0 &&
           (len == want || prefix[len - want - 1] == '.');
}

/* Labels of the system's own domains that say what the node is, not what may run there. */
static bool is_nodes_own(const char *label)
{
    static const char *const labels[] = {"kubernetes.io/hostname",
                                         "kubernetes.io/os",
                                         "kubernetes.io/arch",
                                         "beta.kubernetes.io/os",
                                         "beta.kubernetes.io/arch",
                                         "beta.kubernetes.io/instance-type",
                                         "topology.kubernetes.io/zone",
                                         "topology.kubernetes.io/region",
                                         "failure-domain.beta.kubernetes.io/zone",
                                         "failure-domain.beta.kubernetes.io/region"};
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
        if (strcmp(label, labels[i]) == 0)
            return true;
    return false;
}

static bool may_label(const char *label)
{
    const char *slash = strchr(label, '/');
    size_t len = slash ? (size_t)(slash - label) : 0;
    if (is_under(label, len, "node-restriction.kubernetes.io"))
        return false;
    if (!is_under(label, len, "kubernetes.io") && !is_under(label, len, "k8s.io"))
        return true;
    return is_nodes_own(label) || is_under(label, len, "kubelet.kubernetes.io") ||
           is_under(label, len, "node.kubernetes.io");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Those of `a` that `b` has not, or has with another value, and that the node may not write. */
static size_t add_refused(const cJSON *a, const cJSON *b, bool only_absent, const char **out)
{
    size_t count = 0;
    for (const cJSON *it = a ? a->child : NULL; it; it = it->next) {
        const cJSON *other = json_get(b, it->string);
        if ((only_absent ? !other : !json_same(it, other)) && !may_label(it->string))
            out[count++] = it->string;
    }
    return count;
}

static size_t size_of(const cJSON *map)
{
    return map ? (size_t)cJSON_GetArraySize(map) : 0;
}

/* The refused labels, sorted, with ", " between them; none: nothing is written. */
static void name_refused(const cJSON *now, const cJSON *old, struct buf_out *out)
{
    const char **labels = xcalloc(size_of(now) + size_of(old) + 1, sizeof *labels);
    size_t count = add_refused(now, old, false, labels);
    count += add_refused(old, now, true, labels + count);
    qsort(labels, count, sizeof *labels, by_text);
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%s", i ? ", " : "", labels[i]);
    free(labels);
}

static int check_own_labels(const struct change *c, const cJSON *obj, struct err *e)
{
    struct buf_out refused;
    buf_out_init(&refused);
    name_refused(json_at(obj, "metadata", "labels", NULL),
                 json_at(c->old, "metadata", "labels", NULL), &refused);
    int rc = 0;
    if (refused.len) {
        char *detail = xasprintf(c->old ? "is not allowed to modify labels: %s"
                                        : "is not allowed to set the following labels: %s",
                                 refused.data);
        rc = fail_forbidden(c->kind, json_str(json_get(obj, "metadata"), "name", ""), detail, e);
        free(detail);
    }
    buf_out_fini(&refused);
    return rc;
}

/* ---- its Node ---- */

static int refuse(const struct change *c, const cJSON *obj, const char *what, struct err *e)
{
    char *detail = xasprintf("node \"%s\" is not allowed to %s %s", c->v->node,
                             c->old ? "modify" : "set", what);
    int rc = fail_forbidden(c->kind, json_str(json_get(obj, "metadata"), "name", ""), detail, e);
    free(detail);
    return rc;
}

static bool is_changed(const struct change *c, const cJSON *obj, const char *part, const char *name)
{
    const cJSON *now = json_get(json_get(obj, part), name);
    const cJSON *old = json_get(json_get(c->old, part), name);
    return !json_same(now, old) && (size_of(now) || size_of(old));
}

static int check_node(const struct change *c, const cJSON *obj, struct err *e)
{
    if (c->old && is_changed(c, obj, "spec", "taints")) /* it may be born with some */
        return refuse(c, obj, "taints", e);
    if (is_changed(c, obj, "metadata", "ownerReferences"))
        return refuse(c, obj, "ownerReferences", e);
    if (is_changed(c, obj, "metadata", "finalizers"))
        return refuse(c, obj, "finalizers", e);
    return check_own_labels(c, obj, e);
}

/* ---- events ---- */

static const char *reporter(const cJSON *event)
{
    const char *host = json_str(json_get(event, "source"), "host", "");
    return *host ? host : json_str(event, "reportingInstance", "");
}

/* An event of a node carries its name, so that nobody takes it for another's. */
static int check_event(const struct change *c, cJSON *obj, struct err *e)
{
    const char *name = json_str(json_get(obj, "metadata"), "name", "");
    if (c->old && strcmp(reporter(c->old), c->v->node) != 0)
        return fail_forbidden(c->kind, name, "a node may only change events that it reported", e);
    if (!c->old && !*reporter(obj))
        json_set_str(json_obj(obj, "source"), "host", c->v->node);
    const char *host = json_str(json_get(obj, "source"), "host", c->v->node);
    if (strcmp(reporter(obj), c->v->node) == 0 && strcmp(host, c->v->node) == 0)
        return 0;
    return fail_forbidden(c->kind, name,
                          "source.host or reportingInstance of a node's event is its own name", e);
}

int node_role_admit(const struct change *c, cJSON *obj, struct err *e)
{
    if (c->v->role != ROLE_NODE)
        return 0;
    if (c->kind->id == KIND_NODE)
        return check_node(c, obj, e);
    return c->kind->id == KIND_EVENT ? check_event(c, obj, e) : 0;
}
