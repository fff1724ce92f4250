/* controller/api/protobuf.h - the protobuf bodies that kubectl 1.32 and later sends (api.md A2), as
 * JSON trees.
 *
 * Decodes Namespace, Service, ConfigMap, SelfSubjectAccessReview, SelfSubjectRulesReview and
 * SelfSubjectReview in the envelope "k8s\0". Fields that the tables do not know are skipped, as
 * protobuf wants it. Pure. */
#pragma once

#include <stddef.h>

#include <cjson/cJSON.h>

#include "base/err.h"

/* Owned tree, or NULL with ERR_MALFORMED, or ERR_UNSUPPORTED for a kind that is not decoded. */
cJSON *protobuf_decode(const void *bytes, size_t len, struct err *e);
