/* base/err.h - failures: a code that programs switch on and one sentence that a person reads.
 *
 * Functions return 0 or a negative enum err_code; where a person will read the reason the last
 * parameter is a nullable struct err *, untouched on success. Field causes become `details.causes`
 * of a Status (api.md section 8). A struct err is a plain value in the caller's storage that starts
 * as {0}; it owns nothing. Any thread. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

enum err_code {
    ERR_MALFORMED = -1,   /* cannot be parsed at all: 400 BadRequest */
    ERR_INVALID = -2,     /* parsed, but a field is wrong: 422 Invalid, causes name the fields */
    ERR_NOT_FOUND = -3,   /* 404 NotFound */
    ERR_EXISTS = -4,      /* 409 AlreadyExists */
    ERR_CONFLICT = -5,    /* 409 Conflict: precondition (resourceVersion, uid) does not hold */
    ERR_GONE = -6,        /* 410 Expired: the revision is no longer kept */
    ERR_TOO_LARGE = -7,   /* 413 RequestEntityTooLarge */
    ERR_FORBIDDEN = -8,   /* 403 Forbidden */
    ERR_UNSUPPORTED = -9, /* 415 UnsupportedMediaType */
    ERR_METHOD = -10,     /* 405 MethodNotAllowed */
    ERR_NOT_ACCEPTABLE = -11, /* 406 NotAcceptable */
    ERR_TOO_MANY = -12,       /* 429 TooManyRequests */
    ERR_UNAVAILABLE = -13, /* 503 ServiceUnavailable: not loaded yet, or the store is read-only */
    ERR_TIMEOUT = -14,     /* 504 Timeout */
    ERR_NO_SPACE = -15,    /* disk or map full: refused cleanly, 507 as 503 ServiceUnavailable */
    ERR_IO = -16,          /* the disk or the network failed: 500 InternalError */
    ERR_INTERNAL = -17,    /* 500 InternalError */
    ERR_NOT_IMPLEMENTED = -18 /* 501 */
};

enum err_cause_kind {
    CAUSE_REQUIRED,  /* FieldValueRequired:      "spec.selector: Required value" */
    CAUSE_INVALID,   /* FieldValueInvalid:       "spec.replicas: Invalid value: -1: must be ..." */
    CAUSE_FORBIDDEN, /* FieldValueForbidden:     "spec: Forbidden: updates to ..." */
    CAUSE_NOT_SUPPORTED, /* FieldValueNotSupported:  "spec.type: Unsupported value: \"x\": supported
                            values: ..." */
    CAUSE_DUPLICATE, /* FieldValueDuplicate:     "spec.ports[1].name: Duplicate value: \"http\"" */
    CAUSE_TOO_LONG,  /* FieldValueTooLong */
    CAUSE_NAMESPACE_TERMINATING,      /* NamespaceTerminating (403) */
    CAUSE_RESOURCE_VERSION_TOO_LARGE, /* ResourceVersionTooLarge (504) */
    CAUSE_FIELD_MANAGER_CONFLICT,     /* FieldManagerConflict (409) */
};

#define ERR_TEXT_MAX   2048
#define ERR_CAUSES_MAX 16

struct err {
    enum err_code code;
    char text[ERR_TEXT_MAX]; /* one sentence, UTF-8, no newline */
    size_t causes;           /* how many of cause[] are set */
    size_t causes_dropped;   /* how many more there were */
    struct {
        enum err_cause_kind kind;
        char field[160]; /* "spec.ports[0].port" */
        char text[512]; /* "Required value", "Invalid value: -1: must be greater than or equal to 0"
                         */
    } cause[ERR_CAUSES_MAX];
    int retry_after_s; /* 0: none */
};

/* As good as {0}, which would write 13 KB: for what runs thousands of times a second. */
static inline void err_clear(struct err *e)
{
    e->code = (enum err_code)0;
    e->text[0] = '\0';
    e->causes = e->causes_dropped = 0;
    e->retry_after_s = 0;
}

/* Sets code and text of *e (may be NULL), keeps its causes and returns code, so that callers write
 * `return err_set(e, ERR_IO, "...");`. e->text itself may be an argument. Too long texts are cut.
 */
int err_set(struct err *e, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int err_vset(struct err *e, enum err_code code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Adds a field cause; the caller sets code and text when it has collected all causes. Too long
 * texts are cut. */
void err_cause(struct err *e, enum err_cause_kind kind, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Kubernetes reason word of a cause kind ("FieldValueRequired"). */
const char *err_cause_word(enum err_cause_kind kind);
