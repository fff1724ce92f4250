/* controller/registry/slice.c - EndpointSlices: defaults and validation. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "controller/registry/strategy.h"

#define ENDPOINTS_MAX 1000
#define PORTS_MAX     100
#define ADDRESSES_MAX 100

void slice_defaults(cJSON *obj)
{
    cJSON *ports = json_get(obj, "ports");
    for (cJSON *it = ports ? ports->child : NULL; it; it = it->next) {
        if (!cJSON_IsObject(it))
            continue;
        if (!json_get(it, "name"))
            json_set_str(it, "name", "");
        default_str(it, "protocol", "TCP");
    }
    if (!json_get(obj, "endpoints"))
        (void)json_arr(obj, "endpoints");
}

/* ::ffff:a.b.c.d is an IPv4 address to everybody who compares them (K-READY 5), so no IPv6 one. */
static bool is_ipv6(const char *text)
{
    struct in6_addr address;
    return inet_pton(AF_INET6, text, &address) == 1 && !IN6_IS_ADDR_V4MAPPED(&address);
}

static void check_address(struct issues *is, const struct path *path, const char *type,
                          const char *text)
{
    if (strcmp(type, "IPv4") == 0) {
        if (ip_family(text) != 4)
            issue_invalid(is, path, text, "must be a valid IPv4 address");
    } else if (strcmp(type, "IPv6") == 0) {
        if (!is_ipv6(text))
            issue_invalid(is, path, text, "must be a valid IPv6 address");
    } else {
        const char *error = dns_subdomain_error(text);
        if (error)
            issue_invalid(is, path, text, error);
        else if (!strchr(text, '.'))
            issue_invalid(is, path, text,
                          "should be a domain with at least two segments separated by dots");
    }
}

static void check_endpoint(struct issues *is, const struct path *path, const char *type,
                           const cJSON *endpoint)
{
    const cJSON *addresses = json_get(endpoint, "addresses");
    size_t i = 0;
    for (const cJSON *it = addresses ? addresses->child : NULL; it; it = it->next, i++) {
        if (i < ADDRESSES_MAX)
            check_address(is, AT_INDEX(AT(path, "addresses"), i), type,
                          cJSON_IsString(it) ? it->valuestring : "");
    }
    if (i == 0)
        issue_required(is, AT(path, "addresses"), "must contain at least 1 address");
    else if (i > ADDRESSES_MAX)
        issue_too_many(is, AT(path, "addresses"), i, ADDRESSES_MAX);
    const char *hostname = json_str(endpoint, "hostname", NULL),
               *node = json_str(endpoint, "nodeName", NULL);
    const char *error = hostname ? dns_label_error(hostname) : NULL;
    if (error)
        issue_invalid(is, AT(path, "hostname"), hostname, error);
    error = node ? dns_subdomain_error(node) : NULL;
    if (error)
        issue_invalid(is, AT(path, "nodeName"), node, error);
    check_labels(is, AT(path, "deprecatedTopology"), json_get(endpoint, "deprecatedTopology"));
}

static void check_slice_port(struct issues *is, const struct path *path, const cJSON *ports,
                             const cJSON *port)
{
    static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};
    const char *name = json_str(port, "name", ""), *app = json_str(port, "appProtocol", "");
    const char *error = *name ? dns_label_error(name) : NULL;
    if (error)
        issue_invalid(is, AT(path, "name"), name, error);
    for (const cJSON *it = ports->child; it != port; it = it->next)
        if (strcmp(json_str(it, "name", ""), name) == 0) {
            issue_duplicate(is, AT(path, "name"), name);
            break;
        }
    check_enum(is, path, port, "protocol", protocols, true);
    error = *app ? qualified_name_error(app) : NULL;
    if (error)
        issue_invalid(is, AT(path, "appProtocol"), app, error);
    if (json_get(port, "port"))
        check_port(is, AT(path, "port"), json_get(port, "port"));
}

void slice_validate(const struct change *c, struct issues *is, const cJSON *obj)
{
    static const char *const types[] = {"FQDN", "IPv4", "IPv6", NULL};
    const cJSON *endpoints = json_get(obj, "endpoints"), *ports = json_get(obj, "ports");
    const char *type = json_str(obj, "addressType", "");
    check_enum(is, NULL, obj, "addressType", types, true);
    if (c->old)
        check_immutable(is, AT(NULL, "addressType"), json_get(obj, "addressType"),
                        json_get(c->old, "addressType"));
    size_t i = 0;
    for (const cJSON *it = endpoints ? endpoints->child : NULL; it; it = it->next, i++)
        if (i < ENDPOINTS_MAX && text_is_one_of(type, types))
            check_endpoint(is, AT_INDEX(AT(NULL, "endpoints"), i), type, it);
    if (i > ENDPOINTS_MAX)
        issue_too_many(is, AT(NULL, "endpoints"), i, ENDPOINTS_MAX);
    i = 0;
    for (const cJSON *it = ports ? ports->child : NULL; it; it = it->next, i++)
        if (i < PORTS_MAX)
            check_slice_port(is, AT_INDEX(AT(NULL, "ports"), i), ports, it);
    if (i > PORTS_MAX)
        issue_too_many(is, AT(NULL, "ports"), i, PORTS_MAX);
}
