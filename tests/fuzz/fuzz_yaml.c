/* Any text is either refused with a line or becomes trees that are valid JSON and know their lines.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/yaml.h"
#include "tests/fuzz/fuzz.h"

static void check_document(const struct yaml_doc *doc, const char *path)
{
    CHECK(doc->root && doc->line > 0 && yaml_line(doc, doc->root) > 0);
    CHECK(yaml_line_at(doc, "spec.ports[0].port") > 0 && yaml_line_at(doc, path) > 0);
    size_t len;
    char *text = json_print(doc->root, &len);
    struct err e = {0};
    cJSON *again = json_parse(text, len, &e);
    CHECK(again && json_equal(doc->root, again));
    cJSON_Delete(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml_file file;
    struct err e = {0};
    int rc = yaml_parse((const char *)data, size, &file, &e);
    if (rc) {
        CHECK((rc == ERR_MALFORMED || rc == ERR_TOO_LARGE) && rc == (int)e.code);
        CHECK(strncmp(e.text, "line ", 5) == 0 && !file.docs && !file.count);
        return 0;
    }
    char *path = xstrndup(size ? (const char *)data : "", size < 64 ? size : 64);
    for (size_t i = 0; i < file.count; i++)
        check_document(&file.docs[i], path);
    free(path);
    yaml_file_fini(&file);
    return 0;
}
