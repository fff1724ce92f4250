/* controller/api/status.h - Status objects: what an outcome looks like to a client (api.md section
 * 8).
 *
 * The one place where enum err_code becomes an HTTP status and a reason. Pure functions. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* What a Status speaks of: details.name, group, kind and uid. Absent members are NULL or "". */
struct status_of {
    const char *group, *resource, *kind_name, *name, *uid;
};

/* HTTP status of an error code. */
int status_code(enum err_code code);
/* "NotFound" for 404, and so on: for statuses that have no err_code as well (401, 408, 431). */
const char *status_reason(int code);

/* A failure with its causes. `of` may be NULL. Returns the HTTP status. */
int status_write_err(struct buf_out *out, const struct err *e, const struct status_of *of);
/* A failure by number. */
void status_write(struct buf_out *out, int code, const char *message);
/* Success of a delete or an action (A30, A31). */
void status_write_success(struct buf_out *out, const struct status_of *of);
