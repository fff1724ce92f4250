/* Clients of the API, without sockets: requests go through controller/api as HTTP does, with its
 * selectors, continue tokens, collections and watch streams (api.md sections 4 to 6).
 *
 * ConfigMaps, which no controller touches, come and go with a label that says which half they are
 * of; one client watches a half, and the pods of one set, by selector; one reads lists in pages. */
#include "base/clock.h"
#include "tests/scenario/sim.h"
#include "tests/scenario/sim_http.h"

#define MAPS 8
#define PAGE 2
#define PINNED_US                                                                                  \
    (300 * SECOND) /* of the first page: continue tokens are good for so long (api.md 4)           \
                    */
#define STREAMS    2
#define MAPS_PATH  "/api/v1/namespaces/default/configmaps"
#define PODS_PATH  "/api/v1/namespaces/default/pods"
#define REPLY_MOST 20000 /* passes of the loop until a reply must be there */

/* Follows what a selector selects, by the events of a stream. */
struct follower {
    const char *path, *key, *value; /* label key=value */
    enum kind_id kind;
    struct call *call;     /* NULL: not connected */
    struct keymap objects; /* name -> resourceVersion */
};

struct sim_api {
    struct api_server *server;
    struct follower followers[STREAMS];
    /* A list that goes on: what its snapshot holds, and how far it was read. */
    struct {
        bool is_open;
        char *token;
        char (*names)[NAME_SIZE * 4];
        uint64_t *revisions;
        size_t count, read;
        int64_t opened_us;
    } page;
};

/* "METHOD /path?query"; body NULL: none. Waits for the reply. */
static int send(struct sim *s, struct call *c, const char *target, const char *type,
                const char *body)
{
    struct err e = {0};
    if (call_send(c, s->api->server, target, type, body, &e) < 0)
        sim_broken(s, "%s is no request: %s", target, e.text);
    for (int i = 0; c->status == 0 && i < REPLY_MOST; i++)
        (void)loop_step(s->w.loop);
    if (c->status == 0)
        sim_broken(s, "%s has no reply", target);
    return c->status;
}

static cJSON *parse(struct sim *s, const char *text, size_t len)
{
    struct err e = {0};
    cJSON *tree = json_parse(text, len, &e);
    if (!tree)
        sim_broken(s, "the API says what is no JSON: %s: %.200s", e.text, text);
    return tree;
}

static bool is_success(int status)
{
    return status >= 200 && status < 300;
}

/* What a client has to expect when commits go wrong: a refusal, and no deed or a whole one. */
static void check_refusal(struct sim *s, const char *target, int status)
{
    bool is_known = status == 404 || status == 409 || status == 422;
    bool is_of_disk = s->had_fault && (status == 500 || status == 503 || status == 504);
    if (!is_known && !is_of_disk)
        sim_broken(s, "%s is answered with %d", target, status);
}

/* ---- ConfigMaps ---- */

static const char *half_of(const struct object *map)
{
    return object_label(map, "half");
}

static void put_map(struct sim *s, const char *name, const char *half)
{
    char target[160], body[256];
    struct call c;
    bool is_there = sim_find(s, KIND_CONFIGMAP, "default", name) != NULL;
    bool is_patch = is_there && sim_one_in(s, 2);
    (void)snprintf(target, sizeof target, "%s " MAPS_PATH "%s%s",
                   is_patch   ? "PATCH"
                   : is_there ? "PUT"
                              : "POST",
                   is_there ? "/" : "", is_there ? name : "");
    (void)snprintf(body, sizeof body,
                   "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"half\":\"%s\"}},"
                   "\"data\":{\"step\":\"%u\"}}",
                   name, half, s->step);
    sim_did(s, "%s half %s", target, half);
    int status =
        send(s, &c, target, is_patch ? "application/merge-patch+json" : "application/json", body);
    call_end(&c);
    const struct object *now = world_find(&s->w, KIND_CONFIGMAP, "default", name);
    if (!is_success(status))
        check_refusal(s, target, status);
    else if (!now || !half_of(now) || strcmp(half_of(now), half) != 0)
        sim_broken(s, "%s was answered with %d, and is not so (K-FRESH)", target, status);
}

static void delete_map(struct sim *s, const char *name)
{
    char target[160];
    struct call c;
    (void)snprintf(target, sizeof target, "DELETE " MAPS_PATH "/%s", name);
    sim_did(s, "%s", target);
    int status = send(s, &c, target, "application/json", NULL);
    call_end(&c);
    if (!is_success(status))
        check_refusal(s, target, status);
    else if (world_find(&s->w, KIND_CONFIGMAP, "default", name))
        sim_broken(s, "%s was answered with %d, and it is there (K-FRESH)", target, status);
}

void sim_do_map(struct sim *s)
{
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof name, "map-%u", (unsigned)sim_below(s, MAPS));
    if (sim_one_in(s, 4) && sim_find(s, KIND_CONFIGMAP, "default", name))
        delete_map(s, name);
    else
        put_map(s, name, sim_one_in(s, 2) ? "a" : "b");
}

/* ---- collections ---- */

static size_t count_half(struct sim *s, const char *half)
{
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    size_t count = 0;
    for (view_seek(&cur, &view, KIND_CONFIGMAP, "default", NULL); cur.object; view_next(&cur))
        count += half_of(cur.object) && strcmp(half_of(cur.object), half) == 0;
    return count;
}

/* What the selector selects goes, all of it, and nothing else (A31). */
static void delete_half(struct sim *s)
{
    struct call c;
    bool is_a = sim_one_in(s, 2);
    const char *half = is_a ? "a" : "b", *other = is_a ? "b" : "a";
    char target[160];
    world_settle(&s->w);
    size_t selected = count_half(s, half), spared = count_half(s, other);
    (void)snprintf(target, sizeof target, "DELETE " MAPS_PATH "?labelSelector=half%%3D%s", half);
    sim_did(s, "%s", target);
    int status = send(s, &c, target, "application/json", NULL);
    cJSON *list = parse(s, c.body.data, c.body.len);
    size_t told = (size_t)cJSON_GetArraySize(json_get(list, "items"));
    cJSON_Delete(list);
    call_end(&c);
    if (!is_success(status))
        check_refusal(s, target, status);
    else if (told != selected || count_half(s, half) != 0)
        sim_broken(s, "%s names %zu of %zu, and %zu are left (A31)", target, told, selected,
                   count_half(s, half));
    if (count_half(s, other) != spared)
        sim_broken(s, "%s left %zu of the %zu others (A31)", target, count_half(s, other), spared);
}

/* The pods of a set at once. */
static void delete_pods(struct sim *s)
{
    const struct cast *c = sim_any_set(s);
    char target[200], term[INDEX_TERM_MAX];
    char(*uids)[UUID_TEXT_SIZE] = xcalloc(64, sizeof *uids);
    size_t count = 0;
    world_settle(&s->w);
    struct store_view view = store_applied(s->w.store);
    struct index_cursor cur;
    index_label(term, c->ns, "app", c->name);
    for (index_seek(&cur, &view, KIND_POD, term); cur.object && count < 64; index_next(&cur)) {
        (void)snprintf(uids[count++], sizeof *uids, "%s", cur.object->uid);
        *keymap_put(&s->asked, cur.object->uid) = s;
    }
    (void)snprintf(target, sizeof target,
                   "DELETE /api/v1/namespaces/%s/pods?labelSelector=app%%3D%s", c->ns, c->name);
    sim_did(s, "%s: %zu", target, count);
    struct call call;
    s->is_asking = true; /* the deed is the user's, also when it is tried again */
    int status = send(s, &call, target, "application/json", NULL);
    s->is_asking = false;
    call_end(&call);
    if (!is_success(status))
        check_refusal(s, target, status);
    view = store_head(s->w.store);
    for (index_seek(&cur, &view, KIND_POD, term); cur.object; index_next(&cur))
        for (size_t i = 0; i < count; i++)
            if (strcmp(uids[i], cur.object->uid) == 0 && !cur.object->deleted_us) {
                if (is_success(status))
                    sim_broken(s, "%s was answered with %d, and %s lives", target, status,
                               cur.object->key);
                (void)keymap_take(&s->asked, uids[i]);
            }
    free(uids);
}

void sim_do_collection(struct sim *s)
{
    if (sim_one_in(s, 3))
        delete_pods(s);
    else
        delete_half(s);
}

/* ---- lists in pages ---- */

static void page_end(struct sim *s)
{
    struct sim_api *a = s->api;
    free(TAKE(a->page.token));
    free(TAKE(a->page.names));
    free(TAKE(a->page.revisions));
    a->page.is_open = false;
    a->page.count = a->page.read = 0;
}

static bool is_listed(const struct object *pod)
{
    const char *app = object_label(pod, "app");
    return app && (strcmp(app, "web") == 0 || strcmp(app, "db") == 0);
}

static void page_begin(struct sim *s)
{
    struct sim_api *a = s->api;
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    size_t most = view_count(&view, KIND_POD) + 1;
    a->page.is_open = true;
    a->page.opened_us = clock_mono_us();
    a->page.names = xcalloc(most, sizeof *a->page.names);
    a->page.revisions = xcalloc(most, sizeof *a->page.revisions);
    for (view_seek(&cur, &view, KIND_POD, "default", NULL); cur.object; view_next(&cur))
        if (is_listed(cur.object)) {
            (void)snprintf(a->page.names[a->page.count], sizeof *a->page.names, "%s",
                           cur.object->name);
            a->page.revisions[a->page.count++] = cur.object->mod_revision;
        }
}

static void check_page(struct sim *s, const cJSON *list)
{
    struct sim_api *a = s->api;
    const cJSON *item;
    size_t count = 0;
    cJSON_ArrayForEach(item, json_get(list, "items"))
    {
        const cJSON *meta = json_get(item, "metadata");
        uint64_t revision = strtoull(json_str(meta, "resourceVersion", ""), NULL, 10);
        size_t at = a->page.read++;
        count++;
        if (at >= a->page.count || strcmp(json_str(meta, "name", ""), a->page.names[at]) != 0 ||
            revision != a->page.revisions[at])
            sim_broken(s, "a page goes on with %s at %llu, not with %s (api.md 4)",
                       json_str(meta, "name", ""), (unsigned long long)revision,
                       at < a->page.count ? a->page.names[at] : "its end");
    }
    const char *token = json_str(json_get(list, "metadata"), "continue", "");
    free(TAKE(a->page.token));
    if (*token && count == PAGE) {
        a->page.token = xstrdup(token);
        return;
    }
    if (*token || a->page.read != a->page.count)
        sim_broken(s, "a list of %zu pods ends after %zu (api.md 4)", a->page.count, a->page.read);
    page_end(s);
}

/* The next page of a list by selector, from the snapshot of its first (api.md 4). */
void sim_do_pages(struct sim *s)
{
    struct sim_api *a = s->api;
    struct call c;
    struct buf_out target;
    if (!a->page.is_open)
        page_begin(s);
    buf_out_init(&target);
    buf_printf(&target, "GET " PODS_PATH "?limit=%d&labelSelector=app%%20in%%20(web,db)", PAGE);
    if (a->page.token)
        buf_printf(&target, "&continue=%s", a->page.token);
    int status = send(s, &c, target.data, "application/json", NULL);
    buf_out_fini(&target);
    int64_t age_us = clock_mono_us() - a->page.opened_us;
    if (status == 410 && a->page.token && age_us >= PINNED_US) {
        sim_did(s, "a continue token is too old");
        page_end(s);
    } else if (status != 200) {
        sim_broken(s, "a page is answered with %d after %lld s (api.md 4)", status,
                   (long long)(age_us / SECOND));
    } else {
        cJSON *list = parse(s, c.body.data, c.body.len);
        check_page(s, list);
        cJSON_Delete(list);
    }
    call_end(&c);
}

/* ---- watches by selector ---- */

static bool is_followed(const struct follower *f, const struct object *obj)
{
    const char *value = object_label(obj, f->key);
    return value && strcmp(value, f->value) == 0;
}

static void hang_up(struct follower *f)
{
    struct call *c = TAKE(f->call);
    if (c)
        call_end(c);
    free(c);
    keymap_fini(&f->objects);
}

static void know(struct follower *f, const char *name, uint64_t revision)
{
    *keymap_put(&f->objects, name) =
        (void *)(uintptr_t)revision; /* NOLINT(performance-no-int-to-ptr) */
}

/* A list, and a watch from its version. */
static void dial(struct sim *s, struct follower *f)
{
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    char target[256];
    for (view_seek(&cur, &view, f->kind, "default", NULL); cur.object; view_next(&cur))
        if (is_followed(f, cur.object))
            know(f, cur.object->name, cur.object->mod_revision);
    f->call = xcalloc(1, sizeof *f->call);
    (void)snprintf(target, sizeof target,
                   "GET %s?watch=1&resourceVersion=%llu&labelSelector=%s%%3D%s", f->path,
                   (unsigned long long)view.revision, f->key, f->value);
    if (send(s, f->call, target, "application/json", NULL) != 200 || !f->call->stream.pull)
        sim_broken(s, "%s is answered with %d", target, f->call->status);
}

/* A35: an object that comes into the selection is ADDED, one that leaves it is DELETED. */
static void take_event(struct sim *s, struct follower *f, const cJSON *event)
{
    const char *type = json_str(event, "type", "");
    const cJSON *meta = json_at(event, "object", "metadata", NULL);
    const char *name = json_str(meta, "name", "");
    bool is_known = keymap_has(&f->objects, name), is_added = strcmp(type, "ADDED") == 0;
    uint64_t revision = strtoull(json_str(meta, "resourceVersion", ""), NULL, 10);
    const char *value = json_str(json_get(meta, "labels"), f->key, "");
    s->events++;
    if (is_added == is_known)
        sim_broken(s, "a watch of %s=%s hears %s of %s, and %s it (A35)", f->key, f->value, type,
                   name, is_known ? "had" : "had not");
    if (revision <= (uintptr_t)keymap_find(&f->objects, name))
        sim_broken(s, "a watch of %s=%s hears %s of %s again (A34)", f->key, f->value, type, name);
    if (strcmp(value, f->value) != 0)
        sim_broken(s, "a watch of %s=%s hears %s of %s, which is %s=%s (A35)", f->key, f->value,
                   type, name, f->key, value);
    if (strcmp(type, "DELETED") == 0)
        (void)keymap_take(&f->objects, name);
    else
        know(f, name, revision);
}

static void take_lines(struct sim *s, struct follower *f)
{
    struct call *c = f->call;
    char *at = c->body.data, *end;
    for (; at && (end = strchr(at, '\n')); at = end + 1) {
        cJSON *event = parse(s, at, (size_t)(end - at));
        take_event(s, f, event);
        cJSON_Delete(event);
    }
    if (at && *at)
        sim_broken(s, "a watch stream stops within an event: %.80s", at);
    buf_out_fini(&c->body);
    buf_out_init(&c->body);
}

/* Until it waits. False when the stream was ended: it was too slow, or its time was over. */
static bool pull(struct sim *s, struct follower *f)
{
    struct call *c = f->call;
    for (;;) {
        struct buf_out piece;
        buf_out_init(&piece);
        enum http_pull pull = c->stream.pull(c->stream.arg, &piece);
        if (piece.len > 0)
            buf_put(&c->body, piece.data, piece.len);
        buf_out_fini(&piece);
        if (pull == HTTP_PULL_END || pull == HTTP_PULL_CUT)
            return false;
        if (pull == HTTP_PULL_WAIT)
            break;
    }
    take_lines(s, f);
    return true;
}

static void compare(struct sim *s, const struct follower *f)
{
    struct store_view view = store_applied(s->w.store);
    struct view_cursor cur;
    size_t count = 0;
    for (view_seek(&cur, &view, f->kind, "default", NULL); cur.object; view_next(&cur)) {
        uint64_t known = (uintptr_t)keymap_find(&f->objects, cur.object->name);
        if (!is_followed(f, cur.object))
            continue;
        count++;
        if (known != cur.object->mod_revision)
            sim_broken(s, "a watch of %s=%s knows %s at %llu, and it is at %llu (A34)", f->key,
                       f->value, cur.object->key, (unsigned long long)known,
                       (unsigned long long)cur.object->mod_revision);
    }
    if (count != f->objects.count)
        sim_broken(s, "a watch of %s=%s knows %zu objects of %zu (A35)", f->key, f->value,
                   f->objects.count, count);
}

void sim_api_check(struct sim *s)
{
    for (size_t i = 0; i < STREAMS; i++) {
        struct follower *f = &s->api->followers[i];
        if (f->call && !pull(s, f))
            hang_up(f);
        if (f->call && sim_one_in(s, 32))
            hang_up(f);
        if (!f->call)
            dial(s, f);
        compare(s, f);
    }
}

/* ---- life ---- */

void sim_api_start(struct sim *s)
{
    if (!s->api) {
        s->api = xcalloc(1, sizeof *s->api);
        s->api->followers[0] = (struct follower){
            .path = MAPS_PATH, .key = "half", .value = "a", .kind = KIND_CONFIGMAP};
        s->api->followers[1] =
            (struct follower){.path = PODS_PATH, .key = "app", .value = "web", .kind = KIND_POD};
    }
    s->api->server = sim_server_new(s->w.loop, s->w.reg);
}

void sim_api_stop(struct sim *s)
{
    page_end(s);
    for (size_t i = 0; i < STREAMS; i++)
        hang_up(&s->api->followers[i]);
    sim_server_free(TAKE(s->api->server));
}

void sim_api_free(struct sim *s)
{
    sim_api_stop(s);
    free(s->api);
}
