#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/store/object.h"
#include "controller/store/selector.h"
#include "controller/store/selector_build.h"
#include "controller/store/view.h"

/* ---- which fields there are (api.md section 4) ---- */

struct field {
    enum kind_id kind; /* KIND_COUNT: every kind */
    const char *name;
    const char *path[3]; /* where the tree has it; the field's own parts when not given */
};

static const struct field fields[] = {
    {KIND_COUNT, "metadata.name", {"metadata", "name"}},
    {KIND_COUNT, "metadata.namespace", {"metadata", "namespace"}},
    {KIND_POD, "spec.nodeName", {"spec", "nodeName"}},
    {KIND_POD, "spec.restartPolicy", {"spec", "restartPolicy"}},
    {KIND_POD, "spec.schedulerName", {"spec", "schedulerName"}},
    {KIND_POD, "spec.serviceAccountName", {"spec", "serviceAccountName"}},
    {KIND_POD, "spec.hostNetwork", {"spec", "hostNetwork"}},
    {KIND_POD, "status.phase", {"status", "phase"}},
    {KIND_POD, "status.podIP", {"status", "podIP"}},
    {KIND_POD, "status.podIPs", {"status", "podIPs"}},
    {KIND_POD, "status.nominatedNodeName", {"status", "nominatedNodeName"}},
    {KIND_NODE, "spec.unschedulable", {"spec", "unschedulable"}},
    {KIND_NAMESPACE, "status.phase", {"status", "phase"}},
    {KIND_SERVICE, "spec.clusterIP", {"spec", "clusterIP"}},
    {KIND_SERVICE, "spec.type", {"spec", "type"}},
    {KIND_EVENT, "involvedObject.kind", {"involvedObject", "kind"}},
    {KIND_EVENT, "involvedObject.namespace", {"involvedObject", "namespace"}},
    {KIND_EVENT, "involvedObject.name", {"involvedObject", "name"}},
    {KIND_EVENT, "involvedObject.uid", {"involvedObject", "uid"}},
    {KIND_EVENT, "involvedObject.apiVersion", {"involvedObject", "apiVersion"}},
    {KIND_EVENT, "involvedObject.resourceVersion", {"involvedObject", "resourceVersion"}},
    {KIND_EVENT, "involvedObject.fieldPath", {"involvedObject", "fieldPath"}},
    {KIND_EVENT, "reason", {"reason"}},
    {KIND_EVENT, "reportingComponent", {"reportingComponent"}},
    {KIND_EVENT, "source", {"source", "component"}},
    {KIND_EVENT, "type", {"type"}},
    {KIND_REPLICASET, "status.replicas", {"status", "replicas"}},
};

static const struct field *find_field(enum kind_id kind, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if ((fields[i].kind == KIND_COUNT || fields[i].kind == kind) &&
            !strcmp(fields[i].name, name))
            return &fields[i];
    return NULL;
}

/* ---- parsing ---- */

/* One side of a term, up to a separator, with \\, \= and \, taken literally. */
static const char *read_side(const char *at, const char *stop, char *out, size_t *len)
{
    *len = 0;
    while (*at && !strchr(stop, *at)) {
        if (*at == '\\' && at[1] && strchr("\\=,", at[1]))
            at++;
        out[(*len)++] = *at++;
    }
    out[*len] = '\0';
    return at;
}

/* "name=value", "name==value" or "name!=value" at *at; moves past it. room holds both sides. */
static int parse_term(const struct kind *kind, const char **at, char *room,
                      struct selector_build *b, struct err *e)
{
    const char *start = *at;
    size_t len;
    const char *p = read_side(start, "=!,", room, &len);
    enum selector_op op = *p == '!' ? SELECT_NOT_IN : SELECT_IN;
    if (*p == '!')
        p++;
    if (*p != '=')
        return err_set(e, ERR_MALFORMED, "invalid selector: '%.200s'; can't understand '%.*s'",
                       start, (int)strcspn(start, ","), start);
    p++;
    if (op == SELECT_IN && *p == '=')
        p++;
    if (!find_field(kind->id, room))
        return err_set(e, ERR_MALFORMED, "field label not supported: %.200s", room);
    char *value = room + len + 1;
    p = read_side(p, "=!,", value, &len);
    if (*p && *p != ',')
        return err_set(e, ERR_MALFORMED, "invalid selector: '%.200s'; can't understand '%.*s'",
                       start, (int)strcspn(start, ","), start);
    selector_build_value(b, value, len);
    selector_build_term(b, room, op);
    *at = p;
    return 0;
}

int field_selector_parse(const struct kind *kind, const char *text, struct selector *out,
                         struct err *e)
{
    struct selector_build b;
    selector_build_init(&b);
    char *room = arena_alloc(&b.arena, strlen(text) + 2);
    int rc = 0;
    for (const char *at = text; rc == 0 && *at;) {
        if (*at == ',')
            at++;
        else
            rc = parse_term(kind, &at, room, &b, e);
    }
    if (rc == 0)
        selector_build_finish(&b, out);
    selector_build_fini(&b);
    return rc;
}

/* ---- matching ---- */

/* A scalar as the text it is compared with; absent booleans are false, other absent fields are
 * empty. */
static const char *scalar_text(const cJSON *item, bool is_bool, char room[32])
{
    int64_t value;
    if (cJSON_IsString(item))
        return item->valuestring;
    if (is_bool)
        return cJSON_IsTrue(item) ? "true" : "false";
    if (!json_is_int(item, &value))
        return "";
    (void)snprintf(room, 32, "%lld", (long long)value);
    return room;
}

/* status.podIPs: equal when one of the addresses is. */
static bool ips_match(const struct selector_term *term, const struct object *obj)
{
    const struct pod_view *pod = pod_view(obj);
    bool found = pod->ip_count == 0 && !*term->values[0];
    for (size_t i = 0; i < pod->ip_count; i++)
        found = found || !strcmp(pod->ips[i], term->values[0]);
    return term->op == SELECT_IN ? found : !found;
}

/* Fields that need no tree; NULL: read the tree. */
static const char *quick_value(const struct field *field, const struct object *obj)
{
    if (!strcmp(field->name, "metadata.name"))
        return obj->name;
    if (!strcmp(field->name, "metadata.namespace"))
        return obj->ns;
    if (obj->kind->id == KIND_POD && !strcmp(field->name, "spec.nodeName"))
        return pod_view(obj)->node;
    if (obj->kind->id == KIND_POD && !strcmp(field->name, "spec.schedulerName"))
        return pod_view(obj)->scheduler;
    return NULL;
}

static bool is_bool_field(const struct field *field)
{
    return !strcmp(field->name, "spec.hostNetwork") || !strcmp(field->name, "spec.unschedulable");
}

static const char *tree_value(const struct field *field, const cJSON *tree, char room[32])
{
    const cJSON *item = tree;
    for (size_t i = 0; i < ARRAY_SIZE(field->path) && field->path[i]; i++)
        item = json_get(item, field->path[i]);
    const char *text = scalar_text(item, is_bool_field(field), room);
    if (!*text && !strcmp(field->name, "source"))
        return json_str(tree, "reportingComponent", "");
    if (!item && !strcmp(field->name, "status.replicas"))
        return "0";
    return text;
}

/* JSON writes it as it is, and no absent field or number is meant by it. */
static bool is_plain(const char *value)
{
    size_t len = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");
    return value[len] == '\0' && value[strspn(value, "0123456789-.")] != '\0';
}

/* False when a value that is asked for stands nowhere in the text: this costs a hundredth of
 * reading the tree, and among many events of others it is the rule. */
static bool has_values(const struct selector *s, const struct object *obj)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct selector_term *term = &s->terms[i];
        const struct field *field = find_field(obj->kind->id, term->key);
        if (field && !quick_value(field, obj) && !is_bool_field(field) && term->op == SELECT_IN &&
            term->value_count == 1 && is_plain(term->values[0]) &&
            !memmem(obj->text, obj->text_len, term->values[0], strlen(term->values[0])))
            return false;
    }
    return true;
}

bool field_selector_matches(const struct selector *s, const struct object *obj)
{
    cJSON *tree = NULL;
    bool matches = !s->matches_nothing && has_values(s, obj);
    for (size_t i = 0; matches && i < s->count; i++) {
        const struct selector_term *term = &s->terms[i];
        const struct field *field = find_field(obj->kind->id, term->key);
        char room[32];
        if (!field)
            matches = false;
        else if (!strcmp(field->name, "status.podIPs"))
            matches = ips_match(term, obj);
        else {
            const char *value = quick_value(field, obj);
            if (!value) {
                tree = tree ? tree : object_tree(obj);
                value = tree_value(field, tree, room);
            }
            matches = selector_term_matches(term, value);
        }
    }
    cJSON_Delete(tree);
    return matches;
}

const char *field_selector_exact(const struct selector *s, const char *field)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->terms[i].op == SELECT_IN && s->terms[i].value_count == 1 &&
            !strcmp(s->terms[i].key, field))
            return s->terms[i].values[0];
    return NULL;
}
