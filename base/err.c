#include "base/err.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/utf8.h"

/* Formats on the side, so that the old text may be an argument of the new one; cuts between
 * characters. */
static void put_text(char *out, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
static void put_text(char *out, size_t size, const char *format, va_list args)
{
    char text[ERR_TEXT_MAX + 4];
    CHECK(size <= ERR_TEXT_MAX);
    int len = vsnprintf(text, sizeof(text), format, args);
    CHECK(len >= 0);
    size_t used = (size_t)len < size ? (size_t)len : utf8_cut(text, size - 1);
    memcpy(out, text, used);
    for (size_t i = 0; i < used; i++) {
        if ((unsigned char)out[i] < 0x20)
            out[i] = ' ';
    }
    out[used] = '\0';
}

int err_vset(struct err *e, enum err_code code, const char *format, va_list args)
{
    if (e) {
        put_text(e->text, sizeof(e->text), format, args);
        e->code = code;
    }
    return code;
}

int err_set(struct err *e, enum err_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err_vset(e, code, format, args);
    va_end(args);
    return code;
}

void err_cause(struct err *e, enum err_cause_kind kind, const char *field, const char *format, ...)
{
    if (!e)
        return;
    if (e->causes >= ERR_CAUSES_MAX) {
        e->causes_dropped++;
        return;
    }
    size_t at = e->causes++;
    size_t len = strlen(field);
    if (len >= sizeof(e->cause[at].field))
        len = utf8_cut(field, sizeof(e->cause[at].field) - 1);
    memmove(e->cause[at].field, field, len);
    e->cause[at].field[len] = '\0';
    e->cause[at].kind = kind;
    va_list args;
    va_start(args, format);
    put_text(e->cause[at].text, sizeof(e->cause[at].text), format, args);
    va_end(args);
}

const char *err_cause_word(enum err_cause_kind kind)
{
    switch (kind) {
    case CAUSE_REQUIRED:
        return "FieldValueRequired";
    case CAUSE_INVALID:
        return "FieldValueInvalid";
    case CAUSE_FORBIDDEN:
        return "FieldValueForbidden";
    case CAUSE_NOT_SUPPORTED:
        return "FieldValueNotSupported";
    case CAUSE_DUPLICATE:
        return "FieldValueDuplicate";
    case CAUSE_TOO_LONG:
        return "FieldValueTooLong";
    case CAUSE_NAMESPACE_TERMINATING:
        return "NamespaceTerminating";
    case CAUSE_RESOURCE_VERSION_TOO_LARGE:
        return "ResourceVersionTooLarge";
    case CAUSE_FIELD_MANAGER_CONFLICT:
        return "FieldManagerConflict";
    }
    check_failed(__FILE__, __LINE__, __func__, "kind is a cause kind");
}
