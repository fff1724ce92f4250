/* zones/address.c - addresses as text, as dashed labels and back; declared in zones/naming.h. */
#include "zones/naming.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

bool naming_address_parse(const char *text, struct naming_address *out)
{
    struct naming_address address = {.len = 4};
    if (inet_pton(AF_INET, text, address.bytes) != 1) {
        address.len = 16;
        if (inet_pton(AF_INET6, text, address.bytes) != 1)
            return false;
        if (memcmp(address.bytes, mapped_prefix, sizeof mapped_prefix) == 0) {
            memmove(address.bytes, address.bytes + 12, 4);
            memset(address.bytes + 4, 0, 12);
            address.len = 4;
        }
    }
    *out = address;
    return true;
}

static unsigned group_at(const struct naming_address *a, size_t i)
{
    return (unsigned)a->bytes[2 * i] << 8 | a->bytes[2 * i + 1];
}

/* The leftmost of the longest runs of two or more zero groups (RFC 5952 section 4.2). */
static void longest_zero_run(const struct naming_address *a, int *start, int *len)
{
    *start = -1;
    *len = 1;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && group_at(a, (size_t)i + (size_t)n) == 0)
            n++;
        if (n > *len) {
            *start = i;
            *len = n;
        }
        i += n;
    }
}

static char *format_octet(char *out, uint8_t octet)
{
    if (octet >= 100)
        *out++ = (char)('0' + octet / 100);
    if (octet >= 10)
        *out++ = (char)('0' + octet / 10 % 10);
    *out++ = (char)('0' + octet % 10);
    return out;
}

/* Text with the given separators; IPv6 always in hexadecimal groups. Returns its length. */
static size_t format_with(const struct naming_address *a, char out[48], char dot, char colon)
{
    char *at = out;
    if (a->len == 4) {
        for (int i = 0; i < 4; i++) {
            at = format_octet(at, a->bytes[i]);
            *at++ = dot;
        }
        *--at = 0;
        return (size_t)(at - out);
    }
    int start;
    int len;
    longest_zero_run(a, &start, &len);
    for (int i = 0; i < 8; i++) {
        if (i == start) {
            *at++ = colon;
            *at++ = colon;
            i += len - 1;
            continue;
        }
        if (at != out && at[-1] != colon)
            *at++ = colon;
        at += snprintf(at, 5, "%x", group_at(a, (size_t)i));
    }
    *at = 0;
    return (size_t)(at - out);
}

const char *naming_address_format(const struct naming_address *a, char out[48])
{
    format_with(a, out, '.', ':');
    return out;
}

bool naming_address_equal(const struct naming_address *a, const struct naming_address *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, 4) == 0 &&
           (a->len == 4 || memcmp(a->bytes + 4, b->bytes + 4, 12) == 0);
}

void naming_dashed(const struct naming_address *a, char out[64])
{
    char text[48];
    size_t len = format_with(a, text, '-', '-');
    size_t at = 0;
    if (text[0] == '-')
        out[at++] = '0';
    memcpy(out + at, text, len);
    at += len;
    if (text[len - 1] == '-')
        out[at++] = '0';
    out[at] = 0;
}

bool naming_undash(const uint8_t *label, size_t len, struct naming_address *out)
{
    char text[64];
    if (len == 0 || len >= sizeof text)
        return false;
    size_t hyphens = 0;
    bool has_double = false;
    for (size_t i = 0; i < len; i++) {
        bool is_digit = (label[i] >= '0' && label[i] <= '9') ||
                        (label[i] >= 'a' && label[i] <= 'f') ||
                        (label[i] >= 'A' && label[i] <= 'F');
        if (!is_digit && label[i] != '-')
            return false;
        if (label[i] == '-') {
            hyphens++;
            has_double = has_double || (i > 0 && label[i - 1] == '-');
        }
    }
    bool is_v4 = hyphens == 3 && !has_double;
    char separator = ':';
    if (is_v4)
        separator = '.';
    memcpy(text, label, len);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '-')
            text[i] = separator;
    }
    text[len] = 0;
    *out = (struct naming_address){.len = is_v4 ? 4 : 16};
    return inet_pton(is_v4 ? AF_INET : AF_INET6, text, out->bytes) == 1;
}
