/* The matrix of rights: every role against every verb of what the API serves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "controller/registry/access.h"

static const char *const verbs[] = {"get",    "list",  "watch",  "create",
                                    "update", "patch", "delete", "deletecollection"};

/* Which verbs go, a letter each in the order above: g l w c u p d D, '-' where not. */
struct row {
    const char *group, *resource, *sub, *ns, *name, *bound;
    const char *reader, *node, *nobody;
};

#define NONE "--------"

static const struct row rows[] = {
    /* its own Node, another's, one that is not named yet */
    {"", "nodes", "", "", "n1", NULL, "glw-----", "glwcup--", NONE},
    {"", "nodes", "", "", "n2", NULL, "glw-----", "glw-----", NONE},
    {"", "nodes", "", "", "", NULL, "glw-----", "glw-----", NONE},
    {"", "nodes", "", "", NULL, NULL, "glw-----", "glwc----", NONE},
    {"", "nodes", "status", "", "n1", NULL, "glw-----", "g---up--", NONE},
    {"", "nodes", "status", "", "n2", NULL, "glw-----", "g-------", NONE},
    /* pods: bound to it, bound elsewhere, not bound */
    {"", "pods", "", "default", "p", "n1", "glw-----", "glw---d-", NONE},
    {"", "pods", "", "default", "p", "n2", "glw-----", "glw-----", NONE},
    {"", "pods", "", "default", "p", "", "glw-----", "glw-----", NONE},
    {"", "pods", "", "default", "p", NULL, "glw-----", "glw-----", NONE},
    {"", "pods", "", "default", NULL, NULL, "glw-----", "glw-----", NONE},
    {"", "pods", "status", "default", "p", "n1", "glw-----", "g---up--", NONE},
    {"", "pods", "status", "default", "p", "n2", "glw-----", "g-------", NONE},
    {"", "pods", "status", "default", "p", NULL, "glw-----", "g-------", NONE},
    {"", "pods", "binding", "default", "p", NULL, NONE, NONE, NONE},
    {"", "pods", "eviction", "default", "p", "n1", NONE, NONE, NONE},
    {"", "pods", "exec", "default", "p", "n1", NONE, NONE, NONE},
    {"", "pods", "log", "default", "p", "n1", NONE, NONE, NONE},
    {"", "bindings", "", "default", NULL, NULL, "glw-----", NONE, NONE},
    /* leases: its own, in one namespace */
    {"coordination.k8s.io", "leases", "", "kube-node-lease", "n1", NULL, "glw-----", "g--cupd-",
     NONE},
    {"coordination.k8s.io", "leases", "", "kube-node-lease", "n2", NULL, "glw-----", NONE, NONE},
    {"coordination.k8s.io", "leases", "", "kube-node-lease", NULL, NULL, "glw-----", "---c----",
     NONE},
    {"coordination.k8s.io", "leases", "", "default", "n1", NULL, "glw-----", NONE, NONE},
    {"coordination.k8s.io", "leases", "", "", NULL, NULL, "glw-----", NONE, NONE},
    {"", "leases", "", "kube-node-lease", "n1", NULL, "glw-----", NONE, NONE},
    /* events, in both dresses */
    {"", "events", "", "default", "e", NULL, "glw-----", "---cup--", NONE},
    {"events.k8s.io", "events", "", "default", NULL, NULL, "glw-----", "---cup--", NONE},
    /* what an agent reads */
    {"", "services", "", "default", "s", NULL, "glw-----", "glw-----", NONE},
    {"", "services", "status", "default", "s", NULL, "glw-----", NONE, NONE},
    {"", "endpoints", "", "default", "s", NULL, "glw-----", "glw-----", NONE},
    {"", "namespaces", "", "", "default", NULL, "glw-----", "glw-----", NONE},
    {"", "configmaps", "", "default", "c", NULL, "glw-----", "glw-----", NONE},
    {"", "persistentvolumeclaims", "", "default", "c", NULL, "glw-----", "glw-----", NONE},
    {"", "persistentvolumes", "", "", "v", NULL, "glw-----", "glw-----", NONE},
    {"discovery.k8s.io", "endpointslices", "", "default", "s", NULL, "glw-----", "glw-----", NONE},
    {"storage.k8s.io", "storageclasses", "", "", "c", NULL, "glw-----", "glw-----", NONE},
    /* and what it does not */
    {"apps", "statefulsets", "", "default", "n1", NULL, "glw-----", NONE, NONE},
    {"apps", "statefulsets", "scale", "default", "n1", NULL, "glw-----", NONE, NONE},
    {"apps", "replicasets", "", "default", "n1", NULL, "glw-----", NONE, NONE},
    {"apps", "controllerrevisions", "", "default", "n1", NULL, "glw-----", NONE, NONE},
    {"ordinald.dev", "identities", "", "default", "n1", NULL, "glw-----", NONE, NONE},
    {"apps", "pods", "", "default", "p", "n1", "glw-----", NONE, NONE},
    {"", "secrets", "", "default", "n1", NULL, "glw-----", NONE, NONE},
    /* what everybody may ask */
    {"authorization.k8s.io", "selfsubjectaccessreviews", "", "", NULL, NULL, "glwc----", "---c----",
     "---c----"},
    {"authorization.k8s.io", "selfsubjectrulesreviews", "", "", NULL, NULL, "glwc----", "---c----",
     "---c----"},
    {"authentication.k8s.io", "selfsubjectreviews", "", "", NULL, NULL, "glwc----", "---c----",
     "---c----"},
};

static void check_row(const struct row *row, const struct access_who *who, const char *want)
{
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        const struct access_ask ask = {.verb = verbs[i],
                                       .group = row->group,
                                       .resource = row->resource,
                                       .sub = row->sub,
                                       .ns = row->ns,
                                       .name = row->name,
                                       .bound_node = row->bound};
        if (access_allows(who, &ask) != (want[i] != '-'))
            fail_msg("role %d %s %s/%s %s name %s bound %s: should be %s", who->role, verbs[i],
                     row->resource, row->sub, row->ns, row->name ? row->name : "(none)",
                     row->bound ? row->bound : "(none)", want[i] != '-' ? "yes" : "no");
    }
}

static void each_role_has_its_verbs(void **state)
{
    (void)state;
    static const struct access_who reader = {.role = ROLE_READER},
                                   node = {.role = ROLE_NODE, .node = "n1"},
                                   nobody = {.role = ROLE_NOBODY};
    static const enum role full[] = {ROLE_ADMIN, ROLE_CONTROLLER, ROLE_SYSTEM};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        check_row(&rows[i], &reader, rows[i].reader);
        check_row(&rows[i], &node, rows[i].node);
        check_row(&rows[i], &nobody, rows[i].nobody);
        for (size_t k = 0; k < ARRAY_SIZE(full); k++)
            check_row(&rows[i], &(struct access_who){.role = full[k]}, "glwcupdD");
    }
}

static void what_is_not_told_is_refused(void **state)
{
    (void)state;
    static const char *const words[] = {"", "*", "GET", "get ", "escalate", "proxy"};
    struct access_ask ask = {
        .group = "", .resource = "pods", .sub = "", .ns = "default", .name = "p"};
    ask.bound_node = "n1";
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        ask.verb = words[i];
        assert_false(access_allows(&(struct access_who){.role = ROLE_READER}, &ask));
        assert_false(access_allows(&(struct access_who){.role = ROLE_NODE, .node = "n1"}, &ask));
        assert_true(access_allows(&(struct access_who){.role = ROLE_ADMIN}, &ask));
    }
    /* A struct that nobody filled in is nobody; a node without a name is none. */
    ask.verb = "get";
    assert_false(access_allows(&(struct access_who){0}, &ask));
    assert_false(access_allows(&(struct access_who){.role = ROLE_NODE}, &ask));
    ask.bound_node = ask.name = "";
    ask.verb = "delete";
    assert_false(access_allows(&(struct access_who){.role = ROLE_NODE, .node = ""}, &ask));
}

static void paths_outside_the_resources(void **state)
{
    (void)state;
    static const struct {
        const char *verb, *path;
        bool nobody, reader;
    } cases[] = {{"get", "/version", true, true},
                 {"get", "/api", true, true},
                 {"get", "/apis/apps/v1", true, true},
                 {"get", "/openapi/v3/api/v1", true, true},
                 {"get", "/readyz", true, true},
                 {"create", "/version", false, false},
                 {"get", "/ordinald/v1/zones", false, true},
                 {"get", "/ordinald/v1/zones/cluster.local", false, true},
                 {"create", "/ordinald/v1/backup", false, false},
                 {"get", "/ordinald/v1/backup", false, false},
                 {"get", "/versions", false, false},
                 {"get", "/metrics", false, false}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *verb = cases[i].verb, *path = cases[i].path;
        assert_int_equal(access_allows_path(ROLE_NOBODY, verb, path), cases[i].nobody);
        assert_int_equal(access_allows_path(ROLE_NODE, verb, path), cases[i].nobody);
        assert_int_equal(access_allows_path(ROLE_READER, verb, path), cases[i].reader);
        assert_true(access_allows_path(ROLE_ADMIN, verb, path));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_role_has_its_verbs),
        cmocka_unit_test(what_is_not_told_is_refused),
        cmocka_unit_test(paths_outside_the_resources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
