/* Protobuf bodies (api.md A2): what is decoded is a tree that prints and parses again. */
#include <stdlib.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/api/protobuf.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    cJSON *tree = protobuf_decode(data, size, &e);
    if (!tree) {
        CHECK(e.code == ERR_MALFORMED || e.code == ERR_UNSUPPORTED);
        return 0;
    }
    size_t len;
    char *text = json_print(tree, &len);
    cJSON *again = json_parse(text, len, &e);
    CHECK(again && json_equal(tree, again));
    cJSON_Delete(again);
    free(text);
    cJSON_Delete(tree);
    return 0;
}
