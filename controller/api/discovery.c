#include "controller/api/discovery.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controller/api/resource.h"

/* ---- writing ---- */

/* "a,b" as ["a","b"]. */
static void put_words(struct buf_out *out, const char *list)
{
    buf_putc(out, '[');
    while (*list) {
        size_t len = strcspn(list, ",");
        buf_printf(out, "\"%.*s\"", (int)len, list);
        list += len;
        if (*list) {
            buf_putc(out, ',');
            list++;
        }
    }
    buf_putc(out, ']');
}

static void write_versions(struct buf_out *out)
{
    buf_puts(out, "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":"
                  "[]}\n");
}

static void write_group(struct buf_out *out, const struct api_group *g, bool alone)
{
    buf_putc(out, '{');
    if (alone)
        buf_puts(out, "\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",");
    buf_printf(out,
               "\"name\":\"%s\",\"versions\":[{\"groupVersion\":\"%s/%s\",\"version\":\"%s\"}],"
               "\"preferredVersion\":{\"groupVersion\":\"%s/%s\",\"version\":\"%s\"}}",
               g->name, g->name, g->version, g->version, g->name, g->version, g->version);
}

static void write_groups(struct buf_out *out)
{
    buf_puts(out, "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[");
    for (size_t i = 1; i < api_group_count(); i++) {
        if (i > 1)
            buf_putc(out, ',');
        write_group(out, api_group_get(i), false);
    }
    buf_puts(out, "]}\n");
}

static void put_legacy_subresources(struct buf_out *out, const struct resource *r)
{
    for (const struct subresource_row *s = resource_subresources(r); s->name; s++) {
        buf_printf(out, ",{\"name\":\"%s/%s\",\"singularName\":\"\",\"namespaced\":%s", r->name,
                   s->name, r->namespaced ? "true" : "false");
        if (s->kind_name && *s->group)
            buf_printf(out, ",\"group\":\"%s\",\"version\":\"%s\"", s->group, s->version);
        buf_printf(out, ",\"kind\":\"%s\",\"verbs\":", s->kind_name ? s->kind_name : r->kind_name);
        put_words(out, s->verbs);
        buf_putc(out, '}');
    }
}

static void put_legacy_resource(struct buf_out *out, const struct resource *r)
{
    buf_printf(out,
               "{\"name\":\"%s\",\"singularName\":\"%s\",\"namespaced\":%s,\"kind\":\"%s\","
               "\"verbs\":",
               r->name, r->singular, r->namespaced ? "true" : "false", r->kind_name);
    put_words(out, resource_verbs(r));
    if (*r->short_names) {
        buf_puts(out, ",\"shortNames\":");
        put_words(out, r->short_names);
    }
    if (r->in_all)
        buf_puts(out, ",\"categories\":[\"all\"]");
    buf_putc(out, '}');
    put_legacy_subresources(out, r);
}

static bool is_of(const struct resource *r, const struct api_group *g)
{
    return strcmp(r->group, g->name) == 0 && strcmp(r->version, g->version) == 0;
}

static void put_resources(struct buf_out *out, const struct api_group *g,
                          void (*put)(struct buf_out *out, const struct resource *r))
{
    bool first = true;
    for (size_t i = 0; i < resource_count(); i++) {
        const struct resource *r = resource_get(i);
        if (!is_of(r, g))
            continue;
        if (!first)
            buf_putc(out, ',');
        first = false;
        put(out, r);
    }
}

static void write_resources(struct buf_out *out, const struct api_group *g)
{
    buf_printf(out,
               "{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":\"%s%s%s\","
               "\"resources\":[",
               g->name, *g->name ? "/" : "", g->version);
    put_resources(out, g, put_legacy_resource);
    buf_puts(out, "]}\n");
}

static void put_kind(struct buf_out *out, const char *group, const char *version, const char *kind)
{
    buf_printf(out, "\"responseKind\":{\"group\":\"%s\",\"version\":\"%s\",\"kind\":\"%s\"}", group,
               version, kind);
}

static void put_subresources(struct buf_out *out, const struct resource *r)
{
    const struct subresource_row *s = resource_subresources(r);
    if (!s->name)
        return;
    buf_puts(out, ",\"subresources\":[");
    for (const struct subresource_row *it = s; it->name; it++) {
        buf_printf(out, "%s{\"subresource\":\"%s\",", it == s ? "" : ",", it->name);
        if (it->kind_name)
            put_kind(out, it->group, it->version, it->kind_name);
        else
            put_kind(out, r->group, r->version, r->kind_name);
        buf_puts(out, ",\"verbs\":");
        put_words(out, it->verbs);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static void put_resource(struct buf_out *out, const struct resource *r)
{
    buf_printf(out, "{\"resource\":\"%s\",", r->name);
    put_kind(out, r->group, r->version, r->kind_name);
    buf_printf(out, ",\"scope\":\"%s\",\"singularResource\":\"%s\",\"verbs\":",
               r->namespaced ? "Namespaced" : "Cluster", r->singular);
    put_words(out, resource_verbs(r));
    if (*r->short_names) {
        buf_puts(out, ",\"shortNames\":");
        put_words(out, r->short_names);
    }
    if (r->in_all)
        buf_puts(out, ",\"categories\":[\"all\"]");
    put_subresources(out, r);
    buf_putc(out, '}');
}

static void put_aggregated_group(struct buf_out *out, const struct api_group *g)
{
    buf_puts(out, "{\"metadata\":{");
    if (*g->name)
        buf_printf(out, "\"name\":\"%s\",", g->name);
    buf_printf(out, "\"creationTimestamp\":null},\"versions\":[{\"version\":\"%s\",\"resources\":[",
               g->version);
    put_resources(out, g, put_resource);
    buf_puts(out, "],\"freshness\":\"Current\"}]}");
}

static void write_aggregated(struct buf_out *out, bool core)
{
    buf_puts(out, "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/v2\","
                  "\"metadata\":{},\"items\":[");
    for (size_t i = core ? 0 : 1; i < (core ? 1 : api_group_count()); i++) {
        if (i > 1)
            buf_putc(out, ',');
        put_aggregated_group(out, api_group_get(i));
    }
    buf_puts(out, "]}\n");
}

static void write_version(struct buf_out *out)
{
    buf_puts(out, "{\"major\":\"1\",\"minor\":\"" API_VERSION_MINOR
                  "\",\"gitVersion\":\"v1." API_VERSION_MINOR ".0+ordinald-" ORDINALD_VERSION
                  "\",\"gitCommit\":\"\","
                  "\"gitTreeState\":\"clean\",\"buildDate\":\"1970-01-01T00:00:00Z\","
                  "\"goVersion\":\"\",\"compiler\":\"gcc\",\"platform\":\"linux/"
#if defined(__aarch64__)
                  "arm64"
#else
                  "amd64"
#endif
                  "\"}\n");
}

static void write_root(struct buf_out *out)
{
    buf_puts(out, "{\"paths\":[\"/api\",\"/api/v1\",\"/apis\"");
    for (size_t i = 1; i < api_group_count(); i++) {
        const struct api_group *g = api_group_get(i);
        buf_printf(out, ",\"/apis/%s\",\"/apis/%s/%s\"", g->name, g->name, g->version);
    }
    buf_puts(out, ",\"/healthz\",\"/livez\",\"/openapi/v2\",\"/openapi/v3\",\"/readyz\","
                  "\"/version\"]}\n");
}

/* ---- documents, written when first asked for ---- */

struct cached {
    char *text;
    size_t len;
    char etag[24];
};

/* Per group: legacy group, resources, OpenAPI. */
enum {
    DOC_API,
    DOC_APIS,
    DOC_API_V2,
    DOC_APIS_V2,
    DOC_VERSION,
    DOC_ROOT,
    DOC_OPENAPI_V2,
    DOC_OPENAPI_V3,
    DOC_FIXED
};
enum { DOC_GROUP, DOC_RESOURCES, DOC_OPENAPI, DOC_PER_GROUP };
#define GROUPS_MAX 16
static struct cached cache[DOC_FIXED + GROUPS_MAX * DOC_PER_GROUP];

static void write_fixed(struct buf_out *out, size_t doc)
{
    switch (doc) {
    case DOC_API:
        write_versions(out);
        break;
    case DOC_APIS:
        write_groups(out);
        break;
    case DOC_API_V2:
    case DOC_APIS_V2:
        write_aggregated(out, doc == DOC_API_V2);
        break;
    case DOC_VERSION:
        write_version(out);
        break;
    case DOC_ROOT:
        write_root(out);
        break;
    case DOC_OPENAPI_V2:
        openapi_write_v2(out);
        break;
    case DOC_OPENAPI_V3:
        openapi_write_index(out);
        break;
    default:
        CHECK(doc < DOC_FIXED);
    }
}

static void write_of_group(struct buf_out *out, size_t group, size_t doc)
{
    const struct api_group *g = api_group_get(group);
    if (doc == DOC_GROUP) {
        write_group(out, g, true);
        buf_putc(out, '\n');
    } else if (doc == DOC_RESOURCES) {
        write_resources(out, g);
    } else {
        openapi_write_group(out, g->name, g->version);
    }
}

static const struct cached *document(size_t doc)
{
    struct cached *c = &cache[doc];
    if (c->text)
        return c;
    struct buf_out out;
    buf_out_init(&out);
    if (doc < DOC_FIXED)
        write_fixed(&out, doc);
    else
        write_of_group(&out, (doc - DOC_FIXED) / DOC_PER_GROUP, (doc - DOC_FIXED) % DOC_PER_GROUP);
    c->text = buf_out_take(&out, &c->len);
    uint64_t hash =
        14695981039346656037U; /* FNV-1a: tells releases apart, nothing more is asked of it */
    for (size_t i = 0; i < c->len; i++)
        hash = (hash ^ (unsigned char)c->text[i]) * 1099511628211U;
    (void)snprintf(c->etag, sizeof c->etag, "\"%016llx\"", (unsigned long long)hash);
    return c;
}

void discovery_reset(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(cache); i++) {
        free(cache[i].text);
        cache[i] = (struct cached){0};
    }
}

static size_t group_index(const struct route *r)
{
    for (size_t i = 0; i < api_group_count(); i++)
        if (strcmp(api_group_get(i)->name, r->group) == 0)
            return i;
    CHECK(*r->group == '\0'); /* the router lets known groups pass only */
    return 0;
}

/* The document of a route, and the variants it can be had in. */
static size_t document_of(const struct route *r, unsigned *servable)
{
    size_t of_group = DOC_FIXED + group_index(r) * DOC_PER_GROUP;
    *servable = ACCEPT_JSON;
    switch (r->to) {
    case ROUTE_API:
        *servable |= ACCEPT_DISCOVERY_V2;
        return DOC_API;
    case ROUTE_APIS:
        *servable |= ACCEPT_DISCOVERY_V2;
        return DOC_APIS;
    case ROUTE_GROUP:
        return of_group + DOC_GROUP;
    case ROUTE_GROUP_VERSION:
        return of_group + DOC_RESOURCES;
    case ROUTE_OPENAPI_GROUP:
        return of_group + DOC_OPENAPI;
    case ROUTE_OPENAPI_V3:
        return DOC_OPENAPI_V3;
    case ROUTE_OPENAPI_V2:
        *servable = ACCEPT_OPENAPI_PB;
        return DOC_OPENAPI_V2;
    case ROUTE_VERSION:
        return DOC_VERSION;
    case ROUTE_ROOT:
        return DOC_ROOT;
    case ROUTE_BACKUP:
    case ROUTE_ZONES:
    case ROUTE_EXPLAIN:
    case ROUTE_ADDRESSES:
    case ROUTE_RESOURCE:
    case ROUTE_HEALTH:
        break;
    }
    return SIZE_MAX;
}

int discovery_find(const struct route *route, const char *accept, struct document *out,
                   struct err *e)
{
    unsigned servable;
    size_t doc = document_of(route, &servable);
    if (doc == SIZE_MAX)
        return err_set(e, ERR_NOT_FOUND, "the server could not find the requested resource");
    unsigned variant = accept_choose(accept, servable, e);
    if (!variant)
        return ERR_NOT_ACCEPTABLE;
    if (variant == ACCEPT_DISCOVERY_V2)
        doc = doc == DOC_API ? DOC_API_V2 : DOC_APIS_V2;
    const struct cached *c = document(doc);
    *out = (struct document){.text = c->text,
                             .len = c->len,
                             .etag = c->etag,
                             .content_type = accept_content_type((enum accept_variant)variant)};
    return 0;
}
