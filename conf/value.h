/* conf/value.h - one option's value from text and back; private to conf/. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "conf/options.h"

/* Sets the field of option to the value text says; a list gets one item added. ERR_INVALID with "is
 * not ..." in e. */
int value_set(struct options *o, const struct conf_option *option, const char *text, struct err *e);
/* Empties a list or map; frees and empties a string. */
void value_clear(struct options *o, const struct conf_option *option);
/* Sets the default. */
void value_default(struct options *o, const struct conf_option *option);
/* The value as YAML ("5s", `["127.0.0.1:53"]`). */
void value_print(const struct options *o, const struct conf_option *option, struct buf_out *out);
bool value_equal(const struct options *a, const struct options *b,
                 const struct conf_option *option);
/* The two values change places. */
void value_swap(struct options *a, struct options *b, const struct conf_option *option);
/* True when the value is the default. */
bool value_is_default(const struct options *o, const struct conf_option *option);
