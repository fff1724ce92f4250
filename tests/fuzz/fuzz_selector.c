/* Selectors: the first byte chooses label text ('l'), a LabelSelector as JSON ('j') or a field
 * selector of a kind (others). What is accepted prints as a text that means the same; what is not
 * has a sentence. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/store/object.h"
#include "controller/store/selector.h"
#include "tests/fuzz/fuzz.h"

static const struct label labels[] = {{"a", "b"}, {"app", "web"}, {"level", "7"}};

static void use_selector(const struct selector *s)
{
    struct selector again;
    char *text = selector_format(s);
    bool matches = selector_matches(s, labels, ARRAY_SIZE(labels));
    if (!s->matches_nothing) {
        CHECK(selector_parse(text, &again, NULL) == 0);
        char *text_again = selector_format(&again);
        CHECK(!strcmp(text, text_again));
        CHECK(selector_matches(&again, labels, ARRAY_SIZE(labels)) == matches);
        free(text_again);
        selector_fini(&again);
    }
    free(text);
}

static void try_fields(unsigned char choice, const char *text)
{
    const struct kind *kind = kind_get((enum kind_id)(choice % KIND_COUNT));
    struct selector s;
    struct err e = {0};
    if (field_selector_parse(kind, text, &s, &e) < 0) {
        CHECK(e.code == ERR_MALFORMED && e.text[0]);
        return;
    }
    cJSON *tree = cJSON_CreateObject(), *meta = json_obj(tree, "metadata");
    json_set_str(meta, "name", "a");
    json_set_str(meta, "uid", "u");
    if (kind->namespaced)
        json_set_str(meta, "namespace", "default");
    struct object *obj;
    CHECK(object_new(kind, tree, &obj, NULL) == 0);
    (void)field_selector_matches(&s, obj);
    (void)field_selector_exact(&s, "metadata.name");
    object_unref(obj);
    cJSON_Delete(tree);
    selector_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = xstrndup((const char *)data + 1, size - 1);
    struct selector s;
    struct err e = {0};
    int rc = 0;
    if (data[0] == 'l') {
        rc = selector_parse(text, &s, &e);
        CHECK(rc == 0 || rc == ERR_MALFORMED);
    } else if (data[0] == 'j') {
        cJSON *json = json_parse(text, strlen(text), &e);
        rc = json ? selector_from_json(json, "spec.selector", &s, &e) : ERR_MALFORMED;
        cJSON_Delete(json);
    } else {
        try_fields(data[0], text);
        free(text);
        return 0;
    }
    CHECK((rc < 0) == (e.text[0] != '\0'));
    if (rc == 0) {
        use_selector(&s);
        selector_fini(&s);
    }
    free(text);
    return 0;
}
