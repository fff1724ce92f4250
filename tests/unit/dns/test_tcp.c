/* Connections of a worker that is driven by hand, over socket pairs. */
#include "dns/tcp.h"

#include "net.h"

#include <pthread.h>

static struct worker *worker_of(const struct net *n)
{
    return dns_server_worker(n->server, 0);
}

/* A connection of worker 0; the other end is returned. */
static int open_pair(const struct net *n)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    const struct dns_peer peer = {.addr = {192, 0, 2, 1}, .addr_len = 4, .proto = DNS_TCP};
    tcp_open(worker_of(n), fds[0], &peer);
    return fds[1];
}

static void stop(struct net *n)
{
    tcp_drain(worker_of(n));
    net_stop(n);
}

/* ---- evictions by other workers ---- */

enum { ROUNDS = 40000 };

/* As worker 1 does with its own connections, faster than sockets come and go. */
static void *admit_and_leave(void *arg)
{
    struct tcp_registry *reg = arg;
    static const uint8_t addr[4] = {192, 0, 2, 2};
    for (int i = 0; i < ROUNDS; i++) {
        struct tcp_entry entry;
        int wake;
        if (tcp_registry_admit(reg, &entry, addr, sizeof addr, 1, &wake))
            tcp_registry_leave(reg, &entry);
    }
    return NULL;
}

static void a_connection_may_be_evicted_as_soon_as_it_is_admitted(void **state)
{
    (void)state; /* room for one, so that every one makes room for the next */
    struct dns_opts opts = options();
    opts.tcp_max = 1;
    struct net *n = net_bind(&opts);
    struct worker *w = worker_of(n);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, admit_and_leave, &w->shared->registry), 0);
    for (int i = 0; i < ROUNDS; i++)
        close(open_pair(n));
    pthread_join(other, NULL);
    assert_int_equal(counter_read(&w->counters.tcp_opened), ROUNDS);
    stop(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_may_be_evicted_as_soon_as_it_is_admitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
