/* controller/api/body.h - request bodies as trees: JSON, YAML, protobuf, and the patch types
 * (api.md A1, A2, A26-A28). Pure. */
#pragma once

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "base/err.h"
#include "controller/api/http_parse.h"

enum body_form { BODY_OBJECT, BODY_JSON_PATCH, BODY_MERGE_PATCH, BODY_STRATEGIC_PATCH };

/* *out: owned tree, NULL when there is no body. Without a Content-Type a body is JSON; a patch must
 * name its type. ERR_UNSUPPORTED (415), ERR_MALFORMED. */
int body_read(const struct http_request *req, bool is_patch, enum body_form *form, cJSON **out,
              struct err *e);
