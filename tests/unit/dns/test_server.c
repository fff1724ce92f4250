/* The server on loopback: UDP and TCP, IPv4 and IPv6, several workers.
 * Timers are shortened through dns/server_private.h; every wait is for something to arrive. */
#include "dns/server.h"

#include "net.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/metrics.h"

enum { SRV = 33 };

static uint64_t closed(const struct net *n, enum dns_tcp_close reason)
{
    uint64_t sum = 0;
    for (unsigned w = 0; w < WORKERS; w++)
        sum += counter_read(&dns_server_worker(n->server, w)->counters.tcp_closed[reason]);
    return sum;
}

/* The counter follows the close, which the client may see first. */
static void wait_for_closed(const struct net *n, enum dns_tcp_close reason, uint64_t count)
{
    int64_t patience_us = clock_mono_us() + 10000000;
    while (closed(n, reason) < count) {
        assert_true(clock_mono_us() < patience_us);
        sched_yield();
    }
    assert_int_equal(closed(n, reason), count);
}

/* A connection whose worker has read the beginning of a message, so that it counts as busy. */
static int dial_busy(const struct net *n)
{
    int fd = dial(n, 0, SOCK_STREAM);
    struct packet p = framed(1, K0, A);
    packet_put(&p, p.bytes, 5);
    send_all(fd, p.bytes, p.len);
    assert_int_equal(next_id(fd, NULL), 1);
    send_all(fd, p.bytes + 5,
             p.len - 5); /* when this is answered, the first five octets were seen */
    assert_int_equal(next_id(fd, NULL), 1);
    return fd;
}

static void finish_busy(int fd)
{
    struct packet p = framed(1, K0, A);
    send_all(fd, p.bytes + 5, p.len - 5);
    assert_int_equal(next_id(fd, NULL), 1);
    close(fd);
}

/* ---- UDP ---- */

static void datagrams_are_answered_on_every_address(void **state)
{
    (void)state; /* */
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    assert_int_equal(dns_server_address_count(n->server), 2);
    for (size_t a = 0; a < 2; a++) {
        for (int i = 0; i < 30; i++) { /* new ports, so that every worker has its turn */
            int fd = dial(n, a, SOCK_DGRAM);
            struct packet p;
            uint8_t out[4096];
            packet_query(&p, K0, A);
            send_all(fd, "", 0);
            send_all(fd, "short", 5);
            send_all(fd, p.bytes, p.len);
            ssize_t len = recv(fd, out, sizeof out, 0);
            assert_true(len > 0);
            struct response r = strict_parse(out, (size_t)len);
            assert_int_equal(r.count[1], 1);
            response_fini(&r);
            close(fd);
        }
    }
    assert_true(dns_server_is_alive(n->server)); /* */
    net_stop(n);
}

static void answers_leave_from_the_address_that_was_asked(void **state)
{
    (void)state; /* 127.0.0.2 is another address of the interface; the socket is connected,
                    so others are not received */
    static const char *const wildcard[] = {"0.0.0.0:0", "[::]:0"};
    struct dns_opts opts = options();
    opts.listen = wildcard;
    struct net *n = net_start(&opts);
    uint16_t port = (uint16_t)strtoul(strrchr(dns_server_address(n->server, 0), ':') + 1, NULL, 10);
    for (uint32_t host = 1; host < 5; host++) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
        to.sin_addr.s_addr = htonl(0x7f000000 + host);
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        const struct timeval patience = {.tv_sec = 10};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
        struct packet p;
        uint8_t out[4096];
        packet_query(&p, K0, A);
        send_all(fd, p.bytes, p.len);
        assert_true(recv(fd, out, sizeof out, 0) > 12);
        close(fd);
    }
    int fd = dial(n, 1, SOCK_DGRAM);
    struct packet p;
    uint8_t out[4096];
    packet_query(&p, K0, A);
    send_all(fd, p.bytes, p.len);
    assert_true(recv(fd, out, sizeof out, 0) > 12);
    close(fd);
    net_stop(n);
}

static void a_burst_is_answered_completely(void **state)
{
    (void)state; /* more than a batch */
    struct dns_opts opts = options();
    struct net *n = net_bind(&opts);
    int fd = dial(n, 0, SOCK_DGRAM);
    for (unsigned id = 0; id < 200; id++) { /* before the workers run: they find full queues */
        struct packet p;
        packet_query(&p, K0, A);
        packet_set16(&p, 0, id);
        send_all(fd, p.bytes, p.len);
    }
    assert_int_equal(dns_server_start(n->server, NULL), 0);
    bool seen[200] = {false};
    for (unsigned i = 0; i < 200; i++) {
        uint8_t out[4096];
        assert_true(recv(fd, out, sizeof out, 0) > 12);
        seen[out[0] << 8 | out[1]] = true;
    }
    for (unsigned i = 0; i < 200; i++)
        assert_true(seen[i]);
    close(fd);
    net_stop(n);
}

/* Names of every outcome; among them packets that are dropped, and one whose name is cut off. False
 * for those that no answer comes to. */
static bool packet_of_burst(struct packet *p, unsigned id)
{
    static const char *const names[] = {K0,
                                        "nosuch.prod.svc.cluster.local",
                                        "_pg._tcp.db.prod.svc.cluster.local",
                                        "1.0.244.10.in-addr.arpa",
                                        "c0.prod.svc.cluster.local",
                                        "example.com",
                                        "svc.cluster.local",
                                        "API.prod.svc.cluster.local"};
    packet_query(p, names[id % ARRAY_SIZE(names)], id % 3 == 0 ? 33 : A);
    packet_set16(p, 0, id);
    if (id == 50)
        p->len -= 10;
    if (id % 11 == 5)
        p->bytes[2] |= 0x80;
    return id % 11 != 5;
}

static void names_of_one_burst_are_answered_as_each_alone(void **state)
{
    (void)state; /* */
    enum { COUNT = 200 };
    static uint8_t alone[COUNT][4096], out[4096];
    ssize_t len[COUNT];
    unsigned answers = 0;
    struct dns_opts opts = options();
    opts.rotate = false;
    struct net *single = net_start(&opts), *burst = net_bind(&opts);
    int one = dial(single, 0, SOCK_DGRAM), all = dial(burst, 0, SOCK_DGRAM);
    for (unsigned id = 0; id < COUNT; id++) {
        struct packet p;
        bool has_answer = packet_of_burst(&p, id);
        send_all(one, p.bytes, p.len);
        len[id] = has_answer ? recv(one, alone[id], sizeof alone[id], 0) : 0;
        assert_true(len[id] >= (has_answer ? 12 : 0));
        answers += has_answer;
        send_all(all, p.bytes, p.len); /* nobody reads these yet */
    }
    assert_int_equal(dns_server_start(burst->server, NULL), 0);
    for (unsigned i = 0; i < answers; i++) {
        ssize_t n = recv(all, out, sizeof out, 0);
        unsigned id = n >= 12 ? (unsigned)(out[0] << 8 | out[1]) : COUNT;
        assert_true(id < COUNT);
        assert_int_equal(n, len[id]);
        assert_memory_equal(out, alone[id], (size_t)n);
        len[id] = -1;
    }
    close(one);
    close(all);
    net_stop(single);
    net_stop(burst);
}

static void what_was_received_is_answered_before_the_end(void **state)
{
    (void)state; /* */
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    int fd[50];
    struct packet p;
    packet_query(&p, K0, A);
    for (int i = 0; i < 50; i++) {
        fd[i] = dial(n, 0, SOCK_DGRAM);
        send_all(fd[i], p.bytes, p.len);
    }
    dns_server_stop(n->server);
    n->server = NULL;
    for (int i = 0; i < 50; i++) {
        uint8_t out[4096];
        assert_true(recv(fd[i], out, sizeof out, MSG_DONTWAIT) > 12);
        close(fd[i]);
    }
    net_stop(n);
}

static void a_worker_that_goes_answers_what_waits(void **state)
{
    (void)state; /* it never comes to look at its sockets but to drain them */
    struct dns_opts opts = options();
    struct net *n = net_bind(&opts);
    int udp[50], tcp[20];
    struct packet p = framed(1, K0, A);
    for (size_t i = 0; i < ARRAY_SIZE(udp); i++) {
        udp[i] = dial(n, i % 2, SOCK_DGRAM);
        send_all(udp[i], p.bytes + 2, p.len - 2);
    }
    for (size_t i = 0; i < ARRAY_SIZE(tcp); i++) {
        tcp[i] = dial(n, i % 2, SOCK_STREAM);
        send_all(tcp[i], p.bytes, p.len);
    }
    for (unsigned w = 0; w < WORKERS; w++)
        atomic_store(&dns_server_worker(n->server, w)->must_stop, true);
    assert_int_equal(dns_server_start(n->server, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(udp); i++) {
        uint8_t out[4096];
        assert_true(recv(udp[i], out, sizeof out, 0) > 12);
        close(udp[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(tcp); i++) {
        assert_int_equal(next_id(tcp[i], NULL), 1);
        assert_int_equal(next_id(tcp[i], NULL), -1);
        close(tcp[i]);
    }
    net_stop(n);
}

static void each_worker_must_be_alive(void **state)
{
    (void)state; /* */
    struct dns_opts opts = options();
    struct net *n = net_bind(&opts);
    const int64_t now_us = clock_mono_us(), hour_us = INT64_C(3600000000);
    assert_false(dns_server_is_alive(n->server)); /* none has begun */
    for (unsigned w = 0; w < WORKERS; w++)        /* ahead of time, however long this takes */
        atomic_store(&dns_server_worker(n->server, w)->beat_us, now_us + hour_us);
    assert_true(dns_server_is_alive(n->server));
    for (unsigned w = 0; w < WORKERS; w++) {
        _Atomic int64_t *beat_us = &dns_server_worker(n->server, w)->beat_us;
        atomic_store(beat_us, 0);
        assert_false(dns_server_is_alive(n->server));
        atomic_store(beat_us, now_us - 60000000);
        assert_false(dns_server_is_alive(n->server));
        atomic_store(beat_us, now_us + hour_us);
        assert_true(dns_server_is_alive(n->server));
    }
    net_stop(n);
}

static void errors_are_not_repeated_to_the_same_peer(void **state)
{
    (void)state; /* */
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    int fd = dial(n, 0, SOCK_DGRAM);
    struct packet p;
    uint8_t out[4096];
    packet_header(&p); /* no question: FORMERR */
    send_all(fd, p.bytes, p.len);
    assert_int_equal(recv(fd, out, sizeof out, 0), 12);
    send_all(fd, p.bytes, p.len);
    packet_set16(&p, 0, 0x4321);
    send_all(fd, p.bytes, p.len);
    assert_int_equal(recv(fd, out, sizeof out, 0), 12);
    assert_int_equal(out[0], 0x43); /* the second one got nothing */
    p.bytes[2] = 0x28;              /* UPDATE: NOTIMP */
    for (unsigned id = 1; id <= 2; id++) {
        packet_set16(&p, 0, id);
        send_all(fd, p.bytes, p.len);
        send_all(fd, p.bytes, p.len);
    }
    for (unsigned id = 1; id <= 2; id++) {
        assert_int_equal(recv(fd, out, sizeof out, 0), 12);
        assert_int_equal(out[1], id);
        assert_int_equal(out[3] & 15, RCODE_NOTIMP);
    }
    close(fd);
    net_stop(n);
}

/* ---- TCP ---- */

static void a_stream_may_be_split_at_every_octet(void **state)
{
    (void)state; /* R-081, P25 */
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    int fd = dial(n, 1, SOCK_STREAM);
    struct packet two = framed(1, K0, A), second = framed(2, "nosuch.cluster.local", A);
    packet_put(&two, second.bytes, second.len);
    for (size_t split = 1; split <= two.len; split++) {
        send_all(fd, two.bytes, split);
        send_all(fd, two.bytes + split, two.len - split);
        assert_int_equal(next_id(fd, NULL), 1);
        assert_int_equal(next_id(fd, NULL), 2);
    }
    for (size_t i = 0; i < two.len; i++)
        send_all(fd, two.bytes + i, 1);
    assert_int_equal(next_id(fd, NULL), 1);
    assert_int_equal(next_id(fd, NULL), 2);
    close(fd);
    net_stop(n);
}

static void pipelined_queries_are_answered_after_a_half_close(void **state)
{
    (void)state; /* 50 at once; large answers too */
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    int fd = dial(n, 0, SOCK_STREAM);
    struct packet all = {.len = 0};
    for (unsigned id = 0; id < 50; id++) {
        struct packet p = framed(id, id % 5 == 0 ? "big.prod.svc.cluster.local" : K0, A);
        packet_put(&all, p.bytes, p.len);
    }
    send_all(fd, all.bytes, all.len);
    shutdown(fd, SHUT_WR);
    bool seen[50] = {false};
    for (int i = 0; i < 50; i++) {
        unsigned answers;
        int id = next_id(fd, &answers);
        assert_true(id >= 0 && id < 50 && !seen[id]);
        seen[id] = true;
        assert_int_equal(answers, id % 5 == 0 ? FIXTURE_BIG : 1);
    }
    assert_int_equal(next_id(fd, NULL), -1);
    close(fd);
    net_stop(n);
}

static void a_client_that_does_not_read_is_waited_for_then_closed(void **state)
{
    (void)state; /* megabytes of answers asked for, nothing read at first */
    struct dns_opts opts = options();
    struct net *n = net_bind(&opts);
    dns_server_timing(n->server)->stall_us = 600000000; /* however slow the reader is */
    assert_int_equal(dns_server_start(n->server, NULL), 0);
    int fd = dial(n, 0, SOCK_STREAM);
    struct packet p = framed(7, "huge.prod.svc.cluster.local", A);
    for (int i = 0; i < 100; i++)
        send_all(fd, p.bytes, p.len);
    for (int i = 0; i < 100; i++) /* all 6.5 MB come once it reads */
        assert_int_equal(next_id(fd, NULL), 7);
    close(fd);
    net_stop(n);

    n = net_bind(&opts);
    dns_server_timing(n->server)->stall_us = 20000;
    assert_int_equal(dns_server_start(n->server, NULL), 0);
    fd = dial(n, 0, SOCK_STREAM);
    for (int i = 0; i < 200; i++) {
        if (send(fd, p.bytes, p.len, MSG_NOSIGNAL) < 0)
            break;
    }
    wait_for_closed(n, TCP_CLOSE_STALLED, 1);
    close(fd);
    net_stop(n);
}

static void short_messages_close_the_connection(void **state)
{
    (void)state; /* R-084; what came before is answered; errors keep it open */
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    for (unsigned len = 0; len < 12; len += 11) {
        int fd = dial(n, 0, SOCK_STREAM);
        struct packet p = framed(1, K0, A);
        struct packet status = framed(2, K0, A);
        status.bytes[4] = 0x10;
        packet_put(&p, status.bytes, status.len);
        packet_put16(&p, len);
        send_all(fd, p.bytes, p.len);
        assert_int_equal(next_id(fd, NULL), 1);
        assert_int_equal(next_id(fd, NULL), 2);
        assert_int_equal(next_id(fd, NULL), -1);
        close(fd);
    }
    wait_for_closed(n, TCP_CLOSE_SHORT, 2);
    net_stop(n);
}

static void what_follows_a_short_message_takes_no_answer_back(void **state)
{
    (void)state; /* a close with octets unread would be a reset, and the answers lost */
    static uint8_t rest[400000];
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    int fd = dial(n, 0, SOCK_STREAM);
    struct packet p = {.len = 0}, one = framed(5, "huge.prod.svc.cluster.local", A);
    for (int i = 0; i < 20; i++)
        packet_put(&p, one.bytes, one.len);
    packet_put16(&p, 3);
    send_all(fd, p.bytes, p.len);
    send_all(fd, rest, sizeof rest);
    for (int i = 0; i < 20; i++)
        assert_int_equal(next_id(fd, NULL), 5);
    assert_int_equal(next_id(fd, NULL), -1);
    close(fd);
    wait_for_closed(n, TCP_CLOSE_SHORT, 1);

    fd = dial(n, 0, SOCK_STREAM); /* and who never ends is not listened to for ever */
    send_all(fd, p.bytes, p.len);
    for (int sent = 0; sent < 100; sent++) {
        if (send(fd, rest, sizeof rest, MSG_NOSIGNAL) < 0)
            break;
    }
    wait_for_closed(n, TCP_CLOSE_SHORT, 2);
    close(fd);
    net_stop(n);
}

static void slow_and_silent_clients_are_closed(void **state)
{
    (void)state; /* R-085; each by its own timer, which alone is short */
    static const struct {
        struct tcp_timing timing;
        size_t sent; /* octets of a framed query, after a whole one where asks_first */
        enum dns_tcp_close reason;
        bool asks_first;
    } cases[] = {
        {{60000000, 20000, 60000000, 60000000}, 0, TCP_CLOSE_MESSAGE, false},
        {{60000000, 20000, 60000000, 60000000}, 1, TCP_CLOSE_MESSAGE, false},
        {{60000000, 60000000, 20000, 60000000}, 9, TCP_CLOSE_MESSAGE, true},
        {{20000, 60000000, 60000000, 60000000}, 0, TCP_CLOSE_IDLE, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct dns_opts opts = options();
        struct net *n = net_bind(&opts);
        *dns_server_timing(n->server) = cases[i].timing;
        assert_int_equal(dns_server_start(n->server, NULL), 0);
        int fd = dial(n, 0, SOCK_STREAM);
        struct packet p = framed(1, K0, A);
        if (cases[i].asks_first) {
            send_all(fd, p.bytes, p.len);
            assert_int_equal(next_id(fd, NULL), 1);
        }
        if (cases[i].sent > 0)
            send_all(fd, p.bytes, cases[i].sent);
        assert_int_equal(next_id(fd, NULL), -1);
        wait_for_closed(n, cases[i].reason, 1);
        close(fd);
        net_stop(n);
    }
}

/* the limit is on one message, not on a stream whose segments never end with one. */
static void a_stream_that_always_pauses_within_a_message_goes_on(void **state)
{
    (void)state;
    const struct dns_opts opts = options();
    struct net *n = net_bind(&opts);
    *dns_server_timing(n->server) = (struct tcp_timing){10000000, 10000000, 1000000, 10000000};
    assert_int_equal(dns_server_start(n->server, NULL), 0);
    int fd = dial(n, 0, SOCK_STREAM);
    struct packet p = framed(0, K0, A);
    send_all(fd, p.bytes, 7);
    int64_t end_us = clock_mono_us() + 1500000;
    for (unsigned id = 0; id < 2 || clock_mono_us() < end_us; id = (id + 1) & 0xffff) {
        struct packet next = framed((id + 1) & 0xffff, K0, A);
        packet_put(&p, next.bytes, 7);
        send_all(fd, p.bytes + 7, p.len - 7);
        assert_int_equal(next_id(fd, NULL), id);
        p = next;
    }
    close(fd);
    net_stop(n);
}

static void an_idle_connection_makes_room(void **state)
{
    (void)state; /* in total, whichever worker has it; busy ones survive */
    struct dns_opts opts = options();
    opts.tcp_max = 4;
    struct net *n = net_start(&opts);
    struct packet p = framed(1, K0, A);
    int busy[3] = {dial_busy(n), dial_busy(n), dial_busy(n)};
    for (int i = 0; i < 10; i++) {
        int idle = dial(n, 0, SOCK_STREAM);
        send_all(idle, p.bytes, p.len);
        assert_int_equal(next_id(idle, NULL), 1);
        int newcomer = dial(n, 1, SOCK_STREAM);
        send_all(newcomer, p.bytes, p.len);
        assert_int_equal(next_id(newcomer, NULL), 1);
        assert_int_equal(next_id(idle, NULL), -1);
        close(idle);
        close(newcomer);
        wait_for_closed(n, TCP_CLOSE_CLIENT, (uint64_t)i + 1);
    }
    wait_for_closed(n, TCP_CLOSE_EVICTED, 10);
    for (int i = 0; i < 3; i++)
        finish_busy(busy[i]);
    net_stop(n);
}

static void one_client_cannot_take_all_connections(void **state)
{
    (void)state; /* busy ones survive, the newcomer is refused, another client is not touched
                  */
    struct dns_opts opts = options();
    opts.tcp_max_per_client = 2;
    struct net *n = net_start(&opts);
    struct packet p = framed(1, K0, A);
    int busy[2] = {dial_busy(n), dial_busy(n)};
    int newcomer = dial(n, 0, SOCK_STREAM), other = dial(n, 1, SOCK_STREAM);
    assert_int_equal(next_id(newcomer, NULL), -1);
    assert_int_equal(closed(n, TCP_CLOSE_REFUSED), 1);
    send_all(other, p.bytes, p.len);
    assert_int_equal(next_id(other, NULL), 1);
    close(other);
    close(newcomer);
    for (int i = 0; i < 2; i++)
        finish_busy(busy[i]);
    net_stop(n);
}

static void a_reset_costs_only_its_connection(void **state)
{
    (void)state; /* */
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    struct packet p = framed(1, "huge.prod.svc.cluster.local", A);
    for (int i = 0; i < 20; i++) {
        int fd = dial(n, 0, SOCK_STREAM);
        const struct linger now = {.l_onoff = 1};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        for (int k = 0; k < 5; k++)
            send_all(fd, p.bytes, p.len);
        close(fd); /* RST while answers are written */
    }
    int fd = dial(n, 0, SOCK_STREAM);
    send_all(fd, p.bytes, p.len);
    assert_int_equal(next_id(fd, NULL), 1);
    close(fd);
    net_stop(n);
}

static void running_out_of_descriptors_refuses_and_recovers(void **state)
{
    (void)state; /* */
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    struct packet p = framed(1, K0, A);
    int first = dial(n, 0, SOCK_STREAM);
    send_all(first, p.bytes, p.len);
    assert_int_equal(next_id(first, NULL), 1);
    int second = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct rlimit before, tight;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
    struct sockaddr_in to;
    socklen_t len = sizeof to;
    assert_int_equal(getpeername(first, (struct sockaddr *)&to, &len), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    int rc = connect(second, (struct sockaddr *)&to, sizeof to);
    send_all(first, p.bytes, p.len);
    assert_int_equal(next_id(first, NULL), 1); /* the others go on */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(rc, 0);
    close(second);
    second = dial(n, 0, SOCK_STREAM);
    send_all(second, p.bytes, p.len);
    assert_int_equal(next_id(second, NULL), 1);
    close(first);
    close(second);
    net_stop(n);
}

/* ---- start ---- */

static void a_taken_address_is_named(void **state)
{
    (void)state;
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    const char *taken = dns_server_address(n->server, 0);
    struct dns_server *second = NULL;
    struct err e;
    opts.listen = &taken;
    opts.listen_count = 1;
    assert_int_equal(dns_server_bind(&opts, zones_publish(n->fixture.zones), &second, &e), ERR_IO);
    assert_non_null(strstr(e.text, taken));
    assert_non_null(strstr(e.text, "in use"));
    net_stop(n);
}

static void wrong_options_are_named(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, true);
    struct dns_server *server = NULL;
    struct err e;
    struct dns_opts opts = options();
    opts.udp_size = 511;
    assert_int_equal(dns_server_bind(&opts, zones_publish(f.zones), &server, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "dns.udp-size"));
    opts = options();
    static const char *const bad[] = {"127.0.0.1:x"};
    opts.listen = bad;
    opts.listen_count = 1;
    assert_int_equal(dns_server_bind(&opts, zones_publish(f.zones), &server, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "dns.listen 127.0.0.1:x"));
    fixture_fini(&f);
}

static void *reload_main(void *arg)
{
    const struct net *n = arg;
    static const char *const nobody[] = {"198.51.100.0/24"};
    struct dns_opts opts = options();
    for (unsigned i = 0; i < 2000; i++) {
        opts.nsid = i % 2 ? "odd" : "even";
        opts.query_acl = i % 2 ? nobody : options().query_acl;
        assert_int_equal(dns_server_reload(n->server, &opts, NULL), 0);
        if (i % 16 == 0)
            sched_yield();
    }
    opts = options();
    opts.udp_size = 100; /* what is wrong changes nothing */
    struct err e = {0};
    assert_int_equal(dns_server_reload(n->server, &opts, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "dns.udp-size"));
    return NULL;
}

static void options_change_without_losing_a_query(void **state)
{
    (void)state; /* K-RELOAD, R-096: each is answered by the old ones or by the new ones */
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    int udp = dial(n, 0, SOCK_DGRAM), tcp = dial(n, 1, SOCK_STREAM);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, reload_main, n), 0);
    unsigned refused = 0, answered = 0;
    for (unsigned id = 0; id < 500 || refused == 0 || answered == 0; id++) {
        struct packet p;
        uint8_t bytes[1232];
        packet_query(&p, K0, A);
        packet_set16(&p, 0, id & 0xffff);
        send_all(udp, p.bytes, p.len);
        ssize_t len = recv(udp, bytes, sizeof bytes, 0);
        assert_true(len > 12);
        assert_memory_equal(bytes, p.bytes, 2);
        *((bytes[3] & 15) == RCODE_REFUSED ? &refused : &answered) += 1;
        struct packet q = framed(id & 0xffff, K0, A);
        send_all(tcp, q.bytes, q.len);
        assert_int_equal(next_id(tcp, NULL), id & 0xffff);
    }
    pthread_join(thread, NULL);
    close(udp);
    close(tcp);
    net_stop(n);
}

/* K-RELOAD: not freed while a worker answers with them, however many reloads come meanwhile */
static void old_options_live_until_every_worker_has_left_them(void **state)
{
    (void)state;
    struct dns_opts opts = options();
    struct net *n = net_bind(&opts); /* its workers do not run: this thread takes their part */
    for (unsigned w = 0; w < WORKERS; w++) {
        worker_enter(dns_server_worker(n->server, w));
        worker_leave(dns_server_worker(n->server, w));
    }
    struct worker *slow = dns_server_worker(n->server, 0);
    worker_enter(slow);
    for (uint16_t size = 600; size < 605; size++) {
        opts.udp_size = size;
        assert_int_equal(dns_server_reload(n->server, &opts, NULL), 0);
        for (unsigned w = 1; w < WORKERS; w++) {
            worker_enter(dns_server_worker(n->server, w));
            assert_int_equal(dns_server_worker(n->server, w)->ctx.opts->udp_size, size);
            worker_leave(dns_server_worker(n->server, w));
        }
        assert_int_equal(slow->ctx.opts->udp_size, 1232);
    }
    worker_leave(slow);
    net_stop(n);
}

/* ... and those who are asked nothing leave them, too: else they were kept for ever */
static void idle_workers_take_new_options(void **state)
{
    (void)state;
    enum { RELOADS = 3, PATIENCE_MS = 20000 };
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    for (unsigned i = 0; i < RELOADS; i++)
        assert_int_equal(dns_server_reload(n->server, &opts, NULL), 0);
    for (unsigned w = 0, waited = 0; w < WORKERS; w++) {
        const struct worker *worker = dns_server_worker(n->server, w);
        while (atomic_load(&worker->opts_number) != 1 + RELOADS)
            assert_true(poll(NULL, 0, 1) == 0 && ++waited < PATIENCE_MS);
    }
    net_stop(n);
}

static unsigned burst(int fd, unsigned count)
{
    struct packet p;
    packet_query(&p, K0, A);
    for (unsigned i = 0; i < count; i++)
        send_all(fd, p.bytes, p.len);
    packet_query(&p, K0, A);
    p.bytes[2] |= 0x78; /* unknown opcode: answered whatever the limit, in order */
    send_all(fd, p.bytes, p.len);
    unsigned answers = 0;
    uint8_t bytes[1232];
    while (recv(fd, bytes, sizeof bytes, 0) > 0 && (bytes[3] & 15) != RCODE_NOTIMP)
        answers++;
    return answers;
}

static void a_client_has_so_many_queries_a_second(void **state)
{
    (void)state; /* of one address, through whichever worker; others are not touched */
    struct dns_opts opts = options();
    opts.client_limit = 5;
    struct net *n = net_start(&opts);
    unsigned answers = 0;
    int64_t begin_us = clock_mono_us();
    for (int i = 0; i < 6; i++) { /* six ports, so several workers */
        int fd = dial(n, 0, SOCK_DGRAM);
        answers += burst(fd, 10);
        close(fd);
    }
    int64_t seconds = (clock_mono_us() - begin_us) / 1000000 + 1;
    assert_in_range(answers, 5, 5 + 5 * seconds);
    uint64_t dropped = 0;
    for (unsigned w = 0; w < WORKERS; w++)
        dropped += counter_read(&dns_server_worker(n->server, w)->counters.drops[DROP_CLIENT]);
    assert_int_equal(dropped, 60 - answers);
    int six = dial(n, 1, SOCK_DGRAM);
    assert_int_equal(burst(six, 5), 5);
    close(six);
    opts.client_limit = 0;
    assert_int_equal(dns_server_reload(n->server, &opts, NULL), 0);
    int fd = dial(n, 0, SOCK_DGRAM);
    assert_int_equal(burst(fd, 50), 50);
    close(fd);
    net_stop(n);
}

static void metrics_show_what_was_answered(void **state)
{
    (void)state; /* */
    struct dns_opts opts = options();
    struct net *n = net_start(&opts);
    int fd = dial(n, 0, SOCK_STREAM);
    struct packet p = framed(1, K0, A);
    send_all(fd, p.bytes, p.len);
    assert_int_equal(next_id(fd, NULL), 1);
    shutdown(fd, SHUT_WR);
    assert_int_equal(next_id(fd, NULL), -1);
    close(fd);
    dns_server_register_metrics(n->server);
    struct buf_out out;
    buf_out_init(&out);
    metrics_write(&out);
    static const char *const lines[] = {
        "ordinald_dns_queries_total{proto=\"tcp\"} 1\n",
        "ordinald_dns_responses_total{proto=\"tcp\",rcode=\"noerror\"} 1\n",
        "ordinald_dns_tcp_opened_total 1\n",
        "ordinald_dns_tcp_closed_total{reason=\"client\"} 1\n",
        "ordinald_dns_zone_revision 7\n",
        "ordinald_dns_source_age_seconds 0\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        if (!strstr(out.data, lines[i]))
            fail_msg("%s missing in\n%s", lines[i], out.data);
    }
    buf_out_fini(&out);
    metrics_unregister_all();
    net_stop(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_are_answered_on_every_address),
        cmocka_unit_test(answers_leave_from_the_address_that_was_asked),
        cmocka_unit_test(a_burst_is_answered_completely),
        cmocka_unit_test(names_of_one_burst_are_answered_as_each_alone),
        cmocka_unit_test(what_was_received_is_answered_before_the_end),
        cmocka_unit_test(a_worker_that_goes_answers_what_waits),
        cmocka_unit_test(each_worker_must_be_alive),
        cmocka_unit_test(errors_are_not_repeated_to_the_same_peer),
        cmocka_unit_test(a_stream_may_be_split_at_every_octet),
        cmocka_unit_test(pipelined_queries_are_answered_after_a_half_close),
        cmocka_unit_test(a_client_that_does_not_read_is_waited_for_then_closed),
        cmocka_unit_test(short_messages_close_the_connection),
        cmocka_unit_test(what_follows_a_short_message_takes_no_answer_back),
        cmocka_unit_test(slow_and_silent_clients_are_closed),
        cmocka_unit_test(a_stream_that_always_pauses_within_a_message_goes_on),
        cmocka_unit_test(an_idle_connection_makes_room),
        cmocka_unit_test(one_client_cannot_take_all_connections),
        cmocka_unit_test(a_reset_costs_only_its_connection),
        cmocka_unit_test(running_out_of_descriptors_refuses_and_recovers),
        cmocka_unit_test(a_taken_address_is_named),
        cmocka_unit_test(wrong_options_are_named),
        cmocka_unit_test(options_change_without_losing_a_query),
        cmocka_unit_test(old_options_live_until_every_worker_has_left_them),
        cmocka_unit_test(idle_workers_take_new_options),
        cmocka_unit_test(a_client_has_so_many_queries_a_second),
        cmocka_unit_test(metrics_show_what_was_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
