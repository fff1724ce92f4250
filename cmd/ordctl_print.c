/* cmd/ordctl_print.c - JSON, YAML and tables as text. */
#include "cmd/ordctl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/yaml_scalar.h"

#define GAP 3 /* spaces between columns */

/* ---- members in order ---- */

struct members {
    struct member {
        const cJSON *item; /* borrowed */
    } * at;                /* owned */
    size_t count;
};

static int compare_names(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    return strcmp(x->item->string, y->item->string);
}

static struct members sorted_members(const cJSON *object)
{
    struct members m = {0};
    const cJSON *it = NULL;
    cJSON_ArrayForEach(it, object) m.count++;
    m.at = xcalloc(m.count + 1, sizeof(*m.at));
    size_t i = 0;
    cJSON_ArrayForEach(it, object) m.at[i++].item = it;
    qsort(m.at, m.count, sizeof(*m.at), compare_names);
    return m;
}

static void put_scalar(struct buf_out *out, const cJSON *item)
{
    if (cJSON_IsString(item)) {
        buf_put_json(out, item->valuestring);
        return;
    }
    char *text = json_print(item, NULL);
    buf_puts(out, text);
    free(text);
}

/* ---- JSON ---- */

static void put_indent(struct buf_out *out, size_t depth, size_t width)
{
    for (size_t i = 0; i < depth * width; i++)
        buf_putc(out, ' ');
}

static void put_json(struct buf_out *out, const cJSON *item, size_t depth);

/* NOLINTNEXTLINE(misc-no-recursion): as deep as json_parse lets a tree be */
static void put_json_object(struct buf_out *out, const cJSON *item, size_t depth)
{
    struct members m = sorted_members(item);
    buf_puts(out, "{\n");
    for (size_t i = 0; i < m.count; i++) {
        put_indent(out, depth + 1, 4);
        buf_put_json(out, m.at[i].item->string);
        buf_puts(out, ": ");
        put_json(out, m.at[i].item, depth + 1);
        buf_puts(out, i + 1 < m.count ? ",\n" : "\n");
    }
    put_indent(out, depth, 4);
    buf_putc(out, '}');
    free(m.at);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as json_parse lets a tree be */
static void put_json(struct buf_out *out, const cJSON *item, size_t depth)
{
    bool is_object = cJSON_IsObject(item);
    if ((!is_object && !cJSON_IsArray(item)) || !item->child) {
        put_scalar(out, item);
        return;
    }
    if (is_object) {
        put_json_object(out, item, depth);
        return;
    }
    buf_puts(out, "[\n");
    for (const cJSON *it = item->child; it; it = it->next) {
        put_indent(out, depth + 1, 4);
        put_json(out, it, depth + 1);
        buf_puts(out, it->next ? ",\n" : "\n");
    }
    put_indent(out, depth, 4);
    buf_putc(out, ']');
}

void print_json(struct buf_out *out, const cJSON *tree)
{
    put_json(out, tree, 0);
    buf_putc(out, '\n');
}

/* As Go's encoder writes text: <, >, & and the two line separators of Unicode escaped. */
static void put_go_text(struct buf_out *out, const char *text)
{
    struct buf_out plain;
    buf_out_init(&plain);
    buf_put_json(&plain, text);
    for (const char *at = plain.data; *at; at++) {
        bool is_separator = memcmp(at, "\xe2\x80", 2) == 0 && (at[2] == '\xa8' || at[2] == '\xa9');
        if (*at == '<' || *at == '>' || *at == '&') {
            buf_printf(out, "\\u%04x", (unsigned)*at);
        } else if (is_separator) {
            buf_puts(out, at[2] == '\xa8' ? "\\u2028" : "\\u2029");
            at += 2;
        } else {
            buf_putc(out, *at);
        }
    }
    buf_out_fini(&plain);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as json_parse lets a tree be */
static void put_canonical(struct buf_out *out, const cJSON *item)
{
    if (cJSON_IsObject(item)) {
        struct members m = sorted_members(item);
        buf_putc(out, '{');
        for (size_t i = 0; i < m.count; i++) {
            buf_puts(out, i ? "," : "");
            put_go_text(out, m.at[i].item->string);
            buf_putc(out, ':');
            put_canonical(out, m.at[i].item);
        }
        buf_putc(out, '}');
        free(m.at);
    } else if (cJSON_IsArray(item)) {
        buf_putc(out, '[');
        for (const cJSON *it = item->child; it; it = it->next) {
            put_canonical(out, it);
            buf_puts(out, it->next ? "," : "");
        }
        buf_putc(out, ']');
    } else if (cJSON_IsString(item)) {
        put_go_text(out, item->valuestring);
    } else {
        put_scalar(out, item);
    }
}

void print_canonical(struct buf_out *out, const cJSON *tree)
{
    put_canonical(out, tree);
    buf_putc(out, '\n');
}

/* ---- YAML ---- */

/* True when the text read back as a plain scalar is that text. */
static bool may_be_plain(const char *text)
{
    if (!*text || yaml_scalar_resolve(text).kind != YAML_SCALAR_TEXT)
        return false;
    if (strchr("-?:,[]{}#&*!|>'\"%@` =<", *text) || strcmp(text, "...") == 0)
        return false;
    /* what other readers of YAML 1.1 take for a date, a time or a sexagesimal number */
    if (*text >= '0' && *text <= '9' &&
        (strchr(text, ':') || text[strspn(text, "0123456789")] == '-'))
        return false;
    size_t len = strlen(text);
    if (text[len - 1] == ' ' || text[len - 1] == ':')
        return false;
    for (const char *at = text; *at; at++) {
        unsigned char c = (unsigned char)*at;
        if (c < 0x20 || c > 0x7e || (c == ':' && at[1] == ' ') || (c == ' ' && at[1] == '#'))
            return false;
    }
    return true;
}

/* True when the text can stand as a literal block: several lines, none of which starts the block
 * with a space or needs escapes. */
static bool may_be_block(const char *text)
{
    const char *newline = strchr(text, '\n');
    if (!newline || *text == ' ' || *text == '\n')
        return false;
    for (const char *at = text; *at; at++) {
        unsigned char c = (unsigned char)*at;
        if ((c < 0x20 && c != '\n') || c > 0x7e)
            return false;
    }
    return true;
}

/* As in JSON, and what YAML does not take raw is escaped: DEL and the C1 controls. */
static void put_quoted(struct buf_out *out, const char *text)
{
    struct buf_out json;
    buf_out_init(&json);
    buf_put_json(&json, text);
    for (const char *at = json.data; *at; at++) {
        unsigned char c = (unsigned char)*at, next = (unsigned char)at[1];
        bool is_c1 = c == 0xc2 && next >= 0x80 && next < 0xa0;
        if (c == 0x7f || is_c1)
            buf_printf(out, "\\u%04x", is_c1 ? next : c);
        else
            buf_putc(out, *at);
        at += is_c1;
    }
    buf_out_fini(&json);
}

static void put_block(struct buf_out *out, const char *text, size_t indent)
{
    size_t len = strlen(text), newlines = 0;
    while (newlines < len && text[len - 1 - newlines] == '\n')
        newlines++;
    buf_puts(out, newlines == 0 ? "|-" : newlines == 1 ? "|" : "|+");
    const char *end = text + len - (newlines ? 1 : 0);
    while (text <= end) {
        size_t line = strcspn(text, "\n");
        buf_putc(out, '\n');
        if (line)
            put_indent(out, indent, 1);
        buf_put(out, text, line);
        text += line + 1;
    }
    buf_putc(out, '\n');
}

static void put_yaml_scalar(struct buf_out *out, const cJSON *item, size_t indent)
{
    if (!cJSON_IsString(item)) {
        put_scalar(out, item);
    } else if (may_be_plain(item->valuestring)) {
        buf_puts(out, item->valuestring);
    } else if (may_be_block(item->valuestring)) {
        put_block(out, item->valuestring, indent);
        return;
    } else {
        put_quoted(out, item->valuestring);
    }
    buf_putc(out, '\n');
}

static bool is_leaf(const cJSON *item)
{
    return (!cJSON_IsObject(item) && !cJSON_IsArray(item)) || !item->child;
}

static void put_yaml(struct buf_out *out, const cJSON *item, size_t indent, bool is_started);

/* is_started: the indent of the first line stands already ("- "). */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as json_parse lets a tree be */
static void put_yaml_object(struct buf_out *out, const cJSON *item, size_t indent, bool is_started)
{
    struct members m = sorted_members(item);
    for (size_t i = 0; i < m.count; i++) {
        if (i || !is_started)
            put_indent(out, indent, 1);
        if (may_be_plain(m.at[i].item->string))
            buf_puts(out, m.at[i].item->string);
        else
            put_quoted(out, m.at[i].item->string);
        if (is_leaf(m.at[i].item)) {
            buf_puts(out, ": ");
            put_yaml_scalar(out, m.at[i].item, indent + 2);
        } else {
            buf_puts(out, ":\n");
            put_yaml(out, m.at[i].item, cJSON_IsArray(m.at[i].item) ? indent : indent + 2, false);
        }
    }
    free(m.at);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as json_parse lets a tree be */
static void put_yaml(struct buf_out *out, const cJSON *item, size_t indent, bool is_started)
{
    if (is_leaf(item)) {
        put_yaml_scalar(out, item, indent);
        return;
    }
    if (cJSON_IsObject(item)) {
        put_yaml_object(out, item, indent, is_started);
        return;
    }
    for (const cJSON *it = item->child; it; it = it->next) {
        if (it != item->child || !is_started)
            put_indent(out, indent, 1);
        buf_puts(out, "- ");
        put_yaml(out, it, indent + 2, true);
    }
}

void print_yaml(struct buf_out *out, const cJSON *tree)
{
    put_yaml(out, tree, 0, false);
}

/* ---- tables ---- */

static size_t shown_width(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void put_cell(struct buf_out *out, const char *text, size_t width, bool is_last)
{
    for (const char *at = text; *at; at++)
        buf_putc(out, (char)((unsigned char)*at < 0x20 || *at == 0x7f ? ' ' : *at));
    for (size_t n = shown_width(text); !is_last && n < width + GAP; n++)
        buf_putc(out, ' ');
}

static void grow_widths(struct table_print *t, size_t columns, char *const *cells, size_t rows)
{
    if (columns > t->width_count) {
        t->widths = xrealloc(t->widths, columns * sizeof(*t->widths));
        while (t->width_count < columns)
            t->widths[t->width_count++] = 0;
    }
    for (size_t i = 0; i < columns * rows; i++) {
        size_t width = cells[i] ? shown_width(cells[i]) : 0;
        if (width > t->widths[i % columns])
            t->widths[i % columns] = width;
    }
}

static void put_rows(struct table_print *t, char *const *cells, size_t columns, size_t rows,
                     struct buf_out *out)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < columns; c++)
            put_cell(out, cells[r * columns + c], t->widths[c], c + 1 == columns);
        buf_putc(out, '\n');
    }
}

static char *upper(const char *text)
{
    char *out = xstrdup(text);
    for (char *at = out; *at; at++)
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
    return out;
}

static char *cell_text(const cJSON *cell)
{
    if (!cell || cJSON_IsNull(cell))
        return xstrdup("<none>");
    if (cJSON_IsString(cell))
        return xstrdup(cell->valuestring);
    return json_print(cell, NULL);
}

static bool is_shown(const struct table_print *t, const cJSON *column)
{
    int64_t priority = 0;
    (void)json_int(column, "priority", 0, 1000, &priority);
    return priority == 0 || t->opts.wide;
}

/* The cells of one row that are shown; cells gets owned texts. */
static void fill_row(const struct table_print *t, const cJSON *row, char **cells)
{
    size_t c = 0;
    if (t->opts.with_namespace)
        cells[c++] =
            xstrdup(json_str(json_at(row, "object", "metadata", NULL), "namespace", "<none>"));
    const cJSON *cell = json_get(row, "cells"), *column = NULL;
    cell = cell ? cell->child : NULL;
    bool is_first = true;
    cJSON_ArrayForEach(column, t->columns)
    {
        if (is_shown(t, column)) {
            char *text = cell_text(cell);
            cells[c++] = is_first && t->opts.prefix ? xasprintf("%s%s", t->opts.prefix, text)
                                                    : xstrdup(text);
            free(text);
        }
        is_first = false;
        cell = cell ? cell->next : NULL;
    }
}

static void fill_header(const struct table_print *t, char **cells)
{
    size_t c = 0;
    if (t->opts.with_namespace)
        cells[c++] = xstrdup("NAMESPACE");
    const cJSON *column = NULL;
    cJSON_ArrayForEach(column, t->columns) if (is_shown(t, column)) cells[c++] =
        upper(json_str(column, "name", ""));
}

void table_print(struct table_print *t, const cJSON *table, struct buf_out *out)
{
    const cJSON *columns = json_get(table, "columnDefinitions"), *it = NULL;
    if (!t->columns && columns) {
        t->columns = cJSON_Duplicate(columns, true);
        CHECK(t->columns);
    }
    size_t shown = t->opts.with_namespace ? 1 : 0, rows = 0;
    cJSON_ArrayForEach(it, t->columns) shown += is_shown(t, it);
    cJSON_ArrayForEach(it, json_get(table, "rows")) rows++;
    if (!shown || !rows)
        return;
    bool with_header = !t->has_header && !t->opts.no_headers;
    size_t lines = rows + (with_header ? 1 : 0), at = 0;
    char **cells = xcalloc(lines * shown, sizeof(*cells));
    if (with_header) {
        fill_header(t, cells);
        at = shown;
    }
    t->has_header = true;
    cJSON_ArrayForEach(it, json_get(table, "rows"))
    {
        fill_row(t, it, cells + at);
        at += shown;
    }
    grow_widths(t, shown, cells, lines);
    put_rows(t, cells, shown, lines, out);
    for (size_t i = 0; i < lines * shown; i++)
        free(cells[i]);
    free(cells);
}

void table_print_fini(struct table_print *t)
{
    free(t->widths);
    cJSON_Delete(t->columns);
    *t = (struct table_print){0};
}

void print_rows(struct buf_out *out, char *const *cells, size_t columns, size_t rows)
{
    struct table_print t = {0};
    grow_widths(&t, columns, cells, rows);
    put_rows(&t, cells, columns, rows, out);
    table_print_fini(&t);
}
