#include "controller/registry/validate.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"
#include "controller/store/view.h"

/* ---- paths ---- */

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the code nests AT() */
static void path_append(const struct path *path, struct buf_out *out)
{
    if (path->up)
        path_append(path->up, out);
    if (!path->name)
        buf_printf(out, "[%zu]", path->index);
    else if (path->is_key)
        buf_printf(out, "[%s]", path->name);
    else
        buf_printf(out, "%s%s", path->up ? "." : "", path->name);
}

void path_print(const struct path *path, char out[PATH_TEXT_MAX])
{
    struct buf_out buf;
    buf_out_init(&buf);
    path_append(path, &buf);
    (void)snprintf(out, PATH_TEXT_MAX, "%s", buf.data);
    buf_out_fini(&buf);
}

/* ---- issues ---- */

static void issue(struct issues *is, enum err_cause_kind kind, const struct path *path,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

static void issue(struct issues *is, enum err_cause_kind kind, const struct path *path,
                  const char *format, ...)
{
    is->count++;
    if (!is->e)
        return;
    char field[PATH_TEXT_MAX];
    path_print(path, field);
    struct buf_out text;
    buf_out_init(&text);
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    err_cause(is->e, kind, field, "%s", text.data);
    buf_out_fini(&text);
}

void issue_required(struct issues *is, const struct path *path, const char *detail)
{
    issue(is, CAUSE_REQUIRED, path, "Required value%s%s", *detail ? ": " : "", detail);
}

void issue_invalid(struct issues *is, const struct path *path, const char *value,
                   const char *detail)
{
    struct buf_out quoted;
    buf_out_init(&quoted);
    buf_put_json(&quoted, value);
    issue(is, CAUSE_INVALID, path, "Invalid value: %s%s%s", quoted.data, *detail ? ": " : "",
          detail);
    buf_out_fini(&quoted);
}

void issue_invalid_int(struct issues *is, const struct path *path, int64_t value,
                       const char *detail)
{
    issue(is, CAUSE_INVALID, path, "Invalid value: %lld: %s", (long long)value, detail);
}

void issue_invalid_json(struct issues *is, const struct path *path, const cJSON *value,
                        const char *detail)
{
    char *text = value ? json_print(value, NULL) : xstrdup("null");
    issue(is, CAUSE_INVALID, path, "Invalid value: %s: %s", text, detail);
    free(text);
}

void issue_forbidden(struct issues *is, const struct path *path, const char *detail)
{
    issue(is, CAUSE_FORBIDDEN, path, "Forbidden: %s", detail);
}

static void issue_quoted(struct issues *is, enum err_cause_kind kind, const struct path *path,
                         const char *what, const char *value)
{
    struct buf_out quoted;
    buf_out_init(&quoted);
    buf_put_json(&quoted, value);
    issue(is, kind, path, "%s: %s", what, quoted.data);
    buf_out_fini(&quoted);
}

void issue_duplicate(struct issues *is, const struct path *path, const char *value)
{
    issue_quoted(is, CAUSE_DUPLICATE, path, "Duplicate value", value);
}

void issue_not_found(struct issues *is, const struct path *path, const char *value)
{
    issue_quoted(is, CAUSE_INVALID, path, "Not found", value);
}

void issue_unsupported(struct issues *is, const struct path *path, const char *value,
                       const char *const *allowed)
{
    struct buf_out text;
    buf_out_init(&text);
    buf_put_json(&text, value);
    buf_puts(&text, ": supported values: ");
    for (size_t i = 0; allowed[i]; i++) {
        buf_puts(&text, i ? ", " : "");
        buf_put_json(&text, allowed[i]);
    }
    issue(is, CAUSE_NOT_SUPPORTED, path, "Unsupported value: %s", text.data);
    buf_out_fini(&text);
}

void issue_too_long(struct issues *is, const struct path *path, size_t max_bytes)
{
    issue(is, CAUSE_TOO_LONG, path, "Too long: may not be more than %zu bytes", max_bytes);
}

void issue_too_many(struct issues *is, const struct path *path, size_t count, size_t max)
{
    issue(is, CAUSE_INVALID, path, "Too many: %zu: must have at most %zu items", count, max);
}

/* ---- texts ---- */

#define LABEL_MAX     63
#define SUBDOMAIN_MAX 253
#define TOO_LONG_63   "must be no more than 63 characters"
#define SUBDOMAIN_RULE                                                                             \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "  \
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define NAME_RULE                                                                                  \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "    \
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "         \
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* One label of len > 0 bytes: lower case alphanumerics and inner hyphens. */
static bool is_label(const char *text, size_t len)
{
    if (len == 0 || text[0] == '-' || text[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_lower_alnum(text[i]) && text[i] != '-')
            return false;
    return true;
}

const char *dns_label_error(const char *text)
{
    size_t len = strlen(text);
    if (len > LABEL_MAX)
        return TOO_LONG_63;
    if (!is_label(text, len))
        return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
               "'-', and must "
               "start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
               "used for "
               "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
    return NULL;
}

static bool is_subdomain(const char *text, size_t len)
{
    const char *end = text + len;
    for (;;) {
        const char *dot = memchr(text, '.', (size_t)(end - text));
        if (!is_label(text, (size_t)((dot ? dot : end) - text)))
            return false;
        if (!dot)
            return true;
        text = dot + 1;
    }
}

const char *dns_subdomain_error(const char *text)
{
    size_t len = strlen(text);
    if (len > SUBDOMAIN_MAX)
        return "must be no more than 253 characters";
    return is_subdomain(text, len) ? NULL : SUBDOMAIN_RULE;
}

const char *path_segment_error(const char *text)
{
    if (strcmp(text, ".") == 0)
        return "may not be '.'";
    if (strcmp(text, "..") == 0)
        return "may not be '..'";
    if (strchr(text, '/'))
        return "may not contain '/'";
    return strchr(text, '%') ? "may not contain '%'" : NULL;
}

const char *port_name_error(const char *text)
{
    size_t len = strlen(text);
    bool has_letter = false;
    if (len > 15)
        return "must be no more than 15 characters";
    for (size_t i = 0; i < len; i++) {
        if (!is_lower_alnum(text[i]) && text[i] != '-')
            return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
        has_letter = has_letter || (text[i] >= 'a' && text[i] <= 'z');
    }
    if (!has_letter)
        return "must contain at least one letter (a-z)";
    if (strstr(text, "--"))
        return "must not contain consecutive hyphens";
    if (text[0] == '-' || text[len - 1] == '-')
        return "must not begin or end with a hyphen";
    return NULL;
}

/* Alphanumerics at both ends; '-', '_' and '.' inside. */
static bool is_name_part(const char *text, size_t len)
{
    if (len == 0 || !is_alnum(text[0]) || !is_alnum(text[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_alnum(text[i]) && text[i] != '-' && text[i] != '_' && text[i] != '.')
            return false;
    return true;
}

const char *label_value_error(const char *text)
{
    size_t len = strlen(text);
    if (len > LABEL_MAX)
        return TOO_LONG_63;
    if (len > 0 && !is_name_part(text, len))
        return "a valid label must be an empty string or consist of alphanumeric characters, '-', "
               "'_' or '.', and "
               "must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value', "
               " or '12345', "
               "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    return NULL;
}

const char *qualified_name_error(const char *text)
{
    const char *slash = strchr(text, '/');
    const char *name = slash ? slash + 1 : text;
    if (slash && strchr(name, '/'))
        return "a qualified name " NAME_RULE
               " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
    if (slash == text)
        return "prefix part must be non-empty";
    if (slash && (slash - text) > SUBDOMAIN_MAX)
        return "prefix part must be no more than 253 characters";
    if (slash && !is_subdomain(text, (size_t)(slash - text)))
        return "prefix part " SUBDOMAIN_RULE;
    if (*name == '\0')
        return "name part must be non-empty";
    if (strlen(name) > LABEL_MAX)
        return "name part " TOO_LONG_63;
    return is_name_part(name, strlen(name)) ? NULL : "name part " NAME_RULE;
}

bool text_is_one_of(const char *text, const char *const *allowed)
{
    for (; *allowed; allowed++)
        if (strcmp(text, *allowed) == 0)
            return true;
    return false;
}

/* ---- addresses ---- */

int ip_family(const char *text)
{
    struct in6_addr addr;
    if (inet_pton(AF_INET, text, &addr) == 1)
        return 4;
    return inet_pton(AF_INET6, text, &addr) == 1 ? 6 : 0;
}

bool ip_canonical(const char *text, char out[IP_TEXT_MAX])
{
    struct in6_addr addr;
    int family = ip_family(text) == 4 ? AF_INET : AF_INET6;
    return inet_pton(family, text, &addr) == 1 && inet_ntop(family, &addr, out, IP_TEXT_MAX);
}

void check_ip(struct issues *is, const struct path *path, const char *text)
{
    if (ip_family(text) == 0)
        issue_invalid(is, path, text,
                      "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
}

/* ---- fields ---- */

const char must_be_port[] = "must be between 1 and 65535, inclusive";
const char must_be_non_negative[] = "must be greater than or equal to 0";

void check_port(struct issues *is, const struct path *path, const cJSON *value)
{
    int64_t port = 0;
    if (value && !json_is_int(value, &port))
        port = 0;
    if (port < 1 || port > 65535)
        issue_invalid_int(is, path, port, must_be_port);
}

void check_non_negative(struct issues *is, const struct path *path, const cJSON *value)
{
    int64_t n;
    if (value && json_is_int(value, &n) && n < 0)
        issue_invalid_int(is, path, n, must_be_non_negative);
}

void check_enum(struct issues *is, const struct path *base, const cJSON *obj, const char *name,
                const char *const *allowed, bool required)
{
    const char *value = json_str(obj, name, NULL);
    if (!value || *value == '\0') {
        if (required)
            issue_required(is, AT(base, name), "");
    } else if (!text_is_one_of(value, allowed)) {
        issue_unsupported(is, AT(base, name), value, allowed);
    }
}

void check_labels(struct issues *is, const struct path *path, const cJSON *labels)
{
    for (const cJSON *it = labels ? labels->child : NULL; it; it = it->next) {
        const char *error = qualified_name_error(it->string);
        if (error)
            issue_invalid(is, path, it->string, error);
        error = cJSON_IsString(it) ? label_value_error(it->valuestring) : NULL;
        if (error)
            issue_invalid(is, path, it->valuestring, error);
    }
}

#define ANNOTATIONS_MAX_BYTES ((size_t)256 * 1024)

/* As a label key, but the prefix may be in upper case. */
static const char *annotation_key_error(const char *key)
{
    char lower[SUBDOMAIN_MAX + LABEL_MAX + 3];
    size_t i = 0;
    for (; key[i] && i < sizeof(lower) - 1; i++)
        lower[i] = (char)tolower((unsigned char)key[i]);
    lower[i] = '\0';
    return qualified_name_error(lower);
}

void check_annotations(struct issues *is, const struct path *path, const cJSON *annotations)
{
    size_t bytes = 0;
    for (const cJSON *it = annotations ? annotations->child : NULL; it; it = it->next) {
        const char *error = annotation_key_error(it->string);
        bytes += strlen(it->string) + (cJSON_IsString(it) ? strlen(it->valuestring) : 0);
        if (error)
            issue_invalid(is, path, it->string, error);
    }
    if (bytes > ANNOTATIONS_MAX_BYTES)
        issue_too_long(is, path, ANNOTATIONS_MAX_BYTES);
}

static void check_requirement(struct issues *is, const struct path *path, const cJSON *item)
{
    static const char *const set_ops[] = {"In", "NotIn", NULL};
    static const char *const bare_ops[] = {"Exists", "DoesNotExist", NULL};
    const char *op = json_str(item, "operator", ""), *key = json_str(item, "key", "");
    const cJSON *values = json_get(item, "values");
    if (text_is_one_of(op, set_ops)) {
        if (!values || !values->child)
            issue_required(is, AT(path, "values"),
                           "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (text_is_one_of(op, bare_ops)) {
        if (values && values->child)
            issue_forbidden(is, AT(path, "values"),
                            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else {
        issue_invalid(is, AT(path, "operator"), op, "not a valid selector operator");
    }
    const char *error = qualified_name_error(key);
    if (error)
        issue_invalid(is, AT(path, "key"), key, error);
    size_t i = 0;
    for (const cJSON *it = values ? values->child : NULL; it; it = it->next, i++) {
        error = cJSON_IsString(it) ? label_value_error(it->valuestring) : NULL;
        if (error)
            issue_invalid(is, AT_INDEX(AT(path, "values"), i), it->valuestring, error);
    }
}

void check_selector(struct issues *is, const struct path *path, const cJSON *selector)
{
    check_labels(is, AT(path, "matchLabels"), json_get(selector, "matchLabels"));
    const cJSON *list = json_get(selector, "matchExpressions");
    size_t i = 0;
    for (const cJSON *it = list ? list->child : NULL; it; it = it->next, i++)
        check_requirement(is, AT_INDEX(AT(path, "matchExpressions"), i), it);
}

void check_quantity(struct issues *is, const struct path *path, const cJSON *value, bool positive)
{
    int64_t n;
    char number[32];
    const char *text = cJSON_IsString(value) ? value->valuestring : number;
    if (!value)
        return;
    if (!cJSON_IsString(value))
        (void)snprintf(number, sizeof(number), "%.15g", value->valuedouble);
    if (!quantity_parse(text, &n))
        issue_invalid(is, path, text,
                      "quantities must match the regular expression "
                      "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    else if (positive && n <= 0)
        issue_invalid(is, path, text, "must be greater than zero");
    else if (n < 0)
        issue_invalid(is, path, text, must_be_non_negative);
}

bool json_same(const cJSON *a, const cJSON *b)
{
    return a == b || (a && b && json_equal(a, b));
}

void check_immutable(struct issues *is, const struct path *path, const cJSON *now, const cJSON *old)
{
    if (!json_same(now, old))
        issue_invalid_json(is, path, now, "field is immutable");
}
