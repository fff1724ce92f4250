#include "controller/api/route.h"

#include <string.h>

#include "base/check.h"

#define SEGMENTS_MAX 8

struct segments {
    const char *at[SEGMENTS_MAX];
    size_t count;
};

/* False for an empty segment inside, a bad escape, an escaped slash, or too many. A slash at the
 * end is let pass. */
static bool split(const char *path, struct arena *arena, struct segments *out)
{
    out->count = 0;
    if (*path++ != '/')
        return false;
    while (*path) {
        size_t len = strcspn(path, "/");
        if (!len || out->count == SEGMENTS_MAX)
            return false;
        char *text = arena_alloc(arena, len + 1);
        if (!http_unescape(path, len, false, text) || strchr(text, '/') || strcmp(text, ".") == 0 ||
            strcmp(text, "..") == 0)
            return false;
        out->at[out->count++] = text;
        path += len;
        path += *path == '/';
    }
    return true;
}

static bool is_known_group(const char *group, const char *version)
{
    for (size_t i = 0; i < api_group_count(); i++) {
        const struct api_group *g = api_group_get(i);
        if (strcmp(g->name, group) == 0 && (!version || strcmp(g->version, version) == 0))
            return true;
    }
    return false;
}

/* Subresources that are known by name and refused with a reason of their own (section 3). */
static bool is_refused_sub(const struct route *r)
{
    static const char *const names[] = {
        "log", "exec", "attach", "portforward", "proxy", "ephemeralcontainers", "resize"};
    if (r->resource->form != RESOURCE_STORED || r->resource->kind->id != KIND_POD)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(r->sub, names[i]) == 0)
            return true;
    return false;
}

/* namespaces/{name}, namespaces/{name}/status and finalize address the Namespace itself. */
static bool is_namespace_path(const struct route *out, const char *const *seg, size_t count)
{
    if (strcmp(seg[0], "namespaces") != 0 || count < 2)
        return false;
    if (count == 2)
        return !*out->group;
    return count == 3 && !*out->group &&
           (strcmp(seg[2], "status") == 0 || strcmp(seg[2], "finalize") == 0);
}

/* What follows /api/v1 or /apis/<group>/<version>. */
static bool parse_resource(struct route *out, const char *const *seg, size_t count)
{
    bool in_namespace = count >= 3 && strcmp(seg[0], "namespaces") == 0;
    out->ns = "";
    if (in_namespace && !is_namespace_path(out, seg, count)) {
        out->ns = seg[1];
        seg += 2;
        count -= 2;
    }
    out->to = ROUTE_RESOURCE;
    out->resource = resource_find(out->group, out->version, seg[0]);
    if (!out->resource || count > 4)
        return false;
    if (*out->ns && !out->resource->namespaced)
        return false;
    out->name = count > 1 ? seg[1] : NULL;
    out->sub = count > 2 ? seg[2] : NULL;
    if (out->name && out->resource->namespaced && !*out->ns)
        return false;
    if (out->sub && strcmp(out->sub, "proxy") == 0)
        return is_refused_sub(out);
    if (count > 3)
        return false;
    return !out->sub || resource_subresource(out->resource, out->sub) || is_refused_sub(out);
}

static bool parse_group(struct route *out, const struct segments *s, size_t from, bool is_core,
                        enum route_to whole)
{
    size_t left = s->count - from;
    out->group = is_core ? "" : s->at[from];
    size_t at = is_core ? from : from + 1;
    if (at == s->count) {
        out->to = ROUTE_GROUP;
        return whole == ROUTE_GROUP_VERSION && is_known_group(out->group, NULL);
    }
    out->version = s->at[at];
    if (!is_known_group(out->group, out->version) || left > SEGMENTS_MAX)
        return false;
    if (at + 1 == s->count) {
        out->to = whole;
        return true;
    }
    return whole == ROUTE_GROUP_VERSION && parse_resource(out, s->at + at + 1, s->count - at - 1);
}

static bool parse_openapi(struct route *out, const struct segments *s)
{
    if (s->count == 2 && strcmp(s->at[1], "v2") == 0) {
        out->to = ROUTE_OPENAPI_V2;
        return true;
    }
    if (s->count < 2 || strcmp(s->at[1], "v3") != 0)
        return false;
    out->to = ROUTE_OPENAPI_V3;
    if (s->count == 2)
        return true;
    bool is_core = strcmp(s->at[2], "api") == 0;
    if ((!is_core && strcmp(s->at[2], "apis") != 0) || s->count < 4)
        return false;
    return parse_group(out, s, 3, is_core, ROUTE_OPENAPI_GROUP);
}

static bool parse_single(struct route *out, const char *word)
{
    static const struct {
        const char *word;
        enum route_to to;
    } singles[] = {{"api", ROUTE_API},         {"apis", ROUTE_APIS},
                   {"version", ROUTE_VERSION}, {"swagger-2.0.0.pb-v1", ROUTE_OPENAPI_V2},
                   {"healthz", ROUTE_HEALTH},  {"livez", ROUTE_HEALTH},
                   {"readyz", ROUTE_HEALTH}};
    for (size_t i = 0; i < ARRAY_SIZE(singles); i++) {
        if (strcmp(word, singles[i].word) == 0) {
            out->to = singles[i].to;
            out->health = singles[i].word;
            return true;
        }
    }
    return false;
}

/* What is ordinald's own and no resource. */
static bool parse_own(struct route *out, const struct segments *s)
{
    if (s->count < 3 || strcmp(s->at[1], "v1") != 0)
        return false;
    if (strcmp(s->at[2], "backup") == 0) {
        out->to = ROUTE_BACKUP;
        return s->count == 3;
    }
    if (strcmp(s->at[2], "addresses") == 0) {
        out->to = ROUTE_ADDRESSES;
        return s->count == 3;
    }
    if (strcmp(s->at[2], "explain") == 0) {
        out->to = ROUTE_EXPLAIN;
        return s->count == 3;
    }
    out->to = ROUTE_ZONES;
    out->name = s->count > 3 ? s->at[3] : NULL;
    return strcmp(s->at[2], "zones") == 0 && s->count <= 4;
}

bool route_parse(const char *path, struct arena *arena, struct route *out)
{
    struct segments s;
    *out = (struct route){.group = "", .version = "", .ns = ""};
    if (!split(path, arena, &s))
        return false;
    if (s.count == 0) {
        out->to = ROUTE_ROOT;
        return true;
    }
    if (s.count == 1)
        return parse_single(out, s.at[0]);
    if (strcmp(s.at[0], "api") == 0)
        return parse_group(out, &s, 1, true, ROUTE_GROUP_VERSION);
    if (strcmp(s.at[0], "apis") == 0)
        return parse_group(out, &s, 1, false, ROUTE_GROUP_VERSION);
    if (strcmp(s.at[0], "ordinald") == 0)
        return parse_own(out, &s);
    return strcmp(s.at[0], "openapi") == 0 && parse_openapi(out, &s);
}

enum route_verb route_verb(const struct route *route, enum http_method method, bool watch)
{
    bool one = route->name != NULL;
    switch (method) {
    case HTTP_GET:
    case HTTP_HEAD:
        if (one && !(watch && !route->sub))
            return VERB_GET;
        return watch ? VERB_WATCH : VERB_LIST;
    case HTTP_POST:
        return one == (route->sub != NULL) ? VERB_CREATE : VERB_NONE;
    case HTTP_PUT:
        return one ? VERB_UPDATE : VERB_NONE;
    case HTTP_PATCH:
        return one ? VERB_PATCH : VERB_NONE;
    case HTTP_DELETE:
        if (route->sub)
            return VERB_NONE;
        return one ? VERB_DELETE : VERB_DELETE_COLLECTION;
    }
    return VERB_NONE;
}

const char *route_verb_name(enum route_verb verb)
{
    switch (verb) {
    case VERB_GET:
        return "get";
    case VERB_LIST:
        return "list";
    case VERB_WATCH:
        return "watch";
    case VERB_CREATE:
        return "create";
    case VERB_UPDATE:
        return "update";
    case VERB_PATCH:
        return "patch";
    case VERB_DELETE:
        return "delete";
    case VERB_DELETE_COLLECTION:
        return "deletecollection";
    case VERB_NONE:
        break;
    }
    return "";
}
