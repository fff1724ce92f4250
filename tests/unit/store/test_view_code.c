/* The encoded view: whole structs come back as they were, for every kind; bytes that are not ours
 * are left for the text. */
#include "base/crc32.h"
#include "store_fixture.h"

#include "controller/store/record.h"
#include "controller/store/view.h"
#include "controller/store/view_code.h"
#include "controller/store/view_fields.h"

/* Every field of every view has a value that is not its default. */
static const struct {
    enum kind_id kind;
    const char *rest; /* members beside metadata */
} samples[] = {
    {KIND_NAMESPACE, "\"status\":{\"phase\":\"Terminating\"}"},
    {KIND_NODE,
     "\"spec\":{\"unschedulable\":true,\"podCIDRs\":[\"10.1.0.0/24\",\"fd00::/64\"],\"taints\":["
     "{\"key\":\"node.kubernetes.io/out-of-service\",\"effect\":\"NoExecute\"},"
     "{\"key\":\"k\",\"effect\":\"NoSchedule\"}]},\"status\":{\"conditions\":[{\"type\":\"Ready\","
     "\"status\":\"False\"}],\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"192.0.2.7\"}]}"},
    {KIND_POD,
     "\"spec\":{\"nodeName\":\"n1\",\"schedulerName\":\"own\",\"hostname\":\"h\",\"subdomain\":"
     "\"sub\",\"hostNetwork\":true,\"schedulingGates\":[{\"name\":\"g\"}],"
     "\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{"
     "\"topologyKey\":\"k\"}]}},\"readinessGates\":[{\"conditionType\":\"PodScheduled\"},{"
     "\"conditionType\":\"own\"}],"
     "\"terminationGracePeriodSeconds\":7,\"containers\":[{\"name\":\"c\",\"resources\":{"
     "\"requests\":{\"cpu\":"
     "\"100m\",\"memory\":\"1Mi\"}},\"ports\":[{\"name\":"
     "\"http\",\"containerPort\":80},{\"name\":\"sip\",\"containerPort\":65535,\"protocol\":"
     "\"UDP\"}"
     "]}],\"volumes\":[{\"name\":\"data\",\"persistentVolumeClaim\":{\"claimName\":\"data-a\"}}]},"
     "\"status\":{\"phase\":\"Failed\",\"startTime\":\"2026-01-02T03:04:05Z\",\"hostIP\":"
     "\"192.0.2.1\",\"podIPs\":[{\"ip\":\"10.1.0.9\"},{\"ip\":\"fd00::9\"}],\"conditions\":[{"
     "\"type\":\"Ready\",\"status\":\"True\",\"lastTransitionTime\":\"2026-01-02T03:04:06Z\"},{"
     "\"type\":\"PodScheduled\",\"status\":\"True\"},{\"type\":\"own\",\"status\":\"False\"}]}"},
    {KIND_SERVICE,
     "\"spec\":{\"type\":\"NodePort\",\"clusterIPs\":[\"None\",\"fd00::1\"],\"externalName\":"
     "\"e.example.org\",\"selector\":{\"b\":\"2\",\"a\":\"1\"},\"ports\":[{\"name\":\"http\","
     "\"port\":80,\"targetPort\":8080,\"appProtocol\":\"h2c\",\"nodePort\":30000},{\"name\":\"x\","
     "\"port\":53,\"protocol\":\"UDP\","
     "\"targetPort\":\"dns\"}],\"ipFamilies\":[\"IPv6\",\"IPv4\"],\"publishNotReadyAddresses\":"
     "true}"},
    {KIND_PVC,
     "\"spec\":{\"volumeName\":\"pv1\",\"storageClassName\":\"fast\",\"accessModes\":["
     "\"ReadWriteOnce\",\"ReadWriteOncePod\"],\"resources\":{\"requests\":{\"storage\":\"5Gi\"}},"
     "\"volumeMode\":\"Block\",\"volumeAttributesClassName\":\"gold\",\"selector\":{"
     "\"matchLabels\":"
     "{\"disk\":\"ssd\"}}},\"status\":{\"phase\":\"Lost\",\"capacity\":{\"storage\":\"6Gi\"}}"},
    {KIND_PV,
     "\"spec\":{\"storageClassName\":\"fast\",\"accessModes\":[\"ReadOnlyMany\"],\"capacity\":{"
     "\"storage\":\"7Gi\"},\"volumeMode\":\"Block\",\"volumeAttributesClassName\":\"gold\","
     "\"persistentVolumeReclaimPolicy\":\"Recycle\",\"claimRef\":{\"namespace\":\"ns\",\"name\":"
     "\"data-a\",\"uid\":\"u9\"},\"nodeAffinity\":{},\"local\":{\"path\":\"/srv/a\"}},\"status\":{"
     "\"phase\":\"Released\"}"},
    {KIND_STATEFULSET,
     "\"spec\":{\"replicas\":5,\"ordinals\":{\"start\":2},\"minReadySeconds\":3,"
     "\"revisionHistoryLimit\":4,\"podManagementPolicy\":\"Parallel\",\"updateStrategy\":{\"type\":"
     "\"OnDelete\",\"rollingUpdate\":{\"partition\":1,\"maxUnavailable\":\"30%\"}},\"serviceName\":"
     "\"svc\",\"selector\":{\"matchLabels\":{\"app\":\"a\"},\"matchExpressions\":[{\"key\":\"t\","
     "\"operator\":\"In\",\"values\":[\"y\",\"x\"]},{\"key\":\"z\",\"operator\":\"DoesNotExist\"}]}"
     ","
     "\"persistentVolumeClaimRetentionPolicy\":{\"whenDeleted\":\"Delete\",\"whenScaled\":"
     "\"Delete\"},\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\"}},{\"metadata\":{"
     "\"name\":\"log\"}}]},\"status\":{\"observedGeneration\":9,\"replicas\":-1,\"readyReplicas\":"
     "2,"
     "\"availableReplicas\":3,\"currentReplicas\":4,\"updatedReplicas\":5,\"collisionCount\":6,"
     "\"currentRevision\":\"a-1\",\"updateRevision\":\"a-2\"}"},
    {KIND_REPLICASET,
     "\"spec\":{\"replicas\":2,\"minReadySeconds\":3,\"selector\":{}},\"status\":{"
     "\"observedGeneration\":4,\"replicas\":5,\"readyReplicas\":6,\"availableReplicas\":7,"
     "\"fullyLabeledReplicas\":8,\"conditions\":[{\"type\":\"ReplicaFailure\"}]}"},
    {KIND_REVISION,
     "\"revision\":9007199254740991,\"data\":{\"b\":[1,{\"d\":1,\"c\":2}],\"a\":\"x\"}"},
    {KIND_SLICE,
     "\"addressType\":\"IPv6\",\"ports\":[{\"name\":\"http\",\"port\":80}],\"endpoints\":[{"
     "\"addresses\":[\"fd00::9\",\"fd00::a\"],\"hostname\":\"a-0\",\"conditions\":{\"ready\":true,"
     "\"serving\":true,\"terminating\":true},\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"ns\","
     "\"name\":\"a-0\",\"uid\":\"u1\"},\"nodeName\":\"n1\",\"zone\":\"z1\"},{\"addresses\":[],"
     "\"conditions\":{\"ready\":false}}]"},
    {KIND_STORAGECLASS, "\"provisioner\":\"p\",\"reclaimPolicy\":\"Retain\",\"volumeBindingMode\":"
                        "\"WaitForFirstConsumer\",\"allowVolumeExpansion\":true"},
    {KIND_LEASE,
     "\"spec\":{\"holderIdentity\":\"n1\",\"renewTime\":\"2026-01-02T03:04:05.000006Z\"}"},
    {KIND_IDENTITY,
     "\"epoch\":3,\"podUID\":\"u1\",\"nodeName\":\"n1\",\"addresses\":[\"10.1.0.9\"],"
     "\"fencedUIDs\":[\"u2\",\"u3\"],\"fencedNodes\":[\"n2\",\"n3\"]"},
    {KIND_CONFIGMAP, "\"data\":{\"a\":\"b\"}"},
};

static struct object *make_sample(enum kind_id id, const char *rest)
{
    const struct kind *kind = kind_get(id);
    char *text = xasprintf(
        "{\"metadata\":{\"name\":\"a\",%s\"uid\":\"u1\",\"generation\":4,\"creationTimestamp\":"
        "\"2026-01-02T03:04:05Z\",\"deletionTimestamp\":\"2026-01-02T03:04:06Z\","
        "\"deletionGracePeriodSeconds\":8,\"finalizers\":[\"f/a\",\"f/b\"],\"labels\":{\"z\":\"\","
        "\"app\":\"a\",\"kubernetes.io/service-name\":\"svc\","
        "\"endpointslice.kubernetes.io/managed-by\":\"me\"},\"ownerReferences\":[{\"apiVersion\":"
        "\"apps/v1\",\"kind\":\"StatefulSet\",\"name\":\"s\",\"uid\":\"u0\",\"controller\":true,"
        "\"blockOwnerDeletion\":true}],\"annotations\":{\"ordinald.dev/epoch\":"
        "\"9223372036854775807\",\"ordinald.dev/publish-identity\":\"always\","
        "\"ordinald.dev/replace-stuck\":\"true\",\"volume.kubernetes.io/selected-node\":\"n1\","
        "\"pv.kubernetes.io/bind-completed\":\"yes\",\"pv.kubernetes.io/bound-by-controller\":"
        "\"yes\",\"pv.kubernetes.io/provisioned-by\":\"p\","
        "\"storageclass.kubernetes.io/is-default-class\":\"true\"}},%s}",
        kind->namespaced ? "\"namespace\":\"default\"," : "", rest);
    struct err e = {0};
    cJSON *tree = json_parse(text, strlen(text), &e);
    struct object *obj = NULL;
    if (!tree || object_new(kind, tree, &obj, &e) < 0)
        fail_msg("%s: %s", kind->name, e.text);
    cJSON_Delete(tree);
    free(text);
    return obj;
}

static struct object *decode(const struct object *obj, const void *bytes, size_t len)
{
    return view_decode(obj->kind, obj->key, obj->key_len, obj->text, obj->text_len, bytes, len);
}

static void encode(const struct object *obj, struct buf_out *out)
{
    out->len = 0;
    view_encode(obj, out);
}

static bool is_inside(const struct object *obj, const char *at)
{
    return at >= (const char *)obj && at < (const char *)obj + obj->bytes;
}

/* Structs that say the same: each word is equal, or is in both a pointer into the object's own
 * block. */
static void assert_same_words(const struct object *a, const void *in_a, const struct object *b,
                              const void *in_b, size_t size)
{
    for (size_t i = 0; i < size; i += sizeof(char *)) {
        const char *x, *y;
        assert_true(size - i >= sizeof(x));
        memcpy(&x, (const char *)in_a + i, sizeof(x));
        memcpy(&y, (const char *)in_b + i, sizeof(y));
        if (x != y && !(is_inside(a, x) && is_inside(b, y)))
            fail_msg("%s: byte %zu of %zu differs", a->kind->name, i, size);
    }
}

/* Lists below a view, which assert_same_words does not follow. */
static void assert_same_lists(const struct object *a, const struct object *b)
{
    if (a->kind->id == KIND_POD) {
        assert_same_words(a, pod_view(a)->ports, b, pod_view(b)->ports,
                          pod_view(a)->port_count * sizeof(struct port_view));
        assert_same_words(a, pod_view(a)->claims, b, pod_view(b)->claims,
                          pod_view(a)->claim_count * sizeof(struct claim_mount));
    } else if (a->kind->id == KIND_SERVICE) {
        assert_same_words(a, service_view(a)->ports, b, service_view(b)->ports,
                          service_view(a)->port_count * sizeof(struct port_view));
        assert_same_words(a, service_view(a)->selector, b, service_view(b)->selector,
                          service_view(a)->selector_count * sizeof(struct label));
    } else if (a->kind->id == KIND_SLICE) {
        assert_int_equal(slice_view(a)->endpoint_count, 2);
        assert_same_words(a, slice_view(a)->endpoints, b, slice_view(b)->endpoints,
                          2 * sizeof(struct endpoint_view));
    }
}

static void assert_same_selector(const struct selector *a, const struct selector *b)
{
    char *x = selector_format(a), *y = selector_format(b);
    assert_string_equal(x, y);
    assert_int_equal(a->matches_nothing, b->matches_nothing);
    assert_int_equal(a->bytes, b->bytes);
    free(x);
    free(y);
}

/* Makes the selectors comparable word by word, after they were compared. */
static void check_selectors(const struct object *a, const struct object *b, void *copy_a,
                            void *copy_b)
{
    size_t at;
    if (a->kind->id == KIND_PVC)
        at = offsetof(struct claim_view, selector);
    else if (a->kind->id == KIND_STATEFULSET)
        at = offsetof(struct set_view, selector);
    else if (a->kind->id == KIND_REPLICASET)
        at = offsetof(struct replicaset_view, selector);
    else
        return;
    assert_same_selector((const void *)((const char *)a->view + at),
                         (const void *)((const char *)b->view + at));
    memset((char *)copy_a + at, 0, sizeof(struct selector));
    memset((char *)copy_b + at, 0, sizeof(struct selector));
}

static void every_field_of_every_view_comes_back(void **state)
{
    (void)state;
    size_t kinds = 0;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        AUTO_OBJECT obj = make_sample(samples[i].kind, samples[i].rest);
        struct buf_out first, second;
        buf_out_init(&first);
        buf_out_init(&second);
        encode(obj, &first);
        AUTO_OBJECT again = decode(obj, first.data, first.len);
        if (!again)
            fail_msg("%s is not read", obj->kind->name);
        encode(again, &second);
        assert_int_equal(first.len, second.len);
        assert_memory_equal(first.data, second.data, first.len);
        assert_same_words(obj, obj, again, again, offsetof(struct object, bytes));
        assert_same_words(obj, obj->labels, again, again->labels,
                          obj->label_count * sizeof(struct label));
        assert_same_words(obj, obj->owners, again, again->owners, sizeof(struct owner_ref));
        assert_string_equal(obj->name, again->name);
        assert_string_equal(obj->text, again->text);
        const struct layout *layout = view_layout(obj->kind->id);
        assert_true(!layout == !obj->view);
        if (layout) {
            void *x = xmemdup(obj->view, layout->size), *y = xmemdup(again->view, layout->size);
            check_selectors(obj, again, x, y);
            assert_same_words(obj, x, again, y, layout->size & ~(sizeof(char *) - 1));
            assert_memory_equal((char *)x + (layout->size & ~(sizeof(char *) - 1)),
                                (char *)y + (layout->size & ~(sizeof(char *) - 1)),
                                layout->size % sizeof(char *));
            assert_same_lists(obj, again);
            free(x);
            free(y);
            kinds++;
        }
        buf_out_fini(&first);
        buf_out_fini(&second);
    }
    for (int id = 0; id < KIND_COUNT; id++)
        kinds -= view_layout((enum kind_id)id) != NULL;
    assert_int_equal(kinds, 0); /* none without a sample */
}

static size_t field_size(enum field_type type)
{
    switch (type) {
    case FIELD_BOOL:
        return sizeof(bool);
    case FIELD_U16:
        return sizeof(uint16_t);
    case FIELD_I32:
    case FIELD_U32:
        return sizeof(uint32_t);
    case FIELD_SELECTOR:
        return sizeof(struct selector);
    case FIELD_I64:
    case FIELD_U64:
    case FIELD_TEXT:
    case FIELD_TEXTS:
    case FIELD_PARALLEL:
    case FIELD_LIST:
        return sizeof(uint64_t);
    }
    return 0;
}

/* Every byte of a struct is a field's, a count's, or padding before the next one. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void assert_no_gap(const struct layout *layout)
{
    bool taken[512] = {false};
    assert_true(layout->size <= sizeof(taken));
    for (size_t i = 0; i < layout->count; i++) {
        const struct field *f = &layout->fields[i];
        memset(taken + f->at, true, field_size(f->type));
        if (f->type == FIELD_TEXTS || f->type == FIELD_PARALLEL || f->type == FIELD_LIST)
            memset(taken + f->count_at, true, sizeof(size_t));
        if (f->item)
            assert_no_gap(f->item);
    }
    for (size_t at = 0, gap = 0; at < layout->size; at++) {
        gap = taken[at] ? 0 : gap + 1;
        if (gap == sizeof(uint64_t) || (gap > 0 && at % 8 == 0))
            fail_msg("%s: byte %zu of %zu is in no table", layout->name, at, layout->size);
    }
}

static void tables_leave_no_gap(void **state)
{
    (void)state;
    for (int id = 0; id < KIND_COUNT; id++)
        if (view_layout((enum kind_id)id))
            assert_no_gap(view_layout((enum kind_id)id));
}

static bool is_zero(const void *view, const struct field *f)
{
    static const char zero[sizeof(struct selector)];
    return f->type != FIELD_SELECTOR &&
           !memcmp((const char *)view + f->at, zero, field_size(f->type));
}

static void fields_of_samples_are_not_zero(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        AUTO_OBJECT obj = make_sample(samples[i].kind, samples[i].rest);
        const struct layout *layout = view_layout(obj->kind->id);
        for (size_t f = 0; layout && f < layout->count; f++)
            if (is_zero(obj->view, &layout->fields[f]))
                fail_msg("%s.%s is zero", layout->name, layout->fields[f].name);
    }
}

/* A decoder that reads or asks for too much is found by the sanitizers and valgrind. */
static void damaged_bytes_are_refused_or_harmless(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        AUTO_OBJECT obj = make_sample(samples[i].kind, samples[i].rest);
        struct buf_out out, again;
        buf_out_init(&out);
        buf_out_init(&again);
        encode(obj, &out);
        for (size_t len = 0; len < out.len; len++) {
            uint8_t *exact = xmemdup(out.data, len ? len : 1);
            assert_null(decode(obj, exact, len));
            free(exact);
        }
        buf_putc(&out, '\0');
        assert_null(decode(obj, out.data, out.len)); /* more than was written */
        for (size_t at = 0; at + 1 < out.len; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                out.data[at] = (char)(out.data[at] ^ 1 << bit);
                AUTO_OBJECT other = decode(obj, out.data, out.len - 1);
                if (other) {
                    assert_true(!strcmp(other->key, obj->key) && *other->uid);
                    encode(other, &again);
                }
                out.data[at] = (char)(out.data[at] ^ 1 << bit);
            }
        }
        buf_out_fini(&again);
        buf_out_fini(&out);
    }
}

static void put_u32(char *out, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        out[i] = (char)(value >> (24 - 8 * i));
}

/* Who reads a list by the count of another would read past its end. */
static void parallel_lists_have_one_length(void **state)
{
    (void)state;
    static const char one[] = {1, 21, 'n'}, two[] = {2, 21, 'n', 21, 'm'};
    struct object *obj = make_sample(
        KIND_IDENTITY, "\"podUID\":\"u\",\"fencedUIDs\":[\"f\"],\"fencedNodes\":[\"n\"]");
    struct buf_out out;
    buf_out_init(&out);
    encode(obj, &out);
    AUTO_OBJECT same = decode(obj, out.data, out.len);
    assert_non_null(same);
    assert_memory_equal(out.data + out.len - sizeof(one), one, sizeof(one));
    uint32_t room = 0;
    for (size_t i = 0; i < 4; i++)
        room = room << 8 | (uint8_t)out.data[i];
    out.len -= sizeof(one);
    buf_put(&out, two, sizeof(two));
    put_u32(out.data, room + (uint32_t)(sizeof(char *) + sizeof("m")));
    assert_null(decode(obj, out.data, out.len));
    object_unref(obj);
    buf_out_fini(&out);
}

static void a_view_serves_one_key_one_kind_and_one_text(void **state)
{
    (void)state;
    AUTO_OBJECT pod = make_sample(KIND_POD, samples[2].rest);
    struct buf_out out;
    buf_out_init(&out);
    encode(pod, &out);
    assert_null(
        view_decode(pod->kind, "pods/default/b", 14, pod->text, pod->text_len, out.data, out.len));
    assert_null(view_decode(kind_get(KIND_SERVICE), pod->key, pod->key_len, pod->text,
                            pod->text_len, out.data, out.len));
    assert_null(view_decode(pod->kind, pod->key, pod->key_len, "{}", 2, out.data, out.len));
    for (int a = 0; a < KIND_COUNT; a++)
        for (int b = 0; b < a; b++)
            if (view_layout((enum kind_id)a) && view_layout((enum kind_id)b))
                assert_true(view_fields_version(kind_get((enum kind_id)a)) !=
                            view_fields_version(kind_get((enum kind_id)b)));
    buf_out_fini(&out);
}

/* ---- records ---- */

static struct object *load(const struct object *obj, struct buf_out *record)
{
    struct object *out = NULL;
    struct err e = {0};
    put_u32(record->data + 4, crc32_of(record->data + 8, record->len - 8));
    if (record_decode(obj->key, obj->key_len, record->data, record->len, &out, &e) < 0)
        fail_msg("%s", e.text);
    return out;
}

/* The grace period says which of the two was read: 7 in the text, 8 in the view. */
static void a_record_is_read_from_its_view_and_else_from_its_text(void **state)
{
    (void)state;
    AUTO_OBJECT pod = make_sample(KIND_POD, samples[2].rest);
    struct buf_out record;
    buf_out_init(&record);
    record_encode(pod, 3, 5, &record);
    char *text = strstr(record.data + record.len - pod->text_len, "GracePeriodSeconds\":7");
    assert_non_null(text);
    text[strlen("GracePeriodSeconds\":")] = '6';
    AUTO_OBJECT from_view = load(pod, &record);
    assert_int_equal(pod_view(from_view)->grace_s, 7);
    assert_int_equal(from_view->create_revision, 3);
    assert_int_equal(from_view->mod_revision, 5);

    put_u32(record.data + 28, view_fields_version(pod->kind) + 1);
    AUTO_OBJECT other_version = load(pod, &record);
    assert_int_equal(pod_view(other_version)->grace_s, 6);
    assert_int_equal(other_version->mod_revision, 5);

    put_u32(record.data + 28, view_fields_version(pod->kind));
    record.data[RECORD_HEADER + 3] ^= 1; /* a view that cannot be read */
    AUTO_OBJECT broken = load(pod, &record);
    assert_int_equal(pod_view(broken)->grace_s, 6);

    size_t view_len = record.len - RECORD_HEADER - pod->text_len; /* as before there were views */
    memmove(record.data + RECORD_HEADER, record.data + RECORD_HEADER + view_len, pod->text_len);
    record.len -= view_len;
    put_u32(record.data + 24, 0);
    put_u32(record.data + 28, 0);
    AUTO_OBJECT without = load(pod, &record);
    assert_int_equal(pod_view(without)->grace_s, 6);
    assert_string_equal(without->uid, pod->uid);
    buf_out_fini(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_every_view_comes_back),
        cmocka_unit_test(tables_leave_no_gap),
        cmocka_unit_test(fields_of_samples_are_not_zero),
        cmocka_unit_test(damaged_bytes_are_refused_or_harmless),
        cmocka_unit_test(parallel_lists_have_one_length),
        cmocka_unit_test(a_view_serves_one_key_one_kind_and_one_text),
        cmocka_unit_test(a_record_is_read_from_its_view_and_else_from_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
