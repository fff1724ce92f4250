/* Any text is either refused with a reason or survives printing and parsing again. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    cJSON *tree = json_parse((const char *)data, size, &e);
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
