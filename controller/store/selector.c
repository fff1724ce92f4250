#include "controller/store/selector.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"
#include "controller/store/object.h"
#include "controller/store/selector_build.h"

/* ---- what a label may be ---- */

enum { LABEL_PART_MAX = 63, LABEL_PREFIX_MAX = 253 };

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_name(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (!is_alnum(text[i]) && !strchr("-_.", text[i]))
            return false;
    return len > 0 && is_alnum(text[0]) && is_alnum(text[len - 1]);
}

static bool is_subdomain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool at_edge = i == 0 || i + 1 == len || text[i - 1] == '.' || text[i + 1] == '.';
        bool is_inner = !at_edge && text[i] == '-';
        bool is_dot = i > 0 && i + 1 < len && text[i] == '.' && text[i - 1] != '.';
        if ((!is_alnum(text[i]) || (text[i] >= 'A' && text[i] <= 'Z')) && !is_inner && !is_dot)
            return false;
    }
    return len > 0;
}

const char *label_value_problem(const char *value)
{
    if (strlen(value) > LABEL_PART_MAX)
        return "must be no more than 63 characters";
    if (!*value || is_name(value))
        return NULL;
    return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' "
           "or '.', and must "
           "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
           "'12345', regex used for "
           "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
}

const char *label_key_problem(const char *key)
{
    const char *slash = strchr(key, '/'), *name = slash ? slash + 1 : key;
    if (slash && slash == key)
        return "prefix part must be non-empty";
    if (slash && (size_t)(slash - key) > LABEL_PREFIX_MAX)
        return "prefix part must be no more than 253 characters";
    if (slash && !is_subdomain(key, (size_t)(slash - key)))
        return "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
               "characters, '-' or "
               "'.', and must start and end with an alphanumeric character (e.g. 'example.com', "
               "regex used for "
               "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    if (strchr(name, '/'))
        return "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and "
               "must start and end with "
               "an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used "
               "for validation is "
               "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix "
               "and '/' (e.g. "
               "'example.com/MyName')";
    if (!*name)
        return "name part must be non-empty";
    if (strlen(name) > LABEL_PART_MAX)
        return "name part must be no more than 63 characters";
    if (!is_name(name))
        return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start "
               "and end with an "
               "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used "
               "for validation is "
               "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    return NULL;
}

static bool is_integer(const char *text)
{
    char *end;
    errno = 0;
    (void)strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && !isspace((unsigned char)*text);
}

/* ---- query text: tokens ---- */

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_COMMA,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_NOT,
    TOKEN_EQUAL,
    TOKEN_NOT_EQUAL,
    TOKEN_GREATER,
    TOKEN_LESS
};

struct token {
    enum token_kind kind;
    const char *text;
    size_t len;
};

struct parser {
    const char *at;
    struct selector_build build;
    struct err *e;
};

static bool is_special(char c)
{
    return c != '\0' && strchr("=!(),><", c) != NULL;
}

static struct token scan_token(const char *at)
{
    static const struct {
        const char *text;
        enum token_kind kind;
    } specials[] = {{"==", TOKEN_EQUAL}, {"!=", TOKEN_NOT_EQUAL}, {"=", TOKEN_EQUAL},
                    {"!", TOKEN_NOT},    {"(", TOKEN_OPEN},       {")", TOKEN_CLOSE},
                    {",", TOKEN_COMMA},  {">", TOKEN_GREATER},    {"<", TOKEN_LESS}};
    at += strspn(at, " \t\r\n");
    for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
        size_t len = strlen(specials[i].text);
        if (!strncmp(at, specials[i].text, len))
            return (struct token){.kind = specials[i].kind, .text = at, .len = len};
    }
    size_t len = 0;
    while (at[len] && !is_special(at[len]) && !strchr(" \t\r\n", at[len]))
        len++;
    return (struct token){.kind = len ? TOKEN_NAME : TOKEN_END, .text = at, .len = len};
}

static struct token next_token(struct parser *p)
{
    struct token t = scan_token(p->at);
    p->at = t.text + t.len;
    return t;
}

static struct token peek_token(const struct parser *p)
{
    return scan_token(p->at);
}

static bool token_is(struct token t, const char *word)
{
    return t.kind == TOKEN_NAME && t.len == strlen(word) && !strncmp(t.text, word, t.len);
}

static int bad_token(struct parser *p, struct token t, const char *expected)
{
    return err_set(p->e, ERR_MALFORMED, "unable to parse requirement: found '%.*s', expected: %s",
                   (int)t.len, t.text, expected);
}

/* ---- query text: requirements ---- */

/* The list after "in (" up to and with its ")"; an empty element is the empty value. */
static int parse_values(struct parser *p)
{
    struct token t = next_token(p);
    if (t.kind != TOKEN_OPEN)
        return bad_token(p, t, "'('");
    if (peek_token(p).kind == TOKEN_CLOSE) {
        next_token(p);
        return 0;
    }
    for (;;) {
        t = peek_token(p);
        if (t.kind == TOKEN_NAME) {
            next_token(p);
            selector_build_value(&p->build, t.text, t.len);
        } else if (t.kind == TOKEN_COMMA || t.kind == TOKEN_CLOSE) {
            selector_build_value(&p->build, "", 0);
        } else {
            return bad_token(p, t, "',', ')' or identifier");
        }
        t = next_token(p);
        if (t.kind == TOKEN_CLOSE)
            return 0;
        if (t.kind != TOKEN_COMMA)
            return bad_token(p, t, "',' or ')'");
    }
}

/* The single value after "="; nothing before the next "," is the empty value. */
static int parse_exact(struct parser *p)
{
    struct token t = peek_token(p);
    if (t.kind == TOKEN_END || t.kind == TOKEN_COMMA) {
        selector_build_value(&p->build, "", 0);
        return 0;
    }
    next_token(p);
    if (t.kind != TOKEN_NAME)
        return bad_token(p, t, "identifier");
    selector_build_value(&p->build, t.text, t.len);
    return 0;
}

static int parse_operation(struct parser *p, enum selector_op *op)
{
    struct token t = next_token(p);
    if (token_is(t, "in") || token_is(t, "notin")) {
        *op = token_is(t, "in") ? SELECT_IN : SELECT_NOT_IN;
        return parse_values(p);
    }
    if (t.kind == TOKEN_EQUAL)
        *op = SELECT_IN;
    else if (t.kind == TOKEN_NOT_EQUAL)
        *op = SELECT_NOT_IN;
    else if (t.kind == TOKEN_GREATER || token_is(t, "gt"))
        *op = SELECT_GT;
    else if (t.kind == TOKEN_LESS || token_is(t, "lt"))
        *op = SELECT_LT;
    else
        return bad_token(p, t, "in, notin, =, ==, !=, gt, lt");
    return parse_exact(p);
}

static int check_requirement(struct parser *p, const char *key, enum selector_op op)
{
    const struct selector_build *b = &p->build;
    if ((op == SELECT_IN || op == SELECT_NOT_IN) && b->value_count == 0)
        return err_set(p->e, ERR_MALFORMED,
                       "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' "
                       "operators, values "
                       "set can't be empty");
    for (size_t i = 0; i < b->value_count; i++) {
        const char *problem = label_value_problem(b->values[i]);
        if ((op == SELECT_GT || op == SELECT_LT) && !is_integer(b->values[i]))
            problem = "for 'Gt', 'Lt' operators, the value must be an integer";
        if (problem)
            return err_set(
                p->e, ERR_MALFORMED,
                "unable to parse requirement: values[%zu][%.80s]: Invalid value: \"%.80s\": %s", i,
                key, b->values[i], problem);
    }
    return 0;
}

static int parse_requirement(struct parser *p)
{
    struct token t = next_token(p);
    bool negated = t.kind == TOKEN_NOT;
    if (negated)
        t = next_token(p);
    if (t.kind != TOKEN_NAME)
        return bad_token(p, t, "identifier");
    char *key = arena_alloc(&p->build.arena, t.len + 1);
    memcpy(key, t.text, t.len);
    const char *problem = label_key_problem(key);
    if (problem)
        return err_set(p->e, ERR_MALFORMED,
                       "unable to parse requirement: key: Invalid value: \"%.320s\": %s", key,
                       problem);
    enum selector_op op = negated ? SELECT_NOT_EXISTS : SELECT_EXISTS;
    enum token_kind after = peek_token(p).kind;
    if (!negated && after != TOKEN_END && after != TOKEN_COMMA) {
        int rc = parse_operation(p, &op);
        if (rc < 0 || (rc = check_requirement(p, key, op)) < 0)
            return rc;
    }
    selector_build_term(&p->build, key, op);
    return 0;
}

static int parse_requirements(struct parser *p)
{
    struct token t = peek_token(p);
    if (t.kind == TOKEN_END)
        return 0;
    for (;;) {
        t = peek_token(p);
        if (t.kind != TOKEN_NAME && t.kind != TOKEN_NOT)
            return err_set(p->e, ERR_MALFORMED,
                           "found '%.*s', expected: !, identifier, or 'end of string'", (int)t.len,
                           t.text);
        int rc = parse_requirement(p);
        if (rc < 0)
            return rc;
        t = next_token(p);
        if (t.kind == TOKEN_END)
            return 0;
        if (t.kind != TOKEN_COMMA)
            return err_set(p->e, ERR_MALFORMED, "found '%.*s', expected: ',' or 'end of string'",
                           (int)t.len, t.text);
        t = peek_token(p);
        if (t.kind != TOKEN_NAME && t.kind != TOKEN_NOT)
            return err_set(p->e, ERR_MALFORMED, "found '%.*s', expected: identifier after ','",
                           (int)t.len, t.text);
    }
}

int selector_parse(const char *text, struct selector *out, struct err *e)
{
    struct parser p = {.at = text, .e = e};
    selector_build_init(&p.build);
    int rc = parse_requirements(&p);
    if (rc == 0)
        selector_build_finish(&p.build, out);
    selector_build_fini(&p.build);
    return rc;
}

/* ---- LabelSelector objects ---- */

struct reader {
    struct selector_build build;
    struct err *e;
    struct err first; /* what the sentence says: the first cause */
    bool failed;
};

static void report(struct reader *r, enum err_cause_kind kind, const char *field,
                   const char *problem)
{
    err_cause(r->e, kind, field, "%s", problem);
    if (!r->failed)
        (void)err_set(&r->first, ERR_INVALID, "%s: %s", field, problem);
    r->failed = true;
}

static void report_value(struct reader *r, const char *field, const char *value,
                         const char *problem)
{
    char text[ERR_TEXT_MAX];
    (void)snprintf(text, sizeof(text), "Invalid value: \"%.100s\": %s", value, problem);
    report(r, CAUSE_INVALID, field, text);
}

static void read_match_labels(struct reader *r, const cJSON *map, const char *path)
{
    char field[160];
    (void)snprintf(field, sizeof(field), "%s.matchLabels", path);
    if (!map || cJSON_IsNull(map))
        return;
    if (!cJSON_IsObject(map)) {
        report(r, CAUSE_INVALID, field, "must be a map of strings");
        return;
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, map)
    {
        if (!cJSON_IsString(item)) {
            report(r, CAUSE_INVALID, field, "must be a map of strings");
            continue;
        }
        const char *key_problem = label_key_problem(item->string);
        const char *value_problem = label_value_problem(item->valuestring);
        if (key_problem)
            report_value(r, field, item->string, key_problem);
        if (value_problem)
            report_value(r, field, item->valuestring, value_problem);
        selector_build_value(&r->build, item->valuestring, strlen(item->valuestring));
        selector_build_term(&r->build, item->string, SELECT_IN);
    }
}

static bool operator_of(const char *word, enum selector_op *out)
{
    static const struct {
        const char *word;
        enum selector_op op;
    } words[] = {{"In", SELECT_IN},
                 {"NotIn", SELECT_NOT_IN},
                 {"Exists", SELECT_EXISTS},
                 {"DoesNotExist", SELECT_NOT_EXISTS}};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (!strcmp(words[i].word, word)) {
            *out = words[i].op;
            return true;
        }
    }
    return false;
}

static void read_values(struct reader *r, const cJSON *list, const char *field)
{
    const cJSON *item;
    size_t i = 0;
    if (list && !cJSON_IsNull(list) && !cJSON_IsArray(list)) {
        report(r, CAUSE_INVALID, field, "must be a list of strings");
        return;
    }
    cJSON_ArrayForEach(item, list)
    {
        char place[192];
        (void)snprintf(place, sizeof(place), "%s[%zu]", field, i++);
        if (!cJSON_IsString(item)) {
            report(r, CAUSE_INVALID, place, "must be a string");
            continue;
        }
        const char *problem = label_value_problem(item->valuestring);
        if (problem)
            report_value(r, place, item->valuestring, problem);
        selector_build_value(&r->build, item->valuestring, strlen(item->valuestring));
    }
}

static void read_expression(struct reader *r, const cJSON *json, const char *path)
{
    const char *key = json_str(json, "key", ""), *word = json_str(json, "operator", "");
    char field[184];
    enum selector_op op;

    (void)snprintf(field, sizeof(field), "%s.key", path);
    const char *problem = label_key_problem(key);
    if (problem)
        report_value(r, field, key, problem);
    (void)snprintf(field, sizeof(field), "%s.values", path);
    read_values(r, json_get(json, "values"), field);
    size_t n = r->build.value_count;
    if (!operator_of(word, &op)) {
        (void)snprintf(field, sizeof(field), "%s.operator", path);
        report_value(r, field, word, "not a valid selector operator");
        op = SELECT_EXISTS;
    } else if ((op == SELECT_IN || op == SELECT_NOT_IN) && n == 0) {
        report(r, CAUSE_REQUIRED, field,
               "Required value: must be specified when `operator` is 'In' or 'NotIn'");
    } else if ((op == SELECT_EXISTS || op == SELECT_NOT_EXISTS) && n > 0) {
        report(r, CAUSE_FORBIDDEN, field,
               "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
    selector_build_term(&r->build, key, op);
}

static void read_expressions(struct reader *r, const cJSON *list, const char *path)
{
    char field[160];
    const cJSON *item;
    size_t i = 0;
    if (list && !cJSON_IsNull(list) && !cJSON_IsArray(list)) {
        (void)snprintf(field, sizeof(field), "%s.matchExpressions", path);
        report(r, CAUSE_INVALID, field, "must be a list");
        return;
    }
    cJSON_ArrayForEach(item, list)
    {
        (void)snprintf(field, sizeof(field), "%s.matchExpressions[%zu]", path, i++);
        read_expression(r, item, field);
    }
}

int selector_from_json(const cJSON *json, const char *path, struct selector *out, struct err *e)
{
    if (!json || cJSON_IsNull(json)) {
        *out = (struct selector){.matches_nothing = true};
        return 0;
    }
    struct err local = {0};
    struct reader r = {.e = e ? e : &local};
    selector_build_init(&r.build);
    if (cJSON_IsObject(json)) {
        read_match_labels(&r, json_get(json, "matchLabels"), path);
        read_expressions(&r, json_get(json, "matchExpressions"), path);
    } else {
        report(&r, CAUSE_INVALID, path, "must be an object");
    }
    if (!r.failed)
        selector_build_finish(&r.build, out);
    selector_build_fini(&r.build);
    return r.failed ? err_set(e, ERR_INVALID, "%s", r.first.text) : 0;
}

/* ---- text and matching ---- */

/* "a=b", "a in (b,c)", "a>1", "a", "!a". */
static void put_term(struct buf_out *out, const struct selector_term *t)
{
    static const struct {
        const char *before, *one, *many;
    } words[] = {[SELECT_IN] = {"", "=", " in ("}, [SELECT_NOT_IN] = {"", "!=", " notin ("},
                 [SELECT_EXISTS] = {"", "", ""},   [SELECT_NOT_EXISTS] = {"!", "", ""},
                 [SELECT_GT] = {"", ">", ">"},     [SELECT_LT] = {"", "<", "<"}};
    bool is_list = (t->op == SELECT_IN || t->op == SELECT_NOT_IN) && t->value_count != 1;
    buf_puts(out, words[t->op].before);
    buf_puts(out, t->key);
    buf_puts(out, is_list ? words[t->op].many : words[t->op].one);
    for (size_t v = 0; v < t->value_count; v++) {
        if (v > 0)
            buf_putc(out, ',');
        buf_puts(out, t->values[v]);
    }
    if (is_list)
        buf_putc(out, ')');
}

char *selector_format(const struct selector *s)
{
    struct buf_out out;
    buf_out_init(&out);
    buf_puts(&out, "");
    for (size_t i = 0; i < s->count; i++) {
        if (i > 0)
            buf_putc(&out, ',');
        put_term(&out, &s->terms[i]);
    }
    return buf_out_take(&out, NULL);
}

/* Labels are sorted by key, but there are few: a walk is as quick as a search. */
static const char *find_label(const struct label *labels, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(labels[i].key, key))
            return labels[i].value;
    return NULL;
}

bool selector_matches(const struct selector *s, const struct label *labels, size_t count)
{
    if (s->matches_nothing)
        return false;
    for (size_t i = 0; i < s->count; i++)
        if (!selector_term_matches(&s->terms[i], find_label(labels, count, s->terms[i].key)))
            return false;
    return true;
}
