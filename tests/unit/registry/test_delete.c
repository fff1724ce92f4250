/* How objects leave and what identities remember: R41-R45, R63, R88, A30, DESIGN section 4. */
#include "tests/unit/registry/fixture.h"

#define POD KIND_POD, "default"

/* A pod of set kubia that mounts claim data-<name>. */
static void create_set_pod(struct fixture *f, const char *name, const char *extra)
{
    char json[1024];
    (void)snprintf(json, sizeof(json),
                   "{\"metadata\":{\"name\":\"%s\",\"ownerReferences\":[{\"apiVersion\":\"apps/"
                   "v1\",\"kind\":\"StatefulSet\","
                   "\"name\":\"kubia\",\"uid\":\"set-uid\",\"controller\":true}]},\"spec\":{%"
                   "s\"containers\":[{\"name\":\"c\","
                   "\"image\":\"i\"}],\"volumes\":[{\"name\":\"data\",\"persistentVolumeClaim\":{"
                   "\"claimName\":\"data-%s\"}}]}}",
                   name, extra, name);
    assert_ok(f, create(f, POD, json));
}

static void create_claim(struct fixture *f, const char *name)
{
    char json[256];
    (void)snprintf(json, sizeof(json),
                   "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"
                   "\"resources\":{\"requests\":{"
                   "\"storage\":\"1Mi\"}}}}",
                   name);
    assert_ok(f, create(f, KIND_PVC, "default", json));
}

static int bind_pod(struct fixture *f, const char *name, const char *node)
{
    char json[128];
    struct verb v = fixture_verb(f);
    (void)snprintf(json, sizeof(json), "{\"target\":{\"kind\":\"Node\",\"name\":\"%s\"}}", node);
    cJSON *binding = parse(json);
    int rc = verb_bind(&v, "default", name, binding, &f->e);
    cJSON_Delete(binding);
    return fixture_finish(f, &v, rc);
}

static void run_pod(struct fixture *f, const char *name, const char *ip)
{
    char json[256];
    (void)snprintf(json, sizeof(json),
                   "{\"status\":{\"phase\":\"Running\",\"podIP\":\"%s\",\"conditions\":[{\"type\":"
                   "\"Ready\",\"status\":\"True\"}]}}",
                   ip);
    assert_ok(f, merge_status(f, POD, name, json));
}

/* Rows of R42: a pod in some state, a delete, what is left. */
static const struct grace_case {
    const char *name, *node, *phase;
    bool has_grace;
    int64_t grace, left; /* left -1: gone at once */
    const char *spec;
} grace_cases[] = {
    {"unscheduled", NULL, "Pending", false, 0, -1, ""},
    {"unscheduled-grace", NULL, "Pending", true, 60, -1, ""},
    {"succeeded", "n", "Succeeded", false, 0, -1, ""},
    {"failed", "n", "Failed", true, 60, -1, ""},
    {"own-grace", "n", "Running", false, 0, 30, ""},
    {"spec-grace", "n", "Running", false, 0, 5, "\"terminationGracePeriodSeconds\":5,"},
    {"asked-grace", "n", "Running", true, 90, 90, ""},
    {"negative-grace", "n", "Running", true, -7, 1, ""},
    {"zero-spec", "n", "Running", false, 0, 1, "\"terminationGracePeriodSeconds\":0,"}, /* R41 */
    {"negative-spec", "n", "Running", false, 0, 1, "\"terminationGracePeriodSeconds\":-3,"},
    {"pending-bound", "n", "Pending", false, 0, 30, ""},
    {"forced", "n", "Running", true, 0, -1, ""},
};

static void check_grace(struct fixture *f, const struct grace_case *row)
{
    char json[512];
    (void)snprintf(json, sizeof(json),
                   "{\"metadata\":{\"name\":\"%s\"},\"spec\":{%s\"containers\":[{\"name\":"
                   "\"c\",\"image\":\"i\"}]}}",
                   row->name, row->spec);
    assert_ok(f, create(f, POD, json));
    if (row->node)
        assert_ok(f, bind_pod(f, row->name, row->node));
    (void)snprintf(json, sizeof(json), "{\"status\":{\"phase\":\"%s\"}}", row->phase);
    assert_ok(f, merge_status(f, POD, row->name, json));
    int64_t generation = look(f, POD, row->name)->generation;
    const struct delete_opts opts = {.has_grace = row->has_grace, .grace_s = row->grace};
    assert_ok(f, delete_with(f, POD, row->name, &opts));
    const struct object *pod = look(f, POD, row->name);
    if (row->left < 0) {
        if (pod || !f->gone)
            fail_msg("%s: still there", row->name);
        return;
    }
    assert_non_null(pod);
    assert_false(f->gone);
    assert_int_equal(pod->grace_s, row->left);
    assert_int_equal(pod->deleted_us, START_US + row->left * 1000000);
    assert_int_equal(pod->generation, generation + 1);
}

static void r42_grace_of_pods(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(grace_cases); i++)
        check_grace(f, &grace_cases[i]);
}

static void r42_a_second_delete_only_shortens(void **state)
{
    struct fixture *f = *state;
    create_set_pod(f, "kubia-0", "");
    assert_ok(f, bind_pod(f, "kubia-0", "n"));
    assert_ok(f, delete_plain(f, POD, "kubia-0"));
    const struct delete_opts longer = {.has_grace = true, .grace_s = 60},
                             shorter = {.has_grace = true, .grace_s = 10};
    assert_ok(f, delete_with(f, POD, "kubia-0", &longer));
    assert_ok(f, delete_plain(f, POD, "kubia-0"));
    assert_int_equal(look(f, POD, "kubia-0")->grace_s, 30);
    assert_ok(f, delete_with(f, POD, "kubia-0", &shorter));
    assert_int_equal(look(f, POD, "kubia-0")->grace_s, 10);
    assert_int_equal(look(f, POD, "kubia-0")->deleted_us, START_US + 10 * 1000000LL);
    /* The node confirms: grace 0 and the uid. */
    char uid[UUID_TEXT_SIZE];
    memcpy(uid, look(f, POD, "kubia-0")->uid, sizeof(uid));
    f->role = ROLE_NODE;
    f->node = "other";
    const struct delete_opts confirm = {.has_grace = true, .uid = uid},
                             stale = {.has_grace = true, .uid = "stale"};
    assert_int_equal(delete_with(f, POD, "kubia-0", &confirm), ERR_FORBIDDEN);
    f->node = "n";
    assert_int_equal(delete_with(f, POD, "kubia-0", &stale), ERR_CONFLICT);
    assert_ok(f, delete_with(f, POD, "kubia-0", &confirm));
    assert_true(f->gone);
    assert_null(look(f, POD, "kubia-0"));
    assert_int_equal(identity_view(look(f, KIND_IDENTITY, "default", "kubia-0"))->fenced_count, 0);
}

static void r45_finalizers_keep_a_pod(void **state)
{
    struct fixture *f = *state;
    create_set_pod(f, "kubia-0", "");
    assert_ok(f, merge(f, POD, "kubia-0", "{\"metadata\":{\"finalizers\":[\"x.io/a\"]}}"));
    assert_ok(f, bind_pod(f, "kubia-0", "n"));
    run_pod(f, "kubia-0", "10.244.0.1");
    assert_ok(f, delete_plain(f, POD, "kubia-0"));
    const struct delete_opts confirm = {.has_grace = true, .uid = look(f, POD, "kubia-0")->uid};
    f->role = ROLE_NODE;
    f->node = "n";
    assert_ok(f, delete_with(f, POD, "kubia-0", &confirm));
    assert_false(f->gone);
    assert_int_equal(look(f, POD, "kubia-0")->grace_s, 0);
    f->role = ROLE_ADMIN;
    assert_ok(f, merge(f, POD, "kubia-0", "{\"metadata\":{\"finalizers\":null}}"));
    assert_null(look(f, POD, "kubia-0"));
    assert_int_equal(identity_view(look(f, KIND_IDENTITY, "default", "kubia-0"))->address_count, 0);
}

static void r63_propagation_becomes_finalizers(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum propagation policy;
        const char *finalizers; /* NULL: gone at once */
    } cases[] = {{PROPAGATE_DEFAULT, NULL},
                 {PROPAGATE_BACKGROUND, NULL},
                 {PROPAGATE_FOREGROUND, "[\"foregroundDeletion\"]"},
                 {PROPAGATE_ORPHAN, "[\"orphan\"]"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct delete_opts opts = {.propagation = cases[i].policy};
        assert_ok(f, create(f, KIND_CONFIGMAP, "default", "{\"metadata\":{\"name\":\"c\"}}"));
        assert_ok(f, delete_with(f, KIND_CONFIGMAP, "default", "c", &opts));
        assert_int_equal(f->gone, cases[i].finalizers == NULL);
        assert_field(f, KIND_CONFIGMAP, "default", "c", "metadata>finalizers",
                     cases[i].finalizers ? cases[i].finalizers : "");
        if (cases[i].finalizers)
            assert_ok(
                f, merge(f, KIND_CONFIGMAP, "default", "c", "{\"metadata\":{\"finalizers\":[]}}"));
        assert_null(look(f, KIND_CONFIGMAP, "default", "c"));
    }
}

/* As upstream's store does it: what has no grace takes the policy of the last delete. */
static void r63_a_second_delete_changes_the_policy(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *own; /* finalizers of the client */
        enum propagation first, second;
        const char *finalizers; /* NULL: gone */
    } cases[] = {
        {"[]", PROPAGATE_FOREGROUND, PROPAGATE_ORPHAN, "[\"orphan\"]"},
        {"[]", PROPAGATE_ORPHAN, PROPAGATE_FOREGROUND, "[\"foregroundDeletion\"]"},
        {"[]", PROPAGATE_FOREGROUND, PROPAGATE_BACKGROUND, NULL},
        {"[]", PROPAGATE_ORPHAN, PROPAGATE_BACKGROUND, NULL},
        {"[]", PROPAGATE_FOREGROUND, PROPAGATE_DEFAULT, "[\"foregroundDeletion\"]"},
        {"[]", PROPAGATE_ORPHAN, PROPAGATE_ORPHAN, "[\"orphan\"]"},
        {"[\"x.io/a\"]", PROPAGATE_DEFAULT, PROPAGATE_ORPHAN, "[\"x.io/a\",\"orphan\"]"},
        {"[\"x.io/a\"]", PROPAGATE_FOREGROUND, PROPAGATE_BACKGROUND, "[\"x.io/a\"]"},
        {"[\"x.io/a\"]", PROPAGATE_DEFAULT, PROPAGATE_DEFAULT, "[\"x.io/a\"]"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct delete_opts first = {.propagation = cases[i].first},
                                 second = {.propagation = cases[i].second};
        char json[128];
        (void)snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"c\",\"finalizers\":%s}}",
                       cases[i].own);
        assert_ok(f, create(f, KIND_CONFIGMAP, "default", json));
        assert_ok(f, delete_with(f, KIND_CONFIGMAP, "default", "c", &first));
        assert_false(f->gone);
        const struct object *left = look(f, KIND_CONFIGMAP, "default", "c");
        int64_t deleted_us = left->deleted_us;
        uint64_t revision = left->mod_revision;
        clock_fake_advance(5000000);
        assert_ok(f, delete_with(f, KIND_CONFIGMAP, "default", "c", &second));
        assert_int_equal(f->gone, cases[i].finalizers == NULL);
        left = look(f, KIND_CONFIGMAP, "default", "c");
        if (!cases[i].finalizers) {
            assert_null(left);
            continue;
        }
        assert_field(f, KIND_CONFIGMAP, "default", "c", "metadata>finalizers", cases[i].finalizers);
        assert_true(left->deleted_us == deleted_us); /* the time of the first */
        bool same = cases[i].first == cases[i].second || cases[i].second == PROPAGATE_DEFAULT;
        assert_int_equal(left->mod_revision == revision, same); /* A17 */
        assert_ok(f,
                  merge(f, KIND_CONFIGMAP, "default", "c", "{\"metadata\":{\"finalizers\":[]}}"));
    }
}

static void a31_delete_options_are_read(void **state)
{
    struct fixture *f = *state;
    struct delete_opts opts;
    cJSON *good = parse("{\"gracePeriodSeconds\":0,\"propagationPolicy\":\"Background\","
                        "\"preconditions\":{\"uid\":\"u\"}}");
    cJSON *bad = parse("{\"propagationPolicy\":\"Sideways\"}"),
          *both = parse("{\"propagationPolicy\":\"Orphan\",\"orphanDependents\":true}");
    assert_int_equal(delete_opts_parse(good, &opts, &f->e), 0);
    assert_true(opts.has_grace && opts.grace_s == 0 && opts.propagation == PROPAGATE_BACKGROUND);
    assert_string_equal(opts.uid, "u");
    assert_int_equal(delete_opts_parse(bad, &opts, &f->e), ERR_INVALID);
    assert_int_equal(delete_opts_parse(both, &opts, &f->e), ERR_INVALID);
    cJSON_Delete(good);
    cJSON_Delete(bad);
    cJSON_Delete(both);
}

/* A precondition that is not understood must not be taken for none. */
static void a31_delete_options_of_a_wrong_type_delete_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {
        "[]",
        "{\"kind\":\"Pod\"}",
        "{\"kind\":7}",
        "{\"preconditions\":[]}",
        "{\"preconditions\":{\"uid\":5}}",
        "{\"preconditions\":{\"resourceVersion\":5}}",
        "{\"propagationPolicy\":5}",
        "{\"orphanDependents\":\"no\"}",
        "{\"gracePeriodSeconds\":\"5\"}",
        "{\"gracePeriodSeconds\":1.5}",
        "{\"dryRun\":\"All\"}",
        "{\"dryRun\":[7]}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        struct delete_opts opts;
        cJSON *body = parse(bodies[i]);
        int rc = delete_opts_parse(body, &opts, &f->e);
        if (rc != ERR_MALFORMED)
            fail_msg("%s: %d %s", bodies[i], rc, f->e.text);
        cJSON_Delete(body);
    }
}

static void protection_finalizers_are_added(void **state)
{
    struct fixture *f = *state;
    create_claim(f, "c");
    assert_field(f, KIND_PVC, "default", "c", "metadata>finalizers",
                 "[\"kubernetes.io/pvc-protection\"]");
    assert_field(f, KIND_PVC, "default", "c", "spec>storageClassName", "\"standard\""); /* R78 */
    assert_ok(f, delete_plain(f, KIND_PVC, "default", "c"));
    assert_false(f->gone);
    assert_ok(f, create(f, KIND_PV, "",
                        "{\"metadata\":{\"name\":\"v\"},\"spec\":{\"capacity\":{\"storage\":"
                        "\"1Mi\"},\"accessModes\":[\"ReadWriteOnce\"],"
                        "\"hostPath\":{\"path\":\"/x\"}}}"));
    assert_field(f, KIND_PV, "", "v", "metadata>finalizers", "[\"kubernetes.io/pv-protection\"]");
}

static void the_epoch_grows_with_every_incarnation(void **state)
{
    struct fixture *f = *state;
    create_claim(f, "data-kubia-0");
    for (int i = 1; i <= 20; i++) {
        char epoch[24];
        (void)snprintf(epoch, sizeof(epoch), "\"%d\"", i);
        create_set_pod(f, "kubia-0", "");
        assert_int_equal(pod_view(look(f, POD, "kubia-0"))->epoch, i);
        assert_field(f, KIND_PVC, "default", "data-kubia-0",
                     "metadata>annotations>ordinald.dev/epoch", epoch);
        assert_ok(f, merge(f, POD, "kubia-0",
                           "{\"metadata\":{\"annotations\":{\"ordinald.dev/epoch\":\"99\"}}}"));
        assert_int_equal(pod_view(look(f, POD, "kubia-0"))->epoch, i);
        assert_ok(f, delete_plain(f, POD, "kubia-0"));
        assert_field(f, KIND_PVC, "default", "data-kubia-0",
                     "metadata>annotations>ordinald.dev/epoch", "");
    }
    const struct object *identity = look(f, KIND_IDENTITY, "default", "kubia-0");
    assert_int_equal(identity_view(identity)->epoch, 20);
    cJSON *tree = object_tree(identity);
    const cJSON *list = json_get(tree, "incarnations");
    assert_int_equal(cJSON_GetArraySize(list), 16);
    assert_string_equal(json_str(list->child->prev, "why", ""), "Deleted");
    assert_non_null(json_get(list->child->prev, "until"));
    cJSON_Delete(tree);
    /* A claim that was restored from elsewhere knows of later holders. */
    f->role = ROLE_SYSTEM;
    assert_ok(f, merge(f, KIND_PVC, "default", "data-kubia-0",
                       "{\"metadata\":{\"annotations\":{\"ordinald.dev/epoch\":\"50\"}}}"));
    f->role = ROLE_CONTROLLER;
    create_set_pod(f, "kubia-0", "");
    assert_int_equal(pod_view(look(f, POD, "kubia-0"))->epoch, 51);
}

static void pods_without_set_have_no_identity_until_forced(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, create(f, POD,
                        "{\"metadata\":{\"name\":\"bare\"},\"spec\":{\"containers\":[{\"name\":"
                        "\"c\",\"image\":\"i\"}]}}"));
    assert_null(look(f, KIND_IDENTITY, "default", "bare"));
    /* R60: adopted by a set. */
    assert_ok(f, merge(f, POD, "bare",
                       "{\"metadata\":{\"ownerReferences\":[{\"apiVersion\":\"apps/"
                       "v1\",\"kind\":\"StatefulSet\",\"name\":\"bare\","
                       "\"uid\":\"u\",\"controller\":true}]}}"));
    assert_int_equal(pod_view(look(f, POD, "bare"))->epoch, 1);
    assert_int_equal(identity_view(look(f, KIND_IDENTITY, "default", "bare"))->epoch, 1);
    assert_ok(f, create(f, POD,
                        "{\"metadata\":{\"name\":\"job\"},\"spec\":{\"containers\":[{\"name\":"
                        "\"c\",\"image\":\"i\"}]}}"));
    assert_ok(f, bind_pod(f, "job", "n"));
    run_pod(f, "job", "10.244.0.9");
    char uid[UUID_TEXT_SIZE];
    memcpy(uid, look(f, POD, "job")->uid, sizeof(uid));
    const struct delete_opts force = {.has_grace = true};
    assert_ok(f, delete_with(f, POD, "job", &force));
    assert_int_equal(identity_view(look(f, KIND_IDENTITY, "default", "job"))->fenced_count, 1);
    struct verb v = fixture_verb(f);
    assert_ok(f,
              fixture_finish(f, &v, registry_identity_release(&v, "default", "job", uid, &f->e)));
    assert_null(look(f, KIND_IDENTITY, "default", "job"));
}

static bool is_free(struct fixture *f, const char *address)
{
    struct verb v = fixture_verb(f);
    bool is = registry_address_is_free(&v, address);
    store_unit_free(v.unit);
    return is;
}

static void r44_a_forced_pod_is_fenced_and_its_address_kept(void **state)
{
    struct fixture *f = *state;
    char uid[UUID_TEXT_SIZE];
    create_claim(f, "data-kubia-0");
    create_set_pod(f, "kubia-0", "");
    assert_ok(f, bind_pod(f, "kubia-0", "n1"));
    run_pod(f, "kubia-0", "10.244.0.7");
    assert_false(is_free(f, "10.244.0.7"));
    memcpy(uid, look(f, POD, "kubia-0")->uid, sizeof(uid));
    const struct delete_opts force = {.has_grace = true};
    assert_ok(f, delete_with(f, POD, "kubia-0", &force));
    assert_true(f->gone);
    const struct identity_view *identity =
        identity_view(look(f, KIND_IDENTITY, "default", "kubia-0"));
    assert_int_equal(identity->fenced_count, 1);
    assert_string_equal(identity->fenced_uids[0], uid);
    assert_string_equal(identity->fenced_nodes[0], "n1");
    assert_false(is_free(f, "10.244.0.7"));
    assert_field(f, KIND_IDENTITY, "default", "kubia-0", "incarnations>0>why", "\"ForceDeleted\"");
    char want[64];
    (void)snprintf(want, sizeof(want), "\"%s\"", uid);
    assert_field(f, KIND_PVC, "default", "data-kubia-0", "metadata>annotations>ordinald.dev/fenced",
                 want);
    /* The replacement lives on another node; nobody may publish the old address. */
    create_set_pod(f, "kubia-0", "");
    assert_int_equal(pod_view(look(f, POD, "kubia-0"))->epoch, 2);
    assert_ok(f, bind_pod(f, "kubia-0", "n2"));
    assert_int_equal(merge_status(f, POD, "kubia-0", "{\"status\":{\"podIP\":\"10.244.0.7\"}}"),
                     ERR_CONFLICT);
    /* A report of the old incarnation is refused. */
    char json[128];
    (void)snprintf(json, sizeof(json),
                   "{\"metadata\":{\"uid\":\"%s\"},\"status\":{\"phase\":\"Running\"}}", uid);
    assert_int_equal(merge_status(f, POD, "kubia-0", json), ERR_CONFLICT);
    /* Its node comes back and confirms: not another node, and only for this uid. */
    const struct delete_opts confirm = {.has_grace = true, .uid = uid};
    f->role = ROLE_NODE;
    f->node = "n2";
    assert_int_equal(delete_with(f, POD, "kubia-0", &confirm), ERR_FORBIDDEN);
    f->node = "n1";
    assert_ok(f, delete_with(f, POD, "kubia-0", &confirm));
    assert_true(f->gone);
    assert_non_null(look(f, POD, "kubia-0"));
    assert_true(is_free(f, "10.244.0.7"));
    assert_field(f, KIND_PVC, "default", "data-kubia-0", "metadata>annotations>ordinald.dev/fenced",
                 "");
    assert_field(f, KIND_PVC, "default", "data-kubia-0", "metadata>annotations>ordinald.dev/epoch",
                 "\"2\"");
}

static void r44_a_forced_pod_with_finalizers_is_fenced_at_once(void **state)
{
    struct fixture *f = *state;
    create_set_pod(f, "kubia-0", "");
    assert_ok(f, merge(f, POD, "kubia-0", "{\"metadata\":{\"finalizers\":[\"x.io/a\"]}}"));
    assert_ok(f, bind_pod(f, "kubia-0", "n1"));
    run_pod(f, "kubia-0", "10.244.0.7");
    const struct delete_opts force = {.has_grace = true};
    assert_ok(f, delete_with(f, POD, "kubia-0", &force));
    assert_false(f->gone);
    assert_int_equal(merge_status(f, POD, "kubia-0", "{\"status\":{\"message\":\"alive\"}}"),
                     ERR_CONFLICT);
    assert_ok(f, merge(f, POD, "kubia-0", "{\"metadata\":{\"finalizers\":[]}}"));
    assert_null(look(f, POD, "kubia-0"));
    assert_false(is_free(f, "10.244.0.7"));
}

/* Of an agent that is known as a node, its delete is enough. */
static void r44_r45_its_node_confirms_a_fenced_pod_that_is_held(void **state)
{
    struct fixture *f = *state;
    create_set_pod(f, "kubia-0", "");
    assert_ok(f, merge(f, POD, "kubia-0", "{\"metadata\":{\"finalizers\":[\"x.io/a\"]}}"));
    assert_ok(f, bind_pod(f, "kubia-0", "n1"));
    run_pod(f, "kubia-0", "10.244.0.7");
    const struct delete_opts force = {.has_grace = true, .uid = look(f, POD, "kubia-0")->uid};
    assert_ok(f, delete_with(f, POD, "kubia-0", &force));
    f->role = ROLE_NODE;
    f->node = "n2";
    assert_int_equal(delete_with(f, POD, "kubia-0", &force), ERR_FORBIDDEN);
    assert_int_equal(identity_view(look(f, KIND_IDENTITY, "default", "kubia-0"))->fenced_count, 1);
    f->node = "n1";
    assert_ok(f, delete_with(f, POD, "kubia-0", &force));
    assert_false(f->gone);
    assert_int_equal(identity_view(look(f, KIND_IDENTITY, "default", "kubia-0"))->fenced_count, 0);
    f->role = ROLE_ADMIN;
    assert_ok(f, merge(f, POD, "kubia-0", "{\"metadata\":{\"finalizers\":[]}}"));
    assert_null(look(f, POD, "kubia-0"));
    assert_true(is_free(f, "10.244.0.7"));
}

/* Held by a finalizer, the object is still there for its node agent, a client, to say the end. */
static void r44_r45_the_end_of_a_fenced_pod_is_believed(void **state)
{
    struct fixture *f = *state;
    static const char *const refused[] = {
        "{\"status\":{\"phase\":\"Failed\"}}", /* no container */
        "{\"status\":{\"phase\":\"Failed\",\"containerStatuses\":[{\"name\":\"c\",\"state\":{"
        "\"running\":{}}}]}}",
        "{\"status\":{\"phase\":\"Failed\",\"containerStatuses\":[{\"name\":\"c\",\"state\":{"
        "\"waiting\":{}}}]}}",
        "{\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"c\",\"state\":{"
        "\"terminated\":{\"exitCode\":0}}}]}}",
        "{\"status\":{\"phase\":\"Failed\",\"containerStatuses\":[{\"name\":\"c\",\"state\":{"
        "\"terminated\":{\"exitCode\":0}}}],\"initContainerStatuses\":[{\"name\":\"i\",\"state\":{"
        "\"running\":{}}}]}}",
    };
    create_claim(f, "data-kubia-0");
    create_set_pod(f, "kubia-0", "");
    assert_ok(f, merge(f, POD, "kubia-0", "{\"metadata\":{\"finalizers\":[\"x.io/a\"]}}"));
    assert_ok(f, bind_pod(f, "kubia-0", "n1"));
    run_pod(f, "kubia-0", "10.244.0.7");
    const struct delete_opts force = {.has_grace = true, .uid = look(f, POD, "kubia-0")->uid};
    assert_ok(f, delete_with(f, POD, "kubia-0", &force));
    assert_ok(f, delete_with(f, POD, "kubia-0", &force)); /* tried again: no confirmation */
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_int_equal(merge_status(f, POD, "kubia-0", refused[i]), ERR_CONFLICT);
    assert_int_equal(identity_view(look(f, KIND_IDENTITY, "default", "kubia-0"))->fenced_count, 1);
    assert_ok(f, merge_status(f, POD, "kubia-0",
                              "{\"status\":{\"phase\":\"Failed\",\"containerStatuses\":[{\"name\":"
                              "\"c\",\"state\":{\"terminated\":{\"exitCode\":137}}}]}}"));
    assert_int_equal(identity_view(look(f, KIND_IDENTITY, "default", "kubia-0"))->fenced_count, 0);
    assert_field(f, KIND_PVC, "default", "data-kubia-0", "metadata>annotations>ordinald.dev/fenced",
                 "");
    assert_ok(f, delete_with(f, POD, "kubia-0", &force)); /* as agents do then: nothing to do */
    assert_false(f->gone);
    assert_ok(f, merge(f, POD, "kubia-0", "{\"metadata\":{\"finalizers\":[]}}"));
    assert_null(look(f, POD, "kubia-0"));
    assert_int_equal(identity_view(look(f, KIND_IDENTITY, "default", "kubia-0"))->fenced_count, 0);
    assert_true(is_free(f, "10.244.0.7"));
}

static void r43_the_collector_fences_even_pods_it_marked_failed(void **state)
{
    struct fixture *f = *state;
    create_set_pod(f, "kubia-0", "");
    assert_ok(f, bind_pod(f, "kubia-0", "n1"));
    run_pod(f, "kubia-0", "10.244.0.7");
    f->role = ROLE_CONTROLLER;
    assert_ok(f, merge_status(f, POD, "kubia-0",
                              "{\"status\":{\"phase\":\"Failed\",\"conditions\":[{\"type\":"
                              "\"DisruptionTarget\",\"status\":\"True\","
                              "\"reason\":\"DeletionByPodGC\"}]}}"));
    const struct delete_opts force = {.has_grace = true};
    assert_ok(f, delete_with(f, POD, "kubia-0", &force));
    assert_false(is_free(f, "10.244.0.7"));
    assert_field(f, KIND_IDENTITY, "default", "kubia-0", "incarnations>0>why",
                 "\"DeletionByPodGC\"");
    /* What ended by itself is not fenced when it is cleared away. */
    create_set_pod(f, "kubia-1", "");
    assert_ok(f, bind_pod(f, "kubia-1", "n1"));
    assert_ok(f, merge_status(f, POD, "kubia-1",
                              "{\"status\":{\"phase\":\"Failed\",\"podIP\":\"10.244.0.8\"}}"));
    assert_ok(f, delete_plain(f, POD, "kubia-1"));
    assert_true(f->gone);
    assert_true(is_free(f, "10.244.0.8"));
}

/* The uid of an eviction, and that of a collection's item, says which pod is meant and nothing
 * about its end: only the single delete of a node agent confirms (R42). */
static void r44_evictions_and_collections_confirm_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"kubia-0", "kubia-1"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char ip[32], json[192];
        (void)snprintf(ip, sizeof(ip), "10.244.0.%zu", 7 + i);
        create_set_pod(f, names[i], "");
        assert_ok(f, bind_pod(f, names[i], "n1"));
        run_pod(f, names[i], ip);
        assert_ok(f, delete_plain(f, POD, names[i]));
        const struct delete_opts of_many = {
            .has_grace = true, .uid = look(f, POD, names[i])->uid, .confirms_nothing = true};
        (void)snprintf(json, sizeof(json),
                       "{\"deleteOptions\":{\"gracePeriodSeconds\":0,\"preconditions\":{\"uid\":"
                       "\"%s\"}}}",
                       look(f, POD, names[i])->uid);
        if (i == 0) {
            assert_ok(f, delete_with(f, POD, names[i], &of_many));
        } else {
            struct verb v = fixture_verb(f);
            cJSON *eviction = parse(json);
            assert_ok(f,
                      fixture_finish(f, &v, verb_evict(&v, "default", names[i], eviction, &f->e)));
            cJSON_Delete(eviction);
        }
        assert_null(look(f, POD, names[i]));
        assert_false(is_free(f, ip));
    }
}

/* R42: which incarnation has ended, and that it has, is all that a node says by deleting. */
static void r42_a_node_deletes_only_to_confirm(void **state)
{
    struct fixture *f = *state;
    create_set_pod(f, "kubia-0", "");
    assert_ok(f, bind_pod(f, "kubia-0", "n1"));
    run_pod(f, "kubia-0", "10.244.0.7");
    const char *uid = look(f, POD, "kubia-0")->uid;
    const struct delete_opts refused[] = {
        {0}, {.has_grace = true}, {.uid = uid}, {.has_grace = true, .grace_s = 5, .uid = uid}};
    f->role = ROLE_NODE;
    f->node = "n1";
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_int_equal(delete_with(f, POD, "kubia-0", &refused[i]), ERR_FORBIDDEN);
    assert_int_equal(look(f, POD, "kubia-0")->deleted_us, 0);
    const struct delete_opts confirm = {.has_grace = true, .uid = uid};
    assert_ok(f, delete_with(f, POD, "kubia-0", &confirm));
    assert_null(look(f, POD, "kubia-0"));
}

/* A node owns the status of its pods: not what holds their names or steers others. */
static void r45_a_node_changes_no_metadata_of_a_pod(void **state)
{
    struct fixture *f = *state;
    static const char *const refused[] = {
        "{\"metadata\":{\"finalizers\":null},\"status\":{\"message\":\"m\"}}",
        "{\"metadata\":{\"finalizers\":[\"x.io/a\",\"x.io/b\"]}}",
        "{\"metadata\":{\"labels\":{\"app\":\"other\"}}}",
        "{\"metadata\":{\"annotations\":{\"controller.kubernetes.io/pod-deletion-cost\":\"-1\"}}}"};
    create_set_pod(f, "kubia-0", "");
    assert_ok(f, merge(f, POD, "kubia-0", "{\"metadata\":{\"finalizers\":[\"x.io/a\"]}}"));
    assert_ok(f, bind_pod(f, "kubia-0", "n1"));
    run_pod(f, "kubia-0", "10.244.0.7");
    f->role = ROLE_NODE;
    f->node = "n1";
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_int_equal(merge_status(f, POD, "kubia-0", refused[i]), ERR_FORBIDDEN);
    assert_field(f, POD, "kubia-0", "metadata>finalizers", "[\"x.io/a\"]");
    assert_ok(f, merge_status(f, POD, "kubia-0", "{\"status\":{\"message\":\"m\"}}"));
}

/* A body that is something else must not bind or evict. */
static void a30_actions_take_their_own_bodies_only(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {
        "{\"kind\":\"Pod\",\"target\":{\"name\":\"n1\"}}",
        "{\"kind\":7,\"target\":{\"name\":\"n1\"}}",
        "{\"metadata\":5,\"target\":{\"name\":\"n1\"}}",
        "{\"metadata\":{\"uid\":5},\"target\":{\"name\":\"n1\"}}",
        "{\"metadata\":{\"name\":\"other\"},\"target\":{\"name\":\"n1\"}}",
        "{\"metadata\":{\"namespace\":\"other\"},\"target\":{\"name\":\"n1\"}}",
        "{\"target\":5,\"deleteOptions\":5}",
        "{\"target\":{\"name\":5},\"deleteOptions\":{\"preconditions\":{\"uid\":5}}}",
    };
    create_set_pod(f, "kubia-0", "");
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        cJSON *body = parse(bodies[i]);
        struct verb v = fixture_verb(f);
        if (fixture_finish(f, &v, verb_bind(&v, "default", "kubia-0", body, &f->e)) !=
            ERR_MALFORMED)
            fail_msg("bind %s: %s", bodies[i], f->e.text);
        v = fixture_verb(f);
        if (fixture_finish(f, &v, verb_evict(&v, "default", "kubia-0", body, &f->e)) !=
            ERR_MALFORMED)
            fail_msg("evict %s: %s", bodies[i], f->e.text);
        cJSON_Delete(body);
    }
    assert_non_null(look(f, POD, "kubia-0"));
}

static void r88_binding_happens_once(void **state)
{
    struct fixture *f = *state;
    create_set_pod(f, "kubia-0", "");
    assert_ok(f, bind_pod(f, "kubia-0", "n1"));
    assert_field(f, POD, "kubia-0", "spec>nodeName", "\"n1\"");
    assert_true(pod_view(look(f, POD, "kubia-0"))->scheduled);
    assert_fails(f, bind_pod(f, "kubia-0", "n2"), ERR_CONFLICT,
                 "Operation cannot be fulfilled on pods \"kubia-0\": pod kubia-0 is already "
                 "assigned to node \"n1\"");
    assert_ok(f, create(f, POD,
                        "{\"metadata\":{\"name\":\"gated\"},\"spec\":{\"schedulingGates\":[{"
                        "\"name\":\"x\"}],\"containers\":[{\"name\":"
                        "\"c\",\"image\":\"i\"}]}}"));
    assert_int_equal(bind_pod(f, "gated", "n1"), ERR_CONFLICT);
    assert_ok(f, create(f, POD,
                        "{\"metadata\":{\"name\":\"going\",\"finalizers\":[\"x.io/"
                        "a\"]},\"spec\":{\"containers\":[{\"name\":\"c\","
                        "\"image\":\"i\"}]}}"));
    assert_ok(f, delete_plain(f, POD, "going"));
    assert_int_equal(bind_pod(f, "going", "n1"), ERR_CONFLICT);
    assert_int_equal(bind_pod(f, "none", "n1"), ERR_NOT_FOUND);
}

static void a30_eviction_deletes_with_a_condition(void **state)
{
    struct fixture *f = *state;
    create_set_pod(f, "kubia-0", "");
    assert_ok(f, bind_pod(f, "kubia-0", "n1"));
    struct verb v = fixture_verb(f);
    cJSON *eviction =
        parse("{\"metadata\":{\"name\":\"kubia-0\"},\"deleteOptions\":{\"gracePeriodSeconds\":7}}");
    assert_ok(f, fixture_finish(f, &v, verb_evict(&v, "default", "kubia-0", eviction, &f->e)));
    cJSON_Delete(eviction);
    assert_int_equal(look(f, POD, "kubia-0")->grace_s, 7);
    assert_field(f, POD, "kubia-0", "status>conditions>1>type", "\"DisruptionTarget\"");
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(r42_grace_of_pods),
        T(r42_a_second_delete_only_shortens),
        T(r45_finalizers_keep_a_pod),
        T(r63_propagation_becomes_finalizers),
        T(r63_a_second_delete_changes_the_policy),
        T(a31_delete_options_are_read),
        T(a31_delete_options_of_a_wrong_type_delete_nothing),
        T(protection_finalizers_are_added),
        T(the_epoch_grows_with_every_incarnation),
        T(pods_without_set_have_no_identity_until_forced),
        T(r44_a_forced_pod_is_fenced_and_its_address_kept),
        T(r44_a_forced_pod_with_finalizers_is_fenced_at_once),
        T(r44_r45_its_node_confirms_a_fenced_pod_that_is_held),
        T(r44_r45_the_end_of_a_fenced_pod_is_believed),
        T(r43_the_collector_fences_even_pods_it_marked_failed),
        T(a30_actions_take_their_own_bodies_only),
        T(r88_binding_happens_once),
        T(a30_eviction_deletes_with_a_condition),
        T(r44_evictions_and_collections_confirm_nothing),
        T(r45_a_node_changes_no_metadata_of_a_pod),
        T(r42_a_node_deletes_only_to_confirm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
