#include "controller/reconcile/endpoints_plan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* Endpoints with equal resolved ports share slices (R96). */
struct group {
    const struct port_view *ports;
    size_t port_count;
    size_t first, count; /* of the family's wanted endpoints, which are ordered by group */
};

struct wanted {
    struct plan_endpoint endpoint;
    size_t group;
    bool is_placed;
};

/* What becomes of one existing slice. */
struct keep {
    size_t slice;
    size_t group; /* SIZE_MAX: its ports belong to no group */
    const struct plan_endpoint **endpoints;
    size_t count;
    bool is_changed, is_used;
};

struct family_plan {
    const struct endpoints_view *view;
    struct arena *arena;
    const char *family;
    unsigned family_bit;
    struct wanted *wanted;
    size_t wanted_count;
    struct group *groups;
    size_t group_count;
    uint32_t *table;       /* uid -> index in wanted + 1 */
    uint32_t *group_table; /* ports -> index in groups + 1 */
    size_t table_mask, group_mask;
    struct keep *keeps;
    size_t keep_count;
    size_t per_slice;
    struct endpoints_plan *out;
    size_t *step_cap;
    size_t left; /* slices that this family will have */
};

static size_t hash_text(const char *text)
{
    uint64_t h = 0xcbf29ce484222325ULL;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3ULL;
    return (size_t)(h ^ (h >> 31));
}

static bool is_of_family(const char *address, const char *family)
{
    return (strchr(address, ':') != NULL) == (strcmp(family, "IPv6") == 0);
}

/* The number that a Service port means for this pod, 0 when the pod lacks it (R96). */
static uint16_t resolve_port(const struct port_view *port, const struct endpoint_pod *pod)
{
    if (!port->target || !*port->target)
        return port->port;
    char *end = NULL;
    unsigned long number = strtoul(port->target, &end, 10);
    if (!*end)
        return number > 0 && number <= UINT16_MAX ? (uint16_t)number : port->port;
    for (size_t i = 0; i < pod->port_count; i++)
        if (strcmp(pod->ports[i].name, port->target) == 0 &&
            strcmp(pod->ports[i].protocol, port->protocol) == 0)
            return pod->ports[i].port;
    return 0;
}

static bool ports_equal(const struct port_view *a, size_t a_count, const struct port_view *b,
                        size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++)
        if (a[i].port != b[i].port || strcmp(a[i].name, b[i].name) != 0 ||
            strcmp(a[i].protocol, b[i].protocol) != 0 ||
            strcmp(a[i].app_protocol, b[i].app_protocol) != 0)
            return false;
    return true;
}

static bool has_named_target(const struct endpoints_view *view)
{
    for (size_t i = 0; i < view->port_count; i++) {
        const char *target = view->ports[i].target;
        if (target && *target && target[strspn(target, "0123456789")])
            return true;
    }
    return false;
}

static size_t hash_ports(const struct port_view *ports, size_t count)
{
    uint64_t h = count;
    for (size_t i = 0; i < count; i++)
        h = (h ^ ports[i].port ^ hash_text(ports[i].name)) * 0x9fb21c651e98df25ULL;
    return (size_t)(h ^ (h >> 31));
}

/* Place of the group with these ports in the group table; 0 there when no group has them. */
static uint32_t *group_place(const struct family_plan *f, const struct port_view *ports,
                             size_t count)
{
    size_t at = hash_ports(ports, count) & f->group_mask;
    for (; f->group_table[at]; at = (at + 1) & f->group_mask) {
        const struct group *g = &f->groups[f->group_table[at] - 1];
        if (ports_equal(g->ports, g->port_count, ports, count))
            break;
    }
    return &f->group_table[at];
}

static size_t group_of(struct family_plan *f, const struct port_view *ports, size_t count)
{
    uint32_t *place = group_place(f, ports, count);
    if (*place == 0) {
        f->groups[f->group_count] = (struct group){.ports = ports, .port_count = count};
        *place = (uint32_t)++f->group_count;
    }
    return *place - 1;
}

static size_t pod_group(struct family_plan *f, const struct endpoint_pod *pod)
{
    const struct endpoints_view *view = f->view;
    struct port_view *ports = arena_alloc(f->arena, (view->port_count + 1) * sizeof *ports);
    size_t count = 0;
    for (size_t i = 0; i < view->port_count; i++) {
        uint16_t number = resolve_port(&view->ports[i], pod);
        if (number > 0)
            ports[count++] = (struct port_view){.name = view->ports[i].name,
                                                .protocol = view->ports[i].protocol,
                                                .port = number,
                                                .target = "",
                                                .app_protocol = view->ports[i].app_protocol};
    }
    return group_of(f, ports, count);
}

/* R92: the pod's addresses of this family; 0 when it is no endpoint. */
static size_t pod_addresses(const struct family_plan *f, const struct endpoint_pod *pod,
                            const char *const **out)
{
    if (pod->is_finished || (pod->node_missing && !f->view->publish_not_ready))
        return 0;
    size_t count = 0, first = 0;
    for (size_t i = 0; i < pod->ip_count; i++)
        if (is_of_family(pod->ips[i], f->family) && count++ == 0)
            first = i;
    if (count <= 1) {
        *out = count ? &pod->ips[first] : NULL;
        return count;
    }
    const char **addresses = arena_alloc(f->arena, count * sizeof(char *));
    size_t n = 0;
    for (size_t i = 0; i < pod->ip_count; i++)
        if (is_of_family(pod->ips[i], f->family))
            addresses[n++] = pod->ips[i];
    *out = addresses;
    return n;
}

static void table_add(struct family_plan *f, size_t index)
{
    size_t at = hash_text(f->wanted[index].endpoint.pod->uid) & f->table_mask;
    while (f->table[at])
        at = (at + 1) & f->table_mask;
    f->table[at] = (uint32_t)index + 1;
}

static struct wanted *table_find(const struct family_plan *f, const char *uid)
{
    for (size_t at = hash_text(uid) & f->table_mask; f->table[at]; at = (at + 1) & f->table_mask) {
        struct wanted *w = &f->wanted[f->table[at] - 1];
        if (strcmp(w->endpoint.pod->uid, uid) == 0)
            return w;
    }
    return NULL;
}

static void gather_wanted(struct family_plan *f)
{
    const struct endpoints_view *view = f->view;
    size_t cap = 8;
    while (cap < view->pod_count * 2)
        cap *= 2;
    f->table = arena_alloc(f->arena, cap * sizeof *f->table);
    f->table_mask = cap - 1;
    f->wanted = arena_alloc(f->arena, (view->pod_count + 1) * sizeof *f->wanted);
    bool same_ports = !has_named_target(view);
    size_t group_cap = same_ports ? 8 : cap;
    f->groups = arena_alloc(f->arena, group_cap * sizeof *f->groups);
    f->group_table = arena_alloc(f->arena, group_cap * sizeof *f->group_table);
    f->group_mask = group_cap - 1;
    for (size_t i = 0; i < view->pod_count; i++) {
        const struct endpoint_pod *pod = &view->pods[i];
        const char *const *addresses = NULL;
        bool is_asked = !view->is_part || (pod->held & f->family_bit);
        size_t address_count = is_asked ? pod_addresses(f, pod, &addresses) : 0;
        if (address_count == 0)
            continue;
        bool is_governed = *pod->hostname && strcmp(pod->subdomain, view->name) == 0; /* R94 */
        struct wanted *w = &f->wanted[f->wanted_count];
        w->endpoint = (struct plan_endpoint){
            .pod = pod,
            .addresses = addresses,
            .address_count = address_count,
            .hostname = is_governed ? pod->hostname : "",
            .serving = pod->is_ready,
            .terminating = pod->is_terminating,
            .ready = view->publish_not_ready || (pod->is_ready && !pod->is_terminating), /* R93 */
        };
        w->group = same_ports && f->wanted_count > 0 ? 0 : pod_group(f, pod);
        f->groups[w->group].count++;
        table_add(f, f->wanted_count++);
    }
}

static bool endpoint_equal(const struct endpoint_view *have, const struct plan_endpoint *want,
                           const char *ns)
{
    const struct endpoint_pod *pod = want->pod;
    if (have->ready != want->ready || have->serving != want->serving ||
        have->terminating != want->terminating || have->address_count != want->address_count)
        return false;
    for (size_t i = 0; i < want->address_count; i++)
        if (strcmp(have->addresses[i], want->addresses[i]) != 0)
            return false;
    return strcmp(have->hostname, want->hostname) == 0 &&
           strcmp(have->target_name, pod->name) == 0 && strcmp(have->target_ns, ns) == 0 &&
           strcmp(have->target_kind, "Pod") == 0 && strcmp(have->node, pod->node) == 0 &&
           strcmp(have->zone, pod->zone) == 0;
}

/* Keeps in each existing slice what is still wanted there. */
static void keep_slice(struct family_plan *f, size_t index)
{
    const struct slice_view *slice = f->view->slices[index].view;
    struct keep *k = &f->keeps[f->keep_count++];
    *k = (struct keep){
        .slice = index, .group = SIZE_MAX, .is_changed = f->view->slices[index].is_stale};
    uint32_t group = *group_place(f, slice->ports, slice->port_count);
    if (group == 0)
        return;
    k->group = group - 1;
    size_t room = slice->endpoint_count > f->per_slice ? slice->endpoint_count : f->per_slice;
    k->endpoints = arena_alloc(f->arena, room * sizeof(struct plan_endpoint *));
    for (size_t i = 0; i < slice->endpoint_count; i++) {
        const struct endpoint_view *have = &slice->endpoints[i];
        struct wanted *w = *have->target_uid ? table_find(f, have->target_uid) : NULL;
        if (!w || w->is_placed || w->group != k->group || k->count >= f->per_slice) {
            k->is_changed = true;
            continue;
        }
        w->is_placed = true;
        k->endpoints[k->count++] = &w->endpoint;
        if (!endpoint_equal(have, &w->endpoint, f->view->ns))
            k->is_changed = true;
    }
}

/* How gladly a slice of the group takes some of `need` more endpoints; 0: not at all. First those
 * that are written anyway, the fullest first; then the fullest untouched one with room for all;
 * then, so that slices which grew in steps do not stay half empty, the emptiest untouched ones that
 * lack more than a tenth. */
static size_t eagerness(const struct family_plan *f, const struct keep *k, size_t group,
                        size_t need)
{
    size_t room = k->count < f->per_slice ? f->per_slice - k->count : 0;
    if (k->group != group || k->count == 0 || room == 0)
        return 0;
    if (k->is_changed)
        return 3 * f->per_slice - room;
    if (room >= need)
        return 2 * f->per_slice - room;
    return room > f->per_slice / 10 ? room : 0;
}

static struct keep *slice_with_room(const struct family_plan *f, size_t group, size_t need)
{
    struct keep *best = NULL;
    size_t best_eagerness = 0;
    for (size_t i = 0; i < f->keep_count; i++) {
        size_t eager = eagerness(f, &f->keeps[i], group, need);
        if (eager > best_eagerness) {
            best_eagerness = eager;
            best = &f->keeps[i];
        }
    }
    return best;
}

/* An existing slice that lost all its endpoints: it is written anew rather than deleted. */
static struct keep *empty_slice(const struct family_plan *f)
{
    for (size_t i = 0; i < f->keep_count; i++)
        if (!f->keeps[i].is_used && f->keeps[i].count == 0)
            return &f->keeps[i];
    return NULL;
}

static void push_step(struct arena *arena, struct endpoints_plan *out, size_t *cap,
                      const struct slice_step *step)
{
    if (out->count == *cap) {
        *cap = *cap ? *cap * 2 : 4;
        struct slice_step *more = arena_alloc(arena, *cap * sizeof *more);
        if (out->count > 0)
            memcpy(more, out->steps, out->count * sizeof *more);
        out->steps = more;
    }
    out->steps[out->count++] = *step;
}

static void add_step(struct family_plan *f, enum slice_action action, size_t slice, size_t group,
                     const struct plan_endpoint *const *endpoints, size_t count)
{
    struct slice_step step = {.action = action,
                              .slice = slice,
                              .family = f->family,
                              .endpoints = endpoints,
                              .endpoint_count = count};
    if (group != SIZE_MAX) {
        step.ports = f->groups[group].ports;
        step.port_count = f->groups[group].port_count;
    }
    push_step(f->arena, f->out, f->step_cap, &step);
    f->left += action != SLICE_DELETE;
}

/* Endpoints of the group that no existing slice holds, `count` of them. */
static void place_rest(struct family_plan *f, size_t group, const struct plan_endpoint **rest,
                       size_t count)
{
    while (count > 0) {
        struct keep *k = slice_with_room(f, group, count);
        if (k) {
            k->is_changed = true;
            while (count > 0 && k->count < f->per_slice) {
                k->endpoints[k->count++] = *rest++;
                count--;
            }
            continue;
        }
        size_t n = count < f->per_slice ? count : f->per_slice;
        k = empty_slice(f);
        if (k)
            k->is_used = true;
        add_step(f, k ? SLICE_UPDATE : SLICE_CREATE, k ? k->slice : 0, group, rest, n);
        rest += n;
        count -= n;
    }
}

static void plan_groups(struct family_plan *f)
{
    const struct plan_endpoint **rest =
        arena_alloc(f->arena, (f->wanted_count + 1) * sizeof(struct plan_endpoint *));
    size_t *starts = arena_alloc(f->arena, (f->group_count + 1) * sizeof *starts);
    size_t at = 0;
    for (size_t g = 0; g < f->group_count; g++) {
        starts[g] = f->groups[g].first = at;
        at += f->groups[g].count;
    }
    for (size_t i = 0; i < f->wanted_count; i++)
        if (!f->wanted[i].is_placed)
            rest[starts[f->wanted[i].group]++] = &f->wanted[i].endpoint;
    for (size_t g = 0; g < f->group_count; g++)
        place_rest(f, g, rest + f->groups[g].first, starts[g] - f->groups[g].first);
}

static bool is_placeholder(const struct slice_view *slice)
{
    return slice->port_count == 0 && slice->endpoint_count == 0;
}

/* No endpoints: one placeholder stays, so that a reader sees that the Service was looked at (R97).
 */
static void plan_placeholder(struct family_plan *f)
{
    struct keep *chosen = NULL;
    for (size_t i = 0; i < f->keep_count; i++)
        if (!chosen || is_placeholder(f->view->slices[f->keeps[i].slice].view)) {
            chosen = &f->keeps[i];
            if (is_placeholder(f->view->slices[chosen->slice].view))
                break;
        }
    if (!chosen) {
        add_step(f, SLICE_CREATE, 0, SIZE_MAX, NULL, 0);
        return;
    }
    chosen->is_used = true;
    const struct endpoint_slice *slice = &f->view->slices[chosen->slice];
    if (slice->is_stale || !is_placeholder(slice->view))
        add_step(f, SLICE_UPDATE, chosen->slice, SIZE_MAX, NULL, 0);
}

static void plan_family(const struct endpoints_view *view, size_t index, struct arena *arena,
                        struct endpoints_plan *out, size_t *cap)
{
    const char *family = view->families[index];
    struct family_plan f = {.view = view,
                            .arena = arena,
                            .family = family,
                            .family_bit = 1U << index,
                            .out = out,
                            .step_cap = cap,
                            .per_slice = view->per_slice ? view->per_slice : ENDPOINTS_PER_SLICE};
    gather_wanted(&f);
    f.keeps = arena_alloc(arena, (view->slice_count + 1) * sizeof *f.keeps);
    for (size_t i = 0; i < view->slice_count; i++)
        if (strcmp(view->slices[i].view->address_type, family) == 0)
            keep_slice(&f, i);
    plan_groups(&f);
    for (size_t i = 0; i < f.keep_count; i++) {
        struct keep *k = &f.keeps[i];
        if (k->count == 0)
            continue;
        k->is_used = true;
        f.left++;
        if (!k->is_changed)
            continue;
        f.left--;
        add_step(&f, SLICE_UPDATE, k->slice, k->group, k->endpoints, k->count);
    }
    if (f.left == 0)
        plan_placeholder(&f);
    for (size_t i = 0; i < f.keep_count; i++)
        if (!f.keeps[i].is_used)
            add_step(&f, SLICE_DELETE, f.keeps[i].slice, SIZE_MAX, NULL, 0);
}

void endpoints_plan(const struct endpoints_view *view, struct arena *arena,
                    struct endpoints_plan *out)
{
    size_t cap = 0;
    *out = (struct endpoints_plan){0};
    for (size_t i = 0; i < view->family_count; i++)
        plan_family(view, i, arena, out, &cap);
    for (size_t i = 0; i < view->slice_count; i++) {
        bool is_of_service = false;
        for (size_t k = 0; k < view->family_count; k++)
            is_of_service |= strcmp(view->slices[i].view->address_type, view->families[k]) == 0;
        if (!is_of_service)
            push_step(arena, out, &cap,
                      &(struct slice_step){.action = SLICE_DELETE,
                                           .slice = i,
                                           .family = view->slices[i].view->address_type});
    }
}
