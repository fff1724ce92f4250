/* cmd/daemon_rights.c - what only root may make, then no rights. */
#include "cmd/daemon.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

/* Makes one directory for the account when it is not there yet; the service unit brings its own. */
static int directory_make(const char *path, mode_t mode, const struct passwd *owner,
                          const char *option, struct err *e)
{
    if (mkdir(path, mode) == 0) {
        if (!owner || chown(path, owner->pw_uid, owner->pw_gid) == 0)
            return 0;
    } else if (errno == EEXIST) {
        return 0;
    }
    return err_set(e, ERR_IO, "%s: %s: %s", option, path, strerrordesc_np(errno));
}

/* The last moment with privileges: what the account could not make itself. */
static int directories_make(const struct options *o, const struct passwd *owner, struct err *e)
{
    const char *slash = strrchr(o->api_socket, '/');
    int rc = 0;
    if (slash && slash != o->api_socket) {
        char *parent = xstrndup(o->api_socket, (size_t)(slash - o->api_socket));
        rc = directory_make(parent, 0755, owner, "api.socket", e);
        free(parent);
    }
    if (rc == 0 && *o->store_kind != 'm')
        rc = directory_make(o->store_path, 0700, owner, "store.path", e);
    return rc;
}

int daemon_rights_drop(struct daemon *d, struct err *e)
{
    const char *user = d->options.run_user;
    const struct passwd *pw =
        *user ? getpwnam(user) : NULL; /* NOLINT(concurrency-mt-unsafe): no thread yet asks */
    if (*user && !pw)
        return err_set(e, ERR_INVALID, "run.user: no account \"%s\"", user);
    int rc = directories_make(&d->options, geteuid() == 0 ? pw : NULL, e);
    if (rc < 0 || !pw || geteuid() == pw->pw_uid)
        return rc;
    if (initgroups(user, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0)
        return err_set(e, ERR_IO, "run.user %s: %s", user, strerrordesc_np(errno));
    return 0;
}
