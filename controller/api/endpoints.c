/* controller/api/endpoints.c - v1 Endpoints as a read-only mirror of a Service's slices, one subset
 * per slice. Its resourceVersion is the newest of what it is made of. */
#include <string.h>

#include "controller/api/api.h"

static void seek(struct index_cursor *cur, const struct store_view *view,
                 const struct object *service)
{
    char term[INDEX_TERM_MAX];
    index_service(term, service->ns, service->name);
    index_seek(cur, view, KIND_SLICE, term);
}

bool endpoints_exist(const struct store_view *view, const struct object *service)
{
    struct index_cursor cur;
    seek(&cur, view, service);
    return cur.object != NULL;
}

uint64_t endpoints_revision(const struct store_view *view, const struct object *service)
{
    struct index_cursor cur;
    uint64_t newest = service->mod_revision;
    for (seek(&cur, view, service); cur.object; index_next(&cur))
        if (cur.object->mod_revision > newest)
            newest = cur.object->mod_revision;
    return newest;
}

static cJSON *target_of(const struct endpoint_view *ep)
{
    cJSON *ref = cJSON_CreateObject();
    json_set_str(ref, "kind", ep->target_kind);
    json_set_str(ref, "namespace", ep->target_ns);
    json_set_str(ref, "name", ep->target_name);
    json_set_str(ref, "uid", ep->target_uid);
    return ref;
}

static void add_addresses(cJSON *subset, const struct endpoint_view *ep)
{
    cJSON *list = json_arr(subset, ep->ready ? "addresses" : "notReadyAddresses");
    for (size_t i = 0; i < ep->address_count; i++) {
        cJSON *address = cJSON_CreateObject();
        json_set_str(address, "ip", ep->addresses[i]);
        if (*ep->hostname)
            json_set_str(address, "hostname", ep->hostname);
        if (*ep->node)
            json_set_str(address, "nodeName", ep->node);
        if (*ep->target_kind)
            json_set(address, "targetRef", target_of(ep));
        cJSON_AddItemToArray(list, address);
    }
}

static cJSON *subset_of(const struct slice_view *slice)
{
    cJSON *subset = cJSON_CreateObject();
    for (size_t i = 0; i < slice->endpoint_count; i++)
        add_addresses(subset, &slice->endpoints[i]);
    for (size_t i = 0; i < slice->port_count; i++) {
        const struct port_view *port = &slice->ports[i];
        cJSON *item = cJSON_CreateObject();
        if (*port->name)
            json_set_str(item, "name", port->name);
        json_set_int(item, "port", port->port);
        json_set_str(item, "protocol", port->protocol);
        if (*port->app_protocol)
            json_set_str(item, "appProtocol", port->app_protocol);
        cJSON_AddItemToArray(json_arr(subset, "ports"), item);
    }
    return subset;
}

cJSON *endpoints_tree(const struct store_view *view, const struct object *service)
{
    cJSON *tree = cJSON_CreateObject(), *of = object_tree(service);
    json_set_str(tree, "kind", "Endpoints");
    json_set_str(tree, "apiVersion", "v1");
    cJSON *meta = json_obj(tree, "metadata"), *from = json_get(of, "metadata");
    static const char *const kept[] = {"name", "namespace", "uid", "creationTimestamp", "labels"};
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        cJSON *value = cJSON_DetachItemFromObjectCaseSensitive(from, kept[i]);
        if (value)
            json_set(meta, kept[i], value);
    }
    cJSON_Delete(of);
    struct index_cursor cur;
    for (seek(&cur, view, service); cur.object; index_next(&cur)) {
        const struct slice_view *slice = slice_view(cur.object);
        if (slice->endpoint_count)
            cJSON_AddItemToArray(json_arr(tree, "subsets"), subset_of(slice));
    }
    return tree;
}
