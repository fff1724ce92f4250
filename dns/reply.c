#include "dns/reply.h"

#include <string.h>

#include "base/check.h"
#include "dns/wire_name.h"
#include "zones/rrset.h"

enum {
    RR_MD = 3,
    RR_MF = 4,
    RR_MB = 7,
    RR_MG = 8,
    RR_MR = 9,
    RR_MINFO = 14,
    RR_MX = 15,
    RR_RP = 17,
    RR_AFSDB = 18,
    RR_RT = 21,
    RR_PX = 26,
    RR_NAPTR = 35,
    RR_KX = 36,
    RR_DNAME = 39,
    RR_RRSIG = 46,
    RR_NSEC = 47,
    RR_NSEC3 = 50
};
enum { OPTION_EDE = 15, RCODES_EXTENDED = 16 };

#define RECORD_FIXED 10 /* type, class, TTL, length */

/* ---- shapes of RDATA that may hold compressed names (RFC 3597 section 4) ---- */

struct shape {
    uint16_t type;
    uint8_t fixed;     /* octets before the names */
    uint8_t strings;   /* then so many character strings */
    uint8_t names;     /* then names */
    uint8_t rest;      /* and so many octets to the end */
    bool may_compress; /* RFC 1035 types only */
};

static const struct shape shapes[] = {
    {RR_A, 4, 0, 0, 0, false},     {RR_AAAA, 16, 0, 0, 0, false}, {RR_NS, 0, 0, 1, 0, true},
    {RR_MD, 0, 0, 1, 0, true},     {RR_MF, 0, 0, 1, 0, true},     {RR_CNAME, 0, 0, 1, 0, true},
    {RR_SOA, 0, 0, 2, 20, true},   {RR_MB, 0, 0, 1, 0, true},     {RR_MG, 0, 0, 1, 0, true},
    {RR_MR, 0, 0, 1, 0, true},     {RR_PTR, 0, 0, 1, 0, true},    {RR_MINFO, 0, 0, 2, 0, true},
    {RR_MX, 2, 0, 1, 0, true},     {RR_RP, 0, 0, 2, 0, false},    {RR_AFSDB, 2, 0, 1, 0, false},
    {RR_RT, 2, 0, 1, 0, false},    {RR_PX, 2, 0, 2, 0, false},    {RR_SRV, 6, 0, 1, 0, false},
    {RR_NAPTR, 4, 3, 1, 0, false}, {RR_KX, 2, 0, 1, 0, false},    {RR_DNAME, 0, 0, 1, 0, false},
};

static const struct shape *shape_of(uint16_t type)
{
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        if (shapes[i].type == type)
            return &shapes[i];
    }
    return NULL;
}

/* What stands before the names of RDATA; NULL when it is not there. */
static const uint8_t *shape_head(const struct shape *shape, struct buf_in *in, size_t *len)
{
    const uint8_t *begin = in->at;
    buf_bytes(in, shape->fixed);
    for (uint8_t i = 0; i < shape->strings; i++)
        buf_bytes(in, buf_u8(in));
    *len = in->failed ? 0 : (size_t)(in->at - begin);
    return in->failed ? NULL : begin;
}

static bool rdata_is_sound(const uint8_t *message, const struct shape *shape, size_t at, size_t len)
{
    struct buf_in in;
    uint8_t name[NAME_MAX_WIRE];
    size_t head;
    buf_in_init(&in, message + at, len);
    if (!shape_head(shape, &in, &head))
        return false;
    for (uint8_t i = 0; i < shape->names; i++) {
        if (wire_name_read(message, &in, name) == 0)
            return false;
    }
    return buf_in_left(&in) == shape->rest;
}

/* ---- reading ---- */

static uint32_t hash_folded(const uint8_t *name, size_t len)
{
    uint8_t folded[NAME_MAX_WIRE];
    name_fold(folded, name, len);
    return wire_name_hash(folded);
}

/* A record; OPT and class are told to the caller through `head`. */
static bool read_record(const uint8_t *message, struct buf_in *in, struct reply_record *rr,
                        uint16_t *class)
{
    uint8_t owner[NAME_MAX_WIRE];
    size_t at = (size_t)(in->at - message);
    size_t owner_len = wire_name_read(message, in, owner);
    if (owner_len == 0)
        return false;
    rr->owner_at = (uint16_t)at;
    rr->owner_hash = hash_folded(owner, owner_len);
    rr->type = buf_u16(in);
    *class = buf_u16(in);
    rr->ttl = buf_u32(in);
    rr->rdlen = buf_u16(in);
    if (in->failed)
        return false;
    rr->rdata_at = (uint16_t)(in->at - message);
    if (!buf_bytes(in, rr->rdlen))
        return false;
    const struct shape *shape = shape_of(rr->type);
    return !shape || *class != RR_CLASS_IN ||
           rdata_is_sound(message, shape, rr->rdata_at, rr->rdlen);
}

/* Reads `count` records; those of class IN are kept. False when one cannot be read. */
static bool read_section(struct reply *r, struct buf_in *in, unsigned count, size_t *kept)
{
    for (; count > 0; count--) {
        uint16_t class;
        size_t next = r->answers + r->authorities;
        if (next == REPLY_RECORDS_MAX || !read_record(r->bytes, in, &r->records[next], &class))
            return false;
        if (class == RR_CLASS_IN)
            (*kept)++;
    }
    return true;
}

static int first_ede(const uint8_t *options, size_t len)
{
    while (len >= 4) {
        size_t size = get16(options + 2);
        if (size > len - 4)
            break;
        if (get16(options) == OPTION_EDE && size >= 2 && get16(options + 4) != EDE_OTHER)
            return get16(options + 4);
        options += 4 + size;
        len -= 4 + size;
    }
    return EDE_NONE;
}

/* Of the additional section only OPT counts. */
static bool read_additional(struct reply *r, struct buf_in *in, unsigned count, unsigned *rcode)
{
    bool has_opt = false;
    for (; count > 0; count--) {
        struct reply_record rr;
        uint16_t class;
        if (!read_record(r->bytes, in, &rr, &class))
            return false;
        if (rr.type != RR_OPT)
            continue;
        if (has_opt)
            return false;
        has_opt = true;
        *rcode |= (rr.ttl >> 24) << 4;
        r->ede = first_ede(r->bytes + rr.rdata_at, rr.rdlen);
    }
    return true;
}

enum same { SAME_NOT, SAME_BUT_CASE, SAME };

static enum same compare_question(const struct reply_question *q, struct buf_in *in)
{
    const uint8_t *name = buf_bytes(in, q->name_len);
    if (!name || buf_u16(in) != q->type || buf_u16(in) != RR_CLASS_IN || in->failed)
        return SAME_NOT;
    if (memcmp(name, q->name, q->name_len) == 0)
        return SAME;
    bool is_name = name_wire_len(name, q->name_len) == q->name_len;
    return is_name && name_equal(name, q->name) ? SAME_BUT_CASE : SAME_NOT;
}

static bool has_record(const struct reply *r, size_t from, size_t count, uint16_t type)
{
    for (size_t i = from; i < from + count; i++) {
        if (r->records[i].type == type)
            return true;
    }
    return false;
}

/* An answer of a server that does not resolve for us: a referral down or up. */
static bool is_referral(const struct reply *r)
{
    return r->answers == 0 && has_record(r, 0, r->authorities, RR_NS) &&
           !has_record(r, 0, r->authorities, RR_SOA);
}

static enum reply_kind kind_of(const struct reply *r, unsigned rcode, bool has_edns)
{
    if (has_edns && (rcode == RCODE_FORMERR || rcode == RCODE_NOTIMP || rcode == RCODE_BADVERS))
        return REPLY_NO_EDNS;
    if (rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN && rcode != RCODE_YXDOMAIN)
        return REPLY_FAILED;
    return rcode == RCODE_NOERROR && !r->is_truncated && is_referral(r) ? REPLY_FAILED
                                                                        : REPLY_ANSWER;
}

/* The next CNAME of the chain, or NULL. */
static const struct reply_record *find_record(const struct reply *r, const uint8_t *name,
                                              uint16_t type)
{
    uint32_t hash = wire_name_hash(name);
    for (size_t i = 0; i < r->answers; i++) {
        const struct reply_record *rr = &r->records[i];
        uint8_t owner[NAME_MAX_WIRE];
        struct buf_in in;
        if (rr->owner_hash != hash || rr->type != type)
            continue;
        buf_in_init(&in, r->bytes, r->len);
        in.at += rr->owner_at;
        if (wire_name_read(r->bytes, &in, owner) > 0 && name_equal(owner, name))
            return rr;
    }
    return NULL;
}

/* The name in the RDATA of a CNAME, in lower case. */
static size_t target_of(const struct reply *r, const struct reply_record *rr,
                        uint8_t out[NAME_MAX_WIRE])
{
    struct buf_in in;
    buf_in_init(&in, r->bytes, r->len);
    in.at += rr->rdata_at;
    size_t len = wire_name_read(r->bytes, &in, out);
    name_fold(out, out, len);
    return len;
}

static bool follows_cnames(uint16_t type)
{
    return type != RR_CNAME && type != RR_ANY;
}

static bool chain_is_bounded(const struct reply *r)
{
    uint8_t name[NAME_MAX_WIRE];
    memcpy(name, r->question.name, r->question.name_len);
    for (int links = 0; follows_cnames(r->question.type) && links <= REPLY_LINKS; links++) {
        const struct reply_record *rr = find_record(r, name, RR_CNAME);
        if (!rr)
            return true;
        target_of(r, rr, name);
    }
    return !follows_cnames(r->question.type);
}

enum reply_kind reply_check(struct reply *r, const struct reply_question *question, uint16_t id,
                            bool has_edns, const uint8_t *bytes, size_t len)
{
    struct buf_in in;
    if (len < DNS_HEADER_SIZE || len > DNS_TCP_MAX || get16(bytes) != id ||
        (bytes[2] & 0xf8) != 0x80) /* QR, opcode QUERY */
        return REPLY_MISMATCH;
    r->bytes = bytes;
    r->len = len;
    r->is_truncated = bytes[2] & 2;
    r->ede = EDE_NONE;
    r->answers = r->authorities = 0;
    unsigned rcode = bytes[3] & 15;
    unsigned questions = get16(bytes + 4);
    r->rcode = (enum dns_rcode)rcode;
    if (questions == 0 && (rcode == RCODE_FORMERR || rcode == RCODE_NOTIMP))
        return has_edns ? REPLY_NO_EDNS : REPLY_FAILED; /* it did not even parse the question */
    buf_in_init(&in, bytes, len);
    buf_bytes(&in, DNS_HEADER_SIZE);
    enum same same = questions == 1 ? compare_question(question, &in) : SAME_NOT;
    if (same != SAME)
        return same == SAME_NOT ? REPLY_MISMATCH : REPLY_OTHER_CASE;
    r->question = *question;
    name_fold(r->question.name, question->name, question->name_len);
    bool is_sound = read_section(r, &in, get16(bytes + 6), &r->answers) &&
                    read_section(r, &in, get16(bytes + 8), &r->authorities) &&
                    read_additional(r, &in, get16(bytes + 10), &rcode) && buf_in_left(&in) == 0;
    if (!is_sound && !r->is_truncated) /* what was cut may end anywhere */
        return REPLY_BROKEN;
    enum reply_kind kind = kind_of(r, rcode, has_edns);
    r->rcode = rcode < RCODES_EXTENDED ? (enum dns_rcode)rcode : RCODE_SERVFAIL;
    return kind == REPLY_ANSWER && !chain_is_bounded(r) ? REPLY_BROKEN : kind;
}

/* ---- copying ---- */

struct copy {
    const struct reply *r;
    struct message *m;
    struct name_table table;
};

/* Writes the RDATA at `at`; the octets written, or -1 when they do not fit. */
static int write_rdata(struct copy *c, const struct reply_record *rr, size_t at)
{
    struct message *m = c->m;
    struct buf_in in;
    size_t begin = at, head;
    const struct shape *shape = shape_of(rr->type);
    buf_in_init(&in, c->r->bytes + rr->rdata_at, rr->rdlen);
    if (!shape) {
        if (m->limit - at < rr->rdlen)
            return -1;
        memcpy(m->out + at, in.at, rr->rdlen);
        return rr->rdlen;
    }
    const uint8_t *bytes = shape_head(shape, &in, &head);
    if (m->limit - at < head)
        return -1;
    memcpy(m->out + at, bytes, head);
    at += head;
    for (uint8_t i = 0; i < shape->names; i++) {
        uint8_t name[NAME_MAX_WIRE];
        struct name_table none = {0};
        wire_name_read(c->r->bytes, &in, name);
        size_t size =
            wire_name_write(m->out, at, m->limit, name, shape->may_compress ? &c->table : &none);
        if (size == 0)
            return -1;
        at += size;
    }
    if (m->limit - at < shape->rest)
        return -1;
    memcpy(m->out + at, in.at, shape->rest);
    return (int)(at + shape->rest - begin);
}

/* One record, whole or not at all. */
static bool copy_record(struct copy *c, const struct reply_record *rr)
{
    struct message *m = c->m;
    struct buf_in in;
    uint8_t owner[NAME_MAX_WIRE];
    unsigned known = c->table.count;
    buf_in_init(&in, c->r->bytes, c->r->len);
    in.at += rr->owner_at;
    wire_name_read(c->r->bytes, &in, owner);
    size_t size = wire_name_write(m->out, m->len, m->limit, owner, &c->table);
    size_t at = m->len + size;
    int rdlen = -1;
    if (size > 0 && m->limit - at >= RECORD_FIXED)
        rdlen = write_rdata(c, rr, at + RECORD_FIXED);
    if (rdlen < 0) {
        c->table.count = known; /* what it pointed to is not there */
        return false;
    }
    uint32_t ttl = rr->ttl > INT32_MAX ? 0 : rr->ttl; /* RFC 2181 section 8 */
    uint8_t *head = put16(put16(m->out + at, rr->type), RR_CLASS_IN);
    head = put16(put16(head, (uint16_t)(ttl >> 16)), (uint16_t)ttl);
    put16(head, (uint16_t)rdlen);
    m->len = at + RECORD_FIXED + (size_t)rdlen;
    return true;
}

static bool owner_of(const struct reply *r, const struct reply_record *rr,
                     uint8_t out[NAME_MAX_WIRE])
{
    struct buf_in in;
    buf_in_init(&in, r->bytes, r->len);
    in.at += rr->owner_at;
    return wire_name_read(r->bytes, &in, out) > 0;
}

/* The type that a signature covers. */
static uint16_t covered(const struct reply *r, const struct reply_record *rr)
{
    return rr->type == RR_RRSIG && rr->rdlen >= 2 ? get16(r->bytes + rr->rdata_at) : 0;
}

static bool is_of_set(const struct reply *r, const struct reply_record *rr, uint16_t type)
{
    return type == RR_ANY || rr->type == type || (r->question.dnssec_ok && covered(r, rr) == type);
}

/* A name has one CNAME (RFC 2181 section 10.1) and one DNAME (RFC 6672 section 2.4) at most. True
 * for those behind the first one; seen: of this name so far. */
static bool is_one_too_many(const struct reply_record *rr, bool seen[2])
{
    if (rr->type != RR_CNAME && rr->type != RR_DNAME)
        return false;
    bool *has = &seen[rr->type == RR_DNAME];
    bool is_second = *has;
    *has = true;
    return is_second;
}

/* Answers with the records of a type at a name, and their signatures; how many there were. */
static size_t copy_set(struct copy *c, const uint8_t *name, uint16_t type)
{
    const struct reply *r = c->r;
    struct message *m = c->m;
    uint32_t hash = wire_name_hash(name);
    size_t found = 0;
    bool seen[2] = {false, false};
    for (size_t i = 0; i < r->answers; i++) {
        const struct reply_record *rr = &r->records[i];
        uint8_t owner[NAME_MAX_WIRE];
        if (rr->owner_hash != hash || !is_of_set(r, rr, type) || !owner_of(r, rr, owner) ||
            !name_equal(owner, name) || is_one_too_many(rr, seen))
            continue;
        found++;
        if (m->truncated)
            continue;
        if (copy_record(c, rr))
            m->answers++;
        else
            m->truncated = true;
    }
    return found;
}

/* The DNAME that a CNAME was made from (RFC 6672): at a name above. */
static void copy_dnames(struct copy *c, const uint8_t *name)
{
    const struct reply *r = c->r;
    for (size_t i = 0; i < r->answers; i++) {
        uint8_t owner[NAME_MAX_WIRE];
        if (r->records[i].type != RR_DNAME || !owner_of(r, &r->records[i], owner) ||
            !name_is_under(name, owner) || name_equal(name, owner))
            continue;
        name_fold(owner, owner, name_wire_len(owner, sizeof owner));
        copy_set(c, owner, RR_DNAME);
        return;
    }
}

/* What says that there is nothing: the SOA of a zone that holds the name, and its proofs. */
static void copy_denial(struct copy *c, const uint8_t *name)
{
    const struct reply *r = c->r;
    struct message *m = c->m;
    for (size_t i = r->answers; i < r->answers + r->authorities && !m->truncated; i++) {
        const struct reply_record *rr = &r->records[i];
        uint8_t owner[NAME_MAX_WIRE];
        bool is_proof = rr->type == RR_NSEC || rr->type == RR_NSEC3 || rr->type == RR_RRSIG;
        if (rr->type != RR_SOA && !(is_proof && r->question.dnssec_ok))
            continue;
        if (rr->type == RR_SOA && !(owner_of(r, rr, owner) && name_is_under(name, owner)))
            continue;
        if (copy_record(c, rr))
            m->authorities++;
        else
            m->truncated = true;
    }
}

/* The CNAME at `name` that leads to a name of ours, which stays uncompressed. Offset of that name,
 * or 0. */
static size_t copy_last_link(struct copy *c, const struct reply_record *rr, const uint8_t *target,
                             size_t target_len)
{
    struct message *m = c->m;
    struct name_table table = c->table;
    size_t before = m->len;
    if (!copy_record(c, rr)) {
        m->truncated = true;
        return 0;
    }
    c->table = table;
    struct buf_in in;
    uint8_t owner[NAME_MAX_WIRE];
    buf_in_init(&in, m->out + before, m->len - before);
    wire_name_read(m->out, &in, owner);
    size_t at = (size_t)(in.at - m->out) + RECORD_FIXED;
    if (m->limit - at < target_len) {
        m->len = before;
        m->truncated = true;
        return 0;
    }
    put16(m->out + at - 2, (uint16_t)target_len);
    memcpy(m->out + at, target, target_len);
    m->len = at + target_len;
    m->answers++;
    return at;
}

size_t reply_copy(const struct reply *r, struct message *m, size_t name_at,
                  reply_is_local_fn *is_local, const void *arg)
{
    struct copy c = {.r = r, .m = m};
    uint8_t name[NAME_MAX_WIRE];
    name_table_add(&c.table, m->out, name_at);
    memcpy(name, r->question.name, r->question.name_len);
    for (int links = 0; follows_cnames(r->question.type) && links < REPLY_LINKS; links++) {
        const struct reply_record *rr = find_record(r, name, RR_CNAME);
        uint8_t target[NAME_MAX_WIRE];
        if (!rr || m->truncated)
            break;
        copy_dnames(&c, name);
        size_t len = target_of(r, rr, target);
        if (is_local(arg, target))
            return m->truncated ? 0 : copy_last_link(&c, rr, target, len);
        copy_set(&c, name, RR_CNAME);
        memcpy(name, target, len);
    }
    if (!m->truncated && copy_set(&c, name, r->question.type) == 0)
        copy_denial(&c, name);
    m->truncated |= r->is_truncated;
    return 0;
}
