/* Short forms of manifests in scenarios: "default/Service/nginx clusterIP=None selector=app=web" as
 * the object a person would have written. Every other member can be given as PATH=VALUE, the value
 * being JSON or plain text. */
#pragma once

#include <cjson/cJSON.h>

#include "controller/store/kind.h"

/* "default/Service/nginx", "-/Node/node1" (cluster scope). ns and name are cut out of text; NULL
 * when it is none. */
const struct kind *manifest_key(char *text, const char **ns, const char **name);
/* The object with defaults of the short form. Owned by the caller. */
cJSON *manifest_new(const struct kind *kind, const char *ns, const char *name);
/* One word of the line: a short name of the kind, or a path. False when it is neither. */
bool manifest_set(cJSON *tree, const struct kind *kind, char *word);
/* Sets a path ("spec.ports.0.name", "metadata.labels.[kubernetes.io/os]") to a value; ".N" past the
 * end appends. */
bool manifest_set_path(cJSON *tree, char *path, const char *value);
/* The item at a path, or NULL. path is changed. */
cJSON *manifest_at(cJSON *tree, char *path);
