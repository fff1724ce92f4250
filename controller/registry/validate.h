/* controller/registry/validate.h - field checks with the wording of Kubernetes; private to the
 * registry.
 *
 * Issues are collected as causes of one struct err (422, api.md section 8). A path is a chain of
 * steps on the stack, printed only when something is wrong. Pure functions. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/err.h"

struct path {
    const struct path *up;
    const char *name; /* member; with is_key: key of a map, printed in brackets */
    size_t index;     /* list element when name is NULL */
    bool is_key;
};
#define AT(up_, name_)    (&(const struct path){.up = (up_), .name = (name_)})
#define AT_INDEX(up_, i_) (&(const struct path){.up = (up_), .index = (i_)})
#define AT_KEY(up_, key_) (&(const struct path){.up = (up_), .name = (key_), .is_key = true})
#define PATH_TEXT_MAX     160
void path_print(const struct path *path, char out[PATH_TEXT_MAX]);

struct issues {
    struct err *e; /* may be NULL */
    size_t count;
};

void issue_required(struct issues *is, const struct path *path,
                    const char *detail); /* detail may be "" */
void issue_invalid(struct issues *is, const struct path *path, const char *value,
                   const char *detail);
void issue_invalid_int(struct issues *is, const struct path *path, int64_t value,
                       const char *detail);
/* value printed as JSON (lists, objects); NULL prints null. */
void issue_invalid_json(struct issues *is, const struct path *path, const cJSON *value,
                        const char *detail);
void issue_forbidden(struct issues *is, const struct path *path, const char *detail);
void issue_not_found(struct issues *is, const struct path *path, const char *value);
void issue_duplicate(struct issues *is, const struct path *path, const char *value);
/* allowed ends with NULL. */
void issue_unsupported(struct issues *is, const struct path *path, const char *value,
                       const char *const *allowed);
void issue_too_long(struct issues *is, const struct path *path, size_t max_bytes);
void issue_too_many(struct issues *is, const struct path *path, size_t count, size_t max);

/* ---- texts: NULL when fine, else Kubernetes' sentence ---- */

const char *dns_label_error(const char *text);     /* RFC 1123 label, 63 */
const char *dns_subdomain_error(const char *text); /* RFC 1123 subdomain, 253 */
const char *path_segment_error(const char *text);
const char *port_name_error(const char *text); /* IANA_SVC_NAME */
const char *label_value_error(const char *text);
/* Key of a label, annotation or resource. The text may be put together: valid until the next call.
 */
const char *qualified_name_error(const char *text);

bool text_is_one_of(const char *text, const char *const *allowed);

/* ---- fields; each does nothing when the field is absent unless it says otherwise ---- */

extern const char must_be_port[], must_be_non_negative[];

void check_port(struct issues *is, const struct path *path,
                const cJSON *value); /* 1..65535; absent counts as 0 */
void check_non_negative(struct issues *is, const struct path *path, const cJSON *value);
/* String member of obj; required says that absent or "" is an issue. */
void check_enum(struct issues *is, const struct path *base, const cJSON *obj, const char *name,
                const char *const *allowed, bool required);
void check_labels(struct issues *is, const struct path *path, const cJSON *labels);
void check_annotations(struct issues *is, const struct path *path, const cJSON *annotations);
/* A LabelSelector; must_select: an empty one is an issue ("empty selector is invalid for ..."). */
void check_selector(struct issues *is, const struct path *path, const cJSON *selector);
/* A quantity >= 0 (> 0 when positive). */
void check_quantity(struct issues *is, const struct path *path, const cJSON *value, bool positive);
void check_ip(struct issues *is, const struct path *path, const char *text);
/* 4, 6 or 0. Strict: no leading zeros, no zone. */
int ip_family(const char *text);
/* Canonical text of an address (RFC 5952), or false. */
#define IP_TEXT_MAX 46
bool ip_canonical(const char *text, char out[IP_TEXT_MAX]);
/* "Field is immutable": old and new differ (either may be NULL). */
void check_immutable(struct issues *is, const struct path *path, const cJSON *now,
                     const cJSON *old);
/* Equal, an absent value being equal to an absent one only. */
bool json_same(const cJSON *a, const cJSON *b);
