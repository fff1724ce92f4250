/* controller/api/route.h - a path as what it means: kind, verb, key, subresource (api.md section
 * 3).
 *
 * Pure. Strings live in the arena. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "controller/api/http_parse.h"
#include "controller/api/resource.h"

enum route_to {
    ROUTE_RESOURCE,
    ROUTE_ROOT,          /* / */
    ROUTE_API,           /* /api */
    ROUTE_APIS,          /* /apis */
    ROUTE_GROUP,         /* /apis/<group> */
    ROUTE_GROUP_VERSION, /* /api/v1, /apis/<group>/<version> */
    ROUTE_VERSION,
    ROUTE_HEALTH,     /* /healthz, /livez, /readyz */
    ROUTE_OPENAPI_V2, /* /openapi/v2, /swagger-2.0.0.pb-v1 */
    ROUTE_OPENAPI_V3,
    ROUTE_OPENAPI_GROUP, /* /openapi/v3/api/v1, /openapi/v3/apis/<group>/<version> */
    ROUTE_BACKUP,        /* /ordinald/v1/backup */
    ROUTE_EXPLAIN,       /* /ordinald/v1/explain?name=... */
    ROUTE_ZONES,         /* /ordinald/v1/zones[/<zone>] */
    ROUTE_ADDRESSES      /* /ordinald/v1/addresses */
};

struct route {
    enum route_to to;
    const char *group, *version;
    const struct resource *resource;
    const char *ns;     /* "" for cluster scope and for lists over all namespaces */
    const char *name;   /* NULL for a collection; the zone of ROUTE_ZONES */
    const char *sub;    /* NULL for the main resource */
    const char *health; /* ROUTE_HEALTH: "healthz", ... */
};
/* False: there is no such path (404). */
bool route_parse(const char *path, struct arena *arena, struct route *out);

enum route_verb {
    VERB_GET,
    VERB_LIST,
    VERB_WATCH,
    VERB_CREATE,
    VERB_UPDATE,
    VERB_PATCH,
    VERB_DELETE,
    VERB_DELETE_COLLECTION,
    VERB_NONE /* this method does not go with this path: 405 */
};
/* What the method asks of the route; watch is the query's. HEAD reads. */
enum route_verb route_verb(const struct route *route, enum http_method method, bool watch);
/* "get", "deletecollection", ...: as in discovery and in metrics. */
const char *route_verb_name(enum route_verb verb);
