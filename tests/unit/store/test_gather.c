/* On a real loop: writers that come while the loop still finds some share the commit, but a stream
 * of writers does not hold it up (DESIGN section 1: group commit, budgets). */
#include "store_fixture.h"

struct chain {
    struct fixture f;
    int staged, wanted, committed;
    uint64_t commits, of_first; /* number of the commit that took the first writer */
};

static void on_done(void *arg, enum store_outcome outcome, uint64_t revision, const struct err *e)
{
    struct chain *c = arg;
    (void)revision;
    (void)e;
    assert_int_equal(outcome, STORE_COMMITTED);
    if (c->committed++ == 0)
        c->of_first = store_commits(c->f.store) - c->commits;
    if (c->committed == c->wanted)
        loop_stop(c->f.loop);
}

/* One writer per pass: what is posted from here runs after the sockets were looked at again. */
static void next_writer(void *arg)
{
    struct chain *c = arg;
    char name[16];
    (void)snprintf(name, sizeof(name), "m%d", c->staged++);
    struct store_unit *unit = store_unit_new(c->f.store);
    struct err e = {0};
    store_unit_put(unit, make_map(name, name, "1"), NULL);
    assert_int_equal(store_unit_stage(unit, on_done, c, &e), 0);
    if (c->staged < c->wanted)
        loop_post(c->f.loop, next_writer, c);
}

static uint64_t commits_of(int writers, bool memory)
{
    struct chain c = {.wanted = writers};
    fixture_init(&c.f, memory);
    store_close(c.f.store);
    loop_free(c.f.loop);
    c.f.loop = loop_new();
    fixture_open(&c.f);
    c.commits = store_commits(c.f.store);
    loop_post(c.f.loop, next_writer, &c);
    loop_run(c.f.loop);
    uint64_t commits = store_commits(c.f.store) - c.commits;
    assert_int_equal(c.committed, writers);
    assert_int_equal(c.of_first, 1);
    fixture_fini(&c.f);
    return commits;
}

static void writers_of_successive_passes_share_one_commit(void **state)
{
    (void)state;
    assert_int_equal(commits_of(1, false), 1);
    assert_int_equal(commits_of(4, false), 1);
    assert_int_equal(commits_of(4, true), 1);
}

static void a_stream_of_writers_does_not_hold_up_the_commit(void **state)
{
    (void)state;
    uint64_t commits = commits_of(64, false);
    assert_true(commits > 8 && commits < 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writers_of_successive_passes_share_one_commit),
        cmocka_unit_test(a_stream_of_writers_does_not_hold_up_the_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
