#include "controller/reconcile/revision.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

cJSON *revision_data(const cJSON *set)
{
    const cJSON *template = json_at(set, "spec", "template", NULL);
    cJSON *copy = template ? cJSON_Duplicate(template, true) : cJSON_CreateObject();
    cJSON *data = cJSON_CreateObject();
    json_set_str(copy, "$patch", "replace");
    json_set(json_obj(data, "spec"), "template", copy);
    return data;
}

void revision_hash(const char *data, size_t len, int32_t collisions, char out[REVISION_HASH_MAX])
{
    static const char safe[] = "bcdfghjklmnpqrstvwxz2456789";
    char decimal[16], text[16];
    uint32_t hash = 2166136261U;
    int digits = snprintf(decimal, sizeof decimal, "%" PRId32, collisions);
    for (size_t i = 0; i < len; i++)
        hash = hash * 16777619U ^ (uint8_t)data[i];
    for (int i = 0; i < digits; i++)
        hash = hash * 16777619U ^ (uint8_t)decimal[i];
    int n = snprintf(text, sizeof text, "%" PRIu32, hash);
    for (int i = 0; i < n; i++)
        out[i] = safe[(uint8_t)text[i] % 27];
    out[n] = '\0';
}

static bool same_data(const char *a, const char *b)
{
    if (strcmp(a, b) == 0)
        return true;
    cJSON *x = json_parse(a, strlen(a), NULL), *y = json_parse(b, strlen(b), NULL);
    bool equal = x && y && json_equal(x, y);
    cJSON_Delete(x);
    cJSON_Delete(y);
    return equal;
}

void revision_plan(const struct revision_item *items, size_t count, const char *set,
                   const char *data, int32_t collisions,
                   const char *(*taken)(const void *arg, const char *name), const void *arg,
                   struct revision_plan *out)
{
    size_t newest = count, equal = count;
    for (size_t i = 0; i < count; i++) {
        if (newest == count || items[i].number > items[newest].number)
            newest = i;
        if (same_data(items[i].data, data) &&
            (equal == count || items[i].number > items[equal].number))
            equal = i;
    }
    *out = (struct revision_plan){.collisions = collisions, .index = equal};
    out->number = newest == count ? 1 : items[newest].number + 1;
    if (equal < count) {
        out->action = equal == newest || items[equal].number == items[newest].number
                          ? REVISION_USE
                          : REVISION_RAISE;
        return;
    }
    out->action = REVISION_CREATE;
    for (;; out->collisions++) {
        char name[512];
        revision_hash(data, strlen(data), out->collisions, out->hash);
        (void)snprintf(name, sizeof name, "%s-%s", set, out->hash);
        const char *other = taken(arg, name);
        if (!other || same_data(other, data))
            return;
    }
}

static int by_number(const void *a, const void *b)
{
    const struct revision_item *x = *(const struct revision_item *const *)a,
                               *y = *(const struct revision_item *const *)b;
    return x->number != y->number ? (x->number > y->number) - (x->number < y->number)
                                  : strcmp(x->name, y->name);
}

size_t revision_prune(const struct revision_item *items, size_t count, int32_t limit,
                      bool (*is_live)(const void *arg, const char *name), const void *arg,
                      size_t *victims)
{
    const struct revision_item **old = xcalloc(count + 1, sizeof *old);
    size_t candidates = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_live(arg, items[i].name))
            old[candidates++] = &items[i];
    size_t doomed = limit < 0 || candidates <= (size_t)limit ? 0 : candidates - (size_t)limit;
    qsort(old, candidates, sizeof *old, by_number);
    for (size_t i = 0; i < doomed; i++)
        victims[i] = (size_t)(old[i] - items);
    free(old);
    return doomed;
}
