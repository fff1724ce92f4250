/* controller/reconcile/revision.h - ControllerRevisions of a StatefulSet: data, name, number
 * (R47-R51, R57). Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

/* {"spec":{"template":{...,"$patch":"replace"}}} of a set's tree, as a tree the caller owns (R48).
 */
cJSON *revision_data(const cJSON *set);

#define REVISION_HASH_MAX 11
/* FNV-1 32 over the data text and the decimal collision count, in the safe alphabet (R49). */
void revision_hash(const char *data, size_t len, int32_t collisions, char out[REVISION_HASH_MAX]);

/* One revision of the set that exists. */
struct revision_item {
    const char *name;
    int64_t number;
    const char *data; /* canonical text */
};

enum revision_action {
    REVISION_USE,   /* items[index] is the update revision as it is */
    REVISION_RAISE, /* items[index] becomes it with a new number (rollback) */
    REVISION_CREATE /* a new object: name `<set>-<hash>`, number, collisions */
};
struct revision_plan {
    enum revision_action action;
    size_t index;
    int64_t number;
    char hash[REVISION_HASH_MAX];
    int32_t collisions; /* status.collisionCount afterwards */
};
/* Which revision has `data` (canonical text of the present template), given all of the set's
 * revisions in any order. taken(arg, name) tells whether an object of that name with other data
 * exists although it is not the set's (R50). */
void revision_plan(const struct revision_item *items, size_t count, const char *set,
                   const char *data, int32_t collisions,
                   const char *(*taken)(const void *arg, const char *name), const void *arg,
                   struct revision_plan *out);

/* Indexes of the revisions to delete, lowest number first: those not live beyond limit (R57;
 * negative keeps all). victims has room for count. Returns how many. */
size_t revision_prune(const struct revision_item *items, size_t count, int32_t limit,
                      bool (*is_live)(const void *arg, const char *name), const void *arg,
                      size_t *victims);
