/* base/log: one escaped line per event, limited where remote input triggers it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"

static int saved_stderr, reader;

static int capture(void **state)
{
    (void)state;
    int ends[2];
    CHECK(pipe(ends) == 0);
    saved_stderr = dup(STDERR_FILENO);
    CHECK(dup2(ends[1], STDERR_FILENO) >= 0);
    CHECK(close(ends[1]) == 0);
    reader = ends[0];
    return 0;
}

static int release(void **state)
{
    (void)state;
    log_set_level(LOG_INFO);
    if (saved_stderr >= 0)
        CHECK(dup2(saved_stderr, STDERR_FILENO) >= 0 && close(saved_stderr) == 0);
    return close(reader);
}

/* Everything logged since capture(), which thereby ends. */
static const char *captured(void)
{
    static char text[64 * 1024];
    CHECK(dup2(saved_stderr, STDERR_FILENO) >= 0 && close(saved_stderr) == 0);
    saved_stderr = -1;
    size_t used = 0;
    ssize_t got;
    while ((got = read(reader, text + used, sizeof(text) - used - 1)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    return text;
}

static void a_line_has_its_level_and_ends(void **state)
{
    (void)state;
    errno = 7;
    log_error("pod=%s msg=\"%d left\"", "web-0", 2);
    log_warn("a=1");
    log_info("b=2");
    assert_int_equal(errno, 7);
    assert_string_equal(captured(), "level=error pod=web-0 msg=\"2 left\"\n"
                                    "level=warn a=1\n"
                                    "level=info b=2\n");
}

static int evaluated;
static int evaluate(void)
{
    return ++evaluated;
}

static void lines_above_the_level_are_not_written_nor_evaluated(void **state)
{
    (void)state;
    evaluated = 0;
    log_debug("no=%d", evaluate());
    assert_int_equal(evaluated, 0);
    log_set_level(LOG_ERROR);
    assert_true(log_enabled(LOG_ERROR));
    assert_false(log_enabled(LOG_WARN));
    log_warn("no=1");
    log_set_level(LOG_DEBUG);
    log_debug("yes=%d", evaluate());
    assert_string_equal(captured(), "level=debug yes=1\n");
}

static void bytes_outside_printable_ascii_are_escaped(void **state) /* */
{
    (void)state;
    log_info("name=%s", "a\nlevel=error\x1b[31m\x7f\xc3\xa9");
    assert_string_equal(captured(), "level=info name=a\\x0alevel=error\\x1b[31m\\x7f\\xc3\\xa9\n");
}

static void a_line_too_long_is_cut(void **state)
{
    (void)state;
    char text[8192];
    memset(text, '\x01', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_info("%s", text);
    const char *line = captured();
    size_t len = strlen(line);
    assert_in_range(len, 4 * 4000, 4 * 4096 + 32);
    assert_string_equal(line + len - 8, "\\x01...\n");
}

static void limited_lines_pass_once_and_count_the_rest(void **state) /* */
{
    (void)state;
    for (int i = 0; i < 5; i++)
        LOG_LIMITED(LOG_WARN, "peer=%d", i);
    assert_string_equal(captured(), "level=warn peer=0 suppressed=0\n");
}

static void the_next_line_tells_how_many_were_suppressed(void **state) /* */
{
    (void)state;
    static struct log_limit limit;
    uint64_t suppressed = 99;
    assert_true(log_limit_pass(&limit, &suppressed));
    assert_int_equal(suppressed, 0);
    for (int i = 0; i < 3; i++)
        assert_false(log_limit_pass(&limit, &suppressed));
    limit.next_us = 0; /* as if the second had passed */
    assert_true(log_limit_pass(&limit, &suppressed));
    assert_int_equal(suppressed, 3);
}

static void level_words_are_read(void **state)
{
    (void)state;
    static const char *const words[] = {"error", "warn", "info", "debug"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        enum log_level level = LOG_ERROR;
        assert_true(log_level_parse(words[i], &level));
        assert_int_equal((int)level, (int)i);
    }
    enum log_level level = LOG_WARN;
    assert_false(log_level_parse("trace", &level));
    assert_false(log_level_parse("Info", &level));
    assert_false(log_level_parse("", &level));
    assert_int_equal(level, LOG_WARN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_has_its_level_and_ends, capture, release),
        cmocka_unit_test_setup_teardown(lines_above_the_level_are_not_written_nor_evaluated,
                                        capture, release),
        cmocka_unit_test_setup_teardown(bytes_outside_printable_ascii_are_escaped, capture,
                                        release),
        cmocka_unit_test_setup_teardown(a_line_too_long_is_cut, capture, release),
        cmocka_unit_test_setup_teardown(limited_lines_pass_once_and_count_the_rest, capture,
                                        release),
        cmocka_unit_test(the_next_line_tells_how_many_were_suppressed),
        cmocka_unit_test(level_words_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
