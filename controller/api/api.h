/* controller/api/api.h - what the files of this folder share: the server, a request, and how
 * objects are rendered. Private.
 *
 *   http -> server.c (parse, route, check) -> discovery | rest (read, write) | list | watch_stream
 * | review
 *
 * Control thread. */
#pragma once

#include "base/check.h"
#include "base/json.h"
#include "base/list.h"
#include "controller/api/accept.h"
#include "controller/api/caller.h"
#include "controller/api/discovery.h"
#include "controller/api/http.h"
#include "controller/api/query.h"
#include "controller/api/resource.h"
#include "controller/api/route.h"
#include "controller/api/server.h"
#include "controller/api/status.h"
#include "controller/store/store.h"

#define API_MAGIC    0x61706973u
#define WHOLE_BYTES  ((size_t)256 * 1024) /* what is no longer is one reply with its length */
#define API_PINS_MAX 64

struct page_pin;
struct event_cache;

struct api_server {
    uint32_t magic;
    struct loop *loop;
    struct registry *reg;
    struct store *store;
    struct http_server *http;
    bool (*dns_has)(void *arg, uint64_t revision);
    void *dns_arg;
    int (*dump_zone)(void *arg, const char *zone, struct api_text *out, struct err *e);
    void *zone_arg;
    int (*explain)(void *arg, const char *ns, const char *subject, struct buf_out *out,
                   struct err *e);
    void *explain_arg;
    struct page_pin *pins[API_PINS_MAX]; /* snapshots that paged lists continue from (list.c) */
    struct list watchers;                /* watch_stream.c */
    struct event_cache *events;          /* texts that watchers share */
    size_t pending;                      /* writes and backups whose outcome is not known yet */
    bool is_dead;                        /* freed with the last of them */
};

/* One request; lives in the exchange's arena until the reply. */
struct api_request {
    struct api_server *api;
    struct http_exchange *x;
    struct route route;
    struct access_who who; /* borrows from the peer */
    enum route_verb verb;
    struct api_query q;
    unsigned variant;        /* ACCEPT_JSON, ACCEPT_TABLE or ACCEPT_PARTIAL */
    struct buf_out warnings; /* header lines */
};

/* A server without listeners: requests come from api_handle only. For tests and fuzzing. */
struct api_server *api_server_new(const struct api_opts *opts, struct loop *loop,
                                  struct registry *reg);
void api_server_free(struct api_server *api);
/* The HTTP handler: answers the exchange now or later. */
void api_handle(void *arg, struct http_exchange *x);

/* A Warning header of the reply to come; what does not fit is left out. arg: the request. */
void api_warn(void *arg, const char *text);

/* ---- replies: each ends the request ---- */

void api_reply(struct api_request *r, int status, const char *content_type, struct buf_out *body);
void api_reply_err(struct api_request *r, const struct err *e);
/* An error of api_query_parse, api_query_check or api_query_check_patch, in the words of the
 * options object that the parameters are (`ListOptions.meta.k8s.io "" is invalid: ...`). Changes
 * *e. */
void api_reply_bad_query(struct api_request *r, struct err *e);
void api_count(const struct api_request *r, int status);
struct status_of api_status_of(const struct api_request *r);
/* One object in the variant that was asked for. */
void api_reply_object(struct api_request *r, int status, const struct object *obj,
                      uint64_t revision);

/* ---- render.c ---- */

struct render {
    const struct resource *res;
    const char *sub; /* "scale" or NULL */
    unsigned variant;
    enum include_object include;
    struct store_view view; /* endpoints are gathered from it */
};
/* The object as a tree in the form of the resource, with resourceVersion. Owned by the caller. */
cJSON *render_tree(const struct render *r, const struct object *obj, uint64_t revision);
/* One item of a list, one row of a Table, or the object of an event when alone: a Table has then
 * its head, with columns or not. */
void render_item(const struct render *r, const struct object *obj, uint64_t revision,
                 struct buf_out *out);
void render_alone(const struct render *r, const struct object *obj, uint64_t revision, bool columns,
                  struct buf_out *out);
/* Head of a list up to and with the bracket that opens its items; the tail closes them and writes
 * the metadata. */
void render_list_head(const struct render *r, struct buf_out *out);
struct list_end {
    uint64_t revision;
    const char *token; /* NULL: complete */
    int64_t remaining; /* -1: unknown */
};
void render_list_tail(const struct list_end *end, struct buf_out *out);
/* False when the resource has nothing to show for this object (a Service without slices has no
 * Endpoints). */
bool render_exists(const struct render *r, const struct object *obj);

/* endpoints.c, events_v1.c */
cJSON *endpoints_tree(const struct store_view *view, const struct object *service);
bool endpoints_exist(const struct store_view *view, const struct object *service);
/* The newest revision of the Service and its slices. */
uint64_t endpoints_revision(const struct store_view *view, const struct object *service);
/* core/v1 Event to events.k8s.io/v1 and back, in place. */
void event_to_v1(cJSON *event);
void event_from_v1(cJSON *event);

/* ---- verbs ---- */

struct selection {
    struct selector labels, fields;
    bool is_whole; /* neither: remainingItemCount is known */
};
int selection_parse(const struct api_request *r, struct selection *out, struct err *e);
void selection_fini(struct selection *s);
bool selection_matches(const struct selection *s, const struct object *obj);

void rest_get(struct api_request *r);
void rest_write(struct api_request *r); /* create, update, patch, delete, deletecollection */
void review_create(struct api_request *r);
/* admin.c: ROUTE_BACKUP, ROUTE_ZONES, ROUTE_EXPLAIN and ROUTE_ADDRESSES. */
void admin_handle(struct api_request *r);
void list_start(struct api_request *r);
void list_pins_free(struct api_server *api);
void watch_start(struct api_request *r);
/* Number of running watches, for the gauge. */
size_t watch_count(const struct api_server *api);
/* The stored kind that is walked for a resource: Services for endpoints. */
enum kind_id api_walked_kind(const struct resource *res);

void api_metrics_register(struct api_server *api);
