/* Streams cut into messages. No sockets. */
#include "dns/tcp_frames.h"

#include "packet.h"

#include "base/check.h"
#include "base/random.h"

static size_t take_all(struct tcp_frames *frames, uint64_t *sum)
{
    const uint8_t *message;
    size_t len, count = 0;
    while (tcp_frames_next(frames, &message, &len) == TCP_MESSAGE) {
        for (size_t i = 0; i < len; i++)
            *sum = *sum * 31 + message[i];
        count++;
    }
    tcp_frames_trim(frames);
    return count;
}

static struct packet stream_of(size_t messages)
{
    struct packet p = {.len = 0};
    for (size_t i = 0; i < messages; i++) {
        packet_put16(&p, (unsigned)(12 + i));
        for (size_t k = 0; k < 12 + i; k++)
            packet_put(&p, &(uint8_t){(uint8_t)(i + k)}, 1);
    }
    return p;
}

static void any_split_gives_the_same_messages(void **state)
{
    (void)state; /* at every octet, and octet by octet */
    struct packet p = stream_of(3);
    uint64_t whole = 0;
    struct tcp_frames frames = {0};
    tcp_frames_append(&frames, p.bytes, p.len);
    assert_int_equal(take_all(&frames, &whole), 3);
    for (size_t split = 0; split <= p.len; split++) {
        uint64_t sum = 0;
        tcp_frames_append(&frames, p.bytes, split);
        size_t count = take_all(&frames, &sum);
        tcp_frames_append(&frames, p.bytes + split, p.len - split);
        count += take_all(&frames, &sum);
        assert_int_equal(count, 3);
        assert_true(sum == whole);
        assert_null(frames.bytes); /* idle connections hold no buffer */
    }
    uint64_t sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < p.len; i++) {
        tcp_frames_append(&frames, p.bytes + i, 1);
        count += take_all(&frames, &sum);
        assert_int_equal(tcp_frames_is_partial(&frames), frames.bytes != NULL);
    }
    assert_int_equal(count, 3);
    assert_true(sum == whole);
}

static void lengths_below_a_header_end_the_stream(void **state)
{
    (void)state; /* */
    for (uint8_t len = 0; len < 12; len++) {
        struct tcp_frames frames = {0};
        const uint8_t *message;
        size_t size;
        tcp_frames_append(&frames, (const uint8_t[]){0, len}, 2);
        assert_int_equal(tcp_frames_next(&frames, &message, &size), TCP_TOO_SHORT);
        assert_true(tcp_frames_is_ready(&frames));
        tcp_frames_fini(&frames);
    }
}

static void memory_follows_what_arrived(void **state)
{
    (void)state; /* an announced length alone costs nothing */
    struct tcp_frames frames = {0};
    tcp_frames_append(&frames, (const uint8_t[]){0xff, 0xff, 0}, 3);
    assert_true(frames.cap < 64);
    uint8_t rest[65534] = {0};
    const uint8_t *message;
    size_t size;
    tcp_frames_append(&frames, rest, sizeof rest);
    assert_int_equal(tcp_frames_next(&frames, &message, &size), TCP_MESSAGE);
    assert_int_equal(size, 65535);
    tcp_frames_fini(&frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_gives_the_same_messages),
        cmocka_unit_test(lengths_below_a_header_end_the_stream),
        cmocka_unit_test(memory_follows_what_arrived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
