#include "controller/store/object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "controller/store/object_build.h"
#include "controller/store/object_text.h"
#include "controller/store/pack.h"
#include "controller/store/unconst.h"
#include "controller/store/view_build.h"

/* Longest parts of a key: a DNS label and a DNS subdomain. The index keys count on them (index.c).
 */
enum { NAMESPACE_MAX = 63, NAME_MAX_BYTES = 253 };

size_t object_key(const struct kind *kind, const char *ns, const char *name,
                  char out[OBJECT_KEY_MAX + 1])
{
    size_t res_len = strlen(kind->resource), ns_len = strlen(ns), name_len = strlen(name);
    size_t len = res_len + 1 + ns_len + 1 + name_len;
    if (ns_len > OBJECT_KEY_MAX || name_len > OBJECT_KEY_MAX || len > OBJECT_KEY_MAX)
        return 0;
    char *at = out;
    memcpy(at, kind->resource, res_len + 1);
    at += res_len;
    *at++ = '/';
    memcpy(at, ns, ns_len + 1);
    at += ns_len;
    *at++ = '/';
    memcpy(at, name, name_len + 1);
    return len;
}

/* ---- metadata ---- */

/* A member of metadata, with null counted as absent. */
static const cJSON *member(const cJSON *meta, const char *name)
{
    const cJSON *item = json_get(meta, name);
    return cJSON_IsNull(item) ? NULL : item;
}

static int text_member(const cJSON *meta, const char *name, const char **out, struct err *e)
{
    const cJSON *item = member(meta, name);
    *out = "";
    if (!item)
        return 0;
    if (!cJSON_IsString(item))
        return err_set(e, ERR_INVALID, "metadata.%s: must be a string", name);
    *out = item->valuestring;
    return 0;
}

static int time_member(const cJSON *meta, const char *name, int64_t *out, struct err *e)
{
    const char *text;
    *out = 0;
    int rc = text_member(meta, name, &text, e);
    if (rc < 0 || !*text)
        return rc;
    if (!clock_parse(text, out))
        return err_set(e, ERR_INVALID, "metadata.%s: must be a time as in RFC 3339", name);
    return 0;
}

static int int_member(const cJSON *meta, const char *name, int64_t absent, int64_t *out,
                      struct err *e)
{
    const cJSON *item = member(meta, name);
    *out = absent;
    if (!item)
        return 0;
    if (!json_is_int(item, out))
        return err_set(e, ERR_INVALID, "metadata.%s: must be an integer", name);
    return 0;
}

static int by_label_key(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

static int read_labels(struct pack *p, const cJSON *meta, struct object *obj, struct err *e)
{
    const cJSON *map = member(meta, "labels");
    if (!map)
        return 0;
    if (!cJSON_IsObject(map))
        return err_set(e, ERR_INVALID, "metadata.labels: must be a map of strings");
    size_t n = (size_t)cJSON_GetArraySize(map);
    if (n == 0)
        return 0;
    struct label *labels = pack_alloc(p, n * sizeof(*labels));
    const cJSON *item;
    cJSON_ArrayForEach(item, map)
    {
        if (!cJSON_IsString(item))
            return err_set(e, ERR_INVALID, "metadata.labels: must be a map of strings");
        labels[obj->label_count].key = pack_str(p, item->string);
        labels[obj->label_count++].value = pack_str(p, item->valuestring);
    }
    qsort(labels, n, sizeof(*labels), by_label_key);
    obj->labels = labels;
    return 0;
}

static int read_owners(struct pack *p, const cJSON *meta, struct object *obj, struct err *e)
{
    const cJSON *list = member(meta, "ownerReferences");
    if (!list)
        return 0;
    if (!cJSON_IsArray(list))
        return err_set(e, ERR_INVALID, "metadata.ownerReferences: must be a list");
    size_t n = (size_t)cJSON_GetArraySize(list);
    if (n == 0)
        return 0;
    struct owner_ref *owners = pack_alloc(p, n * sizeof(*owners));
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsObject(item))
            return err_set(e, ERR_INVALID, "metadata.ownerReferences: must be a list of objects");
        struct owner_ref *o = &owners[obj->owner_count++];
        o->api_version = pack_str(p, json_str(item, "apiVersion", ""));
        o->kind = pack_str(p, json_str(item, "kind", ""));
        o->name = pack_str(p, json_str(item, "name", ""));
        o->uid = pack_str(p, json_str(item, "uid", ""));
        o->controller = json_bool(item, "controller", false);
        o->block_owner_deletion = json_bool(item, "blockOwnerDeletion", false);
    }
    obj->owners = owners;
    return 0;
}

static int read_finalizers(struct pack *p, const cJSON *meta, struct object *obj, struct err *e)
{
    const cJSON *list = member(meta, "finalizers");
    if (!list)
        return 0;
    if (!cJSON_IsArray(list))
        return err_set(e, ERR_INVALID, "metadata.finalizers: must be a list of strings");
    size_t n = (size_t)cJSON_GetArraySize(list);
    if (n == 0)
        return 0;
    const char **finalizers = pack_alloc(p, n * sizeof(*finalizers));
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            return err_set(e, ERR_INVALID, "metadata.finalizers: must be a list of strings");
        finalizers[obj->finalizer_count++] = pack_str(p, item->valuestring);
    }
    obj->finalizers = finalizers;
    return 0;
}

static bool name_is_usable(const char *name)
{
    return *name && strlen(name) <= NAME_MAX_BYTES && !strchr(name, '/');
}

static bool namespace_is_usable(const struct kind *kind, const char *ns)
{
    return kind->namespaced ? *ns && strlen(ns) <= NAMESPACE_MAX && !strchr(ns, '/') : *ns == '\0';
}

bool object_name_from_key(struct object *obj)
{
    const char *slash = strrchr(obj->key, '/');
    char key[OBJECT_KEY_MAX + 1];
    if (!slash || !name_is_usable(slash + 1) || !namespace_is_usable(obj->kind, obj->ns))
        return false;
    obj->name = slash + 1;
    return object_key(obj->kind, obj->ns, obj->name, key) == obj->key_len &&
           !memcmp(key, obj->key, obj->key_len);
}

/* Key, namespace, name and uid. */
static int read_identity(struct pack *p, const cJSON *meta, struct object *obj, struct err *e)
{
    const char *name, *ns, *uid;
    int rc;
    if ((rc = text_member(meta, "name", &name, e)) < 0 ||
        (rc = text_member(meta, "namespace", &ns, e)) < 0 ||
        (rc = text_member(meta, "uid", &uid, e)) < 0)
        return rc;
    if (!name_is_usable(name))
        return err_set(e, ERR_INVALID, "metadata.name: must be 1 to %d characters without '/'",
                       NAME_MAX_BYTES);
    if (!namespace_is_usable(obj->kind, ns))
        return err_set(e, ERR_INVALID,
                       obj->kind->namespaced
                           ? "metadata.namespace: must be 1 to 63 characters without '/'"
                           : "metadata.namespace: the kind is not namespaced");
    if (!*uid || strlen(uid) >= sizeof(obj->uid))
        return err_set(e, ERR_INVALID, "metadata.uid: must be 1 to 36 characters");
    memcpy(obj->uid, uid, strlen(uid) + 1);
    char key[OBJECT_KEY_MAX + 1];
    obj->key_len = object_key(obj->kind, ns, name, key);
    CHECK(obj->key_len > 0);
    char *packed = pack_bytes(p, key, obj->key_len);
    obj->key = packed;
    obj->name = packed + obj->key_len - strlen(name);
    obj->ns = pack_str(p, ns);
    return 0;
}

static int read_metadata(struct pack *p, const cJSON *tree, struct object *obj, struct err *e)
{
    const cJSON *meta = json_get(tree, "metadata");
    if (!cJSON_IsObject(meta))
        return err_set(e, ERR_INVALID, "metadata: must be an object");
    int rc;
    if ((rc = read_identity(p, meta, obj, e)) < 0 || (rc = read_labels(p, meta, obj, e)) < 0 ||
        (rc = read_owners(p, meta, obj, e)) < 0 || (rc = read_finalizers(p, meta, obj, e)) < 0 ||
        (rc = time_member(meta, "creationTimestamp", &obj->created_us, e)) < 0 ||
        (rc = time_member(meta, "deletionTimestamp", &obj->deleted_us, e)) < 0 ||
        (rc = int_member(meta, "generation", 0, &obj->generation, e)) < 0)
        return rc;
    return int_member(meta, "deletionGracePeriodSeconds", -1, &obj->grace_s, e);
}

/* ---- text ---- */

/* What every text of a kind starts with: where metadata begins is then known without reading it. */
struct text_prefix {
    char text[256];
    size_t len;
};

static const struct text_prefix *text_prefix(const struct kind *kind)
{
    static struct text_prefix known[KIND_COUNT];
    struct text_prefix *prefix = &known[kind->id];
    if (prefix->len == 0) {
        int n = snprintf(prefix->text, sizeof(prefix->text),
                         "{\"apiVersion\":\"%s\",\"kind\":\"%s\",\"metadata\":{", kind->api_version,
                         kind->name);
        CHECK(n > 0 && (size_t)n < sizeof(prefix->text));
        prefix->len = (size_t)n;
    }
    return prefix;
}

bool object_text_fits(const struct kind *kind, const char *text, size_t len)
{
    const struct text_prefix *prefix = text_prefix(kind);
    return len > prefix->len && !memcmp(text, prefix->text, prefix->len);
}

void object_set_text(struct object *obj, char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    at[len] = '\0';
    obj->text = at;
    obj->text_len = len;
    obj->splice_at = text_prefix(obj->kind)->len;
}

/* Shallow copies of members, in a list of their own: the tree is borrowed and stays as it is. */
struct chain {
    cJSON *nodes;
    size_t count;
};

static cJSON *chain_add(struct chain *c, cJSON *parent, const cJSON *src)
{
    cJSON *node = &c->nodes[c->count++];
    *node = *src;
    node->next = node->prev = NULL;
    if (!parent->child) {
        parent->child = node;
    } else {
        cJSON *last = parent->child->prev ? parent->child->prev : parent->child;
        last->next = node;
        node->prev = last;
    }
    parent->child->prev = node;
    return node;
}

/* The tree in the order apiVersion, kind, metadata, rest, without metadata.resourceVersion. Owned
 * by the caller. */
static char *print_text(const struct kind *kind, const cJSON *tree, size_t *len)
{
    const cJSON *meta = json_get(tree, "metadata"), *item;
    size_t n = (size_t)cJSON_GetArraySize(tree) + (size_t)cJSON_GetArraySize(meta) + 2;
    struct chain c = {.nodes = xcalloc(n, sizeof(cJSON))};
    cJSON *api_version = cJSON_CreateString(kind->api_version),
          *name = cJSON_CreateString(kind->name);
    CHECK(api_version && name);
    char api_version_key[] = "apiVersion", kind_key[] = "kind";
    cJSON root = {.type = cJSON_Object};

    chain_add(&c, &root, api_version)->string = api_version_key;
    chain_add(&c, &root, name)->string = kind_key;
    cJSON *copy = chain_add(&c, &root, meta);
    copy->child = NULL;
    cJSON_ArrayForEach(item, meta)
    {
        if (strcmp(item->string, "resourceVersion") != 0)
            chain_add(&c, copy, item);
    }
    cJSON_ArrayForEach(item, tree)
    {
        if (item != meta && strcmp(item->string, api_version_key) != 0 &&
            strcmp(item->string, kind_key) != 0)
            chain_add(&c, &root, item);
    }
    char *text = json_print(&root, len);
    free(c.nodes);
    cJSON_Delete(api_version);
    cJSON_Delete(name);
    return text;
}

/* ---- building ---- */

static int build(struct pack *p, const struct kind *kind, const cJSON *tree, const char *text,
                 size_t text_len, struct object **out, struct err *e)
{
    struct object *obj = pack_alloc(p, sizeof(*obj));
    obj->refs = 1;
    obj->kind = kind;
    int rc = read_metadata(p, tree, obj, e);
    if (rc < 0)
        return rc;
    obj->view = view_build(p, tree, obj);
    object_set_text(obj, pack_room(p, text_len + 1), text, text_len);
    *out = obj;
    return 0;
}

static int build_twice(const struct kind *kind, const cJSON *tree, const char *text,
                       size_t text_len, struct object **out, struct err *e)
{
    struct arena scratch;
    arena_init(&scratch);
    struct pack p = {.scratch = &scratch};
    struct object *obj = NULL;
    int rc = build(&p, kind, tree, text, text_len, &obj, e);
    if (rc == 0)
        view_fini(obj);
    arena_fini(&scratch);
    if (rc < 0)
        return rc;

    size_t size = p.used;
    p = (struct pack){.block = xmalloc(size)};
    rc = build(&p, kind, tree, text, text_len, &obj, e);
    CHECK(rc == 0 && p.used == size);
    obj->bytes = size + view_bytes(obj);
    *out = obj;
    return 0;
}

int object_new(const struct kind *kind, const cJSON *tree, struct object **out, struct err *e)
{
    if (!cJSON_IsObject(tree) || !cJSON_IsObject(json_get(tree, "metadata")))
        return err_set(e, ERR_INVALID, "metadata: must be an object");
    size_t len;
    char *text = print_text(kind, tree, &len);
    int rc = build_twice(kind, tree, text, len, out, e);
    free(text);
    return rc;
}

int object_load(const struct kind *kind, const char *text, size_t len, uint64_t create_revision,
                uint64_t mod_revision, struct object **out, struct err *e)
{
    if (!object_text_fits(kind, text, len))
        return err_set(e, ERR_INVALID, "the text does not start as a stored %s does", kind->name);
    cJSON *tree = json_parse(text, len, e);
    if (!tree)
        return ERR_MALFORMED;
    int rc = build_twice(kind, tree, text, len, out, e);
    cJSON_Delete(tree);
    if (rc < 0)
        return rc;
    (*out)->create_revision = create_revision;
    (*out)->mod_revision = mod_revision;
    return 0;
}

/* References are counted in objects that are const to everybody else. */
static struct object *writable(const struct object *obj)
{
    return unconst(obj);
}

struct object *object_ref(const struct object *obj)
{
    struct object *o = writable(obj);
    CHECK(o->refs > 0 && o->refs < UINT32_MAX);
    o->refs++;
    return o;
}

void object_unref(const struct object *obj)
{
    if (!obj)
        return;
    struct object *o = writable(obj);
    CHECK(o->refs > 0);
    if (--o->refs > 0)
        return;
    view_fini(o);
    free(o);
}

void object_unrefp(struct object **obj)
{
    object_unref(*obj);
}

cJSON *object_tree(const struct object *obj)
{
    cJSON *tree = json_parse(obj->text, obj->text_len, NULL);
    CHECK(tree);
    return tree;
}

cJSON *object_tree_versioned(const struct object *obj)
{
    cJSON *tree = object_tree(obj);
    char revision[24];
    (void)snprintf(revision, sizeof(revision), "%llu", (unsigned long long)obj->mod_revision);
    json_set_str(json_get(tree, "metadata"), "resourceVersion", revision);
    return tree;
}

void object_write_at(const struct object *obj, uint64_t revision, struct buf_out *out)
{
    buf_put(out, obj->text, obj->splice_at);
    buf_printf(out, "\"resourceVersion\":\"%llu\"", (unsigned long long)revision);
    if (obj->text[obj->splice_at] != '}')
        buf_putc(out, ',');
    buf_put(out, obj->text + obj->splice_at, obj->text_len - obj->splice_at);
}

void object_write(const struct object *obj, struct buf_out *out)
{
    object_write_at(obj, obj->mod_revision, out);
}

/* ---- reading ---- */

bool object_labels_equal(const struct object *a, const struct object *b)
{
    if (a->label_count != b->label_count)
        return false;
    for (size_t i = 0; i < a->label_count; i++)
        if (strcmp(a->labels[i].key, b->labels[i].key) != 0 ||
            strcmp(a->labels[i].value, b->labels[i].value) != 0)
            return false;
    return true;
}

const char *object_label(const struct object *obj, const char *key)
{
    size_t low = 0, high = obj->label_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(key, obj->labels[mid].key);
        if (order == 0)
            return obj->labels[mid].value;
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

bool object_annotation(const struct object *obj, const char *key, char *out, size_t size)
{
    struct text_scan s = {.at = obj->text + obj->splice_at, .end = obj->text + obj->text_len};
    if (!text_find_member(&s, "annotations") || !text_enter(&s) || !text_find_member(&s, key))
        return false;
    return text_copy_string(&s, out, size);
}

bool object_has_finalizer(const struct object *obj, const char *finalizer)
{
    for (size_t i = 0; i < obj->finalizer_count; i++)
        if (!strcmp(obj->finalizers[i], finalizer))
            return true;
    return false;
}

const struct owner_ref *object_controller(const struct object *obj)
{
    for (size_t i = 0; i < obj->owner_count; i++)
        if (obj->owners[i].controller)
            return &obj->owners[i];
    return NULL;
}
