#include "base/yaml_scalar.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static const struct {
    const char *text;
    struct yaml_scalar value;
} words[] = {
    {"", {.kind = YAML_SCALAR_NULL}},
    {"~", {.kind = YAML_SCALAR_NULL}},
    {"null", {.kind = YAML_SCALAR_NULL}},
    {"Null", {.kind = YAML_SCALAR_NULL}},
    {"NULL", {.kind = YAML_SCALAR_NULL}},
    {"y", {.kind = YAML_SCALAR_BOOL, .truth = true}},
    {"Y", {.kind = YAML_SCALAR_BOOL, .truth = true}},
    {"yes", {.kind = YAML_SCALAR_BOOL, .truth = true}},
    {"Yes", {.kind = YAML_SCALAR_BOOL, .truth = true}},
    {"YES", {.kind = YAML_SCALAR_BOOL, .truth = true}},
    {"true", {.kind = YAML_SCALAR_BOOL, .truth = true}},
    {"True", {.kind = YAML_SCALAR_BOOL, .truth = true}},
    {"TRUE", {.kind = YAML_SCALAR_BOOL, .truth = true}},
    {"on", {.kind = YAML_SCALAR_BOOL, .truth = true}},
    {"On", {.kind = YAML_SCALAR_BOOL, .truth = true}},
    {"ON", {.kind = YAML_SCALAR_BOOL, .truth = true}},
    {"n", {.kind = YAML_SCALAR_BOOL}},
    {"N", {.kind = YAML_SCALAR_BOOL}},
    {"no", {.kind = YAML_SCALAR_BOOL}},
    {"No", {.kind = YAML_SCALAR_BOOL}},
    {"NO", {.kind = YAML_SCALAR_BOOL}},
    {"false", {.kind = YAML_SCALAR_BOOL}},
    {"False", {.kind = YAML_SCALAR_BOOL}},
    {"FALSE", {.kind = YAML_SCALAR_BOOL}},
    {"off", {.kind = YAML_SCALAR_BOOL}},
    {"Off", {.kind = YAML_SCALAR_BOOL}},
    {"OFF", {.kind = YAML_SCALAR_BOOL}},
    {".nan", {.kind = YAML_SCALAR_NOT_FINITE}},
    {".NaN", {.kind = YAML_SCALAR_NOT_FINITE}},
    {".NAN", {.kind = YAML_SCALAR_NOT_FINITE}},
    {".inf", {.kind = YAML_SCALAR_NOT_FINITE}},
    {".Inf", {.kind = YAML_SCALAR_NOT_FINITE}},
    {".INF", {.kind = YAML_SCALAR_NOT_FINITE}},
    {"+.inf", {.kind = YAML_SCALAR_NOT_FINITE}},
    {"+.Inf", {.kind = YAML_SCALAR_NOT_FINITE}},
    {"+.INF", {.kind = YAML_SCALAR_NOT_FINITE}},
    {"-.inf", {.kind = YAML_SCALAR_NOT_FINITE}},
    {"-.Inf", {.kind = YAML_SCALAR_NOT_FINITE}},
    {"-.INF", {.kind = YAML_SCALAR_NOT_FINITE}},
};

#define WORD_MAX 5

static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    unsigned lower = (unsigned char)c | 0x20U;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
}

/* A sign, a base prefix (0x, 0b, 0o or 0 for octal) and digits that fit 64 bits. */
static bool read_int(const char *text, double *out)
{
    bool negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    unsigned base = 10;
    if (text[0] == '0' && text[1]) {
        int letter = text[1] | 0x20;
        base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
        text += letter == 'x' || letter == 'b' || letter == 'o' ? 2 : 1;
    }
    if (!*text)
        return false;
    uint64_t value = 0;
    for (; *text; text++) {
        unsigned digit = digit_of(*text);
        if (digit >= base || value > (UINT64_MAX - digit) / base)
            return false;
        value = value * base + digit;
    }
    if (negative && value > UINT64_C(1) << 63)
        return false;
    *out = negative ? -(double)value : (double)value;
    return true;
}

static size_t skip_digits(const char **at)
{
    size_t n = strspn(*at, "0123456789");
    *at += n;
    return n;
}

/* [-+]? ( .digits | digits [ .digits? ] ) [ e [-+]? digits ], within the range of a double */
static bool read_float(const char *text, double *out)
{
    const char *at = text + (*text == '-' || *text == '+');
    size_t before = skip_digits(&at), after = 0;
    if (*at == '.') {
        at++;
        after = skip_digits(&at);
    }
    if (!before && !after)
        return false;
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '-' || *at == '+';
        if (!skip_digits(&at))
            return false;
    }
    if (*at)
        return false;
    *out = strtod(text, NULL);
    return isfinite(*out);
}

static struct yaml_scalar number_or_text(const char *text)
{
    struct yaml_scalar s = {.kind = YAML_SCALAR_TEXT};
    if (*text != '.' && read_int(text, &s.number))
        s.kind = YAML_SCALAR_INT;
    else if (read_float(text, &s.number))
        s.kind = YAML_SCALAR_FLOAT;
    return s;
}

struct yaml_scalar yaml_scalar_resolve(const char *text)
{
    size_t len = strnlen(text, WORD_MAX + 1);
    for (size_t i = 0; i < ARRAY_SIZE(words) && len <= WORD_MAX; i++) {
        if (strcmp(text, words[i].text) == 0)
            return words[i].value;
    }
    if (!strchr("+-.0123456789", *text))
        return (struct yaml_scalar){.kind = YAML_SCALAR_TEXT};
    if (*text == '.' || !strchr(text, '_'))
        return number_or_text(text);
    char *plain = xstrdup(text), *end = plain; /* underscores group digits */
    for (const char *at = text; *at; at++) {
        if (*at != '_')
            *end++ = *at;
    }
    *end = '\0';
    struct yaml_scalar s = number_or_text(plain);
    free(plain);
    return s;
}
