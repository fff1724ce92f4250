/* cmd/daemon_reload.c - a new configuration takes effect, as a whole or not at all (K-RELOAD). */
#include "cmd/daemon.h"

#include "base/check.h"
#include "base/log.h"
#include "controller/api/http_tls.h"

int daemon_apply_options(void *arg, const struct options *o, struct err *e)
{
    struct daemon *d = arg;
    struct http_tls *fresh = NULL;
    int rc = daemon_tls_renew(d, &fresh, e);
    if (rc == 0)
        rc = daemon_dns_reload(d, o, e);
    if (rc < 0) {
        http_tls_free(fresh);
        return rc;
    }
    enum log_level level = LOG_INFO;
    if (log_level_parse(o->log_level, &level))
        log_set_level(level);
    if (fresh)
        daemon_tls_use(d, TAKE(fresh));
    return 0;
}
