/* Command lines of ordctl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "cmd/ordctl.h"

static const struct flag global[] = {{"namespace", 'n', FLAG_TEXT, "NS", ""}, {.name = NULL}};
static const struct flag own[] = {
    {"all-namespaces", 'A', FLAG_SWITCH, NULL, ""}, {"watch", 'w', FLAG_SWITCH, NULL, ""},
    {"output", 'o', FLAG_TEXT, "FORM", ""},         {"filename", 'f', FLAG_TEXT, "FILE", ""},
    {"timeout", 0, FLAG_TEXT, "TIME", ""},          {"replicas", 0, FLAG_TEXT, "N", ""},
    {"dry-run", 0, FLAG_OPTIONAL, "server", ""},    {.name = NULL}};

#define WORDS_MAX 8

/* Splits at blanks; the words live in line. */
static int parse(char *line, struct args *out, struct err *e)
{
    char *argv[WORDS_MAX + 1] = {0}, *save = NULL;
    size_t n = 0;
    for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        assert_true(n < WORDS_MAX);
        argv[n++] = word;
    }
    *out = (struct args){.tables = {global, own}};
    return args_parse(out, argv, false, NULL, e);
}

static void flags_are_read_in_every_form(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "pods -n demo -o json",    "pods --namespace demo --output json",
        "-ndemo -ojson pods",      "--namespace=demo pods --output=json",
        "-n=demo -o=json pods",    "-n first pods -n demo -o json",
        "-n demo -o json -- pods",
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        char line[128];
        (void)snprintf(line, sizeof(line), "%s", lines[i]);
        struct args args;
        struct err e = {0};
        assert_int_equal(parse(line, &args, &e), 0);
        assert_string_equal(args_text(&args, "namespace", ""), "demo");
        assert_string_equal(args_text(&args, "output", ""), "json");
        assert_int_equal(args.word_count, 1);
        assert_string_equal(args.words[0], "pods");
        args_fini(&args);
    }
}

static void switches_join_and_can_be_turned_off(void **state)
{
    (void)state;
    char line[] = "-Aw --watch=false - -- -x";
    struct args args;
    assert_int_equal(parse(line, &args, NULL), 0);
    assert_true(args_bool(&args, "all-namespaces", false));
    assert_false(args_bool(&args, "watch", true));
    assert_int_equal(args.word_count, 2);
    assert_string_equal(args.words[0], "-");
    assert_string_equal(args.words[1], "-x");
    args_fini(&args);
}

static void repeated_values_keep_their_order_and_optional_ones_their_default(void **state)
{
    (void)state;
    char line[] = "-f a -f - --filename=c --dry-run";
    struct args args;
    assert_int_equal(parse(line, &args, NULL), 0);
    assert_string_equal(args_nth(&args, "filename", 0), "a");
    assert_string_equal(args_nth(&args, "filename", 1), "-");
    assert_string_equal(args_nth(&args, "filename", 2), "c");
    assert_null(args_nth(&args, "filename", 3));
    assert_string_equal(args_text(&args, "dry-run", "none"), "server");
    args_fini(&args);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"pods --colour", "unknown flag: --colour"},
        {"pods -x", "unknown shorthand flag: 'x' in -x"},
        {"pods -Ax", "unknown shorthand flag: 'x' in -Ax"},
        {"pods --output", "flag needs an argument: --output"},
        {"pods -o", "flag needs an argument: -o"},
        {"pods --watch=maybe", "invalid value \"maybe\" for --watch: must be true or false"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char line[64];
        (void)snprintf(line, sizeof(line), "%s", cases[i][0]);
        struct args args;
        struct err e = {0};
        assert_int_equal(parse(line, &args, &e), ERR_INVALID);
        assert_string_equal(e.text, cases[i][1]);
        args_fini(&args);
    }
}

static void numbers_and_durations_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int64_t ms; /* -1: refused */
    } cases[] = {{"--timeout 90s", 90000}, {"--timeout 1h30m", 5400000}, {"--timeout 5", 5000},
                 {"--timeout 250ms", 250}, {"--timeout 0", 0},           {"--timeout 2x", -1},
                 {"--timeout s", -1},      {"--timeout -1s", -1},        {"--timeout=", -1}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char line[64];
        (void)snprintf(line, sizeof(line), "%s", cases[i].line);
        struct args args;
        int64_t ms = 77;
        assert_int_equal(parse(line, &args, NULL), 0);
        assert_int_equal(args_duration(&args, "timeout", &ms, NULL) < 0, cases[i].ms < 0);
        assert_int_equal(ms, cases[i].ms < 0 ? 77 : cases[i].ms);
        args_fini(&args);
    }
    char line[] = "--replicas 3x";
    struct args args;
    struct err e = {0};
    int64_t n = 0;
    assert_int_equal(parse(line, &args, NULL), 0);
    assert_int_equal(args_int(&args, "replicas", 0, 10, &n, &e), ERR_INVALID);
    assert_string_equal(e.text, "invalid argument \"3x\" for --replicas: not a whole number");
    args_fini(&args);
    char line2[] = "--replicas=11";
    assert_int_equal(parse(line2, &args, NULL), 0);
    assert_int_equal(args_int(&args, "replicas", 0, 10, &n, &e), ERR_INVALID);
    args_fini(&args);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_are_read_in_every_form),
        cmocka_unit_test(switches_join_and_can_be_turned_off),
        cmocka_unit_test(repeated_values_keep_their_order_and_optional_ones_their_default),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(numbers_and_durations_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
