#include "controller/reconcile/explain.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/json.h"
#include "zones/naming.h"
#include "zones/reverse.h"
#include "zones/zone_text.h"

/* Records of a name that are told. */
#define RECORDS_MOST 4
#define LABELS_MOST  8

/* ---- objects ---- */

static void explain_pod(struct explain_gather *g, const char *ns, const char *name,
                        struct explain *out)
{
    explain_pod_plan(gather_pod_view(g, ns, name), out);
}

static void explain_claim(struct explain_gather *g, const char *ns, const char *name,
                          struct explain *out)
{
    explain_claim_plan(gather_claim_view(g, ns, name), out);
}

static void explain_set(struct explain_gather *g, const char *ns, const char *name,
                        struct explain *out)
{
    explain_set_plan(gather_set_view(g, ns, name), out);
}

static void explain_service(struct explain_gather *g, const char *ns, const char *name,
                            struct explain *out)
{
    explain_service_plan(gather_service_view(g, ns, name), out);
}

static void explain_namespace(struct explain_gather *g, const char *ns, const char *name,
                              struct explain *out)
{
    (void)ns;
    explain_namespace_plan(gather_namespace_view(g, name), out);
}

typedef void explain_object_fn(struct explain_gather *g, const char *ns, const char *name,
                               struct explain *out);

static const struct {
    enum kind_id kind;
    explain_object_fn *explain;
    const char *words[4];
} kinds[] = {
    {KIND_POD, explain_pod, {"pod", "pods", "po", NULL}},
    {KIND_STATEFULSET, explain_set, {"statefulset", "statefulsets", "sts", "statefulset.apps"}},
    {KIND_PVC, explain_claim, {"pvc", "persistentvolumeclaim", "persistentvolumeclaims", NULL}},
    {KIND_SERVICE, explain_service, {"service", "services", "svc", NULL}},
    {KIND_NAMESPACE, explain_namespace, {"namespace", "namespaces", "ns", NULL}},
};

static explain_object_fn *find_kind(const char *word, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        for (size_t w = 0; w < ARRAY_SIZE(kinds[i].words) && kinds[i].words[w]; w++)
            if (strlen(kinds[i].words[w]) == len && strncasecmp(kinds[i].words[w], word, len) == 0)
                return kinds[i].explain;
    return NULL;
}

/* A bare word: what exists under it, else the ordinal of a set, else a Service. */
static void explain_word(struct explain_gather *g, const char *ns, const char *name,
                         struct explain *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (view_find(&g->view, kinds[i].kind, kind_get(kinds[i].kind)->namespaced ? ns : "",
                      name)) {
            kinds[i].explain(g, ns, name, out);
            return;
        }
    const struct explain_claim *claim = gather_claim_view(g, ns, name);
    if (gather_pod_view(g, ns, name)->set)
        explain_pod(g, ns, name, out);
    else if (*claim->set)
        explain_claim_plan(claim, out);
    else {
        explain_say(out, "%s/%s is no pod, StatefulSet, claim or Service", ns, name);
        if (*gather_pod_view(g, ns, name)->set_name)
            explain_pod(g, ns, name, out);
    }
}

/* ---- names ---- */

struct labels {
    char text[LABELS_MOST][NAME_MAX_LABEL + 1]; /* leftmost first */
    size_t count;
};

/* The labels of `name` above `parent`; false when there are too many, or one is no plain text. */
static bool split_name(const uint8_t *name, const uint8_t *parent, struct labels *out)
{
    size_t more = name_labels(name) - name_labels(parent);
    out->count = 0;
    if (more > LABELS_MOST)
        return false;
    for (; out->count < more; name += 1 + *name) {
        memcpy(out->text[out->count], name + 1, *name);
        out->text[out->count][*name] = '\0';
        if (strlen(out->text[out->count]) != *name || strpbrk(out->text[out->count], "/ "))
            return false;
        out->count++;
    }
    return true;
}

/* Below <ns>.svc.Z: l->text[count - 1] is "svc", before it namespace and Service. */
static bool explain_service_name(struct explain_gather *g, const struct labels *l,
                                 struct explain *out)
{
    const char *ns = l->text[l->count - 2];
    const char *service = l->count > 2 ? l->text[l->count - 3] : NULL;
    const char *first = l->text[0], *second = l->text[1];
    if (!service) {
        explain_namespace(g, ns, ns, out);
    } else if (l->count == 3) {
        explain_service_plan(gather_service_view(g, ns, service), out);
    } else if (l->count == 4 && *first != '_') {
        struct explain_host host = *gather_host_view(g, ns, service, first);
        host.is_listed |= out->is_there; /* zone.endpoint-names: pod */
        host.is_published |= out->is_there;
        explain_host_plan(&host, out);
    } else if (l->count == 5 && strcmp(first, "_epoch") == 0) {
        struct explain_host host = *gather_host_view(g, ns, service, second);
        host.is_asked_epoch = true;
        explain_host_plan(&host, out);
    } else if (l->count == 5 && *first == '_' && *second == '_') {
        explain_port_plan(gather_port_view(g, ns, service, first + 1, second + 1), out);
    } else {
        return false;
    }
    return true;
}

static void explain_shape(struct explain *out)
{
    explain_say(out, "no name of this shape exists; they are <service>.<namespace>.svc, "
                     "<pod>.<service>.<namespace>.svc, _<port>._<protocol>.<service>..., "
                     "_epoch.<pod>.<service>... and <address>.<namespace>.pod");
}

static void explain_held(struct explain_gather *g, const struct naming_address *address,
                         bool is_in_zone, struct explain *out)
{
    char text[48];
    struct explain_address view = *gather_address_view(g, naming_address_format(address, text));
    view.is_in_zone = is_in_zone;
    explain_address_plan(&view, out);
}

static void explain_cluster_name(struct explain_gather *g, const struct zone_version *version,
                                 const uint8_t *name, struct explain *out)
{
    struct labels l;
    struct naming_address address;
    size_t len;
    bool is_plain = split_name(name, zone_node_name(version->cluster_node, &len), &l);
    const char *last = is_plain && l.count > 0 ? l.text[l.count - 1] : "";
    if (l.count > 1 && strcmp(last, "svc") == 0 && explain_service_name(g, &l, out))
        return;
    if (l.count == 3 && strcmp(last, "pod") == 0 &&
        naming_undash((const uint8_t *)l.text[0], strlen(l.text[0]), &address)) {
        explain_held(g, &address, true, out);
        return;
    }
    if (!out->is_there)
        explain_shape(out);
}

/* The address whose reverse name this is. */
static bool reverse_address(const uint8_t *name, struct naming_address *out)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t check[NAME_MAX_WIRE], folded[NAME_MAX_WIRE];
    unsigned labels = name_labels(name);
    size_t len = name_wire_len(name, NAME_MAX_WIRE);
    name_fold(folded, name, len);
    *out = (struct naming_address){.len = labels == 34 ? 16 : 4};
    if (labels != 6 && labels != 34)
        return false;
    const uint8_t *at = folded;
    for (size_t i = 0; i < (out->len == 4 ? 4U : 32U); at += 1 + *at, i++) {
        if (out->len == 4) {
            unsigned value = 0;
            for (size_t c = 1; c <= *at; c++)
                value = value * 10 + (at[c] - '0');
            out->bytes[3 - i] = (uint8_t)value;
        } else {
            const char *digit = *at == 1 && at[1] ? strchr(digits, at[1]) : NULL;
            unsigned value = digit ? (unsigned)(digit - digits) : 0;
            out->bytes[15 - i / 2] |= (uint8_t)(value << 4 * (i % 2));
        }
    }
    return reverse_name(out, check) == len && name_equal(check, folded);
}

/* What DNS says now. True when the name owns records. */
static bool say_records(const struct zone_version *version, const uint8_t *name, const char *text,
                        struct explain *out)
{
    struct zone_match match;
    zone_find(version, name, RR_ANY, &match);
    size_t sets = match.node ? zone_node_set_count(match.node) : 0;
    for (size_t s = 0; s < sets; s++) {
        const struct rrset *set = zone_node_set_at(match.node, s);
        char type[16];
        size_t count = rrset_count(set);
        struct buf_out rdata;
        buf_out_init(&rdata);
        for (size_t i = 0; i < count && i < RECORDS_MOST; i++) {
            buf_puts(&rdata, i ? ", " : "");
            zone_text_rdata(set, match.node, i, &rdata);
        }
        explain_say(out, "%s has %s %s%s", text, zone_text_type(rrset_type(set), type),
                    rdata.data ? rdata.data : "", count > RECORDS_MOST ? ", ..." : "");
        buf_out_fini(&rdata);
    }
    return sets > 0;
}

static void explain_name(struct explain_gather *g, const struct zone_version *version,
                         const uint8_t *name, const char *text, struct explain *out)
{
    size_t len;
    struct naming_address address;
    const struct zone_apex *apex = zone_apex_find(version, name);
    bool is_cluster = name_is_under(name, zone_node_name(version->cluster_node, &len));
    bool has_records = say_records(version, name, text, out);
    out->is_there = has_records;
    if (is_cluster)
        explain_cluster_name(g, version, name, out);
    else if (reverse_address(name, &address))
        explain_held(g, &address, apex != NULL, out);
    else if (!apex)
        explain_say(out, "%s is in no zone that is served here", text);
    else if (!has_records)
        explain_say(out, "%s is not the reverse name of a whole address", text);
    out->is_there = has_records;
}

/* "kubia-2.kubia" as the search list of a pod in ns would complete it; a name in our zones as it
 * stands. */
static int complete_name(const struct zone_version *version, const char *ns, const char *subject,
                         uint8_t out[NAME_MAX_WIRE], char text[NAME_TEXT_MAX], struct err *e)
{
    char full[NAME_TEXT_MAX], zone[NAME_TEXT_MAX];
    size_t len;
    int rc = name_parse(subject, out, e);
    if (rc < 0)
        return rc;
    const uint8_t *z = zone_node_name(version->cluster_node, &len);
    const char *reverse_ends[] = {"in-addr.arpa", "ip6.arpa"};
    bool is_whole = name_is_under(out, z) || subject[strlen(subject) - 1] == '.';
    for (size_t i = 0; i < ARRAY_SIZE(reverse_ends); i++) {
        uint8_t end[NAME_MAX_WIRE];
        is_whole |= name_parse(reverse_ends[i], end, NULL) > 0 && name_is_under(out, end);
    }
    const char *last = strrchr(subject, '.');
    bool is_below_zone = last && (strcasecmp(last, ".svc") == 0 || strcasecmp(last, ".pod") == 0);
    if (!is_whole) {
        (void)snprintf(full, sizeof full, "%s.%s%s%s", subject, is_below_zone ? "" : ns,
                       is_below_zone ? "" : ".svc.", name_format(z, zone));
        if ((rc = name_parse(full, out, e)) < 0)
            return rc;
    }
    (void)name_format(out, text);
    len = strlen(text);
    if (len > 1)
        text[len - 1] = '\0';
    return 0;
}

int explain_subject(struct explain_gather *g, const struct zone_version *version, const char *ns,
                    const char *subject, struct explain *out, struct err *e)
{
    uint8_t name[NAME_MAX_WIRE];
    char text[NAME_TEXT_MAX];
    const char *slash = strchr(subject, '/');
    *out = (struct explain){.is_there = false};
    if (slash) {
        explain_object_fn *explain = find_kind(subject, (size_t)(slash - subject));
        if (!explain)
            return err_set(e, ERR_INVALID,
                           "name: \"%.100s\" is no kind that can be explained: pod, pvc, "
                           "statefulset, service or namespace",
                           subject);
        if (!slash[1] || strchr(slash + 1, '/'))
            return err_set(e, ERR_INVALID, "name: \"%.100s\" names no object", subject);
        explain(g, ns, slash + 1, out);
        return 0;
    }
    if (!*subject)
        return err_set(e, ERR_INVALID, "name: what is to be explained is missing");
    if (!strchr(subject, '.')) {
        explain_word(g, ns, subject, out);
        return 0;
    }
    if (!version)
        return err_set(e, ERR_NOT_FOUND, "no zones are served here");
    int rc = complete_name(version, ns, subject, name, text, e);
    if (rc == 0)
        explain_name(g, version, name, text, out);
    return rc;
}

cJSON *explain_tree(const struct explain *view, const char *ns, const char *subject)
{
    cJSON *tree = cJSON_CreateObject();
    CHECK(tree);
    json_set_str(tree, "subject", subject);
    json_set_str(tree, "namespace", ns);
    json_set_bool(tree, "found", view->is_there);
    cJSON *causes = json_arr(tree, "causes"), *hints = json_arr(tree, "hints");
    for (size_t i = 0; i < view->count; i++) {
        cJSON *line = cJSON_CreateObject();
        CHECK(line);
        json_set_int(line, "depth", view->line[i].depth);
        json_set_str(line, "text", view->line[i].text);
        cJSON_AddItemToArray(causes, line);
    }
    for (size_t i = 0; i < view->hint_count; i++)
        cJSON_AddItemToArray(hints, cJSON_CreateString(view->hint[i]));
    return tree;
}
