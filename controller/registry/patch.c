#include "controller/registry/patch.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"
#include "controller/registry/patch_tree.h"

/* Bounds on what one patch may cost: copies can double a document with every operation (RFC 6902
 * has no limit). */
#define OPS_MAX        10000
#define DEPTH_MAX      64
#define COPY_BYTES_MAX (3u << 20)
#define STEPS_MAX      (64u << 20)

struct jpatch {
    cJSON *root; /* owned while the patch runs */
    size_t copied_bytes, steps;
    size_t op;
    struct err *e;
};

/* ---- trees ---- */

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
size_t tree_depth(const cJSON *item)
{
    size_t deepest = 0;
    for (const cJSON *it = item->child; it; it = it->next) {
        size_t depth = tree_depth(it);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static size_t tree_bytes(const cJSON *item)
{
    size_t bytes = sizeof(*item);
    bytes += item->string ? strlen(item->string) : 0;
    bytes += item->valuestring ? strlen(item->valuestring) : 0;
    for (const cJSON *it = item->child; it; it = it->next)
        bytes += tree_bytes(it);
    return bytes;
}

cJSON *tree_dup(const cJSON *item)
{
    cJSON *copy = cJSON_Duplicate(item, true);
    CHECK(copy);
    return copy;
}

/* ---- JSON pointers (RFC 6901) ---- */

struct pointer {
    char *text;   /* owned: tokens, unescaped, each with its NUL */
    size_t count; /* 0: the whole document */
    char *token[DEPTH_MAX];
};

static void pointer_fini(struct pointer *p)
{
    free(p->text);
}

/* In place; false when an escape is neither ~0 nor ~1. */
static bool token_unescape(char *token)
{
    char *to = token;
    for (const char *from = token; *from; from++) {
        char c = *from;
        if (c == '~') {
            from++;
            if (*from != '0' && *from != '1')
                return false;
            c = *from == '0' ? '~' : '/';
        }
        *to++ = c;
    }
    *to = '\0';
    return true;
}

static int pointer_parse(struct jpatch *jp, const char *text, struct pointer *out)
{
    *out = (struct pointer){0};
    if (*text == '\0')
        return 0;
    if (*text != '/')
        return err_set(jp->e, ERR_MALFORMED,
                       "operation %zu: path \"%.200s\" must be empty or start with '/'", jp->op,
                       text);
    out->text = xstrdup(text + 1);
    for (char *token = out->text; token;) {
        char *slash = strchr(token, '/');
        if (slash)
            *slash = '\0';
        if (out->count == DEPTH_MAX || !token_unescape(token)) {
            int rc = err_set(jp->e, ERR_MALFORMED, "operation %zu: path \"%.200s\" is %s", jp->op,
                             text, out->count == DEPTH_MAX ? "too deep" : "not a JSON pointer");
            pointer_fini(out);
            *out = (struct pointer){0};
            return rc;
        }
        out->token[out->count++] = token;
        token = slash ? slash + 1 : NULL;
    }
    return 0;
}

/* Array index without sign or leading zeros. */
static bool index_parse(const char *token, size_t *out)
{
    size_t n = 0;
    if (*token == '\0' || (*token == '0' && token[1] != '\0'))
        return false;
    for (; *token; token++) {
        if (*token < '0' || *token > '9' || n > 100000000)
            return false;
        n = n * 10 + (size_t)(*token - '0');
    }
    *out = n;
    return true;
}

static cJSON *array_at(struct jpatch *jp, cJSON *array, size_t index)
{
    cJSON *it = array->child;
    for (; it && index > 0; index--, jp->steps++)
        it = it->next;
    return it;
}

static cJSON *step_into(struct jpatch *jp, cJSON *at, const char *token)
{
    size_t index;
    if (cJSON_IsObject(at))
        return json_get(at, token);
    if (cJSON_IsArray(at) && index_parse(token, &index))
        return array_at(jp, at, index);
    return NULL;
}

/* The value `depth` tokens down, or NULL. */
static cJSON *resolve(struct jpatch *jp, const struct pointer *p, size_t depth)
{
    cJSON *at = jp->root;
    for (size_t i = 0; at && i < depth; i++)
        at = step_into(jp, at, p->token[i]);
    return at;
}

/* ---- operations ---- */

/* cJSON_InsertItemInArray of Debian 12 refuses every place but the first. */
static void insert_before(cJSON *array, cJSON *before, cJSON *value)
{
    value->next = before;
    value->prev = before->prev;
    if (before == array->child)
        array->child = value;
    else
        before->prev->next = value;
    before->prev = value;
}

static int missing(const struct jpatch *jp, const char *path)
{
    return err_set(jp->e, ERR_INVALID, "operation %zu: path \"%.200s\" does not exist", jp->op,
                   path);
}

/* Takes value in every case. */
static int add_at(struct jpatch *jp, const struct pointer *p, const char *path, cJSON *value)
{
    size_t index = SIZE_MAX;
    if (p->count == 0) {
        cJSON_Delete(jp->root);
        jp->root = value;
        return 0;
    }
    cJSON *parent = resolve(jp, p, p->count - 1);
    const char *last = p->token[p->count - 1];
    if (p->count + tree_depth(value) > DEPTH_MAX) {
        cJSON_Delete(value);
        return err_set(jp->e, ERR_INVALID, "operation %zu: the document would be too deep", jp->op);
    }
    if (parent && cJSON_IsObject(parent)) {
        json_set(parent, last, value);
        return 0;
    }
    if (!parent || !cJSON_IsArray(parent) ||
        (strcmp(last, "-") != 0 && !index_parse(last, &index))) {
        cJSON_Delete(value);
        return missing(jp, path);
    }
    if (strcmp(last, "-") == 0) {
        (void)cJSON_AddItemToArray(parent, value);
        return 0;
    }
    cJSON *before = array_at(jp, parent, index);
    if (before) {
        insert_before(parent, before, value);
        return 0;
    }
    if (index != 0 && !array_at(jp, parent, index - 1)) {
        cJSON_Delete(value);
        return missing(jp, path);
    }
    (void)cJSON_AddItemToArray(parent, value);
    return 0;
}

/* Detached value, or NULL when the path does not exist. */
static cJSON *take_at(struct jpatch *jp, const struct pointer *p)
{
    if (p->count == 0)
        return TAKE(jp->root);
    cJSON *parent = resolve(jp, p, p->count - 1);
    cJSON *item = parent ? step_into(jp, parent, p->token[p->count - 1]) : NULL;
    return item ? cJSON_DetachItemViaPointer(parent, item) : NULL;
}

static int op_add(struct jpatch *jp, const cJSON *op, const struct pointer *p, const char *path)
{
    const cJSON *value = json_get(op, "value");
    if (!value)
        return err_set(jp->e, ERR_MALFORMED, "operation %zu: \"value\" is missing", jp->op);
    return add_at(jp, p, path, tree_dup(value));
}

static int op_remove(struct jpatch *jp, const cJSON *op, const struct pointer *p, const char *path)
{
    (void)op;
    if (p->count == 0)
        return err_set(jp->e, ERR_INVALID, "operation %zu: the whole document cannot be removed",
                       jp->op);
    cJSON *item = take_at(jp, p);
    if (!item)
        return missing(jp, path);
    cJSON_Delete(item);
    return 0;
}

static int op_replace(struct jpatch *jp, const cJSON *op, const struct pointer *p, const char *path)
{
    const cJSON *value = json_get(op, "value");
    if (!value)
        return err_set(jp->e, ERR_MALFORMED, "operation %zu: \"value\" is missing", jp->op);
    if (p->count == 0)
        return add_at(jp, p, path, tree_dup(value));
    cJSON *parent = resolve(jp, p, p->count - 1);
    cJSON *item = parent ? step_into(jp, parent, p->token[p->count - 1]) : NULL;
    if (!item)
        return missing(jp, path);
    if (p->count + tree_depth(value) > DEPTH_MAX)
        return err_set(jp->e, ERR_INVALID, "operation %zu: the document would be too deep", jp->op);
    if (cJSON_IsObject(parent))
        json_set(parent, p->token[p->count - 1], tree_dup(value));
    else
        (void)cJSON_ReplaceItemViaPointer(parent, item, tree_dup(value));
    return 0;
}

static int op_test(struct jpatch *jp, const cJSON *op, const struct pointer *p, const char *path)
{
    const cJSON *value = json_get(op, "value");
    if (!value)
        return err_set(jp->e, ERR_MALFORMED, "operation %zu: \"value\" is missing", jp->op);
    const cJSON *item = resolve(jp, p, p->count);
    if (!item)
        return missing(jp, path);
    if (!json_equal(item, value))
        return err_set(jp->e, ERR_INVALID, "operation %zu: test of \"%.200s\" failed", jp->op,
                       path);
    return 0;
}

static int from_parse(struct jpatch *jp, const cJSON *op, struct pointer *out)
{
    const char *from = json_str(op, "from", NULL);
    if (!from)
        return err_set(jp->e, ERR_MALFORMED, "operation %zu: \"from\" is missing", jp->op);
    return pointer_parse(jp, from, out);
}

static int op_copy(struct jpatch *jp, const cJSON *op, const struct pointer *p, const char *path)
{
    AUTO(pointer_fini) struct pointer from = {0};
    int rc = from_parse(jp, op, &from);
    if (rc < 0)
        return rc;
    const cJSON *item = resolve(jp, &from, from.count);
    if (!item)
        return missing(jp, json_str(op, "from", ""));
    jp->copied_bytes += tree_bytes(item);
    if (jp->copied_bytes > COPY_BYTES_MAX)
        return err_set(jp->e, ERR_TOO_LARGE, "operation %zu: the patch copies too much", jp->op);
    return add_at(jp, p, path, tree_dup(item));
}

static bool pointer_is_prefix(const struct pointer *a, const struct pointer *b)
{
    if (a->count >= b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->token[i], b->token[i]) != 0)
            return false;
    return true;
}

static int op_move(struct jpatch *jp, const cJSON *op, const struct pointer *p, const char *path)
{
    AUTO(pointer_fini) struct pointer from = {0};
    int rc = from_parse(jp, op, &from);
    if (rc < 0)
        return rc;
    if (pointer_is_prefix(&from, p))
        return err_set(jp->e, ERR_INVALID, "operation %zu: a value cannot be moved into itself",
                       jp->op);
    cJSON *item = take_at(jp, &from);
    if (!item)
        return missing(jp, json_str(op, "from", ""));
    return add_at(jp, p, path, item);
}

typedef int op_fn(struct jpatch *jp, const cJSON *op, const struct pointer *p, const char *path);
static const struct {
    const char *name;
    op_fn *run;
} ops[] = {{"add", op_add},   {"remove", op_remove}, {"replace", op_replace},
           {"move", op_move}, {"copy", op_copy},     {"test", op_test}};

static int op_run(struct jpatch *jp, const cJSON *op)
{
    if (!cJSON_IsObject(op))
        return err_set(jp->e, ERR_MALFORMED, "operation %zu is not an object", jp->op);
    const char *name = json_str(op, "op", NULL), *path = json_str(op, "path", NULL);
    if (!name || !path)
        return err_set(jp->e, ERR_MALFORMED, "operation %zu: \"%s\" is missing", jp->op,
                       name ? "path" : "op");
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        if (strcmp(ops[i].name, name) != 0)
            continue;
        AUTO(pointer_fini) struct pointer p = {0};
        int rc = pointer_parse(jp, path, &p);
        return rc < 0 ? rc : ops[i].run(jp, op, &p, path);
    }
    return err_set(jp->e, ERR_MALFORMED, "operation %zu: unknown operation \"%.40s\"", jp->op,
                   name);
}

int patch_json(cJSON **target, const cJSON *patch, struct err *e)
{
    if (!cJSON_IsArray(patch))
        return err_set(e, ERR_MALFORMED, "a JSON patch must be an array of operations");
    struct jpatch jp = {.root = tree_dup(*target), .e = e};
    int rc = 0;
    for (const cJSON *op = patch->child; op && rc == 0; op = op->next, jp.op++) {
        if (jp.op == OPS_MAX)
            rc = err_set(e, ERR_TOO_LARGE,
                         "The allowed maximum operations in a JSON patch is %d, got more", OPS_MAX);
        else if (jp.steps > STEPS_MAX)
            rc = err_set(e, ERR_TOO_LARGE,
                         "operation %zu: the patch walks through too many list elements", jp.op);
        else
            rc = op_run(&jp, op);
    }
    if (rc == 0 && !jp.root)
        rc = err_set(e, ERR_INVALID, "the patch leaves no document");
    if (rc < 0) {
        cJSON_Delete(jp.root);
        return rc;
    }
    cJSON_Delete(*target);
    *target = jp.root;
    return 0;
}

/* ---- JSON Merge Patch (RFC 7386) ---- */

static cJSON *merge_new(const cJSON *patch);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static void merge_into(cJSON *target, const cJSON *patch)
{
    for (const cJSON *it = patch->child; it; it = it->next) {
        if (cJSON_IsNull(it)) {
            json_del(target, it->string);
            continue;
        }
        cJSON *old = cJSON_IsObject(it) ? json_get(target, it->string) : NULL;
        if (old && cJSON_IsObject(old))
            merge_into(old, it);
        else
            json_set(target, it->string, merge_new(it));
    }
}

/* What a patch makes of nothing. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static cJSON *merge_new(const cJSON *patch)
{
    if (!cJSON_IsObject(patch))
        return tree_dup(patch);
    cJSON *out = cJSON_CreateObject();
    CHECK(out);
    merge_into(out, patch);
    return out;
}

int patch_merge(cJSON **target, const cJSON *patch, struct err *e)
{
    if (!patch)
        return err_set(e, ERR_MALFORMED, "the patch is empty");
    cJSON *next;
    if (cJSON_IsObject(patch) && *target && cJSON_IsObject(*target)) {
        next = tree_dup(*target);
        merge_into(next, patch);
    } else {
        next = merge_new(patch);
    }
    cJSON_Delete(*target);
    *target = next;
    return 0;
}
