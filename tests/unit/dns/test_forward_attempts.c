/* Which attempts of a query may still be answered. */
#include "dns/forward_attempts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "dns/wire.h"

enum { UPSTREAMS = 3 };

static struct attempts set;
static struct upstream_tries tries;
static int upstreams[UPSTREAMS];
static struct forward_address addresses[UPSTREAMS];
static int heard; /* the upstream of the attempt that was answered last, or -1 */

static void on_message(void *arg, struct upstream_try *try, const uint8_t *bytes, size_t len)
{
    assert_ptr_equal(arg, &set);
    assert_non_null(bytes);
    assert_int_equal(len, DNS_HEADER_SIZE);
    heard = attempts_of(&set, try)->upstream;
}

static int start(void **state)
{
    (void)state;
    set = (struct attempts){.latest = 0};
    tries = (struct upstream_tries){.base = event_base_new(), .on_message = on_message};
    for (size_t i = 0; i < UPSTREAMS; i++) {
        struct forward_address *to = &addresses[i];
        to->at.v4.sin_family = AF_INET;
        to->at.v4.sin_port = 0;
        to->at.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to->len = sizeof to->at.v4;
        upstreams[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(upstreams[i], &to->at.any, to->len), 0);
        assert_int_equal(getsockname(upstreams[i], &to->at.any, &to->len), 0);
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    attempts_close(&set);
    event_base_free(tries.base);
    for (size_t i = 0; i < UPSTREAMS; i++)
        close(upstreams[i]);
    return 0;
}

static void ask(int upstream)
{
    const struct reply_question question = {.name = "\7example", .name_len = 9, .type = 1};
    const struct attempt how = {.upstream = upstream};
    assert_true(attempts_start(&set, &tries, &addresses[upstream], &question, how, &set));
}

/* Answers what this upstream was asked first; true when that was heard. */
static bool answer(int upstream)
{
    uint8_t bytes[TRY_QUERY_MAX];
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    assert_true(
        recvfrom(upstreams[upstream], bytes, sizeof bytes, 0, (struct sockaddr *)&from, &len) > 0);
    assert_int_equal(sendto(upstreams[upstream], bytes, DNS_HEADER_SIZE, 0,
                            (struct sockaddr *)&from, sizeof from),
                     DNS_HEADER_SIZE);
    heard = -1;
    event_base_loop(tries.base, EVLOOP_NONBLOCK);
    return heard == upstream;
}

/* a slow answer counts as long as its socket is open, and the oldest is closed first. */
static void the_last_two_may_be_answered(void **state)
{
    (void)state;
    assert_int_equal(FORWARD_TRIES_OPEN, 2);
    assert_false(attempts_are_open(&set));
    assert_null(attempts_latest(&set));
    for (int i = 0; i < UPSTREAMS; i++) {
        ask(i);
        assert_int_equal(attempts_latest(&set)->upstream, i);
    }
    assert_false(answer(0));
    assert_true(answer(1));
    assert_true(answer(2));
    ask(0); /* and so on */
    assert_int_equal(attempts_latest(&set)->upstream, 0);
    assert_true(answer(0));
    ask(1);
    ask(2);
    assert_true(answer(1));
    assert_true(answer(2));
}

/* A new one takes the place of one that is over, whichever that is. */
static void what_is_over_gives_its_place(void **state)
{
    (void)state;
    ask(0);
    ask(1);
    attempt_close(attempts_latest(&set));
    assert_null(attempts_latest(&set));
    assert_true(attempts_are_open(&set));
    ask(2);
    assert_int_equal(attempts_latest(&set)->upstream, 2);
    assert_true(answer(0));
    attempts_close_to(&set, 0);
    assert_int_equal(attempts_latest(&set)->upstream, 2);
    ask(1);
    assert_true(answer(2));
    attempts_close_to(&set, 2);
    attempts_close_to(&set, 1);
    assert_false(attempts_are_open(&set));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_last_two_may_be_answered, start, stop),
        cmocka_unit_test_setup_teardown(what_is_over_gives_its_place, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
