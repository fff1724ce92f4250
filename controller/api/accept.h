/* controller/api/accept.h - which variant of a reply a client wants (api.md A3, A6).
 *
 * The Accept header is a list of preferences; those that cannot be served (protobuf, other
 * versions) are skipped. Pure. */
#pragma once

#include "base/err.h"

enum accept_variant {
    ACCEPT_JSON = 1,
    ACCEPT_TABLE = 2,        /* application/json;as=Table;v=v1;g=meta.k8s.io */
    ACCEPT_PARTIAL = 4,      /* ;as=PartialObjectMetadata or ...List */
    ACCEPT_DISCOVERY_V2 = 8, /* ;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList */
    ACCEPT_OPENAPI_PB = 16,  /* application/com.github.proto-openapi.spec.v2.v1.0+protobuf */
    ACCEPT_TEXT = 32         /* text/plain */
};

/* The best variant among `servable` (bits); header NULL or "" accepts anything: the lowest bit
 * then. 0 with *e ERR_NOT_ACCEPTABLE when there is none. */
unsigned accept_choose(const char *header, unsigned servable, struct err *e);
/* Content-Type that names the variant. */
const char *accept_content_type(enum accept_variant variant);
