#include "controller/store/selector_build.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void selector_build_init(struct selector_build *b)
{
    *b = (struct selector_build){0};
    arena_init(&b->arena);
}

void selector_build_fini(struct selector_build *b)
{
    free(b->terms);
    free(b->values);
    arena_fini(&b->arena);
}

void selector_build_value(struct selector_build *b, const char *text, size_t len)
{
    if (b->value_count == b->value_cap) {
        b->value_cap = b->value_cap ? b->value_cap * 2 : 8;
        b->values = xrealloc(b->values, b->value_cap * sizeof(*b->values));
    }
    char *copy = arena_alloc(&b->arena, len + 1);
    memcpy(copy, text, len);
    b->values[b->value_count++] = copy;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void selector_build_term(struct selector_build *b, const char *key, enum selector_op op)
{
    if (b->count == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 8;
        b->terms = xrealloc(b->terms, b->cap * sizeof(*b->terms));
    }
    size_t n = 0;
    const char **values = NULL;
    if (b->value_count > 0) {
        qsort(b->values, b->value_count, sizeof(*b->values), by_text);
        values = arena_alloc(&b->arena, b->value_count * sizeof(*values));
        for (size_t i = 0; i < b->value_count; i++)
            if (n == 0 || strcmp(values[n - 1], b->values[i]) != 0)
                values[n++] = b->values[i];
    }
    b->value_count = 0;
    b->terms[b->count++] = (struct selector_term){
        .key = arena_strdup(&b->arena, key), .op = op, .values = values, .value_count = n};
}

static int by_key(const void *a, const void *b)
{
    const struct selector_term *s = a, *t = b;
    int order = strcmp(s->key, t->key);
    return order ? order : (int)s->op - (int)t->op;
}

static char *put_text(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

void selector_build_finish(struct selector_build *b, struct selector *out)
{
    size_t value_count = 0, text_bytes = 0;
    *out = (struct selector){0};
    if (b->count == 0)
        return;
    for (size_t i = 0; i < b->count; i++) {
        value_count += b->terms[i].value_count;
        text_bytes += strlen(b->terms[i].key) + 1;
        for (size_t v = 0; v < b->terms[i].value_count; v++)
            text_bytes += strlen(b->terms[i].values[v]) + 1;
    }
    qsort(b->terms, b->count, sizeof(*b->terms), by_key);
    out->terms = xcalloc(b->count, sizeof(*out->terms));
    out->block = xmalloc(value_count * sizeof(char *) + text_bytes);
    out->bytes = b->count * sizeof(*out->terms) + value_count * sizeof(char *) + text_bytes;
    out->count = b->count;
    const char **values = (const char **)(void *)out->block;
    char *at = out->block + value_count * sizeof(char *);
    for (size_t i = 0; i < b->count; i++) {
        const struct selector_term *from = &b->terms[i];
        out->terms[i] = *from;
        out->terms[i].key = put_text(&at, from->key);
        out->terms[i].values = values;
        for (size_t v = 0; v < from->value_count; v++)
            *values++ = put_text(&at, from->values[v]);
    }
}

void selector_fini(struct selector *s)
{
    free(s->terms);
    free(s->block);
    *s = (struct selector){0};
}

size_t selector_bytes(const struct selector *s)
{
    return s->bytes;
}

static bool has_value(const struct selector_term *term, const char *value)
{
    for (size_t i = 0; i < term->value_count; i++)
        if (!strcmp(term->values[i], value))
            return true;
    return false;
}

static bool read_integer(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

bool selector_term_matches(const struct selector_term *term, const char *value)
{
    int64_t have, bound;
    switch (term->op) {
    case SELECT_IN:
        return value && has_value(term, value);
    case SELECT_NOT_IN:
        return !value || !has_value(term, value);
    case SELECT_EXISTS:
        return value != NULL;
    case SELECT_NOT_EXISTS:
        return value == NULL;
    case SELECT_GT:
    case SELECT_LT:
        if (!value || !read_integer(value, &have) || !read_integer(term->values[0], &bound))
            return false;
        return term->op == SELECT_GT ? have > bound : have < bound;
    }
    return false;
}
