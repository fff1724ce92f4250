/* Any stream in any pieces is cut into the same messages as in one piece.
 *
 * Input: one octet that seeds the cuts, then the stream. */
#include <string.h>

#include "base/check.h"
#include "dns/tcp_frames.h"
#include "tests/fuzz/fuzz.h"

struct outcome {
    size_t messages, octets;
    uint64_t sum;
    enum tcp_frame end;
};

static void take(struct tcp_frames *frames, struct outcome *o)
{
    const uint8_t *message;
    size_t len;
    while (o->end == TCP_NEED_MORE) {
        bool is_ready = tcp_frames_is_ready(frames);
        enum tcp_frame frame = tcp_frames_next(frames, &message, &len);
        CHECK(is_ready == (frame != TCP_NEED_MORE));
        if (frame == TCP_NEED_MORE)
            break;
        if (frame == TCP_TOO_SHORT) {
            o->end = frame;
            break;
        }
        CHECK(len >= 12 && len <= TCP_MESSAGE_MAX);
        o->messages++;
        o->octets += len;
        for (size_t i = 0; i < len; i++)
            o->sum = o->sum * 31 + message[i];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint64_t chance = data[0];
    const uint8_t *stream = data + 1;
    size_t len = size - 1;
    struct outcome whole = {.end = TCP_NEED_MORE}, cut = {.end = TCP_NEED_MORE};
    struct tcp_frames frames = {0};
    tcp_frames_append(&frames, stream, len);
    take(&frames, &whole);
    tcp_frames_fini(&frames);
    for (size_t at = 0; at < len;) {
        chance = chance * 6364136223846793005U + 1442695040888963407U;
        size_t piece = 1 + (size_t)(chance >> 33) % (chance >> 60 ? 40 : 4000);
        if (piece > len - at)
            piece = len - at;
        tcp_frames_append(&frames, stream + at, piece);
        take(&frames, &cut);
        if (chance >> 63)
            tcp_frames_trim(&frames);
        CHECK(frames.end - frames.start <= len && frames.cap <= 2 * len + 64);
        at += piece;
    }
    CHECK(cut.messages == whole.messages && cut.octets == whole.octets && cut.sum == whole.sum);
    CHECK(cut.end == whole.end);
    tcp_frames_fini(&frames);
    return 0;
}
