#include "controller/store/object_text.h"

#include <stdint.h>
#include <string.h>

static void skip_space(struct text_scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

static bool accept(struct text_scan *s, char c)
{
    skip_space(s);
    if (s->at >= s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

/* From just after the opening quote to just after the closing one. */
static bool skip_string(struct text_scan *s)
{
    while (s->at < s->end) {
        char c = *s->at++;
        if (c == '"')
            return true;
        if (c == '\\' && s->at < s->end)
            s->at++;
    }
    return false;
}

static bool skip_value(struct text_scan *s)
{
    size_t depth = 0;
    skip_space(s);
    while (s->at < s->end) {
        char c = *s->at;
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            return true;
        s->at++;
        if (c == '"') {
            if (!skip_string(s))
                return false;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

static unsigned hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    return c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10 : 0;
}

static uint32_t read_hex4(struct text_scan *s)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4 && s->at < s->end; i++)
        unit = unit << 4 | hex_digit(*s->at++);
    return unit;
}

static size_t encode_utf8(uint32_t point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xe0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (point >> 18 & 7));
    out[1] = (char)(0x80 | (point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

/* The character of an escape, after its backslash. */
static size_t decode_escape(struct text_scan *s, char out[4])
{
    static const char named[][2] = {
        {'b', '\b'}, {'f', '\f'}, {'n', '\n'}, {'r', '\r'}, {'t', '\t'}};
    char c = *s->at++;
    if (c != 'u') {
        out[0] = c;
        for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
            if (c == named[i][0])
                out[0] = named[i][1];
        return 1;
    }
    uint32_t point = read_hex4(s);
    if (point >= 0xd800 && point < 0xdc00 && s->end - s->at >= 6 && s->at[0] == '\\' &&
        s->at[1] == 'u') {
        s->at += 2;
        uint32_t low = read_hex4(s);
        point = 0x10000 + ((point - 0xd800) << 10) + (low & 0x3ff);
    }
    return encode_utf8(point, out);
}

/* The next decoded character of a string; 0 at its end. */
static size_t next_char(struct text_scan *s, char out[4])
{
    if (s->at >= s->end)
        return 0;
    char c = *s->at++;
    if (c == '"')
        return 0;
    if (c == '\\' && s->at < s->end)
        return decode_escape(s, out);
    out[0] = c;
    return 1;
}

/* From just after the opening quote to after the closing one; true when the string is `text`. */
static bool match_string(struct text_scan *s, const char *text)
{
    char c[4];
    size_t n;
    bool equal = true;
    while ((n = next_char(s, c)) > 0) {
        equal = equal && *text && strncmp(text, c, n) == 0;
        if (equal)
            text += n;
    }
    return equal && *text == '\0';
}

bool text_find_member(struct text_scan *s, const char *name)
{
    do {
        if (!accept(s, '"'))
            return false;
        bool hit = match_string(s, name);
        if (!accept(s, ':'))
            return false;
        if (hit)
            return true;
    } while (skip_value(s) && accept(s, ','));
    return false;
}

bool text_enter(struct text_scan *s)
{
    return accept(s, '{');
}

bool text_copy_string(struct text_scan *s, char *out, size_t size)
{
    if (size == 0 || !accept(s, '"'))
        return false;
    char c[4];
    size_t n, used = 0;
    while ((n = next_char(s, c)) > 0 && used + n < size) {
        memcpy(out + used, c, n);
        used += n;
    }
    out[used] = '\0';
    return true;
}
