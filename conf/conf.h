/* conf/conf.h - read, check and print the configuration (DESIGN section 2).
 *
 * One YAML file and any number of KEY=VALUE settings, which win over the file; the first setting of
 * a list replaces the value it had, further ones add to it. Errors name the file and the line, or
 * the setting. Control thread, at start. */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "conf/options.h"

/* Defaults, then the file (NULL: none), then the settings in order, then checks across options. On
 * failure *out is empty. ERR_IO: the file cannot be read; ERR_INVALID or ERR_MALFORMED otherwise.
 */
int conf_load(const char *path, const char *const *settings, size_t setting_count,
              struct options *out, struct err *e);
void conf_fini(struct options *o);
/* Swaps the live options that differ between the two; done again it undoes itself. Appends the
 * names of those to *live (may be NULL) and of the others that differ to *fixed (may be NULL), each
 * with a blank before it. */
void conf_swap_live(struct options *a, struct options *b, struct buf_out *live,
                    struct buf_out *fixed);
/* The effective configuration as a YAML document that conf_load reads back to the same values. */
void conf_print(const struct options *o, struct buf_out *out);
/* Every option with its default and meaning as commented YAML: conf/ordinald.conf is this text (a
 * test compares). */
void conf_sample(struct buf_out *out);
