#include "zones/naming.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "zones/hash.h"
#include "zones/naming_plan.h"

/* ---- growable arrays and indices that keep their memory ---- */

static void vector_grow(struct plan_vector *v, size_t count, size_t size)
{
    v->cap = (v->count + count + 4) * 2;
    v->items = xrealloc(v->items, v->cap * size);
}

static inline void *vector_add(struct plan_vector *v, size_t count, size_t size)
{
    if (v->count + count > v->cap || !v->items)
        vector_grow(v, count, size);
    void *at = (char *)v->items + v->count * size;
    v->count += count;
    return at;
}

static void index_reset(struct plan_index *index, size_t entries)
{
    size_t slots = 16;
    while (slots < entries * 2)
        slots *= 2;
    if (slots > index->cap) {
        free(index->slot);
        index->slot = xmalloc(slots * sizeof *index->slot);
        index->cap = slots;
    }
    index->mask = slots - 1;
    memset(index->slot, 0, slots * sizeof *index->slot);
}

/* Probes for a hash: `at` starts at 0 before the first call; an entry is its index + 1, so 0 means
 * an empty slot. */
static uint32_t *index_probe(const struct plan_index *index, uint64_t hash, size_t *at)
{
    return &index->slot[(hash + (*at)++) & index->mask];
}

void naming_plan_init(struct naming_plan *plan)
{
    *plan = (struct naming_plan){0};
}

void naming_plan_fini(struct naming_plan *plan)
{
    struct plan_vector *vectors[] = {&plan->addresses,    &plan->hosts,  &plan->more,
                                     &plan->epochs,       &plan->ports,  &plan->lists,
                                     &plan->groups,       &plan->text,   &plan->list_ports,
                                     &plan->list_numbers, &plan->scratch};
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
        free(vectors[i]->items);
    free(plan->host_index.slot);
    free(plan->total_index.slot);
    free(plan->pair_index.slot);
    free(plan->port_index.slot);
    *plan = (struct naming_plan){0};
}

static void plan_reset(struct naming_plan *plan, const struct naming_service *service)
{
    struct plan_vector *vectors[] = {&plan->addresses,    &plan->hosts,  &plan->more,
                                     &plan->epochs,       &plan->ports,  &plan->lists,
                                     &plan->groups,       &plan->text,   &plan->list_ports,
                                     &plan->list_numbers, &plan->scratch};
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
        vectors[i]->count = 0;
    plan->type = service->type;
    plan->is_valid = plan->has_service = plan->has_cname = false;
    plan->v4_count = plan->cname_len = 0;
    plan->service_list = PLAN_NONE;
    plan->ignored_hostnames = plan->too_long_names = 0;
    size_t addresses = service->cluster_ip_count;
    size_t ports = service->port_count;
    for (size_t i = 0; i < service->slice_count; i++) {
        const struct naming_slice *slice = &service->slices[i];
        ports += slice->port_count;
        for (size_t k = 0; k < slice->endpoint_count; k++)
            addresses += slice->endpoints[k].address_count;
    }
    index_reset(&plan->host_index, addresses);
    index_reset(&plan->total_index, addresses);
    index_reset(&plan->port_index, ports);
    plan->pair_index.mask = 0; /* made when a host gets its second address */
    plan->address_limit = addresses;
    CHECK(addresses < PLAN_NONE && ports < PLAN_NONE);
}

bool naming_is_label(const char *text, size_t len)
{
    /* 1: letters and digits, 2: hyphen */
    static const uint8_t classes[256] = {
        ['-'] = 2, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1,
        ['7'] = 1, ['8'] = 1, ['9'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1,
        ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1,
        ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1,
        ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1,
        ['D'] = 1, ['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1,
        ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1,
        ['T'] = 1, ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1,
    };
    const uint8_t *at = (const uint8_t *)text;
    if (len == 0 || len > NAME_MAX_LABEL || classes[at[0]] != 1 || classes[at[len - 1]] != 1)
        return false;
    unsigned bad = 0;
    for (size_t i = 0; i < len; i++)
        bad |= classes[at[i]] == 0;
    return !bad;
}

/* ---- ports ---- */

static uint32_t intern_port(struct naming_plan *plan, const struct naming_port *port)
{
    const char *name = port->name ? port->name : "";
    const char *protocol = port->protocol ? port->protocol : "TCP";
    uint64_t hash = hash_join(hash_bytes(name, strlen(name)),
                              hash_join(hash_bytes(protocol, strlen(protocol)), port->port));
    size_t probe = 0;
    for (;;) {
        uint32_t *slot = index_probe(&plan->port_index, hash, &probe);
        if (*slot == 0) {
            struct plan_port *fresh = vector_add(&plan->ports, 1, sizeof *fresh);
            *fresh = (struct plan_port){
                .name = name, .protocol = protocol, .port = port->port, .group = PLAN_NONE};
            *slot = (uint32_t)plan->ports.count;
            return *slot - 1;
        }
        const struct plan_port *known = plan_port(plan, *slot - 1);
        if (known->port == port->port && strcmp(known->name, name) == 0 &&
            strcmp(known->protocol, protocol) == 0)
            return *slot - 1;
    }
}

static int compare_u32(const void *a, const void *b)
{
    const uint32_t *x = a;
    const uint32_t *y = b;
    return (*x > *y) - (*x < *y);
}

static int compare_u16(const void *a, const void *b)
{
    const uint16_t *x = a;
    const uint16_t *y = b;
    return (*x > *y) - (*x < *y);
}

size_t naming_sort_numbers(uint16_t *numbers, size_t count)
{
    qsort(numbers, count, sizeof *numbers, compare_u16);
    size_t n = count > 0 ? 1 : 0;
    for (size_t i = 1; i < count; i++) {
        if (numbers[i] != numbers[n - 1])
            numbers[n++] = numbers[i];
    }
    return n;
}

static void list_add_numbers(struct naming_plan *plan, struct plan_list *list)
{
    list->number_at = (uint32_t)plan->list_numbers.count;
    uint16_t *numbers = vector_add(&plan->list_numbers, list->count, sizeof *numbers);
    for (size_t i = 0; i < list->count; i++)
        numbers[i] = plan_port(plan, plan_list_port(plan, list, i))->port;
    uint32_t n = (uint32_t)naming_sort_numbers(numbers, list->count);
    list->number_count = n;
    plan->list_numbers.count = list->number_at + n;
}

/* The list of these ports (any order, duplicates allowed; the array is reordered). */
static uint32_t intern_list(struct naming_plan *plan, uint32_t *ports, size_t count)
{
    if (count == 0)
        return PLAN_NONE;
    qsort(ports, count, sizeof *ports, compare_u32);
    size_t n = 1;
    for (size_t i = 1; i < count; i++) {
        if (ports[i] != ports[n - 1])
            ports[n++] = ports[i];
    }
    uint64_t hash = hash_bytes(ports, n * sizeof *ports);
    for (size_t i = 0; i < plan->lists.count; i++) {
        const struct plan_list *known = plan_list(plan, i);
        if (known->hash == hash && known->count == n &&
            memcmp((const uint32_t *)plan->list_ports.items + known->at, ports,
                   n * sizeof *ports) == 0)
            return (uint32_t)i;
    }
    struct plan_list fresh = {
        .at = (uint32_t)plan->list_ports.count, .count = (uint32_t)n, .hash = hash};
    memcpy(vector_add(&plan->list_ports, n, sizeof *ports), ports, n * sizeof *ports);
    list_add_numbers(plan, &fresh);
    *(struct plan_list *)vector_add(&plan->lists, 1, sizeof fresh) = fresh;
    return (uint32_t)plan->lists.count - 1;
}

static uint32_t list_of_ports(struct naming_plan *plan, const struct naming_port *ports,
                              size_t count)
{
    plan->scratch.count = 0;
    uint32_t *ids = vector_add(&plan->scratch, count, sizeof *ids);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (ports[i].port != 0)
            ids[n++] = intern_port(plan, &ports[i]);
    }
    return intern_list(plan, ids, n);
}

static uint32_t list_union(struct naming_plan *plan, uint32_t a, uint32_t b)
{
    if (a == b || b == PLAN_NONE)
        return a;
    if (a == PLAN_NONE)
        return b;
    struct plan_list first = *plan_list(plan, a);
    struct plan_list second = *plan_list(plan, b);
    plan->scratch.count = 0;
    uint32_t *ids = vector_add(&plan->scratch, first.count + second.count, sizeof *ids);
    const uint32_t *all = plan->list_ports.items;
    memcpy(ids, all + first.at, first.count * sizeof *ids);
    memcpy(ids + first.count, all + second.at, second.count * sizeof *ids);
    return intern_list(plan, ids, first.count + second.count);
}

static int compare_port_names(const void *a, const void *b, void *arg)
{
    const struct naming_plan *plan = arg;
    const struct plan_port *x = plan_port(plan, *(const uint32_t *)a);
    const struct plan_port *y = plan_port(plan, *(const uint32_t *)b);
    int order = strcasecmp(x->protocol, y->protocol);
    return order != 0 ? order : strcasecmp(x->name, y->name);
}

static bool add_underscored(struct name_builder *b, const char *text)
{
    char label[NAME_MAX_LABEL + 2] = {'_'};
    size_t len = strnlen(text, NAME_MAX_LABEL + 1);
    memcpy(label + 1, text, len < NAME_MAX_LABEL ? len : NAME_MAX_LABEL);
    return name_add(b, label, len + 1);
}

/* Names for the ports that have one: _port._proto (K-CIPSRV, K-HLSRV, K-NAMES). */
static void plan_groups(struct naming_plan *plan)
{
    plan->scratch.count = 0;
    uint32_t *ids = vector_add(&plan->scratch, plan->ports.count, sizeof *ids);
    size_t n = 0;
    for (uint32_t i = 0; i < plan->ports.count; i++) {
        const struct plan_port *port = plan_port(plan, i);
        if (naming_is_label(port->name, strlen(port->name)) &&
            naming_is_label(port->protocol, strlen(port->protocol)))
            ids[n++] = i;
    }
    qsort_r(ids, n, sizeof *ids, compare_port_names, plan);
    for (size_t i = 0; i < n; i++) {
        struct plan_port *port = (struct plan_port *)plan->ports.items + ids[i];
        if (i > 0 && compare_port_names(&ids[i - 1], &ids[i], plan) == 0) {
            port->group = (uint32_t)plan->groups.count - 1;
            continue;
        }
        struct plan_group *group = vector_add(&plan->groups, 1, sizeof *group);
        group->name = port->name;
        group->protocol = port->protocol;
        name_begin(&group->owner);
        add_underscored(&group->owner, port->name);
        add_underscored(&group->owner, port->protocol);
        group->is_too_long = !name_end(&group->owner, plan->service.wire);
        plan->too_long_names += group->is_too_long;
        port->group = (uint32_t)plan->groups.count - 1;
    }
}

/* ---- addresses ---- */

static uint64_t address_hash(const struct naming_address *a, uint64_t salt)
{
    uint64_t word[2] = {0, 0};
    if (a->len == 4) {
        memcpy(word, a->bytes, 4);
        return hash_mix(word[0] ^ salt << 32);
    }
    memcpy(word, a->bytes, 16);
    return hash_join(word[0] + salt, hash_mix(word[1]));
}

/* Adds an address to the Service name unless it is there. */
static void add_service_address(struct naming_plan *plan, const struct naming_address *address)
{
    uint64_t hash = address_hash(address, 0);
    size_t probe = 0;
    for (;;) {
        uint32_t *slot = index_probe(&plan->total_index, hash, &probe);
        if (*slot == 0) {
            *(struct naming_address *)vector_add(&plan->addresses, 1, sizeof *address) = *address;
            *slot = (uint32_t)plan->addresses.count;
            plan->v4_count += address->len == 4;
            return;
        }
        if (naming_address_equal(plan_service_address(plan, *slot - 1), address))
            return;
    }
}

/* The place of a further address of a host in pair_index: 0 inside when it is not there. */
static uint32_t *find_pair(const struct naming_plan *plan, uint32_t host_index,
                           const struct naming_address *address)
{
    uint64_t hash = address_hash(address, host_index + 1);
    size_t probe = 0;
    for (;;) {
        uint32_t *slot = index_probe(&plan->pair_index, hash, &probe);
        const struct plan_address *more = plan->more.items;
        if (*slot == 0 || (more[*slot - 1].host == host_index &&
                           naming_address_equal(&more[*slot - 1].address, address)))
            return slot;
    }
}

/* Adds an address to a host unless it is there. The first is kept in the host; further ones are
 * found by (host, address), so that thousands of endpoints may share a hostname. */
static void add_host_address(struct naming_plan *plan, uint32_t host_index,
                             const struct naming_address *address, bool is_explicit)
{
    struct plan_host *host = (struct plan_host *)plan->hosts.items + host_index;
    if (host->address_count == 0) {
        host->address = *address;
        host->address_count = 1;
    }
    if (naming_address_equal(&host->address, address)) {
        host->is_address_explicit = host->is_address_explicit || is_explicit;
        return;
    }
    if (plan->pair_index.mask == 0)
        index_reset(&plan->pair_index, plan->address_limit);
    uint32_t *slot = find_pair(plan, host_index, address);
    struct plan_address *more = plan->more.items;
    if (*slot != 0) {
        more[*slot - 1].is_explicit = more[*slot - 1].is_explicit || is_explicit;
        return;
    }
    more = vector_add(&plan->more, 1, sizeof *more);
    *more = (struct plan_address){
        .address = *address, .host = host_index, .next = PLAN_NONE, .is_explicit = is_explicit};
    uint32_t at = (uint32_t)plan->more.count - 1;
    *slot = at + 1;
    if (host->more_last == PLAN_NONE)
        host->more = at;
    else
        ((struct plan_address *)plan->more.items)[host->more_last].next = at;
    host->more_last = at;
    host->address_count++;
}

bool plan_is_explicit_at(const struct naming_plan *plan, size_t host_index,
                         const struct naming_address *address)
{
    const struct plan_host *host = plan_host(plan, host_index);
    if (naming_address_equal(&host->address, address))
        return host->is_address_explicit;
    const uint32_t *slot = find_pair(plan, (uint32_t)host_index, address);
    return *slot != 0 && ((const struct plan_address *)plan->more.items)[*slot - 1].is_explicit;
}

const struct naming_address *plan_next_address(const struct naming_plan *plan,
                                               const struct plan_host *host,
                                               struct plan_cursor *cursor)
{
    if (!cursor->is_started) {
        *cursor = (struct plan_cursor){.is_started = true, .next = host->more};
        return &host->address;
    }
    if (cursor->next == PLAN_NONE)
        return NULL;
    const struct plan_address *more = (const struct plan_address *)plan->more.items + cursor->next;
    cursor->next = more->next;
    return &more->address;
}

/* ---- endpoints ---- */

static uint32_t intern_host(struct naming_plan *plan, const char *label, size_t len)
{
    uint8_t folded[NAME_MAX_LABEL];
    name_fold(folded, (const uint8_t *)label, len);
    uint64_t hash = hash_bytes(folded, len);
    size_t probe = 0;
    for (;;) {
        uint32_t *slot = index_probe(&plan->host_index, hash, &probe);
        if (*slot != 0) {
            const struct plan_host *known = plan_host(plan, *slot - 1);
            if (known->hash == hash && known->label_len == len &&
                memcmp(plan_label(plan, known), folded, len) == 0)
                return *slot - 1;
            continue;
        }
        struct plan_host *fresh = vector_add(&plan->hosts, 1, sizeof *fresh);
        *fresh = (struct plan_host){.hash = hash,
                                    .label_at = (uint32_t)plan->text.count,
                                    .label_len = (uint8_t)len,
                                    .is_too_long = 1 + len + plan->service.len > NAME_MAX_WIRE,
                                    .more = PLAN_NONE,
                                    .more_last = PLAN_NONE,
                                    .list = PLAN_NONE,
                                    .published_list = PLAN_NONE};
        memcpy(vector_add(&plan->text, len, 1), folded, len);
        plan->too_long_names += fresh->is_too_long;
        *slot = (uint32_t)plan->hosts.count;
        return *slot - 1;
    }
}

static void add_epoch(struct naming_plan *plan, uint32_t host_index, uint64_t epoch)
{
    struct plan_host *host = (struct plan_host *)plan->hosts.items + host_index;
    if (host->epoch_count == 0)
        host->epoch = epoch;
    if (host->epoch_count > 0 && host->epoch == epoch)
        return;
    const struct plan_epoch *known = plan->epochs.items;
    for (size_t i = 0; host->epoch_count > 1 && i < plan->epochs.count; i++) {
        if (known[i].host == host_index && known[i].epoch == epoch)
            return;
    }
    if (host->epoch_count++ > 0)
        *(struct plan_epoch *)vector_add(&plan->epochs, 1, sizeof(struct plan_epoch)) =
            (struct plan_epoch){host_index, epoch};
}

/* What one endpoint brings to the hosts. */
struct sighting {
    const struct naming_endpoint *endpoint;
    uint32_t list; /* the ports of its slice */
    bool is_published, is_explicit;
};

static void add_sighting(struct naming_plan *plan, const struct sighting *seen, const char *label,
                         const struct naming_address *addresses, size_t count)
{
    uint32_t index = intern_host(plan, label, strlen(label));
    bool is_known = plan_host(plan, index)->address_count > 0;
    for (size_t i = 0; i < count; i++)
        add_host_address(plan, index, &addresses[i], seen->is_explicit);
    struct plan_host *host = (struct plan_host *)plan->hosts.items + index;
    host->is_mixed = host->is_mixed || (is_known && host->is_explicit != seen->is_explicit);
    host->is_explicit = host->is_explicit || seen->is_explicit;
    host->is_published = host->is_published || seen->is_published;
    if (host->list != seen->list)
        host->list = list_union(plan, host->list, seen->list);
    if (seen->is_published && host->published_list != seen->list)
        host->published_list = list_union(plan, host->published_list, seen->list);
    if (seen->is_explicit && seen->endpoint->epoch != 0)
        add_epoch(plan, index, seen->endpoint->epoch);
}

/* K-HOST: (a) the hostname, (b) the Pod's name, (c) the dashed address. */
static void plan_endpoint(struct naming_plan *plan, const struct naming_opts *opts,
                          const struct sighting *seen)
{
    const struct naming_endpoint *endpoint = seen->endpoint;
    const char *pod = endpoint->target_pod;
    if (seen->is_explicit) {
        add_sighting(plan, seen, endpoint->hostname, endpoint->addresses, endpoint->address_count);
    } else if (opts->has_pod_names && pod &&
               naming_is_label(pod, strnlen(pod, NAME_MAX_LABEL + 1))) {
        add_sighting(plan, seen, pod, endpoint->addresses, endpoint->address_count);
    } else {
        for (size_t i = 0; i < endpoint->address_count; i++) {
            char label[64];
            naming_dashed(&endpoint->addresses[i], label);
            add_sighting(plan, seen, label, &endpoint->addresses[i], 1);
        }
    }
}

/* Merges all slices (K-READY); returns how many endpoints are published. */
static size_t plan_slices(struct naming_plan *plan, const struct naming_opts *opts,
                          const struct naming_service *service)
{
    bool has_hosts = service->type == NAMING_HEADLESS || !opts->is_headless_only;
    size_t published = 0;
    for (size_t i = 0; i < service->slice_count; i++) {
        const struct naming_slice *slice = &service->slices[i];
        uint32_t list =
            has_hosts ? list_of_ports(plan, slice->ports, slice->port_count) : PLAN_NONE;
        for (size_t k = 0; k < slice->endpoint_count; k++) {
            const struct naming_endpoint *endpoint = &slice->endpoints[k];
            struct sighting seen = {.endpoint = endpoint, .list = list};
            const char *hostname = endpoint->hostname;
            seen.is_explicit =
                hostname && naming_is_label(hostname, strnlen(hostname, NAME_MAX_LABEL + 1));
            plan->ignored_hostnames += hostname && *hostname && !seen.is_explicit;
            seen.is_published = endpoint->ready || service->publish_not_ready;
            bool is_named =
                seen.is_published || (service->publish_identity && seen.is_explicit); /* K-IDENT */
            if (!is_named || endpoint->address_count == 0)
                continue;
            published += seen.is_published;
            for (size_t a = 0; seen.is_published && service->type == NAMING_HEADLESS &&
                               a < endpoint->address_count;
                 a++)
                add_service_address(plan, &endpoint->addresses[a]);
            if (has_hosts)
                plan_endpoint(plan, opts, &seen);
        }
    }
    return published;
}

/* K-EXT: a name that is no address literal. */
static void plan_external(struct naming_plan *plan, const char *target)
{
    char text[NAME_TEXT_MAX];
    size_t len = target ? strlen(target) : 0;
    if (len == 0 || len >= sizeof text)
        return;
    memcpy(text, target, len + 1);
    if (text[len - 1] == '.' && len > 1)
        text[len - 1] = 0;
    struct naming_address literal;
    int wire_len =
        naming_address_parse(text, &literal) ? -1 : name_parse(target, plan->cname, NULL);
    plan->has_cname = wire_len > 0;
    plan->cname_len = wire_len > 0 ? (size_t)wire_len : 0;
}

void naming_plan_build(struct naming_plan *plan, const struct naming_opts *opts,
                       const struct naming_service *service)
{
    plan_reset(plan, service);
    if (!naming_is_label(service->name, strnlen(service->name, NAME_MAX_LABEL + 1)) ||
        !naming_is_label(service->ns, strnlen(service->ns, NAME_MAX_LABEL + 1)))
        return;
    name_begin(&plan->service);
    name_add_text(&plan->service, service->name);
    name_add_text(&plan->service, service->ns);
    if (!name_end(&plan->service, opts->svc_root)) {
        plan->too_long_names++;
        return;
    }
    plan->is_valid = true;
    if (service->type == NAMING_EXTERNAL) {
        plan_external(plan, service->external_name);
        return;
    }
    if (service->type == NAMING_HEADLESS) {
        plan_slices(plan, opts, service);
        plan_groups(plan);
    } else {
        /* the ports of the Service have names; those of its slices only numbers, at the endpoints
         * (K-CIPSRV, K-BARE) */
        plan->service_list = list_of_ports(plan, service->ports, service->port_count);
        plan_groups(plan);
        size_t published = plan_slices(plan, opts, service);
        bool is_hidden = opts->ignore_empty_service && published == 0;
        for (size_t i = 0; i < service->cluster_ip_count && !is_hidden; i++)
            add_service_address(plan, &service->cluster_ips[i]);
    }
    plan->has_service = plan->addresses.count > 0;
}
