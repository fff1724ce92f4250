#include "base/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/utf8.h"

#define NUMBER_MAX 63                 /* cJSON copies a number into 64 bytes */
#define WHOLE_MAX  9007199254740992.0 /* 2^53: whole numbers up to here are exact */
#define COPY_FEW   8192

/* ---- the scanner: everything that JSON (RFC 8259) forbids is refused before cJSON sees it ----
 *
 * The text is a copy with a NUL behind it, which no rule accepts, so one byte may always be looked
 * at. */

struct scan {
    const uint8_t *begin, *at, *end;
    struct err *e;
};

static bool scan_fail(const struct scan *s, const uint8_t *at, const char *what)
{
    err_set(s->e, ERR_MALFORMED, "byte %zu: %s", (size_t)(at - s->begin) + 1,
            at >= s->end ? "the text ends too early" : what);
    return false;
}

static void scan_space(struct scan *s)
{
    while (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t')
        s->at++;
}

static bool scan_hex4(const uint8_t *at, unsigned *out)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = at[i], digit;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (c | 0x20) - 'a' + 10;
        else
            return false;
        value = value << 4 | digit;
    }
    *out = value;
    return true;
}

static bool scan_unicode(struct scan *s)
{
    const uint8_t *start = s->at;
    unsigned unit, low;
    if (!scan_hex4(s->at + 2, &unit))
        return scan_fail(s, start, "\\u needs four hexadecimal digits");
    s->at += 6;
    if (unit == 0)
        return scan_fail(s, start, "\\u0000 is not allowed");
    if (unit < 0xd800 || unit > 0xdfff)
        return true;
    if (unit > 0xdbff || s->at[0] != '\\' || s->at[1] != 'u' || !scan_hex4(s->at + 2, &low) ||
        low < 0xdc00 || low > 0xdfff)
        return scan_fail(s, start, "half of a surrogate pair");
    s->at += 6;
    return true;
}

static bool scan_escape(struct scan *s)
{
    switch (s->at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        s->at += 2;
        return true;
    case 'u':
        return scan_unicode(s);
    default:
        return scan_fail(s, s->at + 1, "unknown escape");
    }
}

static bool scan_string(struct scan *s)
{
    s->at++;
    for (;;) {
        uint8_t c = *s->at;
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            s->at++;
        } else if (c == '"') {
            s->at++;
            return true;
        } else if (c == '\\') {
            if (!scan_escape(s))
                return false;
        } else if (c < 0x20) {
            return scan_fail(s, s->at, "control character in a string");
        } else {
            size_t step = utf8_sequence(s->at, (size_t)(s->end - s->at));
            if (!step)
                return scan_fail(s, s->at, "invalid UTF-8");
            s->at += step;
        }
    }
}

static bool scan_digits(struct scan *s)
{
    if (*s->at < '0' || *s->at > '9')
        return scan_fail(s, s->at, "a digit is missing");
    while (*s->at >= '0' && *s->at <= '9')
        s->at++;
    return true;
}

static bool scan_number(struct scan *s)
{
    const uint8_t *start = s->at;
    bool big = false;
    if (*s->at == '-')
        s->at++;
    if (*s->at == '0' && s->at[1] >= '0' && s->at[1] <= '9')
        return scan_fail(s, s->at, "a number starts with 0");
    if (!scan_digits(s))
        return false;
    if (*s->at == '.') {
        s->at++;
        if (!scan_digits(s))
            return false;
    }
    if ((*s->at | 0x20) == 'e') {
        big = true;
        s->at++;
        if (*s->at == '+' || *s->at == '-')
            s->at++;
        if (!scan_digits(s))
            return false;
    }
    if (s->at - start > NUMBER_MAX)
        return scan_fail(s, start, "a number is too long");
    if (big && isinf(strtod((const char *)start, NULL)))
        return scan_fail(s, start, "a number is too large");
    return true;
}

static bool scan_word(struct scan *s, const char *word, size_t len)
{
    if (strncmp((const char *)s->at, word, len) != 0)
        return scan_fail(s, s->at, "not a JSON value");
    s->at += len;
    return true;
}

static bool scan_scalar(struct scan *s)
{
    switch (*s->at) {
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, "true", 4);
    case 'f':
        return scan_word(s, "false", 5);
    case 'n':
        return scan_word(s, "null", 4);
    default:
        if (*s->at == '-' || (*s->at >= '0' && *s->at <= '9'))
            return scan_number(s);
        return scan_fail(s, s->at, "not a JSON value");
    }
}

static bool scan_key(struct scan *s)
{
    scan_space(s);
    if (*s->at != '"')
        return scan_fail(s, s->at, "a member name is missing");
    if (!scan_string(s))
        return false;
    scan_space(s);
    if (*s->at != ':')
        return scan_fail(s, s->at, "':' is missing");
    s->at++;
    return true;
}

/* After a value: closes what ends here, and stops in front of the next value or at the end of all.
 */
static bool scan_after(struct scan *s, const uint8_t *open, unsigned *depth)
{
    while (*depth) {
        bool in_object = open[*depth - 1] == '{';
        scan_space(s);
        if (*s->at == ',') {
            s->at++;
            return !in_object || scan_key(s);
        }
        if (*s->at != (in_object ? '}' : ']'))
            return scan_fail(s, s->at,
                             in_object ? "',' or '}' is missing" : "',' or ']' is missing");
        s->at++;
        (*depth)--;
    }
    scan_space(s);
    return s->at == s->end || scan_fail(s, s->at, "something follows the JSON value");
}

static bool scan_text(struct scan *s)
{
    uint8_t open[JSON_DEPTH_MAX];
    unsigned depth = 0;
    do {
        scan_space(s);
        uint8_t c = *s->at;
        if (c == '{' || c == '[') {
            if (depth == JSON_DEPTH_MAX)
                return scan_fail(s, s->at, "nested too deeply");
            open[depth++] = c;
            s->at++;
            scan_space(s);
            if (*s->at != (c == '{' ? '}' : ']')) {
                if (c == '{' && !scan_key(s))
                    return false;
                continue;
            }
        } else if (!scan_scalar(s)) {
            return false;
        }
        if (!scan_after(s, open, &depth))
            return false;
    } while (depth);
    return true;
}

/* ---- parsing ---- */

/* The tree as it was written, with names that occur twice. */
static cJSON *parse_raw(const char *text, size_t len, struct err *e)
{
    char few[COPY_FEW]; /* a heap block of this size would make the allocator tidy up each time */
    char *many = len < sizeof(few) ? NULL : xmalloc(len + 1);
    char *copy = many ? many : few;
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    const uint8_t *bytes = (const uint8_t *)copy;
    struct scan s = {.begin = bytes, .at = bytes, .end = bytes + len, .e = e};
    cJSON *tree = NULL;
    if (scan_text(&s)) {
        const char *stop = copy;
        tree = cJSON_ParseWithLengthOpts(copy, len + 1, &stop, 1);
        if (!tree)
            err_set(e, ERR_MALFORMED, "byte %zu: not accepted", (size_t)(stop - copy) + 1);
    }
    free(many);
    return tree;
}

static bool refuse_duplicate(void *arg, const char *path)
{
    err_set(arg, ERR_MALFORMED, "%s: duplicate key", path);
    return false;
}

cJSON *json_parse(const char *text, size_t len, struct err *e)
{
    return json_parse_lenient(text, len, refuse_duplicate, e, e);
}

cJSON *json_parse_lenient(const char *text, size_t len, json_duplicate_fn *found, void *arg,
                          struct err *e)
{
    cJSON *tree = parse_raw(text, len, e);
    if (tree && !json_resolve_duplicates(tree, found, arg)) {
        cJSON_Delete(tree);
        return NULL;
    }
    return tree;
}

/* ---- printing: our own, because cJSON rounds whole numbers from 10^15 on ---- */

static void print_number(struct buf_out *out, double value)
{
    char text[32];
    int len = 0;
    if (fabs(value) <= WHOLE_MAX && value == trunc(value)) {
        uint64_t rest = (uint64_t)fabs(value);
        char *end = text + sizeof(text), *at = end;
        do {
            *--at = (char)('0' + rest % 10);
            rest /= 10;
        } while (rest);
        if (value < 0)
            *--at = '-';
        buf_put(out, at, (size_t)(end - at));
        return;
    }
    if (!isfinite(value)) { /* JSON has no word for it */
        buf_puts(out, "null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) { /* the shortest that reads back the same */
        len = snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_put(out, text, (size_t)len);
}

static void print_scalar(struct buf_out *out, const cJSON *item)
{
    if (cJSON_IsString(item))
        buf_put_json(out, item->valuestring);
    else if (cJSON_IsNumber(item))
        print_number(out, item->valuedouble);
    else if (cJSON_IsRaw(item))
        buf_puts(out, item->valuestring);
    else
        buf_puts(out, cJSON_IsTrue(item) ? "true" : cJSON_IsFalse(item) ? "false" : "null");
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static void print_item(struct buf_out *out, const cJSON *item)
{
    bool is_object = cJSON_IsObject(item);
    if (!is_object && !cJSON_IsArray(item)) {
        print_scalar(out, item);
        return;
    }
    buf_putc(out, is_object ? '{' : '[');
    const cJSON *it;
    cJSON_ArrayForEach(it, item)
    {
        if (it != item->child)
            buf_putc(out, ',');
        if (is_object) {
            buf_put_json(out, it->string);
            buf_putc(out, ':');
        }
        print_item(out, it);
    }
    buf_putc(out, is_object ? '}' : ']');
}

char *json_print(const cJSON *tree, size_t *len)
{
    struct buf_out out;
    buf_out_init(&out);
    print_item(&out, tree);
    return buf_out_take(&out, len);
}

/* ---- reading ---- */

cJSON *json_get(const cJSON *obj, const char *name)
{
    if (!cJSON_IsObject(obj))
        return NULL;
    for (cJSON *it = obj->child; it; it = it->next)
        if (it->string && *it->string == *name && strcmp(it->string, name) == 0)
            return it;
    return NULL;
}

cJSON *json_at(const cJSON *obj, ...)
{
    va_list names;
    va_start(names, obj);
    cJSON *item = NULL;
    const char *name = va_arg(names, const char *);
    CHECK(name);
    for (; name; name = va_arg(names, const char *)) {
        item = json_get(obj, name);
        obj = item;
        if (!item)
            break;
    }
    va_end(names);
    return item;
}

const char *json_str(const cJSON *obj, const char *name, const char *fallback)
{
    const cJSON *item = json_get(obj, name);
    return cJSON_IsString(item) ? item->valuestring : fallback;
}

bool json_bool(const cJSON *obj, const char *name, bool fallback)
{
    const cJSON *item = json_get(obj, name);
    return cJSON_IsBool(item) ? (bool)cJSON_IsTrue(item) : fallback;
}

bool json_is_int(const cJSON *item, int64_t *out)
{
    if (!cJSON_IsNumber(item))
        return false;
    double value = item->valuedouble;
    if (!(fabs(value) <= WHOLE_MAX) || value != trunc(value))
        return false;
    *out = (int64_t)value;
    return true;
}

bool json_int(const cJSON *obj, const char *name, int64_t min, int64_t max, int64_t *out)
{
    int64_t value;
    if (!json_is_int(json_get(obj, name), &value) || value < min || value > max)
        return false;
    *out = value;
    return true;
}

/* ---- writing ---- */

static void delete_named(cJSON *obj, cJSON *from, const char *name)
{
    while (from) {
        cJSON *next = from->next;
        if (strcmp(from->string, name) == 0)
            cJSON_Delete(cJSON_DetachItemViaPointer(obj, from));
        from = next;
    }
}

void json_set(cJSON *obj, const char *name, cJSON *value)
{
    CHECK(cJSON_IsObject(obj) && value);
    cJSON *old = json_get(obj, name);
    if (old == value)
        return;
    if (!old) {
        CHECK(cJSON_AddItemToObject(obj, name, value));
        return;
    }
    char *copy = xstrdup(name); /* name may be the old member's own */
    CHECK(cJSON_ReplaceItemInObjectCaseSensitive(obj, copy, value));
    delete_named(obj, value->next, copy);
    free(copy);
}

void json_set_str(cJSON *obj, const char *name, const char *value)
{
    CHECK(value);
    json_set(obj, name, cJSON_CreateString(value));
}

void json_set_int(cJSON *obj, const char *name, int64_t value)
{
    CHECK(value <= (int64_t)WHOLE_MAX && value >= -(int64_t)WHOLE_MAX);
    json_set(obj, name, cJSON_CreateNumber((double)value));
}

void json_set_bool(cJSON *obj, const char *name, bool value)
{
    json_set(obj, name, cJSON_CreateBool(value));
}

void json_del(cJSON *obj, const char *name)
{
    if (!cJSON_IsObject(obj))
        return;
    char *copy = xstrdup(name);
    delete_named(obj, obj->child, copy);
    free(copy);
}

cJSON *json_obj(cJSON *obj, const char *name)
{
    cJSON *item = json_get(obj, name);
    if (cJSON_IsObject(item))
        return item;
    item = cJSON_CreateObject();
    json_set(obj, name, item);
    return item;
}

cJSON *json_arr(cJSON *obj, const char *name)
{
    cJSON *item = json_get(obj, name);
    if (cJSON_IsArray(item))
        return item;
    item = cJSON_CreateArray();
    json_set(obj, name, item);
    return item;
}

/* ---- comparing ---- */

static int by_name(const void *a, const void *b)
{
    const cJSON *const *left = a, *const *right = b;
    return strcmp((*left)->string, (*right)->string);
}

/* The members of an object in order of their names; owned array. */
static const cJSON **sorted_members(const cJSON *obj, size_t count)
{
    const cJSON **members = xcalloc(count, sizeof(const cJSON *));
    size_t n = 0;
    const cJSON *it;
    cJSON_ArrayForEach(it, obj) members[n++] = it;
    qsort(members, n, sizeof(const cJSON *), by_name);
    return members;
}

static size_t count_children(const cJSON *item)
{
    size_t n = 0;
    const cJSON *it;
    cJSON_ArrayForEach(it, item) n++;
    return n;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static bool members_equal(const cJSON *a, const cJSON *b)
{
    const cJSON *left = a->child, *right = b->child;
    for (; left && right && strcmp(left->string, right->string) == 0;
         left = left->next, right = right->next) { /* mostly the order is the same */
        if (!json_equal(left, right))
            return false;
    }
    if (!left || !right)
        return !left && !right;
    size_t count = count_children(a);
    if (count != count_children(b))
        return false;
    const cJSON **lefts = sorted_members(a, count), **rights = sorted_members(b, count);
    bool equal = true;
    for (size_t i = 0; i < count && equal; i++)
        equal = strcmp(lefts[i]->string, rights[i]->string) == 0 && json_equal(lefts[i], rights[i]);
    free(lefts);
    free(rights);
    return equal;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
static bool elements_equal(const cJSON *a, const cJSON *b)
{
    const cJSON *left = a->child, *right = b->child;
    for (; left && right; left = left->next, right = right->next) {
        if (!json_equal(left, right))
            return false;
    }
    return !left && !right;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tree, which the parser bounds */
bool json_equal(const cJSON *a, const cJSON *b)
{
    if (!a || !b || a == b)
        return a == b;
    if ((a->type & 0xff) != (b->type & 0xff))
        return false;
    if (cJSON_IsObject(a))
        return members_equal(a, b);
    if (cJSON_IsArray(a))
        return elements_equal(a, b);
    if (cJSON_IsNumber(a))
        return a->valuedouble == b->valuedouble;
    if (cJSON_IsString(a) || cJSON_IsRaw(a))
        return strcmp(a->valuestring, b->valuestring) == 0;
    return true;
}
