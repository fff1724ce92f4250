#include "controller/registry/shape.h"

#include "base/buf.h"
#include "base/check.h"
#include "controller/registry/registry_internal.h"

struct findings {
    const struct verb *v;
    struct buf_out list; /* strict: "duplicate field \"a\", unknown field \"b\"" */
};

static void find(struct findings *f, const char *what, const char *path)
{
    if (f->v->validation == VALIDATE_STRICT)
        buf_printf(&f->list, "%s%s field \"%s\"", f->list.len ? ", " : "", what, path);
    else if (f->v->validation == VALIDATE_WARN)
        verb_warn(f->v, "%s field \"%s\"", what, path);
}

static void on_unknown(void *arg, const char *path)
{
    find(arg, "unknown", path);
}

static void findings_begin(struct findings *f, const struct verb *v)
{
    f->v = v;
    buf_out_init(&f->list);
    for (size_t i = 0; i < v->twice_count; i++)
        find(f, "duplicate", v->twice[i]);
}

static int findings_end(struct findings *f, const char *kind, const char *version, struct err *e)
{
    int rc = 0;
    if (f->list.len)
        rc = err_set(e, ERR_MALFORMED,
                     "%s in version \"%s\" cannot be handled as a %s: strict decoding error: %s",
                     kind, version, kind, f->list.data);
    buf_out_fini(&f->list);
    return rc;
}

static bool is_outsider(const struct verb *v)
{
    return v->role != ROLE_CONTROLLER && v->role != ROLE_SYSTEM;
}

int shape_check(const struct verb *v, const struct kind *kind, cJSON *obj, struct err *e)
{
    if (!is_outsider(v))
        return 0;
    int rc = schema_check_types(kind, obj, e);
    if (rc < 0)
        return rc;
    struct findings f;
    findings_begin(&f, v);
    schema_prune(kind, obj, on_unknown, &f);
    return findings_end(&f, kind->name, kind->version, e);
}

void shape_renew(const struct verb *v, const struct kind *kind, cJSON *obj)
{
    if (is_outsider(v))
        schema_prune(kind, obj, NULL, NULL);
}

int shape_check_body(const struct verb *v, enum schema_body body, const cJSON *tree, struct err *e)
{
    int rc = schema_check_body(body, tree, e);
    if (rc < 0 || !is_outsider(v))
        return rc;
    cJSON *copy = cJSON_Duplicate(tree, true); /* a verb may be run again on the same body */
    CHECK(copy);
    struct findings f;
    findings_begin(&f, v);
    schema_prune_body(body, copy, on_unknown, &f);
    cJSON_Delete(copy);
    return findings_end(&f, schema_body_name(body), "v1", e);
}
