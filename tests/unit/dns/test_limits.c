/* What bounds errors and connections, without sockets. */
#include "dns/error_limit.h"

#include "packet.h"

#include "base/check.h"
#include "dns/tcp_registry.h"

static const uint8_t key[COOKIE_SECRET_SIZE] = {1, 2, 3};

static void one_error_per_peer_and_id_within_two_seconds(void **state)
{
    (void)state;
    struct error_limit *limit = malloc(sizeof *limit);
    struct dns_peer peer = {.addr = {192, 0, 2, 1}, .addr_len = 4, .port = 1000};
    error_limit_init(limit, key);
    assert_true(error_limit_pass(limit, &peer, 1, 1000));
    assert_false(error_limit_pass(limit, &peer, 1, 1000 + ERROR_LIMIT_REPEAT_US - 1));
    assert_true(error_limit_pass(limit, &peer, 1, 1000 + ERROR_LIMIT_REPEAT_US));
    assert_true(error_limit_pass(limit, &peer, 2, 3000000));
    peer.port++;
    assert_true(error_limit_pass(limit, &peer, 2, 3000000));
    peer.addr[3]++;
    assert_true(error_limit_pass(limit, &peer, 2, 3000000));
    free(limit);
}

static void errors_have_a_rate(void **state)
{
    (void)state;
    struct error_limit *limit = malloc(sizeof *limit);
    struct dns_peer peer = {.addr = {192, 0, 2, 1}, .addr_len = 4};
    error_limit_init(limit, key);
    unsigned passed = 0;
    for (unsigned i = 0; i < 10000; i++) { /* within one instant */
        peer.port = (uint16_t)i;
        passed += error_limit_pass(limit, &peer, (uint16_t)i, 5000);
    }
    assert_int_equal(passed, ERROR_LIMIT_PER_S);
    peer.port = 20000;
    assert_false(error_limit_pass(limit, &peer, 1, 5000));
    assert_true(error_limit_pass(limit, &peer, 1, 5000 + 1000000 / ERROR_LIMIT_PER_S));
    free(limit);
}

struct registry_test {
    struct tcp_registry reg;
    struct tcp_entry entry[8];
    int wake;
};

static bool admit(struct registry_test *t, int i, uint8_t host, unsigned worker)
{
    const uint8_t addr[4] = {192, 0, 2, host};
    return tcp_registry_admit(&t->reg, &t->entry[i], addr, 4, worker, &t->wake);
}

static void the_oldest_idle_connection_makes_room(void **state)
{
    (void)state; /* */
    struct registry_test *t = calloc(1, sizeof *t);
    tcp_registry_init(&t->reg, 3, 100, 2);
    for (int i = 0; i < 3; i++)
        assert_true(admit(t, i, (uint8_t)i, (unsigned)i % 2) && t->wake == -1);
    tcp_registry_set_idle(&t->reg, &t->entry[0], true); /* asked again: 1 is the oldest now */
    assert_true(admit(t, 3, 9, 0));
    assert_int_equal(t->wake, 1);
    assert_null(tcp_registry_next_evicted(&t->reg, 0));
    assert_ptr_equal(tcp_registry_next_evicted(&t->reg, 1), &t->entry[1]);
    assert_null(tcp_registry_next_evicted(&t->reg, 1));
    tcp_registry_leave(&t->reg, &t->entry[1]);
    assert_int_equal(t->reg.total, 3);
    for (int i = 0; i < 4; i++) {
        if (i != 1)
            tcp_registry_set_idle(&t->reg, &t->entry[i], false);
    }
    assert_false(admit(t, 4, 10, 0)); /* busy ones survive */
    tcp_registry_leave(&t->reg, &t->entry[0]);
    assert_true(admit(t, 4, 10, 0));
    for (int i = 2; i < 5; i++)
        tcp_registry_leave(&t->reg, &t->entry[i]);
    tcp_registry_fini(&t->reg);
    free(t);
}

static void a_client_has_its_own_limit(void **state)
{
    (void)state; /* R-086; an evicted connection does not count, whether or not it is closed already
                  */
    struct registry_test *t = calloc(1, sizeof *t);
    tcp_registry_init(&t->reg, 100, 2, 1);
    assert_true(admit(t, 0, 1, 0) && admit(t, 1, 2, 0) && admit(t, 2, 1, 0));
    assert_int_equal(t->wake, -1);
    assert_true(admit(t, 3, 1, 0) && t->wake == 0);
    assert_true(admit(t, 4, 1, 0) && t->wake == 0);
    assert_ptr_equal(tcp_registry_next_evicted(&t->reg, 0), &t->entry[0]);
    assert_ptr_equal(tcp_registry_next_evicted(&t->reg, 0), &t->entry[2]);
    tcp_registry_set_idle(&t->reg, &t->entry[3], false);
    tcp_registry_set_idle(&t->reg, &t->entry[4], false);
    assert_false(admit(t, 5, 1, 0)); /* busy ones survive, though another client's is idle */
    tcp_registry_set_idle(&t->reg, &t->entry[4], true);
    assert_true(admit(t, 5, 1, 0));
    assert_ptr_equal(tcp_registry_next_evicted(&t->reg, 0), &t->entry[4]);
    for (int i = 0; i < 6; i++)
        tcp_registry_leave(&t->reg, &t->entry[i]);
    tcp_registry_fini(&t->reg);
    free(t);
}

static void an_ipv6_client_is_its_64_bit_prefix(void **state)
{
    (void)state;
    struct registry_test *t = calloc(1, sizeof *t);
    uint8_t addr[16] = {0x20, 1, 0xd, 0xb8};
    tcp_registry_init(&t->reg, 100, 1, 1);
    assert_true(tcp_registry_admit(&t->reg, &t->entry[0], addr, 16, 0, &t->wake));
    addr[15] = 1;
    assert_true(tcp_registry_admit(&t->reg, &t->entry[1], addr, 16, 0, &t->wake) && t->wake == 0);
    addr[7] = 1;
    assert_true(tcp_registry_admit(&t->reg, &t->entry[2], addr, 16, 0, &t->wake) && t->wake == -1);
    for (int i = 0; i < 3; i++)
        tcp_registry_leave(&t->reg, &t->entry[i]);
    tcp_registry_fini(&t->reg);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_error_per_peer_and_id_within_two_seconds),
        cmocka_unit_test(errors_have_a_rate),
        cmocka_unit_test(the_oldest_idle_connection_makes_room),
        cmocka_unit_test(a_client_has_its_own_limit),
        cmocka_unit_test(an_ipv6_client_is_its_64_bit_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
