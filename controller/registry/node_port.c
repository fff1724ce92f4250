/* controller/registry/node_port.c - node ports of Services of type NodePort and LoadBalancer: one
 * number of 30000 to 32767 for each port, of one Service alone (R99).
 *
 * Nothing here listens on them; clients and load balancers outside read them from the Service. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/random.h"
#include "controller/registry/strategy.h"

#define LOWEST  30000
#define HIGHEST 32767
#define COUNT   (HIGHEST - LOWEST + 1)

struct node_ports {
    bool is_taken[COUNT]; /* by other Services */
    bool is_ours[COUNT];
};

static void gather(const struct change *c, const cJSON *obj, struct node_ports *out)
{
    struct store_view view = store_unit_view(c->v->unit);
    struct view_cursor cur;
    const cJSON *meta = json_get(obj, "metadata");
    *out = (struct node_ports){0};
    for (view_seek(&cur, &view, KIND_SERVICE, NULL, NULL); cur.object; view_next(&cur)) {
        const struct service_view *v = service_view(cur.object);
        if (strcmp(cur.object->name, json_str(meta, "name", "")) == 0 &&
            strcmp(cur.object->ns, json_str(meta, "namespace", "")) == 0)
            continue;
        for (size_t i = 0; i < v->port_count; i++)
            if (v->ports[i].node_port >= LOWEST && v->ports[i].node_port <= HIGHEST)
                out->is_taken[v->ports[i].node_port - LOWEST] = true;
    }
}

static int64_t number_of(const cJSON *port, const char *name)
{
    int64_t number = 0;
    (void)json_int(port, name, 0, UINT16_MAX, &number);
    return number;
}

static bool has_node_port(const cJSON *spec, int64_t number)
{
    const cJSON *port = NULL;
    cJSON_ArrayForEach(port, json_get(spec, "ports"))
    {
        if (number_of(port, "nodePort") == number)
            return true;
    }
    return false;
}

/* Number asked for by the writer: in the range, and nobody else's. What the Service has it keeps.
 */
static void check_asked(struct issues *is, const struct path *path, const cJSON *old,
                        struct node_ports *ports, int64_t number)
{
    if (number < LOWEST || number > HIGHEST) {
        if (!has_node_port(old, number))
            issue_invalid_int(is, path, number,
                              "provided port is not in the valid range. The range of valid ports "
                              "is 30000-32767");
        return;
    }
    if (ports->is_taken[number - LOWEST])
        issue_invalid_int(is, path, number, "provided port is already allocated");
    ports->is_ours[number - LOWEST] = true;
}

/* TCP and UDP of one port number share the node port. */
static int64_t shared_with(const cJSON *list, const cJSON *port)
{
    const cJSON *other = NULL;
    cJSON_ArrayForEach(other, list)
    {
        if (other != port && number_of(other, "port") == number_of(port, "port") &&
            number_of(other, "nodePort") > 0)
            return number_of(other, "nodePort");
    }
    return 0;
}

/* A free number from a random place on; 0 when there is none. */
static int64_t pick(struct node_ports *ports)
{
    uint64_t start = random_below(COUNT);
    for (uint64_t i = 0; i < COUNT; i++) {
        uint64_t at = (start + i) % COUNT;
        if (ports->is_taken[at] || ports->is_ours[at])
            continue;
        ports->is_ours[at] = true;
        return (int64_t)at + LOWEST;
    }
    return 0;
}

int node_ports_admit(const struct change *c, cJSON *obj, struct err *e)
{
    cJSON *spec = json_get(obj, "spec"), *list = json_get(spec, "ports"), *port = NULL;
    const cJSON *old = json_get(c->old, "spec");
    bool is_balancer = strcmp(json_str(spec, "type", ""), "LoadBalancer") == 0;
    bool allocates = !is_balancer || json_bool(spec, "allocateLoadBalancerNodePorts", true);
    struct node_ports ports;
    struct issues is = {.e = e};
    size_t i = 0;
    if (!is_balancer && strcmp(json_str(spec, "type", ""), "NodePort") != 0)
        return 0;
    gather(c, obj, &ports);
    cJSON_ArrayForEach(port, list)
    {
        if (number_of(port, "nodePort") > 0)
            check_asked(&is, AT(AT_INDEX(AT(AT(NULL, "spec"), "ports"), i), "nodePort"), old,
                        &ports, number_of(port, "nodePort"));
        i++;
    }
    if (is.count > 0)
        return fail_invalid(c->kind, json_str(json_get(obj, "metadata"), "name", ""), e);
    cJSON_ArrayForEach(port, list)
    {
        if (!allocates || number_of(port, "nodePort") > 0)
            continue;
        int64_t shared = shared_with(list, port), number = shared > 0 ? shared : pick(&ports);
        if (number == 0)
            return err_set(e, ERR_INTERNAL, "failed to allocate a nodePort: range is full");
        json_set_int(port, "nodePort", number);
    }
    return 0;
}
