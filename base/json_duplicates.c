/* base/json_duplicates.c - names that occur twice in an object. Looked for on the tree, where "a"
 * and
 * "\u0061" are the same name. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"

#define FEW_MEMBERS 16 /* up to here comparing all pairs beats sorting */
#define TOLD_MAX    100

struct member {
    cJSON *item;
    size_t place;
};

/* Where the walk stands: the containers from the root, each with the child that is looked at. */
struct step {
    cJSON *container, *child;
};

struct walk {
    json_duplicate_fn *found;
    void *arg;
    unsigned told, depth;
    struct step path[JSON_DEPTH_MAX];
};

static int by_name_and_place(const void *a, const void *b)
{
    const struct member *left = a, *right = b;
    int order = strcmp(left->item->string, right->item->string);
    return order ? order : (left->place > right->place) - (left->place < right->place);
}

static size_t count_members(const cJSON *obj)
{
    size_t n = 0;
    const cJSON *it;
    cJSON_ArrayForEach(it, obj) n++;
    return n;
}

static bool few_are_unique(const cJSON *obj)
{
    for (const cJSON *a = obj->child; a; a = a->next)
        for (const cJSON *b = a->next; b; b = b->next)
            if (strcmp(a->string, b->string) == 0)
                return false;
    return true;
}

/* Tells of a member of the innermost object. */
static bool tell(struct walk *w, const char *name)
{
    if (!w->found || w->told == TOLD_MAX)
        return true;
    w->told++;
    struct buf_out text;
    buf_out_init(&text);
    for (unsigned i = 0; i + 1 < w->depth; i++) {
        const struct step *at = &w->path[i];
        if (cJSON_IsArray(at->container)) {
            size_t index = 0;
            for (const cJSON *it = at->container->child; it != at->child; it = it->next)
                index++;
            buf_printf(&text, "[%zu]", index);
        } else {
            buf_printf(&text, "%s%s", text.len ? "." : "", at->child->string);
        }
    }
    buf_printf(&text, "%s%s", text.len ? "." : "", name);
    bool goes_on = w->found(w->arg, text.data);
    buf_out_fini(&text);
    return goes_on;
}

static bool resolve_sorted(struct walk *w, cJSON *obj, const struct member *members, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        cJSON *former = members[i - 1].item;
        if (strcmp(former->string, members[i].item->string) != 0)
            continue;
        bool is_first = i == 1 || strcmp(members[i - 2].item->string, former->string) != 0;
        if (is_first && !tell(w, former->string))
            return false;
    }
    for (size_t i = 1; i < count; i++)
        if (strcmp(members[i - 1].item->string, members[i].item->string) == 0)
            cJSON_Delete(cJSON_DetachItemViaPointer(obj, members[i - 1].item));
    return true;
}

static bool resolve_object(struct walk *w, cJSON *obj)
{
    size_t count = count_members(obj), n = 0;
    if (count < 2 || (count <= FEW_MEMBERS && few_are_unique(obj)))
        return true;
    struct member *members = xcalloc(count, sizeof *members);
    cJSON *it;
    cJSON_ArrayForEach(it, obj)
    {
        members[n] = (struct member){.item = it, .place = n};
        n++;
    }
    qsort(members, count, sizeof *members, by_name_and_place);
    bool goes_on = resolve_sorted(w, obj, members, count);
    free(members);
    return goes_on;
}

bool json_resolve_duplicates(cJSON *root, json_duplicate_fn *found, void *arg)
{
    struct walk w = {.found = found, .arg = arg};
    cJSON *enter = root;
    for (;;) {
        if (cJSON_IsObject(enter) || cJSON_IsArray(enter)) {
            CHECK(w.depth < JSON_DEPTH_MAX);
            struct step *at = &w.path[w.depth++];
            *at = (struct step){.container = enter};
            if (cJSON_IsObject(enter) && !resolve_object(&w, enter))
                return false;
            at->child = enter->child;
        } else if (w.depth) {
            w.path[w.depth - 1].child = w.path[w.depth - 1].child->next;
        }
        while (w.depth && !w.path[w.depth - 1].child) {
            if (--w.depth)
                w.path[w.depth - 1].child = w.path[w.depth - 1].child->next;
        }
        if (!w.depth)
            return true;
        enter = w.path[w.depth - 1].child;
    }
}
