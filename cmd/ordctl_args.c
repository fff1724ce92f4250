/* cmd/ordctl_args.c - command lines as kubectl reads them: flags and words in any order. */
#include "cmd/ordctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static const struct flag *find_long(const struct args *args, const char *name, size_t len)
{
    for (size_t t = 0; t < ARRAY_SIZE(args->tables); t++)
        for (const struct flag *f = args->tables[t]; f && f->name; f++)
            if (strlen(f->name) == len && strncmp(f->name, name, len) == 0)
                return f;
    return NULL;
}

static const struct flag *find_short(const struct args *args, char letter)
{
    for (size_t t = 0; t < ARRAY_SIZE(args->tables); t++)
        for (const struct flag *f = args->tables[t]; f && f->name; f++)
            if (f->letter == letter)
                return f;
    return NULL;
}

static void add_given(struct args *args, const struct flag *f, const char *value)
{
    args->given = xrealloc(args->given, (args->given_count + 1) * sizeof(*args->given));
    args->given[args->given_count++] = (struct args_given){f->name, value};
}

static void add_word(struct args *args, const char *word)
{
    args->words = xrealloc(args->words, (args->word_count + 1) * sizeof(*args->words));
    args->words[args->word_count++] = word;
}

/* "--name", "--name=value", "--name value". *next is the argument after it. */
static int parse_long(struct args *args, const char *arg, char *const **next, struct err *e)
{
    size_t len = strcspn(arg + 2, "=");
    const char *value = arg[2 + len] == '=' ? arg + 3 + len : NULL;
    const struct flag *f = find_long(args, arg + 2, len);
    if (!f)
        return err_set(e, ERR_INVALID, "unknown flag: --%.*s", (int)len, arg + 2);
    switch (f->kind) {
    case FLAG_SWITCH:
        if (value && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return err_set(e, ERR_INVALID, "invalid value \"%s\" for --%s: must be true or false",
                           value, f->name);
        add_given(args, f, value ? value : "true");
        return 0;
    case FLAG_OPTIONAL:
        add_given(args, f, value ? value : f->value);
        return 0;
    case FLAG_TEXT:
        if (!value && !(value = **next))
            return err_set(e, ERR_INVALID, "flag needs an argument: --%s", f->name);
        if (value == **next)
            (*next)++;
        add_given(args, f, value);
        return 0;
    }
    return 0;
}

/* "-A", "-Aw", "-n value", "-nvalue", "-n=value". */
static int parse_short(struct args *args, const char *arg, char *const **next, struct err *e)
{
    for (const char *at = arg + 1; *at; at++) {
        const struct flag *f = find_short(args, *at);
        if (!f)
            return err_set(e, ERR_INVALID, "unknown shorthand flag: '%c' in %s", *at, arg);
        if (f->kind != FLAG_TEXT) {
            add_given(args, f, f->kind == FLAG_SWITCH ? "true" : f->value);
            continue;
        }
        const char *value = at[1] == '=' ? at + 2 : at + 1;
        if (!at[1]) {
            value = **next;
            if (!value)
                return err_set(e, ERR_INVALID, "flag needs an argument: -%c", *at);
            (*next)++;
        }
        add_given(args, f, value);
        return 0;
    }
    return 0;
}

int args_parse(struct args *args, char *const *argv, bool stop_at_word, size_t *used, struct err *e)
{
    char *const *next = argv;
    bool only_words = false;
    while (*next) {
        const char *arg = *next;
        bool is_word = only_words || arg[0] != '-' || !arg[1];
        if (is_word && stop_at_word)
            break;
        next++;
        int rc = 0;
        if (is_word)
            add_word(args, arg);
        else if (strcmp(arg, "--") == 0)
            only_words = true;
        else if (arg[1] == '-')
            rc = parse_long(args, arg, &next, e);
        else
            rc = parse_short(args, arg, &next, e);
        if (rc < 0)
            return rc;
    }
    if (used)
        *used = (size_t)(next - argv);
    return 0;
}

void args_fini(struct args *args)
{
    free(args->given);
    free(args->words);
    *args = (struct args){0};
}

const char *args_text(const struct args *args, const char *name, const char *fallback)
{
    for (size_t i = args->given_count; i > 0; i--)
        if (strcmp(args->given[i - 1].name, name) == 0)
            return args->given[i - 1].value;
    return fallback;
}

bool args_has(const struct args *args, const char *name)
{
    return args_text(args, name, NULL) != NULL;
}

bool args_bool(const struct args *args, const char *name, bool fallback)
{
    const char *value = args_text(args, name, NULL);
    return value ? strcmp(value, "true") == 0 : fallback;
}

const char *args_nth(const struct args *args, const char *name, size_t i)
{
    for (size_t at = 0; at < args->given_count; at++)
        if (strcmp(args->given[at].name, name) == 0 && i-- == 0)
            return args->given[at].value;
    return NULL;
}

int args_int(const struct args *args, const char *name, int64_t min, int64_t max, int64_t *out,
             struct err *e)
{
    const char *text = args_text(args, name, NULL);
    if (!text)
        return 0;
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        return err_set(e, ERR_INVALID, "invalid argument \"%s\" for --%s: not a whole number", text,
                       name);
    if (value < min || value > max)
        return err_set(e, ERR_INVALID,
                       "invalid argument \"%s\" for --%s: must be between %lld and %lld", text,
                       name, (long long)min, (long long)max);
    *out = value;
    return 0;
}

/* Milliseconds of a unit, and how long its text is. */
static int64_t unit_ms(const char *text, size_t *len)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        *len = strlen(units[i].unit);
        if (strncmp(text, units[i].unit, *len) == 0)
            return units[i].ms;
    }
    return 0;
}

int args_duration(const struct args *args, const char *name, int64_t *out_ms, struct err *e)
{
    const char *text = args_text(args, name, NULL);
    if (!text)
        return 0;
    int64_t total = 0;
    const char *at = text;
    do {
        char *end = NULL;
        errno = 0;
        long value = strtol(at, &end, 10);
        size_t len = 0;
        int64_t unit = *end ? unit_ms(end, &len) : 1000;
        if (errno || *at < '0' || *at > '9' || value > 10000000 || !unit)
            return err_set(e, ERR_INVALID,
                           "invalid argument \"%s\" for --%s: not a duration such as 90s or 1h30m",
                           text, name);
        total += value * unit;
        at = end + (*end ? len : 0);
    } while (*at);
    *out_ms = total;
    return 0;
}
