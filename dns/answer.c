#include "dns/answer.h"

#include <string.h>

#include "base/check.h"
#include "dns/answer_transfer.h"
#include "dns/forward_conf.h"
#include "dns/message.h"
#include "dns/reply.h"
#include "dns/special.h"

/* ---- records from the index ---- */

static size_t random_start(struct message *m, size_t count)
{
    if (count < 2 || !m->ctx->opts->rotate)
        return 0;
    return (size_t)((message_chance(m) >> 32) * count >> 32);
}

/* Where the name of the node being answered stands in the message. */
struct owner {
    const struct zone_node *node;
    size_t offset, len;
};

/* Answers with a set; the records that do not fit are missing and TC says so (K-SIZE). True when
 * all were written. */
static inline bool add_answer(struct message *m, const struct rrset *set, const struct owner *owner,
                              size_t start)
{
    size_t written = 0;
    m->len += rrset_write(set, owner->node, start, (uint16_t)owner->offset, m->out + m->len,
                          m->limit - m->len, &written);
    m->answers = (uint16_t)(m->answers + written);
    if (written < rrset_count(set))
        m->truncated = true;
    return !m->truncated;
}

/* Octets of an address record behind its owner's name. */
static size_t address_size(uint16_t type)
{
    return 10 + (type == RR_A ? 4 : 16);
}

/* Owner beyond the reach of a compression pointer: its name in full before each record. */
static size_t write_far(struct message *m, const struct rrset *set, const struct zone_node *node,
                        size_t i)
{
    size_t name_len;
    const uint8_t *name = zone_node_name(node, &name_len);
    uint8_t *at = m->out + m->len;
    memcpy(at, name, name_len);
    at += name_len;
    uint32_t ttl = rrset_ttl(set);
    at = put16(at, rrset_type(set));
    at = put16(at, RR_CLASS_IN);
    at = put16(at, (uint16_t)(ttl >> 16));
    at = put16(at, (uint16_t)ttl);
    size_t rdlen = rrset_rdata(set, node, i, at + 2, m->limit - m->len - name_len - 10);
    put16(at, (uint16_t)rdlen);
    return name_len + 10 + rdlen;
}

/* A whole RRset or nothing. */
static void add_addresses(struct message *m, const struct zone_node *target, uint16_t type,
                          size_t offset)
{
    const struct rrset *set = zone_node_set(target, type);
    if (!set)
        return;
    size_t count = rrset_count(set), room = m->limit - m->len, owner_len = 2;
    bool is_far = offset >= POINTER_REACH;
    if (is_far)
        zone_node_name(target, &owner_len);
    if (count > room / (owner_len + address_size(type)))
        return;
    size_t start = random_start(m, count);
    if (!is_far) {
        size_t written;
        m->len +=
            rrset_write(set, target, start, (uint16_t)offset, m->out + m->len, room, &written);
    } else {
        for (size_t i = 0; i < count; i++)
            m->len += write_far(m, set, target, (start + i) % count);
    }
    m->additionals = (uint16_t)(m->additionals + count);
}

/* True the first time a target comes by. slots: a power of two, above the number of records. */
static bool is_new_target(struct dns_context *ctx, size_t slots, const struct zone_node *target)
{
    size_t at = (size_t)(((uintptr_t)target >> 4) * 0x9e3779b97f4a7c15U >> 40) & (slots - 1);
    while (ctx->seen[at]) {
        if (ctx->seen[at] == target)
            return false;
        at = (at + 1) & (slots - 1);
    }
    ctx->seen[at] = target;
    return true;
}

/* Addresses of the targets of the SRV or NS set just written at `at`, each distinct target once,
 * both families. */
static void add_targets(struct message *m, const struct rrset *set, const struct owner *owner,
                        size_t start, size_t at)
{
    size_t count = rrset_count(set), slots = 8;
    size_t name_at = rrset_type(set) == RR_SRV ? 18 : 12;
    while (slots < 2 * count)
        slots *= 2;
    if (slots > ANSWER_SEEN_SLOTS)
        return; /* more records than a message holds */
    if (count > 1)
        memset(m->ctx->seen, 0, slots * sizeof(const struct zone_node *));
    for (size_t k = 0; k < count && m->limit - m->len >= 2 + address_size(RR_A); k++) {
        size_t i = start + k < count ? start + k : start + k - count;
        const struct zone_node *target = rrset_target(set, i, owner->node);
        if (target && (count == 1 || is_new_target(m->ctx, slots, target))) {
            size_t offset = target == owner->node ? owner->offset : at + name_at;
            add_addresses(m, target, RR_A, offset);
            add_addresses(m, target, RR_AAAA, offset);
        }
        at += 12U + get16(m->out + at + 10);
    }
}

static void answer_set(struct message *m, const struct rrset *set, const struct owner *owner)
{
    size_t start = random_start(m, rrset_count(set)), at = m->len;
    uint16_t type = rrset_type(set);
    if (add_answer(m, set, owner, start) && (type == RR_SRV || type == RR_NS))
        add_targets(m, set, owner, start, at);
}

/* The SOA of a negative answer. Its owner is a suffix of the name last looked for: a pointer there,
 * unless the client's spelling differs from the canonical one (K-ECHO). */
static void add_soa(struct message *m, const struct zone_apex *apex, const struct owner *last)
{
    size_t apex_len, written = 0;
    const uint8_t *name = zone_node_name(apex->node, &apex_len);
    size_t suffix = last->offset + last->len - apex_len;
    bool is_pointer = memcmp(m->out + suffix, name, apex_len) == 0;
    size_t before = is_pointer ? 0 : apex_len - 2; /* a full name stands where the pointer would */
    uint8_t *at = m->out + m->len;
    if (m->limit - m->len > before)
        rrset_write(apex->negative_soa, apex->node, 0, is_pointer ? (uint16_t)suffix : 0,
                    at + before, m->limit - m->len - before, &written);
    if (written == 0) {
        m->truncated = true;
        return;
    }
    if (!is_pointer)
        memcpy(at, name, apex_len);
    m->len += before + 12U + get16(at + before + 10);
    m->authorities++;
}

/* A record made here, owned by the name at owner->offset. */
static void answer_own(struct message *m, const struct owner *owner, uint16_t type, uint16_t class,
                       uint32_t ttl, const uint8_t *rdata, size_t rdlen)
{
    if (m->limit - m->len < 12 + rdlen) {
        m->truncated = true;
        return;
    }
    uint8_t *at = m->out + m->len;
    at = put16(at, (uint16_t)(0xc000U | owner->offset));
    at = put16(at, type);
    at = put16(at, class);
    at = put16(at, (uint16_t)(ttl >> 16));
    at = put16(at, (uint16_t)ttl);
    at = put16(at, (uint16_t)rdlen);
    memcpy(at, rdata, rdlen);
    m->len += 12 + rdlen;
    m->answers++;
}

static void answer_any(struct message *m, const struct owner *owner, uint32_t ttl)
{
    static const uint8_t hinfo[] = {7, 'R', 'F', 'C', '8', '4', '8', '2', 0};
    answer_own(m, owner, RR_HINFO, RR_CLASS_IN, ttl, hinfo, sizeof hinfo);
}

/* ---- the search ---- */

/* A negative answer says why, to those who may know and have room for it. */
static void add_reason(struct message *m, const struct zone_version *v,
                       const struct zone_match *match, const struct owner *last)
{
    struct dns_context *ctx = m->ctx;
    if (!message_has_opt(m) || m->truncated || m->ede != EDE_NONE ||
        !access_list_allows(&ctx->opts->explain_acl, m->peer->addr, m->peer->addr_len))
        return;
    ctx->why_len = zone_why(v, m->out + last->offset, match, ctx->why);
    if (ctx->why_len > 0)
        m->ede = EDE_OTHER;
}

static __attribute__((noinline)) void deny(struct message *m, const struct zone_version *v,
                                           const struct zone_match *match, const struct owner *last)
{
    add_soa(m, match->apex, last);
    add_reason(m, v, match, last);
}

/* ---- names outside our zones (dns-protocol section 11) ---- */

/* NOLINTBEGIN(misc-no-recursion): a chain that comes home is followed once; is_forwarded ends it */

#define LOCAL_TTL 10800 /* of what is answered for special names (RFC 6303 section 3) */

static bool is_local(const void *arg, const uint8_t *name)
{
    struct zone_match match;
    zone_find(arg, name, RR_ANY, &match);
    return match.kind != MATCH_OUTSIDE;
}

/* The SOA of RFC 6303 section 3 for the special zone whose name stands at zone_at. */
static void add_local_soa(struct message *m, size_t zone_at)
{
    static const uint8_t rname[] = "\6nobody\7invalid";
    static const uint8_t numbers[] = {0, 0,   0, 1, 0,  0,   14, 16, 0,  0,
                                      4, 176, 0, 9, 58, 128, 0,  0,  42, 48};
    uint8_t rdata[2 + sizeof rname + sizeof numbers];
    struct owner owner = {NULL, zone_at, 0};
    put16(rdata, (uint16_t)(0xc000U | zone_at));
    memcpy(rdata + 2, rname, sizeof rname);
    memcpy(rdata + 2 + sizeof rname, numbers, sizeof numbers);
    answer_own(m, &owner, RR_SOA, RR_CLASS_IN, LOCAL_TTL, rdata, sizeof rdata);
    if (!m->truncated) {
        m->answers--;
        m->authorities++;
    }
}

/* */
static void answer_special(struct message *m, uint16_t type, struct special special,
                           const struct owner *owner)
{
    static const uint8_t loopback[16] = {[15] = 1};
    static const uint8_t loopback4[4] = {127, 0, 0, 1};
    m->is_authoritative = true;
    if (special.kind == SPECIAL_LOCALHOST && (type == RR_A || type == RR_AAAA)) {
        bool is_v4 = type == RR_A;
        answer_own(m, owner, type, RR_CLASS_IN, LOCAL_TTL, is_v4 ? loopback4 : loopback,
                   is_v4 ? 4 : 16);
        return;
    }
    bool is_apex = special.zone_at == 0;
    if (special.kind == SPECIAL_MISSING && !is_apex)
        m->rcode = RCODE_NXDOMAIN;
    add_local_soa(m, owner->offset + special.zone_at);
}

/* Special names stay here unless a rule for them or for a name below theirs sends them on; so do
 * reverse names that fall through (K-REV), which is such a rule. */
static bool is_overridden(const struct zone_version *v, const struct forward_zone *zone,
                          const uint8_t *name, size_t name_len, struct special special)
{
    return (zone && zone->name_len >= name_len - special.zone_at) || zone_apex_find(v, name);
}

static void answer_found(struct message *m, const struct zone_version *v, const struct query *q,
                         struct zone_match *match, struct owner *owner);

/* What an upstream said about the name. Its chain may come back into our zones, but not leave them
 * again. */
static void answer_forwarded(struct message *m, const struct zone_version *v, const struct query *q,
                             const struct owner *owner)
{
    const struct dns_upstream *upstream = m->ctx->upstream;
    m->is_forwarded = true;
    if (!m->is_authoritative) /* */
        m->flags |= q->packet[3] & FLAG_CD;
    if (!upstream->reply) { /* never an answer that looks like "no address" (C16) */
        message_clear(m, q);
        message_fail(m, RCODE_SERVFAIL, (enum ede_code)upstream->ede);
        return;
    }
    m->rcode = upstream->reply->rcode;
    if (m->ede == EDE_NONE)
        m->ede = (enum ede_code)upstream->reply->ede;
    size_t at = reply_copy(upstream->reply, m, owner->offset, is_local, v);
    if (at == 0)
        return;
    if (!message_is_ready(m, v)) {
        message_clear(m, q);
        message_fail(m, RCODE_SERVFAIL, EDE_NOT_READY);
        return;
    }
    struct zone_match match;
    struct owner last = {NULL, at, name_wire_len(m->out + at, m->len - at)};
    m->rcode = RCODE_NOERROR;
    zone_find(v, m->out + at, q->type, &match);
    last.node = match.node;
    answer_found(m, v, q, &match, &last);
}

static bool is_same_question(const struct dns_upstream *upstream, const uint8_t *name,
                             const struct query *q)
{
    const struct reply_question *asked = upstream->question;
    return asked->type == q->type && name_equal(asked->name, name);
}

/* The name at owner->offset, which is in none of our zones (K-OUT), or, when it is not what was
 * asked, the target of a CNAME. */
static void answer_outside(struct message *m, const struct zone_version *v, const struct query *q,
                           const struct owner *owner)
{
    struct dns_context *ctx = m->ctx;
    const uint8_t *name = m->out + owner->offset;
    bool is_target = owner->offset != DNS_HEADER_SIZE;
    if (!(m->flags & FLAG_RA) || !q->rd) {
        if (!is_target) /* else the client goes on by itself */
            message_fail(m, RCODE_REFUSED,
                         q->rd && ctx->opts->forward && ctx->opts->forward->zone_count > 0
                             ? EDE_PROHIBITED
                             : EDE_NOT_AUTHORITATIVE);
        return;
    }
    const struct forward_zone *zone = forward_zone_find(ctx->opts->forward, name);
    struct special special = special_find(name);
    if (special.kind != SPECIAL_NONE && !is_overridden(v, zone, name, owner->len, special)) {
        answer_special(m, q->type, special, owner);
    } else if (!zone) {
        if (!is_target)
            message_fail(m, RCODE_REFUSED, EDE_NOT_AUTHORITATIVE);
    } else if (ctx->upstream && is_same_question(ctx->upstream, name, q)) {
        answer_forwarded(m, v, q, owner);
    } else {
        struct reply_question *question = &ctx->relay.question;
        name_fold(question->name, name, owner->len);
        question->name_len = owner->len;
        question->type = q->type;
        question->dnssec_ok = q->dnssec_ok;
        question->checking_disabled = q->packet[3] & FLAG_CD;
        ctx->relay.is_wanted = true;
    }
}

/* What a name leads to, CNAMEs apart. */
static void answer_match(struct message *m, const struct zone_version *v, const struct query *q,
                         const struct zone_match *match, const struct owner *owner)
{
    switch (match->kind) {
    case MATCH_EXACT:
        answer_set(m, match->set, owner);
        break;
    case MATCH_ANY:
        answer_any(m, owner, v->positive_ttl);
        break;
    case MATCH_SYNTH:
        answer_own(m, owner, match->synth_len == 4 ? RR_A : RR_AAAA, RR_CLASS_IN, v->positive_ttl,
                   match->synth, match->synth_len);
        break;
    case MATCH_NODATA: /* RFC 2308 section 2.2 */
        deny(m, v, match, owner);
        break;
    case MATCH_NXDOMAIN: /* RFC 2308 section 2.1, RFC 6604 */
        m->rcode = RCODE_NXDOMAIN;
        deny(m, v, match, owner);
        break;
    case MATCH_OUTSIDE:
        if (!m->is_forwarded)
            answer_outside(m, v, q, owner);
        break;
    case MATCH_CNAME: /* a loop or a chain too long ends here (K-EXTRULES) */
        break;
    }
}

/* The CNAME, then what it leads to, while that is in our zones. A name met before ends the chain
 * without an error. */
static void follow_cname(struct message *m, const struct zone_version *v, const struct query *q,
                         struct zone_match *match, struct owner *owner)
{
    const struct zone_node *met[DNS_CNAME_LINKS];
    for (size_t links = 0; match->kind == MATCH_CNAME && links < DNS_CNAME_LINKS; links++) {
        for (size_t i = 0; i < links; i++) {
            if (met[i] == match->node)
                return;
        }
        met[links] = match->node;
        size_t at = m->len;
        if (!add_answer(m, match->set, owner, 0))
            return;
        owner->offset = at + 12;
        owner->len = get16(m->out + at + 10);
        zone_find(v, m->out + owner->offset, q->type, match);
        owner->node = match->node;
    }
    answer_match(m, v, q, match, owner);
}

static void answer_found(struct message *m, const struct zone_version *v, const struct query *q,
                         struct zone_match *match, struct owner *owner)
{
    if (match->kind == MATCH_CNAME)
        follow_cname(m, v, q, match, owner);
    else
        answer_match(m, v, q, match, owner);
}

/* NOLINTEND(misc-no-recursion) */

static void answer_name(struct message *m, const struct zone_version *v, const struct query *q)
{
    struct zone_match match;
    if (m->ctx->ahead)
        zone_find_searched(v, m->ctx->ahead, q->type, &match);
    else
        zone_find_name(v, q->lookup, q->type, &match);
    struct owner owner = {match.node, DNS_HEADER_SIZE, q->name_len};
    if (match.kind == MATCH_OUTSIDE) {
        answer_outside(m, v, q, &owner);
        return;
    }
    m->is_authoritative = true;
    if (m->ctx->stale_us > 0)
        m->ede = EDE_STALE;
    answer_found(m, v, q, &match, &owner);
}

bool message_is_ready(const struct message *m, const struct zone_version *v)
{
    int64_t limit_us = m->ctx->opts->max_stale_us;
    return v && v->loaded_us != 0 && (limit_us == 0 || m->ctx->stale_us <= limit_us);
}

static void answer_chaos(struct message *m, const struct query *q)
{
    static const char *const names[] = {"\7version\4bind", "\7version\6server", "\10hostname\4bind",
                                        "\2id\6server"};
    const struct answer_opts *opts = m->ctx->opts;
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        is_known |= name_equal(q->name, (const uint8_t *)names[i]);
    if (!is_known || q->type != RR_TXT || opts->chaos_len == 0) {
        message_fail(m, RCODE_REFUSED, EDE_PROHIBITED);
        return;
    }
    uint8_t rdata[DNS_CHAOS_MAX + 1] = {(uint8_t)opts->chaos_len};
    memcpy(rdata + 1, opts->chaos, opts->chaos_len);
    struct owner owner = {NULL, DNS_HEADER_SIZE, q->name_len};
    m->is_authoritative = true;
    answer_own(m, &owner, RR_TXT, CLASS_CH, 0, rdata, opts->chaos_len + 1);
}

/* Step 12: dns.client-limit, without an answer. What comes back from an upstream has been
 * counted when it was asked. */
static bool is_within_limit(struct message *m)
{
    struct dns_context *ctx = m->ctx;
    const struct dns_peer *peer = m->peer;
    uint32_t per_s = ctx->opts->client_limit;
    if (per_s == 0 || !ctx->clients || ctx->upstream ||
        client_limit_pass(ctx->clients, peer->addr, peer->addr_len, per_s, ctx->now_us))
        return true;
    ctx->limited++;
    memcpy(ctx->limited_addr, peer->addr, peer->addr_len);
    ctx->limited_addr_len = peer->addr_len;
    return false;
}

/* Steps 11 to 16 of R-001. */
static void answer_query(struct message *m, const struct zone_version *v, const struct query *q)
{
    if (q->class == CLASS_CH) {
        answer_chaos(m, q);
    } else if (q->class != RR_CLASS_IN) {
        message_fail(m, RCODE_REFUSED, EDE_NOT_SUPPORTED);
    } else if (!is_within_limit(m)) {
        m->is_dropped = true;
    } else if (q->type == 0 || q->type == RR_OPT || q->type == RR_TKEY || q->type == RR_TSIG) {
        message_fail(m, RCODE_FORMERR, EDE_NONE); /* */
    } else if (q->type == RR_AXFR || q->type == RR_IXFR) {
        answer_transfer(m, v, q);
    } else if (message_is_ready(m, v)) {
        answer_name(m, v, q);
    } else if (v && !zone_apex_find(v, q->name)) {
        const struct owner owner = {NULL, DNS_HEADER_SIZE, q->name_len};
        answer_outside(m, v, q, &owner);
    } else {
        message_fail(m, RCODE_SERVFAIL, EDE_NOT_READY); /* K-SYNC */
    }
}

/* ---- verdicts ---- */

static void answer_verdict(struct message *m, const struct zone_version *v, const struct query *q,
                           enum query_verdict verdict)
{
    struct dns_counters *counters = m->ctx->counters;
    switch (verdict) {
    case QUERY_OK:
        answer_query(m, v, q);
        break;
    case QUERY_COOKIE_ONLY:
        break;
    case QUERY_NOTIMP:
        message_fail(m, RCODE_NOTIMP, EDE_NONE);
        m->flags = 0; /* */
        break;
    case QUERY_FORMERR:
        if (q->was_edns_error)
            counter_add(&counters->edns_errors[EDNS_MALFORMED], 1);
        message_fail(m, RCODE_FORMERR, EDE_NONE);
        break;
    case QUERY_BAD_TSIG:
        message_fail(m, RCODE_FORMERR, EDE_NONE);
        break;
    case QUERY_TSIG:
        message_fail(m, RCODE_NOTAUTH, EDE_NONE);
        break;
    case QUERY_BADVERS:
        counter_add(&counters->edns_errors[EDNS_BADVERS], 1);
        message_fail(m, RCODE_BADVERS, EDE_NONE);
        break;
    case QUERY_BAD_COOKIE:
        counter_add(&counters->edns_errors[EDNS_BAD_COOKIE], 1);
        message_fail(m, RCODE_FORMERR, EDE_NONE);
        break;
    }
}

/* Step 3: services that answer anything with something. */
static bool is_reflector_port(uint16_t port)
{
    return port <= 37 && (port == 0 || port == 7 || port == 13 || port == 19 || port == 37);
}

/* A password server answers errors with errors. */
static bool is_error_to_kpasswd(const struct message *m)
{
    return m->peer->port == 464 && m->peer->proto == DNS_UDP && message_is_error(m);
}

bool dns_look_ahead(const uint8_t *packet, size_t len, struct zone_search *search)
{
    query_read_name(&search->name, packet, len);
    return search->name.wire_len > 0;
}

size_t dns_respond(struct dns_context *ctx, const struct zone_version *version,
                   const struct dns_peer *peer, const uint8_t *packet, size_t len, uint8_t *out,
                   size_t room)
{
    struct dns_counters *counters = ctx->counters;
    if (!ctx->upstream)
        counter_add(&counters->queries[peer->proto], 1);
    enum dns_drop drop;
    if (len < DNS_HEADER_SIZE)
        drop = DROP_SHORT;
    else if (packet[2] & 0x80)
        drop = DROP_QR;
    else if (peer->proto == DNS_UDP && is_reflector_port(peer->port))
        drop = DROP_PORT;
    else
        drop = DROP_REASONS;
    bool is_allowed = access_list_allows(&ctx->opts->query_acl, peer->addr, peer->addr_len);
    if (drop == DROP_REASONS && !is_allowed && ctx->opts->denied_drop)
        drop = DROP_ACL;
    if (drop != DROP_REASONS) {
        counter_add(&counters->drops[drop], 1);
        return 0;
    }

    struct query q;
    struct name_lookup own;
    const struct name_lookup *name = ctx->ahead ? &ctx->ahead->name : &own;
    if (!ctx->ahead)
        query_read_name(&own, packet, len);
    enum query_verdict verdict = query_parse(&q, packet, len, name, ctx->opts->cookies);
    struct message m;
    message_begin(&m, ctx, peer, &q, out, room);
    const struct forward_conf *forward = ctx->opts->forward;
    if (forward && is_allowed)
        m.flags =
            access_list_allows(&forward->recurse_acl, peer->addr, peer->addr_len) ? FLAG_RA : 0;
    if (is_allowed)
        answer_verdict(&m, version, &q, verdict);
    else
        message_fail(&m, RCODE_REFUSED, EDE_PROHIBITED);
    if (ctx->relay.is_wanted)
        return 0;
    if (m.is_dropped || is_error_to_kpasswd(&m)) {
        counter_add(&counters->drops[m.is_dropped ? DROP_CLIENT : DROP_PORT], 1);
        return 0;
    }
    size_t size = message_end(&m, &q, is_allowed && verdict == QUERY_TSIG);
    counter_add(&counters->responses[peer->proto][m.rcode], 1);
    if (m.truncated)
        counter_add(&counters->truncated[peer->proto], 1);
    return size;
}

size_t dns_respond_again(struct dns_context *ctx, const struct zone_version *version,
                         const struct dns_peer *peer, const uint8_t *packet, size_t len,
                         const struct dns_upstream *upstream, uint8_t *out, size_t room)
{
    ctx->upstream = upstream;
    size_t size = dns_respond(ctx, version, peer, packet, len, out, room);
    ctx->upstream = NULL;
    return size;
}
