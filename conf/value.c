#include "conf/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {
    {"us", 1}, {"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {"h", 3600000000}, {"", 1000000},
};

static const struct unit sizes[] = {
    {"", 1},         {"B", 1},          {"k", 1000},        {"K", 1024},         {"Ki", 1024},
    {"KiB", 1024},   {"kB", 1000},      {"M", 1048576},     {"Mi", 1048576},     {"MiB", 1048576},
    {"MB", 1000000}, {"G", 1073741824}, {"Gi", 1073741824}, {"GiB", 1073741824}, {"GB", 1000000000},
};

static void *field_of(struct options *o, const struct conf_option *option)
{
    return (char *)o + option->offset;
}

/* A whole number, then one of the units, blanks between allowed; false when it is none or does not
 * fit 64 bits. */
static bool parse_unit(const char *text, const struct unit *units, size_t count, int64_t *out)
{
    if (*text < '0' || *text > '9')
        return false;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno)
        return false;
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < count; i++)
        if (strcmp(end, units[i].name) == 0)
            return !__builtin_mul_overflow((int64_t)number, units[i].factor, out);
    return false;
}

static bool word_is_one_of(const char *word, const char *words)
{
    size_t len = strlen(word);
    for (const char *at = words; at; at = strchr(at, '|'), at = at ? at + 1 : NULL)
        if (strncmp(at, word, len) == 0 && (at[len] == '|' || at[len] == '\0'))
            return true;
    return false;
}

static int set_number(int64_t *field, const struct conf_option *option, const char *text,
                      struct err *e)
{
    int64_t value;
    bool good = option->type == OPT_DURATION
                    ? parse_unit(text, durations, ARRAY_SIZE(durations), &value)
                : option->type == OPT_SIZE ? parse_unit(text, sizes, ARRAY_SIZE(sizes), &value)
                                           : parse_unit(text, sizes, 1, &value);
    if (!good)
        return err_set(e, ERR_INVALID, "\"%s\" is not %s", text,
                       option->type == OPT_DURATION ? "a duration such as 5s, 200ms or 10m"
                       : option->type == OPT_SIZE   ? "a size such as 64MiB"
                                                    : "a whole number");
    if (value < option->min || value > option->max) {
        const char *unit = option->type == OPT_DURATION ? "us" : "";
        return err_set(e, ERR_INVALID, "\"%s\" is outside %" PRId64 "%s to %" PRId64 "%s", text,
                       option->min, unit, option->max, unit);
    }
    *field = value;
    return 0;
}

static void list_add(struct string_list *list, const char *text)
{
    list->items = xrealloc(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = xstrdup(text);
}

int value_set(struct options *o, const struct conf_option *option, const char *text, struct err *e)
{
    void *field = field_of(o, option);
    const char *wrong = option->check ? option->check(text) : NULL;
    if (wrong)
        return err_set(e, ERR_INVALID, "\"%s\" %s", text, wrong);
    switch (option->type) {
    case OPT_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return err_set(e, ERR_INVALID, "\"%s\" is neither true nor false", text);
        *(bool *)field = *text == 't';
        return 0;
    case OPT_INT:
    case OPT_SIZE:
    case OPT_DURATION:
        return set_number(field, option, text, e);
    case OPT_WORD:
    case OPT_STRING:
        if (option->type == OPT_WORD && !word_is_one_of(text, option->words))
            return err_set(e, ERR_INVALID, "\"%s\" is none of %s", text, option->words);
        free(*(char **)field);
        *(char **)field = xstrdup(text);
        return 0;
    case OPT_LIST:
    case OPT_MAP:
        list_add(field, text);
        return 0;
    }
    return 0;
}

void value_clear(struct options *o, const struct conf_option *option)
{
    void *field = field_of(o, option);
    if (option->type == OPT_LIST || option->type == OPT_MAP) {
        struct string_list *list = field;
        for (size_t i = 0; i < list->count; i++)
            free(list->items[i]);
        free(list->items);
        *list = (struct string_list){0};
    } else if (option->type == OPT_STRING || option->type == OPT_WORD) {
        free(*(char **)field);
        *(char **)field = NULL;
    }
}

void value_default(struct options *o, const struct conf_option *option)
{
    value_clear(o, option);
    if (option->type != OPT_LIST && option->type != OPT_MAP) {
        CHECK(value_set(o, option, option->fallback, NULL) == 0);
        return;
    }
    for (const char *at = option->fallback; *at;) {
        size_t len = strcspn(at, ",");
        char *item = xstrndup(at, len);
        CHECK(value_set(o, option, item, NULL) == 0);
        free(item);
        at += len + (at[len] == ',');
    }
}

static void print_number(int64_t value, const struct unit *units, size_t count, struct buf_out *out)
{
    const struct unit *best = NULL;
    for (size_t i = 0; i < count; i++)
        if (units[i].name[0] && value % units[i].factor == 0 &&
            (!best || units[i].factor >= best->factor))
            best = &units[i];
    if (value == 0 || !best)
        buf_printf(out, "%" PRId64, value);
    else
        buf_printf(out, "%" PRId64 "%s", value / best->factor, best->name);
}

void value_print(const struct options *o, const struct conf_option *option, struct buf_out *out)
{
    static const struct unit binary[] = {
        {"B", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}};
    const void *field = (const char *)o + option->offset;
    const struct string_list *list = field;
    switch (option->type) {
    case OPT_BOOL:
        buf_puts(out, *(const bool *)field ? "true" : "false");
        return;
    case OPT_INT:
        buf_printf(out, "%" PRId64, *(const int64_t *)field);
        return;
    case OPT_DURATION:
        print_number(*(const int64_t *)field, durations, ARRAY_SIZE(durations) - 1, out);
        return;
    case OPT_SIZE:
        print_number(*(const int64_t *)field, binary, ARRAY_SIZE(binary), out);
        return;
    case OPT_STRING:
    case OPT_WORD:
        buf_put_json(out, *(char *const *)field);
        return;
    case OPT_LIST:
        buf_putc(out, '[');
        for (size_t i = 0; i < list->count; i++) {
            buf_puts(out, i ? ", " : "");
            buf_put_json(out, list->items[i]);
        }
        buf_putc(out, ']');
        return;
    case OPT_MAP:
        buf_putc(out, '{');
        for (size_t i = 0; i < list->count; i++) {
            size_t len = strcspn(list->items[i], "=");
            char *key = xstrndup(list->items[i], len);
            buf_puts(out, i ? ", " : "");
            buf_put_json(out, key);
            buf_puts(out, ": ");
            buf_put_json(out, list->items[i] + len + 1);
            free(key);
        }
        buf_putc(out, '}');
        return;
    }
}

bool value_equal(const struct options *a, const struct options *b, const struct conf_option *option)
{
    struct buf_out left, right;
    buf_out_init(&left);
    buf_out_init(&right);
    value_print(a, option, &left);
    value_print(b, option, &right);
    bool same = left.len == right.len && memcmp(left.data, right.data, left.len) == 0;
    buf_out_fini(&left);
    buf_out_fini(&right);
    return same;
}

static size_t value_size(enum option_type type)
{
    switch (type) {
    case OPT_BOOL:
        return sizeof(bool);
    case OPT_INT:
    case OPT_SIZE:
    case OPT_DURATION:
        return sizeof(int64_t);
    case OPT_STRING:
    case OPT_WORD:
        return sizeof(char *);
    case OPT_LIST:
    case OPT_MAP:
        return sizeof(struct string_list);
    }
    return 0;
}

void value_swap(struct options *a, struct options *b, const struct conf_option *option)
{
    uint8_t kept[sizeof(struct string_list)];
    size_t size = value_size(option->type);
    memcpy(kept, field_of(a, option), size);
    memcpy(field_of(a, option), field_of(b, option), size);
    memcpy(field_of(b, option), kept, size);
}

bool value_is_default(const struct options *o, const struct conf_option *option)
{
    struct options fresh = {0};
    value_default(&fresh, option);
    bool same = value_equal(&fresh, o, option);
    value_clear(&fresh, option);
    return same;
}
