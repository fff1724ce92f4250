/* base/buf.h - bounded bytes in, growing bytes out.
 *
 * buf_in reads from a borrowed span and refuses to run past its end: the first failing read sets
 * `failed` and every later one yields zeros, so a parser checks once. buf_out grows on the heap
 * (control side only; the DNS workers use fixed buffers, see dns/answer). Network byte order for
 * the uN helpers. Any thread, no sharing. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf_in {
    const uint8_t *at, *end;
    bool failed;
};
static inline void buf_in_init(struct buf_in *in, const void *bytes, size_t len)
{
    in->at = bytes;
    in->end = len ? in->at + len : in->at;
    in->failed = false;
}

static inline size_t buf_in_left(const struct buf_in *in)
{
    return in->failed ? 0 : (size_t)(in->end - in->at);
}

/* Borrowed pointer to len bytes, or NULL (and failed) when fewer are left. */
static inline const uint8_t *buf_bytes(struct buf_in *in, size_t len)
{
    if (in->failed || len > (size_t)(in->end - in->at)) {
        in->failed = true;
        return NULL;
    }
    const uint8_t *bytes = in->at;
    if (len)
        in->at += len;
    return bytes;
}

static inline uint8_t buf_u8(struct buf_in *in)
{
    const uint8_t *b = buf_bytes(in, 1);
    return b ? b[0] : 0;
}

static inline uint16_t buf_u16(struct buf_in *in)
{
    const uint8_t *b = buf_bytes(in, 2);
    return b ? (uint16_t)((unsigned)b[0] << 8 | b[1]) : (uint16_t)0;
}

static inline uint32_t buf_u32(struct buf_in *in)
{
    const uint8_t *b = buf_bytes(in, 4);
    return b ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3] : 0;
}

struct buf_out {
    char *data; /* owned; NUL-terminated whenever not NULL */
    size_t len, cap;
};
void buf_out_init(struct buf_out *out);
void buf_out_fini(struct buf_out *out);
/* The bytes move to the caller, who frees them; out is empty again. Never NULL. */
char *buf_out_take(struct buf_out *out, size_t *len);
void buf_put(struct buf_out *out, const void *bytes, size_t len);
void buf_puts(struct buf_out *out, const char *text);
void buf_putc(struct buf_out *out, char c);
void buf_printf(struct buf_out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf_out *out, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Text as a JSON string with quotes and escapes; bytes that are not UTF-8 become U+FFFD. */
void buf_put_json(struct buf_out *out, const char *text);
