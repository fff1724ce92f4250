/* Any text is either refused with a reason or survives printing and parsing again; what is refused
 * for its duplicate names alone is accepted by the lenient parser, which leaves none. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "tests/fuzz/fuzz.h"

static bool count_one(void *arg, const char *path)
{
    size_t *count = arg;
    CHECK(path);
    ++*count;
    return true;
}

static void check_lenient(const char *data, size_t size, const cJSON *strict, const struct err *why)
{
    struct err e = {0};
    size_t duplicates = 0;
    cJSON *tree = json_parse_lenient(data, size, count_one, &duplicates, &e);
    bool has_twice = !strict && strstr(why->text, ": duplicate key");
    CHECK((tree != NULL) == (strict || has_twice) && (duplicates > 0) == has_twice);
    CHECK(!strict || json_equal(tree, strict));
    CHECK(!tree || json_resolve_duplicates(tree, NULL, NULL));
    if (has_twice) {
        size_t len;
        char *text = json_print(tree, &len);
        cJSON *again = json_parse(text, len, &e);
        CHECK(again && json_equal(tree, again));
        cJSON_Delete(again);
        free(text);
    }
    cJSON_Delete(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    cJSON *tree = json_parse((const char *)data, size, &e);
    check_lenient((const char *)data, size, tree, &e);
    if (!tree) {
        CHECK(e.code == ERR_MALFORMED && e.text[0]);
        return 0;
    }
    CHECK(!e.code);
    size_t len;
    char *text = json_print(tree, &len);
    CHECK(strlen(text) == len);
    cJSON *again = json_parse(text, len, &e);
    CHECK(again && json_equal(tree, again) && json_equal(again, tree));
    char *text_again = json_print(again, NULL);
    CHECK(strcmp(text, text_again) == 0);
    free(text_again);
    free(text);
    cJSON_Delete(again);
    cJSON_Delete(tree);
    return 0;
}
