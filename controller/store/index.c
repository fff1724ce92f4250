#include "controller/store/index.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* ---- terms ---- */

/* A letter and one to three parts, each after SEPARATOR. A part that is too long or holds a
 * separator makes the empty term, which no object carries. */
#define SEPARATOR '\x01'

static void make_term(char out[INDEX_TERM_MAX], char letter, const char *const parts[],
                      size_t count)
{
    size_t used = 0;
    out[used++] = letter;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(parts[i]);
        if (used + 1 + len >= INDEX_TERM_MAX || memchr(parts[i], SEPARATOR, len)) {
            out[0] = '\0';
            return;
        }
        out[used++] = SEPARATOR;
        memcpy(out + used, parts[i], len);
        used += len;
    }
    out[used] = '\0';
}

void index_label(char out[INDEX_TERM_MAX], const char *ns, const char *key, const char *value)
{
    make_term(out, 'l', (const char *const[]){ns, key, value}, 3);
}

void index_owner(char out[INDEX_TERM_MAX], const char *uid)
{
    make_term(out, 'o', &uid, 1);
}

void index_node(char out[INDEX_TERM_MAX], const char *node)
{
    make_term(out, 'n', &node, 1);
}

void index_selector(char out[INDEX_TERM_MAX], const char *ns, const char *key, const char *value)
{
    make_term(out, 's', (const char *const[]){ns, key, value}, 3);
}

void index_claim(char out[INDEX_TERM_MAX], const char *ns, const char *claim)
{
    make_term(out, 'c', (const char *const[]){ns, claim}, 2);
}

void index_address(char out[INDEX_TERM_MAX], const char *address)
{
    unsigned char bytes[16];
    char text[INET6_ADDRSTRLEN] = "";
    int family = strchr(address, ':') ? AF_INET6 : AF_INET;
    out[0] = '\0';
    if (inet_pton(family, address, bytes) != 1 || !inet_ntop(family, bytes, text, sizeof(text)))
        return;
    const char *part = text;
    make_term(out, 'a', &part, 1);
}

void index_pending(char out[INDEX_TERM_MAX], const char *class_name)
{
    make_term(out, 'p', &class_name, 1);
}

void index_service(char out[INDEX_TERM_MAX], const char *ns, const char *service)
{
    make_term(out, 'v', (const char *const[]){ns, service}, 2);
}

/* ---- entries ---- */

static size_t entry_key(const void *leaf, uint8_t *out)
{
    const struct index_entry *entry = leaf;
    memcpy(out, entry->key, entry->len);
    return entry->len;
}

static bool entry_equal(const void *leaf, const uint8_t *key, size_t len)
{
    const struct index_entry *entry = leaf;
    return entry->len == len && !memcmp(entry->key, key, len);
}

const struct cow_type index_entry_type = {.key = entry_key, .equal = entry_equal};

void index_keys_fini(struct index_keys *list)
{
    free(list->bytes);
    free(list->keys);
    *list = (struct index_keys){0};
}

static void add_key(struct index_keys *list, const struct object *obj, const char *term)
{
    if (!*term)
        return;
    size_t term_len = strlen(term), rest = (size_t)(obj->key + obj->key_len - obj->name);
    size_t ns_len = strlen(obj->ns), len = 1 + term_len + 1 + ns_len + 1 + rest;
    CHECK(len <= COW_KEY_MAX);
    if (list->used + len > list->cap) {
        list->cap = 2 * list->cap + COW_KEY_MAX;
        list->bytes = xrealloc(list->bytes, list->cap);
    }
    if (list->count == list->keys_cap) {
        list->keys_cap = list->keys_cap ? 2 * list->keys_cap : 16;
        list->keys = xrealloc(list->keys, list->keys_cap * sizeof(*list->keys));
    }
    list->keys[list->count++] = (struct index_key){.at = list->used, .len = (uint16_t)len};
    uint8_t *at = list->bytes + list->used;
    *at++ = (uint8_t)(obj->kind->id + 1);
    memcpy(at, term, term_len + 1);
    at += term_len + 1;
    memcpy(at, obj->ns, ns_len);
    at += ns_len;
    *at++ = '/';
    memcpy(at, obj->name, rest);
    list->used += len;
}

static void add_address_keys(struct index_keys *list, const struct object *obj,
                             const char *const *ips, size_t count)
{
    char term[INDEX_TERM_MAX];
    for (size_t i = 0; i < count; i++) {
        index_address(term, ips[i]);
        add_key(list, obj, term);
    }
}

static void add_common_keys(struct index_keys *list, const struct object *obj)
{
    char term[INDEX_TERM_MAX];
    for (size_t i = 0; i < obj->owner_count; i++) {
        index_owner(term, obj->owners[i].uid);
        add_key(list, obj, term);
    }
    if (!index_has_labels(obj->kind->id))
        return;
    for (size_t i = 0; i < obj->label_count; i++) {
        index_label(term, obj->ns, obj->labels[i].key, obj->labels[i].value);
        add_key(list, obj, term);
    }
}

static void add_pod_keys(struct index_keys *list, const struct object *obj)
{
    const struct pod_view *pod = pod_view(obj);
    char term[INDEX_TERM_MAX];
    if (*pod->node) {
        index_node(term, pod->node);
        add_key(list, obj, term);
    }
    for (size_t i = 0; i < pod->claim_count; i++) {
        index_claim(term, obj->ns, pod->claims[i].claim);
        add_key(list, obj, term);
    }
    add_address_keys(list, obj, pod->ips, pod->ip_count);
}

static void add_kind_keys(struct index_keys *list, const struct object *obj)
{
    char term[INDEX_TERM_MAX] = "";
    switch (obj->kind->id) {
    case KIND_POD:
        add_pod_keys(list, obj);
        break;
    case KIND_SERVICE: {
        const struct service_view *service = service_view(obj);
        if (service->selector_count > 0)
            index_selector(term, obj->ns, service->selector[0].key, service->selector[0].value);
        add_address_keys(list, obj, service->cluster_ips, service->cluster_ip_count);
        break;
    }
    case KIND_IDENTITY:
        add_address_keys(list, obj, identity_view(obj)->addresses,
                         identity_view(obj)->address_count);
        break;
    case KIND_PV:
        if (*volume_view(obj)->claim_name)
            index_claim(term, volume_view(obj)->claim_ns, volume_view(obj)->claim_name);
        break;
    case KIND_PVC:
        if (!strcmp(claim_view(obj)->phase, "Pending"))
            index_pending(term, claim_view(obj)->class_name);
        break;
    case KIND_SLICE:
        if (*slice_view(obj)->service)
            index_service(term, obj->ns, slice_view(obj)->service);
        break;
    case KIND_NAMESPACE:
    case KIND_NODE:
    case KIND_CONFIGMAP:
    case KIND_EVENT:
    case KIND_STATEFULSET:
    case KIND_REPLICASET:
    case KIND_REVISION:
    case KIND_STORAGECLASS:
    case KIND_LEASE:
    case KIND_COUNT:
        break;
    }
    add_key(list, obj, term);
}

bool index_has_labels(enum kind_id kind)
{
    return kind_get(kind)->namespaced && kind != KIND_EVENT && kind != KIND_LEASE;
}

static int order_bytes(const uint8_t *x, size_t x_len, const uint8_t *y, size_t y_len)
{
    int order = memcmp(x, y, x_len < y_len ? x_len : y_len);
    return order ? order : (x_len > y_len) - (x_len < y_len);
}

int index_key_order(const struct index_keys *a, size_t i, const struct index_keys *b, size_t k)
{
    return order_bytes(a->bytes + a->keys[i].at, a->keys[i].len, b->bytes + b->keys[k].at,
                       b->keys[k].len);
}

static int by_bytes(const void *a, const void *b, void *bytes)
{
    const struct index_key *x = a, *y = b;
    const uint8_t *base = bytes;
    return order_bytes(base + x->at, x->len, base + y->at, y->len);
}

void index_keys_of(struct index_keys *list, const struct object *obj)
{
    list->used = list->count = 0;
    if (!obj)
        return;
    add_common_keys(list, obj);
    add_kind_keys(list, obj);
    if (list->count == 0)
        return;
    qsort_r(list->keys, list->count, sizeof(*list->keys), by_bytes, list->bytes);
    size_t kept = 1;
    for (size_t i = 1; i < list->count; i++)
        if (index_key_order(list, kept - 1, list, i) != 0)
            list->keys[kept++] = list->keys[i];
    list->count = kept;
}
