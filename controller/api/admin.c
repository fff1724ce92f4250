/* controller/api/admin.c - what ordctl asks of the daemon itself, beside the Kubernetes paths:
 *
 *   POST /ordinald/v1/backup {"directory": "/abs"}   a consistent copy of the store, while running
 *   GET  /ordinald/v1/zones[/ZONE]                   a zone as master-file text
 *   GET  /ordinald/v1/explain?name=X&namespace=NS    why it is not there, as JSON
 *   GET  /ordinald/v1/addresses                      {"addresses": [URL, ...]} of the API over TCP
 *
 * A backup makes files with the daemon's rights, so only the Unix socket may ask for one. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/utf8.h"
#include "controller/api/api.h"
#include "controller/api/body.h"

static int read_directory(const struct api_request *r, cJSON **body, const char **out,
                          struct err *e)
{
    enum body_form form;
    int rc = body_read(&r->x->request, false, NULL, &form, body, e);
    if (rc < 0)
        return rc;
    *out = json_str(*body, "directory", "");
    if (**out != '/')
        return err_set(e, ERR_MALFORMED, "directory: the body must name an absolute path");
    return 0;
}

static void on_backup(void *arg, int rc, const struct err *e)
{
    struct api_request *r = arg;
    struct api_server *api = r->api;
    if (rc < 0) {
        api_reply_err(r, e);
    } else {
        struct buf_out out;
        buf_out_init(&out);
        status_write_success(&out, NULL);
        api_reply(r, 200, "application/json", &out);
    }
    api->pending--;
    if (api->is_dead && api->pending == 0)
        free(api);
}

static void backup(struct api_request *r)
{
    struct err e = {0};
    cJSON *body = NULL;
    const char *directory = NULL;
    int rc = 0;
    if (!r->x->request.peer.is_unix)
        rc = err_set(&e, ERR_FORBIDDEN, "a backup can be asked for on the Unix socket only");
    if (rc == 0)
        rc = read_directory(r, &body, &directory, &e);
    if (rc == 0)
        rc = store_backup(r->api->store, directory, on_backup, r, &e);
    cJSON_Delete(body);
    if (rc < 0)
        api_reply_err(r, &e);
    else
        r->api->pending++;
}

/* ---- zones ---- */

struct dump {
    struct api_text text;
    struct buf_out early; /* written before the stream began */
};

static void dump_free(void *arg)
{
    struct dump *d = arg;
    d->text.done(d->text.arg);
    buf_out_fini(&d->early);
    free(d);
}

static enum http_pull dump_pull(void *arg, struct buf_out *out)
{
    struct dump *d = arg;
    if (d->early.len > 0) {
        buf_out_fini(out);
        *out = d->early;
        buf_out_init(&d->early);
        return HTTP_PULL_MORE;
    }
    return d->text.next(d->text.arg, out) ? HTTP_PULL_MORE : HTTP_PULL_END;
}

/* Short zones in one reply, long ones as a stream. */
static void dump_zone(struct api_request *r)
{
    static const char type[] = "text/plain; charset=utf-8";
    struct err e = {0};
    struct api_text text;
    const char *name = r->route.name ? r->route.name : "";
    if (!r->api->dump_zone) {
        (void)err_set(&e, ERR_NOT_FOUND, "no zones are served here");
        api_reply_err(r, &e);
        return;
    }
    if (r->api->dump_zone(r->api->zone_arg, name, &text, &e) < 0) {
        api_reply_err(r, &e);
        return;
    }
    struct dump *d = xcalloc(1, sizeof *d);
    d->text = text;
    buf_out_init(&d->early);
    while (d->early.len < WHOLE_BYTES) {
        if (text.next(text.arg, &d->early))
            continue;
        api_reply(r, 200, type, &d->early);
        dump_free(d);
        return;
    }
    const struct http_stream stream = {.pull = dump_pull, .closed = dump_free, .arg = d};
    api_count(r, 200);
    buf_out_fini(&r->warnings);
    http_reply_stream(r->x, &(struct http_reply){.status = 200, .content_type = type}, &stream);
}

static void reply_addresses(struct api_request *r)
{
    const struct http_server *http = r->api->http;
    struct buf_out out;
    buf_out_init(&out);
    buf_puts(&out, "{\"addresses\":[");
    for (size_t i = 0; http && i < http_address_count(http); i++)
        buf_printf(&out, "%s\"http%s://%s\"", i ? "," : "", http_address_is_tls(http, i) ? "s" : "",
                   http_address(http, i));
    buf_puts(&out, "]}");
    api_reply(r, 200, "application/json", &out);
}

static void explain(struct api_request *r)
{
    struct err e = {0};
    struct buf_out out;
    const char *ns = *r->q.subject_ns ? r->q.subject_ns : "default";
    int rc = 0;
    buf_out_init(&out);
    if (!utf8_is_valid(r->q.subject, strlen(r->q.subject)) || !utf8_is_valid(ns, strlen(ns)))
        rc = err_set(&e, ERR_MALFORMED, "name and namespace must be UTF-8");
    else
        rc = r->api->explain ? r->api->explain(r->api->explain_arg, ns, r->q.subject, &out, &e)
                             : err_set(&e, ERR_NOT_FOUND, "nothing is explained here");
    if (rc < 0) {
        buf_out_fini(&out);
        api_reply_err(r, &e);
        return;
    }
    api_reply(r, 200, "application/json", &out);
}

void admin_handle(struct api_request *r)
{
    enum http_method method = r->x->request.method;
    bool is_backup = r->route.to == ROUTE_BACKUP;
    if (is_backup && method == HTTP_POST) {
        r->verb = VERB_CREATE;
        backup(r);
    } else if (!is_backup && (method == HTTP_GET || method == HTTP_HEAD)) {
        r->verb = VERB_GET;
        if (r->route.to == ROUTE_ADDRESSES)
            reply_addresses(r);
        else if (r->route.to == ROUTE_EXPLAIN)
            explain(r);
        else
            dump_zone(r);
    } else {
        struct err e = {0};
        err_set(&e, ERR_METHOD, "the server does not allow this method on the requested resource");
        api_reply_err(r, &e);
    }
}
