#include "controller/registry/strategy.h"

#include "base/check.h"

static const struct strategy rows[KIND_COUNT] = {
    [KIND_NAMESPACE] = {.name_error = dns_label_error,
                        .defaults = namespace_defaults,
                        .prepare = namespace_prepare},
    [KIND_NODE] = {.name_error = dns_subdomain_error,
                   .defaults = node_defaults,
                   .validate = node_validate},
    [KIND_POD] = {.name_error = dns_subdomain_error,
                  .defaults = pod_defaults,
                  .prepare = pod_prepare,
                  .validate = pod_validate,
                  .prepare_status = pod_prepare_status,
                  .validate_status = pod_validate_status,
                  .admit = pod_admit},
    [KIND_SERVICE] = {.name_error = dns_label_error,
                      .defaults = service_defaults,
                      .prepare = service_prepare,
                      .validate = service_validate,
                      .admit = service_admit},
    [KIND_PVC] = {.name_error = dns_subdomain_error,
                  .defaults = claim_defaults,
                  .prepare = claim_prepare,
                  .validate = claim_validate},
    [KIND_PV] = {.name_error = dns_subdomain_error,
                 .defaults = volume_defaults,
                 .prepare = volume_prepare,
                 .validate = volume_validate},
    [KIND_CONFIGMAP] = {.name_error = dns_subdomain_error, .validate = configmap_validate},
    [KIND_EVENT] = {.name_error = dns_subdomain_error, .validate = event_validate},
    [KIND_STATEFULSET] = {.name_error = dns_label_error,
                          .defaults = set_defaults,
                          .prepare = set_prepare,
                          .validate = set_validate,
                          .validate_status = set_validate_status},
    [KIND_REPLICASET] = {.name_error = dns_subdomain_error,
                         .defaults = replicaset_defaults,
                         .prepare = replicaset_prepare,
                         .validate = replicaset_validate,
                         .validate_status = replicaset_validate_status},
    [KIND_REVISION] = {.name_error = dns_subdomain_error, .validate = revision_validate},
    [KIND_SLICE] = {.name_error = dns_subdomain_error,
                    .defaults = slice_defaults,
                    .validate = slice_validate},
    [KIND_STORAGECLASS] = {.name_error = dns_subdomain_error,
                           .defaults = class_defaults,
                           .validate = class_validate},
    [KIND_LEASE] = {.name_error = dns_subdomain_error, .validate = lease_validate},
    [KIND_IDENTITY] = {.name_error = dns_subdomain_error},
};

const struct strategy *strategy_get(enum kind_id kind)
{
    CHECK(kind < KIND_COUNT);
    return &rows[kind];
}
