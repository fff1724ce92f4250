/* controller/api/watch_stream.c - watches: the initial state from one snapshot, then the ring, as
 * fast as the client reads.
 *
 * api.md section 7 (A33-A39). A watcher pulls when its last bytes are on their way; one that does
 * not read falls behind the ring and is cut, so nothing piles up here. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "controller/api/api.h"
#include "controller/api/event_cache.h"
#include "controller/api/walk.h"

#define STEP_EVENTS       512
#define BOOKMARK_US       ((int64_t)60 * 1000000)
#define TIMEOUT_DEFAULT_S 1800

enum watch_phase { PHASE_INITIAL, PHASE_LIVE, PHASE_ERROR };

struct watcher {
    struct list link;
    struct api_server *api;
    struct http_exchange *x;
    struct render render;
    struct selection selection;
    char *ns; /* NULL: all */
    enum watch_phase phase;
    struct store_pin *pin; /* of the initial state */
    struct walk cur;
    uint64_t initial_revision;
    struct watch *watch;
    struct err error; /* PHASE_ERROR: told as an event, as upstream does */
    bool sends_end_mark, has_columns, bookmarks;
    bool bookmark_due, is_over;
    struct loop_timer bookmark_timer, end_timer;
};

size_t watch_count(const struct api_server *api)
{
    size_t count = 0;
    LIST_FOREACH(it, &api->watchers)
    count++;
    return count;
}

static void on_wake(void *arg)
{
    struct watcher *w = arg;
    http_wake(w->x);
}

static void on_bookmark(void *arg)
{
    struct watcher *w = arg;
    w->bookmark_due = true;
    loop_timer_set(&w->bookmark_timer, clock_mono_us() + BOOKMARK_US);
    http_wake(w->x);
}

static void on_end(void *arg)
{
    struct watcher *w = arg;
    w->is_over = true;
    http_wake(w->x);
}

static void watcher_free(void *arg)
{
    struct watcher *w = arg;
    list_remove(&w->link);
    loop_timer_fini(&w->bookmark_timer);
    loop_timer_fini(&w->end_timer);
    watch_close(w->watch);
    store_pin_free(w->pin);
    selection_fini(&w->selection);
    free(w->ns);
    free(w);
}

/* ---- events as lines ---- */

static void put_event(struct watcher *w, const char *type, const struct object *obj,
                      uint64_t revision, struct buf_out *out)
{
    buf_printf(out, "{\"type\":\"%s\",\"object\":", type);
    if (w->has_columns)
        event_cache_render(w->api->events, &w->render, obj, revision, out);
    else
        render_alone(&w->render, obj, revision, true, out);
    buf_puts(out, "}\n");
    w->has_columns = true;
}

static void put_bookmark(struct watcher *w, uint64_t revision, bool end_of_initial,
                         struct buf_out *out)
{
    static const char mark[] = ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}";
    const char *note = end_of_initial ? mark : "";
    w->bookmark_due = false;
    if (w->render.variant == ACCEPT_TABLE)
        buf_printf(out,
                   "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Table\",\"apiVersion\":"
                   "\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"},"
                   "\"columnDefinitions\":[],\"rows\":[{\"cells\":[],\"object\":{\"kind\":"
                   "\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{"
                   "\"resourceVersion\":\"%" PRIu64 "\"%s}}}]}}\n",
                   revision, revision, note);
    else if (w->render.variant == ACCEPT_PARTIAL)
        buf_printf(out,
                   "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"PartialObjectMetadata\","
                   "\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\"%" PRIu64
                   "\"%s}}}\n",
                   revision, note);
    else
        buf_printf(out,
                   "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\","
                   "\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"%s}}}\n",
                   w->render.res->kind_name, w->render.res->api_version, revision, note);
}

static void put_error(const struct watcher *w, struct buf_out *out)
{
    buf_puts(out, "{\"type\":\"ERROR\",\"object\":");
    (void)status_write_err(out, &w->error, NULL);
    out->data[out->len - 1] = '}'; /* in place of the newline */
    buf_putc(out, '\n');
}

static bool is_wanted(const struct watcher *w, const struct object *obj)
{
    return (!w->ns || strcmp(obj->ns, w->ns) == 0) && selection_matches(&w->selection, obj);
}

/* A35: what a change means to one who sees only the matching objects. */
static void put_change(struct watcher *w, const struct store_event *ev, struct buf_out *out)
{
    switch (ev->type) {
    case EVENT_ADDED:
        if (is_wanted(w, ev->object))
            put_event(w, "ADDED", ev->object, ev->revision, out);
        break;
    case EVENT_DELETED:
        if (is_wanted(w, ev->object))
            put_event(w, "DELETED", ev->object, ev->revision, out);
        break;
    case EVENT_MODIFIED: {
        bool was = is_wanted(w, ev->before), is = is_wanted(w, ev->object);
        if (is)
            put_event(w, was ? "MODIFIED" : "ADDED", ev->object, ev->revision, out);
        else if (was)
            put_event(w, "DELETED", ev->before, ev->revision, out);
        break;
    }
    }
}

/* Endpoints: a change of a slice is a change of the mirror of its Service. */
static void put_endpoints_gone(struct watcher *w, const struct object *slice, uint64_t revision,
                               struct buf_out *out)
{
    struct buf_out text;
    buf_out_init(&text);
    buf_puts(&text, "{\"kind\":\"Endpoints\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":");
    buf_put_json(&text, slice_view(slice)->service);
    buf_puts(&text, ",\"namespace\":");
    buf_put_json(&text, slice->ns);
    buf_printf(&text, ",\"resourceVersion\":\"%" PRIu64 "\"}}", revision);
    buf_puts(out, "{\"type\":\"DELETED\",\"object\":");
    if (w->render.variant == ACCEPT_JSON)
        buf_put(out, text.data, text.len);
    else
        buf_printf(out,
                   "{\"kind\":\"%s\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{"
                   "\"resourceVersion\":\"%" PRIu64 "\"}%s%s%s}",
                   w->render.variant == ACCEPT_TABLE ? "Table" : "PartialObjectMetadata", revision,
                   w->render.variant == ACCEPT_TABLE ? ",\"columnDefinitions\":[],\"rows\":[{"
                                                       "\"cells\":[\"\",\"\",\"\"],\"object\":"
                                                     : "",
                   w->render.variant == ACCEPT_TABLE ? text.data : "",
                   w->render.variant == ACCEPT_TABLE ? "}]" : "");
    buf_puts(out, "}\n");
    buf_out_fini(&text);
}

static size_t slices_of(const struct store_view *view, const struct object *slice)
{
    struct index_cursor cur;
    char term[INDEX_TERM_MAX];
    size_t count = 0;
    index_service(term, slice->ns, slice_view(slice)->service);
    for (index_seek(&cur, view, KIND_SLICE, term); cur.object && count < 2; index_next(&cur))
        count++;
    return count;
}

static void put_endpoints_change(struct watcher *w, const struct store_event *ev,
                                 struct buf_out *out)
{
    const char *name = slice_view(ev->object)->service;
    if (!*name || (w->ns && strcmp(ev->object->ns, w->ns) != 0))
        return;
    const struct object *service = view_find(&w->render.view, KIND_SERVICE, ev->object->ns, name);
    size_t count = slices_of(&w->render.view, ev->object);
    if (service && !is_wanted(w, service))
        return;
    if (service && count)
        put_event(w, ev->type == EVENT_ADDED && count == 1 ? "ADDED" : "MODIFIED", service,
                  ev->revision, out);
    else if (ev->type == EVENT_DELETED && w->selection.is_whole)
        put_endpoints_gone(w, ev->object, ev->revision, out);
}

/* ---- the stream ---- */

/* The state at the start, as ADDED events. True when it is complete. */
static bool pull_initial(struct watcher *w, struct buf_out *out)
{
    for (unsigned n = 0; n < STEP_EVENTS && out->len < HTTP_PULL_BYTES; n++) {
        const struct object *obj = w->cur.object;
        if (!obj) {
            if (w->sends_end_mark)
                put_bookmark(w, w->initial_revision, true, out);
            store_pin_free(TAKE(w->pin));
            w->phase = PHASE_LIVE;
            return true;
        }
        if (selection_matches(&w->selection, obj) && render_exists(&w->render, obj))
            put_event(w, "ADDED", obj, obj->mod_revision, out);
        walk_next(&w->cur);
    }
    return false;
}

static enum http_pull pull_live(struct watcher *w, struct buf_out *out)
{
    w->render.view = store_applied(w->api->store); /* what is shown beside the object is of now */
    for (unsigned n = 0; n < STEP_EVENTS && out->len < HTTP_PULL_BYTES; n++) {
        bool gone = false;
        const struct store_event *ev = watch_next(w->watch, &gone);
        if (gone)
            return HTTP_PULL_CUT;
        if (ev && w->render.res->form == RESOURCE_ENDPOINTS) {
            put_endpoints_change(w, ev, out);
        } else if (ev) {
            put_change(w, ev, out);
        } else {
            if (w->bookmarks && (w->bookmark_due || w->is_over))
                put_bookmark(w, watch_revision(w->watch), false, out);
            return w->is_over ? HTTP_PULL_END : HTTP_PULL_WAIT;
        }
    }
    return HTTP_PULL_MORE;
}

static enum http_pull watcher_pull(void *arg, struct buf_out *out)
{
    struct watcher *w = arg;
    switch (w->phase) {
    case PHASE_ERROR:
        put_error(w, out);
        return HTTP_PULL_END;
    case PHASE_INITIAL:
        if (w->pin && !store_pin_view(w->pin, &w->render.view))
            return HTTP_PULL_CUT;
        if (!pull_initial(w, out))
            return HTTP_PULL_MORE;
        return pull_live(w, out);
    case PHASE_LIVE:
        return pull_live(w, out);
    }
    return HTTP_PULL_CUT;
}

static void begin_initial(struct watcher *w, struct api_request *r)
{
    w->phase = PHASE_INITIAL;
    w->pin = store_pin_new(r->api->store);
    w->initial_revision = w->render.view.revision;
    walk_begin(&w->cur, &w->render.view, api_walked_kind(w->render.res), w->ns,
               &w->selection.fields, "");
}

static int watcher_open(struct watcher *w, struct api_request *r, struct err *e)
{
    const struct api_query *q = &r->q;
    uint64_t now = w->render.view.revision, from = now;
    bool from_version = q->has_version && q->version > 0;
    if (from_version && (!q->has_initial || !q->send_initial || q->version > now))
        from = q->version;
    int rc = watch_open(r->api->store, r->route.resource->kind->id, from, on_wake, w, &w->watch, e);
    if (rc == ERR_GONE) {
        w->phase = PHASE_ERROR;
        w->error = *e;
        return 0;
    }
    if (rc < 0)
        return rc;
    w->phase = PHASE_LIVE;
    w->sends_end_mark = q->has_initial && q->send_initial;
    bool wants_state = q->has_initial ? q->send_initial : !from_version;
    if (wants_state)
        begin_initial(w, r);
    return 0;
}

static void start_timers(struct watcher *w, const struct api_query *q)
{
    int64_t now = clock_mono_us(), seconds = q->timeout_s;
    if (seconds <= 0)
        seconds = TIMEOUT_DEFAULT_S + (int64_t)random_below(TIMEOUT_DEFAULT_S);
    if (seconds > 86400)
        seconds = 86400;
    loop_timer_set(&w->end_timer, now + seconds * 1000000);
    /* Not all at once after a restart. */
    if (w->bookmarks)
        loop_timer_set(&w->bookmark_timer,
                       now + BOOKMARK_US / 2 + (int64_t)random_below((uint64_t)BOOKMARK_US / 2));
}

void watch_start(struct api_request *r)
{
    struct err e = {0};
    struct api_server *api = r->api;
    struct watcher *w = xcalloc(1, sizeof *w);
    w->api = api;
    w->x = r->x;
    w->bookmarks = r->q.bookmarks;
    w->ns = r->route.resource->namespaced && !*r->route.ns ? NULL : xstrdup(r->route.ns);
    w->render = (struct render){.res = r->route.resource,
                                .variant = r->variant,
                                .include = r->q.include,
                                .view = store_applied(api->store)};
    list_push_back(&api->watchers, &w->link);
    loop_timer_init(&w->bookmark_timer, api->loop, on_bookmark, w);
    loop_timer_init(&w->end_timer, api->loop, on_end, w);
    int rc = selection_parse(r, &w->selection, &e);
    if (rc == 0)
        rc = watcher_open(w, r, &e);
    if (rc < 0) {
        watcher_free(w);
        api_reply_err(r, &e);
        return;
    }
    start_timers(w, &r->q);
    const struct http_stream stream = {
        .pull = watcher_pull, .closed = watcher_free, .arg = w, .is_watch = true};
    const char *type = accept_content_type((enum accept_variant)r->variant);
    api_count(r, 200);
    buf_out_fini(&r->warnings);
    http_reply_stream(r->x, &(struct http_reply){.status = 200, .content_type = type}, &stream);
}
