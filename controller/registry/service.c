/* controller/registry/service.c - Services: defaults, addresses, families (R99), validation. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/random.h"
#include "controller/registry/patch_tree.h"
#include "controller/registry/strategy.h"

static const char *const service_types[] = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort",
                                            NULL};
static const char *const families_known[] = {"IPv4", "IPv6", NULL};
static const char *const policies[] = {"SingleStack", "PreferDualStack", "RequireDualStack", NULL};

static const char *service_type(const cJSON *spec)
{
    return json_str(spec, "type", "ClusterIP");
}

static bool needs_cluster_ip(const cJSON *spec)
{
    return spec && strcmp(service_type(spec), "ExternalName") != 0;
}

static bool needs_node_port(const cJSON *spec)
{
    return strcmp(service_type(spec), "NodePort") == 0 ||
           strcmp(service_type(spec), "LoadBalancer") == 0;
}

/* String element i of a list, or NULL. */
static const char *element(const cJSON *list, size_t i)
{
    const cJSON *it = list ? list->child : NULL;
    for (; it && i > 0; i--)
        it = it->next;
    return it && cJSON_IsString(it) ? it->valuestring : NULL;
}

static size_t length(const cJSON *list)
{
    size_t n = 0;
    for (const cJSON *it = list ? list->child : NULL; it; it = it->next)
        n++;
    return n;
}

static bool is_headless(const cJSON *spec)
{
    const char *first = element(json_get(spec, "clusterIPs"), 0);
    return strcmp(json_str(spec, "clusterIP", ""), "None") == 0 ||
           (first && strcmp(first, "None") == 0);
}

static void append_str(cJSON *list, const char *text)
{
    (void)cJSON_AddItemToArray(list, cJSON_CreateString(text));
}

/* ---- defaults ---- */

static void port_defaults(cJSON *port)
{
    const cJSON *target = json_get(port, "targetPort");
    default_str(port, "protocol", "TCP");
    bool is_empty = !target || (cJSON_IsNumber(target) && target->valuedouble == 0) ||
                    (cJSON_IsString(target) && *target->valuestring == '\0');
    if (is_empty && json_get(port, "port"))
        json_set(port, "targetPort", tree_dup(json_get(port, "port")));
}

void service_defaults(cJSON *obj)
{
    cJSON *spec = json_obj(obj, "spec"), *ports = json_get(spec, "ports");
    default_str(spec, "type", "ClusterIP");
    default_str(spec, "sessionAffinity", "None");
    if (strcmp(json_str(spec, "sessionAffinity", ""), "ClientIP") == 0)
        default_int(json_obj(json_obj(spec, "sessionAffinityConfig"), "clientIP"), "timeoutSeconds",
                    10800);
    else if (strcmp(json_str(spec, "sessionAffinity", ""), "None") == 0)
        json_del(spec, "sessionAffinityConfig");
    if (needs_cluster_ip(spec))
        default_str(spec, "internalTrafficPolicy", "Cluster");
    if (needs_node_port(spec))
        default_str(spec, "externalTrafficPolicy", "Cluster");
    if (strcmp(service_type(spec), "LoadBalancer") == 0)
        default_bool(spec, "allocateLoadBalancerNodePorts", true);
    for (cJSON *it = ports ? ports->child : NULL; it; it = it->next)
        if (cJSON_IsObject(it))
            port_defaults(it);
}

/* ---- what an update keeps, drops and derives ---- */

static bool same_member(const cJSON *a, const cJSON *b, const char *name)
{
    return json_same(json_get(a, name), json_get(b, name));
}

/* Members that the old type had and the new one has no use for go, unless the writer changed them.
 */
static void drop_type_dependent(cJSON *spec, const cJSON *old)
{
    static const char *const address_members[] = {"clusterIP", "clusterIPs", "ipFamilies",
                                                  "ipFamilyPolicy", "internalTrafficPolicy"};
    static const char *const balancer_members[] = {"allocateLoadBalancerNodePorts",
                                                   "loadBalancerClass", "loadBalancerIP",
                                                   "loadBalancerSourceRanges"};
    if (needs_cluster_ip(old) && !needs_cluster_ip(spec))
        for (size_t i = 0; i < ARRAY_SIZE(address_members); i++)
            if (same_member(spec, old, address_members[i]))
                json_del(spec, address_members[i]);
    if (!needs_cluster_ip(old) && needs_cluster_ip(spec) && same_member(spec, old, "externalName"))
        json_del(spec, "externalName");
    if (strcmp(service_type(old), "LoadBalancer") == 0 &&
        strcmp(service_type(spec), "LoadBalancer") != 0)
        for (size_t i = 0; i < ARRAY_SIZE(balancer_members); i++)
            if (same_member(spec, old, balancer_members[i]))
                json_del(spec, balancer_members[i]);
    if (!needs_node_port(old) || needs_node_port(spec))
        return;
    if (same_member(spec, old, "externalTrafficPolicy"))
        json_del(spec, "externalTrafficPolicy");
    cJSON *ports = json_get(spec, "ports");
    for (cJSON *it = ports ? ports->child : NULL; it; it = it->next)
        json_del(it, "nodePort");
}

/* Node ports that the writer left out stay with their port. */
static void keep_node_ports(cJSON *spec, const cJSON *old)
{
    const cJSON *old_ports = json_get(old, "ports");
    cJSON *ports = json_get(spec, "ports");
    for (cJSON *it = ports ? ports->child : NULL; it; it = it->next)
        for (const cJSON *was = old_ports ? old_ports->child : NULL;
             was && !json_get(it, "nodePort"); was = was->next)
            if (same_member(it, was, "port") && same_member(it, was, "protocol"))
                json_copy_member(it, was, "nodePort");
}

static void keep_allocated(cJSON *spec, const cJSON *old)
{
    if (needs_node_port(old) && needs_node_port(spec))
        keep_node_ports(spec, old);
    if (!needs_cluster_ip(old) || !needs_cluster_ip(spec))
        return;
    if (*json_str(spec, "clusterIP", "") == '\0')
        json_copy_member(spec, old, "clusterIP");
    if (length(json_get(spec, "clusterIPs")) == 0 && same_member(spec, old, "clusterIP"))
        json_copy_member(spec, old, "clusterIPs");
    if (!same_member(spec, old, "clusterIPs"))
        return;
    if (length(json_get(spec, "ipFamilies")) == 0)
        json_copy_member(spec, old, "ipFamilies");
    if (*json_str(spec, "ipFamilyPolicy", "") == '\0')
        json_copy_member(spec, old, "ipFamilyPolicy");
    /* Down to one family: the second goes unless the writer touched it. */
    if (strcmp(json_str(spec, "ipFamilyPolicy", ""), "SingleStack") != 0 ||
        same_member(spec, old, "ipFamilyPolicy"))
        return;
    if (length(json_get(spec, "clusterIPs")) == 2)
        cJSON_DeleteItemFromArray(json_get(spec, "clusterIPs"), 1);
    if (same_member(spec, old, "ipFamilies") && length(json_get(spec, "ipFamilies")) == 2)
        cJSON_DeleteItemFromArray(json_get(spec, "ipFamilies"), 1);
}

/* clusterIP is the short form of clusterIPs; the one that changed wins. */
static void normalize_cluster_ips(cJSON *spec, const cJSON *old)
{
    const char *ip = json_str(spec, "clusterIP", "");
    bool is_empty = length(json_get(spec, "clusterIPs")) == 0;
    if (!old ? !is_empty || *ip == '\0'
             : same_member(spec, old, "clusterIP") ||
                   !(is_empty || same_member(spec, old, "clusterIPs")))
        return;
    json_del(spec, "clusterIPs");
    if (*ip)
        append_str(json_arr(spec, "clusterIPs"), ip);
}

static const char *default_family(const struct registry *reg)
{
    return reg->service_range_count > 0 && reg->service_range[0].is_v6 ? "IPv6" : "IPv4";
}

static const char *other_family(const char *family)
{
    return strcmp(family, "IPv4") == 0 ? "IPv6" : "IPv4";
}

/* R99: families and policy follow the addresses given, else one family. */
static void derive_families(const struct registry *reg, cJSON *spec)
{
    const cJSON *ips = json_get(spec, "clusterIPs");
    if (length(json_get(spec, "ipFamilies")) > 2 || length(ips) > 2)
        return; /* refused by the validation */
    if (*json_str(spec, "ipFamilyPolicy", "") == '\0')
        json_set_str(spec, "ipFamilyPolicy",
                     length(ips) == 2 || length(json_get(spec, "ipFamilies")) == 2
                         ? "RequireDualStack"
                         : "SingleStack");
    cJSON *families = json_arr(spec, "ipFamilies");
    for (size_t i = length(families); i < length(ips); i++) {
        int family = ip_family(element(ips, i) ? element(ips, i) : "");
        if (family)
            append_str(families, family == 4 ? "IPv4" : "IPv6");
    }
    if (!families->child)
        append_str(families, default_family(reg));
    const char *policy = json_str(spec, "ipFamilyPolicy", "");
    bool wants_second = strcmp(policy, "RequireDualStack") == 0 ||
                        (strcmp(policy, "PreferDualStack") == 0 &&
                         (reg->service_range_count == 2 || is_headless(spec)));
    if (wants_second && length(families) == 1 && element(families, 0))
        append_str(families, other_family(element(families, 0)));
}

int service_prepare(const struct change *c, cJSON *obj, struct err *e)
{
    (void)e;
    cJSON *spec = json_obj(obj, "spec");
    const cJSON *old = json_get(c->old, "spec");
    if (!c->old)
        status_reset(obj, "{\"loadBalancer\":{}}");
    if (old) {
        drop_type_dependent(spec, old);
        keep_allocated(spec, old);
    }
    normalize_cluster_ips(spec, needs_cluster_ip(old) ? old : NULL);
    if (needs_cluster_ip(spec))
        derive_families(c->v->reg, spec);
    return 0;
}

/* ---- validation ---- */

static void check_port_name(struct issues *is, const struct path *path, const cJSON *ports,
                            const cJSON *port, bool is_required)
{
    const char *name = json_str(port, "name", "");
    const char *error = *name ? dns_label_error(name) : NULL;
    if (*name == '\0' && is_required)
        issue_required(is, AT(path, "name"), "");
    else if (error)
        issue_invalid(is, AT(path, "name"), name, error);
    for (const cJSON *it = ports->child; *name && it != port; it = it->next)
        if (strcmp(json_str(it, "name", ""), name) == 0)
            issue_duplicate(is, AT(path, "name"), name);
}

static void check_target_port(struct issues *is, const struct path *path, const cJSON *target)
{
    if (cJSON_IsNumber(target)) {
        check_port(is, path, target);
        return;
    }
    const char *error = cJSON_IsString(target) ? port_name_error(target->valuestring) : NULL;
    if (error)
        issue_invalid(is, path, target->valuestring, error);
}

static void check_service_port(struct issues *is, const struct path *path, const cJSON *spec,
                               const cJSON *port, bool is_name_required)
{
    static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};
    check_port_name(is, path, json_get(spec, "ports"), port, is_name_required);
    check_port(is, AT(path, "port"), json_get(port, "port"));
    check_enum(is, path, port, "protocol", protocols, true);
    if (!json_same(json_get(port, "targetPort"), json_get(port, "port"))) /* said already */
        check_target_port(is, AT(path, "targetPort"), json_get(port, "targetPort"));
    const char *app = json_str(port, "appProtocol", "");
    const char *error = *app ? qualified_name_error(app) : NULL;
    if (error)
        issue_invalid(is, AT(path, "appProtocol"), app, error);
    int64_t node_port = 0;
    (void)json_int(port, "nodePort", INT32_MIN, INT32_MAX, &node_port);
    if (node_port == 0)
        return;
    if (!needs_node_port(spec)) {
        char detail[96];
        (void)snprintf(detail, sizeof(detail), "may not be used when `type` is '%.32s'",
                       service_type(spec));
        issue_forbidden(is, AT(path, "nodePort"), detail);
    } else if (node_port < 1 || node_port > 65535) {
        issue_invalid_int(is, AT(path, "nodePort"), node_port, must_be_port);
    }
}

/* One number and protocol twice in a Service; the ports before `port` were looked at. */
static void check_node_port_once(struct issues *is, const struct path *path, const cJSON *ports,
                                 const cJSON *port)
{
    int64_t number = 0, other_number = 0;
    if (!json_int(port, "nodePort", 1, UINT16_MAX, &number))
        return;
    for (const cJSON *other = ports->child; other != port; other = other->next) {
        if (!json_int(other, "nodePort", 1, UINT16_MAX, &other_number) || other_number != number ||
            !same_member(port, other, "protocol"))
            continue;
        char field[PATH_TEXT_MAX];
        is->count++;
        path_print(AT(path, "nodePort"), field);
        err_cause(is->e, CAUSE_DUPLICATE, field,
                  "Duplicate value: {\"protocol\":\"%s\",\"nodePort\":%lld}",
                  json_str(port, "protocol", ""), (long long)number);
        return;
    }
}

#define PORTS_MAX 2000 /* pairs of ports are compared */

static void check_service_ports(struct issues *is, const cJSON *spec)
{
    const struct path *path = AT(AT(NULL, "spec"), "ports");
    const cJSON *ports = json_get(spec, "ports");
    size_t count = length(ports), i = 0;
    if (count == 0 && needs_cluster_ip(spec) && !is_headless(spec))
        issue_required(is, path, "");
    if (count > PORTS_MAX) {
        issue_too_many(is, path, count, PORTS_MAX);
        return;
    }
    for (const cJSON *it = ports ? ports->child : NULL; it; it = it->next, i++) {
        check_service_port(is, AT_INDEX(path, i), spec, it, count > 1);
        check_node_port_once(is, AT_INDEX(path, i), ports, it);
        for (const cJSON *other = ports->child; other != it; other = other->next) {
            if (!same_member(it, other, "port") || !same_member(it, other, "protocol"))
                continue;
            is->count++;
            char field[PATH_TEXT_MAX];
            path_print(AT_INDEX(path, i), field);
            int64_t port = 0;
            (void)json_int(it, "port", 0, 65535, &port);
            err_cause(is->e, CAUSE_DUPLICATE, field,
                      "Duplicate value: {\"protocol\":\"%s\",\"port\":%lld}",
                      json_str(it, "protocol", ""), (long long)port);
            break;
        }
    }
}

static void check_families(struct issues *is, const struct registry *reg, const cJSON *spec)
{
    const struct path *path = AT(AT(NULL, "spec"), "ipFamilies");
    const cJSON *families = json_get(spec, "ipFamilies");
    size_t i = 0;
    check_enum(is, AT(NULL, "spec"), spec, "ipFamilyPolicy", policies, true);
    if (length(families) > 2)
        issue_invalid_json(is, path, families, "may only hold up to 2 values");
    for (const cJSON *it = families ? families->child : NULL; it; it = it->next, i++) {
        const char *family = cJSON_IsString(it) ? it->valuestring : "";
        bool is_served = is_headless(spec);
        for (size_t k = 0; k < reg->service_range_count; k++)
            is_served = is_served || reg->service_range[k].is_v6 == (strcmp(family, "IPv6") == 0);
        if (!text_is_one_of(family, families_known))
            issue_unsupported(is, AT_INDEX(path, i), family, families_known);
        else if (i > 0 && strcmp(family, element(families, 0)) == 0)
            issue_duplicate(is, AT_INDEX(path, i), family);
        else if (!is_served && i >= length(json_get(spec, "clusterIPs")))
            issue_invalid(is, AT_INDEX(path, i), family, "not configured on this cluster");
    }
    if (length(families) == 2 && strcmp(json_str(spec, "ipFamilyPolicy", ""), "SingleStack") == 0)
        issue_invalid(is, AT(AT(NULL, "spec"), "ipFamilyPolicy"), "SingleStack",
                      "must be 'RequireDualStack' or 'PreferDualStack' when multiple 'ipFamilies' "
                      "are specified");
}

static void check_cluster_ips(struct issues *is, const cJSON *spec)
{
    const struct path *path = AT(AT(NULL, "spec"), "clusterIPs");
    const cJSON *ips = json_get(spec, "clusterIPs"), *families = json_get(spec, "ipFamilies");
    const char *first = element(ips, 0), *ip = json_str(spec, "clusterIP", "");
    size_t i = 0;
    if (first && strcmp(first, ip) != 0)
        issue_invalid_json(is, path, ips, "first value must match `clusterIP`");
    if (length(ips) > 2)
        issue_invalid_json(is, path, ips, "may only hold up to 2 values");
    if (is_headless(spec) && length(ips) > 1)
        issue_invalid_json(is, path, ips, "'None' must be the first and only value");
    if (is_headless(spec) && needs_node_port(spec)) {
        char detail[96];
        (void)snprintf(detail, sizeof(detail), "may not be set to 'None' for %s services",
                       service_type(spec));
        issue_invalid(is, AT_INDEX(path, 0), "None", detail);
    }
    for (const cJSON *it = is_headless(spec) || !ips ? NULL : ips->child; it; it = it->next, i++) {
        const char *text = cJSON_IsString(it) ? it->valuestring : "",
                   *family = element(families, i);
        bool is_v6 = ip_family(text) == 6;
        char detail[96];
        if (ip_family(text) == 0) {
            check_ip(is, AT_INDEX(path, i), text);
        } else if (i > 0 && first && ip_family(first) == ip_family(text)) {
            issue_invalid_json(is, path, ips, "may specify no more than one IP for each IP family");
        } else if (family && is_v6 != (strcmp(family, "IPv6") == 0)) {
            (void)snprintf(detail, sizeof(detail),
                           "expected an %.8s value as indicated by `ipFamilies[%zu]`", family, i);
            issue_invalid(is, AT_INDEX(path, i), text, detail);
        }
    }
}

/* ExternalName Services have no addresses and no families. */
static void check_external_name(struct issues *is, const cJSON *spec)
{
    static const char detail[] = "may not be set for ExternalName services";
    const struct path *path = AT(NULL, "spec");
    const char *name = json_str(spec, "externalName", "");
    if (length(json_get(spec, "clusterIPs")) || *json_str(spec, "clusterIP", "") != '\0')
        issue_invalid_json(is, AT(path, "clusterIPs"), json_get(spec, "clusterIPs"), detail);
    if (length(json_get(spec, "ipFamilies")))
        issue_forbidden(is, AT(path, "ipFamilies"), detail);
    if (*json_str(spec, "ipFamilyPolicy", "") != '\0')
        issue_forbidden(is, AT(path, "ipFamilyPolicy"), detail);
    if (*name == '\0') {
        issue_required(is, AT(path, "externalName"), "");
        return;
    }
    /* One trailing dot is fine: the name is absolute anyway. */
    char trimmed[NAME_MAX_BYTES + 2];
    size_t len = strnlen(name, sizeof(trimmed) - 1);
    memcpy(trimmed, name, len);
    trimmed[len > 1 && trimmed[len - 1] == '.' ? len - 1 : len] = '\0';
    const char *error = dns_subdomain_error(trimmed);
    if (error)
        issue_invalid(is, AT(path, "externalName"), name, error);
}

static void check_service_update(struct issues *is, const cJSON *spec, const cJSON *old)
{
    static const char detail[] = "may not change once set";
    const struct path *path = AT(NULL, "spec");
    if (!needs_cluster_ip(old) || !needs_cluster_ip(spec))
        return;
    const cJSON *ips = json_get(spec, "clusterIPs"), *old_ips = json_get(old, "clusterIPs");
    const cJSON *families = json_get(spec, "ipFamilies"),
                *old_families = json_get(old, "ipFamilies");
    for (size_t i = 0; i < 2; i++) {
        const char *was = element(old_ips, i), *now = element(ips, i);
        if (was && (now ? strcmp(was, now) != 0 : i == 0))
            issue_invalid_json(is, AT_INDEX(AT(path, "clusterIPs"), i), ips, detail);
    }
    const char *was = element(old_families, 0), *now = element(families, 0);
    if (was && now && strcmp(was, now) != 0)
        issue_invalid_json(is, AT_INDEX(AT(path, "ipFamilies"), 0), families, detail);
}

static void check_session_affinity(struct issues *is, const cJSON *spec)
{
    static const char *const kinds[] = {"ClientIP", "None", NULL};
    int64_t timeout = 1;
    check_enum(is, AT(NULL, "spec"), spec, "sessionAffinity", kinds, true);
    const cJSON *config = json_at(spec, "sessionAffinityConfig", "clientIP", NULL);
    (void)json_int(config, "timeoutSeconds", INT32_MIN, INT32_MAX, &timeout);
    if (timeout < 1 || timeout > 86400)
        issue_invalid_int(
            is, AT(AT(AT(AT(NULL, "spec"), "sessionAffinityConfig"), "clientIP"), "timeoutSeconds"),
            timeout, "must be greater than 0 and less than 86400");
}

void service_validate(const struct change *c, struct issues *is, const cJSON *obj)
{
    static const char *const traffic[] = {"Cluster", "Local", NULL};
    static const char *const distribution[] = {"PreferClose", "PreferSameNode", "PreferSameZone",
                                               NULL};
    const cJSON *spec = json_get(obj, "spec"), *old = json_get(c->old, "spec");
    const struct path *path = AT(NULL, "spec");
    check_enum(is, path, spec, "type", service_types, true);
    check_service_ports(is, spec);
    check_labels(is, AT(path, "selector"), json_get(spec, "selector"));
    check_session_affinity(is, spec);
    check_enum(is, path, spec, "internalTrafficPolicy", traffic, false);
    check_enum(is, path, spec, "externalTrafficPolicy", traffic, false);
    check_enum(is, path, spec, "trafficDistribution", distribution, false);
    const cJSON *external = json_get(spec, "externalIPs");
    size_t i = 0;
    for (const cJSON *it = external ? external->child : NULL; it; it = it->next, i++)
        check_ip(is, AT_INDEX(AT(path, "externalIPs"), i),
                 cJSON_IsString(it) ? it->valuestring : "");
    if (!needs_cluster_ip(spec)) {
        check_external_name(is, spec);
        return;
    }
    check_families(is, c->v->reg, spec);
    check_cluster_ips(is, spec);
    if (old)
        check_service_update(is, spec, old);
}

/* ---- addresses ---- */

static bool address_is_taken(const struct change *c, const cJSON *obj, const char *address)
{
    char term[INDEX_TERM_MAX];
    struct store_view view = store_unit_view(c->v->unit);
    struct index_cursor cur;
    const cJSON *meta = json_get(obj, "metadata");
    index_address(term, address);
    for (index_seek(&cur, &view, KIND_SERVICE, term); cur.object; index_next(&cur))
        if (strcmp(cur.object->name, json_str(meta, "name", "")) != 0 ||
            strcmp(cur.object->ns, json_str(meta, "namespace", "")) != 0)
            return true;
    return false;
}

/* Address number n of a range as text. */
static void address_at(const struct cidr *range, uint64_t n, char out[IP_TEXT_MAX])
{
    uint8_t bytes[16];
    memcpy(bytes, range->base, sizeof(bytes));
    size_t last = range->is_v6 ? 15 : 3;
    uint64_t carry = n;
    for (size_t i = last + 1; i-- > 0 && carry;) {
        carry += bytes[i];
        bytes[i] = (uint8_t)carry;
        carry >>= 8;
    }
    CHECK(inet_ntop(range->is_v6 ? AF_INET6 : AF_INET, bytes, out, IP_TEXT_MAX));
}

/* A free address: the upper part of the range first, so that addresses asked for by hand find the
 * lower part free. A random start makes the expected walk short; the walk ends after one round. */
static bool allocate_in(const struct change *c, const cJSON *obj, const struct cidr *range,
                        uint64_t from, uint64_t to, char out[IP_TEXT_MAX])
{
    if (from >= to)
        return false;
    uint64_t count = to - from, start = random_below(count);
    for (uint64_t i = 0; i < count; i++) {
        address_at(range, from + (start + i) % count, out);
        if (!address_is_taken(c, obj, out))
            return true;
    }
    return false;
}

static bool allocate(const struct change *c, const cJSON *obj, const struct cidr *range,
                     char out[IP_TEXT_MAX])
{
    unsigned host_bits = (range->is_v6 ? 128 : 32) - range->bits;
    uint64_t size = host_bits >= 32 ? (uint64_t)1 << 32 : (uint64_t)1 << host_bits;
    if (size <= 2)
        return false;
    uint64_t first = 1,
             end = range->is_v6 ? size : size - 1; /* neither network nor broadcast address */
    uint64_t lower = size / 16 > 16 ? size / 16 : 16;
    lower = lower > 256 ? 256 : lower;
    if (lower >= end)
        return allocate_in(c, obj, range, first, end, out);
    return allocate_in(c, obj, range, lower, end, out) ||
           allocate_in(c, obj, range, first, lower, out);
}

static int refuse_address(const struct change *c, const cJSON *obj, const char *address,
                          const char *why, struct err *e)
{
    char detail[256];
    struct issues is = {.e = e};
    (void)snprintf(detail, sizeof(detail), "failed to allocate IP %s: %s", address, why);
    issue_invalid_json(&is, AT(AT(NULL, "spec"), "clusterIPs"),
                       json_at(obj, "spec", "clusterIPs", NULL), detail);
    return fail_invalid(c->kind, json_str(json_get(obj, "metadata"), "name", ""), e);
}

static const struct cidr *range_of(const struct registry *reg, bool is_v6)
{
    for (size_t i = 0; i < reg->service_range_count; i++)
        if (reg->service_range[i].is_v6 == is_v6)
            return &reg->service_range[i];
    return NULL;
}

/* The first address of a range names the network, the last one of IPv4 is for broadcasts: nobody
 * gets them. */
static bool address_is_reserved(const struct cidr *range, const char *address)
{
    char asked[INDEX_TERM_MAX], edge[INDEX_TERM_MAX], text[IP_TEXT_MAX];
    unsigned host_bits = (range->is_v6 ? 128 : 32) - range->bits;
    index_address(asked, address); /* one form for all spellings */
    address_at(range, 0, text);
    index_address(edge, text);
    if (strcmp(asked, edge) == 0)
        return true;
    if (range->is_v6)
        return false;
    address_at(range, ((uint64_t)1 << host_bits) - 1, text);
    index_address(edge, text);
    return strcmp(asked, edge) == 0;
}

/* An address the writer asks for must be in the range and free (R99). */
static int claim_address(const struct change *c, const cJSON *obj, const char *address,
                         struct err *e)
{
    const struct cidr *range = range_of(c->v->reg, ip_family(address) == 6);
    char why[192];
    if (!range)
        return refuse_address(c, obj, address,
                              "no range of its family is configured on this cluster", e);
    if (!cidr_contains(range, address) || address_is_reserved(range, address)) {
        (void)snprintf(
            why, sizeof(why),
            "the provided IP (%s) is not in the valid range. The range of valid IPs is %s", address,
            range->text);
        return refuse_address(c, obj, address, why, e);
    }
    return address_is_taken(c, obj, address)
               ? refuse_address(c, obj, address, "provided IP is already allocated", e)
               : 0;
}

int service_admit(const struct change *c, cJSON *obj, struct err *e)
{
    cJSON *spec = json_get(obj, "spec");
    const cJSON *old_spec = json_get(c->old, "spec");
    const cJSON *old_ips = needs_cluster_ip(old_spec) ? json_get(old_spec, "clusterIPs") : NULL;
    if (c->sub != SUB_NONE || !needs_cluster_ip(spec))
        return 0;
    int rc = node_ports_admit(c, obj, e);
    if (rc < 0 || is_headless(spec))
        return rc;
    const cJSON *families = json_get(spec, "ipFamilies");
    cJSON *ips = json_arr(spec, "clusterIPs");
    for (size_t i = 0; i < length(families); i++) {
        const char *address = element(ips, i), *was = element(old_ips, i);
        char fresh[IP_TEXT_MAX];
        if (address && was && strcmp(address, was) == 0)
            continue;
        if (address) {
            if ((rc = claim_address(c, obj, address, e)) < 0)
                return rc;
            continue;
        }
        const struct cidr *range = range_of(c->v->reg, strcmp(element(families, i), "IPv6") == 0);
        if (!range || !allocate(c, obj, range, fresh))
            return err_set(e, ERR_INTERNAL, "failed to allocate a serviceIP: %s",
                           range ? "range is full" : "no range of its family");
        append_str(ips, fresh);
    }
    json_set_str(spec, "clusterIP", element(ips, 0));
    return 0;
}
