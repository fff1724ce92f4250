/* Connections of a worker that is driven by hand, over socket pairs (R-081, R-083,
 * */
#include "dns/listener.h"
#include "dns/tcp.h"

#include "net.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "base/clock.h"

/* ---- a kernel without descriptors ---- */

static const struct worker *starved; /* no descriptor is left but the one it can give up */
static bool is_empty;                /* not even that one */
static unsigned accepts;

int accept4(int fd, __SOCKADDR_ARG from, socklen_t *restrict len, int flags)
{
    accepts++;
    if (is_empty || (starved && fcntl(starved->spare_fd, F_GETFD) >= 0)) {
        errno = EMFILE;
        return -1;
    }
    return (int)syscall(SYS_accept4, fd, from.__sockaddr__, len, flags);
}

/* ---- helpers ---- */

static struct worker *worker_of(const struct net *n)
{
    return dns_server_worker(n->server, 0);
}

/* A connection of worker 0; the other end is returned. type: SOCK_STREAM, or SOCK_SEQPACKET, which
 * shows what was written at once. */
static int open_pair_of(const struct net *n, int type)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fds), 0);
    const struct dns_peer peer = {.addr = {192, 0, 2, 1}, .addr_len = 4, .proto = DNS_TCP};
    tcp_open(worker_of(n), fds[0], &peer);
    return fds[1];
}

static int open_pair(const struct net *n)
{
    return open_pair_of(n, SOCK_STREAM);
}

static void turn(const struct net *n)
{
    event_base_loop(worker_of(n)->base, EVLOOP_NONBLOCK);
}

static void stop(struct net *n)
{
    tcp_drain(worker_of(n));
    net_stop(n);
}

/* ---- what is written, and until when ---- */

static void length_and_message_leave_in_one_write(void **state)
{
    (void)state; /* */
    struct dns_opts opts = options();
    struct net *n = net_bind(&opts);
    int fd = open_pair_of(n, SOCK_SEQPACKET);
    for (unsigned id = 1; id < 4; id++) {
        uint8_t out[512];
        struct packet p = framed(id, K0, A);
        send_all(fd, p.bytes, p.len);
        turn(n);
        ssize_t len = recv(fd, out, sizeof out, 0);
        assert_true(len > 14);
        assert_int_equal((out[0] << 8 | out[1]) + 2, len);
        assert_int_equal(out[3], id);
    }
    close(fd);
    stop(n);
}

static void a_half_closed_client_gets_answers_that_had_to_wait(void **state)
{
    (void)state; /* more than the socket and the queue take at once */
    enum { COUNT = 150 };
    struct dns_opts opts = options();
    struct net *n = net_bind(&opts);
    int fd = open_pair(n);
    for (unsigned id = 0; id < COUNT; id++) {
        struct packet p = framed(id, "big.prod.svc.cluster.local", A);
        send_all(fd, p.bytes, p.len);
    }
    shutdown(fd, SHUT_WR);
    turn(n);
    turn(n); /* nothing is read yet, and it is not closed */
    size_t start = 0, end = 0, room = 4 << 20;
    unsigned answered = 0;
    uint8_t *bytes = malloc(room);
    bool is_open = true;
    while (is_open) {
        ssize_t len = recv(fd, bytes + end, room - end, 0);
        if (len < 0)
            assert_int_equal(errno, EAGAIN);
        is_open = len != 0;
        end += len > 0 ? (size_t)len : 0;
        for (size_t size; end - start > 2; start += 2 + size, answered++) {
            size = (size_t)bytes[start] << 8 | bytes[start + 1];
            if (end - start < 2 + size)
                break;
            assert_int_equal(bytes[start + 2] << 8 | bytes[start + 3], answered);
        }
        turn(n);
    }
    assert_int_equal(answered, COUNT);
    assert_int_equal(start, end);
    assert_int_equal(counter_read(&worker_of(n)->counters.tcp_closed[TCP_CLOSE_CLIENT]), 1);
    free(bytes);
    close(fd);
    stop(n);
}

/* A framed query, octet by octet; each comes before the last wait is over. */
static void a_message_has_its_time_however_it_drips(void **state)
{
    (void)state; /* from its first octet to its last */
    struct dns_opts opts = options();
    struct net *n = net_bind(&opts);
    *dns_server_timing(n->server) =
        (struct tcp_timing){INT64_C(1) << 40, INT64_C(1) << 40, 1000, INT64_C(1) << 40};
    clock_fake(INT64_C(1800000000000000), 1000000);
    int fd = open_pair(n);
    struct packet p = framed(1, K0, A);
    send_all(fd, p.bytes, p.len);
    turn(n);
    assert_int_equal(next_id(fd, NULL), 1);
    const _Atomic uint64_t *closed = &worker_of(n)->counters.tcp_closed[TCP_CLOSE_MESSAGE];
    for (size_t i = 0; i < 2; i++) {
        send_all(fd, p.bytes + i, 1);
        turn(n);
        assert_int_equal(counter_read(closed), 0);
        clock_fake_advance(600);
    }
    for (unsigned turns = 0; turns < 1000 && counter_read(closed) == 0; turns++)
        event_base_loop(worker_of(n)->base, EVLOOP_ONCE); /* its timer comes again and again */
    assert_int_equal(counter_read(closed), 1);
    close(fd);
    stop(n);
    clock_real();
}

static void timers_are_those_of_the_rule(void **state)
{
    (void)state; /* R-085; that each is obeyed, with shorter ones, is in test_server */
    struct dns_opts opts = options();
    opts.tcp_idle_us = 7000000; /* dns.tcp-idle */
    struct net *n = net_bind(&opts);
    const struct tcp_timing *timing = dns_server_timing(n->server);
    assert_int_equal(timing->idle_us, 7000000);
    assert_int_equal(timing->first_us, 2000000);
    assert_int_equal(timing->message_us, 2000000);
    assert_int_equal(timing->stall_us, 5000000);
    net_stop(n);
}

/* ---- the keepalive option ---- */

static void ask_keepalive(int fd, unsigned id)
{
    struct packet p, out = {.len = 0};
    packet_query(&p, K0, A);
    packet_set16(&p, 0, id);
    packet_opt(&p, 1232, 0, "000b 0000");
    packet_put16(&out, (unsigned)p.len);
    packet_put(&out, p.bytes, p.len);
    send_all(fd, out.bytes, out.len);
}

/* The time in the next response, in 100 ms. */
static unsigned told(int fd, unsigned id)
{
    uint8_t head[2] = {0}, bytes[512] = {0};
    assert_true(read_all(fd, head, 2));
    size_t len = (size_t)head[0] << 8 | head[1], size = 0;
    assert_true(len <= sizeof bytes && read_all(fd, bytes, len));
    struct response r = strict_parse(bytes, len);
    assert_int_equal(bytes[0] << 8 | bytes[1], id);
    const uint8_t *option = response_option(&r, 11, &size);
    assert_int_equal(size, 2);
    unsigned ds = (unsigned)option[0] << 8 | option[1];
    response_fini(&r);
    return ds;
}

static void a_connection_about_to_close_has_no_time_left(void **state)
{
    (void)state; /* */
    struct dns_opts opts = options();
    struct net *n = net_bind(&opts);
    int stays = open_pair(n), ends = open_pair(n);
    ask_keepalive(stays, 1);
    ask_keepalive(ends, 2);
    ask_keepalive(ends, 3);
    shutdown(ends, SHUT_WR); /* has sent its last */
    turn(n);
    assert_int_equal(told(stays, 1), opts.tcp_idle_us / 100000);
    assert_int_equal(told(ends, 2), 0);
    assert_int_equal(told(ends, 3), 0);
    ask_keepalive(stays, 4);
    atomic_store(&worker_of(n)->must_stop, true); /* the server goes */
    tcp_drain(worker_of(n));
    assert_int_equal(told(stays, 4), 0);
    close(stays);
    close(ends);
    stop(n);
}

static void the_time_told_is_the_time_set(void **state)
{
    (void)state; /* two octets, in 100 ms */
    static const struct {
        int64_t idle_us;
        unsigned ds;
    } cases[] = {{100000, 1}, {10000000, 100}, {6553500000, 65535}, {7200000000, 65535}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct dns_opts opts = options();
        opts.tcp_idle_us = cases[i].idle_us;
        struct net *n = net_bind(&opts);
        int fd = open_pair(n);
        ask_keepalive(fd, 7);
        turn(n);
        assert_int_equal(told(fd, 7), cases[i].ds);
        close(fd);
        stop(n);
    }
}

/* ---- without descriptors ---- */

/* The worker listens; its loop is the test's. */
static struct tcp_listener *first_listener(struct worker *w)
{
    listener_take_changes(w);
    return &LIST_ENTRY(w->listeners.next, struct listener, link)->tcp;
}

static void the_spare_descriptor_ends_who_waits(void **state)
{
    (void)state; /* */
    struct dns_opts opts = options();
    opts.workers = 1;
    struct net *n = net_bind(&opts);
    struct worker *w = worker_of(n);
    struct tcp_listener *l = first_listener(w);
    starved = w;
    accepts = 0;
    int fd = dial(n, 0, SOCK_STREAM);
    uint8_t octet;
    while (accepts == 0)
        event_base_loop(w->base, EVLOOP_ONCE);
    assert_int_equal(recv(fd, &octet, 1, 0), 0);
    assert_int_equal(counter_read(&w->counters.tcp_closed[TCP_CLOSE_REFUSED]), 1);
    assert_true(fcntl(w->spare_fd, F_GETFD) >= 0); /* there is one again */
    close(fd);
    starved = NULL;
    tcp_stop_listening(l);
    stop(n);
}

static void accept_does_not_spin(void **state)
{
    (void)state; /* the listener stays readable, but rests */
    struct dns_opts opts = options();
    opts.workers = 1;
    struct net *n = net_bind(&opts);
    struct worker *w = worker_of(n);
    struct tcp_listener *l = first_listener(w);
    starved = NULL;
    is_empty = true;
    accepts = 0;
    int fd = dial(n, 0, SOCK_STREAM);
    while (accepts == 0)
        event_base_loop(w->base, EVLOOP_ONCE);
    for (unsigned i = 0; i < 1000; i++)
        event_base_loop(w->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    is_empty = false;
    assert_true(accepts < 100);
    while (counter_read(&w->counters.tcp_opened) == 0) /* the rest is over some time */
        event_base_loop(w->base, EVLOOP_ONCE);
    struct packet p = framed(1, K0, A);
    send_all(fd, p.bytes, p.len);
    event_base_loop(w->base, EVLOOP_ONCE);
    assert_int_equal(next_id(fd, NULL), 1);
    close(fd);
    tcp_stop_listening(l);
    stop(n);
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
        cmocka_unit_test(length_and_message_leave_in_one_write),
        cmocka_unit_test(a_half_closed_client_gets_answers_that_had_to_wait),
        cmocka_unit_test(a_message_has_its_time_however_it_drips),
        cmocka_unit_test(timers_are_those_of_the_rule),
        cmocka_unit_test(a_connection_about_to_close_has_no_time_left),
        cmocka_unit_test(the_time_told_is_the_time_set),
        cmocka_unit_test(the_spare_descriptor_ends_who_waits),
        cmocka_unit_test(accept_does_not_spin),
        cmocka_unit_test(a_connection_may_be_evicted_as_soon_as_it_is_admitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
