/* zones/naming_plan.h - what a Service owns, worked out: its names, their addresses and ports.
 * Private to zones/.
 *
 * naming_plan_build is a pure function of a struct naming_service and the options: sections 1 to 3
 * of kubernetes-dns.md without a trie, a set or a node. The plan keeps its memory from one Service
 * to the next, so a large Service allocates nothing when it comes again. Strings are borrowed from
 * the Service: a plan is used before its input goes.
 *
 *   service (K-CIP, K-HL, K-EXT)      addresses, or the CNAME target
 *   hosts (K-EP)                      in the order first seen: label, addresses, all ports, ports
 * of published endpoints groups (K-CIPSRV, K-HLSRV)        _port._proto, by name: which of the
 * ports belong to it port lists                        distinct sets of ports; a host points to the
 * one it has */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zones/name.h"
#include "zones/naming.h"

struct naming_opts {
    const uint8_t *svc_root; /* svc.Z, wire form */
    bool has_pod_names;      /* zone.endpoint-names: pod */
    bool is_headless_only;   /* zone.endpoint-records: headless */
    bool ignore_empty_service;
};

#define PLAN_NONE UINT32_MAX

/* A port as it can appear in SRV; distinct by all three. */
struct plan_port {
    const char *name, *protocol; /* borrowed; name "" when unnamed */
    uint16_t port;
    uint32_t group; /* or PLAN_NONE */
};

/* A set of ports: indices into plan->port, rising; and its distinct numbers, rising. */
struct plan_list {
    uint32_t at, count;
    uint32_t number_at, number_count;
    uint64_t hash;
};

struct plan_address {
    struct naming_address address;
    uint32_t host;
    uint32_t next; /* further address of the same host, or PLAN_NONE */
    bool is_explicit;
};

struct plan_host {
    uint64_t hash;     /* hash_bytes of the label */
    uint32_t label_at; /* in plan->text */
    uint8_t label_len;
    bool is_explicit;  /* named by a slice's hostname, at one address at least */
    bool is_mixed;     /* and otherwise at another */
    bool is_published; /* has a published endpoint; else it is here for K-IDENT only */
    bool is_too_long;  /* its name would exceed 255 octets */
    uint32_t address_count;
    uint32_t more_last;            /* last of its further addresses, or PLAN_NONE */
    uint32_t more;                 /* first of them */
    uint32_t list, published_list; /* port lists, or PLAN_NONE */
    uint32_t epoch_count;
    uint64_t epoch;                /* the first */
    struct naming_address address; /* the first */
    bool is_address_explicit;      /* named by a hostname there */
};

struct plan_epoch {
    uint32_t host;
    uint64_t epoch;
};

struct plan_group {
    const char *name, *protocol;
    struct name_builder owner; /* _name._protocol.<service> */
    bool is_too_long;
};

/* A growing array; items are moved when it grows. */
struct plan_vector {
    void *items;
    size_t count, cap;
};

/* Open addressing from a hash to an index; emptied for every plan. */
struct plan_index {
    uint32_t *slot;
    size_t mask, cap;
};

struct naming_plan {
    enum naming_type type;
    bool is_valid;               /* the Service may own names at all */
    struct name_builder service; /* <svc>.<ns>.svc.Z */
    bool has_service;            /* the Service name owns addresses (K-CIP, K-HL) */
    bool has_cname;
    uint8_t cname[NAME_MAX_WIRE];
    size_t cname_len;
    uint32_t service_list;        /* ports of a ClusterIP Service, or PLAN_NONE */
    struct plan_vector addresses; /* struct naming_address: of the Service name, distinct */
    size_t v4_count;              /* of them */
    struct plan_vector hosts, more, epochs, ports, lists, list_ports, list_numbers, groups, text;
    uint32_t ignored_hostnames, too_long_names;

    struct plan_index host_index, total_index, pair_index,
        port_index; /* label; address; host and address; port */
    struct plan_vector scratch;
    size_t address_limit; /* of this Service */
};

void naming_plan_init(struct naming_plan *plan);
void naming_plan_fini(struct naming_plan *plan);
void naming_plan_build(struct naming_plan *plan, const struct naming_opts *opts,
                       const struct naming_service *service);

/* Valid label of a host, Service or namespace: letters, digits and inner hyphens, 1 to 63 of them.
 */
bool naming_is_label(const char *text, size_t len);

/* Sorts and drops what is equal; returns how many are left. */
size_t naming_sort_numbers(uint16_t *numbers, size_t count);

static inline const struct plan_host *plan_host(const struct naming_plan *plan, size_t i)
{
    return (const struct plan_host *)plan->hosts.items + i;
}
static inline const struct naming_address *plan_service_address(const struct naming_plan *plan,
                                                                size_t i)
{
    return (const struct naming_address *)plan->addresses.items + i;
}
static inline const struct plan_port *plan_port(const struct naming_plan *plan, size_t i)
{
    return (const struct plan_port *)plan->ports.items + i;
}
static inline const struct plan_list *plan_list(const struct naming_plan *plan, size_t i)
{
    return (const struct plan_list *)plan->lists.items + i;
}
/* Index of the i-th port of a list. */
static inline uint32_t plan_list_port(const struct naming_plan *plan, const struct plan_list *list,
                                      size_t i)
{
    return ((const uint32_t *)plan->list_ports.items)[list->at + i];
}
static inline const uint16_t *plan_list_numbers(const struct naming_plan *plan,
                                                const struct plan_list *list)
{
    return (const uint16_t *)plan->list_numbers.items + list->number_at;
}
static inline const struct plan_group *plan_group(const struct naming_plan *plan, size_t i)
{
    return (const struct plan_group *)plan->groups.items + i;
}
static inline const uint8_t *plan_label(const struct naming_plan *plan,
                                        const struct plan_host *host)
{
    return (const uint8_t *)plan->text.items + host->label_at;
}
/* Walks a host's addresses, beginning with cursor {0}; NULL at the end. */
struct plan_cursor {
    bool is_started;
    uint32_t next;
};
const struct naming_address *plan_next_address(const struct naming_plan *plan,
                                               const struct plan_host *host,
                                               struct plan_cursor *cursor);

/* Whether a slice gives the host's name as the hostname of this address of it (K-REV: a preference
 * among the endpoints of an address). */
bool plan_is_explicit_at(const struct naming_plan *plan, size_t host_index,
                         const struct naming_address *address);
