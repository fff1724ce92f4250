/* cmd/daemon_tls.c - the certificate, key and client authority of the API, and newer ones
 * (K-RELOAD).
 *
 * Read once before privileges are dropped, since a key may be root's alone; afterwards only when
 * one of the files is another one than it was, or when the last reading failed. */
#include "cmd/daemon.h"

#include "base/clock.h"
#include "base/log.h"
#include "controller/api/http_tls.h"
#include "controller/api/server.h"

static void look(const struct options *o, struct file_seen seen[3])
{
    seen[0] = file_look(o->api_tls_cert);
    seen[1] = file_look(o->api_tls_key);
    seen[2] = file_look(o->api_tls_client_ca);
}

int daemon_tls_read(const struct options *o, struct http_tls **out, struct err *e)
{
    const struct http_tls_files files = {
        .cert = o->api_tls_cert, .key = o->api_tls_key, .client_ca = o->api_tls_client_ca};
    return *files.cert ? http_tls_new(&files, out, e) : 0;
}

void daemon_tls_watch(struct daemon *d)
{
    look(&d->options, d->tls_seen);
}

int daemon_tls_renew(struct daemon *d, struct http_tls **out, struct err *e)
{
    struct file_seen now[3];
    *out = NULL;
    look(&d->options, now);
    bool is_same = true;
    for (size_t i = 0; i < 3; i++) {
        is_same = is_same && file_is_same(&now[i], &d->tls_seen[i]);
        d->tls_seen[i] = now[i];
    }
    if (!d->tls || (is_same && !d->is_tls_stale))
        return 0;
    d->is_tls_stale = true; /* until it is in use */
    return daemon_tls_read(&d->options, out, e);
}

void daemon_tls_use(struct daemon *d, struct http_tls *fresh)
{
    char expires[CLOCK_TEXT_MAX];
    http_tls_free(d->tls);
    d->tls = fresh;
    d->is_tls_stale = false;
    api_server_set_tls(d->api, fresh);
    clock_format(http_tls_expires_us(fresh), expires);
    log_info("api=tls cert=%s expires=%s msg=\"certificate, key and client authority read anew\"",
             d->options.api_tls_cert, expires);
}
