/* dns/tcp_frames.h - a byte stream cut into messages by their two-octet length (RFC 1035
 * section 4.2.2).
 *
 * Holds what has arrived and was not yet taken: at most one partial message between reads, so
 * memory follows the bytes received, never a length that was only announced. Empty frames hold no
 * memory. One thread, no sockets. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCP_MESSAGE_MAX 65535

struct tcp_frames {
    uint8_t *bytes; /* owned */
    size_t start, end, cap;
};

enum tcp_frame {
    TCP_NEED_MORE, /* no whole message is there */
    TCP_MESSAGE,
    TCP_TOO_SHORT /* a length below 12: the stream is of no further use */
};

/* {0} is an empty struct tcp_frames. */
void tcp_frames_fini(struct tcp_frames *frames);
void tcp_frames_append(struct tcp_frames *frames, const uint8_t *bytes, size_t len);
/* The next message; borrowed until the next append, trim or fini. */
enum tcp_frame tcp_frames_next(struct tcp_frames *frames, const uint8_t **message, size_t *len);
/* True when tcp_frames_next would give something other than TCP_NEED_MORE. */
bool tcp_frames_is_ready(const struct tcp_frames *frames);
/* True when a part of a message waits. */
bool tcp_frames_is_partial(const struct tcp_frames *frames);
/* Gives back the memory of what was taken. */
void tcp_frames_trim(struct tcp_frames *frames);
