#include "base/yaml.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"
#include "base/yaml_scalar.h"

#define DIRECTIVES_MAX 64 /* libyaml compares each %TAG with all before it */

/* ---- lines: node to place, an open-addressing table ---- */

struct place {
    int line, column; /* from 1; line 0: no longer a node of the document */
};

struct yaml_lines {
    struct lines_entry {
        const cJSON *node;
        struct place place;
    } * entries;
    size_t cap, used; /* cap is a power of two */
};

static struct lines_entry *lines_slot(const struct yaml_lines *lines, const cJSON *node)
{
    uint64_t hash = (uint64_t)(uintptr_t)node * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> 32) & (lines->cap - 1);
    while (lines->entries[at].node && lines->entries[at].node != node)
        at = (at + 1) & (lines->cap - 1);
    return &lines->entries[at];
}

static void lines_put(struct yaml_lines *lines, const cJSON *node, struct place place)
{
    if (lines->used * 2 >= lines->cap) {
        struct yaml_lines grown = {.cap = lines->cap ? lines->cap * 2 : 64, .used = lines->used};
        grown.entries = xcalloc(grown.cap, sizeof(*grown.entries));
        for (size_t i = 0; i < lines->cap; i++) {
            if (lines->entries[i].node)
                *lines_slot(&grown, lines->entries[i].node) = lines->entries[i];
        }
        free(lines->entries);
        *lines = grown;
    }
    struct lines_entry *entry = lines_slot(lines, node);
    if (!entry->node)
        lines->used++;
    *entry = (struct lines_entry){node, place};
}

static struct place lines_get(const struct yaml_lines *lines, const cJSON *node)
{
    return lines->cap ? lines_slot(lines, node)->place : (struct place){0};
}

/* ---- the builder: events in, one tree per document ---- */

struct anchor {
    char *name;
    const cJSON *node; /* borrowed from the tree or from the aside */
};

struct frame {
    cJSON *node;     /* open container, borrowed */
    char *key;       /* owned; a key whose value comes next */
    struct place at; /* of that key */
    bool is_merge;   /* the key is `<<` */
    cJSON *merge;    /* value of `<<`, borrowed from the aside */
};

struct builder {
    yaml_parser_t parser;
    const char *text;
    size_t len;
    struct yaml_file *file;
    struct yaml_doc *doc; /* open document, borrowed from file */
    cJSON *aside;         /* owned: nodes that are not of the tree but may be anchored (keys, merged
                             mappings) */
    struct frame frames[JSON_DEPTH_MAX];
    size_t depth;
    struct anchor *anchors; /* sorted by name */
    size_t anchor_count;
    size_t nodes, bytes; /* of all documents so far, copies included */
    struct err *e;
    int rc;
};

static struct place place_of(yaml_mark_t mark)
{
    return (struct place){.line = (int)mark.line + 1, .column = (int)mark.column + 1};
}

/* The first failure stays. */
static void fail(struct builder *b, enum err_code code, struct place at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void fail(struct builder *b, enum err_code code, struct place at, const char *format, ...)
{
    if (b->rc)
        return;
    struct buf_out text;
    buf_out_init(&text);
    buf_printf(&text, "line %d, column %d: ", at.line, at.column);
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    b->rc = err_set(b->e, code, "%s", text.data);
    buf_out_fini(&text);
}

static bool spend(struct builder *b, size_t bytes, struct place at)
{
    b->nodes++;
    b->bytes += bytes;
    if (b->nodes > YAML_NODES_MAX)
        fail(b, ERR_TOO_LARGE, at, "more than %u nodes", YAML_NODES_MAX);
    else if (b->bytes > YAML_EXPANDED_MAX)
        fail(b, ERR_TOO_LARGE, at, "more than %u bytes after expanding aliases", YAML_EXPANDED_MAX);
    return b->rc == 0;
}

static void put_aside(struct builder *b, cJSON *node, struct place at)
{
    if (!b->aside)
        b->aside = cJSON_CreateArray();
    CHECK(cJSON_AddItemToArray(b->aside, node));
    lines_put(b->doc->lines, node, at);
}

/* Hangs a node where the open containers want it; from then on the tree (or the aside) owns it. */
static void attach(struct builder *b, cJSON *node, struct place at)
{
    CHECK(node);
    struct frame *top = b->depth ? &b->frames[b->depth - 1] : NULL;
    if (!top) {
        b->doc->root = node;
        if (cJSON_IsNull(node)) /* nothing: libyaml places it behind the document */
            at = (struct place){b->doc->line, 1};
    } else if (cJSON_IsArray(top->node)) {
        CHECK(cJSON_AddItemToArray(top->node, node));
    } else if (top->is_merge) {
        top->merge = node;
        top->is_merge = false;
        put_aside(b, node, at);
        return;
    } else {
        CHECK(top->key && cJSON_AddItemToObject(top->node, top->key, node));
        free(TAKE(top->key));
        at = top->at;
    }
    lines_put(b->doc->lines, node, at);
}

static bool wants_key(const struct builder *b)
{
    const struct frame *top = b->depth ? &b->frames[b->depth - 1] : NULL;
    return top && cJSON_IsObject(top->node) && !top->key && !top->is_merge;
}

/* ---- anchors and aliases ---- */

/* Index of the name, or of the place where it belongs. */
static size_t anchor_slot(const struct builder *b, const char *name, bool *found)
{
    size_t low = 0, high = b->anchor_count;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(b->anchors[middle].name, name);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
        *found = order == 0;
    }
    return high;
}

static void anchor_put(struct builder *b, const yaml_char_t *anchor, const cJSON *node,
                       struct place at)
{
    if (!anchor)
        return;
    const char *name = (const char *)anchor;
    bool found;
    size_t slot = anchor_slot(b, name, &found);
    if (found) { /* a later anchor of the same name holds from here on */
        b->anchors[slot].node = node;
        return;
    }
    if (b->anchor_count == YAML_ANCHORS_MAX) {
        fail(b, ERR_TOO_LARGE, at, "more than %u anchors", YAML_ANCHORS_MAX);
        return;
    }
    if ((b->anchor_count & (b->anchor_count - 1)) == 0) {
        size_t cap = b->anchor_count ? b->anchor_count * 2 : 1;
        b->anchors = xrealloc(b->anchors, cap * sizeof(*b->anchors));
    }
    memmove(b->anchors + slot + 1, b->anchors + slot,
            (b->anchor_count - slot) * sizeof(*b->anchors));
    b->anchors[slot] = (struct anchor){xstrdup(name), node};
    b->anchor_count++;
}

static const cJSON *anchor_find(struct builder *b, const yaml_char_t *anchor, struct place at)
{
    const char *name = (const char *)anchor;
    bool found;
    size_t slot = anchor_slot(b, name, &found);
    if (!found) {
        fail(b, ERR_MALFORMED, at, "unknown alias \"%s\"", name);
        return NULL;
    }
    const cJSON *node = b->anchors[slot].node;
    for (size_t i = 0; i < b->depth; i++) {
        if (b->frames[i].node == node) {
            fail(b, ERR_MALFORMED, at, "alias \"%s\" inside of what it stands for", name);
            return NULL;
        }
    }
    return node;
}

static cJSON *copy_scalar(const cJSON *from)
{
    if (cJSON_IsString(from))
        return cJSON_CreateString(from->valuestring);
    if (cJSON_IsNumber(from))
        return cJSON_CreateNumber(from->valuedouble);
    return cJSON_IsNull(from) ? cJSON_CreateNull() : cJSON_CreateBool(cJSON_IsTrue(from));
}

/* A copy of what is anchored, with its lines; depth is that of the copy, at is for messages. NULL
 * after a failure. */
/* NOLINTNEXTLINE(misc-no-recursion): not deeper than JSON_DEPTH_MAX */
static cJSON *copy_node(struct builder *b, const cJSON *from, size_t depth, struct place at)
{
    size_t bytes = (from->string ? strlen(from->string) : 0) +
                   (cJSON_IsString(from) ? strlen(from->valuestring) : 0);
    if (!spend(b, bytes, at))
        return NULL;
    bool is_object = cJSON_IsObject(from);
    if (!is_object && !cJSON_IsArray(from))
        return copy_scalar(from);
    if (depth >= JSON_DEPTH_MAX) {
        fail(b, ERR_MALFORMED, at, "nested deeper than %d", JSON_DEPTH_MAX);
        return NULL;
    }
    cJSON *copy = is_object ? cJSON_CreateObject() : cJSON_CreateArray();
    CHECK(copy);
    const cJSON *it;
    cJSON_ArrayForEach(it, from)
    {
        cJSON *child = copy_node(b, it, depth + 1, at);
        if (!child) {
            cJSON_Delete(copy);
            return NULL;
        }
        CHECK(is_object ? cJSON_AddItemToObject(copy, it->string, child)
                        : cJSON_AddItemToArray(copy, child));
        lines_put(b->doc->lines, child, lines_get(b->doc->lines, it));
    }
    return copy;
}

/* ---- keys ---- */

/* Keys are text in JSON: `1` and `true` are spelled out, null has no spelling. Owned, or NULL after
 * a failure. */
static char *key_text(struct builder *b, const cJSON *scalar, struct place at)
{
    if (cJSON_IsString(scalar))
        return xstrdup(scalar->valuestring);
    if (cJSON_IsNumber(scalar) || cJSON_IsBool(scalar))
        return json_print(scalar, NULL);
    fail(b, ERR_MALFORMED, at, "a key must be text, a number or a boolean");
    return NULL;
}

static void set_key(struct builder *b, const cJSON *scalar, struct place at)
{
    struct frame *top = &b->frames[b->depth - 1];
    top->key = key_text(b, scalar, at);
    top->at = at;
    if (top->key)
        b->bytes += strlen(top->key);
}

/* ---- the end of a mapping: merge, and refuse duplicates ---- */

struct member {
    const cJSON *item;
    size_t order; /* explicit members first, then merged ones by precedence */
};

struct members {
    struct member *list;
    size_t count, cap;
};

static void members_add(struct members *m, const cJSON *object)
{
    const cJSON *it;
    cJSON_ArrayForEach(it, object)
    {
        if (m->count == m->cap) {
            m->cap = m->cap ? m->cap * 2 : 16;
            m->list = xrealloc(m->list, m->cap * sizeof(*m->list));
        }
        m->list[m->count] = (struct member){it, m->count};
        m->count++;
    }
}

static int by_name(const void *a, const void *b)
{
    const struct member *left = a, *right = b;
    int order = strcmp(left->item->string, right->item->string);
    return order ? order : (left->order > right->order) - (left->order < right->order);
}

static int by_order(const void *a, const void *b)
{
    const struct member *left = a, *right = b;
    return (left->order > right->order) - (left->order < right->order);
}

static bool add_merged(struct builder *b, const struct frame *frame, struct members *members)
{
    if (cJSON_IsObject(frame->merge)) {
        members_add(members, frame->merge);
        return true;
    }
    const cJSON *it;
    bool fits = cJSON_IsArray(frame->merge);
    cJSON_ArrayForEach(it, frame->merge)
    {
        fits = fits && cJSON_IsObject(it);
        members_add(members, it);
    }
    if (!fits)
        fail(b, ERR_MALFORMED, lines_get(b->doc->lines, frame->merge),
             "\"<<\" needs a mapping or a list of mappings");
    return fits;
}

/* Among members of one name the first wins; a second explicit one is an error, reported where it
 * stands. Keeps the winners of the merged ones, in order. */
static void pick_members(struct builder *b, struct members *m, size_t explicit_count)
{
    size_t kept = 0;
    const cJSON *twice = NULL;
    struct place twice_at = {0};
    qsort(m->list, m->count, sizeof(*m->list), by_name);
    const char *before = NULL;
    for (size_t i = 0; i < m->count; i++) {
        struct member member = m->list[i];
        bool first = !before || strcmp(before, member.item->string) != 0;
        before = member.item->string;
        if (first && member.order >= explicit_count)
            m->list[kept++] = member;
        if (first || member.order >= explicit_count)
            continue;
        struct place at = lines_get(b->doc->lines, member.item);
        if (!twice || at.line < twice_at.line ||
            (at.line == twice_at.line && at.column < twice_at.column)) {
            twice = member.item;
            twice_at = at;
        }
    }
    m->count = kept;
    if (twice)
        fail(b, ERR_MALFORMED, twice_at, "duplicate key \"%s\"", twice->string);
    qsort(m->list, m->count, sizeof(*m->list), by_order);
}

static void close_mapping(struct builder *b, struct frame *frame)
{
    struct members members = {0};
    members_add(&members, frame->node);
    size_t explicit_count = members.count;
    if ((!frame->merge || add_merged(b, frame, &members)) && members.count) {
        pick_members(b, &members, explicit_count);
        for (size_t i = 0; i < members.count && !b->rc; i++) {
            const cJSON *from = members.list[i].item;
            cJSON *copy = copy_node(b, from, b->depth, lines_get(b->doc->lines, from));
            if (!copy)
                break;
            CHECK(cJSON_AddItemToObject(frame->node, from->string, copy));
            lines_put(b->doc->lines, copy, lines_get(b->doc->lines, from));
        }
    }
    free(members.list);
}

/* ---- scalars ---- */

static bool has_tag(const yaml_char_t *tag, const char *name)
{
    static const char core[] = "tag:yaml.org,2002:";
    const char *text = (const char *)tag;
    return strncmp(text, core, sizeof(core) - 1) == 0 && strcmp(text + sizeof(core) - 1, name) == 0;
}

/* Whether a resolved value satisfies the tag that was written. */
static bool fits_tag(const yaml_char_t *tag, enum yaml_scalar_kind kind)
{
    switch (kind) {
    case YAML_SCALAR_NULL:
        return has_tag(tag, "null");
    case YAML_SCALAR_BOOL:
        return has_tag(tag, "bool");
    case YAML_SCALAR_INT:
        return has_tag(tag, "int") || has_tag(tag, "float");
    case YAML_SCALAR_FLOAT:
    case YAML_SCALAR_NOT_FINITE:
        return has_tag(tag, "float");
    case YAML_SCALAR_TEXT:
        return false;
    }
    return false;
}

static bool is_typing_tag(const yaml_char_t *tag)
{
    return has_tag(tag, "null") || has_tag(tag, "bool") || has_tag(tag, "int") ||
           has_tag(tag, "float");
}

/* Owned node of a scalar event, or NULL after a failure. */
static cJSON *read_scalar(struct builder *b, const yaml_event_t *event, struct place at)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    const yaml_char_t *tag = event->data.scalar.plain_implicit || event->data.scalar.quoted_implicit
                                 ? NULL
                                 : event->data.scalar.tag;
    if (strlen(text) != len) {
        fail(b, ERR_MALFORMED, at, "a NUL character is not allowed");
        return NULL;
    }
    if (!spend(b, len, at))
        return NULL;
    if (tag && has_tag(tag, "binary")) {
        fail(b, ERR_MALFORMED, at, "!!binary is not supported");
        return NULL;
    }
    if (tag ? !is_typing_tag(tag) : !event->data.scalar.plain_implicit)
        return cJSON_CreateString(text);
    struct yaml_scalar scalar = yaml_scalar_resolve(text);
    if (tag && !fits_tag(tag, scalar.kind)) {
        fail(b, ERR_MALFORMED, at, "\"%.40s\" is not of the type of its tag", text);
        return NULL;
    }
    switch (scalar.kind) {
    case YAML_SCALAR_NULL:
        return cJSON_CreateNull();
    case YAML_SCALAR_BOOL:
        return cJSON_CreateBool(scalar.truth);
    case YAML_SCALAR_INT:
    case YAML_SCALAR_FLOAT:
        return cJSON_CreateNumber(scalar.number);
    case YAML_SCALAR_NOT_FINITE:
        fail(b, ERR_MALFORMED, at, "%s has no place in JSON", text);
        return NULL;
    case YAML_SCALAR_TEXT:
        break;
    }
    return cJSON_CreateString(text);
}

/* A plain `<<`, which may stand only once in a mapping. */
static bool is_merge_key(const yaml_event_t *event)
{
    const yaml_char_t *tag = event->data.scalar.tag;
    return strcmp((const char *)event->data.scalar.value, "<<") == 0 &&
           (event->data.scalar.plain_implicit || (tag && has_tag(tag, "merge")));
}

static void on_scalar(struct builder *b, const yaml_event_t *event)
{
    struct place at = place_of(event->start_mark);
    bool is_key = wants_key(b);
    struct frame *top = b->depth ? &b->frames[b->depth - 1] : NULL;
    if (is_key && is_merge_key(event)) {
        if (top->merge)
            fail(b, ERR_MALFORMED, at, "duplicate key \"<<\"");
        top->is_merge = true;
        return;
    }
    cJSON *node = read_scalar(b, event, at);
    if (!node) {
        CHECK(b->rc);
        return;
    }
    if (is_key) {
        set_key(b, node, at);
        if (!event->data.scalar.anchor) {
            cJSON_Delete(node);
            return;
        }
        put_aside(b, node, at);
    } else {
        attach(b, node, at);
    }
    anchor_put(b, event->data.scalar.anchor, node, at);
}

/* ---- the other events ---- */

static void on_alias(struct builder *b, const yaml_event_t *event)
{
    struct place at = place_of(event->start_mark);
    const cJSON *from = anchor_find(b, event->data.alias.anchor, at);
    if (!from)
        return;
    if (wants_key(b)) {
        set_key(b, from, at);
        return;
    }
    cJSON *copy = copy_node(b, from, b->depth, at);
    if (copy)
        attach(b, copy, at);
}

static void on_open(struct builder *b, const yaml_event_t *event, bool is_object)
{
    struct place at = place_of(event->start_mark);
    const yaml_char_t *anchor =
        is_object ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    if (wants_key(b)) {
        fail(b, ERR_MALFORMED, at, "a key must be text, a number or a boolean");
        return;
    }
    if (b->depth == JSON_DEPTH_MAX) {
        fail(b, ERR_MALFORMED, at, "nested deeper than %d", JSON_DEPTH_MAX);
        return;
    }
    if (!spend(b, 0, at))
        return;
    cJSON *node = is_object ? cJSON_CreateObject() : cJSON_CreateArray();
    attach(b, node, at);
    anchor_put(b, anchor, node, at);
    b->frames[b->depth++] = (struct frame){.node = node};
}

static void on_close(struct builder *b)
{
    CHECK(b->depth);
    struct frame *frame = &b->frames[b->depth - 1];
    if (cJSON_IsObject(frame->node))
        close_mapping(b, frame);
    b->depth--;
}

static void on_document(struct builder *b, const yaml_event_t *event)
{
    struct yaml_file *file = b->file;
    if ((file->count & (file->count - 1)) == 0) {
        size_t cap = file->count ? file->count * 2 : 1;
        file->docs = xrealloc(file->docs, cap * sizeof(*file->docs));
    }
    b->doc = &file->docs[file->count++];
    *b->doc = (struct yaml_doc){.line = place_of(event->start_mark).line,
                                .lines = xcalloc(1, sizeof(struct yaml_lines))};
}

/* NOLINTNEXTLINE(misc-no-recursion): not deeper than JSON_DEPTH_MAX */
static void forget_lines(struct yaml_lines *lines, const cJSON *node)
{
    if (lines_get(lines, node).line)
        lines_slot(lines, node)->place = (struct place){0};
    const cJSON *it;
    cJSON_ArrayForEach(it, node) forget_lines(lines, it);
}

/* Also after a failure in the middle of a document. */
static void end_document(struct builder *b)
{
    if (b->aside) {
        forget_lines(b->doc->lines, b->aside);
        cJSON_Delete(TAKE(b->aside));
    }
    for (; b->depth; b->depth--)
        free(b->frames[b->depth - 1].key);
    for (size_t i = 0; i < b->anchor_count; i++)
        free(b->anchors[i].name);
    free(TAKE(b->anchors));
    b->anchor_count = 0;
    b->doc = NULL;
}

static void on_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        on_document(b, event);
        break;
    case YAML_DOCUMENT_END_EVENT:
        end_document(b);
        break;
    case YAML_ALIAS_EVENT:
        on_alias(b, event);
        break;
    case YAML_SCALAR_EVENT:
        on_scalar(b, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        on_open(b, event, event->type == YAML_MAPPING_START_EVENT);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        on_close(b);
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
        break;
    }
}

/* libyaml's own failures: bytes that are no text have an offset only, the rest a mark. */
static void fail_parser(struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    CHECK(p->error != YAML_MEMORY_ERROR);
    struct place at = place_of(p->problem_mark);
    if (p->error == YAML_READER_ERROR) {
        at = (struct place){.line = 1, .column = 1};
        for (size_t i = 0; i < p->problem_offset && i < b->len; i++) {
            at.column++;
            if (b->text[i] == '\n')
                at = (struct place){.line = at.line + 1, .column = 1};
        }
    }
    fail(b, ERR_MALFORMED, at, "%s%s%s", p->problem ? p->problem : "not YAML",
         p->context ? " " : "", p->context ? p->context : "");
}

/* The last byte of any line break of YAML: \n, \r, U+0085, U+2028, U+2029. */
static bool ends_line(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte == '\n' || byte == '\r' || byte == 0x85 || byte == 0xa8 || byte == 0xa9;
}

static bool has_too_many_directives(const char *text, size_t len)
{
    size_t count = 0;
    for (const char *at = text; (at = memchr(at, '%', (size_t)(text + len - at))); at++)
        count += at == text || ends_line(at[-1]);
    return count > DIRECTIVES_MAX;
}

static void run(struct builder *b)
{
    CHECK(yaml_parser_initialize(&b->parser));
    if (b->len >= 3 && memcmp(b->text, "\xef\xbb\xbf", 3) == 0) { /* byte order mark */
        b->text += 3;
        b->len -= 3;
    }
    yaml_parser_set_encoding(&b->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b->parser, (const unsigned char *)b->text, b->len);
    bool more = true;
    while (more && !b->rc) {
        yaml_event_t event;
        if (!yaml_parser_parse(&b->parser, &event)) {
            fail_parser(b);
            break;
        }
        on_event(b, &event);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    if (b->doc)
        end_document(b);
    yaml_parser_delete(&b->parser);
}

int yaml_parse(const char *text, size_t len, struct yaml_file *out, struct err *e)
{
    *out = (struct yaml_file){0};
    if (len > YAML_TEXT_MAX)
        return err_set(e, ERR_TOO_LARGE, "line 1, column 1: more than %u bytes", YAML_TEXT_MAX);
    if (len && has_too_many_directives(text, len))
        return err_set(e, ERR_TOO_LARGE, "line 1, column 1: more than %d directives",
                       DIRECTIVES_MAX);
    struct builder *b = xcalloc(1, sizeof(*b));
    b->text = len ? text : "";
    b->len = len;
    b->file = out;
    b->e = e;
    run(b);
    int rc = b->rc;
    free(b);
    if (rc)
        yaml_file_fini(out);
    return rc;
}

void yaml_file_fini(struct yaml_file *file)
{
    for (size_t i = 0; i < file->count; i++) {
        cJSON_Delete(file->docs[i].root);
        free(file->docs[i].lines->entries);
        free(file->docs[i].lines);
    }
    free(file->docs);
    *file = (struct yaml_file){0};
}

/* ---- looking up lines ---- */

int yaml_line(const struct yaml_doc *doc, const cJSON *node)
{
    return lines_get(doc->lines, node).line;
}

/* The member that the path goes on with, or NULL; the longest name wins, since names may contain
 * dots. */
static const cJSON *step_into_object(const cJSON *object, const char **path)
{
    const cJSON *best = NULL, *it;
    size_t best_len = 0;
    bool bracket = **path == '[';
    cJSON_ArrayForEach(it, object)
    {
        size_t len = strlen(it->string);
        const char *after = *path + bracket + len;
        if (strncmp(*path + bracket, it->string, len) != 0 || (best && len < best_len))
            continue;
        if (bracket ? *after == ']' : !*after || *after == '.' || *after == '[') {
            best = it;
            best_len = len;
        }
    }
    if (best)
        *path += best_len + (bracket ? 2 : 0);
    return best;
}

static const cJSON *step_into_array(const cJSON *array, const char **path)
{
    if (**path != '[' || (*path)[1] < '0' || (*path)[1] > '9')
        return NULL;
    char *end;
    unsigned long index = strtoul(*path + 1, &end, 10);
    if (*end != ']')
        return NULL;
    const cJSON *it = array->child;
    while (it && index--)
        it = it->next;
    *path = end + 1;
    return it;
}

int yaml_line_at(const struct yaml_doc *doc, const char *path)
{
    const cJSON *node = doc->root;
    while (*path) {
        const cJSON *next = cJSON_IsObject(node)  ? step_into_object(node, &path)
                            : cJSON_IsArray(node) ? step_into_array(node, &path)
                                                  : NULL;
        if (!next)
            break;
        node = next;
        if (*path == '.')
            path++;
    }
    int line = yaml_line(doc, node);
    return line ? line : doc->line;
}
