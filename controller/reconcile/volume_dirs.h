/* controller/reconcile/volume_dirs.h - the directories of dynamic volumes, below one directory.
 *
 * Effects outside the store: made after the commit of the volume (and again after a restart), taken
 * away after the commit that begins its deletion. Both are idempotent. What is taken away is
 * renamed aside at once and emptied in small steps by a timer, also after a restart. Control
 * thread. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"

struct volume_dirs;
/* dir "" keeps nothing on disk: every call succeeds and does nothing. Makes dir if its parent
 * exists. */
struct volume_dirs *volume_dirs_new(struct loop *loop, const char *dir);
void volume_dirs_free(struct volume_dirs *dirs);
/* Absolute path of a volume, owned by the caller. */
char *volume_dirs_path(const struct volume_dirs *dirs, const char *volume);
/* ERR_INVALID for a name that cannot be a directory of its own, ERR_IO with the reason. */
int volume_dirs_make(struct volume_dirs *dirs, const char *volume, struct err *e);
bool volume_dirs_has(const struct volume_dirs *dirs, const char *volume);
int volume_dirs_discard(struct volume_dirs *dirs, const char *volume, struct err *e);
