/* controller/api/list.c - lists: one snapshot, pages from the same snapshot, and a cursor that
 * advances when the client has read, so that a list of any length holds neither the loop nor memory
 * (api.md section 4). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "controller/api/api.h"
#include "controller/api/token.h"
#include "controller/api/walk.h"

#define STEP_OBJECTS 1024                     /* looked at in one pull */
#define TABLE_BYTES  (HTTP_PULL_BYTES / 4)    /* a row costs more time than its bytes tell */
#define PIN_AGE_US   ((int64_t)300 * 1000000) /* as long as upstream keeps a revision */
#define EXPIRED_TEXT                                                                               \
    "The provided continue parameter is too old to display a consistent list result. You can "     \
    "start a new list without the continue parameter, or use the continue token in this response " \
    "to retrieve the remainder of the results. Continuing with the provided token results in an "  \
    "inconsistent list - objects that were created, modified, or deleted between the time the "    \
    "first chunk was returned and now may show up in the list."

/* ---- snapshots that pages continue from ---- */

struct page_pin {
    unsigned refs; /* the server's table, and every running list */
    uint64_t revision;
    int64_t used_us;
    struct store_pin *pin;
};

static void pin_unref(struct page_pin *p)
{
    if (!p || --p->refs)
        return;
    store_pin_free(p->pin);
    free(p);
}

void list_pins_free(struct api_server *api)
{
    for (size_t i = 0; i < ARRAY_SIZE(api->pins); i++)
        pin_unref(TAKE(api->pins[i]));
}

/* The kept snapshot of a revision, or NULL; forgets those that are too old or that the store has
 * broken. */
static struct page_pin *pin_find(struct api_server *api, uint64_t revision, struct store_view *out)
{
    int64_t now = clock_mono_us();
    struct page_pin *found = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(api->pins); i++) {
        struct page_pin *p = api->pins[i];
        struct store_view view;
        if (!p)
            continue;
        if (now - p->used_us > PIN_AGE_US || !store_pin_view(p->pin, &view)) {
            pin_unref(TAKE(api->pins[i]));
        } else if (p->revision == revision) {
            p->used_us = now;
            *out = view;
            found = p;
        }
    }
    return found;
}

static struct page_pin **pin_slot(struct api_server *api, const struct page_pin *p)
{
    size_t i = 0;
    while (api->pins[i] != p)
        i++;
    return &api->pins[i];
}

/* A free place, or that of the snapshot nobody has used for longest. */
static struct page_pin **pin_place(struct api_server *api)
{
    struct page_pin **oldest = &api->pins[0];
    for (size_t i = 0; i < ARRAY_SIZE(api->pins) && *oldest; i++)
        if (!api->pins[i] || api->pins[i]->used_us < (*oldest)->used_us)
            oldest = &api->pins[i];
    return oldest;
}

/* The snapshot of a revision that is kept already or is the applied one. While it is the applied
 * one a place is taken anew: who begins a list then has as long as anybody. Lists that still run
 * keep the snapshot they have. */
static struct page_pin *pin_keep(struct api_server *api, uint64_t revision)
{
    struct store_view view;
    struct page_pin *p = pin_find(api, revision, &view);
    if (store_applied(api->store).revision != revision)
        return p;
    struct page_pin **place = p ? pin_slot(api, p) : pin_place(api);
    pin_unref(*place);
    p = xcalloc(1, sizeof *p);
    p->refs = 1;
    p->revision = revision;
    p->used_us = clock_mono_us();
    p->pin = store_pin_new(api->store);
    *place = p;
    return p;
}

/* ---- selections ---- */

int selection_parse(const struct api_request *r, struct selection *out, struct err *e)
{
    const struct kind *kind = r->route.resource->kind;
    *out = (struct selection){.is_whole = !*r->q.labels && !*r->q.fields && !r->route.name};
    int rc = selector_parse(r->q.labels, &out->labels, e);
    if (rc == 0 && r->route.name) {
        char *text = arena_printf(&r->x->arena, "metadata.name=%s%s%s", r->route.name,
                                  *r->q.fields ? "," : "", r->q.fields);
        rc = field_selector_parse(kind, text, &out->fields, e);
    } else if (rc == 0) {
        rc = field_selector_parse(kind, r->q.fields, &out->fields, e);
    }
    if (rc < 0)
        selection_fini(out);
    return rc;
}

void selection_fini(struct selection *s)
{
    selector_fini(&s->labels);
    selector_fini(&s->fields);
    *s = (struct selection){0};
}

bool selection_matches(const struct selection *s, const struct object *obj)
{
    return selector_matches(&s->labels, obj->labels, obj->label_count) &&
           field_selector_matches(&s->fields, obj);
}

enum kind_id api_walked_kind(const struct resource *res)
{
    return res->form == RESOURCE_ENDPOINTS ? KIND_SERVICE : res->kind->id;
}

/* ---- the cursor ---- */

enum phase { PHASE_ITEMS, PHASE_COUNT, PHASE_TAIL };

struct lister {
    struct api_server *api;
    struct render render;
    struct selection selection;
    struct page_pin *pin; /* only while it is streamed */
    struct walk cur;
    char ns[256], after[OBJECT_KEY_MAX + 1]; /* after: key of the last item written or passed */
    bool all_namespaces;
    enum phase phase;
    uint64_t revision;
    int64_t limit, written;
    int64_t left;         /* counted or taken from the token; -1: unknown */
    bool more;            /* the page is full and more follow */
    struct buf_out early; /* written before the stream began */
};

static void lister_seek(struct lister *l)
{
    walk_begin(&l->cur, &l->render.view, api_walked_kind(l->render.res),
               l->all_namespaces ? NULL : l->ns, &l->selection.fields, l->after);
}

static void lister_free(struct lister *l)
{
    selection_fini(&l->selection);
    pin_unref(l->pin);
    buf_out_fini(&l->early);
    free(l);
}

static bool is_listed(const struct lister *l, const struct object *obj)
{
    return selection_matches(&l->selection, obj) && render_exists(&l->render, obj);
}

static void put_item(struct lister *l, const struct object *obj, struct buf_out *out)
{
    if (l->written++)
        buf_putc(out, ',');
    render_item(&l->render, obj, obj->mod_revision, out);
    buf_putc(out, '\n');
    (void)snprintf(l->after, sizeof l->after, "%s", obj->key);
}

static void put_tail(struct lister *l, struct buf_out *out)
{
    struct list_end end = {.revision = l->revision, .remaining = -1};
    char *token = NULL;
    if (l->more) {
        token = list_token_new(l->revision, l->after, l->left);
        end.token = token;
        end.remaining = l->left;
        (void)pin_keep(l->api, l->revision);
    }
    render_list_tail(&end, out);
    free(token);
}

/* The page is full: is there more, and how much? */
static void end_page(struct lister *l)
{
    while (l->cur.object && !is_listed(l, l->cur.object) && l->selection.is_whole)
        walk_next(&l->cur);
    l->more = l->cur.object != NULL;
    bool counted = l->left >= 0;
    if (counted)
        l->left -= l->written;
    else if (l->more && l->selection.is_whole)
        l->left = 0;
    l->phase = l->more && l->selection.is_whole && !counted ? PHASE_COUNT : PHASE_TAIL;
}

/* One bounded step; true when the list is complete. */
static bool lister_step(struct lister *l, struct buf_out *out)
{
    size_t start = out->len;
    size_t most = l->render.variant == ACCEPT_TABLE ? TABLE_BYTES : HTTP_PULL_BYTES;
    for (unsigned n = 0; n < STEP_OBJECTS && out->len - start < most; n++) {
        if (l->phase == PHASE_ITEMS && (!l->cur.object || (l->limit && l->written >= l->limit)))
            end_page(l);
        if (l->phase == PHASE_TAIL || !l->cur.object) {
            put_tail(l, out);
            return true;
        }
        if (l->phase == PHASE_COUNT)
            l->left++;
        else if (is_listed(l, l->cur.object))
            put_item(l, l->cur.object, out);
        walk_next(&l->cur);
    }
    return false;
}

static enum http_pull lister_pull(void *arg, struct buf_out *out)
{
    struct lister *l = arg;
    struct store_view view;
    if (l->early.len) {
        buf_out_fini(out);
        *out = l->early;
        buf_out_init(&l->early);
        return HTTP_PULL_MORE;
    }
    if (!store_pin_view(l->pin->pin, &view))
        return HTTP_PULL_CUT; /* read too slowly: the snapshot is gone */
    return lister_step(l, out) ? HTTP_PULL_END : HTTP_PULL_MORE;
}

static void lister_closed(void *arg)
{
    lister_free(arg);
}

/* Short lists in one reply, long ones as a stream. */
static void lister_run(struct lister *l, struct api_request *r)
{
    const char *type = accept_content_type((enum accept_variant)r->variant);
    if (r->variant == ACCEPT_PARTIAL)
        type = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    render_list_head(&l->render, &l->early);
    lister_seek(l);
    for (unsigned n = 0; n < 8 && l->early.len < WHOLE_BYTES; n++) {
        if (lister_step(l, &l->early)) {
            api_reply(r, 200, type, &l->early);
            lister_free(l);
            return;
        }
    }
    l->pin = pin_keep(l->api, l->revision);
    CHECK(l->pin);
    l->pin->refs++;
    const struct http_stream stream = {.pull = lister_pull, .closed = lister_closed, .arg = l};
    api_count(r, 200);
    buf_out_fini(&r->warnings);
    http_reply_stream(r->x, &(struct http_reply){.status = 200, .content_type = type}, &stream);
}

/* ---- which snapshot ---- */

static void reply_expired(struct api_request *r, const struct list_token *token)
{
    struct buf_out body;
    char *fresh = list_token_new(0, token->after, -1);
    buf_out_init(&body);
    buf_puts(&body, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{\"continue\":");
    buf_put_json(&body, fresh);
    buf_puts(&body, "},\"status\":\"Failure\",\"message\":\"" EXPIRED_TEXT
                    "\",\"reason\":\"Expired\",\"code\":410}\n");
    free(fresh);
    api_reply(r, 410, "application/json", &body);
}

/* 0, an error, or 1 when the reply (410 with a fresh token) was given. */
static int continue_from(struct lister *l, struct api_request *r, struct err *e)
{
    struct list_token token;
    const char *stored = kind_get(api_walked_kind(r->route.resource))->resource;
    if (!list_token_parse(r->q.token, &token))
        return err_set(e, ERR_MALFORMED, "continue key is not valid: encoding error");
    size_t prefix = strlen(stored), ns = strlen(r->route.ns);
    if (strncmp(token.after, stored, prefix) != 0 || token.after[prefix] != '/' ||
        (ns && (strncmp(token.after + prefix + 1, r->route.ns, ns) != 0 ||
                token.after[prefix + 1 + ns] != '/')))
        return err_set(e, ERR_MALFORMED, "continue key is not valid: it is of another list");
    if (token.revision && token.revision != l->revision) {
        if (!pin_find(l->api, token.revision, &l->render.view)) {
            reply_expired(r, &token);
            return 1;
        }
        l->revision = token.revision;
    }
    (void)snprintf(l->after, sizeof l->after, "%s", token.after);
    l->left = token.left;
    return 0;
}

static int at_version(struct lister *l, struct api_request *r, struct err *e)
{
    const struct api_query *q = &r->q;
    if (!q->has_version || q->version == 0)
        return 0;
    if (q->version > l->revision) {
        if (e) {
            e->causes = 0;
            err_cause(e, CAUSE_RESOURCE_VERSION_TOO_LARGE, "", "Too large resource version");
            e->retry_after_s = 1;
        }
        return err_set(e, ERR_TIMEOUT, "Too large resource version: %" PRIu64 ", current: %" PRIu64,
                       q->version, l->revision);
    }
    bool exact = q->match == MATCH_EXACT;
    if (exact && q->version != l->revision) {
        if (!pin_find(l->api, q->version, &l->render.view))
            return err_set(e, ERR_GONE, "too old resource version: %" PRIu64 " (%" PRIu64 ")",
                           q->version, l->revision);
        l->revision = q->version;
    }
    return 0;
}

void list_start(struct api_request *r)
{
    struct err e = {0};
    struct lister *l = xcalloc(1, sizeof *l);
    l->api = r->api;
    l->render = (struct render){.res = r->route.resource,
                                .variant = r->variant,
                                .include = r->q.include,
                                .view = store_applied(r->api->store)};
    l->revision = l->render.view.revision;
    l->limit = r->q.limit > 0 ? r->q.limit : 0;
    l->left = -1;
    l->all_namespaces = r->route.resource->namespaced && !*r->route.ns;
    buf_out_init(&l->early);
    (void)snprintf(l->ns, sizeof l->ns, "%s", r->route.ns);
    int rc = selection_parse(r, &l->selection, &e);
    if (rc == 0)
        rc = at_version(l, r, &e);
    if (rc == 0 && *r->q.token)
        rc = continue_from(l, r, &e);
    if (rc == 0) {
        lister_run(l, r);
        return;
    }
    lister_free(l);
    if (rc < 0)
        api_reply_err(r, &e);
}
