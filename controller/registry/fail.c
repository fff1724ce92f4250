/* controller/registry/fail.c - the sentences of refusals, word for word as Kubernetes writes them
 * (api.md section 8). */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "controller/registry/registry_internal.h"

#define KIND_TEXT_MAX 96

static const char *resource_text(const struct kind *kind, char out[KIND_TEXT_MAX])
{
    (void)snprintf(out, KIND_TEXT_MAX, "%s%s%s", kind->resource, *kind->group ? "." : "",
                   kind->group);
    return out;
}

int fail_not_found(const struct kind *kind, const char *name, struct err *e)
{
    char what[KIND_TEXT_MAX];
    return err_set(e, ERR_NOT_FOUND, "%s \"%s\" not found", resource_text(kind, what), name);
}

int fail_exists(const struct kind *kind, const char *name, struct err *e)
{
    char what[KIND_TEXT_MAX];
    return err_set(e, ERR_EXISTS, "%s \"%s\" already exists", resource_text(kind, what), name);
}

int fail_conflict(const struct kind *kind, const char *name, const char *detail, struct err *e)
{
    char what[KIND_TEXT_MAX];
    return err_set(e, ERR_CONFLICT, "Operation cannot be fulfilled on %s \"%s\": %s",
                   resource_text(kind, what), name,
                   detail ? detail
                          : "the object has been modified; please apply your changes to the latest "
                            "version and try "
                            "again");
}

int fail_forbidden(const struct kind *kind, const char *name, const char *detail, struct err *e)
{
    char what[KIND_TEXT_MAX];
    return err_set(e, ERR_FORBIDDEN, "%s \"%s\" is forbidden: %s", resource_text(kind, what), name,
                   detail);
}

/* The same cause twice is said once, as upstream does. */
static bool said_before(const struct err *e, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(e->cause[k].field, e->cause[i].field) == 0 &&
            strcmp(e->cause[k].text, e->cause[i].text) == 0)
            return true;
    return false;
}

int fail_invalid_as(const char *kind_text, const char *name, struct err *e)
{
    if (!e)
        return ERR_INVALID;
    struct buf_out text;
    size_t said = 0;
    buf_out_init(&text);
    buf_puts(&text, "");
    for (size_t i = 0; i < e->causes; i++)
        if (!said_before(e, i))
            buf_printf(&text, "%s%s: %s", said++ ? ", " : "", e->cause[i].field, e->cause[i].text);
    int rc = err_set(e, ERR_INVALID,
                     said > 1 ? "%s \"%s\" is invalid: [%s]" : "%s \"%s\" is invalid: %s",
                     kind_text, name, text.data ? text.data : "");
    buf_out_fini(&text);
    return rc;
}

int fail_invalid(const struct kind *kind, const char *name, struct err *e)
{
    char what[KIND_TEXT_MAX];
    (void)snprintf(what, sizeof(what), "%s%s%s", kind->name, *kind->group ? "." : "", kind->group);
    return fail_invalid_as(what, name, e);
}

void verb_warn(const struct verb *v, const char *format, ...)
{
    if (!v->warn)
        return;
    struct buf_out text;
    buf_out_init(&text);
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    v->warn(v->warn_arg, text.data);
    buf_out_fini(&text);
}
