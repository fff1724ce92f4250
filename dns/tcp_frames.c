#include "dns/tcp_frames.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "dns/query.h"
#include "dns/wire.h"

void tcp_frames_fini(struct tcp_frames *frames)
{
    free(frames->bytes);
    *frames = (struct tcp_frames){0};
}

void tcp_frames_trim(struct tcp_frames *frames)
{
    size_t left = frames->end - frames->start;
    if (left == 0) {
        tcp_frames_fini(frames);
    } else if (frames->start > 0) {
        memmove(frames->bytes, frames->bytes + frames->start, left);
        frames->start = 0;
        frames->end = left;
    }
}

void tcp_frames_append(struct tcp_frames *frames, const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return;
    if (frames->start > 0)
        tcp_frames_trim(frames);
    if (frames->cap - frames->end < len) {
        size_t cap = frames->cap * 2;
        if (cap < frames->end + len)
            cap = frames->end + len;
        frames->bytes = xrealloc(frames->bytes, cap);
        frames->cap = cap;
    }
    memcpy(frames->bytes + frames->end, bytes, len);
    frames->end += len;
}

static enum tcp_frame peek(const struct tcp_frames *frames, size_t *len)
{
    size_t left = frames->end - frames->start;
    if (left < 2)
        return TCP_NEED_MORE;
    *len = get16(frames->bytes + frames->start);
    if (*len < DNS_HEADER_SIZE)
        return TCP_TOO_SHORT;
    return left - 2 < *len ? TCP_NEED_MORE : TCP_MESSAGE;
}

enum tcp_frame tcp_frames_next(struct tcp_frames *frames, const uint8_t **message, size_t *len)
{
    enum tcp_frame frame = peek(frames, len);
    if (frame == TCP_MESSAGE) {
        *message = frames->bytes + frames->start + 2;
        frames->start += 2 + *len;
    }
    return frame;
}

bool tcp_frames_is_ready(const struct tcp_frames *frames)
{
    size_t len;
    return peek(frames, &len) != TCP_NEED_MORE;
}

bool tcp_frames_is_partial(const struct tcp_frames *frames)
{
    return frames->end > frames->start && !tcp_frames_is_ready(frames);
}
