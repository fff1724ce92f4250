/* controller/api/discovery.h - what this server serves, as clients ask for it (api.md section 2).
 *
 * Legacy documents and the aggregated form (v2), /version, and OpenAPI as far as kubectl needs it
 * (A12, A13). Written once from the tables of resource.h and kept. Control thread. */
#pragma once

#include "base/buf.h"
#include "controller/api/accept.h"
#include "controller/api/route.h"

#define API_VERSION_MINOR "33"

struct document {
    const char *text; /* borrowed, lives as long as the process */
    size_t len;
    const char *etag; /* quoted */
    const char *content_type;
};
/* The document of a discovery route in the variant the client accepts. 0, ERR_NOT_FOUND or
 * ERR_NOT_ACCEPTABLE. */
int discovery_find(const struct route *route, const char *accept, struct document *out,
                   struct err *e);
/* Frees the documents (for leak checkers; they are written anew when asked for). */
void discovery_reset(void);

/* controller/api/openapi.c: the v3 index and documents, minimal as A12 allows. */
void openapi_write_index(struct buf_out *out);
void openapi_write_group(struct buf_out *out, const char *group, const char *version);
/* The empty v2 document in protobuf (A13). */
void openapi_write_v2(struct buf_out *out);
