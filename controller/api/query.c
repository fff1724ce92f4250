#include "controller/api/query.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"

__attribute__((format(printf, 4, 5))) static int invalid(struct err *e, enum err_cause_kind kind,
                                                         const char *field, const char *format, ...)
{
    struct err local = {0};
    struct err *at = e ? e : &local;
    char text[sizeof at->cause[0].text];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    at->causes = 0;
    err_cause(at, kind, field, "%s", text);
    return err_set(at, ERR_INVALID, "%s: %s", field, text);
}

/* As the API machinery converts a query value: present and neither "false" nor "0". */
static int set_bool(bool *out, const char *value)
{
    *out = strcasecmp(value, "false") != 0 && strcmp(value, "0") != 0;
    return 0;
}

static int set_int(int64_t *out, const char *name, const char *value, struct err *e)
{
    size_t len = strlen(value), digits = strspn(value + (*value == '-'), "0123456789");
    if (!digits || digits + (*value == '-') != len || digits > 18)
        return err_set(e, ERR_MALFORMED, "%s: Invalid value: \"%s\": must be an integer", name,
                       value);
    *out = strtoll(value, NULL, 10);
    return 0;
}

static int set_version(struct api_query *q, const char *value, struct err *e)
{
    if (!*value)
        return 0;
    if (strspn(value, "0123456789") != strlen(value) || strlen(value) > 19)
        return err_set(e, ERR_MALFORMED,
                       "resourceVersion: Invalid value: \"%s\": must be a decimal number", value);
    q->has_version = true;
    q->version = strtoull(value, NULL, 10);
    return 0;
}

static int set_match(struct api_query *q, const char *value, struct err *e)
{
    if (!*value)
        return 0;
    if (strcmp(value, "Exact") == 0)
        q->match = MATCH_EXACT;
    else if (strcmp(value, "NotOlderThan") == 0)
        q->match = MATCH_NOT_OLDER;
    else
        return invalid(
            e, CAUSE_NOT_SUPPORTED, "resourceVersionMatch",
            "Unsupported value: \"%.100s\": supported values: \"Exact\", \"NotOlderThan\", "
            "\"\"",
            value);
    return 0;
}

static int set_validation(struct api_query *q, const char *value, struct err *e)
{
    if (!*value || strcmp(value, "Warn") == 0)
        q->validation = VALIDATE_WARN;
    else if (strcmp(value, "Strict") == 0)
        q->validation = VALIDATE_STRICT;
    else if (strcmp(value, "Ignore") == 0)
        q->validation = VALIDATE_IGNORE;
    else
        return invalid(
            e, CAUSE_NOT_SUPPORTED, "fieldValidation",
            "Unsupported value: \"%.100s\": supported values: \"Ignore\", \"Strict\", \"Warn\"",
            value);
    return 0;
}

static int check_manager(const char *value, struct err *e)
{
    size_t count = 0;
    for (const unsigned char *at = (const unsigned char *)value; *at; at++) {
        if (*at < ' ' || *at == 0x7f)
            return invalid(e, CAUSE_INVALID, "fieldManager",
                           "Invalid value: \"%.100s\": should only contain printable characters",
                           value);
        count += (*at & 0xc0) != 0x80;
    }
    if (count > 128)
        return invalid(e, CAUSE_TOO_LONG, "fieldManager",
                       "Too long: may not be more than 128 bytes");
    return 0;
}

static int set_propagation(struct api_query *q, const char *value, struct err *e)
{
    if (strcmp(value, "Background") == 0)
        q->del.propagation = PROPAGATE_BACKGROUND;
    else if (strcmp(value, "Foreground") == 0)
        q->del.propagation = PROPAGATE_FOREGROUND;
    else if (strcmp(value, "Orphan") == 0)
        q->del.propagation = PROPAGATE_ORPHAN;
    else
        return invalid(e, CAUSE_NOT_SUPPORTED, "propagationPolicy",
                       "Unsupported value: \"%.100s\": supported values: \"Background\", "
                       "\"Foreground\", \"Orphan\", \"nil\"",
                       value);
    return 0;
}

static int set_include(struct api_query *q, const char *value, struct err *e)
{
    if (!*value || strcmp(value, "Metadata") == 0)
        q->include = INCLUDE_METADATA;
    else if (strcmp(value, "None") == 0)
        q->include = INCLUDE_NONE;
    else if (strcmp(value, "Object") == 0)
        q->include = INCLUDE_OBJECT;
    else
        return err_set(e, ERR_MALFORMED, "unrecognized includeObject value: \"%s\"", value);
    return 0;
}

static int set_delete_param(struct api_query *q, const char *name, const char *value, struct err *e)
{
    if (strcmp(name, "propagationPolicy") == 0)
        return set_propagation(q, value, e);
    if (strcmp(name, "gracePeriodSeconds") == 0) {
        q->del.has_grace = true; /* a negative one is taken for 1 s (R42) */
        return set_int(&q->del.grace_s, name, value, e);
    }
    if (strcmp(name, "orphanDependents") == 0) {
        bool orphan;
        int rc = set_bool(&orphan, value);
        q->del.propagation = orphan ? PROPAGATE_ORPHAN : PROPAGATE_BACKGROUND;
        return rc;
    }
    return 0;
}

static int set_list_param(struct api_query *q, const char *name, const char *value, struct err *e)
{
    if (strcmp(name, "labelSelector") == 0)
        q->labels = value;
    else if (strcmp(name, "fieldSelector") == 0)
        q->fields = value;
    else if (strcmp(name, "continue") == 0)
        q->token = value;
    else if (strcmp(name, "limit") == 0)
        return *value ? set_int(&q->limit, name, value, e) : 0;
    else if (strcmp(name, "watch") == 0)
        return set_bool(&q->watch, value);
    else if (strcmp(name, "resourceVersion") == 0)
        return set_version(q, value, e);
    else if (strcmp(name, "resourceVersionMatch") == 0)
        return set_match(q, value, e);
    else if (strcmp(name, "allowWatchBookmarks") == 0)
        return set_bool(&q->bookmarks, value);
    else if (strcmp(name, "timeoutSeconds") == 0)
        return *value ? set_int(&q->timeout_s, name, value, e) : 0;
    else if (strcmp(name, "includeObject") == 0)
        return set_include(q, value, e);
    else if (strcmp(name, "sendInitialEvents") == 0) {
        q->has_initial = true;
        return set_bool(&q->send_initial, value);
    }
    return 0;
}

static int set_param(struct api_query *q, const char *name, const char *value, struct err *e)
{
    if (strcmp(name, "dryRun") == 0) {
        if (strcmp(value, "All") != 0)
            return err_set(e, ERR_MALFORMED,
                           "dryRun: Unsupported value: \"%s\": supported values: \"All\"", value);
        q->dry_run = true;
        return 0;
    }
    if (strcmp(name, "fieldManager") == 0)
        return check_manager(value, e);
    if (strcmp(name, "fieldValidation") == 0)
        return set_validation(q, value, e);
    if (strcmp(name, "force") == 0) {
        q->has_force = true;
        return 0;
    }
    if (strcmp(name, "waitForDNS") == 0)
        return set_bool(&q->wait_for_dns, value);
    if (strcmp(name, "name") == 0)
        q->subject = value;
    else if (strcmp(name, "namespace") == 0)
        q->subject_ns = value;
    int rc = set_delete_param(q, name, value, e);
    return rc < 0 ? rc : set_list_param(q, name, value, e);
}

int api_query_parse(const char *text, struct arena *arena, struct api_query *out, struct err *e)
{
    *out = (struct api_query){
        .labels = "", .fields = "", .token = "", .subject = "", .subject_ns = ""};
    const char *seen[32];
    size_t seen_count = 0;
    while (*text) {
        size_t len = strcspn(text, "&");
        const char *equal = memchr(text, '=', len);
        size_t name_len = equal ? (size_t)(equal - text) : len;
        char *name = arena_alloc(arena, name_len + 1), *value = arena_alloc(arena, len + 1);
        if (!http_unescape(text, name_len, true, name) ||
            (equal && !http_unescape(equal + 1, len - name_len - 1, true, value)))
            return err_set(e, ERR_MALFORMED, "the query of the request is malformed");
        text += len;
        text += *text == '&';
        bool again = false; /* the first value of a parameter counts */
        for (size_t i = 0; i < seen_count; i++)
            again = again || strcmp(seen[i], name) == 0;
        if (again || !*name)
            continue;
        if (seen_count < ARRAY_SIZE(seen))
            seen[seen_count++] = name;
        int rc = set_param(out, name, value, e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int check_watch(const struct api_query *q, struct err *e)
{
    if (q->has_initial && q->match != MATCH_NOT_OLDER)
        return invalid(e, CAUSE_FORBIDDEN, "resourceVersionMatch",
                       "Forbidden: sendInitialEvents requires setting resourceVersionMatch to "
                       "NotOlderThan");
    if (!q->has_initial && q->match != MATCH_UNSET)
        return invalid(e, CAUSE_FORBIDDEN, "resourceVersionMatch",
                       "Forbidden: resourceVersionMatch is forbidden for watch unless "
                       "sendInitialEvents is provided");
    return 0;
}

int api_query_check_patch(const struct api_query *q, struct err *e)
{
    return q->has_force ? invalid(e, CAUSE_FORBIDDEN, "force",
                                  "Forbidden: may not be specified for non-apply patch")
                        : 0;
}

int api_query_check(const struct api_query *q, enum route_verb verb, struct err *e)
{
    if (verb == VERB_WATCH)
        return check_watch(q, e);
    if (verb != VERB_LIST && verb != VERB_DELETE_COLLECTION)
        return 0;
    if (q->has_initial)
        return invalid(e, CAUSE_FORBIDDEN, "sendInitialEvents",
                       "Forbidden: sendInitialEvents is forbidden for list");
    if (q->match != MATCH_UNSET && *q->token)
        return invalid(e, CAUSE_FORBIDDEN, "resourceVersionMatch",
                       "Forbidden: resourceVersionMatch is forbidden when continue is provided");
    if (q->match != MATCH_UNSET && !q->has_version)
        return invalid(e, CAUSE_FORBIDDEN, "resourceVersionMatch",
                       "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is "
                       "provided");
    if (q->match == MATCH_EXACT && q->version == 0)
        return invalid(e, CAUSE_FORBIDDEN, "resourceVersionMatch",
                       "Forbidden: resourceVersionMatch \"exact\" is forbidden for "
                       "resourceVersion \"0\"");
    if (*q->token && q->has_version && q->version != 0)
        return err_set(e, ERR_MALFORMED,
                       "specifying resource version is not allowed when using continue");
    return 0;
}
