/* base/yaml_scalar.h - what kubectl makes of one YAML scalar (libraries.md section 7). Pure, any
 * thread.
 *
 * The words and numbers of YAML 1.1 as go-yaml v2 reads them: `yes` and `on` are true, `010` and
 * `0o10` are 8, `1_000` is 1000, times and sexagesimal numbers stay text. */
#pragma once

#include <stdbool.h>

enum yaml_scalar_kind {
    YAML_SCALAR_TEXT,
    YAML_SCALAR_NULL,
    YAML_SCALAR_BOOL,
    YAML_SCALAR_INT, /* written without point or exponent */
    YAML_SCALAR_FLOAT,
    YAML_SCALAR_NOT_FINITE, /* .inf and .nan, which JSON cannot say */
};

struct yaml_scalar {
    enum yaml_scalar_kind kind;
    bool truth;    /* of a BOOL */
    double number; /* of an INT or FLOAT */
};

/* The meaning of a plain (unquoted, untagged) scalar. */
struct yaml_scalar yaml_scalar_resolve(const char *text);
