/* The case of forwarded names (R-142, draft-vixie-dnsext-dns0x20). */
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

static void two_addresses(struct packet *p)
{
    packet_record(p, 6, "c00c", A, 1, 300, "c6336401");
    packet_record(p, 6, "c00c", A, 1, 300, "c6336402");
}

static unsigned upper_letters(const struct packet *p)
{
    unsigned count = 0;
    for (size_t at = 12; at < p->len && p->bytes[at] != 0; at += 1U + p->bytes[at]) {
        for (size_t i = 1; i <= p->bytes[at]; i++)
            count += p->bytes[at + i] >= 'A' && p->bytes[at + i] <= 'Z';
    }
    return count;
}

/* R-142, 0x20: names go out in a case that cannot be guessed; an answer in another one does not
 * count, and the question goes where nobody can guess */
static void an_answer_in_another_case_does_not_count(void **state)
{
    (void)state;
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz.example.com";
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_DGRAM), conn;
    const struct packet query = recursive(letters, A);
    send_packet(fd, &query, false);
    struct packet asked = take(f, 0), reply = reply_to(&asked, 0);
    assert_in_range(upper_letters(&asked), 6, 56); /* of 62; out of it once in 2^32 */
    reply.bytes[13] ^= 0x20;
    packet_record(&reply, 6, "c00c", A, 1, 300, "7f000001");
    give(f, 0, &reply);
    const struct packet again = take_tcp(f, 0, &conn);
    assert_true(memcmp(again.bytes + 12, asked.bytes + 12, 53) != 0); /* another spelling */
    const struct forward_counters *counters =
        forwarder_counters(dns_server_worker(f->server, 0)->forward);
    int other = client_open(f, SOCK_DGRAM); /* who asks meanwhile waits for the same */
    send_packet(other, &query, false);
    while (counter_read(&counters->merged) == 0)
        assert_true(poll(NULL, 0, 1) <= 0);
    reply = reply_to(&again, 0);
    two_addresses(&reply);
    send_packet(conn, &reply, true);
    struct response r = receive(fd, bytes, false);
    assert_int_equal(r.count[1], 2);
    assert_memory_equal(bytes + 12, query.bytes + 12, r.question_len); /* the client's own */
    response_fini(&r);
    r = receive(other, bytes, false);
    assert_int_equal(r.count[1], 2);
    response_fini(&r);
    close(other);
    close(conn);
    send_packet(fd, &query, false); /* it was a guess: nothing is remembered */
    asked = take(f, 0);
    assert_in_range(upper_letters(&asked), 6, 56);
    close(fd);
}

/* ... unless it comes by TCP: the upstream does not keep the case, and is asked in lower case */
static void an_upstream_that_loses_the_case_is_served_in_lower_case(void **state)
{
    (void)state;
    f = forwarding_start(forwarding_options(), 1);
    int fd = client_open(f, SOCK_DGRAM), conn;
    const struct packet query = recursive("abcdefghijklmnopqrstuvwxyzabcdef.EXAMPLE.com", A);
    send_packet(fd, &query, false);
    struct packet asked = take(f, 0), reply = reply_to(&asked, 0);
    name_fold(reply.bytes + 12, reply.bytes + 12, reply.len - 16);
    two_addresses(&reply);
    give(f, 0, &reply);
    asked = take_tcp(f, 0, &conn);
    reply = reply_to(&asked, 0);
    name_fold(reply.bytes + 12, reply.bytes + 12, reply.len - 16);
    two_addresses(&reply);
    send_packet(conn, &reply, true);
    struct response r = receive(fd, bytes, false);
    assert_int_equal(r.count[1], 2);
    assert_memory_equal(bytes + 12, query.bytes + 12, r.question_len);
    response_fini(&r);
    close(conn);
    send_packet(fd, &query, false);
    asked = take(f, 0);
    assert_int_equal(upper_letters(&asked), 0);
    reply = reply_to(&asked, 0);
    two_addresses(&reply);
    give(f, 0, &reply);
    r = receive(fd, bytes, false);
    assert_int_equal(r.count[1], 2);
    response_fini(&r);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_answer_in_another_case_does_not_count, stop),
        cmocka_unit_test_teardown(an_upstream_that_loses_the_case_is_served_in_lower_case, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
