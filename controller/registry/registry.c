#include "controller/registry/registry.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/registry/registry_internal.h"

/* ---- ranges ---- */

int cidr_parse(const char *text, struct cidr *out)
{
    *out = (struct cidr){0};
    const char *slash = strchr(text, '/');
    char address[IP_TEXT_MAX];
    if (!slash || (size_t)(slash - text) >= sizeof(address))
        return ERR_INVALID;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    out->is_v6 = strchr(address, ':') != NULL;
    char *end;
    unsigned long bits = strtoul(slash + 1, &end, 10);
    if (slash[1] < '0' || slash[1] > '9' || *end || bits > (out->is_v6 ? 128u : 32u) ||
        inet_pton(out->is_v6 ? AF_INET6 : AF_INET, address, out->base) != 1)
        return ERR_INVALID;
    out->bits = (unsigned)bits;
    for (unsigned bit = out->bits; bit < (out->is_v6 ? 128u : 32u); bit++)
        out->base[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
    (void)snprintf(out->text, sizeof(out->text), "%s", text);
    return 0;
}

bool cidr_contains(const struct cidr *cidr, const char *address)
{
    uint8_t bytes[16] = {0};
    if (ip_family(address) != (cidr->is_v6 ? 6 : 4) ||
        inet_pton(cidr->is_v6 ? AF_INET6 : AF_INET, address, bytes) != 1)
        return false;
    for (unsigned bit = 0; bit < cidr->bits; bit++)
        if ((bytes[bit / 8] ^ cidr->base[bit / 8]) & (0x80u >> (bit % 8)))
            return false;
    return true;
}

static int ranges_parse(const char *option, const char *const *texts, size_t count,
                        struct cidr out[2], size_t *out_count, struct err *e)
{
    *out_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 2 || cidr_parse(texts[i], &out[i]) < 0)
            return err_set(e, ERR_INVALID, "%s: \"%.64s\" is not a CIDR, or the third one", option,
                           texts[i]);
        if (i == 1 && out[0].is_v6 == out[1].is_v6)
            return err_set(e, ERR_INVALID, "%s: two ranges of one family", option);
        ++*out_count;
    }
    return 0;
}

/* ---- life ---- */

int registry_new(struct store *store, const struct registry_opts *opts, struct registry **out,
                 struct err *e)
{
    struct registry *reg = xcalloc(1, sizeof(*reg));
    reg->store = store;
    reg->default_class = xstrdup(opts->default_class ? opts->default_class : "");
    int rc = ranges_parse("nodes.pod-range", opts->pod_range, opts->pod_range_count, reg->pod_range,
                          &reg->pod_range_count, e);
    if (rc == 0)
        rc = ranges_parse("nodes.service-range", opts->service_range, opts->service_range_count,
                          reg->service_range, &reg->service_range_count, e);
    if (rc == 0 && *reg->default_class && dns_subdomain_error(reg->default_class))
        rc = err_set(e, ERR_INVALID, "volumes.class: \"%.64s\" is not a name", reg->default_class);
    if (rc < 0) {
        registry_free(reg);
        return rc;
    }
    *out = reg;
    return 0;
}

void registry_free(struct registry *reg)
{
    if (!reg)
        return;
    events_free(reg);
    free(reg->default_class);
    free(reg);
}

struct store *registry_store(const struct registry *reg)
{
    return reg->store;
}

/* ---- what exists at start ---- */

static int bootstrap_create(const struct verb *v, enum kind_id kind, const char *json,
                            struct err *e)
{
    AUTO_OBJECT obj = NULL;
    cJSON *body = json_parse(json, strlen(json), e);
    CHECK(body);
    int rc = verb_create(v, kind, "", body, &obj, e);
    cJSON_Delete(body);
    return rc;
}

static int bootstrap_class(const struct verb *v, const char *name, struct err *e)
{
    char json[640];
    (void)snprintf(json, sizeof(json),
                   "{\"metadata\":{\"name\":\"%s\",\"annotations\":{\"storageclass.kubernetes.io/"
                   "is-default-class\":"
                   "\"true\"}},\"provisioner\":\"ordinald.dev/"
                   "directory\",\"volumeBindingMode\":\"Immediate\"}",
                   name);
    return bootstrap_create(v, KIND_STORAGECLASS, json, e);
}

int registry_bootstrap(struct registry *reg, struct err *e)
{
    static const char *const names[] = {"default", "kube-system", "kube-public", "kube-node-lease"};
    struct verb v = {.reg = reg, .unit = store_unit_new(reg->store), .role = ROLE_SYSTEM};
    struct store_view view = store_unit_view(v.unit);
    struct view_cursor cur;
    view_seek(&cur, &view, KIND_NAMESPACE, NULL, NULL);
    bool is_empty = !cur.object;
    int rc = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names) && rc == 0; i++) {
        char json[96];
        if (store_unit_find(v.unit, KIND_NAMESPACE, "", names[i]))
            continue;
        (void)snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"}}", names[i]);
        rc = bootstrap_create(&v, KIND_NAMESPACE, json, e);
    }
    if (rc == 0 && is_empty && *reg->default_class)
        rc = bootstrap_class(&v, reg->default_class, e);
    if (rc < 0) {
        store_unit_free(v.unit);
        return rc;
    }
    return store_unit_stage(v.unit, NULL, NULL, e);
}
