/* Forwarding against upstreams that are right, wrong, slow, mute or malicious. */
#include "upstream_fixture.h"

static struct forwarding *f;
static uint8_t bytes[65536];

static int stop(void **state)
{
    (void)state;
    if (f)
        forwarding_stop(f);
    f = NULL;
    return 0;
}

/* One question by UDP, answered by upstream 0 with these records (hexadecimal RDATA). */
static struct response relay_one(int fd, const struct packet *query, unsigned rcode,
                                 void (*fill)(struct packet *))
{
    send_packet(fd, query, false);
    const struct packet asked = take(f, 0);
    struct packet reply = reply_to(&asked, rcode);
    if (fill)
        fill(&reply);
    give(f, 0, &reply);
    return receive(fd, bytes, false);
}

static void two_addresses(struct packet *p)
{
    packet_record(p, 6, "c00c", A, 1, 300, "c6336401");
    packet_record(p, 6, "c00c", A, 1, 300, "c6336402");
}

static void soa_of_example(struct packet *p)
{
    /* example.com: behind the label www of the question */
    packet_record(p, 8, "c010", SOA, 1, 900,
                  "c010 c010 00000001 00000002 00000003 00000004 00000005");
}

static void a_foreign_name_is_relayed(void **state)
{
    (void)state;
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_DGRAM);
    const struct packet query = recursive("wWw.ExAmPlE.com", A);
    struct response r = relay_one(fd, &query, 0, two_addresses);
    assert_int_equal(r.rcode, 0);
    assert_true(r.ra && r.rd && !r.aa && !r.ad);
    assert_int_equal(r.count[1], 2);
    assert_memory_equal(bytes, query.bytes, 2);
    assert_memory_equal(bytes + 12, query.bytes + 12, r.question_len);
    assert_int_equal(r.record[0].ttl, 300);
    assert_false(r.has_opt);
    response_fini(&r);
    close(fd);
}

/* */
static void what_is_asked_is_ours_but_for_do_and_cd(void **state)
{
    (void)state;
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_DGRAM);
    struct packet query = recursive("WWW.example.com", A);
    query.bytes[3] |= 0x10;
    packet_opt(&query, 4096, EDNS_DO, "0008 0008 0001180001020300 000a 0008 0102030405060708");
    send_packet(fd, &query, false);
    const struct packet asked = take(f, 0);
    assert_true(name_equal(asked.bytes + 12, (const uint8_t *)"\3www\7example\3com"));
    assert_int_equal(asked.bytes[2], 1);
    assert_int_equal(asked.bytes[3], 0x10);
    /* one OPT, no options: neither the subnet nor the cookie went out */
    assert_int_equal(asked.len, 12 + 17 + 4 + 11);
    assert_memory_equal(asked.bytes + 33, "\0\0\x29\x04\xd0\0\0\x80\0\0\0", 11);
    assert_in_range(ntohs(f->from.sin_port), 1024, 65535);
    struct packet reply = reply_to(&asked, 0);
    two_addresses(&reply);
    packet_opt(&reply, 1232, 0, "000f 0002 0013"); /* EDE 19 */
    give(f, 0, &reply);
    struct response r = receive(fd, bytes, false);
    assert_true(r.cd && r.has_opt && r.opt_do);
    assert_int_equal(response_ede(&r), 19);
    size_t cookie;
    assert_non_null(response_option(&r, 10, &cookie)); /* ours */
    assert_int_equal(cookie, 24);
    response_fini(&r);
    close(fd);
}

/* P28, P29: CNAME first, AA=1, the target's RCODE */
static void an_external_name_is_resolved(void **state)
{
    (void)state;
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_DGRAM);
    const struct packet query = recursive("ext.prod.svc.cluster.local", A);
    struct response r = relay_one(fd, &query, 0, two_addresses);
    assert_int_equal(r.rcode, 0);
    assert_true(r.ra && r.aa);
    assert_int_equal(r.count[1], 3);
    assert_int_equal(r.record[0].type, CNAME);
    assert_int_equal(r.record[1].type, A);
    assert_memory_equal(r.record[1].owner, "\3www\7example\3com", 17);
    response_fini(&r);
    r = relay_one(fd, &query, 3, soa_of_example);
    assert_int_equal(r.rcode, 3);
    assert_int_equal(r.count[1], 1);
    assert_int_equal(r.record[0].type, CNAME);
    assert_int_equal(r.record[1].type, SOA);
    assert_memory_equal(r.record[1].owner, "\7example\3com", 13);
    response_fini(&r);
    close(fd);
}

/* C16, P30: never an answer that looks like "no address" */
static void a_dead_upstream_is_servfail(void **state)
{
    (void)state;
    struct dns_opts opts = forwarding_options();
    opts.forward_timeout_us = 300000;
    f = forwarding_start(opts, 1);
    int fd = client_open(f, SOCK_DGRAM);
    struct packet query = recursive("ext.prod.svc.cluster.local", A);
    packet_opt(&query, 1232, 0, "");
    send_packet(fd, &query, false);
    struct response r = receive(fd, bytes, false);
    assert_int_equal(r.rcode, 2);
    assert_int_equal(r.records, 0);
    assert_true(r.ra && !r.aa);
    assert_int_equal(response_ede(&r), 22);
    response_fini(&r);
    close(fd);
}

static void an_upstream_that_refuses_connections_is_servfail_at_once(void **state)
{
    (void)state;
    f = forwarding_start(forwarding_options(), 1); /* the time limit would be 10 s */
    close(f->up[0].udp);
    f->up[0].udp = -1;
    int fd = client_open(f, SOCK_DGRAM);
    struct packet query = recursive("www.example.com", A);
    packet_opt(&query, 1232, 0, "");
    send_packet(fd, &query, false);
    struct response r = receive(fd, bytes, false);
    assert_int_equal(r.rcode, 2);
    assert_int_equal(response_ede(&r), 23);
    response_fini(&r);
    close(fd);
}

/* SERVFAIL, REFUSED, garbage behind our question, and silence send the query on */
static void the_next_upstream_is_asked(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        f = how < 3 ? forwarding_start(forwarding_options(), 2)
                    : forwarding_start_with(forwarding_options(), 2, 0);
        int fd = client_open(f, SOCK_DGRAM);
        const struct packet query = recursive("www.example.com", A);
        send_packet(fd, &query, false);
        /* whichever is asked first */
        struct pollfd ends[2] = {{f->up[0].udp, POLLIN, 0}, {f->up[1].udp, POLLIN, 0}};
        struct packet asked;
        size_t first = 2;
        while (first == 2) {
            assert_true(TEMP_FAILURE_RETRY(poll(ends, 2, PATIENCE_MS)) > 0);
            size_t ready = ends[0].revents ? 0 : 1;
            socklen_t len = sizeof f->from;
            ssize_t n = recvfrom(f->up[ready].udp, asked.bytes, sizeof asked.bytes, 0,
                                 (struct sockaddr *)&f->from, &len);
            asked.len = (size_t)n;
            if (!is_probe(&asked))
                first = ready;
        }
        struct packet reply = reply_to(&asked, how == 0 ? 2 : how == 1 ? 5 : 0);
        if (how == 2)
            packet_record(&reply, 6, "ffff", A, 1, 300, "c6336401");
        if (how < 3)
            give(f, first, &reply);
        serve_until_answered(f, 1 - first, fd, two_addresses);
        struct response r = receive(fd, bytes, false);
        assert_int_equal(r.rcode, 0);
        assert_int_equal(r.count[1], 2);
        response_fini(&r);
        close(fd);
        stop(NULL);
    }
}

/* each of these is ignored, and the query goes on waiting */
static void answers_to_other_questions_are_ignored(void **state)
{
    (void)state;
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_DGRAM);
    const struct packet query = recursive("www.example.com", A);
    send_packet(fd, &query, false);
    const struct packet asked = take(f, 0);
    for (int wrong = 0; wrong < 5; wrong++) {
        struct packet reply = reply_to(&asked, 0);
        packet_record(&reply, 6, "c00c", A, 1, 300, "7f000001");
        if (wrong == 0)
            reply.bytes[1] ^= 1; /* ID */
        else if (wrong == 1)
            reply.bytes[2] &= 0x7f; /* a query */
        else if (wrong == 2)
            reply.bytes[2] |= 0x20; /* opcode */
        else if (wrong == 3)
            reply.bytes[30] ^= 1; /* type */
        else
            reply.len = 11;
        give(f, 0, &reply);
    }
    /* from another port: the kernel does not even show it */
    uint16_t port = 0;
    int other = bound_socket(SOCK_DGRAM, &port);
    struct packet reply = reply_to(&asked, 0);
    packet_record(&reply, 6, "c00c", A, 1, 300, "7f000001");
    assert_int_equal(
        sendto(other, reply.bytes, reply.len, 0, (struct sockaddr *)&f->from, sizeof f->from),
        (ssize_t)reply.len);
    close(other);
    reply = reply_to(&asked, 0);
    two_addresses(&reply);
    give(f, 0, &reply);
    struct response r = receive(fd, bytes, false);
    assert_int_equal(r.count[1], 2);
    assert_memory_equal(bytes + r.record[0].rdata_at, "\xc6\x33\x64", 3);
    response_fini(&r);
    close(fd);
}

/* somebody is guessing; the question goes where nobody can */
static void many_wrong_answers_lead_to_tcp(void **state)
{
    (void)state;
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_DGRAM), conn;
    const struct packet query = recursive("www.example.com", A);
    send_packet(fd, &query, false);
    struct packet asked = take(f, 0);
    for (unsigned i = 1; i <= 8; i++) {
        struct packet reply = reply_to(&asked, 0);
        packet_set16(&reply, 0, ((unsigned)asked.bytes[0] << 8 | asked.bytes[1]) ^ i);
        give(f, 0, &reply);
    }
    asked = take_tcp(f, 0, &conn);
    struct packet reply = reply_to(&asked, 0);
    two_addresses(&reply);
    send_packet(conn, &reply, true);
    struct response r = receive(fd, bytes, false);
    assert_int_equal(r.count[1], 2);
    response_fini(&r);
    close(conn);
    close(fd);
}

/* P31, and the issue: TC is carried to UDP clients, who come back by TCP, which is relayed so */
static void truncation_is_carried_and_tcp_goes_by_tcp(void **state)
{
    (void)state;
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_DGRAM), conn;
    const struct packet query = recursive("ext.prod.svc.cluster.local", A);
    send_packet(fd, &query, false);
    struct packet asked = take(f, 0), reply = reply_to(&asked, 0);
    reply.bytes[2] |= 2;
    packet_record(&reply, 6, "c00c", A, 1, 300, "c6336401");
    give(f, 0, &reply);
    struct response r = receive(fd, bytes, false);
    assert_true(r.tc);
    assert_int_equal(r.record[0].type, CNAME);
    assert_int_equal(r.count[1], 2); /* what came whole (K-SIZE) */
    response_fini(&r);
    close(fd);

    fd = client_open(f, SOCK_STREAM);
    send_packet(fd, &query, true);
    asked = take_tcp(f, 0, &conn);
    reply = reply_to(&asked, 0);
    for (unsigned i = 0; i < 200; i++)
        packet_record(&reply, 6, "c00c", A, 1, 300, "c6336401");
    send_packet(conn, &reply, true);
    r = receive(fd, bytes, true);
    assert_false(r.tc);
    assert_int_equal(r.count[1], 201);
    response_fini(&r);
    close(conn);
    close(fd);
}

/* K-SIZE: what an upstream sends beyond the client's size is cut at whole records */
static void a_long_answer_is_cut_to_the_clients_size(void **state)
{
    (void)state;
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_DGRAM);
    const struct packet query = recursive("www.example.com", A); /* no OPT: 512 */
    send_packet(fd, &query, false);
    const struct packet asked = take(f, 0);
    struct packet reply = reply_to(&asked, 0);
    for (unsigned i = 0; i < 70; i++)
        packet_record(&reply, 6, "c00c", A, 1, 300, "c6336401");
    give(f, 0, &reply);
    struct response r = receive(fd, bytes, false);
    assert_true(r.tc && r.len <= 512 && r.len > 512 - 16);
    response_fini(&r);
    close(fd);
}

/* */
static void formerr_to_edns_is_asked_again_without(void **state)
{
    (void)state;
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_DGRAM);
    for (int how = 0; how < 2; how++) {
        const struct packet query = recursive(how ? "a.example.com" : "b.example.com", A);
        send_packet(fd, &query, false);
        struct packet asked = take(f, 0);
        assert_int_equal(asked.bytes[11], 1); /* it does not remember */
        struct packet reply = reply_to(&asked, how ? 4 : 1);
        if (how) { /* a bare header */
            reply.len = 12;
            packet_set16(&reply, 4, 0);
        }
        give(f, 0, &reply);
        asked = take(f, 0);
        assert_int_equal(asked.bytes[11], 0);
        reply = reply_to(&asked, 0);
        two_addresses(&reply);
        give(f, 0, &reply);
        struct response r = receive(fd, bytes, false);
        assert_int_equal(r.count[1], 2);
        response_fini(&r);
    }
    close(fd);
}

/* */
static void identical_questions_share_one_query(void **state)
{
    (void)state;
    enum { CLIENTS = 20 };
    f = forwarding_start(forwarding_options(), 1);
    int fds[CLIENTS];
    struct packet queries[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = client_open(f, SOCK_DGRAM);
        queries[i] = recursive(i % 2 ? "www.EXAMPLE.com" : "WWW.example.COM", A);
        packet_set16(&queries[i], 0, 1000 + i);
    }
    send_packet(fds[0], &queries[0], false);
    const struct packet asked = take(f, 0);
    for (unsigned i = 1; i < CLIENTS; i++)
        send_packet(fds[i], &queries[i], false);
    ask_locally(f); /* behind them in the same socket */
    const struct forward_counters *counters =
        forwarder_counters(dns_server_worker(f->server, 0)->forward);
    while (counter_read(&counters->merged) < CLIENTS - 1)
        assert_true(poll(NULL, 0, 1) <= 0);
    assert_true(nothing_arrived(f, 0));
    struct packet reply = reply_to(&asked, 0);
    two_addresses(&reply);
    give(f, 0, &reply);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct response r = receive(fds[i], bytes, false);
        assert_int_equal(r.count[1], 2);
        assert_memory_equal(bytes, queries[i].bytes, 2);
        assert_memory_equal(bytes + 12, queries[i].bytes + 12, r.question_len);
        response_fini(&r);
        close(fds[i]);
    }
}

/* R-140, K-OUT, K-FLAGS */
static void only_those_who_may_and_ask_for_it_are_forwarded(void **state)
{
    (void)state;
    static const char *const others[] = {"10.0.0.0/8"};
    struct packet query;
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_DGRAM);
    packet_query(&query, "www.example.com", A); /* RD=0: no snooping */
    send_packet(fd, &query, false);
    struct response r = receive(fd, bytes, false);
    assert_int_equal(r.rcode, 5);
    assert_true(r.ra);
    response_fini(&r);
    packet_query(&query, "ext.prod.svc.cluster.local", A); /* the CNAME alone */
    send_packet(fd, &query, false);
    r = receive(fd, bytes, false);
    assert_int_equal(r.records, 1);
    assert_true(r.aa && r.ra);
    response_fini(&r);
    assert_true(nothing_arrived(f, 0));
    close(fd);
    stop(NULL);

    struct dns_opts opts = forwarding_options();
    opts.recurse_acl = others;
    f = forwarding_start(opts, 1);
    fd = client_open(f, SOCK_DGRAM);
    query = recursive("www.example.com", A);
    packet_opt(&query, 1232, 0, "");
    send_packet(fd, &query, false);
    r = receive(fd, bytes, false);
    assert_int_equal(r.rcode, 5);
    assert_int_equal(response_ede(&r), 18);
    assert_false(r.ra);
    response_fini(&r);
    query = recursive("localhost", A); /* these too */
    send_packet(fd, &query, false);
    r = receive(fd, bytes, false);
    assert_int_equal(r.rcode, 5);
    response_fini(&r);
    assert_true(nothing_arrived(f, 0));
    close(fd);
}

/* with an upstream that never answers */
static void local_names_do_not_notice_a_mute_upstream(void **state)
{
    (void)state;
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_DGRAM);
    for (unsigned i = 0; i < 200; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "n%u.example.com", i);
        const struct packet foreign = recursive(name, A);
        send_packet(fd, &foreign, false);
    }
    static const char *const local[] = {"db-0.db.prod.svc.cluster.local",
                                        "nothing.prod.svc.cluster.local",
                                        "1.2.244.10.in-addr.arpa"};
    for (unsigned i = 0; i < 300; i++) {
        const struct packet query = recursive(local[i % 3], i % 3 == 2 ? PTR : A);
        send_packet(fd, &query, false);
        struct response r = receive(fd, bytes, false);
        assert_int_equal(r.rcode, i % 3 ? 3 : 0);
        assert_true(r.aa && r.ra);
        response_fini(&r);
    }
    close(fd);
}

/* */
static void a_slow_name_holds_back_nothing_on_its_connection(void **state)
{
    (void)state;
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_STREAM), conn;
    struct packet slow = recursive("www.example.com", A);
    struct packet fast = recursive("db-0.db.prod.svc.cluster.local", A);
    packet_set16(&slow, 0, 1);
    packet_set16(&fast, 0, 2);
    send_packet(fd, &slow, true);
    send_packet(fd, &fast, true);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    struct response r = receive(fd, bytes, true);
    assert_int_equal(bytes[1], 2);
    response_fini(&r);
    const struct packet asked = take_tcp(f, 0, &conn);
    struct packet reply = reply_to(&asked, 0);
    two_addresses(&reply);
    send_packet(conn, &reply, true);
    r = receive(fd, bytes, true);
    assert_int_equal(bytes[1], 1);
    assert_int_equal(r.count[1], 2);
    response_fini(&r);
    assert_int_equal(recv(fd, bytes, 1, 0), 0); /* and the connection ends */
    close(conn);
    close(fd);
}

static void clients_that_leave_are_forgotten(void **state)
{
    (void)state;
    struct dns_opts opts = forwarding_options();
    opts.forward_timeout_us = INT64_C(600) * 1000000;
    f = forwarding_start(opts, 1);
    int fd = client_open(f, SOCK_STREAM), conn;
    const struct packet query = recursive("www.example.com", A);
    send_packet(fd, &query, true);
    take_tcp(f, 0, &conn);
    const struct linger reset = {1, 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(fd);
    const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    assert_int_equal(setsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    /* nobody waits for the answer: the upstream is told at once */
    assert_int_equal(TEMP_FAILURE_RETRY(recv(conn, bytes, sizeof bytes, 0)), 0);
    close(conn);
    ask_locally(f);
}

/* Whoever still waits when the server stops is told so. */
static void stopping_answers_those_who_wait(void **state)
{
    (void)state;
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_DGRAM), stream = client_open(f, SOCK_STREAM), conn;
    const struct packet query = recursive("www.example.com", A);
    send_packet(fd, &query, false);
    send_packet(stream, &query, true);
    take(f, 0);
    take_tcp(f, 0, &conn);
    stop(NULL);
    struct response r = receive(fd, bytes, false);
    assert_int_equal(r.rcode, 2);
    response_fini(&r);
    r = receive(stream, bytes, true);
    assert_int_equal(r.rcode, 2);
    response_fini(&r);
    close(conn);
    close(stream);
    close(fd);
}

/* */
static void an_upstream_that_is_a_listener_is_refused_at_start(void **state)
{
    (void)state;
    struct fixture fixture;
    struct dns_server *server;
    struct err e;
    uint16_t port;
    char text[32];
    fixture_init(&fixture, true);
    static const char *const hosts[][2] = {{"127.0.0.1", "127.0.0.1"}, {"0.0.0.0", "127.0.0.9"}};
    for (size_t i = 0; i < 2; i++) {
        char listener[32];
        int rc = ERR_IO;
        for (int k = 0; k < 100 && rc == ERR_IO; k++) { /* somebody else may take the port */
            port = 0;
            close(bound_socket(SOCK_DGRAM, &port));
            (void)snprintf(listener, sizeof listener, "%s:%u", hosts[i][0], port);
            (void)snprintf(text, sizeof text, "%s:%u", hosts[i][1], port);
            const char *listeners[] = {listener}, *upstreams[] = {text};
            struct dns_opts opts = forwarding_options();
            opts.listen = listeners;
            opts.forward_upstream = upstreams;
            opts.forward_upstream_count = 1;
            rc = dns_server_bind(&opts, zones_publish(fixture.zones), &server, &e);
        }
        assert_int_equal(rc, ERR_INVALID);
        assert_non_null(strstr(e.text, "this server itself"));
    }
    fixture_fini(&fixture);
}

/* a rule for what is answered here would never be obeyed */
static void a_suffix_in_a_zone_of_ours_is_refused_at_start(void **state)
{
    (void)state;
    static const char *const zones[] = {"db.prod.svc.cluster.local=127.0.0.1",
                                        "1.244.10.in-addr.arpa=127.0.0.1"};
    struct fixture fixture;
    fixture_init(&fixture, true);
    for (size_t i = 0; i < 2; i++) {
        struct dns_server *server;
        struct err e;
        struct dns_opts opts = forwarding_options();
        opts.forward_zones = zones + i;
        opts.forward_zone_count = 1;
        assert_int_equal(dns_server_bind(&opts, zones_publish(fixture.zones), &server, &e), 0);
        assert_int_equal(dns_server_start(server, &e), ERR_INVALID);
        assert_non_null(strstr(e.text, "is answered here and never forwarded"));
        dns_server_stop(server);
    }
    fixture_fini(&fixture);
}

/* the probe comes back as a query; from then on nothing is forwarded */
static void a_loop_is_found_and_broken(void **state)
{
    (void)state;
    f = forwarding_start(forwarding_options(), 1);
    struct packet probe;
    ssize_t n = recv(f->up[0].udp, probe.bytes, sizeof probe.bytes, 0);
    assert_true(n > 0);
    probe.len = (size_t)n;
    assert_true(is_probe(&probe));
    int fd = client_open(f, SOCK_DGRAM);
    send_packet(fd, &probe, false); /* as a forwarder that has us as its upstream */
    struct response r = receive(fd, bytes, false);
    assert_int_equal(r.rcode, 2);
    response_fini(&r);
    const struct packet query = recursive("www.example.com", A);
    send_packet(fd, &query, false);
    r = receive(fd, bytes, false);
    assert_int_equal(r.rcode, 2);
    response_fini(&r);
    ask_locally(f);
    assert_true(nothing_arrived(f, 0));
    close(fd);
}

/* forward.zones: the longest suffix; its upstream sees only its names */
static void a_suffix_has_its_own_upstreams(void **state)
{
    (void)state;
    struct upstream_end own;
    upstream_open(&own);
    char zone[64];
    (void)snprintf(zone, sizeof zone, "corp.example=%s", own.text);
    const char *const zones[] = {zone};
    struct dns_opts opts = forwarding_options();
    opts.forward_zones = zones;
    opts.forward_zone_count = 1;
    f = forwarding_start(opts, 1);
    struct upstream_end first = f->up[0];
    int fd = client_open(f, SOCK_DGRAM);
    const struct packet outer = recursive("corp.example.com", A),
                        inner = recursive("a.CORP.example", A);
    struct response r = relay_one(fd, &outer, 0, two_addresses);
    assert_int_equal(r.count[1], 2);
    response_fini(&r);
    f->up[0] = own;
    r = relay_one(fd, &inner, 0, two_addresses);
    assert_int_equal(r.count[1], 2);
    response_fini(&r);
    f->up[0] = first;
    assert_true(nothing_arrived(f, 0));
    close(own.udp);
    close(own.tcp);
    close(fd);
}

/* above the bound the oldest goes, and the newest is served */
static void the_oldest_gives_way(void **state)
{
    (void)state;
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_DGRAM);
    for (unsigned i = 0; i < FORWARD_WAITERS_PER_QUERY + 1; i++) {
        struct packet query = recursive("www.example.com", A);
        packet_set16(&query, 0, i);
        send_packet(fd, &query, false);
        if (i % 32 == 31)
            ask_locally(f); /* none is lost on the way */
    }
    struct response r = receive(fd, bytes, false);
    assert_int_equal(r.rcode, 2);
    assert_int_equal(bytes[0] << 8 | bytes[1], 0); /* the first */
    response_fini(&r);
    const struct packet asked = take(f, 0);
    struct packet reply = reply_to(&asked, 0);
    two_addresses(&reply);
    give(f, 0, &reply);
    for (unsigned i = 0; i < FORWARD_WAITERS_PER_QUERY; i++) {
        r = receive(fd, bytes, false);
        assert_int_equal(r.rcode, 0);
        assert_int_equal(bytes[0] << 8 | bytes[1], i + 1);
        response_fini(&r);
    }
    close(fd);
}

/* A slow upstream: the question is asked again, from another port with another ID, and the first
 * answer still counts. Where this test is too slow, the third attempt has taken the place of the
 * first: then with another name. */
static void an_answer_to_the_attempt_before_counts(void **state)
{
    (void)state;
    f = forwarding_start_with(forwarding_options(), 1, 0);
    int fd = client_open(f, SOCK_DGRAM);
    bool has_counted = false;
    for (int i = 0; i < 20 && !has_counted; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "n%d.example.com", i);
        const struct packet query = recursive(name, A);
        send_packet(fd, &query, false);
        const struct packet first = take(f, 0);
        const struct sockaddr_in from = f->from;
        const struct packet second = take(f, 0);
        assert_true(memcmp(first.bytes, second.bytes, 2) != 0 || from.sin_port != f->from.sin_port);
        f->from = from;
        struct packet reply = reply_to(&first, 0);
        two_addresses(&reply);
        give(f, 0, &reply);
        struct pollfd ends[2] = {{fd, POLLIN, 0}, {f->up[0].udp, POLLIN, 0}};
        assert_true(TEMP_FAILURE_RETRY(poll(ends, 2, PATIENCE_MS)) > 0);
        has_counted = ends[0].revents;
        serve_until_answered(f, 0, fd, two_addresses);
        struct response r = receive(fd, bytes, false);
        assert_int_equal(r.count[1], 2);
        response_fini(&r);
        while (recv(f->up[0].udp, bytes, sizeof bytes, MSG_DONTWAIT) >= 0)
            continue;
    }
    assert_true(has_counted);
    close(fd);
}

/* over many queries neither port nor ID repeats more than chance allows. */
static void ports_and_ids_are_spread(void **state)
{
    (void)state;
    enum { QUERIES = 64 };
    uint16_t ports[QUERIES], ids[QUERIES];
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_DGRAM);
    unsigned same_port = 0, same_id = 0, near = 0;
    for (unsigned i = 0; i < QUERIES; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "n%u.example.com", i);
        const struct packet query = recursive(name, A);
        send_packet(fd, &query, false);
        const struct packet asked = take(f, 0);
        const struct packet reply = reply_to(&asked, 3);
        give(f, 0, &reply);
        struct response r = receive(fd, bytes, false);
        response_fini(&r);
        ports[i] = ntohs(f->from.sin_port);
        ids[i] = (uint16_t)(asked.bytes[0] << 8 | asked.bytes[1]);
        for (unsigned k = 0; k < i; k++) {
            same_port += ports[k] == ports[i];
            same_id += ids[k] == ids[i];
        }
        near += i > 0 && abs(ports[i] - ports[i - 1]) < 256;
    }
    assert_true(same_port <= 3 && same_id <= 3 &&
                near < QUERIES / 4); /* expected: 0.03, 0.03, 0.5 */
    close(fd);
}

/* a connection has so many questions in flight; the rest waits, and is answered in the end
 */
static void a_connection_has_only_so_many_questions_in_flight(void **state)
{
    (void)state;
    enum { QUESTIONS = 80, WAITING_MAX = 32 };
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_STREAM);
    const struct forward_counters *counters =
        forwarder_counters(dns_server_worker(f->server, 0)->forward);
    for (unsigned i = 0; i < QUESTIONS; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "n%u.example.com", i);
        struct packet query = recursive(name, A);
        packet_set16(&query, 0, i);
        send_packet(fd, &query, true);
    }
    bool is_answered[QUESTIONS] = {false};
    uint64_t most = 0;
    for (unsigned i = 0; i < QUESTIONS; i++) {
        int conn;
        const struct packet asked = take_tcp(f, 0, &conn);
        uint64_t in_flight = counter_read(&counters->in_flight);
        most = in_flight > most ? in_flight : most;
        const struct packet reply = reply_to(&asked, 3);
        send_packet(conn, &reply, true);
        struct response r = receive(fd, bytes, true);
        unsigned id = (unsigned)bytes[0] << 8 | bytes[1];
        assert_true(id < QUESTIONS && !is_answered[id]);
        is_answered[id] = true;
        response_fini(&r);
        close(conn);
    }
    assert_in_range(most, 2, WAITING_MAX + 1); /* and a probe */
    close(fd);
}

/* an upstream that is down is asked last, and comes back by a probe */
static void an_upstream_that_was_down_comes_back(void **state)
{
    (void)state;
    struct dns_opts opts = forwarding_options();
    opts.forward_timeout_us = 2500000;
    f = forwarding_start_with(opts, 1, 0);
    int fd = client_open(f, SOCK_DGRAM);
    const struct packet query = recursive("www.example.com", A);
    const struct forward_counters *counters =
        forwarder_counters(dns_server_worker(f->server, 0)->forward);
    while (counter_read(&counters->to[0].is_down) == 0) { /* nobody answers */
        send_packet(fd, &query, false);
        struct response r = receive(fd, bytes, false);
        assert_int_equal(r.rcode, 2);
        response_fini(&r);
    }
    while (counter_read(&counters->to[0].is_down) == 1) {
        struct pollfd end = {f->up[0].udp, POLLIN, 0};
        struct packet p;
        socklen_t len = sizeof f->from;
        if (poll(&end, 1, 1) <= 0)
            continue;
        p.len =
            (size_t)recvfrom(end.fd, p.bytes, sizeof p.bytes, 0, (struct sockaddr *)&f->from, &len);
        if (is_probe(&p)) {
            const struct packet reply = reply_to(&p, 3);
            give(f, 0, &reply);
            while (counter_read(&counters->to[0].is_down) == 1 && poll(&end, 1, 1) == 0)
                continue;
        }
    }
    while (recv(f->up[0].udp, bytes, sizeof bytes, MSG_DONTWAIT) >= 0)
        continue; /* attempts of before */
    send_packet(fd, &query, false);
    serve_until_answered(f, 0, fd, two_addresses);
    struct response r = receive(fd, bytes, false);
    assert_int_equal(r.count[1], 2);
    assert_int_equal(counter_read(&counters->to[0].is_down), 0);
    response_fini(&r);
    close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_foreign_name_is_relayed),
        TEST(what_is_asked_is_ours_but_for_do_and_cd),
        TEST(an_external_name_is_resolved),
        TEST(a_dead_upstream_is_servfail),
        TEST(an_upstream_that_refuses_connections_is_servfail_at_once),
        TEST(the_next_upstream_is_asked),
        TEST(answers_to_other_questions_are_ignored),
        TEST(many_wrong_answers_lead_to_tcp),
        TEST(truncation_is_carried_and_tcp_goes_by_tcp),
        TEST(a_long_answer_is_cut_to_the_clients_size),
        TEST(formerr_to_edns_is_asked_again_without),
        TEST(identical_questions_share_one_query),
        TEST(only_those_who_may_and_ask_for_it_are_forwarded),
        TEST(local_names_do_not_notice_a_mute_upstream),
        TEST(a_slow_name_holds_back_nothing_on_its_connection),
        TEST(clients_that_leave_are_forgotten),
        TEST(stopping_answers_those_who_wait),
        TEST(an_upstream_that_is_a_listener_is_refused_at_start),
        TEST(a_suffix_in_a_zone_of_ours_is_refused_at_start),
        TEST(a_loop_is_found_and_broken),
        TEST(a_suffix_has_its_own_upstreams),
        TEST(the_oldest_gives_way),
        TEST(an_answer_to_the_attempt_before_counts),
        TEST(ports_and_ids_are_spread),
        TEST(a_connection_has_only_so_many_questions_in_flight),
        TEST(an_upstream_that_was_down_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
