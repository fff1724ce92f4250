/* base/yaml.h - YAML documents as cJSON trees, with lines, typed as kubectl types them
 * (libraries.md section 7).
 *
 * Bounded: text size, depth 64, nodes after expanding aliases. Duplicate keys, unknown aliases,
 * `.inf`/`.nan` and control bytes are errors with a line. Used by ordctl apply and by conf/. One
 * thread. */
#pragma once

#include <stddef.h>

#include <cjson/cJSON.h>

#include "base/err.h"

struct yaml_doc {
    cJSON *root;              /* owned; cJSON null for an empty document */
    int line;                 /* where the document starts, from 1 */
    struct yaml_lines *lines; /* owned: the line of every node */
};
struct yaml_file {
    struct yaml_doc *docs; /* owned */
    size_t count;
};

/* Parses all documents of a text (JSON is a subset). On failure *out is empty and e says "line N,
 * column M: ...". 0, ERR_MALFORMED or ERR_TOO_LARGE. */
int yaml_parse(const char *text, size_t len, struct yaml_file *out, struct err *e);
void yaml_file_fini(struct yaml_file *file);
/* Line of a node of this document's tree, 0 when it is not of it. */
int yaml_line(const struct yaml_doc *doc, const cJSON *node);
/* Line of the node at a field path such as "spec.ports[0].port" (as in a Status cause), or of its
 * nearest ancestor that exists. */
int yaml_line_at(const struct yaml_doc *doc, const char *path);
