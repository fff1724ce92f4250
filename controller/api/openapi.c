/* controller/api/openapi.c - OpenAPI as far as kubectl needs it before it trusts the server to
 * validate.
 *
 * A12: for every kind a path whose patch operation names the kind and takes fieldValidation and
 * dryRun; kubectl then skips its own validation and sends fieldValidation=Strict. A13: clients
 * before v3 get an empty v2 document. */
#include <string.h>

#include "controller/api/discovery.h"
#include "controller/api/resource.h"

void openapi_write_index(struct buf_out *out)
{
    buf_puts(out, "{\"paths\":{");
    for (size_t i = 0; i < api_group_count(); i++) {
        const struct api_group *g = api_group_get(i);
        const char *root = *g->name ? "apis/" : "api";
        /* The hash lets clients keep the document: the release decides what it holds. */
        buf_printf(
            out,
            "%s\"%s%s/%s\":{\"serverRelativeURL\":\"/openapi/v3/%s%s/%s?hash=" ORDINALD_VERSION
            "\"}",
            i ? "," : "", root, g->name, g->version, root, g->name, g->version);
    }
    buf_puts(out, "}}\n");
}

static void put_param(struct buf_out *out, const char *name, const char *in, const char *type)
{
    buf_printf(
        out, "{\"name\":\"%s\",\"in\":\"%s\",%s\"schema\":{\"type\":\"%s\",\"uniqueItems\":true}}",
        name, in, strcmp(in, "path") == 0 ? "\"required\":true," : "", type);
}

static void put_operation(struct buf_out *out, const struct resource *r, const char *method,
                          const char *action)
{
    buf_printf(out,
               "\"%s\":{\"operationId\":\"%s-%s-%s\",\"x-kubernetes-action\":\"%s\","
               "\"x-kubernetes-group-version-kind\":{\"group\":\"%s\",\"version\":\"%s\",\"kind\":"
               "\"%s\"},\"parameters\":[",
               method, action, r->name, *r->group ? r->group : "core", action, r->group, r->version,
               r->kind_name);
    put_param(out, "dryRun", "query", "string");
    buf_putc(out, ',');
    put_param(out, "fieldManager", "query", "string");
    buf_putc(out, ',');
    put_param(out, "fieldValidation", "query", "string");
    buf_puts(out, "],\"responses\":{\"200\":{\"description\":\"OK\"}}}");
}

static void put_path(struct buf_out *out, const struct resource *r, bool one)
{
    buf_printf(out, "\"/%s%s/%s/%s%s%s\":{\"parameters\":[", *r->group ? "apis/" : "api", r->group,
               r->version, r->namespaced ? "namespaces/{namespace}/" : "", r->name,
               one ? "/{name}" : "");
    if (one)
        put_param(out, "name", "path", "string");
    if (r->namespaced) {
        if (one)
            buf_putc(out, ',');
        put_param(out, "namespace", "path", "string");
    }
    buf_puts(out, "],");
    if (one) {
        put_operation(out, r, "patch", "patch");
        buf_putc(out, ',');
        put_operation(out, r, "put", "put");
    } else {
        put_operation(out, r, "post", "post");
    }
    buf_putc(out, '}');
}

void openapi_write_group(struct buf_out *out, const char *group, const char *version)
{
    buf_printf(out, "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"ordinald\",\"version\":"
                    "\"v1." API_VERSION_MINOR ".0\"},\"paths\":{");
    bool first = true;
    for (size_t i = 0; i < resource_count(); i++) {
        const struct resource *r = resource_get(i);
        if (strcmp(r->group, group) != 0 || strcmp(r->version, version) != 0 ||
            !resource_has_verb(r, "create"))
            continue;
        if (!first)
            buf_putc(out, ',');
        first = false;
        put_path(out, r, false);
        if (resource_has_verb(r, "patch")) {
            buf_putc(out, ',');
            put_path(out, r, true);
        }
    }
    buf_puts(out, "},\"components\":{\"schemas\":{}}}\n");
}

void openapi_write_v2(struct buf_out *out)
{
    static const unsigned char empty[] = {0x0a, 0x03, '2',  '.', '0', 0x12, 0x0e, 0x0a,
                                          0x08, 'o',  'r',  'd', 'i', 'n',  'a',  'l',
                                          'd',  0x12, 0x02, 'v', '1', 'B',  0x00};
    buf_put(out, empty, sizeof empty);
}
