/* controller/api/query.h - the query parameters of section 4 of api.md, parsed and checked once.
 *
 * Strings live in the arena. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "controller/api/route.h"
#include "controller/registry/registry.h"

enum version_match { MATCH_UNSET, MATCH_EXACT, MATCH_NOT_OLDER };
enum include_object { INCLUDE_METADATA, INCLUDE_NONE, INCLUDE_OBJECT };

struct api_query {
    const char *labels, *fields; /* selectors as text, "" = none */
    const char *token;           /* continue, "" = none */
    int64_t limit;               /* 0 = none */
    bool watch;
    bool has_version; /* resourceVersion was given and is not "" */
    uint64_t version;
    enum version_match match;
    bool has_initial, send_initial; /* sendInitialEvents */
    bool bookmarks;
    int64_t timeout_s; /* timeoutSeconds, 0 = none */
    bool dry_run;
    bool has_force; /* of apply patches only */
    enum field_validation validation;
    enum include_object include;
    bool wait_for_dns;
    const char *subject, *subject_ns; /* explain: name and namespace, "" = none */
    struct delete_opts del;           /* query form of DeleteOptions */
};
/* ERR_MALFORMED or ERR_INVALID with the parameter as field. Errors of all three functions are told
 * as those of an options object (api_reply_bad_query). */
int api_query_parse(const char *text, struct arena *arena, struct api_query *out, struct err *e);
/* Rules that need the verb (resourceVersionMatch, sendInitialEvents). */
int api_query_check(const struct api_query *q, enum route_verb verb, struct err *e);
/* What a patch that is no apply patch may not have. */
int api_query_check_patch(const struct api_query *q, struct err *e);
