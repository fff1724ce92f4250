#include "zones/reason.h"

#include <stdio.h>
#include <string.h>

#include "zones/node.h"
#include "zones/reason_leaf.h"

/* ---- text of bounded length ---- */

struct text {
    char *at;
    size_t len;
};

static void put(struct text *t, const char *bytes, size_t len)
{
    size_t room = REASON_TEXT_MAX - t->len;
    len = len < room ? len : room;
    memcpy(t->at + t->len, bytes, len);
    t->len += len;
}

static void puts_text(struct text *t, const char *text)
{
    put(t, text, strlen(text));
}

/* A label of the query; whatever it holds, what is put is plain ASCII. */
static void put_label(struct text *t, const uint8_t *label)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 1; i <= label[0]; i++) {
        uint8_t c = label[i];
        char escaped[5] = {'\\', (char)('0' + c / 100), (char)('0' + c / 10 % 10),
                           (char)('0' + c % 10)};
        if (c != 0 && strchr(plain, c))
            put(t, (const char *)&label[i], 1);
        else
            put(t, escaped, 4);
    }
}

static void put_number(struct text *t, int64_t number)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%lld", (long long)number);
    puts_text(t, digits);
}

/* ---- where a name stands ---- */

/* <more labels>.<host>.<service>.<ns>.svc.Z; each is a label of the folded name, or NULL. */
struct place {
    uint8_t name[NAME_MAX_WIRE];
    const uint8_t *ns, *service, *host;
    bool has_more; /* labels before the host, or a host that begins with an underscore */
};

static bool find_place(const struct zone_version *version, const uint8_t *name, struct place *out)
{
    size_t zone_len, len = name_wire_len(name, NAME_MAX_WIRE);
    const uint8_t *zone = zone_node_name(version->cluster_node, &zone_len);
    const uint8_t *label[5] = {NULL}; /* the last four above the zone, nearest first */
    name_fold(out->name, name, len);
    size_t count = name_labels(name) - name_labels(zone);
    if (count < 2 || name_labels(name) < name_labels(zone))
        return false;
    const uint8_t *at = out->name;
    for (size_t left = count; left > 0; left--, at += 1 + *at)
        if (left <= 4)
            label[left] = at;
    if (label[1][0] != 3 || memcmp(label[1] + 1, "svc", 3) != 0)
        return false;
    out->ns = label[2];
    out->service = label[3];
    out->host = label[4] && label[4][1] != '_' ? label[4] : NULL;
    out->has_more = count > 4 || (label[4] && !out->host);
    return true;
}

static const struct reason *find_leaf(const struct zone_version *version, const uint8_t *name)
{
    uint8_t key[NAME_MAX_KEY];
    size_t len = name_key(name, key);
    return cow_find(&reason_cow_type, version->reasons, key, len);
}

static const struct zone_node *find_node(const struct zone_version *version, const uint8_t *name)
{
    uint8_t key[NAME_MAX_KEY];
    size_t len = name_key(name, key);
    return cow_find(&node_cow_type, version->names, key, len);
}

static bool owns_records(const struct zone_node *node)
{
    return node && node->set_count > 0;
}

/* ---- ordinals of sets ---- */

/* The ordinal at the end of a label, without padding; *before: length of what stands before it. */
static int64_t split_ordinal(const uint8_t *label, size_t *before)
{
    size_t len = label[0], at = len;
    int64_t ordinal = 0, power = 1;
    for (; at > 0 && label[at] >= '0' && label[at] <= '9' && power <= 1000000000; at--) {
        ordinal += (label[at] - '0') * power;
        power *= 10;
    }
    *before = at - (at > 0);
    bool is_padded = at + 1 < len && label[at + 1] == '0';
    if (at < 2 || at == len || label[at] != '-' || is_padded || ordinal > INT32_MAX)
        return -1;
    return ordinal;
}

/* The leaf of the set whose ordinal the host is. */
static const struct reason *find_set(const struct zone_version *version, const struct place *p,
                                     size_t set_len)
{
    uint8_t name[NAME_MAX_WIRE];
    size_t rest = name_wire_len(p->service, NAME_MAX_WIRE);
    if (set_len + 2 + rest > NAME_MAX_WIRE || set_len + 1 > NAME_MAX_LABEL)
        return NULL;
    name[0] = (uint8_t)(set_len + 1);
    name[1] = '*';
    memcpy(name + 2, p->host + 1, set_len);
    memcpy(name + 2 + set_len, p->service, rest);
    return find_leaf(version, name);
}

static void put_range(struct text *t, const struct reason *set, const struct place *p,
                      size_t set_len)
{
    const char *name = (const char *)p->host + 1;
    put_label(t, p->host);
    puts_text(t, " is not among the ");
    put_number(t, set->replicas);
    puts_text(t, set->replicas == 1 ? " replica of StatefulSet " : " replicas of StatefulSet ");
    put(t, name, set_len);
    if (set->replicas == 0)
        return;
    puts_text(t, ", ");
    put(t, name, set_len);
    puts_text(t, "-");
    put_number(t, set->start);
    puts_text(t, " to ");
    put(t, name, set_len);
    puts_text(t, "-");
    put_number(t, (int64_t)set->start + set->replicas - 1);
}

/* True when a set has something to say about the host. */
static bool put_ordinal(struct text *t, const struct zone_version *version, const struct place *p)
{
    size_t set_len;
    int64_t ordinal = split_ordinal(p->host, &set_len);
    const struct reason *set = ordinal < 0 ? NULL : find_set(version, p, set_len);
    if (!set)
        return false;
    if (ordinal < set->start || ordinal >= (int64_t)set->start + set->replicas) {
        put_range(t, set, p, set_len);
        return true;
    }
    bool waits = set->text_len > 0 && ordinal > set->waits_ordinal;
    bool is_hole = set->hole_len > 0 && (set->text_len == 0 || ordinal == set->waits_ordinal);
    if (!waits && !is_hole)
        return false;
    put_label(t, p->host);
    puts_text(t, " ");
    put(t, waits ? reason_text(set) : reason_hole(set), waits ? set->text_len : set->hole_len);
    return true;
}

/* ---- the text ---- */

static void put_path(struct text *t, const struct place *p)
{
    put_label(t, p->ns);
    puts_text(t, "/");
    put_label(t, p->service);
}

static void put_below(struct text *t, const struct zone_version *version, const struct place *p)
{
    const struct reason *leaf = find_leaf(version, p->host);
    if (owns_records(find_node(version, p->host))) {
        puts_text(t, "endpoint ");
        put_label(t, p->host);
        puts_text(t, " of Service ");
        put_path(t, p);
        puts_text(t, " has no such name below it");
    } else if (leaf) {
        put(t, reason_text(leaf), leaf->text_len);
    } else if (!put_ordinal(t, version, p)) {
        puts_text(t, "Service ");
        put_path(t, p);
        puts_text(t, " publishes no endpoint ");
        put_label(t, p->host);
    }
}

/* At the name of a Service, or at names with underscores below it. */
static void put_service(struct text *t, const struct zone_version *version, const struct place *p,
                        const struct reason *service, const struct zone_match *match)
{
    if (service->text_len > 0 && !owns_records(find_node(version, p->service))) {
        put(t, reason_text(service), service->text_len);
    } else if (match->kind == MATCH_NODATA) { /* K-ENT: _tcp above the ports */
        puts_text(t, "only names below it have records");
    } else {
        puts_text(t, "Service ");
        put_path(t, p);
        puts_text(t, p->has_more ? " has no such name below it" : " has no records");
    }
}

size_t zone_why(const struct zone_version *version, const uint8_t *name,
                const struct zone_match *match, char out[REASON_TEXT_MAX])
{
    struct place p;
    struct text t = {.at = out};
    if (!match->apex || match->apex->node != version->cluster_node ||
        !find_place(version, name, &p))
        return 0;
    const struct reason *service = p.service ? find_leaf(version, p.service) : NULL;
    if (!service && !find_node(version, p.ns)) {
        puts_text(&t, "no such namespace ");
        put_label(&t, p.ns);
    } else if (!p.service) {
        return 0;
    } else if (!service) {
        puts_text(&t, "no such Service ");
        put_path(&t, &p);
    } else if (owns_records(match->node)) {
        puts_text(&t, "the name has no record of this type");
    } else if (p.host) {
        put_below(&t, version, &p);
    } else {
        put_service(&t, version, &p, service, match);
    }
    return t.len;
}

static size_t reason_key(const void *leaf, uint8_t *out)
{
    const struct reason *reason = leaf;
    return name_key(reason->bytes, out);
}

const struct cow_type reason_cow_type = {.key = reason_key};
