#include "controller/api/status.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

static const struct {
    enum err_code code;
    int status;
    const char *reason;
} rows[] = {
    {ERR_MALFORMED, 400, "BadRequest"},
    {ERR_INVALID, 422, "Invalid"},
    {ERR_NOT_FOUND, 404, "NotFound"},
    {ERR_EXISTS, 409, "AlreadyExists"},
    {ERR_CONFLICT, 409, "Conflict"},
    {ERR_GONE, 410, "Expired"},
    {ERR_TOO_LARGE, 413, "RequestEntityTooLarge"},
    {ERR_FORBIDDEN, 403, "Forbidden"},
    {ERR_UNSUPPORTED, 415, "UnsupportedMediaType"},
    {ERR_METHOD, 405, "MethodNotAllowed"},
    {ERR_NOT_ACCEPTABLE, 406, "NotAcceptable"},
    {ERR_TOO_MANY, 429, "TooManyRequests"},
    {ERR_UNAVAILABLE, 503, "ServiceUnavailable"},
    {ERR_TIMEOUT, 504, "Timeout"},
    {ERR_NO_SPACE, 503, "ServiceUnavailable"},
    {ERR_IO, 500, "InternalError"},
    {ERR_INTERNAL, 500, "InternalError"},
    {ERR_NOT_IMPLEMENTED, 501, "NotImplemented"},
};

int status_code(enum err_code code)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].code == code)
            return rows[i].status;
    return 500;
}

static const char *reason_of(enum err_code code)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].code == code)
            return rows[i].reason;
    return "InternalError";
}

const char *status_reason(int code)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].status == code && rows[i].code != ERR_EXISTS)
            return rows[i].reason;
    if (code == 401)
        return "Unauthorized";
    return code < 500 ? "BadRequest" : "InternalError";
}

static void put_member(struct buf_out *out, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    if (out->data[out->len - 1] != '{')
        buf_putc(out, ',');
    buf_printf(out, "\"%s\":", name);
    buf_put_json(out, value);
}

static void put_causes(struct buf_out *out, const struct err *e)
{
    size_t count = e->causes < ERR_CAUSES_MAX ? e->causes : ERR_CAUSES_MAX;
    if (!count)
        return;
    buf_puts(out, out->data[out->len - 1] == '{' ? "\"causes\":[" : ",\"causes\":[");
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_putc(out, ',');
        buf_putc(out, '{');
        put_member(out, "reason", err_cause_word(e->cause[i].kind));
        put_member(out, "message", e->cause[i].text);
        put_member(out, "field", e->cause[i].field);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static void put_details(struct buf_out *out, const struct err *e, const struct status_of *of)
{
    bool named = of && ((of->name && *of->name) || (of->resource && *of->resource));
    if (!named && (!e || (!e->causes && !e->retry_after_s)))
        return;
    buf_puts(out, ",\"details\":{");
    if (named) {
        put_member(out, "name", of->name);
        put_member(out, "group", of->group);
        put_member(out, "kind", e && e->code == ERR_INVALID ? of->kind_name : of->resource);
        put_member(out, "uid", of->uid);
    }
    if (e) {
        put_causes(out, e);
        if (e->retry_after_s)
            buf_printf(out, "%s\"retryAfterSeconds\":%d", out->data[out->len - 1] == '{' ? "" : ",",
                       e->retry_after_s);
    }
    buf_putc(out, '}');
}

static void put_head(struct buf_out *out, const char *status)
{
    buf_printf(out, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"%s\"",
               status);
}

/* An error may be about another object than the request: the namespace that is not there, the Scale
 * of a set. The sentences of these two codes begin with it, `Kind.group "name" is invalid`, and
 * nobody else says it. */
struct subject {
    char kind[64], group[64], name[256];
};

static bool subject_parse(const struct err *e, struct subject *out)
{
    static const char kinds[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char groups[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    const char *after = e->code == ERR_INVALID     ? "\" is invalid: "
                        : e->code == ERR_NOT_FOUND ? "\" not found"
                                                   : NULL;
    size_t kind = strspn(e->text, kinds);
    const char *group = e->text + kind + (e->text[kind] == '.');
    size_t group_len = strspn(group, groups);
    const char *name = group + group_len;
    const char *end = after && strncmp(name, " \"", 2) == 0 ? strstr(name + 1, after) : NULL;
    if (!kind || !end || kind >= sizeof out->kind || group_len >= sizeof out->group ||
        (size_t)(end - name) >= sizeof out->name + 2 || end < name + 2)
        return false;
    (void)snprintf(out->kind, sizeof out->kind, "%.*s", (int)kind, e->text);
    (void)snprintf(out->group, sizeof out->group, "%.*s", (int)group_len, group);
    (void)snprintf(out->name, sizeof out->name, "%.*s", (int)(end - name - 2), name + 2);
    return true;
}

/* *of, or *room for what the error is about when that is something else. */
static const struct status_of *subject_of(const struct err *e, const struct status_of *of,
                                          struct subject *subject, struct status_of *room)
{
    if (!of || !subject_parse(e, subject) || strcmp(subject->kind, of->resource) == 0 ||
        strcmp(subject->kind, of->kind_name) == 0)
        return of;
    *room = (struct status_of){.group = subject->group,
                               .resource = subject->kind,
                               .kind_name = subject->kind,
                               .name = subject->name};
    return room;
}

int status_write_err(struct buf_out *out, const struct err *e, const struct status_of *of)
{
    struct subject subject;
    struct status_of room;
    int code = status_code(e->code);
    of = subject_of(e, of, &subject, &room);
    put_head(out, "Failure");
    buf_puts(out, ",\"message\":");
    buf_put_json(out, e->text);
    buf_puts(out, ",\"reason\":");
    buf_put_json(out, reason_of(e->code));
    /* kubectl prints the causes in place of the message when an Invalid has details. */
    put_details(out, e, e->code == ERR_INVALID && !e->causes ? NULL : of);
    buf_printf(out, ",\"code\":%d}\n", code);
    return code;
}

void status_write(struct buf_out *out, int code, const char *message)
{
    put_head(out, "Failure");
    buf_puts(out, ",\"message\":");
    buf_put_json(out, message);
    buf_puts(out, ",\"reason\":");
    buf_put_json(out, status_reason(code));
    buf_printf(out, ",\"code\":%d}\n", code);
}

void status_write_success(struct buf_out *out, const struct status_of *of)
{
    put_head(out, "Success");
    put_details(out, NULL, of);
    buf_puts(out, "}\n");
}
