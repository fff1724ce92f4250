#include "controller/registry/access.h"

#include <string.h>

#include "base/check.h"

enum {
    CAN_GET = 1,
    CAN_LIST = 2,
    CAN_WATCH = 4,
    CAN_CREATE = 8,
    CAN_UPDATE = 16,
    CAN_PATCH = 32,
    CAN_DELETE = 64
};
#define CAN_READ   (CAN_GET | CAN_LIST | CAN_WATCH)
#define CAN_CHANGE (CAN_UPDATE | CAN_PATCH)

/* Which objects of a resource a rule is about. */
enum scope {
    SCOPE_ANY,
    SCOPE_OWN,   /* of the node's name */
    SCOPE_LEASE, /* of the node's name, in kube-node-lease */
    SCOPE_BOUND  /* pods bound to the node */
};

struct rule {
    const char *group, *resource, *sub;
    unsigned verbs;
    enum scope scope;
};

static const struct rule node_rules[] = {
    {"", "nodes", "", CAN_READ, SCOPE_ANY},
    {"", "nodes", "", CAN_CREATE | CAN_CHANGE, SCOPE_OWN},
    {"", "nodes", "status", CAN_GET, SCOPE_ANY},
    {"", "nodes", "status", CAN_CHANGE, SCOPE_OWN},
    {"", "pods", "", CAN_READ, SCOPE_ANY},
    {"", "pods", "", CAN_DELETE, SCOPE_BOUND},
    {"", "pods", "status", CAN_GET, SCOPE_ANY},
    {"", "pods", "status", CAN_CHANGE, SCOPE_BOUND},
    {"", "namespaces", "", CAN_READ, SCOPE_ANY},
    {"", "services", "", CAN_READ, SCOPE_ANY},
    {"", "endpoints", "", CAN_READ, SCOPE_ANY},
    {"", "configmaps", "", CAN_READ, SCOPE_ANY},
    {"", "persistentvolumeclaims", "", CAN_READ, SCOPE_ANY},
    {"", "persistentvolumes", "", CAN_READ, SCOPE_ANY},
    {"discovery.k8s.io", "endpointslices", "", CAN_READ, SCOPE_ANY},
    {"storage.k8s.io", "storageclasses", "", CAN_READ, SCOPE_ANY},
    {"coordination.k8s.io", "leases", "", CAN_GET | CAN_CREATE | CAN_CHANGE | CAN_DELETE,
     SCOPE_LEASE},
    {"", "events", "", CAN_CREATE | CAN_CHANGE, SCOPE_ANY},
    {"events.k8s.io", "events", "", CAN_CREATE | CAN_CHANGE, SCOPE_ANY},
};

static const struct rule everybody_rules[] = {
    {"authorization.k8s.io", "selfsubjectaccessreviews", "", CAN_CREATE, SCOPE_ANY},
    {"authorization.k8s.io", "selfsubjectrulesreviews", "", CAN_CREATE, SCOPE_ANY},
    {"authentication.k8s.io", "selfsubjectreviews", "", CAN_CREATE, SCOPE_ANY},
};

static unsigned verb_bit(const char *verb)
{
    static const struct {
        const char *verb;
        unsigned bit;
    } verbs[] = {{"get", CAN_GET},       {"list", CAN_LIST},     {"watch", CAN_WATCH},
                 {"create", CAN_CREATE}, {"update", CAN_UPDATE}, {"patch", CAN_PATCH},
                 {"delete", CAN_DELETE}};
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (strcmp(verb, verbs[i].verb) == 0)
            return verbs[i].bit;
    return 0;
}

static bool in_scope(const struct rule *rule, const struct access_who *who,
                     const struct access_ask *ask)
{
    /* The name of an object to be created comes with the body: the registry asks again with it. */
    bool is_own = ask->name ? strcmp(ask->name, who->node) == 0 : strcmp(ask->verb, "create") == 0;
    switch (rule->scope) {
    case SCOPE_ANY:
        return true;
    case SCOPE_OWN:
        return is_own;
    case SCOPE_LEASE:
        return is_own && strcmp(ask->ns, "kube-node-lease") == 0;
    case SCOPE_BOUND:
        return ask->bound_node && strcmp(ask->bound_node, who->node) == 0;
    }
    return false;
}

static bool any_rule(const struct rule *rules, size_t count, const struct access_who *who,
                     const struct access_ask *ask)
{
    unsigned bit = verb_bit(ask->verb);
    for (size_t i = 0; i < count; i++)
        if ((rules[i].verbs & bit) && strcmp(rules[i].resource, ask->resource) == 0 &&
            strcmp(rules[i].group, ask->group) == 0 && strcmp(rules[i].sub, ask->sub) == 0 &&
            in_scope(&rules[i], who, ask))
            return true;
    return false;
}

static bool reader_may(const struct access_ask *ask)
{
    return (verb_bit(ask->verb) & CAN_READ) &&
           (!*ask->sub || strcmp(ask->sub, "status") == 0 || strcmp(ask->sub, "scale") == 0);
}

bool access_allows(const struct access_who *who, const struct access_ask *ask)
{
    if (any_rule(everybody_rules, ARRAY_SIZE(everybody_rules), who, ask))
        return true;
    switch (who->role) {
    case ROLE_ADMIN:
    case ROLE_CONTROLLER:
    case ROLE_SYSTEM:
        return true;
    case ROLE_READER:
        return reader_may(ask);
    case ROLE_NODE:
        return who->node && *who->node && any_rule(node_rules, ARRAY_SIZE(node_rules), who, ask);
    case ROLE_NOBODY:
        break;
    }
    return false;
}

const char *const *access_public_paths(void)
{
    static const char *const paths[] = {"/",       "/api",     "/api/*",    "/apis",
                                        "/apis/*", "/healthz", "/livez",    "/openapi/*",
                                        "/readyz", "/version", "/version/", "/swagger-2.0.0.pb-v1",
                                        NULL};
    return paths;
}

static bool path_fits(const char *pattern, const char *path)
{
    size_t len = strlen(pattern);
    if (len && pattern[len - 1] == '*')
        return strncmp(pattern, path, len - 1) == 0;
    return strcmp(pattern, path) == 0;
}

bool access_allows_path(enum role role, const char *verb, const char *path)
{
    if (role == ROLE_ADMIN || role == ROLE_CONTROLLER || role == ROLE_SYSTEM)
        return true;
    if (verb_bit(verb) != CAN_GET)
        return false;
    for (const char *const *at = access_public_paths(); *at; at++)
        if (path_fits(*at, path))
            return true;
    return role == ROLE_READER && path_fits("/ordinald/v1/zones*", path);
}
