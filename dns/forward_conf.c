#include "dns/forward_conf.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/random.h"

#define PORT_DNS 53

/* ---- addresses ---- */

/* Splits text into host and port; a bare IPv6 address has several colons and no port. */
static bool split(const char *text, char host[FORWARD_TEXT_MAX], const char **port)
{
    const char *end = text + strlen(text), *colon = strrchr(text, ':');
    bool is_bracketed = text[0] == '[';
    *port = NULL;
    if (is_bracketed) {
        text++;
        const char *close = strchr(text, ']');
        if (!close || (close[1] != '\0' && close[1] != ':'))
            return false;
        if (close[1] == ':')
            *port = close + 2;
        end = close;
    } else if (colon && strchr(text, ':') == colon) {
        *port = colon + 1;
        end = colon;
    }
    size_t len = (size_t)(end - text);
    if (len == 0 || len >= FORWARD_TEXT_MAX)
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    return !is_bracketed || strchr(host, ':');
}

static bool parse_port(const char *text, uint16_t *out)
{
    *out = PORT_DNS;
    if (!text)
        return true;
    size_t len = strlen(text);
    if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
        return false;
    unsigned long port = strtoul(text, NULL, 10);
    *out = (uint16_t)port;
    return port > 0 && port <= UINT16_MAX;
}

/* A link-local address may name its interface: fe80::1%eth0. */
static bool parse_v6(const char *host, struct sockaddr_in6 *out)
{
    char address[INET6_ADDRSTRLEN];
    size_t len = strcspn(host, "%");
    if (len >= sizeof address)
        return false;
    memcpy(address, host, len);
    address[len] = '\0';
    if (inet_pton(AF_INET6, address, &out->sin6_addr) != 1)
        return false;
    if (host[len] == '\0')
        return true;
    out->sin6_scope_id = if_nametoindex(host + len + 1);
    return out->sin6_scope_id != 0 && IN6_IS_ADDR_LINKLOCAL(&out->sin6_addr);
}

int forward_address_parse(const char *option, const char *text, struct forward_address *out,
                          struct err *e)
{
    char host[FORWARD_TEXT_MAX];
    const char *port_text;
    uint16_t port;
    *out = (struct forward_address){0};
    if (!split(text, host, &port_text) || !parse_port(port_text, &port))
        return err_set(e, ERR_INVALID,
                       "%s: \"%s\" is no address like 192.0.2.1 or [2001:db8::1]:53", option, text);
    if (inet_pton(AF_INET, host, &out->at.v4.sin_addr) == 1) {
        out->at.v4.sin_family = AF_INET;
        out->at.v4.sin_port = htons(port);
        out->len = sizeof out->at.v4;
        (void)snprintf(out->text, sizeof out->text, "%.45s:%u", host, port);
    } else if (parse_v6(host, &out->at.v6)) {
        out->at.v6.sin6_family = AF_INET6;
        out->at.v6.sin6_port = htons(port);
        out->len = sizeof out->at.v6;
        (void)snprintf(out->text, sizeof out->text, "[%.55s]:%u", host, port);
    } else {
        return err_set(e, ERR_INVALID,
                       "%s: \"%s\" does not begin with an IP address, or its interface is unknown",
                       option, text);
    }
    return 0;
}

static bool same_host(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a->sa_family != b->sa_family)
        return false;
    if (a->sa_family == AF_INET)
        return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
    const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;
    uint32_t scope = a6->sin6_scope_id, other = b6->sin6_scope_id; /* 0: any */
    return (scope == other || scope == 0 || other == 0) &&
           memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0;
}

static uint16_t port_of(const struct sockaddr *a) /* as it is on the wire */
{
    return a->sa_family == AF_INET ? ((const struct sockaddr_in *)(const void *)a)->sin_port
                                   : ((const struct sockaddr_in6 *)(const void *)a)->sin6_port;
}

/* ---- the table ---- */

/* The number of this upstream, entered when it is new; -1 when there are too many. */
static int upstream_enter(struct forward_conf *conf, const struct forward_address *a)
{
    for (size_t i = 0; i < conf->upstream_count; i++) {
        if (same_host(&conf->upstreams[i].at.any, &a->at.any) &&
            port_of(&conf->upstreams[i].at.any) == port_of(&a->at.any))
            return (int)i;
    }
    if (conf->upstream_count == FORWARD_UPSTREAMS_MAX)
        return -1;
    conf->upstreams[conf->upstream_count] = *a;
    return (int)conf->upstream_count++;
}

static int zone_add_upstream(struct forward_conf *conf, struct forward_zone *zone,
                             const char *option, const char *text, struct err *e)
{
    struct forward_address address;
    int rc = forward_address_parse(option, text, &address, e);
    if (rc < 0)
        return rc;
    int number = upstream_enter(conf, &address);
    if (number < 0)
        return err_set(e, ERR_INVALID, "%s: more than %d upstreams", option, FORWARD_UPSTREAMS_MAX);
    zone->members |= UINT32_C(1) << number;
    return 0;
}

/* "suffix=ADDR ADDR" */
static int parse_zone(struct forward_conf *conf, struct forward_zone *zone, char *text,
                      struct err *e)
{
    static const char option[] = "forward.zones";
    char *value = strchr(text, '='), *state = NULL;
    if (!value)
        return err_set(e, ERR_INVALID, "%s: \"%s\" is not SUFFIX=ADDRESS", option, text);
    *value++ = '\0';
    int len = name_parse(text, zone->name, NULL);
    if (len < 0 || *text == '\0' || len > NAME_MAX_WIRE - FORWARD_LOOP_MAX)
        return err_set(e, ERR_INVALID, "%s: \"%s\" is no domain name", option, text);
    zone->name_len = (size_t)len;
    for (char *word = strtok_r(value, " \t", &state); word; word = strtok_r(NULL, " \t", &state)) {
        int rc = zone_add_upstream(conf, zone, option, word, e);
        if (rc < 0)
            return rc;
    }
    return zone->members ? 0 : err_set(e, ERR_INVALID, "%s: %s has no upstream", option, text);
}

static int longest_first(const void *a, const void *b)
{
    const struct forward_zone *x = a, *y = b;
    return (int)name_labels(y->name) - (int)name_labels(x->name);
}

static int parse_zones(struct forward_conf *conf, const char *const *zones, size_t count,
                       struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        struct forward_zone *zone = &conf->zones[conf->zone_count];
        char *text = xstrdup(zones[i]);
        int rc = parse_zone(conf, zone, text, e);
        for (size_t k = 0; k < conf->zone_count && rc == 0; k++) {
            if (name_equal(conf->zones[k].name, zone->name))
                rc = err_set(e, ERR_INVALID, "forward.zones: %s is there twice", text);
        }
        free(text);
        if (rc < 0)
            return rc;
        conf->zone_count++;
    }
    return 0;
}

/* Labels that nobody else asks for. */
static void make_loop_labels(struct forward_conf *conf)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t chance[16];
    char label[2 * sizeof chance];
    struct name_builder b;
    random_bytes(chance, sizeof chance);
    for (size_t i = 0; i < sizeof chance; i++) {
        label[2 * i] = digits[chance[i] >> 4];
        label[2 * i + 1] = digits[chance[i] & 15];
    }
    name_begin(&b);
    CHECK(name_add(&b, label, sizeof label) && name_add_text(&b, "loop-check") &&
          name_add_text(&b, "ordinald") && b.len <= FORWARD_LOOP_MAX);
    memcpy(conf->loop_labels, b.wire, b.len);
    conf->loop_len = b.len;
}

int forward_conf_init(struct forward_conf *conf, const char *const *upstreams, size_t count,
                      const char *const *zones, size_t zone_count, const char *const *recurse,
                      size_t recurse_count, struct err *e)
{
    *conf = (struct forward_conf){.zones = xcalloc(zone_count + 1, sizeof *conf->zones)};
    make_loop_labels(conf);
    int rc = access_list_init(&conf->recurse_acl, "access.recurse", recurse, recurse_count, e);
    if (rc == 0)
        rc = parse_zones(conf, zones, zone_count, e);
    struct forward_zone root = {.name_len = 1};
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = zone_add_upstream(conf, &root, "forward.upstream", upstreams[i], e);
    if (rc < 0) {
        forward_conf_fini(conf);
        return rc;
    }
    if (count > 0)
        conf->zones[conf->zone_count++] = root;
    qsort(conf->zones, conf->zone_count, sizeof *conf->zones, longest_first);
    return 0;
}

void forward_conf_fini(struct forward_conf *conf)
{
    access_list_fini(&conf->recurse_acl);
    free(conf->zones);
    *conf = (struct forward_conf){0};
}

const struct forward_zone *forward_zone_find(const struct forward_conf *conf, const uint8_t *name)
{
    for (size_t i = 0; i < conf->zone_count; i++) {
        if (name_is_under(name, conf->zones[i].name))
            return &conf->zones[i];
    }
    return NULL;
}

/* ---- our own listeners ---- */

static bool is_wildcard(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr == INADDR_ANY;
    return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static bool is_of_this_machine(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET &&
        ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127)
        return true;
    struct ifaddrs *list;
    bool found = false;
    if (getifaddrs(&list) != 0)
        return false;
    for (struct ifaddrs *it = list; it && !found; it = it->ifa_next)
        found =
            it->ifa_addr && it->ifa_addr->sa_family == a->sa_family && same_host(it->ifa_addr, a);
    freeifaddrs(list);
    return found;
}

int forward_check_listener(const struct forward_conf *conf, const struct sockaddr *listener,
                           struct err *e)
{
    for (size_t i = 0; i < conf->upstream_count; i++) {
        const struct sockaddr *a = &conf->upstreams[i].at.any;
        if (a->sa_family != listener->sa_family || port_of(a) != port_of(listener))
            continue;
        bool is_own = is_wildcard(listener) ? is_wildcard(a) || is_of_this_machine(a)
                                            : same_host(a, listener);
        if (is_own)
            return err_set(e, ERR_INVALID,
                           "forward.upstream: %s is this server itself, queries would go round for "
                           "ever",
                           conf->upstreams[i].text);
    }
    return 0;
}
