/* What the kernel does to UDP sockets: settings that it took, destinations that it refuses in the
 * middle of a batch, errors that it queues. recvmmsg and sendmmsg of this
 * program stand before those of libc and fail where a test wants them to, as the kernel does. */
#include "dns/udp.h"

#include "net.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "dns/listen.h"

/* ---- a kernel that refuses ---- */

static _Atomic uint16_t refused_port; /* of the client, 0: none */
static _Atomic int refused_with;
static _Atomic unsigned refusals;
static _Atomic unsigned queued_errors; /* to come before the next datagrams */

static _Atomic bool is_watching;        /* where answers leave from: */
static _Atomic unsigned named, unnamed; /* with an interface, without */
static _Atomic bool as_link_local;      /* datagrams seem to have come to fe80::1 */

static struct in6_pktinfo *pktinfo6(struct msghdr *m)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    bool is_v6 = c && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO;
    return is_v6 ? (void *)CMSG_DATA(c) : NULL;
}

static void watch(struct msghdr *m)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    const struct in6_pktinfo *six = pktinfo6(m);
    const struct in_pktinfo *four = c ? (const void *)CMSG_DATA(c) : NULL;
    assert_non_null(four);
    if (four)
        atomic_fetch_add(
            (six ? six->ipi6_ifindex != 0 : four->ipi_ifindex != 0) ? &named : &unnamed, 1);
}

static void pretend_link_local(struct msghdr *m)
{
    static const struct in6_addr link_local = {{{0xfe, 0x80, [15] = 1}}};
    struct in6_pktinfo *info = pktinfo6(m);
    assert_non_null(info);
    assert_int_not_equal(info->ipi6_ifindex, 0);
    info->ipi6_addr = link_local;
}

static bool is_refused(const struct mmsghdr *m)
{
    const struct sockaddr_in *to = m->msg_hdr.msg_name;
    return to->sin_family == AF_INET && ntohs(to->sin_port) == atomic_load(&refused_port);
}

/* As the kernel: stops before the message that fails, and fails if that is the first. */
int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    unsigned sound = 0;
    for (unsigned i = 0; i < count && atomic_load(&is_watching); i++)
        watch(&messages[i].msg_hdr);
    while (sound < count && !is_refused(&messages[sound]))
        sound++;
    if (sound == 0 && count > 0) {
        atomic_fetch_add(&refusals, 1);
        errno = atomic_load(&refused_with);
        return -1;
    }
    return (int)syscall(SYS_sendmmsg, fd, messages, sound, flags);
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *patience)
{
    unsigned left = atomic_load(&queued_errors);
    while (left > 0 && !atomic_compare_exchange_weak(&queued_errors, &left, left - 1))
        ;
    if (left > 0) {
        errno = left % 2 ? ECONNREFUSED : EHOSTUNREACH;
        return -1;
    }
    int received = (int)syscall(SYS_recvmmsg, fd, messages, count, flags, patience);
    for (int i = 0; i < received && atomic_load(&as_link_local); i++)
        pretend_link_local(&messages[i].msg_hdr);
    return received;
}

/* ---- helpers ---- */

static uint16_t port_of(int fd)
{
    struct sockaddr_in at = {0};
    socklen_t len = sizeof at;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    return ntohs(at.sin_port);
}

static void send_query(int fd, unsigned id)
{
    struct packet p;
    packet_query(&p, K0, A);
    packet_set16(&p, 0, id);
    send_all(fd, p.bytes, p.len);
}

static unsigned answer_id(int fd)
{
    uint8_t out[4096];
    ssize_t len = recv(fd, out, sizeof out, 0);
    assert_true(len > 12);
    struct response r = strict_parse(out, (size_t)len);
    assert_int_equal(r.count[1], 1);
    response_fini(&r);
    return (unsigned)out[0] << 8 | out[1];
}

/* Of the first worker: tests that count have one. */
static uint64_t drops(const struct net *n, unsigned reason)
{
    return counter_read(&dns_server_worker(n->server, 0)->counters.drops[reason]);
}

/* The client may have its answers before the worker gets to the rest of the batch. */
static void wait_for_drops(const struct net *n, unsigned reason, uint64_t count)
{
    int64_t patience_us = clock_mono_us() + 10000000;
    while (drops(n, reason) < count) {
        assert_true(clock_mono_us() < patience_us);
        sched_yield();
    }
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static int receive_limit(void)
{
    int limit = 0;
    FILE *f = fopen("/proc/sys/net/core/rmem_max", "re");
    assert_true(f &&
                fscanf(f, "%d", &limit) == 1); /* NOLINT(cert-err34-c): a number of the kernel */
    (void)fclose(f);
    return limit;
}

/* ---- tests ---- */

static void sockets_are_set_up_as_the_rules_say(void **state)
{
    (void)state; /* */
    static const char *const addresses[] = {"127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"};
    const int most = 4 << 20, allowed = receive_limit();
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        struct listen_address a;
        int udp[2], tcp[2];
        bool is_v6 = addresses[i][0] == '[';
        assert_int_equal(listen_parse(addresses[i], &a, NULL), 0);
        assert_int_equal(listen_open(&a, false, udp, tcp, 2, NULL), 0);
        for (int k = 0; k < 2; k++) {
            if (is_v6) {
                assert_in_range(option(udp[k], IPPROTO_IPV6, IPV6_MTU_DISCOVER), 5, 5); /* OMIT */
                assert_int_equal(option(udp[k], IPPROTO_IPV6, IPV6_V6ONLY), 1);
                assert_int_equal(option(tcp[k], IPPROTO_IPV6, IPV6_V6ONLY), 1);
                assert_int_equal(option(udp[k], IPPROTO_IPV6, IPV6_RECVPKTINFO), a.is_wildcard);
            } else {
                assert_int_equal(option(udp[k], IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_OMIT);
                assert_int_equal(option(udp[k], IPPROTO_IP, IP_PKTINFO), a.is_wildcard);
            }
            assert_int_equal(option(udp[k], SOL_SOCKET, SO_REUSEPORT), 1);
            /* the kernel doubles it, and without privilege allows rmem_max */
            assert_true(option(udp[k], SOL_SOCKET, SO_RCVBUF) >=
                        2 * (allowed < most ? allowed : most));
            close(udp[k]);
            close(tcp[k]);
        }
    }
}

static void a_refused_destination_costs_its_own_answer_alone(void **state)
{
    (void)state; /* first, in the middle and last in a batch, twice in a row */
    static const int errors[] = {EPERM, EINVAL, ENETUNREACH};
    for (size_t e = 0; e < ARRAY_SIZE(errors); e++) {
        struct dns_opts opts = options();
        opts.workers = 1;
        struct net *n = net_bind(&opts);
        int bad = dial(n, 0, SOCK_DGRAM), good = dial(n, 0, SOCK_DGRAM);
        atomic_store(&refused_port, port_of(bad));
        atomic_store(&refused_with, errors[e]);
        atomic_store(&refusals, 0);
        static const char order[] = "bggbbgggggb";
        for (unsigned i = 0; i < sizeof order - 1; i++) /* one batch: the worker does not run yet */
            send_query(order[i] == 'g' ? good : bad, i);
        assert_int_equal(dns_server_start(n->server, NULL), 0);
        for (unsigned i = 0; i < sizeof order - 1; i++) {
            if (order[i] == 'g')
                assert_int_equal(answer_id(good), i);
        }
        wait_for_drops(n, DROP_SEND, 4);
        atomic_store(&refused_port, 0);
        send_query(bad, 77); /* what it gets first is this: nothing was sent twice or late */
        assert_int_equal(answer_id(bad), 77);
        assert_int_equal(atomic_load(&refusals), 4);
        assert_int_equal(drops(n, DROP_SEND), 4);
        close(bad);
        close(good);
        net_stop(n);
    }
}

static void a_full_send_queue_drops_what_is_left_and_goes_on(void **state)
{
    (void)state; /* EAGAIN */
    struct dns_opts opts = options();
    opts.workers = 1;
    struct net *n = net_bind(&opts);
    int bad = dial(n, 0, SOCK_DGRAM), good = dial(n, 0, SOCK_DGRAM);
    atomic_store(&refused_port, port_of(bad));
    atomic_store(&refused_with, EAGAIN);
    send_query(good, 1);
    send_query(bad, 2);
    send_query(good, 3);
    assert_int_equal(dns_server_start(n->server, NULL), 0);
    assert_int_equal(answer_id(good), 1);
    wait_for_drops(n, DROP_OVERLOAD, 2);
    atomic_store(&refused_port, 0);
    send_query(good, 4);
    assert_int_equal(answer_id(good), 4);
    assert_int_equal(drops(n, DROP_OVERLOAD), 2);
    close(bad);
    close(good);
    net_stop(n);
}

static void queued_errors_are_read_and_forgotten(void **state)
{
    (void)state; /* */
    struct dns_opts opts = options();
    opts.workers = 1;
    struct net *n = net_bind(&opts);
    int fd = dial(n, 0, SOCK_DGRAM);
    for (unsigned id = 0; id < 100; id++)
        send_query(fd, id);
    atomic_store(&queued_errors, 7);
    assert_int_equal(dns_server_start(n->server, NULL), 0);
    for (unsigned id = 0; id < 100; id++)
        assert_int_equal(answer_id(fd), id);
    atomic_store(&queued_errors, 50); /* more than one readiness is served for */
    for (unsigned id = 200; atomic_load(&queued_errors) > 0; id++) {
        send_query(fd, id);
        assert_int_equal(answer_id(fd), id);
    }
    assert_int_equal(drops(n, DROP_SEND), 0);
    assert_true(dns_server_is_alive(n->server));
    close(fd);
    net_stop(n);
}

static void every_message_id_is_as_good_as_another(void **state)
{
    (void)state; /* 0, 65535, and the same one again */
    static const unsigned ids[] = {0, 65535, 0, 1, 1, 65535, 32768};
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    for (size_t a = 0; a < 2; a++) {
        int fd = dial(n, a, SOCK_DGRAM), stream = dial(n, a, SOCK_STREAM);
        for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
            send_query(fd, ids[i]);
            assert_int_equal(answer_id(fd), ids[i]);
            struct packet p = framed(ids[i], K0, A);
            send_all(stream, p.bytes, p.len);
            assert_int_equal(next_id(stream, NULL), ids[i]);
        }
        close(fd);
        close(stream);
    }
    net_stop(n);
}

static void wait_for(_Atomic unsigned *counter, unsigned count)
{
    int64_t patience_us = clock_mono_us() + 10000000;
    while (atomic_load(counter) < count) {
        assert_true(clock_mono_us() < patience_us);
        sched_yield();
    }
}

static void answers_name_no_interface_unless_link_local(void **state)
{
    (void)state; /* the way back need not be the way the query came */
    static const char *const wildcard[] = {"0.0.0.0:0", "[::]:0"};
    struct dns_opts opts = options();
    opts.listen = wildcard;
    opts.workers = 1;
    struct net *n = net_start(&opts);
    atomic_store(&is_watching, true);
    for (unsigned a = 0; a < 2; a++) {
        int fd = dial(n, a, SOCK_DGRAM);
        send_query(fd, 7);
        assert_int_equal(answer_id(fd), 7);
        assert_int_equal(atomic_load(&unnamed), a + 1);
        close(fd);
    }
    assert_int_equal(atomic_load(&named), 0);
    atomic_store(&as_link_local, true);
    int fd = dial(n, 1, SOCK_DGRAM);
    send_query(fd, 8); /* there is no fe80::1 to answer from */
    wait_for(&named, 1);
    atomic_store(&as_link_local, false);
    close(fd);
    net_stop(n);
    atomic_store(&is_watching, false);
    assert_int_equal(atomic_load(&unnamed), 2);
}

static void the_longest_datagram_is_read_whole(void **state)
{
    (void)state; /* thousands of options, the COOKIE among the last; then an octet */
    enum { LONGEST = 65507, OPT = 11 };
    static const uint8_t cookie[12] = {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    struct packet p;
    packet_query(&p, K0, A);
    packet_set16(&p, 10, 1);
    uint8_t *bytes = calloc(1, LONGEST), *opt = bytes + p.len;
    size_t size = LONGEST - 1 - p.len - OPT;
    memcpy(bytes, p.bytes, p.len);
    opt[2] = 41;
    opt[9] = (uint8_t)(size >> 8);
    opt[10] = (uint8_t)size;
    opt[OPT + 3] = size % 4; /* of code 0, like all that follow, which are empty */
    memcpy(bytes + LONGEST - 1 - sizeof cookie, cookie, sizeof cookie);
    for (size_t a = 0; a < 2; a++) {
        int fd = dial(n, a, SOCK_DGRAM);
        uint8_t out[4096];
        send_all(fd, bytes, LONGEST - 1);
        ssize_t len = recv(fd, out, sizeof out, 0);
        assert_true(len > 12);
        struct response r = strict_parse(out, (size_t)len);
        size_t cookie_len = 0;
        assert_int_equal(r.rcode, RCODE_NOERROR);
        assert_int_equal(r.count[1], 1);
        assert_memory_equal(response_option(&r, 10, &cookie_len), cookie + 4, 8);
        response_fini(&r);
        send_all(fd, bytes, LONGEST);
        len = recv(fd, out, sizeof out, 0);
        assert_int_equal(len, p.len); /* without OPT */
        assert_int_equal(out[3] & 15, RCODE_FORMERR);
        close(fd);
    }
    free(bytes);
    net_stop(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_are_set_up_as_the_rules_say),
        cmocka_unit_test(a_refused_destination_costs_its_own_answer_alone),
        cmocka_unit_test(a_full_send_queue_drops_what_is_left_and_goes_on),
        cmocka_unit_test(queued_errors_are_read_and_forgotten),
        cmocka_unit_test(every_message_id_is_as_good_as_another),
        cmocka_unit_test(answers_name_no_interface_unless_link_local),
        cmocka_unit_test(the_longest_datagram_is_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
