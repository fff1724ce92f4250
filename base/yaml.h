/* base/yaml.h - YAML documents as cJSON trees, with lines, typed as kubectl types them
 * (libraries.md section 7).
 *
 * Plain scalars follow base/yaml_scalar.h, quoted ones are text; keys become text after typing
 * (`on:` is "true"). Aliases are expanded, `<<` is merged below the explicit keys. Bounded: text
 * size, depth JSON_DEPTH_MAX, nodes and bytes after expanding. Duplicate keys, unknown or recursive
 * aliases, `.inf`/`.nan`, `!!binary`, control bytes and invalid UTF-8 are errors with a line. Used
 * by ordctl apply, apply patches and conf/. One thread. */
#pragma once

#include <stddef.h>

#include <cjson/cJSON.h>

#include "base/err.h"

#define YAML_TEXT_MAX     (16U << 20) /* bytes of one text */
#define YAML_NODES_MAX    1000000U    /* of all its documents together, copies by aliases counted */
#define YAML_EXPANDED_MAX (64U << 20) /* bytes of keys and scalars, likewise */
#define YAML_ANCHORS_MAX  10000U      /* of one document */

struct yaml_doc {
    cJSON *root;              /* owned; cJSON null for an empty document */
    int line;                 /* where the document starts, from 1 */
    struct yaml_lines *lines; /* owned: the line of every node */
};
struct yaml_file {
    struct yaml_doc *docs; /* owned */
    size_t count;
};

/* Parses all documents of a text (JSON is a subset); a text without any has count 0. On failure
 * *out is empty and e says "line N, column M: ...". 0, ERR_MALFORMED or ERR_TOO_LARGE. */
int yaml_parse(const char *text, size_t len, struct yaml_file *out, struct err *e);
void yaml_file_fini(struct yaml_file *file);
/* Line of a node of this document's tree, 0 when it is not of it: for a member the line of its key;
 * what an alias brought has the lines of the anchored text. */
int yaml_line(const struct yaml_doc *doc, const cJSON *node);
/* Line of the node at a field path such as "spec.ports[0].port" (as in a Status cause), or of its
 * nearest ancestor that exists. Keys may contain dots and may stand in brackets:
 * "metadata.labels[a.b/c]". */
int yaml_line_at(const struct yaml_doc *doc, const char *path);
