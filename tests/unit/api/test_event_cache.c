/* Watchers of one form share the text of an event; nobody gets another's form, object, revision or
 * age. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "controller/api/event_cache.h"

static struct object *make_map(const char *name, size_t data_len)
{
    char *data = xmalloc(data_len + 1);
    memset(data, 'x', data_len);
    data[data_len] = '\0';
    char *text =
        xasprintf("{\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\",\"uid\":\"%s\","
                  "\"creationTimestamp\":\"2026-01-02T03:04:05Z\"},\"data\":{\"a\":\"%s\"}}",
                  name, name, data);
    cJSON *tree = json_parse(text, strlen(text), NULL);
    struct object *obj = NULL;
    assert_int_equal(object_new(kind_get(KIND_CONFIGMAP), tree, &obj, NULL), 0);
    cJSON_Delete(tree);
    free(text);
    free(data);
    return obj;
}

/* The text, which must be the one that render_alone makes. Says whether it was copied. */
static bool render(struct event_cache *cache, const struct render *r, const struct object *obj,
                   uint64_t revision)
{
    struct buf_out out, plain;
    uint64_t copied = event_cache_copied(cache);
    buf_out_init(&out);
    buf_out_init(&plain);
    buf_puts(&out, "before");
    event_cache_render(cache, r, obj, revision, &out);
    render_alone(r, obj, revision, false, &plain);
    assert_string_equal(out.data + strlen("before"), plain.data);
    buf_out_fini(&out);
    buf_out_fini(&plain);
    return event_cache_copied(cache) > copied;
}

static struct render table_of(const char *resource)
{
    const struct resource *res = resource_find("", "v1", resource);
    assert_non_null(res);
    return (struct render){.res = res, .variant = ACCEPT_TABLE, .include = INCLUDE_METADATA};
}

static void an_event_is_made_once_for_all_watchers_of_a_form(void **state)
{
    (void)state;
    struct event_cache *cache = event_cache_new();
    struct object *a = make_map("a", 10), *b = make_map("b", 10);
    struct render r = table_of("configmaps");
    assert_false(render(cache, &r, a, 7));
    for (int i = 0; i < 1000; i++)
        assert_true(render(cache, &r, a, 7));
    assert_int_equal(event_cache_made(cache), 1);
    assert_false(render(cache, &r, b, 8));
    assert_true(render(cache, &r, a, 7));                      /* both are kept */
    assert_false(render(cache, &r, b, 7 + EVENT_CACHE_SLOTS)); /* takes the place of a's */
    assert_false(render(cache, &r, a, 7));
    object_unref(a);
    object_unref(b);
    event_cache_free(cache);
}

static void forms_revisions_and_ages_are_not_mixed(void **state)
{
    (void)state;
    struct event_cache *cache = event_cache_new();
    struct object *a = make_map("a", 10), *other = make_map("other", 10);
    struct render r = table_of("configmaps"), whole = r, none = r;
    whole.include = INCLUDE_OBJECT;
    none.include = INCLUDE_NONE;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(render(cache, &r, a, 7), round > 0);
        assert_int_equal(render(cache, &whole, a, 7), round > 0);
        assert_int_equal(render(cache, &none, a, 7), round > 0);
    }
    assert_false(render(cache, &r, a, 9));     /* a DELETED event carries another revision */
    assert_false(render(cache, &r, other, 9)); /* in the slot of that */
    assert_true(render(cache, &r, a, 7));
    clock_fake_advance(1000000);
    assert_false(render(cache, &r, a, 7)); /* a second older */
    object_unref(a);
    object_unref(other);
    event_cache_free(cache);
}

static void what_is_only_copied_or_too_long_is_not_kept(void **state)
{
    (void)state;
    struct event_cache *cache = event_cache_new();
    struct object *a = make_map("a", 10), *large = make_map("large", EVENT_CACHE_TEXT_MAX);
    struct render r = table_of("configmaps"), plain = r;
    plain.variant = ACCEPT_JSON;
    assert_false(render(cache, &plain, a, 7));
    assert_false(render(cache, &plain, a, 7));
    assert_int_equal(event_cache_made(cache), 0);
    r.include = INCLUDE_OBJECT;
    assert_false(render(cache, &r, large, 8));
    assert_false(render(cache, &r, large, 8));
    assert_int_equal(event_cache_made(cache), 2);
    object_unref(a);
    object_unref(large);
    event_cache_free(cache);
}

int main(void)
{
    clock_fake(INT64_C(1767323045) * 1000000, 1000000);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_made_once_for_all_watchers_of_a_form),
        cmocka_unit_test(forms_revisions_and_ages_are_not_mixed),
        cmocka_unit_test(what_is_only_copied_or_too_long_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
