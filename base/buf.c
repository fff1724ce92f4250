#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/utf8.h"

void buf_out_init(struct buf_out *out)
{
    *out = (struct buf_out){0};
}

void buf_out_fini(struct buf_out *out)
{
    free(out->data);
    buf_out_init(out);
}

/* Room for len more bytes and the NUL. */
static void reserve(struct buf_out *out, size_t len)
{
    CHECK(len < SIZE_MAX / 4 && out->len < SIZE_MAX / 4);
    size_t need = out->len + len + 1;
    if (need <= out->cap)
        return;
    size_t cap = out->cap ? out->cap : 128;
    while (cap < need)
        cap *= 2;
    out->data = xrealloc(out->data, cap);
    out->cap = cap;
}

char *buf_out_take(struct buf_out *out, size_t *len)
{
    reserve(out, 0);
    out->data[out->len] = '\0';
    if (len)
        *len = out->len;
    char *data = out->data;
    buf_out_init(out);
    return data;
}

void buf_put(struct buf_out *out, const void *bytes, size_t len)
{
    reserve(out, len);
    if (len)
        memcpy(out->data + out->len, bytes, len);
    out->len += len;
    out->data[out->len] = '\0';
}

void buf_puts(struct buf_out *out, const char *text)
{
    buf_put(out, text, strlen(text));
}

void buf_putc(struct buf_out *out, char c)
{
    if (out->cap - out->len < 2)
        reserve(out, 1);
    out->data[out->len++] = c;
    out->data[out->len] = '\0';
}

void buf_vprintf(struct buf_out *out, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    char text[256];
    int len = vsnprintf(text, sizeof(text), format, args);
    CHECK(len >= 0);
    if ((size_t)len < sizeof(text)) {
        buf_put(out, text, (size_t)len);
    } else {
        reserve(out, (size_t)len);
        (void)vsnprintf(out->data + out->len, (size_t)len + 1, format, again);
        out->len += (size_t)len;
    }
    va_end(again);
}

void buf_printf(struct buf_out *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(out, format, args);
    va_end(args);
}

static void put_escape(struct buf_out *out, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letter[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    char text[6] = {'\\', (char)c};
    size_t len = 2;
    if (c < 0x20 && letter[c]) {
        text[1] = letter[c];
    } else if (c < 0x20) {
        text[1] = 'u';
        text[2] = text[3] = '0';
        text[4] = hex[c >> 4];
        text[5] = hex[c & 15];
        len = 6;
    }
    buf_put(out, text, len);
}

void buf_put_json(struct buf_out *out, const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    const uint8_t *end = at + strlen(text);
    const uint8_t *plain = at; /* start of the run that needs no escape */
    reserve(out, (size_t)(end - at) + 2);
    buf_putc(out, '"');
    while (at < end) {
        if (*at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\') {
            at++;
            continue;
        }
        size_t step = *at >= 0x80 ? utf8_sequence(at, (size_t)(end - at)) : 0;
        if (step) {
            at += step;
            continue;
        }
        buf_put(out, plain, (size_t)(at - plain));
        if (*at >= 0x80)
            buf_puts(out, "\xef\xbf\xbd");
        else
            put_escape(out, *at);
        plain = ++at;
    }
    buf_put(out, plain, (size_t)(at - plain));
    buf_putc(out, '"');
}
