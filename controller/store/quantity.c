#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "controller/store/view.h"

__extension__ typedef unsigned __int128 wide;

/* 10^19 < 2^64: a mantissa of this many digits times 2^60 still fits into 128 bits. */
enum { DIGITS_MAX = 19 };

struct decimal {
    uint64_t mantissa;
    int exponent;  /* of ten */
    bool has_more; /* digits that did not fit were not all zero */
    size_t digits;
};

static void add_digit(struct decimal *d, unsigned digit, bool after_point)
{
    d->digits++;
    if (d->mantissa < UINT64_C(1000000000000000000)) {
        d->mantissa = d->mantissa * 10 + digit;
        d->exponent -= after_point ? 1 : 0;
    } else {
        d->has_more = d->has_more || digit != 0;
        d->exponent += after_point ? 0 : 1;
    }
}

/* digits [ "." digits ] | "." digits */
static bool read_number(const char **text, struct decimal *out)
{
    const char *at = *text;
    bool after_point = false;
    *out = (struct decimal){0};
    for (;; at++) {
        if (*at >= '0' && *at <= '9')
            add_digit(out, (unsigned)(*at - '0'), after_point);
        else if (*at == '.' && !after_point)
            after_point = true;
        else
            break;
    }
    *text = at;
    return out->digits > 0;
}

/* What follows the number: a power of two or of ten. */
static bool read_suffix(const char *text, unsigned *power_of_two, int *power_of_ten)
{
    static const struct {
        const char *suffix;
        unsigned two;
        int ten;
    } suffixes[] = {{"", 0, 0},    {"n", 0, -9},  {"u", 0, -6},  {"m", 0, -3},
                    {"k", 0, 3},   {"M", 0, 6},   {"G", 0, 9},   {"T", 0, 12},
                    {"P", 0, 15},  {"E", 0, 18},  {"Ki", 10, 0}, {"Mi", 20, 0},
                    {"Gi", 30, 0}, {"Ti", 40, 0}, {"Pi", 50, 0}, {"Ei", 60, 0}};
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        if (!strcmp(text, suffixes[i].suffix)) {
            *power_of_two = suffixes[i].two;
            *power_of_ten = suffixes[i].ten;
            return true;
        }
    }
    if (*text != 'e' && *text != 'E')
        return false;
    bool negative = text[1] == '-';
    const char *digits = text + 1 + (text[1] == '-' || text[1] == '+' ? 1 : 0);
    int exponent = 0;
    if (!*digits)
        return false;
    for (; *digits >= '0' && *digits <= '9'; digits++)
        exponent = exponent < 1000 ? exponent * 10 + (*digits - '0') : exponent;
    *power_of_two = 0;
    *power_of_ten = negative ? -exponent : exponent;
    return *digits == '\0';
}

/* mantissa * 2^two * 10^exponent, rounded up. */
static bool scale(const struct decimal *d, unsigned two, int64_t *out)
{
    wide value = (wide)d->mantissa << two;
    bool has_more = d->has_more;
    if (value == 0) {
        *out = 0;
        return true;
    }
    for (int i = 0; i < d->exponent; i++) {
        value *= 10;
        if (value > INT64_MAX)
            return false;
    }
    for (int i = 0; i > d->exponent && value > 0; i--) {
        has_more = has_more || value % 10 != 0;
        value /= 10;
    }
    value += has_more ? 1 : 0;
    if (value > INT64_MAX)
        return false;
    *out = (int64_t)value;
    return true;
}

static bool parse_times(const char *text, int power_of_ten, int64_t *out)
{
    bool negative = *text == '-';
    const char *at = text + (*text == '-' || *text == '+' ? 1 : 0);
    struct decimal d;
    unsigned two;
    int ten;
    int64_t value;
    if (!read_number(&at, &d) || !read_suffix(at, &two, &ten))
        return false;
    d.exponent += ten + power_of_ten;
    if (!scale(&d, two, &value))
        return false;
    *out = negative ? -value : value;
    return true;
}

bool quantity_parse(const char *text, int64_t *out)
{
    return parse_times(text, 0, out);
}

bool quantity_parse_milli(const char *text, int64_t *out)
{
    return parse_times(text, 3, out);
}
