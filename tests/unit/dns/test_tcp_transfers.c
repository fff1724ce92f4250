/* Transfers on connections: their turns, their limits, and that a version is let go at every end
 * (K-XFR, R-111, P20). But for the last test a worker is driven by hand, over a socket pair. */
#include "dns/tcp_transfers.h"

#include "net.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "dns/tcp.h"

#define Z     "cluster.local"
#define FLIPS 50

static const char *const any[] = {"any"};

static struct dns_opts transfer_options(void)
{
    struct dns_opts opts = options();
    opts.transfer_acl = any;
    opts.transfer_acl_count = 1;
    return opts;
}

static struct net *by_hand(void)
{
    struct dns_opts opts = transfer_options();
    return net_bind(&opts);
}

static struct worker *worker_of(const struct net *n)
{
    return dns_server_worker(n->server, 0);
}

/* As the worker's thread does at its end: what still runs is ended. */
static void stop(struct net *n)
{
    tcp_drain(worker_of(n));
    assert_true(list_is_empty(&worker_of(n)->transfers));
    net_stop(n);
}

/* A connection of worker 0; the other end is returned. */
static int open_pair(const struct net *n, uint8_t client)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    const struct dns_peer peer = {
        .addr = {192, 0, 2, client}, .addr_len = 4, .port = 999, .proto = DNS_TCP};
    tcp_open(worker_of(n), fds[0], &peer);
    return fds[1];
}

static void turn(const struct net *n)
{
    event_base_loop(worker_of(n)->base, EVLOOP_NONBLOCK);
}

static uint64_t ended(const struct net *n, enum dns_transfer result)
{
    return counter_read(&worker_of(n)->counters.transfers[result]);
}

static void begin(const struct net *n, int fd, unsigned id)
{
    struct packet p = framed(id, Z, RR_AXFR);
    send_all(fd, p.bytes, p.len);
    turn(n);
}

/* A stream read so far. */
struct stream {
    uint8_t bytes[1 << 16];
    size_t len;
    bool is_closed;
};

/* The next whole message, or 0: more turns are needed. */
static size_t stream_message(struct stream *s, int fd, uint8_t *out)
{
    size_t want = s->len < 2 ? 2 : 2U + (size_t)(s->bytes[0] << 8 | s->bytes[1]);
    ssize_t got = recv(fd, s->bytes + s->len, want - s->len, 0);
    s->is_closed = got == 0 || (got < 0 && errno != EAGAIN);
    s->len += got > 0 ? (size_t)got : 0;
    if (s->len < 2 || s->len < 2U + (size_t)(s->bytes[0] << 8 | s->bytes[1]))
        return 0;
    size_t len = s->len - 2;
    memcpy(out, s->bytes + 2, len);
    s->len = 0;
    return len;
}

/* One version more, in which Service `name` has other addresses. */
static void update(const struct net *n, uint64_t revision)
{
    struct zone_txn *txn = zone_txn_new(n->fixture.zones);
    fixture_headless(txn, "flip", (unsigned)(revision % 100) * FLIPS, FLIPS, true, false, false);
    zone_txn_publish(txn, revision);
}

static size_t garbage_after(const struct net *n, unsigned updates)
{
    static uint64_t revision = 100;
    for (unsigned i = 0; i < updates; i++)
        update(n, ++revision);
    while (zones_reclaim(n->fixture.zones))
        continue;
    return zones_garbage(n->fixture.zones);
}

static void a_query_overtakes_a_transfer(void **state)
{
    (void)state; /* on its own connection and on another one */
    struct net *n = by_hand();
    int fd = open_pair(n, 1), other = open_pair(n, 2);
    struct stream s = {.len = 0};
    static uint8_t message[65536];
    struct packet q = framed(2, K0, A), p = framed(3, K0, A);
    begin(n, fd, 1);
    send_all(fd, q.bytes, q.len);
    send_all(other, p.bytes, p.len);
    for (int i = 0; i < 3; i++)
        turn(n); /* nothing is read here: the transfer waits for its socket */
    assert_true(recv(other, message, sizeof message, 0) > 2);
    assert_int_equal(message[2] << 8 | message[3], 3);
    unsigned before = 0, behind = 0;
    for (bool has_answer = false; !s.is_closed;) {
        size_t len = stream_message(&s, fd, message);
        if (len == 0) {
            if (ended(n, TRANSFER_DONE) == 1)
                break;
            turn(n);
            continue;
        }
        bool is_answer = (message[0] << 8 | message[1]) == 2;
        has_answer |= is_answer;
        *(has_answer ? &behind : &before) += 1;
    }
    assert_true(before > 1 && behind > 10);
    close(fd);
    close(other);
    turn(n);
    stop(n);
}

static void a_version_is_let_go_at_every_end(void **state)
{
    (void)state; /* "a transfer of minutes pins its version within its limits and frees it" */
    static const enum dns_transfer ends[] = {TRANSFER_CLOSED, TRANSFER_STALLED, TRANSFER_TIME,
                                             TRANSFER_MEMORY, TRANSFER_DONE};
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        struct net *n = by_hand();
        struct stream s = {.len = 0};
        static uint8_t message[65536];
        if (ends[i] == TRANSFER_STALLED)
            dns_server_timing(n->server)->stall_us = 1000;
        if (ends[i] == TRANSFER_TIME)
            dns_server_transfer_limits(n->server)->transfer_us = -1;
        int fd = open_pair(n, 1);
        begin(n, fd, 1);
        size_t held = garbage_after(n, 20);
        assert_true(held >= 20); /* pinned: nothing since has been freed */
        if (ends[i] == TRANSFER_MEMORY) {
            tcp_close_overdue(worker_of(n)); /* within the limit: it goes on */
            assert_int_equal(ended(n, ends[i]), 0);
            dns_server_transfer_limits(n->server)->transfer_pin_bytes = 20 * FLIPS * 16;
        }
        if (ends[i] == TRANSFER_TIME || ends[i] == TRANSFER_MEMORY)
            tcp_close_overdue(worker_of(n));
        if (ends[i] == TRANSFER_CLOSED)
            close(fd);
        while (ended(n, ends[i]) == 0) {
            turn(n);
            while (ends[i] == TRANSFER_DONE && stream_message(&s, fd, message) > 0)
                continue;
        }
        assert_int_equal(garbage_after(n, 0), 0);
        if (ends[i] != TRANSFER_CLOSED)
            close(fd);
        turn(n);
        stop(n);
    }
}

static void only_so_many_run_at_a_time(void **state)
{
    (void)state; /* all of a client's count, and all of everybody's */
    struct net *n = by_hand();
    dns_server_timing(n->server)->stall_us = 600000000; /* nobody reads until all have begun */
    static uint8_t message[65536];
    int fds[TRANSFERS_MAX + 2];
    for (unsigned i = 0; i < TRANSFERS_MAX + 1; i++) {
        fds[i] = open_pair(n, (uint8_t)(i / TRANSFERS_PER_CLIENT));
        begin(n, fds[i], i);
    }
    assert_int_equal(ended(n, TRANSFER_QUOTA), 1);
    assert_true(recv(fds[TRANSFERS_MAX], message, sizeof message, 0) > 5);
    assert_int_equal(message[5] & 15, RCODE_SERVFAIL);
    close(fds[0]);
    while (ended(n, TRANSFER_CLOSED) == 0)
        turn(n);
    fds[0] = open_pair(n, 1); /* of whom four run */
    begin(n, fds[0], 1);
    assert_int_equal(ended(n, TRANSFER_QUOTA), 2);
    begin(n, fds[0], 2);
    begin(n, fds[TRANSFERS_MAX], 3); /* of somebody else */
    assert_int_equal(ended(n, TRANSFER_QUOTA), 3);
    for (unsigned i = 0; i < TRANSFERS_MAX + 1; i++)
        close(fds[i]);
    stop(n);
}

static void two_on_one_connection_take_turns(void **state)
{
    (void)state;
    struct net *n = by_hand();
    int fd = open_pair(n, 1);
    struct stream s = {.len = 0};
    static uint8_t message[65536];
    unsigned count[3] = {0}, changes = 0, last = 0;
    begin(n, fd, 0);
    for (unsigned soas = 0; soas < 2; turn(n)) { /* alone: how many messages it takes */
        for (size_t len; (len = stream_message(&s, fd, message)) > 0; count[0]++) {
            struct response r = strict_parse(message, len);
            for (size_t i = 0; i < r.records; i++)
                soas += r.record[i].type == RR_SOA;
            response_fini(&r);
        }
    }
    begin(n, fd, 1);
    begin(n, fd, 2);
    while (count[1] + count[2] < 2 * count[0]) {
        if (stream_message(&s, fd, message) == 0) {
            turn(n);
            continue;
        }
        unsigned id = (unsigned)(message[0] << 8 | message[1]);
        assert_in_range(id, 1, 2);
        changes += id != last;
        last = id;
        count[id]++;
    }
    assert_int_equal(count[1], count[2]);
    assert_true(changes > 20);
    close(fd);
    turn(n);
    stop(n);
}

static void a_half_closed_client_gets_all_of_it(void **state)
{
    (void)state; /* R-083, and the connection ends behind the last message */
    struct net *n = by_hand();
    int fd = open_pair(n, 1);
    struct stream s = {.len = 0};
    static uint8_t message[65536];
    size_t messages = 0;
    begin(n, fd, 1);
    shutdown(fd, SHUT_WR);
    while (!s.is_closed) {
        if (stream_message(&s, fd, message) > 0)
            messages++;
        else
            turn(n);
    }
    assert_true(messages > 20);
    assert_int_equal(ended(n, TRANSFER_DONE), 1);
    assert_int_equal(counter_read(&worker_of(n)->counters.tcp_closed[TCP_CLOSE_CLIENT]), 1);
    close(fd);
    stop(n);
}

/* ---- while updates run ---- */

struct updater {
    struct net *net;
    atomic_bool must_stop;
};

static void *update_main(void *arg)
{
    struct updater *u = arg;
    for (uint64_t revision = 10; !atomic_load(&u->must_stop); revision++) {
        update(u->net, revision);
        zones_reclaim(u->net->fixture.zones);
        sched_yield();
    }
    return NULL;
}

static uint32_t soa_serial(const struct response *r, const struct record *rr)
{
    size_t at = rr->rdata_at + rr->rdlen - 20;
    return (uint32_t)strict16(r, at) << 16 | strict16(r, at + 2);
}

/* Reads one transfer: both SOAs have one serial, and every address is of that very version. */
static void read_transfer(int fd, uint32_t *serial)
{
    static uint8_t bytes[65536];
    static const uint8_t flip[] = "\4flip\4prod\3svc\7cluster\5local";
    unsigned soas = 0, addresses = 0;
    while (soas < 2) {
        uint8_t head[2];
        assert_true(read_all(fd, head, 2));
        size_t len = (size_t)head[0] << 8 | head[1];
        assert_true(read_all(fd, bytes, len));
        struct response r = strict_parse(bytes, len);
        for (size_t i = 0; i < r.records; i++) {
            const struct record *rr = &r.record[i];
            if (rr->type == RR_SOA) {
                assert_true(soas++ == 0 || soa_serial(&r, rr) == *serial);
                *serial = soa_serial(&r, rr);
            }
            if (rr->type == RR_A && memcmp(rr->owner, flip, sizeof flip) == 0) {
                const struct naming_address first = fixture_v4(*serial % 100 * FLIPS);
                const uint8_t *a = bytes + rr->rdata_at;
                unsigned from = first.bytes[2] * 250U + first.bytes[3];
                assert_in_range(a[2] * 250U + a[3], from, from + FLIPS - 1);
                addresses++;
            }
        }
        response_fini(&r);
    }
    assert_true(addresses == (*serial == 7 ? 0 : FLIPS));
}

static void a_transfer_during_updates_is_one_version(void **state)
{
    (void)state; /* P20, R-054: TSan runs this one too */
    struct dns_opts opts = transfer_options();
    struct updater u = {.net = net_start(&opts)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, update_main, &u), 0);
    uint32_t serial = 0, changes = 0;
    int fd = dial(u.net, 0, SOCK_STREAM);
    for (unsigned i = 0; i < 12 || changes < 3; i++) {
        uint32_t before = serial;
        struct packet p = framed(i, Z, RR_AXFR);
        send_all(fd, p.bytes, p.len);
        read_transfer(fd, &serial);
        changes += serial != before;
    }
    atomic_store(&u.must_stop, true);
    pthread_join(thread, NULL);
    close(fd);
    net_stop(u.net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_overtakes_a_transfer),
        cmocka_unit_test(a_version_is_let_go_at_every_end),
        cmocka_unit_test(only_so_many_run_at_a_time),
        cmocka_unit_test(two_on_one_connection_take_turns),
        cmocka_unit_test(a_half_closed_client_gets_all_of_it),
        cmocka_unit_test(a_transfer_during_updates_is_one_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
