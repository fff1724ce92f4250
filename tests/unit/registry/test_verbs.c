/* The path every write takes: api.md A15-A25, A29, A32, fieldValidation. */
#include "tests/unit/registry/fixture.h"

#define SET                                                                                        \
    "{\"metadata\":{\"name\":\"kubia\"},\"spec\":{\"serviceName\":\"kubia\",\"selector\":{"        \
    "\"matchLabels\":{\"app\":"                                                                    \
    "\"kubia\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"kubia\"}},\"spec\":{"           \
    "\"containers\":[{\"name\":"                                                                   \
    "\"kubia\",\"image\":\"luksa/kubia\"}]}}}}"

static void a15_the_server_owns_metadata(void **state)
{
    struct fixture *f = *state;
    assert_ok(
        f,
        create(f, KIND_CONFIGMAP, "default",
               "{\"metadata\":{\"name\":\"c\",\"uid\":\"mine\",\"creationTimestamp\":null,"
               "\"generation\":9,"
               "\"selfLink\":\"x\",\"managedFields\":[{\"manager\":\"m\"}],\"deletionTimestamp\":"
               "\"2020-01-01T00:00:00Z\"}}"));
    const struct object *obj = look(f, KIND_CONFIGMAP, "default", "c");
    assert_int_equal(strlen(obj->uid), 36);
    assert_int_equal(obj->deleted_us, 0);
    assert_int_equal(obj->created_us, START_US);
    assert_true(obj->mod_revision > 0);
    assert_field(f, KIND_CONFIGMAP, "default", "c", "metadata>generation", "");
    assert_field(f, KIND_CONFIGMAP, "default", "c", "metadata>managedFields", "");
    assert_field(f, KIND_CONFIGMAP, "default", "c", "metadata>selfLink", "");
    assert_fails(f,
                 create(f, KIND_CONFIGMAP, "default",
                        "{\"metadata\":{\"name\":\"d\",\"resourceVersion\":\"7\"}}"),
                 ERR_MALFORMED, "resourceVersion should not be set on objects to be created");
}

static void a16_r74_generation_follows_the_spec_only(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, create(f, KIND_STATEFULSET, "default", SET));
    assert_field(f, KIND_STATEFULSET, "default", "kubia", "metadata>generation", "1");
    assert_ok(f, merge(f, KIND_STATEFULSET, "default", "kubia",
                       "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}"));
    assert_field(f, KIND_STATEFULSET, "default", "kubia", "metadata>generation", "1");
    assert_ok(f, merge(f, KIND_STATEFULSET, "default", "kubia",
                       "{\"spec\":{\"replicas\":3},\"status\":{\"replicas\":7}}"));
    assert_field(f, KIND_STATEFULSET, "default", "kubia", "metadata>generation", "2");
    assert_field(f, KIND_STATEFULSET, "default", "kubia", "status>replicas", "0");
    assert_ok(f,
              merge_status(
                  f, KIND_STATEFULSET, "default", "kubia",
                  "{\"spec\":{\"replicas\":9},\"status\":{\"replicas\":3,\"readyReplicas\":2}}"));
    assert_field(f, KIND_STATEFULSET, "default", "kubia", "metadata>generation", "2");
    assert_field(f, KIND_STATEFULSET, "default", "kubia", "spec>replicas", "3");
    assert_field(f, KIND_STATEFULSET, "default", "kubia", "status>readyReplicas", "2");
}

static void a17_a_write_that_changes_nothing_stores_nothing(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, create(f, KIND_STATEFULSET, "default", SET));
    uint64_t revision = look(f, KIND_STATEFULSET, "default", "kubia")->mod_revision,
             commits = store_commits(f->store);
    assert_ok(f, merge(f, KIND_STATEFULSET, "default", "kubia", SET));
    assert_ok(f,
              update(f, KIND_STATEFULSET, "default", "kubia", SUB_NONE, verb_change_replace, SET));
    static const char *const nothing[] = {
        "{\"metadata\":{\"labels\":{},\"finalizers\":[]}}",
        "{\"spec\":{\"minReadySeconds\":0,\"volumeClaimTemplates\":[]}}",
        "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{}},\"spec\":{\"nodeSelector\":{},"
        "\"volumes\":[],\"hostNetwork\":false,\"serviceAccountName\":\"\"}}}}"};
    for (size_t i = 0; i < ARRAY_SIZE(nothing); i++)
        assert_ok(f, merge(f, KIND_STATEFULSET, "default", "kubia", nothing[i]));
    assert_int_equal(look(f, KIND_STATEFULSET, "default", "kubia")->mod_revision, revision);
    assert_int_equal(store_commits(f->store), commits);
}

/* What another version of the program, or a controller, stored is no change of who writes next. */
static void a17_empty_members_that_are_stored_are_no_change(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, create(f, KIND_STATEFULSET, "default", SET));
    f->role = ROLE_CONTROLLER;
    assert_ok(f, merge(f, KIND_STATEFULSET, "default", "kubia",
                       "{\"spec\":{\"template\":{\"spec\":{\"tolerations\":[]}}}}"));
    assert_field(f, KIND_STATEFULSET, "default", "kubia", "spec>template>spec>tolerations", "[]");
    f->role = ROLE_ADMIN;
    uint64_t revision = look(f, KIND_STATEFULSET, "default", "kubia")->mod_revision;
    assert_ok(f,
              update(f, KIND_STATEFULSET, "default", "kubia", SUB_NONE, verb_change_replace, SET));
    assert_int_equal(look(f, KIND_STATEFULSET, "default", "kubia")->mod_revision, revision);
    assert_ok(f, merge(f, KIND_STATEFULSET, "default", "kubia",
                       "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}"));
    assert_field(f, KIND_STATEFULSET, "default", "kubia", "metadata>generation", "2");
}

static void a18_versions_and_uids_are_preconditions(void **state)
{
    struct fixture *f = *state;
    char json[256];
    assert_ok(f, create(f, KIND_STATEFULSET, "default", SET));
    uint64_t revision = look(f, KIND_STATEFULSET, "default", "kubia")->mod_revision;
    assert_fails(f,
                 merge(f, KIND_STATEFULSET, "default", "kubia",
                       "{\"metadata\":{\"resourceVersion\":\"1\"},\"spec\":{\"replicas\":2}}"),
                 ERR_CONFLICT,
                 "Operation cannot be fulfilled on statefulsets.apps \"kubia\": the object has "
                 "been modified; please apply "
                 "your changes to the latest version and try again");
    assert_int_equal(
        merge(f, KIND_STATEFULSET, "default", "kubia", "{\"metadata\":{\"uid\":\"other\"}}"),
        ERR_CONFLICT);
    (void)snprintf(json, sizeof(json),
                   "{\"metadata\":{\"resourceVersion\":\"%llu\"},\"spec\":{\"replicas\":2}}",
                   (unsigned long long)revision);
    assert_ok(f, merge(f, KIND_STATEFULSET, "default", "kubia", json));
    assert_int_equal(merge(f, KIND_STATEFULSET, "default", "kubia", json), ERR_CONFLICT);
    assert_ok(f, merge(f, KIND_STATEFULSET, "default", "kubia",
                       "{\"metadata\":{\"resourceVersion\":null},\"spec\":{\"replicas\":4}}"));
}

static void a19_body_and_path_must_agree(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        create(f, KIND_CONFIGMAP, "default", "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"c\"}}"),
        ERR_MALFORMED);
    assert_int_equal(create(f, KIND_CONFIGMAP, "default",
                            "{\"apiVersion\":\"v2\",\"metadata\":{\"name\":\"c\"}}"),
                     ERR_MALFORMED);
    assert_fails(
        f,
        create(f, KIND_CONFIGMAP, "default",
               "{\"metadata\":{\"name\":\"c\",\"namespace\":\"other\"}}"),
        ERR_MALFORMED,
        "the namespace of the provided object does not match the namespace sent on the request");
    assert_ok(f, create(f, KIND_CONFIGMAP, "default", "{\"metadata\":{\"name\":\"c\"}}"));
    assert_field(f, KIND_CONFIGMAP, "default", "c", "kind", "\"ConfigMap\"");
    assert_fails(f, merge(f, KIND_CONFIGMAP, "default", "c", "{\"metadata\":{\"name\":\"d\"}}"),
                 ERR_MALFORMED,
                 "the name of the object (d) does not match the name on the URL (c)");
    assert_ok(
        f,
        merge(f, KIND_CONFIGMAP, "default", "c",
              "{\"metadata\":{\"creationTimestamp\":\"2001-01-01T00:00:00Z\",\"deletionTimestamp\":"
              "\"2001-01-01T00:00:00Z\"},\"data\":{\"a\":\"b\"}}"));
    assert_int_equal(look(f, KIND_CONFIGMAP, "default", "c")->created_us, START_US);
    assert_int_equal(look(f, KIND_CONFIGMAP, "default", "c")->deleted_us, 0);
}

/* What the path fills in must not hide what the body said. */
static void a19_head_of_a_wrong_type_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {
        "{\"kind\":7,\"metadata\":{\"name\":\"d\"}}",
        "{\"apiVersion\":[],\"metadata\":{\"name\":\"d\"}}",
        "{\"metadata\":{\"name\":7}}",
        "{\"metadata\":{\"name\":\"d\",\"namespace\":7}}",
        "{\"metadata\":\"d\"}",
    };
    assert_ok(f, create(f, KIND_CONFIGMAP, "default", "{\"metadata\":{\"name\":\"c\"}}"));
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        if (create(f, KIND_CONFIGMAP, "default", bodies[i]) != ERR_MALFORMED)
            fail_msg("create %s: %s", bodies[i], f->e.text);
    }
    static const char *const patches[] = {"{\"kind\":7}", "{\"apiVersion\":7}",
                                          "{\"metadata\":{\"name\":7}}",
                                          "{\"metadata\":{\"namespace\":7}}"};
    for (size_t i = 0; i < ARRAY_SIZE(patches); i++)
        if (merge(f, KIND_CONFIGMAP, "default", "c", patches[i]) != ERR_MALFORMED)
            fail_msg("patch %s: %s", patches[i], f->e.text);
}

static void times_must_be_times(void **state)
{
    struct fixture *f = *state;
    assert_fails(f,
                 create(f, KIND_LEASE, "default",
                        "{\"metadata\":{\"name\":\"l\"},\"spec\":{\"renewTime\":\"soon\"}}"),
                 ERR_MALFORMED,
                 "Lease in version \"v1\" cannot be handled as a Lease: json: cannot unmarshal "
                 "string into Go struct field Lease.spec.renewTime of type v1.Time");
    assert_ok(f, create(f, KIND_LEASE, "default",
                        "{\"metadata\":{\"name\":\"l\",\"creationTimestamp\":null},\"spec\":{"
                        "\"renewTime\":\"2026-01-02T03:04:05.000000Z\"}}"));
    assert_field(f, KIND_LEASE, "default", "l", "spec>renewTime",
                 "\"2026-01-02T03:04:05.000000Z\"");
}

static void a20_generated_names_are_cut_and_unique(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 20; i++)
        assert_ok(f, create(f, KIND_CONFIGMAP, "default",
                            "{\"metadata\":{\"generateName\":"
                            "\"a123456789b123456789c123456789d123456789e123456789f123456789\"}}"));
    struct store_view view = store_applied(f->store);
    struct view_cursor cur;
    size_t count = 0;
    for (view_seek(&cur, &view, KIND_CONFIGMAP, "default", "a123"); cur.object;
         view_next(&cur), count++) {
        assert_int_equal(strlen(cur.object->name), 63);
        assert_memory_equal(cur.object->name,
                            "a123456789b123456789c123456789d123456789e123456789f1234567", 58);
        assert_int_equal(strspn(cur.object->name + 58, "bcdfghjklmnpqrstvwxz2456789"), 5);
    }
    assert_int_equal(count, 20);
    assert_fails(f, create(f, KIND_CONFIGMAP, "default", "{}"), ERR_INVALID,
                 "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName "
                 "is required");
}

static void a23_namespaces_must_exist_and_live(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"default", "kube-system", "kube-public", "kube-node-lease"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_non_null(look(f, KIND_NAMESPACE, "", names[i]));
    assert_fails(f, create(f, KIND_CONFIGMAP, "x", "{\"metadata\":{\"name\":\"c\"}}"),
                 ERR_NOT_FOUND, "namespaces \"x\" not found");
    assert_ok(f, create(f, KIND_NAMESPACE, "", "{\"metadata\":{\"name\":\"x\"}}"));
    assert_field(f, KIND_NAMESPACE, "", "x", "spec>finalizers", "[\"kubernetes\"]");
    assert_field(f, KIND_NAMESPACE, "", "x", "status>phase", "\"Active\"");
    assert_field(f, KIND_NAMESPACE, "", "x", "metadata>labels",
                 "{\"kubernetes.io/metadata.name\":\"x\"}");
    assert_ok(f, delete_plain(f, KIND_NAMESPACE, "", "x"));
    assert_false(f->gone);
    assert_field(f, KIND_NAMESPACE, "", "x", "status>phase", "\"Terminating\"");
    assert_fails(f, create(f, KIND_CONFIGMAP, "x", "{\"metadata\":{\"name\":\"c\"}}"),
                 ERR_FORBIDDEN,
                 "configmaps \"c\" is forbidden: unable to create new content in namespace x "
                 "because it is being "
                 "terminated");
    assert_int_equal(f->e.causes, 1);
    assert_int_equal(f->e.cause[0].kind, CAUSE_NAMESPACE_TERMINATING);
    assert_ok(f, merge(f, KIND_NAMESPACE, "", "x", "{\"spec\":{\"finalizers\":[]}}"));
    assert_non_null(look(f, KIND_NAMESPACE, "", "x"));
    assert_ok(f, update(f, KIND_NAMESPACE, "", "x", SUB_FINALIZE, apply_merge,
                        "{\"spec\":{\"finalizers\":[]}}"));
    assert_null(look(f, KIND_NAMESPACE, "", "x"));
    assert_fails(f, delete_plain(f, KIND_NAMESPACE, "", "default"), ERR_FORBIDDEN,
                 "namespaces \"default\" is forbidden: this namespace may not be deleted");
}

static void a25_errors_name_the_object(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, create(f, KIND_STATEFULSET, "default", SET));
    assert_fails(f, create(f, KIND_STATEFULSET, "default", SET), ERR_EXISTS,
                 "statefulsets.apps \"kubia\" already exists");
    assert_fails(f, merge(f, KIND_POD, "default", "x", "{}"), ERR_NOT_FOUND,
                 "pods \"x\" not found");
    assert_fails(f, delete_plain(f, KIND_SLICE, "default", "x"), ERR_NOT_FOUND,
                 "endpointslices.discovery.k8s.io \"x\" not found");
    /* R74: PUT never creates. */
    assert_int_equal(
        update(f, KIND_STATEFULSET, "default", "other", SUB_NONE, verb_change_replace, SET),
        ERR_NOT_FOUND);
}

static void a22_field_validation_has_three_ways(void **state)
{
    struct fixture *f = *state;
    static const char body[] = "{\"metadata\":{\"name\":\"c\"},\"dat\":{},\"foo\":1}";
    f->validation = VALIDATE_STRICT;
    assert_fails(f, create(f, KIND_CONFIGMAP, "default", body), ERR_MALFORMED,
                 "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding "
                 "error: unknown field "
                 "\"dat\", unknown field \"foo\"");
    f->validation = VALIDATE_WARN;
    assert_ok(f, create(f, KIND_CONFIGMAP, "default", body));
    assert_string_equal(f->warnings, "unknown field \"dat\";unknown field \"foo\";");
    assert_field(f, KIND_CONFIGMAP, "default", "c", "foo", "");
    f->validation = VALIDATE_IGNORE;
    assert_ok(f, merge(f, KIND_CONFIGMAP, "default", "c", "{\"bar\":1}"));
    assert_string_equal(f->warnings, "");
    assert_int_equal(merge(f, KIND_CONFIGMAP, "default", "c", "{\"data\":[]}"), ERR_MALFORMED);
}

static void a29_scale_writes_replicas_of_the_parent(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, create(f, KIND_STATEFULSET, "default", SET));
    cJSON *scale = registry_scale(look(f, KIND_STATEFULSET, "default", "kubia"));
    assert_string_equal(json_str(json_get(scale, "status"), "selector", ""), "app=kubia");
    assert_string_equal(json_str(scale, "apiVersion", ""), "autoscaling/v1");
    char version[24];
    (void)snprintf(version, sizeof(version), "%llu",
                   (unsigned long long)look(f, KIND_STATEFULSET, "default", "kubia")->mod_revision);
    assert_string_equal(json_str(json_get(scale, "metadata"), "resourceVersion", ""), version);
    cJSON_Delete(scale);
    assert_ok(f, update(f, KIND_STATEFULSET, "default", "kubia", SUB_SCALE, apply_merge,
                        "{\"spec\":{\"replicas\":5}}"));
    assert_field(f, KIND_STATEFULSET, "default", "kubia", "spec>replicas", "5");
    assert_field(f, KIND_STATEFULSET, "default", "kubia", "metadata>generation", "2");
    assert_fails(f,
                 update(f, KIND_STATEFULSET, "default", "kubia", SUB_SCALE, apply_merge,
                        "{\"spec\":{\"replicas\":-1}}"),
                 ERR_INVALID,
                 "Scale.autoscaling \"kubia\" is invalid: spec.replicas: Invalid value: -1: must "
                 "be greater than or equal "
                 "to 0");
    assert_int_equal(update(f, KIND_STATEFULSET, "default", "kubia", SUB_SCALE, apply_merge,
                            "{\"metadata\":{\"resourceVersion\":\"1\"}}"),
                     ERR_CONFLICT);
    /* Nothing of these may be taken for "no replicas" or "no precondition". */
    static const char *const bodies[] = {
        "{\"spec\":{\"replicas\":\"5\"}}",
        "{\"spec\":{\"replicas\":1.5}}",
        "{\"spec\":{\"replicas\":3000000000}}",
        "{\"spec\":5}",
        "{\"kind\":5,\"spec\":{\"replicas\":2}}",
        "{\"apiVersion\":\"autoscaling/v9\",\"spec\":{\"replicas\":2}}",
        "{\"metadata\":{\"resourceVersion\":1},\"spec\":{\"replicas\":2}}",
        "{\"metadata\":{\"name\":\"other\"},\"spec\":{\"replicas\":2}}",
        "{\"metadata\":{\"namespace\":\"other\"},\"spec\":{\"replicas\":2}}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
        if (update(f, KIND_STATEFULSET, "default", "kubia", SUB_SCALE, verb_change_replace,
                   bodies[i]) != ERR_MALFORMED)
            fail_msg("%s: %s", bodies[i], f->e.text);
    assert_field(f, KIND_STATEFULSET, "default", "kubia", "spec>replicas", "5");
}

static void a32_the_last_finalizer_lets_the_object_go(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, create(f, KIND_CONFIGMAP, "default",
                        "{\"metadata\":{\"name\":\"c\",\"finalizers\":[\"x.io/a\",\"x.io/b\"]}}"));
    assert_ok(f, delete_plain(f, KIND_CONFIGMAP, "default", "c"));
    assert_false(f->gone);
    assert_fails(f,
                 merge(f, KIND_CONFIGMAP, "default", "c",
                       "{\"metadata\":{\"finalizers\":[\"x.io/a\",\"x.io/b\",\"x.io/c\"]}}"),
                 ERR_INVALID,
                 "ConfigMap \"c\" is invalid: metadata.finalizers: Forbidden: no new finalizers "
                 "can be added if the object "
                 "is being deleted, found new finalizers []string{\"x.io/c\"}");
    assert_ok(f, merge(f, KIND_CONFIGMAP, "default", "c",
                       "{\"metadata\":{\"finalizers\":[\"x.io/b\"]}}"));
    assert_non_null(look(f, KIND_CONFIGMAP, "default", "c"));
    assert_ok(f, merge(f, KIND_CONFIGMAP, "default", "c", "{\"metadata\":{\"finalizers\":null}}"));
    assert_null(look(f, KIND_CONFIGMAP, "default", "c"));
}

static void metadata_is_validated_in_the_words_of_kubernetes(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *meta, *text;
    } cases[] = {
        {"\"name\":\"A\"", "ConfigMap \"A\" is invalid: metadata.name: Invalid value: \"A\": a "
                           "lowercase RFC 1123 subdomain must consist of "
                           "lower case alphanumeric characters, '-' or '.', and must start and end "
                           "with an alphanumeric character (e.g. "
                           "'example.com', regex used for validation is "
                           "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"},
        {"\"name\":\"c\",\"labels\":{\"a\":\"b c\"}",
         "ConfigMap \"c\" is invalid: metadata.labels: Invalid value: \"b c\": a valid label must "
         "be an empty string or "
         "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
         "alphanumeric character "
         "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
         "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"},
        {"\"name\":\"c\",\"labels\":{\"/a\":\"b\"}",
         "ConfigMap \"c\" is invalid: metadata.labels: Invalid value: \"/a\": prefix part must be "
         "non-empty"},
        {"\"name\":\"c\",\"finalizers\":[\"bare\"]",
         "ConfigMap \"c\" is invalid: metadata.finalizers[0]: Invalid value: \"bare\": name is "
         "neither a standard finalizer "
         "name nor is it fully qualified"},
        {"\"name\":\"c\",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":"
         "\"p\"}]",
         "ConfigMap \"c\" is invalid: metadata.ownerReferences[0].uid: Invalid value: \"\": must "
         "not be empty"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char json[512];
        (void)snprintf(json, sizeof(json), "{\"metadata\":{%s}}", cases[i].meta);
        assert_fails(f, create(f, KIND_CONFIGMAP, "default", json), ERR_INVALID, cases[i].text);
    }
}

static void roles_bound_what_a_writer_may_do(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, create(f, KIND_NODE, "",
                        "{\"metadata\":{\"name\":\"n1\"},\"status\":{\"phase\":\"x\"}}"));
    f->role = ROLE_READER;
    assert_int_equal(create(f, KIND_CONFIGMAP, "default", "{\"metadata\":{\"name\":\"c\"}}"),
                     ERR_FORBIDDEN);
    f->role = ROLE_ADMIN;
    assert_int_equal(create(f, KIND_IDENTITY, "default", "{\"metadata\":{\"name\":\"c\"}}"),
                     ERR_METHOD);
    f->role = ROLE_NODE;
    f->node = "n1";
    assert_int_equal(create(f, KIND_CONFIGMAP, "default", "{\"metadata\":{\"name\":\"c\"}}"),
                     ERR_FORBIDDEN);
    assert_int_equal(create(f, KIND_NODE, "", "{\"metadata\":{\"name\":\"n2\"}}"), ERR_FORBIDDEN);
    assert_ok(f, create(f, KIND_LEASE, "kube-node-lease", "{\"metadata\":{\"name\":\"n1\"}}"));
    assert_ok(f, merge_status(f, KIND_NODE, "", "n1", "{\"status\":{\"phase\":\"y\"}}"));
}

static void a_dry_run_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct verb v = fixture_verb(f);
    struct object *out = NULL;
    cJSON *body = parse(SET);
    v.dry_run = true;
    assert_int_equal(verb_create(&v, KIND_STATEFULSET, "default", body, &out, &f->e), 0);
    assert_int_equal(strlen(out->uid), 36);
    object_unref(out);
    cJSON_Delete(body);
    store_unit_free(v.unit);
    fixture_settle(f);
    assert_null(look(f, KIND_STATEFULSET, "default", "kubia"));
}

static void events_are_counted_and_expire(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, create(f, KIND_STATEFULSET, "default", SET));
    for (int i = 0; i < 3; i++) {
        struct verb v = fixture_verb(f);
        registry_event(&v, look(f, KIND_STATEFULSET, "default", "kubia"), "Normal",
                       "SuccessfulCreate", "statefulset-controller", "create Pod %s", "kubia-0");
        assert_ok(f, fixture_finish(f, &v, 0));
    }
    struct store_view view = store_applied(f->store);
    assert_int_equal(view_count(&view, KIND_EVENT), 1);
    struct view_cursor cur;
    view_seek(&cur, &view, KIND_EVENT, "default", "kubia.");
    char name[256];
    (void)snprintf(name, sizeof(name), "%s", cur.object->name);
    assert_field(f, KIND_EVENT, "default", name, "count", "3");
    assert_field(f, KIND_EVENT, "default", name, "message", "\"create Pod kubia-0\"");
    assert_field(f, KIND_EVENT, "default", name, "involvedObject>kind", "\"StatefulSet\"");
    clock_fake_advance(3599 * 1000000LL);
    assert_true(registry_expire_events(f->reg) > 0);
    fixture_settle(f);
    assert_non_null(look(f, KIND_EVENT, "default", name));
    clock_fake_advance(2 * 1000000LL);
    assert_int_equal(registry_expire_events(f->reg), -1);
    fixture_settle(f);
    assert_null(look(f, KIND_EVENT, "default", name));
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a15_the_server_owns_metadata),
        T(a16_r74_generation_follows_the_spec_only),
        T(a17_a_write_that_changes_nothing_stores_nothing),
        T(a17_empty_members_that_are_stored_are_no_change),
        T(a18_versions_and_uids_are_preconditions),
        T(a19_body_and_path_must_agree),
        T(a19_head_of_a_wrong_type_is_refused),
        T(times_must_be_times),
        T(a20_generated_names_are_cut_and_unique),
        T(a22_field_validation_has_three_ways),
        T(a23_namespaces_must_exist_and_live),
        T(a25_errors_name_the_object),
        T(a29_scale_writes_replicas_of_the_parent),
        T(a32_the_last_finalizer_lets_the_object_go),
        T(metadata_is_validated_in_the_words_of_kubernetes),
        T(roles_bound_what_a_writer_may_do),
        T(a_dry_run_leaves_nothing),
        T(events_are_counted_and_expire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
