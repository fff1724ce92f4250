#include "zones/rrset.h"

#include <string.h>

#include "base/check.h"
#include "zones/hash.h"
#include "zones/node.h"
#include "zones/rrset_build.h"

#define RECORD_HEAD    12 /* owner pointer, type, class, TTL, RDLENGTH */
#define OWNER_QUESTION 12

/* Body of PTR and NS sets. */
struct targets {
    uint32_t ttl, total;
    uintptr_t target[];
};

/* Body of CNAME, TXT and SOA sets. */
struct raw {
    uint32_t ttl, len;
    uint8_t bytes[];
};

static void put16(uint8_t *out, size_t value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

static uint16_t get16(const uint8_t *in)
{
    return (uint16_t)(in[0] << 8 | in[1]);
}

static void put32(uint8_t *out, uint32_t value)
{
    put16(out, value >> 16);
    put16(out + 2, value & 0xffff);
}

static bool is_address(const struct rrset *set)
{
    return set->type == RR_A || set->type == RR_AAAA;
}

static bool has_targets(const struct rrset *set)
{
    return set->type == RR_PTR || set->type == RR_NS;
}

static size_t address_len(const struct rrset *set)
{
    return set->type == RR_A ? 4 : 16;
}

static const uint8_t *address_records(const struct rrset *set)
{
    return (const uint8_t *)(set->body + set->has_sum);
}

static const struct rrset_srv *srv_of(const struct rrset *set)
{
    return (const struct rrset_srv *)(const void *)set->body;
}

static const struct zone_node *const *srv_targets(const struct rrset *set)
{
    return (const struct zone_node *const *)(const void *)(srv_of(set) + 1);
}

static const uint16_t *srv_ports(const struct rrset *set)
{
    size_t targets = srv_of(set)->is_self ? 0 : set->count;
    return (const uint16_t *)(const void *)(srv_targets(set) + targets);
}

static uint16_t srv_port(const struct rrset *set, size_t i)
{
    return srv_ports(set)[srv_of(set)->is_uniform ? 0 : i];
}

static const struct targets *targets_of(const struct rrset *set)
{
    return (const struct targets *)(const void *)set->body;
}

static const struct raw *raw_of(const struct rrset *set)
{
    return (const struct raw *)(const void *)set->body;
}

/* RDATA of record i of a raw set. */
static const uint8_t *raw_record(const struct rrset *set, size_t i, size_t *len)
{
    const uint8_t *at = raw_of(set)->bytes;
    for (; i > 0; i--)
        at += 2u + get16(at);
    *len = get16(at);
    return at + 2;
}

/* ---- readers ---- */

uint16_t rrset_type(const struct rrset *set)
{
    return set->type;
}

size_t rrset_count(const struct rrset *set)
{
    return set->count;
}

uint32_t rrset_ttl(const struct rrset *set)
{
    if (is_address(set)) {
        const uint8_t *ttl = address_records(set) + 6;
        return (uint32_t)get16(ttl) << 16 | get16(ttl + 2);
    }
    uint32_t ttl; /* the first member of every other body */
    memcpy(&ttl, set->body, sizeof ttl);
    return ttl;
}

static const struct zone_node *ptr_node(uintptr_t ranked)
{
    uintptr_t node = ranked & ~PTR_RANK_MASK;
    return (const struct zone_node *)node; /* NOLINT(performance-no-int-to-ptr) */
}

const struct zone_node *rrset_target(const struct rrset *set, size_t i,
                                     const struct zone_node *owner)
{
    if (set->type == RR_SRV)
        return srv_of(set)->is_self ? owner : srv_targets(set)[i];
    if (has_targets(set))
        return ptr_node(targets_of(set)->target[i]);
    return NULL;
}

const uint8_t *rrset_cname(const struct rrset *set)
{
    size_t len;
    return set->type == RR_CNAME ? raw_record(set, 0, &len) : NULL;
}

size_t rrset_rdata(const struct rrset *set, const struct zone_node *owner, size_t i, uint8_t *out,
                   size_t room)
{
    if (is_address(set)) {
        size_t len = address_len(set);
        if (room < len)
            return 0;
        memcpy(out, rrset_address(set, i), len);
        return len;
    }
    const struct zone_node *target = rrset_target(set, i, owner);
    if (!target) {
        size_t len;
        const uint8_t *rdata = raw_record(set, i, &len);
        if (room < len)
            return 0;
        memcpy(out, rdata, len);
        return len;
    }
    size_t fixed = set->type == RR_SRV ? 6 : 0;
    if (room < fixed + target->name_len)
        return 0;
    if (fixed) {
        put16(out, 0);
        put16(out + 2, srv_of(set)->weight);
        put16(out + 4, srv_port(set, i));
    }
    memcpy(out + fixed, node_name(target), target->name_len);
    return fixed + target->name_len;
}

static size_t write_addresses(const struct rrset *set, size_t start, uint16_t owner_offset,
                              uint8_t *out, size_t room, size_t *written)
{
    size_t size = RECORD_HEAD + address_len(set);
    size_t count = set->count;
    if (room < count * size)
        count = room / size;
    size_t first = set->count - start < count ? set->count - start : count;
    memcpy(out, address_records(set) + start * size, first * size);
    if (first < count)
        memcpy(out + first * size, address_records(set), (count - first) * size);
    if (owner_offset != OWNER_QUESTION) {
        for (size_t i = 0; i < count; i++)
            put16(out + i * size, 0xc000u | owner_offset);
    }
    *written = count;
    return count * size;
}

static size_t write_records(const struct rrset *set, const struct zone_node *owner, size_t start,
                            uint16_t owner_offset, uint8_t *out, size_t room, size_t *written)
{
    uint32_t ttl = rrset_ttl(set);
    size_t at = 0;
    size_t n = 0;
    for (size_t i = start; n < set->count && room - at > RECORD_HEAD; n++) {
        size_t len = rrset_rdata(set, owner, i, out + at + RECORD_HEAD, room - at - RECORD_HEAD);
        if (len == 0)
            break;
        put16(out + at, 0xc000u | owner_offset);
        put16(out + at + 2, set->type);
        put16(out + at + 4, RR_CLASS_IN);
        put32(out + at + 6, ttl);
        put16(out + at + 10, len);
        at += RECORD_HEAD + len;
        if (++i == set->count)
            i = 0;
    }
    *written = n;
    return at;
}

size_t rrset_write(const struct rrset *set, const struct zone_node *owner, size_t start,
                   uint16_t owner_offset, uint8_t *out, size_t room, size_t *written)
{
    if (start >= set->count)
        start %= set->count;
    return is_address(set) ? write_addresses(set, start, owner_offset, out, room, written)
                           : write_records(set, owner, start, owner_offset, out, room, written);
}

/* ---- control thread ---- */

static size_t body_bytes(const struct rrset *set)
{
    if (is_address(set))
        return set->has_sum * sizeof(uint64_t) + set->count * (RECORD_HEAD + address_len(set));
    if (has_targets(set))
        return sizeof(struct targets) + targets_of(set)->total * sizeof(uintptr_t);
    if (set->type != RR_SRV)
        return sizeof(struct raw) + raw_of(set)->len;
    size_t ports = srv_of(set)->is_uniform ? 1 : set->count;
    size_t targets = srv_of(set)->is_self ? 0 : set->count;
    return sizeof(struct rrset_srv) + targets * sizeof(struct zone_node *) +
           ports * sizeof(uint16_t);
}

size_t rrset_bytes(const struct rrset *set)
{
    return sizeof *set + body_bytes(set);
}

static struct rrset *set_new(uint16_t type, size_t count, size_t body)
{
    CHECK(count > 0 && count <= RRSET_MAX_COUNT);
    struct rrset *set = xmalloc(sizeof *set + body);
    *set = (struct rrset){.refs = 1, .type = type & 0xffu, .count = count & RRSET_MAX_COUNT};
    return set;
}

struct rrset *rrset_new_addresses(uint16_t type, uint32_t ttl, size_t count)
{
    size_t len = type == RR_A ? 4 : 16;
    size_t size = RECORD_HEAD + len;
    bool has_sum = count > RRSET_SMALL;
    struct rrset *set = set_new(type, count, has_sum * sizeof(uint64_t) + count * size);
    set->has_sum = has_sum;
    set->body[0] = 0; /* the sum, or overwritten at once */
    uint8_t *out = (uint8_t *)(set->body + has_sum);
    put16(out, 0xc000u | OWNER_QUESTION);
    put16(out + 2, type);
    put16(out + 4, RR_CLASS_IN);
    put32(out + 6, ttl);
    put16(out + 10, len);
    for (size_t i = 1; i < count; i++)
        memcpy(out + i * size, out, RECORD_HEAD);
    return set;
}

static uint64_t address_hash(const uint8_t *bytes, size_t len)
{
    uint64_t word[2] = {0, 0};
    if (len == 4) {
        memcpy(word, bytes, 4);
        return hash_mix(word[0] + 0x9e3779b97f4a7c15u);
    }
    memcpy(word, bytes, 16);
    return hash_join(word[0], hash_mix(word[1]));
}

void rrset_put_address(struct rrset *set, size_t i, const uint8_t *bytes)
{
    size_t len = address_len(set);
    memcpy((uint8_t *)(set->body + set->has_sum) + i * (RECORD_HEAD + len) + RECORD_HEAD, bytes,
           len);
    if (set->has_sum)
        set->body[0] += address_hash(bytes, len);
}

const uint8_t *rrset_address(const struct rrset *set, size_t i)
{
    return address_records(set) + i * (RECORD_HEAD + address_len(set)) + RECORD_HEAD;
}

/* K-SRV: max(1, floor(100 / number of RRs)). */
static uint16_t srv_weight(size_t count)
{
    return (uint16_t)(count < 100 ? 100 / count : 1);
}

static struct rrset *srv_new(uint32_t ttl, size_t count, size_t targets, size_t ports)
{
    struct rrset *set = set_new(RR_SRV, count,
                                sizeof(struct rrset_srv) + targets * sizeof(struct zone_node *) +
                                    ports * sizeof(uint16_t));
    struct rrset_srv head = {
        .ttl = ttl, .weight = srv_weight(count), .is_self = targets == 0, .is_uniform = ports == 1};
    memcpy(set->body, &head, sizeof head);
    return set;
}

struct rrset *rrset_new_srv_self(uint32_t ttl, const uint16_t *ports, size_t count)
{
    struct rrset *set = srv_new(ttl, count, 0, count);
    memcpy((uint8_t *)set->body + sizeof(struct rrset_srv), ports, count * sizeof *ports);
    return set;
}

struct rrset *rrset_new_srv(uint32_t ttl, size_t count, bool is_uniform)
{
    return srv_new(ttl, count, count, is_uniform ? 1 : count);
}

void rrset_put_srv(struct rrset *set, size_t i, const struct zone_node *target,
                   uint64_t target_hash, uint16_t port)
{
    struct rrset_srv *srv = (struct rrset_srv *)(void *)set->body;
    const struct zone_node **targets = (const struct zone_node **)(void *)(srv + 1);
    uint16_t *ports = (uint16_t *)(void *)(targets + set->count);
    targets[i] = target;
    ports[srv->is_uniform ? 0 : i] = port;
    srv->sum += hash_join(port, target_hash);
}

struct rrset *rrset_new_ptr(uint16_t type, uint32_t ttl, const uintptr_t *targets, size_t total,
                            size_t shown)
{
    CHECK(total <= RRSET_MAX_COUNT);
    struct rrset *set = set_new(type, shown, sizeof(struct targets) + total * sizeof *targets);
    struct targets *body = (struct targets *)(void *)set->body;
    body->ttl = ttl;
    body->total = (uint32_t)total;
    memcpy(body->target, targets, total * sizeof *targets);
    return set;
}

const uintptr_t *rrset_ptr_all(const struct rrset *set, size_t *total)
{
    *total = targets_of(set)->total;
    return targets_of(set)->target;
}

struct rrset *rrset_new_raw(uint16_t type, uint32_t ttl, size_t count, const uint8_t *records,
                            size_t len)
{
    struct rrset *set = set_new(type, count, sizeof(struct raw) + len);
    struct raw *body = (struct raw *)(void *)set->body;
    body->ttl = ttl;
    body->len = (uint32_t)len;
    memcpy(body->bytes, records, len);
    return set;
}

bool rrset_equal(const struct rrset *a, const struct rrset *b)
{
    if (a == b)
        return true;
    if (a->type != b->type || a->count != b->count)
        return false;
    size_t bytes = body_bytes(a);
    return bytes == body_bytes(b) && memcmp(a->body, b->body, bytes) == 0;
}

/* Sum over the records, so that their order does not matter. */
static uint64_t records_sum(const struct rrset *set, uint64_t owner_hash)
{
    uint64_t sum = 0;
    if (set->type == RR_SRV) {
        const struct rrset_srv *srv = srv_of(set);
        for (size_t i = 0; srv->is_self && i < set->count; i++)
            sum += hash_join(srv_port(set, i), owner_hash);
        return hash_join(srv->weight, sum + srv->sum);
    }
    if (set->has_sum)
        return set->body[0];
    for (size_t i = 0; i < set->count; i++) {
        if (is_address(set)) {
            sum += address_hash(rrset_address(set, i), address_len(set));
        } else if (has_targets(set)) {
            sum += hash_mix(hash_name(node_name(rrset_target(set, i, NULL))));
        } else {
            size_t len;
            const uint8_t *rdata = raw_record(set, i, &len);
            sum += hash_bytes(rdata, len);
        }
    }
    return sum;
}

uint64_t rrset_digest(const struct rrset *set, uint64_t owner_hash)
{
    uint64_t kind = (uint64_t)set->type << 32 | rrset_ttl(set);
    return hash_join(records_sum(set, owner_hash), hash_join(kind, owner_hash));
}
