/* What bounds forwarding, and who gives way at each bound. */
#include "upstream_fixture.h"

#include <sys/resource.h>

static struct forwarding *f;
static uint8_t bytes[65536];
static const struct forward_counters *counters;

static int start(void **state)
{
    (void)state;
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    struct dns_opts opts = forwarding_options();
    opts.forward_timeout_us = INT64_C(600) * 1000000; /* nothing here waits for it */
    f = forwarding_start(opts, 1);
    counters = forwarder_counters(dns_server_worker(f->server, 0)->forward);
    int fd = client_open(f, SOCK_DGRAM); /* behind this nothing is in flight, no probe either */
    const struct packet query = recursive("first.example.com", A);
    send_packet(fd, &query, false);
    const struct packet asked = take(f, 0), reply = reply_to(&asked, 3);
    give(f, 0, &reply);
    struct response r = receive(fd, bytes, false);
    response_fini(&r);
    close(fd);
    ask_locally(f); /* its socket is closed */
    assert_int_equal(counter_read(&counters->in_flight), 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    forwarding_stop(f);
    return 0;
}

static struct packet numbered(unsigned name, unsigned id)
{
    char text[64];
    (void)snprintf(text, sizeof text, "n%u.example.com", name);
    struct packet p = recursive(text, A);
    packet_set16(&p, 0, id);
    return p;
}

static void wait_for(const _Atomic uint64_t *counter, uint64_t value)
{
    while (counter_read(counter) < value)
        assert_true(poll(NULL, 0, 1) <= 0);
    assert_int_equal(counter_read(counter), value);
}

static void expect_failure(int fd, bool is_tcp, unsigned id)
{
    struct response r = receive(fd, bytes, is_tcp);
    assert_int_equal(bytes[0] << 8 | bytes[1], id);
    assert_int_equal(r.rcode, 2);
    response_fini(&r);
}

static void the_oldest_of_too_many_queries_fails(void **state)
{
    (void)state;
    int fd = client_open(f, SOCK_DGRAM);
    for (unsigned i = 0; i < FORWARD_QUERIES_MAX; i++) {
        const struct packet query = numbered(i, i);
        send_packet(fd, &query, false);
        if (i % 32 == 31)
            ask_locally(f);
    }
    wait_for(&counters->in_flight, FORWARD_QUERIES_MAX);
    assert_int_equal(counter_read(&counters->rejected), 0);
    struct packet query = numbered(5, 9999); /* who joins needs no room */
    send_packet(fd, &query, false);
    wait_for(&counters->merged, 1);
    assert_int_equal(counter_read(&counters->rejected), 0);
    query = numbered(FORWARD_QUERIES_MAX, FORWARD_QUERIES_MAX);
    send_packet(fd, &query, false);
    expect_failure(fd, false, 0);
    ask_locally(f);
    assert_int_equal(counter_read(&counters->in_flight), FORWARD_QUERIES_MAX);
    assert_int_equal(counter_read(&counters->rejected), 1);
    close(fd);
}

static void the_oldest_of_too_many_streams_fails(void **state)
{
    (void)state;
    enum { EACH = 16, CONNECTIONS = FORWARD_STREAMS_MAX / EACH };
    int fds[CONNECTIONS + 1];
    for (unsigned c = 0; c < CONNECTIONS; c++) {
        fds[c] = client_open(f, SOCK_STREAM);
        for (unsigned i = 0; i < EACH; i++) {
            const struct packet query = numbered(c * EACH + i, i);
            send_packet(fds[c], &query, true);
        }
        wait_for(&counters->in_flight, (uint64_t)(c + 1) * EACH);
    }
    int udp = client_open(f, SOCK_DGRAM); /* datagrams are not counted, but take their turn */
    struct packet query = numbered(5000, 1);
    send_packet(udp, &query, false);
    wait_for(&counters->in_flight, FORWARD_STREAMS_MAX + 1);
    assert_int_equal(counter_read(&counters->rejected), 0);
    fds[CONNECTIONS] = client_open(f, SOCK_STREAM);
    query = numbered(6000, 1);
    send_packet(fds[CONNECTIONS], &query, true);
    expect_failure(fds[0], true, 0);
    ask_locally(f);
    assert_int_equal(counter_read(&counters->in_flight), FORWARD_STREAMS_MAX + 1);
    assert_int_equal(counter_read(&counters->rejected), 1);
    for (unsigned c = 0; c <= CONNECTIONS; c++)
        close(fds[c]);
    close(udp);
}

/* Asks upstream 0 by UDP, whose answer in another case sends the question to TCP; the connection.
 */
static int ask_until_tcp(int fd, unsigned number)
{
    int conn;
    const struct packet query = numbered(number, number);
    send_packet(fd, &query, false);
    const struct packet asked = take(f, 0);
    struct packet reply = reply_to(&asked, 0);
    reply.bytes[13] ^= 0x20;
    give(f, 0, &reply);
    take_tcp(f, 0, &conn);
    return conn;
}

/* ... also of those that began as datagrams */
static void streams_for_clients_by_udp_are_counted_too(void **state)
{
    (void)state;
    int fd = client_open(f, SOCK_DGRAM), conns[FORWARD_STREAMS_MAX + 1];
    for (unsigned i = 0; i < FORWARD_STREAMS_MAX; i++)
        conns[i] = ask_until_tcp(fd, i);
    assert_int_equal(counter_read(&counters->rejected), 0);
    conns[FORWARD_STREAMS_MAX] = ask_until_tcp(fd, FORWARD_STREAMS_MAX);
    expect_failure(fd, false, 0);
    ask_locally(f);
    assert_int_equal(counter_read(&counters->in_flight), FORWARD_STREAMS_MAX);
    assert_int_equal(counter_read(&counters->rejected), 1);
    for (unsigned i = 0; i <= FORWARD_STREAMS_MAX; i++)
        close(conns[i]);
    close(fd);
}

/* An upstream that begins long messages and does not end them. */
static void the_oldest_of_too_many_long_beginnings_fails(void **state)
{
    (void)state;
    enum { PART = 60000, ENOUGH = FORWARD_HELD_BYTES_MAX / PART + 1 };
    static uint8_t part[PART] = {0xff, 0xff};
    int fd = client_open(f, SOCK_DGRAM), conns[ENOUGH];
    for (unsigned i = 0; i < ENOUGH; i++) {
        conns[i] = ask_until_tcp(fd, i);
        assert_int_equal(send(conns[i], part, PART, MSG_NOSIGNAL), PART);
    }
    expect_failure(fd, false, 0);
    ask_locally(f);
    assert_in_range(counter_read(&counters->rejected), 1,
                    ENOUGH / 2 + 1); /* twice as much memory */
    for (unsigned i = 0; i < ENOUGH; i++)
        close(conns[i]);
    close(fd);
}

static void the_oldest_query_of_too_many_clients_fails(void **state)
{
    (void)state;
    int fd = client_open(f, SOCK_DGRAM);
    enum { NAMES = FORWARD_WAITERS_MAX / FORWARD_WAITERS_PER_QUERY };
    for (unsigned i = 0; i < FORWARD_WAITERS_MAX; i++) {
        const struct packet query = numbered(i / FORWARD_WAITERS_PER_QUERY, i);
        send_packet(fd, &query, false);
        if (i % 32 == 31)
            ask_locally(f);
    }
    wait_for(&counters->merged, FORWARD_WAITERS_MAX - NAMES);
    assert_int_equal(counter_read(&counters->rejected), 0);
    const struct packet query = numbered(NAMES, 9999);
    send_packet(fd, &query, false);
    for (unsigned i = 0; i < FORWARD_WAITERS_PER_QUERY; i++)
        expect_failure(fd, false, i);
    assert_int_equal(counter_read(&counters->rejected), FORWARD_WAITERS_PER_QUERY);
    close(fd);
}

/* A message may be long: a query of 40 octets behind an option of 58,000. */
static void send_long(int fd, unsigned name, unsigned id)
{
    enum { OPTION = 58000 };
    static uint8_t message[65536];
    struct packet p = numbered(name, id), framed = {.len = 0};
    packet_put(&p, "\0\0\x29\x04\xd0\0\0\0\0", 9);
    packet_put16(&p, 4 + OPTION);
    packet_put16(&p, 65001);
    packet_put16(&p, OPTION);
    packet_set16(&p, 10, 1);
    packet_put16(&framed, (unsigned)p.len + OPTION);
    packet_put(&framed, p.bytes, p.len);
    memset(message, 0, sizeof message);
    memcpy(message, framed.bytes, framed.len);
    size_t len = framed.len + OPTION;
    for (size_t at = 0; at < len;) {
        ssize_t n = TEMP_FAILURE_RETRY(send(fd, message + at, len - at, MSG_NOSIGNAL));
        assert_true(n > 0);
        at += (size_t)n;
    }
}

static void the_oldest_query_of_too_long_messages_fails(void **state)
{
    (void)state;
    enum { EACH = 16, FIRST = 96, ALL = 144 }; /* 143 of 58,500 octets are below 8 MiB */
    int fds[ALL / EACH];
    for (unsigned i = 0; i < ALL; i++) {
        if (i % EACH == 0)
            fds[i / EACH] = client_open(f, SOCK_STREAM);
        send_long(fds[i / EACH], i < FIRST ? 1 : 2, i);
        uint64_t names = i < FIRST ? 1 : 2;
        wait_for(&counters->merged, i + 1 - names);
        ask_locally(f);
        assert_int_equal(counter_read(&counters->rejected), i < ALL - 1 ? 0 : FIRST);
    }
    assert_int_equal(counter_read(&counters->in_flight), 1);
    for (unsigned i = 0; i < FIRST; i++)
        expect_failure(fds[i / EACH], true, i);
    for (unsigned i = 0; i < ALL / EACH; i++)
        close(fds[i]);
}

/* Without a descriptor there is no answer, but it is not the upstream's fault. */
static void a_shortage_of_ours_is_not_held_against_an_upstream(void **state)
{
    (void)state;
    int fd = client_open(f, SOCK_DGRAM);
    struct rlimit files, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    none = files;
    int lowest = dup(fd); /* that is free */
    close(lowest);
    none.rlim_cur = (rlim_t)lowest;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (unsigned i = 0; i < 8; i++) {
        const struct packet query = numbered(i, i);
        send_packet(fd, &query, false);
        expect_failure(fd, false, i);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    assert_int_equal(counter_read(&counters->to[0].is_down), 0);
    assert_int_equal(counter_read(&counters->to[0].results[FORWARD_NETWORK]), 0);
    const struct packet query = numbered(8, 8);
    send_packet(fd, &query, false);
    const struct packet asked = take(f, 0), reply = reply_to(&asked, 3);
    give(f, 0, &reply);
    struct response r = receive(fd, bytes, false);
    assert_int_equal(r.rcode, 3);
    response_fini(&r);
    close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(the_oldest_of_too_many_queries_fails),
        TEST(the_oldest_of_too_many_streams_fails),
        TEST(streams_for_clients_by_udp_are_counted_too),
        TEST(the_oldest_of_too_many_long_beginnings_fails),
        TEST(the_oldest_query_of_too_many_clients_fails),
        TEST(the_oldest_query_of_too_long_messages_fails),
        TEST(a_shortage_of_ours_is_not_held_against_an_upstream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
