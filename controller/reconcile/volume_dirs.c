#include "controller/reconcile/volume_dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"

#define ASIDE         ".removed-" /* prefix of what is being emptied */
#define STEPS_PER_RUN 256         /* directory entries removed before others have their turn */
#define DEPTH_MAX     32          /* a tree deeper than this is cut into trees */

struct volume_dirs {
    char *dir; /* "" = none */
    int fd;    /* of dir, -1 = none */
    struct loop_timer timer;
};

static void arm(struct volume_dirs *dirs)
{
    loop_timer_set(&dirs->timer, clock_mono_us());
}

/* ---- emptying ---- */

struct purge {
    int root; /* of dirs: where too deep trees are moved to */
    unsigned left;
    bool is_cut; /* a tree was moved to root */
};

static void aside_name(char out[64])
{
    (void)snprintf(out, 64, ASIDE "%016llx", (unsigned long long)random_u64());
}

static bool purge_entry(struct purge *p, int fd, const char *name, unsigned depth);

/* Empties the directory; true when nothing is left in it. */
/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX */
static bool purge_dir(struct purge *p, int fd, unsigned depth)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        (void)close(fd);
        return false;
    }
    bool is_empty = true;
    const struct dirent *entry;
    while (p->left > 0 && (entry = readdir(dir)) != NULL) /* NOLINT(concurrency-mt-unsafe) */
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            is_empty &= purge_entry(p, dirfd(dir), entry->d_name, depth);
    if (p->left == 0)
        is_empty = false;
    (void)closedir(dir);
    return is_empty;
}

/* True when the entry is gone. Links are removed, never followed. */
/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX */
static bool purge_entry(struct purge *p, int fd, const char *name, unsigned depth)
{
    p->left--;
    int sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sub < 0)
        return unlinkat(fd, name, 0) == 0 || errno == ENOENT;
    if (depth == DEPTH_MAX) {
        char aside[64];
        (void)close(sub);
        aside_name(aside);
        p->is_cut = true;
        return renameat(fd, name, p->root, aside) == 0;
    }
    return purge_dir(p, sub, depth + 1) && unlinkat(fd, name, AT_REMOVEDIR) == 0;
}

/* Takes a step at everything that was put aside; true when some of it is left. */
static bool purge_step(struct volume_dirs *dirs)
{
    int fd = openat(dirs->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    struct purge p = {.root = dirs->fd, .left = STEPS_PER_RUN};
    const struct dirent *entry;
    while (p.left > 0 && (entry = readdir(dir)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        if (strncmp(entry->d_name, ASIDE, sizeof ASIDE - 1) != 0)
            continue;
        unsigned before = p.left;
        if (!purge_entry(&p, dirs->fd, entry->d_name, 0) && p.left > 0 && before - p.left <= 1)
            log_warn("directory=%s/%s msg=\"cannot be emptied\"", dirs->dir, entry->d_name);
    }
    (void)closedir(dir);
    return p.left == 0 || p.is_cut;
}

static void on_timer(void *arg)
{
    struct volume_dirs *dirs = arg;
    if (purge_step(dirs))
        arm(dirs);
}

/* ---- life ---- */

struct volume_dirs *volume_dirs_new(struct loop *loop, const char *dir)
{
    struct volume_dirs *dirs = xcalloc(1, sizeof *dirs);
    dirs->fd = -1;
    loop_timer_init(&dirs->timer, loop, on_timer, dirs);
    if (!*dir) {
        dirs->dir = xstrdup("");
        return dirs;
    }
    if (mkdir(dir, 0750) < 0 && errno != EEXIST)
        log_error("directory=%s msg=\"cannot be made\" reason=\"%s\"", dir, strerrordesc_np(errno));
    char *real = realpath(dir, NULL);
    dirs->dir = real ? real : xstrdup(dir);
    dirs->fd = open(dirs->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirs->fd < 0)
        log_error("directory=%s msg=\"cannot be opened\" reason=\"%s\"", dirs->dir,
                  strerrordesc_np(errno));
    else
        arm(dirs); /* what the last process left aside */
    return dirs;
}

void volume_dirs_free(struct volume_dirs *dirs)
{
    if (!dirs)
        return;
    loop_timer_fini(&dirs->timer);
    if (dirs->fd >= 0)
        (void)close(dirs->fd);
    free(dirs->dir);
    free(dirs);
}

char *volume_dirs_path(const struct volume_dirs *dirs, const char *volume)
{
    return xasprintf("%s/%s", dirs->dir, volume);
}

static int check(const struct volume_dirs *dirs, const char *volume, struct err *e)
{
    if (*volume == '\0' || *volume == '.' || strchr(volume, '/'))
        return err_set(e, ERR_INVALID, "volume \"%.64s\" cannot have a directory", volume);
    if (*dirs->dir && dirs->fd < 0)
        return err_set(e, ERR_IO, "%.512s cannot be opened", dirs->dir);
    return 0;
}

int volume_dirs_make(struct volume_dirs *dirs, const char *volume, struct err *e)
{
    int rc = check(dirs, volume, e);
    if (rc < 0 || !*dirs->dir)
        return rc;
    if (mkdirat(dirs->fd, volume, 0750) < 0 && errno != EEXIST)
        return err_set(e, ERR_IO, "%.512s/%.255s: %s", dirs->dir, volume, strerrordesc_np(errno));
    return 0;
}

bool volume_dirs_has(const struct volume_dirs *dirs, const char *volume)
{
    struct stat st;
    return *dirs->dir && check(dirs, volume, NULL) == 0 &&
           fstatat(dirs->fd, volume, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int volume_dirs_discard(struct volume_dirs *dirs, const char *volume, struct err *e)
{
    int rc = check(dirs, volume, e);
    if (rc < 0 || !*dirs->dir)
        return rc;
    char aside[64];
    aside_name(aside);
    if (renameat(dirs->fd, volume, dirs->fd, aside) < 0 && errno != ENOENT)
        return err_set(e, ERR_IO, "%.512s/%.255s: %s", dirs->dir, volume, strerrordesc_np(errno));
    arm(dirs);
    return 0;
}
