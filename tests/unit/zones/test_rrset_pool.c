/* The pool of record sets against a plain count: equal sets are one object for as long as somebody
 * holds it, whatever came and went meanwhile, while the table grows and shrinks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/random.h"
#include "zones/rrset_build.h"

enum { ADDRESSES = 3000, ROUNDS = 60000 };

struct model {
    struct rrset_pool pool;
    struct rrset *set[ADDRESSES]; /* NULL: nobody holds it */
    size_t held[ADDRESSES], live;
};

static void hold(struct model *m, size_t i)
{
    const uint8_t address[4] = {10, 0, (uint8_t)(i >> 8), (uint8_t)i};
    struct rrset *set = rrset_new_addresses(RR_A, 5, 1);
    rrset_put_address(set, 0, address);
    set = rrset_pool_intern(&m->pool, set);
    if (m->set[i])
        assert_ptr_equal(set, m->set[i]);
    m->live += m->held[i]++ == 0;
    m->set[i] = set;
    assert_memory_equal(rrset_address(set, 0), address, sizeof address);
}

static void let_go(struct model *m, size_t i)
{
    if (m->held[i] == 0)
        return;
    rrset_unref(&m->pool, m->set[i]);
    if (--m->held[i] == 0) {
        m->set[i] = NULL;
        m->live--;
    }
}

static void equal_sets_are_one_while_they_live(void **state)
{
    (void)state;
    struct model *m = calloc(1, sizeof *m);
    rrset_pool_init(&m->pool);
    random_seed(11);
    for (size_t n = 0; n < ROUNDS; n++) {
        size_t i = (size_t)random_below(ADDRESSES);
        bool grows = n / 10000 % 2 == 0;
        if (random_below(4) < (grows ? 3 : 1))
            hold(m, i);
        else
            let_go(m, i);
        assert_int_equal(m->pool.used, m->live);
    }
    random_seed(0);
    for (size_t i = 0; i < ADDRESSES; i++)
        while (m->held[i] > 0)
            let_go(m, i);
    assert_int_equal(m->pool.bytes, 0);
    rrset_pool_fini(&m->pool);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_sets_are_one_while_they_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
