/* base/err: codes, sentences and field causes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/check.h"
#include "base/err.h"
#include "base/utf8.h"

static void the_code_is_returned_and_the_sentence_kept(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(err_set(&e, ERR_IO, "disk %d", 3), ERR_IO);
    assert_int_equal(e.code, ERR_IO);
    assert_string_equal(e.text, "disk 3");
    assert_int_equal(err_set(NULL, ERR_GONE, "nobody reads %s", "this"), ERR_GONE);
}

static void a_sentence_can_be_wrapped_around_itself(void **state)
{
    (void)state;
    struct err e = {0};
    err_set(&e, ERR_IO, "inner");
    err_set(&e, ERR_INTERNAL, "outer: %s", e.text);
    assert_string_equal(e.text, "outer: inner");
}

static void newlines_become_spaces(void **state)
{
    (void)state;
    struct err e = {0};
    err_set(&e, ERR_IO, "a\nb\tc");
    assert_string_equal(e.text, "a b c");
}

static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    char text[2 * ERR_TEXT_MAX];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        struct err e = {0};
        err_set(&e, ERR_INVALID, "%s", text);
        err_cause(&e, CAUSE_INVALID, text, "%s", text);
        const char *const cut[] = {e.text, e.cause[0].field, e.cause[0].text};
        const size_t room[] = {sizeof(e.text), sizeof(e.cause[0].field), sizeof(e.cause[0].text)};
        for (size_t i = 0; i < ARRAY_SIZE(cut); i++) {
            assert_true(utf8_is_valid(cut[i], strlen(cut[i])));
            assert_in_range(strlen(cut[i]), room[i] - 3, room[i] - 1);
        }
    }
}

static void causes_survive_the_sentence_and_are_bounded(void **state)
{
    (void)state;
    struct err e = {0};
    for (int i = 0; i < ERR_CAUSES_MAX + 3; i++)
        err_cause(&e, CAUSE_REQUIRED, "spec.selector", "Required value %d", i);
    err_set(&e, ERR_INVALID, "invalid");
    assert_int_equal(e.causes, ERR_CAUSES_MAX);
    assert_int_equal(e.causes_dropped, 3);
    assert_int_equal(e.cause[15].kind, CAUSE_REQUIRED);
    assert_string_equal(e.cause[15].field, "spec.selector");
    assert_string_equal(e.cause[15].text, "Required value 15");
    err_cause(NULL, CAUSE_REQUIRED, "x", "y");
}

static void every_cause_kind_has_its_word(void **state)
{
    (void)state;
    assert_string_equal(err_cause_word(CAUSE_REQUIRED), "FieldValueRequired");
    assert_string_equal(err_cause_word(CAUSE_INVALID), "FieldValueInvalid");
    assert_string_equal(err_cause_word(CAUSE_FORBIDDEN), "FieldValueForbidden");
    assert_string_equal(err_cause_word(CAUSE_NOT_SUPPORTED), "FieldValueNotSupported");
    assert_string_equal(err_cause_word(CAUSE_DUPLICATE), "FieldValueDuplicate");
    assert_string_equal(err_cause_word(CAUSE_TOO_LONG), "FieldValueTooLong");
    assert_string_equal(err_cause_word(CAUSE_NAMESPACE_TERMINATING), "NamespaceTerminating");
    assert_string_equal(err_cause_word(CAUSE_RESOURCE_VERSION_TOO_LARGE),
                        "ResourceVersionTooLarge");
    assert_string_equal(err_cause_word(CAUSE_FIELD_MANAGER_CONFLICT), "FieldManagerConflict");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_code_is_returned_and_the_sentence_kept),
        cmocka_unit_test(a_sentence_can_be_wrapped_around_itself),
        cmocka_unit_test(newlines_become_spaces),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(causes_survive_the_sentence_and_are_bounded),
        cmocka_unit_test(every_cause_kind_has_its_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
