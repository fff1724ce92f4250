/* zones/service_txn.c - one Service in a transaction: from its plan to nodes, touching only names
 * that differ.
 *
 * Endpoints come in the same order as last time, give or take a few, so the node that a host had is
 * nearly always the next one of the membership; only when that fails an index of the old hosts is
 * made. The Service-wide sets are laid out anew in one pass and compared as bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "zones/hash.h"
#include "zones/zones_state.h"

#define HINT_REACH 4 /* hosts looked at before the index is made */
#define NOT_FOUND  SIZE_MAX

struct build {
    struct zone_txn *txn;
    struct zones *zones;
    const struct naming_plan *plan;
    struct book *old;   /* what the Service put last, or NULL */
    struct book *fresh; /* what it puts now */
    uint64_t service_hash;
    bool *is_seen;       /* per old host */
    uint32_t *old_index; /* label to old host + 1; made when needed */
    size_t old_mask;
    size_t hint;                  /* the old host expected next */
    struct zone_node **old_group; /* of the old book; those taken are NULL */
    size_t group_hint;
    struct rrset **list_srv; /* per port list: the set of its numbers at "self" */
    struct zone_node **node; /* per host of the plan: its node now, NULL when too long */
};

static struct zone_node *host_node(uintptr_t host)
{
    return (struct zone_node *)(host & ~HOST_MARKS); /* NOLINT(performance-no-int-to-ptr) */
}

/* ---- sets ---- */

static struct rrset *keep_set(struct zones *zones, struct rrset *set)
{
    return rrset_count(set) <= RRSET_SMALL ? rrset_pool_intern(&zones->pool, set)
                                           : rrset_pool_adopt(&zones->pool, set);
}

/* The set of a port list's numbers at "self"; borrowed. */
static struct rrset *self_srv(struct build *b, uint32_t list)
{
    if (list == PLAN_NONE)
        return NULL;
    if (!b->list_srv[list]) {
        const struct plan_list *ports = plan_list(b->plan, list);
        struct rrset *set = rrset_new_srv_self(
            b->zones->opts.ttl_s, plan_list_numbers(b->plan, ports), ports->number_count);
        b->list_srv[list] = rrset_pool_intern(&b->zones->pool, set);
    }
    return b->list_srv[list];
}

static struct rrset *ref_set(struct rrset *set)
{
    if (set)
        rrset_ref(set);
    return set;
}

/* A and AAAA sets being filled. */
struct address_sets {
    struct rrset *set[2];
    size_t at[2];
};

static void sets_begin(struct build *b, size_t v4, size_t v6, struct address_sets *out)
{
    uint32_t ttl = b->zones->opts.ttl_s;
    *out = (struct address_sets){{v4 ? rrset_new_addresses(RR_A, ttl, v4) : NULL,
                                  v6 ? rrset_new_addresses(RR_AAAA, ttl, v6) : NULL},
                                 {0, 0}};
}

static void sets_add(struct address_sets *sets, const struct naming_address *address)
{
    int family = address->len == 16;
    rrset_put_address(sets->set[family], sets->at[family]++, address->bytes);
}

static void sets_end(struct build *b, struct address_sets *sets)
{
    for (int i = 0; i < 2; i++) {
        if (sets->set[i])
            sets->set[i] = keep_set(b->zones, sets->set[i]);
    }
}

static void host_address_sets(struct build *b, const struct plan_host *host,
                              struct address_sets *out)
{
    struct plan_cursor cursor = {0};
    const struct naming_address *address;
    size_t v6 = 0;
    while ((address = plan_next_address(b->plan, host, &cursor)))
        v6 += address->len == 16;
    sets_begin(b, host->address_count - v6, v6, out);
    cursor = (struct plan_cursor){0};
    while ((address = plan_next_address(b->plan, host, &cursor)))
        sets_add(out, address);
    sets_end(b, out);
}

static void service_address_sets(struct build *b, struct address_sets *out)
{
    size_t total = b->plan->addresses.count;
    sets_begin(b, b->plan->v4_count, total - b->plan->v4_count, out);
    for (size_t i = 0; i < total; i++)
        sets_add(out, plan_service_address(b->plan, i));
    sets_end(b, out);
}

/* The node with these sets (references taken): the old one when nothing differs, so that nothing is
 * written. */
static struct zone_node *put_if_changed(struct build *b, struct zone_node *old, const uint8_t *name,
                                        size_t name_len, struct rrset **sets, size_t count)
{
    size_t shown = 0;
    size_t same = 0;
    for (size_t i = 0; i < count; i++) {
        if (!sets[i])
            continue;
        shown++;
        struct rrset *before = old ? node_set(old, rrset_type(sets[i])) : NULL;
        if (!before || !rrset_equal(before, sets[i]))
            continue;
        same++;
        rrset_ref(before);
        rrset_unref(&b->zones->pool, sets[i]);
        sets[i] = before;
    }
    if (old && same == shown && old->set_count == shown) {
        for (size_t i = 0; i < count; i++) {
            if (sets[i])
                rrset_unref(&b->zones->pool, sets[i]);
        }
        return old;
    }
    return txn_put(b->txn, name, name_len, b->zones->cluster, sets, count);
}

/* ---- reverse names ---- */

struct address_list {
    struct naming_address few[8], *item;
    size_t count;
};

static void list_addresses(const struct zone_node *node, struct address_list *out)
{
    const struct rrset *sets[2] = {node ? node_set(node, RR_A) : NULL,
                                   node ? node_set(node, RR_AAAA) : NULL};
    size_t total = (sets[0] ? rrset_count(sets[0]) : 0) + (sets[1] ? rrset_count(sets[1]) : 0);
    out->item = total <= ARRAY_SIZE(out->few) ? out->few : xmalloc(total * sizeof *out->item);
    out->count = 0;
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; sets[s] && i < rrset_count(sets[s]); i++) {
            struct naming_address *address = &out->item[out->count++];
            *address = (struct naming_address){.len = s == 0 ? 4 : 16};
            memcpy(address->bytes, rrset_address(sets[s], i), address->len);
        }
    }
}

static void free_addresses(struct address_list *list)
{
    if (list->item != list->few)
        free(list->item);
}

static int compare_addresses(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct naming_address));
}

static bool list_has(const struct address_list *sorted, const struct naming_address *address)
{
    return bsearch(address, sorted->item, sorted->count, sizeof *address, compare_addresses) !=
           NULL;
}

/* How a name stands at its addresses: alike at all of them, or as the plan says of each. */
struct ptr_ranks {
    enum ptr_rank all;
    const struct naming_plan *plan; /* of a host by hostname at some of its addresses; else NULL */
    size_t host;
};

static enum ptr_rank rank_at(const struct ptr_ranks *ranks, const struct naming_address *address)
{
    if (!ranks->plan)
        return ranks->all;
    return plan_is_explicit_at(ranks->plan, ranks->host, address) ? PTR_HOSTNAME : PTR_ADDRESS;
}

/* Points the reverse names of a node's addresses to what the node has become; NULL: there was, or
 * is, none. */
static void change_ptrs(struct zone_txn *txn, const struct zone_node *was,
                        const struct zone_node *now, struct ptr_ranks ranks)
{
    struct address_list before;
    struct address_list after;
    list_addresses(was, &before);
    list_addresses(now, &after);
    qsort(after.item, after.count, sizeof *after.item, compare_addresses);
    for (size_t i = 0; i < before.count; i++) {
        if (!list_has(&after, &before.item[i]))
            txn_change_ptr(txn, &before.item[i], was, NULL, ranks.all);
    }
    for (size_t i = 0; i < after.count; i++)
        txn_change_ptr(txn, &after.item[i], was, now, rank_at(&ranks, &after.item[i]));
    free_addresses(&before);
    free_addresses(&after);
}

/* ---- hosts ---- */

static bool has_label(const struct zone_node *node, const uint8_t *label, size_t len)
{
    const uint8_t *name = node_name(node);
    return name[0] == len && memcmp(name + 1, label, len) == 0;
}

static void index_old_hosts(struct build *b)
{
    const uintptr_t *hosts = book_hosts(b->old);
    size_t slots = 16;
    while (slots < (size_t)b->old->host_count * 2)
        slots *= 2;
    b->old_index = xcalloc(slots, sizeof *b->old_index);
    b->old_mask = slots - 1;
    for (uint32_t i = 0; i < b->old->host_count; i++) {
        const uint8_t *name = node_name(host_node(hosts[i]));
        size_t at = hash_bytes(name + 1, name[0]) & b->old_mask;
        while (b->old_index[at] != 0)
            at = (at + 1) & b->old_mask;
        b->old_index[at] = i + 1;
    }
}

static void host_name(const struct build *b, const struct plan_host *host, struct name_builder *out)
{
    name_begin(out);
    name_add(out, plan_label(b->plan, host), host->label_len);
    CHECK(name_end(out, b->plan->service.wire));
}

/* Where a host was in the membership. */
static size_t find_old_host(struct build *b, const struct plan_host *host)
{
    if (!b->old)
        return NOT_FOUND;
    const uintptr_t *hosts = book_hosts(b->old);
    const uint8_t *label = plan_label(b->plan, host);
    for (size_t i = b->hint; i < b->hint + HINT_REACH && i < b->old->host_count; i++) {
        if (has_label(host_node(hosts[i]), label, host->label_len))
            return i;
    }
    struct name_builder name;
    host_name(b, host, &name);
    if (!txn_find(b->txn, name.wire)) /* all that is below the Service is its own */
        return NOT_FOUND;
    if (!b->old_index)
        index_old_hosts(b);
    for (size_t at = host->hash & b->old_mask; b->old_index[at] != 0; at = (at + 1) & b->old_mask) {
        if (has_label(host_node(hosts[b->old_index[at] - 1]), label, host->label_len))
            return b->old_index[at] - 1;
    }
    return NOT_FOUND;
}

/* True when the node shows just this: the common case of one address, decided without making a set.
 */
static bool is_same_host(const struct zone_node *node, const struct plan_host *host,
                         const struct rrset *srv)
{
    if (host->address_count != 1 || node->set_count != (srv ? 2 : 1) ||
        (srv && node->set[1] != srv))
        return false;
    const struct rrset *set = node->set[0];
    return set->type == (host->address.len == 4 ? RR_A : RR_AAAA) && set->count == 1 &&
           memcmp(rrset_address(set, 0), host->address.bytes, host->address.len) == 0;
}

static struct zone_node *put_host_node(struct build *b, const struct plan_host *host,
                                       struct zone_node *old)
{
    struct rrset *srv = self_srv(b, host->list);
    if (old && is_same_host(old, host, srv))
        return old;
    struct address_sets addresses;
    host_address_sets(b, host, &addresses);
    struct rrset *sets[] = {addresses.set[0], addresses.set[1], ref_set(srv)};
    struct name_builder name;
    host_name(b, host, &name);
    return put_if_changed(b, old, name.wire, name.len, sets, ARRAY_SIZE(sets));
}

/* The name _epoch.<host>; false when it is too long. */
static bool epoch_name(const struct zone_node *host, struct name_builder *name)
{
    name_begin(name);
    name_add_text(name, "_epoch");
    return name_end(name, node_name(host));
}

static size_t add_epoch_record(uint8_t *out, uint64_t epoch)
{
    char text[32];
    int len = snprintf(text, sizeof text, "epoch=%llu", (unsigned long long)epoch);
    out[0] = 0;
    out[1] = (uint8_t)(len + 1);
    out[2] = (uint8_t)len;
    memcpy(out + 3, text, (size_t)len);
    return (size_t)len + 3;
}

/* K-EPOCH: one TXT record per distinct epoch of the endpoints called so. Returns whether the name
 * exists now. */
static bool put_epochs(struct build *b, size_t index, const struct zone_node *node)
{
    const struct plan_host *host = plan_host(b->plan, index);
    struct name_builder name;
    if (host->epoch_count == 0)
        return false;
    if (!epoch_name(node, &name)) {
        b->fresh->too_long_names++;
        return false;
    }
    uint8_t *records = xmalloc(host->epoch_count * 40ul);
    size_t len = add_epoch_record(records, host->epoch);
    const struct plan_epoch *more = b->plan->epochs.items;
    for (size_t i = 0; host->epoch_count > 1 && i < b->plan->epochs.count; i++) {
        if (more[i].host == index)
            len += add_epoch_record(records + len, more[i].epoch);
    }
    struct rrset *set =
        rrset_new_raw(RR_TXT, b->zones->opts.ttl_s, host->epoch_count, records, len);
    free(records);
    set = keep_set(b->zones, set);
    struct zone_node *old = b->old ? txn_find(b->txn, name.wire) : NULL; /* its own, as the host */
    put_if_changed(b, old, name.wire, name.len, &set, 1);
    return true;
}

static void del_epochs(struct zone_txn *txn, const struct zone_node *host)
{
    struct name_builder name;
    CHECK(epoch_name(host, &name));
    txn_del(txn, txn_find(txn, name.wire));
}

static void put_host(struct build *b, size_t index, size_t at)
{
    const struct plan_host *host = plan_host(b->plan, index);
    size_t before = find_old_host(b, host);
    uintptr_t was = 0;
    uint64_t old_epoch = 0;
    if (before != NOT_FOUND) {
        b->hint = before + 1;
        b->is_seen[before] = true;
        was = book_hosts(b->old)[before];
        old_epoch = b->old->has_epochs ? book_epochs(b->old)[before] : 0;
    }
    struct zone_node *node = put_host_node(b, host, host_node(was));
    CHECK(node);
    uintptr_t marks = (host->is_explicit ? HOST_EXPLICIT : 0) | (host->is_mixed ? HOST_MIXED : 0);
    if (node != host_node(was) || ((was ^ marks) & HOST_EXPLICIT) || ((was | marks) & HOST_MIXED)) {
        struct ptr_ranks ranks = {.all = host->is_explicit ? PTR_HOSTNAME : PTR_ADDRESS,
                                  .plan = host->is_mixed ? b->plan : NULL,
                                  .host = index};
        change_ptrs(b->txn, host_node(was), node, ranks);
    }
    uint64_t epoch = host->epoch_count == 1 ? host->epoch : 0;
    bool has_epoch = was & HOST_EPOCH;
    if (epoch == 0 || epoch != old_epoch)
        has_epoch = put_epochs(b, index, node);
    if (!has_epoch && (was & HOST_EPOCH))
        del_epochs(b->txn, node);
    b->node[index] = node;
    book_hosts(b->fresh)[at] = (uintptr_t)node | marks | (has_epoch ? HOST_EPOCH : 0);
    if (b->fresh->has_epochs)
        book_epochs(b->fresh)[at] = has_epoch ? epoch : 0;
}

static void del_host(struct zone_txn *txn, uintptr_t host)
{
    struct zone_node *node = host_node(host);
    change_ptrs(txn, node, NULL, (struct ptr_ranks){0});
    if (host & HOST_EPOCH)
        del_epochs(txn, node);
    txn_del(txn, node);
}

static void put_hosts(struct build *b)
{
    size_t at = 0;
    for (size_t i = 0; i < b->plan->hosts.count; i++) {
        if (!plan_host(b->plan, i)->is_too_long)
            put_host(b, i, at++);
    }
    CHECK(at == b->fresh->host_count);
    for (size_t i = 0; b->old && i < b->old->host_count; i++) {
        if (!b->is_seen[i])
            del_host(b->txn, book_hosts(b->old)[i]);
    }
}

/* ---- the Service's own names ---- */

/* How many records an SRV set will have, and whether all have one port number. */
struct srv_count {
    size_t records;
    bool is_uniform;
    uint16_t port;
};

static void count_srv(struct srv_count *count, uint16_t port)
{
    count->is_uniform = count->records == 0 || (count->is_uniform && count->port == port);
    count->port = port;
    count->records++;
}

/* The port numbers that a list has in a group (its index), or all of them at the bare name
 * (PLAN_NONE: K-BARE). */
static size_t list_numbers(const struct build *b, uint32_t list_index, uint32_t group,
                           uint16_t *out)
{
    const struct plan_list *list = plan_list(b->plan, list_index);
    if (group == PLAN_NONE) {
        memcpy(out, plan_list_numbers(b->plan, list), list->number_count * sizeof *out);
        return list->number_count;
    }
    size_t n = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct plan_port *port = plan_port(b->plan, plan_list_port(b->plan, list, i));
        if (port->group == group)
            out[n++] = port->port;
    }
    return n > 1 ? naming_sort_numbers(out, n) : n; /* names that differ in case are one name */
}

/* The numbers of every list, worked out once: list i has those from start[i] to start[i + 1]. */
struct numbers {
    uint16_t *number;
    size_t *start;
};

static struct numbers all_numbers(const struct build *b, uint32_t group)
{
    size_t lists = b->plan->lists.count;
    struct numbers all = {xmalloc((b->plan->list_ports.count + 1) * sizeof *all.number),
                          xmalloc((lists + 1) * sizeof *all.start)};
    all.start[0] = 0;
    for (uint32_t i = 0; i < lists; i++)
        all.start[i + 1] = all.start[i] + list_numbers(b, i, group, all.number + all.start[i]);
    return all;
}

static const struct plan_host *srv_host(const struct build *b, size_t i)
{
    const struct plan_host *host = plan_host(b->plan, i);
    return host->is_published && host->published_list != PLAN_NONE && !host->is_too_long ? host
                                                                                         : NULL;
}

static bool is_same_numbers(const struct numbers *a, const struct numbers *b, size_t lists)
{
    return memcmp(a->start, b->start, (lists + 1) * sizeof *a->start) == 0 &&
           memcmp(a->number, b->number, a->start[lists] * sizeof *a->number) == 0;
}

static void free_numbers(struct numbers *all)
{
    free(all->number);
    free(all->start);
}

/* True when a group has every port there is: its set is the one at the bare name. */
static bool is_only_group(const struct build *b, const struct numbers *all)
{
    struct numbers bare = all_numbers(b, PLAN_NONE);
    bool is_same = is_same_numbers(all, &bare, b->plan->lists.count);
    free_numbers(&bare);
    return is_same;
}

/* SRV of a headless Service: one record per distinct (endpoint name, port number) (K-HLSRV,
 * K-BARE). bare: the set at the Service name, returned once more when it would be the same. */
static struct rrset *headless_srv(struct build *b, uint32_t group, struct rrset *bare)
{
    struct numbers all = all_numbers(b, group);
    if (bare && is_only_group(b, &all)) {
        free_numbers(&all);
        return ref_set(bare);
    }
    struct srv_count count = {0};
    for (size_t i = 0; i < b->plan->hosts.count; i++) {
        const struct plan_host *host = srv_host(b, i);
        if (!host)
            continue;
        for (size_t k = all.start[host->published_list]; k < all.start[host->published_list + 1];
             k++)
            count_srv(&count, all.number[k]);
    }
    struct rrset *set = NULL;
    size_t at = 0;
    if (count.records > 0)
        set = rrset_new_srv(b->zones->opts.ttl_s, count.records, count.is_uniform);
    for (size_t i = 0; set && i < b->plan->hosts.count; i++) {
        const struct plan_host *host = srv_host(b, i);
        if (!host)
            continue;
        uint64_t hash = hash_join(host->hash, b->service_hash);
        for (size_t k = all.start[host->published_list]; k < all.start[host->published_list + 1];
             k++)
            rrset_put_srv(set, at++, b->node[i], hash, all.number[k]);
    }
    free_numbers(&all);
    return set ? rrset_pool_adopt(&b->zones->pool, set) : NULL;
}

/* K-CIPSRV: the Service itself, at each number that its ports have under this name. */
static struct rrset *cluster_ip_srv(struct build *b, uint32_t group)
{
    if (b->plan->service_list == PLAN_NONE || !b->fresh->service)
        return NULL;
    uint16_t *numbers = xmalloc(plan_list(b->plan, b->plan->service_list)->count * sizeof *numbers);
    size_t n = list_numbers(b, b->plan->service_list, group, numbers);
    struct rrset *set = n > 0 ? rrset_new_srv(b->zones->opts.ttl_s, n, n == 1) : NULL;
    for (size_t i = 0; i < n; i++)
        rrset_put_srv(set, i, b->fresh->service, b->service_hash, numbers[i]);
    free(numbers);
    return set ? rrset_pool_adopt(&b->zones->pool, set) : NULL;
}

static struct rrset *external_cname(struct build *b)
{
    uint8_t record[2 + NAME_MAX_WIRE] = {0, (uint8_t)b->plan->cname_len};
    memcpy(record + 2, b->plan->cname, b->plan->cname_len);
    struct rrset *set =
        rrset_new_raw(RR_CNAME, b->zones->opts.ttl_s, 1, record, 2 + b->plan->cname_len);
    return rrset_pool_intern(&b->zones->pool, set);
}

/* The Service name: addresses and ports, or the CNAME; gone when it has neither (K-CIP, K-HL,
 * K-EXT, K-EMPTYHL). */
static void put_service_name(struct build *b)
{
    const struct naming_plan *plan = b->plan;
    struct zone_node *was = b->old ? b->old->service : NULL;
    struct zone_node *now = NULL;
    if (plan->has_cname) {
        struct rrset *set = external_cname(b);
        now = put_if_changed(b, was, plan->service.wire, plan->service.len, &set, 1);
    } else if (plan->has_service) {
        struct address_sets addresses;
        service_address_sets(b, &addresses);
        bool is_headless = plan->type == NAMING_HEADLESS;
        struct rrset *srv = is_headless ? headless_srv(b, PLAN_NONE, NULL)
                                        : ref_set(self_srv(b, plan->service_list));
        struct rrset *sets[] = {addresses.set[0], addresses.set[1], srv};
        now = put_if_changed(b, was, plan->service.wire, plan->service.len, sets, ARRAY_SIZE(sets));
    }
    b->fresh->service = now;
    b->fresh->is_cluster_ip = plan->type == NAMING_CLUSTER_IP;
    const struct zone_node *old_target = b->old && b->old->is_cluster_ip ? was : NULL;
    const struct zone_node *target = b->fresh->is_cluster_ip ? now : NULL;
    if (old_target != target)
        change_ptrs(b->txn, old_target, target, (struct ptr_ranks){.all = PTR_CLUSTER_IP});
    if (was && !now)
        txn_del(b->txn, was);
}

/* The old node of a _port._proto name; taken out of the old book, so that what is left there can be
 * deleted. */
static struct zone_node *take_old_group(struct build *b, const struct name_builder *owner)
{
    for (size_t i = 0; b->old && i < b->old->group_count; i++) {
        struct zone_node **slot = &b->old_group[(i + b->group_hint) % b->old->group_count];
        if (*slot && (*slot)->name_len == owner->len &&
            memcmp(node_name(*slot), owner->wire, owner->len) == 0) {
            b->group_hint += i + 1;
            return TAKE(*slot);
        }
    }
    return NULL;
}

/* The names _port._proto of the Service; returns how many there are. */
static size_t put_groups(struct build *b)
{
    size_t n = 0;
    struct rrset *bare = b->fresh->service ? node_set(b->fresh->service, RR_SRV) : NULL;
    for (uint32_t i = 0; i < b->plan->groups.count; i++) {
        const struct plan_group *group = plan_group(b->plan, i);
        if (group->is_too_long)
            continue;
        bool is_headless = b->plan->type == NAMING_HEADLESS;
        struct rrset *srv = is_headless ? headless_srv(b, i, bare) : cluster_ip_srv(b, i);
        if (!srv)
            continue;
        struct zone_node *old = take_old_group(b, &group->owner);
        book_groups(b->fresh)[n++] =
            put_if_changed(b, old, group->owner.wire, group->owner.len, &srv, 1);
    }
    for (size_t i = 0; b->old && i < b->old->group_count; i++) {
        if (b->old_group[i])
            txn_del(b->txn, b->old_group[i]);
    }
    return n;
}

static size_t named_hosts(const struct naming_plan *plan, bool *has_epochs)
{
    size_t n = 0;
    *has_epochs = false;
    for (size_t i = 0; i < plan->hosts.count; i++) {
        const struct plan_host *host = plan_host(plan, i);
        n += !host->is_too_long;
        *has_epochs = *has_epochs || host->epoch_count > 0;
    }
    return n;
}

/* Groups are counted before it is known which have records: the array is cut to those that have. */
static struct book *trim_groups(struct book *book, size_t groups,
                                const struct naming_service *service)
{
    if (groups == book->group_count)
        return book;
    struct book *small = book_new(BOOK_SERVICE, service->ns, service->name, groups,
                                  book->host_count, book->has_epochs);
    small->service = book->service;
    small->is_cluster_ip = book->is_cluster_ip;
    small->ignored_hostnames = book->ignored_hostnames;
    small->too_long_names = book->too_long_names;
    memcpy(book_groups(small), book_groups(book), groups * sizeof(struct zone_node *));
    memcpy(book_hosts(small), book_hosts(book), book->host_count * sizeof(uintptr_t));
    if (book->has_epochs)
        memcpy(book_epochs(small), book_epochs(book), book->host_count * sizeof(uint64_t));
    free(book);
    return small;
}

void zone_txn_put_service(struct zone_txn *txn, const struct naming_service *service)
{
    struct zones *zones = txn->zones;
    struct naming_plan *plan = &zones->plan;
    naming_plan_build(plan, &zones->naming, service);
    if ((!plan->is_valid && plan->too_long_names == 0) ||
        !txn_find_book(txn, BOOK_NAMESPACE, service->ns, NULL))
        return; /* K-NSX; a name that no API object can have */
    txn_know_service(txn, service->ns, service->name);
    bool has_epochs;
    size_t hosts = named_hosts(plan, &has_epochs);
    struct build b = {.txn = txn,
                      .zones = zones,
                      .plan = plan,
                      .old = txn_find_book(txn, BOOK_SERVICE, service->ns, service->name),
                      .service_hash = plan->is_valid ? hash_name(plan->service.wire) : 0,
                      .list_srv = xcalloc(plan->lists.count + 1, sizeof(struct rrset *)),
                      .node = xcalloc(plan->hosts.count + 1, sizeof(struct zone_node *))};
    b.fresh =
        book_new(BOOK_SERVICE, service->ns, service->name, plan->groups.count, hosts, has_epochs);
    b.fresh->ignored_hostnames = plan->ignored_hostnames;
    b.fresh->too_long_names = plan->too_long_names;
    if (b.old) {
        b.is_seen = xcalloc(b.old->host_count + 1u, sizeof(bool));
        b.old_group = xcalloc(b.old->group_count + 1u, sizeof(struct zone_node *));
        memcpy(b.old_group, book_groups(b.old), b.old->group_count * sizeof(struct zone_node *));
    }
    put_hosts(&b);
    put_service_name(&b);
    size_t groups = put_groups(&b);
    txn_put_book(txn, trim_groups(b.fresh, groups, service));
    for (size_t i = 0; i < plan->lists.count; i++) {
        if (b.list_srv[i])
            rrset_unref(&zones->pool, b.list_srv[i]);
    }
    free(b.list_srv);
    free(b.node);
    free(b.is_seen);
    free(b.old_group);
    free(b.old_index);
}

void txn_del_service_book(struct zone_txn *txn, struct book *book)
{
    for (size_t i = 0; i < book->host_count; i++)
        del_host(txn, book_hosts(book)[i]);
    for (size_t i = 0; i < book->group_count; i++)
        txn_del(txn, book_groups(book)[i]);
    if (book->service) {
        if (book->is_cluster_ip)
            change_ptrs(txn, book->service, NULL, (struct ptr_ranks){0});
        txn_del(txn, book->service);
    }
    txn_forget_service(txn, book);
    txn_del_book(txn, book);
}

void zone_txn_del_service(struct zone_txn *txn, const char *ns, const char *name)
{
    struct book *book = txn_find_book(txn, BOOK_SERVICE, ns, name);
    if (book)
        txn_del_service_book(txn, book);
}
