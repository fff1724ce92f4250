#include "controller/store/view_fields.h"

#include "base/buf.h"
#include "base/check.h"
#include "base/crc32.h"
#include "controller/store/pack.h"
#include "controller/store/record.h"
#include "controller/store/view.h"

/* Counts what a field means, not which fields there are (the tables do that): one more when view.c
 * reads an old field in a new way. */
#define MEANING 1U

/* ---- which fields there are ---- */

#define TYPE_OF(member)                                                                            \
    _Generic((member),                                                                             \
        bool: FIELD_BOOL,                                                                          \
        uint16_t: FIELD_U16,                                                                       \
        int32_t: FIELD_I32,                                                                        \
        uint32_t: FIELD_U32,                                                                       \
        int64_t: FIELD_I64,                                                                        \
        uint64_t: FIELD_U64,                                                                       \
        const char *: FIELD_TEXT,                                                                  \
        const char *const *: FIELD_TEXTS,                                                          \
        struct selector: FIELD_SELECTOR)
#define MEMBER(s, m) (((const struct s *)0)->m)

#define FIELD(s, m)                                                                                \
    {                                                                                              \
        .name = #m, .type = TYPE_OF(MEMBER(s, m)), .at = offsetof(struct s, m), .most = UINT32_MAX \
    }
#define UP_TO(s, m, limit)                                                                         \
    {                                                                                              \
        .name = #m, .type = FIELD_U32, .at = offsetof(struct s, m), .most = (limit)                \
    }
#define TEXTS(s, m, n)                                                                             \
    {                                                                                              \
        .name = #m, .type = TYPE_OF(MEMBER(s, m)), .at = offsetof(struct s, m),                    \
        .count_at = offsetof(struct s, n)                                                          \
    }
#define PARALLEL(s, m, n)                                                                          \
    {                                                                                              \
        .name = #m, .type = FIELD_PARALLEL, .at = offsetof(struct s, m),                           \
        .count_at = offsetof(struct s, n)                                                          \
    }
#define LIST(s, m, n, of)                                                                          \
    {                                                                                              \
        .name = #m, .type = FIELD_LIST, .at = offsetof(struct s, m),                               \
        .count_at = offsetof(struct s, n), .item = &(of)                                           \
    }
#define LAYOUT(s, list)                                                                            \
    {                                                                                              \
        .name = #s, .size = sizeof(struct s), .fields = (list), .count = ARRAY_SIZE(list)          \
    }

static const struct field label_fields[] = {FIELD(label, key), FIELD(label, value)};
static const struct layout label_layout = LAYOUT(label, label_fields);

static const struct field owner_fields[] = {
    FIELD(owner_ref, api_version), FIELD(owner_ref, kind),
    FIELD(owner_ref, name),        FIELD(owner_ref, uid),
    FIELD(owner_ref, controller),  FIELD(owner_ref, block_owner_deletion)};
static const struct layout owner_layout = LAYOUT(owner_ref, owner_fields);

static const struct field object_fields[] = {FIELD(object, generation),
                                             FIELD(object, created_us),
                                             FIELD(object, deleted_us),
                                             FIELD(object, grace_s),
                                             LIST(object, labels, label_count, label_layout),
                                             LIST(object, owners, owner_count, owner_layout),
                                             TEXTS(object, finalizers, finalizer_count)};
const struct layout object_layout = LAYOUT(object, object_fields);

static const struct field port_fields[] = {
    FIELD(port_view, name),   FIELD(port_view, protocol),     FIELD(port_view, port),
    FIELD(port_view, target), FIELD(port_view, app_protocol), FIELD(port_view, node_port)};
static const struct layout port_layout = LAYOUT(port_view, port_fields);

static const struct field mount_fields[] = {FIELD(claim_mount, volume), FIELD(claim_mount, claim)};
static const struct layout mount_layout = LAYOUT(claim_mount, mount_fields);

static const struct field pod_fields[] = {UP_TO(pod_view, phase, POD_UNKNOWN),
                                          FIELD(pod_view, has_phase),
                                          FIELD(pod_view, ready),
                                          FIELD(pod_view, ready_since_us),
                                          FIELD(pod_view, scheduled),
                                          FIELD(pod_view, initialized_by_node),
                                          FIELD(pod_view, host_network),
                                          FIELD(pod_view, is_gated),
                                          FIELD(pod_view, keeps_apart),
                                          FIELD(pod_view, cpu_milli),
                                          FIELD(pod_view, memory_bytes),
                                          FIELD(pod_view, is_held_unready),
                                          FIELD(pod_view, node),
                                          FIELD(pod_view, scheduler),
                                          FIELD(pod_view, hostname),
                                          FIELD(pod_view, subdomain),
                                          TEXTS(pod_view, ips, ip_count),
                                          FIELD(pod_view, host_ip),
                                          LIST(pod_view, ports, port_count, port_layout),
                                          LIST(pod_view, claims, claim_count, mount_layout),
                                          FIELD(pod_view, grace_s),
                                          FIELD(pod_view, epoch)};
static const struct layout pod_layout = LAYOUT(pod_view, pod_fields);

static const struct field service_fields[] = {
    FIELD(service_view, type),
    TEXTS(service_view, cluster_ips, cluster_ip_count),
    FIELD(service_view, headless),
    FIELD(service_view, external_name),
    LIST(service_view, selector, selector_count, label_layout),
    LIST(service_view, ports, port_count, port_layout),
    TEXTS(service_view, ip_families, ip_family_count),
    FIELD(service_view, publish_not_ready),
    FIELD(service_view, publish_identity)};
static const struct layout service_layout = LAYOUT(service_view, service_fields);

static const struct field endpoint_fields[] = {TEXTS(endpoint_view, addresses, address_count),
                                               FIELD(endpoint_view, hostname),
                                               FIELD(endpoint_view, ready),
                                               FIELD(endpoint_view, serving),
                                               FIELD(endpoint_view, terminating),
                                               FIELD(endpoint_view, target_kind),
                                               FIELD(endpoint_view, target_ns),
                                               FIELD(endpoint_view, target_name),
                                               FIELD(endpoint_view, target_uid),
                                               FIELD(endpoint_view, node),
                                               FIELD(endpoint_view, zone)};
static const struct layout endpoint_layout = LAYOUT(endpoint_view, endpoint_fields);

static const struct field slice_fields[] = {
    FIELD(slice_view, service), FIELD(slice_view, managed_by), FIELD(slice_view, address_type),
    LIST(slice_view, ports, port_count, port_layout),
    LIST(slice_view, endpoints, endpoint_count, endpoint_layout)};
static const struct layout slice_layout = LAYOUT(slice_view, slice_fields);

static const struct field set_fields[] = {FIELD(set_view, replicas),
                                          FIELD(set_view, start),
                                          FIELD(set_view, min_ready_s),
                                          FIELD(set_view, partition),
                                          FIELD(set_view, history_limit),
                                          FIELD(set_view, parallel),
                                          FIELD(set_view, on_delete),
                                          FIELD(set_view, has_rolling),
                                          FIELD(set_view, max_unavailable),
                                          FIELD(set_view, when_deleted_delete),
                                          FIELD(set_view, when_scaled_delete),
                                          FIELD(set_view, service_name),
                                          FIELD(set_view, selector),
                                          TEXTS(set_view, claim_templates, claim_template_count),
                                          FIELD(set_view, observed_generation),
                                          FIELD(set_view, st_replicas),
                                          FIELD(set_view, st_ready),
                                          FIELD(set_view, st_available),
                                          FIELD(set_view, st_current),
                                          FIELD(set_view, st_updated),
                                          FIELD(set_view, st_collisions),
                                          FIELD(set_view, current_revision),
                                          FIELD(set_view, update_revision),
                                          FIELD(set_view, replace_stuck)};
static const struct layout set_layout = LAYOUT(set_view, set_fields);

static const struct field replicaset_fields[] = {
    FIELD(replicaset_view, replicas),     FIELD(replicaset_view, min_ready_s),
    FIELD(replicaset_view, selector),     FIELD(replicaset_view, observed_generation),
    FIELD(replicaset_view, st_replicas),  FIELD(replicaset_view, st_ready),
    FIELD(replicaset_view, st_available), FIELD(replicaset_view, st_labeled),
    FIELD(replicaset_view, st_failing)};
static const struct layout replicaset_layout = LAYOUT(replicaset_view, replicaset_fields);

static const struct field claim_fields[] = {FIELD(claim_view, phase),
                                            FIELD(claim_view, volume_name),
                                            FIELD(claim_view, has_class),
                                            FIELD(claim_view, class_name),
                                            FIELD(claim_view, access_modes),
                                            FIELD(claim_view, request_bytes),
                                            FIELD(claim_view, capacity_bytes),
                                            FIELD(claim_view, volume_mode),
                                            FIELD(claim_view, attributes_class),
                                            FIELD(claim_view, selected_node),
                                            FIELD(claim_view, bind_completed),
                                            FIELD(claim_view, selector)};
static const struct layout claim_layout = LAYOUT(claim_view, claim_fields);

static const struct field volume_fields[] = {FIELD(volume_view, phase),
                                             FIELD(volume_view, class_name),
                                             FIELD(volume_view, access_modes),
                                             FIELD(volume_view, capacity_bytes),
                                             FIELD(volume_view, volume_mode),
                                             FIELD(volume_view, attributes_class),
                                             FIELD(volume_view, reclaim_policy),
                                             FIELD(volume_view, claim_ns),
                                             FIELD(volume_view, claim_name),
                                             FIELD(volume_view, claim_uid),
                                             FIELD(volume_view, bound_by_controller),
                                             FIELD(volume_view, provisioned_by),
                                             FIELD(volume_view, has_affinity),
                                             FIELD(volume_view, path)};
static const struct layout volume_layout = LAYOUT(volume_view, volume_fields);

static const struct field class_fields[] = {
    FIELD(class_view, provisioner), FIELD(class_view, reclaim_policy),
    FIELD(class_view, wait_for_consumer), FIELD(class_view, is_default),
    FIELD(class_view, allow_expansion)};
static const struct layout class_layout = LAYOUT(class_view, class_fields);

static const struct field node_fields[] = {
    FIELD(node_view, unschedulable), FIELD(node_view, has_ready),
    FIELD(node_view, ready_status),  FIELD(node_view, has_noexec),
    FIELD(node_view, has_nosched),   FIELD(node_view, out_of_service),
    FIELD(node_view, internal_ip),   TEXTS(node_view, pod_cidrs, pod_cidr_count)};
static const struct layout node_layout = LAYOUT(node_view, node_fields);

static const struct field namespace_fields[] = {FIELD(namespace_view, terminating)};
static const struct layout namespace_layout = LAYOUT(namespace_view, namespace_fields);

static const struct field revision_fields[] = {FIELD(revision_view, revision),
                                               FIELD(revision_view, data)};
static const struct layout revision_layout = LAYOUT(revision_view, revision_fields);

static const struct field identity_fields[] = {FIELD(identity_view, epoch),
                                               FIELD(identity_view, pod_uid),
                                               FIELD(identity_view, node),
                                               TEXTS(identity_view, addresses, address_count),
                                               TEXTS(identity_view, fenced_uids, fenced_count),
                                               PARALLEL(identity_view, fenced_nodes, fenced_count)};
static const struct layout identity_layout = LAYOUT(identity_view, identity_fields);

static const struct field lease_fields[] = {FIELD(lease_view, holder), FIELD(lease_view, renew_us)};
static const struct layout lease_layout = LAYOUT(lease_view, lease_fields);

static const struct layout *const view_layouts[KIND_COUNT] = {
    [KIND_NAMESPACE] = &namespace_layout,
    [KIND_NODE] = &node_layout,
    [KIND_POD] = &pod_layout,
    [KIND_SERVICE] = &service_layout,
    [KIND_PVC] = &claim_layout,
    [KIND_PV] = &volume_layout,
    [KIND_STATEFULSET] = &set_layout,
    [KIND_REPLICASET] = &replicaset_layout,
    [KIND_REVISION] = &revision_layout,
    [KIND_SLICE] = &slice_layout,
    [KIND_STORAGECLASS] = &class_layout,
    [KIND_LEASE] = &lease_layout,
    [KIND_IDENTITY] = &identity_layout,
};

const struct layout *view_layout(enum kind_id kind)
{
    return view_layouts[kind];
}

/* ---- version: what the tables look like ---- */

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables */
static void describe(const struct layout *layout, struct buf_out *out)
{
    buf_printf(out, "%s %zu(", layout->name, layout->size);
    for (size_t i = 0; i < layout->count; i++) {
        const struct field *f = &layout->fields[i];
        buf_printf(out, "%s %d %zu %zu,", f->name, (int)f->type, f->at, f->count_at);
        if (f->item)
            describe(f->item, out);
    }
    buf_putc(out, ')');
}

static uint32_t compute_version(const struct kind *kind)
{
    struct buf_out text;
    buf_out_init(&text);
    buf_printf(&text, "%u ", MEANING);
    for (size_t i = 0; i < PACK_COMMON_COUNT; i++)
        buf_printf(&text, "%s ", pack_common(i));
    describe(&object_layout, &text);
    if (view_layout(kind->id))
        describe(view_layout(kind->id), &text);
    uint32_t version = crc32_of(text.data, text.len);
    buf_out_fini(&text);
    return version ? version : 1;
}

uint32_t view_fields_version(const struct kind *kind)
{
    static uint32_t known[KIND_COUNT];
    if (known[kind->id] == 0)
        known[kind->id] = compute_version(kind);
    return known[kind->id];
}
