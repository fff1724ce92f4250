#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"

struct item {
    int number;
    struct list link;
};

static struct item items[4];
static struct list head;

static int set_up(void **state)
{
    (void)state;
    list_init(&head);
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        list_push_back(&head, &items[i].link);
    }
    return 0;
}

static int take(void)
{
    struct list *first = list_take_first(&head);
    assert_false(list_is_linked(first));
    list_remove(first); /* does nothing to one that is off already */
    return LIST_ENTRY(first, struct item, link)->number;
}

static void taking_the_first_empties_a_list_in_its_order(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(take(), i);
    assert_true(list_is_empty(&head));
    list_push_back(&head, &items[2].link);
    assert_int_equal(take(), 2);
    assert_true(list_is_empty(&head));
}

static void others_may_leave_between(void **state)
{
    (void)state;
    assert_int_equal(take(), 0);
    list_remove(&items[1].link);
    list_remove(&items[3].link);
    assert_int_equal(take(), 2);
    assert_true(list_is_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(taking_the_first_empties_a_list_in_its_order, set_up),
        cmocka_unit_test_setup(others_may_leave_between, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
