/* controller/api/token.h - the continue token of a paged list: revision, last key, how many are
 * left. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "controller/store/object.h"

struct list_token {
    uint64_t revision; /* 0: whatever is newest (an inconsistent list, after 410) */
    char after[OBJECT_KEY_MAX + 1];
    int64_t left; /* -1: unknown */
};
/* URL-safe text, owned by the caller. */
char *list_token_new(uint64_t revision, const char *after, int64_t left);
bool list_token_parse(const char *text, struct list_token *out);
