#include "zones/node.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "zones/hash.h"
#include "zones/sizes.h"

struct zone_node *node_new(const uint8_t *name, size_t name_len, uint16_t apex,
                           struct rrset *const *sets, size_t set_count, struct rrset *hidden)
{
    struct rrset *kept[NODE_SETS_MAX + 1];
    size_t n = 0;
    CHECK(set_count <= NODE_SETS_MAX && name_len > 0 && name_len <= NAME_MAX_WIRE);
    for (size_t i = 0; i < set_count; i++) {
        if (!sets[i])
            continue;
        CHECK(n == 0 || kept[n - 1]->type < sets[i]->type);
        kept[n++] = sets[i];
    }
    size_t shown = n;
    if (hidden)
        kept[n++] = hidden;
    struct zone_node *node = xmalloc(sizeof *node + n * sizeof(struct rrset *) + name_len);
    *node = (struct zone_node){.apex = apex,
                               .name_len = (uint8_t)name_len,
                               .set_count = shown & 15u,
                               .hidden_count = hidden ? 1 : 0};
    memcpy(node->set, kept, n * sizeof(struct rrset *));
    memcpy(node->set + n, name, name_len);
    return node;
}

void node_free(struct zone_node *node, struct rrset_pool *pool)
{
    for (size_t i = 0; i < (size_t)node->set_count + node->hidden_count; i++)
        rrset_unref(pool, node->set[i]);
    free(node);
}

struct rrset *node_set(const struct zone_node *node, uint16_t type)
{
    for (size_t i = 0; i < node->set_count; i++) {
        if (node->set[i]->type == type)
            return node->set[i];
    }
    return NULL;
}

uint64_t node_digest(const struct zone_node *node)
{
    uint64_t owner = hash_name(node_name(node));
    uint64_t digest =
        hash_mix(owner); /* an empty node is visible too: NODATA instead of NXDOMAIN */
    for (size_t i = 0; i < node->set_count; i++) {
        if (node->set[i]->type != RR_SOA)
            digest += rrset_digest(node->set[i], owner);
    }
    return digest;
}

size_t node_bytes(const struct zone_node *node)
{
    size_t sets = (size_t)node->set_count + node->hidden_count;
    return size_allocated(sizeof *node + sets * sizeof(struct rrset *) + node->name_len);
}

const uint8_t *zone_node_name(const struct zone_node *node, size_t *len)
{
    *len = node->name_len;
    return node_name(node);
}

const struct rrset *zone_node_set(const struct zone_node *node, uint16_t type)
{
    return node_set(node, type);
}

size_t zone_node_set_count(const struct zone_node *node)
{
    return node->set_count;
}

const struct rrset *zone_node_set_at(const struct zone_node *node, size_t i)
{
    return node->set[i];
}

static size_t node_key(const void *leaf, uint8_t *out)
{
    const struct zone_node *node = leaf;
    return name_key(node_name(node), out);
}

/* Names of nodes hold no octet below 2 (zones_new and zones/naming.c see to it), so their keys hold
 * no escapes and the labels can be compared where they stand: the first label of the name is the
 * last of the key. */
static bool node_equal(const void *leaf, const uint8_t *key, size_t len)
{
    const struct zone_node *node = leaf;
    const uint8_t *label = node_name(node);
    if (len + 1 != node->name_len)
        return false;
    for (; *label != 0; label += 1 + *label) {
        size_t n = *label;
        if (len < n + 1 || key[len - 1] != 0 || memcmp(key + len - 1 - n, label + 1, n) != 0)
            return false;
        len -= n + 1;
    }
    return len == 0;
}

size_t node_common(const struct zone_node *node, const uint8_t *wire, size_t wire_len)
{
    const uint8_t *own = node_name(node);
    size_t own_len = node->name_len;
    while (own_len != wire_len || memcmp(own, wire, own_len) != 0) { /* the root ends it */
        size_t skip = own_len >= wire_len ? 1u + *own : 0,
               other = wire_len >= own_len ? 1u + *wire : 0;
        own += skip;
        own_len -= skip;
        wire += other;
        wire_len -= other;
    }
    return own_len - 1;
}

const struct cow_type node_cow_type = {.key = node_key, .equal = node_equal};
