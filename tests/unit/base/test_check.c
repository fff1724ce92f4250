/* base/check: bugs abort with their place, allocations never fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

/* Runs fn in a child; its stderr goes to text, its wait status is returned. */
static int run_in_child(void (*fn)(void), char *text, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGABRT, SIG_DFL); /* cmocka catches it */
        (void)dup2(ends[1], STDERR_FILENO);
        fn();
        _exit(0);
    }
    (void)close(ends[1]);
    size_t used = 0;
    ssize_t got;
    while (used + 1 < size && (got = read(ends[0], text + used, size - used - 1)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    (void)close(ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void break_a_check(void)
{
    int answer = 41;
    CHECK(answer == 41);
    CHECK(answer == 42);
}

static void a_broken_check_prints_its_place_and_aborts(void **state)
{
    (void)state;
    char text[1024];
    int status = run_in_child(break_a_check, text, sizeof(text));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "test_check.c:"));
    assert_non_null(strstr(text, "func=break_a_check"));
    assert_non_null(strstr(text, "answer == 42"));
}

static void take_leaves_null_behind(void **state)
{
    (void)state;
    char *owned = xstrdup("text");
    char *taken = TAKE(owned);
    assert_null(owned);
    assert_string_equal(taken, "text");
    free(taken);
}

static int released;
static void release(const int *value)
{
    released += *value;
}

static void auto_runs_on_every_way_out(void **state)
{
    (void)state;
    released = 0;
    for (int i = 1; i <= 3; i++) {
        AUTO(release) int local = i;
        if (local == 2)
            continue;
    }
    assert_int_equal(released, 6);
}

static void allocations_of_nothing_are_something(void **state)
{
    (void)state;
    void *const got[] = {xmalloc(0), xcalloc(0, 8), xrealloc(NULL, 0), xmemdup(NULL, 0)};
    for (size_t i = 0; i < ARRAY_SIZE(got); i++) {
        assert_non_null(got[i]);
        free(got[i]);
    }
}

static void copies_hold_what_was_copied(void **state)
{
    (void)state;
    char *a = xmemdup("a\0b", 3), *b = xstrdup("text"), *c = xstrndup("text", 2),
         *d = xstrndup("t", 9);
    char *e = xasprintf("%s-%d", "web", 0);
    a = xrealloc(a, 1000);
    assert_memory_equal(a, "a\0b", 3);
    assert_string_equal(b, "text");
    assert_string_equal(c, "te");
    assert_string_equal(d, "t");
    assert_string_equal(e, "web-0");
    free(a);
    free(b);
    free(c);
    free(d);
    free(e);
    int *zeroed = xcalloc(10, sizeof(int));
    for (int i = 0; i < 10; i++)
        assert_int_equal(zeroed[i], 0);
    free(zeroed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_check_prints_its_place_and_aborts),
        cmocka_unit_test(take_leaves_null_behind),
        cmocka_unit_test(auto_runs_on_every_way_out),
        cmocka_unit_test(allocations_of_nothing_are_something),
        cmocka_unit_test(copies_hold_what_was_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
