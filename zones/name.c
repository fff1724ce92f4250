#include "zones/name.h"

#include <string.h>

#include "base/check.h"

/* Lower-cases the bytes 'A'..'Z' among eight, leaving every other byte as it is (R-018: no or-ing
 * of 0x20). */
static uint64_t fold_word(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t low = word & (0x7f * ones);
    uint64_t above_z = low + ((0x7f - 'Z') * ones);
    uint64_t from_a = low + ((0x80 - 'A') * ones);
    uint64_t is_upper = (from_a ^ above_z) & ~word & (0x80 * ones);
    return word | (is_upper >> 2);
}

static uint8_t fold_byte(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

size_t name_wire_len(const uint8_t *wire, size_t room)
{
    size_t limit = room < NAME_MAX_WIRE ? room : NAME_MAX_WIRE;
    size_t at = 0;
    while (at < limit) {
        unsigned len = wire[at];
        if (len - 1 >= NAME_MAX_LABEL) /* 0 too */
            return len == 0 ? at + 1 : 0;
        at += len + 1;
    }
    return 0;
}

void name_fold(uint8_t *dst, const uint8_t *src, size_t len)
{
    uint64_t word;
    if (len < sizeof word) {
        for (size_t at = 0; at < len; at++)
            dst[at] = fold_byte(src[at]);
        return;
    }
    size_t last = len - sizeof word; /* the last word overlaps: folding twice changes nothing */
    for (size_t at = 0; at < last; at += sizeof word) {
        memcpy(&word, src + at, sizeof word);
        word = fold_word(word);
        memcpy(dst + at, &word, sizeof word);
    }
    memcpy(&word, src + last, sizeof word);
    word = fold_word(word);
    memcpy(dst + last, &word, sizeof word);
}

/* Appends one folded label and its end mark; bytes 0 and 1 are escaped. */
static size_t key_add_label(uint8_t *out, const uint8_t *label, size_t len)
{
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = label[i];
        if (__builtin_expect(byte <= 1, 0)) {
            out[at++] = 1;
            byte = (uint8_t)(byte + 1);
        }
        out[at++] = byte;
    }
    out[at++] = 0;
    return at;
}

typedef uint8_t octets __attribute__((vector_size(16)));

/* name_fold of sixteen at once; *low gathers where one was 0 or 1. */
static inline void fold_octets(uint8_t *dst, const uint8_t *src, octets *low)
{
    octets word;
    memcpy(&word, src, sizeof word);
    word |= (octets)(word - 'A' < 26) & 0x20;
    *low |= (octets)(word < 2);
    memcpy(dst, &word, sizeof word);
}

/* Folds a name without its root; true when an octet (or the length of a label) is 0 or 1. */
static inline bool fold_name(uint8_t *dst, const uint8_t *src, size_t len)
{
    octets low = {0};
    if (len < sizeof low) {
        memset(dst, UINT8_MAX, sizeof low);
        memcpy(dst, src, len);
        fold_octets(dst, dst, &low);
    } else {
        size_t last = len - sizeof low; /* overlaps: folding twice changes nothing */
        for (size_t at = 0; at < last; at += sizeof low)
            fold_octets(dst + at, src + at, &low);
        fold_octets(dst + last, src + last, &low);
    }
    uint64_t halves[2];
    memcpy(halves, &low, sizeof low);
    return (halves[0] | halves[1]) != 0;
}

size_t name_lookup_read(struct name_lookup *name, const uint8_t *wire, size_t room)
{
    uint8_t start[NAME_MAX_WIRE / 2 + 1];
    size_t limit = room < NAME_MAX_WIRE ? room : NAME_MAX_WIRE, labels = 0, end = 0;
    for (;;) {
        if (end >= limit)
            return 0;
        unsigned len = wire[end];
        if (len == 0)
            break;
        if (len > NAME_MAX_LABEL)
            return 0;
        start[labels++] = (uint8_t)end;
        end += len + 1;
    }
    bool may_need_escape = fold_name(name->wire, wire, end);
    name->wire[end] = 0;
    uint8_t *out = name->key;
    for (; may_need_escape && labels > 0; labels--) {
        const uint8_t *label = name->wire + start[labels - 1];
        out += key_add_label(out, label + 1, *label);
    }
    for (; labels > 0; labels--) {
        const uint8_t *label = name->wire + start[labels - 1];
        size_t len = *label++, at = 0;
        do { /* what is written too much is overwritten */
            memcpy(out + at, label + at, sizeof(octets));
            at += sizeof(octets);
        } while (at < len);
        out += len;
        *out++ = 0;
    }
    name->wire_len = end + 1;
    name->key_len = (size_t)(out - name->key);
    return name->wire_len;
}

size_t name_key(const uint8_t *wire, uint8_t out[NAME_MAX_KEY])
{
    struct name_lookup name;
    CHECK(name_lookup_read(&name, wire, NAME_MAX_WIRE) > 0);
    memcpy(out, name.key, name.key_len);
    return name.key_len;
}

bool name_equal(const uint8_t *a, const uint8_t *b)
{
    for (;;) {
        uint8_t len = *a++;
        if (len != *b++)
            return false;
        if (len == 0)
            return true;
        for (; len > 0; len--) {
            if (fold_byte(*a++) != fold_byte(*b++))
                return false;
        }
    }
}

unsigned name_labels(const uint8_t *wire)
{
    unsigned labels = 0;
    for (; *wire != 0; wire += 1 + *wire)
        labels++;
    return labels;
}

bool name_is_under(const uint8_t *name, const uint8_t *parent)
{
    unsigned have = name_labels(name);
    unsigned want = name_labels(parent);
    if (have < want)
        return false;
    for (; have > want; have--)
        name += 1 + *name;
    return name_equal(name, parent);
}

/* One character of master-file text at *text: its octet, with \. \\ \X and \DDD resolved. Negative
 * when it is malformed. */
static int text_octet(const char **text, bool *is_escaped)
{
    const unsigned char *at = (const unsigned char *)*text;
    *is_escaped = *at == '\\';
    if (!*is_escaped) {
        *text += 1;
        return *at;
    }
    at++;
    if (*at == 0)
        return -1;
    if (*at < '0' || *at > '9') {
        *text += 2;
        return *at;
    }
    int octet = 0;
    for (int i = 0; i < 3; i++) {
        if (at[i] < '0' || at[i] > '9')
            return -1;
        octet = octet * 10 + (at[i] - '0');
    }
    *text += 4;
    return octet <= 255 ? octet : -1;
}

int name_parse(const char *text, uint8_t out[NAME_MAX_WIRE], struct err *e)
{
    const char *whole = text;
    if (*text == 0)
        return err_set(e, ERR_INVALID, "a domain name is empty");
    if (strcmp(text, ".") == 0) {
        out[0] = 0;
        return 1;
    }
    size_t label = 0; /* where the length of the present label goes */
    size_t at = 1;
    while (*text != 0) {
        bool is_escaped;
        int octet = text_octet(&text, &is_escaped);
        if (octet < 0)
            return err_set(
                e, ERR_INVALID,
                "\"%.300s\": a backslash is not followed by a character or three digits up to 255",
                whole);
        bool is_dot = octet == '.' && !is_escaped;
        size_t len = at - label - 1;
        if (is_dot && len == 0)
            return err_set(e, ERR_INVALID, "\"%.300s\": a label is empty", whole);
        if (!is_dot && len == NAME_MAX_LABEL)
            return err_set(e, ERR_INVALID, "\"%.300s\": a label is longer than 63 octets", whole);
        if (at >= NAME_MAX_WIRE - (is_dot && *text == 0 ? 0u : 1u))
            return err_set(e, ERR_INVALID, "\"%.300s\": the name is longer than 255 octets", whole);
        if (is_dot) {
            out[label] = (uint8_t)len;
            label = at++;
        } else {
            out[at++] = fold_byte((uint8_t)octet);
        }
    }
    if (at - label - 1 > 0) { /* no final dot */
        out[label] = (uint8_t)(at - label - 1);
        label = at++;
    }
    out[label] = 0;
    return (int)at;
}

static char *format_octet(char *out, uint8_t octet)
{
    static const char special[] = ".\\\"();@$";
    if (octet <= ' ' || octet >= 0x7f) {
        *out++ = '\\';
        *out++ = (char)('0' + octet / 100);
        *out++ = (char)('0' + octet / 10 % 10);
        *out++ = (char)('0' + octet % 10);
        return out;
    }
    if (memchr(special, octet, sizeof special - 1))
        *out++ = '\\';
    *out++ = (char)octet;
    return out;
}

const char *name_format(const uint8_t *wire, char out[NAME_TEXT_MAX])
{
    char *at = out;
    if (*wire == 0)
        *at++ = '.';
    while (*wire != 0) {
        uint8_t len = *wire++;
        for (; len > 0; len--)
            at = format_octet(at, *wire++);
        *at++ = '.';
    }
    *at = 0;
    return out;
}

void name_begin(struct name_builder *b)
{
    b->len = 0;
    b->failed = false;
}

bool name_add(struct name_builder *b, const void *label, size_t len)
{
    if (b->failed || len == 0 || len > NAME_MAX_LABEL || b->len + 1 + len + 1 > NAME_MAX_WIRE) {
        b->failed = true;
        return false;
    }
    b->wire[b->len] = (uint8_t)len;
    name_fold(b->wire + b->len + 1, label, len);
    b->len += 1 + len;
    return true;
}

bool name_add_text(struct name_builder *b, const char *label)
{
    return name_add(b, label, strnlen(label, NAME_MAX_LABEL + 1));
}

bool name_end(struct name_builder *b, const uint8_t *parent)
{
    size_t len = name_wire_len(parent, NAME_MAX_WIRE);
    if (b->failed || len == 0 || b->len + len > NAME_MAX_WIRE) {
        b->failed = true;
        return false;
    }
    name_fold(b->wire + b->len, parent, len);
    b->len += len;
    return true;
}
