/* controller/store/object.h - one object: its text, its metadata, a typed view. Immutable and
 * counted.
 *
 * The text is the JSON of the object without metadata.resourceVersion, which is spliced in on
 * output, so that lists and watches concatenate text with no JSON work (libraries.md section 3). An
 * object is built once from a tree, never changed, and shared by the head, the applied state, the
 * watch ring and replies; only its revisions are filled in by store_apply, before any reader sees
 * it. Control thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/random.h"
#include "controller/store/kind.h"

#define OBJECT_KEY_MAX 511

struct label {
    const char *key, *value;
};

struct owner_ref {
    const char *api_version, *kind, *name, *uid;
    bool controller, block_owner_deletion;
};

struct object {
    uint32_t refs;
    const struct kind *kind;
    const char *key; /* "pods/default/kubia-0"; cluster scoped: "nodes//node1" */
    size_t key_len;
    const char *ns; /* "" when cluster scoped */
    const char *name;
    char uid[UUID_TEXT_SIZE];
    uint64_t create_revision, mod_revision; /* 0 while only staged */
    int64_t generation;                     /* 0 when the kind has none */
    int64_t created_us, deleted_us;         /* creationTimestamp; deletionTimestamp, 0 = none */
    int64_t grace_s;                        /* deletionGracePeriodSeconds, -1 = none */
    const struct label *labels;             /* sorted by key */
    size_t label_count;
    const struct owner_ref *owners;
    size_t owner_count;
    const char *const *finalizers;
    size_t finalizer_count;
    const void *view; /* struct pod_view etc. of controller/store/view.h, by kind; NULL for kinds
                         without one */
    const char *text; /* no resourceVersion */
    size_t text_len;
    size_t splice_at; /* offset just after `"metadata":{` */
    size_t bytes;     /* everything this object costs in memory */
};

/* From a complete tree (borrowed; apiVersion, kind, metadata.name, metadata.uid, ... set by the
 * registry). A resourceVersion in the tree is left out; apiVersion and kind are the kind's.
 * ERR_INVALID when metadata is not usable (a name of 1 to 253 bytes, a namespace of 1 to 63 where
 * the kind has one, a uid). The caller owns one reference. */
int object_new(const struct kind *kind, const cJSON *tree, struct object **out, struct err *e);
/* From a text that object_new once made (the stored record): ERR_MALFORMED or ERR_INVALID when it
 * is damaged. */
int object_load(const struct kind *kind, const char *text, size_t len, uint64_t create_revision,
                uint64_t mod_revision, struct object **out, struct err *e);
struct object *object_ref(const struct object *obj);
void object_unref(const struct object *obj); /* NULL is fine */
void object_unrefp(struct object **obj);     /* for AUTO(object_unrefp) */
#define AUTO_OBJECT AUTO(object_unrefp) struct object *

/* A fresh tree of the text, owned by the caller, without resourceVersion. Never NULL. */
cJSON *object_tree(const struct object *obj);
/* Same, with metadata.resourceVersion (for patches and PUT comparison, A18). */
cJSON *object_tree_versioned(const struct object *obj);
/* Appends the JSON text with `"resourceVersion":"<mod_revision>"` spliced into metadata. */
void object_write(const struct object *obj, struct buf_out *out);
/* Same with another revision (DELETED events carry the deletion's, A17). */
void object_write_at(const struct object *obj, uint64_t revision, struct buf_out *out);

/* NULL when absent. Borrowed. */
const char *object_label(const struct object *obj, const char *key);
bool object_labels_equal(const struct object *a, const struct object *b);
/* Annotation value copied to out (size bytes with NUL, a longer value is cut), false when absent.
 * Reads the text's metadata. */
bool object_annotation(const struct object *obj, const char *key, char *out, size_t size);
bool object_has_finalizer(const struct object *obj, const char *finalizer);
/* The controller owner reference, or NULL. */
const struct owner_ref *object_controller(const struct object *obj);

/* "pods/default/kubia-0" into out; returns its length, or 0 when it would exceed OBJECT_KEY_MAX. */
size_t object_key(const struct kind *kind, const char *ns, const char *name,
                  char out[OBJECT_KEY_MAX + 1]);
