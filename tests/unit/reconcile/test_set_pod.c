/* Owner references of claims (statefulset.md section 3, R19, R22), over the whole table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/reconcile/set_pod.h"

static struct object *object_of(enum kind_id kind, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static struct object *object_of(enum kind_id kind, const char *format, ...)
{
    char text[2048];
    struct object *obj = NULL;
    struct err e = {0};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cJSON *tree = json_parse(text, strlen(text), &e);
    assert_non_null(tree);
    assert_int_equal(object_new(kind_get(kind), tree, &obj, &e), 0);
    cJSON_Delete(tree);
    return obj;
}

static struct object *set_of(const char *deleted, const char *scaled)
{
    return object_of(
        KIND_STATEFULSET,
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"kubia\","
        "\"namespace\":\"default\",\"uid\":\"set-now\"},\"spec\":{\"replicas\":3,\"selector\":{"
        "\"matchLabels\":{\"app\":\"kubia\"}},\"persistentVolumeClaimRetentionPolicy\":{"
        "\"whenDeleted\":\"%s\",\"whenScaled\":\"%s\"},\"template\":{\"metadata\":{\"labels\":{"
        "\"app\":\"kubia\"}},\"spec\":{\"containers\":[]}}}}",
        deleted, scaled);
}

static struct object *the_pod(void)
{
    return object_of(KIND_POD, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
                               "\"kubia-1\",\"namespace\":\"default\",\"uid\":\"pod-now\"},"
                               "\"spec\":{\"containers\":[]}}");
}

/* Words of a claim's references: S the set, P the pod, s and p older ones of the same names, F
 * another controller, f another owner that controls nothing; a trailing "-": not as controller. */
static cJSON *claim_tree(const char *refs)
{
    static const struct {
        char word;
        const char *kind, *name, *uid;
        bool controls;
    } known[] = {{'S', "StatefulSet", "kubia", "set-now", true},
                 {'s', "StatefulSet", "kubia", "set-old", true},
                 {'P', "Pod", "kubia-1", "pod-now", true},
                 {'p', "Pod", "kubia-1", "pod-old", true},
                 {'F', "Boss", "b", "boss", true},
                 {'f', "Boss", "b", "boss", false}};
    cJSON *tree = cJSON_CreateObject(), *meta = json_obj(tree, "metadata");
    json_set_str(tree, "apiVersion", "v1");
    json_set_str(tree, "kind", "PersistentVolumeClaim");
    json_set_str(meta, "name", "data-kubia-1");
    json_set_str(meta, "namespace", "default");
    json_set_str(meta, "uid", "claim");
    for (; *refs; refs += refs[1] == '-' ? 2 : 1)
        for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
            if (known[i].word != *refs)
                continue;
            cJSON *ref = cJSON_CreateObject();
            json_set_str(ref, "apiVersion", "v1");
            json_set_str(ref, "kind", known[i].kind);
            json_set_str(ref, "name", known[i].name);
            json_set_str(ref, "uid", known[i].uid);
            json_set_bool(ref, "controller", known[i].controls && refs[1] != '-');
            cJSON_AddItemToArray(json_arr(meta, "ownerReferences"), ref);
        }
    return tree;
}

/* The uids of the references, and "-" after one that does not control. */
static void refs_of(const cJSON *tree, char *out, size_t size)
{
    const cJSON *ref;
    size_t len = 0;
    out[0] = '\0';
    cJSON_ArrayForEach(ref, json_at(tree, "metadata", "ownerReferences", NULL))
    {
        len += (size_t)snprintf(out + len, size - len, "%s%s%s", len ? " " : "",
                                json_str(ref, "uid", ""),
                                json_bool(ref, "controller", false) ? "" : "-");
    }
}

struct row {
    const char *what, *deleted, *scaled;
    bool condemned;
    const char *refs;
    enum claim_refs verdict;
    const char *after; /* of a row that differs */
};

static void references_follow_the_table_of_section_3(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"Retain/Retain: none", "Retain", "Retain", false, "", CLAIM_REFS_RIGHT, NULL},
        {"Retain/Retain: ours go", "Retain", "Retain", false, "SP", CLAIM_REFS_DIFFER, ""},
        {"Retain/Retain condemned: none", "Retain", "Retain", true, "P", CLAIM_REFS_DIFFER, ""},
        {"Delete/Retain: set", "Delete", "Retain", false, "", CLAIM_REFS_DIFFER, "set-now"},
        {"Delete/Retain condemned: set", "Delete", "Retain", true, "S", CLAIM_REFS_RIGHT, NULL},
        {"Retain/Delete: none", "Retain", "Delete", false, "P", CLAIM_REFS_DIFFER, ""},
        {"Retain/Delete condemned: pod", "Retain", "Delete", true, "", CLAIM_REFS_DIFFER,
         "pod-now"},
        {"Delete/Delete: set, not pod", "Delete", "Delete", false, "P", CLAIM_REFS_DIFFER,
         "set-now"},
        {"Delete/Delete condemned: pod, not set", "Delete", "Delete", true, "S", CLAIM_REFS_DIFFER,
         "pod-now"},
        {"Delete/Delete condemned: as it is", "Delete", "Delete", true, "P", CLAIM_REFS_RIGHT,
         NULL},
        {"R22 a weak reference of ours is written anew", "Delete", "Retain", false, "S-",
         CLAIM_REFS_DIFFER, "set-now"},
        {"R22 owners that control nothing stay", "Delete", "Retain", false, "f", CLAIM_REFS_DIFFER,
         "boss- set-now"},
        {"R22 stale set: left untouched", "Delete", "Retain", false, "s", CLAIM_REFS_RIGHT, NULL},
        {"R22 stale set, none wanted: left untouched", "Retain", "Retain", false, "s",
         CLAIM_REFS_RIGHT, NULL},
        {"R22 stale pod: left untouched", "Retain", "Delete", true, "p", CLAIM_REFS_RIGHT, NULL},
        {"R22 stale pod beside ours: left untouched", "Retain", "Retain", false, "Sp",
         CLAIM_REFS_RIGHT, NULL},
        {"R22 stale beside another controller: left untouched", "Delete", "Retain", false, "Fs",
         CLAIM_REFS_RIGHT, NULL},
        {"R22 another controller: none of ours is added", "Delete", "Retain", false, "F",
         CLAIM_REFS_CONFLICT, NULL},
        {"R22 another controller: ours go", "Delete", "Delete", false, "FS",
         CLAIM_REFS_CONFLICT_DIFFER, "boss"},
        {"R22 another controller, condemned: ours go", "Retain", "Delete", true, "PF",
         CLAIM_REFS_CONFLICT_DIFFER, "boss"},
    };
    struct object *pod = the_pod();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *row = &rows[i];
        struct object *set = set_of(row->deleted, row->scaled), *claim = NULL;
        struct err e = {0};
        cJSON *tree = claim_tree(row->refs);
        assert_int_equal(object_new(kind_get(KIND_PVC), tree, &claim, &e), 0);
        enum claim_refs verdict = set_claim_refs(set, pod, claim, row->condemned);
        if (verdict != row->verdict)
            fail_msg("%s: verdict %d, not %d", row->what, (int)verdict, (int)row->verdict);
        if (row->after) {
            char got[256];
            set_claim_refs_apply(set, pod, row->condemned, verdict == CLAIM_REFS_CONFLICT_DIFFER,
                                 tree);
            refs_of(tree, got, sizeof got);
            if (strcmp(got, row->after) != 0)
                fail_msg("%s: have [%s], want [%s]", row->what, got, row->after);
        }
        cJSON_Delete(tree);
        object_unref(claim);
        object_unref(set);
    }
    object_unref(pod);
}

static void a_claim_of_an_older_pod_is_stale_where_scaling_deletes(void **state)
{
    (void)state; /* R23 */
    static const struct {
        const char *scaled, *refs;
        bool has_pod, stale;
    } rows[] = {{"Delete", "p", false, true},  {"Delete", "p", true, true},
                {"Delete", "P", true, false},  {"Delete", "P", false, true},
                {"Delete", "s", false, false}, {"Delete", "", false, false},
                {"Retain", "p", false, false}};
    struct object *pod = the_pod();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct object *set = set_of("Retain", rows[i].scaled), *claim = NULL;
        struct err e = {0};
        cJSON *tree = claim_tree(rows[i].refs);
        assert_int_equal(object_new(kind_get(KIND_PVC), tree, &claim, &e), 0);
        cJSON_Delete(tree);
        if (set_claim_is_stale(set, rows[i].has_pod ? pod : NULL, claim, 1) != rows[i].stale)
            fail_msg("row %zu", i);
        object_unref(claim);
        object_unref(set);
    }
    object_unref(pod);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_follow_the_table_of_section_3),
        cmocka_unit_test(a_claim_of_an_older_pod_is_stale_where_scaling_deletes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
