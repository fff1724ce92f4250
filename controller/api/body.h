/* controller/api/body.h - request bodies as trees: JSON, YAML, protobuf, and the patch types
 * (api.md A1, A2, A26-A28). Pure. */
#pragma once

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "base/arena.h"
#include "base/err.h"
#include "controller/api/http_parse.h"

enum body_form { BODY_OBJECT, BODY_JSON_PATCH, BODY_MERGE_PATCH, BODY_STRATEGIC_PATCH };

/* Paths of names that occurred twice in an object of a JSON body; the last one counted. The texts
 * live in the arena; those of long paths are cut, and more than BODY_TWICE_MAX are not kept. */
#define BODY_TWICE_MAX 16
struct body_twice {
    struct arena *arena;
    size_t count;
    const char *path[BODY_TWICE_MAX];
};

/* *out: owned tree, NULL when there is no body. Without a Content-Type a body is JSON; a patch must
 * name its type. twice is filled anew; NULL: such a body is malformed, as one in YAML always is.
 * ERR_UNSUPPORTED (415), ERR_MALFORMED. */
int body_read(const struct http_request *req, bool is_patch, struct body_twice *twice,
              enum body_form *form, cJSON **out, struct err *e);
