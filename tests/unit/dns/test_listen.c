/* Listen addresses that come and go while queries are answered: K-RELOAD, R-096, R-097. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <sched.h>

#include "dns/listen.h"
#include "upstream_fixture.h"

#define K0 "db-0.db.prod.svc.cluster.local"

static uint8_t bytes[65535];

/* Connections that come and go quickly are not to push out one that is watched. */
static struct dns_opts listening_options(const char *const *listen, size_t count)
{
    struct dns_opts opts = forwarding_options();
    opts.listen = listen;
    opts.listen_count = count;
    opts.tcp_max = opts.tcp_max_per_client = 100000;
    return opts;
}

/* upstreams: 0 or 1; with one there is a socket more while it is probed. */
static struct forwarding *start(const char *const *listen, size_t count, unsigned workers,
                                size_t upstreams)
{
    struct dns_opts opts = listening_options(listen, count);
    opts.workers = workers;
    return forwarding_start(opts, upstreams);
}

static int reload(const struct forwarding *f, const char *const *listen, size_t count,
                  struct err *e)
{
    struct dns_opts opts = listening_options(listen, count);
    return dns_server_reload(f->server, &opts, e);
}

/* A client of an address as the server writes it, or -1 with errno; of a wildcard on loopback. */
static int dial(const char *text, int type)
{
    struct listen_address to;
    const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    assert_int_equal(listen_parse(text, &to, NULL), 0);
    bool is_v6 = to.at.any.sa_family == AF_INET6;
    int fd = socket(to.at.any.sa_family, type | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    if (connect(fd, &to.at.any, is_v6 ? sizeof to.at.v6 : sizeof to.at.v4) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static void ask(int fd, bool is_tcp, unsigned id)
{
    struct packet query;
    packet_query(&query, K0, A);
    packet_set16(&query, 0, id);
    send_packet(fd, &query, is_tcp);
}

static void expect(int fd, bool is_tcp, unsigned id)
{
    struct response r = receive(fd, bytes, is_tcp);
    assert_int_equal(r.rcode, 0);
    assert_int_equal(r.count[1], 1);
    assert_int_equal(bytes[0] << 8 | bytes[1], id);
    response_fini(&r);
}

static void answers_at(const char *text)
{
    for (int is_tcp = 0; is_tcp < 2; is_tcp++) {
        int fd = dial(text, is_tcp ? SOCK_STREAM : SOCK_DGRAM);
        assert_true(fd >= 0);
        ask(fd, is_tcp, 7);
        expect(fd, is_tcp, 7);
        close(fd);
    }
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir)) /* NOLINT(concurrency-mt-unsafe) */
        count++;
    closedir(dir);
    return count;
}

/* Until no worker listens any more; one that lets go meanwhile resets. */
static void wait_for_silence(const char *text)
{
    for (;;) {
        int fd = dial(text, SOCK_STREAM);
        if (fd < 0 && errno == ECONNREFUSED)
            return;
        assert_true(fd >= 0 || errno == ECONNRESET);
        if (fd >= 0)
            close(fd);
        sched_yield();
    }
}

static void addresses_come_and_go(void **state)
{
    (void)state;
    static const char *const one[] = {"127.0.0.1:0"};
    struct forwarding *f = start(one, 1, 3, 0);
    unsigned before = open_descriptors();
    char text[3][LISTEN_TEXT_MAX];
    (void)snprintf(text[0], sizeof text[0], "%s", dns_server_address(f->server, 0));
    for (int round = 0; round < 3; round++) {
        const char *const three[] = {round == 0 ? one[0] : text[0], "127.0.0.2:0", "[::1]:0"};
        assert_int_equal(reload(f, three, 3, NULL), 0);
        assert_int_equal(dns_server_address_count(f->server), 3);
        for (size_t i = 0; i < 3; i++) {
            if (i == 0)
                assert_string_equal(dns_server_address(f->server, 0), text[0]);
            (void)snprintf(text[i], sizeof text[i], "%s", dns_server_address(f->server, i));
            answers_at(text[i]);
        }
        const char *const named[] = {text[2], text[0]}; /* by what they are, not by the option */
        int stream = dial(text[1], SOCK_STREAM);
        ask(stream, true, 1);
        expect(stream, true, 1);
        assert_int_equal(reload(f, named, 2, NULL), 0);
        assert_string_equal(dns_server_address(f->server, 0), text[2]);
        assert_string_equal(dns_server_address(f->server, 1), text[0]);
        wait_for_silence(text[1]);
        answers_at(text[0]);
        answers_at(text[2]);
        ask(stream, true, 2); /* who was connected stays it */
        expect(stream, true, 2);
        close(stream);
        const char *const first[] = {text[0]};
        assert_int_equal(reload(f, first, 1, NULL), 0);
        wait_for_silence(text[2]);
        answers_at(text[0]);
    }
    while (open_descriptors() != before) /* ends of connections that a worker has not seen yet */
        answers_at(text[0]);
    forwarding_stop(f);
}

static void what_an_address_has_received_is_answered(void **state)
{
    (void)state;
    enum { QUERIES = 100, STREAMS = 70 };
    static const char *const two[] = {"127.0.0.1:0", "127.0.0.2:0"};
    struct dns_opts opts = forwarding_options();
    struct fixture fixture;
    struct dns_server *server;
    fixture_init(&fixture, true);
    opts.listen = two;
    opts.listen_count = 2;
    assert_int_equal(dns_server_bind(&opts, zones_publish(fixture.zones), &server, NULL), 0);
    int datagrams = dial(dns_server_address(server, 1), SOCK_DGRAM), streams[STREAMS];
    for (unsigned id = 0; id < QUERIES; id++)
        ask(datagrams, false, id);
    for (unsigned i = 0; i < STREAMS; i++) {
        streams[i] = dial(dns_server_address(server, 1), SOCK_STREAM);
        ask(streams[i], true, i);
    }
    opts.listen_count = 1; /* the worker comes to the address and lets it go in one */
    assert_int_equal(dns_server_reload(server, &opts, NULL), 0);
    assert_int_equal(dns_server_start(server, NULL), 0);
    for (unsigned id = 0; id < QUERIES; id++)
        expect(datagrams, false, id);
    for (unsigned i = 0; i < STREAMS; i++) {
        expect(streams[i], true, i);
        close(streams[i]);
    }
    close(datagrams);
    dns_server_stop(server);
    fixture_fini(&fixture);
}

struct toggle {
    struct forwarding *f;
    const char *text[2];
    _Atomic bool is_done;
};

static void *toggle_main(void *arg)
{
    struct toggle *t = arg;
    for (unsigned i = 1; i <= 301; i++) {
        struct err e;
        while (reload(t->f, &t->text[i % 2], 1, &e) < 0) {
            assert_non_null(strstr(e.text, "in use")); /* the last change is not through yet */
            sched_yield();
        }
    }
    atomic_store(&t->is_done, true);
    return NULL;
}

static void an_address_becomes_a_wildcard_without_losing_a_query(void **state)
{
    (void)state;
    enum { CLIENTS = 8 };
    static const char *const one[] = {"127.0.0.1:0"};
    struct toggle t = {.f = start(one, 1, 3, 0)};
    char narrow[LISTEN_TEXT_MAX], wide[LISTEN_TEXT_MAX];
    (void)snprintf(narrow, sizeof narrow, "%s", dns_server_address(t.f->server, 0));
    (void)snprintf(wide, sizeof wide, "0.0.0.0%s", strrchr(narrow, ':'));
    t.text[0] = narrow;
    t.text[1] = wide;
    int client[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++)
        client[i] = dial(narrow, SOCK_DGRAM);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, toggle_main, &t), 0);
    for (unsigned id = 0; !atomic_load(&t.is_done); id++) {
        for (unsigned i = 0; i < CLIENTS; i++)
            ask(client[i], false, id & 0xffff);
        for (unsigned i = 0; i < CLIENTS; i++)
            expect(client[i], false, id & 0xffff);
    }
    pthread_join(thread, NULL);
    assert_string_equal(dns_server_address(t.f->server, 0), wide);
    answers_at(wide);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(client[i]);
    forwarding_stop(t.f);
}

static void an_address_may_stand_beside_its_wildcard(void **state)
{
    (void)state; /* by a reload and at the start */
    static const char *const one[] = {"0.0.0.0:0"};
    struct forwarding *f = start(one, 1, 2, 0);
    char narrow[LISTEN_TEXT_MAX], wide[LISTEN_TEXT_MAX];
    (void)snprintf(wide, sizeof wide, "%s", dns_server_address(f->server, 0));
    (void)snprintf(narrow, sizeof narrow, "127.0.0.1%s", strrchr(wide, ':'));
    const char *const both[] = {wide, narrow};
    assert_int_equal(reload(f, both, 2, NULL), 0);
    answers_at(narrow);
    forwarding_stop(f);
    f = start(both, 2, 2, 0);
    answers_at(narrow);
    forwarding_stop(f);
}

static void an_answer_that_waits_leaves_by_the_address_it_came_to(void **state)
{
    (void)state;
    static const char *const two[] = {"127.0.0.1:0", "127.0.0.2:0"};
    for (int is_answered = 0; is_answered < 2; is_answered++) { /* or the server stops first */
        struct forwarding *f = start(two, 2, 1, 1);
        char text[LISTEN_TEXT_MAX];
        (void)snprintf(text, sizeof text, "%s", dns_server_address(f->server, 1));
        int fd = dial(text, SOCK_DGRAM);
        const struct packet query = recursive("www.example.com", A);
        send_packet(fd, &query, false);
        struct packet asked = take(f, 0);
        assert_int_equal(reload(f, two, 1, NULL), 0);
        wait_for_silence(text);
        answers_at(dns_server_address(f->server, 0));
        if (is_answered) {
            const struct packet reply = reply_to(&asked, 3);
            give(f, 0, &reply);
            struct response r = receive(fd, bytes, false);
            assert_int_equal(r.rcode, 3);
            response_fini(&r);
        }
        forwarding_stop(f);
        if (!is_answered) {
            struct response r = receive(fd, bytes, false);
            assert_int_equal(r.rcode, 2);
            response_fini(&r);
        }
        close(fd);
    }
}

static void wrong_addresses_change_nothing(void **state)
{
    (void)state;
    static const char *const one[] = {"127.0.0.1:0"};
    struct forwarding *f = start(one, 1, 2, 0), *other = start(one, 1, 2, 0);
    unsigned before = open_descriptors();
    const char *ours = dns_server_address(f->server, 0);
    const struct {
        const char *listen[3];
        size_t count;
        int rc;
        const char *word;
    } rows[] = {
        {{NULL}, 0, ERR_INVALID, "no address"},
        {{"[::1]:0", "127.0.0.1"}, 2, ERR_INVALID, "ADDRESS:PORT"},
        {{"[::1]:0", dns_server_address(other->server, 0)}, 2, ERR_IO, "in use"},
        {{"[::1]:0", "192.0.2.77:0"}, 2, ERR_IO, "192.0.2.77"},
        {{"[::1]:0", ours, ours}, 3, ERR_INVALID, "given twice"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct err e = {0};
        int rc = reload(f, rows[i].listen, rows[i].count, &e);
        if (rc != rows[i].rc || !strstr(e.text, rows[i].word))
            fail_msg("row %zu: %d %s", i, rc, e.text);
        assert_int_equal(dns_server_address_count(f->server), 1);
        answers_at(dns_server_address(f->server, 0));
    }
    while (open_descriptors() != before)
        answers_at(dns_server_address(f->server, 0));
    forwarding_stop(other);
    forwarding_stop(f);
}

static void a_new_address_is_not_that_of_an_upstream(void **state)
{
    (void)state; /* */
    static const char *const one[] = {"127.0.0.1:0"};
    struct forwarding *f = start(one, 1, 2, 1);
    const char *const both[] = {dns_server_address(f->server, 0), f->up[0].text};
    struct err e = {0};
    close(f->up[0].udp); /* nobody is there, and yet it is to be asked */
    close(f->up[0].tcp);
    f->up[0].udp = f->up[0].tcp = -1;
    assert_int_equal(reload(f, both, 2, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "forward.upstream"));
    answers_at(dns_server_address(f->server, 0));
    forwarding_stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_come_and_go),
        cmocka_unit_test(what_an_address_has_received_is_answered),
        cmocka_unit_test(an_address_becomes_a_wildcard_without_losing_a_query),
        cmocka_unit_test(an_address_may_stand_beside_its_wildcard),
        cmocka_unit_test(an_answer_that_waits_leaves_by_the_address_it_came_to),
        cmocka_unit_test(wrong_addresses_change_nothing),
        cmocka_unit_test(a_new_address_is_not_that_of_an_upstream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
