/* cmd/reload.h - a new configuration without a restart (K-RELOAD).
 *
 * SIGHUP, or a file that is another one than when it was read last (device, inode, size or time of
 * change: looked at every 30 s, 15 s more or less), reads everything anew: the configuration, the
 * cookie keys and what TLS is made of. Options marked is_live
 * take effect, all of them or, when one is wrong, none; the log names what changed and what waits
 * for a restart. Control thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/loop.h"
#include "conf/options.h"

#define RELOAD_FILES 5

/* What a file was when it was looked at. */
struct file_seen {
    struct stat now; /* all zero: no such file, or no such option */
};
struct file_seen file_look(const char *path); /* NULL and "" are fine */
bool file_is_same(const struct file_seen *a, const struct file_seen *b);

/* Makes the program obey *options; on failure nothing of it. */
typedef int reload_apply_fn(void *arg, const struct options *options, struct err *e);

struct reload {
    const char *file; /* borrowed; NULL: settings only */
    const char *const *settings;
    size_t setting_count;
    struct options *options; /* in force; borrowed */
    reload_apply_fn *apply;
    void *arg;
    struct loop_timer timer;
    struct file_seen seen[RELOAD_FILES];
    uint64_t succeeded, failed;
};

/* The fields from file to arg are set; the files were read just now. */
void reload_start(struct reload *r, struct loop *loop);
void reload_stop(struct reload *r);
void reload_now(struct reload *r, const char *why);
