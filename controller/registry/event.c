/* controller/registry/event.c - Events: one object per (object, type, reason, message, component),
 * counted (R70), with a TTL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "controller/registry/registry_internal.h"

#define EVENT_TTL_US     (3600LL * 1000000)
#define EVENT_SUFFIX_MAX 18

/* ---- expiry: a heap, the event due first on top ---- */

static void heap_swap(struct event_due *a, struct event_due *b)
{
    struct event_due other = *a;
    *a = *b;
    *b = other;
}

static void heap_push(struct registry *reg, char *key, int64_t due_us)
{
    if (reg->event_count == reg->event_room) {
        reg->event_room = reg->event_room ? reg->event_room * 2 : 64;
        reg->events = xrealloc(reg->events, reg->event_room * sizeof(*reg->events));
    }
    size_t at = reg->event_count++;
    reg->events[at] = (struct event_due){key, due_us};
    for (; at > 0 && reg->events[(at - 1) / 2].due_us > reg->events[at].due_us; at = (at - 1) / 2)
        heap_swap(&reg->events[(at - 1) / 2], &reg->events[at]);
}

static char *heap_pop(struct registry *reg)
{
    struct event_due *events = reg->events;
    char *key = events[0].key;
    size_t at = 0, count = --reg->event_count;
    events[0] = events[count];
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
            if (events[child].due_us < events[least].due_us)
                least = child;
        if (least == at)
            return key;
        heap_swap(&events[least], &events[at]);
        at = least;
    }
}

void event_remember(struct registry *reg, const struct object *event)
{
    heap_push(reg, xasprintf("%s/%s", event->ns, event->name), clock_mono_us() + EVENT_TTL_US);
}

void events_free(struct registry *reg)
{
    while (reg->event_count)
        free(heap_pop(reg));
    free(reg->events);
}

/* Wall time of the event's last occurrence. */
static int64_t last_seen_us(const struct object *event)
{
    cJSON *tree = object_tree(event);
    const char *const texts[] = {json_str(tree, "lastTimestamp", ""),
                                 json_str(json_get(tree, "series"), "lastObservedTime", ""),
                                 json_str(tree, "eventTime", "")};
    int64_t last = event->created_us;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        int64_t at;
        if (clock_parse(texts[i], &at) && at > last)
            last = at;
    }
    cJSON_Delete(tree);
    return last;
}

/* Drops the event when its time is over, else waits for the rest of it. */
static void expire(struct registry *reg, struct store_unit *unit, char *key)
{
    char *slash = strchr(key, '/');
    *slash = '\0';
    const struct object *event = store_unit_find(unit, KIND_EVENT, key, slash + 1);
    *slash = '/';
    int64_t left_us = event ? last_seen_us(event) + EVENT_TTL_US - clock_now_us() : 0;
    if (event && left_us > 0) {
        heap_push(reg, key, clock_mono_us() + (left_us < EVENT_TTL_US ? left_us : EVENT_TTL_US));
        return;
    }
    if (event)
        store_unit_delete(unit, event);
    free(key);
}

#define EXPIRE_BUDGET 1000

int64_t registry_expire_events(struct registry *reg)
{
    struct store_unit *unit = store_unit_new(reg->store);
    struct err e;
    err_clear(&e);
    size_t budget = reg->event_count < EXPIRE_BUDGET ? reg->event_count : EXPIRE_BUDGET;
    for (; budget > 0 && reg->events[0].due_us <= clock_mono_us(); budget--)
        expire(reg, unit, heap_pop(reg));
    if (store_unit_is_empty(unit))
        store_unit_free(unit);
    else if (store_unit_stage(unit, NULL, NULL, &e) < 0)
        log_warn("msg=\"events could not be expired\" error=\"%s\"", e.text);
    return reg->event_count ? reg->events[0].due_us : -1;
}

/* ---- recording ---- */

static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return (hash ^ 0xff) * 1099511628211u;
}

static cJSON *event_new(const struct object *obj, const char *name, const char *ns)
{
    cJSON *tree = cJSON_CreateObject();
    CHECK(tree);
    cJSON *meta = json_obj(tree, "metadata"), *about = json_obj(tree, "involvedObject");
    char version[24];
    json_set_str(meta, "name", name);
    json_set_str(meta, "namespace", ns);
    meta_create(kind_get(KIND_EVENT), tree);
    json_set_str(about, "kind", obj->kind->name);
    if (*obj->ns)
        json_set_str(about, "namespace", obj->ns);
    json_set_str(about, "name", obj->name);
    json_set_str(about, "uid", obj->uid);
    json_set_str(about, "apiVersion", obj->kind->api_version);
    (void)snprintf(version, sizeof(version), "%llu", (unsigned long long)obj->mod_revision);
    if (obj->mod_revision)
        json_set_str(about, "resourceVersion", version);
    json_set_now(tree, "firstTimestamp");
    return tree;
}

static void event_write(const struct verb *v, const struct object *obj, const char *type,
                        const char *reason, const char *component, const char *message)
{
    const char *ns = *obj->ns ? obj->ns : "default";
    const struct object *space = store_unit_find(v->unit, KIND_NAMESPACE, "", ns);
    char name[NAME_MAX_BYTES + 1];
    uint64_t hash = 1469598103934665603u;
    const char *const parts[] = {obj->uid, type, reason, message, component};
    if (!space || space->deleted_us) /* it is on its way out, and so would the event be */
        return;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        hash = hash_text(hash, parts[i]);
    (void)snprintf(name, sizeof(name), "%.*s.%016llx", NAME_MAX_BYTES - EVENT_SUFFIX_MAX, obj->name,
                   (unsigned long long)hash);
    const struct object *before = store_unit_find(v->unit, KIND_EVENT, ns, name);
    cJSON *tree = before ? object_tree(before) : event_new(obj, name, ns);
    int64_t count = 0;
    (void)json_int(tree, "count", 0, INT32_MAX - 1, &count);
    json_set_int(tree, "count", count + 1);
    json_set_now(tree, "lastTimestamp");
    json_set_str(tree, "type", type);
    json_set_str(tree, "reason", reason);
    json_set_str(tree, "message", message);
    json_set_str(json_obj(tree, "source"), "component", component);
    json_set_str(tree, "reportingComponent", component);
    json_set_str(tree, "reportingInstance", "");
    struct object *event = NULL;
    struct err e;
    err_clear(&e);
    if (object_new(kind_get(KIND_EVENT), tree, &event, &e) < 0) {
        log_warn("event=%s/%s msg=\"event could not be recorded\" error=\"%s\"", ns, name, e.text);
    } else {
        if (!before && !v->dry_run)
            event_remember(v->reg, event);
        store_unit_put(v->unit, event, before);
    }
    cJSON_Delete(tree);
}

void registry_event(const struct verb *v, const struct object *obj, const char *type,
                    const char *reason, const char *component, const char *format, ...)
{
    struct buf_out message;
    buf_out_init(&message);
    va_list args;
    va_start(args, format);
    buf_vprintf(&message, format, args);
    va_end(args);
    event_write(v, obj, type, reason, component, message.data ? message.data : "");
    buf_out_fini(&message);
}
