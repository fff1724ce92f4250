/* controller/reconcile/explain_names.c - what names are made of, gathered for explain: Services,
 * their endpoints and ports, addresses. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "controller/reconcile/explain_gather.h"
#include "controller/reconcile/parts.h"
#include "zones/naming.h"

/* Pods that are looked at for one Service, ports that are named. */
#define PODS_MOST   1000
#define PORTS_MOST  16
#define FENCES_MOST 8

/* ---- Services ---- */

static bool is_published(const struct service_view *service, const struct endpoint_view *e)
{
    return e->ready || service->publish_not_ready;
}

/* Of both families the one with more endpoints: one pod has one in each. */
static void count_endpoints(struct explain_gather *g, const struct object *service,
                            struct explain_service *out)
{
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    size_t listed[2] = {0, 0}, published[2] = {0, 0};
    index_service(term, service->ns, service->name);
    for (index_seek(&cur, &g->view, KIND_SLICE, term); cur.object; index_next(&cur)) {
        const struct slice_view *slice = slice_view(cur.object);
        size_t family = strcmp(slice->address_type, "IPv6") == 0;
        out->slices++;
        for (size_t i = 0; i < slice->endpoint_count; i++) {
            listed[family]++;
            published[family] += is_published(service_view(service), &slice->endpoints[i]);
        }
    }
    out->listed = listed[0] > listed[1] ? listed[0] : listed[1];
    out->published = published[0] > published[1] ? published[0] : published[1];
}

/* The first label of the selector that the pod does not have. */
static const struct label *differing(const struct service_view *service, const struct object *pod)
{
    for (size_t i = 0; i < service->selector_count; i++) {
        const char *value = object_label(pod, service->selector[i].key);
        if (!value || strcmp(value, service->selector[i].value) != 0)
            return &service->selector[i];
    }
    return NULL;
}

static size_t count_selected(struct explain_gather *g, const struct object *service)
{
    const struct service_view *v = service_view(service);
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    size_t seen = 0, count = 0;
    if (v->selector_count == 0)
        return 0;
    index_label(term, service->ns, v->selector[0].key, v->selector[0].value);
    for (index_seek(&cur, &g->view, KIND_POD, term); cur.object && seen < PODS_MOST;
         index_next(&cur), seen++)
        count += !differing(v, cur.object);
    return count;
}

const struct explain_service *gather_service_view(struct explain_gather *g, const char *ns,
                                                  const char *name)
{
    struct explain_service *out = arena_alloc(&g->arena, sizeof *out);
    *out = (struct explain_service){.ns = arena_strdup(&g->arena, ns),
                                    .name = arena_strdup(&g->arena, name),
                                    .target = "",
                                    .cluster_ips = ""};
    out->has_namespace = view_find(&g->view, KIND_NAMESPACE, "", ns) != NULL;
    const struct object *service = view_find(&g->view, KIND_SERVICE, ns, name);
    if (!service)
        return out;
    const struct service_view *v = service_view(service);
    out->exists = true;
    out->is_headless = v->headless;
    out->is_external = strcmp(v->type, "ExternalName") == 0;
    out->has_selector = v->selector_count > 0;
    out->target = v->external_name;
    out->cluster_ips = gather_joined(g, v->cluster_ips, v->cluster_ip_count);
    count_endpoints(g, service, out);
    if (out->published == 0)
        out->selected = count_selected(g, service);
    return out;
}

/* ---- namespaces ---- */

/* The message of a condition that holds. */
static const char *told(struct explain_gather *g, const cJSON *tree, const char *type)
{
    const cJSON *condition = condition_find(tree, type);
    bool holds = strcmp(json_str(condition, "status", ""), "True") == 0;
    return holds ? arena_strdup(&g->arena, json_str(condition, "message", "")) : "";
}

static void gather_fences(struct explain_gather *g, struct explain_namespace *out)
{
    struct explain_fence *fences = arena_alloc(&g->arena, FENCES_MOST * sizeof *fences);
    struct view_cursor cur;
    size_t seen = 0;
    out->fences = fences;
    for (view_seek(&cur, &g->view, KIND_IDENTITY, out->name, NULL); cur.object && seen < PODS_MOST;
         view_next(&cur), seen++)
        for (size_t i = 0; i < identity_view(cur.object)->fenced_count; i++)
            if (out->fence_count < FENCES_MOST)
                fences[out->fence_count++] = (struct explain_fence){
                    .pod = cur.object->name, .node = fence_node(identity_view(cur.object), i)};
            else
                out->more_fences++;
}

const struct explain_namespace *gather_namespace_view(struct explain_gather *g, const char *name)
{
    struct explain_namespace *out = arena_alloc(&g->arena, sizeof *out);
    *out = (struct explain_namespace){
        .name = arena_strdup(&g->arena, name), .content = "", .finalizers = ""};
    const struct object *ns = view_find(&g->view, KIND_NAMESPACE, "", name);
    out->exists = ns != NULL;
    out->is_terminating = ns && ns->deleted_us;
    if (!out->is_terminating)
        return out;
    cJSON *tree = object_tree(ns);
    out->content = told(g, tree, "NamespaceContentRemaining");
    out->finalizers = told(g, tree, "NamespaceFinalizersRemaining");
    cJSON_Delete(tree);
    gather_fences(g, out);
    return out;
}

/* ---- names below a Service ---- */

/* As K-HOST names it; by the name of its pod only where that is asked for, which the zone knows. */
static bool is_called(const struct endpoint_view *e, const char *host)
{
    if (*e->hostname)
        return strcmp(e->hostname, host) == 0;
    for (size_t i = 0; i < e->address_count; i++) {
        struct naming_address address;
        char dashed[64];
        if (!naming_address_parse(e->addresses[i], &address))
            continue;
        naming_dashed(&address, dashed);
        if (strcmp(dashed, host) == 0)
            return true;
    }
    return false;
}

/* Sets what slices say of the name; returns the name of the pod that stands behind it. */
static const char *find_endpoint(struct explain_gather *g, const struct object *service,
                                 struct explain_host *out)
{
    const struct service_view *v = service_view(service);
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    const char *pod = out->host;
    index_service(term, service->ns, service->name);
    for (index_seek(&cur, &g->view, KIND_SLICE, term); cur.object; index_next(&cur)) {
        const struct slice_view *slice = slice_view(cur.object);
        for (size_t i = 0; i < slice->endpoint_count; i++) {
            const struct endpoint_view *e = &slice->endpoints[i];
            bool has_name = *e->hostname != '\0';
            if (!is_called(e, out->host))
                continue;
            out->is_listed = true;
            out->is_published |= is_published(v, e) || (v->publish_identity && has_name);
            if (strcmp(e->target_kind, "Pod") == 0)
                pod = e->target_name;
        }
    }
    return pod;
}

static void compare_pod(struct explain_gather *g, const struct object *service,
                        struct explain_host *out)
{
    const struct object *pod = view_find(&g->view, KIND_POD, out->pod->ns, out->pod->name);
    if (!pod)
        return;
    const struct label *label = differing(service_view(service), pod);
    const char *found = label ? object_label(pod, label->key) : NULL;
    out->is_selected = !label && service_view(service)->selector_count > 0;
    out->label = label ? label->key : "";
    out->wanted = label ? label->value : "";
    out->found = found ? found : "";
    out->hostname = pod_view(pod)->hostname;
    out->subdomain = pod_view(pod)->subdomain;
}

const struct explain_host *gather_host_view(struct explain_gather *g, const char *ns,
                                            const char *service, const char *host)
{
    struct explain_host *out = arena_alloc(&g->arena, sizeof *out);
    *out = (struct explain_host){.service = gather_service_view(g, ns, service),
                                 .host = arena_strdup(&g->arena, host),
                                 .label = "",
                                 .wanted = "",
                                 .found = "",
                                 .hostname = "",
                                 .subdomain = ""};
    const struct object *obj = view_find(&g->view, KIND_SERVICE, ns, service);
    const char *pod = obj ? find_endpoint(g, obj, out) : host;
    out->pod = gather_pod_view(g, ns, pod);
    if (obj)
        compare_pod(g, obj, out);
    return out;
}

/* ---- ports ---- */

struct ports {
    const char *texts[PORTS_MOST];
    size_t count;
};

static void add_port(struct explain_gather *g, const struct port_view *port, struct ports *known,
                     struct explain_port *out)
{
    if (!*port->name)
        return;
    out->is_known |=
        strcmp(port->name, out->port) == 0 && strcasecmp(port->protocol, out->protocol) == 0;
    const char *text = arena_printf(&g->arena, "%s/%s", port->name, port->protocol);
    for (size_t i = 0; i < known->count; i++)
        if (strcmp(known->texts[i], text) == 0)
            return;
    if (known->count < PORTS_MOST)
        known->texts[known->count++] = text;
}

const struct explain_port *gather_port_view(struct explain_gather *g, const char *ns,
                                            const char *service, const char *port,
                                            const char *protocol)
{
    struct explain_port *out = arena_alloc(&g->arena, sizeof *out);
    *out = (struct explain_port){.service = gather_service_view(g, ns, service),
                                 .port = arena_strdup(&g->arena, port),
                                 .protocol = arena_strdup(&g->arena, protocol)};
    struct ports known = {.count = 0};
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    const struct object *obj = view_find(&g->view, KIND_SERVICE, ns, service);
    for (size_t i = 0; obj && i < service_view(obj)->port_count; i++)
        add_port(g, &service_view(obj)->ports[i], &known, out);
    index_service(term, ns, service);
    for (index_seek(&cur, &g->view, KIND_SLICE, term); obj && cur.object; index_next(&cur))
        for (size_t i = 0; i < slice_view(cur.object)->port_count; i++)
            add_port(g, &slice_view(cur.object)->ports[i], &known, out);
    out->known = gather_joined(g, known.texts, known.count);
    return out;
}

/* ---- addresses ---- */

static const struct object *holder_of(const struct explain_gather *g, enum kind_id kind,
                                      const char *address)
{
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    index_address(term, address);
    const struct object *found = NULL;
    for (index_seek(&cur, &g->view, kind, term); cur.object; index_next(&cur)) {
        bool is_ended = kind == KIND_POD && pod_phase_is_final(pod_view(cur.object)->phase);
        if (!is_ended || !found)
            found = cur.object;
    }
    return found;
}

const struct explain_address *gather_address_view(struct explain_gather *g, const char *address)
{
    static const enum kind_id kinds[] = {KIND_POD, KIND_SERVICE, KIND_IDENTITY};
    struct explain_address *out = arena_alloc(&g->arena, sizeof *out);
    const char *names[3] = {"", "", ""};
    for (size_t i = 0; i < 3; i++) {
        const struct object *obj = holder_of(g, kinds[i], address);
        if (obj)
            names[i] = arena_printf(&g->arena, "%s/%s", obj->ns, obj->name);
        if (obj && kinds[i] == KIND_POD)
            out->pod_is_ready = pod_view(obj)->ready;
    }
    out->address = arena_strdup(&g->arena, address);
    out->is_in_zone = true;
    out->pod = names[0];
    out->service = names[1];
    out->reserved = names[2];
    return out;
}
