/* zones/node.h - the inside of a name in a version. Private to zones/.
 *
 *   | holders | apex | name length, sets | set pointers, by rising type | hidden set pointers |
 * name, wire form |
 *
 * Immutable once published but for `holders`, which only the control thread reads and writes. A
 * node owns one reference to each of its sets. Hidden sets are kept alive but not found (the
 * negative SOA of an apex). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cow.h"
#include "zones/rrset_build.h"
#include "zones/zone.h"

#define NODE_SETS_MAX 6

struct zone_node {
    uint32_t holders; /* pods that share this dashed name */
    uint16_t apex;    /* index of its zone in zone_version.apexes */
    uint8_t name_len;
    uint8_t set_count : 4;
    uint8_t hidden_count : 2;
    uint8_t is_pod_namespace : 1; /* <ns>.pod.Z */
    struct rrset *set[];
};

/* Takes the references of the sets; NULL entries are skipped, the rest must rise in type. */
struct zone_node *node_new(const uint8_t *name, size_t name_len, uint16_t apex,
                           struct rrset *const *sets, size_t set_count, struct rrset *hidden);
void node_free(struct zone_node *node, struct rrset_pool *pool);
struct rrset *node_set(const struct zone_node *node, uint16_t type);
/* Hash over the name and everything it shows but SOA, whose serial would feed on itself. */
uint64_t node_digest(const struct zone_node *node);
size_t node_bytes(const struct zone_node *node); /* allocated, without sets */

/* The labels that the node's name and this one (lower case) end with, as octets of their keys,
 * which begin with them: no node's key holds an escape. */
size_t node_common(const struct zone_node *node, const uint8_t *wire, size_t wire_len);

extern const struct cow_type node_cow_type;

static inline const uint8_t *node_name(const struct zone_node *node)
{
    return (const uint8_t *)(node->set + node->set_count + node->hidden_count);
}
