/* base/yaml_scalar: the table of libraries.md section 7, and its neighbours in go-yaml v2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/yaml_scalar.h"

static void words_are_booleans_and_null(void **state)
{
    (void)state;
    static const struct {
        enum yaml_scalar_kind kind;
        bool truth;
        const char *words; /* separated by blanks */
    } rows[] = {
        {YAML_SCALAR_BOOL, true, "y Y yes Yes YES on On ON true True TRUE"},
        {YAML_SCALAR_BOOL, false, "n N no No NO off Off OFF false False FALSE"},
        {YAML_SCALAR_NULL, false, "~ null Null NULL"},
        {YAML_SCALAR_NOT_FINITE, false,
         ".inf .Inf .INF +.inf +.Inf +.INF -.inf -.Inf -.INF .nan .NaN .NAN"},
        {YAML_SCALAR_TEXT, false,
         "yEs oN tRUE nULL nil none yess nope ofF truee = << .iNF inf nan Infinity NaN +.nan"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char words[256];
        assert_true(strlen(rows[i].words) < sizeof(words));
        memcpy(words, rows[i].words, strlen(rows[i].words) + 1);
        char *rest = NULL;
        for (char *w = strtok_r(words, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
            struct yaml_scalar s = yaml_scalar_resolve(w);
            if (s.kind != rows[i].kind || s.truth != rows[i].truth)
                fail_msg("%s is kind %d, truth %d", w, (int)s.kind, s.truth);
        }
    }
    assert_int_equal(yaml_scalar_resolve("").kind, YAML_SCALAR_NULL);
}

static void numbers_have_their_value(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum yaml_scalar_kind kind;
        double number;
    } rows[] = {
        {"0", YAML_SCALAR_INT, 0},
        {"-0", YAML_SCALAR_INT, 0},
        {"80", YAML_SCALAR_INT, 80},
        {"+5", YAML_SCALAR_INT, 5},
        {"-7", YAML_SCALAR_INT, -7},
        {"010", YAML_SCALAR_INT, 8},
        {"0777", YAML_SCALAR_INT, 511},
        {"-010", YAML_SCALAR_INT, -8},
        {"00", YAML_SCALAR_INT, 0},
        {"0o10", YAML_SCALAR_INT, 8},
        {"0O17", YAML_SCALAR_INT, 15},
        {"+0o10", YAML_SCALAR_INT, 8},
        {"0x1F", YAML_SCALAR_INT, 31},
        {"0Xff", YAML_SCALAR_INT, 255},
        {"-0x10", YAML_SCALAR_INT, -16},
        {"0b11", YAML_SCALAR_INT, 3},
        {"-0b11", YAML_SCALAR_INT, -3},
        {"1_000", YAML_SCALAR_INT, 1000},
        {"1__0", YAML_SCALAR_INT, 10},
        {"1_", YAML_SCALAR_INT, 1},
        {"0_10", YAML_SCALAR_INT, 8},
        {"0x_1", YAML_SCALAR_INT, 1},
        {"18446744073709551615", YAML_SCALAR_INT, 18446744073709551615.0},
        {"-9223372036854775808", YAML_SCALAR_INT, -9223372036854775808.0},
        {"18446744073709551616", YAML_SCALAR_FLOAT, 18446744073709551616.0},
        {"08", YAML_SCALAR_FLOAT, 8}, /* no octal digit: a float, as kubectl has it */
        {"09.5", YAML_SCALAR_FLOAT, 9.5},
        {"1e3", YAML_SCALAR_FLOAT, 1000},
        {"1E3", YAML_SCALAR_FLOAT, 1000},
        {"1e+3", YAML_SCALAR_FLOAT, 1000},
        {"1e-3", YAML_SCALAR_FLOAT, 0.001},
        {"1.0", YAML_SCALAR_FLOAT, 1},
        {".5", YAML_SCALAR_FLOAT, 0.5},
        {"+.5", YAML_SCALAR_FLOAT, 0.5},
        {".5e1", YAML_SCALAR_FLOAT, 5},
        {"1.", YAML_SCALAR_FLOAT, 1},
        {"1.5e3", YAML_SCALAR_FLOAT, 1500},
        {"1_0.2_5", YAML_SCALAR_FLOAT, 10.25},
        {"-1.5", YAML_SCALAR_FLOAT, -1.5},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct yaml_scalar s = yaml_scalar_resolve(rows[i].text);
        if (s.kind != rows[i].kind || s.number != rows[i].number)
            fail_msg("%s is kind %d, %g", rows[i].text, (int)s.kind, s.number);
    }
}

static void what_only_looks_like_a_number_stays_text(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "12:30", "190:20:30", "2001-01-01", "2001-01-01T00:00:00Z",
        "0x",    "0b",        "0o",         "0b12",
        "0o8",   "0xg",       "-",          "+",
        ".",     "-.",        "..5",        "1.2.3",
        "1e",    "1e+",       "e1",         ".e1",
        "1e400", "10.0.0.1",  "1Gi",        "100m",
        "_1",    "--1",       "+-1",        "._5",
        "0x1p3", "1 2",       "-0x",        "0x10000000000000000",
        "1.5.",  "1,000",     "v1",
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (yaml_scalar_resolve(rows[i]).kind != YAML_SCALAR_TEXT)
            fail_msg("%s is no text", rows[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_booleans_and_null),
        cmocka_unit_test(numbers_have_their_value),
        cmocka_unit_test(what_only_looks_like_a_number_stays_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
