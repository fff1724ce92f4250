#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "controller/api/api.h"
#include "controller/api/table.h"

/* The text of "metadata" without its braces: from object->splice_at to the brace that closes it. */
static size_t metadata_length(const struct object *obj)
{
    size_t depth = 1, at = obj->splice_at;
    bool in_string = false;
    for (; at < obj->text_len; at++) {
        char c = obj->text[at];
        if (in_string) {
            if (c == '\\')
                at++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            break;
        }
    }
    return at - obj->splice_at;
}

static void put_partial_head(struct buf_out *out)
{
    buf_puts(out, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\","
                  "\"metadata\":");
}

static bool is_plain(const struct render *r)
{
    return r->res->form == RESOURCE_STORED && !r->sub;
}

static void put_partial(const struct render *r, const struct object *obj, uint64_t revision,
                        struct buf_out *out)
{
    put_partial_head(out);
    if (is_plain(r)) {
        size_t len = metadata_length(obj);
        buf_printf(out, "{\"resourceVersion\":\"%" PRIu64 "\"%s", revision, len ? "," : "");
        buf_put(out, obj->text + obj->splice_at, len);
        buf_putc(out, '}');
    } else {
        cJSON *tree = render_tree(r, obj, revision);
        char *text = json_print(json_get(tree, "metadata"), NULL);
        buf_puts(out, text);
        free(text);
        cJSON_Delete(tree);
    }
    buf_putc(out, '}');
}

static void put_object(const struct render *r, const struct object *obj, uint64_t revision,
                       struct buf_out *out)
{
    if (is_plain(r)) {
        object_write_at(obj, revision, out);
        return;
    }
    cJSON *tree = render_tree(r, obj, revision);
    size_t len;
    char *text = json_print(tree, &len);
    buf_put(out, text, len);
    free(text);
    cJSON_Delete(tree);
}

cJSON *render_tree(const struct render *r, const struct object *obj, uint64_t revision)
{
    cJSON *tree;
    if (r->sub && strcmp(r->sub, "scale") == 0)
        tree = registry_scale(obj);
    else if (r->res->form == RESOURCE_ENDPOINTS)
        tree = endpoints_tree(&r->view, obj);
    else
        tree = object_tree(obj);
    if (r->res->form == RESOURCE_EVENTS_V1)
        event_to_v1(tree);
    if (r->res->form == RESOURCE_ENDPOINTS && endpoints_revision(&r->view, obj) > revision)
        revision = endpoints_revision(&r->view, obj);
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, revision);
    json_set_str(json_obj(tree, "metadata"), "resourceVersion", text);
    return tree;
}

bool render_exists(const struct render *r, const struct object *obj)
{
    return r->res->form != RESOURCE_ENDPOINTS || endpoints_exist(&r->view, obj);
}

/* The object keeps the node of an incarnation from its end on; while it runs, its pod knows. */
static void show_present_node(const struct render *r, const struct object *identity, cJSON *tree)
{
    const struct object *pod = view_find(&r->view, KIND_POD, identity->ns, identity->name);
    if (pod && strcmp(pod->uid, json_str(tree, "podUID", "")) == 0)
        json_set_str(tree, "nodeName", pod_view(pod)->node);
}

static void put_row(const struct render *r, const struct object *obj, uint64_t revision,
                    struct buf_out *out)
{
    cJSON *tree = render_tree(r, obj, revision);
    if (obj->kind->id == KIND_IDENTITY)
        show_present_node(r, obj, tree);
    buf_puts(out, "{\"cells\":");
    table_write_cells(out, r->res, r->sub, tree, clock_now_us());
    cJSON_Delete(tree);
    if (r->include != INCLUDE_NONE)
        buf_puts(out, ",\"object\":");
    if (r->include == INCLUDE_METADATA)
        put_partial(r, obj, revision, out);
    else if (r->include == INCLUDE_OBJECT)
        put_object(r, obj, revision, out);
    buf_putc(out, '}');
}

void render_item(const struct render *r, const struct object *obj, uint64_t revision,
                 struct buf_out *out)
{
    if (r->variant == ACCEPT_TABLE)
        put_row(r, obj, revision, out);
    else if (r->variant == ACCEPT_PARTIAL)
        put_partial(r, obj, revision, out);
    else
        put_object(r, obj, revision, out);
}

void render_alone(const struct render *r, const struct object *obj, uint64_t revision, bool columns,
                  struct buf_out *out)
{
    if (r->variant != ACCEPT_TABLE) {
        render_item(r, obj, revision, out);
        return;
    }
    buf_printf(out,
               "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{"
               "\"resourceVersion\":\"%" PRIu64 "\"},\"columnDefinitions\":",
               revision);
    if (columns)
        table_write_columns(out, r->res, r->sub);
    else
        buf_puts(out, "[]");
    buf_puts(out, ",\"rows\":[");
    if (obj)
        put_row(r, obj, revision, out);
    buf_puts(out, "]}");
}

void render_list_head(const struct render *r, struct buf_out *out)
{
    if (r->variant == ACCEPT_TABLE) {
        buf_puts(out, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\","
                      "\"columnDefinitions\":");
        table_write_columns(out, r->res, r->sub);
        buf_puts(out, ",\"rows\":[");
    } else if (r->variant == ACCEPT_PARTIAL) {
        buf_puts(out, "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\","
                      "\"items\":[");
    } else {
        buf_printf(out, "{\"kind\":\"%sList\",\"apiVersion\":\"%s\",\"items\":[", r->res->kind_name,
                   r->res->api_version);
    }
}

void render_list_tail(const struct list_end *end, struct buf_out *out)
{
    buf_printf(out, "],\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"", end->revision);
    if (end->token) {
        buf_puts(out, ",\"continue\":");
        buf_put_json(out, end->token);
        if (end->remaining >= 0)
            buf_printf(out, ",\"remainingItemCount\":%" PRId64, end->remaining);
    }
    buf_puts(out, "}}\n");
}
