#include "controller/api/server.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "controller/api/api.h"
#include "controller/api/event_cache.h"

#define DRAIN_US 2000000

/* ---- counters ---- */

struct request_count {
    const char *resource; /* constant */
    uint64_t count;
    enum route_verb verb;
    int code;
};
static struct request_count
    counts[1024]; /* verbs x resources x codes that happened; what does not fit is not counted */
static size_t counts_used;

void api_count(const struct api_request *r, int status)
{
    const char *resource =
        r->route.to == ROUTE_RESOURCE && r->route.resource ? r->route.resource->name : "";
    CHECK(resource);
    for (size_t i = 0; i < counts_used; i++) {
        struct request_count *c = &counts[i];
        if (c->verb == r->verb && c->code == status && strcmp(c->resource, resource) == 0) {
            c->count++;
            return;
        }
    }
    if (counts_used < ARRAY_SIZE(counts))
        counts[counts_used++] = (struct request_count){
            .verb = r->verb, .resource = resource, .code = status, .count = 1};
}

static void collect_requests(struct buf_out *out, const struct metric_family *family, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < counts_used; i++) {
        char labels[160];
        (void)snprintf(labels, sizeof labels, "verb=\"%s\",resource=\"%s\",code=\"%d\"",
                       route_verb_name(counts[i].verb), counts[i].resource, counts[i].code);
        metrics_sample(out, family->name, labels, (double)counts[i].count);
    }
}

static const struct api_server *counted;

static void collect_watchers(struct buf_out *out, const struct metric_family *family, void *arg)
{
    (void)arg;
    metrics_sample(out, family->name, NULL, counted ? (double)watch_count(counted) : 0);
}

void api_metrics_register(struct api_server *api)
{
    static const struct metric_family families[] = {
        {"ordinald_api_requests_total", METRIC_COUNTER,
         "Requests by verb, resource and status code.", collect_requests, NULL},
        {"ordinald_api_watchers", METRIC_GAUGE, "Running watches.", collect_watchers, NULL},
    };
    counted = api;
    for (size_t i = 0; i < ARRAY_SIZE(families); i++)
        metrics_register(&families[i]);
    http_metrics_register();
}

/* ---- replies ---- */

void api_reply(struct api_request *r, int status, const char *content_type, struct buf_out *body)
{
    api_count(r, status);
    char *headers = r->warnings.len ? arena_strdup(&r->x->arena, r->warnings.data) : NULL;
    buf_out_fini(&r->warnings);
    if (body && body->len && body->data[body->len - 1] != '\n' &&
        strncmp(content_type, "application/json", 16) == 0)
        buf_putc(body, '\n');
    http_reply(
        r->x,
        &(struct http_reply){.status = status, .content_type = content_type, .headers = headers},
        body);
}

void api_warn(void *arg, const char *text)
{
    struct api_request *r = arg;
    if (r->warnings.len > 4096)
        return;
    buf_puts(&r->warnings, "Warning: 299 - \"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_putc(&r->warnings, '\\');
        bool is_control = (unsigned char)*text < ' ' || *text == 0x7f;
        buf_put(&r->warnings, is_control ? " " : text, 1);
    }
    buf_puts(&r->warnings, "\"\r\n");
}

struct status_of api_status_of(const struct api_request *r)
{
    const struct resource *res = r->route.to == ROUTE_RESOURCE ? r->route.resource : NULL;
    if (!res)
        return (struct status_of){0};
    return (struct status_of){.group = res->group,
                              .resource = res->name,
                              .kind_name = res->kind_name,
                              .name = r->route.name};
}

/* RFC 9110 section 15.5.6: a 405 names what may be done. */
static void put_allow(struct api_request *r)
{
    static const struct {
        const char *verb, *method;
        bool of_one;
    } rows[] = {{"list", "GET", false},
                {"create", "POST", false},
                {"get", "GET", true},
                {"update", "PUT", true},
                {"patch", "PATCH", true},
                {"delete", "DELETE", true},
                {"deletecollection", "DELETE", false}};
    const struct resource *res = r->route.to == ROUTE_RESOURCE ? r->route.resource : NULL;
    const char *separator = "";
    buf_puts(&r->warnings, "Allow: ");
    for (size_t i = 0; res && i < ARRAY_SIZE(rows); i++) {
        const char *sub = r->route.sub;
        bool has =
            sub ? resource_sub_has_verb(res, sub, rows[i].verb)
                : rows[i].of_one == (r->route.name != NULL) && resource_has_verb(res, rows[i].verb);
        if (!has)
            continue;
        buf_printf(&r->warnings, "%s%s", separator, rows[i].method);
        separator = ", ";
    }
    buf_puts(&r->warnings, res ? "\r\n" : "GET\r\n");
}

static void reply_err_of(struct api_request *r, const struct err *e, const struct status_of *of)
{
    struct buf_out body;
    buf_out_init(&body);
    int status = status_write_err(&body, e, of);
    if (e->retry_after_s)
        buf_printf(&r->warnings, "Retry-After: %d\r\n", e->retry_after_s);
    if (e->code == ERR_METHOD)
        put_allow(r);
    api_reply(r, status, "application/json", &body);
}

void api_reply_err(struct api_request *r, const struct err *e)
{
    struct status_of of = api_status_of(r);
    reply_err_of(r, e, of.resource ? &of : NULL);
}

static const char *options_kind(const struct api_request *r)
{
    switch (r->x->request.method) {
    case HTTP_POST:
        return "CreateOptions";
    case HTTP_PUT:
        return "UpdateOptions";
    case HTTP_PATCH:
        return "PatchOptions";
    case HTTP_DELETE:
        return "DeleteOptions";
    case HTTP_GET:
    case HTTP_HEAD:
        break;
    }
    return r->route.name ? "GetOptions" : "ListOptions";
}

void api_reply_bad_query(struct api_request *r, struct err *e)
{
    if (e->code != ERR_INVALID) {
        api_reply_err(r, e);
        return;
    }
    const char *kind = options_kind(r);
    const struct status_of of = {.group = "meta.k8s.io", .resource = kind, .kind_name = kind};
    err_set(e, ERR_INVALID, "%s.meta.k8s.io \"\" is invalid: %s", kind, e->text);
    reply_err_of(r, e, &of);
}

void api_reply_object(struct api_request *r, int status, const struct object *obj,
                      uint64_t revision)
{
    const struct render render = {
        .res = r->route.resource,
        .sub = r->route.sub && strcmp(r->route.sub, "scale") == 0 ? "scale" : NULL,
        .variant = r->variant,
        .include = r->q.include,
        .view = store_applied(r->api->store)};
    struct buf_out body;
    buf_out_init(&body);
    if (!revision && r->variant == ACCEPT_JSON && r->route.resource->form == RESOURCE_STORED)
        buf_put(&body, obj->text, obj->text_len); /* dry-run of a create: it has no version */
    else
        render_alone(&render, obj, revision, true, &body);
    api_reply(r, status, accept_content_type((enum accept_variant)r->variant), &body);
}

/* ---- handling ---- */

static void reply_health(struct api_request *r)
{
    struct buf_out body;
    const struct store *store = r->api->store;
    buf_out_init(&body);
    if (strcmp(r->route.health, "readyz") == 0 && store_is_read_only(store)) {
        buf_printf(&body, "%s\n", store_read_only_reason(store));
        api_reply(r, 503, "text/plain; charset=utf-8", &body);
        return;
    }
    buf_puts(&body, "ok");
    api_reply(r, 200, "text/plain; charset=utf-8", &body);
}

static void reply_document(struct api_request *r)
{
    struct document doc;
    struct err e = {0};
    const struct http_request *req = &r->x->request;
    if (discovery_find(&r->route, http_header(req, "Accept"), &doc, &e) < 0) {
        api_reply_err(r, &e);
        return;
    }
    buf_printf(&r->warnings, "ETag: %s\r\nVary: Accept\r\n", doc.etag);
    const char *known = http_header(req, "If-None-Match");
    if (known && (strstr(known, doc.etag) || strcmp(known, "*") == 0)) {
        api_reply(r, 304, NULL, NULL); /* A9: without a Content-Type */
        return;
    }
    struct buf_out body;
    buf_out_init(&body);
    buf_put(&body, doc.text, doc.len);
    api_reply(r, 200, doc.content_type, &body);
}

static int refuse_sub(const struct api_request *r, struct err *e)
{
    const char *sub = r->route.sub;
    if (!sub || resource_subresource(r->route.resource, sub))
        return 0;
    if (strcmp(sub, "log") == 0)
        return err_set(e, ERR_NOT_IMPLEMENTED,
                       "logs of \"%s\" are not available: ordinald does not run containers itself",
                       r->route.name);
    return err_set(e, ERR_NOT_IMPLEMENTED,
                   "%s of \"%s\" is not available: ordinald does not run containers itself", sub,
                   r->route.name);
}

/* spec.nodeName of the pod that is asked for. A pod that is not there and a deletion, which may be
 * meant for an earlier pod of the name (R44), are left to the registry. */
static const char *bound_node(const struct api_request *r)
{
    if (!r->route.resource->kind || r->route.resource->kind->id != KIND_POD || !r->route.name)
        return NULL;
    struct store_view view = store_applied(r->api->store);
    const struct object *pod = view_find(&view, KIND_POD, r->route.ns, r->route.name);
    return pod && r->verb != VERB_DELETE ? pod_view(pod)->node : r->who.node;
}

static int check_access(const struct api_request *r, struct err *e)
{
    const struct resource *res = r->route.resource;
    const struct access_ask ask = {.verb = route_verb_name(r->verb),
                                   .group = res->group,
                                   .resource = res->name,
                                   .sub = r->route.sub ? r->route.sub : "",
                                   .ns = r->route.ns,
                                   .name = r->route.name,
                                   .bound_node = bound_node(r)};
    if (access_allows(&r->who, &ask))
        return 0;
    struct buf_out why;
    buf_out_init(&why);
    caller_refusal(&r->x->request.peer, &ask, &why);
    err_set(e, ERR_FORBIDDEN, "%s%s%s%s%s%s is forbidden: %s", res->name, *res->group ? "." : "",
            res->group, r->route.name ? " \"" : "", r->route.name ? r->route.name : "",
            r->route.name ? "\"" : "", why.data);
    buf_out_fini(&why);
    return ERR_FORBIDDEN;
}

/* The same for what is no resource; discovery is for everybody. */
static int check_path_access(const struct api_request *r, const char *verb, struct err *e)
{
    const char *path = r->x->request.path;
    if (access_allows_path(r->who.role, verb, path))
        return 0;
    struct buf_out user;
    buf_out_init(&user);
    caller_name(&r->x->request.peer, &user);
    err_set(e, ERR_FORBIDDEN, "forbidden: User \"%s\" cannot %s path \"%s\"",
            user.data ? user.data : "", verb, path);
    buf_out_fini(&user);
    return ERR_FORBIDDEN;
}

static bool verb_is_served(const struct api_request *r)
{
    const struct resource *res = r->route.resource;
    if (r->verb == VERB_NONE)
        return false;
    const char *name = route_verb_name(r->verb);
    if (!r->route.sub)
        return resource_has_verb(res, name);
    return resource_sub_has_verb(res, r->route.sub, name);
}

static int check_request(struct api_request *r, struct err *e)
{
    int rc = r->verb == VERB_NONE ? 0 : check_access(r, e);
    if (rc < 0 || (rc = refuse_sub(r, e)) < 0)
        return rc;
    if (!verb_is_served(r))
        return err_set(e, ERR_METHOD,
                       "the server does not allow this method on the requested resource");
    const char *accept = http_header(&r->x->request, "Accept");
    bool reads = r->verb == VERB_GET || r->verb == VERB_LIST || r->verb == VERB_WATCH;
    r->variant = accept_choose(accept, ACCEPT_JSON | ACCEPT_TABLE | ACCEPT_PARTIAL, e);
    if (!r->variant)
        return ERR_NOT_ACCEPTABLE;
    if (!reads && r->verb != VERB_CREATE && r->verb != VERB_UPDATE && r->verb != VERB_PATCH)
        r->variant = ACCEPT_JSON;
    return 0;
}

static void handle_resource(struct api_request *r)
{
    struct err e = {0};
    r->verb = route_verb(&r->route, r->x->request.method, r->q.watch);
    if (check_request(r, &e) < 0) {
        api_reply_err(r, &e);
        return;
    }
    if (api_query_check(&r->q, r->verb, &e) < 0) {
        api_reply_bad_query(r, &e);
        return;
    }
    switch (r->verb) {
    case VERB_GET:
        rest_get(r);
        break;
    case VERB_LIST:
        list_start(r);
        break;
    case VERB_WATCH:
        watch_start(r);
        break;
    case VERB_CREATE:
        if (!r->route.resource->kind) {
            review_create(r);
            break;
        }
        rest_write(r);
        break;
    case VERB_UPDATE:
    case VERB_PATCH:
    case VERB_DELETE:
    case VERB_DELETE_COLLECTION:
        rest_write(r);
        break;
    case VERB_NONE:
        break;
    }
}

void api_handle(void *arg, struct http_exchange *x)
{
    struct api_server *api = arg;
    CHECK(api && api->magic == API_MAGIC);
    struct api_request *r = arena_alloc(&x->arena, sizeof *r);
    struct err e = {0};
    r->api = api;
    r->x = x;
    r->verb = VERB_NONE;
    r->variant = ACCEPT_JSON;
    caller_of(&x->request.peer, &r->who);
    buf_out_init(&r->warnings);
    if (!route_parse(x->request.path, &x->arena, &r->route)) {
        r->route.resource = NULL;
        r->route.to = ROUTE_ROOT;
        err_set(&e, ERR_NOT_FOUND, "the server could not find the requested resource");
        api_reply_err(r, &e);
        return;
    }
    if (api_query_parse(x->request.query, &x->arena, &r->q, &e) < 0) {
        api_reply_bad_query(r, &e);
        return;
    }
    if (r->route.to == ROUTE_RESOURCE) {
        handle_resource(r);
        return;
    }
    bool reads = x->request.method == HTTP_GET || x->request.method == HTTP_HEAD;
    if (check_path_access(r, reads ? "get" : "create", &e) < 0) {
        api_reply_err(r, &e);
        return;
    }
    if (r->route.to == ROUTE_BACKUP || r->route.to == ROUTE_ZONES || r->route.to == ROUTE_EXPLAIN ||
        r->route.to == ROUTE_ADDRESSES) {
        admin_handle(r);
        return;
    }
    if (!reads) {
        err_set(&e, ERR_METHOD, "the server does not allow this method on the requested resource");
        api_reply_err(r, &e);
        return;
    }
    r->verb = VERB_GET;
    if (r->route.to == ROUTE_HEALTH)
        reply_health(r);
    else
        reply_document(r);
}

/* ---- life ---- */

struct api_server *api_server_new(const struct api_opts *opts, struct loop *loop,
                                  struct registry *reg)
{
    struct api_server *api = xcalloc(1, sizeof *api);
    api->magic = API_MAGIC;
    api->loop = loop;
    api->reg = reg;
    api->store = registry_store(reg);
    api->dns_has = opts->dns_has;
    api->dns_arg = opts->dns_arg;
    api->dump_zone = opts->dump_zone;
    api->zone_arg = opts->zone_arg;
    api->explain = opts->explain;
    api->explain_arg = opts->explain_arg;
    list_init(&api->watchers);
    api->events = event_cache_new();
    return api;
}

void api_server_free(struct api_server *api)
{
    list_pins_free(api);
    event_cache_free(api->events);
    if (counted == api)
        counted = NULL;
    api->is_dead = true;
    if (api->pending == 0)
        free(api);
}

static bool is_loopback(const char *address)
{
    char host[64];
    const char *colon = strrchr(address, ':');
    if (!colon || (size_t)(colon - address) >= sizeof host)
        return false;
    (void)snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    return http_address_is_loopback(host);
}

static int listen_all(struct api_server *api, const struct api_opts *opts, struct err *e)
{
    if (opts->socket && *opts->socket) {
        int rc = http_listen_unix(api->http, opts->socket, e);
        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < opts->listen_count; i++) {
        const char *address = opts->listen[i];
        bool plain = strncmp(address, "https://", 8) != 0;
        address += plain ? 0 : 8;
        plain = plain && is_loopback(address);
        if (!plain && !opts->tls)
            return err_set(e, ERR_INVALID,
                           "api.listen %s: TLS needs api.tls-cert, api.tls-key and "
                           "api.tls-client-ca",
                           opts->listen[i]);
        int rc = http_listen_tcp(api->http, address, plain ? NULL : opts->tls, e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int api_server_start(const struct api_opts *opts, struct loop *loop, struct registry *reg,
                     struct api_server **out, struct err *e)
{
    struct api_server *api = api_server_new(opts, loop, reg);
    const struct http_opts http = {.handler = api_handle,
                                   .arg = api,
                                   .owner_socket = opts->socket ? opts->socket : "",
                                   .refuse_browsers = true};
    int rc = http_server_new(loop, &http, &api->http, e);
    if (rc == 0)
        rc = listen_all(api, opts, e);
    if (rc < 0) {
        http_server_free(api->http, 0);
        api_server_free(api);
        return rc;
    }
    api_metrics_register(api);
    *out = api;
    return 0;
}

void api_server_stop(struct api_server *server)
{
    if (!server)
        return;
    http_server_free(server->http, DRAIN_US);
    server->http = NULL;
    api_server_free(server);
}

void api_server_set_tls(struct api_server *server, const struct http_tls *tls)
{
    http_server_set_tls(server->http, tls);
}

size_t api_server_address_count(const struct api_server *server)
{
    return http_address_count(server->http);
}

const char *api_server_address(const struct api_server *server, size_t i)
{
    return http_address(server->http, i);
}

bool api_server_address_is_tls(const struct api_server *server, size_t i)
{
    return http_address_is_tls(server->http, i);
}
