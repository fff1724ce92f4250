/* controller/registry/patch_tree.h - what the three kinds of patches share; private to the
 * registry. */
#pragma once

#include <stddef.h>

#include <cjson/cJSON.h>

/* Deep copy, never NULL. */
cJSON *tree_dup(const cJSON *item);
/* 1 for a scalar. */
size_t tree_depth(const cJSON *item);
