/* controller/api/rest.c - requests to registry verbs, and their outcomes to replies.
 *
 * A write is a function from the present object to the next: it runs on the head, is staged, and is
 * answered when the turn that committed it says so. A unit that lost a race is run again on the
 * newer object (A18). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "controller/api/api.h"
#include "controller/api/body.h"
#include "controller/api/walk.h"
#include "controller/registry/patch.h"

#define TRIES_MAX       5
#define DELETE_BATCH    128
#define DNS_POLL_US     500
#define DNS_DEADLINE_US 10000000

/* ---- reads ---- */

static enum subresource sub_of(const struct api_request *r)
{
    if (!r->route.sub)
        return SUB_NONE;
    if (strcmp(r->route.sub, "status") == 0)
        return SUB_STATUS;
    return strcmp(r->route.sub, "scale") == 0 ? SUB_SCALE : SUB_FINALIZE;
}

static int not_found(const struct api_request *r, const char *name, struct err *e)
{
    const struct resource *res = r->route.resource;
    return err_set(e, ERR_NOT_FOUND, "%s%s%s \"%s\" not found", res->name, *res->group ? "." : "",
                   res->group, name);
}

void rest_get(struct api_request *r)
{
    struct err e = {0};
    struct store_view view = store_applied(r->api->store);
    if (r->q.has_version && r->q.version > view.revision) {
        err_cause(&e, CAUSE_RESOURCE_VERSION_TOO_LARGE, "", "Too large resource version");
        e.retry_after_s = 1;
        err_set(&e, ERR_TIMEOUT, "Too large resource version: %" PRIu64 ", current: %" PRIu64,
                r->q.version, view.revision);
        api_reply_err(r, &e);
        return;
    }
    const struct object *obj =
        view_find(&view, api_walked_kind(r->route.resource), r->route.ns, r->route.name);
    if (!obj || (r->route.resource->form == RESOURCE_ENDPOINTS && !endpoints_exist(&view, obj))) {
        not_found(r, r->route.name, &e);
        api_reply_err(r, &e);
        return;
    }
    api_reply_object(r, 200, obj, obj->mod_revision);
}

/* ---- one write ---- */

struct write {
    struct api_request *r; /* gone with the reply */
    struct api_server *api;
    cJSON *body;          /* owned; NULL for a DELETE without one */
    bool is_body_spent;   /* the verb took it: another try reads it again */
    const char *new_name; /* that the body of a create asks for; in the request's arena */
    enum body_form form;
    struct body_twice twice;
    struct verb_key key;
    enum subresource sub;
    struct delete_opts del;
    bool is_action; /* binding, eviction: answered with a Status */
    unsigned tries;
    bool is_staged;        /* the verb itself had no objection */
    struct object *result; /* owned reference */
    bool gone;
    uint64_t revision;
    struct object **items; /* deletecollection: owned references */
    size_t item_count, next;
    struct loop_timer dns_timer;
    int64_t dns_deadline_us;
};

static void write_free(struct write *w)
{
    struct api_server *api = w->api;
    cJSON_Delete(w->body);
    object_unref(w->result);
    for (size_t i = 0; i < w->item_count; i++)
        object_unref(w->items[i]);
    free(w->items);
    loop_timer_fini(&w->dns_timer);
    free(w);
    api->pending--;
    if (api->is_dead && api->pending == 0)
        free(api);
}

static void write_fail(struct write *w, const struct err *e)
{
    struct route *route = &w->r->route;
    if (!route->name && (e->code == ERR_INVALID || e->code == ERR_EXISTS))
        route->name = w->new_name; /* details are about the object that was to be created */
    api_reply_err(w->r, e);
    write_free(w);
}

/* ---- the body ---- */

static int read_body(struct write *w, struct err *e)
{
    const struct api_request *r = w->r;
    w->is_body_spent = false;
    int rc = body_read(&r->x->request, r->verb == VERB_PATCH, &w->twice, &w->form, &w->body, e);
    if (rc == 0 && (r->verb == VERB_CREATE || r->verb == VERB_UPDATE) && cJSON_IsObject(w->body) &&
        r->route.resource->form == RESOURCE_EVENTS_V1)
        event_from_v1(w->body);
    return rc;
}

/* Hands the body on: most writes need one try, and a copy costs as much as reading it again. */
static cJSON *take_body(struct write *w)
{
    if (!w->new_name)
        w->new_name =
            arena_strdup(&w->r->x->arena, json_str(json_get(w->body, "metadata"), "name", ""));
    w->is_body_spent = true;
    return TAKE(w->body);
}

/* ---- changes: from the present tree to the next ---- */

static void take_content(cJSON *tree, cJSON *from)
{
    while (tree->child)
        cJSON_Delete(cJSON_DetachItemViaPointer(tree, tree->child));
    tree->child = from->child;
    from->child = NULL;
    cJSON_Delete(from);
}

static int apply_patch(const struct write *w, cJSON **target, struct err *e)
{
    switch (w->form) {
    case BODY_JSON_PATCH:
        return patch_json(target, w->body, e);
    case BODY_MERGE_PATCH:
        if (!cJSON_IsObject(w->body)) /* RFC 7386 would put it in the object's place */
            return err_set(e, ERR_MALFORMED,
                           "error decoding patch: a merge patch must be an object");
        return patch_merge(target, w->body, e);
    case BODY_STRATEGIC_PATCH:
        /* A Scale has no lists: both merges are the same. */
        if (w->sub == SUB_SCALE)
            return patch_merge(target, w->body, e);
        return patch_strategic(w->r->route.resource->kind, target, w->body, e);
    case BODY_OBJECT:
        break;
    }
    return err_set(e, ERR_INTERNAL, "not a patch");
}

static int change_patch(cJSON *tree, void *arg, struct err *e)
{
    const struct write *w = arg;
    bool dressed = w->r->route.resource->form == RESOURCE_EVENTS_V1;
    cJSON *next = cJSON_Duplicate(tree, true);
    if (dressed)
        event_to_v1(next);
    int rc = apply_patch(w, &next, e);
    if (rc == 0 && !cJSON_IsObject(next))
        rc = err_set(e, ERR_INVALID, "the patch leaves no object");
    if (rc < 0) {
        cJSON_Delete(next);
        return rc;
    }
    if (dressed)
        event_from_v1(next);
    take_content(tree, next);
    return 0;
}

static int change_put(cJSON *tree, void *arg, struct err *e)
{
    struct write *w = arg;
    (void)e;
    take_content(tree, take_body(w));
    return 0;
}

/* ---- running ---- */

static int run_create(struct write *w, const struct verb *v, struct err *e)
{
    struct api_request *r = w->r;
    const struct kind *kind = r->route.resource->kind;
    if (r->route.resource->form == RESOURCE_BINDING)
        return verb_bind(v, w->key.ns, w->key.name, w->body, e);
    if (r->route.sub && strcmp(r->route.sub, "binding") == 0)
        return verb_bind(v, w->key.ns, w->key.name, w->body, e);
    if (r->route.sub && strcmp(r->route.sub, "eviction") == 0)
        return verb_evict(v, w->key.ns, w->key.name, w->body, e);
    cJSON *body = take_body(w); /* the verb fills it in */
    int rc = verb_create(v, kind->id, w->key.ns, body, &w->result, e);
    cJSON_Delete(body);
    return rc;
}

static int run_collection(struct write *w, const struct verb *v, struct err *e)
{
    size_t end = w->next + DELETE_BATCH < w->item_count ? w->next + DELETE_BATCH : w->item_count;
    bool is_bound = w->del.uid || w->del.resource_version; /* by the client's preconditions */
    for (size_t i = w->next; i < end; i++) {
        const struct object *item = w->items[i];
        struct verb_key key = {.kind = item->kind->id, .ns = item->ns, .name = item->name};
        struct delete_opts del = w->del;
        struct object *out = NULL;
        bool gone = false;
        if (!del.uid)
            del.uid = item->uid; /* not what has taken its name since */
        del.confirms_nothing = true;
        int rc = verb_delete(v, &key, &del, &out, &gone, e);
        object_unref(out);
        if (rc < 0 && rc != ERR_NOT_FOUND && (rc != ERR_CONFLICT || is_bound))
            return rc;
    }
    return 0;
}

static int run_verb(struct write *w, const struct verb *v, struct err *e)
{
    object_unref(TAKE(w->result));
    w->gone = false;
    switch (w->r->verb) {
    case VERB_CREATE:
        return run_create(w, v, e);
    case VERB_UPDATE:
        return verb_update(v, &w->key, w->sub, change_put, w, &w->result, e);
    case VERB_PATCH:
        return verb_update(v, &w->key, w->sub, change_patch, w, &w->result, e);
    case VERB_DELETE:
        return verb_delete(v, &w->key, &w->del, &w->result, &w->gone, e);
    case VERB_DELETE_COLLECTION:
        return run_collection(w, v, e);
    case VERB_GET:
    case VERB_LIST:
    case VERB_WATCH:
    case VERB_NONE:
        break;
    }
    return err_set(e, ERR_INTERNAL, "not a write");
}

static void on_done(void *arg, enum store_outcome outcome, uint64_t revision, const struct err *e);
static void write_reply(struct write *w);

/* Runs the verb and stages what it wrote: 0 when on_done will be called or the reply was given,
 * else the error. */
static int write_once(struct write *w, struct err *e)
{
    struct api_request *r = w->r;
    struct verb v = {.reg = r->api->reg,
                     .unit = store_unit_new(r->api->store),
                     .role = r->who.role,
                     .node = r->who.node,
                     .replaces = r->verb == VERB_UPDATE,
                     .dry_run = r->q.dry_run,
                     .validation = r->q.validation,
                     .twice = w->twice.path,
                     .warn = api_warn,
                     .warn_arg = r};
    w->tries++;
    w->is_staged = false;
    r->warnings.len = 0;
    int rc = w->is_body_spent ? read_body(w, e) : 0;
    v.twice_count = w->twice.count;
    if (rc == 0)
        rc = run_verb(w, &v, e);
    if (rc < 0 || r->q.dry_run) {
        store_unit_free(v.unit);
        if (rc == 0)
            write_reply(w);
        return rc;
    }
    w->is_staged = true;
    return store_unit_stage(v.unit, on_done, w, e);
}

static void write_try(struct write *w)
{
    struct err e = {0};
    int rc;
    do {
        e = (struct err){0};
        rc = write_once(w, &e);
    } while (rc == ERR_CONFLICT && w->is_staged && w->tries < TRIES_MAX);
    if (rc < 0)
        write_fail(w, &e);
}

/* ---- outcomes ---- */

static void reply_collection(struct write *w)
{
    struct api_request *r = w->r;
    const struct render render = {
        .res = r->route.resource, .variant = ACCEPT_JSON, .view = store_applied(r->api->store)};
    struct buf_out body;
    buf_out_init(&body);
    render_list_head(&render, &body);
    for (size_t i = 0; i < w->item_count; i++) {
        if (i)
            buf_putc(&body, ',');
        render_item(&render, w->items[i], w->items[i]->mod_revision, &body);
    }
    render_list_tail(&(struct list_end){.revision = render.view.revision, .remaining = -1}, &body);
    api_reply(r, 200, "application/json", &body);
}

static void reply_success(struct write *w, int status, const char *uid)
{
    struct status_of of = api_status_of(w->r);
    struct buf_out body;
    of.name = w->key.name;
    of.uid = uid;
    buf_out_init(&body);
    status_write_success(&body, &of);
    api_reply(w->r, status, "application/json", &body);
}

/* The object as applied; what a later unit of the same turn made of it if it is still the same one.
 */
static void reply_result(struct write *w)
{
    struct api_request *r = w->r;
    const struct object *obj = w->result;
    CHECK(obj);
    struct store_view view = store_applied(r->api->store);
    const struct object *now = view_find(&view, obj->kind->id, obj->ns, obj->name);
    uint64_t revision = obj->mod_revision ? obj->mod_revision : w->revision;
    if (now && strcmp(now->uid, obj->uid) == 0) {
        obj = r->q.dry_run ? obj : now;
        revision = now->mod_revision;
    }
    api_reply_object(r, r->verb == VERB_CREATE ? 201 : 200, obj, revision);
}

static void write_reply(struct write *w)
{
    if (w->r->verb == VERB_DELETE_COLLECTION)
        reply_collection(w);
    else if (w->is_action)
        reply_success(w, 201, NULL);
    else if (w->gone)
        reply_success(w, 200, w->result->uid);
    else
        reply_result(w);
    write_free(w);
}

/* K-FRESH, ?waitForDNS=true: the reply waits until every worker answers from a version with this
 * revision. */
static void on_dns_poll(void *arg)
{
    struct write *w = arg;
    struct api_server *api = w->r->api;
    int64_t now = clock_mono_us();
    if (api->is_dead || !api->dns_has || api->dns_has(api->dns_arg, w->revision)) {
        write_reply(w);
    } else if (now >= w->dns_deadline_us) {
        struct err e = {0};
        err_set(&e, ERR_TIMEOUT,
                "committed at revision %" PRIu64 ", but not every DNS worker answers from it yet",
                w->revision);
        write_fail(w, &e);
    } else {
        loop_timer_set(&w->dns_timer, now + DNS_POLL_US);
    }
}

static void write_committed(struct write *w, uint64_t revision)
{
    w->revision = revision;
    if (w->r->verb == VERB_DELETE_COLLECTION && (w->next += DELETE_BATCH) < w->item_count) {
        w->tries = 0;
        write_try(w);
        return;
    }
    if (!w->r->q.wait_for_dns) {
        write_reply(w);
        return;
    }
    w->dns_deadline_us = clock_mono_us() + DNS_DEADLINE_US;
    on_dns_poll(w);
}

static void on_done(void *arg, enum store_outcome outcome, uint64_t revision, const struct err *e)
{
    struct write *w = arg;
    struct err own = {0};
    switch (outcome) {
    case STORE_COMMITTED:
        write_committed(w, revision);
        return;
    case STORE_CONFLICT:
        if (w->tries < TRIES_MAX && !w->r->api->is_dead) {
            write_try(w);
            return;
        }
        err_set(&own, ERR_CONFLICT,
                "Operation cannot be fulfilled on %s \"%s\": the object has been modified; please "
                "apply your changes to the latest version and try again",
                w->r->route.resource->name, w->key.name ? w->key.name : "");
        break;
    case STORE_FAILED:
        if (e)
            own = *e;
        else
            err_set(&own, ERR_INTERNAL, "the write failed");
        break;
    case STORE_UNKNOWN:
        err_set(&own, e ? e->code : ERR_TIMEOUT,
                "the store does not say whether the write was committed%s%.1500s", e ? ": " : "",
                e ? e->text : "");
        break;
    }
    write_fail(w, &own);
}

/* ---- preparing ---- */

static int take_dry_run(struct api_request *r, const cJSON *opts, struct err *e)
{
    const cJSON *list = json_get(opts, "dryRun"), *item;
    cJSON_ArrayForEach(item, list)
    {
        const char *value = cJSON_IsString(item) ? item->valuestring : "";
        if (strcmp(value, "All") != 0)
            return err_set(e, ERR_MALFORMED,
                           "dryRun: Unsupported value: \"%s\": supported values: \"All\"", value);
        r->q.dry_run = true;
    }
    return 0;
}

static int prepare_delete(struct write *w, struct err *e)
{
    struct api_request *r = w->r;
    w->del = r->q.del;
    if (!w->body)
        return 0;
    struct delete_opts del = {0};
    int rc = delete_opts_parse(w->body, &del, e);
    if (rc < 0)
        return rc;
    if (!del.has_grace && r->q.del.has_grace) {
        del.has_grace = true;
        del.grace_s = r->q.del.grace_s;
    }
    if (del.propagation == PROPAGATE_DEFAULT)
        del.propagation = r->q.del.propagation;
    w->del = del;
    return take_dry_run(r, w->body, e);
}

static int collect(struct write *w, struct err *e)
{
    struct api_request *r = w->r;
    struct selection selection;
    struct store_view view = store_applied(r->api->store);
    struct walk cur;
    size_t cap = 0;
    int rc = selection_parse(r, &selection, e);
    if (rc < 0)
        return rc;
    const char *ns = r->route.resource->namespaced && !*r->route.ns ? NULL : r->route.ns;
    for (walk_begin(&cur, &view, r->route.resource->kind->id, ns, &selection.fields, "");
         cur.object; walk_next(&cur)) {
        if (!selection_matches(&selection, cur.object))
            continue;
        if (w->item_count == cap)
            w->items = xrealloc(w->items, (cap = cap ? cap * 2 : 64) * sizeof(*w->items));
        w->items[w->item_count++] = object_ref(cur.object);
        if (r->q.limit > 0 && w->item_count == (size_t)r->q.limit)
            break;
    }
    selection_fini(&selection);
    return 0;
}

/* bindings are posted to the collection and name their pod in metadata. */
static int prepare_action(struct write *w, struct err *e)
{
    struct api_request *r = w->r;
    w->is_action = r->route.sub != NULL || r->route.resource->form == RESOURCE_BINDING;
    if (!w->is_action)
        return 0;
    if (!r->route.name)
        w->key.name = json_str(json_get(w->body, "metadata"), "name", "");
    if (!*w->key.name)
        return err_set(e, ERR_MALFORMED, "name is required");
    return take_dry_run(r, json_get(w->body, "deleteOptions"), e);
}

static int prepare(struct write *w, struct err *e)
{
    struct api_request *r = w->r;
    w->key = (struct verb_key){
        .kind = r->route.resource->kind->id, .ns = r->route.ns, .name = r->route.name};
    w->sub = sub_of(r);
    int rc = read_body(w, e);
    if (rc < 0)
        return rc;
    switch (r->verb) {
    case VERB_DELETE:
        return prepare_delete(w, e);
    case VERB_DELETE_COLLECTION:
        rc = prepare_delete(w, e);
        return rc < 0 ? rc : collect(w, e);
    case VERB_CREATE:
    case VERB_UPDATE:
    case VERB_PATCH:
        if (!w->body)
            return err_set(e, ERR_MALFORMED, "the request has no body");
        if (r->verb != VERB_PATCH && !cJSON_IsObject(w->body))
            return err_set(e, ERR_MALFORMED, "the body of the request is not an object");
        return r->verb == VERB_CREATE ? prepare_action(w, e) : 0;
    case VERB_GET:
    case VERB_LIST:
    case VERB_WATCH:
    case VERB_NONE:
        break;
    }
    return err_set(e, ERR_INTERNAL, "not a write");
}

void rest_write(struct api_request *r)
{
    struct err e = {0};
    struct write *w = xcalloc(1, sizeof *w);
    w->r = r;
    w->api = r->api;
    w->twice.arena = &r->x->arena;
    r->api->pending++;
    loop_timer_init(&w->dns_timer, r->api->loop, on_dns_poll, w);
    if (prepare(w, &e) < 0) {
        write_fail(w, &e);
    } else if (r->verb == VERB_PATCH && api_query_check_patch(&r->q, &e) < 0) {
        api_reply_bad_query(r, &e);
        write_free(w);
    } else {
        write_try(w);
    }
}
